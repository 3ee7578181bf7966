//! The bounded table of attempts: found by key, expired in order of time, never iterated by hash.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use lapwing_event::{Address, Outcome, Span, Technique};

/// The most attempts that are held, pending and remembered together (scan-detectors.md section 6).
/// At about 140 bytes each it is 36 MB when full.
pub(in crate::capture) const MAX_ATTEMPTS: usize = 262_144;

/// No slot: the end of a list.
const NONE: u32 = u32::MAX;

/// Seed of the key hash. Fixed, so that runs are alike; order never depends on it.
const SEED: u64 = 0x6c61_7077_696e_6700;

/// How long an attempt is left alone before it is settled, by what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// An answer to a TCP segment, an ARP or neighbour request: 3 s, beyond a first SYN retry
    /// (1 s, RFC 6298) and any round trip.
    Short,
    /// An answer to a datagram or ICMP request, or the last step of a handshake: 10 s, since
    /// applications answer late.
    Long,
    /// The next packet of an exchange whose beginning was not seen: 60 s.
    Midstream,
    /// The next segment of a TCP connection: 300 s, as Zeek's tcp_inactivity_timeout.
    Connected,
    /// Nothing: it is settled, and remembered for 60 s so that retries and trailing packets are
    /// not taken for new attempts.
    Settled,
}

/// How many kinds of wait there are.
const WAITS: usize = 5;
/// Every kind of wait, in the order in which they are settled.
pub(super) const ALL_WAITS: [Wait; WAITS] =
    [Wait::Short, Wait::Long, Wait::Midstream, Wait::Connected, Wait::Settled];

impl Wait {
    /// How long it lasts.
    pub(super) const fn span(self) -> Span {
        match self {
            Wait::Short => Span::seconds(3),
            Wait::Long => Span::seconds(10),
            Wait::Midstream | Wait::Settled => Span::seconds(60),
            Wait::Connected => Span::seconds(300),
        }
    }
}

/// What an attempt is known by. For conversations the lower endpoint comes first, so that both
/// directions find one entry; for requests the asker comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) a: u128,
    pub(super) b: u128,
    pub(super) a_port: u16,
    pub(super) b_port: u16,
    pub(super) kind: Kind,
}

/// Which protocol a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// An IP protocol by number, both directions alike.
    Conversation(u8),
    /// An ICMP request.
    Icmp,
    /// An ICMPv6 request.
    Icmpv6,
    /// An ARP request.
    Arp,
    /// A neighbour solicitation.
    Neighbour,
    /// An ICMP answer or error to nothing that was seen.
    StrayIcmp(u8),
    /// An endpoint that asked a group over UDP, so that any host may answer it.
    GroupAsker,
}

impl Key {
    /// The key of a conversation, and whether the sender is its second endpoint.
    pub(super) fn conversation(
        number: u8,
        source: (Address, u16),
        target: (Address, u16),
    ) -> (Key, bool) {
        let from = (source.0.bits(), source.1);
        let to = (target.0.bits(), target.1);
        let swapped = from > to;
        let (a, b) = if swapped { (to, from) } else { (from, to) };
        let kind = Kind::Conversation(number);
        (Key { a: a.0, b: b.0, a_port: a.1, b_port: b.1, kind }, swapped)
    }

    /// The key of a request from one host to another.
    pub(super) fn directed(kind: Kind, asker: Address, asked: Address) -> Key {
        Key { a: asker.bits(), b: asked.bits(), a_port: 0, b_port: 0, kind }
    }
}

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A SYN was sent.
    SynSent,
    /// The target answered with SYN and ACK.
    SynAcked,
    /// The handshake was completed.
    Connected,
    /// A segment that opens nothing was sent: a probe, if nothing shows otherwise.
    Probed,
    /// An exchange whose beginning was not seen.
    Midstream,
    /// A datagram or request was sent.
    Asked,
    /// It is settled and remembered.
    Settled,
}

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    /// Nanoseconds of event time of its first packet.
    pub(super) time: i64,
    /// Offset of that packet's record.
    pub(super) offset: u64,
    /// The clock when it began.
    pub(super) began: i64,
    /// The clock when its wait began anew.
    pub(super) touched: i64,
    next: u32,
    previous: u32,
    wait: Wait,
    pub(super) state: State,
    pub(super) technique: Technique,
    /// What was told of it already.
    pub(super) told: Option<Outcome>,
    /// The side that sent the first packet is the key's second endpoint.
    pub(super) from_b: bool,
    /// The side that sent the first packet cannot be called the initiator.
    pub(super) unsure: bool,
    /// The other side was heard.
    pub(super) answered: bool,
    /// There was, or may have been, a connection: stray segments belong to it.
    pub(super) connection: bool,
    /// Payload from the side that sent the first packet, and from the other.
    pub(super) payload: [bool; 2],
    /// The same for FIN.
    pub(super) fin: [bool; 2],
}

impl Entry {
    /// A new attempt in a state; its clock fields are set when it is put into the table.
    pub(super) fn new(key: Key, from_b: bool, state: State, technique: Technique) -> Entry {
        Entry {
            key,
            time: 0,
            offset: 0,
            began: 0,
            touched: 0,
            next: NONE,
            previous: NONE,
            wait: Wait::Settled,
            state,
            technique,
            told: None,
            from_b,
            unsure: false,
            answered: false,
            connection: false,
            payload: [false; 2],
            fin: [false; 2],
        }
    }

    /// Whether payload went both ways.
    pub(super) fn served(&self) -> bool {
        self.payload == [true; 2]
    }
}

/// The ends of a list of slots, the longest untouched first.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

/// Attempts by key, and in one list per kind of wait in the order in which they were touched.
#[derive(Debug)]
pub(super) struct Table {
    slots: HashTable<u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    lists: [List; WAITS],
    hasher: FixedState,
    /// No wait ends before this clock.
    next_end: i64,
}

impl Table {
    pub(super) fn new() -> Table {
        Table {
            slots: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            lists: [List { first: NONE, last: NONE }; WAITS],
            hasher: FixedState::with_seed(SEED),
            next_end: i64::MAX,
        }
    }

    /// How many attempts are held.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a key.
    pub(super) fn find(&self, key: &Key) -> Option<u32> {
        let entries = &self.entries;
        self.slots
            .find(self.hasher.hash_one(key), |slot| {
                entries.get(*slot as usize).is_some_and(|entry| entry.key == *key)
            })
            .copied()
    }

    /// The attempt in a slot that [`Table::find`], [`Table::insert`] or [`Table::due`] gave.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)
    }

    /// Puts an attempt in. Its key must not be there; the caller has made room.
    pub(super) fn insert(&mut self, entry: Entry, wait: Wait, clock: i64) -> u32 {
        let key = entry.key;
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.entries.get_mut(slot as usize) {
                    *place = entry;
                }
                slot
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.slots.insert_unique(hasher.hash_one(key), slot, |slot| {
            entries.get(*slot as usize).map_or(0, |entry| hasher.hash_one(entry.key))
        });
        self.link(slot, wait, clock);
        slot
    }

    /// Begins the wait of an attempt anew, or another wait.
    pub(super) fn touch(&mut self, slot: u32, wait: Wait, clock: i64) {
        self.unlink(slot);
        self.link(slot, wait, clock);
    }

    /// Takes an attempt out.
    pub(super) fn remove(&mut self, slot: u32) {
        self.unlink(slot);
        let Some(entry) = self.entries.get(slot as usize) else {
            return;
        };
        let hash = self.hasher.hash_one(entry.key);
        if let Ok(found) = self.slots.find_entry(hash, |other| *other == slot) {
            found.remove();
            self.free.push(slot);
        }
    }

    /// The attempt whose wait ended at or before the clock, if any; kinds of wait in fixed order,
    /// within one the longest untouched first. It stays in the table.
    pub(super) fn due(&mut self, clock: i64) -> Option<u32> {
        if clock < self.next_end {
            return None;
        }
        let mut next_end = i64::MAX;
        for wait in ALL_WAITS {
            let Some((slot, touched)) = self.oldest(wait) else {
                continue;
            };
            let end = touched.saturating_add(wait.span().0);
            if end <= clock {
                return Some(slot);
            }
            next_end = next_end.min(end);
        }
        self.next_end = next_end;
        None
    }

    /// The longest untouched attempt of a kind of wait, and the clock when it was touched.
    pub(super) fn oldest(&self, wait: Wait) -> Option<(u32, i64)> {
        let first = self.lists.get(wait as usize)?.first;
        self.entries.get(first as usize).map(|entry| (first, entry.touched))
    }

    fn link(&mut self, slot: u32, wait: Wait, clock: i64) {
        let Some(list) = self.lists.get_mut(wait as usize) else {
            return;
        };
        let last = std::mem::replace(&mut list.last, slot);
        if last == NONE {
            list.first = slot;
        } else if let Some(before) = self.entries.get_mut(last as usize) {
            before.next = slot;
        }
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            entry.previous = last;
            entry.next = NONE;
            entry.wait = wait;
            entry.touched = clock;
        }
        self.next_end = self.next_end.min(clock.saturating_add(wait.span().0));
    }

    fn unlink(&mut self, slot: u32) {
        let Some(entry) = self.entries.get(slot as usize) else {
            return;
        };
        let (previous, next, wait) = (entry.previous, entry.next, entry.wait);
        if let Some(before) = self.entries.get_mut(previous as usize) {
            before.next = next;
        }
        if let Some(after) = self.entries.get_mut(next as usize) {
            after.previous = previous;
        }
        if let Some(list) = self.lists.get_mut(wait as usize) {
            if list.first == slot {
                list.first = next;
            }
            if list.last == slot {
                list.last = previous;
            }
        }
    }
}
