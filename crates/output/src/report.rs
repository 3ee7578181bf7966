//! What one run has to say.

use lapwing_detect::{Coverage, EntryUse, Finding, Severity, Tally};
use lapwing_event::Timestamp;

/// Everything that one run has to say.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The findings, most severe first, then by time.
    pub findings: Vec<Finding>,
    /// Every input that was looked at; a finding's records name them by their place here.
    pub inputs: Vec<InputReport>,
    /// What was wrong or left out, by input.
    pub troubles: Vec<Trouble>,
    /// What the telemetry could show.
    pub coverage: Coverage,
    /// What became of each allow-list entry.
    pub entries: Vec<EntryUse>,
    /// What the detector counted.
    pub tally: Tally,
    /// Events that were left out because they lie outside the asked-for time.
    pub left_out: u64,
}

impl Report {
    /// Whether some input could not be read whole.
    pub fn lost_data(&self) -> bool {
        self.troubles.iter().any(|trouble| trouble.loses_data)
    }

    /// The severity of the most severe finding that no allow-list entry explains.
    pub fn worst(&self) -> Option<Severity> {
        self.findings
            .iter()
            .filter(|finding| finding.suppressed_by.is_none())
            .map(|finding| finding.severity)
            .max()
    }
}

/// What became of one input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputReport {
    /// The input as its owner named it.
    pub name: String,
    /// Its format; `None` where it was refused.
    pub format: Option<&'static str>,
    /// Its size after decompression.
    pub bytes: u64,
    /// Records read.
    pub records: u64,
    /// Events that came of them.
    pub events: u64,
    /// The earliest and the latest event time.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// One kind of trouble with one input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// The input as its owner named it.
    pub input: String,
    /// How bad it is, in a word.
    pub problem: &'static str,
    /// Whether it means that the input was not read whole.
    pub loses_data: bool,
    /// The kind of trouble in a few fixed words.
    pub key: &'static str,
    /// Byte offset of the first one; `None` where it concerns the whole input.
    pub offset: Option<u64>,
    /// How often it came up.
    pub count: u64,
    /// The first one in words. May hold text of the input.
    pub detail: String,
}
