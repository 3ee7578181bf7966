//! Alerts of the Elastic Common Schema, [`VERSION`], one JSON document a line.
//!
//! Every field outside of `lapwing.*` is one of the published schema: `tests/data/ecs-fields.csv` lists
//! them, and a test holds each document to it. A field that holds one value (`destination.ip`) is
//! written only where there is one; `related.*` has them all.

use lapwing_detect::{Finding, Origin, Severity, Status};
use lapwing_event::{Container, Process, Protocol, UserContext};

use crate::attack;
use crate::details::details;
use crate::hashes::{Algorithm, hashes};
use crate::image::Image;
use crate::object::Object;
use crate::person;
use crate::report::Report;

/// The version of ECS whose fields these are.
pub const VERSION: &str = "9.4.0";

/// The report's findings, a line each, in the report's order.
pub fn write(report: &Report) -> String {
    report.findings.iter().map(|finding| document(finding, report).line() + "\n").collect()
}

fn document(finding: &Finding, report: &Report) -> Object {
    let origin = &finding.origin;
    let process = origin.process.as_deref();
    Object::default()
        .with("@timestamp", finding.last_seen.to_string())
        .with("message", person::headline(finding))
        .with("tags", tags(finding))
        .with("ecs", Object::default().with("version", VERSION))
        .with("event", event(finding))
        .with("rule", rule(finding))
        .with("threat", threat(finding))
        .with("observer", observer())
        .with("source", source(origin))
        .with("destination", destination(finding))
        .with("network", network(finding))
        .with("host", host(origin))
        .with("user", process.map(user))
        .with("process", process.map(self::process))
        .with("container", origin.container.as_deref().map(container))
        .with("orchestrator", origin.container.as_deref().map(orchestrator))
        .with("related", related(finding))
        .with("lapwing", details(finding, report).with("child", child(origin)))
}

fn tags(finding: &Finding) -> Vec<&'static str> {
    let expected = (finding.status == Status::Suppressed).then_some("suppressed");
    let drill = finding.is_drill().then_some("drill");
    ["lapwing", finding.kind.name()].into_iter().chain(expected).chain(drill).collect()
}

fn event(finding: &Finding) -> Object {
    let mut category = vec!["intrusion_detection", "network"];
    if finding.origin.process.is_some() {
        category.push("process");
    }
    let score = score(finding.severity);
    Object::default()
        .with("kind", "alert")
        .with("category", category)
        .with("type", vec!["info"])
        .with("action", "network-service-discovery")
        .with("id", finding.uid.to_string())
        .with("code", finding.kind.name())
        .with("module", "lapwing")
        .with("dataset", "lapwing.finding")
        .with("provider", "lapwing")
        .with("start", finding.first_seen.to_string())
        .with("end", finding.last_seen.to_string())
        .with("duration", finding.last_seen.since(finding.first_seen).0)
        .with("severity", score)
        .with("risk_score", f64::from(score))
        .with("reason", finding.why.first().map(person::reason))
        .with("reference", attack::analytic_url(finding.analytic))
}

/// The scores that Elastic's own detection rules give to their four severities; below them ours.
const fn score(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical => 99,
    }
}

fn rule(finding: &Finding) -> Object {
    Object::default()
        .with("id", finding.analytic)
        .with("name", format!("{} {}", attack::technique_name("T1046"), finding.kind.name()))
        .with("category", finding.kind.name())
        .with("ruleset", attack::STRATEGY)
        .with("version", attack::VERSION)
        .with("reference", attack::analytic_url(finding.analytic))
}

fn threat(finding: &Finding) -> Object {
    let ids = finding.kind.attacks();
    let technique = Object::default()
        .with("id", ids.to_vec())
        .with("name", ids.iter().map(|id| attack::technique_name(id)).collect::<Vec<_>>())
        .with("reference", ids.iter().map(|id| attack::technique_url(id)).collect::<Vec<_>>());
    let tactic = Object::default()
        .with("id", vec![attack::TACTIC.0])
        .with("name", vec![attack::TACTIC.1])
        .with("reference", vec![attack::TACTIC_URL]);
    Object::default()
        .with("framework", "MITRE ATT&CK")
        .with("tactic", tactic)
        .with("technique", technique)
}

fn observer() -> Object {
    Object::default()
        .with("vendor", "Lapwing")
        .with("product", "Lapwing")
        .with("type", "ids")
        .with("version", env!("CARGO_PKG_VERSION"))
}

fn user(process: &Process) -> Object {
    let (name, id) = person::user(process);
    Object::default().with("name", name).with("id", id)
}

fn source(origin: &Origin) -> Object {
    let address = origin.address.map(|address| address.to_string());
    Object::default().with("address", address.clone()).with("ip", address)
}

fn destination(finding: &Finding) -> Object {
    let host = match finding.hosts.as_slice() {
        [host] if finding.counts.hosts == 1 => Some(host.to_string()),
        _ => None,
    };
    let port = match finding.ports.as_slice() {
        [range] if range.first == range.last && finding.counts.ports == 1 => Some(range.first),
        _ => None,
    };
    Object::default().with("address", host.clone()).with("ip", host).with("port", port)
}

fn network(finding: &Finding) -> Object {
    // By IANA's keywords; ARP is no transport.
    let transport = match finding.protocols.as_slice() {
        [Protocol::Icmpv6 | Protocol::Neighbour] => Some("ipv6-icmp"),
        [Protocol::Arp] => None,
        [one] => Some(one.name()),
        _ => None,
    };
    Object::default().with("transport", transport)
}

fn host(origin: &Origin) -> Object {
    let device = origin.device.as_deref();
    let address = origin.address.filter(|_| device.is_some());
    Object::default()
        .with("name", device)
        .with("hostname", device)
        .with("ip", address.map(|address| vec![address.to_string()]))
}

fn process(process: &Process) -> Object {
    let parent = process.parent.as_deref();
    let parent_path = parent.and_then(|parent| parent.path.as_deref());
    let parent = Object::default()
        .with("pid", parent.and_then(|parent| parent.pid))
        .with("entity_id", parent.and_then(|parent| parent.guid.as_ref()))
        .with("executable", parent_path)
        .with("command_line", parent.and_then(|parent| parent.command_line.as_ref()));
    let (hash, pe) = fingerprints(process);
    let signer = process.program.as_deref().and_then(|program| program.signer.as_ref());
    let signature = Object::default().with("subject_name", signer);
    let interactive = match process.context {
        UserContext::Interactive => Some(true),
        UserContext::Daemon => Some(false),
        UserContext::Unknown => None,
    };
    Object::default()
        .with("name", process.short_name())
        .with("pid", Some(process.pid).filter(|pid| *pid != 0))
        .with("entity_id", process.guid.as_ref())
        .with("executable", process.path.as_ref())
        .with("command_line", process.command_text())
        .with("args", process.arguments.iter().map(AsRef::as_ref).collect::<Vec<&str>>())
        .with("start", process.start.map(|start| start.to_string()))
        .with("interactive", interactive)
        .with("hash", hash)
        .with("pe", pe)
        .with("code_signature", signature)
        .with("parent", parent)
}

/// What a loop starts for each probe has no place beside the loop.
fn child(origin: &Origin) -> Object {
    let Some(child) = origin.child.as_deref() else {
        return Object::default();
    };
    Object::default().with("name", child.short_name()).with("command_line", child.command_text())
}

/// What the program file says of itself: its hashes, and its version information.
fn fingerprints(process: &Process) -> (Object, Object) {
    let Some(program) = process.program.as_deref() else {
        return (Object::default(), Object::default());
    };
    let mut hash = Object::default();
    let mut pe = Object::default()
        .with("original_file_name", program.original_name.as_ref())
        .with("product", program.product.as_ref())
        .with("company", program.company.as_ref())
        .with("description", program.description.as_ref());
    for (algorithm, value) in hashes(program.hashes.as_deref().unwrap_or_default()) {
        match algorithm {
            Algorithm::Md5 => hash = hash.with("md5", value),
            Algorithm::Sha1 => hash = hash.with("sha1", value),
            Algorithm::Sha256 => hash = hash.with("sha256", value),
            Algorithm::Sha512 => hash = hash.with("sha512", value),
            Algorithm::ImpHash => pe = pe.with("imphash", value),
        }
    }
    (hash, pe)
}

fn container(container: &Container) -> Object {
    let image = Image::of(container.image.as_deref().unwrap_or_default());
    let hash = Object::default().with("all", image.digest.into_iter().collect::<Vec<_>>());
    let image = Object::default()
        .with("name", Some(image.name).filter(|name| !name.is_empty()))
        .with("tag", image.tag.into_iter().collect::<Vec<_>>())
        .with("hash", hash);
    Object::default()
        .with("id", container.id.as_ref())
        .with("name", container.name.as_ref())
        .with("image", image)
}

fn orchestrator(container: &Container) -> Object {
    let Some(pod) = &container.pod else {
        return Object::default().with("namespace", container.namespace.as_ref());
    };
    let resource = Object::default().with("type", "pod").with("name", pod);
    Object::default()
        .with("type", "kubernetes")
        .with("namespace", container.namespace.as_ref())
        .with("resource", resource)
}

/// Everything to pivot on, whatever part it had.
fn related(finding: &Finding) -> Object {
    let origins = || std::iter::once(&finding.origin).chain(&finding.members);
    let sources = origins().filter_map(|origin| origin.address);
    let mut ip: Vec<String> =
        sources.chain(finding.hosts.iter().copied()).map(|address| address.to_string()).collect();
    once_each(&mut ip);
    let mut hosts: Vec<String> =
        origins().filter_map(|origin| origin.device.as_deref().map(str::to_string)).collect();
    once_each(&mut hosts);
    let users = origins().filter_map(|origin| origin.process.as_deref()?.user.as_deref());
    let mut user: Vec<String> = users.map(str::to_string).collect();
    once_each(&mut user);
    let program = finding.origin.process.as_deref().and_then(|process| process.program.as_deref());
    let text = program.and_then(|program| program.hashes.as_deref()).unwrap_or_default();
    let hash: Vec<String> = hashes(text).into_iter().map(|(_, value)| value).collect();
    Object::default().with("ip", ip).with("hosts", hosts).with("user", user).with("hash", hash)
}

/// Drops repeats, and keeps the order.
fn once_each(values: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
}
