//! NetFlow version 5, whose records are all the same.

use lapwing_event::{Address, Protocol, Span};

use super::{Collector, Export, Exporter, be16, be32};
use crate::Decoded;
use crate::flow::{Conversation, Direction, OneWay};

/// Bytes of a header, of its records, and the most records (a datagram holds 30).
const HEADER: usize = 24;
const RECORD: usize = 48;
const MOST: usize = 30;

/// How long a datagram of so many records is; `None` where none has so many.
pub(super) fn length(records: usize) -> Option<usize> {
    (1..=MOST).contains(&records).then_some(HEADER + RECORD * records)
}

impl Collector {
    /// Takes one whole datagram of version 5.
    pub(super) fn v5(&mut self, bytes: &[u8], export: &Export, out: &mut Decoded) {
        let nanos = be32(bytes, 12).unwrap_or_default().min(999_999_999);
        let export = Export { sent: export.sent.plus(Span(i64::from(nanos))), ..*export };
        // Two bits of how packets are chosen, then one in how many.
        let interval = be16(bytes, 22).unwrap_or_default() & 0x3fff;
        let engine = be16(bytes, 20).map(u32::from).unwrap_or_default();
        let export = Export { domain: engine, ..export };
        self.note_sampling(u64::from(interval), &export, out);
        let Exporter { samples, .. } = self.exporter(&export);
        for row in bytes[HEADER..].chunks_exact(RECORD) {
            out.records += 1;
            let address = |at: usize| {
                let octets: [u8; 4] = *row.get(at..)?.first_chunk()?;
                Some(Address::from(octets))
            };
            let (Some(source), Some(target)) = (address(0), address(4)) else { continue };
            let protocol = Protocol::from_number(row[38]);
            let target_port = be16(row, 34).unwrap_or_default();
            let start = export.at_uptime(be32(row, 24).unwrap_or_default());
            let flow = Conversation {
                source,
                target,
                source_port: be16(row, 32).unwrap_or_default(),
                target_port,
                protocol,
                icmp_type: (target_port >> 8) as u8,
                there: Direction {
                    flags: (protocol == Protocol::Tcp).then_some(row[37]),
                    packets: be32(row, 16).map(u64::from),
                    bytes: be32(row, 20).map(u64::from).unwrap_or_default(),
                },
                back: Direction::default(),
                turned: false,
                refused: false,
            };
            self.push(samples, OneWay { start, flow, record: export.record }, out);
        }
    }
}
