//! Drives one decoder over one input.

use std::io::{self, Read};

use lapwing_event::{Activity, Event, InputId, Timestamp};
use lapwing_output::{InputReport, Trouble};
use lapwing_source::{
    Decoded, Format, Half, MAX_RECORD, Problem, SNIFF_BYTES, Sniffed, Unfinished, describe_unknown,
    sniff,
};

use crate::inputs::{Source, trouble};
use crate::pieces::Piece;

/// How much is read at once: large enough that the cost of a call vanishes, small enough to stay
/// in the second-level cache together with the decoder's state.
const READ_BYTES: usize = 256 << 10;

/// What became of one input, or of a piece of one.
#[derive(Default)]
pub(crate) struct InputRead {
    pub(crate) report: InputReport,
    pub(crate) troubles: Vec<Trouble>,
    /// What an edge of the input cut from its others.
    pub(crate) halves: Vec<Half>,
    /// What other pieces of the input may complete.
    pub(crate) unfinished: Unfinished,
}

impl InputRead {
    /// Nothing of an input that cannot be read.
    pub(crate) fn unreadable(source: &Source, error: &io::Error) -> InputRead {
        let report = InputReport { name: source.name.clone(), ..InputReport::default() };
        InputRead { report, troubles: vec![unreadable(source, error)], ..InputRead::default() }
    }

    /// Takes what became of the piece behind it; gives what is whole by that to `sink`.
    pub(crate) fn follow(&mut self, next: InputRead, id: InputId, sink: &mut dyn FnMut(Event)) {
        let mut out = Decoded::default();
        self.report.bytes += next.report.bytes;
        self.report.records += next.report.records;
        self.report.events += next.report.events;
        if let Some((first, last)) = next.report.span {
            self.report.span = Some(widened(Some(widened(self.report.span, first)), last));
        }
        self.troubles.extend(next.troubles);
        self.halves.extend(next.halves);
        self.unfinished.follow(next.unfinished, &mut out);
        self.give(&mut out, id, sink);
        self.note(&mut out);
    }

    /// Ends an input of which all pieces were taken.
    pub(crate) fn end(&mut self, id: InputId, sink: &mut dyn FnMut(Event)) {
        let mut out = Decoded::default();
        std::mem::take(&mut self.unfinished).end(&mut out);
        self.give(&mut out, id, sink);
        self.note(&mut out);
        self.troubles = united(std::mem::take(&mut self.troubles));
    }

    /// Gives the events of what was decoded to `sink`, and counts them.
    fn give(&mut self, out: &mut Decoded, id: InputId, sink: &mut dyn FnMut(Event)) {
        for mut event in out.events.drain(..) {
            event.record.input = id;
            self.report.events += 1;
            // Since when an address is someone's is no time that was watched.
            if !matches!(event.activity, Activity::Binding(_)) {
                self.report.span = Some(widened(self.report.span, event.time));
            }
            sink(event);
        }
    }

    /// Takes what was wrong with what was decoded.
    fn note(&mut self, out: &mut Decoded) {
        let name = &self.report.name;
        self.troubles.extend(out.take_diagnostics().into_iter().map(|diagnostic| Trouble {
            input: name.clone(),
            problem: diagnostic.problem.name(),
            loses_data: diagnostic.problem.loses_data(),
            key: diagnostic.key,
            offset: Some(diagnostic.offset),
            count: diagnostic.count,
            detail: diagnostic.detail,
        }));
    }
}

/// Troubles of one input's pieces, in their order, each kind once: as often as all of them said, and in
/// the words of the first.
fn united(troubles: Vec<Trouble>) -> Vec<Trouble> {
    let mut united: Vec<Trouble> = Vec::new();
    for trouble in troubles {
        let kind =
            |known: &&mut Trouble| (known.problem, known.key) == (trouble.problem, trouble.key);
        match united.iter_mut().find(kind) {
            Some(known) => {
                known.count += trouble.count;
                if trouble.offset < known.offset {
                    (known.offset, known.detail) = (trouble.offset, trouble.detail);
                }
            }
            None => united.push(trouble),
        }
    }
    united
}

/// Reads an input, or a piece of one, to its end and gives each event, stamped with the input's id, to
/// `sink`.
pub(crate) fn decode_input(
    source: &Source,
    piece: &Piece,
    reader: &mut dyn Read,
    sink: &mut dyn FnMut(Event),
) -> InputRead {
    let id = InputId(piece.input as u32);
    let mut buffer = Buffer { consumed: piece.start, ..Buffer::default() };
    let mut ended = Ok(());
    let wanted = if piece.format.is_some() { 1 } else { SNIFF_BYTES };
    while ended.is_ok() && buffer.bytes().len() < wanted {
        match buffer.fill(reader) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => ended = Err(error),
        }
    }
    let head = &buffer.bytes()[..buffer.bytes().len().min(SNIFF_BYTES)];
    let report = InputReport { name: source.name.clone(), ..InputReport::default() };
    let mut read = InputRead { report, ..InputRead::default() };
    let format: &Format = match piece.format.map_or_else(|| sniff(head), Sniffed::Format) {
        Sniffed::Format(format) => format,
        refused => {
            let name = source.name.clone();
            read.troubles.push(match (ended, refused) {
                (Err(error), _) => unreadable(source, &error),
                (Ok(()), Sniffed::Empty) => {
                    trouble(name, Problem::Malformed, "empty", String::new())
                }
                (Ok(()), _) => {
                    let said = describe_unknown(head);
                    trouble(name, Problem::Unsupported, "format not known", said)
                }
            });
            return read;
        }
    };
    read.report.format = Some(format.name);
    let mut decoder = (format.decoder)();
    if let Some(archive) = &source.archive {
        decoder.beside(archive.companions());
    }
    if piece.start > 0 {
        decoder.begins_at(piece.start);
    }
    let mut out = Decoded::default();
    loop {
        let done = decoder.decode(buffer.bytes(), &mut out);
        let stalled = done == 0 && buffer.bytes().len() >= MAX_RECORD;
        buffer.consume(done);
        read.give(&mut out, id, sink);
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
    match piece.format {
        None => decoder.finish(buffer.bytes(), &mut out),
        Some(_) => {
            read.unfinished = decoder.leave(buffer.bytes(), piece.end.is_none(), &mut out);
        }
    }
    read.give(&mut out, id, sink);
    read.report.bytes = buffer.consumed + buffer.bytes().len() as u64 - piece.start;
    read.report.records = out.records;
    read.halves = std::mem::take(&mut out.halves);
    read.note(&mut out);
    read
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
        let done =
            decode_input(&source, &Piece::whole(3), &mut reader, &mut |event| events.push(event));
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
