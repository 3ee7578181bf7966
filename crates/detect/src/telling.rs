//! Episodes over time: begun or gone on with, kept within bounds, closed when quiet, told of.

use lapwing_event::Timestamp;

use crate::analytics::Analytic;
use crate::claims::claims_key;
use crate::episode::Episode;
use crate::explain;
use crate::finding::{Origin, Severity};
use crate::severity;
use crate::shard::{Judge, SHARDS, Said};
use crate::suppress;

/// How many episodes are kept open or resumable at once in a shard, 4,096 in all. Each holds at most
/// 65,536 targets; the longest quiet goes first, and is told of before it goes.
const MAX_EPISODES: usize = 4096 / SHARDS;

impl Judge<'_> {
    /// The episode that this identity had and goes on with, or a new one.
    pub(crate) fn begin(
        &mut self,
        id: u64,
        origin: Origin,
        analytic: &'static Analytic,
        first: Timestamp,
        now: Timestamp,
    ) -> Episode {
        let resume = self.tunables.detection.episode.resume;
        let before = self.shard.episodes.remove(&id);
        // What was ordinary stays told of as that; what comes now is another matter (UP-08).
        let goes_on = |episode: &Episode| {
            !episode.is_closed() || (now.since(episode.last()) <= resume && !episode.is_ordinary())
        };
        match before.filter(goes_on) {
            Some(mut episode) => {
                if episode.is_closed() {
                    episode.resume();
                }
                episode
            }
            None => Episode::new(analytic, origin, id, first),
        }
    }

    /// Keeps an episode, letting the longest quiet one go where there are too many.
    pub(crate) fn keep(&mut self, id: u64, mut episode: Episode, out: &mut Vec<Said>) {
        if let Some(evidence) = self.shard.evidence.get(id) {
            episode.note_evidence(evidence);
        }
        if self.shard.episodes.len() >= MAX_EPISODES
            && let Some((_, oldest)) = self.shard.deadlines.pop_first()
        {
            self.close(oldest, out);
            self.shard.episodes.remove(&oldest);
            self.shard.shed_episodes += 1;
        }
        let deadline = episode.deadline(&self.tunables.detection.episode);
        self.shard.deadlines.insert((deadline, id));
        self.shard.episodes.insert(id, episode);
    }

    /// Closes the episodes that have been quiet, and forgets those that can resume no more.
    pub(crate) fn close_due(&mut self, now: Timestamp, out: &mut Vec<Said>) {
        while let Some((due, id)) = self.shard.deadlines.first().copied() {
            if due >= now {
                return;
            }
            self.shard.deadlines.pop_first();
            let tunables = self.tunables.detection.episode;
            let Some(episode) = self.shard.episodes.get(&id) else { continue };
            let closes = episode.deadline(&tunables);
            let forgotten = episode.last().plus(tunables.resume.max(tunables.quiet));
            if !episode.is_closed() && closes >= now {
                self.shard.deadlines.insert((closes, id));
            } else if !episode.is_closed() {
                self.close(id, out);
                self.shard.deadlines.insert((forgotten.max(closes), id));
            } else if forgotten >= now {
                self.shard.deadlines.insert((forgotten, id));
            } else {
                self.shard.episodes.remove(&id);
            }
        }
    }

    /// Closes what is open, at the end of the input.
    pub(crate) fn close_all(&mut self, out: &mut Vec<Said>) {
        let open: Vec<u64> = self.shard.episodes.keys().copied().collect();
        for id in open {
            self.close(id, out);
        }
    }

    pub(crate) fn close(&mut self, id: u64, out: &mut Vec<Said>) {
        let Some(episode) = self.shard.episodes.get_mut(&id) else { return };
        if episode.is_closed() {
            return;
        }
        episode.close();
        if let Some(origin) = self.shard.origins.get_mut(id) {
            origin.convicted = false;
        }
        if let Some(suppressed_by) = self.tell(id, out) {
            *self.shard.suppressed.entry(suppressed_by).or_insert(0) += 1;
        }
    }

    /// Says what is to be said of an episode that opened or grew, unless too much is being said.
    pub(crate) fn say(&mut self, id: u64, out: &mut Vec<Said>) {
        self.tell_early(id, true, out);
    }

    /// Says what is to be said of an episode now; the entry that expects it, if any.
    pub(crate) fn tell(&mut self, id: u64, out: &mut Vec<Said>) -> Option<String> {
        self.tell_early(id, false, out)
    }

    fn tell_early(&mut self, id: u64, early: bool, out: &mut Vec<Said>) -> Option<String> {
        let standing = self.standing(self.shard.episodes.get(&id)?);
        let episode = self.shard.episodes.get_mut(&id)?;
        episode.note_standing(standing);
        if let Some(origin) = self.shard.origins.get(id) {
            episode.note_uses(origin.uses);
        }
        let mut finding = episode.finding(self.tunables);
        if let Some(analytic) = Analytic::named(finding.analytic) {
            finding.silent_at = explain::silent_at(episode, analytic.threshold_key, self.tunables);
        }
        let began = self.began.unwrap_or(finding.first_seen);
        let watched = finding.first_seen.since(began).as_seconds() / 3600.0;
        if let Some(note) = explain::cold_start(episode, &finding, watched) {
            finding.notes.push(note);
            finding.severity = finding.severity.min(Severity::Low);
        }
        let claimed = finding.origin.address.map(claims_key);
        let claims = claimed.and_then(|key| self.claims.get(key));
        let corroborated = claims.is_some_and(|claims| claims.corroborate(&mut finding));
        let claimed = claimed.filter(|_| corroborated);
        severity::by_context(&mut finding, &self.tunables.analytics.an1059.user_context);
        let suppressed_by = suppress::mark(&mut finding, episode, self.tunables);
        let (at, time) = (self.at, self.shard.now);
        out.push(Said { at, time, id, early, finding, claimed });
        suppressed_by
    }
}
