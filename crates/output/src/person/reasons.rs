//! Why it is a scan, in words.

use lapwing_detect::Condition;
use lapwing_event::Address;

use super::{counted, times};

/// A condition with its value and threshold; a tool's name matched or did not.
pub(crate) fn reason(condition: &Condition) -> String {
    reason_of(condition, condition.value, condition.value, 1)
}

/// Conditions, those that were met several times (by one host after another) once; the first host is
/// named.
pub(super) fn reasons(conditions: &[Condition]) -> Vec<String> {
    let mut met: Vec<(&Condition, f64, f64, u64)> = Vec::new();
    for condition in conditions {
        let alike = |other: &Condition| {
            around(&other.condition) == around(&condition.condition)
                && other.key == condition.key
                && other.threshold == condition.threshold
        };
        match met.iter_mut().find(|(first, ..)| alike(first)) {
            Some((_, least, most, count)) => {
                (*least, *most) = (least.min(condition.value), most.max(condition.value));
                *count += 1;
            }
            None => met.push((condition, condition.value, condition.value, 1)),
        }
    }
    met.into_iter()
        .map(|(first, least, most, count)| reason_of(first, least, most, count))
        .collect()
}

/// A condition's text before and after the host that it is of, which stands in brackets; the whole text
/// where it names none.
fn around(text: &str) -> (&str, &str) {
    let parts = || {
        let (before, rest) = text.split_once(" (")?;
        let (host, after) = rest.split_once(')')?;
        host.parse::<Address>().is_ok().then_some((before, after))
    };
    parts().unwrap_or((text, ""))
}

/// A condition that was met so often, with its least and its greatest value.
fn reason_of(condition: &Condition, least: f64, most: f64, count: u64) -> String {
    let Condition { condition, threshold, key, .. } = condition;
    let others = match around(condition) {
        (before, after) if count > 1 && !after.is_empty() => {
            let first = &condition[before.len()..condition.len() - after.len() - 1];
            format!("{before}{first} and {}){after}", counted(count - 1, "other"))
        }
        _ => condition.clone(),
    };
    let condition = &others;
    let often = if count > 1 { format!(", {}", times(count)) } else { String::new() };
    if key.ends_with("ToolPatternRegex") || key.ends_with("KnownScannerExeList") {
        return format!("{condition}{often} ({key})");
    }
    let short = |value: f64| {
        let text = format!("{value:.1}");
        text.strip_suffix(".0").map(str::to_string).unwrap_or(text)
    };
    let value = match (short(least), short(most)) {
        (least, most) if least == most => least,
        (least, most) => format!("{least} to {most}"),
    };
    format!("{condition} is {value}, threshold {threshold}{often} ({key})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(condition: &str, value: f64) -> Condition {
        let (condition, key) = (condition.to_string(), "analytics.AN1058.PortScanThreshold");
        Condition { condition, value, threshold: 10.0, key: key.into() }
    }

    #[test]
    fn the_first_of_several_hosts_is_named() {
        let of =
            |host: &str| condition(&format!("sensitive ports of one host ({host}) within 1m"), 5.0);
        let key = "(analytics.AN1058.PortScanThreshold)";
        assert_eq!(
            reasons(&[of("10.0.0.5")]),
            [format!("sensitive ports of one host (10.0.0.5) within 1m is 5, threshold 10 {key}")]
        );
        assert_eq!(
            reasons(&[of("10.0.0.5"), of("fd00::7"), of("10.0.0.9")]),
            [format!(
                "sensitive ports of one host (10.0.0.5 and 2 others) within 1m is 5, threshold 10, 3 times {key}"
            )]
        );
    }

    #[test]
    fn what_was_met_several_times_is_said_once() {
        let met = [condition("ports", 10.4), condition("hosts", 12.0), condition("ports", 10.7)];
        assert_eq!(
            reasons(&met),
            [
                "ports is 10.4 to 10.7, threshold 10, twice (analytics.AN1058.PortScanThreshold)",
                "hosts is 12, threshold 10 (analytics.AN1058.PortScanThreshold)"
            ]
        );
    }
}
