//! The scenarios of scan-detectors.md section 8, each with a near-miss twin.

use lapwing_detect::{Kind, Level, Severity, Status, Tunables};
use lapwing_event::{Initiator, Outcome, Protocol, Technique};

use crate::scene::{Scene, Try, address, host, only, process, quiet, syn};

const SCANNER: &str = "10.9.9.9";

/// A vertical scan of `ports` closed ports, `gap` seconds apart.
fn vertical(ports: u16, gap: f64) -> Scene {
    let mut scene = Scene::default();
    for n in 0..ports {
        // Ports out of order, as nmap sends them.
        let port = 1 + (n * 37) % 1009;
        scene.at(f64::from(n) * gap, syn(address(SCANNER), host(1), port));
    }
    scene
}

/// How many attempts lie before the first telling.
fn probes_to_detection(scene: &Scene) -> u64 {
    scene.tellings().first().map_or(0, |finding| finding.counts.attempts)
}

#[test]
fn s01_twenty_closed_ports() {
    let scene = vertical(20, 0.4);
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Vertical);
    assert_eq!(finding.status, Status::Closed);
    assert_eq!(finding.counts.ports, 20);
    assert_eq!(finding.origin.address, Some(address(SCANNER)));
    assert_eq!(probes_to_detection(&scene), 10);
}

#[test]
fn s01_twin_nine_closed_ports_are_silence() {
    quiet(vertical(9, 0.4).judge());
}

#[test]
fn s02_filtered_ports_with_retries_count_each_port_once() {
    let mut scene = Scene::default();
    for n in 0..20_u16 {
        for retry in 0..3 {
            let filtered = syn(address(SCANNER), host(1), 1 + (n * 37) % 1009);
            let when = f64::from(n) * 0.4 + f64::from(retry);
            scene.at(when, filtered.outcome(Outcome::Unanswered));
        }
    }
    let finding = only(scene.judge());
    assert_eq!((finding.kind, finding.counts.ports), (Kind::Vertical, 20));
    assert_eq!(finding.counts.attempts, 20);
    assert_eq!(probes_to_detection(&scene), 13);
}

#[test]
fn s02_twin_twelve_filtered_ports_are_silence() {
    let mut scene = Scene::default();
    for n in 0..12_u16 {
        let filtered = syn(address(SCANNER), host(1), 1 + (n * 37) % 1009);
        scene.at(f64::from(n), filtered.outcome(Outcome::Unanswered));
    }
    quiet(scene.judge());
}

#[test]
fn s03_a_probe_every_fifteen_seconds() {
    let scene = vertical(60, 15.0);
    assert_eq!(only(scene.judge()).counts.ports, 60);
    assert_eq!(probes_to_detection(&scene), 10);
}

#[test]
fn s04_a_probe_every_five_minutes() {
    let scene = vertical(40, 300.0);
    let finding = only(scene.judge());
    assert_eq!(finding.counts.ports, 40);
    assert!(probes_to_detection(&scene) <= 15);
}

#[test]
fn s04_twin_a_probe_every_two_hours_is_silence() {
    quiet(vertical(40, 7200.0).judge());
}

#[test]
fn s05_open_sensitive_ports_alone() {
    let mut scene = Scene::default();
    for (n, port) in [22, 445, 3389, 5985, 3306].into_iter().enumerate() {
        let open = syn(address(SCANNER), host(1), port).outcome(Outcome::Open);
        scene.at(n as f64 * 4.0, open.technique(Technique::Connect));
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Vertical);
    assert_eq!(finding.open_count, 5);
    assert_eq!(finding.severity, Severity::High);
}

#[test]
fn s05_twin_the_same_ports_used_are_silence() {
    let mut scene = Scene::default();
    for (n, port) in [22, 445, 3389, 5985, 3306].into_iter().enumerate() {
        scene.at(n as f64 * 4.0, syn(address(SCANNER), host(1), port).outcome(Outcome::Served));
    }
    quiet(scene.judge());
}

#[test]
fn s06_smb_sweep_of_a_subnet() {
    let mut scene = Scene::default();
    for n in 1..255_u32 {
        // Thirty live hosts among 254, probed in a shuffled order.
        let n = 1 + (n * 101) % 254;
        let outcome = if n % 8 == 0 { Outcome::Served } else { Outcome::Unanswered };
        scene.at(
            f64::from(scene.events.len() as u32) * 0.05,
            syn(address(SCANNER), host(n), 445).outcome(outcome),
        );
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Horizontal);
    assert_eq!(finding.counts.hosts, 254);
    assert_eq!(finding.open_count, 31);
    assert_eq!(finding.prefixes, ["10.0.0.0/24".parse().unwrap()]);
    let probes = probes_to_detection(&scene);
    assert!((7..=20).contains(&probes), "{probes} probes");
}

#[test]
fn s07_ping_sweep_and_arp_sweep() {
    let mut ping = Scene::default();
    let mut arp = Scene::default();
    for n in 1..255_u32 {
        let n = 1 + (n * 101) % 254;
        let asked = syn(address(SCANNER), host(n), 0).outcome(Outcome::Unanswered);
        let when = f64::from(ping.events.len() as u32) * 0.05;
        ping.at(when, asked.protocol(Protocol::Icmp).technique(Technique::Echo));
        arp.at(when, asked.protocol(Protocol::Arp).technique(Technique::ArpRequest));
    }
    for (scene, most) in [(ping, 13), (arp, 25)] {
        let finding = only(scene.judge());
        assert_eq!(finding.kind, Kind::HostSweep);
        assert_eq!(finding.kind.attacks(), ["T1018", "T1046"]);
        assert_eq!(finding.counts.ports, 0);
        assert!(probes_to_detection(&scene) <= most);
    }
}

#[test]
fn s07_twin_a_router_asking_for_hosts_all_day_is_silence() {
    let mut scene = Scene::default();
    for n in 0..103_u32 {
        let asked = syn(address(SCANNER), host(n), 0).outcome(Outcome::Unanswered);
        scene.at(f64::from(n) * 105.0, asked.protocol(Protocol::Arp));
    }
    quiet(scene.judge());
}

#[test]
fn s08_udp_scan_by_unreachables_and_by_silence() {
    let udp = |port: u16, outcome| Try {
        protocol: Protocol::Udp,
        technique: Technique::Udp,
        outcome,
        ..syn(address(SCANNER), host(1), port)
    };
    let mut refused = Scene::default();
    let mut silent = Scene::default();
    for n in 0..100_u16 {
        let port = 1 + ((u32::from(n) * 389) % 1009) as u16;
        refused.at(f64::from(n), udp(port, Outcome::Refused));
        silent.at(f64::from(n), udp(port, Outcome::Unanswered));
    }
    assert_eq!(only(refused.judge()).kind, Kind::Vertical);
    assert!(probes_to_detection(&refused) <= 12);
    assert_eq!(only(silent.judge()).kind, Kind::Vertical);
    assert_eq!(probes_to_detection(&silent), 34);
}

#[test]
fn s09_illegal_flags_are_found_at_the_fourth_port() {
    for technique in [Technique::Null, Technique::Fin, Technique::Xmas] {
        let mut scene = Scene::default();
        for port in [80, 22, 443, 25, 110] {
            let probe = syn(address(SCANNER), host(1), port).technique(technique);
            scene.at(f64::from(port) / 100.0, probe.outcome(Outcome::Unanswered));
        }
        let finding = only(scene.judge());
        assert_eq!(finding.techniques, [technique]);
        assert_eq!(probes_to_detection(&scene), 4);
    }
}

#[test]
fn s10_decoys_are_one_finding() {
    let mut scene = Scene::default();
    for n in 0..100_u16 {
        for decoy in 0..10_u32 {
            let real = decoy == 3;
            let outcome = if real { Outcome::Refused } else { Outcome::Unanswered };
            let probe = syn(host(200 + decoy), host(1), 1 + (n * 37) % 1009).outcome(outcome);
            scene.at(f64::from(n) * 0.1 + f64::from(decoy) * 0.001, probe);
        }
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Decoy);
    assert_eq!(finding.members.len(), 10);
    assert_eq!(finding.origin.address, Some(host(203)));
    assert!(finding.confidence <= 60);
    assert_eq!(finding.counts.ports, 100);
}

#[test]
fn s10_twin_two_scanners_of_one_target_are_two() {
    let mut scene = Scene::default();
    for n in 0..100_u16 {
        for source in 0..2_u32 {
            scene.at(f64::from(n) * 0.1, syn(host(200 + source), host(1), 1 + (n * 37) % 1009));
        }
    }
    assert_eq!(scene.judge().len(), 2);
}

#[test]
fn s11_a_scan_cut_into_parts_is_one_finding() {
    let mut scene = Scene::default();
    for n in 0..1024_u16 {
        let source = host(1000 + u32::from(n / 16));
        scene.at(f64::from(n % 16), syn(source, host(1), n + 1));
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Distributed);
    assert_eq!(finding.members.len(), 64);
    assert_eq!(finding.counts.attempts, 1024);
}

#[test]
fn s11_twin_scans_begun_apart_are_apart() {
    let mut scene = Scene::default();
    for n in 0..64_u16 {
        let source = host(1000 + u32::from(n / 16));
        scene.at(f64::from(n / 16) * 3600.0 + f64::from(n % 16), syn(source, host(1), n + 1));
    }
    assert_eq!(scene.judge().len(), 4);
}

#[test]
fn s14_backscatter_is_no_scan() {
    let mut scene = Scene::default();
    for n in 0..5000_u32 {
        let reply = syn(address("203.0.113.5"), host(n), 1024 + (n % 60_000) as u16);
        scene.at(f64::from(n) * 0.01, Try { initiator: Initiator::Unknown, ..reply });
    }
    quiet(scene.judge());
}

#[test]
fn s16_a_monitor_of_partly_dead_targets() {
    let mut scene = Scene::default();
    for round in 0..30 {
        for n in 0..300_u32 {
            let dead = n % 30 == 0;
            let outcome = if dead { Outcome::Unanswered } else { Outcome::Served };
            let probe = syn(address(SCANNER), host(n * 7 % 2048), 9100).outcome(outcome);
            scene.at(f64::from(round) * 10.0 + f64::from(n) * 0.01, probe);
        }
    }
    quiet(scene.judge());
}

#[test]
fn s17_a_resolver_whose_servers_time_out_now_and_then() {
    let mut scene = Scene::default();
    for n in 0..3000_u32 {
        let outcome = if n % 12 == 0 { Outcome::Unanswered } else { Outcome::Served };
        let server = lapwing_event::Address::from([198, 51, (n >> 8) as u8, n as u8]);
        let query = syn(address(SCANNER), server, 53).protocol(Protocol::Udp);
        scene.at(f64::from(n) * 0.1, query.outcome(outcome));
    }
    quiet(scene.judge());
}

/// A peer-to-peer client: one high port a peer, more than half of them gone.
fn peers(scene: &mut Scene) {
    for n in 0..400_u32 {
        let outcome = if n % 5 < 3 { Outcome::Unanswered } else { Outcome::Served };
        let peer = lapwing_event::Address::from([100 + (n % 90) as u8, n as u8, 7, 9]);
        let port = 1024 + (n * 7919 % 60_000) as u16;
        scene.at(f64::from(n) * 0.5, syn(address(SCANNER), peer, port).outcome(outcome));
    }
}

#[test]
fn s18_peer_to_peer_is_no_scan_but_a_sweep_beside_it_is() {
    let mut scene = Scene::default();
    peers(&mut scene);
    quiet(scene.judge());
    for n in 0..20_u32 {
        scene.at(50.0 + f64::from(n), syn(address(SCANNER), host(1 + n * 5 % 23), 445));
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Horizontal);
    assert!(finding.ports.iter().any(|range| range.first == 445));
}

#[test]
fn s20_a_laptop_that_wakes_on_another_network() {
    let mut scene = Scene::default();
    for n in 0..25_u32 {
        let server = lapwing_event::Address::from([151, 101, n as u8, 140]);
        let probe = syn(address(SCANNER), server, 443).outcome(Outcome::Unanswered);
        scene.at(f64::from(n) * 0.8, probe);
    }
    quiet(scene.judge());
}

#[test]
fn s21_an_approved_scanner_within_and_outside_its_hours() {
    // Scenes begin at 09:00 UTC.
    let within = |schedule: &str| -> Tunables {
        toml::from_str(&format!(
            "[[analytics.AN1058.ExpectedScanSources]]\n\
             source = \"{SCANNER}\"\nschedule = \"{schedule}\"\nowner = \"secops\""
        ))
        .unwrap()
    };
    let finding = only(vertical(20, 0.4).judge_with(&within("09:00-11:00")));
    assert_eq!(finding.status, Status::Suppressed);
    assert!(finding.suppressed_by.unwrap().contains(SCANNER));
    let finding = only(vertical(20, 0.4).judge_with(&within("02:00-04:00")));
    assert_eq!(finding.status, Status::Closed);
    assert!(finding.notes.iter().any(|note| note.contains("02:00-04:00")), "{:?}", finding.notes);
}

#[test]
fn s22_a_scan_that_pauses_stays_one_finding() {
    let mut scene = vertical(20, 0.4);
    for n in 20..50_u16 {
        let port = 1 + (n * 37) % 1009;
        scene.at(1200.0 + f64::from(n) * 0.4, syn(address(SCANNER), host(1), port));
    }
    let finding = only(scene.judge());
    assert_eq!(finding.counts.ports, 50);
    assert!(finding.notes.iter().any(|note| note.contains("resumed")), "{:?}", finding.notes);
}

#[test]
fn s23_one_good_host_buys_no_credit() {
    let mut scene = Scene::default();
    for n in 0..30_u32 {
        let when = f64::from(n) * 2.0;
        scene.at(when, syn(address(SCANNER), host(500), 443).outcome(Outcome::Served));
        let dead = syn(address(SCANNER), host(n * 13 % 211), 445).outcome(Outcome::Unanswered);
        scene.at(when + 1.0, dead);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Horizontal);
    assert!(finding.ports.iter().any(|range| range.first == 445));
}

#[test]
fn a_loop_is_named_and_not_its_children() {
    let shell = process(500, "/bin/bash", 400);
    let mut scene = Scene::default();
    scene.launch(0.0, &shell, &["bash", "sweep.sh"]);
    for n in 0..60_u32 {
        let child = process(1000 + n, "/usr/bin/nc", 500);
        scene.launch(1.0 + f64::from(n), &child, &["nc", "-z", "host", "22"]);
        scene.connect(1.5 + f64::from(n), &child, host(n), 22, Outcome::Unknown);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.level, Level::Lineage);
    let parent = finding.origin.process.unwrap();
    assert_eq!((parent.pid, parent.command_text().as_deref()), (500, Some("bash sweep.sh")));
    assert_eq!(finding.origin.child.unwrap().short_name(), Some("nc"));
    assert_eq!(finding.counts.hosts, 60);
}

#[test]
fn a_loop_through_a_wrapper_is_found_two_steps_up() {
    let xargs = process(500, "/usr/bin/xargs", 400);
    let mut scene = Scene::default();
    scene.launch(0.0, &xargs, &["xargs", "-P4", "sh", "-c"]);
    for n in 0..40_u32 {
        let wrapper = process(1000 + n, "/bin/sh", 500);
        let child = process(3000 + n, "/usr/bin/nc", 1000 + n);
        scene.launch(1.0 + f64::from(n), &wrapper, &["sh", "-c", "nc -z host 22"]);
        scene.launch(1.1 + f64::from(n), &child, &["nc", "-z", "host", "22"]);
        scene.connect(1.2 + f64::from(n), &child, host(n), 22, Outcome::Unknown);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.level, Level::Lineage);
    assert_eq!(finding.origin.process.unwrap().pid, 500);
}

#[test]
fn a_process_with_a_finding_does_not_convict_its_parent() {
    let shell = process(500, "/bin/bash", 400);
    let scanner = process(501, "/tmp/x", 500);
    let mut scene = Scene::default();
    scene.launch(0.0, &shell, &["bash"]);
    scene.launch(1.0, &scanner, &["/tmp/x"]);
    for n in 0..100_u16 {
        scene.connect(
            2.0 + f64::from(n) / 10.0,
            &scanner,
            host(1),
            1 + (n * 37) % 1009,
            Outcome::Refused,
        );
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.level, Level::Process);
    assert_eq!(finding.origin.process.unwrap().pid, 501);
    assert_eq!(finding.counts.ports, 100);
    assert_eq!(finding.severity, Severity::High);
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut scene = Scene::default();
    for (round, path) in ["/usr/bin/a", "/usr/bin/b"].into_iter().enumerate() {
        let process = process(77, path, 1);
        let start = round as f64 * 30.0;
        scene.launch(start, &process, &[path]);
        for n in 0..8_u16 {
            let port = 1 + (n + round as u16 * 8) * 37 % 1009;
            scene.connect(start + f64::from(n) + 1.0, &process, host(1), port, Outcome::Refused);
        }
    }
    quiet(scene.judge());
}

#[test]
fn s13_a_spoofed_flood_hides_no_scan_and_takes_no_memory() {
    let mut tunables = Tunables::default();
    // Far fewer entries than sources: what is not scanning must go.
    tunables.memory.budget = 1;
    let mut scene = vertical(20, 0.4);
    for n in 0..200_000_u32 {
        let [a, b, c, d] = n.wrapping_mul(0x9e37_79b1).to_be_bytes();
        let source = lapwing_event::Address::from([a | 1, b, c, d]);
        let flood = syn(source, host(1), 80).outcome(Outcome::Unanswered);
        scene.at(f64::from(n) * 8.0 / 200_000.0, flood);
    }
    let mut events = scene.events.clone();
    events.sort_by_key(|event| (event.time, event.record));
    let mut detector = lapwing_detect::Detector::sorted(tunables);
    let mut said = Vec::new();
    for event in events {
        detector.step(lapwing_detect::Input::Event(event), &mut said);
    }
    let first = said.first().unwrap();
    assert!(first.counts.attempts <= 20, "{}", first.counts.attempts);
    detector.finish(&mut said);
    let finding = only(crate::scene::last_of_each(said));
    assert_eq!(finding.origin.address, Some(address(SCANNER)));
    assert_eq!(finding.kind, Kind::Vertical);
    assert!(detector.tally().shed > 0, "what was let go is counted");
}

/// 200 clients behind one address, at outside sites: one in twenty contacts fails.
fn gateway(scene: &mut Scene) {
    for n in 0..6000_u32 {
        let outcome = if n % 20 == 7 { Outcome::Unanswered } else { Outcome::Served };
        let site = lapwing_event::Address::from([
            23 + (n * 31 % 150) as u8,
            (n * 7) as u8,
            (n * 13) as u8,
            (n % 250) as u8,
        ]);
        let port = if n % 33 == 0 { 8443 } else { 443 };
        scene.at(f64::from(n) * 0.1, syn(address(SCANNER), site, port).outcome(outcome));
    }
}

#[test]
fn s15_a_gateway_of_many_clients_and_a_scan_behind_it() {
    let mut scene = Scene::default();
    gateway(&mut scene);
    quiet(scene.judge());
    for n in 0..20_u16 {
        let probe = syn(address(SCANNER), host(1), 1 + (n * 37) % 1009);
        scene.at(300.0 + f64::from(n) * 0.4, probe);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Vertical);
    assert_eq!(finding.counts.hosts, 1);
    assert!(probes_to_detection(&scene) <= 20);
}

#[test]
fn s19_a_domain_controller_among_its_clients() {
    let mut scene = Scene::default();
    for day in 0..2_u32 {
        for n in 0..500_u32 {
            // Clients in no order, at some of their services, one in seven of them off.
            let client = host(1 + n * 197 % 500);
            let off = n % 7 == 3;
            for (at, port) in [135, 389, 445, 49_152 + (n % 900) as u16].into_iter().enumerate() {
                let outcome = if off { Outcome::Unanswered } else { Outcome::Served };
                let seconds = f64::from(day) * 90_000.0 + f64::from(n) * 60.0 + at as f64;
                scene.at(seconds, syn(address("10.0.255.5"), client, port).outcome(outcome));
            }
        }
    }
    quiet(scene.judge());
}

#[test]
fn s24_lost_packets_cost_no_more_than_their_ports() {
    let mut scene = vertical(40, 0.4);
    let mut seen = 0;
    scene.events.retain(|_| {
        seen += 1;
        seen % 20 != 5 // one in twenty is lost
    });
    assert!(probes_to_detection(&scene) <= 12);
    assert_eq!(only(scene.judge()).counts.ports, 38);
}

#[test]
fn s24_a_sampled_view_gives_no_false_incident() {
    // A hundredth of a client's day: 4,000 flows to 200 servers, some of them failed.
    let mut scene = Scene::default();
    for n in (0..4000_u32).step_by(100) {
        let outcome = if n % 300 == 0 { Outcome::Unanswered } else { Outcome::Served };
        scene.at(f64::from(n), syn(address(SCANNER), host(n * 13 % 200), 443).outcome(outcome));
    }
    quiet(scene.judge());
}
