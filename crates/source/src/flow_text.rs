//! Flow records as text: nfdump's and Argus' CSV, SiLK's columns, goflow2's JSON.
//!
//! nfdump (`nfdump -o csv`, old and new column names), SiLK (`rwcut`) and goflow2 write one direction a
//! record; Argus (`ra -c,`) writes both.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use lapwing_event::{Address, LogSource, Protocol, Record, Timestamp};

use crate::flow::{ACK, Conversation, Direction, FIN, OneWay, PSH, Pairing, RST, SYN, URG, event};
use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, LineFormat, Lines, Problem};

fn first_line(head: &[u8]) -> &[u8] {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// Whether the input is nfdump's CSV.
pub(crate) fn is_nfdump(head: &[u8]) -> bool {
    let line = first_line(head);
    let has = |text: &[u8]| memchr::memmem::find(line, text).is_some();
    (has(b"srcAddr") && has(b"dstAddr") && has(b"firstSeen"))
        || (line.starts_with(b"ts,te,td,") && has(b",sa,da,"))
}

/// Whether the input is Argus' CSV.
pub(crate) fn is_argus(head: &[u8]) -> bool {
    let line = first_line(head);
    let has = |text: &[u8]| memchr::memmem::find(line, text).is_some();
    has(b"StartTime") && has(b"SrcAddr") && has(b"DstAddr") && has(b"State")
}

/// Whether the input is what SiLK's `rwcut` prints, with its titles.
pub(crate) fn is_silk(head: &[u8]) -> bool {
    let line = first_line(head);
    let columns = Columns::of(&String::from_utf8_lossy(line), silk_separator(line));
    ["sIP", "dIP", "sTime"].iter().all(|name| columns.0.contains_key(*name))
}

/// `rwcut` parts columns by `|`, or by what `--column-separator` names.
fn silk_separator(line: &[u8]) -> char {
    match line.iter().find(|byte| matches!(byte, b'|' | b',' | b'\t')) {
        Some(byte) => char::from(*byte),
        None => '|',
    }
}

/// Whether the input is goflow2's JSON.
pub(crate) fn is_goflow(head: &[u8]) -> bool {
    let line = first_line(head);
    let has = |text: &[u8]| memchr::memmem::find(line, text).is_some();
    line.starts_with(b"{") && has(b"\"src_addr\"") && has(b"\"time_received_ns\"")
}

/// A decoder of nfdump's CSV.
pub(crate) fn nfdump_decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Nfdump { columns: Columns::default(), pairing: Pairing::default() }))
}

/// A decoder of Argus' CSV.
pub(crate) fn argus_decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Argus { columns: Columns::default(), separator: ',' }))
}

/// A decoder of what `rwcut` prints.
pub(crate) fn silk_decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Silk {
        columns: Columns::default(),
        separator: '|',
        pairing: Pairing::default(),
    }))
}

/// A decoder of goflow2's JSON.
pub(crate) fn goflow_decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Goflow::default()))
}

/// Where each column is, by the heading.
#[derive(Default)]
pub(crate) struct Columns(HashMap<String, usize, RandomState>);

impl Columns {
    fn of(line: &str, separator: char) -> Columns {
        let names = line.split(separator).enumerate();
        Columns(names.map(|(at, name)| (name.trim().to_string(), at)).collect())
    }

    /// Columns of these names, in this order.
    pub(crate) fn named<T: AsRef<str>>(names: &[T]) -> Columns {
        let names = names.iter().enumerate();
        Columns(names.map(|(at, name)| (name.as_ref().to_string(), at)).collect())
    }

    /// The value of the first of these columns that there is and that holds anything.
    pub(crate) fn get<'l>(&self, values: &[&'l str], names: &[&str]) -> Option<&'l str> {
        let value = names.iter().find_map(|name| values.get(*self.0.get(*name)?).copied())?.trim();
        (!value.is_empty()).then_some(value)
    }
}

fn misfit(column: &'static str, offset: u64, out: &mut Decoded) {
    out.note(Problem::Malformed, "fields do not fit their names", offset, || {
        format!("{column} is missing or holds something else")
    });
}

/// Pairs a record of one direction, or says which column does not fit.
fn take(
    read: Result<(Timestamp, Conversation), &'static str>,
    offset: u64,
    pairing: &mut Pairing,
    out: &mut Decoded,
) {
    match read {
        Ok((start, flow)) => {
            let record = Record { offset, ..Record::default() };
            pairing.push(LogSource::NetFlow, OneWay { start, flow, record }, out);
        }
        Err(column) => misfit(column, offset, out),
    }
}

struct Nfdump {
    columns: Columns,
    pairing: Pairing,
}

impl LineFormat for Nfdump {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let text = String::from_utf8_lossy(line);
        if self.columns.0.is_empty() {
            self.columns = Columns::of(&text, ',');
            return;
        }
        // The statistics at the end begin with a heading of their own.
        if text.starts_with("Summary") {
            self.columns = Columns::named(&[""]);
            return;
        }
        if self.columns.0.len() == 1 {
            return;
        }
        out.records += 1;
        let values: Vec<&str> = text.split(',').collect();
        take(self.one(&values), offset, &mut self.pairing, out);
    }

    fn end(&mut self, out: &mut Decoded) {
        self.pairing.finish(LogSource::NetFlow, out);
    }
}

impl Nfdump {
    fn one(&self, values: &[&str]) -> Result<(Timestamp, Conversation), &'static str> {
        let get = |names: &[&str]| self.columns.get(values, names);
        let start = get(&["firstSeen", "ts"]).and_then(nfdump_time).ok_or("firstSeen")?;
        let protocol = get(&["proto", "pr"]).and_then(protocol).ok_or("proto")?;
        let address = |names: &[&str], column| {
            get(names).and_then(|text| text.parse::<Address>().ok()).ok_or(column)
        };
        // ICMP's type and code stand where the port does, as TYPE.CODE or as one number.
        let target = get(&["dstPort", "dp"]).unwrap_or("0");
        let (target_port, icmp_type) = match target.split_once('.') {
            Some((kind, _)) => (0, kind.parse().unwrap_or_default()),
            None => {
                let port: u16 = target.parse().map_err(|_| "dstPort")?;
                (port, (port >> 8) as u8)
            }
        };
        let number = |names: &[&str]| get(names).and_then(|text| text.parse::<u64>().ok());
        Ok((
            start,
            Conversation {
                source: address(&["srcAddr", "sa"], "srcAddr")?,
                target: address(&["dstAddr", "da"], "dstAddr")?,
                source_port: get(&["srcPort", "sp"])
                    .unwrap_or("0")
                    .parse()
                    .map_err(|_| "srcPort")?,
                target_port,
                protocol,
                icmp_type,
                there: Direction {
                    flags: get(&["flags", "flg"]).and_then(letters),
                    packets: number(&["packets", "ipkt"]),
                    bytes: number(&["bytes", "ibyt"]).unwrap_or_default(),
                },
                back: Direction::default(),
                turned: false,
                refused: false,
            },
        ))
    }
}

/// Milliseconds since the epoch, or `YYYY-MM-DD hh:mm:ss.mmm` in UTC (nfdump prints the zone of the
/// machine it runs on, which its CSV does not say).
fn nfdump_time(text: &str) -> Option<Timestamp> {
    match text.parse::<i64>() {
        Ok(millis) => millis.checked_mul(1_000_000).map(Timestamp),
        Err(_) => {
            let (day, clock) = text.split_once(' ')?;
            Timestamp::parse_rfc3339(&format!("{day}T{clock}Z"))
        }
    }
}

/// The protocol of this name or number.
#[inline]
pub(crate) fn protocol(text: impl AsRef<[u8]>) -> Option<Protocol> {
    let text = text.as_ref();
    // Nearly all are of these two.
    match text {
        b"tcp" | b"TCP" => Some(Protocol::Tcp),
        b"udp" | b"UDP" => Some(Protocol::Udp),
        _ => protocol_by_name(text),
    }
}

fn protocol_by_name(text: &[u8]) -> Option<Protocol> {
    const NAMES: [(&str, Protocol); 6] = [
        ("TCP", Protocol::Tcp),
        ("UDP", Protocol::Udp),
        ("ICMP", Protocol::Icmp),
        ("ICMP6", Protocol::Icmpv6),
        ("IPV6-ICMP", Protocol::Icmpv6),
        ("ICMPV6", Protocol::Icmpv6),
    ];
    match NAMES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes())) {
        Some((_, protocol)) => Some(*protocol),
        None => number(text).map(Protocol::from_number),
    }
}

/// A whole number.
fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Flags as letters with dots for those that are not set, or as a number.
pub(crate) fn letters(text: impl AsRef<[u8]>) -> Option<u8> {
    let text = text.as_ref();
    if let Some(number) = number(text) {
        return Some(number);
    }
    let mut flags = 0;
    for letter in text {
        flags |= match letter {
            b'F' => FIN,
            b'S' => SYN,
            b'R' => RST,
            b'P' => PSH,
            b'A' => ACK,
            b'U' => URG,
            b'.' | b'C' | b'E' | b'N' => 0,
            _ => return None,
        };
    }
    Some(flags)
}

struct Argus {
    columns: Columns,
    separator: char,
}

impl LineFormat for Argus {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let text = String::from_utf8_lossy(line);
        if self.columns.0.is_empty() {
            self.separator = if text.contains('\t') { '\t' } else { ',' };
            self.columns = Columns::of(&text, self.separator);
            return;
        }
        out.records += 1;
        let values: Vec<&str> = text.split(self.separator).collect();
        match self.one(&values) {
            Ok(Some((start, flow))) => match flow.network() {
                Some(network) => {
                    let record = Record { offset, ..Record::default() };
                    out.events.push(event(LogSource::NetFlow, start, record, network));
                }
                None => {
                    let key = "ICMP that asks nothing of anyone";
                    out.note_times(Problem::Note, key, offset, 1);
                }
            },
            Ok(None) => out.note_times(Problem::Note, "events not used", offset, 1),
            Err(column) => misfit(column, offset, out),
        }
    }

    fn end(&mut self, _: &mut Decoded) {}
}

impl Argus {
    /// Both directions of a flow; `None` for protocols without addresses and Argus' own records.
    fn one(&self, values: &[&str]) -> Result<Option<(Timestamp, Conversation)>, &'static str> {
        let get = |names: &[&str]| self.columns.get(values, names);
        let Some(protocol) = get(&["Proto"]).and_then(protocol) else { return Ok(None) };
        let start = get(&["StartTime"]).and_then(argus_time).ok_or("StartTime")?;
        let address = |column: &'static str| {
            get(&[column]).and_then(|text| text.parse::<Address>().ok()).ok_or(column)
        };
        // Hexadecimal for ICMP: the type and code.
        let port = |column: &'static str| match get(&[column]) {
            None => Ok(0),
            Some(text) => match text.strip_prefix("0x") {
                Some(hex) => u16::from_str_radix(hex, 16).map_err(|_| column),
                None => text.parse().map_err(|_| column),
            },
        };
        let state = get(&["State"]).unwrap_or_default();
        // TCP's state is the flags of both sides, SOURCE_TARGET.
        let (there, back) = match state.split_once('_') {
            Some((there, back)) => (letters(there), letters(back)),
            None => (None, None),
        };
        let total = get(&["TotPkts"]).and_then(|text| text.parse::<u64>().ok());
        let sent = get(&["SrcPkts"]).and_then(|text| text.parse::<u64>().ok());
        let bytes =
            get(&["TotBytes"]).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let sent_bytes = get(&["SrcBytes"]).and_then(|text| text.parse::<u64>().ok());
        let received = match (total, sent) {
            (Some(total), Some(sent)) => Some(total.saturating_sub(sent)),
            // Without the packets the bytes tell whether anything came back.
            _ => sent_bytes.map(|sent| u64::from(bytes > sent)),
        };
        let arrow = get(&["Dir"]).unwrap_or_default();
        let (source_port, target_port) = (port("Sport")?, port("Dport")?);
        let icmp = matches!(protocol, Protocol::Icmp | Protocol::Icmpv6);
        Ok(Some((
            start,
            Conversation {
                source: address("SrcAddr")?,
                target: address("DstAddr")?,
                source_port,
                target_port,
                protocol,
                icmp_type: if icmp { (source_port & 0xff) as u8 } else { 0 },
                there: Direction { flags: there, packets: sent, bytes: sent_bytes.unwrap_or(0) },
                back: Direction {
                    flags: back,
                    packets: received,
                    bytes: bytes.saturating_sub(sent_bytes.unwrap_or(0)),
                },
                // `?` on an arrow: Argus did not see the beginning.
                turned: arrow.contains('?') || arrow.contains("<-") && !arrow.contains("->"),
                refused: false,
            },
        )))
    }
}

/// `YYYY/MM/DD hh:mm:ss.uuuuuu`, in the zone of whoever ran `ra`, taken as UTC.
fn argus_time(text: &str) -> Option<Timestamp> {
    let (day, clock) = text.split_once(' ')?;
    Timestamp::parse_rfc3339(&format!("{}T{clock}Z", day.replace('/', "-")))
}

/// SiLK's records: <https://tools.netsa.cert.org/silk/rwcut.html>.
struct Silk {
    columns: Columns,
    separator: char,
    pairing: Pairing,
}

impl LineFormat for Silk {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let text = String::from_utf8_lossy(line);
        if self.columns.0.is_empty() {
            self.separator = silk_separator(line);
            self.columns = Columns::of(&text, self.separator);
            return;
        }
        out.records += 1;
        let values: Vec<&str> = text.split(self.separator).collect();
        take(self.one(&values), offset, &mut self.pairing, out);
    }

    fn end(&mut self, out: &mut Decoded) {
        self.pairing.finish(LogSource::NetFlow, out);
    }
}

impl Silk {
    fn one(&self, values: &[&str]) -> Result<(Timestamp, Conversation), &'static str> {
        let get = |names: &[&str]| self.columns.get(values, names);
        let protocol = get(&["protocol", "pro"]).and_then(protocol).ok_or("protocol")?;
        let start = get(&["sTime+msec", "sTime"]).and_then(silk_time).ok_or("sTime")?;
        let address = |column: &'static str| {
            get(&[column]).and_then(|text| text.parse::<Address>().ok()).ok_or(column)
        };
        let port = |column: &'static str| match get(&[column]) {
            None => Ok(0_u16),
            Some(text) => text.parse().map_err(|_| column),
        };
        let number = |name: &str| get(&[name]).and_then(|text| text.parse::<u64>().ok());
        let target_port = port("dPort")?;
        // Flags that are not set leave a blank in their place.
        let flags = match protocol {
            Protocol::Tcp => get(&["flags"]).and_then(|text| letters(text.replace(' ', ""))),
            _ => None,
        };
        let icmp_type = get(&["iType"]).and_then(|text| text.parse().ok());
        Ok((
            start,
            Conversation {
                source: address("sIP")?,
                target: address("dIP")?,
                source_port: port("sPort")?,
                target_port,
                protocol,
                icmp_type: icmp_type.unwrap_or((target_port >> 8) as u8),
                there: Direction {
                    flags,
                    packets: number("packets"),
                    bytes: number("bytes").unwrap_or_default(),
                },
                back: Direction::default(),
                turned: false,
                refused: false,
            },
        ))
    }
}

/// `YYYY/MM/DDThh:mm:ss.mmm`, in UTC unless SiLK was built for local time, or seconds since the epoch
/// (`--timestamp-format=epoch`).
fn silk_time(text: &str) -> Option<Timestamp> {
    match text.contains('/') {
        true => Timestamp::parse_rfc3339(&format!("{}Z", text.replace('/', "-"))),
        false => Timestamp::parse_decimal_seconds(text),
    }
}

#[derive(Default)]
struct Goflow {
    pairing: Pairing,
}

impl ObjectFormat for Goflow {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        take(goflow(flat), offset, &mut self.pairing, out);
    }

    fn end(&mut self, out: &mut Decoded) {
        self.pairing.finish(LogSource::NetFlow, out);
    }
}

fn goflow(flat: &Flat<'_>) -> Result<(Timestamp, Conversation), &'static str> {
    fn number<T: std::str::FromStr>(
        flat: &Flat<'_>,
        path: &'static str,
    ) -> Result<T, &'static str> {
        flat.get(path).and_then(|text| text.parse().ok()).ok_or(path)
    }
    let start = match number(flat, "time_flow_start_ns") {
        Ok(0) | Err(_) => number(flat, "time_received_ns")?,
        Ok(start) => start,
    };
    let protocol = flat.get("proto").and_then(protocol).ok_or("proto")?;
    let flags: u16 = number(flat, "tcp_flags").unwrap_or_default();
    let tcp = protocol == Protocol::Tcp;
    Ok((
        Timestamp(start),
        Conversation {
            source: number(flat, "src_addr")?,
            target: number(flat, "dst_addr")?,
            source_port: number(flat, "src_port").unwrap_or_default(),
            target_port: number(flat, "dst_port").unwrap_or_default(),
            protocol,
            icmp_type: number(flat, "icmp_type").unwrap_or_default(),
            there: Direction {
                flags: tcp.then_some((flags & 0xff) as u8),
                packets: number(flat, "packets").ok(),
                bytes: number(flat, "bytes").unwrap_or_default(),
            },
            back: Direction::default(),
            turned: false,
            refused: false,
        },
    ))
}
