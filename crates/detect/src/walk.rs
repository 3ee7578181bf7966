//! The reflected walk: what thresholds miss.
//!
//! Threshold random walk (Jung et al. 2004) convicts after four straight failures and never
//! forgets, which is why it cannot run unattended. Reflected at zero, and alerting at +7, it needs
//! seven more failed hosts than served ones since its last return to zero; at 10 % benign failures
//! that takes 6.7 million first contacts by chance (scan-detectors.md section 7), and known-good
//! hosts cannot be used to buy credit, since each host counts once and the floor is zero.

use lapwing_event::Outcome;
use serde::{Deserialize, Serialize};

/// An origin's walk over the hosts that it met for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Walk {
    position: f64,
}

impl Walk {
    /// Takes one step for a host met for the first time: up by the weight of a failure (at most
    /// one), down by one where the host served.
    pub fn step(&mut self, outcome: Outcome, weight: f64) {
        self.position = match outcome {
            Outcome::Refused | Outcome::Unanswered => self.position + weight.min(1.0),
            Outcome::Served => (self.position - 1.0).max(0.0),
            Outcome::Open | Outcome::Unknown => self.position,
        };
    }

    /// Where the walk stands.
    pub fn position(self) -> f64 {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn served_hosts_take_it_down_but_buy_no_credit() {
        let mut walk = Walk::default();
        for _ in 0..100 {
            walk.step(Outcome::Served, 0.0);
        }
        for _ in 0..7 {
            walk.step(Outcome::Refused, 1.0);
        }
        assert_eq!(walk.position(), 7.0);
        walk.step(Outcome::Unknown, 0.5);
        walk.step(Outcome::Served, 0.0);
        assert_eq!(walk.position(), 6.0);
    }
}
