//! Too many findings at once: summed up, and each told in the end.

use std::collections::BTreeSet;

use lapwing_detect::{Detector, Finding, Input, Kind, Overflow, Tunables};
use lapwing_event::{Actor, LogSource};

use crate::scene::{Scene, host, process, syn};

/// So many scanners at once, each of twelve ports.
fn scanners(count: u32) -> Scene {
    let mut scene = Scene::default();
    for source in 0..count {
        for port in 0..12_u16 {
            let probe = syn(host(2000 + source), host(source * 3), 1 + (port * 37) % 1009);
            scene.at(f64::from(port), probe);
        }
    }
    scene
}

/// What is said before the end of the input, what in all, and what was withheld.
fn told(scene: Scene, tunables: Tunables) -> (usize, Vec<Finding>, Vec<Overflow>) {
    let mut detector = Detector::sorted(tunables);
    let mut events = scene.events;
    events.sort_by_key(|event| (event.time, event.record));
    let mut said = Vec::new();
    for event in events {
        detector.step(Input::Event(event), &mut said);
    }
    let at_once = said.len();
    let overflows = detector.tally().overflows;
    detector.finish(&mut said);
    (at_once, said, overflows)
}

#[test]
fn a_burst_beyond_the_rate_is_summed_up() {
    let (at_once, said, overflows) = told(scanners(200), Tunables::default());
    assert_eq!(at_once, 60, "no more in one minute");
    let [burst] = overflows.as_slice() else { panic!("{overflows:?}") };
    assert_eq!(burst.findings, 140);
    assert_eq!(burst.kinds.iter().collect::<Vec<_>>(), [(&Kind::Vertical, &140)]);
    assert_eq!((burst.origins.len(), burst.others), (8, 132));
    assert!(
        burst.origins.iter().all(|(origin, findings)| origin.address.is_some() && *findings == 1)
    );
    let distinct: BTreeSet<_> = said.iter().map(|finding| finding.uid).collect();
    assert_eq!(distinct.len(), 200, "each is told when it closes");
}

#[test]
fn twin_as_many_as_are_told_of_are_no_burst() {
    let (at_once, _, overflows) = told(scanners(60), Tunables::default());
    assert_eq!((at_once, overflows), (60, Vec::new()));
    let mut tunables = Tunables::default();
    tunables.detection.telling.per_minute = 1000;
    let (at_once, _, overflows) = told(scanners(200), tunables);
    assert_eq!((at_once, overflows), (200, Vec::new()));
}

/// A computer that starts so many scanners within a minute.
fn tools(count: u32) -> Scene {
    let mut scene = Scene::default();
    for n in 0..count {
        let mut tool = process(3000 + n, "/usr/bin/nmap", 1);
        tool.arguments = ["nmap", "-sS", "10.0.0.0/8"].into_iter().collect();
        let actor = Actor { device: Some("ws7".into()), process: Some(tool), ..Actor::default() };
        scene.starts_of(f64::from(n) * 0.5, LogSource::AuditExec, &actor);
    }
    scene
}

#[test]
fn one_origin_does_not_drown_the_others() {
    let mut scene = tools(50);
    scene.events.extend(scanners(20).events);
    let (at_once, _, overflows) = told(scene, Tunables::default());
    assert_eq!(at_once, 10 + 20);
    let [burst] = overflows.as_slice() else { panic!("{overflows:?}") };
    assert_eq!((burst.findings, burst.others), (40, 0));
    assert_eq!(burst.kinds.iter().collect::<Vec<_>>(), [(&Kind::Tool, &40)]);
    assert_eq!(burst.origins[0].0.device.as_deref(), Some("ws7"));
    let (at_once, _, overflows) = told(tools(10), Tunables::default());
    assert_eq!((at_once, overflows.len()), (10, 0));
}

#[test]
fn bursts_that_are_apart_are_told_apart() {
    let mut scene = scanners(80);
    let mut later = scanners(90);
    for event in &mut later.events {
        event.time = event.time.plus(lapwing_event::Span::seconds(200_000));
    }
    scene.events.append(&mut later.events);
    let (_, _, overflows) = told(scene, Tunables::default());
    let withheld: Vec<u64> = overflows.iter().map(|burst| burst.findings).collect();
    assert_eq!(withheld, [20, 30]);
    assert!(overflows[0].last < overflows[1].first);
}
