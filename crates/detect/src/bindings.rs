//! Whose an address or a container is, as listings and runtimes tell: so that flows, which name
//! addresses alone, are of somebody, and a finding's targets have names.
//!
//! An address is somebody's from one moment to another, and then another's. What is known of it is kept
//! by time, so that it does not matter which listing was read first.

use std::sync::Arc;

use lapwing_event::{Actor, Address, Binding, Container, Event, Holder, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bounded::{Scored, Table, identity};

/// How many addresses are known at once, and how many containers: Kubernetes supports 150,000 pods in a
/// cluster (<https://kubernetes.io/docs/setup/best-practices/cluster-large/>).
const MAX_BOUND: usize = 1 << 18;

/// How many holders of one address are remembered; the earliest goes.
const MAX_HOLDERS: usize = 4;

/// How much of a container's id every log writes (docker and Falco write 12 digits of 64).
const SHORT_ID: usize = 12;

/// One holder of an address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Held {
    since: Timestamp,
    until: Option<Timestamp>,
    pub holder: Holder,
    pub actor: Arc<Actor>,
    /// The name of a service.
    name: Option<Box<str>>,
}

impl Held {
    /// What it is called: a pod, a node, a service.
    pub fn name(&self) -> Option<&str> {
        let container = self.actor.container.as_ref();
        match self.holder {
            Holder::Pod => {
                container.and_then(|known| known.pod.as_deref().or(known.name.as_deref()))
            }
            Holder::Service => self.name.as_deref(),
            Holder::Node | Holder::Machine => self.actor.device.as_deref(),
        }
    }

    /// The Kubernetes namespace that it is of.
    pub fn namespace(&self) -> Option<&str> {
        self.actor.container.as_ref().and_then(|known| known.namespace.as_deref())
    }

    fn is_same(&self, other: &Held) -> bool {
        // A node is told of by each of its pods, from its start on; a pod's name may be another pod's
        // later.
        let begins = self.since == other.since || self.holder != Holder::Pod;
        begins
            && self.holder == other.holder
            && self.name == other.name
            && self.actor == other.actor
    }
}

/// The holders of one address, by the time from which on they held it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Holders(Vec<Held>);

impl Holders {
    fn note(&mut self, mut held: Held) {
        if let Some(at) = self.0.iter().position(|known| known.is_same(&held)) {
            let known = self.0.remove(at);
            held.since = held.since.min(known.since);
            // A later listing knows when it ended; the earliest end of several is the surest.
            held.until = held.until.into_iter().chain(known.until).min();
        }
        self.0.push(held);
        self.0.sort_by(|a, b| {
            (a.since, a.holder, &a.actor, &a.name).cmp(&(b.since, b.holder, &b.actor, &b.name))
        });
        if self.0.len() > MAX_HOLDERS {
            self.0.remove(0);
        }
    }

    /// The holder at this moment.
    fn at(&self, moment: Timestamp) -> Option<&Held> {
        let began = |held: &&Held| held.since <= moment;
        // What clouds say of their machines is known of pods and nodes in more detail.
        let finest = |held: &&Held| held.holder != Holder::Machine;
        let holds = |held: &&Held| held.until.is_none_or(|until| moment < until);
        let last = self.0.iter().rev().filter(began).find(finest).filter(holds);
        last.or_else(|| self.0.iter().rev().find(began).filter(holds))
    }
}

impl Scored for Holders {
    fn score(&self) -> u64 {
        self.0.last().map_or(0, |held| held.since.0.max(0) as u64)
    }
}

/// A container and the pod that it is of.
#[derive(Debug, Serialize, Deserialize)]
struct Of(Arc<Actor>, Timestamp);

impl Scored for Of {
    fn score(&self) -> u64 {
        self.1.0.max(0) as u64
    }
}

/// What is known of addresses and containers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bindings {
    /// Made when the first binding comes: most telemetry has none.
    addresses: Option<Table<Holders>>,
    containers: Option<Table<Of>>,
}

impl Bindings {
    /// Knows nothing yet.
    pub fn new() -> Bindings {
        Bindings { addresses: None, containers: None }
    }

    /// Learns from an event of a binding.
    pub fn note(&mut self, event: &Event, binding: &Binding) {
        let Some(actor) = &event.actor else { return };
        if let Some(key) = actor.container.as_deref().and_then(container_key) {
            let containers = self.containers.get_or_insert_with(|| Table::new(MAX_BOUND));
            let of = containers.get_or_insert(key, || Of(actor.clone(), event.time));
            // Several logs may tell of one container: what names its pod tells more.
            let fields = |actor: &Actor| actor.container.as_deref().map_or(0, known_fields);
            if (fields(&of.0), &of.0) < (fields(actor), actor) {
                of.0 = actor.clone();
            }
        }
        if !binding.address.is_unspecified() {
            let addresses = self.addresses.get_or_insert_with(|| Table::new(MAX_BOUND));
            addresses.get_or_insert(address_key(binding.address), Holders::default).note(Held {
                since: event.time,
                until: binding.until,
                holder: binding.holder,
                actor: actor.clone(),
                name: binding.name.clone(),
            });
        }
    }

    /// Whether no address's holder is known.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_none()
    }

    /// Who held the address at this moment, as far as is known.
    pub fn at(&self, address: Address, moment: Timestamp) -> Option<&Held> {
        self.addresses.as_ref()?.get(address_key(address))?.at(moment)
    }

    /// A container with what is known of it besides, where its record tells only a part.
    pub fn completed(&self, told: &Container) -> Option<Container> {
        if told.pod.is_some() {
            return None;
        }
        let of = self.containers.as_ref()?.get(container_key(told)?)?;
        let known = of.0.container.as_ref()?;
        Some(Container {
            id: told.id.clone(),
            name: told.name.clone().or_else(|| known.name.clone()),
            image: told.image.clone().or_else(|| known.image.clone()),
            namespace: told.namespace.clone().or_else(|| known.namespace.clone()),
            pod: known.pod.clone(),
        })
    }

    /// How many addresses and containers were forgotten because there were too many.
    pub fn shed(&self) -> u64 {
        let addresses = self.addresses.as_ref().map_or(0, Table::shed);
        addresses + self.containers.as_ref().map_or(0, Table::shed)
    }
}

fn known_fields(container: &Container) -> usize {
    let Container { id, name, image, namespace, pod } = container;
    [id, name, image, namespace, pod].into_iter().filter(|field| field.is_some()).count()
}

fn address_key(address: Address) -> u64 {
    identity(&[b"bound", &address.octets()])
}

fn container_key(container: &Container) -> Option<u64> {
    let id = container.id.as_deref()?;
    Some(identity(&[b"bound container", id.get(..SHORT_ID).unwrap_or(id).as_bytes()]))
}
