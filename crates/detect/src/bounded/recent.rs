//! What was done a moment ago.

use lapwing_event::{Span, Timestamp};

/// How many keys a [`Recent`] remembers: what a network uses again and again within minutes, in half
/// a MiB.
const RECENT: usize = 16_384;

/// Remembers what was done lately, so that it need not be done again: a direct-mapped cache, in
/// which a newcomer displaces whatever has its place.
#[derive(Debug)]
pub(crate) struct Recent {
    places: Vec<(u64, Timestamp, bool)>,
    memory: Span,
}

impl Recent {
    /// Remembers for `memory` at the most.
    pub fn new(memory: Span) -> Recent {
        Recent { places: vec![(0, Timestamp::MIN, false); RECENT], memory }
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
}
