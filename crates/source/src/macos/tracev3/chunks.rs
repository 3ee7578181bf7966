//! Chunks, as far as they are opened here: where one ends, and what a chunk set holds of whom.

use super::entries::Writers;
use crate::MAX_RECORD;

/// A chunk that says what machine and boot the file is of.
pub(super) const HEADER: u32 = 0x1000;
/// A chunk that lists processes, and what is behind it.
pub(super) const CATALOG: u32 = 0x600b;
/// A chunk that holds others, packed.
pub(super) const CHUNK_SET: u32 = 0x600d;
/// What a process wrote, inside a chunk set.
const FIREHOSE: u32 = 0x6001;

/// Bytes of a chunk's tag, sub-tag and size.
pub(super) const PREAMBLE: usize = 16;

/// The most that a chunk set unpacks to, in bytes: logd packs 64 KiB at a time, and what it packs to a
/// few kilobytes can claim 4 GiB.
const MAX_UNPACKED_SET: usize = 1 << 20;

/// The same for the packing of macOS 27 (LZBITMAP), which the crate alone unpacks: its chunks cannot be
/// picked before they are read.
const MAX_BITMAP_SET: usize = 256 << 10;

/// The largest chunk of one process, in bytes: it is filled in a buffer of 4 KiB (libtrace).
const MAX_FIREHOSE: usize = 16 << 10;

/// A chunk's beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) tag: u32,
    /// Bytes behind the preamble, as it says.
    pub(super) size: u64,
}

impl Chunk {
    pub(super) fn begins(bytes: &[u8]) -> Option<Chunk> {
        let (tag, rest) = bytes.split_first_chunk()?;
        let size = rest.get(4..)?.first_chunk()?;
        Some(Chunk { tag: u32::from_le_bytes(*tag), size: u64::from_le_bytes(*size) })
    }

    /// All its bytes, where they can be of a record.
    pub(super) fn length(self) -> Option<usize> {
        let size = usize::try_from(self.size).ok()?;
        (size <= MAX_RECORD - PREAMBLE).then(|| size + PREAMBLE)
    }
}

/// What is wanted of a chunk set.
pub(super) struct Picked {
    /// It, as a file of its own: a catalog that lists nothing, and a chunk set.
    pub(super) file: Vec<u8>,
    /// How many chunks it holds; 0 where they could not be picked before they are unpacked.
    pub(super) wanted: usize,
    /// How many others the chunk set holds.
    pub(super) passed: u64,
}

/// Picks from a chunk set what these processes wrote.
///
/// # Errors
/// What cannot be read of it.
pub(super) fn pick(set: &[u8], writers: &Writers) -> Result<Picked, &'static str> {
    let packed = set.get(PREAMBLE..).unwrap_or_default();
    let unpacked;
    let chunks = match packed {
        [b'b', b'v', b'4', b'1', rest @ ..] => {
            let (size, rest) = word(rest)?;
            let (length, rest) = word(rest)?;
            if size > MAX_UNPACKED_SET {
                return Err("more than logd packs at a time");
            }
            let data = rest.get(..length).ok_or("what is packed, being cut off,")?;
            unpacked = lz4_flex::block::decompress(data, size).map_err(|_| "what is packed")?;
            &unpacked[..]
        }
        [b'b', b'v', b'4', b'-', rest @ ..] => {
            let (size, rest) = word(rest)?;
            rest.get(..size).ok_or("what is in it, being cut off,")?
        }
        [b'Z', b'B', b'M', _, rest @ ..] => {
            bitmap_size(rest)?;
            return Ok(Picked { file: file(packed), wanted: 0, passed: 0 });
        }
        _ => return Err("a packing that is not known"),
    };
    let (mut kept, mut wanted, mut passed) = (Vec::new(), 0, 0);
    let mut rest = chunks;
    while let Some(chunk) = Chunk::begins(rest) {
        let whole = chunk.length().and_then(|length| rest.get(..length));
        let whole = whole.ok_or("what is in it, being cut off,")?;
        if chunk.tag == FIREHOSE && writers.wrote(&whole[PREAMBLE..]) {
            if whole.len() > MAX_FIREHOSE {
                return Err("a chunk larger than any process fills");
            }
            kept.extend_from_slice(whole);
            wanted += 1;
        } else {
            passed += 1;
        }
        rest = &rest[whole.len()..];
        // Chunks are padded, mostly; none begins with a zero.
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = &rest[zeros..];
    }
    let size = u32::try_from(kept.len()).unwrap_or_default();
    let block = [b"bv4-", &size.to_le_bytes()[..], &kept, b"bv4$"].concat();
    Ok(Picked { file: file(&block), wanted, passed })
}

/// A file of a catalog that lists nothing, behind which the crate looks for chunk sets, and one chunk set.
fn file(block: &[u8]) -> Vec<u8> {
    let preamble = |tag: u32, size: usize| {
        [&tag.to_le_bytes()[..], &0x11_u32.to_le_bytes(), &(size as u64).to_le_bytes()].concat()
    };
    const EMPTY_CATALOG: [u8; 24] = [0; 24];
    let catalog = preamble(CATALOG, EMPTY_CATALOG.len());
    [&catalog, &EMPTY_CATALOG[..], &preamble(CHUNK_SET, block.len()), block].concat()
}

/// A length of 32 bits, and what follows it.
fn word(bytes: &[u8]) -> Result<(usize, &[u8]), &'static str> {
    let (word, rest) = bytes.split_first_chunk().ok_or("what is in it, being cut off,")?;
    let word = usize::try_from(u32::from_le_bytes(*word)).map_err(|_| "what is in it")?;
    Ok((word, rest))
}

/// Adds up what the blocks of an LZBITMAP say that they unpack to: each begins with its packed size and
/// its unpacked one, of 24 bits each, and the last unpacks to nothing.
fn bitmap_size(mut blocks: &[u8]) -> Result<usize, &'static str> {
    let of = |bytes: [u8; 3]| {
        usize::from(bytes[0]) | usize::from(bytes[1]) << 8 | usize::from(bytes[2]) << 16
    };
    let mut size = 0;
    while let Some((&[a, b, c, d, e, f], _)) = blocks.split_first_chunk() {
        let (packed, unpacked) = (of([a, b, c]), of([d, e, f]));
        if unpacked == 0 {
            break;
        }
        size += unpacked;
        if size > MAX_BITMAP_SET {
            return Err("more than logd packs at a time");
        }
        // A block holds its own sizes.
        blocks = blocks.get(packed.max(6)..).ok_or("what is packed, being cut off,")?;
    }
    Ok(size)
}
