//! The network layer: IPv4 and IPv6 headers, as far as their captured bytes go.

use lapwing_event::Address;

use super::bytes::be16;
use super::left::Left;

/// How many IPv6 extension headers are walked: RFC 8200 section 4.1 names six, each at most once
/// but for destination options. A longer chain is hostile, and is counted as malformed.
const MAX_EXTENSIONS: usize = 8;

/// An IP packet's network layer.
pub(super) struct Ip<'a> {
    /// Who sent it.
    pub(super) source: Address,
    /// To whom.
    pub(super) target: Address,
    /// The IP protocol number of what it carries.
    pub(super) number: u8,
    /// Captured bytes after the headers, without link-layer padding.
    pub(super) payload: &'a [u8],
    /// How many bytes there were after the headers, captured or not.
    pub(super) length: usize,
    /// The first of several fragments.
    pub(super) fragmented: bool,
    /// How far it may still go: time to live, hop limit.
    pub(super) ttl: u8,
    /// What IPv4 tells its fragments by.
    pub(super) identification: Option<u16>,
}

impl Ip<'_> {
    /// Whether all that it carried was captured.
    pub(super) fn is_whole(&self) -> bool {
        self.payload.len() == self.length && !self.fragmented
    }
}

/// Takes the network layer off a packet, of the version that its first four bits say.
pub(super) fn network(packet: &[u8]) -> Result<Ip<'_>, Left> {
    match packet.first().ok_or(Left::Cut)? >> 4 {
        4 => network_v4(packet),
        6 => network_v6(packet),
        _ => Err(Left::Malformed),
    }
}

fn network_v4(packet: &[u8]) -> Result<Ip<'_>, Left> {
    let fixed: &[u8; 20] = packet.first_chunk().ok_or(Left::Cut)?;
    let header = usize::from(fixed[0] & 0x0f) * 4;
    if header < 20 {
        return Err(Left::Malformed);
    }
    // Zero is what segmentation offload leaves for the card to fill in.
    let total = match usize::from(u16::from_be_bytes([fixed[2], fixed[3]])) {
        0 => packet.len(),
        total if total < header => return Err(Left::Malformed),
        total => total,
    };
    let fragment = u16::from_be_bytes([fixed[6], fixed[7]]);
    if fragment & 0x1fff != 0 {
        return Err(Left::LaterFragment);
    }
    let payload = packet.get(header..total.min(packet.len())).ok_or(Left::Cut)?;
    let ip = Ip {
        source: Address::from([fixed[12], fixed[13], fixed[14], fixed[15]]),
        target: Address::from([fixed[16], fixed[17], fixed[18], fixed[19]]),
        number: fixed[9],
        payload,
        length: total.saturating_sub(header),
        fragmented: fragment & 0x2000 != 0,
        ttl: fixed[8],
        identification: Some(u16::from_be_bytes([fixed[4], fixed[5]])),
    };
    if ip.number == 51 { extensions(ip) } else { Ok(ip) }
}

fn network_v6(packet: &[u8]) -> Result<Ip<'_>, Left> {
    let fixed: &[u8; 40] = packet.first_chunk().ok_or(Left::Cut)?;
    let address = |at: usize| -> Option<Address> {
        let octets: [u8; 16] = *fixed.get(at..)?.first_chunk()?;
        Some(Address::from(octets))
    };
    let captured = packet.get(40..).unwrap_or_default();
    // Zero is a jumbogram's, or what segmentation offload leaves.
    let length = match usize::from(u16::from_be_bytes([fixed[4], fixed[5]])) {
        0 => captured.len(),
        length => length,
    };
    extensions(Ip {
        source: address(8).ok_or(Left::Cut)?,
        target: address(24).ok_or(Left::Cut)?,
        number: fixed[6],
        payload: captured.get(..length.min(captured.len())).unwrap_or_default(),
        length,
        fragmented: false,
        ttl: fixed[7],
        identification: None,
    })
}

/// Walks extension headers up to the first protocol that is none. A number that is not known to
/// be an extension is never walked: its bytes would be read as lengths and forge ports.
fn extensions(mut ip: Ip<'_>) -> Result<Ip<'_>, Left> {
    for _ in 0..MAX_EXTENSIONS {
        let size = match ip.number {
            // Hop-by-hop, routing, destination options.
            0 | 43 | 60 => (usize::from(*ip.payload.get(1).ok_or(Left::Cut)?) + 1) * 8,
            // Authentication (RFC 4302): in units of 4 bytes, less 2.
            51 => (usize::from(*ip.payload.get(1).ok_or(Left::Cut)?) + 2) * 4,
            44 => {
                let fragment = be16(ip.payload, 2).ok_or(Left::Cut)?;
                if fragment & 0xfff8 != 0 {
                    return Err(Left::LaterFragment);
                }
                ip.fragmented = fragment & 1 != 0;
                8
            }
            _ => return Ok(ip),
        };
        if size > ip.length {
            return Err(Left::Malformed);
        }
        ip.number = *ip.payload.first().ok_or(Left::Cut)?;
        ip.payload = ip.payload.get(size..).ok_or(Left::Cut)?;
        ip.length -= size;
    }
    Err(Left::Malformed)
}
