//! A drill as a capture: classic pcap with microseconds, Ethernet, IPv4.

use lapwing_event::Timestamp;

use super::{Drill, TARGET};

/// pcap's magic for microseconds, and the link type of Ethernet (draft-ietf-opsawg-pcap).
const MAGIC: u32 = 0xa1b2_c3d4;
const ETHERNET: u32 = 1;

/// Locally administered link addresses (IEEE 802): the second-lowest bit of the first byte is set.
const OWN_LINK: [u8; 6] = [0x02, 0x4c, 0x57, 0, 0, 1];
const OTHER_LINK: [u8; 6] = [0x02, 0x4c, 0x57, 0, 0, 2];

/// mDNS' group, its link address and port (RFC 6762).
const GROUP: [u8; 4] = [224, 0, 0, 251];
const GROUP_LINK: [u8; 6] = [0x01, 0x00, 0x5e, 0, 0, 0xfb];
const MDNS: u16 = 5353;

const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 0x02;
const RST_ACK: u8 = 0x14;

/// A SYN for each attempt, and the reset of those that are refused a millisecond later.
pub(super) fn probes(drill: &Drill) -> Vec<u8> {
    let mut capture = capture();
    let own = drill.octets();
    for probe in drill.probes() {
        let (from, to) = (probe.source_port, probe.port);
        let sequence = 1_000 * u32::from(from);
        let syn = tcp(own, TARGET, from, to, (sequence, 0), SYN);
        let frame = frame(OWN_LINK, OTHER_LINK, &ip(own, TARGET, TCP, &syn));
        record(probe.time, &frame, &mut capture);
        if probe.refused {
            let reset = tcp(TARGET, own, to, from, (0, sequence + 1), RST_ACK);
            let frame = self::frame(OTHER_LINK, OWN_LINK, &ip(TARGET, own, TCP, &reset));
            record(Timestamp(probe.time.0 + 1_000_000), &frame, &mut capture);
        }
    }
    capture
}

/// A question by multicast for each service type.
pub(super) fn questions(drill: &Drill) -> Vec<u8> {
    let mut capture = capture();
    let own = drill.octets();
    for (time, kind) in drill.questions() {
        // A query of one question, for PTR in class IN (RFC 1035 section 4).
        let mut message = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in kind.split('.').chain(["local"]) {
            message.push(label.len() as u8);
            message.extend(label.bytes());
        }
        message.extend([0, 0, 12, 0, 1]);
        let mut datagram = Vec::new();
        for number in [MDNS, MDNS, 8 + message.len() as u16, 0] {
            datagram.extend(number.to_be_bytes());
        }
        datagram.extend(message);
        let sum = transport_sum(own, GROUP, UDP, &datagram);
        datagram[6..8].copy_from_slice(&sum.to_be_bytes());
        let frame = frame(OWN_LINK, GROUP_LINK, &ip(own, GROUP, UDP, &datagram));
        record(time, &frame, &mut capture);
    }
    capture
}

/// A capture's header.
fn capture() -> Vec<u8> {
    let mut capture = Vec::new();
    capture.extend(MAGIC.to_le_bytes());
    capture.extend([2, 0, 4, 0]);
    for number in [0, 0, 65_535, ETHERNET] {
        capture.extend(u32::to_le_bytes(number));
    }
    capture
}

fn record(time: Timestamp, frame: &[u8], capture: &mut Vec<u8>) {
    let seconds = time.0.div_euclid(1_000_000_000) as u32;
    let micros = (time.0.rem_euclid(1_000_000_000) / 1_000) as u32;
    for number in [seconds, micros, frame.len() as u32, frame.len() as u32] {
        capture.extend(number.to_le_bytes());
    }
    capture.extend(frame);
}

fn frame(from: [u8; 6], to: [u8; 6], packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(to);
    frame.extend(from);
    frame.extend([0x08, 0x00]);
    frame.extend(packet);
    frame
}

fn ip(from: [u8; 4], to: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = 20 + payload.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    // No fragment; a time to live of 64.
    packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

fn tcp(
    from: [u8; 4],
    to: [u8; 4],
    from_port: u16,
    to_port: u16,
    (sequence, acknowledged): (u32, u32),
    flags: u8,
) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from_port.to_be_bytes());
    segment.extend(to_port.to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend(acknowledged.to_be_bytes());
    let window: u16 = if flags == SYN { 64_240 } else { 0 };
    segment.extend([5 << 4, flags]);
    segment.extend(window.to_be_bytes());
    segment.extend([0, 0, 0, 0]);
    let sum = transport_sum(from, to, TCP, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// The checksum over the pseudo-header and a segment or datagram (RFC 9293 section 3.1).
fn transport_sum(from: [u8; 4], to: [u8; 4], protocol: u8, payload: &[u8]) -> u16 {
    let mut whole = Vec::new();
    whole.extend(from);
    whole.extend(to);
    whole.extend([0, protocol]);
    whole.extend((payload.len() as u16).to_be_bytes());
    whole.extend(payload);
    checksum(&whole)
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
