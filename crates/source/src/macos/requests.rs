//! What mDNSResponder writes of the requests of its clients, whatever log holds it.
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

use crate::{Decoded, Problem};

/// How many requests may be open at once; the oldest is then told of as it is. A Mac has a few hundred.
const MAX_REQUESTS: usize = 65_536;

/// PTR (RFC 1035), which browsing asks for.
const PTR: u16 = 12;

/// mDNS' port (RFC 6762).
const MULTICAST_PORT: u16 = 5353;

/// Requests of which a first line was seen and not yet the hash.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    open: HashMap<Key, Request>,
    /// By their first line's order, so that the oldest goes first and the end is in order.
    order: BTreeMap<u64, Key>,
    count: u64,
}

/// A request's number on its computer.
type Key = (Option<Arc<str>>, u64);

/// The record that a message comes in.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) time: Timestamp,
    pub(crate) offset: u64,
    /// The computer, where the record names it.
    pub(crate) device: Option<Arc<str>>,
    pub(crate) log_source: LogSource,
}

#[derive(Debug)]
struct Request {
    told: Told,
    client: Option<(u32, String)>,
    /// The type as far as it is shown: its name, or the mask that stands for it.
    shown: Option<String>,
    number: u64,
}

impl Requests {
    /// Takes one message of mDNSResponder.
    pub(crate) fn message(&mut self, text: &str, told: &Told, out: &mut Decoded) {
        let offset = told.offset;
        if let Some(event) = old_form(text, told) {
            return out.events.push(event);
        }
        let Some((number, rest)) = request_id(text) else {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        };
        let id = (told.device.clone(), number);
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
            let shown =
                ["service type: ", "service name: ", "qname: ", "name: ", "DNSServiceBrowse("]
                    .iter()
                    .find_map(|key| shown(rest, key));
            let number = self.count;
            self.count += 1;
            let request = Request { told: told.clone(), client: client(rest), shown, number };
            if let Some(before) = self.open.insert(id.clone(), request) {
                self.order.remove(&before.number);
                before.tell(None, out);
            }
            self.order.insert(number, id.clone());
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

    /// Ends the log: gives out what is still open.
    pub(crate) fn finish(&mut self, out: &mut Decoded) {
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
                return out.note_times(Problem::Note, key, self.told.offset, 1);
            }
        };
        out.events.push(question(&name, self.client, &self.told));
    }
}

fn question(name: &str, client: Option<(u32, String)>, told: &Told) -> Event {
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
    let actor = Actor { device: told.device.clone(), process, container: None };
    Event {
        time: told.time,
        record: Record { offset: told.offset, ..Record::default() },
        log_source: told.log_source,
        actor: (actor != Actor::default()).then(|| Arc::new(actor)),
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

/// `client pid: 19386 (dns-sd)`, in older versions `PID[19386](dns-sd)`.
fn client(text: &str) -> Option<(u32, String)> {
    let new = text.split_once("client pid: ").and_then(|(_, rest)| rest.split_once(" ("));
    let old = || text.split_once("PID[").and_then(|(_, rest)| rest.split_once("]("));
    let (pid, rest) = new.or_else(old)?;
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
/// ` 42: DNSServiceBrowse(_ssh._tcp.local.) START PID[9731](dns-sd)`; the oldest name no client.
fn old_form(text: &str, told: &Told) -> Option<Event> {
    let (_, rest) = text.split_once("DNSServiceBrowse(")?;
    let (inside, after) = rest.split_once(") START")?;
    let name = inside.split([',', ' ']).next()?.trim_matches(['"', '.']);
    // Masked: told of like those of newer versions.
    (!name.starts_with('<')).then_some(())?;
    let name = if name.ends_with(".local") { name.to_string() } else { format!("{name}.local") };
    Some(question(&name, client(after), told))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(messages: &[&str]) -> Vec<String> {
        let mut requests = Requests::default();
        let mut out = Decoded::default();
        for (at, message) in messages.iter().enumerate() {
            let told = Told {
                time: Timestamp(at as i64),
                offset: at as u64,
                device: None,
                log_source: LogSource::UnifiedLog,
            };
            requests.message(message, &told, &mut out);
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
    fn what_is_masked_in_older_versions_is_told_by_its_mask() {
        let masked = "[R9] DNSServiceBrowse(<mask.hash: 'aB=='>, 0) START PID[9731](dns-sd)";
        let private = "[R8] DNSServiceBrowse(<private>) START PID[9731](dns-sd)";
        let stop = "[R8] DNSServiceBrowse(<private>) STOP PID[9731](dns-sd)";
        assert_eq!(told(&[masked, private, stop]), ["0 mask:aB=="]);
        assert_eq!(client(private), Some((9731, "dns-sd".to_string())));
    }

    #[test]
    fn later_lines_hold_the_number_alone() {
        // Within a short time only the first line of a request is full.
        let stop = "[R7] DNSServiceBrowse STOP -- name hash: 262b8524";
        let other = "[R71] DNSServiceBrowse STOP -- name hash: 5553fc5b";
        assert_eq!(told(&[START, other, stop]), ["0 hash:262b8524"]);
        assert_eq!(client(START), Some((12, "dns-sd".to_string())));
    }

    #[test]
    fn a_number_that_is_used_anew_loses_nothing() {
        assert_eq!(told(&[START, START]), ["0 mask:aB==", "1 mask:aB=="]);
    }
}
