//! Sorted events on disk: what this process writes and reads back, and nobody else.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use foldhash::fast::FixedState;
use lapwing_event::{
    Activity, Actor, Address, Event, Initiator, InputId, LogSource, Network, Outcome, Protocol,
    Record, Technique, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::Arrived;

/// How many actors a run remembers, so that each is written once and shared when read back.
const ACTOR_CACHE: usize = 4096;

/// How many kinds of attempts a run tells apart: an input has a few dozen, and further ones are written
/// as any event is.
const MOST_KINDS: usize = 65_536;

/// An attempt as it lies in a run: its time, arrival and offset, two words for each address, and the last
/// for both ports and the place of its kind. Most events of large inputs are attempts that name nobody.
type Attempt = [u64; 8];

/// The length that stands before an attempt, in place of that of a [`Row`].
const ATTEMPT: u32 = 0;

/// What many attempts have in common, which the run keeps in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    input: InputId,
    log_source: LogSource,
    protocol: Protocol,
    initiator: Initiator,
    outcome: Outcome,
    technique: Technique,
}

/// Any other event as it lies in a run.
#[derive(Serialize, Deserialize)]
struct Row {
    arrival: u64,
    event: Event,
    actor: StoredActor,
}

/// An event's actor: none, one of the last [`ACTOR_CACHE`] by its place among them, or a new one.
#[derive(Serialize, Deserialize)]
enum StoredActor {
    None,
    Known(u32),
    New(Arc<Actor>),
}

/// A run on disk, in an unnamed temporary file, to be read once from its beginning.
pub(crate) struct DiskRun {
    reader: BufReader<File>,
    left: u64,
    kinds: Vec<Kind>,
    actors: Vec<Arc<Actor>>,
    line: Vec<u8>,
}

impl DiskRun {
    /// Writes events in the order in which they come.
    pub(crate) fn write(events: impl Iterator<Item = io::Result<Arrived>>) -> io::Result<DiskRun> {
        let mut file = BufWriter::with_capacity(256 << 10, tempfile::tempfile()?);
        let (mut kinds, mut actors) = (Kinds::default(), Actors::default());
        let mut line = Vec::new();
        let mut count: u64 = 0;
        for row in events {
            let (arrival, mut event) = row?;
            line.clear();
            line.extend_from_slice(&ATTEMPT.to_le_bytes());
            if !put_attempt(arrival, &event, &mut kinds, &mut line) {
                let actor = actors.store(event.actor.take());
                let row = Row { arrival, event, actor };
                line = postcard::to_extend(&row, line).map_err(io::Error::other)?;
                let length = (line.len() - 4) as u32;
                line[..4].copy_from_slice(&length.to_le_bytes());
            }
            file.write_all(&line)?;
            count += 1;
        }
        let mut file = file.into_inner().map_err(|error| error.into_error())?;
        file.seek(SeekFrom::Start(0))?;
        let reader = BufReader::with_capacity(64 << 10, file);
        Ok(DiskRun { reader, left: count, kinds: kinds.all, actors: Vec::new(), line })
    }

    /// The next event; `None` after the last.
    pub(crate) fn next(&mut self) -> io::Result<Option<Arrived>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut length = [0; 4];
        self.reader.read_exact(&mut length)?;
        match u32::from_le_bytes(length) {
            ATTEMPT => self.attempt().map(Some),
            length => self.row(length).map(Some),
        }
    }

    fn attempt(&mut self) -> io::Result<Arrived> {
        let mut bytes = [0; size_of::<Attempt>()];
        self.reader.read_exact(&mut bytes)?;
        let (words, _) = bytes.as_chunks();
        let word = |at: usize| words.get(at).map_or(0, |word| u64::from_le_bytes(*word));
        let address =
            |at| Address::from_bits(u128::from(word(at)) << 64 | u128::from(word(at + 1)));
        let (arrival, offset, last) = (word(1), word(2), word(7));
        let Some(kind) = self.kinds.get(last as u32 as usize) else {
            return Err(io::Error::other("a run names a kind of attempt that it has not"));
        };
        let Kind { input, log_source, protocol, initiator, outcome, technique } = *kind;
        let network = Network {
            source: address(3),
            target: address(5),
            source_port: (last >> 48) as u16,
            target_port: (last >> 32) as u16,
            protocol,
            initiator,
            outcome,
            technique,
        };
        let time = Timestamp(word(0) as i64);
        let record = Record { input, offset };
        let activity = Activity::Network(network);
        Ok((arrival, Event { time, record, log_source, actor: None, activity }))
    }

    fn row(&mut self, length: u32) -> io::Result<Arrived> {
        self.line.resize(length as usize, 0);
        self.reader.read_exact(&mut self.line)?;
        let Row { arrival, mut event, actor } =
            postcard::from_bytes(&self.line).map_err(io::Error::other)?;
        event.actor = match actor {
            StoredActor::None => None,
            StoredActor::Known(at) => self.actors.get(at as usize).cloned(),
            StoredActor::New(actor) => {
                if self.actors.len() == ACTOR_CACHE {
                    self.actors.clear();
                }
                self.actors.push(Arc::clone(&actor));
                Some(actor)
            }
        };
        Ok((arrival, event))
    }
}

/// Puts an attempt of nobody down; whether it is one.
fn put_attempt(arrival: u64, event: &Event, kinds: &mut Kinds, line: &mut Vec<u8>) -> bool {
    let Event { time, record, log_source, actor: None, activity: Activity::Network(network) } =
        event
    else {
        return false;
    };
    let Network { source, target, source_port, target_port, .. } = *network;
    let Network { protocol, initiator, outcome, technique, .. } = *network;
    let kind = Kind {
        input: record.input,
        log_source: *log_source,
        protocol,
        initiator,
        outcome,
        technique,
    };
    let Some(kind) = kinds.place(kind) else { return false };
    let halves = |address: Address| [(address.bits() >> 64) as u64, address.bits() as u64];
    let ([source_high, source_low], [target_high, target_low]) = (halves(source), halves(target));
    let ports = u64::from(source_port) << 48 | u64::from(target_port) << 32;
    let attempt: Attempt = [
        time.0 as u64,
        arrival,
        record.offset,
        source_high,
        source_low,
        target_high,
        target_low,
        ports | u64::from(kind),
    ];
    let mut bytes = [0; size_of::<Attempt>()];
    let (places, _) = bytes.as_chunks_mut();
    places.iter_mut().zip(attempt).for_each(|(place, word)| *place = word.to_le_bytes());
    line.extend_from_slice(&bytes);
    true
}

/// Kinds of attempts, each with its place.
#[derive(Default)]
struct Kinds {
    all: Vec<Kind>,
    places: HashMap<Kind, u32, FixedState>,
}

impl Kinds {
    /// The place of a kind, which may be new; `None` where there is no room for it.
    fn place(&mut self, kind: Kind) -> Option<u32> {
        if let Some(place) = self.places.get(&kind) {
            return Some(*place);
        }
        let place = self.all.len();
        if place == MOST_KINDS {
            return None;
        }
        self.all.push(kind);
        self.places.insert(kind, place as u32);
        Some(place as u32)
    }
}

/// Actors that were written.
#[derive(Default)]
struct Actors {
    places: HashMap<*const Actor, u32>,
    /// They are held, so that no address is used twice while it is a key.
    held: Vec<Arc<Actor>>,
}

impl Actors {
    fn store(&mut self, actor: Option<Arc<Actor>>) -> StoredActor {
        let Some(actor) = actor else { return StoredActor::None };
        if let Some(at) = self.places.get(&Arc::as_ptr(&actor)) {
            return StoredActor::Known(*at);
        }
        if self.held.len() == ACTOR_CACHE {
            self.places.clear();
            self.held.clear();
        }
        self.places.insert(Arc::as_ptr(&actor), self.held.len() as u32);
        self.held.push(Arc::clone(&actor));
        StoredActor::New(actor)
    }
}
