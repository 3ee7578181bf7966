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

#[test]
fn a_unified_log_archive_is_refused_once_and_its_companions_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let tracev3 = [0x00, 0x10, 0, 0, 0x11, 0, 0, 0, 0xd0, 0, 0, 0];
    let folder = dir.path().join("mac.logarchive");
    fs::create_dir_all(folder.join("Persist")).unwrap();
    fs::create_dir_all(folder.join("dsc")).unwrap();
    for name in ["Persist/0000000000000001.tracev3", "dsc/A1", "Info.plist"] {
        fs::write(folder.join(name), tracev3).unwrap();
    }
    let disk = dir.path().join("diagnostics");
    fs::create_dir_all(disk.join("timesync")).unwrap();
    fs::create_dir_all(disk.join("Persist")).unwrap();
    fs::write(disk.join("Persist/0000000000000001.tracev3"), tracev3).unwrap();
    fs::write(dir.path().join("lone.tracev3"), tracev3).unwrap();
    let packed = fs::File::create(dir.path().join("packed.zip")).unwrap();
    let mut packed = zip::ZipWriter::new(packed);
    let companion = [0x00, 0x05, 0x16, 0x07, 0, 2, 0, 0];
    for (name, bytes) in [
        ("x/mac.logarchive/Persist/1.tracev3", &tracev3[..]),
        ("x/mac.logarchive/dsc/A1", &tracev3[..]),
        ("__MACOSX/._good.pcap", &companion[..]),
        ("good.pcap", &example()[..]),
    ] {
        packed.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        packed.write_all(bytes).unwrap();
    }
    packed.finish().unwrap();
    let report = run(&[dir.path()]);
    let mut told: Vec<(&str, &str)> = report
        .troubles
        .iter()
        .map(|trouble| (trouble.input.rsplit('/').next().unwrap_or_default(), trouble.key))
        .filter(|(_, key)| *key != "protocols not read")
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("._good.pcap", "AppleDouble companion"),
            ("diagnostics", "unified log archive"),
            ("lone.tracev3", "format not known"),
            ("mac.logarchive", "unified log archive"),
            ("mac.logarchive", "unified log archive"),
        ]
    );
    let lone = report.troubles.iter().find(|trouble| trouble.key == "format not known").unwrap();
    assert!(lone.detail.contains("log show --archive"), "{}", lone.detail);
}
