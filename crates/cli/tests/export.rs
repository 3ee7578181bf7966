//! `lapwing export`: what it writes is what `corpus/exports` and `corpus/outputs` hold, those whose
//! languages have a parser at hand take it, and text of a configuration stays in its string.
//! `LAPWING_BLESS=1` rewrites expectations.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn folders(dir: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(dir)).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty(), "{dir}: the walk is broken");
    found
}

fn lapwing(args: &[&str], file: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing")).args(args).arg(file).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn exported(language: &str, case: &Path) -> String {
    lapwing(&["export", language, "--config"], &case.join("config.toml"))
}

fn holds(path: &Path, text: &str) {
    if std::env::var_os("LAPWING_BLESS").is_some() {
        fs::write(path, text).unwrap();
    }
    let known =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text == known, "{}: run this test with LAPWING_BLESS=1", path.display());
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
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

const LANGUAGES: [(&str, &str); 5] = [
    ("sigma", "sigma.yml"),
    ("spl", "spl.txt"),
    ("kql", "kql.txt"),
    ("esql", "esql.txt"),
    ("navigator", "navigator.json"),
];

#[test]
fn every_language_says_what_it_said() {
    for case in folders("corpus/exports") {
        for (language, file) in LANGUAGES {
            holds(&case.join(file), &exported(language, &case));
        }
    }
}

#[test]
fn every_export_says_what_its_language_cannot() {
    for case in folders("corpus/exports") {
        for (language, _) in LANGUAGES.iter().filter(|(language, _)| *language != "navigator") {
            let text = exported(language, &case);
            for told in [
                "What this cannot express",
                "first contacts",
                "sequence",
                "lineage",
                "AN1057",
                "AN1060",
            ] {
                assert!(text.contains(told), "{language}: {told}");
            }
        }
    }
}

#[test]
fn text_of_a_configuration_stays_in_its_string() {
    let case = root().join("corpus/exports/tuned");
    for (language, _) in LANGUAGES {
        let text = exported(language, &case);
        let comment = |line: &&str| ["#", "//", "```"].iter().any(|mark| line.starts_with(mark));
        let obeyed: Vec<&str> =
            text.lines().filter(|line| line.contains("delete") && !comment(line)).collect();
        assert_eq!(obeyed, Vec::<&str>::new(), "{language}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{language}");
        // An entry that no filter can say is named and not widened.
        if language != "navigator" {
            assert!(
                text.contains("Not filtered, since no filter says it: C:\\Tools\\sched.exe"),
                "{language}"
            );
            assert!(
                text.contains("two\\n| delete lines") && text.contains("evil\"\\n| delete"),
                "{language}"
            );
        }
    }
}

fn documents(text: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(text).unwrap()
}

#[test]
fn sigma_rules_are_yaml_whose_references_hold() {
    for case in folders("corpus/exports") {
        let documents = documents(&exported("sigma", &case));
        let name = |rule: &Yaml| rule["name"].as_str().unwrap().to_string();
        let rules: BTreeSet<String> =
            documents.iter().filter(|rule| !rule["logsource"].is_badvalue()).map(name).collect();
        let ids: BTreeSet<&str> =
            documents.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), documents.len(), "every rule has an id of its own");
        let correlations: Vec<&Yaml> =
            documents.iter().filter(|rule| rule["logsource"].is_badvalue()).collect();
        assert!(correlations.len() > 10);
        for rule in correlations {
            let correlation = &rule["correlation"];
            assert_eq!(correlation["type"].as_str(), Some("value_count"));
            for reference in correlation["rules"].as_vec().unwrap() {
                assert!(rules.contains(reference.as_str().unwrap()), "{reference:?}");
            }
            assert!(!correlation["group-by"].as_vec().unwrap().is_empty());
            assert!(correlation["timespan"].as_str().unwrap().ends_with('s'));
            assert!(correlation["condition"]["gte"].as_i64().unwrap() > 1);
            assert!(correlation["condition"]["field"].as_str().is_some());
        }
    }
}

#[test]
fn pysigma_takes_the_rules() {
    let script = "import sys
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
rules = SigmaCollection.from_yaml(sys.stdin.read())
rules.resolve_rule_references()
assert not rules.errors, rules.errors
for rule in rules:
    assert not rule.errors, rule.errors
    if not isinstance(rule, SigmaCorrelationRule):
        for condition in rule.detection.parsed_condition:
            condition.parsed
print(sum(isinstance(rule, SigmaCorrelationRule) for rule in rules))
";
    for case in folders("corpus/exports") {
        match python(script, "sigma.collection", &exported("sigma", &case)) {
            Some(said) => assert_eq!(said.trim(), "26", "correlations of {}", case.display()),
            None => {
                eprintln!("SKIPPED: no Python package pysigma; rules were read as YAML alone");
                return;
            }
        }
    }
}

/// The package `duckdb-kql` runs queries on DuckDB.
#[test]
fn kql_finds_the_scan_at_its_threshold_and_nothing_below() {
    for case in folders("corpus/exports") {
        match python(include_str!("export/kql.py"), "duckdb_kql, duckdb", &exported("kql", &case)) {
            Some(said) => assert_eq!(said.trim(), "12", "queries of {}", case.display()),
            None => {
                eprintln!("SKIPPED: no Python package duckdb-kql; no query of KQL was run");
                return;
            }
        }
    }
}

#[test]
fn the_layer_is_one_of_the_navigator() {
    let layer: Value =
        serde_json::from_str(&exported("navigator", &root().join("corpus/exports/default")))
            .unwrap();
    assert_eq!(layer["versions"]["layer"], "4.5");
    assert_eq!(layer["domain"], "enterprise-attack");
    let strategy = fs::read_to_string(root().join("attack/DET0376.json")).unwrap();
    let strategy: Value = serde_json::from_str(&strategy).unwrap();
    let techniques = layer["techniques"].as_array().unwrap();
    assert_eq!(techniques[0]["techniqueID"], strategy["detects"]);
    for technique in techniques {
        assert_eq!(technique["tactic"], "discovery");
        let score = technique["score"].as_u64().unwrap();
        assert!(score <= layer["gradient"]["maxValue"].as_u64().unwrap());
        for analytic in strategy["analytics"].as_array().unwrap() {
            let id = analytic["id"].as_str().unwrap();
            let told = techniques[0]["comment"].as_str().unwrap();
            assert!(told.contains(id), "{id}");
        }
    }
}

/// The bundle of each scenario that `corpus/outputs` names.
fn bundles() -> Vec<(PathBuf, String)> {
    let bundle = |case: PathBuf| {
        let scenario = fs::read_to_string(case.join("scenario")).unwrap();
        let findings = root().join("corpus/scenarios").join(scenario.trim()).join("expected.jsonl");
        let text = lapwing(&["export", "stix"], &findings);
        (case, text)
    };
    folders("corpus/outputs").into_iter().map(bundle).collect()
}

#[test]
fn bundles_are_as_they_were_and_hold_together() {
    for (case, text) in bundles() {
        holds(&case.join("stix.json"), &text);
        let bundle: Value = serde_json::from_str(&text).unwrap();
        let objects = bundle["objects"].as_array().unwrap();
        let ids: BTreeSet<&str> =
            objects.iter().map(|object| object["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), objects.len(), "{}", case.display());
        for object in objects {
            let kind = object["type"].as_str().unwrap();
            let id = object["id"].as_str().unwrap();
            let uuid = id.strip_prefix(kind).unwrap().strip_prefix("--").unwrap();
            assert_eq!((uuid.len(), &uuid[14..15]), (36, "5"), "{id}: version 5");
            for (key, value) in object.as_object().unwrap() {
                let many = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                if key.ends_with("_ref") || key.ends_with("_refs") {
                    for reference in many {
                        assert!(
                            ids.contains(reference.as_str().unwrap()),
                            "{id}: {key} {reference}"
                        );
                    }
                }
            }
        }
        let kinds: BTreeSet<&str> =
            objects.iter().map(|object| object["type"].as_str().unwrap()).collect();
        for kind in ["identity", "attack-pattern", "observed-data", "sighting", "note"] {
            assert!(kinds.contains(kind), "{}: no {kind}", case.display());
        }
    }
}

/// The `stix2` package parses bundles strictly, and derives observables' ids itself.
#[test]
fn stix2_takes_the_bundles() {
    let script = "import sys, json, stix2
text = sys.stdin.read()
bundle = stix2.parse(text, allow_custom=False)
kinds = {'ipv4-addr': stix2.IPv4Address, 'ipv6-addr': stix2.IPv6Address, 'file': stix2.File,
         'directory': stix2.Directory, 'user-account': stix2.UserAccount, 'network-traffic': stix2.NetworkTraffic}
for thing in json.loads(text)['objects']:
    kind = kinds.get(thing['type'])
    if kind:
        rest = {k: v for k, v in thing.items() if k not in ('type', 'id', 'spec_version')}
        derived = kind(**rest).id
        assert derived == thing['id'], (derived, thing)
print(len(bundle.objects))
";
    for (case, text) in bundles() {
        match python(script, "stix2", &text) {
            Some(said) => assert!(said.trim().parse::<usize>().unwrap() > 5, "{}", case.display()),
            None => {
                eprintln!(
                    "SKIPPED: no Python package stix2; bundles were judged by our checks alone"
                );
                return;
            }
        }
    }
}

#[test]
fn a_hostile_findings_file_stays_text() {
    let evil = "a\u{1b}[2J\u{202e}\"},{\n\u{0}";
    let process = serde_json::json!({ "path": evil, "command_line": evil, "user": evil,
        "parent": { "path": evil }, "program": { "hashes": evil } });
    let finding = serde_json::json!({
        "uid": evil, "analytic": evil, "kind": evil, "status": evil, "severity": evil,
        "first_seen": "2026-03-02T09:14:00Z", "last_seen": "2026-03-02T09:14:00.5Z",
        "attacks": [evil, "T1046"], "hosts": [evil, "10.0.0.1"], "open": [evil, "tcp 10.0.0.1:22"],
        "origin": { "device": evil, "address": evil, "process": process },
        "counts": { "attempts": -1 }, "confidence": 1_000_000, "members": evil, "why": evil,
    });
    // Of this one nothing is known that could be an observable.
    let bare = serde_json::json!({ "uid": "lw-bare", "analytic": "AN1058", "kind": "vertical",
        "status": "closed", "first_seen": "2026-03-02T09:14:00Z", "last_seen": "2026-03-02T09:14:00Z",
        "attacks": ["T1046"] });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("findings.jsonl");
    fs::write(&file, format!("{finding}\n{bare}\n")).unwrap();
    let text = lapwing(&["export", "stix"], &file);
    assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    let bundle: Value = serde_json::from_str(&text).unwrap();
    let of_kind = |kind: &str| {
        bundle["objects"].as_array().unwrap().iter().filter(|o| o["type"] == kind).count()
    };
    assert_eq!((of_kind("sighting"), of_kind("note"), of_kind("observed-data")), (2, 2, 1));
    let script = "import sys, stix2\nstix2.parse(sys.stdin.read(), allow_custom=False)";
    if python(script, "stix2", &text).is_none() {
        eprintln!("SKIPPED: no Python package stix2; the bundle was judged by our checks alone");
    }
}

#[test]
fn what_is_no_finding_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("findings.jsonl");
    for (text, told) in [
        ("{\"uid\":\"lw-1\"}\n", "line 1: no analytic; expected a finding"),
        ("\nnonsense\u{1b}[2J\n", "line 2: expected"),
    ] {
        fs::write(&file, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_lapwing"))
            .args(["export", "stix"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2));
        assert!(said.contains(told), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}
