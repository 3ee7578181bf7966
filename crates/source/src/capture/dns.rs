//! Questions in packets as far as they enumerate: of DNS, unicast and multicast, for names by address and
//! for services; of LLMNR and NBNS for hosts; of SSDP and WS-Discovery for devices and services.

use lapwing_event::{Activity, Address, Dns, Event, LogSource, Outcome, Record};

use super::bytes::be16;
use super::discovery::{NBNS, SSDP, WS_DISCOVERY, netbios_name, probed_types, search_target};
use super::tracker::Moment;

/// The ports of questions.
const PORTS: [u16; 6] = [UNICAST, NBNS, SSDP, WS_DISCOVERY, MULTICAST, LLMNR];
/// DNS (RFC 1035).
const UNICAST: u16 = 53;
/// Multicast DNS (RFC 6762).
const MULTICAST: u16 = 5353;
/// LLMNR (RFC 4795).
const LLMNR: u16 = 5355;

/// Question types: a host's addresses, names by address and services by type, services' places, all.
const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const ANY: u16 = 255;
/// A NetBIOS name (RFC 1002 section 4.2.1.2).
const NETBIOS_NAME: u16 = 32;

/// How many questions of one message are read: an mDNS message of 9,000 bytes (RFC 6762 section 17)
/// holds some hundreds, one that asks for every type that there is a few dozen.
const MAX_QUESTIONS: u16 = 256;

/// How many pointers of a compressed name are followed: each must lead back, so that a name of 127
/// labels (RFC 1035 section 2.3.4) needs no more.
const MAX_POINTERS: usize = 127;

/// The longest name, in bytes (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;

/// Whether a datagram to this port may hold questions.
pub(super) fn is_asked(target_port: u16) -> bool {
    PORTS.contains(&target_port)
}

/// The questions of a datagram that enumerate; none where it is an answer, or of another protocol than
/// its port says.
pub(super) fn questions(
    moment: Moment,
    (source, source_port): (Address, u16),
    (target, target_port): (Address, u16),
    payload: &[u8],
) -> Vec<Event> {
    let read = match target_port {
        SSDP => search_target(payload).map(|target| vec![(target, None)]),
        WS_DISCOVERY => {
            probed_types(payload).map(|types| types.into_iter().map(|name| (name, None)).collect())
        }
        port => read(payload, port),
    };
    let log_source = match target_port {
        UNICAST => LogSource::DnsPackets,
        MULTICAST => LogSource::MulticastDns,
        _ => LogSource::DiscoveryPackets,
    };
    // Each question has a place of its own, for a total order of equal times.
    let event = |(at, (name, query_type)): (usize, (String, Option<u16>))| Event {
        time: moment.time,
        record: Record { offset: moment.offset + at as u64, ..Record::default() },
        log_source,
        actor: None,
        activity: Activity::Dns(Box::new(Dns {
            source,
            target,
            source_port,
            target_port,
            name: name.into(),
            query_type,
            outcome: Outcome::Unknown,
        })),
    };
    read.unwrap_or_default().into_iter().enumerate().map(event).collect()
}

/// Whether a question of this type enumerates, asked at this port: names and services by DNS, host names
/// by LLMNR and NBNS. A NetBIOS status query (type 33) asks one host for all of its names: who sends it
/// to many shows by their addresses.
fn enumerates(query_type: u16, port: u16) -> bool {
    match port {
        NBNS => query_type == NETBIOS_NAME,
        LLMNR => matches!(query_type, A | PTR | AAAA | ANY),
        _ => matches!(query_type, PTR | SRV),
    }
}

/// The names and types of the questions of a message in DNS' form that enumerate; `None` where it is no
/// query.
fn read(message: &[u8], port: u16) -> Option<Vec<(String, Option<u16>)>> {
    let flags = be16(message, 2)?;
    // A response, or another operation than a query (RFC 1035 section 4.1.1).
    if flags & 0xf800 != 0 {
        return None;
    }
    let count = be16(message, 4)?.min(MAX_QUESTIONS);
    let mut at = 12;
    let mut found = Vec::new();
    for _ in 0..count {
        let Some((name, end)) = name(message, at) else { break };
        let Some(query_type) = be16(message, end) else { break };
        at = end + 4;
        // The class's first bit asks for an answer to the asker alone (RFC 6762 section 5.4).
        if be16(message, end + 2).is_none_or(|class| class & 0x7fff != 1) {
            continue;
        }
        let name = if port == NBNS { netbios_name(&name) } else { Some(name) };
        if let Some(name) = name.filter(|_| enumerates(query_type, port)) {
            found.push((name, Some(query_type)));
        }
    }
    Some(found)
}

/// The name that begins here, and where what follows it begins.
fn name(message: &[u8], start: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = start;
    let mut end = None;
    for _ in 0..=MAX_POINTERS {
        let length = usize::from(*message.get(at)?);
        match length >> 6 {
            0 if length == 0 => return Some((name, end.unwrap_or(at + 1))),
            0 => {
                let label = message.get(at + 1..at + 1 + length)?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(&String::from_utf8_lossy(label));
                at += 1 + length;
                if name.len() > MAX_NAME {
                    return None;
                }
            }
            3 => {
                let to = usize::from(be16(message, at)? & 0x3fff);
                end = end.or(Some(at + 2));
                if to >= at {
                    return None;
                }
                at = to;
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::*;

    fn message(questions: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; 12];
        bytes[5] = questions.len() as u8;
        questions.iter().for_each(|question| bytes.extend_from_slice(question));
        bytes
    }

    const SSH: &[u8] = b"\x04_ssh\x04_tcp\x05local\0\0\x0c\x80\x01";

    #[test]
    fn questions_are_read_with_compressed_names() {
        // The second's last two labels lie in the first, at 12 + 5.
        let smb = b"\x04_smb\xc0\x11\0\x0c\0\x01";
        let host = b"\x04host\xc0\x16\0\x01\0\x01";
        let srv = b"\x01x\xc0\x0c\0\x21\0\x01";
        let read = read(&message(&[SSH, smb, host, srv]), MULTICAST).unwrap();
        let told: Vec<(&str, u16)> =
            read.iter().map(|(name, kind)| (name.as_str(), kind.unwrap())).collect();
        assert_eq!(
            told,
            [("_ssh._tcp.local", 12), ("_smb._tcp.local", 12), ("x._ssh._tcp.local", 33)]
        );
    }

    #[test]
    fn answers_and_damage_ask_nothing() {
        let mut answer = message(&[SSH]);
        answer[2] = 0x84;
        assert_eq!(read(&answer, MULTICAST), None);
        assert_eq!(read(b"short", MULTICAST), None);
        let cut = message(&[SSH]);
        assert_eq!(read(&cut[..cut.len() - 3], MULTICAST), Some(Vec::new()));
        // A pointer to itself, and a message that claims more than it holds.
        assert_eq!(read(&message(&[b"\xc0\x0c\0\x0c\0\x01"]), MULTICAST), Some(Vec::new()));
        let mut claims = message(&[SSH]);
        claims[4] = 0xff;
        assert_eq!(read(&claims, MULTICAST).unwrap().len(), 1);
    }

    #[test]
    fn each_protocol_asks_for_its_own() {
        let host = b"\x04host\0\0\x01\0\x01";
        let netbios = b"\x20EGEJEMEFFDEFFCFGEFFCCACACACACACA\0\0\x20\0\x01";
        let status = b"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01";
        let told = |port: u16| -> Vec<String> {
            let read = read(&message(&[host, netbios, status, SSH]), port).unwrap();
            read.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(told(LLMNR), ["host", "_ssh._tcp.local"]);
        assert_eq!(told(NBNS), ["FILESERVER<20>"]);
        let status_name = "CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(told(UNICAST), [status_name, "_ssh._tcp.local"]);
    }
}
