//! The messages that Windows renders events as, and the fields that their labels stand for.
//!
//! Sysmon's labels are its fields' names. Those of the Security log are English words under headings,
//! as the audit events' own pages show them
//! (<https://learn.microsoft.com/previous-versions/windows/it-pro/windows-10/security/threat-protection/auditing/event-4688>).

use std::borrow::Cow;

/// The field that a label stands for under a heading (empty where the heading is not known); `None`
/// where it stands for none that is used.
pub(super) fn name(event_id: u32, heading: &str, label: &str) -> Option<&'static str> {
    let target = heading == "Target Subject";
    Some(match (event_id, label) {
        (4688, "New Process ID") => "NewProcessId",
        (4688, "New Process Name") => "NewProcessName",
        (4688, "Creator Process ID") => "ProcessId",
        (4688, "Creator Process Name") => "ParentProcessName",
        (4688, "Process Command Line") => "CommandLine",
        (4688, "Account Name") if target => "TargetUserName",
        (4688, "Account Domain") if target => "TargetDomainName",
        (4688, "Logon ID") if target => "TargetLogonId",
        (4689, "Process ID") => "ProcessId",
        (4689, "Process Name") => "ProcessName",
        (4688 | 4689, "Account Name") => "SubjectUserName",
        (4688 | 4689, "Account Domain") => "SubjectDomainName",
        (4688 | 4689, "Logon ID") => "SubjectLogonId",
        (5150..=5159, "Process ID") => "ProcessID",
        (5150..=5159, "Application Name") => "Application",
        (5150..=5159, "Direction") => "Direction",
        (5150..=5159, "Source Address") => "SourceAddress",
        (5150..=5159, "Source Port") => "SourcePort",
        (5150..=5159, "Destination Address") => "DestAddress",
        (5150..=5159, "Destination Port") => "DestPort",
        (5150..=5159, "Protocol") => "Protocol",
        _ => return None,
    })
}

/// The fields of a rendered message. A line without a value is a heading; what is no `label: value` is
/// passed over.
pub(super) fn message(event_id: u32, message: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    if event_id == SCRIPT_BLOCK
        && let Some(fields) = script(message)
    {
        return fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    }
    let mut heading = "";
    let mut fields = Vec::new();
    for line in message.lines() {
        let Some((label, value)) = line.trim().split_once(':') else { continue };
        let (label, value) = (label.trim_end(), value.trim());
        let field = name(event_id, heading, label).or_else(|| is_name(label).then_some(label));
        match (field, value.is_empty()) {
            (Some(field), _) => fields.push((Cow::Borrowed(field), Cow::Borrowed(value))),
            (None, true) => heading = label,
            (None, false) => {}
        }
    }
    fields
}

/// Whether a label can be the name of a field: one word.
fn is_name(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// PowerShell's event of script blocks.
const SCRIPT_BLOCK: u32 = 4104;

/// The fields of `Creating Scriptblock text (1 of 2):`, whose lines after the first are the script,
/// and whose last ones are its identifier and file. `None` where it is rendered in another way.
fn script(message: &str) -> Option<[(&'static str, &str); 5]> {
    let (first, rest) = message.split_once('\n')?;
    let counted = first.trim_end().strip_prefix("Creating Scriptblock text (")?;
    let (number, total) = counted.strip_suffix("):")?.split_once(" of ")?;
    let id_at = rest.rfind("ScriptBlock ID:")?;
    let (text, after) = rest.split_at(id_at);
    let after = after.strip_prefix("ScriptBlock ID:")?;
    let (id, path) = after.split_once('\n').unwrap_or((after, ""));
    let path = path.trim().strip_prefix("Path:").unwrap_or_default();
    Some([
        ("MessageNumber", number),
        ("MessageTotal", total),
        ("ScriptBlockText", text.trim_end_matches(['\r', '\n'])),
        ("ScriptBlockId", id.trim()),
        ("Path", path.trim()),
    ])
}
