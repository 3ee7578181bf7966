//! Classic pcap (draft-ietf-opsawg-pcap): a header of 24 bytes, then records.

use lapwing_event::Timestamp;

use super::bytes::Endian;
use super::file::{Frame, LONGEST_PACKET, Step};
use crate::{Decoded, MAX_RECORD, Problem};

/// Bytes of the file header.
pub(super) const HEADER: usize = 24;
/// Microsecond records.
const MICROS: u32 = 0xa1b2_c3d4;
/// Nanosecond records.
const NANOS: u32 = 0xa1b2_3c4d;
/// Alexey Kuznetzov's libpcap patch of Red Hat 6: microseconds, and 8 more bytes of record header.
const MODIFIED: u32 = 0xa1b2_cd34;

/// How far apart, in seconds, the times of two records may lie for both to be believed while
/// looking for the next record after damage: a day, which real captures cross within one record
/// only when idle.
const RESYNC_SECONDS: u32 = 86_400;

/// Whether a file that begins with this number, read big-endian, is classic pcap.
pub(super) fn is_magic(magic: u32) -> bool {
    let is = |magic| matches!(magic, MICROS | NANOS | MODIFIED);
    is(magic) || is(magic.swap_bytes())
}

/// The state of reading one classic file.
#[derive(Debug)]
pub(super) struct Classic {
    endian: Endian,
    /// Nanoseconds in one unit of the sub-second field.
    unit: u32,
    record_header: usize,
    link: u32,
    longest: usize,
    /// A record made no sense: the next one that does is being looked for.
    lost: bool,
}

/// The fields of a record header.
struct RecordHeader {
    seconds: u32,
    fraction: u32,
    captured: usize,
    original: usize,
}

impl Classic {
    /// Reads the file header; `None` where it is cut off or its magic number is another's.
    pub(super) fn from_header(bytes: &[u8]) -> Option<Classic> {
        let header = bytes.get(..HEADER)?;
        let magic = Endian::Big.u32(header, 0)?;
        let (endian, magic) = match magic {
            MICROS | NANOS | MODIFIED => (Endian::Big, magic),
            swapped => (Endian::Little, swapped.swap_bytes()),
        };
        let snap = usize::try_from(endian.u32(header, 16)?).unwrap_or(usize::MAX);
        let record_header = if magic == MODIFIED { 24 } else { 16 };
        Some(Classic {
            endian,
            unit: if magic == NANOS { 1 } else { 1_000 },
            record_header,
            // The upper bits say whether, and how long, a frame check sequence follows.
            link: endian.u32(header, 20)? & 0xffff,
            longest: snap.clamp(LONGEST_PACKET, MAX_RECORD - record_header),
            lost: false,
        })
    }

    /// Tells what the next bytes are.
    pub(super) fn step<'a>(
        &mut self,
        bytes: &'a [u8],
        offset: u64,
        last: bool,
        out: &mut Decoded,
    ) -> Step<'a> {
        if self.lost {
            return self.resync(bytes, offset, last, out);
        }
        let Some(header) = self.header(bytes, 0) else {
            return Step::More;
        };
        if header.captured > self.longest {
            out.note(Problem::Malformed, "record of an impossible length", offset, || {
                format!(
                    "expected at most {} bytes, found {}; looking for the next record",
                    self.longest, header.captured
                )
            });
            self.lost = true;
            return Step::Skip(1);
        }
        let end = self.record_header + header.captured;
        match bytes.get(self.record_header..end) {
            Some(data) => Step::Packet(self.frame(&header, data), end),
            None => Step::More,
        }
    }

    fn header(&self, bytes: &[u8], at: usize) -> Option<RecordHeader> {
        let header = bytes.get(at..at.checked_add(self.record_header)?)?;
        let length = |at| self.endian.u32(header, at).and_then(|n| usize::try_from(n).ok());
        Some(RecordHeader {
            seconds: self.endian.u32(header, 0)?,
            fraction: self.endian.u32(header, 4)?,
            captured: length(8)?,
            original: length(12)?,
        })
    }

    fn frame<'a>(&self, header: &RecordHeader, data: &'a [u8]) -> Frame<'a> {
        let time = header
            .fraction
            .checked_mul(self.unit)
            .and_then(|nanos| Timestamp::from_parts(i64::from(header.seconds), nanos));
        Frame { link: self.link, time, timed: true, data }
    }

    /// Looks for two record headers in a row that make sense; a pure function of the bytes from
    /// each place on, so that the pieces they come in do not matter.
    fn resync<'a>(
        &mut self,
        bytes: &'a [u8],
        offset: u64,
        last: bool,
        out: &mut Decoded,
    ) -> Step<'a> {
        for at in 0..bytes.len() {
            let Some(header) = self.header(bytes, at) else {
                return if at > 0 { Step::Skip(at) } else { Step::More };
            };
            if !self.makes_sense(&header) {
                continue;
            }
            let next = at + self.record_header + header.captured;
            let confirmed = match self.header(bytes, next) {
                Some(follower) => {
                    self.makes_sense(&follower)
                        && header.seconds.abs_diff(follower.seconds) <= RESYNC_SECONDS
                }
                None if last => next == bytes.len(),
                None => return if at > 0 { Step::Skip(at) } else { Step::More },
            };
            if confirmed {
                self.lost = false;
                return if at > 0 { Step::Skip(at) } else { self.step(bytes, offset, last, out) };
            }
        }
        Step::More
    }

    fn makes_sense(&self, header: &RecordHeader) -> bool {
        header.seconds > 0
            && header.fraction.checked_mul(self.unit).is_some_and(|nanos| nanos < 1_000_000_000)
            && (1..=self.longest.min(LONGEST_PACKET)).contains(&header.captured)
            && header.original >= header.captured
    }
}
