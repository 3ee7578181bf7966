//! Google Cloud's VPC flow logs, as Cloud Logging exports them.
//!
//! About one packet in thirty is sampled, and the counts are estimates from that; both ends report a
//! flow, and the answer is a record of its own. Ingress that a firewall denied is never logged. So
//! silence says nothing, and of most flows the outcome is not known.
//!
//! <https://cloud.google.com/vpc/docs/about-flow-logs-records>

use lapwing_event::{Actor, Address, LogSource, Protocol, Record, Timestamp};

use super::holders::{self, Holders};
use crate::flow::{Conversation, Direction, OneWay, Pairing};
use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, Problem};

/// How many packets stand for one that was sampled.
const SAMPLED: u64 = 30;

/// Whether the input is a flow log of Google Cloud.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    matches!(start.first(), Some(b'{' | b'['))
        && has(b"\"jsonPayload\"")
        && has(b"\"connection\"")
        && has(b"\"src_ip\"")
}

/// A decoder of log entries.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Entries { pairing: Pairing::of_sample(), holders: Holders::default() }))
}

struct Entries {
    pairing: Pairing,
    holders: Holders,
}

impl ObjectFormat for Entries {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        if !flat.has("jsonPayload.connection.") {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        }
        match record(flat) {
            Ok((start, flow)) => {
                let record = Record { offset, ..Record::default() };
                for (side, address) in [("src", flow.source), ("dest", flow.target)] {
                    let told = holder(flat, side).and_then(|actor| {
                        self.holders.tell(LogSource::GcpFlow, address, actor, start, record)
                    });
                    out.events.extend(told);
                }
                self.pairing.push(LogSource::GcpFlow, OneWay { start, flow, record }, out);
            }
            Err(path) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    format!("{path} is missing or holds something else")
                });
            }
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.pairing.finish(LogSource::GcpFlow, out);
    }
}

/// Whose the address of one side (`src`, `dest`) is: a pod's in GKE, else an instance's; told where it
/// lies in networks of the project.
fn holder(flat: &Flat<'_>, side: &str) -> Option<Actor> {
    let get = |key: &str| flat.get(&format!("jsonPayload.{side}_{key}"));
    let machine = get("instance.vm_name");
    match get("gke_details.pod.pod_name") {
        Some(name) => Some(holders::pod(machine, get("gke_details.pod.pod_namespace"), name)),
        None => machine.map(holders::machine),
    }
}

fn record(flat: &Flat<'_>) -> Result<(Timestamp, Conversation), &'static str> {
    let get = |key: &str| flat.get(&format!("jsonPayload.{key}"));
    let address =
        |key: &'static str| get(key).and_then(|text| text.parse::<Address>().ok()).ok_or(key);
    let port = |key: &'static str| match get(key) {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| key),
    };
    let number = |key: &str| get(key).and_then(|text| text.parse::<u64>().ok());
    let protocol: u8 = number("connection.protocol")
        .and_then(|number| number.try_into().ok())
        .ok_or("connection.protocol")?;
    let protocol = Protocol::from_number(protocol);
    let start = get("start_time").or_else(|| flat.get("timestamp"));
    let flow = Conversation {
        source: address("connection.src_ip")?,
        target: address("connection.dest_ip")?,
        source_port: port("connection.src_port")?,
        target_port: port("connection.dest_port")?,
        protocol,
        icmp_type: if protocol == Protocol::Icmpv6 { 128 } else { 8 },
        there: Direction {
            flags: None,
            packets: number("packets_sent").map(|packets| (packets / SAMPLED).max(1)),
            bytes: number("bytes_sent").unwrap_or_default(),
        },
        back: Direction::default(),
        turned: false,
        refused: false,
    };
    Ok((start.and_then(Timestamp::parse_rfc3339).ok_or("start_time")?, flow))
}
