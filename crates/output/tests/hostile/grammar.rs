//! CEF and RFC 5424 syslog read back strictly, as a receiver reads them.

use std::collections::BTreeMap;

/// The header's seven parts and the extension of a CEF line.
pub fn cef_line(line: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let rest = line.strip_prefix("CEF:").unwrap_or_else(|| panic!("no CEF: {line}"));
    let mut parts = vec![String::new()];
    let mut chars = rest.char_indices();
    let mut extension = "";
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, escaped @ ('\\' | '|'))) => parts.last_mut().unwrap().push(escaped),
                other => panic!("header escapes {other:?}: {line}"),
            },
            '|' if parts.len() == 7 => {
                extension = &rest[at + 1..];
                break;
            }
            '|' => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    assert_eq!(parts.len(), 7, "{line}");
    (parts, cef_extension(extension))
}

/// Keys are words that stand before an equals sign which no backslash escapes.
fn cef_extension(text: &str) -> BTreeMap<String, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.push(match chars.next() {
                // Stand-ins, so that an escaped sign ends no key.
                Some('=') => '\u{1}',
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('r') => '\r',
                other => panic!("extension escapes {other:?}: {text}"),
            }),
            '=' => {
                let (before, key) = value.rsplit_once(' ').unwrap_or(("", &value));
                assert!(!key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric()), "{key}");
                let (before, key) = (before.to_string(), key.to_string());
                if let Some((_, last)) = found.last_mut() {
                    *last = before;
                }
                found.push((key, String::new()));
                value.clear();
            }
            c => value.push(c),
        }
    }
    if let Some((_, last)) = found.last_mut() {
        *last = value;
    }
    let count = found.len();
    let found: BTreeMap<String, String> =
        found.into_iter().map(|(key, value)| (key, value.replace('\u{1}', "="))).collect();
    assert_eq!(found.len(), count, "a key comes twice: {text}");
    found
}

/// A message of RFC 5424.
pub struct Message {
    pub priority: u32,
    pub version: String,
    pub time: String,
    pub app: String,
    pub id: String,
    pub data: BTreeMap<String, String>,
    pub length: usize,
}

/// RFC 5424 section 6: the header, one element of structured data, the message.
pub fn syslog_line(line: &str) -> Message {
    let (priority, rest) = line.strip_prefix('<').and_then(|rest| rest.split_once('>')).unwrap();
    let parts: Vec<&str> = rest.splitn(7, ' ').collect();
    let [version, time, host, app, process, id, rest] = parts[..] else {
        panic!("{} header parts: {line}", parts.len())
    };
    assert_eq!((host, process), ("-", "-"), "{line}");
    let rest = rest.strip_prefix("[lapwing@32473").unwrap_or_else(|| panic!("{line}"));
    let mut data = BTreeMap::new();
    let mut rest = rest;
    while let Some(parameter) = rest.strip_prefix(' ') {
        let (name, value) = parameter.split_once("=\"").unwrap();
        let named = name.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(named && (1..=32).contains(&name.len()), "{name}");
        let mut text = String::new();
        let mut chars = value.char_indices();
        let end = loop {
            match chars.next().unwrap_or_else(|| panic!("a value has no end: {line}")) {
                (_, '\\') => match chars.next() {
                    Some((_, escaped @ ('"' | '\\' | ']'))) => text.push(escaped),
                    other => panic!("a value escapes {other:?}: {line}"),
                },
                (at, '"') => break at,
                (_, ']') => panic!("a value ends the element: {line}"),
                (_, c) => text.push(c),
            }
        };
        assert!(data.insert(name.to_string(), text).is_none(), "{name} comes twice");
        rest = &value[end + 1..];
    }
    assert!(rest.starts_with("] "), "after the element: {rest}");
    Message {
        priority: priority.parse().unwrap(),
        version: version.to_string(),
        time: time.to_string(),
        app: app.to_string(),
        id: id.to_string(),
        data,
        length: line.len(),
    }
}
