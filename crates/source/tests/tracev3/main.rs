//! The unified log as it lies on disk, against files composed after its published layout. They lie in
//! the corpus, where `LAPWING_BLESS=1` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

mod compose;
mod requests;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use lapwing_source::{Companions, Decoded, FORMATS};
use proptest::prelude::*;
use proptest::sample::Index;

use compose::{
    BOOT, Message, OTHER, Packing, RESPONDER, Texts, catalog, chunk_set, firehose, header,
};
use requests::{Form, Request, TEXTS, asked};

/// What lies beside a file, in memory.
#[derive(Clone, Default)]
struct Beside {
    timesync: Vec<Vec<u8>>,
    texts: BTreeMap<String, Vec<u8>>,
}

impl Companions for Beside {
    fn timesync(&self) -> Vec<Vec<u8>> {
        self.timesync.clone()
    }

    fn uuidtext(&self, uuid: &str) -> Option<Vec<u8>> {
        self.texts.get(uuid).cloned()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn beside() -> Beside {
    let texts = Texts { texts: TEXTS.to_vec(), path: RESPONDER.path };
    let timesync = vec![compose::timesync(&[
        (0, requests::BOOTED),
        (24_000_000 * 600, requests::BOOTED + 600_000_000_123),
    ])];
    Beside { timesync, texts: BTreeMap::from([(hex(&RESPONDER.uuid), texts.file())]) }
}

/// A file of these requests: their first half packed, the other stored, as are those of another program.
fn file(requests: &[Request]) -> Vec<u8> {
    let texts = Texts { texts: TEXTS.to_vec(), path: RESPONDER.path };
    let messages: Vec<Message> = requests.iter().flat_map(asked).collect();
    let (first, second) = messages.split_at(messages.len() / 2);
    let chunks = |messages: &[Message]| -> Vec<Vec<u8>> {
        messages.chunks(20).map(|messages| firehose(&RESPONDER, &texts, messages)).collect()
    };
    let others = vec![firehose(&OTHER, &texts, &messages[..1])];
    [
        header(),
        catalog(&[&OTHER, &RESPONDER]),
        chunk_set(Packing::Lz4, &[others.clone(), chunks(first)].concat()),
        chunk_set(Packing::Lz4, &others),
        catalog(&[&RESPONDER]),
        chunk_set(Packing::Stored, &chunks(second)),
    ]
    .concat()
}

fn decode(bytes: &[u8], beside: Option<&Beside>, piece: usize) -> Vec<String> {
    let row = FORMATS.iter().find(|row| row.name == "tracev3").unwrap();
    let mut decoder = (row.decoder)();
    if let Some(beside) = beside {
        decoder.beside(Arc::new(beside.clone()));
    }
    let mut out = Decoded::default();
    let mut held = Vec::new();
    for part in bytes.chunks(piece.max(1)) {
        held.extend_from_slice(part);
        let done = decoder.decode(&held, &mut out);
        held.drain(..done);
    }
    decoder.finish(&held, &mut out);
    let events = out.events.iter().map(ToString::to_string);
    let said = out.diagnostics().map(|said| {
        format!("! {} {} x{}: {}", said.problem.name(), said.key, said.count, said.detail)
    });
    events.chain(said).collect()
}

#[test]
fn requests_are_told_with_text_time_and_client() {
    for form in [Form::Hash, Form::Sensitive] {
        let requests = [
            Request {
                form,
                id: 7,
                pid: 4242,
                client: "python3.12",
                name: "_sftp-ssh._tcp.local",
                at_ms: 1_000,
                lasts_ms: 500,
            },
            Request {
                form,
                id: 8,
                pid: 4242,
                client: "python3.12",
                name: "_ssh._tcp.local",
                at_ms: 700_000,
                lasts_ms: 500,
            },
        ];
        let file = file(&requests);
        let told = decode(&file, Some(&beside()), usize::MAX);
        // The first hash has its highest bit set; the second request is after a correction of the clock.
        assert_eq!(
            told[0].split_once("dns ").unwrap().1,
            "::|0 -> ::|5353 name=\"hash:c7745a19\" type=12 pid=4242 name=\"python3.12\""
        );
        assert!(told[0].starts_with("2026-03-12T08:00:01Z unified-log"), "{told:?}");
        assert_eq!(
            told[1].split_once("dns ").unwrap().1,
            "::|0 -> ::|5353 name=\"hash:262b8524\" type=12 pid=4242 name=\"python3.12\""
        );
        assert!(told[1].starts_with("2026-03-12T08:11:40Z unified-log"), "{told:?}");
        assert_eq!(told[2], "! note chunks of other processes x2: ");
        assert_eq!(told.len(), 3, "{told:?}");
        for piece in [1, 7, 4096] {
            assert_eq!(decode(&file, Some(&beside()), piece), told, "pieces of {piece}");
        }
    }
}

/// A client asks for SSH, once.
const SSH: Request = Request {
    form: Form::Hash,
    id: 7,
    pid: 4242,
    client: "x",
    name: "_ssh._tcp.local",
    at_ms: 1_000,
    lasts_ms: 500,
};

#[test]
fn what_a_missing_companion_would_tell_is_said_and_not_made_up() {
    let file = file(&[SSH]);
    let alone = decode(&file, None, usize::MAX);
    assert_eq!(alone.len(), 2, "{alone:?}");
    let time = format!(
        "! unsupported messages whose time is not known x3: no timesync file tells of boot {}",
        hex(&BOOT)
    );
    assert!(alone[0].starts_with(&time), "{alone:?}");
    assert!(alone[0].contains("log show --archive"), "{alone:?}");
    let textless = Beside { texts: BTreeMap::new(), ..beside() };
    let told = decode(&file, Some(&textless), usize::MAX);
    let text = format!(
        "! unsupported messages whose text is not known x3: Failed to get string message from UUIDText file: {}",
        hex(&RESPONDER.uuid)
    );
    assert!(told[0].starts_with(&text), "{told:?}");
    // A file of another boot tells no time of this one, nor does one without a single record.
    let mut other = beside();
    other.timesync[0][8] ^= 1;
    assert_eq!(decode(&file, Some(&other), usize::MAX), alone);
    other.timesync[0] = compose::timesync(&[(0, requests::BOOTED)]);
    other.timesync[0].truncate(48);
    assert_eq!(decode(&file, Some(&other), usize::MAX), alone);
}

#[test]
fn sizes_are_not_taken_at_their_word() {
    let file = file(&[SSH]);
    let told = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = file.clone();
        change(&mut bytes);
        decode(&bytes, Some(&beside()), usize::MAX).join("\n")
    };
    let at = file.windows(4).position(|bytes| bytes == b"bv41").unwrap();
    let huge = told(&|bytes| bytes[at + 4..at + 8].fill(0xff));
    assert!(huge.contains("chunk set broken x1: more than logd packs at a time"), "{huge}");
    let bitmap = told(&|bytes| {
        bytes[at..at + 16].copy_from_slice(b"ZBM\x09\x06\0\0\xff\x7f\0\x06\0\0\xff\xff\xff");
    });
    assert!(bitmap.contains("chunk set broken x1: more than logd packs at a time"), "{bitmap}");
    let unknown = told(&|bytes| bytes[at..at + 4].copy_from_slice(b"bv99"));
    assert!(unknown.contains("chunk set broken x1: a packing that is not known"), "{unknown}");
    let endless = told(&|bytes| bytes[at - 8..at].fill(0xff));
    assert!(endless.contains("malformed no record found x1"), "{endless}");
}

/// Every byte of a file and of its companions may be anything: nothing panics through, nothing grows.
#[test]
fn damaged_files_and_companions_are_taken() {
    let requests: Vec<Request> = ["_ssh._tcp.local", "_ipp._tcp.local", "_sftp-ssh._tcp.local"]
        .into_iter()
        .enumerate()
        .map(|(at, name)| Request {
            form: [Form::Hash, Form::Sensitive][at % 2],
            id: at as u32,
            pid: 4242,
            client: "x",
            name,
            at_ms: 1_000,
            lasts_ms: 500,
        })
        .collect();
    // Stored throughout, so that damage reaches entries and not only their packing.
    let texts = Texts { texts: TEXTS.to_vec(), path: RESPONDER.path };
    let messages: Vec<Message> = requests.iter().flat_map(asked).collect();
    let plain = [
        header(),
        catalog(&[&OTHER, &RESPONDER]),
        chunk_set(Packing::Stored, &[firehose(&RESPONDER, &texts, &messages)]),
    ]
    .concat();
    let beside = beside();
    for at in 0..plain.len() {
        for value in [plain[at] ^ 1, 0xff, 0x00, 0x80] {
            let mut bytes = plain.clone();
            bytes[at] = value;
            decode(&bytes, Some(&beside), usize::MAX);
        }
        decode(&plain[..at], Some(&beside), usize::MAX);
    }
    let uuid = hex(&RESPONDER.uuid);
    for at in 0..beside.texts[&uuid].len() {
        let mut other = beside.clone();
        let text = other.texts.get_mut(&uuid).unwrap();
        text[at] = if at % 2 == 0 { 0xff } else { b'%' };
        decode(&plain, Some(&other), usize::MAX);
        other.texts.get_mut(&uuid).unwrap().truncate(at);
        decode(&plain, Some(&other), usize::MAX);
    }
    for at in 0..beside.timesync[0].len() {
        let mut other = beside.clone();
        other.timesync[0][at] = 0xff;
        decode(&plain, Some(&other), usize::MAX);
        other.timesync[0].truncate(at);
        decode(&plain, Some(&other), usize::MAX);
    }
    let strategy = (prop::collection::vec((any::<Index>(), any::<u8>()), 1..12), 1_usize..4096);
    proptest!(ProptestConfig::with_cases(200), |((damage, piece) in strategy)| {
        let mut bytes = plain.clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let whole = decode(&bytes, Some(&beside), usize::MAX);
        prop_assert_eq!(decode(&bytes, Some(&beside), piece), whole);
    });
}

/// The archives of the corpus' scenarios are what is composed here.
#[test]
fn the_corpus_holds_what_is_composed() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus");
    let write = |path: &Path, bytes: &[u8]| {
        if std::env::var_os("LAPWING_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let known = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(known == bytes, "{} is not what is composed", path.display());
    };
    let alone = corpus.join("formats/tracev3/nothing-beside/input.tracev3");
    write(&alone, &file(&requests::scenarios()[0].1));
    for (case, requests) in requests::scenarios() {
        let root = corpus.join("scenarios/AN1059").join(case).join("inputs/mac.logarchive");
        let uuid = hex(&RESPONDER.uuid);
        let beside = beside();
        let middle = requests.len() / 2;
        let files = [
            ("Persist/0000000000000001.tracev3".to_string(), file(&requests[..middle])),
            ("Persist/0000000000000002.tracev3".to_string(), file(&requests[middle..])),
            // What macOS leaves beside a file on foreign volumes (UP-29).
            (
                "Persist/._0000000000000001.tracev3".to_string(),
                b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ".to_vec(),
            ),
            ("timesync/0000000000000001.timesync".to_string(), beside.timesync[0].clone()),
            (format!("{}/{}", &uuid[..2], &uuid[2..]), beside.texts[&uuid].clone()),
        ];
        for (name, bytes) in files {
            write(&root.join(name), &bytes);
        }
    }
}
