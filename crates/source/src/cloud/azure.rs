//! Azure's flow logs: network security groups (versions 1 and 2) and virtual networks (version 4).
//!
//! A tuple of text tells one state of a flow: it begins, goes on, ends, or is denied. The two kinds
//! differ in their clocks (seconds, milliseconds) and in how they write protocols. Both ends of a
//! flow are told of where both lie in watched networks.
//!
//! <https://learn.microsoft.com/azure/network-watcher/nsg-flow-logs-overview#log-format>,
//! <https://learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview#log-format>

use lapwing_event::{Address, LogSource, Protocol, Record, Timestamp};

use crate::flow::{Conversation, Direction, Gathering, Piece};
use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, Problem};

/// Whether the input is a flow log of either kind.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    matches!(start.first(), Some(b'{' | b'['))
        && (has(b"NetworkSecurityGroupFlowEvent") || has(b"FlowLogFlowEvent"))
        && has(b"\"category\"")
}

/// A decoder of either kind.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(FlowLog { gathering: Gathering::default() }))
}

struct FlowLog {
    gathering: Gathering,
}

impl ObjectFormat for FlowLog {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        let mut tuples = 0_u64;
        for (path, text) in flat.under("") {
            if !path.contains(".flowTuples.") {
                continue;
            }
            let parts: Vec<&str> = text.split(',').map(str::trim).collect();
            let read = match path.starts_with("flowRecords.") {
                true => virtual_network(&parts),
                false => security_group(&parts),
            };
            match read {
                Ok((time, flow)) => {
                    // Each tuple has a place of its own, for a total order of equal times.
                    let record = Record { offset: offset + tuples, ..Record::default() };
                    let piece = Piece { time, flow, record, actor: None };
                    self.gathering.push(LogSource::AzureFlow, piece, out);
                }
                Err(what) => {
                    out.note(Problem::Malformed, "flow tuple does not fit", offset, || {
                        format!("{what} is missing or holds something else in {text:?}")
                    });
                }
            }
            tuples += 1;
        }
        // The object is one record already.
        out.records += tuples.saturating_sub(1);
    }

    fn end(&mut self, out: &mut Decoded) {
        self.gathering.finish(LogSource::AzureFlow, out);
    }
}

/// `1772442847,10.1.0.4,10.1.0.9,50211,445,T,O,A` and, in version 2, `,B,packets,bytes,packets,bytes`:
/// the first two from the source, the last two to it, all empty where a flow begins.
fn security_group(parts: &[&str]) -> Result<(Timestamp, Conversation), &'static str> {
    let seconds = parts.first().and_then(|text| text.parse().ok());
    let time = seconds.and_then(Timestamp::from_seconds).ok_or("the time")?;
    let protocol = match parts.get(5) {
        Some(&"T") => Protocol::Tcp,
        Some(&"U") => Protocol::Udp,
        Some(&"I") => Protocol::Icmp,
        _ => return Err("the protocol"),
    };
    let refused = match parts.get(7) {
        Some(&"A") => false,
        Some(&"D") => true,
        _ => return Err("the decision"),
    };
    // Version 1 tells of decisions alone, and of no answer.
    let counts = parts.get(9..13).unwrap_or_default();
    Ok((time, conversation(parts, protocol, refused, counts)?))
}

/// `1772442847551,10.1.0.4,10.1.0.9,50211,445,6,O,B,NX,packets,bytes,packets,bytes`.
fn virtual_network(parts: &[&str]) -> Result<(Timestamp, Conversation), &'static str> {
    let millis: Option<i64> = parts.first().and_then(|text| text.parse().ok());
    let time = millis.and_then(|millis| millis.checked_mul(1_000_000)).map(Timestamp);
    let protocol = parts.get(5).and_then(|text| text.parse().ok()).ok_or("the protocol")?;
    let refused = match parts.get(7) {
        Some(&"D") => true,
        Some(&("B" | "C" | "E")) => false,
        _ => return Err("the state"),
    };
    let counts = match parts.get(7) {
        Some(&("C" | "E")) => parts.get(9..13).unwrap_or_default(),
        _ => &[],
    };
    let protocol = Protocol::from_number(protocol);
    Ok((time.ok_or("the time")?, conversation(parts, protocol, refused, counts)?))
}

fn conversation(
    parts: &[&str],
    protocol: Protocol,
    refused: bool,
    counts: &[&str],
) -> Result<Conversation, &'static str> {
    let address =
        |at: usize| parts.get(at).and_then(|text| text.parse::<Address>().ok()).ok_or("an address");
    let port = |at: usize| match parts.get(at) {
        Some(text) if !text.is_empty() => text.parse().map_err(|_| "a port"),
        _ => Ok(0),
    };
    let direction = |at: usize| Direction {
        flags: None,
        packets: counts.get(at).and_then(|text| text.parse().ok()),
        bytes: counts.get(at + 1).and_then(|text| text.parse().ok()).unwrap_or_default(),
    };
    Ok(Conversation {
        source: address(1)?,
        target: address(2)?,
        source_port: port(3)?,
        target_port: port(4)?,
        protocol,
        icmp_type: if protocol == Protocol::Icmpv6 { 128 } else { 8 },
        there: direction(0),
        back: direction(2),
        turned: false,
        refused,
    })
}
