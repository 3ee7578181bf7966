//! Audit events to events: what a process did, and whom it tried to reach.

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Event, Initiator, LogSource, Network, Outcome, ProcessActivity,
    Protocol, Record, Technique,
};

use super::assemble::{AuditEvent, MAX_EVENT_BYTES};
use super::calls::{Calls, Program, Syscall};
use super::command_lines::CommandLines;
use super::nodes::{NodeId, Nodes};
use super::process::{Named, Processes};
use super::record::{Kind, field, hex_number};
use super::selection::{Connect, Selection};
use super::socket;
use super::socket::{AF_PACKET, EHOSTUNREACH, ENETUNREACH, Exit, Peer, SOCK_RAW};
use super::syscalls::{Call, Known, is_little_endian, known, of_socketcall};
use crate::generations::Generations;
use crate::{Decoded, Problem};

/// How many sockets are remembered at least, where the rules record socket calls. A socket matters
/// from its making to its connect, which a scanner makes at once; each costs some 50 bytes.
const MAX_SOCKETS: usize = 4_096;

/// How many targets that said no are remembered at least.
const MAX_FAILED: usize = 1_024;

/// MSG_FASTOPEN of sendto: a TCP connect that carries data (RFC 7413).
const MSG_FASTOPEN: u64 = 0x2000_0000;

/// What a socket was made as.
#[derive(Clone, Copy, Debug)]
struct Made {
    /// SOCK_STREAM, SOCK_DGRAM, SOCK_RAW …, without flags.
    kind: u64,
    protocol: u64,
}

/// Turns assembled audit events into events.
#[derive(Debug)]
pub(super) struct Translator {
    calls: Calls,
    command_lines: CommandLines,
    processes: Processes,
    sockets: Generations<(NodeId, u32, u64), Made>,
    selection: Selection,
    /// Targets at which TCP failed of late, by the process that tried and by its parent.
    failed: Generations<(NodeId, u32, Address), ()>,
}

/// A system call, with what all of its translations need.
struct Context<'a> {
    event: &'a AuditEvent,
    device: Option<&'a Arc<str>>,
    call: Syscall,
    program: Arc<Program>,
    pid: u32,
    little_endian: bool,
    /// Arguments as the call itself took them: those of SYSCALL, or of SOCKETCALL behind it.
    arguments: [Option<u64>; 4],
}

/// What is noted of an event that lacks a record which every such event has.
pub(super) const WITHOUT_ADDRESS: &str = "connect without its SOCKADDR record";
pub(super) const WITHOUT_CALL: &str = "audit event without its SYSCALL record";

impl Context<'_> {
    fn event(&self, log_source: LogSource, actor: Arc<Actor>, activity: Activity) -> Event {
        let record = Record { offset: self.event.offset, ..Record::default() };
        Event { time: self.event.time, record, log_source, actor: Some(actor), activity }
    }

    fn named(&self) -> Named<'_> {
        Named {
            node: self.event.node,
            device: self.device,
            pid: self.pid,
            ppid: self.call.ppid,
            program: &self.program,
        }
    }

    fn note(&self, out: &mut Decoded, key: &'static str) {
        out.note(Problem::Note, key, self.event.offset, String::new);
    }
}

impl Translator {
    pub fn new() -> Translator {
        Translator {
            calls: Calls::new(),
            command_lines: CommandLines::new(),
            processes: Processes::new(),
            sockets: Generations::new(MAX_SOCKETS),
            selection: Selection::new(),
            failed: Generations::new(MAX_FAILED),
        }
    }

    /// Translates one audit event, all of whose records have come.
    pub fn translate(&mut self, event: &AuditEvent, nodes: &Nodes, out: &mut Decoded) {
        if event.shed {
            out.note(Problem::Shed, "audit event too large", event.offset, || {
                format!("kept the first {MAX_EVENT_BYTES} bytes of its records")
            });
        }
        let Some(body) = event.record(Kind::Syscall) else {
            return without_syscall(event, out);
        };
        let (fields, program) = self.calls.read(body);
        let (Some(arch), Some(number), Some(pid)) = (fields.arch, fields.number, fields.pid) else {
            return cut_short(event, out);
        };
        let Known::Call(call) = known(arch, number) else { return cut_short(event, out) };
        self.selection.release(event.node, event.time, &mut out.events);
        let mut context = Context {
            event,
            device: nodes.name(event.node),
            call: fields,
            program,
            pid,
            little_endian: is_little_endian(arch),
            arguments: fields.arguments,
        };
        let call = match call {
            Call::Multiplexed => {
                context.arguments = socketcall_arguments(event);
                match fields.arguments[0].and_then(of_socketcall) {
                    Some(call) => call,
                    None => return context.note(out, "socket calls of other kinds"),
                }
            }
            call => call,
        };
        match call {
            Call::Exec => self.exec(&context, out),
            Call::Exit => self.exit(&context, out),
            Call::Connect => self.connect(&context, out),
            Call::Socket => self.socket(&context, out),
            Call::SendTo | Call::SendMessage => self.send(&context, call, out),
            Call::ThreadExit | Call::Multiplexed => context.note(out, "system calls not used"),
        }
    }

    /// Ends the input.
    pub fn end(&mut self, out: &mut Decoded) {
        self.selection.end(&mut out.events);
    }

    fn exec(&mut self, context: &Context<'_>, out: &mut Decoded) {
        if context.call.success != Some(true) {
            return context.note(out, "failed execve"); // a search of PATH, mostly
        }
        let (mut words, whole) = self.command_lines.arguments(context.event);
        if !whole {
            out.note(Problem::Malformed, "arguments missing", context.event.offset, || {
                format!("argc and the EXECVE records differ; kept the first {}", words.len())
            });
        }
        if words.is_empty() {
            words = self.command_lines.title(context.event);
        }
        let actor = self.processes.launch(context.named(), words);
        let activity = Activity::Process(ProcessActivity::Launch);
        out.events.push(context.event(LogSource::AuditExec, actor, activity));
    }

    fn exit(&mut self, context: &Context<'_>, out: &mut Decoded) {
        let actor = self.actor(context);
        self.processes.forget(context.event.node, context.pid);
        let activity = Activity::Process(ProcessActivity::Exit);
        out.events.push(context.event(LogSource::AuditExit, actor, activity));
    }

    fn socket(&mut self, context: &Context<'_>, out: &mut Decoded) {
        let [family, kind, protocol, _] = context.arguments;
        let kind = kind.map(|kind| kind & 0xf); // SOCK_TYPE_MASK: without flags
        if family == Some(AF_PACKET) || kind == Some(SOCK_RAW) && matches!(family, Some(2 | 10)) {
            context.note(out, "raw or packet sockets");
        } else {
            context.note(out, "other sockets");
        }
        let fd = context.call.exit.and_then(|fd| u64::try_from(fd).ok());
        if let (Some(fd), Some(kind), Some(protocol)) = (fd, kind, protocol) {
            let key = (context.event.node, context.pid, fd);
            self.sockets.insert(key, Made { kind, protocol });
        }
    }

    fn connect(&mut self, context: &Context<'_>, out: &mut Decoded) {
        let exit = context.call.exit;
        let event = context.event;
        let fd = context.arguments[0];
        let Some(peer) = peer_of(context, out) else { return };
        let (target, port) = match peer {
            Peer::Inet(target, port) => (target, port),
            Peer::OtherFamily => return context.note(out, "sockets of other families"),
            Peer::Dissolve => {
                context.note(out, "sockets of other families");
                if let Some(fd) = fd {
                    let probe = |offset| note_probe(out, offset);
                    self.selection.dissolve(event.node, context.pid, fd, event.time, probe);
                }
                return;
            }
        };
        let outcome = match socket::exit(exit, target) {
            Exit::Repeat => return context.note(out, "repeated connect on one socket"),
            Exit::Local => return context.note(out, "connect that failed on this machine"),
            Exit::Attempt(outcome) => outcome,
        };
        let made = self.made(context, fd);
        let transport = made.map(|made| socket::transport(made.kind, made.protocol));
        let unroutable = matches!(exit, Some(ENETUNREACH | EHOSTUNREACH));
        // DNS and NTP clients connect UDP sockets in earnest (composed/auditd/lin-block.log), and
        // blocking TCP to these ports is rare otherwise. But where the process or its siblings
        // just failed at this target over TCP, it is one more port of theirs
        // (recorded/auditd/bash-devtcp-200.log).
        let parties = [Some(context.pid), context.call.ppid.filter(|parent| *parent > 1)];
        let keys = parties.map(|party| Some((event.node, party?, target)));
        let datagram_port = exit == Some(0)
            && matches!(port, 53 | 123)
            && !keys.iter().flatten().any(|key| self.failed.get(key).is_some());
        let protocol = match transport {
            Some(Some(protocol)) => protocol,
            Some(None) => return context.note(out, "sockets of other families"),
            None if datagram_port => Protocol::Udp,
            // No handshake is ever made with port 0, but getaddrinfo's probes go there where no
            // service was asked for.
            None if exit == Some(0) && port == 0 => return note_probe(out, event.offset),
            None => Protocol::Tcp,
        };
        let stream = matches!(protocol, Protocol::Tcp | Protocol::Other(132 | 33));
        if !stream && exit != Some(0) {
            // Without a handshake only this machine can have said no.
            return context.note(out, "connect that failed on this machine");
        }
        if stream && matches!(outcome, Outcome::Refused | Outcome::Unanswered) && !unroutable {
            keys.into_iter().flatten().for_each(|key| self.failed.insert(key, ()));
        }
        let actor = self.actor(context);
        let network = attempt(protocol, target, port, outcome);
        let connect = Connect {
            node: event.node,
            pid: context.pid,
            fd,
            time: event.time,
            target,
            port,
            doubtful: (exit == Some(0) || unroutable) && !(made.is_some() && stream),
            succeeded: exit == Some(0),
            datagram_port,
        };
        let connected = context.event(LogSource::AuditConnect, actor, Activity::Network(network));
        let mut probes = Vec::new();
        let probe = |offset| probes.push(offset);
        self.selection.connect(connect, connected, &mut out.events, probe);
        for offset in probes {
            note_probe(out, offset);
        }
    }

    fn send(&mut self, context: &Context<'_>, call: Call, out: &mut Decoded) {
        let flags = context.arguments[3].unwrap_or_default();
        let connects = call == Call::SendTo && flags & MSG_FASTOPEN != 0;
        if context.event.record(Kind::Sockaddr).is_none() {
            return context.note(out, "sends on connected sockets");
        }
        let Some(peer) = peer_of(context, out) else { return };
        let Peer::Inet(target, port) = peer else {
            return context.note(out, "sockets of other families");
        };
        if connects {
            match socket::exit(context.call.exit.map(|sent| sent.min(0)), target) {
                Exit::Attempt(outcome) => {
                    return self.sent(context, attempt(Protocol::Tcp, target, port, outcome), out);
                }
                Exit::Repeat | Exit::Local => {
                    return context.note(out, "connect that failed on this machine");
                }
            }
        }
        if context.call.exit.is_some_and(|sent| sent < 0) {
            return context.note(out, "send that failed on this machine");
        }
        let protocol = match self.made(context, context.arguments[0]) {
            None => Protocol::Udp,
            Some(made) => match socket::transport(made.kind, made.protocol) {
                None | Some(Protocol::Tcp | Protocol::Other(132 | 33)) => {
                    return context.note(out, "sends on connected sockets");
                }
                // The caller writes the headers, so the port of the address means nothing.
                Some(protocol) if made.kind == SOCK_RAW => {
                    let network = Network {
                        technique: Technique::Unknown,
                        ..attempt(protocol, target, 0, Outcome::Unknown)
                    };
                    return self.sent(context, network, out);
                }
                Some(protocol) => protocol,
            },
        };
        self.sent(context, attempt(protocol, target, port, Outcome::Unknown), out);
    }

    fn sent(&mut self, context: &Context<'_>, network: Network, out: &mut Decoded) {
        let actor = self.actor(context);
        let activity = Activity::Network(network);
        out.events.push(context.event(LogSource::AuditConnect, actor, activity));
    }

    fn actor(&mut self, context: &Context<'_>) -> Arc<Actor> {
        self.processes.actor(context.named(), || self.command_lines.title(context.event))
    }

    fn made(&mut self, context: &Context<'_>, fd: Option<u64>) -> Option<Made> {
        self.sockets.get(&(context.event.node, context.pid, fd?)).copied()
    }
}

/// An attempt as a call of this machine's own makes it.
fn attempt(protocol: Protocol, target: Address, port: u16, outcome: Outcome) -> Network {
    let (outcome, technique) = match protocol {
        Protocol::Tcp => (outcome, Technique::Connect),
        Protocol::Udp => (Outcome::Unknown, Technique::Udp),
        // A datagram socket of ICMP can send nothing but echo requests (icmp(7)).
        Protocol::Icmp | Protocol::Icmpv6 => (Outcome::Unknown, Technique::Echo),
        Protocol::Other(132 | 33) => (outcome, Technique::Connect),
        _ => (Outcome::Unknown, Technique::Unknown),
    };
    Network {
        source: Address::UNSPECIFIED,
        target,
        source_port: 0,
        target_port: if protocol.has_ports() { port } else { 0 },
        protocol,
        initiator: Initiator::Source,
        outcome,
        technique,
    }
}

/// The other end of a call, by its SOCKADDR record; says what is wrong where there is none.
fn peer_of(context: &Context<'_>, out: &mut Decoded) -> Option<Peer> {
    let offset = context.event.offset;
    let Some(body) = context.event.record(Kind::Sockaddr) else {
        // An address that the kernel could not take in is not recorded (EFAULT, EINVAL, EBADF).
        match context.call.exit {
            Some(-14 | -22 | -9 | -88) => context.note(out, "connect that failed on this machine"),
            _ => out.note(Problem::Torn, WITHOUT_ADDRESS, offset, || {
                "its target is not known; look for lost records or a file cut by rotation".into()
            }),
        }
        return None;
    };
    let saddr = field(body, b"saddr").map(|value| value.raw());
    let found = saddr.and_then(|saddr| socket::peer(saddr, context.little_endian));
    if found.is_none() {
        out.note(Problem::Malformed, "saddr not understood", offset, || {
            let shown = saddr.map_or("nothing".into(), |saddr| {
                String::from_utf8_lossy(saddr.get(..64).unwrap_or(saddr)).into_owned()
            });
            format!("expected a socket address in hex, found {shown}")
        });
    }
    found
}

/// The arguments that a socketcall read from memory, as its SOCKETCALL record has them.
fn socketcall_arguments(event: &AuditEvent) -> [Option<u64>; 4] {
    let body = event.record(Kind::Socketcall).unwrap_or_default();
    [b"a0", b"a1", b"a2", b"a3"].map(|key| field(body, key).and_then(|a| hex_number(a.raw())))
}

fn cut_short(event: &AuditEvent, out: &mut Decoded) {
    out.note(Problem::Malformed, "SYSCALL record cut short", event.offset, || {
        "expected arch, syscall and pid; the event was skipped".to_string()
    });
}

fn without_syscall(event: &AuditEvent, out: &mut Decoded) {
    let matters = event.record(Kind::Sockaddr).is_some() || event.record(Kind::Execve).is_some();
    if matters {
        out.note(Problem::Torn, WITHOUT_CALL, event.offset, || {
            "who acted is not known; look for lost records or a file cut by rotation".into()
        });
    } else {
        out.note(Problem::Note, "titles without a system call", event.offset, String::new);
    }
}

fn note_probe(out: &mut Decoded, offset: u64) {
    out.note(Problem::Note, "address selection, nothing sent", offset, || {
        "getaddrinfo connects UDP sockets to sort a name's addresses".into()
    });
}
