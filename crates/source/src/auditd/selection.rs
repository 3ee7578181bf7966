//! Connects that send nothing: how the C library sorts the addresses of a name.
//!
//! Where a name has several addresses, getaddrinfo connects a UDP socket to each, with the port
//! that was asked for, to learn which source address the kernel would use (RFC 6724; glibc
//! `sysdeps/posix/getaddrinfo.c`). Such a connect returns 0 at once and no packet leaves, but its
//! record is that of a TCP connect that succeeded. The evidence is how these calls follow each
//! other, as `strace` of glibc 2.36 shows for a name of three IPv4 and two IPv6 addresses: within
//! one family the same socket is dissolved by a connect to AF_UNSPEC between one address and the
//! next; from one family to the other it is closed and its number comes again at once; and then
//! the program connects in earnest, to the same addresses and port. A numeric address, or a name
//! with a single one, makes no such call: the 250 inet connects of the recorded curl and nc files
//! are all in earnest (the two connects before each are to nscd's AF_UNIX socket).

use std::collections::VecDeque;

use lapwing_event::{Address, Event, Span, Timestamp};

use super::nodes::NodeId;
use crate::generations::Generations;

/// How long after a connect its successors are looked at: the calls follow each other within
/// microseconds, stamps are of a clock that ticks every 4 ms, and a busy machine may pause between.
const WINDOW: Span = Span::millis(250);

/// The most connects that wait for their successors; past it the oldest is given out as it is.
const MAX_WAITING: usize = 64;

/// How many dissolved sockets are remembered at least.
const MAX_DISSOLVED: usize = 256;

/// A connect as far as its place among others goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connect {
    pub node: NodeId,
    pub pid: u32,
    /// The descriptor; `None` where the record does not say (socketcall).
    pub fd: Option<u64>,
    pub time: Timestamp,
    pub target: Address,
    pub port: u16,
    /// Whether it may be no attempt: it returned 0 or found no route, on a socket that is not
    /// known to be a stream.
    pub doubtful: bool,
    /// Whether it returned 0.
    pub succeeded: bool,
    /// Whether it goes to a port of UDP services, to which clients connect UDP sockets in earnest.
    pub datagram_port: bool,
}

/// Holds doubtful connects back until what follows tells whether they were in earnest.
#[derive(Debug)]
pub(super) struct Selection {
    waiting: VecDeque<(Connect, Event)>,
    /// No later than any that waits, so that most events need not look at each of them.
    earliest: Timestamp,
    dissolved: Generations<(NodeId, u32, u64), Timestamp>,
}

impl Selection {
    pub fn new() -> Selection {
        let dissolved = Generations::new(MAX_DISSOLVED);
        Selection { waiting: VecDeque::new(), earliest: Timestamp::MAX, dissolved }
    }

    /// Takes a connect; `probe` is called with the offset of each connect that proves to be none.
    pub fn connect(
        &mut self,
        connect: Connect,
        event: Event,
        out: &mut Vec<Event>,
        mut probe: impl FnMut(u64),
    ) {
        self.waiting.retain(|(before, event)| {
            let was_probe = is_probe_before(before, &connect);
            if was_probe {
                probe(event.record.offset);
            }
            !was_probe
        });
        let dissolved = connect
            .fd
            .and_then(|fd| self.dissolved.remove(&(connect.node, connect.pid, fd)))
            .is_some_and(|time| near(time, connect.time));
        if !connect.doubtful {
            out.push(event);
        } else if dissolved {
            probe(event.record.offset);
        } else {
            self.earliest = self.earliest.min(connect.time);
            self.waiting.push_back((connect, event));
            if self.waiting.len() > MAX_WAITING
                && let Some((_, event)) = self.waiting.pop_front()
            {
                out.push(event);
            }
        }
    }

    /// Takes a connect to AF_UNSPEC: what was connected on that socket just now was a probe, and
    /// so is what comes next.
    pub fn dissolve(
        &mut self,
        node: NodeId,
        pid: u32,
        fd: u64,
        time: Timestamp,
        mut probe: impl FnMut(u64),
    ) {
        self.waiting.retain(|(before, event)| {
            let same = before.node == node && before.pid == pid && before.fd == Some(fd);
            let was_probe = same && near(before.time, time);
            if was_probe {
                probe(event.record.offset);
            }
            !was_probe
        });
        self.dissolved.insert((node, pid, fd), time);
    }

    /// Gives out the connects of a node that nothing spoke against in time.
    pub fn release(&mut self, node: NodeId, now: Timestamp, out: &mut Vec<Event>) {
        if now.since(self.earliest) <= WINDOW {
            return;
        }
        if self.waiting.iter().any(|(before, _)| is_over(before, node, now)) {
            for _ in 0..self.waiting.len() {
                match self.waiting.pop_front() {
                    Some((before, event)) if is_over(&before, node, now) => out.push(event),
                    Some(waiting) => self.waiting.push_back(waiting),
                    None => {}
                }
            }
        }
        let times = self.waiting.iter().map(|(before, _)| before.time);
        self.earliest = times.min().unwrap_or(Timestamp::MAX);
    }

    /// Gives out all that still wait, at the end of the input.
    pub fn end(&mut self, out: &mut Vec<Event>) {
        out.extend(self.waiting.drain(..).map(|(_, event)| event));
    }
}

/// Whether a doubtful connect proves to be a probe by the one after it.
fn is_probe_before(before: &Connect, after: &Connect) -> bool {
    if before.node != after.node
        || before.pid != after.pid
        || before.port != after.port
        || !near(before.time, after.time)
    {
        return false;
    }
    // The program goes where the probe went, and does not get through at once: had the first call
    // been its handshake, there would be no second.
    let in_earnest = before.target == after.target && !after.succeeded && !before.datagram_port;
    // The next family's turn: the descriptor was closed and given out again.
    let next_family = after.doubtful
        && before.fd.is_some()
        && before.fd == after.fd
        && before.target.is_v4() != after.target.is_v4();
    in_earnest || next_family
}

fn is_over(before: &Connect, node: NodeId, now: Timestamp) -> bool {
    before.node == node && now.since(before.time) > WINDOW
}

fn near(one: Timestamp, other: Timestamp) -> bool {
    one.max(other).since(one.min(other)) <= WINDOW
}
