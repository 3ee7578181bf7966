//! docs/performance.md.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::cores::{self, Cores};
use super::{Crowded, Detected, Grown, Measured, ROUNDS};

/// What was tried, what it gave, and what is needed where a goal is not met: written by hand.
const LOG: &str = include_str!("log.md");

/// What memory may be taken at the most, in MiB.
pub(super) const MOST_MEMORY: f64 = 256.0;

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The page.
pub(super) fn write(
    size: u64,
    measured: &[Measured],
    grown: &[Grown],
    crowded: &[Crowded],
    detected: &[Detected],
    on_two: &[Cores],
) -> String {
    let mut text = format!(
        "# How fast it is\n\n\
         Written by `cargo xtask bench-peers {size}` (`just bench-peers {size}`).\n\n\
         `lapwing hunt --format jsonl --threads 1`, everything judged and written, beside what people would \
         use instead, on the same bytes in the same run. CPU seconds are user and system time of the whole \
         process, the median of {ROUNDS} rounds that were made in turn, each of as many runs as take a second \
         together; the ratio is the peer's by Lapwing's, so \
         that more is better. MB are millions of bytes.\n\n\
         | input | MB | Lapwing CPU s | MB/s | peak MiB | beside | its CPU s | ratio | at least | |\n\
         |---|---|---|---|---|---|---|---|---|---|\n"
    );
    for Measured { input, size, lapwing, beside } in measured {
        let own = format!(
            "{} | {:.0} | {:.3} | {:.0} | {:.0}",
            input.name,
            mb(*size),
            lapwing.cpu,
            mb(*size) / lapwing.cpu.max(0.001),
            lapwing.peak
        );
        if beside.is_empty() {
            let _ = writeln!(text, "| {own} | | | | | |");
        }
        for beside in beside {
            let Some(cost) = beside.cost else {
                let why = if beside.failed { "failed" } else { "not installed" };
                let _ = writeln!(text, "| {own} | {} | {why} | | | |", beside.peer.title);
                continue;
            };
            let ratio = cost.cpu / lapwing.cpu.max(0.001);
            let met = if ratio >= beside.peer.at_least { "met" } else { "not met" };
            let _ = writeln!(
                text,
                "| {own} | {} {} | {:.3} | {ratio:.2} | {} | {met} |",
                beside.peer.title, beside.version, cost.cpu, beside.peer.at_least
            );
        }
    }
    let most = measured.iter().map(|measured| measured.lapwing.peak).fold(0.0, f64::max);
    let within = if most <= MOST_MEMORY { "met" } else { "not met" };
    let _ = write!(
        text,
        "\nPeak memory: {most:.0} MiB at the most, {MOST_MEMORY:.0} wanted: {within}.\n\n{}\n\
         ## Were the scans found\n\n\
         | input | scanners | found | others named |\n|---|---|---|---|\n",
        cores::page(on_two)
    );
    for detected in detected {
        let others = match detected.others.as_slice() {
            [] => "none".to_string(),
            others => others.join(", "),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {others} |",
            detected.input, detected.scanners, detected.found
        );
    }
    growth(&mut text, grown);
    crowds(&mut text, crowded);
    text + "\n" + LOG
}

/// How time and memory grow with the input.
fn growth(text: &mut String, grown: &[Grown]) {
    *text += "\n## How it grows\n\n\
              ![Time and memory as inputs and crowds of origins grow](growth.svg)\n\n\
              As many runs of each as take a second together.\n\n\
              | input | MB | CPU s | MB/s | peak MiB |\n|---|---|---|---|---|\n";
    let names: BTreeSet<&str> = grown.iter().map(|grown| grown.input).collect();
    for name in names {
        for grown in grown.iter().filter(|grown| grown.input == name) {
            let _ = writeln!(
                text,
                "| {name} | {:.1} | {:.3} | {:.0} | {:.0} |",
                mb(grown.size),
                grown.cost.cpu,
                mb(grown.size) / grown.cost.cpu.max(0.001),
                grown.cost.peak
            );
        }
    }
}

/// How they grow with the sources that an input names.
fn crowds(text: &mut String, crowded: &[Crowded]) {
    let _ = write!(
        text,
        "\nCrowds of sources, each of which is seen for the first time, over six hours, with one scan of 200 \
         ports of a host within an hour of them: made as they are read, through a pipe.\n\n\
         | crowd | sources, millions | CPU s | peak MiB | the scan | others named |\n|---|---|---|---|---|---|\n"
    );
    for crowded in crowded {
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.0} | {} | {} |",
            crowded.crowd.name,
            crowded.sources / 1_000_000,
            crowded.cost.cpu,
            crowded.cost.peak,
            if crowded.found { "found" } else { "NOT FOUND" },
            crowded.others
        );
    }
    let most = crowded.iter().map(|crowded| crowded.cost.peak).fold(0.0, f64::max);
    let within = if most <= MOST_MEMORY { "met" } else { "not met" };
    let _ = writeln!(
        text,
        "\nPeak memory: {most:.0} MiB at the most, {MOST_MEMORY:.0} wanted: {within}."
    );
}
