//! Everything that can be tuned, with its default and the reason for it.
//!
//! `[analytics.*]` holds the strategy's mutable elements under ATT&CK's own names; `[detection]`
//! holds every other number of the judgement; `[memory]` the bounds. `default.toml` beside this
//! file is the same as a commented file, and a test holds the two together.

mod analytics;
mod check;
mod joining;
mod ordinary;

use lapwing_event::Span;
use serde::{Deserialize, Serialize};

pub use analytics::{An1057, An1058, An1059, An1060, AnalyticTunables, ContextSteps};
pub use joining::Joining;
pub use ordinary::{Ordinary, Peers, Telling, Together};

/// The default configuration as the commented TOML file that `lapwing config default` prints.
pub const DEFAULT_CONFIG: &str = include_str!("default.toml");

/// Everything that can be tuned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tunables {
    /// How readily a scan is told of.
    pub profile: Profile,
    /// The mutable elements of each analytic.
    pub analytics: AnalyticTunables,
    /// The numbers of the judgement.
    pub detection: Detection,
    /// The bounds of the detector's state.
    pub memory: Memory,
}

/// How readily a scan is told of: every threshold is multiplied by the profile's factor
/// (scan-detectors.md section 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Fewer findings: for networks whose ordinary work is broad.
    Quiet,
    /// As calibrated on the corpora.
    #[default]
    Normal,
    /// More findings: for an incident, and for networks where little should move.
    Paranoid,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 3] = [Profile::Quiet, Profile::Normal, Profile::Paranoid];

    /// What thresholds are multiplied by.
    pub const fn factor(self) -> f64 {
        match self {
            Profile::Quiet => 1.5,
            Profile::Normal => 1.0,
            Profile::Paranoid => 0.6,
        }
    }

    /// What is added to the reflected walk's alert level: +10, +7 and +5 by default.
    pub const fn walk(self) -> f64 {
        match self {
            Profile::Quiet => 3.0,
            Profile::Normal => 0.0,
            Profile::Paranoid => -2.0,
        }
    }
}

/// The numbers of the judgement (scan-detectors.md sections 6 and 7, calibrated on the corpora).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detection {
    /// How far out of order live events may come and still be judged in order.
    #[serde(with = "crate::span_text")]
    pub lateness: Span,
    /// How long a contact stays known: until then a repeat of it is no first contact.
    #[serde(with = "crate::span_text")]
    pub novelty: Span,
    /// How long a service that was used, a habit, or a host that was alive stays known.
    #[serde(with = "crate::span_text")]
    pub habit: Span,
    /// The windows beside `TimeWindow`.
    pub spans: Spans,
    /// Distinct targets that make a scan, for analytics that publish no such number (AN1059).
    pub default_threshold: f64,
    /// Multiples of the analytic's threshold for ports of one host.
    pub vertical: Tiers,
    /// Multiples of the analytic's threshold for hosts on one port.
    pub horizontal: Tiers,
    /// Multiples of the analytic's threshold for (host, port) pairs.
    pub block: Tiers,
    /// Multiples of the analytic's threshold for hosts asked for by ICMP.
    pub ping: Tiers,
    /// Multiple of the analytic's threshold for hosts asked for by ARP or neighbour discovery
    /// within the short window; longer windows would count a router's ordinary work.
    pub neighbour: f64,
    /// Distinct sensitive ports of one host within the short window, whatever came of them but
    /// use, as a multiple of the analytic's threshold.
    pub sensitive: f64,
    /// The ports that `sensitive` counts: administration, directories, databases, containers.
    pub sensitive_ports: Vec<u16>,
    /// Remote desktops reached in a burst.
    pub desktops: Desktops,
    /// How much of the first contacts must have failed for `horizontal` and `block`.
    pub failure_share: f64,
    /// The same for their longest window.
    pub failure_share_day: f64,
    /// How many times longer windows' thresholds grow for a source outside the own networks:
    /// its slow knocking is the background of the internet.
    pub outside_factor: f64,
    /// The reflected walk over new hosts alerts here (+1 failed, -1 served, floor 0).
    pub walk: f64,
    /// Distinct dark addresses within the day that make a scan, as a multiple of the analytic's
    /// threshold.
    pub dark: f64,
    /// The share of hosts met that must be dark for that.
    pub dark_share: f64,
    /// How long a network is watched before silence tells that an address is dark.
    #[serde(with = "crate::span_text")]
    pub learning: Span,
    /// Names of neighbouring addresses asked for (PTR), as a multiple of the analytic's threshold.
    pub address_names: f64,
    /// Service types asked for (SRV and DNS-SD), as a multiple of the analytic's threshold.
    pub service_types: f64,
    /// Service types and hosts asked for by multicast (AN1059).
    pub multicast: Multicast,
    /// Connections to one SOCKS proxy within the short window, as a multiple of the analytic's
    /// threshold.
    pub proxy: f64,
    /// What a first contact weighs.
    pub weights: Weights,
    /// Order and density.
    pub sequence: Sequence,
    /// When scans begin and end.
    pub episode: EpisodeTunables,
    /// When processes, and addresses, are one origin together.
    pub together: Together,
    /// When what crossed a threshold is ordinary all the same.
    pub ordinary: Ordinary,
    /// When several findings are one scan.
    pub joining: Joining,
    /// How much is told of at once.
    pub telling: Telling,
}

impl Default for Detection {
    fn default() -> Detection {
        Detection {
            lateness: Span::seconds(5),
            novelty: Span::seconds(24 * 3600),
            habit: Span::seconds(7 * 86_400),
            spans: Spans::default(),
            default_threshold: 10.0,
            vertical: Tiers { short: 1.0, medium: 1.0, long: 1.4, day: 1.5 },
            horizontal: Tiers { short: 1.0, medium: 1.0, long: 1.2, day: 2.0 },
            block: Tiers { short: 2.0, medium: 2.0, long: 2.5, day: 3.0 },
            ping: Tiers { short: 1.0, medium: 1.0, long: 1.5, day: 2.5 },
            neighbour: 2.0,
            sensitive: 0.5,
            sensitive_ports: vec![
                22, 23, 135, 139, 389, 445, 1433, 1521, 2375, 2376, 2379, 2380, 3306, 3389, 4194,
                5432, 5900, 5985, 6379, 6443, 9200, 10250, 10255, 27017,
            ],
            desktops: Desktops::default(),
            failure_share: 0.5,
            failure_share_day: 0.6,
            outside_factor: 1.5,
            walk: 7.0,
            dark: 0.8,
            dark_share: 0.2,
            learning: Span::seconds(24 * 3600),
            address_names: 2.0,
            service_types: 1.0,
            multicast: Multicast::default(),
            proxy: 20.0,
            weights: Weights::default(),
            sequence: Sequence::default(),
            episode: EpisodeTunables::default(),
            together: Together::default(),
            ordinary: Ordinary::default(),
            joining: Joining::default(),
            telling: Telling::default(),
        }
    }
}

/// When hosts whose remote desktop one origin reaches are a sweep, used or not: a person opens one at a
/// time, and no orchestrator logs in to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Desktops {
    /// Distinct hosts that were no habit, as a multiple of the analytic's threshold.
    pub threshold: f64,
    /// Within which time.
    #[serde(with = "crate::span_text")]
    pub within: Span,
    /// The ports of remote desktops: RDP, VNC.
    pub ports: Vec<u16>,
}

impl Default for Desktops {
    fn default() -> Desktops {
        Desktops { threshold: 1.0, within: Span::seconds(10), ports: vec![3389, 5900] }
    }
}

/// When questions by multicast enumerate: for service types (DNS-SD, SSDP, WS-Discovery; AN1059), for hosts
/// (LLMNR, NBNS).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Multicast {
    /// Distinct service types that one origin asks for, by weight, in the short window or in
    /// `spans.medium`.
    pub threshold: f64,
    /// What a type weighs that households ask for all day, where its program is not known or has it
    /// for its work; the same for a type that this program asked for on another day.
    pub routine: f64,
    /// How much of the threshold such types may make up together, however many: a Mac that wakes asks for
    /// thirty of them within a minute, while whoever enumerates asks for all types, or for others too.
    pub routine_part: f64,
    /// What the question for all types weighs.
    pub all_types: f64,
    /// Distinct hosts that one origin asks for by name (LLMNR, NBNS) in the same windows.
    pub host_names: f64,
}

impl Default for Multicast {
    fn default() -> Multicast {
        Multicast {
            threshold: 5.0,
            routine: 0.25,
            routine_part: 0.6,
            all_types: 2.0,
            host_names: 30.0,
        }
    }
}

/// The windows beside the analytics' own `TimeWindow`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spans {
    /// The short window of analytics that publish no `TimeWindow`.
    #[serde(with = "crate::span_text")]
    pub short: Span,
    /// Finds `nmap -T1` (a probe every 15 s).
    #[serde(with = "crate::span_text")]
    pub medium: Span,
    /// Finds a probe every 4 minutes.
    #[serde(with = "crate::span_text")]
    pub long: Span,
    /// Finds `nmap -T0` (a probe every 5 min) and slower.
    #[serde(with = "crate::span_text")]
    pub day: Span,
}

impl Default for Spans {
    fn default() -> Spans {
        Spans {
            short: Span::seconds(60),
            medium: Span::seconds(600),
            long: Span::seconds(3600),
            day: Span::seconds(24 * 3600),
        }
    }
}

/// Thresholds of the four windows as multiples of the analytic's own threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiers {
    /// In `TimeWindow`.
    pub short: f64,
    /// In `spans.medium`.
    pub medium: f64,
    /// In `spans.long`.
    pub long: f64,
    /// In `spans.day`.
    pub day: f64,
}

/// What a first contact weighs by its outcome, and the factors upon that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// RST, ICMP unreachable, policy drop.
    pub refused: f64,
    /// Silence.
    pub unanswered: f64,
    /// Opened and closed without data.
    pub open: f64,
    /// Used.
    pub served: f64,
    /// The source of the record cannot tell.
    pub unknown: f64,
    /// NULL, FIN, XMAS, Maimon: no client sends these.
    pub illegal: f64,
    /// A lone ACK answered by RST.
    pub stray_ack: f64,
    /// UDP silence: most UDP services answer nothing to what they do not understand.
    pub udp_unanswered: f64,
    /// Factor for ports from 32768 up that are no well-known service: passive FTP, RPC, NAT.
    pub ephemeral_port: f64,
    /// Factor for web, DNS and NTP outside the own networks: roaming laptops, crawlers.
    pub outside_service: f64,
    /// Factor for a service that served two sources and now fails: it is down, not probed for.
    pub known_service: f64,
    /// Factor for addresses of known networks at which nobody was ever seen.
    pub dark: f64,
    /// A port that a command line asks to be tried (`nc -z`), whatever came of it.
    pub commanded: f64,
    /// Factor where the outcome is not known, for own hosts contacted by a program that lies where
    /// any user can put it (temporary folders, downloads).
    pub writable: f64,
}

impl Default for Weights {
    fn default() -> Weights {
        Weights {
            refused: 1.0,
            unanswered: 0.8,
            open: 1.0,
            served: 0.0,
            unknown: 0.5,
            illegal: 3.0,
            stray_ack: 0.3,
            udp_unanswered: 0.3,
            ephemeral_port: 0.3,
            outside_service: 0.25,
            known_service: 0.25,
            dark: 2.0,
            commanded: 1.0,
            writable: 1.5,
        }
    }
}

/// Order and density: what scanners do and clients do not, whatever came of the attempts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sequence {
    /// What a contact weighs, whatever its outcome, once order or density is shown.
    pub weight: f64,
    /// The same for a target that was used: orchestrators walk through their hosts too.
    pub served_weight: f64,
    /// The fewest contacts among which order can be shown at all.
    pub fewest: u32,
    /// The share of steps that must go the same way.
    pub ordered_share: f64,
    /// The share of the covering prefix that must have been visited.
    pub dense_share: f64,
    /// The share of the hosts-by-ports grid that must have been visited.
    pub grid_share: f64,
    /// Repeats per distinct target from which on a source is a client and not a scanner.
    pub revisits: f64,
}

impl Default for Sequence {
    fn default() -> Sequence {
        Sequence {
            weight: 0.7,
            served_weight: 0.4,
            fewest: 8,
            ordered_share: 0.85,
            dense_share: 0.25,
            grid_share: 0.25,
            revisits: 1.0,
        }
    }
}

/// When scans begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpisodeTunables {
    /// An episode closes after this long without a probe …
    #[serde(with = "crate::span_text")]
    pub quiet: Span,
    /// … or after this many times its median gap, whichever is longer.
    pub quiet_gaps: u32,
    /// An update is said when the scan has grown by this factor.
    pub growth: f64,
    /// A scan that goes on within this time keeps its identifier.
    #[serde(with = "crate::span_text")]
    pub resume: Span,
}

impl Default for EpisodeTunables {
    fn default() -> EpisodeTunables {
        EpisodeTunables {
            quiet: Span::seconds(600),
            quiet_gaps: 10,
            growth: 3.0,
            resume: Span::seconds(24 * 3600),
        }
    }
}

/// The bound of the detector's state: one budget, which its parts share.
///
/// What a part's entry costs was measured on 64-bit Linux; a part's share is its number of entries
/// for each MiB of the budget (scan-detectors.md section 7 proposes the split).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// The budget in MiB.
    pub budget: usize,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { budget: 128 }
    }
}

impl Memory {
    /// Origins with more than one contact: about 100 bytes each, beside their contacts.
    pub(crate) const fn origins(self) -> usize {
        self.budget * 256
    }

    /// (Origin, host) and (origin, port) counters: about 120 bytes each, their first contact within.
    pub(crate) const fn cells(self) -> usize {
        self.budget * 1024
    }

    /// Contacts in all counters together: 72 bytes each, 16 more where running totals are kept.
    pub(crate) const fn pool(self) -> usize {
        self.budget * 3072
    }

    /// Origins with one contact: about 130 bytes each.
    pub(crate) const fn nursery(self) -> usize {
        self.budget * 1024
    }

    /// Pairs of origin and target, in each of two generations: 24 bytes each, in tables whose size
    /// doubles when seven tenths of it are taken; this is seven tenths of a power of two. And which
    /// address used which own service, 16 bytes each, in as many.
    pub(crate) const fn pairs(self) -> usize {
        self.budget * 2867
    }

    /// Questions for names, in each of two generations: 16 bytes each.
    pub(crate) const fn questions(self) -> usize {
        self.budget * 716
    }

    /// Services that were used, and hosts seen alive, in each of two generations: 40 and 16 bytes.
    pub(crate) const fn services(self) -> usize {
        self.budget * 716
    }

    /// Hosts that others use, in each of two generations: 24 bytes each.
    pub(crate) const fn servers(self) -> usize {
        self.budget * 179
    }

    /// Processes: about 600 bytes each.
    pub(crate) const fn processes(self) -> usize {
        self.budget * 256
    }
}
