//! The fields of a row that are used, under whatever spelling they came.

use std::borrow::Cow;

use lapwing_event::{Address, Timestamp};

use super::Log;

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

/// One row: the text of each field that is set.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    texts: [Option<&'a str>; Field::COUNT],
    /// Those that are not written as they are.
    own: Vec<(Field, String)>,
}

impl<'a> Fields<'a> {
    pub(super) fn set(&mut self, field: Field, text: Cow<'a, str>) {
        match text {
            Cow::Borrowed(text) => self.texts[field as usize] = Some(text),
            Cow::Owned(text) => self.own.push((field, text)),
        }
    }

    #[inline]
    pub(super) fn text(&self, field: Field) -> Option<&str> {
        self.texts[field as usize].or_else(|| {
            let mut own = self.own.iter();
            own.find(|(known, _)| *known == field).map(|(_, text)| &**text)
        })
    }

    /// The number in a field; `None` where it is unset or no number.
    pub(super) fn number<T: std::str::FromStr>(&self, field: Field) -> Option<T> {
        self.text(field)?.parse().ok()
    }

    /// The time of the row: decimal seconds, milliseconds (`JSON::TS_MILLIS`) or ISO 8601.
    pub(super) fn time(&self) -> Result<Timestamp, Refused> {
        let text = self.text(Field::Ts).unwrap_or_default();
        time(text).ok_or_else(|| {
            let detail = format!("expected seconds or RFC 3339, found {text:?}");
            Refused::Malformed("no time", detail)
        })
    }

    /// The address in a field.
    pub(super) fn address(&self, field: Field) -> Result<Address, Refused> {
        let text = self.text(field).unwrap_or_default();
        text.parse().map_err(|_| {
            Refused::Malformed("no address", format!("expected an IP address, found {text:?}"))
        })
    }

    /// The port in a field.
    pub(super) fn port(&self, field: Field) -> Result<u16, Refused> {
        self.number(field).ok_or_else(|| {
            let text = self.text(field).unwrap_or_default();
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
