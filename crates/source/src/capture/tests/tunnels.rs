//! Packets in tunnels: the conversation inside is judged, whatever carries it.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use lapwing_event::{Network, Outcome, Protocol};

use super::{A, B, CLIENT, Film, Host, decode, only, raw};
use crate::Problem;

/// The tunnel's ends.
const NEAR: Host = [192, 0, 2, 1];
const FAR: Host = [192, 0, 2, 2];
/// The tunnel's ends over IPv6.
const NEAR6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn ipv4(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len() as u16).to_be_bytes();
    let head = [0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, number, 0, 0];
    [&head[..], &NEAR, &FAR, payload].concat()
}

fn ipv6(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    let head = [0x60, 0, 0, 0, length[0], length[1], number, 64];
    [&head[..], &NEAR6, &NEAR6, payload].concat()
}

/// A packet of IPv6 from an address of Teredo.
fn teredo(number: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = ipv6(number, payload);
    packet[8..24].copy_from_slice(&[0x20, 1, 0, 0, 0x41, 0x36, 0, 0, 0x80, 0, 1, 2, 3, 4, 5, 6]);
    packet
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let (port, length) = (port.to_be_bytes(), (8 + payload.len() as u16).to_be_bytes());
    let head = [0xc0, 0, port[0], port[1], length[0], length[1], 0, 0];
    ipv4(17, &[&head[..], payload].concat())
}

fn ethernet(protocol: u16, payload: &[u8]) -> Vec<u8> {
    let head = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    [&head[..], &protocol.to_be_bytes(), payload].concat()
}

fn gre(head: &[u8], payload: &[u8]) -> Vec<u8> {
    ipv4(47, &[head, payload].concat())
}

fn with(head: &[u8], payload: &[u8]) -> Vec<u8> {
    [head, payload].concat()
}

/// How a packet is carried: its name, the link type, and the frame around it.
type Carrier = (&'static str, u32, Box<dyn Fn(&[u8]) -> Vec<u8>>);

/// Every carrier that is looked into.
fn carriers() -> Vec<Carrier> {
    let mut carriers: Vec<Carrier> = Vec::new();
    let mut add = |name, link, wrap: fn(&[u8]) -> Vec<u8>| {
        carriers.push((name, link, Box::new(wrap)));
    };
    add("ip in ip", 101, |p| ipv4(4, p));
    add("4in6", 101, |p| ipv6(4, p));
    add("ip in ip in ip", 101, |p| ipv4(4, &ipv4(4, p)));
    add("6in4 around 4in6", 101, |p| ipv4(41, &ipv6(4, p)));
    add("gre", 101, |p| gre(&[0, 0, 8, 0], p));
    add("gre with checksum, key and sequence", 101, |p| {
        gre(&[0xb0, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], p)
    });
    add("gre with ethernet", 101, |p| {
        gre(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 7], &ethernet(0x0800, p))
    });
    add("gre over ipv6", 101, |p| ipv6(47, &with(&[0, 0, 8, 0], p)));
    add("pptp", 101, |p| {
        gre(&[0x30, 1, 0x88, 0x0b, 0, 60, 0, 5, 0, 0, 0, 1], &with(&[0xff, 3, 0, 0x21], p))
    });
    add("pptp with acknowledgement", 101, |p| {
        gre(&[0x30, 0x81, 0x88, 0x0b, 0, 60, 0, 5, 0, 0, 0, 1, 0, 0, 0, 9], &with(&[0x21], p))
    });
    add("vxlan", 101, |p| udp(4789, &with(&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(0x0800, p))));
    add("vxlan of linux", 101, |p| {
        udp(8472, &with(&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(0x0800, p)))
    });
    add("vxlan with a tag inside", 101, |p| {
        udp(4789, &with(&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(0x8100, &with(&[0, 5, 8, 0], p))))
    });
    add("vxlan-gpe", 101, |p| udp(4790, &with(&[0x0c, 0, 0, 1, 0, 0, 7, 0], p)));
    add("geneve", 101, |p| udp(6081, &with(&[0, 0, 0x65, 0x58, 0, 0, 7, 0], &ethernet(0x0800, p))));
    add("geneve with options", 101, |p| {
        let head = [2, 0x40, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 0x80, 1, 9, 9, 9, 9];
        udp(6081, &with(&head, &ethernet(0x0800, p)))
    });
    add("teredo", 101, |p| udp(3544, &teredo(4, p)));
    add("teredo with authentication and origin", 101, |p| {
        let authentication = [0, 1, 2, 1, 7, 7, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0];
        let origin = [0, 0, 0xf2, 0x27, 0x3f, 0xff, 0xfd, 0xfe];
        udp(3544, &with(&with(&authentication, &origin), &teredo(4, p)))
    });
    add("gtp", 101, |p| {
        let length = (p.len() as u16).to_be_bytes();
        udp(2152, &with(&[0x30, 0xff, length[0], length[1], 0, 0, 0, 7], p))
    });
    add("gtp with a sequence number and an extension", 101, |p| {
        let length = (p.len() as u16 + 8).to_be_bytes();
        // A PDU session's container, as a 5G base station writes it.
        let head = [0x36, 0xff, length[0], length[1], 0, 0, 0, 7, 0, 1, 0, 0x85, 1, 0, 9, 0];
        udp(2152, &with(&head, p))
    });
    add("l2tp", 101, |p| udp(1701, &with(&[0, 2, 0, 5, 0, 6, 0xff, 3, 0, 0x21], p)));
    add("l2tp with length, sequence and offset", 101, |p| {
        let length = (p.len() as u16 + 19).to_be_bytes();
        let head = [0x4a, 2, length[0], length[1], 0, 5, 0, 6, 0, 1, 0, 0, 0, 2, 9, 9];
        udp(1701, &with(&head, &with(&[0xff, 3, 0x21], p)))
    });
    add("l2tp of version 3 in ip", 101, |p| ipv4(115, &with(&[0, 0, 0, 7], &ethernet(0x0800, p))));
    add("l2tp of version 3 with cookie and sublayer in ip", 101, |p| {
        let head = [0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0x40, 0, 0, 1];
        ipv4(115, &with(&head, &ethernet(0x8100, &with(&[0, 5, 8, 0], p))))
    });
    add("l2tp of version 3 in udp", 101, |p| {
        udp(1701, &with(&[0, 3, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4], &ethernet(0x0800, p)))
    });
    add("erspan of type I", 101, |p| gre(&[0, 0, 0x88, 0xbe], &ethernet(0x0800, p)));
    add("erspan of type II", 101, |p| {
        let head = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 9, 0, 0, 0, 1];
        gre(&head, &ethernet(0x0800, p))
    });
    add("erspan of type III", 101, |p| {
        let head = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0];
        gre(&head, &ethernet(0x0800, p))
    });
    add("erspan of type III with a subheader", 101, |p| {
        let head = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1];
        gre(&with(&head, &[0; 8]), &ethernet(0x0800, p))
    });
    add("mpls", 1, |p| ethernet(0x8847, &with(&[0, 1, 1, 64], p)));
    add("mpls twice", 1, |p| ethernet(0x8847, &with(&[0, 1, 0, 64, 0, 2, 1, 64], p)));
    add("mpls as a link type", 219, |p| with(&[0, 1, 1, 64], p));
    add("mpls pseudowire with a control word", 1, |p| {
        ethernet(0x8847, &with(&[0, 1, 1, 64, 0, 0, 0, 0], &ethernet(0x0800, p)))
    });
    add("mpls pseudowire without a control word", 1, |p| {
        ethernet(0x8847, &with(&[0, 1, 1, 64], &ethernet(0x0800, p)))
    });
    add("mpls in ip", 101, |p| ipv4(137, &with(&[0, 1, 1, 64], p)));
    add("pppoe", 1, |p| ethernet(0x8864, &with(&[0x11, 0, 0, 9, 0, 42, 0, 0x21], p)));
    add("pppoe below a tag", 1, |p| {
        ethernet(0x8100, &with(&[0, 5, 0x88, 0x64, 0x11, 0, 0, 9, 0, 42, 0, 0x21], p))
    });
    add("pppoe as a link type", 51, |p| with(&[0x11, 0, 0, 9, 0, 42, 0, 0x21], p));
    add("ppp", 9, |p| with(&[0, 0x21], p));
    add("ppp in hdlc", 50, |p| with(&[0xff, 3, 0, 0x21], p));
    add("hdlc of cisco", 104, |p| with(&[0x0f, 0, 8, 0], p));
    add("hdlc of cisco as ppp", 50, |p| with(&[0x8f, 0, 8, 0], p));
    add("ppp with a direction", 204, |p| with(&[1, 0xff, 3, 0, 0x21], p));
    add("provider backbone", 1, |p| {
        ethernet(0x88a8, &with(&[0, 5, 0x88, 0xe7, 0, 0, 0, 9], &ethernet(0x0800, p)))
    });
    add("qinq", 1, |p| ethernet(0x88a8, &with(&[0, 5, 0x81, 0, 0, 6, 8, 0], p)));
    add("vxlan below cooked", 113, |p| {
        let head = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
        with(&head, &udp(4789, &with(&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(0x0800, p))))
    });
    carriers
}

/// A scan of ports 1 to 20, each of which refuses, in the frames that `wrap` makes, at the end of a film.
fn scanned(mut film: Film, wrap: &dyn Fn(&[u8]) -> Vec<u8>) -> Film {
    for port in 1..=20 {
        for (from, to, flags) in [(CLIENT, (B, port), "S"), ((B, port), CLIENT, "RA")] {
            let packet = raw().tcp(0.0, from, to, flags, b"").bytes[40..].to_vec();
            film = film.frame(f64::from(port), &wrap(&packet));
        }
    }
    film
}

#[test]
fn the_conversation_inside_is_judged_and_the_tunnel_is_none() {
    let plain = scanned(raw(), &|packet| packet.to_vec()).attempts();
    assert_eq!(plain.len(), 20);
    for (name, link, wrap) in carriers() {
        assert_eq!(scanned(Film::new(link), &wrap).attempts(), plain, "{name}");
    }
}

/// What tshark does not look into unless it is told to.
const UNTOLD: [&str; 6] = [
    "l2tp of version 3 in ip",
    "l2tp of version 3 with cookie and sublayer in ip",
    "l2tp of version 3 in udp",
    "mpls as a link type",
    "mpls pseudowire with a control word",
    "mpls pseudowire without a control word",
];

#[test]
fn tshark_sees_the_same_conversations_inside() {
    if super::tshark::is_absent() {
        return;
    }
    let mut films: BTreeMap<u32, (Film, usize)> = BTreeMap::new();
    for (name, link, wrap) in carriers() {
        if !UNTOLD.contains(&name) {
            let (film, count) = films.remove(&link).unwrap_or((Film::new(link), 0));
            films.insert(link, (scanned(film, &wrap), count + 1));
        }
    }
    for (link, (film, count)) in films {
        let mut tshark = Command::new("tshark")
            .args(["-r", "-", "-Y", "tcp.flags.syn==1", "-T", "fields"])
            .args(["-d", "udp.port==8472,vxlan"])
            .args(["-e", "ip.src", "-e", "ip.dst", "-e", "tcp.dstport"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = tshark.stdin.take().unwrap();
        let bytes = film.bytes;
        let feeder = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
        let output = tshark.wait_with_output().unwrap();
        feeder.join().unwrap();
        // Fields that each layer has are lists, the innermost last.
        let innermost = |line: &str| {
            let last = |field: &str| field.rsplit(',').next().unwrap_or_default().to_string();
            line.split('\t').map(last).collect::<Vec<_>>().join(" ")
        };
        let text = String::from_utf8(output.stdout).unwrap();
        let theirs: Vec<String> = text.lines().map(innermost).collect();
        let told = |n: &Network| format!("{} {} {}", n.source, n.target, n.target_port);
        let plain = scanned(raw(), &|packet| packet.to_vec()).attempts();
        let ours: Vec<String> = plain.iter().map(told).collect();
        assert_eq!(theirs, vec![ours; count].concat(), "link type {link}");
    }
}

#[test]
fn what_is_no_tunnel_is_a_probe_of_its_port_or_protocol() {
    let after = |frame: &[u8]| raw().frame(1.0, frame).tcp(20.0, CLIENT, (B, 22), "S", b"");
    let probe = |frame: &[u8]| {
        let attempts = after(frame).attempts();
        assert_eq!(attempts.len(), 2, "{attempts:#?}");
        let told = attempts[0];
        assert_eq!((told.source, told.target), (NEAR.into(), FAR.into()));
        (told.protocol, told.target_port, told.outcome)
    };
    let unanswered = Outcome::Unanswered;
    // Probes of UDP ports: empty, short, and of something else.
    for payload in
        [&b""[..], &[0; 8], &[0; 40], b"\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"]
    {
        for port in [4789, 8472, 4790, 6081, 3544, 2152, 1701] {
            assert_eq!(probe(&udp(port, payload)), (Protocol::Udp, port, unanswered));
        }
    }
    // What tunnels' ends say of themselves: GTP's echo request, L2TP's start of a control connection,
    // a solicitation for a Teredo server.
    let echo = [0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0];
    let start = [0xc8, 2, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 8, 0, 0, 0, 0, 0, 1];
    let mut solicitation = ipv6(58, &[133, 0, 0x7d, 0x37, 0, 0, 0, 0]);
    solicitation[8..10].copy_from_slice(&[0xfe, 0x80]);
    let own: [(u16, &[u8]); 3] = [(2152, &echo), (1701, &start), (3544, &solicitation)];
    for (port, payload) in own {
        assert_eq!(probe(&udp(port, payload)), (Protocol::Udp, port, unanswered));
    }
    // `nmap -sO` asks for protocols without a header of theirs.
    for number in [4, 41, 47, 115] {
        let told = probe(&ipv4(number, &[]));
        assert_eq!(told, (Protocol::Other(number), 0, unanswered));
        let told = probe(&ipv4(number, &[0xee; 30]));
        assert_eq!(told, (Protocol::Other(number), 0, unanswered));
    }
    // A header that is sound around a packet that is none.
    let broken = with(&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(0x0800, &[0xee; 30]));
    assert_eq!(probe(&udp(4789, &broken)).0, Protocol::Udp);
}

#[test]
fn what_is_cut_inside_a_tunnel_is_cut_and_no_probe_of_its_ends() {
    let syn = raw().tcp(0.0, CLIENT, (B, 22), "S", b"").bytes[40..].to_vec();
    let whole = udp(4789, &with(&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(0x0800, &syn)));
    // Up to its ports and flags it is used.
    let enough = raw().frame(1.0, &whole[..whole.len() - 6]);
    assert_eq!((only(&enough).0, only(&enough).2), (A.into(), 22));
    for length in 29..whole.len() - 7 {
        let out = decode(&raw().frame(1.0, &whole[..length]).bytes, 4096);
        assert!(out.events.is_empty(), "cut to {length}: {:?}", out.events);
        assert!(out.diagnostics().any(|d| d.problem == Problem::Torn), "cut to {length}");
    }
    // A mirror that its switch cut, in an outer packet that is whole.
    let head = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 9, 0, 0, 0, 1];
    let mirrored = gre(&head, &ethernet(0x0800, &syn)[..40]);
    assert!(decode(&raw().frame(1.0, &mirrored).bytes, 4096).events.is_empty());
}

#[test]
fn tunnels_are_looked_into_so_deep_and_no_deeper() {
    let syn = raw().tcp(0.0, CLIENT, (B, 22), "S", b"").bytes[40..].to_vec();
    let nested = |depth: usize| (0..depth).fold(syn.clone(), |packet, _| ipv4(4, &packet));
    assert_eq!(only(&raw().frame(1.0, &nested(super::super::tunnel::MAX_DEPTH))).2, 22);
    let out = decode(&raw().frame(1.0, &nested(super::super::tunnel::MAX_DEPTH + 1)).bytes, 4096);
    assert!(out.events.is_empty());
    assert!(out.diagnostics().any(|d| d.problem == Problem::Shed && d.key == "tunnels in tunnels"));
    // Labels and frames in one another end with the bytes that they take.
    let labels = [0, 1, 1, 64];
    let mut frame = syn;
    for _ in 0..2000 {
        frame = ethernet(0x8847, &with(&labels, &frame));
    }
    assert_eq!(only(&Film::new(1).frame(1.0, &frame)).2, 22);
}

#[test]
fn what_a_tunnel_carries_beside_ip_is_counted() {
    let spanning_tree = ethernet(0x0026, &[0x42, 0x42, 3, 0, 0, 0]);
    let carried = udp(4789, &with(&[8, 0, 0, 0, 0, 0, 7, 0], &spanning_tree));
    let keepalive = ethernet(0x8864, &[0x11, 0, 0, 9, 0, 10, 0xc0, 0x21, 9, 1, 0, 8]);
    // The same of a session of L2TP.
    let echo = udp(1701, &[0, 2, 0, 5, 0, 6, 0xff, 3, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0]);
    for (link, frame) in [(101, carried), (1, keepalive), (101, echo)] {
        let out = decode(&Film::new(link).frame(1.0, &frame).bytes, 4096);
        assert!(out.events.is_empty());
        assert!(out.diagnostics().any(|d| d.key == "frames without IP or ARP"));
    }
}

#[test]
fn a_bubble_of_teredo_asks_nothing() {
    let out = decode(&raw().frame(1.0, &udp(3544, &teredo(59, b""))).bytes, 4096);
    assert!(out.events.is_empty());
    assert!(out.diagnostics().any(|d| d.key == "packets that ask nothing of anyone"));
}
