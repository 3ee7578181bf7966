//! Cisco ASA and FTD messages of denied packets.
//!
//! <https://www.cisco.com/c/en/us/td/docs/security/asa/syslog/asa-syslog.html>

use lapwing_event::{Address, Outcome, Protocol};

use super::{Logged, flag, protocol};

/// Whether a line is a message of a denied packet that is read.
pub(super) fn is_denial(line: &[u8]) -> bool {
    let at = memchr::memmem::find(line, b"%ASA-").or_else(|| memchr::memmem::find(line, b"%FTD-"));
    // `%ASA-LEVEL-NUMBER:`
    let number = at.and_then(|at| line.get(at + 7..at + 13));
    matches!(
        number,
        Some(
            b"106001"
                | b"106006"
                | b"106007"
                | b"106015"
                | b"106023"
                | b"106100"
                | b"710003"
                | b"710005"
        )
    )
}

/// The packet of a message, in any of the forms
/// `Deny tcp src IF:ADDRESS/PORT dst IF:ADDRESS/PORT`, `… from ADDRESS/PORT to ADDRESS/PORT flags SYN`,
/// and `denied tcp IF/ADDRESS(PORT) -> IF/ADDRESS(PORT)`.
pub(super) fn denial(text: &str) -> Result<Logged, &'static str> {
    let (_, message) =
        text.split_once("%ASA-").or_else(|| text.split_once("%FTD-")).ok_or("ASA")?;
    let (_, message) = message.split_once(": ").ok_or("message")?;
    let words: Vec<&str> = message.split_ascii_whitespace().collect();
    let after = |word: &str| {
        let at = words.iter().position(|known| *known == word)?;
        words.get(at + 1).copied()
    };
    let ends =
        after("src").zip(after("dst")).or_else(|| after("from").zip(after("to"))).or_else(|| {
            let at = words.iter().position(|word| *word == "->")?;
            words.get(at.checked_sub(1)?).copied().zip(words.get(at + 1).copied())
        });
    let (from, to) = ends.ok_or("addresses")?;
    let protocol = words
        .iter()
        .find_map(|word| protocol(&word.to_ascii_uppercase()).filter(|_| !is_number(word)))
        .ok_or("protocol")?;
    let (source, source_port) = endpoint(from, protocol).ok_or("source")?;
    let (target, target_port) = endpoint(to, protocol).ok_or("destination")?;
    let flags = words.iter().position(|word| *word == "flags").map(|at| {
        words[at + 1..].iter().take_while(|word| flag(word) != 0).fold(0, |all, w| all | flag(w))
    });
    let icmp_type = after("(type").and_then(|kind| kind.trim_end_matches([',', ')']).parse().ok());
    let permitted = words.contains(&"permitted") || words.contains(&"est-allowed");
    Ok(Logged {
        source,
        target,
        source_port,
        target_port,
        protocol,
        // A rule for TCP that names no flags denied the packet that would have begun.
        flags: (protocol == Protocol::Tcp).then(|| flags.unwrap_or(crate::flow::SYN)),
        icmp_type,
        outcome: if permitted { Outcome::Unknown } else { Outcome::Unanswered },
        taken: false,
    })
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// `IF:ADDRESS/PORT`, `ADDRESS/PORT` or `IF/ADDRESS(PORT)`; a user's name may follow in brackets.
fn endpoint(text: &str, protocol: Protocol) -> Option<(Address, u16)> {
    let (place, port) = match text.split_once('(') {
        // `IF/ADDRESS(PORT)`
        Some((place, port)) if place.contains('/') && !text.contains(")/") => {
            (place.rsplit_once('/')?.1, port.split(')').next()?)
        }
        _ => {
            let bare = text.split('(').next()?;
            bare.rsplit_once('/').unwrap_or((bare, "0"))
        }
    };
    // An interface's name comes before the first colon, which IPv6 addresses hold too.
    let address = place.parse().ok().or_else(|| place.split_once(':')?.1.parse().ok())?;
    let port = if protocol.has_ports() { port.parse().ok()? } else { 0 };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::super::network;
    use super::*;

    #[test]
    fn denials_of_each_form_are_read() {
        for (message, expected) in [
            (
                "%ASA-4-106023: Deny tcp src outside:10.9.0.5/4321 dst inside:10.0.0.5/22 by \
                 access-group \"out\" [0x0, 0x0]",
                "tcp 10.9.0.5|4321 -> 10.0.0.5|22 unanswered by=tcp-syn",
            ),
            (
                "%ASA-2-106001: Inbound TCP connection denied from 10.9.0.5/4321 to 10.0.0.5/23 flags \
                 SYN  on interface outside",
                "tcp 10.9.0.5|4321 -> 10.0.0.5|23 unanswered by=tcp-syn",
            ),
            (
                "%ASA-2-106006: Deny inbound UDP from 2001:db8::9/5000 to 2001:db8::5/161 on \
                 interface outside",
                "udp 2001:db8::9|5000 -> 2001:db8::5|161 unanswered by=udp",
            ),
            (
                "%ASA-4-106100: access-list acl denied tcp outside/10.9.0.5(4321) -> \
                 inside/10.0.0.5(445) hit-cnt 1 first hit [0x1, 0x2]",
                "tcp 10.9.0.5|4321 -> 10.0.0.5|445 unanswered by=tcp-syn",
            ),
            (
                "%FTD-3-710003: TCP access denied by ACL from 10.9.0.5/4321 to outside:10.0.0.1/22",
                "tcp 10.9.0.5|4321 -> 10.0.0.1|22 unanswered by=tcp-syn",
            ),
            (
                "%ASA-4-106023: Deny icmp src outside:10.9.0.5 dst inside:10.0.0.5 (type 8, code 0) \
                 by access-group \"out\"",
                "icmp 10.9.0.5 -> 10.0.0.5 unanswered by=icmp-echo",
            ),
            // The rest of a connection that the firewall has forgotten.
            (
                "%ASA-6-106015: Deny TCP (no connection) from 10.9.0.5/443 to 10.0.0.5/50000 flags RST \
                 ACK  on interface outside",
                "tcp 10.9.0.5|443 -> 10.0.0.5|50000 unanswered initiator=unknown",
            ),
        ] {
            let line = format!("Mar 02 2026 09:14:07: {message}");
            assert!(is_denial(line.as_bytes()), "{line}");
            let logged = denial(&line).unwrap();
            assert_eq!(network(&logged).unwrap().to_string(), expected);
        }
        assert!(!is_denial(b"x %ASA-6-302013: Built inbound TCP connection 1 for a:1.2.3.4/5"));
        assert!(denial("%ASA-4-106023: Deny tcp src outside:x/1 dst inside:10.0.0.5/22").is_err());
        assert!(denial("%ASA-4-106023: Deny").is_err());
    }
}
