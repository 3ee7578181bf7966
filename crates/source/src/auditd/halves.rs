//! Events that an edge of the file cut apart: auditd begins a new file (`max_log_file_action = rotate`)
//! between any two records.

use super::assemble::AuditEvent;
use super::nodes::Nodes;
use super::record::Kind;
use super::syscalls::Call;
use super::{call_of, translate};
use crate::{Decoded, Half};

/// The most halves that are given out of one input: at either edge lie the records of as many events
/// as processors write at once.
const MAX_HALVES: usize = 256;

/// Gives out an event as a half, where records of it are missing that every such event has.
pub(super) fn note(event: &AuditEvent, nodes: &Nodes, out: &mut Decoded) {
    if event.shed || out.halves.len() >= MAX_HALVES {
        return;
    }
    let has = |kind| event.record(kind).is_some();
    let noted = match event.record(Kind::Syscall).map(call_of) {
        Some(Some((_, Call::Exec))) if !has(Kind::Execve) => None,
        Some(Some((_, Call::Connect))) if !has(Kind::Sockaddr) => Some(translate::WITHOUT_ADDRESS),
        None if has(Kind::Execve) || has(Kind::Sockaddr) => Some(translate::WITHOUT_CALL),
        _ => return,
    };
    let seconds = event.time.0.div_euclid(1_000_000_000);
    let millis = event.time.0.rem_euclid(1_000_000_000) / 1_000_000;
    let stamp = format!("audit({seconds}.{millis:03}:{})", event.serial);
    let node = nodes.name(event.node);
    let mut bytes = Vec::new();
    for (kind, body) in event.all() {
        let Some(name) = kind.name() else { continue };
        if let Some(node) = node {
            bytes.extend(format!("node={node} ").bytes());
        }
        bytes.extend(format!("type={name} msg={stamp}:").bytes());
        bytes.extend_from_slice(body);
        bytes.push(b'\n');
    }
    out.halves.push(Half {
        key: format!("{} {stamp}", node.map_or("", |node| node)).into(),
        leads: has(Kind::Syscall),
        offset: event.offset,
        bytes,
        noted,
    });
}
