//! Replays a baseline over the values of each mutable element: files in, a curve for each out.
//!
//! The inputs are decoded and sorted once; one detector for each value is fed the same events, batch
//! by batch ([`sweep`]). The numbers do not depend on the number of threads.

mod against;
mod sweep;

use std::path::PathBuf;

use lapwing_detect::tuning::{self, Choice, ELEMENTS, Element, LOUD, Step, Unit};
use lapwing_detect::{Coverage, Finding, Severity, Tunables, entry_uses};
use lapwing_output::Report;
use lapwing_output::tuning::{Curve, Point, Proposal, Tuning};

use crate::hunt::{Gathered, HuntError, Request, concluded, gather};
use crate::progress::Progress;
use against::Known;
use sweep::{Judged, sweep};

/// How many origins are told of at each value.
const GROUPS: usize = 5;

/// The least tables of one detector, in MiB.
const LEAST_TABLES: usize = 4;

/// What to replay, and how.
#[derive(Clone, Debug)]
pub struct TuneRequest {
    /// The baseline, and the configuration that values are tried around.
    pub hunt: Request,
    /// A folder of known attacks, to weigh values against.
    pub against: Option<PathBuf>,
    /// MiB for the tables of all detectors together; each has an equal share, at most the
    /// configuration's `memory.budget`.
    pub tables: usize,
}

/// The configurations that are tried: the present one first, then each element's other values.
pub(crate) struct Variants {
    pub(crate) all: Vec<Tunables>,
    /// Each element with its values and which of `all` each is.
    pub(crate) grids: Vec<Grid>,
}

pub(crate) struct Grid {
    pub(crate) element: Element,
    pub(crate) now: usize,
    pub(crate) values: Vec<(f64, usize)>,
}

impl Variants {
    /// For the elements whose analytic had a log source.
    fn new(request: &TuneRequest, coverage: &Coverage) -> Variants {
        let present = &request.hunt.tunables;
        let mut all = vec![present.clone()];
        let mut grids = Vec::new();
        for element in ELEMENTS.into_iter().filter(|element| sees(coverage, element)) {
            let (mut values, mut now) = (Vec::new(), 0);
            for value in element.grid(present) {
                if value == element.value(present) {
                    now = values.len();
                    values.push((value, 0));
                } else {
                    values.push((value, all.len()));
                    all.push(element.with(present, value));
                }
            }
            grids.push(Grid { element, now, values });
        }
        let share = (request.tables / all.len()).max(LEAST_TABLES);
        for tunables in &mut all {
            tunables.memory.budget = tunables.memory.budget.min(share);
        }
        Variants { all, grids }
    }
}

/// Whether the element's analytic had a log source.
fn sees(coverage: &Coverage, element: &Element) -> bool {
    let of_it = |analytic: &&lapwing_detect::AnalyticCoverage| analytic.id == element.analytic;
    coverage.analytics.iter().find(of_it).is_some_and(|analytic| !analytic.is_absent())
}

/// Replays a baseline: what each value of each mutable element would have made of it, which value it
/// speaks for, and which allow-list entries would explain what is left.
///
/// # Errors
/// Where there is nothing to read, temporary files fail, or labels cannot be read.
pub fn tune(request: &TuneRequest, progress: &dyn Progress) -> Result<Tuning, HuntError> {
    let Gathered { runs, report, computers } = gather(&request.hunt, true, progress)?;
    let variants = Variants::new(request, &report.coverage);
    let events = report.inputs.iter().map(|input| input.events).sum();
    progress.judging(events);
    let (watched, judged) = sweep(runs, &computers, &variants.all, request.hunt.threads, progress)
        .map_err(HuntError::Scratch)?;
    let judged: Vec<Judged> = judged
        .into_iter()
        .map(|judged| {
            let joining = &request.hunt.tunables.detection.joining;
            let findings = concluded(judged.findings, request.hunt.since, joining);
            Judged { findings, ..judged }
        })
        .collect();
    let Some(present) = judged.first() else { return Ok(Tuning::default()) };
    let candidates = tuning::candidates(&present.findings);
    let known = match &request.against {
        Some(folder) => Some(Known::of(folder, request, &candidates, progress)?),
        None => None,
    };
    let mut proposals: Vec<Proposal> = candidates
        .into_iter()
        .enumerate()
        .map(|(at, candidate)| Proposal {
            candidate,
            attacks: known.as_ref().map(|known| known.hidden(at)).unwrap_or_default(),
            spared: false,
        })
        .collect();
    let grids = &variants.grids;
    // Who no value is rid of goes to the allow-lists, then a value is chosen for the others, then those
    // of them that it does not spare may be allowed too.
    let loud: Vec<&Proposal> =
        proposals.iter().filter(|proposal| is_loud(proposal, grids, &judged)).collect();
    let choices: Vec<Choice> = grids
        .iter()
        .map(|grid| {
            let points = points(grid, &judged, &loud, known.as_ref());
            let step = |point: &Point| Step { findings: point.unexplained, recall: point.recall };
            tuning::choose(&points.iter().map(step).collect::<Vec<_>>(), grid.now)
        })
        .collect();
    let chosen: Vec<&Judged> = grids
        .iter()
        .zip(&choices)
        .filter_map(|(grid, choice)| match choice {
            Choice::Raise { at, .. } => judged.get(grid.values.get(*at)?.1),
            _ => None,
        })
        .collect();
    for proposal in &mut proposals {
        let hides = |finding: &Finding| proposal.candidate.would_hide(finding);
        proposal.spared = chosen.iter().any(|judged| !judged.findings.iter().any(hides));
    }
    let ready: Vec<&Proposal> =
        proposals.iter().filter(|proposal| proposal.doubt().is_none()).collect();
    let curves: Vec<Curve> = grids
        .iter()
        .zip(choices)
        .map(|(grid, choice)| Curve {
            element: grid.element,
            now: grid.now,
            points: points(grid, &judged, &ready, known.as_ref()),
            choice,
        })
        .collect();
    let blind = ELEMENTS.iter().filter(|element| !sees(&report.coverage, element));
    let until = report.inputs.iter().filter_map(|input| input.span).map(|(_, last)| last).max();
    Ok(Tuning {
        curves,
        blind: blind.map(|element| element.key).collect(),
        watched,
        against: known.map(|known| known.against),
        proposals,
        report: Report {
            entries: entry_uses(&request.hunt.tunables, &present.tally, until),
            tally: present.tally.clone(),
            findings: present.findings.clone(),
            ..report
        },
    })
}

/// Whether an entry is ready to be used and no value within reason is rid of what it would hide.
fn is_loud(proposal: &Proposal, grids: &[Grid], judged: &[Judged]) -> bool {
    let far = |grid: &&Grid| grid.element.unit == Unit::Targets;
    proposal.doubt().is_none()
        && grids.iter().filter(far).any(|grid| {
            let least = grid.values.get(grid.now).map_or(0.0, |(now, _)| now * LOUD);
            let at = grid.values.iter().find(|(value, _)| *value >= least);
            let judged = at.and_then(|(_, at)| judged.get(*at));
            judged.is_some_and(|judged| {
                let of_it = |finding: &&Finding| finding.analytic == grid.element.analytic;
                let findings = judged.findings.iter().filter(of_it);
                findings.into_iter().any(|finding| proposal.candidate.would_hide(finding))
            })
        })
}

/// The curve of one element; `ready` are the entries that explain findings.
fn points(
    grid: &Grid,
    judged: &[Judged],
    ready: &[&Proposal],
    known: Option<&Known>,
) -> Vec<Point> {
    let values = grid.values.iter().filter_map(|(value, at)| Some((*value, judged.get(*at)?)));
    values
        .map(|(value, judged)| {
            let told = known.map(|known| known.at(&grid.element, value));
            Point {
                recall: told.as_ref().map(|told| told.found),
                lost: told.map(|told| told.lost).unwrap_or_default(),
                ..point(value, grid.element.analytic, judged, ready)
            }
        })
        .collect()
}

/// What the baseline shows at one value, of the element's own analytic: what others find is the same
/// at each.
fn point(value: f64, analytic: &str, judged: &Judged, ready: &[&Proposal]) -> Point {
    let of_it = |finding: &&Finding| finding.analytic == analytic;
    let (mut findings, mut unexplained, mut suppressed, mut informational) = (0, 0, 0, 0);
    for finding in judged.findings.iter().filter(of_it) {
        match finding {
            finding if finding.suppressed_by.is_some() => suppressed += 1,
            finding if finding.severity == Severity::Informational => informational += 1,
            finding => {
                findings += 1;
                let explained = |proposal: &&Proposal| proposal.candidate.would_hide(finding);
                unexplained += u64::from(!ready.iter().any(explained));
            }
        }
    }
    let beyond = judged.beyond.get(analytic).copied().unwrap_or(0);
    Point {
        value,
        findings: findings + beyond,
        unexplained: unexplained + beyond,
        suppressed,
        informational,
        crowded: beyond > 0,
        shed: judged.tally.shed,
        groups: tuning::groups(judged.findings.iter().filter(of_it), GROUPS),
        ..Point::default()
    }
}
