//! Falco's alerts as JSON: one a line, behind a syslog heading, or as its gRPC output has them.
//!
//! Only the fields that a rule's output names are there; what is missing is null or `<NA>`. An alert
//! is telemetry here where its rule tells of every connect or execve, and one attempt where it does
//! not.
//!
//! <https://falco.org/docs/reference/rules/supported-fields/>

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Event, Initiator, LogSource, Network, Outcome, Parent, Process,
    ProcessActivity, Protocol, Record, Technique, Text, Timestamp,
};

use crate::Decoder;
use crate::json::{Flat, Objects, OneEvent};

/// Whether the input begins with an alert.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let line = super::first_line(head);
    let has = |key: &[u8]| memchr::memmem::find(line, key).is_some();
    let fields = has(b"\"output_fields\"") || has(b"\"outputFields\"");
    fields && has(b"\"rule\"") && has(b"\"priority\"")
}

/// A decoder of alerts.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(OneEvent(event)))
}

/// A field of the rule's output that holds anything.
fn field<'f>(flat: &'f Flat<'_>, name: &str) -> Option<&'f str> {
    // gRPC's JSON writes names in its own way, and every value as text.
    let value = flat.get(&format!("output_fields.{name}"));
    let value = value.or_else(|| flat.get(&format!("outputFields.{name}")));
    value.filter(|value| *value != "<NA>")
}

fn event(flat: &Flat<'_>, offset: u64) -> Result<Option<Event>, String> {
    let text = |name: &str| field(flat, name).map(Text::from);
    let log_source = match field(flat, "evt.type") {
        Some("execve" | "execveat") => LogSource::FalcoProcess,
        Some("connect" | "sendto" | "sendmsg" | "sendmmsg") => LogSource::FalcoConnect,
        // Rules of connections need not name the system call.
        None if field(flat, "fd.rip").is_some() => LogSource::FalcoConnect,
        _ => return Ok(None),
    };
    let activity = match log_source {
        LogSource::FalcoProcess => Activity::Process(ProcessActivity::Launch),
        _ => match attempt(flat)? {
            Some(network) => Activity::Network(network),
            None => return Ok(None),
        },
    };
    let image = |name: &str| field(flat, &format!("container.image{name}"));
    let mut container = super::container(
        flat,
        &["output_fields.container.id", "outputFields.container.id"],
        &["output_fields.container.name", "outputFields.container.name"],
        &["output_fields.container.image", "outputFields.container.image"],
        &["output_fields.k8s.ns.name", "outputFields.k8s.ns.name"],
        &["output_fields.k8s.pod.name", "outputFields.k8s.pod.name"],
    );
    if let (Some(container), Some(repository)) = (&mut container, image(".repository")) {
        container.image = Some(match image(".tag") {
            Some(tag) => format!("{repository}:{tag}").into(),
            None => repository.into(),
        });
    }
    let parent_pid = field(flat, "proc.ppid").and_then(|pid| pid.parse().ok());
    let parent = parent_pid.map(|pid| {
        Box::new(Parent {
            pid: Some(pid),
            path: text("proc.pexepath").or_else(|| text("proc.pname")),
            command_line: text("proc.pcmdline"),
            ..Parent::default()
        })
    });
    let name = text("proc.name");
    let process = Process {
        pid: field(flat, "proc.pid").and_then(|pid| pid.parse().ok()).unwrap_or_default(),
        // A time in nanoseconds, and the process's: it tells one of an id's processes from another.
        start: field(flat, "proc.pid.ts").and_then(|text| text.parse().ok()).map(Timestamp),
        path: text("proc.exepath").or_else(|| text("proc.exe")),
        name,
        command_line: text("proc.cmdline"),
        user: text("user.name").or_else(|| text("user.uid")),
        terminal: text("proc.tty").filter(|tty| &**tty != "0"),
        added: ["proc.is_exe_upper_layer", "proc.is_exe_from_memfd"]
            .iter()
            .any(|name| field(flat, name) == Some("true")),
        parent,
        ..Process::default()
    };
    // Without an id and a name nobody is told of.
    let told = process.pid != 0 || process.short_name().is_some();
    let actor = Actor {
        device: flat.get("hostname").map(Arc::from),
        process: told.then_some(process),
        container: container.map(Arc::new),
    };
    Ok(Some(Event {
        time: time(flat)?,
        record: Record { offset, ..Record::default() },
        log_source,
        actor: Some(Arc::new(actor)),
        activity,
    }))
}

/// `evt.time` and `evt.time.iso8601` are nanoseconds since 1970 in JSON, whatever their names say;
/// `time` is RFC 3339.
fn time(flat: &Flat<'_>) -> Result<Timestamp, String> {
    let nanos = ["evt.time", "evt.rawtime", "evt.time.iso8601"]
        .iter()
        .find_map(|name| field(flat, name)?.parse().ok());
    nanos
        .map(Timestamp)
        .or_else(|| flat.get("time").and_then(Timestamp::parse_rfc3339))
        .ok_or_else(|| "time is missing or holds something else".to_string())
}

fn attempt(flat: &Flat<'_>) -> Result<Option<Network>, String> {
    let parse = |name: &str| field(flat, name).and_then(|text| text.parse::<Address>().ok());
    let port = |name: &str| field(flat, name).and_then(|text| text.parse::<u16>().ok());
    let tuple = field(flat, "fd.name").and_then(sides);
    let ((source, source_port), told) = match tuple {
        Some((from, to)) => (from, Some(to)),
        None => {
            ((parse("fd.lip").or(parse("fd.cip")), port("fd.lport").or(port("fd.cport"))), None)
        }
    };
    // The remote side by its name, else the server's, else as the connection's name has it.
    let target = parse("fd.rip").or(parse("fd.sip")).or(told.and_then(|(address, _)| address));
    let target_port = port("fd.rport").or(port("fd.sport")).or(told.and_then(|(_, port)| port));
    let Some(target) = target else {
        // A local socket's name is its path.
        let local = field(flat, "fd.name").is_none_or(|name| !name.contains("->"));
        return if local { Ok(None) } else { Err("fd.name: no address in it".into()) };
    };
    let protocol = match field(flat, "fd.l4proto").or_else(|| field(flat, "fd.proto")) {
        Some("udp") => Protocol::Udp,
        Some("icmp") => Protocol::Icmp,
        _ => Protocol::Tcp,
    };
    let outcome = match field(flat, "evt.res") {
        Some("SUCCESS") => Outcome::Open,
        Some("ECONNREFUSED") => Outcome::Refused,
        Some("ETIMEDOUT" | "EHOSTUNREACH" | "ENETUNREACH") => Outcome::Unanswered,
        // EINPROGRESS, and system calls that the rule tells nothing of.
        _ => Outcome::Unknown,
    };
    let udp = protocol == Protocol::Udp;
    Ok(Some(Network {
        source: source.unwrap_or(Address::UNSPECIFIED),
        target,
        source_port: source_port.unwrap_or_default(),
        target_port: target_port.ok_or("fd.rport is missing or holds something else")?,
        protocol,
        initiator: Initiator::Source,
        // Of a datagram it says only that it was sent.
        outcome: if udp { Outcome::Unknown } else { outcome },
        technique: if udp { Technique::Udp } else { Technique::Connect },
    }))
}

type Side = (Option<Address>, Option<u16>);

/// Both sides of `10.0.0.1:4000->10.0.0.2:80`, IPv6 addresses being written the same way.
fn sides(name: &str) -> Option<(Side, Side)> {
    let (from, to) = name.split_once("->")?;
    let side = |text: &str| -> Side {
        match text.rsplit_once(':') {
            Some((address, port)) => {
                (address.trim_matches(['[', ']']).parse().ok(), port.parse().ok())
            }
            None => (None, None),
        }
    };
    Some((side(from), side(to)))
}
