//! Events in, findings out: pure, driven by event time alone.

mod finding;

pub use finding::{
    Condition, Counts, Finding, Kind, Level, MAX_LISTED, Origin, Outcomes, PortRange, Service,
    Severity, Status, Uid, Witness,
};
