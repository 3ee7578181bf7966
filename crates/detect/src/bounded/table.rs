//! A table that is full of what is worth most.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

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
/// A set is one line of cache; whether a key is there costs no more, and most keys that are asked
/// for are not there.
#[derive(Debug)]
pub(crate) struct Table<V> {
    sets: Vec<Set>,
    values: Vec<Option<(u64, V)>>,
    /// Places in `values` that hold nothing.
    free: Vec<u32>,
    shed: u64,
}

/// A part of each key, and where its entry lies.
#[repr(align(64))]
#[derive(Clone, Debug)]
struct Set {
    tags: [u32; WAYS],
    places: [u32; WAYS],
}

impl Set {
    /// Which ways have this tag, a bit for each: all of them are compared at once.
    fn alike(&self, tag: u32) -> u32 {
        (0..WAYS).fold(0, |alike, way| alike | u32::from(self.tags[way] == tag) << way)
    }
}

/// A place where nothing lies.
const NOWHERE: u32 = u32::MAX;

impl<V> Table<V> {
    fn set(&self, key: u64) -> usize {
        // The table's size is a power of two; the tag is the low bits.
        (key >> 32) as usize & (self.sets.len() - 1)
    }
}

impl<V: Scored> Table<V> {
    /// A table of at most `capacity` entries, rounded up to whole sets.
    pub fn new(capacity: usize) -> Table<V> {
        let sets = capacity.div_ceil(WAYS).max(1).next_power_of_two();
        let empty = Set { tags: [0; WAYS], places: [NOWHERE; WAYS] };
        Table { sets: vec![empty; sets], values: Vec::new(), free: Vec::new(), shed: 0 }
    }

    /// Where in its set the entry of this key is noted, and where it lies.
    fn find(&self, key: u64) -> Option<(usize, usize)> {
        let set = &self.sets[self.set(key)];
        let mut alike = set.alike(key as u32);
        while alike != 0 {
            let way = alike.trailing_zeros() as usize;
            let place = set.places[way] as usize;
            // A place where nothing lies is beyond all values.
            if let Some(Some((known, _))) = self.values.get(place)
                && *known == key
            {
                return Some((way, place));
            }
            alike &= alike - 1;
        }
        None
    }

    /// Reads the set of this key, for the sake of reading it.
    pub fn peek(&self, key: u64) -> u64 {
        self.sets[self.set(key)].tags[0].into()
    }

    /// The entry of this key.
    pub fn get(&self, key: u64) -> Option<&V> {
        let (_, place) = self.find(key)?;
        self.values[place].as_ref().map(|(_, value)| value)
    }

    /// The entry of this key, to change.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let (_, place) = self.find(key)?;
        self.values[place].as_mut().map(|(_, value)| value)
    }

    /// The entry of this key, made where there is none; a full set lets its lowest score go.
    pub fn get_or_insert(&mut self, key: u64, make: impl FnOnce() -> V) -> &mut V {
        let place = match self.find(key) {
            Some((_, place)) => place,
            None => self.make_room(key),
        };
        &mut self.values[place].get_or_insert_with(|| (key, make())).1
    }

    /// Where the entry of a new key is to lie.
    fn make_room(&mut self, key: u64) -> usize {
        let set = self.set(key);
        let way = match self.sets[set].places.iter().position(|place| *place == NOWHERE) {
            Some(way) => way,
            None => {
                self.shed += 1;
                self.lowest(set)
            }
        };
        let place = match self.sets[set].places[way] {
            NOWHERE => match self.free.pop() {
                Some(place) => place,
                None => {
                    self.values.push(None);
                    (self.values.len() - 1) as u32
                }
            },
            place => place,
        };
        self.sets[set].tags[way] = key as u32;
        self.sets[set].places[way] = place;
        self.values[place as usize] = None;
        place as usize
    }

    /// The entry of a full set that is worth least.
    fn lowest(&self, set: usize) -> usize {
        let score = |way: &usize| {
            let place = self.sets[set].places[*way] as usize;
            self.values[place].as_ref().map_or(0, |(_, value)| value.score())
        };
        (0..WAYS).min_by_key(score).unwrap_or(0)
    }

    /// Takes the entry of this key out.
    pub fn remove(&mut self, key: u64) -> Option<V> {
        let (way, place) = self.find(key)?;
        let set = self.set(key);
        self.sets[set].places[way] = NOWHERE;
        self.free.push(place as u32);
        self.values[place].take().map(|(_, value)| value)
    }

    /// Every entry with its key, in an order that depends on what was put in alone.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.values.iter().flatten().map(|(key, value)| (*key, value))
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

/// The most sets that an image of a table is believed to have: 33 million entries, which a budget of
/// 32 GiB gives.
const MAX_SETS: u64 = 1 << 22;

/// A table as an image holds it: its entries where they lie, and which place of which set names each,
/// since what a full set lets go of depends on both.
#[derive(Serialize, Deserialize)]
struct Image<V, F> {
    sets: u64,
    values: V,
    /// Places of sets (the set's number times [`WAYS`], and the way), with where the entry lies.
    ways: Vec<(u64, u32)>,
    free: F,
    shed: u64,
}

impl<V: Serialize> Serialize for Table<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.sets.iter().flat_map(|set| set.places).zip(0_u64..);
        let ways = named.filter(|(place, _)| *place != NOWHERE).map(|(place, way)| (way, place));
        let (sets, ways) = (self.sets.len() as u64, ways.collect());
        Image { sets, values: &self.values, ways, free: &self.free, shed: self.shed }
            .serialize(serializer)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Table<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Table<V>, D::Error> {
        let Image { sets, values, ways, free, shed } =
            Image::<Vec<Option<(u64, V)>>, Vec<u32>>::deserialize(deserializer)?;
        if !sets.is_power_of_two() || sets > MAX_SETS {
            return Err(de::Error::custom("a table's size is none that is made"));
        }
        let empty = Set { tags: [0; WAYS], places: [NOWHERE; WAYS] };
        let mut table = Table { sets: vec![empty; sets as usize], values, free, shed };
        for (way, place) in ways {
            let (set, way) = ((way / WAYS as u64) as usize, (way % WAYS as u64) as usize);
            let key = table.values.get(place as usize).and_then(Option::as_ref).map(|of| of.0);
            let Some(key) = key.filter(|key| table.set(*key) == set) else {
                return Err(de::Error::custom("an entry of a table lies where it is not sought"));
            };
            table.sets[set].tags[way] = key as u32;
            table.sets[set].places[way] = place;
        }
        let named = table.sets.iter().flat_map(|set| set.places).filter(|of| *of != NOWHERE);
        let is_free = |place: &u32| matches!(table.values.get(*place as usize), Some(None));
        if named.count() + table.free.len() != table.values.len() || !table.free.iter().all(is_free)
        {
            return Err(de::Error::custom("a table's places are not all accounted for"));
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
    fn it_holds_what_a_map_holds_while_there_is_room() {
        let mut table: Table<u64> = Table::new(4096);
        let mut map = BTreeMap::new();
        // Keys whose tags are alike, and keys that come and go.
        for step in 0..2000_u64 {
            let key = (step % 97).wrapping_mul(0x9e37_79b9_7f4a_7c15) << 16;
            if step % 3 == 0 {
                assert_eq!(table.remove(key), map.remove(&key));
            } else {
                assert_eq!(table.get_or_insert(key, || step), map.entry(key).or_insert(step));
            }
            assert_eq!(table.get(key), map.get(&key));
        }
        assert_eq!(table.iter().map(|(key, v)| (key, *v)).collect::<BTreeMap<_, _>>(), map);
        assert_eq!(table.shed(), 0);
    }
}
