//! The report for people: an overview, each finding with its reasons, what could not be seen.
//!
//! Text of telemetry is escaped; colour is the caller's choice, so that none reaches a pipe.

use std::fmt::Write;

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use lapwing_detect::{Finding, Severity};

use crate::coverage;
use crate::escape;
use crate::person;
use crate::report::Report;
use crate::troubles::{left_out, troubles};

/// How to lay the report out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether the reader's terminal shows colour.
    pub colour: bool,
    /// The terminal's width in columns; `None` where there is none to keep to.
    pub width: Option<u16>,
    /// Whether informational findings are shown too.
    pub all: bool,
}

/// The whole report as text.
pub fn write(report: &Report, style: Style) -> String {
    let (expected, unexpected): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| finding.suppressed_by.is_some());
    let (shown, hidden): (Vec<&Finding>, Vec<&Finding>) = unexpected
        .into_iter()
        .partition(|finding| style.all || finding.severity > Severity::Informational);
    let mut text = person::summary(report, shown.len());
    if !shown.is_empty() {
        text.push('\n');
        text += &overview(&shown, style);
        for (number, finding) in shown.iter().enumerate() {
            text.push('\n');
            text += &person::card(number + 1, finding, report, style.colour);
        }
    }
    if !hidden.is_empty() {
        let _ = writeln!(
            text,
            "\n{}, recognised as ordinary or background noise: --all shows {}.",
            person::counted(hidden.len() as u64, "informational finding"),
            if hidden.len() == 1 { "it" } else { "them" }
        );
    }
    if !expected.is_empty() {
        text += "\nExpected by the allow-lists:\n";
        for finding in &expected {
            let _ = writeln!(
                text,
                "  {}: {} by {}, {}",
                escape::shown(finding.suppressed_by.as_deref().unwrap_or_default()),
                finding.kind.name(),
                person::who(&finding.origin),
                person::period(finding)
            );
        }
    }
    let idle: Vec<_> =
        report.entries.iter().filter(|entry| entry.suppressed == 0 || entry.expired).collect();
    if !idle.is_empty() {
        text += "\nAllow-list entries to look at:\n";
        for entry in idle {
            let state = if entry.expired { "has expired" } else { "matched nothing" };
            let _ = writeln!(text, "  {} {state}", escape::shown(&entry.label));
        }
    }
    text += &coverage::write(report);
    text += &troubles(&report.troubles);
    text += &left_out(report);
    text
}

/// One line per finding.
fn overview(findings: &[&Finding], style: Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "#",
        "SEVERITY",
        "KIND",
        "WHO",
        "TARGETS",
        "OPEN",
        "FIRST SEEN (UTC)",
    ]);
    if let Some(width) = style.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(60));
    }
    if style.colour {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    for (number, finding) in findings.iter().enumerate() {
        let severity = Cell::new(finding.severity.name());
        table.add_row([
            Cell::new(number + 1),
            if style.colour { severity.fg(colour(finding.severity)) } else { severity },
            Cell::new(person::kind(finding)),
            Cell::new(person::who(&finding.origin)),
            Cell::new(person::targets(finding)),
            Cell::new(if finding.open_count > 0 {
                finding.open_count.to_string()
            } else {
                "-".to_string()
            }),
            Cell::new(person::moment(finding.first_seen)),
        ]);
    }
    table.lines().map(|line| line.trim_end().to_string() + "\n").collect()
}

fn colour(severity: Severity) -> Color {
    match severity {
        Severity::Informational => Color::DarkGrey,
        Severity::Low => Color::Cyan,
        Severity::Medium => Color::Yellow,
        Severity::High => Color::Red,
        Severity::Critical => Color::Magenta,
    }
}
