//! What practitioners complain of, under the numbers of field-cases.md.

use lapwing_detect::{Kind, Severity, Status, Tunables};
use lapwing_event::{Address, Initiator, Outcome, Process, ProgramInfo, Protocol, Technique};

use crate::scene::{Scene, Try, address, host, only, process, quiet, syn};

#[test]
fn up_01_a_source_port_is_no_excuse() {
    // Unsolicited datagrams from port 53 to many low ports are a scan; answers never reach here,
    // since their decoder knows who asked.
    let mut scene = Scene::default();
    for n in 0..300_u16 {
        let probe = syn(host(9), host(1), 1 + (n * 37) % 1009).protocol(Protocol::Udp);
        scene.at(f64::from(n) * 0.1, probe);
    }
    assert_eq!(only(scene.judge()).kind, Kind::Vertical);
    let mut answers = Scene::default();
    for n in 0..300_u16 {
        let answer = syn(host(1), host(9), 40_000 + n).protocol(Protocol::Udp);
        answers.at(f64::from(n) * 0.1, Try { initiator: Initiator::Unknown, ..answer });
    }
    quiet(answers.judge());
}

#[test]
fn up_02_hosts_that_answer_a_sweep_are_targets() {
    let mut scene = Scene::default();
    for n in 1..255_u32 {
        let when = f64::from(n) * 0.01;
        scene.at(when, syn(host(1000), host(n), 80));
        let answer = syn(host(n), host(1000), 40_000 + n as u16);
        scene.at(when + 0.001, Try { initiator: Initiator::Unknown, ..answer });
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.address, Some(host(1000)));
    assert_eq!(finding.counts.hosts, 254);
}

#[test]
fn up_03_nobody_is_no_scanner() {
    let mut scene = Scene::default();
    for n in 0..100_u16 {
        scene.at(f64::from(n), syn(Address::UNSPECIFIED, host(1), 1 + n));
        let zero = syn(address("0.0.0.0"), host(1), 200 + n);
        scene.at(f64::from(n), zero);
    }
    quiet(scene.judge());
}

#[test]
fn up_04_few_ports_and_high_success_is_a_server_at_work() {
    let mut benign = Scene::default();
    let mut hostile = Scene::default();
    for n in 0..300_u32 {
        let port = if n % 2 == 0 { 443 } else { 445 };
        let when = f64::from(n) * 12.0;
        benign.at(when, syn(host(1000), host(n * 31 % 997), port).outcome(Outcome::Served));
        for port in [22, 80, 443, 445, 3389, 8080] {
            let outcome = if n % 4 == 0 { Outcome::Open } else { Outcome::Unanswered };
            hostile.at(when, syn(host(1000), host(n * 31 % 997), port).outcome(outcome));
        }
    }
    quiet(benign.judge());
    assert_eq!(only(hostile.judge()).kind, Kind::Block);
}

#[test]
fn up_05_numbers_of_ports_are_no_counts_of_ports() {
    let mut scene = Scene::default();
    for port in [53, 22, 445] {
        scene.at(f64::from(port), syn(host(2), host(1), port).outcome(Outcome::Open));
    }
    for n in 0..100_u16 {
        scene.at(f64::from(n), syn(address("127.0.0.1"), address("127.0.0.1"), 1 + n));
        scene.at(f64::from(n), syn(address("::1"), address("::1"), 1 + n));
    }
    for n in 0..12_u32 {
        scene.at(f64::from(n), syn(host(3), host(400 + n * 9), 443).outcome(Outcome::Served));
    }
    // The same closed port again and again is one port.
    for n in 0..100 {
        scene.at(f64::from(n), syn(host(4), host(1), 4444));
    }
    quiet(scene.judge());
}

#[test]
fn up_06_the_noise_of_the_internet_is_no_scan_of_each_source() {
    let mut scene = Scene::default();
    for n in 0..500_u32 {
        let source = Address::from([203, (n >> 8) as u8, n as u8, 7]);
        scene.at(f64::from(n), syn(source, host(1), 1 + (n * 37 % 1009) as u16));
    }
    quiet(scene.clone().judge());
    for n in 0..60_u16 {
        scene.at(f64::from(n), syn(address("198.51.100.9"), host(1), 1 + (n * 37) % 1009));
    }
    assert_eq!(only(scene.judge()).origin.address, Some(address("198.51.100.9")));
}

#[test]
fn up_11_connects_in_progress_count_as_unknown() {
    let scanner = process(4482, "/tmp/.x/a", 1);
    let mut scene = Scene::default();
    for n in 0..1000_u16 {
        scene.connect(f64::from(n) * 0.01, &scanner, host(1), 1 + n, Outcome::Unknown);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.counts.ports, 1000);
    assert_eq!(finding.outcomes.unknown, 1000);
    let process = finding.origin.process.unwrap();
    assert_eq!((process.pid, process.path.as_deref()), (4482, Some("/tmp/.x/a")));
    assert_eq!(process.user.as_deref(), Some("1001"));
}

#[test]
fn up_12_slow_scans_are_found_whatever_the_windows_alignment() {
    for shift in [0.0, 17.0, 59.0, 3599.0] {
        let mut scene = Scene::default();
        for n in 0..200_u16 {
            let jitter = f64::from(n * 13 % 60) - 30.0;
            let when = 60.0 + shift + f64::from(n) * 120.0 + jitter;
            scene.at(when, syn(host(9), host(1), 1 + (n * 37) % 1009));
        }
        let finding = only(scene.judge());
        assert_eq!(finding.counts.ports, 200, "shifted by {shift} s");
    }
}

#[test]
fn up_12_twin_dynamic_ports_of_a_domain_controller_are_silence() {
    let mut scene = Scene::default();
    for client in 0..40_u32 {
        for n in 0..6_u16 {
            let when = f64::from(client) * 700.0 + f64::from(n) * 3.0;
            let port = if n == 0 { 135 } else { 49_152 + n * 11 };
            scene.at(when, syn(host(100 + client), host(1), port).outcome(Outcome::Open));
        }
    }
    quiet(scene.judge());
}

#[test]
fn up_13_a_sweep_of_one_packet_a_host_is_one_finding() {
    let mut scene = Scene::default();
    for n in 0..200_u32 {
        let target = host(n * 7919 % 65_521);
        let probe = syn(address("10.77.1.1"), target, 5060).outcome(Outcome::Unanswered);
        scene.at(f64::from(n) * 18.0, probe);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.kind, Kind::Horizontal);
    assert_eq!(finding.counts.hosts, 200);
    assert!(finding.prefixes.len() > 10);
}

#[test]
fn up_31_a_full_port_scan_is_said_a_few_times_only() {
    let mut scene = Scene::default();
    for n in 0..65_535_u32 {
        scene.at(f64::from(n) * 0.001, syn(host(9), host(1), n as u16 + 1));
    }
    let said = scene.tellings();
    assert!(said.len() <= 12, "said {} times", said.len());
    let finding = only(scene.judge());
    assert!(finding.counts.ports >= 65_534);
    assert!(finding.ports.len() <= 64);
}

#[test]
fn up_32_a_finding_can_be_acted_on() {
    let mut scene = Scene::default();
    for n in 0..30_u16 {
        let outcome = if n == 7 { Outcome::Open } else { Outcome::Refused };
        scene.at(f64::from(n), syn(host(9), host(1), 1 + (n * 37) % 1009).outcome(outcome));
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.address, Some(host(9)));
    assert_eq!(finding.hosts, [host(1)]);
    assert_eq!(finding.ports.iter().map(|r| u32::from(r.last - r.first) + 1).sum::<u32>(), 30);
    assert_eq!((finding.outcomes.refused, finding.outcomes.open), (29, 1));
    assert_eq!(finding.open[0].port, 1 + 7 * 37);
    assert_eq!(finding.status, Status::Closed);
    let why = &finding.why[0];
    assert!(why.value >= why.threshold);
    assert_eq!(why.key, "analytics.AN1058.PortScanThreshold");
    assert_eq!(finding.witnesses.len(), 1);
    assert_eq!(finding.witnesses[0].records, 30);
}

#[test]
fn portless_protocols_enter_no_port_count() {
    let mut scene = Scene::default();
    for n in 0..40_u8 {
        let probe = syn(host(9), host(1), 0).protocol(Protocol::Other(n + 100));
        scene.at(f64::from(n), probe.technique(Technique::IpProtocol));
    }
    for finding in scene.judge() {
        assert_eq!(finding.counts.ports, 0);
        assert!(finding.ports.is_empty());
    }
}

#[test]
fn up_07_a_peer_to_peer_client_beside_a_contiguous_sweep() {
    let mut scene = Scene::default();
    for n in 0..400_u32 {
        let outcome = if n % 5 < 3 { Outcome::Unanswered } else { Outcome::Served };
        let peer = Address::from([60 + (n % 120) as u8, (n * 7) as u8, (n * 3) as u8, 9]);
        let port = 20_000 + (n * 7919 % 40_000) as u16;
        scene.at(f64::from(n), syn(host(700), peer, port).outcome(outcome));
    }
    assert!(scene.judge().iter().all(|finding| finding.severity <= Severity::Informational));
    for n in 0..254_u32 {
        scene.at(500.0 + f64::from(n) * 0.1, syn(host(700), host(1024 + n), 445));
    }
    let findings = scene.judge();
    let scans: Vec<_> = findings.iter().filter(|f| f.severity > Severity::Informational).collect();
    assert_eq!(scans.len(), 1);
    assert_eq!(scans[0].kind, Kind::Horizontal);
}

#[test]
fn up_09_a_tool_that_is_only_mentioned_is_none() {
    for (path, arguments, scans) in [
        ("/usr/bin/which", &["which", "nc"][..], false),
        ("/usr/bin/apt-get", &["apt-get", "install", "netcat-openbsd"], false),
        ("/usr/bin/man", &["man", "nmap"], false),
        ("/usr/bin/busybox", &["busybox", "nc", "-z", "192.0.2.9", "1-1024"], true),
        ("/usr/bin/nc", &["nc", "-l", "8080"], false),
    ] {
        let mut scene = Scene::default();
        scene.launch(0.0, &process(900, path, 1), arguments);
        assert_eq!(scene.judge().len(), usize::from(scans), "{arguments:?}");
    }
}

#[test]
fn up_10_few_connections_and_a_scanners_command_line_are_one_finding() {
    let scanner = process(901, "/usr/bin/nmap", 1);
    let mut scene = Scene::default();
    scene.launch(0.0, &scanner, &["nmap", "-sT", "-p1-1000", "10.0.0.1"]);
    for (n, port) in [22, 80, 443].into_iter().enumerate() {
        scene.connect(1.0 + n as f64, &scanner, host(1), port, Outcome::Unknown);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.tool.as_deref(), Some("nmap"));
    assert_eq!(finding.counts.attempts, 3);
}

#[test]
fn up_34_the_clock_of_the_reader_does_not_matter() {
    // The same scan 27 hours old, and backwards in blocks of five seconds: the engine sorts, and a
    // live detector counts what comes too late.
    let mut scene = Scene::default();
    for n in 0..100_u16 {
        scene.at(f64::from(n), syn(host(700), host(1), 1 + (n * 37) % 1009));
    }
    let whole = only(scene.judge());
    let mut late = lapwing_detect::Detector::new(Tunables::default());
    let mut said = Vec::new();
    let mut events = scene.events.clone();
    events.sort_by_key(|event| (-(event.time.0 / 20_000_000_000), event.time));
    for event in events {
        late.step(lapwing_detect::Input::Event(event), &mut said);
    }
    late.finish(&mut said);
    assert_eq!(late.tally().late, 80, "all but the first block of twenty came too late");
    assert_eq!(late.tally().events, 20);
    assert_eq!(whole.counts.attempts, 100);
}

#[test]
fn up_33_each_allow_list_entry_says_what_it_did() {
    let tunables: Tunables = toml::from_str(
        "[analytics.AN1058]\nExpectedScanSources = [\"10.0.2.0/24\", \"192.0.2.0/24\", \
         { source = \"10.0.2.188\", expiry = \"2026-01-31\", owner = \"secops\" }]",
    )
    .unwrap();
    let mut scene = Scene::default();
    for port in 0..30_u16 {
        scene.at(f64::from(port), syn(host(700), host(1), 1 + (port * 37) % 1009));
    }
    let mut detector = lapwing_detect::Detector::sorted(tunables.clone());
    let mut said = Vec::new();
    let until = scene.events.iter().map(|event| event.time).max();
    for event in scene.events {
        detector.step(lapwing_detect::Input::Event(event), &mut said);
    }
    detector.finish(&mut said);
    assert!(said.iter().all(|finding| finding.status == Status::Suppressed));
    let uses = lapwing_detect::entry_uses(&tunables, &detector.tally(), until);
    let told: Vec<(u64, bool)> =
        uses.iter().map(|entry| (entry.suppressed, entry.expired)).collect();
    assert_eq!(told, [(1, false), (0, false), (0, true)], "{uses:#?}");
}

#[test]
fn up_33_an_entry_may_name_what_a_program_is_rather_than_where_it_lies() {
    let program = |hashes: &str, signer: &str| ProgramInfo {
        hashes: Some(hashes.into()),
        signer: Some(signer.into()),
        ..ProgramInfo::default()
    };
    let judged = |entry: &str, program: ProgramInfo| {
        let config = format!("[analytics.AN1057]\nKnownScannerExeList = [{{ {entry} }}]");
        let tunables: Tunables = toml::from_str(&config).unwrap();
        let inventory = Process {
            program: Some(Box::new(program)),
            ..process(903, "/Library/inventory/agent", 1)
        };
        let mut scene = Scene::default();
        for n in 0..40_u32 {
            scene.connect(f64::from(n) * 0.2, &inventory, host(n * 3), 445, Outcome::Unanswered);
        }
        only(scene.judge_with(&tunables)).status
    };
    let ours = || program("MD5=00ff,SHA256=AB12", "EQHXZ8M8AV");
    for (entry, expected) in [
        ("hash = \"ab12\"", true),
        ("hash = \"00FF\"", true),
        ("hash = \"ff00\"", false),
        ("signer = \"eqhxz8m8av\"", true),
        ("signer = \"EQHXZ8M8\"", false),
        ("signer = \"EQHXZ8M8AV\", hash = \"ab12\"", true),
        ("signer = \"EQHXZ8M8AV\", path = \"nmap\"", false),
    ] {
        assert_eq!(judged(entry, ours()) == Status::Suppressed, expected, "{entry}");
    }
    // The same program of somebody else, and one of which nothing is told.
    let other = judged("signer = \"EQHXZ8M8AV\"", program("SHA256=AB12", "9BNSXJN65R"));
    assert_ne!(other, Status::Suppressed);
    assert_ne!(judged("signer = \"EQHXZ8M8AV\"", ProgramInfo::default()), Status::Suppressed);
}

#[test]
fn up_14_behaviour_is_found_without_any_name() {
    let odd = process(902, "C:\\Users\\ana\\svchost_.exe", 1);
    let mut scene = Scene::default();
    for n in 0..40_u32 {
        scene.connect(f64::from(n) * 0.2, &odd, host(n * 3), 445, Outcome::Unanswered);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.tool, None);
    assert_eq!(finding.kind, Kind::Horizontal);
    // One check of one service is none.
    let mut scene = Scene::default();
    scene.connect(0.0, &odd, host(1), 443, Outcome::Open);
    quiet(scene.judge());
}
