//! One packet taken apart as far as its captured bytes go: who sent what to whom.
//!
//! Written by hand rather than with a packet crate, because the tracker needs three things that
//! those do not give at once: ports and flags of headers that a snap length or an ICMP quote cut
//! short, the payload length that the IP header claims where fewer bytes were captured, and no
//! transport at all for later fragments. Tests hold it against etherparse as a witness.

use lapwing_event::Address;

use super::bytes::{be16, be32};
use super::link::{Carried, Sent, carried};

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

/// How many IPv6 extension headers are walked: RFC 8200 section 4.1 names six, each at most once
/// but for destination options. A longer chain is hostile, and is counted as malformed.
const MAX_EXTENSIONS: usize = 8;

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

/// Why a packet is of no use to the tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Its link type is not read; the number in the tcpdump.org list.
    LinkType(u32),
    /// Its link layer carries IP inside another protocol that is not read; Ethernet's number.
    Encapsulated(u16),
    /// It carries neither IP nor ARP; Ethernet's number, or an LLC length.
    Protocol(u16),
    /// Its loopback header names an address family other than IP.
    Family(u32),
    /// The captured bytes end before what is needed.
    Cut,
    /// Its headers contradict themselves.
    Malformed,
    /// A fragment other than the first, which has no ports.
    LaterFragment,
    /// It asks nothing of anyone: duplicate address detection, gratuitous ARP, router
    /// advertisements, ICMP of other types.
    AsksNothing,
}

/// An IP packet's network layer.
struct Ip<'a> {
    source: Address,
    target: Address,
    number: u8,
    /// Captured bytes after the headers, without link-layer padding.
    payload: &'a [u8],
    /// How many bytes there were after the headers, captured or not.
    length: usize,
    /// The first of several fragments.
    fragmented: bool,
}

/// Takes a frame of a link type apart.
pub(super) fn dissect(link: u32, frame: &[u8]) -> Result<Packet, Left> {
    let (carried, sent) = carried(link, frame)?;
    match carried {
        Carried::Arp(message) => arp(message, sent),
        Carried::Ip(packet) => {
            let ip = network(packet)?;
            let message = transport(&ip)?;
            let (source, target) = match message {
                // The host asked for, not the group that the solicitation goes to.
                Message::Request(Asking::Neighbour) => (ip.source, neighbour(&ip)?),
                Message::Answer(Asking::Neighbour) => (neighbour(&ip)?, ip.target),
                _ => (ip.source, ip.target),
            };
            // A solicitation goes to a group by design, and is answered all the same.
            let asks_neighbour = matches!(message, Message::Request(Asking::Neighbour));
            if asks_neighbour && !ip.target.is_group() {
                // RFC 4861 section 7.3: to the neighbour itself, to confirm that it is still there.
                return Err(Left::AsksNothing);
            }
            let group = !asks_neighbour && (sent == Sent::ToGroup || target.is_group());
            Ok(Packet { source, target, group, message })
        }
    }
}

/// The sender and the payload of a UDP datagram that is whole in the frame.
pub(super) fn udp_payload(link: u32, frame: &[u8]) -> Option<(Address, &[u8])> {
    let (Carried::Ip(packet), _) = carried(link, frame).ok()? else { return None };
    let ip = network(packet).ok()?;
    let whole = ip.number == 17 && !ip.fragmented && ip.payload.len() == ip.length;
    Some((ip.source, ip.payload.get(8..)?)).filter(|_| whole)
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

fn network(packet: &[u8]) -> Result<Ip<'_>, Left> {
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

impl Left {
    /// The kind of trouble for a diagnostic.
    pub(super) const fn problem(self) -> crate::Problem {
        use crate::Problem;
        match self {
            Left::LinkType(_) | Left::Encapsulated(_) => Problem::Unsupported,
            Left::Cut => Problem::Torn,
            Left::Malformed => Problem::Malformed,
            Left::Protocol(_) | Left::Family(_) | Left::LaterFragment | Left::AsksNothing => {
                Problem::Note
            }
        }
    }

    /// The kind of trouble in a few words.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Left::LinkType(9) => "link type PPP",
            Left::LinkType(105) => "link type IEEE 802.11",
            Left::LinkType(127) => "link type IEEE 802.11 radiotap",
            Left::LinkType(_) => "link type that is not read",
            Left::Encapsulated(_) => "IP inside MPLS, PPPoE or 802.1ah",
            Left::Protocol(_) => "frames without IP or ARP",
            Left::Family(_) => "loopback packets without IP",
            Left::Cut => "packets captured too short for their headers",
            Left::Malformed => "packets whose headers contradict themselves",
            Left::LaterFragment => "later fragments",
            Left::AsksNothing => "packets that ask nothing of anyone",
        }
    }

    /// The first one in words.
    pub(super) fn detail(self) -> String {
        match self {
            Left::LinkType(number) => format!(
                "expected Ethernet, raw IP, loopback or Linux cooked, found link type {number} \
                 (see https://www.tcpdump.org/linktypes.html); its packets are not read"
            ),
            Left::Encapsulated(number) => {
                format!("Ethernet protocol 0x{number:04x} is not looked into")
            }
            Left::Protocol(number) => format!("the first is of Ethernet protocol 0x{number:04x}"),
            Left::Family(number) => format!("the first is of address family {number}"),
            Left::Cut => "expected headers up to ports and flags; capture with a larger snap \
                          length (128 bytes are enough)"
                .to_string(),
            Left::Malformed => "expected lengths and versions that fit each other".to_string(),
            Left::LaterFragment => "they hold no ports; the first fragment speaks for them".into(),
            Left::AsksNothing => {
                "duplicate address detection, gratuitous ARP, ICMP of other types".to_string()
            }
        }
    }
}
