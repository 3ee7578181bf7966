//! What an address does because of its place in the network: a load balancer, a domain controller, a laptop
//! that came from elsewhere.

use super::{Tested, counted};
use crate::attempt::is_ephemeral;
use crate::episode::Episode;
use crate::standing::DIRECTORY;
use crate::tunables::{Ordinary, Tunables};

/// Whether it serves many and asks a pool of hosts for a few services again and again, many of which may be
/// down; said of what serves many.
pub(super) fn load_balancer(episode: &Episode, ordinary: &Ordinary, rounds: f64) -> Option<Tested> {
    let clients = episode.standing().clients;
    if clients < ordinary.balancer_clients {
        return None;
    }
    let outcomes = episode.outcomes();
    let all = (outcomes.known() + outcomes.unknown).max(1) as f64;
    let answered = (outcomes.served + outcomes.open + outcomes.unknown) as f64 / all;
    let visits = episode.revisits() as f64 / episode.pairs().max(1) as f64;
    let ports: std::collections::BTreeSet<u16> = episode.ports().collect();
    let own = episode.hosts().all(|host| host.is_internal());
    let few = ports.len() <= ordinary.balancer_ports as usize;
    Some(Tested {
        class: "load balancer",
        holds: own
            && few
            && visits >= rounds
            && episode.revisited_share() >= ordinary.monitor_revisited
            && answered >= ordinary.balancer_answered,
        because: format!(
            "it serves some {}, and asked {} for {}, {visits:.1} times again on average, {:.0}% of which did \
             not fail",
            counted(clients as usize, "client"),
            counted(episode.hosts().count(), "host"),
            counted(ports.len(), "port"),
            100.0 * answered
        ),
    })
}

/// Whether it is a directory that goes through its own clients, some of which are off; said of directories.
/// What crosses a threshold within minutes, goes in order, or asks for more, is a scan from there all the
/// same.
pub(super) fn domain_controller(episode: &Episode, tunables: &Tunables) -> Option<Tested> {
    let ordinary = &tunables.detection.ordinary;
    let standing = episode.standing();
    if !standing.directory || standing.clients < ordinary.directory_clients {
        return None;
    }
    let own_port = |port: u16| {
        DIRECTORY.contains(&port) || port == 139 || is_ephemeral(lapwing_event::Protocol::Tcp, port)
    };
    let medium = tunables.detection.spans.medium;
    let slow = episode.fastest().is_some_and(|fastest| fastest > medium);
    let ports = episode.ports().all(own_port);
    Some(Tested {
        class: "domain controller",
        holds: slow
            && ports
            && !episode.is_by_order()
            && standing.own_clients >= ordinary.directory_own,
        because: format!(
            "it serves Kerberos and LDAP to some {}, and {:.0}% of the hosts that it asked are among them{}",
            counted(standing.clients as usize, "client"),
            100.0 * standing.own_clients,
            if ports { "" } else { ", for ports that are none of a directory's" }
        ),
    })
}

/// Whether it is a device that came from another address, and asks from here for what it used there; said
/// where an address that has gone silent used any of that.
pub(super) fn roaming_laptop(episode: &Episode, ordinary: &Ordinary) -> Option<Tested> {
    let (before, share) = episode.standing().moved_from?;
    let known = episode.standing().seen_since;
    let new = known.is_none_or(|since| episode.first().since(since) <= ordinary.roaming_within);
    Some(Tested {
        class: "roaming laptop",
        holds: new && share >= ordinary.roaming_share && !episode.is_by_order(),
        because: format!(
            "{before} used {:.0}% of what failed here, and was silent by then; {}",
            100.0 * share,
            match (known, new) {
                (None, _) => "this address was not seen before",
                (_, true) => "this address had just been seen for the first time",
                (_, false) => "this address had been seen long before",
            }
        ),
    })
}
