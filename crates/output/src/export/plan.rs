//! What every export says: which numbers count, who is expected, and what a query leaves out.

use std::fmt::Write;

use lapwing_detect::{Expected, Place, Tiers, Tunables};
use lapwing_event::Span;

use crate::escape::{escaped, is_unsafe};

/// What is counted, for one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// Distinct ports of one host.
    Ports,
    /// Distinct hosts on one port.
    Hosts,
}

/// One count in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) axis: Axis,
    /// How many distinct targets make a scan.
    pub(super) least: u64,
    /// The window in seconds.
    pub(super) seconds: u64,
    /// `fast` for the analytic's own window, `slow` for the hour's.
    pub(super) pace: &'static str,
}

impl Count {
    /// Words for a title, such as `ports of one host, 10 in 60 s`.
    pub(super) fn words(self) -> String {
        let what = match self.axis {
            Axis::Ports => "ports of one host",
            Axis::Hosts => "hosts on one port",
        };
        format!("{what}, {} in {} s", self.least, self.seconds)
    }

    /// A short name, such as `ports-fast`.
    pub(super) fn name(self) -> String {
        let axis = match self.axis {
            Axis::Ports => "ports",
            Axis::Hosts => "hosts",
        };
        format!("{axis}-{}", self.pace)
    }
}

/// One analytic with its numbers and its allow-list.
pub(super) struct Plan {
    /// Such as `AN1057`.
    pub(super) id: &'static str,
    pub(super) platform: &'static str,
    /// Two axes at two paces; for AN1059 empty, since it counts names.
    pub(super) counts: Vec<Count>,
    pub(super) allowed: Allowed,
}

/// An allow-list as far as a query can say it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    /// Programs by short name or path pattern, with `*` and `?` alone.
    pub(super) programs: Vec<String>,
    /// Networks in CIDR notation.
    pub(super) networks: Vec<String>,
    /// Computers' names.
    pub(super) names: Vec<String>,
    /// Entries that a filter would widen, so that they are left out, as inert text.
    pub(super) left_out: Vec<String>,
}

/// The analytics with the numbers that are configured.
pub(super) fn plans(tunables: &Tunables) -> [Plan; 4] {
    let an = &tunables.analytics;
    let spans = &tunables.detection.spans;
    let counts = |threshold: f64, window: Span| counts(tunables, threshold, window);
    [
        Plan {
            id: "AN1057",
            platform: "Windows",
            counts: counts(an.an1057.scan_rate_threshold, an.an1057.time_window),
            allowed: allowed(&an.an1057.known_scanner_exe_list),
        },
        Plan {
            id: "AN1058",
            platform: "Linux",
            counts: counts(an.an1058.port_scan_threshold, spans.short),
            allowed: allowed(&an.an1058.expected_scan_sources),
        },
        Plan {
            id: "AN1059",
            platform: "macOS",
            counts: Vec::new(),
            allowed: allowed(&an.an1059.scan_tool_list),
        },
        Plan {
            id: "AN1060",
            platform: "Containers",
            counts: counts(an.an1060.network_destination_count, an.an1060.time_window),
            allowed: allowed(&an.an1060.executable_path),
        },
    ]
}

fn counts(tunables: &Tunables, threshold: f64, window: Span) -> Vec<Count> {
    let detection = &tunables.detection;
    let least = |factor: f64| whole(threshold * factor * tunables.profile.factor());
    let both = |axis: Axis, tiers: &Tiers| {
        [
            Count { axis, least: least(tiers.short), seconds: seconds(window), pace: "fast" },
            Count {
                axis,
                least: least(tiers.long),
                seconds: seconds(detection.spans.long),
                pace: "slow",
            },
        ]
    };
    let mut all = both(Axis::Ports, &detection.vertical).to_vec();
    all.extend(both(Axis::Hosts, &detection.horizontal));
    all
}

/// How many distinct service types make an enumeration by multicast, and in how many seconds.
pub(super) fn service_types(tunables: &Tunables) -> (u64, u64) {
    let least = whole(tunables.detection.multicast.threshold * tunables.profile.factor());
    (least, seconds(tunables.detection.spans.medium))
}

/// The service types of interest, without `.local`.
pub(super) fn query_patterns(tunables: &Tunables) -> Vec<String> {
    let patterns = &tunables.analytics.an1059.mdns_service_query_patterns;
    let bare = |text: &str| text.strip_suffix(".local").unwrap_or(text).to_string();
    patterns.iter().map(|pattern| bare(pattern.text())).collect()
}

/// The patterns of tools, made to match a whole command line: what stands before the program's short
/// name is let through, with a quotation mark where the path is quoted.
pub(super) fn tool_patterns(tunables: &Tunables) -> Vec<String> {
    let patterns = &tunables.analytics.an1058.tool_pattern_regex;
    let whole = |text: &str| match text.strip_prefix('^') {
        // The short name ends where a quoted path does.
        Some(rest) => format!(r#"^"?(\S*[/\\])?{rest}"#),
        None => text.to_string(),
    };
    patterns.iter().map(|pattern| whole(pattern.text())).collect()
}

/// A count as a query compares it: at least one, rounded up, since a weight of 10.5 is passed by no
/// fewer than 11.
fn whole(value: f64) -> u64 {
    value.ceil().clamp(1.0, 1e9) as u64
}

fn seconds(span: Span) -> u64 {
    (span.as_seconds().ceil().max(1.0)) as u64
}

fn allowed(entries: &[Expected]) -> Allowed {
    let mut allowed = Allowed::default();
    for entry in entries {
        match (sole(entry), &entry.path, &entry.source) {
            (true, Some(path), None) if is_simple(path.text()) => {
                allowed.programs.push(path.text().to_string());
            }
            (true, None, Some(Place::Network(network))) => {
                allowed.networks.push(cidr(&network.0.to_string()));
            }
            (true, None, Some(Place::Name(name))) if is_simple(name) => {
                allowed.names.push(name.clone());
            }
            _ => allowed.left_out.push(escaped(&entry.label()).into_owned()),
        }
    }
    allowed
}

/// Whether nothing but a program or a source narrows the entry: a filter that dropped the rest would
/// hide more than its owner allowed.
fn sole(entry: &Expected) -> bool {
    let Expected { image, namespace, hash, destination, ports, schedule, .. } = entry;
    image.is_none()
        && namespace.is_none()
        && hash.is_none()
        && destination.is_empty()
        && ports.is_empty()
        && schedule.is_none()
        && entry.maximum_rate.is_none()
        && entry.expiry.is_none()
}

/// Whether a path or name has no wildcards but `*` and `?`, and nothing that would end a line.
fn is_simple(text: &str) -> bool {
    !text.contains(['[', ']', '{', '}']) && !text.chars().any(is_unsafe)
}

/// A network with its length, which filters for networks want even of a single address.
fn cidr(text: &str) -> String {
    match (text.contains('/'), text.contains(':')) {
        (true, _) => text.to_string(),
        (false, true) => format!("{text}/128"),
        (false, false) => format!("{text}/32"),
    }
}

/// What no query of this kind says, whatever its language.
const LEFT_OUT: [&str; 9] = [
    "roles: who began an exchange is taken from the log; replies and backscatter count as probes",
    "first contacts: a target counts again in every window; Lapwing counts it once in 24 h, so that monitors, \
     retries and dead servers add nothing",
    "outcomes: refused, unanswered, open and served weigh the same, but where the log tells failures apart \
     and the query takes them alone",
    "sequence and density of destinations, dark addresses, the reflected walk over new hosts",
    "lineage: a loop that starts one process for each probe is many processes with one target each",
    "scans slower than an hour's window: the 24 h tier, nmap -T0",
    "benign explanations: peer-to-peer, monitors, resolvers, gateways, clients of dead servers",
    "one finding for one scan: each window and each log alerts anew; decoys and distributed scans are not joined",
    "allow-list entries with a schedule, rate, expiry, image, hash, destination or ports; suppressed scans are \
     not recorded",
];

/// The head of an export, each line after the language's mark for a comment.
pub(super) fn head(mark: &str, language: &str, more: &[&str]) -> String {
    let mut text = String::new();
    let mut line = |words: &str| {
        let _ = writeln!(text, "{}", format!("{mark} {words}").trim_end());
    };
    line(&format!("Network Service Discovery (ATT&CK T1046), DET0376, in {language}."));
    line(&format!(
        "Written by Lapwing {} from its configuration; thresholds are those of its short and hour windows.",
        env!("CARGO_PKG_VERSION")
    ));
    line("");
    line("What this cannot express, and `lapwing hunt` judges:");
    for words in LEFT_OUT.iter().chain(more) {
        line(&format!("- {words}"));
    }
    text
}

/// Which allow-list entries of an analytic are not in the queries.
pub(super) fn not_filtered(mark: &str, plan: &Plan, more: &[String]) -> String {
    let entries = plan.allowed.left_out.iter().chain(more);
    entries
        .map(|entry| format!("{mark} Not filtered, since no filter says it: {entry}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_filter_can_say_is_allowed() {
        let tunables = Tunables::default();
        let plain = |text: &str| Place::Name(text.to_string());
        let named = Expected { source: Some(plain("scan01")), ..Expected::default() };
        let narrowed = Expected { ports: vec![443], name: Some("web\n".into()), ..named.clone() };
        let allowed = allowed(&[named, narrowed]);
        assert_eq!(allowed.names, ["scan01"]);
        assert_eq!(allowed.left_out, ["web\\n"]);
        let [windows, ..] = plans(&tunables);
        let least: Vec<u64> = windows.counts.iter().map(|count| count.least).collect();
        assert_eq!(least, [10, 14, 10, 12]);
        assert_eq!(service_types(&tunables), (5, 600));
    }
}
