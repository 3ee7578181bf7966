//! When something was last seen.

use lapwing_event::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Generations, Slot};

/// Remembers when keys were last seen.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    entries: Generations<Seen>,
    memory: Span,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Seen {
    key: u64,
    last: Timestamp,
}

impl Slot for Seen {
    fn new(key: u64) -> Seen {
        Seen { key, last: Timestamp::MIN }
    }

    fn key(&self) -> u64 {
        self.key
    }
}

impl Known {
    /// Remembers for `memory`, at most `capacity` keys in each generation.
    pub fn new(capacity: usize, memory: Span) -> Known {
        Known { entries: Generations::new(capacity, memory), memory }
    }

    /// When the key was last seen, if within the memory, and notes that it is seen now.
    pub fn touch(&mut self, key: u64, now: Timestamp) -> Option<Timestamp> {
        let memory = self.memory;
        let seen = self.entries.place(key, now);
        let before = std::mem::replace(&mut seen.last, now);
        (before != Timestamp::MIN && now.since(before) < memory).then_some(before)
    }

    /// When the key was first seen, as far back as it was seen again within the memory each time; notes
    /// that it is seen now.
    pub fn first(&mut self, key: u64, now: Timestamp) -> Timestamp {
        let seen = self.entries.place(key, now);
        if seen.last == Timestamp::MIN {
            seen.last = now;
        }
        seen.last
    }

    /// What [`Known::first`] would say, without noting anything.
    pub fn since(&self, key: u64) -> Option<Timestamp> {
        self.entries.find(key).map(|seen| seen.last)
    }

    /// Whether the key was seen within the memory before this moment.
    pub fn holds(&self, key: u64, now: Timestamp) -> bool {
        self.since(key).is_some_and(|last| now.since(last) < self.memory)
    }

    /// How many keys were forgotten before their time.
    pub fn shed(&self) -> u64 {
        self.entries.shed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_for_the_memory_and_no_longer() {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000_000);
        let mut known = Known::new(100, Span::seconds(10));
        assert_eq!(known.touch(1, at(0)), None);
        assert_eq!(known.touch(1, at(9)), Some(at(0)));
        assert_eq!(known.touch(1, at(18)), Some(at(9)));
        assert_eq!(known.touch(1, at(28)), None);
        assert_eq!(known.touch(2, at(28)), None);
    }
}
