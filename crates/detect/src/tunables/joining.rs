//! When several findings are one scan.

use lapwing_event::Span;
use serde::{Deserialize, Serialize};

/// When findings are one scan: of decoys, of many sources, of one process or address in several logs
/// (scan-detectors.md section 7, calibrated on the corpora).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Joining {
    /// How far the clocks of two sensors of one site are apart at the most (NTP keeps them within
    /// milliseconds; a domain's Kerberos tolerates 5 minutes but nobody runs there).
    #[serde(with = "crate::span_text")]
    pub clock_skew: Span,
    /// Within which time decoys begin together: they send each probe at the same moment as the scanner.
    #[serde(with = "crate::span_text")]
    pub decoys_within: Span,
    /// Within which time parts of a distributed scan begin, and sweeps of one port end, together: they are
    /// started by one hand (UP-15: 20 sources in ten minutes, each over the whole time).
    #[serde(with = "crate::span_text")]
    pub parts_within: Span,
    /// The fewest sources that send the same probes: two hosts may scan the same target by chance.
    pub fewest_decoys: u32,
    /// The fewest sources that share out one host's ports.
    pub fewest_parts: u32,
    /// The fewest that share out hosts on one port, which is the background of the internet.
    pub fewest_sweepers: u32,
    /// The share of targets that decoys have in common at least …
    pub decoys_overlap: f64,
    /// … and parts of a distributed scan at the most.
    pub parts_overlap: f64,
    /// How many times as much as the smallest the largest part has at the most: a job is cut alike.
    pub parts_size: u64,
    /// The share of targets that a process and an address have in common that did the same scan, where the
    /// process's log tells its address …
    pub shared_with_address: f64,
    /// … and where it does not; the same for a process in two logs.
    pub shared: f64,
    /// How soon after a tool's start its packets begin.
    #[serde(with = "crate::span_text")]
    pub tool_within: Span,
    /// The share of hosts that its command line must name.
    pub tool_share: f64,
}

impl Default for Joining {
    fn default() -> Joining {
        Joining {
            clock_skew: Span::seconds(5),
            decoys_within: Span::seconds(10),
            parts_within: Span::seconds(60),
            fewest_decoys: 3,
            fewest_parts: 4,
            fewest_sweepers: 8,
            decoys_overlap: 0.8,
            parts_overlap: 0.2,
            parts_size: 3,
            shared_with_address: 0.3,
            shared: 0.5,
            tool_within: Span::seconds(120),
            tool_share: 0.8,
        }
    }
}
