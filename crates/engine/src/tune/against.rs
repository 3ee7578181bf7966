//! Known attacks, and at which values they are still found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lapwing_detect::tuning::{Candidate, Element, groups};
use lapwing_detect::{Finding, Severity};
use lapwing_output::tuning::Against;

use super::sweep::{Judged, sweep};
use super::{TuneRequest, Variants};
use crate::hunt::{Gathered, HuntError, Request, concluded, gather};
use crate::labels::{self, Verdict};
use crate::progress::{Progress, Quiet};

/// What is known of the attacks of a folder.
pub(super) struct Known {
    pub(super) against: Against,
    attacks: Vec<Attack>,
}

/// One known attack, and what became of it at each value.
struct Attack {
    name: String,
    found: bool,
    /// Elements and values (as their bits) at which it is otherwise than at the present one.
    otherwise: BTreeSet<(&'static str, u64)>,
    /// The candidates that would hide every finding of it, by their place.
    hidden_by: Vec<usize>,
}

/// What one value does to the known attacks.
pub(super) struct Told {
    pub(super) found: u64,
    pub(super) lost: Vec<String>,
}

impl Known {
    /// Hunts in the attacks of a folder with every value: those that its labels name, or where it has
    /// none, each finding that the present configuration makes of it.
    pub(super) fn of(
        folder: &Path,
        request: &TuneRequest,
        candidates: &[Candidate],
        progress: &dyn Progress,
    ) -> Result<Known, HuntError> {
        let cases = labels::cases(folder).map_err(HuntError::Labels)?;
        let mut known = Known {
            against: Against {
                name: folder.to_string_lossy().into_owned(),
                labelled: !cases.is_empty(),
                ..Against::default()
            },
            attacks: Vec::new(),
        };
        if cases.is_empty() {
            known.every_finding(folder, request, candidates, progress)?;
        }
        progress.weighing(cases.len() as u64);
        for case in cases {
            progress.judged(1);
            let Verdict::Attack { origin, span } = &case.verdict else { continue };
            let is_it = |finding: &Finding| said(finding) && origin.is_named_by(finding, *span);
            let name = case.path.strip_prefix(folder).unwrap_or(&case.path).to_string_lossy();
            let told = match case.weak || !case.config.is_empty() {
                true => None,
                false => judged(vec![case.path.clone()], request, &Quiet)?,
            };
            match told {
                Some(judged) => known.add(name.into_owned(), &judged, candidates, &is_it),
                None => known.against.passed_over += 1,
            }
        }
        known.against.attacks = known.attacks.len() as u64;
        known.against.found = known.attacks.iter().filter(|attack| attack.found).count() as u64;
        Ok(known)
    }

    /// Takes each finding of the present configuration for an attack.
    fn every_finding(
        &mut self,
        folder: &Path,
        request: &TuneRequest,
        candidates: &[Candidate],
        progress: &dyn Progress,
    ) -> Result<(), HuntError> {
        let Some(judged) = judged(vec![folder.to_path_buf()], request, progress)? else {
            return Ok(());
        };
        let Some((_, present)) = judged.by_value.first() else { return Ok(()) };
        for truth in present.findings.iter().filter(|finding| said(finding)) {
            let who = groups([truth], 1);
            // The same origin at the same time: identifiers hold the first attempt, which changes with
            // a window.
            let is_it = |finding: &Finding| {
                said(finding)
                    && finding.first_seen <= truth.last_seen
                    && finding.last_seen >= truth.first_seen
                    && groups([finding], 1) == who
            };
            let name = format!("{} ({})", truth.uid, truth.kind.name());
            self.add(name, &judged, candidates, &is_it);
        }
        Ok(())
    }

    fn add(
        &mut self,
        name: String,
        judged: &AtEachValue,
        candidates: &[Candidate],
        is_it: &dyn Fn(&Finding) -> bool,
    ) {
        let found = |judged: &Judged| judged.findings.iter().any(is_it);
        let Some((_, present)) = judged.by_value.first() else { return };
        let now = found(present);
        let otherwise = judged.by_value.iter().skip(1).filter(|(_, judged)| found(judged) != now);
        let of_it: Vec<&Finding> =
            present.findings.iter().filter(|finding| is_it(finding)).collect();
        let hides = |candidate: &Candidate| {
            !of_it.is_empty() && of_it.iter().all(|finding| candidate.would_hide(finding))
        };
        self.attacks.push(Attack {
            name,
            found: now,
            otherwise: otherwise.flat_map(|(keys, _)| keys.iter().copied()).collect(),
            hidden_by: (0..candidates.len()).filter(|at| hides(&candidates[*at])).collect(),
        });
    }

    /// What a value does to the attacks.
    pub(super) fn at(&self, element: &Element, value: f64) -> Told {
        let key = (element.key, value.to_bits());
        let found = |attack: &&Attack| attack.found != attack.otherwise.contains(&key);
        let lost = self.attacks.iter().filter(|attack| attack.found && !found(attack));
        Told {
            found: self.attacks.iter().filter(found).count() as u64,
            lost: lost.map(|attack| attack.name.clone()).collect(),
        }
    }

    /// The attacks that the candidate at this place would hide.
    pub(super) fn hidden(&self, candidate: usize) -> Vec<String> {
        let hidden = self.attacks.iter().filter(|attack| attack.hidden_by.contains(&candidate));
        hidden.map(|attack| attack.name.clone()).collect()
    }
}

/// A finding that a person is shown.
fn said(finding: &Finding) -> bool {
    finding.suppressed_by.is_none() && finding.severity > Severity::Informational
}

/// What each configuration made of an input, the present one first; each with the elements and values
/// (as their bits) that it is.
struct AtEachValue {
    by_value: Vec<(Vec<(&'static str, u64)>, Judged)>,
}

/// Hunts with every value; `None` where nothing of the paths could be read.
fn judged(
    paths: Vec<PathBuf>,
    request: &TuneRequest,
    progress: &dyn Progress,
) -> Result<Option<AtEachValue>, HuntError> {
    let hunt = Request { paths, since: None, until: None, ..request.hunt.clone() };
    let Gathered { runs, report, computers } = match gather(&hunt, true, progress) {
        Ok(gathered) => gathered,
        Err(HuntError::NothingToRead(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    if report.inputs.iter().all(|input| input.format.is_none()) {
        return Ok(None);
    }
    let variants = Variants::new(request, &report.coverage);
    let mut keys: BTreeMap<usize, Vec<(&'static str, u64)>> = BTreeMap::new();
    for grid in &variants.grids {
        for (value, at) in &grid.values {
            keys.entry(*at).or_default().push((grid.element.key, value.to_bits()));
        }
    }
    let (_, judged) = sweep(runs, &computers, &variants.all, hunt.threads, progress)
        .map_err(HuntError::Scratch)?;
    let by_value = judged.into_iter().enumerate().map(|(at, judged)| {
        let findings = concluded(judged.findings, None, &hunt.tunables.detection.joining);
        (keys.remove(&at).unwrap_or_default(), Judged { findings, ..judged })
    });
    Ok(Some(AtEachValue { by_value: by_value.collect() }))
}
