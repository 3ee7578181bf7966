//! What was done a moment ago.

use lapwing_event::{Span, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How many keys a [`Recent`] remembers: what a shard's origins use again and again within minutes, in
/// 24 KiB.
const RECENT: usize = 1024;

/// A key, when it was noted, and what.
type Place = (u64, Timestamp, bool);

const EMPTY: Place = (0, Timestamp::MIN, false);

/// Remembers what was done lately, so that it need not be done again: a direct-mapped cache, in
/// which a newcomer displaces whatever has its place.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recent {
    #[serde(serialize_with = "write_places", deserialize_with = "read_places")]
    places: Vec<Place>,
    memory: Span,
}

impl Recent {
    /// Remembers for `memory` at the most.
    pub fn new(memory: Span) -> Recent {
        Recent { places: vec![EMPTY; RECENT], memory }
    }

    /// What was noted for the key within the memory.
    pub fn get(&self, key: u64, now: Timestamp) -> Option<bool> {
        let (known, since, noted) = self.places[key as usize % RECENT];
        (known == key && now.since(since) < self.memory).then_some(noted)
    }

    /// Notes something for the key.
    pub fn note(&mut self, key: u64, now: Timestamp, noted: bool) {
        self.places[key as usize % RECENT] = (key, now, noted);
    }

    /// Whether the key was noted within the memory; where it was not, it is noted now.
    pub fn renew(&mut self, key: u64, now: Timestamp) -> bool {
        let known = self.get(key, now).is_some();
        if !known {
            self.note(key, now, true);
        }
        known
    }
}

/// Only the places that hold something: most are empty in most detectors.
fn write_places<S: Serializer>(places: &[Place], serializer: S) -> Result<S::Ok, S::Error> {
    let held = (0_u32..).zip(places).filter(|(_, (_, since, _))| *since != Timestamp::MIN);
    serializer.collect_seq(held.collect::<Vec<_>>())
}

fn read_places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Place>, D::Error> {
    let held: Vec<(u32, Place)> = Vec::deserialize(deserializer)?;
    let mut places = vec![EMPTY; RECENT];
    for (at, place) in held {
        let known = places.get_mut(at as usize);
        *known.ok_or_else(|| de::Error::custom("a place beyond the last"))? = place;
    }
    Ok(places)
}
