//! osquery's evented tables: `process_events` and `socket_events` of Linux and of macOS' audit (10.15 and
//! older), `es_process_events` of macOS since, and `unified_log` for what mDNSResponder says there. They come
//! as its logger writes them, a row a result (`columns`), a batch of rows (`diffResults`, `snapshot`), or as
//! osqueryi prints a table; also as Filebeat and others ship them.
//!
//! <https://osquery.readthedocs.io/en/stable/deployment/process-auditing/>
//! <https://osquery.readthedocs.io/en/stable/deployment/logging/>

use std::borrow::Cow;
use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Event, Initiator, LogSource, NO_SESSION, Network, Outcome, Parent,
    Process, ProcessActivity, Protocol, Record, Technique, Text, Timestamp, UserContext,
};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{Flat, ObjectFormat, Objects, OneEvent};
use crate::macos::requests::{Requests, Told};
use crate::macos::{Evidence, signed, user_context};
use crate::{Decoded, Decoder, Problem};

/// Whether the input is osquery's results of these tables: audited rows have an audit user, those of
/// Endpoint Security a signing id.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(start, key).is_some();
    let result = has(b"\"columns\"") || has(b"\"diffResults\"") || has(b"\"snapshot\"");
    let unified = has(b"\"subsystem\"") && has(b"\"message\"");
    let audited = has(b"\"auid\"") && (has(b"\"cmdline\"") || has(b"\"remote_address\""));
    // What osqueryi prints names no table: columns that no other log has in these words.
    let table = (audited && (has(b"\"owner_uid\"") || has(b"\"local_address\"")))
        || (has(b"\"signing_id\"") && has(b"\"cmdline_count\""));
    let ours = result && (audited || unified || has(b"\"signing_id\""));
    matches!(start.first(), Some(b'{' | b'[')) && (ours || table)
}

/// A decoder of results.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Results { requests: Requests::default() }))
}

struct Results {
    /// Those that mDNSResponder told of in the unified log.
    requests: Requests,
}

/// What shippers put a result under: nothing, Filebeat's osquery module, Filebeat's JSON input.
const WRAPPERS: [&str; 3] = ["", "osquery.result.", "json."];

/// Where a result has rows: those that are there, or that came; what left it is of the past.
const BATCHES: [&str; 2] = ["diffResults.added.", "snapshot."];

impl ObjectFormat for Results {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        if flat.has("columns.") {
            return self.row(flat, offset, out);
        }
        for wrapper in WRAPPERS {
            let host = [format!("{wrapper}hostIdentifier"), format!("{wrapper}host_identifier")];
            let host = host.iter().find_map(|key| flat.get(key));
            if flat.has(&format!("{wrapper}columns.")) {
                let unwrapped =
                    Flat::of(flat.under(wrapper).chain(host.map(|host| ("hostIdentifier", host))));
                return self.row(&unwrapped, offset, out);
            }
            for batch in BATCHES {
                let prefix = format!("{wrapper}{batch}");
                let leaves = flat.under(&prefix).filter_map(|(path, value)| {
                    let (row, column) = path.split_once('.')?;
                    Some((row, column, value))
                });
                let leaves: Vec<(&str, &str, &str)> = leaves.collect();
                // Each row has a place of its own, for a total order of equal times.
                for (row, columns) in leaves.chunk_by(|one, other| one.0 == other.0).enumerate() {
                    let columns = columns.iter().map(|(_, column, value)| (*column, *value));
                    self.row(&row_of(columns, host), offset + row as u64, out);
                }
                if !leaves.is_empty() {
                    return;
                }
            }
        }
        self.row(&row_of(flat.under(""), flat.get("hostIdentifier")), offset, out);
    }

    /// A batch of more rows than an object may have values.
    fn large(&mut self, object: &[u8], offset: u64, out: &mut Decoded) -> bool {
        let Ok(batch) = serde_json::from_slice::<Batch<'_>>(object) else { return false };
        let added = batch.diff_results.and_then(|results| results.added);
        let Some(rows) = added.or(batch.snapshot) else { return false };
        let base = object.as_ptr() as usize;
        for row in rows {
            let bytes = row.get().as_bytes();
            let at = offset + (bytes.as_ptr() as usize).saturating_sub(base) as u64;
            match Flat::read(bytes) {
                Ok(row) => {
                    self.row(&row_of(row.under(""), batch.host_identifier.as_deref()), at, out);
                }
                Err(error) => {
                    out.note(Problem::Malformed, "no JSON object", at, || error.to_string());
                }
            }
        }
        true
    }

    fn end(&mut self, out: &mut Decoded) {
        self.requests.finish(out);
    }
}

/// A result of many rows, each as it stands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch<'a> {
    #[serde(default, borrow)]
    host_identifier: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    diff_results: Option<Differences<'a>>,
    #[serde(default, borrow)]
    snapshot: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Differences<'a> {
    #[serde(default, borrow)]
    added: Option<Vec<&'a RawValue>>,
}

/// A result of one row.
fn row_of<'l>(
    columns: impl Iterator<Item = (&'l str, &'l str)>,
    host: Option<&'l str>,
) -> Flat<'static> {
    let columns: Vec<(String, &str)> =
        columns.map(|(column, value)| (format!("columns.{column}"), value)).collect();
    let host = host.map(|host| ("hostIdentifier", host));
    Flat::of(columns.iter().map(|(path, value)| (path.as_str(), *value)).chain(host))
}

impl Results {
    fn row(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        match flat.get("columns.message") {
            Some(message) if !flat.has("columns.auid") => {
                self.logged(message, flat, offset, out);
            }
            _ => OneEvent(event).object(flat, offset, out),
        }
    }

    /// Takes a row of `unified_log`: a message, by which program.
    fn logged(&mut self, message: &str, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        let by = flat.first(&["columns.subsystem", "columns.process", "columns.sender"]);
        let is_mdns = by.is_some_and(|by| by.contains("mDNSResponder"));
        if !is_mdns || flat.get("action") == Some("removed") {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        }
        // Whole seconds, as in its other tables.
        let Some(time) = number(flat, "timestamp").ok().and_then(Timestamp::from_seconds) else {
            return out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                "timestamp is missing or holds something else".to_string()
            });
        };
        let device = flat.get("hostIdentifier").map(Arc::from);
        let told = Told { time, offset, device, log_source: LogSource::UnifiedLog };
        self.requests.message(message, &told, out);
    }
}

fn number<T: std::str::FromStr>(flat: &Flat<'_>, column: &str) -> Result<T, String> {
    flat.get(&format!("columns.{column}"))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{column} is missing or holds something else"))
}

/// The event of a row; `None` for what asks nothing of anyone, and for rows that left a snapshot.
fn event(flat: &Flat<'_>, offset: u64) -> Result<Option<Event>, String> {
    // A results log holds the rows of many tables.
    let ours = flat.has("columns.auid") || flat.has("columns.signing_id");
    if flat.get("action") == Some("removed") || !ours {
        return Ok(None);
    }
    let text = |column: &str| flat.get(&format!("columns.{column}")).map(Text::from);
    // Whole seconds: attempts within one are not in order.
    let time = number(flat, "time").ok().and_then(Timestamp::from_seconds);
    let time = time.ok_or("time is missing or holds something else")?;
    let pid = number(flat, "pid")?;
    // A parent that ended leaves its children to launchd; the original one is who began them.
    let parent = number(flat, "original_parent")
        .or_else(|_| number(flat, "parent"))
        .ok()
        .map(|pid| Box::new(Parent { pid: Some(pid), ..Parent::default() }));
    let system = System::of(flat);
    let process = Process {
        pid,
        path: text("path"),
        command_line: text("cmdline"),
        user: text("username").or_else(|| text("uid")),
        context: match system {
            System::Linux => UserContext::Unknown,
            System::Mac => user_context(&evidence(flat, pid)),
        },
        program: signed([flat.get("columns.team_id"), flat.get("columns.signing_id")]),
        session: number(flat, "ses").ok().filter(|session| *session != NO_SESSION),
        parent,
        ..Process::default()
    };
    let (log_source, activity) = match flat.get("columns.remote_address") {
        Some(_) => match (socket(flat)?, system) {
            (Some(network), System::Linux) => {
                (LogSource::OsquerySocket, Activity::Network(network))
            }
            (Some(network), System::Mac) => {
                (LogSource::OsqueryMacSocket, Activity::Network(network))
            }
            (None, _) => return Ok(None),
        },
        // OpenBSM tells of executions that failed too: they started no process.
        None if flat.get("columns.status").is_some_and(|status| status != "0") => return Ok(None),
        None if flat.get("columns.event_type") == Some("exit") => {
            (LogSource::OsqueryMacExit, Activity::Process(ProcessActivity::Exit))
        }
        None if flat.get("columns.event_type").is_some_and(|kind| kind != "exec") => {
            return Ok(None);
        }
        None if system == System::Mac && flat.get("columns.cmdline").is_some() => {
            (LogSource::OsqueryMacProcess, Activity::Process(ProcessActivity::Launch))
        }
        None if flat.has("columns.path")
            && (flat.get("columns.cmdline").is_some() || flat.get("columns.syscall").is_some()) =>
        {
            (LogSource::OsqueryProcess, Activity::Process(ProcessActivity::Launch))
        }
        None => return Ok(None),
    };
    let actor = Actor {
        device: flat.get("hostIdentifier").map(Arc::from),
        process: Some(process),
        container: None,
    };
    let record = Record { offset, ..Record::default() };
    Ok(Some(Event { time, record, log_source, actor: Some(Arc::new(actor)), activity }))
}

/// Whose rows they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    Linux,
    Mac,
}

impl System {
    /// Told by the columns: Linux' rows name the system call or the protocol, and no time of birth;
    /// Endpoint Security's a signing id.
    fn of(flat: &Flat<'_>) -> System {
        let has = |column: &str| flat.get(&format!("columns.{column}"));
        let mac = match has("remote_address") {
            Some(_) => has("protocol").is_none(),
            None => {
                has("event_type").is_some()
                    || has("signing_id").is_some()
                    || (has("syscall").is_none() && has("btime").is_some_and(|born| born != "0"))
            }
        };
        if mac { System::Mac } else { System::Linux }
    }
}

/// What a row of macOS tells of who sits before the process.
fn evidence(flat: &Flat<'_>, pid: u32) -> Evidence {
    let column = |name: &str| number::<u32>(flat, name).ok();
    let session = column("session_id");
    Evidence {
        terminal: false,
        audit_user: column("auid"),
        first_parent: column("original_parent").or_else(|| column("parent")),
        responsible: column("responsible_pid").filter(|known| *known != pid && *known != 0),
        in_session: session.is_some_and(|session| session > 1 && session != pid),
        person: column("uid").is_some_and(|user| user >= 501),
    }
}

fn socket(flat: &Flat<'_>) -> Result<Option<Network>, String> {
    if flat.get("columns.action") != Some("connect") {
        return Ok(None);
    }
    let target: Address = match number(flat, "remote_address") {
        Ok(address) => address,
        // Local sockets have a path or nothing.
        Err(why) => {
            // AF_INET6 is 10 on Linux and 30 on macOS.
            let inet = matches!(flat.get("columns.family"), Some("2" | "10" | "30"));
            return if inet { Err(why) } else { Ok(None) };
        }
    };
    // The status is newer than the flag (osquery 5), and tells of connects in progress.
    let outcome = match (flat.get("columns.status"), flat.get("columns.success")) {
        (Some("succeeded"), _) | (None, Some("1")) => Outcome::Open,
        (Some("failed"), _) => Outcome::Unanswered,
        _ => Outcome::Unknown,
    };
    Ok(Some(Network {
        source: number(flat, "local_address").unwrap_or(Address::UNSPECIFIED),
        target,
        source_port: number(flat, "local_port").unwrap_or_default(),
        target_port: number(flat, "remote_port")?,
        protocol: match flat.get("columns.protocol") {
            Some("17") => Protocol::Udp,
            // 0 where the program left it to the system, which it does for streams.
            _ => Protocol::Tcp,
        },
        initiator: Initiator::Source,
        outcome,
        technique: Technique::Connect,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_any_length_are_read() {
        let row = |at: usize| {
            format!(
                r#"{{"auid":"501","cmdline":"nc -z 10.0.0.{at} 22","btime":"1","egid":"20","gid":"20","parent":"7","path":"/usr/bin/nc","pid":"{}","time":"1773358724","uid":"501"}}"#,
                at + 100
            )
        };
        for count in [3, 2000] {
            let rows: Vec<String> = (0..count).map(row).collect();
            let rows = rows.join(",");
            for batch in [
                format!(
                    r#"{{"name":"x","hostIdentifier":"mac","snapshot":[{rows}],"action":"snapshot"}}"#
                ),
                format!(
                    r#"{{"hostIdentifier":"mac","diffResults":{{"added":[{rows}],"removed":[{rows}]}}}}"#
                ),
            ] {
                let mut out = Decoded::default();
                let mut decoder = decoder();
                let done = decoder.decode(batch.as_bytes(), &mut out);
                decoder.finish(&batch.as_bytes()[done..], &mut out);
                assert!(recognises(&batch.as_bytes()[..300]));
                assert_eq!(out.events.len(), count, "{:?}", out.take_diagnostics());
                let devices =
                    out.events.iter().filter_map(|event| event.actor.as_ref()?.device.as_deref());
                assert_eq!(devices.filter(|device| *device == "mac").count(), count);
                let places: std::collections::BTreeSet<u64> =
                    out.events.iter().map(|event| event.record.offset).collect();
                assert_eq!(places.len(), count);
            }
        }
    }
}
