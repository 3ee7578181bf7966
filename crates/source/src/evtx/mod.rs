//! Windows event log files (EVTX), on the `evtx` crate.
//!
//! A file is a header of 4 KiB and chunks of 64 KiB. Chunks stand alone, so each is decoded as it
//! comes, and a broken one costs itself: a bad checksum is said and its records are still tried,
//! since logs copied from a running system have such chunks. Zeroed chunks are space not used yet.
//! A carved run of chunks without the file's header is read too.
//!
//! <https://learn.microsoft.com/openspecs/windows_protocols/ms-even6>

mod json;
mod template;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;

use evtx::{EvtxChunkData, ParserSettings, checksum_ieee};
use values::{Read, Values};

use crate::pieces::{Cut, Unfinished};
use crate::windows::{Held, NOT_USED};
use crate::{Decoded, Decoder, Problem};

/// The file header's block.
const HEADER_BYTES: usize = 4096;
/// A chunk.
const CHUNK_BYTES: usize = 64 << 10;
/// A chunk's header, behind which its records begin.
const CHUNK_HEADER_BYTES: usize = 512;
/// The bytes of a record before its content, and of the copy of its length behind it.
const RECORD_HEADER_BYTES: usize = 24;
const RECORD_TRAILER_BYTES: usize = 4;

const FILE_MAGIC: &[u8] = b"ElfFile\0";
const CHUNK_MAGIC: &[u8] = b"ElfChnk\0";
const RECORD_MAGIC: &[u8] = b"\x2a\x2a\0\0";

/// Whether the input is an event log, or a carved run of its chunks.
pub(crate) fn recognises(head: &[u8]) -> bool {
    head.starts_with(FILE_MAGIC) || head.starts_with(CHUNK_MAGIC)
}

/// A fresh decoder.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Evtx { offset: 0, settings: Arc::new(ParserSettings::new()), held: Held::default() })
}

/// Before a chunk: they lie one behind another, after the file's header where there is one.
fn before_chunk(head: &[u8], at: u64, bytes: &[u8]) -> Option<usize> {
    let first = if head.starts_with(FILE_MAGIC) { HEADER_BYTES as u64 } else { 0 };
    let place = match at.checked_sub(first) {
        Some(behind) => behind.next_multiple_of(CHUNK_BYTES as u64) - behind,
        None => first - at,
    };
    usize::try_from(place).ok().filter(|place| *place < bytes.len())
}

struct Evtx {
    /// Bytes consumed.
    offset: u64,
    settings: Arc<ParserSettings>,
    held: Held,
}

impl Decoder for Evtx {
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        let mut done = 0;
        loop {
            let rest = &bytes[done..];
            let at_start = self.offset == 0;
            let step =
                if at_start && rest.starts_with(FILE_MAGIC) { HEADER_BYTES } else { CHUNK_BYTES };
            // The magic must be there to tell a header from a chunk.
            if rest.len() < step {
                return done;
            }
            if step == CHUNK_BYTES {
                self.chunk(&rest[..step], out);
            }
            done += step;
            self.offset += step as u64;
        }
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        self.rest(rest, out);
        self.held.end(out);
    }

    fn cut(&self) -> Option<Cut> {
        Some(before_chunk)
    }

    fn begins_at(&mut self, offset: u64) {
        self.offset = offset;
    }

    fn leave(&mut self, rest: &[u8], _: bool, out: &mut Decoded) -> Unfinished {
        self.rest(rest, out);
        self.held.leave(out)
    }
}

impl Evtx {
    /// What lies behind the last whole chunk.
    fn rest(&mut self, rest: &[u8], out: &mut Decoded) {
        if rest.is_empty() {
            return;
        }
        if self.offset == 0 && rest.starts_with(FILE_MAGIC) {
            out.note(Problem::Torn, "file header cut off", 0, || {
                format!("expected {HEADER_BYTES} bytes, found {}", rest.len())
            });
            return;
        }
        out.note(Problem::Torn, "chunk cut off", self.offset, || {
            format!(
                "expected {CHUNK_BYTES} bytes, found {}; its whole records are used",
                rest.len()
            )
        });
        let mut chunk = vec![0; CHUNK_BYTES];
        chunk[..rest.len()].copy_from_slice(rest);
        self.records(&chunk, Some(rest.len()), out);
    }

    fn chunk(&mut self, bytes: &[u8], out: &mut Decoded) {
        if !bytes.starts_with(CHUNK_MAGIC) {
            if bytes.iter().any(|byte| *byte != 0) {
                out.note(Problem::Malformed, "no chunk", self.offset, || {
                    format!(
                        "expected {CHUNK_BYTES} bytes that begin with \"ElfChnk\", found {:02x?}; \
                         not used",
                        &bytes[..8]
                    )
                });
            }
            return;
        }
        self.records(bytes, None, out);
    }

    /// Gives the events of a chunk; `cut` is where its bytes really end.
    fn records(&mut self, bytes: &[u8], cut: Option<usize>, out: &mut Decoded) {
        let mut values = None;
        let mut from = CHUNK_HEADER_BYTES;
        if cut.is_none()
            && let Some(records) = sound_records(bytes)
        {
            from = self.plain_records(records, values.insert(Values::default()), out);
            if from >= records.len() {
                return;
            }
        }
        let mut chunk = match EvtxChunkData::new(bytes.to_vec(), false) {
            Ok(chunk) => chunk,
            Err(error) => {
                let key = "chunk header broken";
                return out.note(Problem::Malformed, key, self.offset, || error.to_string());
            }
        };
        if cut.is_none() && values.is_none() {
            match chunk.validate_checksum() {
                true => values = Some(Values::default()),
                false => out.note(Problem::Malformed, "chunk checksum wrong", self.offset, || {
                    "its records are still read; the file may have been copied while in use"
                        .to_string()
                }),
            }
        }
        let mut chunk = match chunk.parse(Arc::clone(&self.settings)) {
            Ok(chunk) => chunk,
            Err(error) => {
                let key = "chunk string table broken";
                return out.note(Problem::Malformed, key, self.offset, || error.to_string());
            }
        };
        for record in chunk.iter() {
            let record = match record {
                Ok(record) => record,
                // Past the cut there are only zeros, which are no records: said already.
                Err(_) if cut.is_some() => continue,
                Err(error) => {
                    out.note(Problem::Malformed, "record broken", self.offset, || {
                        error.to_string()
                    });
                    continue;
                }
            };
            let start = record.binxml_offset as usize;
            let content = start..start + record.binxml_size as usize;
            let at = start.saturating_sub(RECORD_HEADER_BYTES);
            if at < from || cut.is_some_and(|cut| content.end > cut) {
                continue;
            }
            out.records += 1;
            let offset = self.offset + at as u64;
            let read =
                values.as_mut().and_then(|values| values.read(record.chunk.data, content, offset));
            match read {
                Some(read) => self.take(&read, offset, out),
                None => match record.into_json_bytes() {
                    Ok(rendered) => self.one(&rendered.data, offset, out),
                    Err(error) => {
                        out.note(Problem::Malformed, "record broken", offset, || error.to_string());
                    }
                },
            }
        }
    }

    /// Gives the events of the records that a chunk begins with, read from their values, and returns where
    /// the first one begins that is left to the `evtx` crate: `chunk` ends where its free space begins.
    fn plain_records(&mut self, chunk: &[u8], values: &mut Values, out: &mut Decoded) -> usize {
        let mut at = CHUNK_HEADER_BYTES;
        while let Some(end) = plain_end(chunk, at) {
            let content = at + RECORD_HEADER_BYTES..end - RECORD_TRAILER_BYTES;
            let offset = self.offset + at as u64;
            let Some(read) = values.read(chunk, content, offset) else { break };
            out.records += 1;
            self.take(&read, offset, out);
            at = end;
        }
        at
    }

    /// The event of a record that was read from its values.
    fn take(&mut self, read: &Read<'_>, offset: u64, out: &mut Decoded) {
        match read {
            Read::NotUsed => out.note_times(Problem::Note, NOT_USED, offset, 1),
            Read::Record(record) => self.held.take(record, out),
        }
    }

    /// The event of one rendered record.
    fn one(&mut self, rendered: &[u8], offset: u64, out: &mut Decoded) {
        match json::record(rendered, offset) {
            Ok(record) => self.held.take(&record, out),
            Err(error) => {
                out.note(Problem::Malformed, "record broken", offset, || error.to_string());
            }
        }
    }
}

/// A chunk up to where its free space begins, if its own checksums are right: then it need not be copied for
/// the `evtx` crate. The offsets are those of libevtx's description of the format.
fn sound_records(chunk: &[u8]) -> Option<&[u8]> {
    let field = |at| Some(u32::from_le_bytes(*chunk.get(at..)?.first_chunk()?));
    // The header's own checksum is of what lies about it and the flags before it.
    let header = [chunk.get(..120)?, chunk.get(128..CHUNK_HEADER_BYTES)?].concat();
    (field(124)? == checksum_ieee(&header)).then_some(())?;
    let whole = chunk.get(..field(48)? as usize)?;
    let records = whole.get(CHUNK_HEADER_BYTES..)?;
    (field(52)? == checksum_ieee(records)).then_some(whole)
}

/// Where the record ends that begins there, if its length and the copy of it are of one mind.
fn plain_end(chunk: &[u8], at: usize) -> Option<usize> {
    let record = chunk.get(at..)?.strip_prefix(RECORD_MAGIC)?;
    let length = record.first_chunk::<4>()?;
    let end = at.checked_add(u32::from_le_bytes(*length) as usize)?;
    let content = at + RECORD_HEADER_BYTES..end.checked_sub(RECORD_TRAILER_BYTES)?;
    (content.start <= content.end).then_some(())?;
    (chunk.get(content.end..end)? == length).then_some(end)
}
