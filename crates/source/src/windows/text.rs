//! Windows events as `key=value` text: Splunk's WinEventLog, whose events are blocks of lines behind a
//! time, and exports of one event a line.
//!
//! A block is a time, `key=value` lines of the event's header, and from `Message=` on the message as
//! Windows renders it, in which fields are lines of `label: value`. Its labels are those of an English
//! system: another language's are no fields, and the event is counted as one that does not fit.

use std::borrow::Cow;

use lapwing_event::Timestamp;

use super::{Field, Fields, Held, Value, WindowsRecord, labels, provider_of, when};
use crate::lines::{LineFormat, Lines, MAX_LINE};
use crate::{Decoded, Decoder, Problem};

/// Whether the input is such text.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let marked = matches!(start.first(), Some(b'{' | b'[' | b'<'));
    !marked && std::str::from_utf8(&start[..start.len().min(16)]).is_ok() && is_event(head)
}

/// Whether a text holds what every such event does: its number and its log.
pub(super) fn is_event(text: &[u8]) -> bool {
    let has = |key: &[u8]| memchr::memmem::find(text, key).is_some();
    (has(b"EventCode=") || has(b"EventID="))
        && (has(b"LogName=") || has(b"SourceName=") || has(b"Channel=") || has(b"WinEventLog"))
}

/// A decoder of blocks and of one event a line.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Blocks::default()))
}

/// Gathers the lines of a block.
#[derive(Default)]
struct Blocks {
    block: Option<Block>,
    held: Held,
}

/// The lines of one event so far.
struct Block {
    text: String,
    offset: u64,
    /// Whether its message has begun: what follows belongs to it, whatever it looks like.
    message: bool,
}

impl LineFormat for Blocks {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let line = String::from_utf8_lossy(line);
        let begins = begins(&line, self.block.as_ref());
        if begins != Begins::Nothing {
            self.close(out);
        }
        match (begins, &mut self.block) {
            (Begins::Line, _) => {
                out.records += 1;
                one(&line, None, offset, &mut self.held, out);
            }
            (Begins::Block, _) => {
                let message = line.starts_with(MESSAGE);
                self.block = Some(Block { text: line.into_owned(), offset, message });
            }
            (Begins::Nothing, Some(block)) if block.text.len() + line.len() < MAX_LINE => {
                block.message |= line.starts_with(MESSAGE);
                block.text.push('\n');
                block.text.push_str(&line);
            }
            (Begins::Nothing, Some(_)) => {
                out.note(Problem::Malformed, "event too long", offset, || {
                    format!("expected its end within {MAX_LINE} bytes; the rest of it is not used")
                });
            }
            (Begins::Nothing, None) => {
                out.note(Problem::Malformed, "line outside of an event", offset, || {
                    "expected a time or LogName= before it".to_string()
                });
            }
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.close(out);
        self.held.end(out);
    }
}

impl Blocks {
    /// Ends the block that lines were gathered for.
    fn close(&mut self, out: &mut Decoded) {
        if let Some(block) = self.block.take() {
            out.records += 1;
            one(&block.text, None, block.offset, &mut self.held, out);
        }
    }
}

const MESSAGE: &str = "Message=";

/// What a line begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// A block of lines.
    Block,
    /// An event of this line alone.
    Line,
    /// Nothing: it goes on.
    Nothing,
}

fn begins(line: &str, held: Option<&Block>) -> Begins {
    let rest = match when::leading(line) {
        Some(written) => line.get(written.length..).unwrap_or_default().trim(),
        // Without a time before it, a header that begins anew begins an event.
        None if held.is_none_or(|block| block.message) && line.starts_with("LogName=") => line,
        None if held.is_none() && key_at(line).is_some() => line,
        None => return Begins::Nothing,
    };
    let number = |name: &str| rest.match_indices(name).any(|(at, _)| at > 0 || rest.contains(' '));
    match rest {
        "" => Begins::Block,
        _ if number("EventCode=") || number("EventID=") => Begins::Line,
        _ if key_at(rest).is_some() => Begins::Block,
        _ => Begins::Nothing,
    }
}

/// The event of one text: a block, or a line. `stated` is its time where what holds the text knows it.
pub(super) fn one(
    text: &str,
    stated: Option<Timestamp>,
    offset: u64,
    held: &mut Held,
    out: &mut Decoded,
) {
    let written = when::leading(text);
    let rest = text.get(written.map_or(0, |written| written.length)..).unwrap_or_default();
    let pairs = match rest.contains('\n') {
        true => block(rest),
        false => line(rest),
    };
    let mut record = named(pairs, offset);
    let mut zoneless = false;
    if record.written.is_none() {
        record.written = stated.or(written.map(|written| written.time));
        // Sysmon states UTC itself; of others the zone is the sender's.
        zoneless = stated.is_none()
            && written.is_some_and(|written| !written.zoned)
            && record.text(Field::UtcTime).is_none();
    }
    let before = out.events.len();
    held.take(&record, out);
    if zoneless && out.events.len() > before {
        out.note_times(Problem::Assumed, "times without a zone, taken as UTC", offset, 1);
    }
}

/// Fields by name.
type Pairs<'t> = Vec<(Cow<'t, str>, Cow<'t, str>)>;

/// The record of fields as Splunk names them: the event's own, or the labels of its message with
/// underscores.
pub(super) fn named(pairs: Pairs<'_>, offset: u64) -> WindowsRecord<'_> {
    let first = |names: &[&str]| {
        let mut found = names.iter().filter_map(|name| pairs.iter().find(|(key, _)| key == name));
        found.next().map(|(_, value)| value.clone())
    };
    let channel = first(&["LogName", "Channel", "source", "sourcetype"]);
    let source = first(&["SourceName", "ProviderName", "Provider"]);
    let provider = provider_of(source.as_deref(), channel.as_deref());
    let event_id = first(&["EventCode", "EventID"]);
    let event_id = event_id.and_then(|id| id.trim().parse().ok()).unwrap_or_default();
    let computer = first(&["ComputerName", "Computer", "dvc", "host"]);
    let written = first(&["_time", "TimeCreated", "SystemTime"]).and_then(|time| {
        Timestamp::parse_decimal_seconds(&time).or_else(|| {
            let written = when::leading(&time)?;
            written.zoned.then_some(written.time)
        })
    });
    let mut data = Fields::default();
    for (key, value) in pairs {
        if let Some(name) = labels::name(event_id, "", &key.replace('_', " ")) {
            data.set_named(name, value.clone());
        }
        data.set_named(&key, value);
    }
    WindowsRecord {
        provider: Cow::Borrowed(provider.unwrap_or_default()),
        event_id,
        computer: computer.map(Value::from),
        written,
        // Splunk's rendering leaves out who wrote the record.
        writer: None,
        data,
        offset,
    }
}

/// The fields of a block: those of its message, and those of its header that name the event.
fn block(text: &str) -> Pairs<'_> {
    let mut pairs: Pairs<'_> = Vec::new();
    let mut rest = text;
    let mut message = None;
    while let Some((line, after)) = rest.split_once('\n').or(Some((rest, ""))) {
        if let Some(begins) = line.strip_prefix(MESSAGE) {
            let at = text.len() - rest.len() + (line.len() - begins.len());
            message = text.get(at..);
            break;
        }
        // The header has a user, a type and a process id of its own, which are not the event's.
        if let Some((key, value)) = line.split_once('=').filter(|(key, _)| HEADER.contains(key)) {
            pairs.push((Cow::Borrowed(key), Cow::Borrowed(value)));
        }
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    let event_id = pairs.iter().find(|(key, _)| key == "EventCode" || key == "EventID");
    let event_id = event_id.and_then(|(_, id)| id.trim().parse().ok()).unwrap_or_default();
    pairs.extend(labels::message(event_id, message.unwrap_or_default()));
    pairs
}

/// What of a block's header names the event.
const HEADER: &[&str] = &[
    "LogName",
    "Channel",
    "SourceName",
    "EventCode",
    "EventID",
    "ComputerName",
    "Computer",
    "host",
    "source",
    "sourcetype",
    "_time",
];

/// The pairs of a line. Values are quoted, or go on to the next key.
fn line(text: &str) -> Pairs<'_> {
    let mut pairs: Pairs<'_> = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', ',', ';']);
    while let Some(length) = key_at(rest) {
        let (key, after) = (&rest[..length], &rest[length + 1..]);
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = next_key(after).unwrap_or(after.len());
                (Cow::Borrowed(after[..end].trim_end_matches([' ', '\t', ',', ';'])), &after[end..])
            }
        };
        pairs.push((Cow::Borrowed(key), value));
        rest = after.trim_start_matches([' ', '\t', ',', ';']);
        if key_at(rest).is_none() {
            match next_key(rest) {
                Some(at) => rest = rest[at..].trim_start_matches([' ', '\t', ',', ';']),
                None => break,
            }
        }
    }
    if let Some((_, message)) = pairs.iter().find(|(key, _)| key == "Message").cloned() {
        let event_id = pairs.iter().find(|(key, _)| key == "EventCode" || key == "EventID");
        let event_id = event_id.and_then(|(_, id)| id.trim().parse().ok()).unwrap_or_default();
        let told = labels::message(event_id, &message);
        pairs.extend(
            told.into_iter().map(|(name, value)| {
                (Cow::Owned(name.into_owned()), Cow::Owned(value.into_owned()))
            }),
        );
    }
    pairs
}

/// The length of a key that a text begins with and that `=` follows.
fn key_at(text: &str) -> Option<usize> {
    let length = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))?;
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins && text.as_bytes().get(length) == Some(&b'=')).then_some(length)
}

/// Where the blanks or comma before the next key are.
fn next_key(text: &str) -> Option<usize> {
    let is_gap = |c: char| matches!(c, ' ' | '\t' | ',' | ';');
    let mut from = 0;
    while let Some(gap) = text[from..].find(is_gap).map(|at| from + at) {
        let key = text[gap..].trim_start_matches(is_gap);
        if key_at(key).is_some() {
            return Some(gap);
        }
        from = text.len() - key.len();
    }
    None
}

/// The value whose opening quote is before this text, and what follows its closing one. A path may end
/// in a backslash, so that `\"` ends the value where a key or nothing follows.
fn unquoted(text: &str) -> (Cow<'_, str>, &str) {
    let mut from = 0;
    while let Some(quote) = text[from..].find('"').map(|at| from + at) {
        let after = &text[quote + 1..];
        let next = after.trim_start_matches([' ', '\t', ',', ';']);
        let ends = next.is_empty() || (next.len() < after.len() && key_at(next).is_some());
        if ends || !text[..quote].ends_with('\\') {
            let value = &text[..quote];
            let value = match value.contains("\\\"") {
                true => Cow::Owned(value.replace("\\\"", "\"")),
                false => Cow::Borrowed(value),
            };
            return (value, after);
        }
        from = quote + 1;
    }
    (Cow::Borrowed(text), "")
}
