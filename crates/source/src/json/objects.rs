//! JSON objects one after another, whatever stands between them: one a line, printed over many
//! lines, in an array, in the `records` of an Azure envelope, or in a list that is an object itself and
//! too long to be read whole (kubectl's `items`).

use lapwing_event::Event;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Flat;
use super::lists::{Behind, behind, list_start};
use super::row::{About, Interest};
use super::shapes::Shapes;
use crate::pieces::{Cut, Unfinished, before_object};
use crate::{Decoded, Decoder, MAX_RECORD, Problem};

/// A format of one record an object.
pub(crate) trait ObjectFormat: Send {
    /// Whether each object tells all by itself, whatever came before it, but for what is [left](Self::leave).
    const STANDS_ALONE: bool = false;

    /// What the leaves of a path are to it.
    fn interest(_path: &str) -> Interest {
        Interest::Asked
    }

    /// Takes one whole object, which began `offset` bytes into the input and is counted as a record
    /// already.
    fn object(&mut self, object: &Flat<'_>, offset: u64, out: &mut Decoded);

    /// Takes an object that holds too much to be read whole, or something else than one; whether it could
    /// be used all the same.
    fn large(&mut self, _object: &[u8], _offset: u64, _out: &mut Decoded) -> bool {
        false
    }

    /// Ends the input and gives out what is still held back.
    fn end(&mut self, _: &mut Decoded) {}

    /// Ends a piece of an input, and hands over what other pieces may complete.
    fn leave(&mut self, out: &mut Decoded) -> Unfinished {
        self.end(out);
        Unfinished::default()
    }
}

/// A format of at most one event an object: `Ok(None)` for objects that are not used, `Err` says which
/// field does not fit.
pub(crate) struct OneEvent(pub(crate) fn(&Flat<'_>, u64) -> Result<Option<Event>, String>);

impl ObjectFormat for OneEvent {
    const STANDS_ALONE: bool = true;

    fn object(&mut self, object: &Flat<'_>, offset: u64, out: &mut Decoded) {
        match (self.0)(object, offset) {
            Ok(Some(event)) => out.events.push(event),
            Ok(None) => out.note_times(Problem::Note, "events not used", offset, 1),
            Err(why) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || why);
            }
        }
    }
}

/// Cuts bytes into objects for an [`ObjectFormat`]. An object that was cut off costs itself: the next
/// one begins at the next line that begins with a brace.
pub(crate) struct Objects<F> {
    format: F,
    /// Bytes consumed.
    offset: u64,
    /// The keys under which an object may hold a list of records.
    lists: &'static [&'static str],
    place: Place,
    /// What is known of the objects so far.
    shapes: Shapes<About>,
}

/// Where in a list that is an object the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In none.
    Outside,
    /// Among its records.
    Within,
    /// Behind them, before its last brace.
    Behind,
}

/// Where an object ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// After this many bytes.
    Whole(usize),
    /// It was cut off; the next line begins after this many bytes.
    CutOff(usize),
    /// Not within the bytes.
    Beyond,
}

impl<F: ObjectFormat> Objects<F> {
    pub(crate) fn new(format: F) -> Objects<F> {
        let shapes = Flat::shapes_of(Self::about);
        Objects { format, offset: 0, lists: &[], place: Place::Outside, shapes }
    }

    fn about(path: &str) -> About {
        About::asked(path, F::interest(path))
    }

    /// Also takes the records of an object's list under any of these keys, one by one.
    pub(crate) fn with_lists(format: F, lists: &'static [&'static str]) -> Objects<F> {
        Objects { lists, ..Objects::new(format) }
    }

    fn object(&mut self, object: &[u8], offset: u64, out: &mut Decoded) {
        match envelope(object) {
            None => self.one(object, offset, out),
            Some(records) => {
                let base = object.as_ptr() as usize;
                for record in records {
                    let bytes = record.get().as_bytes();
                    let at = (bytes.as_ptr() as usize).saturating_sub(base) as u64;
                    self.one(bytes, offset + at, out);
                }
            }
        }
    }
}

impl<F: ObjectFormat> Objects<F> {
    fn one(&mut self, object: &[u8], offset: u64, out: &mut Decoded) {
        out.records += 1;
        match Flat::read_of(object, Self::about) {
            Ok(flat) => self.format.object(&flat, offset, out),
            Err(_) if self.format.large(object, offset, out) => {}
            Err(error) => {
                out.note(Problem::Malformed, "no JSON object", offset, || error.to_string());
            }
        }
    }
}

impl<F: ObjectFormat> Decoder for Objects<F> {
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        let mut done = 0;
        let text = valid_start(bytes);
        let mut flat =
            Flat::with(std::mem::replace(&mut self.shapes, Flat::shapes_of(Self::about)));
        while let Some(byte) = bytes.get(done) {
            let rest = &bytes[done..];
            let at = self.offset + done as u64;
            if self.place == Place::Behind {
                match behind(rest) {
                    Behind::Skip(length) => done += length,
                    Behind::Closed => {
                        self.place = Place::Outside;
                        done += 1;
                    }
                    Behind::More => break,
                }
                continue;
            }
            if *byte == b'{' && !self.lists.is_empty() {
                match list_start(rest, self.lists) {
                    End::Whole(length) => {
                        self.place = Place::Within;
                        done += length;
                        continue;
                    }
                    End::CutOff(_) => {}
                    End::Beyond => break,
                }
            }
            if *byte == b']' && self.place == Place::Within {
                self.place = Place::Behind;
                done += 1;
                continue;
            }
            if *byte == b'{'
                && let Some(text) = text.get(done..)
                && !is_enveloped(rest)
                && let Some(length) = flat.read_first(text)
            {
                out.records += 1;
                self.format.object(&flat, at, out);
                done += length;
                continue;
            }
            done += match byte {
                b'{' => match object_end(rest) {
                    End::Whole(length) => {
                        self.object(&rest[..length], at, out);
                        length
                    }
                    End::CutOff(length) => {
                        self.cut_off(at, out);
                        length
                    }
                    End::Beyond if rest.len() >= MAX_RECORD => {
                        out.note(Problem::Malformed, "JSON object too long", at, || {
                            format!("expected at most {MAX_RECORD} bytes; looking for the next")
                        });
                        1 + memchr::memchr(b'\n', rest).unwrap_or(0)
                    }
                    End::Beyond => break,
                },
                // Between objects: blanks, an array's brackets and commas, a byte order mark.
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']' | 0xef | 0xbb | 0xbf => 1,
                &super::RECORD_SEPARATOR => 1,
                _ => match (heading(rest), memchr::memchr(b'\n', rest)) {
                    (Some(length), _) => length,
                    (None, Some(length)) => {
                        self.stray(at, out);
                        length + 1
                    }
                    (None, None) if rest.len() >= MAX_RECORD => {
                        self.stray(at, out);
                        rest.len()
                    }
                    (None, None) => break,
                },
            };
        }
        self.shapes = flat.into_shapes();
        self.offset += done as u64;
        done
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        self.rest(rest, out);
        self.format.end(out);
    }

    fn cut(&self) -> Option<Cut> {
        (F::STANDS_ALONE && self.lists.is_empty()).then_some(before_object)
    }

    fn begins_at(&mut self, offset: u64) {
        self.offset = offset;
    }

    fn leave(&mut self, rest: &[u8], last: bool, out: &mut Decoded) -> Unfinished {
        match rest.first() {
            // The next piece begins with an object.
            Some(b'{') if !last => self.cut_off(self.offset, out),
            _ => self.rest(rest, out),
        }
        self.format.leave(out)
    }
}

impl<F> Objects<F> {
    /// What lies behind the last whole object.
    fn rest(&self, rest: &[u8], out: &mut Decoded) {
        match rest.first() {
            None if self.place == Place::Outside => {}
            None | Some(b'{') => {
                out.note(Problem::Torn, "input ends inside a JSON object", self.offset, || {
                    "its last record is not used".to_string()
                });
            }
            // What is left of a list's own fields holds no record.
            Some(_) if self.place == Place::Behind => {}
            Some(_) => self.stray(self.offset, out),
        }
    }

    fn cut_off(&self, at: u64, out: &mut Decoded) {
        out.note(Problem::Malformed, "JSON object cut off", at, String::new);
    }

    fn stray(&self, at: u64, out: &mut Decoded) {
        out.note(Problem::Malformed, "no JSON object", at, || {
            "expected an object in braces; looking for the next line".to_string()
        });
    }
}

/// Where the object that the bytes begin with ends; a pure function of the bytes up to there.
pub(super) fn object_end(bytes: &[u8]) -> End {
    let mut depth = 0_u32;
    let mut at = 0;
    loop {
        let Some(&byte) = bytes.get(at) else { return End::Beyond };
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return End::Whole(at + 1);
                }
            }
            b'"' => match string_end(&bytes[at + 1..]) {
                End::Whole(length) => at += length,
                End::CutOff(length) => return End::CutOff(at + 1 + length),
                End::Beyond => return End::Beyond,
            },
            b'\n' => {
                let Some(next) = bytes.get(at + 1) else { return End::Beyond };
                // Objects within an array may begin a line too, after a bracket or a comma.
                let before = bytes[..at].trim_ascii_end().last();
                let begins = *next == b'{' && !matches!(before, Some(b'[' | b',' | b':'));
                if begins || *next == super::RECORD_SEPARATOR {
                    return End::CutOff(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
        // Nothing else matters outside of strings.
        at += bytes[at.min(bytes.len())..]
            .iter()
            .position(|byte| matches!(byte, b'{' | b'}' | b'"' | b'\n'))
            .unwrap_or(bytes.len().saturating_sub(at));
    }
}

/// Where a string ends, after its opening quote; a line end within it means that it was cut off.
pub(super) fn string_end(bytes: &[u8]) -> End {
    let mut from = 0;
    while let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[from..]) {
        let at = from + found;
        match bytes[at] {
            b'"' => return End::Whole(at + 1),
            b'\n' => return End::CutOff(at + 1),
            // A line may be cut off behind the backslash of an escape.
            _ if bytes.get(at + 1) == Some(&b'\n') => return End::CutOff(at + 2),
            _ => from = at + 2,
        }
        if from > bytes.len() {
            break;
        }
    }
    End::Beyond
}

/// The longest heading before an object on its line: syslog's has a date, a host and a program's name
/// (RFC 3164 section 4.1), the last two of at most 255 and 48 bytes (RFC 5424 section 6).
const MAX_HEADING: usize = 512;

/// How long the text is that a syslog daemon put before an object on its line; `None` where there is
/// none. What is left of an object that was cut off has quotes or braces before its next brace.
fn heading(bytes: &[u8]) -> Option<usize> {
    let bytes = &bytes[..bytes.len().min(MAX_HEADING)];
    let length = bytes.iter().position(|byte| matches!(byte, b'{' | b'}' | b'"' | b'\n'))?;
    let ends_whole = length > 0 && bytes[length - 1] == b' ';
    (ends_whole && bytes.get(length..length + 2) == Some(b"{\"")).then_some(length)
}

/// What the bytes begin with that is text.
fn valid_start(bytes: &[u8]) -> &str {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.valid_up_to(),
    };
    bytes.get(..valid).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default()
}

/// Whether an object's first key is that of an envelope, so that it may be one.
fn is_enveloped(object: &[u8]) -> bool {
    let inner = object.strip_prefix(b"{").unwrap_or_default().trim_ascii_start();
    inner.starts_with(b"\"records\"")
}

/// The records of `{"records": […]}`, as Azure's exports wrap them; `None` for anything else.
fn envelope(object: &[u8]) -> Option<Vec<&RawValue>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Envelope<'a> {
        #[serde(borrow)]
        records: Vec<&'a RawValue>,
    }
    is_enveloped(object).then_some(())?;
    let Envelope { records } = serde_json::from_slice(object).ok()?;
    records.iter().all(|record| record.get().starts_with('{')).then_some(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Keeps what it is given.
    struct Keep(std::sync::mpsc::Sender<(String, u64)>);

    impl ObjectFormat for Keep {
        fn object(&mut self, object: &Flat<'_>, offset: u64, _: &mut Decoded) {
            let leaves: Vec<String> =
                object.under("").map(|(path, value)| format!("{path}={value}")).collect();
            let _ = self.0.send((leaves.join(" "), offset));
        }
    }

    fn objects(bytes: &[u8], piece: usize) -> (Vec<(String, u64)>, Vec<&'static str>) {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut decoder = Objects::new(Keep(sender));
        let notes = feed(&mut decoder, bytes, piece);
        drop(decoder);
        (receiver.iter().collect(), notes)
    }

    fn feed(decoder: &mut Objects<Keep>, bytes: &[u8], piece: usize) -> Vec<&'static str> {
        let mut out = Decoded::default();
        let mut held = Vec::new();
        for part in bytes.chunks(piece) {
            held.extend_from_slice(part);
            let done = decoder.decode(&held, &mut out);
            held.drain(..done);
        }
        decoder.finish(&held, &mut out);
        out.diagnostics().map(|said| said.key).collect()
    }

    fn texts(bytes: &str) -> Vec<String> {
        objects(bytes.as_bytes(), usize::MAX).0.into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn objects_are_found_in_every_arrangement() {
        let expected = ["a=1", "b.c=}\"{"];
        for text in [
            "{\"a\":1}\n{\"b\":{\"c\":\"}\\\"{\"}}\n",
            "{\"a\":1}{\"b\":{\"c\":\"}\\\"{\"}}",
            "[{\"a\":1},\n {\"b\":{\"c\":\"}\\\"{\"}}]",
            "\u{1e}{\"a\":1}\n\u{1e}{\"b\":{\"c\":\"}\\\"{\"}}\n",
            "data: {\"a\":1}\n\ndata: {\"b\":{\"c\":\"}\\\"{\"}}\n\n",
            "\u{feff}{\"a\":1}\r\n{\"b\":{\"c\":\"}\\\"{\"}}\r\n",
            "{\"records\": [{\"a\":1},\n{\"b\":{\"c\":\"}\\\"{\"}}]}",
        ] {
            assert_eq!(texts(text), expected, "{text}");
        }
        assert_eq!(texts("{\n \"a\": [\n{\"b\": 1},\n{\"c\": 2}\n]\n}").len(), 1, "over lines");
    }

    #[test]
    fn a_lists_records_are_taken_one_by_one() {
        let list = "{ \"apiVersion\": \"v1\",\n \"metadata\": {\"a\": \"]}\"}, \"items\": [\n {\"a\":1},\n {\"b\":2}\n ],\n \"kind\": \"List\", \"metadata\": {\"c\":[]}\n}\n{\"items\":[]}{\"d\":3}";
        for piece in [1, 7, usize::MAX] {
            let (sender, receiver) = std::sync::mpsc::channel();
            let mut decoder = Objects::with_lists(Keep(sender), &["items"]);
            let notes = feed(&mut decoder, list.as_bytes(), piece);
            drop(decoder);
            let found: Vec<String> = receiver.iter().map(|(text, _)| text).collect();
            assert_eq!(found, ["a=1", "b=2", "d=3"], "by {piece}");
            assert_eq!(notes, [""; 0], "by {piece}");
        }
    }

    #[test]
    fn a_syslog_heading_before_an_object_is_passed_over() {
        let lines =
            "Mar  2 09:14:07 n1 falco[7]: {\"a\":1}\n<13>1 x {\"b\":2}\nrest {no} {\"c\":3}\n";
        let (found, notes) = objects(lines.as_bytes(), usize::MAX);
        let found: Vec<&str> = found.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(found, ["a=1", "b=2"]);
        assert_eq!(notes, ["no JSON object"]);
    }

    #[test]
    fn what_is_cut_off_costs_itself_alone() {
        let (sequence, _) = objects(b"\x1e{\"a\":{\"b\":1}\n\x1e{\"y\":2}\n", usize::MAX);
        assert_eq!(sequence.len(), 1, "what follows a cut text of a sequence");
        for torn in
            ["{\"a\":1, \"b\":\"lon\n", "{\"a\":\"C:\\\n", "{\"a\":{\"b\":1}\n", "garbage\n"]
        {
            let text = format!("{{\"x\":0}}\n{torn}{{\"y\":2}}\n");
            let (found, notes) = objects(text.as_bytes(), usize::MAX);
            assert_eq!(found.len(), 2, "{text}");
            assert_eq!(found[1].1, (8 + torn.len()) as u64);
            assert_eq!(notes.len(), 1, "{text}");
        }
        assert_eq!(objects(b"{\"a\":", 1).1, ["input ends inside a JSON object"]);
    }

    proptest! {
        #[test]
        fn pieces_change_nothing(text in "[{}\\[\\],:\"\\\\ab1 \n]{0,60}", piece in 1..9_usize) {
            prop_assert_eq!(objects(text.as_bytes(), piece), objects(text.as_bytes(), usize::MAX));
        }
    }
}
