//! What Windows events mean, whatever spelling they come in.
//!
//! A dialect (EVTX, rendered XML, the shippers' JSON) gives a [`WindowsRecord`]: who wrote it,
//! its number, and its fields by name. `sysmon` and `security` turn it into an event. Fields are
//! taken by name and checked by type, never by place: forwarding in binary form drops empty fields
//! and shifts the rest (field case UP-17), and each schema version has others.

mod commands;
pub(crate) mod defender;
#[cfg(test)]
mod dialects;
mod fields;
mod hayabusa;
pub(crate) mod json;
mod known;
mod labels;
mod record;
mod scripts;
mod security;
mod sysmon;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod value;
mod when;
pub(crate) mod xml;

use lapwing_event::{Address, Event, Initiator, LogSource, Network, Outcome, Protocol, Technique};

use crate::pieces::Unfinished;
use crate::{Decoded, Problem};

pub(crate) use fields::{Field, Fields};
pub(crate) use known::Known;
pub(crate) use record::WindowsRecord;
pub(crate) use scripts::Scripts;
pub(crate) use value::Value;

/// The provider of Sysmon's events.
const SYSMON: &str = "Microsoft-Windows-Sysmon";
/// The provider of the same events on Linux (<https://github.com/microsoft/SysmonForLinux>).
const LINUX_SYSMON: &str = "Linux-Sysmon";
/// The provider of the Security log's audit events.
const SECURITY: &str = "Microsoft-Windows-Security-Auditing";

/// The provider of PowerShell's own events, and that of PowerShell 6 and later.
const POWERSHELL: &str = "Microsoft-Windows-PowerShell";
const POWERSHELL_CORE: &str = "PowerShellCore";

/// The provider of these names, where one is read: some give it by its display name, some name the
/// channel alone (`Security`, `WinEventLog:Microsoft-Windows-Sysmon/Operational`).
fn provider_of(source: Option<&str>, channel: Option<&str>) -> Option<&'static str> {
    let by_name = match source.unwrap_or_default() {
        SYSMON => Some(SYSMON),
        LINUX_SYSMON => Some(LINUX_SYSMON),
        SECURITY => Some(SECURITY),
        POWERSHELL => Some(POWERSHELL),
        POWERSHELL_CORE => Some(POWERSHELL_CORE),
        name if name.starts_with("Microsoft Windows security auditing") => Some(SECURITY),
        _ => None,
    };
    let channel = channel.unwrap_or_default();
    by_name.or(match channel.rsplit(':').next().unwrap_or(channel) {
        "Microsoft-Windows-Sysmon/Operational" => Some(SYSMON),
        "Security" => Some(SECURITY),
        "Microsoft-Windows-PowerShell/Operational" => Some(POWERSHELL),
        "PowerShellCore/Operational" => Some(POWERSHELL_CORE),
        _ => None,
    })
}

/// What is said of events that are not looked at.
pub(crate) const NOT_USED: &str = "events not used";

/// What a record came to.
pub(crate) enum Translated {
    /// An event.
    Event(Event),
    /// Of a kind that is not judged.
    NotUsed,
    /// Used as a kind, but it tells nothing to judge; the fixed words say why.
    Nothing(&'static str),
    /// Kept until more of it comes.
    Kept,
    /// A field is missing or holds what its name does not promise.
    Misfit(String),
}

/// What a decoder of Windows events keeps between its records.
#[derive(Default)]
pub(crate) struct Held {
    scripts: Scripts,
    known: Known,
}

impl Held {
    /// Gives out the event of a record, or says why there is none.
    pub(crate) fn take(&mut self, record: &WindowsRecord<'_>, out: &mut Decoded) {
        let offset = record.offset;
        let translated = match (&*record.provider, record.event_id) {
            (POWERSHELL | POWERSHELL_CORE, 4104) => self.scripts.take(record, &mut self.known, out),
            _ => translate(record, &mut self.known),
        };
        match translated {
            Translated::Event(event) => out.events.push(event),
            Translated::Kept => {}
            Translated::NotUsed => out.note_times(Problem::Note, NOT_USED, offset, 1),
            Translated::Nothing(key) => out.note_times(Problem::Note, key, offset, 1),
            Translated::Misfit(detail) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || detail);
            }
        }
    }

    /// Ends the input: gives out what waits for more.
    pub(crate) fn end(&mut self, out: &mut Decoded) {
        self.scripts.end(out);
    }

    /// Ends a piece of an input: hands over what waits for more.
    pub(crate) fn leave(&mut self, out: &mut Decoded) -> Unfinished {
        Unfinished::of(std::mem::take(&mut self.scripts), out)
    }
}

/// Whether records of this provider and number are looked at; what dialects make of others is not.
pub(crate) fn is_used(provider: &str, event_id: u32) -> bool {
    match provider {
        SYSMON => matches!(event_id, 1 | 3 | 5 | 22),
        LINUX_SYSMON => matches!(event_id, 1 | 3 | 5),
        SECURITY => matches!(event_id, 4688 | 4689 | 5152..=5159),
        POWERSHELL | POWERSHELL_CORE => matches!(event_id, 4103 | 4104),
        _ => false,
    }
}

/// Whether records of this number are looked at, whoever wrote them.
pub(crate) fn may_be_used(event_id: u32) -> bool {
    [SYSMON, LINUX_SYSMON, SECURITY, POWERSHELL].iter().any(|provider| is_used(provider, event_id))
}

/// Turns a record that tells all by itself into an event.
pub(crate) fn translate(record: &WindowsRecord<'_>, known: &mut Known) -> Translated {
    let number = (&*record.provider, record.event_id);
    if !is_used(number.0, number.1) {
        return Translated::NotUsed;
    }
    let translated = match number {
        (SYSMON, 1) => sysmon::process_start(record, known, LogSource::SysmonProcess),
        (SYSMON, 3) => sysmon::connection(record, known, LogSource::SysmonNetwork),
        (SYSMON, 5) => sysmon::process_end(record, known, LogSource::SysmonExit),
        (LINUX_SYSMON, 1) => sysmon::process_start(record, known, LogSource::SysmonLinuxProcess),
        (LINUX_SYSMON, 3) => sysmon::connection(record, known, LogSource::SysmonLinuxNetwork),
        (LINUX_SYSMON, 5) => sysmon::process_end(record, known, LogSource::SysmonLinuxExit),
        (SYSMON, 22) => sysmon::dns_query(record, known),
        (SECURITY, 4688) => security::process_start(record, known),
        (SECURITY, 4689) => security::process_end(record, known),
        (SECURITY, 5156 | 5157) => security::connection(record, known),
        // 5153 is a drop by a filter that another one's permit did not overrule.
        (SECURITY, 5152 | 5153) => security::drop(record, known),
        // A bind names a port of this computer and no target; its connection follows as 5156. That a
        // program listens is no attempt either, whether it was let or not.
        (SECURITY, 5158 | 5159) => Err(Translated::Nothing("binds of a local port (5158, 5159)")),
        (SECURITY, 5154 | 5155) => Err(Translated::Nothing("programs listening (5154, 5155)")),
        (POWERSHELL | POWERSHELL_CORE, 4103) => commands::asked(record, known),
        _ => Err(Translated::NotUsed),
    };
    translated.map_or_else(|other| other, Translated::Event)
}

/// The first port that systems give to outgoing connections of their own choice: Windows begins at
/// 49152 (RFC 6335 section 6 calls those dynamic), Linux at 32768 (its `ip_local_port_range`), and
/// scanners that make their own packets choose from much the same (nmap 33000 and up).
const FIRST_OWN_PORT: u16 = 32_768;

/// One side of a connection.
#[derive(Clone, Copy)]
struct Side {
    address: Address,
    port: u16,
}

/// A connection that this computer accepted: the remote side opened it, and so is who acted.
///
/// Which side that is cannot be told by the fields' names: for inbound connections documentation
/// and real data disagree on source and destination (field case UP-18). It is the one with a port
/// that systems choose for themselves where the other has none; else the initiator stays unknown.
fn accepted(a: Side, b: Side, protocol: Protocol, outcome: Outcome) -> Network {
    let own = |side: Side| side.port >= FIRST_OWN_PORT;
    let (from, to, initiator) = match (own(a), own(b)) {
        (true, false) => (a, b, Initiator::Source),
        (false, true) => (b, a, Initiator::Source),
        _ => (a, b, Initiator::Unknown),
    };
    Network { initiator, ..opened(from, to, protocol, outcome) }
}

/// A connection that this computer opened.
fn opened(from: Side, to: Side, protocol: Protocol, outcome: Outcome) -> Network {
    let ports = protocol.has_ports();
    Network {
        source: from.address,
        target: to.address,
        source_port: if ports { from.port } else { 0 },
        target_port: if ports { to.port } else { 0 },
        protocol,
        initiator: Initiator::Source,
        outcome,
        technique: match protocol {
            Protocol::Tcp => Technique::Connect,
            Protocol::Udp => Technique::Udp,
            _ => Technique::Unknown,
        },
    }
}
