//! The report as one self-contained page: no script, no request, every string inert.
//!
//! Text of telemetry is attacker-written. It is escaped twice over: what could fool a reader is
//! written out, as in a terminal, and what HTML would obey is an entity. A content policy forbids
//! everything but the page's own style.

mod fan;
pub(crate) mod plot;

use std::fmt::Write;

use lapwing_detect::{Finding, Kind, Severity};
use lapwing_event::Process;

use crate::coverage;
use crate::escape::{escaped, shown};
use crate::person::{self, counted, grouped, period, targets, who};
use crate::report::Report;
use crate::troubles::troubles;

/// How many findings have a card of their own with a plot: a page of more opens slowly. The table holds
/// all of them.
const MAX_CARDS: usize = 500;

/// The page's style: one column that fits 360 pixels, both colour schemes, and print.
const STYLE: &str = include_str!("html/style.css");

/// The whole report as a page.
pub fn write(report: &Report) -> String {
    let (expected, unexpected): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| finding.suppressed_by.is_some());
    let scans = unexpected.iter().filter(|found| found.severity > Severity::Informational).count();
    let mut page = begin(&format!("Lapwing: {}", counted(scans as u64, "scan")));
    let _ = write!(
        page,
        "<h1>Network service discovery</h1>\n<p>{}</p>\n",
        text(person::summary(report, scans).trim())
    );
    page += "<nav><a href=\"#findings\">Findings</a> <a href=\"#coverage\">Coverage</a> \
             <a href=\"#inputs\">Inputs</a></nav>\n</header>\n<main>\n";
    overview(&unexpected, &mut page);
    for (number, finding) in unexpected.iter().take(MAX_CARDS).enumerate() {
        card(number + 1, finding, report, &mut page);
    }
    if unexpected.len() > MAX_CARDS {
        let more = grouped((unexpected.len() - MAX_CARDS) as u64);
        let _ = writeln!(
            page,
            "<p>{more} more findings are in the table alone; --format jsonl holds all of each.</p>"
        );
    }
    allow_lists(&expected, report, &mut page);
    let _ = write!(
        page,
        "<section id=\"coverage\">\n<h2>What could be seen</h2>\n<pre>{}</pre>\n</section>\n",
        text(&coverage::matrix(report))
    );
    inputs(report, &mut page);
    page += "</main>\n</body>\n</html>\n";
    page
}

/// A page up to its header: its content policy, which forbids everything but its own style.
pub(crate) fn begin(title: &str) -> String {
    let mut page = String::with_capacity(64 << 10);
    page += "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
    page += "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n";
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    page += "<meta name=\"referrer\" content=\"no-referrer\">\n<title>";
    let _ = write!(page, "{}</title>\n<style>\n{STYLE}</style>\n", text(title));
    page += "</head>\n<body>\n<header>\n";
    page
}

/// Text made inert for a terminal's reader and for HTML.
pub(crate) fn text(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len() + 16);
    for (number, line) in raw.lines().enumerate() {
        if number > 0 {
            safe.push('\n');
        }
        for c in escaped(line).chars() {
            match c {
                '&' => safe += "&amp;",
                '<' => safe += "&lt;",
                '>' => safe += "&gt;",
                '"' => safe += "&quot;",
                '\'' => safe += "&#39;",
                c => safe.push(c),
            }
        }
    }
    safe
}

fn badge(severity: Severity) -> String {
    let name = severity.name();
    format!("<span class=\"badge {name}\">{name}</span>")
}

fn overview(findings: &[&Finding], page: &mut String) {
    *page += "<section id=\"findings\">\n<h2>Findings</h2>\n";
    if findings.is_empty() {
        *page += "<p>No scan was found. What could not be seen stands under \
                  <a href=\"#coverage\">coverage</a>.</p>\n</section>\n";
        return;
    }
    *page += "<div class=\"wide\" tabindex=\"0\">\n<table>\n<thead><tr><th>#</th><th>Severity</th>\
              <th>Kind</th><th>Who</th><th>Targets</th><th>Open</th><th>First seen (UTC)</th></tr>\
              </thead>\n<tbody>\n";
    for (at, finding) in findings.iter().enumerate() {
        let number = at + 1;
        let link = match at < MAX_CARDS {
            true => format!("<a href=\"#f{number}\">{number}</a>"),
            false => number.to_string(),
        };
        let open =
            if finding.open_count == 0 { String::new() } else { grouped(finding.open_count) };
        let _ = writeln!(
            page,
            "<tr><td>{link}</td><td>{}</td><td class=\"kind\">{}</td><td>{}</td><td>{}</td>\
             <td data-label=\"open\">{open}</td><td class=\"kind\">{}</td></tr>",
            badge(finding.severity),
            person::kind(finding),
            text(&who(&finding.origin)),
            text(&targets(finding)),
            text(&person::moment(finding.first_seen)),
        );
    }
    *page += "</tbody>\n</table>\n</div>\n</section>\n";
}

fn card(number: usize, finding: &Finding, report: &Report, page: &mut String) {
    let _ = write!(
        page,
        "<article id=\"f{number}\" class=\"{}\">\n<h3>{number}. {} {} by {}</h3>\n<p>{}</p>\n",
        finding.severity.name(),
        badge(finding.severity),
        person::sort(finding),
        text(&who(&finding.origin)),
        text(&story(finding))
    );
    *page += &fan::out(number, finding);
    if finding.points.len() > 1 {
        *page += &plot::attempts(finding);
    }
    tree(finding, page);
    *page += "<dl>\n";
    let mut last = "";
    for (label, value) in person::lines(finding, report) {
        if !label.is_empty() && label != last {
            let _ = writeln!(page, "<dt>{}</dt>", text(label));
            last = label;
        }
        let _ = writeln!(page, "<dd>{}</dd>", text(&value));
    }
    *page += "</dl>\n</article>\n";
}

/// What happened, in a sentence or three.
fn story(finding: &Finding) -> String {
    let asked = match (finding.names.len() as u64, finding.counts.ports) {
        (0, 0) => format!("looked for {}", counted(finding.counts.hosts, "host")),
        (0, ports) => {
            let hosts = counted(finding.counts.hosts, "host");
            format!("asked {hosts} for {}", counted(ports, "port"))
        }
        (names, _) => format!("asked for {}", counted(names, "name")),
    };
    let mut story = match finding.kind {
        Kind::Tool => format!("{} was started as a scanner, ", who(&finding.origin)),
        _ => format!("{} {asked}, ", who(&finding.origin)),
    };
    let _ = write!(story, "{}.", period(finding));
    match finding.open_count {
        0 => {}
        1 => story += " One service was found open.",
        open => {
            let _ = write!(story, " {} services were found open.", grouped(open));
        }
    }
    if let Some(first) = finding.why.first() {
        let told = match finding.detected_after {
            0 => String::new(),
            after => format!(" after {}", counted(after, "attempt")),
        };
        let _ = write!(story, " It was told of{told}: {}.", person::reason(first));
    }
    story
}

/// Who started whom: the parent, the process, and what a loop starts.
fn tree(finding: &Finding, page: &mut String) {
    let origin = &finding.origin;
    let Some(process) = &origin.process else { return };
    let line = |process: &Process| {
        let command = process.command_text();
        let name = command.as_deref().or(process.path.as_deref()).or(process.short_name());
        let pid = if process.pid == 0 { String::new() } else { format!(" (pid {})", process.pid) };
        format!("<code>{}</code>{pid}", text(&shown(name.unwrap_or("unnamed process"))))
    };
    *page += "<ul class=\"tree\">";
    let mut open = 1;
    if let Some(parent) = &process.parent {
        let name = parent.command_line.as_deref().or(parent.path.as_deref());
        let pid = parent.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        let name = text(&shown(name.unwrap_or("parent, not recorded")));
        let _ = write!(page, "<li><code>{name}</code>{pid}<ul>");
        open += 1;
    }
    let _ = write!(page, "<li>{}", line(process));
    if let Some(child) = &origin.child {
        let _ = write!(page, "<ul><li>{}</li></ul>", line(child));
    }
    *page += "</li></ul>";
    for _ in 1..open {
        *page += "</li></ul>";
    }
    page.push('\n');
}

fn allow_lists(expected: &[&Finding], report: &Report, page: &mut String) {
    if expected.is_empty() && report.entries.is_empty() {
        return;
    }
    *page += "<section>\n<h2>Expected by the allow-lists</h2>\n<ul>\n";
    for finding in expected {
        let _ = writeln!(
            page,
            "<li>{}: {} by {}, {}</li>",
            text(&shown(finding.suppressed_by.as_deref().unwrap_or_default())),
            finding.kind.name(),
            text(&who(&finding.origin)),
            text(&period(finding))
        );
    }
    for entry in report.entries.iter().filter(|entry| entry.suppressed == 0 || entry.expired) {
        let state = if entry.expired { "has expired" } else { "matched nothing" };
        let _ = writeln!(page, "<li>{} {state}</li>", text(&shown(&entry.label)));
    }
    *page += "</ul>\n</section>\n";
}

fn inputs(report: &Report, page: &mut String) {
    *page += "<section id=\"inputs\">\n<h2>Inputs</h2>\n<div class=\"wide\" tabindex=\"0\">\n<table>\n\
              <thead><tr><th>Input</th><th>Format</th><th>Bytes</th><th>Records</th><th>Events</th>\
              </tr></thead>\n<tbody>\n";
    for input in report.inputs.iter().take(MAX_CARDS) {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            text(&shown(&input.name)),
            input.format.unwrap_or("not read"),
            grouped(input.bytes),
            grouped(input.records),
            grouped(input.events)
        );
    }
    *page += "</tbody>\n</table>\n</div>\n";
    let said = troubles(&report.troubles);
    if !said.trim().is_empty() {
        let _ = writeln!(page, "<pre>{}</pre>", text(said.trim()));
    }
    *page += "</section>\n";
}
