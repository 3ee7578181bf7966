//! What a row means, in each spelling.

#![allow(clippy::unwrap_used)] // tests

use lapwing_event::{
    Activity, Event, Initiator, LogSource, Network, Outcome, Protocol, Technique, Timestamp,
};
use proptest::prelude::*;

use super::{is_json, is_tsv, json_decoder, tsv_decoder};
use crate::{Decoded, Decoder};

const HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n\
    #unset_field\t-\n#path\tconn\n#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\t\
    conn_state\thistory\torig_bytes\tresp_bytes\tresp_pkts\n";

fn decode(mut decoder: Box<dyn Decoder>, bytes: &[u8]) -> Decoded {
    let mut out = Decoded::default();
    let done = decoder.decode(bytes, &mut out);
    decoder.finish(&bytes[done..], &mut out);
    out
}

fn tsv(text: &str) -> Decoded {
    decode(tsv_decoder(), text.as_bytes())
}

fn json(text: &str) -> Decoded {
    decode(json_decoder(), text.as_bytes())
}

fn network(event: &Event) -> Network {
    match event.activity {
        Activity::Network(network) => network,
        _ => unreachable!("{event}"),
    }
}

/// The attempt of one connection with this state, history and bytes.
fn conn(proto: &str, state: &str, history: &str, sent: u32, received: u32) -> Network {
    let line = format!(
        "1772908558.681942\t10.0.0.1\t34751\t10.0.0.2\t443\t{proto}\t{state}\t{history}\t{sent}\t\
         {received}\t1\n"
    );
    let out = tsv(&(HEADER.to_string() + &line));
    assert_eq!(out.diagnostics().count(), 0, "{:?}", out.diagnostics().collect::<Vec<_>>());
    network(&out.events[0])
}

#[test]
fn states_give_outcomes() {
    for (state, history, sent, received, outcome) in [
        ("S0", "S", 0, 0, Outcome::Unanswered),
        ("RSTOS0", "SR", 0, 0, Outcome::Unanswered),
        ("SH", "SF", 0, 0, Outcome::Unanswered),
        ("REJ", "Sr", 0, 0, Outcome::Refused),
        ("RSTO", "ShR", 0, 0, Outcome::Open),
        ("S1", "ShA", 0, 0, Outcome::Open),
        ("SF", "ShAFf", 0, 0, Outcome::Open),
        ("SF", "ShADadFf", 10, 20, Outcome::Served),
        ("RSTR", "ShADadr", 10, 20, Outcome::Served),
        ("SF", "ShAdFf", 0, 20, Outcome::Open),
    ] {
        let attempt = conn("tcp", state, history, sent, received);
        assert_eq!(attempt.outcome, outcome, "{state} {history}");
        assert_eq!(attempt.initiator, Initiator::Source, "{state} {history}");
    }
}

#[test]
fn a_connection_seen_from_its_middle_has_no_initiator() {
    for (state, history) in
        [("OTH", "Aa"), ("RSTRH", "hr"), ("SHR", "hf"), ("SH", "Fa"), ("OTH", "^hR"), ("S0", "-")]
    {
        let expected = if history == "-" { Initiator::Source } else { Initiator::Unknown };
        assert_eq!(conn("tcp", state, history, 0, 0).initiator, expected, "{state} {history}");
    }
    assert_eq!(conn("udp", "SHR", "^d", 0, 9).initiator, Initiator::Unknown);
    assert_eq!(conn("udp", "S0", "D", 9, 0).initiator, Initiator::Source);
    // A flipped connection whose SYN was seen later has its roles settled.
    assert_eq!(conn("tcp", "SF", "^hSADd", 9, 9).initiator, Initiator::Source);
}

#[test]
fn packets_of_one_kind_without_a_syn_are_probes_of_no_more_weight_than_others() {
    for (state, history, outcome, technique) in [
        ("SH", "F", Outcome::Unanswered, Technique::Unknown),
        ("RSTRH", "Fr", Outcome::Refused, Technique::Unknown),
        ("OTH", "-", Outcome::Unanswered, Technique::Unknown),
        ("RSTRH", "r", Outcome::Refused, Technique::Unknown),
        ("RSTRH", "Ar", Outcome::Refused, Technique::Ack),
    ] {
        let probe = conn("tcp", state, history, 0, 0);
        let told = (probe.initiator, probe.outcome, probe.technique);
        assert_eq!(told, (Initiator::Source, outcome, technique), "{state} {history}");
    }
    for history in ["A", "Aa", "^r", "Ff", "R"] {
        assert_eq!(conn("tcp", "OTH", history, 0, 0).initiator, Initiator::Unknown, "{history}");
    }
    assert_eq!(conn("tcp", "OTH", "-", 9, 9).initiator, Initiator::Unknown);
}

#[test]
fn a_half_open_probe_differs_from_a_handshake() {
    assert_eq!(conn("tcp", "S0", "S", 0, 0).technique, Technique::Syn);
    assert_eq!(conn("tcp", "RSTO", "ShR", 0, 0).technique, Technique::Syn);
    assert_eq!(conn("tcp", "RSTO", "ShAR", 0, 0).technique, Technique::Connect);
    assert_eq!(conn("udp", "S0", "D", 0, 0).technique, Technique::Udp);
}

#[test]
fn icmp_ports_are_type_and_code() {
    let line = |kind: u16, packets: &str| {
        format!("1.5\t10.0.0.1\t{kind}\t10.0.0.2\t0\ticmp\tOTH\t-\t56\t0\t{packets}\n")
    };
    let out = tsv(&(HEADER.to_string() + &line(8, "1") + &line(8, "0") + &line(3, "0")));
    let found: Vec<(Protocol, u16, Outcome)> =
        out.events.iter().map(network).map(|n| (n.protocol, n.target_port, n.outcome)).collect();
    let expected = [(Protocol::Icmp, 0, Outcome::Open), (Protocol::Icmp, 0, Outcome::Unanswered)];
    assert_eq!(found, expected);
    assert_eq!(out.records, 3);
    let notes: Vec<&str> = out.diagnostics().map(|d| d.key).collect();
    assert_eq!(notes, ["ICMP that asks nothing of anyone"]);
}

#[test]
fn every_json_spelling_is_one_event() {
    let rest = r#""proto":"tcp","conn_state":"S0","history":"S","orig_bytes":0,"resp_bytes":0"#;
    let dotted =
        r#""id.orig_h":"10.0.0.1","id.orig_p":34751,"id.resp_h":"10.0.0.2","id.resp_p":22"#;
    let spellings = [
        format!(r#"{{"ts":1772908558.681942,{dotted},{rest}}}"#),
        format!(r#"{{"ts":1772908558681.942,{dotted},{rest}}}"#),
        format!(r#"{{"_path":"conn","ts":"2026-03-07T18:35:58.681942Z",{dotted},{rest}}}"#),
        format!(
            r#"{{"@stream":"conn","ts":1772908558.681942,{},{rest}}}"#,
            dotted.replace("id.", "id_")
        ),
        format!(r#"{{"conn":{{"ts":1772908558.681942,{dotted},{rest}}}}}"#),
        format!(
            r#"{{"ts":1772908558.681942,"id":{{"orig_h":"10.0.0.1","orig_p":34751,"resp_h":"10.0.0.2","resp_p":"22"}},{rest}}}"#
        ),
    ];
    let expected = Timestamp(1_772_908_558_681_942_000);
    for spelling in &spellings {
        assert!(is_json(spelling.as_bytes()), "{spelling}");
        let out = json(spelling);
        assert_eq!(out.diagnostics().count(), 0, "{spelling}");
        let event = &out.events[0];
        assert_eq!(event.time, expected, "{spelling}");
        let attempt = network(event);
        assert_eq!((attempt.source_port, attempt.target_port), (34751, 22));
        assert_eq!(attempt.target.to_string(), "10.0.0.2");
        assert_eq!(attempt.outcome, Outcome::Unanswered);
    }
}

#[test]
fn other_json_is_not_taken_for_zeek() {
    for other in [
        r#"{"timestamp":"2026-03-07T18:35:58Z","event_type":"flow","src_ip":"10.0.0.1"}"#,
        r#"{"@timestamp":"2026-03-07T18:35:58Z","event":{"kind":"event"}}"#,
        r#"{"ts":1}"#,
        "[1, 2]",
    ] {
        assert!(!is_json(other.as_bytes()), "{other}");
    }
    assert!(is_tsv(b"\xef\xbb\xbf#separator \\x09\n"));
    assert!(!is_tsv(b"# a comment"));
}

#[test]
fn a_question_is_an_event_and_an_unasked_answer_is_not() {
    let line = |rest: &str| {
        format!(
            r#"{{"ts":1.5,"id.orig_h":"10.0.0.1","id.orig_p":5353,"id.resp_h":"224.0.0.251","id.resp_p":5353,"rejected":false,{rest}}}"#
        )
    };
    let asked = line(r#""query":"_ssh._tcp.local","qtype":12"#);
    let answer = line(r#""query":"_ssh._tcp.local","rcode":0,"answers":["nas._ssh._tcp.local"]"#);
    let out = json(&format!("{asked}\n{answer}\n"));
    assert_eq!(out.events.len(), 1);
    let Activity::Dns(dns) = &out.events[0].activity else { unreachable!() };
    assert_eq!((dns.name.as_ref(), dns.query_type), ("_ssh._tcp.local", Some(12)));
    assert_eq!(dns.outcome, Outcome::Unknown);
    let unicast = asked.replace("224.0.0.251", "10.0.0.53");
    let outcome = |text: &str| match &json(text).events[0].activity {
        Activity::Dns(dns) => dns.outcome,
        _ => Outcome::Unknown,
    };
    assert_eq!(outcome(&unicast), Outcome::Unanswered);
    assert_eq!(outcome(&unicast.replace("12", "12,\"rcode\":3")), Outcome::Refused);
    assert_eq!(outcome(&unicast.replace("12", "12,\"rcode\":0")), Outcome::Served);
}

#[test]
fn headers_may_come_again_with_other_columns() {
    let second = "#separator \\x09\n#unset_field\t-\n#path\tconn\n#fields\tid.resp_p\tts\t\
        id.orig_h\tid.orig_p\tid.resp_h\tproto\tconn_state\n22\t2.0\t10.0.0.1\t1\t10.0.0.9\ttcp\tREJ\n";
    let http = "#separator \\x09\n#path\thttp\n#fields\tts\thost\n1.0\texample\n";
    let first = "1.0\t10.0.0.1\t1\t10.0.0.2\t80\ttcp\tS0\tS\t-\t-\t-\n";
    let out = tsv(&format!("{HEADER}{first}{http}{second}"));
    let ports: Vec<u16> = out.events.iter().map(|event| network(event).target_port).collect();
    assert_eq!(ports, [80, 22]);
    assert_eq!(out.records, 3);
}

#[test]
fn logs_of_protocols_are_conversations() {
    let header = |path: &str, columns: &str| {
        format!(
            "#separator \\x09\n#unset_field\t-\n#path\t{path}\n#fields\tts\tuid\tid.orig_h\tid.orig_p\t\
             id.resp_h\tid.resp_p\t{columns}\n"
        )
    };
    let row =
        |port: u16, rest: &str| format!("1.5\tC1\t10.0.0.1\t40000\t10.0.0.2\t{port}\t{rest}\n");
    for (path, columns, port, values, expected) in [
        (
            "rdp",
            "cookie\tresult",
            3389,
            "-\tencrypted",
            "tcp 10.0.0.1|40000 -> 10.0.0.2|3389 served by=tcp-connect",
        ),
        (
            "rdp",
            "cookie\tresult",
            3389,
            "u\t-",
            "tcp 10.0.0.1|40000 -> 10.0.0.2|3389 open by=tcp-connect",
        ),
        (
            "ssh",
            "version\tserver",
            22,
            "2\tOpenSSH",
            "tcp 10.0.0.1|40000 -> 10.0.0.2|22 served by=tcp-connect",
        ),
        (
            "http",
            "method\tstatus_code",
            80,
            "GET\t-",
            "tcp 10.0.0.1|40000 -> 10.0.0.2|80 open by=tcp-connect",
        ),
        (
            "snmp",
            "community\tget_responses",
            161,
            "public\t0",
            "udp 10.0.0.1|40000 -> 10.0.0.2|161 unanswered by=udp",
        ),
        (
            "snmp",
            "community\tget_responses",
            161,
            "public\t2",
            "udp 10.0.0.1|40000 -> 10.0.0.2|161 served by=udp",
        ),
        (
            "ldap",
            "proto\tresult",
            389,
            "udp\tsuccess",
            "udp 10.0.0.1|40000 -> 10.0.0.2|389 served by=udp",
        ),
    ] {
        let out = tsv(&(header(path, columns) + &row(port, values)));
        assert_eq!(out.events.len(), 1, "{path}");
        assert_eq!(network(&out.events[0]).to_string(), expected);
        assert_eq!(out.events[0].log_source, LogSource::ZeekService);
    }
    let rdp = r#"{"ts":1.5,"id.orig_h":"10.0.0.1","id.orig_p":40000,"id.resp_h":"10.0.0.2","id.resp_p":3389,"result":"encrypted","security_protocol":"HYBRID"}"#;
    for line in [rdp.to_string(), rdp.replace("{\"ts\"", "{\"_path\":\"rdp\",\"ts\"")] {
        let out = json(&line);
        assert_eq!(network(&out.events[0]).outcome, Outcome::Served, "{line}");
    }
    let files = rdp.replace("security_protocol", "fuid").replace("result", "mime_type");
    assert!(json(&files).events.is_empty());
}

#[test]
fn a_notice_of_a_scan_is_a_claim_and_others_are_none() {
    let header = "#separator \\x09\n#unset_field\t-\n#path\tnotice\n#fields\tts\tid.orig_h\tnote\tmsg\tsrc\t\
                  dst\n";
    let scan = "1.5\t-\tScan::Port_Scan\t10.0.0.1 scanned 15 ports\t10.0.0.1\t10.0.0.2\n";
    let other = "1.5\t-\tSSL::Invalid_Server_Cert\tself signed\t10.0.0.1\t10.0.0.2\n";
    let out = tsv(&format!("{header}{scan}{other}"));
    assert_eq!(out.events.len(), 1);
    assert!(
        out.events[0].to_string().ends_with(
            "zeek-notice offset=82 claim 10.0.0.1 -> 10.0.0.2 \"10.0.0.1 scanned 15 ports\""
        ),
        "{}",
        out.events[0]
    );
    assert_eq!(
        out.diagnostics().map(|d| (d.key, d.count)).collect::<Vec<_>>(),
        [("notices of other kinds", 1)]
    );
    let line = r#"{"ts":1.5,"note":"Scan::Address_Scan","msg":"m","src":"10.0.0.1","id.orig_h":"10.0.0.1"}"#;
    assert_eq!(json(line).events.len(), 1);
}

#[test]
fn a_neighbour_is_asked_for_by_its_group() {
    let row = |source: &str, target: &str, kind: u16| {
        format!("1.5\t{source}\t{kind}\t{target}\t{}\ticmp\tOTH\t-\t-\t-\t0\n", kind + 1)
    };
    let told = |source: &str, target: &str, kind: u16| {
        let out = tsv(&(HEADER.to_string() + &row(source, target, kind)));
        out.events.first().map(|event| network(event).to_string())
    };
    let asked = told("fd77::9", "ff02::1:ff00:3", 135);
    assert_eq!(asked.as_deref(), Some("nd fd77::9 -> ff02::1:ff00:3 unknown by=nd"));
    assert_eq!(told("::", "ff02::1:ff00:3", 135), None);
    assert_eq!(told("fd77::9", "fd77::3", 135), None);
    assert_eq!(told("fd77::9", "ff02::1:ff00:3", 131), None);
}

#[test]
fn broken_rows_cost_themselves_alone() {
    let good = "1.0\t10.0.0.1\t1\t10.0.0.2\t80\ttcp\tS0\tS\t-\t-\t-\n";
    let bad = [
        "1.0\t10.0.0.1\t1\t10.0.0.2\n",
        "soon\t10.0.0.1\t1\t10.0.0.2\t80\ttcp\tS0\tS\t-\t-\t-\n",
        "1.0\tnobody\t1\t10.0.0.2\t80\ttcp\tS0\tS\t-\t-\t-\n",
        "1.0\t10.0.0.1\t1\t10.0.0.2\t99999\ttcp\tS0\tS\t-\t-\t-\n",
    ];
    let out = tsv(&format!("{HEADER}{}{good}", bad.concat()));
    assert_eq!(out.events.len(), 1);
    assert_eq!(out.records, 5);
    let lost: u64 = out.diagnostics().filter(|d| d.problem.loses_data()).map(|d| d.count).sum();
    assert_eq!(lost, 4);
    assert_eq!(json("{\"ts\":1,\n").diagnostics().count(), 1);
    assert_eq!(tsv("1.0\t10.0.0.1\n").diagnostics().count(), 1, "no header");
}

#[test]
fn escaped_bytes_of_a_name_come_back() {
    let header = HEADER.replace("\tconn\n", "\tdns\n").replace("proto", "query");
    let row = "1.0\t10.0.0.1\t1\t10.0.0.2\t53\ta\\x09b\\xc3\\xa4.example\tS0\tS\t-\t-\t-\n";
    let out = tsv(&(header + row));
    let Activity::Dns(dns) = &out.events[0].activity else { unreachable!() };
    assert_eq!(dns.name.as_ref(), "a\tbä.example");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        decode(tsv_decoder(), &bytes);
        decode(json_decoder(), &bytes);
        let mut after_header = HEADER.as_bytes().to_vec();
        after_header.extend(&bytes);
        decode(tsv_decoder(), &after_header);
    }
}
