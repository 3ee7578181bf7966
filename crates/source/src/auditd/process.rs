//! The process behind a system call: its fields, its arguments, and one shared actor for all of
//! its events.

use std::borrow::Cow;
use std::sync::Arc;

use lapwing_event::{Actor, NO_SESSION, Parent, Process};

use super::assemble::AuditEvent;
use super::generations::Generations;
use super::nodes::NodeId;
use super::record::{Fields, Kind, Value, field, hex_number, number, signed, text};

/// How many processes of late are remembered at least. A fork loop starts and ends one a probe, so
/// only what runs side by side counts; 2,048 is above what the recorded hosts run.
const MAX_PROCESSES: usize = 2_048;

/// For how many arguments room is made before they are seen.
const ROOM_AT_FIRST: u64 = 64;

/// The most bytes of text a remembered process may have, which bounds all of them to 32 MiB.
const MAX_REMEMBERED: usize = 8 << 10;

/// How many fields of a SYSCALL record matter: those of [`Syscall`].
const WANTED_FIELDS: usize = 16;

/// The fields of a SYSCALL record that matter. Where a key comes twice the first one counts: the
/// later ones are of the enriched part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Syscall<'a> {
    pub arch: Option<u32>,
    /// The call's number.
    pub number: Option<u32>,
    pub success: Option<bool>,
    pub exit: Option<i64>,
    /// `a0` to `a3`.
    pub arguments: [Option<u64>; 4],
    pub pid: Option<u32>,
    pub ppid: Option<u32>,
    uid: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    session: Option<u64>,
    terminal: Option<&'a [u8]>,
    comm: Option<Value<'a>>,
    exe: Option<Value<'a>>,
}

impl<'a> Syscall<'a> {
    /// The fields of a SYSCALL record's body.
    pub fn of(body: &'a [u8]) -> Syscall<'a> {
        let mut call = Syscall::default();
        let mut missing = WANTED_FIELDS;
        for (key, value) in Fields::of(body) {
            let raw = value.raw();
            let id = || number(raw).and_then(|id| u32::try_from(id).ok());
            missing -= usize::from(match key {
                b"arch" => first(&mut call.arch, || u32::try_from(hex_number(raw)?).ok()),
                b"syscall" => first(&mut call.number, id),
                b"success" => first(&mut call.success, || Some(raw == b"yes")),
                b"exit" => first(&mut call.exit, || signed(raw)),
                b"a0" => first(&mut call.arguments[0], || hex_number(raw)),
                b"a1" => first(&mut call.arguments[1], || hex_number(raw)),
                b"a2" => first(&mut call.arguments[2], || hex_number(raw)),
                b"a3" => first(&mut call.arguments[3], || hex_number(raw)),
                b"pid" => first(&mut call.pid, id),
                b"ppid" => first(&mut call.ppid, id),
                b"uid" => first(&mut call.uid, || Some(raw)),
                b"UID" => first(&mut call.user, || Some(raw)),
                b"ses" => first(&mut call.session, || number(raw)),
                b"tty" => first(&mut call.terminal, || Some(raw)),
                b"comm" => first(&mut call.comm, || Some(value)),
                b"exe" => first(&mut call.exe, || Some(value)),
                _ => false,
            });
            if missing == 0 {
                break; // half of the enriched part
            }
        }
        call
    }

    /// Appends what must be equal for two calls of one pid to be of one actor, and returns how
    /// many bytes of it tell the program: a pid that was used again without an exec has another
    /// parent or name.
    fn identity(&self, out: &mut Vec<u8>) -> usize {
        let mut part = |bytes: Option<&[u8]>| {
            out.extend_from_slice(bytes.unwrap_or_default());
            out.push(0);
        };
        part(self.exe.map(Value::raw));
        part(self.comm.map(Value::raw));
        part(self.ppid.map(u32::to_le_bytes).as_ref().map(|bytes| bytes.as_slice()));
        let program = out.len();
        let mut part = |bytes: Option<&[u8]>| {
            out.extend_from_slice(bytes.unwrap_or_default());
            out.push(0);
        };
        part(self.uid);
        part(self.user);
        part(self.terminal);
        part(self.session.map(u64::to_le_bytes).as_ref().map(|bytes| bytes.as_slice()));
        program
    }

    fn process(&self, pid: u32, arguments: Vec<Box<str>>) -> Process {
        let decoded = |value: Option<Value<'_>>| Some(text(&value?.decoded()?));
        // Names that auditd could not find are written as `unset` or `unknown(1001)`.
        let user = self
            .user
            .filter(|name| !name.is_empty() && *name != b"unset" && !name.starts_with(b"unknown("));
        Process {
            pid,
            path: decoded(self.exe),
            name: decoded(self.comm),
            arguments,
            user: user.or(self.uid).map(text),
            session: self.session.filter(|session| *session != NO_SESSION),
            terminal: self
                .terminal
                .filter(|name| !name.is_empty() && *name != b"(none)" && *name != b"?")
                .map(text),
            parent: self.ppid.map(|pid| Box::new(Parent { pid: Some(pid), ..Parent::default() })),
            ..Process::default()
        }
    }
}

/// Sets what is not set yet; whether it is now.
fn first<T>(place: &mut Option<T>, value: impl FnOnce() -> Option<T>) -> bool {
    if place.is_some() {
        return false;
    }
    *place = value();
    place.is_some()
}

/// The arguments that the EXECVE records of an event hold, and whether all of them are there. An
/// argument over the kernel's limit comes in pieces, `a1[0]`, `a1[1]` …, over several records.
pub(super) fn arguments(event: &AuditEvent) -> (Vec<Box<str>>, bool) {
    let mut count = None;
    // Nearly all come whole and in order.
    let mut arguments: Vec<Box<str>> = Vec::new();
    for (key, value) in event.records(Kind::Execve).flat_map(Fields::of) {
        if key == b"argc" {
            count = count.or(number(value.raw()));
            arguments.reserve_exact(count.map_or(0, |count| count.min(ROOM_AT_FIRST)) as usize);
        } else if let Some((index, piece)) = argument_key(key) {
            if (index, piece) != (arguments.len() as u64, 0) {
                return pieced_arguments(event);
            }
            arguments.push(text(&argument(value)));
        }
    }
    let whole = count.is_none_or(|count| count == arguments.len() as u64);
    (arguments, whole)
}

/// The bytes of one argument, which may be the very word for nothing.
fn argument(value: Value<'_>) -> Cow<'_, [u8]> {
    value.decoded().unwrap_or(Cow::Borrowed(value.raw()))
}

/// As [`arguments`], of pieces in any order.
fn pieced_arguments(event: &AuditEvent) -> (Vec<Box<str>>, bool) {
    let mut count = None;
    let mut pieces: Vec<(u64, u64, Cow<'_, [u8]>)> = Vec::new();
    for (key, value) in event.records(Kind::Execve).flat_map(Fields::of) {
        if key == b"argc" {
            count = count.or(number(value.raw()));
        } else if let Some((index, piece)) = argument_key(key) {
            pieces.push((index, piece, argument(value)));
        }
    }
    pieces.sort_by_key(|(index, piece, _)| (*index, *piece));
    let mut arguments: Vec<Vec<u8>> = Vec::new();
    let mut next_piece = 0;
    for (index, piece, bytes) in pieces {
        let known = arguments.len() as u64;
        match arguments.last_mut() {
            Some(last) if index.checked_add(1) == Some(known) && piece == next_piece => {
                last.extend_from_slice(&bytes);
                next_piece += 1;
            }
            _ if index == known && piece == 0 => {
                arguments.push(bytes.into_owned());
                next_piece = 1;
            }
            // One is missing: what follows would stand in a wrong place.
            _ => return (arguments.iter().map(|bytes| text(bytes)).collect(), false),
        }
    }
    let whole = count.is_none_or(|count| count == arguments.len() as u64);
    (arguments.iter().map(|bytes| text(bytes)).collect(), whole)
}

/// `a3` is (3, 0), `a3[5]` is (3, 5); `None` for other keys, such as `a3_len`.
fn argument_key(key: &[u8]) -> Option<(u64, u64)> {
    let key = key.strip_prefix(b"a")?;
    match key.strip_suffix(b"]") {
        None => Some((number(key)?, 0)),
        Some(key) => {
            let (index, piece) = key.split_at_checked(memchr::memchr(b'[', key)?)?;
            Some((number(index)?, number(piece.get(1..)?)?))
        }
    }
}

/// The arguments of an event's PROCTITLE record: NUL between them, cut at 128 bytes by the kernel,
/// and only as true as the process left its own memory.
pub(super) fn title(event: &AuditEvent) -> Vec<Box<str>> {
    let Some(title) = event
        .record(Kind::Proctitle)
        .and_then(|body| field(body, b"proctitle"))
        .and_then(Value::decoded)
    else {
        return Vec::new();
    };
    let end = title.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    match title.get(..end) {
        Some(title) if !title.is_empty() => title.split(|byte| *byte == 0).map(text).collect(),
        _ => Vec::new(),
    }
}

/// The processes seen of late, each with the actor that its events share.
#[derive(Debug)]
pub(super) struct Processes {
    known: Generations<(NodeId, u32), Known>,
    identity: Vec<u8>,
}

#[derive(Debug)]
struct Known {
    /// The fields that must be equal, those that tell the program first.
    identity: Box<[u8]>,
    /// How many bytes of `identity` tell the program.
    program: usize,
    actor: Arc<Actor>,
}

impl Processes {
    pub fn new() -> Processes {
        Processes { known: Generations::new(MAX_PROCESSES), identity: Vec::new() }
    }

    /// The actor of a call that is no exec: the one before where nothing differs. Its arguments
    /// are those of its launch where that was seen, else those of its title.
    pub fn actor(
        &mut self,
        event: &AuditEvent,
        device: Option<&Arc<str>>,
        call: &Syscall<'_>,
        pid: u32,
    ) -> Arc<Actor> {
        self.identity.clear();
        let program = call.identity(&mut self.identity);
        let mut arguments = None;
        if let Some(known) = self.known.get(&(event.node, pid)) {
            if *known.identity == *self.identity {
                return Arc::clone(&known.actor);
            }
            // The same program, but setuid or a new session: its arguments are still true.
            if known.identity.get(..known.program) == self.identity.get(..program) {
                arguments = known.actor.process.as_ref().map(|process| process.arguments.clone());
            }
        }
        let arguments = arguments.unwrap_or_else(|| title(event));
        self.remember(event.node, device, call.process(pid, arguments), program)
    }

    /// The actor of an exec, which is a new program.
    pub fn launch(
        &mut self,
        event: &AuditEvent,
        device: Option<&Arc<str>>,
        call: &Syscall<'_>,
        pid: u32,
        arguments: Vec<Box<str>>,
    ) -> Arc<Actor> {
        self.identity.clear();
        let program = call.identity(&mut self.identity);
        self.remember(event.node, device, call.process(pid, arguments), program)
    }

    /// Forgets a process that ended.
    pub fn forget(&mut self, node: NodeId, pid: u32) {
        self.known.remove(&(node, pid));
    }

    fn remember(
        &mut self,
        node: NodeId,
        device: Option<&Arc<str>>,
        process: Process,
        program: usize,
    ) -> Arc<Actor> {
        let pid = process.pid;
        let size = process.arguments.iter().map(|text| text.len()).sum::<usize>()
            + 2 * self.identity.len();
        let actor = Arc::new(Actor {
            device: device.map(Arc::clone),
            process: Some(process),
            container: None,
        });
        if size > MAX_REMEMBERED {
            self.known.remove(&(node, pid));
        } else {
            let identity = self.identity.as_slice().into();
            self.known.insert((node, pid), Known { identity, program, actor: Arc::clone(&actor) });
        }
        actor
    }
}
