//! Which log sources were there, which analytic was blind, and what to turn on: a few lines beside
//! findings, or a matrix for people and for machines.

use std::fmt::Write;

use lapwing_detect::{AnalyticCoverage, Lacking, Seen, SourceCoverage};
use lapwing_event::LogSource;
use serde::Serialize;

use crate::escape;
use crate::person::{counted, span};
use crate::report::Report;
use crate::troubles::troubles;

/// A line per analytic, then what each could not see.
pub(crate) fn write(report: &Report) -> String {
    let mut text = "\nCoverage\n".to_string();
    for analytic in &report.coverage.analytics {
        let told: Vec<String> = if analytic.is_absent() {
            vec!["no log source of it was there: nothing can be said".to_string()]
        } else {
            analytic.sources.iter().flat_map(source).chain(beside(analytic)).collect()
        };
        let name = format!("{} {:<10}", analytic.id, analytic.platform);
        for (at, line) in told.iter().enumerate() {
            let name = if at == 0 { name.as_str() } else { "" };
            let _ = writeln!(text, "  {name:<17} {line}");
        }
        text += &lacking(analytic);
        text += &blind(analytic);
    }
    text
}

/// The matrix for people: each analytic with each of its log sources, what was there of it, what it
/// lacks, and what to turn on.
pub fn matrix(report: &Report) -> String {
    let events: u64 = report.inputs.iter().map(|input| input.events).sum();
    let inputs = counted(report.inputs.len() as u64, "input");
    let mut text = format!("Coverage of DET0376 by {inputs} ({})\n", counted(events, "event"));
    for analytic in &report.coverage.analytics {
        let state = match (analytic.is_absent(), analytic.sources.iter().any(is_absent)) {
            (true, _) => "nothing can be said",
            (false, true) => "in part",
            (false, false) => "present",
        };
        let _ = writeln!(text, "\n{} {}: {state}", analytic.id, analytic.platform);
        for source in &analytic.sources {
            let mark = if is_absent(source) { "ABSENT " } else { "present" };
            let _ = writeln!(text, "  {mark}  {} ({})", source.source.component, source.source);
            for (log_source, seen) in &source.met_by {
                let _ = writeln!(text, "           {}", met(*log_source, seen));
            }
            if let Some(line) = lacking_line(source) {
                let _ = writeln!(text, "           {line}");
            }
            if is_absent(source) || source.lacking.count > 0 {
                let _ = writeln!(text, "           turn on: {}", source.source.turn_on);
            }
        }
        for (log_source, seen) in &analytic.beside {
            let _ = writeln!(text, "  beside   {}", met(*log_source, seen));
        }
        for remark in &analytic.blind {
            let _ = writeln!(text, "  blind    {remark}");
        }
    }
    text += &troubles(&report.troubles);
    text
}

fn is_absent(source: &SourceCoverage) -> bool {
    source.met_by.is_empty()
}

/// The computers that a log source says nothing of, where there are any.
fn lacking_line(source: &SourceCoverage) -> Option<String> {
    let Lacking { count, names } = &source.lacking;
    (*count > 0).then(|| {
        let shown: Vec<String> = names.iter().map(|name| escape::shown(name)).collect();
        let more = if *count > names.len() as u64 { ", …" } else { "" };
        let component = source.source.component;
        format!("no {component} of {}: {}{more}", counted(*count, "host"), shown.join(", "))
    })
}

fn lacking(analytic: &AnalyticCoverage) -> String {
    let lines = analytic.sources.iter().filter_map(lacking_line);
    lines.map(|line| format!("         blind: {line}\n")).collect()
}

#[derive(Serialize)]
struct NativeCoverage<'a> {
    strategy: &'static str,
    analytics: Vec<NativeAnalytic<'a>>,
    inputs: Vec<NativeInput<'a>>,
    not_read_whole: bool,
}

#[derive(Serialize)]
struct NativeAnalytic<'a> {
    id: &'static str,
    platform: &'static str,
    present: bool,
    log_sources: Vec<NativeSource<'a>>,
    beside: Vec<NativeMet>,
    blind: &'a [String],
}

#[derive(Serialize)]
struct NativeSource<'a> {
    component: &'static str,
    name: &'static str,
    channel: &'static str,
    present: bool,
    met_by: Vec<NativeMet>,
    hosts_lacking: u64,
    lacking: Vec<&'a str>,
    turn_on: &'static str,
}

#[derive(Serialize)]
struct NativeMet {
    log_source: &'static str,
    events: u64,
    hosts: u64,
    first_seen: String,
    last_seen: String,
}

#[derive(Serialize)]
struct NativeInput<'a> {
    name: &'a str,
    format: Option<&'static str>,
    bytes: u64,
    records: u64,
    events: u64,
}

fn native_met((log_source, seen): &(LogSource, Seen)) -> NativeMet {
    NativeMet {
        log_source: log_source.name(),
        events: seen.events,
        hosts: seen.devices,
        first_seen: seen.first.to_string(),
        last_seen: seen.last.to_string(),
    }
}

fn native(source: &SourceCoverage) -> NativeSource<'_> {
    NativeSource {
        component: source.source.component,
        name: source.source.name,
        channel: source.source.channel,
        present: !is_absent(source),
        met_by: source.met_by.iter().map(native_met).collect(),
        hosts_lacking: source.lacking.count,
        lacking: source.lacking.names.iter().map(AsRef::as_ref).collect(),
        turn_on: source.source.turn_on,
    }
}

/// The matrix for machines: one JSON object, described by `docs/coverage.schema.json`.
pub fn json(report: &Report) -> String {
    let analytics = report.coverage.analytics.iter().map(|analytic| NativeAnalytic {
        id: analytic.id,
        platform: analytic.platform,
        present: !analytic.is_absent(),
        log_sources: analytic.sources.iter().map(native).collect(),
        beside: analytic.beside.iter().map(native_met).collect(),
        blind: &analytic.blind,
    });
    let inputs = report.inputs.iter().map(|input| NativeInput {
        name: &input.name,
        format: input.format,
        bytes: input.bytes,
        records: input.records,
        events: input.events,
    });
    let native = NativeCoverage {
        strategy: "DET0376",
        analytics: analytics.collect(),
        inputs: inputs.collect(),
        not_read_whole: report.lost_data(),
    };
    // Of plain text and numbers, which cannot fail.
    serde_json::to_string(&native).map(|text| text + "\n").unwrap_or_default()
}

/// A log source of the strategy, and below it a line for each of ours that met it.
fn source(source: &SourceCoverage) -> Vec<String> {
    let name = format!("{} ({})", source.source.component, source.source);
    match source.met_by.is_empty() {
        true => vec![format!("{name}: ABSENT")],
        false => headed(name, &source.met_by),
    }
}

/// What was read beside an analytic's log sources.
fn beside(analytic: &AnalyticCoverage) -> Vec<String> {
    match analytic.beside.is_empty() {
        true => Vec::new(),
        false => headed("beside them".to_string(), &analytic.beside),
    }
}

fn headed(heading: String, seen: &[(LogSource, Seen)]) -> Vec<String> {
    let lines = seen.iter().map(|(log_source, seen)| format!("  {}", met(*log_source, seen)));
    std::iter::once(heading).chain(lines).collect()
}

fn met(log_source: LogSource, seen: &Seen) -> String {
    let hosts = match seen.devices {
        0 => String::new(),
        hosts => format!(" of {}", counted(hosts, "host")),
    };
    let span = span(seen.first, seen.last);
    format!("{}: {}{hosts}, {span}", log_source.name(), counted(seen.events, "event"))
}

fn blind(analytic: &AnalyticCoverage) -> String {
    analytic.blind.iter().map(|remark| format!("         blind: {remark}\n")).collect()
}
