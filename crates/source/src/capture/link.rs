//! Link layers: what a frame carries, below the network layer.

use super::bytes::{be16, be32};
use super::left::Left;

/// Ethernet protocol number of IPv4.
const IPV4: u16 = 0x0800;
/// Ethernet protocol number of ARP.
const ARP: u16 = 0x0806;
/// Ethernet protocol number of IPv6.
const IPV6: u16 = 0x86dd;
/// Ethernet protocol number of MPLS.
pub(super) const MPLS: u16 = 0x8847;
/// Ethernet protocol number of a PPPoE session.
const PPPOE: u16 = 0x8864;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried<'a> {
    /// An IP packet, of the version that its first four bits say.
    Ip(&'a [u8]),
    /// An ARP message.
    Arp(&'a [u8]),
}

/// To whom a frame was sent, as its link layer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// To a group: multicast or broadcast.
    ToGroup,
    /// To one station.
    ToOne,
    /// The link layer does not say.
    Unsaid,
}

/// What comes next in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// An Ethernet header.
    Ethernet,
    /// What Ethernet's protocol number says.
    Protocol(u16),
    /// MPLS labels; Ethernet's number for them.
    Labels(u16),
    /// PPP (RFC 1661), with or without the address and control bytes of RFC 1662.
    Ppp,
}

/// Takes the link layer off a frame of a link type (its number in the tcpdump.org list).
pub(super) fn carried(link: u32, frame: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    let (layer, at) = match link {
        1 => (Layer::Ethernet, 0),
        // Raw IP: the registered number, and those that BSDs and old libpcap write.
        12 | 14 | 101 | 228 | 229 => return Ok((Carried::Ip(frame), Sent::Unsaid)),
        0 | 108 => return null(frame),
        // PPP: as it is, and in a frame of HDLC; a byte before it says which way it went.
        9 | 50 => return hdlc(frame),
        204 => return hdlc(after(frame, 1)),
        // A PPPoE session without its Ethernet header.
        51 => (Layer::Protocol(PPPOE), 0),
        // Cisco's HDLC: address, control, Ethernet's protocol.
        104 => (Layer::Protocol(be16(frame, 2).ok_or(Left::Cut)?), 4),
        219 => (Layer::Labels(MPLS), 0),
        113 => {
            // Linux cooked: packet type, hardware, address length, 8 bytes of address, protocol.
            let to = cooked(be16(frame, 0).ok_or(Left::Cut)?);
            let protocol = be16(frame, 14).ok_or(Left::Cut)?;
            return descend(Layer::Protocol(protocol), after(frame, 16), to);
        }
        276 => {
            // Cooked version 2: protocol, 2 reserved, interface, hardware, packet type, address.
            let protocol = be16(frame, 0).ok_or(Left::Cut)?;
            let to = cooked(u16::from(*frame.get(10).ok_or(Left::Cut)?));
            return descend(Layer::Protocol(protocol), after(frame, 20), to);
        }
        other => return Err(Left::LinkType(other)),
    };
    descend(layer, after(frame, at), Sent::Unsaid)
}

/// The packet type of a cooked header: 0 to us, 1 broadcast, 2 multicast, 3 to another station,
/// 4 sent by us, to whom is not said.
fn cooked(packet_type: u16) -> Sent {
    match packet_type {
        1 | 2 => Sent::ToGroup,
        0 | 3 => Sent::ToOne,
        _ => Sent::Unsaid,
    }
}

pub(super) fn after(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

/// Goes down from a layer to IP or ARP. Each step but that from a number to what it names takes bytes
/// off, so that the frame's end bounds the loop, however tags and labels are nested.
pub(super) fn descend(
    mut layer: Layer,
    mut bytes: &[u8],
    mut sent: Sent,
) -> Result<(Carried<'_>, Sent), Left> {
    loop {
        (layer, bytes) = match layer {
            Layer::Ethernet => {
                // IEEE 802.3: the lowest bit of the first address byte marks a group.
                let group = bytes.first().ok_or(Left::Cut)? & 1 == 1;
                sent = if group { Sent::ToGroup } else { Sent::ToOne };
                ethernet(bytes)?
            }
            Layer::Protocol(IPV4 | IPV6) => return Ok((Carried::Ip(bytes), sent)),
            Layer::Protocol(ARP) => return Ok((Carried::Arp(bytes), sent)),
            Layer::Protocol(protocol) => named(protocol, bytes)?,
            Layer::Labels(protocol) => labelled(protocol, bytes)?,
            Layer::Ppp => ppp(bytes)?,
        };
    }
}

fn ethernet(frame: &[u8]) -> Result<(Layer, &[u8]), Left> {
    let protocol = be16(frame, 12).ok_or(Left::Cut)?;
    let payload = after(frame, 14);
    if protocol > 1_500 {
        return Ok((Layer::Protocol(protocol), payload));
    }
    // A length: LLC follows. SNAP with the Ethernet organisation code carries Ethernet protocols.
    match payload {
        [0xaa, 0xaa, 0x03, 0, 0, 0, high, low, rest @ ..] => {
            Ok((Layer::Protocol(u16::from_be_bytes([*high, *low])), rest))
        }
        _ => Err(Left::Protocol(protocol)),
    }
}

/// Whether bytes are an Ethernet frame of IP or ARP, tagged or not, as their own numbers say.
pub(super) fn holds_network(frame: &[u8]) -> bool {
    let tagged = match ethernet(frame) {
        Ok((Layer::Protocol(tag @ (0x8100 | 0x88a8)), rest)) => named(tag, rest),
        untagged => untagged,
    };
    match tagged {
        Ok((Layer::Protocol(IPV4), [first, ..])) => first >> 4 == 4,
        Ok((Layer::Protocol(IPV6), [first, ..])) => first >> 4 == 6,
        // Of Ethernet, for IPv4.
        Ok((Layer::Protocol(ARP), message)) => message.starts_with(&[0, 1, 8, 0]),
        _ => false,
    }
}

/// What a protocol number of Ethernet names, if it is a layer.
fn named(protocol: u16, payload: &[u8]) -> Result<(Layer, &[u8]), Left> {
    match protocol {
        // VLAN tags: 802.1Q, 802.1ad and the number that older QinQ switches use.
        0x8100 | 0x88a8 | 0x9100 => {
            let protocol = be16(payload, 2).ok_or(Left::Cut)?;
            Ok((Layer::Protocol(protocol), after(payload, 4)))
        }
        MPLS | 0x8848 => Ok((Layer::Labels(protocol), payload)),
        // RFC 2516 section 4: version and type 1, code 0; session and length.
        PPPOE => match payload {
            [0x11, 0, _, _, _, _, rest @ ..] => Ok((Layer::Ppp, rest)),
            [_, _, _, _, _, _, ..] => Err(Left::Malformed),
            _ => Err(Left::Cut),
        },
        // 802.1ah: a service tag, then the customer's frame. Bridged Ethernet (RFC 1701).
        0x88e7 => Ok((Layer::Ethernet, payload.get(4..).ok_or(Left::Cut)?)),
        0x6558 => Ok((Layer::Ethernet, payload)),
        other => Err(Left::Protocol(other)),
    }
}

/// Below MPLS labels nothing says what follows: IP shows itself by its version (RFC 4928 section 3),
/// and a pseudowire's control word by the same bits all zero (RFC 4385 section 3), before Ethernet.
fn labelled(protocol: u16, mut bytes: &[u8]) -> Result<(Layer, &[u8]), Left> {
    loop {
        let label = be32(bytes, 0).ok_or(Left::Cut)?;
        bytes = after(bytes, 4);
        // RFC 3032 section 2.1: the bottom of the stack.
        if label & 0x100 != 0 {
            break;
        }
    }
    let is_known = |frame: &[u8]| match ethernet(frame) {
        Ok((Layer::Protocol(inner), rest)) => {
            matches!(inner, IPV4 | IPV6 | ARP) || named(inner, rest).is_ok()
        }
        _ => false,
    };
    match bytes.first().ok_or(Left::Cut)? >> 4 {
        4 => Ok((Layer::Protocol(IPV4), bytes)),
        6 => Ok((Layer::Protocol(IPV6), bytes)),
        0 if is_known(after(bytes, 4)) => Ok((Layer::Ethernet, after(bytes, 4))),
        _ if is_known(bytes) => Ok((Layer::Ethernet, bytes)),
        _ => Err(Left::Labelled(protocol)),
    }
}

/// PPP in a frame of HDLC, or Cisco's HDLC, which the same link types hold too.
fn hdlc(frame: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    let layer = match frame {
        // Cisco's addresses: unicast and broadcast; no protocol of PPP begins so.
        [0x0f | 0x8f, 0, high, low, ..] => Layer::Protocol(u16::from_be_bytes([*high, *low])),
        _ => return descend(Layer::Ppp, frame, Sent::Unsaid),
    };
    descend(layer, after(frame, 4), Sent::Unsaid)
}

fn ppp(bytes: &[u8]) -> Result<(Layer, &[u8]), Left> {
    let bytes = bytes.strip_prefix(&[0xff, 0x03]).unwrap_or(bytes);
    // RFC 1661 section 2: the last byte of a protocol is odd, and a first one of zero may be left out.
    let (protocol, rest) = match bytes {
        [low, rest @ ..] if low & 1 == 1 => (u16::from(*low), rest),
        [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
        _ => return Err(Left::Cut),
    };
    match protocol {
        0x0021 => Ok((Layer::Protocol(IPV4), rest)),
        0x0057 => Ok((Layer::Protocol(IPV6), rest)),
        0x0281 => Ok((Layer::Labels(MPLS), rest)),
        other => Err(Left::Protocol(other)),
    }
}

/// BSD loopback: the address family in 4 bytes, in the order of the machine that captured (0) or
/// of the network (108).
fn null(frame: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    let family = be32(frame, 0).ok_or(Left::Cut)?;
    let family = family.min(family.swap_bytes());
    match is_ip(family) {
        true => Ok((Carried::Ip(after(frame, 4)), Sent::Unsaid)),
        false => Err(Left::Family(family)),
    }
}

/// Whether an address family is IP's. IPv6 is 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on macOS,
/// 10 on Linux.
pub(super) fn is_ip(family: u32) -> bool {
    matches!(family, 2 | 10 | 24 | 28 | 30)
}
