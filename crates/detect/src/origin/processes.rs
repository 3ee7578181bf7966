//! The process table: who has which process id, since when, and who started it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrayvec::ArrayVec;
use lapwing_event::{
    Activity, Actor, Address, Container, Event, InputId, LogSource, Process, ProcessActivity, Span,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use super::job::{Jobs, Starter, is_wrapper, job, session_link};
use super::link::{Computer, Link, container_link, device_link, who_flows, who_holds};
use super::{ANCESTORS, Ancestor, Described, Instance, Told, Who};
use crate::bindings::Bindings;
use crate::bounded::{Scored, Table};
use crate::expected::Patterns;
use crate::finding::Level;
use crate::severity;
use crate::tools::{self, Tool};

/// Two records of one process start (Sysmon 1 and Security 4688) lie this close together.
const SAME_START: Span = Span::seconds(2);

/// A process id of one computer, and who has it now.
#[derive(Serialize, Deserialize)]
struct Seat {
    instance: Arc<Instance>,
    since: Timestamp,
    last: Timestamp,
    ended: bool,
}

impl Scored for Seat {
    fn score(&self) -> u64 {
        // Ended processes go first, then those that were quiet longest.
        let quiet = (self.last.0 >> 20) as u64 & (u64::MAX >> 1);
        if self.ended { quiet >> 1 } else { quiet | 1 << 62 }
    }
}
/// The processes of all computers.
#[derive(Serialize, Deserialize)]
pub(crate) struct Processes {
    seats: Table<Seat>,
    jobs: Jobs,
    computers: Computers,
}

/// What is known of computers beyond what records call them.
#[derive(Default, Serialize, Deserialize)]
struct Computers {
    /// Which computer an input tells of, where its records name none and several are told apart.
    unnamed: BTreeMap<InputId, u32>,
    /// Names of computers that have another too, with the one that stands for both.
    names: BTreeMap<Arc<str>, Arc<str>>,
}

impl Computers {
    /// The computer that an event is of.
    fn of<'a>(&'a self, event: &Event, actor: &'a Actor) -> Computer<'a> {
        let other = actor.device.as_ref().and_then(|name| self.names.get(name));
        if let Some(name) = other {
            return Computer::named(name);
        }
        let unnamed = self.unnamed.get(&event.record.input).copied().unwrap_or_default();
        Computer::of(&actor.device, unnamed)
    }
}

impl Processes {
    /// Remembers at most `capacity` processes.
    pub fn new(capacity: usize) -> Processes {
        Processes {
            seats: Table::new(capacity),
            jobs: Jobs::new(),
            computers: Computers::default(),
        }
    }

    /// Tells apart the computers of inputs whose records name none.
    pub fn tell_apart(&mut self, unnamed: BTreeMap<InputId, u32>) {
        self.computers.unnamed = unnamed;
    }

    /// Takes computers of these names for one, under the name that stands for both.
    pub fn same_computers(&mut self, names: BTreeMap<Arc<str>, Arc<str>>) {
        self.computers.names = names;
    }

    /// How many processes were forgotten because the table was full.
    pub fn shed(&self) -> u64 {
        self.seats.shed() + self.jobs.shed()
    }

    /// Who acted in an event, learning from it.
    pub fn resolve(&mut self, event: &Event, patterns: &Patterns, bindings: &Bindings) -> Who {
        let address = source_address(event);
        let Some(actor) = &event.actor else {
            return who_holds(address, event.time, bindings);
        };
        let Some(process) = &actor.process else {
            return match &actor.container {
                Some(_) => who_flows(actor.clone(), address),
                None => {
                    let device = actor.device.clone();
                    let computer = self.computers.of(event, actor);
                    let home = device_link(computer).id;
                    let links = device.iter().map(|_| device_link(computer)).collect();
                    Who { instance: None, device, pod: None, address, links, home }
                }
            };
        };
        let device = actor.device.clone();
        let instance = self.seat(event, actor, process, patterns, bindings);
        let links = instance.links.clone();
        let home = instance.home;
        Who { instance: Some(instance), device, pod: None, address, links, home }
    }

    /// The instance that acted: the one that has the process id now, or a new one.
    fn seat(
        &mut self,
        event: &Event,
        actor: &Arc<Actor>,
        process: &Process,
        patterns: &Patterns,
        bindings: &Bindings,
    ) -> Arc<Instance> {
        let computer = self.computers.of(event, actor);
        let key = seat_key(computer, process.pid, process.guid.as_deref());
        let launch = event.activity == Activity::Process(ProcessActivity::Launch);
        let exit = event.activity == Activity::Process(ProcessActivity::Exit);
        let sitting = self.seats.get_mut(key).filter(|seat| {
            if launch {
                is_same_start(seat, process, event.time)
            } else {
                !seat.ended && is_same_program(&seat.instance.process, process)
            }
        });
        if let Some(seat) = sitting {
            seat.last = event.time;
            seat.ended |= exit;
            // A script's record names its process by its id alone.
            let named =
                seat.instance.process.short_name().is_none() && process.short_name().is_some();
            if launch || named {
                let mut instance = told_again(&seat.instance, process, patterns);
                if named {
                    instance.habit = habit(computer, &lowercase(process.short_name()));
                    instance.writable = severity::is_writable(process);
                }
                seat.instance = Arc::new(instance);
            }
            return seat.instance.clone();
        }
        let container = actor.container.as_ref();
        let completed = container.and_then(|container| bindings.completed(container));
        let container = completed.map(Arc::new).or_else(|| container.cloned());
        let instance = self.new_instance(event, actor, process, container, patterns);
        let instance = Arc::new(instance);
        let (since, last) = (event.time, event.time);
        let seat = Seat { instance: instance.clone(), since, last, ended: exit };
        match self.seats.get_mut(key) {
            Some(before) => *before = seat,
            None => {
                self.seats.get_or_insert(key, || seat);
            }
        }
        instance
    }

    fn new_instance(
        &mut self,
        event: &Event,
        actor: &Arc<Actor>,
        process: &Process,
        container: Option<Arc<Container>>,
        patterns: &Patterns,
    ) -> Instance {
        let launch = event.activity == Activity::Process(ProcessActivity::Launch);
        let computer = self.computers.of(event, actor);
        let short_name = process.short_name();
        let id = match process.guid.as_deref() {
            Some(guid) => computer.identity(b"guid", &[guid.as_bytes()]),
            None => computer.identity(
                b"pid",
                &[
                    &process.pid.to_be_bytes(),
                    short_name.unwrap_or_default().as_bytes(),
                    &event.time.0.to_be_bytes(),
                ],
            ),
        };
        let parent = self.parent(computer, actor, process);
        let job = match &parent {
            Some(starter) if launch => job(computer, process, &starter.borrowed()),
            _ => None,
        };
        let ancestors = parent.map(Parentage::ancestors).unwrap_or_default();
        let name = lowercase(short_name);
        let mut links = ArrayVec::new();
        links.push(Link { id, level: Level::Process });
        for ancestor in ancestors.iter().filter(|ancestor| ancestor.is_loop()) {
            links.push(self.jobs.loop_link(ancestor, &name));
        }
        if let Some(own) = job.filter(|job| job.own) {
            links.push(self.jobs.own_link(own, id, &name));
        }
        // mDNSResponder tells of no parent: what has the same name on this computer goes together.
        let by_name = matches!(event.log_source, LogSource::UnifiedLog | LogSource::MacSystemLog);
        if ancestors.is_empty() && by_name {
            let id = computer.identity(b"program by name", &[name.as_bytes()]);
            links.push(Link { id, level: Level::Lineage });
        }
        links.extend(session_link(computer, process, event.log_source));
        let known = container.as_ref();
        let container_link =
            known.and_then(|container| container_link(computer, container, b"processes"));
        links.extend(container_link);
        Instance {
            id,
            process: Described(actor.clone()),
            container,
            ancestors,
            tool: if launch { recognised(process, patterns) } else { None },
            links,
            home: container_link.unwrap_or_else(|| device_link(computer)).id,
            habit: habit(computer, &name),
            job,
            writable: severity::is_writable(process),
        }
    }

    /// The parent of a process that is first seen now.
    fn parent(
        &self,
        computer: Computer<'_>,
        actor: &Arc<Actor>,
        process: &Process,
    ) -> Option<Parentage> {
        let parent = process.parent.as_deref()?;
        let (pid, guid) = (parent.pid.unwrap_or_default(), parent.guid.as_deref());
        if pid == 0 && guid.is_none() {
            return None;
        }
        // A log that tells of some processes by their unique id alone has them seated by it.
        let by_pid = self.seats.get(seat_key(computer, pid, guid));
        let by_guid = || self.seats.get(seat_key(computer, 0, Some(guid?)));
        let seat = by_pid.or_else(by_guid);
        let seat = seat.filter(|seat| {
            let same_guid = match (&seat.instance.process.guid, &parent.guid) {
                (Some(known), Some(told)) => known == told,
                _ => true,
            };
            (pid == 0 || pid != process.pid) && same_guid && !seat.ended
        });
        if let Some(seat) = seat {
            return Some(Parentage::Seen(seat.instance.clone()));
        }
        let id = match guid {
            Some(guid) => computer.identity(b"guid", &[guid.as_bytes()]),
            None => computer.identity(b"parent", &[&pid.to_be_bytes()]),
        };
        let told = Told::ByChild(Described(actor.clone()));
        Some(Parentage::Told(Ancestor { id, told, job: None }))
    }
}

/// The parent of a process: seated itself, or known from its child's record alone.
enum Parentage {
    Seen(Arc<Instance>),
    Told(Ancestor),
}

impl Parentage {
    fn borrowed(&self) -> Starter<'_> {
        match self {
            Parentage::Seen(instance) => Starter::Seen(instance),
            Parentage::Told(ancestor) => Starter::Told(ancestor),
        }
    }

    /// The parent and grandparent, as far as known, without those that merely wait for another.
    fn ancestors(self) -> ArrayVec<Ancestor, ANCESTORS> {
        match self {
            Parentage::Told(ancestor) => std::iter::once(ancestor).collect(),
            Parentage::Seen(instance) => {
                let own = (!is_wrapper(&instance.process)).then(|| Ancestor {
                    id: instance.id,
                    told: Told::Itself(instance.process.clone()),
                    job: instance.job,
                });
                own.into_iter().chain(instance.ancestors.iter().cloned()).take(ANCESTORS).collect()
            }
        }
    }
}

/// The address that an event's source acted from; `None` where the record does not say.
pub(crate) fn source_address(event: &Event) -> Option<Address> {
    let source = match &event.activity {
        Activity::Network(network) => network.source,
        Activity::Dns(dns) => dns.source,
        Activity::Process(_) | Activity::Binding(_) | Activity::Script(_) | Activity::Claim(_) => {
            return None;
        }
    };
    // 0.0.0.0 is nobody (UP-03), and a loopback address is everybody.
    (!source.is_unspecified() && !source.is_group() && !source.is_loopback()).then_some(source)
}

/// Where a process sits: by its id, or by its unique identifier where no id is recorded.
fn seat_key(computer: Computer<'_>, pid: u32, guid: Option<&str>) -> u64 {
    if let (0, Some(guid)) = (pid, guid) {
        return computer.identity(b"seat by guid", &[guid.as_bytes()]);
    }
    computer.identity(b"seat", &[&pid.to_be_bytes()])
}

/// Whether a start tells again of the process that has the seat.
fn is_same_start(seat: &Seat, process: &Process, time: Timestamp) -> bool {
    let known = &seat.instance.process;
    match (&known.guid, &process.guid) {
        (Some(known), Some(told)) => known == told,
        _ => {
            time.since(seat.since) <= SAME_START
                && is_same_program(known, process)
                && known.command_text() == process.command_text()
        }
    }
}

/// Whether two descriptions of a process id can be of one process: the same unique id, or the same
/// program as far as both say (a drive letter path and an NT device path end alike).
fn is_same_program(known: &Process, told: &Process) -> bool {
    if let (Some(known), Some(told)) = (&known.guid, &told.guid) {
        return known == told;
    }
    match (known.short_name(), told.short_name()) {
        (Some(known), Some(told)) => known.eq_ignore_ascii_case(told),
        _ => true,
    }
}

/// What stays the same of a process from day to day: its program on its computer.
fn habit(computer: Computer<'_>, name: &str) -> u64 {
    computer.identity(b"program", &[name.as_bytes()])
}

/// A program's name without case; empty where it is not known.
fn lowercase(name: Option<&str>) -> Cow<'_, str> {
    let name = name.unwrap_or_default();
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

fn recognised(process: &Process, patterns: &Patterns) -> Option<Box<Tool>> {
    tools::recognise(process, patterns).map(Box::new)
}

/// An instance with what a second record of its start adds.
fn told_again(known: &Instance, told: &Process, patterns: &Patterns) -> Instance {
    let mut process = Process::clone(&known.process);
    process.guid = process.guid.or_else(|| told.guid.clone());
    process.path = process.path.or_else(|| told.path.clone());
    process.name = process.name.or_else(|| told.name.clone());
    process.command_line = process.command_line.or_else(|| told.command_line.clone());
    process.program = process.program.or_else(|| told.program.clone());
    process.parent = process.parent.or_else(|| told.parent.clone());
    process.user = process.user.or_else(|| told.user.clone());
    if process.arguments.is_empty() {
        process.arguments.clone_from(&told.arguments);
    }
    let tool = known.tool.clone().or_else(|| recognised(&process, patterns));
    Instance {
        id: known.id,
        home: known.home,
        habit: known.habit,
        job: known.job,
        writable: known.writable,
        process: Described::of(process),
        container: known.container.clone(),
        ancestors: known.ancestors.clone(),
        tool,
        links: known.links.clone(),
    }
}
