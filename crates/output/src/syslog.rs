//! Syslog (RFC 5424): one line a finding, its parts as structured data, its headline as the message.
//!
//! The time is the scan's last attempt, since nothing here has a clock; a relay that stamps messages
//! anew loses nothing by it. HOSTNAME and PROCID are nil: which machine sends the lines is known to
//! whoever sends them. What a terminal could obey is written out before the RFC's own escapes.

use lapwing_detect::{Finding, Severity};
use lapwing_event::{Process, Timestamp};

use crate::escape::bounded;
use crate::jsonl::service;
use crate::person;
use crate::report::Report;

/// Facility 13, log audit (RFC 5424 table 1).
const FACILITY: u8 = 13;

/// The name of the structured data. RFC 5424 section 7.2.2 wants a private enterprise number after
/// the sign, and 32473 is the one that RFC 5612 reserves for those who hold none.
const DATA_ID: &str = "lapwing@32473";

/// How many hosts, ports and services one line names.
const MAX_NAMED: usize = 16;

/// The longest value and the longest message in bytes: with all of its nineteen texts and lists at their
/// longest a line stays under the 8192 bytes that common receivers take.
const MAX_VALUE: usize = 340;
const MAX_MESSAGE: usize = 512;

/// The report's findings, a line each, in the report's order.
pub fn write(report: &Report) -> String {
    report.findings.iter().map(|finding| line(finding) + "\n").collect()
}

fn line(finding: &Finding) -> String {
    let priority = FACILITY * 8 + level(finding.severity);
    let time = micros(finding.last_seen);
    let kind = finding.kind.name();
    let data = data(finding);
    let message = bounded(&person::headline(finding), MAX_MESSAGE, |_| None);
    format!("<{priority}>1 {time} - lapwing - {kind} [{DATA_ID}{data}] {message}")
}

/// RFC 5424 table 2.
const fn level(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 6,
        Severity::Low => 5,
        Severity::Medium => 4,
        Severity::High => 3,
        Severity::Critical => 2,
    }
}

/// The RFC allows six digits of a second.
fn micros(time: Timestamp) -> String {
    Timestamp(time.0.div_euclid(1000).saturating_mul(1000)).to_string()
}

fn data(finding: &Finding) -> String {
    let origin = &finding.origin;
    let process = origin.process.as_deref();
    let container = origin.container.as_deref();
    let text = |value: Option<&str>| value.map(str::to_string);
    let named: [(&str, Option<String>); 35] = [
        ("uid", Some(finding.uid.to_string())),
        ("analytic", Some(finding.analytic.into())),
        ("techniques", Some(finding.kind.attacks().join(","))),
        ("severity", Some(finding.severity.name().into())),
        ("confidence", Some(finding.confidence.to_string())),
        ("status", Some(finding.status.name().into())),
        ("firstSeen", Some(finding.first_seen.to_string())),
        ("lastSeen", Some(finding.last_seen.to_string())),
        ("src", origin.address.map(|address| address.to_string())),
        ("prefix", origin.prefix.map(|prefix| prefix.to_string())),
        ("device", text(origin.device.as_deref())),
        ("process", text(process.and_then(Process::short_name))),
        ("path", text(process.and_then(|by| by.path.as_deref()))),
        ("commandLine", process.and_then(Process::command_text)),
        ("pid", process.map(|by| by.pid).filter(|pid| *pid != 0).map(|pid| pid.to_string())),
        ("user", text(process.and_then(|by| by.user.as_deref()))),
        ("parent", process.and_then(parent)),
        ("starts", origin.child.as_deref().and_then(Process::command_text)),
        ("container", text(container.and_then(|in_it| in_it.id.as_deref()))),
        ("namespace", text(container.and_then(|in_it| in_it.namespace.as_deref()))),
        ("pod", text(container.and_then(|in_it| in_it.pod.as_deref()))),
        ("containerName", text(container.and_then(|in_it| in_it.name.as_deref()))),
        ("image", text(container.and_then(|in_it| in_it.image.as_deref()))),
        ("attempts", Some(finding.counts.attempts.to_string())),
        ("hostCount", Some(finding.counts.hosts.to_string())),
        ("portCount", Some(finding.counts.ports.to_string())),
        ("openCount", Some(finding.open_count.to_string())),
        ("outcomes", Some(person::outcomes(finding))),
        ("hosts", listed(finding.hosts.iter())),
        ("ports", listed(finding.ports.iter())),
        ("open", listed(finding.open.iter().map(service))),
        ("names", listed(finding.names.iter())),
        ("tool", text(finding.tool.as_deref())),
        ("why", finding.why.first().map(person::reason)),
        ("suppressedBy", text(finding.suppressed_by.as_deref())),
    ];
    let known = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    known
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!(" {name}=\"{}\"", parameter(&value)))
        .collect()
}

/// Who started the process: its command line, or its program.
fn parent(process: &Process) -> Option<String> {
    let parent = process.parent.as_deref()?;
    parent.command_line.as_deref().or(parent.path.as_deref()).map(str::to_string)
}

fn listed<T: ToString>(values: impl Iterator<Item = T>) -> Option<String> {
    Some(values.take(MAX_NAMED).map(|value| value.to_string()).collect::<Vec<_>>().join(","))
}

/// A parameter's value: `"`, `\` and `]` are escaped (RFC 5424 section 6.3.3).
fn parameter(value: &str) -> String {
    bounded(value, MAX_VALUE, |c| match c {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        ']' => Some("\\]"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_value_is_escaped() {
        assert_eq!(parameter("a\"b]c\\d\ne"), "a\\\"b\\]c\\\\d<U+000A>e");
    }
}
