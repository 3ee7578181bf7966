//! In which order workers take inputs and pieces: the costliest first, so that none is left with a large one
//! when the others are done.

use std::cmp::Reverse;
use std::fs::File;

use crate::inputs::{Place, Source, read_up_to};
use crate::pieces::Piece;

/// How much of an input is looked at: binary telemetry has zeros in its first header.
const HEAD: usize = 512;

/// What a byte costs to decode, by what an input begins with: measured, a text takes about twice as long
/// as a capture or an event log, and a byte that is packed holds about ten.
const BINARY: u64 = 1;
const TEXT: u64 = 2;
const PACKED: u64 = 10;

/// Puts the costliest first; what costs the same stays in its order.
pub(crate) fn costliest_first(sources: &[Source], pieces: &mut [Piece]) {
    let each: Vec<u64> = sources.iter().map(cost_of_byte).collect();
    pieces.sort_by_key(|piece| {
        let bytes = match &sources[piece.input].place {
            // As large as can be, for all that is known.
            Place::Stdin => u64::MAX,
            _ => piece.bytes(&sources[piece.input]),
        };
        Reverse(bytes.saturating_mul(each[piece.input]))
    });
}

fn cost_of_byte(source: &Source) -> u64 {
    match &source.place {
        Place::Stdin => TEXT,
        Place::Member { .. } => PACKED,
        Place::File(path) => {
            let mut head = [0; HEAD];
            let read = File::open(path).and_then(|mut file| read_up_to(&mut file, &mut head));
            // What cannot be read costs nothing, and is said when it is tried.
            read.map_or(0, |length| each_byte(&head[..length]))
        }
    }
}

fn each_byte(head: &[u8]) -> u64 {
    match head {
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => PACKED,
        _ if head.contains(&0) => BINARY,
        _ => TEXT,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // tests
mod tests {
    use super::*;

    #[test]
    fn packed_texts_come_before_texts_and_these_before_captures_of_their_size() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, head: &[u8], bytes| {
            let path = folder.path().join(name);
            std::fs::write(&path, head).unwrap();
            Source { name: name.into(), place: Place::File(path), bytes, archive: None }
        };
        let sources = [
            file("a.pcap", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0], 100),
            file("b.log", b"type=SYSCALL", 100),
            file("c.log.gz", &[0x1f, 0x8b, 8], 50),
            file("d.log", b"type=SYSCALL", 100),
            file("e.pcap", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0], 250),
        ];
        let mut pieces: Vec<Piece> = (0..sources.len()).map(Piece::whole).collect();
        costliest_first(&sources, &mut pieces);
        let order: Vec<usize> = pieces.iter().map(|piece| piece.input).collect();
        assert_eq!(order, [2, 4, 1, 3, 0]);
    }
}
