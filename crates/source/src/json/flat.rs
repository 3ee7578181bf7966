//! A JSON object as its leaves by path.

use std::fmt::{self, Write};
use std::ops::Range;

use serde::de::{DeserializeSeed, Error};

use super::parsed::Leaves;
use super::scan::{Found, MAX_DEPTH, Scanner};
use super::shapes::Shapes;

/// How many leaves an object may have: the largest Windows events have about a hundred.
pub(super) const MAX_LEAVES: usize = 4096;

/// The leaves of one object, `a.b.0.c` by `a.b.0.c`: strings as they are, numbers and booleans as they
/// are written; nulls are left out. Paths, and values that do not lie in the input as they are, lie in
/// one text each, so that a leaf costs no allocation of its own.
#[derive(Debug)]
pub(crate) struct Flat<'a> {
    /// What is known of objects read before, and all paths.
    shapes: Shapes<About>,
    /// Values that do not lie in the input.
    text: String,
    /// The mark of each leaf's path, together, so that one can be found without a look at the others.
    marks: Vec<Mark>,
    leaves: Vec<Leaf<'a>>,
    /// The bit of each path's start, so that most of what is not there need not be looked for.
    starts: u128,
}

#[derive(Debug)]
struct Leaf<'a> {
    path: Range<usize>,
    value: Value<'a>,
}

#[derive(Debug)]
pub(super) enum Value<'a> {
    /// In the input.
    Borrowed(&'a str),
    /// In the flat object's own text.
    Own(Range<usize>),
}

/// What tells most paths of one object apart: their length and their last three bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark(u32);

impl Mark {
    #[inline]
    fn of(path: &str) -> Mark {
        let last = match path.as_bytes() {
            [.., a, b, c] => [*a, *b, *c],
            [a, b] => [0, *a, *b],
            [a] => [0, 0, *a],
            [] => [0; 3],
        };
        Mark(u32::from_le_bytes([path.len() as u8, last[0], last[1], last[2]]))
    }
}

/// What is kept of a path beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    mark: Mark,
    /// The bit of its first two bytes.
    start: u8,
}

impl About {
    #[inline]
    fn of(path: &str) -> About {
        let start = match path.as_bytes() {
            [a, b, ..] => (a.wrapping_mul(31) ^ b) & 127,
            [a] => *a & 127,
            [] => 0,
        };
        About { mark: Mark::of(path), start }
    }

    #[inline]
    fn bit(self) -> u128 {
        1 << self.start
    }
}

/// How many marks are compared at once: sixteen fill a line of cache.
const MARKS_AT_ONCE: usize = 16;

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
            text: String::new(),
            marks: Vec::with_capacity(LEAVES_AT_FIRST),
            leaves: Vec::with_capacity(LEAVES_AT_FIRST),
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
        self.text.clear();
        self.marks.clear();
        self.leaves.clear();
        self.starts = 0;
        let mut scanner = Scanner::new(text);
        let mut place = self.shapes.start()?;
        while let Some(next) = self.shapes.next(&mut scanner, place)? {
            if let Some(value) = self.read_value(&mut scanner)? {
                (self.leaves.len() < MAX_LEAVES).then_some(())?;
                self.push(self.shapes.about(next), self.shapes.path(next), value);
            }
            place = next;
        }
        Some(scanner.place())
    }

    /// Reads a value; `Some(None)` for a null.
    fn read_value(&mut self, scanner: &mut Scanner<'a>) -> Option<Option<Value<'a>>> {
        Some(Some(match scanner.value()? {
            // Deeper than is gone.
            Found::Object | Found::List => return None,
            Found::Null => return Some(None),
            Found::Plain(text) => Value::Borrowed(text),
            Found::Text(text) if !text.escaped => Value::Borrowed(text.raw),
            Found::Text(text) => {
                let start = self.text.len();
                text.unescape(&mut self.text)?;
                Value::Own(start..self.text.len())
            }
            Found::Number(text) => {
                let whole = !text.contains(['.', 'e', 'E']);
                match (whole, text.starts_with('-')) {
                    (true, true) => return None, // it may be too large to be whole, or no less than 0
                    (true, false) => self.written(text.parse::<u64>().ok()?)?,
                    (false, _) => self.written(serde_json::from_str::<f64>(text).ok()?)?,
                }
            }
        }))
    }

    /// An object of these leaves, by path.
    pub(crate) fn of<'l>(leaves: impl Iterator<Item = (&'l str, &'l str)>) -> Flat<'a> {
        let mut flat = Flat::with(Flat::shapes());
        for (path, value) in leaves {
            let value = Value::Own(flat.keep(value));
            flat.add(path, value);
        }
        flat
    }

    /// A value that is written into the object's own text.
    pub(super) fn written(&mut self, value: impl fmt::Display) -> Option<Value<'a>> {
        let start = self.text.len();
        write!(self.text, "{value}").ok()?;
        Some(Value::Own(start..self.text.len()))
    }

    /// Puts text into the object's own.
    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Takes a leaf in; `None` where there are too many.
    pub(super) fn take(&mut self, path: &str, value: Value<'a>) -> Option<()> {
        (self.leaves.len() < MAX_LEAVES).then(|| self.add(path, value))
    }

    fn add(&mut self, path: &str, value: Value<'a>) {
        let known = self.shapes.keep_path(path);
        self.push(About::of(path), known, value);
    }

    fn push(&mut self, about: About, path: Range<usize>, value: Value<'a>) {
        self.marks.push(about.mark);
        self.starts |= about.bit();
        self.leaves.push(Leaf { path, value });
    }

    fn path(&self, leaf: &Leaf<'a>) -> &str {
        &self.shapes.paths()[leaf.path.clone()]
    }

    fn value(&self, leaf: &Leaf<'a>) -> &str {
        match &leaf.value {
            Value::Borrowed(text) => text,
            Value::Own(range) => &self.text[range.clone()],
        }
    }

    /// What follows a prefix in a leaf's path. Most paths differ from it in their first byte or end
    /// before it does, which is seen at once.
    #[inline]
    fn behind(&self, leaf: &Leaf<'a>, prefix: &str) -> Option<&str> {
        let first = self.shapes.paths().as_bytes().get(leaf.path.start);
        let differs = prefix.as_bytes().first().is_some_and(|byte| first != Some(byte));
        if differs || leaf.path.len() < prefix.len() {
            return None;
        }
        self.path(leaf).strip_prefix(prefix)
    }

    /// The leaf at this path, if it holds anything.
    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        let about = About::of(path);
        if self.starts & about.bit() == 0 {
            return None;
        }
        let mark = about.mark;
        for (marks, leaves) in
            self.marks.chunks(MARKS_AT_ONCE).zip(self.leaves.chunks(MARKS_AT_ONCE))
        {
            if marks.iter().fold(false, |any, other| any | (*other == mark)) {
                let with_mark = marks.iter().zip(leaves).filter(|(other, _)| **other == mark);
                for (_, leaf) in with_mark {
                    if self.path(leaf) == path {
                        return Some(self.value(leaf)).filter(|value| !value.is_empty());
                    }
                }
            }
        }
        None
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
    pub(crate) fn has(&self, prefix: &str) -> bool {
        (prefix.len() < 2 || self.starts & About::of(prefix).bit() != 0)
            && self.leaves.iter().any(|leaf| self.behind(leaf, prefix).is_some())
    }

    /// The leaves under this path (which ends in a dot, or is empty), by what follows it.
    pub(crate) fn under<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = (&'s str, &'s str)> {
        self.leaves
            .iter()
            .filter_map(move |leaf| Some((self.behind(leaf, prefix)?, self.value(leaf))))
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
        assert!(Flat::read(wide.as_bytes()).is_err());
    }
}
