//! Records to audit events: what belongs to one system call is brought together, in whatever
//! order and however far apart its records were written.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use lapwing_event::{Span, Timestamp};

pub(super) use super::event::{AuditEvent, MAX_EVENT_BYTES};
use super::nodes::NodeId;
use super::record::{Kind, Stamp};

/// How long records of an event may still come: `end_of_event_timeout` of auditd.conf(5), which
/// auparse uses by default.
const EVENT_TIMEOUT: Span = Span::seconds(2);

/// How long an event must have been open to be let go before an older neighbour that is due.
const SETTLED: Span = Span::seconds(1);

/// How many records of others must follow the last one of an event that looks incomplete before
/// the passing of time may close it: in a quiet log seconds lie between neighbouring lines, and a
/// connect that took long is written among events seconds younger than itself
/// (composed/auditd/lin-browser.log).
const SETTLING_RECORDS: u64 = 16;

/// The most events that are open at once. Records of one event lie a few lines apart (field case
/// UP-19); 512 events in between leave room for the worst mixing that relays make, and bound what
/// a log without time passing can hold.
pub(super) const MAX_OPEN: usize = 512;

/// How many of the oldest open events are put in order of serial: lines of neighbouring events
/// swap places (field case UP-19), and a socket call must be known before its connect.
const REORDERED: usize = 16;

/// The most buffers of closed events that are kept to be used again.
const MAX_SPARE: usize = 64;

/// What tells events apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    node: NodeId,
    time: Timestamp,
    serial: u64,
}

/// An event's place among the open ones.
#[derive(Debug)]
struct Slot {
    key: Key,
    /// The assembler's clock when it was opened. Not the event's own time: that is taken at
    /// syscall entry, and a connect that timed out is written minutes later with its old time.
    opened: Timestamp,
    /// How many records the assembler had taken when the last one of this event came.
    touched: u64,
    held: Held,
}

impl Slot {
    /// Whether no more records are to be expected by now.
    fn is_settled(&self, clock: Timestamp, records: u64, age: Span) -> bool {
        if clock.since(self.opened) <= age {
            return false;
        }
        let complete = match &self.held {
            Held::Open(event) => event.is_complete(),
            Held::Unwanted => false,
            Held::Ended => true,
        };
        complete || records.saturating_sub(self.touched) >= SETTLING_RECORDS
    }
}

#[derive(Debug)]
enum Held {
    Open(AuditEvent),
    /// It is of no use; what else comes of it is passed over.
    Unwanted,
    /// Its end was said, and it was given out.
    Ended,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    Kept,
    Unwanted,
    /// Its event was said to have ended before.
    Late,
}

/// Brings records of one event together.
#[derive(Debug)]
pub(super) struct Assembler {
    slots: VecDeque<Slot>,
    /// How many slots were given up before the front one.
    gone: u64,
    /// Where each key lies, counted from the very first slot.
    index: HashMap<Key, u64, RandomState>,
    /// The key of the last record, since records of one event mostly come together.
    last: Option<(Key, u64)>,
    clock: Option<Timestamp>,
    /// How many records it has taken.
    records: u64,
    /// What to add to each node's time to get the clock, so that a node whose clock is an hour
    /// ahead does not cut short the events of the others.
    leads: Vec<Option<Span>>,
    spare: Vec<AuditEvent>,
}

impl Assembler {
    pub fn new() -> Assembler {
        Assembler {
            slots: VecDeque::new(),
            gone: 0,
            index: HashMap::default(),
            last: None,
            clock: None,
            records: 0,
            leads: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Adds a record to its event; `body` is what follows the stamp.
    pub fn add(
        &mut self,
        node: NodeId,
        stamp: Stamp,
        kind: Kind,
        offset: u64,
        body: &[u8],
    ) -> Added {
        match self.held(node, stamp, offset) {
            Some(Held::Open(event)) => {
                event.add(kind, offset, body);
                Added::Kept
            }
            Some(Held::Unwanted) => Added::Unwanted,
            Some(Held::Ended) | None => Added::Late,
        }
    }

    /// Says that an event is of no use: its other records are passed over as they come.
    pub fn unwanted(&mut self, node: NodeId, stamp: Stamp, offset: u64) {
        let held = self.held(node, stamp, offset);
        let was = held.map(|held| std::mem::replace(held, Held::Unwanted));
        if let Some(Held::Open(event)) = was {
            self.reuse(event);
        }
    }

    /// Closes an event at once, where its end-of-event record says so.
    pub fn end_of_event(&mut self, node: NodeId, stamp: Stamp) -> Option<AuditEvent> {
        let key = Key { node, time: stamp.time, serial: stamp.serial };
        let place = self.place(&key)?;
        let slot = self.slots.get_mut(usize::try_from(place.checked_sub(self.gone)?).ok()?)?;
        match std::mem::replace(&mut slot.held, Held::Ended) {
            Held::Open(event) => Some(event),
            Held::Unwanted | Held::Ended => None,
        }
    }

    /// The next event that is due, if any: time has passed, or too many are open.
    pub fn due(&mut self) -> Option<AuditEvent> {
        let clock = self.clock?;
        while let Some(front) = self.slots.front() {
            let crowded = self.slots.len() > MAX_OPEN;
            if !crowded && !front.is_settled(clock, self.records, EVENT_TIMEOUT) {
                return None;
            }
            let records = self.records;
            let settled = |slot: &Slot| crowded || slot.is_settled(clock, records, SETTLED);
            if let Some(event) = self.first_of_front(settled) {
                return Some(event);
            }
            self.drop_front();
        }
        None
    }

    /// The next event of all that are still open, at the end of the input.
    pub fn rest(&mut self) -> Option<AuditEvent> {
        while !self.slots.is_empty() {
            if let Some(event) = self.first_of_front(|_| true) {
                return Some(event);
            }
            self.drop_front();
        }
        None
    }

    /// Takes back the buffers of an event.
    pub fn reuse(&mut self, event: AuditEvent) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(event);
        }
    }

    /// Takes the event of the least serial among the settled ones of the front slot's node near
    /// the front; `None` where the front slot holds none.
    fn first_of_front(&mut self, settled: impl Fn(&Slot) -> bool) -> Option<AuditEvent> {
        let front = self.slots.front()?;
        let Held::Open(_) = front.held else { return None };
        let node = front.key.node;
        let (first, _) = self
            .slots
            .iter()
            .take(REORDERED)
            .enumerate()
            .filter(|(at, slot)| {
                *at == 0
                    || slot.key.node == node && matches!(slot.held, Held::Open(_)) && settled(slot)
            })
            .min_by_key(|(_, slot)| slot.key.serial)?;
        match std::mem::replace(&mut self.slots.get_mut(first)?.held, Held::Ended) {
            Held::Open(event) => Some(event),
            Held::Unwanted | Held::Ended => None,
        }
    }

    fn drop_front(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            if self.index.get(&slot.key) == Some(&self.gone) {
                self.index.remove(&slot.key);
            }
            if self.last.is_some_and(|(_, place)| place == self.gone) {
                self.last = None;
            }
            self.gone += 1;
        }
    }

    /// What is held of an event, opened where there is nothing yet; never `None`, since slots are
    /// given up only by `due` and `rest`.
    fn held(&mut self, node: NodeId, stamp: Stamp, offset: u64) -> Option<&mut Held> {
        let key = Key { node, time: stamp.time, serial: stamp.serial };
        let place = self.place(&key).unwrap_or_else(|| {
            let place = self.gone + self.slots.len() as u64;
            let opened = self.advance(node, stamp.time);
            let event = self.fresh(key, offset);
            self.slots.push_back(Slot { key, opened, touched: 0, held: Held::Open(event) });
            self.index.insert(key, place);
            place
        });
        self.last = Some((key, place));
        let at = usize::try_from(place.checked_sub(self.gone)?).ok()?;
        self.records += 1;
        let slot = self.slots.get_mut(at)?;
        slot.touched = self.records;
        Some(&mut slot.held)
    }

    /// Where the slot of this key lies, counted from the very first one.
    fn place(&self, key: &Key) -> Option<u64> {
        match self.last {
            Some((last, place)) if last == *key => Some(place),
            _ => self.index.get(key).copied(),
        }
    }

    fn fresh(&mut self, key: Key, offset: u64) -> AuditEvent {
        AuditEvent::opened(key.node, key.time, key.serial, offset, self.spare.pop())
    }

    /// Moves the clock on by a node's time, and returns it.
    fn advance(&mut self, node: NodeId, time: Timestamp) -> Timestamp {
        let clock = self.clock.unwrap_or(time);
        let node = node as usize;
        if self.leads.len() <= node {
            self.leads.resize(node + 1, None);
        }
        let lead = match self.leads.get_mut(node) {
            Some(lead) => *lead.get_or_insert(clock.since(time)),
            None => Span::ZERO,
        };
        let clock = clock.max(time.plus(lead));
        self.clock = Some(clock);
        clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditd::nodes::Nodes;

    fn stamp(millis: i64, serial: u64) -> Stamp {
        Stamp { time: Timestamp(millis * 1_000_000), serial }
    }

    fn bodies(event: &AuditEvent) -> Vec<String> {
        [Kind::Syscall, Kind::Sockaddr, Kind::Execve, Kind::Proctitle]
            .into_iter()
            .flat_map(|kind| event.records(kind))
            .map(|body| String::from_utf8_lossy(body).into_owned())
            .collect()
    }

    #[test]
    fn records_of_one_event_meet_across_others_and_across_nodes() {
        let mut nodes = Nodes::new();
        let mut open = Assembler::new();
        let a = nodes.id(Some(b"a")).unwrap();
        let b = nodes.id(Some(b"b")).unwrap();
        open.add(b, stamp(1, 101), Kind::Proctitle, 0, b"p101b");
        open.add(a, stamp(1, 101), Kind::Syscall, 1, b"s101a");
        open.add(a, stamp(1, 100), Kind::Syscall, 2, b"s100a");
        open.add(b, stamp(1, 101), Kind::Syscall, 3, b"s101b");
        open.add(a, stamp(1, 101), Kind::Sockaddr, 4, b"a101a");
        open.add(a, stamp(1, 100), Kind::Sockaddr, 5, b"a100a");
        assert!(open.due().is_none());
        let all: Vec<AuditEvent> = std::iter::from_fn(|| open.rest()).collect();
        let all: Vec<_> =
            all.iter().map(|event| (event.node, event.offset, bodies(event))).collect();
        let words = |words: [&str; 2]| words.map(String::from).to_vec();
        assert_eq!(
            all,
            [
                (b, 3, words(["s101b", "p101b"])),
                (a, 2, words(["s100a", "a100a"])),
                (a, 1, words(["s101a", "a101a"])),
            ]
        );
    }

    /// Takes records of events of no use until all others are settled.
    fn settle(open: &mut Assembler, millis: i64) {
        for serial in 0..SETTLING_RECORDS {
            open.unwanted(0, stamp(millis, 1_000 + serial), 0);
        }
    }

    #[test]
    fn an_event_is_closed_by_time_and_not_by_the_next_serial() {
        let mut open = Assembler::new();
        open.add(0, stamp(1_000, 1), Kind::Syscall, 0, b"s");
        open.add(0, stamp(2_500, 2), Kind::Syscall, 0, b"t");
        assert!(open.due().is_none());
        open.add(0, stamp(1_000, 1), Kind::Sockaddr, 0, b"a");
        open.unwanted(0, stamp(3_001, 3), 0);
        assert!(open.due().is_none(), "time has passed, but its title may still come");
        settle(&mut open, 3_001);
        assert_eq!(bodies(&open.due().unwrap()), ["s", "a"]);
        assert!(open.due().is_none());
    }

    #[test]
    fn a_complete_event_waits_for_time_alone() {
        let mut open = Assembler::new();
        for kind in [Kind::Proctitle, Kind::Syscall, Kind::Sockaddr] {
            open.add(0, stamp(1_000, 1), kind, 0, b"x");
        }
        assert!(open.due().is_none());
        open.unwanted(0, stamp(3_001, 3), 0);
        assert!(open.due().is_some());
    }

    #[test]
    fn an_old_stamp_written_late_still_waits_for_its_records() {
        let mut open = Assembler::new();
        open.add(0, stamp(200_000, 9), Kind::Syscall, 0, b"now");
        open.add(0, stamp(70_000, 10), Kind::Syscall, 0, b"old");
        assert!(open.due().is_none(), "its time is 130 s back, but it was written just now");
        open.add(0, stamp(70_000, 10), Kind::Sockaddr, 0, b"a");
        settle(&mut open, 203_000);
        assert_eq!(bodies(&open.due().unwrap()), ["now"]);
        assert_eq!(bodies(&open.due().unwrap()), ["old", "a"]);
    }

    #[test]
    fn a_node_with_a_wrong_clock_closes_nobody_elses_events() {
        let mut open = Assembler::new();
        open.add(1, stamp(1_000, 1), Kind::Syscall, 0, b"s");
        open.add(2, stamp(3_600_000, 1), Kind::Syscall, 0, b"t");
        assert!(open.due().is_none());
        settle(&mut open, 3_599_000);
        assert!(open.due().is_none());
        open.add(2, stamp(3_602_001, 2), Kind::Syscall, 0, b"u");
        assert_eq!(bodies(&open.due().unwrap()), ["s"]);
    }

    #[test]
    fn an_end_of_event_closes_at_once_and_what_follows_is_late() {
        let mut open = Assembler::new();
        open.add(0, stamp(1, 1), Kind::Syscall, 0, b"s");
        assert_eq!(bodies(&open.end_of_event(0, stamp(1, 1)).unwrap()), ["s"]);
        assert_eq!(open.add(0, stamp(1, 1), Kind::Sockaddr, 0, b"a"), Added::Late);
        assert!(open.end_of_event(0, stamp(1, 1)).is_none());
        assert!(open.end_of_event(0, stamp(1, 2)).is_none());
        open.unwanted(0, stamp(1, 3), 0);
        assert_eq!(open.add(0, stamp(1, 3), Kind::Sockaddr, 0, b"a"), Added::Unwanted);
        assert!(open.rest().is_none());
    }

    #[test]
    fn open_events_and_their_bytes_are_bounded() {
        let mut open = Assembler::new();
        for serial in 0..2_000 {
            open.add(0, stamp(1, serial), Kind::Syscall, serial, b"s");
            while let Some(event) = open.due() {
                open.reuse(event);
            }
            assert!(open.slots.len() <= MAX_OPEN && open.index.len() <= MAX_OPEN);
        }
        let long = vec![b'x'; MAX_EVENT_BYTES];
        open.add(0, stamp(1, 1_999), Kind::Execve, 0, &long);
        let event = std::iter::from_fn(|| open.rest()).last().unwrap();
        assert!(
            event.shed && event.all().map(|(_, body)| body.len()).sum::<usize>() == MAX_EVENT_BYTES
        );
    }
}
