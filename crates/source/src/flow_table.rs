//! Flow records as a table with a heading, whatever wrote it: columns are known by the names that
//! collectors, databases and data sets give them.
//!
//! Where a row tells of both directions (packets or bytes that came back, Zeek's conn_state) it is a
//! conversation; else it is one direction, and its reply is looked for among the other rows.

mod row;

use lapwing_event::{Initiator, LogSource, Network, Protocol, Record};

use self::row::{Row, Values, cells};
use crate::flow::{Conversation, OneWay, Pairing, event};
use crate::{Decoded, Decoder, LineFormat, Lines, Problem, zeek};

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
    /// What each column holds, up to the last that is used.
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
            (flows && (has(Field::TargetPort) || has(Field::Protocol))).then(|| {
                let used = places.iter().flatten().max().map_or(0, |last| last + 1);
                Layout { separator, columns: (0..used).map(held).collect(), both }
            })
        })
    }
}

/// A name as its lowercase letters and digits: `Src IP`, `src_ip`, `source.ip` are spelled in many ways.
fn plain_name(name: &[u8]) -> String {
    let kept = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    kept.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
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
        let read = match Values::plain(line, layout) {
            Some(values) => Ok(values),
            None => Values::of(&Row::of(line, layout)),
        };
        let values = match read {
            Ok(values) => values,
            Err(column) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    format!("the {column} is missing or holds something else")
                });
                return;
            }
        };
        if !values.zoned {
            out.note_times(Problem::Assumed, "times without a zone, taken for UTC", offset, 1);
        }
        let record = Record { offset, ..Record::default() };
        let (start, flow) = (values.start, values.conversation());
        if !layout.both && values.state.is_none() {
            self.pairing.push(LogSource::NetFlow, OneWay { start, flow, record }, out);
            return;
        }
        match flow.network() {
            Some(network) => {
                let network = match values.state {
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
}
