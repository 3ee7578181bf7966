//! Kubernetes' own objects as `kubectl get pods,nodes,services -A -o json` lists them, one by one a line,
//! or as `--watch` and audit exports wrap them: whose an address is, and since when.
//!
//! A pod has its addresses from its start to its end. What has ended keeps its address in the listing
//! though another pod may have it by now, so that its end is read from its containers'. Pods of the
//! host's network have their node's address, which is the node's.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Binding, Container, Event, Holder, LogSource, Record, Timestamp,
};

use crate::json::{Flat, ObjectFormat, Objects};
use crate::{Decoded, Decoder, Problem};

/// How many containers of a pod, of each kind, and how many addresses of one object are looked at: pods
/// have a handful of either.
const MAX_PARTS: usize = 64;

/// Whether the input begins with such an object, or a list of them.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    let kinds: [&[u8]; 7] = [
        b"\"containerStatuses\"",
        b"\"podIP\"",
        b"\"hostIP\"",
        b"\"nodeName\"",
        b"\"nodeInfo\"",
        b"\"clusterIP\"",
        b"\"PodList\"",
    ];
    matches!(crate::json::start(head).first(), Some(b'{' | b'['))
        && has(b"\"apiVersion\"")
        && has(b"\"metadata\"")
        && kinds.into_iter().any(has)
        // The API server's audit log has objects within its requests.
        && !has(b"\"auditID\"")
}

/// A decoder of objects and lists.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::with_lists(Listing, &["items"]))
}

struct Listing;

impl ObjectFormat for Listing {
    fn object(&mut self, flat: &Flat<'_>, offset: u64, out: &mut Decoded) {
        // A watch wraps each object in what became of it.
        let within = if flat.has("object.metadata.") { "object." } else { "" };
        let object = Object { flat, within };
        let told = match object.kind() {
            Kind::Pod => object.pod(),
            Kind::Node => object.node(),
            Kind::Service => object.service(),
            Kind::Other => Ok(Told::Nothing("Kubernetes objects of other kinds")),
        };
        match told {
            Ok(Told::Bindings(from, bindings)) => {
                out.events.extend(bindings.into_iter().map(|(actor, binding)| Event {
                    time: from,
                    record: Record { offset, ..Record::default() },
                    log_source: LogSource::Kubernetes,
                    actor: Some(actor),
                    activity: Activity::Binding(Box::new(binding)),
                }));
            }
            Ok(Told::Nothing(why)) => out.note_times(Problem::Note, why, offset, 1),
            Err(field) => {
                out.note(Problem::Malformed, "fields do not fit their names", offset, || {
                    format!("{field} is missing or holds something else")
                });
            }
        }
    }
}

/// What one object tells.
enum Told {
    /// Who holds what, from this moment on.
    Bindings(Timestamp, Vec<(Arc<Actor>, Binding)>),
    /// Nothing, and why.
    Nothing(&'static str),
}

enum Kind {
    Pod,
    Node,
    Service,
    Other,
}

struct Object<'f, 'a> {
    flat: &'f Flat<'a>,
    within: &'static str,
}

impl Object<'_, '_> {
    fn get(&self, path: &str) -> Option<&str> {
        self.flat.get(&format!("{}{path}", self.within))
    }

    fn time(&self, path: &str) -> Option<Timestamp> {
        self.get(path).and_then(Timestamp::parse_rfc3339)
    }

    fn address(&self, path: &str) -> Option<Address> {
        self.get(path).and_then(|text| text.parse().ok())
    }

    /// The addresses at this path with `*` for each number from 0 on.
    fn addresses(&self, path: &str) -> Vec<Address> {
        let paths = (0..MAX_PARTS).map(|at| path.replace('*', &at.to_string()));
        paths.map_while(|path| self.get(&path).map(str::to_owned)).filter_map(parsed).collect()
    }

    /// Its kind. The items of a list that the API server gave itself do not tell theirs.
    fn kind(&self) -> Kind {
        let has = |path: &str| self.flat.has(&format!("{}{path}", self.within));
        match self.get("kind") {
            Some("Pod") => Kind::Pod,
            Some("Node") => Kind::Node,
            Some("Service") => Kind::Service,
            Some(_) => Kind::Other,
            None if has("spec.containers.") => Kind::Pod,
            None if has("status.nodeInfo.") => Kind::Node,
            None if has("spec.clusterIP") => Kind::Service,
            None => Kind::Other,
        }
    }

    fn pod(&self) -> Result<Told, &'static str> {
        let name = self.get("metadata.name").ok_or("metadata.name")?;
        let Some(from) = self.time("status.startTime") else {
            return Ok(Told::Nothing("pods that no node had started"));
        };
        let containers = self.containers();
        let until = match self.get("status.phase") {
            Some("Succeeded" | "Failed") => match self.finished() {
                Some(finished) => Some(finished),
                None => return Ok(Told::Nothing("pods that ended at a time that is not told")),
            },
            _ => self.time("metadata.deletionTimestamp"),
        };
        let device: Option<Arc<str>> = self.get("spec.nodeName").map(Arc::from);
        let pod = |id: Option<&str>, name_of: Option<&str>, image: Option<Box<str>>| Actor {
            device: device.clone(),
            process: None,
            container: Some(Arc::new(Container {
                id: id.map(Box::from),
                name: name_of.map(Box::from),
                image,
                namespace: self.get("metadata.namespace").map(Box::from),
                pod: Some(name.into()),
            })),
        };
        let mut bindings = Vec::new();
        for Part { id, name, image } in &containers {
            let actor = Arc::new(pod(*id, *name, image.map(Box::from)));
            if id.is_some() {
                // An id is of one container for ever.
                bindings.push((actor, binding(Address::UNSPECIFIED, Holder::Pod, None)));
            }
        }
        let host = self.address("status.hostIP");
        if self.get("spec.hostNetwork") != Some("true") {
            let actor = Arc::new(match containers.as_slice() {
                [Part { id, name, image }] => pod(*id, *name, image.map(Box::from)),
                several => pod(None, None, images(several)),
            });
            for address in self.pod_addresses().into_iter().filter(|own| Some(*own) != host) {
                bindings.push((Arc::clone(&actor), binding(address, Holder::Pod, until)));
            }
        }
        if let (Some(address), Some(_)) = (host, &device) {
            let node = Arc::new(Actor { device: device.clone(), ..Actor::default() });
            bindings.push((node, binding(address, Holder::Node, None)));
        }
        Ok(Told::Bindings(from, bindings))
    }

    fn pod_addresses(&self) -> Vec<Address> {
        let mut all = self.addresses("status.podIPs.*.ip");
        all.extend(self.address("status.podIP").filter(|one| !all.contains(one)));
        all
    }

    /// The containers that ran in the pod, those that ended before others included.
    fn containers(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        for path in self.statuses() {
            let get = |key: &str| self.get(&format!("{path}.{key}"));
            let (name, image) = (get("name"), get("image"));
            let id = get("containerID").and_then(super::container_id);
            parts.push(Part { id, name, image });
            let before = get("lastState.terminated.containerID").and_then(super::container_id);
            if before.is_some() && before != id {
                parts.push(Part { id: before, name, image });
            }
        }
        parts
    }

    /// Where the statuses of its containers lie.
    fn statuses(&self) -> impl Iterator<Item = String> {
        let kinds = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
        kinds.into_iter().flat_map(move |kind| {
            let paths = (0..MAX_PARTS).map(move |at| format!("status.{kind}.{at}"));
            paths.take_while(|path| self.get(&format!("{path}.name")).is_some())
        })
    }

    /// When the last of its containers ended.
    fn finished(&self) -> Option<Timestamp> {
        let at = |path: String| self.time(&format!("{path}.state.terminated.finishedAt"));
        self.statuses().filter_map(at).max()
    }

    fn node(&self) -> Result<Told, &'static str> {
        let name: Arc<str> = self.get("metadata.name").map(Arc::from).ok_or("metadata.name")?;
        let from = self.time("metadata.creationTimestamp").ok_or("metadata.creationTimestamp")?;
        let actor = Arc::new(Actor { device: Some(name), ..Actor::default() });
        // Host names among them are no addresses.
        let paths = (0..MAX_PARTS).map(|at| format!("status.addresses.{at}.address"));
        let told = paths.map_while(|path| self.get(&path).map(str::to_owned));
        let bindings = told
            .filter_map(parsed)
            .map(|address| (Arc::clone(&actor), binding(address, Holder::Node, None)));
        Ok(Told::Bindings(from, bindings.collect()))
    }

    fn service(&self) -> Result<Told, &'static str> {
        let name = self.get("metadata.name").ok_or("metadata.name")?;
        let from = self.time("metadata.creationTimestamp").ok_or("metadata.creationTimestamp")?;
        let container = Container {
            namespace: self.get("metadata.namespace").map(Box::from),
            ..Container::default()
        };
        let actor = Arc::new(Actor { container: Some(Arc::new(container)), ..Actor::default() });
        let mut all = self.addresses("spec.clusterIPs.*");
        all.extend(self.address("spec.clusterIP").filter(|one| !all.contains(one)));
        all.extend(self.addresses("spec.externalIPs.*"));
        all.extend(self.addresses("status.loadBalancer.ingress.*.ip"));
        let until = self.time("metadata.deletionTimestamp");
        let bindings = all.into_iter().map(|address| {
            let named =
                Binding { name: Some(name.into()), ..binding(address, Holder::Service, until) };
            (Arc::clone(&actor), named)
        });
        Ok(Told::Bindings(from, bindings.collect()))
    }
}

/// A container of a pod.
struct Part<'f> {
    id: Option<&'f str>,
    name: Option<&'f str>,
    image: Option<&'f str>,
}

/// The images of several containers as one text.
fn images(parts: &[Part<'_>]) -> Option<Box<str>> {
    let mut all: Vec<&str> = parts.iter().filter_map(|part| part.image).collect();
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then(|| all.join(", ").into())
}

fn parsed(text: String) -> Option<Address> {
    text.parse().ok()
}

fn binding(address: Address, holder: Holder, until: Option<Timestamp>) -> Binding {
    Binding { address, holder, name: None, until }
}
