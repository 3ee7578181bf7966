//! `lapwing drill`: what it writes is found, once, and labelled for what it is.

#![allow(clippy::unwrap_used)] // a test, helpers and all

use std::io::Write;
use std::process::{Command, Output, Stdio};

use lapwing_source::DRILLS;
use serde_json::Value;

fn lapwing(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn drill(args: &[&str]) -> Vec<u8> {
    let output = lapwing(&[&["drill", "--at", "2026-03-02T09:14:07.551Z"], args].concat(), b"");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn findings(bytes: &[u8]) -> Vec<Value> {
    let output = lapwing(&["hunt", "--format", "jsonl", "-"], bytes);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_drill_of_every_format_is_one_finding_and_labelled() {
    for format in DRILLS {
        for analytic in format.analytics {
            let bytes = drill(&["--format", format.name, "--analytic", analytic]);
            let found = findings(&bytes);
            let name = format.name;
            assert_eq!(found.len(), 1, "{name}, {analytic}: {found:#?}");
            assert_eq!(found[0]["drill"], true, "{name}, {analytic}: {:#}", found[0]);
            assert_eq!(found[0]["analytic"], *analytic, "{name}");
            assert_ne!(found[0]["severity"], "informational", "{name}, {analytic}");
            assert_eq!(found[0]["status"], "closed", "told like any other: {name}");
            let output = lapwing(&["hunt", "--fail-on", "low", "-"], &bytes);
            assert_eq!(output.status.code(), Some(1), "{name}: a drill fails a run like a scan");
            let table = String::from_utf8(output.stdout).unwrap();
            assert!(table.contains("(drill)"), "{name}: {table}");
        }
    }
}

#[test]
fn the_help_names_every_format() {
    let output = lapwing(&["drill", "--help"], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = text.split([' ', ',', '\n']).collect();
    for format in DRILLS {
        assert!(words.contains(&format.name), "{} in {text}", format.name);
    }
}

#[test]
fn what_is_sent_on_says_that_it_is_a_drill() {
    let bytes = drill(&["--format", "zeek-json"]);
    for format in ["ocsf", "ecs", "cef", "syslog"] {
        let output = lapwing(&["hunt", "--format", format, "-"], &bytes);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("vertical scan (drill): 198.51.100.10"), "{format}: {text}");
    }
    let output = lapwing(&["hunt", "--format", "ecs", "-"], &bytes);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["tags"].as_array().unwrap().contains(&"drill".into()), "{document:#}");
}

#[test]
fn one_real_target_more_and_it_is_no_drill() {
    let bytes = drill(&["--format", "zeek-json"]);
    let text = String::from_utf8(bytes).unwrap();
    // The last attempt goes elsewhere.
    let (before, after) = text.rsplit_once("198.51.100.10").unwrap();
    let real = format!("{before}10.0.0.9{after}");
    let found = findings(real.as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get("drill"), None, "one real host, and there is no label");
    // Nor does a name label anybody.
    let named = text.replace("198.51.100.10", "10.0.0.9").replace("CLapwing", "lapwing-drill");
    assert_eq!(findings(named.as_bytes())[0].get("drill"), None);
}

#[test]
fn an_origin_and_a_time_of_ones_own() {
    let args = ["--format", "pcap", "--origin", "10.1.2.3"];
    let found = findings(&drill(&args));
    assert_eq!(found[0]["origin"]["address"], "10.1.2.3");
    assert_eq!(found[0]["last_seen"], "2026-03-02T09:14:07.551Z");
    assert_eq!(found[0]["severity"], "medium", "an own host's scan weighs more");
    // Without --at it is now.
    let output = lapwing(&["drill", "--format", "zeek-tsv"], b"");
    assert_eq!(findings(&output.stdout).len(), 1);
}

#[test]
fn what_cannot_be_written_is_said() {
    for (args, told) in [
        (&["drill", "--format", "evtx"][..], "expected one of pcap"),
        (&["drill", "--format", "pcap", "--analytic", "AN1060"], "take one of tetragon, tracee"),
        (&["drill", "--format", "auditd", "--origin", "10.0.0.1"], "names no address"),
        (&["drill", "--format", "pcap", "--origin", "::1"], "expected an IPv4 address"),
    ] {
        let output = lapwing(args, b"");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn it_can_be_written_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("drill.pcap");
    let path = file.to_str().unwrap();
    assert!(drill(&["--format", "pcap", "--output", path]).is_empty());
    assert_eq!(std::fs::read(&file).unwrap(), drill(&["--format", "pcap"]));
}
