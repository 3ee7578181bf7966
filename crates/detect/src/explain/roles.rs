//! Programs whose work in a cluster is to reach many of its pods or nodes, and what that work looks like.

use lapwing_event::{LogSource, Process};

use super::Tested;
use crate::episode::Episode;
use crate::finding::Level;
use crate::severity;
use crate::tunables::Ordinary;

/// A program's work: by which ports it reaches others, where they are always the same.
struct Role {
    class: &'static str,
    programs: &'static [&'static str],
    /// `None` where each cluster has its own.
    ports: Option<&'static [u16]>,
    /// Whether it may fail much: probes find out what is down.
    may_fail: bool,
    /// Whether it never asks for [`NOT_ITS_WORK`].
    of_the_web: bool,
}

/// The kubelet and Cilium ask each pod or node how it is, scrapers each target for its metrics, proxies and
/// ingress controllers pass on to each backend, resolvers ask for names
/// (<https://kubernetes.io/docs/reference/networking/ports-and-protocols/>,
/// <https://docs.cilium.io/en/stable/operations/system_requirements/#firewall-rules>,
/// <https://istio.io/latest/docs/ops/deployment/application-requirements/>).
const ROLES: [Role; 5] = [
    Role {
        class: "cluster's own probes",
        programs: &["kubelet", "cilium-agent", "cilium-health", "cilium-health-responder"],
        ports: None,
        may_fail: true,
        of_the_web: false,
    },
    Role {
        class: "cluster's metrics",
        programs: &["metrics-server"],
        ports: Some(&[443, 4443, 6443, 10250]),
        may_fail: false,
        of_the_web: false,
    },
    Role {
        class: "scraper of metrics",
        programs: &["prometheus", "vmagent", "otelcol", "otelcol-contrib", "alloy", "telegraf"],
        ports: None,
        may_fail: false,
        of_the_web: true,
    },
    Role {
        class: "proxy or ingress controller",
        programs: &["envoy", "linkerd2-proxy", "nginx", "traefik", "haproxy", "caddy"],
        ports: None,
        may_fail: false,
        of_the_web: true,
    },
    Role {
        class: "cluster's resolver",
        programs: &["coredns", "node-cache"],
        ports: Some(&[53, 443, 853, 6443]),
        may_fail: false,
        of_the_web: false,
    },
];

/// A node at its pods: the kubelet, where most of it succeeds.
const NODE: Role = Role {
    class: "cluster's own probes",
    programs: &[],
    ports: None,
    may_fail: false,
    of_the_web: false,
};

/// What intruders look for and no scraper or proxy of web services asks many hosts for; the kubelet's
/// port is not among it, since it has metrics.
const NOT_ITS_WORK: [u16; 12] = [22, 23, 139, 445, 1433, 2375, 2376, 3306, 3389, 5432, 6379, 27017];

/// Whether it is such a program at its work; said of programs that have its name. One that lies where any
/// user can put it, asks for many ports, or fails much, only took the name or does something else.
pub(super) fn cluster_role(episode: &Episode, ordinary: &Ordinary) -> Option<Tested> {
    let origin = episode.origin();
    let process = origin.process.as_deref().or(origin.child.as_deref());
    let (role, name) = match process.and_then(Process::short_name) {
        Some(name) => (ROLES.iter().find(|role| role.programs.contains(&name))?, name),
        // Hubble knows that a node asks its pods, and not which of its programs.
        None if origin.level == Level::Device && episode.is_of(LogSource::Hubble) => {
            (&NODE, origin.device.as_deref()?)
        }
        None => return None,
    };
    let hosts = episode.hosts().count().max(1);
    let few = episode.pairs() as f64 <= hosts as f64 * ordinary.cluster_ports;
    let own = match role.ports {
        Some(own) => episode.ports().all(|port| own.contains(&port)),
        None => !role.of_the_web || !episode.ports().any(|port| NOT_ITS_WORK.contains(&port)),
    };
    let outcomes = episode.outcomes();
    let failed = (outcomes.refused + outcomes.unanswered) as f64;
    let succeeds = role.may_fail || failed <= ordinary.cluster_failed * outcomes.known() as f64;
    Some(Tested {
        class: role.class,
        holds: !process.is_some_and(severity::is_writable) && few && own && succeeds,
        because: format!(
            "{name} asked {hosts} hosts for {} ports in all, and {failed} of {} attempts failed",
            episode.pairs(),
            outcomes.known() + outcomes.unknown
        ),
    })
}
