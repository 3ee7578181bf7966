//! A JSON object as its leaves by path.

use std::fmt::{self, Write};
use std::ops::Range;

use serde::de::{DeserializeSeed, Error};

use super::parsed::Leaves;
use super::row::{About, Interest, LEAVES_AT_FIRST, Leaf, Row};
use super::runs::{Step, Value};
use super::scan::{MAX_DEPTH, Scalar, Scanner, Text};
use super::shapes::{PlaceId, Shapes};

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
    row: Row,
}

impl<'a> Flat<'a> {
    /// Nothing known of any object.
    pub(super) fn shapes() -> Shapes<About> {
        Flat::shapes_of(About::of)
    }

    /// The same for a format that has this to say of paths.
    pub(super) fn shapes_of(tell: fn(&str) -> About) -> Shapes<About> {
        Shapes::new(MAX_DEPTH, tell)
    }

    /// An object without leaves, to be filled again and again with objects of these shapes.
    pub(super) fn with(shapes: Shapes<About>) -> Flat<'a> {
        Flat { shapes, input: "", text: String::new(), row: Row::new() }
    }

    /// What was learned of objects, for the next ones.
    pub(super) fn into_shapes(self) -> Shapes<About> {
        self.shapes
    }

    /// Reads one object.
    pub(crate) fn read(object: &'a [u8]) -> serde_json::Result<Flat<'a>> {
        Flat::read_of(object, About::of)
    }

    /// The same for a format that has this to say of paths.
    pub(super) fn read_of(
        object: &'a [u8],
        tell: fn(&str) -> About,
    ) -> serde_json::Result<Flat<'a>> {
        let mut flat = Flat::with(Flat::shapes_of(tell));
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
        self.row.clear();
        let mut scanner = Scanner::new(text);
        let mut place = self.shapes.start()?;
        if self.shapes.runs.begin() {
            return self.read_steps(scanner, place);
        }
        loop {
            place = self.read_run(&mut scanner, place)?;
            let Some(next) = self.shapes.next(&mut scanner, place)? else { break };
            self.read_value(&mut scanner, next)?;
            place = next;
        }
        Some(scanner.place())
    }

    /// Reads an object value by value, from the place before it on, and learns which stay as they are.
    fn read_steps(&mut self, mut scanner: Scanner<'a>, start: PlaceId) -> Option<usize> {
        let (mut from, mut steps) = (start, Vec::with_capacity(LEAVES_AT_FIRST));
        loop {
            let begin = scanner.place();
            let Some(to) = self.shapes.next(&mut scanner, from)? else { break };
            let count = self.row.leaves.len();
            self.read_value(&mut scanner, to)?;
            let value = match self.row.leaves.get(count) {
                Some(leaf) if leaf.own => Value::Other,
                Some(leaf) => Value::Plain(leaf.start as usize..leaf.end as usize),
                None => Value::Nothing,
            };
            steps.push(Step { from, to, bytes: begin..scanner.place(), value });
            from = to;
        }
        self.shapes.runs.see(self.input.as_bytes(), &steps);
        Some(scanner.place())
    }

    /// Takes in the values of the run that begins behind a place, if one does, and gives the place of the
    /// last value that was passed.
    #[inline]
    fn read_run(&mut self, scanner: &mut Scanner<'a>, from: PlaceId) -> Option<PlaceId> {
        let Some(run) = self.shapes.runs.find(from, scanner.rest()) else { return Some(from) };
        let begin = u32::try_from(scanner.place()).ok()?;
        for (place, at) in &run.values {
            let value = begin.checked_add(at.start)?..begin.checked_add(at.end)?;
            self.row.push(*place, self.shapes.about(*place), value, false)?;
        }
        scanner.pass_bytes(run.length());
        Some(run.to)
    }

    /// Reads a value that is no object and no list.
    #[inline(always)] // it is called from one place that matters
    fn read_value(&mut self, scanner: &mut Scanner<'a>, place: PlaceId) -> Option<()> {
        let (scalar, Range { start, end }) = scanner.scalar()?;
        match scalar {
            Scalar::Plain | Scalar::Text { escaped: false } => {
                let (start, end) = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
                self.push(place, start..end, false)
            }
            Scalar::Null => Some(()),
            Scalar::Text { escaped: true }
                if self.shapes.about(place).interest == Interest::Passed =>
            {
                Some(())
            }
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
        self.row.push(place, self.shapes.about(place), value, own)
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
        let any = prefix.len() < 2 || self.row.starts & (1 << about.bit) != 0;
        let heads = if any { &*self.row.heads } else { &[] };
        heads
            .iter()
            .zip(&self.row.leaves)
            .filter(move |(head, _)| (**head ^ about.head) & of_head == 0)
            .filter_map(move |(_, leaf)| Some((self.path(leaf).strip_prefix(prefix)?, leaf)))
    }

    /// The leaf at this path, if it holds anything.
    #[inline]
    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.find(path, About::of(path))
    }

    fn find(&self, path: &str, about: About) -> Option<&str> {
        let mut number = self.row.slots[usize::from(about.slot)];
        // Of leaves of one path the first is meant.
        let mut found = None;
        while let Some(leaf) = self.row.leaves.get((number as usize).wrapping_sub(1)) {
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

    /// The leaves that the format numbered, by their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u8, &str)> {
        self.row.leaves.iter().filter_map(|leaf| match leaf.interest {
            Interest::Numbered(number) => Some((number, self.value(leaf))),
            _ => None,
        })
    }

    /// The keys of the outermost object, in their order.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for leaf in &self.row.leaves {
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

    #[test]
    fn values_that_stay_are_read_with_those_that_change() {
        let object = |number: u32, name: &str| {
            format!(
                r#"{{"a":{{"v":"8.1","on":true,"no":null,"os":["x",{{"y":-1.5}}]}},"n":{number},"by":"{name}","end":[1,2]}}"#
            )
        };
        let mut flat = Flat::with(Flat::shapes());
        for number in 0..200 {
            let text = object(number * 7, if number % 50 == 9 { "other" } else { "me" });
            let mut next = Flat::with(flat.into_shapes());
            assert_eq!(next.read_first(&text), Some(text.len()));
            assert_eq!(leaves(&next), leaves(&Flat::read(text.as_bytes()).unwrap()));
            assert_eq!(next.get("a.os.1.y"), Some("-1.5"));
            flat = Flat::with(next.into_shapes());
        }
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

    proptest! {
        #[test]
        fn what_nearly_repeats_is_read_as_it_is(
            object in objects(),
            at in any::<prop::sample::Index>(),
            put in "[ \\[\\]{},:\"a1e.]{0,2}",
        ) {
            let mut flat = Flat::with(Flat::shapes());
            for _ in 0..2 {
                let mut learned = Flat::with(flat.into_shapes());
                learned.read_first(&object);
                flat = Flat::with(learned.into_shapes());
            }
            let begin = (0..=at.index(object.len())).rev().find(|at| object.is_char_boundary(*at));
            let (before, behind) = object.split_at(begin.unwrap_or_default());
            let text = format!("{before}{put}{}", behind.get(1..).unwrap_or_default());
            let mut other = Flat::with(Flat::shapes());
            prop_assert_eq!(flat.read_first(&text), other.read_first(&text));
            prop_assert_eq!(leaves(&flat), leaves(&other));
        }
    }
}
