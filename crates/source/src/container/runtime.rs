//! What container runtimes tell of their containers: Docker's and containerd's events, and what
//! `docker inspect`, `crictl ps`, `crictl inspect`, `crictl inspectp` and `crictl pods` list.
//!
//! Sensors that do not ask the cluster know a process's container by its id alone; here is which pod,
//! namespace and image that is.
//!
//! <https://docs.docker.com/reference/cli/docker/system/events/>,
//! <https://github.com/containerd/containerd/blob/main/docs/ops.md>,
//! <https://github.com/kubernetes/cri-api>

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Binding, Container, Event, Holder, LogSource, Record, Timestamp,
};

use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, LineFormat, Lines, Problem};

/// The labels by which a runtime's container tells its pod.
const POD: &str = "io.kubernetes.pod.name";
const NAMESPACE: &str = "io.kubernetes.pod.namespace";
const NAME: &str = "io.kubernetes.container.name";

/// How many networks of a container are looked at.
const MAX_NETWORKS: usize = 16;

/// Whether the input begins with a runtime's event or listing.
pub(crate) fn is_json(head: &[u8]) -> bool {
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    let docker = has(b"\"Actor\"") && has(b"\"Attributes\"") && has(b"\"Action\"");
    let containerd = has(b"\"Topic\"") && has(b"\"Namespace\"") && has(b"\"Timestamp\"");
    let crictl = has(b"\"podSandboxId\"") || has(b"\"SANDBOX_") || has(b"\"CONTAINER_");
    let inspect = has(b"\"Id\"") && has(b"\"Config\"") && has(b"\"NetworkSettings\"");
    let start = crate::json::start(head);
    matches!(start.first(), Some(b'{' | b'['))
        && (docker || containerd || (crictl && has(b"\"metadata\"")) || inspect)
}

/// Whether the input begins with a line of `ctr events`.
pub(crate) fn is_text(head: &[u8]) -> bool {
    String::from_utf8(super::first_line(head).to_vec()).is_ok_and(|line| Line::of(&line).is_some())
}

/// A decoder of JSON.
pub(crate) fn json_decoder() -> Box<dyn Decoder> {
    Box::new(Objects::with_lists(Runtime, &["containers", "items"]))
}

/// A decoder of `ctr events`.
pub(crate) fn text_decoder() -> Box<dyn Decoder> {
    Box::new(Lines::new(Runtime))
}

struct Runtime;

impl ObjectFormat for Runtime {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        let told = if flat.has("Actor.Attributes.") {
            docker_event(flat)
        } else if let (Some(topic), Some(inner)) = (flat.get("Topic"), flat.get("Event")) {
            let time = flat.get("Timestamp").and_then(Timestamp::parse_rfc3339);
            containerd(topic, inner.as_bytes(), time.ok_or("Timestamp"))
        } else if flat.has("NetworkSettings.") {
            docker_inspect(flat)
        } else {
            cri(flat)
        };
        give(told, offset, out);
    }
}

impl LineFormat for Runtime {
    fn line(&mut self, line: &[u8], offset: u64, out: &mut Decoded) {
        let text = String::from_utf8_lossy(line);
        if text.trim().is_empty() {
            return;
        }
        out.records += 1;
        let told = match Line::of(&text) {
            Some(Line { time, topic, object }) => containerd(topic, object.as_bytes(), Ok(time)),
            None => Err("the time"),
        };
        give(told, offset, out);
    }

    fn end(&mut self, _: &mut Decoded) {}
}

/// Gives out what one record tells; of most it is nothing.
fn give(told: Result<Option<Told>, &'static str>, offset: u64, out: &mut Decoded) {
    match told {
        Ok(Some(Told { from, until, actor, address })) => {
            let address = address.unwrap_or(Address::UNSPECIFIED);
            let binding = Binding { address, holder: Holder::Pod, name: None, until };
            out.events.push(Event {
                time: from,
                record: Record { offset, ..Record::default() },
                log_source: LogSource::ContainerRuntime,
                actor: Some(Arc::new(actor)),
                activity: Activity::Binding(Box::new(binding)),
            });
        }
        Ok(None) => out.note_times(Problem::Note, "events not used", offset, 1),
        Err(field) => {
            out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                format!("{field} is missing or holds something else")
            });
        }
    }
}

/// What a record tells of a container.
struct Told {
    from: Timestamp,
    until: Option<Timestamp>,
    actor: Actor,
    address: Option<Address>,
}

impl Told {
    fn of(from: Timestamp, container: Container) -> Told {
        let actor = Actor { container: Some(Arc::new(container)), ..Actor::default() };
        Told { from, until: None, actor, address: None }
    }
}

/// A container by these fields, with what the labels under a path tell.
fn labelled(
    flat: &Flat<'_>,
    labels: &str,
    id: &str,
    name: Option<&str>,
    image: Option<&str>,
) -> Container {
    let label = |key: &str| flat.get(&format!("{labels}{key}"));
    // A digest is not what anybody calls an image.
    let image = image.filter(|image| !image.starts_with("sha256:"));
    Container {
        id: Some(id.into()),
        name: label(NAME).or(name).map(Box::from),
        image: image.map(Box::from),
        namespace: label(NAMESPACE).map(Box::from),
        pod: label(POD).map(Box::from),
    }
}

fn docker_event(flat: &Flat<'_>) -> Result<Option<Told>, &'static str> {
    let action = flat.get("Action").or_else(|| flat.get("status"));
    let is_container = flat.get("Type").is_none_or(|of| of == "container");
    if !is_container || !matches!(action, Some("create" | "start")) {
        return Ok(None);
    }
    let id = flat.first(&["Actor.ID", "id"]).ok_or("Actor.ID")?;
    let seconds = || flat.number("time").and_then(Timestamp::from_seconds);
    let from = flat.number("timeNano").map(Timestamp).or_else(seconds).ok_or("timeNano")?;
    let of = |key: &str| flat.get(&format!("Actor.Attributes.{key}"));
    let image = of("image").or_else(|| flat.get("from"));
    Ok(Some(Told::of(from, labelled(flat, "Actor.Attributes.", id, of("name"), image))))
}

fn docker_inspect(flat: &Flat<'_>) -> Result<Option<Told>, &'static str> {
    let id = flat.get("Id").ok_or("Id")?;
    let time = |path: &str| flat.get(path).and_then(Timestamp::parse_rfc3339);
    // What never started or never ended has year 1.
    let real = |time: &Timestamp| time.0 > 0;
    let from = time("State.StartedAt").filter(real).or_else(|| time("Created")).ok_or("Created")?;
    let name = flat.get("Name").map(|name| name.trim_start_matches('/'));
    let image = flat.get("Config.Image");
    let own = flat.get("NetworkSettings.IPAddress");
    let networks = flat.under("NetworkSettings.Networks.").take(MAX_NETWORKS * 32);
    let theirs = networks.filter(|(path, _)| path.ends_with(".IPAddress")).map(|(_, text)| text);
    let address = own.into_iter().chain(theirs).find_map(|text| text.parse().ok());
    Ok(Some(Told {
        until: time("State.FinishedAt").filter(|until| *until > from),
        address,
        ..Told::of(from, labelled(flat, "Config.Labels.", id, name, image))
    }))
}

/// What the CRI tells of a container or of a pod's sandbox, alone or within `status`.
fn cri(flat: &Flat<'_>) -> Result<Option<Told>, &'static str> {
    let within = if flat.has("status.") { "status." } else { "" };
    let get = |path: &str| flat.get(&format!("{within}{path}"));
    let Some(id) = get("id") else { return Ok(None) };
    // Nanoseconds in listings, RFC 3339 in inspections.
    let time = |path: &str| {
        let text = get(path)?;
        text.parse().ok().map(Timestamp).or_else(|| Timestamp::parse_rfc3339(text))
    };
    let from = time("createdAt").ok_or("createdAt")?;
    let labels = format!("{within}labels.");
    let sandbox = get("metadata.namespace").is_some();
    let name = get("metadata.name").filter(|_| !sandbox);
    let image = get("image.userSpecifiedImage").or_else(|| get("image.image"));
    let mut container = labelled(flat, &labels, id, name, image);
    if sandbox {
        container.namespace = get("metadata.namespace").map(Box::from);
        container.pod = get("metadata.name").map(Box::from);
    }
    let ended = time("finishedAt").filter(|until| *until > from);
    Ok(Some(Told {
        until: ended.filter(|_| !sandbox),
        address: get("network.ip").and_then(|text| text.parse().ok()),
        ..Told::of(from, container)
    }))
}

/// An event of containerd: of them only a container's creation tells more than its id.
fn containerd(
    topic: &str,
    object: &[u8],
    time: Result<Timestamp, &'static str>,
) -> Result<Option<Told>, &'static str> {
    if topic != "/containers/create" {
        return Ok(None);
    }
    let flat = Flat::read(object).map_err(|_| "the event")?;
    let id = flat.get("id").ok_or("id")?;
    let image = flat.get("image");
    if image.is_none() {
        return Ok(None);
    }
    Ok(Some(Told::of(time?, labelled(&flat, "labels.", id, None, image))))
}

/// `2024-12-11 05:54:19.191684944 +0000 UTC k8s.io /containers/create {…}`.
struct Line<'l> {
    time: Timestamp,
    topic: &'l str,
    object: &'l str,
}

impl Line<'_> {
    fn of(line: &str) -> Option<Line<'_>> {
        let mut parts = line.trim_start_matches('\u{feff}').trim().splitn(7, ' ');
        let mut next = || parts.next();
        let (day, clock, offset) = (next()?, next()?, next()?);
        let (_zone, _namespace, topic, object) = (next()?, next()?, next()?, next()?);
        // `+0100` as RFC 3339 has it.
        let (hours, minutes) = offset.split_at_checked(3)?;
        let time = Timestamp::parse_rfc3339(&format!("{day}T{clock}{hours}:{minutes}"))?;
        (topic.starts_with('/') && object.starts_with('{')).then_some(Line { time, topic, object })
    }
}
