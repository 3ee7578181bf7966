//! Security log events 4688, 4689, 5152, 5153, 5156 and 5157.
//!
//! <https://learn.microsoft.com/windows/security/threat-protection/auditing/event-4688> and its
//! neighbours.

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Event, Initiator, LogSource, Outcome, Parent, Process, ProcessActivity,
    Protocol, Technique, Text,
};

use super::fields::Field;
use super::known::{Known, Texts};
use super::record::WindowsRecord;
use super::{FIRST_OWN_PORT, Side, Translated, accepted, opened};

/// Event 4688: a process started. `ProcessId` is its creator; the command line is empty unless the
/// audit policy says otherwise.
pub(super) fn process_start(
    record: &WindowsRecord<'_>,
    known: &mut Known,
) -> Result<Event, Translated> {
    // A process started for another user (runas) names it as the target; else the target is empty.
    let target = record.text(Field::TargetUserName).is_some()
        && record.number(Field::TargetLogonId).is_some_and(|session| session != 0);
    let (user, session) = match target {
        true => (account(record, TARGET, &mut known.texts), record.number(Field::TargetLogonId)),
        false => (account(record, SUBJECT, &mut known.texts), record.number(Field::SubjectLogonId)),
    };
    let process = Process {
        pid: record.pid(Field::NewProcessId)?,
        start: Some(record.time()?),
        path: known.texts.text(record, Field::NewProcessName),
        command_line: known.texts.text(record, Field::CommandLine),
        user,
        session,
        parent: known.parents.of(record, PARENT_FIELDS, || parent(record)),
        ..Process::default()
    };
    let activity = Activity::Process(ProcessActivity::Launch);
    record.event(LogSource::SecurityProcess, Some(known.actor(record, Some(process))), activity)
}

/// What [`parent`] looks at.
const PARENT_FIELDS: [Field; 2] = [Field::ProcessId, Field::ParentProcessName];

fn parent(record: &WindowsRecord<'_>) -> Option<Box<Parent>> {
    let parent = Parent {
        pid: record.pid(Field::ProcessId).ok(),
        path: record.own(Field::ParentProcessName),
        ..Parent::default()
    };
    (parent != Parent::default()).then(|| Box::new(parent))
}

/// Event 4689: a process ended.
pub(super) fn process_end(
    record: &WindowsRecord<'_>,
    known: &mut Known,
) -> Result<Event, Translated> {
    let process = Process {
        pid: record.pid(Field::ProcessId)?,
        path: known.texts.text(record, Field::ProcessName),
        user: account(record, SUBJECT, &mut known.texts),
        ..Process::default()
    };
    let actor = known.actor(record, Some(process));
    record.event(LogSource::SecurityExit, Some(actor), Activity::Process(ProcessActivity::Exit))
}

/// Events 5156 and 5157: the filtering platform let a connection through, or blocked it. It is
/// written when the connection is decided on, before any packet leaves, so that what came of a
/// permitted one is not known.
pub(super) fn connection(
    record: &WindowsRecord<'_>,
    known: &mut Known,
) -> Result<Event, Translated> {
    let (source, target, protocol) = sides(record)?;
    let outcome = if record.event_id == 5157 { Outcome::Refused } else { Outcome::Unknown };
    let (actor, network) = match direction(record)? {
        Direction::Outbound => {
            (Some(actor(record, known)?), opened(source, target, protocol, outcome))
        }
        Direction::Inbound => (None, accepted(source, target, protocol, outcome)),
    };
    record.event(LogSource::SecurityConnection, actor, Activity::Network(network))
}

/// Events 5152 and 5153: the filtering platform dropped a packet, which its source is the sender of.
/// A sender that asked is who acted; one that answers is not (a late answer to a connection that is
/// over, the resets that Windows withholds from whoever tries closed ports).
pub(super) fn drop(record: &WindowsRecord<'_>, known: &mut Known) -> Result<Event, Translated> {
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
            let named = pid(record).is_ok_and(|pid| pid != 0);
            Some(if named { actor(record, known)? } else { known.actor(record, None) })
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
    let direction = record.parsed(Field::Direction, |text| match text {
        "%%14593" | "Outbound" => Some(Direction::Outbound),
        "%%14592" | "Inbound" => Some(Direction::Inbound),
        _ => None,
    });
    direction.ok_or_else(|| record.misfit(Field::Direction))
}

/// The ends of a connection or packet, as they are named, and its transport.
fn sides(record: &WindowsRecord<'_>) -> Result<(Side, Side, Protocol), Translated> {
    let source = record.side(Field::SourceAddress, Field::SourcePort)?;
    let target = record.side(Field::DestAddress, Field::DestPort)?;
    let protocol = record.number(Field::Protocol).and_then(|number| u8::try_from(number).ok());
    let protocol =
        protocol.map(Protocol::from_number).ok_or_else(|| record.misfit(Field::Protocol))?;
    Ok((source, target, protocol))
}

/// The process id, under either of its spellings.
fn pid(record: &WindowsRecord<'_>) -> Result<u32, Translated> {
    record.pid(Field::ProcessID).or_else(|_| record.pid(Field::ProcessId))
}

/// What [`process`] looks at.
const PROCESS_FIELDS: [Field; 3] = [Field::ProcessID, Field::ProcessId, Field::Application];

/// The process that the filtering platform names, which many events may name.
fn actor(record: &WindowsRecord<'_>, known: &mut Known) -> Result<Arc<Actor>, Translated> {
    known.actor_of(record, PROCESS_FIELDS, |texts| process(record, texts))
}

fn process(record: &WindowsRecord<'_>, texts: &mut Texts) -> Result<Process, Translated> {
    let path = texts.text(record, Field::Application);
    Ok(Process { pid: pid(record)?, path, ..Process::default() })
}

/// The fields of an account's name and domain: of whoever asked for it, and of whom it was asked for.
const SUBJECT: [Field; 2] = [Field::SubjectUserName, Field::SubjectDomainName];
const TARGET: [Field; 2] = [Field::TargetUserName, Field::TargetDomainName];

/// `DOMAIN\user` of these fields.
fn account(record: &WindowsRecord<'_>, fields: [Field; 2], texts: &mut Texts) -> Option<Text> {
    texts.of(record, fields, || {
        let [user, domain] = fields.map(|field| record.text(field));
        let user = user?;
        match domain {
            Some(domain) => Some(format!("{domain}\\{user}").into()),
            None => Some((&*user).into()),
        }
    })
}
