//! Kinds of scans beyond the plain ones, and ordinary behaviour that looks like them.

use lapwing_detect::{Kind, Level, Profile, Severity, Tunables};
use lapwing_event::{Address, Outcome, Protocol, Technique};

use crate::scene::{Scene, address, host, only, process, quiet, syn};

const ASKER: &str = "10.9.9.9";

/// The address of this number in an IPv6 subnet.
fn six(subnet: u16, number: u64) -> Address {
    Address::from_bits(
        0xfd77_0000_0000_0000_0000_0000_0000_0000 | u128::from(subnet) << 64 | u128::from(number),
    )
}

/// A sweep of one IPv6 subnet's first addresses from another's, each probe from a new address.
fn rotating(probes: u64, targets: impl Fn(u64) -> Address) -> Scene {
    let mut scene = Scene::default();
    for n in 0..probes {
        let source = six(9, 0x1000 + n * 0x9e37_79b9 % 0xffff_ffff);
        scene.at(n as f64 * 0.5, syn(source, targets(n), 22).outcome(Outcome::Unanswered));
    }
    scene
}

#[test]
fn s12_a_source_that_takes_another_address_for_each_probe() {
    let finding = only(rotating(255, |n| six(1, n + 1)).judge());
    assert_eq!(finding.kind, Kind::Horizontal);
    assert_eq!(finding.origin.level, Level::Prefix);
    assert_eq!(finding.origin.prefix.unwrap().to_string(), "fd77:0:0:9::/64");
    assert_eq!(finding.counts.hosts, 255);
    let first = rotating(255, |n| six(1, n + 1)).tellings().remove(0);
    assert!(first.counts.attempts <= 13, "{}", first.counts.attempts);
}

#[test]
fn s12_twin_the_hosts_of_a_subnet_whose_ipv6_is_broken_are_no_scanner() {
    // Each of 60 clients fails at some of the sites that everyone goes to.
    let site = |n: u64| {
        Address::from_bits(
            0x2600_0000_0000_0000_0000_0000_0000_0000 + (u128::from(n % 200) << 64) + 1,
        )
    };
    let mut scene = Scene::default();
    for n in 0..600 {
        let failed = syn(six(9, 1 + n % 60), site(n * 7), 443).outcome(Outcome::Unanswered);
        scene.at(n as f64 * 0.5, failed);
    }
    quiet(scene.judge());
    // Nor are they where each fails at two servers of their own.
    let mut scene = Scene::default();
    for n in 0..120 {
        let failed = syn(six(9, 1 + n % 60), six(2 + n as u16 % 40, n), 8443);
        scene.at(n as f64 * 5.0, failed);
    }
    quiet(scene.judge());
}

#[test]
fn one_sweep_by_many_sources_is_one_finding() {
    let mut scene = Scene::default();
    for n in 0..320_u32 {
        let source = Address::from([192, 0, 2, (n % 16) as u8]);
        scene.at(f64::from(n) * 0.1, syn(source, host(n * 11 % 4096), 445));
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Distributed);
    assert_eq!(finding.members.len(), 16);
    assert_eq!((finding.counts.hosts, finding.counts.ports), (320, 1));
}

#[test]
fn twin_bots_that_come_and_go_are_each_their_own() {
    let mut scene = Scene::default();
    for bot in 0..12_u32 {
        for n in 0..20_u32 {
            let source = Address::from([192, 0, 2, bot as u8]);
            // They begin together, and each ends when it ends.
            let seconds = f64::from(n) * f64::from(1 + bot * 9);
            scene.at(seconds, syn(source, host((bot * 997 + n * 11) % 4096), 23));
        }
    }
    assert!(scene.judge().iter().all(|finding| finding.kind == Kind::Horizontal));
}

/// A day of a network's ordinary traffic: 30 hosts that are alive.
fn learned(scene: &mut Scene) {
    for hour in 0..30_u32 {
        for n in 1..=30_u32 {
            let used = syn(host(900 + n), host(n), 443).outcome(Outcome::Served);
            scene.at(f64::from(hour) * 3600.0 + f64::from(n), used);
        }
    }
}

#[test]
fn dark_addresses_tell_of_a_scan_among_good_hosts() {
    let mut scene = Scene::default();
    learned(&mut scene);
    // Two good hosts for each dead one, an hour apart, each on another port.
    for n in 0..8_u32 {
        let start = 30.0 * 3600.0 + f64::from(n) * 3000.0;
        for good in 0..2 {
            let used = syn(address(ASKER), host(300 + n * 2 + good), 443);
            scene.at(start + f64::from(good), used.outcome(Outcome::Served));
        }
        let dead = syn(address(ASKER), host(100 + n * 9), 22 + n as u16);
        scene.at(start + 100.0, dead.outcome(Outcome::Unanswered));
    }
    let finding = only(scene.judge());
    assert!(finding.why.iter().any(|why| why.key == "detection.dark"), "{:?}", finding.why);
}

#[test]
fn twin_the_same_before_the_network_is_known_is_silence() {
    let mut scene = Scene::default();
    for n in 0..8_u32 {
        let start = f64::from(n) * 3000.0;
        for good in 0..2 {
            let used = syn(address(ASKER), host(300 + n * 2 + good), 443);
            scene.at(start + f64::from(good), used.outcome(Outcome::Served));
        }
        let dead = syn(address(ASKER), host(100 + n * 9), 22 + n as u16);
        scene.at(start + 100.0, dead.outcome(Outcome::Unanswered));
    }
    quiet(scene.judge());
}

#[test]
fn what_failed_made_it_a_scan_however_large_it_grows_and_whatever_it_walks_then() {
    for size in [100, 400, 1_200] {
        let mut scene = Scene::default();
        for n in 0..size {
            let outcome = if n < 30 { Outcome::Unanswered } else { Outcome::Served };
            scene.at(f64::from(n) * 0.01, syn(address(ASKER), host(n), 22).outcome(outcome));
        }
        let finding = only(scene.judge());
        assert!(finding.outcomes.served * 2 > u64::from(size), "{:?}", finding.outcomes);
        assert!(finding.why.iter().all(|why| why.condition.contains("by weight of outcome")));
        let cold = finding.notes.iter().any(|note| note.starts_with("cold start"));
        assert!(!cold, "{size}: {:?}", finding.notes);
    }
}

/// A poller of 200 devices, all of which answer, from the telemetry's first second on.
fn polled(rounds: u32) -> Scene {
    let mut scene = Scene::default();
    for round in 0..rounds {
        for n in 0..200_u32 {
            let poll = syn(address(ASKER), host(n), 161).protocol(Protocol::Udp);
            let seconds = f64::from(round) * 60.0 + f64::from(n) * 0.2;
            scene.at(seconds, poll.outcome(Outcome::Served));
        }
    }
    scene
}

#[test]
fn a_poller_of_a_fixed_set_is_recognised_as_a_monitor() {
    let finding = only(polled(6).judge());
    assert_eq!(finding.severity, Severity::Informational);
    assert!(finding.tested.iter().any(|class| class.class == "monitor" && class.holds));
    assert!(finding.notes.iter().any(|note| note.starts_with("cold start")), "{:?}", finding.notes);
}

#[test]
fn twin_one_round_of_the_same_is_a_sweep() {
    let finding = only(polled(1).judge());
    assert!(finding.severity > Severity::Informational);
    assert!(finding.tested.iter().any(|class| class.class == "monitor" && !class.holds));
}

#[test]
fn profiles_ask_for_more_or_fewer_rounds_of_a_monitor() {
    use lapwing_detect::{Profile, Severity, Tunables};
    let recognised = |profile: Profile, rounds: u32| {
        let tunables = Tunables { profile, ..Tunables::default() };
        let said = polled(rounds).judge_with(&tunables);
        !said.is_empty() && said.iter().all(|f| f.severity == Severity::Informational)
    };
    // The first visit and as many rounds as the profile asks for.
    for (profile, rounds) in [(Profile::Quiet, 2), (Profile::Normal, 3), (Profile::Paranoid, 5)] {
        assert!(!recognised(profile, rounds), "{profile:?}");
        assert!(recognised(profile, rounds + 1), "{profile:?}");
    }
}

#[test]
fn up_08_what_is_new_against_a_monitors_habit_is_found() {
    let mut scene = polled(120);
    for port in 0..200_u16 {
        scene.at(7300.0 + f64::from(port) * 0.1, syn(address(ASKER), host(7), 1000 + port));
    }
    let findings = scene.judge();
    let scans: Vec<_> =
        findings.iter().filter(|finding| finding.severity > Severity::Informational).collect();
    assert_eq!(scans.len(), 1, "{findings:#?}");
    assert_eq!(scans[0].kind, Kind::Vertical);
    assert_eq!(scans[0].counts.ports, 200);
}

#[test]
fn neighbours_that_flows_name_by_their_groups_are_in_no_known_subnet() {
    let mut scene = Scene::default();
    for n in 0..60 {
        let asked = syn(six(1, 9), six(1, 1000 + n).solicited_node(), 0);
        let asked = asked.protocol(Protocol::Neighbour).outcome(Outcome::Unanswered);
        scene.at(n as f64 * 0.1, asked.technique(Technique::NeighbourSolicitation));
    }
    let finding = only(scene.judge());
    assert_eq!((finding.kind, finding.counts.hosts), (Kind::HostSweep, 60));
    assert_eq!(finding.prefixes, []);
    // One that is known by its address tells the subnet.
    let asked = syn(six(1, 9), six(1, 2000), 0).protocol(Protocol::Neighbour);
    scene.at(7.0, asked.outcome(Outcome::Unanswered).technique(Technique::NeighbourSolicitation));
    assert_eq!(only(scene.judge()).prefixes, [six(1, 2000).subnet()]);
}

#[test]
fn a_sweep_of_reverse_names_is_an_enumeration() {
    let mut scene = Scene::default();
    for n in 0..254_u32 {
        scene.asks(
            f64::from(n) * 0.1,
            address(ASKER),
            &format!("{}.1.0.10.in-addr.arpa", n + 1),
            12,
        );
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Enumeration);
    assert_eq!(finding.counts.hosts, 254);
    assert_eq!(finding.names.len(), 64);
    assert_eq!(finding.severity, Severity::Low);
}

#[test]
fn twin_names_of_log_lines_peers_are_ordinary() {
    let mut scene = Scene::default();
    for n in 0..254_u32 {
        // Peers from all over, in no order (a multiplicative hash scatters them).
        let [a, b, c, d] = n.wrapping_mul(0x9e37_79b1).to_be_bytes();
        let name = format!("{a}.{b}.{c}.{d}.in-addr.arpa");
        scene.asks(f64::from(n) * 0.1, address(ASKER), &name, 12);
    }
    quiet(scene.judge());
}

#[test]
fn many_service_types_are_an_enumeration() {
    let types = [
        "_services._dns-sd._udp",
        "_ssh._tcp",
        "_http._tcp",
        "_smb._tcp",
        "_ipp._tcp",
        "_rdp._tcp",
        "_vnc._tcp",
        "_ftp._tcp",
        "_nfs._tcp",
        "_afpovertcp._tcp",
        "_ldap._tcp",
    ];
    let mut scene = Scene::default();
    for (n, kind) in types.iter().enumerate() {
        scene.asks(n as f64, address(ASKER), &format!("{kind}.corp.example"), 12);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Enumeration);
    assert!(finding.names.iter().any(|name| name == "_ssh._tcp"), "{:?}", finding.names);
}

#[test]
fn twin_the_services_of_a_domain_member_are_ordinary() {
    let mut scene = Scene::default();
    for n in 0..200_u32 {
        let kind = [
            "_ldap._tcp.dc._msdcs",
            "_kerberos._tcp.site._sites",
            "_gc._tcp",
            "_kpasswd._udp",
            "_vlmcs._tcp",
            "_sip._tls",
        ][n as usize % 6];
        scene.asks(f64::from(n), address(ASKER), &format!("{kind}.corp.example"), 33);
    }
    quiet(scene.judge());
}

#[test]
fn up_15_a_burst_through_a_socks_proxy() {
    let chained = process(77, "/usr/bin/nmap", 1);
    let mut scene = Scene::default();
    for n in 0..800_u32 {
        scene.connect(f64::from(n) * 0.1, &chained, address("127.0.0.1"), 1080, Outcome::Open);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Proxy);
    assert_eq!(finding.origin.process.unwrap().pid, 77);
    assert!(finding.counts.attempts >= 700, "{}", finding.counts.attempts);
}

#[test]
fn twin_a_browser_behind_a_socks_proxy_is_ordinary() {
    let browser = process(78, "/usr/lib/firefox/firefox", 1);
    let mut scene = Scene::default();
    for n in 0..2000_u32 {
        scene.connect(f64::from(n), &browser, address("127.0.0.1"), 1080, Outcome::Served);
    }
    quiet(scene.judge());
}

#[test]
fn profiles_move_the_threshold() {
    let scan = |ports: u16| {
        let mut scene = Scene::default();
        for port in 0..ports {
            scene.at(f64::from(port), syn(address(ASKER), host(1), 1 + (port * 37) % 1009));
        }
        scene
    };
    for (profile, fewest) in [(Profile::Paranoid, 6), (Profile::Normal, 10), (Profile::Quiet, 15)] {
        let tunables = Tunables { profile, ..Tunables::default() };
        quiet(scan(fewest - 1).judge_with(&tunables));
        let finding = only(scan(fewest).judge_with(&tunables));
        assert_eq!(finding.counts.ports, u64::from(fewest), "{profile:?}");
    }
}

/// A job that goes through 100 neighbouring hosts in order each night, all of which answer.
fn nightly(nights: u32, hosts: u32) -> Scene {
    let mut scene = Scene::default();
    for night in 0..nights {
        for n in 0..hosts {
            // Never at the same minute: what is remembered for a day only is forgotten by then.
            let seconds = f64::from(night) * 88_000.0 + f64::from(n) * 2.0;
            let used = syn(address(ASKER), host(n), 22).outcome(Outcome::Served);
            scene.at(seconds, used);
        }
    }
    scene
}

#[test]
fn a_nightly_job_is_told_of_once_and_then_is_a_habit() {
    let findings = nightly(6, 100).judge();
    let finding = only(findings);
    assert!(finding.notes.iter().any(|note| note.starts_with("cold start")));
    assert_eq!(finding.counts.hosts, 100);
    let day = lapwing_event::Span::seconds(86_400);
    assert!(finding.last_seen.since(finding.first_seen) < day, "the later nights are silent");
}

#[test]
fn twin_hosts_that_the_job_never_had_are_told_of() {
    let mut scene = nightly(6, 100);
    for n in 0..40_u32 {
        let new = syn(address(ASKER), host(512 + n), 22).outcome(Outcome::Served);
        scene.at(5.0 * 88_000.0 + 300.0 + f64::from(n), new);
    }
    assert_eq!(scene.judge().len(), 2);
}

#[test]
fn that_one_network_was_watched_for_days_tells_nothing_of_another() {
    let mut scene = Scene::default();
    let other = |n: u32| Address::from([10, 9, (n >> 8) as u8, n as u8]);
    // Three days of a network, then the first minute of another: health checks, half of them failing.
    for hour in 0..72_u32 {
        let served = syn(host(1), host(2), 443).outcome(Outcome::Served);
        scene.at(f64::from(hour) * 3600.0, served);
    }
    let start = 72.0 * 3600.0;
    for round in 0..4_u32 {
        for n in 0..16_u32 {
            let outcome = if n % 2 == 0 { Outcome::Served } else { Outcome::Unanswered };
            let when = start + f64::from(round * 15) + f64::from(n) * 0.1;
            scene.at(when, syn(other(900), other(n * 7 % 61), 8080).outcome(outcome));
        }
    }
    quiet(scene.judge());
}
