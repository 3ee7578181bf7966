//! Santa's text log: `[time] I santad: action=EXEC|decision=ALLOW|…`, fields by name, between bars.

use lapwing_event::{LogSource, Parent, Process, ProcessActivity, ProgramInfo, Timestamp};

use super::{DENIED, event};
use crate::{Decoded, Decoder, LineFormat, Lines, Problem};

/// Whether the input's first lines are Santa's.
pub(crate) fn is_text(head: &[u8]) -> bool {
    let is_first = head.trim_ascii_start().starts_with(b"[");
    is_first && head.split(|byte| *byte == b'\n').take(8).any(is_santas)
}

fn is_santas(line: &[u8]) -> bool {
    memchr::memmem::find(line, b"santad: action=").is_some()
}

/// A decoder of lines.
pub(crate) fn text_decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Text))
}

struct Text;

impl LineFormat for Text {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        if !is_santas(line) {
            return out.note_times(Problem::Note, "lines of other kinds", offset, 1);
        }
        out.records += 1;
        let line = String::from_utf8_lossy(line);
        let fields = Fields::of(&line);
        let kind = match fields.get("action") {
            Some("EXEC") => (LogSource::SantaProcess, ProcessActivity::Launch),
            Some("FORK") => (LogSource::SantaProcess, ProcessActivity::Launch),
            Some("EXIT") => (LogSource::SantaExit, ProcessActivity::Exit),
            _ => return out.note_times(Problem::Note, "events not used", offset, 1),
        };
        if fields.get("decision").is_some_and(|decision| decision.starts_with("DENY")) {
            return out.note_times(Problem::Note, DENIED, offset, 1);
        }
        match (time(&line), process(&fields)) {
            (Some(time), Some(process)) => {
                out.events.push(event(time, offset, kind, fields.get("machineid"), process));
            }
            (None, _) => out.note(Problem::Malformed, "line without a time", offset, || {
                "expected [yyyy-mm-ddThh:mm:ss.mmmZ] at its beginning".to_string()
            }),
            (_, None) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    "pid is missing or holds something else".to_string()
                });
            }
        }
    }

    fn end(&mut self, _: &mut Decoded) {}
}

fn time(line: &str) -> Option<Timestamp> {
    let (time, _) = line.trim_start().strip_prefix('[')?.split_once(']')?;
    Timestamp::parse_rfc3339(time)
}

/// The fields of a line, in their order; a bar within a value is written `<pipe>`.
struct Fields<'l>(Vec<(&'l str, &'l str)>);

impl<'l> Fields<'l> {
    fn of(line: &'l str) -> Fields<'l> {
        let (_, fields) = line.split_once("santad: ").unwrap_or_default();
        Fields(fields.split('|').filter_map(|field| field.split_once('=')).collect())
    }

    fn get(&self, name: &str) -> Option<&'l str> {
        let (_, value) = self.0.iter().find(|(key, _)| *key == name)?;
        Some(*value).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Option<lapwing_event::Text> {
        Some(self.get(name)?.replace("<pipe>", "|").into())
    }
}

fn process(fields: &Fields<'_>) -> Option<Process> {
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u32>().ok());
    let pid = number("pid")?;
    let version = number("pidversion");
    let program = ProgramInfo {
        hashes: fields.get("sha256").map(|hash| format!("SHA256={hash}").into()),
        signer: ["teamid", "cert_cn"].iter().find_map(|name| fields.text(name)),
        ..ProgramInfo::default()
    };
    let parent = Parent { pid: number("ppid"), ..Parent::default() };
    Some(Process {
        pid,
        guid: version.map(|version| format!("{pid}.{version}").into()),
        path: fields.text("path"),
        // The arguments are joined by blanks: where one ends is lost.
        command_line: fields.text("args"),
        user: fields.text("user").or_else(|| fields.text("uid")),
        program: (program != ProgramInfo::default()).then(|| Box::new(program)),
        parent: (parent != Parent::default()).then(|| Box::new(parent)),
        ..Process::default()
    })
}
