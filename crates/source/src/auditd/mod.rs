//! Linux auditd logs, raw and enriched: `audit.log`, its relayed forms, and the kernel's own.
//!
//! Read in this order: [`record`] takes a line apart, [`assemble`] brings the records of one
//! system call together to an [`event`], [`translate`] says what the call means ([`calls`]: which one
//! it was, by what program, [`head`] for most of them; [`command_lines`]: as it was called;
//! [`process`]: who acted; [`socket`]: on whom; [`selection`]: whether it was in earnest).
//! [`syscalls`] is the table of numbers.

mod assemble;
mod calls;
mod command_lines;
mod event;
mod halves;
mod head;
pub(crate) mod json;
mod nodes;
mod process;
mod record;
mod selection;
mod socket;
mod syscalls;
mod translate;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use assemble::{Added, Assembler};
use memchr::memmem;
use nodes::Nodes;
use record::{Fields, Kind, LastStamp, hex_number, number};
use syscalls::{Call, Known};
use translate::Translator;

use crate::lines::LineFormat;
use crate::{Decoded, Decoder, Lines, Problem};

/// How many lines at most come before the first record of an audit log: people put comments and
/// boot messages there.
const SNIFF_LINES: usize = 64;

/// Whether an input begins like an audit log: one of its first lines holds a record as text. JSON
/// that quotes such records is of other formats (Laurel, Auditbeat).
pub(crate) fn recognises(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n')
        .take(SNIFF_LINES)
        .filter(|line| !line.trim_ascii_start().starts_with(b"{"))
        .filter_map(record::record)
        .any(|record| record.stamp().is_some())
}

/// A fresh decoder of audit logs.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Auditd::new()))
}

/// What was passed over without a look, counted here since it is most of a log.
#[derive(Debug, Default)]
struct Passed {
    count: u64,
    first: u64,
}

impl Passed {
    fn one(&mut self, offset: u64) {
        if self.count == 0 {
            self.first = offset;
        }
        self.count += 1;
    }

    fn say(&mut self, key: &'static str, out: &mut Decoded) {
        out.note_times(Problem::Note, key, self.first, self.count);
        self.count = 0;
    }
}

/// Reads lines of audit records.
pub(crate) struct Auditd {
    nodes: Nodes,
    last: LastStamp,
    open: Assembler,
    translator: Translator,
    other_types: Passed,
    other_calls: Passed,
}

impl Default for Auditd {
    fn default() -> Auditd {
        Auditd::new()
    }
}

impl Auditd {
    fn new() -> Auditd {
        Auditd {
            nodes: Nodes::new(),
            last: LastStamp::default(),
            open: Assembler::new(),
            translator: Translator::new(),
            other_types: Passed::default(),
            other_calls: Passed::default(),
        }
    }

    fn no_record(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        // kernel/audit.c: audit_log_lost, the hold queue, and printk's own limit.
        const SIGNS: [&str; 5] = [
            "audit: backlog limit exceeded",
            "audit: rate limit exceeded",
            "audit_lost=",
            "hold queue overflow",
            "kauditd_printk_skb: ",
        ];
        if SIGNS.iter().any(|sign| memmem::find(line, sign.as_bytes()).is_some()) {
            note_loss(line, offset, out);
        } else {
            out.note(Problem::Note, "lines without an audit record", offset, || shown(line));
        }
    }

    fn assembled(&mut self, out: &mut Decoded) {
        while let Some(event) = self.open.due() {
            if event.record(Kind::Syscall).is_none() {
                halves::note(&event, &self.nodes, out);
            }
            self.translator.translate(&event, &self.nodes, out);
            self.open.reuse(event);
        }
    }
}

impl LineFormat for Auditd {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let Some(record) = record::record(line) else {
            return self.no_record(line, offset, out);
        };
        out.records += 1;
        match record.kind {
            Kind::Other => return self.other_types.one(offset),
            Kind::DaemonFailed => return note_loss(line, offset, out),
            Kind::Daemon => {
                return out
                    .note(Problem::Note, "audit daemon's own records", offset, || shown(line));
            }
            _ => {}
        }
        let Some((stamp, body)) = self.last.read(&record) else {
            return out.note(Problem::Malformed, "broken audit stamp", offset, || {
                format!("expected audit(SECONDS.MILLIS:SERIAL), found {}", shown(line))
            });
        };
        let Some(node) = self.nodes.id(record.node) else {
            return out.note(Problem::Shed, "too many nodes", offset, || shown(line));
        };
        match record.kind {
            Kind::EndOfEvent => {
                if let Some(event) = self.open.end_of_event(node, stamp) {
                    self.translator.translate(&event, &self.nodes, out);
                    self.open.reuse(event);
                }
                return;
            }
            Kind::UringOperation => {
                note_uring(body, offset, out);
                self.open.unwanted(node, stamp, offset);
            }
            Kind::Syscall if !is_wanted(body, offset, out) => {
                self.other_calls.one(offset);
                self.open.unwanted(node, stamp, offset);
            }
            kind => match self.open.add(node, stamp, kind, offset, body) {
                Added::Kept | Added::Unwanted => {}
                Added::Late => {
                    out.note(Problem::Torn, "record after the end of its event", offset, || {
                        shown(line)
                    });
                }
            },
        }
        self.assembled(out);
    }

    fn end(&mut self, out: &mut Decoded) {
        while let Some(event) = self.open.rest() {
            halves::note(&event, &self.nodes, out);
            self.translator.translate(&event, &self.nodes, out);
            self.open.reuse(event);
        }
        self.translator.end(out);
        self.other_types.say("record types not used", out);
        self.other_calls.say("system calls not used", out);
    }
}

/// The architecture and the call of a SYSCALL record, whose first two fields say so; `None` for
/// calls that do not matter.
fn call_of(body: &[u8]) -> Option<(u32, Call)> {
    let (arch, number) = arch_and_number(body)?;
    match syscalls::known(arch, number) {
        Known::Call(call) => Some((arch, call)),
        Known::Other | Known::UnknownArchitecture => None,
    }
}

fn arch_and_number(body: &[u8]) -> Option<(u32, u32)> {
    if let Some(found) = head::arch_and_number(body) {
        return Some(found);
    }
    let (mut arch, mut call) = (None, None);
    for (key, value) in Fields::of(body) {
        match key {
            b"arch" => arch = u32::try_from(hex_number(value.raw())?).ok(),
            b"syscall" => call = u32::try_from(number(value.raw())?).ok(),
            _ => continue,
        }
        if let (Some(arch), Some(call)) = (arch, call) {
            return Some((arch, call));
        }
    }
    None
}

/// Whether a SYSCALL record is of a call that matters; one that is broken is, so that it is told.
fn is_wanted(body: &[u8], offset: u64, out: &mut Decoded) -> bool {
    let Some((arch, number)) = arch_and_number(body) else { return true };
    match syscalls::known(arch, number) {
        // A thread's end is not its process's: since glibc 2.3 a process ends by exit_group.
        Known::Call(Call::ThreadExit) | Known::Other => false,
        Known::Call(_) => true,
        Known::UnknownArchitecture => {
            out.note(Problem::Unsupported, "unknown architecture", offset, || {
                format!("no table of system calls for arch {arch:x}")
            });
            false
        }
    }
}

/// IORING_OP_CONNECT of linux/io_uring.h.
const URING_CONNECT: &[u8] = b"16";

fn note_uring(body: &[u8], offset: u64, out: &mut Decoded) {
    match record::field(body, b"uring_op").map(|value| value.raw()) {
        Some(URING_CONNECT) => {
            out.note(Problem::Unsupported, "io_uring connect", offset, || {
                "its record names no program".to_string()
            });
        }
        _ => out.note(Problem::Note, "io_uring operations", offset, String::new),
    }
}

fn note_loss(line: &[u8], offset: u64, out: &mut Decoded) {
    out.note(Problem::Note, "audit loss reported", offset, || shown(line));
}

/// The first of a line, for a diagnostic.
fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line.get(..120).unwrap_or(line)).into_owned()
}
