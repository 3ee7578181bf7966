//! Whose addresses and containers are: flows that name addresses alone are of somebody.

use lapwing_detect::{Detector, Finding, Group, Level, Reached, Tunables};
use lapwing_event::{
    Actor, Address, Binding, Container, Holder, LogSource, Outcome, Process, Timestamp,
};

use crate::scene::{START, Scene, Try, address, host, last_of_each, only, process, syn, tell};

/// A pod as Kubernetes lists it.
fn pod(namespace: &str, name: &str) -> Actor {
    let container = Container {
        namespace: Some(namespace.into()),
        pod: Some(name.into()),
        image: Some("registry.example/shop/web:7, quay.io/mesh:1".into()),
        ..Container::default()
    };
    Actor { device: Some("n1".into()), process: None, container: Some(container.into()) }
}

fn node(name: &str) -> Actor {
    Actor { device: Some(name.into()), ..Actor::default() }
}

fn binding(address: Address, holder: Holder) -> Binding {
    Binding { address, holder, name: None, until: None }
}

fn until(seconds: i64, binding: Binding) -> Binding {
    Binding { until: Some(Timestamp((START + seconds) * 1_000_000_000)), ..binding }
}

/// A refused probe that names addresses alone.
fn flow(source: Address, target: Address, port: u16) -> Try {
    Try { log_source: LogSource::NetFlow, ..syn(source, target, port) }
}

/// Twenty hosts asked for one port by the address, from this second on.
fn sweep(scene: &mut Scene, from: f64, source: Address) {
    for n in 0..20_u32 {
        scene.at(from + f64::from(n), flow(source, host(n * 5), 6379));
    }
}

fn pod_of(finding: &Finding) -> Option<&str> {
    finding.origin.container.as_deref()?.pod.as_deref()
}

const WEB: &str = "10.244.1.7";

#[test]
fn an_address_is_of_its_pod_while_the_pod_has_it() {
    let web = address(WEB);
    for (from, expected) in
        [(-100.0, None), (10.0, Some("web-1")), (700.0, None), (2000.0, Some("job-2"))]
    {
        for turned in [false, true] {
            let mut scene = Scene::default();
            let held = [
                (0.0, "web-1", until(600, binding(web, Holder::Pod))),
                (1000.0, "job-2", binding(web, Holder::Pod)),
            ];
            let held: Vec<_> = if turned { held.into_iter().rev().collect() } else { held.into() };
            for (since, name, binding) in held {
                scene.binds(since, &pod("shop", name), binding);
            }
            sweep(&mut scene, from, web);
            let finding = only(scene.judge());
            assert_eq!(pod_of(&finding), expected, "from {from}");
            let (analytic, level) = match expected {
                Some(_) => ("AN1060", Level::Container),
                None => ("AN1058", Level::Address),
            };
            assert_eq!((finding.analytic, finding.origin.level), (analytic, level), "from {from}");
        }
    }
}

#[test]
fn a_later_listing_says_when_a_pod_ended() {
    let mut scene = Scene::default();
    let web = binding(address(WEB), Holder::Pod);
    scene.binds(0.0, &pod("shop", "web-1"), web.clone());
    scene.binds(0.0, &pod("shop", "web-1"), until(500, web));
    sweep(&mut scene, 600.0, address(WEB));
    assert_eq!(pod_of(&only(scene.judge())), None);
}

#[test]
fn a_node_is_named_and_stays_an_address() {
    let mut scene = Scene::default();
    // Each of its pods tells of it, from its own start on.
    for since in [0.0, 1.0, 2.0, 3.0, 4.0, 5.0] {
        scene.binds(since, &node("n1"), binding(address("172.18.0.3"), Holder::Node));
    }
    sweep(&mut scene, 2.5, address("172.18.0.3"));
    let finding = only(scene.judge());
    assert_eq!(finding.origin.level, Level::Address);
    assert_eq!(finding.origin.device.as_deref(), Some("n1"));
}

#[test]
fn what_a_cloud_says_of_a_machine_yields_to_what_a_cluster_says() {
    let mut scene = Scene::default();
    scene.binds(0.0, &pod("shop", "web-1"), binding(address(WEB), Holder::Pod));
    scene.binds(5.0, &node("i-0abc"), binding(address(WEB), Holder::Machine));
    scene.binds(5.0, &node("i-0def"), binding(address("10.0.9.9"), Holder::Machine));
    sweep(&mut scene, 10.0, address(WEB));
    assert_eq!(pod_of(&only(scene.judge())), Some("web-1"));
    let mut scene = Scene { events: scene.events[1..3].to_vec() };
    sweep(&mut scene, 10.0, address("10.0.9.9"));
    assert_eq!(only(scene.judge()).origin.device.as_deref(), Some("i-0def"));
}

#[test]
fn a_live_detector_takes_a_listing_of_what_began_long_ago() {
    let mut scene = Scene::default();
    scene.at(0.0, flow(host(9000), host(9001), 80));
    scene.at(100.0, flow(host(9000), host(9001), 80));
    scene.binds(-5000.0, &pod("shop", "web-1"), binding(address(WEB), Holder::Pod));
    sweep(&mut scene, 200.0, address(WEB));
    let finding = only(last_of_each(tell(Detector::new(Tunables::default()), scene.events)));
    assert_eq!(pod_of(&finding), Some("web-1"));
}

#[test]
fn flows_that_name_addresses_and_flows_that_name_pods_are_one_scan() {
    let mut scene = Scene::default();
    let web = pod("shop", "web-1");
    scene.binds(-10.0, &web, binding(address(WEB), Holder::Pod));
    let scanner = Process { guid: Some("g".into()), ..process(31, "/tmp/px", 30) };
    let scanner = Actor { process: Some(scanner), ..web.clone() };
    for n in 0..30_u32 {
        let when = f64::from(n) * 0.2;
        let seen = |log_source| Try { log_source, ..flow(address(WEB), host(n * 5), 10250) };
        let connect = Try { log_source: LogSource::TetragonConnect, ..seen(LogSource::NetFlow) };
        scene.by(when, &scanner, connect.outcome(Outcome::Unknown));
        scene.by(when + 0.001, &web, seen(LogSource::Hubble));
        scene.at(when + 0.002, seen(LogSource::AwsVpcFlow));
    }
    // The network saw a port more.
    scene.at(7.0, Try { log_source: LogSource::AwsVpcFlow, ..flow(address(WEB), host(5), 2375) });
    let finding = only(scene.judge());
    let logs: Vec<LogSource> = finding.witnesses.iter().map(|witness| witness.log_source).collect();
    assert_eq!(logs, [LogSource::TetragonConnect, LogSource::Hubble, LogSource::AwsVpcFlow]);
    let told: Vec<&String> =
        finding.notes.iter().filter(|note| note.contains("breakout")).collect();
    assert_eq!(told.len(), 1, "{:?}", finding.notes);
    assert!(told[0].contains("(2375, 10250)"), "{told:?}");
}

#[test]
fn a_containers_id_tells_its_pod() {
    let id = "9160cda61a952c9f74cc7deeb733426fe932b2c53b28b01d5043981d77e7a01a";
    let mut listed = pod("ci", "runner-1");
    if let Some(container) = &mut listed.container {
        std::sync::Arc::make_mut(container).id = Some(id.into());
    }
    let mut scene = Scene::default();
    scene.binds(-10.0, &listed, binding(Address::UNSPECIFIED, Holder::Pod));
    let container = Container { id: Some(id[..12].into()), ..Container::default() };
    for n in 0..20_u32 {
        let probe = process(500 + n, "/usr/bin/nc", 0);
        let actor =
            Actor { device: None, process: Some(probe), container: Some(container.clone().into()) };
        let attempt =
            Try { log_source: LogSource::FalcoConnect, ..flow(address(WEB), host(n), 6379) };
        scene.by(f64::from(n), &actor, attempt);
    }
    let finding = only(scene.judge());
    assert_eq!(pod_of(&finding), Some("runner-1"));
    assert_eq!(finding.origin.container.unwrap().id.as_deref(), Some(&id[..12]));
}

#[test]
fn targets_are_told_in_a_clusters_words() {
    let mut scene = Scene::default();
    scene.binds(-10.0, &pod("shop", "web-1"), binding(address(WEB), Holder::Pod));
    let mut targets = Vec::new();
    for n in 0..12_u32 {
        scene.binds(-9.0, &pod("shop", &format!("db-{n:02}")), binding(host(n), Holder::Pod));
        targets.push((host(n), 6379));
    }
    for n in 0..3_u32 {
        let one = pod("kube-system", &format!("dns-{n}"));
        scene.binds(-9.0, &one, binding(host(100 + n), Holder::Pod));
        targets.push((host(100 + n), 6379));
    }
    for (n, name) in [(200, "n1"), (201, "n2")] {
        scene.binds(-9.0, &node(name), binding(host(n), Holder::Node));
        targets.extend([(host(n), 10250), (host(n), 6379)]);
    }
    targets.push((address("169.254.169.254"), 80));
    targets.push((address("10.244.1.99"), 6379));
    targets.push((host(900), 6379));
    for (n, (target, port)) in targets.into_iter().enumerate() {
        scene.at(n as f64 * 0.5, flow(address(WEB), target, port));
    }
    let finding = only(scene.judge());
    let told: Vec<(Group, Option<&str>, bool, u64)> = finding
        .reached
        .iter()
        .map(|Reached { group, namespace, own, hosts, .. }| {
            (*group, namespace.as_deref(), *own, *hosts)
        })
        .collect();
    assert_eq!(
        told,
        [
            (Group::Pods, Some("shop"), true, 12),
            (Group::Pods, Some("kube-system"), false, 3),
            (Group::Nodes, None, false, 2),
            (Group::Kubelets, None, false, 2),
            (Group::Metadata, None, false, 1),
            (Group::Hosts, None, true, 1),
            (Group::Hosts, None, false, 1),
        ]
    );
    assert_eq!(finding.reached[0].names, ["db-00", "db-01", "db-02", "db-03"]);
    assert_eq!(finding.reached[3].names, ["n1", "n2"]);
}

#[test]
fn nothing_is_said_of_targets_of_which_nothing_is_known() {
    let mut scene = Scene::default();
    for n in 0..20_u32 {
        scene.at(f64::from(n), flow(host(900), host(n * 5), 10250));
    }
    assert_eq!(only(scene.judge()).reached, []);
}
