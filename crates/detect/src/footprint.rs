//! What a scan touched, small enough to compare any two scans.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How many hashes are kept. With 64, a share of common targets is known to about ±0.06, and sets
/// of up to 64 targets are compared exactly.
const KEPT: usize = 64;

/// A bottom-k sketch of a scan's targets (Broder 1997): the smallest hashes of its pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    smallest: BTreeSet<u64>,
    distinct: u64,
}

impl Footprint {
    /// Adds a target that was not added before, by its hash.
    pub(crate) fn add(&mut self, hash: u64) {
        self.distinct += 1;
        self.smallest.insert(hash);
        if self.smallest.len() > KEPT {
            self.smallest.pop_last();
        }
    }

    /// How many distinct targets it stands for.
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// The share of all targets of both that both touched, 0 to 1.
    pub fn overlap(&self, other: &Footprint) -> f64 {
        let (mut all, mut both) = (0_u32, 0_u32);
        for hash in self.smallest.union(&other.smallest).take(KEPT) {
            all += 1;
            both += u32::from(self.smallest.contains(hash) && other.smallest.contains(hash));
        }
        f64::from(both) / f64::from(all.max(1))
    }

    /// The share of the smaller one's targets that the other touched too, 0 to 1.
    pub fn containment(&self, other: &Footprint) -> f64 {
        let overlap = self.overlap(other);
        let smaller = self.distinct.min(other.distinct);
        if smaller == 0 {
            return 0.0;
        }
        let all = (self.distinct + other.distinct) as f64 / (1.0 + overlap);
        (overlap * all / smaller as f64).min(1.0)
    }

    /// Both together.
    pub(crate) fn joined(&self, other: &Footprint) -> Footprint {
        let all = (self.distinct + other.distinct) as f64 / (1.0 + self.overlap(other));
        Footprint {
            smallest: self.smallest.union(&other.smallest).copied().take(KEPT).collect(),
            distinct: all.round() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::identity;

    fn of(range: std::ops::Range<u32>) -> Footprint {
        let mut footprint = Footprint::default();
        for number in range {
            footprint.add(identity(&[&number.to_be_bytes()]));
        }
        footprint
    }

    #[test]
    fn small_sets_are_compared_exactly() {
        assert_eq!(of(0..30).overlap(&of(0..30)), 1.0);
        assert_eq!(of(0..20).overlap(&of(20..40)), 0.0);
        assert_eq!(of(0..30).overlap(&of(15..45)), 15.0 / 45.0);
        assert_eq!(of(0..10).containment(&of(0..40)), 1.0);
        assert_eq!(Footprint::default().overlap(&Footprint::default()), 0.0);
    }

    #[test]
    fn large_sets_are_compared_nearly() {
        assert!((of(0..1000).overlap(&of(500..1500)) - 1.0 / 3.0).abs() < 0.15);
        assert!(of(0..100).containment(&of(0..1000)) > 0.5);
        assert_eq!(of(0..1000).joined(&of(0..1000)).distinct(), 1000);
    }
}
