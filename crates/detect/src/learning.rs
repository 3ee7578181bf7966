//! Learning: what an event teaches of this network, before it is judged, and what is known of its target.

use lapwing_event::{Address, Initiator, Network, Outcome};

use crate::attempt::{Target, what};
use crate::bounded::{address_key, key};
use crate::finding::Level;
use crate::knowledge::{alive_key, service_key, subnet_key};
use crate::origin::Who;
use crate::shard::{Judge, Shard};
use crate::standing;

impl Judge<'_> {
    /// Learns from a network event; what was known of its target before.
    pub(crate) fn learn(&mut self, network: &Network, who: &Who) -> Target {
        if network.outcome != Outcome::Served || network.initiator == Initiator::Unknown {
            let service = service_key(what_of(network), network.target);
            let habit = self.tunables.detection.habit;
            return Target {
                service_known: self.knowledge.is_shared(service, self.shard.now, habit),
                dark: self.learn_host(network),
                habit: self.learn_habit(network, who),
                ..Target::default()
            };
        }
        // What serves is used again and again: most events end here.
        let words = [pair_host(who.habit(), network.target), u64::from(what_of(network))];
        let key = key(*b"use     ", &words);
        let now = self.shard.now;
        if let Some(habit) = self.shard.uses.get(key, now) {
            return Target { habit, ..Target::default() };
        }
        self.learn_host(network);
        let target = Target { habit: self.learn_habit(network, who), ..Target::default() };
        self.learn_use(network, who);
        self.shard.uses.note(key, now, target.habit);
        target
    }

    /// Learns what an origin uses; whether this target was used by it within the last week. A job that
    /// runs each night or each Sunday is one origin, though its process is another each time.
    fn learn_habit(&mut self, network: &Network, who: &Who) -> bool {
        // Of an origin that is an address, the same entry as the contact's own.
        let host = pair_host(who.habit(), network.target);
        let (what, now) = (what_of(network), self.shard.now);
        match network.outcome {
            Outcome::Served => self.shard.pairs.used(host, what, now),
            _ => self.shard.pairs.is_habit(host, what, now),
        }
    }

    /// Learns which hosts of the own networks are alive; whether the target is dark: its subnet is
    /// known, nobody was ever seen at it, and there was time enough to see.
    fn learn_host(&mut self, network: &Network) -> bool {
        if network.initiator == Initiator::Unknown || network.protocol.finds_hosts() {
            return false;
        }
        let now = self.shard.now;
        let answered = !matches!(network.outcome, Outcome::Unanswered | Outcome::Unknown);
        let Shard { lively, lessons, .. } = &mut *self.shard;
        let mut alive = |address: Address| {
            if !address.is_internal() {
                return;
            }
            let host = alive_key(address);
            if !lively.renew(host, now) {
                lessons.alive(host, now);
                let subnet = subnet_key(address);
                if !lively.renew(subnet, now) {
                    lessons.watched(subnet, now);
                }
            }
        };
        if answered {
            alive(network.target);
            // A source that was answered holds its address; a spoofed one need not exist.
            alive(network.source);
            return false;
        }
        if !network.target.is_internal() {
            return false;
        }
        let learned = self.tunables.detection.learning;
        // Of this network: that another one was watched for days says nothing of it.
        let since = self.knowledge.watched_since(network.target);
        since.is_some_and(|since| now.since(since) >= learned)
            && !self.knowledge.is_alive(network.target, now, self.tunables.detection.habit)
    }

    /// Learns that a service is used, and by whom.
    fn learn_use(&mut self, network: &Network, who: &Who) {
        let Network { source, target, initiator, .. } = *network;
        let (what, now) = (what_of(network), self.shard.now);
        let lessons = &mut self.shard.lessons;
        if initiator == Initiator::Source {
            lessons.service(service_key(what, target), source, now);
        }
        if let Some((client, directory)) = standing::lesson(network) {
            lessons.server(target, client, directory, now);
        }
        // Whose work moved to another address is asked of addresses alone, and of work in own networks.
        let first = who.links().first().filter(|_| target.is_internal());
        if let Some(link) = first.filter(|link| link.level == Level::Address) {
            lessons.used(pair_host(link.id, target), what, now);
        }
    }
}

fn what_of(network: &Network) -> u32 {
    what(network.protocol, network.target_port, 0)
}

/// An origin and a host, in [`crate::bounded::Pairs`].
pub(crate) fn pair_host(id: u64, host: Address) -> u64 {
    address_key(*b"pair    ", id, host)
}
