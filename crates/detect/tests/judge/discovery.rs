//! Questions to everybody by other protocols than multicast DNS: LLMNR, NBNS, SSDP, WS-Discovery.

use lapwing_detect::Kind;

use crate::scene::{Scene, host, only, quiet};

const LLMNR: u16 = 5355;
const NBNS: u16 = 137;
const SSDP: u16 = 1900;
const WS_DISCOVERY: u16 = 3702;

/// Device types that no household searches for.
const RARE: [&str; 6] = [
    "DigitalSecurityCamera",
    "HVAC_System",
    "BinaryLight",
    "Scanner",
    "LANDevice",
    "SolarProtection",
];

#[test]
fn device_types_are_counted_up_to_the_threshold() {
    for (types, found) in [(4, 0), (5, 1)] {
        let mut scene = Scene::default();
        for (n, device) in RARE.iter().take(types).enumerate() {
            // Another version is no other type, and asking again adds nothing.
            for version in [1, 2, 2] {
                let target = format!("urn:schemas-upnp-org:device:{device}:{version}");
                scene.asks_around(n as f64, host(9), SSDP, (&target, None));
            }
        }
        let findings = scene.judge();
        assert_eq!(findings.len(), found, "{types} types: {findings:#?}");
        if let Some(finding) = findings.first() {
            assert_eq!((finding.analytic, finding.kind), ("AN1058", Kind::Enumeration));
            assert_eq!(finding.why[0].key, "detection.multicast.threshold");
            assert_eq!(finding.origin.address, Some(host(9)));
        }
    }
}

#[test]
fn types_of_all_protocols_count_together() {
    let mut scene = Scene::default();
    for (n, device) in RARE.iter().take(2).enumerate() {
        let target = format!("urn:schemas-upnp-org:device:{device}:1");
        scene.asks_around(n as f64, host(9), SSDP, (&target, None));
    }
    scene.asks_around(3.0, host(9), WS_DISCOVERY, ("NetworkVideoTransmitter", None));
    for (n, service) in ["_ssh._tcp.local", "_nfs._tcp.local"].iter().enumerate() {
        scene.browses(4.0 + n as f64, None, host(9), service);
    }
    assert_eq!(only(scene.judge()).names.len(), 5);
}

#[test]
fn televisions_and_windows_are_silent_for_a_day() {
    let mut scene = Scene::default();
    let searched = [
        "ssdp:all",
        "upnp:rootdevice",
        "urn:dial-multiscreen-org:service:dial:1",
        "urn:schemas-upnp-org:device:MediaRenderer:1",
        "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
        "roku:ecp",
    ];
    for n in 0..2_880_u32 {
        let (when, source) = (f64::from(n) * 30.0, host(1 + n % 9));
        scene.asks_around(when, source, SSDP, (searched[(n % 6) as usize], None));
        scene.asks_around(when + 1.0, source, WS_DISCOVERY, ("Device", None));
        scene.asks_around(when + 2.0, source, LLMNR, ("wpad", Some(1)));
        scene.asks_around(when + 3.0, source, NBNS, ("WPAD<00>", Some(32)));
        scene.asks_around(when + 4.0, source, NBNS, ("WORKGROUP<1d>", Some(32)));
        // One device that is known already, looked for by its own identifier.
        scene.asks_around(when + 5.0, source, SSDP, (&format!("uuid:{n}"), None));
    }
    quiet(scene.judge());
}

#[test]
fn hosts_are_counted_once_whichever_protocol_asks() {
    for (hosts, found) in [(29, 0), (30, 1)] {
        let mut scene = Scene::default();
        for n in 0..hosts {
            let when = f64::from(n) * 2.0;
            scene.asks_around(when, host(9), LLMNR, (&format!("srv{n}"), Some(1)));
            scene.asks_around(when + 0.1, host(9), LLMNR, (&format!("srv{n}"), Some(28)));
            scene.asks_around(when + 0.4, host(9), NBNS, (&format!("SRV{n}<20>"), Some(32)));
        }
        let findings = scene.judge();
        assert_eq!(findings.len(), found, "{hosts} hosts: {findings:#?}");
        if let Some(finding) = findings.first() {
            assert_eq!(finding.why[0].key, "detection.multicast.host_names");
        }
    }
}

#[test]
fn names_of_neighbouring_addresses_are_a_sweep_whoever_is_asked() {
    for port in [LLMNR, 5353] {
        let mut scene = Scene::default();
        for n in 1..60_u32 {
            let name = format!("{n}.7.168.192.in-addr.arpa");
            scene.asks_around(f64::from(n) * 0.2, host(9), port, (&name, Some(12)));
        }
        assert_eq!(only(scene.judge()).kind, Kind::Enumeration, "{port}");
    }
}
