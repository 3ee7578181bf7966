use lapwing_detect::{
    Counts, Finding, Footprint, Kind, Level, Origin, Outcomes, Point, Service, Severity, Status,
    Uid,
};
use lapwing_event::{Address, Outcome, Process, Protocol, Timestamp};

use super::groups::{Fan, MAX_GROUPS, groups};
use super::{cut, out};

const START: Timestamp = Timestamp(0);

/// A finding of these attempts.
fn finding(points: Vec<Point>) -> Finding {
    let mut hosts: Vec<Address> = points.iter().map(|point| point.host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let mut ports: Vec<u16> = points.iter().map(|point| point.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let attempts = points.len() as u64;
    let process = Process { pid: 7, name: Some("<b>&\u{202e}".into()), ..Process::default() };
    Finding {
        uid: Uid(1),
        analytic: "AN1058",
        kind: Kind::Horizontal,
        status: Status::Closed,
        severity: Severity::High,
        confidence: 90,
        origin: Origin {
            level: Level::Process,
            process: Some(process.into()),
            ..Origin::default()
        },
        members: Vec::new(),
        first_seen: START,
        last_seen: START,
        detected_after: 10,
        counts: Counts {
            attempts,
            hosts: hosts.len() as u64,
            ports: ports.len() as u64,
            pairs: attempts,
        },
        outcomes: Outcomes::default(),
        hosts,
        ports: Vec::new(),
        names: Vec::new(),
        open: Vec::new(),
        open_count: 0,
        prefixes: Vec::new(),
        reached: Vec::new(),
        protocols: Vec::new(),
        techniques: Vec::new(),
        tool: None,
        rate: 1.0,
        why: Vec::new(),
        tested: Vec::new(),
        silent_at: None,
        witnesses: Vec::new(),
        suppressed_by: None,
        notes: Vec::new(),
        points,
        footprint: Footprint::default(),
        resolved: None,
        tool_targets: Vec::new(),
    }
}

fn point(host: [u8; 4], port: u16, outcome: Outcome) -> Point {
    Point { time: START, host: host.into(), port, outcome }
}

fn labels(fan: &Fan) -> Vec<&str> {
    fan.drawn.iter().chain(&fan.rest).map(|group| group.label.as_str()).collect()
}

#[test]
fn few_hosts_are_each_drawn() {
    let points = (1..=16).map(|n| point([10, 0, 0, n], 22, Outcome::Refused)).collect();
    let fan = groups(&finding(points));
    assert_eq!((fan.by.as_str(), fan.drawn.len()), ("by host", MAX_GROUPS));
    assert!(fan.rest.is_none() && fan.sampled.is_none());
}

#[test]
fn many_hosts_are_drawn_by_subnet_and_those_of_one_subnet_by_its_parts() {
    let one = (0..=255).map(|n| point([10, 0, 0, n], 22, Outcome::Refused)).collect();
    let fan = groups(&finding(one));
    assert_eq!(labels(&fan)[..2], ["10.0.0.0/28", "10.0.0.16/28"]);
    assert_eq!(fan.drawn.len(), 16);

    let three = (0..90).map(|n| point([10, 0, n % 3, n], 22, Outcome::Refused)).collect();
    let fan = groups(&finding(three));
    assert_eq!(labels(&fan), ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]);
    assert_eq!(fan.drawn.iter().map(|group| group.outcomes.refused).sum::<u64>(), 90);

    let apart: Vec<Point> =
        (0..20).map(|n| point([10, 0, n / 19, n], 22, Outcome::Refused)).collect();
    let fan = groups(&finding(apart));
    assert_eq!(labels(&fan), ["10.0.0.0/24", "10.0.1.19"], "a subnet of one host is that host");

    let wide = (0..200).map(|n| point([10, n, n, n], 22, Outcome::Refused)).collect();
    assert_eq!(labels(&groups(&finding(wide)))[..2], ["10.0.0.0/12", "10.16.0.0/12"]);
}

#[test]
fn what_cannot_be_drawn_is_counted_in_words() {
    // Everywhere in the address space: no prefix gathers them into few.
    let points = (1..=200).map(|n| point([n, 1, 1, 1], 22, Outcome::Unanswered)).collect();
    let fan = groups(&finding(points));
    assert_eq!(fan.drawn.len(), MAX_GROUPS);
    assert_eq!(labels(&fan).last(), Some(&"and 184 more subnets"));
    assert_eq!(fan.rest.map(|rest| rest.outcomes.unanswered), Some(184));
}

#[test]
fn ports_that_answered_come_first() {
    let outcome = |n: u16| if n == 80 { Outcome::Open } else { Outcome::Refused };
    let points = (1..=100).map(|n| point([10, 0, 0, 7], n, outcome(n))).collect();
    let fan = groups(&finding(points));
    assert_eq!(fan.by, "by port of 10.0.0.7");
    assert_eq!(labels(&fan)[..3], ["port 80", "port 1", "port 2"]);
    assert_eq!(labels(&fan).last(), Some(&"and 84 more ports"));
}

#[test]
fn a_service_found_open_is_drawn_whatever_the_sample_holds() {
    let points = vec![
        point([10, 0, 0, 1], 22, Outcome::Unknown),
        point([10, 0, 0, 2], 22, Outcome::Unknown),
    ];
    let service =
        |last| Service { host: [10, 0, 0, last].into(), protocol: Protocol::Tcp, port: 22 };
    let found = Finding { open: vec![service(2), service(3)], ..finding(points) };
    let fan = groups(&found);
    let told: Vec<(u64, u64)> =
        fan.drawn.iter().map(|group| (group.outcomes.open, group.outcomes.unknown)).collect();
    assert_eq!(told, [(0, 1), (1, 0), (1, 0)]);
}

#[test]
fn names_asked_for_are_drawn_without_an_outcome() {
    let names: Vec<String> = (0..20).map(|n| format!("_s{n}._tcp.local")).collect();
    let fan = groups(&Finding { names, ..finding(Vec::new()) });
    assert_eq!(labels(&fan).last(), Some(&"and 4 more names"));
}

#[test]
fn the_picture_says_in_words_what_it_shows_and_keeps_text_inert() {
    let points =
        vec![point([10, 0, 0, 1], 22, Outcome::Open), point([10, 0, 0, 2], 22, Outcome::Refused)];
    let found = finding(points);
    let svg = out(3, &found);
    assert!(svg.contains("<desc id=\"fan3d\">10.0.0.1: open. 10.0.0.2: refused.</desc>"), "{svg}");
    assert!(svg.contains("aria-labelledby=\"fan3\" aria-describedby=\"fan3d\""));
    assert!(!svg.contains("<b>") && !svg.contains('\u{202e}'), "{svg}");
    assert_eq!(out(3, &finding(vec![point([10, 0, 0, 1], 22, Outcome::Open)])), "");
}

#[test]
fn long_labels_keep_their_ends() {
    assert_eq!(cut("frontend-6e8cd2aa9-d07a3", 13), "fronte…-d07a3");
    assert_eq!(cut("web-0", 13), "web-0");
}
