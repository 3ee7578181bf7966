//! A finding in words that a person reads.

use std::fmt::Write;

use lapwing_detect::{Condition, Finding, Group, Kind, Origin, PortRange, Reached, Severity};
use lapwing_event::{Process, Timestamp};

use crate::escape::{escaped, shown};
use crate::jsonl::service;
use crate::report::Report;

/// How many entries of a list are written out; the rest is counted.
const MAX_IN_LINE: usize = 12;

/// A number with thousands separated.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun, in the plural where it is not one.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A moment to the second, such as `2026-03-02 09:14:07`.
pub(crate) fn moment(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('T') {
        Some((day, clock)) => format!("{day} {}", clock.get(..8).unwrap_or(clock)),
        None => text,
    }
}

/// The first line: how much was read, and what was found.
pub(crate) fn summary(report: &Report, shown: usize) -> String {
    let inputs = report.inputs.iter().filter(|input| input.format.is_some()).count() as u64;
    let events: u64 = report.inputs.iter().map(|input| input.events).sum();
    let bytes: u64 = report.inputs.iter().map(|input| input.bytes).sum();
    let spans = report.inputs.iter().filter_map(|input| input.span);
    let span = spans.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)));
    let mut text = match shown {
        0 => "No scan found".to_string(),
        count => format!("{} found", counted(count as u64, "scan")),
    };
    let _ = write!(
        text,
        " in {} ({}, {}",
        counted(inputs, "input"),
        megabytes(bytes),
        counted(events, "event")
    );
    match span {
        Some((first, last)) => {
            let _ = writeln!(text, ", {} to {} UTC).\n", moment(first), moment(last));
        }
        None => text += ").\n\n",
    }
    text
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => counted(bytes, "byte"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Who scanned, in one line.
pub(crate) fn who(origin: &Origin) -> String {
    let mut text = String::new();
    if let Some(container) = &origin.container {
        let parts = [&container.namespace, &container.pod];
        let named: Vec<String> = parts.into_iter().flatten().map(|part| shown(part)).collect();
        if named.is_empty() {
            let id = container.id.as_deref().unwrap_or_default();
            let known = container.name.as_deref().unwrap_or(id.get(..12).unwrap_or(id));
            let _ = write!(text, "container {} ", shown(known));
        } else {
            let _ = write!(text, "pod {} ", named.join("/"));
        }
    }
    if let Some(process) = &origin.process {
        let name = process.short_name().map_or_else(|| "unnamed process".to_string(), shown);
        text += &name;
        if process.pid != 0 {
            let _ = write!(text, " (pid {})", process.pid);
        }
        if let Some(child) = &origin.child {
            let child = child.short_name().map_or_else(|| "processes".to_string(), shown);
            let _ = write!(text, " starting {child}");
        }
        text.push(' ');
    }
    if let Some(prefix) = origin.prefix {
        let _ = write!(text, "addresses of {prefix} by turns ");
    }
    match (&origin.device, origin.address) {
        (Some(device), Some(address)) => {
            let _ = write!(text, "on {} ({address})", shown(device));
        }
        (Some(device), None) => {
            let _ = write!(text, "on {}", shown(device));
        }
        (None, Some(address)) if text.is_empty() => {
            let _ = write!(text, "{address}");
        }
        (None, Some(address)) => {
            let _ = write!(text, "on {address}");
        }
        (None, None) => {}
    }
    let text = text.trim_end();
    if text.is_empty() { "not recorded".to_string() } else { text.to_string() }
}

/// The kind of scan; a drill is said to be one.
pub(crate) fn kind(finding: &Finding) -> String {
    format!("{}{}", finding.kind.name(), drill_mark(finding))
}

fn drill_mark(finding: &Finding) -> &'static str {
    if finding.is_drill() { " (drill)" } else { "" }
}

/// What was probed, in one line.
pub(crate) fn targets(finding: &Finding) -> String {
    let hosts = match (finding.counts.hosts, finding.hosts.first(), finding.prefixes.as_slice()) {
        (0, ..) => return "none seen".to_string(),
        (1, Some(host), _) => host.to_string(),
        (count, _, [prefix]) => format!("{} in {prefix}", counted(count, "host")),
        (count, ..) => counted(count, "host"),
    };
    match (finding.counts.ports, finding.ports.as_slice()) {
        (0, _) | (_, []) => hosts,
        (1, [PortRange { first, .. }]) => format!("{hosts}, port {first}"),
        (count, _) => format!("{hosts}, {}", counted(count, "port")),
    }
}

/// The finding in one line: what sort of scan, of what, by whom. Inert.
pub(crate) fn headline(finding: &Finding) -> String {
    let kind = match finding.kind {
        Kind::Tool => "start of a scanner".to_string(),
        Kind::HostSweep => "host sweep".to_string(),
        Kind::Enumeration => "enumeration of services".to_string(),
        Kind::Proxy => "burst through a proxy".to_string(),
        kind => format!("{} scan", kind.name()),
    };
    let what = match finding.names.len() as u64 {
        0 if finding.counts.hosts == 0 => String::new(),
        0 => format!(": {}", targets(finding)),
        names => format!(": {}", counted(names, "name")),
    };
    let text = format!("{kind}{}{what} by {}", drill_mark(finding), who(&finding.origin));
    escaped(&text).into_owned()
}

/// Targets that have something in common, such as `12 pods of namespace shop`; those that are few by
/// name.
fn reached(reached: &Reached) -> String {
    let Reached { group, namespace, own, hosts, names } = reached;
    let hosts = *hosts;
    // Where each of them is known as a node; else only its port tells of the service.
    let known = names.len() as u64 == hosts;
    let control = |what: &str| match known {
        true => format!("{what} of {}", counted(hosts, "node")),
        false => format!("the port of {what} on {}", counted(hosts, "host")),
    };
    let mut text = match group {
        Group::Pods => counted(hosts, if namespace.is_some() { "pod" } else { "container" }),
        Group::Services => counted(hosts, "service"),
        Group::Nodes => counted(hosts, "node"),
        Group::Machines => counted(hosts, "machine"),
        Group::Kubelets => control("the kubelet"),
        Group::Etcd => control("etcd"),
        Group::ApiServers => control("the API server"),
        Group::Docker => control("Docker"),
        Group::Metadata => "the metadata address".to_string(),
        Group::Hosts if *own => format!("{} of its own subnet", counted(hosts, "other host")),
        Group::Hosts => counted(hosts, "other host"),
    };
    if let Some(namespace) = namespace {
        let whose = if *own { "its own namespace" } else { "namespace" };
        let _ = write!(text, " of {whose} {}", shown(namespace));
    }
    if known && hosts > 0 {
        let names: Vec<String> = names.iter().map(|name| shown(name)).collect();
        let _ = write!(text, " ({})", names.join(", "));
    }
    text
}

/// From when to when, and how long.
pub(crate) fn period(finding: &Finding) -> String {
    let (first, last) = (moment(finding.first_seen), moment(finding.last_seen));
    let length = finding.last_seen.since(finding.first_seen).as_seconds();
    let length = match length {
        length if length < 1.0 => "under a second".to_string(),
        length if length < 120.0 => format!("{length:.0} s"),
        length if length < 7200.0 => format!("{:.0} min", length / 60.0),
        length => format!("{:.1} h", length / 3600.0),
    };
    let last = match (first.split_once(' '), last.split_once(' ')) {
        (Some((day, _)), Some((same, clock))) if day == same => clock.to_string(),
        _ => last,
    };
    if first.ends_with(&last) {
        format!("{first} UTC, {length}")
    } else {
        format!("{first} to {last} UTC, {length}")
    }
}

/// Everything about one finding, a labelled line each.
pub(crate) fn card(number: usize, finding: &Finding, report: &Report, colour: bool) -> String {
    let severity = finding.severity.name().to_uppercase();
    let severity = if colour { painted(&severity, finding.severity) } else { severity };
    let mut text = format!(
        "[{number}] {severity} {} {}{}: {}  ({}, {}, confidence {} %)\n",
        finding.kind.name(),
        if finding.kind == Kind::Tool { "start" } else { "scan" },
        drill_mark(finding),
        targets(finding),
        finding.analytic,
        finding.kind.attacks().join(" "),
        finding.confidence
    );
    for (label, value) in lines(finding, report) {
        let _ = writeln!(text, "    {label:<9} {value}");
    }
    text
}

/// What is to be said of a finding, each with its label; a label that is empty goes on with the one
/// before.
pub(crate) fn lines(finding: &Finding, report: &Report) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let mut line = |label: &'static str, value: String| {
        if !value.is_empty() {
            // Whatever the parts are made of, the line as a whole stays inert.
            lines.push((label, escaped(&value).into_owned()));
        }
    };
    line("who", who(&finding.origin));
    if let Some(process) = &finding.origin.process {
        for (label, value) in process_lines(process) {
            line(label, value);
        }
    }
    if let Some(child) = finding.origin.child.as_deref().and_then(Process::command_text) {
        line("starts", shown(&child));
    }
    if !finding.members.is_empty() {
        let label = if finding.kind == Kind::Decoy { "decoys" } else { "members" };
        line(label, listed(finding.members.iter().map(who), finding.members.len() as u64));
    }
    if let Some(tool) = &finding.tool {
        line("tool", shown(tool));
    }
    line("when", period(finding));
    if finding.detected_after > 0 {
        line("detected", format!("after {}", counted(finding.detected_after, "attempt")));
    }
    line("hosts", listed(finding.hosts.iter().map(ToString::to_string), finding.counts.hosts));
    let told: Vec<String> = finding.reached.iter().map(reached).collect();
    line("reached", listed(told.into_iter(), finding.reached.len() as u64));
    let ports = finding.ports.iter().map(ToString::to_string);
    line("ports", listed(ports, finding.ports.len() as u64));
    line("asked", listed(finding.names.iter().map(|name| shown(name)), finding.names.len() as u64));
    line("outcomes", outcomes(finding));
    line("open", listed(finding.open.iter().map(service), finding.open_count));
    let techniques: Vec<&str> = finding.techniques.iter().map(|by| by.name()).collect();
    line("by", techniques.join(", "));
    for (at, condition) in finding.why.iter().enumerate() {
        let label = if at == 0 { "why" } else { "" };
        line(label, reason(condition));
    }
    for (at, class) in finding.tested.iter().filter(|class| !class.holds).enumerate() {
        let label = if at == 0 { "not" } else { "" };
        line(label, format!("{}: {}", class.class, class.because));
    }
    if let Some(silent) = finding.silent_at {
        line("tuning", format!("would be silent with {} = {}", silent.key, silent.above));
    }
    for (at, witness) in finding.witnesses.iter().enumerate() {
        let label = if at == 0 { "seen in" } else { "" };
        let file = report.inputs.get(witness.first.input.0 as usize);
        let file = file.map_or_else(String::new, |input| shown(&input.name));
        line(
            label,
            format!(
                "{}: {}, {file} bytes {} to {}",
                witness.log_source.name(),
                counted(witness.records, "record"),
                witness.first.offset,
                witness.last.offset
            ),
        );
    }
    for (at, note) in finding.notes.iter().enumerate() {
        line(if at == 0 { "note" } else { "" }, shown(note));
    }
    line("uid", finding.uid.to_string());
    lines
}

/// A condition with its value and threshold; a tool's name matched or did not.
pub(crate) fn reason(condition: &Condition) -> String {
    let Condition { condition, value, threshold, key } = condition;
    if key.ends_with("ToolPatternRegex") || key.ends_with("KnownScannerExeList") {
        return format!("{condition} ({key})");
    }
    let value = format!("{value:.1}");
    let value = value.strip_suffix(".0").unwrap_or(&value);
    format!("{condition} is {value}, threshold {threshold} ({key})")
}

fn process_lines(process: &Process) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let mut add = |label, value: Option<String>| lines.extend(value.map(|value| (label, value)));
    add("program", process.path.as_deref().map(shown));
    add("command", process.command_text().as_deref().map(shown));
    add("user", process.user.as_deref().map(shown));
    if let Some(program) = &process.program {
        let known = [&program.original_name, &program.product, &program.company];
        let known: Vec<String> = known.into_iter().flatten().map(|text| shown(text)).collect();
        add("made as", (!known.is_empty()).then(|| known.join(", ")));
        add("signed by", program.signer.as_deref().map(shown));
    }
    if let Some(parent) = &process.parent {
        let command = parent.command_line.as_deref().or(parent.path.as_deref()).map(shown);
        let pid = parent.pid.map(|pid| format!("pid {pid}"));
        let told: Vec<String> = [command, pid].into_iter().flatten().collect();
        add("parent", (!told.is_empty()).then(|| told.join(", ")));
    }
    lines
}

/// How many attempts came to what, such as `13 open, 87 refused`.
pub(crate) fn outcomes(finding: &Finding) -> String {
    let outcomes = finding.outcomes;
    let named = [
        (outcomes.open, "open"),
        (outcomes.served, "served"),
        (outcomes.refused, "refused"),
        (outcomes.unanswered, "unanswered"),
        (outcomes.unknown, "unknown"),
    ];
    let told: Vec<String> = named
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{} {name}", grouped(count)))
        .collect();
    told.join(", ")
}

fn listed(values: impl Iterator<Item = String>, total: u64) -> String {
    let mut values: Vec<String> = values.take(MAX_IN_LINE).collect();
    let more = total.saturating_sub(values.len() as u64);
    if more > 0 && !values.is_empty() {
        values.push(format!("and {} more", grouped(more)));
    }
    values.join(", ")
}

fn painted(text: &str, severity: Severity) -> String {
    let code = match severity {
        Severity::Informational => 90,
        Severity::Low => 36,
        Severity::Medium => 33,
        Severity::High => 31,
        Severity::Critical => 35,
    };
    format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
}
