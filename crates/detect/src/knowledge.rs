//! Knowledge: what is ordinary in this network, as all origins together taught it.
//!
//! What an origin does is judged by what is known of its targets, and teaches what is known of them. So
//! that origins can be judged side by side, what one taught is known to the others from the next turn of
//! event time on (`turns.rs` tells when): until then it waits as a [`Lesson`].

use lapwing_event::{Address, Span, Timestamp};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bounded::{Generations, Known, Slot, address_key, key};
use crate::shard::SHARDS;
use crate::standing::Server;
use crate::tunables::Memory;

/// In how many parts it is kept, which are learned side by side: some for each core of a large machine.
pub(crate) const PARTS: usize = 16;

/// How few lessons are learned one part after the other.
const FEW: usize = 512;

/// What is known of this network.
#[derive(Serialize, Deserialize)]
pub(crate) struct Knowledge {
    parts: [Part; PARTS],
}

/// A part of it, by key.
#[derive(Serialize, Deserialize)]
pub(crate) struct Part {
    /// Services that were used, and by whom.
    services: Generations<Service>,
    /// Hosts of the own networks that others use.
    servers: Generations<Server>,
    /// Hosts of the own networks that were seen alive.
    hosts: Generations<Host>,
    /// Since when each of their subnets has been watched.
    watched: Known,
    /// Which address used which service.
    uses: Known,
}

/// A service that was used.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Service {
    key: u64,
    /// Who used it first.
    pub by: Option<Address>,
    /// Whether others did.
    shared: bool,
    last: Timestamp,
}

impl Slot for Service {
    fn new(key: u64) -> Service {
        Service { key, by: None, shared: false, last: Timestamp::MIN }
    }

    fn key(&self) -> u64 {
        self.key
    }
}

/// A host that was seen alive.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Host {
    key: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Slot for Host {
    fn new(key: u64) -> Host {
        Host { key, first: Timestamp::MAX, last: Timestamp::MIN }
    }

    fn key(&self) -> u64 {
        self.key
    }
}

/// One thing that an event teaches of the network.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Lesson {
    key: u64,
    time: Timestamp,
    taught: Taught,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Taught {
    /// A service was used by this address.
    Service(Address),
    /// A host of the own networks was used: the client's bit, and which of the directory's services it was.
    Server { client: u64, directory: u16 },
    /// An address used a service.
    Use,
    /// A host was seen alive.
    Alive,
    /// A host of a subnet was seen alive.
    Watched,
}

/// What an origin's events taught and nobody knows yet, by the part that it belongs to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Lessons([Vec<Lesson>; PARTS]);

impl Lessons {
    fn push(&mut self, key: u64, time: Timestamp, taught: Taught) {
        self.0[part(key)].push(Lesson { key, time, taught });
    }

    /// A service was used by an address.
    pub fn service(&mut self, service: u64, by: Address, time: Timestamp) {
        self.push(service, time, Taught::Service(by));
    }

    /// A host of the own networks was used, by a client that is known by this bit, as this one of the
    /// directory's services.
    pub fn server(&mut self, host: Address, client: u64, directory: u16, time: Timestamp) {
        self.push(server_key(host), time, Taught::Server { client, directory });
    }

    /// An address, by its pair with the host, used what of the host.
    pub fn used(&mut self, pair: u64, what: u32, time: Timestamp) {
        self.push(use_key(pair, what), time, Taught::Use);
    }

    /// A host of the own networks, by its key, was seen alive.
    pub fn alive(&mut self, host: u64, time: Timestamp) {
        self.push(host, time, Taught::Alive);
    }

    /// A host of a subnet, by its key, was seen alive.
    pub fn watched(&mut self, subnet: u64, time: Timestamp) {
        self.push(subnet, time, Taught::Watched);
    }

    fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Forgets what was learned.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(Vec::clear);
    }
}

impl Knowledge {
    /// Keeps what is learned for `habit`, and within the memory.
    pub fn new(memory: Memory, habit: Span) -> Knowledge {
        let part = |_| Part {
            services: Generations::new(memory.services() / PARTS, habit),
            servers: Generations::new(memory.servers() / PARTS, habit),
            hosts: Generations::new(memory.services() / PARTS, habit),
            watched: Known::new(memory.services() / PARTS, habit),
            uses: Known::new(memory.pairs() / PARTS, habit),
        };
        Knowledge { parts: std::array::from_fn(part) }
    }

    fn of(&self, key: u64) -> &Part {
        &self.parts[part(key)]
    }

    /// A service that was used.
    pub fn service(&self, key: u64) -> Option<&Service> {
        self.of(key).services.find(key)
    }

    /// Reads the place of a service, for the sake of reading it.
    pub fn peek_service(&self, key: u64) -> u64 {
        self.of(key).services.peek(key)
    }

    /// Whether a service was used by two sources, the last time no longer ago than `habit`.
    pub fn is_shared(&self, service: u64, now: Timestamp, habit: Span) -> bool {
        self.service(service).is_some_and(|known| known.shared && now.since(known.last) <= habit)
    }

    /// A host of the own networks that others use.
    pub fn server(&self, host: Address) -> Option<&Server> {
        let key = server_key(host);
        self.of(key).servers.find(key)
    }

    /// Whether an address, by its pair with a host, used what of the host within a week.
    pub fn is_used(&self, pair: u64, what: u32, now: Timestamp) -> bool {
        let key = use_key(pair, what);
        self.of(key).uses.holds(key, now)
    }

    fn host(&self, host: Address) -> Option<&Host> {
        let key = alive_key(host);
        self.of(key).hosts.find(key)
    }

    /// When a host was last noted as alive.
    pub fn last_alive(&self, host: Address) -> Option<Timestamp> {
        self.host(host).map(|host| host.last)
    }

    /// Whether a host was alive within `habit`.
    pub fn is_alive(&self, host: Address, now: Timestamp, habit: Span) -> bool {
        self.last_alive(host).is_some_and(|last| now.since(last) < habit)
    }

    /// Since when a host has been seen.
    pub fn seen_since(&self, host: Address) -> Option<Timestamp> {
        self.host(host).map(|host| host.first)
    }

    /// Since when a host's subnet has been watched.
    pub fn watched_since(&self, host: Address) -> Option<Timestamp> {
        let key = subnet_key(host);
        self.of(key).watched.since(key)
    }

    /// Learns what was taught, each part what is its own, in the order of the shards.
    pub fn learn(&mut self, lessons: &[&Lessons; SHARDS], side_by_side: bool) {
        let learn = |(number, part): (usize, &mut Part)| {
            lessons.iter().for_each(|lessons| part.learn(&lessons.0[number]));
        };
        let many = lessons.iter().map(|lessons| lessons.len()).sum::<usize>() > FEW;
        match side_by_side && many {
            true => self.parts.par_iter_mut().enumerate().for_each(learn),
            false => self.parts.iter_mut().enumerate().for_each(learn),
        }
    }

    /// How many entries were forgotten before their time.
    pub fn shed(&self) -> u64 {
        let shed = |part: &Part| {
            let Part { services, servers, hosts, watched, uses } = part;
            services.shed() + servers.shed() + hosts.shed() + watched.shed() + uses.shed()
        };
        self.parts.iter().map(shed).sum()
    }
}

impl Part {
    fn learn(&mut self, lessons: &[Lesson]) {
        for Lesson { key, time, taught } in lessons.iter().copied() {
            match taught {
                Taught::Service(by) => {
                    let service = self.services.place(key, time);
                    service.shared |= *service.by.get_or_insert(by) != by;
                    service.last = service.last.max(time);
                }
                Taught::Server { client, directory } => {
                    self.servers.place(key, time).used(client, directory);
                }
                Taught::Use => {
                    self.uses.touch(key, time);
                }
                Taught::Alive => {
                    let host = self.hosts.place(key, time);
                    host.first = host.first.min(time);
                    host.last = time;
                }
                Taught::Watched => {
                    self.watched.first(key, time);
                }
            }
        }
    }
}

/// The part that a key belongs to; tables take its low bits.
fn part(key: u64) -> usize {
    (key >> 48) as usize % PARTS
}

/// A host, in what is known of hosts.
pub(crate) fn alive_key(host: Address) -> u64 {
    address_key(*b"alive   ", 0, host)
}

/// The subnet of a host, in what is watched.
pub(crate) fn subnet_key(host: Address) -> u64 {
    address_key(*b"subnet  ", 0, host.subnet().base())
}

fn server_key(host: Address) -> u64 {
    address_key(*b"server  ", 0, host)
}

fn use_key(pair: u64, what: u32) -> u64 {
    key(*b"used    ", &[pair, what.into()])
}

/// A service, by what it is of its host.
pub(crate) fn service_key(what: u32, host: Address) -> u64 {
    address_key(*b"service ", what.into(), host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shards_taught_is_known_once_it_is_learned() {
        let week = Span::seconds(7 * 86_400);
        let at = |hours: i64| Timestamp(hours * 3_600_000_000_000);
        let host = |last: u8| Address::from([10, 0, 0, last]);
        let (service, pair) = (service_key(443 << 8 | 6, host(1)), 77);
        let mut taught: [Lessons; SHARDS] = std::array::from_fn(|_| Lessons::default());
        taught[3].service(service, host(2), at(0));
        taught[9].service(service, host(3), at(1));
        taught[9].alive(alive_key(host(3)), at(1));
        taught[9].alive(alive_key(host(3)), at(2));
        taught[9].watched(subnet_key(host(3)), at(1));
        taught[9].used(pair, 5, at(1));
        taught[4].server(host(1), 1 << 7, 1, at(1));
        for side_by_side in [false, true] {
            let mut knowledge = Knowledge::new(Memory::default(), week);
            assert!(!knowledge.is_shared(service, at(2), week));
            knowledge.learn(&taught.each_ref(), side_by_side);
            assert!(knowledge.is_shared(service, at(2), week));
            assert!(!knowledge.is_shared(service, at(24 * 8), week), "a week after its last use");
            assert_eq!(knowledge.service(service).and_then(|known| known.by), Some(host(2)));
            assert!(knowledge.is_alive(host(3), at(3), week));
            assert!(!knowledge.is_alive(host(2), at(3), week));
            assert!(!knowledge.is_alive(host(3), at(24 * 8), week), "a week after it was seen");
            assert_eq!(knowledge.seen_since(host(3)), Some(at(1)));
            assert_eq!(knowledge.last_alive(host(3)), Some(at(2)));
            assert_eq!(knowledge.watched_since(host(200)), Some(at(1)), "its subnet");
            assert!(knowledge.is_used(pair, 5, at(2)) && !knowledge.is_used(pair, 6, at(2)));
            assert!(knowledge.server(host(1)).is_some() && knowledge.server(host(2)).is_none());
        }
    }
}
