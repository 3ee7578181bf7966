//! Event time: nanoseconds since the Unix epoch, in UTC.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Nanoseconds in a second.
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A moment in event time, in nanoseconds since 1970-01-01T00:00:00Z; holds 1677 to 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// A length of event time in nanoseconds; negative where the earlier moment came second.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Span(pub i64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of whole seconds, saturating at the type's ends.
    pub const fn seconds(seconds: i64) -> Span {
        Span(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// A span of whole milliseconds, saturating at the type's ends.
    pub const fn millis(millis: i64) -> Span {
        Span(millis.saturating_mul(1_000_000))
    }

    /// The span in seconds, as a float for rates and for people.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND as f64
    }

    /// The span multiplied by a whole number, saturating.
    pub const fn times(self, factor: i64) -> Span {
        Span(self.0.saturating_mul(factor))
    }
}

impl Timestamp {
    /// The earliest moment that can be held.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest moment that can be held.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// The moment `seconds` and `nanos` after the epoch; `None` where it cannot be held or where
    /// `nanos` is a second or more.
    pub fn from_parts(seconds: i64, nanos: u32) -> Option<Timestamp> {
        if i64::from(nanos) >= NANOS_PER_SECOND {
            return None;
        }
        seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(i64::from(nanos)).map(Timestamp)
    }

    /// The moment `seconds` after the epoch; `None` where it cannot be held.
    pub fn from_seconds(seconds: i64) -> Option<Timestamp> {
        Timestamp::from_parts(seconds, 0)
    }

    /// Parses RFC 3339 text with a zone, such as `2026-03-02T09:14:07.551Z`; `None` for anything
    /// else, and for a time that cannot be held.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        let parsed: jiff::Timestamp = text.trim().parse().ok()?;
        i64::try_from(parsed.as_nanosecond()).ok().map(Timestamp)
    }

    /// Parses decimal seconds since the epoch with up to nine fraction digits, such as
    /// `1772442847.551` (Zeek, auditd); exact, since no float is involved. Digits past the ninth
    /// are cut. `None` for anything else.
    pub fn parse_decimal_seconds(text: &str) -> Option<Timestamp> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let mut nanos: u32 = 0;
        for position in 0..9 {
            let digit = fraction.as_bytes().get(position).map_or(0, |b| b - b'0');
            nanos = nanos * 10 + u32::from(digit);
        }
        let moment = Timestamp::from_parts(whole.parse().ok()?, nanos)?;
        Some(if negative { Timestamp(-moment.0) } else { moment })
    }

    /// The moment moved later by a span, saturating at the type's ends.
    pub const fn plus(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }

    /// The moment moved earlier by a span, saturating at the type's ends.
    pub const fn minus(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_sub(span.0))
    }

    /// How long after `earlier` this moment is, saturating; negative where it is before it.
    pub const fn since(self, earlier: Timestamp) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Span) -> Timestamp {
        self.plus(span)
    }
}

impl Sub<Span> for Timestamp {
    type Output = Timestamp;
    fn sub(self, span: Span) -> Timestamp {
        self.minus(span)
    }
}

/// RFC 3339 in UTC, with as many fraction digits as the moment needs (0, 3, 6 or 9).
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.rem_euclid(NANOS_PER_SECOND);
        let precision = match nanos {
            0 => 0,
            n if n % 1_000_000 == 0 => 3,
            n if n % 1_000 == 0 => 6,
            _ => 9,
        };
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(moment) => write!(f, "{moment:.precision$}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_seconds_are_exact() {
        let parse = Timestamp::parse_decimal_seconds;
        assert_eq!(parse("1772442847.551"), Some(Timestamp(1_772_442_847_551_000_000)));
        assert_eq!(parse("0.000000001"), Some(Timestamp(1)));
        assert_eq!(parse("-1.5"), Some(Timestamp(-1_500_000_000)));
        assert_eq!(parse("5"), Some(Timestamp(5_000_000_000)));
        for bad in ["", "-", ".5", "1.2.3", "1e9", " 1", "99999999999999999999"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn display_is_rfc3339_and_parses_back() {
        for nanos in [0, 1, 1_000, 1_772_442_847_551_000_000, -1] {
            let moment = Timestamp(nanos);
            let text = moment.to_string();
            assert_eq!(Timestamp::parse_rfc3339(&text), Some(moment), "{text}");
        }
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(1_500_000_000).to_string(), "1970-01-01T00:00:01.500Z");
    }

    #[test]
    fn a_nanosecond_field_out_of_range_is_no_time() {
        assert_eq!(Timestamp::from_parts(1, 1_000_000_000), None);
        assert_eq!(Timestamp::from_parts(i64::MAX, 0), None);
    }
}
