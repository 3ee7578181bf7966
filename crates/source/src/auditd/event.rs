//! One audit event: the records of one system call.

use lapwing_event::Timestamp;

use super::nodes::NodeId;
use super::record::Kind;

/// The most bytes of records that are kept of one event. An EXECVE can run to 4 MiB in hex; 64 KiB
/// hold every command line of the corpora, the longest of which was made to be long.
pub(super) const MAX_EVENT_BYTES: usize = 64 << 10;

/// The most records that are kept of one event: the kernel cuts EXECVE at about 7,500 bytes, so
/// that this many fill [`MAX_EVENT_BYTES`] several times over.
const MAX_RECORDS: usize = 64;

/// One system call with all its records, as bytes.
#[derive(Debug)]
pub(super) struct AuditEvent {
    pub node: NodeId,
    pub time: Timestamp,
    /// Its number, which with its time and node is its name.
    pub serial: u64,
    /// The offset of its SYSCALL record, or of its first one while that is missing.
    pub offset: u64,
    /// Something was left out for want of room.
    pub shed: bool,
    /// The bodies of its records, one after the other.
    bytes: Vec<u8>,
    /// The kind of each, and where it ends in `bytes`.
    parts: Vec<(Kind, usize)>,
}

impl AuditEvent {
    /// An event without records yet, in the buffers of a spare one.
    pub fn opened(
        node: NodeId,
        time: Timestamp,
        serial: u64,
        offset: u64,
        spare: Option<AuditEvent>,
    ) -> AuditEvent {
        let (mut bytes, mut parts) =
            spare.map_or_else(Default::default, |spare| (spare.bytes, spare.parts));
        bytes.clear();
        parts.clear();
        AuditEvent { node, time, serial, offset, shed: false, bytes, parts }
    }

    /// Adds a record; what there is no room for is left out.
    pub fn add(&mut self, kind: Kind, offset: u64, body: &[u8]) {
        if kind == Kind::Syscall && !self.has(Kind::Syscall) {
            self.offset = offset;
        }
        let room = MAX_EVENT_BYTES.saturating_sub(self.bytes.len());
        if self.parts.len() >= MAX_RECORDS || room == 0 {
            self.shed = true;
            return;
        }
        let kept = body.get(..room).unwrap_or(body);
        self.shed |= kept.len() < body.len();
        self.bytes.extend_from_slice(kept);
        self.parts.push((kind, self.bytes.len()));
    }

    /// Whether it has one record of every kind that an execve or a connect brings.
    pub fn is_complete(&self) -> bool {
        self.has(Kind::Syscall)
            && self.has(Kind::Proctitle)
            && (self.has(Kind::Sockaddr) || self.has(Kind::Execve))
    }

    fn has(&self, kind: Kind) -> bool {
        self.parts.iter().any(|part| part.0 == kind)
    }

    /// The bodies of the records of one kind, in the order in which they came.
    pub fn records(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.parts.iter().filter_map(move |&(of, end)| {
            let body = self.bytes.get(start..end);
            start = end;
            body.filter(|_| of == kind)
        })
    }

    /// Its records in the order in which they came.
    pub fn all(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let mut start = 0;
        self.parts.iter().filter_map(move |&(kind, end)| {
            let body = self.bytes.get(start..end);
            start = end;
            Some((kind, body?))
        })
    }

    /// The body of the first record of one kind.
    pub fn record(&self, kind: Kind) -> Option<&[u8]> {
        self.records(kind).next()
    }
}
