//! Pairs records of one direction each, as NetFlow and its kin export them.

use lapwing_event::{LogSource, Outcome, Protocol, Record, Span, Timestamp};

use super::waiting::Waiting;
use super::{ACK, ADVERTISEMENT, Conversation, Direction, PSH, RST, SYN, event};
use crate::{Decoded, Problem};

/// One direction's record, as NetFlow and its kin export it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OneWay {
    pub(crate) start: Timestamp,
    /// Of this direction alone: `back` is not filled.
    pub(crate) flow: Conversation,
    pub(crate) record: Record,
}

/// How far apart the two directions of one conversation may begin: a server that answers late, and
/// exporters that round.
const TOGETHER: Span = Span::seconds(60);

/// Pairs the two directions of conversations.
#[derive(Debug, Default)]
pub(crate) struct Pairing {
    /// Whether the input holds a sample of the traffic: what is not there says nothing then.
    sampled: bool,
    /// Conversations whose both directions were there: until there is one, the input may hold one
    /// direction of each, and silence cannot be told.
    paired: u64,
    /// Whether neighbours' advertisements were there: until there is one, the silence of a host that
    /// was solicited cannot be told.
    advertised: bool,
    /// Those whose other direction has not come; of too many the oldest is taken for unanswered.
    waiting: Waiting,
}

/// A conversation by its sides in a fixed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PairKey {
    one: u128,
    two: u128,
    /// The port of either, and the protocol.
    ports: u64,
}

impl Pairing {
    /// For an input that holds a sample of the traffic.
    pub(crate) fn of_sample() -> Pairing {
        Pairing { sampled: true, ..Pairing::default() }
    }

    /// Takes one record; gives out a conversation where it is the second of two.
    pub(crate) fn push(&mut self, log_source: LogSource, mut one: OneWay, out: &mut Decoded) {
        if one.flow.back.packets.is_some_and(|packets| packets > 0) {
            return self.whole(log_source, one, out);
        }
        if one.flow.protocol == Protocol::Icmpv6 {
            one.flow = one.flow.with_neighbours_told();
        }
        let advertises = is_advertisement(&one.flow);
        self.advertised |= advertises;
        let key = self.waiting.hashed(PairKey::of(&one.flow));
        if let Some(other) = self.waiting.get_mut(&key) {
            // Exporters state any time they like: the distance saturates.
            let (early, late) = (one.start.min(other.start), one.start.max(other.start));
            let apart = late.since(early);
            let opposite = match one.flow.protocol {
                Protocol::Neighbour => advertises != is_advertisement(&other.flow),
                _ => {
                    other.flow.source == one.flow.target
                        && other.flow.source_port == one.flow.target_port
                }
            };
            // The same direction again: a long flow's next record, or a port used anew.
            if !opposite && apart <= TOGETHER {
                other.flow.there = added(other.flow.there, one.flow.there);
                other.flow.refused |= one.flow.refused;
                other.start = other.start.min(one.start);
                return;
            }
            if let Some(other) = self.waiting.remove(&key) {
                if opposite && apart <= TOGETHER {
                    self.paired += u64::from(one.flow.protocol != Protocol::Neighbour);
                    return self.give(log_source, &joined(&other, &one, self.sampled), out);
                }
                self.give_alone(log_source, other, out);
            }
        }
        if self.waiting.is_full()
            && let Some(oldest) = self.waiting.remove_oldest()
        {
            self.give_alone(log_source, oldest, out);
        }
        self.waiting.insert(&key, one);
    }

    /// Gives out a record that counts what came back: an exporter that counts it shows both directions,
    /// so that where nothing is counted nothing came.
    fn whole(&mut self, log_source: LogSource, mut one: OneWay, out: &mut Decoded) {
        self.paired += 1;
        one.flow.turned = may_be_turned(&one.flow);
        self.give(log_source, &one, out);
    }

    /// Gives out what found no other direction.
    pub(crate) fn finish(&mut self, log_source: LogSource, out: &mut Decoded) {
        while let Some(one) = self.waiting.remove_oldest() {
            self.give_alone(log_source, one, out);
        }
    }

    fn give(&self, log_source: LogSource, one: &OneWay, out: &mut Decoded) {
        let Some(mut network) = one.flow.network() else {
            let key = "ICMP that asks nothing of anyone";
            return out.note_times(Problem::Note, key, one.record.offset, 1);
        };
        // Of a sample only what was seen is known: that payload went both ways, a refusal, or what the
        // flags of an answer say.
        let seen = one.flow.refused || one.flow.back.flags.is_some_and(|flags| flags != 0);
        if self.sampled && !seen && network.outcome != Outcome::Served {
            network.outcome = Outcome::Unknown;
        }
        out.events.push(event(log_source, one.start, one.record, network));
    }

    /// Gives out a record whose other direction was not exported: nothing came back, if the exporter
    /// shows both directions at all and nothing was acknowledged. Else it may be the answer as well as
    /// the question, which ports tell or nothing does.
    fn give_alone(&self, log_source: LogSource, mut one: OneWay, out: &mut Decoded) {
        let flow = &mut one.flow;
        // Nobody sends a TCP payload that is not acknowledged, whether or not flags are recorded.
        let acknowledged = match flow.there.flags {
            Some(flags) => flags & ACK != 0 || flags & (SYN | PSH) == SYN | PSH,
            None => flow.protocol == Protocol::Tcp && flow.there.has_payload(),
        };
        if flow.protocol == Protocol::Neighbour {
            if self.advertised && !self.sampled {
                flow.back.packets = Some(0);
            }
        } else if self.paired > 0 && !acknowledged && !self.sampled {
            flow.back = Direction { flags: Some(0), packets: Some(0), bytes: 0 };
        } else {
            flow.turned = may_be_turned(flow);
        }
        self.give(log_source, &one, out);
    }
}

/// Whether the side that a record names first may be the one that answered: neither a SYN nor the ports
/// tell otherwise.
fn may_be_turned(flow: &Conversation) -> bool {
    let begins = flow.there.flags.is_some_and(|flags| flags & SYN != 0 && flags & ACK == 0);
    let client = flow.source_port >= 32_768 && flow.target_port < 32_768;
    flow.protocol.has_ports() && !begins && !client
}

fn is_advertisement(flow: &Conversation) -> bool {
    flow.protocol == Protocol::Neighbour && flow.icmp_type == ADVERTISEMENT
}

impl PairKey {
    pub(super) fn of(flow: &Conversation) -> PairKey {
        let protocol = u64::from(number(flow.protocol));
        if flow.protocol == Protocol::Neighbour {
            // Who asked, and the group of the host that was asked for.
            let (asker, host) = match is_advertisement(flow) {
                true => (flow.target, flow.source),
                false => (flow.source, flow.target),
            };
            return PairKey {
                one: asker.bits(),
                two: host.solicited_node().bits(),
                ports: protocol,
            };
        }
        let (a, b) = (flow.source.bits(), flow.target.bits());
        let (a_port, b_port) = (u64::from(flow.source_port), u64::from(flow.target_port));
        let in_order = (a, a_port) <= (b, b_port);
        let (one, two) = if in_order { (a, b) } else { (b, a) };
        let (one_port, two_port) = if in_order { (a_port, b_port) } else { (b_port, a_port) };
        // An echo's answer has another type: both are one exchange.
        PairKey { one, two, ports: one_port << 32 | two_port << 16 | protocol }
    }
}

/// A protocol as one byte.
pub(super) fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Icmp => 1,
        Protocol::Icmpv6 => 58,
        Protocol::Other(number) => number,
        Protocol::Arp | Protocol::Neighbour => 255,
    }
}

pub(super) fn added(a: Direction, b: Direction) -> Direction {
    Direction {
        flags: a.flags.zip(b.flags).map(|(a, b)| a | b),
        packets: a.packets.zip(b.packets).map(|(a, b)| a.saturating_add(b)),
        bytes: a.bytes.saturating_add(b.bytes),
    }
}

/// Both directions, the one that began first.
fn joined(a: &OneWay, b: &OneWay, sampled: bool) -> OneWay {
    let begins = begins(a, b, sampled);
    let first = match begins {
        Some(true) | None => (a, b),
        Some(false) => (b, a),
    };
    let (from, to) = first;
    let mut flow = from.flow;
    flow.back = to.flow.there;
    if flow.protocol == Protocol::Neighbour {
        // The host asked for, now that it has told its address.
        flow.target = to.flow.source;
    }
    flow.turned = begins.is_none();
    flow.refused |= to.flow.refused;
    if flow.turned {
        // Sides in a fixed order, so that the order of records does not matter.
        let back = flow.reversed();
        if (back.source, back.source_port) < (flow.source, flow.source_port) {
            flow = back;
        }
    }
    OneWay { start: a.start.min(b.start), flow, record: a.record.min(b.record) }
}

/// Whether the first of two opposite records is the one that began; `None` where nothing tells.
fn begins(a: &OneWay, b: &OneWay, sampled: bool) -> Option<bool> {
    if a.flow.protocol == Protocol::Neighbour {
        return Some(is_advertisement(&b.flow));
    }
    if let (Protocol::Icmp | Protocol::Icmpv6, one, two) =
        (a.flow.protocol, a.flow.icmp_type, b.flow.icmp_type)
    {
        let asks = |kind: u8| matches!(kind, 8 | 13 | 17 | 128);
        return match (asks(one), asks(two)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        };
    }
    // A SYN without ACK begins; a RST without SYN ends what the other began.
    let opens = |flow: &Conversation| {
        flow.there.flags.is_some_and(|flags| flags & SYN != 0 && flags & ACK == 0)
    };
    let refuses = |flow: &Conversation| {
        flow.there.flags.is_some_and(|flags| flags & RST != 0 && flags & SYN == 0)
    };
    for told in [opens(&a.flow), refuses(&b.flow)] {
        if told && !opens(&b.flow) && !refuses(&a.flow) {
            return Some(true);
        }
    }
    for told in [opens(&b.flow), refuses(&a.flow)] {
        if told && !opens(&a.flow) && !refuses(&b.flow) {
            return Some(false);
        }
    }
    // Clients take high ports (RFC 6335 section 6, and Linux's range from 32768).
    let high = |flow: &Conversation| flow.source_port >= 32_768;
    let by_port = match (high(&a.flow), high(&b.flow)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    };
    let by_time = (a.start != b.start).then_some(a.start < b.start);
    // An answer takes milliseconds, so that clocks of whole seconds tell by chance.
    let coarse = [a, b].iter().all(|one| one.start.0 % Span::seconds(1).0 == 0);
    match (sampled, coarse) {
        // Which packet of a conversation was sampled first is chance.
        (true, _) => by_port,
        (false, true) => by_port.or(by_time),
        (false, false) => by_time.or(by_port),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use lapwing_event::{Activity, Event};

    use super::*;
    use crate::flow::{FIN, URG};

    fn flow(from: u8, from_port: u16, to: u8, to_port: u16, flags: u8) -> Conversation {
        Conversation {
            source: [10, 0, 0, from].into(),
            target: [10, 0, 0, to].into(),
            source_port: from_port,
            target_port: to_port,
            protocol: Protocol::Tcp,
            icmp_type: 0,
            there: Direction { flags: Some(flags), packets: Some(1), bytes: 60 },
            back: Direction::default(),
            turned: false,
            refused: false,
        }
    }

    fn paired(records: &[(i64, Conversation)]) -> Vec<String> {
        let mut pairing = Pairing::default();
        let mut out = Decoded::default();
        for (at, (millis, flow)) in records.iter().enumerate() {
            let record = Record { offset: at as u64, ..Record::default() };
            let start = Timestamp(millis * 1_000_000);
            pairing.push(LogSource::NetFlow, OneWay { start, flow: *flow, record }, &mut out);
        }
        pairing.finish(LogSource::NetFlow, &mut out);
        let network = |event: &Event| match event.activity {
            Activity::Network(network) => network.to_string(),
            _ => String::new(),
        };
        out.events.iter().map(network).collect()
    }

    #[test]
    fn two_directions_are_one_attempt_whatever_their_order() {
        let syn = flow(1, 40000, 2, 22, SYN);
        let rst = flow(2, 22, 1, 40000, RST | ACK);
        let expected = ["tcp 10.0.0.1|40000 -> 10.0.0.2|22 refused by=tcp-syn"];
        assert_eq!(paired(&[(5, syn), (5, rst)]), expected);
        assert_eq!(paired(&[(5, rst), (5, syn)]), expected);
        assert_eq!(
            paired(&[(5, syn)]),
            ["tcp 10.0.0.1|40000 -> 10.0.0.2|22 unanswered by=tcp-syn"]
        );
    }

    #[test]
    fn who_began_is_told_by_time_and_port_or_not_at_all() {
        let used = SYN | ACK | PSH | FIN;
        let (there, back) = (flow(1, 5000, 2, 8080, used), flow(2, 8080, 1, 5000, used));
        let began = "tcp 10.0.0.1|5000 -> 10.0.0.2|8080 served by=tcp-connect";
        assert_eq!(paired(&[(4, there), (5, back)]), [began]);
        assert_eq!(paired(&[(5, back), (4, there)]), [began]);
        let unknown = format!("{began} initiator=unknown");
        for records in [[(5, there), (5, back)], [(5, back), (5, there)]] {
            assert_eq!(paired(&records)[0], unknown);
        }
        let (high, low) = (flow(1, 50000, 2, 8080, used), flow(2, 8080, 1, 50000, used));
        assert!(paired(&[(5, low), (5, high)])[0].starts_with("tcp 10.0.0.1|50000 -> "));
    }

    #[test]
    fn what_no_stack_sends_is_a_probe_and_the_tail_of_a_connection_is_none() {
        for (flags, technique) in [(0, "tcp-null"), (FIN, "tcp-fin"), (FIN | PSH | URG, "tcp-xmas")]
        {
            let pair = [(5, flow(7, 40000, 8, 22, SYN)), (5, flow(8, 22, 7, 40000, RST | ACK))];
            let told = &paired(&[pair[0], pair[1], (5, flow(1, 40000, 2, 22, flags))])[1];
            assert!(told.ends_with(&format!("unanswered by={technique}")), "{told}");
        }
        let tail = &paired(&[(5, flow(1, 40000, 2, 22, FIN | ACK))])[0];
        assert!(tail.ends_with("initiator=unknown"), "{tail}");
    }

    #[test]
    fn a_record_that_counts_what_came_back_is_whole_and_says_that_silence_is_told() {
        let mut refused = flow(7, 40000, 8, 22, SYN);
        refused.back = Direction { flags: None, packets: Some(1), bytes: 40 };
        let fin = flow(1, 40000, 2, 22, FIN);
        let told = paired(&[(5, refused), (6, fin)]);
        assert_eq!(told[0], "tcp 10.0.0.7|40000 -> 10.0.0.8|22 refused by=tcp-syn");
        assert!(told[1].ends_with("unanswered by=tcp-fin"), "{}", told[1]);
        // That one record answers another is not said by a record of the same direction.
        assert_eq!(paired(&[(5, refused), (5, refused)]).len(), 2);
    }

    #[test]
    fn where_one_direction_is_exported_an_answer_is_no_question() {
        let used = SYN | ACK | PSH | FIN;
        let answer = &paired(&[(5, flow(2, 443, 1, 50000, used))])[0];
        assert!(answer.ends_with("initiator=unknown"), "{answer}");
        let question = &paired(&[(5, flow(1, 50000, 2, 443, used))])[0];
        assert!(question.starts_with("tcp 10.0.0.1|50000 -> 10.0.0.2|443 served"), "{question}");
    }

    #[test]
    fn clocks_of_whole_seconds_do_not_say_who_began() {
        let bare = |from, from_port, to, to_port| {
            let mut flow = flow(from, from_port, to, to_port, 0);
            flow.there.flags = None;
            flow
        };
        let (question, answer) = (bare(1, 50000, 2, 443), bare(2, 443, 1, 50000));
        let told = paired(&[(5000, answer), (6000, question)]);
        assert!(told[0].starts_with("tcp 10.0.0.1|50000 -> 10.0.0.2|443"), "{}", told[0]);
        // Times that tell answers from questions are the better witness: a source port proves little.
        let told = paired(&[(5001, answer), (5002, question)]);
        assert!(told[0].starts_with("tcp 10.0.0.2|443 -> 10.0.0.1|50000"), "{}", told[0]);
    }

    #[test]
    fn an_answer_without_its_question_is_no_probe() {
        let pair = [(5, flow(7, 40000, 8, 22, SYN)), (5, flow(8, 22, 7, 40000, RST | ACK))];
        let answer = flow(2, 443, 1, 50000, SYN | ACK | PSH);
        let told = paired(&[pair[0], pair[1], (9, answer)]);
        assert!(told[1].ends_with("initiator=unknown"), "{}", told[1]);
    }

    #[test]
    fn a_neighbour_is_asked_for_by_its_group_and_answers_itself() {
        let nd = |from: &str, to: &str, kind: u8| {
            let mut flow = flow(1, 0, 2, 0, 0);
            flow.source = from.parse().unwrap();
            flow.target = to.parse().unwrap();
            (flow.protocol, flow.icmp_type) = (Protocol::Icmpv6, kind);
            flow.there.flags = None;
            flow
        };
        let asked = |kind| nd("fd77::9", "ff02::1:ff00:3", kind);
        // Exporters that do not tell ICMP's type say 0.
        for kind in [0, 135] {
            assert_eq!(paired(&[(5, asked(kind))]), ["nd fd77::9 -> ff02::1:ff00:3 unknown by=nd"]);
        }
        let answer = nd("fd77::3", "fd77::9", 136);
        for records in [[(5, asked(135)), (6, answer)], [(6, answer), (5, asked(135))]] {
            assert_eq!(paired(&records), ["nd fd77::9 -> fd77::3 open by=nd"]);
        }
        // Where answers are exported, silence is one.
        let other = nd("fd77::9", "ff02::1:ff00:4", 135);
        let told = paired(&[(5, asked(135)), (5, other), (6, answer)]);
        assert!(told.contains(&"nd fd77::9 -> ff02::1:ff00:4 unanswered by=nd".to_string()));
        // Duplicate address detection, a poll of a known neighbour, an unasked answer, a report.
        for nothing in [
            nd("::", "ff02::1:ff00:3", 135),
            nd("fd77::9", "fd77::3", 135),
            nd("fd77::3", "fd77::9", 136),
            nd("fe80::3", "ff02::1:ff00:3", 131),
        ] {
            assert!(paired(&[(5, nothing)]).is_empty(), "{nothing:?}");
        }
    }

    #[test]
    fn times_and_counts_at_their_ends_are_taken() {
        let mut pairing = Pairing::default();
        let mut out = Decoded::default();
        for start in [i64::MIN, i64::MAX, i64::MIN, i64::MIN] {
            let mut flow = flow(1, 40000, 2, 22, SYN);
            flow.there = Direction { packets: Some(u64::MAX), bytes: u64::MAX, ..flow.there };
            let one = OneWay { start: Timestamp(start), flow, record: Record::default() };
            pairing.push(LogSource::NetFlow, one, &mut out);
        }
        pairing.finish(LogSource::NetFlow, &mut out);
        assert_eq!(out.events.len(), 3, "the last two are one");
    }

    #[test]
    fn a_port_used_anew_is_another_attempt() {
        let syn = flow(1, 40000, 2, 22, SYN);
        assert_eq!(paired(&[(0, syn), (120_000, syn)]).len(), 2);
        assert_eq!(paired(&[(0, syn), (1000, syn)]).len(), 1, "a retry is not");
    }
}
