//! An event's number, read from its record before the record is rendered.
//!
//! A record is an instance of a template: the template holds the elements and says which of the
//! instance's values stand where, among them the text of `System/EventID`. Whatever is not laid out as
//! all writers do it has no number here, and is rendered.
//!
//! <https://learn.microsoft.com/openspecs/windows_protocols/ms-even6> section 2.2

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// Tokens of binary XML (section 2.2.3.1), without the flag for what follows them.
const OPEN_ELEMENT: u8 = 0x01;
const CLOSE_START: u8 = 0x02;
const END_ELEMENT: u8 = 0x04;
const SUBSTITUTION: u8 = 0x0d;
const OPTIONAL_SUBSTITUTION: u8 = 0x0e;
/// The flag of an element with attributes.
const MORE: u8 = 0x40;

/// A fragment's header and the token of a template's instance, which begin a record.
const INSTANCE: [u8; 6] = [0x0f, 1, 1, 0, 0x0c, 1];
/// A fragment's header, which begins a template.
const FRAGMENT: [u8; 4] = [0x0f, 1, 1, 0];
/// Bytes of a template before that: the next one's place, its id, its length.
const TEMPLATE_HEADER: usize = 24;

/// The type of a 16-bit number.
const UINT16: u8 = 0x06;

/// The most templates that are remembered of one chunk: each takes some hundred of its 64 KiB.
const MAX_TEMPLATES: usize = 1024;

/// Where templates of one chunk have the number, by their own place.
#[derive(Default)]
pub(super) struct Numbers(HashMap<u32, Option<u16>, RandomState>);

impl Numbers {
    /// The number of the event whose record's content begins there, where it can be told.
    pub(super) fn of(&mut self, chunk: &[u8], content: usize) -> Option<u16> {
        let mut at = Cursor { bytes: chunk, at: content };
        at.pass(&INSTANCE)?;
        at.skip(4)?;
        let template = at.u32()?;
        let index = match self.0.get(&template) {
            Some(known) => *known,
            None => {
                let found = place_of_number(chunk, template as usize);
                if self.0.len() < MAX_TEMPLATES {
                    self.0.insert(template, found);
                }
                found
            }
        }?;
        // The first instance has the template with it.
        if at.at == template as usize {
            let length = Cursor { bytes: chunk, at: at.at + TEMPLATE_HEADER - 4 }.u32()?;
            at.skip(TEMPLATE_HEADER + length as usize)?;
        }
        let count = at.u32()? as usize;
        let kinds = at.take(4_usize.checked_mul(count)?)?;
        let (kinds, _) = kinds.as_chunks::<4>();
        let (before, wanted) = kinds.split_at_checked(usize::from(index))?;
        let [2, 0, UINT16, _] = *wanted.first()? else { return None };
        at.skip(
            before
                .iter()
                .map(|[low, high, ..]| usize::from(u16::from_le_bytes([*low, *high])))
                .sum(),
        )?;
        at.u16()
    }
}

/// Which of its values a template puts in the place of `Event/System/EventID`.
fn place_of_number(chunk: &[u8], template: usize) -> Option<u16> {
    let mut at = Cursor { bytes: chunk, at: template.checked_add(TEMPLATE_HEADER)? };
    at.pass(&FRAGMENT)?;
    at.open(chunk, "Event")?;
    at.open(chunk, "System")?;
    loop {
        let mut element = Cursor { ..at };
        let end = element.end()?;
        if element.open(chunk, "EventID").is_some() {
            let (SUBSTITUTION | OPTIONAL_SUBSTITUTION) = element.u8()? else { return None };
            let place = element.u16()?;
            element.skip(1)?; // its type, which the instance tells too
            return (element.u8()? == END_ELEMENT).then_some(place);
        }
        at.at = end;
    }
}

/// A place in a chunk. Every method is `None` where there is something else.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(|_| ())
    }

    fn pass(&mut self, wanted: &[u8]) -> Option<()> {
        (self.take(wanted.len())? == wanted).then_some(())
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(*self.take(2)?.first_chunk()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    /// Where the element ends that is next: it tells its length.
    fn end(&mut self) -> Option<usize> {
        let mut ahead = Cursor { ..*self };
        (ahead.u8()? & !MORE == OPEN_ELEMENT).then_some(())?;
        ahead.skip(2)?;
        let length = ahead.u32()? as usize;
        ahead.at.checked_add(length)
    }

    /// Passes an element's start with its attributes, where it has this name.
    fn open(&mut self, chunk: &[u8], name: &str) -> Option<()> {
        let token = self.u8()?;
        (token & !MORE == OPEN_ELEMENT).then_some(())?;
        self.skip(6)?;
        self.named(chunk, name)?;
        if token & MORE != 0 {
            let length = self.u32()? as usize;
            self.skip(length)?;
        }
        (self.u8()? == CLOSE_START).then_some(())
    }

    /// Passes a name's place, and the name where it lies right behind.
    fn named(&mut self, chunk: &[u8], wanted: &str) -> Option<()> {
        let place = self.u32()? as usize;
        let mut name = Cursor { bytes: chunk, at: place };
        name.skip(6)?;
        let length = usize::from(name.u16()?);
        let units = name.take(2 * length)?.as_chunks::<2>().0;
        name.skip(2)?;
        if place == self.at {
            self.at = name.at;
        }
        let is_it = units.iter().map(|unit| u16::from_le_bytes(*unit)).eq(wanted.encode_utf16());
        is_it.then_some(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use std::path::Path;
    use std::sync::Arc;

    use evtx::{EvtxChunkData, ParserSettings};

    use super::*;
    use crate::evtx::{CHUNK_BYTES, CHUNK_MAGIC, HEADER_BYTES};

    /// How many records of a file there are, and of how many the number can be told: each is then the
    /// one that is rendered.
    fn told(file: &[u8]) -> (u32, u32) {
        let (mut records, mut told) = (0, 0);
        for chunk in file.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(CHUNK_BYTES) {
            if !chunk.starts_with(CHUNK_MAGIC) {
                continue;
            }
            let mut data = EvtxChunkData::new(chunk.to_vec(), false).unwrap();
            let Ok(mut parsed) = data.parse(Arc::new(ParserSettings::new())) else { continue };
            let mut numbers = Numbers::default();
            for record in parsed.iter().flatten() {
                let number = numbers.of(chunk, record.binxml_offset as usize);
                let Ok(rendered) = record.into_json_value() else { continue };
                let id = &rendered.data["Event"]["System"]["EventID"];
                let id = id.get("#text").unwrap_or(id);
                records += 1;
                if let Some(number) = number {
                    assert_eq!(id.as_u64(), Some(u64::from(number)));
                    told += 1;
                }
            }
        }
        (records, told)
    }

    #[test]
    fn the_number_is_the_one_that_is_rendered() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/formats/evtx");
        let shared =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/windows_evtx");
        let mut files: Vec<_> = folder
            .read_dir()
            .unwrap()
            .map(|case| case.unwrap().path().join("input.evtx"))
            .collect();
        match shared.read_dir() {
            Ok(samples) => files.extend(samples.map(|sample| sample.unwrap().path())),
            Err(_) => eprintln!("SKIPPED: {} is absent; its logs were not read", shared.display()),
        }
        let (mut records, mut of_them) = (0, 0);
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "evtx")) {
            let (more, told) = told(&std::fs::read(file).unwrap());
            records += more;
            of_them += told;
        }
        assert!(records > 0 && of_them >= records / 10 * 9, "{of_them} of {records} are told");
    }

    #[test]
    fn no_bytes_bring_it_down() {
        let file = std::fs::read(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../corpus/formats/evtx/sysmon-one-chunk/input.evtx"),
        )
        .unwrap();
        let chunk = &file[HEADER_BYTES..HEADER_BYTES + CHUNK_BYTES];
        for at in 0..CHUNK_BYTES {
            Numbers::default().of(chunk, at);
            let mut damaged = chunk.to_vec();
            damaged[at] ^= 0xff;
            if at < 2048 {
                Numbers::default().of(&damaged, 0x200 + 24);
            }
        }
    }
}
