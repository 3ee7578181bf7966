//! Service-name enumeration over unicast DNS: a sweep of PTR questions over neighbouring addresses, or
//! many service types (SRV, DNS-SD) asked for by one origin.

use std::collections::VecDeque;

use lapwing_event::{Address, Dns, Event, Outcome, Protocol, Span, Technique, Timestamp};

use crate::analytics::Analytic;
use crate::attempt::Contact;
use crate::bounded::{Scored, identity};
use crate::detector::Detector;
use crate::fan_out::{Axis, Crossing};
use crate::finding::{Condition, Finding, Level};
use crate::origin::Who;
use crate::sequence;
use crate::tunables::Detection;

/// The question type of a name by address (RFC 1035).
const PTR: u16 = 12;
/// The question type of a service's place (RFC 2782).
const SRV: u16 = 33;

/// Unicast DNS; multicast and its kin are AN1059's subject.
const DNS_PORTS: [u16; 2] = [0, 53];

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
}

impl Detector {
    /// Judges a question for a name.
    pub(crate) fn dns(&mut self, event: &Event, dns: &Dns, who: &Who, out: &mut Vec<Finding>) {
        if !DNS_PORTS.contains(&dns.target_port) {
            return;
        }
        let Some(subject) = subject(dns) else { return };
        let contact = contact(event, dns, &subject, who.child());
        let name = match &subject {
            Subject::Address(_) => dns.name.clone(),
            Subject::Service(service) => service.clone(),
        };
        let sort = subject.sort();
        let analytic = Analytic::of(event.log_source);
        let threshold = (analytic.threshold)(&self.tunables) * self.tunables.profile.factor();
        let limits = NameLimits {
            detection: &self.tunables.detection,
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
        let NameLimits { detection, threshold, key, window } = *limits;
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
            };
            let value = asked.len() as f64;
            if scans && value >= multiple * threshold {
                let condition = Condition {
                    condition: format!("{what} within {}", crate::span_text::print(window)),
                    value,
                    threshold: multiple * threshold,
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
