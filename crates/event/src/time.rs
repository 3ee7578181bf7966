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
        if let Some(time) = plain_rfc3339(text.as_bytes()) {
            return Some(time);
        }
        let parsed: jiff::Timestamp = text.trim().parse().ok()?;
        i64::try_from(parsed.as_nanosecond()).ok().map(Timestamp)
    }

    /// Parses `2026-03-02 09:14:07.551`, the way of Sysmon, whose times are in UTC and do not say so; `None` for
    /// anything else, and for a time that cannot be held.
    pub fn parse_utc(text: &str) -> Option<Timestamp> {
        if let Some(time) = plain(text.as_bytes(), b' ') {
            return Some(time);
        }
        let (day, clock) = text.split_once(' ')?;
        Timestamp::parse_rfc3339(&format!("{day}T{clock}Z"))
    }

    /// Parses decimal seconds since the epoch with up to nine fraction digits, such as
    /// `1772442847.551` (Zeek, auditd); exact, since no float is involved. Digits past the ninth
    /// are cut. `None` for anything else.
    pub fn parse_decimal_seconds(text: &str) -> Option<Timestamp> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            all => (false, all),
        };
        let (seconds, rest) = leading_number(digits)?;
        let nanos = match rest {
            [] => 0,
            [b'.', fraction @ ..] => nanos(fraction)?,
            _ => return None,
        };
        let moment = Timestamp::from_parts(seconds, nanos)?;
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

/// The number that the bytes begin with, and what follows it; `None` where there is none or it does not
/// fit.
fn leading_number(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut number: i64 = 0;
    let mut rest = bytes;
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        number = number.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
        rest = behind;
    }
    (rest.len() < bytes.len()).then_some((number, rest))
}

/// The digits of a fraction of a second in nanoseconds, those past the ninth cut; `None` for other bytes.
fn nanos(fraction: &[u8]) -> Option<u32> {
    let mut nanos = 0;
    let mut unit = NANOS_PER_SECOND as u32 / 10;
    for byte in fraction {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        nanos += u32::from(digit) * unit;
        unit /= 10;
    }
    Some(nanos)
}

/// `YYYY-MM-DDThh:mm:ss`, a fraction of at most nine digits, and `Z`: how nearly all logs write. `None`
/// for what else RFC 3339 allows, and for what it does not.
fn plain_rfc3339(text: &[u8]) -> Option<Timestamp> {
    plain(text.strip_suffix(b"Z")?, b'T')
}

/// The same without the `Z`, with this byte between day and hour.
fn plain(text: &[u8], between: u8) -> Option<Timestamp> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, t, h1, h2, b':', n1, n2, b':', s1, s2] = *head
    else {
        return None;
    };
    (t == between).then_some(())?;
    let two = |tens: u8, ones: u8| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    let (hour, minute, second) = (two(h1, h2)?, two(n1, n2)?, two(s1, s2)?);
    // The 29th and later days are of some months only.
    let whole = (1970..2200).contains(&year)
        && (1..=12).contains(&month)
        && (1..=28).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    whole.then_some(())?;
    let nanos = match rest {
        [] => 0,
        [b'.', fraction @ ..] if (1..=9).contains(&fraction.len()) => nanos(fraction)?,
        _ => return None,
    };
    // Days since the epoch, with years that begin in March, so that a leap day is the last of one.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = years / 4 - years / 100 + years / 400;
    let days = years * 365 + leap_days + (months * 153 + 2) / 5 + day - 1 - DAYS_TO_EPOCH;
    Timestamp::from_parts(((days * 24 + hour) * 60 + minute) * 60 + second, nanos)
}

/// The days from 1 March of the year 0 to 1 January 1970.
const DAYS_TO_EPOCH: i64 = 719_468;

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
    fn plain_times_are_those_of_the_calendar() {
        for day in 0..84_000_i64 {
            let second = day * 86_400 + day * 7_919 % 86_400;
            let moment = jiff::Timestamp::from_second(second).unwrap();
            let text = format!("{moment}");
            let plain = plain_rfc3339(text.as_bytes());
            let late = &text[8..10] > "28";
            assert_eq!(plain.is_none(), late, "{text}");
            let time = Some(Timestamp(second * NANOS_PER_SECOND));
            assert!(late || plain == time, "{text}");
            assert_eq!(Timestamp::parse_rfc3339(&text), time, "{text}");
        }
        let parse = Timestamp::parse_rfc3339;
        assert_eq!(
            parse("2026-02-28T23:59:59.000000001Z"),
            Some(Timestamp(1_772_323_199_000_000_001))
        );
        for text in ["2026-01-01T24:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
        for (text, same) in [
            ("2026-01-01T00:00:00.5Z", "2026-01-01T01:00:00.5+01:00"),
            ("2026-01-01T00:00:00.123456789Z", " 2026-01-01 00:00:00.123456789z"),
        ] {
            assert_eq!(plain_rfc3339(text.as_bytes()), parse(same), "{text}");
        }
    }

    #[test]
    fn times_of_utc_are_those_that_say_so() {
        for text in [
            "2026-03-02 09:14:07.551",
            "2026-03-02 09:14:07",
            "2026-12-31 23:59:59.123456789",
            "2026-13-01 00:00:00",
            "2026-03-02 09:14:07Z",
            "2026-03-02T09:14:07",
            "2026-03-02 09:14:07 ",
            "2026-03-02  09:14:07",
            " ",
        ] {
            let said = Timestamp::parse_rfc3339(&format!("{}Z", text.replacen(' ', "T", 1)));
            let said = said.filter(|_| text.contains(' '));
            assert_eq!(Timestamp::parse_utc(text), said, "{text}");
        }
    }

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
