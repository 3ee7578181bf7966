//! macOS' unified log, for what mDNSResponder says of who browses for which services: `log show` in its
//! styles ndjson, json, syslog, compact and default. It names no computer. What its messages mean is told once, in
//! [`Messages`], also for those that lie on disk (`tracev3`).

use lapwing_event::{LogSource, Timestamp};

use super::requests::{Requests, Told};
use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, LineFormat, Lines, Problem};

/// Whether the input is `log show --style ndjson` or `json`.
pub(crate) fn is_json(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    matches!(start.first(), Some(b'{' | b'['))
        && has(b"\"eventMessage\"")
        && has(b"\"machTimestamp\"")
}

/// Whether the input is `log show` as text, in the styles syslog and compact or its default.
pub(crate) fn is_text(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    // `log show` says first what it filters and what it leaves out.
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).filter(|line| {
        !line.starts_with("Filtering the log data") && !line.starts_with("Skipping ")
    });
    let Some(first) = lines.next() else { return false };
    let titled = first.starts_with("Timestamp")
        && (first.contains("(process)[PID]")
            || first.contains("Process[PID:TID]")
            || (first.contains("Thread") && first.contains("Activity")));
    let compact = || local_time(first).is_some() && first.contains(" mDNSResponder[");
    titled || (time(first).is_some() && first.contains("mDNSResponder")) || compact()
}

/// A decoder of JSON.
pub(crate) fn json_decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Json { messages: Messages::default() }))
}

/// A decoder of text.
pub(crate) fn text_decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Text { requests: Requests::default() }))
}

struct Json {
    messages: Messages,
}

struct Text {
    requests: Requests,
}

impl ObjectFormat for Json {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        let Some(message) = flat.get("eventMessage") else {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        };
        let by = flat.first(&["subsystem", "processImagePath", "process"]).unwrap_or_default();
        self.messages.message(by, message, flat.get("timestamp").and_then(time), offset, out);
    }

    fn end(&mut self, out: &mut Decoded) {
        self.messages.finish(out);
    }
}

/// The messages of a unified log, of which those of mDNSResponder tell of its clients' requests.
#[derive(Debug, Default)]
pub(super) struct Messages(Requests);

impl Messages {
    /// Takes one message of whoever wrote it: a subsystem, or a program where it has none.
    pub(super) fn message(
        &mut self,
        by: &str,
        text: &str,
        time: Option<Timestamp>,
        offset: u64,
        out: &mut Decoded,
    ) {
        // The sender is mDNSResponder; the client stands in the text.
        if !by.contains("mDNSResponder") {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        }
        match time {
            Some(moment) => self.0.message(text, &told(moment, offset), out),
            None => out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                "timestamp is missing or holds something else".to_string()
            }),
        }
    }

    /// Ends the log.
    pub(super) fn finish(&mut self, out: &mut Decoded) {
        self.0.finish(out);
    }
}

impl LineFormat for Text {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let line = String::from_utf8_lossy(line);
        // Titles, and further lines of a message.
        let zoned = time(&line);
        let Some(moment) = zoned.or_else(|| local_time(&line)) else { return };
        out.records += 1;
        if zoned.is_none() {
            out.note_times(Problem::Assumed, "times without a zone, taken as UTC", offset, 1);
        }
        match line.find("mDNSResponder") {
            Some(at) => self.requests.message(&line[at..], &told(moment, offset), out),
            None => out.note_times(Problem::Note, "events not used", offset, 1),
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.requests.finish(out);
    }
}

fn told(time: Timestamp, offset: u64) -> Told {
    Told { time, offset, device: None, log_source: LogSource::UnifiedLog }
}

/// `2026-03-02 10:14:07.551284+0100`, which begins a line and may end it.
fn time(text: &str) -> Option<Timestamp> {
    let (day, rest) = (text.get(..10)?, text.get(11..)?);
    let clock = rest.split(' ').next()?;
    let at = clock.len().checked_sub(5).filter(|at| *at >= 8)?;
    let (clock, zone) = (clock.get(..at)?, clock.get(at..)?);
    let zoned = zone.starts_with(['+', '-']) && zone[1..].bytes().all(|byte| byte.is_ascii_digit());
    zoned.then_some(())?;
    Timestamp::parse_rfc3339(&format!("{day}T{clock}{}:{}", &zone[..3], &zone[3..]))
}

/// The style compact's `2026-03-02 10:14:07.551 `, which tells no zone.
fn local_time(text: &str) -> Option<Timestamp> {
    let (day, clock) = (text.get(..10)?, text.get(11..23)?);
    let apart = text.get(10..11) == Some(" ") && text.get(23..24) == Some(" ");
    apart.then(|| Timestamp::parse_rfc3339(&format!("{day}T{clock}Z")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_log_show_says_of_itself_is_passed_over() {
        let titles = "Filtering the log data using \"subsystem == x\"\nSkipping info and debug messages\n\
            Timestamp                       (process)[PID]    \n";
        assert!(is_text(titles.as_bytes()));
        assert!(!is_text(b"Filtering the log data\nsomething else\n"));
        assert!(!is_text(b""));
    }

    #[test]
    fn times_have_their_zone() {
        let expected = Timestamp::parse_rfc3339("2026-03-02T09:14:07.551284Z");
        assert_eq!(time("2026-03-02 10:14:07.551284+0100"), expected);
        assert_eq!(
            time("2026-03-02 10:14:07.551284+0100  localhost mDNSResponder[1]: x"),
            expected
        );
        assert_eq!(time("Timestamp    (process)[PID]"), None);
        let compact = "2026-03-02 10:14:07.551 Df mDNSResponder[218:b57d] [x:y] z";
        assert_eq!(local_time(compact), Timestamp::parse_rfc3339("2026-03-02T10:14:07.551Z"));
        assert!(is_text(compact.as_bytes()) && time(compact).is_none());
        assert_eq!(local_time("2026-03-02 10:14:07.551284+0100 "), None);
        assert_eq!(time(""), None);
    }
}
