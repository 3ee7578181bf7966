//! Suricata's EVE JSON: flow, dns and mdns events, and alerts of scans, which corroborate. Other alerts
//! and protocol events hold no attempt that the flow event of the same connection lacks; `netflow`
//! events tell of it once more for each direction.
//!
//! <https://docs.suricata.io/en/latest/output/eve/eve-json-format.html>

use lapwing_event::{Activity, Claim, Dns, Event, LogSource, Outcome, Protocol, Record, Timestamp};

use crate::flow::{self, Conversation, Direction};
use crate::json::{Flat, ObjectFormat, Objects};
use crate::question::query_type;
use crate::{Decoded, Decoder, Problem};

/// Whether the input begins with an EVE event.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    matches!(start.first(), Some(b'{' | b'['))
        && has(b"\"event_type\"")
        && has(b"\"timestamp\"")
        && (has(b"\"src_ip\"") || has(b"\"flow_id\"") || has(b"\"stats\""))
}

/// A decoder of JSON objects.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Eve))
}

struct Eve;

impl ObjectFormat for Eve {
    const STANDS_ALONE: bool = true;

    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        let told = match flat.get("event_type") {
            Some("flow") => flow_event(flat, offset).map(Vec::from_iter),
            Some("dns") => questions(flat, "dns", offset),
            Some("mdns") => questions(flat, "mdns", offset),
            Some("alert") => alert_event(flat, offset).map(Vec::from_iter),
            Some("anomaly") => return out.note_times(Problem::Note, "anomalies", offset, 1),
            _ => return out.note_times(Problem::Note, "events not used", offset, 1),
        };
        match told {
            Ok(events) if !events.is_empty() => out.events.extend(events),
            Ok(_) => out.note_times(Problem::Note, "events that ask nothing", offset, 1),
            Err(field) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    format!("{field} is missing or holds something else")
                });
            }
        }
    }
}

fn number<T: std::str::FromStr>(flat: &Flat<'_>, path: &'static str) -> Result<T, &'static str> {
    flat.get(path).and_then(|text| text.parse().ok()).ok_or(path)
}

/// Suricata writes the zone as `+0000`, without the colon of RFC 3339.
fn time(text: &str) -> Option<Timestamp> {
    let at = text.len().checked_sub(5)?;
    let (clock, zone) = (text.get(..at)?, text.get(at..)?);
    match zone.starts_with(['+', '-']) && zone[1..].bytes().all(|b| b.is_ascii_digit()) {
        true => Timestamp::parse_rfc3339(&format!("{clock}{}:{}", &zone[..3], &zone[3..])),
        false => Timestamp::parse_rfc3339(text),
    }
}

fn flow_event(flat: &Flat<'_>, offset: u64) -> Result<Option<Event>, &'static str> {
    let protocol = match flat.get("proto").ok_or("proto")? {
        "TCP" | "tcp" | "006" => Protocol::Tcp,
        "UDP" | "udp" | "017" => Protocol::Udp,
        "ICMP" | "icmp" => Protocol::Icmp,
        "IPv6-ICMP" | "IPV6-ICMP" => Protocol::Icmpv6,
        _ => return Ok(None),
    };
    let flags = |path: &str| flat.get(path).and_then(|text| u8::from_str_radix(text, 16).ok());
    let direction = |flags, packets: &'static str, bytes: &'static str| Direction {
        flags,
        packets: number(flat, packets).ok(),
        bytes: number(flat, bytes).unwrap_or_default(),
    };
    let port = |path: &'static str| match flat.get(path) {
        None => Ok(0),
        Some(_) => number(flat, path),
    };
    let conversation = Conversation {
        source: number(flat, "src_ip")?,
        target: number(flat, "dest_ip")?,
        source_port: port("src_port")?,
        target_port: port("dest_port")?,
        protocol,
        icmp_type: number(flat, "icmp_type").unwrap_or_default(),
        there: direction(flags("tcp.tcp_flags_ts"), "flow.pkts_toserver", "flow.bytes_toserver"),
        back: direction(flags("tcp.tcp_flags_tc"), "flow.pkts_toclient", "flow.bytes_toclient"),
        turned: false,
        refused: false,
    };
    // A flow event is written when the flow ends, with its beginning inside.
    let began = flat.first(&["flow.start", "timestamp"]).and_then(time).ok_or("flow.start")?;
    let record = Record { offset, ..Record::default() };
    let network = conversation.network();
    Ok(network.map(|network| flow::event(LogSource::SuricataFlow, began, record, network)))
}

/// How many questions of one event are read, as of one message in packets: those of multicast DNS may be
/// a few dozen.
const MAX_QUESTIONS: usize = 256;

/// The questions of an event, whose object has this name (`dns`, or `mdns` from version 8 on). Versions 1
/// and 2 have one record for the question and one for each answer, version 3 has lists, and so have mdns
/// events, whose types are small: `"mdns":{"type":"request","id":0,"opcode":0,"rcode":0,"queries":[{"rrname":
/// "_ssh._tcp.local","rrtype":"ptr"}]}` (rust/src/mdns/log.rs of Suricata 8).
fn questions(flat: &Flat<'_>, of: &str, offset: u64) -> Result<Vec<Event>, &'static str> {
    let get = |key: &str| flat.get(&format!("{of}.{key}"));
    if !matches!(get("type"), Some("query" | "request")) {
        return Ok(Vec::new());
    }
    let asked = |list: &str| Some((get(&format!("{list}rrname"))?, get(&format!("{list}rrtype"))));
    let several = (0..MAX_QUESTIONS).map_while(|at| asked(&format!("queries.{at}.")));
    let questions: Vec<(&str, Option<&str>)> = match asked("") {
        Some(one) => vec![one],
        None => several.collect(),
    };
    let time = flat.get("timestamp").and_then(time).ok_or("timestamp")?;
    let (source, target) = (number(flat, "src_ip")?, number(flat, "dest_ip")?);
    // Each question has a place of its own, for a total order of equal times.
    let event = |(at, (name, kind)): (usize, (&str, Option<&str>))| Event {
        time,
        record: Record { offset: offset + at as u64, ..Record::default() },
        log_source: LogSource::SuricataDns,
        actor: None,
        activity: Activity::Dns(Box::new(Dns {
            source,
            target,
            source_port: number(flat, "src_port").unwrap_or_default(),
            target_port: number(flat, "dest_port").unwrap_or_default(),
            name: name.trim_end_matches('.').into(),
            query_type: kind.and_then(query_type),
            outcome: Outcome::Unknown,
        })),
    };
    Ok(questions.into_iter().enumerate().map(event).collect())
}

/// An alert whose signature is of a ruleset's class of scans (Emerging Threats, and Snort's old GPL
/// rules): `ET SCAN Potential SSH Scan`.
fn alert_event(flat: &Flat<'_>, offset: u64) -> Result<Option<Event>, &'static str> {
    let signature = flat.get("alert.signature").ok_or("alert.signature")?;
    let of_scans = ["ET SCAN ", "ETPRO SCAN ", "GPL SCAN "];
    if !of_scans.iter().any(|class| signature.starts_with(class)) {
        return Ok(None);
    }
    // The packet that an alert is about may be the answer; the flow has its sides in order.
    let (source, target) = match flat.get("flow.src_ip") {
        Some(_) => (number(flat, "flow.src_ip")?, number(flat, "flow.dest_ip")?),
        None => (number(flat, "src_ip")?, number(flat, "dest_ip")?),
    };
    Ok(Some(Event {
        time: flat.get("timestamp").and_then(time).ok_or("timestamp")?,
        record: Record { offset, ..Record::default() },
        log_source: LogSource::SuricataAlert,
        actor: None,
        activity: Activity::Claim(Box::new(Claim { source, target, text: signature.into() })),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_of_a_scan_is_a_claim_of_its_flows_beginner() {
        let told = |more: &str| {
            let line = format!(
                r#"{{"timestamp":"2026-03-08T03:49:25.5+0000","event_type":"alert","src_ip":"10.0.0.2","dest_ip":"10.0.0.1",{more}}}"#
            );
            let mut out = Decoded::default();
            let mut decoder = decoder();
            let done = decoder.decode(line.as_bytes(), &mut out);
            decoder.finish(&line.as_bytes()[done..], &mut out);
            out.events.iter().map(|event| event.activity.clone()).next()
        };
        let scan = r#""alert":{"signature":"ET SCAN Potential SSH Scan"}"#;
        let Some(Activity::Claim(claim)) = told(scan) else { unreachable!() };
        assert_eq!((claim.source, claim.target), ([10, 0, 0, 2].into(), [10, 0, 0, 1].into()));
        let flow = format!(r#"{scan},"flow":{{"src_ip":"10.0.0.1","dest_ip":"10.0.0.2"}}"#);
        let Some(Activity::Claim(claim)) = told(&flow) else { unreachable!() };
        assert_eq!(claim.to_string(), "10.0.0.1 -> 10.0.0.2 \"ET SCAN Potential SSH Scan\"");
        assert_eq!(told(&scan.replace("ET SCAN", "ET POLICY")), None);
    }

    #[test]
    fn zones_without_a_colon_are_read() {
        let expected = Timestamp::parse_rfc3339("2026-03-08T03:49:25.550610Z");
        assert!(expected.is_some());
        assert_eq!(time("2026-03-08T03:49:25.550610+0000"), expected);
        assert_eq!(time("2026-03-08T05:49:25.550610+0200"), expected);
        assert_eq!(time("2026-03-08T03:49:25.550610Z"), expected);
        assert_eq!(time("now"), None);
    }
}
