//! A shard: what some of the origins did, each with all of its identities.
//!
//! What an origin does is judged by what it did before and by what is known of the network; nothing that
//! other origins do comes between. So they are shared out among shards, always in the same way, and shards
//! are judged side by side.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_event::{
    Activity, Address, Dns, Event, Initiator, Network, Outcome, ProcessActivity, Protocol, Script,
    Span, Technique, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::analytics::Analytic;
use crate::bindings::Bindings;
use crate::bounded::{Known, Pairs, Recent, Scored, Table};
use crate::cell::Cell;
use crate::claims::Claims;
use crate::counters::Revisits;
use crate::episode::{Episode, Evidence};
use crate::fan_out::least_multiple;
use crate::finding::Finding;
use crate::knowledge::{Knowledge, Lessons};
use crate::names::{self, Names};
use crate::nursery::First;
use crate::origin::Who;
use crate::proxy::Burst;
use crate::scripts::{self, Sign};
use crate::tools::{self, Commanded, Tool};
use crate::tunables::Tunables;
use crate::walk::Walk;

/// Among how many shards origins are shared out: some for each core of a large machine. What is found
/// depends on it where memory is short, and so it is always the same.
pub(crate) const SHARDS: usize = 16;

/// For how long a use that was learned from need not be learned from again: what is learned is kept
/// for days, so that minutes do not matter.
pub(crate) const USE_MEMORY: Span = Span::seconds(600);

/// How many origins' questions for names, and how many pairs of origin and proxy, are watched at
/// once: few hosts ask for service names, fewer use a proxy.
const MAX_ASKERS: usize = 8192 / SHARDS;

/// What is remembered of some of the origins.
#[derive(Serialize, Deserialize)]
pub(crate) struct Shard {
    /// The time of the event that is judged.
    pub(crate) now: Timestamp,
    /// What each origin did with each target.
    pub(crate) pairs: Pairs,
    /// Questions for names.
    pub(crate) known: Known,
    /// Uses of targets that were learned from a moment ago.
    pub(crate) uses: Recent,
    /// Hosts of the own networks that were seen alive a moment ago, and their subnets.
    pub(crate) lively: Recent,
    /// Names that an origin asks for again and again.
    pub(crate) habits: Known,
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
    /// Open and resumable episodes by origin.
    pub(crate) episodes: BTreeMap<u64, Episode>,
    /// How many first contacts were added to the counters.
    pub(crate) added: u64,
    /// When episodes may have to be closed or forgotten; entries can be early, never late.
    pub(crate) deadlines: BTreeSet<(Timestamp, u64)>,
    pub(crate) shed_episodes: u64,
    /// Findings that a suppression entry matched, by the entry's key and label.
    pub(crate) suppressed: BTreeMap<String, u64>,
    /// What its events taught of the network since that was learned last.
    pub(crate) lessons: Lessons,
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

/// What is to be said, in the order of the events.
#[derive(Debug)]
pub(crate) struct Said {
    /// The place of the event among all.
    pub at: u64,
    /// Its time.
    pub time: Timestamp,
    /// The episode's identity.
    pub id: u64,
    /// Whether it may be withheld where too much is said at once: it is said again when the scan ends.
    pub early: bool,
    pub finding: Finding,
    /// The address whose claims it rests on, as their key.
    pub claimed: Option<u64>,
}

impl Shard {
    pub fn new(tunables: &Tunables) -> Shard {
        let memory = tunables.memory;
        let (novelty, habit) = (tunables.detection.novelty, tunables.detection.habit);
        Shard {
            now: Timestamp::MIN,
            pairs: Pairs::new(memory.pairs() / SHARDS, novelty, habit),
            known: Known::new(memory.questions() / SHARDS, novelty),
            uses: Recent::new(USE_MEMORY),
            lively: Recent::new(USE_MEMORY),
            habits: Known::new(memory.questions() / SHARDS, habit),
            nursery: Table::new(memory.nursery() / SHARDS),
            origins: Table::new(memory.origins() / SHARDS),
            cells: Table::new(memory.cells() / SHARDS),
            names: Table::new(MAX_ASKERS),
            proxies: Table::new(MAX_ASKERS),
            evidence: Table::new(MAX_ASKERS),
            episodes: BTreeMap::new(),
            added: 0,
            deadlines: BTreeSet::new(),
            shed_episodes: 0,
            suppressed: BTreeMap::new(),
            lessons: Lessons::default(),
        }
    }

    /// How many entries were let go because a bound was reached.
    pub fn shed(&self) -> u64 {
        self.pairs.shed()
            + self.known.shed()
            + self.habits.shed()
            + self.nursery.shed()
            + self.origins.shed()
            + self.cells.shed()
            + self.names.shed()
            + self.proxies.shed()
            + self.evidence.shed()
            + self.shed_episodes
    }
}

/// What a shard's events are judged by, which stays as it is meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub tunables: &'a Tunables,
    /// The first event's time: what is learned before it is nothing.
    pub began: Option<Timestamp>,
    pub bindings: &'a Bindings,
    pub knowledge: &'a Knowledge,
    pub claims: &'a Table<Claims>,
}

/// A shard with what its events are judged by: the context's parts each by itself, since they are asked for
/// while the shard is changed.
pub(crate) struct Judge<'a> {
    pub tunables: &'a Tunables,
    pub began: Option<Timestamp>,
    pub bindings: &'a Bindings,
    pub knowledge: &'a Knowledge,
    pub claims: &'a Table<Claims>,
    pub shard: &'a mut Shard,
    /// The place of the event that is judged, among all.
    pub at: u64,
    /// The least multiple of a threshold that anything is held against.
    pub least: f64,
}

impl<'a> Judge<'a> {
    pub fn new(context: Context<'a>, shard: &'a mut Shard, at: u64) -> Judge<'a> {
        let Context { tunables, began, bindings, knowledge, claims } = context;
        let least = least_multiple(&tunables.detection);
        Judge { tunables, began, bindings, knowledge, claims, shard, at, least }
    }

    /// Judges one event, in event-time order.
    pub fn observe(&mut self, event: &Event, who: &Who, out: &mut Vec<Said>) {
        self.shard.now = event.time;
        self.close_due(event.time, out);
        match &event.activity {
            Activity::Process(ProcessActivity::Launch) => {
                self.launch(event, who, out);
                self.commanded(event, who, out);
            }
            Activity::Dns(dns) => self.dns(event, dns, who, out),
            Activity::Script(script) => self.script(event, script, who, out),
            Activity::Network(network) => {
                self.proxied(event, network, who, out);
                self.network(event, network, None, who, out);
            }
            Activity::Process(ProcessActivity::Exit)
            | Activity::Binding(_)
            | Activity::Claim(_) => {}
        }
    }

    /// A process that starts as a scanner is a finding at once, which its attempts then fill.
    fn launch(&mut self, event: &Event, who: &Who, out: &mut Vec<Said>) {
        let Some(instance) = who.instance() else { return };
        let Some(tool) = instance.tool.clone() else { return };
        self.run_tool(event, &tool, who, out);
    }

    /// A tool that an origin runs is a finding at once, unless its scan is one already.
    fn run_tool(&mut self, event: &Event, tool: &Tool, who: &Who, out: &mut Vec<Said>) {
        let Some(link) = who.links().first().copied() else { return };
        let open = self.shard.episodes.get(&link.id).is_some_and(|episode| !episode.is_closed());
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
    fn script(&mut self, event: &Event, script: &Script, who: &Who, out: &mut Vec<Said>) {
        let analytic = Analytic::of(event.log_source);
        let threshold = (analytic.threshold)(self.tunables);
        let Some(sign) = scripts::read(&script.text, threshold, analytic.threshold_key) else {
            return;
        };
        let Some(link) = who.links().first().copied() else { return };
        let open = self.shard.episodes.get_mut(&link.id).filter(|episode| !episode.is_closed());
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
                match self.shard.evidence.get_mut(link.id) {
                    Some(earlier) => *earlier = evidence,
                    None => {
                        self.shard.evidence.get_or_insert(link.id, || evidence);
                    }
                }
            }
        }
    }

    /// What a command line asks of the network, where the system's logs tell of it in no other way.
    fn commanded(&mut self, event: &Event, who: &Who, out: &mut Vec<Said>) {
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
