//! Hubble's flows as `hubble observe -o jsonpb` and its exporter write them, with or without the
//! `flow` wrapper of older versions.
//!
//! A flow is one packet, seen at one endpoint of Cilium: both ends' nodes tell of it, and what monitor
//! aggregation repeats is left out. So packets are gathered into conversations. Where `is_reply` is
//! not told, only a SYN alone says who began (cilium/cilium#14692).
//!
//! <https://docs.cilium.io/en/stable/_api/v1/flow/README/>

use std::collections::HashMap;
use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Container, Dns, Event, LogSource, Outcome, Protocol, Record, Timestamp,
};

use crate::flow::{ACK, Conversation, Direction, FIN, Gathering, PSH, Piece, RST, SYN, URG};
use crate::json::{Flat, ObjectFormat, Objects};
use crate::question::query_type;
use crate::{Decoded, Decoder, Problem};

/// Cilium's reserved identities: the node itself, and its own health checks
/// (<https://docs.cilium.io/en/stable/gettingstarted/terminology/#reserved-labels>).
const HOST: &str = "1";
const HEALTH: &str = "4";

/// Whether the input begins with a flow.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    let flow = has(b"\"verdict\"") && (has(b"\"l4\"") || has(b"\"IP\"") || has(b"\"event_type\""));
    let other = has(b"\"lost_events\"") || has(b"\"node_status\"");
    start.starts_with(b"{") && has(b"\"node_name\"") && (flow || (other && has(b"\"time\"")))
}

/// A decoder of flows.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Hubble { gathering: Gathering::default(), pods: HashMap::new() }))
}

/// How many pods and nodes are remembered, so that the flows of one share its description; Kubernetes
/// supports 150,000 pods in a cluster, of which a log of hours holds fewer. More begin anew.
const MAX_PODS: usize = 65_536;

struct Hubble {
    gathering: Gathering,
    pods: Pods,
}

/// Those who were told of, by namespace and pod, or by node alone.
type Pods = HashMap<(Box<str>, Box<str>), Arc<Actor>>;

impl ObjectFormat for Hubble {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        if flat.has("lost_events.") {
            return out.note(Problem::Gap, "flows that Hubble lost", offset, || {
                format!(
                    "{} of them at first",
                    flat.get("lost_events.num_events_lost").unwrap_or("?")
                )
            });
        }
        let wrapper = if flat.has("flow.") { "flow." } else { "" };
        let flow = Flow { flat, wrapper };
        match flow.told(offset, &mut self.pods) {
            Ok(Told::Packet(piece)) => self.gathering.push(LogSource::Hubble, piece, out),
            Ok(Told::Question(event)) => out.events.push(event),
            Ok(Told::Nothing(why)) => out.note_times(Problem::Note, why, offset, 1),
            Err(field) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    format!("{field} is missing or holds something else")
                });
            }
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.gathering.finish(LogSource::Hubble, out);
    }
}

/// What one flow tells.
enum Told {
    /// Of a packet.
    Packet(Piece),
    /// Of a name that was asked for.
    Question(Event),
    /// Of nothing that is judged, and why.
    Nothing(&'static str),
}

struct Flow<'f, 'a> {
    flat: &'f Flat<'a>,
    wrapper: &'static str,
}

impl Flow<'_, '_> {
    fn get(&self, path: &str) -> Option<&str> {
        self.flat.get(&format!("{}{path}", self.wrapper))
    }

    fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.get(path)?.parse().ok()
    }

    fn is_set(&self, path: &str) -> bool {
        self.get(path) == Some("true")
    }

    fn told(&self, offset: u64, pods: &mut Pods) -> Result<Told, &'static str> {
        let has = |path: &str| self.flat.has(&format!("{}{path}", self.wrapper));
        if has("l7.dns.") {
            return self.question(offset, pods);
        }
        if has("l7.") || !has("l4.") {
            return Ok(Told::Nothing("flows without a packet's addresses and ports"));
        }
        // Cilium asks of its own endpoints how they are.
        if self.get("source.identity") == Some(HEALTH)
            || self.get("destination.identity") == Some(HEALTH)
        {
            return Ok(Told::Nothing("Cilium's own health checks"));
        }
        let time = self.time()?;
        let Some(packet) = self.packet()? else {
            return Ok(Told::Nothing("flows of packets that ask nothing of anyone"));
        };
        let reply = match self.get("is_reply").or_else(|| self.get("reply")) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        let flags = packet.there.flags.unwrap_or_default();
        let begins = packet.protocol == Protocol::Tcp && flags & (SYN | ACK) == SYN;
        let mut flow = match reply {
            Some(true) => turned_around(packet),
            Some(false) => packet,
            None => Conversation { turned: !begins, ..packet },
        };
        flow.refused = self.is_dropped();
        let answers = reply == Some(true);
        if answers {
            // A dropped answer is no refusal of the question.
            flow.refused = false;
        }
        let asker = if answers { "destination" } else { "source" };
        // The kubelet's probes come from the node as everything does that runs on it.
        let node = self.get(&format!("{asker}.identity")) == Some(HOST);
        let actor = match self.actor(asker, pods) {
            None if node => self.node(pods),
            pod => pod,
        };
        Ok(Told::Packet(Piece {
            time,
            flow,
            record: Record { offset, ..Record::default() },
            actor,
        }))
    }

    fn time(&self) -> Result<Timestamp, &'static str> {
        let time = self.get("time").or_else(|| self.flat.get("time"));
        time.and_then(Timestamp::parse_rfc3339).ok_or("time")
    }

    /// Dropped by policy or otherwise; audited flows would have been, and were not.
    fn is_dropped(&self) -> bool {
        matches!(self.get("verdict"), Some("DROPPED" | "2"))
    }

    /// The packet as a conversation of its own, from its sender.
    fn packet(&self) -> Result<Option<Conversation>, &'static str> {
        let has = |path: &str| self.flat.has(&format!("{}l4.{path}.", self.wrapper));
        let protocols = [
            ("TCP", Protocol::Tcp),
            ("UDP", Protocol::Udp),
            ("SCTP", Protocol::Other(132)),
            ("ICMPv4", Protocol::Icmp),
            ("ICMPv6", Protocol::Icmpv6),
        ];
        let Some((name, protocol)) = protocols.into_iter().find(|(name, _)| has(name)) else {
            return Ok(None);
        };
        let flags =
            [("FIN", FIN), ("SYN", SYN), ("RST", RST), ("PSH", PSH), ("ACK", ACK), ("URG", URG)];
        let set = |(flag, bit): (&str, u8)| {
            if self.is_set(&format!("l4.TCP.flags.{flag}")) { bit } else { 0 }
        };
        let flags: u8 = flags.into_iter().map(set).fold(0, |all, bit| all | bit);
        // A TCP packet whose flags are not told is one of a connection.
        let flags = if flags == 0 { ACK } else { flags };
        let port = |key: &str| self.number(&format!("l4.{name}.{key}")).unwrap_or_default();
        Ok(Some(Conversation {
            source: self.number("IP.source").ok_or("IP.source")?,
            target: self.number("IP.destination").ok_or("IP.destination")?,
            source_port: port("source_port"),
            target_port: port("destination_port"),
            protocol,
            icmp_type: self.number(&format!("l4.{name}.type")).unwrap_or_default(),
            there: Direction {
                flags: (protocol == Protocol::Tcp).then_some(flags),
                packets: Some(1),
                bytes: 0,
            },
            back: Direction { packets: Some(0), ..Direction::default() },
            turned: false,
            refused: false,
        }))
    }

    /// The pod at this end of the flow; `None` where it is none.
    fn actor(&self, end: &str, pods: &mut Pods) -> Option<Arc<Actor>> {
        let pod = self.get(&format!("{end}.pod_name"))?;
        let namespace = self.get(&format!("{end}.namespace")).unwrap_or_default();
        Some(shared(pods, namespace, pod, || Actor {
            container: Some(Arc::new(Container {
                namespace: Some(namespace).filter(|text| !text.is_empty()).map(Box::from),
                pod: Some(pod.into()),
                ..Container::default()
            })),
            ..Actor::default()
        }))
    }

    /// The node that tells of the flow, of which Cilium's identity of the host is.
    fn node(&self, pods: &mut Pods) -> Option<Arc<Actor>> {
        let name = self.get("node_name").or_else(|| self.flat.get("node_name"))?;
        // A cluster's name may stand before it.
        let name = name.rsplit('/').next().unwrap_or(name);
        Some(shared(pods, "", name, || Actor { device: Some(name.into()), ..Actor::default() }))
    }

    fn question(&self, offset: u64, pods: &mut Pods) -> Result<Told, &'static str> {
        let name = self.get("l7.dns.query");
        let (Some(name), Some("REQUEST")) = (name, self.get("l7.type")) else {
            return Ok(Told::Nothing("answers to questions for names"));
        };
        let query_type = self.get("l7.dns.qtypes.0").and_then(query_type);
        let dns = Dns {
            source: self.number("IP.source").ok_or("IP.source")?,
            target: self.number("IP.destination").ok_or("IP.destination")?,
            source_port: self.number("l4.UDP.source_port").unwrap_or_default(),
            target_port: self.number("l4.UDP.destination_port").unwrap_or_default(),
            name: name.trim_end_matches('.').into(),
            query_type,
            outcome: Outcome::Unknown,
        };
        Ok(Told::Question(Event {
            time: self.time()?,
            record: Record { offset, ..Record::default() },
            log_source: LogSource::Hubble,
            actor: self.actor("source", pods),
            activity: Activity::Dns(Box::new(dns)),
        }))
    }
}

/// The description of a pod or node that all of its flows share.
fn shared(pods: &mut Pods, space: &str, name: &str, make: impl FnOnce() -> Actor) -> Arc<Actor> {
    let key = (Box::from(space), Box::from(name));
    if let Some(known) = pods.get(&key) {
        return Arc::clone(known);
    }
    if pods.len() >= MAX_PODS {
        pods.clear();
    }
    let actor = Arc::new(make());
    pods.insert(key, Arc::clone(&actor));
    actor
}

/// An answer as a piece of the conversation that it answers.
fn turned_around(packet: Conversation) -> Conversation {
    // An echo's answer has a type of its own (RFC 792, RFC 4443).
    let icmp_type = match (packet.protocol, packet.icmp_type) {
        (Protocol::Icmp, 0) => 8,
        (Protocol::Icmpv6, 129) => 128,
        (_, other) => other,
    };
    Conversation {
        source: packet.target,
        target: packet.source,
        source_port: packet.target_port,
        target_port: packet.source_port,
        icmp_type,
        there: Direction { flags: None, packets: Some(0), bytes: 0 },
        back: packet.there,
        ..packet
    }
}
