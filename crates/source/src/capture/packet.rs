//! One packet taken apart as far as its captured bytes go: who sent what to whom.
//!
//! Written by hand rather than with a packet crate, because the tracker needs three things that
//! those do not give at once: ports and flags of headers that a snap length or an ICMP quote cut
//! short, the payload length that the IP header claims where fewer bytes were captured, and no
//! transport at all for later fragments. Tests hold it against etherparse as a witness.

use lapwing_event::Address;

use super::bytes::{be16, be32};
use super::ip::{Ip, network};
use super::left::Left;
use super::link::{Carried, Sent, carried};
use super::maker::Maker;
use super::tunnel;

/// TCP flag FIN.
pub(super) const FIN: u8 = 0x01;
/// TCP flag SYN.
pub(super) const SYN: u8 = 0x02;
/// TCP flag RST.
pub(super) const RST: u8 = 0x04;
/// TCP flag PSH.
pub(super) const PSH: u8 = 0x08;
/// TCP flag ACK.
pub(super) const ACK: u8 = 0x10;
/// TCP flag URG.
pub(super) const URG: u8 = 0x20;

/// One packet that the tracker looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Who sent it.
    pub(super) source: Address,
    /// To whom.
    pub(super) target: Address,
    /// It went to a group on the link: multicast or broadcast.
    pub(super) group: bool,
    /// What it is.
    pub(super) message: Message,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A TCP segment.
    Tcp(Segment),
    /// Anything with a conversation but without TCP's flags: UDP, SCTP, other IP protocols.
    Datagram(Datagram),
    /// A request whose answer comes from the host asked: ICMP echo, timestamp or mask, ARP
    /// who-has, neighbour solicitation. The packet's target is the host asked for.
    Request(Asking),
    /// The answer to a request. The packet's source is the host that was asked for.
    Answer(Asking),
    /// An ICMP error that means no, with what it quotes.
    Refusal(Quote),
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The sender's port.
    pub(super) source_port: u16,
    /// The receiver's port.
    pub(super) target_port: u16,
    /// The six flags; `None` where a first fragment ends before them (`nmap -f`).
    pub(super) flags: Option<u8>,
    /// It carries payload, captured or not.
    pub(super) payload: bool,
    /// It has neither options nor payload, as crafted probes have.
    pub(super) bare: bool,
}

/// A datagram of a protocol without TCP's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    /// The IP protocol number.
    pub(super) number: u8,
    /// The sender's port, 0 without ports.
    pub(super) source_port: u16,
    /// The receiver's port, 0 without ports.
    pub(super) target_port: u16,
    /// It carries payload, captured or not.
    pub(super) payload: bool,
    /// It says no by itself: an SCTP ABORT.
    pub(super) refuses: bool,
}

/// A protocol of requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// ICMP echo, timestamp or mask.
    Icmp,
    /// ICMPv6 echo.
    Icmpv6,
    /// ARP.
    Arp,
    /// IPv6 neighbour discovery.
    Neighbour,
}

/// The packet that an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    /// Who had sent it.
    pub(super) source: Address,
    /// To whom.
    pub(super) target: Address,
    /// What it was; ports 0 where the quote is too short to hold them.
    pub(super) quoted: Quoted,
}

/// What an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoted {
    /// A packet of an IP protocol, with ports where it has them.
    Datagram {
        /// The IP protocol number.
        number: u8,
        /// The sender's port.
        source_port: u16,
        /// The receiver's port.
        target_port: u16,
    },
    /// An ICMP request.
    Request(Asking),
}

/// A packet taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken<'a> {
    pub(super) packet: Packet,
    /// What a UDP datagram carries, where all of it was captured; else empty.
    pub(super) payload: &'a [u8],
    /// The scanner that made it, where that shows.
    pub(super) maker: Option<Maker>,
}

/// Takes a frame of a link type apart. Of a tunnel's packet, the conversation in it is told: its ends
/// speak with one another all day, and reach nobody else.
pub(super) fn dissect(link: u32, frame: &[u8]) -> Result<Taken<'_>, Left> {
    let (carried, sent) = carried(link, frame)?;
    innermost(carried, sent, 0)
}

fn innermost(carried: Carried<'_>, sent: Sent, depth: usize) -> Result<Taken<'_>, Left> {
    let packet = match carried {
        Carried::Arp(message) => {
            return Ok(Taken { packet: arp(message, sent)?, payload: &[], maker: None });
        }
        Carried::Ip(packet) => packet,
    };
    let ip = network(packet)?;
    let Some(inside) = tunnel::inside(&ip) else { return outermost(&ip, sent) };
    if depth >= tunnel::MAX_DEPTH {
        return Err(Left::TooDeep);
    }
    match inside.and_then(|(carried, sent)| innermost(carried, sent, depth + 1)) {
        // What looked like a tunnel's header is none: a probe of the tunnel's port or protocol.
        Err(Left::Malformed) => outermost(&ip, sent),
        // GRE's header shows itself; mirrors in it are cut by their switch.
        Err(Left::Cut) if ip.is_whole() && ip.number != 47 => outermost(&ip, sent),
        told => told,
    }
}

/// A packet that is no tunnel's.
fn outermost<'a>(ip: &Ip<'a>, sent: Sent) -> Result<Taken<'a>, Left> {
    let message = transport(ip)?;
    let (source, target) = match message {
        // The host asked for, not the group that the solicitation goes to.
        Message::Request(Asking::Neighbour) => (ip.source, neighbour(ip)?),
        Message::Answer(Asking::Neighbour) => (neighbour(ip)?, ip.target),
        _ => (ip.source, ip.target),
    };
    // A solicitation goes to a group by design, and is answered all the same.
    let asks_neighbour = matches!(message, Message::Request(Asking::Neighbour));
    if asks_neighbour && !ip.target.is_group() {
        // RFC 4861 section 7.3: to the neighbour itself, to confirm that it is still there.
        return Err(Left::AsksNothing);
    }
    let group = !asks_neighbour && (sent == Sent::ToGroup || target.is_group());
    let packet = Packet { source, target, group, message };
    let payload = match ip.number == 17 && ip.is_whole() {
        true => ip.payload.get(8..).unwrap_or_default(),
        false => &[],
    };
    Ok(Taken { packet, payload, maker: Maker::of(ip) })
}

fn arp(message: &[u8], sent: Sent) -> Result<Packet, Left> {
    // RFC 826: hardware type, protocol type, their address lengths, operation, then the sender's
    // and the target's addresses.
    let protocol = be16(message, 2).ok_or(Left::Cut)?;
    let hardware_length = usize::from(*message.get(4).ok_or(Left::Cut)?);
    let protocol_length = *message.get(5).ok_or(Left::Cut)?;
    let operation = be16(message, 6).ok_or(Left::Cut)?;
    if protocol != 0x0800 || protocol_length != 4 {
        return Err(Left::AsksNothing);
    }
    let address = |at: usize| {
        let octets: [u8; 4] = *message.get(at..)?.first_chunk()?;
        Some(Address::from(octets))
    };
    let sender = address(8 + hardware_length).ok_or(Left::Cut)?;
    let target = address(8 + 2 * hardware_length + 4).ok_or(Left::Cut)?;
    // RFC 5227: a probe has no sender address, an announcement asks for its own.
    if sender.is_unspecified() || sender == target {
        return Err(Left::AsksNothing);
    }
    let message = match operation {
        // RFC 1122 section 2.3.2.1: a poll of one station, to confirm that it is still there.
        1 if sent == Sent::ToOne => return Err(Left::AsksNothing),
        1 => Message::Request(Asking::Arp),
        2 => Message::Answer(Asking::Arp),
        _ => return Err(Left::AsksNothing),
    };
    Ok(Packet { source: sender, target, group: false, message })
}

fn transport(ip: &Ip<'_>) -> Result<Message, Left> {
    match ip.number {
        6 => tcp(ip).map(Message::Tcp),
        17 => {
            let (source_port, target_port) = ports(ip)?;
            Ok(Message::Datagram(Datagram {
                number: 17,
                source_port,
                target_port,
                payload: ip.length > 8,
                refuses: false,
            }))
        }
        1 if ip.source.is_v4() => icmp(ip),
        58 if !ip.source.is_v4() => icmpv6(ip),
        // SCTP and DCCP have their ports where TCP has them.
        number @ (132 | 33) => {
            let (source_port, target_port) = ports(ip)?;
            // RFC 9260 section 3.3.7: chunk type 6 is ABORT, type 0 is DATA.
            let chunk = ip.payload.get(12).copied();
            Ok(Message::Datagram(Datagram {
                number,
                source_port,
                target_port,
                payload: number != 132 || chunk == Some(0),
                refuses: number == 132 && chunk == Some(6),
            }))
        }
        number => Ok(Message::Datagram(Datagram {
            number,
            source_port: 0,
            target_port: 0,
            payload: ip.length > 0,
            refuses: false,
        })),
    }
}

/// The ports, which a snap length may cut off, and which a short packet may not have at all.
fn ports(ip: &Ip<'_>) -> Result<(u16, u16), Left> {
    if ip.length < 4 {
        return Err(Left::Malformed);
    }
    let both = be32(ip.payload, 0).ok_or(Left::Cut)?;
    Ok(((both >> 16) as u16, both as u16))
}

fn tcp(ip: &Ip<'_>) -> Result<Segment, Left> {
    let (source_port, target_port) = ports(ip)?;
    let segment = Segment { source_port, target_port, flags: None, payload: false, bare: false };
    match (ip.payload.get(12), ip.payload.get(13)) {
        (Some(offset), Some(flags)) => {
            let header = usize::from(offset >> 4) * 4;
            let payload = header >= 20 && ip.length > header;
            let bare = header == 20 && !payload;
            Ok(Segment { flags: Some(flags & 0x3f), payload, bare, ..segment })
        }
        // A fragment that ends before the flags is what `nmap -f` sends; no stack does.
        _ if ip.fragmented && ip.length < 14 => Ok(segment),
        _ if ip.length < 14 => Err(Left::Malformed),
        _ => Err(Left::Cut),
    }
}

fn icmp(ip: &Ip<'_>) -> Result<Message, Left> {
    let kind = *ip.payload.first().ok_or(Left::Cut)?;
    match kind {
        // RFC 792 and RFC 950: echo, timestamp and mask, answers and requests.
        8 | 13 | 17 => Ok(Message::Request(Asking::Icmp)),
        0 | 14 | 18 => Ok(Message::Answer(Asking::Icmp)),
        // Code 4 asks for smaller packets (RFC 1191), which refuses nothing.
        3 if ip.payload.get(1) != Some(&4) => quote(ip),
        _ => Err(Left::AsksNothing),
    }
}

fn icmpv6(ip: &Ip<'_>) -> Result<Message, Left> {
    let kind = *ip.payload.first().ok_or(Left::Cut)?;
    match kind {
        128 => Ok(Message::Request(Asking::Icmpv6)),
        129 => Ok(Message::Answer(Asking::Icmpv6)),
        // RFC 4862 section 5.4: without a source address it is duplicate address detection.
        135 if ip.source.is_unspecified() => Err(Left::AsksNothing),
        135 => Ok(Message::Request(Asking::Neighbour)),
        136 => Ok(Message::Answer(Asking::Neighbour)),
        1 => quote(ip),
        // Unrecognised next header (RFC 4443 section 3.4): how IPv6 refuses a protocol.
        4 if ip.payload.get(1) == Some(&1) => quote(ip),
        _ => Err(Left::AsksNothing),
    }
}

/// The address that a neighbour solicitation or advertisement is about (RFC 4861 section 4.3).
fn neighbour(ip: &Ip<'_>) -> Result<Address, Left> {
    let octets: [u8; 16] =
        *ip.payload.get(8..).and_then(|rest| rest.first_chunk()).ok_or(Left::Cut)?;
    Ok(Address::from(octets))
}

/// What an ICMP error quotes, from 8 bytes on: an IP header and at least 8 bytes more, as a rule.
fn quote(ip: &Ip<'_>) -> Result<Message, Left> {
    let inner = network(ip.payload.get(8..).unwrap_or_default())?;
    let first = inner.payload.first().copied();
    let quoted = match (inner.number, first) {
        (1, Some(8 | 13 | 17)) => Quoted::Request(Asking::Icmp),
        (58, Some(128)) => Quoted::Request(Asking::Icmpv6),
        (6 | 17 | 132 | 33, _) => {
            let both = be32(inner.payload, 0).ok_or(Left::Cut)?;
            Quoted::Datagram {
                number: inner.number,
                source_port: (both >> 16) as u16,
                target_port: both as u16,
            }
        }
        (number, _) => Quoted::Datagram { number, source_port: 0, target_port: 0 },
    };
    Ok(Message::Refusal(Quote { source: inner.source, target: inner.target, quoted }))
}
