//! Datagrams built here byte by byte, and what comes of them.

use proptest::prelude::*;

use super::decoder;
use crate::Decoded;

fn decode(bytes: &[u8]) -> (Vec<String>, Vec<(&'static str, u64)>) {
    let mut decoder = decoder();
    let mut out = Decoded::default();
    let done = decoder.decode(bytes, &mut out);
    decoder.finish(&bytes[done..], &mut out);
    let notes = out.diagnostics().map(|said| (said.key, said.count)).collect();
    (out.events.iter().map(ToString::to_string).collect(), notes)
}

/// A version 9 datagram of these sets, sent at 1,700,000,000 with an uptime of 100 s.
fn v9(sets: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0, 9, 0, sets.len() as u8];
    bytes.extend(100_000_u32.to_be_bytes());
    bytes.extend(1_700_000_000_u32.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend(sets.concat());
    bytes
}

fn ipfix(sets: &[Vec<u8>]) -> Vec<u8> {
    let body = sets.concat();
    let mut bytes = vec![0, 10];
    bytes.extend((16 + body.len() as u16).to_be_bytes());
    bytes.extend(1_700_000_000_u32.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

fn set(id: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend((4 + body.len() as u16).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A template of fields and their lengths.
fn template(number: u16, fields: &[(u16, u16)]) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((fields.len() as u16).to_be_bytes());
    for (id, length) in fields {
        bytes.extend(id.to_be_bytes());
        bytes.extend(length.to_be_bytes());
    }
    bytes
}

const FIELDS: &[(u16, u16)] =
    &[(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4), (1, 4), (22, 4)];

/// A SYN of 10.0.0.9 to 10.0.0.1, ten seconds before the export.
fn syn(port: u16) -> Vec<u8> {
    let mut bytes = vec![10, 0, 0, 9, 10, 0, 0, 1];
    bytes.extend(40_000_u16.to_be_bytes());
    bytes.extend(port.to_be_bytes());
    bytes.extend([6, 2]);
    bytes.extend(1_u32.to_be_bytes());
    bytes.extend(60_u32.to_be_bytes());
    bytes.extend(90_000_u32.to_be_bytes());
    bytes
}

fn told(port: u16) -> String {
    format!(
        "2023-11-14T22:13:10Z netflow offset=0 network tcp 10.0.0.9|40000 -> 10.0.0.1|{port} \
         unanswered by=tcp-syn"
    )
}

#[test]
fn up_21_data_before_its_template_waits_for_it() {
    let (events, notes) = decode(&v9(&[set(256, &syn(22)), set(0, &template(256, FIELDS))]));
    assert_eq!((events, notes), (vec![told(22)], vec![]));
    let (events, notes) = decode(&v9(&[set(256, &syn(22))]));
    assert_eq!((events, notes), (vec![], vec![("flows without their template", 1)]));
    // Two templates in one set, and one of them defined anew with other lengths.
    let both = [template(256, FIELDS), template(257, &[(8, 4), (12, 4), (4, 1)])].concat();
    let (events, notes) = decode(&v9(&[set(0, &both), set(256, &syn(22))]));
    assert_eq!((events, notes), (vec![told(22)], vec![]));
}

#[test]
fn up_22_a_template_of_no_bytes_is_refused_and_one_zero_field_is_not() {
    let nothing = template(256, &[(8, 0), (12, 0)]);
    let (events, notes) = decode(&v9(&[set(0, &nothing), set(256, &[0; 100])]));
    assert!(events.is_empty());
    assert_eq!(notes, [("template broken", 1), ("flows without their template", 1)]);
    let fields = [FIELDS, &[(61, 0)]].concat();
    let (events, _) = decode(&v9(&[set(0, &template(256, &fields)), set(256, &syn(80))]));
    assert_eq!(events, [told(80)]);
}

#[test]
fn ipfix_fields_of_variable_length_and_of_enterprises_are_passed() {
    let mut fields = template(300, &[(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4)]);
    fields[3] = 10;
    fields.extend([0, 82, 0xff, 0xff]); // interfaceName, variable
    fields.extend([0x80, 1, 0, 4, 0, 0, 0x72, 0x79]); // a biflow's other bytes
    fields.extend([0, 152, 0, 8]); // flowStartMilliseconds
    let mut row = syn(443)[..18].to_vec();
    row.extend([3, b'e', b't', b'h']);
    row.extend([0, 0, 0, 0]);
    row.extend(1_699_999_990_000_u64.to_be_bytes());
    let (events, notes) = decode(&ipfix(&[set(2, &fields), set(300, &row)]));
    assert_eq!((events, notes), (vec![told(443)], vec![]));
}

#[test]
fn what_is_no_datagram_is_said_once() {
    let mut bytes = v9(&[set(0, &template(256, FIELDS)), set(256, &syn(22))]);
    bytes.extend([0xde; 50]);
    let (events, notes) = decode(&bytes);
    assert_eq!(events, [told(22)]);
    assert_eq!(notes, [("set of a wrong length", 1)], "its last set never ends");
    let mut bytes = v9(&[set(0, &template(256, FIELDS)), set(256, &syn(22))]);
    bytes.extend([0, 77, 0, 0, 0, 0]);
    let (events, notes) = decode(&bytes);
    assert_eq!(events, [told(22)]);
    assert_eq!(notes, [("no datagram", 1)]);
    let cut = v9(&[set(0, &template(256, FIELDS)), set(256, &syn(22))]);
    let (_, notes) = decode(&cut[..cut.len() - 3]);
    assert_eq!(notes, [("set of a wrong length", 1)]);
}

proptest! {
    #[test]
    fn any_bytes_are_taken(
        version in prop::sample::select(vec![5_u8, 9, 10]),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        decode(&[&[0, version, 0, 1], &bytes[..]].concat());
        decode(&v9(&[set(0, &bytes), set(256, &bytes)]));
        decode(&ipfix(&[set(2, &bytes), set(300, &bytes)]));
    }
}
