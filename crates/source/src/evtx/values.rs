//! Records read from their values, without being rendered: those whose templates are laid out as nearly
//! all writers do it. Others are left to the `evtx` crate, whose word counts; a test holds both to each
//! other.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use lapwing_event::Timestamp;

use super::template::{Content, Cursor, Data, FRAGMENT, Fields, Template, event_data, text_of};
use crate::windows::{Value, WindowsRecord, is_used, may_be_used};

/// The token of a template's instance, and the 1 behind it.
const INSTANCE: [u8; 2] = [0x0c, 1];

/// The most templates of each kind that are remembered of one chunk: real ones have up to about fifty.
/// With more, records are left to the `evtx` crate.
const MAX_TEMPLATES: usize = 256;

/// The most values that an instance may have: real ones have under a hundred.
const MAX_VALUES: usize = 512;

/// The types of values (MS-EVEN6 section 2.2.2.1).
mod kind {
    pub(super) const NULL: u8 = 0x00;
    pub(super) const STRING: u8 = 0x01;
    pub(super) const UINT8: u8 = 0x04;
    pub(super) const UINT16: u8 = 0x06;
    pub(super) const INT32: u8 = 0x07;
    pub(super) const UINT32: u8 = 0x08;
    pub(super) const UINT64: u8 = 0x0a;
    pub(super) const BOOL: u8 = 0x0d;
    pub(super) const GUID: u8 = 0x0f;
    pub(super) const FILETIME: u8 = 0x11;
    pub(super) const SID: u8 = 0x13;
    pub(super) const HEX32: u8 = 0x14;
    pub(super) const HEX64: u8 = 0x15;
    pub(super) const BINARY_XML: u8 = 0x21;
}

/// FILETIME's units from 1601 to 1970, and how many nanoseconds one is.
const EPOCH: u64 = 116_444_736_000_000_000;
const UNIT: u64 = 100;

/// What a record is.
#[derive(Debug)]
pub(super) enum Read<'a> {
    /// Of a number that is not used, whoever wrote it.
    NotUsed,
    /// A record; of those that are not used, without its data.
    Record(WindowsRecord<'a>),
}

/// Reads the records of one chunk.
#[derive(Default)]
pub(super) struct Values {
    templates: HashMap<u32, Option<Template>, RandomState>,
    data: HashMap<u32, Option<Fields>, RandomState>,
    /// The values of the record's two instances.
    outer: Vec<Place>,
    inner: Vec<Place>,
}

/// One value of an instance: its type, and where it lies in the chunk.
#[derive(Clone, Debug)]
struct Place {
    kind: u8,
    at: Range<usize>,
}

impl Values {
    /// The record whose content lies there in a chunk; `None` where it is left to the `evtx` crate.
    pub(super) fn read<'a>(
        &'a mut self,
        chunk: &'a [u8],
        content: Range<usize>,
        offset: u64,
    ) -> Option<Read<'a>> {
        let template = instance(chunk, content, &mut self.outer)?;
        known(&mut self.templates, template, |place| Template::read(chunk, place))?;
        let outer = Instance { chunk, places: &self.outer };
        let Template { system, data } = self.templates.get(&template)?.as_ref()?;
        let event_id = outer.number(system.number.as_ref()?)?;
        if !may_be_used(event_id) {
            return Some(Read::NotUsed);
        }
        let mut record = WindowsRecord { event_id, offset, ..WindowsRecord::default() };
        match outer.value(system.provider.as_ref()?)? {
            Some(Value::Text(provider)) => record.provider = provider,
            Some(other) => record.provider = Cow::Owned(other.text().into_owned()),
            None => {}
        }
        if let Some(content) = &system.computer {
            record.computer = outer.value(content)?;
        }
        if let Some(content) = &system.written {
            record.written = Some(outer.time(content)?);
        }
        if let Some(content) = &system.writer {
            record.writer = Some(outer.number(content)?);
        }
        if !is_used(&record.provider, event_id) {
            return Some(Read::Record(record));
        }
        let (fields, instance) = match data {
            Data::Named(fields) => (fields, outer),
            Data::Within(place) => match self.outer.get(usize::from(*place))? {
                Place { kind: kind::NULL, .. } => return Some(Read::Record(record)),
                Place { kind: kind::BINARY_XML, at } => {
                    let template = instance(chunk, at.clone(), &mut self.inner)?;
                    known(&mut self.data, template, |place| event_data(chunk, place))?;
                    let inner = Instance { chunk, places: &self.inner };
                    (self.data.get(&template)?.as_ref()?, inner)
                }
                _ => return None,
            },
            Data::Absent => return Some(Read::Record(record)),
            Data::Other => return None,
        };
        for (field, content) in fields {
            if let Some(value) = instance.value(content)? {
                record.data.set(*field, value);
            }
        }
        Some(Read::Record(record))
    }
}

/// Reads a template where it is not known yet; `None` where there are too many.
fn known<T>(
    map: &mut HashMap<u32, Option<T>, RandomState>,
    template: u32,
    read: impl FnOnce(usize) -> Option<T>,
) -> Option<()> {
    if !map.contains_key(&template) {
        (map.len() < MAX_TEMPLATES).then_some(())?;
        map.insert(template, read(template as usize));
    }
    Some(())
}

/// The template of an instance, where whose values lie is put into `places`.
fn instance(chunk: &[u8], content: Range<usize>, places: &mut Vec<Place>) -> Option<u32> {
    places.clear();
    let mut at = Cursor { bytes: chunk.get(..content.end)?, at: content.start };
    // Some writers have no fragment's header before the second instance.
    if at.starts_with(&FRAGMENT) {
        at.skip(FRAGMENT.len())?;
    }
    at.pass(&INSTANCE)?;
    at.skip(4)?;
    let template = at.u32()?;
    at.pass_definition(template as usize)?;
    let count = at.u32()? as usize;
    (count <= MAX_VALUES).then_some(())?;
    let (kinds, _) = at.take(4 * count)?.as_chunks::<4>();
    for [low, high, kind, _] in kinds {
        let start = at.at;
        at.skip(usize::from(u16::from_le_bytes([*low, *high])))?;
        places.push(Place { kind: *kind, at: start..at.at });
    }
    Some(template)
}

/// The values of one instance.
#[derive(Clone, Copy)]
struct Instance<'a> {
    chunk: &'a [u8],
    places: &'a [Place],
}

impl<'a> Instance<'a> {
    fn bytes(&self, place: u16) -> Option<(u8, &'a [u8])> {
        let Place { kind, at } = self.places.get(usize::from(place))?;
        Some((*kind, self.chunk.get(at.clone())?))
    }

    /// What stands there as the crate renders it, or that nothing does; `None` for what is left to the crate.
    fn value(&self, content: &'a Content) -> Option<Option<Value<'a>>> {
        let (kind, bytes) = match content {
            Content::Value(place) => self.bytes(*place)?,
            Content::Fixed(text) => return Some(Some(Value::from(&**text))),
        };
        Some(Some(match kind {
            kind::NULL => return Some(None),
            kind::STRING => text_of(bytes)?,
            kind::GUID => Value::Guid(bytes.try_into().ok()?),
            kind::SID => Value::from(sid(bytes)?),
            kind::BOOL => Value::from(match i32::from_le_bytes(bytes.try_into().ok()?) {
                0 => "false",
                1 => "true",
                _ => return None, // the crate keeps it as a number
            }),
            kind::INT32 => {
                let number = i32::from_le_bytes(bytes.try_into().ok()?);
                u64::try_from(number).map_or_else(|_| number.to_string().into(), Value::Number)
            }
            kind::HEX32 | kind::HEX64 => Value::Hex(whole(kind, bytes)?),
            _ => Value::Number(whole(kind, bytes)?),
        }))
    }

    /// A number that fits.
    fn number(&self, content: &Content) -> Option<u32> {
        match content {
            Content::Fixed(text) => text.parse().ok(),
            Content::Value(place) => {
                let (kind @ (kind::UINT8 | kind::UINT16 | kind::UINT32), bytes) =
                    self.bytes(*place)?
                else {
                    return None;
                };
                u32::try_from(whole(kind, bytes)?).ok()
            }
        }
    }

    /// A time since 1970.
    fn time(&self, content: &Content) -> Option<Timestamp> {
        let Content::Value(place) = content else { return None };
        let (kind::FILETIME, bytes) = self.bytes(*place)? else { return None };
        let units = u64::from_le_bytes(bytes.try_into().ok()?).checked_sub(EPOCH)?;
        Some(Timestamp(i64::try_from(units.checked_mul(UNIT)?).ok()?))
    }
}

/// A number without a sign; `None` for other types, and where the length is another.
fn whole(kind: u8, bytes: &[u8]) -> Option<u64> {
    match (kind, bytes) {
        (kind::UINT8, [byte]) => Some(u64::from(*byte)),
        (kind::UINT16, [a, b]) => Some(u64::from(u16::from_le_bytes([*a, *b]))),
        (kind::UINT32 | kind::HEX32, [a, b, c, d]) => {
            Some(u64::from(u32::from_le_bytes([*a, *b, *c, *d])))
        }
        (kind::UINT64 | kind::HEX64, bytes) => Some(u64::from_le_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

/// A security identifier (MS-DTYP section 2.4.2).
fn sid(bytes: &[u8]) -> Option<String> {
    let [revision, count, authority @ ..] = bytes.first_chunk::<8>()?;
    let (parts, rest) = bytes.get(8..)?.as_chunks::<4>();
    (rest.is_empty() && parts.len() == usize::from(*count)).then_some(())?;
    let authority = authority.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut text = format!("S-{revision}-{authority}");
    for part in parts {
        write!(text, "-{}", u32::from_le_bytes(*part)).ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use std::path::Path;
    use std::sync::Arc;

    use evtx::{EvtxChunkData, ParserSettings};

    use super::*;
    use crate::evtx::{CHUNK_BYTES, CHUNK_MAGIC, HEADER_BYTES, json};
    use crate::windows::Field;

    /// A record without what makes no difference: empty fields, and how values are kept.
    fn shown(record: &WindowsRecord<'_>) -> String {
        let computer = record.computer.as_ref().map(Value::text).filter(|name| !name.is_empty());
        let value = |field| record.data.get(field).map(|value| (field, value.text()));
        let data = Field::all().filter_map(value).filter(|(_, value)| !value.is_empty());
        let data: Vec<_> = data.collect();
        let WindowsRecord { provider, event_id, written, writer, offset, .. } = record;
        format!("{provider} {event_id} {computer:?} {written:?} {writer:?} {offset} {data:?}")
    }

    /// How many records of a file there are, how many of them are used, and how many of those were read:
    /// each is then the one that is rendered.
    fn read(file: &[u8]) -> [u32; 3] {
        let mut counts = [0; 3];
        for chunk in file.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(CHUNK_BYTES) {
            if !chunk.starts_with(CHUNK_MAGIC) {
                continue;
            }
            let mut data = EvtxChunkData::new(chunk.to_vec(), false).unwrap();
            let Ok(mut parsed) = data.parse(Arc::new(ParserSettings::new())) else { continue };
            let mut values = Values::default();
            for record in parsed.iter().flatten() {
                let start = record.binxml_offset as usize;
                let content = start..start + record.binxml_size as usize;
                let Ok(rendered) = record.into_json_bytes() else { continue };
                let rendered = json::record(&rendered.data, 7).unwrap();
                let used = is_used(&rendered.provider, rendered.event_id);
                counts[0] += 1;
                counts[1] += u32::from(used);
                match values.read(chunk, content, 7) {
                    Some(Read::NotUsed) => assert!(!may_be_used(rendered.event_id)),
                    Some(Read::Record(record)) => {
                        assert_eq!(shown(&record), shown(&rendered));
                        counts[2] += u32::from(used);
                    }
                    None => {}
                }
            }
        }
        counts
    }

    #[test]
    fn a_record_is_the_one_that_is_rendered() {
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
        let mut all = [0; 3];
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "evtx")) {
            let more = read(&std::fs::read(file).unwrap());
            all.iter_mut().zip(more).for_each(|(all, more)| *all += more);
        }
        let [records, used, read] = all;
        assert!(used > 0 && read >= used / 10 * 9, "{records} records, {read} of {used} were read");
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
            Values::default().read(chunk, at..CHUNK_BYTES, 0);
            if at < 4096 {
                let mut damaged = chunk.to_vec();
                damaged[at] ^= 0xff;
                Values::default().read(&damaged, 0x200 + 24..CHUNK_BYTES, 0);
            }
        }
    }
}
