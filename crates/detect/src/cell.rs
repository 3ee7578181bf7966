//! The counters: first contacts of one origin along one axis.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};

use lapwing_event::{Address, Outcome, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::attempt::Contact;
use crate::bounded::Scored;
use crate::crowd::Crowd;
use crate::sums::{Sums, Totals};
use crate::tunables::{Peers, Together};

/// How many contacts of one (origin, host) or (origin, port) are kept. The largest threshold that
/// is decided on is 20 with the least weight of 0.25, which 80 contacts reach.
const CELL_CONTACTS: u16 = 128;

/// How many contacts of one origin are kept, over all its hosts and ports: the largest block
/// threshold, 45, at the weight of a silent UDP port (0.3) takes 150; the rest is room for what the
/// origin does beside its scan.
const RING_CONTACTS: u16 = 512;

/// After what share of new contacts a crowd of peers is looked at anew.
const CROWD_LOOK: usize = 32;

/// Among how many of its latest contacts one is sought that another log tells of too.
const LATEST: usize = 64;

/// First contacts of one origin along one axis, oldest first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    contacts: Contacts,
    capacity: u16,
    /// The sum of their weights.
    weight: f64,
    /// How many of them were not served.
    unserved: u16,
    /// How many were, where order may count them.
    used: u16,
    /// Touches of targets that were known already.
    revisits: u32,
    /// How many contacts were ever added.
    added: u32,
    /// Until how many were added it is taken for a crowd of peers.
    crowd_until: std::cell::Cell<u32>,
}

impl Scored for Cell {
    fn score(&self) -> u64 {
        (self.weight * 1000.0) as u64
    }
}

impl Cell {
    /// For the contacts of one host or one port.
    pub fn new() -> Cell {
        Cell {
            contacts: Contacts::None,
            capacity: CELL_CONTACTS,
            weight: 0.0,
            unserved: 0,
            used: 0,
            revisits: 0,
            added: 0,
            crowd_until: std::cell::Cell::new(0),
        }
    }

    /// For all contacts of an origin.
    pub fn ring() -> Cell {
        Cell { capacity: RING_CONTACTS, ..Cell::new() }
    }

    /// Adds a first contact; the oldest goes where the cell is full.
    pub fn push(&mut self, contact: Contact) {
        if self.is_full()
            && let Some(oldest) = self.contacts.pop_front()
        {
            self.discount(&oldest);
        }
        self.count(&contact);
        self.added = self.added.saturating_add(1);
        self.contacts.push_back(contact);
    }

    fn count(&mut self, contact: &Contact) {
        self.weight += f64::from(contact.weight);
        let (unserved, used) = sorts(contact);
        self.unserved += unserved;
        self.used += used;
    }

    fn discount(&mut self, contact: &Contact) {
        self.weight -= f64::from(contact.weight);
        let (unserved, used) = sorts(contact);
        self.unserved = self.unserved.saturating_sub(unserved);
        self.used = self.used.saturating_sub(used);
    }

    /// The last of its contacts with this target, among the latest [`LATEST`].
    pub fn last_of(&self, contact: &Contact) -> Option<&Contact> {
        self.iter().rev().take(LATEST).find(|known| is_alike(known, contact))
    }

    /// Takes over what another record tells of the outcome of the last contact with its target.
    pub fn settle(&mut self, told: &Contact) {
        let latest = self.iter().rev().take(LATEST).position(|known| is_alike(known, told));
        let Some(place) = latest.map(|back| self.len() - 1 - back) else { return };
        let settled =
            |known: &Contact| Contact { outcome: told.outcome, weight: told.weight, ..*known };
        let Some((before, after)) = self.contacts.replace(place, settled) else { return };
        self.discount(&before);
        self.count(&after);
    }

    /// Whether the next contact takes the oldest one's place.
    pub fn is_full(&self) -> bool {
        self.len() >= usize::from(self.capacity)
    }

    /// How many contacts it holds.
    pub fn len(&self) -> usize {
        self.contacts.len()
    }

    /// The weights of its contacts together.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// How many of its contacts were not served.
    pub fn unserved(&self) -> usize {
        self.unserved.into()
    }

    /// The most that its contacts can come to in order, by what one counts that was not served, and
    /// one that was.
    pub fn most_in_order(&self, unserved: f64, served: f64) -> f64 {
        f64::from(self.unserved) * unserved + f64::from(self.used) * served
    }

    /// Notes touches of known targets.
    pub fn revisit(&mut self, touches: u32) {
        self.revisits = self.revisits.saturating_add(touches);
    }

    /// Touches of known targets per distinct target: near 0 for scanners, above 1 for clients.
    pub fn revisit_ratio(&self) -> f64 {
        f64::from(self.revisits) / self.contacts.len().max(1) as f64
    }

    /// Lets go of the contacts that one process made: another finding holds them.
    pub fn forget(&mut self, child: u64) {
        let capacity = self.capacity;
        let before = std::mem::replace(self, Cell { capacity, ..Cell::new() });
        self.revisits = before.revisits;
        for contact in before.iter().filter(|contact| contact.child != child) {
            self.push(*contact);
        }
    }

    /// The contacts, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Contact> {
        let (front, back) = self.contacts.as_slices();
        front.iter().chain(back)
    }

    /// The contacts within `window` of `now`, oldest first.
    pub fn within(&self, now: Timestamp, window: Span) -> impl Iterator<Item = &Contact> + Clone {
        // They come in order of time, so that the first of them can be sought.
        let is_older = |contact: &Contact| now.since(contact.time) > window;
        let (front, back) = self.contacts.as_slices();
        let front = &front[front.partition_point(is_older)..];
        let back = &back[back.partition_point(is_older)..];
        front.iter().chain(back)
    }

    /// The place of the oldest contact within `window` of `now`.
    pub fn first_within(&self, now: Timestamp, window: Span) -> usize {
        self.contacts.first(|contact| now.since(contact.time) > window)
    }

    /// The sums over its contacts from this place on.
    pub fn sums(&self, from: usize) -> Sums {
        self.contacts.sums(from)
    }

    /// Whether its contacts from this place on are told to be of fewer hosts, or on fewer ports, than any
    /// grid's ([`Totals::is_narrow`]).
    pub fn is_narrow(&self, from: usize) -> bool {
        self.contacts.is_narrow(from)
    }

    /// Whether its contacts within `window`, which have these sums, look like a peer-to-peer client's, or
    /// its like. What did is looked at anew when a [`CROWD_LOOK`]th of its contacts are new: a crowd of
    /// hundreds of peers looks the same after one more, and each look goes through all of them.
    pub fn is_crowd(&self, now: Timestamp, window: Span, sums: &Sums, peers: &Peers) -> bool {
        let is_crowd = Crowd::may_be_of_peers(sums, peers)
            && Crowd::is_of_peers(self.within(now, window), peers);
        if is_crowd {
            self.crowd_until.set(self.added.saturating_add((self.len() / CROWD_LOOK) as u32));
        }
        is_crowd
    }

    /// Whether it looked like one a moment ago.
    pub fn was_crowd(&self) -> bool {
        self.added < self.crowd_until.get()
    }

    /// Whether this many distinct processes made its contacts, or more.
    pub fn is_by(&self, fewest: usize) -> bool {
        let mut children = Vec::with_capacity(fewest.min(self.len()));
        // The latest are of different processes as a rule, where there are several.
        self.iter().rev().any(|contact| {
            if !children.contains(&contact.child) {
                children.push(contact.child);
            }
            children.len() >= fewest
        })
    }

    /// Whether its failed contacts within `window` show a host that takes another address of its
    /// subnet for each probe, rather than the hosts of a subnet at their work: nearly as many
    /// addresses as probes, and the targets in one place.
    pub fn rotates(&self, now: Timestamp, window: Span, together: &Together) -> bool {
        let failed: Vec<&Contact> = self
            .within(now, window)
            .filter(|contact| contact.failed() && !contact.is_outside_service())
            .collect();
        let children: BTreeSet<u64> = failed.iter().map(|contact| contact.child).collect();
        let subnets: BTreeSet<Address> =
            failed.iter().map(|contact| contact.target.subnet().base()).collect();
        children.len() >= together.rotated as usize
            && children.len() * 2 >= failed.len()
            && subnets.len() <= together.rotated_subnets as usize
    }
}

/// Whether two contacts have one target.
fn is_alike(one: &Contact, other: &Contact) -> bool {
    (one.target, one.port, one.protocol, one.name)
        == (other.target, other.port, other.protocol, other.name)
}

/// What sorts a contact is of: not served; served and no common service outside, which order may
/// count.
fn sorts(contact: &Contact) -> (u16, u16) {
    match contact.outcome {
        Outcome::Served => (0, u16::from(!contact.is_outside_service())),
        _ => (1, 0),
    }
}

/// Contacts in a row, the first of which needs no memory of its own: most cells hold one for good.
#[derive(Debug, Serialize, Deserialize)]
enum Contacts {
    None,
    One(Contact),
    Many(Many),
}

/// Several contacts, with what was summed up of them.
#[derive(Debug, Serialize, Deserialize)]
struct Many {
    contacts: VecDeque<Contact>,
    /// Follows from the contacts, and is made anew where they were saved.
    #[serde(skip)]
    totals: RefCell<Option<Box<Totals>>>,
}

/// For how many contacts there is room when the second comes.
const ROOM: usize = 4;

/// Up to how many contacts are summed up one by one.
const FEW: usize = 8;

impl Contacts {
    fn len(&self) -> usize {
        match self {
            Contacts::None => 0,
            Contacts::One(_) => 1,
            Contacts::Many(many) => many.contacts.len(),
        }
    }

    fn push_back(&mut self, contact: Contact) {
        match self {
            Contacts::None => *self = Contacts::One(contact),
            Contacts::One(first) => {
                let mut contacts = VecDeque::with_capacity(ROOM);
                contacts.extend([*first, contact]);
                *self = Contacts::Many(Many { contacts, totals: RefCell::default() });
            }
            Contacts::Many(many) => many.contacts.push_back(contact),
        }
    }

    fn pop_front(&mut self) -> Option<Contact> {
        match self {
            Contacts::None => None,
            Contacts::One(first) => {
                let first = *first;
                *self = Contacts::None;
                Some(first)
            }
            Contacts::Many(many) => {
                if let Some(totals) = many.totals.get_mut() {
                    totals.let_go();
                }
                many.contacts.pop_front()
            }
        }
    }

    /// Puts what is made of the contact at this place there; that contact, and what was made of it.
    fn replace(
        &mut self,
        place: usize,
        make: impl Fn(&Contact) -> Contact,
    ) -> Option<(Contact, Contact)> {
        let known = match self {
            Contacts::None => None,
            Contacts::One(first) => Some(first).filter(|_| place == 0),
            Contacts::Many(many) => many.contacts.get_mut(place),
        }?;
        let (before, after) = (*known, make(known));
        *known = after;
        if let Contacts::Many(Many { totals, .. }) = self
            && let Some(totals) = totals.get_mut()
        {
            totals.replace(place, &before, &after);
        }
        Some((before, after))
    }

    /// The place of the first that is not older.
    fn first(&self, is_older: impl Fn(&Contact) -> bool) -> usize {
        match self {
            Contacts::Many(many) => many.contacts.partition_point(is_older),
            _ => self.as_slices().0.partition_point(is_older),
        }
    }

    /// The sums over the contacts from this place on.
    fn sums(&self, from: usize) -> Sums {
        match self {
            Contacts::Many(Many { contacts, totals }) if contacts.len() - from > FEW => {
                totals.borrow_mut().get_or_insert_default().since(from, contacts)
            }
            Contacts::Many(many) => Sums::over(many.contacts.range(from..)),
            _ => Sums::over(self.as_slices().0.iter().skip(from)),
        }
    }

    /// Whether the contacts from this place on are told to be of fewer hosts, or on fewer ports, than any
    /// grid's; of few contacts nothing is told.
    fn is_narrow(&self, from: usize) -> bool {
        match self {
            Contacts::Many(Many { contacts, totals }) if contacts.len() - from > FEW => {
                totals.borrow_mut().get_or_insert_default().is_narrow(from, contacts)
            }
            _ => false,
        }
    }

    fn as_slices(&self) -> (&[Contact], &[Contact]) {
        match self {
            Contacts::None => (&[], &[]),
            Contacts::One(first) => (std::slice::from_ref(first), &[]),
            Contacts::Many(many) => many.contacts.as_slices(),
        }
    }
}

#[cfg(test)]
mod tests {
    use lapwing_event::{LogSource, Protocol, Record, Technique};

    use super::*;
    use crate::sequence::{GRID_HOSTS, GRID_PORTS};

    fn contact(number: u64) -> Contact {
        let outcomes = [
            Outcome::Refused,
            Outcome::Unanswered,
            Outcome::Open,
            Outcome::Served,
            Outcome::Unknown,
        ];
        // Scattered, the same each time (Knuth's multiplicative hash).
        let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        Contact {
            time: Timestamp(number as i64 * 1_000_000_000),
            target: [if hash & 1 == 0 { 10 } else { 8 }, 0, (hash >> 8) as u8, number as u8].into(),
            port: [22, 80, 443, 8080, 40_000][hash as usize % 5],
            protocol: if hash & 14 == 0 { Protocol::Icmp } else { Protocol::Tcp },
            outcome: outcomes[(hash >> 4) as usize % 5],
            technique: Technique::Connect,
            weight: [1.0, 0.8, 0.7, 0.0, 0.075][(hash >> 4) as usize % 5],
            child: 0,
            name: 0,
            dark: false,
            habit: hash.is_multiple_of(7),
            record: Record::default(),
            log_source: LogSource::AuditConnect,
        }
    }

    #[test]
    fn sums_of_a_window_are_those_of_its_contacts_whenever_they_are_asked_for() {
        for every in [1, 3, 50, 200] {
            let mut cell = Cell::new();
            for number in 0..600 {
                cell.push(contact(number));
                if number % 11 == 0 {
                    let known = contact(number.saturating_sub(number % 60));
                    cell.settle(&Contact { outcome: Outcome::Refused, weight: 0.9, ..known });
                }
                if number % every != 0 {
                    continue;
                }
                let now = contact(number).time;
                for seconds in [0, 5, 20, 60, 127, 1000] {
                    let window = Span::seconds(seconds);
                    let from = cell.first_within(now, window);
                    let sums = cell.sums(from);
                    assert_eq!(sums, Sums::over(cell.within(now, window)), "{number} {seconds}");
                    let told = cell.within(now, window).filter(|contact| {
                        let port = contact.has_port() && contact.port < 32_768;
                        port && !contact.habit && !contact.is_outside_service()
                    });
                    let hosts: BTreeSet<Address> = told.clone().map(|told| told.target).collect();
                    let ports: BTreeSet<u16> = told.map(|told| told.port).collect();
                    let narrow = hosts.len() < GRID_HOSTS || ports.len() < GRID_PORTS;
                    let told = cell.is_narrow(from);
                    assert!(narrow || !told, "{number} {seconds}: {hosts:?} {ports:?}");
                }
            }
        }
    }
}
