//! The compressions of blocks.

use std::io::Read;

use super::lzo;

/// The largest block, packed or not: nfdump's own buffers hold 5 MiB (`BUFFSIZE` in `nffile.h`).
pub(super) const MAX_BLOCK: usize = 8 << 20;

/// How blocks are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzo,
    Bz2,
    Lz4,
    Zstd,
}

impl Compression {
    /// By the number in a header of layout 2.
    pub(super) fn of_number(number: u8) -> Option<Compression> {
        Some(match number {
            0 => Compression::None,
            1 => Compression::Lzo,
            2 => Compression::Bz2,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            _ => return None,
        })
    }

    /// By the flags in a header of layout 1.
    pub(super) fn of_flags(flags: u32) -> Option<Compression> {
        Some(match flags & (0x01 | 0x08 | 0x10) {
            0 => Compression::None,
            0x01 => Compression::Lzo,
            0x08 => Compression::Bz2,
            0x10 => Compression::Lz4,
            _ => return None,
        })
    }
}

/// Unpacks a block into `scratch`, which grows to [`MAX_BLOCK`] once, and gives its length.
///
/// # Errors
/// Where it does not unpack, or to more than that.
pub(super) fn unpack(
    compression: Compression,
    packed: &[u8],
    scratch: &mut Vec<u8>,
) -> Result<usize, String> {
    if scratch.is_empty() {
        // Anew, so that no byte is touched before it is written.
        *scratch = vec![0; MAX_BLOCK];
    }
    let bounded = |why: String| format!("expected a block of at most {MAX_BLOCK} bytes: {why}");
    match compression {
        Compression::None => Err("it is not packed".to_string()),
        Compression::Lzo => lzo::unpack(packed, scratch).map_err(|why| bounded(why.to_string())),
        Compression::Bz2 => {
            let mut reader = bzip2::read::BzDecoder::new(packed);
            let mut length = 0;
            loop {
                match reader.read(&mut scratch[length..]) {
                    Ok(0) if length == MAX_BLOCK => return Err(bounded("it is longer".into())),
                    Ok(0) => return Ok(length),
                    Ok(read) => length += read,
                    Err(error) => return Err(bounded(error.to_string())),
                }
            }
        }
        Compression::Lz4 => lz4_flex::block::decompress_into(packed, scratch)
            .map_err(|error| bounded(error.to_string())),
        Compression::Zstd => zstd::bulk::decompress_to_buffer(packed, &mut scratch[..])
            .map_err(|error| bounded(error.to_string())),
    }
}
