//! The identities that an event counts for: computers, pods, addresses and their subnets.

use std::sync::Arc;

use arrayvec::ArrayVec;
use lapwing_event::{Address, Container, Prefix};

use super::{MAX_LINKS, SUBNET};
use crate::bounded::identity;
use crate::finding::Level;

/// One identity that an event counts for, from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The identity.
    pub id: u64,
    /// What it rests on.
    pub level: Level,
}

/// The identity of a computer.
pub(super) fn device_link(device: &Option<Arc<str>>) -> Link {
    Link { id: identity(&[b"device", device_bytes(device)]), level: Level::Device }
}

/// The identity of a pod, which is one whatever log names it and however; or of a container by as
/// much of its id as every log writes (Falco and docker write 12 digits of 64). `told` parts what flows
/// tell of it from what sensors tell of its processes, since both tell of the same attempts.
pub(super) fn container_link(
    device: &Option<Arc<str>>,
    container: &Container,
    told: &[u8],
) -> Option<Link> {
    let id = match (&container.namespace, &container.pod, &container.id) {
        (namespace, Some(pod), _) => {
            let namespace = namespace.as_deref().unwrap_or_default();
            identity(&[b"pod", told, namespace.as_bytes(), pod.as_bytes()])
        }
        (_, None, Some(id)) => {
            let short = id.get(..12).unwrap_or(id);
            identity(&[b"container", told, device_bytes(device), short.as_bytes()])
        }
        _ => return None,
    };
    Some(Link { id, level: Level::Container })
}

/// The identities of an address: itself and, since a host may take any address of its IPv6 subnet
/// for each probe (RFC 8981), that subnet.
pub(super) fn address_links(address: Address) -> ArrayVec<Link, MAX_LINKS> {
    let mut links = ArrayVec::new();
    links.push(Link { id: identity(&[b"address", &address.octets()]), level: Level::Address });
    if !address.is_v4() && !address.is_link_local() {
        let subnet = Prefix::of_bits(address, SUBNET).base();
        links.push(Link { id: identity(&[b"prefix", &subnet.octets()]), level: Level::Prefix });
    }
    links
}

/// A computer's name as bytes, empty where it is not known.
pub(super) fn device_bytes(device: &Option<Arc<str>>) -> &[u8] {
    device.as_deref().unwrap_or_default().as_bytes()
}
