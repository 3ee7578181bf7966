//! Opens an input: peels compression off and turns UTF-16 text into UTF-8.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

use encoding_rs_io::DecodeReaderBytes;
use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use crate::inputs::{Place, Source, read_up_to};
use crate::pieces::Piece;
use crate::progress::Progress;

/// How many layers of compression are peeled: `x.gz` inside a zip, and one more for a file that was
/// compressed twice by mistake.
const MAX_LAYERS: usize = 2;

/// The most bytes that one compressed input may unpack to, 1 TiB: a bomb of zeros decodes in
/// constant memory but would run for days.
pub const MAX_UNPACKED: u64 = 1 << 40;

/// Gives `read` the plain bytes of an input, or of a piece of one.
///
/// # Errors
/// Where the input cannot be opened; errors of later reads reach `read` itself.
pub(crate) fn with_plain_bytes<T>(
    source: &Source,
    piece: &Piece,
    progress: &dyn Progress,
    read: impl FnOnce(&mut dyn Read) -> T,
) -> io::Result<T> {
    match &source.place {
        Place::Stdin => peel(Counted::new(io::stdin().lock(), progress), read),
        Place::File(path) => {
            let mut file = File::open(path)?;
            if piece.format.is_none() {
                return peel(Counted::new(file, progress), read);
            }
            file.seek(SeekFrom::Start(piece.start))?;
            let bytes = piece.end.map_or(u64::MAX, |end| end - piece.start);
            Ok(read(&mut Counted::new(file.take(bytes), progress)))
        }
        Place::Member { archive, index } => {
            let mut archive = ZipArchive::new(BufReader::new(File::open(archive)?))?;
            let member = archive.by_index(*index)?;
            let packed = member.compressed_size();
            let done = peel(member, read);
            progress.read(packed);
            done
        }
    }
}

fn peel<T>(reader: impl Read, read: impl FnOnce(&mut dyn Read) -> T) -> io::Result<T> {
    let mut layer: Box<dyn Read + '_> = Box::new(reader);
    for _ in 0..MAX_LAYERS {
        let head = peek(layer)?;
        layer = head.whole;
        layer = match head.bytes {
            [0x1f, 0x8b, _, _] => Box::new(MultiGzDecoder::new(layer).take(MAX_UNPACKED)),
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::new(layer)?.take(MAX_UNPACKED)),
            _ => break,
        };
    }
    let head = peek(layer)?;
    layer = match head.bytes {
        // A UTF-16 byte order mark; PowerShell's `>` writes text so.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Box::new(DecodeReaderBytes::new(head.whole)),
        _ => head.whole,
    };
    Ok(read(&mut *layer))
}

struct Head<'a> {
    /// The first bytes, zeros where the input is shorter.
    bytes: [u8; 4],
    /// The reader with those bytes still ahead.
    whole: Box<dyn Read + 'a>,
}

fn peek<'a>(mut reader: Box<dyn Read + 'a>) -> io::Result<Head<'a>> {
    let mut bytes = [0; 4];
    let length = read_up_to(&mut reader, &mut bytes)?;
    Ok(Head { bytes, whole: Box::new(Cursor::new(bytes).take(length as u64).chain(reader)) })
}

/// Tells how many bytes went through.
struct Counted<'a, R> {
    reader: R,
    progress: &'a dyn Progress,
}

impl<'a, R: Read> Counted<'a, R> {
    fn new(reader: R, progress: &'a dyn Progress) -> Counted<'a, R> {
        Counted { reader, progress }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.progress.read(length as u64);
        Ok(length)
    }
}
