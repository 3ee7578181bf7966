//! Every finding that the goldens hold fits `docs/finding.schema.json`, and the schema lists every
//! name that the code has; what coverage prints fits `docs/coverage.schema.json`.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

mod fits;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fits::misfits;
use lapwing_detect::tuning::{Candidate, Choice, ELEMENTS, Group};
use lapwing_detect::{
    ANALYTICS, Coverage, Devices, FewPorts, Group as TargetGroup, Kind, Level, Seen, Severity,
    Status,
};
use lapwing_event::{LogSource, Outcome, Protocol, Span, Technique, Timestamp};
use lapwing_output::tuning::{Against, Curve, Point, Proposal, Tuning};
use lapwing_output::{InputReport, Report, coverage, tuning};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schema() -> Value {
    schema_of("finding")
}

fn schema_of(what: &str) -> Value {
    let text = fs::read_to_string(root().join(format!("docs/{what}.schema.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_golden_finding_fits_the_schema() {
    let schema = schema();
    let mut lines = 0;
    for analytic in fs::read_dir(root().join("corpus/scenarios")).unwrap() {
        for case in fs::read_dir(analytic.unwrap().path()).unwrap() {
            let path = case.unwrap().path().join("expected.jsonl");
            for line in fs::read_to_string(&path).unwrap().lines() {
                let finding: Value = serde_json::from_str(line).unwrap();
                let mut found = Vec::new();
                misfits(&schema, &schema, &finding, "finding", &mut found);
                assert_eq!(found, Vec::<String>::new(), "{}", path.display());
                lines += 1;
            }
        }
    }
    assert!(lines > 5, "only {lines} findings: the walk is broken");
}

#[test]
fn what_does_not_fit_is_seen() {
    let schema = schema();
    let mut found = Vec::new();
    let wrong = serde_json::json!({ "kind": "odd", "rate": "fast", "extra": 1, "hosts": [7] });
    misfits(&schema, &schema, &wrong, "finding", &mut found);
    assert_eq!(found.len(), 5, "kind, rate, extra, hosts[0], what is required: {found:#?}");
}

#[test]
fn the_schema_lists_the_names_of_the_code() {
    let schema = schema();
    let listed = |pointer: &str| -> BTreeSet<String> {
        let values = schema.pointer(pointer).and_then(Value::as_array).unwrap();
        values.iter().map(|value| value.as_str().unwrap().to_string()).collect()
    };
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let analytics: Vec<&str> = ANALYTICS.iter().map(|analytic| analytic.id).collect();
    assert_eq!(listed("/properties/analytic/enum"), set(&analytics));
    assert_eq!(listed("/properties/severity/enum"), set(&Severity::ALL.map(Severity::name)));
    let kinds = [
        Kind::Vertical,
        Kind::Horizontal,
        Kind::Block,
        Kind::Distributed,
        Kind::Decoy,
        Kind::Enumeration,
        Kind::HostSweep,
        Kind::Proxy,
        Kind::Tool,
    ];
    assert_eq!(listed("/properties/kind/enum"), set(&kinds.map(Kind::name)));
    let attacks: Vec<&str> = kinds.iter().flat_map(|kind| kind.attacks()).copied().collect();
    assert_eq!(listed("/properties/attacks/items/enum"), set(&attacks));
    let statuses = [Status::Open, Status::Closed, Status::Suppressed];
    assert_eq!(listed("/properties/status/enum"), set(&statuses.map(Status::name)));
    let levels = [
        Level::Prefix,
        Level::Address,
        Level::Device,
        Level::Session,
        Level::Job,
        Level::Lineage,
        Level::Process,
        Level::Container,
    ];
    assert_eq!(listed("/$defs/origin/properties/level/enum"), set(&levels.map(Level::name)));
    let groups = listed("/properties/reached/items/properties/group/enum");
    assert_eq!(groups, set(&TargetGroup::ALL.map(TargetGroup::name)));
    // Every number that a protocol field can hold, with the pseudo-protocols of address resolution.
    let mut protocols: BTreeSet<String> =
        (0..=u8::MAX).map(|number| Protocol::from_number(number).name().to_string()).collect();
    protocols.extend([Protocol::Arp.name().to_string(), Protocol::Neighbour.name().to_string()]);
    assert_eq!(listed("/properties/protocols/items/enum"), protocols);
    let techniques = [
        Technique::Unknown,
        Technique::Connect,
        Technique::Syn,
        Technique::Null,
        Technique::Fin,
        Technique::Xmas,
        Technique::Maimon,
        Technique::Ack,
        Technique::Udp,
        Technique::Echo,
        Technique::ArpRequest,
        Technique::NeighbourSolicitation,
        Technique::IpProtocol,
    ];
    assert_eq!(listed("/$defs/technique/enum"), set(&techniques.map(Technique::name)));
    let outcomes =
        [Outcome::Open, Outcome::Served, Outcome::Refused, Outcome::Unanswered, Outcome::Unknown];
    assert_eq!(listed("/properties/outcomes/required"), set(&outcomes.map(Outcome::name)));
}

/// Windows with connections of two hosts and process starts of one of them.
fn half_covered() -> Report {
    let seen = |devices| Seen {
        events: 7,
        first: Timestamp(0),
        last: Timestamp(1),
        devices,
        ports: FewPorts::default(),
    };
    let devices = Devices::from([
        (LogSource::SysmonProcess, ["WS1.corp.example".into()].into()),
        (LogSource::SecurityConnection, ["ws1".into(), "ws2\u{1b}[31m".into()].into()),
    ]);
    let seen = [
        (LogSource::SysmonProcess, seen(1)),
        (LogSource::SecurityConnection, seen(2)),
        (LogSource::PowerShellScript, seen(1)),
    ];
    Report {
        coverage: Coverage::of(&seen.into(), &devices),
        inputs: vec![InputReport { name: "a".into(), ..InputReport::default() }],
        ..Report::default()
    }
}

#[test]
fn coverage_fits_its_schema_and_says_of_whom_nothing_is_known() {
    let schema = schema_of("coverage");
    for report in [Report::default(), half_covered()] {
        let value: Value = serde_json::from_str(&coverage::json(&report)).unwrap();
        let mut found = Vec::new();
        misfits(&schema, &schema, &value, "", &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
    let text = coverage::matrix(&half_covered());
    for told in [
        "AN1057 Windows: present",
        "no Process Creation of 1 host: ws2\\u{1b}[31m",
        "turn on: Sysmon: <ProcessCreate",
        "beside   powershell-4104: 7 events of 1 host",
        "AN1060 Containers: nothing can be said",
        "turn on: hubble observe",
    ] {
        assert!(text.contains(told), "{told} in {text}");
    }
    let lacking = text.matches("no Network Connection Creation of").count();
    assert_eq!(lacking, 0, "a short name and a whole one are one computer: {text}");
}

/// A replay that has something of everything.
fn replay(watched: Span) -> Tuning {
    let curve = |choice| Curve {
        element: ELEMENTS[0],
        now: 0,
        points: vec![
            Point {
                value: 10.0,
                findings: 9,
                unexplained: 8,
                recall: Some(2),
                groups: vec![Group { origin: lapwing_detect::Origin::default(), findings: 9 }],
                ..Point::default()
            },
            Point {
                value: 20.0,
                crowded: true,
                shed: 3,
                lost: vec!["a\u{1b}[31m".into()],
                ..Point::default()
            },
        ],
        choice,
    };
    let choices = [
        Choice::NoDifference,
        Choice::Keep,
        Choice::NoKnee,
        Choice::KeepForRecall,
        Choice::Raise { at: 1, held_back: true },
    ];
    let candidate = Candidate {
        key: "analytics.AN1057.KnownScannerExeList",
        entry: lapwing_detect::Expected {
            path: Some(lapwing_detect::Glob::literal(r"C:\a\b.exe").unwrap()),
            ..lapwing_detect::Expected::default()
        },
        hides: 3,
        days: 2,
        places: 1,
        doubt: None,
    };
    Tuning {
        watched,
        curves: choices.map(curve).to_vec(),
        blind: vec![ELEMENTS[5].key],
        proposals: vec![
            Proposal { candidate: candidate.clone(), attacks: Vec::new(), spared: false },
            Proposal { candidate, attacks: vec!["x".into()], spared: false },
        ],
        against: Some(Against { attacks: 2, found: 2, ..Against::default() }),
        ..Tuning::default()
    }
}

#[test]
fn a_replay_fits_its_schema() {
    let schema = schema_of("tuning");
    for tuning in [Tuning::default(), replay(Span::seconds(7)), replay(Span::seconds(864_000))] {
        let text = tuning::json::write(&tuning);
        let mut found = Vec::new();
        misfits(&schema, &schema, &serde_json::from_str(&text).unwrap(), "", &mut found);
        assert_eq!(found, Vec::<String>::new());
        assert!(!text.contains('\u{1b}') && !tuning::table::write(&tuning).contains('\u{1b}'));
    }
    let text = tuning::table::write(&replay(Span::seconds(864_000)));
    for told in [
        "take 20: with the proposed entries 0 findings a day there, 0.8 findings a day at 10",
        "where known attacks are lost",
    ] {
        assert!(text.contains(told), "{told} in {text}");
    }
}
