//! Which log sources were there, and which analytic was blind.

use std::fmt::Write;

use lapwing_detect::{AnalyticCoverage, SourceCoverage};

use crate::person::{counted, moment};
use crate::report::Report;

/// A line per analytic, then what each could not see.
pub(crate) fn write(report: &Report) -> String {
    let mut text = "\nCoverage\n".to_string();
    for analytic in &report.coverage.analytics {
        let told: Vec<String> = if analytic.is_absent() {
            vec!["no log source of it was there: nothing can be said".to_string()]
        } else {
            analytic.sources.iter().map(source).collect()
        };
        let _ = writeln!(text, "  {} {:<10} {}", analytic.id, analytic.platform, told.join("; "));
        text += &blind(analytic);
    }
    text
}

fn source(source: &SourceCoverage) -> String {
    let name = format!("{} ({})", source.source.component, source.source);
    if source.met_by.is_empty() {
        return format!("{name}: ABSENT");
    }
    let met: Vec<String> = source
        .met_by
        .iter()
        .map(|(log_source, seen)| {
            let hosts = match seen.devices {
                0 => String::new(),
                hosts => format!(" of {}", counted(hosts, "host")),
            };
            format!(
                "{} {}{hosts} {} to {}",
                log_source.name(),
                counted(seen.events, "event"),
                moment(seen.first),
                moment(seen.last)
            )
        })
        .collect();
    format!("{name}: {}", met.join(", "))
}

fn blind(analytic: &AnalyticCoverage) -> String {
    analytic.blind.iter().map(|remark| format!("         blind: {remark}\n")).collect()
}
