//! Feeds one stream of events to a detector for each configuration, on several threads.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use lapwing_detect::{Detector, Finding, Input, Severity, Tally, Tunables, Uid};
use lapwing_event::{Event, Span, Timestamp};

use crate::computers::Computers;
use crate::progress::Progress;
use crate::sorted::{Run, Sorted};

/// How many events go to the detectors at once: few enough to stay in the second-level cache from one
/// detector to the next, enough that handing over costs nothing.
const BATCH: usize = 1024;

/// How many batches may wait for a thread.
const WAITING: usize = 4;

/// A pause of the telemetry counts as watched up to here: a sensor that says nothing for longer was
/// off, or has no log of that time.
const LONGEST_PAUSE: Span = Span::seconds(3600);

/// How many findings of one configuration are kept to be joined, of about 6 kB each: a value that
/// makes more of them in a baseline is none to choose.
const MAX_FINDINGS: usize = 1_000;

/// How many more of them are told apart, to be counted alone.
const MAX_COUNTED: usize = 100_000;

/// What one configuration made of the events.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Its findings, without the sample of their attempts.
    pub(crate) findings: Vec<Finding>,
    /// Findings above informational beyond [`MAX_FINDINGS`] by analytic, at most [`MAX_COUNTED`].
    pub(crate) beyond: BTreeMap<&'static str, u64>,
    pub(crate) tally: Tally,
}

/// Judges the events with each configuration, in event-time order, `computers` telling apart those
/// whose logs do not name them; how long the events watched, and
/// what each made of them, in the order of the configurations.
pub(crate) fn sweep(
    runs: Vec<Run>,
    computers: &Computers,
    variants: &[Tunables],
    threads: usize,
    progress: &dyn Progress,
) -> io::Result<(Span, Vec<Judged>)> {
    let threads = threads.clamp(1, variants.len().max(1));
    thread::scope(|scope| {
        let mut senders: Vec<SyncSender<Arc<Vec<Event>>>> = Vec::new();
        let mut workers = Vec::new();
        for worker in 0..threads {
            let (sender, receiver) = sync_channel(WAITING);
            senders.push(sender);
            // Dealt out by turns: sensitive values, which cost more, lie beside each other.
            let own: Vec<&Tunables> = variants.iter().skip(worker).step_by(threads).collect();
            workers.push(scope.spawn(move || judge(&receiver, own, computers)));
        }
        let watched = feed(runs, &senders, progress);
        drop(senders);
        let mut shares: Vec<std::vec::IntoIter<Judged>> = workers
            .into_iter()
            .map(|worker| match worker.join() {
                Ok(done) => done.into_iter(),
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect();
        let judged = (0..variants.len()).filter_map(|at| shares[at % threads].next()).collect();
        watched.map(|watched| (watched, judged))
    })
}

/// Reads the events in order and hands them to every thread; how long they watched.
fn feed(
    runs: Vec<Run>,
    senders: &[SyncSender<Arc<Vec<Event>>>],
    progress: &dyn Progress,
) -> io::Result<Span> {
    let mut watched = Span::ZERO;
    let mut last: Option<Timestamp> = None;
    let mut batch = Vec::with_capacity(BATCH);
    let send = |batch: Vec<Event>| {
        let count = batch.len() as u64;
        let batch = Arc::new(batch);
        for sender in senders {
            // A thread that ended did so by a panic, which joining it passes on.
            let _ = sender.send(Arc::clone(&batch));
        }
        progress.judged(count);
    };
    for row in Sorted::new(runs)? {
        let (_, event) = row?;
        if let Some(last) = last {
            watched.0 = watched.0.saturating_add(event.time.since(last).min(LONGEST_PAUSE).0);
        }
        last = Some(event.time);
        batch.push(event);
        if batch.len() == BATCH {
            send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
        }
    }
    send(batch);
    Ok(watched)
}

/// One thread's detectors over all events.
fn judge(
    batches: &Receiver<Arc<Vec<Event>>>,
    own: Vec<&Tunables>,
    computers: &Computers,
) -> Vec<Judged> {
    let mut judges: Vec<Judge> =
        own.into_iter().map(|tunables| Judge::new(tunables, computers)).collect();
    for batch in batches {
        for judge in &mut judges {
            judge.take(&batch);
        }
    }
    judges.into_iter().map(Judge::finish).collect()
}

/// A detector with what it said.
struct Judge {
    detector: Detector,
    said: Vec<Finding>,
    /// Of the findings with one identifier the last telling holds.
    findings: BTreeMap<Uid, Finding>,
    beyond: BTreeSet<(&'static str, Uid)>,
}

impl Judge {
    fn new(tunables: &Tunables, computers: &Computers) -> Judge {
        Judge {
            detector: computers.told_to(Detector::sorted(tunables.clone())),
            said: Vec::new(),
            findings: BTreeMap::new(),
            beyond: BTreeSet::new(),
        }
    }

    fn take(&mut self, batch: &[Event]) {
        for event in batch {
            self.detector.step(Input::Event(event.clone()), &mut self.said);
            if !self.said.is_empty() {
                self.keep();
            }
        }
    }

    fn keep(&mut self) {
        for mut finding in self.said.drain(..) {
            finding.points = Vec::new();
            finding.tested = Vec::new();
            let room = self.findings.len() < MAX_FINDINGS;
            if room || self.findings.contains_key(&finding.uid) {
                self.findings.insert(finding.uid, finding);
            } else if finding.suppressed_by.is_none()
                && finding.severity > Severity::Informational
                && self.beyond.len() < MAX_COUNTED
            {
                self.beyond.insert((finding.analytic, finding.uid));
            }
        }
    }

    fn finish(mut self) -> Judged {
        self.detector.finish(&mut self.said);
        self.keep();
        let mut beyond = BTreeMap::new();
        for (analytic, _) in &self.beyond {
            *beyond.entry(*analytic).or_insert(0) += 1;
        }
        Judged {
            findings: self.findings.into_values().collect(),
            beyond,
            tally: self.detector.tally(),
        }
    }
}
