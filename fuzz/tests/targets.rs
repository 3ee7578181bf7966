//! Drives every target with the golden inputs, damaged: each format with its own, and with those
//! of all others.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

use std::fs;
use std::path::{Path, PathBuf};

use lapwing_fuzz::{formats, target};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// Damaged inputs for each format and seed file; `PROPTEST_CASES` asks for more.
const CASES: u32 = 24;

/// Larger seeds are cut: a megabyte of log says no more than its first part, and takes a hundred
/// times as long.
const MAX_SEED: usize = 80 << 10;

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.file_stem().is_some_and(|stem| stem == "input") {
            found.push(path);
        }
    }
}

/// The golden inputs of a format; none for a format whose folder has none.
fn seeds(format: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/formats").join(format);
    let mut found = Vec::new();
    files(&dir, &mut found);
    found.sort();
    found
        .iter()
        .map(|path| {
            let mut bytes = fs::read(path).unwrap();
            bytes.truncate(MAX_SEED);
            bytes
        })
        .collect()
}

/// One way of damaging bytes.
#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    Remove(Index, u8),
    Repeat(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index),
    /// A length or count made as large as it can be.
    Ones(Index, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, to)| Damage::Set(at, to)),
        3 => (any::<Index>(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => (any::<Index>(), 1u8..64).prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => (any::<Index>(), 1u8..64).prop_map(|(at, length)| Damage::Repeat(at, length)),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => any::<Index>().prop_map(Damage::Cut),
        2 => (any::<Index>(), 1u8..9).prop_map(|(at, length)| Damage::Ones(at, length)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: Damage) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let end = |at: usize, span: u8| (at + usize::from(span)).min(length);
    match damage {
        Damage::Set(at, to) => bytes[at.index(length)] = to,
        Damage::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Damage::Remove(at, span) => {
            let at = at.index(length);
            bytes.drain(at..end(at, span));
        }
        Damage::Repeat(at, span) => {
            let at = at.index(length);
            let again = bytes[at..end(at, span)].to_vec();
            bytes.splice(at..at, again);
        }
        Damage::Insert(at, more) => {
            let at = at.index(length);
            bytes.splice(at..at, more);
        }
        Damage::Cut(at) => bytes.truncate(at.index(length)),
        Damage::Ones(at, span) => {
            let at = at.index(length);
            bytes[at..end(at, span)].fill(0xff);
        }
    }
}

#[test]
fn damaged_inputs_are_taken_by_every_decoder() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let config =
        Config { cases: cases.unwrap_or(CASES), failure_persistence: None, ..Config::default() };
    let all: Vec<_> = formats().map(|format| (format, seeds(format.name))).collect();
    for (format, own) in &all {
        assert!(!own.is_empty(), "{}: no golden input to start from", format.name);
        for seed in own {
            let mut runner = TestRunner::new(config.clone());
            let plan = prop::collection::vec(damage(), 0..12);
            runner
                .run(&plan, |plan| {
                    let mut bytes = seed.clone();
                    for step in plan {
                        apply(&mut bytes, step);
                    }
                    target(format, &bytes);
                    Ok(())
                })
                .unwrap_or_else(|error| panic!("{}: {error}", format.name));
        }
        // What the sniffer would never send here, it may be told to.
        for (_, others) in &all {
            target(format, &others[0]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_taken_by_every_decoder(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        for format in formats() {
            target(format, &bytes);
        }
    }
}
