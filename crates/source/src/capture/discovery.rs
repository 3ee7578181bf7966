//! Questions that ask around for services and hosts otherwise than DNS does: NetBIOS names (RFC 1002),
//! SSDP (UPnP Device Architecture 2.0 section 1.3.2), WS-Discovery (OASIS, 1.1 section 5.2).

/// NBNS' port (RFC 1002).
pub(super) const NBNS: u16 = 137;
/// SSDP's port.
pub(super) const SSDP: u16 = 1900;
/// WS-Discovery's port.
pub(super) const WS_DISCOVERY: u16 = 3702;

/// The longest name of a type that is kept, in bytes; the longest known are URNs of about a hundred.
const MAX_TYPE: usize = 255;

/// How many types of one probe are read: real ones hold one or two.
const MAX_TYPES: usize = 32;

/// The NetBIOS name that a DNS label stands for (RFC 1001 section 14.1: half a byte a letter), with its
/// kind behind it: `FILESERVER<20>`. `None` where the label is none.
pub(super) fn netbios_name(dns_name: &str) -> Option<String> {
    let label = dns_name.split('.').next()?.as_bytes();
    if label.len() != 32 || !label.iter().all(|letter| (b'A'..=b'P').contains(letter)) {
        return None;
    }
    let bytes: Vec<u8> =
        label.chunks_exact(2).map(|pair| (pair[0] - b'A') << 4 | (pair[1] - b'A')).collect();
    let (kind, name) = bytes.split_last()?;
    let name: String = name.iter().map(|byte| char::from(*byte)).collect();
    Some(format!("{}<{kind:02x}>", name.trim_end_matches([' ', '\0'])))
}

/// What an SSDP search is after, by its header `ST`; `None` where the datagram is none.
pub(super) fn search_target(payload: &[u8]) -> Option<String> {
    let mut lines = payload.split(|byte| *byte == b'\n');
    lines.next()?.starts_with(b"M-SEARCH ").then_some(())?;
    let value = lines.find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        name.trim_ascii().eq_ignore_ascii_case(b"ST").then_some(value.trim_ascii())
    })?;
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let value = value.strip_suffix(b"\"").unwrap_or(value);
    text(value)
}

/// The types that a WS-Discovery probe is after, without the prefixes that stand for their namespaces;
/// `*` where it asks for all. `None` where the datagram is none.
pub(super) fn probed_types(payload: &[u8]) -> Option<Vec<String>> {
    let mut inside = false;
    let mut rest = payload;
    while let Some(start) = memchr::memchr(b'<', rest) {
        rest = &rest[start + 1..];
        let end = memchr::memchr(b'>', rest)?;
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let name = tag.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let empty = tag.ends_with(b"/");
        match local(name.strip_suffix(b"/").unwrap_or(name)) {
            b"Probe" if name.starts_with(b"/") || (inside && empty) => break,
            b"Probe" => {
                inside = true;
                if empty {
                    break;
                }
            }
            b"Types" if inside && !empty => {
                let content = &after[..memchr::memchr(b'<', after)?];
                let types = content.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty());
                let types: Vec<String> =
                    types.map(local).filter_map(text).take(MAX_TYPES).collect();
                return Some(if types.is_empty() { vec!["*".to_string()] } else { types });
            }
            _ => {}
        }
    }
    inside.then(|| vec!["*".to_string()])
}

/// A name without its prefix.
fn local(name: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', name) {
        Some(colon) => &name[colon + 1..],
        None => name.strip_prefix(b"/").unwrap_or(name),
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let fits = !bytes.is_empty() && bytes.len() <= MAX_TYPE;
    fits.then(|| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netbios_names_are_decoded_with_their_kind() {
        for (label, name) in [
            ("EGEJEMEFFDEFFCFGEFFCCACACACACACA", Some("FILESERVER<20>")),
            ("CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Some("*<00>")),
            ("EGEJEMEFFDEFFCFGEFFCCACACACACACA.scope", Some("FILESERVER<20>")),
            ("fileserver", None),
            ("", None),
        ] {
            assert_eq!(netbios_name(label).as_deref(), name, "{label}");
        }
    }

    #[test]
    fn searches_are_told_from_announcements() {
        let search =
            b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\n\
            st:  urn:dial-multiscreen-org:service:dial:1 \r\n\r\n";
        assert_eq!(
            search_target(search).as_deref(),
            Some("urn:dial-multiscreen-org:service:dial:1")
        );
        assert_eq!(
            search_target(b"M-SEARCH * HTTP/1.1\nST:\"ssdp:all\"").as_deref(),
            Some("ssdp:all")
        );
        for none in
            [&b"NOTIFY * HTTP/1.1\r\nNT: upnp:rootdevice\r\n"[..], b"M-SEARCH * HTTP/1.1\r\n"]
        {
            assert_eq!(search_target(none), None);
        }
        let long = [b"M-SEARCH * HTTP/1.1\r\nST: ", &[b'x'; 300][..]].concat();
        assert_eq!(search_target(&long), None);
    }

    #[test]
    fn probes_are_told_from_matches() {
        let soap = |body: &str| {
            let head = "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"x\"><s:Header><a:Action>http://schemas\
                .xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header><s:Body>";
            probed_types(format!("{head}{body}</s:Body></s:Envelope>").as_bytes())
        };
        let told = |types: &[&str]| Some(types.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            soap(
                "<d:Probe><d:Types xmlns:i=\"y\">i:NetworkVideoTransmitter\n wsdp:Device</d:Types></d:Probe>"
            ),
            told(&["NetworkVideoTransmitter", "Device"])
        );
        for all in ["<d:Probe/>", "<Probe></Probe>", "<d:Probe><d:Types> </d:Types></d:Probe>"] {
            assert_eq!(soap(all), told(&["*"]), "{all}");
        }
        for none in ["<d:ProbeMatches><d:Types>x:y</d:Types></d:ProbeMatches>", "<d:Hello/>", ""] {
            assert_eq!(soap(none), None, "{none}");
        }
        assert_eq!(probed_types(b"<d:Probe><d:Types>cut"), None);
        assert_eq!(probed_types(b"\xff<"), None);
    }
}
