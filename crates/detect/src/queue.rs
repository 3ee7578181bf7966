//! The queue: events on their way to the shards of their origins, and shards judged side by side.

use lapwing_event::Event;
use rayon::prelude::*;

use crate::ahead::AHEAD;
use crate::origin::{Who, source_address, who_holds};
use crate::shard::{Context, Judge, SHARDS, Said, Shard};

/// How many events are judged together at the most: enough that the cores are busy between two meetings,
/// few enough that a second core's cache holds them.
const FULL: usize = 4096;

/// How few events are judged one shard after the other: to wake a core up takes as long as some
/// dozens of them.
const FEW: usize = 512;

/// Events that wait for their shards.
#[derive(Default)]
pub(crate) struct Queue {
    shards: [Vec<Job>; SHARDS],
    len: usize,
}

/// An event to be judged.
pub(crate) struct Job {
    /// Its place among all.
    pub at: u64,
    pub event: Event,
    /// Who acted; `None` where it names an address alone and nothing is known of who holds it.
    who: Option<Box<Who>>,
}

impl Job {
    /// Whether it names an address alone.
    pub fn is_flow(&self) -> bool {
        self.who.is_none()
    }
}

impl Queue {
    /// Adds an event of an origin that is known by its home.
    pub fn push(&mut self, home: u64, at: u64, event: Event, who: Option<Box<Who>>) {
        // Tables take the low bits.
        self.shards[(home >> 48) as usize % SHARDS].push(Job { at, event, who });
        self.len += 1;
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it is time to judge.
    pub fn is_full(&self) -> bool {
        self.len >= FULL
    }

    /// Judges what waits, and says what is to be said in the order of the events, whichever shard was
    /// judged first.
    pub fn judge(
        &mut self,
        context: Context<'_>,
        shards: &mut [Shard; SHARDS],
        side_by_side: bool,
    ) -> Vec<Said> {
        let all = shards.iter_mut().zip(&mut self.shards).filter(|(_, jobs)| !jobs.is_empty());
        let judge = |(shard, jobs): (&mut Shard, &mut Vec<Job>)| {
            let mut said = Vec::new();
            judge(context, shard, jobs, &mut said);
            jobs.clear();
            said
        };
        let mut said: Vec<Said> = if side_by_side && self.len > FEW {
            let all: Vec<_> = all.collect();
            all.into_par_iter().with_max_len(1).map(judge).flatten_iter().collect()
        } else {
            all.flat_map(judge).collect()
        };
        said.sort_by_key(|said| said.at);
        self.len = 0;
        said
    }
}

/// Judges a shard's events in their order.
fn judge(context: Context<'_>, shard: &mut Shard, jobs: &[Job], said: &mut Vec<Said>) {
    let mut judge = Judge::new(context, shard, 0);
    for together in jobs.chunks(AHEAD) {
        judge.look_ahead(together);
        for Job { at, event, who } in together {
            judge.at = *at;
            match who {
                Some(who) => judge.observe(event, who, said),
                None => {
                    let who = who_holds(source_address(event), event.time, context.bindings);
                    judge.observe(event, &who, said);
                }
            }
        }
    }
}
