//! Events in, findings out: pure, driven by event time alone.
//!
//! Start reading at [`Detector`]: a fold over [`Input`]s. An event goes through `order` (event
//! time), `origin` (who acted), `attempt` (is it a probe, what does it weigh), `fan_out` (has this
//! origin crossed a threshold), `episode` (one scan from beginning to end) and comes out as a
//! [`Finding`], which `suppress` marks where it is expected. [`merge`] joins findings that need a
//! second view: witnesses of one scan, decoys.
//!
//! There is no I/O here, no clock, no randomness and no dependence on hash order: the same inputs
//! give the same findings, byte for byte.

mod ahead;
mod analytics;
mod attempt;
mod bindings;
mod bounded;
mod cell;
mod claims;
mod contacts;
mod counters;
mod coverage;
mod crossing;
mod crowd;
mod detector;
mod discovery;
mod drill;
mod episode;
mod expected;
mod explain;
mod fan_out;
mod finding;
mod footprint;
mod image;
mod intake;
mod knowledge;
mod learning;
mod look;
mod merge;
mod names;
mod nursery;
mod order;
mod origin;
mod overflow;
mod points;
mod proxy;
mod queue;
mod reached;
mod retold;
mod scripts;
mod sequence;
mod service_types;
mod severity;
mod shard;
mod span_text;
mod standing;
mod sums;
mod suppress;
mod telling;
mod tools;
mod tunables;
pub mod tuning;
mod turns;
mod walk;

pub use analytics::{ANALYTICS, Analytic, StrategySource};
pub use coverage::{
    AnalyticCoverage, Coverage, Devices, FewPorts, Lacking, MAX_LACKING, Seen, SourceCoverage,
};
pub use detector::{Detector, Input, Tally};
pub use drill::{DRILL_NETWORK, DRILL_SERVICE};
pub use expected::{Day, Expected, Glob, Network, Pattern, Patterns, Place, Schedule};
pub use finding::{
    Condition, Counts, Finding, Kind, Level, MAX_LISTED, Origin, Outcomes, Point, PortRange,
    Service, Severity, SilentAt, Status, Tested, Uid, Witness,
};
pub use footprint::Footprint;
pub use image::{IMAGE_VERSION, Unrestorable};
pub use merge::merge;
pub use overflow::Overflow;
pub use reached::{Group, Reached};
pub use suppress::{EntryUse, entry_uses};
pub use tunables::{
    An1057, An1058, An1059, An1060, AnalyticTunables, ContextSteps, DEFAULT_CONFIG, Detection,
    EpisodeTunables, Joining, Memory, Multicast, Ordinary, Peers, Profile, Sequence, Spans,
    Telling, Tiers, Together, Tunables, Weights,
};
