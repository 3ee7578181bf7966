//! The connection tracker: packets in, one event per attempt out, once it is settled.
//!
//! An attempt is settled when its outcome cannot change any more: by an answer, by a refusal, by
//! its timer, or by the end of the capture. Timers run on the packets' own times alone. The table
//! is bounded; a flood pushes out what has waited longest, as it stands, and that is counted.

mod clock;
mod datagram;
mod request;
mod table;
mod tcp;

use lapwing_event::{
    Activity, Address, Event, Initiator, LogSource, Network, Outcome, Protocol, Record, Span,
    Technique, Timestamp,
};

use self::clock::Clock;
use self::table::{ALL_WAITS, Entry, Key, Kind, MAX_ATTEMPTS, State, Table, Wait};
use super::packet::{Message, Packet, Quote, Quoted};
use crate::{Decoded, Problem};

/// How much capture must follow an attempt for its silence to count when the capture ends, or the
/// table is full, before the timer has run out: round trips of a LAN stay under 100 ms, those
/// across an ocean under 250 ms, and captures of a scan are stopped half a second after it.
const QUIET: Span = Span::millis(250);

/// How long a repeat of an attempt is still the same attempt (scan-detectors.md section 6).
const SAME_ATTEMPT: Span = Span::seconds(60);

/// How stale the place of a busy exchange in its list may grow before it is moved, so that not
/// every packet of a download moves it.
const LAZY_TOUCH: Span = Span::seconds(1);

/// Follows the attempts of one capture.
#[derive(Debug)]
pub(super) struct Tracker {
    table: Table,
    clock: Clock,
}

/// When a packet was taken and where its record lies.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) time: Timestamp,
    pub(super) offset: u64,
}

impl Tracker {
    pub(super) fn new() -> Tracker {
        Tracker { table: Table::new(), clock: Clock::default() }
    }

    /// Lets time pass up to a packet's, and settles what has waited long enough.
    pub(super) fn tick(&mut self, time: Timestamp, out: &mut Decoded) {
        self.clock.observe(time);
        while let Some(slot) = self.table.due(self.clock.now()) {
            self.expire(slot, true, out);
        }
    }

    /// Looks at one packet.
    pub(super) fn packet(&mut self, moment: Moment, packet: &Packet, out: &mut Decoded) {
        self.tick(moment.time, out);
        match packet.message {
            Message::Tcp(segment) => self.tcp(moment, packet, &segment, out),
            Message::Datagram(datagram) => self.datagram(moment, packet, &datagram, out),
            Message::Request(asking) => self.request(moment, packet, asking, out),
            Message::Answer(asking) => self.answer(moment, packet, asking, out),
            Message::Refusal(quote) => self.refusal(moment, packet, &quote, out),
        }
    }

    /// Ends the capture: what is pending is settled as it stands.
    pub(super) fn finish(&mut self, out: &mut Decoded) {
        for wait in ALL_WAITS {
            while let Some((slot, _)) = self.table.oldest(wait) {
                self.expire(slot, false, out);
                self.table.remove(slot);
            }
        }
    }

    /// Settles an attempt that nothing more is awaited of. `waited` says that its timer ran out;
    /// if not, silence counts only where enough capture followed. A settled one is forgotten.
    fn expire(&mut self, slot: u32, waited: bool, out: &mut Decoded) {
        let now = self.clock.now();
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        let heard_out = waited || now.saturating_sub(entry.touched) >= QUIET.0;
        let outcome = match entry.state {
            State::Settled => {
                self.table.remove(slot);
                return;
            }
            State::SynAcked => Outcome::Open,
            State::Connected => connected_outcome(entry),
            State::Midstream => midstream_outcome(entry),
            // What may be a late segment of an old connection is told as of unknown initiator.
            State::Probed if entry.unsure => Outcome::Unknown,
            State::Asked if entry.unsure => Outcome::Unknown,
            State::SynSent | State::Probed | State::Asked => {
                if heard_out {
                    Outcome::Unanswered
                } else {
                    Outcome::Unknown
                }
            }
        };
        tell(entry, outcome, out);
        self.settle(slot);
    }

    /// Marks an attempt as settled: from now on it is only remembered.
    fn settle(&mut self, slot: u32) {
        if let Some(entry) = self.table.get_mut(slot) {
            entry.state = State::Settled;
        }
        self.table.touch(slot, Wait::Settled, self.clock.now());
    }

    /// Begins to follow an attempt.
    fn begin(&mut self, moment: Moment, mut entry: Entry, wait: Wait, out: &mut Decoded) -> u32 {
        self.make_room(moment.offset, out);
        entry.time = moment.time.0;
        entry.offset = moment.offset;
        entry.began = self.clock.now();
        self.table.insert(entry, wait, self.clock.now())
    }

    /// Begins to follow an attempt anew in the slot of an old one of the same key. What was told
    /// of the old one is kept where this is a repeat of it, so that it is not told twice.
    fn begin_again(&mut self, moment: Moment, slot: u32, fresh: Entry, wait: Wait) {
        let now = self.clock.now();
        if let Some(entry) = self.table.get_mut(slot) {
            let repeat = now.saturating_sub(entry.began) <= SAME_ATTEMPT.0
                && entry.technique_kind() == fresh.technique_kind()
                && entry.from_b == fresh.from_b
                && entry.unsure == fresh.unsure;
            entry.told = if repeat { entry.told } else { None };
            entry.began = if repeat { entry.began } else { now };
            entry.time = moment.time.0;
            entry.offset = moment.offset;
            entry.state = fresh.state;
            entry.technique = fresh.technique;
            entry.from_b = fresh.from_b;
            entry.unsure = fresh.unsure;
            entry.connection = fresh.connection;
            entry.answered = false;
            entry.payload = fresh.payload;
            entry.fin = fresh.fin;
        }
        self.table.touch(slot, wait, now);
    }

    /// Moves a busy exchange to the end of its list, unless it was moved a moment ago.
    fn touch_lazily(&mut self, slot: u32, wait: Wait) {
        let now = self.clock.now();
        let stale = self
            .table
            .get_mut(slot)
            .is_some_and(|entry| now.saturating_sub(entry.touched) >= LAZY_TOUCH.0);
        if stale {
            self.table.touch(slot, wait, now);
        }
    }

    /// Lets go of one attempt where the table is full: a remembered one first, since it was told
    /// already, else the one that has been left alone longest.
    fn make_room(&mut self, offset: u64, out: &mut Decoded) {
        if self.table.len() < MAX_ATTEMPTS {
            return;
        }
        if let Some((slot, _)) = self.table.oldest(Wait::Settled) {
            out.note(Problem::Note, "settled attempts forgotten early", offset, || {
                format!("more than {MAX_ATTEMPTS} at once; a repeat of one is told again")
            });
            self.table.remove(slot);
            return;
        }
        let oldest =
            ALL_WAITS.iter().filter_map(|wait| self.table.oldest(*wait)).min_by_key(|old| old.1);
        if let Some((slot, _)) = oldest {
            out.note(Problem::Shed, "attempts settled early", offset, || {
                format!("more than {MAX_ATTEMPTS} pending at once; the oldest is told as it stands")
            });
            self.expire(slot, false, out);
            self.table.remove(slot);
        }
    }

    /// Takes an ICMP error: a refusal of the attempt that it quotes, else backscatter.
    fn refusal(&mut self, moment: Moment, packet: &Packet, quote: &Quote, out: &mut Decoded) {
        let (key, from_b) = match quote.quoted {
            Quoted::Request(asking) => {
                (Key::directed(Kind::of(asking), quote.source, quote.target), false)
            }
            Quoted::Datagram { number, source_port, target_port } => {
                Key::conversation(number, (quote.source, source_port), (quote.target, target_port))
            }
        };
        let Some(slot) = self.table.find(&key) else {
            self.stray_icmp(moment, packet, out);
            return;
        };
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        let refused = match entry.state {
            State::SynSent | State::Probed | State::Asked => true,
            // The error came after the timer.
            State::Settled => entry.told == Some(Outcome::Unanswered),
            State::SynAcked | State::Connected | State::Midstream => false,
        };
        if refused && entry.from_b == from_b {
            tell(entry, Outcome::Refused, out);
            self.settle(slot);
        }
    }

    /// Tells of an ICMP answer or error to nothing that was seen, once a minute per pair.
    fn stray_icmp(&mut self, moment: Moment, packet: &Packet, out: &mut Decoded) {
        let number = if packet.source.is_v4() { 1 } else { 58 };
        let key = Key::directed(Kind::StrayIcmp(number), packet.source, packet.target);
        if self.table.find(&key).is_none() {
            let mut entry = Entry::new(key, false, State::Midstream, Technique::Unknown);
            entry.unsure = true;
            let slot = self.begin(moment, entry, Wait::Midstream, out);
            self.tell_at(slot, Outcome::Unknown, out);
            self.settle(slot);
        }
    }

    fn tell_at(&mut self, slot: u32, outcome: Outcome, out: &mut Decoded) {
        if let Some(entry) = self.table.get_mut(slot) {
            tell(entry, outcome, out);
        }
    }
}

/// What came of a connection at its end, or when it fell silent.
fn connected_outcome(entry: &Entry) -> Outcome {
    match (entry.served(), entry.answered) {
        (true, _) => Outcome::Served,
        (false, true) => Outcome::Open,
        // Only the initiator's half was captured: whether it was served cannot be seen.
        (false, false) => Outcome::Unknown,
    }
}

fn midstream_outcome(entry: &Entry) -> Outcome {
    if entry.served() { Outcome::Served } else { Outcome::Unknown }
}

/// Gives out the event of an attempt, unless the same was told of it before.
fn tell(entry: &mut Entry, outcome: Outcome, out: &mut Decoded) {
    if entry.told == Some(outcome) {
        return;
    }
    entry.told = Some(outcome);
    let key = entry.key;
    let a = (Address::from_bits(key.a), key.a_port);
    let b = (Address::from_bits(key.b), key.b_port);
    let (source, target) = if entry.from_b { (b, a) } else { (a, b) };
    out.events.push(Event {
        time: Timestamp(entry.time),
        record: Record { offset: entry.offset, ..Record::default() },
        log_source: LogSource::Packets,
        actor: None,
        activity: Activity::Network(Network {
            source: source.0,
            target: target.0,
            source_port: source.1,
            target_port: target.1,
            protocol: key.kind.protocol(),
            initiator: if entry.unsure { Initiator::Unknown } else { Initiator::Source },
            outcome,
            technique: entry.technique,
        }),
    });
}

impl Entry {
    /// The technique, with a SYN that became a connection and one that did not as one: a repeat
    /// of either is the same attempt.
    fn technique_kind(&self) -> Technique {
        match self.technique {
            Technique::Connect => Technique::Syn,
            other => other,
        }
    }
}

impl Kind {
    /// The protocol that an event names.
    fn protocol(self) -> Protocol {
        match self {
            Kind::Conversation(number) | Kind::StrayIcmp(number) => Protocol::from_number(number),
            Kind::Icmp => Protocol::Icmp,
            Kind::Icmpv6 => Protocol::Icmpv6,
            Kind::Arp => Protocol::Arp,
            Kind::Neighbour => Protocol::Neighbour,
            Kind::GroupAsker => Protocol::Udp,
        }
    }
}
