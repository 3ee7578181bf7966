//! A row of conn.log: one connection, with roles, state and history settled by Zeek.

use lapwing_event::{
    Activity, Event, Initiator, LogSource, Network, Outcome, Protocol, Record, Technique,
};

use super::fields::{Field, Fields, Refused};

/// What conn_state says of a connection, where it is one of its words.
pub(crate) fn conn_state(text: &[u8]) -> Option<&'static str> {
    Some(match text {
        b"S0" => "S0",
        b"S1" => "S1",
        b"SF" => "SF",
        b"REJ" => "REJ",
        b"S2" => "S2",
        b"S3" => "S3",
        b"RSTO" => "RSTO",
        b"RSTR" => "RSTR",
        b"RSTOS0" => "RSTOS0",
        b"RSTRH" => "RSTRH",
        b"SH" => "SH",
        b"SHR" => "SHR",
        b"OTH" => "OTH",
        _ => return None,
    })
}

/// The event of one row.
pub(super) fn event(fields: &Fields<'_>, offset: u64) -> Result<Event, Refused> {
    let network = match fields.text(Field::Proto) {
        Some("tcp") => stream(fields, Protocol::Tcp)?,
        Some("udp") => stream(fields, Protocol::Udp)?,
        Some("icmp") => icmp(fields)?,
        Some("sctp") => stream(fields, Protocol::from_number(132))?,
        _ => return Err(Refused::Nothing("connections of a transport that Zeek does not name")),
    };
    Ok(Event {
        time: fields.time()?,
        record: Record { offset, ..Record::default() },
        log_source: LogSource::ZeekConn,
        actor: None,
        activity: Activity::Network(network),
    })
}

fn stream(fields: &Fields<'_>, protocol: Protocol) -> Result<Network, Refused> {
    let history = fields.text(Field::History);
    let state = fields.text(Field::ConnState);
    let with_ports = protocol.has_ports();
    let both_sent = both_sent(fields);
    let stray = match protocol {
        Protocol::Tcp if !both_sent => stray(state, history),
        _ => None,
    };
    let (initiator, outcome, technique) = stray.unwrap_or_else(|| {
        let outcome = outcome(state, both_sent);
        (initiator(protocol, state, history), outcome, technique(protocol, history))
    });
    Ok(Network {
        source: fields.address(Field::OrigHost)?,
        target: fields.address(Field::RespHost)?,
        source_port: if with_ports { fields.port(Field::OrigPort)? } else { 0 },
        target_port: if with_ports { fields.port(Field::RespPort)? } else { 0 },
        protocol,
        initiator,
        outcome,
        technique,
    })
}

/// What a TCP row is that holds packets of one kind without a SYN, and at the most a reset for them: a
/// FIN, XMAS, NULL or ACK probe. The tail of an old connection whose peer is gone looks the same and is
/// rare, so that it counts as an attempt with no more weight than others: the letters do not tell
/// whether the flags were such as no stack sends.
fn stray(state: Option<&str>, history: Option<&str>) -> Option<(Initiator, Outcome, Technique)> {
    let (outcome, technique) = match (history.unwrap_or_default(), state) {
        ("F", _) => (Outcome::Unanswered, Technique::Unknown),
        ("Fr", _) => (Outcome::Refused, Technique::Unknown),
        // No flag that has a letter.
        ("", Some("OTH")) => (Outcome::Unanswered, Technique::Unknown),
        ("r", _) => (Outcome::Refused, Technique::Unknown),
        ("Ar", _) => (Outcome::Refused, Technique::Ack),
        _ => return None,
    };
    Some((Initiator::Source, outcome, technique))
}

/// Whether the originator opened the exchange. A connection that Zeek saw from its middle, or whose
/// sides it swapped by port number (`^`), has no known initiator, and neither has backscatter.
pub(crate) fn initiator(
    protocol: Protocol,
    state: Option<&str>,
    history: Option<&str>,
) -> Initiator {
    let midstream = matches!(state, None | Some("OTH" | "RSTRH" | "SHR"));
    let opened = match (protocol, history) {
        // S a SYN, Q a SYN with FIN or RST, of the originator.
        (Protocol::Tcp, Some(history)) => has_any(history, b"SQ"),
        (_, Some(history)) => !has_any(history, b"^"),
        (_, None) => true,
    };
    if opened && !midstream { Initiator::Source } else { Initiator::Unknown }
}

/// Whether a history, which is a few letters, has one of these.
fn has_any(history: &str, letters: &[u8]) -> bool {
    history.bytes().any(|letter| letters.contains(&letter))
}

/// What came of it, by conn_state.
pub(crate) fn outcome(state: Option<&str>, both_sent: bool) -> Outcome {
    match state {
        // RSTOS0: a SYN, then a RST, no SYN-ACK between; SH: a SYN, then a FIN.
        Some("S0" | "RSTOS0" | "SH") => Outcome::Unanswered,
        Some("REJ") => Outcome::Refused,
        Some("S1" | "S2" | "S3" | "SF" | "RSTO" | "RSTR") if both_sent => Outcome::Served,
        Some("S1" | "S2" | "S3" | "SF" | "RSTO" | "RSTR") => Outcome::Open,
        _ => Outcome::Unknown,
    }
}

/// Whether payload went both ways.
fn both_sent(fields: &Fields<'_>) -> bool {
    let sent = |field| fields.number::<u64>(field).is_some_and(|bytes| bytes > 0);
    sent(Field::OrigBytes) && sent(Field::RespBytes)
}

/// How it was probed: a handshake that the originator went through, or a SYN alone.
fn technique(protocol: Protocol, history: Option<&str>) -> Technique {
    match (protocol, history) {
        (Protocol::Udp, _) => Technique::Udp,
        (Protocol::Tcp, Some(history)) if has_any(history, b"S") => {
            if has_any(history, b"AD") {
                Technique::Connect
            } else {
                Technique::Syn
            }
        }
        _ => Technique::Unknown,
    }
}

/// ICMP: the ports are type and code. Only messages that ask are attempts.
fn icmp(fields: &Fields<'_>) -> Result<Network, Refused> {
    let source = fields.address(Field::OrigHost)?;
    let target = fields.address(Field::RespHost)?;
    let kind = fields.port(Field::OrigPort)?;
    // A solicitation's row holds the group of the address asked for (RFC 4861 section 7.2.2), its
    // answer has a row of its own; without a source it is duplicate address detection.
    if kind == 135 && target.is_solicited_node() && !source.is_unspecified() {
        return Ok(Network {
            source,
            target,
            source_port: 0,
            target_port: 0,
            protocol: Protocol::Neighbour,
            initiator: Initiator::Source,
            outcome: Outcome::Unknown,
            technique: Technique::NeighbourSolicitation,
        });
    }
    let asks = match (target.is_v4(), kind) {
        // Echo, timestamp and address mask requests (RFC 792, 950).
        (true, 8 | 13 | 17) => true,
        // Echo request (RFC 4443).
        (false, 128) => true,
        _ => false,
    };
    if !asks {
        return Err(Refused::Nothing("ICMP that asks nothing of anyone"));
    }
    let answered = match fields.number::<u64>(Field::RespPackets) {
        Some(packets) => Some(packets > 0),
        None => fields.number::<u64>(Field::RespBytes).map(|bytes| bytes > 0),
    };
    Ok(Network {
        source,
        target,
        source_port: 0,
        target_port: 0,
        protocol: if target.is_v4() { Protocol::Icmp } else { Protocol::Icmpv6 },
        initiator: Initiator::Source,
        outcome: match answered {
            Some(true) => Outcome::Open,
            Some(false) => Outcome::Unanswered,
            None => Outcome::Unknown,
        },
        technique: Technique::Echo,
    })
}
