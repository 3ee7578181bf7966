//! Windows events as JSON, in the spellings of those who ship them.
//!
//! - `evtx_dump` and other readers of EVTX: `Event.System`, `Event.EventData`, with attributes as
//!   `#attributes`, `NAME_attributes` or `@Name`;
//! - Winlogbeat 7 and later: `winlog.*` with `winlog.event_data`, some of whose fields its Sysmon and
//!   Security modules move to ECS names; Winlogbeat 6: the same without `winlog`;
//! - NXLog and what is made of it: everything flat under the fields' own names;
//! - Azure Monitor's and other syslog tables that hold a rendered event's XML in one field;
//! - Splunk's search results: the event as it was indexed in `_raw`, or its fields, under `result`;
//! - Chainsaw's hunts: the whole event of a detection, or several; and Hayabusa's timelines
//!   (`hayabusa`).

use std::borrow::Cow;

use lapwing_event::Timestamp;

use super::{
    Field, Fields, Held, POWERSHELL, POWERSHELL_CORE, SECURITY, Value, WindowsRecord, hayabusa,
    is_used, labels, provider_of, text, xml,
};
use crate::json::{Flat, Interest, ObjectFormat, Objects};
use crate::pieces::Unfinished;
use crate::{Decoded, Decoder, Problem};

/// Whether the first object of the input is a Windows event in one of the spellings.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let head = crate::json::start(head);
    if !matches!(head.first(), Some(b'{' | b'[')) {
        return false;
    }
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    let nested = has(b"\"Event\"") && has(b"\"System\"") && has(b"\"EventID\"");
    let winlogbeat = has(b"\"winlog\"") || (has(b"\"event_data\"") && has(b"\"event_id\""));
    let flat = has(b"\"EventID\"")
        && (has(b"\"SourceName\"") || has(b"\"ProviderName\"") || has(b"\"Channel\""))
        && !has(b"\"RuleTitle\"");
    let rendered = has(b"\"SyslogMessage\"") && has(b"Linux-Sysmon");
    let raw = has(b"\"_raw\"") && (text::is_event(head) || has(b"<Event"));
    let result = has(b"\"result\"") && has(b"\"EventCode\"");
    nested || winlogbeat || flat || rendered || raw || result || hayabusa::recognises(head)
}

/// A decoder of JSON objects.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Json::default()))
}

#[derive(Default)]
struct Json {
    held: Held,
}

/// Where Winlogbeat has an event's own fields.
const EVENT_DATA: &str = "winlog.event_data.";

/// What Winlogbeat and Elastic's schema tell that no event is made of, beside what is asked for: paths, or
/// their starts that end in a dot.
const PASSED: &[&str] = &[
    "agent.ephemeral_id",
    "agent.id",
    "agent.type",
    "agent.version",
    "event.action",
    "event.category.",
    "event.created",
    "event.ingested",
    "event.kind",
    "event.module",
    "event.type.",
    "host.architecture",
    "host.id",
    "host.ip.",
    "host.mac.",
    "host.os.",
    "network.direction",
    "network.type",
    "process.args.",
    "process.hash.",
    "process.name",
    "process.parent.args.",
    "process.parent.name",
];

impl ObjectFormat for Json {
    const STANDS_ALONE: bool = true;

    fn interest(path: &str) -> Interest {
        let is_passed = |passed: &&str| match passed.ends_with('.') {
            true => path.starts_with(*passed),
            false => path == *passed,
        };
        match path.strip_prefix(EVENT_DATA).and_then(Field::named) {
            Some(field) => Interest::Numbered(field as u8),
            None if PASSED.iter().any(is_passed) => Interest::Passed,
            None => Interest::Asked,
        }
    }

    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        // A syslog table's row holds the event as its sender rendered it.
        let rendered = flat.first(&[
            "SyslogMessage",
            "event.original",
            "Message",
            "message",
            "result._raw",
            "_raw",
        ]);
        // A script's or a command's text may mention one.
        let structured = || flat.has("winlog.") || flat.get("EventID").is_some();
        let holds_event = |text: &&str| match structured() {
            true => text.trim_start().starts_with("<Event"),
            false => text.contains("<Event"),
        };
        if let Some(text) = rendered.filter(holds_event) {
            return xml::text(text, offset, &mut self.held, out);
        }
        if let Some(text) = flat.first(&["result._raw", "_raw"]).filter(|t| is_raw(t)) {
            let time = flat.first(&["result._time", "_time"]).and_then(Timestamp::parse_rfc3339);
            return text::one(text, time, offset, &mut self.held, out);
        }
        if hayabusa::is_row(flat) {
            return match hayabusa::record(flat, offset) {
                Ok(record) => {
                    let key = "events of a timeline that holds what its rules matched alone";
                    out.note_times(Problem::Note, key, offset, 1);
                    self.held.take(&record, out);
                }
                Err(missing) => out.note(
                    Problem::Unsupported,
                    "timeline rows without the fields that are needed",
                    offset,
                    || missing,
                ),
            };
        }
        // An aggregated detection holds several events.
        if flat.has("documents.0.data.Event.System.") {
            let prefixes = (0..).map(|index| format!("documents.{index}.data."));
            for prefix in prefixes.take_while(|prefix| flat.has(&format!("{prefix}Event."))) {
                self.held.take(&nested(flat, &prefix, offset), out);
            }
            return;
        }
        match record(flat, offset, out) {
            Some(record) => self.held.take(&record, out),
            None => out.note(Problem::Unsupported, "JSON dialect not known", offset, || {
                let mut keys = flat.keys();
                keys.truncate(8);
                format!("expected a Windows event, found the keys {}", keys.join(", "))
            }),
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.held.end(out);
    }

    fn leave(&mut self, out: &mut Decoded) -> Unfinished {
        self.held.leave(out)
    }
}

/// The record of one object, in whichever spelling it is.
fn record<'f>(flat: &'f Flat<'_>, offset: u64, out: &mut Decoded) -> Option<WindowsRecord<'f>> {
    let holders = [
        ("", "Event.System."),
        ("document.data.", "document.data.Event.System."),
        ("event.", "event.Event.System."),
    ];
    if let Some((holder, _)) = holders.into_iter().find(|(_, system)| flat.has(system)) {
        return Some(nested(flat, holder, offset));
    }
    if flat.has("winlog.") {
        return Some(winlogbeat(flat, offset));
    }
    if flat.has("event_data.") {
        return Some(old_winlogbeat(flat, offset));
    }
    if flat.has("result.") {
        let pairs = flat.under("result.").map(|(name, value)| (name.into(), value.into()));
        return Some(text::named(pairs.collect(), offset));
    }
    flat.get("EventID").or_else(|| flat.get("EventId"))?;
    Some(plain(flat, offset, out))
}

/// Whether what Splunk indexed is an event's text.
fn is_raw(raw: &str) -> bool {
    text::is_event(raw.as_bytes())
}

fn borrowed<'f, T: From<&'f str>>(text: Option<&'f str>) -> Option<T> {
    text.map(T::from)
}

fn number(text: Option<&str>) -> u32 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

/// `Event.System` and `Event.EventData`, under the path (empty, or ending in a dot) of what holds them.
fn nested<'f>(flat: &'f Flat<'_>, holder: &str, offset: u64) -> WindowsRecord<'f> {
    let system = |name: &str| flat.get(&format!("{holder}Event.System.{name}"));
    let attribute = |element: &str, name: &str| {
        let spelled = [".#attributes.", "_attributes.", ".@", "."];
        spelled.iter().find_map(|infix| system(&format!("{element}{infix}{name}")))
    };
    let event_data = format!("{holder}Event.EventData.");
    let mut data: Fields<'_> = flat
        .under("")
        .filter_map(|(path, value)| Some((path.strip_prefix(&*event_data)?, value)))
        .collect();
    // A list of named values: Data.0.@Name with Data.0.#text.
    for index in 0.. {
        let within = |keys: &[&str]| {
            let found =
                keys.iter().find_map(|key| flat.get(&format!("{event_data}Data.{index}.{key}")));
            found.map(String::from)
        };
        let Some(name) = within(&["@Name", "#attributes.Name", "Name"]) else { break };
        let value = within(&["#text", "text", "Value"]);
        if let Some(value) = value {
            data.set_named(&name, value);
        }
    }
    WindowsRecord {
        provider: borrowed(attribute("Provider", "Name")).unwrap_or_default(),
        event_id: number(system("EventID").or_else(|| system("EventID.#text"))),
        computer: borrowed(system("Computer")),
        written: attribute("TimeCreated", "SystemTime").and_then(Timestamp::parse_rfc3339),
        writer: attribute("Execution", "ProcessID").and_then(|pid| pid.parse().ok()),
        data,
        offset,
    }
}

/// The names that Winlogbeat's modules give to Sysmon's fields (`winlogbeat/module/sysmon` of Elastic
/// Beats), and the fields' own: of every event.
const SYSMON_ALIASES: &[(&str, Field)] = &[
    ("process.entity_id", Field::ProcessGuid),
    ("process.pid", Field::ProcessId),
    ("process.executable", Field::Image),
];

/// Those of event 1.
const START_ALIASES: &[(&str, Field)] = &[
    ("process.command_line", Field::CommandLine),
    ("process.pe.original_file_name", Field::OriginalFileName),
    ("process.pe.product", Field::Product),
    ("process.pe.company", Field::Company),
    ("process.pe.description", Field::Description),
    ("process.parent.entity_id", Field::ParentProcessGuid),
    ("process.parent.pid", Field::ParentProcessId),
    ("process.parent.executable", Field::ParentImage),
    ("process.parent.command_line", Field::ParentCommandLine),
];

/// Those of event 3.
const CONNECTION_ALIASES: &[(&str, Field)] = &[
    ("network.transport", Field::Protocol),
    ("source.ip", Field::SourceIp),
    ("source.port", Field::SourcePort),
    ("destination.ip", Field::DestinationIp),
    ("destination.port", Field::DestinationPort),
];

/// Those of event 22.
const QUERY_ALIASES: &[(&str, Field)] =
    &[("dns.question.name", Field::QueryName), ("sysmon.dns.status", Field::QueryStatus)];

/// The same for the Security module.
const SECURITY_ALIASES: &[(&str, Field)] = &[
    ("process.pid", Field::NewProcessId),
    ("process.executable", Field::NewProcessName),
    ("process.command_line", Field::CommandLine),
    ("process.parent.pid", Field::ProcessId),
    ("process.parent.executable", Field::ParentProcessName),
    ("winlog.logon.id", Field::SubjectLogonId),
    ("user.name", Field::SubjectUserName),
    ("user.domain", Field::SubjectDomainName),
];

/// What Winlogbeat's PowerShell module makes of script blocks.
const POWERSHELL_ALIASES: &[(&str, Field)] = &[
    ("powershell.file.script_block_text", Field::ScriptBlockText),
    ("powershell.file.script_block_id", Field::ScriptBlockId),
    ("powershell.sequence", Field::MessageNumber),
    ("powershell.total", Field::MessageTotal),
    ("file.path", Field::Path),
];

/// The same for its event 4689, whose process is the one that ended.
const EXIT_ALIASES: &[(&str, Field)] =
    &[("process.pid", Field::ProcessId), ("process.executable", Field::ProcessName)];

/// `winlog.*`, with ECS names where a module has moved the field there.
fn winlogbeat<'f>(flat: &'f Flat<'_>, offset: u64) -> WindowsRecord<'f> {
    let provider = flat.first(&["winlog.provider_name", "event.provider"]).unwrap_or_default();
    let event_id = number(flat.first(&["winlog.event_id", "event.code"]));
    if !is_used(provider, event_id) {
        // Its number is all that will be asked for.
        let provider = Cow::Borrowed(provider);
        return WindowsRecord { provider, event_id, offset, ..WindowsRecord::default() };
    }
    let mut data = Fields::default();
    for (number, value) in flat.numbered() {
        if let Some(field) = Field::numbered(number) {
            data.set(field, value);
        }
    }
    let aliases: [&[(&str, Field)]; 2] = match (provider, event_id) {
        (SECURITY, 4688) => [SECURITY_ALIASES, &[]],
        (SECURITY, 4689) => [EXIT_ALIASES, &[]],
        (SECURITY, _) => [&[], &[]],
        (POWERSHELL | POWERSHELL_CORE, _) => [POWERSHELL_ALIASES, &[]],
        (_, 1) => [SYSMON_ALIASES, START_ALIASES],
        (_, 3) => [SYSMON_ALIASES, CONNECTION_ALIASES],
        (_, 22) => [SYSMON_ALIASES, QUERY_ALIASES],
        _ => [SYSMON_ALIASES, &[]],
    };
    for (alias, field) in aliases.into_iter().flatten() {
        if !data.has(*field)
            && let Some(value) = flat.get(alias)
        {
            data.set(*field, value);
        }
    }
    let moved = !data.has(Field::User) && provider != SECURITY;
    if let (Some(name), true) = (flat.get("user.name"), moved) {
        let user = match flat.get("user.domain") {
            Some(domain) => format!("{domain}\\{name}"),
            None => name.to_string(),
        };
        data.set(Field::User, user);
    }
    // The module renders a number as a name: Sysmon's own is 0 or a number.
    let status = match data.get(Field::QueryStatus).map(Value::text).as_deref() {
        Some("SUCCESS") => Some(0),
        Some(text) if text.parse::<u32>().is_err() => Some(9003),
        _ => None,
    };
    if let Some(status) = status {
        data.remove(Field::QueryStatus);
        data.set(Field::QueryStatus, Value::Number(status));
    }
    WindowsRecord {
        provider: Cow::Borrowed(provider),
        event_id,
        computer: borrowed(flat.first(&["winlog.computer_name", "host.name", "host.hostname"])),
        written: flat.get("@timestamp").and_then(Timestamp::parse_rfc3339),
        writer: flat.number("winlog.process.pid"),
        data,
        offset,
    }
}

/// Winlogbeat 6: the same names at the top.
fn old_winlogbeat<'f>(flat: &'f Flat<'_>, offset: u64) -> WindowsRecord<'f> {
    WindowsRecord {
        provider: borrowed(flat.first(&["provider_name", "source_name"])).unwrap_or_default(),
        event_id: number(flat.get("event_id")),
        computer: borrowed(flat.first(&["computer_name", "host.name", "beat.hostname"])),
        written: flat.get("@timestamp").and_then(Timestamp::parse_rfc3339),
        writer: flat.number("process_id"),
        data: flat.under("event_data.").collect(),
        offset,
    }
}

/// Everything at the top under the fields' own names. The provider's name may be missing where the
/// channel tells it.
fn plain<'f>(flat: &'f Flat<'_>, offset: u64, out: &mut Decoded) -> WindowsRecord<'f> {
    let channel = flat.first(&["Channel", "LogName", "EventLog"]).unwrap_or_default();
    let source = flat.first(&["SourceName", "ProviderName", "Provider", "Provider_Name"]);
    let provider = provider_of(source, Some(channel));
    let stated = flat.first(&["@timestamp", "TimeCreated", "EventTime", "SystemTime"]);
    let written = stated.and_then(|time| {
        Timestamp::parse_rfc3339(time).or_else(|| {
            let utc = Timestamp::parse_utc(time)?;
            // Sysmon states UTC itself; of others the zone is the sender's.
            if flat.get("UtcTime").is_none() {
                out.note_times(Problem::Assumed, "times without a zone, taken as UTC", offset, 1);
            }
            Some(utc)
        })
    });
    let event_id = number(flat.first(&["EventID", "EventId"]));
    let mut data: Fields<'_> = flat.under("").collect();
    if displaces_process_ids(flat) {
        data.remove(Field::ProcessID);
        let message = flat.get("Message").unwrap_or_default();
        let told = labels::message(event_id, message).into_iter();
        for (name, value) in told.filter(|(name, _)| PROCESS_IDS.contains(&&**name)) {
            data.set_named(&name, value);
        }
    }
    WindowsRecord {
        provider: borrowed(provider).unwrap_or_default(),
        event_id,
        computer: borrowed(flat.first(&[
            "Computer",
            "Hostname",
            "HostName",
            "ComputerName",
            "host",
        ])),
        written,
        writer: flat.first(&["ExecutionProcessID", "ProcessID"]).and_then(|pid| pid.parse().ok()),
        data,
        offset,
    }
}

/// The fields that hold process ids of the event's own.
const PROCESS_IDS: [&str; 2] = ["ProcessId", "ProcessID"];

/// Whether NXLog wrote the record before its version 5: its header's `ProcessID`, which is who wrote
/// the record, stands in the place of the event's own. Later versions call it `ExecutionProcessID`. The
/// rendered message still has the event's own. Seen in OTRF's data sets: all 5156 of one lab have 4.
fn displaces_process_ids(flat: &Flat<'_>) -> bool {
    let header = flat.get("ThreadID").is_some() && flat.get("SeverityValue").is_some();
    header && flat.get("ProcessID").is_some() && flat.get("ExecutionProcessID").is_none()
}
