//! Addresses outside the own networks, many of which stand for more than one computer.

use lapwing_detect::{Finding, Severity};
use lapwing_event::{Address, Outcome};

use crate::scene::{Scene, address, syn};

/// Ports that the internet's background noise asks for.
const NOISE: [u16; 8] = [23, 445, 3389, 5900, 22, 8080, 1433, 139];

/// What an address outside does: it uses six own web servers every two minutes of twenty hours, `uses` of
/// those times, and asks 120 own hosts in vain, one each `apart` seconds from the first hour on.
fn outside(uses: u32, apart: f64) -> Vec<Finding> {
    let gateway = address("203.0.113.9");
    let mut scene = Scene::default();
    for n in 0..uses {
        let server = Address::from([10, 0, 200, (n % 6) as u8]);
        scene.at(f64::from(n) * 120.0, syn(gateway, server, 443).outcome(Outcome::Served));
    }
    for n in 0..120_u32 {
        // Addresses in no order: 167 shares no factor with 256.
        let target = Address::from([10, 0, 1 + (n % 7) as u8, (n * 167 % 256) as u8]);
        let port = NOISE[(n % 8) as usize];
        let probe = syn(gateway, target, port).outcome(Outcome::Unanswered);
        scene.at(3600.0 + f64::from(n) * apart, probe);
    }
    scene.judge()
}

#[test]
fn what_fails_behind_a_gateway_over_a_day_adds_up_to_no_scan() {
    let findings = outside(600, 550.0);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Informational));
    let told = findings.iter().flat_map(|finding| &finding.tested);
    assert!(
        told.into_iter().any(|tested| tested.class == "shared outside address" && tested.holds)
    );
}

#[test]
fn an_address_that_uses_nothing_is_a_scanner_however_slow() {
    let findings = outside(0, 550.0);
    assert!(findings.iter().any(|finding| finding.severity > Severity::Informational));
}

#[test]
fn a_scan_within_minutes_is_one_from_a_gateway_too() {
    let findings = outside(600, 5.0);
    assert!(findings.iter().any(|finding| finding.severity > Severity::Informational));
}

#[test]
fn web_servers_outside_that_refuse_all_day_are_no_scan_of_hosts_and_ports() {
    // A device whose cloud is gone, as of the Internet of Things: 140 servers of it refuse, on two ports.
    let mut scene = Scene::default();
    for n in 0..140_u32 {
        let server = Address::from([54, 10 + (n % 90) as u8, (n * 7 % 256) as u8, (n % 250) as u8]);
        let port = if n % 2 == 0 { 443 } else { 80 };
        let refused = syn(address("192.168.1.132"), server, port).outcome(Outcome::Refused);
        scene.at(f64::from(n) * 300.0, refused);
    }
    let findings = scene.judge();
    assert!(findings.is_empty(), "{findings:#?}");
}
