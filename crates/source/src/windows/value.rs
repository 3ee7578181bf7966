//! A field's value as its dialect has it.

use std::borrow::Cow;

/// A value. What is no text in a log's own bytes stays what it is, so that nothing is made of it that is not
/// asked for.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    /// ASCII characters of two bytes each, the low one first, and what lies behind a NUL, which is not part
    /// of the text.
    Wide(&'a [u8]),
    Number(u64),
    /// A number that is written in hexadecimal, with `0x`.
    Hex(u64),
    /// A GUID as Windows stores it.
    Guid([u8; 16]),
}

/// How long a short text is: times and addresses are.
const SHORT: usize = 48;

/// The places of a GUID's bytes in its text: the first three parts are stored last byte first.
const GUID_ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

impl<'a> Value<'a> {
    /// A text of UTF-16 where all of it is ASCII; `None` for others.
    pub(crate) fn wide(bytes: &'a [u8]) -> Option<Value<'a>> {
        let (units, odd) = bytes.as_chunks::<2>();
        let all = units.iter().fold(0, |all, unit| all | u16::from_le_bytes(*unit));
        (odd.is_empty() && all < 0x80).then_some(Value::Wide(bytes))
    }

    /// The value as a rendered event has it.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Value::Text(text) => Cow::Borrowed(text),
            Value::Wide(bytes) => {
                let units = bytes.as_chunks::<2>().0;
                let mut text: Vec<u8> = units.iter().map(|[low, _]| *low).collect();
                text.truncate(memchr::memchr(0, &text).unwrap_or(text.len()));
                Cow::Owned(String::from_utf8(text).unwrap_or_default())
            }
            Value::Number(number) => Cow::Owned(number.to_string()),
            Value::Hex(number) => Cow::Owned(format!("{number:#x}")),
            Value::Guid(bytes) => Cow::Owned(format!("{{{}}}", guid::<String>(bytes))),
        }
    }

    /// Reads the same text, which is put down nowhere where it is short.
    pub(super) fn with_text<T>(&self, read: impl FnOnce(&str) -> T) -> T {
        match self {
            Value::Text(text) => read(text),
            Value::Wide(bytes) if bytes.len() <= 2 * SHORT => {
                let mut text = [0; SHORT];
                for (place, [low, _]) in text.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *place = *low;
                }
                let end = memchr::memchr(0, &text).unwrap_or(SHORT);
                read(std::str::from_utf8(&text[..end]).unwrap_or_default())
            }
            _ => read(&self.text()),
        }
    }

    /// Appends what tells the value from all others, so that equal bytes are equal values.
    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        let number;
        let (kind, bytes) = match self {
            Value::Text(text) => (b't', text.as_bytes()),
            Value::Wide(bytes) => (b'w', *bytes),
            Value::Guid(bytes) => (b'g', &bytes[..]),
            Value::Number(of) | Value::Hex(of) => {
                number = of.to_le_bytes();
                (if matches!(self, Value::Hex(_)) { b'x' } else { b'n' }, &number[..])
            }
        };
        key.push(kind);
        key.extend_from_slice(&bytes.len().to_le_bytes());
        key.extend_from_slice(bytes);
    }
}

impl<'a, T: Into<Cow<'a, str>>> From<T> for Value<'a> {
    fn from(text: T) -> Value<'a> {
        Value::Text(text.into())
    }
}

/// A GUID in lowercase without braces.
pub(super) fn guid<T: for<'t> From<&'t str>>(bytes: &[u8; 16]) -> T {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = *b"00000000-0000-0000-0000-000000000000";
    let mut digit = 0;
    for (at, place) in GUID_ORDER.into_iter().enumerate() {
        digit += usize::from(matches!(at, 4 | 6 | 8 | 10));
        let byte = usize::from(bytes[place]);
        text[digit] = DIGITS[byte >> 4];
        text[digit + 1] = DIGITS[byte & 15];
        digit += 2;
    }
    T::from(std::str::from_utf8(&text).unwrap_or_default())
}
