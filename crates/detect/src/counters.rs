//! Counters: what an origin did, all together in its ring, and by host and by port where that may matter.

use lapwing_event::{Address, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::attempt::{Contact, what};
use crate::bounded::{Scored, Table, address_key, key};
use crate::cell::Cell;
use crate::crossing::{Axis, Crossing};
use crate::fan_out::Limits;
use crate::learning::pair_host;
use crate::look::Look;
use crate::origin::{Link, Who};
use crate::shard::{Judge, OriginState, SHARDS};
use crate::walk::Walk;

/// After how many first contacts the pool is looked at: they grow it by at most three contacts each.
const POOL_LOOK: u64 = 32_768 / SHARDS as u64;

/// Touches of known targets by port, of the few ports that have most: what the counters of an origin that
/// has none yet will have to know.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Revisits([(u32, u32); PORTS]);

/// How many ports are told apart at once. Clients come back to one or two.
const PORTS: usize = 4;

impl Revisits {
    /// Counts a touch on a port. Where there are too many ports, each loses one (Misra and Gries 1982), so
    /// that those with most of the touches stay, and none is counted too high.
    fn note(&mut self, port: u32) {
        let known = self.0.iter_mut().find(|(of, count)| *of == port && *count > 0);
        if let Some((_, count)) = known {
            *count = count.saturating_add(1);
        } else if let Some(free) = self.0.iter_mut().find(|(_, count)| *count == 0) {
            *free = (port, 1);
        } else {
            self.0.iter_mut().for_each(|(_, count)| *count -= 1);
        }
    }

    fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().copied().filter(|(_, count)| *count > 0)
    }
}

/// The counters that a contact is in.
pub(crate) struct Counters<'a> {
    pub walk: Walk,
    pub ring: Look<'a>,
    pub ports: Option<Look<'a>>,
    pub hosts: Option<Look<'a>>,
}

impl Counters<'_> {
    /// The first threshold that they cross.
    pub fn crossing(&self, limits: &Limits<'_>, contact: &Contact) -> Option<Crossing> {
        let nothing = |_| false;
        self.new_crossing(limits, contact, nothing)
    }

    /// As [`Counters::crossing`], but none where an axis that is `known` comes before it: what was crossed
    /// is taken to be crossed still.
    pub fn new_crossing(
        &self,
        limits: &Limits<'_>,
        contact: &Contact,
        known: impl Fn(Axis) -> bool,
    ) -> Option<Crossing> {
        let Contact { target, protocol, port, .. } = *contact;
        if let Some(look) = &self.ports {
            if known(Axis::Ports(target)) {
                return None;
            }
            let crossing = limits.ports(look, target);
            if crossing.is_some() {
                return crossing;
            }
        }
        if let Some(look) = &self.hosts {
            if known(Axis::Hosts(protocol, port)) {
                return None;
            }
            let crossing = limits.hosts(look, protocol, port);
            if crossing.is_some() {
                return crossing;
            }
        }
        if known(Axis::Pairs) {
            return None;
        }
        let Counters { ring, walk, .. } = self;
        limits
            .pairs(ring)
            .or_else(|| limits.walk(ring, walk.position()))
            .or_else(|| if contact.dark { limits.dark(ring) } else { None })
    }

    /// Whether what crossed is what the origin does, rather than a part of many things: of all its
    /// contacts in that time this share are of the one host, or on the one port.
    pub fn is_its_work(&self, crossing: &Crossing, now: Timestamp, share: f64) -> bool {
        let look = match crossing.axis {
            Axis::Ports(_) => self.ports.as_ref(),
            Axis::Hosts(..) => self.hosts.as_ref(),
            _ => None,
        };
        let ring = &self.ring;
        // Where there was so much that the ring has lost the beginning, the rest is compared.
        let Some(since) = ring.within(crossing.window).next().map(|first| first.time) else {
            return false;
        };
        let all = ring.within(crossing.window).count();
        let of = look.map_or(0, |look| look.within(now.since(since)).count());
        of as f64 >= share * all as f64
    }
}

impl OriginState {
    /// Counts what the origin did by host and by port too, which its ring alone held.
    ///
    /// Most origins never do enough for any threshold of one host or one port, whichever it were: their
    /// contacts lie in their ring alone, and cost no counters.
    pub fn part(&mut self, id: u64, cells: &mut Table<Cell>) {
        if !std::mem::replace(&mut self.counted, true) {
            self.ring.iter().for_each(|contact| count(cells, id, contact));
            for (port, revisits) in self.revisits.iter() {
                if let Some(cell) = cells.get_mut(host_counter(id, port)) {
                    cell.revisit(revisits);
                }
            }
        }
    }
}

impl Judge<'_> {
    /// Adds a first contact to the origin's counters.
    pub(crate) fn add(&mut self, link: Link, contact: &Contact, new_host: bool) {
        self.keep_within_pool();
        let shard = &mut self.shard;
        let origin = shard.origins.get_or_insert(link.id, || OriginState {
            ring: Cell::ring(),
            walk: Walk::default(),
            convicted: false,
            counted: false,
            revisits: Revisits::default(),
            uses: 0,
        });
        if new_host {
            origin.walk.step(contact.outcome, f64::from(contact.weight));
        }
        // What the ring lets go can be counted by host and port no more.
        if origin.ring.is_full() {
            origin.part(link.id, &mut shard.cells);
        }
        origin.ring.push(*contact);
        if origin.counted {
            count(&mut shard.cells, link.id, contact);
        }
    }

    /// Lets the least telling counters go where all of them together hold more contacts than the
    /// pool allows; looked at now and then, so that between two looks they grow by little.
    fn keep_within_pool(&mut self) {
        let shard = &mut self.shard;
        shard.added += 1;
        if !shard.added.is_multiple_of(POOL_LOOK) {
            return;
        }
        let pool = self.tunables.memory.pool() / SHARDS;
        let rings = shard.origins.iter().map(|(_, origin)| origin.ring.len()).sum::<usize>();
        let mut held = rings + shard.cells.iter().map(|(_, cell)| cell.len()).sum::<usize>();
        if held <= pool {
            return;
        }
        let origins = shard.origins.iter().map(|(key, o)| (o.score(), true, key, o.ring.len()));
        let cells = shard.cells.iter().map(|(key, cell)| (cell.score(), false, key, cell.len()));
        let mut all: Vec<(u64, bool, u64, usize)> = origins.chain(cells).collect();
        all.sort_unstable();
        for (_, is_origin, key, contacts) in all {
            if held <= pool / 4 * 3 {
                return;
            }
            match is_origin {
                true => shard.origins.let_go(key),
                false => shard.cells.let_go(key),
            }
            held -= contacts;
        }
    }

    /// Notes that the origin touched a target that it had touched before.
    pub(crate) fn revisit(&mut self, link: Link, contact: &Contact) {
        let Some(origin) = self.shard.origins.get_mut(link.id) else { return };
        origin.ring.revisit(1);
        if !origin.counted {
            origin.revisits.note(what(contact.protocol, contact.port, 0));
        } else if let Some(cell) = self.shard.cells.get_mut(hosts_key(link.id, contact)) {
            cell.revisit(1);
        }
    }

    /// The contacts of the crossed axis within the crossed window, oldest first.
    pub(crate) fn contacts_of(
        &self,
        id: u64,
        contact: &Contact,
        crossing: &Crossing,
    ) -> Vec<Contact> {
        let shard = &self.shard;
        let cell = match crossing.axis {
            Axis::Ports(host) => shard.cells.get(ports_key(id, host)),
            Axis::Hosts(..) => shard.cells.get(hosts_key(id, contact)),
            _ => shard.origins.get(id).map(|origin| &origin.ring),
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
    pub(crate) fn disclaim(&mut self, who: &Who, position: usize, contact: &Contact) {
        for link in who.links().iter().skip(position + 1) {
            let Some(origin) = self.shard.origins.get_mut(link.id) else { continue };
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
                    if let Some(cell) = self.shard.cells.get_mut(key) {
                        cell.forget(contact.child);
                    }
                }
            }
        }
    }
}

/// Adds a first contact to the counters of its host and of its port.
fn count(cells: &mut Table<Cell>, id: u64, contact: &Contact) {
    let weighs = contact.weight > 0.0;
    if weighs && contact.has_port() {
        cells.get_or_insert(ports_key(id, contact.target), Cell::new).push(*contact);
    }
    // A used service alone needs no counter; it counts where one exists already, or where
    // order may show (every contact on a port that is not a common outside service).
    let key = hosts_key(id, contact);
    let cell = match weighs || !contact.is_outside_service() {
        true => Some(cells.get_or_insert(key, Cell::new)),
        // Without its successes a gateway's few failures would be all that is seen of it.
        false => cells.get_mut(key),
    };
    if let Some(cell) = cell {
        cell.push(*contact);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_with_most_touches_stay_and_none_is_counted_too_high() {
        let mut revisits = Revisits::default();
        for touch in 0..1000_u32 {
            revisits.note(443);
            revisits.note(1000 + touch % 50);
            revisits.note(80);
        }
        let kept: Vec<(u32, u32)> = revisits.iter().collect();
        for port in [443, 80] {
            let count = kept.iter().find(|(of, _)| *of == port).map_or(0, |(_, count)| *count);
            assert!((600..=1000).contains(&count), "{port}: {count}");
        }
        assert!(kept.iter().all(|(port, count)| *count <= 20 || [80, 443].contains(port)));
    }
}
