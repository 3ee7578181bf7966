//! Fan-out: distinct targets of one origin in sliding windows, along two axes and both together.

use std::collections::BTreeSet;

use arrayvec::ArrayVec;
use lapwing_event::{Address, Outcome, Protocol, Span};

use crate::attempt::{Contact, is_ephemeral};
use crate::cell::Cell;
use crate::crossing::{Axis, Crossing, What};
use crate::look::Look;
use crate::sequence;
use crate::shard::OriginState;
use crate::sums::{Count, Sum, Sums};
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
        what: What,
        value: f64,
        threshold: f64,
    ) -> Crossing {
        Crossing { axis, window, by_order, what, value, threshold, key: self.key }
    }

    /// The first window whose threshold the weights of its contacts reach, where `allowed` says
    /// that the sum may count, told the window's place, 0 being the shortest; `sum` says which of the
    /// contacts count.
    fn weighed(
        &self,
        look: &Look<'_>,
        tiers: &[(Span, f64)],
        sum: impl Fn(&Sums) -> Sum,
        allowed: impl Fn(usize, &Sum) -> bool,
    ) -> Option<(Span, f64, f64)> {
        // Looked at before the contacts are: most of what is counted is far from any threshold.
        let reached = tiers
            .iter()
            .enumerate()
            .filter(|(_, (_, threshold))| look.cell.weight() + HAIR >= *threshold);
        for (place, (window, threshold)) in reached {
            let sum = sum(&look.sums(*window));
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
    pub fn ports(&self, look: &Look<'_>, host: Address) -> Option<Crossing> {
        let axis = Axis::Ports(host);
        let tiers = self.tiers(&self.detection.vertical);
        if let Some((window, value, threshold)) = self.weighed(look, &tiers, Sums::all, |_, _| true)
        {
            let what = What::Said("ports of one host, by weight of outcome,");
            return Some(self.crossing(axis, window, false, what, value, threshold));
        }
        self.sensitive_ports(look, host).or_else(|| self.ports_in_order(look, host))
    }

    fn sensitive_ports(&self, look: &Look<'_>, host: Address) -> Option<Crossing> {
        let threshold = self.detection.sensitive * self.threshold;
        if (look.cell.unserved() as f64) < threshold {
            return None;
        }
        let sensitive = |contact: &&Contact| {
            contact.outcome != Outcome::Served
                && !contact.habit
                && contact.protocol == Protocol::Tcp
                && self.detection.sensitive_ports.contains(&contact.port)
        };
        let value = look.within(self.window).filter(sensitive).count() as f64;
        (host.is_internal() && value >= threshold).then(|| {
            let what = What::SensitivePorts(host);
            self.crossing(Axis::Ports(host), self.window, false, what, value, threshold)
        })
    }

    fn ports_in_order(&self, look: &Look<'_>, host: Address) -> Option<Crossing> {
        let sequence = &self.detection.sequence;
        for (window, threshold) in self.tiers(&self.detection.vertical).into_iter().take(2) {
            if look.cell.most_in_order(sequence.weight, 0.0) < threshold {
                continue;
            }
            let walking = look.sums(window).count(Count::WalkingPorts);
            let value = f64::from(walking) * sequence.weight;
            if value < threshold || walking < sequence.fewest {
                continue;
            }
            let ports: Vec<u16> = look
                .within(window)
                .filter(|c| c.outcome != Outcome::Served && !c.habit)
                .filter(|c| !is_ephemeral(c.protocol, c.port))
                .map(|contact| contact.port)
                .collect();
            if sequence::walks_ports(&ports, sequence) {
                let axis = Axis::Ports(host);
                let what = What::Said("ports of one host in order, by weight,");
                return Some(self.crossing(axis, window, true, what, value, threshold));
            }
        }
        None
    }

    /// Hosts on one port, or hosts asked for by ARP, neighbour discovery or ICMP.
    pub fn hosts(&self, look: &Look<'_>, protocol: Protocol, port: u16) -> Option<Crossing> {
        let axis = Axis::Hosts(protocol, port);
        let tiers: ArrayVec<(Span, f64), 4> = match protocol {
            Protocol::Arp | Protocol::Neighbour => {
                [(self.window, self.detection.neighbour * self.threshold)].into_iter().collect()
            }
            Protocol::Icmp | Protocol::Icmpv6 => self.tiers(&self.detection.ping).into(),
            _ => self.tiers(&self.detection.horizontal).into(),
        };
        let client = look.cell.revisit_ratio() >= self.detection.sequence.revisits;
        let allowed = |place: usize, sum: &Sum| {
            if sum.is_mostly_unknown() {
                // Breadth alone must carry it, and over longer windows ordinary work is broad.
                place == 0 && !client
            } else {
                sum.failure_share() >= self.wanted_failures(place)
            }
        };
        if let Some((window, value, threshold)) = self.weighed(look, &tiers, Sums::all, allowed)
            && !look.is_crowd(window, &self.detection.ordinary.peers)
        {
            let what = What::Hosts(protocol, port, ", by weight of outcome,");
            return Some(self.crossing(axis, window, false, what, value, threshold));
        }
        if let Some(crossing) = self.desktops(look, protocol, port) {
            return Some(crossing);
        }
        let (window, threshold) = *tiers.first()?;
        let sequence = &self.detection.sequence;
        if client || look.cell.most_in_order(sequence.weight, sequence.served_weight) < threshold {
            return None;
        }
        let sums = look.sums(window);
        let (walking, served) = (sums.count(Count::Walking), sums.count(Count::ServedWalking));
        let about = f64::from(walking.saturating_sub(served)) * sequence.weight
            + f64::from(served) * sequence.served_weight;
        if about + HAIR < threshold || walking < sequence.fewest {
            return None;
        }
        let walked: Vec<&Contact> =
            look.within(window).filter(|c| !c.is_outside_service() && !c.habit).collect();
        let value = self.order_weight(&walked);
        let hosts: Vec<Address> = walked.iter().map(|contact| contact.target).collect();
        let used = served * 2 > walking;
        let walks = sequence::walks_hosts(&hosts, used, sequence);
        (value >= threshold && walks).then(|| {
            let what = What::Hosts(protocol, port, " in order or side by side, by weight,");
            self.crossing(axis, window, true, what, value, threshold)
        })
    }

    /// Remote desktops in a burst, whatever came of the contacts.
    fn desktops(&self, look: &Look<'_>, protocol: Protocol, port: u16) -> Option<Crossing> {
        let desktops = &self.detection.desktops;
        if protocol != Protocol::Tcp || !desktops.ports.contains(&port) {
            return None;
        }
        let (window, threshold) = (desktops.within, desktops.threshold * self.threshold);
        let reached = || look.within(window).filter(|contact| !contact.habit);
        let value = reached().count() as f64;
        (value >= threshold).then(|| {
            let what = What::Desktops(port);
            // Where they answered, the burst alone tells of it.
            let silent = |c: &&Contact| c.failed() || c.outcome == Outcome::Unknown;
            let answered = reached().filter(silent).count() * 2 < reached().count();
            self.crossing(Axis::Hosts(protocol, port), window, answered, what, value, threshold)
        })
    }

    /// Pairs of host and port.
    pub fn pairs(&self, ring: &Look<'_>) -> Option<Crossing> {
        let tiers = self.tiers(&self.detection.block);
        let (window, fewest) = tiers[0];
        let known = |place: usize, sum: &Sum| {
            !sum.is_mostly_unknown() && sum.failure_share() >= self.wanted_failures(place)
        };
        if let Some((window, value, threshold)) = self.weighed(ring, &tiers, Sums::probes, known)
            && !ring.is_crowd(window, &self.detection.ordinary.peers)
        {
            let what = What::Said("pairs of host and port, by weight of outcome,");
            return Some(self.crossing(Axis::Pairs, window, false, what, value, threshold));
        }
        if ring.cell.revisit_ratio() >= self.detection.sequence.revisits {
            return None;
        }
        if ring.cell.most_in_order(1.0, self.detection.sequence.served_weight) < fewest {
            return None;
        }
        let sums = ring.sums(window);
        if let Some(crossing) = self.wide(ring, &sums) {
            return Some(crossing);
        }
        let filled = sums.count(Count::Grid);
        let served = f64::from(sums.count(Count::ServedGrid));
        let value = f64::from(filled) - served * (1.0 - self.detection.sequence.served_weight);
        if value < fewest {
            return None;
        }
        ring.fills_grid(window, self.detection.sequence.grid_share).then(|| {
            let what = What::Said("pairs that fill a grid of hosts and ports");
            self.crossing(Axis::Pairs, window, true, what, value, fewest)
        })
    }

    /// Many own hosts and many ports at once, where outcomes are mostly not known: no client's work
    /// spreads along both axes. A sample of the traffic shows of a block scan no more than this.
    fn wide(&self, ring: &Look<'_>, sums: &Sums) -> Option<Crossing> {
        let (window, fewest) = self.tiers(&self.detection.block)[0];
        let (ported, unknown) = (sums.count(Count::Ported), sums.count(Count::UnknownPorted));
        if unknown * 2 <= ported || f64::from(sums.count(Count::Own)) < fewest {
            return None;
        }
        if fewest >= sequence::GRID_HOSTS as f64 && ring.is_narrow(window) {
            return None;
        }
        let ports = ring.own_ports(window);
        if (ports as f64) < fewest {
            return None;
        }
        let value = ring.own_hosts(window).min(ports) as f64;
        (value >= fewest).then(|| {
            let what = What::Said("own hosts, and as many ports, with outcomes unknown,");
            self.crossing(Axis::Pairs, window, false, what, value, fewest)
        })
    }

    /// The reflected walk: distinct hosts of one origin that failed, on whatever port.
    pub fn walk(&self, ring: &Look<'_>, position: f64) -> Option<Crossing> {
        let threshold = self.walk;
        if position < threshold || ring.cell.was_crowd() {
            return None;
        }
        let window = self.detection.spans.day.max(self.window);
        let slow = if self.outside { self.detection.outside_factor } else { 1.0 };
        let enough = self.threshold * self.detection.horizontal.day * slow;
        if ring.sums(window).failed_weight() < enough {
            return None;
        }
        let failed = ring
            .within(window)
            .filter(|contact| contact.failed() && !contact.protocol.finds_hosts())
            .filter(|contact| !contact.is_light());
        if sequence::is_fewer(failed.map(|contact| contact.target), enough.ceil() as usize) {
            return None;
        }
        if ring.is_crowd(window, &self.detection.ordinary.peers) {
            return None;
        }
        let what = What::Said("failed less served new hosts (reflected walk)");
        let mut crossing = self.crossing(Axis::Pairs, window, false, what, position, threshold);
        crossing.key = "detection.walk";
        Some(crossing)
    }

    /// Dark addresses met within a day: nobody has business there. Of a server that goes through its
    /// inventory some clients are off for days, so that a share of all hosts met must be dark
    /// (scan-detectors.md section 8: scenario 23 has a third, scenario 19 a seventh).
    pub fn dark(&self, ring: &Look<'_>) -> Option<Crossing> {
        let window = self.detection.spans.day.max(self.window);
        let threshold = (self.detection.dark * self.threshold).round().max(1.0);
        let dark = |contact: &&Contact| contact.dark && contact.failed();
        if (ring.within(window).filter(dark).count() as f64) < threshold {
            return None;
        }
        let hosts: BTreeSet<Address> =
            ring.within(window).filter(dark).map(|contact| contact.target).collect();
        let met: BTreeSet<Address> = ring.within(window).map(|contact| contact.target).collect();
        let value = hosts.len() as f64;
        let share = value / met.len().max(1) as f64;
        (value >= threshold && share >= self.detection.dark_share).then(|| {
            let what = What::Said("addresses at which nobody was ever seen,");
            let mut crossing = self.crossing(Axis::Pairs, window, false, what, value, threshold);
            crossing.key = "detection.dark";
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
