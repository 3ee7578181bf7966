//! What is remembered for a time: many small entries of one size, forgotten a generation at a time.

use lapwing_event::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// An entry of [`Generations`], small and of one size.
pub(crate) trait Slot: Copy {
    /// An entry of this key with nothing in it yet.
    fn new(key: u64) -> Self;
    /// Its key; 0 where the place is free.
    fn key(&self) -> u64;
}

/// Two generations of entries: when the younger is full or old, the older is forgotten whole, and
/// what is found in the older moves to the younger.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de> + Slot"))]
pub(crate) struct Generations<S> {
    young: Flat<S>,
    old: Flat<S>,
    capacity: usize,
    memory: Span,
    since: Option<Timestamp>,
    shed: u64,
}

impl<S: Slot> Generations<S> {
    /// Remembers for `memory` at least, at most `capacity` entries in each generation.
    pub fn new(capacity: usize, memory: Span) -> Generations<S> {
        Generations {
            young: Flat::new(),
            old: Flat::new(),
            capacity: capacity.max(1),
            memory,
            since: None,
            shed: 0,
        }
    }

    /// The entry of this key.
    pub fn find(&self, key: u64) -> Option<&S> {
        let key = key.max(1);
        self.young.find(key).or_else(|| self.old.find(key))
    }

    /// Reads the place of this key, for the sake of reading it.
    pub fn peek(&self, key: u64) -> u64 {
        let slots = &self.young.slots;
        slots.get(key as usize & slots.len().wrapping_sub(1)).map_or(0, Slot::key)
    }

    /// The entry of this key, to change; made where there is none.
    pub fn place(&mut self, key: u64, now: Timestamp) -> &mut S {
        let key = key.max(1);
        let since = *self.since.get_or_insert(now);
        let full = self.young.len >= self.capacity;
        if full || now.since(since) >= self.memory {
            // A rotation before its time forgets what should still be known.
            let early = if full { self.old.len as u64 } else { 0 };
            self.shed += early + self.old.displaced;
            self.old = std::mem::replace(&mut self.young, Flat::new());
            self.since = Some(now);
        }
        let old = &self.old;
        self.young.place(key, || old.find(key).copied().unwrap_or_else(|| S::new(key)))
    }

    /// How many entries were forgotten before their time.
    pub fn shed(&self) -> u64 {
        self.shed + self.young.displaced + self.old.displaced
    }
}

/// A hash table with open addresses: an entry lies at its key's place or right after it, so that
/// most lookups cost one line of cache, and not two as in a table that keeps its index apart.
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "FlatImage<S>", bound(deserialize = "S: Deserialize<'de> + Slot"))]
struct Flat<S> {
    slots: Vec<S>,
    #[serde(skip_serializing)]
    len: usize,
    /// How many entries gave way to others whose places were taken.
    displaced: u64,
}

/// How far from its key's place an entry may lie: at seven tenths chance takes none so far. Whoever makes
/// up keys that fall together displaces their like, and makes no lookup a walk through the table.
const LONGEST: usize = 256;

/// The smallest table that is not empty.
const FEWEST: usize = 64;

impl<S: Slot> Flat<S> {
    fn new() -> Flat<S> {
        Flat { slots: Vec::new(), len: 0, displaced: 0 }
    }

    /// Where the entry of this key lies, or is to lie; `None` in an empty table.
    fn seek(&self, key: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = key as usize & mask;
        for _ in 0..LONGEST {
            let known = self.slots[at].key();
            if known == key || known == 0 {
                break;
            }
            at = (at + 1) & mask;
        }
        Some(at)
    }

    fn find(&self, key: u64) -> Option<&S> {
        self.seek(key).map(|at| &self.slots[at]).filter(|slot| slot.key() == key)
    }

    fn place(&mut self, key: u64, make: impl FnOnce() -> S) -> &mut S {
        // Past seven tenths the ways get long.
        if self.len * 10 >= self.slots.len() * 7 {
            self.grow();
        }
        let at = self.seek(key).unwrap_or(0);
        let known = self.slots[at].key();
        if known != key {
            self.len += usize::from(known == 0);
            self.displaced += u64::from(known != 0);
            self.slots[at] = make();
        }
        &mut self.slots[at]
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(FEWEST);
        let before = std::mem::replace(&mut self.slots, vec![S::new(0); size]);
        for slot in before.into_iter().filter(|slot| slot.key() != 0) {
            let Some(at) = self.seek(slot.key()) else { continue };
            if self.slots[at].key() != 0 {
                self.displaced += 1;
                self.len -= 1;
            }
            self.slots[at] = slot;
        }
    }
}

/// A table as an image holds it.
#[derive(Deserialize)]
struct FlatImage<S> {
    slots: Vec<S>,
    displaced: u64,
}

impl<S: Slot> TryFrom<FlatImage<S>> for Flat<S> {
    type Error = &'static str;

    fn try_from(image: FlatImage<S>) -> Result<Flat<S>, &'static str> {
        let FlatImage { slots, displaced } = image;
        if !slots.is_empty() && !slots.len().is_power_of_two() {
            return Err("a table's size is none that is made");
        }
        let len = slots.iter().filter(|slot| slot.key() != 0).count();
        Ok(Flat { slots, len, displaced })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Counted(u64, u32);

    impl Slot for Counted {
        fn new(key: u64) -> Counted {
            Counted(key, 0)
        }
        fn key(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn it_holds_what_a_map_holds_within_the_memory() {
        let mut table = Generations::<Counted>::new(10_000, Span::seconds(10));
        let mut map: BTreeMap<u64, u32> = BTreeMap::new();
        for step in 0..5000_u64 {
            // Keys that fall on neighbouring places.
            let key = 1 + (step * step) % 1009 % 300;
            table.place(key, Timestamp(0)).1 += 1;
            *map.entry(key).or_default() += 1;
        }
        for key in 0..400 {
            assert_eq!(table.find(key.max(1)).map(|slot| slot.1), map.get(&key.max(1)).copied());
        }
    }

    #[test]
    fn what_is_found_in_the_older_generation_moves_to_the_younger() {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000_000);
        let mut table = Generations::<Counted>::new(100, Span::seconds(10));
        table.place(1, at(0)).1 = 5;
        table.place(2, at(1)).1 = 6;
        assert_eq!(table.place(1, at(12)).1, 5);
        assert_eq!(table.place(1, at(23)).1, 5);
        assert_eq!(table.find(2), None);
        assert_eq!(table.shed(), 0);
    }

    #[test]
    fn keys_that_fall_together_displace_their_like_and_are_counted() {
        let mut table = Generations::<Counted>::new(100_000, Span::seconds(10));
        for n in 0..20_000_u64 {
            table.place((n << 40) + 7, Timestamp(0)).1 = 1;
        }
        assert_eq!(table.find((19_999 << 40) + 7), Some(&Counted((19_999 << 40) + 7, 1)));
        assert!(table.shed() > 19_000, "{}", table.shed());
        table.place(1 << 10, Timestamp(0)).1 = 2;
        assert_eq!(table.find(1 << 10).map(|slot| slot.1), Some(2));
    }

    #[test]
    fn a_full_generation_is_counted_as_shed() {
        let mut table = Generations::<Counted>::new(10, Span::seconds(10));
        for key in 1..=30 {
            table.place(key, Timestamp(0));
        }
        assert_eq!(table.shed(), 10);
    }
}
