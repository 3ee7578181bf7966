//! pf's verdicts as pfSense and OPNsense write them to syslog: the columns of `filterlog`.
//!
//! <https://docs.netgate.com/pfsense/en/latest/monitoring/logs/raw-filter-format.html>

use lapwing_event::{Outcome, Protocol};

use super::{Logged, has};
use crate::flow::{ACK, FIN, PSH, RST, SYN, URG};

/// The fewest columns: those before the addresses of IPv6, and the addresses.
const FEWEST: usize = 17;

/// Whether a line holds a packet.
pub(super) fn is_packet(line: &[u8]) -> bool {
    has(line, "filterlog") && columns(&String::from_utf8_lossy(line)).is_some()
}

/// The columns, which hold no blanks, after whatever syslog puts before them.
fn columns(line: &str) -> Option<Vec<&str>> {
    let columns = line
        .split_ascii_whitespace()
        .find(|word| word.bytes().filter(|byte| *byte == b',').count() + 1 >= FEWEST)?;
    let columns: Vec<&str> = columns.split(',').collect();
    matches!(columns.get(7..9), Some(["in" | "out", "4" | "6"])).then_some(columns)
}

pub(super) fn packet(line: &str) -> Result<Logged, &'static str> {
    let columns = columns(line).ok_or("columns")?;
    let get = |at: usize| columns.get(at).copied().unwrap_or_default();
    // Rule, sub-rule, anchor, tracker, interface, reason, action, direction, version; then of IPv4:
    // service, congestion, time to live, identifier, offset, flags, protocol twice, length, addresses;
    // of IPv6: class, flow label, hop limit, protocol twice, length, addresses.
    let (number, ends) = if get(8) == "4" { (15, 18) } else { (13, 15) };
    let protocol = get(number).parse().map(Protocol::from_number).map_err(|_| "protocol")?;
    let at = ends + 2;
    let port = |at: usize, name: &'static str| match protocol.has_ports() {
        true => get(at).parse().map_err(|_| name),
        false => Ok(0),
    };
    let icmp_type = match (protocol, get(at)) {
        (Protocol::Icmp, "request") => Some(8),
        (Protocol::Icmp, "tstamp") => Some(13),
        (Protocol::Icmp, "maskreq") => Some(17),
        (Protocol::Icmpv6, "request") => Some(128),
        _ => None,
    };
    Ok(Logged {
        source: get(ends).parse().map_err(|_| "source")?,
        target: get(ends + 1).parse().map_err(|_| "destination")?,
        source_port: port(at, "source port")?,
        target_port: port(at + 1, "destination port")?,
        protocol,
        flags: (protocol == Protocol::Tcp).then(|| flags(get(at + 3))),
        icmp_type,
        // A rule that rejects is a block as well: whether anything was sent back is not told.
        outcome: match get(6) {
            "block" => Outcome::Unanswered,
            "reject" => Outcome::Refused,
            _ => Outcome::Unknown,
        },
        taken: false,
    })
}

fn flags(letters: &str) -> u8 {
    letters.bytes().fold(0, |flags, letter| {
        flags
            | match letter {
                b'S' => SYN,
                b'A' | b'.' => ACK,
                b'F' => FIN,
                b'R' => RST,
                b'P' => PSH,
                b'U' => URG,
                _ => 0,
            }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::super::network;
    use super::*;

    #[test]
    fn packets_of_both_versions_are_read() {
        for (line, expected) in [
            (
                "Mar  9 10:00:00 pfSense filterlog[31]: 5,,,1000000103,igb0,match,block,in,4,0x0,,49,5,0,\
                 none,6,tcp,44,203.0.113.9,198.51.100.2,40000,22,0,S,1,,1024,,mss",
                "tcp 203.0.113.9|40000 -> 198.51.100.2|22 unanswered by=tcp-syn",
            ),
            (
                "<134>1 2026-03-09T10:00:00+00:00 fw.example filterlog 31 - [meta sequenceId=\"1\"] \
                 63,,,0,igb1,match,pass,out,4,0x0,,64,5,0,DF,17,udp,61,10.0.0.5,10.0.0.9,40000,161,41",
                "udp 10.0.0.5|40000 -> 10.0.0.9|161 unknown by=udp",
            ),
            (
                "Mar  9 10:00:00 fw filterlog: 7,,,2,em0,match,block,in,6,0x00,0x0,255,TCP,6,20,\
                 2001:db8::9,2001:db8::2,40000,443,0,FPU,1,,1024,,",
                "tcp 2001:db8::9|40000 -> 2001:db8::2|443 unanswered by=tcp-xmas",
            ),
            (
                "Mar  9 10:00:00 fw filterlog: 7,,,2,em0,match,block,in,4,0x0,,49,5,0,none,1,icmp,28,\
                 203.0.113.9,198.51.100.2,request,5,0",
                "icmp 203.0.113.9 -> 198.51.100.2 unanswered by=icmp-echo",
            ),
            // The rest of a connection that the firewall has forgotten.
            (
                "Mar  9 10:00:00 fw filterlog: 7,,,2,em0,match,block,in,4,0x0,,49,5,0,none,6,tcp,40,\
                 203.0.113.9,198.51.100.2,443,50000,0,FA,1,2,1024,,",
                "tcp 203.0.113.9|443 -> 198.51.100.2|50000 unanswered initiator=unknown",
            ),
        ] {
            assert!(is_packet(line.as_bytes()), "{line}");
            assert_eq!(network(&packet(line).unwrap()).unwrap().to_string(), expected);
        }
        let answer = "x filterlog: 7,,,2,em0,match,block,in,4,0x0,,49,5,0,none,1,icmp,28,\
                      203.0.113.9,198.51.100.2,reply,5,0";
        assert_eq!(network(&packet(answer).unwrap()), None);
        assert!(!is_packet(b"Mar  9 10:00:00 fw filterlog[31]: started, and so on"));
        let broken = answer.replace("icmp,28,203", "icmp,28,x203");
        assert_eq!(packet(&broken), Err("source"));
    }
}
