//! A seeded fleet on a virtual clock: what a thousand hosts do in a week, with scans among it.
//!
//! Nothing here comes from the detector or its tests: the fleet is written after what networks do
//! (field-cases.md, scan-detectors.md section 8), so that the detector is measured against it.

mod flood;
mod hosts;
mod processes;
mod scans;

pub(crate) use flood::{Flood, flood};

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use lapwing_detect::{Detector, Finding, Input, Profile, Severity, Tunables, Uid, merge};
use lapwing_engine::parse_config;
use lapwing_event::{
    Activity, Actor, Address, Event, Initiator, LogSource, Network, Outcome, Protocol, Record,
    Technique, Timestamp,
};

/// When the fleet begins: a Monday, 2026-03-02T00:00:00Z.
const START: i64 = 1_772_409_600;
/// A day in seconds.
const DAY: f64 = 86_400.0;
/// How far a clock runs off before it is set right, in seconds, either way; and how often that is.
const DRIFT: f64 = 1.5;
const SET_RIGHT: f64 = 21_600.0;
/// How late records arrive, in seconds, within the detector's lateness.
const DELAY: f64 = 2.5;
/// The share of records that is lost, and the share that comes twice.
const LOST: f64 = 0.01;
const TWICE: f64 = 0.01;
/// For how long, each day, no record of anybody comes, in seconds.
const OUTAGE: f64 = 180.0;
/// The share of records that a sensor sends again when it is connected anew, hours later, and the share that
/// comes too late to be judged.
const AGAIN: f64 = 0.002;
const STRAY: f64 = 0.001;
/// Of how many records the detector's image is taken once, and how many later it breaks off: it goes on
/// from the image, and what came since then comes again.
const IMAGE_EACH: u64 = 60_000;
const BREAKS_AFTER: u64 = 1_000;

/// How large a fleet, how long, and which seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) hosts: u32,
    pub(crate) days: u32,
    pub(crate) seed: u64,
}

/// One planted scan and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Planted {
    pub(crate) name: &'static str,
    /// The addresses that it comes from.
    pub(crate) sources: Vec<Address>,
    /// The computer or pod that it comes from, where a log names it.
    pub(crate) device: Option<&'static str>,
    /// How many probes were sent.
    pub(crate) probes: u64,
    /// How many of them were counted when it was first told of.
    pub(crate) found_after: Option<u64>,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) plan: Plan,
    pub(crate) events: u64,
    /// How often it broke off and went on from an image, and the largest image in bytes.
    pub(crate) breaks: u64,
    pub(crate) largest_image: usize,
    pub(crate) planted: Vec<Planted>,
    /// Findings above informational that no planted scan explains, in words.
    pub(crate) false_findings: Vec<String>,
    /// The approved scanner's findings.
    pub(crate) suppressed: u64,
    /// Findings recognised as ordinary.
    pub(crate) informational: u64,
    /// Records that came too late to be judged.
    pub(crate) late: u64,
}

impl Measured {
    /// False findings for each host and day.
    pub(crate) fn false_per_host_day(&self) -> f64 {
        self.false_findings.len() as f64 / f64::from(self.plan.hosts * self.plan.days)
    }

    /// The middle of the numbers of probes that were sent before a scan was told of.
    pub(crate) fn median_probes(&self) -> u64 {
        let mut probes: Vec<u64> =
            self.planted.iter().filter_map(|scan| scan.found_after).collect();
        probes.sort_unstable();
        probes.get(probes.len() / 2).copied().unwrap_or(0)
    }
}

/// Records of one day, in the making.
pub(crate) struct Day {
    number: u32,
    rng: Rng,
    /// When no record comes, in seconds of the day.
    outage: f64,
    events: Vec<(f64, Event)>,
}

/// How far a computer's clock is off at this second: each runs off at its own pace, and is set right at its
/// own hours.
fn drift(computer: u64, seconds: f64) -> f64 {
    let pace = (computer % 97) as f64 / 48.0 - 1.0;
    let since_set = (seconds / SET_RIGHT + pace.abs()).fract();
    pace * DRIFT * since_set
}

impl Day {
    /// Adds a connection, `seconds` into the day.
    fn flow(
        &mut self,
        seconds: f64,
        source: Address,
        target: Address,
        protocol: Protocol,
        port: u16,
        outcome: Outcome,
    ) {
        let technique = match protocol {
            Protocol::Tcp => Technique::Connect,
            Protocol::Udp => Technique::Udp,
            Protocol::Arp => Technique::ArpRequest,
            _ => Technique::Echo,
        };
        self.flow_by(seconds, source, target, (protocol, port), outcome, technique);
    }

    fn flow_by(
        &mut self,
        seconds: f64,
        source: Address,
        target: Address,
        (protocol, port): (Protocol, u16),
        outcome: Outcome,
        technique: Technique,
    ) {
        let network = Network {
            source,
            target,
            source_port: if protocol.has_ports() { self.rng.u16(32_768..61_000) } else { 0 },
            target_port: port,
            protocol,
            initiator: Initiator::Source,
            outcome,
            technique,
        };
        let activity = Activity::Network(network);
        self.record(seconds, source.bits() as u64, LogSource::Packets, None, activity);
    }

    /// Adds a record of one computer's sensor, which may be lost, come twice, late or out of order.
    fn record(
        &mut self,
        seconds: f64,
        computer: u64,
        log_source: LogSource,
        actor: Option<Arc<Actor>>,
        activity: Activity,
    ) {
        let out = (self.outage..self.outage + OUTAGE).contains(&seconds);
        if self.rng.f64() < LOST || out {
            return;
        }
        let seconds = f64::from(self.number) * DAY + seconds;
        let drift = drift(computer, seconds);
        let time = Timestamp(START * 1_000_000_000 + ((seconds + drift) * 1e9) as i64);
        let record = Record { offset: self.events.len() as u64, ..Record::default() };
        let event = Event { time, record, log_source, actor, activity };
        let arrives = seconds + drift + self.rng.f64() * DELAY;
        let lot = self.rng.f64();
        if lot < TWICE {
            let again = seconds + drift + self.rng.f64() * DELAY;
            self.events.push((again, event.clone()));
        } else if lot < TWICE + AGAIN {
            let again = arrives + 3600.0 * (1.0 + self.rng.f64());
            self.events.push((again, event.clone()));
        }
        let stray = if self.rng.f64() < STRAY { 30.0 + 60.0 * self.rng.f64() } else { 0.0 };
        self.events.push((arrives + stray, event));
    }
}

/// Runs the plan and measures what the detector says.
///
/// # Errors
/// Where the configuration that allows the approved scanner does not parse.
pub(crate) fn run(plan: Plan, profile: Profile) -> Result<Measured, String> {
    let config =
        format!("[analytics.AN1058]\nExpectedScanSources = [\"{}\"]\n", hosts::APPROVED_SCANNER);
    let allowed = parse_config(&config, "fleet").map_err(|error| error.to_string())?;
    let tunables = Tunables { profile, ..allowed };
    let joining = tunables.detection.joining;
    let mut detector = Detector::new(tunables.clone());
    let fleet = hosts::Fleet::new(plan);
    let mut planted = scans::planned(plan);
    let mut said: BTreeMap<Uid, Finding> = BTreeMap::new();
    let mut told = Vec::new();
    let mut events = 0;
    let mut base = 0;
    let (mut breaks, mut largest) = (0, 0);
    for number in 0..plan.days {
        let mut rng = Rng::with_seed(plan.seed ^ u64::from(number) << 32);
        // Short scans begin on the hour: one that nobody recorded says nothing of the detector.
        let outage = 3600.0 * (f64::from(rng.u32(0..24)) + 0.5);
        let mut day = Day { number, rng, outage, events: Vec::new() };
        fleet.live(&mut day);
        processes::live(&mut day);
        scans::probe(&mut day, &mut planted);
        let mut arrivals = day.events;
        arrivals.sort_by(|(a, one), (b, two)| a.total_cmp(b).then(one.record.cmp(&two.record)));
        events += arrivals.len() as u64;
        let mut since: Vec<Event> = Vec::new();
        let mut image = Vec::new();
        for (count, (_, mut event)) in (1..).zip(arrivals) {
            event.record.offset += base;
            if count % IMAGE_EACH == 0 {
                image = detector.snapshot().map_err(|error| error.to_string())?;
                largest = largest.max(image.len());
            }
            if !image.is_empty() {
                since.push(event.clone());
            }
            detector.step(Input::Event(event), &mut told);
            if since.len() as u64 == BREAKS_AFTER {
                detector = Detector::restore(&image, tunables.clone())
                    .map_err(|error| error.to_string())?;
                image.clear();
                for event in since.drain(..) {
                    detector.step(Input::Event(event), &mut told);
                }
                breaks += 1;
            }
            for finding in told.drain(..) {
                note_first(&mut planted, &finding);
                said.insert(finding.uid, finding);
            }
        }
        base = events;
    }
    detector.finish(&mut told);
    for finding in told {
        note_first(&mut planted, &finding);
        said.insert(finding.uid, finding);
    }
    let findings = merge(said.into_values().collect(), &joining);
    let loud = |finding: &&Finding| {
        finding.suppressed_by.is_none() && finding.severity > Severity::Informational
    };
    let explained = |finding: &Finding| planted.iter().any(|scan| is_of(finding, scan));
    let late = detector.tally().late;
    Ok(Measured {
        plan,
        events,
        breaks,
        largest_image: largest,
        false_findings: findings
            .iter()
            .filter(loud)
            .filter(|finding| !explained(finding))
            .map(in_words)
            .collect(),
        suppressed: findings.iter().filter(|finding| finding.suppressed_by.is_some()).count()
            as u64,
        informational: findings
            .iter()
            .filter(|finding| finding.severity == Severity::Informational)
            .count() as u64,
        late,
        planted,
    })
}

/// Notes when a planted scan is first told of above informational.
fn note_first(planted: &mut [Planted], finding: &Finding) {
    if finding.severity == Severity::Informational {
        return;
    }
    for scan in planted.iter_mut().filter(|scan| scan.found_after.is_none()) {
        if is_of(finding, scan) {
            scan.found_after = Some(finding.counts.attempts);
        }
    }
}

/// Whether a finding names one of a scan's sources, the subnet of all of them, or where it runs.
fn is_of(finding: &Finding, scan: &Planted) -> bool {
    let origin = &finding.origin;
    let pod = origin.container.as_deref().and_then(|container| container.pod.as_deref());
    if scan.device.is_some_and(|name| origin.device.as_deref().or(pod) == Some(name)) {
        return true;
    }
    let origins = std::iter::once(&finding.origin).chain(&finding.members);
    origins.into_iter().any(|origin| {
        scan.sources.iter().any(|source| {
            origin.address == Some(*source)
                || origin.prefix.is_some_and(|prefix| prefix.contains(*source))
        })
    })
}

fn in_words(finding: &Finding) -> String {
    let origin = &finding.origin;
    let pod = origin.container.as_deref().and_then(|container| container.pod.as_deref());
    let who = match (origin.device.as_deref().or(pod), origin.address) {
        (Some(name), _) => name.to_string(),
        (None, address) => address.map(|address| address.to_string()).unwrap_or_default(),
    };
    let why = finding.why.first().map(|why| why.condition.clone()).unwrap_or_default();
    format!(
        "{} {} by {who} at {}: {} hosts, {} ports; {why}",
        finding.severity.name(),
        finding.kind.name(),
        finding.first_seen,
        finding.counts.hosts,
        finding.counts.ports
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)] // tests

    use super::*;

    #[test]
    fn a_week_of_a_thousand_hosts_is_judged_as_it_should_be() {
        let measured = run(Plan { hosts: 1000, days: 7, seed: 7 }, Profile::Normal);
        let measured = measured.unwrap_or_else(|error| panic!("{error}"));
        let missed: Vec<&str> = measured
            .planted
            .iter()
            .filter(|scan| scan.found_after.is_none())
            .map(|scan| scan.name)
            .collect();
        assert_eq!(missed, Vec::<&str>::new());
        assert!(measured.false_per_host_day() <= 0.01, "{:#?}", measured.false_findings);
        assert!(measured.median_probes() <= 15, "{:#?}", measured.planted);
        assert!(measured.breaks >= 7, "it breaks off and goes on each day");
        assert!(measured.suppressed > 0, "the approved scanner is told of as expected");
        assert!(measured.late > 0, "what comes too late is counted");
    }
}
