//! Requests that a host answers by itself: ICMP echo and its kin, ARP, neighbour discovery.

use lapwing_event::{Outcome, Technique};

use super::super::packet::{Asking, Packet};
use super::table::{Entry, Key, Kind, State, Wait};
use super::{Moment, Tracker, tell};
use crate::Decoded;

impl Tracker {
    /// Looks at one request.
    pub(super) fn request(
        &mut self,
        moment: Moment,
        packet: &Packet,
        asking: Asking,
        out: &mut Decoded,
    ) {
        let key = Key::directed(Kind::of(asking), packet.source, packet.target);
        let (technique, wait) = manner(asking);
        let mut fresh = Entry::new(key, false, State::Asked, technique);
        fresh.unsure = packet.source.is_unspecified();
        let slot = match self.table.find(&key) {
            None => self.begin(moment, fresh, wait, out),
            Some(slot) => {
                let pending =
                    self.table.get_mut(slot).is_some_and(|entry| entry.state == State::Asked);
                if pending {
                    self.table.touch(slot, wait, self.clock.now());
                } else {
                    self.begin_again(moment, slot, fresh, wait);
                }
                slot
            }
        };
        if packet.group {
            // Members of a group answer, if at all, from their own addresses.
            self.tell_at(slot, Outcome::Unknown, out);
            self.settle(slot);
        }
    }

    /// Looks at one answer: it settles the request of the host that it goes to.
    pub(super) fn answer(
        &mut self,
        moment: Moment,
        packet: &Packet,
        asking: Asking,
        out: &mut Decoded,
    ) {
        let key = Key::directed(Kind::of(asking), packet.target, packet.source);
        match self.table.find(&key) {
            Some(slot) => {
                if let Some(entry) = self.table.get_mut(slot) {
                    tell(entry, Outcome::Open, out);
                }
                self.settle(slot);
            }
            // Unasked announcements are how ARP and neighbour discovery keep caches fresh; only
            // an echo reply out of nowhere says something (backscatter, a capture of one half).
            None if matches!(asking, Asking::Icmp | Asking::Icmpv6) => {
                self.stray_icmp(moment, packet, out);
            }
            None => {}
        }
    }
}

/// How a request probes, and how long its answer is awaited.
fn manner(asking: Asking) -> (Technique, Wait) {
    match asking {
        Asking::Icmp | Asking::Icmpv6 => (Technique::Echo, Wait::Long),
        Asking::Arp => (Technique::ArpRequest, Wait::Short),
        Asking::Neighbour => (Technique::NeighbourSolicitation, Wait::Short),
    }
}

impl Kind {
    /// The kind of key of a protocol of requests.
    pub(super) fn of(asking: Asking) -> Kind {
        match asking {
            Asking::Icmp => Kind::Icmp,
            Asking::Icmpv6 => Kind::Icmpv6,
            Asking::Arp => Kind::Arp,
            Asking::Neighbour => Kind::Neighbour,
        }
    }
}
