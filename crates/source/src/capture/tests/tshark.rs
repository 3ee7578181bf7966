//! tshark as an independent witness, where it is installed.

use std::path::Path;
use std::process::Command;

use lapwing_event::{Activity, Protocol, Technique};

use super::{corpus, decode, networks};

pub(super) fn is_absent() -> bool {
    let absent = Command::new("tshark").arg("--version").output().is_err();
    if absent {
        eprintln!("SKIPPED: tshark is absent; nothing was compared (install package tshark)");
    }
    absent
}

/// These fields of the packets that pass a filter, a line each, parted by blanks.
fn told(path: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    // It takes what follows a probe of TFTP's port for TFTP, whatever port that goes to.
    command.args(["--disable-protocol", "tftp"]);
    command.args(["-r", path.to_str().unwrap(), "-Y", filter, "-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.replace('\t', " ")).collect()
}

/// The distinct (source, target, port) of bare SYNs, of every capture but the longest.
#[test]
fn tshark_sees_the_same_syns() {
    if is_absent() {
        return;
    }
    let mut files = [corpus("recorded/pcap"), corpus("pcap")].concat();
    files.retain(|path| std::fs::metadata(path).unwrap().len() < LONGEST);
    let mut compared = 0;
    for path in files {
        let filter = "tcp.flags.syn==1 && tcp.flags.ack==0 && tcp.flags.reset==0 && !icmp && ip";
        let mut theirs = told(&path, filter, &["ip.src", "ip.dst", "tcp.dstport"]);
        theirs.sort();
        theirs.dedup();
        compared += theirs.len();
        let bytes = std::fs::read(&path).unwrap();
        let mut ours: Vec<String> = networks(&decode(&bytes, bytes.len()))
            .iter()
            .filter(|n| n.source.is_v4() && n.protocol == Protocol::Tcp)
            .filter(|n| matches!(n.technique, Technique::Syn | Technique::Connect))
            .map(|n| format!("{} {} {}", n.source, n.target, n.target_port))
            .collect();
        ours.sort();
        ours.dedup();
        assert_eq!(ours, theirs, "{}", path.display());
    }
    println!("{compared} SYNs compared");
}

/// What tshark reads in a moment.
const LONGEST: u64 = 1 << 20;

/// The PTR and SRV questions of unicast and multicast DNS, each with its type.
#[test]
fn tshark_sees_the_same_questions() {
    if is_absent() {
        return;
    }
    let mut compared = 0;
    let mut recorded = corpus("recorded/pcap");
    recorded.retain(|path| path.to_string_lossy().contains("udp"));
    let files = [corpus("pcap"), corpus("composed/mdns-pcap"), recorded].concat();
    for path in files {
        let filter = "udp && !icmp && (udp.dstport==5353 || udp.dstport==53) && \
            dns.flags.response==0 && dns.flags.opcode==0 && dns.count.queries>0";
        let mut theirs = Vec::new();
        for line in told(&path, filter, &["dns.qry.name", "dns.qry.type"]) {
            // Both fields hold a list; a name with a comma in it cannot be told apart.
            let Some((names, kinds)) = line.rsplit_once(' ') else { continue };
            let (names, kinds): (Vec<&str>, Vec<&str>) =
                (names.split(',').collect(), kinds.split(',').collect());
            if names.len() != kinds.len() {
                continue;
            }
            let asked =
                names.into_iter().zip(kinds).filter(|(_, kind)| matches!(*kind, "12" | "33"));
            theirs.extend(asked.map(|(name, kind)| format!("{name} {kind}")));
        }
        let bytes = std::fs::read(&path).unwrap();
        let question = |event: &lapwing_event::Event| match &event.activity {
            Activity::Dns(dns)
                if !dns.name.contains(',') && matches!(dns.target_port, 53 | 5353) =>
            {
                Some(format!("{} {}", dns.name, dns.query_type.unwrap()))
            }
            _ => None,
        };
        let mut ours: Vec<String> =
            decode(&bytes, bytes.len()).events.iter().filter_map(question).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{}", path.display());
        compared += ours.len();
    }
    println!("{compared} questions compared");
}
