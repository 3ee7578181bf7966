//! Packets that firewalls log to syslog: Linux netfilter's `LOG` target (iptables, nftables, ufw,
//! Shorewall, firewalld), MikroTik RouterOS, Cisco ASA, and pf by pfSense and OPNsense (`filterlog`).
//!
//! A line is one packet, most often one that was dropped. Its verdict is the rule's prefix, which its
//! owner chose: what that does not say is unknown, but for packets to the host itself, which are taken
//! for dropped, and counted.
//!
//! Fields are those of the kernel's `net/netfilter/nf_log_syslog.c` and of
//! <https://help.mikrotik.com/docs/spaces/ROS/pages/328094/Log>.

mod asa;
mod filterlog;

use lapwing_event::{Address, Initiator, LogSource, Network, Outcome, Protocol, Record, Technique};

use crate::flow::{ACK, FIN, PSH, RST, SYN, URG, event};
use crate::lines::Lines;
use crate::syslog::{self, Clock};
use crate::{Decoded, Decoder, LineFormat, Problem};

/// Whether the input's first lines hold a packet of any.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let text = matches!(head.trim_ascii_start().first(), Some(b) if !matches!(b, b'{' | b'['));
    text && head.split(|byte| *byte == b'\n').any(Firewall::is_packet)
}

/// A decoder of lines.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Firewall::default()))
}

fn has(line: &[u8], text: &str) -> bool {
    memchr::memmem::find(line, text.as_bytes()).is_some()
}

fn is_netfilter(line: &[u8]) -> bool {
    has(line, "IN=") && has(line, " OUT=") && has(line, " SRC=") && has(line, " PROTO=")
}

fn is_mikrotik(line: &[u8]) -> bool {
    has(line, " in:") && has(line, " out:") && has(line, " proto ") && has(line, "->")
}

/// Reads lines of packets.
#[derive(Default)]
pub(crate) struct Firewall {
    clock: Clock,
}

impl Firewall {
    /// Whether a line holds a packet.
    pub(crate) fn is_packet(line: &[u8]) -> bool {
        is_netfilter(line)
            || is_mikrotik(line)
            || asa::is_denial(line)
            || filterlog::is_packet(line)
    }
}

/// A packet as a line tells of it, or a capture of what a firewall logged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) source: Address,
    pub(crate) target: Address,
    pub(crate) source_port: u16,
    pub(crate) target_port: u16,
    pub(crate) protocol: Protocol,
    pub(crate) flags: Option<u8>,
    pub(crate) icmp_type: Option<u8>,
    pub(crate) outcome: Outcome,
    /// The rule says no verdict, and its place was taken for one.
    pub(crate) taken: bool,
}

impl LineFormat for Firewall {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let text = String::from_utf8_lossy(line);
        let parsed = match (is_netfilter(line), is_mikrotik(line)) {
            (true, _) => netfilter(&text),
            (false, true) => mikrotik(&text),
            (false, false) if asa::is_denial(line) => asa::denial(&text),
            (false, false) if filterlog::is_packet(line) => filterlog::packet(&text),
            (false, false) => {
                return out.note_times(Problem::Note, "lines of other kinds", offset, 1);
            }
        };
        out.records += 1;
        let Some(time) = self.clock.time(&text) else {
            return out.note(Problem::Malformed, "line without a time", offset, || {
                "expected RFC 3339 or \"Mmm dd hh:mm:ss\" at its beginning".to_string()
            });
        };
        if let Some(key) = self.clock.doubt() {
            out.note_times(Problem::Assumed, key, offset, 1);
        }
        match parsed.map(|logged| (network(&logged), logged.taken)) {
            Ok((Some(network), taken)) => {
                if taken {
                    let key = "packets logged without a verdict, taken for dropped ones";
                    out.note_times(Problem::Assumed, key, offset, 1);
                }
                let record = Record { offset, ..Record::default() };
                out.events.push(event(LogSource::FirewallLog, time, record, network));
            }
            Ok((None, _)) => {
                out.note_times(Problem::Note, "packets that ask nothing of anyone", offset, 1)
            }
            Err(field) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    format!("{field} is missing or holds something else")
                });
            }
        }
    }

    fn end(&mut self, _: &mut Decoded) {}
}

/// What the words before a packet's fields say of its fate; `None` where they say nothing of it.
fn verdict(prefix: &str) -> Option<Outcome> {
    let prefix = prefix.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| prefix.contains(word));
    match () {
        () if says(&["drop", "deny", "denied", "block", "blacklist"]) => Some(Outcome::Unanswered),
        () if says(&["reject"]) => Some(Outcome::Refused),
        () if says(&["allow", "accept", "pass", "audit"]) => Some(Outcome::Unknown),
        () => None,
    }
}

fn netfilter(text: &str) -> Result<Logged, &'static str> {
    let at = text.find("IN=").ok_or("IN")?;
    let (prefix, fields) = text.split_at(at);
    // An ICMP error quotes the packet that it is about in brackets.
    let outer = fields.split(" [SRC=").next().unwrap_or(fields);
    let get = |key: &str| {
        outer
            .split_ascii_whitespace()
            .find_map(|word| word.strip_prefix(key))
            .filter(|v| !v.is_empty())
    };
    let number = |key: &str| get(key).and_then(|value| value.parse::<u16>().ok());
    let protocol = protocol(get("PROTO=").ok_or("PROTO")?).ok_or("PROTO")?;
    let port = |key: &str, name: &'static str| match protocol.has_ports() {
        true => number(key).ok_or(name),
        false => Ok(0),
    };
    let flags = (protocol == Protocol::Tcp)
        .then(|| outer.split_ascii_whitespace().fold(0, |flags, word| flags | flag(word)));
    let verdict = verdict(syslog::message(prefix));
    // Rules that log without a word stand before the one that drops. That holds for what reaches for
    // this host itself; what a router forwards it may log for the record.
    let inbound = get("IN=").is_some() && get("OUT=").is_none();
    let taken = verdict.is_none() && inbound;
    Ok(Logged {
        source: get("SRC=").and_then(|value| value.parse().ok()).ok_or("SRC")?,
        target: get("DST=").and_then(|value| value.parse().ok()).ok_or("DST")?,
        source_port: port("SPT=", "SPT")?,
        target_port: port("DPT=", "DPT")?,
        protocol,
        flags,
        icmp_type: number("TYPE=").and_then(|kind| u8::try_from(kind).ok()),
        outcome: match verdict {
            Some(outcome) => outcome,
            None if taken => Outcome::Unanswered,
            None => Outcome::Unknown,
        },
        taken,
    })
}

/// `PREFIX CHAIN: in:IF out:IF, …, proto TCP (SYN), ADDRESS:PORT->ADDRESS:PORT, len N`.
fn mikrotik(text: &str) -> Result<Logged, &'static str> {
    let (prefix, rest) = text.split_once(" in:").ok_or("in")?;
    let (_, rest) = rest.split_once(" proto ").ok_or("proto")?;
    let mut parts = rest.split(", ");
    let proto = parts.next().ok_or("proto")?;
    let (name, detail) = proto.split_once(' ').unwrap_or((proto, ""));
    let protocol = protocol(name.trim_end_matches(',')).ok_or("proto")?;
    let ends = parts.find(|part| part.contains("->")).ok_or("addresses")?;
    let (from, to) = ends.split_once("->").ok_or("addresses")?;
    // A translated address follows in brackets.
    let to = to.split_ascii_whitespace().next().unwrap_or(to);
    let endpoint = |text: &str| -> Option<(Address, u16)> {
        if !protocol.has_ports() {
            return Some((text.parse().ok()?, 0));
        }
        let (address, port) = text.rsplit_once(':')?;
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        Some((bare.parse().ok()?, port.parse().ok()?))
    };
    let (source, source_port) = endpoint(from.trim_start_matches('(')).ok_or("addresses")?;
    let (target, target_port) = endpoint(to).ok_or("addresses")?;
    let flags = (protocol == Protocol::Tcp).then(|| {
        detail.trim_matches(['(', ')']).split(',').fold(0, |flags, word| flags | flag(word))
    });
    let icmp_type = detail
        .strip_prefix("(type ")
        .and_then(|rest| rest.split([',', ' ', ')']).next())
        .and_then(|kind| kind.parse().ok());
    Ok(Logged {
        source,
        target,
        source_port,
        target_port,
        protocol,
        flags,
        icmp_type,
        outcome: verdict(syslog::message(prefix)).unwrap_or(Outcome::Unknown),
        taken: false,
    })
}

fn flag(word: &str) -> u8 {
    match word {
        "SYN" => SYN,
        "ACK" => ACK,
        "FIN" => FIN,
        "RST" => RST,
        "PSH" => PSH,
        "URG" => URG,
        _ => 0,
    }
}

fn protocol(text: &str) -> Option<Protocol> {
    Some(match text {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "ICMP" => Protocol::Icmp,
        "ICMPv6" => Protocol::Icmpv6,
        "SCTP" => Protocol::Other(132),
        "UDPLITE" => Protocol::Other(136),
        "ESP" => Protocol::Other(50),
        "AH" => Protocol::Other(51),
        number => Protocol::from_number(number.parse().ok()?),
    })
}

/// The attempt that a packet is; `None` for answers, errors, and what goes to a group.
pub(crate) fn network(logged: &Logged) -> Option<Network> {
    if logged.target.is_group() {
        return None;
    }
    let technique = match logged.protocol {
        Protocol::Tcp => match logged.flags {
            Some(SYN) => Technique::Syn,
            Some(0) => Technique::Null,
            Some(FIN) => Technique::Fin,
            Some(ACK) => Technique::Ack,
            Some(flags) if flags == FIN | PSH | URG => Technique::Xmas,
            Some(flags) if flags & (ACK | RST) == 0 && flags & SYN != 0 => Technique::Syn,
            _ => Technique::Unknown,
        },
        Protocol::Udp => Technique::Udp,
        Protocol::Icmp => {
            matches!(logged.icmp_type, Some(8 | 13 | 17)).then_some(Technique::Echo)?
        }
        Protocol::Icmpv6 => matches!(logged.icmp_type, Some(128)).then_some(Technique::Echo)?,
        _ => Technique::IpProtocol,
    };
    // The rest of a connection that the firewall has forgotten tells of no beginning, and what comes
    // from a service's port (RFC 6335 section 6) to a client's is an answer.
    let answers = matches!(technique, Technique::Udp | Technique::Ack)
        && (1..1024).contains(&logged.source_port)
        && logged.target_port >= 1024;
    let began = technique != Technique::Unknown && !answers;
    Some(Network {
        source: logged.source,
        target: logged.target,
        source_port: logged.source_port,
        target_port: logged.target_port,
        protocol: logged.protocol,
        initiator: if began { Initiator::Source } else { Initiator::Unknown },
        outcome: logged.outcome,
        technique,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::*;

    const FIELDS: &str = "MAC=de:1c SRC=10.1.0.9 DST=10.1.0.2 LEN=40 TTL=49 ID=5 PROTO=TCP SPT=40000 \
                          DPT=22 WINDOW=1024 RES=0x00 SYN URGP=0";

    fn line(prefix: &str, interfaces: &str) -> Network {
        let text =
            format!("Mar  2 09:14:08 reject-gw kernel: [12.5] {prefix}{interfaces} {FIELDS}");
        network(&netfilter(&text).unwrap()).unwrap()
    }

    #[test]
    fn a_rule_says_what_became_of_a_packet() {
        for (prefix, interfaces, expected) in [
            ("[UFW BLOCK] ", "IN=eth0 OUT=", Outcome::Unanswered),
            ("FINAL_REJECT: ", "IN=eth0 OUT=", Outcome::Refused),
            ("[UFW ALLOW] ", "IN=eth0 OUT=", Outcome::Unknown),
            ("Shorewall:net2fw:DROP:", "IN=eth0 OUT=", Outcome::Unanswered),
            // Without a word: before the rule that drops, unless it is forwarded or sent.
            ("", "IN=eth0 OUT=", Outcome::Unanswered),
            ("ACCEPT ", "IN=eth0 OUT=", Outcome::Unknown),
            ("", "IN=eth0 OUT=eth1", Outcome::Unknown),
            ("", "IN= OUT=eth1", Outcome::Unknown),
        ] {
            let network = line(prefix, interfaces);
            assert_eq!(network.outcome, expected, "{prefix}{interfaces}");
            assert_eq!(network.to_string().split(' ').nth(3), Some("10.1.0.2|22"));
        }
    }

    #[test]
    fn answers_and_errors_are_no_probes() {
        let logged = |text: &str| netfilter(text).ok().as_ref().and_then(network);
        let answer =
            "DROP IN=eth0 OUT= SRC=10.1.0.2 DST=10.1.0.9 PROTO=TCP SPT=22 DPT=40000 ACK SYN";
        assert_eq!(logged(answer).unwrap().initiator, Initiator::Unknown);
        for rest in ["TCP SPT=40000 DPT=443 ACK FIN", "UDP SPT=53 DPT=40000 LEN=40"] {
            let text = format!("DROP IN=eth0 OUT= SRC=10.1.0.2 DST=10.1.0.9 PROTO={rest}");
            assert_eq!(logged(&text).unwrap().initiator, Initiator::Unknown, "{rest}");
        }
        let error = "DROP IN=eth0 OUT= SRC=10.1.0.2 DST=10.1.0.9 PROTO=ICMP TYPE=3 CODE=3 [SRC=10.1.0.9 \
                     DST=10.1.0.2 PROTO=UDP SPT=5 DPT=6 ]";
        assert_eq!(logged(error), None);
        let group = "DROP IN=eth0 OUT= SRC=10.1.0.2 DST=224.0.0.1 PROTO=2";
        assert_eq!(logged(group), None);
        let broken = "DROP IN=eth0 OUT= SRC=10.1.0.2 DST=x PROTO=TCP SPT=22 DPT=40000 SYN";
        assert_eq!(netfilter(broken), Err("DST"));
    }

    #[test]
    fn mikrotik_lines_are_read() {
        let text = "2023-03-18T20:36:59+01:00 r1 firewall,info drop-tcp input: in:ether1 out:(unknown \
                    0), connection-state:new src-mac 00:17:10:88:bc:02, proto TCP (SYN), \
                    10.1.0.9:59388->10.1.0.2:23, len 40";
        let network = network(&mikrotik(text).unwrap()).unwrap();
        assert_eq!(network.to_string(), "tcp 10.1.0.9|59388 -> 10.1.0.2|23 unanswered by=tcp-syn");
        assert!(mikrotik("x in:a out:b, proto TCP (SYN), nonsense->1.2.3.4:5, len 1").is_err());
        assert!(
            mikrotik("x in:a out:b, proto ICMP (type 8, code 0), 10.1.0.9->10.1.0.2, len 1")
                .is_ok()
        );
    }
}
