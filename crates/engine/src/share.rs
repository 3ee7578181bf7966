//! What workers gather of the inputs that they read, and how it is put together.

use std::collections::BTreeMap;
use std::io;

use lapwing_event::{Activity, Event, InputId, LogSource};
use lapwing_output::{InputReport, Trouble};

use crate::computers::Nameless;
use crate::counter::Counter;
use crate::decode::{InputRead, decode_input};
use crate::halves::{self, Found};
use crate::hunt::Request;
use crate::inputs::Source;
use crate::open::with_plain_bytes;
use crate::pieces::Piece;
use crate::progress::Progress;
use crate::sorted::{Budget, EventSorter, Run};

/// What one worker gathered, or several together.
#[derive(Default)]
pub(crate) struct Share {
    pub(crate) runs: Vec<Run>,
    /// What became of each piece.
    parts: Vec<Part>,
    /// What became of each input, in their order, once its pieces are put together.
    pub(crate) inputs: Vec<(InputId, InputReport)>,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) seen: BTreeMap<LogSource, Counter>,
    halves: Vec<Found>,
    pub(crate) left_out: u64,
    /// Inputs whose records name no computer, in their order.
    pub(crate) nameless: Vec<(InputId, Nameless)>,
}

/// What became of a piece of an input.
struct Part {
    input: InputId,
    start: u64,
    read: InputRead,
    nameless: Nameless,
}

impl Share {
    /// Reads a piece of an input into the sorter, where there is one.
    pub(crate) fn read(
        &mut self,
        request: &Request,
        source: &Source,
        piece: &Piece,
        mut sorter: Option<&mut EventSorter<'_>>,
        progress: &dyn Progress,
    ) -> io::Result<()> {
        let mut arrival = 0;
        let mut nameless = Nameless::default();
        let mut failed = Ok(());
        let mut sink = |event: Event| {
            if !self.count(&event, request) {
                return;
            }
            nameless.see(&event);
            if let Some(sorter) = sorter.as_mut().filter(|_| failed.is_ok()) {
                failed = sorter.push(event, arrival);
            }
            arrival += 1;
        };
        let read = with_plain_bytes(source, piece, progress, |reader| {
            decode_input(source, piece, reader, &mut sink)
        });
        let read = read.unwrap_or_else(|error| InputRead::unreadable(source, &error));
        let input = InputId(piece.input as u32);
        self.parts.push(Part { input, start: piece.start, read, nameless });
        failed
    }

    /// Makes inputs of their pieces, and takes the events that lie in several of one.
    pub(crate) fn join_pieces(&mut self, request: &Request, keep: bool) -> io::Result<()> {
        let mut parts = std::mem::take(&mut self.parts);
        parts.sort_by_key(|part| (part.input, part.start));
        let mut events = Vec::new();
        let mut parts = parts.into_iter().peekable();
        while let Some(Part { input, mut read, mut nameless, .. }) = parts.next() {
            let mut sink = |event: Event| {
                // What is left out is counted when it is added.
                if !is_left_out(&event, request) {
                    nameless.see(&event);
                }
                events.push(event);
            };
            let mut others = Vec::new();
            while let Some(next) = parts.next_if(|next| next.input == input) {
                read.follow(next.read, input, &mut sink);
                others.push(next.nameless);
            }
            read.end(input, &mut sink);
            others.into_iter().for_each(|other| nameless.absorb(other));
            self.halves.extend(read.halves.into_iter().map(|half| (input, half)));
            self.inputs.push((input, read.report));
            self.troubles.extend(read.troubles);
            if !nameless.is_empty() {
                self.nameless.push((input, nameless));
            }
        }
        self.add(events, request, keep)
    }

    /// Counts an event; whether it lies in the asked-for time.
    fn count(&mut self, event: &Event, request: &Request) -> bool {
        if is_left_out(event, request) {
            self.left_out += 1;
            return false;
        }
        // What flows tell of their addresses' holders is no event of theirs.
        let aside = matches!(event.activity, Activity::Binding(_));
        match self.seen.get_mut(&event.log_source) {
            _ if aside && !event.log_source.is_knowledge() => {}
            Some(counter) => counter.add(event),
            None => {
                self.seen.insert(event.log_source, Counter::new(event));
            }
        }
        true
    }

    /// Takes the events of halves that lie in two inputs.
    pub(crate) fn join_halves(
        &mut self,
        request: &Request,
        keep: bool,
        troubles: &mut Vec<Trouble>,
    ) -> io::Result<()> {
        let halves = std::mem::take(&mut self.halves);
        let events = halves::join(halves, &mut self.inputs, troubles);
        self.add(events, request, keep)
    }

    /// Adds events that came of several pieces or inputs: they are few, and sort in memory, a run of their
    /// own.
    fn add(&mut self, events: Vec<Event>, request: &Request, keep: bool) -> io::Result<()> {
        let budget = Budget::new(request.memory, 1);
        let mut sorter = EventSorter::new(&budget, 1);
        for (arrival, event) in events.into_iter().enumerate() {
            if self.count(&event, request) && keep {
                sorter.push(event, arrival as u64)?;
            }
        }
        self.runs.extend(sorter.into_runs());
        Ok(())
    }

    /// Takes what another worker gathered.
    pub(crate) fn absorb(&mut self, other: Share) {
        self.halves.extend(other.halves);
        self.runs.extend(other.runs);
        self.parts.extend(other.parts);
        self.inputs.extend(other.inputs);
        self.troubles.extend(other.troubles);
        self.left_out += other.left_out;
        self.nameless.extend(other.nameless);
        for (log_source, counter) in other.seen {
            match self.seen.get_mut(&log_source) {
                Some(known) => known.absorb(counter),
                None => {
                    self.seen.insert(log_source, counter);
                }
            }
        }
    }
}

/// Whether the event lies outside the asked-for time. What processes did before it is still read, and
/// whose addresses are, since it tells who acted later.
fn is_left_out(event: &Event, request: &Request) -> bool {
    let too_early = request.since.is_some_and(|since| event.time < since)
        && !matches!(event.activity, Activity::Process(_) | Activity::Binding(_));
    too_early || request.until.is_some_and(|until| event.time >= until)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // tests
mod tests {
    use std::path::Path;

    use lapwing_detect::Tunables;

    use super::*;
    use crate::inputs::Place;
    use crate::pieces::cut;
    use crate::progress::Quiet;
    use crate::sorted::Sorted;

    /// What comes of an input in these pieces: its events in their order, what is told of it, and what was
    /// wrong.
    fn shared(source: &Source, pieces: &[Piece]) -> (Vec<Event>, InputReport, Vec<Trouble>) {
        let request = Request {
            paths: Vec::new(),
            tunables: Tunables::default(),
            since: None,
            until: None,
            threads: 1,
            memory: 1 << 20,
        };
        let mut all = Share::default();
        // Each by another worker, and the last one first.
        for piece in pieces.iter().rev() {
            let budget = Budget::new(request.memory, 1);
            let mut sorter = EventSorter::new(&budget, 8);
            let mut share = Share::default();
            share.read(&request, source, piece, Some(&mut sorter), &Quiet).unwrap();
            share.runs = sorter.into_runs();
            all.absorb(share);
        }
        all.join_pieces(&request, true).unwrap();
        assert_eq!(all.inputs.len(), 1);
        let (_, report) = all.inputs.remove(0);
        let events = Sorted::new(all.runs).unwrap().map(|row| row.unwrap().1).collect();
        all.troubles.sort();
        (events, report, all.troubles)
    }

    fn check(name: &str, bytes: &[u8], piece: u64, least: usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let length = bytes.len() as u64;
        let pieces = cut(0, &path, length, piece).unwrap();
        assert!(pieces.len() >= least, "{name}: {pieces:?}");
        let place = Place::File(path);
        let source = Source { name: name.to_string(), place, bytes: length, archive: None };
        let whole = shared(&source, &[Piece::whole(0)]);
        assert!(whole.0.len() > 3, "{name}");
        assert_eq!(shared(&source, &pieces), whole, "{name}");
    }

    #[test]
    fn an_input_in_pieces_is_what_it_is_as_a_whole() {
        let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/formats");
        let read = |input: &str| std::fs::read(formats.join(input)).unwrap();
        check("conn.log", &read("zeek-json/conn-domain-controller/input.log"), 2000, 9);
        check("eve.json", &read("suricata-eve/flow/input.json"), 2000, 7);
        let mut events = read("windows-json/winlogbeat-sysmon/input.ndjson");
        check("winlogbeat", &events, 3000, 3);
        // What is wrong in several pieces is said once.
        let broken = b"{\"winlog\":\n{\"a\":1}\n".repeat(100);
        events.extend(broken);
        check("broken", &events, 1000, 10);
        let mut log = read("evtx/sysmon-one-chunk/input.evtx");
        let chunk = log.split_off(4096);
        log.extend(chunk.repeat(3));
        log.extend(&chunk[..9000]);
        check("log.evtx", &log, 65536, 3);
    }
}
