//! What we say about one episode of scanning.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use lapwing_event::{
    Address, Container, LogSource, Outcome, Prefix, Process, Protocol, Record, Technique, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::footprint::Footprint;
use crate::reached::Reached;

/// One episode, judged and explained.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Stable across re-runs on the same telemetry.
    pub uid: Uid,
    /// The analytic of DET0376 that found it: `AN1057` …
    pub analytic: &'static str,
    /// The shape of the scan.
    pub kind: Kind,
    /// Whether it still runs, has ended, or was expected.
    pub status: Status,
    /// How much it matters (OCSF's scale).
    pub severity: Severity,
    /// How sure we are, 0 to 100.
    pub confidence: u8,
    /// Who scanned, at the strongest identity that the evidence supports.
    pub origin: Origin,
    /// The sources of a distributed scan or the candidates of a decoy group, strongest first;
    /// empty for every other kind.
    pub members: Vec<Origin>,
    /// The first attempt.
    pub first_seen: Timestamp,
    /// The last attempt.
    pub last_seen: Timestamp,
    /// How many attempts had been counted when it was first told of.
    pub detected_after: u64,
    /// How much was probed.
    pub counts: Counts,
    /// What came of it, in attempts.
    pub outcomes: Outcomes,
    /// Hosts probed, ascending, at most [`MAX_LISTED`]; `counts.hosts` has the full number.
    pub hosts: Vec<Address>,
    /// Ports probed as ascending ranges, at most [`MAX_LISTED`]; empty for host sweeps.
    pub ports: Vec<PortRange>,
    /// Names or service types asked for, ascending, at most [`MAX_LISTED`]; for
    /// [`Kind::Enumeration`]. Attacker-written text.
    pub names: Vec<String>,
    /// Services found open, ascending, at most [`MAX_LISTED`].
    pub open: Vec<Service>,
    /// How many services were found open.
    pub open_count: u64,
    /// The subnets probed, ascending, at most [`MAX_LISTED`].
    pub prefixes: Vec<Prefix>,
    /// The targets by what is known of them, at most [`MAX_LISTED`] groups; empty where that is no more
    /// than addresses.
    pub reached: Vec<Reached>,
    /// The transports probed, ascending.
    pub protocols: Vec<Protocol>,
    /// How it was probed, most used first.
    pub techniques: Vec<Technique>,
    /// The tool that the evidence names, such as `nmap`; `None` where only behaviour speaks.
    pub tool: Option<String>,
    /// First contacts a second over the episode.
    pub rate: f64,
    /// The conditions that made it a scan, the one that fired first first.
    pub why: Vec<Condition>,
    /// The benign explanations that were tested, and why they do not hold or do.
    pub tested: Vec<Tested>,
    /// The nearest change of a tunable that would have silenced it; `None` where that is ten times the
    /// threshold or more, where more than 512 attempts were made, and where a tool told of it.
    pub silent_at: Option<SilentAt>,
    /// The log sources and records that it rests on.
    pub witnesses: Vec<Witness>,
    /// The suppression entry that it matches, as its owner named it.
    pub suppressed_by: Option<String>,
    /// What a reader must know to weigh it: blind spots, doubts, cold start.
    pub notes: Vec<String>,
    /// A sample of the attempts, by time, at most 256: what a plot shows.
    pub points: Vec<Point>,
    /// What was touched, to tell whether another finding is of the same scan.
    pub footprint: Footprint,
    /// When the origin first looked up its target's link address: a scanner does so before its
    /// first probe, under its own address.
    pub resolved: Option<Timestamp>,
    /// The networks that the tool's arguments name.
    pub tool_targets: Vec<Prefix>,
}

/// One attempt, as a plot shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Point {
    /// When it was.
    pub time: Timestamp,
    /// The host that was asked for.
    pub host: Address,
    /// The port, 0 where there is none.
    pub port: u16,
    /// What came of it.
    pub outcome: Outcome,
}

/// How many hosts, ports, services and prefixes a finding lists; more are counted only, so that a
/// finding's size is bounded whatever was scanned.
pub const MAX_LISTED: usize = 64;

/// A finding's identifier: 128 bits over analytic, origin and first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid(pub u128);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lw-{:032x}", self.0)
    }
}

/// The shape of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Many ports of few hosts.
    Vertical,
    /// Many hosts on few ports.
    Horizontal,
    /// Many ports of many hosts.
    Block,
    /// Many sources, one set of targets.
    Distributed,
    /// Many claimed sources sending the same probes: one scanner and its decoys.
    Decoy,
    /// Service names asked for.
    Enumeration,
    /// Hosts looked for by ARP, neighbour discovery or ICMP (ATT&CK T1018 beside T1046).
    HostSweep,
    /// A burst of short connections to one proxy.
    Proxy,
    /// A scanner was run, no probe was seen.
    Tool,
}

impl Kind {
    /// Its name in findings.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Vertical => "vertical",
            Kind::Horizontal => "horizontal",
            Kind::Block => "block",
            Kind::Distributed => "distributed",
            Kind::Decoy => "decoy",
            Kind::Enumeration => "enumeration",
            Kind::HostSweep => "host-sweep",
            Kind::Proxy => "proxy",
            Kind::Tool => "tool",
        }
    }

    /// The ATT&CK techniques that it is evidence of.
    pub const fn attacks(self) -> &'static [&'static str] {
        match self {
            Kind::HostSweep => &["T1018", "T1046"],
            _ => &["T1046"],
        }
    }
}

/// Where an episode stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It may go on.
    Open,
    /// It ended.
    Closed,
    /// It is expected: a suppression entry matches it.
    Suppressed,
}

impl Status {
    /// Its name in findings.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Closed => "closed",
            Status::Suppressed => "suppressed",
        }
    }
}

/// How much a finding matters (OCSF severity).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For the record: a recognised confuser, background noise of the internet.
    Informational,
    /// Worth a look when there is time.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Drop everything.
    Critical,
}

impl Severity {
    /// Every severity, ascending.
    pub const ALL: [Severity; 5] = [
        Severity::Informational,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];

    /// Its name in findings and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Informational => "informational",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// Who scanned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// What the identity rests on.
    pub level: Level,
    /// The computer's name, where a log says it.
    pub device: Option<Arc<str>>,
    /// Its address, where telemetry says it.
    pub address: Option<Address>,
    /// For [`Level::Prefix`], the subnet whose addresses it took by turns.
    pub prefix: Option<Prefix>,
    /// The process; for [`Level::Lineage`] the parent that starts the probing processes, for
    /// [`Level::Job`] that of the last run that was told of, for [`Level::Session`] its shell, where that
    /// was seen.
    pub process: Option<Arc<Process>>,
    /// For [`Level::Lineage`] and [`Level::Job`], the program that the loop starts for each probe; for
    /// [`Level::Session`] the process that made the last probe that was told of.
    pub child: Option<Arc<Process>>,
    /// The container or pod.
    pub container: Option<Arc<Container>>,
}

/// What an origin's identity rests on, weakest first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Level {
    /// An IPv6 subnet whose addresses are used by turns.
    Prefix,
    /// A source address in packets or flows.
    #[default]
    Address,
    /// A computer, its process not being recorded.
    Device,
    /// A login session: processes that have no more than that in common.
    Session,
    /// The runs of one job, each with processes of its own.
    Job,
    /// A loop: processes of one program started by one ancestor.
    Lineage,
    /// One process.
    Process,
    /// A container or pod.
    Container,
}

impl Level {
    /// Its name in findings.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Prefix => "prefix",
            Level::Address => "address",
            Level::Device => "device",
            Level::Session => "session",
            Level::Job => "job",
            Level::Lineage => "lineage",
            Level::Process => "process",
            Level::Container => "container",
        }
    }
}

/// How much was probed, all distinct but `attempts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// First contacts.
    pub attempts: u64,
    /// Distinct hosts.
    pub hosts: u64,
    /// Distinct ports.
    pub ports: u64,
    /// Distinct (host, protocol, port).
    pub pairs: u64,
}

/// What came of the attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Answered, no payload both ways.
    pub open: u64,
    /// Used.
    pub served: u64,
    /// Said no.
    pub refused: u64,
    /// Silent.
    pub unanswered: u64,
    /// Not known to the source.
    pub unknown: u64,
}

impl Outcomes {
    /// Counts one more attempt of this outcome.
    pub fn add(&mut self, outcome: Outcome) {
        *self.slot(outcome) += 1;
    }

    /// Counts one attempt less of this outcome.
    pub fn remove(&mut self, outcome: Outcome) {
        let slot = self.slot(outcome);
        *slot = slot.saturating_sub(1);
    }

    /// How many attempts have an outcome that is known.
    pub fn known(self) -> u64 {
        self.open + self.served + self.refused + self.unanswered
    }

    fn slot(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Open => &mut self.open,
            Outcome::Served => &mut self.served,
            Outcome::Refused => &mut self.refused,
            Outcome::Unanswered => &mut self.unanswered,
            Outcome::Unknown => &mut self.unknown,
        }
    }
}

/// An inclusive range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest; equal to `first` for one port.
    pub last: u16,
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// A service of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Service {
    /// The host.
    pub host: Address,
    /// The transport.
    pub protocol: Protocol,
    /// The port, 0 where the transport has none.
    pub port: u16,
}

/// A measured value beside the threshold that it met or stayed under.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// What was measured, in words: `distinct ports of one host within 10 min, weighted`.
    pub condition: String,
    /// The measured value.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// The configuration key that holds the threshold, such as
    /// `analytics.AN1058.PortScanThreshold`.
    pub key: Cow<'static, str>,
}

/// One benign explanation, tested against what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The class of ordinary behaviour: `peer-to-peer`, `monitor` …
    pub class: &'static str,
    /// Whether it explains what was seen.
    pub holds: bool,
    /// What was measured for and against it, in words.
    pub because: String,
}

/// The least value of a threshold at which a scan would not have been told of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SilentAt {
    /// The configuration key.
    pub key: &'static str,
    /// A value just above what was reached.
    pub above: f64,
}

/// One log source's testimony: which records of which input, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Witness {
    /// The log source.
    pub log_source: LogSource,
    /// The first record that it rests on.
    pub first: Record,
    /// The last record that it rests on, of the same input.
    pub last: Record,
    /// How many records.
    pub records: u64,
}
