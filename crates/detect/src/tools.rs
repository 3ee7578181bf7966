//! Scanning tools by program and argument position.
//!
//! A tool corroborates: behaviour decides. Only a command line that cannot but scan is a finding of
//! its own (kind `tool`), since raw-packet scanners make no system call that a process log records.

use std::borrow::Cow;
use std::net::IpAddr;

use lapwing_event::{Address, Prefix, Process, ProgramInfo};
use serde::{Deserialize, Serialize};

use crate::expected::{Pattern, Patterns};
use crate::service_types::ALL_TYPES;

/// The default of AN1058's `ToolPatternRegex`.
///
/// Each pattern is matched against the program's short name, a space, and its arguments, so that
/// it sees a tool only where it is the program: `apt install nmap`, `man nmap` and `which nc` do not
/// match. Flags are those of the tools' manuals; a tool asked for its version or help is no scan.
const DEFAULT_PATTERNS: &[&str] = &[
    // nmap by its scan flags or its targets; then renamed, by two of its own flags with nothing but
    // flags before the first, so that `timeout 9 nmap …` is left to the nmap that it starts.
    r"^(nmap|zenmap)(\.exe)? .*(-s[STAWMUNFXYZOVCn]\b|-s[STAWMUNFXYZOVCn]+ |-p|-O\b|-A\b|-T[0-5]\b|-iL|-iR|-Pn|--top-ports|--script)",
    r"^(nmap|zenmap)(\.exe)?( \S+)* (\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:]+:[0-9a-fA-F:]*|[\w-]+(\.[\w-]+)+)(/\d+)?( |$)",
    r"^\S+( -\S+)* -s[STAWMUNFXYZOV]+( \S+)* (-Pn|-T[0-5]|--top-ports|--max-retries|--min-rate)( |$)",
    r"^\S+( -\S+)* (-Pn|-T[0-5]|--top-ports|--max-retries|--min-rate)( \S+)* -s[STAWMUNFXYZOVn]+( |$)",
    r"^masscan(\.exe)? .*(-p|--ports|--top-ports|--rate|--range)",
    r"^zmap .*(-p|--target-ports?|-r|-B|/\d)",
    r"^(hping3?|hping2) .*(--scan|-8) ",
    r"^fping6? .*(-\w*g|--generate|-f|--file|--subnet)",
    r"^(rustscan|naabu|unicornscan|us|pnscan|zgrab2?|netdiscover|arp-scan|nbtscan|sx)(\.exe)? .*[\d/]",
    r"^(fscan(64|32)?|kscan\w*|LadonGo\w*|gogo\w*)(\.exe)? .*-(h|hf|t|i|u)\b",
    // Grixba by its mode and its kind of input (Sigma proc_creation_win_malware_grixba_recon).
    r"^\S+ (.* )?-m:scan\w* (.* )?-i:[frs]\b",
    // netcat with a range of ports, alone or as a busybox applet; one port is a health check.
    r"^(busybox )?(nc|ncat|netcat|nc\.openbsd|nc\.traditional)(\.exe)? (.* )?-\w*z\w* (.* )?\d+-\d+( |$)",
];

/// The shipped patterns. One that did not compile would match nothing; a test holds that all do.
pub(crate) fn default_patterns() -> Patterns {
    DEFAULT_PATTERNS.iter().map(|text| Pattern::shipped(text)).collect::<Vec<_>>().into()
}

/// The longest command line that patterns are matched against, in bytes: ARG_MAX is 2 MiB on
/// Linux, and what makes a scanner shows long before this.
const MAX_SUBJECT: usize = 4096;

/// What patterns are matched against: the program's short name and its arguments.
pub(crate) fn subject(process: &Process) -> Option<String> {
    let name = process.short_name()?;
    let mut subject = String::with_capacity(128);
    subject.push_str(name);
    match process.arguments.split_first() {
        Some((_, [])) => subject.push(' '),
        Some((_, rest)) => rest.iter().for_each(|argument| {
            subject.push(' ');
            subject.push_str(argument);
        }),
        None => {
            subject.push(' ');
            subject.push_str(after_program(process.command_line.as_deref()?));
        }
    }
    let mut end = MAX_SUBJECT.min(subject.len());
    while !subject.is_char_boundary(end) {
        end -= 1;
    }
    subject.truncate(end);
    Some(subject)
}

/// A command line without its program, quoted or not.
fn after_program(line: &str) -> &str {
    let line = line.trim_start();
    let rest = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map(|(_, rest)| rest),
        None => line.split_once(char::is_whitespace).map(|(_, rest)| rest),
    };
    rest.unwrap_or("").trim_start()
}

/// Scanners with a window of their own, whose arguments say nothing: known by what the program file
/// says of itself, which a new file name does not change.
///
/// Each row is the tool, the field of its version information, and what that begins with. From
/// Sigma's rules `proc_creation_win_pua_advanced_ip_scanner`, `…_advanced_port_scanner` and
/// `…_netscan` with their samples, and the tools' own files.
const BY_VERSION: &[(&str, Field, &str)] = &[
    ("Advanced IP Scanner", Field::OriginalName, "advanced_ip_scanner"),
    ("Advanced IP Scanner", Field::Product, "advanced ip scanner"),
    ("Advanced Port Scanner", Field::OriginalName, "advanced_port_scanner"),
    ("Advanced Port Scanner", Field::Product, "advanced port scanner"),
    ("SoftPerfect Network Scanner", Field::Description, "application for scanning networks"),
    ("Angry IP Scanner", Field::Product, "angry ip scanner"),
];

/// The same where the version information was taken out: the hash of what the file imports, which
/// Sysmon writes where its configuration asks for it. From samples of Sigma's regression data.
const BY_IMPORTS: &[(&str, &str)] = &[
    ("Advanced IP Scanner", "b7378c9136e7511821bfd495adbe3cb0"),
    ("Advanced Port Scanner", "31e3e9d3dde3c0c0f2c167b89b8e269c"),
];

/// A field of a program file's version information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    OriginalName,
    Product,
    Description,
}

impl Field {
    fn of(self, program: &ProgramInfo) -> Option<&str> {
        match self {
            Field::OriginalName => program.original_name.as_deref(),
            Field::Product => program.product.as_deref(),
            Field::Description => program.description.as_deref(),
        }
    }
}

/// The scanning tool that a process is, by its program and arguments or by what the program file
/// says of itself; a file that was renamed is tried under its original name too.
pub(crate) fn recognise(process: &Process, patterns: &Patterns) -> Option<Tool> {
    by_arguments(process, patterns).or_else(|| by_version(process)).or_else(|| by_imports(process))
}

fn by_arguments(process: &Process, patterns: &Patterns) -> Option<Tool> {
    let name = process.short_name()?;
    let subject = subject(process)?;
    let tool = |pattern: &Pattern, renamed: &str| Tool {
        name: name.to_string(),
        key: "analytics.AN1058.ToolPatternRegex".into(),
        evidence: format!("command line of {name}{renamed} matches {}", pattern.text()),
        targets: targets(&subject),
        measured: PRESENT,
        unseen: PROBES_UNSEEN.into(),
    };
    if let Some(pattern) = patterns.first(&subject) {
        return Some(tool(pattern, ""));
    }
    let original = process.program.as_deref()?.original_name.as_deref()?.to_ascii_lowercase();
    let (_, arguments) = subject.split_once(' ')?;
    let pattern = patterns.first(&format!("{original} {arguments}"))?;
    Some(tool(pattern, &format!(", which was made as {original},")))
}

fn by_version(process: &Process) -> Option<Tool> {
    let program = process.program.as_deref()?;
    let (tool, ..) = BY_VERSION.iter().find(|(_, field, begins)| {
        let told = field.of(program).unwrap_or_default();
        told.to_ascii_lowercase().starts_with(begins)
    })?;
    Some(by_file(process, "version information", "says", tool))
}

fn by_imports(process: &Process) -> Option<Tool> {
    let hashes = process.program.as_deref()?.hashes.as_deref()?.to_ascii_lowercase();
    let (_, imports) = hashes.split_once("imphash=")?;
    let (tool, _) = BY_IMPORTS.iter().find(|(_, hash)| imports.starts_with(hash))?;
    Some(by_file(process, "import hash", "is that of", tool))
}

/// A tool that its program file gives away.
fn by_file(process: &Process, what: &str, says: &str, tool: &str) -> Tool {
    let name = process.short_name().unwrap_or_default().to_string();
    Tool {
        evidence: format!("{what} of {name} {says} {tool}"),
        key: "analytics.AN1057.KnownScannerExeList".into(),
        name,
        targets: Vec::new(),
        measured: PRESENT,
        unseen: PROBES_UNSEEN.into(),
    }
}

/// What a command line asks of the network by itself, which counts where no log tells of the questions
/// and connections of its system (AN1059).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Commanded {
    /// A service type, browsed for by multicast.
    Service(String),
    /// A port that is tried.
    Port(Address, u16),
}

/// How many ports one command line is taken to ask for: a range is a scanner's pattern, and found as
/// that.
const MAX_COMMANDED: usize = 16;

/// What this process's command line asks of the network: `dns-sd -B`, `-Z` or `-L` for a type,
/// `avahi-browse` for one or for all, `nc -z` for ports of an address.
pub(crate) fn commanded(process: &Process) -> Vec<Commanded> {
    let (Some(name), Some(subject)) = (process.short_name(), subject(process)) else {
        return Vec::new();
    };
    let words: Vec<&str> = subject.split_whitespace().skip(1).collect();
    match name {
        // It announces a service, in its own name or another's.
        "dns-sd" if words.iter().any(|word| matches!(*word, "-R" | "-P")) => Vec::new(),
        "avahi-browse" if words.iter().any(|word| asks_for_all(word)) => {
            vec![Commanded::Service(ALL_TYPES.to_string())]
        }
        "dns-sd" | "avahi-browse" => {
            let service = |word: &&&str| word.starts_with('_') && word.contains("._");
            let typed = words.iter().find(service).map(|word| {
                let word = word.trim_end_matches('.');
                word.split(',').next().unwrap_or(word).to_string()
            });
            typed.map(Commanded::Service).into_iter().collect()
        }
        "nc" | "ncat" | "netcat" => connects(&words),
        _ => Vec::new(),
    }
}

/// Whether a word of avahi-browse's command line asks for every type: `-a`, also among other flags (`-art`).
fn asks_for_all(word: &str) -> bool {
    let flags = word.strip_prefix('-').filter(|flags| !flags.starts_with('-'));
    word == "--all" || flags.is_some_and(|flags| flags.contains('a'))
}

/// The ports that `nc -z … address port…` tries.
fn connects(words: &[&str]) -> Vec<Commanded> {
    let is_flag = |word: &str| word.starts_with('-') && !word.starts_with("--");
    if !words.iter().any(|word| is_flag(word) && word.contains('z')) {
        return Vec::new();
    }
    let address = words.iter().position(|word| word.parse::<IpAddr>().is_ok());
    let Some(at) = address else { return Vec::new() };
    let Ok(host) = words[at].parse::<Address>() else { return Vec::new() };
    let ports = words[at + 1..].iter().filter_map(|word| word.parse().ok());
    ports.take(MAX_COMMANDED).map(|port| Commanded::Port(host, port)).collect()
}

/// A tool that was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tool {
    /// The program's short name as run.
    pub name: String,
    /// What shows it, in words.
    pub evidence: String,
    /// The configuration key that holds the evidence, or that allows the tool.
    pub key: Cow<'static, str>,
    /// The networks that its arguments name, at most [`MAX_TARGETS`].
    pub targets: Vec<Prefix>,
    /// What was measured of it, and the threshold that this reached; [`PRESENT`] where it being there
    /// is all.
    pub measured: (f64, f64),
    /// What is said of it where no log shows what it did.
    pub unseen: Cow<'static, str>,
}

/// Evidence that is there or not.
const PRESENT: (f64, f64) = (1.0, 1.0);

/// Said of a tool whose probes no log shows.
pub(crate) const PROBES_UNSEEN: &str = "no scan by this process was seen: raw-packet scanners make \
    no connect call; look for its packets or flows";

/// The same of a script.
pub(crate) const SCRIPT_UNSEEN: &str = "no scan by this script's process was seen: look for its \
    connections (Sysmon 3, Security 5156), packets or flows";

impl Tool {
    /// A script that scans, of this name; its evidence is still to be said.
    pub fn script(name: &str) -> Tool {
        Tool {
            name: name.to_string(),
            evidence: String::new(),
            key: "analytics.AN1057.KnownScannerExeList".into(),
            targets: Vec::new(),
            measured: PRESENT,
            unseen: SCRIPT_UNSEEN.into(),
        }
    }
}

/// How many targets of a command line are kept: more are of no use in joining it with packets.
const MAX_TARGETS: usize = 64;

/// The addresses, CIDRs and last-octet ranges (`10.0.0.10-29`) among a command line's words.
fn targets(subject: &str) -> Vec<Prefix> {
    let words: Vec<&str> = subject.split_whitespace().collect();
    // nmap's decoys, spoofed source and zombie are addresses that are not targets. Other tools'
    // flags of the same letters take no address, so where that leaves nothing all words count.
    let named_otherwise = |before: &str| matches!(before, "-D" | "-S" | "-sI" | "--exclude");
    let of = |skip: bool| -> Vec<Prefix> {
        words
            .windows(2)
            .filter(|pair| !(skip && named_otherwise(pair[0])))
            .filter_map(|pair| target(pair[1]))
            .take(MAX_TARGETS)
            .collect()
    };
    let found = of(true);
    if found.is_empty() { of(false) } else { found }
}

fn target(word: &str) -> Option<Prefix> {
    if let Ok(prefix) = word.parse::<Prefix>() {
        return Some(prefix);
    }
    // `10.0.0.10-29`: the covering prefix of its ends.
    let (first, last) = word.rsplit_once('-')?;
    let first_address: IpAddr = first.parse().ok()?;
    let IpAddr::V4(v4) = first_address else { return None };
    let mut end = v4.octets();
    end[3] = last.parse().ok()?;
    Prefix::covering(v4.into(), Address::from(end))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::*;

    fn process(arguments: &[&str]) -> Process {
        Process {
            path: Some(arguments[0].into()),
            arguments: arguments.iter().copied().collect(),
            ..Process::default()
        }
    }

    fn is_tool(line: &str) -> bool {
        let arguments: Vec<&str> = line.split(' ').collect();
        recognise(&process(&arguments), &default_patterns()).is_some()
    }

    #[test]
    fn every_shipped_pattern_compiles() {
        for text in DEFAULT_PATTERNS {
            assert!(Pattern::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_scanner_is_known_by_program_and_arguments() {
        for line in [
            "/usr/bin/nmap -n -Pn -sS -T4 -p1-2000 10.77.0.6",
            "nmap 10.0.0.1",
            "nmap -sn 10.77.0.0/25",
            "/tmp/kworkerd -n -Pn -sT -T4 --top-ports 200 10.77.0.12",
            "masscan -p22,80,443 10.77.0.0/24 --rate 100",
            "zmap -p 22 10.77.0.0/24",
            "hping3 --scan 1-300 -S 10.77.0.14",
            "fping -q -r 0 -g 10.77.0.0/25",
            "busybox nc -z 192.0.2.9 1-1024",
            "nc -zv 192.0.2.9 20-25",
        ] {
            assert!(is_tool(line), "{line}");
        }
    }

    /// UP-09: mentions, listeners, versions and single health checks are no scans.
    #[test]
    fn up_09_a_mention_is_no_scan() {
        for line in [
            "which nc",
            "apt-get install netcat-openbsd",
            "apt install nmap",
            "man nmap",
            "nmap --version",
            "nmap -h",
            "nc -l 8080",
            "nc -z -w1 10.77.0.36 8080",
            "curl -s -m1 -o /dev/null http://10.77.0.25/",
            "ssh -n -T host uptime",
            "tail -n 5 -s 2 file",
            "sort -n -T /tmp -S 1G file",
            "timeout 150 sleep 1",
            "bash -c nmap",
            "timeout 150 nmap -n -Pn -sS -T4 -p1-2000 10.77.0.6",
            "sudo nmap -sS 10.0.0.1 -T4",
        ] {
            assert!(!is_tool(line), "{line}");
        }
    }

    #[test]
    fn a_renamed_program_is_known_by_what_its_file_says() {
        let told = |original: &str, product: &str, line: &str| {
            let program = ProgramInfo {
                original_name: Some(original.into()),
                product: Some(product.into()),
                ..ProgramInfo::default()
            };
            let process = Process {
                path: Some(r"C:\PerfLogs\svchost.exe".into()),
                command_line: Some(line.into()),
                program: Some(Box::new(program)),
                ..Process::default()
            };
            recognise(&process, &default_patterns()).map(|tool| tool.evidence)
        };
        let scanner = told("advanced_ip_scanner.exe", "Advanced IP Scanner", "svchost.exe");
        assert_eq!(
            scanner.as_deref(),
            Some("version information of svchost.exe says Advanced IP Scanner")
        );
        let nmap = told("nmap.exe", "Nmap", "svchost.exe 10.0.0.0/24").unwrap();
        assert!(nmap.contains("which was made as nmap.exe"), "{nmap}");
        assert_eq!(told("svchost.exe", "Windows", "svchost.exe -k netsvcs -p"), None);
        assert_eq!(told("nmap.exe", "Nmap", "svchost.exe --version"), None);
    }

    #[test]
    fn a_program_without_version_information_is_known_by_what_it_imports() {
        let told = |hashes: &str| {
            let program = ProgramInfo { hashes: Some(hashes.into()), ..ProgramInfo::default() };
            let process = Process {
                path: Some(r"C:\PerfLogs\svchost_.exe".into()),
                command_line: Some("svchost_.exe".into()),
                program: Some(Box::new(program)),
                ..Process::default()
            };
            recognise(&process, &default_patterns()).map(|tool| tool.evidence)
        };
        assert_eq!(
            told("MD5=00,SHA256=11,IMPHASH=B7378C9136E7511821BFD495ADBE3CB0").as_deref(),
            Some("import hash of svchost_.exe is that of Advanced IP Scanner")
        );
        assert_eq!(told("MD5=00,IMPHASH=00000000000000000000000000000000"), None);
        assert_eq!(told("MD5=00"), None);
    }

    #[test]
    fn targets_are_read_from_arguments_but_decoys_are_not() {
        let line = "nmap -n -D 10.77.9.11,10.77.9.12 -p1-100 10.77.0.9 10.1.0.0/25 10.77.0.10-29";
        let shown: Vec<String> = targets(line).iter().map(Prefix::to_string).collect();
        assert_eq!(shown, ["10.77.0.9/32", "10.1.0.0/25", "10.77.0.0/27"]);
        assert_eq!(targets("hping3 --scan 1-300 -S 10.77.0.14").len(), 1);
    }
}
