//! The tracker's clock, driven by packet times alone.

use lapwing_event::{Span, Timestamp};

/// How far a packet's time may lie behind the clock and still be taken for one out of order. A
/// longer step back is another recording appended, or one wrong time ahead of all others: the
/// clock then goes on from where it stands at the pace of the new times, so that one bad time
/// cannot stop it.
const OUT_OF_ORDER: Span = Span::seconds(60);

/// A clock that never goes back.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: i64,
    /// What is added to packet times to make them go on from where the clock stands.
    ahead: i64,
    started: bool,
}

impl Clock {
    /// Moves on to a packet's time, or stays where that lies behind.
    pub(super) fn observe(&mut self, time: Timestamp) {
        if !self.started {
            self.started = true;
            self.now = time.0;
            return;
        }
        let reading = time.0.saturating_add(self.ahead);
        let behind = self.now.saturating_sub(reading);
        if behind <= 0 {
            self.now = reading;
        } else if behind > OUT_OF_ORDER.0 {
            self.ahead = self.now.saturating_sub(time.0);
        }
    }

    /// The clock's reading, in nanoseconds.
    pub(super) fn now(&self) -> i64 {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(seconds: &[i64]) -> Vec<i64> {
        let mut clock = Clock::default();
        seconds
            .iter()
            .map(|second| {
                clock.observe(Timestamp(Span::seconds(*second).0));
                clock.now() / Span::seconds(1).0
            })
            .collect()
    }

    #[test]
    fn it_never_goes_back_and_never_stops() {
        assert_eq!(readings(&[10, 12, 11, 13]), [10, 12, 12, 13]);
        assert_eq!(
            readings(&[10, 1_000_000, 11, 15, 20]),
            [10, 1_000_000, 1_000_000, 1_000_004, 1_000_009]
        );
    }
}
