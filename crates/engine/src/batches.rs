//! Gives events on in order, some at a time: read and merged by a thread of their own, where there may
//! be one, while others are judged.

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread;

use lapwing_event::Event;

use crate::sorted::{Run, Sorted};

/// How many events are given at once: enough that handing them over costs nothing beside judging them.
const BATCH: usize = 1024;

/// How many batches wait to be judged: 100 KB each.
const WAITING: usize = 4;

/// Gives every event of the runs to `take`, in order, in batches that it empties; with more than one
/// thread while the next are read. What is given does not depend on that.
///
/// # Errors
/// Where a run cannot be read back from its temporary file; what came before was given.
pub(crate) fn in_order(
    runs: Vec<Run>,
    threads: usize,
    take: &mut dyn FnMut(&mut Vec<Event>),
) -> io::Result<()> {
    let mut sorted = Sorted::new(runs)?;
    if threads > 1 && side_by_side(&mut sorted, take)? {
        return Ok(());
    }
    while let Some(mut batch) = next_batch(&mut sorted)? {
        take(&mut batch);
    }
    Ok(())
}

/// Reads in a thread and takes in this one; whether there could be a thread.
fn side_by_side(sorted: &mut Sorted, take: &mut dyn FnMut(&mut Vec<Event>)) -> io::Result<bool> {
    thread::scope(|scope| {
        let (give, batches) = sync_channel(WAITING);
        let read = move || {
            while let Some(batch) = next_batch(sorted).transpose() {
                let failed = batch.is_err();
                // Nobody takes any more where one could not be read.
                if give.send(batch).is_err() || failed {
                    return;
                }
            }
        };
        if thread::Builder::new().spawn_scoped(scope, read).is_err() {
            return Ok(false);
        }
        for batch in batches {
            take(&mut batch?);
        }
        Ok(true)
    })
}

/// The next events, [`BATCH`] or the last ones; `None` after them.
fn next_batch(sorted: &mut Sorted) -> io::Result<Option<Vec<Event>>> {
    let mut batch = Vec::with_capacity(BATCH);
    for row in sorted.take(BATCH) {
        batch.push(row?.1);
    }
    Ok((!batch.is_empty()).then_some(batch))
}
