//! Text inputs: lines of any ending, whole whatever the pieces they come in.

use crate::pieces::{Cut, before_line};
use crate::{Decoded, Decoder, Problem};

/// The longest line that is looked at, in bytes; a longer one is skipped and counted. auditd caps
/// a record at 8,970 bytes and EVTX-derived JSON lines at about 64 KiB; 1 MiB leaves room for
/// wrapped and batched forms.
pub const MAX_LINE: usize = 1 << 20;

/// A format of one record a line.
pub trait LineFormat: Send {
    /// Whether each line tells all by itself, whatever lines came before it.
    const STANDS_ALONE: bool = false;

    /// Takes one line, without its ending and never empty, that began `offset` bytes into the
    /// input.
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded);

    /// Ends the input and gives out what is still held back.
    fn end(&mut self, out: &mut Decoded);
}

/// Cuts bytes into lines for a [`LineFormat`]: LF or CRLF, a UTF-8 byte order mark, an unended last
/// line, and lines over [`MAX_LINE`].
#[derive(Debug)]
pub struct Lines<F> {
    format: F,
    offset: u64,
    /// Inside a line that is too long: bytes are dropped up to its end.
    skipping: bool,
}

impl<F: LineFormat> Lines<F> {
    /// A decoder of lines for this format.
    pub fn new(format: F) -> Lines<F> {
        Lines { format, offset: 0, skipping: false }
    }

    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let (line, offset) = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if offset == 0 => (rest, 3),
            _ => (line, offset),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            self.format.line(line, offset, out);
        }
    }

    fn too_long(&mut self, out: &mut Decoded) {
        out.note(Problem::Malformed, "line too long", self.offset, || {
            format!("expected a line of at most {MAX_LINE} bytes; skipped to its end")
        });
    }
}

impl<F: LineFormat> Decoder for Lines<F> {
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        let mut done = 0;
        while let Some(length) = memchr::memchr(b'\n', &bytes[done..]) {
            let line = &bytes[done..done + length];
            if self.skipping {
                self.skipping = false;
            } else if length > MAX_LINE {
                self.too_long(out);
            } else {
                self.line(line, self.offset, out);
            }
            done += length + 1;
            self.offset += length as u64 + 1;
        }
        let rest = bytes.len() - done;
        if rest > MAX_LINE {
            if !self.skipping {
                self.too_long(out);
                self.skipping = true;
            }
            self.offset += rest as u64;
            done = bytes.len();
        }
        done
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        if !rest.is_empty() && !self.skipping {
            self.line(rest, self.offset, out);
        }
        self.format.end(out);
    }

    fn cut(&self) -> Option<Cut> {
        F::STANDS_ALONE.then_some(before_line)
    }

    fn begins_at(&mut self, offset: u64) {
        self.offset = offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<(u64, Vec<u8>)>);

    impl LineFormat for Seen {
        fn line(&mut self, line: &[u8], offset: u64, _: &mut Decoded) {
            self.0.push((offset, line.to_vec()));
        }
        fn end(&mut self, _: &mut Decoded) {}
    }

    fn feed(bytes: &[u8], piece: usize) -> (Vec<(u64, Vec<u8>)>, u64) {
        let mut lines = Lines::new(Seen::default());
        let mut out = Decoded::default();
        let mut held = Vec::new();
        for chunk in bytes.chunks(piece) {
            held.extend_from_slice(chunk);
            let done = lines.decode(&held, &mut out);
            held.drain(..done);
        }
        lines.finish(&held, &mut out);
        let troubles = out.diagnostics().map(|d| d.count).sum();
        (lines.format.0, troubles)
    }

    #[test]
    fn lines_are_the_same_whatever_the_pieces() {
        let bytes = b"\xef\xbb\xbfone\r\n\ntwo\nthree";
        let expected = vec![(3, b"one".to_vec()), (9, b"two".to_vec()), (13, b"three".to_vec())];
        for piece in [1, 2, 7, 100] {
            assert_eq!(feed(bytes, piece), (expected.clone(), 0), "pieces of {piece}");
        }
    }

    #[test]
    fn a_line_over_the_limit_costs_itself_alone() {
        let mut bytes = vec![b'x'; MAX_LINE + 10];
        bytes.extend_from_slice(b"\nshort\n");
        for piece in [4096, bytes.len()] {
            let (seen, troubles) = feed(&bytes, piece);
            assert_eq!(seen, vec![(MAX_LINE as u64 + 11, b"short".to_vec())]);
            assert_eq!(troubles, 1);
        }
    }
}
