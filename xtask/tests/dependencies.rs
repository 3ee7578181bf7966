//! The crates of this workspace depend on each other in one direction, and on others only under
//! the licences and versions that `deny.toml` allows.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each crate may use of the others, in code that ships. `detect` depends on `event` alone and
/// `source` knows no schema that is published: invariants I1 and I3 of ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("lapwing-event", &[]),
    ("lapwing-source", &["lapwing-event"]),
    ("lapwing-detect", &["lapwing-event"]),
    ("lapwing-output", &["lapwing-event", "lapwing-detect"]),
    ("lapwing-engine", &["lapwing-event", "lapwing-source", "lapwing-detect", "lapwing-output"]),
    (
        "lapwing",
        &["lapwing-event", "lapwing-source", "lapwing-detect", "lapwing-output", "lapwing-engine"],
    ),
    (
        "xtask",
        &["lapwing-event", "lapwing-source", "lapwing-detect", "lapwing-output", "lapwing-engine"],
    ),
    ("lapwing-fuzz", &["lapwing-source"]),
];

/// What no crate of the pure core may pull in: I/O runtimes, clocks, randomness.
const IMPURE: &[&str] = &["tokio", "rand", "mio", "socket2", "reqwest"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap();
    let out = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no {key}"))
}

/// The packages of this workspace by name.
fn members(metadata: &Value) -> BTreeMap<&str, &Value> {
    let ids: BTreeSet<&str> =
        list(metadata, "workspace_members").iter().map(|id| id.as_str().unwrap()).collect();
    list(metadata, "packages")
        .iter()
        .filter(|package| ids.contains(text(package, "id")))
        .map(|package| (text(package, "name"), package))
        .collect()
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let metadata = metadata();
    let members = members(&metadata);
    let table: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let names: BTreeSet<&str> = table.keys().copied().collect();
    assert_eq!(members.keys().copied().collect::<BTreeSet<_>>(), names, "ARROWS has every crate");
    for (name, package) in &members {
        for dependency in list(package, "dependencies") {
            let on = text(dependency, "name");
            let ships = dependency["kind"].is_null();
            if ships && members.contains_key(on) {
                assert!(table[name].contains(&on), "{name} must not use {on}");
            }
        }
    }
}

#[test]
fn the_core_pulls_in_no_runtime() {
    let metadata = metadata();
    let members = members(&metadata);
    for name in ["lapwing-event", "lapwing-source", "lapwing-detect", "lapwing-output"] {
        for dependency in list(members[name], "dependencies") {
            let on = text(dependency, "name");
            let ships = dependency["kind"].is_null();
            assert!(!(ships && IMPURE.contains(&on)), "{name} must not use {on}");
        }
    }
}

#[test]
fn nothing_is_published_by_accident_and_lints_hold_everywhere() {
    let metadata = metadata();
    for (name, package) in members(&metadata) {
        assert_eq!(package["publish"].as_array().map(Vec::len), Some(0), "{name}: publish = false");
        assert_eq!(text(package, "license"), "Apache-2.0", "{name}");
        let manifest = std::fs::read_to_string(text(package, "manifest_path")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name}: lints of the workspace");
    }
}

/// The strings of a list in `deny.toml`, by the name of the list.
fn deny_list(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let (_, rest) = text.split_once(&format!("\n{name} = [")).unwrap();
    let (body, _) = rest.split_once("\n]").unwrap();
    body.lines().map(|line| line.trim().trim_end_matches(',').to_string()).collect()
}

#[test]
fn every_licence_is_permissive() {
    let allowed: BTreeSet<String> =
        deny_list("allow").iter().map(|entry| entry.trim_matches('"').to_string()).collect();
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in list(&metadata, "packages") {
        let name = text(package, "name");
        let Some(stated) = package["license"].as_str() else {
            wrong.push(format!("{name} states no licence"));
            continue;
        };
        let licence = spdx::Expression::parse_mode(stated, spdx::ParseMode::LAX)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        if !licence.evaluate(|required| allowed.contains(&required.to_string())) {
            wrong.push(format!("{name} is under {stated}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_crate_comes_in_two_versions_without_a_reason() {
    let skipped: BTreeSet<(String, String)> = deny_list("skip")
        .iter()
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let parts: Vec<&str> = entry.split('"').collect();
            assert!(parts.len() > 5, "a reason is given: {entry}");
            (parts[1].to_string(), parts[3].to_string())
        })
        .collect();
    let metadata = metadata();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    // Only what is built on Linux, macOS and Windows counts, which the resolver's list is.
    for package in list(&metadata, "packages") {
        versions.entry(text(package, "name")).or_default().insert(text(package, "version"));
    }
    let is_skipped = |name: &str, version: &str| {
        skipped.iter().any(|(known, prefix)| {
            known == name && (version == prefix || version.starts_with(&format!("{prefix}.")))
        })
    };
    let mut wrong = Vec::new();
    for (name, versions) in versions {
        let left: Vec<&&str> =
            versions.iter().filter(|version| !is_skipped(name, version)).collect();
        if left.len() > 1 {
            wrong.push(format!("{name} {left:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
