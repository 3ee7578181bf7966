//! What ordinary behaviour looks like, and how much of it is told.

use lapwing_event::Span;
use serde::{Deserialize, Serialize};

use super::Profile;

/// When what crossed a threshold is ordinary all the same, and told of as informational
/// (scan-detectors.md section 7, calibrated on the corpora).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ordinary {
    /// How long after its last touch a target is visited anew: what comes sooner is the same visit (nmap's
    /// version probes wait 5 to 7.5 s each, and no monitor asks more often).
    #[serde(with = "crate::span_text")]
    pub round: Span,
    /// Rounds of its targets from which on a source is a monitor: a scanner comes once, or a few times to
    /// what it found. The quiet profile asks for fewer, the paranoid for more.
    pub monitor_rounds: f64,
    /// The share of contacts that a monitor's targets answer.
    pub monitor_answered: f64,
    /// The share of its targets that a monitor or load balancer must have visited again: what it asks for
    /// once beside them is no part of its rounds.
    pub monitor_revisited: f64,
    /// The fewest clients that a load balancer serves.
    pub balancer_clients: u32,
    /// The most ports that it asks its pool for.
    pub balancer_ports: u32,
    /// The share of its contacts that do not fail: backends may be down.
    pub balancer_answered: f64,
    /// The fewest clients that a domain controller serves.
    pub directory_clients: u32,
    /// The share of the hosts it asks that are among them.
    pub directory_own: f64,
    /// How long an address may have been seen that a device has just come to.
    #[serde(with = "crate::span_text")]
    pub roaming_within: Span,
    /// The share of what fails there that the device used at the address before.
    pub roaming_share: f64,
    /// The share of a resolver's, mail relay's or crawler's hosts that are outside.
    pub outside_share: f64,
    /// The share of its contacts that are answered.
    pub outside_answered: f64,
    /// How long what fails behind a shared outside address must have taken to add up.
    #[serde(with = "crate::span_text")]
    pub shared_after: Span,
    /// The most ports that a cluster's program asks one host for: a pod has few containers, each with a
    /// probe or three.
    pub cluster_ports: f64,
    /// The share of what is known of its attempts that may have failed: pods come and go.
    pub cluster_failed: f64,
    /// What peers of one client have in common.
    pub peers: Peers,
}

impl Default for Ordinary {
    fn default() -> Ordinary {
        Ordinary {
            round: Span::seconds(10),
            monitor_rounds: 3.0,
            monitor_answered: 0.8,
            monitor_revisited: 0.8,
            balancer_clients: 10,
            balancer_ports: 4,
            balancer_answered: 0.25,
            directory_clients: 5,
            directory_own: 0.8,
            roaming_within: Span::seconds(600),
            roaming_share: 0.8,
            outside_share: 0.9,
            outside_answered: 0.4,
            shared_after: Span::seconds(3600),
            cluster_ports: 4.0,
            cluster_failed: 0.2,
            peers: Peers::default(),
        }
    }
}

impl Ordinary {
    /// How many rounds make a monitor under this profile.
    pub(crate) fn rounds(&self, profile: Profile) -> f64 {
        self.monitor_rounds / profile.factor()
    }
}

/// When contacts are a peer-to-peer client's: a scanner has its few ports or its few hosts, and addresses
/// that it makes up are mostly silent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peers {
    /// The fewest contacts that can show it.
    pub fewest: u32,
    /// The most contacts for each host: about one port a peer.
    pub contacts_a_host: f64,
    /// The share of ports from 1024 up.
    pub unprivileged: f64,
    /// The fewest ports among them …
    pub ports: u32,
    /// … and for each host, each peer having its own: a scan of a few services has few …
    pub ports_a_host: f64,
    /// … unless so large a share of them is outside.
    pub outside: f64,
    /// The share that answers with more than a refusal …
    pub alive: f64,
    /// … or that answers at all, where any does more than refuse …
    pub there: f64,
    /// … or of which nothing is known.
    pub unknown: f64,
}

impl Default for Peers {
    fn default() -> Peers {
        Peers {
            fewest: 8,
            contacts_a_host: 1.3,
            unprivileged: 0.8,
            ports: 4,
            ports_a_host: 0.25,
            outside: 0.8,
            alive: 0.1,
            there: 0.3,
            unknown: 0.5,
        }
    }
}

/// When processes are one origin though none of them scans by itself: a loop, a job, a login session; and
/// when addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Together {
    /// The fewest processes: a shell that starts two programs is no loop.
    pub processes: u32,
    /// The most targets of a process that count for its session: one that reaches more has work of its
    /// own, as a browser has.
    pub targets_of_process: u32,
    /// The share of a session's contacts that must be of its scan: of a session in which much else goes
    /// on, what fails adds up to anything.
    pub session_share: f64,
    /// The fewest addresses of one IPv6 subnet that make probes by turns.
    pub rotated: u32,
    /// In how many subnets the targets of such probes lie at the most.
    pub rotated_subnets: u32,
}

impl Default for Together {
    fn default() -> Together {
        Together {
            processes: 3,
            targets_of_process: 3,
            session_share: 0.5,
            rotated: 8,
            rotated_subnets: 2,
        }
    }
}

/// How much is told of at once. What is withheld is summed up, and each finding is told when its scan ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telling {
    /// How many findings are told of, as they begin or have grown, within a minute (scan-detectors.md
    /// section 7).
    pub per_minute: u32,
    /// How many of them may be of one computer or address.
    pub per_origin: u32,
}

impl Default for Telling {
    fn default() -> Telling {
        Telling { per_minute: 60, per_origin: 10 }
    }
}
