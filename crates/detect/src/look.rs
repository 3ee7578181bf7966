//! A counter at one moment, with what was found out of it: a scan is held against one threshold after
//! another, and of most of what is asked of it the answer is the same.

use std::cell::{OnceCell, RefCell};

use arrayvec::ArrayVec;
use lapwing_event::{Outcome, Span, Timestamp};

use crate::attempt::{Contact, is_ephemeral};
use crate::cell::Cell;
use crate::sequence;
use crate::sums::{Count, Sums};
use crate::tunables::Peers;

/// How many windows a counter is looked at in: the four of thresholds.
const WINDOWS: usize = 4;

/// A counter at one moment.
pub(crate) struct Look<'a> {
    pub cell: &'a Cell,
    now: Timestamp,
    /// The sums within windows, each with the place of its oldest contact.
    sums: RefCell<ArrayVec<(Span, usize, Sums), WINDOWS>>,
    narrow: OnceCell<bool>,
    own_ports: OnceCell<usize>,
    own_hosts: OnceCell<usize>,
    grid: OnceCell<bool>,
}

impl Look<'_> {
    /// Looks at a counter.
    pub fn at(cell: &Cell, now: Timestamp) -> Look<'_> {
        Look {
            cell,
            now,
            sums: RefCell::default(),
            narrow: OnceCell::new(),
            own_ports: OnceCell::new(),
            own_hosts: OnceCell::new(),
            grid: OnceCell::new(),
        }
    }

    /// The contacts within `window`, oldest first.
    pub fn within(&self, window: Span) -> impl Iterator<Item = &Contact> + Clone {
        self.cell.within(self.now, window)
    }

    /// The sums over the contacts within `window`.
    pub fn sums(&self, window: Span) -> Sums {
        let mut known = self.sums.borrow_mut();
        if let Some((.., sums)) = known.iter().find(|(of, ..)| *of == window) {
            return *sums;
        }
        let from = self.cell.first_within(self.now, window);
        // Longer windows often hold no more than shorter ones.
        let same = known.iter().find(|(_, first, _)| *first == from);
        let sums = same.map_or_else(|| self.cell.sums(from), |(.., sums)| *sums);
        let _ = known.try_push((window, from, sums));
        sums
    }

    /// Whether the contacts within `window` look like a peer-to-peer client's, or its like.
    pub fn is_crowd(&self, window: Span, peers: &Peers) -> bool {
        self.cell.was_crowd() || self.cell.is_crowd(self.now, window, &self.sums(window), peers)
    }

    /// Whether what may fill a grid within the short window is of fewer hosts, or on fewer ports, than any
    /// grid's, as far as that is told without going through it.
    pub fn is_narrow(&self, window: Span) -> bool {
        let narrow = || self.cell.is_narrow(self.cell.first_within(self.now, window));
        *self.narrow.get_or_init(narrow)
    }

    /// How many ports there are among [`Count::Own`] within the short window, which is always the same.
    pub fn own_ports(&self, window: Span) -> usize {
        let ports = || sequence::distinct_ports(self.own(window).map(|contact| contact.port));
        *self.own_ports.get_or_init(ports)
    }

    /// How many hosts there are among them.
    pub fn own_hosts(&self, window: Span) -> usize {
        let hosts = || sequence::distinct(self.own(window).map(|contact| contact.target));
        *self.own_hosts.get_or_init(hosts)
    }

    fn own(&self, window: Span) -> impl Iterator<Item = &Contact> {
        self.within(window).filter(|contact| {
            let own = contact.outcome != Outcome::Served && !contact.habit && contact.has_port();
            own && !is_ephemeral(contact.protocol, contact.port) && contact.target.is_internal()
        })
    }

    /// Whether [`Count::Grid`] within the short window fill this share of the grid of their hosts and ports.
    pub fn fills_grid(&self, window: Span, share: f64) -> bool {
        let fills = || {
            let grid = self
                .within(window)
                .filter(|c| !c.habit && c.has_port() && !is_ephemeral(c.protocol, c.port))
                // Services that were in use lately and fail now are their clients' grid: a laptop's elsewhere.
                .filter(|contact| !(contact.failed() && contact.is_light()))
                .filter(|contact| !contact.is_outside_service())
                .map(|contact| (contact.target, contact.port));
            let filled = self.sums(window).count(Count::Grid);
            let fills = || sequence::fills_grid(grid, filled as usize, share);
            share <= 0.0 || (!self.is_narrow(window) && fills())
        };
        *self.grid.get_or_init(fills)
    }
}
