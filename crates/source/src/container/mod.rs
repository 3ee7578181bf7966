//! What runs in containers: eBPF sensors' process and connect events, Cilium's flows, and what clusters
//! and runtimes know of their pods.

pub(crate) mod falco;
pub(crate) mod hubble;
pub(crate) mod kubernetes;
pub(crate) mod runtime;
pub(crate) mod tetragon;
pub(crate) mod tracee;

use lapwing_event::Container;

use crate::json::Flat;

/// The container that these fields tell of; `None` where none of them holds anything.
fn container(
    flat: &Flat<'_>,
    id: &[&str],
    name: &[&str],
    image: &[&str],
    namespace: &[&str],
    pod: &[&str],
) -> Option<Container> {
    let text = |paths: &[&str]| flat.first(paths).filter(|text| *text != "<NA>").map(Box::from);
    let container = Container {
        id: flat.first(id).and_then(container_id).map(Box::from),
        name: text(name),
        image: text(image),
        namespace: text(namespace),
        pod: text(pod),
    };
    (container != Container::default()).then_some(container)
}

/// A container id without its runtime (`containerd://…`, `docker://…`); `None` for what stands for
/// the host itself.
fn container_id(text: &str) -> Option<&str> {
    let id = text.rsplit_once("://").map_or(text, |(_, id)| id);
    (!matches!(id, "" | "host" | "<NA>")).then_some(id)
}

/// The first line that holds anything, without a byte order mark.
fn first_line(head: &[u8]) -> &[u8] {
    let head = crate::json::start(head);
    head.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids_lose_their_runtime() {
        assert_eq!(container_id("containerd://3f1c9a"), Some("3f1c9a"));
        assert_eq!(container_id("3f1c9a"), Some("3f1c9a"));
        assert_eq!(container_id("host"), None);
        assert_eq!(container_id("<NA>"), None);
    }
}
