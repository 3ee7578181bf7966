//! The nursery: where the one contact of an origin that made no second waits.
//!
//! Most sources of a flood, and most processes of a computer, make one contact and are never heard
//! of again. They cost one small entry here and touch nothing else, so that a million spoofed
//! sources a second neither take the counters' memory nor displace a scanner that is being watched
//! (scan-detectors.md section 7).

use lapwing_event::Outcome;
use serde::{Deserialize, Serialize};

use crate::attempt::Contact;
use crate::bounded::Scored;
use crate::counters::host_key;
use crate::origin::Link;
use crate::shard::Judge;

/// The most that one contact can weigh by default: illegal flags (3) at a dark address (2). Where
/// a threshold is no higher, one contact can cross it and there is nothing to wait for.
const HEAVIEST: f64 = 6.0;

/// An origin's only contact so far.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct First {
    contact: Contact,
    revisits: u32,
}

impl Scored for First {
    fn score(&self) -> u64 {
        // The heaviest stays, then the youngest: a second contact comes soon or never.
        let weight = (f64::from(self.contact.weight) * 16.0) as u64;
        let age = (self.contact.time.0 >> 24).max(0) as u64;
        weight << 48 | age.min((1 << 48) - 1)
    }
}

impl Judge<'_> {
    /// Whether this contact is an origin's only one, which waits; a second one brings the first
    /// into the counters.
    pub(crate) fn waits(&mut self, link: Link, contact: &Contact, threshold: f64) -> bool {
        let round = self.tunables.detection.ordinary.round;
        let shard = &mut self.shard;
        let watched = shard.origins.get(link.id).is_some() || shard.episodes.contains_key(&link.id);
        if watched || threshold <= HEAVIEST {
            return false;
        }
        let Some(first) = shard.nursery.get_mut(link.id) else {
            shard.nursery.get_or_insert(link.id, || First { contact: *contact, revisits: 0 });
            return true;
        };
        if first.contact.pair() == contact.pair() {
            let apart = contact.time.since(first.contact.time);
            if first.contact.log_source != contact.log_source && apart < round {
                // Another log tells of the same attempt.
                if first.contact.outcome == Outcome::Unknown {
                    first.contact.outcome = contact.outcome;
                    first.contact.weight = contact.weight;
                }
                return true;
            }
            first.revisits = first.revisits.saturating_add(1);
            // A contact that is renewed is known for as long as others are.
            first.contact.time = contact.time;
            return true;
        }
        if let Some(First { contact: first, revisits }) = shard.nursery.remove(link.id) {
            let fresh = contact.time.since(first.time) < self.tunables.detection.novelty;
            if !fresh {
                return false;
            }
            let pairs = &mut self.shard.pairs;
            let touch = pairs.touch(host_key(link.id, &first), first.what(), first.time);
            if touch.before.is_none() {
                self.add(link, &first, touch.new_host);
                for _ in 0..revisits.min(MAX_REVISITS) {
                    self.revisit(link, &first);
                }
            }
        }
        false
    }
}

/// How many revisits are carried over: past a few per target it is a client's all the same.
const MAX_REVISITS: u32 = 16;
