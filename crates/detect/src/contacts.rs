//! Counting: a first contact goes to the counters of everyone it counts for, and opens or feeds an
//! episode.

use lapwing_event::{Event, Network, Outcome, Span};

use crate::analytics::Analytic;
use crate::attempt::{self, Contact, Target};
use crate::bounded::Touch;
use crate::counters::{Counters, host_key, hosts_key, ports_key};
use crate::crossing::Crossing;
use crate::fan_out::Limits;
use crate::finding::{Level, Origin};
use crate::look::Look;
use crate::origin::{Link, Who};
use crate::retold::Retold;
use crate::shard::{Judge, Said};

/// Two records of one touch lie this close together: evidence that was copied twice, two sensors of one
/// connection.
const SAME_TOUCH: Span = Span::millis(1);

/// By which steps the highest threshold is sought that a scan would still cross.
pub(crate) const PEAK_STEP: f64 = 1.05;

/// Up to which multiple of the threshold: nobody raises one tenfold to be rid of a scan.
const MOST_RAISED: f64 = 10.0;

/// How large a scan may be for that: nobody tunes away a larger one, and the search costs as much
/// as the judgement.
const PEAK_ATTEMPTS: u64 = 512;

/// What the episode is that a contact feeds; nothing where it feeds none yet.
#[derive(Clone, Copy, Default)]
struct SoFar {
    /// The highest threshold that it crossed.
    peak: f64,
    /// Whether it holds more than [`PEAK_ATTEMPTS`].
    large: bool,
}

/// What a contact came to.
#[derive(Default)]
struct Counted {
    crossing: Option<Crossing>,
    /// The highest threshold that is crossed; infinite where that is too high to matter.
    peak: f64,
}

impl Judge<'_> {
    /// Judges a network event; `weight` is what it counts for where that is known beforehand.
    pub(crate) fn network(
        &mut self,
        event: &Event,
        network: &Network,
        weight: Option<f64>,
        who: &Who,
        out: &mut Vec<Said>,
    ) {
        let writable = who.instance().is_some_and(|instance| instance.writable);
        let target = Target { writable, ..self.learn(network, who) };
        if !attempt::is_probe(network) {
            return;
        }
        let weight = match weight {
            Some(weight) => weight as f32,
            None => attempt::weight(network, &self.tunables.detection.weights, target),
        };
        let contact = attempt::contact(event, network, weight, who.child(), target);
        // What a pod does is its platform's matter, whatever log tells of it.
        let analytic = match who.is_pod() {
            true => Analytic::containers(),
            false => Analytic::of(event.log_source),
        };
        for (position, link) in who.links().iter().enumerate() {
            if link.level == Level::Session && self.is_broad(who) {
                continue;
            }
            let claimed = self.contact(position, *link, &contact, who, analytic, out);
            if claimed {
                self.disclaim(who, position, &contact);
                return;
            }
        }
    }

    /// Counts a contact for one identity; whether a finding of that identity holds it.
    fn contact(
        &mut self,
        position: usize,
        link: Link,
        contact: &Contact,
        who: &Who,
        analytic: &'static Analytic,
        out: &mut Vec<Said>,
    ) -> bool {
        let threshold = (analytic.threshold)(self.tunables) * self.tunables.profile.factor();
        if self.waits(link, contact, threshold) {
            return false;
        }
        let shard = &mut self.shard;
        let touch = shard.pairs.touch(host_key(link.id, contact), contact.what(), contact.time);
        let Touch { before, new_host } = touch;
        let first = before.is_none();
        if contact.outcome == Outcome::Served
            && let Some(origin) = shard.origins.get_mut(link.id)
        {
            origin.uses += 1;
        }
        let round = self.tunables.detection.ordinary.round;
        let again = before.is_some_and(|before| contact.time.since(before) >= round);
        // Of two logs of one computer; flows of one attempt are joined as findings.
        let retold = match !first && !again && who.instance().is_some() {
            true => self.retell(link, contact),
            false => Retold::No,
        };
        let shard = &mut self.shard;
        let open = shard.episodes.get_mut(&link.id).filter(|episode| !episode.is_closed());
        if let Some(episode) = open {
            episode.name_origin(|| who.origin(position));
            episode.note_program(who.process());
            episode.note_lookup(contact);
            if !first {
                if retold == Retold::No {
                    episode.touch(contact, again);
                }
                if episode.turns_ordinary(self.tunables) {
                    self.tell(link.id, out);
                }
                return true;
            }
            if episode.admits(contact) {
                episode.add(contact);
                episode.name_targets(&[*contact], self.bindings);
                let grown = episode.has_grown(&self.tunables.detection.episode);
                if episode.attempts() > PEAK_ATTEMPTS {
                    episode.note_peak(f64::INFINITY);
                }
                let so_far =
                    SoFar { peak: episode.peak(), large: episode.attempts() > PEAK_ATTEMPTS };
                let counted = self.count(link, contact, new_host, who, analytic, so_far);
                if let Some(crossing) = counted.crossing {
                    self.note_crossing(link.id, contact, &crossing, counted.peak);
                }
                if grown {
                    self.say(link.id, out);
                }
                return true;
            }
        }
        if retold == Retold::Outcome {
            let counted = self.judge(link, contact, who, analytic, SoFar::default());
            let Some(crossing) = counted.crossing else { return false };
            let origin = who.origin(position);
            self.open(link, contact, &crossing, counted.peak, origin, analytic, out);
            return true;
        }
        if !first {
            if retold == Retold::No
                && before.is_some_and(|before| contact.time.since(before) > SAME_TOUCH)
            {
                self.revisit(link, contact);
            }
            let turned = self.shard.episodes.get_mut(&link.id).is_some_and(|episode| {
                episode.touch(contact, again);
                episode.turns_ordinary(self.tunables)
            });
            if turned {
                self.tell(link.id, out);
            }
            return false;
        }
        let counted = self.count(link, contact, new_host, who, analytic, SoFar::default());
        let Some(crossing) = counted.crossing else { return false };
        let origin = who.origin(position);
        self.open(link, contact, &crossing, counted.peak, origin, analytic, out);
        true
    }

    /// Whether a process reaches more targets than one that is started for a probe or a few: what it does
    /// is its own and not its session's, as a browser's or a mail program's is.
    fn is_broad(&self, who: &Who) -> bool {
        let most = self.tunables.detection.together.targets_of_process as usize;
        let own = who.links().first().and_then(|link| self.shard.origins.get(link.id));
        own.is_some_and(|own| own.ring.len() > most)
    }

    /// Notes a threshold that the contact of an open episode crossed, with the earlier contacts of
    /// an axis that was not crossed before.
    fn note_crossing(&mut self, id: u64, contact: &Contact, crossing: &Crossing, peak: f64) {
        let is_new =
            self.shard.episodes.get(&id).is_some_and(|episode| !episode.has_axis(crossing.axis));
        let contacts = if is_new { self.contacts_of(id, contact, crossing) } else { Vec::new() };
        let shard = &mut self.shard;
        if let Some(episode) = shard.episodes.get_mut(&id) {
            episode.note_crossing(crossing);
            episode.note_peak(peak);
            episode.add_new(&contacts);
            episode.name_targets(&contacts, self.bindings);
        }
    }

    /// Adds a first contact to the origin's counters; the threshold that it crosses, if any, and the
    /// highest one that would still be crossed, if that is more than the highest `so_far`.
    fn count(
        &mut self,
        link: Link,
        contact: &Contact,
        new_host: bool,
        who: &Who,
        analytic: &'static Analytic,
        so_far: SoFar,
    ) -> Counted {
        self.add(link, contact, new_host);
        self.judge(link, contact, who, analytic, so_far)
    }

    /// The threshold that an origin's counters cross now, as [`Judge::count`] tells it.
    fn judge(
        &mut self,
        link: Link,
        contact: &Contact,
        who: &Who,
        analytic: &'static Analytic,
        so_far: SoFar,
    ) -> Counted {
        let limits = Limits {
            detection: &self.tunables.detection,
            threshold: (analytic.threshold)(self.tunables) * self.tunables.profile.factor(),
            walk: self.tunables.detection.walk + self.tunables.profile.walk(),
            key: analytic.threshold_key,
            window: (analytic.window)(self.tunables),
            outside: link.level == Level::Address
                && who.address().is_some_and(|address| !address.is_internal()),
            least: self.least,
        };
        let shard = &mut self.shard;
        let Some(origin) = shard.origins.get_mut(link.id) else { return Counted::default() };
        if limits.is_quiet(origin, contact) {
            return Counted::default();
        }
        if !origin.counted && limits.may_reach_one(&origin.ring, contact) {
            origin.part(link.id, &mut shard.cells);
        }
        let shard = &self.shard;
        let weighs = contact.weight > 0.0;
        let hosts_key = hosts_key(link.id, contact);
        let ports_key = ports_key(link.id, contact.target);
        let Some(origin) = shard.origins.get(link.id) else { return Counted::default() };
        let holds = match link.level {
            Level::Lineage | Level::Job | Level::Session => {
                origin.ring.is_by(limits.detection.together.processes as usize)
            }
            Level::Prefix => {
                let detection = limits.detection;
                origin.ring.rotates(contact.time, detection.spans.day, &detection.together)
            }
            _ => true,
        };
        if !holds {
            return Counted::default();
        }
        let look = |cell| Look::at(cell, contact.time);
        let counters = Counters {
            walk: origin.walk,
            ring: look(&origin.ring),
            ports: if origin.counted && weighs && contact.has_port() {
                shard.cells.get(ports_key).map(look)
            } else {
                None
            },
            hosts: match origin.counted && (weighs || !contact.is_outside_service()) {
                true => shard.cells.get(hosts_key).map(look),
                false => None,
            },
        };
        // What is new of a large scan is an axis that it had not crossed; to see for each attempt that it
        // still crosses the others takes longer than all the rest.
        let large = shard.episodes.get(&link.id).filter(|_| so_far.large);
        let known = |axis| large.is_some_and(|episode| episode.has_axis(axis));
        let crossing = counters.new_crossing(&limits, contact, known).filter(|crossing| {
            let share = limits.detection.together.session_share;
            link.level != Level::Session || counters.is_its_work(crossing, contact.time, share)
        });
        let crosses = |threshold| {
            let higher = Limits { threshold, ..limits };
            counters.crossing(&higher, contact).is_some()
        };
        let least = so_far.peak.max(limits.threshold);
        let peak = match crossing.is_some() && least < f64::INFINITY {
            true => highest(least, limits.threshold * MOST_RAISED, crosses),
            false => least,
        };
        Counted { crossing, peak }
    }

    /// Opens an episode, or goes on with the one that this origin had, with the contacts that made
    /// it cross.
    #[allow(clippy::too_many_arguments)]
    fn open(
        &mut self,
        link: Link,
        contact: &Contact,
        crossing: &Crossing,
        peak: f64,
        origin: Origin,
        analytic: &'static Analytic,
        out: &mut Vec<Said>,
    ) {
        let contacts = self.contacts_of(link.id, contact, crossing);
        let first = contacts.first().map_or(contact.time, |first| first.time);
        let mut episode = self.begin(link.id, origin, analytic, first, contact.time);
        episode.note_crossing(crossing);
        episode.note_peak(peak);
        episode.add_new(&contacts);
        episode.name_targets(&contacts, self.bindings);
        if let Some(origin) = self.shard.origins.get_mut(link.id) {
            origin.convicted = true;
            for earlier in origin.ring.within(contact.time, Span(i64::MAX)) {
                episode.note_lookup(earlier);
            }
        }
        // What the members of a loop did is the loop's from here on.
        self.keep(link.id, episode, out);
        self.say(link.id, out);
    }
}

/// The highest threshold by steps from `least` on that is crossed, infinite where that is `most` or more.
/// Sought by ways that double and then are halved, since a scan that begins anew may cross one many steps
/// higher.
fn highest(least: f64, most: f64, crosses: impl Fn(f64) -> bool) -> f64 {
    let at = |steps: i32| least * PEAK_STEP.powi(steps);
    let (mut crossed, mut above) = (0, 1);
    while crosses(at(above)) {
        match at(above) < most {
            true => (crossed, above) = (above, above * 2),
            false => return f64::INFINITY,
        }
    }
    while above - crossed > 1 {
        let between = crossed + (above - crossed) / 2;
        match crosses(at(between)) {
            true => crossed = between,
            false => above = between,
        }
    }
    at(crossed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_threshold_is_found_whatever_its_distance() {
        for true_peak in [10.0, 10.4, 11.0, 12.9, 55.0, 99.9, 100.1, 1e6] {
            let tries = std::cell::Cell::new(0);
            let found = highest(10.0, 100.0, |threshold| {
                tries.set(tries.get() + 1);
                threshold <= true_peak
            });
            assert!(tries.get() <= 12, "{} tries for {true_peak}", tries.get());
            match found.is_finite() {
                true => assert!(found <= true_peak && true_peak < found * PEAK_STEP * 1.000_001),
                false => assert!(true_peak >= 100.0),
            }
        }
        for nothing in [0.0, f64::NAN] {
            assert!(!highest(nothing, 10.0 * nothing, |_| true).is_finite(), "it ends");
        }
    }
}
