//! Drives one decoder over one input.

use std::io::{self, Read};

use lapwing_event::{Activity, Event, InputId, Timestamp};
use lapwing_output::{InputReport, Trouble};
use lapwing_source::{
    Decoded, Half, MAX_RECORD, Problem, SNIFF_BYTES, Sniffed, describe_unknown, sniff,
};

use crate::inputs::{Source, trouble};

/// How much is read at once: large enough that the cost of a call vanishes, small enough to stay
/// in the second-level cache together with the decoder's state.
const READ_BYTES: usize = 256 << 10;

/// What became of one input.
pub(crate) struct InputRead {
    pub(crate) report: InputReport,
    pub(crate) troubles: Vec<Trouble>,
    /// What an edge of the input cut from its others.
    pub(crate) halves: Vec<Half>,
}

/// Reads the input to its end and gives each event, stamped with the input's id, to `sink`.
pub(crate) fn decode_input(
    source: &Source,
    id: InputId,
    reader: &mut dyn Read,
    sink: &mut dyn FnMut(Event),
) -> InputRead {
    let mut buffer = Buffer::default();
    let mut ended = Ok(());
    while ended.is_ok() && buffer.bytes().len() < SNIFF_BYTES {
        match buffer.fill(reader) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => ended = Err(error),
        }
    }
    let head = &buffer.bytes()[..buffer.bytes().len().min(SNIFF_BYTES)];
    let mut report = InputReport { name: source.name.clone(), ..InputReport::default() };
    let format = match sniff(head) {
        Sniffed::Format(format) => format,
        refused => {
            let trouble = match (ended, refused) {
                (Err(error), _) => unreadable(source, &error),
                (Ok(()), Sniffed::Empty) => {
                    trouble(report.name.clone(), Problem::Malformed, "empty", String::new())
                }
                (Ok(()), _) => trouble(
                    report.name.clone(),
                    Problem::Unsupported,
                    "format not known",
                    describe_unknown(head),
                ),
            };
            return InputRead { report, troubles: vec![trouble], halves: Vec::new() };
        }
    };
    report.format = Some(format.name);
    let mut decoder = (format.decoder)();
    if let Some(archive) = &source.archive {
        decoder.beside(archive.companions());
    }
    let mut out = Decoded::default();
    let mut give = |out: &mut Decoded, report: &mut InputReport| {
        for mut event in out.events.drain(..) {
            event.record.input = id;
            report.events += 1;
            // Since when an address is someone's is no time that was watched.
            if !matches!(event.activity, Activity::Binding(_)) {
                report.span = Some(widened(report.span, event.time));
            }
            sink(event);
        }
    };
    loop {
        let done = decoder.decode(buffer.bytes(), &mut out);
        let stalled = done == 0 && buffer.bytes().len() >= MAX_RECORD;
        buffer.consume(done);
        give(&mut out, &mut report);
        if stalled {
            out.note(Problem::Malformed, "no record found", buffer.consumed, || {
                format!("expected a record within {MAX_RECORD} bytes; the rest is not read")
            });
            break;
        }
        match std::mem::replace(&mut ended, Ok(())).and_then(|()| buffer.fill(reader)) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                let at = buffer.consumed + buffer.bytes().len() as u64;
                out.note(Problem::Torn, "input ends early", at, || error.to_string());
                break;
            }
        }
    }
    decoder.finish(buffer.bytes(), &mut out);
    give(&mut out, &mut report);
    report.bytes = buffer.consumed + buffer.bytes().len() as u64;
    report.records = out.records;
    let troubles = out
        .take_diagnostics()
        .into_iter()
        .map(|diagnostic| Trouble {
            input: report.name.clone(),
            problem: diagnostic.problem.name(),
            loses_data: diagnostic.problem.loses_data(),
            key: diagnostic.key,
            offset: Some(diagnostic.offset),
            count: diagnostic.count,
            detail: diagnostic.detail,
        })
        .collect();
    InputRead { report, troubles, halves: std::mem::take(&mut out.halves) }
}

/// The trouble of an input that cannot be read at all.
pub(crate) fn unreadable(source: &Source, error: &io::Error) -> Trouble {
    let detail = format!("{error}; nothing of it was read");
    trouble(source.name.clone(), Problem::Malformed, "cannot be read", detail)
}

fn widened(span: Option<(Timestamp, Timestamp)>, time: Timestamp) -> (Timestamp, Timestamp) {
    span.map_or((time, time), |(first, last)| (first.min(time), last.max(time)))
}

/// Bytes that were read and not yet consumed.
#[derive(Default)]
struct Buffer {
    held: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes consumed since the input began.
    consumed: u64,
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        &self.held[self.start..self.end]
    }

    fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.end - self.start);
        self.start += bytes;
        self.consumed += bytes as u64;
    }

    /// Reads once behind what is held; how many bytes came, 0 at the end.
    fn fill(&mut self, reader: &mut dyn Read) -> io::Result<usize> {
        if self.start > 0 {
            self.held.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.held.len() < self.end + READ_BYTES {
            self.held.resize(self.end + READ_BYTES, 0);
        }
        loop {
            match reader.read(&mut self.held[self.end..]) {
                Ok(length) => {
                    self.end += length;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Place;

    /// Gives at most `piece` bytes a read, and fails after the last one where it is told to.
    struct Trickle<'a> {
        left: &'a [u8],
        piece: usize,
        fails: bool,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.left.is_empty() && self.fails {
                return Err(io::Error::other("the disk went away"));
            }
            let length = self.piece.min(buffer.len()).min(self.left.len());
            buffer[..length].copy_from_slice(&self.left[..length]);
            self.left = &self.left[length..];
            Ok(length)
        }
    }

    fn read(bytes: &[u8], piece: usize, fails: bool) -> (Vec<Event>, InputRead) {
        let source = Source { name: "x".to_string(), place: Place::Stdin, bytes: 0, archive: None };
        let mut events = Vec::new();
        let mut reader = Trickle { left: bytes, piece, fails };
        let done = decode_input(&source, InputId(3), &mut reader, &mut |event| events.push(event));
        (events, done)
    }

    #[test]
    fn pieces_change_nothing() {
        let bytes = include_bytes!("../../../corpus/formats/pcap/nmap-arp-sweep/input.pcap");
        let (whole, done) = read(bytes, usize::MAX, false);
        assert!(!whole.is_empty());
        assert!(whole.iter().all(|event| event.record.input == InputId(3)));
        assert_eq!(done.report.bytes, bytes.len() as u64);
        for piece in [1, 7] {
            let (events, other) = read(bytes, piece, false);
            assert_eq!(events, whole, "pieces of {piece}");
            assert_eq!(other.report, done.report);
            assert_eq!(other.troubles, done.troubles);
        }
    }

    #[test]
    fn a_read_error_keeps_what_came_before_it() {
        let bytes = include_bytes!("../../../corpus/formats/pcap/nmap-arp-sweep/input.pcap");
        let (whole, _) = read(bytes, 100, false);
        let (events, done) = read(bytes, 100, true);
        assert_eq!(events, whole);
        assert!(done.troubles.iter().any(|t| t.key == "input ends early" && t.loses_data));
    }
}
