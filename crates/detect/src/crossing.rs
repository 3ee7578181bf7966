//! Crossings: which threshold was crossed, and by what.

use std::fmt;

use lapwing_event::{Address, Protocol, Span};
use serde::{Deserialize, Serialize};

use crate::finding::Condition;

/// Along which axis a threshold was crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Axis {
    /// Ports of this host.
    Ports(Address),
    /// Hosts on this port.
    Hosts(Protocol, u16),
    /// Pairs of both.
    Pairs,
    /// Names asked for.
    Names,
    /// Connections to one proxy.
    Proxy,
}

/// A threshold that was crossed. Most are crossed again by each attempt of a scan: they are put into words
/// when they are said.
#[derive(Clone, Debug)]
pub(crate) struct Crossing {
    pub axis: Axis,
    /// The window in which it was crossed.
    pub window: Span,
    /// Whether order or density made it a scan, rather than what came of the attempts.
    pub by_order: bool,
    pub what: What,
    /// How much was measured of that.
    pub value: f64,
    pub threshold: f64,
    /// The configuration key of the threshold.
    pub key: &'static str,
}

impl Crossing {
    /// What a finding says of it.
    pub fn condition(&self) -> Condition {
        Condition {
            condition: format!("{} within {}", self.what, crate::span_text::print(self.window)),
            value: (self.value * 100.0).round() / 100.0,
            threshold: self.threshold,
            key: self.key.into(),
        }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// This.
    Said(&'static str),
    /// Hosts of which this was asked, and how they were counted.
    Hosts(Protocol, u16, &'static str),
    /// Sensitive ports of this host.
    SensitivePorts(Address),
    /// Remote desktops on this port.
    Desktops(u16),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Said(what) => f.write_str(what),
            // What they were asked for: a block scan crosses for each of its ports.
            What::Hosts(protocol, 0, how) => write!(f, "hosts asked by {}{how}", protocol.name()),
            What::Hosts(protocol, port, how) => {
                write!(f, "hosts on {} port {port}{how}", protocol.name())
            }
            What::SensitivePorts(host) => write!(f, "sensitive ports of one host ({host})"),
            What::Desktops(port) => write!(f, "remote desktops on tcp port {port} in a burst"),
        }
    }
}
