//! Builds telemetry for tests: attempts of addresses and processes on a virtual clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use lapwing_detect::{Detector, Finding, Input, Tunables, merge};
use lapwing_event::{
    Activity, Actor, Address, Binding, Dns, Event, Initiator, InputId, LogSource, Network, Outcome,
    Parent, Process, ProcessActivity, Protocol, Record, Script, Technique, Timestamp,
};

/// When scenes begin: an arbitrary moment of 2026.
pub const START: i64 = 1_772_442_000;

/// An address written as text.
pub fn address(text: &str) -> Address {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// The host of this number in 10.0.0.0/16.
pub fn host(number: u32) -> Address {
    Address::from([10, 0, (number >> 8) as u8, number as u8])
}

/// Telemetry in the making.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    pub events: Vec<Event>,
}

/// One attempt, to be changed where it differs from a refused TCP SYN.
#[derive(Clone, Copy, Debug)]
pub struct Try {
    pub source: Address,
    pub target: Address,
    pub port: u16,
    pub protocol: Protocol,
    pub outcome: Outcome,
    pub technique: Technique,
    pub initiator: Initiator,
    pub log_source: LogSource,
}

/// A refused TCP SYN as packets show it.
pub fn syn(source: Address, target: Address, port: u16) -> Try {
    Try {
        source,
        target,
        port,
        protocol: Protocol::Tcp,
        outcome: Outcome::Refused,
        technique: Technique::Syn,
        initiator: Initiator::Source,
        log_source: LogSource::Packets,
    }
}

impl Try {
    pub fn outcome(self, outcome: Outcome) -> Try {
        Try { outcome, ..self }
    }
    pub fn technique(self, technique: Technique) -> Try {
        Try { technique, ..self }
    }
    pub fn protocol(self, protocol: Protocol) -> Try {
        Try { protocol, ..self }
    }
}

/// A Linux process for audit records.
pub fn process(pid: u32, path: &str, parent: u32) -> Process {
    Process {
        pid,
        path: Some(path.into()),
        user: Some("1001".into()),
        parent: Some(Box::new(Parent { pid: Some(parent), ..Parent::default() })),
        ..Process::default()
    }
}

impl Scene {
    fn push(
        &mut self,
        seconds: f64,
        log_source: LogSource,
        actor: Option<Actor>,
        activity: Activity,
    ) {
        let time = Timestamp(START * 1_000_000_000 + (seconds * 1e9) as i64);
        let record = Record { input: InputId(0), offset: self.events.len() as u64 };
        self.events.push(Event { time, record, log_source, actor: actor.map(Arc::new), activity });
    }

    /// Adds an attempt, `seconds` after the scene's start.
    pub fn at(&mut self, seconds: f64, attempt: Try) {
        self.attempt(seconds, attempt, None);
    }

    /// Adds a process's attempt with an outcome, as audit connect records show it.
    pub fn connect(
        &mut self,
        seconds: f64,
        process: &Process,
        target: Address,
        port: u16,
        outcome: Outcome,
    ) {
        let attempt = Try {
            log_source: LogSource::AuditConnect,
            technique: Technique::Connect,
            ..syn(Address::UNSPECIFIED, target, port).outcome(outcome)
        };
        let actor = Actor { process: Some(process.clone()), ..Actor::default() };
        self.attempt(seconds, attempt, Some(actor));
    }

    /// Adds an attempt of this actor.
    pub fn by(&mut self, seconds: f64, actor: &Actor, attempt: Try) {
        self.attempt(seconds, attempt, Some(actor.clone()));
    }

    fn attempt(&mut self, seconds: f64, attempt: Try, actor: Option<Actor>) {
        let Try { source, target, port, protocol, outcome, technique, initiator, log_source } =
            attempt;
        let network = Network {
            source,
            target,
            source_port: if protocol.has_ports() { 40_000 } else { 0 },
            target_port: port,
            protocol,
            initiator,
            outcome,
            technique,
        };
        self.push(seconds, log_source, actor, Activity::Network(network));
    }

    /// Adds a question for a name, sent to a resolver; its answer is not known.
    pub fn asks(&mut self, seconds: f64, source: Address, name: &str, query_type: u16) {
        let dns = Dns {
            source,
            target: address("10.0.0.53"),
            source_port: 50_000,
            target_port: 53,
            name: name.into(),
            query_type: Some(query_type),
            outcome: Outcome::Unknown,
        };
        self.push(seconds, LogSource::ZeekDns, None, Activity::Dns(Box::new(dns)));
    }

    /// Adds a question for a service type by multicast: of a client in the unified log, or of an
    /// address in packets.
    pub fn browses(&mut self, seconds: f64, actor: Option<&Actor>, source: Address, name: &str) {
        let log_source = match actor {
            Some(_) => LogSource::UnifiedLog,
            None => LogSource::MulticastDns,
        };
        let dns = Dns {
            source,
            target: address("224.0.0.251"),
            source_port: 5353,
            target_port: 5353,
            name: name.into(),
            query_type: Some(12),
            outcome: Outcome::Unknown,
        };
        self.push(seconds, log_source, actor.cloned(), Activity::Dns(Box::new(dns)));
    }

    /// Adds a question to everybody at this port, of this type where the protocol has types.
    pub fn asks_around(
        &mut self,
        seconds: f64,
        source: Address,
        target_port: u16,
        (name, query_type): (&str, Option<u16>),
    ) {
        let dns = Dns {
            source,
            target: address("239.255.255.250"),
            source_port: 50_000,
            target_port,
            name: name.into(),
            query_type,
            outcome: Outcome::Unknown,
        };
        self.push(seconds, LogSource::DiscoveryPackets, None, Activity::Dns(Box::new(dns)));
    }

    /// Adds knowledge of whose an address or a container is from then on.
    pub fn binds(&mut self, seconds: f64, actor: &Actor, binding: Binding) {
        let activity = Activity::Binding(Box::new(binding));
        self.push(seconds, LogSource::Kubernetes, Some(actor.clone()), activity);
    }

    /// Adds a process's start.
    pub fn launch(&mut self, seconds: f64, process: &Process, arguments: &[&str]) {
        self.starts(seconds, LogSource::AuditExec, process, arguments);
    }

    /// Adds a process's start, as this log tells of it.
    pub fn starts(
        &mut self,
        seconds: f64,
        log_source: LogSource,
        process: &Process,
        arguments: &[&str],
    ) {
        let arguments = arguments.iter().copied().collect();
        let process = Process { arguments, ..process.clone() };
        let actor = Actor { process: Some(process), ..Actor::default() };
        let launch = Activity::Process(ProcessActivity::Launch);
        self.push(seconds, log_source, Some(actor), launch);
    }

    /// Adds a script that an actor runs.
    pub fn runs(&mut self, seconds: f64, actor: &Actor, script: &str) {
        let script = Script { text: script.into(), path: None };
        let activity = Activity::Script(Box::new(script));
        self.push(seconds, LogSource::PowerShellScript, Some(actor.clone()), activity);
    }

    /// Adds the start of an actor's process, as this log tells of it.
    pub fn starts_of(&mut self, seconds: f64, log_source: LogSource, actor: &Actor) {
        let launch = Activity::Process(ProcessActivity::Launch);
        self.push(seconds, log_source, Some(actor.clone()), launch);
    }

    /// Judges the scene with the default configuration.
    pub fn judge(&self) -> Vec<Finding> {
        self.judge_with(&Tunables::default())
    }

    /// Judges the scene; events need not be in order. Each scene that is judged shows, too, that a
    /// detector which ends and is restored twice on the way says the same, and one that takes all events at
    /// once.
    pub fn judge_with(&self, tunables: &Tunables) -> Vec<Finding> {
        let mut events = self.events.clone();
        events.sort_by_key(|event| (event.time, event.record));
        let said = tell(Detector::sorted(tunables.clone()), events.clone());
        let broken = tell_broken(Detector::sorted(tunables.clone()), events.clone(), tunables);
        assert_eq!(said, broken, "an image holds all that is remembered");
        let together = tell_together(Detector::sorted(tunables.clone()), events);
        assert_eq!(said, together, "nothing depends on how many events are taken at once");
        last_of_each(said)
    }

    /// Everything that is said along the way, in order.
    pub fn tellings(&self) -> Vec<Finding> {
        let mut events = self.events.clone();
        events.sort_by_key(|event| (event.time, event.record));
        tell(Detector::sorted(Tunables::default()), events)
    }
}

/// Feeds events to a detector and gathers all that it says.
pub fn tell(mut detector: Detector, events: Vec<Event>) -> Vec<Finding> {
    let mut said = Vec::new();
    for event in events {
        detector.step(Input::Event(event), &mut said);
    }
    detector.finish(&mut said);
    said
}

/// As [`tell`], but the detector takes all events at once.
fn tell_together(mut detector: Detector, mut events: Vec<Event>) -> Vec<Finding> {
    let mut said = Vec::new();
    detector.steps(&mut events, &mut said);
    detector.finish(&mut said);
    said
}

/// As [`tell`], but the detector ends after each third of the events and goes on from its image.
pub fn tell_broken(
    mut detector: Detector,
    events: Vec<Event>,
    tunables: &Tunables,
) -> Vec<Finding> {
    let mut said = Vec::new();
    let third = events.len() / 3 + 1;
    for (count, event) in (1..).zip(events) {
        detector.step(Input::Event(event), &mut said);
        if count % third == 0 {
            detector = restored(&detector, tunables);
        }
    }
    detector.finish(&mut said);
    said
}

/// The detector that this one's image is of.
pub fn restored(detector: &Detector, tunables: &Tunables) -> Detector {
    let image = detector.snapshot().unwrap_or_else(|error| panic!("{error}"));
    Detector::restore(&image, tunables.clone()).unwrap_or_else(|error| panic!("{error}"))
}

/// The last telling of each finding, joined.
pub fn last_of_each(said: Vec<Finding>) -> Vec<Finding> {
    let last: BTreeMap<_, _> = said.into_iter().map(|finding| (finding.uid, finding)).collect();
    merge(last.into_values().collect(), &Tunables::default().detection.joining)
}

/// The one finding of a scene; shows what else there is otherwise.
pub fn only(findings: Vec<Finding>) -> Finding {
    let shown: Vec<String> =
        findings.iter().map(|f| format!("{:?} by {:?}: {:?}", f.kind, f.origin, f.why)).collect();
    assert_eq!(findings.len(), 1, "expected one finding, got {shown:#?}");
    findings.into_iter().next().unwrap()
}

/// That a scene is quiet; shows what it says otherwise.
pub fn quiet(findings: Vec<Finding>) {
    let shown: Vec<String> =
        findings.iter().map(|f| format!("{:?} by {:?}: {:?}", f.kind, f.origin, f.why)).collect();
    assert!(findings.is_empty(), "expected silence, got {shown:#?}");
}
