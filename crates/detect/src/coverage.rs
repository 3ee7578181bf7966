//! What the telemetry could show, and where it was blind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lapwing_event::{LogSource, Span, Timestamp};

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
    /// The ports that its attempts were for, where they are few.
    pub ports: FewPorts,
}

/// The distinct ports that attempts were for, as long as they are at most [`FewPorts::MOST`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FewPorts {
    /// Ascending; the first `count` of them hold.
    ports: [u16; FewPorts::MOST],
    count: u8,
    more: bool,
}

impl FewPorts {
    /// How many ports are few: the include lists of published Sysmon configurations name eight or so
    /// (`SwiftOnSecurity/sysmon-config`: 22, 23, 25, 143, 3389, 5800, 5900, 4444).
    pub const MOST: usize = 8;

    /// Adds a port.
    pub fn add(&mut self, port: u16) {
        if self.more {
            return;
        }
        let count = usize::from(self.count);
        match self.ports[..count].binary_search(&port) {
            Ok(_) => {}
            Err(_) if count == Self::MOST => self.more = true,
            Err(at) => {
                self.ports.copy_within(at..count, at + 1);
                self.ports[at] = port;
                self.count += 1;
            }
        }
    }

    /// Adds another's ports.
    pub fn absorb(&mut self, other: FewPorts) {
        other.ports[..usize::from(other.count)].iter().for_each(|port| self.add(*port));
        self.more |= other.more;
    }

    /// The ports, ascending; `None` where there are more, or none.
    pub fn listed(&self) -> Option<&[u16]> {
        (!self.more && self.count > 0).then(|| &self.ports[..usize::from(self.count)])
    }
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
    /// What was read beside them that meets none of them.
    pub beside: Vec<(LogSource, Seen)>,
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
        self.beside.is_empty() && self.sources.iter().all(|source| source.met_by.is_empty())
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
                beside: (analytic.beside.iter())
                    .filter_map(|log_source| Some((*log_source, *seen.get(log_source)?)))
                    .collect(),
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
    blind.extend(seen.get(&LogSource::SysmonNetwork).and_then(filtered));
    if has(LogSource::PowerShellScript) && !starts && !connections {
        blind.push(
            "PowerShell script blocks alone: a scan by anything but a script does not show; turn on \
             Sysmon ProcessCreate and NetworkConnect"
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

/// From how many connections, over which time, on it is a matter of Sysmon's configuration rather than
/// of what was done that they are for few ports: a computer asks for names, the web, its domain and its
/// printers within the hour.
const FILTERED_EVENTS: u64 = 100;
const FILTERED_SPAN: Span = Span::seconds(3600);

/// That Sysmon seems to record the connections of few ports alone.
fn filtered(seen: &Seen) -> Option<String> {
    let ports = seen.ports.listed()?;
    let enough = seen.events >= FILTERED_EVENTS && seen.last.since(seen.first) >= FILTERED_SPAN;
    enough.then(|| {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        format!(
            "Sysmon 3 seems filtered to the ports {}: none of its {} events is for another, and \
             scans of others do not show; see <NetworkConnect> in its configuration",
            ports.join(", "),
            seen.events
        )
    })
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
        || has(LogSource::SampledFlow)
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
    if has(LogSource::ZeekService) && !traffic {
        blind.push(
            "Zeek's logs of protocols hold what was spoken in: closed and filtered ports do not show; \
             add conn.log of the same sensor"
                .to_string(),
        );
    }
    if has(LogSource::SampledFlow) {
        blind.push(
            "some exporters look at one packet in many: most probes of a scan do not show; add flows \
             that are not sampled"
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
    let traffic = traffic || has(LogSource::FirewallLog) || has(LogSource::ZeekService);
    if (has(LogSource::AuditConnect) || traffic) && !starts {
        blind.push(
            "no execve records: what runs behind an attempt is known by address or by process \
             name alone; add \"-a always,exit -F arch=b64 -S execve,execveat\" to the audit rules"
                .to_string(),
        );
    }
    blind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ports: &[u16], events: u64, seconds: i64) -> Seen {
        let mut few = FewPorts::default();
        ports.iter().for_each(|port| few.add(*port));
        let (first, last) = (Timestamp(0), Timestamp(0).plus(Span::seconds(seconds)));
        Seen { events, first, last, devices: 3, ports: few }
    }

    #[test]
    fn a_log_of_few_ports_over_hours_seems_filtered() {
        let said = filtered(&seen(&[3389, 22, 22, 4444], 100, 3600)).unwrap_or_default();
        assert!(said.contains("the ports 22, 3389, 4444: none of its 100 events"), "{said}");
        let many = [22, 23, 25, 143, 3389, 5800, 5900, 4444, 443];
        assert_eq!(filtered(&seen(&many, 5000, 86_400)), None);
        // A sweep of one port in a second, and a handful of connections, say nothing of the log.
        assert_eq!(filtered(&seen(&[445], 254, 1)), None);
        assert_eq!(filtered(&seen(&[445], 99, 86_400)), None);
        assert_eq!(filtered(&seen(&[], 1000, 86_400)), None);
    }

    #[test]
    fn ports_are_few_however_they_come() {
        let mut one = seen(&[3, 1, 2], 0, 0).ports;
        one.absorb(seen(&[2, 9], 0, 0).ports);
        assert_eq!(one.listed(), Some(&[1, 2, 3, 9][..]));
        one.absorb(seen(&[11, 12, 13, 14, 15], 0, 0).ports);
        assert_eq!(one.listed(), None);
    }
}
