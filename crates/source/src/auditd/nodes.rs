//! The computers whose records one input holds, by the name that `node=` gives them.

use std::collections::HashMap;
use std::sync::Arc;

use super::record::text;

/// The most nodes that one input may name; each costs its name.
const MAX_NODES: usize = 1 << 16;

/// The longest node name in bytes, that of a domain name (RFC 1035).
const MAX_NODE_NAME: usize = 255;

/// A node by its place in the table; 0 is that of records without `node=`.
pub(super) type NodeId = u32;

/// The nodes of an input by name.
#[derive(Debug)]
pub(super) struct Nodes {
    ids: HashMap<Arc<str>, NodeId>,
    names: Vec<Option<Arc<str>>>,
    last: NodeId,
}

impl Nodes {
    pub fn new() -> Nodes {
        Nodes { ids: HashMap::new(), names: vec![None], last: 0 }
    }

    /// The node of this name; `None` where the table is full or the name too long.
    pub fn id(&mut self, name: Option<&[u8]>) -> Option<NodeId> {
        let Some(name) = name else { return Some(0) };
        if self.name(self.last).is_some_and(|last| last.as_bytes() == name) {
            return Some(self.last);
        }
        if name.len() > MAX_NODE_NAME {
            return None;
        }
        let text = text(name);
        let id = match self.ids.get(&*text) {
            Some(id) => *id,
            None if self.names.len() >= MAX_NODES => return None,
            None => {
                let id = NodeId::try_from(self.names.len()).ok()?;
                let name: Arc<str> = text.into();
                self.ids.insert(Arc::clone(&name), id);
                self.names.push(Some(name));
                id
            }
        };
        self.last = id;
        Some(id)
    }

    /// A node's name.
    pub fn name(&self, id: NodeId) -> Option<&Arc<str>> {
        self.names.get(id as usize)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_places_and_bounds() {
        let mut nodes = Nodes::new();
        let (a, b) = (nodes.id(Some(b"a")).unwrap(), nodes.id(Some(b"b")).unwrap());
        assert_eq!(
            [nodes.id(None), nodes.id(Some(b"a")), nodes.id(Some(b"b"))],
            [Some(0), Some(a), Some(b)]
        );
        assert_eq!(nodes.name(b).map(|name| &**name), Some("b"));
        assert_eq!(nodes.name(0), None);
        assert_eq!(nodes.id(Some(&[b'n'; MAX_NODE_NAME + 1])), None);
        for number in 0..MAX_NODES + 10 {
            nodes.id(Some(number.to_string().as_bytes()));
        }
        assert_eq!(nodes.names.len(), MAX_NODES);
        assert_eq!(nodes.id(Some(b"one more")), None);
        assert_eq!(nodes.id(Some(b"a")), Some(a));
    }
}
