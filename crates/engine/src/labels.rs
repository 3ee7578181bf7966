//! Reads the labels that corpora come with: `manifest.tsv`, `truth.tsv`, `recorded/truth.tsv` and
//! `composed/truth.tsv`, each a table with a heading.
//!
//! A table of one's own is a `truth.tsv` beside the files, of the columns `path`, `verdict` (`attack`
//! or `benign`), `origin` (`address:A`, `process:PATH`, `pod:NAMESPACE/NAME`, or nothing for anyone),
//! `first_ts`, `last_ts` and `note`; others may be there.

mod case;
mod matching;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lapwing_event::{Address, Timestamp};

pub use case::{Case, Expected, Verdict};

/// Every labelled case under a folder: its own tables, and those of `recorded` and `composed`.
///
/// # Errors
/// Where a table is there and cannot be read.
pub fn cases(dir: &Path) -> io::Result<Vec<Case>> {
    let mut found = Vec::new();
    for (table, read) in [
        ("manifest.tsv", manifest as fn(&Path, &Row<'_>) -> Vec<Case>),
        ("truth.tsv", truth),
        ("recorded/truth.tsv", truth),
        ("composed/truth.tsv", truth),
    ] {
        let path = dir.join(table);
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        let folder = path.parent().unwrap_or(dir).to_path_buf();
        let mut lines = text.lines();
        let heading: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
        for line in lines.filter(|line| !line.trim().is_empty()) {
            let row = Row(heading.iter().copied().zip(line.split('\t')).collect());
            found.extend(read(&folder, &row));
        }
    }
    Ok(found)
}

struct Row<'a>(HashMap<&'a str, &'a str>);

impl<'a> Row<'a> {
    fn get(&self, column: &str) -> &'a str {
        self.0.get(column).copied().unwrap_or_default().trim()
    }
}

/// A row of the corpus of public files.
fn manifest(dir: &Path, row: &Row<'_>) -> Vec<Case> {
    let (path, scanner) = (row.get("path"), row.get("scanner"));
    let origin = match scanner.parse::<Address>() {
        Ok(address) => Expected::Address(address.to_string()),
        Err(_) if scanner.is_empty() || !scanner.contains('.') => Expected::Anyone,
        Err(_) => Expected::Named(scanner.to_string()),
    };
    let verdict = match row.get("verdict") {
        "attack" => Verdict::Attack { origin, span: span(row.get("first_ts"), row.get("last_ts")) },
        _ => Verdict::Benign,
    };
    vec![Case {
        group: path.split('/').next().unwrap_or_default().to_string(),
        path: dir.join(path),
        format: row.get("source_format").to_string(),
        verdict,
        analytic: String::new(),
        kind: String::new(),
        weak: row.get("note").starts_with("weak:"),
        config: String::new(),
        note: row.get("note").to_string(),
    }]
}

/// A row of a table of scenarios: recorded ones name a scenario, composed ones a file.
fn truth(dir: &Path, row: &Row<'_>) -> Vec<Case> {
    if row.get("path").is_empty() { recorded(dir, row) } else { vec![composed(dir, row)] }
}

/// The recordings of one scenario, each by another witness.
fn recorded(dir: &Path, row: &Row<'_>) -> Vec<Case> {
    let (scenario, source, what) = (row.get("scenario"), row.get("source"), row.get("what"));
    let span = span(row.get("start"), row.get("end"));
    let addresses = addresses(source);
    let on_the_wire = match addresses.as_slice() {
        [one] => Expected::Address(one.clone()),
        _ => Expected::Members(addresses),
    };
    // The audit log has no address of its own; the scenario tells the program.
    let on_the_host = match row.get("kind") {
        "distributed" => Expected::AnyProcess,
        _ => Expected::Named(format!("{scenario} {what}")),
    };
    [
        ("pcap", "pcap", "pcap", &on_the_wire),
        ("auditd", "log", "auditd-raw", &on_the_host),
        ("netflow", "v5.pcap", "netflow-in-pcap", &on_the_wire),
        ("netflow", "v9.pcap", "netflow-in-pcap", &on_the_wire),
        ("netflow", "ipfix.pcap", "netflow-in-pcap", &on_the_wire),
        ("netflow", "nfcapd", "nfcapd", &on_the_wire),
    ]
    .into_iter()
    .map(|(folder, ending, format, origin)| Case {
        group: format!("recorded/{folder}"),
        path: dir.join(folder).join(format!("{scenario}.{ending}")),
        format: format.to_string(),
        verdict: match row.get("verdict") {
            "attack" => Verdict::Attack { origin: origin.clone(), span },
            _ => Verdict::Benign,
        },
        analytic: "AN1058".to_string(),
        kind: row.get("kind").to_string(),
        // NetFlow knows IP alone: of a sweep by ARP its exporter's file is empty.
        weak: folder == "netflow" && row.get("kind").ends_with("-arp"),
        config: String::new(),
        note: what.to_string(),
    })
    .filter(|case| case.path.is_file())
    .collect()
}

fn composed(dir: &Path, row: &Row<'_>) -> Case {
    let (path, origin, note) = (row.get("path"), row.get("origin"), row.get("note"));
    let expected = match origin.split_once(':') {
        Some(("address", address)) => Expected::Address(address.to_string()),
        Some(("process", path)) => Expected::Process(path.to_string()),
        Some(("pod", pod)) => Expected::Pod(pod.to_string()),
        _ => Expected::Anyone,
    };
    let config =
        if note.contains("on the allow-list") { allow_list(origin) } else { String::new() };
    let verdict = match row.get("verdict") {
        "attack" => Verdict::Attack {
            origin: expected,
            span: span(row.get("first_ts"), row.get("last_ts")),
        },
        _ => Verdict::Benign,
    };
    Case {
        group: "composed".to_string(),
        path: dir.join(path),
        format: row.get("format").to_string(),
        verdict,
        analytic: row.get("analytic").to_string(),
        kind: row.get("kind").to_string(),
        weak: note.starts_with("weak:"),
        config,
        note: note.to_string(),
    }
}

/// The configuration that allows an origin, `address:A` or `host:NAME PROGRAM`, to scan.
fn allow_list(origin: &str) -> String {
    let quoted = |text: &str| format!("'{text}'");
    match origin.split_once(':') {
        Some(("host", rest)) => {
            let (host, program) = rest.split_once(' ').unwrap_or((rest, rest));
            format!(
                "[analytics.AN1057]\nKnownScannerExeList = [{}]\n\
                 [analytics.AN1058]\nExpectedScanSources = [{}]\n",
                quoted(program),
                quoted(host)
            )
        }
        Some((_, address)) => {
            format!("[analytics.AN1058]\nExpectedScanSources = [{}]\n", quoted(address))
        }
        None => String::new(),
    }
}

/// The addresses of `A` or of `A-N`, a range over the last number.
fn addresses(text: &str) -> Vec<String> {
    let range = text.rsplit_once('-').and_then(|(first, last)| {
        let (base, from) = first.rsplit_once('.')?;
        let (from, to): (u8, u8) = (from.parse().ok()?, last.parse().ok()?);
        Some((from..=to).map(|part| format!("{base}.{part}")).collect())
    });
    range.unwrap_or_else(|| vec![text.to_string()])
}

/// The time that labels give; `None` where they give none, or one without a year.
fn span(first: &str, last: &str) -> Option<(Timestamp, Timestamp)> {
    Some((moment(first)?, moment(last)?))
}

fn moment(text: &str) -> Option<Timestamp> {
    let spelled = match text.split_once(' ') {
        Some((day, clock)) => format!("{}T{clock}Z", day.replace('/', "-")),
        None => text.to_string(),
    };
    Timestamp::parse_decimal_seconds(text).or_else(|| Timestamp::parse_rfc3339(&spelled))
}

/// The project's own scenarios, for where no corpus is: `benign-*` folders hold no scan.
///
/// # Errors
/// Where the folder cannot be read.
pub fn scenarios(dir: &Path) -> io::Result<Vec<Case>> {
    let mut found = Vec::new();
    for analytic in folders(dir)? {
        for case in folders(&analytic)? {
            let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let id = analytic.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.push(Case {
                group: format!("scenarios/{id}"),
                path: case.join("inputs"),
                format: String::new(),
                verdict: match name.starts_with("benign-") {
                    true => Verdict::Benign,
                    false => Verdict::Attack { origin: Expected::Anyone, span: None },
                },
                analytic: id,
                kind: String::new(),
                weak: false,
                config: fs::read_to_string(case.join("config.toml")).unwrap_or_default(),
                note: name,
            });
        }
    }
    Ok(found)
}

fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(|error| io::Error::other(format!("{}: {error}", dir.display())))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_spelling_are_read() {
        let expected = moment("2018-09-27T22:44:06.241331Z");
        assert!(expected.is_some());
        assert_eq!(moment("2018/09/27 22:44:06.241331"), expected);
        assert_eq!(moment("2018-09-27 22:44:06.241331"), expected);
        assert_eq!(moment("1538088246.241331"), expected);
        assert_eq!(moment("2018-09-28T00:44:06.241331+02:00"), expected);
        assert_eq!(moment("Mar 15 20:55:15"), None, "no year");
    }

    #[test]
    fn a_range_of_addresses_is_each_of_them() {
        assert_eq!(addresses("10.77.9.11-13"), ["10.77.9.11", "10.77.9.12", "10.77.9.13"]);
        assert_eq!(addresses("fd77::9:10"), ["fd77::9:10"]);
    }

    #[test]
    fn allow_lists_are_valid_configuration() {
        for origin in ["address:10.0.0.1", r"host:S.example C:\Program Files\N\n.exe"] {
            assert!(crate::parse_config(&allow_list(origin), "x").is_ok(), "{origin}");
        }
    }
}
