//! Puts together what rotation cut apart: the halves of one event in two inputs of one folder.

use std::collections::BTreeMap;

use lapwing_event::{Event, InputId};
use lapwing_output::{InputReport, Trouble};
use lapwing_source::{Decoded, FORMATS, Half};

/// A half, and the input that it lies in.
pub(crate) type Found = (InputId, Half);

/// Joins the halves that belong together; the events that come of them, each by the record of the half
/// that leads. What was noted for the want of the others is taken back.
pub(crate) fn join(
    halves: Vec<Found>,
    inputs: &mut [(InputId, InputReport)],
    troubles: &mut Vec<Trouble>,
) -> Vec<Event> {
    let mut together: BTreeMap<(String, &'static str, Box<str>), Vec<Found>> = BTreeMap::new();
    for (id, half) in halves {
        let Some((_, report)) = inputs.iter().find(|(input, _)| *input == id) else { continue };
        let Some(format) = report.format else { continue };
        let key = (folder(&report.name), format, half.key.clone());
        together.entry(key).or_default().push((id, half));
    }
    let mut events = Vec::new();
    for ((_, format, _), mut parts) in together {
        parts.sort_by_key(|(id, half)| (!half.leads, *id, half.offset));
        let Some((lead, first)) = parts.first().filter(|(_, half)| half.leads) else { continue };
        // Of one input they were together already, and something else is amiss.
        if parts.iter().all(|(id, _)| id == lead) {
            continue;
        }
        let Some(row) = FORMATS.iter().find(|row| row.name == format) else { continue };
        let bytes: Vec<u8> =
            parts.iter().flat_map(|(_, half)| half.bytes.iter().copied()).collect();
        let mut decoder = (row.decoder)();
        let mut out = Decoded::default();
        let done = decoder.decode(&bytes, &mut out);
        decoder.finish(bytes.get(done..).unwrap_or_default(), &mut out);
        // Others are still missing.
        if out.diagnostics().any(|said| said.problem.loses_data()) {
            continue;
        }
        for event in &mut out.events {
            event.record.input = *lead;
            event.record.offset = first.offset;
        }
        if let Some((_, report)) = inputs.iter_mut().find(|(input, _)| input == lead) {
            report.events += out.events.len() as u64;
        }
        for (id, half) in &parts {
            let name = inputs.iter().find(|(input, _)| input == id).map(|(_, report)| &report.name);
            take_back(troubles, name, half.noted);
        }
        events.append(&mut out.events);
    }
    events
}

/// The folder, or the archive, that an input lies in.
fn folder(name: &str) -> String {
    let end = name.rfind(['/', '\\', '!']).unwrap_or(0);
    name.get(..end).unwrap_or_default().to_string()
}

/// Counts one less of a trouble.
fn take_back(troubles: &mut Vec<Trouble>, input: Option<&String>, key: Option<&'static str>) {
    let is_it = |trouble: &Trouble| Some(&trouble.input) == input && Some(trouble.key) == key;
    if let Some(at) = troubles.iter().position(is_it)
        && let Some(trouble) = troubles.get_mut(at)
    {
        trouble.count = trouble.count.saturating_sub(1);
        if trouble.count == 0 {
            troubles.remove(at);
        }
    }
}
