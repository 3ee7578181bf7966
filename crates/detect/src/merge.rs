//! The second view: findings that are one scan, seen from several sides.
//!
//! Each origin is judged alone, so that origins can be judged anywhere. What needs to see several
//! findings at once is done here, on findings: decoys and distributed scans become one finding
//! with members, and the same scan in a process log and in packets becomes one finding with two
//! witnesses.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use lapwing_event::{Address, Timestamp};

use crate::episode::{ESTABLISHED_ONLY, OUTCOMES_UNKNOWN};
use crate::finding::{
    Condition, Counts, Finding, Kind, Level, MAX_LISTED, Origin, Outcomes, PortRange, Status,
    Tested, Uid, Witness,
};
use crate::origin::cron_job;
use crate::points;
use crate::reached;
use crate::severity;
use crate::tools::{PROBES_UNSEEN, SCRIPT_UNSEEN};
use crate::tunables::Joining;

/// Joins findings that are one scan. The order of the findings does not matter.
pub fn merge(mut findings: Vec<Finding>, joining: &Joining) -> Vec<Finding> {
    findings.sort_by_key(place);
    let findings = group(findings, Kind::Decoy, joining);
    let findings = group(findings, Kind::Distributed, joining);
    join_witnesses(findings, joining)
}

/// The order of findings: by their first attempt; of two of one moment the address decides, so
/// that the same scans at another time are grouped alike.
fn place(finding: &Finding) -> (Timestamp, Option<Address>, Uid) {
    (finding.first_seen, finding.origin.address, finding.uid)
}

/// Findings that a group of this kind can be made of: one host's ports asked for by an address; or,
/// where a job is shared out, one port of many hosts.
fn can_be_part(finding: &Finding, kind: Kind) -> bool {
    let alone = finding.origin.level == Level::Address && finding.members.is_empty();
    let ports = finding.kind == Kind::Vertical && finding.counts.hosts == 1;
    let hosts = finding.kind == Kind::Horizontal && finding.counts.ports == 1;
    alone && (ports || (hosts && kind == Kind::Distributed))
}

/// Whether two parts of one job ask for the same thing: the ports of one host, or one port of hosts.
fn have_one_aim(a: &Finding, b: &Finding, joining: &Joining) -> bool {
    match (a.kind, b.kind) {
        (Kind::Vertical, Kind::Vertical) => a.hosts == b.hosts,
        (Kind::Horizontal, Kind::Horizontal) => {
            // Two bots that roam the internet for the same port begin together by chance; that they
            // end together, after as many hosts, is no chance.
            let apart = a.last_seen.max(b.last_seen).since(a.last_seen.min(b.last_seen));
            a.ports == b.ports && a.protocols == b.protocols && apart <= joining.parts_within
        }
        _ => false,
    }
}

/// Gathers findings about one target that belong together into findings with members. The findings are
/// in the order of [`place`], so that each is compared with those alone that begin soon after it:
/// there can be tens of thousands.
fn group(findings: Vec<Finding>, kind: Kind, joining: &Joining) -> Vec<Finding> {
    let (candidates, mut rest): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(|finding| can_be_part(finding, kind));
    let (fewest, apart) = match kind {
        Kind::Decoy => (joining.fewest_decoys, joining.decoys_within),
        _ => (joining.fewest_parts, joining.parts_within),
    };
    let mut candidates: Vec<Option<Finding>> = candidates.into_iter().map(Some).collect();
    for at in 0..candidates.len() {
        let Some(head) = candidates[at].take() else { continue };
        let soon = |finding: &Finding| finding.first_seen.since(head.first_seen) <= apart;
        let with: Vec<usize> = (at + 1..candidates.len())
            .take_while(|other| candidates[*other].as_ref().is_none_or(soon))
            .filter(|other| {
                candidates[*other]
                    .as_ref()
                    .is_some_and(|other| are_parts(&head, other, kind, joining))
            })
            .collect();
        let fewest = if head.kind == Kind::Horizontal { joining.fewest_sweepers } else { fewest };
        if with.len() + 1 < fewest as usize {
            rest.push(head);
            continue;
        }
        let mut parts = vec![head];
        parts.extend(with.into_iter().filter_map(|other| candidates[other].take()));
        rest.push(of_parts(parts, kind));
    }
    rest.sort_by_key(place);
    rest
}

/// Whether two findings can be parts of one; what is cheap to tell is looked at first.
fn are_parts(a: &Finding, b: &Finding, kind: Kind, joining: &Joining) -> bool {
    have_one_aim(a, b, joining)
        && match kind {
            Kind::Decoy => a.footprint.overlap(&b.footprint) >= joining.decoys_overlap,
            _ => {
                is_like_sized(a, b, joining)
                    && a.footprint.overlap(&b.footprint) <= joining.parts_overlap
            }
        }
}

/// The parts of one job are cut alike.
fn is_like_sized(a: &Finding, b: &Finding, joining: &Joining) -> bool {
    let (small, large) = (a.counts.pairs.min(b.counts.pairs), a.counts.pairs.max(b.counts.pairs));
    large <= small.saturating_mul(joining.parts_size)
}

/// One finding of several sources' parts: the first is the likeliest scanner.
fn of_parts(mut parts: Vec<Finding>, kind: Kind) -> Finding {
    // The scanner asks for its target's link address under its own address, before its first
    // probe, and is answered; addresses that nobody holds are not.
    parts.sort_by_key(|part| {
        let answered = part.outcomes.open + part.outcomes.refused + part.outcomes.served;
        (part.resolved.is_none(), part.resolved, Reverse(answered), part.first_seen, part.uid)
    });
    let members: Vec<_> = parts.iter().take(MAX_LISTED).map(|part| part.origin.clone()).collect();
    let count = parts.len();
    // Callers pass at least the fewest parts of a group, so there is a first.
    let mut finding = parts.remove(0);
    for part in parts {
        absorb(&mut finding, part, kind == Kind::Distributed);
    }
    finding.kind = kind;
    finding.members = members;
    finding.notes.push(match kind {
        Kind::Decoy => format!(
            "{count} sources sent the same probes: one is the scanner, the others are decoys; \
             which one is not certain"
        ),
        _ if finding.counts.ports == 1 => {
            format!("{count} sources probed different hosts for one port together")
        }
        _ => format!("{count} sources probed different ports of one host together"),
    });
    if kind == Kind::Decoy {
        finding.confidence = finding.confidence.min(60);
    }
    finding
}

/// Adds what another finding of the same scan knows. `add_up` where the other made probes of its
/// own, so that counts add up; otherwise both saw the same probes.
fn absorb(finding: &mut Finding, other: Finding, add_up: bool) {
    finding.footprint = finding.footprint.joined(&other.footprint);
    finding.first_seen = finding.first_seen.min(other.first_seen);
    finding.last_seen = finding.last_seen.max(other.last_seen);
    finding.hosts = united(&finding.hosts, &other.hosts);
    finding.open = united(&finding.open, &other.open);
    finding.open_count = finding.open_count.max(other.open_count).max(finding.open.len() as u64);
    finding.prefixes = united(&finding.prefixes, &other.prefixes);
    finding.ports = united_ranges(&finding.ports, &other.ports);
    finding.reached = reached::joined(std::mem::take(&mut finding.reached), other.reached, add_up);
    let mut protocols: BTreeSet<_> = finding.protocols.iter().copied().collect();
    protocols.extend(other.protocols.iter().copied());
    finding.protocols = protocols.into_iter().collect();
    for technique in other.techniques {
        if !finding.techniques.contains(&technique) {
            finding.techniques.push(technique);
        }
    }
    for told in other.why {
        let same =
            |known: &&mut Condition| known.condition == told.condition && known.key == told.key;
        match finding.why.iter_mut().find(same) {
            Some(known) if known.value < told.value => *known = told,
            Some(_) => {}
            None => finding.why.push(told),
        }
    }
    finding.detected_after = match (finding.detected_after, other.detected_after) {
        // A tool is told of by its command line, before any attempt.
        (0, after) | (after, 0) => after,
        (one, two) => one.min(two),
    };
    finding.severity = finding.severity.max(other.severity);
    finding.confidence = finding.confidence.max(other.confidence);
    if add_up {
        finding.points = points::joined(std::mem::take(&mut finding.points), other.points);
        finding.counts = added(finding.counts, other.counts, finding.footprint.distinct());
        finding.outcomes = summed(finding.outcomes, other.outcomes);
    } else if other.outcomes.known() > finding.outcomes.known() {
        // Of the same probes: what one log does not know the other may.
        let rest = finding.counts.attempts.saturating_sub(other.outcomes.known());
        finding.outcomes = Outcomes { unknown: rest, ..other.outcomes };
    }
    finding.rate = finding.counts.attempts as f64
        / finding.last_seen.since(finding.first_seen).as_seconds().max(1.0);
    finding.witnesses.extend(other.witnesses);
    finding.witnesses.sort_unstable();
    finding.witnesses.dedup();
    if finding.status != Status::Suppressed && other.status == Status::Suppressed {
        finding.status = Status::Suppressed;
        finding.suppressed_by = other.suppressed_by;
    }
    finding.notes = notes(std::mem::take(&mut finding.notes), other.notes, &finding.ports);
    if finding.outcomes.known() >= finding.outcomes.unknown {
        finding.notes.retain(|note| note != OUTCOMES_UNKNOWN);
    }
    if finding.outcomes.refused + finding.outcomes.unanswered > 0 {
        finding.notes.retain(|note| note != ESTABLISHED_ONLY);
    }
}

/// The notes of two findings of one scan, each thing said once.
fn notes(mut own: Vec<String>, other: Vec<String>, ports: &[PortRange]) -> Vec<String> {
    for note in other {
        // Both may say the same with other numbers: those of the finding that is kept hold.
        if !own.iter().any(|known| gist(known) == gist(&note)) {
            own.push(note);
        }
    }
    if let Some(breakout) = own.iter_mut().find(|note| severity::is_breakout(note)) {
        let asked =
            |port: &u16| ports.iter().any(|range| (range.first..=range.last).contains(port));
        let control: Vec<u16> = severity::CONTROL.into_iter().filter(asked).collect();
        *breakout = severity::breakout(&control);
    }
    own.sort();
    own
}

/// What a note says without its numbers and what stands in brackets.
fn gist(note: &str) -> String {
    let mut depth = 0_u32;
    let keeps = |c: &char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && !c.is_ascii_digit() && !matches!(c, '.' | ',')
    };
    note.chars().filter(keeps).collect()
}

fn united<T: Ord + Copy>(a: &[T], b: &[T]) -> Vec<T> {
    let all: BTreeSet<T> = a.iter().chain(b).copied().collect();
    all.into_iter().take(MAX_LISTED).collect()
}

fn united_ranges(a: &[PortRange], b: &[PortRange]) -> Vec<PortRange> {
    let all: BTreeSet<PortRange> = a.iter().chain(b).copied().collect();
    let mut joined: Vec<PortRange> = Vec::new();
    for range in all {
        match joined.last_mut() {
            Some(known) if range.first <= known.last.saturating_add(1) => {
                known.last = known.last.max(range.last);
            }
            _ => joined.push(range),
        }
    }
    joined.truncate(MAX_LISTED);
    joined
}

/// Counts of parts of one job: attempts add up, and so do ports or hosts, of which the parts share
/// few.
fn added(a: Counts, b: Counts, pairs: u64) -> Counts {
    if a.ports == 1 && b.ports == 1 {
        return Counts {
            attempts: a.attempts + b.attempts,
            hosts: (a.hosts + b.hosts).min(pairs.max(a.hosts)),
            ports: 1,
            pairs,
        };
    }
    Counts {
        attempts: a.attempts + b.attempts,
        hosts: a.hosts.max(b.hosts),
        ports: (a.ports + b.ports).min(pairs.max(a.ports)),
        pairs,
    }
}

fn summed(a: Outcomes, b: Outcomes) -> Outcomes {
    Outcomes {
        open: a.open + b.open,
        served: a.served + b.served,
        refused: a.refused + b.refused,
        unanswered: a.unanswered + b.unanswered,
        unknown: a.unknown + b.unknown,
    }
}

/// Joins each finding of packets or flows with the process or pod finding that is the same scan, and
/// each of a pod's flows with the process's.
fn join_witnesses(findings: Vec<Finding>, joining: &Joining) -> Vec<Finding> {
    let (network, mut named): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(|finding| finding.origin.level == Level::Address);
    join_host_findings(&mut named, joining);
    let mut rest = join(network, &mut named, joining);
    // A pod's flows may be the attempts of all its processes together, or of one of them.
    let (pods, mut processes) =
        named.into_iter().partition(|finding| is_pod_alone(&finding.origin));
    rest.extend(join(pods, &mut processes, joining));
    let (together, mut hosts) =
        processes.into_iter().partition(|finding| finding.origin.level == Level::Container);
    rest.extend(join(together, &mut hosts, joining));
    rest.extend(hosts);
    rest.sort_by_key(place);
    rest
}

/// Whether a pod is all that is known of who scanned.
fn is_pod_alone(origin: &Origin) -> bool {
    origin.level == Level::Container && origin.process.is_none() && origin.child.is_none()
}

/// Joins what the network showed with the best of the findings that name more; gives back the rest.
fn join(network: Vec<Finding>, hosts: &mut [Finding], joining: &Joining) -> Vec<Finding> {
    let mut rest = Vec::new();
    for seen in network {
        let best = hosts
            .iter()
            .enumerate()
            .map(|(at, host)| (at, likeness(host, &seen, joining)))
            .filter(|(_, likeness)| *likeness > 0.0)
            .max_by(|(a_at, a), (b_at, b)| a.total_cmp(b).then(b_at.cmp(a_at)));
        match best {
            Some((at, likeness)) => witness(&mut hosts[at], seen, likeness),
            None => rest.push(seen),
        }
    }
    rest
}

/// Joins findings of one process in several logs of its computer (Sysmon and the filtering
/// platform name it differently) where they are the same scan.
fn join_host_findings(hosts: &mut Vec<Finding>, joining: &Joining) {
    let mut at = 0;
    while at < hosts.len() {
        let same = (at + 1..hosts.len())
            .find(|other| is_same_process(&hosts[at], &hosts[*other], joining));
        match same {
            Some(other) => {
                let other = hosts.remove(other);
                if other.counts.pairs > hosts[at].counts.pairs {
                    hosts[at].counts = other.counts;
                    hosts[at].outcomes = other.outcomes;
                    hosts[at].kind = other.kind;
                    tested_by(&mut hosts[at], &other);
                }
                absorb(&mut hosts[at], other, false);
            }
            None => at += 1,
        }
    }
}

fn is_same_process(a: &Finding, b: &Finding, joining: &Joining) -> bool {
    let (Some(one), Some(two)) = (&a.origin.process, &b.origin.process) else { return false };
    let same_device = match (a.origin.device.as_deref(), b.origin.device.as_deref()) {
        (Some(one), Some(two)) => is_same_computer(one, two),
        _ => false,
    };
    // Findings of one log are of two processes; so are two without a unique id, which may be one
    // id's processes one after the other.
    let told_apart = shares_log(a, b) || (one.guid.is_none() && two.guid.is_none());
    (same_device || is_same_pod(a, b) == Some(true))
        && a.origin.level == b.origin.level
        && one.pid == two.pid
        && !told_apart
        && overlaps_in_time(a, b, joining)
        && a.footprint.containment(&b.footprint) >= joining.shared
}

/// Whether two names may be one computer's: the same in any case of letters, or one of them the first
/// label of the other, as syslog, NetBIOS and some agents write it.
fn is_same_computer(one: &str, two: &str) -> bool {
    let short = |long: &str, short: &str| {
        long.split_once('.').is_some_and(|(label, _)| label.eq_ignore_ascii_case(short))
    };
    one.eq_ignore_ascii_case(two) || short(one, two) || short(two, one)
}

/// Whether a log source told of both.
fn shares_log(a: &Finding, b: &Finding) -> bool {
    let told = |witness: &Witness| witness.log_source;
    a.witnesses.iter().any(|one| b.witnesses.iter().any(|other| told(one) == told(other)))
}

/// Whether both name a pod and it is the same; `None` where one of them names none.
fn is_same_pod(a: &Finding, b: &Finding) -> Option<bool> {
    let (one, two) = (a.origin.container.as_deref()?, b.origin.container.as_deref()?);
    let (pod, other) = (one.pod.as_deref()?, two.pod.as_deref()?);
    let same = pod == other || cron_job(pod).is_some_and(|job| cron_job(other) == Some(job));
    Some(same && one.namespace == two.namespace)
}

fn overlaps_in_time(a: &Finding, b: &Finding, joining: &Joining) -> bool {
    let skew = joining.clock_skew;
    a.first_seen <= b.last_seen.plus(skew) && b.first_seen <= a.last_seen.plus(skew)
}

/// How alike a process's finding and an address's finding are, 0 where they are not one scan.
fn likeness(host: &Finding, seen: &Finding, joining: &Joining) -> f64 {
    let addresses = host.origin.address.is_none_or(|address| {
        let member = |origin: &crate::finding::Origin| origin.address == Some(address);
        member(&seen.origin) || seen.members.iter().any(member)
    });
    if !addresses || is_same_pod(host, seen) == Some(false) {
        return 0.0;
    }
    if host.kind == Kind::Tool {
        return tool_likeness(host, seen, joining);
    }
    let wanted = match host.origin.address {
        Some(_) => joining.shared_with_address,
        None => joining.shared,
    };
    if !overlaps_in_time(host, seen, joining) {
        return 0.0;
    }
    let shared = host.footprint.containment(&seen.footprint);
    if shared >= wanted { shared } else { 0.0 }
}

/// A tool whose probes no log of its host shows: the packets that follow its start, to the targets
/// that its command line names.
fn tool_likeness(tool: &Finding, seen: &Finding, joining: &Joining) -> f64 {
    let after = seen.last_seen.plus(joining.clock_skew) >= tool.first_seen;
    // A scan begins within moments of its tool's start; a long one runs on.
    let soon = seen.first_seen.since(tool.first_seen) <= joining.tool_within
        && tool.first_seen.since(seen.first_seen) <= joining.clock_skew;
    if !after || !soon || tool.tool_targets.is_empty() || seen.hosts.is_empty() {
        return 0.0;
    }
    let named = |host: &Address| tool.tool_targets.iter().any(|target| target.contains(*host));
    let share =
        seen.hosts.iter().filter(|host| named(host)).count() as f64 / seen.hosts.len() as f64;
    if share >= joining.tool_share { share } else { 0.0 }
}

/// Takes over what another finding tested, where its outcomes hold: what was ruled out must fit them.
fn tested_by(finding: &mut Finding, other: &Finding) {
    let own = std::mem::replace(&mut finding.tested, other.tested.clone());
    let is_new = |known: &Tested| other.tested.iter().all(|tested| tested.class != known.class);
    finding.tested.extend(own.into_iter().filter(is_new));
}

/// Adds the packets' testimony to a process's finding.
fn witness(host: &mut Finding, seen: Finding, likeness: f64) {
    let share = (likeness * 100.0).round();
    let how = match (host.kind, host.origin.address) {
        (Kind::Tool, _) => format!(
            "joined with {} by the targets that its command line names ({share}% of hosts)",
            seen.origin.address.map(|address| address.to_string()).unwrap_or_default()
        ),
        (_, Some(address)) => format!("joined by address {address} and {share}% of targets"),
        (_, None) => format!("joined by {share}% of targets at the same time"),
    };
    host.origin.address = host.origin.address.or(seen.origin.address);
    if host.origin.container.is_none() {
        host.origin.container.clone_from(&seen.origin.container);
    }
    if host.kind == Kind::Tool || seen.counts.pairs >= host.counts.pairs || !seen.members.is_empty()
    {
        host.kind = seen.kind;
        host.counts = seen.counts;
        host.outcomes = seen.outcomes;
        host.points.clone_from(&seen.points);
        host.techniques.clone_from(&seen.techniques);
        tested_by(host, &seen);
    }
    if host.members.is_empty() {
        host.members.clone_from(&seen.members);
    }
    host.notes.retain(|note| note != PROBES_UNSEEN && note != SCRIPT_UNSEEN);
    absorb(host, seen, false);
    host.notes.push(how);
    host.confidence = host.confidence.saturating_add(10).min(99);
}
