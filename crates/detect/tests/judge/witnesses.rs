//! One scan, several views: one finding.

use lapwing_detect::Kind;
use lapwing_event::{Actor, LogSource, Outcome, Process, Technique};

use crate::scene::{Scene, Try, host, only, process, syn};

fn both(offset: f64) -> Scene {
    let scanner = process(4482, "/tmp/kworkerd", 1);
    let mut scene = Scene::default();
    for n in 0..100_u16 {
        let port = 1 + (n * 37) % 1009;
        let when = 10.0 + f64::from(n) * 0.1;
        scene.connect(when, &scanner, host(1), port, Outcome::Unknown);
        scene.at(when + offset, syn(host(9), host(1), port));
    }
    scene
}

#[test]
fn a_process_log_and_packets_of_one_scan_are_one_finding() {
    let finding = only(both(0.002).judge());
    assert_eq!(finding.origin.process.unwrap().pid, 4482);
    assert_eq!(finding.origin.address, Some(host(9)));
    assert_eq!(finding.outcomes.refused, 100);
    let sources: Vec<LogSource> = finding.witnesses.iter().map(|w| w.log_source).collect();
    assert_eq!(sources, [LogSource::AuditConnect, LogSource::Packets]);
    assert_eq!(finding.counts.ports, 100);
}

#[test]
fn twin_the_same_ports_an_hour_later_are_another_scan() {
    assert_eq!(both(3600.0).judge().len(), 2);
}

#[test]
fn twin_other_targets_at_the_same_time_are_another_scan() {
    let scanner = process(4482, "/tmp/kworkerd", 1);
    let mut scene = Scene::default();
    for n in 0..100_u16 {
        let when = 10.0 + f64::from(n) * 0.1;
        scene.connect(when, &scanner, host(1), 1 + (n * 37) % 1009, Outcome::Unknown);
        scene.at(when, syn(host(9), host(2), 2000 + (n * 37) % 1009));
    }
    assert_eq!(scene.judge().len(), 2);
}

#[test]
fn a_raw_scanner_is_joined_with_its_packets_by_its_arguments() {
    let nmap = process(700, "/usr/bin/nmap", 1);
    let mut scene = Scene::default();
    scene.launch(0.0, &nmap, &["nmap", "-sS", "-p1-100", "10.0.0.0/24"]);
    for n in 0..100_u32 {
        scene.at(1.0 + f64::from(n) * 0.01, syn(host(999), host(n * 7 % 251), 445));
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Horizontal);
    assert_eq!(finding.tool.as_deref(), Some("nmap"));
    assert_eq!(finding.origin.address, Some(host(999)));
    assert_eq!(finding.witnesses.len(), 2);
    assert!(!finding.notes.iter().any(|note| note.contains("no scan by this process")));
}

#[test]
fn twin_a_raw_scanner_of_other_targets_is_not_joined() {
    let nmap = process(700, "/usr/bin/nmap", 1);
    let mut scene = Scene::default();
    scene.launch(0.0, &nmap, &["nmap", "-sS", "-p1-100", "192.168.7.0/24"]);
    for n in 0..100_u32 {
        scene.at(1.0 + f64::from(n) * 0.01, syn(host(999), host(n * 7 % 251), 445));
    }
    let kinds: Vec<Kind> = scene.judge().iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Tool, Kind::Horizontal]);
}

/// A process's scan as Sysmon for Linux and osquery tell of it, which name its computer so.
fn by_two_agents(name: &str, other: &str) -> usize {
    let mut scene = Scene::default();
    let scanner = |guid: Option<&str>, device: &str| Actor {
        device: Some(device.into()),
        process: Some(Process { guid: guid.map(Into::into), ..process(4482, "/tmp/kworkerd", 1) }),
        container: None,
    };
    let views = [
        (LogSource::SysmonLinuxNetwork, scanner(Some("{1}"), name)),
        (LogSource::OsquerySocket, scanner(None, other)),
    ];
    for n in 0..40_u32 {
        for (log_source, actor) in &views {
            let attempt = syn(host(9), host(20 + n * 7), 22).outcome(Outcome::Unknown);
            let attempt = Try { log_source: *log_source, ..attempt };
            scene.by(f64::from(n) * 0.1, actor, attempt.technique(Technique::Connect));
        }
    }
    scene.judge().len()
}

#[test]
fn one_computer_by_its_short_and_its_full_name_is_one() {
    assert_eq!(by_two_agents("app66", "app66.corp.example"), 1);
    assert_eq!(by_two_agents("APP66.corp.example", "app66.CORP.example"), 1);
}

#[test]
fn twin_two_computers_whose_names_begin_alike_are_two() {
    assert_eq!(by_two_agents("app66.lab.example", "app66.corp.example"), 2);
    assert_eq!(by_two_agents("app6", "app66.corp.example"), 2);
}

#[test]
fn what_one_log_does_not_know_of_an_outcome_another_tells() {
    let mut scene = Scene::default();
    let scanner = |device: &str, guid: Option<&str>| Actor {
        device: Some(device.into()),
        process: Some(Process { guid: guid.map(Into::into), ..process(4482, "C:\\t\\x.exe", 1) }),
        container: None,
    };
    for n in 0..40_u32 {
        let views = [
            (LogSource::SysmonNetwork, scanner("WS7", Some("{1}")), Outcome::Unknown),
            (LogSource::DefenderNetwork, scanner("ws7.corp.example", None), Outcome::Refused),
        ];
        for (log_source, actor, outcome) in views {
            let attempt = syn(host(9), host(20 + n * 7), 445).outcome(outcome);
            let attempt = Try { log_source, ..attempt }.technique(Technique::Connect);
            scene.by(f64::from(n) * 0.1, &actor, attempt);
        }
    }
    let finding = only(scene.judge());
    assert_eq!((finding.outcomes.refused, finding.outcomes.unknown), (40, 0));
    assert_eq!(finding.witnesses.len(), 2);
    assert!(!finding.notes.iter().any(|note| note.contains("established connections only")));
}
