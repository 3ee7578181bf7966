//! docs/growth.svg: time and memory as inputs and crowds of sources grow, on logarithmic axes.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Crowded, Grown};

/// Colours told apart by those who see few of them (Okabe and Ito, "Color Universal Design", 2008),
/// darkened or lightened until they are legible on both grounds, and the shades of no hue.
const COLOURS: [&str; 10] = [
    "#0072b2", "#d55e00", "#009e73", "#b0609a", "#3f9fd8", "#b38600", "#8c564b", "#7f7f7f",
    "#6a5acd", "#c2185b",
];

/// The picture's measures, in its own units.
const PANEL: (f64, f64) = (330.0, 230.0);
/// Room left of a panel for its axis, and right of it for its lines' names.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 196.0;
const TOP: f64 = 64.0;
/// Room between one row of panels and the next.
const GAP: f64 = 92.0;
const WIDTH: f64 = 2.0 * (LEFT + PANEL.0 + RIGHT);
const HEIGHT: f64 = TOP + 2.0 * (PANEL.1 + GAP);
/// The least distance between the names of two lines.
const NAME_HEIGHT: f64 = 15.0;

/// One line of a panel: its name, and its points.
type Series = BTreeMap<&'static str, Vec<(f64, f64)>>;

/// One panel: its title, its axis below, its lines, and a level that is not to be passed.
struct Panel<'a> {
    title: &'a str,
    below: &'a str,
    lines: Series,
    limit: Option<f64>,
}

/// The picture.
pub(super) fn draw(grown: &[Grown], crowded: &[Crowded]) -> String {
    let sizes = |value: fn(&Grown) -> f64| {
        let mut lines = Series::new();
        for grown in grown {
            lines.entry(grown.input).or_default().push((grown.size as f64 / 1e6, value(grown)));
        }
        lines
    };
    let crowds = |value: fn(&Crowded) -> f64| {
        let mut lines = Series::new();
        for crowded in crowded {
            let point = (crowded.sources as f64 / 1e6, value(crowded));
            lines.entry(crowded.crowd.short).or_default().push(point);
        }
        lines
    };
    let panels = [
        Panel {
            title: "CPU seconds by size",
            below: "MB of input",
            lines: sizes(|grown| grown.cost.cpu),
            limit: None,
        },
        Panel {
            title: "Peak memory (MiB) by size",
            below: "MB of input",
            lines: sizes(|grown| grown.cost.peak),
            limit: Some(super::page::MOST_MEMORY),
        },
        Panel {
            title: "CPU seconds by distinct sources",
            below: "millions of sources",
            lines: crowds(|crowded| crowded.cost.cpu),
            limit: None,
        },
        Panel {
            title: "Peak memory (MiB) by distinct sources",
            below: "millions of sources",
            lines: crowds(|crowded| crowded.cost.peak),
            limit: Some(super::page::MOST_MEMORY),
        },
    ];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"title\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <title id=\"title\">How time and memory grow with the input and with the sources in it</title>\n\
         <style>\n\
         .ground {{ fill: #ffffff }} .ink {{ fill: #1f2328 }} .faint {{ fill: #59636e }}\n\
         .grid {{ stroke: #d1d9e0 }} .limit {{ stroke: #1f2328 }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         .ground {{ fill: #0d1117 }} .ink {{ fill: #f0f6fc }} .faint {{ fill: #9198a1 }}\n\
         .grid {{ stroke: #3d444d }} .limit {{ stroke: #f0f6fc }}\n\
         }}\n\
         </style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
         <text class=\"ink\" x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"600\">How it grows</text>\n"
    );
    for (at, panel) in panels.iter().enumerate() {
        let left = LEFT + (at % 2) as f64 * (LEFT + PANEL.0 + RIGHT);
        let top = TOP + (at / 2) as f64 * (PANEL.1 + GAP);
        panel.draw(&mut svg, left, top);
    }
    svg + "</svg>\n"
}

impl Panel<'_> {
    fn draw(&self, svg: &mut String, left: f64, top: f64) {
        let points = || self.lines.values().flatten();
        let across = Axis::over(points().map(|point| point.0), left, left + PANEL.0);
        let up = Axis::over(points().map(|point| point.1).chain(self.limit), top + PANEL.1, top);
        let (right, bottom) = (left + PANEL.0, top + PANEL.1);
        let _ = writeln!(
            svg,
            "<text class=\"ink\" x=\"{left}\" y=\"{:.1}\" font-weight=\"600\">{}</text>\n\
             <text class=\"faint\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            top - 10.0,
            self.title,
            left + PANEL.0 / 2.0,
            bottom + 38.0,
            self.below
        );
        for mark in up.marks() {
            let y = up.at(mark);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"faint\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>",
                left - 6.0,
                y + 4.0
            );
        }
        for mark in across.marks() {
            let x = across.at(mark);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>\
                 <text class=\"faint\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{mark}</text>",
                bottom + 18.0
            );
        }
        if let Some(limit) = self.limit {
            let y = up.at(limit);
            let _ = writeln!(
                svg,
                "<line class=\"limit\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" \
                 stroke-dasharray=\"5 4\"/>\
                 <text class=\"ink\" x=\"{:.1}\" y=\"{:.1}\">{limit} MiB at the most</text>",
                left + 6.0,
                y - 5.0
            );
        }
        self.lines(svg, &across, &up, right);
    }

    /// The lines with their names at their ends, moved apart where they would lie upon each other.
    fn lines(&self, svg: &mut String, across: &Axis, up: &Axis, right: f64) {
        let mut ends = Vec::new();
        for ((name, points), colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let mut points: Vec<(f64, f64)> =
                points.iter().map(|(x, y)| (across.at(*x), up.at(*y))).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                path.join(" ")
            );
            for (x, y) in &points {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
                );
            }
            ends.extend(points.last().map(|(x, y)| (*x, *y, *name, *colour)));
        }
        ends.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut lowest = f64::NEG_INFINITY;
        let mut places: Vec<f64> = Vec::new();
        for (_, y, ..) in &ends {
            lowest = y.max(lowest + NAME_HEIGHT);
            places.push(lowest);
        }
        // Those that were pushed below the panel's end go up again together.
        let over = places.last().map_or(0.0, |last| (last - up.from).max(0.0));
        for ((x, y, name, colour), place) in ends.into_iter().zip(places) {
            let place = place - over;
            let _ = writeln!(
                svg,
                "<line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{place:.1}\" stroke=\"{colour}\"/>\
                 <text class=\"ink\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
                x + 4.0,
                right + 22.0,
                right + 26.0,
                place + 4.0
            );
        }
    }
}

/// A logarithmic axis.
struct Axis {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

/// Where an axis has marks within each power of ten.
const MARKS: [f64; 3] = [1.0, 2.0, 5.0];

impl Axis {
    /// The axis that holds all values, from mark to mark, drawn from one place to another.
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Axis {
        // A hundredth is the least that is measured.
        let values: Vec<f64> = values.map(|value| value.max(0.01)).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min).min(1e6);
        let most = values.iter().copied().fold(0.0, f64::max).max(least * 1.01);
        let below = marks().filter(|mark| *mark <= least * 1.001).last().unwrap_or(least);
        let above = marks().find(|mark| *mark >= most * 0.999).unwrap_or(most);
        Axis { least: below, most: above, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value.max(0.01) / self.least).ln() / (self.most / self.least).ln();
        self.from + part * (self.to - self.from)
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        marks().filter(|mark| (self.least * 0.999..=self.most * 1.001).contains(mark))
    }
}

/// All marks from a hundredth to millions, in their order.
fn marks() -> impl Iterator<Item = f64> {
    (0..9).flat_map(|power| MARKS.map(|mark| mark * 10_f64.powi(power) / 100.0))
}

#[cfg(test)]
mod tests {
    use super::super::crowds::CROWDS;
    use super::super::run::Cost;
    use super::*;

    #[test]
    fn the_picture_holds_every_line_within_its_bounds() {
        let cost = |cpu, peak| Cost { cpu, wall: cpu, peak };
        let grown = [("pcap", 1), ("pcap", 2), ("EVTX", 1), ("EVTX", 4)].map(|(input, size)| {
            Grown { input, size: size * 10_000_000, cost: cost(0.1 * size as f64, 20.0) }
        });
        let crowded: Vec<Crowded> = CROWDS
            .iter()
            .flat_map(|crowd| {
                [1, 10].map(|millions| Crowded {
                    crowd,
                    sources: millions * 1_000_000,
                    cost: cost(millions as f64, 150.0),
                    found: true,
                    others: 0,
                })
            })
            .collect();
        let svg = draw(&grown, &crowded);
        assert_eq!(svg.matches("<polyline").count(), 2 * (2 + CROWDS.len()));
        assert_eq!(svg.matches("at the most").count(), 2);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let circles =
            svg.lines().filter_map(|line| line.strip_prefix("<circle cx=\"")?.split('"').next());
        let within = |x: &str| x.parse().is_ok_and(|x: f64| (0.0..=WIDTH).contains(&x));
        assert!(circles.clone().count() > 0 && circles.clone().all(within));
    }
}
