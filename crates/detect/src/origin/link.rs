//! The identities that an event counts for: computers, pods, addresses and their subnets.

use std::sync::Arc;

use arrayvec::ArrayVec;
use lapwing_event::{Actor, Address, Container, Holder, Prefix, Timestamp};
use serde::{Deserialize, Serialize};

use super::{MAX_LINKS, SUBNET, Who};
use crate::bindings::Bindings;
use crate::bounded::{address_key, identity};
use crate::finding::Level;

/// One identity that an event counts for, from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// The identity.
    pub id: u64,
    /// What it rests on.
    pub level: Level,
}

/// A computer: by its name, or as one of several that no record names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Computer<'a> {
    name: Option<&'a str>,
    unnamed: u32,
}

impl<'a> Computer<'a> {
    /// The computer of this name; where there is none, the one of this number.
    pub(super) fn of(name: &'a Option<Arc<str>>, unnamed: u32) -> Computer<'a> {
        Computer { name: name.as_deref(), unnamed: if name.is_some() { 0 } else { unnamed } }
    }

    /// The computer of this name.
    pub(super) fn named(name: &'a str) -> Computer<'a> {
        Computer { name: Some(name), unnamed: 0 }
    }

    /// Its identity, under this kind of identities.
    pub(super) fn identity(self, kind: &[u8], parts: &[&[u8]]) -> u64 {
        let name = self.name.unwrap_or_default().as_bytes();
        let number = self.unnamed.to_be_bytes();
        let mut all: ArrayVec<&[u8], 6> = ArrayVec::new();
        all.extend([kind, name]);
        if self.unnamed > 0 {
            all.push(&number);
        }
        all.extend(parts.iter().copied());
        identity(&all)
    }
}

/// The identity of a computer.
pub(super) fn device_link(computer: Computer<'_>) -> Link {
    Link { id: computer.identity(b"device", &[]), level: Level::Device }
}

/// The identity of a pod, which is one whatever log names it and however; or of a container by as
/// much of its id as every log writes (Falco and docker write 12 digits of 64). `told` parts what flows
/// tell of it from what sensors tell of its processes, since both tell of the same attempts.
pub(super) fn container_link(
    computer: Computer<'_>,
    container: &Container,
    told: &[u8],
) -> Option<Link> {
    let id = match (&container.namespace, &container.pod, &container.id) {
        (namespace, Some(pod), _) => {
            let namespace = namespace.as_deref().unwrap_or_default();
            let pod = cron_job(pod).unwrap_or(pod);
            identity(&[b"pod", told, namespace.as_bytes(), pod.as_bytes()])
        }
        (_, None, Some(id)) => {
            let short = id.get(..12).unwrap_or(id);
            let name = computer.name.unwrap_or_default();
            identity(&[b"container", told, name.as_bytes(), short.as_bytes()])
        }
        _ => return None,
    };
    Some(Link { id, level: Level::Container })
}

/// The CronJob that a pod is a run of, by its name: the controller names a Job after its CronJob and the
/// minute that it was due at, counted from 1970, and the Job's pod by five letters more
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/>). A minute of 2001 to 2160 has
/// eight digits.
pub(crate) fn cron_job(pod: &str) -> Option<&str> {
    let (job, letters) = pod.rsplit_once('-')?;
    let (name, minute) = job.rsplit_once('-')?;
    let digits = minute.len() == 8 && minute.bytes().all(|byte| byte.is_ascii_digit());
    let random = letters.len() == 5 && letters.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (digits && random && !name.is_empty()).then_some(name)
}

/// The identity of an address of which nothing more is known.
pub(crate) fn address_id(address: Address) -> u64 {
    identity(&[b"address", &address.octets()])
}

/// The identities of an address: itself and, since a host may take any address of its IPv6 subnet
/// for each probe (RFC 8981), that subnet.
pub(super) fn address_links(address: Address) -> ArrayVec<Link, MAX_LINKS> {
    let mut links = ArrayVec::new();
    links.push(Link { id: address_id(address), level: Level::Address });
    if !address.is_v4() && !address.is_link_local() {
        let subnet = Prefix::of_bits(address, SUBNET).base();
        links.push(Link { id: identity(&[b"prefix", &subnet.octets()]), level: Level::Prefix });
    }
    links
}

/// What an address has in common with others that may be one origin with it: its IPv6 subnet.
pub(crate) fn home_of(address: Address) -> u64 {
    let alone = address.is_v4() || address.is_link_local();
    let base = if alone { address } else { Prefix::of_bits(address, SUBNET).base() };
    address_key(*b"home    ", 0, base)
}

/// Who acts from an address, where a record names nothing else.
pub(crate) fn who_holds(address: Option<Address>, moment: Timestamp, bindings: &Bindings) -> Who {
    let held = address.and_then(|address| bindings.at(address, moment));
    match held {
        Some(held) if held.holder == Holder::Pod => who_flows(held.actor.clone(), address),
        _ => {
            // Whoever runs on a node or machine acts from its address.
            let device = held.and_then(|held| held.actor.device.clone());
            let links = address.map(address_links).unwrap_or_default();
            let home = address.map(home_of).unwrap_or_default();
            Who { instance: None, device, pod: None, address, links, home }
        }
    }
}

/// A pod, as flows tell of it.
pub(super) fn who_flows(actor: Arc<Actor>, address: Option<Address>) -> Who {
    let device = actor.device.clone();
    let container = actor.container.as_ref();
    let computer = Computer::of(&device, 0);
    let link = container.and_then(|container| container_link(computer, container, b"flows"));
    let home = link.map_or_else(|| device_link(computer).id, |link| link.id);
    let links = link.into_iter().collect();
    Who { instance: None, device, pod: Some(actor), address, links, home }
}
