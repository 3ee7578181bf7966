//! The templates of a chunk: which of a record's values stand where in its event.
//!
//! A record is an instance of a template, which holds the elements and says which of the instance's
//! values stand in which of them. Writers with a manifest put the event's own data into a second
//! instance, which is one of the first one's values.
//!
//! <https://learn.microsoft.com/openspecs/windows_protocols/ms-even6> section 2.2

use crate::windows::FIELDS;

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
pub(super) type Fields = Vec<(Box<str>, Content)>;

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
        (at.open(chunk)? == Open { name: "Event".into(), empty: false }).then_some(())?;
        (at.open(chunk)? == Open { name: "System".into(), empty: false }).then_some(())?;
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

/// Reads System's elements, behind its start, with its end.
fn system(chunk: &[u8], at: &mut Cursor<'_>) -> Option<System> {
    let mut system = System::default();
    while at.peek()? != END_ELEMENT {
        let mut element = Cursor { ..*at };
        let end = element.end()?;
        // Those that are not looked at are passed by their length.
        let wanted = |name: &str| {
            matches!(name, "Provider" | "EventID" | "TimeCreated" | "Execution" | "Computer")
        };
        let (name, attributes) = element.start(chunk, wanted)?;
        let attribute = |wanted: &str| {
            attributes.iter().find(|(name, _)| &**name == wanted).map(|(_, value)| value.clone())
        };
        match &*name {
            "Provider" => once(&mut system.provider, attribute("Name")?)?,
            "TimeCreated" => once(&mut system.written, attribute("SystemTime")?)?,
            "Execution" => once(&mut system.writer, attribute("ProcessID")?)?,
            "EventID" => once(&mut system.number, element.only_content()?)?,
            "Computer" => once(&mut system.computer, element.only_content()?)?,
            _ => {}
        }
        at.at = end;
    }
    at.skip(1)?;
    Some(system)
}

fn once(place: &mut Option<Content>, content: Content) -> Option<()> {
    place.is_none().then(|| *place = Some(content))
}

/// What follows System, to the end of the event.
fn behind_system(chunk: &[u8], at: &mut Cursor<'_>) -> Option<Data> {
    let data = match at.peek()? & !MORE {
        END_ELEMENT => Data::Absent,
        OPEN_ELEMENT => Data::Named(named(chunk, at)?),
        _ => match at.content()? {
            Content::Value(place) => Data::Within(place),
            Content::Fixed(_) => return None,
        },
    };
    (at.u8()? == END_ELEMENT && at.u8()? == 0).then_some(data)
}

/// The values that are asked for of an element `EventData` that holds `Data` elements with names and nothing
/// else.
fn named(chunk: &[u8], at: &mut Cursor<'_>) -> Option<Fields> {
    let start = at.open(chunk)?;
    (&*start.name == "EventData").then_some(())?;
    let mut fields = Fields::new();
    if start.empty {
        return Some(fields);
    }
    while at.peek()? != END_ELEMENT {
        let (name, attributes) = at.start(chunk, |name| name == "Data")?;
        let mut attributes = attributes.into_iter();
        let (Some((key, Content::Fixed(field))), None) = (attributes.next(), attributes.next())
        else {
            return None;
        };
        let content = at.only_content()?;
        // The crate gives a name that comes twice a new one.
        let once = fields.iter().all(|(known, _)| *known != field);
        (&*name == "Data" && &*key == "Name" && once).then_some(())?;
        if FIELDS.contains(&&*field) {
            fields.push((field, content));
        }
    }
    at.skip(1)?;
    Some(fields)
}

/// The start of an element without attributes that matter.
#[derive(PartialEq, Eq)]
struct Open {
    name: Box<str>,
    /// Whether nothing is in it.
    empty: bool,
}

/// An element's name, and its attributes by name.
type Start = (Box<str>, Vec<(Box<str>, Content)>);

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
    fn open(&mut self, chunk: &[u8]) -> Option<Open> {
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

    /// Passes an element's start and reads its attributes, where its name is wanted.
    fn start(&mut self, chunk: &[u8], wanted: impl Fn(&str) -> bool) -> Option<Start> {
        let token = self.u8()?;
        (token & !MORE == OPEN_ELEMENT).then_some(())?;
        self.skip(6)?;
        let name = self.name(chunk)?;
        let mut attributes = Vec::new();
        if !wanted(&name) {
            return Some((name, attributes));
        }
        if token & MORE != 0 {
            self.skip(4)?;
            loop {
                let token = self.u8()?;
                (token & !MORE == ATTRIBUTE).then_some(())?;
                let key = self.name(chunk)?;
                attributes.push((key, self.content()?));
                if token & MORE == 0 {
                    break;
                }
            }
        }
        // Of these, only those without content may be empty elements.
        match self.closed()? {
            true if &*name == "Data" || &*name == "EventID" || &*name == "Computer" => None,
            _ => Some((name, attributes)),
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
    fn only_content(&mut self) -> Option<Content> {
        let content = self.content()?;
        (self.u8()? == END_ELEMENT).then_some(content)
    }

    /// Passes one text or one value.
    fn content(&mut self) -> Option<Content> {
        match self.u8()? {
            VALUE_TEXT => {
                (self.u8()? == STRING).then_some(())?;
                let length = usize::from(self.u16()?);
                let mut text = String::new();
                utf16(self.take(2 * length)?, &mut text)?;
                Some(Content::Fixed(text.into()))
            }
            SUBSTITUTION | OPTIONAL_SUBSTITUTION => {
                let place = self.u16()?;
                self.skip(1)?; // its type, which the instance tells too
                Some(Content::Value(place))
            }
            _ => None,
        }
    }

    /// Passes a name's place, and the name where it lies right behind.
    fn name(&mut self, chunk: &[u8]) -> Option<Box<str>> {
        let place = self.u32()? as usize;
        let mut name = Cursor { bytes: chunk, at: place };
        name.skip(6)?;
        let length = usize::from(name.u16()?);
        let mut text = String::new();
        utf16(name.take(2 * length)?, &mut text)?;
        name.skip(2)?;
        if place == self.at {
            self.at = name.at;
        }
        Some(text.into())
    }
}

/// Four units of UTF-16 in one word: what is set where one is no ASCII, and what finds one that is zero
/// (Mycroft's test, 1987).
const NO_ASCII: u64 = 0xff80_ff80_ff80_ff80;
const ONES: u64 = 0x0001_0001_0001_0001;
const HIGH: u64 = 0x8000_8000_8000_8000;

/// How many characters are put down at once.
const ROOM: usize = 64;

/// Appends a text of UTF-16 up to its first NUL; `None` where it is none.
pub(super) fn utf16(bytes: &[u8], out: &mut String) -> Option<()> {
    let (units, odd) = bytes.as_chunks::<2>();
    odd.is_empty().then_some(())?;
    // Most of it is ASCII, which needs no look at pairs.
    let (mut plain, mut room, mut held) = (0, [0; ROOM], 0);
    for four in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*four);
        if word & NO_ASCII != 0 || word.wrapping_sub(ONES) & !word & HIGH != 0 {
            break;
        }
        let [a, _, b, _, c, _, d, _] = *four;
        room.get_mut(held..held + 4)?.copy_from_slice(&[a, b, c, d]);
        held += 4;
        plain += 4;
        if held == ROOM {
            out.push_str(std::str::from_utf8(&room).ok()?);
            held = 0;
        }
    }
    out.push_str(std::str::from_utf8(&room[..held]).ok()?);
    let rest = units.get(plain..)?;
    let end = rest.iter().position(|unit| *unit == [0, 0]).unwrap_or(rest.len());
    for character in char::decode_utf16(rest[..end].iter().map(|unit| u16::from_le_bytes(*unit))) {
        out.push(character.ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::utf16;

    proptest! {
        #[test]
        fn text_is_that_of_the_standard_library(text in "[a-z\u{1}\u{e9}\u{20ac}\u{1f600}]{0,150}", behind in "[a\u{0}]{0,20}") {
            let whole = format!("{text}{behind}");
            let bytes: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let mut out = String::from(">");
            prop_assert_eq!(utf16(&bytes, &mut out), Some(()));
            prop_assert_eq!(&out[1..], whole.split('\0').next().unwrap_or_default());
            prop_assert_eq!(utf16(&[&bytes[..], &[1]].concat(), &mut out), None);
        }

        #[test]
        fn half_a_pair_is_no_text(units in prop::collection::vec(1_u16.., 0..30)) {
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let mut out = String::new();
            let read = utf16(&bytes, &mut out).map(|()| out);
            prop_assert_eq!(read, String::from_utf16(&units).ok());
        }
    }
}
