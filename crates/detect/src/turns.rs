//! Turns: when what some origins taught of the network is known to the others.

use lapwing_event::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a turn lasts at first: a capture of minutes is to be judged by what it shows itself.
const SHORTEST: Span = Span::seconds(60);

/// How long it lasts later, when there is more to judge by than the last minutes: long enough that the
/// events within can be judged side by side, short beside the days for which knowledge is kept.
const LONGEST: Span = Span::seconds(600);

/// What part of all the time so far it lasts between the two.
const PART: i64 = 16;

/// How many events a turn has at the most, so that what waits to be learned is bounded: seven lessons of
/// 40 bytes an event are 18 MiB.
const MOST: u64 = 65_536;

/// Turns of event time, from the first event on: when each ends depends on that alone.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Turns {
    ends: Option<Timestamp>,
    events: u64,
}

impl Turns {
    /// Counts an event.
    pub fn count(&mut self) {
        self.events += 1;
    }

    /// Whether the turn ends by this moment, or with the events that it has.
    pub fn ends_by(&self, began: Timestamp, moment: Timestamp) -> bool {
        moment >= self.ends.unwrap_or(began.plus(SHORTEST)) || self.events >= MOST
    }

    /// Whether the turn has as many events as it may: another begins then, which ends when this would have.
    pub fn is_over(&mut self) -> bool {
        let over = self.events >= MOST;
        if over {
            self.events = 0;
        }
        over
    }

    /// Goes on to a moment. Where turns end by then, when the first of them did and when the last.
    pub fn until(&mut self, began: Timestamp, moment: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let first = *self.ends.get_or_insert(began.plus(SHORTEST));
        if moment < first {
            return None;
        }
        let (mut last, mut next) = (first, after(began, first));
        // At the end of time none comes after the last.
        while next <= moment && next > last {
            last = next;
            next = after(began, last);
            if next.since(last) == LONGEST && next <= moment {
                // A year of silence is not walked through.
                let skipped = moment.since(next).0 / LONGEST.0;
                last = last.plus(LONGEST.times(skipped));
                next = last.plus(LONGEST);
            }
        }
        self.ends = Some(next);
        self.events = 0;
        Some((first, last))
    }
}

/// When the turn after one that ended ends.
fn after(began: Timestamp, ended: Timestamp) -> Timestamp {
    let length = Span(ended.since(began).0 / PART).clamp(SHORTEST, LONGEST);
    ended.plus(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BEGAN: Timestamp = Timestamp(1_700_000_000_000_000_000);

    fn at(seconds: i64) -> Timestamp {
        BEGAN.plus(Span::seconds(seconds))
    }

    #[test]
    fn turns_last_a_minute_at_first_and_ten_later() {
        let mut turns = Turns::default();
        assert_eq!(turns.until(BEGAN, at(59)), None);
        assert_eq!(turns.until(BEGAN, at(60)), Some((at(60), at(60))));
        assert_eq!(turns.until(BEGAN, at(250)), Some((at(120), at(240))));
        let day = turns.until(BEGAN, at(86_400)).map_or(BEGAN, |(_, last)| last);
        let next = turns.until(BEGAN, at(90_000)).map(|(first, _)| first);
        assert_eq!(next, Some(day.plus(LONGEST)));
    }

    #[test]
    fn the_end_of_time_comes() {
        let mut turns = Turns::default();
        assert!(turns.until(BEGAN, Timestamp::MAX).is_some());
        let mut turns = Turns::default();
        assert!(turns.until(Timestamp::MIN, Timestamp::MAX).is_some());
    }

    proptest! {
        /// However far it goes at once, turns end at the same moments.
        #[test]
        fn steps_change_nothing(mut moments in proptest::collection::vec(0_i64..2_000_000, 1..40)) {
            moments.sort_unstable();
            let last = at(moments.last().copied().unwrap_or_default());
            let mut whole = Turns::default();
            whole.until(BEGAN, last);
            let mut parts = Turns::default();
            for moment in moments {
                parts.until(BEGAN, at(moment));
            }
            prop_assert_eq!(whole.ends, parts.ends);
        }
    }
}
