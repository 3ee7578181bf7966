//! TCP: who opened a connection, and what came of it.

use lapwing_event::{Outcome, Technique};

use super::super::packet::{ACK, FIN, PSH, Packet, RST, SYN, Segment, URG};
use super::datagram::answers_from_a_service;
use super::table::{Entry, Key, State, Wait};
use super::{Moment, Tracker, connected_outcome, midstream_outcome, tell};
use crate::Decoded;

/// What a segment could begin where nothing of its connection is known.
#[derive(Clone, Copy)]
struct Beginning {
    state: State,
    technique: Technique,
    /// The sender cannot be called the initiator, unless an answer shows it.
    unsure: bool,
    wait: Wait,
}

impl Tracker {
    /// Looks at one TCP segment.
    pub(super) fn tcp(
        &mut self,
        moment: Moment,
        packet: &Packet,
        segment: &Segment,
        out: &mut Decoded,
    ) {
        let (key, from_b) = Key::conversation(
            6,
            (packet.source, segment.source_port),
            (packet.target, segment.target_port),
        );
        match self.table.find(&key) {
            None => {
                let beginning = beginning(segment);
                let entry = first_entry(key, from_b, segment, beginning);
                let slot = self.begin(moment, entry, beginning.wait, out);
                self.after_first(slot, segment, out);
            }
            Some(slot) => self.next_segment(moment, slot, from_b, segment, out),
        }
    }

    /// Tells at once what nothing more will be learnt of: a reset out of nowhere.
    fn after_first(&mut self, slot: u32, segment: &Segment, out: &mut Decoded) {
        if segment.flags.is_some_and(|flags| flags & RST != 0) {
            self.tell_at(slot, Outcome::Unknown, out);
            self.settle(slot);
        }
    }

    fn next_segment(
        &mut self,
        moment: Moment,
        slot: u32,
        from_b: bool,
        segment: &Segment,
        out: &mut Decoded,
    ) {
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        let ours = entry.from_b == from_b;
        match entry.state {
            State::SynSent => self.syn_sent(slot, ours, segment, out),
            State::SynAcked => self.syn_acked(slot, ours, segment, out),
            State::Connected => self.connected(slot, ours, segment, out),
            State::Probed => self.probed(moment, slot, ours, segment, out),
            State::Midstream => self.midstream(moment, slot, ours, segment, out),
            State::Settled | State::Asked => self.settled(moment, slot, from_b, segment, out),
        }
    }

    fn syn_sent(&mut self, slot: u32, ours: bool, segment: &Segment, out: &mut Decoded) {
        let now = self.clock.now();
        let flags = segment.flags.unwrap_or(0);
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        match (ours, flags) {
            (true, flags) if is_syn(flags) => self.table.touch(slot, Wait::Short, now),
            // The initiator goes on as if it had been answered: the answer was not captured.
            (true, flags) if flags & (ACK | RST) == ACK => self.connect(slot, segment, out),
            (true, _) => {}
            (false, flags) if flags & RST != 0 => {
                tell(entry, Outcome::Refused, out);
                self.settle(slot);
            }
            (false, flags) if flags & (SYN | ACK) == SYN | ACK || segment.payload => {
                entry.state = State::SynAcked;
                entry.answered = true;
                entry.connection = true;
                entry.payload[1] |= segment.payload;
                self.table.touch(slot, Wait::Long, now);
            }
            (false, _) => {}
        }
    }

    fn syn_acked(&mut self, slot: u32, ours: bool, segment: &Segment, out: &mut Decoded) {
        let flags = segment.flags.unwrap_or(0);
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        if flags & RST != 0 {
            // Half-open on purpose, or by a stack that knows nothing of the SYN (RFC 9293 3.10.7).
            tell(entry, Outcome::Open, out);
            self.settle(slot);
        } else if ours && flags & ACK != 0 && flags & SYN == 0 {
            self.connect(slot, segment, out);
        } else {
            entry.payload[usize::from(!ours)] |= segment.payload;
        }
    }

    /// The initiator completed the handshake, perhaps with payload or FIN at once.
    fn connect(&mut self, slot: u32, segment: &Segment, out: &mut Decoded) {
        if let Some(entry) = self.table.get_mut(slot) {
            entry.state = State::Connected;
            entry.technique = Technique::Connect;
            entry.connection = true;
        }
        self.table.touch(slot, Wait::Connected, self.clock.now());
        self.connected(slot, true, segment, out);
    }

    fn connected(&mut self, slot: u32, ours: bool, segment: &Segment, out: &mut Decoded) {
        self.onward(slot, ours, segment, Wait::Connected, connected_outcome, out);
    }

    fn midstream(
        &mut self,
        moment: Moment,
        slot: u32,
        ours: bool,
        segment: &Segment,
        out: &mut Decoded,
    ) {
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        if is_syn(segment.flags.unwrap_or(0)) {
            let from_b = entry.from_b == ours;
            tell(entry, midstream_outcome(entry), out);
            self.start_over(moment, slot, from_b, segment, out);
            return;
        }
        self.onward(slot, ours, segment, Wait::Midstream, midstream_outcome, out);
    }

    /// A connection goes on: it ends with the outcome that `ended` gives, or is found to be used.
    fn onward(
        &mut self,
        slot: u32,
        ours: bool,
        segment: &Segment,
        wait: Wait,
        ended: fn(&Entry) -> Outcome,
        out: &mut Decoded,
    ) {
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        entry.answered |= !ours;
        if note_progress(entry, ours, segment.flags.unwrap_or(0), segment) {
            tell(entry, ended(entry), out);
            self.settle(slot);
            return;
        }
        if entry.served() {
            tell(entry, Outcome::Served, out);
        }
        self.touch_lazily(slot, wait);
    }

    /// A segment that opens nothing was sent before.
    fn probed(
        &mut self,
        moment: Moment,
        slot: u32,
        ours: bool,
        segment: &Segment,
        out: &mut Decoded,
    ) {
        let now = self.clock.now();
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        let flags = segment.flags.unwrap_or(0);
        if ours {
            let again = beginning(segment);
            let hidden = segment.flags.is_none() && entry.technique == Technique::Unknown;
            let same = again.state == State::Probed && again.technique == entry.technique;
            if hidden || same {
                self.table.touch(slot, Wait::Short, now);
            } else if again.state == State::Midstream {
                self.turn_midstream(slot, ours, segment, out);
            } else {
                self.expire(slot, false, out);
                let from_b = self.table.get_mut(slot).is_some_and(|entry| entry.from_b);
                self.start_over(moment, slot, from_b, segment, out);
            }
            return;
        }
        if flags & RST != 0 {
            // A closed port answers so, to FIN and ACK too: now the sender is known to have probed.
            entry.unsure = false;
            tell(entry, Outcome::Refused, out);
            self.settle(slot);
        } else if entry.technique == Technique::Unknown && flags & (SYN | ACK) == SYN | ACK {
            // The probe whose flags a fragment hid was a SYN.
            entry.unsure = false;
            entry.technique = Technique::Syn;
            entry.state = State::SynAcked;
            entry.answered = true;
            entry.connection = true;
            self.table.touch(slot, Wait::Long, now);
        } else {
            self.turn_midstream(slot, ours, segment, out);
        }
    }

    /// What looked like a probe belongs to an exchange that is under way.
    fn turn_midstream(&mut self, slot: u32, ours: bool, segment: &Segment, out: &mut Decoded) {
        if let Some(entry) = self.table.get_mut(slot) {
            entry.state = State::Midstream;
            entry.technique = Technique::Unknown;
            entry.unsure = true;
            entry.connection = true;
            entry.answered |= !ours;
            let closed = note_progress(entry, ours, segment.flags.unwrap_or(0), segment);
            if closed {
                tell(entry, midstream_outcome(entry), out);
                self.settle(slot);
                return;
            }
        }
        self.table.touch(slot, Wait::Midstream, self.clock.now());
    }

    /// A segment of a connection that is settled: a repeat, a new attempt, a late answer, or a
    /// trailing packet that says nothing more.
    fn settled(
        &mut self,
        moment: Moment,
        slot: u32,
        from_b: bool,
        segment: &Segment,
        out: &mut Decoded,
    ) {
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        let flags = segment.flags.unwrap_or(0);
        let beginning = beginning(segment);
        let opens = beginning.state == State::SynSent;
        let probes = beginning.state == State::Probed && !beginning.unsure && !entry.connection;
        let late = entry.told == Some(Outcome::Unanswered) && from_b != entry.from_b;
        if opens || probes {
            self.start_over(moment, slot, from_b, segment, out);
        } else if late && flags & RST != 0 {
            tell(entry, Outcome::Refused, out);
            self.settle(slot);
        } else if late && entry.technique == Technique::Syn {
            entry.state = State::SynSent;
            self.syn_sent(slot, false, segment, out);
        } else {
            self.touch_lazily(slot, Wait::Settled);
        }
    }

    /// Begins a new attempt in the slot of an old one.
    fn start_over(
        &mut self,
        moment: Moment,
        slot: u32,
        from_b: bool,
        segment: &Segment,
        out: &mut Decoded,
    ) {
        let Some(entry) = self.table.get_mut(slot) else {
            return;
        };
        let beginning = beginning(segment);
        let fresh = first_entry(entry.key, from_b, segment, beginning);
        self.begin_again(moment, slot, fresh, beginning.wait);
        self.after_first(slot, segment, out);
    }
}

/// Takes in payload and FIN of one side; says whether the exchange has ended.
fn note_progress(entry: &mut Entry, ours: bool, flags: u8, segment: &Segment) -> bool {
    let side = usize::from(!ours);
    if let (Some(payload), Some(fin)) = (entry.payload.get_mut(side), entry.fin.get_mut(side)) {
        *payload |= segment.payload;
        *fin |= flags & FIN != 0;
    }
    flags & RST != 0 || entry.fin == [true; 2]
}

/// Whether the flags open a connection. FIN beside SYN (`--scanflags SYNFIN`) opens one too.
fn is_syn(flags: u8) -> bool {
    flags & (SYN | ACK | RST) == SYN
}

/// What a segment is where nothing of its connection is known.
fn beginning(segment: &Segment) -> Beginning {
    let probe = |technique, unsure| Beginning {
        state: State::Probed,
        technique,
        unsure,
        wait: Wait::Short,
    };
    let midstream = Beginning {
        state: State::Midstream,
        technique: Technique::Unknown,
        unsure: true,
        wait: Wait::Midstream,
    };
    let Some(flags) = segment.flags else {
        return probe(Technique::Unknown, true);
    };
    if is_syn(flags) {
        return Beginning {
            state: State::SynSent,
            technique: Technique::Syn,
            unsure: false,
            wait: Wait::Short,
        };
    }
    if flags & RST != 0 {
        return midstream;
    }
    if flags & ACK == 0 {
        return match flags & (FIN | PSH | URG) {
            0 => probe(Technique::Null, false),
            FIN => probe(Technique::Fin, false),
            flags if flags & FIN != 0 => probe(Technique::Xmas, false),
            _ => probe(Technique::Unknown, false),
        };
    }
    // With ACK it may be a late segment of a connection begun before the capture, or forgotten.
    // Those of real stacks carry options (timestamps) or come from the service's side; only a bare
    // one from a client's side that a closed port then refuses is called a probe.
    let late = !segment.bare || answers_from_a_service(segment.source_port, segment.target_port);
    match flags {
        ACK if !late => probe(Technique::Ack, true),
        flags if flags == FIN | ACK && !late => probe(Technique::Maimon, true),
        _ => midstream,
    }
}

fn first_entry(key: Key, from_b: bool, segment: &Segment, beginning: Beginning) -> Entry {
    let mut entry = Entry::new(key, from_b, beginning.state, beginning.technique);
    entry.unsure = beginning.unsure;
    entry.connection = beginning.state == State::Midstream;
    entry.payload = [segment.payload, false];
    entry.fin = [segment.flags.is_some_and(|flags| flags & FIN != 0), false];
    entry
}
