//! Times of syslog lines.

use lapwing_event::{Span, Timestamp};

/// Months as RFC 3164 writes them.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A year's length: a line that is this much before the last one is of the next year.
const HALF_YEAR: Span = Span::seconds(183 * 86_400);

/// The year that lines without one begin in: the first that a time can be of, so that nobody takes it
/// for a year that was read. 1972 is a leap year, which holds any date.
const FIRST_YEAR: i64 = 1972;

/// Reads the times of one input's lines, which may lack a year.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    years: i64,
    last: Option<Timestamp>,
    guesses: bool,
}

impl Clock {
    /// The time that a line begins with: RFC 3339 (RFC 5424, after its priority and version), or
    /// `Mmm dd hh:mm:ss` (RFC 3164) in a year that is counted from the first line's unless it is said,
    /// and without a zone, taken for UTC.
    pub(crate) fn time(&mut self, line: &str) -> Option<Timestamp> {
        self.guesses = false;
        let line = without_priority(line);
        let first = line.split_ascii_whitespace().next()?;
        if let Some(time) = Timestamp::parse_rfc3339(first) {
            return Some(time);
        }
        let (time, guesses) = self.by_month(line)?;
        self.guesses = guesses;
        Some(time)
    }

    /// Whether the last time lacked its year.
    pub(crate) fn guesses_year(&self) -> bool {
        self.guesses
    }

    /// The time, and whether its year is counted.
    fn by_month(&mut self, line: &str) -> Option<(Timestamp, bool)> {
        let mut words = line.split_ascii_whitespace();
        let month = words.next()?;
        let month = MONTHS.iter().position(|name| *name == month)? + 1;
        let day: u8 = words.next()?.parse().ok()?;
        let third = words.next()?;
        if let (4, Ok(year), Some(clock)) = (third.len(), third.parse::<u16>(), words.next()) {
            // Cisco's `Mmm dd yyyy hh:mm:ss`.
            let clock = clock.trim_end_matches(':');
            return Timestamp::parse_rfc3339(&format!("{year:04}-{month:02}-{day:02}T{clock}Z"))
                .map(|time| (time, false));
        }
        let clock = third.trim_end_matches(':');
        let at = |year: i64| {
            Timestamp::parse_rfc3339(&format!("{year:04}-{month:02}-{day:02}T{clock}Z"))
        };
        let mut time = at(FIRST_YEAR + self.years)?;
        if let Some(last) = self.last
            && last.since(time) > HALF_YEAR
        {
            self.years += 1;
            // 29 February is of leap years only: such a date cannot be of the next year.
            time = at(FIRST_YEAR + self.years)?;
        }
        self.last = Some(time);
        Some((time, true))
    }
}

/// The line after `<PRIORITY>` and a version.
fn without_priority(line: &str) -> &str {
    let Some(rest) = line.strip_prefix('<') else { return line };
    let Some((priority, rest)) = rest.split_once('>') else { return line };
    match priority.len() <= 3 && priority.bytes().all(|byte| byte.is_ascii_digit()) {
        true => rest.strip_prefix("1 ").unwrap_or(rest),
        false => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_either_kind_are_read() {
        let mut clock = Clock::default();
        let utc = Timestamp::parse_rfc3339;
        assert_eq!(clock.time("2023-03-18T20:36:59+01:00 x"), utc("2023-03-18T19:36:59Z"));
        assert!(!clock.guesses_year());
        assert_eq!(clock.time("<134>1 2023-03-18T20:36:59Z x"), utc("2023-03-18T20:36:59Z"));
        assert_eq!(clock.time("<4>Dec 31 23:59:58 fw x"), utc("1972-12-31T23:59:58Z"));
        assert!(clock.guesses_year());
        assert_eq!(clock.time("Jan  1 00:00:01 fw x"), utc("1973-01-01T00:00:01Z"));
        assert_eq!(clock.time("Dec 31 23:59:59 late"), utc("1973-12-31T23:59:59Z"));
        assert_eq!(clock.time("Mar 02 2026 09:14:07: %ASA"), utc("2026-03-02T09:14:07Z"));
        assert!(!clock.guesses_year());
        assert_eq!(clock.time("Foo  1 00:00:01 fw x"), None);
        assert_eq!(clock.time("Jan 41 00:00:01 fw x"), None);
        assert_eq!(clock.time(""), None);
    }
}
