//! Whose addresses flow logs tell of: an instance's, an interface's, a pod's.

use std::collections::HashMap;
use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Binding, Container, Event, Holder, LogSource, Record, Timestamp,
};

/// How many addresses, and how many interfaces, are told of in one input; more are not named.
const MAX_HOLDERS: usize = 65_536;

/// What is told already, so that a holder is told of once and not with each of its flows.
#[derive(Debug, Default)]
pub(super) struct Holders {
    told: HashMap<Address, (Timestamp, Arc<Actor>)>,
    interfaces: HashMap<Box<str>, Interface>,
}

/// What an interface's records tell of its address of each family.
#[derive(Debug, Default)]
struct Interface {
    v4: Option<(Sides, Timestamp)>,
    v6: Option<(Sides, Timestamp)>,
}

/// What may be the interface's own address: both sides of its first record, then what is left.
#[derive(Clone, Copy, Debug)]
enum Sides {
    Either(Address, Address),
    Own(Address),
    Neither,
}

impl Sides {
    fn narrowed(self, a: Address, b: Address) -> Sides {
        let among = |own: Address| own == a || own == b;
        match self {
            Sides::Either(one, two) => match (among(one), among(two)) {
                (true, true) => self,
                (true, false) => Sides::Own(one),
                (false, true) => Sides::Own(two),
                (false, false) => Sides::Neither,
            },
            Sides::Own(own) if among(own) => self,
            _ => Sides::Neither,
        }
    }
}

impl Holders {
    /// The address that is an interface's own by now, which is the side that all of its records share,
    /// and the earliest of them.
    pub(super) fn own_side(
        &mut self,
        interface: &str,
        source: Address,
        target: Address,
        start: Timestamp,
    ) -> Option<(Address, Timestamp)> {
        if self.interfaces.len() >= MAX_HOLDERS && !self.interfaces.contains_key(interface) {
            return None;
        }
        let known = self.interfaces.entry(interface.into()).or_default();
        let family = if source.is_v4() { &mut known.v4 } else { &mut known.v6 };
        let (sides, since) = match *family {
            None => (Sides::Either(source, target), start),
            Some((sides, since)) => (sides.narrowed(source, target), since.min(start)),
        };
        *family = Some((sides, since));
        match sides {
            Sides::Own(own) => Some((own, since)),
            _ => None,
        }
    }

    /// The event that tells whose an address is; `None` where that was told already.
    pub(super) fn tell(
        &mut self,
        log_source: LogSource,
        address: Address,
        actor: Actor,
        from: Timestamp,
        record: Record,
    ) -> Option<Event> {
        let full = self.told.len() >= MAX_HOLDERS;
        match self.told.get_mut(&address) {
            Some((since, known)) if **known == actor => {
                if *since <= from {
                    return None;
                }
                // Records come in no order: it was so earlier already.
                *since = from;
            }
            Some(known) => *known = (from, Arc::new(actor.clone())),
            None if full => return None,
            None => {
                self.told.insert(address, (from, Arc::new(actor.clone())));
            }
        }
        let holder = if actor.container.is_some() { Holder::Pod } else { Holder::Machine };
        let binding = Binding { address, holder, name: None, until: None };
        Some(Event {
            time: from,
            record,
            log_source,
            actor: Some(Arc::new(actor)),
            activity: Activity::Binding(Box::new(binding)),
        })
    }
}

/// An instance or interface by its name.
pub(super) fn machine(name: &str) -> Actor {
    Actor { device: Some(Arc::from(name)), ..Actor::default() }
}

/// A pod by its name and namespace, on this machine.
pub(super) fn pod(machine: Option<&str>, namespace: Option<&str>, name: &str) -> Actor {
    let container = Container {
        namespace: namespace.map(Box::from),
        pod: Some(name.into()),
        ..Container::default()
    };
    Actor { device: machine.map(Arc::from), process: None, container: Some(Arc::new(container)) }
}
