//! What can be tuned by trying: each mutable element that is a number, the values to try for it, and
//! which of them a baseline speaks for.
//!
//! Running a detector for each value is the engine's work; here is what is decided about it.

mod candidate;

use lapwing_event::Span;

use crate::tunables::Tunables;

pub use candidate::{Candidate, Group, candidates, groups};

/// One mutable element that is a number.
#[derive(Clone, Copy)]
pub struct Element {
    /// Its configuration key, such as `analytics.AN1058.PortScanThreshold`.
    pub key: &'static str,
    /// The analytic whose findings it changes.
    pub analytic: &'static str,
    /// What it counts.
    pub unit: Unit,
    read: fn(&Tunables) -> f64,
    write: fn(&mut Tunables, f64),
}

impl std::fmt::Debug for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Element").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What an element's number counts, and which way it is more sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Distinct targets that make a scan: the fewer, the more findings.
    Targets,
    /// Seconds in which targets are counted: the more, the more findings.
    Seconds,
}

/// Every mutable element that is a number. AN1059 publishes none: the number behind its patterns
/// stands for it.
pub const ELEMENTS: [Element; 6] = [
    Element {
        key: "analytics.AN1057.ScanRateThreshold",
        analytic: "AN1057",
        unit: Unit::Targets,
        read: |tunables| tunables.analytics.an1057.scan_rate_threshold,
        write: |tunables, value| tunables.analytics.an1057.scan_rate_threshold = value,
    },
    Element {
        key: "analytics.AN1057.TimeWindow",
        analytic: "AN1057",
        unit: Unit::Seconds,
        read: |tunables| tunables.analytics.an1057.time_window.as_seconds(),
        write: |tunables, value| tunables.analytics.an1057.time_window = seconds(value),
    },
    Element {
        key: "analytics.AN1058.PortScanThreshold",
        analytic: "AN1058",
        unit: Unit::Targets,
        read: |tunables| tunables.analytics.an1058.port_scan_threshold,
        write: |tunables, value| tunables.analytics.an1058.port_scan_threshold = value,
    },
    Element {
        key: "detection.multicast.threshold",
        analytic: "AN1059",
        unit: Unit::Targets,
        read: |tunables| tunables.detection.multicast.threshold,
        write: |tunables, value| tunables.detection.multicast.threshold = value,
    },
    Element {
        key: "analytics.AN1060.NetworkDestinationCount",
        analytic: "AN1060",
        unit: Unit::Targets,
        read: |tunables| tunables.analytics.an1060.network_destination_count,
        write: |tunables, value| tunables.analytics.an1060.network_destination_count = value,
    },
    Element {
        key: "analytics.AN1060.TimeWindow",
        analytic: "AN1060",
        unit: Unit::Seconds,
        read: |tunables| tunables.analytics.an1060.time_window.as_seconds(),
        write: |tunables, value| tunables.analytics.an1060.time_window = seconds(value),
    },
];

/// Mutable elements that are no numbers, and what is done about each when a baseline is replayed.
pub const NOT_SWEPT: [(&str, &str); 7] = [
    ("analytics.AN1057.KnownScannerExeList", "a list: candidates are proposed"),
    (
        "analytics.AN1058.ToolPatternRegex",
        "patterns of scanners: nothing in a baseline changes them",
    ),
    ("analytics.AN1058.ExpectedScanSources", "a list: candidates are proposed"),
    (
        "analytics.AN1059.MDNSServiceQueryPatterns",
        "patterns of services: nothing in a baseline changes them",
    ),
    ("analytics.AN1059.UserContext", "changes how severe a finding is, not whether it is made"),
    ("analytics.AN1059.ScanToolList", "a list: candidates are proposed"),
    ("analytics.AN1060.ExecutablePath", "a list: candidates are proposed"),
];

/// Multiples of a number of targets that are tried: even steps on a logarithmic scale, twice as
/// sensitive at one end, and at the other so insensitive that only a whole /24 still shows.
const TARGET_STEPS: [f64; 10] = [0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0];

/// The same for windows: from a sixth of the published minute to an hour, which is `spans.long`.
const WINDOW_STEPS: [f64; 8] = [1.0 / 6.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// How many times the present number of targets an origin must still be found at for its allow-list
/// entry to be no matter of a value: raising the number so far to be rid of it would cost most scans.
pub const LOUD: f64 = 2.0;

impl Element {
    /// Its value in a configuration; seconds for a window.
    pub fn value(&self, tunables: &Tunables) -> f64 {
        (self.read)(tunables)
    }

    /// The configuration with another value of this element.
    pub fn with(&self, tunables: &Tunables, value: f64) -> Tunables {
        let mut changed = tunables.clone();
        (self.write)(&mut changed, value);
        changed
    }

    /// The values to try, the most sensitive first; the configuration's own is among them.
    pub fn grid(&self, tunables: &Tunables) -> Vec<f64> {
        let now = self.value(tunables);
        let (steps, least): (&[f64], f64) = match self.unit {
            Unit::Targets => (&TARGET_STEPS, 1.0),
            Unit::Seconds => (&WINDOW_STEPS, 1.0),
        };
        let round = |value: f64| match self.unit {
            Unit::Targets if value < 10.0 => (value * 2.0).round() / 2.0,
            _ => value.round(),
        };
        let tried = |step: &f64| if *step == 1.0 { now } else { round(now * step).max(least) };
        let mut values: Vec<f64> = steps.iter().map(tried).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        if self.unit == Unit::Seconds {
            values.reverse();
        }
        values
    }

    /// A value as configuration has it: `12.0`, or `"10m"` for a window.
    pub fn spelled(&self, value: f64) -> String {
        match self.unit {
            Unit::Targets => format!("{value:?}"),
            Unit::Seconds => format!("\"{}\"", crate::span_text::print(seconds(value))),
        }
    }

    /// A value as people read it: `12`, or `10m` for a window.
    pub fn shown(&self, value: f64) -> String {
        match self.unit {
            Unit::Targets => format!("{value}"),
            Unit::Seconds => crate::span_text::print(seconds(value)),
        }
    }
}

fn seconds(value: f64) -> Span {
    Span::seconds(value.round() as i64)
}

/// What a baseline showed at one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Findings that no allow-list entry, present or proposed, explains.
    pub findings: u64,
    /// Known attacks that are still found; `None` where none are known.
    pub recall: Option<u64>,
}

/// What a baseline says of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Every value gives the same findings.
    NoDifference,
    /// The present value: a less sensitive one spares little or nothing.
    Keep,
    /// The present value: each step spares about the same, so that no value is better than another.
    NoKnee,
    /// The present value: the next that spares findings loses known attacks.
    KeepForRecall,
    /// The value at this place of the grid.
    Raise {
        /// Its place.
        at: usize,
        /// Whether the knee lies further, where known attacks are lost.
        held_back: bool,
    },
}

/// How far under the straight line a knee must lie, as a share of the whole fall: less is an even
/// fall.
const BENT: f64 = 0.1;

/// Where a curve bends: the place that lies furthest under the straight line from its first to its
/// last point (Satopää et al., Finding a "Kneedle" in a Haystack, 2011); `None` where it falls
/// evenly, or not at all. The most sensitive value comes first.
pub fn knee(counts: &[u64]) -> Option<usize> {
    let (first, last) = (*counts.first()? as f64, *counts.last()? as f64);
    let fall = first - last;
    if fall <= 0.0 {
        return None;
    }
    let steps = (counts.len() - 1) as f64;
    let under = |(at, count): (usize, &u64)| {
        let line = 1.0 - at as f64 / steps;
        (at, line - (*count as f64 - last) / fall)
    };
    let (at, depth) = counts
        .iter()
        .enumerate()
        .map(under)
        .fold((0, 0.0), |best, next| if next.1 > best.1 + 1e-9 { next } else { best });
    (depth >= BENT).then_some(at)
}

/// The value that a baseline speaks for; `steps` with the most sensitive value first, `now` the place
/// of the present one. Nothing more sensitive is ever proposed: a baseline shows what is ordinary,
/// not what else would be found.
pub fn choose(steps: &[Step], now: usize) -> Choice {
    let counts: Vec<u64> = steps.iter().map(|step| step.findings).collect();
    let Some(present) = counts.get(now).copied() else { return Choice::Keep };
    if counts.iter().all(|count| *count == present) {
        return Choice::NoDifference;
    }
    let Some(knee) = knee(&counts[now..]).map(|at| now + at) else {
        let spares = counts[now..].iter().any(|count| *count < present);
        return if spares { Choice::NoKnee } else { Choice::Keep };
    };
    if counts[knee] >= present {
        return Choice::Keep;
    }
    let recall = steps[now].recall;
    let kept = (now..=knee).rev().find(|at| steps[*at].recall >= recall).unwrap_or(now);
    if counts[kept] < present {
        // Of the values that spare as much, the most sensitive.
        let at = (now..=kept).find(|at| counts[*at] <= counts[kept]).unwrap_or(kept);
        Choice::Raise { at, held_back: kept < knee }
    } else {
        Choice::KeepForRecall
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // tests
mod tests {
    use super::*;
    use crate::analytics::ANALYTICS;

    #[test]
    fn every_mutable_element_is_swept_or_said_why_not() {
        let swept: Vec<&str> = ELEMENTS.iter().map(|element| element.key).collect();
        let told: Vec<&str> = NOT_SWEPT.iter().map(|(key, _)| *key).collect();
        for analytic in ANALYTICS {
            for name in analytic.mutable_elements {
                let key = format!("analytics.{}.{name}", analytic.id);
                let places = swept.iter().chain(&told).filter(|known| **known == key).count();
                assert_eq!(places, 1, "{key}");
            }
        }
    }

    #[test]
    fn each_grid_holds_the_present_value_and_falls_in_sensitivity() {
        let tunables = Tunables::default();
        for element in ELEMENTS {
            for now in [1.0, 3.0, 10.0, 60.0, 300.0] {
                let changed = element.with(&tunables, now);
                assert_eq!(element.value(&changed), now, "{}", element.key);
                let grid = element.grid(&changed);
                assert!(grid.contains(&now), "{}: {grid:?}", element.key);
                let falls = |pair: &[f64]| match element.unit {
                    Unit::Targets => pair[0] < pair[1],
                    Unit::Seconds => pair[0] > pair[1],
                };
                assert!(grid.windows(2).all(falls), "{}: {grid:?}", element.key);
                for value in grid {
                    let set = element.with(&tunables, value);
                    assert_eq!(set.check(), Ok(()), "{} = {value}", element.key);
                }
            }
        }
    }

    #[test]
    fn a_knee_is_where_the_fall_ends() {
        assert_eq!(knee(&[100, 40, 5, 4, 4, 3]), Some(2));
        assert_eq!(knee(&[9, 0, 0, 0]), Some(1));
        assert_eq!(knee(&[40, 30, 20, 10, 0]), None, "even");
        assert_eq!(knee(&[3, 3, 3]), None, "flat");
        assert_eq!(knee(&[5, 5, 5, 5, 0]), None, "falls only at the end");
        assert_eq!(knee(&[]), None);
        assert_eq!(knee(&[7]), None);
    }

    fn steps(findings: &[u64], recall: Option<&[u64]>) -> Vec<Step> {
        let recall = |at: usize| recall.map(|recall| recall[at]);
        findings
            .iter()
            .enumerate()
            .map(|(at, findings)| Step { findings: *findings, recall: recall(at) })
            .collect()
    }

    #[test]
    fn a_value_is_proposed_only_where_it_spares_findings() {
        assert_eq!(choose(&steps(&[4, 4, 4, 4], None), 1), Choice::NoDifference);
        assert_eq!(choose(&steps(&[9, 2, 2, 2, 2], None), 2), Choice::Keep, "past the knee");
        assert_eq!(
            choose(&steps(&[60, 50, 8, 7, 7], None), 1),
            Choice::Raise { at: 2, held_back: false }
        );
        assert_eq!(choose(&steps(&[50, 40, 30, 20, 10], None), 1), Choice::NoKnee);
        assert_eq!(choose(&[], 0), Choice::Keep);
    }

    #[test]
    fn known_attacks_hold_a_proposal_back() {
        let findings = [90, 80, 40, 3, 2];
        assert_eq!(
            choose(&steps(&findings, Some(&[9, 9, 9, 8, 7])), 1),
            Choice::Raise { at: 2, held_back: true }
        );
        assert_eq!(choose(&steps(&findings, Some(&[9, 9, 8, 8, 7])), 1), Choice::KeepForRecall);
        assert_eq!(
            choose(&steps(&findings, Some(&[9, 9, 9, 9, 7])), 1),
            Choice::Raise { at: 3, held_back: false }
        );
    }

    #[test]
    fn values_are_spelled_as_configuration_has_them() {
        assert_eq!(ELEMENTS[0].spelled(12.0), "12.0");
        assert_eq!(ELEMENTS[0].shown(12.0), "12");
        assert_eq!(ELEMENTS[1].spelled(600.0), "\"10m\"");
        assert_eq!(ELEMENTS[1].shown(90.0), "90s");
    }
}
