//! Values that are the same from object to object: a writer tells its own name and version in each of them,
//! and that of its computer. A run of such values is compared as a whole, with all that stands about them.
//!
//! What is compared was read before, from the same place on: it means the same again.

use std::ops::Range;

use super::shapes::PlaceId;

/// Every so many objects one is read value by value, to see what is still as it was in the last one: then a
/// hundredth of them costs a little more. The first ones are seen sooner.
const SEEN: u32 = 64;

/// The longest value that is kept with what stands before it, in bytes: the writer's own are shorter.
const MAX_STEP: usize = 256;

/// How many bytes of them, and of runs, are kept at the most before all are forgotten. Those of a fleet's
/// logs of a dozen kinds take a twentieth.
const MAX_BYTES: usize = 1 << 20;

/// What was seen of one value of an object.
pub(super) struct Step {
    /// The place before it, and its own.
    pub from: PlaceId,
    pub to: PlaceId,
    /// Where it lies with what stands before it.
    pub bytes: Range<usize>,
    pub value: Value,
}

/// What a value comes to.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// It lies there as it is.
    Plain(Range<usize>),
    Nothing,
    /// It is put down in another way.
    Other,
}

/// Values that follow each other.
#[derive(Debug)]
pub(super) struct Run {
    /// Their bytes, and the one behind them, which tells that the last one ends.
    bytes: Box<[u8]>,
    /// The places of those that are something, and where they lie from the run's start.
    pub values: Box<[(PlaceId, Range<u32>)]>,
    /// The last one's place.
    pub to: PlaceId,
}

impl Run {
    /// How many bytes it passes.
    pub fn length(&self) -> usize {
        self.bytes.len() - 1
    }
}

/// What is known of the runs in the objects of one input.
#[derive(Debug, Default)]
pub(super) struct Runs {
    objects: u32,
    /// By the place before it.
    runs: Vec<Option<Run>>,
    /// The bytes of the last step to each place.
    last: Vec<Box<[u8]>>,
    /// How many bytes those and the runs have together.
    kept: usize,
}

impl Runs {
    /// Whether a new object is one of those to be read value by value.
    pub(super) fn begin(&mut self) -> bool {
        self.objects = self.objects.wrapping_add(1);
        self.objects.is_multiple_of(SEEN) || (self.objects < SEEN && self.objects.is_power_of_two())
    }

    /// The run that begins behind this place, if that is what is there.
    #[inline]
    pub(super) fn find(&self, from: PlaceId, rest: &[u8]) -> Option<&Run> {
        self.runs.get(from.number())?.as_ref().filter(|run| rest.starts_with(&run.bytes))
    }

    /// Learns of an object of this text that was read value by value.
    pub(super) fn see(&mut self, text: &[u8], steps: &[Step]) {
        let same: Vec<bool> = steps.iter().map(|step| self.is_same(text, step)).collect();
        let mut begin = 0;
        for at in 0..=steps.len() {
            if same.get(at) == Some(&true) {
                continue;
            }
            if let Some(first) = steps.get(begin) {
                self.keep(first.from, run(text, &steps[begin..at]));
            }
            if let Some(other) = steps.get(at) {
                self.keep(other.from, None);
            }
            begin = at + 1;
        }
        if self.kept > MAX_BYTES {
            *self = Runs { objects: self.objects, ..Runs::default() };
        }
    }

    fn keep(&mut self, from: PlaceId, run: Option<Run>) {
        self.kept += run.as_ref().map_or(0, |run| run.bytes.len());
        let before = put(&mut self.runs, from, run, || None);
        self.kept -= before.map_or(0, |run| run.bytes.len());
    }

    /// Whether a step is the last one to its place again; it is kept.
    fn is_same(&mut self, text: &[u8], step: &Step) -> bool {
        let bytes = text.get(step.bytes.clone()).unwrap_or_default();
        if bytes.len() > MAX_STEP || step.value == Value::Other {
            return false;
        }
        if self.last.get(step.to.number()).is_some_and(|last| **last == *bytes) {
            return true;
        }
        self.kept += bytes.len();
        self.kept -= put(&mut self.last, step.to, bytes.into(), Box::default).len();
        false
    }
}

/// Puts what belongs to a place into its row, which is as long as need be, and gives what was there.
fn put<T>(row: &mut Vec<T>, place: PlaceId, one: T, none: fn() -> T) -> T {
    if row.len() <= place.number() {
        row.resize_with(place.number() + 1, none);
    }
    std::mem::replace(&mut row[place.number()], one)
}

/// The run of these steps: one alone is as soon read.
fn run(text: &[u8], steps: &[Step]) -> Option<Run> {
    let [first, .., last] = steps else { return None };
    let begin = first.bytes.start;
    let bytes = text.get(begin..=last.bytes.end)?;
    let value = |step: &Step| match &step.value {
        Value::Plain(at) => Some((step.to, (at.start - begin) as u32..(at.end - begin) as u32)),
        Value::Nothing | Value::Other => None,
    };
    Some(Run { bytes: bytes.into(), values: steps.iter().filter_map(value).collect(), to: last.to })
}
