//! Large inputs are decoded in pieces, so that one of them keeps every worker busy.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use lapwing_source::{Cut, Format, MAX_RECORD, SNIFF_BYTES, Sniffed, sniff};

use crate::inputs::{Place, Source, read_up_to};

/// How large a piece is at least: enough that what a fresh decoder must learn anew is little beside it.
const PIECE_BYTES: u64 = 16 << 20;

/// How many pieces an input has at most: enough for many workers, and what each leaves unfinished
/// (1 MiB at most) is held until the last is read.
const MOST_PIECES: u64 = 64;

/// How much is read at once in looking for a place to cut: some hundred records.
const LOOK_BYTES: usize = 64 << 10;

/// An input, or a piece of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// The place of its input among all.
    pub(crate) input: usize,
    /// Where it begins.
    pub(crate) start: u64,
    /// Where it ends; the last one, and an input that is not cut, when there are no more bytes.
    pub(crate) end: Option<u64>,
    /// The format of an input that is cut; it is not packed then.
    pub(crate) format: Option<&'static Format>,
}

impl Piece {
    /// An input as a whole.
    pub(crate) fn whole(input: usize) -> Piece {
        Piece { input, start: 0, end: None, format: None }
    }

    /// How many bytes of its input it is.
    pub(crate) fn bytes(&self, source: &Source) -> u64 {
        self.end.unwrap_or(source.bytes).saturating_sub(self.start)
    }
}

/// Every input in one piece or several, which depend on nothing but the input's bytes: the workers are
/// not asked how many they are.
pub(crate) fn in_pieces(sources: &[Source]) -> Vec<Piece> {
    let pieces = |(input, source): (usize, &Source)| match &source.place {
        Place::File(path) if source.bytes >= 2 * PIECE_BYTES => {
            // What cannot be read is said when it is decoded.
            cut(input, path, source.bytes, PIECE_BYTES).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let or_whole = |(input, pieces): (usize, Vec<Piece>)| match pieces.is_empty() {
        true => vec![Piece::whole(input)],
        false => pieces,
    };
    sources.iter().enumerate().map(pieces).enumerate().flat_map(or_whole).collect()
}

/// Cuts a file into pieces of about so many bytes or more; into none where its format cannot be cut.
pub(crate) fn cut(input: usize, path: &Path, bytes: u64, piece: u64) -> io::Result<Vec<Piece>> {
    let mut file = File::open(path)?;
    let mut head = vec![0; SNIFF_BYTES];
    let length = read_up_to(&mut file, &mut head)?;
    head.truncate(length);
    let Sniffed::Format(format) = sniff(&head) else { return Ok(Vec::new()) };
    let Some(cut) = (format.decoder)().cut() else { return Ok(Vec::new()) };
    let wanted = (bytes / piece).clamp(1, MOST_PIECES);
    let mut starts = vec![0];
    for nominal in (1..wanted).map(|at| bytes / wanted * at) {
        if starts.last().is_some_and(|last| *last >= nominal) {
            continue;
        }
        // Where there is none for so long, there is hardly one at all.
        let Some(place) = place(&mut file, &head, cut, nominal)? else { break };
        starts.push(place);
    }
    let ends = starts.iter().skip(1).copied().map(Some).chain([None]);
    let format = Some(format);
    Ok(starts.iter().zip(ends).map(|(&start, end)| Piece { input, start, end, format }).collect())
}

/// The first place from there on at which the file may be cut; `None` where there is none within the
/// length of the longest record.
fn place(file: &mut File, head: &[u8], cut: Cut, from: u64) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    while bytes.len() < MAX_RECORD {
        // Twice as much each time, so that what was looked through before adds no more than as much again.
        let more = bytes.len().max(LOOK_BYTES) as u64;
        if file.by_ref().take(more).read_to_end(&mut bytes)? == 0 {
            break;
        }
        if let Some(behind) = cut(head, from, &bytes).filter(|behind| *behind < bytes.len()) {
            return Ok(Some(from + behind as u64));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // tests
mod tests {
    use super::*;

    fn ranges(name: &str, bytes: &[u8], piece: u64) -> Vec<(u64, Option<u64>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let pieces = cut(0, &path, bytes.len() as u64, piece).unwrap();
        pieces.iter().map(|piece| (piece.start, piece.end)).collect()
    }

    #[test]
    fn lines_are_cut_at_their_ends() {
        let row = "{\"ts\":1.5,\"id.orig_h\":\"10.0.0.1\",\"id.resp_h\":\"10.0.0.2\",\"conn_state\":\"S0\"}\n";
        let length = row.len() as u64;
        let log = row.repeat(100);
        let ranges = ranges("conn.log", log.as_bytes(), 10 * length);
        assert_eq!(ranges.len(), 10);
        let joins = ranges.windows(2).all(|pair| pair[0].1 == Some(pair[1].0));
        assert!(joins && ranges[9].1.is_none(), "{ranges:?}");
        assert!(ranges.iter().all(|(start, _)| start % length == 0), "{ranges:?}");
    }

    #[test]
    fn a_line_without_end_and_what_cannot_be_cut_stay_whole() {
        let head = b"{\"ts\":1.5,\"id.orig_h\":\"10.0.0.1\",\"id.resp_h\":\"10.0.0.2\",\"conn_state\":\"S0\"}\n";
        let mut long = head.to_vec();
        long.resize(3 * MAX_RECORD, b'x');
        assert_eq!(ranges("conn.log", &long, 1000), [(0, None)]);
        let audit = b"type=EOE msg=audit(1.000:1):\n".repeat(100);
        assert_eq!(ranges("audit.log", &audit, 100), []);
        assert_eq!(ranges("unknown", &[0; 4000], 1000), []);
    }

    #[test]
    fn an_input_has_only_so_many_pieces() {
        let row = b"{\"ts\":1.5,\"id.orig_h\":\"10.0.0.1\",\"id.resp_h\":\"10.0.0.2\",\"conn_state\":\"S0\"}\n";
        assert_eq!(ranges("conn.log", &row.repeat(1000), 100).len() as u64, MOST_PIECES);
    }
}
