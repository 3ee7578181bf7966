//! One labelled file: what is true of it.

use std::path::PathBuf;

use lapwing_event::Timestamp;

/// One labelled input.
#[derive(Clone, Debug)]
pub struct Case {
    /// The group it is counted in: the corpus folder.
    pub group: String,
    /// The file.
    pub path: PathBuf,
    /// The format, as the labels name it.
    pub format: String,
    /// What it holds.
    pub verdict: Verdict,
    /// The analytic that should find it; empty where the labels do not say.
    pub analytic: String,
    /// The kind of scan in the labels' words; empty where they do not say.
    pub kind: String,
    /// Welcome, not demanded: too little evidence, or no log source of the strategy.
    pub weak: bool,
    /// The configuration under which the verdict holds.
    pub config: String,
    /// What it is, in words.
    pub note: String,
}

/// What a labelled file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// A scan by this origin at this time.
    Attack {
        /// Who scanned.
        origin: Expected,
        /// From when to when; `None` where the labels do not say.
        span: Option<(Timestamp, Timestamp)>,
    },
    /// No scan.
    Benign,
}

/// The origin that a finding must name.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// This address, as origin or among the members.
    Address(String),
    /// One of these addresses among the members of a distributed scan.
    Members(Vec<String>),
    /// A process of this path.
    Process(String),
    /// A process whose short name is a word of this text.
    Named(String),
    /// A pod, as `namespace/name`.
    Pod(String),
    /// Any process: the labels do not say which.
    AnyProcess,
    /// Any origin: the labels do not say who.
    Anyone,
}
