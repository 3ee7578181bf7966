//! Looking ahead: what the next events will need is brought from memory together.
//!
//! Judging a flow of a large network is mostly waiting for memory: each event needs a few entries
//! of tables that no cache holds, one after the other. Nothing here changes what is found.

use std::hint::black_box;

use lapwing_event::Activity;

use crate::attempt::what;
use crate::counters::host_counter;
use crate::knowledge::service_key;
use crate::learning::pair_host;
use crate::origin::address_id;
use crate::queue::Job;
use crate::shard::Judge;

/// How many events are looked at ahead: enough that their waits overlap, few enough that what was
/// brought for the first is still there for the last.
pub(crate) const AHEAD: usize = 16;

impl Judge<'_> {
    /// Reads what flows' events will ask for. The rounds go by what must be known first: where an
    /// entry lies, the entry, what it points to.
    pub(crate) fn look_ahead(&self, jobs: &[Job]) {
        let shard = &self.shard;
        let mut read = 0;
        let mut ids = [0; AHEAD];
        let mut counters = [0; AHEAD];
        for ((id, counter), job) in ids.iter_mut().zip(&mut counters).zip(jobs) {
            let (true, Activity::Network(network)) = (job.is_flow(), &job.event.activity) else {
                continue;
            };
            let what = what(network.protocol, network.target_port, 0);
            *id = address_id(network.source);
            read ^= shard.pairs.peek(pair_host(*id, network.target));
            read ^= self.knowledge.peek_service(service_key(what, network.target));
            *counter = host_counter(*id, what);
            read ^= shard.origins.peek(*id) ^ shard.cells.peek(*counter);
        }
        let origins = ids.map(|id| shard.origins.get(id));
        for (origin, counter) in origins.iter().zip(counters) {
            let Some(origin) = origin else { continue };
            read ^= origin.ring.len() as u64;
            if origin.counted {
                read ^= shard.cells.get(counter).map_or(0, |cell| cell.len() as u64);
            }
        }
        for origin in origins.into_iter().flatten() {
            let newest = origin.ring.iter().next_back();
            read ^= newest.map_or(0, |contact| contact.time.0 as u64);
        }
        // Else it would be seen that nobody uses what was read, and it would not be read.
        black_box(read);
    }
}
