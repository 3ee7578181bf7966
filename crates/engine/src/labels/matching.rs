//! Whether a finding is the one that a label demands.

use lapwing_detect::{Finding, Kind, Origin};
use lapwing_event::{Process, Span, Timestamp};

use super::Expected;

/// How far outside its labelled time a finding may lie: clocks of labels are cut to seconds.
const SLACK: Span = Span::seconds(2);

impl Expected {
    /// Whether the finding names this origin, at the labelled time where there is one.
    pub fn is_named_by(&self, finding: &Finding, span: Option<(Timestamp, Timestamp)>) -> bool {
        names(finding, self) && overlaps(finding, span)
    }
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
