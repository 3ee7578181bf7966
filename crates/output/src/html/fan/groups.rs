//! What a finding reached for, in as few groups as a picture can show.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_detect::{Finding, Outcomes, Point, Service};
use lapwing_event::{Address, Outcome, Prefix};

use crate::escape::shown;
use crate::person::counted;

/// How many groups are drawn: more make the picture higher than a screen.
pub(super) const MAX_GROUPS: usize = 16;

/// The lengths by which hosts are grouped where they are too many, of IPv4 and IPv6: what people call a
/// subnet first, smaller ones where all hosts are of one, larger ones where subnets are too many.
const LENGTHS: [(u8, u8); 8] =
    [(32, 128), (24, 64), (28, 120), (28, 112), (20, 56), (16, 48), (12, 40), (8, 32)];

/// What is drawn.
pub(super) struct Fan {
    /// What the groups are, such as `by port of 10.0.0.7`.
    pub by: String,
    /// The groups in their order, at most [`MAX_GROUPS`].
    pub drawn: Vec<Group>,
    /// All that is not drawn by itself.
    pub rest: Option<Group>,
    /// How many attempts the groups rest on, where that is not all of them.
    pub sampled: Option<u64>,
}

/// Targets that are drawn as one.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// Which they are, such as `10.0.0.0/24`.
    pub label: String,
    /// What came of their attempts; nothing where that was not a matter of answers.
    pub outcomes: Outcomes,
}

/// The finding's targets in groups: by name where names were asked for, by port where there is one
/// host, else by host or subnet.
pub(super) fn groups(finding: &Finding) -> Fan {
    if !finding.names.is_empty() {
        return by_name(finding);
    }
    let points = points(finding);
    let hosts: BTreeSet<Address> = points.iter().map(|point| point.host).collect();
    let sampled = (finding.counts.attempts > points.len() as u64).then_some(points.len() as u64);
    let fan = match hosts.first() {
        Some(host) if hosts.len() == 1 => by_port(*host, &points, finding),
        _ => by_host(&hosts, &points, finding),
    };
    Fan { sampled, ..fan }
}

/// The sampled attempts. A service that was found open later than by its first attempt is open; one
/// whose attempt the sample does not hold is added.
fn points(finding: &Finding) -> Vec<Point> {
    let mut points = finding.points.clone();
    let mut places: BTreeMap<(Address, u16), Vec<usize>> = BTreeMap::new();
    for (at, point) in points.iter().enumerate() {
        places.entry((point.host, point.port)).or_default().push(at);
    }
    for Service { host, port, .. } in &finding.open {
        let (time, host, port) = (finding.first_seen, *host, *port);
        let held = places.get(&(host, port)).map_or(&[][..], Vec::as_slice);
        let answered = |at: &usize| matches!(points[*at].outcome, Outcome::Open | Outcome::Served);
        match held.first() {
            Some(first) if !held.iter().any(answered) => points[*first].outcome = Outcome::Open,
            Some(_) => {}
            None => points.push(Point { time, host, port, outcome: Outcome::Open }),
        }
    }
    points
}

fn by_name(finding: &Finding) -> Fan {
    let label = |name: &String| Group { label: shown(name), outcomes: Outcomes::default() };
    let drawn: Vec<Group> = finding.names.iter().take(MAX_GROUPS).map(label).collect();
    let more = (finding.names.len() - drawn.len()) as u64;
    let rest = Group { label: format!("and {}", counted(more, "more name")), ..Group::default() };
    Fan {
        by: "by name asked for".to_string(),
        drawn,
        rest: (more > 0).then_some(rest),
        sampled: None,
    }
}

fn by_port(host: Address, points: &[Point], finding: &Finding) -> Fan {
    let ports = tallied(points, |point| point.port);
    let total = finding.counts.ports.max(ports.len() as u64);
    let name = |port: u16| if port == 0 { "no port".to_string() } else { format!("port {port}") };
    let (drawn, rest) = picked(ports, total, name, "more port");
    Fan { by: format!("by port of {host}"), drawn, rest, sampled: None }
}

fn by_host(hosts: &BTreeSet<Address>, points: &[Point], finding: &Finding) -> Fan {
    let prefix = |(v4, v6): (u8, u8), host: Address| {
        Prefix::of_bits(host, if host.is_v4() { 96 + v4 } else { v6 })
    };
    let few = |lengths: &&(u8, u8)| {
        let groups: BTreeSet<Prefix> = hosts.iter().map(|host| prefix(**lengths, *host)).collect();
        (2..=MAX_GROUPS).contains(&groups.len())
    };
    let whole = LENGTHS[0];
    let widest = LENGTHS[LENGTHS.len() - 1];
    let lengths = LENGTHS.iter().find(few).copied().unwrap_or(widest);
    let groups = tallied(points, |point| prefix(lengths, point.host));
    if lengths == whole {
        let total = finding.counts.hosts.max(groups.len() as u64);
        let (drawn, rest) = picked(groups, total, |host| host.base().to_string(), "more host");
        return Fan { by: "by host".to_string(), drawn, rest, sampled: None };
    }
    let total = groups.len() as u64;
    let name = |prefix: Prefix| {
        let mut of = hosts.iter().filter(|host| prefix.contains(**host));
        match (of.next(), of.next()) {
            (Some(only), None) => only.to_string(),
            _ => prefix.to_string(),
        }
    };
    let (drawn, rest) = picked(groups, total, name, "more subnet");
    Fan { by: "by subnet".to_string(), drawn, rest, sampled: None }
}

fn tallied<K: Ord>(points: &[Point], key: impl Fn(&Point) -> K) -> BTreeMap<K, Outcomes> {
    let mut groups: BTreeMap<K, Outcomes> = BTreeMap::new();
    for point in points {
        groups.entry(key(point)).or_default().add(point.outcome);
    }
    groups
}

/// The groups in their order; where there are too many, those that answered come first, and the others
/// become one. `total` is how many there are by the finding's own count.
fn picked<K: Ord + Copy>(
    groups: BTreeMap<K, Outcomes>,
    total: u64,
    name: impl Fn(K) -> String,
    noun: &str,
) -> (Vec<Group>, Option<Group>) {
    let mut groups: Vec<(K, Outcomes)> = groups.into_iter().collect();
    if groups.len() > MAX_GROUPS {
        groups.sort_by_key(|(key, of)| (of.open + of.served == 0, *key));
    }
    let left = groups.split_off(groups.len().min(MAX_GROUPS));
    let more = total.saturating_sub(groups.len() as u64);
    let mut outcomes = Outcomes::default();
    for (_, of) in &left {
        outcomes.open += of.open;
        outcomes.served += of.served;
        outcomes.refused += of.refused;
        outcomes.unanswered += of.unanswered;
        outcomes.unknown += of.unknown;
    }
    let rest =
        (more > 0).then(|| Group { label: format!("and {}", counted(more, noun)), outcomes });
    let drawn = groups.into_iter().map(|(key, outcomes)| Group { label: name(key), outcomes });
    (drawn.collect(), rest)
}
