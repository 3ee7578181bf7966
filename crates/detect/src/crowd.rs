//! What the contacts of one origin have in common, to tell a crowd of peers from a scan.

use std::collections::HashSet;

use foldhash::fast::FixedState;
use lapwing_event::{Address, Outcome};
use serde::{Deserialize, Serialize};

use crate::attempt::Contact;
use crate::image;
use crate::sums::{self, Count};
use crate::tunables::Peers;

/// What contacts with ports have in common, to tell a crowd of peers from a scan.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Crowd {
    sums: Sums,
    #[serde(serialize_with = "image::ascending")]
    hosts: HashSet<Address, FixedState>,
    #[serde(serialize_with = "image::ascending")]
    ports: HashSet<u16, FixedState>,
}

/// What can be said of contacts without telling their hosts and ports apart.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Sums {
    contacts: u64,
    alive: u64,
    refused: u64,
    unknown: u64,
    unprivileged: u64,
    outside: u64,
}

/// How many hosts and ports a crowd tells apart; more do not change what it looks like.
const MAX_CROWD: usize = 4096;

/// Whether a contact counts. The same host's browsing beside it is no part of the crowd (zat-tsv of
/// the corpus: 200 peers on one port among a hundred web servers).
fn counts(contact: &Contact) -> bool {
    contact.has_port() && !contact.is_outside_service()
}

impl Sums {
    fn add(&mut self, contact: &Contact) {
        self.contacts += 1;
        let alive = matches!(contact.outcome, Outcome::Served | Outcome::Open);
        self.alive += u64::from(alive);
        self.refused += u64::from(contact.outcome == Outcome::Refused);
        self.unknown += u64::from(contact.outcome == Outcome::Unknown);
        self.unprivileged += u64::from(contact.port >= 1024);
        self.outside += u64::from(!contact.target.is_internal());
    }

    fn share(&self, part: u64) -> f64 {
        part as f64 / self.contacts as f64
    }

    /// Whether they may be a peer-to-peer client's, as far as these sums tell.
    fn may_be_peers(&self, peers: &Peers) -> bool {
        if self.contacts < u64::from(peers.fewest) {
            return false;
        }
        let (alive, refused) = (self.share(self.alive), self.share(self.refused));
        let were_there = alive > 0.0 && alive + refused >= peers.there;
        let some_alive =
            alive >= peers.alive || were_there || self.share(self.unknown) >= peers.unknown;
        some_alive && self.share(self.unprivileged) >= peers.unprivileged
    }
}

impl Crowd {
    /// Whether contacts with these sums may look like a peer-to-peer client's.
    pub fn may_be_of_peers(sums: &sums::Sums, peers: &Peers) -> bool {
        let count = |what| u64::from(sums.count(what));
        let sums = Sums {
            contacts: count(Count::Crowd),
            alive: count(Count::AliveCrowd),
            refused: count(Count::RefusedCrowd),
            unknown: count(Count::UnknownCrowd),
            unprivileged: count(Count::UnprivilegedCrowd),
            outside: count(Count::OutsideCrowd),
        };
        sums.may_be_peers(peers)
    }

    /// Whether these contacts look like a peer-to-peer client's.
    pub fn is_of_peers<'a>(contacts: impl Iterator<Item = &'a Contact>, peers: &Peers) -> bool {
        let mut crowd = Crowd::default();
        contacts.for_each(|contact| crowd.add(contact));
        crowd.is_peer_to_peer(peers)
    }

    /// Adds a first contact.
    pub fn add(&mut self, contact: &Contact) {
        let full = self.hosts.len() >= MAX_CROWD || self.ports.len() >= MAX_CROWD;
        if !counts(contact) || full {
            return;
        }
        self.sums.add(contact);
        self.hosts.insert(contact.target);
        self.ports.insert(contact.port);
    }

    /// Takes over an outcome of a contact that it holds, which was not known.
    pub fn settle(&mut self, contact: &Contact) {
        let sums = &mut self.sums;
        if !counts(contact) || sums.unknown == 0 {
            return;
        }
        sums.unknown -= 1;
        let alive = matches!(contact.outcome, Outcome::Served | Outcome::Open);
        sums.alive += u64::from(alive);
        sums.refused += u64::from(contact.outcome == Outcome::Refused);
    }

    /// How many hosts it tells apart.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// How many ports it tells apart.
    pub fn ports(&self) -> usize {
        self.ports.len()
    }

    /// The share of contacts that were answered with more than a refusal.
    pub fn alive_share(&self) -> f64 {
        self.sums.alive as f64 / self.sums.contacts.max(1) as f64
    }

    /// The share of contacts on ports from 1024 up.
    pub fn unprivileged_share(&self) -> f64 {
        self.sums.unprivileged as f64 / self.sums.contacts.max(1) as f64
    }

    /// Whether this looks like a peer-to-peer client: about one port a host, nearly all of them
    /// unprivileged, spread over several ports (each peer has its own) or over outside hosts, and
    /// peers that are or were there. A scanner has its few ports or its few hosts, and addresses
    /// that it makes up are mostly silent.
    pub fn is_peer_to_peer(&self, peers: &Peers) -> bool {
        if !self.sums.may_be_peers(peers) {
            return false;
        }
        let (hosts, ports) = (self.hosts.len() as f64, self.ports.len() as f64);
        let one_port_each = self.sums.contacts as f64 / hosts < peers.contacts_a_host;
        let own_ports = ports >= f64::from(peers.ports) && ports >= hosts * peers.ports_a_host;
        one_port_each && (own_ports || self.sums.share(self.sums.outside) >= peers.outside)
    }
}
