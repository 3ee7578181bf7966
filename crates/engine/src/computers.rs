//! Tells apart the computers of inputs whose records name none.
//!
//! eslogger, the unified log and audit logs without a node name no computer, while process ids are each
//! computer's own. Inputs of one kind of log that overlap in time are of several computers: one
//! computer writes one such log at a time, and a rotated one ends where the next begins. Where no inputs
//! overlap, all are taken for one computer's, so that its several logs are seen together. Where some do,
//! a folder is taken for a computer; where they do within one folder, its inputs are parted by their
//! names. Inputs that hold the same records are copies of one log, and of one computer.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lapwing_detect::Detector;
use lapwing_event::{Event, InputId, LogSource, Timestamp};
use lapwing_output::Trouble;
use lapwing_source::Problem;

use crate::inputs::trouble;

/// The part of the shorter of two logs' time that they may have in common and be one computer's, one in
/// this many: records near a rotation are not in order.
const SHARED_PART: i64 = 10;

/// How many records of a log are kept to know a copy by: of two logs that share a tenth of their records
/// some six are then found in both.
const KEPT_MARKS: usize = 64;

/// What is known of the computers that the inputs are of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Computers {
    /// Which computer each input is of, where records name none and several are told apart.
    pub(crate) numbers: BTreeMap<InputId, u32>,
    /// Names that are of one computer, with the one that stands for it.
    pub(crate) names: BTreeMap<Arc<str>, Arc<str>>,
}

impl Computers {
    /// Tells a detector what is known.
    pub(crate) fn told_to(&self, detector: Detector) -> Detector {
        detector.tell_apart(self.numbers.clone()).same_computers(self.names.clone())
    }
}

/// The kinds of log of one input that name processes and no computer.
#[derive(Debug, Default)]
pub(crate) struct Nameless(Vec<Stretch>);

/// A log in one input.
#[derive(Clone, Debug)]
struct Stretch {
    log_source: LogSource,
    first: Timestamp,
    last: Timestamp,
    /// Of its records those with the smallest marks, so that logs that share records share some of these.
    marks: BTreeSet<u64>,
}

impl Nameless {
    /// Learns of an event.
    pub(crate) fn see(&mut self, event: &Event) {
        let Some(actor) = event.actor.as_deref() else { return };
        let Some(process) = actor.process.as_ref().filter(|_| actor.device.is_none()) else {
            return;
        };
        let mark = mark(event.time, process.pid);
        match self.0.iter_mut().find(|stretch| stretch.log_source == event.log_source) {
            Some(stretch) => {
                stretch.first = stretch.first.min(event.time);
                stretch.last = stretch.last.max(event.time);
                if stretch.marks.len() < KEPT_MARKS || stretch.marks.last() > Some(&mark) {
                    stretch.marks.insert(mark);
                }
                if stretch.marks.len() > KEPT_MARKS {
                    stretch.marks.pop_last();
                }
            }
            None => self.0.push(Stretch {
                log_source: event.log_source,
                first: event.time,
                last: event.time,
                marks: BTreeSet::from([mark]),
            }),
        }
    }

    /// Takes those of another input as its own.
    pub(crate) fn absorb(&mut self, other: Nameless) {
        for stretch in other.0 {
            match self.0.iter_mut().find(|known| known.log_source == stretch.log_source) {
                Some(known) => {
                    known.first = known.first.min(stretch.first);
                    known.last = known.last.max(stretch.last);
                    known.marks.extend(stretch.marks);
                    while known.marks.len() > KEPT_MARKS {
                        known.marks.pop_last();
                    }
                }
                None => self.0.push(stretch),
            }
        }
    }

    /// Whether the input has none of them.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Puts the inputs of one archive together, which are of one computer however they overlap, as the first of
/// them; beside them, who that is for each other. `archive` gives the archive that an input is of.
pub(crate) fn united<A: Ord>(
    inputs: Vec<(InputId, Nameless)>,
    archive: impl Fn(InputId) -> Option<A>,
) -> (Vec<(InputId, Nameless)>, BTreeMap<InputId, InputId>) {
    let mut first: BTreeMap<A, usize> = BTreeMap::new();
    let mut united: Vec<(InputId, Nameless)> = Vec::with_capacity(inputs.len());
    let mut stands = BTreeMap::new();
    for (id, nameless) in inputs {
        let known = archive(id).and_then(|archive| match first.entry(archive) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(new) => {
                new.insert(united.len());
                None
            }
        });
        match known.and_then(|at| united.get_mut(at)) {
            Some((leader, all)) => {
                all.absorb(nameless);
                stands.insert(id, *leader);
            }
            None => united.push((id, nameless)),
        }
    }
    (united, stands)
}

/// A number that a record of this process at this moment has in every copy of its log, and by chance
/// with no other: the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
fn mark(time: Timestamp, pid: u32) -> u64 {
    let mut mixed = (time.0 as u64) ^ (u64::from(pid) << 32).rotate_left(13);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Stretch {
    /// Whether one computer cannot have written both; `later` does not begin before this one.
    fn conflicts(&self, later: &Stretch) -> bool {
        let length = |stretch: &Stretch| stretch.last.since(stretch.first).0;
        let shared = self.last.min(later.last).since(later.first).0;
        let within = later.first > self.first && later.last < self.last;
        let overlap = within || shared > length(self).min(length(later)) / SHARED_PART;
        overlap && self.marks.is_disjoint(&later.marks)
    }
}

/// The first two inputs of these, by time, that are of two computers.
fn conflict(inputs: &[&(InputId, Nameless)]) -> Option<(InputId, InputId)> {
    let mut stretches: Vec<(&Stretch, InputId)> = Vec::new();
    for (input, nameless) in inputs {
        stretches.extend(nameless.0.iter().map(|stretch| (stretch, *input)));
    }
    stretches
        .sort_by_key(|(stretch, input)| (stretch.log_source, stretch.first, stretch.last, *input));
    for (at, (stretch, input)) in stretches.iter().enumerate() {
        // In the order of their beginnings: after the first that begins later, none overlaps.
        let mut overlapping = stretches[at + 1..].iter().take_while(|(later, _)| {
            later.log_source == stretch.log_source && later.first <= stretch.last
        });
        if let Some((_, other)) = overlapping.find(|(later, _)| stretch.conflicts(later)) {
            return Some((*input, *other));
        }
    }
    None
}

/// Which computer each of these inputs is of, as numbers from 0 on; none where all may be of one. The
/// inputs are in the order of their ids; `name` gives an input's name, folders before slashes.
pub(crate) fn tell_apart<'n>(
    inputs: &[(InputId, Nameless)],
    name: impl Fn(InputId) -> &'n str,
) -> (BTreeMap<InputId, u32>, Option<Trouble>) {
    let all: Vec<&(InputId, Nameless)> = inputs.iter().collect();
    let Some((one, other)) = conflict(&all) else { return (BTreeMap::new(), None) };
    let mut folders: BTreeMap<&str, Vec<&(InputId, Nameless)>> = BTreeMap::new();
    for input in inputs {
        folders.entry(folder(name(input.0))).or_default().push(input);
    }
    let mut numbers = BTreeMap::new();
    let mut next = 0;
    for members in folders.into_values() {
        let groups: BTreeMap<InputId, &str> = match conflict(&members) {
            None => members.iter().map(|(input, _)| (*input, "")).collect(),
            Some(_) => by_word(&members, &name),
        };
        let distinct: BTreeSet<&str> = groups.values().copied().collect();
        for (input, group) in groups {
            let place = distinct.range(..group).count() as u32;
            numbers.insert(input, next + place);
        }
        next += distinct.len() as u32;
    }
    unite_copies(inputs, &mut numbers);
    let computers = numbers.values().collect::<BTreeSet<_>>().len();
    let detail = format!(
        "its records name no computer and overlap in time with those of {}: taken for {computers} computers, by \
         folder and by file name; put each computer's logs into a folder of its own",
        name(other)
    );
    let said = trouble(
        name(one).to_string(),
        Problem::Assumed,
        "inputs that overlap and name no computer, taken for several",
        detail,
    );
    (numbers, Some(said))
}

/// Gives inputs that hold the same records the number of the first of them.
fn unite_copies(inputs: &[(InputId, Nameless)], numbers: &mut BTreeMap<InputId, u32>) {
    let mut owners: BTreeMap<(LogSource, u64), InputId> = BTreeMap::new();
    for (input, nameless) in inputs {
        let marks = nameless
            .0
            .iter()
            .flat_map(|stretch| stretch.marks.iter().map(|mark| (stretch.log_source, *mark)));
        for mark in marks {
            let owner = owners.entry(mark).or_insert(*input);
            let (Some(one), Some(other)) =
                (numbers.get(owner).copied(), numbers.get(input).copied())
            else {
                continue;
            };
            if one != other {
                numbers.values_mut().filter(|number| **number == other).for_each(|n| *n = one);
            }
        }
    }
}

/// Parts the inputs of one folder by a word that their names share and that the names of no two that
/// conflict share (a computer's name, in `anna-eslogger.ndjson` and `anna-unified.ndjson`); an input that
/// shares none goes by its own name.
fn by_word<'n>(
    members: &[&(InputId, Nameless)],
    name: impl Fn(InputId) -> &'n str,
) -> BTreeMap<InputId, &'n str> {
    let mut sharing: BTreeMap<&str, Vec<&(InputId, Nameless)>> = BTreeMap::new();
    for member in members {
        let last = &name(member.0)[folder(name(member.0)).len()..];
        let words: BTreeSet<&str> =
            last.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        for word in words {
            sharing.entry(word).or_default().push(member);
        }
    }
    sharing.retain(|_, inputs| inputs.len() > 1 && conflict(inputs).is_none());
    let mut groups: BTreeMap<InputId, &str> =
        members.iter().map(|(input, _)| (*input, name(*input))).collect();
    // The longest word last, so that it holds: the longer, the less it is shared by chance.
    let mut words: Vec<_> = sharing.into_iter().collect();
    words.sort_by_key(|(word, _)| (word.len(), *word));
    for (word, inputs) in words {
        groups.extend(inputs.into_iter().map(|(input, _)| (*input, word)));
    }
    groups
}

/// The part of an input's name before its last one.
fn folder(name: &str) -> &str {
    name.rfind(['/', '!']).map_or("", |at| &name[..at])
}

#[cfg(test)]
mod tests {
    use lapwing_event::{Activity, Actor, Process, ProcessActivity, Record};

    use super::*;

    fn inputs(logs: &[(LogSource, i64, i64)]) -> Vec<(InputId, Nameless)> {
        let of = |(at, log): (usize, &(LogSource, i64, i64))| {
            let (log_source, first, last) = *log;
            let (first, last) = (Timestamp(first * 1000), Timestamp(last * 1000));
            let marks = BTreeSet::from([at as u64]);
            (InputId(at as u32), Nameless(vec![Stretch { log_source, first, last, marks }]))
        };
        logs.iter().enumerate().map(of).collect()
    }

    fn told(logs: &[(LogSource, i64, i64)], names: &[&'static str]) -> Vec<u32> {
        let (numbers, trouble) = tell_apart(&inputs(logs), |id| names[id.0 as usize]);
        assert_eq!(numbers.is_empty(), trouble.is_none());
        numbers.into_values().collect()
    }

    const EXEC: LogSource = LogSource::EsProcess;
    const LOG: LogSource = LogSource::UnifiedLog;

    #[test]
    fn what_does_not_overlap_is_one_computers() {
        let names = ["a", "b", "c"];
        assert!(told(&[(EXEC, 0, 100), (LOG, 0, 100)], &names).is_empty(), "kinds of log");
        let rotated = [(EXEC, 0, 100), (EXEC, 99, 200), (EXEC, 200, 200)];
        assert!(told(&rotated, &names).is_empty());
    }

    #[test]
    fn what_overlaps_is_several_computers_by_folder_or_by_file() {
        let logs = [(EXEC, 0, 100), (LOG, 0, 100), (EXEC, 50, 150), (LOG, 60, 140)];
        assert_eq!(told(&logs, &["a/es", "a/ul", "b/es", "b/ul"]), [0, 0, 1, 1]);
        assert_eq!(
            told(&logs, &["x.zip!a/es", "x.zip!a/ul", "x.zip!b/es", "x.zip!b/ul"]),
            [0, 0, 1, 1]
        );
        assert_eq!(told(&logs, &["anna-es.x", "anna-ul.x", "bo-es.x", "bo-ul.x"]), [0, 0, 1, 1]);
        assert_eq!(told(&logs, &["x/1", "x/2", "x/3", "x/4"]), [0, 1, 2, 3]);
        assert_eq!(told(&logs, &["a/1", "a/2", "a/3", "b/1"]), [0, 1, 2, 3]);
        assert_eq!(told(&[(EXEC, 0, 100), (EXEC, 5, 5)], &["a", "b"]), [0, 1], "one record");
    }

    #[test]
    fn copies_of_records_are_of_one_computer() {
        let names = ["a/es", "b/es", "c/es"];
        let logs = |shift: i64| {
            let mut nameless = Nameless::default();
            for at in 0..1000 {
                let process = Process { pid: 500 + at, ..Process::default() };
                let actor = Actor { process: Some(process), ..Actor::default() };
                nameless.see(&Event {
                    time: Timestamp(i64::from(at) * 1_000_000 + shift),
                    record: Record::default(),
                    log_source: EXEC,
                    actor: Some(Arc::new(actor)),
                    activity: Activity::Process(ProcessActivity::Launch),
                });
            }
            nameless
        };
        let apart = |shifts: [i64; 3]| {
            let inputs: Vec<(InputId, Nameless)> =
                (0..).map(InputId).zip(shifts.map(logs)).collect();
            tell_apart(&inputs, |id| names[id.0 as usize]).0.into_values().collect::<Vec<u32>>()
        };
        assert!(apart([0, 0, 0]).is_empty());
        assert_eq!(apart([0, 0, 17]), [0, 0, 2]);
    }

    #[test]
    fn what_lies_in_one_archive_is_one_computers() {
        let logs = [(LOG, 0, 100), (LOG, 20, 80), (LOG, 50, 150), (EXEC, 0, 10)];
        let archives = ["a", "a", "b", ""];
        let of = |id: InputId| archives.get(id.0 as usize).filter(|name| !name.is_empty());
        let (united, stands) = united(inputs(&logs), of);
        let ids: Vec<u32> = united.iter().map(|(id, _)| id.0).collect();
        assert_eq!(ids, [0, 2, 3]);
        assert_eq!(stands, BTreeMap::from([(InputId(1), InputId(0))]));
        let only = super::united(inputs(&logs[..2]), of).0;
        assert!(tell_apart(&only, |_| "").0.is_empty());
    }
}
