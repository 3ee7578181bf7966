//! How fast each decoder is, in bytes a second: one bench for each row of the format table, over its
//! golden inputs repeated to some megabytes.

#![allow(clippy::unwrap_used, clippy::panic)] // a bench, helpers and all

use std::fs;
use std::path::{Path, PathBuf};

use divan::Bencher;
use divan::counter::BytesCount;
use lapwing_source::{Decoded, FORMATS};

/// How much is decoded in one go: larger than the caches, small enough for many rounds. As a test, which
/// measures nothing, each decoder is tried on a little.
const WANTED: usize = if cfg!(debug_assertions) { 64 << 10 } else { 8 << 20 };

fn main() {
    divan::main();
}

/// The part of an input that may be repeated behind the rest of it: past a file's header.
fn body(format: &str, bytes: &[u8]) -> usize {
    match format {
        "pcap" => 24,
        "evtx" => 4096,
        "nfdump-csv" | "argus-csv" => 1 + bytes.iter().position(|byte| *byte == b'\n').unwrap(),
        "zeek-tsv" => {
            let line_starts = bytes.windows(2).enumerate().filter(|(_, pair)| pair[0] == b'\n');
            line_starts.filter(|(_, pair)| pair[1] != b'#').map(|(at, _)| at + 1).next().unwrap()
        }
        // Datagrams, sections of pcapng, lines and objects follow each other.
        _ => 0,
    }
}

/// The largest golden input of a format, repeated.
fn input(format: &str) -> Vec<u8> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/formats").join(format);
    let inputs = fs::read_dir(&dir).unwrap().flat_map(|case| {
        let files = fs::read_dir(case.unwrap().path()).unwrap();
        files.map(|file| file.unwrap().path()).filter(|path| path.file_stem().unwrap() == "input")
    });
    let largest: PathBuf = inputs.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(largest).unwrap();
    let body = bytes[body(format, &bytes)..].to_vec();
    while bytes.len() < WANTED {
        bytes.extend_from_slice(&body);
    }
    bytes
}

#[divan::bench(args = FORMATS.iter().map(|format| format.name))]
fn decode(bencher: Bencher, name: &str) {
    let format = FORMATS.iter().find(|format| format.name == name).unwrap();
    let bytes = input(name);
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let mut decoder = (format.decoder)();
        let mut out = Decoded::default();
        let mut events = 0;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let piece = rest.len().min(256 << 10);
            let done = decoder.decode(&rest[..piece], &mut out);
            events += out.events.drain(..).count();
            if done == 0 && piece == rest.len() {
                break;
            }
            rest = &rest[done..];
        }
        decoder.finish(rest, &mut out);
        events + out.events.len()
    });
}
