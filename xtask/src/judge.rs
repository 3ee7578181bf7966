//! Hunts in one case and compares with what is true of it.

use lapwing_detect::{Finding, Kind, Origin, Severity, Tunables};
use lapwing_engine::{DEFAULT_MEMORY, Quiet, Request, hunt, parse_config};
use lapwing_event::{Process, Span, Timestamp};
use lapwing_output::Report;

use crate::case::{Case, Expected, Verdict};

/// What came of one case.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The attack was found: whether its kind was named right, and how many attempts had been
    /// counted when it was first told of.
    Found { right_kind: bool, after: u64 },
    /// It was not.
    Missed(String),
    /// A benign file without findings, and how long it was in computer-days.
    Silent { days: f64 },
    /// A benign file with findings, each in words.
    False { findings: Vec<String>, days: f64 },
    /// Its format is not read yet.
    NotRead,
}

/// How far outside its labelled time a finding may lie: clocks of labels are cut to seconds.
const SLACK: Span = Span::seconds(2);

/// Hunts in the case and judges what was found.
///
/// # Errors
/// Where the hunt itself fails.
pub(crate) fn judge(case: &Case) -> Result<Outcome, String> {
    let tunables = match case.config.is_empty() {
        true => Tunables::default(),
        false => parse_config(&case.config, "labels").map_err(|error| error.to_string())?,
    };
    let request = Request {
        paths: vec![case.path.clone()],
        tunables,
        since: None,
        until: None,
        threads: 2,
        memory: DEFAULT_MEMORY,
    };
    let report = match hunt(&request, &Quiet) {
        Ok(report) => report,
        Err(error) => return Err(format!("{}: {error}", case.path.display())),
    };
    if report.inputs.iter().all(|input| input.format.is_none()) {
        return Ok(Outcome::NotRead);
    }
    let said: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.suppressed_by.is_none())
        .filter(|finding| finding.severity > Severity::Informational)
        .collect();
    Ok(match &case.verdict {
        Verdict::Benign if said.is_empty() => Outcome::Silent { days: days(&report) },
        Verdict::Benign => Outcome::False {
            findings: said.iter().map(|finding| in_words(finding)).collect(),
            days: days(&report),
        },
        Verdict::Attack { origin, span } => {
            let hits: Vec<&&Finding> = said
                .iter()
                .filter(|finding| names(finding, origin) && overlaps(finding, *span))
                .collect();
            match hits.is_empty() {
                false => Outcome::Found {
                    right_kind: hits.iter().any(|finding| is_of_kind(finding.kind, &case.kind)),
                    after: hits.iter().map(|finding| finding.detected_after).min().unwrap_or(0),
                },
                true => {
                    Outcome::Missed(said.iter().map(|f| in_words(f)).collect::<Vec<_>>().join("; "))
                }
            }
        }
    })
}

/// Whether the finding's origin is the expected one.
fn names(finding: &Finding, expected: &Expected) -> bool {
    let mut origins = std::iter::once(&finding.origin).chain(&finding.members);
    let addressed = |origin: &Origin, address: &String| {
        origin.address.is_some_and(|known| known.to_string() == *address)
    };
    match expected {
        Expected::Address(address) => origins.any(|origin| addressed(origin, address)),
        Expected::Members(addresses) => {
            finding.kind == Kind::Distributed
                && addresses
                    .iter()
                    .all(|address| finding.members.iter().any(|member| addressed(member, address)))
        }
        // The unified log tells of a client's short name alone.
        Expected::Process(path) => processes(&finding.origin).any(|process| {
            match (process.path.as_deref(), process.short_name()) {
                (Some(known), _) => known.eq_ignore_ascii_case(path),
                (None, Some(name)) => path.rsplit(['/', '\\']).next() == Some(name),
                (None, None) => false,
            }
        }),
        Expected::Named(text) => {
            let text = text.to_ascii_lowercase();
            processes(&finding.origin).filter_map(Process::short_name).any(|name| {
                // python3.13 is called python, nc.openbsd nc.
                let bare = name.to_ascii_lowercase();
                let bare = bare.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
                let bare = bare.split('.').next().unwrap_or(bare);
                text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .any(|word| word == bare)
            })
        }
        Expected::Pod(pod) => finding.origin.container.as_deref().is_some_and(|known| {
            let parts = [&known.namespace, &known.pod].map(|part| part.as_deref().unwrap_or("?"));
            parts.join("/") == *pod
        }),
        Expected::AnyProcess => processes(&finding.origin).next().is_some(),
        Expected::Anyone => true,
    }
}

/// The processes that an origin names: of a loop, the one that starts the probes and the probes.
fn processes(origin: &Origin) -> impl Iterator<Item = &Process> {
    origin.process.iter().chain(&origin.child).map(AsRef::as_ref)
}

fn overlaps(finding: &Finding, span: Option<(Timestamp, Timestamp)>) -> bool {
    span.is_none_or(|(first, last)| {
        finding.first_seen - SLACK <= last && finding.last_seen + SLACK >= first
    })
}

/// Whether the kind is what the labels call it; true where they do not say. An audit log shows of a
/// raw-packet scanner only that it ran.
fn is_of_kind(kind: Kind, label: &str) -> bool {
    let fits: &[Kind] = match label {
        "vertical" | "vertical-udp" | "slow-vertical" => &[Kind::Vertical],
        "vertical-decoy" => &[Kind::Decoy],
        "horizontal" | "sweep" => &[Kind::Horizontal],
        "horizontal-arp" | "horizontal-icmp" | "horizontal-nd" => &[Kind::HostSweep],
        "block" => &[Kind::Block],
        "loop" => &[Kind::Vertical, Kind::Horizontal, Kind::Block],
        "distributed" => &[Kind::Distributed, Kind::Vertical],
        "mdns-enumeration" => &[Kind::Enumeration],
        _ => return true,
    };
    kind == Kind::Tool || fits.contains(&kind)
}

/// How much was watched, in computer-days: the time between an input's first and last event, at
/// most a day of it, since logs of format samples hold a few records of many years.
fn days(report: &Report) -> f64 {
    let spans = report.inputs.iter().filter_map(|input| input.span);
    let total: f64 = spans.map(|(first, last)| last.since(first).as_seconds().min(86_400.0)).sum();
    let sources = report.coverage.analytics.iter().flat_map(|analytic| &analytic.sources);
    let devices = sources.flat_map(|source| &source.met_by).map(|(_, seen)| seen.devices).max();
    total / 86_400.0 * devices.unwrap_or(1).max(1) as f64
}

fn in_words(finding: &Finding) -> String {
    let origin = &finding.origin;
    let who = match (&origin.process, &origin.address, &origin.device) {
        (Some(process), _, _) => process.short_name().unwrap_or("?").escape_debug().to_string(),
        (_, Some(address), _) => address.to_string(),
        (_, _, Some(device)) => device.escape_debug().to_string(),
        _ => "?".to_string(),
    };
    format!(
        "{} {} by {who}: {} hosts, {} ports",
        finding.severity.name(),
        finding.kind.name(),
        finding.counts.hosts,
        finding.counts.ports
    )
}
