//! What Santa writes of processes (macOS Endpoint Security): its text log, and its telemetry as JSON,
//! which is also what `santactl printlog` makes of its protobuf files.
//!
//! An execution that Santa denied started no process; it is passed over and counted.
//!
//! Fields: `Source/common/santa.proto` and `BasicString.mm` of <https://github.com/northpolesec/santa>.

mod text;

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Arguments, Event, LogSource, Parent, Process, ProcessActivity, ProgramInfo,
    Record, Text, Timestamp,
};

use super::{Evidence, user_context};
use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, Problem};

pub(crate) use text::{is_text, text_decoder};

/// The key that denied executions are counted under.
const DENIED: &str = "executions that Santa denied";

/// How many arguments of one execution are read: a shell's longest globs have some thousands, and what
/// makes a scanner shows in the first few.
const MAX_ARGUMENTS: usize = 1024;

/// Whether the input begins with Santa's messages, one by one or in a batch, or with the event of one
/// without its envelope.
pub(crate) fn is_json(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    matches!(start.first(), Some(b'{' | b'['))
        && has(b"\"instigator\"")
        && has(b"\"pidversion\"")
        && (has(b"\"event_time\"") || has(b"\"parent_id\""))
}

/// A decoder of JSON.
pub(crate) fn json_decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Json))
}

struct Json;

impl ObjectFormat for Json {
    const STANDS_ALONE: bool = true;

    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        // `santactl printlog` prints a batch as one object.
        let lists = ["messages.", "records."];
        let Some(list) = lists.iter().find(|list| flat.has(list)) else {
            return message(&Message { flat, at: "" }, offset, out);
        };
        let mut known = None;
        for (path, _) in flat.under(list) {
            let number = path.split('.').next();
            if number != known {
                known = number;
                let at = format!("{list}{}.", number.unwrap_or_default());
                message(&Message { flat, at: &at }, offset, out);
            }
        }
    }
}

/// One message within an object.
struct Message<'f, 't> {
    flat: &'f Flat<'t>,
    at: &'f str,
}

impl<'f> Message<'f, '_> {
    fn get(&self, path: &str) -> Option<&'f str> {
        self.flat.get(&format!("{}{path}", self.at))
    }

    fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.get(path)?.parse().ok()
    }

    fn has(&self, prefix: &str) -> bool {
        self.flat.has(&format!("{}{prefix}", self.at))
    }
}

fn message(message: &Message<'_, '_>, offset: u64, out: &mut Decoded) {
    let (log_source, change, at) = match kind(message) {
        Some(kind) => kind,
        None => return out.note_times(Problem::Note, "events not used", offset, 1),
    };
    let decision = message.get("execution.decision").unwrap_or_default();
    if decision.starts_with("DECISION_DENY") {
        return out.note_times(Problem::Note, DENIED, offset, 1);
    }
    let told = process(message, at).and_then(|process| {
        let time = message.get("event_time").and_then(Timestamp::parse_rfc3339);
        let time = time.ok_or("event_time is missing or holds something else")?;
        Ok((time, process))
    });
    match told {
        Ok((time, process)) => {
            let device = message.get("machine_id");
            out.events.push(event(time, offset, (log_source, change), device, process));
        }
        Err(why) => {
            out.note(Problem::Malformed, "fields do not fit their names", offset, || why.into());
        }
    }
}

/// What a message tells of, and where the process stands in it; `None` for what is no process'.
fn kind(message: &Message<'_, '_>) -> Option<(LogSource, ProcessActivity, &'static str)> {
    let launch = (LogSource::SantaProcess, ProcessActivity::Launch);
    let exit = (LogSource::SantaExit, ProcessActivity::Exit);
    // An event without its envelope names no kind, but has the same parts.
    let places = [
        ("execution.target.", launch, "execution.target."),
        ("fork.child.", launch, "fork.child."),
        ("exit.instigator.", exit, "exit.instigator."),
        ("target.cs_flags", launch, "target."),
        ("child.id.", launch, "child."),
    ];
    let (_, (log_source, change), at) =
        places.into_iter().find(|(prefix, ..)| message.has(prefix))?;
    Some((log_source, change, at))
}

fn process(message: &Message<'_, '_>, at: &str) -> Result<Process, &'static str> {
    let get = |key: &str| message.get(&format!("{at}{key}"));
    let number = |key: &str| message.number::<u32>(&format!("{at}{key}"));
    let guid = |key: &str| -> Option<Text> {
        let version = number(&format!("{key}.pidversion"))?;
        Some(format!("{}.{version}", number(&format!("{key}.pid"))?).into())
    };
    let pid = number("id.pid").ok_or("id.pid is missing or holds something else")?;
    let parent =
        Parent { pid: number("parent_id.pid"), guid: guid("parent_id"), ..Parent::default() };
    let user: Option<i64> = message.number(&format!("{at}effective_user.uid"));
    let terminal = get("tty.path");
    let evidence = Evidence {
        terminal: terminal.is_some(),
        audit_user: None,
        first_parent: number("original_parent_pid"),
        responsible: number("responsible_id.pid").filter(|known| *known != pid && *known != 0),
        in_session: number("session_id").is_some_and(|session| session > 1 && session != pid),
        person: user.is_some_and(|user| user >= 501),
    };
    let program = ProgramInfo {
        hashes: get("executable.hash.hash").map(|hash| format!("SHA256={hash}").into()),
        signer: ["team_id", "signing_id"]
            .iter()
            .find_map(|key| get(&format!("code_signature.{key}")))
            .map(Text::from),
        ..ProgramInfo::default()
    };
    Ok(Process {
        pid,
        guid: guid("id"),
        // The epoch stands for a start that is not known.
        start: get("start_time").and_then(Timestamp::parse_rfc3339).filter(|start| start.0 > 0),
        path: get("executable.path").map(Text::from),
        arguments: match at.ends_with("target.") {
            true => arguments(message, at.trim_end_matches("target.")),
            false => Arguments::NONE,
        },
        user: get("effective_user.name")
            .map(Text::from)
            .or(user.map(|user| user.to_string().into())),
        terminal: terminal.map(Text::from),
        context: user_context(&evidence),
        program: (program != ProgramInfo::default()).then(|| Box::new(program)),
        parent: (parent != Parent::default()).then(|| Box::new(parent)),
        ..Process::default()
    })
}

/// The arguments of an execution: bytes, which JSON holds in base64.
fn arguments(message: &Message<'_, '_>, at: &str) -> Arguments {
    let list = format!("{}{at}args.", message.at);
    let encoded = message.flat.under(&list).take(MAX_ARGUMENTS);
    encoded
        .filter_map(|(_, text)| from_base64(text))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect()
}

/// The bytes that base64 (RFC 4648 section 4) stands for; `None` where it is none.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// The event of a process.
fn event(
    time: Timestamp,
    offset: u64,
    (log_source, change): (LogSource, ProcessActivity),
    device: Option<&str>,
    process: Process,
) -> Event {
    let actor = Actor { device: device.map(Arc::from), process: Some(process), container: None };
    Event {
        time,
        record: Record { offset, ..Record::default() },
        log_source,
        actor: Some(Arc::new(actor)),
        activity: Activity::Process(change),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_whatever_its_padding() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm8", "fo"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(from_base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(from_base64("no base64"), None);
    }
}
