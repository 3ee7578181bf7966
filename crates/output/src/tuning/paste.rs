//! What is proposed as configuration to paste: TOML, each line with its reason.
//!
//! Entries that something speaks against are there as comments, with what it is.

use std::fmt::Write;

use lapwing_detect::tuning::Choice;
use lapwing_detect::{Expected, Place};

use super::{Proposal, Tuning, verdict};
use crate::escape::is_unsafe;
use crate::person::counted;

/// The longest reason or comment line, in characters.
const LINE: usize = 100;

/// The proposed configuration; empty where nothing is proposed. Whatever telemetry holds, it is
/// valid TOML whose every value is a quoted text or a number.
pub fn write(tuning: &Tuning) -> String {
    let mut text = String::new();
    for analytic in ["AN1057", "AN1058", "AN1059", "AN1060"] {
        let table = format!("analytics.{analytic}");
        let mut lines = values(tuning, &table);
        lines += &entries(tuning, &table);
        section(&table, &lines, &mut text);
    }
    section("detection.multicast", &values(tuning, "detection.multicast"), &mut text);
    text
}

fn section(table: &str, lines: &str, text: &mut String) {
    if lines.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = write!(text, "[{table}]\n{lines}");
}

/// The proposed values of one table's elements.
fn values(tuning: &Tuning, table: &str) -> String {
    let mut lines = String::new();
    for curve in &tuning.curves {
        let Some((of, name)) = curve.element.key.rsplit_once('.') else { continue };
        let Choice::Raise { at, .. } = curve.choice else { continue };
        let Some(point) = curve.points.get(at).filter(|_| of == table) else { continue };
        comment(&verdict(curve, tuning), &mut lines);
        let _ = writeln!(lines, "{name} = {}", curve.element.spelled(point.value));
    }
    lines
}

/// The proposed entries of one table's lists, and those that are not ready.
fn entries(tuning: &Tuning, table: &str) -> String {
    let mut lines = String::new();
    let of_table = |proposal: &&Proposal| {
        proposal.candidate.key.rsplit_once('.').is_some_and(|(of, _)| of == table)
    };
    let all: Vec<&Proposal> = tuning.proposals.iter().filter(of_table).collect();
    let Some((_, name)) = all.first().and_then(|first| first.candidate.key.rsplit_once('.')) else {
        return lines;
    };
    let present = present(tuning, all[0].candidate.key);
    let ready: Vec<&&Proposal> = all.iter().filter(|proposal| proposal.doubt().is_none()).collect();
    let mut doubtful: Vec<&&Proposal> =
        all.iter().filter(|proposal| proposal.doubt().is_some()).collect();
    doubtful.sort_by_key(|proposal| proposal.doubt());
    let mut told = None;
    for proposal in doubtful {
        if told != proposal.doubt() {
            told = proposal.doubt();
            comment(&format!("Not in {name}: {}.", told.unwrap_or_default()), &mut lines);
        }
        // On one line, as inline tables are: the mark can be taken off.
        let _ = writeln!(lines, "#  {},", entry(proposal));
    }
    if !ready.is_empty() {
        if present > 0 {
            comment(
                &format!("You have {present} of these already: add, do not replace."),
                &mut lines,
            );
        }
        let _ = writeln!(lines, "{name} = [");
        for proposal in ready {
            let _ = writeln!(lines, "  {},", entry(proposal));
        }
        lines += "]\n";
    }
    lines
}

/// How many entries of this list the configuration has already.
fn present(tuning: &Tuning, key: &str) -> u64 {
    let prefix = format!("{key}: ");
    tuning.report.entries.iter().filter(|entry| entry.label.starts_with(&prefix)).count() as u64
}

/// An entry as an inline table.
fn entry(proposal: &Proposal) -> String {
    let Expected { path, image, namespace, source, ports, schedule, .. } =
        &proposal.candidate.entry;
    let mut parts = Vec::new();
    let mut part = |key: &str, value: Option<String>| {
        parts.extend(value.map(|value| format!("{key} = {}", quoted(&value))));
    };
    part("path", path.as_ref().map(|path| path.text().to_string()));
    part("image", image.as_ref().map(|image| image.text().to_string()));
    part("namespace", namespace.clone());
    part("source", source.as_ref().map(place));
    part("schedule", schedule.as_ref().map(ToString::to_string));
    if !ports.is_empty() {
        let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        parts.push(format!("ports = [{}]", ports.join(", ")));
    }
    parts.push(format!("reason = {}", quoted(&reason(proposal))));
    format!("{{ {} }}", parts.join(", "))
}

/// Why the entry is there, for who reads the configuration a year later.
pub(crate) fn reason(proposal: &Proposal) -> String {
    let candidate = &proposal.candidate;
    let places = match candidate.places {
        1 => String::new(),
        places => format!(" in {places} places"),
    };
    format!(
        "{} of the baseline on {}{places}",
        counted(candidate.hides, "finding"),
        counted(candidate.days, "day")
    )
}

/// A source as people write it: one address without its length.
pub(crate) fn place(source: &Place) -> String {
    let text = source.to_string();
    let host = if text.contains(':') { "/128" } else { "/32" };
    text.strip_suffix(host).map(String::from).unwrap_or(text)
}

/// Text as a TOML string: literal where it is plain and has a backslash, else basic with escapes, so
/// that nothing of it is obeyed by a terminal or ends the string.
fn quoted(text: &str) -> String {
    let plain = !text.contains('\'') && !text.chars().any(is_unsafe);
    if plain && text.contains('\\') {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_unsafe(c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A comment line; what does not fit is broken at spaces, and no character of telemetry ends it.
fn comment(text: &str, lines: &mut String) {
    let safe = crate::escape::escaped(text);
    let mut line = String::new();
    for word in safe.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > LINE - 2 {
            let _ = writeln!(lines, "# {line}");
            line.clear();
        } else if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    let _ = writeln!(lines, "# {line}");
}
