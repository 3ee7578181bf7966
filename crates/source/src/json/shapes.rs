//! Where values lie in the objects of one writer. Their keys, and whatever else stands between two
//! values, are mostly those of an object before: bytes that were read once are compared from then on.
//!
//! That is no looser than reading them: JSON's grammar lets any value that is no object and no list
//! stand where another one does (RFC 8259 section 3), so that what was right between two of them is
//! right between any two.

use std::fmt::Write;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::flat::MAX_LEAVES;
use super::scan::{MAX_DEPTH, Scanner};

/// How many ways on are known from one place at the most: most places have one or two, those behind
/// something that may be left out a few. Of more, the one that was taken longest ago is forgotten.
const MAX_WAYS: usize = 8;

/// The longest text between two values that is kept: more than any key and its brackets take.
const MAX_BETWEEN: usize = 512;

/// How much is learned before all of it is forgotten: a fleet's logs of a dozen kinds take a fiftieth of
/// it. Objects whose keys are values (labels, arguments by name) would fill memory otherwise.
const MAX_PLACES: usize = 1 << 14;
const MAX_BYTES: usize = 1 << 20;

/// What is known of the objects of one input, with what their reader wants to know of each path.
#[derive(Debug)]
pub(crate) struct Shapes<T> {
    /// What is to be known of a path.
    tell: fn(&str) -> T,
    /// How deep values are gone into: objects and lists that lie deeper are values themselves.
    depth: usize,
    places: Vec<Place<T>>,
    ways: Vec<Way>,
    /// What stands between values.
    between: Vec<u8>,
    /// The paths of all places.
    paths: String,
    /// The levels of all places.
    levels: Vec<Level>,
    /// Places by what tells them apart.
    known: HashMap<Box<str>, u32, RandomState>,
    /// The levels of the place that is looked for, its path, and what tells it apart.
    within: Vec<Level>,
    path: String,
    key: String,
}

/// The number of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlaceId(u32);

/// The place before an object.
const START: usize = 0;
/// The place behind one, and the way that there is not.
const NONE: u32 = u32::MAX;

/// A place that a value has.
#[derive(Debug)]
struct Place<T> {
    path: Range<usize>,
    /// What it lies in, from the outermost object on.
    levels: Range<usize>,
    about: T,
    /// The way on that was taken last; behind it, those before.
    first: u32,
}

/// What leads from one value to the next.
#[derive(Clone, Debug)]
struct Way {
    /// Where in all that stands between values it begins, and its length.
    start: u32,
    length: u32,
    /// The next value's place.
    to: u32,
    /// The way that was taken before this one.
    next: u32,
}

/// An object or list that a value lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Level {
    /// How long its own path is.
    path: usize,
    /// The place in it, where it is a list.
    index: Option<u32>,
}

impl<T: Copy> Shapes<T> {
    /// Nothing known yet.
    pub(crate) fn new(depth: usize, tell: fn(&str) -> T) -> Shapes<T> {
        Shapes {
            tell,
            depth: depth.min(MAX_DEPTH),
            places: Vec::new(),
            ways: Vec::new(),
            between: Vec::new(),
            paths: String::new(),
            levels: Vec::new(),
            known: HashMap::default(),
            within: Vec::new(),
            path: String::new(),
            key: String::new(),
        }
    }

    /// The place before an object, for a new one.
    pub(crate) fn start(&mut self) -> Option<PlaceId> {
        if self.places.len() > MAX_PLACES || self.between.len() + self.paths.len() > MAX_BYTES {
            *self = Shapes::new(self.depth, self.tell);
        }
        if self.places.is_empty() {
            self.place()?;
        }
        Some(PlaceId(START as u32))
    }

    /// The path of a place, as a part of [`Shapes::paths`].
    pub(crate) fn path(&self, place: PlaceId) -> Range<usize> {
        self.places[place.0 as usize].path.clone()
    }

    /// All paths, one behind the other.
    pub(crate) fn paths(&self) -> &str {
        &self.paths
    }

    /// Keeps a path that has no place, as a part of [`Shapes::paths`].
    pub(crate) fn keep_path(&mut self, path: &str) -> Range<usize> {
        let start = self.paths.len();
        self.paths.push_str(path);
        start..self.paths.len()
    }

    /// What was told of a place's path.
    pub(crate) fn about(&self, place: PlaceId) -> T {
        self.places[place.0 as usize].about
    }

    /// Goes on to the next value: its place, before which the scanner stands then, or `Some(None)`
    /// behind the object. `None` where a [`Scanner`] refuses what is there.
    #[inline]
    pub(crate) fn next(
        &mut self,
        scanner: &mut Scanner<'_>,
        from: PlaceId,
    ) -> Option<Option<PlaceId>> {
        let first = self.places[from.0 as usize].first;
        let (mut at, mut before) = (first, NONE);
        while let Some(way) = self.ways.get(at as usize) {
            let start = way.start as usize;
            let between = &self.between[start..start + way.length as usize];
            if scanner.pass_known(between, |next| way.to == NONE || self.is_value(next)) {
                let to = way.to;
                if before != NONE {
                    self.ways[before as usize].next = way.next;
                    self.ways[at as usize].next = first;
                    self.places[from.0 as usize].first = at;
                }
                return Some((to != NONE).then_some(PlaceId(to)));
            }
            (before, at) = (at, way.next);
        }
        self.learn(scanner, from)
    }

    /// Whether a value of the depth that is looked at begins with this byte, so that nothing else can
    /// stand before it.
    fn is_value(&self, byte: Option<u8>) -> bool {
        match byte {
            Some(b'{' | b'[') => self.depth < MAX_DEPTH,
            Some(byte) => byte > b' ',
            None => false,
        }
    }

    /// As [`Shapes::next`], by reading what is there, which is known from then on.
    #[cold]
    fn learn(&mut self, scanner: &mut Scanner<'_>, from: PlaceId) -> Option<Option<PlaceId>> {
        let begin = scanner.place();
        let place = &self.places[from.0 as usize];
        self.path.clear();
        self.path.push_str(&self.paths[place.path.clone()]);
        self.within.clear();
        self.within.extend_from_slice(&self.levels[place.levels.clone()]);
        let found = self.walk(scanner, from.0 as usize == START)?;
        let to = if found { self.place()? } else { NONE };
        self.keep(from, scanner.since(begin)?, to);
        Some(found.then_some(PlaceId(to)))
    }

    /// Keeps what stands between two places.
    fn keep(&mut self, from: PlaceId, between: &str, to: u32) {
        if between.len() > MAX_BETWEEN {
            return;
        }
        let (start, length) = (self.between.len() as u32, between.len() as u32);
        self.between.extend_from_slice(between.as_bytes());
        let first = self.places[from.0 as usize].first;
        let (mut count, mut last, mut at) = (0, NONE, first);
        while let Some(way) = self.ways.get(at as usize) {
            (count, last, at) = (count + 1, at, way.next);
        }
        if count < MAX_WAYS {
            self.places[from.0 as usize].first = self.ways.len() as u32;
            self.ways.push(Way { start, length, to, next: first });
        } else {
            self.ways[last as usize] = Way { start, length, to, next: NONE };
        }
    }

    /// Reads from behind a value (or from before an object) to the next one, with its path and levels;
    /// whether there is one.
    fn walk(&mut self, scanner: &mut Scanner<'_>, at_start: bool) -> Option<bool> {
        // Whether the innermost level has just begun, and so may have nothing in it.
        let mut opened = at_start;
        if at_start {
            scanner.object()?;
            self.within.push(Level { path: 0, index: None });
        }
        while let Some(level) = self.within.last_mut() {
            let end = if level.index.is_some() { b']' } else { b'}' };
            let more = if opened { !scanner.pass_at_once(end) } else { scanner.more(end)? };
            if !more {
                self.within.pop();
                opened = false;
                continue;
            }
            self.path.truncate(level.path);
            if level.path > 0 {
                self.path.push('.');
            }
            match &mut level.index {
                Some(index) => {
                    *index = if opened { 0 } else { index.checked_add(1)? };
                    write!(self.path, "{index}").ok()?;
                }
                None => {
                    let key = scanner.key()?;
                    match key.escaped {
                        false => self.path.push_str(key.raw),
                        true => key.unescape(&mut self.path)?,
                    }
                }
            }
            let index = match scanner.peek()? {
                b'{' if self.within.len() < self.depth => None,
                b'[' if self.within.len() < self.depth => Some(0),
                _ => return Some(true),
            };
            scanner.value()?;
            self.within.push(Level { path: self.path.len(), index });
            opened = true;
        }
        Some(false)
    }

    /// The number of the place that was looked for.
    fn place(&mut self) -> Option<u32> {
        self.key.clear();
        for Level { path, index } in &self.within {
            let bracket = if index.is_some() { '[' } else { '{' };
            write!(self.key, "{bracket}{path}").ok()?;
        }
        write!(self.key, ":{}", self.path).ok()?;
        if let Some(known) = self.known.get(&*self.key) {
            return Some(*known);
        }
        let number = self.places.len();
        // An object that holds too much; the next one finds nothing known.
        (number < MAX_PLACES + MAX_LEAVES).then_some(())?;
        let (path, levels) = (self.paths.len(), self.levels.len());
        self.paths.push_str(&self.path);
        self.levels.extend_from_slice(&self.within);
        self.places.push(Place {
            path: path..self.paths.len(),
            levels: levels..self.levels.len(),
            about: (self.tell)(&self.path),
            first: NONE,
        });
        self.known.insert(self.key.as_str().into(), number as u32);
        Some(number as u32)
    }
}
