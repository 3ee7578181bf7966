//! Windows events as XML: files of `<Events>`, one event a line (Splunk's XmlWinEventLog), and Sysmon
//! for Linux in syslog. Whatever stands between events is passed over.

use std::borrow::Cow;

use lapwing_event::Timestamp;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event as Xml};

use super::{Held, WindowsRecord};
use crate::{Decoded, Decoder, MAX_LINE, Problem};

/// Whether the input holds rendered events.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let has = |text: &[u8]| memchr::memmem::find(head, text).is_some();
    // JSON that holds events in its strings escapes quotes, and is told by its braces.
    let json = matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
    !json && has(b"<Event") && has(b"<System>") && has(b"<Provider Name=")
}

/// A decoder of rendered events.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Events { offset: 0, found: false, held: Held::default() })
}

/// Cuts out `<Event…>…</Event>`.
struct Events {
    /// Bytes consumed.
    offset: u64,
    /// Whether an event was found at all.
    found: bool,
    held: Held,
}

const OPEN: &[u8] = b"<Event";
const CLOSE: &[u8] = b"</Event>";

impl Decoder for Events {
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        let mut done = 0;
        loop {
            let rest = &bytes[done..];
            let Some(open) = find_open(rest) else {
                // The tag's name may be cut, and what follows it decides.
                done += rest.len().saturating_sub(OPEN.len());
                break;
            };
            let event = &rest[open..];
            let at = self.offset + (done + open) as u64;
            match memchr::memmem::find(event, CLOSE) {
                Some(length) => {
                    let event = &event[..length + CLOSE.len()];
                    // An event that was cut off is followed by the next one's beginning.
                    match find_open(&event[OPEN.len()..]) {
                        Some(next) => {
                            out.note(Problem::Malformed, "event cut off", at, String::new);
                            done += open + OPEN.len() + next;
                        }
                        None => {
                            self.found = true;
                            out.records += 1;
                            one(event, at, &mut self.held, out);
                            done += open + event.len();
                        }
                    }
                }
                None if event.len() > MAX_LINE => {
                    out.note(Problem::Malformed, "event too long", at, || {
                        format!("expected its end within {MAX_LINE} bytes; looking for the next")
                    });
                    done += open + OPEN.len();
                }
                None => {
                    done += open;
                    break;
                }
            }
        }
        self.offset += done as u64;
        done
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        self.held.end(out);
        if find_open(rest).is_some() {
            out.note(Problem::Torn, "input ends inside an event", self.offset, || {
                "its last record is not used".to_string()
            });
        } else if !self.found {
            out.note(Problem::Malformed, "no event found", self.offset, || {
                "expected <Event>…</Event>".to_string()
            });
        }
    }
}

/// Where an event's tag begins: not `<Events>` or `<EventData>`, whose names go on.
fn find_open(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, OPEN)
        .find(|at| matches!(bytes.get(at + OPEN.len()), Some(b'>' | b' ' | b'\t' | b'\r' | b'\n')))
}

/// The event of a text that holds one.
pub(crate) fn text(text: &str, offset: u64, held: &mut Held, out: &mut Decoded) {
    let bytes = text.as_bytes();
    let end = memchr::memmem::find(bytes, CLOSE).map(|at| at + CLOSE.len());
    match find_open(bytes).zip(end).and_then(|(open, end)| bytes.get(open..end)) {
        Some(event) => one(event, offset, held, out),
        None => out.note(Problem::Malformed, "event cut off", offset, String::new),
    }
}

fn one(event: &[u8], offset: u64, held: &mut Held, out: &mut Decoded) {
    match record(event, offset) {
        Ok(record) => held.take(&record, out),
        Err(error) => out.note(Problem::Malformed, "event is no XML", offset, || error),
    }
}

/// Reads one event.
fn record(event: &[u8], offset: u64) -> Result<WindowsRecord<'static>, String> {
    let text = String::from_utf8_lossy(event);
    let mut reader = Reader::from_str(&text);
    let mut record = WindowsRecord { offset, ..WindowsRecord::default() };
    // The element that text belongs to, and the name of a Data element.
    let mut within = Vec::new();
    let mut value = String::new();
    loop {
        let position = reader.buffer_position();
        match reader.read_event() {
            Ok(Xml::Start(tag)) => {
                note_attributes(&tag, &mut record);
                within.push((tag.local_name().as_ref().to_string(), name_of(&tag)));
                value.clear();
            }
            Ok(Xml::Empty(tag)) => note_attributes(&tag, &mut record),
            Ok(Xml::Text(part)) => value += &part,
            Ok(Xml::CData(part)) => value += &part,
            Ok(Xml::GeneralRef(reference)) => value += &entity(&reference),
            Ok(Xml::End(_)) => {
                let Some((tag, name)) = within.pop() else {
                    return Err("an element ends that did not begin".to_string());
                };
                let value = std::mem::take(&mut value);
                match (tag.as_str(), name) {
                    ("Data", Some(name)) => {
                        record.data.set_named(&name, value);
                    }
                    ("EventID", _) => {
                        record.event_id = value.trim().parse().unwrap_or_default();
                    }
                    ("Computer", _) => record.computer = Some(value.into()),
                    _ => {}
                }
            }
            Ok(Xml::Eof) => return Ok(record),
            Ok(_) => {}
            Err(error) => return Err(format!("at byte {position} of it: {error}")),
        }
        if within.len() > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} elements within each other"));
        }
    }
}

/// How deep elements may lie: rendered events have four levels.
const MAX_DEPTH: usize = 16;

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.attributes().flatten().find(|found| found.key.as_ref() == name)?;
    let raw = attribute.value;
    Some(quick_xml::escape::unescape(&raw).map_or_else(|_| raw.to_string(), Cow::into_owned))
}

fn name_of(tag: &BytesStart<'_>) -> Option<String> {
    (tag.local_name().as_ref() == "Data").then(|| attribute(tag, "Name")).flatten()
}

fn note_attributes(tag: &BytesStart<'_>, record: &mut WindowsRecord<'static>) {
    match tag.local_name().as_ref() {
        "Provider" => record.provider = Cow::Owned(attribute(tag, "Name").unwrap_or_default()),
        "TimeCreated" => {
            let time = attribute(tag, "SystemTime");
            record.written = time.and_then(|time| Timestamp::parse_rfc3339(&time));
        }
        "Execution" => {
            record.writer = attribute(tag, "ProcessID").and_then(|pid| pid.parse().ok());
        }
        _ => {}
    }
}

/// A character or entity reference as text; one that is not known stays as it is written.
fn entity(reference: &quick_xml::events::BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    let name: &str = reference;
    match quick_xml::escape::resolve_predefined_entity(name) {
        Some(text) => text.to_string(),
        None => format!("&{name};"),
    }
}
