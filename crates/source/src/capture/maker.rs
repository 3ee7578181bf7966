//! Who made a packet, where its header shows that no network stack did but a scanner.
//!
//! Each sign was checked against what the tool itself sent (recorded/pcap of the corpus), but for
//! unicornscan's. They corroborate: who changes a number in a scanner's source is not seen by them.

use std::collections::HashMap;

use lapwing_event::{Activity, Address, Claim, Event, LogSource, Record};

use super::bytes::{be16, be32};
use super::ip::Ip;
use super::packet::{ACK, RST, SYN};
use super::tracker::Moment;
use crate::{Decoded, Problem};

/// How many sources' packets are counted at once: spoofed ones count for nothing.
const MAX_SOURCES: usize = 4096;

/// How many such packets of one source tell: a real stack's packet meets masscan's sign by chance once
/// in 65,536.
const FEWEST: u32 = 5;

/// The maximum segment size of Ethernet, as the only option.
const MSS_ALONE: [u8; 4] = [2, 4, 5, 0xb4];

/// A scanner that makes packets itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Maker {
    /// `src/templ-pkt.c`: the identification is the target's address, port and the sequence number,
    /// each by exclusive or; time to live 255, window 1024.
    Masscan,
    /// `src/probe_modules/packet.c`: identification 54321, time to live 255, window 65535.
    Zmap,
    /// `scan_engine_raw.cc`, `tcpip.cc`: time to live 37 to 59, window 1024 (2048, 3072 and 4096
    /// before version 6), the segment size as the only option of a SYN.
    Nmap,
    /// An echo request without data, of the same times to live.
    NmapPing,
    /// hping3's `sendtcp.c`: window 512, no options, an acknowledgement number without the flag.
    Hping,
    /// unicornscan's manual page, fingerprint 0 by default: window 4128, time to live 255, the segment
    /// size as the only option; Cisco's IOS sends such too.
    Unicornscan,
}

impl Maker {
    /// Who made a TCP segment or an ICMP request, if that shows.
    pub(super) fn of(ip: &Ip<'_>) -> Option<Maker> {
        match ip.number {
            6 => Maker::of_segment(ip),
            1 if ip.is_whole() => {
                let bare = ip.length == 8 && ip.payload.first() == Some(&8);
                let first = be16(ip.payload, 6) == Some(0);
                (bare && first && is_nmap_ttl(ip.ttl)).then_some(Maker::NmapPing)
            }
            _ => None,
        }
    }

    fn of_segment(ip: &Ip<'_>) -> Option<Maker> {
        let tcp = ip.payload;
        let flags = tcp.get(13)? & 0x3f;
        // What opens a connection, or belongs to none.
        if flags & (ACK | RST) != 0 {
            return None;
        }
        let window = be16(tcp, 14)?;
        let header = usize::from(tcp.get(12)? >> 4) * 4;
        let bare = header == 20 && ip.length == 20;
        let sized = tcp.get(20..24) == Some(&MSS_ALONE) && header == 24 && ip.length == 24;
        let (sequence, acknowledged) = (be32(tcp, 4)?, be32(tcp, 8)?);
        // Routers take from 255 what a way across the internet has at the most.
        let far = ip.ttl > 191;
        let mixed = ip.target.bits() as u16 ^ be16(tcp, 2)? ^ sequence as u16;
        match (ip.identification, window) {
            (Some(id), 1024) if id == mixed && far && (bare || sized) => Some(Maker::Masscan),
            (Some(54_321), 65_535) if far => Some(Maker::Zmap),
            (_, 1024 | 2048 | 3072 | 4096) if acknowledged == 0 && is_nmap_ttl(ip.ttl) => {
                let whole = if flags == SYN { sized } else { bare };
                whole.then_some(Maker::Nmap)
            }
            (_, 512) if bare && acknowledged != 0 => Some(Maker::Hping),
            (_, 4128) if sized && far => Some(Maker::Unicornscan),
            _ => None,
        }
    }

    /// What is said of the packets' source.
    fn words(self) -> &'static str {
        match self {
            Maker::Masscan => {
                "probes made as masscan makes them (identification = target ^ port ^ sequence)"
            }
            Maker::Zmap => "probes made as ZMap makes them (identification 54321, window 65535)",
            Maker::Nmap => {
                "probes made as nmap makes them (window 1024 or its multiples, time to live below 60, no other option than the segment size)"
            }
            Maker::NmapPing => {
                "echo requests made as nmap makes them (no data, time to live below 60)"
            }
            Maker::Hping => {
                "probes made as hping makes them (window 512, an acknowledgement number without its flag)"
            }
            Maker::Unicornscan => {
                "probes made as unicornscan, or a router of Cisco's, makes them (window 4128)"
            }
        }
    }
}

/// nmap's times to live are 37 to 59 where they begin; the way takes some of it.
fn is_nmap_ttl(ttl: u8) -> bool {
    (7..=59).contains(&ttl)
}

/// Counts the packets of each source that a scanner made.
#[derive(Debug, Default)]
pub(super) struct Makers(HashMap<(Address, Maker), u32>);

impl Makers {
    /// Notes one packet; gives out a claim where it tells, once for each source and maker.
    pub(super) fn note(
        &mut self,
        moment: Moment,
        source: Address,
        maker: Maker,
        out: &mut Decoded,
    ) {
        let key = (source, maker);
        if self.0.len() >= MAX_SOURCES && !self.0.contains_key(&key) {
            let words = "sources whose packets' makers are not told of";
            return out.note(Problem::Note, words, moment.offset, || {
                format!("more than {MAX_SOURCES} sources made probes themselves")
            });
        }
        let count = self.0.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        if *count == FEWEST {
            out.events.push(Event {
                time: moment.time,
                record: Record { offset: moment.offset, ..Record::default() },
                log_source: LogSource::Packets,
                actor: None,
                activity: Activity::Claim(Box::new(Claim {
                    source,
                    target: Address::UNSPECIFIED,
                    text: maker.words().into(),
                })),
            });
        }
    }
}
