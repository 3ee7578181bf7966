//! The decoder as a whole, on composed lines: one test a rule.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Auditd, decoder, recognises};
use crate::lines::{LineFormat, Lines};
use crate::{Decoded, Decoder};

/// Events as text without offsets, and the counts of diagnostics by key.
pub(super) fn decode(text: impl AsRef<[u8]>) -> (Vec<String>, BTreeMap<&'static str, u64>) {
    let mut out = Decoded::default();
    let mut decoder = decoder();
    let text = text.as_ref();
    let done = decoder.decode(text, &mut out);
    decoder.finish(&text[done..], &mut out);
    (events(&out), out.diagnostics().map(|found| (found.key, found.count)).collect())
}

pub(super) fn events(out: &Decoded) -> Vec<String> {
    let mut out: Vec<_> = out.events.clone();
    for event in &mut out {
        event.record.offset = 0;
    }
    out.iter().map(ToString::to_string).collect()
}

/// A SYSCALL record of x86_64; `call` begins with the number.
pub(super) fn syscall(millis: u64, serial: u64, pid: u32, call: &str) -> String {
    format!(
        "type=SYSCALL msg=audit({}.{:03}:{serial}): arch=c000003e syscall={call} items=0 \
         ppid=10 pid={pid} auid=1001 uid=0 gid=0 euid=0 tty=pts2 ses=7 comm=\"a\" exe=\"/tmp/a\" \
         key=\"net\"\n",
        millis / 1000,
        millis % 1000,
    )
}

fn sockaddr(millis: u64, serial: u64, saddr: &str) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!("type=SOCKADDR msg=audit({seconds}.{millis:03}:{serial}): saddr={saddr}\n")
}

/// sockaddr_in of 10.0.0.`host`.
pub(super) fn v4(host: u8, port: u16) -> String {
    format!("0200{port:04X}0A0000{host:02X}0000000000000000")
}

/// sockaddr_in6 of fd00::`host`.
fn v6(host: u8, port: u16) -> String {
    format!("0A00{port:04X}00000000FD{}{host:02X}00000000", "00".repeat(14))
}

const DISSOLVE: &str = "00000000000000000000000000000000";

/// A connect on descriptor `fd`.
pub(super) fn connect(millis: u64, serial: u64, fd: u8, exit: i64, saddr: &str) -> String {
    let success = if exit == 0 { "yes" } else { "no" };
    let call = format!("42 success={success} exit={exit} a0={fd:x} a1=7ff a2=10 a3=0");
    syscall(millis, serial, 44, &call) + &sockaddr(millis, serial, saddr)
}

const ACTOR: &str =
    "pid=44 path=\"/tmp/a\" name=\"a\" user=\"0\" terminal=\"pts2\" session=7 parent=10";

/// Targets, transports and outcomes alone.
fn attempts(text: &str) -> Vec<String> {
    let (events, _) = decode(text);
    let target = |event: &String| {
        event.split("-> ").nth(1).and_then(|rest| rest.split(" by=").next()).map(String::from)
    };
    let protocol = |event: &String| {
        event.split("network ").nth(1).and_then(|rest| rest.split(' ').next()).map(String::from)
    };
    events
        .iter()
        .filter_map(|event| Some(format!("{} {}", protocol(event)?, target(event)?)))
        .collect()
}

#[test]
fn the_sample_of_the_format_gives_one_attempt() {
    let (events, notes) = decode(
        "type=SYSCALL msg=audit(1772442847.551:90211): arch=c000003e syscall=42 success=no \
         exit=-115 a0=5 a1=7ffd2c a2=10 a3=0 items=0 ppid=4410 pid=4482 auid=1001 uid=0 gid=0 \
         euid=0 tty=pts2 ses=7 comm=\"a\" exe=\"/tmp/.x/a\" key=\"net\"\n\
         type=SOCKADDR msg=audit(1772442847.551:90211): saddr=020001BD0A01044D0000000000000000\n\
         type=PROCTITLE msg=audit(1772442847.551:90211): proctitle=2E2F61002D7000343435",
    );
    assert_eq!(
        events,
        ["2026-03-02T09:14:07.551Z auditd-connect offset=0 network tcp ::|0 -> 10.1.4.77|445 \
          unknown by=tcp-connect pid=4482 path=\"/tmp/.x/a\" name=\"a\" user=\"0\" \
          terminal=\"pts2\" arguments=[\"./a\", \"-p\", \"445\"] session=7 parent=4410"]
    );
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn enriched_relayed_and_kernel_forms_say_the_same() {
    let stamp = "audit(1.002:3):";
    let call = "arch=c000003e syscall=42 success=no exit=-111 a0=5 ppid=10 pid=44 uid=0 tty=(none) \
                ses=4294967295 comm=\"a\" exe=\"/a\" key=(null)";
    let address = format!("saddr={}", v4(9, 22));
    let forms = [
        (
            format!("type=SYSCALL msg={stamp} {call}"),
            format!("type=SOCKADDR msg={stamp} {address}"),
        ),
        (
            format!("type=SYSCALL msg={stamp} {call}\x1dARCH=x86_64 SYSCALL=connect"),
            format!(
                "type=SOCKADDR msg={stamp} {address}\x1dSADDR={{ saddr_fam=inet laddr=10.0.0.9 lport=22 }}"
            ),
        ),
        (
            format!("Mar  2 09:14:07 h audispd: type=SYSCALL msg={stamp} {call}#035ARCH=x86_64"),
            format!(
                "Mar  2 09:14:07 h audispd: type=SOCKADDR msg={stamp} {address}#035SADDR={{ fam=inet }}"
            ),
        ),
        (
            format!("h kernel: [1.5] audit: type=1300 {stamp} {call}"),
            format!("h kernel: [1.5] audit: type=1306 {stamp} {address}"),
        ),
    ];
    for (call, address) in forms {
        let (events, notes) = decode(format!("{call}\n{address}\r\n"));
        assert_eq!(
            events,
            ["1970-01-01T00:00:01.002Z auditd-connect offset=0 network tcp ::|0 -> 10.0.0.9|22 \
              refused by=tcp-connect pid=44 path=\"/a\" name=\"a\" user=\"0\" parent=10"],
            "{call}"
        );
        assert!(notes.is_empty(), "{call}: {notes:?}");
    }
}

#[test]
fn an_execve_is_a_launch_with_its_arguments_as_they_were() {
    let exec = syscall(1, 7, 44, "59 success=yes exit=0 a0=1");
    // "bo\xff" in UTF-8 that is none; a literal that looks like hex; an argument in pieces.
    let (events, notes) = decode(
        exec.clone()
            + "type=EXECVE msg=audit(0.001:7): argc=4 a0=\"nmap\" a1=\"deadbeef\" a2=622220FF\n\
               type=EXECVE msg=audit(0.001:7): a3_len=6 a3[1]=6364\n\
               type=EXECVE msg=audit(0.001:7): a3[0]=6162 a3[2]=\"ef\"\n",
    );
    assert_eq!(
        events,
        [format!(
            "1970-01-01T00:00:00.001Z auditd-execve offset=0 process-Launch {}",
            ACTOR.replace(
                " session",
                r#" arguments=["nmap", "deadbeef", "b\" \\xff", "abcdef"] session"#
            )
        )]
    );
    assert!(notes.is_empty(), "{notes:?}");

    let (events, notes) =
        decode(exec.clone() + "type=EXECVE msg=audit(0.001:7): argc=3 a0=\"nmap\" a2=\"-sS\"\n");
    assert!(
        events[0].contains(r#"arguments=["nmap"] "#),
        "a2 is not put in a1's place: {events:?}"
    );
    assert_eq!(notes["arguments missing"], 1);

    let title = "type=PROCTITLE msg=audit(0.001:7): proctitle=6E6D6170002D700031\n";
    let (events, _) = decode(exec + title);
    assert!(events[0].contains(r#"arguments=["nmap", "-p", "1"]"#), "{events:?}");

    let (events, notes) = decode(syscall(1, 7, 44, "59 success=no exit=-2 a0=1") + title);
    assert_eq!((events.len(), notes["failed execve"]), (0, 1));
}

#[test]
fn a_deleted_program_and_a_hex_name_are_read() {
    let line = syscall(1, 7, 44, "231 a0=0")
        .replace("\"/tmp/a\"", "2F746D702F6120622028 64656C6574656429".replace(' ', "").as_str())
        .replace("comm=\"a\"", "comm=612062")
        .replace("uid=0", "uid=33")
        .trim_end()
        .to_string()
        + "\x1dARCH=x86_64 SYSCALL=exit_group AUID=\"unset\" UID=\"www data\"\n";
    let (events, _) = decode(line);
    assert_eq!(
        events,
        ["1970-01-01T00:00:00.001Z auditd-exit offset=0 process-Exit pid=44 \
          path=\"/tmp/a b (deleted)\" name=\"a b\" user=\"www data\" terminal=\"pts2\" session=7 parent=10"]
    );
}

#[test]
fn a_thread_that_ends_is_no_process_that_ends() {
    let (events, notes) = decode(syscall(1, 7, 44, "60 a0=0"));
    assert_eq!((events.len(), notes["system calls not used"]), (0, 1));
}

#[test]
fn every_exit_value_has_its_outcome() {
    let cases = [
        (0, "open"),
        (-115, "unknown"),
        (-4, "unknown"),
        (-111, "refused"),
        (-113, "refused"),
        (-101, "refused"),
        (-110, "unanswered"),
    ];
    for (exit, outcome) in cases {
        let found = attempts(&connect(1, 7, 5, exit, &v4(9, 22)));
        assert_eq!(found, [format!("tcp 10.0.0.9|22 {outcome}")], "{exit}");
    }
    for (exit, key) in [
        (-114, "repeated connect on one socket"),
        (-106, "repeated connect on one socket"),
        (-13, "connect that failed on this machine"),
        (-1, "connect that failed on this machine"),
    ] {
        let (events, notes) = decode(connect(1, 7, 5, exit, &v4(9, 22)));
        assert_eq!((events.len(), notes.get(key)), (0, Some(&1)), "{exit}");
    }
}

#[test]
fn only_inet_peers_are_attempts() {
    for (saddr, key) in [
        ("01002F72756E2F6E736364", "sockets of other families"),
        ("100000000000000000000000", "sockets of other families"),
        ("0200", "saddr not understood"),
        ("xyz", "saddr not understood"),
    ] {
        let (events, notes) = decode(connect(1, 7, 5, -115, saddr));
        assert_eq!((events.len(), notes.get(key)), (0, Some(&1)), "{saddr}");
    }
    assert_eq!(attempts(&connect(1, 7, 5, -115, &v6(9, 80))), ["tcp fd00::9|80 unknown"]);
    let mapped = format!("0A00005000000000{}FFFF0A00000900000000", "00".repeat(10));
    assert_eq!(attempts(&connect(1, 7, 5, -115, &mapped)), ["tcp 10.0.0.9|80 unknown"]);
    let (_, notes) = decode(syscall(1, 7, 44, "42 success=no exit=-115 a0=3"));
    assert_eq!(notes["connect without its SOCKADDR record"], 1);
    let (_, notes) = decode(sockaddr(1, 7, &v4(9, 22)));
    assert_eq!(notes["audit event without its SYSCALL record"], 1);
}

#[test]
fn the_type_of_a_recorded_socket_names_the_transport() {
    let socket = |kind: &str, protocol: &str| {
        let call = format!("41 success=yes exit=5 a0=2 a1={kind} a2={protocol}");
        syscall(1, 6, 44, &call)
    };
    let dgram = socket("80802", "0") + &connect(2, 7, 5, 0, &v4(9, 161));
    assert_eq!(attempts(&dgram), ["udp 10.0.0.9|161 unknown"]);
    let stream = socket("80801", "6") + &connect(2, 7, 5, 0, &v4(9, 53));
    assert_eq!(attempts(&stream), ["tcp 10.0.0.9|53 open"], "the type outweighs the port");
    let other = socket("80802", "0") + &connect(2, 7, 6, 0, &v4(9, 161));
    assert_eq!(attempts(&other), ["tcp 10.0.0.9|161 open"], "another descriptor");
    let raw = socket("3", "ff")
        + &syscall(2, 7, 44, "44 success=yes exit=40 a0=5 a3=0")
        + &sockaddr(2, 7, &v4(9, 80));
    assert!(attempts(&raw)[0].starts_with("ip 10.0.0.9 unknown number=255 "));
    assert_eq!(decode(&raw).1["raw or packet sockets"], 1);
    let swapped = connect(2, 7, 5, 0, &v4(9, 161)) + &socket("80802", "0");
    assert_eq!(attempts(&swapped), ["udp 10.0.0.9|161 unknown"], "lines may swap, serials not");
}

#[test]
fn datagrams_are_attempts_without_an_outcome() {
    let send = |call: &str, saddr: &str| syscall(1, 7, 44, call) + &sockaddr(1, 7, saddr);
    let udp = send("44 success=yes exit=12 a0=5 a3=0", &v4(9, 161));
    assert_eq!(attempts(&udp), ["udp 10.0.0.9|161 unknown"]);
    let many = send("307 success=yes exit=2 a0=5 a3=0", &v4(9, 53));
    assert_eq!(attempts(&many), ["udp 10.0.0.9|53 unknown"]);
    let fast_open = send("44 success=no exit=-115 a0=5 a3=20000000", &v4(9, 443));
    assert_eq!(attempts(&fast_open), ["tcp 10.0.0.9|443 unknown"]);
    let failed = send("44 success=no exit=-1 a0=5 a3=0", &v4(9, 161));
    assert_eq!(decode(failed).1["send that failed on this machine"], 1);
    let netlink = send("44 success=yes exit=60 a0=3 a3=0", "100000000000000000000000");
    assert_eq!(decode(netlink).1["sockets of other families"], 1);
    assert_eq!(attempts(&connect(1, 7, 5, 0, &v4(9, 53))), ["udp 10.0.0.9|53 unknown"]);
    assert_eq!(attempts(&connect(1, 7, 5, -115, &v4(9, 53))), ["tcp 10.0.0.9|53 unknown"]);
}

#[test]
fn socketcall_and_other_architectures_are_read() {
    let multiplexed = "type=SYSCALL msg=audit(0.001:7): arch=40000003 syscall=102 success=no \
                       exit=-111 a0=3 a1=bf ppid=10 pid=44 comm=\"a\" exe=\"/a\"\n\
                       type=SOCKETCALL msg=audit(0.001:7): nargs=3 a0=5 a1=bf a2=10\n"
        .to_string();
    let text = multiplexed.clone() + &sockaddr(1, 7, &v4(9, 22));
    assert_eq!(attempts(&text), ["tcp 10.0.0.9|22 refused"]);
    let bind = multiplexed.replace(" a0=3 ", " a0=2 ") + &sockaddr(1, 7, &v4(9, 22));
    assert_eq!(decode(bind).0.len(), 0);
    let big = connect(1, 7, 5, -115, "000201BD0A01044D0000000000000000")
        .replace("c000003e syscall=42", "80000016 syscall=362");
    assert_eq!(attempts(&big), ["tcp 10.1.4.77|445 unknown"]);
    let x32 = connect(1, 7, 5, -115, &v4(9, 22)).replace("syscall=42", "syscall=1073741866");
    assert_eq!(attempts(&x32), ["tcp 10.0.0.9|22 unknown"]);
    let unknown = connect(1, 7, 5, -115, &v4(9, 22)).replace("c000003e", "deadbeef");
    assert_eq!(decode(unknown).1["unknown architecture"], 1);
}

#[test]
fn port_53_of_a_port_scan_is_tcp() {
    let scan = connect(1_000, 1, 3, -111, &v4(9, 52)) + &connect(1_001, 2, 3, 0, &v4(9, 53));
    assert_eq!(attempts(&scan), ["tcp 10.0.0.9|52 refused", "tcp 10.0.0.9|53 open"]);
    let forked = scan.replacen("pid=44", "pid=45", 1);
    assert_eq!(attempts(&forked), ["tcp 10.0.0.9|52 refused", "tcp 10.0.0.9|53 open"]);
    let resolver = connect(1_000, 1, 3, -111, &v4(8, 52)) + &connect(1_001, 2, 3, 0, &v4(9, 53));
    assert_eq!(attempts(&resolver), ["tcp 10.0.0.8|52 refused", "udp 10.0.0.9|53 unknown"]);
}

#[test]
fn a_slow_connect_may_be_written_among_younger_ones() {
    // The order of lines of composed/auditd/lin-browser.log, where this was first lost.
    let (old, slow, young) = (
        connect(0, 1, 3, -115, &v4(1, 22)),
        connect(10_000, 2, 4, -115, &v4(2, 22)),
        connect(12_300, 3, 5, -115, &v4(3, 22)),
    );
    let (old, slow, young): (Vec<_>, Vec<_>, Vec<_>) =
        (old.lines().collect(), slow.lines().collect(), young.lines().collect());
    let text = [slow[0], young[0], old[0], old[1], slow[1], young[1]].join("\n");
    assert_eq!(attempts(&text).len(), 3);
}

/// The calls that `strace` shows of glibc 2.36 for a name of three IPv4 and two IPv6 addresses,
/// and those that the program then made itself.
#[test]
fn address_selection_sends_nothing() {
    let mut text = String::new();
    let mut serial = 0;
    let mut call = |exit: i64, saddr: &str| {
        serial += 1;
        text += &connect(1_000 + serial / 3, serial, 3, exit, saddr);
    };
    for (saddr, exit) in [
        (v4(1, 2299), 0),
        (DISSOLVE.into(), 0),
        (v4(2, 2299), 0),
        (DISSOLVE.into(), 0),
        (v4(3, 2299), 0),
        (v6(1, 2299), 0),
        (DISSOLVE.into(), 0),
        (v6(9, 2299), -101),
        (v6(1, 2299), -115),
        (v4(1, 2299), -111),
        (v4(2, 2299), 0),
    ] {
        call(exit, &saddr);
    }
    let earnest =
        ["tcp fd00::1|2299 unknown", "tcp 10.0.0.1|2299 refused", "tcp 10.0.0.2|2299 open"];
    assert_eq!(attempts(&text), earnest);
    assert_eq!(decode(&text).1["address selection, nothing sent"], 5);
}

#[test]
fn a_pair_of_families_is_sorted_without_dissolving() {
    let probes = connect(1_000, 1, 3, 0, &v4(1, 22)) + &connect(1_000, 2, 3, 0, &v6(1, 22));
    let earnest = connect(1_001, 3, 3, -115, &v6(1, 22));
    assert_eq!(attempts(&(probes + &earnest)), ["tcp fd00::1|22 unknown"]);
}

#[test]
fn blocking_connects_of_a_loop_are_all_in_earnest() {
    let mut text = String::new();
    for host in 1..=100 {
        let exit = if host % 2 == 0 { 0 } else { -111 };
        text += &connect(1_000 + u64::from(host), host.into(), 3, exit, &v4(host, 22));
    }
    assert_eq!(attempts(&text).len(), 100);
    let later = connect(1_000, 1, 3, 0, &v4(1, 22)) + &connect(1_900, 2, 3, -111, &v4(1, 22));
    assert_eq!(attempts(&later).len(), 2, "a second try, not what a probe was for");
}

#[test]
fn events_of_one_process_share_its_actor() {
    let exec = syscall(1, 7, 44, "59 success=yes exit=0 a0=1")
        + "type=EXECVE msg=audit(0.001:7): argc=2 a0=\"a\" a1=\"-x\"\n";
    let run = |text: &str| {
        let mut out = Decoded::default();
        let mut decoder = decoder();
        decoder.decode(text.as_bytes(), &mut out);
        decoder.finish(b"", &mut out);
        out.events.into_iter().map(|event| event.actor.unwrap()).collect::<Vec<_>>()
    };
    let attempt = |serial| connect(serial, serial, 5, -115, &v4(9, 22));
    let actors = run(&(exec.clone() + &attempt(8) + &attempt(9)));
    assert!(std::sync::Arc::ptr_eq(&actors[0], &actors[1]));
    assert!(std::sync::Arc::ptr_eq(&actors[0], &actors[2]));
    let setuid = attempt(8).replace("uid=0 gid", "uid=33 gid");
    let actors = run(&(exec.clone() + &setuid));
    let process = actors[1].process.as_ref().unwrap();
    assert_eq!((process.user.as_deref(), process.arguments.len()), (Some("33"), 2));
    for (from, to) in [("ppid=10", "ppid=11"), ("comm=\"a\"", "comm=\"b\""), ("/tmp/a", "/tmp/b")] {
        let reused = attempt(8).replace(from, to);
        let process = run(&(exec.clone() + &reused))[1].process.clone().unwrap();
        assert!(process.arguments.is_empty(), "{to}: the pid may have been used again");
    }
    let ended = exec + &syscall(2, 8, 44, "231 a0=0") + &attempt(9);
    assert!(run(&ended)[2].process.as_ref().unwrap().arguments.is_empty());
}

#[test]
fn one_serial_on_two_nodes_is_two_events() {
    let on = |node: &str, text: String| {
        text.lines().fold(String::new(), |mut all, line| {
            let _ = writeln!(all, "node={node} {line}");
            all
        })
    };
    let a = on("a", connect(1, 7, 5, -115, &v4(1, 22)));
    let b = on("b", connect(1, 7, 5, -115, &v4(2, 22)));
    let lines: Vec<&str> = a.lines().chain(b.lines()).collect();
    let text = [lines[0], lines[2], lines[1], lines[3]].join("\n");
    let (events, notes) = decode(text);
    assert!(events[0].contains("10.0.0.1|22") && events[0].contains("device=\"a\""), "{events:?}");
    assert!(events[1].contains("10.0.0.2|22") && events[1].contains("device=\"b\""), "{events:?}");
    assert!(notes.is_empty());
}

#[test]
fn what_is_passed_over_is_counted() {
    let (events, notes) = decode(
        "# a comment\n\
         type=CWD msg=audit(1.0:1): cwd=\"/\"\n\
         type=PATH msg=audit(1.0:1): item=0\n\
         type=SYSCALL msg=audit(1.0:1): arch=c000003e syscall=2 success=yes exit=3 pid=1\n\
         type=PROCTITLE msg=audit(1.0:1): proctitle=\"a\"\n\
         type=DAEMON_START msg=audit(1.0:9): op=start\n\
         type=DAEMON_ABORT msg=audit(1.0:9): op=abort\n\
         kernel: audit: backlog limit exceeded\n\
         kernel: audit: audit_lost=7 audit_rate_limit=0 audit_backlog_limit=64\n\
         type=URINGOP msg=audit(1.0:2): uring_op=16 success=yes exit=0\n\
         type=SYSCALL msg=audit(x:2): arch=c000003e\n\
         type=SYSCALL msg=audit(1.0:3): arch=c0000",
    );
    assert!(events.is_empty());
    let expected = [
        ("SYSCALL record cut short", 1),
        ("audit daemon's own records", 1),
        ("audit loss reported", 3),
        ("broken audit stamp", 1),
        ("io_uring connect", 1),
        ("lines without an audit record", 1),
        ("record types not used", 2),
        ("system calls not used", 1),
    ];
    assert_eq!(notes, BTreeMap::from(expected));
}

#[test]
fn an_end_of_event_gives_its_event_at_once() {
    let mut out = Decoded::default();
    let mut lines = Lines::new(Auditd::new());
    let text = connect(1, 7, 5, -115, &v4(9, 22));
    lines.decode(text.as_bytes(), &mut out);
    assert_eq!(out.events.len(), 0);
    lines.decode(b"type=EOE msg=audit(0.001:7): \n", &mut out);
    assert_eq!(out.events.len(), 1);
}

#[test]
fn audit_text_is_recognised_and_json_that_quotes_it_is_not() {
    assert!(recognises(b"type=SYSCALL msg=audit(1.002:3): arch=c000003e"));
    assert!(recognises(b"# notes\n\nnode=h type=CWD msg=audit(1.002:3): cwd=\"/\"\n"));
    assert!(recognises(b"Mar  2 09:14:07 h kernel: audit: type=1400 audit(1.002:3): x=1\n"));
    for other in [
        &b"{\"message\":\"type=SYSCALL msg=audit(1.002:3): arch=c000003e\"}\n"[..],
        b"type=SYSCALL is what I look for\n",
        b"ts=1 type=conn msg=hello\n",
        b"",
        &[0xff; 4096],
    ] {
        assert!(!recognises(other), "{}", String::from_utf8_lossy(other));
    }
}

#[test]
fn a_line_without_an_end_is_still_a_record() {
    let mut out = Decoded::default();
    let mut auditd = Auditd::new();
    for line in connect(1, 7, 5, -111, &v4(9, 22)).lines() {
        auditd.line(line.as_bytes(), 0, &mut out);
    }
    auditd.end(&mut out);
    assert_eq!((out.events.len(), out.records), (1, 2));
}
