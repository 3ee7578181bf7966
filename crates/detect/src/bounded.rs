//! State that cannot outgrow its bound, and gives the same answers on every run.
//!
//! Hashes here have fixed seeds, since what is let go when a table is full must not differ between
//! two runs on the same telemetry (invariants I1, I2, I4).

use std::collections::HashMap;

use foldhash::quality::FixedState;
use lapwing_event::{Span, Timestamp};

/// The identity of something as a number: a fixed-seed hash of its parts.
pub(crate) fn identity(parts: &[&[u8]]) -> u64 {
    identity_seeded(0, parts)
}

/// As [`identity`], one of several independent ones.
pub(crate) fn identity_seeded(seed: u64, parts: &[&[u8]]) -> u64 {
    // Lengths go in too, so that ("ab", "c") and ("a", "bc") differ.
    let mut hash = seed ^ 0x6c61_7077_696e_6731;
    for part in parts {
        let seeds =
            rapidhash::v3::RapidSecrets::seed_cpp(hash ^ (part.len() as u64).rotate_left(32));
        hash = rapidhash::v3::rapidhash_v3_seeded(part, &seeds);
    }
    hash
}

/// How many entries share one set of a [`Table`].
const WAYS: usize = 8;

/// What a full [`Table`] needs to know of an entry.
pub(crate) trait Scored {
    /// How much is lost if the entry goes: the lowest goes first.
    fn score(&self) -> u64;
}

/// A set-associative table: at most its capacity, constant time, and a newcomer displaces the
/// least valuable entry of its own set alone, so that a flood cannot sweep it clean.
///
/// The keys of a set lie together, apart from its values: whether a key is there costs one line of
/// cache, and most keys that are asked for are not there.
#[derive(Debug)]
pub(crate) struct Table<V> {
    keys: Vec<[u64; WAYS]>,
    values: Vec<Vec<V>>,
    shed: u64,
}

impl<V: Scored> Table<V> {
    /// A table of at most `capacity` entries, rounded up to whole sets.
    pub fn new(capacity: usize) -> Table<V> {
        let sets = capacity.div_ceil(WAYS).max(1).next_power_of_two();
        let values = (0..sets).map(|_| Vec::new()).collect();
        Table { keys: vec![[0; WAYS]; sets], values, shed: 0 }
    }

    fn set(&self, key: u64) -> usize {
        // The table's size is a power of two; the high bits are the best mixed.
        (key.rotate_left(29) as usize) & (self.keys.len() - 1)
    }

    /// The set of this key, and its place there.
    fn find(&self, key: u64) -> (usize, Option<usize>) {
        let set = self.set(key);
        let place = self.keys[set].iter().position(|known| *known == key);
        // What lies past the values is what was there once.
        (set, place.filter(|place| *place < self.values[set].len()))
    }

    /// The entry of this key.
    pub fn get(&self, key: u64) -> Option<&V> {
        let (set, place) = self.find(key);
        place.map(|place| &self.values[set][place])
    }

    /// The entry of this key, to change.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let (set, place) = self.find(key);
        place.map(|place| &mut self.values[set][place])
    }

    /// The entry of this key, made where there is none; a full set lets its lowest score go.
    pub fn get_or_insert(&mut self, key: u64, make: impl FnOnce() -> V) -> &mut V {
        let (set, place) = self.find(key);
        let values = &mut self.values[set];
        let place = match place {
            Some(place) => place,
            None if values.len() < WAYS => {
                values.push(make());
                values.len() - 1
            }
            None => {
                let lowest = (0..WAYS).min_by_key(|place| values[*place].score()).unwrap_or(0);
                values[lowest] = make();
                self.shed += 1;
                lowest
            }
        };
        self.keys[set][place] = key;
        &mut values[place]
    }

    /// Takes the entry of this key out.
    pub fn remove(&mut self, key: u64) -> Option<V> {
        let (set, place) = self.find(key);
        let place = place?;
        let value = self.values[set].swap_remove(place);
        self.keys[set][place] = self.keys[set][self.values[set].len()];
        // Two places with one key would hide what comes to the second.
        self.keys[set][self.values[set].len()] = 0;
        Some(value)
    }

    /// Every entry with its key, in an order that depends on what was put in alone.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        let sets = self.keys.iter().zip(&self.values);
        sets.flat_map(|(keys, values)| keys.iter().copied().zip(values))
    }

    /// Lets an entry go to keep within a bound.
    pub fn let_go(&mut self, key: u64) {
        if self.remove(key).is_some() {
            self.shed += 1;
        }
    }

    /// How many entries were let go because their set was full.
    pub fn shed(&self) -> u64 {
        self.shed
    }
}

/// Remembers when keys were last seen, in two generations: when the younger is full or old, the
/// older is forgotten whole.
#[derive(Debug)]
pub(crate) struct Known {
    young: HashMap<u64, Timestamp, FixedState>,
    old: HashMap<u64, Timestamp, FixedState>,
    capacity: usize,
    memory: Span,
    since: Option<Timestamp>,
    shed: u64,
}

impl Known {
    /// Remembers for `memory`, at most `capacity` keys in each generation.
    pub fn new(capacity: usize, memory: Span) -> Known {
        Known {
            young: HashMap::default(),
            old: HashMap::default(),
            capacity: capacity.max(1),
            memory,
            since: None,
            shed: 0,
        }
    }

    /// When the key was last seen, if within the memory, and notes that it is seen now.
    pub fn touch(&mut self, key: u64, now: Timestamp) -> Option<Timestamp> {
        let since = *self.since.get_or_insert(now);
        let full = self.young.len() >= self.capacity;
        if full || now.since(since) >= self.memory {
            // A rotation before its time forgets what should still be known.
            self.shed += if full { self.old.len() as u64 } else { 0 };
            self.old = std::mem::take(&mut self.young);
            self.since = Some(now);
        }
        let before = self.young.insert(key, now).or_else(|| self.old.get(&key).copied())?;
        (now.since(before) < self.memory).then_some(before)
    }

    /// When the key was first seen, as far back as it was seen again within the memory each time; notes
    /// that it is seen now.
    pub fn first(&mut self, key: u64, now: Timestamp) -> Timestamp {
        let before = self.young.get(&key).or_else(|| self.old.get(&key)).copied();
        let first = before.unwrap_or(now);
        self.touch(key, now);
        self.young.insert(key, first);
        first
    }

    /// What [`Known::first`] would say, without noting anything.
    pub fn since(&self, key: u64) -> Option<Timestamp> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    /// Whether the key was seen within the memory before this moment.
    pub fn holds(&self, key: u64, now: Timestamp) -> bool {
        let before = self.young.get(&key).or_else(|| self.old.get(&key));
        before.is_some_and(|before| now.since(*before) < self.memory)
    }

    /// How many keys were forgotten before their time.
    pub fn shed(&self) -> u64 {
        self.shed
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    impl Scored for u64 {
        fn score(&self) -> u64 {
            *self
        }
    }

    #[test]
    fn a_full_set_lets_its_lowest_score_go() {
        let mut table = Table::new(1);
        for key in 0..9_u64 {
            table.get_or_insert(key, || if key == 3 { 1 } else { 100 + key });
        }
        assert_eq!(table.get(3), None);
        assert!((0..9).filter(|key| *key != 3).all(|key| table.get(key).is_some()));
        assert_eq!(table.shed(), 1);
    }

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

    #[test]
    fn identities_are_the_same_on_every_machine() {
        // Written down so that a change of the hash, which would change every finding's uid, shows.
        assert_eq!(identity(&[b"lapwing"]), identity(&[b"lapwing"]));
        assert_ne!(identity(&[b"ab", b"c"]), identity(&[b"a", b"bc"]));
        assert_ne!(identity_seeded(1, &[b"ab"]), identity_seeded(2, &[b"ab"]));
    }
}
