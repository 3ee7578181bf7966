//! Flow records as a table with a heading, whatever wrote it: columns are known by the names that
//! collectors, databases and data sets give them.
//!
//! Where a row tells of both directions (packets or bytes that came back, Zeek's conn_state) it is a
//! conversation; else it is one direction, and its reply is looked for among the other rows.

use lapwing_event::{Address, Initiator, LogSource, Network, Protocol, Record, Timestamp};

use crate::flow::{Conversation, Direction, OneWay, Pairing, event};
use crate::flow_text::{letters, protocol};
use crate::{Decoded, Decoder, LineFormat, Lines, Problem, words, zeek};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Time,
    Source,
    Target,
    SourcePort,
    TargetPort,
    Protocol,
    State,
    Flags,
    Packets,
    PacketsBack,
    Bytes,
    BytesBack,
    Action,
}

/// How many kinds of [`Field`] there are.
const FIELDS: usize = 13;

/// The names of each column, as lowercase letters and digits alone: Zeek's, Argus', nfdump's, those of
/// CICFlowMeter and of UNSW-NB15, of ECS, of Splunk's CIM, of NetFlow's and IPFIX's elements.
const NAMES: [(Field, &str); FIELDS] = [
    (
        Field::Time,
        "ts time timestamp starttime start stime firstseen datefirstseen tsfirst \
         eventtime datetime flowstart flowstartmilliseconds flowstartseconds eventstart \
         timegenerated timestart",
    ),
    (
        Field::Source,
        "src srcip sourceip srcaddr sourceaddress saddr sa sip ipsrc idorigh srcipaddr \
         sourceipaddress sourceipv4address ipv4srcaddr origh srchost clientip",
    ),
    (
        Field::Target,
        "dst dstip dest destip destinationip dstaddr destinationaddress daddr da dip \
         ipdst idresph dstipaddr destinationipaddress destinationipv4address ipv4dstaddr \
         resph dsthost serverip",
    ),
    (
        Field::SourcePort,
        "sport srcport sourceport spt sp srcpt idorigp origp l4srcport \
         sourcetransportport clientport",
    ),
    (
        Field::TargetPort,
        "dport dstport destport destinationport dpt dp dstpt dsport idrespp respp \
         l4dstport destinationtransportport serverport",
    ),
    (
        Field::Protocol,
        "proto protocol prot pr transport networktransport ipproto protocolidentifier \
         l4proto",
    ),
    (Field::State, "state connstate"),
    (Field::Flags, "tcpflags flags flg tcpcontrolbits initialflags"),
    (
        Field::Packets,
        "origpkts packets pkts spkts ipkt srcpkts fwdpackets inpkts totfwdpkts \
         totalfwdpackets sourcepackets packetdeltacount packetsout pktstoserver \
         totalfwdpacket",
    ),
    (
        Field::PacketsBack,
        "resppkts dpkts opkt dstpkts bwdpackets outpkts totbwdpkts totalbackwardpackets \
         destinationpackets packetsin pktstoclient totalbwdpackets",
    ),
    (
        Field::Bytes,
        "origbytes bytes sbytes ibyt srcbytes inbytes totlenfwdpkts \
         totallengthoffwdpackets sourcebytes octetdeltacount bytesout bytestoserver \
         totallengthoffwdpacket",
    ),
    (
        Field::BytesBack,
        "respbytes dbytes obyt dstbytes outbytes totlenbwdpkts totallengthofbwdpackets \
         destinationbytes bytesin bytestoclient totallengthofbwdpacket",
    ),
    (Field::Action, "action eventaction flowaction disposition verdict"),
];

/// What separates columns, the first that makes a heading of them.
const SEPARATORS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// How many columns of a row are looked at: the widest data sets have about 90.
const MAX_COLUMNS: usize = 256;

/// Whether the input is a table of flows: its heading names a time, both addresses, and a port or a
/// protocol.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Layout::of(line).is_some()
}

/// A decoder of tables of flows.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(FlowTable::default()))
}

/// Where each column is.
#[derive(Clone, Debug)]
struct Layout {
    separator: u8,
    /// What each column holds.
    columns: Vec<Option<Field>>,
    /// Whether a row tells of both directions.
    both: bool,
}

impl Layout {
    fn of(heading: &[u8]) -> Option<Layout> {
        let heading = heading.strip_suffix(b"\r").unwrap_or(heading);
        SEPARATORS.into_iter().find_map(|separator| {
            let names: Vec<String> = cells(heading, separator).map(plain_name).collect();
            let place = |field: Field| {
                let (_, known) = NAMES.iter().find(|(named, _)| *named == field)?;
                known.split(' ').find_map(|name| names.iter().position(|found| found == name))
            };
            let mut places = [None; FIELDS];
            for (field, _) in NAMES {
                places[field as usize] = place(field);
            }
            let has = |field: Field| places[field as usize].is_some();
            let flows = has(Field::Time) && has(Field::Source) && has(Field::Target);
            let both = has(Field::PacketsBack) || has(Field::BytesBack);
            let held = |at: usize| {
                let mut fields = NAMES.iter().map(|(field, _)| *field);
                fields.find(|field| places[*field as usize] == Some(at))
            };
            (flows && (has(Field::TargetPort) || has(Field::Protocol))).then(|| Layout {
                separator,
                columns: (0..names.len()).map(held).collect(),
                both,
            })
        })
    }
}

/// A name as its lowercase letters and digits: `Src IP`, `src_ip`, `source.ip` are spelled in many ways.
fn plain_name(name: &[u8]) -> String {
    let kept = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    kept.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// The cells of a line; a cell in quotes may hold the separator (RFC 4180).
fn cells(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        if let Some(quoted) = line.strip_prefix(b"\"")
            && let Some(end) = closing_quote(quoted)
        {
            let after = &quoted[end + 1..];
            rest = memchr::memchr(separator, after).map(|at| &after[at + 1..]);
            return Some(&quoted[..end]);
        }
        let (cell, after) = match memchr::memchr(separator, line) {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        rest = after;
        Some(cell)
    })
    .take(MAX_COLUMNS)
}

/// Where the quote is that ends a cell: two of them stand for one.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(b'"', &text[from..])?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// One row's cells by what they hold; those that are no text hold nothing.
struct Row<'l>([&'l str; FIELDS]);

impl<'l> Row<'l> {
    fn of(line: &'l [u8], layout: &Layout) -> Row<'l> {
        let mut row = Row([""; FIELDS]);
        // Looked at as a whole once, which is faster than cell by cell.
        match std::str::from_utf8(line) {
            Ok(text) if memchr::memchr(b'"', line).is_none() => {
                let (mut start, mut columns) = (0, layout.columns.iter());
                let mut cell = |end| {
                    if let Some(Some(field)) = columns.next() {
                        row.0[*field as usize] = text.get(start..end).unwrap_or_default();
                    }
                    start = end + 1;
                };
                words::each(layout.separator, line, &mut cell);
                cell(line.len());
            }
            _ => {
                for (cell, field) in cells(line, layout.separator).zip(&layout.columns) {
                    if let Some(field) = field {
                        row.0[*field as usize] = std::str::from_utf8(cell).unwrap_or_default();
                    }
                }
            }
        }
        row
    }

    /// What the cell of this field holds, if anything; `-` stands for nothing.
    fn get(&self, field: Field) -> Option<&'l str> {
        let text = self.0[field as usize].trim_ascii();
        (!text.is_empty() && text != "-").then_some(text)
    }

    /// A count; data sets write some of theirs as `3.0`.
    fn number(&self, field: Field) -> Option<u64> {
        if let Some(number) = digits(self.0[field as usize].as_bytes()) {
            return Some(number);
        }
        let text = self.get(field)?;
        text.strip_suffix(".0").unwrap_or(text).parse().ok()
    }

    fn address(&self, field: Field, name: &'static str) -> Result<Address, &'static str> {
        // Nearly all cells hold an address and nothing about it.
        let whole = self.0[field as usize].parse().ok();
        whole.or_else(|| self.get(field)?.parse().ok()).ok_or(name)
    }

    /// A port; 0 where none is told, as protocols without ports leave it.
    fn port(&self, field: Field, name: &'static str) -> Result<u16, &'static str> {
        match self.number(field) {
            Some(number) => number.try_into().map_err(|_| name),
            None if self.get(field).is_none() => Ok(0),
            None => Err(name),
        }
    }
}

/// The number that these digits write, where they are few enough to fit and there is nothing else.
fn digits(text: &[u8]) -> Option<u64> {
    const FEW: usize = 18;
    if text.is_empty() || text.len() > FEW {
        return None;
    }
    let mut number = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = 10 * number + u64::from(digit);
    }
    Some(number)
}

#[derive(Default)]
struct FlowTable {
    layout: Option<Layout>,
    pairing: Pairing,
}

impl LineFormat for FlowTable {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let Some(layout) = &self.layout else {
            self.layout = Layout::of(line);
            return;
        };
        out.records += 1;
        let row = Row::of(line, layout);
        let (start, zoned, flow) = match conversation(&row) {
            Ok(read) => read,
            Err(column) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    format!("the {column} is missing or holds something else")
                });
                return;
            }
        };
        if !zoned {
            out.note_times(Problem::Assumed, "times without a zone, taken for UTC", offset, 1);
        }
        let record = Record { offset, ..Record::default() };
        let state = row.get(Field::State).filter(|state| zeek::CONN_STATES.contains(state));
        if !layout.both && state.is_none() {
            self.pairing.push(LogSource::NetFlow, OneWay { start, flow, record }, out);
            return;
        }
        match flow.network() {
            Some(network) => {
                let network = match state {
                    Some(state) => by_state(network, &flow, state),
                    None => network,
                };
                out.events.push(event(LogSource::NetFlow, start, record, network));
            }
            None => {
                out.note_times(Problem::Note, "ICMP that asks nothing of anyone", offset, 1);
            }
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.pairing.finish(LogSource::NetFlow, out);
    }
}

/// What Zeek's state of a connection tells, which is more than its packets do.
fn by_state(network: Network, flow: &Conversation, state: &str) -> Network {
    if network.protocol != Protocol::Tcp || network.initiator == Initiator::Unknown {
        return network;
    }
    let both_sent = flow.there.bytes > 0 && flow.back.bytes > 0;
    Network {
        initiator: zeek::initiator(network.protocol, Some(state), None),
        outcome: zeek::outcome(Some(state), both_sent),
        ..network
    }
}

/// When it began, whether the time named its zone, and the conversation; or the column that does not fit.
fn conversation(row: &Row<'_>) -> Result<(Timestamp, bool, Conversation), &'static str> {
    let (start, zoned) = row.get(Field::Time).and_then(time).ok_or("time")?;
    let protocol = row.get(Field::Protocol).and_then(protocol).ok_or("protocol")?;
    let target_port = row.port(Field::TargetPort, "target port")?;
    let source_port = row.port(Field::SourcePort, "source port")?;
    let flags = row.get(Field::Flags).and_then(letters);
    let received = row.number(Field::BytesBack);
    // Without the packets the bytes tell whether anything came back.
    let packets_back =
        row.number(Field::PacketsBack).or(received.map(|bytes| u64::from(bytes > 0)));
    let refused = row.get(Field::Action).is_some_and(|action| {
        let action = action.to_ascii_lowercase();
        ["den", "drop", "block", "reject", "refus"].iter().any(|word| action.starts_with(word))
    });
    let flow = Conversation {
        source: row.address(Field::Source, "source address")?,
        target: row.address(Field::Target, "target address")?,
        source_port,
        target_port,
        protocol,
        // NetFlow's way, type times 256 plus code, or Zeek's, the type in the source port.
        icmp_type: if target_port > 255 { (target_port >> 8) as u8 } else { source_port as u8 },
        there: Direction {
            flags: flags.filter(|_| protocol == Protocol::Tcp),
            packets: row.number(Field::Packets),
            bytes: row.number(Field::Bytes).unwrap_or_default(),
        },
        back: Direction { flags: None, packets: packets_back, bytes: received.unwrap_or_default() },
        turned: false,
        refused,
    };
    Ok((start, zoned, flow))
}

/// A time, and whether it named its zone: since the epoch in seconds, milliseconds, microseconds or
/// nanoseconds, told apart by their size (1e11 seconds lie in the year 5138), or as a date with a clock.
fn time(text: &str) -> Option<(Timestamp, bool)> {
    let whole = text.bytes().take_while(u8::is_ascii_digit).count();
    if whole == text.len() {
        let number: i64 = text.parse().ok()?;
        // The largest unit in which the number is a moment of these centuries.
        let units = [(11, 1_000_000_000), (14, 1_000_000), (17, 1_000)];
        let unit = units.iter().find(|(digits, _)| number < 10_i64.pow(*digits));
        let unit = unit.map_or(1, |(_, unit)| *unit);
        return Some((Timestamp(number.checked_mul(unit)?), true));
    }
    if text.as_bytes().get(whole) == Some(&b'.')
        && let Some(time) = Timestamp::parse_decimal_seconds(text)
    {
        return Some((time, true));
    }
    // Year first: what begins with a day or a month cannot be told from its opposite.
    let (day, clock) = text.split_once(['T', ' '])?;
    let text = format!("{}T{clock}", day.replace('/', "-"));
    match Timestamp::parse_rfc3339(&text) {
        Some(time) => Some((time, true)),
        None => Some((Timestamp::parse_rfc3339(&format!("{text}Z"))?, false)),
    }
}

#[cfg(test)]
mod tests {
    use lapwing_event::{Activity, Outcome};

    use super::*;

    fn read(text: &str) -> (Vec<Network>, Vec<(&'static str, u64)>) {
        assert!(recognises(text.as_bytes()), "{text}");
        let mut out = Decoded::default();
        let mut decoder = decoder();
        let done = decoder.decode(text.as_bytes(), &mut out);
        decoder.finish(&text.as_bytes()[done..], &mut out);
        let notes = out.diagnostics().map(|said| (said.key, said.count)).collect();
        let networks = out.events.iter().map(|event| match &event.activity {
            Activity::Network(network) => *network,
            other => panic!("{other:?}"),
        });
        (networks.collect(), notes)
    }

    #[test]
    fn each_tool_names_its_columns() {
        for heading_and_row in [
            "ts,dur,src,dst,sport,dport,proto,state,orig_pkts,orig_bytes,resp_pkts,resp_bytes\n\
             1767225600.5,0.1,10.0.0.1,10.0.0.2,40000,22,tcp,REJ,1,60,1,40\n",
            "Src IP;Src Port;Dst IP;Dst Port;Protocol;Timestamp;Tot Fwd Pkts;Tot Bwd Pkts\n\
             10.0.0.1;40000;10.0.0.2;22;6;2026-01-01 00:00:00.5;1;1\n",
            "srcip\tsport\tdstip\tdsport\tproto\tstate\tSpkts\tDpkts\tStime\n\
             10.0.0.1\t40000\t10.0.0.2\t22\ttcp\tRST\t1\t1\t1767225600.5\n",
            "\"@timestamp\",\"source.ip\",\"destination.ip\",\"source.port\",\"destination.port\",\
             \"network.transport\",\"event.action\"\n\
             \"2026-01-01T00:00:00.500Z\",\"10.0.0.1\",\"10.0.0.2\",\"40000\",\"22\",\"tcp\",\"denied\"\n",
        ] {
            let (networks, _) = read(heading_and_row);
            assert_eq!(networks.len(), 1, "{heading_and_row}");
            let network = networks[0];
            assert_eq!(network.source.to_string(), "10.0.0.1");
            assert_eq!((network.source_port, network.target_port), (40000, 22));
            assert_eq!(network.protocol, Protocol::Tcp);
            assert_eq!(network.initiator, Initiator::Source, "{heading_and_row}");
            assert_eq!(network.outcome, Outcome::Refused, "{heading_and_row}");
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_counted_and_the_rest_is_used() {
        let (networks, notes) = read(
            "time,src_ip,dest_ip,dest_port,transport,packets_in\n\
             1767225600,10.0.0.1,10.0.0.2,22,tcp,0\n\
             yesterday,10.0.0.1,10.0.0.2,22,tcp,0\n\
             1767225600,host,10.0.0.2,22,tcp,0\n\
             1767225600,10.0.0.1,10.0.0.2,99999,tcp,0\n\
             \n\
             1767225600\n",
        );
        assert_eq!(networks.len(), 1);
        assert_eq!(networks[0].outcome, Outcome::Unanswered);
        assert_eq!(notes, [("fields do not fit their names", 4)]);
    }

    #[test]
    fn other_tables_are_not_taken_for_flows() {
        for heading in [
            "name,src,dst\n",
            "time,user,host,port\n",
            "a,b\n",
            "time,src,dst\n",
            "\n",
            "1767225600,10.0.0.1,10.0.0.2,22\n",
        ] {
            assert!(!recognises(heading.as_bytes()), "{heading}");
        }
    }

    #[test]
    fn times_are_told_apart_by_their_size() {
        let at = Timestamp(1_767_225_600_000_000_000);
        for text in [
            "1767225600",
            "1767225600000",
            "1767225600000000",
            "1767225600000000000",
            "1767225600.0",
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00+01:00",
        ] {
            assert_eq!(time(text), Some((at, true)), "{text}");
        }
        assert_eq!(time("2026/01/01 00:00:00"), Some((at, false)));
        assert_eq!(time("01/02/2026 00:00:00"), None);
    }
}
