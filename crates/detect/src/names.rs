//! Service-name enumeration: over unicast DNS a sweep of PTR questions over neighbouring addresses, or
//! many service types (SRV, DNS-SD) asked for by one origin; over multicast DNS many service types
//! that are not what every household asks for (AN1059), by SSDP and WS-Discovery device types likewise;
//! by LLMNR and NBNS the names of many hosts.

mod subject;

use std::collections::VecDeque;

use lapwing_event::{Address, Dns, Event, Outcome, Process, Protocol, Span, Technique, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use self::subject::MULTICAST_PORT;
use self::subject::{Subject, subject};

use crate::analytics::Analytic;
use crate::attempt::Contact;
use crate::bounded::{Scored, identity};
use crate::crossing::{Axis, Crossing, What};
use crate::discovery;
use crate::finding::Level;
use crate::origin::Who;
use crate::sequence;
use crate::service_types::{self, ALL_TYPES};
use crate::shard::{Judge, Said};
use crate::tunables::{Detection, Tunables};

/// The group that multicast DNS asks, 224.0.0.251: one target stands for both families', and for what
/// a log of questions does not tell.
const MULTICAST_GROUP: Address = Address::from_bits(0xffff_e000_00fb);
/// The group that SSDP and WS-Discovery ask, 239.255.255.250, likewise.
const DISCOVERY_GROUP: Address = Address::from_bits(0xffff_efff_fffa);

/// How long ago a program must have asked for a type for it to be its habit rather than a part of the
/// same enumeration.
const HABIT_AFTER: Span = Span::seconds(6 * 3600);

/// How many questions of one origin are kept; the largest threshold, twice 10 times 1.5, takes 30.
const KEPT: usize = 128;

/// What one origin asked for lately, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Names {
    asked: VecDeque<(Contact, Sort, Box<str>)>,
}

/// What a question is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Sort {
    /// The name of an address.
    Address,
    /// A service type.
    Service,
    /// A service type, asked for by multicast.
    Multicast,
    /// A host by its name, asked for by multicast or broadcast.
    Host,
}

impl Scored for Names {
    fn score(&self) -> u64 {
        self.asked.len() as u64
    }
}

impl Judge<'_> {
    /// Judges a question for a name.
    pub(crate) fn dns(&mut self, event: &Event, dns: &Dns, who: &Who, out: &mut Vec<Said>) {
        let patterns = &self.tunables.analytics.an1059.mdns_service_query_patterns;
        let Some(subject) = subject(dns, patterns) else { return };
        let mut contact = contact(event, dns, &subject, who.child());
        let name = match &subject {
            Subject::Address(_) => dns.name.clone(),
            Subject::Service(name) | Subject::Multicast(name) | Subject::Host(name) => name.clone(),
        };
        let sort = subject.sort();
        let analytic = match dns.target_port {
            MULTICAST_PORT => Analytic::macos(),
            _ => Analytic::of(event.log_source),
        };
        if matches!(sort, Sort::Multicast | Sort::Host) {
            // What was found counts like what was not: no answer tells on whether it was known before.
            contact.weight = match sort {
                Sort::Multicast => type_weight(&name, who.process(), self.tunables) as f32,
                _ => 1.0,
            };
            let asks = identity(&[b"asks", &who.habit().to_be_bytes(), name.as_bytes()]);
            let before = self.shard.habits.touch(asks, contact.time);
            if before.is_some_and(|before| contact.time.since(before) >= HABIT_AFTER) {
                contact.habit = true;
                contact.weight = self.tunables.detection.multicast.routine as f32;
            }
        }
        let threshold = (analytic.threshold)(self.tunables) * self.tunables.profile.factor();
        let limits = NameLimits {
            detection: &self.tunables.detection,
            factor: self.tunables.profile.factor(),
            threshold,
            key: analytic.threshold_key,
            window: (analytic.window)(self.tunables),
        };
        for (position, link) in who.links().iter().enumerate() {
            // Names that a session's programs ask for are each program's own matter.
            if matches!(link.level, Level::Prefix | Level::Session) {
                continue;
            }
            let id = identity(&[b"names", &link.id.to_be_bytes()]);
            // A host is asked for by one protocol after the other, each of its own group.
            let pair = match sort {
                Sort::Host => identity(&[&id.to_be_bytes(), &contact.name.to_be_bytes()]),
                _ => identity(&[&id.to_be_bytes(), &contact.pair()]),
            };
            if self.shard.known.touch(pair, contact.time).is_some() {
                // Another log may tell of the same question.
                if let Some(episode) = self.shard.episodes.get_mut(&id).filter(|e| !e.is_closed()) {
                    episode.note_witness(&contact);
                    return;
                }
                continue;
            }
            let names = self.shard.names.get_or_insert(id, Names::default);
            names.push(contact, sort, name.clone());
            if let Some(episode) = self.shard.episodes.get_mut(&id).filter(|e| !e.is_closed()) {
                episode.add_name(&contact, &name);
                if episode.has_grown(&self.tunables.detection.episode) {
                    self.say(id, out);
                }
                return;
            }
            let Some(crossing) = names.crossing(contact.time, sort, &limits) else { continue };
            let asked: Vec<(Contact, Box<str>)> = names
                .within(contact.time, sort, crossing.window)
                .map(|(contact, _, name)| (*contact, name.clone()))
                .collect();
            let first = asked.first().map_or(contact.time, |(contact, _)| contact.time);
            let mut episode = self.begin(id, who.origin(position), analytic, first, contact.time);
            episode.note_crossing(&crossing);
            for (contact, name) in &asked {
                episode.add_name(contact, name);
            }
            self.keep(id, episode, out);
            self.say(id, out);
            return;
        }
    }
}

/// What questions are measured against.
struct NameLimits<'a> {
    detection: &'a Detection,
    /// The profile's.
    factor: f64,
    threshold: f64,
    key: &'static str,
    window: Span,
}

impl Names {
    fn push(&mut self, contact: Contact, sort: Sort, name: Box<str>) {
        if self.asked.len() >= KEPT {
            self.asked.pop_front();
        }
        self.asked.push_back((contact, sort, name));
    }

    /// The questions of one sort within `window` of `now`, oldest first.
    fn within(
        &self,
        now: Timestamp,
        sort: Sort,
        window: Span,
    ) -> impl Iterator<Item = &(Contact, Sort, Box<str>)> {
        self.asked
            .iter()
            .filter(move |(contact, of, _)| *of == sort && now.since(contact.time) <= window)
    }

    /// The threshold that the questions of this sort cross, in the short window or the medium one.
    fn crossing(&self, now: Timestamp, sort: Sort, limits: &NameLimits<'_>) -> Option<Crossing> {
        let NameLimits { detection, threshold, key, window, .. } = *limits;
        for window in [window, detection.spans.medium.max(window)] {
            let asked: Vec<&Contact> =
                self.within(now, sort, window).map(|(contact, ..)| contact).collect();
            let (what, multiple, scans) = match sort {
                Sort::Address => {
                    let hosts: Vec<Address> = asked.iter().map(|c| c.target).collect();
                    // Whoever names the peers of its log lines asks in no order and all over.
                    let walks = sequence::walks_hosts(&hosts, false, &detection.sequence);
                    ("names of neighbouring addresses (PTR)", detection.address_names, walks)
                }
                Sort::Service => ("service types asked for by name", detection.service_types, true),
                Sort::Multicast => {
                    let multiple = detection.multicast.threshold * limits.factor;
                    ("service types asked for by multicast, by weight,", multiple, true)
                }
                Sort::Host => {
                    let multiple = detection.multicast.host_names * limits.factor;
                    ("hosts asked for by name, by multicast or broadcast,", multiple, true)
                }
            };
            let weight = |part: fn(f64) -> bool| -> f64 {
                asked.iter().map(|contact| f64::from(contact.weight)).filter(|w| part(*w)).sum()
            };
            let (value, threshold, key) = match sort {
                Sort::Multicast => {
                    let most = detection.multicast.routine_part * multiple;
                    let routine = weight(|weight| weight < 1.0).min(most);
                    let others = weight(|weight| weight >= 1.0);
                    (routine + others, multiple, "detection.multicast.threshold")
                }
                Sort::Host => (weight(|_| true), multiple, "detection.multicast.host_names"),
                _ => (asked.len() as f64, multiple * threshold, key),
            };
            if scans && value + 1e-4 >= threshold {
                let (axis, what) = (Axis::Names, What::Said(what));
                let by_order = true;
                return Some(Crossing { axis, window, by_order, what, value, threshold, key });
            }
        }
        None
    }
}

/// What a type weighs that this program, or nobody that is named, asks for by multicast.
fn type_weight(service: &str, process: Option<&Process>, tunables: &Tunables) -> f64 {
    let weights = &tunables.detection.multicast;
    let name = process.and_then(Process::short_name);
    if service == ALL_TYPES {
        return weights.all_types;
    }
    let ordinary = name.is_none_or(service_types::is_routine_client);
    let patterns = &tunables.analytics.an1059.mdns_service_query_patterns;
    let routine = (service_types::is_routine(service) || discovery::is_routine_type(service))
        && !service_types::is_of_interest(service, patterns);
    if routine && ordinary { weights.routine } else { 1.0 }
}

/// A question as a contact: with the address whose name is asked for, or with the server about a
/// service type.
fn contact(event: &Event, dns: &Dns, subject: &Subject, child: u64) -> Contact {
    let (target, name) = match subject {
        Subject::Address(address) => (*address, 1),
        Subject::Service(service) => (dns.target, identity(&[service.as_bytes()])),
        Subject::Multicast(service) => {
            let multicast_dns = dns.target_port == MULTICAST_PORT;
            let group = if multicast_dns { MULTICAST_GROUP } else { DISCOVERY_GROUP };
            (group, service_identity(service))
        }
        Subject::Host(name) => (dns.target, identity(&[b"host", name.as_bytes()])),
    };
    Contact {
        time: event.time,
        target,
        port: 0,
        protocol: Protocol::Udp,
        outcome: dns.outcome,
        technique: Technique::Unknown,
        weight: if dns.outcome == Outcome::Served { 0.0 } else { 1.0 },
        child,
        name,
        dark: false,
        habit: false,
        record: event.record,
        log_source: event.log_source,
    }
}

/// A service type's identity: by its hash, which a name and a masked name have in common.
fn service_identity(service: &str) -> u64 {
    match service.strip_prefix("hash:").and_then(|hash| u32::from_str_radix(hash, 16).ok()) {
        Some(hash) => u64::from(hash),
        None if service.starts_with("mask:") => identity(&[service.as_bytes()]),
        None => u64::from(service_types::name_hash(service)),
    }
}
