//! Every folder of `corpus/scenarios` is a test: its inputs give the findings of `expected.jsonl`,
//! whatever the number of threads, the memory and the order of the files. `LAPWING_BLESS=1`
//! rewrites expectations.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

use std::fs;
use std::path::{Path, PathBuf};

use lapwing_detect::{Severity, Tunables};
use lapwing_engine::{DEFAULT_MEMORY, Quiet, Request, hunt, parse_config};
use lapwing_output::{Report, jsonl};

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/scenarios")
}

fn sorted_entries(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

/// Every case: a folder that holds `inputs`.
fn cases() -> Vec<PathBuf> {
    let mut cases = Vec::new();
    for analytic in sorted_entries(&scenarios()) {
        for case in sorted_entries(&analytic) {
            assert!(case.join("inputs").is_dir(), "{}: no inputs folder", case.display());
            cases.push(case);
        }
    }
    assert!(!cases.is_empty(), "no case found: the walk is broken");
    cases
}

fn tunables(case: &Path) -> Tunables {
    match fs::read_to_string(case.join("config.toml")) {
        Ok(text) => parse_config(&text, "config.toml").unwrap(),
        Err(_) => Tunables::default(),
    }
}

fn run(case: &Path, paths: Vec<PathBuf>, threads: usize, memory: usize) -> Report {
    let tunables = tunables(case);
    let request = Request { paths, tunables, since: None, until: None, threads, memory };
    hunt(&request, &Quiet).unwrap_or_else(|error| panic!("{}: {error}", case.display()))
}

/// The findings as text, with the inputs named from the case's folder on.
fn findings(case: &Path, report: &Report) -> String {
    let folder = format!("{}/", case.join("inputs").display());
    jsonl::write(report).replace(&folder, "")
}

#[test]
fn every_scenario_gives_its_findings() {
    for case in cases() {
        let whole = run(&case, vec![case.join("inputs")], 1, DEFAULT_MEMORY);
        let text = findings(&case, &whole);
        let benign = case.file_name().unwrap().to_str().unwrap().starts_with("benign-");
        let loud = whole.worst().is_some_and(|worst| worst > Severity::Informational);
        assert_ne!(benign, loud, "{}: {text}", case.display());
        let expected = case.join("expected.jsonl");
        if std::env::var_os("LAPWING_BLESS").is_some() {
            fs::write(&expected, &text).unwrap();
        }
        let known = fs::read_to_string(&expected)
            .unwrap_or_else(|error| panic!("{}: {error}", expected.display()));
        assert_eq!(text, known, "{}", case.display());
    }
}

#[test]
fn threads_memory_and_order_change_nothing() {
    for case in cases() {
        let files = sorted_entries(&case.join("inputs"));
        let reversed: Vec<PathBuf> = files.iter().rev().cloned().collect();
        let one = findings(&case, &run(&case, files.clone(), 1, DEFAULT_MEMORY));
        for (paths, threads, memory) in [
            (&files, 2, DEFAULT_MEMORY),
            (&reversed, 1, DEFAULT_MEMORY),
            (&reversed, 2, 4096),
            (&files, 8, 100_000),
        ] {
            let other = findings(&case, &run(&case, paths.clone(), threads, memory));
            assert_eq!(one, other, "{}: {threads} threads, {memory} bytes", case.display());
        }
    }
}

/// A scan whose log was rotated in its middle is one episode, whatever the parts are called.
#[test]
fn a_scan_split_over_two_files_is_one_finding() {
    let case = scenarios().join("AN1058/connect-scan-two-witnesses");
    let log = fs::read(case.join("inputs/nmap-connect-enriched.log")).unwrap();
    let middle = log.len() / 2;
    let cut = event_start(&log, middle);
    let dir = tempfile::tempdir().unwrap();
    // The later part sorts first by name, as `audit.log` does before `audit.log.1`.
    fs::write(dir.path().join("audit.log"), &log[cut..]).unwrap();
    fs::write(dir.path().join("audit.log.1"), &log[..cut]).unwrap();
    let whole = run(&case, vec![case.join("inputs/nmap-connect-enriched.log")], 2, DEFAULT_MEMORY);
    let parts = run(&case, vec![dir.path().to_path_buf()], 2, DEFAULT_MEMORY);
    assert_eq!(whole.findings.len(), 1);
    assert_eq!(parts.findings.len(), 1);
    assert_eq!(parts.findings[0].uid, whole.findings[0].uid);
    assert_eq!(parts.findings[0].counts, whole.findings[0].counts);
    assert_eq!(parts.findings[0].outcomes, whole.findings[0].outcomes);
}

/// The first line at or after `from` that begins an audit event.
fn event_start(log: &[u8], from: usize) -> usize {
    let text = std::str::from_utf8(&log[from..]).unwrap();
    from + text.find("\ntype=SYSCALL").unwrap() + 1
}

/// SIEM exports come newest first, or in no order at all.
#[test]
fn a_log_newest_first_gives_the_same_scan() {
    let case = scenarios().join("AN1058/connect-scan-two-witnesses");
    let log = fs::read_to_string(case.join("inputs/nmap-connect-enriched.log")).unwrap();
    let serial = |line: &str| -> String {
        let stamp = line.split_once("audit(").map_or("", |(_, rest)| rest);
        stamp.split_once(')').map_or("", |(stamp, _)| stamp).to_string()
    };
    let mut events: Vec<(String, Vec<&str>)> = Vec::new();
    for line in log.lines() {
        match events.last_mut() {
            Some((stamp, lines)) if *stamp == serial(line) => lines.push(line),
            _ => events.push((serial(line), vec![line])),
        }
    }
    let reversed: String =
        events.iter().rev().flat_map(|(_, lines)| lines.iter().map(|l| format!("{l}\n"))).collect();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("export.log"), reversed).unwrap();
    let whole = run(&case, vec![case.join("inputs/nmap-connect-enriched.log")], 1, DEFAULT_MEMORY);
    let other = run(&case, vec![dir.path().to_path_buf()], 1, 4096);
    assert_eq!(other.findings.len(), 1);
    assert_eq!(other.findings[0].uid, whole.findings[0].uid);
    assert_eq!(other.findings[0].counts, whole.findings[0].counts);
}
