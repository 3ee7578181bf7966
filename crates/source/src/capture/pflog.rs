//! Packets that OpenBSD's pf logged (`pflog0`, link type 117): each with the rule's verdict, so that
//! each is judged alone, as a line of a firewall's log is.
//!
//! The header is `struct pfloghdr` of OpenBSD's `sys/net/if_pflog.h`, which FreeBSD, NetBSD and macOS
//! share as far as it is read here.

use lapwing_event::{Event, LogSource, Outcome, Protocol, Record};

use super::left::Left;
use super::link::{after, is_ip};
use super::packet::{Asking, Message, dissect};
use super::tracker::Moment;
use crate::firewall::{Logged, network};
use crate::flow;

/// The link type of such a capture.
pub(super) const LINK: u32 = 117;

/// Raw IP, which follows the header.
const RAW: u32 = 101;

/// The shortest header: its length, family, verdict and reason, then interface and rule set.
const SHORTEST: usize = 44;

/// pf's verdicts (`sys/net/pfvar.h`): PF_DROP, and PF_SYNPROXY_DROP, which answers in another's place.
const DROP: u8 = 1;
const PROXY: u8 = 10;

/// The event of one packet.
pub(super) fn event(moment: Moment, frame: &[u8]) -> Result<Event, Left> {
    let header: &[u8; 4] = frame.first_chunk().ok_or(Left::Cut)?;
    let [length, family, verdict, _] = *header;
    let length = usize::from(length);
    if length < SHORTEST {
        return Err(Left::Malformed);
    }
    if !is_ip(u32::from(family)) {
        return Err(Left::Family(u32::from(family)));
    }
    // The length leaves out what pads it to words.
    let packet = dissect(RAW, after(frame, length.next_multiple_of(4)))?.packet;
    let of = |protocol, source_port, target_port, flags, icmp_type| Logged {
        source: packet.source,
        target: packet.target,
        source_port,
        target_port,
        protocol,
        flags,
        icmp_type,
        outcome: match verdict {
            // A rule that returns a reset is a drop as well: whether anything was sent back is not told.
            DROP | PROXY => Outcome::Unanswered,
            _ => Outcome::Unknown,
        },
        taken: false,
    };
    let logged = match packet.message {
        Message::Tcp(tcp) => of(Protocol::Tcp, tcp.source_port, tcp.target_port, tcp.flags, None),
        Message::Datagram(sent) => {
            let protocol = Protocol::from_number(sent.number);
            of(protocol, sent.source_port, sent.target_port, None, None)
        }
        Message::Request(Asking::Icmp) => of(Protocol::Icmp, 0, 0, None, Some(8)),
        Message::Request(Asking::Icmpv6) => of(Protocol::Icmpv6, 0, 0, None, Some(128)),
        Message::Request(_) | Message::Answer(_) | Message::Refusal(_) => {
            return Err(Left::AsksNothing);
        }
    };
    let record = Record { offset: moment.offset, ..Record::default() };
    network(&logged)
        .map(|network| flow::event(LogSource::FirewallLog, moment.time, record, network))
        .ok_or(Left::AsksNothing)
}
