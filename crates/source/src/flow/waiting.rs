//! Records that wait for their other direction.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::pairing::{OneWay, PairKey};

/// A map of records by conversation, for many more than caches hold. What is looked through is small;
/// the records lie apart from it in places that are used again, so that those which come and go in
/// order lie in order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Places of records, by the hash of their keys.
    index: HashTable<u32>,
    records: Vec<(PairKey, OneWay)>,
    /// Places that are free again.
    free: Vec<u32>,
    hasher: RandomState,
}

impl Waiting {
    /// How many records wait.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    fn place(&self, key: &PairKey) -> Option<usize> {
        let is_it = |place: &u32| self.records[*place as usize].0 == *key;
        self.index.find(self.hasher.hash_one(key), is_it).map(|place| *place as usize)
    }

    /// Whether a record of this key waits.
    pub(super) fn holds(&self, key: &PairKey) -> bool {
        self.place(key).is_some()
    }

    /// The record of this key.
    pub(super) fn get_mut(&mut self, key: &PairKey) -> Option<&mut OneWay> {
        let place = self.place(key)?;
        self.records.get_mut(place).map(|(_, record)| record)
    }

    /// Takes a record in; there must be none of its key.
    pub(super) fn insert(&mut self, key: PairKey, record: OneWay) {
        let place = match self.free.pop() {
            Some(place) => {
                self.records[place as usize] = (key, record);
                place
            }
            None => {
                self.records.push((key, record));
                (self.records.len() - 1) as u32
            }
        };
        let Waiting { index, records, hasher, .. } = self;
        let hash = |place: &u32| hasher.hash_one(records[*place as usize].0);
        index.insert_unique(hasher.hash_one(key), place, hash);
    }

    /// Gives the record of this key up.
    pub(super) fn remove(&mut self, key: &PairKey) -> Option<OneWay> {
        let Waiting { index, records, free, hasher } = self;
        let is_it = |place: &u32| records[*place as usize].0 == *key;
        let found = index.find_entry(hasher.hash_one(key), is_it).ok()?;
        let (place, _) = found.remove();
        free.push(place);
        records.get(place as usize).map(|(_, record)| *record)
    }
}
