//! Tunnels: packets that carry packets of other conversations.

use super::bytes::{be16, be32};
use super::ip::Ip;
use super::left::Left;
use super::link::{Carried, Layer, MPLS, Sent, after, descend, holds_network};

/// How many tunnels in one another are looked into: a cloud's overlay in a carrier's in a VPN takes
/// four, and each may hold a mirror of another.
pub(super) const MAX_DEPTH: usize = 8;

/// UDP ports of tunnels: VXLAN (RFC 7348), Linux's number for it from before, VXLAN-GPE
/// (draft-ietf-nvo3-vxlan-gpe), GENEVE (RFC 8926).
const VXLAN: u16 = 4789;
const VXLAN_LINUX: u16 = 8472;
const VXLAN_GPE: u16 = 4790;
const GENEVE: u16 = 6081;
/// The same of Teredo (RFC 4380 section 2.7), GTP's user plane (3GPP TS 29.281 section 4.4.2) and L2TP
/// (RFC 2661 section 8.1, RFC 3931 section 4.1.2).
const TEREDO: u16 = 3544;
const GTP_U: u16 = 2152;
const L2TP: u16 = 1701;

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
        // L2TP version 3 in IP itself.
        115 => Some(pseudowire(bytes)),
        17 => match (be16(bytes, 0)?, be16(bytes, 2)?) {
            (_, VXLAN | VXLAN_LINUX) => Some(vxlan(after(bytes, 8))),
            (_, VXLAN_GPE) => Some(vxlan_gpe(after(bytes, 8))),
            (_, GENEVE) => Some(geneve(after(bytes, 8))),
            (_, GTP_U) => Some(gtp(after(bytes, 8))),
            // Whoever began takes any port, and is answered there.
            (TEREDO, _) | (_, TEREDO) => Some(teredo(after(bytes, 8))),
            (L2TP, _) | (_, L2TP) => Some(l2tp(after(bytes, 8))),
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

/// Teredo: an authentication and an origin may stand before the IPv6 packet (RFC 4380 section 5.1.1), one
/// end of which has an address of Teredo's own. What a client and its server say of themselves, from
/// addresses of the link, is no tunnel's packet.
fn teredo(bytes: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    let mut rest = bytes;
    if let [0, 1, client, secret, ..] = rest {
        rest = rest.get(13 + usize::from(*client) + usize::from(*secret)..).ok_or(Left::Cut)?;
    }
    if let [0, 0, ..] = rest {
        rest = rest.get(8..).ok_or(Left::Cut)?;
    }
    let header: &[u8; 40] = rest.first_chunk().ok_or(Left::Cut)?;
    let is_own = |address: &[u8]| address.starts_with(&[0x20, 1, 0, 0]);
    match header[0] >> 4 {
        6 if is_own(&header[8..24]) || is_own(&header[24..40]) => match header[6] {
            // A bubble: no next header, sent to open a way through a NAT.
            59 => Err(Left::AsksNothing),
            _ => Ok((Carried::Ip(rest), Sent::Unsaid)),
        },
        _ => Err(Left::Malformed),
    }
}

/// GTP-U (3GPP TS 29.281 section 5.1): a user's packet; questions for the path are the tunnel's own.
fn gtp(bytes: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    let header: &[u8; 8] = bytes.first_chunk().ok_or(Left::Cut)?;
    // Version 1 of GTP, no reserved bit, type 255.
    if header[0] & 0xf8 != 0x30 || header[1] != 0xff {
        return Err(Left::Malformed);
    }
    if header[0] & 0x07 == 0 {
        return Ok((Carried::Ip(after(bytes, 8)), Sent::Unsaid));
    }
    // Any of three flags brings the fields of all: sequence, N-PDU's number, next extension's type.
    let mut next = *bytes.get(11).ok_or(Left::Cut)?;
    let mut rest = after(bytes, 12);
    // Each extension takes four bytes at least, so that the packet's end bounds the loop.
    while header[0] & 0x04 != 0 && next != 0 {
        let length = usize::from(*rest.first().ok_or(Left::Cut)?) * 4;
        let last = length.checked_sub(1).ok_or(Left::Malformed)?;
        next = *rest.get(last).ok_or(Left::Cut)?;
        rest = after(rest, length);
    }
    Ok((Carried::Ip(rest), Sent::Unsaid))
}

/// L2TP: data of version 2 (RFC 2661 section 3.1), which is PPP, and of version 3 over UDP. Control
/// messages are the tunnel's own.
fn l2tp(bytes: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    let flags = be16(bytes, 0).ok_or(Left::Cut)?;
    if flags == 0x0003 && be16(bytes, 2) == Some(0) {
        return pseudowire(after(bytes, 4));
    }
    // Version 2, not of control, no reserved bit.
    if flags & 0xb4ff != 0x0002 {
        return Err(Left::Malformed);
    }
    let has = |flag: u16| flags & flag != 0;
    let (length, sequence, offset) = (0x4000, 0x0800, 0x0200);
    let ids = if has(length) { 4 } else { 2 };
    let id = |at: usize| be16(bytes, at).ok_or(Left::Cut);
    // Zero is no tunnel's and no session's number.
    if id(ids)? == 0 || id(ids + 2)? == 0 {
        return Err(Left::Malformed);
    }
    let mut end = ids + if has(sequence) { 8 } else { 4 };
    if has(offset) {
        end += 2 + usize::from(id(end)?);
    }
    descend(Layer::Ppp, bytes.get(end..).ok_or(Left::Cut)?, Sent::Unsaid)
}

/// A session of L2TP version 3 (RFC 3931 section 4.1): its number, then a cookie of up to 8 bytes and a
/// sublayer of 4, of which only the session's ends know, then a frame, which shows itself.
fn pseudowire(bytes: &[u8]) -> Result<(Carried<'_>, Sent), Left> {
    const HEADERS: [usize; 4] = [4, 8, 12, 16];
    if be32(bytes, 0).ok_or(Left::Cut)? == 0 {
        return Err(Left::Malformed);
    }
    let frames = HEADERS.into_iter().map(|at| after(bytes, at));
    match frames.into_iter().find(|frame| holds_network(frame)) {
        Some(frame) => descend(Layer::Ethernet, frame, Sent::Unsaid),
        // Too short to show itself.
        None if bytes.len() < 16 + 15 => Err(Left::Cut),
        None => Err(Left::Malformed),
    }
}
