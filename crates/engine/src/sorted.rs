//! Puts events in event-time order, on disk where memory is short.
//!
//! Each worker fills an [`EventSorter`]; what does not fit its share of memory is written to an
//! unnamed temporary file as a sorted run. [`Sorted`] merges the runs of all workers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lapwing_event::{Activity, Event, InputId, Timestamp};

mod disk;

use disk::DiskRun;

/// What an event costs in memory: its own bytes (at most 96), its arrival, and a share of what it
/// points to.
const EVENT_BYTES: usize = 112;

/// The total order of events: time, then where the record lies, then the place among the events of
/// its input. No two events are equal in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    time: Timestamp,
    input: InputId,
    offset: u64,
    arrival: u64,
}

/// An event, and which of its input's it is.
pub(crate) type Arrived = (u64, Event);

impl Key {
    fn of((arrival, event): &Arrived) -> Key {
        Key {
            time: event.time,
            input: event.record.input,
            offset: event.record.offset,
            arrival: *arrival,
        }
    }
}

/// How many bytes a sorter takes of the budget at once, so that workers seldom meet at it.
const PIECE: usize = 64 << 10;

/// What the events of all workers may take in memory: about so much, and at most half as much again, where
/// one worker has finished and holds all of it.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: usize,
    /// What a worker writes to disk is no less than this, that its runs are not many.
    least: usize,
    taken: AtomicUsize,
}

impl Budget {
    /// So many bytes, among so many workers.
    pub(crate) fn new(bytes: usize, workers: usize) -> Budget {
        Budget { bytes, least: bytes / (2 * workers.max(1)), taken: AtomicUsize::new(0) }
    }

    /// Takes bytes for a worker that holds `held`; whether it is to write what it holds to disk.
    fn take(&self, bytes: usize, held: usize) -> bool {
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) >= self.bytes && held >= self.least
    }

    fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Collects the events of one worker into sorted runs.
pub(crate) struct EventSorter<'a> {
    budget: &'a Budget,
    most_runs: usize,
    held: Vec<Arrived>,
    bytes: usize,
    /// What of them was taken of the budget.
    taken: usize,
    runs: Vec<Run>,
}

impl<'a> EventSorter<'a> {
    /// A sorter that holds its share of the budget in memory, and at most `most_runs` open files. What
    /// others do not need is its share: what it writes to disk differs from run to run, what comes back in
    /// order does not.
    pub(crate) fn new(budget: &'a Budget, most_runs: usize) -> EventSorter<'a> {
        EventSorter {
            budget,
            most_runs: most_runs.max(2),
            held: Vec::new(),
            bytes: 0,
            taken: 0,
            runs: Vec::new(),
        }
    }

    /// Takes one event, the `arrival`th of its input.
    pub(crate) fn push(&mut self, event: Event, arrival: u64) -> io::Result<()> {
        self.bytes += EVENT_BYTES;
        if let Activity::Script(script) = &event.activity {
            self.bytes += script.text.len();
        }
        let last = self.held.last().and_then(|(_, event)| event.actor.as_ref());
        if let Some(actor) = &event.actor
            && last.is_none_or(|last| !Arc::ptr_eq(last, actor))
        {
            self.bytes += actor.own_bytes();
        }
        self.held.push((arrival, event));
        let new = self.bytes - self.taken;
        if new < PIECE.min(self.budget.least) {
            return Ok(());
        }
        self.taken = self.bytes;
        if self.budget.take(new, self.bytes) { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_unstable_by_key(Key::of);
        let run = Run::on_disk(self.held.drain(..).map(Ok))?;
        self.budget.give_back(self.taken);
        (self.bytes, self.taken) = (0, 0);
        self.runs.push(run);
        if self.runs.len() >= self.most_runs {
            let merged = Run::on_disk(Sorted::new(std::mem::take(&mut self.runs))?)?;
            self.runs.push(merged);
        }
        Ok(())
    }

    /// The sorted runs of everything that was pushed.
    pub(crate) fn into_runs(mut self) -> Vec<Run> {
        self.held.sort_unstable_by_key(Key::of);
        if !self.held.is_empty() {
            self.runs.push(Run::Memory(self.held.into_iter()));
        }
        self.runs
    }
}

/// Events in order, in memory or on disk.
pub(crate) enum Run {
    Memory(std::vec::IntoIter<Arrived>),
    Disk(Box<DiskRun>),
}

impl Run {
    fn on_disk(events: impl Iterator<Item = io::Result<Arrived>>) -> io::Result<Run> {
        Ok(Run::Disk(Box::new(DiskRun::write(events)?)))
    }

    fn next(&mut self) -> io::Result<Option<Arrived>> {
        match self {
            Run::Memory(events) => Ok(events.next()),
            Run::Disk(run) => run.next(),
        }
    }
}

/// Merges runs into one stream of events in order.
pub(crate) struct Sorted {
    runs: Vec<Run>,
    /// The next event of each run.
    heads: Vec<Option<Arrived>>,
    order: BinaryHeap<Reverse<(Key, usize)>>,
}

impl Sorted {
    pub(crate) fn new(mut runs: Vec<Run>) -> io::Result<Sorted> {
        let mut order = BinaryHeap::with_capacity(runs.len());
        let mut heads = Vec::with_capacity(runs.len());
        for (at, run) in runs.iter_mut().enumerate() {
            let head = run.next()?;
            order.extend(head.as_ref().map(|head| Reverse((Key::of(head), at))));
            heads.push(head);
        }
        Ok(Sorted { runs, heads, order })
    }

    fn advance(&mut self) -> io::Result<Option<Arrived>> {
        let Some(mut first) = self.order.peek_mut() else { return Ok(None) };
        let Reverse((_, at)) = *first;
        let next = self.runs[at].next()?;
        match &next {
            Some(next) => *first = Reverse((Key::of(next), at)),
            None => {
                std::collections::binary_heap::PeekMut::pop(first);
            }
        }
        Ok(std::mem::replace(&mut self.heads[at], next))
    }
}

impl Iterator for Sorted {
    type Item = io::Result<Arrived>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // tests
mod tests {
    use lapwing_event::{
        Actor, Address, Initiator, LogSource, Network, Outcome, Process, ProcessActivity, Protocol,
        Record, Technique,
    };
    use proptest::prelude::*;

    use super::*;

    /// An attempt or a launch, as the offset has it, of a process or of nobody.
    fn event(time: i64, input: u32, offset: u64, pid: u32) -> Event {
        let process = Process { pid, ..Process::default() };
        let attempt = Network {
            source: Address::from([10, 0, 0, input as u8]),
            target: Address::from_bits(u128::from(offset) << 64 | 1),
            source_port: 40_000,
            target_port: time as u16,
            protocol: Protocol::Other(offset as u8),
            initiator: Initiator::Source,
            outcome: [Outcome::Served, Outcome::Unanswered][time as usize % 2],
            technique: Technique::IpProtocol,
        };
        Event {
            time: Timestamp(time),
            record: Record { input: InputId(input), offset },
            log_source: LogSource::AuditExec,
            actor: (pid > 0)
                .then(|| Arc::new(Actor { process: Some(process), ..Actor::default() })),
            activity: match offset % 3 {
                0 => Activity::Process(ProcessActivity::Launch),
                _ => Activity::Network(attempt),
            },
        }
    }

    proptest! {
        /// Whatever the order, the memory and the number of workers: the same stream.
        #[test]
        fn any_spill_gives_the_same_order(
            rows in proptest::collection::vec((0_i64..50, 0_u32..3, 0_u64..20, 0_u32..4), 0..300),
            budget in prop_oneof![Just(1_usize), Just(2_000), Just(20_000), Just(usize::MAX)],
            workers in 1_usize..4,
            most_runs in 2_usize..6,
        ) {
            let events: Vec<(Event, u64)> = rows
                .iter()
                .enumerate()
                .map(|(at, (time, input, offset, pid))| (event(*time, *input, *offset, *pid), at as u64))
                .collect();
            let mut expected = events.clone();
            expected.sort_by_key(|(event, at)| (event.time, event.record, *at));
            let budget = Budget::new(budget, workers);
            let mut sorters: Vec<EventSorter<'_>> =
                (0..workers).map(|_| EventSorter::new(&budget, most_runs)).collect();
            for (at, (event, arrival)) in events.into_iter().enumerate() {
                sorters[at % workers].push(event, arrival).unwrap();
            }
            let runs = sorters.into_iter().flat_map(EventSorter::into_runs).collect();
            let found: Vec<(Event, u64)> = Sorted::new(runs)
                .unwrap()
                .map(|row| row.unwrap())
                .map(|(arrival, event)| (event, arrival))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_actor_is_shared_after_a_spill() {
        let budget = Budget::new(usize::MAX, 1);
        let mut sorter = EventSorter::new(&budget, 4);
        let one = event(1, 0, 1, 7);
        let mut two = event(2, 0, 2, 7);
        two.actor = one.actor.clone();
        sorter.push(two, 1).unwrap();
        sorter.push(one, 0).unwrap();
        sorter.spill().unwrap();
        let back: Vec<Event> =
            Sorted::new(sorter.into_runs()).unwrap().map(|row| row.unwrap().1).collect();
        let [Some(a), Some(b)] = [&back[0].actor, &back[1].actor] else { unreachable!() };
        assert!(Arc::ptr_eq(a, b));
    }
}
