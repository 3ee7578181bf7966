//! What was made of records before, by the values it was made of: a process is named again by each of its
//! connections, its program, parent and user by those of many processes.

use std::convert::Infallible;
use std::sync::Arc;

use lapwing_event::{Actor, Parent, Process, ProgramInfo, Text};

use super::Translated;
use super::fields::Field;
use super::record::WindowsRecord;
use super::value::Value;
use crate::generations::Generations;

/// How many things of each kind are remembered at least: a computer runs a few hundred programs, each as a
/// few users.
const MAX_KNOWN: usize = 1_024;

/// The longest values together that something is remembered by, in bytes: with what is made of them all
/// that is remembered takes 16 MiB at most, in real logs a tenth. Program information in UTF-16 has some
/// 700.
const MAX_KEY: usize = 1_024;

/// How many things that were seen once are known of.
const SEEN: usize = 1 << 12;

/// What is remembered of the records of one input. Texts are held by one of these and by events, so that
/// [`Actor::own_bytes`] counts those that no other event has.
#[derive(Default)]
pub(crate) struct Known {
    pub(super) texts: Texts,
    pub(super) programs: Remembered<Option<Box<ProgramInfo>>>,
    pub(super) parents: Remembered<Option<Box<Parent>>>,
    actors: Remembered<Arc<Actor>>,
    computer: Computer,
}

/// The computer of the last record.
#[derive(Default)]
struct Computer {
    key: Vec<u8>,
    device: Option<Arc<str>>,
    /// Room for the bytes of the next one.
    next: Vec<u8>,
}

impl Computer {
    /// Goes on to the next record; whether its computer is that of the last one.
    fn is_again(&mut self, record: &WindowsRecord<'_>) -> bool {
        self.next.clear();
        if let Some(computer) = &record.computer {
            computer.write_key(&mut self.next);
        }
        if self.next == self.key {
            return true;
        }
        std::mem::swap(&mut self.key, &mut self.next);
        let name = record.computer.as_ref().map(Value::text).filter(|name| !name.is_empty());
        self.device = name.map(|name| Arc::from(&*name));
        false
    }

    fn actor(&self, process: Option<Process>) -> Arc<Actor> {
        Arc::new(Actor { device: self.device.clone(), process, container: None })
    }
}

/// Texts by the values they are made of.
pub(super) type Texts = Remembered<Option<Text>>;

impl Known {
    /// The computer of a record, and a process of it.
    pub(super) fn actor(
        &mut self,
        record: &WindowsRecord<'_>,
        process: Option<Process>,
    ) -> Arc<Actor> {
        self.computer.is_again(record);
        self.computer.actor(process)
    }

    /// The same of a process that is made of these fields and of nothing else. It is looked for among others
    /// only where a computer's records come one after the other: among those of thousands it would not be
    /// found again for long.
    pub(super) fn actor_of<const N: usize>(
        &mut self,
        record: &WindowsRecord<'_>,
        fields: [Field; N],
        make: impl FnOnce(&mut Texts) -> Result<Process, Translated>,
    ) -> Result<Arc<Actor>, Translated> {
        let Known { actors, computer, texts, .. } = self;
        if !computer.is_again(record) {
            return Ok(computer.actor(Some(make(texts)?)));
        }
        let of_process = fields.map(|field| record.data.get(field));
        let values = std::iter::once(record.computer.as_ref()).chain(of_process);
        actors.find(values, || Ok(computer.actor(Some(make(texts)?))))
    }
}

/// Things by the values they were made of, from the second time on: many are seen once, such as the hashes
/// of programs of a fleet.
pub(super) struct Remembered<T> {
    /// Room for the bytes that a thing is looked for by.
    key: Vec<u8>,
    /// Hashes of such bytes that were seen of late.
    seen: Vec<u32>,
    known: Generations<Box<[u8]>, T>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Remembered { key: Vec::new(), seen: vec![0; SEEN], known: Generations::new(MAX_KNOWN) }
    }
}

impl<T> Remembered<T> {
    /// Whether the bytes of this hash were seen of late; they are from now on.
    fn is_seen(&mut self, hash: u64) -> bool {
        let (slot, mark) = (hash as usize % SEEN, (hash >> 32) as u32);
        std::mem::replace(&mut self.seen[slot], mark) == mark
    }
}

impl<T: Clone> Remembered<T> {
    /// What is made of these fields of a record and of nothing else.
    pub(super) fn of<const N: usize>(
        &mut self,
        record: &WindowsRecord<'_>,
        fields: [Field; N],
        make: impl FnOnce() -> T,
    ) -> T {
        let values = fields.map(|field| record.data.get(field));
        let Ok(made) = self.find(values, || Ok::<_, Infallible>(make()));
        made
    }

    /// What is made of these values and of nothing else. What cannot be made is not remembered.
    fn find<'v, E>(
        &mut self,
        values: impl IntoIterator<Item = Option<&'v Value<'v>>>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.key.clear();
        for value in values {
            match value {
                Some(value) => value.write_key(&mut self.key),
                None => self.key.push(0),
            }
        }
        if self.key.len() > MAX_KEY {
            return make();
        }
        if let Some(known) = self.known.get(&*self.key) {
            return Ok(known.clone());
        }
        let made = make()?;
        if self.is_seen(self.known.hash(&*self.key)) {
            self.known.insert((&*self.key).into(), made.clone());
        }
        Ok(made)
    }
}

impl Texts {
    /// The text of a field.
    pub(super) fn text(&mut self, record: &WindowsRecord<'_>, field: Field) -> Option<Text> {
        record.data.get(field)?;
        self.of(record, [field], || record.own(field))
    }
}
