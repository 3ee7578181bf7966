//! What was seen of each log source: how much, when, of how many computers.

use std::collections::BTreeSet;
use std::sync::Arc;

use lapwing_detect::{FewPorts, Seen};
use lapwing_event::{Activity, Actor, Event, Initiator, Timestamp};

/// How many computers are told apart for each log source; more are counted as that many.
const MAX_DEVICES: usize = 65_536;

/// Counts the events of one log source.
pub(crate) struct Counter {
    events: u64,
    first: Timestamp,
    last: Timestamp,
    pub(crate) devices: BTreeSet<Arc<str>>,
    ports: FewPorts,
    last_actor: Option<Arc<Actor>>,
}

impl Counter {
    /// With this event alone.
    pub(crate) fn new(event: &Event) -> Counter {
        let mut counter = Counter {
            events: 0,
            first: event.time,
            last: event.time,
            devices: BTreeSet::new(),
            ports: FewPorts::default(),
            last_actor: None,
        };
        counter.add(event);
        counter
    }

    /// Takes another event in.
    pub(crate) fn add(&mut self, event: &Event) {
        self.events += 1;
        self.first = self.first.min(event.time);
        self.last = self.last.max(event.time);
        if let Activity::Network(network) = &event.activity
            && network.initiator == Initiator::Source
            && network.protocol.has_ports()
        {
            self.ports.add(network.target_port);
        }
        let Some(actor) = &event.actor else { return };
        if self.last_actor.as_ref().is_some_and(|last| Arc::ptr_eq(last, actor)) {
            return;
        }
        self.last_actor = Some(Arc::clone(actor));
        if let Some(device) = &actor.device
            && self.devices.len() < MAX_DEVICES
            && !self.devices.contains(device)
        {
            self.devices.insert(Arc::clone(device));
        }
    }

    /// Takes in what another worker counted.
    pub(crate) fn absorb(&mut self, other: Counter) {
        self.events += other.events;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.devices.extend(other.devices);
        self.ports.absorb(other.ports);
    }

    /// What coverage is told.
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            events: self.events,
            first: self.first,
            last: self.last,
            devices: self.devices.len().min(MAX_DEVICES) as u64,
            ports: self.ports,
        }
    }
}
