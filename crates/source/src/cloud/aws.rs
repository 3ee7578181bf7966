//! AWS VPC flow logs, versions 2 to 8: text with or without its heading line, columns in any order,
//! parted by blanks or commas; and CloudWatch's JSON, which holds one line a message.
//!
//! A record is one direction of what one network interface saw in a window of up to ten minutes.
//! Both interfaces of a conversation have records, each for both directions; a security group's
//! REJECT is told at the target. `ACCEPT` says that a packet was let through, not that it was
//! answered.
//!
//! <https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>

use lapwing_event::{Address, Event, LogSource, Protocol, Record, Timestamp};

use super::holders::{self, Holders};
use crate::flow::{ACK, Conversation, Direction, FIN, OneWay, PSH, Pairing, RST, SYN};
use crate::flow_text::Columns;
use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, LineFormat, Lines, Problem};

/// The columns of version 2, which lines without a heading begin with.
const DEFAULT: [&str; 14] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
];

/// Whether the input is a flow log as text.
pub(crate) fn is_text(head: &[u8]) -> bool {
    let head = crate::json::start(head);
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    is_heading(&line) || default_columns(&parts(&line)).is_some()
}

/// Whether the input is CloudWatch's JSON of a flow log.
pub(crate) fn is_json(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let message = memchr::memmem::find(head, b"\"message\"").map(|at| &head[at..]);
    let has = |key: &[u8]| {
        message.is_some_and(|rest| {
            let rest = &rest[..rest.len().min(512)];
            memchr::memmem::find(rest, key).is_some()
        })
    };
    matches!(start.first(), Some(b'{' | b'['))
        && has(b" eni-")
        && (has(b" OK") || has(b" NODATA") || has(b" SKIPDATA"))
}

/// A decoder of text.
pub(crate) fn text_decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Rows::default()))
}

/// A decoder of CloudWatch's JSON.
pub(crate) fn json_decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Messages { rows: Rows::default() }))
}

/// Whether a column of this name is read; Parquet's names have underscores.
pub(crate) fn is_read(name: &str) -> bool {
    let name = name.replace('_', "-");
    let more = ["pkt-srcaddr", "pkt-dstaddr", "tcp-flags", "instance-id", "flow-direction"];
    DEFAULT.contains(&name.as_str()) || more.contains(&name.as_str())
}

fn is_heading(line: &str) -> bool {
    let names: Vec<String> = parts(line).iter().map(|name| name.replace('_', "-")).collect();
    ["srcaddr", "dstaddr"].iter().all(|name| names.iter().any(|known| known == name))
}

fn parts(line: &str) -> Vec<&str> {
    match line.contains(',') {
        true => line.split(',').map(|value| value.trim().trim_matches('"')).collect(),
        false => line.split_ascii_whitespace().collect(),
    }
}

/// The default columns, where a line without a heading has them.
fn default_columns(values: &[&str]) -> Option<Columns> {
    let status = matches!(values.get(13), Some(&("OK" | "NODATA" | "SKIPDATA")));
    let action = matches!(values.get(12), Some(&("ACCEPT" | "REJECT" | "-")));
    // A heading tells of any other number; version 7's additions come last.
    (status && action && values.first()?.parse::<u8>().is_ok()).then(|| Columns::named(&DEFAULT))
}

/// Reads rows, and pairs them.
#[derive(Default)]
pub(crate) struct Rows {
    columns: Option<Columns>,
    /// How many columns the heading names; `None` where there is no heading.
    named: Option<usize>,
    pairing: Pairing,
    holders: Holders,
}

struct Messages {
    rows: Rows,
}

impl LineFormat for Rows {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let text = String::from_utf8_lossy(line);
        // Files that were put together have the heading again.
        if is_heading(&text) {
            let names: Vec<String> =
                parts(&text).iter().map(|name| name.replace('_', "-")).collect();
            let pairing = std::mem::take(&mut self.pairing);
            *self = Rows { pairing, ..Rows::of(names) };
            return;
        }
        out.records += 1;
        self.row(&parts(&text), offset, out);
    }

    fn end(&mut self, out: &mut Decoded) {
        self.finish(out);
    }
}

impl ObjectFormat for Messages {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        let batch = flat.under("logEvents.").filter(|(path, _)| path.ends_with(".message"));
        let mut messages: Vec<&str> = batch.map(|(_, message)| message).collect();
        messages.extend(flat.get("message"));
        if messages.is_empty() {
            out.note_times(Problem::Note, "objects without a flow log's message", offset, 1);
        }
        out.records += messages.len().saturating_sub(1) as u64;
        for (at, message) in messages.into_iter().enumerate() {
            self.rows.row(&parts(message), offset + at as u64, out);
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.rows.finish(out);
    }
}

impl Rows {
    /// For rows of these columns.
    pub(crate) fn of(names: Vec<String>) -> Rows {
        let named = Some(names.len());
        Rows { columns: Some(Columns::named(&names)), named, ..Rows::default() }
    }

    /// Gives out what is still held.
    pub(crate) fn finish(&mut self, out: &mut Decoded) {
        self.pairing.finish(LogSource::AwsVpcFlow, out);
    }

    /// Takes the values of one row.
    pub(crate) fn row(&mut self, values: &[&str], offset: u64, out: &mut Decoded) {
        if self.named.is_some_and(|named| named != values.len()) {
            return out.note(Problem::Malformed, "columns do not fit the heading", offset, || {
                let named = self.named.unwrap_or_default();
                format!("expected {named} columns, found {}", values.len())
            });
        }
        if self.named.is_none() {
            self.columns = default_columns(values);
        }
        let Some(columns) = &self.columns else {
            return out.note(Problem::Unsupported, "columns without a heading", offset, || {
                format!(
                    "found {} columns that are not the default ones; put the flow log's format \
                     before them as a heading line (version account-id …)",
                    values.len()
                )
            });
        };
        match columns.get(values, &["log-status"]) {
            Some("NODATA") => {
                return out.note_times(Problem::Note, "windows without traffic", offset, 1);
            }
            Some("SKIPDATA") => {
                let key = "windows whose records AWS left out (SKIPDATA)";
                return out.note_times(Problem::Gap, key, offset, 1);
            }
            _ => {}
        }
        match conversation(columns, values) {
            Ok((start, flow)) => {
                let record = Record { offset, ..Record::default() };
                out.events.extend(holder(columns, values, &mut self.holders, start, record));
                let one = OneWay { start, flow, record };
                self.pairing.push(LogSource::AwsVpcFlow, one, out);
            }
            Err(column) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    format!("{column} is missing or holds something else")
                });
            }
        }
    }
}

/// Whose interface the record is of, where it or those before it tell which side that is.
///
/// `srcaddr` and `dstaddr` hold the interface's own address, whatever the packets' were; both are
/// others' at a gateway alone, which then has no side that all its records share.
fn holder(
    columns: &Columns,
    values: &[&str],
    holders: &mut Holders,
    start: Timestamp,
    record: Record,
) -> Option<Event> {
    let get = |name: &str| columns.get(values, &[name]).filter(|value| *value != "-");
    let address = |name: &str| get(name).and_then(|text| text.parse::<Address>().ok());
    let interface = get("interface-id")?;
    let (source, target) = (address("srcaddr")?, address("dstaddr")?);
    let (own, since) = match get("flow-direction") {
        Some("egress") => (source, start),
        Some("ingress") => (target, start),
        _ => holders.own_side(interface, source, target, start)?,
    };
    let actor = holders::machine(get("instance-id").unwrap_or(interface));
    holders.tell(LogSource::AwsVpcFlow, own, actor, since, record)
}

fn conversation(
    columns: &Columns,
    values: &[&str],
) -> Result<(Timestamp, Conversation), &'static str> {
    let get = |name: &str| columns.get(values, &[name]).filter(|value| *value != "-");
    // The packet's own addresses, where the interface is a gateway between.
    let address = |names: [&str; 2], column| {
        let told = names.into_iter().find_map(get).ok_or(column)?;
        told.parse::<Address>().map_err(|_| column)
    };
    let port = |name: &'static str| match get(name) {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| name),
    };
    let number = |name: &str| get(name).and_then(|text| text.parse::<u64>().ok());
    let protocol = get("protocol").and_then(|text| text.parse().ok()).ok_or("protocol")?;
    let protocol = Protocol::from_number(protocol);
    let start = get("start").and_then(|text| text.parse().ok()).and_then(Timestamp::from_seconds);
    let told = get("tcp-flags").and_then(|text| text.parse().ok());
    let there = direction(protocol, told, number("packets"), number("bytes"));
    let flow = Conversation {
        source: address(["pkt-srcaddr", "srcaddr"], "srcaddr")?,
        target: address(["pkt-dstaddr", "dstaddr"], "dstaddr")?,
        source_port: port("srcport")?,
        target_port: port("dstport")?,
        protocol,
        // Its type is not told: an echo request is the commonest that is let through and answered.
        icmp_type: if matches!(protocol, Protocol::Icmpv6) { 128 } else { 8 },
        there,
        back: Direction::default(),
        turned: false,
        refused: get("action") == Some("REJECT"),
    };
    Ok((start.ok_or("start")?, flow))
}

/// One direction of a record. Of TCP's flags AWS tells SYN, SYN with ACK, FIN and RST, all of a window
/// together, and neither ACK alone nor PSH: what is left out follows from the packets.
pub(crate) fn direction(
    protocol: Protocol,
    told: Option<u8>,
    packets: Option<u64>,
    bytes: Option<u64>,
) -> Direction {
    let mut direction = Direction { flags: None, packets, bytes: bytes.unwrap_or_default() };
    if protocol == Protocol::Tcp {
        let payload = direction.has_payload();
        direction.flags = told.map(|flags| {
            // SYN without ACK tells who began, so that ACK is not added there; without a SYN it is the
            // rest of a connection.
            let rest = if flags & SYN != 0 { 0 } else { ACK };
            flags & (FIN | SYN | RST | ACK) | rest | if payload { PSH } else { 0 }
        });
    }
    direction
}
