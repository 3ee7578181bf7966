//! Gathers conversations that are told of piece by piece: packet by packet (Hubble), or by state
//! (Azure's beginning, continuing and end).

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use lapwing_event::{Activity, Actor, Address, Event, LogSource, Outcome, Record, Span, Timestamp};

use super::pairing::added;
use super::{Conversation, Direction};
use crate::{Decoded, Problem};

/// How long after its last piece a conversation is taken for whole: what else comes of it changes
/// nothing of how it began.
const WHOLE_AFTER: Span = Span::seconds(60);

/// How many conversations are gathered at once; the oldest is then given out as it is.
const MAX_GATHERED: usize = 131_072;

/// What one record tells of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) time: Timestamp,
    /// From the side that began to the other; `back` holds what the record tells of answers.
    pub(crate) flow: Conversation,
    pub(crate) record: Record,
    /// Who began it, where the record names more than an address.
    pub(crate) actor: Option<Arc<Actor>>,
}

/// Conversations that are being gathered.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    held: HashMap<Key, Held, RandomState>,
    /// By their first piece.
    order: VecDeque<Key>,
    /// Whether the input tells of answers at all: until it does, silence cannot be told.
    answers: bool,
}

type Key = (Address, u16, Address, u16, u8);

#[derive(Debug)]
struct Held {
    piece: Piece,
    last: Timestamp,
}

impl Gathering {
    /// Takes one piece, and gives out what is whole by now.
    pub(crate) fn push(&mut self, log_source: LogSource, piece: Piece, out: &mut Decoded) {
        let now = piece.time;
        self.answers |= piece.flow.back.packets.is_some_and(|packets| packets > 0);
        let flow = &piece.flow;
        let protocol = super::pairing::number(flow.protocol);
        let key = (flow.source, flow.source_port, flow.target, flow.target_port, protocol);
        match self.held.get_mut(&key) {
            Some(held) => {
                held.piece.join(&piece);
                held.last = held.last.max(now);
            }
            None => {
                self.held.insert(key, Held { piece, last: now });
                self.order.push_back(key);
            }
        }
        while let Some(oldest) = self.order.front() {
            let is_whole = match self.held.get(oldest) {
                Some(held) => now.since(held.last) > WHOLE_AFTER,
                None => true,
            };
            if !is_whole && self.order.len() <= MAX_GATHERED {
                return;
            }
            self.give_oldest(log_source, out);
        }
    }

    /// Gives out what is still held.
    pub(crate) fn finish(&mut self, log_source: LogSource, out: &mut Decoded) {
        while !self.order.is_empty() {
            self.give_oldest(log_source, out);
        }
    }

    fn give_oldest(&mut self, log_source: LogSource, out: &mut Decoded) {
        let held = self.order.pop_front().and_then(|key| self.held.remove(&key));
        let Some(Held { piece, .. }) = held else { return };
        let Some(mut network) = piece.flow.network() else {
            let key = "ICMP that asks nothing of anyone";
            return out.note_times(Problem::Note, key, piece.record.offset, 1);
        };
        if !self.answers && network.outcome == Outcome::Unanswered {
            network.outcome = Outcome::Unknown;
        }
        out.events.push(Event {
            time: piece.time,
            record: piece.record,
            log_source,
            actor: piece.actor,
            activity: Activity::Network(network),
        });
    }
}

impl Piece {
    /// Adds what another piece of the same conversation tells.
    fn join(&mut self, other: &Piece) {
        self.time = self.time.min(other.time);
        self.flow.refused |= other.flow.refused;
        self.flow.turned &= other.flow.turned;
        self.flow.there = joined(self.flow.there, other.flow.there);
        self.flow.back = joined(self.flow.back, other.flow.back);
        if self.actor.is_none() {
            self.actor.clone_from(&other.actor);
        }
    }
}

/// Both of what is told of one direction; a piece may tell of one direction only.
fn joined(a: Direction, b: Direction) -> Direction {
    let told = |direction: Direction| Direction {
        flags: Some(direction.flags.unwrap_or_default()),
        packets: Some(direction.packets.unwrap_or_default()),
        ..direction
    };
    match (a.flags.or(b.flags), a.packets.or(b.packets)) {
        (None, None) => a,
        (flags, packets) => {
            let sum = added(told(a), told(b));
            Direction { flags: flags.and(sum.flags), packets: packets.and(sum.packets), ..sum }
        }
    }
}
