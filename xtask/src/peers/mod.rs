//! `cargo xtask bench-peers`: Lapwing beside what people would use instead, in one run on the same
//! bytes; writes docs/performance.md.

mod cores;
mod crowds;
mod page;
mod plot;
mod run;
mod table;
mod workloads;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crowds::{CROWDS, Crowd, SCANNER, SOURCES};
use run::{Cost, Line, find, paired};
use table::{INPUTS, Input, Peer};
use workloads::{Workloads, generators};

/// How often each program is run; the median counts.
const ROUNDS: usize = 3;

/// Lapwing's own work: everything is judged, findings are written.
const HUNT: &str = "hunt --format jsonl --threads 1 {file}";

/// The sizes at which growth is looked at, as parts of the whole.
const PARTS: [u64; 4] = [8, 4, 2, 1];

/// One peer's result beside Lapwing's.
struct Beside {
    peer: &'static Peer,
    version: String,
    /// Nothing where it is not installed, or failed.
    cost: Option<Cost>,
    failed: bool,
}

/// What was measured on one workload.
struct Measured {
    input: &'static Input,
    /// Bytes of the file.
    size: u64,
    lapwing: Cost,
    beside: Vec<Beside>,
}

/// How Lapwing does at one size.
struct Grown {
    input: &'static str,
    size: u64,
    cost: Cost,
}

/// How Lapwing does on one crowd of so many sources.
struct Crowded {
    crowd: &'static Crowd,
    sources: u64,
    cost: Cost,
    /// Whether the scanner in it was told of.
    found: bool,
    /// How many others were, above informational.
    others: usize,
}

/// What was found of the scans that a workload holds.
struct Detected {
    input: &'static str,
    scanners: usize,
    found: usize,
    /// Origins above informational that are no scanner of it.
    others: Vec<String>,
}

/// Measures on workloads of `size` MB each, and on crowds, and writes the page and its plot.
///
/// # Errors
/// Where the generators or a release build are absent, a run fails, or the page cannot be written.
pub(crate) fn write(size: u64) -> io::Result<()> {
    let root = root();
    let lapwing = build(&root)?;
    let whole = Workloads::of(size)?;
    let mut measured = Vec::new();
    for input in INPUTS {
        if let Some(file) = whole.file(input.file) {
            measured.push(measure(&lapwing, input, &file)?);
        }
    }
    let mut grown = Vec::new();
    for part in PARTS {
        let workloads = Workloads::of((size / part).max(1))?;
        for input in INPUTS {
            let Some(file) = workloads.file(input.file) else { continue };
            let cost = hunt(&lapwing, &file).measured()?;
            grown.push(Grown { input: input.name, size: file.metadata()?.len(), cost });
        }
    }
    let detected =
        [("pcap", "big.pcap", "pcap.truth"), ("flows", "flows/flows.ipfix", "flows/truth.tsv")]
            .into_iter()
            .filter_map(|(name, file, truth)| Some((name, whole.file(file)?, whole.file(truth)?)))
            .map(|(name, file, truth)| detect(&lapwing, name, &file, &truth))
            .collect::<io::Result<Vec<Detected>>>()?;
    let cores = cores::measured(&lapwing, &whole)?;
    let mut crowded = Vec::new();
    for crowd in CROWDS {
        for sources in SOURCES {
            crowded.push(in_crowd(&lapwing, crowd, sources)?);
        }
    }
    std::fs::write(root.join("docs/growth.svg"), plot::draw(&grown, &crowded))?;
    let text = page::write(size, &measured, &grown, &crowded, &detected, &cores);
    std::fs::write(root.join("docs/performance.md"), text)
}

/// Hunts in a crowd that is made as it is read.
fn in_crowd(lapwing: &Path, crowd: &'static Crowd, sources: u64) -> io::Result<Crowded> {
    let line = hunt(lapwing, Path::new("-"));
    let (cost, printed) = line.fed(|out| (crowd.write)(sources, out))?;
    let mut named = named(&printed)?;
    let found = named.remove(SCANNER);
    Ok(Crowded { crowd, sources, cost, found, others: named.len() })
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Builds the command as it is released.
fn build(root: &Path) -> io::Result<PathBuf> {
    let status = Command::new(env!("CARGO"))
        // The whole workspace, so that nothing is built anew that other chores built.
        .args(["build", "--release", "--quiet", "--workspace"])
        .current_dir(root)
        .status()?;
    let binary = root.join("target/release/lapwing");
    match status.success() && binary.exists() {
        true => Ok(binary),
        false => Err(io::Error::other("cargo build --release --workspace failed")),
    }
}

fn hunt(lapwing: &Path, file: &Path) -> Line {
    Line { highest: 3, ..Line::of(lapwing, HUNT, &[("file", file)]) }
}

/// Lapwing and each peer that is installed, in turn.
fn measure(lapwing: &Path, input: &'static Input, file: &Path) -> io::Result<Measured> {
    let out = std::env::temp_dir().join(format!("lapwing-bench-peers-{}", std::process::id()));
    std::fs::create_dir_all(&out)?;
    // Laurel writes where its configuration says.
    let laurel =
        format!("directory = {out:?}\n[auditlog]\nfile = \"laurel.log\"\nsize = 10000000000\n");
    std::fs::write(out.join("laurel.toml"), laurel)?;
    let script = generators().join("q.py");
    let paths = [("file", file), ("q", script.as_path()), ("out", out.as_path())];
    let mut lines = vec![hunt(lapwing, file)];
    let mut beside = Vec::new();
    for peer in input.peers {
        let program = find(peer.program, |path| is_it(path, peer))
            .filter(|_| peer.module.is_none_or(has_module));
        let version = program.as_deref().map(|path| version(path, peer)).unwrap_or_default();
        let at = program.map(|path| {
            let line = Line::of(&path, peer.arguments, &paths);
            lines.push(Line { input: peer.piped.then(|| file.to_path_buf()), ..line });
            lines.len() - 1
        });
        beside.push((peer, version, at));
    }
    let costs = paired(&lines, ROUNDS);
    std::fs::remove_dir_all(&out)?;
    let beside = beside.into_iter().map(|(peer, version, at)| Beside {
        peer,
        version,
        failed: at.is_some_and(|at| costs.get(at).copied().flatten().is_none()),
        cost: at.and_then(|at| costs.get(at).copied().flatten()),
    });
    Ok(Measured {
        input,
        size: file.metadata()?.len(),
        lapwing: costs
            .first()
            .copied()
            .flatten()
            .ok_or_else(|| io::Error::other(format!("lapwing failed on {}", file.display())))?,
        beside: beside.collect(),
    })
}

fn has_module(name: &str) -> bool {
    said("python3", &["-c", &format!("import {name}; print({name}.__version__)")]).is_some()
}

/// Whether a program of its name is the peer.
fn is_it(program: &Path, peer: &Peer) -> bool {
    peer.says.is_empty()
        || said(&program.to_string_lossy(), &[peer.version])
            .is_some_and(|text| text.contains(peer.says))
}

fn version(program: &Path, peer: &Peer) -> String {
    let text = match peer.module {
        Some(name) => {
            said("python3", &["-c", &format!("import {name}; print({name}.__version__)")])
        }
        None if peer.version.is_empty() => None,
        None => said(&program.to_string_lossy(), &[peer.version]),
    };
    let first = text.unwrap_or_default().lines().next().unwrap_or_default().to_string();
    // `nfdump: Version: NSEL-NEL1.7.1`: the number is what matters.
    let number = first.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    number
        .filter(|word| word.contains('.'))
        .max_by_key(|word| word.len())
        .unwrap_or_default()
        .to_string()
}

/// What a program prints, where it ends well.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What was found of the scans in a workload, by the address of whoever scanned.
fn detect(lapwing: &Path, input: &'static str, file: &Path, truth: &Path) -> io::Result<Detected> {
    let output = Command::new(lapwing).args(["hunt", "--format", "jsonl"]).arg(file).output()?;
    let truth = std::fs::read_to_string(truth)?;
    let scanners: BTreeSet<String> = truth
        .lines()
        .filter(|line| line.starts_with("scan\t"))
        // A distributed scan's sources stand in one row.
        .filter_map(|line| line.split('\t').nth(2))
        .flat_map(|sources| sources.split(',').map(str::to_string))
        .collect();
    let named = named(&output.stdout)?;
    Ok(Detected {
        input,
        scanners: scanners.len(),
        found: scanners.intersection(&named).count(),
        others: named.difference(&scanners).cloned().collect(),
    })
}

/// The origins of findings above informational, and the members of those that have several.
fn named(findings: &[u8]) -> io::Result<BTreeSet<String>> {
    let mut named = BTreeSet::new();
    for line in String::from_utf8_lossy(findings).lines() {
        let finding: serde_json::Value = serde_json::from_str(line).map_err(io::Error::other)?;
        if finding["severity"] == "informational" {
            continue;
        }
        named.extend(finding["origin"]["address"].as_str().map(str::to_string));
        let members = finding["members"].as_array().into_iter().flatten();
        named.extend(members.filter_map(|member| {
            member["address"].as_str().or(member.as_str()).map(str::to_string)
        }));
    }
    Ok(named)
}
