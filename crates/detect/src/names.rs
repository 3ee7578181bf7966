//! Service-name enumeration: over unicast DNS a sweep of PTR questions over neighbouring addresses, or
//! many service types (SRV, DNS-SD) asked for by one origin; over multicast DNS many service types
//! that are not what every household asks for (AN1059).

use std::collections::VecDeque;

use lapwing_event::{Address, Dns, Event, Outcome, Process, Protocol, Span, Technique, Timestamp};

use crate::analytics::Analytic;
use crate::attempt::Contact;
use crate::bounded::{Scored, identity};
use crate::detector::Detector;
use crate::expected::Glob;
use crate::fan_out::{Axis, Crossing};
use crate::finding::{Condition, Finding, Level};
use crate::origin::Who;
use crate::sequence;
use crate::service_types::{self, ALL_TYPES};
use crate::tunables::{Detection, Tunables};

/// The question type of a name by address (RFC 1035).
const PTR: u16 = 12;
/// The question type of a service's place (RFC 2782).
const SRV: u16 = 33;

/// Unicast DNS, and multicast DNS (RFC 6762).
const DNS_PORTS: [u16; 2] = [0, 53];
pub(crate) const MULTICAST_PORT: u16 = 5353;

/// The group that multicast DNS asks, 224.0.0.251: one target stands for both families', and for what
/// a log of questions does not tell.
const MULTICAST_GROUP: Address = Address::from_bits(0xffff_e000_00fb);

/// How long ago a program must have asked for a type for it to be its habit rather than a part of the
/// same enumeration.
const HABIT_AFTER: Span = Span::seconds(6 * 3600);

/// How many questions of one origin are kept; the largest threshold, twice 10 times 1.5, takes 30.
const KEPT: usize = 128;

/// The longest name that is kept, in bytes (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;

/// What one origin asked for lately, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Names {
    asked: VecDeque<(Contact, Sort, Box<str>)>,
}

/// What a question is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// The name of an address.
    Address,
    /// A service type.
    Service,
    /// A service type, asked for by multicast.
    Multicast,
}

impl Scored for Names {
    fn score(&self) -> u64 {
        self.asked.len() as u64
    }
}

/// What a question enumerates: the address whose name it asks for, or the service type.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Address(Address),
    Service(Box<str>),
    /// A service type by its name, or by the hash or mask that stands for it.
    Multicast(Box<str>),
}

impl Detector {
    /// Judges a question for a name.
    pub(crate) fn dns(&mut self, event: &Event, dns: &Dns, who: &Who, out: &mut Vec<Finding>) {
        let patterns = &self.tunables.analytics.an1059.mdns_service_query_patterns;
        let subject = match dns.target_port {
            MULTICAST_PORT => multicast_subject(dns, patterns),
            port if DNS_PORTS.contains(&port) => subject(dns),
            _ => None,
        };
        let Some(subject) = subject else { return };
        let mut contact = contact(event, dns, &subject, who.child());
        let name = match &subject {
            Subject::Address(_) => dns.name.clone(),
            Subject::Service(service) | Subject::Multicast(service) => service.clone(),
        };
        let sort = subject.sort();
        let analytic = match sort {
            Sort::Multicast => Analytic::macos(),
            _ => Analytic::of(event.log_source),
        };
        if sort == Sort::Multicast {
            let process = who.process();
            contact.weight = type_weight(&name, process, &self.tunables) as f32;
            let asks = identity(&[b"asks", &who.habit().to_be_bytes(), name.as_bytes()]);
            let before = self.state.habits.touch(asks, contact.time);
            if before.is_some_and(|before| contact.time.since(before) >= HABIT_AFTER) {
                contact.habit = true;
                contact.weight = self.tunables.detection.multicast.routine as f32;
            }
        }
        let threshold = (analytic.threshold)(&self.tunables) * self.tunables.profile.factor();
        let limits = NameLimits {
            detection: &self.tunables.detection,
            factor: self.tunables.profile.factor(),
            threshold,
            key: analytic.threshold_key,
            window: (analytic.window)(&self.tunables),
        };
        for (position, link) in who.links().iter().enumerate() {
            if link.level == Level::Prefix {
                continue;
            }
            let id = identity(&[b"names", &link.id.to_be_bytes()]);
            let pair = identity(&[&id.to_be_bytes(), &contact.pair()]);
            if self.state.known.touch(pair, contact.time).is_some() {
                // Another log may tell of the same question.
                if let Some(episode) = self.state.episodes.get_mut(&id).filter(|e| !e.is_closed()) {
                    episode.note_witness(&contact);
                    return;
                }
                continue;
            }
            let names = self.state.names.get_or_insert(id, Names::default);
            names.push(contact, sort, name.clone());
            if let Some(episode) = self.state.episodes.get_mut(&id).filter(|e| !e.is_closed()) {
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
            };
            let (value, threshold, key) = match sort {
                Sort::Multicast => (
                    asked.iter().map(|contact| f64::from(contact.weight)).sum(),
                    multiple,
                    "detection.multicast.threshold",
                ),
                _ => (asked.len() as f64, multiple * threshold, key),
            };
            if scans && value + 1e-4 >= threshold {
                let condition = Condition {
                    condition: format!("{what} within {}", crate::span_text::print(window)),
                    value: (value * 100.0).round() / 100.0,
                    threshold,
                    key,
                };
                return Some(Crossing { axis: Axis::Names, window, by_order: true, condition });
            }
        }
        None
    }
}

impl Subject {
    fn sort(&self) -> Sort {
        match self {
            Subject::Address(_) => Sort::Address,
            Subject::Service(_) => Sort::Service,
            Subject::Multicast(_) => Sort::Multicast,
        }
    }
}

/// What a question enumerates, if anything.
fn subject(dns: &Dns) -> Option<Subject> {
    if dns.name.len() > MAX_NAME {
        return None;
    }
    let name = dns.name.to_ascii_lowercase();
    if matches!(dns.query_type, None | Some(PTR))
        && let Some(address) = reverse_name(&name)
    {
        return Some(Subject::Address(address));
    }
    if matches!(dns.query_type, None | Some(PTR | SRV)) {
        return service_type(&name).map(|service| Subject::Service(service.into()));
    }
    None
}

/// What a question by multicast enumerates. mDNSResponder masks names in its log and may print a hash
/// beside (`hash:262b8524`); a mask alone (`mask:…`) tells types apart and names none.
fn multicast_subject(dns: &Dns, patterns: &[Glob]) -> Option<Subject> {
    if dns.name.len() > MAX_NAME {
        return None;
    }
    let name = dns.name.to_ascii_lowercase();
    if let Some(hash) = name.strip_prefix("hash:") {
        let hash = u32::from_str_radix(hash, 16).ok()?;
        let known = service_types::by_hash(hash, patterns);
        let unknown = || format!("hash:{hash:08x}").into();
        return Some(Subject::Multicast(known.map_or_else(unknown, Into::into)));
    }
    if name.starts_with("mask:") {
        return Some(Subject::Multicast(dns.name.clone()));
    }
    // Other question types ask for an instance, or whether a name is free.
    matches!(dns.query_type, None | Some(PTR)).then_some(())?;
    service_type(&name).map(|service| Subject::Multicast(service.into()))
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
    let routine =
        service_types::is_routine(service) && !service_types::is_of_interest(service, patterns);
    if routine && ordinary { weights.routine } else { 1.0 }
}

/// The address whose name `….in-addr.arpa` (RFC 1035 section 3.5) or `….ip6.arpa` (RFC 3596) asks
/// for, whole addresses only.
fn reverse_name(name: &str) -> Option<Address> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut labels = labels.rsplit('.');
        for octet in &mut octets {
            *octet = labels.next()?.parse().ok()?;
        }
        return labels.next().is_none().then(|| Address::from(octets));
    }
    let nibbles = name.strip_suffix(".ip6.arpa")?;
    let mut bits: u128 = 0;
    let mut count = 0;
    for label in nibbles.rsplit('.') {
        let nibble = u8::from_str_radix(label, 16).ok().filter(|_| label.len() == 1)?;
        bits = bits << 4 | u128::from(nibble);
        count += 1;
    }
    (count == 32).then(|| Address::from_bits(bits))
}

/// The service type of `_service._transport.domain`, with the meta-query of RFC 6763 section 9.
fn service_type(name: &str) -> Option<&str> {
    const META: &str = "_services._dns-sd._udp";
    if name.starts_with(META) {
        return Some(META);
    }
    // An instance name may come before the type: take the last pair of underscored labels.
    let transport = ["._tcp", "._udp"].iter().filter_map(|transport| {
        let at = name.find(transport)?;
        let ends = matches!(name.as_bytes().get(at + transport.len()), None | Some(b'.'));
        ends.then_some((at, at + transport.len()))
    });
    let (service_end, end) = transport.min()?;
    let start = name[..service_end].rfind('.').map_or(0, |dot| dot + 1);
    name[start..].starts_with('_').then(|| &name[start..end])
}

/// A question as a contact: with the address whose name is asked for, or with the server about a
/// service type.
fn contact(event: &Event, dns: &Dns, subject: &Subject, child: u64) -> Contact {
    let (target, name) = match subject {
        Subject::Address(address) => (*address, 1),
        Subject::Service(service) => (dns.target, identity(&[service.as_bytes()])),
        Subject::Multicast(service) => (MULTICAST_GROUP, service_identity(service)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_names_are_addresses() {
        assert_eq!(reverse_name("9.1.0.10.in-addr.arpa"), "10.0.1.9".parse().ok());
        let six = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa";
        assert_eq!(reverse_name(six), "4321:0:1:2:3:4:567:89ab".parse().ok());
        for not_whole in ["1.0.10.in-addr.arpa", "0.10.in-addr.arpa", "x.1.0.10.in-addr.arpa"] {
            assert_eq!(reverse_name(not_whole), None, "{not_whole}");
        }
        assert_eq!(reverse_name("5.9.1.0.10.in-addr.arpa"), None, "RFC 2317 delegation");
        assert_eq!(reverse_name("1.2.ip6.arpa"), None);
    }

    #[test]
    fn service_types_are_told_from_names() {
        for (name, expected) in [
            ("_ldap._tcp.dc._msdcs.corp.example", Some("_ldap._tcp")),
            ("_services._dns-sd._udp.corp.example", Some("_services._dns-sd._udp")),
            ("printer 3._ipp._tcp.corp.example", Some("_ipp._tcp")),
            ("_sip._tls.corp.example", None),
            ("www.corp.example", None),
            ("a._tcpx.example", None),
            ("x._tcp.example", None),
        ] {
            assert_eq!(service_type(name), expected, "{name}");
        }
    }
}
