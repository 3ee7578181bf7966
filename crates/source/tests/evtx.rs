//! Event logs agree, event by event, with an independent reading: the XML that the `evtx` crate renders
//! of each record (the decoder reads its JSON), and that of python-evtx where it is installed, read here
//! by a few lines that know nothing of the decoder.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // a test, helpers and all

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evtx::EvtxParser;
use lapwing_event::{Activity, Address, Event, LogSource, Timestamp};
use lapwing_source::{Decoded, FORMATS};

const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/formats/evtx");
const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus/windows_evtx");

/// The event logs of both corpora.
fn files() -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let mut found: Vec<PathBuf> =
        entries(Path::new(OWN)).iter().map(|case| case.join("input.evtx")).collect();
    let shared = entries(Path::new(SHARED));
    if shared.is_empty() {
        eprintln!("SKIPPED: no shared corpus at {SHARED}; its event logs were NOT tested");
    }
    found.extend(shared.into_iter().filter(|path| path.extension().is_some_and(|e| e == "evtx")));
    found.sort();
    found
}

fn decode(path: &Path) -> Decoded {
    let bytes = fs::read(path).unwrap();
    let row = FORMATS.iter().find(|row| row.name == "evtx").unwrap();
    assert!((row.recognises)(&bytes), "{}", path.display());
    let mut decoder = (row.decoder)();
    let mut out = Decoded::default();
    let done = decoder.decode(&bytes, &mut out);
    decoder.finish(&bytes[done..], &mut out);
    out
}

/// One event as a line of what both readings know: who acted is not among it, since that is a matter of
/// judgement where a connection was accepted.
fn line(event: &Event) -> String {
    let time = event.time;
    let process = event.actor.as_ref().and_then(|actor| actor.process.as_ref());
    let pid = process.map(|process| process.pid);
    match &event.activity {
        Activity::Process(change) => format!("{time} {change:?} {pid:?}"),
        Activity::Dns(dns) => format!("{time} dns {} {pid:?}", dns.name),
        Activity::Script(script) => format!("{time} script {} {pid:?}", script.text.len()),
        Activity::Network(network) => {
            let mut ends = [
                (network.source.to_string(), network.source_port),
                (network.target.to_string(), network.target_port),
            ];
            ends.sort();
            format!("{time} {} {ends:?} {pid:?}", network.protocol.name())
        }
        other => panic!("event logs hold no {other:?}"),
    }
}

/// A record's XML by a few lines: its provider and number, and its fields by name.
struct Record {
    provider: String,
    id: u32,
    written: String,
    writer: Option<u32>,
    data: BTreeMap<String, String>,
}

fn between<'t>(text: &'t str, begins: &str, ends: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(begins)?;
    Some(rest.split_once(ends)?.0)
}

fn plain(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&apos;", "'").replace("&#39;", "'").replace("&amp;", "&")
}

fn record(xml: &str) -> Record {
    let attribute = |element: &str, name: &str| {
        let tag = between(xml, &format!("<{element} "), ">")?;
        between(tag, &format!("{name}=\""), "\"").map(plain)
    };
    let id = between(xml, "<EventID", "</EventID>").and_then(|tag| tag.split_once('>'));
    let mut data = BTreeMap::new();
    for part in xml.split("<Data Name=\"").skip(1) {
        let (name, rest) = part.split_once('"').unwrap();
        let value = rest.strip_prefix('>').and_then(|rest| rest.split_once("</Data>"));
        data.insert(name.to_string(), plain(value.map_or("", |(value, _)| value)));
    }
    Record {
        provider: attribute("Provider", "Name").unwrap_or_default(),
        id: id.and_then(|(_, id)| id.trim().parse().ok()).unwrap_or_default(),
        written: attribute("TimeCreated", "SystemTime").unwrap_or_default(),
        writer: attribute("Execution", "ProcessID").and_then(|pid| pid.parse().ok()),
        data,
    }
}

impl Record {
    fn number(&self, name: &str) -> Option<u32> {
        let text = self.data.get(name)?;
        match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    }

    fn end(&self, address: &str, port: &str, ports: bool) -> Option<(String, u32)> {
        let address: Address = self.data.get(address)?.parse().ok()?;
        Some((address.to_string(), if ports { self.number(port)? } else { 0 }))
    }

    /// The same line as [`line`] gives; `None` for records of other kinds, and for fields that do not
    /// hold what they are named after.
    fn line(&self) -> Option<String> {
        let utc = self.data.get("UtcTime").map(|time| format!("{}Z", time.replacen(' ', "T", 1)));
        let utc = utc.and_then(|time| Timestamp::parse_rfc3339(&time));
        // python-evtx writes a blank and a zone.
        let written = self.written.replacen(' ', "T", 1);
        let zoned = if written.contains(['Z', '+']) { written } else { format!("{written}Z") };
        let time = utc.or_else(|| Timestamp::parse_rfc3339(&zoned))?;
        let pid = self.number("ProcessId");
        match (self.provider.as_str(), self.id) {
            ("Microsoft-Windows-Sysmon", 1) => Some(format!("{time} Launch {pid:?}")),
            ("Microsoft-Windows-Sysmon", 5) => Some(format!("{time} Exit {pid:?}")),
            ("Microsoft-Windows-Sysmon", 22) => {
                let name = self.data.get("QueryName")?.trim_end_matches('.');
                Some(format!("{time} dns {name} {pid:?}"))
            }
            ("Microsoft-Windows-Sysmon", 3) => {
                let mut ends = [
                    self.end("SourceIp", "SourcePort", true)?,
                    self.end("DestinationIp", "DestinationPort", true)?,
                ];
                ends.sort();
                let protocol = self.data.get("Protocol")?;
                let began = self.data.get("Initiated")?.eq_ignore_ascii_case("true");
                let pid = self.number("ProcessId").filter(|_| began);
                Some(format!("{time} {protocol} {ends:?} {pid:?}"))
            }
            ("Microsoft-Windows-Security-Auditing", 4688) => {
                Some(format!("{time} Launch {:?}", self.number("NewProcessId")))
            }
            ("Microsoft-Windows-Security-Auditing", 4689) => Some(format!("{time} Exit {pid:?}")),
            ("Microsoft-Windows-Security-Auditing", 5156 | 5157) => {
                let (protocol, ports) = match self.number("Protocol")? {
                    6 => ("tcp", true),
                    17 => ("udp", true),
                    1 => ("icmp", false),
                    58 => ("icmpv6", false),
                    _ => ("ip", false),
                };
                let mut ends = [
                    self.end("SourceAddress", "SourcePort", ports)?,
                    self.end("DestAddress", "DestPort", ports)?,
                ];
                ends.sort();
                let began = self.data.get("Direction")? == "%%14593";
                let pid = self.number("ProcessID").filter(|_| began);
                Some(format!("{time} {protocol} {ends:?} {pid:?}"))
            }
            ("Microsoft-Windows-PowerShell", 4104) if self.number("MessageTotal") == Some(1) => {
                let text = self.data.get("ScriptBlockText")?;
                Some(format!("{time} script {} {:?}", text.len(), self.writer))
            }
            _ => None,
        }
    }
}

/// The `evtx` crate's XML of every record that it can render.
fn rendered(path: &Path) -> Vec<String> {
    let mut parser = match EvtxParser::from_path(path) {
        Ok(parser) => parser,
        Err(error) => {
            eprintln!("  not opened by the witness: {error}");
            return Vec::new();
        }
    };
    parser.records().filter_map(Result::ok).map(|record| record.data).collect()
}

/// python-evtx's XML of every record, one a line; `None` where it is not installed.
fn by_python(path: &Path) -> Option<Vec<String>> {
    const SCRIPT: &str = "
import sys
from Evtx.Evtx import Evtx
with Evtx(sys.argv[1]) as log:
    for record in log.records():
        try:
            print(record.xml().replace('\\r', '').replace('\\n', ' '))
        except Exception:
            pass
";
    let mut import = Command::new("python3");
    import.args(["-c", "import Evtx"]).stdin(Stdio::null()).stderr(Stdio::null());
    if !import.status().ok()?.success() {
        return None;
    }
    let run = Command::new("python3").args(["-c", SCRIPT]).arg(path).output().ok()?;
    Some(String::from_utf8_lossy(&run.stdout).lines().map(str::to_string).collect())
}

fn counted(lines: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for line in lines {
        *counted.entry(line).or_default() += 1;
    }
    counted
}

/// A line whose time is cut to the second: python-evtx computes times with floats, and is a microsecond
/// off now and then.
fn by_second(line: String) -> String {
    let (time, rest) = line.split_once(' ').unwrap();
    format!("{} {rest}", &time[..19])
}

/// What the witness saw and we did not, and the other way around; `shown` makes lines of both alike.
fn compare(path: &Path, out: &Decoded, records: &[String], shown: fn(String) -> String) -> usize {
    let witness = counted(records.iter().filter_map(|xml| record(xml).line()).map(shown));
    let ours = counted(out.events.iter().map(line).map(shown));
    let whole = out.diagnostics().all(|said| !said.problem.loses_data());
    for (line, count) in &witness {
        let found = ours.get(line).copied().unwrap_or_default();
        assert!(found >= *count, "{}: missed {line}", path.display());
    }
    // Of a damaged file the decoder may get more than a reader of whole files.
    if whole {
        for (line, count) in &ours {
            let found = witness.get(line).copied().unwrap_or_default();
            assert!(found >= *count, "{}: made up {line}", path.display());
        }
    }
    witness.values().sum()
}

#[test]
fn every_event_is_what_the_records_xml_says() {
    let mut compared = 0;
    for path in files() {
        let out = decode(&path);
        let records = rendered(&path);
        let events = compare(&path, &out, &records, |line| line);
        eprintln!("{}: {} records, {events} events", path.display(), records.len());
        compared += events;
    }
    assert!(compared >= 31, "{compared}: the corpus's own sample alone has that many");
}

#[test]
fn python_evtx_says_the_same() {
    for path in files() {
        // Its reader gives up on damage, and takes minutes for large files.
        if fs::metadata(&path).unwrap().len() > 4 << 20 {
            continue;
        }
        let Some(records) = by_python(&path) else {
            eprintln!("SKIPPED: no python-evtx here (pip install python-evtx); it was NOT asked");
            return;
        };
        let mut out = decode(&path);
        // What it could not render it cannot vouch for.
        if records.len() as u64 != out.records {
            let lines = records.iter().filter_map(|xml| record(xml).line());
            let told = counted(lines.map(by_second));
            out.events.retain(|event| told.contains_key(&by_second(line(event))));
        }
        let events = compare(&path, &out, &records, by_second);
        eprintln!("{}: {} records, {events} events", path.display(), records.len());
    }
}

/// The scripts of the corpora, where their logs hold any, come with the process that ran them.
#[test]
fn scripts_name_their_process() {
    for path in files() {
        for event in decode(&path).events {
            if event.log_source == LogSource::PowerShellScript {
                assert!(event.actor.unwrap().process.is_some(), "{}", path.display());
            }
        }
    }
}
