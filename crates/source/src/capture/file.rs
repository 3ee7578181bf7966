//! The framing of capture files: where each packet lies, when it was taken, of which link type.

use lapwing_event::Timestamp;

use super::bytes::Endian;
use super::{classic, ng};
use crate::{Decoded, Problem};

/// The longest packet that is taken for one, in bytes, unless the file header announces more:
/// libpcap's MAXIMUM_SNAPLEN (pcap-int.h), which its readers enforce too.
pub(super) const LONGEST_PACKET: usize = 262_144;

/// One packet as the file holds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// The link type by its number in the tcpdump.org list.
    pub(super) link: u32,
    /// When it was taken; `None` where the record has no time or one that cannot be.
    pub(super) time: Option<Timestamp>,
    /// Whether the record has a time field at all (a simple packet block has none).
    pub(super) timed: bool,
    /// The captured bytes.
    pub(super) data: &'a [u8],
}

/// What the next bytes of a file are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// The record is cut off: more bytes are needed, or the input ends inside it.
    More,
    /// So many bytes are done with (at least one), and held no packet.
    Skip(usize),
    /// A packet, and how many bytes its record takes.
    Packet(Frame<'a>, usize),
}

/// Reads the framing of one file: classic pcap or pcapng, told apart by their first bytes.
#[derive(Debug)]
pub(super) enum File {
    /// No header was seen yet.
    Start,
    /// Classic pcap.
    Classic(classic::Classic),
    /// pcapng.
    Ng(ng::Ng),
    /// It is neither: its bytes are passed over.
    Neither,
}

impl File {
    /// Tells what the next bytes are, which begin `offset` bytes into the input. `last` says that
    /// no more will come.
    pub(super) fn step<'a>(
        &mut self,
        bytes: &'a [u8],
        offset: u64,
        last: bool,
        out: &mut Decoded,
    ) -> Step<'a> {
        match self {
            File::Classic(classic) => classic.step(bytes, offset, last, out),
            File::Ng(ng) => ng.step(bytes, offset, last, out),
            File::Neither if bytes.is_empty() => Step::More,
            File::Neither => Step::Skip(bytes.len()),
            File::Start => self.start(bytes, offset, out),
        }
    }

    fn start<'a>(&mut self, bytes: &'a [u8], offset: u64, out: &mut Decoded) -> Step<'a> {
        let Some(magic) = Endian::Big.u32(bytes, 0) else {
            return Step::More;
        };
        if magic == ng::SECTION_HEADER {
            *self = File::Ng(ng::Ng::default());
            return self.step(bytes, offset, false, out);
        }
        if !classic::is_magic(magic) {
            out.note(Problem::Malformed, "no capture header", offset, || {
                format!("expected a pcap or pcapng magic number, found {magic:08x}")
            });
            *self = File::Neither;
            return Step::Skip(bytes.len());
        }
        match classic::Classic::from_header(bytes) {
            Some(classic) => {
                *self = File::Classic(classic);
                Step::Skip(classic::HEADER)
            }
            None => Step::More,
        }
    }
}
