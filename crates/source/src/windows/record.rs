//! One Windows event as its dialect spells it.

use std::borrow::Cow;
use std::sync::Arc;

use lapwing_event::{Actor, Address, LogSource, Process, Record, Text, Timestamp};

use super::{Side, Translated};

/// One Windows event: who wrote it, its number, and its data by field name.
#[derive(Debug, Default)]
pub(crate) struct WindowsRecord<'a> {
    /// The provider's name, such as `Microsoft-Windows-Sysmon`.
    pub(crate) provider: Cow<'a, str>,
    pub(crate) event_id: u32,
    /// The computer that wrote it, which for forwarded events is not the one that holds the log.
    pub(crate) computer: Option<Cow<'a, str>>,
    /// When it was written.
    pub(crate) written: Option<Timestamp>,
    /// The process that wrote it (`Execution ProcessID`): for PowerShell the one that runs the script,
    /// for others a service.
    pub(crate) writer: Option<u32>,
    /// Fields that are set, by name.
    pub(crate) data: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Bytes from the start of the input.
    pub(crate) offset: u64,
}

/// The fields that are asked for, of all events; those of other names need not be read.
pub(crate) const FIELDS: &[&str] = &[
    "Application",
    "CommandLine",
    "Company",
    "Description",
    "DestAddress",
    "DestPort",
    "DestinationIp",
    "DestinationPort",
    "Direction",
    "Hashes",
    "Image",
    "Initiated",
    "LogonId",
    "MessageNumber",
    "MessageTotal",
    "NewProcessId",
    "NewProcessName",
    "OriginalFileName",
    "ParentCommandLine",
    "ParentImage",
    "ParentProcessGuid",
    "ParentProcessId",
    "ParentProcessName",
    "Path",
    "Payload",
    "ProcessGuid",
    "ProcessID",
    "ProcessId",
    "ProcessName",
    "Product",
    "Protocol",
    "QueryName",
    "QueryStatus",
    "ScriptBlockId",
    "ScriptBlockText",
    "SourceAddress",
    "SourceIp",
    "SourcePort",
    "SubjectDomainName",
    "SubjectLogonId",
    "SubjectUserName",
    "TargetDomainName",
    "TargetLogonId",
    "TargetUserName",
    "User",
    "UtcTime",
];

impl WindowsRecord<'_> {
    /// The first field of this name. Most names differ in their length or last byte, which is seen at once.
    fn field(&self, name: &str) -> Option<&str> {
        debug_assert!(FIELDS.contains(&name), "{name} is none of the fields that decoders keep");
        let last = name.as_bytes().last();
        let is_it = |known: &str| {
            known.len() == name.len() && known.as_bytes().last() == last && known == name
        };
        self.data.iter().find(|(known, _)| is_it(known)).map(|(_, value)| &**value)
    }

    /// The text of a field as it is, with its blanks.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        Some(self.field(name)?).filter(|value| !value.is_empty())
    }

    /// The text of a field; `None` where it is absent, empty, or the `-` that stands for nothing.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        Some(self.field(name)?.trim()).filter(|value| !value.is_empty() && *value != "-")
    }

    /// The same as an owned text.
    pub(super) fn boxed<'s, T: From<&'s str>>(&'s self, name: &str) -> Option<T> {
        self.text(name).map(T::from)
    }

    /// A number, decimal or with `0x`: 4688 has hexadecimal process ids, 5156 decimal ones.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    }

    /// A process id.
    pub(super) fn pid(&self, name: &str) -> Result<u32, Translated> {
        self.number(name).and_then(|pid| u32::try_from(pid).ok()).ok_or_else(|| self.misfit(name))
    }

    /// An address and its port. A port where there is none to have (ICMP) is 0.
    pub(super) fn side(&self, address: &str, port: &str) -> Result<Side, Translated> {
        let parsed: Option<Address> = self.text(address).and_then(|text| text.parse().ok());
        let address = parsed.ok_or_else(|| self.misfit(address))?;
        let number = match self.text(port) {
            None => Some(0),
            Some(_) => self.number(port).and_then(|port| u16::try_from(port).ok()),
        };
        Ok(Side { address, port: number.ok_or_else(|| self.misfit(port))? })
    }

    /// That a field does not hold what its name promises.
    pub(super) fn misfit(&self, name: &str) -> Translated {
        let event_id = self.event_id;
        Translated::Misfit(match self.text(name) {
            Some(text) => {
                let text: String = text.chars().take(80).collect();
                format!("event {event_id}: {name} holds {text:?}")
            }
            None => format!("event {event_id}: {name} is missing"),
        })
    }

    /// When it happened, by Sysmon's own field where there is one: the record is written up to
    /// seconds later.
    pub(super) fn time(&self) -> Result<Timestamp, Translated> {
        let stated = self.text("UtcTime").and_then(utc_time);
        stated.or(self.written).ok_or_else(|| Translated::Misfit("no time".to_string()))
    }

    /// Where it lies.
    pub(super) fn record(&self) -> Record {
        Record { offset: self.offset, ..Record::default() }
    }

    /// The computer, and a process of it.
    pub(super) fn actor(&self, process: Option<Process>) -> Arc<Actor> {
        Arc::new(Actor {
            device: self.computer.as_deref().filter(|name| !name.is_empty()).map(Arc::from),
            process,
            container: None,
        })
    }

    /// The event of this record.
    pub(super) fn event(
        &self,
        log_source: LogSource,
        actor: Option<Arc<Actor>>,
        activity: lapwing_event::Activity,
    ) -> Result<lapwing_event::Event, Translated> {
        Ok(lapwing_event::Event {
            time: self.time()?,
            record: self.record(),
            log_source,
            actor,
            activity,
        })
    }
}

/// Sysmon's `YYYY-MM-DD HH:MM:SS.mmm`, which is UTC and does not say so.
pub(super) fn utc_time(text: &str) -> Option<Timestamp> {
    let (day, clock) = text.split_once(' ')?;
    Timestamp::parse_rfc3339(&format!("{day}T{clock}Z"))
}

/// A GUID in lowercase without braces; all zeros name nothing.
pub(super) fn guid(text: Option<&str>) -> Option<Text> {
    let bare = text?.trim_start_matches('{').trim_end_matches('}').to_ascii_lowercase();
    bare.bytes().any(|b| b != b'0' && b != b'-').then(|| bare.into())
}
