//! OCSF events as JSON objects: Process Activity (1007), Network Activity (4001) and DNS Activity
//! (4003), from version 1.0-rc.2 on. Security Lake's Parquet holds the same fields in columns.
//!
//! What a product maps into the class decides what its events are: those that name a process are a
//! host's, AWS' flow records are judged as such, and the rest are flows of one direction or of both.
//!
//! <https://schema.ocsf.io/>

mod parquet;

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Container, Dns, Event, Initiator, LogSource, Network, Outcome,
    Parent, Process, ProcessActivity, ProgramInfo, Protocol, Record, Technique, Text, Timestamp,
};

pub(crate) use self::parquet::{decoder as parquet_decoder, recognises as is_parquet};

use crate::cloud::aws;
use crate::flow::{self, Conversation, Direction, OneWay, Pairing};
use crate::json::{Flat, ObjectFormat, Objects};
use crate::question::query_type;
use crate::{Decoded, Decoder, Problem};

/// Whether the input begins with an OCSF event.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let start = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    matches!(start.first(), Some(b'{' | b'['))
        && has(b"\"class_uid\"")
        && (has(b"\"metadata\"") || has(b"\"category_uid\""))
}

/// A decoder of JSON objects.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Ocsf::default()))
}

#[derive(Default)]
struct Ocsf {
    /// AWS' flow records, each of one direction.
    vpc: Pairing,
    /// Other flows of one direction.
    flows: Pairing,
}

/// What one event tells.
enum Told {
    /// Of something that happened, whole.
    Event(Box<Event>),
    /// Of one direction of a flow.
    OneWay(LogSource, OneWay),
    /// Of nothing that is judged.
    Nothing,
}

impl ObjectFormat for Ocsf {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        match told(flat, offset) {
            Ok(Told::Event(event)) => out.events.push(*event),
            Ok(Told::OneWay(LogSource::AwsVpcFlow, one)) => {
                self.vpc.push(LogSource::AwsVpcFlow, one, out);
            }
            Ok(Told::OneWay(log_source, one)) => self.flows.push(log_source, one, out),
            Ok(Told::Nothing) => out.note_times(Problem::Note, "events not used", offset, 1),
            Err(path) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    format!("{path} is missing or holds something else")
                });
            }
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        self.vpc.finish(LogSource::AwsVpcFlow, out);
        self.flows.finish(LogSource::OcsfFlow, out);
    }
}

fn told(flat: &Flat<'_>, offset: u64) -> Result<Told, &'static str> {
    match flat.get("class_uid") {
        Some("1007") => process_activity(flat, offset),
        Some("4001") => network_activity(flat, offset),
        Some("4003") => dns_activity(flat, offset),
        _ => Ok(Told::Nothing),
    }
}

/// Milliseconds since 1970 as the schema has it; seconds, as some mappings write; or text, RFC 3339
/// with variations (a blank, slashes, no zone, which is then UTC).
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<i64>() {
        // A number of seconds reaches this in the year 5138, one of milliseconds did in 1973.
        const SECONDS_BELOW: i64 = 100_000_000_000;
        return match number.abs() < SECONDS_BELOW {
            true => Timestamp::from_seconds(number),
            // Microseconds as Parquet may hold them.
            false if number.abs() > SECONDS_BELOW * 1000 => number.checked_mul(1000).map(Timestamp),
            false => number.checked_mul(1_000_000).map(Timestamp),
        };
    }
    let text = text.replace('/', "-").replacen(' ', "T", 1);
    Timestamp::parse_rfc3339(&text).or_else(|| Timestamp::parse_rfc3339(&format!("{text}Z")))
}

fn time(flat: &Flat<'_>, paths: &[&str]) -> Result<Timestamp, &'static str> {
    paths.iter().find_map(|path| flat.get(path).and_then(moment)).ok_or("time")
}

/// When an event was, and when a flow began.
const EVENT_TIME: [&str; 4] = ["time", "time_dt", "start_time", "start_time_dt"];
const FLOW_START: [&str; 4] = ["start_time", "start_time_dt", "time", "time_dt"];

/// Whether the event is a Windows computer's: by what it says, else by the program's path.
fn is_windows(flat: &Flat<'_>, process: &Process) -> bool {
    // type_id 100 to 199 are kinds of Windows, and 200 begins with Linux.
    match (flat.number::<u32>("device.os.type_id"), flat.get("device.os.name")) {
        (Some(kind @ 1..), _) => (100..200).contains(&kind),
        (_, Some(name)) => name.to_ascii_lowercase().contains("windows"),
        _ => process.path.as_deref().is_some_and(|path| path.contains('\\')),
    }
}

/// The process that is told of under this path, which ends in a dot; `None` where none is.
fn process(flat: &Flat<'_>, at: &str) -> Option<Process> {
    let get = |key: &str| flat.get(&format!("{at}{key}"));
    let text = |key: &str| get(key).map(Text::from);
    let pid = get("pid").and_then(|pid| pid.parse().ok());
    if pid.is_none() && get("uid").is_none() {
        return None;
    }
    let hashes: Vec<String> = (0..8)
        .filter_map(|n| {
            let name = get(&format!("file.hashes.{n}.algorithm")).unwrap_or("hash");
            Some(format!("{name}={}", get(&format!("file.hashes.{n}.value"))?))
        })
        .collect();
    let program = (!hashes.is_empty()).then(|| {
        Box::new(ProgramInfo { hashes: Some(hashes.join(",").into()), ..ProgramInfo::default() })
    });
    Some(Process {
        pid: pid.unwrap_or_default(),
        guid: text("uid"),
        start: get("created_time").or_else(|| get("created_time_dt")).and_then(moment),
        path: text("file.path"),
        name: text("name"),
        command_line: text("cmd_line"),
        user: text("user.name").or_else(|| text("user.uid")),
        program,
        parent: parent(flat, &format!("{at}parent_process.")),
        ..Process::default()
    })
}

/// The parent that is told of under this path, which ends in a dot; `None` where none is.
fn parent(flat: &Flat<'_>, at: &str) -> Option<Box<Parent>> {
    let text = |key: &str| flat.get(&format!("{at}{key}")).map(Text::from);
    let parent = Parent {
        pid: flat.number(&format!("{at}pid")),
        guid: text("uid"),
        path: text("file.path").or_else(|| text("name")),
        command_line: text("cmd_line"),
    };
    (parent.pid.is_some() || parent.guid.is_some()).then(|| Box::new(parent))
}

fn actor(flat: &Flat<'_>, process: Option<Process>) -> Option<Arc<Actor>> {
    let text = |paths: &[&str]| flat.first(paths).map(Box::from);
    let container = Container {
        id: text(&["container.uid", "process.container.uid", "actor.process.container.uid"]),
        image: text(&["container.image.name", "actor.process.container.image.name"]),
        ..Container::default()
    };
    let container = (container != Container::default()).then_some(container);
    let device = flat.first(&["device.hostname", "device.name", "device.uid"]).map(Arc::from);
    let told = process.is_some() || container.is_some();
    told.then(|| Arc::new(Actor { device, process, container: container.map(Arc::new) }))
}

fn event(
    time: Timestamp,
    offset: u64,
    log_source: LogSource,
    actor: Option<Arc<Actor>>,
    activity: Activity,
) -> Told {
    let record = Record { offset, ..Record::default() };
    Told::Event(Box::new(Event { time, record, log_source, actor, activity }))
}

fn process_activity(flat: &Flat<'_>, offset: u64) -> Result<Told, &'static str> {
    let change = match flat.get("activity_id") {
        Some("1") => ProcessActivity::Launch,
        Some("2") => ProcessActivity::Exit,
        // Opened, injected into, set another user: nothing was started.
        _ => return Ok(Told::Nothing),
    };
    let mut process = process(flat, "process.").ok_or("process.pid")?;
    // The actor of a launch is the process that launched.
    process.parent = process.parent.or_else(|| parent(flat, "actor.process."));
    let log_source = match is_windows(flat, &process) {
        true => LogSource::OcsfWindowsProcess,
        false => LogSource::OcsfLinuxProcess,
    };
    let time = time(flat, &EVENT_TIME)?;
    let actor = actor(flat, Some(process));
    Ok(event(time, offset, log_source, actor, Activity::Process(change)))
}

fn network_activity(flat: &Flat<'_>, offset: u64) -> Result<Told, &'static str> {
    // Listening asks nothing of anyone.
    if flat.get("activity_id") == Some("7") {
        return Ok(Told::Nothing);
    }
    let address = |path: &'static str| {
        flat.get(path).and_then(|text| text.parse::<Address>().ok()).ok_or(path)
    };
    let port = |path: &'static str| match flat.get(path) {
        None | Some("-") => Ok(0),
        Some(text) => text.parse().map_err(|_| path),
    };
    let protocol = match flat.number("connection_info.protocol_num") {
        Some(number) => Protocol::from_number(number),
        None => match flat.get("connection_info.protocol_name").map(str::to_ascii_lowercase) {
            Some(name) if name == "tcp" => Protocol::Tcp,
            Some(name) if name == "udp" => Protocol::Udp,
            Some(name) if name == "icmp" => Protocol::Icmp,
            _ => return Err("connection_info.protocol_num"),
        },
    };
    // AWS writes a record of a window without traffic with neither end.
    if flat.get("status_code").is_some_and(|code| matches!(code, "NODATA" | "SKIPDATA")) {
        return Ok(Told::Nothing);
    }
    let number = |path: &str| flat.number::<u64>(path);
    let vpc = flat.get("metadata.product.name").is_some_and(|name| name.contains("VPC"));
    let refused = flat.get("activity_id") == Some("5")
        || flat.get("disposition_id") == Some("2")
        || flat.get("action_id") == Some("2");
    let flags: Option<u8> = flat.number("connection_info.tcp_flags");
    let there = match vpc {
        true => aws::direction(protocol, flags, number("traffic.packets"), number("traffic.bytes")),
        false => Direction {
            flags: flags.filter(|_| protocol == Protocol::Tcp),
            packets: number("traffic.packets_out").or_else(|| number("traffic.packets")),
            bytes: number("traffic.bytes_out").or_else(|| number("traffic.bytes")).unwrap_or(0),
        },
    };
    let back = Direction {
        flags: None,
        packets: number("traffic.packets_in"),
        bytes: number("traffic.bytes_in").unwrap_or_default(),
    };
    let flow = Conversation {
        source: address("src_endpoint.ip")?,
        target: address("dst_endpoint.ip")?,
        source_port: port("src_endpoint.port")?,
        target_port: port("dst_endpoint.port")?,
        protocol,
        icmp_type: if protocol == Protocol::Icmpv6 { 128 } else { 8 },
        there,
        back,
        turned: false,
        refused,
    };
    if let Some(process) = process(flat, "actor.process.") {
        let log_source = match is_windows(flat, &process) {
            true => LogSource::OcsfWindowsNetwork,
            false => LogSource::OcsfLinuxNetwork,
        };
        let actor = actor(flat, Some(process));
        let network = Activity::Network(of_host(flat, &flow));
        return Ok(event(time(flat, &EVENT_TIME)?, offset, log_source, actor, network));
    }
    let start = time(flat, &FLOW_START)?;
    let record = Record { offset, ..Record::default() };
    let both = back.packets.is_some();
    Ok(match (vpc, both) {
        (true, _) => Told::OneWay(LogSource::AwsVpcFlow, OneWay { start, flow, record }),
        (false, false) => Told::OneWay(LogSource::OcsfFlow, OneWay { start, flow, record }),
        (false, true) => match flow.network() {
            Some(network) => {
                let network = Network { outcome: by_activity(flat, network.outcome), ..network };
                let event = flow::event(LogSource::OcsfFlow, start, record, network);
                Told::Event(Box::new(event))
            }
            None => Told::Nothing,
        },
    })
}

/// The attempt that a host's sensor tells of.
fn of_host(flat: &Flat<'_>, flow: &Conversation) -> Network {
    // A connection that came in is the other side's attempt; the sensor's side is the target then,
    // whichever end of the event it is.
    let inbound = flat.get("connection_info.direction_id") == Some("1");
    let technique = match flow.protocol {
        Protocol::Udp => Technique::Udp,
        Protocol::Tcp => Technique::Connect,
        _ => Technique::Unknown,
    };
    let outcome = match flow.refused {
        true => Outcome::Refused,
        false => by_activity(flat, Outcome::Unknown),
    };
    Network {
        source: flow.source,
        target: flow.target,
        source_port: flow.source_port,
        target_port: flow.target_port,
        protocol: flow.protocol,
        // The process that is named accepted it, so that it is not the one that asked.
        initiator: if inbound { Initiator::Unknown } else { Initiator::Source },
        outcome,
        technique,
    }
}

/// What came of an attempt by the event's activity; what is known otherwise where that says nothing.
fn by_activity(flat: &Flat<'_>, known: Outcome) -> Outcome {
    let failed = flat.get("status_id") == Some("2");
    match flat.get("activity_id") {
        Some("1") if !failed => Outcome::Open,
        Some("4") => Outcome::Unanswered,
        Some("5") => Outcome::Refused,
        Some("6") if !failed && known == Outcome::Unknown => Outcome::Served,
        _ if failed && known == Outcome::Unknown => Outcome::Unanswered,
        _ => known,
    }
}

fn dns_activity(flat: &Flat<'_>, offset: u64) -> Result<Told, &'static str> {
    let Some(name) = flat.get("query.hostname") else { return Ok(Told::Nothing) };
    let address = |path: &str| flat.number::<Address>(path).unwrap_or(Address::UNSPECIFIED);
    let query_type = flat.get("query.type").and_then(query_type);
    let dns = Dns {
        source: address("src_endpoint.ip"),
        target: address("dst_endpoint.ip"),
        source_port: flat.number("src_endpoint.port").unwrap_or_default(),
        target_port: flat.number("dst_endpoint.port").unwrap_or_default(),
        name: name.trim_end_matches('.').into(),
        query_type,
        outcome: match flat.get("rcode_id") {
            Some("0") => Outcome::Served,
            Some(_) => Outcome::Refused,
            None => Outcome::Unknown,
        },
    };
    let process = process(flat, "actor.process.");
    let log_source = match &process {
        Some(process) if is_windows(flat, process) => LogSource::OcsfWindowsNetwork,
        Some(_) => LogSource::OcsfLinuxNetwork,
        None => LogSource::OcsfDns,
    };
    let actor = actor(flat, process);
    Ok(event(time(flat, &EVENT_TIME)?, offset, log_source, actor, Activity::Dns(Box::new(dns))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_spelling_are_read() {
        let expected = Timestamp::parse_rfc3339("2025-07-11T15:26:24Z");
        assert!(expected.is_some());
        for text in [
            "1752247584000",
            "1752247584",
            "1752247584000000",
            "2025-07-11 15:26:24+00:00",
            "2025-07-11T15:26:24.000Z",
            "2025/07/11T15:26:24.000",
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
        assert_eq!(moment("yesterday"), None);
    }
}
