//! What is not told of at once because too much is: bursts of findings, each summed up.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_event::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bounded::identity;
use crate::finding::{Kind, Origin};
use crate::tunables::Telling;

/// How many bursts are kept apart; later ones are summed up with the last.
const MAX_BURSTS: usize = 64;

/// How many findings of a burst are told apart, and how many of their origins are: as many as episodes are
/// kept at once.
const MAX_TOLD_APART: usize = 4096;

/// How many origins of a burst are named.
const MAX_NAMED: usize = 8;

/// Two minutes without a withheld telling end a burst.
const LULL: i64 = 2;

/// One burst of more findings than are let through: what was withheld, of whom. Each is told when it has
/// grown and there is room, and when its scan ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overflow {
    /// When the first telling was withheld.
    pub first: Timestamp,
    /// When the last was.
    pub last: Timestamp,
    /// How many findings were withheld, new ones and such that had grown; a lower bound beyond 4096.
    pub findings: u64,
    /// How many findings of each kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// Of whom most was withheld, most first, at most 8, each with how many findings.
    pub origins: Vec<(Origin, u64)>,
    /// How many origins there were beside these.
    pub others: u64,
}

/// What is told within a minute, and what is withheld.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tellings {
    minute: Option<i64>,
    told: u32,
    of_origins: BTreeMap<u64, u32>,
    burst: Option<Burst>,
    over: Vec<Overflow>,
}

/// A burst in the making.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Burst {
    sum: Overflow,
    findings: BTreeSet<u64>,
    origins: BTreeMap<u64, (Origin, u64)>,
}

impl Tellings {
    /// Whether a finding may be told of now, by the numbers of the configuration; what may not is summed up.
    pub fn may(
        &mut self,
        now: Timestamp,
        (id, kind, origin): (u64, Kind, &Origin),
        limits: &Telling,
    ) -> bool {
        let minute = now.0.div_euclid(Span::seconds(60).0);
        if self.minute != Some(minute) {
            (self.minute, self.told) = (Some(minute), 0);
            self.of_origins.clear();
            self.end_burst(minute);
        }
        let of = whose(origin, id);
        // As many entries as are told of, so that it is bounded by the limit.
        let of_origin = self.of_origins.get(&of).copied().unwrap_or_default();
        if self.told < limits.per_minute && of_origin < limits.per_origin {
            self.told += 1;
            self.of_origins.insert(of, of_origin + 1);
            return true;
        }
        self.burst.get_or_insert_with(|| Burst::new(now)).add(now, (id, kind, origin), of);
        false
    }

    fn end_burst(&mut self, minute: i64) {
        let over =
            |burst: &mut Burst| minute - burst.sum.last.0.div_euclid(Span::seconds(60).0) >= LULL;
        if let Some(burst) = self.burst.take_if(over) {
            keep(&mut self.over, burst.summed());
        }
    }

    /// Every burst so far, the last of which may go on.
    pub fn overflows(&self) -> Vec<Overflow> {
        let mut all = self.over.clone();
        if let Some(burst) = &self.burst {
            keep(&mut all, burst.clone().summed());
        }
        all
    }
}

impl Burst {
    fn new(first: Timestamp) -> Burst {
        let sum = Overflow {
            first,
            last: first,
            findings: 0,
            kinds: BTreeMap::new(),
            origins: Vec::new(),
            others: 0,
        };
        Burst { sum, findings: BTreeSet::new(), origins: BTreeMap::new() }
    }

    fn add(&mut self, now: Timestamp, (id, kind, origin): (u64, Kind, &Origin), of: u64) {
        self.sum.last = now;
        if self.findings.len() >= MAX_TOLD_APART || !self.findings.insert(id) {
            return;
        }
        *self.sum.kinds.entry(kind).or_default() += 1;
        // Each is of one finding at least, so that they are no more than those.
        self.origins.entry(of).or_insert_with(|| (origin.clone(), 0)).1 += 1;
    }

    fn summed(self) -> Overflow {
        let mut origins: Vec<(Origin, u64)> = self.origins.into_values().collect();
        origins.sort_by_key(|(_, findings)| std::cmp::Reverse(*findings));
        let others = origins.len().saturating_sub(MAX_NAMED) as u64;
        origins.truncate(MAX_NAMED);
        Overflow { findings: self.findings.len() as u64, origins, others, ..self.sum }
    }
}

/// Adds a burst, to the last one where there are too many.
fn keep(over: &mut Vec<Overflow>, burst: Overflow) {
    if over.len() < MAX_BURSTS {
        over.push(burst);
        return;
    }
    let Some(last) = over.last_mut() else { return };
    last.last = burst.last;
    last.findings += burst.findings;
    last.others += burst.others + burst.origins.len() as u64;
    for (kind, findings) in burst.kinds {
        *last.kinds.entry(kind).or_default() += findings;
    }
}

/// Whose findings are counted together: a computer's, else an address's or a pod's.
fn whose(origin: &Origin, id: u64) -> u64 {
    let pod = origin.container.as_deref().and_then(|container| container.pod.as_deref());
    match (&origin.device, origin.address, pod) {
        (Some(device), ..) => identity(&[b"device", device.as_bytes()]),
        (None, Some(address), _) => identity(&[b"address", &address.octets()]),
        (None, None, Some(pod)) => identity(&[b"pod", pod.as_bytes()]),
        (None, None, None) => id,
    }
}
