//! Why it is a scan, in words.

use lapwing_detect::Condition;

use super::times;

/// A condition with its value and threshold; a tool's name matched or did not.
pub(crate) fn reason(condition: &Condition) -> String {
    reason_of(condition, condition.value, condition.value, 1)
}

/// Conditions, those that were met several times (by one host after another) once.
pub(super) fn reasons(conditions: &[Condition]) -> Vec<String> {
    let mut met: Vec<(&Condition, f64, f64, u64)> = Vec::new();
    for condition in conditions {
        let alike = |other: &Condition| {
            other.condition == condition.condition
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

/// A condition that was met so often, with its least and its greatest value.
fn reason_of(condition: &Condition, least: f64, most: f64, count: u64) -> String {
    let Condition { condition, threshold, key, .. } = condition;
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
