//! Text of telemetry is attacker-written. Whatever it is made of, each format stays one line a finding,
//! holds nothing that a terminal obeys, and gives the text back in the field where it belongs.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

mod grammar;

use grammar::{cef_line, syslog_line};
use lapwing_detect::{
    Condition, Counts, Finding, Footprint, Group, Kind, Level, Origin, Outcomes, PortRange,
    Reached, Service, Severity, Status, Tested, Uid, Witness,
};
use lapwing_event::{
    Container, InputId, LogSource, Parent, Process, ProgramInfo, Protocol, Record, Technique, Text,
    Timestamp,
};
use lapwing_output::{InputReport, Report, cef, ecs, jsonl, ocsf, syslog};
use proptest::prelude::*;
use serde_json::Value;

/// A report of one finding, of which every text is this one.
fn report(text: &str) -> Report {
    let boxed = || Some(Box::<str>::from(text));
    let shared = || Some(Text::from(text));
    let process = Process {
        pid: 7,
        guid: shared(),
        path: shared(),
        name: shared(),
        arguments: [text, text].into_iter().collect(),
        command_line: shared(),
        user: shared(),
        terminal: shared(),
        program: Some(Box::new(ProgramInfo {
            original_name: shared(),
            product: shared(),
            company: shared(),
            description: shared(),
            hashes: shared(),
            signer: shared(),
        })),
        parent: Some(Box::new(Parent {
            pid: None,
            guid: shared(),
            path: shared(),
            command_line: shared(),
        })),
        ..Process::default()
    };
    let container =
        Container { id: boxed(), name: boxed(), image: boxed(), namespace: boxed(), pod: boxed() };
    let origin = Origin {
        level: Level::Lineage,
        device: Some(text.into()),
        address: Some([10, 0, 0, 1].into()),
        prefix: None,
        child: Some(process.clone().into()),
        process: Some(process.into()),
        container: Some(container.into()),
    };
    let record = Record { input: InputId(0), offset: 5 };
    let finding = Finding {
        uid: Uid(0xabcd),
        analytic: "AN1058",
        kind: Kind::Vertical,
        status: Status::Suppressed,
        severity: Severity::High,
        confidence: 80,
        members: vec![origin.clone()],
        origin,
        first_seen: Timestamp(1_772_442_847_551_000_001),
        last_seen: Timestamp(1_772_442_849_551_000_001),
        detected_after: 10,
        counts: Counts { attempts: 20, hosts: 1, ports: 20, pairs: 20 },
        outcomes: Outcomes { refused: 20, ..Outcomes::default() },
        hosts: vec![[10, 0, 0, 2].into()],
        ports: vec![PortRange { first: 1, last: 20 }],
        names: vec![text.into()],
        open: vec![Service { host: [10, 0, 0, 2].into(), protocol: Protocol::Tcp, port: 22 }],
        open_count: 1,
        prefixes: Vec::new(),
        reached: vec![Reached {
            group: Group::Pods,
            namespace: Some(text.into()),
            own: true,
            hosts: 1,
            names: vec![text.into()],
        }],
        protocols: vec![Protocol::Tcp],
        techniques: vec![Technique::Syn],
        tool: Some(text.into()),
        rate: 10.0,
        why: vec![Condition {
            condition: text.into(),
            value: 20.0,
            threshold: 10.0,
            key: "analytics.AN1058.PortScanThreshold".into(),
        }],
        tested: vec![Tested { class: "monitor", holds: false, because: text.into() }],
        silent_at: None,
        witnesses: vec![Witness {
            log_source: LogSource::AuditConnect,
            first: record,
            last: record,
            records: 20,
        }],
        suppressed_by: Some(text.into()),
        notes: vec![text.into()],
        points: Vec::new(),
        footprint: Footprint::default(),
        resolved: None,
        tool_targets: Vec::new(),
    };
    let input = InputReport { name: text.into(), ..InputReport::default() };
    Report { findings: vec![finding], inputs: vec![input], ..Report::default() }
}

/// What a terminal obeys or a reader is fooled by: controls, bidirectional marks, invisible ones.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        // The fillers of Hangul, 115f and its like, are blank.
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// The one line that a format writes.
fn only_line(format: &str, text: &str) -> String {
    let line = text.strip_suffix('\n').unwrap_or_else(|| panic!("{format}: no line end"));
    let found: Vec<char> = line.chars().filter(|c| is_obeyed(*c)).collect();
    assert!(found.is_empty(), "{format}: {found:?} in {line}");
    line.to_string()
}

/// Everything that must hold of every format, whatever the text.
fn check(text: &str) {
    let report = report(text);
    for (format, written) in [
        ("jsonl", jsonl::write(&report)),
        ("ocsf", ocsf::write(&report)),
        ("ecs", ecs::write(&report)),
    ] {
        let value: Value = serde_json::from_str(&only_line(format, &written)).unwrap();
        let pointer = match format {
            "jsonl" => "/origin/process/command_line",
            "ocsf" => "/evidences/0/actor/process/cmd_line",
            _ => "/process/command_line",
        };
        let told = value.pointer(pointer).and_then(Value::as_str);
        assert_eq!(told.unwrap_or_default(), text, "{format}");
    }

    let (header, extension) = cef_line(&only_line("cef", &cef::write(&report)));
    assert_eq!(header[..3], ["0", "Lapwing", "Lapwing"]);
    assert_eq!(header[4], "AN1058:vertical");
    assert_eq!(header[6], "8");
    assert_eq!(extension.contains_key("cs1Label"), !text.is_empty());
    assert_eq!(extension["externalId"], "lw-0000000000000000000000000000abcd");
    assert_eq!(extension["dst"], "10.0.0.2");
    if text.chars().count() < 100 && !text.chars().any(is_obeyed) {
        assert_eq!(extension.get("cs1").map_or("", String::as_str), text);
        assert_eq!(extension.get("shost").map_or("", String::as_str), text);
    }

    let message = syslog_line(&only_line("syslog", &syslog::write(&report)));
    assert_eq!((message.priority, message.version.as_str()), (107, "1"));
    assert_eq!(message.time, "2026-03-02T09:14:09.551Z");
    assert_eq!(message.app, "lapwing");
    assert_eq!(message.id, "vertical");
    assert_eq!(message.data["uid"], "lw-0000000000000000000000000000abcd");
    if text.chars().count() < 100 && !text.chars().any(is_obeyed) {
        assert_eq!(message.data.get("commandLine").map_or("", String::as_str), text);
    }
    assert!(message.length <= 8192, "{} bytes", message.length);
}

#[test]
fn hostile_text_stays_in_its_field() {
    for text in [
        "",
        "plain",
        "a|b|c\\|d\\",
        "x=y act=allowed \\=",
        "ends in a backslash\\",
        "\"] [fake@32473 severity=\"low\"] <34>1 - - - - -",
        "line\nCEF:0|Fake|Fake|1|1|fake|10|\r\n<34>1 2026-01-01T00:00:00Z host app - - -",
        "{\"uid\":\"fake\"}\u{0}\u{7f}\u{1b}]0;owned\u{7}\u{9b}31m",
        "exe\u{202e}fdp.scr\u{2066}\u{200b}\u{feff}\u{e0041}",
        "日本語 ümläut 🦀",
        "blank\u{115f}\u{3164}\u{ffa0}\u{61c}",
        "SHA256=\nfake,MD5=]\"",
    ] {
        check(text);
    }
    check(&"\\\"]=|\n".repeat(20_000));
    check(&"🦀".repeat(20_000));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_stays_in_its_field(text in "[\\PC\\n\\r\\x00-\\x1f\\]\"\\\\|=\u{202e} ]{0,40}") {
        check(&text);
    }
}
