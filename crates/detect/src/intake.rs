//! Intake: events in event-time order, each with who acted, on their way to the shards of their origins.
//!
//! What it remembers is its own: so that it goes on while the shards are judged.

use lapwing_event::{Activity, Event, LogSource, Network, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bindings::Bindings;
use crate::bounded::{Known, identity};
use crate::order::Order;
use crate::origin::{Processes, home_of};
use crate::queue::Queue;
use crate::tunables::Tunables;
use crate::turns::Turns;

/// How long after a row of Zeek's conn.log its sensor is taken to write one: a network that anybody
/// is on has some each minute, and the log is rotated each hour.
const CONN_LOG: Span = Span::seconds(3600);

/// What is remembered of events before they are judged.
#[derive(Serialize, Deserialize)]
pub(crate) struct Intake {
    pub order: Order,
    pub processes: Processes,
    /// The first event's time: what is learned before it is nothing.
    pub began: Option<Timestamp>,
    pub turns: Turns,
    /// Connections that a log of their protocol told of.
    told: Known,
    /// When the last row of Zeek's conn.log was.
    conn_log: Option<Timestamp>,
    /// Events taken in.
    pub events: u64,
    /// Rows of Zeek's logs of protocols whose connection another row tells of.
    pub repeated: u64,
}

/// Where the intake stopped.
pub(crate) enum Stop {
    /// There is no more.
    End,
    /// Enough waits to be judged.
    Full,
    /// At an event that changes what those before it are judged by.
    At(Event),
}

impl Intake {
    /// Nothing is remembered yet; events wait for `lateness`.
    pub fn new(tunables: &Tunables, lateness: Span) -> Intake {
        let memory = tunables.memory;
        Intake {
            order: Order::new(lateness),
            processes: Processes::new(memory.processes()),
            began: None,
            turns: Turns::default(),
            told: Known::new(memory.questions(), tunables.detection.novelty),
            conn_log: None,
            events: 0,
            repeated: 0,
        }
    }

    /// Takes events in until the queue is full, one changes what those before it are judged by, or there
    /// is none.
    pub fn fill(
        &mut self,
        tunables: &Tunables,
        bindings: &Bindings,
        events: &mut impl Iterator<Item = Event>,
        queue: &mut Queue,
    ) -> Stop {
        while !queue.is_full() {
            let due = match self.order.pop() {
                Some(event) => Some(event),
                None => {
                    let Some(event) = events.next() else { return Stop::End };
                    // Knowledge has its own time within: a listing tells of what began long ago.
                    if matches!(event.activity, Activity::Binding(_)) && self.order.is_late(&event)
                    {
                        return Stop::At(event);
                    }
                    self.order.take(event)
                }
            };
            let Some(event) = due else { continue };
            self.events += 1;
            let began = *self.began.get_or_insert(event.time);
            let known = matches!(event.activity, Activity::Binding(_) | Activity::Claim(_));
            if known || self.turns.ends_by(began, event.time) {
                return Stop::At(event);
            }
            self.take_in(tunables, bindings, event, queue);
        }
        Stop::Full
    }

    /// Passes an event on to the shard of its origin.
    pub fn take_in(
        &mut self,
        tunables: &Tunables,
        bindings: &Bindings,
        event: Event,
        queue: &mut Queue,
    ) {
        self.turns.count();
        if self.is_repeated(&event) {
            self.repeated += 1;
            return;
        }
        let (home, who) = match (&event.actor, &event.activity) {
            (None, Activity::Network(Network { source, .. })) if bindings.is_empty() => {
                (home_of(*source), None)
            }
            _ => {
                let patterns = &tunables.analytics.an1058.tool_pattern_regex;
                let who = self.processes.resolve(&event, patterns, bindings);
                (who.home(), Some(Box::new(who)))
            }
        };
        queue.push(home, self.events, event, who);
    }

    /// Whether the event is a row of one of Zeek's logs of protocols whose connection conn.log tells
    /// of, or another such row.
    fn is_repeated(&mut self, event: &Event) -> bool {
        match (event.log_source, &event.activity) {
            (LogSource::ZeekConn, _) => self.conn_log = Some(event.time),
            (LogSource::ZeekService, Activity::Network(network)) => {
                let logged = self.conn_log;
                let connection = identity(&[
                    b"conversation",
                    &network.source.octets(),
                    &network.source_port.to_be_bytes(),
                    &network.target.octets(),
                    &network.target_port.to_be_bytes(),
                ]);
                return logged.is_some_and(|last| event.time.since(last) <= CONN_LOG)
                    || self.told.touch(connection, event.time).is_some();
            }
            _ => {}
        }
        false
    }

    /// How many entries were let go because a bound was reached.
    pub fn shed(&self) -> u64 {
        self.processes.shed() + self.told.shed()
    }
}
