//! PowerShell's script blocks (event 4104), put together from their parts.
//!
//! PowerShell writes what it is given to run, whoever gave it and however it was hidden. A long script
//! comes in parts of some 16 to 32 KiB, one event each, which share an identifier.
//!
//! <https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_logging_windows>

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use lapwing_event::{Activity, Event, LogSource, Process, Script};

use super::Translated;
use super::fields::Field;
use super::known::Known;
use super::record::WindowsRecord;
use super::value::Value;
use crate::{Decoded, Problem};

/// How much of a script is kept, in bytes: the longest scanners written in PowerShell have about 100
/// KiB. What a longer one says after this is not judged.
const MAX_SCRIPT: usize = 256 << 10;

/// How many scripts are waited for at once. PowerShell writes a script's parts one after another, so
/// that only as many scripts mix as run at once.
const MAX_WAITING: usize = 64;

/// The scripts of which some parts are still to come.
#[derive(Default)]
pub(crate) struct Scripts {
    /// By computer and identifier.
    waiting: BTreeMap<Key, Parts>,
    /// How many were begun so far: the oldest goes first where there are too many.
    begun: u64,
}

/// A computer, and the identifier of a script.
type Key = (Box<str>, Box<str>);

/// The parts of one script so far.
struct Parts {
    begun: u64,
    total: u32,
    texts: BTreeMap<u32, Box<str>>,
    bytes: usize,
    /// The event of the part that came first, still without text.
    event: Event,
}

impl Parts {
    fn new(begun: u64, total: u32, event: &Event) -> Parts {
        Parts { begun, total, texts: BTreeMap::new(), bytes: 0, event: event.clone() }
    }

    fn add(&mut self, number: u32, text: &str, event: Event) {
        // Of parts out of order the earliest tells when and where the script began.
        if (event.time, event.record) < (self.event.time, self.event.record) {
            self.event = event;
        }
        if let Entry::Vacant(place) = self.texts.entry(number) {
            let kept = beginning(text, MAX_SCRIPT.saturating_sub(self.bytes));
            self.bytes += kept.len();
            place.insert(kept.into());
        }
    }
}

impl Scripts {
    /// Takes a part of a script, or a whole one.
    pub(super) fn take(
        &mut self,
        record: &WindowsRecord<'_>,
        known: &mut Known,
        out: &mut Decoded,
    ) -> Translated {
        match self.part(record, known, out) {
            Ok(event) => Translated::Event(event),
            Err(other) => other,
        }
    }

    fn part(
        &mut self,
        record: &WindowsRecord<'_>,
        known: &mut Known,
        out: &mut Decoded,
    ) -> Result<Event, Translated> {
        let text = record
            .raw(Field::ScriptBlockText)
            .ok_or_else(|| record.misfit(Field::ScriptBlockText))?;
        let number = |field| {
            let number = record.number(field).and_then(|number| u32::try_from(number).ok());
            number.filter(|number| *number > 0)
        };
        let (number, total) = (number(Field::MessageNumber), number(Field::MessageTotal));
        let event = event(record, known)?;
        let (Some(number), Some(total), Some(id)) =
            (number, total, record.text(Field::ScriptBlockId))
        else {
            return Ok(with_text(event, &text, out));
        };
        if total == 1 {
            return Ok(with_text(event, &text, out));
        }
        let computer = record.computer.as_ref().map(Value::text).unwrap_or_default();
        let key = ((&*computer).into(), (&*id).into());
        if !self.waiting.contains_key(&key) {
            self.make_room(out);
        }
        let begun = self.begun;
        self.begun += 1;
        let parts =
            self.waiting.entry(key.clone()).or_insert_with(|| Parts::new(begun, total, &event));
        parts.add(number, &text, event);
        self.whole(&key).map(|parts| together(parts, out)).ok_or(Translated::Kept)
    }

    /// Takes out a script of which all parts are there.
    fn whole(&mut self, key: &Key) -> Option<Parts> {
        let parts = self.waiting.get(key)?;
        let whole = parts.texts.len() as u64 >= u64::from(parts.total);
        if whole { self.waiting.remove(key) } else { None }
    }

    /// Lets the scripts that were begun first go, until the others hold no more than so many bytes.
    pub(crate) fn shed(&mut self, most: usize, out: &mut Decoded) {
        while self.waiting.values().map(|parts| parts.bytes).sum::<usize>() > most {
            self.let_go(out);
        }
    }

    /// Takes those of the piece of the input behind this one, and gives out what is whole by that.
    pub(crate) fn follow(&mut self, next: Scripts, out: &mut Decoded) {
        let mut following: Vec<(Key, Parts)> = next.waiting.into_iter().collect();
        following.sort_by_key(|(_, parts)| parts.begun);
        for (key, later) in following {
            if !self.waiting.contains_key(&key) {
                self.make_room(out);
            }
            let begun = self.begun;
            self.begun += 1;
            let parts = self
                .waiting
                .entry(key.clone())
                .or_insert_with(|| Parts::new(begun, later.total, &later.event));
            for (number, text) in &later.texts {
                parts.add(*number, text, later.event.clone());
            }
            if let Some(parts) = self.whole(&key) {
                let event = together(parts, out);
                out.events.push(event);
            }
        }
    }

    /// Lets the oldest script go where too many are waited for.
    fn make_room(&mut self, out: &mut Decoded) {
        if self.waiting.len() >= MAX_WAITING {
            self.let_go(out);
        }
    }

    /// Gives out the script that was begun first as it is.
    fn let_go(&mut self, out: &mut Decoded) {
        let oldest = self.waiting.iter().min_by_key(|(_, parts)| parts.begun);
        if let Some(key) = oldest.map(|(key, _)| key.clone())
            && let Some(parts) = self.waiting.remove(&key)
        {
            let event = incomplete(parts, out);
            out.events.push(event);
        }
    }

    /// Gives out the scripts of which parts did not come.
    pub(crate) fn end(&mut self, out: &mut Decoded) {
        let mut waiting: Vec<Parts> = std::mem::take(&mut self.waiting).into_values().collect();
        waiting.sort_by_key(|parts| parts.begun);
        for parts in waiting {
            let event = incomplete(parts, out);
            out.events.push(event);
        }
    }
}

/// The event of a script's record, still without text.
fn event(record: &WindowsRecord<'_>, known: &mut Known) -> Result<Event, Translated> {
    let process = record.writer.filter(|pid| *pid != 0);
    let process = process.map(|pid| Process { pid, ..Process::default() });
    let path = record.text(Field::Path).filter(|path| path != "%5").map(|path| (&*path).into());
    let script = Script { text: "".into(), path };
    let activity = Activity::Script(Box::new(script));
    record.event(LogSource::PowerShellScript, Some(known.actor(record, process)), activity)
}

fn with_text(mut event: Event, text: &str, out: &mut Decoded) -> Event {
    let kept = beginning(text, MAX_SCRIPT);
    if kept.len() < text.len() {
        note_cut(&event, out);
    }
    if let Activity::Script(script) = &mut event.activity {
        script.text = kept.into();
    }
    event
}

/// A script of its parts, in their order.
fn together(parts: Parts, out: &mut Decoded) -> Event {
    let text: String = parts.texts.values().map(|text| &**text).collect();
    if parts.bytes >= MAX_SCRIPT {
        note_cut(&parts.event, out);
    }
    with_text(parts.event, &text, out)
}

fn incomplete(parts: Parts, out: &mut Decoded) -> Event {
    let offset = parts.event.record.offset;
    let (there, total) = (parts.texts.len(), parts.total);
    out.note(Problem::Note, "script blocks of which parts are missing", offset, || {
        format!("{there} of {total} parts are here, and are judged")
    });
    together(parts, out)
}

fn note_cut(event: &Event, out: &mut Decoded) {
    out.note(Problem::Note, "script blocks longer than is judged", event.record.offset, || {
        format!("the first {MAX_SCRIPT} bytes are judged")
    });
}

/// The beginning of a text, at most this long, cut between characters.
fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)] // tests

    use std::borrow::Cow;

    use lapwing_event::Timestamp;

    use super::super::POWERSHELL;
    use super::*;

    fn part<'a>(id: &'a str, number: &'a str, total: &'a str, text: &'a str) -> WindowsRecord<'a> {
        let data = [
            ("MessageNumber", number),
            ("MessageTotal", total),
            ("ScriptBlockText", text),
            ("ScriptBlockId", id),
        ];
        WindowsRecord {
            provider: Cow::Borrowed(POWERSHELL),
            event_id: 4104,
            computer: Some("WS-17".into()),
            written: Timestamp::parse_rfc3339("2026-03-01T10:00:09Z"),
            writer: Some(4120),
            data: data.into_iter().collect(),
            offset: number.parse().unwrap(),
        }
    }

    fn texts(records: &[WindowsRecord<'_>]) -> (Vec<String>, Vec<(&'static str, u64)>) {
        let (mut scripts, mut out) = (Scripts::default(), Decoded::default());
        let mut known = Known::default();
        for record in records {
            if let Translated::Event(event) = scripts.take(record, &mut known, &mut out) {
                out.events.push(event);
            }
        }
        scripts.end(&mut out);
        let text = |event: &Event| match &event.activity {
            Activity::Script(script) => script.text.to_string(),
            other => panic!("{other:?}"),
        };
        let notes = out.diagnostics().map(|said| (said.key, said.count)).collect();
        (out.events.iter().map(text).collect(), notes)
    }

    #[test]
    fn parts_are_put_together_in_their_order() {
        let records = [
            part("a", "2", "3", "two "),
            part("b", "1", "2", "other "),
            part("a", "1", "3", "one "),
            part("c", "1", "1", "alone"),
            part("a", "3", "3", "three"),
            part("a", "3", "3", "three"),
            part("b", "2", "2", "script"),
        ];
        let (found, notes) = texts(&records);
        // The last of a's parts, told again, begins a script of which no more comes.
        assert_eq!(found, ["alone", "one two three", "other script", "three"]);
        assert_eq!(notes, [("script blocks of which parts are missing", 1)]);
    }

    #[test]
    fn what_is_missing_is_said_and_the_rest_judged() {
        let (found, notes) = texts(&[part("a", "1", "3", "one "), part("a", "3", "3", "three")]);
        assert_eq!(found, ["one three"]);
        assert_eq!(notes, [("script blocks of which parts are missing", 1)]);
    }

    #[test]
    fn scripts_are_bounded() {
        let long = "x".repeat(MAX_SCRIPT / 2 + 10);
        let (found, notes) = texts(&[part("a", "1", "2", &long), part("a", "2", "2", &long)]);
        assert_eq!(found[0].len(), MAX_SCRIPT);
        assert_eq!(notes, [("script blocks longer than is judged", 1)]);
        let ids: Vec<String> = (0..MAX_WAITING + 5).map(|id| id.to_string()).collect();
        let records: Vec<WindowsRecord<'_>> =
            ids.iter().map(|id| part(id, "1", "4000000000", "x")).collect();
        let (found, notes) = texts(&records);
        assert_eq!(found.len(), records.len());
        assert_eq!(notes, [("script blocks of which parts are missing", found.len() as u64)]);
    }
}
