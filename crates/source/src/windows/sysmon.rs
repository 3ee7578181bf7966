//! Sysmon events 1, 3, 5 and 22.
//!
//! <https://learn.microsoft.com/sysinternals/downloads/sysmon>

use lapwing_event::{
    Activity, Address, Dns, Event, LogSource, Outcome, Parent, Process, ProcessActivity,
    ProgramInfo, Protocol,
};

use super::record::{WindowsRecord, guid};
use super::{Translated, accepted, opened};

/// Event 1: a process started.
pub(super) fn process_start(
    record: &WindowsRecord<'_>,
    log_source: LogSource,
) -> Result<Event, Translated> {
    let program = ProgramInfo {
        original_name: record.boxed("OriginalFileName"),
        product: record.boxed("Product"),
        company: record.boxed("Company"),
        description: record.boxed("Description"),
        hashes: record.boxed("Hashes"),
        signer: None,
    };
    let parent = Parent {
        pid: record.pid("ParentProcessId").ok(),
        guid: guid(record.text("ParentProcessGuid")),
        path: record.boxed("ParentImage"),
        command_line: record.boxed("ParentCommandLine"),
    };
    let process = Process {
        start: Some(record.time()?),
        command_line: record.boxed("CommandLine"),
        session: record.number("LogonId"),
        program: (program != ProgramInfo::default()).then(|| Box::new(program)),
        parent: (parent != Parent::default()).then(|| Box::new(parent)),
        ..process(record)?
    };
    let activity = Activity::Process(ProcessActivity::Launch);
    record.event(log_source, Some(record.actor(Some(process))), activity)
}

/// Event 5: a process ended.
pub(super) fn process_end(
    record: &WindowsRecord<'_>,
    log_source: LogSource,
) -> Result<Event, Translated> {
    let actor = record.actor(Some(process(record)?));
    record.event(log_source, Some(actor), Activity::Process(ProcessActivity::Exit))
}

/// Event 3: a connection was made or accepted. On Windows it is written for established ones only
/// (sysinternals issue 81), so a scan shows its open ports alone; which of a scan's probes failed
/// is not known from it.
pub(super) fn connection(
    record: &WindowsRecord<'_>,
    log_source: LogSource,
) -> Result<Event, Translated> {
    let source = record.side("SourceIp", "SourcePort")?;
    let target = record.side("DestinationIp", "DestinationPort")?;
    let protocol = match record.text("Protocol") {
        Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        _ => return Err(record.misfit("Protocol")),
    };
    if target.port == 0 {
        return Err(record.misfit("DestinationPort"));
    }
    let (actor, network) = match record.text("Initiated") {
        Some("true") => {
            let actor = record.actor(Some(process(record)?));
            (Some(actor), opened(source, target, protocol, Outcome::Unknown))
        }
        // The process named is the one that accepted; who acted is the other side.
        Some("false") => (None, accepted(source, target, protocol, Outcome::Unknown)),
        _ => return Err(record.misfit("Initiated")),
    };
    record.event(log_source, actor, Activity::Network(network))
}

/// Event 22: a process asked for a name, through Windows' own resolver.
pub(super) fn dns_query(record: &WindowsRecord<'_>) -> Result<Event, Translated> {
    let name = record.text("QueryName").ok_or_else(|| record.misfit("QueryName"))?;
    let dns = Dns {
        source: Address::UNSPECIFIED,
        target: Address::UNSPECIFIED,
        source_port: 0,
        target_port: 0,
        name: name.trim_end_matches('.').into(),
        query_type: None,
        // A Win32 error code: 0, or such as 9003 DNS_ERROR_RCODE_NAME_ERROR.
        outcome: match record.number("QueryStatus") {
            Some(0) => Outcome::Served,
            Some(_) => Outcome::Refused,
            None => Outcome::Unknown,
        },
    };
    let actor = record.actor(Some(process(record)?));
    record.event(LogSource::SysmonDns, Some(actor), Activity::Dns(Box::new(dns)))
}

/// The process that every Sysmon event names.
fn process(record: &WindowsRecord<'_>) -> Result<Process, Translated> {
    let guid = guid(record.text("ProcessGuid"));
    // NXLog's own field of the same name displaces it; the unique identifier is enough.
    let pid = match (record.text("ProcessId"), &guid) {
        (None, Some(_)) => 0,
        _ => record.pid("ProcessId")?,
    };
    Ok(Process {
        pid,
        guid,
        path: record.boxed("Image"),
        user: record.boxed("User"),
        ..Process::default()
    })
}
