//! Sums over contacts in a row, of which any window's can be told without going through all of it.

use std::collections::VecDeque;

use arrayvec::ArrayVec;
use lapwing_event::{Address, Outcome};

use crate::attempt::{Contact, is_ephemeral};
use crate::sequence::{GRID_HOSTS, GRID_PORTS};

/// What is counted, each a number of contacts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    /// All of them.
    All,
    Failed,
    Unknown,
    /// All but those that ask for hosts by ARP and the like, which have an axis of their own.
    Probes,
    FailedProbes,
    UnknownProbes,
    /// On a port.
    Ported,
    UnknownPorted,
    /// On ports that nobody hands out, of own hosts, neither served nor a habit.
    Own,
    /// That may fill a grid of hosts and ports: neither habits, nor on ports that are handed out, nor what
    /// clients everywhere do.
    Grid,
    ServedGrid,
    /// That may walk through hosts.
    Walking,
    ServedWalking,
    /// That may walk through ports.
    WalkingPorts,
    /// That may be a crowd of peers' ([`crate::crowd`]).
    Crowd,
    AliveCrowd,
    RefusedCrowd,
    UnknownCrowd,
    UnprivilegedCrowd,
    OutsideCrowd,
}

const COUNTS: usize = Count::OutsideCrowd as usize + 1;

/// What is weighed.
#[derive(Clone, Copy, Debug)]
enum Weighed {
    All,
    /// Probes that are not light.
    Probes,
    /// Those of them that failed.
    Failed,
}

const WEIGHED: usize = Weighed::Failed as usize + 1;

/// What the weight of 1 is in sums. Weights are `f32`: from 2^-9 up they are sums of this fraction without
/// a rest, and what is taken from a sum is what was put in.
const ONE: f64 = 4_294_967_296.0;

/// Sums over some contacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    weights: [i64; WEIGHED],
    /// Of running totals only differences are used: they may go round.
    counts: [u16; COUNTS],
}

/// What thresholds of weights look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    pub weight: f64,
    contacts: u32,
    failed: u32,
    unknown: u32,
}

impl Sum {
    pub fn is_mostly_unknown(&self) -> bool {
        self.unknown * 2 > self.contacts
    }

    /// The share that failed of those whose outcome is known.
    pub fn failure_share(&self) -> f64 {
        f64::from(self.failed) / f64::from(self.contacts.saturating_sub(self.unknown).max(1))
    }
}

impl Sums {
    /// What one contact adds.
    fn of(contact: &Contact) -> Sums {
        let Contact { protocol, port, outcome, habit, .. } = *contact;
        let failed = contact.failed();
        let served = outcome == Outcome::Served;
        let unknown = outcome == Outcome::Unknown;
        let probes = !protocol.finds_hosts();
        let ported = contact.has_port();
        let handed_out = is_ephemeral(protocol, port);
        let internal = contact.target.is_internal();
        let everywhere = contact.is_outside_service();
        let light = contact.is_light();
        let fills = may_fill(contact);
        let grid = fills && !(failed && light);
        let walking = !habit && !everywhere;
        let crowd = ported && !everywhere;

        let mut sums = Sums::default();
        let mut count = |what: Count, counts: bool| sums.counts[what as usize] = counts.into();
        count(Count::All, true);
        count(Count::Failed, failed);
        count(Count::Unknown, unknown);
        count(Count::Probes, probes);
        count(Count::FailedProbes, probes && failed);
        count(Count::UnknownProbes, probes && unknown);
        count(Count::Ported, ported);
        count(Count::UnknownPorted, ported && unknown);
        count(Count::Own, fills && !served && internal);
        count(Count::Grid, grid);
        count(Count::ServedGrid, grid && served);
        count(Count::Walking, walking);
        count(Count::ServedWalking, walking && served);
        count(Count::WalkingPorts, !served && !habit && !handed_out);
        count(Count::Crowd, crowd);
        count(Count::AliveCrowd, crowd && (served || outcome == Outcome::Open));
        count(Count::RefusedCrowd, crowd && outcome == Outcome::Refused);
        count(Count::UnknownCrowd, crowd && unknown);
        count(Count::UnprivilegedCrowd, crowd && port >= 1024);
        count(Count::OutsideCrowd, crowd && !internal);

        let weight = (f64::from(contact.weight) * ONE) as i64;
        let heavy = if probes && !light { weight } else { 0 };
        sums.weights[Weighed::All as usize] = weight;
        sums.weights[Weighed::Probes as usize] = heavy;
        sums.weights[Weighed::Failed as usize] = if failed { heavy } else { 0 };
        sums
    }

    /// The sums over these contacts.
    pub fn over<'a>(contacts: impl Iterator<Item = &'a Contact>) -> Sums {
        contacts.fold(Sums::default(), |sums, contact| sums.plus(&Sums::of(contact)))
    }

    fn plus(&self, other: &Sums) -> Sums {
        Sums {
            weights: std::array::from_fn(|at| self.weights[at].wrapping_add(other.weights[at])),
            counts: std::array::from_fn(|at| self.counts[at].wrapping_add(other.counts[at])),
        }
    }

    fn minus(&self, other: &Sums) -> Sums {
        Sums {
            weights: std::array::from_fn(|at| self.weights[at].wrapping_sub(other.weights[at])),
            counts: std::array::from_fn(|at| self.counts[at].wrapping_sub(other.counts[at])),
        }
    }

    /// How many contacts are this.
    pub fn count(&self, what: Count) -> u32 {
        self.counts[what as usize].into()
    }

    fn weight(&self, what: Weighed) -> f64 {
        self.weights[what as usize] as f64 / ONE
    }

    /// All contacts.
    pub fn all(&self) -> Sum {
        Sum {
            weight: self.weight(Weighed::All),
            contacts: self.count(Count::All),
            failed: self.count(Count::Failed),
            unknown: self.count(Count::Unknown),
        }
    }

    /// All but those that ask for hosts. What is light is seen beside the rest, and adds up to no scan by
    /// itself.
    pub fn probes(&self) -> Sum {
        Sum {
            weight: self.weight(Weighed::Probes),
            contacts: self.count(Count::Probes),
            failed: self.count(Count::FailedProbes),
            unknown: self.count(Count::UnknownProbes),
        }
    }

    /// The weight of the probes that failed and are not light.
    pub fn failed_weight(&self) -> f64 {
        self.weight(Weighed::Failed)
    }
}

/// Whether a contact may be one of [`Count::Grid`] or [`Count::Own`], whatever came of it.
fn may_fill(contact: &Contact) -> bool {
    let port = contact.has_port() && !is_ephemeral(contact.protocol, contact.port);
    port && !contact.habit && !contact.is_outside_service()
}

/// How many contacts share one running total: a window's sums take half as many contacts to be gone
/// through, and each contact of a counter that is looked at a quarter more memory.
const BLOCK: usize = 4;

/// Running totals over contacts in a row, made when they are asked for: most rows are never.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// How many contacts are gone, the first of which were the first of a block.
    gone: usize,
    /// How many contacts are summed up, the oldest first.
    summed: usize,
    /// The total with the last of them.
    total: Sums,
    /// The total before each block. Where contacts of the first block are gone, nobody asks for its.
    before: VecDeque<Sums>,
    /// Hosts and ports of those that may fill a grid, as far as grids tell few from many: of the contacts
    /// from the one with this number on, that are summed up.
    hosts: Few<Address, GRID_HOSTS>,
    ports: Few<u16, GRID_PORTS>,
    noted_from: usize,
}

/// Distinct values, as long as there are fewer than this.
#[derive(Debug)]
struct Few<T, const MANY: usize>(ArrayVec<T, MANY>);

impl<T, const MANY: usize> Default for Few<T, MANY> {
    fn default() -> Few<T, MANY> {
        Few(ArrayVec::new())
    }
}

impl<T: PartialEq, const MANY: usize> Few<T, MANY> {
    fn note(&mut self, value: T) {
        if !self.are_many() && !self.0.contains(&value) {
            self.0.push(value);
        }
    }

    fn are_many(&self) -> bool {
        self.0.is_full()
    }
}

impl Totals {
    /// The sums over the contacts from this place on.
    pub fn since(&mut self, from: usize, contacts: &VecDeque<Contact>) -> Sums {
        self.sum_up(contacts);
        let gone = self.gone % BLOCK;
        let block = (from + gone).div_ceil(BLOCK);
        let (whole, first) = match self.before.get(block) {
            Some(before) => (self.total.minus(before), block * BLOCK - gone),
            None => (Sums::default(), contacts.len()),
        };
        whole.plus(&Sums::over(contacts.range(from..first)))
    }

    /// Whether the contacts from this place on that may fill a grid are of fewer hosts, or on fewer ports,
    /// than any grid's: told by those noted before and the new ones, and anew where these are many.
    pub fn is_narrow(&mut self, from: usize, contacts: &VecDeque<Contact>) -> bool {
        self.sum_up(contacts);
        let number = self.gone + from;
        if number < self.noted_from || (self.hosts.are_many() && self.ports.are_many()) {
            (self.hosts, self.ports, self.noted_from) = (Few::default(), Few::default(), number);
            for contact in contacts.range(from..) {
                self.note(contact);
                if self.hosts.are_many() && self.ports.are_many() {
                    return false;
                }
            }
        }
        !(self.hosts.are_many() && self.ports.are_many())
    }

    fn note(&mut self, contact: &Contact) {
        if may_fill(contact) {
            self.hosts.note(contact.target);
            self.ports.note(contact.port);
        }
    }

    fn sum_up(&mut self, contacts: &VecDeque<Contact>) {
        if self.before.is_empty() {
            self.before.push_back(self.total);
        }
        for contact in contacts.range(self.summed..) {
            if self.before.len() * BLOCK == self.summed + self.gone % BLOCK {
                self.before.push_back(self.total);
            }
            self.total = self.total.plus(&Sums::of(contact));
            self.summed += 1;
            self.note(contact);
        }
    }

    /// Notes that the oldest contact is gone.
    pub fn let_go(&mut self) {
        self.summed = self.summed.saturating_sub(1);
        self.gone += 1;
        if self.gone.is_multiple_of(BLOCK) {
            self.before.pop_front();
        }
    }

    /// Notes that the contact at this place was another.
    pub fn replace(&mut self, place: usize, old: &Contact, new: &Contact) {
        if place >= self.summed {
            return;
        }
        let (old, new) = (Sums::of(old), Sums::of(new));
        let replaced = |total: &Sums| total.minus(&old).plus(&new);
        self.total = replaced(&self.total);
        for (block, before) in self.before.iter_mut().enumerate() {
            if block * BLOCK > place + self.gone % BLOCK {
                *before = replaced(before);
            }
        }
    }
}
