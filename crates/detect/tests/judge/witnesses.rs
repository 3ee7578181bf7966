//! One scan, several views: one finding.

use lapwing_detect::{Detector, Finding, Kind, Level, Tunables};
use lapwing_event::{Actor, LogSource, Outcome, Process, Technique};

use crate::scene::{Scene, Try, host, last_of_each, only, process, quiet, syn, tell};

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

/// A process's sweep as two logs of one computer tell of it, the second so much later, each contact with
/// these outcomes.
fn told_twice(later: f64, outcomes: [Outcome; 2], hosts: u32) -> Vec<Finding> {
    let mut scene = Scene::default();
    let scanner = |guid: Option<&str>| Actor {
        device: Some("WS7".into()),
        process: Some(Process { guid: guid.map(Into::into), ..process(4482, "C:\\t\\x.exe", 1) }),
        container: None,
    };
    let views = [
        (LogSource::SysmonNetwork, scanner(Some("{1}")), 0.0),
        (LogSource::SecurityConnection, scanner(None), later),
    ];
    for n in 0..hosts {
        for ((log_source, actor, later), outcome) in views.iter().zip(outcomes) {
            let attempt = syn(host(9), host(20 + n * 7), 445).outcome(outcome);
            let attempt = Try { log_source: *log_source, ..attempt };
            let when = f64::from(n) * 0.5 + later;
            scene.by(when, actor, attempt.technique(Technique::Connect));
        }
    }
    scene.judge()
}

#[test]
fn what_is_known_of_an_attempt_wins_over_what_is_not_whichever_log_comes_first() {
    for later in [0.0, 0.0005, 0.02, 3.0] {
        for outcomes in [[Outcome::Unknown, Outcome::Refused], [Outcome::Refused, Outcome::Unknown]]
        {
            let finding = only(told_twice(later, outcomes, 30));
            let counts = (finding.counts.attempts, finding.outcomes.refused);
            assert_eq!(counts, (30, 30), "{later} {outcomes:?} {:?}", finding.outcomes);
            assert_eq!(finding.witnesses.len(), 2, "{later} {outcomes:?}");
            // Ten refusals cross the threshold, as if the second log were alone: by then the first may
            // have told of six attempts more.
            let after = if later < 0.5 || outcomes[0] == Outcome::Refused { 10 } else { 13 };
            assert_eq!(finding.detected_after, after, "{later} {outcomes:?}");
        }
    }
}

#[test]
fn twin_that_it_was_used_wins_too_and_is_no_scan() {
    quiet(told_twice(0.02, [Outcome::Unknown, Outcome::Served], 12));
    quiet(told_twice(0.02, [Outcome::Unknown, Outcome::Refused], 9));
}

/// A program that one log names by its computer's short name and another by its full one: the first tells
/// who started it, the second what it reached.
fn by_two_names(same: &[(&str, &str)]) -> Vec<Finding> {
    let mut scene = Scene::default();
    for n in 0..30 {
        let named = |device: &str| Actor {
            device: Some(device.into()),
            process: Some(process(2000 + n, "C:\\t\\x.exe", 700)),
            container: None,
        };
        let when = f64::from(n) * 0.5;
        scene.starts_of(when, LogSource::SecurityProcess, &named("WS7.corp.example"));
        let attempt = syn(host(9), host(20 + n * 7), 445);
        let attempt = Try { log_source: LogSource::DefenderNetwork, ..attempt };
        let bare = Process { parent: None, ..process(2000 + n, "C:\\t\\x.exe", 0) };
        let bare = Actor { process: Some(bare), ..named("ws7") };
        scene.by(when + 0.1, &bare, attempt.technique(Technique::Connect));
    }
    let names = same.iter().map(|(one, other)| ((*one).into(), (*other).into())).collect();
    let detector = Detector::sorted(Tunables::default()).same_computers(names);
    last_of_each(tell(detector, scene.events))
}

#[test]
fn a_socket_finds_its_process_under_its_computers_other_name() {
    let finding = only(by_two_names(&[("ws7", "WS7.corp.example")]));
    assert_eq!(finding.origin.level, Level::Lineage);
    assert_eq!(finding.origin.process.unwrap().pid, 700);
    // Under two names each is a process of its own, with one contact.
    quiet(by_two_names(&[]));
}

#[test]
fn two_tellings_of_one_attempt_are_no_return_to_it() {
    // Nothing is known of outcomes: what a client returns to is not counted, what is told twice is.
    let alone = only(told_twice(0.02, [Outcome::Unknown, Outcome::Unknown], 60));
    assert_eq!(alone.counts.hosts, 60);
}
