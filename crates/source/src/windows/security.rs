//! Security log events 4688, 4689, 5156 and 5157.
//!
//! <https://learn.microsoft.com/windows/security/threat-protection/auditing/event-4688> and its
//! neighbours.

use lapwing_event::{
    Activity, Event, LogSource, Outcome, Parent, Process, ProcessActivity, Protocol,
};

use super::record::WindowsRecord;
use super::{Translated, accepted, opened};

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
    let source = record.side("SourceAddress", "SourcePort")?;
    let target = record.side("DestAddress", "DestPort")?;
    let protocol = record
        .number("Protocol")
        .and_then(|number| u8::try_from(number).ok())
        .map(Protocol::from_number)
        .ok_or_else(|| record.misfit("Protocol"))?;
    let outcome = if record.event_id == 5157 { Outcome::Refused } else { Outcome::Unknown };
    let (actor, network) = match record.text("Direction") {
        Some("%%14593" | "Outbound") => {
            let process = Process {
                pid: record.pid("ProcessID").or_else(|_| record.pid("ProcessId"))?,
                path: record.boxed("Application"),
                ..Process::default()
            };
            let actor = record.actor(Some(process));
            (Some(actor), opened(source, target, protocol, outcome))
        }
        Some("%%14592" | "Inbound") => (None, accepted(source, target, protocol, outcome)),
        _ => return Err(record.misfit("Direction")),
    };
    record.event(LogSource::SecurityConnection, actor, Activity::Network(network))
}

/// `DOMAIN\user` of the fields with this prefix.
fn account(record: &WindowsRecord<'_>, prefix: &str) -> Option<Box<str>> {
    let user = record.text(&format!("{prefix}UserName"))?;
    match record.text(&format!("{prefix}DomainName")) {
        Some(domain) => Some(format!("{domain}\\{user}").into()),
        None => Some(user.into()),
    }
}
