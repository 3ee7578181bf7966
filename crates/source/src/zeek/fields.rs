//! The fields of a row that are used, under whatever spelling they came.

use std::borrow::Cow;
use std::str::FromStr;

use lapwing_event::{Address, Timestamp};

use super::Log;
use crate::plain;

/// A field that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Ts,
    OrigHost,
    OrigPort,
    RespHost,
    RespPort,
    Proto,
    ConnState,
    History,
    OrigBytes,
    RespBytes,
    RespPackets,
    Query,
    QueryType,
    ReplyCode,
    Answers,
    /// Any column that says that the server of a protocol's log has answered.
    Answered,
    Note,
    Message,
    Source,
    Destination,
}

impl Field {
    pub(super) const COUNT: usize = Field::Destination as usize + 1;

    /// Those that rows of several logs have.
    pub(super) const COMMON: [Field; 15] = [
        Field::Ts,
        Field::OrigHost,
        Field::OrigPort,
        Field::RespHost,
        Field::RespPort,
        Field::Proto,
        Field::ConnState,
        Field::History,
        Field::OrigBytes,
        Field::RespBytes,
        Field::RespPackets,
        Field::Query,
        Field::QueryType,
        Field::ReplyCode,
        Field::Answers,
    ];

    /// The field of a log's column, by Zeek's name for it or with underscores for dots (logs that went
    /// through pipelines which allow no dots in names).
    pub(super) fn of_column(log: Log, name: &str) -> Option<Field> {
        match (log, name) {
            (Log::Service(service), name) if service.answers.contains(&name) => {
                return Some(Field::Answered);
            }
            (Log::Notice, "note") => return Some(Field::Note),
            (Log::Notice, "msg") => return Some(Field::Message),
            (Log::Notice, "src") => return Some(Field::Source),
            (Log::Notice, "dst") => return Some(Field::Destination),
            _ => {}
        }
        Some(match name {
            "ts" => Field::Ts,
            "id.orig_h" | "id_orig_h" => Field::OrigHost,
            "id.orig_p" | "id_orig_p" => Field::OrigPort,
            "id.resp_h" | "id_resp_h" => Field::RespHost,
            "id.resp_p" | "id_resp_p" => Field::RespPort,
            "proto" => Field::Proto,
            "conn_state" => Field::ConnState,
            "history" => Field::History,
            "orig_bytes" => Field::OrigBytes,
            "resp_bytes" => Field::RespBytes,
            "resp_pkts" => Field::RespPackets,
            "query" => Field::Query,
            "qtype" => Field::QueryType,
            "rcode" => Field::ReplyCode,
            "answers" => Field::Answers,
            _ => return None,
        })
    }
}

/// Why a row gives no event.
pub(super) enum Refused {
    /// It tells of nothing that is judged; the fixed words say what it is.
    Nothing(&'static str),
    /// It breaks its format: fixed words, and the detail.
    Malformed(&'static str, String),
}

/// What a field holds: its text, or what a plain one says, which is read once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Value<'a> {
    #[default]
    Unset,
    Text(&'a str),
    Number(u64),
    Time(Timestamp),
    Address(Address),
}

impl Value<'_> {
    /// The value of such a field that the text begins with, and its length, where it is plain and nobody
    /// asks for the field's text.
    #[inline]
    pub(super) fn leading(field: Field, text: &[u8]) -> Option<(Value<'static>, usize)> {
        match field {
            Field::Ts => {
                plain::leading_seconds(text).map(|(time, length)| (Value::Time(time), length))
            }
            Field::OrigHost | Field::RespHost => {
                plain::leading_dotted(text).map(|(host, length)| (Value::Address(host), length))
            }
            Field::OrigPort
            | Field::RespPort
            | Field::OrigBytes
            | Field::RespBytes
            | Field::RespPackets => {
                plain::leading_number(text).map(|(number, length)| (Value::Number(number), length))
            }
            _ => None,
        }
    }
}

/// One row: each field that is set.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    values: [Value<'a>; Field::COUNT],
    /// Texts that are not written as they are.
    own: Vec<(Field, String)>,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn set(&mut self, field: Field, value: Value<'a>) {
        self.values[field as usize] = value;
    }

    pub(super) fn set_text(&mut self, field: Field, text: Cow<'a, str>) {
        match text {
            Cow::Borrowed(text) => self.set(field, Value::Text(text)),
            Cow::Owned(text) => self.own.push((field, text)),
        }
    }

    /// Whether the field is set.
    #[inline]
    pub(super) fn has(&self, field: Field) -> bool {
        !matches!(self.values[field as usize], Value::Unset) || self.text(field).is_some()
    }

    /// The text of a field that was not plain.
    #[inline]
    pub(super) fn text(&self, field: Field) -> Option<&str> {
        match self.values[field as usize] {
            Value::Text(text) => Some(text),
            _ => {
                let mut own = self.own.iter();
                own.find(|(known, _)| *known == field).map(|(_, text)| &**text)
            }
        }
    }

    /// The number in a field; `None` where it is unset or no number.
    pub(super) fn number<T: TryFrom<u64> + FromStr>(&self, field: Field) -> Option<T> {
        match self.values[field as usize] {
            Value::Number(number) => number.try_into().ok(),
            _ => self.text(field)?.parse().ok(),
        }
    }

    /// The time of the row: decimal seconds, milliseconds (`JSON::TS_MILLIS`) or ISO 8601.
    pub(super) fn time(&self) -> Result<Timestamp, Refused> {
        if let Value::Time(time) = self.values[Field::Ts as usize] {
            return Ok(time);
        }
        let text = self.text(Field::Ts).unwrap_or_default();
        time(text).ok_or_else(|| {
            let detail = format!("expected seconds or RFC 3339, found {text:?}");
            Refused::Malformed("no time", detail)
        })
    }

    /// The address in a field.
    pub(super) fn address(&self, field: Field) -> Result<Address, Refused> {
        if let Value::Address(address) = self.values[field as usize] {
            return Ok(address);
        }
        let text = self.text(field).unwrap_or_default();
        text.parse().map_err(|_| {
            Refused::Malformed("no address", format!("expected an IP address, found {text:?}"))
        })
    }

    /// The port in a field.
    pub(super) fn port(&self, field: Field) -> Result<u16, Refused> {
        self.number(field).ok_or_else(|| {
            let text = match self.values[field as usize] {
                Value::Number(number) => number.to_string(),
                _ => self.text(field).unwrap_or_default().to_string(),
            };
            Refused::Malformed("no port", format!("expected a port number, found {text:?}"))
        })
    }
}

/// Seconds since the epoch have at most this many digits before the point (the year 5138); with
/// more, the number is one of milliseconds.
const SECONDS_DIGITS: usize = 11;

fn time(text: &str) -> Option<Timestamp> {
    if text.as_bytes().get(4) == Some(&b'-') {
        return Timestamp::parse_rfc3339(text);
    }
    let whole = text.bytes().position(|byte| byte == b'.').unwrap_or(text.len());
    if whole > SECONDS_DIGITS {
        let (seconds, millis) = text.get(..whole)?.split_at_checked(whole - 3)?;
        let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
        return Timestamp::parse_decimal_seconds(&format!("{seconds}.{millis}{fraction}"));
    }
    Timestamp::parse_decimal_seconds(text)
}
