//! The built command, as a user runs it.

#![allow(clippy::unwrap_used)] // a test, helpers and all

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn corpus(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus").join(path)
}

fn scan() -> PathBuf {
    corpus("scenarios/AN1058/connect-scan-two-witnesses/inputs")
}

fn lapwing(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    for arg in args {
        command.arg(arg);
    }
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_hunt_names_who_what_and_why() {
    let output = lapwing(&[&"hunt", &scan()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for told in [
        "1 scan found in 2 inputs",
        "vertical",
        "/usr/bin/nmap",
        "10.77.9.10",
        "PortScanThreshold",
        "auditd-connect: 100 records",
        "packets: 100 records",
        "AN1057 Windows    no log source of it was there",
    ] {
        assert!(text.contains(told), "{told:?} is not in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "colour in a pipe");
}

#[test]
fn exit_codes_are_as_documented() {
    let benign = corpus("scenarios/AN1058/benign-backends-down/inputs");
    assert_eq!(lapwing(&[&"hunt", &benign, &"--fail-on", &"low"]).status.code(), Some(0));
    assert_eq!(lapwing(&[&"hunt", &scan(), &"--fail-on", &"medium"]).status.code(), Some(1));
    assert_eq!(lapwing(&[&"hunt", &scan(), &"--fail-on", &"critical"]).status.code(), Some(0));
    assert_eq!(lapwing(&[&"hunt"]).status.code(), Some(2));
    assert_eq!(lapwing(&[&"hunt", &scan(), &"--fail-on", &"loud"]).status.code(), Some(2));
    assert_eq!(lapwing(&[&"hunt", &"/nonexistent"]).status.code(), Some(2));
    let unknown = corpus("scenarios/AN1058/decoys/ORIGIN");
    let lost = lapwing(&[&"hunt", &scan(), &unknown]);
    assert_eq!(lost.status.code(), Some(3));
    assert!(stdout(&lost).contains("1 scan found"), "the good part is still used");
    assert!(stdout(&lost).contains("format not known"), "{}", stdout(&lost));
    assert_eq!(lapwing(&[&"--version"]).status.code(), Some(0));
}

#[test]
fn jsonl_is_one_object_a_line_and_troubles_go_elsewhere() {
    let unknown = corpus("scenarios/AN1058/decoys/ORIGIN");
    let output = lapwing(&[&"hunt", &"--format", &"jsonl", &scan(), &unknown]);
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 1);
    let finding: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(finding["kind"], "vertical");
    assert_eq!(finding["origin"]["process"]["path"], "/usr/bin/nmap");
    assert!(stderr(&output).contains("format not known"));
}

#[test]
fn standard_input_is_read() {
    let file = fs::File::open(scan().join("nmap-connect-enriched.pcap")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["hunt", "-"])
        .stdin(Stdio::from(file))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("packets: 100 records, - bytes"));
}

#[test]
fn hostile_text_stays_inert() {
    let log = fs::read_to_string(scan().join("nmap-connect-enriched.log")).unwrap();
    // The program's path as hex, which auditd uses for bytes outside of plain text: ESC ] 0 ; x BEL.
    let hostile = log.replace("exe=\"/usr/bin/nmap\"", "exe=2F746D702F1B5D303B7807");
    assert_ne!(log, hostile);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a\u{1b}[2Jb.log");
    fs::write(&file, hostile).unwrap();
    for format in ["table", "jsonl", "ocsf", "ecs", "cef", "syslog"] {
        let output = lapwing(&[&"hunt", &"--format", &format, &dir.path()]);
        let shown = stdout(&output) + &stderr(&output);
        let obeyed = |c: char| c.is_control() && c != '\n';
        assert!(!shown.contains(obeyed), "{format}: {shown:?}");
        assert!(shown.contains("]0;x"), "{format}: {shown}");
    }
}

#[test]
fn a_bad_configuration_is_shown_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lapwing.toml");
    fs::write(&file, "[analytics.AN1058]\nPortScanThreshold = 5.0\nTimeWindow = \"60s\"\n")
        .unwrap();
    for args in [
        vec![&"config" as &dyn AsRef<std::ffi::OsStr>, &"check", &file],
        vec![&"hunt", &"--config", &file, &"."],
    ] {
        let output = lapwing(&args);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        assert!(text.contains("lapwing.toml:3:1: unknown field `TimeWindow`"), "{text}");
        assert!(text.contains("PortScanThreshold"), "the fields that exist: {text}");
    }
}

#[test]
fn the_default_configuration_passes_its_own_check() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("default.toml");
    fs::write(&file, lapwing(&[&"config", &"default"]).stdout).unwrap();
    let output = lapwing(&[&"config", &"check", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_threshold_in_the_configuration_is_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("high.toml");
    let text = "[analytics.AN1058]\nPortScanThreshold = 5000\nToolPatternRegex = []\n";
    fs::write(&file, text).unwrap();
    let output = lapwing(&[&"hunt", &"--config", &file, &scan()]);
    assert!(stdout(&output).starts_with("No scan found"), "{}", stdout(&output));
}

#[test]
fn no_scan_is_not_said_where_none_could_be_seen() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = dir.path().join("notes.txt");
    fs::write(&foreign, "a shopping list\n").unwrap();
    let output = lapwing(&[&"hunt", &foreign]);
    assert!(stdout(&output).starts_with("Nothing was read"), "{}", stdout(&output));
    let quiet = dir.path().join("audit.log");
    let record = "type=USER_LOGIN msg=audit(1772442847.551:1): pid=1 uid=0 res=success\n";
    fs::write(&quiet, record).unwrap();
    let output = lapwing(&[&"hunt", &quiet]);
    assert!(stdout(&output).starts_with("No event that could show"), "{}", stdout(&output));
}

#[test]
fn an_expected_source_is_shown_as_expected() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("expected.toml");
    let entry = "{ name = \"weekly audit\", source = \"10.77.9.0/24\", owner = \"secops\" }";
    fs::write(&file, format!("[analytics.AN1058]\nExpectedScanSources = [{entry}]\n")).unwrap();
    let sweep = corpus("scenarios/AN1058/decoys/inputs/nmap-decoys.pcap");
    let output = lapwing(&[&"hunt", &"--fail-on", &"low", &"--config", &file, &sweep]);
    assert_eq!(output.status.code(), Some(0), "suppressed findings do not fail a run");
    let text = stdout(&output);
    assert!(text.contains("Expected by the allow-lists:\n  analytics.AN1058.ExpectedScanSources: weekly audit: decoy by"), "{text}");
}

#[test]
fn every_format_is_listed() {
    let text = stdout(&lapwing(&[&"formats"]));
    for name in ["pcap", "pcapng", "auditd"] {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn coverage_says_what_could_have_been_seen() {
    let output = lapwing(&[&"coverage", &scan()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for told in [
        "AN1058 Linux: present",
        "auditd-connect: 100 events",
        "AN1057 Windows: nothing can be said",
        "turn on: Sysmon",
    ] {
        assert!(text.contains(told), "{told} in {text}");
    }
    let output = lapwing(&[&"coverage", &"--format", &"json", &scan()]);
    let value: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(value["analytics"][1]["id"], "AN1058");
    assert_eq!(value["analytics"][1]["present"], true);
    let unknown = corpus("scenarios/AN1058/decoys/ORIGIN");
    assert_eq!(lapwing(&[&"coverage", &unknown]).status.code(), Some(3));
    assert_eq!(lapwing(&[&"coverage"]).status.code(), Some(2));
}

#[test]
fn explain_opens_a_finding_down_to_its_records() {
    let found = lapwing(&[&"hunt", &"--format", &"jsonl", &scan()]);
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("explain");
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join("findings.jsonl");
    fs::write(&file, &found.stdout).unwrap();
    let finding: serde_json::Value = serde_json::from_str(&stdout(&found)).unwrap();
    let uid = finding["uid"].as_str().unwrap();
    let output = lapwing(&[&"explain", &&uid[..9], &file, &"--evidence", &scan()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for told in [
        "It was judged a scan because",
        "ports of one host, by weight of outcome, within 1m",
        "peer-to-peer: no",
        "auditd-connect (auditd): 100",
        "type=SYSCALL",
        "it is binary, or packed",
    ] {
        assert!(text.contains(told), "{told} in {text}");
    }
    // A findings file does not choose what else is read.
    let elsewhere =
        String::from_utf8_lossy(&found.stdout).replace("\"file\":\"", "\"file\":\"/../");
    fs::write(&file, elsewhere).unwrap();
    let output = lapwing(&[&"explain", &uid, &file, &"--evidence", &dir]);
    assert!(stdout(&output).contains("not within the evidence folder"), "{}", stdout(&output));
    assert_eq!(lapwing(&[&"explain", &"lw-nothing", &file]).status.code(), Some(2));
}
