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

/// An options template of one scope field (the system) and these fields, and its data.
fn options(number: u16, fields: &[(u16, u16)], row: &[u8]) -> Vec<Vec<u8>> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend([0, 4, 0, 4 * fields.len() as u8, 0, 1, 0, 4]);
    for (id, length) in fields {
        bytes.extend(id.to_be_bytes());
        bytes.extend(length.to_be_bytes());
    }
    vec![set(1, &bytes), set(number, &[&[0, 0, 0, 1], row].concat())]
}

#[test]
fn up_23_sampling_is_read_from_options_and_an_interval_of_0_says_nothing() {
    let flows = [set(0, &template(256, FIELDS)), set(256, &syn(22))];
    let interval = |number: u16, interval: u32| {
        options(number, &[(34, 4), (35, 1)], &[&interval.to_be_bytes()[..], &[2]].concat())
    };
    let sampled =
        told(22).replace(" netflow ", " netflow-sampled ").replace("unanswered", "unknown");
    for (samplers, expected) in [
        (vec![interval(257, 1000)], &sampled),
        (vec![interval(257, 0), interval(258, 10_922)], &sampled),
        (vec![interval(257, 10_922), interval(258, 0)], &sampled),
        (vec![interval(257, 0)], &told(22)),
        (vec![interval(257, 1)], &told(22)),
    ] {
        let all: Vec<Vec<u8>> = samplers.concat().into_iter().chain(flows.clone()).collect();
        let (events, _) = decode(&v9(&all));
        assert_eq!(events, std::slice::from_ref(expected));
    }
    // IPFIX says how many it looks at, and how many it passes over.
    let packets = options(257, &[(305, 4), (306, 4)], &[0, 0, 0, 1, 0, 0, 3, 231]);
    let (events, notes) = decode(&v9(&[packets, flows.to_vec()].concat()));
    assert_eq!(events, [sampled]);
    assert_eq!(notes, [("exporters that sample", 1)]);
}

#[test]
fn a_template_defined_anew_holds_from_then_on_and_for_its_domain_alone() {
    let short = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (22, 4)];
    let row = [&syn(80)[..14], &syn(80)[22..]].concat();
    let whole = v9(&[set(0, &template(256, FIELDS)), set(256, &syn(22))]);
    let anew = v9(&[set(0, &template(256, &short)), set(256, &row)]);
    let (events, notes) = decode(&[whole.clone(), anew.clone()].concat());
    assert_eq!(notes, []);
    assert!(events[0].contains("10.0.0.1|22") && events[1].contains("10.0.0.1|80"), "{events:?}");
    // The same number in another domain is another template.
    let mut other = v9(&[set(256, &syn(443))]);
    other[19] = 7;
    let (events, notes) = decode(&[whole, anew, other].concat());
    assert_eq!(events.len(), 2);
    assert_eq!(notes, [("flows without their template", 1)]);
}

#[test]
fn an_uptime_that_wraps_between_flow_and_export_is_followed() {
    let mut bytes = v9(&[set(0, &template(256, FIELDS)), set(256, &syn(22))]);
    // The export came 4 s after the wrap, the flow began 6 s before it.
    bytes[4..8].copy_from_slice(&4_000_u32.to_be_bytes());
    let first = bytes.len() - 4;
    bytes[first..].copy_from_slice(&(u32::MAX - 5_999).to_be_bytes());
    assert_eq!(decode(&bytes), (vec![told(22)], vec![]));
    let mut v5 = vec![0, 5, 0, 1];
    v5.extend(4_000_u32.to_be_bytes());
    v5.extend(1_700_000_000_u32.to_be_bytes());
    v5.extend([0; 12]);
    let mut row = vec![10, 0, 0, 9, 10, 0, 0, 1];
    row.extend([0; 8]);
    row.extend(1_u32.to_be_bytes());
    row.extend(60_u32.to_be_bytes());
    row.extend((u32::MAX - 5_999).to_be_bytes());
    row.extend((u32::MAX - 5_999).to_be_bytes());
    row.extend(40_000_u16.to_be_bytes());
    row.extend(22_u16.to_be_bytes());
    row.extend([0, 2, 6]);
    row.resize(48, 0);
    v5.extend(&row);
    assert_eq!(decode(&v5), (vec![told(22)], vec![]));
    // One packet in 100, chosen by chance.
    v5[22..24].copy_from_slice(&(0x8000_u16 | 100).to_be_bytes());
    let (events, _) = decode(&v5);
    assert!(
        events[0].contains(" netflow-sampled ") && events[0].contains(" unknown "),
        "{events:?}"
    );
}

#[test]
fn a_biflow_holds_both_directions() {
    let mut fields = template(300, &[(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4)]);
    fields[3] = 10;
    for id in [6_u16, 2] {
        let length = if id == 6 { 1 } else { 4 };
        fields.extend((0x8000 | id).to_be_bytes());
        fields.extend([0, length, 0, 0, 0x72, 0x79]);
    }
    fields.extend([0, 152, 0, 8]);
    let row = |flags: u8, packets: u32| {
        let mut row = syn(443)[..18].to_vec();
        row.push(flags);
        row.extend(packets.to_be_bytes());
        row.extend(1_699_999_990_000_u64.to_be_bytes());
        row
    };
    let body = [row(0x14, 1), row(0, 0)].concat();
    let (events, notes) = decode(&ipfix(&[set(2, &fields), set(300, &body)]));
    assert_eq!(notes, []);
    assert_eq!(events, [told(443).replace("unanswered", "refused"), told(443)]);
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
