//! Damage to event log files, and the readers' rendering of records.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use lapwing_event::Activity;
use proptest::prelude::*;

use super::{CHUNK_BYTES, HEADER_BYTES, decoder, json, recognises};
use crate::Decoded;
use crate::windows::{Known, Translated, translate};

/// A header and one chunk of real Sysmon events.
const SAMPLE: &[u8] = include_bytes!("../../../../corpus/formats/evtx/sysmon-one-chunk/input.evtx");

fn decode(bytes: &[u8]) -> (Vec<String>, Vec<(&'static str, u64)>) {
    let mut decoder = decoder();
    let mut out = Decoded::default();
    let done = decoder.decode(bytes, &mut out);
    decoder.finish(&bytes[done..], &mut out);
    let notes = out.diagnostics().map(|said| (said.key, said.count)).collect();
    (out.events.iter().map(ToString::to_string).collect(), notes)
}

#[test]
fn the_sample_is_what_these_tests_think_it_is() {
    assert_eq!(SAMPLE.len(), HEADER_BYTES + CHUNK_BYTES);
    let (events, notes) = decode(SAMPLE);
    assert_eq!(events.len(), 31);
    assert_eq!(notes, [("events not used", 10)]);
}

#[test]
fn a_header_cut_off_is_said() {
    assert_eq!(decode(&SAMPLE[..100]), (Vec::new(), vec![("file header cut off", 1)]));
    assert_eq!(decode(&SAMPLE[..HEADER_BYTES]), (Vec::new(), Vec::new()), "an empty log");
}

#[test]
fn a_carved_chunk_without_its_file_is_read() {
    assert!(recognises(&SAMPLE[HEADER_BYTES..]));
    assert_eq!(decode(&SAMPLE[HEADER_BYTES..]).0.len(), 31);
}

#[test]
fn a_bad_checksum_is_said_and_the_records_are_read() {
    let mut bytes = SAMPLE.to_vec();
    bytes[HEADER_BYTES + 124] ^= 1; // the header's own checksum, [MS-EVEN6] 2.2.1 and libevtx
    let (events, notes) = decode(&bytes);
    assert_eq!(events.len(), 31);
    assert_eq!(notes, [("chunk checksum wrong", 1), ("events not used", 10)]);
}

#[test]
fn a_chunk_without_its_magic_costs_itself_alone() {
    let chunk = &SAMPLE[HEADER_BYTES..];
    let mut broken = chunk.to_vec();
    broken[..8].copy_from_slice(b"Garbage!");
    let file = [&SAMPLE[..HEADER_BYTES], &broken, chunk].concat();
    let (events, notes) = decode(&file);
    assert_eq!(events.len(), 31);
    assert_eq!(notes, [("no chunk", 1), ("events not used", 10)]);
    // Space that is not used yet is no damage.
    let file = [SAMPLE, &vec![0; 2 * CHUNK_BYTES], chunk].concat();
    assert_eq!(decode(&file).1, [("events not used", 20)]);
}

#[test]
fn a_record_of_nonsense_costs_itself_alone() {
    let (whole, _) = decode(SAMPLE);
    // The sixth event's content, its header left alone.
    let offset = whole[5].split("offset=").nth(1).unwrap().split(' ').next().unwrap();
    let at: usize = offset.parse::<usize>().unwrap() + 24;
    let mut bytes = SAMPLE.to_vec();
    bytes[at..at + 40].fill(0xff);
    let (events, notes) = decode(&bytes);
    assert!(events.len() >= 30, "{}", events.len());
    assert!(events.iter().all(|event| whole.contains(event)));
    assert!(notes.iter().any(|(key, count)| *key == "record broken" && *count >= 1), "{notes:?}");
}

/// UP-16: a chunk's header claims records past its last one.
#[test]
fn up_16_claims_of_more_records_than_there_are_cost_nothing() {
    let mut bytes = SAMPLE.to_vec();
    // The last record's identifier, and where free space begins ([MS-EVEN6] 2.2.1, libevtx).
    for (at, more) in [(HEADER_BYTES + 32, 3), (HEADER_BYTES + 48, 600)] {
        let held = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        bytes[at..at + 4].copy_from_slice(&(held + more).to_le_bytes());
    }
    let file = [&bytes, &SAMPLE[HEADER_BYTES..]].concat();
    let (events, _) = decode(&file);
    let (whole, _) = decode(SAMPLE);
    assert_eq!(events.len(), 62);
    assert_eq!(events[..31], whole[..]);
}

/// UP-16: a record's size is three gigabytes; readers looped on it.
#[test]
fn up_16_a_record_of_an_impossible_size_costs_what_follows_it_in_its_chunk() {
    let (whole, _) = decode(SAMPLE);
    let offset = whole[5].split("offset=").nth(1).unwrap().split(' ').next().unwrap();
    let at: usize = offset.parse().unwrap();
    let mut bytes = SAMPLE.to_vec();
    bytes[at + 4..at + 8].copy_from_slice(&0xb8b8_b8b8_u32.to_le_bytes());
    bytes[at + 8..at + 16].fill(0);
    let file = [&bytes, &SAMPLE[HEADER_BYTES..]].concat();
    let (events, notes) = decode(&file);
    assert!(events.len() >= 5 + 31, "{}", events.len());
    assert_eq!(events[..5], whole[..5]);
    let said = |wanted: &str| notes.iter().any(|(key, _)| *key == wanted);
    assert!(said("record broken") || said("chunk checksum wrong"), "{notes:?}");
}

#[test]
fn elements_with_attributes_and_lists_are_read() {
    let line = br##"{"Event":{"#attributes":{"xmlns":"x"},"System":{
        "Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon","Guid":"g"}},
        "EventID":{"#attributes":{"Qualifiers":16384},"#text":22},
        "TimeCreated":{"#attributes":{"SystemTime":"2026-03-01T10:00:09.123456Z"}},
        "Computer":"WS-17.corp.example"},
        "EventData":{"Data":{"#text":["a","b"]},"ProcessId":77,"QueryName":"a\"b","QueryStatus":"0"}}}"##;
    let record = json::record(line, 9).unwrap();
    match translate(&record, &mut Known::default()) {
        Translated::Event(event) => {
            assert_eq!(event.time.to_string(), "2026-03-01T10:00:09.123456Z");
            let actor = event.actor.unwrap();
            assert_eq!(actor.device.as_deref(), Some("WS-17.corp.example"));
            assert_eq!(actor.process.as_ref().unwrap().pid, 77);
            match event.activity {
                Activity::Dns(dns) => assert_eq!(&*dns.name, "a\"b"),
                other => panic!("{other:?}"),
            }
        }
        _ => panic!("no event"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))] // a chunk takes milliseconds unoptimised

    #[test]
    fn records_before_a_cut_are_what_they_are_without_it(
        cut in 0..=SAMPLE.len(),
    ) {
        let (whole, _) = decode(SAMPLE);
        let (events, _) = decode(&SAMPLE[..cut]);
        prop_assert_eq!(&events[..], &whole[..events.len()]);
        // Whatever ends before the cut is there: the event after it begins before the cut.
        let begins = |event: &String| {
            let offset = event.split("offset=").nth(1).unwrap();
            offset.split(' ').next().unwrap().parse::<usize>().unwrap()
        };
        let complete = whole.iter().filter(|event| begins(event) < cut).count().saturating_sub(1);
        prop_assert!(events.len() >= complete, "{} of {complete} at {cut}", events.len());
    }

    #[test]
    fn any_damage_gives_what_is_left(
        hits in prop::collection::vec((0..CHUNK_BYTES, any::<u8>()), 1..40),
    ) {
        let mut bytes = SAMPLE.to_vec();
        for (at, value) in hits {
            bytes[HEADER_BYTES + at] = value;
        }
        let (events, _) = decode(&bytes);
        // Damage can repeat references, but never make more events than the chunk has room for.
        prop_assert!(events.len() <= CHUNK_BYTES / 24, "{}", events.len());
    }

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        decode(&bytes);
        decode(&[&SAMPLE[..HEADER_BYTES + 8], &bytes].concat());
    }
}
