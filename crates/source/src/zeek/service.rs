//! Rows of the logs of protocols (rdp, ssh, http …): one conversation each, or one of several told of
//! the same, where no conn.log tells of it.
//!
//! <https://docs.zeek.org/en/current/script-reference/log-files.html>

use lapwing_event::{
    Activity, Event, Initiator, LogSource, Network, Outcome, Protocol, Record, Technique,
};

use super::fields::{Field, Fields, Refused};

/// A protocol's log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// Its name, as `#path` and `_path` give it.
    pub(super) name: &'static str,
    /// What the protocol runs on; a row that names it itself is believed.
    protocol: Protocol,
    /// The columns of which one is set where the server has answered.
    pub(super) answers: &'static [&'static str],
    /// A column that no other log has: JSON rows need not name their log.
    telling: Option<&'static str>,
}

const fn tcp(
    name: &'static str,
    telling: Option<&'static str>,
    answers: &'static [&'static str],
) -> Service {
    Service { name, protocol: Protocol::Tcp, answers, telling }
}

const fn udp(
    name: &'static str,
    telling: Option<&'static str>,
    answers: &'static [&'static str],
) -> Service {
    Service { name, protocol: Protocol::Udp, answers, telling }
}

/// Every log of a protocol that one host asks of another. Left out are those that do not say what they
/// run on (sip), that hold what is sent to everyone (ntp, syslog, dhcp), and that tell of files or
/// certificates.
static SERVICES: [Service; 23] = [
    tcp("rdp", Some("security_protocol"), &["result", "security_protocol"]),
    tcp("ssh", Some("auth_attempts"), &["server", "auth_success"]),
    tcp("http", Some("request_body_len"), &["status_code"]),
    tcp("ssl", Some("resumed"), &["cipher", "version"]),
    tcp("ftp", Some("reply_code"), &["reply_code"]),
    tcp("rfb", Some("share_flag"), &["server_major_version", "authentication_method"]),
    tcp("smb_mapping", Some("share_type"), &["share_type"]),
    tcp("smb_files", Some("prev_name"), &["action"]),
    tcp("dce_rpc", Some("named_pipe"), &["rtt"]),
    tcp("ntlm", Some("server_nb_computer_name"), &["success", "server_nb_computer_name"]),
    // RFC 4120 section 7.2 allows both; clients of Windows have begun with TCP since 2008.
    tcp("kerberos", Some("request_type"), &["success", "error_msg"]),
    tcp("ldap", None, &["result"]),
    tcp("ldap_search", None, &["result"]),
    tcp("mysql", None, &["success", "response"]),
    tcp("postgresql", None, &["success", "backend"]),
    tcp("smtp", Some("helo"), &["last_reply"]),
    tcp("socks", None, &["status"]),
    tcp("modbus", None, &["exception"]),
    tcp("dnp3", Some("fc_reply"), &["fc_reply"]),
    tcp("mqtt_connect", None, &["ack", "connect_status"]),
    udp("snmp", Some("community"), &["get_responses"]),
    udp("radius", None, &["result"]),
    udp("quic", None, &["server_scid"]),
];

impl Service {
    /// The log of this name.
    pub(super) fn named(name: &str) -> Option<&'static Service> {
        SERVICES.iter().find(|service| service.name == name)
    }

    /// The log that a row with such columns is of.
    pub(super) fn with_column(has: impl Fn(&str) -> bool) -> Option<&'static Service> {
        SERVICES.iter().find(|service| service.telling.is_some_and(&has))
    }
}

/// The event of one row.
pub(super) fn event(service: &Service, fields: &Fields<'_>, offset: u64) -> Result<Event, Refused> {
    let protocol = match fields.text(Field::Proto) {
        Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        _ => service.protocol,
    };
    // Counts of answers are set where there were none.
    let answered = fields.text(Field::Answered).is_some_and(|value| value != "0");
    let network = Network {
        source: fields.address(Field::OrigHost)?,
        target: fields.address(Field::RespHost)?,
        source_port: fields.port(Field::OrigPort)?,
        target_port: fields.port(Field::RespPort)?,
        protocol,
        initiator: Initiator::Source,
        // The client has spoken, so that it was connected; the server may not have answered that.
        outcome: match (answered, protocol) {
            (true, _) => Outcome::Served,
            (false, Protocol::Udp) => Outcome::Unanswered,
            (false, _) => Outcome::Open,
        },
        technique: match protocol {
            Protocol::Udp => Technique::Udp,
            _ => Technique::Connect,
        },
    };
    Ok(Event {
        time: fields.time()?,
        record: Record { offset, ..Record::default() },
        log_source: LogSource::ZeekService,
        actor: None,
        activity: Activity::Network(network),
    })
}
