//! What a decoder takes and gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use lapwing_event::Event;

use crate::pieces::{Cut, Unfinished};

/// The longest record that any decoder may ask to see in one piece, in bytes. 16 MiB is the
/// largest block that pcapng writers are known to make (jumbo captures) and 256 times the size of
/// an EVTX chunk; a longer one is skipped and counted, so a hostile length cannot grow the buffer.
pub const MAX_RECORD: usize = 16 << 20;

/// Turns the bytes of one input into events, a piece at a time.
///
/// A decoder is a pure state machine: the same bytes give the same events, whatever the pieces.
pub trait Decoder: Send {
    /// Hands over what lies beside the input, before the first call of [`Self::decode`]. Only a decoder
    /// of files that say nothing without others has a use for it.
    fn beside(&mut self, _companions: Arc<dyn Companions>) {}

    /// Decodes what it can of `bytes`, which go on where the last call's consumed bytes ended, and
    /// returns how many bytes it is done with; the caller gives the rest again, with more behind.
    ///
    /// Returns less than all where a record is cut off at the end of `bytes`. Given
    /// [`MAX_RECORD`] bytes or more it consumes at least one, so that no input can stall it.
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize;

    /// Ends the input: `rest` is what no call consumed. Uses what can be used of it, says what
    /// cannot, and gives out what is still held back (open connections, half-assembled events).
    fn finish(&mut self, rest: &[u8], out: &mut Decoded);

    /// How an input may be cut into pieces, each for a decoder of its own; `None` where what comes later
    /// rests on what came before.
    fn cut(&self) -> Option<Cut> {
        None
    }

    /// Says that the bytes are those of a piece, which begins `offset` bytes into the input. Called before
    /// all else, and only of a decoder whose inputs may be [cut](Self::cut).
    fn begins_at(&mut self, _offset: u64) {}

    /// Ends a piece, which may be the last, as [`Self::finish`] ends an input, but for what other pieces may
    /// complete.
    fn leave(&mut self, rest: &[u8], _last: bool, out: &mut Decoded) -> Unfinished {
        self.finish(rest, out);
        Unfinished::default()
    }
}

/// The files that lie beside a file of macOS' unified log, and without which it says nothing: whoever
/// holds the files reads them, whole and within a bound of its own.
pub trait Companions: Send + Sync {
    /// The timesync files, which tell the time of day, in the order of their names.
    fn timesync(&self) -> Vec<Vec<u8>>;

    /// The texts of the program with this UUID (32 hexadecimal digits, upper case); `None` where no file
    /// of it is there, or none that can be read.
    fn uuidtext(&self, uuid: &str) -> Option<Vec<u8>>;
}

/// What a decoder gives: events, and what was wrong with the bytes. Never one or the other.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Events in the order in which the input yields them, which need not be that of time. The
    /// decoder sets `record.offset`; the engine sets `record.input`.
    pub events: Vec<Event>,
    /// Records read, whether or not an event came of them.
    pub records: u64,
    /// Records that an edge of the input cut from their others, which the file before or after it in a
    /// rotated set may hold.
    pub halves: Vec<Half>,
    problems: BTreeMap<(Problem, &'static str), Diagnostic>,
}

/// A part of an event, of which other records lie in another input of the same format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    /// What tells its event from all others of one folder.
    pub key: Box<str>,
    /// Whether the event's record is this part's.
    pub leads: bool,
    /// Where its first record lies.
    pub offset: u64,
    /// Its records, which a fresh decoder reads together with those of its other halves.
    pub bytes: Vec<u8>,
    /// The key of what was noted for the want of the others.
    pub noted: Option<&'static str>,
}

impl Decoded {
    /// Notes that something was wrong, or left out. `key` names the kind of trouble in a few fixed
    /// words; repeats of one kind are counted, and the first one's offset and detail are kept, so
    /// that a file of nothing but damage costs no memory.
    pub fn note(
        &mut self,
        problem: Problem,
        key: &'static str,
        offset: u64,
        detail: impl FnOnce() -> String,
    ) {
        self.note_count(problem, key, offset, 1, detail);
    }

    /// Notes that something was passed over `count` times, the first time at `offset`: for what is
    /// so common that noting each one would cost more than reading it. Nothing where `count` is 0.
    pub fn note_times(&mut self, problem: Problem, key: &'static str, offset: u64, count: u64) {
        self.note_count(problem, key, offset, count, String::new);
    }

    /// Notes that the same was wrong `count` times, the first time at `offset`, in the words of `detail`.
    /// Nothing where `count` is 0.
    pub fn note_count(
        &mut self,
        problem: Problem,
        key: &'static str,
        offset: u64,
        count: u64,
        detail: impl FnOnce() -> String,
    ) {
        if count > 0 {
            self.problems
                .entry((problem, key))
                .and_modify(|known| known.count += count)
                .or_insert_with(|| Diagnostic { problem, key, offset, count, detail: detail() });
        }
    }

    /// What was wrong, by problem and then by key.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.problems.values()
    }

    /// Takes what was wrong, leaving none.
    pub fn take_diagnostics(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.problems).into_values().collect()
    }
}

/// One kind of trouble in one input, and how often it came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub problem: Problem,
    /// The kind of trouble in a few fixed words, lowercase.
    pub key: &'static str,
    /// Byte offset of the first one.
    pub offset: u64,
    /// How often it came up.
    pub count: u64,
    /// The first one in words: what was expected and what was found. May hold text of the input,
    /// so it is escaped before it is shown.
    pub detail: String,
}

/// How bad a trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The input ends inside a record.
    Torn,
    /// A record breaks its format; it was skipped.
    Malformed,
    /// A record is whole, but of a kind that is not read yet (a link type, a dialect).
    Unsupported,
    /// A named limit was reached and something was let go.
    Shed,
    /// The input was read whole and says itself that it does not hold all: records that its source left
    /// out or lost.
    Gap,
    /// Nothing was lost, and records do not say all of what is told of them: a zone, a year or a verdict was
    /// taken for granted.
    Assumed,
    /// Nothing was lost: said for completeness (records of other kinds that were passed over).
    Note,
}

impl Problem {
    /// Whether it means that the input was not read whole (exit code 3).
    pub const fn loses_data(self) -> bool {
        !matches!(self, Problem::Gap | Problem::Assumed | Problem::Note)
    }

    /// Its lowercase name.
    pub const fn name(self) -> &'static str {
        match self {
            Problem::Torn => "cut off",
            Problem::Malformed => "malformed",
            Problem::Unsupported => "unsupported",
            Problem::Shed => "over a limit",
            Problem::Gap => "gap",
            Problem::Assumed => "assumed",
            Problem::Note => "note",
        }
    }
}
