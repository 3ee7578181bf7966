//! What an address does because of its place in the network, recognised by name; and scans that hide behind
//! each.

use lapwing_detect::{Finding, Severity};
use lapwing_event::{Address, Outcome, Protocol};

use crate::scene::{Scene, Try, address, host, quiet, syn};

const HOUR: f64 = 3600.0;

/// A host of the network's other part, by its number.
fn member(number: u32) -> Address {
    Address::from([10, 7, (number >> 8) as u8, number as u8])
}

fn used(source: Address, target: Address, port: u16) -> Try {
    syn(source, target, port).outcome(Outcome::Served)
}

/// That everything said is informational, and that something is of this class.
#[track_caller]
fn recognised(findings: &[Finding], class: &str) {
    let holds = |finding: &Finding| finding.tested.iter().any(|t| t.class == class && t.holds);
    let loud: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity > Severity::Informational)
        .map(|f| (f.kind, f.counts, &f.why, &f.tested))
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
    assert!(findings.iter().any(holds), "{findings:#?}");
}

/// That a scan is told of above informational, by this address.
#[track_caller]
fn told(findings: &[Finding], by: Address) {
    let said: Vec<_> = findings.iter().map(|f| (f.severity, f.counts, &f.why, &f.tested)).collect();
    let loud = |finding: &&Finding| {
        finding.severity >= Severity::Medium && finding.origin.address == Some(by)
    };
    assert!(findings.iter().any(|finding| loud(&finding)), "{said:#?}");
}

const BALANCER: &str = "10.0.200.9";

/// A load balancer of sixty clients, whose pool of thirty is mostly down, from the first second on.
fn balanced(rounds: u32, clients: u32, down: impl Fn(u32) -> bool) -> Scene {
    let balancer = address(BALANCER);
    let mut scene = Scene::default();
    for round in 0..rounds {
        let start = f64::from(round) * 20.0;
        for n in 0..30 {
            let outcome = if down(n) { Outcome::Refused } else { Outcome::Served };
            let check = syn(balancer, host(n * 8), 8443).outcome(outcome);
            scene.at(start + f64::from(n * 7 % 30) * 0.1, check);
        }
        for n in 0..clients {
            scene.at(start + 4.0 + f64::from(n) * 0.1, used(member(n), balancer, 443));
        }
    }
    scene
}

#[test]
fn a_load_balancer_whose_pool_is_mostly_down_is_one() {
    recognised(&balanced(12, 60, |n| n % 5 < 3).judge(), "load balancer");
}

#[test]
fn twin_who_serves_nobody_is_no_load_balancer() {
    told(&balanced(12, 0, |n| n % 5 < 3).judge(), address(BALANCER));
    told(&balanced(12, 4, |n| n % 5 < 3).judge(), address(BALANCER));
    // A whole pool that is down and was never up is not known to be one.
    told(&balanced(12, 60, |_| true).judge(), address(BALANCER));
    // One that was asked once.
    told(&balanced(1, 60, |n| n % 5 < 3).judge(), address(BALANCER));
}

#[test]
fn twin_a_scan_behind_a_load_balancer_is_told_of() {
    let balancer = address(BALANCER);
    for ports in [[8443; 4], [22, 3306, 5432, 6379]] {
        let mut scene = balanced(200, 60, |n| n % 5 < 3);
        for n in 0..160_u32 {
            let target = host(1000 + n * 3);
            let probe = syn(balancer, target, ports[n as usize % 4]).outcome(Outcome::Unanswered);
            scene.at(1500.0 + f64::from(n) * 0.5, probe);
        }
        told(&scene.judge(), balancer);
    }
}

#[test]
fn twin_a_sweep_beside_a_monitors_rounds_is_told_of() {
    let poller = address("10.0.200.7");
    let mut scene = Scene::default();
    for round in 0..60_u32 {
        for n in 0..200_u32 {
            let poll = syn(poller, host(n), 161).protocol(Protocol::Udp);
            let when = f64::from(round) * 60.0 + f64::from(n) * 0.2;
            scene.at(when, poll.outcome(Outcome::Served));
        }
    }
    recognised(&scene.judge(), "monitor");
    for n in 0..100_u32 {
        let probe = syn(poller, host(1000 + n * 2), 161).protocol(Protocol::Udp);
        scene.at(1800.0 + f64::from(n) * 0.3, probe.outcome(Outcome::Unanswered));
    }
    told(&scene.judge(), poller);
}

const DIRECTORY: &str = "10.0.0.5";

/// A directory of so many members, of which nine in ten are off when it comes by over a day.
fn directory(members: u32, goes_to: impl Fn(u32) -> (f64, Address, u16, Outcome)) -> Vec<Finding> {
    let server = address(DIRECTORY);
    let mut scene = Scene::default();
    for n in 0..members {
        for (at, port) in [88, 389, 445, 53].into_iter().enumerate() {
            let when = f64::from(n) * 7.0 + at as f64;
            scene.at(when, used(member(n), server, port));
        }
    }
    for n in 0..members.max(60) {
        let (when, target, port, outcome) = goes_to(n);
        scene.at(20.0 * HOUR + when, syn(server, target, port).outcome(outcome));
    }
    scene.judge()
}

/// Mostly silence, in no order.
fn mostly_off(n: u32) -> Outcome {
    if n.is_multiple_of(10) { Outcome::Served } else { Outcome::Unanswered }
}

#[test]
fn a_domain_controller_goes_through_its_members_by_night() {
    let round = |n: u32| (f64::from(n) * 300.0, member(n * 37 % 120), 445, mostly_off(n));
    recognised(&directory(120, round), "domain controller");
}

#[test]
fn twin_a_scan_from_a_domain_controller_is_told_of() {
    let server = address(DIRECTORY);
    // Within minutes; other hosts; other ports; and the same by a host that is no directory.
    let fast = |n: u32| (f64::from(n) * 0.5, member(n * 37 % 120), 445, mostly_off(n));
    told(&directory(120, fast), server);
    let others = |n: u32| (f64::from(n) * 300.0, host(1000 + n * 37 % 120), 445, mostly_off(n));
    told(&directory(120, others), server);
    let ports = |n: u32| (f64::from(n) * 300.0, member(n * 37 % 120), 5900, mostly_off(n));
    told(&directory(120, ports), server);
    let round = |n: u32| (f64::from(n) * 300.0, member(n * 37 % 60), 445, mostly_off(n));
    told(&directory(0, round), server);
}

const HOME: &str = "10.3.1.20";
const ELSEWHERE: &str = "10.9.4.77";

/// What a laptop used at home, alone, and asks for from another address hours later.
fn roaming(asks: u32, of_its_own: u32, seen_before: bool, home_stays: bool) -> Scene {
    let (home, elsewhere) = (address(HOME), address(ELSEWHERE));
    let own = |n: u32| (host(n * 211 % 4000), [22, 8080, 5432, 3000][n as usize % 4]);
    let mut scene = Scene::default();
    for n in 0..of_its_own {
        let (target, port) = own(n);
        scene.at(f64::from(n) * 30.0, used(home, target, port));
    }
    if seen_before {
        scene.at(HOUR, used(elsewhere, host(9), 443));
    }
    for n in 0..asks {
        let when = 5.0 * HOUR + f64::from(n) * 0.7;
        let (target, port) =
            if n < of_its_own { own(n) } else { (host(5000 + n * 211 % 4000), 445) };
        scene.at(when, syn(elsewhere, target, port).outcome(Outcome::Unanswered));
        if home_stays {
            scene.at(when - 30.0, used(home, host(7), 443));
        }
    }
    scene
}

#[test]
fn a_laptop_that_asks_from_elsewhere_for_what_it_used_at_home() {
    recognised(&roaming(40, 40, false, false).judge(), "roaming laptop");
    recognised(&roaming(40, 34, false, false).judge(), "roaming laptop");
    // Fewer than make a crossing are nothing at all.
    quiet(roaming(20, 20, false, false).judge());
}

#[test]
fn twin_a_scan_from_a_new_address_is_told_of() {
    let elsewhere = address(ELSEWHERE);
    told(&roaming(40, 20, false, false).judge(), elsewhere);
    told(&roaming(40, 40, true, false).judge(), elsewhere);
    told(&roaming(40, 40, false, true).judge(), elsewhere);
    // It reconnects, and then scans.
    let mut scene = roaming(40, 40, false, false);
    for port in 0..40_u16 {
        scene.at(5.1 * HOUR + f64::from(port) * 0.3, syn(elsewhere, host(77), 1 + port * 37));
    }
    told(&scene.judge(), elsewhere);
}

/// Five services of each of twelve servers, all asked for within a minute and a half from an address that
/// was not seen before; whether others use them.
fn at_shared_services(in_use: bool) -> Vec<Finding> {
    let mut scene = Scene::default();
    let services = || (0..12).flat_map(|n| [445, 993, 8080, 443, 5432].map(|port| (host(n), port)));
    for (at, (target, port)) in services().enumerate() {
        for client in 0..3 {
            let when = at as f64 * 9.0 + f64::from(client);
            let port = if in_use { port } else { port + 1 };
            scene.at(when, used(member(client * 40 + at as u32), target, port));
        }
    }
    for (at, (target, port)) in services().enumerate() {
        let when = 5.0 * HOUR + (at * 37 % 60) as f64 * 1.5;
        scene.at(when, syn(address(ELSEWHERE), target, port).outcome(Outcome::Unanswered));
    }
    scene.judge()
}

#[test]
fn what_everybody_uses_and_fails_elsewhere_is_no_grid() {
    quiet(at_shared_services(true));
    told(&at_shared_services(false), address(ELSEWHERE));
}

#[test]
fn a_few_services_of_many_own_hosts_are_no_peers() {
    let scanner = address("10.0.210.3");
    // One of four databases of each host, some of which answer: ports from 1024 up, one a host.
    let mut scene = Scene::default();
    for n in 0..120_u32 {
        let outcome = if n.is_multiple_of(7) { Outcome::Open } else { Outcome::Unanswered };
        let port = [3306, 5432, 6379, 9200][n as usize % 4];
        scene.at(f64::from(n) * 0.4, syn(scanner, host(n * 31 % 4001), port).outcome(outcome));
    }
    told(&scene.judge(), scanner);
    // Peers of the own networks have each their port.
    let mut scene = Scene::default();
    for n in 0..120_u32 {
        let outcome = if n.is_multiple_of(7) { Outcome::Served } else { Outcome::Unanswered };
        let port = 20_000 + (n * 7919 % 10_007) as u16;
        scene.at(f64::from(n) * 0.4, syn(scanner, host(n * 31 % 4001), port).outcome(outcome));
    }
    let findings = scene.judge();
    let quiet = findings.iter().all(|finding| finding.severity == Severity::Informational);
    assert!(quiet, "{findings:#?}");
}
