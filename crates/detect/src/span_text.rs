//! Spans in configuration: `90s`, `10m`, `24h`, `7d`, or a bare number of seconds as text.

use std::fmt;

use lapwing_event::Span;
use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;

/// Units and their seconds, largest first.
const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a span such as `10m`; says what was expected otherwise.
pub fn parse(text: &str) -> Result<Span, String> {
    let bad =
        || format!("expected a time such as \"90s\", \"10m\", \"24h\" or \"7d\", found {text:?}");
    let trimmed = text.trim();
    let unit = UNITS.iter().find(|(unit, _)| trimmed.ends_with(*unit));
    let (number, seconds) = match unit {
        Some((unit, seconds)) => (trimmed.trim_end_matches(*unit), *seconds),
        None => (trimmed, 1),
    };
    let count: i64 = number.trim().parse().map_err(|_| bad())?;
    // A thousand years is longer than any telemetry; it keeps every later sum in range.
    if count < 0 || count.saturating_mul(seconds) > 1000 * 366 * 86_400 / 4 {
        return Err(bad());
    }
    Ok(Span::seconds(count * seconds))
}

/// Writes a span in the largest unit that holds it whole.
pub fn print(span: Span) -> String {
    let seconds = span.0 / 1_000_000_000;
    for (unit, size) in UNITS {
        if seconds != 0 && seconds % size == 0 {
            return format!("{}{unit}", seconds / size);
        }
    }
    "0s".to_string()
}

pub(crate) fn serialize<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&print(*span))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = Span;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a time such as \"10m\"")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
            parse(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, seconds) in [("60s", 60), ("10m", 600), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(parse(text), Ok(Span::seconds(seconds)));
        }
        assert_eq!(print(Span::seconds(60)), "1m");
        assert_eq!(print(Span::seconds(86_400)), "1d");
        assert_eq!(parse("15"), Ok(Span::seconds(15)));
        for bad in ["", "m", "-1s", "1.5h", "10 parsecs", "99999999999d"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
