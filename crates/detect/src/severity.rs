//! How much a finding matters, and how sure we are of it.

use std::collections::BTreeSet;

use lapwing_event::{Process, UserContext};

use crate::analytics::Analytic;
use crate::finding::{Finding, Kind, Level, Origin, Service, Severity};
use crate::tunables::ContextSteps;

/// Ports whose exposure an intruder looks for: administration, file sharing, databases, container
/// and cluster control.
const PRIZED: [u16; 20] = [
    22, 23, 135, 139, 389, 445, 1433, 1521, 2375, 2379, 3306, 3389, 5432, 5900, 5985, 6379, 6443,
    9200, 10250, 27017,
];

/// Ports of what runs containers and clusters: docker, etcd, the kubelet. A container has no business
/// with them.
pub(crate) const CONTROL: [u16; 7] = [2375, 2376, 2379, 2380, 4194, 10250, 10255];

/// Folders that any user can write to, wherever they lie (`/tmp/` is `/var/tmp/` too): no installed
/// program runs from there.
const WRITABLE: [&str; 4] = ["/.cache/", "/tmp/", "/dev/shm/", "/proc/self/fd/"];

/// The same of Windows.
const WRITABLE_ON_WINDOWS: [&str; 5] =
    [r"\temp\", r"\tmp\", r"\users\public\", r"\downloads\", r"\perflogs\"];

/// How the kernel names a file that lies in memory alone.
const IN_MEMORY: [&str; 1] = ["memfd:"];

/// How the kernel ends the path of a file that is gone.
const DELETED: &[u8] = b"(deleted)";

/// The severity of a finding of this kind, by this origin, with these services found open and
/// these ports asked for.
pub(crate) fn of(
    kind: Kind,
    origin: &Origin,
    open: &BTreeSet<Service>,
    ports: &BTreeSet<u16>,
) -> Severity {
    let outside = origin.level == Level::Address
        && origin.address.is_some_and(|address| !address.is_internal());
    if outside {
        // The internet knocks at every edge all day long; what it found open matters.
        return if open.is_empty() { Severity::Low } else { Severity::Medium };
    }
    let found = open.iter().any(|service| PRIZED.contains(&service.port));
    let asked = PRIZED.iter().any(|port| ports.contains(port));
    let hidden =
        [&origin.process, &origin.child].into_iter().flatten().any(|process| is_writable(process));
    let base = match kind {
        Kind::HostSweep | Kind::Tool | Kind::Enumeration | Kind::Proxy => Severity::Low,
        _ => Severity::Medium,
    };
    let base = if reaches_out(origin, ports).is_empty() { base } else { raise(base) };
    match (found || (asked && !open.is_empty()), hidden) {
        (true, true) => Severity::Critical.min(raise(raise(base))),
        (true, false) | (false, true) => raise(base),
        (false, false) => base,
    }
}

/// The control ports that a container asked for: the sign of a breakout.
pub(crate) fn reaches_out(origin: &Origin, ports: &BTreeSet<u16>) -> Vec<u16> {
    let asked = CONTROL.into_iter().filter(|port| ports.contains(port));
    if origin.container.is_some() { asked.collect() } else { Vec::new() }
}

/// What is said of a container that asked for these control ports.
pub(crate) fn breakout(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    format!("{BREAKOUT} ({}): the sign of a breakout", ports.join(", "))
}

/// Whether a note is that of a breakout.
pub(crate) fn is_breakout(note: &str) -> bool {
    note.starts_with(BREAKOUT)
}

const BREAKOUT: &str = "a container asked for ports of its runtime, node or cluster";

/// Whether a process runs from a folder that any user can write to, from a file that is gone, or from
/// one that no image brought.
pub(crate) fn is_writable(process: &Process) -> bool {
    let lies = process.path.as_deref().is_some_and(|path| is_writable_path(path.as_bytes()));
    lies || process.added
}

fn is_writable_path(path: &[u8]) -> bool {
    let begins = |path: &[u8], with: &[u8]| {
        path.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let holds = path.iter().enumerate().any(|(at, byte)| {
        let folders: &[&str] = match byte {
            b'/' => &WRITABLE,
            b'\\' => &WRITABLE_ON_WINDOWS,
            b'm' | b'M' => &IN_MEMORY,
            _ => return false,
        };
        // Most differ in their second letter.
        let second = path.get(at + 1).map(u8::to_ascii_lowercase);
        let mut alike = folders.iter().filter(|folder| folder.as_bytes().get(1) == second.as_ref());
        alike.any(|folder| begins(&path[at..], folder.as_bytes()))
    });
    let end = path.len().saturating_sub(DELETED.len());
    holds || begins(&path[end..], DELETED)
}

/// Changes the severity of a finding of AN1059 by who sat before the process, and says so.
pub(crate) fn by_context(finding: &mut Finding, steps: &ContextSteps) {
    if finding.analytic != Analytic::macos().id || finding.severity == Severity::Informational {
        return;
    }
    let processes = [&finding.origin.child, &finding.origin.process];
    let Some(process) = processes.into_iter().flatten().next() else { return };
    let (steps, who) = match process.context {
        UserContext::Interactive => (steps.interactive, "a person's session started it"),
        UserContext::Daemon => (steps.daemon, "a background daemon, without a session, did it"),
        UserContext::Unknown => (steps.unknown, "nothing tells whether a person started it"),
    };
    for _ in 0..steps {
        finding.severity = raise(finding.severity);
    }
    for _ in steps..0 {
        finding.severity = lower(finding.severity);
    }
    finding.notes.push(who.to_string());
}

fn lower(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        _ => Severity::Low,
    }
}

fn raise(severity: Severity) -> Severity {
    match severity {
        Severity::Informational => Severity::Low,
        Severity::Low => Severity::Medium,
        Severity::Medium => Severity::High,
        Severity::High | Severity::Critical => Severity::Critical,
    }
}

/// How sure we are, 0 to 100: how far the threshold was passed, how much is known of the outcomes,
/// and what else speaks for it.
pub(crate) fn confidence(finding: &Finding, by_order: bool) -> u8 {
    let outcomes = &finding.outcomes;
    let failed = outcomes.refused + outcomes.unanswered;
    let all = (failed + outcomes.open + outcomes.served + outcomes.unknown).max(1);
    let passed = finding
        .why
        .first()
        .map_or(1.0, |first| finding.counts.pairs as f64 / first.threshold.max(1.0));
    let mut confidence = 60;
    confidence += if passed >= 3.0 { 15 } else { 5 };
    confidence += if failed * 2 >= all { 10 } else { 0 };
    let unknown = outcomes.unknown * 2 > all && finding.kind != Kind::Enumeration;
    confidence -= if unknown { 10 } else { 0 };
    confidence -= if by_order && failed * 2 < all { 10 } else { 0 };
    confidence += if finding.tool.is_some() { 15 } else { 0 };
    let sampled = finding.witnesses.iter().any(|witness| witness.log_source.is_sampled());
    confidence -= if sampled { 15 } else { 0 };
    confidence.clamp(5, 99) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_path_is_writable_where_it_holds_such_a_folder(
            parts in proptest::collection::vec(0_usize..24, 0..5)
        ) {
            let more = ["/", "\\", "m", "MEM", "fd:x", "usr", "é", "/TMP", "tmp/", "var", " ", "(", "D)"];
            let folders = || WRITABLE.into_iter().chain(WRITABLE_ON_WINDOWS).chain(IN_MEMORY);
            let all: Vec<&str> = folders().chain(["(Deleted)"]).chain(more).collect();
            let path: String = parts.iter().map(|part| all[*part]).collect();
            let lower = path.to_ascii_lowercase();
            let holds = folders().any(|folder| lower.contains(folder));
            let expected = holds || lower.ends_with("(deleted)");
            prop_assert_eq!(is_writable_path(path.as_bytes()), expected, "{}", path);
        }
    }
}
