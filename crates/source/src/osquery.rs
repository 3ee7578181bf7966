//! osquery's evented tables as its logger writes them, one result a line: `process_events` and
//! `socket_events` of Linux and of macOS' audit (10.15 and older), `es_process_events` of macOS since,
//! and `unified_log` for what mDNSResponder says there.
//!
//! <https://osquery.readthedocs.io/en/stable/deployment/process-auditing/>

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Event, Initiator, LogSource, NO_SESSION, Network, Outcome, Parent,
    Process, ProcessActivity, Protocol, Record, Technique, Timestamp, UserContext,
};

use crate::json::{Flat, ObjectFormat, Objects, OneEvent};
use crate::macos::requests::{Requests, Told};
use crate::macos::{Evidence, signed, user_context};
use crate::{Decoded, Decoder, Problem};

/// Whether the input is osquery's results of these tables: audited rows have an audit user, those of
/// Endpoint Security a signing id.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let head = crate::json::start(head);
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let has = |key: &[u8]| memchr::memmem::find(line, key).is_some();
    let unified = has(b"\"subsystem\"") && has(b"\"message\"");
    let audited = has(b"\"auid\"") && (has(b"\"cmdline\"") || has(b"\"remote_address\""));
    line.starts_with(b"{") && has(b"\"columns\"") && (audited || unified || has(b"\"signing_id\""))
}

/// A decoder of results.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Results { requests: Requests::default() }))
}

struct Results {
    /// Those that mDNSResponder told of in the unified log.
    requests: Requests,
}

impl ObjectFormat for Results {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        match flat.get("columns.message") {
            Some(message) if flat.get("columns.auid").is_none() => {
                self.logged(message, flat, offset, out);
            }
            _ => OneEvent(event).object(flat, offset, out),
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.requests.finish(out);
    }
}

impl Results {
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
    if flat.get("action") == Some("removed") {
        return Ok(None);
    }
    let text = |column: &str| flat.get(&format!("columns.{column}")).map(Box::from);
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
