//! Where an address stands in its network: how many it serves, and as what; whose targets it has.

use std::collections::BTreeMap;

use lapwing_event::{Address, Network, Outcome, Protocol, Timestamp};
use serde::{Deserialize, Serialize};

use crate::attempt::what;
use crate::bounded::{Slot, address_key};
use crate::episode::Episode;
use crate::finding::{Level, Point};
use crate::knowledge::service_key;
use crate::learning::pair_host;
use crate::origin::address_id;
use crate::shard::{Judge, USE_MEMORY};

/// The services of a domain controller that its members use all day: names, Kerberos, the directory and
/// its global catalogue, RPC's endpoint mapper, files, password changes
/// (<https://learn.microsoft.com/troubleshoot/windows-server/active-directory/config-firewall-for-ad-domains-and-trusts>).
pub(crate) const DIRECTORY: [u16; 9] = [53, 88, 135, 389, 445, 464, 636, 3268, 3269];

/// Of these a host that serves both is a domain controller: Kerberos and LDAP.
const KERBEROS: u16 = 88;
const LDAP: u16 = 389;

/// How many of an episode's hosts, and of its attempts, are asked for what is known of them.
const MAX_ASKED: usize = 256;

/// A host of the own networks that others use.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Server {
    key: u64,
    /// Its clients, each a bit by its hash.
    clients: u64,
    /// Which of [`DIRECTORY`] were used.
    directory: u16,
}

impl Slot for Server {
    fn new(key: u64) -> Server {
        Server { key, clients: 0, directory: 0 }
    }

    fn key(&self) -> u64 {
        self.key
    }
}

impl Server {
    /// Notes a client by its bit, and what it used of the directory's services.
    pub fn used(&mut self, client: u64, directory: u16) {
        self.clients |= client;
        self.directory |= directory;
    }

    /// About how many clients it has, by the bits that are not set (linear counting, Whang et al. 1990);
    /// at most some 260.
    fn clients(&self) -> u32 {
        let unset = f64::from(self.clients.count_zeros().max(1));
        (-64.0 * (unset / 64.0).ln()).round() as u32
    }

    fn is_directory(&self) -> bool {
        let serves = |port: u16| {
            DIRECTORY
                .iter()
                .position(|known| *known == port)
                .is_some_and(|at| self.directory & 1 << at != 0)
        };
        serves(KERBEROS) && serves(LDAP)
    }
}

/// What is known of an episode's address beside the episode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// About how many clients use its services.
    pub clients: u32,
    /// Whether it serves as a domain controller.
    pub directory: bool,
    /// The share of the episode's hosts that are its clients.
    pub own_clients: f64,
    /// Another address, silent for some minutes before the episode, that used what failed in it, and the share of
    /// that.
    pub moved_from: Option<(Address, f64)>,
    /// Since when the address has been seen; `None` where it never was answered.
    pub seen_since: Option<Timestamp>,
}

/// What a network event teaches of its target as a server of the own networks: its client's bit, and which
/// of [`DIRECTORY`] it used.
pub(crate) fn lesson(network: &Network) -> Option<(u64, u16)> {
    let Network { source, target, target_port, outcome, .. } = *network;
    if outcome != Outcome::Served || !target.is_internal() || source == target {
        return None;
    }
    let directory = DIRECTORY.iter().position(|port| *port == target_port).map_or(0, |at| 1 << at);
    Some((1 << (address_key(*b"client  ", 0, source) % 64), directory))
}

impl Judge<'_> {
    /// What is known of an episode's address; nothing of an origin that is known by more than that.
    pub(crate) fn standing(&self, episode: &Episode) -> Standing {
        let origin = episode.origin();
        let Some(address) = origin.address.filter(|own| own.is_internal()) else {
            return Standing::default();
        };
        if origin.level != Level::Address {
            return Standing::default();
        }
        let server = self.knowledge.server(address);
        let directory = server.is_some_and(Server::is_directory);
        Standing {
            clients: server.map(Server::clients).unwrap_or_default(),
            directory,
            own_clients: if directory { self.own_clients(address, episode) } else { 0.0 },
            moved_from: self.moved_from(address, episode),
            seen_since: self.knowledge.seen_since(address),
        }
    }

    /// The share of an episode's hosts that use the directory at this address.
    fn own_clients(&self, address: Address, episode: &Episode) -> f64 {
        let now = self.shard.now;
        let is_client = |host: &Address| {
            let pair = pair_host(address_id(*host), address);
            DIRECTORY.iter().any(|port| {
                [Protocol::Tcp, Protocol::Udp]
                    .into_iter()
                    .any(|protocol| self.knowledge.is_used(pair, what(protocol, *port, 0), now))
            })
        };
        let hosts: Vec<Address> = episode.hosts().take(MAX_ASKED).collect();
        hosts.iter().filter(|host| is_client(host)).count() as f64 / hosts.len().max(1) as f64
    }

    /// The address that used the most of what failed in an episode, where it had been silent for some
    /// minutes; with the share of that.
    fn moved_from(&self, address: Address, episode: &Episode) -> Option<(Address, f64)> {
        let failed: Vec<&Point> = episode
            .points()
            .iter()
            .filter(|point| matches!(point.outcome, Outcome::Refused | Outcome::Unanswered))
            .take(MAX_ASKED)
            .collect();
        let services = |point: &Point| {
            [Protocol::Tcp, Protocol::Udp].map(|protocol| what(protocol, point.port, 0))
        };
        let mut users: BTreeMap<Address, usize> = BTreeMap::new();
        for point in &failed {
            let known = services(point)
                .into_iter()
                .find_map(|what| self.knowledge.service(service_key(what, point.host)));
            if let Some(by) = known.and_then(|service| service.by).filter(|by| *by != address) {
                *users.entry(by).or_default() += 1;
            }
        }
        let now = self.shard.now;
        let (user, _) = users.into_iter().max_by_key(|(user, count)| (*count, *user))?;
        // That it was seen is noted no more often than this.
        let last = self.knowledge.last_alive(user)?;
        if episode.first().since(last) < USE_MEMORY {
            return None;
        }
        let used = |point: &&&Point| {
            let pair = pair_host(address_id(user), point.host);
            services(point).into_iter().any(|what| self.knowledge.is_used(pair, what, now))
        };
        let share = failed.iter().filter(used).count() as f64 / failed.len().max(1) as f64;
        Some((user, share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_counted_about_right() {
        let mut server = Server::new(1);
        for n in 0..100_u32 {
            let source = Address::from([10, 0, (n >> 8) as u8, n as u8]);
            server.clients |= 1 << (address_key(*b"client  ", 0, source) % 64);
            let (told, true_count) = (f64::from(server.clients()), f64::from(n + 1));
            // What is asked is whether it serves five or ten; of many, only that they are.
            let right = match true_count <= 20.0 {
                true => (told - true_count).abs() <= 3.0,
                false => told >= 17.0,
            };
            assert!(right, "{told} of {true_count}");
        }
        server.clients = u64::MAX;
        assert_eq!(server.clients(), 266);
    }
}
