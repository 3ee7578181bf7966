//! A map that forgets: bounded, with no order that could be seen.

use std::hash::Hash;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// Keeps at least the `size` keys last put in or looked at, and at most twice as many. When the young half is
/// full the old one is let go, so that no key costs a search for what to evict.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    size: usize,
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    pub fn new(size: usize) -> Generations<K, V> {
        Generations { size, young: HashMap::default(), old: HashMap::default() }
    }

    /// The value of a key, which counts as put in again.
    pub fn get(&mut self, key: &K) -> Option<&mut V>
    where
        K: Clone,
    {
        if !self.old.is_empty()
            && let Some(value) = self.old.remove(key)
        {
            self.insert(key.clone(), value);
        }
        self.young.get_mut(key)
    }

    /// Puts a key in, in the place of its former value.
    pub fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.size {
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
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
