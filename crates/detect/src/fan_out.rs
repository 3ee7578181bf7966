//! Fan-out: distinct targets of one origin in sliding windows, along two axes and both together.

use std::collections::{BTreeSet, VecDeque};

use arrayvec::ArrayVec;
use lapwing_event::{Address, Outcome, Protocol, Span, Timestamp};

use crate::attempt::{Contact, is_ephemeral};
use crate::bounded::Scored;
use crate::crowd::Crowd;
use crate::finding::Condition;
use crate::sequence;
use crate::tunables::{Detection, Tiers};

/// How many contacts of one (origin, host) or (origin, port) are kept. The largest threshold that
/// is decided on is 20 with the least weight of 0.25, which 80 contacts reach.
const CELL_CONTACTS: usize = 128;

/// How many contacts of one origin are kept, over all its hosts and ports: the largest block
/// threshold, 45, at the weight of a silent UDP port (0.3) takes 150; the rest is room for what the
/// origin does beside its scan.
pub(crate) const RING_CONTACTS: usize = 512;

/// How many source addresses make a rotation, and in how many subnets its targets lie.
const FEWEST_ROTATED: usize = 8;
const MOST_SUBNETS: usize = 2;

/// First contacts of one origin along one axis, oldest first.
#[derive(Debug)]
pub(crate) struct Cell {
    contacts: VecDeque<Contact>,
    capacity: usize,
    weight: f64,
    /// How many of its contacts were not served.
    unserved: usize,
    /// How many were, where order may count them.
    used: usize,
    /// Touches of targets that were known already.
    revisits: u32,
}

impl Scored for Cell {
    fn score(&self) -> u64 {
        (self.weight * 1000.0) as u64
    }
}

impl Cell {
    /// For the contacts of one host or one port.
    pub fn new() -> Cell {
        // Most hold one contact for good.
        let contacts = VecDeque::with_capacity(1);
        Cell { contacts, capacity: CELL_CONTACTS, weight: 0.0, unserved: 0, used: 0, revisits: 0 }
    }

    /// For all contacts of an origin.
    pub fn ring() -> Cell {
        Cell { capacity: RING_CONTACTS, ..Cell::new() }
    }

    /// Adds a first contact; the oldest goes where the cell is full.
    pub fn push(&mut self, contact: Contact) {
        if self.contacts.len() >= self.capacity
            && let Some(oldest) = self.contacts.pop_front()
        {
            self.weight -= f64::from(oldest.weight);
            let (unserved, used) = in_order(&oldest);
            self.unserved -= unserved;
            self.used -= used;
        }
        self.weight += f64::from(contact.weight);
        let (unserved, used) = in_order(&contact);
        self.unserved += unserved;
        self.used += used;
        self.contacts.push_back(contact);
    }

    /// How many contacts it holds.
    pub fn len(&self) -> usize {
        self.contacts.len()
    }

    /// Notes a touch of a known target.
    pub fn revisit(&mut self) {
        self.revisits = self.revisits.saturating_add(1);
    }

    /// Lets go of the contacts that one process made: another finding holds them.
    pub fn forget(&mut self, child: u64) {
        self.contacts.retain(|contact| contact.child != child);
        self.weight = self.contacts.iter().map(|contact| f64::from(contact.weight)).sum();
        let in_order = self.contacts.iter().map(in_order);
        (self.unserved, self.used) = in_order.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    }

    /// The contacts within `window` of `now`, oldest first.
    pub fn within(&self, now: Timestamp, window: Span) -> impl Iterator<Item = &Contact> {
        self.contacts.iter().filter(move |contact| now.since(contact.time) <= window)
    }

    /// How many distinct processes made its contacts.
    pub fn children(&self) -> usize {
        let mut children: Vec<u64> = self.contacts.iter().map(|contact| contact.child).collect();
        children.sort_unstable();
        children.dedup();
        children.len()
    }

    /// Touches of known targets per distinct target: near 0 for scanners, above 1 for clients.
    fn revisit_ratio(&self) -> f64 {
        f64::from(self.revisits) / self.contacts.len().max(1) as f64
    }

    /// Whether its failed contacts within `window` show a host that takes another address of its
    /// subnet for each probe, rather than the hosts of a subnet at their work: nearly as many
    /// addresses as probes, and the targets in one place.
    pub fn rotates(&self, now: Timestamp, window: Span) -> bool {
        let failed: Vec<&Contact> = self
            .within(now, window)
            .filter(|contact| contact.failed() && !contact.is_outside_service())
            .collect();
        let children: BTreeSet<u64> = failed.iter().map(|contact| contact.child).collect();
        let subnets: BTreeSet<Address> =
            failed.iter().map(|contact| contact.target.subnet().base()).collect();
        children.len() >= FEWEST_ROTATED
            && children.len() * 2 >= failed.len()
            && subnets.len() <= MOST_SUBNETS
    }

    /// Whether the weights of its contacts could reach one of these thresholds. Looked at before the
    /// contacts are: most of what is counted is far from any.
    fn may_weigh(&self, tiers: &[(Span, f64)]) -> bool {
        tiers.iter().any(|(_, threshold)| self.weight + HAIR >= *threshold)
    }

    /// The most that its contacts can come to in order, where an unserved one counts `unserved`.
    fn most_in_order(&self, unserved: f64, served: f64) -> f64 {
        self.unserved as f64 * unserved + self.used as f64 * served
    }
}

/// The weights are f32 and summed: a hair's breadth under the threshold is on it.
const HAIR: f64 = 1e-4;

/// What a contact may count in order: as one that was not served, or as one that was and is no
/// common service outside.
fn in_order(contact: &Contact) -> (usize, usize) {
    match contact.outcome {
        Outcome::Served => (0, usize::from(!contact.is_outside_service())),
        _ => (1, 0),
    }
}

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
}

/// Along which axis a threshold was crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    unknown: u32,
}

impl Sum {
    fn add(&mut self, contact: &Contact) {
        self.weight += f64::from(contact.weight);
        self.contacts += 1;
        self.failed += u32::from(contact.failed());
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
            key: self.key,
        };
        Crossing { axis, window, by_order, condition }
    }

    /// The first window whose threshold the weights of its contacts reach, where `allowed` says
    /// that the sum may count; `counts` says which contacts do. `allowed` is told the window's place, 0 being the shortest.
    fn weighed(
        &self,
        cell: &Cell,
        now: Timestamp,
        tiers: &[(Span, f64)],
        counts: impl Fn(&Contact) -> bool,
        allowed: impl Fn(usize, &Sum) -> bool,
    ) -> Option<(Span, f64, f64)> {
        if !cell.may_weigh(tiers) {
            return None;
        }
        let mut newest_first = cell.contacts.iter().rev().peekable();
        let mut sum = Sum::default();
        for (place, (window, threshold)) in tiers.iter().enumerate() {
            while let Some(contact) =
                newest_first.next_if(|contact| now.since(contact.time) <= *window)
            {
                if counts(contact) {
                    sum.add(contact);
                }
            }
            if sum.weight + HAIR >= *threshold && allowed(place, &sum) {
                return Some((*window, sum.weight, *threshold));
            }
        }
        None
    }

    /// Ports of one host.
    pub fn ports(&self, cell: &Cell, host: Address, now: Timestamp) -> Option<Crossing> {
        let axis = Axis::Ports(host);
        let tiers = self.tiers(&self.detection.vertical);
        if let Some((window, value, threshold)) =
            self.weighed(cell, now, &tiers, |_| true, |_, _| true)
        {
            let what = "ports of one host, by weight of outcome,";
            return Some(self.crossing(axis, window, false, what, value, threshold));
        }
        self.sensitive_ports(cell, host, now).or_else(|| self.ports_in_order(cell, host, now))
    }

    fn sensitive_ports(&self, cell: &Cell, host: Address, now: Timestamp) -> Option<Crossing> {
        let threshold = self.detection.sensitive * self.threshold;
        if (cell.unserved as f64) < threshold {
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
            let what = "sensitive ports of one host";
            self.crossing(Axis::Ports(host), self.window, false, what, value, threshold)
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
        if let Some((window, value, threshold)) = self.weighed(cell, now, &tiers, |_| true, allowed)
            && !is_peer_to_peer(cell.within(now, window))
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
        cell.within(now, window).filter(|contact| !contact.habit).for_each(|c| sum.add(c));
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
        let probes = |contact: &Contact| !contact.protocol.finds_hosts();
        let known = |place: usize, sum: &Sum| {
            !sum.is_mostly_unknown() && sum.failure_share() >= self.wanted_failures(place)
        };
        if let Some((window, value, threshold)) = self.weighed(ring, now, &tiers, probes, known)
            && !is_peer_to_peer(ring.within(now, window))
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
        let walked: Vec<&Contact> = ring
            .within(now, window)
            .filter(|c| c.has_port() && !is_ephemeral(c.protocol, c.port))
            .filter(|contact| !contact.is_outside_service() && !contact.habit)
            .collect();
        let grid: Vec<(Address, u16)> = walked.iter().map(|c| (c.target, c.port)).collect();
        let served = walked.iter().filter(|c| c.outcome == Outcome::Served).count() as f64;
        let value = walked.len() as f64 - served * (1.0 - self.detection.sequence.served_weight);
        let share = self.detection.sequence.grid_share;
        (value >= fewest && sequence::grid_share(&grid) >= share).then(|| {
            let what = "pairs that fill a grid of hosts and ports";
            self.crossing(Axis::Pairs, window, true, what, value, fewest)
        })
    }

    /// Many own hosts and many ports at once, where outcomes are mostly not known: no client's work
    /// spreads along both axes. A sample of the traffic shows of a block scan no more than this.
    fn wide(&self, ring: &Cell, now: Timestamp) -> Option<Crossing> {
        let (window, fewest) = self.tiers(&self.detection.block)[0];
        let contacts = || ring.within(now, window).filter(|contact| contact.has_port());
        let mut sum = Sum::default();
        contacts().for_each(|contact| sum.add(contact));
        // Looked at first, since it is cheap and most origins' outcomes are known.
        if !sum.is_mostly_unknown() || f64::from(sum.contacts) < fewest {
            return None;
        }
        let (mut hosts, mut ports) = (BTreeSet::new(), BTreeSet::new());
        for contact in contacts() {
            let own = contact.target.is_internal() && contact.outcome != Outcome::Served;
            if own && !contact.habit && !is_ephemeral(contact.protocol, contact.port) {
                hosts.insert(contact.target);
                ports.insert(contact.port);
            }
        }
        let value = hosts.len().min(ports.len()) as f64;
        (value >= fewest).then(|| {
            let what = "own hosts, and as many ports, with outcomes unknown,";
            self.crossing(Axis::Pairs, window, false, what, value, fewest)
        })
    }

    /// The reflected walk: distinct hosts of one origin that failed, on whatever port.
    pub fn walk(&self, ring: &Cell, position: f64, now: Timestamp) -> Option<Crossing> {
        let threshold = self.walk;
        if position < threshold {
            return None;
        }
        let window = self.detection.spans.day.max(self.window);
        let slow = if self.outside { self.detection.outside_factor } else { 1.0 };
        let failed: Vec<&Contact> = ring
            .within(now, window)
            .filter(|contact| contact.failed() && !contact.protocol.finds_hosts())
            .collect();
        let mut hosts: Vec<Address> = failed.iter().map(|contact| contact.target).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let weight: f64 = failed.iter().map(|contact| f64::from(contact.weight)).sum();
        let enough = self.threshold * self.detection.horizontal.day * slow;
        if (hosts.len() as f64) < enough || weight < enough {
            return None;
        }
        if is_peer_to_peer(ring.within(now, window)) {
            return None;
        }
        let what = "failed less served new hosts (reflected walk)";
        let mut crossing = self.crossing(Axis::Pairs, window, false, what, position, threshold);
        crossing.condition.key = "detection.walk";
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
            crossing.condition.key = "detection.dark";
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

/// Whether contacts look like a peer-to-peer client's, or its like, at the moment.
fn is_peer_to_peer<'a>(contacts: impl Iterator<Item = &'a Contact>) -> bool {
    let mut crowd = Crowd::default();
    for contact in contacts {
        crowd.add(contact);
    }
    crowd.is_peer_to_peer()
}
