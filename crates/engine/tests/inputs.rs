//! What a hunt reads, in which packings, and what it says of what it cannot read.

#![allow(clippy::unwrap_used)] // a test, helpers and all

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use lapwing_detect::Tunables;
use lapwing_engine::{DEFAULT_MEMORY, HuntError, Quiet, Request, hunt};
use lapwing_event::Timestamp;
use lapwing_output::Report;
use zip::write::SimpleFileOptions;

fn example() -> Vec<u8> {
    let path = "../../corpus/scenarios/AN1058/connect-scan-two-witnesses/inputs";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path).join("nmap-connect-enriched.pcap");
    fs::read(path).unwrap()
}

fn request(paths: &[&Path]) -> Request {
    Request {
        paths: paths.iter().map(PathBuf::from).collect(),
        tunables: Tunables::default(),
        since: None,
        until: None,
        threads: 2,
        memory: DEFAULT_MEMORY,
    }
}

fn run(paths: &[&Path]) -> Report {
    hunt(&request(paths), &Quiet).unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

fn keys(report: &Report) -> Vec<&str> {
    report.troubles.iter().map(|trouble| trouble.key).collect()
}

#[test]
fn packed_inputs_open_as_they_are() {
    let bytes = example();
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain.pcap");
    fs::write(&plain, &bytes).unwrap();
    let whole = run(&[&plain]);
    assert_eq!(whole.findings.len(), 1);

    let gz = dir.path().join("a.pcap.gz");
    fs::write(&gz, gzipped(&bytes)).unwrap();
    // Members of a gzip file that was appended to are one stream.
    let two_members = dir.path().join("b.gz");
    fs::write(&two_members, [gzipped(&bytes[..1000]), gzipped(&bytes[1000..])].concat()).unwrap();
    let zst = dir.path().join("c.zst");
    fs::write(&zst, zstd::encode_all(&bytes[..], 1).unwrap()).unwrap();
    let archive = dir.path().join("d.zip");
    let mut zip = zip::ZipWriter::new(fs::File::create(&archive).unwrap());
    zip.start_file("logs/x.pcap.gz", SimpleFileOptions::default()).unwrap();
    zip.write_all(&gzipped(&bytes)).unwrap();
    zip.finish().unwrap();
    for packed in [&gz, &two_members, &zst, &archive] {
        let report = run(&[packed]);
        assert!(!report.lost_data(), "{}: {:?}", packed.display(), report.troubles);
        assert_eq!(report.findings.len(), 1, "{}", packed.display());
        assert_eq!(report.findings[0].uid, whole.findings[0].uid);
        assert_eq!(report.inputs[0].bytes, bytes.len() as u64, "{}", packed.display());
    }
    assert!(run(&[&archive]).inputs[0].name.ends_with("d.zip!logs/x.pcap.gz"));
}

/// Cut between any two records of an audit log, the two files of the rotated set tell the same.
#[test]
fn a_rotated_audit_log_is_one_stream() {
    let path =
        "../../corpus/scenarios/AN1058/connect-scan-two-witnesses/inputs/nmap-connect-enriched.log";
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("whole");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("audit.log"), &bytes).unwrap();
    let whole = run(&[&folder]);
    let told = |report: &Report| {
        let found = &report.findings[0];
        (report.findings.len(), found.counts, found.outcomes, found.origin.process.clone())
    };
    let ends: Vec<usize> = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1)
        .collect();
    let cuts = ends.iter().skip(40).step_by(7).take(40);
    for (number, cut) in cuts.enumerate() {
        let folder = dir.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("audit.log.1"), &bytes[..*cut]).unwrap();
        fs::write(folder.join("audit.log"), &bytes[*cut..]).unwrap();
        let report = run(&[&folder]);
        assert_eq!(told(&report), told(&whole), "cut at {cut}");
        assert!(!report.lost_data(), "cut at {cut}: {:?}", report.troubles);
    }
}

#[test]
fn what_the_kernel_lost_is_said_by_coverage() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("audit.log");
    let record = "type=SYSCALL msg=audit(1772442847.551:1): arch=c000003e syscall=42 success=no exit=-111 \
                  a0=3 pid=9 ppid=8 comm=\"nc\" exe=\"/bin/nc\"\n\
                  type=SOCKADDR msg=audit(1772442847.551:1): saddr=020001BD0A01044D0000000000000000\n";
    let lost = "Mar  2 09:14:08 h kernel: audit: audit_lost=12 audit_rate_limit=0 audit_backlog_limit=64\n";
    let blind = |text: String| {
        fs::write(&log, text).unwrap();
        let coverage = run(&[&log]).coverage;
        let linux = coverage.analytics.into_iter().find(|covered| covered.id == "AN1058").unwrap();
        linux.blind.into_iter().filter(|words| words.contains("lost records")).collect::<Vec<_>>()
    };
    assert!(blind(record.to_string()).is_empty());
    assert_eq!(blind(format!("{record}{lost}{lost}")).len(), 1);
    assert!(blind(format!("{record}{lost}{lost}"))[0].ends_with("(said twice)"));
}

#[test]
fn a_file_cut_anywhere_gives_what_was_before_the_cut() {
    let gz = gzipped(&example());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.gz");
    let mut most = 0;
    for cut in (20..gz.len()).step_by(gz.len() / 25) {
        fs::write(&path, &gz[..cut]).unwrap();
        let report = run(&[&path]);
        assert!(report.lost_data(), "cut at {cut}: nobody was told");
        // Events grow with the cut; nothing of what was read is lost.
        assert!(report.inputs[0].events >= most, "cut at {cut}");
        most = report.inputs[0].events;
        if most >= 60 {
            assert_eq!(report.findings.len(), 1, "cut at {cut}");
        }
    }
    assert!(most > 90, "{most}");
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_judged() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("good.pcap"), example()).unwrap();
    fs::write(dir.path().join("empty.log"), b"").unwrap();
    fs::write(dir.path().join("notes.txt"), b"remember the milk\n").unwrap();
    fs::write(dir.path().join("broken.zip"), b"PK\x03\x04 but no archive").unwrap();
    fs::write(dir.path().join("bad.gz"), b"\x1f\x8b\x08 and then nothing of it").unwrap();
    fs::write(dir.path().join("._good.pcap"), [0x00, 0x05, 0x16, 0x07, 0, 2]).unwrap();
    let report = run(&[dir.path(), Path::new("/nonexistent/evidence")]);
    assert_eq!(report.findings.len(), 1);
    assert!(report.lost_data());
    let mut keys = keys(&report);
    keys.sort_unstable();
    let expected = [
        "AppleDouble companion",
        "archive broken",
        "cannot be opened",
        "cannot be read",
        "empty",
        "format not known",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn an_input_named_twice_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pcap");
    fs::write(&path, example()).unwrap();
    let report = run(&[&path, dir.path(), &path]);
    assert_eq!(report.inputs.len(), 1);
    assert_eq!(report.findings.len(), 1);
    assert!(!report.lost_data());
    assert_eq!(keys(&report), ["named more than once", "named more than once"]);
}

#[test]
fn nothing_to_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let result = hunt(&request(&[dir.path()]), &Quiet);
    assert!(matches!(result, Err(HuntError::NothingToRead(_))));
}

#[test]
fn since_and_until_leave_out_and_count() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pcap");
    fs::write(&path, example()).unwrap();
    let whole = run(&[&path]);
    let (first, last) = whole.inputs[0].span.unwrap();
    let bounded = |since: Option<Timestamp>, until| {
        hunt(&Request { since, until, ..request(&[&path]) }, &Quiet).unwrap()
    };
    assert_eq!(bounded(Some(first), None).left_out, 0);
    let late = bounded(None, Some(first));
    assert_eq!((late.left_out, late.findings.len()), (late.inputs[0].events, 0));
    let early = bounded(Some(Timestamp(last.0 + 1)), None);
    assert_eq!((early.left_out, early.findings.len()), (early.inputs[0].events, 0));
}

#[test]
fn utf16_text_is_read() {
    let log = "../../corpus/scenarios/AN1058/connect-scan-two-witnesses/inputs";
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join(log).join("nmap-connect-enriched.log");
    let text = fs::read_to_string(&log).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for big in [false, true] {
        let path = dir.path().join("wide.log");
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        let bytes: Vec<u8> =
            units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect();
        fs::write(&path, bytes).unwrap();
        let report = run(&[&path]);
        assert_eq!(report.findings.len(), 1, "{:?}", report.troubles);
        assert_eq!(report.inputs[0].events, run(&[&log]).inputs[0].events);
    }
}

/// Copies what lies in a folder, folders and all.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &name);
        } else {
            fs::copy(&path, name).unwrap();
        }
    }
}

fn log_archive() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus/scenarios/AN1059/logarchive-enumeration/inputs/mac.logarchive")
}

/// What was said of the inputs, each by the last part of its name.
fn said(report: &Report) -> Vec<(String, &'static str)> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_string();
    report.troubles.iter().map(|trouble| (last(&trouble.input), trouble.key)).collect()
}

#[test]
fn a_unified_log_is_read_with_what_lies_beside_it() {
    let archive = log_archive();
    let whole = run(&[&archive]);
    assert_eq!(whole.findings.len(), 1);
    assert!(!whole.lost_data());
    let notes = [
        ("._0000000000000001.tracev3".to_string(), "AppleDouble companion"),
        ("0000000000000001.tracev3".to_string(), "chunks of other processes"),
        ("0000000000000002.tracev3".to_string(), "chunks of other processes"),
    ];
    assert_eq!(said(&whole), notes);
    // A file of it by name, and what it is made of on a Mac's disk: no other file is an input.
    let one = run(&[&archive.join("Persist/0000000000000002.tracev3")]);
    assert_eq!((one.findings.len(), one.lost_data()), (1, false));
    let dir = tempfile::tempdir().unwrap();
    let (disk, texts) = (dir.path().join("db/diagnostics"), dir.path().join("db/uuidtext"));
    for folder in ["Persist", "timesync"] {
        copy(&archive.join(folder), &disk.join(folder));
    }
    fs::write(disk.join("logdata.statistics.0.txt"), b"--- !logd statistics record\n").unwrap();
    for entry in fs::read_dir(&archive).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name.len() == 2 {
            copy(&path, &texts.join(name));
        }
    }
    fs::create_dir_all(texts.join("dsc")).unwrap();
    fs::write(texts.join("dsc/8EB7E1D0"), b"hcsd").unwrap();
    let on_disk = run(&[dir.path()]);
    assert_eq!(said(&on_disk), notes);
    assert_eq!(on_disk.findings.len(), 1);
    assert_eq!(on_disk.findings[0].counts, whole.findings[0].counts);
}

#[test]
fn a_unified_log_is_read_out_of_a_zip_archive() {
    let archive = log_archive();
    let dir = tempfile::tempdir().unwrap();
    for (name, log, texts) in [
        ("collected.zip", "case 7/mac.logarchive/", "case 7/mac.logarchive/"),
        ("disk.zip", "root/var/db/diagnostics/", "root/var/db/uuidtext/"),
        ("flat.zip", "", "uuidtext/"),
    ] {
        let path = dir.path().join(name);
        let mut packed = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        let mut files = Vec::new();
        let mut folders = vec![archive.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        for file in files {
            let within = file.strip_prefix(&archive).unwrap().to_str().unwrap();
            let place = if within.find('/') == Some(2) { texts } else { log };
            let options = zip::write::SimpleFileOptions::default();
            packed.start_file(format!("{place}{within}"), options).unwrap();
            packed.write_all(&fs::read(file).unwrap()).unwrap();
        }
        packed.finish().unwrap();
        let report = run(&[&path]);
        assert_eq!(report.findings.len(), 1, "{name}: {:?}", report.troubles);
        assert!(!report.lost_data(), "{name}: {:?}", report.troubles);
        assert_eq!(report.inputs.len(), 2, "{name}");
    }
}

#[test]
fn a_log_file_without_its_archive_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let lone = dir.path().join("lone.tracev3");
    fs::copy(log_archive().join("Persist/0000000000000002.tracev3"), &lone).unwrap();
    let report = run(&[&lone]);
    assert!(report.findings.is_empty() && report.lost_data());
    let time =
        report.troubles.iter().find(|t| t.key == "messages whose time is not known").unwrap();
    assert!(time.detail.contains("log show --archive"), "{}", time.detail);
    // Without its texts too, and its time is made up no more than they are.
    let archive = dir.path().join("mac.logarchive");
    copy(&log_archive().join("timesync"), &archive.join("timesync"));
    fs::create_dir_all(archive.join("Persist")).unwrap();
    fs::rename(&lone, archive.join("Persist/1.tracev3")).unwrap();
    let report = run(&[&archive]);
    assert!(report.findings.is_empty() && report.lost_data());
    assert!(report.troubles.iter().any(|t| t.key == "messages whose text is not known"));
}
