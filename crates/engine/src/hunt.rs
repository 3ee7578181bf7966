//! The main job: files in, a report out.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lapwing_detect::{Coverage, Detector, Finding, Joining, Tunables, Uid, entry_uses, merge};
use lapwing_event::{Event, InputId, Timestamp};
use lapwing_output::{Report, Trouble};
use rayon::ThreadPoolBuilder;

use crate::computer_names;
use crate::computers::{Computers, tell_apart, united};
use crate::costliest::costliest_first;
use crate::inputs::{Source, find_inputs};
use crate::pieces::in_pieces;
use crate::progress::Progress;
use crate::share::Share;
use crate::sorted::{Budget, EventSorter, Run, Sorted};

/// How much memory the events of all workers take before they go to disk: with the detector's own
/// budget of about 128 MiB it keeps a run under 256 MiB.
pub const DEFAULT_MEMORY: usize = 64 << 20;

/// How many sorted runs are open at once, over all workers; a process may usually hold 1,024 files.
const OPEN_RUNS: usize = 256;

/// How many events are judged before whoever waits is told how far that is: few enough that what they
/// point to is still in a cache.
const BATCH: usize = 1024;

/// How many are judged on several threads while as many more are read: enough for all of them.
const SHARED_BATCH: usize = 8192;

/// What to hunt in, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// Files, folders, archives; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// How to judge.
    pub tunables: Tunables,
    /// Nothing before this moment is judged.
    pub since: Option<Timestamp>,
    /// Nothing from this moment on is judged.
    pub until: Option<Timestamp>,
    /// On how many threads inputs are decoded and origins judged; the findings do not depend on it.
    pub threads: usize,
    /// Bytes of memory for events in sorting, over all threads.
    pub memory: usize,
}

/// Why a hunt could not be made at all.
#[derive(Debug)]
pub enum HuntError {
    /// There was not one input under the paths; what was found instead.
    NothingToRead(Vec<Trouble>),
    /// Events could not be written to or read from a temporary file.
    Scratch(io::Error),
    /// The labels of known attacks could not be read.
    Labels(io::Error),
}

impl fmt::Display for HuntError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HuntError::NothingToRead(_) => {
                write!(f, "nothing to read: no file was found under the given paths")
            }
            HuntError::Scratch(error) => write!(
                f,
                "sorting on disk failed in {}: {error}; free some space there, or set TMPDIR or \
                 a larger --memory",
                lapwing_output::escaped(&std::env::temp_dir().to_string_lossy())
            ),
            HuntError::Labels(error) => {
                write!(f, "labels cannot be read: {}", lapwing_output::escaped(&error.to_string()))
            }
        }
    }
}

impl std::error::Error for HuntError {}

/// Reads every input under the paths and judges them as one stream of events in event-time order.
///
/// The report does not depend on the number of threads, the memory, or the order of the paths.
///
/// # Errors
/// Where there is nothing to read, or the temporary files fail. An input that cannot be read is no
/// error: the report says so and the rest is judged.
pub fn hunt(request: &Request, progress: &dyn Progress) -> Result<Report, HuntError> {
    let Gathered { runs, report, computers } = gather(request, true, progress)?;
    progress.judging(report.inputs.iter().map(|input| input.events).sum());
    let detector = computers.told_to(Detector::sorted(request.tunables.clone()));
    let sorted = Sorted::new(runs).map_err(HuntError::Scratch)?;
    let (detector, findings) =
        judge_all(detector, sorted, request.threads, progress).map_err(HuntError::Scratch)?;
    let joining = &request.tunables.detection.joining;
    let findings = concluded(findings.into_values().collect(), request.since, joining);
    let tally = detector.tally();
    let until = report.inputs.iter().filter_map(|input| input.span).map(|(_, last)| last).max();
    let entries = entry_uses(&request.tunables, &tally, until);
    // Giving its tables back takes up to a tenth of all the time, and nobody waits for it; where there
    // can be no thread it happens here.
    let _ = thread::Builder::new().spawn(move || drop(detector));
    Ok(Report { entries, findings, tally, ..report })
}

/// Judges events that are in order, on so many threads; of the findings with one identifier the last
/// telling holds.
fn judge_all(
    detector: Detector,
    sorted: Sorted,
    threads: usize,
    progress: &dyn Progress,
) -> io::Result<(Detector, BTreeMap<Uid, Finding>)> {
    // Where there can be no threads, this one judges all.
    let pool = match threads {
        0 | 1 => None,
        _ => ThreadPoolBuilder::new().num_threads(threads).build().ok(),
    };
    match pool {
        // All of it within one of them, which judges while the others see to the events after: what each
        // needs stays in its core's cache.
        Some(pool) => {
            pool.install(|| judge_batches(detector.side_by_side(), sorted, true, progress))
        }
        None => judge_batches(detector, sorted, false, progress),
    }
}

/// Judges in batches, each while the next is read where that can be.
fn judge_batches(
    mut detector: Detector,
    mut sorted: Sorted,
    side_by_side: bool,
    progress: &dyn Progress,
) -> io::Result<(Detector, BTreeMap<Uid, Finding>)> {
    let mut findings = BTreeMap::new();
    let mut said = Vec::new();
    let mut keep = |said: &mut Vec<Finding>| {
        findings.extend(said.drain(..).map(|finding| (finding.uid, finding)));
    };
    let size = if side_by_side { SHARED_BATCH } else { BATCH };
    let (mut batch, mut next) = (Vec::with_capacity(size), Vec::with_capacity(size));
    read_batch(&mut sorted, size, &mut batch)?;
    while !batch.is_empty() {
        progress.judged(batch.len() as u64);
        let mut judge = || detector.steps(&mut batch, &mut said);
        let mut read = || read_batch(&mut sorted, size, &mut next);
        let ((), read) = match side_by_side {
            true => rayon::join(judge, read),
            false => (judge(), read()),
        };
        read?;
        keep(&mut said);
        std::mem::swap(&mut batch, &mut next);
    }
    detector.finish(&mut said);
    keep(&mut said);
    Ok((detector, findings))
}

/// Puts so many of the next events into a batch that is empty; none at the end.
fn read_batch(sorted: &mut Sorted, size: usize, batch: &mut Vec<Event>) -> io::Result<()> {
    for row in sorted.take(size) {
        batch.push(row?.1);
    }
    Ok(())
}

/// The findings as a report has them: those of one scan joined, those before `since` left out, the
/// most severe first, then by time.
pub(crate) fn concluded(
    findings: Vec<Finding>,
    since: Option<Timestamp>,
    joining: &Joining,
) -> Vec<Finding> {
    let mut findings = merge(findings, joining);
    if let Some(since) = since {
        findings.retain(|finding| finding.last_seen >= since);
    }
    findings.sort_by(|a, b| {
        let place = |finding: &Finding| (finding.first_seen, finding.uid);
        b.severity.cmp(&a.severity).then_with(|| place(a).cmp(&place(b)))
    });
    findings
}

/// Reads every input under the paths for what it could show, and judges nothing: a report without
/// findings.
///
/// # Errors
/// Where there is nothing to read.
pub fn survey(request: &Request, progress: &dyn Progress) -> Result<Report, HuntError> {
    Ok(gather(request, false, progress)?.report)
}

/// What was read: the events in sorted runs, and all of a report but what is judged.
pub(crate) struct Gathered {
    pub(crate) runs: Vec<Run>,
    pub(crate) report: Report,
    pub(crate) computers: Computers,
}

/// Reads every input; `keep` says whether its events are wanted.
pub(crate) fn gather(
    request: &Request,
    keep: bool,
    progress: &dyn Progress,
) -> Result<Gathered, HuntError> {
    let (sources, mut troubles) = find_inputs(&request.paths);
    if sources.is_empty() {
        return Err(HuntError::NothingToRead(troubles));
    }
    progress.found(sources.iter().map(|source| source.bytes).sum());
    let mut all = Share::default();
    for worker in decode_all(request, keep, &sources, progress) {
        all.absorb(worker.map_err(HuntError::Scratch)?);
    }
    all.join_pieces(request, keep).map_err(HuntError::Scratch)?;
    let source = |id: InputId| sources.get(id.0 as usize);
    let archive = |id: InputId| source(id).and_then(|source| source.archive.as_ref());
    // The files of an archive are taken for where it lies, beside a computer's other logs.
    let named = |id: InputId| match archive(id) {
        Some(archive) => archive.name.as_str(),
        None => source(id).map_or("", |source| source.name.as_str()),
    };
    let (nameless, stands) = united(std::mem::take(&mut all.nameless), archive);
    let (mut numbers, several) = tell_apart(&nameless, named);
    for (id, leader) in stands {
        if let Some(number) = numbers.get(&leader).copied() {
            numbers.insert(id, number);
        }
    }
    troubles.append(&mut all.troubles);
    troubles.extend(several);
    all.join_halves(request, keep, &mut troubles).map_err(HuntError::Scratch)?;
    troubles.sort();
    let seen = all.seen.iter().map(|(source, counter)| (*source, counter.seen())).collect();
    let devices = all.seen.into_iter().map(|(source, counter)| (source, counter.devices)).collect();
    let computers = Computers { numbers, names: computer_names::same(&devices) };
    let mut coverage = Coverage::of(&seen, &devices);
    note_losses(&mut coverage, &troubles);
    let report = Report {
        inputs: all.inputs.into_iter().map(|(_, report)| report).collect(),
        troubles,
        coverage,
        left_out: all.left_out,
        ..Report::default()
    };
    Ok(Gathered { runs: all.runs, report, computers })
}

/// What was noted of records that say that others were lost before they were written, the analytic that
/// this blinds, and how that is said.
const LOSSES: [(&str, &str, &str); 2] = [
    (
        "audit loss reported",
        "AN1058",
        "the kernel or the audit daemon says that it lost records: raise the backlog (auditctl -b), or \
         audit fewer calls",
    ),
    (
        "windows whose records AWS left out (SKIPDATA)",
        "AN1060",
        "AWS says that it left out records (SKIPDATA): nothing is known of those windows",
    ),
];

fn note_losses(coverage: &mut Coverage, troubles: &[Trouble]) {
    for (key, analytic, words) in LOSSES {
        let of = troubles.iter().filter(|trouble| trouble.key == key);
        let times: u64 = of.map(|trouble| trouble.count).sum();
        let blind = coverage.analytics.iter_mut().find(|covered| covered.id == analytic);
        if let (Some(covered), 1..) = (blind, times) {
            covered.blind.push(format!("{words} (said {})", lapwing_output::times(times)));
        }
    }
}

/// Decodes every piece of every input, each by whichever worker is free.
fn decode_all(
    request: &Request,
    keep: bool,
    sources: &[Source],
    progress: &dyn Progress,
) -> Vec<io::Result<Share>> {
    let next = AtomicUsize::new(0);
    let mut pieces = in_pieces(sources);
    let threads = request.threads.clamp(1, pieces.len().max(1));
    if threads > 1 {
        costliest_first(sources, &mut pieces);
    }
    let budget = Budget::new(request.memory, threads);
    let work = || -> io::Result<Share> {
        let mut share = Share::default();
        let new = || EventSorter::new(&budget, OPEN_RUNS / threads);
        let mut sorter = keep.then(new);
        while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            share.read(request, &sources[piece.input], piece, sorter.as_mut(), progress)?;
        }
        share.runs = sorter.map(EventSorter::into_runs).unwrap_or_default();
        Ok(share)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = vec![work()];
        all.extend(workers.into_iter().map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }));
        all
    })
}
