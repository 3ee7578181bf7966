//! Link layers: what a frame carries, below the network layer.

use super::bytes::{be16, be32};
use super::packet::Left;

/// Ethernet protocol number of IPv4.
const IPV4: u16 = 0x0800;
/// Ethernet protocol number of ARP.
const ARP: u16 = 0x0806;
/// Ethernet protocol number of IPv6.
const IPV6: u16 = 0x86dd;

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

/// Takes the link layer off a frame of a link type (its number in the tcpdump.org list).
pub(super) fn carried(link: u32, frame: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    match link {
        1 => ethernet(frame),
        // Raw IP: the registered number, and those that BSDs and old libpcap write.
        12 | 14 | 101 | 228 | 229 => Ok((Carried::Ip(frame), Sent::Unsaid)),
        0 | 108 => null(frame),
        113 => {
            // Linux cooked: packet type, hardware, address length, 8 bytes of address, protocol.
            let to = be16(frame, 0).ok_or(Left::Cut)?;
            let protocol = be16(frame, 14).ok_or(Left::Cut)?;
            Ok((by_ethertype(protocol, after(frame, 16))?, cooked(to)))
        }
        276 => {
            // Cooked version 2: protocol, 2 reserved, interface, hardware, packet type, address.
            let protocol = be16(frame, 0).ok_or(Left::Cut)?;
            let to = u16::from(*frame.get(10).ok_or(Left::Cut)?);
            Ok((by_ethertype(protocol, after(frame, 20))?, cooked(to)))
        }
        other => Err(Left::LinkType(other)),
    }
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

fn after(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

fn ethernet(frame: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    // IEEE 802.3: the lowest bit of the first address byte marks a group.
    let group = frame.first().ok_or(Left::Cut)? & 1 == 1;
    let sent = if group { Sent::ToGroup } else { Sent::ToOne };
    let protocol = be16(frame, 12).ok_or(Left::Cut)?;
    let payload = after(frame, 14);
    if protocol > 1_500 {
        return Ok((by_ethertype(protocol, payload)?, sent));
    }
    // A length: LLC follows. SNAP with the Ethernet organisation code carries Ethernet protocols.
    match payload {
        [0xaa, 0xaa, 0x03, 0, 0, 0, high, low, rest @ ..] => {
            Ok((by_ethertype(u16::from_be_bytes([*high, *low]), rest)?, sent))
        }
        _ => Err(Left::Protocol(protocol)),
    }
}

fn by_ethertype(mut protocol: u16, mut payload: &[u8]) -> Result<Carried<'_>, Left> {
    loop {
        match protocol {
            IPV4 | IPV6 => return Ok(Carried::Ip(payload)),
            ARP => return Ok(Carried::Arp(payload)),
            // VLAN tags: 802.1Q, 802.1ad and the number that older QinQ switches use, nested at
            // will: each takes 4 bytes, so the frame's end bounds the loop.
            0x8100 | 0x88a8 | 0x9100 => {
                protocol = be16(payload, 2).ok_or(Left::Cut)?;
                payload = after(payload, 4);
            }
            // MPLS, PPPoE sessions and 802.1ah carry IP that is not looked into.
            0x8847 | 0x8848 | 0x8864 | 0x88e7 => return Err(Left::Encapsulated(protocol)),
            other => return Err(Left::Protocol(other)),
        }
    }
}

/// BSD loopback: the address family in 4 bytes, in the order of the machine that captured (0) or
/// of the network (108). IPv6 is 24 on NetBSD, 28 on FreeBSD, 30 on macOS, 10 on Linux.
fn null(frame: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    let family = be32(frame, 0).ok_or(Left::Cut)?;
    match family.min(family.swap_bytes()) {
        2 | 10 | 24 | 28 | 30 => Ok((Carried::Ip(after(frame, 4)), Sent::Unsaid)),
        _ => Err(Left::Family(family.min(family.swap_bytes()))),
    }
}
