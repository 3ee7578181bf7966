//! systemd's journal, as `journalctl` writes it for other programs: `-o json` and its kin, and the
//! export format. Its entries are what other logs hold as well: audit records, packets that the
//! kernel's firewall logged, Sysmon's events.
//!
//! <https://systemd.io/JOURNAL_EXPORT_FORMATS/>, `systemd.journal-fields(7)`, and systemd's
//! `journald-audit.c` for the fields of audit records.

mod export;
mod text;

use std::borrow::Cow;

use lapwing_event::Timestamp;
use memchr::memmem;

pub(crate) use export::{decoder as export_decoder, recognises as is_export};
pub(crate) use text::{decoder as text_decoder, recognises as is_text};

use crate::auditd::Auditd;
use crate::firewall::Firewall;
use crate::json::{Flat, ObjectFormat, Objects};
use crate::windows::{Held, xml};
use crate::{Decoded, Decoder, LineFormat, Problem};

/// Whether an input begins with an entry of the journal as JSON: its own time and place are in each.
pub(crate) fn is_json(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    // An event stream's field (https://html.spec.whatwg.org/multipage/server-sent-events.html).
    let start = start.strip_prefix(b"data: ").unwrap_or(start);
    let has = |key: &[u8]| memmem::find(head, key).is_some();
    matches!(start.first(), Some(b'{' | b'['))
        && has(b"\"__REALTIME_TIMESTAMP\"")
        && (has(b"\"__CURSOR\"") || has(b"\"_BOOT_ID\""))
}

/// A decoder of JSON.
pub(crate) fn json_decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Json(Journal::default())))
}

struct Json(Journal);

impl ObjectFormat for Json {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        let field = |name: &str| match flat.get(name) {
            Some(value) => Some(Cow::Borrowed(value)),
            // What is no plain text is written as its bytes.
            None => {
                let prefix = format!("{name}.");
                let bytes: Vec<u8> =
                    flat.under(&prefix).map_while(|(_, byte)| byte.parse().ok()).collect();
                (!bytes.is_empty())
                    .then(|| Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
            }
        };
        self.0.entry(&field, offset, out);
    }

    fn end(&mut self, out: &mut Decoded) {
        self.0.end(out);
    }
}

/// Takes entries apart by what they are.
#[derive(Default)]
struct Journal {
    audit: Auditd,
    firewall: Firewall,
    events: Held,
}

/// A field of an entry by its name.
type Field<'f> = dyn Fn(&str) -> Option<Cow<'f, str>> + 'f;

impl Journal {
    fn entry(&mut self, field: &Field<'_>, offset: u64, out: &mut Decoded) {
        let message = field("MESSAGE").unwrap_or_default();
        let transport = field("_TRANSPORT").unwrap_or_default();
        let host = field("_HOSTNAME").unwrap_or_default();
        let micros = |name: &str| field(name).and_then(|micros| micros.parse::<i64>().ok());
        let written = micros("__REALTIME_TIMESTAMP");
        let node = if host.is_empty() { String::new() } else { format!("node={host} ") };
        // An entry was counted as a record already.
        let records = out.records;
        if transport == "audit" {
            let (name, body) = message.split_once(' ').unwrap_or((&message, ""));
            let at = micros("_SOURCE_REALTIME_TIMESTAMP").or(written);
            match at.zip(field("_AUDIT_ID")) {
                Some((at, serial)) => {
                    let (seconds, millis) = (at / 1_000_000, at / 1000 % 1000);
                    let stamp = format!("audit({seconds}.{millis:03}:{serial})");
                    let line = format!("{node}type={name} msg={stamp}: {body}");
                    self.audit.line(line.as_bytes(), offset, out);
                }
                None => {
                    out.note(Problem::Malformed, "audit record without its number", offset, || {
                        "expected _AUDIT_ID, and a time in microseconds".to_string()
                    })
                }
            }
        } else if message.starts_with("audit: ") && audit_record(&message).is_none() {
            // The kernel says what it lost.
            self.audit.line(message.as_bytes(), offset, out);
        } else if let Some(at) = audit_record(&message) {
            let line = format!("{node}{}", message.get(at..).unwrap_or_default());
            self.audit.line(line.as_bytes(), offset, out);
        } else if Firewall::is_packet(message.as_bytes()) {
            let time = written.and_then(|micros| micros.checked_mul(1000)).map(Timestamp);
            match time {
                Some(time) => {
                    let host = if host.is_empty() { "-" } else { &host };
                    let line = format!("{time} {host} kernel: {message}");
                    self.firewall.line(line.as_bytes(), offset, out);
                }
                None => out.note(Problem::Malformed, "entry without a time", offset, || {
                    "expected __REALTIME_TIMESTAMP in microseconds".to_string()
                }),
            }
        } else if message.contains("<Event")
            && field("SYSLOG_IDENTIFIER").as_deref() == Some("sysmon")
        {
            xml::text(&message, offset, &mut self.events, out);
        } else {
            out.note_times(Problem::Note, "journal entries not used", offset, 1);
        }
        out.records = records;
    }

    fn end(&mut self, out: &mut Decoded) {
        self.audit.end(out);
        self.firewall.end(out);
        self.events.end(out);
    }
}

/// Where an audit record begins in what the kernel or a relay logged, if it holds one.
fn audit_record(message: &str) -> Option<usize> {
    let at = message.find("type=")?;
    message[at..].contains("audit(").then_some(at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use proptest::prelude::*;

    use super::*;

    const SYSCALL: &str = "SYSCALL arch=c000003e syscall=42 success=no exit=-111 a0=3 a1=7f a2=10 a3=0 \
        items=0 ppid=10 pid=11 auid=1000 uid=1000 ses=2 comm=\\\"nc\\\" exe=\\\"/usr/bin/nc\\\" key=(null)";
    const ADDRESS: &str = "SOCKADDR saddr=020001BD0A01044D0000000000000000";

    fn entry(message: &str, id: u32) -> String {
        format!(
            "{{ \"__CURSOR\" : \"s=1\", \"__REALTIME_TIMESTAMP\" : \"1773050400600000\", \"_TRANSPORT\" : \
             \"audit\", \"_SOURCE_REALTIME_TIMESTAMP\" : \"1773050400551000\", \"_AUDIT_ID\" : \"{id}\", \
             \"_HOSTNAME\" : \"h1\", \"MESSAGE\" : \"{message}\" }}"
        )
    }

    fn decode(mut decoder: Box<dyn Decoder>, bytes: &[u8]) -> Decoded {
        let mut out = Decoded::default();
        let done = decoder.decode(bytes, &mut out);
        decoder.finish(&bytes[done..], &mut out);
        out
    }

    fn told(out: &Decoded) -> Vec<String> {
        out.events.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn audit_records_of_the_journal_are_put_together_by_their_number() {
        let lines = [entry(SYSCALL, 7), entry(SYSCALL, 8), entry(ADDRESS, 7)].join("\n");
        assert!(is_json(lines.as_bytes()));
        let out = decode(json_decoder(), lines.as_bytes());
        assert_eq!(out.records, 3);
        let [event] = &told(&out)[..] else { unreachable!("{:?}", told(&out)) };
        assert!(event.starts_with("2026-03-09T10:00:00.551Z auditd-connect offset=0"), "{event}");
        assert!(
            event.contains("10.1.4.77|445 refused") && event.contains("device=\"h1\""),
            "{event}"
        );
        // The same as an array of bytes, which journald writes for what is no plain text.
        let bytes: Vec<String> = ADDRESS.bytes().map(|byte| byte.to_string()).collect();
        let array =
            entry(ADDRESS, 7).replace(&format!("\"{ADDRESS}\""), &format!("[{}]", bytes.join(",")));
        let out = decode(json_decoder(), [entry(SYSCALL, 7), array].join("\n").as_bytes());
        assert_eq!(out.events.len(), 1);
    }

    #[test]
    fn what_the_kernel_logged_of_packets_is_read_too() {
        let packet = "[UFW BLOCK] IN=eth0 OUT= MAC= SRC=10.1.0.9 DST=10.1.0.2 LEN=40 PROTO=TCP SPT=40000 \
            DPT=22 WINDOW=1024 RES=0x00 SYN URGP=0";
        let line = entry(packet, 1).replace("\"audit\"", "\"kernel\"");
        let out = decode(json_decoder(), line.as_bytes());
        assert_eq!(
            told(&out),
            [
                "2026-03-09T10:00:00.600Z firewall-log offset=0 network tcp 10.1.0.9|40000 -> 10.1.0.2|22 \
              unanswered by=tcp-syn"
            ]
        );
        let other = entry("Started a unit", 1).replace("\"audit\"", "\"journal\"");
        let out = decode(json_decoder(), other.as_bytes());
        assert_eq!(
            out.diagnostics().map(|d| d.key).collect::<Vec<_>>(),
            ["journal entries not used"]
        );
    }

    #[test]
    fn the_export_format_says_the_same() {
        let plain = SYSCALL.replace("\\\"", "\"");
        let head = "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1773050400600000\n_TRANSPORT=audit\n\
            _SOURCE_REALTIME_TIMESTAMP=1773050400551000\n_AUDIT_ID=7\n_HOSTNAME=h1\n";
        let mut bytes = format!("{head}MESSAGE={plain}\n\n{head}MESSAGE\n").into_bytes();
        bytes.extend((ADDRESS.len() as u64).to_le_bytes());
        bytes.extend(format!("{ADDRESS}\n\n").bytes());
        assert!(is_export(&bytes));
        let whole = decode(export_decoder(), &bytes);
        assert_eq!(
            told(&whole),
            told(&decode(
                json_decoder(),
                [entry(SYSCALL, 7), entry(ADDRESS, 7)].join("\n").as_bytes()
            ))
        );
        let mut decoder = export_decoder();
        let mut out = Decoded::default();
        let mut held = Vec::new();
        for byte in &bytes {
            held.push(*byte);
            let done = decoder.decode(&held, &mut out);
            held.drain(..done);
        }
        decoder.finish(&held, &mut out);
        assert_eq!(out.events, whole.events);
        let cut = decode(export_decoder(), &bytes[..bytes.len() - 3]);
        assert!(cut.diagnostics().any(|d| d.problem == Problem::Torn));
    }

    #[test]
    fn text_leaves_out_the_number_so_that_order_must_tell() {
        let plain = SYSCALL.replace("\\\"", "\"");
        let first = format!("Mar 09 10:00:00 h1 audit[11]: {plain}");
        let address = format!("Mar 09 10:00:00 h1 audit: {ADDRESS}");
        let title = "Mar 09 10:00:00 h1 audit: PROCTITLE proctitle=6E63";
        let whole = [first.as_str(), &address, title].join("\n");
        assert!(is_text(whole.as_bytes()));
        let out = decode(text_decoder(), whole.as_bytes());
        assert!(told(&out)[0].contains("10.1.4.77|445 refused"), "{:?}", told(&out));
        let iso = whole.replace("Mar 09 10:00:00", "2026-03-09T11:00:00+0100");
        let out = decode(text_decoder(), iso.as_bytes());
        assert!(
            told(&out)[0].starts_with("2026-03-09T10:00:00Z auditd-connect"),
            "{:?}",
            told(&out)
        );
        // Two calls at once: which of them the address belongs to is not known.
        let mixed = [first.as_str(), &first, &address, title, title].join("\n");
        let out = decode(text_decoder(), mixed.as_bytes());
        assert!(out.events.is_empty(), "{:?}", told(&out));
        assert!(out.diagnostics().any(|d| d.key == "records whose event text does not tell"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let head = b"__CURSOR=1\n__REALTIME_TIMESTAMP=1\nMESSAGE\n";
            decode(export_decoder(), &bytes);
            decode(export_decoder(), &[head, &bytes[..]].concat());
            decode(json_decoder(), &bytes);
            decode(text_decoder(), &bytes);
        }
    }
}
