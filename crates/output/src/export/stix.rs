//! Findings as a STIX 2.1 bundle: who looked, what technique it was, what was seen of whom, and a note
//! that explains it.
//!
//! Every identifier is a UUID of version 5, so that the same findings give the same bundle: observables
//! by the properties that STIX 2.1 (section 2.9) names for them, everything else by the finding's uid.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use lapwing_event::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::attack;
use crate::escape::escaped;
use crate::explain;
use crate::jsonl::inert;
use crate::person;

/// The namespace that STIX 2.1 section 2.9 gives for observables.
const OBSERVABLES: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);

/// What the ids of everything else are derived from, with their names.
const SPACE: &[u8] = b"https://attack.mitre.org/detectionstrategies/DET0376/#lapwing-stix";

/// When the objects that no finding dates were made: the release of ATT&CK's version 18.
const MADE: &str = "2025-10-28T00:00:00.000Z";

/// A findings file that cannot be exported: which line, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StixError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it, inert.
    pub message: String,
}

impl fmt::Display for StixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for StixError {}

/// The bundle of the findings that a text holds, as `lapwing hunt --format jsonl` writes them: JSON over
/// several lines. Of tellings of one finding the last holds.
///
/// # Errors
/// Where a line is no finding.
pub fn stix(text: &str) -> Result<String, StixError> {
    let mut findings: BTreeMap<String, Value> = BTreeMap::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (number, line) in lines {
        let failed = |message: String| StixError { line: number + 1, message };
        let finding: Value = serde_json::from_str(line)
            .map_err(|error| failed(format!("{error}; expected a finding as JSON")))?;
        check(&finding).map_err(failed)?;
        findings.insert(text_of(&finding, "/uid").to_string(), finding);
    }
    let mut objects = Objects::default();
    let lapwing = objects.identity("Lapwing", "system", MADE);
    for finding in findings.values() {
        told(finding, &lapwing, &mut objects);
    }
    let objects: Vec<Value> = objects.0.into_values().collect();
    let ids: Vec<&str> = objects.iter().map(|object| text_of(object, "/id")).collect();
    let id = made("bundle", &ids.join(" "));
    let bundle = json!({ "type": "bundle", "id": id, "objects": objects });
    let pretty = serde_json::to_string_pretty(&bundle).unwrap_or_default();
    Ok(pretty.lines().map(|line| inert(line.to_string()) + "\n").collect())
}

/// What a finding must have to be exported.
fn check(finding: &Value) -> Result<(), String> {
    for pointer in ["/uid", "/analytic", "/kind", "/status"] {
        if text_of(finding, pointer).is_empty() {
            return Err(format!(
                "no {}; expected a finding as `lapwing hunt --format jsonl` writes it",
                &pointer[1..]
            ));
        }
    }
    for pointer in ["/first_seen", "/last_seen"] {
        if moment(finding, pointer).is_none() {
            let found = escaped(text_of(finding, pointer)).into_owned();
            return Err(format!("{} is {found:?}; expected RFC 3339", &pointer[1..]));
        }
    }
    Ok(())
}

fn text_of<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A moment to the millisecond, as STIX writes those of objects.
fn moment(finding: &Value, pointer: &str) -> Option<String> {
    let time = Timestamp::parse_rfc3339(text_of(finding, pointer))?;
    let millis = Timestamp(time.0.div_euclid(1_000_000).saturating_mul(1_000_000)).to_string();
    // A whole second has no digits after it, and STIX wants three.
    Some(if millis.contains('.') { millis } else { millis.replace('Z', ".000Z") })
}

/// An identifier of our own: the same name gives the same one.
fn made(kind: &str, name: &str) -> String {
    let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, SPACE);
    format!("{kind}--{}", Uuid::new_v5(&space, format!("{kind} {name}").as_bytes()))
}

/// Objects by their identifiers, so that each is there once, in an order that depends on nothing else.
#[derive(Default)]
struct Objects(BTreeMap<String, Value>);

impl Objects {
    fn put(&mut self, object: Value) -> String {
        let id = text_of(&object, "/id").to_string();
        self.0.insert(id.clone(), object);
        id
    }

    /// An observable, whose identifier follows from what distinguishes it (RFC 8785 of it: keys in
    /// order, no spaces).
    fn observable(&mut self, kind: &str, distinct: &[(&str, &Value)], all: Value) -> String {
        let canonical: BTreeMap<&str, &Value> = distinct.iter().copied().collect();
        let name = serde_json::to_string(&canonical).unwrap_or_default();
        let id = format!("{kind}--{}", Uuid::new_v5(&OBSERVABLES, name.as_bytes()));
        self.put(with(json!({ "type": kind, "spec_version": "2.1", "id": id }), all))
    }

    fn identity(&mut self, name: &str, class: &str, made_at: &str) -> String {
        self.put(json!({
            "type": "identity", "spec_version": "2.1", "id": made("identity", &format!("{class} {name}")),
            "created": made_at, "modified": made_at, "name": name, "identity_class": class,
        }))
    }

    fn technique(&mut self, id: &str, by: &str) -> String {
        self.put(json!({
            "type": "attack-pattern", "spec_version": "2.1", "id": made("attack-pattern", id),
            "created_by_ref": by, "created": MADE, "modified": MADE, "name": attack::technique_name(id),
            "external_references": [{
                "source_name": "mitre-attack", "external_id": id, "url": attack::technique_url(id),
            }],
            "kill_chain_phases": [{ "kill_chain_name": "mitre-attack", "phase_name": "discovery" }],
        }))
    }

    /// An address, or a network where its text has a length.
    fn address(&mut self, text: &str) -> Option<String> {
        let ip: IpAddr = text.split('/').next()?.parse().ok()?;
        let kind = if ip.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" };
        let value = Value::from(text);
        Some(self.observable(kind, &[("value", &value)], json!({ "value": value })))
    }

    /// A program file by its path and hashes.
    fn file(&mut self, path: &str, hashes: &str) -> Option<String> {
        let cut = path.rfind(['/', '\\']).map_or(0, |at| at + 1);
        let (directory, name) = path.split_at(cut);
        if name.is_empty() {
            return None;
        }
        let mut all = Map::new();
        let name = Value::from(name);
        let found: Map<String, Value> = file_hashes(hashes);
        let first = found.iter().next().map(|(key, value)| json!({ key.as_str(): value }));
        let mut distinct: Vec<(&str, &Value)> = vec![("name", &name)];
        if let Some(first) = &first {
            distinct.push(("hashes", first));
            all.insert("hashes".into(), Value::Object(found.clone()));
        }
        let parent = (!directory.is_empty()).then(|| {
            let path = Value::from(directory.trim_end_matches(['/', '\\']));
            let path = if path == "" { Value::from(directory) } else { path };
            Value::from(self.observable("directory", &[("path", &path)], json!({ "path": path })))
        });
        if let Some(parent) = &parent {
            distinct.push(("parent_directory_ref", parent));
            all.insert("parent_directory_ref".into(), parent.clone());
        }
        all.insert("name".into(), name.clone());
        Some(self.observable("file", &distinct, Value::Object(all)))
    }

    fn user(&mut self, name: &str) -> Option<String> {
        if name.is_empty() {
            return None;
        }
        // Both properties are among those that ids of accounts are made of.
        let property = if person::is_number(name) { "user_id" } else { "account_login" };
        let value = Value::from(name);
        let all = json!({ property: value });
        Some(self.observable("user-account", &[(property, &value)], all))
    }

    /// A process of a finding. STIX has nothing that tells processes apart for ever, so that its id
    /// is of our own making.
    fn process(&mut self, process: &Value, name: &str) -> Option<String> {
        let mut all = Map::new();
        if let Some(pid) = process.get("pid").and_then(Value::as_u64) {
            all.insert("pid".into(), pid.into());
        }
        let command = text_of(process, "/command_line");
        if !command.is_empty() {
            all.insert("command_line".into(), command.into());
        }
        if let Some(start) = moment(process, "/start") {
            all.insert("created_time".into(), start.into());
        }
        let file = self.file(text_of(process, "/path"), text_of(process, "/program/hashes"));
        let user = self.user(text_of(process, "/user"));
        let parent = process
            .get("parent")
            .and_then(|parent| self.process(parent, &format!("{name} parent")));
        for (key, reference) in
            [("image_ref", file), ("creator_user_ref", user), ("parent_ref", parent)]
        {
            if let Some(reference) = reference {
                all.insert(key.into(), reference.into());
            }
        }
        // A process must say something of itself.
        (!all.is_empty()).then(|| {
            let id = made("process", name);
            let head = json!({ "type": "process", "spec_version": "2.1", "id": id });
            self.put(with(head, Value::Object(all)))
        })
    }

    /// Traffic from the scanner to a service that was found open, such as `tcp 10.0.0.5:22`.
    fn traffic(&mut self, source: Option<&str>, service: &str) -> Option<String> {
        let (protocol, target) = service.split_once(' ')?;
        let (host, port) = match target.parse::<IpAddr>() {
            Ok(_) => (target, None),
            Err(_) => {
                let (host, port) = target.rsplit_once(':')?;
                (host.trim_matches(['[', ']']), port.parse::<u16>().ok())
            }
        };
        let target = Value::from(self.address(host)?);
        let layer = if host.contains(':') { "ipv6" } else { "ipv4" };
        let protocols = match protocol {
            "arp" => json!(["arp"]),
            "nd" => json!([layer, "ipv6-icmp"]),
            other => json!([layer, other]),
        };
        let mut all = json!({ "dst_ref": target, "protocols": protocols });
        if let Some(source) = source {
            all["src_ref"] = source.into();
        }
        if let Some(port) = port {
            all["dst_port"] = port.into();
        }
        let members = all.as_object().cloned().unwrap_or_default();
        let distinct: Vec<(&str, &Value)> =
            members.iter().map(|(key, value)| (key.as_str(), value)).collect();
        Some(self.observable("network-traffic", &distinct, all.clone()))
    }
}

/// STIX's names of the algorithms, in the order in which it takes one for the identifier.
fn file_hashes(text: &str) -> Map<String, Value> {
    use crate::hashes::{Algorithm, hashes};
    let named = hashes(text).into_iter().filter_map(|(algorithm, value)| {
        let name = match algorithm {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha1 => "SHA-1",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512 => "SHA-512",
            Algorithm::ImpHash => return None,
        };
        Some((name.to_string(), Value::from(value)))
    });
    named.collect()
}

/// One object with the members of another.
fn with(mut object: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}

/// A finding: what was seen, that it was seen, and a note of why it was judged so.
fn told(finding: &Value, lapwing: &str, objects: &mut Objects) {
    let uid = text_of(finding, "/uid");
    let (Some(first), Some(last)) = (moment(finding, "/first_seen"), moment(finding, "/last_seen"))
    else {
        return;
    };
    let seen = seen(finding, uid, objects);
    let labels = labels(finding);
    let confidence = finding["confidence"].as_u64().unwrap_or(0).min(100);
    // What is never more than nine digits in STIX.
    let number = finding["counts"]["attempts"].as_u64().unwrap_or(1).clamp(1, 999_999_999);
    let common = |kind: &str| {
        json!({
            "type": kind, "spec_version": "2.1", "id": made(kind, uid), "created_by_ref": lapwing,
            "created": last, "modified": last, "labels": labels, "confidence": confidence,
            "external_references": [{
                "source_name": "lapwing", "external_id": uid,
                "url": attack::analytic_url(text_of(finding, "/analytic")),
            }],
        })
    };
    // Observed data must hold something; a finding that names nothing is sighted all the same.
    let observed: Vec<String> = if seen.is_empty() {
        Vec::new()
    } else {
        let data = json!({
            "first_observed": first, "last_observed": last, "number_observed": number,
            "object_refs": seen,
        });
        vec![objects.put(with(common("observed-data"), data))]
    };
    let device = text_of(finding, "/origin/device");
    let place = if device.is_empty() {
        lapwing.to_string()
    } else {
        objects.identity(device, "system", MADE)
    };
    let ids = finding["attacks"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut about = observed.clone();
    about.push(lapwing.to_string());
    for id in ids.filter(|id| is_technique(id)) {
        let pattern = objects.technique(id, lapwing);
        let mut sighting = with(
            common("sighting"),
            json!({
                "id": made("sighting", &format!("{uid} {id}")), "first_seen": first, "last_seen": last,
                "count": number, "sighting_of_ref": pattern, "where_sighted_refs": [place],
                "summary": false,
            }),
        );
        if !observed.is_empty() {
            sighting["observed_data_refs"] = json!(observed);
        }
        about.push(objects.put(sighting));
    }
    let content = explain::explain(finding, None);
    objects.put(with(
        common("note"),
        json!({ "abstract": abstract_of(finding), "content": content, "object_refs": about }),
    ));
}

/// Whether an id is one of ATT&CK's: what else stands there is passed over.
fn is_technique(id: &str) -> bool {
    let digits = id.strip_prefix('T').unwrap_or_default();
    digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn abstract_of(finding: &Value) -> String {
    let counts = &finding["counts"];
    let text = format!(
        "{} scan, {}: {} hosts, {} ports",
        text_of(finding, "/kind"),
        text_of(finding, "/severity"),
        counts["hosts"],
        counts["ports"]
    );
    escaped(&text).into_owned()
}

fn labels(finding: &Value) -> Vec<String> {
    let named = ["/analytic", "/kind", "/severity", "/status"].map(|at| text_of(finding, at));
    let drill = (finding["drill"] == true).then_some("drill");
    let named = named.into_iter().filter(|label| !label.is_empty()).chain(drill);
    named.map(|label| escaped(label).into_owned()).collect()
}

/// The observables of a finding: sources, program, hosts, open services.
fn seen(finding: &Value, uid: &str, objects: &mut Objects) -> Vec<String> {
    let mut seen = Vec::new();
    let source = objects.address(text_of(finding, "/origin/address"));
    seen.extend(source.clone());
    seen.extend(objects.address(text_of(finding, "/origin/prefix")));
    for (part, key) in [("process", "process"), ("child", "child")] {
        if let Some(process) = finding["origin"].get(key) {
            seen.extend(objects.process(process, &format!("{uid} {part}")));
        }
    }
    seen.extend(objects.user(text_of(finding, "/origin/process/user")));
    let members = finding["members"].as_array().into_iter().flatten();
    seen.extend(members.filter_map(|member| objects.address(text_of(member, "/address"))));
    let hosts = finding["hosts"].as_array().into_iter().flatten().filter_map(Value::as_str);
    seen.extend(hosts.filter_map(|host| objects.address(host)));
    let open = finding["open"].as_array().into_iter().flatten().filter_map(Value::as_str);
    seen.extend(open.filter_map(|service| objects.traffic(source.as_deref(), service)));
    let mut once = std::collections::BTreeSet::new();
    seen.retain(|id| once.insert(id.clone()));
    seen
}
