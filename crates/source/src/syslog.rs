//! Times of syslog lines.

use lapwing_event::Timestamp;

/// Months as RFC 3164 writes them.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The year that lines without one begin in: so long ago that nobody takes it for a year that was
/// read, and a leap year, which holds any date.
const FIRST_YEAR: i64 = 1972;

/// Days as journalctl writes them before a date.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Reads the times of one input's lines, which may lack a year or a zone.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The last line's year and time, of those without a year.
    last: Option<(i64, Timestamp)>,
    doubt: Option<Doubt>,
}

/// What a line's time leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    Year,
    Zone,
}

impl Clock {
    /// The time that a line begins with: RFC 3339 (RFC 5424, after its priority and version), or
    /// `Mmm dd hh:mm:ss` (RFC 3164) in a year that is counted from the first line's unless it is said,
    /// and without a zone, taken for UTC; or as journalctl writes it, `Www yyyy-mm-dd hh:mm:ss ZONE` and
    /// seconds since the epoch.
    pub(crate) fn time(&mut self, line: &str) -> Option<Timestamp> {
        self.doubt = None;
        let line = without_priority(line);
        let first = line.split_ascii_whitespace().next()?;
        if let Some(time) = whole(first) {
            return Some(time);
        }
        let (time, doubt) =
            if DAYS.contains(&first) { by_day(line)? } else { self.by_month(line)? };
        self.doubt = doubt;
        Some(time)
    }

    /// Whether the last time lacked its year.
    pub(crate) fn guesses_year(&self) -> bool {
        self.doubt == Some(Doubt::Year)
    }

    /// What the last time left open, as a note's key.
    pub(crate) fn doubt(&self) -> Option<&'static str> {
        self.doubt.map(|doubt| match doubt {
            Doubt::Year => "times without a year, counted from 1972 on",
            Doubt::Zone => "times of a zone that is only named, taken for UTC",
        })
    }

    /// The time, and whether its year is counted.
    fn by_month(&mut self, line: &str) -> Option<(Timestamp, Option<Doubt>)> {
        let mut words = line.split_ascii_whitespace();
        let month = words.next()?;
        let month = MONTHS.iter().position(|name| *name == month)? + 1;
        let day: u8 = words.next()?.parse().ok()?;
        let third = words.next()?;
        if let (4, Ok(year), Some(clock)) = (third.len(), third.parse::<u16>(), words.next()) {
            // Cisco's `Mmm dd yyyy hh:mm:ss`.
            let clock = clock.trim_end_matches(':');
            return Timestamp::parse_rfc3339(&format!("{year:04}-{month:02}-{day:02}T{clock}Z"))
                .map(|time| (time, None));
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
        Some((time, Some(Doubt::Year)))
    }
}

/// A time that is one word: RFC 3339, whose zone may lack its colon (ISO 8601's basic form), or seconds
/// since the epoch with a fraction, as `journalctl -o short-unix` has them.
fn whole(word: &str) -> Option<Timestamp> {
    if let Some(time) = Timestamp::parse_rfc3339(word) {
        return Some(time);
    }
    if word.split_once('.').is_some_and(|(seconds, _)| seconds.len() >= 9) {
        return Timestamp::parse_decimal_seconds(word);
    }
    let (time, zone) = word.split_at_checked(word.len().checked_sub(5)?)?;
    let digits = zone.strip_prefix(['+', '-'])?;
    let bare = time.contains('T') && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes) = bare.then(|| zone.split_at_checked(3))??;
    Timestamp::parse_rfc3339(&format!("{time}{hours}:{minutes}"))
}

/// `Www yyyy-mm-dd hh:mm:ss ZONE`; of zones only UTC and those that are numbers say which they are.
fn by_day(line: &str) -> Option<(Timestamp, Option<Doubt>)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (date, clock, zone) = (words.next()?, words.next()?, words.next()?);
    let numbered = zone.strip_prefix(['+', '-']).is_some_and(|digits| {
        matches!(digits.len(), 2 | 4) && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let (zone, doubt) = match zone {
        "UTC" | "GMT" => ("+0000".to_string(), None),
        zone if numbered => (format!("{zone:0<5}"), None),
        _ => ("+0000".to_string(), Some(Doubt::Zone)),
    };
    whole(&format!("{date}T{clock}{zone}")).map(|time| (time, doubt))
}

/// How many words a line's time is.
pub(crate) fn words_of_time(line: &str) -> usize {
    match without_priority(line).split_ascii_whitespace().next() {
        Some(word) if MONTHS.contains(&word) => 3,
        Some(word) if DAYS.contains(&word) => 4,
        _ => 1,
    }
}

/// What a line says after its time and its host, whose names are not the message's own.
pub(crate) fn message(line: &str) -> &str {
    let mut rest = without_priority(line).trim_start();
    for _ in 0..words_of_time(line) + 1 {
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
        assert_eq!(message("Mon 2026-03-02 09:14:08 UTC drop-gw kernel: x"), "kernel: x");
    }

    #[test]
    fn times_are_read_as_journalctl_prints_them() {
        let mut clock = Clock::default();
        let utc = Timestamp::parse_rfc3339;
        for (line, expected) in [
            ("2026-03-09T11:00:01+0100 h x", "2026-03-09T10:00:01Z"),
            ("2026-03-09T10:00:01.551234+0000 h x", "2026-03-09T10:00:01.551234Z"),
            ("Mon 2026-03-09 10:00:01 UTC h x", "2026-03-09T10:00:01Z"),
            ("Mon 2026-03-09 13:00:01 +03 h x", "2026-03-09T10:00:01Z"),
            ("Mon 2026-03-09 15:30:01 +0530 h x", "2026-03-09T10:00:01Z"),
            ("1773050401.551234 h x", "2026-03-09T10:00:01.551234Z"),
        ] {
            assert_eq!(clock.time(line), utc(expected), "{line}");
            assert_eq!(clock.doubt(), None, "{line}");
        }
        assert_eq!(clock.time("Mar 09 10:00:01.5 h x"), utc("1972-03-09T10:00:01.5Z"));
        assert!(clock.guesses_year());
        // CST is Chicago's and Shanghai's.
        assert_eq!(clock.time("Mon 2026-03-09 10:00:01 CST h x"), utc("2026-03-09T10:00:01Z"));
        assert_eq!(clock.doubt(), Some("times of a zone that is only named, taken for UTC"));
        for no_time in ["[   12.345678] h x", "Mon", "Mon 2026-03-09", "12.5 h x", "ä+0100", ""] {
            assert_eq!(clock.time(no_time), None, "{no_time}");
        }
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
