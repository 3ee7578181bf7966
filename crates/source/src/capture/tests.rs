//! Rules of the tracker on hand-built packets, and properties on real captures.

mod tshark;
mod tunnels;

use std::collections::BTreeSet;
use std::path::PathBuf;

use etherparse::PacketBuilder;
use lapwing_event::{Activity, Address, Initiator, Network, Outcome, Protocol, Technique};
use proptest::prelude::*;

use super::decoder;
use crate::{Decoded, Problem};

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

/// A classic little-endian microsecond capture in the making.
struct Film {
    bytes: Vec<u8>,
}

impl Film {
    fn new(link: u32) -> Film {
        let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        bytes.extend([2, 0, 4, 0]);
        bytes.extend([0; 8]);
        bytes.extend(65_535_u32.to_le_bytes());
        bytes.extend(link.to_le_bytes());
        Film { bytes }
    }

    fn frame(mut self, seconds: f64, frame: &[u8]) -> Film {
        let micros = (seconds * 1e6).round() as u64;
        self.bytes.extend(((micros / 1_000_000) as u32).to_le_bytes());
        self.bytes.extend(((micros % 1_000_000) as u32).to_le_bytes());
        self.bytes.extend((frame.len() as u32).to_le_bytes());
        self.bytes.extend((frame.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(frame);
        self
    }

    /// A TCP segment with flags as nmap writes them (`S`, `SA`, `R` …) and payload.
    fn tcp(
        self,
        seconds: f64,
        from: (Host, u16),
        to: (Host, u16),
        flags: &str,
        payload: &[u8],
    ) -> Film {
        let mut builder = PacketBuilder::ipv4(from.0, to.0, 64).tcp(from.1, to.1, 1, 1024);
        for flag in flags.chars() {
            builder = match flag {
                'S' => builder.syn(),
                'A' => builder.ack(1),
                'R' => builder.rst(),
                'F' => builder.fin(),
                'P' => builder.psh(),
                'U' => builder.urg(0),
                other => panic!("{other}"),
            };
        }
        let mut packet = Vec::new();
        builder.write(&mut packet, payload).unwrap();
        self.frame(seconds, &packet)
    }

    fn udp(self, seconds: f64, from: (Host, u16), to: (Host, u16), payload: &[u8]) -> Film {
        let mut packet = Vec::new();
        PacketBuilder::ipv4(from.0, to.0, 64)
            .udp(from.1, to.1)
            .write(&mut packet, payload)
            .unwrap();
        self.frame(seconds, &packet)
    }

    /// An ICMP port unreachable that quotes a UDP datagram.
    fn unreachable(self, seconds: f64, from: Host, to: Host, quoted: (u16, Host, u16)) -> Film {
        let mut inner = Vec::new();
        PacketBuilder::ipv4(to, quoted.1, 64)
            .udp(quoted.0, quoted.2)
            .write(&mut inner, &[])
            .unwrap();
        let mut packet = Vec::new();
        PacketBuilder::ipv4(from, to, 64)
            .icmpv4_raw(3, 3, [0; 4])
            .write(&mut packet, &inner)
            .unwrap();
        self.frame(seconds, &packet)
    }

    fn attempts(&self) -> Vec<Network> {
        networks(&decode(&self.bytes, self.bytes.len()))
    }
}

type Host = [u8; 4];

fn decode(bytes: &[u8], piece: usize) -> Decoded {
    let mut decoder = decoder();
    let mut out = Decoded::default();
    let mut held = Vec::new();
    for chunk in bytes.chunks(piece.max(1)) {
        held.extend_from_slice(chunk);
        let done = decoder.decode(&held, &mut out);
        held.drain(..done);
    }
    decoder.finish(&held, &mut out);
    out
}

fn networks(out: &Decoded) -> Vec<Network> {
    out.events
        .iter()
        .filter_map(|event| match event.activity {
            Activity::Network(network) => Some(network),
            _ => None,
        })
        .collect()
}

/// The one attempt of a film: (source, target, target port, outcome, technique, initiator known).
fn only(film: &Film) -> (Address, Address, u16, Outcome, Technique, bool) {
    let attempts = film.attempts();
    assert_eq!(attempts.len(), 1, "{attempts:#?}");
    let n = attempts[0];
    let known = n.initiator == Initiator::Source;
    (n.source, n.target, n.target_port, n.outcome, n.technique, known)
}

/// What the captures of the recorded corpus say of who made their probes, by file: the files are named
/// after the tool that made them.
#[test]
fn a_scanner_that_makes_its_packets_itself_is_known_by_them() {
    let mut looked_at = 0;
    for path in corpus("recorded/pcap") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        let claims: BTreeSet<String> = decode(&bytes, bytes.len())
            .events
            .iter()
            .filter_map(|event| match &event.activity {
                Activity::Claim(claim) => {
                    let text = claim.text.to_string();
                    let maker = text.split("made as ").nth(1).unwrap_or_default();
                    Some(maker.split(' ').next().unwrap_or_default().to_lowercase())
                }
                _ => None,
            })
            .collect();
        // Connects, ARP and neighbour discovery are the system's own packets.
        let raw = ["nmap-syn", "nmap-smb", "nmap-slow", "nmap-decoys", "masscan", "zmap", "hping"];
        match raw.iter().find(|tool| name.starts_with(*tool)) {
            Some(tool) => {
                let tool = tool.split('-').next().unwrap().to_string();
                assert_eq!(claims, BTreeSet::from([tool]), "{name}");
            }
            None if name.starts_with("nmap-version") => {}
            None => assert!(claims.is_empty(), "{name}: {claims:?}"),
        }
        looked_at += 1;
    }
    println!("{looked_at} captures looked at");
}

/// Raw IP, so that no link layer stands in the way.
fn raw() -> Film {
    Film::new(101)
}

const CLIENT: (Host, u16) = (A, 40_000);
const SERVER: (Host, u16) = (B, 22);

#[test]
fn a_reset_refuses_and_the_first_syn_is_the_initiators() {
    let film = raw().tcp(1.0, CLIENT, SERVER, "S", b"").tcp(1.1, SERVER, CLIENT, "RA", b"");
    assert_eq!(only(&film), (A.into(), B.into(), 22, Outcome::Refused, Technique::Syn, true));
}

#[test]
fn silence_is_unanswered_once_and_only_after_time_to_answer() {
    let film = raw().tcp(1.0, CLIENT, SERVER, "S", b"").tcp(2.0, CLIENT, SERVER, "S", b"").udp(
        9.0,
        (A, 5000),
        (B, 53),
        b"q",
    );
    let attempts = film.attempts();
    assert_eq!((attempts[0].outcome, attempts[0].target_port), (Outcome::Unanswered, 22));
    assert_eq!(attempts.len(), 2);
    // The capture ends at once: whether an answer came cannot be known.
    assert_eq!(only(&raw().tcp(1.0, CLIENT, SERVER, "S", b"")).3, Outcome::Unknown);
}

#[test]
fn a_handshake_is_open_and_payload_both_ways_is_served() {
    let handshake = |film: Film| {
        film.tcp(1.0, CLIENT, SERVER, "S", b"")
            .tcp(1.1, SERVER, CLIENT, "SA", b"")
            .tcp(1.2, CLIENT, SERVER, "A", b"")
    };
    let closed = handshake(raw()).tcp(1.3, CLIENT, SERVER, "RA", b"");
    assert_eq!((only(&closed).3, only(&closed).4), (Outcome::Open, Technique::Connect));
    let used = handshake(raw())
        .tcp(1.3, CLIENT, SERVER, "PA", b"hello")
        .tcp(1.4, SERVER, CLIENT, "PA", b"welcome");
    assert_eq!(only(&used).3, Outcome::Served);
    let half_open = raw()
        .tcp(1.0, CLIENT, SERVER, "S", b"")
        .tcp(1.1, SERVER, CLIENT, "SA", b"")
        .tcp(1.2, CLIENT, SERVER, "R", b"");
    assert_eq!((only(&half_open).3, only(&half_open).4), (Outcome::Open, Technique::Syn));
}

#[test]
fn illegal_flags_are_probes_by_their_name() {
    for (flags, technique) in
        [("", Technique::Null), ("F", Technique::Fin), ("FPU", Technique::Xmas)]
    {
        let silent = raw().tcp(1.0, CLIENT, SERVER, flags, b"").udp(9.0, (A, 1), (B, 2), b"");
        let attempt = silent.attempts()[0];
        assert_eq!((attempt.technique, attempt.outcome), (technique, Outcome::Unanswered));
        assert_eq!(attempt.initiator, Initiator::Source);
        let refused =
            raw().tcp(1.0, CLIENT, SERVER, flags, b"").tcp(1.1, SERVER, CLIENT, "RA", b"");
        assert_eq!((only(&refused).3, only(&refused).4), (Outcome::Refused, technique));
    }
}

#[test]
fn an_ack_is_a_probe_only_where_a_reset_answers_it() {
    let answered = raw().tcp(1.0, CLIENT, SERVER, "A", b"").tcp(1.1, SERVER, CLIENT, "R", b"");
    let (.., outcome, technique, known) = only(&answered);
    assert_eq!((outcome, technique, known), (Outcome::Refused, Technique::Ack, true));
    // pcap/maltrail-ack-sweep-no-fp.pcap: return traffic looks the same but for the answer.
    let silent = raw().tcp(1.0, CLIENT, SERVER, "A", b"").udp(9.0, (A, 1), (B, 2), b"");
    assert_eq!(silent.attempts()[0].initiator, Initiator::Unknown);
}

#[test]
fn who_opened_an_exchange_begun_before_the_capture_is_unknown() {
    let film = raw()
        .tcp(1.0, SERVER, CLIENT, "PA", b"data")
        .tcp(1.1, CLIENT, SERVER, "A", b"")
        .tcp(1.2, SERVER, CLIENT, "FA", b"");
    assert!(film.attempts().iter().all(|n| n.initiator == Initiator::Unknown));
}

#[test]
fn up_02_answers_alone_never_make_a_scanner() {
    let mut film = raw();
    for host in 1..255 {
        let answerer = ([10, 0, 1, host], 80);
        film = film.tcp(f64::from(host), answerer, (A, 40_000 + u16::from(host)), "RA", b"");
    }
    let attempts = film.attempts();
    assert_eq!(attempts.len(), 254);
    assert!(attempts.iter().all(|n| n.initiator == Initiator::Unknown));
}

#[test]
fn udp_is_served_refused_or_unanswered() {
    let asked = |film: Film| film.udp(1.0, CLIENT, (B, 161), b"get");
    let served = asked(raw()).udp(1.1, (B, 161), CLIENT, b"response");
    assert_eq!(only(&served).3, Outcome::Served);
    let refused = asked(raw()).unreachable(1.1, B, A, (40_000, B, 161));
    assert_eq!((only(&refused).3, only(&refused).4), (Outcome::Refused, Technique::Udp));
    let silent = asked(raw()).tcp(20.0, CLIENT, SERVER, "S", b"");
    assert_eq!(silent.attempts()[0].outcome, Outcome::Unanswered);
}

#[test]
fn up_01_an_answer_whose_request_was_missed_is_no_probe_but_a_source_port_is_no_excuse() {
    let answer = raw().udp(1.0, (B, 53), (A, 40_000), b"answer");
    assert!(!only(&answer).5);
    let probe = raw().udp(1.0, (B, 53), (A, 161), b"probe");
    assert!(only(&probe).5);
}

/// An Ethernet ARP message.
fn arp(to: [u8; 6], operation: u8, sender: Host, target: Host) -> Vec<u8> {
    let mut frame = to.to_vec();
    frame.extend([2, 0, 0, 0, 0, sender[3], 8, 6]);
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend([2, 0, 0, 0, 0, sender[3]]);
    frame.extend(sender);
    frame.extend([0; 6]);
    frame.extend(target);
    frame
}

#[test]
fn arp_asks_for_hosts_but_polls_and_announcements_do_not() {
    let everyone = [0xff; 6];
    let film = Film::new(1)
        .frame(1.0, &arp(everyone, 1, A, B))
        .frame(1.1, &arp([2, 0, 0, 0, 0, 1], 2, B, A))
        .frame(2.0, &arp(everyone, 1, A, [10, 0, 0, 9]))
        // A poll of a known neighbour, an announcement, and an address probe.
        .frame(3.0, &arp([2, 0, 0, 0, 0, 7], 1, A, [10, 0, 0, 7]))
        .frame(3.1, &arp(everyone, 1, B, B))
        .frame(3.2, &arp(everyone, 1, [0; 4], B))
        .frame(9.0, &arp(everyone, 1, B, B));
    let told: Vec<(Address, Outcome)> =
        film.attempts().iter().map(|n| (n.target, n.outcome)).collect();
    assert_eq!(told, [(B.into(), Outcome::Open), ([10, 0, 0, 9].into(), Outcome::Unanswered)]);
    assert!(film.attempts().iter().all(|n| n.protocol == Protocol::Arp && n.source == A.into()));
}

/// UP-24: the same scan under every link layer gives the same attempts.
#[test]
fn up_24_every_link_layer_gives_the_same_attempts() {
    let scan = |link: u32, wrap: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut film = Film::new(link);
        for port in 1..=100 {
            for (from, to, flags) in [(CLIENT, (B, port), "S"), ((B, port), CLIENT, "RA")] {
                let packet = raw().tcp(0.0, from, to, flags, b"").bytes[40..].to_vec();
                film = film.frame(f64::from(port), &wrap(&packet));
            }
        }
        film.attempts()
    };
    let with = |head: &[u8]| {
        let head = head.to_vec();
        move |packet: &[u8]| [&head[..], packet].concat()
    };
    let plain = scan(101, &with(&[]));
    assert_eq!(plain.len(), 100);
    let ethernet =
        |tags: &[u8]| [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], tags, &[8, 0]].concat();
    let cooked = [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &[8, 0]].concat();
    let cooked2 = [&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6][..], &[2, 0, 0, 0, 0, 1, 0, 0]].concat();
    for (link, head) in [
        (1, ethernet(&[])),
        (1, ethernet(&[0x81, 0, 0, 5])),
        (1, ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6])),
        (1, ethernet(&[0x91, 0, 0, 5, 0x81, 0, 0, 6])),
        (113, cooked),
        (276, cooked2),
        (0, vec![2, 0, 0, 0]),
        (0, vec![0, 0, 0, 2]),
        (108, vec![0, 0, 0, 2]),
        (12, vec![]),
        (228, vec![]),
    ] {
        assert_eq!(scan(link, &with(&head)), plain, "link type {link}, {head:02x?}");
    }
}

#[test]
fn up_24_a_link_type_that_is_not_read_is_named_with_its_count() {
    let film = Film::new(147).frame(1.0, &[0; 60]).frame(2.0, &[0; 60]);
    let out = decode(&film.bytes, film.bytes.len());
    let trouble: Vec<_> = out.diagnostics().collect();
    assert_eq!(trouble.len(), 1);
    assert_eq!((trouble[0].problem, trouble[0].count), (Problem::Unsupported, 2));
    assert!(trouble[0].detail.contains("147"));
}

/// UP-25: the fragment header is stepped over, later fragments have no ports, an unknown next
/// header is never walked.
#[test]
fn up_25_ipv6_extension_headers() {
    let source = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let target = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let packet = |next: u8, rest: &[u8]| {
        let length = (rest.len() as u16).to_be_bytes();
        [&[0x60, 0, 0, 0, length[0], length[1], next, 64][..], &source, &target, rest].concat()
    };
    let udp = [0x9c, 0x40, 0, 161, 0, 12, 0, 0, 1, 2, 3, 4];
    // Hop-by-hop, then a fragment header of offset 0, then UDP.
    let first = [&[44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 9][..], &udp].concat();
    let film = raw().frame(1.0, &packet(0, &first));
    assert_eq!((only(&film).2, film.attempts()[0].source_port), (161, 40_000));
    let later = [&[17, 0, 0x10, 0, 0, 0, 0, 9][..], &udp].concat();
    assert!(raw().frame(1.0, &packet(44, &later)).attempts().is_empty());
    let other = raw().frame(1.0, &packet(47, &first));
    assert_eq!((only(&other).2, other.attempts()[0].protocol), (0, Protocol::Other(47)));
    let cut = [44, 200, 1, 4];
    let out = decode(&raw().frame(1.0, &packet(0, &cut)).bytes, 4096);
    assert!(out.events.is_empty() && out.diagnostics().any(|d| d.problem.loses_data()));
}

#[test]
fn up_26_padding_is_no_payload_and_cut_packets_still_have_headers() {
    let syn = raw().tcp(1.0, CLIENT, SERVER, "S", b"").bytes[40..].to_vec();
    let answer = raw().tcp(1.0, SERVER, CLIENT, "SA", b"").bytes[40..].to_vec();
    let reset = raw().tcp(1.0, CLIENT, SERVER, "R", b"").bytes[40..].to_vec();
    let padded = |packet: &[u8]| [packet, &[0xee; 10]].concat();
    let film =
        raw().frame(1.0, &padded(&syn)).frame(1.1, &padded(&answer)).frame(1.2, &padded(&reset));
    assert_eq!(only(&film).3, Outcome::Open);
    let long = raw().tcp(1.0, CLIENT, SERVER, "S", &[7; 1000]).bytes[40..][..40].to_vec();
    assert_eq!(only(&raw().frame(1.0, &long).frame(1.1, &padded(&reset))).2, 22);
}

fn corpus(folder: &str) -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus").join(folder);
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("SKIPPED: {} is absent; its captures were not read", dir.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let head = std::fs::read(path).unwrap_or_default();
            super::is_pcap(&head) || super::is_pcapng(&head)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_capture_of_the_corpus_is_read_alike_in_any_pieces() {
    for path in corpus("pcap").into_iter().chain(corpus("recorded/pcap")) {
        let bytes = std::fs::read(&path).unwrap();
        let whole = decode(&bytes, bytes.len());
        let pieces = decode(&bytes, 4093);
        assert_eq!(whole.events, pieces.events, "{}", path.display());
        assert_eq!(whole.records, pieces.records, "{}", path.display());
        assert!(whole.diagnostics().eq(pieces.diagnostics()), "{}", path.display());
    }
}

/// What was settled before a cut is the same as in the whole capture.
#[test]
fn a_capture_cut_anywhere_gives_what_was_settled_before() {
    for path in
        corpus("recorded/pcap").iter().filter(|path| path.ends_with("nmap-slow-20-ports.pcap"))
    {
        let bytes = std::fs::read(path).unwrap();
        for cut in 24..bytes.len() {
            let mut decoder = decoder();
            let (mut part, mut whole) = (Decoded::default(), Decoded::default());
            decoder.decode(&bytes[..cut], &mut part);
            decode_whole(&bytes, &mut whole);
            assert_eq!(part.events[..], whole.events[..part.events.len()], "cut at {cut}");
        }
    }
}

fn decode_whole(bytes: &[u8], out: &mut Decoded) {
    decoder().decode(bytes, out);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000), magic in 0..4_usize) {
        let heads: [&[u8]; 4] = [
            &[],
            &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0],
            &[0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 101],
            &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
              255, 255, 255, 255, 255, 255, 255, 255, 28, 0, 0, 0],
        ];
        let bytes = [heads[magic], &bytes].concat();
        let whole = decode(&bytes, bytes.len());
        let pieces = decode(&bytes, 7);
        prop_assert_eq!(whole.events, pieces.events);
    }

    #[test]
    fn any_frame_is_survived(frame in prop::collection::vec(any::<u8>(), 0..200), link in 0..300_u32) {
        let film = Film::new(link).frame(1.0, &frame).frame(2.0, &frame);
        prop_assert!(film.attempts().len() <= 2);
    }
}
