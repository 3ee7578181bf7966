//! Tunnels: packets that carry packets of other conversations.

use super::bytes::be16;
use super::ip::Ip;
use super::left::Left;
use super::link::{Carried, Layer, MPLS, Sent, after, descend};

/// How many tunnels in one another are looked into: a cloud's overlay in a carrier's in a VPN takes
/// four, and each may hold a mirror of another.
pub(super) const MAX_DEPTH: usize = 8;

/// UDP ports of tunnels: VXLAN (RFC 7348), Linux's number for it from before, VXLAN-GPE
/// (draft-ietf-nvo3-vxlan-gpe), GENEVE (RFC 8926).
const VXLAN: u16 = 4789;
const VXLAN_LINUX: u16 = 8472;
const VXLAN_GPE: u16 = 4790;
const GENEVE: u16 = 6081;

/// What a tunnel's packet carries, or why that cannot be told; `None` for a packet that is none.
pub(super) fn inside<'a>(ip: &Ip<'a>) -> Option<Result<(Carried<'a>, Sent), Left>> {
    let bytes = ip.payload;
    match ip.number {
        // IPv4 and IPv6 in IP (RFC 2003, RFC 2473, RFC 4213).
        4 | 41 => Some(match ip.length {
            0 => Err(Left::Malformed),
            _ => Ok((Carried::Ip(bytes), Sent::Unsaid)),
        }),
        47 => Some(gre(ip)),
        // MPLS in IP (RFC 4023).
        137 => Some(descend(Layer::Labels(MPLS), bytes, Sent::Unsaid)),
        17 => match be16(bytes, 2)? {
            VXLAN | VXLAN_LINUX => Some(vxlan(after(bytes, 8))),
            VXLAN_GPE => Some(vxlan_gpe(after(bytes, 8))),
            GENEVE => Some(geneve(after(bytes, 8))),
            _ => None,
        },
        _ => None,
    }
}

/// GRE (RFC 2784, RFC 2890) and PPTP's version of it (RFC 2637).
fn gre<'a>(ip: &Ip<'a>) -> Result<(Carried<'a>, Sent), Left> {
    let bytes = ip.payload;
    // A probe of the protocol alone has no header.
    let short = if ip.is_whole() { Left::Malformed } else { Left::Cut };
    let flags = be16(bytes, 0).ok_or(short)?;
    let protocol = be16(bytes, 2).ok_or(short)?;
    let has = |flag: u16| flags & flag != 0;
    let (checksum, routing, key, sequence) = (0x8000, 0x4000, 0x2000, 0x1000);
    match flags & 0x0007 {
        // Source routes (RFC 1701) are gone since RFC 2784; the other bits are reserved.
        0 if flags & 0x0ff8 == 0 && !has(routing) => {
            let words = [checksum, key, sequence].into_iter().filter(|flag| has(*flag)).count();
            let rest = bytes.get(4 + 4 * words..).ok_or(short)?;
            match protocol {
                ERSPAN => erspan(rest, has(sequence)),
                ERSPAN_III => erspan_iii(rest),
                PPP => descend(Layer::Ppp, rest, Sent::Unsaid),
                _ => descend(Layer::Protocol(protocol), rest, Sent::Unsaid),
            }
        }
        1 if protocol == PPP && has(key) => {
            // Without a sequence number it is an acknowledgement alone.
            if !has(sequence) {
                return Err(Left::AsksNothing);
            }
            let acknowledged = if has(0x0080) { 4 } else { 0 };
            let rest = bytes.get(12 + acknowledged..).ok_or(short)?;
            descend(Layer::Ppp, rest, Sent::Unsaid)
        }
        _ => Err(Left::Malformed),
    }
}

/// Protocols that GRE alone carries: PPP, and mirrored frames
/// (draft-foschiano-erspan sections 4.1 to 4.3).
const PPP: u16 = 0x880b;
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

/// ERSPAN of type II, and of type I, which has no header and no sequence number.
fn erspan(bytes: &[u8], numbered: bool) -> Result<(Carried<'_>, Sent), Left> {
    let header = match (numbered, bytes.first()) {
        (false, _) => 0,
        (true, Some(first)) if first >> 4 == 1 => 8,
        (true, Some(_)) => return Err(Left::Malformed),
        (true, None) => return Err(Left::Cut),
    };
    descend(Layer::Ethernet, bytes.get(header..).ok_or(Left::Cut)?, Sent::Unsaid)
}

fn erspan_iii(bytes: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    if bytes.first().ok_or(Left::Cut)? >> 4 != 2 {
        return Err(Left::Malformed);
    }
    let last = be16(bytes, 10).ok_or(Left::Cut)?;
    // The last bit says that a header of the platform's follows.
    let rest = bytes.get(if last & 1 == 1 { 20 } else { 12 }..).ok_or(Left::Cut)?;
    match last >> 10 & 0x1f {
        0 => descend(Layer::Ethernet, rest, Sent::Unsaid),
        2 => Ok((Carried::Ip(rest), Sent::Unsaid)),
        other => Err(Left::Protocol(other)),
    }
}

/// VXLAN: flags with the one that says that there is a network's number, reserved bits (a group
/// policy's in draft-smith-vxlan-group-policy), the number, a reserved byte.
fn vxlan(bytes: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    let header: &[u8; 8] = bytes.first_chunk().ok_or(Left::Cut)?;
    if header[0] & 0x7f != 0x08 || header[7] != 0 {
        return Err(Left::Malformed);
    }
    descend(Layer::Ethernet, after(bytes, 8), Sent::Unsaid)
}

fn vxlan_gpe(bytes: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    let header: &[u8; 8] = bytes.first_chunk().ok_or(Left::Cut)?;
    let rest = after(bytes, 8);
    // Version 0, a network's number, a protocol.
    match (header[0] & 0x3c, header[3]) {
        (0x0c, 1 | 2) => Ok((Carried::Ip(rest), Sent::Unsaid)),
        (0x0c, 3) => descend(Layer::Ethernet, rest, Sent::Unsaid),
        (0x0c, other) => Err(Left::Protocol(u16::from(other))),
        _ => Err(Left::Malformed),
    }
}

fn geneve(bytes: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    let header: &[u8; 8] = bytes.first_chunk().ok_or(Left::Cut)?;
    // Version 0; reserved bits beside those for control messages and critical options.
    if header[0] >> 6 != 0 || header[1] & 0x3f != 0 || header[7] != 0 {
        return Err(Left::Malformed);
    }
    let protocol = u16::from_be_bytes([header[2], header[3]]);
    // Zeros are a probe's padding, and no protocol's.
    if protocol == 0 {
        return Err(Left::Malformed);
    }
    let options = usize::from(header[0] & 0x3f) * 4;
    let rest = bytes.get(8 + options..).ok_or(Left::Cut)?;
    descend(Layer::Protocol(protocol), rest, Sent::Unsaid)
}
