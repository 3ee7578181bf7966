//! Logs of one JSON object a line. Seen in the wild: Zeek's own dotted keys with epoch seconds,
//! milliseconds or ISO times; underscores for dots and `@stream` (Security Onion); `_path`
//! (Corelight); the row as the value of its log's name (`{"conn": {…}}`); `id` as an object.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fields::{Field, Fields};
use super::service::Service;
use super::{Log, row};
use crate::json::{Scanner, text};
use crate::{Decoded, LineFormat, Problem};

/// The decoder; each line stands alone.
pub(super) struct Json;

impl LineFormat for Json {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let parsed = match std::str::from_utf8(line) {
            Ok(text) => Row::of(text),
            Err(_) => serde_json::from_slice(line),
        };
        let parsed = match parsed {
            Ok(row) => row,
            Err(error) => {
                out.records += 1;
                out.note(Problem::Malformed, "no JSON object", offset, || error.to_string());
                return;
            }
        };
        let inner = |column| parsed.get(column).and_then(object);
        let (log, parsed) = match (inner(Column::Conn), inner(Column::Dns)) {
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
    let has = |column| row.get(column).is_some();
    match row.get(Column::Path).or(row.get(Column::Stream)).and_then(text) {
        Some(name) => Log::named(&name),
        None if has(Column::Field(Field::ConnState)) => Log::Conn,
        None if has(Column::Field(Field::Query)) && has(Column::Rejected) => Log::Dns,
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
            && let Some(value) = text(raw.get())
        {
            fields.set(field, value);
        }
    }
}

/// A field of a row, or what tells which log it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Path,
    Stream,
    Conn,
    Dns,
    Id,
    /// Every row of dns.log has this flag, answered or not.
    Rejected,
    Field(Field),
}

impl Column {
    const COUNT: usize = 6 + Field::COUNT;

    fn of(key: &str) -> Option<Column> {
        Some(match key {
            "_path" => Column::Path,
            "@stream" => Column::Stream,
            "conn" => Column::Conn,
            "dns" => Column::Dns,
            "id" => Column::Id,
            "rejected" => Column::Rejected,
            key => Column::Field(Field::of_column(Log::Other, key)?),
        })
    }

    fn place(self) -> usize {
        match self {
            Column::Path => 0,
            Column::Stream => 1,
            Column::Conn => 2,
            Column::Dns => 3,
            Column::Id => 4,
            Column::Rejected => 5,
            Column::Field(field) => 6 + field as usize,
        }
    }
}

/// One object: its values of use as they stand in the line; nulls are left out.
#[derive(Clone, Copy)]
struct Row<'a>([Option<&'a str>; Column::COUNT]);

impl<'a> Row<'a> {
    /// Reads an object.
    fn of(text: &'a str) -> serde_json::Result<Row<'a>> {
        match Row::scan(text) {
            Some(row) => Ok(row),
            None => serde_json::from_str(text),
        }
    }

    /// Reads an object that has nothing rare in it.
    fn scan(text: &'a str) -> Option<Row<'a>> {
        let mut row = Row([None; Column::COUNT]);
        let mut scanner = Scanner::new(text);
        scanner.object()?;
        scanner.members(|scanner, key| {
            let raw = scanner.raw_value()?;
            (!key.escaped).then_some(())?;
            match Column::of(key.raw) {
                Some(column) => row.set(column, raw).then_some(()),
                None => Some(()),
            }
        })?;
        (scanner.place() == text.len()).then_some(row)
    }

    /// Sets a value; whether there was none.
    fn set(&mut self, column: Column, raw: &'a str) -> bool {
        let place = &mut self.0[column.place()];
        let is_new = place.is_none();
        *place = Some(raw).filter(|raw| *raw != "null");
        is_new
    }

    fn get(&self, column: Column) -> Option<&'a str> {
        self.0[column.place()]
    }

    fn fields(&self) -> Fields<'a> {
        let id = self.get(Column::Id).and_then(object::<Id<'a>>);
        let mut fields = Fields::default();
        for field in Field::COMMON {
            let within = id.as_ref().and_then(|id| match field {
                Field::OrigHost => id.orig_h,
                Field::OrigPort => id.orig_p,
                Field::RespHost => id.resp_h,
                Field::RespPort => id.resp_p,
                _ => None,
            });
            let raw = self.get(Column::Field(field)).or(within.map(RawValue::get));
            if let Some(text) = raw.and_then(text) {
                fields.set(field, text);
            }
        }
        fields
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Row<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Row<'a>, D::Error> {
        deserializer.deserialize_map(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Row<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row of a log")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row<'de>, A::Error> {
        let mut row = Row([None; Column::COUNT]);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let raw: &'de RawValue = map.next_value()?;
            if let Some(column) = Column::of(&key)
                && !row.set(column, raw.get())
            {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            }
        }
        Ok(row)
    }
}

/// The endpoints as an object of their own.
#[derive(Deserialize)]
struct Id<'a> {
    #[serde(borrow)]
    orig_h: Option<&'a RawValue>,
    #[serde(borrow)]
    orig_p: Option<&'a RawValue>,
    #[serde(borrow)]
    resp_h: Option<&'a RawValue>,
    #[serde(borrow)]
    resp_p: Option<&'a RawValue>,
}

/// A value that is an object of this shape.
fn object<'a, T: Deserialize<'a>>(raw: &'a str) -> Option<T> {
    serde_json::from_str(raw).ok()
}
