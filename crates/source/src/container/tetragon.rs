//! Tetragon's export: process starts and ends, and its probes of connect.
//!
//! A probe of `tcp_connect` fires for every attempt before its first packet, so that refused ones
//! count and outcomes are not known; one of the system call that returns knows them. The older
//! `process_connect` names its addresses flatly.
//!
//! <https://tetragon.io/docs/reference/grpc-api/>

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Event, Initiator, LogSource, Network, Outcome, Parent, Process,
    ProcessActivity, Protocol, Record, Technique, Text, Timestamp,
};

use crate::Decoder;
use crate::json::{Flat, Objects, OneEvent};

/// Whether the input begins with an event of Tetragon.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    start.starts_with(b"{")
        && has(b"\"process_")
        && ((has(b"\"exec_id\"") && has(b"\"binary\"")) || has(b"\"node_name\""))
        && !has(b"\"flow\"")
}

/// A decoder of the export.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(OneEvent(event)))
}

fn event(flat: &Flat<'_>, offset: u64) -> Result<Option<Event>, String> {
    let keys = flat.keys();
    let Some(kind) = keys.iter().find(|key| key.starts_with("process_")) else {
        return match keys.first() {
            // Throttling and rate limits are told of in objects of their own.
            Some(_) => Ok(None),
            None => Err("expected an object of one process_… event, found an empty one".into()),
        };
    };
    let (log_source, activity) = match *kind {
        "process_exec" => (LogSource::TetragonProcess, Activity::Process(ProcessActivity::Launch)),
        "process_exit" => (LogSource::TetragonExit, Activity::Process(ProcessActivity::Exit)),
        "process_connect" => (LogSource::TetragonConnect, Activity::Network(flat_connect(flat)?)),
        probe => match probed(flat, probe)? {
            Some(network) => (LogSource::TetragonConnect, Activity::Network(network)),
            None => return Ok(None),
        },
    };
    let time = flat.get("time").and_then(Timestamp::parse_rfc3339);
    let actor = Actor {
        device: flat.get("node_name").map(Arc::from),
        process: Some(process(flat, &format!("{kind}.process."), &format!("{kind}.parent."))?),
        container: container(flat, &format!("{kind}.process.")).map(Arc::new),
    };
    Ok(Some(Event {
        time: time.ok_or("time is missing or holds something else")?,
        record: Record { offset, ..Record::default() },
        log_source,
        actor: Some(Arc::new(actor)),
        activity,
    }))
}

fn process(flat: &Flat<'_>, own: &str, parent: &str) -> Result<Process, String> {
    let text = |prefix: &str, key: &str| flat.get(&format!("{prefix}{key}"));
    let pid = text(own, "pid").and_then(|pid| pid.parse().ok());
    let command = |prefix: &str| {
        let binary = text(prefix, "binary")?;
        Some(match text(prefix, "arguments") {
            Some(arguments) if binary.contains(' ') => format!("\"{binary}\" {arguments}").into(),
            Some(arguments) => format!("{binary} {arguments}").into(),
            None => Text::from(binary),
        })
    };
    let parent_guid = text(parent, "exec_id").or_else(|| text(own, "parent_exec_id"));
    let parent = parent_guid.map(|guid| {
        Box::new(Parent {
            pid: text(parent, "pid").and_then(|pid| pid.parse().ok()),
            guid: Some(guid.into()),
            path: text(parent, "binary").map(Text::from),
            command_line: command(parent),
        })
    });
    Ok(Process {
        pid: pid.ok_or("process.pid is missing or holds something else")?,
        guid: text(own, "exec_id").map(Text::from),
        start: text(own, "start_time").and_then(Timestamp::parse_rfc3339),
        path: text(own, "binary").map(Text::from),
        command_line: command(own),
        user: text(own, "uid").map(Text::from),
        // Told of files that no path leads to: removed ones, and those of memfd_create.
        added: text(own, "binary_properties.file.inode.links") == Some("0"),
        parent,
        ..Process::default()
    })
}

fn container(flat: &Flat<'_>, own: &str) -> Option<lapwing_event::Container> {
    let path = |key: &str| format!("{own}{key}");
    super::container(
        flat,
        // The short id stands beside the pod, and alone where Kubernetes does not run.
        &[&path("pod.container.id"), &path("docker")],
        &[&path("pod.container.name")],
        &[&path("pod.container.image.name"), &path("pod.container.image.id")],
        &[&path("pod.namespace")],
        &[&path("pod.name")],
    )
}

fn flat_connect(flat: &Flat<'_>) -> Result<Network, String> {
    let text = |key: &str| flat.get(&format!("process_connect.{key}"));
    let address = |key: &str| text(key).and_then(|text| text.parse::<Address>().ok());
    let port = |key: &str| text(key).and_then(|text| text.parse().ok());
    Ok(network(
        address("source_ip"),
        port("source_port"),
        address("destination_ip").ok_or("destination_ip is missing or holds something else")?,
        port("destination_port").ok_or("destination_port is missing or holds something else")?,
        text("protocol").unwrap_or("TCP"),
        Outcome::Unknown,
    ))
}

/// The attempt that a probe of the kernel tells of; `None` for what asks nothing of anyone.
fn probed(flat: &Flat<'_>, kind: &str) -> Result<Option<Network>, String> {
    let name = |key: &str| flat.get(&format!("{kind}.{key}"));
    // Probes of data, of closing and of listening tell of connections that there are already.
    let function = name("function_name").or_else(|| name("event")).unwrap_or_default();
    let asks = function.contains("connect")
        || matches!(function, "udp_sendmsg" | "udpv6_sendmsg" | "ip4_datagram_connect");
    if !asks || !matches!(kind, "process_kprobe" | "process_tracepoint" | "process_lsm") {
        return Ok(None);
    }
    let socket = |key: &str| argument(flat, kind, &["sock_arg", "skb_arg"], key);
    let sockaddr = |key: &str| argument(flat, kind, &["sockaddr_arg"], key);
    let address = |text: Option<&str>| text.and_then(|text| text.parse::<Address>().ok());
    let family = socket("family").or_else(|| sockaddr("family")).unwrap_or_default();
    let target = address(socket("daddr")).or_else(|| address(sockaddr("addr")));
    let Some(target) = target else {
        // Local sockets have no address; nor has a socket that is not connected yet.
        return match family {
            "" | "AF_UNIX" | "AF_NETLINK" | "AF_UNSPEC" => Ok(None),
            _ => Err(format!("{function}: no address of {family} in its arguments")),
        };
    };
    let port = |text: Option<&str>| text.and_then(|text| text.parse::<u16>().ok());
    let target_port = port(socket("dport")).or_else(|| port(sockaddr("port"))).unwrap_or_default();
    let protocol = socket("protocol").unwrap_or(match function.starts_with("udp") {
        true => "UDP",
        false => "TCP",
    });
    let outcome = match flat.get(&format!("{kind}.return.int_arg")) {
        Some("0") => Outcome::Open,
        // ECONNREFUSED; ETIMEDOUT, EHOSTUNREACH, ENETUNREACH. EINPROGRESS says nothing.
        Some("-111") => Outcome::Refused,
        Some("-110" | "-113" | "-101") => Outcome::Unanswered,
        _ => Outcome::Unknown,
    };
    let source = address(socket("saddr"));
    Ok(Some(network(source, port(socket("sport")), target, target_port, protocol, outcome)))
}

/// A field of the first of a probe's arguments that is of one of these types.
fn argument<'f>(flat: &'f Flat<'_>, kind: &str, types: &[&str], key: &str) -> Option<&'f str> {
    // Tetragon's policies name at most five arguments.
    (0..5).find_map(|at| {
        types.iter().find_map(|of| flat.get(&format!("{kind}.args.{at}.{of}.{key}")))
    })
}

fn network(
    source: Option<Address>,
    source_port: Option<u16>,
    target: Address,
    target_port: u16,
    protocol: &str,
    outcome: Outcome,
) -> Network {
    let protocol = match protocol.trim_start_matches("IPPROTO_") {
        "UDP" | "udp" => Protocol::Udp,
        "ICMP" => Protocol::Icmp,
        "ICMPV6" => Protocol::Icmpv6,
        "SCTP" => Protocol::Other(132),
        _ => Protocol::Tcp,
    };
    Network {
        source: source.unwrap_or(Address::UNSPECIFIED),
        target,
        source_port: source_port.unwrap_or_default(),
        target_port,
        protocol,
        initiator: Initiator::Source,
        outcome,
        technique: if protocol == Protocol::Udp { Technique::Udp } else { Technique::Connect },
    }
}
