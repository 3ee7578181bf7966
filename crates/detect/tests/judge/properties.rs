//! What must hold for any telemetry.

use lapwing_detect::{Detector, Finding, Profile, Tunables};
use lapwing_event::{Event, Outcome, Span};
use proptest::prelude::*;

use crate::scene::{Scene, address, host, last_of_each, syn, tell, tell_broken};

/// Random attempts of a few sources on a few hosts and ports: dense enough to be scans at times.
fn scenes() -> impl Strategy<Value = Scene> {
    let attempt = (0..4_u32, 0..40_u32, 1..60_u16, 0..5_usize, 0..3600_u32);
    prop::collection::vec(attempt, 1..300).prop_map(|attempts| {
        let outcomes = [
            Outcome::Refused,
            Outcome::Unanswered,
            Outcome::Open,
            Outcome::Served,
            Outcome::Unknown,
        ];
        let mut scene = Scene::default();
        for (source, target, port, outcome, seconds) in attempts {
            let probe = syn(host(5000 + source), host(target), port).outcome(outcomes[outcome]);
            scene.at(f64::from(seconds), probe);
        }
        scene
    })
}

fn in_order(scene: &Scene) -> Vec<Event> {
    let mut events = scene.events.clone();
    events.sort_by_key(|event| (event.time, event.record));
    events
}

/// The events as they arrive, each up to 4 s late, under the lateness of 5 s.
fn out_of_order(events: &[Event], jitters: &[i64]) -> Vec<Event> {
    let mut arrivals: Vec<(i64, &Event)> = events
        .iter()
        .zip(jitters.iter().cycle())
        .map(|(event, jitter)| (event.time.0 + jitter, event))
        .collect();
    arrivals.sort_by_key(|(arrival, event)| (*arrival, event.record));
    arrivals.into_iter().map(|(_, event)| event.clone()).collect()
}

fn sorted(events: Vec<Event>) -> Vec<Finding> {
    last_of_each(tell(Detector::sorted(Tunables::default()), events))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_shuffle_within_the_lateness_gives_the_same_findings(
        scene in scenes(),
        jitters in prop::collection::vec(0..4_000_000_000_i64, 300),
    ) {
        let events = in_order(&scene);
        let shuffled = out_of_order(&events, &jitters);
        let live = last_of_each(tell(Detector::new(Tunables::default()), shuffled));
        prop_assert_eq!(sorted(events), live);
    }

    #[test]
    fn a_live_detector_that_is_restored_on_the_way_says_the_same(
        scene in scenes(),
        jitters in prop::collection::vec(0..4_000_000_000_i64, 300),
    ) {
        let tunables = Tunables::default();
        let shuffled = out_of_order(&in_order(&scene), &jitters);
        let whole = tell(Detector::new(tunables.clone()), shuffled.clone());
        let broken = tell_broken(Detector::new(tunables.clone()), shuffled, &tunables);
        prop_assert_eq!(whole, broken);
    }

    #[test]
    fn a_shift_of_all_times_shifts_the_findings(scene in scenes(), hours in -1000..1000_i64) {
        let shift = Span::seconds(hours * 3600);
        let events = in_order(&scene);
        let moved: Vec<Event> = events
            .iter()
            .cloned()
            .map(|event| Event { time: event.time.plus(shift), ..event })
            .collect();
        let shape = |finding: &Finding| {
            (finding.kind, finding.origin.clone(), finding.counts, finding.why.clone())
        };
        let here = sorted(events);
        let there = sorted(moved);
        prop_assert_eq!(
            here.iter().map(shape).collect::<Vec<_>>(),
            there.iter().map(shape).collect::<Vec<_>>()
        );
        for (a, b) in here.iter().zip(&there) {
            prop_assert_eq!(a.first_seen.plus(shift), b.first_seen);
        }
    }

    #[test]
    fn an_unrelated_host_changes_nothing(scene in scenes(), times in prop::collection::vec(0..3600_u32, 50)) {
        let alone = sorted(in_order(&scene));
        let mut with = scene.clone();
        for (n, seconds) in times.iter().enumerate() {
            let web = syn(address("172.16.0.9"), host(9000 + n as u32 % 3), 8443);
            with.at(f64::from(*seconds), web.outcome(Outcome::Served));
        }
        prop_assert_eq!(alone, sorted(in_order(&with)));
    }

    #[test]
    fn a_higher_threshold_finds_no_new_scanner(scene in scenes()) {
        let scanners = |threshold: f64| {
            let mut tunables = Tunables::default();
            tunables.analytics.an1058.port_scan_threshold = threshold;
            let said = tell(Detector::sorted(tunables), in_order(&scene));
            said.iter().filter_map(|f| f.origin.address).collect::<std::collections::BTreeSet<_>>()
        };
        let (low, middle, high) = (scanners(6.0), scanners(10.0), scanners(17.0));
        prop_assert!(middle.is_subset(&low), "{middle:?} {low:?}");
        prop_assert!(high.is_subset(&middle), "{high:?} {middle:?}");
    }

    #[test]
    fn copies_of_every_record_find_the_same_scanners_and_targets(
        scene in scenes(),
        copies in 1..5_u64,
    ) {
        // Evidence that was collected several times: a copy is neither a first contact nor a visit.
        let once = sorted(in_order(&scene));
        let mut often = scene.clone();
        for copy in 1..=copies {
            for event in &scene.events {
                let mut again = event.clone();
                again.record.offset += copy * 100_000;
                often.events.push(again);
            }
        }
        let shape = |f: &Finding| (f.origin.clone(), f.counts, f.first_seen, f.last_seen);
        let often = sorted(in_order(&often));
        prop_assert_eq!(
            once.iter().map(shape).collect::<Vec<_>>(),
            often.iter().map(shape).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_stricter_profile_finds_no_scanner_that_a_laxer_one_misses(scene in scenes()) {
        let scanners = |profile: Profile| {
            let tunables = Tunables { profile, ..Tunables::default() };
            let said = tell(Detector::sorted(tunables), in_order(&scene));
            said.iter().filter_map(|f| f.origin.address).collect::<std::collections::BTreeSet<_>>()
        };
        let (paranoid, normal, quiet) = (
            scanners(Profile::Paranoid),
            scanners(Profile::Normal),
            scanners(Profile::Quiet),
        );
        prop_assert!(normal.is_subset(&paranoid), "{normal:?} {paranoid:?}");
        prop_assert!(quiet.is_subset(&normal), "{quiet:?} {normal:?}");
    }

    #[test]
    fn a_scan_is_silent_at_the_threshold_that_its_finding_names(scene in scenes()) {
        for finding in sorted(in_order(&scene)) {
            let Some(silent) = finding.silent_at else { continue };
            let mut tunables = Tunables::default();
            tunables.analytics.an1058.port_scan_threshold = silent.above;
            let left = last_of_each(tell(Detector::sorted(tunables), in_order(&scene)));
            prop_assert!(
                left.iter().all(|other| other.origin != finding.origin),
                "{} at {} still finds {:?}",
                silent.key,
                silent.above,
                finding.origin
            );
        }
    }
}
