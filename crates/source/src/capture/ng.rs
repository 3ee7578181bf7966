//! pcapng (draft-ietf-opsawg-pcapng): blocks, in sections that each have their own byte order and
//! interfaces.

use lapwing_event::Timestamp;

use super::bytes::Endian;
use super::file::{Frame, LONGEST_PACKET, Step};
use crate::{Decoded, MAX_RECORD, Problem};

/// Block type of a section header; a palindrome, so it reads the same in both byte orders.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
/// Block type of an interface description.
const INTERFACE: u32 = 1;
/// Block type of the obsolete packet block.
const OLD_PACKET: u32 = 2;
/// Block type of a simple packet, which has no time.
const SIMPLE_PACKET: u32 = 3;
/// Block type of an enhanced packet.
const ENHANCED_PACKET: u32 = 6;
/// The byte order mark of a section header.
const ORDER_MARK: u32 = 0x1a2b_3c4d;
/// Bytes of the smallest block: type, and its length before and after an empty body.
const SMALLEST_BLOCK: usize = 12;
/// Option of an interface: what one unit of its times is.
const IF_TSRESOL: u16 = 9;
/// Option of an interface: seconds to add to its times.
const IF_TSOFFSET: u16 = 14;

/// The most interfaces that one section may have: what the 16-bit interface field of the obsolete
/// packet block can name. At 32 bytes each that is 2 MiB.
const MAX_INTERFACES: usize = 65_536;

/// What one unit of an interface's times is.
#[derive(Clone, Copy, Debug)]
enum Unit {
    /// So many nanoseconds.
    Nanos(u64),
    /// One nanosecond is so many units.
    PerNano(u128),
    /// A second is two to this power.
    PowerOfTwo(u8),
}

/// One interface of a section.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    snap: u32,
    unit: Unit,
    offset_seconds: i64,
}

/// The state of reading one pcapng file.
#[derive(Debug)]
pub(super) struct Ng {
    endian: Endian,
    interfaces: Vec<Interface>,
    /// Bytes still to pass over of a block that is too long to be held.
    passing: u64,
    /// A block made no sense: the next one that does is being looked for.
    lost: bool,
}

impl Default for Ng {
    fn default() -> Ng {
        Ng { endian: Endian::Little, interfaces: Vec::new(), passing: 0, lost: false }
    }
}

/// The head of a block.
#[derive(Clone, Copy)]
struct Head {
    kind: u32,
    length: usize,
    endian: Endian,
}

impl Ng {
    /// Tells what the next bytes are.
    pub(super) fn step<'a>(
        &mut self,
        bytes: &'a [u8],
        offset: u64,
        last: bool,
        out: &mut Decoded,
    ) -> Step<'a> {
        if bytes.is_empty() {
            return Step::More;
        }
        if self.passing > 0 {
            let done = usize::try_from(self.passing).unwrap_or(usize::MAX).min(bytes.len());
            self.passing -= done as u64;
            return Step::Skip(done);
        }
        if self.lost {
            return self.resync(bytes, offset, last, out);
        }
        let head = match self.head(bytes) {
            Ok(Some(head)) => head,
            Ok(None) => return Step::More,
            Err(why) => return self.lose(why, offset, out),
        };
        if head.length < SMALLEST_BLOCK || head.length % 4 != 0 {
            return self.lose("block of an impossible length", offset, out);
        }
        if head.length > MAX_RECORD {
            out.note(Problem::Shed, "block too long", offset, || {
                format!(
                    "expected a block of at most {MAX_RECORD} bytes, found {}; passed over",
                    head.length
                )
            });
            self.passing = head.length as u64;
            return self.step(bytes, offset, last, out);
        }
        let Some(block) = bytes.get(..head.length) else {
            return Step::More;
        };
        if head.endian.u32(block, head.length - 4) != u32::try_from(head.length).ok() {
            return self.lose("block whose two lengths differ", offset, out);
        }
        self.block(head, block, offset, out)
    }

    fn lose<'a>(&mut self, key: &'static str, offset: u64, out: &mut Decoded) -> Step<'a> {
        out.note(Problem::Malformed, key, offset, || {
            "expected a whole pcapng block; looking for the next one".to_string()
        });
        self.lost = true;
        Step::Skip(1)
    }

    /// Reads the head of a block, a section header's byte order by its own mark. `Ok(None)` where
    /// it is cut off.
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, &'static str> {
        let Some(kind) = self.endian.u32(bytes, 0) else {
            return Ok(None);
        };
        let endian = if kind == SECTION_HEADER {
            match Endian::Big.u32(bytes, 8) {
                None => return Ok(None),
                Some(ORDER_MARK) => Endian::Big,
                Some(mark) if mark.swap_bytes() == ORDER_MARK => Endian::Little,
                Some(_) => return Err("section without a byte order mark"),
            }
        } else {
            self.endian
        };
        let length = endian.u32(bytes, 4).and_then(|length| usize::try_from(length).ok());
        Ok(length.map(|length| Head { kind, length, endian }))
    }

    fn block<'a>(
        &mut self,
        head: Head,
        block: &'a [u8],
        offset: u64,
        out: &mut Decoded,
    ) -> Step<'a> {
        let used = block.len();
        let body = block.get(8..used - 4).unwrap_or_default();
        let frame = match head.kind {
            ENHANCED_PACKET => self.enhanced(body),
            OLD_PACKET => self.old(body),
            SIMPLE_PACKET => self.simple(body),
            SECTION_HEADER => {
                self.endian = head.endian;
                self.interfaces.clear();
                return Step::Skip(used);
            }
            INTERFACE => {
                self.interface(body, offset, out);
                return Step::Skip(used);
            }
            other => {
                out.note(Problem::Note, "blocks that hold no packet", offset, || {
                    format!("passed over; the first is of type {other}")
                });
                return Step::Skip(used);
            }
        };
        match frame {
            Ok(frame) => Step::Packet(frame, used),
            Err(key) => {
                out.note(Problem::Malformed, key, offset, || {
                    "expected a packet of a declared interface that fits its block; passed over"
                        .to_string()
                });
                Step::Skip(used)
            }
        }
    }

    fn interface(&mut self, body: &[u8], offset: u64, out: &mut Decoded) {
        if self.interfaces.len() >= MAX_INTERFACES {
            out.note(Problem::Shed, "too many interfaces", offset, || {
                format!("expected at most {MAX_INTERFACES} in a section; its packets are not read")
            });
            return;
        }
        let (Some(link), Some(snap)) = (self.endian.u16(body, 0), self.endian.u32(body, 4)) else {
            out.note(Problem::Malformed, "interface cut short", offset, || {
                "expected 8 bytes of interface description".to_string()
            });
            return;
        };
        let mut interface = Interface { link, snap, unit: Unit::Nanos(1_000), offset_seconds: 0 };
        let mut options = body.get(8..).unwrap_or_default();
        while let Some((code, value, rest)) = option(options, self.endian) {
            match (code, value) {
                (0, _) => break,
                (IF_TSRESOL, [resolution, ..]) => interface.unit = Unit::of_option(*resolution),
                (IF_TSOFFSET, value) => {
                    interface.offset_seconds = self.endian.i64(value, 0).unwrap_or(0);
                }
                _ => {}
            }
            options = rest;
        }
        self.interfaces.push(interface);
    }

    fn enhanced<'a>(&self, body: &'a [u8]) -> Result<Frame<'a>, &'static str> {
        const SHORT: &str = "packet block cut short";
        let interface = self.endian.u32(body, 0).ok_or(SHORT)?;
        self.timed(interface, body)
    }

    /// The obsolete block: as the enhanced one, but for its interface field, of whose 4 bytes the
    /// last two count drops.
    fn old<'a>(&self, body: &'a [u8]) -> Result<Frame<'a>, &'static str> {
        let interface = self.endian.u16(body, 0).ok_or("packet block cut short")?;
        self.timed(u32::from(interface), body)
    }

    fn timed<'a>(&self, interface: u32, body: &'a [u8]) -> Result<Frame<'a>, &'static str> {
        const SHORT: &str = "packet block cut short";
        let interface = self.declared(interface)?;
        let high = self.endian.u32(body, 4).ok_or(SHORT)?;
        let low = self.endian.u32(body, 8).ok_or(SHORT)?;
        let captured = self.endian.u32(body, 12).ok_or(SHORT)?;
        let data = usize::try_from(captured)
            .ok()
            .and_then(|captured| body.get(20..20_usize.checked_add(captured)?))
            .ok_or(SHORT)?;
        let time = interface.time(u64::from(high) << 32 | u64::from(low));
        Ok(Frame { link: u32::from(interface.link), time, timed: true, data })
    }

    fn simple<'a>(&self, body: &'a [u8]) -> Result<Frame<'a>, &'static str> {
        let interface = self.declared(0)?;
        let original = self.endian.u32(body, 0).ok_or("packet block cut short")?;
        let captured = if interface.snap == 0 { original } else { original.min(interface.snap) };
        let held = body.get(4..).unwrap_or_default();
        let captured = usize::try_from(captured).unwrap_or(usize::MAX).min(held.len());
        let data = held.get(..captured).unwrap_or_default();
        Ok(Frame { link: u32::from(interface.link), time: None, timed: false, data })
    }

    fn declared(&self, interface: u32) -> Result<&Interface, &'static str> {
        usize::try_from(interface)
            .ok()
            .and_then(|interface| self.interfaces.get(interface))
            .ok_or("packet of an undeclared interface")
    }

    /// Looks for a block of a known type whose two lengths agree.
    fn resync<'a>(
        &mut self,
        bytes: &'a [u8],
        offset: u64,
        last: bool,
        out: &mut Decoded,
    ) -> Step<'a> {
        for at in 0..bytes.len() {
            let here = bytes.get(at..).unwrap_or_default();
            let wait = if at > 0 { Step::Skip(at) } else { Step::More };
            let head = match self.head(here) {
                Ok(Some(head)) => head,
                Ok(None) if last => continue,
                Ok(None) => return wait,
                Err(_) => continue,
            };
            let known = matches!(
                head.kind,
                SECTION_HEADER | INTERFACE | OLD_PACKET | SIMPLE_PACKET | ENHANCED_PACKET
            );
            let sensible = (SMALLEST_BLOCK..=LONGEST_PACKET + 64).contains(&head.length);
            if !known || !sensible || head.length % 4 != 0 {
                continue;
            }
            let trailer = head.endian.u32(here, head.length - 4);
            if trailer.is_none() && !last {
                return wait;
            }
            if trailer == u32::try_from(head.length).ok() {
                self.lost = false;
                return if at > 0 { Step::Skip(at) } else { self.step(bytes, offset, last, out) };
            }
        }
        if last { Step::Skip(bytes.len()) } else { Step::More }
    }
}

impl Unit {
    /// The unit that an `if_tsresol` byte names: a negative power of ten, or of two where its top
    /// bit is set.
    fn of_option(resolution: u8) -> Unit {
        let power = u32::from(resolution & 0x7f);
        match resolution {
            0x80.. => Unit::PowerOfTwo(resolution & 0x7f),
            0..=9 => Unit::Nanos(10_u64.pow(9 - power)),
            _ => Unit::PerNano(10_u128.checked_pow(power - 9).unwrap_or(u128::MAX)),
        }
    }
}

impl Interface {
    /// The moment that so many units are; `None` where it cannot be held.
    fn time(&self, units: u64) -> Option<Timestamp> {
        let units = u128::from(units);
        let nanos = match self.unit {
            Unit::Nanos(nanos) => units * u128::from(nanos),
            Unit::PerNano(per_nano) => units / per_nano,
            Unit::PowerOfTwo(power) => (units * 1_000_000_000).checked_shr(u32::from(power))?,
        };
        let offset = i128::from(self.offset_seconds) * 1_000_000_000;
        let nanos = i128::try_from(nanos).ok()?.checked_add(offset)?;
        i64::try_from(nanos).ok().map(Timestamp)
    }
}

/// The first option of a list: its code, value and what follows it (values are padded to 4 bytes).
fn option(options: &[u8], endian: Endian) -> Option<(u16, &[u8], &[u8])> {
    let code = endian.u16(options, 0)?;
    let length = usize::from(endian.u16(options, 2)?);
    let value = options.get(4..4 + length)?;
    let rest = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
    Some((code, value, rest))
}
