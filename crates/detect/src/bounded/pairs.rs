//! What an origin did with a target: when it touched it last, and when it last used it.

use lapwing_event::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Generations, Slot, key};

/// Pairs of origin and target, by (origin, host) and by what of the host it was. Nearly all that an
/// origin does with a host is on one port, so that the host's own entry holds its first pair, and
/// what is asked for each event (was the host met, is the pair known, is it a habit) costs one
/// lookup.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pairs {
    entries: Generations<Pair>,
    /// For how long a touch makes the next no novelty.
    novelty: Span,
    /// For how long a use makes a habit.
    habit: Span,
}

/// What came of a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    /// When the pair was touched before, if that is no novelty.
    pub before: Option<Timestamp>,
    /// Whether the origin had not met the host before.
    pub new_host: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Pair {
    key: u64,
    touched: Timestamp,
    /// What of the host, shortened; of one host the chance that two are mixed up is 2^-32.
    what: u32,
    /// When it was last used, in seconds from 1970 and one more; 0 for never.
    used: u32,
}

impl Slot for Pair {
    fn new(key: u64) -> Pair {
        Pair { key, touched: Timestamp::MIN, what: 0, used: 0 }
    }

    fn key(&self) -> u64 {
        self.key
    }
}

impl Pair {
    fn is_blank(&self) -> bool {
        self.touched == Timestamp::MIN && self.used == 0
    }

    fn touched(&self, now: Timestamp, novelty: Span) -> Option<Timestamp> {
        let touched = self.touched != Timestamp::MIN && now.since(self.touched) < novelty;
        touched.then_some(self.touched)
    }

    fn is_habit(&self, now: Timestamp, habit: Span) -> bool {
        let used = Timestamp((i64::from(self.used) - 1) * 1_000_000_000);
        self.used != 0 && now.since(used) < habit
    }
}

impl Pairs {
    /// Remembers touches for `novelty` and uses for `habit`, at most `capacity` pairs and hosts in
    /// each of two generations.
    pub fn new(capacity: usize, novelty: Span, habit: Span) -> Pairs {
        Pairs { entries: Generations::new(capacity, novelty.max(habit)), novelty, habit }
    }

    /// Reads the entry of this host, for the sake of reading it.
    pub fn peek(&self, host: u64) -> u64 {
        self.entries.peek(host)
    }

    /// Notes that the origin touches the pair now.
    pub fn touch(&mut self, host: u64, what: u32, now: Timestamp) -> Touch {
        let novelty = self.novelty;
        let own = self.entries.place(host, now);
        if own.is_blank() {
            own.what = what;
        }
        if own.what == what {
            let before = own.touched(now, novelty);
            own.touched = now;
            return Touch { before, new_host: before.is_none() };
        }
        let met = own.touched(now, novelty).is_some();
        let other = self.entries.place(beside(host, what), now);
        let before = other.touched(now, novelty);
        other.touched = now;
        if met || before.is_some() {
            return Touch { before, new_host: false };
        }
        // The host is met anew, by this pair: it takes the host's own entry.
        let used = std::mem::take(&mut other.used);
        other.touched = Timestamp::MIN;
        let own = self.entries.place(host, now);
        let earlier = std::mem::replace(own, Pair { key: own.key, touched: now, what, used });
        if earlier.used != 0 {
            let place = self.entries.place(beside(host, earlier.what), now);
            *place = Pair { key: place.key, ..earlier };
        }
        Touch { before: None, new_host: true }
    }

    /// Notes that the origin uses the pair now; whether it is a habit.
    pub fn used(&mut self, host: u64, what: u32, now: Timestamp) -> bool {
        let habit = self.habit;
        let own = self.entries.place(host, now);
        if own.is_blank() {
            own.what = what;
        }
        let pair = match own.what == what {
            true => own,
            false => self.entries.place(beside(host, what), now),
        };
        let before = pair.is_habit(now, habit);
        let seconds = now.0.div_euclid(1_000_000_000).saturating_add(1);
        pair.used = seconds.clamp(1, i64::from(u32::MAX)) as u32;
        before
    }

    /// Whether the pair is a habit of the origin.
    pub fn is_habit(&self, host: u64, what: u32, now: Timestamp) -> bool {
        let own = self.entries.find(host);
        let pair = match own {
            Some(own) if own.what == what => Some(own),
            Some(_) => self.entries.find(beside(host, what)),
            None => None,
        };
        pair.is_some_and(|pair| pair.is_habit(now, self.habit))
    }

    /// How many were forgotten before their time.
    pub fn shed(&self) -> u64 {
        self.entries.shed()
    }
}

/// The key of a pair that has not its host's own entry.
fn beside(host: u64, what: u32) -> u64 {
    key(*b"beside  ", &[host, u64::from(what)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Span = Span::seconds(86_400);

    fn at(hours: i64) -> Timestamp {
        Timestamp(hours * 3600 * 1_000_000_000)
    }

    fn pairs() -> Pairs {
        Pairs::new(100, DAY, Span::seconds(7 * 86_400))
    }

    #[test]
    fn a_host_is_met_once_and_each_pair_of_it_is_new_once() {
        let mut pairs = pairs();
        assert_eq!(pairs.touch(1, 10, at(0)), Touch { before: None, new_host: true });
        assert_eq!(pairs.touch(1, 11, at(1)), Touch { before: None, new_host: false });
        assert_eq!(pairs.touch(1, 10, at(2)), Touch { before: Some(at(0)), new_host: false });
        assert_eq!(pairs.touch(1, 11, at(3)), Touch { before: Some(at(1)), new_host: false });
        assert_eq!(pairs.touch(2, 11, at(3)), Touch { before: None, new_host: true });
    }

    #[test]
    fn after_the_novelty_a_host_is_met_anew_once() {
        let mut pairs = pairs();
        pairs.touch(1, 10, at(0));
        pairs.touch(1, 11, at(0));
        pairs.used(1, 10, at(0));
        assert_eq!(pairs.touch(1, 11, at(30)), Touch { before: None, new_host: true });
        assert_eq!(pairs.touch(1, 12, at(31)), Touch { before: None, new_host: false });
        assert_eq!(pairs.touch(1, 10, at(32)), Touch { before: None, new_host: false });
        assert!(pairs.is_habit(1, 10, at(33)), "a use outlives a touch");
    }

    #[test]
    fn a_use_is_a_habit_from_the_second_on_for_a_week() {
        let mut pairs = pairs();
        assert!(!pairs.used(1, 10, at(0)));
        assert!(pairs.used(1, 10, at(24)));
        assert!(!pairs.is_habit(1, 11, at(24)));
        assert!(!pairs.used(1, 11, at(24)));
        assert!(pairs.is_habit(1, 11, at(24 * 7)));
        assert!(!pairs.is_habit(1, 10, at(24 * 9)));
        let touch = pairs.touch(1, 10, at(24 * 9));
        assert_eq!(touch, Touch { before: None, new_host: true }, "it was used, not touched");
    }
}
