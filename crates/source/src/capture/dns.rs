//! Questions of DNS in packets, unicast and multicast, as far as they enumerate: PTR and SRV.

use lapwing_event::{Activity, Address, Dns, Event, LogSource, Outcome, Record};

use super::bytes::be16;
use super::tracker::Moment;

/// The ports of DNS (RFC 1035) and of multicast DNS (RFC 6762).
const PORTS: [u16; 2] = [53, MULTICAST];
const MULTICAST: u16 = 5353;

/// Question types that enumerate: names by address and services by type, and services' places.
const PTR: u16 = 12;
const SRV: u16 = 33;

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

/// The questions of a datagram that enumerate; none where it is an answer or no DNS at all.
pub(super) fn questions(
    moment: Moment,
    (source, source_port): (Address, u16),
    (target, target_port): (Address, u16),
    payload: &[u8],
) -> Vec<Event> {
    let read = read(payload).unwrap_or_default();
    let log_source = match target_port {
        MULTICAST => LogSource::MulticastDns,
        _ => LogSource::DnsPackets,
    };
    // Each question has a place of its own, for a total order of equal times.
    let event = |(at, (name, query_type)): (usize, (String, u16))| Event {
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
            query_type: Some(query_type),
            outcome: Outcome::Unknown,
        })),
    };
    read.into_iter().enumerate().map(event).collect()
}

/// The names and types of a message's PTR and SRV questions; `None` where it is no query.
fn read(message: &[u8]) -> Option<Vec<(String, u16)>> {
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
        if matches!(query_type, PTR | SRV) {
            found.push((name, query_type));
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
        let read = read(&message(&[SSH, smb, host, srv])).unwrap();
        let told: Vec<(&str, u16)> =
            read.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        assert_eq!(
            told,
            [("_ssh._tcp.local", 12), ("_smb._tcp.local", 12), ("x._ssh._tcp.local", 33)]
        );
    }

    #[test]
    fn answers_and_damage_ask_nothing() {
        let mut answer = message(&[SSH]);
        answer[2] = 0x84;
        assert_eq!(read(&answer), None);
        assert_eq!(read(b"short"), None);
        let cut = message(&[SSH]);
        assert_eq!(read(&cut[..cut.len() - 3]), Some(Vec::new()));
        // A pointer to itself, and a message that claims more than it holds.
        assert_eq!(read(&message(&[b"\xc0\x0c\0\x0c\0\x01"])), Some(Vec::new()));
        let mut claims = message(&[SSH]);
        claims[4] = 0xff;
        assert_eq!(read(&claims).unwrap().len(), 1);
    }
}
