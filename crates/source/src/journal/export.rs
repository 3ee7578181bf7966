//! The export format: fields a line each, entries parted by an empty line; what is no plain text has
//! its length before it.

use std::collections::HashMap;

use super::Journal;
use crate::{Decoded, Decoder, MAX_RECORD, Problem};

/// The fields that are used.
const USED: [&str; 7] = [
    "MESSAGE",
    "_TRANSPORT",
    "_HOSTNAME",
    "_AUDIT_ID",
    "_SOURCE_REALTIME_TIMESTAMP",
    "__REALTIME_TIMESTAMP",
    "SYSLOG_IDENTIFIER",
];

/// Whether an input begins with an entry.
pub(crate) fn recognises(head: &[u8]) -> bool {
    head.starts_with(b"__CURSOR=")
        && memchr::memmem::find(head, b"\n__REALTIME_TIMESTAMP=").is_some()
}

/// A decoder of it.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Export { journal: Journal::default(), offset: 0, lost: false })
}

struct Export {
    journal: Journal,
    /// Bytes consumed.
    offset: u64,
    /// An entry made no sense: the empty line before the next one is being looked for.
    lost: bool,
}

/// An entry's fields that are used, each by its name.
type Fields<'a> = HashMap<&'static str, &'a [u8]>;

/// What lies at the beginning of some bytes.
enum Found<'a> {
    /// An entry, and how many bytes it takes.
    Entry(Fields<'a>, usize),
    /// It goes on beyond them.
    Beyond,
    /// What stands there after so many bytes is no field.
    Broken(usize),
}

fn entry(bytes: &[u8]) -> Found<'_> {
    let mut fields = Fields::new();
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', rest) else { return Found::Beyond };
        let line = &rest[..end];
        at += end + 1;
        if line.is_empty() {
            return Found::Entry(fields, at);
        }
        let (name, value) = match memchr::memchr(b'=', line) {
            Some(parts) => (&line[..parts], &line[parts + 1..]),
            None => {
                let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) else {
                    return Found::Beyond;
                };
                let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
                if length > MAX_RECORD {
                    return Found::Broken(at);
                }
                let Some(value) = bytes.get(at + 8..at + 8 + length) else { return Found::Beyond };
                match bytes.get(at + 8 + length) {
                    Some(b'\n') => at += 8 + length + 1,
                    Some(_) => return Found::Broken(at),
                    None => return Found::Beyond,
                }
                (line, value)
            }
        };
        if let Some(used) = USED.iter().find(|used| used.as_bytes() == name) {
            fields.insert(*used, value);
        }
    }
}

impl Export {
    fn take(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let at = self.offset + done as u64;
            if self.lost {
                match memchr::memmem::find(rest, b"\n\n") {
                    Some(end) => {
                        self.lost = false;
                        done += end + 2;
                        continue;
                    }
                    // The last byte may be the first of the two.
                    None => {
                        done += rest.len() - 1;
                        break;
                    }
                }
            }
            match entry(rest) {
                Found::Entry(fields, length) => {
                    if !fields.is_empty() {
                        out.records += 1;
                        let field = |name: &str| {
                            fields.get(name).map(|value| String::from_utf8_lossy(value))
                        };
                        self.journal.entry(&field, at, out);
                    }
                    done += length;
                }
                Found::Broken(length) => {
                    out.note(Problem::Malformed, "field without its length", at, || {
                        "expected NAME=VALUE, or a name and 8 bytes of length; looking for the next \
                         entry"
                            .to_string()
                    });
                    self.lost = true;
                    done += length;
                }
                Found::Beyond if rest.len() >= MAX_RECORD => {
                    out.note(Problem::Malformed, "entry too long", at, || {
                        format!("expected at most {MAX_RECORD} bytes; looking for the next")
                    });
                    self.lost = true;
                }
                Found::Beyond => break,
            }
        }
        self.offset += done as u64;
        done
    }
}

impl Decoder for Export {
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        self.take(bytes, out)
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        let done = self.take(rest, out);
        if done < rest.len() {
            out.note(Problem::Torn, "input ends inside an entry", self.offset, || {
                "its last record is not used".to_string()
            });
        }
        self.journal.end(out);
    }
}
