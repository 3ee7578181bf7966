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
/// that is remembered takes 16 MiB at most. Program information in UTF-16 has some 700.
const MAX_KEY: usize = 1_024;

/// What is remembered of the records of one input. Texts are held by one of these and by events, so that
/// [`Actor::own_bytes`] counts those that no other event has.
#[derive(Default)]
pub(crate) struct Known {
    pub(super) texts: Texts,
    pub(super) programs: Remembered<Option<Box<ProgramInfo>>>,
    pub(super) parents: Remembered<Option<Box<Parent>>>,
    actors: Remembered<Arc<Actor>>,
    devices: Remembered<Option<Arc<str>>>,
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
        actor(&mut self.devices, record, process)
    }

    /// The same of a process that is made of these fields and of nothing else.
    pub(super) fn actor_of<const N: usize>(
        &mut self,
        record: &WindowsRecord<'_>,
        fields: [Field; N],
        make: impl FnOnce(&mut Texts) -> Result<Process, Translated>,
    ) -> Result<Arc<Actor>, Translated> {
        let Known { actors, devices, texts, .. } = self;
        let of_process = fields.map(|field| record.data.get(field));
        let values = std::iter::once(record.computer.as_ref()).chain(of_process);
        actors.find(values, || Ok(actor(devices, record, Some(make(texts)?))))
    }
}

fn actor(
    devices: &mut Remembered<Option<Arc<str>>>,
    record: &WindowsRecord<'_>,
    process: Option<Process>,
) -> Arc<Actor> {
    let device = record.computer.as_ref().and_then(|computer| {
        let named =
            || Some(Arc::from(&*computer.text())).filter(|name: &Arc<str>| !name.is_empty());
        let Ok(device) = devices.find([Some(computer)], || Ok::<_, Infallible>(named()));
        device
    });
    Arc::new(Actor { device, process, container: None })
}

/// Things by the values they were made of.
pub(super) struct Remembered<T> {
    /// Room for the bytes that a thing is looked for by.
    key: Vec<u8>,
    known: Generations<Box<[u8]>, T>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Remembered { key: Vec::new(), known: Generations::new(MAX_KNOWN) }
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
        self.known.insert((&*self.key).into(), made.clone());
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
