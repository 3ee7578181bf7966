//! EXECVE and PROCTITLE records to the arguments of a command line.

use std::borrow::Cow;

use lapwing_event::Arguments;

use super::assemble::AuditEvent;
use super::record::{Fields, Kind, Value, field, number, text};
use crate::generations::Generations;

/// How many command lines are remembered at least: jobs, checks and scripts run a few hundred again and
/// again.
const MAX_LINES: usize = 1_024;

/// The longest record whose command line is remembered, in bytes: those remembered take 14 MiB at most,
/// were each argument one byte long.
const MAX_RECORD: usize = 512;

/// For how many arguments room is made before they are seen.
const ROOM_AT_FIRST: u64 = 64;

/// Reads command lines: one that was read of late is not read again.
#[derive(Debug)]
pub(super) struct CommandLines {
    known: Generations<Box<[u8]>, Arguments>,
}

impl CommandLines {
    pub fn new() -> CommandLines {
        CommandLines { known: Generations::new(MAX_LINES) }
    }

    /// The arguments that the EXECVE records of an event hold, and whether all of them are there.
    pub fn arguments(&mut self, event: &AuditEvent) -> (Arguments, bool) {
        let mut records = event.records(Kind::Execve);
        let (Some(record), None) = (records.next(), records.next()) else {
            return arguments(event);
        };
        if let Some(known) = self.known(record) {
            return (known, true);
        }
        let (arguments, whole) = arguments(event);
        if whole {
            self.remember(record, &arguments);
        }
        (arguments, whole)
    }

    /// The arguments of an event's PROCTITLE record: NUL between them, cut at 128 bytes by the kernel,
    /// and only as true as the process left its own memory.
    pub fn title(&mut self, event: &AuditEvent) -> Arguments {
        let Some(record) = event.record(Kind::Proctitle) else { return Arguments::NONE };
        if let Some(known) = self.known(record) {
            return known;
        }
        let arguments = title(record);
        self.remember(record, &arguments);
        arguments
    }

    fn known(&mut self, record: &[u8]) -> Option<Arguments> {
        if record.len() > MAX_RECORD { None } else { self.known.get(record).cloned() }
    }

    fn remember(&mut self, record: &[u8], arguments: &Arguments) {
        if record.len() <= MAX_RECORD {
            self.known.insert(record.into(), arguments.clone());
        }
    }
}

fn title(record: &[u8]) -> Arguments {
    let Some(title) = field(record, b"proctitle").and_then(Value::decoded) else {
        return Arguments::NONE;
    };
    let end = title.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    match title.get(..end) {
        Some(title) if !title.is_empty() => title.split(|byte| *byte == 0).map(text).collect(),
        _ => Arguments::NONE,
    }
}

/// An argument over the kernel's limit comes in pieces, `a1[0]`, `a1[1]` …, over several records.
fn arguments(event: &AuditEvent) -> (Arguments, bool) {
    let mut count = None;
    // Nearly all come whole and in order.
    let mut arguments: Vec<Box<str>> = Vec::new();
    for (key, value) in event.records(Kind::Execve).flat_map(Fields::of) {
        if key == b"argc" {
            count = count.or(number(value.raw()));
            arguments.reserve_exact(count.map_or(0, |count| count.min(ROOM_AT_FIRST)) as usize);
        } else if let Some((index, piece)) = argument_key(key) {
            if (index, piece) != (arguments.len() as u64, 0) {
                return pieced_arguments(event);
            }
            arguments.push(text(&argument(value)).into());
        }
    }
    let whole = count.is_none_or(|count| count == arguments.len() as u64);
    (arguments.into(), whole)
}

/// The bytes of one argument, which may be the very word for nothing.
fn argument(value: Value<'_>) -> Cow<'_, [u8]> {
    value.decoded().unwrap_or(Cow::Borrowed(value.raw()))
}

/// As [`arguments`], of pieces in any order.
fn pieced_arguments(event: &AuditEvent) -> (Arguments, bool) {
    let mut count = None;
    let mut pieces: Vec<(u64, u64, Cow<'_, [u8]>)> = Vec::new();
    for (key, value) in event.records(Kind::Execve).flat_map(Fields::of) {
        if key == b"argc" {
            count = count.or(number(value.raw()));
        } else if let Some((index, piece)) = argument_key(key) {
            pieces.push((index, piece, argument(value)));
        }
    }
    pieces.sort_by_key(|(index, piece, _)| (*index, *piece));
    let mut arguments: Vec<Vec<u8>> = Vec::new();
    let mut next_piece = 0;
    for (index, piece, bytes) in pieces {
        let known = arguments.len() as u64;
        match arguments.last_mut() {
            Some(last) if index.checked_add(1) == Some(known) && piece == next_piece => {
                last.extend_from_slice(&bytes);
                next_piece += 1;
            }
            _ if index == known && piece == 0 => {
                arguments.push(bytes.into_owned());
                next_piece = 1;
            }
            // One is missing: what follows would stand in a wrong place.
            _ => return (arguments.iter().map(|bytes| text(bytes)).collect(), false),
        }
    }
    let whole = count.is_none_or(|count| count == arguments.len() as u64);
    (arguments.iter().map(|bytes| text(bytes)).collect(), whole)
}

/// `a3` is (3, 0), `a3[5]` is (3, 5); `None` for other keys, such as `a3_len`.
fn argument_key(key: &[u8]) -> Option<(u64, u64)> {
    let key = key.strip_prefix(b"a")?;
    match key.strip_suffix(b"]") {
        None => Some((number(key)?, 0)),
        Some(key) => {
            let (index, piece) = key.split_at_checked(memchr::memchr(b'[', key)?)?;
            Some((number(index)?, number(piece.get(1..)?)?))
        }
    }
}
