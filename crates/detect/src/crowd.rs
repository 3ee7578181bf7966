//! What the contacts of one origin have in common, to tell a crowd of peers from a scan.

use std::collections::HashSet;

use foldhash::fast::FixedState;
use lapwing_event::{Address, Outcome};
use serde::{Deserialize, Serialize};

use crate::attempt::Contact;
use crate::image;
use crate::tunables::Peers;

/// What contacts with ports have in common, to tell a crowd of peers from a scan.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Crowd {
    contacts: u64,
    #[serde(serialize_with = "image::ascending")]
    hosts: HashSet<Address, FixedState>,
    #[serde(serialize_with = "image::ascending")]
    ports: HashSet<u16, FixedState>,
    alive: u64,
    refused: u64,
    unknown: u64,
    unprivileged: u64,
    outside: u64,
}

/// How many hosts and ports a crowd tells apart; more do not change what it looks like.
const MAX_CROWD: usize = 4096;

impl Crowd {
    /// Adds a first contact. The same host's browsing beside it is no part of the crowd (zat-tsv of
    /// the corpus: 200 peers on one port among a hundred web servers).
    pub fn add(&mut self, contact: &Contact) {
        if contact.is_outside_service() {
            return;
        }
        if !contact.has_port() || self.hosts.len() >= MAX_CROWD || self.ports.len() >= MAX_CROWD {
            return;
        }
        self.contacts += 1;
        self.hosts.insert(contact.target);
        self.ports.insert(contact.port);
        let alive = matches!(contact.outcome, Outcome::Served | Outcome::Open);
        self.alive += u64::from(alive);
        self.refused += u64::from(contact.outcome == Outcome::Refused);
        self.unknown += u64::from(contact.outcome == Outcome::Unknown);
        self.unprivileged += u64::from(contact.port >= 1024);
        self.outside += u64::from(!contact.target.is_internal());
    }

    /// Takes over an outcome of a contact that it holds, which was not known.
    pub fn settle(&mut self, contact: &Contact) {
        if contact.is_outside_service() || !contact.has_port() || self.unknown == 0 {
            return;
        }
        self.unknown -= 1;
        let alive = matches!(contact.outcome, Outcome::Served | Outcome::Open);
        self.alive += u64::from(alive);
        self.refused += u64::from(contact.outcome == Outcome::Refused);
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
        self.alive as f64 / self.contacts.max(1) as f64
    }

    /// The share of contacts on ports from 1024 up.
    pub fn unprivileged_share(&self) -> f64 {
        self.unprivileged as f64 / self.contacts.max(1) as f64
    }

    /// Whether this looks like a peer-to-peer client: about one port a host, nearly all of them
    /// unprivileged, spread over several ports (each peer has its own) or over outside hosts, and
    /// peers that are or were there. A scanner has its few ports or its few hosts, and addresses
    /// that it makes up are mostly silent.
    pub fn is_peer_to_peer(&self, peers: &Peers) -> bool {
        if self.contacts < u64::from(peers.fewest) {
            return false;
        }
        let share = |part: u64| part as f64 / self.contacts as f64;
        let (alive, refused) = (share(self.alive), share(self.refused));
        let one_port_each =
            self.contacts as f64 / (self.hosts.len() as f64) < peers.contacts_a_host;
        let were_there = alive > 0.0 && alive + refused >= peers.there;
        let some_alive = alive >= peers.alive || were_there || share(self.unknown) >= peers.unknown;
        let own_ports = self.ports.len() as f64 >= self.hosts.len() as f64 * peers.ports_a_host;
        let spread = (self.ports.len() >= peers.ports as usize && own_ports)
            || share(self.outside) >= peers.outside;
        one_port_each && some_alive && share(self.unprivileged) >= peers.unprivileged && spread
    }
}
