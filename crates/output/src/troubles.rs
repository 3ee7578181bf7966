//! What was not read whole, and what was left alone.

use std::fmt::Write;

use crate::escape::shown;
use crate::report::{Report, Trouble};

/// How many troubles are listed; the rest is counted. A folder of a million foreign files must not
/// bury the findings.
const MAX_TROUBLES: usize = 40;

/// What was not read whole, and what was left alone.
pub fn troubles(troubles: &[Trouble]) -> String {
    let mut text = String::new();
    let (lost, noted): (Vec<&Trouble>, Vec<&Trouble>) =
        troubles.iter().partition(|trouble| trouble.loses_data);
    if !lost.is_empty() {
        text += "\nNot read whole:\n";
        for trouble in lost.iter().take(MAX_TROUBLES) {
            let _ = write!(text, "  {}: {}", shown(&trouble.input), trouble.key);
            if trouble.count > 1 {
                let _ = write!(text, ", {} times", trouble.count);
            }
            if let Some(offset) = trouble.offset {
                let first = if trouble.count > 1 { "first " } else { "" };
                let _ = write!(text, ", {first}at byte {offset}");
            }
            if !trouble.detail.is_empty() {
                let _ = write!(text, ": {}", shown(&trouble.detail));
            }
            text.push('\n');
        }
        if lost.len() > MAX_TROUBLES {
            let _ = writeln!(text, "  and {} more of such troubles", lost.len() - MAX_TROUBLES);
        }
    }
    if !noted.is_empty() {
        let times: u64 = noted.iter().map(|trouble| trouble.count).sum();
        let mut kinds: Vec<&str> = noted.iter().map(|trouble| trouble.key).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let _ =
            writeln!(text, "\nPassed over, as not needed ({times} times): {}.", kinds.join(", "));
    }
    text
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
            tally.shed,
            "entry of state was let go at a bound of [memory]",
            "entries of state were let go at a bound of [memory]",
        ),
    ];
    for (count, one, many) in counts {
        if count > 0 {
            let _ = writeln!(text, "\n{count} {}.", if count == 1 { one } else { many });
        }
    }
    text
}
