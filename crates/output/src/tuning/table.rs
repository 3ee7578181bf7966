//! The replay of a baseline for people: a curve for each element, the allow-list candidates, and what
//! to paste.

use std::fmt::Write;

use lapwing_detect::tuning::{Choice, Group, NOT_SWEPT};

use super::{Curve, Point, Proposal, Tuning, length, paste, per_day, verdict};
use crate::escape::shown;
use crate::person::{counted, grouped, who};
use crate::troubles::troubles;

/// How wide a curve is drawn, in characters.
const BAR: u64 = 24;

/// How many origins are named at a value, and attacks that it loses.
const NAMED: usize = 3;

/// The whole replay as text.
pub fn write(tuning: &Tuning) -> String {
    let mut text = heading(tuning);
    for curve in &tuning.curves {
        text.push('\n');
        text += &drawn(curve, tuning);
    }
    text += &not_swept(tuning);
    text += &allow_list(tuning);
    let proposed = paste::write(tuning);
    text += "\nProposed configuration\n\n";
    match proposed.is_empty() {
        true => text += "  nothing: no value and no entry would spare a finding.\n",
        false => text += &proposed,
    }
    text += &troubles(&tuning.report.troubles);
    text
}

/// How much was replayed, and how far the numbers can be trusted.
pub(crate) fn heading(tuning: &Tuning) -> String {
    let report = &tuning.report;
    let inputs = report.inputs.iter().filter(|input| input.format.is_some()).count() as u64;
    let events: u64 = report.inputs.iter().map(|input| input.events).sum();
    let mut text = format!(
        "Replayed {} of {} that watched for {}.\n",
        counted(events, "event"),
        counted(inputs, "input"),
        length(tuning.watched)
    );
    if tuning.days().is_none() {
        text += "That is less than a day: findings per day are not said, and what happens weekly or \
                 nightly is not in it.\n";
    } else if tuning.watched.as_seconds() < 7.0 * 86_400.0 {
        text += "That is less than a week: what happens weekly is not in it.\n";
    }
    let short = |curve: &Curve| curve.points.iter().any(|point| point.shed > 0);
    if tuning.curves.iter().any(short) {
        text += "Memory was short, so that some counters were let go: the numbers may be too low. Give \
                 more with --tables, or a larger memory.budget in the configuration.\n";
    }
    if let Some(against) = &tuning.against {
        let _ = write!(
            text,
            "Against {} in {}: {} found with the present configuration",
            match against.labelled {
                true => counted(against.attacks, "labelled attack"),
                false => counted(against.attacks, "finding"),
            },
            shown(&against.name),
            grouped(against.found)
        );
        if against.passed_over > 0 {
            let _ = write!(
                text,
                "; {} passed over (weak labels, a configuration of their own, or not read)",
                counted(against.passed_over, "labelled file")
            );
        }
        text += ".\n";
    }
    text
}

fn drawn(curve: &Curve, tuning: &Tuning) -> String {
    let key = curve.element.key;
    let mut text = format!("{key}: {}\n", verdict(curve, tuning));
    if curve.is_flat() {
        return text;
    }
    let recall = curve.points.iter().any(|point| point.recall.is_some());
    let unit = if tuning.days().is_some() { "a day" } else { "findings" };
    let _ = write!(text, "  {:>7}  {unit:>8}", "value");
    if recall {
        let _ = write!(text, "  {:>7}", "attacks");
    }
    text.push('\n');
    let most = curve.points.iter().map(|point| point.findings).max().unwrap_or(0).max(1);
    for (at, point) in curve.points.iter().enumerate() {
        let mark = match curve.choice {
            Choice::Raise { at: taken, .. } if taken == at => "take",
            _ if at == curve.now => "now",
            _ => "",
        };
        let many = match tuning.days() {
            Some(days) => per_day(point.findings, days),
            None => grouped(point.findings),
        };
        let _ = write!(text, "  {:>7}  {many:>8}", curve.element.shown(point.value));
        if let Some(found) = point.recall {
            let _ = write!(text, "  {:>7}", grouped(found));
        }
        let _ = write!(text, "  {:<4} {}", mark, bar(point, most));
        let told = told(point);
        if !told.is_empty() {
            let _ = write!(text, " {told}");
        }
        while text.ends_with(' ') {
            text.pop();
        }
        text.push('\n');
    }
    text
}

/// A point of the curve: `#` for what nothing explains, `-` for what the proposed entries would.
fn bar(point: &Point, most: u64) -> String {
    let wide = |count: u64| (count * BAR).div_ceil(most) as usize;
    let (all, rest) = (wide(point.findings), wide(point.unexplained));
    let drawn = format!("{}{}", "#".repeat(rest), "-".repeat(all - rest.min(all)));
    format!("{drawn:<width$}", width = BAR as usize)
}

/// Who makes the findings, what is lost, and what limits the numbers.
pub(crate) fn told(point: &Point) -> String {
    let mut told = Vec::new();
    let named: Vec<String> = point.groups.iter().take(NAMED).map(named).collect();
    if !named.is_empty() {
        told.push(named.join(", "));
    }
    if !point.lost.is_empty() {
        let some: Vec<String> = point.lost.iter().take(NAMED).map(|name| shown(name)).collect();
        let more = if point.lost.len() > NAMED { ", …" } else { "" };
        told.push(format!("loses {}{more}", some.join(", ")));
    }
    if point.crowded {
        told.push("too many to join those of one scan".to_string());
    }
    told.join("; ")
}

fn named(group: &Group) -> String {
    format!("{} ({})", who(&group.origin), grouped(group.findings))
}

fn not_swept(tuning: &Tuning) -> String {
    let mut text = "\nNot swept\n".to_string();
    for key in &tuning.blind {
        let _ = writeln!(text, "  {key}: no log source of its analytic was there");
    }
    for (key, why) in told_of(tuning) {
        let _ = writeln!(text, "  {key}: {why}");
    }
    text
}

/// What is no number, of the analytics that had a log source.
pub(crate) fn told_of(tuning: &Tuning) -> impl Iterator<Item = (&'static str, &'static str)> {
    let seen = |key: &str| {
        let of_it =
            |curve: &Curve| key.starts_with(&format!("analytics.{}.", curve.element.analytic));
        tuning.curves.iter().any(of_it)
    };
    NOT_SWEPT.into_iter().filter(move |(key, _)| seen(key))
}

fn allow_list(tuning: &Tuning) -> String {
    if tuning.proposals.is_empty() {
        return String::new();
    }
    let mut text = "\nWho could be allowed to scan\n".to_string();
    for proposal in &tuning.proposals {
        let _ = writeln!(text, "  {}", line(proposal));
    }
    text
}

/// A candidate in a line: what it is, what it hides, what speaks against it.
pub(crate) fn line(proposal: &Proposal) -> String {
    let candidate = &proposal.candidate;
    let entry = &candidate.entry;
    let parts = [
        entry.path.as_ref().map(|path| shown(path.text())),
        entry.image.as_ref().map(|image| format!("image {}", shown(image.text()))),
        entry.namespace.as_deref().map(|name| format!("namespace {}", shown(name))),
        entry.source.as_ref().map(|source| format!("on {}", shown(&paste::place(source)))),
        entry.schedule.as_ref().map(|hours| format!("{hours} UTC")),
        (!entry.ports.is_empty()).then(|| {
            let ports: Vec<String> = entry.ports.iter().map(ToString::to_string).collect();
            format!("for {}", ports.join("/"))
        }),
    ];
    let named: Vec<String> = parts.into_iter().flatten().collect();
    let mut text = format!("{}: hides {}", named.join(", "), paste::reason(proposal));
    if let Some(doubt) = proposal.doubt() {
        let _ = write!(text, "; NOT TAKEN: {doubt}");
        let some: Vec<String> =
            proposal.attacks.iter().take(NAMED).map(|name| shown(name)).collect();
        if !some.is_empty() {
            let _ = write!(text, " ({})", some.join(", "));
        }
    }
    text
}
