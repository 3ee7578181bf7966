//! What other tools say of an address: it corroborates a finding of that address, and makes none.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_event::{Address, Claim, Event, InputId, LogSource, Record, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bounded::{Scored, identity};
use crate::finding::{Finding, Witness};

/// How many addresses' claims are kept at once; those whose last claim is oldest go first.
pub(crate) const MAX_CLAIMED: usize = 8192;

/// How many of those that no finding rests on are told of by their words.
const MAX_ALONE: usize = 8;

/// How many different words of one address are kept: rulesets have some dozens for scans, and the
/// first ones tell enough.
const MAX_WORDS: usize = 8;

/// How far from a finding a claim of its origin still speaks of it.
const NEAR: Span = Span::seconds(3600);

/// By how much the confidence in a finding grows that another tool tells of too.
const CORROBORATED: u8 = 5;

/// What is said of one address.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    words: BTreeSet<(LogSource, Box<str>)>,
    first: Timestamp,
    last: Timestamp,
    records: BTreeMap<(LogSource, InputId), (Record, Record, u64)>,
    /// Whether a finding rests on it.
    used: bool,
}

/// The claims of an address, as a key.
pub(crate) fn claims_key(address: Address) -> u64 {
    identity(&[b"claim", &address.octets()])
}

/// What other sensors said of addresses of which no finding was made: the first of it in the order of
/// its words, and of how many addresses.
pub(crate) fn alone<'c>(all: impl Iterator<Item = &'c Claims>) -> (Vec<String>, u64) {
    let mut words = BTreeSet::new();
    let mut addresses = 0;
    for claims in all {
        addresses += u64::from(claims.alone().next().is_some());
        words.extend(claims.alone().map(ToString::to_string));
    }
    (words.into_iter().take(MAX_ALONE).collect(), addresses)
}

impl Scored for Claims {
    fn score(&self) -> u64 {
        self.last.0.max(0) as u64
    }
}

impl Claims {
    pub fn new(event: &Event) -> Claims {
        Claims {
            words: BTreeSet::new(),
            first: event.time,
            last: event.time,
            records: BTreeMap::new(),
            used: false,
        }
    }

    /// What other sensors said, where no finding of the address was made.
    pub fn alone(&self) -> impl Iterator<Item = &str> {
        let others = self.words.iter().filter(|(source, _)| *source != LogSource::Packets);
        others.filter(|_| !self.used).map(|(_, text)| text.as_ref())
    }

    /// Takes one more claim.
    pub fn add(&mut self, event: &Event, claim: &Claim) {
        self.last = self.last.max(event.time);
        if self.words.len() < MAX_WORDS {
            self.words.insert((event.log_source, claim.text.clone()));
        }
        let key = (event.log_source, event.record.input);
        let (first, last, count) =
            self.records.entry(key).or_insert((event.record, event.record, 0));
        *first = (*first).min(event.record);
        *last = (*last).max(event.record);
        *count += 1;
    }

    /// Notes that a finding rests on them.
    pub fn use_up(&mut self) {
        self.used = true;
    }

    /// Adds to a finding of the address what is said of it around the same time; whether anything is.
    pub fn corroborate(&self, finding: &mut Finding) -> bool {
        let near = self.first <= finding.last_seen.plus(NEAR)
            && self.last >= finding.first_seen.minus(NEAR);
        if !near {
            return false;
        }
        for (log_source, text) in &self.words {
            let who = match log_source {
                LogSource::ZeekNotice => "Zeek noticed it too",
                LogSource::SuricataAlert => "Suricata's signature tells of it too",
                _ => "its packets tell of their maker",
            };
            finding.notes.push(format!("{who}: {text}"));
        }
        // The packets themselves are witnesses already.
        let others = self.records.iter().filter(|((source, _), _)| *source != LogSource::Packets);
        finding.witnesses.extend(others.map(|((log_source, _), (first, last, records))| Witness {
            log_source: *log_source,
            first: *first,
            last: *last,
            records: *records,
        }));
        finding.confidence = finding.confidence.saturating_add(CORROBORATED).min(99);
        true
    }
}
