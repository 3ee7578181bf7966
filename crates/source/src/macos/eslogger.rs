//! eslogger's JSON (macOS Endpoint Security), message versions 1 to 10.
//!
//! The actor of an exec is the process that was there before; what runs then is the event's target. An
//! audit token is an object up to version 9 and a list of eight numbers from version 10 on. There is
//! no event of TCP or UDP.
//!
//! <https://developer.apple.com/documentation/endpointsecurity/es_message_t>

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Event, LogSource, Parent, Process, ProcessActivity, Record, Text, Timestamp,
};

use super::{Evidence, signed, user_context};
use crate::Decoder;
use crate::json::{Flat, Objects, OneEvent};

/// Whether the input begins with a message.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    matches!(start.first(), Some(b'{' | b'['))
        && has(b"\"schema_version\"")
        && has(b"\"mach_time\"")
        && has(b"\"audit_token\"")
}

/// A decoder of messages.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(OneEvent(event)))
}

fn event(flat: &Flat<'_>, offset: u64) -> Result<Option<Event>, String> {
    let (log_source, change, at) = if flat.has("event.exec.") {
        (LogSource::EsProcess, ProcessActivity::Launch, "event.exec.target.")
    } else if flat.has("event.exit.") {
        (LogSource::EsExit, ProcessActivity::Exit, "process.")
    } else {
        return Ok(None);
    };
    let time = flat.get("time").and_then(Timestamp::parse_rfc3339);
    let mut process = process(flat, at)?;
    process.arguments = flat.under("event.exec.args.").map(|(_, text)| text).collect();
    let actor = Actor { device: None, process: Some(process), container: None };
    Ok(Some(Event {
        time: time.ok_or("time is missing or holds something else")?,
        record: Record { offset, ..Record::default() },
        log_source,
        actor: Some(Arc::new(actor)),
        activity: Activity::Process(change),
    }))
}

/// Fields of an audit token, and their places where it is a list.
#[derive(Clone, Copy)]
enum Token {
    AuditUser = 0,
    EffectiveUser = 1,
    Pid = 5,
    Session = 6,
    PidVersion = 7,
}

impl Token {
    const fn name(self) -> &'static str {
        match self {
            Token::AuditUser => "auid",
            Token::EffectiveUser => "euid",
            Token::Pid => "pid",
            Token::Session => "asid",
            Token::PidVersion => "pidversion",
        }
    }

    fn of(self, flat: &Flat<'_>, token: &str) -> Option<u32> {
        let named = flat.number(&format!("{token}.{}", self.name()));
        named.or_else(|| flat.number(&format!("{token}.{}", self as usize)))
    }
}

/// What tells a process apart from all others of a boot: its id with its version, which exec raises.
fn guid(flat: &Flat<'_>, token: &str) -> Option<Text> {
    let (pid, version) = (Token::Pid.of(flat, token)?, Token::PidVersion.of(flat, token)?);
    Some(format!("{pid}.{version}").into())
}

fn process(flat: &Flat<'_>, at: &str) -> Result<Process, String> {
    let get = |key: &str| flat.get(&format!("{at}{key}"));
    let own = format!("{at}audit_token");
    let pid = Token::Pid.of(flat, &own).ok_or("audit_token has no pid")?;
    let parent_token = format!("{at}parent_audit_token");
    let parent = Parent {
        pid: Token::Pid.of(flat, &parent_token).or_else(|| flat.number(&format!("{at}ppid"))),
        guid: guid(flat, &parent_token),
        ..Parent::default()
    };
    let user = Token::EffectiveUser.of(flat, &own);
    let audit_user = Token::AuditUser.of(flat, &own);
    let terminal = get("tty.path");
    let session: Option<u32> = flat.number(&format!("{at}session_id"));
    let responsible = Token::Pid.of(flat, &format!("{at}responsible_audit_token"));
    let evidence = Evidence {
        terminal: terminal.is_some(),
        audit_user,
        first_parent: flat.number(&format!("{at}original_ppid")),
        responsible: responsible.filter(|known| *known != pid),
        in_session: session.is_some_and(|session| session > 1 && session != pid),
        person: user.is_some_and(|user| user >= 501),
    };
    Ok(Process {
        pid,
        guid: guid(flat, &own),
        start: get("start_time").and_then(Timestamp::parse_rfc3339),
        path: get("executable.path").map(Text::from),
        user: user.map(|user| user.to_string().into()),
        session: Token::Session.of(flat, &own).map(u64::from),
        terminal: terminal.map(Text::from),
        context: user_context(&evidence),
        program: signed([get("team_id"), get("signing_id")]),
        parent: (parent != Parent::default()).then(|| Box::new(parent)),
        ..Process::default()
    })
}
