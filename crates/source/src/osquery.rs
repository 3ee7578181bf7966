//! osquery's evented tables on Linux as its logger writes them: `process_events` and
//! `socket_events`, one result a line.
//!
//! <https://osquery.readthedocs.io/en/stable/deployment/process-auditing/>

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Event, Initiator, LogSource, NO_SESSION, Network, Outcome, Parent,
    Process, ProcessActivity, Protocol, Record, Technique, Timestamp,
};

use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, Problem};

/// Whether the input is osquery's results of these tables on Linux, whose rows have an audit user.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let has = |key: &[u8]| memchr::memmem::find(line, key).is_some();
    line.starts_with(b"{")
        && has(b"\"columns\"")
        && has(b"\"auid\"")
        && (has(b"\"syscall\"") || has(b"\"remote_address\""))
}

/// A decoder of results.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Osquery))
}

struct Osquery;

impl ObjectFormat for Osquery {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        match event(flat, offset) {
            Ok(Some(event)) => out.events.push(event),
            Ok(None) => out.note_times(Problem::Note, "events not used", offset, 1),
            Err(why) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || why);
            }
        }
    }
}

fn number<T: std::str::FromStr>(flat: &Flat<'_>, column: &str) -> Result<T, String> {
    flat.get(&format!("columns.{column}"))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{column} is missing or holds something else"))
}

/// The event of a row; `None` for what asks nothing of anyone, and for rows that left a snapshot.
fn event(flat: &Flat<'_>, offset: u64) -> Result<Option<Event>, String> {
    if flat.get("action") == Some("removed") {
        return Ok(None);
    }
    let text = |column: &str| flat.get(&format!("columns.{column}")).map(Box::from);
    // Whole seconds: attempts within one are not in order.
    let time = number(flat, "time").ok().and_then(Timestamp::from_seconds);
    let time = time.ok_or("time is missing or holds something else")?;
    let parent = number(flat, "parent")
        .ok()
        .map(|pid| Box::new(Parent { pid: Some(pid), ..Parent::default() }));
    let process = Process {
        pid: number(flat, "pid")?,
        path: text("path"),
        command_line: text("cmdline"),
        user: text("uid"),
        session: number(flat, "ses").ok().filter(|session| *session != NO_SESSION),
        parent,
        ..Process::default()
    };
    let (log_source, activity) = match flat.get("columns.remote_address") {
        Some(_) => match socket(flat)? {
            Some(network) => (LogSource::OsquerySocket, Activity::Network(network)),
            None => return Ok(None),
        },
        None if flat.get("columns.cmdline").is_some() || flat.get("columns.syscall").is_some() => {
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

fn socket(flat: &Flat<'_>) -> Result<Option<Network>, String> {
    if flat.get("columns.action") != Some("connect") {
        return Ok(None);
    }
    let target: Address = match number(flat, "remote_address") {
        Ok(address) => address,
        // Local sockets have a path or nothing.
        Err(why) => {
            let inet = matches!(flat.get("columns.family"), Some("2" | "10"));
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
