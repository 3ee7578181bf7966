//! Every folder of `corpus/formats` is a test: `input.*` decodes to what `expected.txt` says,
//! whatever the pieces it is fed in. `LAPWING_BLESS=1` rewrites expectations.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

use std::fs;
use std::path::{Path, PathBuf};

use lapwing_source::{Decoded, FORMATS, SNIFF_BYTES, Sniffed, sniff};

fn formats_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/formats")
}

/// The folders of a folder, sorted.
fn folders(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

/// Decodes bytes in pieces of `piece` and prints events, then diagnostics.
fn decode(format: &str, bytes: &[u8], piece: usize) -> String {
    let row = FORMATS.iter().find(|row| row.name == format).unwrap();
    let mut decoder = (row.decoder)();
    let mut out = Decoded::default();
    let mut held = Vec::new();
    for chunk in bytes.chunks(piece.max(1)) {
        held.extend_from_slice(chunk);
        let done = decoder.decode(&held, &mut out);
        held.drain(..done);
    }
    decoder.finish(&held, &mut out);
    let mut text: String = out.events.iter().map(|event| format!("{event}\n")).collect();
    for diagnostic in out.diagnostics() {
        text += &format!(
            "! {} {} x{} @{}\n",
            diagnostic.problem.name(),
            diagnostic.key,
            diagnostic.count,
            diagnostic.offset
        );
    }
    text
}

fn input_of(case: &Path) -> PathBuf {
    let mut inputs: Vec<PathBuf> = fs::read_dir(case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_stem().is_some_and(|stem| stem == "input"))
        .collect();
    assert_eq!(inputs.len(), 1, "{}: expected one input.* file", case.display());
    inputs.remove(0)
}

#[test]
fn every_case_decodes_as_expected() {
    let mut cases = 0;
    for folder in folders(&formats_dir()) {
        let format = folder.file_name().unwrap().to_str().unwrap().to_string();
        for case in folders(&folder) {
            let bytes = fs::read(input_of(&case)).unwrap();
            let head = &bytes[..bytes.len().min(SNIFF_BYTES)];
            match sniff(head) {
                Sniffed::Format(row) => assert_eq!(row.name, format, "{}", case.display()),
                other => panic!("{}: sniffed as {other:?}", case.display()),
            }
            let whole = decode(&format, &bytes, bytes.len());
            for piece in [1, 7, 4096] {
                assert_eq!(decode(&format, &bytes, piece), whole, "{} by {piece}", case.display());
            }
            let expected = case.join("expected.txt");
            if std::env::var_os("LAPWING_BLESS").is_some() {
                fs::write(&expected, &whole).unwrap();
            }
            let text = fs::read_to_string(&expected)
                .unwrap_or_else(|error| panic!("{}: {error}", expected.display()));
            assert_eq!(whole, text, "{}", case.display());
            cases += 1;
        }
    }
    assert!(cases > 0, "no case found: the walk is broken");
}
