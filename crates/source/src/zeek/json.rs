//! Logs of one JSON object a line. Seen in the wild: Zeek's own dotted keys with epoch seconds,
//! milliseconds or ISO times; underscores for dots and `@stream` (Security Onion); `_path`
//! (Corelight); the row as the value of its log's name (`{"conn": {…}}`); `id` as an object.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fields::{Field, Fields, Value};
use super::service::Service;
use super::{Log, row};
use crate::json::{self, Scalar, Scanner, Shapes};
use crate::{Decoded, LineFormat, Problem};

/// How deep rows are gone into: a value that is an object or a list is of use as a whole or not at all.
const DEPTH: usize = 1;

/// The decoder; each line stands alone.
pub(super) struct Json {
    /// What is known of the rows so far.
    shapes: Shapes<Option<Column>>,
}

impl Default for Json {
    fn default() -> Json {
        Json { shapes: Shapes::new(DEPTH, Column::of) }
    }
}

impl LineFormat for Json {
    const STANDS_ALONE: bool = true;

    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let text = std::str::from_utf8(line);
        let (mut tells, mut fields) = (Tells::default(), Fields::default());
        let scan = |text| scan(&mut self.shapes, text, &mut tells, &mut fields);
        let log = match text.ok().and_then(scan) {
            Some(()) => tells.log(line),
            None => {
                match text.map_or_else(|_| serde_json::from_slice(line), serde_json::from_str) {
                    Ok(row) => {
                        let log;
                        (log, fields) = parsed(&row, line);
                        log
                    }
                    Err(error) => {
                        out.records += 1;
                        out.note(Problem::Malformed, "no JSON object", offset, || {
                            error.to_string()
                        });
                        return;
                    }
                }
            }
        };
        if log == Log::Other {
            let key = "Zeek logs that hold no conversations";
            out.note_times(Problem::Note, key, offset, 1);
        }
        if let Log::Service(_) | Log::Notice = log {
            further(log, line, &mut fields);
        }
        row(log, &fields, offset, out);
    }

    fn end(&mut self, _: &mut Decoded) {}
}

/// Reads the fields of a row that has nothing rare in it, and what tells its log; `None` for others, of
/// which some may be read by then.
fn scan<'a>(
    shapes: &mut Shapes<Option<Column>>,
    text: &'a str,
    tells: &mut Tells<'a>,
    fields: &mut Fields<'a>,
) -> Option<()> {
    let mut scanner = Scanner::new(text);
    let mut place = shapes.start()?;
    while let Some(next) = shapes.next(&mut scanner, place)? {
        place = next;
        let column = shapes.about(place);
        if let Some(Column::Field(field)) = column
            && let Some((value, length)) = plain(field, scanner.rest())
        {
            (!fields.has(field)).then_some(())?;
            fields.set(field, value);
            scanner.pass_bytes(length);
            continue;
        }
        let before = scanner.place();
        let scalar = match scanner.peek()? {
            b'{' | b'[' => scanner.raw_value().map(|_| None)?,
            _ => Some(scanner.scalar()?),
        };
        let Some(column) = column else { continue };
        let value = match scalar {
            Some((Scalar::Null, _)) => None,
            Some((Scalar::Text { escaped: true }, _)) | None => json::text(scanner.since(before)?),
            Some((_, range)) => Some(Cow::Borrowed(text.get(range)?)),
        };
        let Some(value) = value else { continue };
        match column {
            Column::Field(field) => {
                tells.conn |= field == Field::ConnState;
                tells.query |= field == Field::Query;
                (!fields.has(field)).then_some(())?;
                fields.set_text(field, value);
            }
            Column::Path => tells.path.replace(value).is_none().then_some(())?,
            Column::Stream => tells.stream.replace(value).is_none().then_some(())?,
            Column::Rejected if !tells.rejected => tells.rejected = true,
            // The row, or its ends, within another.
            _ => return None,
        }
    }
    (scanner.place() == text.len()).then_some(())
}

/// The value of such a field that the text begins with, and how it is written is that long: a number, or
/// an address in quotes.
#[inline]
fn plain(field: Field, text: &[u8]) -> Option<(Value<'static>, usize)> {
    let quotes = usize::from(text.first() == Some(&b'"'));
    let (value, length) = Value::leading(field, text.get(quotes..)?)?;
    let fits = match value {
        Value::Address(_) => quotes == 1 && text.get(1 + length) == Some(&b'"'),
        // A number has no zeros before it (RFC 8259 section 6).
        _ => quotes == 0 && !matches!(text, [b'0', b'0'..=b'9', ..]),
    };
    let whole = length + 2 * quotes;
    (fits && matches!(text.get(whole), Some(b',' | b'}'))).then_some((value, whole))
}

/// The log and the fields of a row.
fn parsed<'a>(outer: &Row<'a>, line: &[u8]) -> (Log, Fields<'a>) {
    let inner = |column| outer.get(column).and_then(object::<Row<'a>>);
    match (inner(Column::Conn), inner(Column::Dns)) {
        (Some(inner), _) => (Log::Conn, inner.fields()),
        (None, Some(inner)) => (Log::Dns, inner.fields()),
        (None, None) => (outer.tells().log(line), outer.fields()),
    }
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

/// What tells of which log a row is.
#[derive(Default)]
struct Tells<'a> {
    path: Option<Cow<'a, str>>,
    stream: Option<Cow<'a, str>>,
    /// Whether it has a conn_state, a query, and the flag of rejected ones.
    conn: bool,
    query: bool,
    rejected: bool,
}

impl Tells<'_> {
    /// The log that a row says it is of, else the one whose own fields it has.
    fn log(&self, line: &[u8]) -> Log {
        match self.path.as_ref().or(self.stream.as_ref()) {
            Some(name) => Log::named(name),
            None if self.conn => Log::Conn,
            None if self.query && self.rejected => Log::Dns,
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
}

/// Sets the fields that this log alone has.
fn further<'a>(log: Log, line: &'a [u8], fields: &mut Fields<'a>) {
    let columns: BTreeMap<Cow<'a, str>, &'a RawValue> =
        serde_json::from_slice(line).unwrap_or_default();
    for (name, raw) in columns {
        if let Some(field) = Field::of_column(log, &name)
            && let Some(value) = json::text(raw.get())
        {
            fields.set_text(field, value);
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

    fn tells(&self) -> Tells<'a> {
        Tells {
            path: self.get(Column::Path).and_then(json::text),
            stream: self.get(Column::Stream).and_then(json::text),
            conn: self.get(Column::Field(Field::ConnState)).is_some(),
            query: self.get(Column::Field(Field::Query)).is_some(),
            rejected: self.get(Column::Rejected).is_some(),
        }
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
            if let Some(text) = raw.and_then(json::text) {
                fields.set_text(field, text);
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
