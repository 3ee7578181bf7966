//! Times of syslog lines.

use lapwing_event::Timestamp;

/// Months as RFC 3164 writes them.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The year that lines without one begin in: so long ago that nobody takes it for a year that was
/// read, and a leap year, which holds any date.
const FIRST_YEAR: i64 = 1972;

/// Reads the times of one input's lines, which may lack a year.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The last line's year and time, of those without a year.
    last: Option<(i64, Timestamp)>,
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
        // Lines come nearly in order: of the last line's year and its neighbours the closest time holds,
        // so that a late line of December does not move what follows it by a year.
        let (year, time) = match self.last {
            None => (FIRST_YEAR, at(FIRST_YEAR)?),
            Some((year, last)) => [year, year + 1, year - 1]
                .into_iter()
                .filter_map(|year| Some((year, at(year)?)))
                .min_by_key(|(_, time)| time.since(last).0.unsigned_abs())?,
        };
        self.last = Some((year, time));
        Some((time, true))
    }
}

/// What a line says after its time and its host, whose names are not the message's own.
pub(crate) fn message(line: &str) -> &str {
    let line = without_priority(line).trim_start();
    let month = line.split_ascii_whitespace().next().is_some_and(|word| MONTHS.contains(&word));
    let mut rest = line;
    for _ in 0..if month { 4 } else { 2 } {
        rest = match rest.split_once(char::is_whitespace) {
            Some((_, rest)) => rest.trim_start(),
            None => return "",
        };
    }
    rest
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
    fn the_message_is_without_its_host() {
        assert_eq!(message("<4>Mar  2 09:14:08 drop-gw kernel: x y"), "kernel: x y");
        assert_eq!(message("2026-03-02T09:14:08Z drop-gw kernel: x"), "kernel: x");
        assert_eq!(message("Mar  2 09:14:08"), "");
    }

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
        assert_eq!(clock.time("Dec 31 23:59:59 late"), utc("1972-12-31T23:59:59Z"));
        assert_eq!(clock.time("Jan  1 00:00:02 fw x"), utc("1973-01-01T00:00:02Z"));
        assert_eq!(clock.time("Mar 02 2026 09:14:07: %ASA"), utc("2026-03-02T09:14:07Z"));
        assert!(!clock.guesses_year());
        assert_eq!(clock.time("Foo  1 00:00:01 fw x"), None);
        assert_eq!(clock.time("Jan 41 00:00:01 fw x"), None);
        assert_eq!(clock.time(""), None);
    }
}
