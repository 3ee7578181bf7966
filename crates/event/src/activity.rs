//! Events and what they say was done.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Actor, Address, LogSource, Timestamp};

/// Which input of a run a record came from; the engine hands these out in path order and keeps
/// the names.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct InputId(pub u32);

/// Where a record lies: its input, and the byte offset in it after decompression.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Record {
    /// The input.
    pub input: InputId,
    /// Bytes from the start of the (decompressed) input to the start of the record.
    pub offset: u64,
}

/// One thing that happened, as one record told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened, by the record's own event time.
    pub time: Timestamp,
    /// The record that says so.
    pub record: Record,
    /// The kind of log that the record belongs to.
    pub log_source: LogSource,
    /// Who acted, as far as the record says; `None` for flows and packets, which name only
    /// addresses.
    pub actor: Option<Arc<Actor>>,
    /// What was done.
    pub activity: Activity,
}

/// What was done (OCSF class).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activity {
    /// A process started or ended (OCSF 1007); the event's actor is that process.
    Process(ProcessActivity),
    /// An attempt to reach a target (OCSF 4001).
    Network(Network),
    /// A name looked up (OCSF 4003).
    Dns(Box<Dns>),
    /// Whose an address or a container is, from the event's time on: knowledge, never an attempt. The
    /// event's actor is the holder.
    Binding(Box<Binding>),
    /// A script that was run (OCSF 1009); the event's actor is the process that runs it.
    Script(Box<Script>),
    /// What another tool says of somebody (OCSF 2004): it corroborates, and convicts nobody.
    Claim(Box<Claim>),
}

/// Whose an address or a container is. An address has one holder at a time: the next one's binding ends
/// the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The address; [`Address::UNSPECIFIED`] where the binding tells only which pod the actor's
    /// container belongs to.
    pub address: Address,
    /// What kind of holder the actor is.
    pub holder: Holder,
    /// The holder's name where the actor has no room for it: a service's.
    pub name: Option<Box<str>>,
    /// When it ended; `None` where it is not known to have ended.
    pub until: Option<Timestamp>,
}

/// What may hold an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Holder {
    /// A pod, or a container by itself: the actor's container.
    Pod,
    /// A cluster's node: the actor's device. Pods of the host's network share its address.
    Node,
    /// A Kubernetes service, of the actor's container's namespace: its pods answer for it.
    Service,
    /// A virtual machine or network interface of a cloud: the actor's device.
    Machine,
}

impl Holder {
    /// Its lowercase name.
    pub const fn name(self) -> &'static str {
        match self {
            Holder::Pod => "pod",
            Holder::Node => "node",
            Holder::Service => "service",
            Holder::Machine => "machine",
        }
    }
}

/// How a process changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProcessActivity {
    /// It started, or replaced its image by exec.
    Launch,
    /// It ended.
    Exit,
}

/// One attempt of a source to reach a target, with what came of it.
///
/// The decoder has settled roles already: where `initiator` is [`Initiator::Source`], `source` is
/// the side that opened the exchange, whatever order the record named them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Network {
    /// Who reached out; [`Address::UNSPECIFIED`] where the record does not say (auditd connect).
    pub source: Address,
    /// Who was to be reached.
    pub target: Address,
    /// The source's port, 0 where there is none or it is not known.
    pub source_port: u16,
    /// The target's port, 0 for protocols without ports.
    pub target_port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// Whether the source is known to have opened the exchange.
    pub initiator: Initiator,
    /// What came of it.
    pub outcome: Outcome,
    /// How it was probed, where the telemetry shows that.
    pub technique: Technique,
}

/// A transport, or the neighbour protocols that find hosts on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP for IPv4; an attempt is an echo, timestamp or mask request.
    Icmp,
    /// ICMP for IPv6, other than neighbour discovery.
    Icmpv6,
    /// ARP: an attempt is a who-has request, the target is the address asked for.
    Arp,
    /// IPv6 neighbour solicitation (RFC 4861): the target is the address asked for.
    Neighbour,
    /// Any other IP protocol, by its number; it has no ports.
    Other(u8),
}

impl Protocol {
    /// The transport of an IP protocol number (IANA).
    pub const fn from_number(number: u8) -> Protocol {
        match number {
            1 => Protocol::Icmp,
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            58 => Protocol::Icmpv6,
            other => Protocol::Other(other),
        }
    }

    /// Whether targets of this transport have ports.
    pub const fn has_ports(self) -> bool {
        // 132 is SCTP, 33 DCCP: port fields lie where TCP has them.
        matches!(self, Protocol::Tcp | Protocol::Udp | Protocol::Other(132 | 33))
    }

    /// Whether an attempt finds hosts rather than services (ATT&CK T1018 beside T1046).
    pub const fn finds_hosts(self) -> bool {
        matches!(self, Protocol::Icmp | Protocol::Icmpv6 | Protocol::Arp | Protocol::Neighbour)
    }

    /// Its lowercase name.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Icmp => "icmp",
            Protocol::Icmpv6 => "icmpv6",
            Protocol::Arp => "arp",
            Protocol::Neighbour => "nd",
            Protocol::Other(132) => "sctp",
            Protocol::Other(_) => "ip",
        }
    }
}

/// Who opened an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Initiator {
    /// The event's source did.
    Source,
    /// It cannot be told: a reply without its request, a capture that begins midstream. Such an
    /// event is context, never a probe.
    Unknown,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The target answered that it listens (TCP handshake, ICMP echo reply, ARP reply) and no
    /// payload went both ways.
    Open,
    /// Payload went both ways: the service was used.
    Served,
    /// The target, or a device before it, said no: RST, ICMP unreachable, policy drop.
    Refused,
    /// Nothing came back within the protocol's timer.
    Unanswered,
    /// The source of this record cannot tell (Sysmon 3, EINPROGRESS, a capture that ends first).
    Unknown,
}

impl Outcome {
    /// Its lowercase name.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Open => "open",
            Outcome::Served => "served",
            Outcome::Refused => "refused",
            Outcome::Unanswered => "unanswered",
            Outcome::Unknown => "unknown",
        }
    }
}

/// How a target was probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Technique {
    /// The telemetry does not show it.
    Unknown,
    /// A full connection (socket connect, three-way handshake).
    Connect,
    /// A SYN that the source never followed with a handshake.
    Syn,
    /// A TCP segment without any flag.
    Null,
    /// FIN alone.
    Fin,
    /// FIN, PSH and URG.
    Xmas,
    /// FIN and ACK without a connection.
    Maimon,
    /// ACK alone without a connection (ACK and window scans).
    Ack,
    /// A UDP datagram.
    Udp,
    /// An ICMP or ICMPv6 request.
    Echo,
    /// An ARP who-has request.
    ArpRequest,
    /// An IPv6 neighbour solicitation.
    NeighbourSolicitation,
    /// A packet of another IP protocol (`nmap -sO`).
    IpProtocol,
}

impl Technique {
    /// Its name, as nmap users and ATT&CK reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Technique::Unknown => "unknown",
            Technique::Connect => "tcp-connect",
            Technique::Syn => "tcp-syn",
            Technique::Null => "tcp-null",
            Technique::Fin => "tcp-fin",
            Technique::Xmas => "tcp-xmas",
            Technique::Maimon => "tcp-maimon",
            Technique::Ack => "tcp-ack",
            Technique::Udp => "udp",
            Technique::Echo => "icmp-echo",
            Technique::ArpRequest => "arp",
            Technique::NeighbourSolicitation => "nd",
            Technique::IpProtocol => "ip-protocol",
        }
    }

    /// Whether no ordinary client ever sends this: flag combinations outside of any connection.
    pub const fn is_illegal(self) -> bool {
        matches!(self, Technique::Null | Technique::Fin | Technique::Xmas | Technique::Maimon)
    }
}

/// One name looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Who asked; [`Address::UNSPECIFIED`] where the record names only a process.
    pub source: Address,
    /// Who was asked: a resolver, or the multicast group; unspecified where not recorded.
    pub target: Address,
    /// The asking port, 0 where not recorded. mDNS one-shot queriers use an ephemeral one.
    pub source_port: u16,
    /// 53, 5353 (mDNS), 5355 (LLMNR), 137 (NBNS), 1900 (SSDP), 3702 (WS-Discovery); 0 where not
    /// recorded.
    pub target_port: u16,
    /// The name as asked, without a trailing dot; of SSDP and WS-Discovery the type that is searched for,
    /// and of NBNS a name that may have its kind behind it (`NAME<20>`); attacker-written text.
    pub name: Box<str>,
    /// The question type number (12 PTR, 33 SRV …); `None` where not recorded.
    pub query_type: Option<u16>,
    /// Whether an answer was a success, a refusal or unknown: [`Outcome::Served`],
    /// [`Outcome::Refused`] (NXDOMAIN and other error codes), [`Outcome::Unanswered`] or
    /// [`Outcome::Unknown`].
    pub outcome: Outcome,
}

/// A script, or a part of one, as the program that runs scripts was given it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Its text, attacker-written; the decoder bounds its length, and says where it cut.
    pub text: Box<str>,
    /// The file that it was read from; `None` where it was typed, or sent.
    pub path: Option<Box<str>>,
}

/// What another tool says of somebody, or the make of their packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Of whom it is said.
    pub source: Address,
    /// At whose cost; [`Address::UNSPECIFIED`] where that is several or not recorded.
    pub target: Address,
    /// What is said, in the tool's words; may hold attacker-written text.
    pub text: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_event_stays_within_its_budget() {
        // DESIGN.md section 6: a network event of at most 96 bytes.
        assert!(size_of::<Event>() <= 96, "{} bytes", size_of::<Event>());
    }
}
