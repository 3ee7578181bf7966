//! Counting: a first contact goes to the counters of everyone it counts for, and opens or feeds an
//! episode.

use lapwing_event::{Address, Event, Network, Outcome, Span, Timestamp};

use crate::analytics::Analytic;
use crate::attempt::{self, Contact, Target, what};
use crate::bounded::{Scored, Touch, address_key, key};
use crate::cell::Cell;
use crate::detector::{Detector, OriginState};
use crate::fan_out::{Axis, Crossing, Limits};
use crate::finding::{Finding, Level, Origin};
use crate::learning::pair_host;
use crate::origin::{Link, Who};
use crate::retold::Retold;
use crate::walk::Walk;

/// Two records of one touch lie this close together: evidence that was copied twice, two sensors of one
/// connection.
const SAME_TOUCH: Span = Span::millis(1);

/// By which steps the highest threshold is sought that a scan would still cross.
pub(crate) const PEAK_STEP: f64 = 1.05;

/// How large a scan may be for that: nobody tunes away a larger one, and the search costs as much
/// as the judgement.
const PEAK_ATTEMPTS: u64 = 512;

/// After how many first contacts the pool is looked at: they grow it by at most three contacts each.
const POOL_LOOK: u64 = 32_768;

/// What a contact came to.
#[derive(Default)]
struct Counted {
    crossing: Option<Crossing>,
    /// The highest threshold that is crossed; infinite where that was not looked for.
    peak: f64,
}

/// The counters that a contact is in.
struct Counters<'a> {
    origin: &'a OriginState,
    ports: Option<&'a Cell>,
    hosts: Option<&'a Cell>,
}

impl Counters<'_> {
    /// The first threshold that they cross.
    fn crossing(&self, limits: &Limits<'_>, contact: &Contact) -> Option<Crossing> {
        let Contact { time, target, protocol, port, .. } = *contact;
        let OriginState { ring, walk, .. } = self.origin;
        self.ports
            .and_then(|cell| limits.ports(cell, target, time))
            .or_else(|| self.hosts.and_then(|cell| limits.hosts(cell, protocol, port, time)))
            .or_else(|| limits.pairs(ring, time))
            .or_else(|| limits.walk(ring, walk.position(), time))
            .or_else(|| if contact.dark { limits.dark(ring, time) } else { None })
    }

    /// Whether what crossed is what the origin does, rather than a part of many things: of all its
    /// contacts in that time this share are of the one host, or on the one port.
    fn is_its_work(&self, crossing: &Crossing, now: Timestamp, share: f64) -> bool {
        let cell = match crossing.axis {
            Axis::Ports(_) => self.ports,
            Axis::Hosts(..) => self.hosts,
            _ => None,
        };
        let ring = &self.origin.ring;
        // Where there was so much that the ring has lost the beginning, the rest is compared.
        let Some(since) = ring.within(now, crossing.window).next().map(|first| first.time) else {
            return false;
        };
        let all = ring.within(now, crossing.window).count();
        let of = cell.map_or(0, |cell| cell.within(now, now.since(since)).count());
        of as f64 >= share * all as f64
    }
}

impl Detector {
    /// Judges a network event; `weight` is what it counts for where that is known beforehand.
    pub(crate) fn network(
        &mut self,
        event: &Event,
        network: &Network,
        weight: Option<f64>,
        who: &Who,
        out: &mut Vec<Finding>,
    ) {
        let writable = who.instance().is_some_and(|instance| instance.writable);
        let target = Target { writable, ..self.learn(network, who) };
        if !attempt::is_probe(network) {
            return;
        }
        let weight = match weight {
            Some(weight) => weight as f32,
            None => attempt::weight(network, &self.tunables.detection.weights, target),
        };
        let contact = attempt::contact(event, network, weight, who.child(), target);
        // What a pod does is its platform's matter, whatever log tells of it.
        let analytic = match who.is_pod() {
            true => Analytic::containers(),
            false => Analytic::of(event.log_source),
        };
        for (position, link) in who.links().iter().enumerate() {
            if link.level == Level::Session && self.is_broad(who) {
                continue;
            }
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
        let threshold = (analytic.threshold)(&self.tunables) * self.tunables.profile.factor();
        if self.waits(link, contact, threshold) {
            return false;
        }
        let state = &mut self.state;
        let touch = state.pairs.touch(host_key(link.id, contact), contact.what(), contact.time);
        let Touch { before, new_host } = touch;
        let first = before.is_none();
        if contact.outcome == Outcome::Served
            && let Some(origin) = state.origins.get_mut(link.id)
        {
            origin.uses += 1;
        }
        let round = self.tunables.detection.ordinary.round;
        let again = before.is_some_and(|before| contact.time.since(before) >= round);
        // Of two logs of one computer; flows of one attempt are joined as findings.
        let retold = match !first && !again && who.instance().is_some() {
            true => self.retell(link, contact),
            false => Retold::No,
        };
        let state = &mut self.state;
        let open = state.episodes.get_mut(&link.id).filter(|episode| !episode.is_closed());
        if let Some(episode) = open {
            episode.name_origin(|| who.origin(position));
            episode.note_program(who.process());
            episode.note_lookup(contact);
            if !first {
                if retold == Retold::No {
                    episode.touch(contact, again);
                }
                if episode.turns_ordinary(&self.tunables) {
                    self.tell(link.id, out);
                }
                return true;
            }
            if episode.admits(contact) {
                episode.add(contact);
                episode.name_targets(&[*contact], &state.bindings);
                let grown = episode.has_grown(&self.tunables.detection.episode);
                let large = episode.attempts() > PEAK_ATTEMPTS;
                let peak = if large { f64::INFINITY } else { episode.peak() };
                let counted = self.count(link, contact, new_host, who, analytic, peak);
                if let Some(crossing) = counted.crossing {
                    self.note_crossing(link.id, contact, &crossing, counted.peak);
                }
                if grown {
                    self.say(link.id, out);
                }
                return true;
            }
        }
        if retold == Retold::Outcome {
            let counted = self.judge(link, contact, who, analytic, 0.0);
            let Some(crossing) = counted.crossing else { return false };
            let origin = who.origin(position);
            self.open(link, contact, &crossing, counted.peak, origin, analytic, out);
            return true;
        }
        if !first {
            if retold == Retold::No
                && before.is_some_and(|before| contact.time.since(before) > SAME_TOUCH)
            {
                self.revisit(link, contact);
            }
            let turned = self.state.episodes.get_mut(&link.id).is_some_and(|episode| {
                episode.touch(contact, again);
                episode.turns_ordinary(&self.tunables)
            });
            if turned {
                self.tell(link.id, out);
            }
            return false;
        }
        let counted = self.count(link, contact, new_host, who, analytic, 0.0);
        let Some(crossing) = counted.crossing else { return false };
        let origin = who.origin(position);
        self.open(link, contact, &crossing, counted.peak, origin, analytic, out);
        true
    }

    /// Whether a process reaches more targets than one that is started for a probe or a few: what it does
    /// is its own and not its session's, as a browser's or a mail program's is.
    fn is_broad(&self, who: &Who) -> bool {
        let most = self.tunables.detection.together.targets_of_process as usize;
        let own = who.links().first().and_then(|link| self.state.origins.get(link.id));
        own.is_some_and(|own| own.ring.len() > most)
    }

    /// Notes a threshold that the contact of an open episode crossed, with the earlier contacts of
    /// an axis that was not crossed before.
    fn note_crossing(&mut self, id: u64, contact: &Contact, crossing: &Crossing, peak: f64) {
        let is_new =
            self.state.episodes.get(&id).is_some_and(|episode| !episode.has_axis(crossing.axis));
        let contacts = if is_new { self.contacts_of(id, contact, crossing) } else { Vec::new() };
        let state = &mut self.state;
        if let Some(episode) = state.episodes.get_mut(&id) {
            episode.note_crossing(crossing);
            episode.note_peak(peak);
            episode.add_new(&contacts);
            episode.name_targets(&contacts, &state.bindings);
        }
    }

    /// Adds a first contact to the origin's counters; the threshold that it crosses, if any, and the
    /// highest one that would still be crossed, if that is more than `peak`.
    fn count(
        &mut self,
        link: Link,
        contact: &Contact,
        new_host: bool,
        who: &Who,
        analytic: &'static Analytic,
        peak: f64,
    ) -> Counted {
        self.add(link, contact, new_host);
        self.judge(link, contact, who, analytic, peak)
    }

    /// The threshold that an origin's counters cross now, as [`Detector::count`] tells it.
    fn judge(
        &self,
        link: Link,
        contact: &Contact,
        who: &Who,
        analytic: &'static Analytic,
        peak: f64,
    ) -> Counted {
        let limits = Limits {
            detection: &self.tunables.detection,
            threshold: (analytic.threshold)(&self.tunables) * self.tunables.profile.factor(),
            walk: self.tunables.detection.walk + self.tunables.profile.walk(),
            key: analytic.threshold_key,
            window: (analytic.window)(&self.tunables),
            outside: link.level == Level::Address
                && who.address().is_some_and(|address| !address.is_internal()),
        };
        let state = &self.state;
        let weighs = contact.weight > 0.0;
        let hosts_key = hosts_key(link.id, contact);
        let ports_key = ports_key(link.id, contact.target);
        let Some(origin) = state.origins.get(link.id) else { return Counted::default() };
        let holds = match link.level {
            Level::Lineage | Level::Job | Level::Session => {
                origin.ring.is_by(limits.detection.together.processes as usize)
            }
            Level::Prefix => {
                let detection = limits.detection;
                origin.ring.rotates(contact.time, detection.spans.day, &detection.together)
            }
            _ => true,
        };
        if !holds {
            return Counted::default();
        }
        let counters = Counters {
            origin,
            ports: if weighs && contact.has_port() { state.cells.get(ports_key) } else { None },
            hosts: match weighs || !contact.is_outside_service() {
                true => state.cells.get(hosts_key),
                false => None,
            },
        };
        let crossing = counters.crossing(&limits, contact).filter(|crossing| {
            let share = limits.detection.together.session_share;
            link.level != Level::Session || counters.is_its_work(crossing, contact.time, share)
        });
        let mut peak = peak.max(limits.threshold);
        if crossing.is_some() {
            while peak < f64::INFINITY {
                let higher = Limits { threshold: peak * PEAK_STEP, ..limits };
                if counters.crossing(&higher, contact).is_none() {
                    break;
                }
                peak *= PEAK_STEP;
            }
        }
        Counted { crossing, peak }
    }

    /// Adds a first contact to the origin's counters.
    pub(crate) fn add(&mut self, link: Link, contact: &Contact, new_host: bool) {
        self.keep_within_pool();
        let state = &mut self.state;
        let origin = state.origins.get_or_insert(link.id, || OriginState {
            ring: Cell::ring(),
            walk: Walk::default(),
            convicted: false,
            uses: 0,
        });
        origin.ring.push(*contact);
        if new_host {
            origin.walk.step(contact.outcome, f64::from(contact.weight));
        }
        let weighs = contact.weight > 0.0;
        if weighs && contact.has_port() {
            let key = ports_key(link.id, contact.target);
            state.cells.get_or_insert(key, Cell::new).push(*contact);
        }
        // A used service alone needs no counter; it counts where one exists already, or where
        // order may show (every contact on a port that is not a common outside service).
        let key = hosts_key(link.id, contact);
        if weighs || !contact.is_outside_service() {
            state.cells.get_or_insert(key, Cell::new).push(*contact);
        } else if let Some(cell) = state.cells.get_mut(key) {
            // Without its successes a gateway's few failures would be all that is seen of it.
            cell.push(*contact);
        }
    }

    /// Lets the least telling counters go where all of them together hold more contacts than the
    /// pool allows; looked at now and then, so that between two looks they grow by little.
    fn keep_within_pool(&mut self) {
        let state = &mut self.state;
        state.added += 1;
        if !state.added.is_multiple_of(POOL_LOOK) {
            return;
        }
        let pool = self.tunables.memory.pool();
        let rings = state.origins.iter().map(|(_, origin)| origin.ring.len()).sum::<usize>();
        let mut held = rings + state.cells.iter().map(|(_, cell)| cell.len()).sum::<usize>();
        if held <= pool {
            return;
        }
        let origins = state.origins.iter().map(|(key, o)| (o.score(), true, key, o.ring.len()));
        let cells = state.cells.iter().map(|(key, cell)| (cell.score(), false, key, cell.len()));
        let mut all: Vec<(u64, bool, u64, usize)> = origins.chain(cells).collect();
        all.sort_unstable();
        for (_, is_origin, key, contacts) in all {
            if held <= pool / 4 * 3 {
                return;
            }
            match is_origin {
                true => state.origins.let_go(key),
                false => state.cells.let_go(key),
            }
            held -= contacts;
        }
    }

    /// Notes that the origin touched a target that it had touched before.
    pub(crate) fn revisit(&mut self, link: Link, contact: &Contact) {
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
        link: Link,
        contact: &Contact,
        crossing: &Crossing,
        peak: f64,
        origin: Origin,
        analytic: &'static Analytic,
        out: &mut Vec<Finding>,
    ) {
        let contacts = self.contacts_of(link.id, contact, crossing);
        let first = contacts.first().map_or(contact.time, |first| first.time);
        let mut episode = self.begin(link.id, origin, analytic, first, contact.time);
        episode.note_crossing(crossing);
        episode.note_peak(peak);
        episode.add_new(&contacts);
        episode.name_targets(&contacts, &self.state.bindings);
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
            _ => state.origins.get(id).map(|origin| &origin.ring),
        };
        let Some(cell) = cell else { return vec![*contact] };
        let on_grid = |contact: &&Contact| {
            crossing.axis != Axis::Pairs
                || !contact.is_light()
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
}

/// An origin and a contact's host.
pub(crate) fn host_key(id: u64, contact: &Contact) -> u64 {
    pair_host(id, contact.asked())
}

/// The counter of hosts on a contact's port.
pub(crate) fn hosts_key(id: u64, contact: &Contact) -> u64 {
    host_counter(id, what(contact.protocol, contact.port, 0))
}

/// The counter of hosts of which this was asked.
pub(crate) fn host_counter(id: u64, what: u32) -> u64 {
    key(*b"hosts   ", &[id, what.into()])
}

/// The counter of ports of a host.
pub(crate) fn ports_key(id: u64, host: Address) -> u64 {
    address_key(*b"ports   ", id, host)
}
