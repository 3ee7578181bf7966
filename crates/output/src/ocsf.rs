//! OCSF Detection Finding (class 2004) of [`VERSION`], one JSON object a line.
//!
//! `docs/ocsf-detection-finding.schema.json` is the part of the published schema that is used, and
//! tests hold every finding to it. What the class has no place for is under `unmapped`. Who scanned is
//! the first of `evidences`, with the actor and the source; a decoy's or a distributed scan's members
//! follow, then services found open. Hosts that were probed are `resources`.

use lapwing_detect::{Finding, Origin, Service, Severity, Status};
use lapwing_event::{Address, Container, Parent, Process, Protocol, Timestamp};

use crate::attack;
use crate::details::details;
use crate::hashes::{Algorithm, hashes};
use crate::image::Image;
use crate::object::Object;
use crate::person;
use crate::report::Report;

/// The version of OCSF that findings are written in: the newest that lakes of the large clouds take.
pub const VERSION: &str = "1.5.0";

/// Category 2, Findings; class 2004, Detection Finding; activity 1, Create.
const CATEGORY: (u32, &str) = (2, "Findings");
const CLASS: (u32, &str) = (2004, "Detection Finding");
const CREATE: (u32, &str) = (1, "Create");

/// The report's findings, a line each, in the report's order.
pub fn write(report: &Report) -> String {
    report.findings.iter().map(|finding| event(finding, report).line() + "\n").collect()
}

fn event(finding: &Finding, report: &Report) -> Object {
    let expected = finding.status == Status::Suppressed;
    // An episode that ended is still a new finding to whoever works on it.
    let status = if expected { (3u8, "Suppressed") } else { (1, "New") };
    let confidence = confidence(finding.confidence);
    let evidences = evidences(finding);
    Object::default()
        .with("activity_id", CREATE.0)
        .with("activity_name", CREATE.1)
        .with("category_uid", CATEGORY.0)
        .with("category_name", CATEGORY.1)
        .with("class_uid", CLASS.0)
        .with("class_name", CLASS.1)
        .with("type_uid", CLASS.0 * 100 + CREATE.0)
        .with("type_name", format!("{}: {}", CLASS.1, CREATE.1))
        .with("time", millis(finding.last_seen))
        .with("start_time", millis(finding.first_seen))
        .with("end_time", millis(finding.last_seen))
        .with("duration", millis(finding.last_seen) - millis(finding.first_seen))
        .with("count", finding.counts.attempts)
        .with("timezone_offset", 0u32)
        .with("severity_id", severity(finding.severity))
        .with("severity", capital(finding.severity.name()))
        .with("confidence_id", confidence.0)
        .with("confidence", confidence.1)
        .with("confidence_score", finding.confidence)
        .with("status_id", status.0)
        .with("status", status.1)
        .with("status_detail", finding.suppressed_by.as_deref())
        .with("is_alert", !expected && finding.severity > Severity::Informational)
        .with("message", person::headline(finding))
        .with("metadata", metadata(finding))
        .with("finding_info", finding_info(finding))
        .with("device", device(&finding.origin))
        .with("observables", observables(finding))
        .with("evidences", evidences)
        .with("resources", resources(finding))
        .with("unmapped", details(finding, report))
}

fn metadata(finding: &Finding) -> Object {
    let product = Object::default()
        .with("name", "Lapwing")
        .with("vendor_name", "Lapwing")
        .with("version", env!("CARGO_PKG_VERSION"));
    Object::default()
        .with("version", VERSION)
        .with("uid", finding.uid.to_string())
        .with("event_code", finding.kind.name())
        .with("product", product)
        .with(
            "profiles",
            container_profile(finding).then_some("container").into_iter().collect::<Vec<_>>(),
        )
}

/// Whether a process says which container it runs in, which the container profile adds to it.
fn container_profile(finding: &Finding) -> bool {
    finding.origin.process.is_some() && finding.origin.container.as_deref().is_some_and(is_named)
}

fn finding_info(finding: &Finding) -> Object {
    let analytic = Object::default()
        .with("uid", finding.analytic)
        .with("name", format!("{} {}", attack::STRATEGY, finding.analytic))
        .with("category", finding.kind.name())
        .with("type_id", 2u8)
        .with("type", "Behavioral")
        .with("version", attack::VERSION);
    let mut sources: Vec<&str> =
        finding.witnesses.iter().map(|witness| witness.log_source.name()).collect();
    sources.dedup();
    Object::default()
        .with("uid", finding.uid.to_string())
        .with("title", person::headline(finding))
        .with("desc", finding.why.first().map(person::reason))
        .with("types", vec![attack::technique_name("T1046"), finding.kind.name()])
        .with("src_url", attack::analytic_url(finding.analytic))
        .with("first_seen_time", millis(finding.first_seen))
        .with("last_seen_time", millis(finding.last_seen))
        .with("data_sources", sources)
        .with("analytic", analytic)
        .with("attacks", finding.kind.attacks().iter().map(|id| technique(id)).collect::<Vec<_>>())
}

fn technique(id: &str) -> Object {
    let technique = Object::default()
        .with("uid", id)
        .with("name", attack::technique_name(id))
        .with("src_url", attack::technique_url(id));
    let (uid, name) = attack::TACTIC;
    let tactic =
        Object::default().with("uid", uid).with("name", name).with("src_url", attack::TACTIC_URL);
    Object::default()
        .with("technique", technique)
        .with("tactic", tactic)
        .with("version", attack::VERSION)
}

/// Who scanned, who was in it, and what was found open.
fn evidences(finding: &Finding) -> Vec<Object> {
    let mut evidences = vec![evidence_of(&finding.origin)];
    evidences.extend(finding.members.iter().map(evidence_of));
    evidences.extend(finding.open.iter().map(open));
    evidences.retain(|evidence| !evidence.is_empty());
    evidences
}

fn evidence_of(origin: &Origin) -> Object {
    let container = origin.container.as_deref().map(container);
    let in_process = container.as_ref().filter(|_| origin.process.is_some()).cloned();
    let process = origin.process.as_deref().filter(|by| by.pid != 0 || identity(by).is_some());
    let process = process.map(|by| self::process(by).with("container", in_process));
    let user = origin.process.as_deref().map(user);
    let source = Object::default()
        .with("ip", origin.address.map(|address| address.to_string()))
        .with("hostname", origin.device.as_deref());
    Object::default()
        .with("actor", Object::default().with("process", process).with("user", user))
        .with("process", origin.child.as_deref().map(self::process))
        .with("container", container)
        .with("src_endpoint", source)
}

fn open(service: &Service) -> Object {
    let target = Object::default()
        .with("ip", service.host.to_string())
        .with("port", Some(service.port).filter(|port| *port != 0));
    let connection = Object::default()
        .with("direction_id", 0u8)
        .with("protocol_num", number(service.protocol))
        .with("protocol_name", service.protocol.name());
    Object::default()
        .with("name", "open service")
        .with("dst_endpoint", target)
        .with("connection_info", connection)
}

/// The IP protocol number; `None` for ARP, which is no IP.
fn number(protocol: Protocol) -> Option<u8> {
    match protocol {
        Protocol::Tcp => Some(6),
        Protocol::Udp => Some(17),
        Protocol::Icmp => Some(1),
        Protocol::Icmpv6 | Protocol::Neighbour => Some(58),
        Protocol::Arp => None,
        Protocol::Other(number) => Some(number),
    }
}

fn process(process: &Process) -> Object {
    let program = process.program.as_deref();
    let file = file(process.path.as_deref())
        .with("company_name", program.and_then(|program| program.company.as_ref()))
        .with("internal_name", program.and_then(|program| program.original_name.as_ref()))
        .with("desc", program.and_then(|program| program.description.as_ref()))
        .with("signature", program.and_then(|program| program.signer.as_deref()).map(signature))
        .with("hashes", fingerprints(process));
    Object::default()
        .with("name", process.short_name())
        .with("pid", Some(process.pid).filter(|pid| *pid != 0))
        .with("uid", identity(process))
        .with("cmd_line", process.command_text())
        .with("created_time", process.start.map(millis))
        .with("file", Some(file).filter(|_| process.path.is_some()))
        .with("user", user(process))
        .with("session", session(process))
        .with("parent_process", process.parent.as_deref().map(parent))
}

fn user(process: &Process) -> Object {
    let (name, uid) = person::user(process);
    Object::default().with("name", name).with("uid", uid)
}

/// A process needs a number or an identifier in OCSF; where the log has neither, its name stands in.
fn identity(process: &Process) -> Option<&str> {
    let named = || process.short_name().filter(|_| process.pid == 0);
    process.guid.as_deref().or_else(named)
}

fn session(process: &Process) -> Object {
    Object::default()
        .with("uid", process.session.map(|session| session.to_string()))
        .with("terminal", process.terminal.as_ref())
}

fn parent(parent: &Parent) -> Object {
    let named = parent.path.as_ref().filter(|_| parent.pid.is_none());
    Object::default()
        .with("pid", parent.pid)
        .with("uid", parent.guid.as_ref().or(named))
        .with("cmd_line", parent.command_line.as_ref())
        .with("file", parent.path.as_deref().map(|path| file(Some(path))))
}

/// A program file; OCSF wants its name and what sort of file it is.
fn file(path: Option<&str>) -> Object {
    let name =
        path.map(|path| path.rsplit(['/', '\\']).next().filter(|n| !n.is_empty()).unwrap_or(path));
    Object::default().with("name", name).with("path", path).with("type_id", 1u8)
}

/// Who signed a file; by which algorithm, no log says.
fn signature(signer: &str) -> Object {
    Object::default().with("algorithm_id", 0u8).with("developer_uid", signer)
}

fn fingerprints(process: &Process) -> Vec<Object> {
    let text = process.program.as_deref().and_then(|program| program.hashes.as_deref());
    let found = hashes(text.unwrap_or_default()).into_iter().map(|(algorithm, value)| {
        let (id, name) = match algorithm {
            Algorithm::Md5 => (1u8, "MD5"),
            Algorithm::Sha1 => (2, "SHA-1"),
            Algorithm::Sha256 => (3, "SHA-256"),
            Algorithm::Sha512 => (4, "SHA-512"),
            Algorithm::ImpHash => (99, "IMPHASH"),
        };
        Object::default().with("algorithm_id", id).with("algorithm", name).with("value", value)
    });
    found.collect()
}

fn is_named(container: &Container) -> bool {
    container.id.is_some() || container.name.is_some() || container.pod.is_some()
}

/// The container, named after its pod where nothing else names it; pod and namespace have no place but
/// a label.
fn container(container: &Container) -> Object {
    if !is_named(container) {
        return Object::default();
    }
    let Container { id, name, image, namespace, pod } = container;
    let labels = [("namespace", namespace), ("pod", pod)];
    let labels =
        labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", (*value).as_ref()?)));
    Object::default()
        .with("uid", id.as_ref())
        .with("name", name.as_ref().or(pod.as_ref()))
        .with("image", image.as_deref().map(self::image))
        .with("orchestrator", pod.as_ref().map(|_| "kubernetes"))
        .with("labels", labels.collect::<Vec<_>>())
}

/// An image needs an identifier in OCSF: the whole of its name stands in.
fn image(text: &str) -> Object {
    let Image { name, tag, .. } = Image::of(text);
    Object::default()
        .with("uid", text)
        .with("name", Some(name).filter(|name| !name.is_empty()))
        .with("tag", tag)
}

fn device(origin: &Origin) -> Object {
    if origin.device.is_none() && origin.address.is_none() {
        return Object::default();
    }
    Object::default()
        .with("hostname", origin.device.as_deref())
        .with("ip", origin.address.map(|address| address.to_string()))
        .with("type_id", 0u8)
        .with("type", "Unknown")
}

/// What a hunter pivots on; `name` says where in the event it stands.
fn observables(finding: &Finding) -> Vec<Object> {
    let observable = |name: &str, type_id: u8, kind: &str, value: String| {
        Object::default()
            .with("name", name)
            .with("type_id", type_id)
            .with("type", kind)
            .with("value", value)
    };
    let ip = |name: &'static str| {
        move |address: Address| observable(name, 2, "IP Address", address.to_string())
    };
    let origins = std::iter::once(&finding.origin).chain(&finding.members);
    let mut all: Vec<Object> =
        origins.filter_map(|origin| origin.address).map(ip("evidences.src_endpoint.ip")).collect();
    if let Some(device) = &finding.origin.device {
        all.push(observable("device.hostname", 1, "Hostname", device.to_string()));
    }
    if let Some(process) = finding.origin.process.as_deref() {
        let told = [
            ("evidences.actor.process.name", 9, "Process Name", process.short_name()),
            ("evidences.actor.user.name", 4, "User Name", person::user(process).0),
        ];
        for (name, type_id, kind, value) in told {
            all.extend(value.map(|value| observable(name, type_id, kind, value.to_string())));
        }
    }
    all.extend(finding.hosts.iter().copied().map(ip("resources.ip")));
    all
}

/// The hosts that were probed.
fn resources(finding: &Finding) -> Vec<Object> {
    let probed = finding.hosts.iter().map(|host| {
        let host = host.to_string();
        Object::default().with("name", &host).with("ip", &host).with("type", "probed host")
    });
    probed.collect()
}

/// Milliseconds since the epoch, as OCSF's `timestamp_t` is.
fn millis(time: Timestamp) -> i64 {
    time.0.div_euclid(1_000_000)
}

const fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

/// Thirds of the scale.
const fn confidence(score: u8) -> (u8, &'static str) {
    match score {
        0..=33 => (1, "Low"),
        34..=66 => (2, "Medium"),
        _ => (3, "High"),
    }
}

fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}
