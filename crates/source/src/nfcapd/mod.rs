//! nfcapd files: flows as nfdump's collectors store them, layouts 1 (nfdump 1.6) and 2 (nfdump 1.7).
//!
//! A file is a header and blocks; a block is compressed as a whole and holds records. Layout 2 goes on
//! with an appendix about the file: blocks whose records are no flows.
//!
//! <https://github.com/phaag/nfdump>, `nffile.h` and `nfxV3.h`; numbers are in the order of the machine
//! that wrote the file, of which little-endian ones are read.

mod lzo;
mod record;
mod unpack;

use self::record::{Layout, flow_of};
use self::unpack::{Compression, MAX_BLOCK, unpack};
use crate::flow::Pairing;
use crate::{Decoded, Decoder, Problem};
use lapwing_event::{LogSource, Record};

/// The first bytes of a file: 0xA50C and the layout.
const MAGIC: [u8; 2] = [0x0c, 0xa5];

/// Bytes of the header of layout 2, and of a block's header in either.
const HEADER_2: usize = 40;
const BLOCK_HEADER: usize = 12;
/// Bytes of the header of layout 1 with the statistics that follow it.
const HEADER_1: usize = 140 + 136;

/// A block's flag: it is not compressed, whatever the file's header says (layout 2).
const BLOCK_PLAIN: u16 = 1;

/// Whether the input begins with a file header of layout 1 or 2.
pub(crate) fn recognises(head: &[u8]) -> bool {
    head.starts_with(&MAGIC) && matches!(le16(head, 2), Some(1 | 2))
}

/// A decoder of files of either layout.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Nfcapd {
        header: None,
        offset: 0,
        lost: false,
        scratch: Vec::new(),
        pairing: Pairing::default(),
    })
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The type and the size that a record begins with, and an element.
fn head(bytes: &[u8]) -> Option<(u16, usize)> {
    let [kind @ .., a, b] = *bytes.first_chunk::<4>()?;
    Some((u16::from_le_bytes(kind), usize::from(u16::from_le_bytes([a, b]))))
}

/// What a file's header says of its blocks.
#[derive(Clone, Copy)]
struct Header {
    layout: Layout,
    compression: Compression,
}

struct Nfcapd {
    header: Option<Header>,
    offset: u64,
    /// A block's length cannot be: where the next one begins is not known.
    lost: bool,
    /// The block that is read now, unpacked.
    scratch: Vec<u8>,
    pairing: Pairing,
}

impl Nfcapd {
    /// Reads the header; `None` where more bytes are needed.
    fn header(&mut self, bytes: &[u8], out: &mut Decoded) -> Option<usize> {
        let version = le16(bytes, 2)?;
        let (layout, length) = match version {
            1 => (Layout::One, HEADER_1),
            _ => (Layout::Two, HEADER_2),
        };
        let bytes = bytes.get(..length)?;
        let (compression, encrypted) = match version {
            1 => (Compression::of_flags(le32(bytes, 4)?), false),
            _ => (Compression::of_number(bytes[16]), bytes[17] != 0),
        };
        match compression {
            Some(compression) if !encrypted => {
                self.header = Some(Header { layout, compression });
            }
            _ => {
                let key = "blocks that cannot be unpacked";
                out.note(Problem::Unsupported, key, self.offset, || {
                    "expected LZO, BZ2, LZ4, Zstandard or no compression, and no encryption; write \
                     the file anew with nfdump -r FILE -w NEW"
                        .to_string()
                });
                self.lost = true;
            }
        }
        Some(length)
    }

    /// Reads a block; `None` where more bytes are needed.
    fn block(&mut self, header: Header, bytes: &[u8], out: &mut Decoded) -> Option<usize> {
        let size = le32(bytes, 4)? as usize;
        let flags = le16(bytes, 10)?;
        if size > MAX_BLOCK {
            out.note(Problem::Malformed, "block of a wrong length", self.offset, || {
                format!("expected at most {MAX_BLOCK} bytes, found {size}; the rest is not read")
            });
            self.lost = true;
            return Some(bytes.len());
        }
        let packed = bytes.get(BLOCK_HEADER..BLOCK_HEADER + size)?;
        let plain = header.layout == Layout::Two && flags & BLOCK_PLAIN != 0;
        let compression = if plain { Compression::None } else { header.compression };
        self.packed(header.layout, compression, packed, out);
        Some(BLOCK_HEADER + size)
    }

    fn packed(
        &mut self,
        layout: Layout,
        compression: Compression,
        packed: &[u8],
        out: &mut Decoded,
    ) {
        if compression == Compression::None {
            return self.records(layout, packed, Some(self.offset + BLOCK_HEADER as u64), out);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        match unpack(compression, packed, &mut scratch) {
            Ok(length) => self.records(layout, &scratch[..length], None, out),
            Err(why) => {
                out.note(Problem::Malformed, "block that does not unpack", self.offset, || why);
            }
        }
        self.scratch = scratch;
    }

    /// Reads the records of a block, which begin `at` in the file; those of a packed one lie where
    /// their block does.
    fn records(&mut self, layout: Layout, block: &[u8], at: Option<u64>, out: &mut Decoded) {
        let mut done = 0;
        while let Some((kind, size)) = head(&block[done..]) {
            let offset = at.map_or(self.offset, |at| at + done as u64);
            let Some(record) = block.get(done..done + size).filter(|_| size >= 4) else {
                return out.note(Problem::Malformed, "record of a wrong length", offset, || {
                    format!("expected 4 to {} bytes, found {size}", block.len() - done)
                });
            };
            done += size;
            if !layout.is_flow(kind) {
                // Exporters, samplers, maps of extensions, the appendix.
                continue;
            }
            out.records += 1;
            match flow_of(layout, kind, record, Record { offset, ..Record::default() }) {
                Ok((one, moved)) => {
                    if moved {
                        let key = "flows stored 2^32 ms after their receipt, moved back by that";
                        out.note_times(Problem::Assumed, key, offset, 1);
                    }
                    self.pairing.push(LogSource::NetFlow, one, out);
                }
                Err(why) => out.note(Problem::Malformed, "flow record broken", offset, || {
                    format!("{why} is missing or cut off")
                }),
            }
        }
    }
}

impl Decoder for Nfcapd {
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let used = match self.header {
                _ if self.lost => Some(rest.len()),
                None => self.header(rest, out),
                Some(header) => self.block(header, rest, out),
            };
            let Some(used) = used else { break };
            done += used;
            self.offset += used as u64;
        }
        done
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        if !rest.is_empty() {
            let key = "file ends inside a block";
            out.note(Problem::Torn, key, self.offset, || {
                format!("found its first {} bytes; copy the file anew", rest.len())
            });
            // Whole records of a block that is not packed are good.
            if let (Some(header), Some(block)) = (self.header, rest.get(BLOCK_HEADER..))
                && header.compression == Compression::None
            {
                let whole = whole_records(block);
                let at = self.offset + BLOCK_HEADER as u64;
                self.records(header.layout, &block[..whole], Some(at), out);
            }
        }
        self.pairing.finish(LogSource::NetFlow, out);
    }
}

/// How many bytes of a cut block its whole records take.
fn whole_records(block: &[u8]) -> usize {
    let mut whole = 0;
    while let Some(size) = le16(block, whole + 2).map(usize::from) {
        if size < 4 || whole + size > block.len() {
            break;
        }
        whole += size;
    }
    whole
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use std::collections::BTreeSet;
    use std::path::PathBuf;
    use std::process::Command;

    use lapwing_event::Activity;

    use super::*;

    fn samples() -> Vec<PathBuf> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/formats/nfcapd");
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .unwrap()
            .map(|case| case.unwrap().path().join("input.nfcapd"))
            .collect();
        files.sort();
        files
    }

    /// The files of the shared corpus; none where it is not there.
    fn recorded() -> Vec<PathBuf> {
        let folder =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus/recorded/netflow");
        let Ok(entries) = std::fs::read_dir(folder) else {
            eprintln!("SKIPPED: {folder} is absent; its nfcapd files were not compared");
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "nfcapd"));
        files.sort();
        files
    }

    fn decoded(bytes: &[u8]) -> Decoded {
        let mut out = Decoded::default();
        let mut decoder = decoder();
        let done = decoder.decode(bytes, &mut out);
        decoder.finish(&bytes[done..], &mut out);
        out
    }

    /// nfdump as an independent witness: the conversations of every sample, whichever way a record
    /// tells of them.
    #[test]
    fn nfdump_sees_the_same_conversations() {
        if Command::new("nfdump").arg("-V").output().is_err() {
            eprintln!(
                "SKIPPED: nfdump is absent; flows were not compared (install package nfdump)"
            );
            return;
        }
        let key = |a: String, b: String| if a <= b { (a, b) } else { (b, a) };
        let samples = samples();
        assert!(samples.len() >= 4);
        for path in [samples, recorded()].concat() {
            let format = "fmt:%sa %sp %da %dp";
            let output = Command::new("nfdump")
                .args(["-q", "-6", "-o", format, "-r"])
                .arg(&path)
                // ICMP that asks nothing is no attempt.
                .arg("proto tcp or proto udp")
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let theirs: BTreeSet<(String, String)> = text
                .lines()
                .filter_map(|line| {
                    let fields: Vec<&str> = line.split_whitespace().collect();
                    let [source, from, target, to] = fields[..] else { return None };
                    Some(key(format!("{source} {from}"), format!("{target} {to}")))
                })
                .collect();
            let ours: BTreeSet<(String, String)> = decoded(&std::fs::read(&path).unwrap())
                .events
                .iter()
                .filter_map(|event| match &event.activity {
                    Activity::Network(n) if n.protocol.has_ports() => Some(key(
                        format!("{} {}", n.source, n.source_port),
                        format!("{} {}", n.target, n.target_port),
                    )),
                    _ => None,
                })
                .collect();
            assert_eq!(ours, theirs, "{}", path.display());
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_said_and_bounded() {
        for path in samples() {
            let mut bytes = std::fs::read(&path).unwrap();
            // A block that claims more than nfdump's buffers hold.
            bytes[HEADER_2 + 4..HEADER_2 + 8].copy_from_slice(&u32::MAX.to_le_bytes());
            let out = decoded(&bytes);
            assert!(out.events.is_empty());
            assert!(out.diagnostics().any(|said| said.key == "block of a wrong length"));
        }
        let mut bytes = std::fs::read(samples().first().unwrap()).unwrap();
        bytes[16] = 9;
        let out = decoded(&bytes);
        assert!(out.diagnostics().any(|said| said.problem == Problem::Unsupported));
        // Zeros would unpack to 255 times their number.
        let hostile = unpack(Compression::Lzo, &vec![0; MAX_BLOCK], &mut Vec::new());
        assert!(hostile.is_err());
    }

    /// The nfdump that packs the other samples knows no Zstandard.
    #[test]
    fn zstandard_blocks_are_read() {
        let path = samples().into_iter().find(|path| path.to_string_lossy().contains("plain"));
        let plain = std::fs::read(path.unwrap()).unwrap();
        let (header, rest) = plain.split_at(HEADER_2);
        let size = le32(rest, 4).unwrap() as usize;
        let packed = zstd::bulk::compress(&rest[BLOCK_HEADER..BLOCK_HEADER + size], 3).unwrap();
        let mut bytes = header.to_vec();
        bytes[16] = 4;
        bytes.extend_from_slice(&rest[..4]);
        bytes.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&rest[8..BLOCK_HEADER]);
        bytes.extend_from_slice(&packed);
        let activities = |bytes: &[u8]| -> Vec<Activity> {
            decoded(bytes).events.into_iter().map(|event| event.activity).collect()
        };
        let expected = activities(&plain);
        assert!(expected.len() > 10);
        assert_eq!(activities(&bytes), expected);
    }

    /// Files of layout 1 (nfdump 1.6), whose compression is among the flags of its header.
    #[test]
    fn old_files_of_every_compression_are_read() {
        let mut record = vec![10, 0, 48, 0, 0, 0, 1, 0, 250, 0, 10, 0];
        record.extend(1_700_000_000_u32.to_le_bytes());
        record.extend(1_700_000_001_u32.to_le_bytes());
        record.extend([0, 0x02, 6, 0]);
        record.extend(40_000_u16.to_le_bytes());
        record.extend(22_u16.to_le_bytes());
        record.extend([0; 4]);
        record.extend([4, 3, 2, 10, 9, 3, 2, 10, 1, 0, 0, 0, 60, 0, 0, 0]);
        let records = record.repeat(3);
        let packed = |flag: u32| match flag {
            0x08 => {
                let mut packed = Vec::new();
                let mut writer =
                    bzip2::read::BzEncoder::new(&records[..], bzip2::Compression::fast());
                std::io::Read::read_to_end(&mut writer, &mut packed).unwrap();
                packed
            }
            0x10 => lz4_flex::block::compress(&records),
            _ => records.clone(),
        };
        for flag in [0, 0x08, 0x10] {
            let block = packed(flag);
            let mut bytes = vec![0; HEADER_1];
            bytes[..4].copy_from_slice(&[0x0c, 0xa5, 1, 0]);
            bytes[4..8].copy_from_slice(&flag.to_le_bytes());
            bytes.extend(3_u32.to_le_bytes());
            bytes.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
            bytes.extend([2, 0, 0, 0]);
            bytes.extend(&block);
            assert!(recognises(&bytes));
            let out = decoded(&bytes);
            assert_eq!(out.records, 3, "{flag:#x}: {:?}", out.diagnostics().collect::<Vec<_>>());
            // The same direction thrice is one conversation.
            assert_eq!(out.events.len(), 1);
            assert!(out.events[0].to_string().contains("tcp 10.2.3.4|40000 -> 10.2.3.9|22"));
        }
    }

    #[test]
    fn whole_records_of_a_cut_block_are_used() {
        let path = samples().into_iter().find(|path| path.to_string_lossy().contains("plain"));
        let bytes = std::fs::read(path.unwrap()).unwrap();
        let out = decoded(&bytes[..bytes.len() / 2]);
        assert!(out.events.len() > 5);
        assert!(out.diagnostics().any(|said| said.problem == Problem::Torn));
    }
}
