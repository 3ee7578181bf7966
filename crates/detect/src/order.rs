//! Event-time order: holds events back until nothing earlier can come, within the lateness.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use lapwing_event::{Event, InputId, Span, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many events are held back at once. A full buffer releases its earliest before its time,
/// which is counted; at 96 bytes an event this is 24 MiB.
const MAX_HELD: usize = 262_144;

/// The total order of events: time, then input, then place in it, then arrival.
type Key = (Timestamp, InputId, u64, u64);

struct Held {
    key: Key,
    event: Event,
}

impl Held {
    fn new(event: Event, arrival: u64) -> Held {
        Held { key: (event.time, event.record.input, event.record.offset, arrival), event }
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Held) -> bool {
        self.key == other.key
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Held) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, other: &Held) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// Puts events that come nearly in order into order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    lateness: Span,
    #[serde(serialize_with = "write_held", deserialize_with = "read_held")]
    held: BinaryHeap<Reverse<Held>>,
    /// The latest event time seen or announced.
    newest: Timestamp,
    /// The time of the last event released: nothing earlier can be released any more.
    released: Timestamp,
    arrivals: u64,
    late: u64,
    /// Whether nothing will come any more, so that nothing waits.
    ended: bool,
}

impl Order {
    /// Holds events back for `lateness` of event time.
    pub fn new(lateness: Span) -> Order {
        Order {
            lateness,
            held: BinaryHeap::new(),
            newest: Timestamp::MIN,
            released: Timestamp::MIN,
            arrivals: 0,
            late: 0,
            ended: false,
        }
    }

    /// Whether an event lies before what was already released.
    pub fn is_late(&self, event: &Event) -> bool {
        event.time < self.released
    }

    /// Takes an event, and gives it back where it is due at once. One that lies before what was already
    /// released is too late: it is counted and let go, because judging it would depend on when it came.
    pub fn take(&mut self, event: Event) -> Option<Event> {
        if self.is_late(&event) {
            self.late += 1;
            return None;
        }
        self.newest = self.newest.max(event.time);
        // Input that is sorted already waits for nothing.
        if self.lateness == Span::ZERO && self.held.is_empty() {
            self.released = event.time;
            return Some(event);
        }
        self.held.push(Reverse(Held::new(event, self.arrivals)));
        self.arrivals += 1;
        self.pop()
    }

    /// Says that nothing before this moment will come.
    pub fn advance(&mut self, moment: Timestamp) {
        self.newest = self.newest.max(moment.plus(self.lateness));
    }

    /// The moment up to which everything has been released.
    pub fn watermark(&self) -> Timestamp {
        self.newest.minus(self.lateness)
    }

    /// The next event that is due, in order.
    pub fn pop(&mut self) -> Option<Event> {
        let next = self.held.peek()?.0.key.0;
        let due = next <= self.watermark() || self.held.len() > MAX_HELD || self.ended;
        if due { self.release() } else { None }
    }

    /// Says that nothing will come any more.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next event, due or not.
    fn release(&mut self) -> Option<Event> {
        let Reverse(held) = self.held.pop()?;
        self.released = held.key.0;
        Some(held.event)
    }

    /// How many events came too late to be judged.
    pub fn late(&self) -> u64 {
        self.late
    }
}

/// The held events in order, each with its arrival: the rest of a key is the event's own.
fn write_held<S: Serializer>(
    held: &BinaryHeap<Reverse<Held>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut all: Vec<&Held> = held.iter().map(|Reverse(held)| held).collect();
    all.sort();
    serializer.collect_seq(all.into_iter().map(|held| (held.key.3, &held.event)))
}

fn read_held<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BinaryHeap<Reverse<Held>>, D::Error> {
    let all: Vec<(u64, Event)> = Vec::deserialize(deserializer)?;
    let held = all.into_iter().map(|(arrival, event)| Held::new(event, arrival));
    Ok(held.map(Reverse).collect())
}

#[cfg(test)]
mod tests {
    use lapwing_event::{Activity, LogSource, ProcessActivity, Record};

    use super::*;

    fn event(seconds: i64) -> Event {
        Event {
            time: Timestamp(seconds * 1_000_000_000),
            record: Record::default(),
            log_source: LogSource::AuditExec,
            actor: None,
            activity: Activity::Process(ProcessActivity::Launch),
        }
    }

    #[test]
    fn events_within_the_lateness_come_in_order_and_later_ones_are_counted() {
        let mut order = Order::new(Span::seconds(5));
        let mut seen = Vec::new();
        for seconds in [10, 8, 12, 9, 20, 3] {
            let mut due = order.take(event(seconds));
            while let Some(event) = due {
                seen.push(event.time.0 / 1_000_000_000);
                due = order.pop();
            }
        }
        while let Some(event) = order.release() {
            seen.push(event.time.0 / 1_000_000_000);
        }
        assert_eq!(seen, [8, 9, 10, 12, 20]);
        assert_eq!(order.late(), 1);
    }
}
