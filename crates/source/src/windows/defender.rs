//! Microsoft Defender for Endpoint's DeviceProcessEvents and DeviceNetworkEvents as JSON: the export
//! to Event Hub or storage, with its envelope or without.
//!
//! Defender forwards many events once a day for each distinct set of fields, and leaves out some
//! failures: what is missing did not necessarily not happen.
//!
//! <https://learn.microsoft.com/defender-xdr/advanced-hunting-devicenetworkevents-table>

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Event, LogSource, Outcome, Parent, Process, ProcessActivity,
    ProgramInfo, Protocol, Record, Text, Timestamp,
};

use super::{Side, accepted, opened};
use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, Problem};

/// Whether the input holds rows of the two tables.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    matches!(start.first(), Some(b'{' | b'['))
        && (has(b"AdvancedHunting-Device")
            || (has(b"\"ActionType\"") && has(b"\"DeviceName\"") && has(b"\"InitiatingProcess")))
}

/// A decoder of JSON objects.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Defender))
}

struct Defender;

impl ObjectFormat for Defender {
    const STANDS_ALONE: bool = true;

    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        let prefix = if flat.has("properties.") { "properties." } else { "" };
        match event(&Row { flat, prefix }, offset) {
            Ok(Some(event)) => out.events.push(event),
            Ok(None) => out.note_times(Problem::Note, "events not used", offset, 1),
            Err(field) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    format!("{field} is missing or holds something else")
                });
            }
        }
    }
}

/// A row by column name.
struct Row<'f> {
    flat: &'f Flat<'f>,
    prefix: &'static str,
}

impl Row<'_> {
    fn get(&self, column: &str) -> Option<&str> {
        self.flat.get(&format!("{}{column}", self.prefix))
    }

    fn boxed<'s, T: From<&'s str>>(&'s self, column: &str) -> Option<T> {
        self.get(column).map(T::from)
    }

    fn number<T: std::str::FromStr>(&self, column: &'static str) -> Result<T, &'static str> {
        self.get(column).and_then(|text| text.parse().ok()).ok_or(column)
    }

    fn time(&self, column: &str) -> Option<Timestamp> {
        self.get(column).and_then(Timestamp::parse_rfc3339)
    }

    fn user(&self, prefix: &str) -> Option<Text> {
        let name = self.get(&format!("{prefix}AccountName"))?;
        match self.get(&format!("{prefix}AccountDomain")) {
            Some(domain) => Some(format!("{domain}\\{name}").into()),
            None => Some(name.into()),
        }
    }

    /// The folder's column holds the whole path in some rows, and the folder alone in others.
    fn path(&self, folder: &str, name: &str) -> Option<Text> {
        let file = self.get(name);
        match (self.get(folder), file) {
            (Some(folder), Some(file)) => {
                let whole = folder.to_ascii_lowercase().ends_with(&file.to_ascii_lowercase());
                let ends = folder.ends_with('\\') || folder.ends_with('/');
                Some(match (whole, ends) {
                    (true, _) => folder.into(),
                    (false, true) => format!("{folder}{file}").into(),
                    (false, false) => format!("{folder}\\{file}").into(),
                })
            }
            (folder, file) => folder.or(file).map(Text::from),
        }
    }

    /// The process whose columns begin so; `pid` names its id's column.
    fn program(&self, prefix: &str) -> Option<Box<ProgramInfo>> {
        let info = |what: &str| self.boxed(&format!("{prefix}VersionInfo{what}"));
        let hashes = ["SHA1", "SHA256", "MD5"].iter().filter_map(|kind| {
            let hash = match prefix {
                "Process" => self.get(kind),
                _ => self.get(&format!("{prefix}{kind}")),
            };
            hash.map(|hash| format!("{kind}={hash}"))
        });
        let hashes: Vec<String> = hashes.collect();
        let program = ProgramInfo {
            original_name: info("OriginalFileName"),
            product: info("ProductName"),
            company: info("CompanyName"),
            description: info("FileDescription"),
            hashes: (!hashes.is_empty()).then(|| hashes.join(",").into()),
            signer: None,
        };
        (program != ProgramInfo::default()).then(|| Box::new(program))
    }
}

/// The event of a row; `None` for tables and actions that are not judged. An error names the column.
fn event(row: &Row<'_>, offset: u64) -> Result<Option<Event>, &'static str> {
    let category = row.flat.get("category").unwrap_or_default();
    let action = row.get("ActionType").unwrap_or_default();
    let launch = action == "ProcessCreated";
    let wanted = category.is_empty()
        || category.ends_with("DeviceNetworkEvents")
        || category.ends_with("DeviceProcessEvents");
    if !wanted {
        return Ok(None);
    }
    let time = row.time("Timestamp").or_else(|| {
        // The export's own time is later, and better than none.
        row.flat.get("time").and_then(Timestamp::parse_rfc3339)
    });
    let time = time.ok_or("Timestamp")?;
    let device = row.get("DeviceName").map(Arc::from);
    let actor = |process| Arc::new(Actor { device, process, container: None });
    let record = Record { offset, ..Record::default() };
    if launch {
        let activity = Activity::Process(ProcessActivity::Launch);
        let actor = Some(actor(Some(started(row)?)));
        return Ok(Some(Event {
            time,
            record,
            log_source: LogSource::DefenderProcess,
            actor,
            activity,
        }));
    }
    let outcome = match action {
        // Made; whether it was used is not told.
        "ConnectionSuccess" | "ConnectionFound" | "ConnectionAcknowledged" => Outcome::Open,
        "ConnectionFailed" => Outcome::Unanswered,
        "ConnectionRequest" | "ConnectionAttempt" => Outcome::Unknown,
        "InboundConnectionAccepted" => Outcome::Open,
        _ => return Ok(None),
    };
    let side = |address: &'static str, port: &'static str| -> Result<Side, &'static str> {
        let parsed: Option<Address> = row.get(address).and_then(|text| text.parse().ok());
        let port = match row.get(port) {
            None => 0,
            Some(_) => row.number(port)?,
        };
        Ok(Side { address: parsed.ok_or(address)?, port })
    };
    let (local, remote) = (side("LocalIP", "LocalPort")?, side("RemoteIP", "RemotePort")?);
    let protocol = match row.get("Protocol").unwrap_or_default() {
        text if text.starts_with("Tcp") => Protocol::Tcp,
        text if text.starts_with("Udp") => Protocol::Udp,
        "Icmp" => Protocol::Icmp,
        _ => return Err("Protocol"),
    };
    let (actor, network) = match action {
        "InboundConnectionAccepted" => (None, accepted(remote, local, protocol, outcome)),
        _ => (Some(actor(asking(row))), opened(local, remote, protocol, outcome)),
    };
    let activity = Activity::Network(network);
    Ok(Some(Event { time, record, log_source: LogSource::DefenderNetwork, actor, activity }))
}

/// The process that a row of DeviceProcessEvents says was started.
fn started(row: &Row<'_>) -> Result<Process, &'static str> {
    let parent = Parent {
        pid: row.number("InitiatingProcessId").ok(),
        guid: None,
        path: row.path("InitiatingProcessFolderPath", "InitiatingProcessFileName"),
        command_line: row.boxed("InitiatingProcessCommandLine"),
    };
    Ok(Process {
        pid: row.number("ProcessId")?,
        start: row.time("ProcessCreationTime"),
        path: row.path("FolderPath", "FileName"),
        command_line: row.boxed("ProcessCommandLine"),
        user: row.user(""),
        session: row.number("LogonId").ok(),
        program: row.program("Process"),
        parent: Some(Box::new(parent)),
        ..Process::default()
    })
}

/// The process that a row says acted; some rows have none (network inspection).
fn asking(row: &Row<'_>) -> Option<Process> {
    let parent = Parent {
        pid: row.number("InitiatingProcessParentId").ok(),
        path: row.boxed("InitiatingProcessParentFileName"),
        ..Parent::default()
    };
    Some(Process {
        pid: row.number("InitiatingProcessId").ok()?,
        start: row.time("InitiatingProcessCreationTime"),
        path: row.path("InitiatingProcessFolderPath", "InitiatingProcessFileName"),
        command_line: row.boxed("InitiatingProcessCommandLine"),
        user: row.user("InitiatingProcess"),
        program: row.program("InitiatingProcess"),
        parent: (parent != Parent::default()).then(|| Box::new(parent)),
        ..Process::default()
    })
}
