//! Episodes: one scan from its first attempt to its end.

mod facts;
mod telling;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use foldhash::quality::FixedState;
use lapwing_event::{
    Address, InputId, LogSource, Outcome, Process, Protocol, Record, Span, Technique, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::analytics::{self, Analytic};
use crate::attempt::{Contact, protocol_byte};
use crate::bindings::Bindings;
use crate::bounded::{Scored, identity, identity_seeded};
use crate::crossing::{Axis, Crossing};
use crate::crowd::Crowd;
use crate::finding::{Condition, Level, MAX_LISTED, Origin, Outcomes, Service, Uid};
use crate::footprint::Footprint;
use crate::image;
use crate::points::Points;
use crate::reached::Targets;
use crate::standing::Standing;
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

/// How many programs of a session a finding names.
const MAX_PROGRAMS: usize = 8;

/// How few ports, or hosts, still make one of the plain shapes: masscan of ports 22, 80 and 443 is
/// a sweep, a scan of three hosts' thousand ports is vertical.
const FEW: usize = 3;

/// How many targets with ports make the shape of an episode that also looked for hosts: nmap asks
/// by ARP before it probes.
const SHAPED: usize = 10;

/// The longest that an episode waits for its next probe, whatever its gaps.
const LONGEST_QUIET: Span = Span::seconds(24 * 3600);

/// One scan, while it is being watched and while it may resume.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Episode {
    #[serde(with = "analytics::by_id")]
    analytic: &'static Analytic,
    origin: Origin,
    uid: Uid,
    first: Timestamp,
    last: Timestamp,
    closed: bool,
    resumed: u32,
    reported: u64,
    /// How many attempts it held when it was first told of; `None` before that.
    first_told: Option<u64>,
    tool: Option<Tool>,
    axes: BTreeSet<Axis>,
    by_order: bool,
    why: Vec<Condition>,
    #[serde(serialize_with = "image::ascending")]
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
    /// The programs of a session's attempts; the first few.
    programs: BTreeSet<Box<str>>,
    footprint: Footprint,
    points: Points,
    crowd: Crowd,
    targets: Targets,
    unlisted: u64,
    /// Names asked for, in a service-name enumeration.
    names: BTreeSet<Box<str>>,
    /// Further visits to targets that it holds.
    revisits: u64,
    /// How often the origin used services, as part of it or beside it.
    uses: u64,
    /// What is known of its address beside it.
    standing: Standing,
    /// Targets that were visited again.
    #[serde(serialize_with = "image::ascending")]
    revisited: HashSet<u64, FixedState>,
    /// The shortest window in which a threshold was crossed.
    fastest: Option<Span>,
    /// Whether it was last told of as ordinary.
    ordinary: bool,
    /// The highest value of the analytic's threshold that its contacts still cross; 0 where they do
    /// not cross it at all, infinite where it is too large a scan to be tuned away.
    peak: f64,
}

/// What a record says of an origin that speaks for a scan of it, and is none by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Evidence {
    pub what: String,
    pub time: Timestamp,
    pub log_source: LogSource,
    pub record: Record,
}

impl Scored for Evidence {
    fn score(&self) -> u64 {
        (self.time.0.max(0) as u64) >> 1
    }
}

/// Said where Sysmon alone tells of a scan.
pub(crate) const ESTABLISHED_ONLY: &str = "sysmon event 3 holds established connections only: \
    refused and unanswered probes of this scan do not show";

/// Said where a log source tells of attempts and not of what came of them.
pub(crate) const OUTCOMES_UNKNOWN: &str = "most outcomes are not known to the log source: breadth \
    and order carry this finding";

impl Episode {
    /// An episode of this origin that begins now.
    pub fn new(analytic: &'static Analytic, origin: Origin, id: u64, first: Timestamp) -> Episode {
        let parts: [&[u8]; 3] = [analytic.id.as_bytes(), &id.to_be_bytes(), &first.0.to_be_bytes()];
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
            first_told: None,
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
            programs: BTreeSet::new(),
            footprint: Footprint::default(),
            points: Points::default(),
            crowd: Crowd::default(),
            targets: Targets::default(),
            unlisted: 0,
            names: BTreeSet::new(),
            revisits: 0,
            uses: 0,
            standing: Standing::default(),
            revisited: HashSet::default(),
            fastest: None,
            ordinary: false,
            peak: 0.0,
        }
    }

    /// Notes that the origin's command line is a scanner's, as a record says.
    pub fn note_tool(&mut self, tool: &Tool, log_source: LogSource, record: Record) {
        let (value, threshold) = tool.measured;
        let condition = tool.evidence.clone();
        self.note_condition(Condition { condition, value, threshold, key: tool.key.clone() });
        self.tool.get_or_insert_with(|| tool.clone());
        self.witness(log_source, record);
    }

    /// Notes what else speaks for it, as a record says; by itself it would be nothing.
    pub fn note_evidence(&mut self, evidence: &Evidence) {
        if self.why.iter().any(|known| known.condition == evidence.what) {
            return;
        }
        self.note_condition(Condition {
            condition: evidence.what.clone(),
            value: 1.0,
            threshold: 1.0,
            key: "analytics.AN1057.KnownScannerExeList".into(),
        });
        self.witness(evidence.log_source, evidence.record);
    }

    fn note_condition(&mut self, condition: Condition) {
        let known = self.why.iter().any(|known| known.condition == condition.condition);
        if !known && self.why.len() < MAX_CONDITIONS {
            self.why.push(condition);
        }
    }

    /// Notes a threshold that was crossed.
    ///
    /// What made it a scan is what crossed an axis first: it is told of by that, and what is walked later
    /// besides takes nothing from it.
    pub fn note_crossing(&mut self, crossing: &Crossing) {
        self.fastest = self.fastest.into_iter().chain([crossing.window]).min();
        if !self.axes.insert(crossing.axis) {
            return;
        }
        self.by_order |= crossing.by_order;
        if self.why.len() < MAX_CONDITIONS {
            self.why.push(crossing.condition());
        }
    }

    /// Whether this axis was crossed already.
    pub fn has_axis(&self, axis: Axis) -> bool {
        self.axes.contains(&axis)
    }

    /// Notes how often the origin was seen to use services.
    pub fn note_uses(&mut self, uses: u64) {
        self.uses = self.uses.max(uses);
    }

    /// Notes what is known of its address beside it.
    pub fn note_standing(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// Takes a fuller description of a process that the first record named by its id alone.
    pub fn name_origin(&mut self, origin: impl FnOnce() -> Origin) {
        let named = |origin: &Origin| {
            origin.process.as_deref().is_some_and(|process| process.short_name().is_some())
        };
        if self.origin.level != Level::Process || named(&self.origin) {
            return;
        }
        let fuller = origin();
        if named(&fuller) {
            self.origin = fuller;
        }
    }

    /// Notes a program that makes attempts of a session.
    pub fn note_program(&mut self, process: Option<&Process>) {
        let Some(name) = process.and_then(Process::short_name) else { return };
        let wanted = self.origin.level == Level::Session && self.programs.len() < MAX_PROGRAMS;
        if wanted && !self.programs.contains(name) {
            self.programs.insert(name.into());
        }
    }

    /// Notes a threshold that is crossed.
    pub fn note_peak(&mut self, peak: f64) {
        self.peak = self.peak.max(peak);
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
        let probe = !contact.is_light();
        let related = match self.origin.level {
            // These stand for all programs behind them: what failed elsewhere may be another's.
            Level::Address | Level::Device | Level::Session => {
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
        self.points.push(contact);
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
        self.targets.note(contact);
        if contact.has_port() {
            self.port_hosts.insert(contact.target);
            self.ports.insert((protocol_byte(contact.protocol), contact.port));
        }
        self.note_answer(contact);
    }

    /// Notes who held the addresses of these contacts' targets.
    pub fn name_targets(&mut self, contacts: &[Contact], bindings: &Bindings) {
        for contact in contacts {
            if let Some(held) = bindings.at(contact.target, contact.time) {
                self.targets.name(contact.target, held);
            }
        }
    }

    /// Adds a question for a name.
    pub fn add_name(&mut self, contact: &Contact, name: &str) {
        self.add_new(&[*contact]);
        if self.names.len() < MAX_LISTED {
            self.names.insert(name.into());
        }
    }

    /// Adds connections to one proxy, the last of which is this one.
    pub fn add_burst(&mut self, contact: &Contact, connections: u64) {
        self.add_new(&[*contact]);
        self.last = self.last.max(contact.time);
        let more = connections.saturating_sub(u64::from(self.attempts == 1 && connections > 1));
        self.attempts += more;
        self.witness(contact.log_source, contact.record);
    }

    /// Notes a further touch of a known target: an open service shows itself late.
    /// `again` says that it is another visit rather than a part of the last one.
    pub fn touch(&mut self, contact: &Contact, again: bool) {
        let answered = matches!(contact.outcome, Outcome::Open | Outcome::Served);
        let pair = identity(&[&contact.pair()]);
        if !self.pairs.contains(&pair) {
            return;
        }
        if again {
            self.revisits += 1;
            self.revisited.insert(pair);
        }
        if answered {
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

    /// Notes that a record of another log tells of an attempt that it holds already; whether it tells what
    /// came of it, which was not known.
    pub fn retell(&mut self, contact: &Contact, settles: bool) {
        if !self.pairs.contains(&identity(&[&contact.pair()])) {
            return;
        }
        self.witness(contact.log_source, contact.record);
        if settles {
            self.outcomes.remove(Outcome::Unknown);
            self.outcomes.add(contact.outcome);
            self.crowd.settle(contact);
            self.points.settle(contact);
            self.note_answer(contact);
        }
    }

    /// Notes that a record tells of an attempt that it holds already.
    pub fn note_witness(&mut self, contact: &Contact) {
        if self.pairs.contains(&identity(&[&contact.pair()])) {
            self.witness(contact.log_source, contact.record);
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
}
