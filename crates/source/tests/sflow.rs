//! tshark as an independent witness of sFlow's samples, where it is installed.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test, helpers and all

mod witness;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lapwing_event::{Activity, LogSource};

use witness::{decode, key};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Every capture of sFlow of the corpora: the project's own, and the shared one where it is there.
fn files() -> Vec<PathBuf> {
    let own = Path::new(ROOT).join("corpus");
    let shared = Path::new(ROOT).join("../shared/corpus");
    let mut found = vec![own.join("scenarios/AN1058/sflow-block/inputs")];
    found.extend([shared.join("netflow"), shared.join("composed/sflow-pcap")]);
    let mut files: Vec<PathBuf> = found
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "pcap" || end == "pcapng"))
        .filter(|path| path.to_string_lossy().contains("sflow"))
        .collect();
    files.sort();
    files
}

/// The value of an attribute of one element of tshark's XML.
fn attribute<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let after = line.split_once(&format!(" {name}=\""))?.1;
    Some(after.split_once('"')?.0)
}

/// The innermost conversation of TCP or UDP of each sampled head, as tshark takes it apart; how many
/// heads there were.
fn theirs(path: &Path) -> (BTreeSet<(String, String)>, usize) {
    let output = Command::new("tshark")
        .args(["-T", "pdml", "-Y", "sflow", "-r", path.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (mut found, mut heads) = (BTreeSet::new(), 0);
    for head in text.split("name=\"sflow_245.header_protocol\"").skip(1) {
        heads += 1;
        // The last head of a datagram ends with the datagram.
        let head = head.split("</packet>").next().unwrap_or_default();
        // The innermost packet begins with its source; one of ICMP has no ports.
        let inner = ["name=\"ip.src\"", "name=\"ipv6.src\""].map(|name| head.rfind(name));
        let Some(at) = inner.into_iter().flatten().max() else { continue };
        let head = &head[head[..at].rfind('\n').unwrap_or_default()..];
        let last = |names: [&str; 2]| {
            let lines = head
                .lines()
                .filter(|line| attribute(line, "name").is_some_and(|name| names.contains(&name)));
            lines.filter_map(|line| attribute(line, "show")).next_back().map(str::to_string)
        };
        let ends = [last(["ip.src", "ipv6.src"]), last(["ip.dst", "ipv6.dst"])];
        let ports = [last(["tcp.srcport", "udp.srcport"]), last(["tcp.dstport", "udp.dstport"])];
        if let ([Some(source), Some(target)], [Some(from), Some(to)]) = (ends, ports) {
            found.insert(key(format!("{source} {from}"), format!("{target} {to}")));
        }
    }
    (found, heads)
}

#[test]
fn tshark_sees_the_same_conversations_in_samples() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("SKIPPED: tshark is absent; samples were not compared (install package tshark)");
        return;
    }
    let (mut compared, mut all) = (0, 0);
    for path in files() {
        let (theirs, heads) = theirs(&path);
        let ours: BTreeSet<(String, String)> = decode(&path)
            .events
            .iter()
            .filter(|event| event.log_source == LogSource::SFlow)
            .filter_map(|event| match &event.activity {
                Activity::Network(n) if n.protocol.has_ports() => Some(key(
                    format!("{} {}", n.source, n.source_port),
                    format!("{} {}", n.target, n.target_port),
                )),
                _ => None,
            })
            .collect();
        let missed: Vec<_> = theirs.difference(&ours).collect();
        let extra: Vec<_> = ours.difference(&theirs).collect();
        assert!(missed.is_empty() && extra.is_empty(), "{}: {missed:?} {extra:?}", path.display());
        compared += theirs.len();
        all += heads;
    }
    assert!(compared > 0, "the walk is broken");
    eprintln!("{compared} conversations of {all} sampled packets compared");
}
