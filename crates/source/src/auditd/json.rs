//! Audit events as JSON: Laurel's and Auditbeat's. Each is written out as the kernel's records again
//! and goes the way of those, so that what an event means is told in one place.
//!
//! <https://github.com/threathunters-io/laurel>;
//! <https://www.elastic.co/docs/reference/beats/auditbeat/exported-fields-auditd>

use lapwing_event::{Address, Timestamp};

use super::Auditd;
use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, LineFormat, Problem};

fn first_line(head: &[u8]) -> &[u8] {
    let head = crate::json::start(head);
    head.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// Whether the input is Laurel's.
pub(crate) fn is_laurel(head: &[u8]) -> bool {
    let line = first_line(head);
    let has = |key: &[u8]| memchr::memmem::find(line, key).is_some();
    line.starts_with(b"{\"ID\":\"")
        && (has(b"\"SYSCALL\":{") || has(b"\"PROCTITLE\":{") || has(b"\"ANOM_") || has(b"\"USER_"))
}

/// Whether the input is Auditbeat's.
pub(crate) fn is_auditbeat(head: &[u8]) -> bool {
    let line = first_line(head);
    let has = |key: &[u8]| memchr::memmem::find(line, key).is_some();
    line.starts_with(b"{") && has(b"\"auditd\"") && has(b"\"message_type\"")
}

/// A decoder of either.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(AuditJson { auditd: Auditd::new() }))
}

struct AuditJson {
    auditd: Auditd,
}

impl ObjectFormat for AuditJson {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        // Its records are one here, and several as the kernel writes them.
        let counted = out.records;
        let records = match flat.get("ID") {
            Some(id) => laurel(flat, id),
            None => match auditbeat(flat) {
                Some(records) => records,
                None => return out.note_times(Problem::Note, "events not used", offset, 1),
            },
        };
        for record in records {
            self.auditd.line(record.as_bytes(), offset, out);
        }
        out.records = counted;
    }

    fn end(&mut self, out: &mut Decoded) {
        self.auditd.end(out);
    }
}

/// A value that cannot be mistaken for anything else, whatever is in it.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Laurel writes bytes that are no plain text as `%XX`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match (first, code.and_then(|code| u8::from_str_radix(code, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// Fields of a SYSCALL record that are numbers or plain words.
const PLAIN: [&str; 14] = [
    "syscall", "success", "exit", "items", "ppid", "pid", "auid", "uid", "gid", "euid", "tty",
    "ses", "suid", "key",
];

/// The records of one event of Laurel's.
fn laurel(flat: &Flat<'_>, id: &str) -> Vec<String> {
    let node = flat.get("NODE").map(|node| format!("node={node} ")).unwrap_or_default();
    let begin = |kind: &str| format!("{node}type={kind} msg=audit({id}):");
    let mut records = Vec::new();
    if flat.has("SYSCALL.") {
        let mut record = begin("SYSCALL");
        if let Some(arch) = flat.get("SYSCALL.arch") {
            record += &format!(" arch={}", arch.trim_start_matches("0x"));
        }
        for name in PLAIN.iter().filter(|name| **name != "key") {
            if let Some(value) = flat.get(&format!("SYSCALL.{name}")) {
                record += &format!(" {name}={value}");
            }
        }
        for at in 0..4 {
            if let Some(value) = flat.get(&format!("SYSCALL.ARGV.{at}")) {
                record += &format!(" a{at}={}", value.trim_start_matches("0x"));
            }
        }
        for name in ["comm", "exe"] {
            if let Some(value) = flat.get(&format!("SYSCALL.{name}")) {
                record += &format!(" {name}={}", hex(&unescaped(value)));
            }
        }
        if let Some(user) = flat.get("SYSCALL.UID") {
            record += &format!("\x1dUID=\"{user}\"");
        }
        records.push(record);
    }
    let arguments: Vec<&str> = flat.under("EXECVE.ARGV.").map(|(_, value)| value).collect();
    if !arguments.is_empty() {
        records.push(execve(&begin("EXECVE"), arguments.into_iter().map(unescaped)));
    }
    if let Some(address) = flat.get("SOCKADDR.0.saddr") {
        records.push(format!("{} saddr={}", begin("SOCKADDR"), hex(&unescaped(address))));
    }
    // With `translate`, the address is told apart into its parts.
    match flat.get("SOCKADDR.0.SADDR.saddr_fam") {
        None => {}
        Some("inet" | "inet6") => {
            let paths = (&["SOCKADDR.0.SADDR.addr"][..], &["SOCKADDR.0.SADDR.port"][..]);
            records.extend(
                socket_address(flat, paths)
                    .map(|address| format!("{} saddr={}", begin("SOCKADDR"), hex(&address))),
            );
        }
        // AF_UNIX stands for every family that has no host.
        Some(_) => records.push(format!("{} saddr=0100", begin("SOCKADDR"))),
    }
    for kind in ["PROCTITLE", "CWD"] {
        if flat.has(&format!("{kind}.")) {
            records.push(begin(kind));
        }
    }
    if records.is_empty() {
        let kind = flat.keys().into_iter().find(|key| !matches!(*key, "ID" | "NODE"));
        records.push(begin(kind.unwrap_or("UNKNOWN")));
    }
    records.push(begin("EOE"));
    records
}

fn execve(begin: &str, arguments: impl Iterator<Item = Vec<u8>>) -> String {
    let arguments: Vec<Vec<u8>> = arguments.collect();
    let mut record = format!("{begin} argc={}", arguments.len());
    for (at, argument) in arguments.iter().enumerate() {
        record += &match argument.is_empty() {
            true => format!(" a{at}=\"\""),
            false => format!(" a{at}={}", hex(argument)),
        };
    }
    record
}

/// Architectures with the numbers of connect, sendto, execve and execveat
/// (`lib/*_table.h` of audit-userspace).
const ARCHES: [(&str, &str, [u32; 4]); 4] = [
    ("x86_64", "c000003e", [42, 44, 59, 322]),
    ("aarch64", "c00000b7", [203, 206, 221, 281]),
    ("i386", "40000003", [362, 369, 11, 358]),
    ("arm", "40000028", [283, 290, 11, 387]),
];

/// Errors by name (errno(3), asm-generic numbers).
const ERRORS: [(&str, i64); 12] = [
    ("EPERM", -1),
    ("EINTR", -4),
    ("EACCES", -13),
    ("EADDRNOTAVAIL", -99),
    ("ENETUNREACH", -101),
    ("ECONNRESET", -104),
    ("EISCONN", -106),
    ("ETIMEDOUT", -110),
    ("ECONNREFUSED", -111),
    ("EHOSTUNREACH", -113),
    ("EALREADY", -114),
    ("EINPROGRESS", -115),
];

/// The records of one event of Auditbeat's; `None` for system calls that are not used.
fn auditbeat(flat: &Flat<'_>) -> Option<Vec<String>> {
    let call = flat.get("auditd.data.syscall")?;
    let (_, arch, numbers) =
        ARCHES.iter().find(|(name, ..)| flat.get("auditd.data.arch") == Some(name))?;
    let at = ["connect", "sendto", "execve", "execveat"].iter().position(|name| *name == call)?;
    let time = flat.get("@timestamp").and_then(Timestamp::parse_rfc3339)?;
    let millis = time.0.div_euclid(1_000_000);
    let serial = flat.first(&["auditd.sequence", "event.sequence"]).unwrap_or("0");
    let node = flat.first(&["host.name", "host.hostname", "agent.hostname"]);
    let node = node.map(|node| format!("node={node} ")).unwrap_or_default();
    let begin = |kind: &str| {
        let (seconds, millis) = (millis.div_euclid(1000), millis.rem_euclid(1000));
        format!("{node}type={kind} msg=audit({seconds}.{millis:03}:{serial}):")
    };
    let mut record = format!("{} arch={arch} syscall={}", begin("SYSCALL"), numbers[at]);
    let success = match flat.first(&["auditd.result", "event.outcome"]) {
        Some("success") => "yes",
        _ => "no",
    };
    record += &format!(" success={success}");
    if let Some(exit) = flat.get("auditd.data.exit") {
        let known = ERRORS.iter().find(|(name, _)| *name == exit).map(|(_, number)| *number);
        if let Some(number) = known.or_else(|| exit.parse().ok()) {
            record += &format!(" exit={number}");
        }
    }
    for name in ["a0", "a1", "a2", "a3", "tty"] {
        if let Some(value) = flat.get(&format!("auditd.data.{name}")) {
            record += &format!(" {name}={value}");
        }
    }
    for (name, paths) in [
        ("ppid", &["process.parent.pid", "process.ppid"][..]),
        ("pid", &["process.pid"]),
        ("uid", &["user.id"]),
        ("ses", &["auditd.session"]),
    ] {
        let value =
            flat.first(paths).map(|value| if value == "unset" { "4294967295" } else { value });
        if let Some(value) = value {
            record += &format!(" {name}={value}");
        }
    }
    for (name, path) in [("comm", "process.name"), ("exe", "process.executable")] {
        if let Some(value) = flat.get(path) {
            record += &format!(" {name}={}", hex(value.as_bytes()));
        }
    }
    if let Some(user) = flat.get("user.name") {
        record += &format!("\x1dUID=\"{user}\"");
    }
    let mut records = vec![record];
    let arguments: Vec<&str> = flat.under("process.args.").map(|(_, value)| value).collect();
    if at >= 2 && !arguments.is_empty() {
        let bytes = arguments.into_iter().map(|argument| argument.as_bytes().to_vec());
        records.push(execve(&begin("EXECVE"), bytes));
    }
    if at < 2 {
        let paths = (
            &["auditd.data.socket_addr", "destination.ip"][..],
            &["auditd.data.socket_port", "destination.port"][..],
        );
        records.extend(
            socket_address(flat, paths)
                .map(|address| format!("{} saddr={}", begin("SOCKADDR"), hex(&address))),
        );
    }
    records.push(begin("EOE"));
    Some(records)
}

/// The socket address as a little-endian kernel writes it; `None` where it is of another family.
fn socket_address(
    flat: &Flat<'_>,
    (address, port): (&[&'static str], &[&'static str]),
) -> Option<Vec<u8>> {
    let address: Address = flat.first(address)?.parse().ok()?;
    let port: u16 = flat.first(port)?.parse().ok()?;
    let octets = address.octets();
    let mut bytes = vec![if address.is_v4() { 2 } else { 10 }, 0];
    bytes.extend(port.to_be_bytes());
    if address.is_v4() {
        bytes.extend(&octets[12..]);
        bytes.extend([0; 8]);
    } else {
        bytes.extend([0; 4]);
        bytes.extend(octets);
        bytes.extend([0; 4]);
    }
    Some(bytes)
}
