//! Hunts in one case and compares with what is true of it.

use lapwing_detect::{Finding, Kind, Severity, Tunables};
use lapwing_engine::labels::{Case, Verdict};
use lapwing_engine::{DEFAULT_MEMORY, Quiet, Request, hunt, parse_config};
use lapwing_output::Report;

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

/// Hunts in the case and judges what was found; by `shipped` where the case has no configuration.
///
/// # Errors
/// Where the hunt itself fails.
pub(crate) fn judge(case: &Case, shipped: &Tunables) -> Result<Outcome, String> {
    let tunables = match case.config.is_empty() {
        true => shipped.clone(),
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
            let hits: Vec<&&Finding> =
                said.iter().filter(|finding| origin.is_named_by(finding, *span)).collect();
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
