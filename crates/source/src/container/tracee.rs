//! Tracee's events in both of its shapes: the flat one of old, and v1beta1 with its workload.
//!
//! Its hooks lie before the connection is made, so that attempts are told of and their outcomes are
//! not. The process ids are those of the node, not of the container.
//!
//! <https://aquasecurity.github.io/tracee/latest/docs/outputs/event-structure/>

use std::collections::HashSet;
use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Arguments, Event, Initiator, LogSource, Network, Outcome, Parent,
    Process, ProcessActivity, Protocol, Record, Technique, Text, Timestamp,
};

use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, Problem};

/// How many programs that were put into containers are remembered; more are not told apart from those
/// of images.
const MAX_DROPPED: usize = 65_536;

/// Whether the input begins with an event of Tracee.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let line = crate::json::start(head);
    let has = |key: &[u8]| memchr::memmem::find(line, key).is_some();
    let legacy = has(b"\"eventName\"") && has(b"\"hostProcessId\"") && has(b"\"args\"");
    let current = has(b"\"workload\"") && has(b"\"policies\"") && has(b"\"data\"");
    line.starts_with(b"{") && (legacy || current)
}

/// A decoder of both shapes.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(Tracee { dropped: HashSet::new() }))
}

struct Tracee {
    /// Programs that were written into containers, by container and path.
    dropped: HashSet<(Box<str>, Text)>,
}

impl ObjectFormat for Tracee {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        match self.event(flat, offset) {
            Ok(Some(event)) => out.events.push(event),
            Ok(None) => out.note_times(Problem::Note, "events not used", offset, 1),
            Err(why) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || why);
            }
        }
    }
}

/// Where each shape has its fields.
struct Shape {
    name: &'static str,
    device: &'static str,
    pid: &'static str,
    guid: &'static str,
    start: &'static str,
    path: &'static str,
    comm: &'static str,
    user: &'static str,
    parent: &'static str,
    parent_guid: &'static str,
    container: [&'static [&'static str]; 5],
    /// The list of the event's own values.
    values: &'static str,
}

const LEGACY: Shape = Shape {
    name: "eventName",
    device: "hostName",
    pid: "hostProcessId",
    guid: "processEntityId",
    start: "threadStartTime",
    path: "executable.path",
    comm: "processName",
    user: "userId",
    parent: "hostParentProcessId",
    parent_guid: "parentEntityId",
    container: [
        &["container.id", "containerId"],
        &["container.name", "containerName"],
        &["container.image", "containerImage"],
        &["kubernetes.podNamespace", "podNamespace"],
        &["kubernetes.podName", "podName"],
    ],
    values: "args",
};

const CURRENT: Shape = Shape {
    name: "name",
    device: "workload.k8s.node.name",
    pid: "workload.process.host_pid.value",
    guid: "workload.process.unique_id",
    start: "workload.process.thread.start_time.seconds",
    path: "workload.process.executable.path",
    comm: "workload.process.thread.name",
    user: "workload.process.real_user.id.value",
    parent: "workload.process.ancestors.0.host_pid.value",
    parent_guid: "workload.process.ancestors.0.unique_id",
    container: [
        &["workload.container.id"],
        &["workload.container.name"],
        &["workload.container.image.name"],
        &["workload.pod.namespace.name", "workload.k8s.namespace.name"],
        &["workload.pod.name", "workload.k8s.pod.name"],
    ],
    values: "data",
};

impl Tracee {
    fn event(&mut self, flat: &Flat<'_>, offset: u64) -> Result<Option<Event>, String> {
        let shape = if flat.get("eventName").is_some() { &LEGACY } else { &CURRENT };
        let name = flat.get(shape.name).ok_or("the event's name is missing")?;
        let (log_source, activity) = match name {
            "sched_process_exec" => {
                (LogSource::TraceeProcess, Activity::Process(ProcessActivity::Launch))
            }
            "sched_process_exit" => {
                (LogSource::TraceeExit, Activity::Process(ProcessActivity::Exit))
            }
            "security_socket_connect" | "connect" | "net_tcp_connect" => {
                match attempt(flat, shape)? {
                    Some(network) => (LogSource::TraceeConnect, Activity::Network(network)),
                    None => return Ok(None),
                }
            }
            "dropped_executable" => {
                self.note_dropped(flat, shape);
                return Ok(None);
            }
            _ => return Ok(None),
        };
        let [id, name, image, namespace, pod] = shape.container;
        let mut process = process(flat, shape)?;
        process.added = self.is_dropped(flat, shape, &process);
        let actor = Actor {
            device: flat.get(shape.device).map(Arc::from),
            process: Some(process),
            container: super::container(flat, id, name, image, namespace, pod).map(Arc::new),
        };
        Ok(Some(Event {
            time: time(flat)?,
            record: Record { offset, ..Record::default() },
            log_source,
            actor: Some(Arc::new(actor)),
            activity,
        }))
    }

    /// Remembers a program that was written into a container.
    fn note_dropped(&mut self, flat: &Flat<'_>, shape: &Shape) {
        let container = flat.first(shape.container[0]);
        let path = ["path", "pathname"].iter().find_map(|name| told(flat, shape, name));
        if let (Some(container), Some(path)) = (container, path)
            && self.dropped.len() < MAX_DROPPED
        {
            self.dropped.insert((container.into(), path.into()));
        }
    }

    /// Whether a process runs a program that was written into its container before.
    fn is_dropped(&self, flat: &Flat<'_>, shape: &Shape, process: &Process) -> bool {
        let container = flat.first(shape.container[0]);
        match (container, &process.path) {
            (Some(container), Some(path)) if !self.dropped.is_empty() => {
                self.dropped.contains(&(container.into(), path.clone()))
            }
            _ => false,
        }
    }
}

/// Nanoseconds as one number, seconds and nanoseconds apart, or (in v1beta1 as its JSON encoder may
/// write it) RFC 3339.
fn time(flat: &Flat<'_>) -> Result<Timestamp, String> {
    let whole = flat.get("timestamp");
    let nanos = whole.and_then(|text| text.parse().ok()).map(Timestamp);
    let apart = || {
        let seconds = Timestamp::from_seconds(flat.number("timestamp.seconds")?)?;
        let nanos: i64 = flat.number("timestamp.nanos").unwrap_or_default();
        Some(Timestamp(seconds.0.checked_add(nanos)?))
    };
    nanos
        .or_else(apart)
        .or_else(|| whole.and_then(Timestamp::parse_rfc3339))
        .ok_or_else(|| "timestamp is missing or holds something else".to_string())
}

fn process(flat: &Flat<'_>, shape: &Shape) -> Result<Process, String> {
    let text = |path: &str| flat.get(path).map(Text::from);
    // An id of 0 tells nothing apart.
    let id = |path: &str| flat.get(path).filter(|id| *id != "0").map(Text::from);
    let parent_guid = id(shape.parent_guid);
    let parent_pid: Option<u32> = flat.number(shape.parent);
    let parent = (parent_guid.is_some() || parent_pid.is_some_and(|pid| pid > 0))
        .then(|| Box::new(Parent { pid: parent_pid, guid: parent_guid, ..Parent::default() }));
    let arguments = match value(flat, shape, "argv") {
        None => Arguments::NONE,
        Some(path) => {
            let list = match shape.values {
                "args" => format!("{path}.value."),
                _ => format!("{path}.str_array.value."),
            };
            flat.under(&list).map(|(_, argument)| argument).collect()
        }
    };
    let told_path = value(flat, shape, "pathname").and_then(|path| {
        flat.first(&[&format!("{path}.value"), &format!("{path}.str")]).map(Text::from)
    });
    let start = match shape.values {
        "args" => flat.number(shape.start).map(Timestamp),
        _ => flat.number(shape.start).and_then(Timestamp::from_seconds),
    };
    Ok(Process {
        pid: flat.number(shape.pid).ok_or_else(|| misfit(shape.pid))?,
        guid: id(shape.guid),
        start,
        path: text(shape.path).or(told_path),
        name: text(shape.comm),
        arguments,
        user: text(shape.user),
        parent,
        ..Process::default()
    })
}

fn misfit(path: &str) -> String {
    format!("{path} is missing or holds something else")
}

/// The path of the value of this name in the event's own list.
fn value(flat: &Flat<'_>, shape: &Shape, name: &str) -> Option<String> {
    // Its events have at most a dozen values.
    (0..32)
        .map(|at| format!("{}.{at}", shape.values))
        .find(|path| flat.get(&format!("{path}.name")) == Some(name))
}

/// The value of this name in the event's own list, whatever its type.
fn told<'f>(flat: &'f Flat<'_>, shape: &Shape, name: &str) -> Option<&'f str> {
    let path = value(flat, shape, name)?;
    ["value", "str", "int32", "uint32", "int64", "uint64"]
        .iter()
        .find_map(|kind| flat.get(&format!("{path}.{kind}")))
}

fn attempt(flat: &Flat<'_>, shape: &Shape) -> Result<Option<Network>, String> {
    let told = |name: &str| told(flat, shape, name);
    // net_tcp_connect tells its target by name, the hook of connect as a socket address.
    if let (Some(address), Some(port)) = (told("dst_ip").or(told("dst")), told("dst_port")) {
        let address: Address = address.parse().map_err(|_| misfit("dst_ip"))?;
        return Ok(Some(network(address, port.parse().map_err(|_| misfit("dst_port"))?, "")));
    }
    let Some(path) = ["remote_addr", "addr"].iter().find_map(|name| value(flat, shape, name))
    else {
        return Err(misfit("remote_addr"));
    };
    let field = |key: &str| {
        flat.first(&[&format!("{path}.value.{key}"), &format!("{path}.sockaddr.{key}")])
    };
    let (address, port) = match field("sa_family").unwrap_or_default() {
        "AF_INET" => (field("sin_addr"), field("sin_port")),
        "AF_INET6" => (field("sin6_addr"), field("sin6_port")),
        // Local and netlink sockets ask nothing of another host.
        _ => return Ok(None),
    };
    let address: Address =
        address.and_then(|text| text.parse().ok()).ok_or_else(|| misfit("sin_addr"))?;
    let port = port.and_then(|text| text.parse().ok()).ok_or_else(|| misfit("sin_port"))?;
    Ok(Some(network(address, port, told("type").unwrap_or_default())))
}

fn network(target: Address, target_port: u16, socket: &str) -> Network {
    let (protocol, technique) = match socket {
        "SOCK_DGRAM" => (Protocol::Udp, Technique::Udp),
        _ => (Protocol::Tcp, Technique::Connect),
    };
    Network {
        source: Address::UNSPECIFIED,
        target,
        source_port: 0,
        target_port,
        protocol,
        initiator: Initiator::Source,
        outcome: Outcome::Unknown,
        technique,
    }
}
