//! Fan-out: distinct targets of one origin in sliding windows, along two axes and both together.

use std::collections::BTreeSet;

use arrayvec::ArrayVec;
use lapwing_event::{Address, Outcome, Protocol, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::attempt::{Contact, is_ephemeral};
use crate::cell::Cell;
use crate::finding::Condition;
use crate::sequence;
use crate::shard::OriginState;
use crate::tunables::{Detection, Tiers};

/// The weights are f32 and summed: a hair's breadth under the threshold is on it.
const HAIR: f64 = 1e-4;

/// What an origin is measured against.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// The numbers of the judgement.
    pub detection: &'a Detection,
    /// The analytic's own threshold.
    pub threshold: f64,
    /// The configuration key of that threshold.
    pub key: &'static str,
    /// The analytic's short window.
    pub window: Span,
    /// Where the reflected walk alerts.
    pub walk: f64,
    /// Whether the origin lies outside the own networks.
    pub outside: bool,
    /// The least multiple of the threshold that anything is held against: [`least_multiple`].
    pub least: f64,
}

/// The least multiple of an analytic's threshold that sums of contacts are held against.
pub(crate) fn least_multiple(detection: &Detection) -> f64 {
    let Detection { vertical, horizontal, block, ping, .. } = detection;
    let slow = detection.outside_factor.min(1.0);
    [vertical, horizontal, block, ping]
        .into_iter()
        .flat_map(|tiers| [tiers.short, tiers.medium, tiers.long * slow, tiers.day * slow])
        .fold(detection.neighbour, f64::min)
}

/// Along which axis a threshold was crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Axis {
    /// Ports of this host.
    Ports(Address),
    /// Hosts on this port.
    Hosts(Protocol, u16),
    /// Pairs of both.
    Pairs,
    /// Names asked for.
    Names,
    /// Connections to one proxy.
    Proxy,
}

/// A threshold that was crossed.
#[derive(Clone, Debug)]
pub(crate) struct Crossing {
    pub axis: Axis,
    /// The window in which it was crossed.
    pub window: Span,
    /// Whether order or density made it a scan, rather than what came of the attempts.
    pub by_order: bool,
    pub condition: Condition,
}

/// Sums over the contacts of one window.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    weight: f64,
    contacts: u32,
    failed: u32,
    served: u32,
    unknown: u32,
}

impl Sum {
    fn add(&mut self, contact: &Contact, weight: f32) {
        self.weight += f64::from(weight);
        self.contacts += 1;
        self.failed += u32::from(contact.failed());
        self.served += u32::from(contact.outcome == Outcome::Served);
        self.unknown += u32::from(contact.outcome == Outcome::Unknown);
    }

    fn is_mostly_unknown(&self) -> bool {
        self.unknown * 2 > self.contacts
    }

    /// The share that failed of those whose outcome is known.
    fn failure_share(&self) -> f64 {
        f64::from(self.failed) / f64::from((self.contacts - self.unknown).max(1))
    }
}

impl Limits<'_> {
    /// The four windows with their thresholds, shortest first.
    fn tiers(&self, tiers: &Tiers) -> [(Span, f64); 4] {
        let spans = &self.detection.spans;
        let slow = if self.outside { self.detection.outside_factor } else { 1.0 };
        [
            (self.window, tiers.short * self.threshold),
            (spans.medium.max(self.window), tiers.medium * self.threshold),
            (spans.long.max(self.window), tiers.long * self.threshold * slow),
            (spans.day.max(self.window), tiers.day * self.threshold * slow),
        ]
    }

    fn crossing(
        &self,
        axis: Axis,
        window: Span,
        by_order: bool,
        what: &str,
        value: f64,
        threshold: f64,
    ) -> Crossing {
        let condition = Condition {
            condition: format!("{what} within {}", crate::span_text::print(window)),
            value: (value * 100.0).round() / 100.0,
            threshold,
            key: self.key.into(),
        };
        Crossing { axis, window, by_order, condition }
    }

    /// The first window whose threshold the weights of its contacts reach, where `allowed` says
    /// that the sum may count, told the window's place, 0 being the shortest; `weight` says what a
    /// contact adds, or that it does not count.
    fn weighed(
        &self,
        cell: &Cell,
        now: Timestamp,
        tiers: &[(Span, f64)],
        weight: impl Fn(&Contact) -> Option<f32>,
        allowed: impl Fn(usize, &Sum) -> bool,
    ) -> Option<(Span, f64, f64)> {
        // Looked at before the contacts are: most of what is counted is far from any threshold.
        if tiers.iter().all(|(_, threshold)| cell.weight() + HAIR < *threshold) {
            return None;
        }
        let mut newest_first = cell.iter().rev().peekable();
        let mut sum = Sum::default();
        for (place, (window, threshold)) in tiers.iter().enumerate() {
            while let Some(contact) =
                newest_first.next_if(|contact| now.since(contact.time) <= *window)
            {
                if let Some(weight) = weight(contact) {
                    sum.add(contact, weight);
                }
            }
            if sum.weight + HAIR >= *threshold && allowed(place, &sum) {
                return Some((*window, sum.weight, *threshold));
            }
        }
        None
    }

    /// Whether nothing can be crossed, whatever the contacts are, told by the sums over all that the origin's
    /// ring holds: of most origins, which do little.
    pub fn is_quiet(&self, origin: &OriginState, contact: &Contact) -> bool {
        let OriginState { ring, walk, .. } = origin;
        let Detection { sequence, desktops, sensitive, .. } = self.detection;
        let least = self.least * self.threshold;
        let most_in_order = ring.most_in_order(sequence.weight.max(1.0), sequence.served_weight);
        ring.weight() + HAIR < least
            && most_in_order < least
            && (ring.unserved() as f64) < sensitive * self.threshold
            && walk.position() < self.walk
            && !contact.dark
            && !desktops.ports.contains(&contact.port)
    }

    /// Whether the contacts of one host or one port, of all that an origin's ring holds, may cross a
    /// threshold: no sum of theirs is more than the ring's.
    pub fn may_reach_one(&self, ring: &Cell, contact: &Contact) -> bool {
        let detection = self.detection;
        let (sequence, desktops) = (&detection.sequence, &detection.desktops);
        let axes = [&detection.vertical, &detection.horizontal, &detection.ping];
        let least = axes
            .iter()
            .flat_map(|axis| self.tiers(axis))
            .map(|(_, threshold)| threshold)
            .fold(detection.neighbour * self.threshold, f64::min);
        ring.weight() + HAIR >= least
            || ring.unserved() as f64 >= detection.sensitive * self.threshold
            || ring.most_in_order(sequence.weight, sequence.served_weight) >= least
            || desktops.ports.contains(&contact.port)
    }

    /// Ports of one host.
    pub fn ports(&self, cell: &Cell, host: Address, now: Timestamp) -> Option<Crossing> {
        let axis = Axis::Ports(host);
        let tiers = self.tiers(&self.detection.vertical);
        if let Some((window, value, threshold)) =
            self.weighed(cell, now, &tiers, |contact| Some(contact.weight), |_, _| true)
        {
            let what = "ports of one host, by weight of outcome,";
            return Some(self.crossing(axis, window, false, what, value, threshold));
        }
        self.sensitive_ports(cell, host, now).or_else(|| self.ports_in_order(cell, host, now))
    }

    fn sensitive_ports(&self, cell: &Cell, host: Address, now: Timestamp) -> Option<Crossing> {
        let threshold = self.detection.sensitive * self.threshold;
        if (cell.unserved() as f64) < threshold {
            return None;
        }
        let sensitive = |contact: &&Contact| {
            contact.outcome != Outcome::Served
                && !contact.habit
                && contact.protocol == Protocol::Tcp
                && self.detection.sensitive_ports.contains(&contact.port)
        };
        let value = cell.within(now, self.window).filter(sensitive).count() as f64;
        (host.is_internal() && value >= threshold).then(|| {
            let what = format!("sensitive ports of one host ({host})");
            self.crossing(Axis::Ports(host), self.window, false, &what, value, threshold)
        })
    }

    fn ports_in_order(&self, cell: &Cell, host: Address, now: Timestamp) -> Option<Crossing> {
        let sequence = &self.detection.sequence;
        for (window, threshold) in self.tiers(&self.detection.vertical).into_iter().take(2) {
            if cell.most_in_order(sequence.weight, 0.0) < threshold {
                continue;
            }
            let contacts: Vec<&Contact> = cell
                .within(now, window)
                .filter(|c| c.outcome != Outcome::Served && !c.habit)
                .filter(|c| !is_ephemeral(c.protocol, c.port))
                .collect();
            let value = contacts.len() as f64 * sequence.weight;
            let ports: Vec<u16> = contacts.iter().map(|contact| contact.port).collect();
            if value >= threshold && sequence::walks_ports(&ports, sequence) {
                let what = "ports of one host in order, by weight,";
                return Some(self.crossing(
                    Axis::Ports(host),
                    window,
                    true,
                    what,
                    value,
                    threshold,
                ));
            }
        }
        None
    }

    /// Hosts on one port, or hosts asked for by ARP, neighbour discovery or ICMP.
    pub fn hosts(
        &self,
        cell: &Cell,
        protocol: Protocol,
        port: u16,
        now: Timestamp,
    ) -> Option<Crossing> {
        let axis = Axis::Hosts(protocol, port);
        let tiers: ArrayVec<(Span, f64), 4> = match protocol {
            Protocol::Arp | Protocol::Neighbour => {
                [(self.window, self.detection.neighbour * self.threshold)].into_iter().collect()
            }
            Protocol::Icmp | Protocol::Icmpv6 => self.tiers(&self.detection.ping).into(),
            _ => self.tiers(&self.detection.horizontal).into(),
        };
        // What they were asked for: a block scan crosses for each of its ports.
        let asked = || match port {
            0 => format!("hosts asked by {}", protocol.name()),
            port => format!("hosts on {} port {port}", protocol.name()),
        };
        let client = cell.revisit_ratio() >= self.detection.sequence.revisits;
        let allowed = |place: usize, sum: &Sum| {
            if sum.is_mostly_unknown() {
                // Breadth alone must carry it, and over longer windows ordinary work is broad.
                place == 0 && !client
            } else {
                sum.failure_share() >= self.wanted_failures(place)
            }
        };
        if let Some((window, value, threshold)) =
            self.weighed(cell, now, &tiers, |contact| Some(contact.weight), allowed)
            && !cell.is_crowd(now, window, &self.detection.ordinary.peers)
        {
            let what = format!("{}, by weight of outcome,", asked());
            return Some(self.crossing(axis, window, false, &what, value, threshold));
        }
        if let Some(crossing) = self.desktops(cell, protocol, port, now) {
            return Some(crossing);
        }
        let (window, threshold) = *tiers.first()?;
        let sequence = &self.detection.sequence;
        if client || cell.most_in_order(sequence.weight, sequence.served_weight) < threshold {
            return None;
        }
        let walked: Vec<&Contact> =
            cell.within(now, window).filter(|c| !c.is_outside_service() && !c.habit).collect();
        let value = self.order_weight(&walked);
        let hosts: Vec<Address> = walked.iter().map(|contact| contact.target).collect();
        let served = walked.iter().filter(|c| c.outcome == Outcome::Served).count();
        let used = served * 2 > walked.len();
        let walks = sequence::walks_hosts(&hosts, used, sequence);
        (value >= threshold && walks).then(|| {
            let what = format!("{} in order or side by side, by weight,", asked());
            self.crossing(axis, window, true, &what, value, threshold)
        })
    }

    /// Remote desktops in a burst, whatever came of the contacts.
    fn desktops(
        &self,
        cell: &Cell,
        protocol: Protocol,
        port: u16,
        now: Timestamp,
    ) -> Option<Crossing> {
        let desktops = &self.detection.desktops;
        if protocol != Protocol::Tcp || !desktops.ports.contains(&port) {
            return None;
        }
        let (window, threshold) = (desktops.within, desktops.threshold * self.threshold);
        let mut sum = Sum::default();
        cell.within(now, window)
            .filter(|contact| !contact.habit)
            .for_each(|c| sum.add(c, c.weight));
        let value = f64::from(sum.contacts);
        (value >= threshold).then(|| {
            let what = format!("remote desktops on tcp port {port} in a burst");
            // Where they answered, the burst alone tells of it.
            let answered = (sum.failed + sum.unknown) * 2 < sum.contacts;
            self.crossing(Axis::Hosts(protocol, port), window, answered, &what, value, threshold)
        })
    }

    /// Pairs of host and port.
    pub fn pairs(&self, ring: &Cell, now: Timestamp) -> Option<Crossing> {
        let tiers = self.tiers(&self.detection.block);
        let (window, fewest) = tiers[0];
        // Hosts asked for by ARP and the like have an axis of their own.
        // What is light is seen beside the rest, and adds up to no scan by itself.
        let probes = |contact: &Contact| match contact.is_light() {
            _ if contact.protocol.finds_hosts() => None,
            true => Some(0.0),
            false => Some(contact.weight),
        };
        let known = |place: usize, sum: &Sum| {
            !sum.is_mostly_unknown() && sum.failure_share() >= self.wanted_failures(place)
        };
        if let Some((window, value, threshold)) = self.weighed(ring, now, &tiers, probes, known)
            && !ring.is_crowd(now, window, &self.detection.ordinary.peers)
        {
            let what = "pairs of host and port, by weight of outcome,";
            return Some(self.crossing(Axis::Pairs, window, false, what, value, threshold));
        }
        if ring.revisit_ratio() >= self.detection.sequence.revisits {
            return None;
        }
        if ring.most_in_order(1.0, self.detection.sequence.served_weight) < fewest {
            return None;
        }
        if let Some(crossing) = self.wide(ring, now) {
            return Some(crossing);
        }
        let walked = ring
            .within(now, window)
            .filter(|c| !c.habit && c.has_port() && !is_ephemeral(c.protocol, c.port))
            // Services that were in use lately and fail now are their clients' grid: a laptop's elsewhere.
            .filter(|contact| !(contact.failed() && contact.is_light()))
            .filter(|contact| !contact.is_outside_service());
        let mut sum = Sum::default();
        walked.clone().for_each(|contact| sum.add(contact, 0.0));
        let served = f64::from(sum.served) * (1.0 - self.detection.sequence.served_weight);
        let value = f64::from(sum.contacts) - served;
        if value < fewest {
            return None;
        }
        let grid = walked.map(|contact| (contact.target, contact.port));
        (sequence::grid_share(grid) >= self.detection.sequence.grid_share).then(|| {
            let what = "pairs that fill a grid of hosts and ports";
            self.crossing(Axis::Pairs, window, true, what, value, fewest)
        })
    }

    /// Many own hosts and many ports at once, where outcomes are mostly not known: no client's work
    /// spreads along both axes. A sample of the traffic shows of a block scan no more than this.
    fn wide(&self, ring: &Cell, now: Timestamp) -> Option<Crossing> {
        let (window, fewest) = self.tiers(&self.detection.block)[0];
        // Looked at first, since it is cheap and most origins' outcomes are known.
        if ring.unknown() as f64 * 2.0 < fewest {
            return None;
        }
        let contacts = || ring.within(now, window).filter(|contact| contact.has_port());
        let mut sum = Sum::default();
        contacts().for_each(|contact| sum.add(contact, contact.weight));
        if !sum.is_mostly_unknown() || f64::from(sum.contacts) < fewest {
            return None;
        }
        let own = contacts().filter(|contact| {
            let own = contact.outcome != Outcome::Served && !contact.habit;
            own && !is_ephemeral(contact.protocol, contact.port) && contact.target.is_internal()
        });
        let ports = sequence::distinct(own.clone().map(|contact| contact.port));
        if (ports as f64) < fewest {
            return None;
        }
        let hosts = sequence::distinct(own.map(|contact| contact.target));
        let value = hosts.min(ports) as f64;
        (value >= fewest).then(|| {
            let what = "own hosts, and as many ports, with outcomes unknown,";
            self.crossing(Axis::Pairs, window, false, what, value, fewest)
        })
    }

    /// The reflected walk: distinct hosts of one origin that failed, on whatever port.
    pub fn walk(&self, ring: &Cell, position: f64, now: Timestamp) -> Option<Crossing> {
        let threshold = self.walk;
        if position < threshold || ring.was_crowd() {
            return None;
        }
        let window = self.detection.spans.day.max(self.window);
        let slow = if self.outside { self.detection.outside_factor } else { 1.0 };
        let failed = ring
            .within(now, window)
            .filter(|contact| contact.failed() && !contact.protocol.finds_hosts())
            .filter(|contact| !contact.is_light());
        let weight: f64 = failed.clone().map(|contact| f64::from(contact.weight)).sum();
        let enough = self.threshold * self.detection.horizontal.day * slow;
        if weight < enough {
            return None;
        }
        if sequence::is_fewer(failed.map(|contact| contact.target), enough.ceil() as usize) {
            return None;
        }
        if ring.is_crowd(now, window, &self.detection.ordinary.peers) {
            return None;
        }
        let what = "failed less served new hosts (reflected walk)";
        let mut crossing = self.crossing(Axis::Pairs, window, false, what, position, threshold);
        crossing.condition.key = "detection.walk".into();
        Some(crossing)
    }

    /// Dark addresses met within a day: nobody has business there. Of a server that goes through its
    /// inventory some clients are off for days, so that a share of all hosts met must be dark
    /// (scan-detectors.md section 8: scenario 23 has a third, scenario 19 a seventh).
    pub fn dark(&self, ring: &Cell, now: Timestamp) -> Option<Crossing> {
        let window = self.detection.spans.day.max(self.window);
        let threshold = (self.detection.dark * self.threshold).round().max(1.0);
        let dark = |contact: &&Contact| contact.dark && contact.failed();
        if (ring.within(now, window).filter(dark).count() as f64) < threshold {
            return None;
        }
        let hosts: BTreeSet<Address> =
            ring.within(now, window).filter(dark).map(|contact| contact.target).collect();
        let met: BTreeSet<Address> =
            ring.within(now, window).map(|contact| contact.target).collect();
        let value = hosts.len() as f64;
        let share = value / met.len().max(1) as f64;
        (value >= threshold && share >= self.detection.dark_share).then(|| {
            let what = "addresses at which nobody was ever seen,";
            let mut crossing = self.crossing(Axis::Pairs, window, false, what, value, threshold);
            crossing.condition.key = "detection.dark".into();
            crossing
        })
    }

    fn wanted_failures(&self, place: usize) -> f64 {
        if place == 3 { self.detection.failure_share_day } else { self.detection.failure_share }
    }

    fn order_weight(&self, contacts: &[&Contact]) -> f64 {
        let sequence = &self.detection.sequence;
        contacts
            .iter()
            .map(|contact| match contact.outcome {
                Outcome::Served => sequence.served_weight,
                _ => sequence.weight,
            })
            .sum()
    }
}
