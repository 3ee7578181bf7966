//! What servers' audit logs and a cluster's flows tell: jobs, sessions, pods.

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Container, Initiator, LogSource, Network, Outcome, Parent, Process,
    ProcessActivity, Protocol, Technique,
};

use super::hosts::server;
use super::{DAY, Day};

/// Servers with an audit log, and pods of the cluster.
const AUDITED: u32 = 8;
const PODS: u32 = 40;

/// One day of them.
pub(super) fn live(day: &mut Day) {
    for number in 0..AUDITED {
        checks(day, number);
        administrator(day, number);
    }
    for number in 0..PODS {
        pod(day, number);
    }
    updates(day);
}

/// The name of an audited server.
fn audited(number: u32) -> String {
    format!("app{:02}", number + 1)
}

/// A process, as auditd describes it.
pub(super) struct Started<'a> {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) session: u64,
    pub(super) terminal: bool,
    pub(super) command: &'a [&'a str],
}

impl Started<'_> {
    fn actor(&self, device: &str) -> Arc<Actor> {
        let name = self.command.first().copied().unwrap_or("sh");
        let process = Process {
            pid: self.pid,
            path: Some(format!("/usr/bin/{name}").into()),
            arguments: self.command.iter().copied().collect(),
            user: Some("1000".into()),
            session: Some(self.session),
            terminal: self.terminal.then(|| "pts0".into()),
            parent: Some(Box::new(Parent { pid: Some(self.parent), ..Parent::default() })),
            ..Process::default()
        };
        Arc::new(Actor { device: Some(device.into()), process: Some(process), container: None })
    }
}

impl Day {
    /// Adds a process's start.
    pub(super) fn start(&mut self, seconds: f64, device: &str, process: &Started<'_>) {
        let launch = Activity::Process(ProcessActivity::Launch);
        let actor = Some(process.actor(device));
        self.record(seconds, clock(device), LogSource::AuditExec, actor, launch);
    }

    /// Adds a process's start and its connection, which goes on while audit writes of it: nothing is known
    /// of the outcome unless it is refused or open at once.
    pub(super) fn connect(
        &mut self,
        seconds: f64,
        device: &str,
        process: &Started<'_>,
        (target, target_port): (Address, u16),
        outcome: Outcome,
    ) {
        self.start(seconds, device, process);
        let network = Network {
            source: Address::UNSPECIFIED,
            target,
            source_port: 0,
            target_port,
            protocol: Protocol::Tcp,
            initiator: Initiator::Source,
            outcome,
            technique: Technique::Connect,
        };
        let (actor, activity) = (Some(process.actor(device)), Activity::Network(network));
        self.record(seconds + 0.01, clock(device), LogSource::AuditConnect, actor, activity);
    }

    /// Adds what the cluster's network tells of a pod.
    pub(super) fn of_pod(
        &mut self,
        seconds: f64,
        (name, source): (&str, Address),
        (target, target_port): (Address, u16),
        outcome: Outcome,
    ) {
        let container = Container {
            namespace: Some("shop".into()),
            pod: Some(name.into()),
            ..Container::default()
        };
        let actor = Actor { device: None, process: None, container: Some(container.into()) };
        let network = Network {
            source,
            target,
            source_port: self.rng.u16(32_768..61_000),
            target_port,
            protocol: Protocol::Tcp,
            initiator: Initiator::Source,
            outcome,
            technique: Technique::Connect,
        };
        // The nodes' clocks are one cluster's.
        let activity = Activity::Network(network);
        self.record(seconds, 3, LogSource::Hubble, Some(Arc::new(actor)), activity);
    }
}

/// Which clock a computer's records go by.
fn clock(device: &str) -> u64 {
    device.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte))
}

/// Cron's check of the same hosts, every quarter of an hour, each run a new shell and a process a host; two
/// of them are down.
fn checks(day: &mut Day, number: u32) {
    let device = audited(number);
    for run in 0..96_u32 {
        let when = f64::from(run) * 900.0 + f64::from(number);
        let pid = 10_000 + run * 20;
        let session = 1000 + u64::from(run);
        let shell = Started {
            pid,
            parent: pid - 1,
            session,
            terminal: false,
            command: &["sh", "-c", "/opt/check.sh"],
        };
        day.start(when, &device, &shell);
        for n in 0..6_u32 {
            let probe = Started {
                pid: pid + 1 + n,
                parent: pid,
                session,
                terminal: false,
                command: &["nc", "-z", "-w1", "host", "443"],
            };
            let down = n < 2;
            let outcome = if down { Outcome::Refused } else { Outcome::Open };
            let target = (server(10 + number + n), 443);
            day.connect(when + 0.2 * f64::from(n + 1), &device, &probe, target, outcome);
        }
    }
}

/// A person's session of one program after the other, over a day's work.
fn administrator(day: &mut Day, number: u32) {
    let device = audited(number);
    let session = 50 + u64::from(day.number);
    let begins = 3600.0 * (8.0 + day.rng.f64() * 2.0);
    let shell =
        Started { pid: 500, parent: 499, session, terminal: true, command: &["bash", "-l"] };
    day.start(begins, &device, &shell);
    for n in 0..40_u32 {
        let when = begins + day.rng.f64() * 8.0 * 3600.0;
        let (program, port) =
            [("ssh", 22), ("curl", 443), ("git", 443), ("psql", 5432), ("kubectl", 6443)]
                [day.rng.usize(0..5)];
        let command = [program, "somewhere"];
        let process =
            Started { pid: 600 + n, parent: 500, session, terminal: true, command: &command };
        let outcome = match day.rng.f64() {
            lot if lot < 0.03 => Outcome::Refused,
            lot if lot < 0.5 => Outcome::Unknown,
            _ => Outcome::Open,
        };
        let target = (server(10 + day.rng.u32(0..25)), port);
        day.connect(when, &device, &process, target, outcome);
    }
}

/// Updates at night: a timer's job that reaches outside mirrors, other ones each time.
fn updates(day: &mut Day) {
    for number in 0..AUDITED {
        let device = audited(number);
        let when = 5.0 * 3600.0 + day.rng.f64() * 1800.0;
        let job = Started {
            pid: 400,
            parent: 1,
            session: 0,
            terminal: false,
            command: &["update", "-y"],
        };
        day.start(when, &device, &job);
        for n in 0..5_u32 {
            let fetch = Started {
                pid: 401 + n,
                parent: 400,
                session: 0,
                terminal: false,
                command: &["fetch", "mirror"],
            };
            let [a, b] = [day.rng.u8(30..90), day.rng.u8(..)];
            let mirror = (Address::from([151, 101, a, b]), 443);
            day.connect(when + f64::from(n + 1), &device, &fetch, mirror, Outcome::Unknown);
        }
    }
}

/// The address of a pod, and its name, which is another each day: a rollout.
fn pod_of(day: &Day, number: u32) -> (String, Address) {
    let slot = (number * 7 + day.number * 11) % 200;
    (
        format!("web-{}-{number}", day.number),
        Address::from([10, 244, 1 + (slot / 60) as u8, slot as u8]),
    )
}

/// A pod at its services, some of which are being replaced.
fn pod(day: &mut Day, number: u32) {
    let (name, own) = pod_of(day, number);
    for _ in 0..120 {
        let when = day.rng.f64() * DAY;
        let service = (number * 3 + day.rng.u32(0..5)) % 30;
        let port = [8080, 5432, 6379, 9092, 443][service as usize % 5];
        let target = Address::from([10, 96, 0, service as u8 + 1]);
        let outcome = if day.rng.f64() < 0.02 { Outcome::Unanswered } else { Outcome::Served };
        day.of_pod(when, (&name, own), (target, port), outcome);
    }
}
