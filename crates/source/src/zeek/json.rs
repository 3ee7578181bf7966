//! Logs of one JSON object a line. Seen in the wild: Zeek's own dotted keys with epoch seconds,
//! milliseconds or ISO times; underscores for dots and `@stream` (Security Onion); `_path`
//! (Corelight); the row as the value of its log's name (`{"conn": {…}}`); `id` as an object.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::{Field, Fields};
use super::service::Service;
use super::{Log, row};
use crate::json::text;
use crate::{Decoded, LineFormat, Problem};

/// The decoder; each line stands alone.
pub(super) struct Json;

impl LineFormat for Json {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let parsed: Row<'_> = match serde_json::from_slice(line) {
            Ok(row) => row,
            Err(error) => {
                out.records += 1;
                out.note(Problem::Malformed, "no JSON object", offset, || error.to_string());
                return;
            }
        };
        let (log, parsed) = match (parsed.conn.and_then(object), parsed.dns.and_then(object)) {
            (Some(inner), _) => (Log::Conn, inner),
            (None, Some(inner)) => (Log::Dns, inner),
            (None, None) => (log_of(&parsed, line), parsed),
        };
        if log == Log::Other {
            let key = "Zeek logs that hold no conversations";
            out.note_times(Problem::Note, key, offset, 1);
        }
        let mut fields = parsed.fields();
        if let Log::Service(_) | Log::Notice = log {
            further(log, line, &mut fields);
        }
        row(log, &fields, offset, out);
    }

    fn end(&mut self, _: &mut Decoded) {}
}

/// Whether a line holds what a row of Zeek's has: endpoints under its names, or the name of a log.
pub(super) fn is_zeek(line: &[u8]) -> bool {
    let has = |key: &[u8]| memchr::memmem::find(line, key).is_some();
    has(b"\"ts\"")
        && (has(b"\"id.orig_h\"")
            || has(b"\"id_orig_h\"")
            || (has(b"\"id\"") && has(b"\"orig_h\""))
            || has(b"\"_path\""))
}

/// The log that a row says it is of, else the one whose own fields it has.
fn log_of(row: &Row<'_>, line: &[u8]) -> Log {
    match row.path.or(row.stream).and_then(text) {
        Some(name) => Log::named(&name),
        None if row.conn_state.is_some() => Log::Conn,
        None if row.query.is_some() && row.is_dns.is_some() => Log::Dns,
        None => {
            let has = |column: &str| {
                let key = format!("\"{column}\":");
                memchr::memmem::find(line, key.as_bytes()).is_some()
            };
            match Service::with_column(has) {
                Some(service) => Log::Service(service),
                None if has("note") && has("msg") => Log::Notice,
                None => Log::Other,
            }
        }
    }
}

/// Sets the fields that this log alone has.
fn further<'a>(log: Log, line: &'a [u8], fields: &mut Fields<'a>) {
    let columns: BTreeMap<Cow<'a, str>, &'a RawValue> =
        serde_json::from_slice(line).unwrap_or_default();
    for (name, raw) in columns {
        if let Some(field) = Field::of_column(log, &name)
            && let Some(value) = text(raw)
        {
            fields.set(field, value);
        }
    }
}

/// A value of any type as it stands in the line.
type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, rename = "_path")]
    path: Raw<'a>,
    #[serde(borrow, rename = "@stream")]
    stream: Raw<'a>,
    #[serde(borrow)]
    conn: Raw<'a>,
    #[serde(borrow)]
    dns: Raw<'a>,
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    ts: Raw<'a>,
    #[serde(borrow, rename = "id.orig_h", alias = "id_orig_h")]
    orig_h: Raw<'a>,
    #[serde(borrow, rename = "id.orig_p", alias = "id_orig_p")]
    orig_p: Raw<'a>,
    #[serde(borrow, rename = "id.resp_h", alias = "id_resp_h")]
    resp_h: Raw<'a>,
    #[serde(borrow, rename = "id.resp_p", alias = "id_resp_p")]
    resp_p: Raw<'a>,
    #[serde(borrow)]
    proto: Raw<'a>,
    #[serde(borrow)]
    conn_state: Raw<'a>,
    #[serde(borrow)]
    history: Raw<'a>,
    #[serde(borrow)]
    orig_bytes: Raw<'a>,
    #[serde(borrow)]
    resp_bytes: Raw<'a>,
    #[serde(borrow)]
    resp_pkts: Raw<'a>,
    #[serde(borrow)]
    query: Raw<'a>,
    #[serde(borrow)]
    qtype: Raw<'a>,
    #[serde(borrow)]
    rcode: Raw<'a>,
    #[serde(borrow)]
    answers: Raw<'a>,
    /// Every row of dns.log has this flag, answered or not.
    #[serde(borrow, rename = "rejected")]
    is_dns: Raw<'a>,
}

#[derive(Deserialize)]
struct Id<'a> {
    #[serde(borrow)]
    orig_h: Raw<'a>,
    #[serde(borrow)]
    orig_p: Raw<'a>,
    #[serde(borrow)]
    resp_h: Raw<'a>,
    #[serde(borrow)]
    resp_p: Raw<'a>,
}

impl<'a> Row<'a> {
    fn fields(&self) -> Fields<'a> {
        let id: Option<Id<'a>> = self.id.and_then(object);
        let id = |of: fn(&Id<'a>) -> Raw<'a>| id.as_ref().and_then(of);
        let values = [
            (Field::Ts, self.ts),
            (Field::OrigHost, self.orig_h.or(id(|id| id.orig_h))),
            (Field::OrigPort, self.orig_p.or(id(|id| id.orig_p))),
            (Field::RespHost, self.resp_h.or(id(|id| id.resp_h))),
            (Field::RespPort, self.resp_p.or(id(|id| id.resp_p))),
            (Field::Proto, self.proto),
            (Field::ConnState, self.conn_state),
            (Field::History, self.history),
            (Field::OrigBytes, self.orig_bytes),
            (Field::RespBytes, self.resp_bytes),
            (Field::RespPackets, self.resp_pkts),
            (Field::Query, self.query),
            (Field::QueryType, self.qtype),
            (Field::ReplyCode, self.rcode),
            (Field::Answers, self.answers),
        ];
        let mut fields = Fields::default();
        for (field, raw) in values {
            if let Some(text) = raw.and_then(text) {
                fields.set(field, text);
            }
        }
        fields
    }
}

/// A value that is an object of this shape.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}
