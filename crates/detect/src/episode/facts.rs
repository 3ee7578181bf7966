//! What is asked of an episode.

use lapwing_event::{Address, LogSource, Span, Timestamp};

use super::Episode;
use crate::crowd::Crowd;
use crate::explain;
use crate::finding::{Origin, Outcomes, Point};
use crate::standing::Standing;
use crate::tunables::Tunables;

impl Episode {
    /// The shortest window in which a threshold was crossed.
    pub fn fastest(&self) -> Option<Span> {
        self.fastest
    }

    /// How often the origin used services, as part of it or beside it.
    pub fn uses(&self) -> u64 {
        self.uses
    }

    /// What is known of its address beside it.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// A sample of its attempts.
    pub fn points(&self) -> &[Point] {
        self.points.kept()
    }

    /// When its first attempt was.
    pub fn first(&self) -> Timestamp {
        self.first
    }

    /// The share of its targets that were visited again.
    pub fn revisited_share(&self) -> f64 {
        self.revisited.len() as f64 / self.pairs.len().max(1) as f64
    }

    /// Who scans.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How many attempts it holds.
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// The highest threshold that is known to be crossed.
    pub fn peak(&self) -> f64 {
        self.peak
    }

    /// Every host that was probed.
    pub fn hosts(&self) -> impl Iterator<Item = Address> {
        self.hosts.iter().copied()
    }

    /// Every port that was probed.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().map(|(_, port)| *port)
    }

    /// First contacts a second, over at least one second.
    pub fn rate(&self) -> f64 {
        self.attempts as f64 / self.last.since(self.first).as_seconds().max(1.0)
    }

    /// Whether further touches of its targets have just shown that what crossed a threshold is
    /// ordinary, or is not after all; looked at once for each round of its targets.
    pub fn turns_ordinary(&mut self, tunables: &Tunables) -> bool {
        let round =
            self.revisits > 0 && self.revisits.is_multiple_of(self.pairs.len().max(1) as u64);
        round && explain::is_ordinary(self, self.kind(), tunables) != self.ordinary
    }

    /// Whether order or density made it a scan, on any axis that it crossed, rather than what failed.
    pub fn is_by_order(&self) -> bool {
        self.by_order
    }

    /// Whether this log source alone told of it.
    pub fn is_of(&self, log_source: LogSource) -> bool {
        self.witnesses.keys().all(|(known, _)| *known == log_source)
    }

    /// Whether it was last told of as ordinary.
    pub fn is_ordinary(&self) -> bool {
        self.ordinary
    }

    /// Whether its command line is a scanner's.
    pub fn has_tool(&self) -> bool {
        self.tool.is_some()
    }

    /// What its contacts have in common.
    pub fn crowd(&self) -> &Crowd {
        &self.crowd
    }

    /// What came of its attempts.
    pub fn outcomes(&self) -> Outcomes {
        self.outcomes
    }

    /// Further visits to targets that it holds.
    pub fn revisits(&self) -> u64 {
        self.revisits
    }

    /// How many distinct targets it holds.
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }
}
