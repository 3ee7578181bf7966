//! Sysmon events 1, 3, 5 and 22.
//!
//! <https://learn.microsoft.com/sysinternals/downloads/sysmon>

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Dns, Event, LogSource, Outcome, Parent, Process, ProcessActivity,
    ProgramInfo, Protocol,
};

use super::fields::Field;
use super::known::{Known, Texts};
use super::record::WindowsRecord;
use super::{Translated, accepted, opened};

/// Event 1: a process started.
pub(super) fn process_start(
    record: &WindowsRecord<'_>,
    known: &mut Known,
    log_source: LogSource,
) -> Result<Event, Translated> {
    let process = Process {
        start: Some(record.time()?),
        command_line: known.texts.text(record, Field::CommandLine),
        session: record.number(Field::LogonId),
        program: known.programs.of(record, PROGRAM_FIELDS, || program(record)),
        parent: known.parents.of(record, PARENT_FIELDS, || parent(record)),
        ..process(record, &mut known.texts)?
    };
    let activity = Activity::Process(ProcessActivity::Launch);
    record.event(log_source, Some(known.actor(record, Some(process))), activity)
}

/// What [`program`] looks at.
const PROGRAM_FIELDS: [Field; 5] =
    [Field::OriginalFileName, Field::Product, Field::Company, Field::Description, Field::Hashes];

fn program(record: &WindowsRecord<'_>) -> Option<Box<ProgramInfo>> {
    let [original_name, product, company, description, hashes] =
        PROGRAM_FIELDS.map(|field| record.own(field));
    let program =
        ProgramInfo { original_name, product, company, description, hashes, signer: None };
    (program != ProgramInfo::default()).then(|| Box::new(program))
}

/// What [`parent`] looks at.
const PARENT_FIELDS: [Field; 4] = [
    Field::ParentProcessId,
    Field::ParentProcessGuid,
    Field::ParentImage,
    Field::ParentCommandLine,
];

fn parent(record: &WindowsRecord<'_>) -> Option<Box<Parent>> {
    let parent = Parent {
        pid: record.pid(Field::ParentProcessId).ok(),
        guid: record.guid(Field::ParentProcessGuid),
        path: record.own(Field::ParentImage),
        command_line: record.own(Field::ParentCommandLine),
    };
    (parent != Parent::default()).then(|| Box::new(parent))
}

/// Event 5: a process ended.
pub(super) fn process_end(
    record: &WindowsRecord<'_>,
    known: &mut Known,
    log_source: LogSource,
) -> Result<Event, Translated> {
    let actor = actor(record, known)?;
    record.event(log_source, Some(actor), Activity::Process(ProcessActivity::Exit))
}

/// Event 3: a connection was made or accepted. On Windows it is written for established ones only
/// (sysinternals issue 81), so a scan shows its open ports alone; which of a scan's probes failed
/// is not known from it.
pub(super) fn connection(
    record: &WindowsRecord<'_>,
    known: &mut Known,
    log_source: LogSource,
) -> Result<Event, Translated> {
    let source = record.side(Field::SourceIp, Field::SourcePort)?;
    let target = record.side(Field::DestinationIp, Field::DestinationPort)?;
    let protocol = record.parsed(Field::Protocol, |text| match text {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => None,
    });
    let protocol = protocol.ok_or_else(|| record.misfit(Field::Protocol))?;
    if target.port == 0 {
        return Err(record.misfit(Field::DestinationPort));
    }
    let (actor, network) = match record.parsed(Field::Initiated, |text| text.parse().ok()) {
        Some(true) => {
            let actor = actor(record, known)?;
            (Some(actor), opened(source, target, protocol, Outcome::Unknown))
        }
        // The process named is the one that accepted; who acted is the other side.
        Some(false) => (None, accepted(source, target, protocol, Outcome::Unknown)),
        None => return Err(record.misfit(Field::Initiated)),
    };
    record.event(log_source, actor, Activity::Network(network))
}

/// Event 22: a process asked for a name, through Windows' own resolver.
pub(super) fn dns_query(
    record: &WindowsRecord<'_>,
    known: &mut Known,
) -> Result<Event, Translated> {
    let name = record.text(Field::QueryName).ok_or_else(|| record.misfit(Field::QueryName))?;
    let dns = Dns {
        source: Address::UNSPECIFIED,
        target: Address::UNSPECIFIED,
        source_port: 0,
        target_port: 0,
        name: name.trim_end_matches('.').into(),
        query_type: None,
        // A Win32 error code: 0, or such as 9003 DNS_ERROR_RCODE_NAME_ERROR.
        outcome: match record.number(Field::QueryStatus) {
            Some(0) => Outcome::Served,
            Some(_) => Outcome::Refused,
            None => Outcome::Unknown,
        },
    };
    let actor = actor(record, known)?;
    record.event(LogSource::SysmonDns, Some(actor), Activity::Dns(Box::new(dns)))
}

/// What [`process`] looks at.
const PROCESS_FIELDS: [Field; 4] =
    [Field::ProcessGuid, Field::ProcessId, Field::Image, Field::User];

/// The process that every Sysmon event names, which many may name.
fn actor(record: &WindowsRecord<'_>, known: &mut Known) -> Result<Arc<Actor>, Translated> {
    known.actor_of(record, PROCESS_FIELDS, |texts| process(record, texts))
}

fn process(record: &WindowsRecord<'_>, texts: &mut Texts) -> Result<Process, Translated> {
    let guid = record.guid(Field::ProcessGuid);
    // NXLog's own field of the same name displaces it; the unique identifier is enough.
    let pid = match (record.text(Field::ProcessId), &guid) {
        (None, Some(_)) => 0,
        _ => record.pid(Field::ProcessId)?,
    };
    Ok(Process {
        pid,
        guid,
        path: texts.text(record, Field::Image),
        user: texts.text(record, Field::User),
        ..Process::default()
    })
}
