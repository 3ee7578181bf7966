//! macOS' system.log, which held mDNSResponder's messages before the unified log (macOS 10.11 and older):
//! lines of BSD syslog, whose times lack year and zone.
//!
//! mDNSResponder writes of its clients there while its logging is turned on (`SIGUSR1`), with names in
//! the clear; otherwise only of interfaces and errors.

use std::sync::Arc;

use lapwing_event::LogSource;

use super::requests::{Requests, Told};
use crate::syslog::{self, Clock};
use crate::{Decoded, Decoder, LineFormat, Lines, Problem};

/// Whether the input is lines of syslog with some of mDNSResponder among them.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let first = head.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first.get(..first.len().min(256)).unwrap_or_default());
    let mut clock = Clock::default();
    clock.time(&first).is_some()
        && clock.guesses_year()
        && memchr::memmem::find(head, b" mDNSResponder[").is_some()
}

/// A decoder of lines.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(SystemLog { clock: Clock::default(), requests: Requests::default() }))
}

struct SystemLog {
    clock: Clock,
    requests: Requests,
}

impl LineFormat for SystemLog {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let line = String::from_utf8_lossy(line);
        // Further lines of a message, and "--- last message repeated 1 time ---".
        let Some(time) = self.clock.time(&line) else { return };
        out.records += 1;
        let message = syslog::message(&line);
        if !message.starts_with("mDNSResponder[") {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        }
        if let Some(key) = self.clock.doubt() {
            out.note_times(Problem::Assumed, key, offset, 1);
        }
        let before = syslog::words_of_time(&line);
        let device = line.split_ascii_whitespace().nth(before).map(Arc::from);
        let told = Told { time, offset, device, log_source: LogSource::MacSystemLog };
        self.requests.message(message, &told, out);
    }

    fn end(&mut self, out: &mut Decoded) {
        self.requests.finish(out);
    }
}
