//! A finding's fan-out as a picture: its origin, and what it reached for, in groups, by what came of it.

mod groups;

use std::fmt::Write;

use lapwing_detect::{Finding, Kind, Outcomes};
use lapwing_event::{Outcome, Process};

use self::groups::{Group, groups};
use super::plot::{OUTCOMES, hex, legend};
use super::text;
use crate::person::{counted, grouped, who};

/// The picture's width in its own units: about as many as a phone's card has pixels, so that what is
/// written in it stays legible there.
const WIDTH: f64 = 340.0;
/// The height of a group: two lines of text and a bar.
const ROW: f64 = 36.0;
/// Where the origin's box ends, and where the groups begin.
const BOX: f64 = 92.0;
const GROUPS: f64 = 150.0;
/// How many characters fit a line of the origin's box, and of a group's label.
const BOX_CHARS: usize = 13;
const LABEL_CHARS: usize = 26;

/// The picture with a legend and a description in words; empty where there are no two groups to draw.
/// `number` tells its parts' names from those of the page's other pictures.
pub(super) fn out(number: usize, finding: &Finding) -> String {
    let fan = groups(finding);
    if fan.drawn.len() < 2 {
        return String::new();
    }
    let rows: Vec<&Group> = fan.drawn.iter().chain(&fan.rest).collect();
    let height = ROW * rows.len() as f64;
    let most = rows.iter().map(|group| attempts(group.outcomes)).max().unwrap_or(0).max(1);
    let title = text(&format!("Fan-out of {}, {}", who(&finding.origin), fan.by));
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"fan{number}\" \
         aria-describedby=\"fan{number}d\"><title id=\"fan{number}\">{title}</title>\
         <desc id=\"fan{number}d\">{}</desc>",
        text(&told(&rows))
    );
    for (at, group) in rows.iter().enumerate() {
        row(group, at as f64 * ROW, height / 2.0, most, &mut svg);
    }
    origin(finding, height / 2.0, &mut svg);
    svg += "</svg>";
    let drawn: Vec<Outcome> =
        rows.iter().flat_map(|group| parts(group.outcomes)).map(|(outcome, _)| outcome).collect();
    let part = match fan.sampled {
        Some(shown) => {
            let attempts = counted(finding.counts.attempts, "attempt");
            format!(" Drawn from {} of {attempts}.", grouped(shown))
        }
        None => String::new(),
    };
    format!(
        "<figure class=\"fan\">{svg}<figcaption>Fan-out, {}. {}{part}</figcaption></figure>\n",
        fan.by,
        legend(|outcome| drawn.contains(&outcome))
    )
}

/// What the picture shows, in a sentence for each group.
fn told(rows: &[&Group]) -> String {
    let told: Vec<String> =
        rows.iter().map(|group| format!("{}: {}.", group.label, words(group))).collect();
    told.join(" ")
}

/// One group: a line from the origin, its label, what came of it in words and as a bar.
fn row(group: &Group, top: f64, middle: f64, most: u64, svg: &mut String) {
    let parts = parts(group.outcomes);
    let total = attempts(group.outcomes);
    let colour = parts.first().map_or("currentColor".to_string(), |(outcome, _)| colour(*outcome));
    let y = top + ROW / 2.0 - 2.0;
    let bend = f64::midpoint(BOX, GROUPS);
    // From one to four units: a group of ten times as many attempts is seen to be so.
    let width = 1.0 + 3.0 * ((1 + total) as f64).ln() / ((1 + most) as f64).ln();
    let label = text(&group.label);
    let words = words(group);
    let _ = write!(
        svg,
        "<g><title>{label}: {words}</title><path d=\"M{BOX} {middle:.1}C{bend} {middle:.1} {bend} {y:.1} \
         {} {y:.1}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width:.1}\" \
         stroke-opacity=\"0.7\"/><text class=\"label\" x=\"{GROUPS}\" y=\"{:.1}\">{}</text>\
         <text class=\"words\" x=\"{GROUPS}\" y=\"{:.1}\"{}>{words}</text>",
        GROUPS - 4.0,
        top + 12.0,
        text(&cut(&group.label, LABEL_CHARS)),
        top + 24.0,
        fitted(&words)
    );
    let mut x = GROUPS;
    for (outcome, count) in parts {
        let share = (WIDTH - GROUPS) * count as f64 / total.max(1) as f64;
        let _ = write!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{share:.1}\" height=\"4\" fill=\"{}\"/>",
            top + 28.0,
            self::colour(outcome)
        );
        x += share;
    }
    *svg += "</g>";
}

/// The box of who scanned: the container, the program, the computer, as far as they are known.
fn origin(finding: &Finding, middle: f64, svg: &mut String) {
    let lines = named(finding);
    let height = 16.0 * lines.len() as f64 + 10.0;
    let top = middle - height / 2.0;
    let _ = write!(
        svg,
        "<rect class=\"box\" x=\"1\" y=\"{top:.1}\" width=\"{}\" height=\"{height:.1}\" rx=\"5\"/>",
        BOX - 1.0
    );
    for (at, line) in lines.iter().enumerate() {
        let _ = write!(
            svg,
            "<text class=\"words\" x=\"{}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            BOX / 2.0,
            top + 16.0 * (at as f64 + 1.0),
            text(&cut(line, BOX_CHARS))
        );
    }
}

fn named(finding: &Finding) -> Vec<String> {
    let origin = &finding.origin;
    let members = finding.members.len() as u64;
    let mut lines = Vec::new();
    match finding.kind {
        Kind::Distributed if members > 0 => lines.push(counted(members, "source")),
        Kind::Decoy if members > 0 => lines.push(counted(members, "candidate")),
        _ => {}
    }
    if !lines.is_empty() {
        return lines;
    }
    if let Some(container) = &origin.container {
        let known = [&container.pod, &container.name, &container.id];
        lines.extend(known.into_iter().flatten().next().map(ToString::to_string));
    }
    if let Some(process) = &origin.process {
        lines.extend(process.short_name().map(str::to_string));
        lines.extend(origin.child.as_deref().and_then(Process::short_name).map(str::to_string));
    }
    lines.extend(origin.device.as_deref().map(str::to_string));
    lines.extend(origin.prefix.map(|prefix| prefix.to_string()));
    lines.extend(origin.address.map(|address| address.to_string()));
    if lines.is_empty() {
        lines.push("not recorded".to_string());
    }
    lines
}

fn attempts(outcomes: Outcomes) -> u64 {
    outcomes.known() + outcomes.unknown
}

/// The outcomes that came up and how often, those that matter most first.
fn parts(outcomes: Outcomes) -> Vec<(Outcome, u64)> {
    let counts =
        [outcomes.open, outcomes.served, outcomes.refused, outcomes.unanswered, outcomes.unknown];
    let parts = OUTCOMES.iter().zip(counts).map(|((outcome, _), count)| (*outcome, count));
    parts.filter(|(_, count)| *count > 0).collect()
}

fn words(group: &Group) -> String {
    let parts = parts(group.outcomes);
    match parts.as_slice() {
        [] => "asked for".to_string(),
        [(outcome, 1)] => outcome.name().to_string(),
        parts => {
            let told: Vec<String> = parts
                .iter()
                .map(|(outcome, count)| format!("{} {}", grouped(*count), outcome.name()))
                .collect();
            told.join(", ")
        }
    }
}

/// What presses words into their line where a wide font would not fit them.
fn fitted(words: &str) -> String {
    // A character of 11 units is less wide than this on average, in any usual font.
    const CHARACTER: f64 = 6.5;
    let room = WIDTH - GROUPS;
    match words.chars().count() as f64 * CHARACTER > room {
        true => format!(" textLength=\"{room}\" lengthAdjust=\"spacingAndGlyphs\""),
        false => String::new(),
    }
}

fn colour(outcome: Outcome) -> String {
    let known = OUTCOMES.iter().find(|(other, _)| *other == outcome);
    known.map_or_else(|| "currentColor".to_string(), |(_, colour)| hex(*colour))
}

/// The text with its middle left out where it is longer: addresses and pods differ at their ends.
fn cut(text: &str, most: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= most {
        return text.to_string();
    }
    let head = most / 2;
    let tail = most - head - 1;
    let mut short: String = chars.iter().take(head).collect();
    short.push('…');
    short.extend(chars.iter().skip(chars.len() - tail));
    short
}

#[cfg(test)]
mod tests;
