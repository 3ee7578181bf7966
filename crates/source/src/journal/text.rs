//! Audit records as `journalctl` prints them for people (`-o short` and its kin), and as syslog daemons that
//! read the journal write them: `TIME HOST audit[PID]: SYSCALL arch=…`. Packets that the kernel's firewall
//! logged stand among them.
//!
//! The event's number is left out. The kernel writes the records of an event in one go, the system
//! call first and its title last, so that a record belongs to the call before it, unless two
//! processors wrote at once: where a call begins before the last one has its title, what follows
//! belongs to neither for certain.

use std::collections::HashMap;

use lapwing_event::Timestamp;

use crate::auditd::Auditd;
use crate::firewall::Firewall;
use crate::syslog::Clock;
use crate::{Decoded, Decoder, LineFormat, Lines, Problem};

/// How many lines at most come before the first record.
const SNIFF_LINES: usize = 64;

/// The most hosts whose records one input holds.
const MAX_HOSTS: usize = 4096;

/// Whether one of an input's first lines is a system call's record.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let text = match head.trim_ascii_start() {
        // Seconds since boot, which begin an array nowhere.
        [b'[', next, ..] => *next == b' ' || next.is_ascii_digit(),
        [first, ..] => *first != b'{',
        [] => false,
    };
    text && head.split(|byte| *byte == b'\n').take(SNIFF_LINES).any(|line| {
        let line = String::from_utf8_lossy(line);
        parts(&line).is_some_and(|parts| parts.name == "SYSCALL" && parts.body.starts_with("arch="))
    })
}

/// A decoder of it.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Text::default()))
}

#[derive(Default)]
struct Text {
    audit: Auditd,
    firewall: Firewall,
    clock: Clock,
    hosts: HashMap<String, Host>,
    /// The number that the next call is given.
    serial: u64,
}

/// What a host's last record was of.
#[derive(Default)]
struct Host {
    /// The open call's number and time; `None` where it is not known which call is open.
    open: Option<(u64, Timestamp)>,
    /// Calls whose titles have not come.
    untitled: u32,
}

/// A line taken apart.
struct Parts<'a> {
    host: &'a str,
    /// The record's type.
    name: &'a str,
    body: &'a str,
}

fn parts(line: &str) -> Option<Parts<'_>> {
    let (at, rest) = match (line.find(" audit["), line.find(" audit: ")) {
        (Some(at), _) => (at, line[at..].split_once("]: ")?.1),
        (None, Some(at)) => (at, &line[at + " audit: ".len()..]),
        (None, None) => return None,
    };
    let host = line[..at].rsplit(' ').next().filter(|host| !host.is_empty())?;
    let (name, body) = rest.split_once(' ')?;
    let is_type =
        name.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'0'..=b'9'));
    (is_type && !name.is_empty()).then_some(Parts { host, name, body })
}

impl LineFormat for Text {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let text = String::from_utf8_lossy(line);
        let Some(Parts { host, name, body }) = parts(&text) else {
            // The kernel's own log has whole records, and says what was lost.
            return match memchr::memmem::find(line, b"audit: ") {
                Some(_) => self.audit.line(line, offset, out),
                None if Firewall::is_packet(line) => self.firewall.line(line, offset, out),
                None => out.note_times(Problem::Note, "lines without an audit record", offset, 1),
            };
        };
        let Some(time) = self.clock.time(&text) else {
            out.records += 1;
            return out.note(Problem::Malformed, "line without a time", offset, || {
                "expected a date at its beginning, as journalctl -o short-iso writes it; seconds since \
                 boot tell no time"
                    .to_string()
            });
        };
        if let Some(key) = self.clock.doubt() {
            out.note_times(Problem::Assumed, key, offset, 1);
        }
        if self.hosts.len() >= MAX_HOSTS && !self.hosts.contains_key(host) {
            return out.note(Problem::Shed, "too many nodes", offset, String::new);
        }
        let known = self.hosts.entry(host.to_string()).or_default();
        let (serial, time) = match name {
            "SYSCALL" => {
                self.serial += 1;
                let alone = known.untitled == 0;
                known.untitled += 1;
                known.open = alone.then_some((self.serial, time));
                (self.serial, time)
            }
            "SOCKADDR" | "EXECVE" | "PROCTITLE" | "SOCKETCALL" => {
                let open = known.open;
                if name == "PROCTITLE" {
                    known.untitled = known.untitled.saturating_sub(1);
                    known.open = None;
                }
                let Some(open) = open else {
                    out.records += 1;
                    let key = "records whose event text does not tell";
                    return out.note(Problem::Note, key, offset, || {
                        "calls of several processors are mixed; use journalctl -o json".to_string()
                    });
                };
                open
            }
            // Nothing of these is used, whatever event they are of.
            _ => (0, time),
        };
        let (seconds, millis) =
            (time.0.div_euclid(1_000_000_000), time.0.rem_euclid(1_000_000_000) / 1_000_000);
        let record =
            format!("node={host} type={name} msg=audit({seconds}.{millis:03}:{serial}): {body}");
        self.audit.line(record.as_bytes(), offset, out);
    }

    fn end(&mut self, out: &mut Decoded) {
        self.audit.end(out);
        self.firewall.end(out);
    }
}
