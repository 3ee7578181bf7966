//! What the telemetry could show, and where it was blind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lapwing_event::{LogSource, Timestamp};

use crate::analytics::{ANALYTICS, StrategySource};

/// What was read of one log source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Events.
    pub events: u64,
    /// The earliest event.
    pub first: Timestamp,
    /// The latest event.
    pub last: Timestamp,
    /// Computers that the records name; 0 where they name none (packets, flows).
    pub devices: u64,
}

/// Coverage of the whole strategy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// One entry per analytic that is built, in ATT&CK's order.
    pub analytics: Vec<AnalyticCoverage>,
}

/// Coverage of one analytic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalyticCoverage {
    /// Its ATT&CK id.
    pub id: &'static str,
    /// Its platform.
    pub platform: &'static str,
    /// Each of its published log sources.
    pub sources: Vec<SourceCoverage>,
    /// In which way it could not see though records were there, and what would help.
    pub blind: Vec<String>,
}

/// Coverage of one published log source of an analytic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCoverage {
    /// The log source, as published.
    pub source: &'static StrategySource,
    /// What was read that meets it, by log source; empty where absent.
    pub met_by: Vec<(LogSource, Seen)>,
    /// Computers that another log source of the analytic names and none of this one does: of them it
    /// shows nothing. Empty where this one is absent, or names no computers.
    pub lacking: Lacking,
}

/// Computers that a log source says nothing of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// How many.
    pub count: u64,
    /// The first of their names, ascending, at most [`MAX_LACKING`].
    pub names: Vec<Arc<str>>,
}

/// How many names of computers are listed where a log source lacks them.
pub const MAX_LACKING: usize = 16;

/// The computers that each log source names.
pub type Devices = BTreeMap<LogSource, BTreeSet<Arc<str>>>;

impl AnalyticCoverage {
    /// Whether nothing at all was there for it.
    pub fn is_absent(&self) -> bool {
        self.sources.iter().all(|source| source.met_by.is_empty())
    }
}

impl Coverage {
    /// The coverage that these log sources give, which name these computers.
    pub fn of(seen: &BTreeMap<LogSource, Seen>, devices: &Devices) -> Coverage {
        let analytics = ANALYTICS
            .iter()
            .map(|analytic| AnalyticCoverage {
                id: analytic.id,
                platform: analytic.platform,
                sources: met(analytic.log_sources, seen, devices),
                blind: match analytic.id {
                    "AN1057" => blind_windows(seen),
                    "AN1059" => blind_macos(seen),
                    "AN1060" => blind_containers(seen),
                    _ => blind_linux(seen),
                },
            })
            .collect();
        Coverage { analytics }
    }
}

/// What a computer's names have in common: one log writes its short name, another the whole one, in
/// letters of any case. Addresses are no names with dots.
fn same_computer(name: &str) -> String {
    let short = match name.parse::<std::net::IpAddr>() {
        Ok(_) => name,
        Err(_) => name.split('.').next().unwrap_or(name),
    };
    short.to_ascii_lowercase()
}

fn met(
    sources: &'static [StrategySource],
    seen: &BTreeMap<LogSource, Seen>,
    devices: &Devices,
) -> Vec<SourceCoverage> {
    let named = |source: &'static StrategySource| -> BTreeMap<String, &Arc<str>> {
        let names = source.met_by.iter().filter_map(|log_source| devices.get(log_source)).flatten();
        names.map(|name| (same_computer(name), name)).collect()
    };
    let all: BTreeMap<String, &Arc<str>> = sources.iter().flat_map(named).collect();
    let of = |source: &'static StrategySource| {
        let own = named(source);
        let lacking = || all.iter().filter(|(name, _)| !own.contains_key(*name));
        let lacking = match own.is_empty() {
            true => Lacking::default(),
            false => Lacking {
                count: lacking().count() as u64,
                names: lacking().take(MAX_LACKING).map(|(_, name)| Arc::clone(name)).collect(),
            },
        };
        let met = |log_source: &LogSource| Some((*log_source, *seen.get(log_source)?));
        SourceCoverage { source, met_by: source.met_by.iter().filter_map(met).collect(), lacking }
    };
    sources.iter().map(of).collect()
}

fn blind_windows(seen: &BTreeMap<LogSource, Seen>) -> Vec<String> {
    let has = |log_source| seen.contains_key(&log_source);
    let any = |sources: &[LogSource]| sources.iter().any(|source| has(*source));
    let starts =
        any(&[LogSource::SysmonProcess, LogSource::SecurityProcess, LogSource::DefenderProcess]);
    let connections =
        any(&[LogSource::SysmonNetwork, LogSource::SecurityConnection, LogSource::DefenderNetwork]);
    let mut blind = Vec::new();
    if has(LogSource::SecurityDrop) && !has(LogSource::SecurityConnection) {
        blind.push(
            "Security 5152 shows packets that this computer's firewall dropped: what it let through, \
             in or out, does not show; turn on \"Audit Filtering Platform Connection\" (5156, 5157)"
                .to_string(),
        );
    }
    if has(LogSource::SysmonNetwork) && !has(LogSource::SecurityConnection) {
        blind.push(
            "Sysmon 3 omits failed connections: closed and filtered ports of a scan do not show; \
             turn on \"Audit Filtering Platform Connection\" (5156, 5157)"
                .to_string(),
        );
    }
    if has(LogSource::DefenderNetwork) {
        blind.push(
            "Defender forwards many events once a day for each distinct set of fields, and leaves \
             out some failures: a scan may show less than it did"
                .to_string(),
        );
    }
    if starts && !connections {
        blind.push(
            "process starts without connections: only scanners known by name can be found; turn \
             on Sysmon NetworkConnect, or \"Audit Filtering Platform Connection\""
                .to_string(),
        );
    }
    if connections && !starts {
        blind.push(
            "connections without process starts: command line and parent are not known; turn on \
             Sysmon ProcessCreate, or \"Audit Process Creation\" with command lines"
                .to_string(),
        );
    }
    blind
}

fn blind_macos(seen: &BTreeMap<LogSource, Seen>) -> Vec<String> {
    let has = |log_source| seen.contains_key(&log_source);
    let starts = has(LogSource::EsProcess)
        || has(LogSource::OsqueryMacProcess)
        || has(LogSource::SantaProcess);
    let mut blind = Vec::new();
    let mut say = |applies: bool, what: &str| {
        if applies {
            blind.push(what.to_string());
        }
    };
    say(
        starts && !has(LogSource::OsqueryMacSocket),
        "macOS' process events tell of no connections: of scans only what command lines ask for \
         shows; add packets or flows of the same network",
    );
    say(
        starts
            && !has(LogSource::UnifiedLog)
            && !has(LogSource::MacSystemLog)
            && !has(LogSource::MulticastDns),
        "a program that browses by itself shows nowhere: collect the unified log's \
         subsystem com.apple.mDNSResponder, or packets of port 5353",
    );
    say(
        has(LogSource::UnifiedLog),
        "mDNSResponder masks what is asked for: types are told by hash where that is printed and \
         known",
    );
    say(
        has(LogSource::UnifiedLog) && !starts,
        "no process starts: clients are known by a short name alone; add eslogger exec or osquery's \
         es_process_events",
    );
    say(
        has(LogSource::MulticastDns) && !has(LogSource::UnifiedLog),
        "packets do not tell which program asked; collect the unified log's subsystem \
         com.apple.mDNSResponder",
    );
    blind
}

fn blind_containers(seen: &BTreeMap<LogSource, Seen>) -> Vec<String> {
    let has = |log_source| seen.contains_key(&log_source);
    let any = |sources: &[LogSource]| sources.iter().any(|source| has(*source));
    let starts = [LogSource::TetragonProcess, LogSource::TraceeProcess, LogSource::FalcoProcess];
    let connects = [LogSource::TetragonConnect, LogSource::TraceeConnect, LogSource::FalcoConnect];
    let mut blind = Vec::new();
    let mut say = |applies: bool, what: &str| {
        if applies {
            blind.push(what.to_string());
        }
    };
    say(
        any(&connects),
        "connect hooks do not show raw packets: a SYN scan shows only its tool's start; add Hubble \
         or the network's flow logs",
    );
    say(
        has(LogSource::TetragonConnect) || has(LogSource::TraceeConnect),
        "Tetragon and Tracee see attempts and not what came of them: breadth and order carry their \
         findings",
    );
    say(
        any(&starts) && !any(&connects) && !has(LogSource::Hubble),
        "process starts without connects: only scanners known by name can be found; add a Tetragon \
         TracingPolicy of tcp_connect, Tracee's security_socket_connect, or a Falco rule of connect",
    );
    say(
        any(&connects) && !any(&starts),
        "connects without process starts: parents and command lines may be missing; export \
         process_exec (Tetragon), sched_process_exec (Tracee), or a Falco rule of execve",
    );
    say(
        has(LogSource::FalcoConnect) || has(LogSource::FalcoProcess),
        "Falco tells of what its rules name: connects that no rule tells of do not show",
    );
    say(
        has(LogSource::Hubble),
        "Hubble does not tell the kubelet's probes from what else runs on a node: who asks a node's \
         pods from there is known by the node alone; add Tetragon or Tracee",
    );
    let clouds = has(LogSource::AwsVpcFlow) || has(LogSource::AzureFlow) || has(LogSource::GcpFlow);
    say(
        clouds && !has(LogSource::Kubernetes),
        "flow logs of a cloud's network name addresses, no process and no pod, and do not hold \
         traffic between pods of one node; where pods run, add what kubectl get pods,nodes,services \
         -A -o json lists",
    );
    say(
        clouds && has(LogSource::Kubernetes),
        "flow logs of a cloud's network name no process, and do not hold traffic between pods of \
         one node",
    );
    say(
        has(LogSource::AzureConnection),
        "VMConnection tells of a minute's connections at once: their order does not show",
    );
    say(
        has(LogSource::GcpFlow),
        "Google samples about 1 packet in 30 and never logs ingress that a firewall denied: most \
         probes of a scan do not show; turn on Firewall Rules Logging",
    );
    blind
}

fn blind_linux(seen: &BTreeMap<LogSource, Seen>) -> Vec<String> {
    let has = |log_source| seen.contains_key(&log_source);
    let traffic = has(LogSource::Packets)
        || has(LogSource::SFlow)
        || has(LogSource::ZeekConn)
        || has(LogSource::SuricataFlow)
        || has(LogSource::NetFlow);
    let mut blind = Vec::new();
    if has(LogSource::FirewallLog) && !traffic {
        blind.push(
            "firewall logs show what their rules log, most often drops: ports that were let through \
             do not show; add packets or flows of the same network"
                .to_string(),
        );
    }
    if has(LogSource::SFlow) {
        blind.push(
            "sFlow holds one packet in many: short and slow scans do not show; add flows that are \
             not sampled"
                .to_string(),
        );
    }
    if has(LogSource::AuditExec) && !has(LogSource::AuditConnect) && !traffic {
        blind.push(
            "execve without connect or traffic: only scanners known by name can be found; add \
             \"-a always,exit -F arch=b64 -S connect,sendto,sendmsg\" to the audit rules"
                .to_string(),
        );
    }
    if has(LogSource::SysmonLinuxNetwork) && !traffic {
        blind.push(
            "Sysmon for Linux omits failed connections: closed and filtered ports of a scan do not \
             show; add audit rules for connect, or packets or flows"
                .to_string(),
        );
    }
    if has(LogSource::AuditConnect) && !traffic {
        blind.push(
            "connect records do not show raw packets: a SYN scan shows only its tool's start; add \
             packets or flows of the same network"
                .to_string(),
        );
    }
    let starts = has(LogSource::AuditExec)
        || has(LogSource::SysmonLinuxProcess)
        || has(LogSource::OsqueryProcess);
    let traffic = traffic || has(LogSource::FirewallLog);
    if (has(LogSource::AuditConnect) || traffic) && !starts {
        blind.push(
            "no execve records: what runs behind an attempt is known by address or by process \
             name alone; add \"-a always,exit -F arch=b64 -S execve,execveat\" to the audit rules"
                .to_string(),
        );
    }
    blind
}
