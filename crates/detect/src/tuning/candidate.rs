//! Who makes the findings of a baseline, and which allow-list entry would explain each.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_event::{Container, Process, Timestamp};

use crate::expected::{Expected, Glob, Network, Place, Schedule};
use crate::finding::{Finding, Level, MAX_LISTED, Origin, PortRange, Severity};
use crate::severity;
use crate::suppress;

/// How many computers an entry names one by one; a program that does the same on more of them is
/// part of how they are installed.
const FEW_DEVICES: usize = 2;

/// How many candidates are made; a baseline with more needs another threshold first.
const MAX_CANDIDATES: usize = 50;

/// A day's length.
const DAY: i64 = 86_400_000_000_000;

/// An allow-list entry that would explain findings of a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The list that it belongs to, such as `analytics.AN1057.KnownScannerExeList`.
    pub key: &'static str,
    /// The entry.
    pub entry: Expected,
    /// How many findings of the baseline it would hide.
    pub hides: u64,
    /// On how many days they began.
    pub days: u64,
    /// On how many computers, or from how many addresses.
    pub places: u64,
    /// Why it must be looked at before it is used; `None` where nothing speaks against it.
    pub doubt: Option<&'static str>,
}

/// The findings of one origin, as it is from day to day.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The origin without what changes from run to run: process numbers, arguments, container ids.
    pub origin: Origin,
    /// How many findings.
    pub findings: u64,
}

/// Findings that stand for noise or for a scan: not suppressed, not recognised as ordinary.
pub(crate) fn counts(finding: &Finding) -> bool {
    finding.suppressed_by.is_none() && finding.severity > Severity::Informational
}

/// Who makes the findings, most of them first; at most `most` groups.
pub fn groups<'f>(findings: impl IntoIterator<Item = &'f Finding>, most: usize) -> Vec<Group> {
    let mut groups: BTreeMap<Vec<String>, Group> = BTreeMap::new();
    for finding in findings.into_iter().filter(|finding| counts(finding)) {
        let origin = steady(&finding.origin);
        let fresh = || Group { origin: origin.clone(), findings: 0 };
        groups.entry(name(&origin)).or_insert_with(fresh).findings += 1;
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    // Stable: of equally many the order of names holds.
    groups.sort_by_key(|group| std::cmp::Reverse(group.findings));
    groups.truncate(most);
    groups
}

/// An origin without what changes from run to run.
fn steady(origin: &Origin) -> Origin {
    let process = |process: &Process| {
        std::sync::Arc::new(Process {
            path: process.path.clone(),
            name: process.short_name().map(Into::into),
            ..Process::default()
        })
    };
    let container =
        |container: &Container| std::sync::Arc::new(Container { id: None, ..container.clone() });
    Origin {
        process: origin.process.as_deref().map(process),
        child: origin.child.as_deref().map(process),
        container: origin.container.as_deref().map(container),
        ..origin.clone()
    }
}

/// What tells a steady origin from others.
fn name(origin: &Origin) -> Vec<String> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_string();
    let path = |process: &Option<std::sync::Arc<Process>>| {
        let process = process.as_deref();
        text(process.and_then(|known| known.path.as_deref().or(known.name.as_deref())))
    };
    let container = origin.container.as_deref();
    vec![
        path(&origin.process),
        path(&origin.child),
        text(origin.device.as_deref()),
        origin.address.map(|address| address.to_string()).unwrap_or_default(),
        origin.prefix.map(|prefix| prefix.to_string()).unwrap_or_default(),
        text(container.and_then(|known| known.namespace.as_deref())),
        text(container.and_then(|known| known.pod.as_deref())),
        text(container.and_then(|known| known.image.as_deref())),
    ]
}

/// The entries that would explain the findings, those that hide most first. Each names as much as the
/// findings tell: the program's whole path, the computer or address, the image and namespace.
pub fn candidates(findings: &[Finding]) -> Vec<Candidate> {
    let counted: Vec<&Finding> = findings.iter().filter(|finding| counts(finding)).collect();
    let mut programs: BTreeMap<(&'static str, String), Vec<&Finding>> = BTreeMap::new();
    let mut others: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for finding in &counted {
        let process = finding.origin.process.as_deref();
        let named = process.and_then(|known| known.path.as_deref().or(known.short_name()));
        match (named, list_of_programs(finding.analytic)) {
            (Some(path), list) => {
                programs.entry((list, path.to_string())).or_default().push(finding);
            }
            (None, _) => {
                let key = name(&steady(&finding.origin)).join("\0");
                others.entry(key).or_default().push(finding);
            }
        }
    }
    let mut entries: Vec<(&'static str, Expected)> = Vec::new();
    for ((list, path), of_it) in &programs {
        entries.extend(program_entries(path, of_it).into_iter().map(|entry| (*list, entry)));
    }
    for of_it in others.values() {
        if let Some(entry) = of_it.first().and_then(|finding| source_entry(&finding.origin)) {
            entries.push((list_of_sources(&entry), entry));
        }
    }
    let mut found: Vec<Candidate> =
        entries.into_iter().filter_map(|(key, entry)| weighed(key, entry, &counted)).collect();
    found.sort_by(|a, b| {
        b.hides.cmp(&a.hides).then_with(|| (a.key, a.entry.label()).cmp(&(b.key, b.entry.label())))
    });
    found.truncate(MAX_CANDIDATES);
    found
}

/// The list that a program of this analytic's findings belongs to.
fn list_of_programs(analytic: &str) -> &'static str {
    match analytic {
        "AN1057" => "analytics.AN1057.KnownScannerExeList",
        "AN1059" => "analytics.AN1059.ScanToolList",
        "AN1060" => "analytics.AN1060.ExecutablePath",
        _ => "analytics.AN1058.ExpectedScanSources",
    }
}

/// An image is AN1060's; addresses and computers are what AN1058 lists.
fn list_of_sources(entry: &Expected) -> &'static str {
    match entry.image {
        Some(_) => "analytics.AN1060.ExecutablePath",
        None => "analytics.AN1058.ExpectedScanSources",
    }
}

/// The entries for one program: for each of a few computers, or for the program wherever it runs.
fn program_entries(path: &str, findings: &[&Finding]) -> Vec<Expected> {
    let Ok(glob) = Glob::literal(path) else { return Vec::new() };
    let mut by_place: BTreeMap<Vec<String>, Expected> = BTreeMap::new();
    for finding in findings {
        let origin = &finding.origin;
        let container = origin.container.as_deref();
        let in_pod = container.is_some_and(|known| known.image.is_some());
        let entry = Expected {
            path: Some(glob.clone()),
            image: container
                .and_then(|known| known.image.as_deref())
                .and_then(|image| Glob::literal(image).ok()),
            namespace: container.and_then(|known| known.namespace.as_deref()).map(Into::into),
            // A pod goes from node to node.
            source: if in_pod { None } else { place(origin) },
            ..Expected::default()
        };
        let source = entry.source.as_ref().map(ToString::to_string).unwrap_or_default();
        let image = entry.image.as_ref().map(|image| image.text().to_string()).unwrap_or_default();
        let namespace = entry.namespace.clone().unwrap_or_default();
        by_place.insert(vec![source, image, namespace], entry);
    }
    if by_place.len() <= FEW_DEVICES {
        return by_place.into_values().collect();
    }
    vec![Expected { path: Some(glob), ..Expected::default() }]
}

/// The entry for an origin whose program is not known.
fn source_entry(origin: &Origin) -> Option<Expected> {
    let container = origin.container.as_deref();
    let image = container
        .and_then(|known| known.image.as_deref())
        .and_then(|image| Glob::literal(image).ok());
    let namespace = container.and_then(|known| known.namespace.as_deref()).map(Into::into);
    match image {
        Some(image) => Some(Expected { image: Some(image), namespace, ..Expected::default() }),
        None => Some(Expected { source: Some(place(origin)?), ..Expected::default() }),
    }
}

/// Where it is: the computer where its log names it, else the address.
fn place(origin: &Origin) -> Option<Place> {
    let device = origin.device.as_deref().filter(|name| !name.trim().is_empty());
    let named = device.map(|name| Place::Name(name.to_string()));
    named.or_else(|| {
        let address = origin.address?.to_string().parse().ok()?;
        Some(Place::Network(Network(address)))
    })
}

/// How many ports an entry lists: what asks for more is no use of one service.
const FEW_PORTS: usize = 8;

/// On how many days at the least a scan must have been at the same hours for these to be its schedule,
/// and how many hours of the day these may be.
const SCHEDULED_DAYS: usize = 3;
const SCHEDULED_HOURS: u16 = 6;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// The entry with what all of the findings that it hides have in common: their ports where they are
/// few, their hours where they are the same each day. What is beside that is told of.
fn narrowed(entry: Expected, hidden: &[&&Finding]) -> Expected {
    let ports: BTreeSet<u16> = hidden
        .iter()
        .flat_map(|finding| &finding.ports)
        .flat_map(|range| (range.first..=range.last).take(FEW_PORTS + 1))
        .take(FEW_PORTS * MAX_LISTED)
        .collect();
    let whole = hidden.iter().all(|finding| {
        let listed: u64 = finding
            .ports
            .iter()
            .map(|range| u64::from(range.last) - u64::from(range.first) + 1)
            .sum();
        listed == finding.counts.ports && listed > 0
    });
    let few = whole && ports.len() <= FEW_PORTS;
    Expected {
        ports: if few { ports.into_iter().collect() } else { Vec::new() },
        schedule: hours(hidden.iter().map(|finding| (finding.first_seen, finding.last_seen))),
        ..entry
    }
}

/// The hours of the day, whole ones, that hold all findings of enough days; `None` where there are too
/// few days or too many hours.
fn hours(times: impl Iterator<Item = (Timestamp, Timestamp)>) -> Option<Schedule> {
    let mut days = BTreeSet::new();
    let mut busy = [false; 24];
    for (first, last) in times {
        days.insert(first.0.div_euclid(DAY));
        let hour = |time: Timestamp| time.0.div_euclid(DAY / 24);
        for hour in hour(first)..=hour(last).min(hour(first) + 23) {
            busy[hour.rem_euclid(24) as usize] = true;
        }
    }
    if days.len() < SCHEDULED_DAYS {
        return None;
    }
    // The longest run of hours without any, around midnight too, is what the schedule leaves out.
    let free = |from: usize| (0..24).take_while(|step| !busy[(from + step) % 24]).count();
    let (idle, from) = (0..24)
        .map(|from| (free(from), from))
        .max_by_key(|(idle, from)| (*idle, std::cmp::Reverse(*from)))?;
    let length = 24 - idle as u16;
    if length > SCHEDULED_HOURS {
        return None;
    }
    let begins = ((from + idle) % 24) as u16 * 60;
    Some(Schedule::between(begins, (begins + length * 60) % DAY_MINUTES))
}

/// What an entry would hide; `None` where it hides nothing, since what it names is not told in a form
/// that entries match.
fn weighed(key: &'static str, entry: Expected, findings: &[&Finding]) -> Option<Candidate> {
    let hidden: Vec<&&Finding> =
        findings.iter().filter(|finding| suppress::names_scanner(&entry, finding)).collect();
    if hidden.is_empty() {
        return None;
    }
    let entry = narrowed(entry, &hidden);
    let day = |time: Timestamp| time.0.div_euclid(DAY);
    let days: BTreeSet<i64> = hidden.iter().map(|finding| day(finding.first_seen)).collect();
    let places: BTreeSet<String> = hidden
        .iter()
        .filter_map(|finding| place(&finding.origin))
        .map(|place| place.to_string())
        .collect();
    let doubt = hidden.iter().find_map(|finding| doubt(finding));
    let once =
        (hidden.len() == 1).then_some("seen once: an attack that was not repeated looks alike");
    Some(Candidate {
        key,
        entry,
        hides: hidden.len() as u64,
        days: days.len() as u64,
        places: places.len().max(1) as u64,
        doubt: doubt.or(once),
    })
}

/// What speaks against taking a finding for ordinary.
fn doubt(finding: &Finding) -> Option<&'static str> {
    let origin = &finding.origin;
    let processes = || [&origin.process, &origin.child].into_iter().flatten();
    let outside = origin.level == Level::Address
        && origin.address.is_some_and(|address| !address.is_internal());
    match () {
        () if processes().any(|process| severity::is_writable(process)) => {
            Some("the program lies where any user can put one")
        }
        () if processes().any(|process| process.short_name().is_some_and(is_interpreter)) => Some(
            "the program runs whatever it is told to: name its script, its user or its targets",
        ),
        () if finding.tool.is_some() => {
            Some("it is a scanner by its command line: allow it only where its runs are known")
        }
        () if outside => Some("the source is outside the own networks"),
        () if finding.is_drill() => Some("it is a drill"),
        () => None,
    }
}

/// Shells and interpreters, without the numbers of their versions: to allow one is to allow anything.
const INTERPRETERS: [&str; 21] = [
    "sh",
    "bash",
    "dash",
    "zsh",
    "ksh",
    "ash",
    "fish",
    "busybox",
    "python",
    "perl",
    "ruby",
    "node",
    "php",
    "lua",
    "java",
    "powershell",
    "pwsh",
    "cmd",
    "wscript",
    "cscript",
    "osascript",
];

/// Whether a program of this name is one of them.
fn is_interpreter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let bare = name.strip_suffix(".exe").unwrap_or(&name);
    let bare = bare.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    INTERPRETERS.contains(&bare)
}

impl Candidate {
    /// Whether the entry would hide this finding, as far as a finding lists its ports.
    pub fn would_hide(&self, finding: &Finding) -> bool {
        let within = |port: &PortRange| {
            (port.first..=port.last).all(|port| self.entry.ports.contains(&port))
        };
        suppress::names_scanner(&self.entry, finding)
            && (self.entry.ports.is_empty() || finding.ports.iter().all(within))
            && suppress::breach(&self.entry, finding).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_known_with_their_versions() {
        for name in ["bash", "python3.11", "perl5.36", "PowerShell.exe", "pwsh", "busybox"] {
            assert!(is_interpreter(name), "{name}");
        }
        for name in ["bashd", "prometheus", "nmap", "cmdagent.exe"] {
            assert!(!is_interpreter(name), "{name}");
        }
    }

    #[test]
    fn hours_of_every_day_are_a_schedule() {
        let told = |times: &[(&str, &str)]| {
            let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap_or(Timestamp::MIN);
            let times = times.iter().map(|(first, last)| (at(first), at(last)));
            hours(times).map(|schedule| schedule.to_string())
        };
        let nights = [
            ("2026-03-02T02:10:00Z", "2026-03-02T02:50:00Z"),
            ("2026-03-03T02:22:00Z", "2026-03-03T03:10:00Z"),
            ("2026-03-04T02:40:00Z", "2026-03-04T02:59:59Z"),
        ];
        assert_eq!(told(&nights).as_deref(), Some("02:00-04:00"));
        assert_eq!(told(&nights[..2]), None, "two days are no habit");
        let midnights = [
            ("2026-03-02T23:10:00Z", "2026-03-03T00:20:00Z"),
            ("2026-03-03T23:22:00Z", "2026-03-03T23:40:00Z"),
            ("2026-03-05T00:40:00Z", "2026-03-05T00:59:59Z"),
        ];
        assert_eq!(told(&midnights).as_deref(), Some("23:00-01:00"));
        let any = [
            ("2026-03-02T02:10:00Z", "2026-03-02T02:50:00Z"),
            ("2026-03-03T09:22:00Z", "2026-03-03T09:30:00Z"),
            ("2026-03-04T17:40:00Z", "2026-03-04T17:59:59Z"),
        ];
        assert_eq!(told(&any), None, "all over the day");
        let late = [
            ("2026-03-02T23:10:00Z", "2026-03-02T23:50:00Z"),
            ("2026-03-03T23:22:00Z", "2026-03-03T23:30:00Z"),
            ("2026-03-04T22:40:00Z", "2026-03-04T22:59:59Z"),
        ];
        assert_eq!(told(&late).as_deref(), Some("22:00-00:00"));
    }
}
