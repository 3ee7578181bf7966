//! Times in words.

use lapwing_detect::Finding;
use lapwing_event::Timestamp;

/// The years that decoders count from where a log names none: 1972 to 1979, in seconds since the epoch.
/// No log is so old, and clocks that were never set begin in 1970 or 1980.
const NO_YEAR: std::ops::Range<i64> = 63_072_000..315_532_800;

/// Whether a moment's year is one that no log named.
pub(super) fn is_yearless(time: Timestamp) -> bool {
    NO_YEAR.contains(&time.0.div_euclid(1_000_000_000))
}

/// A moment to the second, such as `2026-03-02 09:14:07`; without a year where the log names none.
pub(crate) fn moment(time: Timestamp) -> String {
    let text = time.to_string();
    let text = if is_yearless(time) { text.get(5..).unwrap_or_default() } else { &text };
    match text.split_once('T') {
        Some((day, clock)) => format!("{day} {}", clock.get(..8).unwrap_or(clock)),
        None => text.to_string(),
    }
}

/// From when to when, to the second.
pub(crate) fn span(first: Timestamp, last: Timestamp) -> String {
    let (from, to) = (moment(first), moment(last));
    match (from == to, is_yearless(first) && !is_yearless(last)) {
        (true, _) => format!("{from} UTC"),
        // Some without a year, and some with one: they are in no order.
        (_, true) => format!("to {to} UTC, and times without a year"),
        _ => format!("{from} to {to} UTC"),
    }
}

/// From when to when, and how long.
pub(crate) fn period(finding: &Finding) -> String {
    let (first, last) = (moment(finding.first_seen), moment(finding.last_seen));
    let length = finding.last_seen.since(finding.first_seen).as_seconds();
    let length = match length {
        length if length < 1.0 => "under a second".to_string(),
        length if length < 120.0 => format!("{length:.0} s"),
        length if length < 7200.0 => format!("{:.0} min", length / 60.0),
        length => format!("{:.1} h", length / 3600.0),
    };
    let last = match (first.split_once(' '), last.split_once(' ')) {
        (Some((day, _)), Some((same, clock))) if day == same => clock.to_string(),
        _ => last,
    };
    let doubt = if is_yearless(finding.first_seen) { "; the log names no year" } else { "" };
    if first.ends_with(&last) {
        format!("{first} UTC, {length}{doubt}")
    } else {
        format!("{first} to {last} UTC, {length}{doubt}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_that_no_log_named_is_not_shown() {
        let at = |text: &str| moment(Timestamp::parse_rfc3339(text).unwrap());
        assert_eq!(at("1972-03-11T20:35:11Z"), "03-11 20:35:11");
        assert_eq!(at("1970-01-01T00:00:05Z"), "1970-01-01 00:00:05");
        assert_eq!(at("1980-01-01T00:00:00Z"), "1980-01-01 00:00:00");
        assert_eq!(at("2026-03-11T20:35:11.5Z"), "2026-03-11 20:35:11");
        let time = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let (yearless, dated) = (time("1972-03-11T20:35:11Z"), time("2026-03-11T20:35:11Z"));
        assert_eq!(span(yearless, dated), "to 2026-03-11 20:35:11 UTC, and times without a year");
        assert_eq!(span(dated, dated), "2026-03-11 20:35:11 UTC");
    }
}
