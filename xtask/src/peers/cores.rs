//! What a second core gives: to one run, and, as the most that the machine could give, to two runs at once
//! that have nothing to do with each other.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ROUNDS;
use super::run::{Cost, Line, paired};
use super::workloads::Workloads;

/// Several inputs, as a folder of evidence has them, and such by themselves; the first row is the one that
/// is held to its goal.
const SETS: [(&str, &[&str]); 8] = [
    ("four inputs", &["audit.log", "sysmon.json", "big.pcap", "evtx/merged.evtx"]),
    ("Sysmon NDJSON", &["sysmon.json"]),
    ("Zeek JSON", &["flows/conn.json"]),
    ("EVTX, 2 % used", &["evtx/merged.evtx"]),
    ("EVTX, 93 % used", &["evtx/used.evtx"]),
    ("IPFIX file", &["flows/flows.ipfix"]),
    ("auditd raw", &["audit.log"]),
    ("pcap", &["big.pcap"]),
];

/// How many times as fast two cores are to be as one.
const WANTED: f64 = 1.7;

/// One set of inputs on one core and on two.
pub(super) struct Cores {
    name: &'static str,
    one: Cost,
    two: Cost,
    /// By the clock, one of two runs at once on one core each.
    at_once: f64,
    same: bool,
}

/// Measures every set whose workloads are there.
pub(super) fn measured(lapwing: &Path, whole: &Workloads) -> io::Result<Vec<Cores>> {
    let mut all = Vec::new();
    for (name, files) in SETS {
        let files: Vec<PathBuf> = files.iter().filter_map(|name| whole.file(name)).collect();
        if !files.is_empty() {
            all.push(of(name, lapwing, &files)?);
        }
    }
    Ok(all)
}

fn of(name: &'static str, lapwing: &Path, files: &[PathBuf]) -> io::Result<Cores> {
    let on = |threads: &str| Line {
        program: lapwing.to_path_buf(),
        arguments: ["hunt", "--format", "jsonl", "--threads", threads]
            .into_iter()
            .map(str::to_string)
            .chain(files.iter().map(|file| file.to_string_lossy().into_owned()))
            .collect(),
        input: None,
        highest: 3,
    };
    let printed = |line: Line| Command::new(&line.program).args(&line.arguments).output();
    let same = printed(on("1"))?.stdout == printed(on("2"))?.stdout;
    let costs = paired(&[on("1"), on("2")], ROUNDS);
    let at = |at: usize| costs.get(at).copied().flatten().unwrap_or_default();
    let alone = on("1");
    let walls = std::thread::scope(|scope| {
        let both = [0; 2].map(|_| scope.spawn(|| alone.measured()));
        both.map(|run| run.join().map_err(|_| io::Error::other("a run was not watched")))
    });
    let mut at_once = 0.0;
    for wall in walls {
        at_once += wall??.wall / 2.0;
    }
    Ok(Cores { name, one: at(0), two: at(1), at_once, same })
}

/// The page's table.
pub(super) fn page(all: &[Cores]) -> String {
    let mut text = String::from(
        "## Two cores\n\nBy the clock. What two runs at once get done, each on one core and with nothing to \
         do with the other, is about the most that these two cores could give; it is measured once, and \
         swings with what else the machine does.\n\n\
         | input | on one s | on two s | times as fast | two runs at once | findings |\n\
         |---|---|---|---|---|---|\n",
    );
    for Cores { name, one, two, at_once, same } in all {
        let ratio = |of: f64| one.wall / of.max(0.001);
        let _ = writeln!(
            text,
            "| {name} | {:.3} | {:.3} | {:.2} | {:.2} | {} |",
            one.wall,
            two.wall,
            ratio(two.wall),
            2.0 * ratio(*at_once),
            if *same { "the same byte for byte" } else { "OTHER FINDINGS" },
        );
    }
    if let Some(first) = all.first() {
        let reached = first.one.wall / first.two.wall.max(0.001) >= WANTED;
        let met = if reached { "met" } else { "not met" };
        let _ = writeln!(text, "\nFor {}, {WANTED} is wanted: {met}.", first.name);
    }
    text
}
