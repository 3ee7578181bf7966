//! Zeek's logs of conversations and notices, as tab-separated values or JSON.
//!
//! Both spellings fill one row of [`Fields`], which `conn`, `dns`, `service` and `notice` turn into
//! events. Logs of protocols (http, rdp …) hold no attempt that the conn log of the same sensor lacks:
//! they are judged where that is missing. Zeek writes a connection when it ends, with the time of its first packet, so
//! a log is not in event-time order.
//!
//! <https://docs.zeek.org/en/current/logs/conn.html>

mod conn;
mod dns;
mod fields;
mod json;
mod notice;
mod service;
#[cfg(test)]
mod tests;
mod tsv;

pub(crate) use conn::{conn_state, initiator, outcome};
use fields::{Fields, Refused};
use service::Service;

use crate::{Decoded, Decoder, Lines, Problem};

/// Whether the input is a Zeek log with a header.
pub(crate) fn is_tsv(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    // Logs that were pasted or put together by scripts may begin with blanks.
    head.trim_ascii_start().starts_with(b"#separator")
}

/// Whether the input is a Zeek log of one JSON object a line, in any of its spellings.
pub(crate) fn is_json(head: &[u8]) -> bool {
    let head = crate::json::start(head);
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"{") && json::is_zeek(line)
}

/// A decoder of logs with a header.
pub(crate) fn tsv_decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(tsv::Tsv::default()))
}

/// A decoder of JSON lines.
pub(crate) fn json_decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(json::Json::default()))
}

/// Which log a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Conn,
    Dns,
    /// A protocol's.
    Service(&'static Service),
    /// What scripts say of hosts.
    Notice,
    /// Any other: passed over.
    Other,
}

impl Log {
    /// The log of this name, as `#path`, `_path` and `@stream` give it.
    fn named(name: &str) -> Log {
        match name {
            "conn" | "conn_long" | "conn_red" => Log::Conn,
            "dns" | "mdns" | "dns_red" => Log::Dns,
            "notice" => Log::Notice,
            name => Service::named(name).map_or(Log::Other, Log::Service),
        }
    }
}

/// Turns a row into an event, or says why there is none.
fn row(log: Log, fields: &Fields<'_>, offset: u64, out: &mut Decoded) {
    out.records += 1;
    let event = match log {
        Log::Conn => conn::event(fields, offset),
        Log::Dns => dns::event(fields, offset),
        Log::Service(service) => service::event(service, fields, offset),
        Log::Notice => notice::event(fields, offset),
        Log::Other => return,
    };
    match event {
        Ok(event) => out.events.push(event),
        Err(Refused::Nothing(key)) => out.note_times(Problem::Note, key, offset, 1),
        Err(Refused::Malformed(key, detail)) => {
            out.note(Problem::Malformed, key, offset, || detail);
        }
    }
}
