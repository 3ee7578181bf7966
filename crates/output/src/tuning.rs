//! What a baseline says of the tunables: for each value the findings that it would have made.
//!
//! [`table`] tells it to people, [`json`] to machines (`docs/tuning.schema.json`), [`html`] as a page,
//! [`paste`] as configuration.

pub mod html;
pub mod json;
pub mod paste;
pub mod table;

use lapwing_detect::tuning::{Candidate, Choice, Element, Group};
use lapwing_event::Span;

use crate::report::Report;

/// The least watched time from which findings per day are said: less would be extrapolated.
pub(crate) const LEAST_WATCHED: Span = Span::seconds(86_400);

/// Everything that one replay of a baseline has to say.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// What was read; its findings are those of the present configuration.
    pub report: Report,
    /// How long the baseline watched: the time between its events, of each gap an hour at most.
    pub watched: Span,
    /// A curve for each element whose analytic had log sources.
    pub curves: Vec<Curve>,
    /// The keys of the others.
    pub blind: Vec<&'static str>,
    /// Allow-list entries that would explain findings, those that hide most first.
    pub proposals: Vec<Proposal>,
    /// What was known of attacks; `None` where none were given.
    pub against: Option<Against>,
}

/// The values that were tried for one element.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The element.
    pub element: Element,
    /// The place of the present value among the points.
    pub now: usize,
    /// A point for each value, the most sensitive first.
    pub points: Vec<Point>,
    /// What the curve speaks for.
    pub choice: Choice,
}

/// What the baseline shows at one value.
#[derive(Clone, Debug, Default)]
pub struct Point {
    /// The value; seconds for a window.
    pub value: f64,
    /// Findings of the element's analytic above informational that no allow-list entry of the
    /// configuration explains.
    pub findings: u64,
    /// Of these, those that no proposed entry explains either.
    pub unexplained: u64,
    /// Findings that the configuration's allow-lists explain.
    pub suppressed: u64,
    /// Findings recognised as ordinary.
    pub informational: u64,
    /// Whether there were more findings than are joined and told apart, so that the numbers are lower
    /// bounds for others and not joined where they are of one scan.
    pub crowded: bool,
    /// Entries of state that were let go for want of memory: the numbers may be too low.
    pub shed: u64,
    /// Who makes the most findings, most first.
    pub groups: Vec<Group>,
    /// Known attacks found at this value; `None` where none are known.
    pub recall: Option<u64>,
    /// Known attacks found at the present value and not at this one.
    pub lost: Vec<String>,
}

/// An allow-list entry with what it would hide.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The entry.
    pub candidate: Candidate,
    /// Known attacks that it would hide.
    pub attacks: Vec<String>,
    /// Whether a value is proposed at which there is nothing for it to hide.
    pub spared: bool,
}

impl Proposal {
    /// Why it is not ready to be used; `None` where nothing speaks against it.
    pub fn doubt(&self) -> Option<&'static str> {
        match (self.attacks.is_empty(), self.spared) {
            (false, _) => Some("it would hide known attacks"),
            (true, true) => {
                self.candidate.doubt.or(Some("the proposed value needs no entry for it"))
            }
            (true, false) => self.candidate.doubt,
        }
    }
}

/// The attacks that values are weighed against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Against {
    /// The folder as it was named.
    pub name: String,
    /// Whether labels say what the attacks are; otherwise every finding of the folder is one.
    pub labelled: bool,
    /// How many attacks are known.
    pub attacks: u64,
    /// How many of them the present configuration finds.
    pub found: u64,
    /// Labelled files that were passed over: weakly labelled, with a configuration of their own, or
    /// not read.
    pub passed_over: u64,
}

impl Curve {
    /// Whether every value makes as many findings, and finds as many known attacks.
    pub(crate) fn is_flat(&self) -> bool {
        let height = |point: &Point| (point.findings, point.recall);
        self.points.windows(2).all(|pair| height(&pair[0]) == height(&pair[1]))
    }
}

impl Tuning {
    /// Days that the baseline watched; `None` where it is less than one, of which findings per day
    /// would be extrapolated.
    pub fn days(&self) -> Option<f64> {
        (self.watched >= LEAST_WATCHED).then(|| self.watched.as_seconds() / 86_400.0)
    }
}

/// What a curve speaks for, in a sentence.
pub(crate) fn verdict(curve: &Curve, tuning: &Tuning) -> String {
    let element = &curve.element;
    let Some(now) = curve.points.get(curve.now) else { return String::new() };
    let shown = element.shown(now.value);
    match curve.choice {
        Choice::NoDifference if !curve.is_flat() => {
            format!("keep {shown}: with the proposed entries no value makes a difference")
        }
        Choice::NoDifference if now.findings == 0 => {
            format!("no value makes a finding in this baseline: keep {shown}")
        }
        Choice::NoDifference => {
            format!("makes no difference in this baseline: keep {shown}")
        }
        Choice::Keep => format!("keep {shown}: a less sensitive value spares nothing"),
        Choice::NoKnee => format!(
            "keep {shown}, or choose by the findings that you can look at: each step spares about \
             as many, no value stands out"
        ),
        Choice::KeepForRecall => {
            format!("keep {shown}: the next value that spares findings loses known attacks")
        }
        Choice::Raise { at, held_back } => {
            let Some(point) = curve.points.get(at) else { return String::new() };
            // The curve beside it draws all findings.
            let explained = point.unexplained < point.findings || now.unexplained < now.findings;
            let with = if explained { "with the proposed entries " } else { "" };
            let mut text = format!(
                "take {}: {with}{} there, {} at {shown}",
                element.shown(point.value),
                rate(point.unexplained, tuning),
                rate(now.unexplained, tuning)
            );
            if held_back {
                text += "; the knee lies further, where known attacks are lost";
            }
            text
        }
    }
}

/// So many findings in the words that the baseline's length allows.
pub(crate) fn rate(findings: u64, tuning: &Tuning) -> String {
    match tuning.days() {
        Some(days) => format!("{} findings a day", per_day(findings, days)),
        None => crate::person::counted(findings, "finding"),
    }
}

/// Findings a day with as many digits as matter.
pub(crate) fn per_day(findings: u64, days: f64) -> String {
    let rate = findings as f64 / days;
    match rate {
        _ if findings == 0 => "0".to_string(),
        rate if rate < 0.1 => format!("{rate:.3}"),
        rate if rate < 10.0 => format!("{rate:.1}"),
        rate => format!("{rate:.0}"),
    }
}

/// A length of time in days or hours.
pub(crate) fn length(watched: Span) -> String {
    let seconds = watched.as_seconds();
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.0} seconds"),
        seconds if seconds < 7_200.0 => format!("{:.0} minutes", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.1} hours", seconds / 3_600.0),
        seconds => format!("{:.1} days", seconds / 86_400.0),
    }
}
