//! Attempts: which network events are probes at all, and what a first contact weighs.

use lapwing_event::{
    Address, Event, Initiator, LogSource, Network, Outcome, Protocol, Record, Technique, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::bounded::key;
use crate::tunables::Weights;

/// The weight of a refusal at a service outside, or at one that was in use (scan-detectors.md section 6).
const LIGHT: f32 = 0.25;

/// One first contact of an origin with a target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub time: Timestamp,
    pub target: Address,
    pub port: u16,
    pub protocol: Protocol,
    pub outcome: Outcome,
    pub technique: Technique,
    /// What it counts towards thresholds.
    pub weight: f32,
    /// Who of a wide origin made it: the process where the origin is a loop of many, the lower half
    /// of the address where it is a prefix.
    pub child: u64,
    /// The name that was asked for, as a hash; 0 where none was.
    pub name: u64,
    /// Whether nobody was ever seen at the target, in a network that is otherwise known.
    pub dark: bool,
    /// Whether the origin used the target within the last week.
    pub habit: bool,
    pub record: Record,
    pub log_source: LogSource,
}

impl Contact {
    /// Whether it was refused or left unanswered.
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Refused | Outcome::Unanswered)
    }

    /// Whether it weighs no more than what benign origins fail at too: web servers outside, services that
    /// were in use. Many of them are no scan of hosts and ports, and none belongs to one by itself.
    pub fn is_light(&self) -> bool {
        self.weight <= LIGHT
    }

    /// Whether its target is a port; `nmap -sO` asks for protocols that have ports without naming
    /// one.
    pub fn has_port(&self) -> bool {
        self.protocol.has_ports() && self.port != 0
    }

    /// Whether its target is a service that clients everywhere use outside their own networks.
    pub fn is_outside_service(&self) -> bool {
        is_common_service(self.protocol, self.port) && !self.target.is_internal()
    }

    /// The host that it asks for. Packets name the neighbour asked for, flows the group that it was
    /// asked for by.
    pub fn asked(&self) -> Address {
        match self.protocol {
            Protocol::Neighbour => self.target.solicited_node(),
            _ => self.target,
        }
    }

    /// What it asks of that host.
    pub fn what(&self) -> u32 {
        what(self.protocol, self.port, self.name)
    }

    /// Its target as bytes, for identities.
    pub fn pair(&self) -> [u8; 27] {
        let mut bytes = [0; 27];
        bytes[..16].copy_from_slice(&self.asked().octets());
        bytes[16..18].copy_from_slice(&self.port.to_be_bytes());
        bytes[18] = protocol_byte(self.protocol);
        bytes[19..].copy_from_slice(&self.name.to_be_bytes());
        bytes
    }
}

/// What is asked of a host, in short: a port, or a name.
pub(crate) fn what(protocol: Protocol, port: u16, name: u64) -> u32 {
    let port = u64::from(port) << 8 | u64::from(protocol_byte(protocol));
    match name {
        // A port with its transport takes 24 bits, and is told apart for certain.
        0 => port as u32,
        name => key(*b"asked   ", &[port, name]) as u32,
    }
}

/// The transport as one byte: the IP protocol number, or a number of its own for link protocols.
pub(crate) const fn protocol_byte(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Icmp => 1,
        Protocol::Icmpv6 => 58,
        // IANA reserves 253 and 254 for experiments: free for what has no number.
        Protocol::Arp => 253,
        Protocol::Neighbour => 254,
        Protocol::Other(number) => number,
    }
}

/// Web, DNS, NTP and DNS over TLS; pings too, which monitors send to sites they use.
const fn is_common_service(protocol: Protocol, port: u16) -> bool {
    match protocol {
        Protocol::Tcp | Protocol::Udp => matches!(port, 53 | 80 | 123 | 443 | 853),
        Protocol::Icmp | Protocol::Icmpv6 => true,
        _ => false,
    }
}

/// Ports of discovery protocols: asking around is their work, and the service-name detector's
/// subject (AN1059), not a port scan's. DHCP (67, 68, 546, 547), SSDP, WS-Discovery, mDNS, LLMNR,
/// and the NetBIOS datagram service.
const DISCOVERY_PORTS: [u16; 9] = [67, 68, 138, 546, 547, 1900, 3702, 5353, 5355];

/// Those of them whose clients ask everybody: who asks one host from a port of its own, and then the
/// next, looks for the service itself (`nmap -sU -p 1900,5353`).
const ASKED_OF_GROUPS: [u16; 4] = [1900, 3702, 5353, 5355];

/// Whether a datagram to a discovery port looks for the service on one host.
fn looks_for_discovery(network: &Network) -> bool {
    // Answers go to the asker's port, and from the protocol's own; below 1024 no client asks.
    ASKED_OF_GROUPS.contains(&network.target_port)
        && network.source_port >= 1024
        && !ASKED_OF_GROUPS.contains(&network.source_port)
}

/// Whether a network event is a probe: an attempt, by a known initiator, of a target that could be
/// one host's service.
pub(crate) fn is_probe(network: &Network) -> bool {
    let Network { source, target, target_port, protocol, .. } = *network;
    if network.initiator == Initiator::Unknown {
        return false;
    }
    // Flows name the group that a neighbour was asked for by, which stands for one host.
    let group =
        target.is_group() && !(protocol == Protocol::Neighbour && target.is_solicited_node());
    if target.is_unspecified() || group || target.is_loopback() || source == target {
        return false;
    }
    // NBNS queries to a subnet's broadcast address are every Windows host's habit. The mask is
    // unknown, so the common last octet stands for it.
    let broadcast = target.is_v4() && target.octets()[15] == 255;
    if protocol == Protocol::Udp {
        let asks_around = DISCOVERY_PORTS.contains(&target_port) && !looks_for_discovery(network);
        return !(asks_around || (target_port == 137 && broadcast));
    }
    // A port number of 0 where ports exist is a record without a port, not a target.
    !(protocol == Protocol::Tcp && target_port == 0)
}

/// What is known of a target, and of who contacts it, before the contact.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Target {
    /// The service was used by two sources.
    pub service_known: bool,
    /// Nobody was ever seen at this address of a known network.
    pub dark: bool,
    /// The origin used it within the last week.
    pub habit: bool,
    /// The origin is a program that lies where any user can put it.
    pub writable: bool,
}

/// What a first contact weighs (scan-detectors.md section 6).
pub(crate) fn weight(network: &Network, weights: &Weights, target: Target) -> f32 {
    let base = if network.technique.is_illegal() {
        weights.illegal
    } else {
        match network.outcome {
            Outcome::Refused if network.technique == Technique::Ack => weights.stray_ack,
            Outcome::Refused => weights.refused,
            Outcome::Unanswered if network.protocol == Protocol::Udp => weights.udp_unanswered,
            Outcome::Unanswered => weights.unanswered,
            Outcome::Open => weights.open,
            Outcome::Served => weights.served,
            Outcome::Unknown => weights.unknown,
        }
    };
    let failed = matches!(network.outcome, Outcome::Refused | Outcome::Unanswered);
    let mut weight = base;
    if is_ephemeral(network.protocol, network.target_port) {
        weight *= weights.ephemeral_port;
    }
    let common = is_common_service(network.protocol, network.target_port);
    if common && !network.target.is_internal() {
        weight *= weights.outside_service;
    }
    if failed && (target.service_known || target.habit) {
        weight *= weights.known_service;
    }
    if network.outcome == Outcome::Unknown && target.writable && network.target.is_internal() {
        weight *= weights.writable;
    }
    if failed && target.dark {
        weight *= weights.dark;
    }
    weight as f32
}

/// Whether a port is one that systems hand out: Linux from 32768 (`ip_local_port_range`), others
/// from 49152 (RFC 6335).
pub(crate) const fn is_ephemeral(protocol: Protocol, port: u16) -> bool {
    protocol.has_ports() && port >= 32_768
}

/// The contact that an event is, with its weight.
pub(crate) fn contact(
    event: &Event,
    network: &Network,
    weight: f32,
    child: u64,
    target: Target,
) -> Contact {
    Contact {
        time: event.time,
        target: network.target,
        port: network.target_port,
        protocol: network.protocol,
        outcome: network.outcome,
        technique: network.technique,
        weight,
        child,
        name: 0,
        dark: target.dark,
        habit: target.habit,
        record: event.record,
        log_source: event.log_source,
    }
}
