//! One packet by itself, as samplers see it.

use super::packet::{Asking, Message, Quoted, dissect};
use crate::flow::{Conversation, Direction};

use lapwing_event::{Address, Protocol};

/// The packet as a conversation of which nothing else is known; `None` for what asks nothing of anyone
/// and is no answer. A refusal is told as the conversation that it refuses.
pub(crate) fn sampled(link: u32, head: &[u8]) -> Option<Conversation> {
    let packet = dissect(link, head).ok()?.packet;
    let of = |source: Address, target: Address, protocol: Protocol| Conversation {
        source,
        target,
        source_port: 0,
        target_port: 0,
        protocol,
        icmp_type: 0,
        there: Direction { flags: None, packets: Some(1), bytes: 0 },
        back: Direction::default(),
        turned: false,
        refused: false,
    };
    let protocol_of = |asking: Asking| match asking {
        Asking::Icmp => Some((Protocol::Icmp, 8)),
        Asking::Icmpv6 => Some((Protocol::Icmpv6, 128)),
        // Neighbours ask for one another all day, and of a sample nothing is known but that.
        Asking::Arp | Asking::Neighbour => None,
    };
    let whole = of(packet.source, packet.target, Protocol::Tcp);
    Some(match packet.message {
        Message::Tcp(segment) => Conversation {
            source_port: segment.source_port,
            target_port: segment.target_port,
            there: Direction { flags: segment.flags, ..whole.there },
            ..whole
        },
        Message::Datagram(datagram) => Conversation {
            protocol: Protocol::from_number(datagram.number),
            source_port: datagram.source_port,
            target_port: datagram.target_port,
            ..whole
        },
        Message::Request(asking) => {
            let (protocol, icmp_type) = protocol_of(asking)?;
            Conversation { protocol, icmp_type, ..whole }
        }
        Message::Answer(asking) => {
            let (protocol, _) = protocol_of(asking)?;
            Conversation { protocol, ..whole }
        }
        Message::Refusal(quote) => {
            let refused = Conversation { refused: true, ..whole };
            let refused = Conversation { source: quote.source, target: quote.target, ..refused };
            match quote.quoted {
                Quoted::Datagram { number, source_port, target_port } => Conversation {
                    protocol: Protocol::from_number(number),
                    source_port,
                    target_port,
                    ..refused
                },
                Quoted::Request(asking) => {
                    let (protocol, icmp_type) = protocol_of(asking)?;
                    Conversation { protocol, icmp_type, ..refused }
                }
            }
        }
    })
}
