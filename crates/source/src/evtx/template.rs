//! The templates of a chunk: which of a record's values stand where in its event.
//!
//! A record is an instance of a template, which holds the elements and says which of the instance's
//! values stand in which of them. Writers with a manifest put the event's own data into a second
//! instance, which is one of the first one's values.
//!
//! <https://learn.microsoft.com/openspecs/windows_protocols/ms-even6> section 2.2

use crate::windows::{Field, Value};

/// Tokens of binary XML (section 2.2.3.1), without the flag for what follows them.
const OPEN_ELEMENT: u8 = 0x01;
const CLOSE_START: u8 = 0x02;
const CLOSE_EMPTY: u8 = 0x03;
const END_ELEMENT: u8 = 0x04;
const VALUE_TEXT: u8 = 0x05;
const ATTRIBUTE: u8 = 0x06;
const SUBSTITUTION: u8 = 0x0d;
const OPTIONAL_SUBSTITUTION: u8 = 0x0e;
/// The flag of an element with attributes, and of an attribute that is not the last one.
const MORE: u8 = 0x40;

/// A fragment's header, which begins records and templates.
pub(super) const FRAGMENT: [u8; 4] = [0x0f, 1, 1, 0];
/// Bytes of a template before that: the next one's place, its id, its length.
const HEADER: usize = 24;

/// The types of values (section 2.2.2.1) that a template's own are of.
const STRING: u8 = 0x01;

/// What stands in an element or an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The template's own text.
    Fixed(Box<str>),
    /// The instance's value of this number.
    Value(u16),
}

/// What of an event's System is looked at.
#[derive(Debug, Default)]
pub(super) struct System {
    pub provider: Option<Content>,
    pub number: Option<Content>,
    pub written: Option<Content>,
    pub writer: Option<Content>,
    pub computer: Option<Content>,
}

/// What stands in each of an event's named values that are asked for.
pub(super) type Fields = Vec<(Field, Content)>;

/// Where an event's own data is.
#[derive(Debug)]
pub(super) enum Data {
    /// Its named values that are asked for.
    Named(Fields),
    /// In a second instance, which is this value.
    Within(u16),
    /// There is none.
    Absent,
    /// Laid out in a way that is left to the `evtx` crate.
    Other,
}

/// A template of whole events.
#[derive(Debug)]
pub(super) struct Template {
    pub system: System,
    pub data: Data,
}

impl Template {
    /// The template at this place of a chunk; `None` where its System is laid out in a way that is left
    /// to the `evtx` crate.
    pub(super) fn read(chunk: &[u8], place: usize) -> Option<Template> {
        let mut at = fragment(chunk, place)?;
        for name in ["Event", "System"] {
            let start = at.open(chunk)?;
            (is(start.name, name) && !start.empty).then_some(())?;
        }
        let system = system(chunk, &mut at)?;
        Some(Template { system, data: behind_system(chunk, &mut at).unwrap_or(Data::Other) })
    }
}

/// The named values of a template of an event's data alone; `None` for what is left to the crate.
pub(super) fn event_data(chunk: &[u8], place: usize) -> Option<Fields> {
    let mut at = fragment(chunk, place)?;
    let data = named(chunk, &mut at)?;
    (at.u8()? == 0).then_some(data)
}

/// Behind the fragment's header of a template.
fn fragment(chunk: &[u8], place: usize) -> Option<Cursor<'_>> {
    let mut at = Cursor { bytes: chunk, at: place.checked_add(HEADER)? };
    at.pass(&FRAGMENT)?;
    Some(at)
}

/// The elements of System that are looked at.
const SYSTEM: &[&str] = &["Provider", "EventID", "TimeCreated", "Execution", "Computer"];

/// Reads System's elements, behind its start, with its end.
fn system<'a>(chunk: &'a [u8], at: &mut Cursor<'a>) -> Option<System> {
    let mut system = System::default();
    while at.peek()? != END_ELEMENT {
        let mut element = Cursor { ..*at };
        let end = element.end()?;
        // Those that are not looked at are passed by their length.
        if let (Some(name), attributes) = element.start(chunk, SYSTEM)? {
            let attribute = |wanted: &str| {
                let found = attributes.iter().find(|(name, _)| is(name, wanted));
                found.and_then(|(_, part)| part.content())
            };
            let (place, content) = match name {
                "Provider" => (&mut system.provider, attribute("Name")?),
                "TimeCreated" => (&mut system.written, attribute("SystemTime")?),
                "Execution" => (&mut system.writer, attribute("ProcessID")?),
                "EventID" => (&mut system.number, element.only_part()?.content()?),
                _ => (&mut system.computer, element.only_part()?.content()?),
            };
            place.is_none().then(|| *place = Some(content))?;
        }
        at.at = end;
    }
    at.skip(1)?;
    Some(system)
}

/// What follows System, to the end of the event.
fn behind_system<'a>(chunk: &'a [u8], at: &mut Cursor<'a>) -> Option<Data> {
    let data = match at.peek()? & !MORE {
        END_ELEMENT => Data::Absent,
        OPEN_ELEMENT => Data::Named(named(chunk, at)?),
        _ => match at.part()? {
            Part::Value(place) => Data::Within(place),
            Part::Fixed(_) => return None,
        },
    };
    (at.u8()? == END_ELEMENT && at.u8()? == 0).then_some(data)
}

/// The values that are asked for of an element `EventData` that holds `Data` elements with names and nothing
/// else.
fn named<'a>(chunk: &'a [u8], at: &mut Cursor<'a>) -> Option<Fields> {
    let start = at.open(chunk)?;
    is(start.name, "EventData").then_some(())?;
    let mut fields = Fields::new();
    if start.empty {
        return Some(fields);
    }
    while at.peek()? != END_ELEMENT {
        let (Some(_), attributes) = at.start(chunk, &["Data"])? else { return None };
        let [(key, Part::Fixed(name))] = &*attributes else { return None };
        is(key, "Name").then_some(())?;
        let part = at.only_part()?;
        if let Some(field) = Field::all().find(|field| is(name, field.name())) {
            // The crate gives a name that comes twice a new one.
            fields.iter().all(|(known, _)| *known != field).then_some(())?;
            fields.push((field, part.content()?));
        }
    }
    at.skip(1)?;
    Some(fields)
}

/// Whether a name of UTF-16 is this one, which is of ASCII.
fn is(name: &[u8], text: &str) -> bool {
    let units = name.as_chunks::<2>().0;
    name.len() == 2 * text.len() && units.iter().zip(text.bytes()).all(|(unit, b)| *unit == [b, 0])
}

/// The start of an element without attributes that matter.
struct Open<'a> {
    name: &'a [u8],
    /// Whether nothing is in it.
    empty: bool,
}

/// What stands in an element or an attribute, as it lies in the chunk.
enum Part<'a> {
    Fixed(&'a [u8]),
    Value(u16),
}

impl Part<'_> {
    fn content(&self) -> Option<Content> {
        Some(match self {
            Part::Fixed(text) => Content::Fixed(text_of(text)?.text().into()),
            Part::Value(place) => Content::Value(*place),
        })
    }
}

/// Which of the names that are wanted an element has, and its attributes by name.
type Start<'a> = (Option<&'static str>, Vec<(&'a [u8], Part<'a>)>);

/// A place in a chunk. Every method is `None` where there is something else.
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(super) fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(|_| ())
    }

    pub(super) fn pass(&mut self, wanted: &[u8]) -> Option<()> {
        (self.take(wanted.len())? == wanted).then_some(())
    }

    pub(super) fn starts_with(&self, wanted: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(wanted))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(*self.take(2)?.first_chunk()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    /// Passes the definition of a template, where it lies right here: the first instance has it with it.
    pub(super) fn pass_definition(&mut self, template: usize) -> Option<()> {
        if self.at == template {
            self.skip(HEADER - 4)?;
            let length = self.u32()?;
            self.skip(length as usize)?;
        }
        Some(())
    }

    /// Where the element ends that is next: it tells its length.
    fn end(&self) -> Option<usize> {
        let mut ahead = Cursor { ..*self };
        (ahead.u8()? & !MORE == OPEN_ELEMENT).then_some(())?;
        ahead.skip(2)?;
        let length = ahead.u32()? as usize;
        ahead.at.checked_add(length)
    }

    /// Passes an element's start, whatever its attributes are.
    fn open(&mut self, chunk: &'a [u8]) -> Option<Open<'a>> {
        let token = self.u8()?;
        (token & !MORE == OPEN_ELEMENT).then_some(())?;
        self.skip(6)?;
        let name = self.name(chunk)?;
        if token & MORE != 0 {
            let length = self.u32()? as usize;
            self.skip(length)?;
        }
        let empty = self.closed()?;
        Some(Open { name, empty })
    }

    /// Passes an element's start and reads its attributes, where its name is one of those wanted.
    fn start(&mut self, chunk: &'a [u8], wanted: &[&'static str]) -> Option<Start<'a>> {
        let token = self.u8()?;
        (token & !MORE == OPEN_ELEMENT).then_some(())?;
        self.skip(6)?;
        let name = self.name(chunk)?;
        let mut attributes = Vec::new();
        let Some(name) = wanted.iter().copied().find(|wanted| is(name, wanted)) else {
            return Some((None, attributes));
        };
        if token & MORE != 0 {
            self.skip(4)?;
            loop {
                let token = self.u8()?;
                (token & !MORE == ATTRIBUTE).then_some(())?;
                let key = self.name(chunk)?;
                attributes.push((key, self.part()?));
                if token & MORE == 0 {
                    break;
                }
            }
        }
        // Of these, only those without content may be empty elements.
        match self.closed()? {
            true if matches!(name, "Data" | "EventID" | "Computer") => None,
            _ => Some((Some(name), attributes)),
        }
    }

    /// Whether the start that ends here is the whole of an empty element.
    fn closed(&mut self) -> Option<bool> {
        match self.u8()? {
            CLOSE_START => Some(false),
            CLOSE_EMPTY => Some(true),
            _ => None,
        }
    }

    /// Passes what an element holds, where that is one text or one value, and its end.
    fn only_part(&mut self) -> Option<Part<'a>> {
        let part = self.part()?;
        (self.u8()? == END_ELEMENT).then_some(part)
    }

    /// Passes one text or one value.
    fn part(&mut self) -> Option<Part<'a>> {
        match self.u8()? {
            VALUE_TEXT => {
                (self.u8()? == STRING).then_some(())?;
                let length = usize::from(self.u16()?);
                Some(Part::Fixed(self.take(2 * length)?))
            }
            SUBSTITUTION | OPTIONAL_SUBSTITUTION => {
                let place = self.u16()?;
                self.skip(1)?; // its type, which the instance tells too
                Some(Part::Value(place))
            }
            _ => None,
        }
    }

    /// Passes a name's place, and the name where it lies right behind; gives it in UTF-16.
    fn name(&mut self, chunk: &'a [u8]) -> Option<&'a [u8]> {
        let place = self.u32()? as usize;
        let mut name = Cursor { bytes: chunk, at: place };
        name.skip(6)?;
        let length = usize::from(name.u16()?);
        let text = name.take(2 * length)?;
        name.skip(2)?;
        if place == self.at {
            self.at = name.at;
        }
        Some(text)
    }
}

/// A text of UTF-16, up to its first NUL; `None` where it is none.
pub(super) fn text_of(bytes: &[u8]) -> Option<Value<'_>> {
    Value::wide(bytes).or_else(|| {
        let (units, odd) = bytes.as_chunks::<2>();
        odd.is_empty().then_some(())?;
        let units =
            units.iter().map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0);
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.ok().map(Value::from)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::text_of;

    fn read(bytes: &[u8]) -> Option<String> {
        text_of(bytes).map(|value| value.text().into_owned())
    }

    proptest! {
        #[test]
        fn text_is_that_of_the_standard_library(text in "[a-z\u{1}\u{e9}\u{20ac}\u{1f600}]{0,150}|[ -~]{0,40}", behind in "[a\u{0}]{0,20}") {
            let whole = format!("{text}{behind}");
            let bytes: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
            prop_assert_eq!(read(&bytes), whole.split('\0').next().map(String::from));
            prop_assert_eq!(read(&[&bytes[..], &[1]].concat()), None);
        }

        #[test]
        fn half_a_pair_is_no_text(units in prop::collection::vec(1_u16.., 0..30)) {
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            prop_assert_eq!(read(&bytes), String::from_utf16(&units).ok());
        }
    }
}
