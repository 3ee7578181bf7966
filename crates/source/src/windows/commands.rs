//! PowerShell's pipelines (event 4103): each command that ran, with its parameters as they were bound.
//!
//! `Test-NetConnection` and `Test-Connection` ask one target each: what came of it is not written.
//!
//! <https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_logging_windows>

use lapwing_event::{
    Activity, Address, Event, Initiator, LogSource, Network, Outcome, Process, Protocol, Technique,
};

use super::Translated;
use super::fields::Field;
use super::known::Known;
use super::record::WindowsRecord;

/// The ports that `-CommonTCPPort` names.
const COMMON: [(&str, u16); 4] = [("HTTP", 80), ("RDP", 3389), ("SMB", 445), ("WINRM", 5985)];

/// Event 4103: the target that its first command asked for, where it is one that asks.
pub(super) fn asked(record: &WindowsRecord<'_>, known: &mut Known) -> Result<Event, Translated> {
    let payload = record.text(Field::Payload).unwrap_or_default();
    let asks = ["Test-NetConnection", "Test-Connection"];
    let command = asks.into_iter().find(|command| {
        let invoked = payload.trim_start().strip_prefix("CommandInvocation(");
        invoked.is_some_and(|rest| rest.starts_with(&format!("{command})")))
    });
    let Some(command) = command else { return Err(Translated::NotUsed) };
    let bound = |parameter: &str| {
        let binding = format!("ParameterBinding({command}): name=\"{parameter}\"; value=\"");
        let (_, value) = payload.split_once(&binding)?;
        value.split_once('"').map(|(value, _)| value)
    };
    let target = bound("ComputerName").or_else(|| bound("TargetName")).unwrap_or_default();
    let Ok(target) = target.parse::<Address>() else {
        return Err(Translated::Nothing("commands that ask a host by its name (4103)"));
    };
    let common = bound("CommonTCPPort").and_then(|name| {
        COMMON.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, port)| port)
    });
    let port = bound("Port").or_else(|| bound("TcpPort")).and_then(|port| port.parse().ok());
    let port = port.or(common).filter(|port| *port > 0);
    let network = Network {
        source: Address::UNSPECIFIED,
        target,
        source_port: 0,
        target_port: port.unwrap_or_default(),
        protocol: if port.is_some() { Protocol::Tcp } else { Protocol::Icmp },
        initiator: Initiator::Source,
        outcome: Outcome::Unknown,
        technique: if port.is_some() { Technique::Connect } else { Technique::Echo },
    };
    let process = record.writer.filter(|pid| *pid != 0);
    let actor = known.actor(record, process.map(|pid| Process { pid, ..Process::default() }));
    record.event(LogSource::PowerShellCommand, Some(actor), Activity::Network(network))
}
