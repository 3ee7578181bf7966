//! What was not read whole, and what was left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use lapwing_detect::Overflow;

use crate::escape::{escaped, shown};
use crate::person::{counted, grouped, span, times, who};
use crate::report::{Report, Trouble};

/// How many kinds of trouble are listed; the rest is counted. A folder of a million foreign files
/// must not bury the findings.
const MAX_TROUBLES: usize = 40;

/// The trouble of an input that does not hold all that its source saw, and of one whose records do not say
/// what was taken for granted, as decoders name them.
const GAP: &str = "gap";
const ASSUMED: &str = "assumed";

/// How many bursts of findings are listed.
const MAX_BURSTS: usize = 8;

/// How many inputs are named for one kind of trouble.
const MAX_INPUTS: usize = 3;

/// What was not read whole, one line for each kind of trouble, and what was left alone.
pub fn troubles(troubles: &[Trouble]) -> String {
    let mut text = String::new();
    let (lost, noted): (Vec<&Trouble>, Vec<&Trouble>) =
        troubles.iter().partition(|trouble| trouble.loses_data);
    // Troubles whose words are the same but for numbers are one kind: a hundred files of one
    // unknown format. Damage to what is read comes first, then the commonest kind.
    let mut kinds: BTreeMap<(&str, String), Vec<&Trouble>> = BTreeMap::new();
    for trouble in lost {
        kinds.entry((trouble.key, without_numbers(&trouble.detail))).or_default().push(trouble);
    }
    let mut kinds: Vec<Vec<&Trouble>> = kinds.into_values().collect();
    kinds.sort_by_key(|alike| (alike[0].offset.is_none(), std::cmp::Reverse(alike.len())));
    if !kinds.is_empty() {
        text += "\nNot read whole:\n";
    }
    for alike in kinds.iter().take(MAX_TROUBLES) {
        let _ = write!(text, "  {}", alike[0].key);
        if !alike[0].detail.is_empty() {
            let _ = write!(text, ": {}", shown(&alike[0].detail));
        }
        text.push('\n');
        for trouble in alike.iter().take(MAX_INPUTS) {
            let _ = write!(text, "    {}", shown(&trouble.input));
            if let Some(offset) = trouble.offset {
                match trouble.count {
                    0 | 1 => drop(write!(text, " at byte {offset}")),
                    count => drop(write!(text, " {}, first at byte {offset}", times(count))),
                }
            }
            text.push('\n');
        }
        if alike.len() > MAX_INPUTS {
            let more = counted((alike.len() - MAX_INPUTS) as u64, "more input");
            let _ = writeln!(text, "    and {more}");
        }
    }
    if kinds.len() > MAX_TROUBLES {
        let _ = writeln!(text, "  and {} more kinds of trouble", kinds.len() - MAX_TROUBLES);
    }
    let (gaps, noted): (Vec<&Trouble>, Vec<&Trouble>) =
        noted.into_iter().partition(|trouble| trouble.problem == GAP);
    let (assumed, noted): (Vec<&Trouble>, Vec<&Trouble>) =
        noted.into_iter().partition(|trouble| trouble.problem == ASSUMED);
    let heading = "Not held by the input itself, so that what happened then may be missing";
    text += &by_key(heading, &gaps);
    text += &by_key("Taken for granted, since the input does not say it", &assumed);
    if !noted.is_empty() {
        let count: u64 = noted.iter().map(|trouble| trouble.count).sum();
        let mut kinds: Vec<&str> = noted.iter().map(|trouble| trouble.key).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let _ = writeln!(
            text,
            "\nPassed over, as not needed ({}): {}.",
            times(count),
            kinds.join(", ")
        );
    }
    text
}

/// Troubles by their kind, each with how often it came up and where; nothing where there are none.
fn by_key(heading: &str, troubles: &[&Trouble]) -> String {
    let mut kinds: BTreeMap<&str, (u64, BTreeSet<&str>)> = BTreeMap::new();
    for trouble in troubles {
        let (count, inputs) = kinds.entry(trouble.key).or_default();
        *count += trouble.count;
        inputs.insert(&trouble.input);
    }
    let mut text = String::new();
    for (key, (count, inputs)) in kinds {
        if text.is_empty() {
            let _ = writeln!(text, "\n{heading}:");
        }
        let named: Vec<String> = inputs.iter().take(MAX_INPUTS).map(|input| shown(input)).collect();
        let more = inputs.len().saturating_sub(MAX_INPUTS) as u64;
        let more = if more > 0 { format!(" and {} more", grouped(more)) } else { String::new() };
        let _ = writeln!(text, "  {key}: {}, in {}{more}", times(count), named.join(", "));
    }
    text
}

/// A text with each run of digits as one `#`.
fn without_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            other => plain.push(other),
        }
    }
    plain
}

/// What was read and not judged.
pub(crate) fn left_out(report: &Report) -> String {
    let mut text = String::new();
    let tally = &report.tally;
    let counts = [
        (tally.late, "event came too late to be judged", "events came too late to be judged"),
        (
            report.left_out,
            "event lies outside --since/--until",
            "events lie outside --since/--until",
        ),
        (
            tally.repeated,
            "row of Zeek's logs of protocols told of a connection that another row tells of",
            "rows of Zeek's logs of protocols told of connections that other rows tell of",
        ),
        (
            tally.shed,
            "entry of state was let go at a bound of [memory]",
            "entries of state were let go at a bound of [memory]",
        ),
    ];
    if tally.claimed > 0 {
        let words: Vec<String> =
            tally.claims.iter().map(|words| escaped(words).into_owned()).collect();
        let hosts = if tally.claimed == 1 {
            "1 address".to_string()
        } else {
            format!("{} addresses", grouped(tally.claimed))
        };
        let _ = writeln!(
            text,
            "\nOther tools say of {hosts} that they scanned, of which no scan was found here: {}.",
            words.join("; ")
        );
    }
    for (count, one, many) in counts {
        if count > 0 {
            let _ = writeln!(text, "\n{} {}.", grouped(count), if count == 1 { one } else { many });
        }
    }
    text += &overflows(&tally.overflows);
    text
}

/// Bursts of findings that were not told of as they came, each summed up; the first few.
fn overflows(bursts: &[Overflow]) -> String {
    let mut text = String::new();
    if bursts.is_empty() {
        return text;
    }
    text += "\nMore began and grew at once than is told of as it comes (detection.telling); each finding \
             stands as it ended:\n";
    for burst in bursts.iter().take(MAX_BURSTS) {
        let kinds: Vec<String> = burst
            .kinds
            .iter()
            .map(|(kind, findings)| format!("{} {}", grouped(*findings), kind.name()))
            .collect();
        let mut origins: Vec<String> = burst
            .origins
            .iter()
            .map(|(origin, findings)| format!("{} ({})", who(origin), grouped(*findings)))
            .collect();
        if burst.others > 0 {
            origins.push(format!("{} more", grouped(burst.others)));
        }
        let _ = writeln!(
            text,
            "  {}: {} withheld ({}), by {}",
            span(burst.first, burst.last),
            counted(burst.findings, "finding"),
            kinds.join(", "),
            escaped(&origins.join(", "))
        );
    }
    let more = bursts.len().saturating_sub(MAX_BURSTS) as u64;
    if more > 0 {
        let _ = writeln!(text, "  and {} more", counted(more, "burst"));
    }
    text
}

#[cfg(test)]
mod tests {
    use lapwing_detect::{Kind, Origin};
    use lapwing_event::Timestamp;

    use super::*;

    #[test]
    fn a_burst_of_findings_is_one_line() {
        let scanner = Origin { address: Some([10, 0, 0, 7].into()), ..Origin::default() };
        let burst = Overflow {
            first: Timestamp(1_772_442_000_000_000_000),
            last: Timestamp(1_772_442_059_000_000_000),
            findings: 200,
            kinds: [(Kind::Vertical, 180), (Kind::Tool, 20)].into(),
            origins: vec![(scanner, 12)],
            others: 187,
        };
        let text = overflows(&[burst]);
        assert!(
            text.contains(
                ": 200 findings withheld (180 vertical, 20 tool), by 10.0.0.7 (12), 187 more"
            ),
            "{text}"
        );
        assert_eq!(overflows(&[]), "");
    }
}
