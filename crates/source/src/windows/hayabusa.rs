//! Hayabusa's timelines (`json-timeline`, JSON and JSON lines): a row for each rule that matched a record.
//!
//! A row names its fields by short names under `Details`, by the event's own names under
//! `ExtraFieldInfo` what those leave out, or all of them under `AllFieldInfo`: which of these are there
//! is a matter of the profile. What is not there cannot be told: without `Initiated` and `Direction` it
//! is not known who opened a connection.
//!
//! <https://github.com/Yamato-Security/hayabusa-rules> `config/default_details.txt`

use std::borrow::Cow;

use super::{
    Field, Fields, POWERSHELL, POWERSHELL_CORE, SECURITY, SYSMON, Value, WindowsRecord,
    provider_of, when,
};
use crate::json::Flat;

/// Whether the input begins with such a row.
pub(super) fn recognises(head: &[u8]) -> bool {
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    has(b"\"RuleTitle\"") && has(b"\"EventID\"") && has(b"\"Channel\"") && has(b"\"Computer\"")
}

/// Whether an object is such a row.
pub(super) fn is_row(flat: &Flat<'_>) -> bool {
    flat.get("RuleTitle").is_some() && flat.get("EventID").is_some()
}

/// The event of a row; an error says which field it needs and does not have, and how to get it.
pub(super) fn record<'f>(flat: &'f Flat<'_>, offset: u64) -> Result<WindowsRecord<'f>, String> {
    let channel = flat.get("Channel").map(|channel| match channel {
        "Sysmon" => "Microsoft-Windows-Sysmon/Operational",
        "Sec" => "Security",
        "PwSh" => "Microsoft-Windows-PowerShell/Operational",
        "PwShCore" => "PowerShellCore/Operational",
        whole => whole,
    });
    let provider = provider_of(flat.get("Provider"), channel).unwrap_or_default();
    let event_id: u32 = flat.number("EventID").unwrap_or_default();
    let own = ["AllFieldInfo.", "ExtraFieldInfo."];
    let mut data: Fields<'f> = own.into_iter().flat_map(|own| flat.under(own)).collect();
    let short = flat.under("Details.");
    // One field alone is written as a text.
    let text = flat.get("Details").unwrap_or_default();
    let texts = text.split(" \u{a6} ").filter_map(|part| part.split_once(": "));
    for (name, value) in short.chain(texts) {
        if let Some(own) = own_name(provider, event_id, name) {
            data.set_named(own, value);
        }
    }
    let needed = match (provider, event_id) {
        (SYSMON, 3) => Some(Field::Initiated),
        (SECURITY, 5152 | 5153 | 5156 | 5157) => Some(Field::Direction),
        _ => None,
    };
    if let Some(needed) = needed.filter(|needed| !data.has(*needed)) {
        let needed = needed.name();
        return Err(format!(
            "event {event_id} without {needed}, which tells who opened the connection: make the \
             timeline with --profile all-field-info, or give the EVTX files themselves"
        ));
    }
    let written = flat.get("Timestamp").and_then(when::leading);
    Ok(WindowsRecord {
        provider: Cow::from(provider),
        event_id,
        computer: flat.get("Computer").map(Value::from),
        written: written.filter(|written| written.zoned).map(|written| written.time),
        // Not among the fields of any profile.
        writer: None,
        data,
        offset,
    })
}

/// The event's own name of a field that `Details` abbreviates.
fn own_name(provider: &str, event_id: u32, name: &str) -> Option<&'static str> {
    Some(match (provider, event_id, name) {
        (SYSMON, _, "Proc") => "Image",
        (SYSMON, _, "PID") => "ProcessId",
        (SYSMON, _, "PGUID") => "ProcessGuid",
        (SYSMON, _, "User") => "User",
        (SYSMON, 1, "Cmd" | "Cmdline" | "CmdLine") => "CommandLine",
        (SYSMON, 1, "ParentCmd" | "ParentCmdline" | "ParentCmdLine") => "ParentCommandLine",
        (SYSMON, 1, "ParentPID") => "ParentProcessId",
        (SYSMON, 1, "ParentPGUID") => "ParentProcessGuid",
        (SYSMON, 1, "LID") => "LogonId",
        (SYSMON, 1, "Description") => "Description",
        (SYSMON, 1, "Product") => "Product",
        (SYSMON, 1, "Company") => "Company",
        (SYSMON, 1, "Hashes") => "Hashes",
        (SYSMON, 3, "Initiated") => "Initiated",
        (SYSMON, 3, "Proto") => "Protocol",
        (SYSMON, 3, "SrcIP") => "SourceIp",
        (SYSMON, 3, "SrcPort") => "SourcePort",
        (SYSMON, 3, "TgtIP") => "DestinationIp",
        (SYSMON, 3, "TgtPort") => "DestinationPort",
        (SYSMON, 22, "Query") => "QueryName",
        (SECURITY, 4688, "Cmd" | "Cmdline" | "CmdLine") => "CommandLine",
        (SECURITY, 4688, "Proc" | "Path") => "NewProcessName",
        (SECURITY, 4688, "PID") => "NewProcessId",
        (SECURITY, 4688, "User") => "SubjectUserName",
        (SECURITY, 4688, "LID") => "SubjectLogonId",
        (SECURITY, 4689, "Proc") => "ProcessName",
        (SECURITY, 4689, "PID") => "ProcessId",
        (SECURITY, 5150..=5159, "Proc") => "Application",
        (SECURITY, 5150..=5159, "PID") => "ProcessID",
        (SECURITY, 5150..=5159, "SrcIP") => "SourceAddress",
        (SECURITY, 5150..=5159, "SrcPort") => "SourcePort",
        (SECURITY, 5150..=5159, "TgtIP") => "DestAddress",
        (SECURITY, 5150..=5159, "TgtPort") => "DestPort",
        (SECURITY, 5150..=5159, "Protocol" | "Proto") => "Protocol",
        (POWERSHELL | POWERSHELL_CORE, 4104, "ScriptBlock") => "ScriptBlockText",
        _ => return None,
    })
}
