//! macOS' unified log, for what mDNSResponder says of who browses for which services: `log show` in its
//! styles ndjson, json, syslog and default.
//!
//! A request's first line names its client; the type is masked unless a logging profile shows it. The
//! name's hash stands on a later line of the request (`[R<id>]`), or on the same in newer versions,
//! in hexadecimal or decimal. So a question is told of when its hash is known, or its request ends.
//!
//! Formats: mDNSShared/uds_daemon.c of mDNSResponder.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Dns, Event, LogSource, Outcome, Process, Record, Timestamp,
};

use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, LineFormat, Lines, Problem};

/// How many requests may be open at once; the oldest is then told of as it is. A Mac has a few hundred.
const MAX_REQUESTS: usize = 65_536;

/// PTR (RFC 1035), which browsing asks for.
const PTR: u16 = 12;

/// mDNS' port (RFC 6762).
const MULTICAST_PORT: u16 = 5353;

/// Whether the input is `log show --style ndjson` or `json`.
pub(crate) fn is_json(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    matches!(start.first(), Some(b'{' | b'['))
        && has(b"\"eventMessage\"")
        && has(b"\"machTimestamp\"")
}

/// Whether the input is `log show` as text, in the style syslog or its default.
pub(crate) fn is_text(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    // `log show` says first what it filters and what it leaves out.
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).filter(|line| {
        !line.starts_with("Filtering the log data") && !line.starts_with("Skipping ")
    });
    let Some(first) = lines.next() else { return false };
    let titled = first.starts_with("Timestamp")
        && (first.contains("(process)[PID]")
            || (first.contains("Thread") && first.contains("Activity")));
    titled || (time(first).is_some() && first.contains("mDNSResponder"))
}

/// A decoder of JSON.
pub(crate) fn json_decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Json { requests: Requests::default() }))
}

/// A decoder of text.
pub(crate) fn text_decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Text { requests: Requests::default() }))
}

struct Json {
    requests: Requests,
}

struct Text {
    requests: Requests,
}

impl ObjectFormat for Json {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        let Some(message) = flat.get("eventMessage") else {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        };
        // The sender is mDNSResponder; the client stands in the text.
        let by = flat.first(&["subsystem", "processImagePath", "process"]).unwrap_or_default();
        if !by.contains("mDNSResponder") {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        }
        match flat.get("timestamp").and_then(time) {
            Some(moment) => self.requests.message(message, moment, offset, out),
            None => out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                "timestamp is missing or holds something else".to_string()
            }),
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.requests.finish(out);
    }
}

impl LineFormat for Text {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let line = String::from_utf8_lossy(line);
        // Titles, and further lines of a message.
        let Some(moment) = time(&line) else { return };
        out.records += 1;
        match line.find("mDNSResponder") {
            Some(at) => self.requests.message(&line[at..], moment, offset, out),
            None => out.note_times(Problem::Note, "events not used", offset, 1),
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.requests.finish(out);
    }
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

/// Requests of which a first line was seen and not yet the hash.
#[derive(Debug, Default)]
struct Requests {
    open: HashMap<u64, Request>,
    /// By their first line's order, so that the oldest goes first and the end is in order.
    order: BTreeMap<u64, u64>,
    count: u64,
}

#[derive(Debug)]
struct Request {
    time: Timestamp,
    offset: u64,
    client: Option<(u32, String)>,
    /// The type as far as it is shown: its name, or the mask that stands for it.
    shown: Option<String>,
    number: u64,
}

impl Requests {
    /// Takes one message of mDNSResponder.
    fn message(&mut self, text: &str, moment: Timestamp, offset: u64, out: &mut Decoded) {
        if let Some(event) = old_form(text, moment, offset) {
            return out.events.push(event);
        }
        let Some((id, rest)) = request_id(text) else {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        };
        // Look-ups of hosts and of single instances enumerate nothing.
        let is_browse = rest.contains("DNSServiceBrowse");
        let is_query = rest.contains("DNSServiceQueryRecord");
        if !is_browse && !is_query {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        }
        let starts = rest.contains(" START") && !rest.contains("->");
        if starts {
            let kind = value(rest, "qtype: ").unwrap_or("PTR");
            if is_query && !matches!(kind, "PTR" | "12" | "SRV" | "33" | "ANY") {
                return out.note_times(Problem::Note, "events not used", offset, 1);
            }
            let shown = ["service type: ", "service name: ", "qname: ", "name: "]
                .iter()
                .find_map(|key| shown(rest, key));
            let number = self.count;
            self.count += 1;
            let request = Request { time: moment, offset, client: client(rest), shown, number };
            if let Some(before) = self.open.insert(id, request) {
                self.order.remove(&before.number);
                before.tell(None, out);
            }
            self.order.insert(number, id);
            if self.open.len() > MAX_REQUESTS {
                self.tell_oldest(out);
            }
        } else if rest.contains("result --") {
            // What was found; the question was told of by its own lines.
            return;
        }
        let ends = rest.contains(" STOP");
        let hash = hash(rest);
        if hash.is_none() && !ends {
            return;
        }
        if let Some(mut request) = self.open.remove(&id) {
            self.order.remove(&request.number);
            request.client = request.client.take().or_else(|| client(rest));
            request.tell(hash, out);
        }
    }

    fn tell_oldest(&mut self, out: &mut Decoded) {
        let oldest = self.order.pop_first().and_then(|(_, id)| self.open.remove(&id));
        if let Some(request) = oldest {
            request.tell(None, out);
        }
    }

    fn finish(&mut self, out: &mut Decoded) {
        while !self.order.is_empty() {
            self.tell_oldest(out);
        }
    }
}

impl Request {
    /// Gives out the question that the request is: by its name where that is shown, else by its hash,
    /// else by the mask, which tells questions apart and names none.
    fn tell(self, hash: Option<u32>, out: &mut Decoded) {
        let name = match (self.shown, hash) {
            (Some(name), _) if !name.starts_with("mask:") => name,
            (_, Some(hash)) => format!("hash:{hash:08x}"),
            (Some(mask), None) => mask,
            (None, None) => {
                let key = "requests whose name is not told";
                return out.note_times(Problem::Note, key, self.offset, 1);
            }
        };
        out.events.push(question(&name, self.client, self.time, self.offset));
    }
}

fn question(name: &str, client: Option<(u32, String)>, time: Timestamp, offset: u64) -> Event {
    let process =
        client.map(|(pid, name)| Process { pid, name: Some(name.into()), ..Process::default() });
    let dns = Dns {
        source: Address::UNSPECIFIED,
        target: Address::UNSPECIFIED,
        source_port: 0,
        target_port: MULTICAST_PORT,
        name: name.trim_end_matches('.').into(),
        query_type: Some(PTR),
        outcome: Outcome::Unknown,
    };
    Event {
        time,
        record: Record { offset, ..Record::default() },
        log_source: LogSource::UnifiedLog,
        actor: process
            .map(|process| Arc::new(Actor { process: Some(process), ..Actor::default() })),
        activity: Activity::Dns(Box::new(dns)),
    }
}

/// The request's number and what follows it: `[R20812] …` or `[R20812->Q27739] …`.
fn request_id(text: &str) -> Option<(u64, &str)> {
    let at = text.find("[R")?;
    let rest = &text[at + 2..];
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let id = rest[..end].parse().ok()?;
    let (_, after) = rest.split_once(']')?;
    Some((id, after))
}

/// What follows a key, up to the next comma or blank.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(key)?;
    rest.split([',', ' ']).next().filter(|value| !value.is_empty())
}

/// A name as it is shown after this key; a mask is told as `mask:` with what it holds.
fn shown(text: &str, key: &str) -> Option<String> {
    let (_, rest) = text.split_once(key)?;
    if let Some(mask) = rest.strip_prefix("<mask.hash: '") {
        return mask.split_once('\'').map(|(mask, _)| format!("mask:{mask}"));
    }
    if rest.starts_with("<private>") || rest.starts_with('<') {
        return None;
    }
    let name = rest.split(", ").next()?.trim_end_matches([',', ' ', '.']);
    let local = if name.ends_with(".local") { "" } else { ".local" };
    (!name.is_empty()).then(|| format!("{name}{local}"))
}

/// `client pid: 19386 (dns-sd)`.
fn client(text: &str) -> Option<(u32, String)> {
    let (_, rest) = text.split_once("client pid: ")?;
    let (pid, rest) = rest.split_once(" (")?;
    let name = rest.split(')').next()?;
    Some((pid.trim().parse().ok()?, name.to_string()))
}

/// `name hash: 262b8524`, in decimal in some versions; or in brackets after a masked name.
fn hash(text: &str) -> Option<u32> {
    if let Some(told) = value(text, "name hash: ") {
        // Eight digits without a letter are hexadecimal by far the more often: a decimal hash has nine
        // or ten.
        return match told.len() {
            9 | 10 if told.bytes().all(|byte| byte.is_ascii_digit()) => told.parse().ok(),
            _ => u32::from_str_radix(told.trim_start_matches("0x"), 16).ok(),
        };
    }
    let (_, rest) = text.split_once("'> (")?;
    u32::from_str_radix(rest.split(')').next()?, 16).ok()
}

/// The form of older versions, with the name in the clear:
/// `DNSServiceBrowse(_ssh._tcp., …) START PID[9731](dns-sd)`.
fn old_form(text: &str, moment: Timestamp, offset: u64) -> Option<Event> {
    let (_, rest) = text.split_once("DNSServiceBrowse(")?;
    let (inside, after) = rest.split_once(") START")?;
    let name = inside.split([',', ' ']).next()?.trim_matches(['"', '.']);
    let client = after.split_once("PID[").and_then(|(_, rest)| {
        let (pid, rest) = rest.split_once("](")?;
        Some((pid.parse().ok()?, rest.split(')').next()?.to_string()))
    });
    let name = if name.ends_with(".local") { name.to_string() } else { format!("{name}.local") };
    Some(question(&name, client, moment, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(messages: &[&str]) -> Vec<String> {
        let mut requests = Requests::default();
        let mut out = Decoded::default();
        for (at, message) in messages.iter().enumerate() {
            requests.message(message, Timestamp(at as i64), at as u64, &mut out);
        }
        requests.finish(&mut out);
        let name = |event: &Event| match &event.activity {
            Activity::Dns(dns) => format!("{} {}", event.time.0, dns.name),
            _ => String::new(),
        };
        out.events.iter().map(name).collect()
    }

    const START: &str = "[R7] DNSServiceBrowse START -- service type: <mask.hash: 'aB=='>, domain: \
        <mask.hash: 'x'>, flags: 0x0, interface index: 0, client pid: 12 (dns-sd), ";

    #[test]
    fn a_question_is_told_once_by_the_best_that_is_known_of_its_name() {
        let sub = "[R7] DNSServiceBrowse -> SubBrowser START -- qname: <mask.hash: 'n'> (262b8524)";
        let stop = "[R7] DNSServiceBrowse STOP -- name hash: fa0cbb4, duration: 2s";
        assert_eq!(told(&[START, sub, stop]), ["0 hash:262b8524"]);
        assert_eq!(told(&[START, stop]), ["0 hash:0fa0cbb4"], "leading zeros vanish");
        assert_eq!(told(&[START]), ["0 mask:aB=="]);
        let newer = "[R8] DNSServiceBrowse START -- service type: <private>, client pid: 12 (x), name \
            hash: 640386340";
        assert_eq!(told(&[newer]), ["0 hash:262b8524"], "decimal");
        let clear = "[R9] DNSServiceQueryRecord START -- qname: _ssh._tcp.local., qtype: PTR, flags: \
            0x0, client pid: 12 (x), name hash: 262b8524";
        assert_eq!(told(&[clear]), ["0 _ssh._tcp.local"]);
        let address = "[R9] DNSServiceQueryRecord START -- qname: <mask.hash: 'n'>, qtype: A, client \
            pid: 1 (x), name hash: 1";
        assert!(told(&[address]).is_empty());
        let old = "DNSServiceBrowse(_ssh._tcp., 0, 0) START PID[9731](dns-sd)";
        assert_eq!(told(&[old]), ["0 _ssh._tcp.local"]);
    }

    #[test]
    fn a_number_that_is_used_anew_loses_nothing() {
        assert_eq!(told(&[START, START]), ["0 mask:aB==", "1 mask:aB=="]);
    }

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
        assert_eq!(time(""), None);
    }
}
