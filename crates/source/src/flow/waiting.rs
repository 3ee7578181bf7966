//! Records that wait for their other direction.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::pairing::{OneWay, PairKey};

/// How many records wait for their other direction at once.
const MAX_WAITING: usize = 131_072;

/// A map of records by conversation, for many more than caches hold, which knows the oldest. What is
/// looked through is small; the records lie apart from it in places that are used again, so that those
/// which come and go in order lie in order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Places of records, by the hash of their keys.
    index: HashTable<u32>,
    records: Vec<Held>,
    /// Places that are free again.
    free: Vec<u32>,
    /// Places with the number of what was put there, from the oldest on; what was given up since is still
    /// among them.
    order: VecDeque<(u32, u32)>,
    /// How many records were put in. It may wrap: all that are in order are among the last few.
    count: u32,
    hasher: RandomState,
}

#[derive(Debug)]
struct Held {
    record: OneWay,
    hash: u64,
    /// Which record it is, by the count; `None` where the place is free.
    number: Option<u32>,
}

impl Held {
    /// Whether it is of this conversation, which it says itself.
    fn is_of(&self, key: &PairKey) -> bool {
        PairKey::of(&self.record.flow) == *key
    }
}

/// A key and its hash, which is made once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed {
    key: PairKey,
    hash: u64,
}

impl Waiting {
    /// Whether the oldest must go before another comes.
    pub(super) fn is_full(&self) -> bool {
        self.index.len() >= MAX_WAITING
    }

    /// A key as it is asked with.
    pub(super) fn hashed(&self, key: PairKey) -> Hashed {
        Hashed { key, hash: self.hasher.hash_one(key) }
    }

    /// The record of this key.
    pub(super) fn get_mut(&mut self, of: &Hashed) -> Option<&mut OneWay> {
        let is_it = |place: &u32| self.records[*place as usize].is_of(&of.key);
        let place = *self.index.find(of.hash, is_it)?;
        self.records.get_mut(place as usize).map(|held| &mut held.record)
    }

    /// Takes a record in; there must be none of its key.
    pub(super) fn insert(&mut self, of: &Hashed, record: OneWay) {
        self.count = self.count.wrapping_add(1);
        let held = Held { record, hash: of.hash, number: Some(self.count) };
        let place = match self.free.pop() {
            Some(place) => {
                self.records[place as usize] = held;
                place
            }
            None => {
                self.records.push(held);
                (self.records.len() - 1) as u32
            }
        };
        let Waiting { index, records, order, .. } = self;
        index.insert_unique(of.hash, place, |place| records[*place as usize].hash);
        order.push_back((place, self.count));
        // Pairs leave their places behind.
        if order.len() > 4 * MAX_WAITING {
            order.retain(|(place, number)| records[*place as usize].number == Some(*number));
        }
    }

    /// Gives the record of this key up.
    pub(super) fn remove(&mut self, of: &Hashed) -> Option<OneWay> {
        let is_it = |place: &u32| self.records[*place as usize].is_of(&of.key);
        let (place, _) = self.index.find_entry(of.hash, is_it).ok()?.remove();
        Some(self.vacate(place))
    }

    /// Gives the record up that came first.
    pub(super) fn remove_oldest(&mut self) -> Option<OneWay> {
        loop {
            let (place, number) = self.order.pop_front()?;
            let held = &self.records[place as usize];
            if held.number != Some(number) {
                continue;
            }
            if let Ok(found) = self.index.find_entry(held.hash, |other| *other == place) {
                found.remove();
            }
            return Some(self.vacate(place));
        }
    }

    fn vacate(&mut self, place: u32) -> OneWay {
        self.free.push(place);
        let held = &mut self.records[place as usize];
        held.number = None;
        held.record
    }
}
