//! The native format: one JSON object a line, as `docs/finding.schema.json` describes it.
//!
//! What is not known is left out. Strings of telemetry are whole, with everything that a terminal
//! could obey as `\u` escapes.

use lapwing_detect::{Counts, Finding, Origin, Outcomes, Reached, Service, Tested, Witness};
use lapwing_event::{Container, Parent, Process, ProgramInfo, UserContext};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::escape::is_unsafe;
use crate::report::Report;

/// The report's findings, a line each, in the report's order.
pub fn write(report: &Report) -> String {
    report.findings.iter().map(|finding| line(finding, report) + "\n").collect()
}

/// One finding as a JSON object on one line, without a line end.
pub fn line(finding: &Finding, report: &Report) -> String {
    // Plain data with string keys always serialises.
    inert(serde_json::to_string(&Native::new(finding, report)).unwrap_or_default())
}

/// JSON with everything that a terminal could obey as `\u` escapes.
pub(crate) fn inert(text: String) -> String {
    if !text.chars().any(is_unsafe) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe += &format!("\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Three decimals are more than any threshold has, and the same on every machine.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

#[derive(Serialize)]
struct Native<'a> {
    uid: String,
    analytic: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    drill: bool,
    attacks: &'a [&'a str],
    status: &'a str,
    severity: &'a str,
    confidence: u8,
    origin: NativeOrigin<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<NativeOrigin<'a>>,
    first_seen: String,
    last_seen: String,
    detected_after: u64,
    counts: NativeCounts,
    outcomes: NativeOutcomes,
    hosts: Vec<String>,
    ports: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    names: &'a [String],
    open: Vec<String>,
    prefixes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reached: Vec<NativeReached<'a>>,
    protocols: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    technique: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_techniques: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    /// First contacts a second.
    rate: f64,
    why: Vec<Why<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tested: Vec<NativeTested<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    silent_at: Option<NativeSilentAt<'a>>,
    witnesses: Vec<NativeWitness<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressed_by: Option<&'a str>,
    notes: &'a [String],
}

impl<'a> Native<'a> {
    fn new(finding: &'a Finding, report: &'a Report) -> Native<'a> {
        let mut techniques = finding.techniques.iter().map(|technique| technique.name());
        Native {
            uid: finding.uid.to_string(),
            analytic: finding.analytic,
            kind: finding.kind.name(),
            drill: finding.is_drill(),
            attacks: finding.kind.attacks(),
            status: finding.status.name(),
            severity: finding.severity.name(),
            confidence: finding.confidence,
            origin: NativeOrigin::new(&finding.origin),
            members: finding.members.iter().map(NativeOrigin::new).collect(),
            first_seen: finding.first_seen.to_string(),
            last_seen: finding.last_seen.to_string(),
            detected_after: finding.detected_after,
            counts: NativeCounts::new(finding.counts, finding.open_count),
            outcomes: NativeOutcomes::new(finding.outcomes),
            hosts: texts(&finding.hosts),
            ports: texts(&finding.ports),
            names: &finding.names,
            open: finding.open.iter().map(service).collect(),
            prefixes: texts(&finding.prefixes),
            reached: finding.reached.iter().map(NativeReached::new).collect(),
            protocols: finding.protocols.iter().map(|protocol| protocol.name()).collect(),
            technique: techniques.next(),
            other_techniques: techniques.collect(),
            tool: finding.tool.as_deref(),
            rate: rounded(finding.rate),
            why: finding
                .why
                .iter()
                .map(|condition| Why {
                    condition: &condition.condition,
                    value: rounded(condition.value),
                    threshold: rounded(condition.threshold),
                    key: &condition.key,
                })
                .collect(),
            tested: finding
                .tested
                .iter()
                .map(|Tested { class, holds, because }| NativeTested {
                    class,
                    holds: *holds,
                    because,
                })
                .collect(),
            silent_at: finding
                .silent_at
                .map(|silent| NativeSilentAt { key: silent.key, above: rounded(silent.above) }),
            witnesses: finding
                .witnesses
                .iter()
                .map(|seen| NativeWitness::new(seen, report))
                .collect(),
            suppressed_by: finding.suppressed_by.as_deref(),
            notes: &finding.notes,
        }
    }
}

/// A service as `tcp 10.0.0.5:22`, `tcp [fd00::5]:22`, or `icmp 10.0.0.5` where it has no port.
pub(crate) fn service(service: &Service) -> String {
    let name = service.protocol.name();
    match (service.port, service.host.is_v4()) {
        (0, _) => format!("{name} {}", service.host),
        (port, true) => format!("{name} {}:{port}", service.host),
        (port, false) => format!("{name} [{}]:{port}", service.host),
    }
}

#[derive(Serialize)]
struct NativeOrigin<'a> {
    level: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The subnet whose addresses were used by turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<NativeProcess<'a>>,
    /// The program that a loop starts for each probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<NativeProcess<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<NativeContainer<'a>>,
}

impl<'a> NativeOrigin<'a> {
    fn new(origin: &'a Origin) -> NativeOrigin<'a> {
        NativeOrigin {
            level: origin.level.name(),
            device: origin.device.as_deref(),
            address: origin.address.map(|address| address.to_string()),
            prefix: origin.prefix.map(|prefix| prefix.to_string()),
            process: origin.process.as_deref().map(NativeProcess),
            child: origin.child.as_deref().map(NativeProcess),
            container: origin.container.as_deref().map(NativeContainer),
        }
    }
}

/// Writes the fields that are known, and no others.
macro_rules! known_fields {
    ($serializer:expr, $name:literal, $($key:literal => $value:expr),+ $(,)?) => {{
        let mut count = 0;
        $(if $value.is_some() { count += 1; })+
        let mut state = $serializer.serialize_struct($name, count)?;
        $(if let Some(value) = &$value { state.serialize_field($key, value)?; })+
        state.end()
    }};
}

struct NativeProcess<'a>(&'a Process);

impl Serialize for NativeProcess<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let process = self.0;
        known_fields!(serializer, "process",
            "name" => process.short_name(),
            "path" => process.path,
            "command_line" => process.command_text(),
            "pid" => Some(process.pid).filter(|pid| *pid != 0),
            "guid" => process.guid,
            "start" => process.start.map(|start| start.to_string()),
            "user" => process.user,
            "session" => process.session,
            "terminal" => process.terminal,
            "user_context" => (process.context != UserContext::Unknown)
                .then(|| process.context.name()),
            "added" => process.added.then_some(true),
            "program" => process.program.as_deref().map(NativeProgram),
            "parent" => process.parent.as_deref().map(NativeParent),
        )
    }
}

struct NativeProgram<'a>(&'a ProgramInfo);

impl Serialize for NativeProgram<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let program = self.0;
        known_fields!(serializer, "program",
            "original_name" => program.original_name,
            "product" => program.product,
            "company" => program.company,
            "description" => program.description,
            "hashes" => program.hashes,
            "signer" => program.signer,
        )
    }
}

struct NativeParent<'a>(&'a Parent);

impl Serialize for NativeParent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parent = self.0;
        known_fields!(serializer, "parent",
            "pid" => parent.pid,
            "guid" => parent.guid,
            "path" => parent.path,
            "command_line" => parent.command_line,
        )
    }
}

struct NativeContainer<'a>(&'a Container);

impl Serialize for NativeContainer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let container = self.0;
        known_fields!(serializer, "container",
            "id" => container.id,
            "name" => container.name,
            "image" => container.image,
            "namespace" => container.namespace,
            "pod" => container.pod,
        )
    }
}

/// Targets that have something in common.
#[derive(Serialize)]
struct NativeReached<'a> {
    group: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    own: bool,
    hosts: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    names: &'a [String],
}

impl<'a> NativeReached<'a> {
    fn new(reached: &'a Reached) -> NativeReached<'a> {
        NativeReached {
            group: reached.group.name(),
            namespace: reached.namespace.as_deref(),
            own: reached.own,
            hosts: reached.hosts,
            names: &reached.names,
        }
    }
}

#[derive(Serialize)]
struct NativeCounts {
    attempts: u64,
    hosts: u64,
    ports: u64,
    pairs: u64,
    open: u64,
}

impl NativeCounts {
    fn new(counts: Counts, open: u64) -> NativeCounts {
        let Counts { attempts, hosts, ports, pairs } = counts;
        NativeCounts { attempts, hosts, ports, pairs, open }
    }
}

#[derive(Serialize)]
struct NativeOutcomes {
    open: u64,
    served: u64,
    refused: u64,
    unanswered: u64,
    unknown: u64,
}

impl NativeOutcomes {
    fn new(outcomes: Outcomes) -> NativeOutcomes {
        let Outcomes { open, served, refused, unanswered, unknown } = outcomes;
        NativeOutcomes { open, served, refused, unanswered, unknown }
    }
}

#[derive(Serialize)]
struct Why<'a> {
    condition: &'a str,
    value: f64,
    threshold: f64,
    key: &'a str,
}

#[derive(Serialize)]
struct NativeTested<'a> {
    class: &'a str,
    holds: bool,
    because: &'a str,
}

#[derive(Serialize)]
struct NativeSilentAt<'a> {
    key: &'a str,
    above: f64,
}

#[derive(Serialize)]
pub(crate) struct NativeWitness<'a> {
    pub(crate) source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<&'a str>,
    pub(crate) file: &'a str,
    pub(crate) offset: u64,
    pub(crate) last_offset: u64,
    pub(crate) records: u64,
}

impl<'a> NativeWitness<'a> {
    pub(crate) fn new(witness: &Witness, report: &'a Report) -> NativeWitness<'a> {
        let input = report.inputs.get(witness.first.input.0 as usize);
        NativeWitness {
            source: witness.log_source.name(),
            format: input.and_then(|input| input.format),
            file: input.map_or("", |input| input.name.as_str()),
            offset: witness.first.offset,
            last_offset: witness.last.offset,
            records: witness.records,
        }
    }
}
