//! What mDNSResponder writes of the requests of its clients, whatever log holds it.
//!
//! A request's first line names its client; the type is masked unless a logging profile shows it. The
//! name's hash stands on a later line of the request (`[R<id>]`), or on the same in newer versions,
//! in hexadecimal or decimal. So a question is told of when its hash is known, or its request ends.
//!
//! Formats: mDNSShared/uds_daemon.c of mDNSResponder, of 2008 to 2025, and the strings of later programs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Dns, Event, LogSource, Outcome, Process, Record, Timestamp,
};

use super::request_lines::{Line, Operation, Phase, Shown};
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
    /// Whether this log's hashes are decimal, once one of them showed.
    decimal: Option<bool>,
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
    operation: Operation,
    client: Option<(u32, String)>,
    shown: Option<Shown>,
    number: u64,
}

impl Requests {
    /// Takes one message of mDNSResponder.
    pub(crate) fn message(&mut self, text: &str, told: &Told, out: &mut Decoded) {
        let offset = told.offset;
        // Look-ups of hosts and of single instances enumerate nothing.
        let Some(line) = Line::read(text) else {
            return out.note_times(Problem::Note, "events not used", offset, 1);
        };
        let hash = line.hash.and_then(|digits| self.hash(digits));
        let id = line.request.map(|number| (told.device.clone(), number));
        let known = id.as_ref().is_some_and(|id| self.open.contains_key(id));
        // A request that was told of a moment ago begins again without its client.
        let begins = line.phase == Phase::Start && (line.client.is_some() || !known);
        if begins {
            if !line.asks {
                return out.note_times(Problem::Note, "events not used", offset, 1);
            }
            let request = Request {
                told: told.clone(),
                operation: line.operation,
                client: line.client.clone(),
                shown: line.shown.clone(),
                number: self.count,
            };
            let Some(id) = id.clone() else { return request.tell(hash, out) };
            self.count += 1;
            self.order.insert(request.number, id.clone());
            if let Some(before) = self.open.insert(id, request) {
                self.order.remove(&before.number);
                before.tell(None, out);
            }
            if self.open.len() > MAX_REQUESTS {
                self.tell_oldest(out);
            }
        }
        let named = matches!(line.shown, Some(Shown::Name(_)));
        let ends = line.phase == Phase::Stop || (begins && named);
        if hash.is_none() && !ends {
            return;
        }
        if let Some(mut request) = id.and_then(|id| self.open.remove(&id)) {
            self.order.remove(&request.number);
            request.client = request.client.take().or(line.client);
            request.tell(hash, out);
        }
    }

    /// A hash of 32 bits as this log prints it.
    fn hash(&mut self, digits: &str) -> Option<u32> {
        let digits = digits.trim_start_matches("0x");
        let hexadecimal = digits.bytes().any(|byte| byte.is_ascii_alphabetic());
        let decimal = !hexadecimal && (digits.len() > 8 || self.decimal == Some(true));
        if hexadecimal || digits.len() > 8 {
            self.decimal = Some(decimal);
        }
        // Eight digits without a letter may be either, and are of the kind of the others.
        match decimal {
            true => digits.parse().ok(),
            false => u32::from_str_radix(digits, 16).ok(),
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
        let name = match (self.shown, hash, self.operation) {
            (Some(Shown::Name(name)), ..) => name,
            (_, Some(hash), Operation::Browse) => format!("hash:{hash:08x}"),
            // Its name may be a service type, an address or anything else; only a browse's is surely a type.
            (_, Some(hash), Operation::Query) => format!("queried-hash:{hash:08x}"),
            (Some(Shown::Mask(mask)), None, Operation::Browse) => format!("mask:{mask}"),
            _ => {
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
    }

    #[test]
    fn later_lines_hold_the_number_alone() {
        // Within a short time only the first line of a request is full.
        let stop = "[R7] DNSServiceBrowse STOP -- name hash: 262b8524";
        let other = "[R71] DNSServiceBrowse STOP -- name hash: 5553fc5b";
        assert_eq!(told(&[START, other, stop]), ["0 hash:262b8524"]);
    }

    #[test]
    fn a_number_that_is_used_anew_loses_nothing() {
        assert_eq!(told(&[START, START]), ["0 mask:aB==", "1 mask:aB=="]);
    }
}
