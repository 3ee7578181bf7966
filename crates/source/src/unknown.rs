//! Says what an input of no known format looks like, so that its owner can tell what it is and
//! whether it matters.

/// Beginnings that name a format: those that security teams keep beside their telemetry.
const MAGICS: &[(&[u8], &str)] = &[
    (b"PAR1", "a Parquet file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"regf", "a Windows registry hive"),
    (b"LfLe", "an old Windows event log (EVT, before Vista)"),
    (b"\x0c\xa5", "an nfdump capture file (nfcapd) of an unknown layout"),
    (b"\xa5\x0c", "an nfdump capture file (nfcapd), the other byte order"),
    (b"\xde\xad\xbe\xef", "a SiLK flow file"),
    // The section header of a sysdig capture is a pcapng block header, with its own version.
    (
        b"\x0a\x0d\x0d\x0a",
        "a pcapng-like file with an unknown byte-order magic (a sysdig capture?)",
    ),
    (b"SNT!", "Santa's protobuf spool; santactl printlog FILE prints it as JSON, which is read"),
    (b"bplist00", "an Apple binary property list"),
    (b"BZh", "bzip2 compressed; unpack it first"),
    (b"\xfd7zXZ\0", "xz compressed; unpack it first"),
    (b"\x04\x22\x4d\x18", "LZ4 compressed; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it first"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
];

/// Where a tar archive says that it is one (POSIX.1-2017 pax, ustar header).
const TAR_MAGIC_AT: usize = 257;
/// How many keys or columns are named.
const MAX_NAMES: usize = 8;
/// How much of one name, or of a line, is shown, in characters.
const MAX_SHOWN: usize = 60;

/// Says in words what an input of no known format looks like: the format that its magic number
/// names, or the first keys of JSON, the root of XML, the columns of a table, the first line of
/// text, or the first bytes. What it shows of the input is bounded and not escaped.
pub fn describe_unknown(head: &[u8]) -> String {
    let named = MAGICS.iter().find(|(magic, _)| head.starts_with(magic));
    if let Some((_, name)) = named {
        return format!("looks like {name}");
    }
    if head.get(TAR_MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return "looks like a tar archive; unpack it first".to_string();
    }
    // Each record of an older spool file names its type.
    if memchr::memmem::find(head, b"type.googleapis.com/santa.pb").is_some() {
        return "looks like Santa's protobuf log; santactl printlog FILE prints it as JSON, which is read"
            .to_string();
    }
    if let Some(netflow) = export_datagram(head) {
        return format!("looks like {netflow}");
    }
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    match text.chars().next() {
        Some('{') => format!("looks like JSON with the keys {}", named_list(json_keys(text))),
        Some('[') => match json_keys(text) {
            keys if keys.is_empty() => "looks like a JSON array".to_string(),
            keys => format!("looks like a JSON array of objects with {}", named_list(keys)),
        },
        Some('<') => match root_element(text) {
            Some(root) => format!("looks like XML with the root {root}"),
            None => "looks like XML".to_string(),
        },
        _ => plain(head, text),
    }
}

/// One NetFlow or sFlow datagram as an exporter sends it, by its version and its own counts.
fn export_datagram(head: &[u8]) -> Option<&'static str> {
    let word = |at: usize| Some(u16::from_be_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let (version, second) = (word(0)?, word(2)?);
    match version {
        5 if (1..=30).contains(&second) => Some("NetFlow v5 as exported"),
        9 if (1..=100).contains(&second) && head.len() >= 20 => Some("NetFlow v9 as exported"),
        10 if second >= 16 && head.len() >= 16 => Some("IPFIX as exported"),
        0 if second == 5 && matches!(head.get(4..8)?, [0, 0, 0, 1 | 2]) => {
            Some("sFlow v5 as exported")
        }
        _ => None,
    }
}

/// The keys of the first object, outermost ones, as far as the text goes.
fn json_keys(text: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut depth = 0;
    let mut strings = text.char_indices().peekable();
    while let Some((at, character)) = strings.next() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            '"' => {
                let mut escaped = false;
                let end = strings.by_ref().find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                let Some((end, _)) = end else { break };
                let is_key = text[end + 1..].trim_start().starts_with(':');
                if depth == 1 && is_key && keys.len() <= MAX_NAMES {
                    keys.push(clipped(&text[at + 1..end]));
                }
            }
            _ => {}
        }
        if (depth == 0 && character == '}') || keys.len() > MAX_NAMES {
            break;
        }
    }
    keys
}

/// The first element's name, past declarations, comments and the document type.
fn root_element(text: &str) -> Option<String> {
    let start = text.match_indices('<').map(|(at, _)| &text[at + 1..]);
    let root = start.into_iter().find(|rest| rest.starts_with(|c: char| c.is_alphabetic()))?;
    let end = root.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))?;
    Some(format!("<{}>", clipped(&root[..end])))
}

/// A table's columns, a line of text, or bytes.
fn plain(head: &[u8], text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().any(|c| c == char::REPLACEMENT_CHARACTER || (c.is_control() && c != '\t')) {
        let bytes: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        return format!("begins with the bytes {}", bytes.join(" "));
    }
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || " _-.+/:".contains(c))
    };
    if let Some(tag) = syslog_tag(line) {
        return format!("looks like syslog from {tag}");
    }
    for separator in [',', ';', '\t', '|'] {
        let columns: Vec<&str> = line.split(separator).map(|c| c.trim_matches('"')).collect();
        if columns.len() >= 3 && columns.iter().all(|name| is_name(name)) {
            let names = columns.iter().take(MAX_NAMES + 1).map(|name| clipped(name)).collect();
            return format!("looks like a table with the columns {}", named_list(names));
        }
    }
    format!("begins with \"{}\"", clipped(line))
}

/// The program that a syslog line is from: `Mmm dd hh:mm:ss host tag[pid]:` (RFC 3164), or the same
/// after an ISO time.
fn syslog_tag(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let first = words.next()?;
    let clock = match first.len() {
        3 => words.nth(1)?, // past the month and the day
        _ => first.split_once('T')?.1,
    };
    let is_clock = clock.len() >= 8
        && clock.bytes().zip(b"00:00:00").all(|(byte, shape)| {
            if *shape == b'0' { byte.is_ascii_digit() } else { byte == *shape }
        });
    let tag = words.nth(1)?;
    is_clock.then(|| clipped(tag.split(['[', ':']).next().unwrap_or(tag)))
}

/// Names with commas between them; past [`MAX_NAMES`] they are let go.
fn named_list(mut names: Vec<String>) -> String {
    let more = if names.len() > MAX_NAMES { ", …" } else { "" };
    names.truncate(MAX_NAMES);
    if names.is_empty() {
        return "none".to_string();
    }
    format!("{}{more}", names.join(", "))
}

fn clipped(text: &str) -> String {
    let mut clipped: String = text.chars().take(MAX_SHOWN).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::describe_unknown;

    #[test]
    fn what_it_looks_like_is_said() {
        for (head, said) in [
            (&b"PAR1\x15\x04"[..], "looks like a Parquet file"),
            (
                b"SNT!\x01\x02",
                "looks like Santa's protobuf spool; santactl printlog FILE prints it as JSON, which is read",
            ),
            (
                b"\x0a\x40\x0a\x2etype.googleapis.com/santa.pb.v1.SantaMessage\x12",
                "looks like Santa's protobuf log; santactl printlog FILE prints it as JSON, which is read",
            ),
            (b"\x00\x05\x00\x1e\0\0\0\0", "looks like NetFlow v5 as exported"),
            (b"\x00\x00\x00\x05\x00\x00\x00\x01\x0a\0\0\x01", "looks like sFlow v5 as exported"),
            (
                b"\xef\xbb\xbf{\"a\": {\"x\": 1}, \"b\\\"c\": \"v\", \"d",
                "looks like JSON with the keys a, b\\\"c",
            ),
            (b"{}", "looks like JSON with the keys none"),
            (b"[{\"time\": 1}, {\"b\": 2}]", "looks like a JSON array of objects with time"),
            (b"[1, 2]", "looks like a JSON array"),
            (
                b"{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}",
                "looks like JSON with the keys a, b, c, d, e, f, g, h, …",
            ),
            (
                b"<?xml version=\"1.0\"?>\n<!-- c -->\n<Events xmlns=\"x\">",
                "looks like XML with the root <Events>",
            ),
            (
                b"ts,\"src addr\",dst-addr\n1,2,3",
                "looks like a table with the columns ts, src addr, dst-addr",
            ),
            (b"Mar  7 18:35:58 app46 sysmon: <Event>", "looks like syslog from sysmon"),
            (b"2026-03-01T10:00:00+01:00 fw1 kernel[0]: x", "looks like syslog from kernel"),
            (b"one 2 three:four five six", "begins with \"one 2 three:four five six\""),
            (b"hello there\nworld", "begins with \"hello there\""),
            (b"\x01\x02\xff\xfe", "begins with the bytes 01 02 ff fe"),
        ] {
            assert_eq!(describe_unknown(head), said);
        }
        let tar = [&[b'a'; 257][..], b"ustar\x0000"].concat();
        assert_eq!(describe_unknown(&tar), "looks like a tar archive; unpack it first");
    }

    proptest! {
        #[test]
        fn any_head_is_described_in_bounds(
            start in prop::sample::select(vec!["", "{", "[", "<", "{\"a\":", "a,b,c,"]),
            bytes in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let said = describe_unknown(&[start.as_bytes(), &bytes].concat());
            prop_assert!(said.chars().count() < 700, "{said}");
        }
    }
}
