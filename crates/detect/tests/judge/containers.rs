//! Pods, clusters and clouds (AN1060), with the complaints of practitioners about them.

use lapwing_detect::{Kind, Level, Severity, Status, Tunables};
use lapwing_event::{Actor, Address, Container, LogSource, Outcome, Process};

use crate::scene::{Scene, Try, address, host, only, process, quiet, syn};

/// A pod as flows name it.
fn pod(name: &str) -> Actor {
    let container = Container {
        namespace: Some("shop".into()),
        pod: Some(name.into()),
        image: Some("registry.example/shop/web:7".into()),
        ..Container::default()
    };
    Actor { device: None, process: None, container: Some(container.into()) }
}

/// A process in that pod, as a sensor on its node names it.
fn in_pod(name: &str, process: Process) -> Actor {
    Actor { device: Some("n1".into()), process: Some(process), ..pod(name) }
}

/// A packet of a pod, as Hubble tells of it.
fn hubble(target: Address, port: u16, outcome: Outcome) -> Try {
    let from = address("10.244.1.7");
    Try { log_source: LogSource::Hubble, ..syn(from, target, port).outcome(outcome) }
}

/// A connect whose outcome is not known, as Tetragon tells of it.
fn connect(target: Address, port: u16) -> Try {
    let attempt = syn(address("10.244.1.7"), target, port).outcome(Outcome::Unknown);
    Try { log_source: LogSource::TetragonConnect, ..attempt }
}

#[test]
fn destinations_are_counted_up_to_the_threshold() {
    for (hosts, found) in [(9, 0), (10, 1)] {
        let mut scene = Scene::default();
        for n in 0..hosts {
            let probe = hubble(host(n * 7), 6379, Outcome::Refused);
            scene.by(f64::from(n), &pod("web-1"), probe);
            // What was asked for once is not counted again.
            scene.by(f64::from(n) + 0.5, &pod("web-1"), probe);
        }
        let findings = scene.judge();
        assert_eq!(findings.len(), found, "{hosts} hosts: {findings:#?}");
        if let Some(finding) = findings.first() {
            assert_eq!(finding.analytic, "AN1060");
            assert_eq!(finding.origin.level, Level::Container);
            assert_eq!(finding.why[0].key, "analytics.AN1060.NetworkDestinationCount");
        }
    }
}

#[test]
fn up_05_a_pod_at_its_own_services_is_silent() {
    let mut scene = Scene::default();
    for n in 0..40_u32 {
        scene.by(f64::from(n) * 0.1, &pod("web-1"), hubble(host(n * 11), 8080, Outcome::Served));
    }
    quiet(scene.judge());
}

#[test]
fn up_06_the_internets_noise_is_no_scan_and_one_source_on_sixty_ports_is() {
    let rejected =
        |source, port| Try { log_source: LogSource::AwsVpcFlow, ..syn(source, host(1), port) };
    let mut scene = Scene::default();
    for n in 0..500_u32 {
        let source = Address::from([198, 51, (n >> 8) as u8, n as u8]);
        scene.at(f64::from(n), rejected(source, (n * 37 % 60_000) as u16 + 1));
    }
    quiet(scene.judge());
    for n in 0..60_u16 {
        scene.at(f64::from(n), rejected(address("203.0.113.9"), 1 + n * 37 % 1009));
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.address, Some(address("203.0.113.9")));
    assert_eq!(finding.kind, Kind::Vertical);
}

#[test]
fn up_30_a_pod_that_policy_stops_everywhere_is_named() {
    let mut scene = Scene::default();
    for n in 0..100_u32 {
        let port = 8000 + (n % 5) as u16;
        scene.by(f64::from(n) * 0.05, &pod("web-1"), hubble(host(n), port, Outcome::Refused));
    }
    let finding = only(scene.judge());
    let container = finding.origin.container.unwrap();
    assert_eq!(container.namespace.as_deref(), Some("shop"));
    assert_eq!(container.pod.as_deref(), Some("web-1"));
    assert_eq!(finding.origin.address, Some(address("10.244.1.7")));
}

#[test]
fn processes_that_have_only_their_pod_in_common_are_its_scan() {
    let mut scene = Scene::default();
    for n in 0..30_u32 {
        // Each was started from outside (kubectl exec), so that no loop holds them together.
        let probe = in_pod("web-1", process(500 + n, "/usr/bin/nc", 0));
        let attempt = connect(host(n), 6379);
        scene.by(f64::from(n), &probe, attempt);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.level, Level::Container);
    assert_eq!(finding.counts.hosts, 30);
    assert_eq!(finding.origin.child.unwrap().short_name(), Some("nc"));
}

#[test]
fn the_kubelets_probes_are_recognised_and_its_name_alone_is_no_excuse() {
    let probes = |path: &str| {
        let mut scene = Scene::default();
        let kubelet = Process { guid: Some("k".into()), ..process(1180, path, 1) };
        let kubelet = Actor { device: Some("n1".into()), process: Some(kubelet), container: None };
        for n in 0..110_u32 {
            scene.by(f64::from(n) * 0.09, &kubelet, connect(host(n), 8080));
        }
        scene.judge()
    };
    let finding = only(probes("/usr/bin/kubelet"));
    assert_eq!(finding.severity, Severity::Informational);
    assert!(
        finding.tested.iter().any(|class| class.class == "cluster's own probes" && class.holds)
    );
    let finding = only(probes("/tmp/kubelet"));
    assert!(finding.severity >= Severity::Medium, "{:?}", finding.severity);
}

#[test]
fn up_08_a_scraper_whose_outcomes_are_not_known_becomes_ordinary_by_its_rounds() {
    let scraper = in_pod("prometheus-0", process(77, "/bin/prometheus", 1));
    let mut scene = Scene::default();
    for round in 0..6_u32 {
        for n in 0..30_u32 {
            let when = f64::from(round * 60) + f64::from(n) * 0.2;
            scene.by(when, &scraper, connect(host(n * 3), 9100));
        }
    }
    assert_eq!(only(scene.judge()).severity, Severity::Informational);
}

#[test]
fn many_hosts_and_many_ports_are_a_scan_though_nothing_is_known_of_outcomes() {
    let sampled = |hosts: u32, ports: u32| {
        let mut scene = Scene::default();
        for n in 0..60_u32 {
            let target = host(1 + (n * 7919) % hosts * 13);
            let port = (1 + (n * 104_729) % ports * 97) as u16;
            let attempt = syn(host(5000), target, port).outcome(Outcome::Unknown);
            scene.at(f64::from(n), Try { log_source: LogSource::GcpFlow, ..attempt });
        }
        scene.judge()
    };
    let finding = only(sampled(57, 59));
    assert_eq!(finding.kind, Kind::Block);
    assert!(finding.notes.iter().any(|note| note.contains("sample")), "{:?}", finding.notes);
    assert!(finding.confidence < 60, "{}", finding.confidence);
    // A client of many hosts by few services is none.
    quiet(sampled(57, 6));
}

#[test]
fn a_container_that_asks_for_its_nodes_control_ports_is_breaking_out() {
    let sweep = |actor: &Actor| {
        let mut scene = Scene::default();
        for n in 0..20_u32 {
            scene.by(f64::from(n), actor, hubble(host(n * 5), 10250, Outcome::Refused));
        }
        only(scene.judge())
    };
    let inside = sweep(&pod("web-1"));
    assert_eq!(inside.severity, Severity::High);
    assert!(inside.notes.iter().any(|note| note.contains("breakout")), "{:?}", inside.notes);
    let mut scene = Scene::default();
    for n in 0..20_u32 {
        scene.at(f64::from(n), syn(host(900), host(n * 5), 10250));
    }
    assert_eq!(only(scene.judge()).severity, Severity::Medium);
}

#[test]
fn a_program_added_to_its_container_is_evidence() {
    let probes = |added: bool| {
        let program = Process { added, ..process(31, "/usr/local/bin/sync", 30) };
        let actor = in_pod("web-1", program);
        let mut scene = Scene::default();
        for n in 0..20_u32 {
            let probe = Try { log_source: LogSource::FalcoConnect, ..connect(host(n * 5), 6379) };
            scene.by(f64::from(n), &actor, probe.outcome(Outcome::Refused));
        }
        only(scene.judge()).severity
    };
    assert!(probes(true) > probes(false));
}

#[test]
fn an_executable_path_is_excused_in_its_image_and_nowhere_else() {
    let scan = |path: &str, config: &str| {
        let tunables: Tunables =
            toml::from_str(&format!("[analytics.AN1060]\nExecutablePath = [{config}]")).unwrap();
        let actor = in_pod("web-1", process(31, path, 30));
        let mut scene = Scene::default();
        for n in 0..20_u32 {
            let probe = connect(host(n * 5), 6379).outcome(Outcome::Refused);
            scene.by(f64::from(n), &actor, probe);
        }
        only(scene.judge_with(&tunables)).status
    };
    let entry = "{ path = '/bin/exporter', image = 'registry.example/shop/*', namespace = 'shop' }";
    assert_eq!(scan("/bin/exporter", entry), Status::Suppressed);
    assert_eq!(scan("/bin/exporter", "'/bin/exporter'"), Status::Suppressed);
    assert_eq!(scan("/tmp/exporter", entry), Status::Closed);
    let elsewhere = "{ path = '/bin/exporter', image = 'quay.io/*' }";
    assert_eq!(scan("/bin/exporter", elsewhere), Status::Closed);
    let other = "{ path = '/bin/exporter', namespace = 'ci' }";
    assert_eq!(scan("/bin/exporter", other), Status::Closed);
}

#[test]
fn one_pods_scan_in_three_logs_is_one_finding() {
    let scanner = Process { guid: Some("bjE6MTox".into()), ..process(31, "/tmp/px", 30) };
    let scanner = in_pod("web-1", scanner);
    let mut scene = Scene::default();
    for n in 0..30_u32 {
        let when = f64::from(n) * 0.2;
        scene.by(when, &scanner, connect(host(n * 5), 6379));
        scene.by(when + 0.001, &pod("web-1"), hubble(host(n * 5), 6379, Outcome::Refused));
        let flow = syn(address("10.244.1.7"), host(n * 5), 6379);
        scene.at(when + 0.002, Try { log_source: LogSource::AwsVpcFlow, ..flow });
        // Another pod's scan of other hosts at the same time is another finding.
        scene.by(
            when,
            &pod("web-2"),
            Try {
                source: address("10.244.1.8"),
                ..hubble(host(2000 + n * 5), 6379, Outcome::Refused)
            },
        );
    }
    let findings = scene.judge();
    assert_eq!(findings.len(), 2, "{findings:#?}");
    let first = findings.iter().find(|finding| finding.origin.process.is_some()).unwrap();
    let logs: Vec<LogSource> = first.witnesses.iter().map(|witness| witness.log_source).collect();
    assert_eq!(logs, [LogSource::TetragonConnect, LogSource::Hubble, LogSource::AwsVpcFlow]);
    assert_eq!(first.outcomes.refused, 30, "the flows know what came of the attempts");
}
