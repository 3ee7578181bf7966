//! The fold: start reading here.

use std::collections::BTreeMap;
use std::sync::Arc;

use lapwing_event::{Activity, Event, InputId, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bindings::Bindings;
use crate::bounded::Table;
use crate::claims::{self, Claims, MAX_CLAIMED, claims_key};
use crate::finding::Finding;
use crate::intake::{Intake, Stop};
use crate::knowledge::Knowledge;
use crate::overflow::{Overflow, Tellings};
use crate::queue::Queue;
use crate::shard::{Context, Judge, SHARDS, Said, Shard};
use crate::tunables::Tunables;

/// What a detector takes.
#[derive(Clone, Debug)]
pub enum Input {
    /// Something happened.
    Event(Event),
    /// Nothing that happened before this moment will come any more.
    Advance(Timestamp),
    /// From here on these tunables hold; what is already counted stays.
    Retune(Box<Tunables>),
}

/// What a detector counted, so that nothing is dropped silently.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Events judged.
    pub events: u64,
    /// Events that came too late to be judged.
    pub late: u64,
    /// Entries of state that were let go because a bound was reached.
    pub shed: u64,
    /// Bursts of findings that were not told of as they began or grew, since too many did: each is told when
    /// its scan ends.
    pub overflows: Vec<Overflow>,
    /// Rows of Zeek's logs of protocols whose connection another row tells of.
    pub repeated: u64,
    /// Addresses that other tools say have scanned, and that no finding is of.
    pub claimed: u64,
    /// What those tools say, in their words; the first few.
    pub claims: Vec<String>,
    /// Findings that a suppression entry matched, by the entry's key and label.
    pub suppressed: BTreeMap<String, u64>,
}

/// Judges events: a fold over [`Input`]s, driven by event time alone.
pub struct Detector {
    pub(crate) tunables: Tunables,
    pub(crate) intake: Intake,
    pub(crate) state: State,
    /// Events on their way to their shards, and those that are judged meanwhile; none between two inputs.
    pub(crate) queue: Queue,
    pub(crate) waiting: Queue,
    /// Whether shards are judged on several cores.
    pub(crate) side_by_side: bool,
}

/// Everything that is remembered between events.
#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    /// Whose addresses and containers are.
    bindings: Bindings,
    /// What other tools say of an address.
    claims: Table<Claims>,
    /// What was told of within the minute, and what was withheld.
    tellings: Tellings,
    /// What is known of the network.
    knowledge: Knowledge,
    /// What origins did.
    shards: [Shard; SHARDS],
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector").field("tally", &self.tally()).finish_non_exhaustive()
    }
}

impl Detector {
    /// A detector for live streams: events may come out of order within the tunables' lateness.
    pub fn new(tunables: Tunables) -> Detector {
        let lateness = tunables.detection.lateness;
        Detector::with_lateness(tunables, lateness)
    }

    /// A detector for input that is in event-time order already.
    pub fn sorted(tunables: Tunables) -> Detector {
        Detector::with_lateness(tunables, Span::ZERO)
    }

    /// Tells apart the computers of inputs whose records name none (eslogger's, the unified log's, an
    /// audit log's without a node): what has one number is of one computer, what is not listed of one
    /// more. Process ids are a computer's own.
    pub fn tell_apart(mut self, unnamed: BTreeMap<InputId, u32>) -> Detector {
        self.intake.processes.tell_apart(unnamed);
        self
    }

    /// Takes computers of these names for one, each under the name that stands for it: process ids are a
    /// computer's own, whatever a log calls it.
    pub fn same_computers(mut self, names: BTreeMap<Arc<str>, Arc<str>>) -> Detector {
        self.intake.processes.same_computers(names);
        self
    }

    /// Judges on all threads of the rayon pool that it is called in; what is found is the same.
    pub fn side_by_side(mut self) -> Detector {
        self.side_by_side = true;
        self
    }

    fn with_lateness(tunables: Tunables, lateness: Span) -> Detector {
        let memory = tunables.memory;
        let habit = tunables.detection.habit;
        Detector {
            intake: Intake::new(&tunables, lateness),
            state: State {
                bindings: Bindings::new(),
                claims: Table::new(MAX_CLAIMED),
                tellings: Tellings::default(),
                knowledge: Knowledge::new(memory, habit),
                shards: std::array::from_fn(|_| Shard::new(&tunables)),
            },
            tunables,
            queue: Queue::default(),
            waiting: Queue::default(),
            side_by_side: false,
        }
    }

    /// Takes one input and adds what is to be said to `out`: a finding when its episode opens,
    /// when it has grown, and when it closes. Of findings with one uid the last holds.
    pub fn step(&mut self, input: Input, out: &mut Vec<Finding>) {
        match input {
            Input::Event(event) => self.run(std::iter::once(event), out),
            Input::Advance(moment) => {
                self.intake.order.advance(moment);
                self.run(std::iter::empty(), out);
                self.turn(self.intake.order.watermark(), out);
            }
            Input::Retune(tunables) => self.tunables = *tunables,
        }
    }

    /// Takes events as [`Detector::step`] does, in their order, and faster; leaves `events` empty.
    pub fn steps(&mut self, events: &mut Vec<Event>, out: &mut Vec<Finding>) {
        self.run(events.drain(..), out);
    }

    /// Ends the input: judges what is held back and closes what is open.
    pub fn finish(&mut self, out: &mut Vec<Finding>) {
        self.intake.order.end();
        self.run(std::iter::empty(), out);
        self.each_shard(out, |judge, out| judge.close_all(out));
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        let state = &self.state;
        let shed = self.intake.shed()
            + state.bindings.shed()
            + state.knowledge.shed()
            + state.claims.shed()
            + state.shards.iter().map(Shard::shed).sum::<u64>();
        let (claims, claimed) = claims::alone(state.claims.iter().map(|(_, claims)| claims));
        let overflows = state.tellings.overflows();
        let mut suppressed = BTreeMap::new();
        for (entry, count) in state.shards.iter().flat_map(|shard| &shard.suppressed) {
            *suppressed.entry(entry.clone()).or_insert(0) += count;
        }
        let Intake { order, events, repeated, .. } = &self.intake;
        let (late, events, repeated) = (order.late(), *events, *repeated);
        Tally { events, late, shed, overflows, repeated, claimed, claims, suppressed }
    }

    /// Takes events in, and judges them: those that wait while the next are taken in, up to one that
    /// changes what they are judged by.
    fn run(&mut self, mut events: impl Iterator<Item = Event> + Send, out: &mut Vec<Finding>) {
        loop {
            std::mem::swap(&mut self.queue, &mut self.waiting);
            let side_by_side = self.side_by_side;
            let Detector { tunables, intake, state, queue, waiting, .. } = self;
            let (context, shards) = Self::parted(tunables, intake.began, state);
            let mut judge = || waiting.judge(context, shards, side_by_side);
            let mut fill = || intake.fill(tunables, context.bindings, &mut events, queue);
            let (said, stop) = match side_by_side {
                true => rayon::join(judge, fill),
                false => (judge(), fill()),
            };
            self.say_all(said, out);
            match stop {
                Stop::Full => {}
                Stop::At(event) => {
                    self.judge(out);
                    self.meet(event, out);
                }
                Stop::End => return self.judge(out),
            }
        }
    }

    /// Meets an event that changes what shards are judged by; those before it are judged.
    fn meet(&mut self, event: Event, out: &mut Vec<Finding>) {
        if let Activity::Binding(binding) = &event.activity {
            return self.state.bindings.note(&event, binding);
        }
        self.turn(event.time, out);
        if self.intake.turns.is_over() {
            self.learn();
        }
        if let Activity::Claim(claim) = &event.activity {
            let claims = &mut self.state.claims;
            let key = claims_key(claim.source);
            return claims.get_or_insert(key, || Claims::new(&event)).add(&event, claim);
        }
        let Detector { tunables, intake, state, queue, .. } = self;
        intake.take_in(tunables, &state.bindings, event, queue);
    }

    /// Goes on to a moment of event time: what was taught in the turn before is learned, and what is due
    /// is closed. The order of both is the same however far it goes at once.
    fn turn(&mut self, moment: Timestamp, out: &mut Vec<Finding>) {
        let Some(began) = self.intake.began else { return };
        let Some((next, last)) = self.intake.turns.until(began, moment) else { return };
        self.each_shard(out, |judge, out| judge.close_due(next, out));
        self.learn();
        self.each_shard(out, |judge, out| judge.close_due(last, out));
    }

    /// Learns what the shards' events taught.
    fn learn(&mut self) {
        let State { knowledge, shards, .. } = &mut self.state;
        let lessons = shards.each_ref().map(|shard| &shard.lessons);
        knowledge.learn(&lessons, self.side_by_side);
        shards.iter_mut().for_each(|shard| shard.lessons.clear());
    }

    /// Judges what waits in the queue, each shard's events in their order.
    fn judge(&mut self, out: &mut Vec<Finding>) {
        if self.queue.is_empty() {
            return;
        }
        let (context, shards) = Self::parted(&self.tunables, self.intake.began, &mut self.state);
        let said = self.queue.judge(context, shards, self.side_by_side);
        self.say_all(said, out);
    }

    fn each_shard(
        &mut self,
        out: &mut Vec<Finding>,
        mut act: impl FnMut(&mut Judge<'_>, &mut Vec<Said>),
    ) {
        let at = self.intake.events;
        let (context, shards) = Self::parted(&self.tunables, self.intake.began, &mut self.state);
        let mut said = Vec::new();
        for shard in shards {
            act(&mut Judge::new(context, shard, at), &mut said);
        }
        self.say_all(said, out);
    }

    /// The shards, and what they are judged by.
    fn parted<'a>(
        tunables: &'a Tunables,
        began: Option<Timestamp>,
        state: &'a mut State,
    ) -> (Context<'a>, &'a mut [Shard; SHARDS]) {
        let State { bindings, knowledge, claims, shards, .. } = state;
        (Context { tunables, began, bindings, knowledge, claims }, shards)
    }

    /// Says what the shards have to say, unless too much is being said.
    fn say_all(&mut self, said: Vec<Said>, out: &mut Vec<Finding>) {
        let limits = &self.tunables.detection.telling;
        for Said { time, id, early, finding, claimed, .. } in said {
            let what = (id, finding.kind, &finding.origin);
            if early && !self.state.tellings.may(time, what, limits) {
                continue;
            }
            if let Some(claims) = claimed.and_then(|key| self.state.claims.get_mut(key)) {
                claims.use_up();
            }
            out.push(finding);
        }
    }
}
