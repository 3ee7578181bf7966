//! The replay of a baseline for machines: one JSON object, described by `docs/tuning.schema.json`.

use lapwing_detect::tuning::{Choice, NOT_SWEPT, Unit};
use serde::Serialize;

use super::{Curve, Point, Proposal, Tuning, paste, verdict};
use crate::person::who;

#[derive(Serialize)]
struct Native<'a> {
    strategy: &'static str,
    inputs: u64,
    events: u64,
    watched_seconds: u64,
    /// Null where the baseline is shorter than a day.
    days: Option<f64>,
    elements: Vec<NativeCurve<'a>>,
    not_swept: Vec<NativeNotSwept>,
    allow_list: Vec<NativeProposal<'a>>,
    against: Option<NativeAgainst<'a>>,
    /// The proposals as configuration.
    toml: String,
    not_read_whole: bool,
}

#[derive(Serialize)]
struct NativeCurve<'a> {
    key: &'static str,
    analytic: &'static str,
    unit: &'static str,
    now: f64,
    choice: &'static str,
    proposed: Option<f64>,
    verdict: String,
    points: Vec<NativePoint<'a>>,
}

#[derive(Serialize)]
struct NativePoint<'a> {
    value: f64,
    findings: u64,
    unexplained: u64,
    per_day: Option<f64>,
    suppressed: u64,
    informational: u64,
    crowded: bool,
    shed: u64,
    origins: Vec<NativeGroup>,
    recall: Option<u64>,
    lost: &'a [String],
}

#[derive(Serialize)]
struct NativeGroup {
    who: String,
    findings: u64,
}

#[derive(Serialize)]
struct NativeNotSwept {
    key: &'static str,
    why: &'static str,
}

#[derive(Serialize)]
struct NativeProposal<'a> {
    key: &'static str,
    path: Option<&'a str>,
    image: Option<&'a str>,
    namespace: Option<&'a str>,
    source: Option<String>,
    ports: &'a [u16],
    schedule: Option<String>,
    hides: u64,
    days: u64,
    places: u64,
    doubt: Option<&'static str>,
    hides_attacks: &'a [String],
    reason: String,
}

#[derive(Serialize)]
struct NativeAgainst<'a> {
    folder: &'a str,
    labelled: bool,
    attacks: u64,
    found: u64,
    passed_over: u64,
}

/// The whole replay as one JSON object and a line end; what a terminal could obey is a `\u` escape.
pub fn write(tuning: &Tuning) -> String {
    let report = &tuning.report;
    let blind = tuning
        .blind
        .iter()
        .map(|key| NativeNotSwept { key, why: "no log source of its analytic was there" });
    let listed = NOT_SWEPT.iter().map(|(key, why)| NativeNotSwept { key, why });
    let native = Native {
        strategy: "DET0376",
        inputs: report.inputs.len() as u64,
        events: report.inputs.iter().map(|input| input.events).sum(),
        watched_seconds: tuning.watched.as_seconds() as u64,
        days: tuning.days().map(rounded),
        elements: tuning.curves.iter().map(|curve| native_curve(curve, tuning)).collect(),
        not_swept: blind.chain(listed).collect(),
        allow_list: tuning.proposals.iter().map(native_proposal).collect(),
        against: tuning.against.as_ref().map(|against| NativeAgainst {
            folder: &against.name,
            labelled: against.labelled,
            attacks: against.attacks,
            found: against.found,
            passed_over: against.passed_over,
        }),
        toml: paste::write(tuning),
        not_read_whole: report.lost_data(),
    };
    // Of plain text and numbers, which cannot fail.
    crate::jsonl::inert(serde_json::to_string(&native).unwrap_or_default()) + "\n"
}

fn native_curve<'a>(curve: &'a Curve, tuning: &Tuning) -> NativeCurve<'a> {
    let (choice, proposed) = match curve.choice {
        Choice::NoDifference => ("no-difference", None),
        Choice::Keep => ("keep", None),
        Choice::NoKnee => ("no-knee", None),
        Choice::KeepForRecall => ("keep-for-recall", None),
        Choice::Raise { at, .. } => ("take", curve.points.get(at).map(|point| point.value)),
    };
    let native_point = |point: &'a Point| NativePoint {
        value: point.value,
        findings: point.findings,
        unexplained: point.unexplained,
        per_day: tuning.days().map(|days| rounded(point.findings as f64 / days)),
        suppressed: point.suppressed,
        informational: point.informational,
        crowded: point.crowded,
        shed: point.shed,
        origins: point
            .groups
            .iter()
            .map(|group| NativeGroup { who: who(&group.origin), findings: group.findings })
            .collect(),
        recall: point.recall,
        lost: &point.lost,
    };
    NativeCurve {
        key: curve.element.key,
        analytic: curve.element.analytic,
        unit: match curve.element.unit {
            Unit::Targets => "targets",
            Unit::Seconds => "seconds",
        },
        now: curve.points.get(curve.now).map_or(0.0, |point| point.value),
        choice,
        proposed,
        verdict: verdict(curve, tuning),
        points: curve.points.iter().map(native_point).collect(),
    }
}

fn native_proposal(proposal: &Proposal) -> NativeProposal<'_> {
    let candidate = &proposal.candidate;
    let entry = &candidate.entry;
    NativeProposal {
        key: candidate.key,
        path: entry.path.as_ref().map(|path| path.text()),
        image: entry.image.as_ref().map(|image| image.text()),
        namespace: entry.namespace.as_deref(),
        source: entry.source.as_ref().map(paste::place),
        ports: &entry.ports,
        schedule: entry.schedule.as_ref().map(ToString::to_string),
        hides: candidate.hides,
        days: candidate.days,
        places: candidate.places,
        doubt: proposal.doubt(),
        hides_attacks: &proposal.attacks,
        reason: paste::reason(proposal),
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
