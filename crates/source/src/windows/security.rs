//! Security log events 4688, 4689, 5152, 5153, 5156 and 5157.
//!
//! <https://learn.microsoft.com/windows/security/threat-protection/auditing/event-4688> and its
//! neighbours.

use lapwing_event::{
    Activity, Event, Initiator, LogSource, Outcome, Parent, Process, ProcessActivity, Protocol,
    Technique, Text,
};

use super::record::WindowsRecord;
use super::{FIRST_OWN_PORT, Side, Translated, accepted, opened};

/// Event 4688: a process started. `ProcessId` is its creator; the command line is empty unless the
/// audit policy says otherwise.
pub(super) fn process_start(record: &WindowsRecord<'_>) -> Result<Event, Translated> {
    let parent = Parent {
        pid: record.pid("ProcessId").ok(),
        path: record.boxed("ParentProcessName"),
        ..Parent::default()
    };
    // A process started for another user (runas) names it as the target; else the target is empty.
    let target = record.text("TargetUserName").is_some()
        && record.number("TargetLogonId").is_some_and(|session| session != 0);
    let (user, session) = match target {
        true => (account(record, "Target"), record.number("TargetLogonId")),
        false => (account(record, "Subject"), record.number("SubjectLogonId")),
    };
    let process = Process {
        pid: record.pid("NewProcessId")?,
        start: Some(record.time()?),
        path: record.boxed("NewProcessName"),
        command_line: record.boxed("CommandLine"),
        user,
        session,
        parent: (parent != Parent::default()).then(|| Box::new(parent)),
        ..Process::default()
    };
    let activity = Activity::Process(ProcessActivity::Launch);
    record.event(LogSource::SecurityProcess, Some(record.actor(Some(process))), activity)
}

/// Event 4689: a process ended.
pub(super) fn process_end(record: &WindowsRecord<'_>) -> Result<Event, Translated> {
    let process = Process {
        pid: record.pid("ProcessId")?,
        path: record.boxed("ProcessName"),
        user: account(record, "Subject"),
        ..Process::default()
    };
    let actor = record.actor(Some(process));
    record.event(LogSource::SecurityExit, Some(actor), Activity::Process(ProcessActivity::Exit))
}

/// Events 5156 and 5157: the filtering platform let a connection through, or blocked it. It is
/// written when the connection is decided on, before any packet leaves, so that what came of a
/// permitted one is not known.
pub(super) fn connection(record: &WindowsRecord<'_>) -> Result<Event, Translated> {
    let (source, target, protocol) = sides(record)?;
    let outcome = if record.event_id == 5157 { Outcome::Refused } else { Outcome::Unknown };
    let (actor, network) = match direction(record)? {
        Direction::Outbound => {
            let actor = record.actor(Some(process(record, pid(record)?)));
            (Some(actor), opened(source, target, protocol, outcome))
        }
        Direction::Inbound => (None, accepted(source, target, protocol, outcome)),
    };
    record.event(LogSource::SecurityConnection, actor, Activity::Network(network))
}

/// Events 5152 and 5153: the filtering platform dropped a packet, which its source is the sender of.
/// A sender that asked is who acted; one that answers is not (a late answer to a connection that is
/// over, the resets that Windows withholds from whoever tries closed ports).
pub(super) fn drop(record: &WindowsRecord<'_>) -> Result<Event, Translated> {
    let (source, target, protocol) = sides(record)?;
    let mut network = opened(source, target, protocol, Outcome::Refused);
    if !asks(source, target, protocol) {
        network.initiator = Initiator::Unknown;
    }
    // One packet does not show what its sender was about.
    if protocol == Protocol::Tcp {
        network.technique = Technique::Unknown;
    }
    let actor = match direction(record)? {
        // Packets that no socket sent name no process, or 0.
        Direction::Outbound => {
            let process = pid(record).ok().filter(|pid| *pid != 0).map(|pid| process(record, pid));
            Some(record.actor(process))
        }
        Direction::Inbound => None,
    };
    record.event(LogSource::SecurityDrop, actor, Activity::Network(network))
}

/// Whether a packet between these ports asks rather than answers. Of ICMP, whose type and code stand
/// in the place of ports, echo requests do (8, and 128 of ICMPv6).
fn asks(source: Side, target: Side, protocol: Protocol) -> bool {
    match protocol {
        Protocol::Icmp => [source.port, target.port].contains(&8),
        Protocol::Icmpv6 => [source.port, target.port].contains(&128),
        _ if protocol.has_ports() => target.port != 0 && target.port < FIRST_OWN_PORT,
        _ => false,
    }
}

/// Which way a connection or packet went.
enum Direction {
    Inbound,
    Outbound,
}

/// The direction, as a message's number or as it is rendered.
fn direction(record: &WindowsRecord<'_>) -> Result<Direction, Translated> {
    match record.text("Direction") {
        Some("%%14593" | "Outbound") => Ok(Direction::Outbound),
        Some("%%14592" | "Inbound") => Ok(Direction::Inbound),
        _ => Err(record.misfit("Direction")),
    }
}

/// The ends of a connection or packet, as they are named, and its transport.
fn sides(record: &WindowsRecord<'_>) -> Result<(Side, Side, Protocol), Translated> {
    let source = record.side("SourceAddress", "SourcePort")?;
    let target = record.side("DestAddress", "DestPort")?;
    let protocol = record.number("Protocol").and_then(|number| u8::try_from(number).ok());
    let protocol = protocol.map(Protocol::from_number).ok_or_else(|| record.misfit("Protocol"))?;
    Ok((source, target, protocol))
}

/// The process id, under either of its spellings.
fn pid(record: &WindowsRecord<'_>) -> Result<u32, Translated> {
    record.pid("ProcessID").or_else(|_| record.pid("ProcessId"))
}

/// The process that the filtering platform names.
fn process(record: &WindowsRecord<'_>, pid: u32) -> Process {
    Process { pid, path: record.boxed("Application"), ..Process::default() }
}

/// `DOMAIN\user` of the fields with this prefix.
fn account(record: &WindowsRecord<'_>, prefix: &str) -> Option<Text> {
    let user = record.text(&format!("{prefix}UserName"))?;
    match record.text(&format!("{prefix}DomainName")) {
        Some(domain) => Some(format!("{domain}\\{user}").into()),
        None => Some(user.into()),
    }
}
