//! A map that forgets: bounded, with no order that could be seen.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Keeps at least the `size` keys last put in or looked at, and at most twice as many. When the young half is
/// full the old one is let go, so that no key costs a search for what to evict.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    size: usize,
    state: RandomState,
    young: HashTable<(K, V)>,
    old: HashTable<(K, V)>,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    pub fn new(size: usize) -> Generations<K, V> {
        let (young, old) = (HashTable::new(), HashTable::new());
        Generations { size, state: RandomState::default(), young, old }
    }

    /// What tells most keys apart.
    pub fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.state.hash_one(key)
    }

    /// The value of a key, which counts as put in again.
    pub fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let hash = self.state.hash_one(key);
        let same = |(known, _): &(K, V)| known.borrow() == key;
        if self.young.find(hash, same).is_none() {
            let (found, _) = self.old.find_entry(hash, same).ok()?.remove();
            self.put(hash, found);
        }
        self.young.find_mut(hash, same).map(|(_, value)| value)
    }

    /// Puts a key in, in the place of its former value.
    pub fn insert(&mut self, key: K, value: V) {
        let hash = self.state.hash_one(&key);
        match self.young.find_mut(hash, |(known, _)| *known == key) {
            Some(entry) => entry.1 = value,
            None => {
                if let Ok(entry) = self.old.find_entry(hash, |(known, _)| *known == key) {
                    entry.remove();
                }
                self.put(hash, (key, value));
            }
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let hash = self.state.hash_one(key);
        let same = |(known, _): &(K, V)| known == key;
        let entry = self.young.find_entry(hash, same);
        let entry = entry.or_else(|_| self.old.find_entry(hash, same)).ok()?;
        Some(entry.remove().0.1)
    }

    /// Puts in what is in neither half.
    fn put(&mut self, hash: u64, entry: (K, V)) {
        if self.young.len() >= self.size {
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
        self.young.insert_unique(hash, entry, |(key, _)| self.state.hash_one(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_stay_and_the_rest_is_bounded() {
        let mut map = Generations::new(4);
        for key in 0..100u32 {
            map.insert(key, key);
            assert!(map.young.len() + map.old.len() <= 8);
            assert_eq!(map.get(&0), Some(&mut 0), "used all the time, so kept: at {key}");
            if let Some(mut before) = key.checked_sub(1) {
                assert_eq!(map.get(&before), Some(&mut before));
            }
        }
        assert_eq!(map.get(&50), None);
        map.insert(99, 7);
        assert_eq!(map.remove(&99), Some(7));
        assert_eq!(map.get(&99), None);
    }
}
