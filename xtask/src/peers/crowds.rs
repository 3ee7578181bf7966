//! Inputs of millions of sources, made while they are read: what memory does as origins, not bytes, grow.

use std::io::{self, Write};

/// When the crowd begins, in seconds since 1970: 2026-01-01, as the other workloads.
const START: u64 = 1_767_225_600;

/// For how long it lasts: what `TimeWindow`s and a day's memory of first contacts both see.
const SECONDS: u64 = 6 * 3600;

/// The scanner that is to be found in it.
pub(super) const SCANNER: &str = "10.9.9.9";

/// Probes of the scan, each of another port of one host.
const PROBES: u64 = 200;

/// Servers that everybody talks with, 10.20.0.1 and up.
const SERVERS: u64 = 50;

/// What an ordinary source asks for.
const SERVICES: [(u16, &str); 3] = [(443, "tcp"), (80, "tcp"), (53, "udp")];

/// A crowd of any number of sources, with a scan beside it.
pub(super) struct Crowd {
    /// Its name in the table.
    pub(super) name: &'static str,
    /// Its name in the plot.
    pub(super) short: &'static str,
    /// Writes it for so many sources.
    pub(super) write: fn(u64, &mut dyn Write) -> io::Result<()>,
}

/// The crowds that are looked at.
pub(super) const CROWDS: &[Crowd] = &[
    Crowd {
        name: "origins with ordinary traffic (CSV flows, two each)",
        short: "ordinary origins, CSV",
        write: ordinary,
    },
    Crowd { name: "spoofed flood (CSV flows)", short: "spoofed flood, CSV", write: flood },
    Crowd { name: "spoofed flood (pcap)", short: "spoofed flood, pcap", write: packets },
];

/// Numbers of sources that each crowd is made of.
pub(super) const SOURCES: [u64; 4] = [1_000_000, 2_000_000, 5_000_000, 10_000_000];

/// Source `n`: a walk through all addresses outside 10.0.0.0/8 in no order, none of them twice in the
/// first hundreds of millions (a multiplication by an odd number is a permutation).
fn source(n: u64) -> [u8; 4] {
    // What would fall into 0/8, 10/8, 127/8 or multicast comes from behind the others' numbers.
    let walk = |n: u64| (n as u32).wrapping_mul(0x9e37_79b1).to_be_bytes();
    let mut at = n;
    loop {
        let address = walk(at);
        if !matches!(address[0], 0 | 10 | 127 | 224..) {
            return address;
        }
        at += 1 << 28;
    }
}

/// Nanoseconds since the start at which source `n` of `sources` acts.
fn at(n: u64, sources: u64) -> u64 {
    (u128::from(n) * u128::from(SECONDS) * 1_000_000_000 / u128::from(sources.max(1))) as u64
}

/// The port of a probe that goes out before source `n`, if one does: they are spread over the crowd's
/// middle hour, so that the scan begins and ends within it.
fn probe(n: u64, sources: u64) -> Option<u16> {
    let (from, length) = (sources / 2, (sources / 6).max(PROBES));
    let within = n.checked_sub(from).filter(|within| *within < length)?;
    let between = (length / PROBES).max(1);
    let probe = within / between;
    (within.is_multiple_of(between) && probe < PROBES).then_some(1 + (probe * 37 % 1009) as u16)
}

const COLUMNS: &str =
    "ts,dur,src,dst,sport,dport,proto,state,orig_pkts,orig_bytes,resp_pkts,resp_bytes";

/// A flow's time as the columns have it.
fn clock(nanoseconds: u64) -> String {
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    format!("{}.{:06}", START + seconds, rest / 1000)
}

/// Flows of a crowd in the order of their times, the scan's among them; `each` writes what source `n` does
/// at this time.
fn flows(
    sources: u64,
    out: &mut dyn Write,
    each: impl Fn(u64, &str, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    writeln!(out, "{COLUMNS}")?;
    for n in 0..sources {
        let time = clock(at(n, sources));
        if let Some(port) = probe(n, sources) {
            writeln!(out, "{time},0.0001,{SCANNER},10.20.0.1,40000,{port},tcp,REJ,1,60,1,40")?;
        }
        each(n, &time, out)?;
    }
    Ok(())
}

/// Each source does what anybody does, with two servers that answer.
fn ordinary(sources: u64, out: &mut dyn Write) -> io::Result<()> {
    flows(sources, out, |n, time, out| {
        let [a, b, c, d] = source(n);
        for second in 0..2 {
            let server = 1 + (n / 3 + second * 7) % SERVERS;
            let (port, protocol) = SERVICES[((n + second) % 3) as usize];
            let own = 32_768 + n % 28_000 + second;
            writeln!(
                out,
                "{time},0.4,{a}.{b}.{c}.{d},10.20.0.{server},{own},{port},{protocol},SF,6,700,8,9000"
            )?;
        }
        Ok(())
    })
}

/// Each source sends one packet to one service, which does not keep up with them.
fn flood(sources: u64, out: &mut dyn Write) -> io::Result<()> {
    flows(sources, out, |n, time, out| {
        let [a, b, c, d] = source(n);
        let own = 1024 + n % 60_000;
        writeln!(out, "{time},0,{a}.{b}.{c}.{d},10.20.0.1,{own},80,tcp,S0,1,60,0,0")
    })
}

/// The same flood as packets.
fn packets(sources: u64, out: &mut dyn Write) -> io::Result<()> {
    // Libpcap's header: microseconds, version 2.4, whole packets, Ethernet.
    out.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0])?;
    let (scanner, victim) = ([10, 9, 9, 9], [10, 20, 0, 1]);
    for n in 0..sources {
        let time = at(n, sources);
        if let Some(port) = probe(n, sources) {
            packet(out, time, (scanner, 40_000), (victim, port), SYN)?;
            packet(out, time + 100_000, (victim, port), (scanner, 40_000), RST_ACK)?;
        }
        let own = (1024 + n % 60_000) as u16;
        packet(out, time, (source(n), own), (victim, 80), SYN)?;
    }
    Ok(())
}

/// Flags of TCP (RFC 9293 section 3.1).
const SYN: u8 = 0x02;
const RST_ACK: u8 = 0x14;

/// A packet of Ethernet, IPv4 and TCP without payload; checksums are left empty, as offloading leaves them.
fn packet(
    out: &mut dyn Write,
    time: u64,
    (source, source_port): ([u8; 4], u16),
    (target, target_port): ([u8; 4], u16),
    flags: u8,
) -> io::Result<()> {
    const LENGTH: u32 = 14 + 20 + 20;
    let (seconds, micros) = (START + time / 1_000_000_000, time % 1_000_000_000 / 1000);
    let mut bytes = [0; 16 + LENGTH as usize];
    let mut at = 0;
    let mut put = |part: &[u8]| {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    };
    put(&(seconds as u32).to_le_bytes());
    put(&(micros as u32).to_le_bytes());
    put(&LENGTH.to_le_bytes());
    put(&LENGTH.to_le_bytes());
    put(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    put(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    put(&source);
    put(&target);
    put(&source_port.to_be_bytes());
    put(&target_port.to_be_bytes());
    put(&[
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        2 * u8::from(flags & 0x10 != 0),
        0x50,
        flags,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
    ]);
    out.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sources_are_distinct_and_none_of_the_scanners_network() {
        let sources: BTreeSet<[u8; 4]> = (0..300_000).map(source).collect();
        assert_eq!(sources.len(), 300_000);
        assert!(sources.iter().all(|address| address[0] != 10));
    }

    #[test]
    fn every_probe_goes_out_once_and_within_the_crowd() {
        for sources in [1000, 99_999, 1_000_000] {
            let ports: Vec<u16> = (0..sources).filter_map(|n| probe(n, sources)).collect();
            assert_eq!(ports.len(), PROBES as usize, "{sources}");
            assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
        }
    }

    #[test]
    fn crowds_are_read_as_what_they_are() {
        for crowd in CROWDS {
            let mut bytes = Vec::new();
            (crowd.write)(1000, &mut bytes).unwrap();
            let sniffed = lapwing_source::sniff(&bytes);
            assert!(matches!(sniffed, lapwing_source::Sniffed::Format(_)), "{}", crowd.name);
        }
    }
}
