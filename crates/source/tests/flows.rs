//! tshark as an independent witness of captured export streams, where it is installed.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test, helpers and all

mod witness;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lapwing_event::{Activity, LogSource};

use witness::{decode, key};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");

/// The captures of NetFlow and IPFIX, each with its port; none where the corpus is not there.
fn files() -> Vec<(PathBuf, u16)> {
    let mut found: Vec<(PathBuf, u16)> = Vec::new();
    if let Ok(entries) = fs::read_dir(Path::new(CORPUS).join("recorded/netflow")) {
        let captures = entries.map(|entry| entry.unwrap().path());
        found.extend(captures.map(|path| (path, 9995)));
    }
    found.retain(|(path, _)| path.extension().is_some_and(|end| end == "pcap"));
    for (name, port) in [
        ("netflow/akv-netflow-data+templates.pcap", 2055),
        ("netflow/akv-netflow-nfv5.pcap", 9990),
        ("netflow/pmacct-104-IPFIXv10-IPv6-CISCO-sampling_option-traffic-00.pcap", 9992),
        ("netflow/pmacct-110-IPFIXv10-NFv9-multiple-sources-traffic-01.pcap", 9991),
        ("netflow/pmacct-112-IPFIXv10-CISCO-options-map-reassignment-traffic-00.pcap", 9991),
    ] {
        found.push((Path::new(CORPUS).join(name), port));
    }
    found.retain(|(path, _)| path.is_file());
    found.sort();
    found
}

/// The conversations of TCP and UDP that tshark finds in the records; `None` where the fields of a
/// datagram's records do not line up, so that they cannot be told apart.
fn theirs(path: &Path, port: u16) -> Option<BTreeSet<(String, String)>> {
    let mut tshark = Command::new("tshark");
    tshark.args(["-d", &format!("udp.port=={port},cflow"), "-T", "fields", "-r"]).arg(path);
    for field in ["srcaddr", "srcaddrv6", "dstaddr", "dstaddrv6", "srcport", "dstport", "protocol"]
    {
        tshark.args(["-e", &format!("cflow.{field}")]);
    }
    let output = tshark.output().unwrap();
    let mut found = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let lists: Vec<Vec<&str>> = line
            .split('\t')
            .map(|list| list.split(',').filter(|value| !value.is_empty()).collect())
            .collect();
        let [source, source6, target, target6, source_port, target_port, protocol] = &lists[..]
        else {
            return None;
        };
        let source = if source.is_empty() { source6 } else { source };
        let target = if target.is_empty() { target6 } else { target };
        // Records without ports are of ICMP.
        if source_port.is_empty() {
            continue;
        }
        let all = [source, target, source_port, target_port, protocol];
        if all.iter().any(|list| list.len() != source.len()) {
            return None;
        }
        for at in 0..source.len() {
            if matches!(protocol[at], "6" | "17") {
                found.insert(key(
                    format!("{} {}", source[at], source_port[at]),
                    format!("{} {}", target[at], target_port[at]),
                ));
            }
        }
    }
    Some(found)
}

#[test]
fn tshark_sees_the_same_conversations_in_export_streams() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("SKIPPED: tshark is absent; flows were not compared (install package tshark)");
        return;
    }
    let files = files();
    if files.is_empty() {
        eprintln!("SKIPPED: no shared corpus at {CORPUS}; its export streams were NOT compared");
    }
    let mut compared = 0;
    for (path, port) in files {
        let Some(theirs) = theirs(&path, port) else {
            eprintln!("SKIPPED: {}: its fields do not line up", path.display());
            continue;
        };
        let ours: BTreeSet<(String, String)> = decode(&path)
            .events
            .iter()
            .filter(|event| matches!(event.log_source, LogSource::NetFlow | LogSource::SampledFlow))
            .filter_map(|event| match &event.activity {
                Activity::Network(n) if n.protocol.has_ports() => Some(key(
                    format!("{} {}", n.source, n.source_port),
                    format!("{} {}", n.target, n.target_port),
                )),
                _ => None,
            })
            .collect();
        compared += theirs.len();
        // What came before its template is read too, which tshark does not wait for; the recorded streams
        // begin with theirs.
        let extra: Vec<_> = theirs.difference(&ours).collect();
        assert!(extra.is_empty(), "{}: {extra:?}", path.display());
        let recorded = path.to_string_lossy().contains("/recorded/");
        assert!(!recorded || ours == theirs, "{}", path.display());
    }
    eprintln!("{compared} conversations compared");
}
