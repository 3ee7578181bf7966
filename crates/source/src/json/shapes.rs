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

use super::row::MAX_LEAVES;
use super::runs::Runs;
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

/// The longest paths together that are kept while one object is read: each value has its own, and a key
/// of megabytes may lie about thousands of them.
pub(super) const MAX_PATHS: usize = 16 << 20;

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
    /// Values that follow each other and stay as they are, where the reader looks for them.
    pub(super) runs: Runs,
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
    path: Part,
    /// What it lies in, from the outermost object on.
    levels: Part,
    about: T,
    /// The way on that was taken last; behind it, those before.
    first: u32,
}

/// A part of what is kept for all places together, which has bounds.
#[derive(Clone, Copy, Debug)]
struct Part {
    start: u32,
    end: u32,
}

impl Part {
    /// What was put behind what was there.
    fn new(before: usize, after: usize) -> Part {
        Part { start: before as u32, end: after as u32 }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What leads from one value to the next.
#[derive(Clone, Debug)]
struct Way {
    /// What stands between them.
    between: Part,
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

impl PlaceId {
    pub(super) fn number(self) -> usize {
        self.0 as usize
    }
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
            runs: Runs::default(),
        }
    }

    /// The place before an object, for a new one.
    pub(crate) fn start(&mut self) -> Option<PlaceId> {
        let levels = self.levels.len() * size_of::<Level>();
        let bytes = self.between.len() + self.paths.len() + levels;
        if self.places.len() > MAX_PLACES || bytes > MAX_BYTES {
            *self = Shapes::new(self.depth, self.tell);
        }
        if self.places.is_empty() {
            self.place()?;
        }
        Some(PlaceId(START as u32))
    }

    /// Keeps a path that is no place in an object; `None` where there are too many.
    pub(super) fn keep_path(&mut self, path: &str) -> Option<PlaceId> {
        (self.paths.len() + path.len() <= MAX_PATHS).then_some(())?;
        let number = self.places.len() as u32;
        let (before, levels) = (self.paths.len(), self.levels.len());
        self.paths.push_str(path);
        self.places.push(Place {
            path: Part::new(before, self.paths.len()),
            levels: Part::new(levels, levels),
            about: (self.tell)(path),
            first: NONE,
        });
        Some(PlaceId(number))
    }

    /// The path of a place.
    #[inline]
    pub(crate) fn path(&self, place: PlaceId) -> &str {
        &self.paths[self.places[place.0 as usize].path.range()]
    }

    /// What was told of a place's path.
    pub(crate) fn about(&self, place: PlaceId) -> T {
        self.places[place.0 as usize].about
    }

    /// Goes on to the next value: its place, before which the scanner stands then, or `Some(None)`
    /// behind the object. `None` where a [`Scanner`] refuses what is there.
    #[inline(always)] // once for each value
    pub(crate) fn next(
        &mut self,
        scanner: &mut Scanner<'_>,
        from: PlaceId,
    ) -> Option<Option<PlaceId>> {
        let first = self.places[from.0 as usize].first;
        match self.go(scanner, first) {
            Some((to, _)) => Some((to != NONE).then_some(PlaceId(to))),
            None => self.turn(scanner, from),
        }
    }

    /// Goes this way, if it is one and what is there is what stands on it; where it leads, and the way
    /// that was taken before it.
    #[inline]
    fn go(&self, scanner: &mut Scanner<'_>, way: u32) -> Option<(u32, u32)> {
        let way = self.ways.get(way as usize)?;
        let rest = scanner.rest();
        let behind = rest.strip_prefix(&self.between[way.between.range()])?;
        (way.to == NONE || self.is_value(behind.first().copied())).then_some(())?;
        scanner.pass_bytes(rest.len() - behind.len());
        Some((way.to, way.next))
    }

    /// As [`Shapes::next`], by another way than the one that was taken last.
    #[inline(never)]
    fn turn(&mut self, scanner: &mut Scanner<'_>, from: PlaceId) -> Option<Option<PlaceId>> {
        let first = self.places[from.0 as usize].first;
        let mut before = first;
        while let Some(Way { next: at, .. }) = self.ways.get(before as usize) {
            let at = *at;
            if let Some((to, next)) = self.go(scanner, at) {
                self.ways[before as usize].next = next;
                self.ways[at as usize].next = first;
                self.places[from.0 as usize].first = at;
                return Some((to != NONE).then_some(PlaceId(to)));
            }
            before = at;
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
        self.path.push_str(&self.paths[place.path.range()]);
        self.within.clear();
        self.within.extend_from_slice(&self.levels[place.levels.range()]);
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
        let before = self.between.len();
        self.between.extend_from_slice(between.as_bytes());
        let between = Part::new(before, self.between.len());
        let first = self.places[from.0 as usize].first;
        let (mut count, mut last, mut at) = (0, NONE, first);
        while let Some(way) = self.ways.get(at as usize) {
            (count, last, at) = (count + 1, at, way.next);
        }
        let way = Way { between, to, next: NONE };
        if count < MAX_WAYS {
            self.places[from.0 as usize].first = self.ways.len() as u32;
            self.ways.push(Way { next: first, ..way });
        } else {
            self.ways[last as usize] = way;
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
        let fits = self.paths.len() + self.path.len() <= MAX_PATHS;
        (fits && number < MAX_PLACES + MAX_LEAVES).then_some(())?;
        let (path, levels) = (self.paths.len(), self.levels.len());
        self.paths.push_str(&self.path);
        self.levels.extend_from_slice(&self.within);
        self.places.push(Place {
            path: Part::new(path, self.paths.len()),
            levels: Part::new(levels, self.levels.len()),
            about: (self.tell)(&self.path),
            first: NONE,
        });
        self.known.insert(self.key.as_str().into(), number as u32);
        Some(number as u32)
    }
}
