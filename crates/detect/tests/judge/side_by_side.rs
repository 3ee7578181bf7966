//! Origins are shared out among shards, and shards judged side by side: what is said is the same, to the
//! byte and in the same order, however many events are taken at once and on however many threads.

use lapwing_detect::{Detector, Finding, Tunables};
use lapwing_event::{
    Activity, Actor, Binding, Claim, Container, Event, Holder, LogSource, Outcome, Record,
    Timestamp,
};

use crate::scene::{Scene, address, host, syn, tell};

/// Twenty minutes of a network: clients that use servers and the web, four scans among them, a service that
/// goes down, a listing of pods and a claim on the way.
fn network() -> Vec<Event> {
    let mut scene = Scene::default();
    let mut random = 1_u32;
    let mut next = |below: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) % below
    };
    for n in 0..6000_u32 {
        let at = f64::from(n) / 5.0;
        let client = host(256 + next(60));
        let (target, port) = match next(3) {
            0 => (address(&format!("93.184.{}.{}", next(200), next(200))), 443),
            _ => (host(1 + next(8)), [53, 88, 389, 443, 445][next(5) as usize]),
        };
        let down = n > 4000 && port == 389;
        let outcome = if down { Outcome::Refused } else { Outcome::Served };
        scene.at(at, syn(client, target, port).outcome(outcome));
    }
    for n in 0..200_u32 {
        let step = f64::from(n);
        scene.at(300.0 + step / 10.0, syn(host(900), host(1), 1 + n as u16));
        scene.at(400.0 + step / 10.0, syn(host(901), host(512 + n), 445));
        scene.at(20.0 + step * 5.0, syn(host(902), host(512 + n), 22).outcome(Outcome::Unanswered));
        scene.at(500.0 + step / 8.0, syn(host(903), host(2 + n % 7), (n / 7) as u16 + 20));
    }
    let pod = Container { pod: Some("prober".into()), ..Container::default() };
    let actor = Actor { container: Some(pod.into()), ..Actor::default() };
    let bound = Binding { address: host(903), holder: Holder::Pod, name: None, until: None };
    scene.binds(510.0, &actor, bound);
    let mut events = scene.events;
    events.sort_by_key(|event| (event.time, event.record));
    let claim = Claim { source: host(901), target: host(512), text: "ET SCAN".into() };
    events.push(Event {
        time: Timestamp(events[0].time.0 + 405_000_000_000),
        record: Record::default(),
        log_source: LogSource::SuricataAlert,
        actor: None,
        activity: Activity::Claim(Box::new(claim)),
    });
    events.sort_by_key(|event| (event.time, event.record));
    events
}

/// All that is said where so many events are taken at once.
fn at_once(mut detector: Detector, events: &[Event], count: usize) -> Vec<Finding> {
    let mut said = Vec::new();
    for some in events.chunks(count) {
        detector.steps(&mut some.to_vec(), &mut said);
    }
    detector.finish(&mut said);
    said
}

#[test]
fn it_is_the_same_however_many_are_taken_at_once_and_on_however_many_threads() {
    let events = network();
    let detector = || Detector::sorted(Tunables::default());
    let one_by_one = tell(detector(), events.clone());
    let origins: std::collections::BTreeSet<_> =
        one_by_one.iter().filter_map(|finding| finding.origin.address).collect();
    for scanner in [host(900), host(901), host(902), host(903)] {
        assert!(origins.contains(&scanner), "{scanner} scanned");
    }
    assert!(one_by_one.iter().any(|f| f.notes.iter().any(|note| note.contains("ET SCAN"))));
    for count in [7, 600, events.len()] {
        assert!(at_once(detector(), &events, count) == one_by_one, "{count} at once");
    }
    for threads in [2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for count in [601, 2500, events.len()] {
            let said = pool.install(|| at_once(detector().side_by_side(), &events, count));
            assert!(said == one_by_one, "{count} at once on {threads} threads");
        }
    }
}

#[test]
fn what_one_taught_the_others_know_from_the_next_turn_on() {
    // Two clients use a service; it goes down while a third tries it, hours later and at once.
    let findings_of_it = |pause: f64| {
        let mut scene = Scene::default();
        for service in 0..25 {
            for client in [300, 301] {
                scene.at(
                    1.0,
                    syn(host(client), host(1 + service * 97 % 199), 8080).outcome(Outcome::Served),
                );
            }
        }
        for service in 0..25 {
            let at = 2.0 + pause + f64::from(service) / 10.0;
            scene.at(at, syn(host(302), host(1 + service * 97 % 199), 8080));
        }
        let of_it = |finding: &Finding| finding.origin.address == Some(host(302));
        scene.judge().into_iter().filter(of_it).count()
    };
    assert_eq!(findings_of_it(0.0), 1, "nobody has told yet that they were in use");
    assert_eq!(findings_of_it(7200.0), 0, "services that were in use and are down");
}
