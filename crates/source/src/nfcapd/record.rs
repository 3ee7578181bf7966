//! One flow record of either layout.

use lapwing_event::{Address, Protocol, Record, Span, Timestamp};

use super::{head, le16, le32, le64};
use crate::flow::{Conversation, Direction, OneWay};

/// How records are told apart and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// nfdump 1.6: the common record, and the one that names more exporters.
    One,
    /// nfdump 1.7: records of elements.
    Two,
}

impl Layout {
    /// Whether records of this type are flows.
    pub(super) fn is_flow(self, kind: u16) -> bool {
        match self {
            Layout::One => matches!(kind, COMMON_V0 | COMMON),
            Layout::Two => kind == ELEMENTS,
        }
    }
}

const COMMON_V0: u16 = 1;
const COMMON: u16 = 10;
const ELEMENTS: u16 = 11;

/// Elements of a layout 2 record (`nfxV3.h`).
const GENERIC: u16 = 1;
const IPV4: u16 = 2;
const IPV6: u16 = 3;
const COUNTERS: u16 = 5;

/// How many bytes of the generic element are read, up to the TCP flags.
const GENERIC_BYTES: usize = 46;

/// Flags of a layout 1 record.
const WIDE_ADDRESSES: u16 = 1;
const WIDE_PACKETS: u16 = 2;
const WIDE_BYTES: u16 = 4;

/// What an exporter's clock of 32 bits in milliseconds wraps at.
const WRAP: Span = Span::millis(1 << 32);

/// How far from its receipt a flow can begin whose clock was wrapped: exporters cut flows after minutes
/// to hours, and clocks differ.
const NEAR: Span = Span::seconds(86_400);

/// What a record holds before its flow is made.
struct Parts {
    start: Timestamp,
    /// When the collector received it, where the layout says so.
    received: Option<Timestamp>,
    addresses: (Address, Address),
    ports: (u16, u16),
    protocol: u8,
    flags: u8,
    packets: u64,
    bytes: u64,
    back: Option<(u64, u64)>,
}

/// The flow of one record, and whether its time had to be put right.
///
/// # Errors
/// What of it is missing.
pub(super) fn flow_of(
    layout: Layout,
    kind: u16,
    bytes: &[u8],
    record: Record,
) -> Result<(OneWay, bool), &'static str> {
    let parts = match layout {
        Layout::One => common(kind, bytes)?,
        Layout::Two => elements(bytes)?,
    };
    let start = unwrapped(parts.start, parts.received);
    let protocol = Protocol::from_number(parts.protocol);
    let tcp = protocol == Protocol::Tcp;
    let back = match parts.back {
        Some((packets, bytes)) if packets > 0 => {
            Direction { flags: None, packets: Some(packets), bytes }
        }
        _ => Direction::default(),
    };
    let flow = Conversation {
        source: parts.addresses.0,
        target: parts.addresses.1,
        source_port: parts.ports.0,
        target_port: parts.ports.1,
        protocol,
        // Type and code stand where the port does.
        icmp_type: (parts.ports.1 >> 8) as u8,
        there: Direction {
            flags: tcp.then_some(parts.flags),
            packets: Some(parts.packets),
            bytes: parts.bytes,
        },
        back,
        turned: false,
        refused: false,
    };
    Ok((OneWay { start, flow, record }, start != parts.start))
}

/// When a flow began, given when it was received: no flow begins one wrap of the clock after that. nfcapd 1.7.1 takes an
/// exporter's wrapped clock for one that is 2³² ms on (recorded/netflow, whose captures of the same
/// exports tell the right time).
fn unwrapped(start: Timestamp, received: Option<Timestamp>) -> Timestamp {
    match received {
        Some(received) if start.minus(WRAP).since(received).0.abs() <= NEAR.0 => start.minus(WRAP),
        _ => start,
    }
}

fn elements(bytes: &[u8]) -> Result<Parts, &'static str> {
    // Type, size, number of elements, engine, exporter, flags, the version that was exported.
    let mut rest = bytes.get(12..).ok_or("its header")?;
    let (mut generic, mut addresses, mut back) = (None, None, None);
    while let Some((kind, length)) = head(rest) {
        let body = rest.get(4..length).ok_or("an element")?;
        match kind {
            GENERIC => generic = Some(body),
            IPV4 | IPV6 => addresses = Some((kind, body)),
            COUNTERS => back = le64(body, 8).zip(le64(body, 16)),
            _ => {}
        }
        rest = &rest[length..];
    }
    let generic: &[u8; GENERIC_BYTES] =
        generic.and_then(<[u8]>::first_chunk).ok_or("the generic element")?;
    // Within an array of a known length these are there.
    let long = |at| le64(generic, at).unwrap_or_default();
    let port = |at| le16(generic, at).unwrap_or_default();
    Ok(Parts {
        start: millis(long(0)).ok_or("a time that can be")?,
        received: Some(long(16)).filter(|received| *received > 0).and_then(millis),
        addresses: match addresses {
            Some((IPV4, body)) => four(body, 0).zip(four(body, 4)),
            Some((_, body)) => six(body, 0).zip(six(body, 16)),
            None => None,
        }
        .ok_or("the address element")?,
        ports: (port(40), port(42)),
        protocol: generic[44],
        flags: generic[45],
        packets: long(24),
        bytes: long(32),
        back,
    })
}

fn common(kind: u16, bytes: &[u8]) -> Result<Parts, &'static str> {
    let short = "its fixed part";
    // One byte of flags and one of exporter, or two of flags.
    let flags = match kind {
        COMMON_V0 => u16::from(*bytes.get(4).ok_or(short)?),
        _ => le16(bytes, 4).ok_or(short)?,
    };
    let first = u64::from(le32(bytes, 12).ok_or(short)?);
    let fraction = u64::from(le16(bytes, 8).ok_or(short)?);
    let data = bytes.get(if kind == COMMON_V0 { 28 } else { 32 }..).ok_or("its addresses")?;
    let wide = flags & WIDE_ADDRESSES != 0;
    let (addresses, mut at) = match wide {
        true => (six(data, 0).zip(six(data, 16)), 32),
        false => (four(data, 0).zip(four(data, 4)), 8),
    };
    let mut counter = |wide: bool| {
        let value = if wide { le64(data, at) } else { le32(data, at).map(u64::from) };
        at += if wide { 8 } else { 4 };
        value
    };
    let packets = counter(flags & WIDE_PACKETS != 0);
    let octets = counter(flags & WIDE_BYTES != 0);
    Ok(Parts {
        start: millis(first * 1000 + fraction).ok_or("a time that can be")?,
        received: None,
        addresses: addresses.ok_or("its addresses")?,
        ports: le16(bytes, 24).zip(le16(bytes, 26)).ok_or(short)?,
        protocol: *bytes.get(22).ok_or(short)?,
        flags: *bytes.get(21).ok_or(short)?,
        packets: packets.ok_or("its packets")?,
        bytes: octets.ok_or("its bytes")?,
        back: None,
    })
}

fn millis(millis: u64) -> Option<Timestamp> {
    i64::try_from(millis).ok()?.checked_mul(1_000_000).map(Timestamp)
}

fn four(bytes: &[u8], at: usize) -> Option<Address> {
    le32(bytes, at).map(|bits| Address::from(bits.to_be_bytes()))
}

/// Two numbers of 64 bits, the upper one first.
fn six(bytes: &[u8], at: usize) -> Option<Address> {
    let (upper, lower) = (le64(bytes, at)?, le64(bytes, at + 8)?);
    Some(Address::from((u128::from(upper) << 64 | u128::from(lower)).to_be_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::*;

    /// A record of layout 1, by the field table in nfdump 1.6's `nffile.h`.
    fn old_record(kind: u16, flags: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(kind.to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(flags.to_le_bytes());
        bytes.extend([1, 0, 250, 0, 10, 0]);
        bytes.extend(1_700_000_000_u32.to_le_bytes());
        bytes.extend(1_700_000_001_u32.to_le_bytes());
        bytes.extend([0, 0x02, 6, 0]);
        bytes.extend(40_000_u16.to_le_bytes());
        bytes.extend(22_u16.to_le_bytes());
        if kind == COMMON {
            bytes.extend([0; 4]);
        }
        bytes.extend(data);
        bytes
    }

    #[test]
    fn a_flow_that_begins_long_after_its_receipt_is_of_a_wrapped_clock() {
        let received = Timestamp(1_795_575_760_000_000_000);
        let wrapped = received.plus(WRAP).minus(Span::seconds(600));
        assert_eq!(unwrapped(wrapped, Some(received)), received.minus(Span::seconds(600)));
        let ahead = received.plus(Span::seconds(5));
        assert_eq!(unwrapped(ahead, Some(received)), ahead);
        // A clock that is wrong by something else stays as it is told.
        let wrong = received.plus(Span::seconds(30 * 86_400));
        assert_eq!(unwrapped(wrong, Some(received)), wrong);
        assert_eq!(unwrapped(wrapped, None), wrapped);
    }

    #[test]
    fn old_records_of_both_kinds_and_widths_are_read() {
        let narrow = [4, 3, 2, 10, 9, 3, 2, 10, 1, 0, 0, 0, 60, 0, 0, 0];
        for kind in [COMMON_V0, COMMON] {
            let one = flow_of(Layout::One, kind, &old_record(kind, 0, &narrow), Record::default());
            let (one, moved) = one.unwrap();
            assert!(!moved);
            assert_eq!(one.start, Timestamp(1_700_000_000_250_000_000));
            assert_eq!(one.flow.source.to_string(), "10.2.3.4");
            assert_eq!(one.flow.target.to_string(), "10.2.3.9");
            assert_eq!((one.flow.source_port, one.flow.target_port), (40_000, 22));
            assert_eq!(one.flow.there.flags, Some(2));
            assert_eq!((one.flow.there.packets, one.flow.there.bytes), (Some(1), 60));
        }
        let mut wide = Vec::new();
        for half in [0x2001_0db8_0000_0000_u64, 1, 0x2001_0db8_0000_0000, 2, 7, 700] {
            wide.extend(half.to_le_bytes());
        }
        let flags = WIDE_ADDRESSES | WIDE_PACKETS | WIDE_BYTES;
        let record = old_record(COMMON, flags, &wide);
        let (one, _) = flow_of(Layout::One, COMMON, &record, Record::default()).unwrap();
        assert_eq!(one.flow.target.to_string(), "2001:db8::2");
        assert_eq!((one.flow.there.packets, one.flow.there.bytes), (Some(7), 700));
        let cut = &record[..record.len() - 9];
        assert!(flow_of(Layout::One, COMMON, cut, Record::default()).is_err());
    }
}
