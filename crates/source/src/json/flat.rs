//! A JSON object as its leaves by path.

use std::fmt::{self, Write};
use std::ops::Range;

use serde::de::{DeserializeSeed, Error};

use super::parsed::Leaves;
use super::scan::{MAX_DEPTH, Scalar, Scanner, Text};
use super::shapes::{PlaceId, Shapes};

/// How many leaves an object may have: the largest Windows events have about a hundred.
pub(super) const MAX_LEAVES: usize = 4096;

/// The leaves of one object, `a.b.0.c` by `a.b.0.c`: strings as they are, numbers and booleans as they
/// are written; nulls are left out. A leaf costs no allocation of its own.
#[derive(Debug)]
pub(crate) struct Flat<'a> {
    /// What is known of objects read before, and all paths.
    shapes: Shapes<About>,
    /// What was read, of which values are parts that lie in it as they are.
    input: &'a str,
    /// Other values.
    text: String,
    leaves: Vec<Leaf>,
    /// The first bytes of each leaf's path, together, so that those under another are found without a
    /// look at the others.
    heads: Vec<u64>,
    /// The number of the last leaf whose path has this slot, plus one.
    slots: [u32; SLOTS],
    /// The bit of each path's start, so that most of what is not there need not be looked for.
    starts: u64,
}

/// How many slots leaves are found by: most objects have fewer leaves.
const SLOTS: usize = 128;

#[derive(Clone, Copy, Debug)]
struct Leaf {
    place: PlaceId,
    /// The value, in the object's own text or in the input.
    start: u32,
    end: u32,
    own: bool,
    /// The number of the last leaf before it that has the same slot, plus one.
    before: u32,
}

/// What is kept of a path beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    /// What tells most paths of one object apart: their length and their last three bytes.
    mark: u32,
    /// Its first eight bytes; zeros behind shorter ones.
    head: u64,
    /// Its slot, and the bit of its first two bytes.
    slot: u8,
    bit: u8,
}

impl About {
    #[inline]
    fn of(path: &str) -> About {
        let bytes = path.as_bytes();
        let last = match bytes {
            [.., a, b, c] => [*a, *b, *c],
            [a, b] => [0, *a, *b],
            [a] => [0, 0, *a],
            [] => [0; 3],
        };
        let head = match bytes.first_chunk::<8>() {
            Some(first) => *first,
            None => std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default()),
        };
        let mark = u32::from_le_bytes([bytes.len() as u8, last[0], last[1], last[2]]);
        About {
            mark,
            head: u64::from_le_bytes(head),
            // Fibonacci hashing: the high bits of a product with 2^32 by the golden ratio.
            slot: (mark.wrapping_mul(0x9e37_79b9) >> (32 - SLOTS.ilog2())) as u8,
            bit: (head[0].wrapping_mul(31) ^ head[1]) % 64,
        }
    }
}

/// How much room a flat object is given at first: most events have fewer leaves.
const LEAVES_AT_FIRST: usize = 64;

impl<'a> Flat<'a> {
    /// Nothing known of any object.
    pub(super) fn shapes() -> Shapes<About> {
        Shapes::new(MAX_DEPTH, About::of)
    }

    /// An object without leaves, to be filled again and again with objects of these shapes.
    pub(super) fn with(shapes: Shapes<About>) -> Flat<'a> {
        Flat {
            shapes,
            input: "",
            text: String::new(),
            leaves: Vec::with_capacity(LEAVES_AT_FIRST),
            heads: Vec::with_capacity(LEAVES_AT_FIRST),
            slots: [0; SLOTS],
            starts: 0,
        }
    }

    /// What was learned of objects, for the next ones.
    pub(super) fn into_shapes(self) -> Shapes<About> {
        self.shapes
    }

    /// Reads one object.
    pub(crate) fn read(object: &'a [u8]) -> serde_json::Result<Flat<'a>> {
        let mut flat = Flat::with(Flat::shapes());
        let mut path = String::with_capacity(128);
        // Looked at as a whole once, which is faster than string by string.
        let object = std::str::from_utf8(object).map_err(serde_json::Error::custom)?;
        let mut deserializer = serde_json::Deserializer::from_str(object);
        Leaves { path: &mut path, flat: &mut flat }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(flat)
    }

    /// Reads the object that the text begins with, in the place of what was read before, and returns
    /// its length; `None` where [`Flat::read`] and the like must be asked: for objects with line ends
    /// in them, with errors, or without their end.
    pub(crate) fn read_first(&mut self, text: &'a str) -> Option<usize> {
        self.input = text;
        self.text.clear();
        self.leaves.clear();
        self.heads.clear();
        self.slots = [0; SLOTS];
        self.starts = 0;
        let mut scanner = Scanner::new(text);
        let mut place = self.shapes.start()?;
        while let Some(next) = self.shapes.next(&mut scanner, place)? {
            self.read_value(&mut scanner, next)?;
            place = next;
        }
        Some(scanner.place())
    }

    /// Reads a value that is no object and no list.
    #[inline]
    fn read_value(&mut self, scanner: &mut Scanner<'a>, place: PlaceId) -> Option<()> {
        let (scalar, Range { start, end }) = scanner.scalar()?;
        match scalar {
            Scalar::Plain | Scalar::Text { escaped: false } => {
                let (start, end) = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
                self.push(place, start..end, false)
            }
            Scalar::Null => Some(()),
            Scalar::Text { escaped: true } => {
                let raw = self.input.get(start..end)?;
                let start = self.text.len();
                Text { raw, escaped: true }.unescape(&mut self.text)?;
                self.push_own(place, start)
            }
            Scalar::Number => {
                let text = self.input.get(start..end)?;
                let whole = !text.contains(['.', 'e', 'E']);
                match (whole, text.starts_with('-')) {
                    (true, true) => None, // it may be too large to be whole, or no less than 0
                    (true, false) => self.written(place, text.parse::<u64>().ok()?),
                    (false, _) => self.written(place, serde_json::from_str::<f64>(text).ok()?),
                }
            }
        }
    }

    /// An object of these leaves, by path.
    pub(crate) fn of<'l>(leaves: impl Iterator<Item = (&'l str, &'l str)>) -> Flat<'a> {
        let mut flat = Flat::with(Flat::shapes());
        for (path, value) in leaves {
            flat.take(path, value);
        }
        flat
    }

    /// Takes a leaf in; `None` where there are too many.
    pub(super) fn take(&mut self, path: &str, value: impl fmt::Display) -> Option<()> {
        let place = self.shapes.keep_path(path)?;
        self.written(place, value)
    }

    /// Takes a leaf in whose value is written into the object's own text.
    fn written(&mut self, place: PlaceId, value: impl fmt::Display) -> Option<()> {
        let start = self.text.len();
        write!(self.text, "{value}").ok()?;
        self.push_own(place, start)
    }

    /// Takes a leaf in whose value is the object's own text from there on.
    fn push_own(&mut self, place: PlaceId, start: usize) -> Option<()> {
        let (start, end) = (u32::try_from(start).ok()?, u32::try_from(self.text.len()).ok()?);
        self.push(place, start..end, true)
    }

    #[inline]
    fn push(&mut self, place: PlaceId, value: Range<u32>, own: bool) -> Option<()> {
        (self.leaves.len() < MAX_LEAVES).then_some(())?;
        let about = self.shapes.about(place);
        self.starts |= 1 << about.bit;
        self.heads.push(about.head);
        let number = self.leaves.len() as u32 + 1;
        let before = std::mem::replace(&mut self.slots[usize::from(about.slot)], number);
        self.leaves.push(Leaf { place, start: value.start, end: value.end, own, before });
        Some(())
    }

    fn path(&self, leaf: &Leaf) -> &str {
        self.shapes.path(leaf.place)
    }

    fn value(&self, leaf: &Leaf) -> &str {
        let text = if leaf.own { &self.text } else { self.input };
        text.get(leaf.start as usize..leaf.end as usize).unwrap_or_default()
    }

    /// The leaves whose path has a prefix, with what follows it.
    #[inline]
    fn behind<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = (&'s str, &'s Leaf)> {
        let about = About::of(prefix);
        let of_head = match prefix.len() {
            0..8 => !(u64::MAX << (8 * prefix.len())),
            _ => u64::MAX,
        };
        let any = prefix.len() < 2 || self.starts & (1 << about.bit) != 0;
        let heads = if any { &*self.heads } else { &[] };
        heads
            .iter()
            .zip(&self.leaves)
            .filter(move |(head, _)| (**head ^ about.head) & of_head == 0)
            .filter_map(move |(_, leaf)| Some((self.path(leaf).strip_prefix(prefix)?, leaf)))
    }

    /// The leaf at this path, if it holds anything.
    #[inline]
    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.find(path, About::of(path))
    }

    fn find(&self, path: &str, about: About) -> Option<&str> {
        let mut number = self.slots[usize::from(about.slot)];
        // Of leaves of one path the first is meant.
        let mut found = None;
        while let Some(leaf) = self.leaves.get((number as usize).wrapping_sub(1)) {
            if self.shapes.about(leaf.place).mark == about.mark && self.path(leaf) == path {
                found = Some(leaf);
            }
            number = leaf.before;
        }
        Some(self.value(found?)).filter(|value| !value.is_empty())
    }

    /// The leaf at this path as a number, where it is one.
    pub(crate) fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.get(path)?.parse().ok()
    }

    /// The first of these paths that holds anything.
    pub(crate) fn first(&self, paths: &[&str]) -> Option<&str> {
        paths.iter().find_map(|path| self.get(path))
    }

    /// Whether any leaf lies under this path.
    #[inline]
    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.behind(prefix).next().is_some()
    }

    /// The leaves under this path (which ends in a dot, or is empty), by what follows it.
    #[inline]
    pub(crate) fn under<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = (&'s str, &'s str)> {
        self.behind(prefix).map(|(rest, leaf)| (rest, self.value(leaf)))
    }

    /// The keys of the outermost object, in their order.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for leaf in &self.leaves {
            let path = self.path(leaf);
            let key = path.split('.').next().unwrap_or(path);
            if keys.last() != Some(&key) {
                keys.push(key);
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn leaves_are_found_by_path() {
        let flat = Flat::read(br#"{"a":{"b":1,"c":[true,{"d":"x\ty"}]},"e":null,"f":-2.5,"":"z"}"#);
        let flat = flat.unwrap();
        assert_eq!(flat.get("a.b"), Some("1"));
        assert_eq!(flat.get("a.c.0"), Some("true"));
        assert_eq!(flat.get("a.c.1.d"), Some("x\ty"));
        assert_eq!(flat.get("e"), None);
        assert_eq!(flat.get("f"), Some("-2.5"));
        assert_eq!(flat.under("a.c.").collect::<Vec<_>>(), [("0", "true"), ("1.d", "x\ty")]);
        assert_eq!(flat.keys()[..2], ["a", "f"]);
    }

    /// Objects as text, with blanks, escapes and numbers of every kind.
    fn objects() -> impl Strategy<Value = String> {
        let text = "(\"([a-z.\u{e9} ]{0,12}|\\\\[\"/\\\\bfnrt]|\\\\u00[0-9a-f]{2}|\\\\ud83d\\\\ude00){0,3}\")";
        let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?";
        let plain = prop_oneof![
            text,
            number,
            "true|false|null",
            "[0-9.eE+-]{1,6}|tru|nul|\"\\\\x\"|\"\t\"|\n1",
        ];
        let value = plain.prop_recursive(4, 24, 4, move |inner| {
            let inner = inner.prop_map(|value| format!(" {value}\t"));
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..12)
                    .prop_map(|values| format!("[{}]", values.join(","))),
                prop::collection::vec((text, inner), 0..4).prop_map(|members| {
                    let members: Vec<String> =
                        members.iter().map(|(key, value)| format!("{key} :{value}")).collect();
                    format!("{{{}}}", members.join(", "))
                }),
            ]
        });
        value.prop_map(|value| format!("{{\"a\":{value}}}"))
    }

    fn leaves(flat: &Flat<'_>) -> Vec<(String, String)> {
        flat.under("").map(|(path, value)| (path.to_string(), value.to_string())).collect()
    }

    proptest! {
        #[test]
        fn both_ways_of_reading_are_of_one_mind(
            object in objects(),
            other_object in objects(),
            behind in "[ ,\n{}x]{0,3}",
        ) {
            let text = format!("{object}{behind}");
            let mut flat = Flat::with(Flat::shapes());
            let found = flat.read_first(&text);
            let other = Flat::read(object.as_bytes());
            // What was learned does not change what is read.
            for before in [&object, &other_object, &object] {
                let mut learned = Flat::with(flat.into_shapes());
                learned.read_first(before);
                flat = Flat::with(learned.into_shapes());
            }
            prop_assert_eq!(flat.read_first(&text), found);
            if let Some(length) = found {
                prop_assert_eq!(length, object.len());
                let other = other.unwrap();
                prop_assert_eq!(leaves(&flat), leaves(&other));
                for (path, _) in leaves(&flat) {
                    prop_assert_eq!(flat.get(&path), other.get(&path));
                }
            } else if other.is_ok() {
                let rare = object.contains('\n') || object.contains("\\ud8");
                let huge = object.bytes().filter(u8::is_ascii_digit).count() > 16;
                prop_assert!(rare || huge || object.contains("-0"), "{} is left to the slow way", object);
            }
        }
    }

    #[test]
    fn what_is_no_object_or_too_deep_is_refused() {
        assert!(Flat::read(b"{\"a\":").is_err());
        assert!(Flat::read(b"{} x").is_err());
        let deep = "{\"a\":".repeat(200) + "1" + &"}".repeat(200);
        assert!(Flat::read(deep.as_bytes()).is_err());
        let wide = format!("{{\"a\":[{}1]}}", "1,".repeat(5000));
        let long = format!("{{\"{}\":[{}1]}}", "a".repeat(1 << 20), "1,".repeat(100));
        for text in [wide, long] {
            assert!(Flat::read(text.as_bytes()).is_err());
            assert!(Flat::with(Flat::shapes()).read_first(&text).is_none());
        }
    }
}
