//! One attempt that two logs of its computer tell of: what one does not know of its outcome the other may.

use lapwing_event::Outcome;

use crate::attempt::Contact;
use crate::counters::{hosts_key, ports_key};
use crate::origin::Link;
use crate::shard::Judge;

/// Whether a touch of a known target is another log's telling of the first contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retold {
    /// It is a touch of its own.
    No,
    /// It tells of the same attempt, and nothing new.
    Again,
    /// It tells what came of the attempt, which was not known.
    Outcome,
}

impl Judge<'_> {
    /// Whether a process's touch of a known target is told of a second time, by another log; takes over the
    /// outcome where that was not known. Clocks of one computer agree, but logs write of a connection when
    /// it is decided on, when it is made, or when it has failed.
    pub(crate) fn retell(&mut self, link: Link, contact: &Contact) -> Retold {
        let round = self.tunables.detection.ordinary.round;
        let shard = &mut self.shard;
        let Some(origin) = shard.origins.get_mut(link.id) else { return Retold::No };
        let known = origin.ring.last_of(contact).filter(|known| {
            known.log_source != contact.log_source && contact.time.since(known.time) < round
        });
        let Some(known) = known.copied() else { return Retold::No };
        let settles = known.outcome == Outcome::Unknown && contact.outcome != Outcome::Unknown;
        if let Some(episode) = shard.episodes.get_mut(&link.id).filter(|open| !open.is_closed()) {
            episode.retell(contact, settles);
        }
        if !settles {
            return Retold::Again;
        }
        origin.ring.settle(contact);
        let met_by_it = origin.ring.iter().filter(|other| other.asked() == contact.asked()).count();
        if met_by_it == 1 {
            origin.walk.step(contact.outcome, f64::from(contact.weight));
        }
        for key in [ports_key(link.id, contact.target), hosts_key(link.id, contact)] {
            if let Some(cell) = shard.cells.get_mut(key) {
                cell.settle(contact);
            }
        }
        Retold::Outcome
    }
}
