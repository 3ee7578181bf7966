//! Episodes: one scan from its first attempt to its end.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use foldhash::quality::FixedState;
use lapwing_event::{
    Address, InputId, LogSource, Outcome, Prefix, Protocol, Record, Span, Technique, Timestamp,
};

use crate::attempt::{Contact, protocol_byte};
use crate::bounded::{identity, identity_seeded};
use crate::fan_out::{Axis, Crossing, Crowd};
use crate::finding::{
    Condition, Counts, Finding, Kind, Level, MAX_LISTED, Origin, Outcomes, PortRange, Service,
    Severity, Status, Uid, Witness,
};
use crate::footprint::Footprint;
use crate::severity;
use crate::tools::Tool;
use crate::tunables::EpisodeTunables;

/// How many distinct targets an episode counts exactly: every port of a host, or every host of a
/// /16. Beyond it counts are a lower bound, and the finding says so.
const MAX_TARGETS: usize = 65_536;

/// How many (log source, input) pairs an episode lists as witnesses: a scan over a folder of
/// hourly files for a month stays listed whole.
const MAX_WITNESSES: usize = 1024;

/// How many conditions a finding lists.
const MAX_CONDITIONS: usize = 16;

/// How few ports, or hosts, still make one of the plain shapes: masscan of ports 22, 80 and 443 is
/// a sweep, a scan of three hosts' thousand ports is vertical.
const FEW: usize = 3;

/// How many targets with ports make the shape of an episode that also looked for hosts: nmap asks
/// by ARP before it probes.
const SHAPED: usize = 10;

/// The longest that an episode waits for its next probe, whatever its gaps.
const LONGEST_QUIET: Span = Span::seconds(24 * 3600);

/// One scan, while it is being watched and while it may resume.
#[derive(Debug)]
pub(crate) struct Episode {
    analytic: &'static str,
    origin: Origin,
    uid: Uid,
    first: Timestamp,
    last: Timestamp,
    closed: bool,
    resumed: u32,
    reported: u64,
    tool: Option<Tool>,
    axes: BTreeSet<Axis>,
    by_order: bool,
    why: Vec<Condition>,
    pairs: HashSet<u64, FixedState>,
    port_pairs: usize,
    hosts: BTreeSet<Address>,
    /// Hosts that were asked for a port, apart from those that were only looked for.
    port_hosts: BTreeSet<Address>,
    ports: BTreeSet<(u8, u16)>,
    open: BTreeSet<Service>,
    /// Hosts that answered when they were looked for.
    alive: BTreeSet<Service>,
    /// When the origin first looked up the link address of a target.
    resolved: Option<Timestamp>,
    attempts: u64,
    outcomes: Outcomes,
    techniques: BTreeMap<Technique, u64>,
    protocols: BTreeSet<Protocol>,
    witnesses: BTreeMap<(LogSource, InputId), (Record, Record, u64)>,
    children: BTreeSet<u64>,
    footprint: Footprint,
    crowd: Crowd,
    unlisted: u64,
}

/// Said of a tool whose probes no log shows.
pub(crate) const PROBES_UNSEEN: &str = "no scan by this process was seen: raw-packet scanners make \
    no connect call; look for its packets or flows";

/// Said where a log source tells of attempts and not of what came of them.
pub(crate) const OUTCOMES_UNKNOWN: &str = "most outcomes are not known to the log source: breadth \
    and order carry this finding";

impl Episode {
    /// An episode of this origin that begins now.
    pub fn new(analytic: &'static str, origin: Origin, id: u64, first: Timestamp) -> Episode {
        let parts: [&[u8]; 3] = [analytic.as_bytes(), &id.to_be_bytes(), &first.0.to_be_bytes()];
        let high = u128::from(identity_seeded(1, &parts));
        let low = u128::from(identity_seeded(2, &parts));
        Episode {
            analytic,
            origin,
            uid: Uid(high << 64 | low),
            first,
            last: first,
            closed: false,
            resumed: 0,
            reported: 0,
            tool: None,
            axes: BTreeSet::new(),
            by_order: false,
            why: Vec::new(),
            pairs: HashSet::default(),
            port_pairs: 0,
            hosts: BTreeSet::new(),
            port_hosts: BTreeSet::new(),
            ports: BTreeSet::new(),
            open: BTreeSet::new(),
            alive: BTreeSet::new(),
            resolved: None,
            attempts: 0,
            outcomes: Outcomes::default(),
            techniques: BTreeMap::new(),
            protocols: BTreeSet::new(),
            witnesses: BTreeMap::new(),
            children: BTreeSet::new(),
            footprint: Footprint::default(),
            crowd: Crowd::default(),
            unlisted: 0,
        }
    }

    /// Notes that the origin's command line is a scanner's, as a record says.
    pub fn note_tool(&mut self, tool: &Tool, log_source: LogSource, record: Record) {
        self.why.push(Condition {
            condition: format!("command line of {} matches {}", tool.name, tool.pattern),
            value: 1.0,
            threshold: 1.0,
            key: "analytics.AN1058.ToolPatternRegex",
        });
        self.tool = Some(tool.clone());
        self.witness(log_source, record);
    }

    /// Notes a threshold that was crossed.
    pub fn note_crossing(&mut self, crossing: &Crossing) {
        self.by_order |= crossing.by_order;
        if self.axes.insert(crossing.axis) && self.why.len() < MAX_CONDITIONS {
            self.why.push(crossing.condition.clone());
        }
    }

    /// Notes that the origin looked up the link address of a host: a spoofed one never does.
    pub fn note_lookup(&mut self, contact: &Contact) {
        let lookup = matches!(contact.protocol, Protocol::Arp | Protocol::Neighbour);
        if lookup && self.port_hosts.contains(&contact.target) {
            self.resolved = self.resolved.into_iter().chain([contact.time]).min();
        }
    }

    /// Whether a contact of the same origin belongs to the scan: it lies on an axis that was
    /// crossed, or it is a probe by itself. What the origin does beside its scan does not.
    pub fn admits(&self, contact: &Contact) -> bool {
        let on_axis = self.axes.contains(&Axis::Ports(contact.target))
            || self.axes.contains(&Axis::Hosts(contact.protocol, contact.port));
        // What weighs a quarter or less is what benign origins fail at too.
        let probe = contact.weight > 0.25;
        let related = match self.origin.level {
            // An address stands for all programs behind it: what failed elsewhere may be another's.
            Level::Address | Level::Device => {
                let port = (protocol_byte(contact.protocol), contact.port);
                let near = self.hosts.contains(&contact.target) || self.ports.contains(&port);
                contact.failed() && (near || self.axes.contains(&Axis::Pairs))
            }
            _ => true,
        };
        self.tool.is_some() || on_axis || (probe && related)
    }

    /// Adds contacts that made it cross a threshold, those that it holds already left out.
    pub fn add_new(&mut self, contacts: &[Contact]) {
        for contact in contacts {
            if !self.pairs.contains(&identity(&[&contact.pair()])) {
                self.add(contact);
            }
        }
    }

    /// Adds a first contact.
    pub fn add(&mut self, contact: &Contact) {
        self.last = self.last.max(contact.time);
        self.first = self.first.min(contact.time);
        self.attempts += 1;
        self.outcomes.add(contact.outcome);
        *self.techniques.entry(contact.technique).or_insert(0) += 1;
        self.protocols.insert(contact.protocol);
        self.witness(contact.log_source, contact.record);
        if self.children.len() < MAX_TARGETS {
            self.children.insert(contact.child);
        }
        if self.pairs.len() >= MAX_TARGETS {
            self.unlisted += 1;
            return;
        }
        self.crowd.add(contact);
        let pair = identity(&[&contact.pair()]);
        if self.pairs.insert(pair) {
            self.footprint.add(pair);
            self.port_pairs += usize::from(contact.has_port());
        }
        self.hosts.insert(contact.target);
        if contact.has_port() {
            self.port_hosts.insert(contact.target);
            self.ports.insert((protocol_byte(contact.protocol), contact.port));
        }
        self.note_answer(contact);
    }

    /// Notes a further touch of a known target: an open service shows itself late.
    pub fn touch(&mut self, contact: &Contact) {
        let answered = matches!(contact.outcome, Outcome::Open | Outcome::Served);
        if answered && self.pairs.contains(&identity(&[&contact.pair()])) {
            self.witness(contact.log_source, contact.record);
            self.note_answer(contact);
        }
    }

    fn note_answer(&mut self, contact: &Contact) {
        let answered = matches!(contact.outcome, Outcome::Open | Outcome::Served);
        let known = if contact.has_port() { &mut self.open } else { &mut self.alive };
        if answered && known.len() < MAX_TARGETS {
            let Contact { target: host, protocol, port, .. } = *contact;
            known.insert(Service { host, protocol, port });
        }
    }

    fn witness(&mut self, log_source: LogSource, record: Record) {
        let full = self.witnesses.len() >= MAX_WITNESSES;
        let key = (log_source, record.input);
        if full && !self.witnesses.contains_key(&key) {
            return;
        }
        let (first, last, count) = self.witnesses.entry(key).or_insert((record, record, 0));
        *first = (*first).min(record);
        *last = (*last).max(record);
        *count += 1;
    }

    /// When the episode closes if nothing more comes.
    pub fn deadline(&self, tunables: &EpisodeTunables) -> Timestamp {
        let gaps = self.attempts.saturating_sub(1).max(1) as i64;
        let usual_gap = Span(self.last.since(self.first).0 / gaps);
        let quiet = usual_gap.times(i64::from(tunables.quiet_gaps)).max(tunables.quiet);
        self.last.plus(quiet.min(LONGEST_QUIET.max(tunables.quiet)))
    }

    /// Whether the scan has grown enough since it was last told of to be told of again.
    pub fn has_grown(&self, tunables: &EpisodeTunables) -> bool {
        self.attempts as f64 >= self.reported as f64 * tunables.growth.max(1.0) && self.attempts > 0
    }

    /// Ends the episode; it may resume.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether it ended.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// When its last attempt was.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// Goes on after it had ended.
    pub fn resume(&mut self) {
        self.closed = false;
        self.resumed += 1;
    }

    /// Every host that was probed.
    pub fn hosts(&self) -> impl Iterator<Item = Address> {
        self.hosts.iter().copied()
    }

    /// Every port that was probed.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().map(|(_, port)| *port)
    }

    /// First contacts a second, over at least one second.
    pub fn rate(&self) -> f64 {
        self.attempts as f64 / self.last.since(self.first).as_seconds().max(1.0)
    }

    /// The shape of what was probed.
    fn kind(&self) -> Kind {
        // A handful of attempts beside a scanner's command line is its preparation (hping connects
        // once to learn its own address), not its scan.
        if self.axes.is_empty() {
            return Kind::Tool;
        }
        if self.port_pairs == 0 || (self.port_pairs < SHAPED && self.port_pairs < self.pairs.len())
        {
            // One protocol after another to one host is `nmap -sO`: its services, not its presence.
            return if self.hosts.len() <= 1 { Kind::Vertical } else { Kind::HostSweep };
        }
        let (hosts, ports) = (self.port_hosts.len(), self.ports.len());
        match (hosts <= FEW, ports <= FEW) {
            (true, true) if hosts >= ports => Kind::Horizontal,
            (true, _) => Kind::Vertical,
            (false, true) => Kind::Horizontal,
            (false, false) => Kind::Block,
        }
    }

    /// What is to be said of the episode now.
    pub fn finding(&mut self) -> Finding {
        self.reported = self.attempts;
        let kind = self.kind();
        let open = if kind == Kind::HostSweep { &self.alive } else { &self.open };
        let prefixes: BTreeSet<Prefix> = self.hosts.iter().map(|host| host.subnet()).collect();
        let mut techniques: Vec<(Technique, u64)> =
            self.techniques.iter().map(|(technique, count)| (*technique, *count)).collect();
        techniques.sort_by_key(|(technique, count)| (std::cmp::Reverse(*count), *technique));
        let mut finding = Finding {
            uid: self.uid,
            analytic: self.analytic,
            kind,
            status: if self.closed { Status::Closed } else { Status::Open },
            severity: self.severity(kind, open),
            confidence: 0,
            origin: self.origin.clone(),
            members: Vec::new(),
            first_seen: self.first,
            last_seen: self.last,
            counts: Counts {
                attempts: self.attempts,
                hosts: self.hosts.len() as u64,
                ports: self.ports.len() as u64,
                pairs: self.pairs.len() as u64,
            },
            outcomes: self.outcomes,
            hosts: self.hosts.iter().copied().take(MAX_LISTED).collect(),
            ports: ranges(self.ports.iter().map(|(_, port)| *port)),
            open: open.iter().copied().take(MAX_LISTED).collect(),
            open_count: open.len() as u64,
            prefixes: prefixes.into_iter().take(MAX_LISTED).collect(),
            protocols: self.protocols.iter().copied().collect(),
            techniques: techniques.into_iter().map(|(technique, _)| technique).collect(),
            tool: self.tool.as_ref().map(|tool| tool.name.clone()),
            rate: self.rate(),
            why: self.why.clone(),
            witnesses: self.witnesses.iter().map(witness).collect(),
            suppressed_by: None,
            notes: self.notes(kind),
            footprint: self.footprint.clone(),
            resolved: self.resolved,
            tool_targets: self.tool.as_ref().map(|tool| tool.targets.clone()).unwrap_or_default(),
        };
        finding.confidence = severity::confidence(&finding, self.by_order);
        finding
    }

    fn severity(&self, kind: Kind, open: &BTreeSet<Service>) -> Severity {
        if self.is_crowd() {
            // DESIGN.md section 5: a recognised confuser is at most informational.
            return Severity::Informational;
        }
        let ports = self.ports.iter().map(|(_, port)| *port).collect();
        severity::of(kind, &self.origin, open, &ports)
    }

    /// Whether what crossed a threshold turned out to be a peer-to-peer client, which its first
    /// dead peers do not show yet.
    fn is_crowd(&self) -> bool {
        self.tool.is_none() && self.crowd.is_peer_to_peer()
    }

    fn notes(&self, kind: Kind) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |applies: bool, text: String| {
            if applies {
                notes.push(text);
            }
        };
        let outcomes = self.outcomes;
        note(kind == Kind::Tool, PROBES_UNSEEN.to_string());
        note(outcomes.unknown > outcomes.known(), OUTCOMES_UNKNOWN.to_string());
        let established_only =
            self.witnesses.keys().any(|(log_source, _)| !log_source.sees_failures());
        note(
            established_only,
            "sysmon event 3 holds established connections only: refused and unanswered probes of \
             this scan do not show"
                .to_string(),
        );
        note(
            self.origin.process.as_ref().is_some_and(|process| process.pid == 4)
                && self.analytic == "AN1057",
            "the System process sends SMB for others: the asking process is not recorded"
                .to_string(),
        );
        note(
            self.origin.level == Level::Lineage,
            format!("{} processes made these attempts", self.children.len()),
        );
        note(
            self.is_crowd(),
            "looks like a peer-to-peer client: one unprivileged port a host, and peers that are or \
             were there"
                .to_string(),
        );
        note(
            self.unlisted > 0,
            format!(
                "counts of hosts, ports and pairs are lower bounds: {} attempts lie beyond the {MAX_TARGETS} targets that are counted",
                self.unlisted
            ),
        );
        note(self.resumed > 0, format!("resumed {} times after a pause", self.resumed));
        notes
    }
}

fn witness(
    ((log_source, _), (first, last, records)): (&(LogSource, InputId), &(Record, Record, u64)),
) -> Witness {
    Witness { log_source: *log_source, first: *first, last: *last, records: *records }
}

/// Ports as ascending ranges, at most [`MAX_LISTED`].
fn ranges(ports: impl Iterator<Item = u16>) -> Vec<PortRange> {
    let ports: BTreeSet<u16> = ports.collect();
    let mut ranges: Vec<PortRange> = Vec::new();
    for port in ports {
        match ranges.last_mut() {
            Some(range) if range.last.checked_add(1) == Some(port) => range.last = port,
            _ => ranges.push(PortRange { first: port, last: port }),
        }
    }
    ranges.truncate(MAX_LISTED);
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_listed_as_ranges() {
        let shown: Vec<String> = ranges([80, 22, 81, 82, 443, 65535].into_iter())
            .iter()
            .map(PortRange::to_string)
            .collect();
        assert_eq!(shown, ["22", "80-82", "443", "65535"]);
    }
}
