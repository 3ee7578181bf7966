//! What flow records mean, whatever spelling they come in: a conversation's two directions are judged
//! together, and records of one direction are paired first.

mod gathering;
mod pairing;
mod waiting;

use lapwing_event::{
    Activity, Address, Event, Initiator, LogSource, Network, Outcome, Protocol, Record, Technique,
    Timestamp,
};

pub(crate) use gathering::{Gathering, Piece};
pub(crate) use pairing::{OneWay, Pairing};

/// TCP flags (RFC 9293 section 3.1).
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const URG: u8 = 0x20;

/// ICMPv6 types of neighbour discovery (RFC 4861 section 4).
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// One direction of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Direction {
    /// TCP flags of all its packets together; `None` where they are not recorded.
    pub(crate) flags: Option<u8>,
    /// Packets; `None` where they are not recorded.
    pub(crate) packets: Option<u64>,
    /// Bytes of whole packets.
    pub(crate) bytes: u64,
}

/// The most bytes of a TCP packet without payload: IPv6's header and TCP's with the options of a SYN
/// (RFC 8200 section 3, RFC 9293 section 3.1).
const BARE_PACKET: u64 = 80;

/// The bytes of a reset: IPv6's header and TCP's without options, or the smallest Ethernet frame with an
/// IPv4 one.
const RESET: u64 = 60;

/// How many packets a side sends at the most to open and close a connection without using it.
const BARE_PACKETS: u64 = 5;

impl Direction {
    /// Whether payload was sent, as far as packets and bytes tell.
    pub(crate) fn has_payload(&self) -> bool {
        self.packets.is_some_and(|packets| {
            packets > BARE_PACKETS || self.bytes > packets.saturating_mul(BARE_PACKET)
        })
    }
}

/// A conversation of two sides, the first of which its recorder takes for the one that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conversation {
    pub(crate) source: Address,
    pub(crate) target: Address,
    pub(crate) source_port: u16,
    pub(crate) target_port: u16,
    pub(crate) protocol: Protocol,
    /// ICMP's type; 0 for other protocols.
    pub(crate) icmp_type: u8,
    pub(crate) there: Direction,
    pub(crate) back: Direction,
    /// Whether which side began is not known.
    pub(crate) turned: bool,
    /// Whether a policy let it not pass: a firewall, a security group.
    pub(crate) refused: bool,
}

impl Conversation {
    /// The attempt that it is; `None` for messages that ask nothing of anyone.
    #[inline]
    pub(crate) fn network(&self) -> Option<Network> {
        match self.protocol {
            Protocol::Icmpv6 => self.with_neighbours_told().attempt(),
            _ => self.attempt(),
        }
    }

    /// The same, with neighbour discovery (RFC 4861) told from other ICMPv6: a solicitation of a
    /// host by its group, which stands for the host asked for, and the advertisement of one.
    ///
    /// Some exporters leave out ICMP's type, as type 0: to such a group little else is sent than
    /// solicitations. What comes back comes from the host and not the group, in a record of its own.
    fn with_neighbours_told(&self) -> Conversation {
        if self.protocol != Protocol::Icmpv6 {
            return *self;
        }
        let icmp_type = match (self.icmp_type, self.target.is_solicited_node()) {
            // Without a source it is duplicate address detection (RFC 4862 section 5.4).
            (0 | SOLICITATION, true) if !self.source.is_unspecified() => SOLICITATION,
            (ADVERTISEMENT, _) if !self.target.is_group() => ADVERTISEMENT,
            _ => return *self,
        };
        Conversation {
            protocol: Protocol::Neighbour,
            icmp_type,
            back: Direction::default(),
            ..*self
        }
    }

    #[inline]
    fn attempt(&self) -> Option<Network> {
        let (initiator, outcome, technique) = self.told()?;
        let ports = self.protocol.has_ports();
        Some(Network {
            source: self.source,
            target: self.target,
            source_port: if ports { self.source_port } else { 0 },
            target_port: if ports { self.target_port } else { 0 },
            protocol: self.protocol,
            initiator: if self.turned { Initiator::Unknown } else { initiator },
            outcome: if self.refused { Outcome::Refused } else { outcome },
            technique,
        })
    }

    /// Who began it, what came of it, and how it was probed.
    fn told(&self) -> Option<(Initiator, Outcome, Technique)> {
        Some(match self.protocol {
            Protocol::Neighbour => {
                (self.icmp_type == SOLICITATION).then_some(())?;
                let technique = Technique::NeighbourSolicitation;
                (Initiator::Source, self.answered(Outcome::Open), technique)
            }
            Protocol::Tcp => self.tcp(),
            Protocol::Udp => (Initiator::Source, self.answered(Outcome::Served), Technique::Udp),
            Protocol::Icmp | Protocol::Icmpv6 => {
                // Echo requests (RFC 792, RFC 4443); the rest are answers and errors.
                let asks = matches!(
                    (self.protocol, self.icmp_type),
                    (Protocol::Icmp, 8 | 13 | 17) | (Protocol::Icmpv6, 128)
                );
                asks.then_some(())?;
                (Initiator::Source, self.answered(Outcome::Open), Technique::Echo)
            }
            _ => (Initiator::Unknown, Outcome::Unknown, Technique::Unknown),
        })
    }

    fn answered(&self, answer: Outcome) -> Outcome {
        match self.back.packets {
            Some(0) => Outcome::Unanswered,
            Some(_) => answer,
            None => Outcome::Unknown,
        }
    }

    /// Who began a TCP conversation, what came of it, and how it was probed.
    fn tcp(&self) -> (Initiator, Outcome, Technique) {
        let Some(there) = self.there.flags else {
            return (Initiator::Source, self.without_flags(), Technique::Unknown);
        };
        let back = self.back.flags.unwrap_or(0);
        let silent = self.back.packets == Some(0);
        // Where only this direction was exported, its own flags tell whether it was connected.
        let unseen = self.back.packets.is_none() && self.back.flags.is_none();
        // Of the answer only its packets are counted.
        let untold = !unseen && self.back.flags.is_none();
        let outcome = match () {
            () if unseen && there & SYN != 0 && there & (ACK | PSH) == ACK | PSH => Outcome::Served,
            () if unseen && there & SYN != 0 && there & (ACK | RST) != 0 => Outcome::Open,
            () if unseen && there & SYN != 0 => Outcome::Unanswered,
            () if unseen => Outcome::Unknown,
            () if silent => Outcome::Unanswered,
            () if untold && there & SYN != 0 => self.without_back_flags(there),
            () if untold && self.is_reset_only() => Outcome::Refused,
            // Payload both ways, as far as flags tell.
            () if back & SYN != 0 && there & back & PSH != 0 => Outcome::Served,
            () if back & SYN != 0 => Outcome::Open,
            () if back & RST != 0 => Outcome::Refused,
            () => Outcome::Unknown,
        };
        if there & SYN != 0 {
            // Some exporters leave out ACK and PSH, so that what comes after a handshake tells too.
            let answered = back & SYN != 0 || untold && outcome != Outcome::Refused;
            let connected = there & (ACK | PSH | FIN) != 0 && answered;
            return (
                Initiator::Source,
                outcome,
                if connected { Technique::Connect } else { Technique::Syn },
            );
        }
        // Without a SYN it is the rest of an older connection, unless no stack sends such flags.
        let technique = match there {
            0 => Technique::Null,
            FIN => Technique::Fin,
            flags if flags == FIN | PSH | URG => Technique::Xmas,
            _ => return (Initiator::Unknown, outcome, Technique::Unknown),
        };
        let few = self.there.packets.is_none_or(|packets| packets <= 2);
        let refused = back & !ACK == RST || untold && self.is_reset_only();
        match few && (silent || refused) {
            true => (Initiator::Source, outcome, technique),
            false => (Initiator::Unknown, outcome, Technique::Unknown),
        }
    }

    /// Whether what came back can be a reset for each packet.
    fn is_reset_only(&self) -> bool {
        let packets = self.back.packets.unwrap_or_default();
        packets <= self.there.packets.unwrap_or(1)
            && self.back.bytes <= packets.saturating_mul(RESET)
    }

    /// What came of a TCP conversation that began with a SYN, was answered, and whose answer's flags are
    /// not recorded: IPFIX biflows with no reverse tcpControlBits (RFC 5103 has each field reversed by
    /// itself), or both sides' flags in one field.
    fn without_back_flags(&self, flags: u8) -> Outcome {
        if self.there.has_payload() && self.back.has_payload() {
            // Whatever the flags: some exporters keep the first packet's alone.
            return Outcome::Served;
        }
        if self.there.packets == Some(1) && flags & (ACK | RST) != 0 {
            // No one packet opens and goes on: the rest are the answer's flags.
            return if flags & RST != 0 { Outcome::Refused } else { Outcome::Open };
        }
        match flags & (ACK | PSH | RST) {
            flags if flags & (ACK | PSH) == ACK | PSH => Outcome::Served,
            0 if self.is_reset_only() => Outcome::Refused,
            0 | PSH => Outcome::Unknown,
            _ => Outcome::Open,
        }
    }

    /// What came of a TCP conversation of which no flags are recorded, by its packets: one that is
    /// answered by one packet and goes on no further was reset, since an accepted one would at the
    /// least be acknowledged.
    fn without_flags(&self) -> Outcome {
        let Some(back) = self.back.packets else { return Outcome::Unknown };
        match (self.there.packets, back) {
            (_, 0) => Outcome::Unanswered,
            (Some(1), 1) => Outcome::Refused,
            (Some(there), back) if there >= 3 && back >= 2 => {
                match self.there.has_payload() && self.back.has_payload() {
                    true => Outcome::Served,
                    false => Outcome::Open,
                }
            }
            _ => Outcome::Unknown,
        }
    }

    fn reversed(&self) -> Conversation {
        Conversation {
            source: self.target,
            target: self.source,
            source_port: self.target_port,
            target_port: self.source_port,
            there: self.back,
            back: self.there,
            ..*self
        }
    }
}

/// The event of an attempt that no process is named for.
#[inline]
pub(crate) fn event(
    log_source: LogSource,
    time: Timestamp,
    record: Record,
    network: Network,
) -> Event {
    Event { time, record, log_source, actor: None, activity: Activity::Network(network) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TCP conversation whose answer has packets and no flags.
    fn answered(flags: u8, packets: u64, back: u64) -> Conversation {
        Conversation {
            source: [10, 0, 0, 1].into(),
            target: [10, 0, 0, 2].into(),
            source_port: 40_000,
            target_port: 443,
            protocol: Protocol::Tcp,
            icmp_type: 0,
            there: Direction { flags: Some(flags), packets: Some(packets), bytes: packets * 60 },
            back: Direction { flags: None, packets: Some(back), bytes: back * 60 },
            turned: false,
            refused: false,
        }
    }

    #[test]
    fn a_biflow_without_the_answers_flags_is_judged_by_its_own() {
        let told = |flags, packets, back| {
            let network =
                answered(flags, packets, back).network().unwrap_or_else(|| unreachable!());
            (network.initiator, network.outcome, network.technique)
        };
        let source = Initiator::Source;
        let used = (source, Outcome::Served, Technique::Connect);
        assert_eq!(told(SYN | ACK | PSH | FIN, 8, 6), used);
        let mut full = answered(SYN, 3, 3);
        (full.there.bytes, full.back.bytes) = (325, 322);
        assert_eq!(full.network().map(|network| network.outcome), Some(Outcome::Served));
        full.there.bytes = 200;
        assert_eq!(full.network().map(|network| network.outcome), Some(Outcome::Unknown));
        assert_eq!(told(SYN | ACK | FIN, 4, 3), (source, Outcome::Open, Technique::Connect));
        assert_eq!(told(SYN | RST, 2, 1), (source, Outcome::Open, Technique::Syn), "nmap -sS");
        assert_eq!(told(SYN, 1, 1), (source, Outcome::Refused, Technique::Syn));
        assert_eq!(
            told(SYN, 3, 3),
            (source, Outcome::Refused, Technique::Syn),
            "Windows tries again"
        );
        assert_eq!(told(SYN, 1, 3), (source, Outcome::Unknown, Technique::Syn), "SYN, ACK again");
        assert_eq!(told(SYN, 3, 0), (source, Outcome::Unanswered, Technique::Syn));
        assert_eq!(told(FIN, 1, 1), (source, Outcome::Refused, Technique::Fin));
        assert_eq!(told(ACK | PSH, 9, 9).0, Initiator::Unknown, "the rest of an older connection");
    }

    #[test]
    fn flags_of_both_sides_in_one_field_are_told_by_the_packets() {
        let outcome = |flags| answered(flags, 1, 1).network().map(|network| network.outcome);
        assert_eq!(outcome(SYN | ACK | RST), Some(Outcome::Refused));
        assert_eq!(outcome(SYN | ACK), Some(Outcome::Open));
    }
}
