//! One line to one audit record: its prefix, type and stamp, and its fields.

use std::borrow::Cow;

use lapwing_event::Timestamp;
use memchr::{memchr, memmem};

use crate::words;

/// What separates raw fields from the enriched ones (AUDIT_INTERP_SEPARATOR of audit-userspace).
/// Shippers turn it into a space, or into its octal escape [`ESCAPED_SEPARATOR`].
const SEPARATOR: u8 = 0x1d;

/// The separator as rsyslog's control-character escaping writes it.
const ESCAPED_SEPARATOR: &[u8] = b"#035";

/// The longest name of a record type, in bytes, above that of every type of libaudit.h: what is longer
/// is looked no further into, since `type=` may stand at any place of a hostile line.
const MAX_TYPE: usize = 64;

/// The longest stamp that is remembered, in bytes: seconds, milliseconds and a serial of 64 bits each
/// have 20 digits at most.
const MAX_STAMP: usize = 64;

/// What a record is, as far as this decoder cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Syscall,
    Sockaddr,
    Execve,
    Proctitle,
    /// The arguments of a socketcall.
    Socketcall,
    /// An io_uring operation: what would be a SYSCALL record, without comm and exe.
    UringOperation,
    /// Nothing more comes of its event.
    EndOfEvent,
    /// The audit daemon says that it failed.
    DaemonFailed,
    /// The audit daemon started, stopped or was configured.
    Daemon,
    Other,
}

impl Kind {
    /// The name of a type whose records are put together; `None` for others.
    pub(super) fn name(self) -> Option<&'static str> {
        Some(match self {
            Kind::Syscall => "SYSCALL",
            Kind::Sockaddr => "SOCKADDR",
            Kind::Execve => "EXECVE",
            Kind::Proctitle => "PROCTITLE",
            Kind::Socketcall => "SOCKETCALL",
            Kind::UringOperation
            | Kind::EndOfEvent
            | Kind::DaemonFailed
            | Kind::Daemon
            | Kind::Other => return None,
        })
    }

    /// The kind of a type name, or of its number as the kernel's own log writes it
    /// (linux/audit.h, libaudit.h).
    fn of(word: &[u8]) -> Kind {
        match word {
            b"SYSCALL" | b"1300" => Kind::Syscall,
            b"SOCKADDR" | b"1306" => Kind::Sockaddr,
            b"EXECVE" | b"1309" => Kind::Execve,
            b"PROCTITLE" | b"1327" => Kind::Proctitle,
            b"SOCKETCALL" | b"1304" => Kind::Socketcall,
            b"URINGOP" | b"1336" => Kind::UringOperation,
            b"EOE" | b"1320" => Kind::EndOfEvent,
            b"DAEMON_ABORT" | b"DAEMON_ERR" | b"1202" | b"1209" => Kind::DaemonFailed,
            word if word.starts_with(b"DAEMON_") => Kind::Daemon,
            _ => Kind::Other,
        }
    }
}

/// The head of a record; its stamp is read only where its kind matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The name after `node=`.
    pub node: Option<&'a [u8]>,
    pub kind: Kind,
    /// What follows `audit(`.
    rest: &'a [u8],
}

/// When an event happened, and its number; with the node these tell events apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub time: Timestamp,
    pub serial: u64,
}

/// The record that a line holds: `type=WORD msg=audit(…` as auditd writes it, or
/// `type=NUMBER audit(…` as the kernel does, after any prefix of syslog, journald or `node=`.
/// `None` where the line holds none.
pub(super) fn record(line: &[u8]) -> Option<Record<'_>> {
    if let Some(found) = record_at(line, 0) {
        return Some(found);
    }
    memmem::find_iter(line, b"type=").find_map(|at| record_at(line, at))
}

fn record_at(line: &[u8], at: usize) -> Option<Record<'_>> {
    let (prefix, from) = line.split_at_checked(at)?;
    if prefix.last().is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None; // the end of a longer key, such as nametype=
    }
    let from = from.strip_prefix(b"type=")?;
    let end = memchr(b' ', from.get(..=MAX_TYPE).unwrap_or(from))?;
    let (word, rest) = from.split_at_checked(end)?;
    let rest = rest.strip_prefix(b" ")?;
    let rest = rest.strip_prefix(b"msg=").unwrap_or(rest).strip_prefix(b"audit(")?;
    let node = if prefix.is_empty() { None } else { node(prefix) };
    Some(Record { node, kind: Kind::of(word), rest })
}

/// The name of the `node=` that what stands before a record ends in.
fn node(prefix: &[u8]) -> Option<&[u8]> {
    let token = prefix.trim_ascii_end();
    let token = memchr::memrchr(b' ', token).and_then(|at| token.get(at + 1..)).unwrap_or(token);
    token.strip_prefix(b"node=").filter(|name| !name.is_empty())
}

/// The last stamp, as it was written and read: the records of an event mostly come together.
#[derive(Debug, Default)]
pub(super) struct LastStamp {
    /// Up to and with its closing parenthesis; empty where there was none.
    text: Vec<u8>,
    stamp: Option<Stamp>,
}

impl LastStamp {
    /// As [`Record::stamp`].
    pub fn read<'a>(&mut self, record: &Record<'a>) -> Option<(Stamp, &'a [u8])> {
        if let (Some(stamp), Some(body)) = (self.stamp, record.rest.strip_prefix(&*self.text)) {
            return Some((stamp, body.strip_prefix(b":").unwrap_or(body)));
        }
        let (stamp, body) = record.stamp()?;
        self.stamp = None;
        let head = record.rest.get(..MAX_STAMP).unwrap_or(record.rest);
        if let Some(end) = memchr(b')', head) {
            self.text.clear();
            self.text.extend_from_slice(record.rest.get(..=end)?);
            self.stamp = Some(stamp);
        }
        Some((stamp, body))
    }
}

/// A time as the kernel has written it since 2001: ten digits of seconds and three of milliseconds;
/// `None` where it is written in any other way.
fn plain_time(text: &[u8]) -> Option<Timestamp> {
    let text: &[u8; 14] = text.try_into().ok()?;
    let (seconds, millis) = text.split_first_chunk::<10>()?;
    let millis = number(millis.strip_prefix(b".")?)?;
    let nanos = number(seconds)?.checked_mul(1_000_000_000)? + millis * 1_000_000;
    i64::try_from(nanos).ok().map(Timestamp)
}

impl<'a> Record<'a> {
    /// The stamp and the fields behind it; `None` where `SEC.mmm:SERIAL)` is broken.
    pub fn stamp(&self) -> Option<(Stamp, &'a [u8])> {
        let (stamp, body) = self.rest.split_at_checked(memchr(b')', self.rest)?)?;
        let (time, serial) = stamp.split_at_checked(memchr(b':', stamp)?)?;
        let time = match plain_time(time) {
            Some(time) => time,
            None => Timestamp::parse_decimal_seconds(std::str::from_utf8(time).ok()?)?,
        };
        let serial = number(serial.get(1..)?)?;
        let body = body.get(1..)?;
        Some((Stamp { time, serial }, body.strip_prefix(b":").unwrap_or(body)))
    }
}

/// A field's value as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Between quotes: literal text, even where it looks like hex.
    Quoted(&'a [u8]),
    /// Without quotes: a number, a word, or hex where the text was not plain.
    Bare(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes as written.
    pub fn raw(self) -> &'a [u8] {
        match self {
            Value::Quoted(bytes) | Value::Bare(bytes) => bytes,
        }
    }

    /// The text that the kernel was given: quoted is literal, bare is hex where it can be.
    /// `None` for `(null)` and `(none)`.
    pub fn decoded(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Value::Quoted(bytes) => Some(Cow::Borrowed(bytes)),
            Value::Bare(b"(null)" | b"(none)" | b"?") => None,
            Value::Bare(bytes) => Some(unhex(bytes).map_or(Cow::Borrowed(bytes), Cow::Owned)),
        }
    }
}

/// The fields of a record in the order in which they were written, raw and enriched alike;
/// enriched keys are in upper case.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of what follows a record's stamp.
    pub fn of(body: &'a [u8]) -> Fields<'a> {
        Fields { rest: body }
    }

    /// What lies behind the last field that was taken.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Cuts off the value that `rest` begins with; `None` where its closing quote is missing.
    fn value(&mut self) -> Option<Value<'a>> {
        if let Some(inner) = self.rest.strip_prefix(b"\"") {
            let (text, rest) = inner.split_at_checked(memchr(b'"', inner)?)?;
            self.rest = rest.get(1..)?;
            return Some(Value::Quoted(text));
        }
        let (word, rest) = self.rest.split_at_checked(word_end(self.rest))?;
        self.rest = rest;
        Some(Value::Bare(word))
    }
}

/// Where the word ends that the bytes begin with: at a blank or a separator, escaped or not.
#[inline]
fn word_end(bytes: &[u8]) -> usize {
    let mut from = 0;
    loop {
        let rest = bytes.get(from..).unwrap_or_default();
        match words::find([b' ', SEPARATOR, b'#'], rest).and_then(|found| rest.get(found..)) {
            None => return bytes.len(),
            // A number sign within a word, such as that of a colour.
            Some([b'#', after @ ..]) if !after.starts_with(&ESCAPED_SEPARATOR[1..]) => {
                from = bytes.len() - after.len();
            }
            Some(behind) => return bytes.len() - behind.len(),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some((&first, rest)) = self.rest.split_first() {
                match first {
                    b' ' | SEPARATOR => self.rest = rest,
                    b'#' if self.rest.starts_with(ESCAPED_SEPARATOR) => {
                        self.rest = self.rest.get(ESCAPED_SEPARATOR.len()..)?;
                    }
                    _ => break,
                }
            }
            let end = words::find([b'=', b' ', SEPARATOR], self.rest)?;
            let (key, rest) = self.rest.split_at_checked(end)?;
            match rest.strip_prefix(b"=") {
                Some(value) => {
                    self.rest = value;
                    return self.value().map(|value| (key, value));
                }
                None => self.rest = rest, // a word without a value
            }
        }
    }
}

/// The value of the first field with this key.
pub(super) fn field<'a>(body: &'a [u8], key: &[u8]) -> Option<Value<'a>> {
    Fields::of(body).find(|(found, _)| *found == key).map(|(_, value)| value)
}

/// A decimal number; `None` for anything else and for one that does not fit.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, &byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A decimal number with an optional minus sign.
pub(super) fn signed(digits: &[u8]) -> Option<i64> {
    match digits.strip_prefix(b"-") {
        Some(digits) => i64::try_from(number(digits)?).ok()?.checked_neg(),
        None => i64::try_from(number(digits)?).ok(),
    }
}

/// A hexadecimal number of at most 64 bits, as `a0` to `a3` and `arch` are written.
pub(super) fn hex_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, &byte| Some(sum << 4 | u64::from(nibble(byte)?)))
}

/// The bytes that pairs of hexadecimal digits write; `None` for anything else.
pub(super) fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    // Most of what is tried is no hex, and takes no memory.
    if digits.is_empty() || !digits.len().is_multiple_of(2) || nibble(*digits.first()?).is_none() {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for [high, low] in digits.as_chunks::<2>().0 {
        bytes.push(nibble(*high)? << 4 | nibble(*low)?);
    }
    Some(bytes)
}

/// The bytes that pairs of hexadecimal digits write into `room`, and how many there are; `None` for
/// anything else, and for more than there is room for.
pub(super) fn unhex_into<'r>(digits: &[u8], room: &'r mut [u8]) -> Option<&'r [u8]> {
    let (pairs, odd) = digits.as_chunks::<2>();
    if pairs.is_empty() || !odd.is_empty() {
        return None;
    }
    let room = room.get_mut(..pairs.len())?;
    for (byte, [high, low]) in room.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(room)
}

/// What a byte is as a hexadecimal digit.
pub(super) fn nibble(byte: u8) -> Option<u8> {
    let digit = NIBBLES[usize::from(byte)];
    (digit < 16).then_some(digit)
}

/// What each byte is as a hexadecimal digit; 16 for those that are none.
const NIBBLES: [u8; 256] = {
    let mut nibbles = [16; 256];
    let mut digit = 0;
    while digit < 16 {
        nibbles[b"0123456789abcdef"[digit] as usize] = digit as u8;
        nibbles[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    nibbles
};

/// Text of bytes that need not be UTF-8: a bad byte is kept as `\xNN` (field case UP-20).
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Vec<(String, String)> {
        Fields::of(body.as_bytes())
            .map(|(key, value)| {
                (
                    String::from_utf8_lossy(key).into_owned(),
                    String::from_utf8_lossy(value.raw()).into_owned(),
                )
            })
            .collect()
    }

    #[test]
    fn a_record_is_found_behind_any_prefix() {
        let cases: [(&str, Option<&str>, Kind); 8] = [
            ("type=SYSCALL msg=audit(1.002:3): a=b", None, Kind::Syscall),
            ("node=web-1 type=SOCKADDR msg=audit(1.002:3): a=b", Some("web-1"), Kind::Sockaddr),
            (
                "Mar  2 09:14:07 h audispd: node=h.x type=EXECVE msg=audit(1.002:3): a=b",
                Some("h.x"),
                Kind::Execve,
            ),
            (
                "Mar  2 09:14:07 h kernel: [1.5] audit: type=1300 audit(1.002:3): a=b",
                None,
                Kind::Syscall,
            ),
            ("audit: type=1327 audit(1.002:3): a=b", None, Kind::Proctitle),
            ("h audit: type=1306 audit(1.002:3): a=b", None, Kind::Sockaddr),
            ("node= type=EOE msg=audit(1.002:3): a=b", None, Kind::EndOfEvent),
            ("type=BPRM_FCAPS msg=audit(1.002:3): a=b", None, Kind::Other),
        ];
        for (line, node, kind) in cases {
            let found = record(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(found.node, node.map(str::as_bytes), "{line}");
            assert_eq!(found.kind, kind, "{line}");
            let (stamp, body) = found.stamp().unwrap();
            assert_eq!(stamp, Stamp { time: Timestamp(1_002_000_000), serial: 3 }, "{line}");
            assert_eq!(fields(std::str::from_utf8(body).unwrap()), [("a".into(), "b".into())]);
        }
        for line in ["", "type=", "type=SYSCALL", "nametype=SYSCALL msg=audit(1.0:1): ", "x y"] {
            assert_eq!(record(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_broken_stamp_is_none() {
        for stamp in ["1.0:1", "1.0)", "x:1):", "1.0:x):", "1.0:99999999999999999999):", ":1):"] {
            let line = format!("type=SYSCALL msg=audit({stamp}");
            assert_eq!(record(line.as_bytes()).unwrap().stamp(), None, "{line}");
        }
        let daemon =
            record(b"type=DAEMON_CONFIG msg=audit(1490239800.477:34) config changed").unwrap();
        assert_eq!(daemon.stamp().unwrap().0.serial, 34, "a colon may be missing");
    }

    #[test]
    fn enriched_fields_follow_any_separator() {
        for separator in ["\x1d", " ", "#035"] {
            for key in ["(null)", "\"net\""] {
                let body = format!(" exe=\"/a b\" key={key}{separator}ARCH=x86_64 UID=\"root\"");
                let found = fields(&body);
                let names: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
                assert_eq!(names, ["exe", "key", "ARCH", "UID"], "{separator:?}");
                assert_eq!(found[1].1, key.trim_matches('"'));
                assert_eq!(found[3].1, "root");
            }
        }
        assert_eq!(fields("a=\"cut").len(), 0, "a value without its closing quote is torn");
        assert_eq!(fields("word a= b=1").len(), 2);
    }

    #[test]
    fn quoted_text_is_literal_and_bare_text_is_hex() {
        assert_eq!(*Value::Quoted(b"deadbeef").decoded().unwrap(), *b"deadbeef");
        assert_eq!(*Value::Bare(b"6E6D6170").decoded().unwrap(), *b"nmap");
        assert_eq!(*Value::Bare(b"pts0").decoded().unwrap(), *b"pts0");
        assert_eq!(Value::Bare(b"(null)").decoded(), None);
        assert_eq!(&*text(b"a\xff\"b"), "a\\xff\"b");
    }

    #[test]
    fn numbers_are_checked() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(signed(b"-115"), Some(-115));
        assert_eq!(signed(b"--1"), None);
        assert_eq!(hex_number(b"ffffffffffffffff"), Some(u64::MAX));
        assert_eq!(hex_number(b"0ffffffffffffffff"), None);
        assert_eq!(unhex(b"0"), None);
    }
}
