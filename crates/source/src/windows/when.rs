//! Times as those who render events write them.

use lapwing_event::Timestamp;

/// A moment as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The moment; UTC where no zone is written.
    pub(super) time: Timestamp,
    /// Whether a zone is written.
    pub(super) zoned: bool,
    /// How many bytes of the text it takes.
    pub(super) length: usize,
}

/// The time that a text begins with: `MM/DD/YYYY hh:mm:ss[.fff] [AM|PM]` as Splunk writes it, or
/// `YYYY-MM-DD hh:mm:ss[.fff]`, either with a zone (`+0200`, `+02:00`, `Z`) or without one.
pub(super) fn leading(text: &str) -> Option<Written> {
    let (day, rest) = text.split_at_checked(10)?;
    let (clock_text, american) = (rest.strip_prefix([' ', 'T'])?, day.contains('/'));
    let day = if american { american_day(day)? } else { day.to_string() };
    let end = clock_text.find(is_no_clock).unwrap_or(clock_text.len());
    let (clock, after) = clock_text.split_at(end.min(MAX_CLOCK));
    let (hour, minutes) = clock.split_once(':')?;
    let mut hour: u32 = hour.parse().ok()?;
    let mut rest = after;
    let half = rest.trim_start_matches(' ');
    if let Some(begins) = half.get(..2).filter(|_| american) {
        match begins {
            "AM" | "am" => hour %= 12,
            "PM" | "pm" => hour = hour % 12 + 12,
            _ => {}
        }
        if matches!(begins, "AM" | "am" | "PM" | "pm") {
            rest = &half[2..];
        }
    }
    let (zone, rest) = zone(rest);
    let moment = format!("{day}T{hour:02}:{minutes}{}", zone.as_deref().unwrap_or("Z"));
    let time = Timestamp::parse_rfc3339(&moment)?;
    Some(Written { time, zoned: zone.is_some(), length: text.len() - rest.len() })
}

/// The longest clock: `hh:mm:ss` and nine digits of a second.
const MAX_CLOCK: usize = 18;

fn is_no_clock(character: char) -> bool {
    !(character.is_ascii_digit() || character == ':' || character == '.')
}

/// `MM/DD/YYYY` as `YYYY-MM-DD`.
fn american_day(day: &str) -> Option<String> {
    let mut parts = day.split('/');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    Some(format!("{year}-{month}-{day}"))
}

/// A zone at the beginning of a text, as RFC 3339 writes it, and what follows it.
fn zone(text: &str) -> (Option<String>, &str) {
    let bare = text.trim_start_matches(' ');
    if let Some(rest) = bare.strip_prefix('Z')
        && !rest.starts_with(|c: char| c.is_alphanumeric())
    {
        return (Some("Z".to_string()), rest);
    }
    let sign = bare.get(..1).filter(|sign| matches!(*sign, "+" | "-"));
    let digits: String = bare.chars().skip(1).take(5).filter(char::is_ascii_digit).collect();
    let (Some(sign), 4) = (sign, digits.len()) else { return (None, text) };
    let length = if bare.as_bytes().get(3) == Some(&b':') { 6 } else { 5 };
    let zone = format!("{sign}{}:{}", &digits[..2], &digits[2..]);
    (Some(zone), bare.get(length..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_their_zone() {
        let read = |text: &str| leading(text).map(|at| (at.time.to_string(), at.zoned, at.length));
        let utc = |time: &str, length| Some((time.to_string(), false, length));
        let zoned = |time: &str, length| Some((time.to_string(), true, length));
        assert_eq!(read("03/02/2026 09:14:08 AM\n"), utc("2026-03-02T09:14:08Z", 22));
        assert_eq!(read("03/02/2026 09:14:08.250 PM\n"), utc("2026-03-02T21:14:08.250Z", 26));
        assert_eq!(read("03/02/2026 12:00:00 AM "), utc("2026-03-02T00:00:00Z", 22));
        assert_eq!(read("03/02/2026 12:00:00 PM"), utc("2026-03-02T12:00:00Z", 22));
        assert_eq!(read("2026-03-02 21:14:08"), utc("2026-03-02T21:14:08Z", 19));
        assert_eq!(read("03/02/2026 21:14:08 +0200, a=b"), zoned("2026-03-02T19:14:08Z", 25));
        assert_eq!(read("2026-03-02 21:14:08 a=b"), utc("2026-03-02T21:14:08Z", 19));
        assert_eq!(read("2026-03-02T21:14:08.5+02:00 a"), zoned("2026-03-02T19:14:08.500Z", 27));
        assert_eq!(read("2026-03-02T21:14:08Z "), zoned("2026-03-02T21:14:08Z", 20));
        // What stands on the next line is none of its time.
        assert_eq!(read("2026-03-02 21:14:08 Zeta=1"), utc("2026-03-02T21:14:08Z", 19));
        assert_eq!(read("2026-03-02 21:14:08\nZ"), utc("2026-03-02T21:14:08Z", 19));
        for no_time in [
            "",
            "03/02/2026",
            "13/02/2026 09:14:08 AM\n",
            "LogName=Security",
            "99/99/9999 1:1:1 \n",
        ] {
            assert_eq!(read(no_time), None, "{no_time:?}");
        }
    }
}
