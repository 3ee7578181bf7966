//! Decoders of flows and packets take memory for what they hold, and none for each record: twice the
//! records cost no more allocations than a few that grow what is held.

#![allow(clippy::unwrap_used)] // a test, helpers and all

use etherparse::PacketBuilder;
use lapwing_source::{Decoded, FORMATS};

/// How many records the shorter input has: more than every first room that is made.
const RECORDS: u32 = 20_000;

/// How many more allocations twice the records may take: collections that double do so once more, some
/// in several parts.
const GROWTH: u64 = 24;

/// How much is given to a decoder at once, as the engine does it.
const PIECE: usize = 256 << 10;

/// How many allocations it takes to decode an input, and how many events come of it.
fn allocations(format: &str, bytes: &[u8]) -> (u64, usize) {
    let row = FORMATS.iter().find(|row| row.name == format).unwrap();
    let mut events = 0;
    let counted = allocation_counter::measure(|| {
        let mut decoder = (row.decoder)();
        let mut out = Decoded::default();
        let mut rest = bytes;
        loop {
            let piece = rest.len().min(PIECE);
            let done = decoder.decode(&rest[..piece], &mut out);
            events += out.events.drain(..).count();
            rest = &rest[done..];
            if done == 0 || rest.is_empty() {
                break;
            }
        }
        decoder.finish(rest, &mut out);
        events += out.events.len();
        assert_eq!(out.diagnostics().count(), 0, "{format}");
    });
    (counted.count_total, events)
}

/// Checks that inputs of a format, given how many records they are of, cost no allocation a record.
fn check(format: &str, input: impl Fn(u32) -> Vec<u8>) {
    let (few, fewer_events) = allocations(format, &input(RECORDS));
    let (many, more_events) = allocations(format, &input(2 * RECORDS));
    assert!(more_events >= 2 * fewer_events - 1 && fewer_events > RECORDS as usize / 4, "{format}");
    assert!(many <= few + GROWTH, "{format}: {few} allocations, and {many} for twice the records");
}

/// The ends of a flow: every second one is the answer to the one before it, which was a SYN.
fn ends(number: u32) -> ([u8; 4], [u8; 4], u16, u16, u8) {
    let [_, a, b, c] = (number / 2).to_be_bytes();
    let (client, server) = ([10, a, b, c], [192, 0, 2, c]);
    let port = 32_768 + (number / 2 % 20_000) as u16;
    match number % 2 {
        0 => (client, server, port, 443, 0x02),
        _ => (server, client, 443, port, 0x14),
    }
}

/// The fields of templates below, in their order: addresses, ports, flags, protocol, packets, bytes,
/// first switched.
const FIELDS: [(u16, u16); 9] =
    [(8, 4), (12, 4), (7, 2), (11, 2), (6, 1), (4, 1), (2, 4), (1, 4), (22, 4)];

fn template() -> Vec<u8> {
    let mut set = Vec::new();
    set.extend([256_u16, FIELDS.len() as u16].map(u16::to_be_bytes).concat());
    for (id, length) in FIELDS {
        // IPFIX has no uptime of the exporter's in its header: absolute seconds then.
        set.extend([id, length].map(u16::to_be_bytes).concat());
    }
    set
}

fn row(number: u32, began: u32) -> Vec<u8> {
    let (source, target, from, to, flags) = ends(number);
    let mut row = [source, target].concat();
    row.extend([from, to].map(u16::to_be_bytes).concat());
    row.extend([flags, 6]);
    row.extend([1_u32, 60, began].map(u32::to_be_bytes).concat());
    row
}

fn set(id: u16, body: &[u8]) -> Vec<u8> {
    let mut set = [id, 4 + body.len() as u16].map(u16::to_be_bytes).concat();
    set.extend(body);
    set
}

/// Datagrams of 24 records each, as `datagram` makes one of its number and its rows' numbers.
fn datagrams(records: u32, datagram: impl Fn(u32, std::ops::Range<u32>) -> Vec<u8>) -> Vec<u8> {
    let numbers = (0..records).step_by(24).enumerate();
    numbers.flat_map(|(at, first)| datagram(at as u32, first..(first + 24).min(records))).collect()
}

const SENT: u32 = 1_767_225_600;

#[test]
fn netflow_5_takes_none() {
    check("netflow", |records| {
        datagrams(records, |_, numbers| {
            let mut bytes = [5_u16, numbers.len() as u16].map(u16::to_be_bytes).concat();
            bytes.extend([3_600_000, SENT, 0, numbers.start, 0].map(u32::to_be_bytes).concat());
            for number in numbers {
                let (source, target, from, to, flags) = ends(number);
                let mut row = [source, target, [0; 4], [0; 4]].concat();
                row.extend([1_u32, 60, 3_500_000, 3_500_100].map(u32::to_be_bytes).concat());
                row.extend([from, to].map(u16::to_be_bytes).concat());
                row.extend([0, flags, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                bytes.extend(row);
            }
            bytes
        })
    });
}

#[test]
fn netflow_9_takes_none() {
    check("netflow", |records| {
        datagrams(records, |at, numbers| {
            let count = numbers.len() as u16;
            let mut bytes = [9, count + u16::from(at == 0)].map(u16::to_be_bytes).concat();
            bytes.extend([3_600_000, SENT, at, 0].map(u32::to_be_bytes).concat());
            if at == 0 {
                bytes.extend(set(0, &template()));
            }
            let rows: Vec<u8> = numbers.flat_map(|number| row(number, 3_500_000)).collect();
            bytes.extend(set(256, &rows));
            bytes
        })
    });
}

#[test]
fn ipfix_takes_none() {
    check("netflow", |records| {
        datagrams(records, |at, numbers| {
            let mut sets = Vec::new();
            if at == 0 {
                let mut template = template();
                // flowStartSeconds in the place of the exporter's uptime.
                let length = template.len();
                template[length - 4..length - 2].copy_from_slice(&150_u16.to_be_bytes());
                sets.extend(set(2, &template));
            }
            let rows: Vec<u8> = numbers.flat_map(|number| row(number, SENT - 60)).collect();
            sets.extend(set(256, &rows));
            let mut bytes = [10, 16 + sets.len() as u16].map(u16::to_be_bytes).concat();
            bytes.extend([SENT, at, 7].map(u32::to_be_bytes).concat());
            bytes.extend(sets);
            bytes
        })
    });
}

#[test]
fn nfcapd_takes_none() {
    check("nfcapd", |records| {
        // Layout 2, nothing packed (nffile.h of nfdump 1.7).
        let mut bytes = vec![0x0c, 0xa5, 2, 0];
        bytes.resize(40, 0);
        for numbers in (0..records).step_by(1000).map(|first| first..first + 1000) {
            let mut block = Vec::new();
            for number in numbers.clone() {
                let (source, target, from, to, flags) = ends(number);
                let mut record = [11_u16, 12 + 52 + 12, 2].map(u16::to_le_bytes).concat();
                record.extend([0, 0, 0, 0, 0, 9]);
                record.extend([1_u16, 52].map(u16::to_le_bytes).concat());
                let began = u64::from(SENT) * 1000;
                record.extend([began, began, began, 1, 60].map(u64::to_le_bytes).concat());
                record.extend([from, to].map(u16::to_le_bytes).concat());
                record.extend([6, flags, 0, 0]);
                record.extend([2_u16, 12].map(u16::to_le_bytes).concat());
                record
                    .extend([source, target].map(|a| u32::from_be_bytes(a).to_le_bytes()).concat());
                block.extend(record);
            }
            bytes.extend([numbers.len() as u32, block.len() as u32].map(u32::to_le_bytes).concat());
            bytes.extend([3, 0, 0, 0]);
            bytes.extend(block);
        }
        bytes
    });
}

#[test]
fn packets_take_none() {
    check("pcap", |records| {
        let mut bytes =
            [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
        for number in 0..records {
            let (source, target, from, to, flags) = ends(number);
            let packet = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(source, target, 64);
            let packet = match flags {
                0x02 => packet.tcp(from, to, 1, 1024).syn(),
                _ => packet.tcp(from, to, 0, 0).rst().ack(2),
            };
            let mut frame = Vec::new();
            packet.write(&mut frame, &[]).unwrap();
            let length = frame.len() as u32;
            let micros = number * 100 % 1_000_000;
            let seconds = SENT + number / 10_000;
            bytes.extend([seconds, micros, length, length].map(u32::to_le_bytes).concat());
            bytes.extend(frame);
        }
        bytes
    });
}

/// A process that is known connects without its being told anew. Its records are text, so that what
/// is found in them could cost much.
#[test]
fn audited_connects_take_none() {
    check("auditd", |records| {
        let mut text = String::new();
        for number in 0..records {
            let stamp = format!("{}.{:03}:{number}", SENT + number / 1000, number % 1000);
            let [a, b, c, d] = number.to_be_bytes();
            text += &format!(
                "type=SYSCALL msg=audit({stamp}): arch=c000003e syscall=42 success=no exit=-111 a0=5 \
                 a1=7ffd a2=10 a3=0 items=0 ppid=10 pid=44 auid=1001 uid=0 gid=0 euid=0 suid=0 \
                 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts2 ses=7 comm=\"a\" exe=\"/tmp/a\" key=\"net\"\n\
                 type=SOCKADDR msg=audit({stamp}): saddr=0200{:04X}0A{b:02X}{c:02X}{d:02X}0000000000000000\n\
                 type=PROCTITLE msg=audit({stamp}): proctitle=2F746D702F61\n\
                 type=EOE msg=audit({stamp}): \n",
                u16::from(a) + 80
            );
        }
        text.into_bytes()
    });
}
