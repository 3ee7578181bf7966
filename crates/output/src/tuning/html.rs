//! The replay of a baseline as one page, under the same policy and style as the report of a hunt.

use std::fmt::Write;

use plotters::prelude::*;

use super::{Curve, Tuning, paste, per_day, table, verdict};
use crate::html::plot::{GRID, HEIGHT, WIDTH, described};
use crate::html::{begin, text};
use crate::person::grouped;
use crate::troubles::troubles;

/// What is drawn, told apart by those who do not see red and green (Okabe and Ito's palette).
const FINDINGS: RGBColor = RGBColor(0, 114, 178);
const UNEXPLAINED: RGBColor = RGBColor(213, 94, 0);
const RECALL: RGBColor = RGBColor(0, 158, 115);
const MARK: RGBColor = RGBColor(120, 120, 120);

/// The whole replay as a page.
pub fn write(tuning: &Tuning) -> String {
    let mut page = begin("Lapwing: tuning");
    page += "<h1>What a baseline says of the tunables</h1>\n";
    for line in table::heading(tuning).lines() {
        let _ = writeln!(page, "<p>{}</p>", text(line));
    }
    page += "<nav><a href=\"#curves\">Curves</a> <a href=\"#allowed\">Allow-lists</a> \
             <a href=\"#paste\">Configuration</a></nav>\n</header>\n<main>\n\
             <section id=\"curves\">\n<h2>Findings against value</h2>\n";
    for curve in &tuning.curves {
        article(curve, tuning, &mut page);
    }
    page += "</section>\n<section>\n<h2>Not swept</h2>\n<ul>\n";
    for key in &tuning.blind {
        let _ = writeln!(page, "<li>{key}: no log source of its analytic was there</li>");
    }
    for (key, why) in table::told_of(tuning) {
        let _ = writeln!(page, "<li>{key}: {}</li>", text(why));
    }
    page += "</ul>\n</section>\n<section id=\"allowed\">\n<h2>Who could be allowed to scan</h2>\n<ul>\n";
    for proposal in &tuning.proposals {
        let _ = writeln!(page, "<li>{}</li>", text(&table::line(proposal)));
    }
    if tuning.proposals.is_empty() {
        page += "<li>nobody: there is no finding to explain</li>\n";
    }
    page += "</ul>\n</section>\n<section id=\"paste\">\n<h2>Proposed configuration</h2>\n";
    let proposed = paste::write(tuning);
    match proposed.is_empty() {
        true => page += "<p>Nothing: no value and no entry would spare a finding.</p>\n",
        false => {
            let _ = writeln!(page, "<pre>{}</pre>", text(&proposed));
        }
    }
    let said = troubles(&tuning.report.troubles);
    if !said.trim().is_empty() {
        let _ = writeln!(page, "<pre>{}</pre>", text(said.trim()));
    }
    page += "</section>\n</main>\n</body>\n</html>\n";
    page
}

fn article(curve: &Curve, tuning: &Tuning, page: &mut String) {
    let _ = write!(
        page,
        "<article>\n<h3>{}</h3>\n<p>{}</p>\n",
        curve.element.key,
        text(&verdict(curve, tuning))
    );
    if !curve.is_flat() {
        *page += &figure(curve, tuning);
        rows(curve, tuning, page);
    }
    *page += "</article>\n";
}

fn rows(curve: &Curve, tuning: &Tuning, page: &mut String) {
    let unit = if tuning.days().is_some() { "Findings a day" } else { "Findings" };
    let _ = write!(
        page,
        "<div class=\"wide\" tabindex=\"0\">\n<table>\n<thead><tr><th>Value</th><th>{unit}</th>\
         <th>Unexplained</th><th>Attacks found</th><th>By whom</th></tr></thead>\n<tbody>\n"
    );
    let many = |count: u64| match tuning.days() {
        Some(days) => per_day(count, days),
        None => grouped(count),
    };
    for point in &curve.points {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            curve.element.shown(point.value),
            many(point.findings),
            many(point.unexplained),
            point.recall.map(grouped).unwrap_or_default(),
            text(&table::told(point))
        );
    }
    *page += "</tbody>\n</table>\n</div>\n";
}

fn figure(curve: &Curve, tuning: &Tuning) -> String {
    let Some(svg) = draw(curve, tuning) else { return String::new() };
    let key = |RGBColor(r, g, b): RGBColor, name: &str| {
        format!(
            "<span class=\"key\"><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><circle cx=\"5\" \
             cy=\"5\" r=\"4\" fill=\"#{r:02x}{g:02x}{b:02x}\"/></svg>{name}</span>"
        )
    };
    let mut legend = key(FINDINGS, "findings") + " ";
    legend += &key(UNEXPLAINED, "findings that no proposed entry explains");
    if curve.points.iter().any(|point| point.recall.is_some()) {
        legend += " ";
        legend += &key(RECALL, "known attacks found, as a share of the height");
    }
    format!(
        "<figure>{svg}<figcaption>The present value is marked by a line. {legend}</figcaption></figure>\n"
    )
}

fn draw(curve: &Curve, tuning: &Tuning) -> Option<String> {
    let days = tuning.days().unwrap_or(1.0);
    let series = |count: fn(&super::Point) -> u64| -> Vec<(f64, f64)> {
        let point = |(at, point)| (at as f64, count(point) as f64 / days);
        curve.points.iter().enumerate().map(point).collect()
    };
    let (findings, unexplained) =
        (series(|point| point.findings), series(|point| point.unexplained));
    let high = findings.iter().map(|(_, y)| *y).fold(0.0, f64::max).max(1.0 / days) * 1.08;
    let attacks = tuning.against.as_ref().map_or(0, |against| against.attacks).max(1) as f64;
    let recall: Vec<(f64, f64)> = curve
        .points
        .iter()
        .enumerate()
        .filter_map(|(at, point)| Some((at as f64, point.recall? as f64 / attacks * high / 1.08)))
        .collect();
    let last = curve.points.len().checked_sub(1)? as f64;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(48)
            .y_label_area_size(76)
            .build_cartesian_2d(-0.3..last + 0.3, 0.0..high)
            .ok()?;
        let label = |at: &f64| {
            let near = (at - at.round()).abs() < 0.01 && *at >= -0.01;
            let point = curve.points.get(at.round().max(0.0) as usize).filter(|_| near);
            point.map(|point| curve.element.shown(point.value)).unwrap_or_default()
        };
        chart
            .configure_mesh()
            .x_desc("value, the most sensitive first")
            .y_desc(if tuning.days().is_some() { "findings a day" } else { "findings" })
            .x_labels(curve.points.len() * 2)
            .y_labels(6)
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 13))
            .bold_line_style(GRID)
            .x_label_formatter(&label)
            .draw()
            .ok()?;
        let now = curve.now as f64;
        let mark = PathElement::new(vec![(now, 0.0), (now, high)], MARK.stroke_width(1));
        chart.draw_series([mark]).ok()?;
        for (line, colour) in [(findings, FINDINGS), (unexplained, UNEXPLAINED), (recall, RECALL)] {
            let dots = line.iter().map(|at| Circle::new(*at, 3, colour.filled()));
            chart.draw_series(dots).ok()?;
            let path = PathElement::new(line.clone(), colour.stroke_width(2));
            chart.draw_series([path]).ok()?;
        }
        area.present().ok()?;
    }
    Some(described(&svg, "findings against value"))
}
