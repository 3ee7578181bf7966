//! What clusters do all day, each with its positive twin: the same program or pod at something else.

use lapwing_detect::{Finding, Severity};
use lapwing_event::{Actor, Address, Container, LogSource, Outcome, Process, Protocol, Technique};

use crate::scene::{Scene, Try, address, host, process, syn};

/// A pod of a cluster's own or of a shop, as flows name it.
fn pod(namespace: &str, name: &str) -> Actor {
    let container = Container {
        namespace: Some(namespace.into()),
        pod: Some(name.into()),
        ..Container::default()
    };
    Actor { device: None, process: None, container: Some(container.into()) }
}

/// What reaches out: a pod, its program, and the address that both act from.
struct Client {
    pod: Actor,
    program: &'static str,
    source: Address,
}

impl Client {
    fn of(namespace: &str, name: &str, program: &'static str) -> Client {
        Client { pod: pod(namespace, name), program, source: address("10.244.9.9") }
    }

    /// What Hubble tells of its attempts, which knows outcomes.
    fn flows(&self, attempts: &[(f64, Address, u16, Outcome)]) -> Vec<Finding> {
        let mut scene = Scene::default();
        for (when, target, port, outcome) in attempts {
            let attempt = syn(self.source, *target, *port).outcome(*outcome);
            scene.by(*when, &self.pod, Try { log_source: LogSource::Hubble, ..attempt });
        }
        scene.judge()
    }

    /// What Tetragon tells of them, which knows no outcome and names the program.
    fn connects(&self, attempts: &[(f64, Address, u16, Outcome)]) -> Vec<Finding> {
        let program = Process { guid: Some("p".into()), ..process(77, self.program, 1) };
        let actor = Actor { device: Some("n1".into()), process: Some(program), ..self.pod.clone() };
        let mut scene = Scene::default();
        for (when, target, port, _) in attempts {
            let attempt = syn(self.source, *target, *port).outcome(Outcome::Unknown);
            let attempt = Try { log_source: LogSource::TetragonConnect, ..attempt };
            scene.by(*when, &actor, attempt.technique(Technique::Connect));
        }
        scene.judge()
    }

    fn is_ordinary(&self, attempts: &[(f64, Address, u16, Outcome)]) {
        for (sensor, findings) in
            [("hubble", self.flows(attempts)), ("tetragon", self.connects(attempts))]
        {
            let loud: Vec<String> = findings
                .iter()
                .filter(|finding| finding.severity > Severity::Informational)
                .map(|f| format!("{:?} {:?} {:?} {:?}", f.kind, f.counts, f.why, f.tested))
                .collect();
            assert!(loud.is_empty(), "{} by {sensor}: {loud:#?}", self.program);
        }
    }

    fn is_scan(&self, attempts: &[(f64, Address, u16, Outcome)]) {
        for (sensor, findings) in
            [("hubble", self.flows(attempts)), ("tetragon", self.connects(attempts))]
        {
            let loud = findings.iter().any(|finding| finding.severity >= Severity::Medium);
            let told: Vec<_> = findings.iter().map(|f| (f.severity, &f.tested)).collect();
            assert!(loud, "{} by {sensor}: {told:#?}", self.program);
        }
    }
}

type Attempts = Vec<(f64, Address, u16, Outcome)>;

/// The `n`th pod of a cluster whose nodes have a /24 each: addresses in no order.
fn target(n: u32) -> Address {
    host(((n % 8) << 8) + 2 + n * 89 % 251)
}

/// `rounds` rounds, `every` seconds apart, of `hosts` pods by these ports, each at its own moment of the
/// round; one in `down` is down (0: none).
fn rounds(rounds: u32, every: f64, hosts: u32, ports: &[u16], down: u32) -> Attempts {
    let mut attempts = Attempts::new();
    for round in 0..rounds {
        for n in 0..hosts {
            // Scrapers spread their targets over the round by a hash of each.
            let offset = every * f64::from(n * 7919 % 1000) / 1000.0;
            let outcome = match down > 0 && n % down == 3 {
                true => Outcome::Refused,
                false => Outcome::Served,
            };
            for port in ports {
                attempts.push((f64::from(round) * every + offset, target(n), *port, outcome));
            }
        }
    }
    attempts
}

/// A scan of `hosts` pods by what intruders look for, most of which refuse.
fn beyond(hosts: u32) -> Attempts {
    let ports = [6379, 5432, 22, 3306];
    let all = (0..hosts).flat_map(|n| ports.map(|port| (n, port)));
    all.enumerate()
        .map(|(at, (n, port))| {
            let outcome = if at % 9 == 0 { Outcome::Open } else { Outcome::Refused };
            (at as f64 * 0.1, target(n), port, outcome)
        })
        .collect()
}

#[test]
fn prometheus_scrapes_two_hundred_pods_by_service_discovery() {
    let prometheus = Client::of("monitoring", "prometheus-0", "/bin/prometheus");
    prometheus.is_ordinary(&rounds(10, 30.0, 200, &[9100], 0));
    prometheus.is_ordinary(&rounds(1, 30.0, 200, &[8080], 0));
    prometheus.is_ordinary(&rounds(10, 30.0, 200, &[8080], 20));
    prometheus.is_scan(&beyond(60));
}

#[test]
fn an_ingress_controller_passes_on_to_sixty_pods() {
    let ingress = Client::of("ingress-nginx", "controller-0", "/usr/bin/nginx");
    ingress.is_ordinary(&rounds(4, 20.0, 60, &[8080], 0));
    ingress.is_ordinary(&rounds(1, 60.0, 60, &[8080, 3000], 12));
    ingress.is_scan(&beyond(40));
}

#[test]
fn an_operator_reconciles_its_databases() {
    let operator = Client::of("postgres-operator", "operator-0", "/manager");
    operator.is_ordinary(&rounds(8, 30.0, 30, &[5432, 8008], 0));
    operator.is_scan(&beyond(30));
}

#[test]
fn coredns_asks_its_upstreams() {
    let coredns = Client::of("kube-system", "coredns-0", "/coredns");
    coredns.is_ordinary(&rounds(5, 20.0, 6, &[53], 0));
    let attempts: Attempts =
        (0..100).map(|n| (f64::from(n) * 0.2, target(n), 53, Outcome::Unanswered)).collect();
    let mut scene = Scene::default();
    for (when, target, port, outcome) in &attempts {
        let attempt = syn(coredns.source, *target, *port).outcome(*outcome);
        scene.by(*when, &coredns.pod, Try { log_source: LogSource::Hubble, ..attempt });
    }
    assert!(scene.judge().iter().any(|finding| finding.severity >= Severity::Medium));
    coredns.is_scan(&beyond(40));
}

#[test]
fn a_sidecar_reaches_the_services_of_its_mesh() {
    let envoy = Client::of("shop", "web-0", "/usr/local/bin/envoy");
    envoy.is_ordinary(&rounds(2, 60.0, 60, &[8080, 15012], 15));
    let merged = Client::of("monitoring", "prometheus-0", "/bin/prometheus");
    merged.is_ordinary(&rounds(3, 15.0, 120, &[15020, 15090], 0));
    let kubelet = Client::of("kube-system", "node", "/usr/bin/kubelet");
    kubelet.is_ordinary(&rounds(6, 10.0, 110, &[15021], 0));
    envoy.is_scan(&beyond(40));
    // The same at a place where any user can put it.
    let moved = Client::of("shop", "web-0", "/tmp/envoy");
    let connects = moved.connects(&rounds(1, 30.0, 60, &[8080], 0));
    assert!(connects.iter().any(|finding| finding.severity >= Severity::Medium));
}

#[test]
fn cilium_asks_each_node_how_it_is() {
    let agent = Client::of("kube-system", "cilium-x1", "/usr/bin/cilium-agent");
    let mut scene = Scene::default();
    let program = Process { guid: Some("c".into()), ..process(9, agent.program, 1) };
    let actor = Actor { device: Some("n1".into()), process: Some(program), ..agent.pod.clone() };
    for (when, target, port, _) in rounds(1, 60.0, 80, &[4240], 0) {
        let attempt = syn(agent.source, target, port).outcome(Outcome::Unknown);
        scene.by(when, &actor, Try { log_source: LogSource::TetragonConnect, ..attempt });
        let echo = syn(agent.source, target, 0).protocol(Protocol::Icmp).outcome(Outcome::Open);
        let echo = echo.technique(Technique::Echo);
        scene.by(when, &agent.pod, Try { log_source: LogSource::Hubble, ..echo });
    }
    for finding in scene.judge() {
        let ordinary = finding.severity <= Severity::Low;
        assert!(ordinary, "{:?} {:?} {:?}", finding.kind, finding.severity, finding.tested);
    }
    agent.is_ordinary(&rounds(3, 60.0, 80, &[4240], 10));
    agent.is_scan(
        &(0..400_u32)
            .map(|n| {
                (f64::from(n) * 0.1, target(n % 8), 1 + (n * 37 % 1009) as u16, Outcome::Refused)
            })
            .collect::<Attempts>(),
    );
}

#[test]
fn metrics_server_asks_every_kubelet() {
    let server = Client::of("kube-system", "metrics-server-0", "/metrics-server");
    server.is_ordinary(&rounds(1, 15.0, 80, &[10250], 0));
    server.is_ordinary(&rounds(8, 15.0, 80, &[10250], 16));
    // Another pod that asks the same has no business there.
    let web = Client::of("shop", "web-0", "/usr/bin/python3");
    let refused: Attempts =
        (0..80).map(|n| (f64::from(n) * 0.2, target(n), 10250, Outcome::Refused)).collect();
    web.is_scan(&refused);
    server.is_scan(&beyond(40));
}

#[test]
fn the_kubelet_probes_its_pods() {
    let kubelet = Client::of("kube-system", "node", "/usr/bin/kubelet");
    kubelet.is_ordinary(&rounds(3, 10.0, 110, &[8080], 8));
    let moved = Client::of("shop", "web-0", "/dev/shm/kubelet");
    moved.is_scan(&beyond(30));
}

#[test]
fn a_load_balancer_checks_its_backends() {
    let balancer = Client::of("lb", "haproxy-0", "/usr/sbin/haproxy");
    balancer.is_ordinary(&rounds(20, 5.0, 50, &[8443], 10));
    balancer.is_scan(&beyond(40));
}
