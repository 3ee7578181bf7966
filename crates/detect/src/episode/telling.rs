//! What is said of an episode: its shape, its severity, its notes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use lapwing_event::{Address, InputId, LogSource, Prefix, Process, Record, Technique};

use super::{ESTABLISHED_ONLY, Episode, FEW, MAX_TARGETS, OUTCOMES_UNKNOWN, SHAPED};
use crate::crossing::Axis;
use crate::explain;
use crate::finding::{
    Counts, Finding, Kind, Level, MAX_LISTED, Origin, PortRange, Service, Severity, Status, Tested,
    Witness,
};
use crate::origin::cron_job;
use crate::reached::METADATA;
use crate::severity;
use crate::tunables::Tunables;

impl Episode {
    /// The shape of what was probed.
    pub(crate) fn kind(&self) -> Kind {
        // A handful of attempts beside a scanner's command line is its preparation (hping connects
        // once to learn its own address), not its scan.
        if self.axes.is_empty() {
            return Kind::Tool;
        }
        if self.axes.contains(&Axis::Names) {
            return Kind::Enumeration;
        }
        if self.axes.contains(&Axis::Proxy) {
            return Kind::Proxy;
        }
        if self.port_pairs == 0 || (self.port_pairs < SHAPED && self.port_pairs < self.pairs.len())
        {
            // One protocol after another to one host is `nmap -sO`: its services, not its presence.
            return if self.hosts.len() <= 1 { Kind::Vertical } else { Kind::HostSweep };
        }
        let (hosts, ports) = (self.port_hosts.len(), self.ports.len());
        match (hosts <= FEW, ports <= FEW) {
            (true, true) if hosts >= ports => Kind::Horizontal,
            (true, _) => Kind::Vertical,
            (false, true) => Kind::Horizontal,
            (false, false) => Kind::Block,
        }
    }

    /// What is to be said of the episode now.
    pub fn finding(&mut self, tunables: &Tunables) -> Finding {
        self.reported = self.attempts;
        let detected_after = *self.first_told.get_or_insert(self.attempts);
        let kind = self.kind();
        let tested = explain::tested(self, kind, tunables);
        self.ordinary = explain::is_ordinary(self, kind, tunables);
        let open = if kind == Kind::HostSweep { &self.alive } else { &self.open };
        let hosts = self.told_hosts();
        // A group that a neighbour is asked for by tells the end of its address, and not its subnet.
        let known = hosts.iter().filter(|host| !host.is_solicited_node());
        let prefixes: BTreeSet<Prefix> = known.map(|host| host.subnet()).collect();
        let mut techniques: Vec<(Technique, u64)> =
            self.techniques.iter().map(|(technique, count)| (*technique, *count)).collect();
        techniques.sort_by_key(|(technique, count)| (std::cmp::Reverse(*count), *technique));
        let mut finding = Finding {
            uid: self.uid,
            analytic: self.analytic.id,
            kind,
            status: if self.closed { Status::Closed } else { Status::Open },
            severity: self.severity(kind, open, tunables),
            confidence: 0,
            origin: self.origin.clone(),
            members: Vec::new(),
            first_seen: self.first,
            last_seen: self.last,
            detected_after,
            counts: Counts {
                attempts: self.attempts,
                hosts: hosts.len() as u64,
                ports: self.ports.len() as u64,
                pairs: self.pairs.len() as u64,
            },
            outcomes: self.outcomes,
            hosts: hosts.iter().copied().take(MAX_LISTED).collect(),
            ports: ranges(self.ports.iter().map(|(_, port)| *port)),
            names: self.names.iter().map(ToString::to_string).collect(),
            open: open.iter().copied().take(MAX_LISTED).collect(),
            open_count: open.len() as u64,
            prefixes: prefixes.into_iter().take(MAX_LISTED).collect(),
            reached: self.targets.reached(&self.origin, &self.hosts),
            protocols: self.protocols.iter().copied().collect(),
            techniques: techniques.into_iter().map(|(technique, _)| technique).collect(),
            tool: self.tool.as_ref().map(|tool| tool.name.clone()),
            rate: self.rate(),
            why: self.why.clone(),
            silent_at: None,
            witnesses: self.witnesses.iter().map(witness).collect(),
            suppressed_by: None,
            notes: self.notes(kind, &tested),
            tested,
            points: self.points.kept().to_vec(),
            footprint: self.footprint.clone(),
            resolved: self.resolved,
            tool_targets: self.tool.as_ref().map(|tool| tool.targets.clone()).unwrap_or_default(),
        };
        finding.confidence = severity::confidence(&finding, self.by_order);
        finding
    }

    /// Its hosts, those that flows name only by their solicited-node group left out where one of that
    /// group is known by its address.
    fn told_hosts(&self) -> Cow<'_, BTreeSet<Address>> {
        let group = |host: &Address| host.is_solicited_node();
        if !self.hosts.iter().any(group) {
            return Cow::Borrowed(&self.hosts);
        }
        let known: BTreeSet<Address> = self
            .hosts
            .iter()
            .filter(|host| !host.is_v4() && !group(host))
            .map(|host| host.solicited_node())
            .collect();
        Cow::Owned(self.hosts.difference(&known).copied().collect())
    }

    fn severity(&self, kind: Kind, open: &BTreeSet<Service>, tunables: &Tunables) -> Severity {
        if explain::is_ordinary(self, kind, tunables) {
            // DESIGN.md section 5: a recognised confuser is at most informational.
            return Severity::Informational;
        }
        let ports = self.ports.iter().map(|(_, port)| *port).collect();
        severity::of(kind, &self.origin, open, &ports)
    }

    fn notes(&self, kind: Kind, tested: &[Tested]) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |applies: bool, text: String| {
            if applies {
                notes.push(text);
            }
        };
        let outcomes = self.outcomes;
        let unseen = self.tool.as_ref().map_or("", |tool| &*tool.unseen);
        note(kind == Kind::Tool, unseen.to_string());
        // A question's outcome says nothing of who asks.
        let unknown = outcomes.unknown > outcomes.known() && kind != Kind::Enumeration;
        note(unknown, OUTCOMES_UNKNOWN.to_string());
        let of = |wanted: fn(LogSource) -> bool| {
            self.witnesses.keys().any(|(log_source, _)| wanted(*log_source))
        };
        let established_only =
            of(|source| !source.sees_failures() && source != LogSource::ZeekService)
                && outcomes.refused + outcomes.unanswered == 0;
        note(established_only, ESTABLISHED_ONLY.to_string());
        note(
            of(|source| source == LogSource::ZeekService),
            "logs of protocols hold what was spoken in: refused and unanswered probes of this scan do \
             not show"
                .to_string(),
        );
        note(
            self.origin.process.as_ref().is_some_and(|process| process.pid == 4)
                && self.analytic.id == "AN1057",
            "the System process sends SMB for others: the asking process is not recorded"
                .to_string(),
        );
        let sampled = self.witnesses.keys().any(|(log_source, _)| log_source.is_sampled());
        note(
            sampled,
            "the log holds a sample of the traffic: the scan reached further than is counted here"
                .to_string(),
        );
        let ports = self.ports.iter().map(|(_, port)| *port).collect();
        let control = severity::reaches_out(&self.origin, &ports);
        note(!control.is_empty(), severity::breakout(&control));
        note(
            self.hosts.contains(&METADATA),
            format!("the cloud's metadata address ({METADATA}) was among the targets"),
        );
        let processes = [&self.origin.process, &self.origin.child];
        note(
            processes.into_iter().flatten().any(|process| process.added),
            "no image brought the program's file: it was put there later, is gone, or lies in memory alone".to_string(),
        );
        note(
            self.origin.level == Level::Lineage,
            format!("{} processes made these attempts", self.children.len()),
        );
        note(
            self.origin.level == Level::Job,
            format!(
                "runs of one job made these attempts, by {} processes{}",
                self.children.len(),
                started_by(&self.origin)
            ),
        );
        let pod = self.origin.container.as_deref().and_then(|container| container.pod.as_deref());
        if let Some(job) = pod.and_then(cron_job).filter(|_| self.origin.level == Level::Container)
        {
            note(
                true,
                format!("pods of one CronJob ({job}) count together: it is the last that is named"),
            );
        }
        note(
            self.origin.level == Level::Session,
            format!(
                "{} processes of one login session made these attempts{}",
                self.children.len(),
                match self.programs.iter().map(|name| &**name).collect::<Vec<_>>() {
                    programs if programs.is_empty() => String::new(),
                    programs => format!(", {} among them", programs.join(", ")),
                }
            ),
        );
        note(
            self.origin.level == Level::Prefix,
            format!("{} addresses of one subnet made these attempts by turns", self.children.len()),
        );
        for class in tested {
            note(
                class.holds && self.tool.is_none(),
                format!("looks like {}: {}", class.class, class.because),
            );
        }
        note(
            self.unlisted > 0,
            format!(
                "counts of hosts, ports and pairs are lower bounds: {} attempts lie beyond the {MAX_TARGETS} targets that are counted",
                self.unlisted
            ),
        );
        note(
            self.hosts.iter().any(|host| host.is_solicited_node()),
            "flows name a neighbour by the group that it was asked for by: each counts as one host"
                .to_string(),
        );
        note(self.resumed > 0, format!("resumed {} times after a pause", self.resumed));
        notes
    }
}

/// Who started a job, where its record says so.
fn started_by(origin: &Origin) -> String {
    let parent = origin.process.as_deref().and_then(|process| process.parent.as_deref());
    let program = parent.and_then(|parent| {
        let by = Process { path: parent.path.clone(), ..Process::default() };
        by.short_name().map(str::to_string)
    });
    program.map(|program| format!(", started by {program}")).unwrap_or_default()
}

fn witness(
    ((log_source, _), (first, last, records)): (&(LogSource, InputId), &(Record, Record, u64)),
) -> Witness {
    Witness { log_source: *log_source, first: *first, last: *last, records: *records }
}

/// Ports as ascending ranges, at most [`MAX_LISTED`].
fn ranges(ports: impl Iterator<Item = u16>) -> Vec<PortRange> {
    let ports: BTreeSet<u16> = ports.collect();
    let mut ranges: Vec<PortRange> = Vec::new();
    for port in ports {
        match ranges.last_mut() {
            Some(range) if range.last.checked_add(1) == Some(port) => range.last = port,
            _ => ranges.push(PortRange { first: port, last: port }),
        }
    }
    ranges.truncate(MAX_LISTED);
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_listed_as_ranges() {
        let shown: Vec<String> = ranges([80, 22, 81, 82, 443, 65535].into_iter())
            .iter()
            .map(PortRange::to_string)
            .collect();
        assert_eq!(shown, ["22", "80-82", "443", "65535"]);
    }
}
