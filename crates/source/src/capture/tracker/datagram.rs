//! UDP and the other IP protocols: the first to send has asked, unless its ports say that it
//! answers.

use lapwing_event::{Address, Outcome, Technique};

use super::super::packet::{Datagram, Packet};
use super::table::{Entry, Key, Kind, State, Wait};
use super::{Moment, Tracker, tell};
use crate::Decoded;

/// Services above port 1023 that many clients ask, so that their answers are met without the
/// request: SSDP, STUN, NAT-PMP, NAT traversal of IPsec, SIP, mDNS, LLMNR.
const HIGH_SERVICES: [u16; 8] = [1900, 3478, 3479, 4500, 5060, 5350, 5353, 5355];

/// Whether the ports are those of a service that answers a client: the sender's is a service's and
/// the lower one, the receiver's is not. A sender from port 53 to low ports does not answer.
pub(super) fn answers_from_a_service(source_port: u16, target_port: u16) -> bool {
    let service = source_port < 1_024 || HIGH_SERVICES.contains(&source_port);
    service && source_port < target_port && target_port >= 1_024
}

impl Tracker {
    /// Looks at one datagram.
    pub(super) fn datagram(
        &mut self,
        moment: Moment,
        packet: &Packet,
        datagram: &Datagram,
        out: &mut Decoded,
    ) {
        let (key, from_b) = Key::conversation(
            datagram.number,
            (packet.source, datagram.source_port),
            (packet.target, datagram.target_port),
        );
        match self.table.find(&key) {
            None => self.first_datagram(moment, packet, datagram, (key, from_b), out),
            Some(slot) => self.next_datagram(moment, slot, from_b, datagram, out),
        }
    }

    fn first_datagram(
        &mut self,
        moment: Moment,
        packet: &Packet,
        datagram: &Datagram,
        (key, from_b): (Key, bool),
        out: &mut Decoded,
    ) {
        let technique = if datagram.number == 17 { Technique::Udp } else { Technique::IpProtocol };
        let mut entry = Entry::new(key, from_b, State::Asked, technique);
        entry.payload = [datagram.payload, false];
        entry.unsure = packet.source.is_unspecified()
            || datagram.refuses
            || answers_from_a_service(datagram.source_port, datagram.target_port)
            || self.asked_a_group(datagram.number, packet.target, datagram.target_port);
        let slot = self.begin(moment, entry, Wait::Long, out);
        if packet.group {
            // Members of a group answer, if at all, from their own addresses.
            self.tell_at(slot, Outcome::Unknown, out);
            self.settle(slot);
            self.remember_group_asker(moment, packet, datagram, out);
        }
    }

    fn next_datagram(
        &mut self,
        moment: Moment,
        slot: u32,
        from_b: bool,
        datagram: &Datagram,
        out: &mut Decoded,
    ) {
        let now = self.clock.now();
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        let ours = entry.from_b == from_b;
        if let Some(payload) = entry.payload.get_mut(usize::from(!ours)) {
            *payload |= datagram.payload;
        }
        if ours {
            match (entry.state, entry.told) {
                (State::Settled, Some(Outcome::Unanswered | Outcome::Refused)) => {
                    let mut fresh = *entry;
                    fresh.state = State::Asked;
                    self.begin_again(moment, slot, fresh, Wait::Long);
                }
                (State::Settled, Some(Outcome::Open)) if entry.served() => {
                    tell(entry, Outcome::Served, out);
                }
                (State::Settled, _) => self.touch_lazily(slot, Wait::Settled),
                _ => self.table.touch(slot, Wait::Long, now),
            }
            return;
        }
        entry.answered = true;
        let outcome = match (datagram.refuses, entry.served()) {
            (true, _) => Outcome::Refused,
            (false, true) => Outcome::Served,
            (false, false) => Outcome::Open,
        };
        // A late or better answer is told too; a connection that was served stays served.
        if entry.told != Some(Outcome::Served) {
            tell(entry, outcome, out);
        }
        if entry.state == State::Settled {
            self.touch_lazily(slot, Wait::Settled);
        } else {
            self.settle(slot);
        }
    }

    /// Remembers that an endpoint asked a group, so that what comes back to it from anywhere is
    /// not taken for a probe (SSDP, mDNS and WS-Discovery answers).
    fn remember_group_asker(
        &mut self,
        moment: Moment,
        packet: &Packet,
        datagram: &Datagram,
        out: &mut Decoded,
    ) {
        if datagram.number != 17 {
            return;
        }
        let key = group_asker(packet.source, datagram.source_port);
        match self.table.find(&key) {
            Some(slot) => self.touch_lazily(slot, Wait::Settled),
            None => {
                let entry = Entry::new(key, false, State::Settled, Technique::Udp);
                self.begin(moment, entry, Wait::Settled, out);
            }
        }
    }

    fn asked_a_group(&self, number: u8, target: Address, port: u16) -> bool {
        number == 17 && self.table.find(&group_asker(target, port)).is_some()
    }
}

fn group_asker(address: Address, port: u16) -> Key {
    Key { a: address.bits(), b: 0, a_port: port, b_port: 0, kind: Kind::GroupAsker }
}
