//! The fold: start reading here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lapwing_event::{
    Activity, Address, Dns, Event, Initiator, InputId, LogSource, Network, Outcome,
    ProcessActivity, Protocol, Script, Span, Technique, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::analytics::Analytic;
use crate::bindings::Bindings;
use crate::bounded::{Generations, Known, Pairs, Recent, Scored, Slot, Table, identity};
use crate::cell::Cell;
use crate::claims::{self, Claims, MAX_CLAIMED};
use crate::counters::Revisits;
use crate::episode::{Episode, Evidence};
use crate::finding::Finding;
use crate::names::{self, Names};
use crate::nursery::First;
use crate::order::Order;
use crate::origin::{Processes, Who};
use crate::overflow::{Overflow, Tellings};
use crate::proxy::Burst;
use crate::scripts::{self, Sign};
use crate::standing::Server;
use crate::tools::{self, Commanded, Tool};
use crate::tunables::Tunables;
use crate::walk::Walk;

/// For how long a use that was learned from need not be learned from again: what is learned is kept
/// for days, so that minutes do not matter.
pub(crate) const USE_MEMORY: Span = Span::seconds(600);

/// How many origins' questions for names, and how many pairs of origin and proxy, are watched at
/// once: few hosts ask for service names, fewer use a proxy.
const MAX_ASKERS: usize = 8192;

/// How long after a row of Zeek's conn.log its sensor is taken to write one: a network that anybody
/// is on has some each minute, and the log is rotated each hour.
const CONN_LOG: Span = Span::seconds(3600);

/// What a detector takes.
#[derive(Clone, Debug)]
pub enum Input {
    /// Something happened.
    Event(Event),
    /// Nothing that happened before this moment will come any more.
    Advance(Timestamp),
    /// From here on these tunables hold; what is already counted stays.
    Retune(Box<Tunables>),
}

/// What a detector counted, so that nothing is dropped silently.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Events judged.
    pub events: u64,
    /// Events that came too late to be judged.
    pub late: u64,
    /// Entries of state that were let go because a bound was reached.
    pub shed: u64,
    /// Bursts of findings that were not told of as they began or grew, since too many did: each is told when
    /// its scan ends.
    pub overflows: Vec<Overflow>,
    /// Rows of Zeek's logs of protocols whose connection another row tells of.
    pub repeated: u64,
    /// Addresses that other tools say have scanned, and that no finding is of.
    pub claimed: u64,
    /// What those tools say, in their words; the first few.
    pub claims: Vec<String>,
    /// Findings that a suppression entry matched, by the entry's key and label.
    pub suppressed: BTreeMap<String, u64>,
}

/// Judges events: a fold over [`Input`]s, driven by event time alone.
pub struct Detector {
    pub(crate) tunables: Tunables,
    pub(crate) order: Order,
    pub(crate) state: State,
    pub(crate) tally: Tally,
}

/// Everything that is remembered between events.
#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) now: Timestamp,
    /// The first event's time: what is learned before it is nothing.
    pub(crate) began: Option<Timestamp>,
    processes: Processes,
    /// Whose addresses and containers are.
    pub(crate) bindings: Bindings,
    /// What each origin did with each target.
    pub(crate) pairs: Pairs,
    /// Questions for names, and connections that a log of their protocol told of.
    pub(crate) known: Known,
    /// Uses of targets that were learned from a moment ago.
    pub(crate) uses: Recent,
    /// Hosts of the own networks that were seen alive a moment ago.
    pub(crate) lively: Recent,
    /// Names that an origin asks for again and again.
    pub(crate) habits: Known,
    /// Hosts of the own networks that were seen alive.
    pub(crate) alive: Known,
    /// Since when each of them has been seen, and each of their subnets watched.
    pub(crate) watched: Known,
    /// Services that were used, and by whom.
    pub(crate) services: Generations<Service>,
    /// Hosts of the own networks that others use.
    pub(crate) servers: Generations<Server>,
    /// Origins that made one contact.
    pub(crate) nursery: Table<First>,
    pub(crate) origins: Table<OriginState>,
    pub(crate) cells: Table<Cell>,
    /// What names each origin asked for.
    pub(crate) names: Table<Names>,
    /// Connections to proxies.
    pub(crate) proxies: Table<Burst>,
    /// What scripts of each origin would speak for.
    pub(crate) evidence: Table<Evidence>,
    /// What other tools say of an address.
    pub(crate) claims: Table<Claims>,
    /// When the last row of Zeek's conn.log was.
    conn_log: Option<Timestamp>,
    /// Open and resumable episodes by origin.
    pub(crate) episodes: BTreeMap<u64, Episode>,
    /// What was told of within the minute, and what was withheld.
    pub(crate) tellings: Tellings,
    /// How many first contacts were added to the counters.
    pub(crate) added: u64,
    /// When episodes may have to be closed or forgotten; entries can be early, never late.
    pub(crate) deadlines: BTreeSet<(Timestamp, u64)>,
    pub(crate) shed_episodes: u64,
}

/// What is remembered of one origin.
#[derive(Serialize, Deserialize)]
pub(crate) struct OriginState {
    pub(crate) ring: Cell,
    pub(crate) walk: Walk,
    pub(crate) convicted: bool,
    /// Whether its contacts are counted by host and by port too.
    pub(crate) counted: bool,
    /// Until then: touches of known targets by port.
    pub(crate) revisits: Revisits,
    /// How often it used services.
    pub(crate) uses: u64,
}

impl Scored for OriginState {
    fn score(&self) -> u64 {
        // Who is being watched for a scan stays; then whoever has failed most.
        self.ring.score() | u64::from(self.convicted) << 62
    }
}

/// A service that was used.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Service {
    key: u64,
    /// Who used it first.
    pub(crate) by: Option<Address>,
    /// Whether others did.
    pub(crate) shared: bool,
    pub(crate) last: Timestamp,
}

impl Slot for Service {
    fn new(key: u64) -> Service {
        Service { key, by: None, shared: false, last: Timestamp::MIN }
    }

    fn key(&self) -> u64 {
        self.key
    }
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl Detector {
    /// A detector for live streams: events may come out of order within the tunables' lateness.
    pub fn new(tunables: Tunables) -> Detector {
        let lateness = tunables.detection.lateness;
        Detector::with_lateness(tunables, lateness)
    }

    /// A detector for input that is in event-time order already.
    pub fn sorted(tunables: Tunables) -> Detector {
        Detector::with_lateness(tunables, Span::ZERO)
    }

    /// Tells apart the computers of inputs whose records name none (eslogger's, the unified log's, an
    /// audit log's without a node): what has one number is of one computer, what is not listed of one
    /// more. Process ids are a computer's own.
    pub fn tell_apart(mut self, unnamed: BTreeMap<InputId, u32>) -> Detector {
        self.state.processes.tell_apart(unnamed);
        self
    }

    /// Takes computers of these names for one, each under the name that stands for it: process ids are a
    /// computer's own, whatever a log calls it.
    pub fn same_computers(mut self, names: BTreeMap<Arc<str>, Arc<str>>) -> Detector {
        self.state.processes.same_computers(names);
        self
    }

    fn with_lateness(tunables: Tunables, lateness: Span) -> Detector {
        let memory = tunables.memory;
        let (novelty, habit) = (tunables.detection.novelty, tunables.detection.habit);
        Detector {
            order: Order::new(lateness),
            state: State {
                now: Timestamp::MIN,
                began: None,
                added: 0,
                processes: Processes::new(memory.processes()),
                bindings: Bindings::new(),
                pairs: Pairs::new(memory.pairs(), novelty, habit),
                known: Known::new(memory.questions(), novelty),
                uses: Recent::new(USE_MEMORY),
                lively: Recent::new(USE_MEMORY),
                habits: Known::new(memory.questions(), habit),
                alive: Known::new(memory.services(), habit),
                watched: Known::new(memory.services(), habit),
                services: Generations::new(memory.services(), habit),
                servers: Generations::new(memory.servers(), habit),
                nursery: Table::new(memory.nursery()),
                origins: Table::new(memory.origins()),
                cells: Table::new(memory.cells()),
                names: Table::new(MAX_ASKERS),
                proxies: Table::new(MAX_ASKERS),
                evidence: Table::new(MAX_ASKERS),
                claims: Table::new(MAX_CLAIMED),
                conn_log: None,
                episodes: BTreeMap::new(),
                tellings: Tellings::default(),
                deadlines: BTreeSet::new(),
                shed_episodes: 0,
            },
            tunables,
            tally: Tally::default(),
        }
    }

    /// Takes one input and adds what is to be said to `out`: a finding when its episode opens,
    /// when it has grown, and when it closes. Of findings with one uid the last holds.
    pub fn step(&mut self, input: Input, out: &mut Vec<Finding>) {
        match input {
            Input::Event(event) => {
                // Knowledge has its own time within: a listing tells of what began long ago.
                if let Activity::Binding(binding) = &event.activity
                    && self.order.is_late(&event)
                {
                    self.state.bindings.note(&event, binding);
                } else {
                    self.order.push(event);
                }
            }
            Input::Advance(moment) => self.order.advance(moment),
            Input::Retune(tunables) => self.tunables = *tunables,
        }
        while let Some(event) = self.order.pop() {
            self.observe(&event, out);
        }
        self.close_due(self.order.watermark(), out);
    }

    /// Ends the input: judges what is held back and closes what is open.
    pub fn finish(&mut self, out: &mut Vec<Finding>) {
        while let Some(event) = self.order.release() {
            self.observe(&event, out);
        }
        let open: Vec<u64> = self.state.episodes.keys().copied().collect();
        for id in open {
            self.close(id, out);
        }
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        let state = &self.state;
        let shed = state.processes.shed()
            + state.bindings.shed()
            + state.pairs.shed()
            + state.known.shed()
            + state.habits.shed()
            + state.alive.shed()
            + state.watched.shed()
            + state.services.shed()
            + state.servers.shed()
            + state.nursery.shed()
            + state.origins.shed()
            + state.cells.shed()
            + state.names.shed()
            + state.proxies.shed()
            + state.evidence.shed()
            + state.claims.shed()
            + state.shed_episodes;
        let (claims, claimed) = claims::alone(state.claims.iter().map(|(_, claims)| claims));
        let overflows = state.tellings.overflows();
        Tally { late: self.order.late(), shed, claimed, claims, overflows, ..self.tally.clone() }
    }

    /// Judges one event, in event-time order.
    fn observe(&mut self, event: &Event, out: &mut Vec<Finding>) {
        self.tally.events += 1;
        if let Activity::Binding(binding) = &event.activity {
            return self.state.bindings.note(event, binding);
        }
        self.state.now = event.time;
        self.state.began.get_or_insert(event.time);
        self.close_due(event.time, out);
        if let Activity::Claim(claim) = &event.activity {
            let key = identity(&[b"claim", &claim.source.octets()]);
            self.state.claims.get_or_insert(key, || Claims::new(event)).add(event, claim);
            return;
        }
        if self.is_repeated(event) {
            self.tally.repeated += 1;
            return;
        }
        let patterns = &self.tunables.analytics.an1058.tool_pattern_regex;
        let who = self.state.processes.resolve(event, patterns, &self.state.bindings);
        match &event.activity {
            Activity::Process(ProcessActivity::Launch) => {
                self.launch(event, &who, out);
                self.commanded(event, &who, out);
            }
            Activity::Process(ProcessActivity::Exit) | Activity::Binding(_) => {}
            Activity::Dns(dns) => self.dns(event, dns, &who, out),
            Activity::Script(script) => self.script(event, script, &who, out),
            Activity::Network(network) => {
                self.proxied(event, network, &who, out);
                self.network(event, network, None, &who, out);
            }
            Activity::Claim(_) => {}
        }
    }

    /// Whether the event is a row of one of Zeek's logs of protocols whose connection conn.log tells
    /// of, or another such row.
    fn is_repeated(&mut self, event: &Event) -> bool {
        match (event.log_source, &event.activity) {
            (LogSource::ZeekConn, _) => self.state.conn_log = Some(event.time),
            (LogSource::ZeekService, Activity::Network(network)) => {
                let logged = self.state.conn_log;
                let connection = identity(&[
                    b"conversation",
                    &network.source.octets(),
                    &network.source_port.to_be_bytes(),
                    &network.target.octets(),
                    &network.target_port.to_be_bytes(),
                ]);
                return logged.is_some_and(|last| event.time.since(last) <= CONN_LOG)
                    || self.state.known.touch(connection, event.time).is_some();
            }
            _ => {}
        }
        false
    }

    /// A process that starts as a scanner is a finding at once, which its attempts then fill.
    fn launch(&mut self, event: &Event, who: &Who, out: &mut Vec<Finding>) {
        let Some(instance) = who.instance() else { return };
        let Some(tool) = instance.tool.clone() else { return };
        self.run_tool(event, &tool, who, out);
    }

    /// A tool that an origin runs is a finding at once, unless its scan is one already.
    fn run_tool(&mut self, event: &Event, tool: &Tool, who: &Who, out: &mut Vec<Finding>) {
        let Some(link) = who.links().first().copied() else { return };
        let open = self.state.episodes.get(&link.id).is_some_and(|episode| !episode.is_closed());
        if open {
            return;
        }
        let analytic = Analytic::of(event.log_source);
        let mut episode = Episode::new(analytic, who.origin(0), link.id, event.time);
        episode.note_tool(tool, event.log_source, event.record);
        self.keep(link.id, episode, out);
        self.say(link.id, out);
    }

    /// A script that cannot but scan is a finding; one that connects speaks for a scan of its process,
    /// before and after.
    fn script(&mut self, event: &Event, script: &Script, who: &Who, out: &mut Vec<Finding>) {
        let analytic = Analytic::of(event.log_source);
        let threshold = (analytic.threshold)(&self.tunables);
        let Some(sign) = scripts::read(&script.text, threshold, analytic.threshold_key) else {
            return;
        };
        let Some(link) = who.links().first().copied() else { return };
        let open = self.state.episodes.get_mut(&link.id).filter(|episode| !episode.is_closed());
        match (sign, open) {
            (Sign::Scan(tool), Some(episode)) => {
                episode.note_tool(&tool, event.log_source, event.record);
            }
            (Sign::Scan(tool), None) => self.run_tool(event, &tool, who, out),
            (Sign::Connects(what), open) => {
                let (time, log_source, record) = (event.time, event.log_source, event.record);
                let evidence = Evidence { what, time, log_source, record };
                if let Some(episode) = open {
                    episode.note_evidence(&evidence);
                }
                match self.state.evidence.get_mut(link.id) {
                    Some(earlier) => *earlier = evidence,
                    None => {
                        self.state.evidence.get_or_insert(link.id, || evidence);
                    }
                }
            }
        }
    }

    /// What a command line asks of the network, where the system's logs tell of it in no other way.
    fn commanded(&mut self, event: &Event, who: &Who, out: &mut Vec<Finding>) {
        if Analytic::of(event.log_source).id != Analytic::macos().id {
            return;
        }
        let Some(instance) = who.instance() else { return };
        for asked in tools::commanded(instance.process()) {
            match asked {
                Commanded::Service(name) => {
                    let dns = Dns {
                        source: Address::UNSPECIFIED,
                        target: Address::UNSPECIFIED,
                        source_port: 0,
                        target_port: names::MULTICAST_PORT,
                        name: name.into(),
                        query_type: None,
                        outcome: Outcome::Unknown,
                    };
                    self.dns(event, &dns, who, out);
                }
                Commanded::Port(target, target_port) => {
                    let network = Network {
                        source: Address::UNSPECIFIED,
                        target,
                        source_port: 0,
                        target_port,
                        protocol: Protocol::Tcp,
                        initiator: Initiator::Source,
                        outcome: Outcome::Unknown,
                        technique: Technique::Connect,
                    };
                    let weight = self.tunables.detection.weights.commanded;
                    self.network(event, &network, Some(weight), who, out);
                }
            }
        }
    }
}
