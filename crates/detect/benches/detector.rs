//! How fast events are judged, in events a second: clients that go about their work with a scan
//! among them, a flood of spoofed sources, and processes that connect.

#![allow(clippy::unwrap_used)] // a bench, helpers and all

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use lapwing_detect::{Detector, Input, Tunables};
use lapwing_event::{
    Activity, Actor, Address, Event, Initiator, LogSource, Network, Outcome, Process, Protocol,
    Record, Technique, Timestamp,
};

fn main() {
    divan::main();
}

/// Events of one round; as a test, which measures nothing, a few.
const EVENTS: u32 = if cfg!(debug_assertions) { 2_000 } else { 200_000 };

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn attempt(n: u32, source: Address, target: Address, port: u16, outcome: Outcome) -> Event {
    Event {
        time: Timestamp(1_700_000_000_000_000_000 + i64::from(n) * 1_000_000),
        record: Record { offset: u64::from(n), ..Record::default() },
        log_source: LogSource::Packets,
        actor: None,
        activity: Activity::Network(Network {
            source,
            target,
            source_port: 40_000 + (n % 20_000) as u16,
            target_port: port,
            protocol: Protocol::Tcp,
            initiator: Initiator::Source,
            outcome,
            technique: Technique::Syn,
        }),
    }
}

/// 250 clients that use 64 servers each again and again; every fiftieth event is a scanner's.
fn office() -> Vec<Event> {
    (0..EVENTS)
        .map(|n| {
            if n % 50 == 0 {
                let target = address(&format!("10.9.{}.{}", n / 50 / 250 % 250, n / 50 % 250));
                return attempt(n, address("10.0.0.66"), target, 445, Outcome::Refused);
            }
            let client = address(&format!("10.1.0.{}", n % 250));
            let server = address(&format!("10.2.{}.{}", n % 250, n / 250 % 64));
            attempt(n, client, server, 443, Outcome::Served)
        })
        .collect()
}

/// Each event from another source to one of few targets: backscatter of a flood.
fn flood() -> Vec<Event> {
    (0..EVENTS)
        .map(|n| {
            let source = address(&format!("100.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255));
            attempt(n, source, address("10.0.0.5"), 80, Outcome::Unanswered)
        })
        .collect()
}

/// Processes of one computer that start, connect a few times and end.
fn processes() -> Vec<Event> {
    (0..EVENTS)
        .map(|n| {
            let process = Process {
                pid: 1000 + n / 5,
                path: Some("/usr/bin/curl".into()),
                user: Some("root".into()),
                ..Process::default()
            };
            let target = address(&format!("10.2.0.{}", n % 5));
            let mut event = attempt(n, address("10.0.0.5"), target, 443, Outcome::Open);
            event.log_source = LogSource::AuditConnect;
            event.actor = Some(Arc::new(Actor {
                device: Some("host-1".into()),
                process: Some(process),
                container: None,
            }));
            event
        })
        .collect()
}

#[divan::bench(args = ["office", "flood", "processes"], sample_count = 10)]
fn judge(bencher: Bencher, scene: &str) {
    let events = match scene {
        "office" => office(),
        "flood" => flood(),
        _ => processes(),
    };
    bencher.counter(ItemsCount::new(events.len())).with_inputs(|| events.clone()).bench_values(
        |events| {
            let mut detector = Detector::sorted(Tunables::default());
            let mut findings = Vec::new();
            for event in events {
                detector.step(Input::Event(event), &mut findings);
            }
            detector.finish(&mut findings);
            findings.len()
        },
    );
}
