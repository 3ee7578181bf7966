//! A finding's attempts as a picture: time against port or host, coloured by what came of them.

use std::collections::BTreeMap;

use lapwing_detect::{Finding, Kind, Point};
use lapwing_event::{Address, Outcome};
use plotters::prelude::*;

/// The picture's size in its own units; the page scales it to its width.
pub(crate) const WIDTH: u32 = 860;
pub(crate) const HEIGHT: u32 = 260;

/// The lines of a picture's grid; the page draws them in its own ink.
pub(crate) const GRID: RGBColor = RGBColor(230, 230, 230);

/// Every outcome with its colour: told apart by those who do not see red and green (Okabe and Ito's
/// palette).
pub(super) const OUTCOMES: [(Outcome, RGBColor); 5] = [
    (Outcome::Open, RGBColor(0, 158, 115)),
    (Outcome::Served, RGBColor(0, 114, 178)),
    (Outcome::Refused, RGBColor(213, 94, 0)),
    (Outcome::Unanswered, RGBColor(230, 159, 0)),
    (Outcome::Unknown, RGBColor(120, 120, 120)),
];

/// The picture, with a legend and a description in words; empty where it cannot be drawn.
pub(super) fn attempts(finding: &Finding) -> String {
    let by_port = matches!(finding.kind, Kind::Vertical | Kind::Distributed | Kind::Decoy);
    let hosts: BTreeMap<Address, usize> = {
        let mut hosts: Vec<Address> = finding.points.iter().map(|point| point.host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.into_iter().enumerate().map(|(at, host)| (host, at + 1)).collect()
    };
    let height = |point: &Point| match by_port {
        true => f64::from(point.port),
        false => hosts.get(&point.host).copied().unwrap_or_default() as f64,
    };
    let axis = if by_port { "port" } else { "host, by address" };
    let Some(svg) = draw(finding, axis, height) else { return String::new() };
    let legend = legend(|outcome| finding.points.iter().any(|point| point.outcome == outcome));
    let shown = finding.points.len();
    let part = match finding.counts.attempts > shown as u64 {
        true => format!(" {shown} of {} attempts are shown.", finding.counts.attempts),
        false => String::new(),
    };
    format!(
        "<figure>{svg}<figcaption>Attempts over time, by {axis}. {legend}{part}</figcaption></figure>\n"
    )
}

/// What the colours mean, of the outcomes that a picture shows.
pub(super) fn legend(shows: impl Fn(Outcome) -> bool) -> String {
    let keys: Vec<String> = OUTCOMES
        .iter()
        .filter(|(outcome, _)| shows(*outcome))
        .map(|(outcome, colour)| {
            let (name, colour) = (outcome.name(), hex(*colour));
            format!(
                "<span class=\"key\"><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><circle \
                     cx=\"5\" cy=\"5\" r=\"4\" fill=\"{colour}\"/></svg>{name}</span>"
            )
        })
        .collect();
    keys.join(" ")
}

/// A colour as pages write it.
pub(super) fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn draw(finding: &Finding, axis: &str, height: impl Fn(&Point) -> f64) -> Option<String> {
    let first = finding.points.iter().map(|point| point.time).min()?;
    let seconds = |point: &Point| point.time.since(first).as_seconds();
    let length = finding.points.iter().map(seconds).fold(0.001, f64::max);
    let low = finding.points.iter().map(&height).fold(f64::INFINITY, f64::min);
    let high = finding.points.iter().map(&height).fold(f64::NEG_INFINITY, f64::max);
    let margin = ((high - low) * 0.05).max(0.5);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(48)
            .y_label_area_size(76)
            .build_cartesian_2d(
                -length * 0.01..length * 1.01,
                (low - margin).max(0.0)..high + margin,
            )
            .ok()?;
        chart
            .configure_mesh()
            .x_desc("seconds from the first attempt")
            .y_desc(axis)
            .x_labels(8)
            .y_labels(6)
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 13))
            .bold_line_style(GRID)
            .x_label_formatter(&|value| rounded(*value, length))
            .y_label_formatter(&|value| format!("{value:.0}"))
            .draw()
            .ok()?;
        for (outcome, colour) in OUTCOMES {
            let points = finding.points.iter().filter(|point| point.outcome == outcome);
            let circle =
                |point| Circle::new((seconds(point), height(point)), 3, colour.mix(0.8).filled());
            chart.draw_series(points.map(circle)).ok()?;
        }
        area.present().ok()?;
    }
    Some(described(&svg, "attempts over time"))
}

/// A drawn picture with what it shows in words, and without a size and an ink of its own: the page
/// scales it to its width, and is light or dark. The words are the program's own, not telemetry's.
pub(crate) fn described(svg: &str, words: &str) -> String {
    let sized = format!("width=\"{WIDTH}\" height=\"{HEIGHT}\" ");
    let svg = svg.replacen(&sized, &format!("role=\"img\" aria-label=\"{words}\" "), 1);
    let line = format!("opacity=\"1\" stroke=\"{}\"", hex(GRID).to_uppercase());
    svg.replace(&line, "opacity=\"0.2\" stroke=\"currentColor\"").replace("#000000", "currentColor")
}

/// Seconds with as many digits as the picture's length needs.
fn rounded(value: f64, length: f64) -> String {
    match length {
        length if length < 0.1 => format!("{value:.4}"),
        length if length < 10.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
