//! A finding in words that a person reads.

mod moments;
mod reasons;

use std::fmt::Write;

use lapwing_detect::{Finding, Group, Kind, Level, Origin, PortRange, Reached, Severity};
use lapwing_event::{Process, Technique};

pub(crate) use moments::{moment, period, span};
pub(crate) use reasons::reason;

use self::moments::is_yearless;
use self::reasons::reasons;
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

/// How often something came up, such as `once` or `1,200 times`.
pub fn times(count: u64) -> String {
    match count {
        1 => "once".to_string(),
        2 => "twice".to_string(),
        count => format!("{} times", grouped(count)),
    }
}

/// The first line: how much was read, and what was found.
pub(crate) fn summary(report: &Report, shown: usize) -> String {
    let inputs = report.inputs.iter().filter(|input| input.format.is_some()).count() as u64;
    let events: u64 = report.inputs.iter().map(|input| input.events).sum();
    let bytes: u64 = report.inputs.iter().map(|input| input.bytes).sum();
    let spans = report.inputs.iter().filter_map(|input| input.span);
    // What has no year is neither before nor after what has one.
    let (yearless, dated): (Vec<_>, Vec<_>) = spans.partition(|(first, _)| is_yearless(*first));
    let spans = if dated.is_empty() { yearless } else { dated };
    let whole = spans.into_iter().reduce(|(a, b), (c, d)| (a.min(c), b.max(d)));
    let read = format!("{} ({}", counted(inputs, "input"), megabytes(bytes));
    // "No scan" would say that somebody could have seen one.
    let found = match (shown, inputs, events) {
        (0, 0, _) => {
            return "Nothing was read, so that nothing can be said of scans.\n".to_string();
        }
        (0, _, 0) => return format!("No event that could show a scan in {read}).\n"),
        (0, ..) => "No scan found".to_string(),
        (count, ..) => format!("{} found", counted(count as u64, "scan")),
    };
    let when = whole.map(|(first, last)| format!(", {}", span(first, last))).unwrap_or_default();
    format!("{found} in {read}, {}{when}).\n", counted(events, "event"))
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
            let known = container.name.as_deref().unwrap_or(short_id(id));
            let _ = write!(text, "container {} ", shown(known));
        } else {
            let _ = write!(text, "pod {} ", named.join("/"));
        }
    }
    if let Some(process) = &origin.process {
        let name = process.short_name().map_or_else(|| "unnamed process".to_string(), shown);
        let (before, pid) = match origin.level {
            Level::Job => ("runs of ", "last pid"),
            _ => ("", "pid"),
        };
        let _ = write!(text, "{before}{name}");
        if process.pid != 0 {
            let _ = write!(text, " ({pid} {})", process.pid);
        }
    }
    if origin.level == Level::Session {
        text += if origin.process.is_some() { " of " } else { "" };
        text += &session(origin.child.as_deref());
    }
    // Of a session the last of its programs says little, and it stands below.
    let starts = origin.process.is_some() && origin.level != Level::Session;
    if let Some(child) = origin.child.as_deref().filter(|_| starts) {
        let child = child.short_name().map_or_else(|| "processes".to_string(), shown);
        let _ = write!(text, " starting {child}");
    }
    text.push_str(if text.is_empty() || text.ends_with(' ') { "" } else { " " });
    if let Some(prefix) = origin.prefix {
        let _ = write!(text, "addresses of {prefix} by turns ");
    }
    match (&origin.device, origin.address) {
        (Some(device), address) => {
            let on = if text.is_empty() { "" } else { "on " };
            let _ = write!(text, "{on}{}", shown(device));
            if let Some(address) = address {
                let _ = write!(text, " ({address})");
            }
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

/// The login session of a process, and whose it is; Windows writes its number in hexadecimal.
fn session(child: Option<&Process>) -> String {
    let Some((child, number)) = child.and_then(|child| Some((child, child.session?))) else {
        return "a login session".to_string();
    };
    let windows = child.path.as_deref().is_some_and(|path| path.contains('\\'));
    let number = if windows { format!("{number:#x}") } else { number.to_string() };
    match user(child) {
        (Some(name), _) => format!("session {number} of {}", shown(name)),
        (None, Some(uid)) => format!("session {number} of uid {uid}"),
        (None, None) => format!("session {number}"),
    }
}

/// A container's id as its tools list it: the first 12 of its 64 digits.
fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
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
    if !finding.names.is_empty() {
        return counted(finding.names.len() as u64, "name");
    }
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

/// What sort of scan it is, such as `vertical scan`; a drill is said to be one.
pub(crate) fn sort(finding: &Finding) -> String {
    let kind = match finding.kind {
        Kind::Tool => "start of a scanner".to_string(),
        Kind::HostSweep => "host sweep".to_string(),
        Kind::Enumeration => "enumeration of services".to_string(),
        Kind::Proxy => "burst through a proxy".to_string(),
        kind => format!("{} scan", kind.name()),
    };
    format!("{kind}{}", drill_mark(finding))
}

/// What sort of scan of what, such as `vertical scan: 10.0.0.7, 12 ports`.
fn sort_and_targets(finding: &Finding) -> String {
    let sort = sort(finding);
    match finding.names.is_empty() && finding.counts.hosts == 0 {
        true => sort,
        false => format!("{sort}: {}", targets(finding)),
    }
}

/// The finding in one line: what sort of scan, of what, by whom. Inert.
pub(crate) fn headline(finding: &Finding) -> String {
    let text = format!("{} by {}", sort_and_targets(finding), who(&finding.origin));
    escaped(&text).into_owned()
}

/// Targets that have something in common, such as `12 pods of namespace shop`; those that are few by
/// name.
pub(crate) fn reached(reached: &Reached) -> String {
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

/// Everything about one finding, a labelled line each.
pub(crate) fn card(number: usize, finding: &Finding, report: &Report, colour: bool) -> String {
    let severity = finding.severity.name().to_uppercase();
    let severity = if colour { painted(&severity, finding.severity) } else { severity };
    let mut text = format!(
        "[{number}] {severity} {}  ({}, {}, confidence {} %)\n",
        sort_and_targets(finding),
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
    if let Some(container) = &finding.origin.container {
        let known = [container.name.as_deref(), container.id.as_deref().map(short_id)];
        let known: Vec<String> = known.into_iter().flatten().map(shown).collect();
        line("container", known.join(", "));
        line("image", container.image.as_deref().map(shown).unwrap_or_default());
    }
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
    let known = finding.techniques.iter().filter(|by| **by != Technique::Unknown);
    line("by", known.map(|by| by.name()).collect::<Vec<_>>().join(", "));
    for (at, reason) in reasons(&finding.why).into_iter().enumerate() {
        let label = if at == 0 { "why" } else { "" };
        line(label, reason);
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
                "{}: {}, {file} {}",
                witness.log_source.name(),
                counted(witness.records, "record"),
                place(witness.first.offset, witness.last.offset)
            ),
        );
    }
    for (at, note) in finding.notes.iter().enumerate() {
        line(if at == 0 { "note" } else { "" }, shown(note));
    }
    line("uid", finding.uid.to_string());
    lines
}

/// Where in a file records are.
pub(crate) fn place(first: u64, last: u64) -> String {
    if first == last { format!("at byte {first}") } else { format!("bytes {first} to {last}") }
}

fn process_lines(process: &Process) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let mut add = |label, value: Option<String>| lines.extend(value.map(|value| (label, value)));
    add("program", process.path.as_deref().map(shown));
    add("command", process.command_text().as_deref().map(shown));
    let (name, number) = user(process);
    add("user", name.map(shown).or_else(|| number.map(|number| format!("uid {number}"))));
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

/// Whether a user is known by a number alone.
pub(crate) fn is_number(user: &str) -> bool {
    !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_digit())
}

/// A user's name, and else the number by which logs of the kernel know them.
pub(crate) fn user(process: &Process) -> (Option<&str>, Option<&str>) {
    match process.user.as_deref() {
        Some(number) if is_number(number) => (None, Some(number)),
        name => (name, None),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computer_alone_is_named_by_itself() {
        let device = Origin { device: Some("vm-1".into()), ..Origin::default() };
        assert_eq!(who(&device), "vm-1");
        let address = Some([10, 0, 0, 1].into());
        assert_eq!(who(&Origin { address, ..device.clone() }), "vm-1 (10.0.0.1)");
        let process = Process { pid: 7, name: Some("nc".into()), ..Process::default() };
        let process = Some(process.into());
        assert_eq!(who(&Origin { process, ..device }), "nc (pid 7) on vm-1");
    }

    #[test]
    fn a_session_and_a_job_are_named_by_what_they_start() {
        let process = |name: &str, pid| Process {
            pid,
            name: Some(name.into()),
            user: Some("anna".into()),
            session: Some(7),
            ..Process::default()
        };
        let of = |level, parent: Option<Process>, child| {
            let process = parent.map(Into::into);
            who(&Origin { level, process, child, device: Some("ws01".into()), ..Origin::default() })
        };
        let child = || Some(process("nc", 9).into());
        assert_eq!(
            of(Level::Session, Some(process("bash", 5)), child()),
            "bash (pid 5) of session 7 of anna on ws01"
        );
        assert_eq!(of(Level::Session, None, child()), "session 7 of anna on ws01");
        assert_eq!(
            of(Level::Job, Some(process("sh", 5)), child()),
            "runs of sh (last pid 5) starting nc on ws01"
        );
        assert_eq!(
            of(Level::Job, Some(process("x.exe", 5)), None),
            "runs of x.exe (last pid 5) on ws01"
        );
        assert_eq!(of(Level::Container, None, child()), "ws01");
    }

    #[test]
    fn counts_read_as_people_say_them() {
        assert_eq!([times(1), times(2), times(1200)], ["once", "twice", "1,200 times"]);
        assert_eq!(place(7, 7), "at byte 7");
    }
}
