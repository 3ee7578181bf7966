//! The fold: start reading here.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_event::{
    Activity, Address, Event, Initiator, Network, Outcome, ProcessActivity, Span, Timestamp,
};

use crate::analytics::Analytic;
use crate::attempt::{self, Contact, protocol_byte};
use crate::bounded::{Known, Scored, Table, identity};
use crate::episode::Episode;
use crate::fan_out::{Axis, Cell, Crossing, Limits};
use crate::finding::{Finding, Level};
use crate::order::Order;
use crate::origin::{Link, Processes, Who};
use crate::suppress;
use crate::tunables::Tunables;
use crate::walk::Walk;

/// How long a service that was used stays known as one (scan-detectors.md section 6: 7 days).
const SERVICE_MEMORY: Span = Span::seconds(7 * 86_400);

/// The fewest processes that make a loop: a shell that starts two programs is no loop.
const FEWEST_CHILDREN: usize = 3;

/// How many episodes are kept open or resumable at once. Each holds at most 65,536 targets; the
/// longest quiet goes first, and is told of before it goes.
const MAX_EPISODES: usize = 4096;

/// What a detector takes.
#[derive(Clone, Debug)]
pub enum Input {
    /// Something happened.
    Event(Event),
    /// Nothing that happened before this moment will come any more.
    Advance(Timestamp),
    /// From here on these tunables hold; what is already counted stays.
    Retune(Box<Tunables>),
}

/// What a detector counted, so that nothing is dropped silently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events judged.
    pub events: u64,
    /// Events that came too late to be judged.
    pub late: u64,
    /// Entries of state that were let go because a bound was reached.
    pub shed: u64,
    /// Findings that a suppression entry matched, by the entry's key and label.
    pub suppressed: BTreeMap<String, u64>,
}

/// Judges events: a fold over [`Input`]s, driven by event time alone.
pub struct Detector {
    tunables: Tunables,
    order: Order,
    state: State,
    tally: Tally,
}

/// Everything that is remembered between events.
struct State {
    now: Timestamp,
    processes: Processes,
    /// First contacts by (origin, target), and hosts met by origin.
    known: Known,
    /// Services that were used, and by whom.
    services: Table<Service>,
    origins: Table<OriginState>,
    cells: Table<Cell>,
    /// Open and resumable episodes by origin.
    episodes: BTreeMap<u64, Episode>,
    /// When episodes may have to be closed or forgotten; entries can be early, never late.
    deadlines: BTreeSet<(Timestamp, u64)>,
    shed_episodes: u64,
}

/// What is remembered of one origin.
struct OriginState {
    ring: Cell,
    walk: Walk,
    convicted: bool,
}

impl Scored for OriginState {
    fn score(&self) -> u64 {
        // Who is being watched for a scan stays; then whoever has failed most.
        self.ring.score() | u64::from(self.convicted) << 62
    }
}

/// A service that was used.
struct Service {
    by: Address,
    shared: bool,
    last: Timestamp,
}

impl Scored for Service {
    fn score(&self) -> u64 {
        (self.last.0.max(0) as u64) >> 1 | u64::from(self.shared) << 62
    }
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl Detector {
    /// A detector for live streams: events may come out of order within the tunables' lateness.
    pub fn new(tunables: Tunables) -> Detector {
        let lateness = tunables.detection.lateness;
        Detector::with_lateness(tunables, lateness)
    }

    /// A detector for input that is in event-time order already.
    pub fn sorted(tunables: Tunables) -> Detector {
        Detector::with_lateness(tunables, Span::ZERO)
    }

    fn with_lateness(tunables: Tunables, lateness: Span) -> Detector {
        let memory = tunables.memory;
        Detector {
            order: Order::new(lateness),
            state: State {
                now: Timestamp::MIN,
                processes: Processes::new(memory.processes),
                known: Known::new(memory.contacts, tunables.detection.novelty),
                services: Table::new(memory.services),
                origins: Table::new(memory.origins),
                cells: Table::new(memory.cells),
                episodes: BTreeMap::new(),
                deadlines: BTreeSet::new(),
                shed_episodes: 0,
            },
            tunables,
            tally: Tally::default(),
        }
    }

    /// Takes one input and adds what is to be said to `out`: a finding when its episode opens,
    /// when it has grown, and when it closes. Of findings with one uid the last holds.
    pub fn step(&mut self, input: Input, out: &mut Vec<Finding>) {
        match input {
            Input::Event(event) => self.order.push(event),
            Input::Advance(moment) => self.order.advance(moment),
            Input::Retune(tunables) => self.tunables = *tunables,
        }
        while let Some(event) = self.order.pop() {
            self.observe(&event, out);
        }
        self.close_due(self.order.watermark(), out);
    }

    /// Ends the input: judges what is held back and closes what is open.
    pub fn finish(&mut self, out: &mut Vec<Finding>) {
        while let Some(event) = self.order.release() {
            self.observe(&event, out);
        }
        let open: Vec<u64> = self.state.episodes.keys().copied().collect();
        for id in open {
            self.close(id, out);
        }
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        let state = &self.state;
        let shed = state.processes.shed()
            + state.known.shed()
            + state.services.shed()
            + state.origins.shed()
            + state.cells.shed()
            + state.shed_episodes;
        Tally { late: self.order.late(), shed, ..self.tally.clone() }
    }

    /// Judges one event, in event-time order.
    fn observe(&mut self, event: &Event, out: &mut Vec<Finding>) {
        self.tally.events += 1;
        self.state.now = event.time;
        self.close_due(event.time, out);
        let patterns = &self.tunables.analytics.an1058.tool_pattern_regex;
        let who = self.state.processes.resolve(event, patterns);
        match &event.activity {
            Activity::Process(ProcessActivity::Launch) => self.launch(event, &who, out),
            Activity::Process(ProcessActivity::Exit) | Activity::Dns(_) => {}
            Activity::Network(network) => self.network(event, network, &who, out),
        }
    }

    /// A process that starts as a scanner is a finding at once, which its attempts then fill.
    fn launch(&mut self, event: &Event, who: &Who, out: &mut Vec<Finding>) {
        let Some(instance) = who.instance() else { return };
        let Some(tool) = &instance.tool else { return };
        let Some(link) = who.links().first().copied() else { return };
        let open = self.state.episodes.get(&link.id).is_some_and(|episode| !episode.is_closed());
        if open {
            return;
        }
        let analytic = Analytic::of(event.log_source);
        let mut episode = Episode::new(analytic.id, who.origin(0), link.id, event.time);
        episode.note_tool(tool, event.log_source, event.record);
        self.keep(link.id, episode, out);
        self.say(link.id, out);
    }

    fn network(&mut self, event: &Event, network: &Network, who: &Who, out: &mut Vec<Finding>) {
        let service_known = self.learn_service(network);
        if !attempt::is_probe(network) {
            return;
        }
        let weight = attempt::weight(network, &self.tunables.detection.weights, service_known);
        let child = who.instance().map_or(0, |instance| instance.id);
        let contact = attempt::contact(event, network, weight, child);
        let analytic = Analytic::of(event.log_source);
        for (position, link) in who.links().iter().enumerate() {
            let claimed = self.contact(position, *link, &contact, who, analytic, out);
            if claimed {
                self.disclaim(who, position, &contact);
                return;
            }
        }
    }

    /// Counts a contact for one identity; whether a finding of that identity holds it.
    fn contact(
        &mut self,
        position: usize,
        link: Link,
        contact: &Contact,
        who: &Who,
        analytic: &'static Analytic,
        out: &mut Vec<Finding>,
    ) -> bool {
        let state = &mut self.state;
        let pair = identity(&[&link.id.to_be_bytes(), &contact.pair()]);
        let first = state.known.touch(pair, contact.time).is_none();
        let open = state.episodes.get_mut(&link.id).filter(|episode| !episode.is_closed());
        if let Some(episode) = open {
            episode.note_lookup(contact);
            if !first {
                episode.touch(contact);
                return true;
            }
            if episode.admits(contact) {
                episode.add(contact);
                let grown = episode.has_grown(&self.tunables.detection.episode);
                if let Some(crossing) = self.count(link, contact, who, analytic) {
                    let contacts = self.contacts_of(link.id, contact, &crossing);
                    if let Some(episode) = self.state.episodes.get_mut(&link.id) {
                        episode.note_crossing(&crossing);
                        episode.add_new(&contacts);
                    }
                }
                if grown {
                    self.say(link.id, out);
                }
                return true;
            }
        }
        if !first {
            self.revisit(link, contact);
            return false;
        }
        match self.count(link, contact, who, analytic) {
            Some(crossing) => {
                self.open(position, link, contact, &crossing, who, analytic, out);
                true
            }
            None => false,
        }
    }

    /// Adds a first contact to the origin's counters; the threshold that it crosses, if any.
    fn count(
        &mut self,
        link: Link,
        contact: &Contact,
        who: &Who,
        analytic: &'static Analytic,
    ) -> Option<Crossing> {
        let limits = Limits {
            detection: &self.tunables.detection,
            threshold: (analytic.threshold)(&self.tunables),
            key: analytic.threshold_key,
            window: (analytic.window)(&self.tunables),
            outside: link.level == Level::Address
                && who.address().is_some_and(|address| !address.is_internal()),
        };
        let state = &mut self.state;
        let met = identity(&[b"met", &link.id.to_be_bytes(), &contact.target.octets()]);
        let new_host = state.known.touch(met, contact.time).is_none();
        let origin = state.origins.get_or_insert(link.id, || OriginState {
            ring: Cell::ring(),
            walk: Walk::default(),
            convicted: false,
        });
        origin.ring.push(*contact);
        if new_host {
            origin.walk.step(contact.outcome, f64::from(contact.weight));
        }
        let weighs = contact.weight > 0.0;
        let hosts_key = hosts_key(link.id, contact);
        let ports_key = ports_key(link.id, contact.target);
        // A used service alone needs no counter; it counts where one exists already, or where
        // order may show (every contact on a port that is not a common outside service).
        let mut crossing = None;
        if weighs && contact.has_port() {
            let cell = state.cells.get_or_insert(ports_key, Cell::new);
            cell.push(*contact);
            crossing = limits.ports(cell, contact.target, contact.time);
        }
        if weighs || !contact.is_outside_service() {
            let cell = state.cells.get_or_insert(hosts_key, Cell::new);
            cell.push(*contact);
            crossing = crossing
                .or_else(|| limits.hosts(cell, contact.protocol, contact.port, contact.time));
        }
        let ring = &origin.ring;
        crossing = crossing
            .or_else(|| limits.pairs(ring, contact.time))
            .or_else(|| limits.walk(ring, origin.walk.position(), contact.time));
        let loops = link.level != Level::Lineage || ring.children() >= FEWEST_CHILDREN;
        crossing.filter(|_| loops)
    }

    fn revisit(&mut self, link: Link, contact: &Contact) {
        if let Some(origin) = self.state.origins.get_mut(link.id) {
            origin.ring.revisit();
        }
        if let Some(cell) = self.state.cells.get_mut(hosts_key(link.id, contact)) {
            cell.revisit();
        }
    }

    /// Opens an episode, or goes on with the one that this origin had, with the contacts that made
    /// it cross.
    #[allow(clippy::too_many_arguments)]
    fn open(
        &mut self,
        position: usize,
        link: Link,
        contact: &Contact,
        crossing: &Crossing,
        who: &Who,
        analytic: &'static Analytic,
        out: &mut Vec<Finding>,
    ) {
        let resume = self.tunables.detection.episode.resume;
        let before =
            self.state.episodes.remove(&link.id).filter(|episode| {
                !episode.is_closed() || contact.time.since(episode.last()) <= resume
            });
        let contacts = self.contacts_of(link.id, contact, crossing);
        let first = contacts.first().map_or(contact.time, |first| first.time);
        let mut episode = match before {
            Some(mut episode) => {
                if episode.is_closed() {
                    episode.resume();
                }
                episode
            }
            None => Episode::new(analytic.id, who.origin(position), link.id, first),
        };
        episode.note_crossing(crossing);
        episode.add_new(&contacts);
        if let Some(origin) = self.state.origins.get_mut(link.id) {
            origin.convicted = true;
            for earlier in origin.ring.within(contact.time, Span(i64::MAX)) {
                episode.note_lookup(earlier);
            }
        }
        // What the members of a loop did is the loop's from here on.
        self.keep(link.id, episode, out);
        self.say(link.id, out);
    }

    /// The contacts of the crossed axis within the crossed window, oldest first.
    fn contacts_of(&self, id: u64, contact: &Contact, crossing: &Crossing) -> Vec<Contact> {
        let state = &self.state;
        let cell = match crossing.axis {
            Axis::Ports(host) => state.cells.get(ports_key(id, host)),
            Axis::Hosts(..) => state.cells.get(hosts_key(id, contact)),
            Axis::Pairs => state.origins.get(id).map(|origin| &origin.ring),
        };
        let Some(cell) = cell else { return vec![*contact] };
        let on_grid = |contact: &&Contact| {
            crossing.axis != Axis::Pairs
                || contact.weight > 0.25
                || (crossing.by_order && !contact.is_outside_service())
        };
        cell.within(contact.time, crossing.window).filter(on_grid).copied().collect()
    }

    /// Takes what a process with a finding of its own did from the loops above it, so that they
    /// are not convicted of the same attempts.
    fn disclaim(&mut self, who: &Who, position: usize, contact: &Contact) {
        for link in who.links().iter().skip(position + 1) {
            let Some(origin) = self.state.origins.get_mut(link.id) else { continue };
            let held: Vec<Contact> = origin
                .ring
                .within(contact.time, Span(i64::MAX))
                .filter(|held| held.child == contact.child)
                .copied()
                .collect();
            if held.is_empty() {
                continue;
            }
            origin.ring.forget(contact.child);
            for held in held {
                for key in [ports_key(link.id, held.target), hosts_key(link.id, &held)] {
                    if let Some(cell) = self.state.cells.get_mut(key) {
                        cell.forget(contact.child);
                    }
                }
            }
        }
    }

    /// Learns that a service is used; whether it was known as used by two sources before.
    fn learn_service(&mut self, network: &Network) -> bool {
        let key = identity(&[
            b"service",
            &network.target.octets(),
            &network.target_port.to_be_bytes(),
            &[protocol_byte(network.protocol)],
        ]);
        let now = self.state.now;
        let services = &mut self.state.services;
        let known = services
            .get(key)
            .is_some_and(|service| service.shared && now.since(service.last) <= SERVICE_MEMORY);
        if network.outcome == Outcome::Served && network.initiator == Initiator::Source {
            let fresh = Service { by: network.source, shared: false, last: now };
            let service = services.get_or_insert(key, || fresh);
            service.shared |= service.by != network.source;
            service.last = now;
        }
        known
    }

    /// Keeps an episode, letting the longest quiet one go where there are too many.
    fn keep(&mut self, id: u64, episode: Episode, out: &mut Vec<Finding>) {
        if self.state.episodes.len() >= MAX_EPISODES
            && let Some((_, oldest)) = self.state.deadlines.pop_first()
        {
            self.close(oldest, out);
            self.state.episodes.remove(&oldest);
            self.state.shed_episodes += 1;
        }
        let deadline = episode.deadline(&self.tunables.detection.episode);
        self.state.deadlines.insert((deadline, id));
        self.state.episodes.insert(id, episode);
    }

    /// Closes the episodes that have been quiet, and forgets those that can resume no more.
    fn close_due(&mut self, now: Timestamp, out: &mut Vec<Finding>) {
        while let Some((due, id)) = self.state.deadlines.first().copied() {
            if due >= now {
                return;
            }
            self.state.deadlines.pop_first();
            let tunables = self.tunables.detection.episode;
            let Some(episode) = self.state.episodes.get(&id) else { continue };
            let closes = episode.deadline(&tunables);
            let forgotten = episode.last().plus(tunables.resume.max(tunables.quiet));
            if !episode.is_closed() && closes >= now {
                self.state.deadlines.insert((closes, id));
            } else if !episode.is_closed() {
                self.close(id, out);
                self.state.deadlines.insert((forgotten.max(closes), id));
            } else if forgotten >= now {
                self.state.deadlines.insert((forgotten, id));
            } else {
                self.state.episodes.remove(&id);
            }
        }
    }

    fn close(&mut self, id: u64, out: &mut Vec<Finding>) {
        let Some(episode) = self.state.episodes.get_mut(&id) else { return };
        if episode.is_closed() {
            return;
        }
        episode.close();
        if let Some(origin) = self.state.origins.get_mut(id) {
            origin.convicted = false;
        }
        if let Some(suppressed_by) = self.say(id, out) {
            *self.tally.suppressed.entry(suppressed_by).or_insert(0) += 1;
        }
    }

    /// Says what is to be said of an episode now; the entry that expects it, if any.
    fn say(&mut self, id: u64, out: &mut Vec<Finding>) -> Option<String> {
        let episode = self.state.episodes.get_mut(&id)?;
        let mut finding = episode.finding();
        let suppressed_by = suppress::mark(&mut finding, episode, &self.tunables);
        out.push(finding);
        suppressed_by
    }
}

/// The counter of hosts on a contact's port.
fn hosts_key(id: u64, contact: &Contact) -> u64 {
    let protocol = protocol_byte(contact.protocol);
    identity(&[b"hosts", &id.to_be_bytes(), &contact.port.to_be_bytes(), &[protocol]])
}

/// The counter of ports of a host.
fn ports_key(id: u64, host: Address) -> u64 {
    identity(&[b"ports", &id.to_be_bytes(), &host.octets()])
}
