//! Findings as others want them: every finding of the scenarios fits OCSF's schema and ECS's fields
//! (`output/tests/hostile` reads CEF and syslog back). `corpus/outputs` holds some of them whole: each folder names its
//! scenario and has a file for each format. `LAPWING_BLESS=1` rewrites those.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

#[path = "../../output/tests/fits/mod.rs"]
mod fits;

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use fits::misfits;
use lapwing_detect::Tunables;
use lapwing_engine::{DEFAULT_MEMORY, Quiet, Request, hunt, parse_config};
use lapwing_event::Timestamp;
use lapwing_output::{Report, cef, ecs, ocsf, syslog};
use serde_json::Value;

/// A format's golden file and its writer.
type Written = (&'static str, fn(&Report) -> String);

const FORMATS: [Written; 4] = [
    ("ocsf.jsonl", ocsf::write),
    ("ecs.jsonl", ecs::write),
    ("cef.txt", cef::write),
    ("syslog.txt", syslog::write),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// What is found in a scenario, with its inputs named from the scenario's folder on.
fn report(case: &Path) -> Report {
    let tunables = match fs::read_to_string(case.join("config.toml")) {
        Ok(text) => parse_config(&text, "config.toml").unwrap(),
        Err(_) => Tunables::default(),
    };
    let inputs = case.join("inputs");
    let (paths, memory) = (vec![inputs.clone()], DEFAULT_MEMORY);
    let request = Request { paths, tunables, since: None, until: None, threads: 2, memory };
    let mut report = hunt(&request, &Quiet).unwrap();
    for input in &mut report.inputs {
        input.name = input.name.replace(&format!("{}/", inputs.display()), "");
    }
    report
}

/// The scenarios that give findings.
fn reports() -> Vec<(String, Report)> {
    let cases = folders(&root().join("corpus/scenarios")).into_iter().flat_map(|dir| folders(&dir));
    let loud = cases.filter(|case| fs::metadata(case.join("expected.jsonl")).unwrap().len() > 0);
    loud.map(|case| (case.display().to_string(), report(&case))).collect()
}

fn values(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_chosen_findings_are_as_they_were() {
    let cases = folders(&root().join("corpus/outputs"));
    assert!(cases.len() > 4, "only {} cases: the walk is broken", cases.len());
    for case in cases {
        let scenario = fs::read_to_string(case.join("scenario")).unwrap();
        let report = report(&root().join("corpus/scenarios").join(scenario.trim()));
        assert!(!report.findings.is_empty(), "{}", case.display());
        for (file, write) in FORMATS {
            let (path, text) = (case.join(file), write(&report));
            if std::env::var_os("LAPWING_BLESS").is_some() {
                fs::write(&path, &text).unwrap();
            }
            let known = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(text, known, "{}", path.display());
        }
    }
}

#[test]
fn every_finding_fits_the_schema_of_ocsf() {
    let text = fs::read_to_string(root().join("docs/ocsf-detection-finding.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    for (case, report) in reports() {
        for event in values(&ocsf::write(&report)) {
            let mut found = Vec::new();
            misfits(&schema, &schema, &event, "event", &mut found);
            assert_eq!(found, Vec::<String>::new(), "{case}");
            assert_eq!(event["metadata"]["version"], ocsf::VERSION);
            // An observable's name is a path to an attribute that is there.
            for observable in event["observables"].as_array().unwrap() {
                let path: Vec<&str> = observable["name"].as_str().unwrap().split('.').collect();
                let mut there = Vec::new();
                reach(&event, &path, &mut there);
                assert!(there.contains(&&observable["value"]), "{case}: {observable}");
            }
        }
    }
}

/// Every value at a path, through each member of lists.
fn reach<'a>(value: &'a Value, path: &[&str], found: &mut Vec<&'a Value>) {
    match (value, path) {
        (Value::Array(list), _) => list.iter().for_each(|item| reach(item, path, found)),
        (_, []) => found.push(value),
        (_, [first, rest @ ..]) => reach(&value[*first], rest, found),
    }
}

/// The published schema itself, where the Python package `ocsf-json-schema` holds it.
#[test]
fn the_whole_schema_of_ocsf_agrees() {
    let script = "import sys, json
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
import jsonschema
schema = OcsfJsonSchemaEmbedded(get_ocsf_schema('1.5.0')).get_class_schema('detection_finding', ['container'])
check = jsonschema.Draft202012Validator(schema)
for line in sys.stdin:
    event = json.loads(line)
    event.pop('unmapped', None)
    for error in check.iter_errors(event):
        print(error.json_path, error.message[:300])
";
    let lines: String = reports().iter().map(|(_, report)| ocsf::write(report)).collect();
    match python(script, "ocsf_json_schema, jsonschema", &lines) {
        Some(said) => assert_eq!(said, ""),
        None => eprintln!(
            "SKIPPED: no Python package ocsf-json-schema; OCSF was judged by our extract alone"
        ),
    }
}

/// What a Python script says of a text; `None` where its modules are not installed. The environment
/// that `scripts/test` makes is asked first.
fn python(script: &str, modules: &str, input: &str) -> Option<String> {
    let own = root().join("target/witnesses/bin/python3");
    let has = |python: &Path| {
        let asked = Command::new(python).args(["-c", &format!("import {modules}")]).output();
        asked.is_ok_and(|output| output.status.success())
    };
    let python = [own, PathBuf::from("python3")].into_iter().find(|python| has(python))?;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public-formats.jsonl");
    fs::write(&file, input).unwrap();
    let output = Command::new(python)
        .args(["-c", script])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The fields of `crates/output/tests/data/ecs-fields.csv`: type, and whether they hold lists.
fn ecs_fields() -> BTreeMap<String, (String, bool)> {
    let path = root().join("crates/output/tests/data/ecs-fields.csv");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let rows = rows.map(|line| {
        let [name, kind, list] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}: expected three columns")
        };
        (name.to_string(), (kind.to_string(), list == "array"))
    });
    rows.collect()
}

/// Every field of a document with its values, lists taken apart: (name, value, whether in a list).
fn leaves(value: &Value, name: &str, found: &mut Vec<(String, Value, bool)>) {
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                leaves(inner, &name, found);
            }
        }
        Value::Array(list) => {
            found.extend(list.iter().map(|item| (name.to_string(), item.clone(), true)));
        }
        one => found.push((name.to_string(), one.clone(), false)),
    }
}

fn is_of_ecs_type(kind: &str, value: &Value) -> bool {
    let text = value.as_str();
    match kind {
        "keyword" | "wildcard" | "match_only_text" => text.is_some(),
        "ip" => text.is_some_and(|text| text.parse::<IpAddr>().is_ok()),
        "date" => text.is_some_and(|text| Timestamp::parse_rfc3339(text).is_some()),
        "long" => value.is_i64(),
        "float" => value.is_f64(),
        "boolean" => value.is_boolean(),
        other => panic!("type {other} is not known to this test"),
    }
}

#[test]
fn every_field_is_one_of_ecs() {
    let fields = ecs_fields();
    let mut used: Vec<String> = Vec::new();
    for (case, report) in reports() {
        for document in values(&ecs::write(&report)) {
            assert_eq!(document["ecs"]["version"], ecs::VERSION);
            let mut found = Vec::new();
            leaves(&document, "", &mut found);
            found.retain(|(name, ..)| !name.starts_with("lapwing."));
            for (name, value, in_list) in found {
                let Some((kind, list)) = fields.get(&name) else {
                    panic!("{case}: {name} is no field of ecs-fields.csv")
                };
                assert!(is_of_ecs_type(kind, &value), "{case}: {name} is {value}, not {kind}");
                assert_eq!(in_list, *list, "{case}: {name}");
                used.push(name);
            }
            for required in ["@timestamp", "ecs.version", "event.kind", "event.category", "rule.id"]
            {
                assert!(used.iter().any(|name| name == required), "{case}: no {required}");
            }
        }
    }
    // Fields that no scenario shows, of logs that record more of a process.
    let rare = [
        "container.image.hash",
        "process.code_signature",
        "process.hash",
        "process.interactive",
        "process.pe",
        "process.parent.entity_id",
    ];
    let idle: Vec<&String> = fields
        .keys()
        .filter(|name| !used.contains(name) && !rare.iter().any(|rare| name.starts_with(rare)))
        .collect();
    assert_eq!(idle, Vec::<&String>::new(), "listed, and never written");
}
