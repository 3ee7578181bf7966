//! Learning: what is ordinary in this network, from each event before it is judged.

use lapwing_event::{Address, Initiator, Network, Outcome};

use crate::attempt::{Target, what};
use crate::bounded::{address_key, key};
use crate::detector::{Detector, Service};
use crate::origin::Who;

impl Detector {
    /// Learns from a network event; what was known of its target before.
    pub(crate) fn learn(&mut self, network: &Network, who: &Who) -> Target {
        if network.outcome != Outcome::Served || network.initiator == Initiator::Unknown {
            return Target {
                service_known: self.learn_service(network),
                dark: self.learn_host(network),
                habit: self.learn_habit(network, who),
                ..Target::default()
            };
        }
        // What serves is used again and again: most events end here.
        let what = what(network.protocol, network.target_port, 0);
        let key = key(*b"use     ", &[pair_host(who.habit(), network.target), u64::from(what)]);
        let now = self.state.now;
        if let Some(habit) = self.state.uses.get(key, now) {
            return Target { habit, ..Target::default() };
        }
        let target = Target {
            service_known: self.learn_service(network),
            dark: self.learn_host(network),
            habit: self.learn_habit(network, who),
            ..Target::default()
        };
        self.learn_server(network);
        self.state.uses.note(key, now, target.habit);
        target
    }

    /// Learns what an origin uses; whether this target was used by it within the last week. A job that
    /// runs each night or each Sunday is one origin, though its process is another each time.
    fn learn_habit(&mut self, network: &Network, who: &Who) -> bool {
        // Of an origin that is an address, the same entry as the contact's own.
        let host = pair_host(who.habit(), network.target);
        let what = what(network.protocol, network.target_port, 0);
        let now = self.state.now;
        match network.outcome {
            Outcome::Served => self.state.pairs.used(host, what, now),
            _ => self.state.pairs.is_habit(host, what, now),
        }
    }

    /// Learns which hosts of the own networks are alive; whether the target is dark: its subnet is
    /// known, nobody was ever seen at it, and there was time enough to see.
    fn learn_host(&mut self, network: &Network) -> bool {
        if network.initiator == Initiator::Unknown || network.protocol.finds_hosts() {
            return false;
        }
        let now = self.state.now;
        let answered = !matches!(network.outcome, Outcome::Unanswered | Outcome::Unknown);
        let mut alive = |address: Address| {
            if !address.is_internal() {
                return;
            }
            let host = alive_key(address);
            if self.state.lively.get(host, now).is_none() {
                self.state.lively.note(host, now, true);
                self.state.alive.touch(host, now);
                self.state.watched.first(subnet_key(address), now);
                self.state.watched.first(host, now);
            }
        };
        if answered {
            alive(network.target);
            // A source that was answered holds its address; a spoofed one need not exist.
            alive(network.source);
            return false;
        }
        let learned = self.tunables.detection.learning;
        // Of this network: that another one was watched for days says nothing of it.
        let since = self.state.watched.since(subnet_key(network.target));
        network.target.is_internal()
            && since.is_some_and(|since| now.since(since) >= learned)
            && !self.state.alive.holds(alive_key(network.target), now)
    }

    /// Learns that a service is used; whether it was known as used by two sources before.
    fn learn_service(&mut self, network: &Network) -> bool {
        let what = what(network.protocol, network.target_port, 0);
        let key = service_key(what, network.target);
        let now = self.state.now;
        let habit = self.tunables.detection.habit;
        let services = &mut self.state.services;
        let is_known = |service: &Service| service.shared && now.since(service.last) <= habit;
        if network.outcome != Outcome::Served || network.initiator != Initiator::Source {
            return services.find(key).is_some_and(is_known);
        }
        let service = services.place(key, now);
        let known = is_known(service);
        service.shared |= *service.by.get_or_insert(network.source) != network.source;
        service.last = now;
        known
    }
}

pub(crate) fn alive_key(address: Address) -> u64 {
    address_key(*b"alive   ", 0, address)
}

fn subnet_key(address: Address) -> u64 {
    address_key(*b"subnet  ", 0, address.subnet().base())
}

/// An origin and a host, in [`crate::bounded::Pairs`].
pub(crate) fn pair_host(id: u64, host: Address) -> u64 {
    address_key(*b"pair    ", id, host)
}

/// A service, by what it is of its host.
pub(crate) fn service_key(what: u32, host: Address) -> u64 {
    address_key(*b"service ", what.into(), host)
}
