//! A naive quadratic judge of closed-port scans, written apart from the detector: on every
//! attempt it looks at all attempts before it. The detector must convict the same sources at the
//! same moment.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_event::{Activity, Address, Event, Network, Outcome, Span, Timestamp};
use proptest::prelude::*;

use crate::scene::{Scene, host, syn};

/// Window and threshold of each tier, for a threshold of 10.
const VERTICAL: [(i64, f64); 4] = [(60, 10.0), (600, 10.0), (3600, 14.0), (86_400, 15.0)];
const HORIZONTAL: [(i64, f64); 4] = [(60, 10.0), (600, 10.0), (3600, 12.0), (86_400, 20.0)];
const BLOCK: [(i64, f64); 4] = [(60, 20.0), (600, 20.0), (3600, 25.0), (86_400, 30.0)];

fn network(event: &Event) -> Network {
    let Activity::Network(network) = event.activity else { panic!("network events only") };
    network
}

fn weight(outcome: Outcome) -> f64 {
    if outcome == Outcome::Refused { 1.0 } else { 0.8 }
}

/// When each source is convicted, by looking at everything anew for every attempt. All attempts
/// here fail, go to ports under 32768 that are not sensitive, and visit inside hosts.
fn convictions(events: &[Event]) -> BTreeMap<Address, Timestamp> {
    let mut convicted = BTreeMap::new();
    for now in 0..events.len() {
        let source = network(&events[now]).source;
        if convicted.contains_key(&source) {
            continue;
        }
        let mut seen = BTreeSet::new();
        // First contacts: the time of the first, and the weight that it had then.
        let first: Vec<(Timestamp, Network)> = events[..=now]
            .iter()
            .map(|event| (event.time, network(event)))
            .filter(|(_, n)| n.source == source)
            .filter(|(_, n)| seen.insert((n.target, n.target_port)))
            .collect();
        let (time, last) = (events[now].time, network(&events[now]));
        // A repeat convicts nobody.
        if first.last().map(|(t, n)| (*t, n.target, n.target_port))
            != Some((time, last.target, last.target_port))
        {
            continue;
        }
        let reaches = |tiers: &[(i64, f64)], counts: &dyn Fn(&Network) -> bool| {
            tiers.iter().any(|(seconds, threshold)| {
                let sum: f64 = first
                    .iter()
                    .filter(|(t, n)| time.since(*t) <= Span::seconds(*seconds) && counts(n))
                    .map(|(_, n)| weight(n.outcome))
                    .sum();
                sum + 1e-4 >= *threshold
            })
        };
        if reaches(&VERTICAL, &|n| n.target == last.target)
            || reaches(&HORIZONTAL, &|n| n.target_port == last.target_port)
            || reaches(&BLOCK, &|_| true)
        {
            convicted.insert(source, time);
        }
    }
    convicted
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    // Ports that are not sensitive, shuffled by a stride so that order is no evidence.
    let attempt = (0..3_u32, 0..12_u32, 0..14_u16, any::<bool>(), 0..20_000_u32);
    prop::collection::vec(attempt, 1..160).prop_map(|attempts| {
        let mut scene = Scene::default();
        for (n, (source, target, port, refused, seconds)) in attempts.into_iter().enumerate() {
            let outcome = if refused { Outcome::Refused } else { Outcome::Unanswered };
            let port = 7000 + port * 11;
            // Distinct times, so that "the moment" is one attempt; hosts far apart, so that no
            // prefix is filled.
            let when = f64::from(seconds) + n as f64 / 1000.0;
            scene.at(when, syn(host(9000 + source), host(target * 977), port).outcome(outcome));
        }
        let mut events = scene.events;
        events.sort_by_key(|event| (event.time, event.record));
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_detector_convicts_whom_the_oracle_convicts_and_when(events in events()) {
        use lapwing_detect::{Detector, Input, Tunables};
        let mut tunables = Tunables::default();
        // Order, density and the walk are judged apart; the oracle knows weights alone.
        tunables.detection.sequence.fewest = 10_000;
        tunables.detection.sequence.grid_share = 2.0;
        tunables.detection.walk = 1e9;
        let mut detector = Detector::sorted(tunables);
        let mut convicted = BTreeMap::new();
        for event in &events {
            let mut said = Vec::new();
            detector.step(Input::Event(event.clone()), &mut said);
            for finding in said {
                let source = finding.origin.address.unwrap();
                convicted.entry(source).or_insert(event.time);
            }
        }
        prop_assert_eq!(convicted, convictions(&events));
    }
}
