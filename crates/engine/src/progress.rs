//! What a hunt tells whoever waits for it.

/// Is told how far a hunt is; called from every worker.
pub trait Progress: Sync {
    /// The hunt found its inputs: this many bytes as they lie on disk, before decompression.
    fn found(&self, bytes: u64);
    /// A worker read this many more bytes from disk.
    fn read(&self, bytes: u64);
    /// All inputs are decoded; this many events are judged now.
    fn judging(&self, events: u64);
    /// Values are weighed against so many known attacks now.
    fn weighing(&self, attacks: u64);
    /// So many more events are judged, or attacks weighed against.
    fn judged(&self, more: u64);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn found(&self, _: u64) {}
    fn read(&self, _: u64) {}
    fn judging(&self, _: u64) {}
    fn weighing(&self, _: u64) {}
    fn judged(&self, _: u64) {}
}
