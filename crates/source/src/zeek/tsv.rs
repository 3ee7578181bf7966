//! Logs with a header: `#separator`, `#fields`, then a row a line. A header may come again with
//! other columns, where logs were put together.

use std::borrow::Cow;

use super::fields::{Field, Fields, Value};
use super::{Log, row};
use crate::plain::Cells;
use crate::{Decoded, LineFormat, Problem};

/// The state of the header.
pub(super) struct Tsv {
    separator: u8,
    unset: Vec<u8>,
    empty: Vec<u8>,
    log: Log,
    /// The field of each column; `None` for columns that are not used.
    columns: Vec<Option<Field>>,
}

impl Default for Tsv {
    fn default() -> Tsv {
        Tsv {
            separator: b'\t',
            unset: b"-".to_vec(),
            empty: b"(empty)".to_vec(),
            log: Log::Other,
            columns: Vec::new(),
        }
    }
}

impl LineFormat for Tsv {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        match line.trim_ascii_start().strip_prefix(b"#") {
            Some(header) => self.header(header, offset, out),
            None => self.data(line, offset, out),
        }
    }

    fn end(&mut self, _: &mut Decoded) {}
}

impl Tsv {
    fn header(&mut self, header: &[u8], offset: u64, out: &mut Decoded) {
        // The separator's own line is split by a space, all others by the separator; a log that a
        // script wrote again has a tab in both (zeek/fmt-date-issue of the corpus).
        if let Some(value) = header.strip_prefix(b"separator") {
            *self = Tsv::default();
            let value = unescaped(value.trim_ascii());
            if let [separator] = *value {
                self.separator = separator;
            }
            return;
        }
        let mut parts = header.split(|byte| *byte == self.separator);
        match parts.next() {
            Some(b"unset_field") => self.unset = parts.next().unwrap_or(b"-").to_vec(),
            Some(b"empty_field") => self.empty = parts.next().unwrap_or_default().to_vec(),
            Some(b"path") => {
                let path = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
                self.log = Log::named(&path);
                if self.log == Log::Other {
                    let key = "Zeek logs that hold no conversations";
                    out.note(Problem::Note, key, offset, || format!("a {path:?} log"));
                }
            }
            Some(b"fields") => {
                let name =
                    |part: &[u8]| Field::of_column(self.log, std::str::from_utf8(part).ok()?);
                self.columns = parts.map(name).collect();
            }
            _ => {}
        }
    }

    fn data(&self, line: &[u8], offset: u64, out: &mut Decoded) {
        if self.columns.is_empty() {
            out.note(Problem::Malformed, "row before the header", offset, || {
                "expected #fields first; give the log with its header".to_string()
            });
            return;
        }
        let mut fields = Fields::default();
        if self.log != Log::Other {
            // What is plain need not be compared with marks that no plain value begins with.
            let is_word = |mark: &[u8]| !mark.first().is_some_and(u8::is_ascii_digit);
            let words = is_word(&self.unset) && is_word(&self.empty);
            let mut cells = Cells::new(line, self.separator);
            let read = self.columns.iter().try_for_each(|column| {
                let Some(field) = *column else { return cells.any().map(drop) };
                let plain = |text: &_| Value::leading(field, text).filter(|_| words);
                if let Some(value) = cells.whole(plain) {
                    fields.set(field, value);
                    return Some(());
                }
                let value = cells.any()?;
                if *value != *self.unset && *value != *self.empty {
                    fields.set_text(field, text(value));
                }
                Some(())
            });
            if read.is_none() || !cells.are_over() {
                out.records += 1;
                out.note(Problem::Malformed, "wrong number of columns", offset, || {
                    let count = line.split(|byte| *byte == self.separator).count();
                    format!("expected {}, found {count}", self.columns.len())
                });
                return;
            }
        }
        row(self.log, &fields, offset, out);
    }
}

/// A value as text, with Zeek's `\xNN` for bytes outside of plain text undone.
fn text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(plain) if !value.contains(&b'\\') => Cow::Borrowed(plain),
        _ => Cow::Owned(String::from_utf8_lossy(&unescaped(value)).into_owned()),
    }
}

/// The bytes with `\xNN` undone; any other backslash stays.
fn unescaped(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, tail.first(), digit(1), digit(2)) {
            (b'\\', Some(b'x'), Some(high), Some(low)) => {
                plain.push((high * 16 + low) as u8);
                rest = &tail[3..];
            }
            _ => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(plain)
}
