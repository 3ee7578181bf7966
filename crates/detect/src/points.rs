//! A sample of an episode's attempts, spread evenly over it: what a plot shows.

use serde::{Deserialize, Serialize};

use crate::attempt::Contact;
use crate::finding::Point;

/// How many attempts are kept: a plot of some hundred pixels shows no more, and 4096 episodes stay
/// within 40 MiB.
pub(crate) const MAX_POINTS: usize = 256;

/// Every `stride`th attempt; where there are too many, every other one of them goes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Points {
    kept: Vec<Point>,
    seen: u64,
    /// The stride's exponent.
    halved: u32,
}

impl Points {
    /// Takes the next attempt.
    pub fn push(&mut self, contact: &Contact) {
        if self.seen.is_multiple_of(1 << self.halved) {
            let Contact { time, target, port, outcome, .. } = *contact;
            self.kept.push(Point { time, host: target, port, outcome });
        }
        self.seen += 1;
        if self.kept.len() > MAX_POINTS {
            thin(&mut self.kept);
            self.halved += 1;
        }
    }

    /// Takes over the outcome of an attempt that another record tells of.
    pub fn settle(&mut self, contact: &Contact) {
        let same = |point: &&mut Point| point.host == contact.target && point.port == contact.port;
        if let Some(point) = self.kept.iter_mut().rev().find(same) {
            point.outcome = contact.outcome;
        }
    }

    /// The kept attempts, in the order in which they came.
    pub fn kept(&self) -> &[Point] {
        &self.kept
    }
}

/// Two samples as one, by time.
pub(crate) fn joined(mut a: Vec<Point>, b: Vec<Point>) -> Vec<Point> {
    a.extend(b);
    a.sort_unstable();
    while a.len() > MAX_POINTS {
        thin(&mut a);
    }
    a
}

/// Keeps every other one.
fn thin(points: &mut Vec<Point>) {
    let mut keep = false;
    points.retain(|_| {
        keep = !keep;
        keep
    });
}
