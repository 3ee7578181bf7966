//! ArcSight's Common Event Format, version 0: one line a finding, as "Implementing ArcSight Common
//! Event Format" (version 25) has it.
//!
//! In the header a backslash and a pipe are escaped, in the extension a backslash and an equals sign;
//! line ends are `\n` and `\r` there. Whatever else a terminal or a reader could be fooled by is
//! written out as `<U+001B>`, so that text of telemetry can neither begin a field nor a line.

use lapwing_detect::{Finding, Severity};
use lapwing_event::{Process, Timestamp};

use crate::attack;
use crate::escape::bounded;
use crate::jsonl::service;
use crate::person;
use crate::report::Report;

/// The longest name in the header, and the longest value of the extension's strings, in bytes: the
/// guide's limits of `name`, of `msg` and `sproc`, and of `cs1` to `cs6`.
const MAX_NAME: usize = 512;
const MAX_TEXT: usize = 1023;
const MAX_CUSTOM: usize = 4000;

/// The report's findings, a line each, in the report's order.
pub fn write(report: &Report) -> String {
    report.findings.iter().map(|finding| line(finding) + "\n").collect()
}

fn line(finding: &Finding) -> String {
    let signature = format!("{}:{}", finding.analytic, finding.kind.name());
    let header = [
        "CEF:0",
        "Lapwing",
        "Lapwing",
        env!("CARGO_PKG_VERSION"),
        &header(&signature, MAX_NAME),
        &header(&person::headline(finding), MAX_NAME),
        severity(finding.severity),
    ];
    format!("{}|{}", header.join("|"), extension(finding))
}

/// The guide's scale of 0 to 10: 0-3 low, 4-6 medium, 7-8 high, 9-10 very high.
const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "1",
        Severity::Low => "3",
        Severity::Medium => "5",
        Severity::High => "8",
        Severity::Critical => "10",
    }
}

fn extension(finding: &Finding) -> String {
    let mut text = String::new();
    let mut add = |key: &str, value: Option<String>, most: usize| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(key);
            text.push('=');
            text += &extended(&value, most);
        }
    };
    let origin = &finding.origin;
    let process = origin.process.as_deref();
    add("rt", Some(millis(finding.last_seen)), MAX_TEXT);
    add("start", Some(millis(finding.first_seen)), MAX_TEXT);
    add("end", Some(millis(finding.last_seen)), MAX_TEXT);
    add("externalId", Some(finding.uid.to_string()), MAX_TEXT);
    add("cat", Some("Network Service Discovery".into()), MAX_TEXT);
    add("act", Some(finding.status.name().into()), MAX_TEXT);
    add("cnt", Some(finding.counts.attempts.to_string()), MAX_TEXT);
    // The guide has a key for IPv4 alone, and custom ones for IPv6.
    let v4 = |v4: bool| origin.address.filter(|address| address.is_v4() == v4);
    add("src", v4(true).map(|address| address.to_string()), MAX_TEXT);
    add("c6a2", v4(false).map(|address| address.to_string()), MAX_TEXT);
    add("c6a2Label", v4(false).map(|_| "Source IPv6 Address".into()), MAX_TEXT);
    add("shost", origin.device.as_deref().map(str::to_string), MAX_TEXT);
    let (user, uid) = process.map(person::user).unwrap_or_default();
    add("suser", user.map(str::to_string), MAX_TEXT);
    add("suid", uid.map(str::to_string), MAX_TEXT);
    add(
        "spid",
        process.map(|by| by.pid).filter(|pid| *pid != 0).map(|pid| pid.to_string()),
        MAX_TEXT,
    );
    add("sproc", process.and_then(program), MAX_TEXT);
    let target = finding.hosts.first().filter(|_| finding.counts.hosts == 1);
    add("dst", target.filter(|host| host.is_v4()).map(ToString::to_string), MAX_TEXT);
    add("c6a3", target.filter(|host| !host.is_v4()).map(ToString::to_string), MAX_TEXT);
    let label = target.filter(|host| !host.is_v4()).map(|_| "Destination IPv6 Address".into());
    add("c6a3Label", label, MAX_TEXT);
    let port = finding.ports.first().filter(|_| finding.counts.ports == 1);
    add("dpt", port.map(|range| range.first.to_string()), MAX_TEXT);
    let transport = finding.protocols.first().filter(|_| finding.protocols.len() == 1);
    add("proto", transport.map(|protocol| protocol.name().to_uppercase()), MAX_TEXT);
    let customs: [(&str, &str, &str, Option<String>); 6] = [
        ("cs1", "cs1Label", "commandLine", process.and_then(Process::command_text)),
        asked(finding),
        ("cs3", "cs3Label", "ports", listed(&finding.ports)),
        ("cs4", "cs4Label", "open", listed(&finding.open.iter().map(service).collect::<Vec<_>>())),
        ("cs5", "cs5Label", "techniques", Some(finding.kind.attacks().join(","))),
        pod(finding),
    ];
    for (key, label_key, label, value) in customs {
        let known = value.as_ref().is_some_and(|value| !value.is_empty());
        add(key, value, MAX_CUSTOM);
        add(label_key, known.then(|| label.to_string()), MAX_TEXT);
    }
    let numbers = [
        ("cn1", "cn1Label", "confidence", u64::from(finding.confidence)),
        ("cn2", "cn2Label", "hosts", finding.counts.hosts),
        ("cn3", "cn3Label", "ports", finding.counts.ports),
    ];
    for (key, label_key, label, value) in numbers {
        add(key, Some(value.to_string()), MAX_TEXT);
        add(label_key, Some(label.to_string()), MAX_TEXT);
    }
    // The guide's two texts without a meaning of their own.
    let image = origin.container.as_deref().and_then(|container| container.image.as_deref());
    let flexible = [
        ("flexString1", "flexString1Label", "outcomes", Some(person::outcomes(finding))),
        ("flexString2", "flexString2Label", "image", image.map(str::to_string)),
    ];
    for (key, label_key, label, value) in flexible {
        let known = value.as_ref().is_some_and(|value| !value.is_empty());
        add(key, value, MAX_TEXT);
        add(label_key, known.then(|| label.to_string()), MAX_TEXT);
    }
    add("reason", finding.why.first().map(person::reason), MAX_TEXT);
    add("request", Some(attack::analytic_url(finding.analytic)), MAX_TEXT);
    add("msg", Some(person::headline(finding)), MAX_TEXT);
    text
}

/// What was asked for: names of an enumeration, else hosts.
fn asked(finding: &Finding) -> (&'static str, &'static str, &'static str, Option<String>) {
    if finding.names.is_empty() {
        ("cs2", "cs2Label", "targets", listed(&finding.hosts))
    } else {
        ("cs2", "cs2Label", "names", listed(&finding.names))
    }
}

fn program(process: &Process) -> Option<String> {
    process.path.as_deref().or_else(|| process.short_name()).map(str::to_string)
}

/// The pod, or the container where there is none.
fn pod(finding: &Finding) -> (&'static str, &'static str, &'static str, Option<String>) {
    let container = finding.origin.container.as_deref();
    let named = container.map(|it| [it.namespace.as_deref(), it.pod.as_deref()]);
    let named: Vec<&str> = named.into_iter().flatten().flatten().collect();
    let id = container.and_then(|it| it.name.as_deref().or(it.id.as_deref()));
    match named.as_slice() {
        [] => ("cs6", "cs6Label", "container", id.map(str::to_string)),
        named => ("cs6", "cs6Label", "pod", Some(named.join("/"))),
    }
}

fn listed<T: ToString>(values: &[T]) -> Option<String> {
    Some(values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

fn millis(time: Timestamp) -> String {
    time.0.div_euclid(1_000_000).to_string()
}

/// A text of the header, which cannot hold a line end at all.
fn header(text: &str, most: usize) -> String {
    bounded(text, most, |c| match c {
        '\\' => Some("\\\\"),
        '|' => Some("\\|"),
        _ => None,
    })
}

/// A value of the extension.
fn extended(text: &str, most: usize) -> String {
    bounded(text, most, |c| match c {
        '\\' => Some("\\\\"),
        '=' => Some("\\="),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_field_is_escaped() {
        assert_eq!(header("a|b\\c=d\ne", 99), "a\\|b\\\\c=d<U+000A>e");
        assert_eq!(
            extended("a|b\\c=d\r\ne\u{1b}\u{202e}", 99),
            "a|b\\\\c\\=d\\r\\ne<U+001B><U+202E>"
        );
        assert_eq!(extended(&"=".repeat(9), 10), "\\=\\=\\=...");
        assert_eq!(extended("äääää", 10), "äääää");
    }
}
