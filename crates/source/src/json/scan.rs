//! Reads JSON as machines write it: whole objects without line ends in them. Whatever else there is
//! (errors, rare escapes) is refused, and left to `serde_json`, whose word counts.

use std::ops::Range;

use crate::words::{self, plain_text};

/// How deep objects and lists may lie in each other; deeper ones are left to `serde_json`, which refuses
/// them at 128.
pub(super) const MAX_DEPTH: usize = 64;

/// How many digits a number with a point may have to be taken as it is written: with more, its text may
/// differ from that of the nearest float.
const PLAIN_DIGITS: usize = 15;

/// The same of a whole number, so that it fits 64 bits with its sign.
const WHOLE_DIGITS: usize = 17;

/// A place in a text of JSON. Every method is `None` where the text is not what it is for, or ends: the
/// place means nothing then.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A string's contents as they stand between the quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) raw: &'a str,
    /// Whether there are escapes in it.
    pub(crate) escaped: bool,
}

/// What a value is, seen by its first byte; of objects and lists the scanner stands behind that one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    Object,
    List,
    Scalar(Scalar),
}

/// What a value is that is no object and no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text {
        escaped: bool,
    },
    Null,
    /// `true`, `false`, or a number that is written as it would be again.
    Plain,
    /// Any other number.
    Number,
}

impl<'a> Scanner<'a> {
    /// A scanner at the start of a text.
    pub(crate) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    /// How many bytes lie before this place.
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    /// What was passed since a place.
    pub(crate) fn since(&self, place: usize) -> Option<&'a str> {
        self.slice(place..self.at)
    }

    /// What lies behind this place.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Passes this many bytes, which are known.
    pub(crate) fn pass_bytes(&mut self, length: usize) {
        self.at += length;
    }

    /// The next byte.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn slice(&self, range: Range<usize>) -> Option<&'a str> {
        self.text.get(range)
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes this byte, and blanks before and behind it.
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.pass(byte).then_some(())
    }

    /// As [`Scanner::expect`], where the byte may be another: then only blanks are passed.
    fn pass(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.pass_at_once(byte);
        if found {
            self.blanks();
        }
        found
    }

    /// Passes this byte and nothing about it, if it is next.
    pub(crate) fn pass_at_once(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes the brace that an object begins with.
    pub(crate) fn object(&mut self) -> Option<()> {
        matches!(self.value()?, Found::Object).then_some(())
    }

    /// Goes through the members of an object, behind its brace; `take` passes the value of each.
    pub(crate) fn members(
        &mut self,
        mut take: impl FnMut(&mut Scanner<'a>, Text<'a>) -> Option<()>,
    ) -> Option<()> {
        if self.pass_at_once(b'}') {
            return Some(());
        }
        loop {
            let key = self.key()?;
            take(self, key)?;
            if !self.more(b'}')? {
                return Some(());
            }
        }
    }

    /// A key and its colon.
    pub(crate) fn key(&mut self) -> Option<Text<'a>> {
        let bytes = self.text.as_bytes();
        (self.peek()? == b'"').then_some(())?;
        self.at += 1;
        let (range, escaped) = self.string()?;
        let key = Text { raw: self.slice(range)?, escaped };
        // Mostly no blanks are about the colon.
        if bytes.get(self.at) == Some(&b':') && bytes.get(self.at + 1).is_some_and(|b| *b > b' ') {
            self.at += 1;
        } else {
            self.expect(b':')?;
        }
        Some(key)
    }

    /// Whether another member follows; else the object or list is over, and its end was passed.
    pub(crate) fn more(&mut self, end: u8) -> Option<bool> {
        let bytes = self.text.as_bytes();
        self.blanks();
        let byte = self.peek()?;
        self.at += 1;
        if byte == b',' {
            if bytes.get(self.at).is_some_and(|byte| *byte <= b' ') {
                self.blanks();
            }
            return Some(true);
        }
        (byte == end).then_some(false)
    }

    /// What value is next.
    pub(crate) fn value(&mut self) -> Option<Found> {
        let found = match self.peek()? {
            b'{' => Found::Object,
            b'[' => Found::List,
            _ => return self.scalar().map(|(scalar, _)| Found::Scalar(scalar)),
        };
        self.at += 1;
        self.blanks();
        Some(found)
    }

    /// A value that is no object and no list, and where it lies: a string's contents, all of another.
    #[inline]
    pub(crate) fn scalar(&mut self) -> Option<(Scalar, Range<usize>)> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                let (range, escaped) = self.string()?;
                Some((Scalar::Text { escaped }, range))
            }
            b't' => self.word(b"true", Scalar::Plain),
            b'f' => self.word(b"false", Scalar::Plain),
            b'n' => self.word(b"null", Scalar::Null),
            _ => self.number(),
        }
    }

    /// Passes a value, whatever is in it, and gives it as it is written.
    pub(crate) fn raw_value(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.skip(MAX_DEPTH)?;
        self.slice(start..self.at)
    }

    fn skip(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match self.value()? {
            Found::Object if !self.pass_at_once(b'}') => loop {
                self.key()?;
                self.skip(depth)?;
                if !self.more(b'}')? {
                    break;
                }
            },
            Found::List if !self.pass_at_once(b']') => loop {
                self.skip(depth)?;
                if !self.more(b']')? {
                    break;
                }
            },
            _ => {}
        }
        Some(())
    }

    #[inline(never)]
    fn word(&mut self, word: &[u8], scalar: Scalar) -> Option<(Scalar, Range<usize>)> {
        let range = self.at..self.at + word.len();
        (self.text.as_bytes().get(range.clone())? == word).then_some(())?;
        self.at = range.end;
        Some((scalar, range))
    }

    /// The rest of a string, behind its opening quote: where its contents lie, and whether there are
    /// escapes in them.
    #[inline]
    fn string(&mut self) -> Option<(Range<usize>, bool)> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start;
        let mut escaped = false;
        loop {
            at += plain_text(bytes.get(at..)?);
            match bytes.get(at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                0..0x20 => return None,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some((start..at, escaped))
    }

    /// A number of JSON's grammar (RFC 8259 section 6).
    #[inline(never)]
    fn number(&mut self) -> Option<(Scalar, Range<usize>)> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start;
        let digits = |mut at: usize| {
            let from = at;
            if let Some(eight) = bytes.get(at..)?.first_chunk() {
                at += words::digits(*eight);
            }
            // The rest of more than eight, or the end of the text.
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            (at > from).then_some(at)
        };
        let negative = bytes.get(at) == Some(&b'-');
        at += usize::from(negative);
        let first = *bytes.get(at)?;
        let whole = digits(at)?;
        (first != b'0' || whole == at + 1).then_some(())?;
        let mut plain = !(negative && first == b'0');
        at = whole;
        if bytes.get(at) == Some(&b'.') {
            at = digits(at + 1)?;
            plain &= bytes.get(at - 1) != Some(&b'0');
        }
        let most = if at == whole { WHOLE_DIGITS } else { PLAIN_DIGITS };
        plain &= at - start <= most + 1; // a sign or a point is none of them
        if let Some(b'e' | b'E') = bytes.get(at) {
            plain = false;
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            at = digits(at)?;
        }
        // What ends it must be there to be seen.
        bytes.get(at)?;
        self.at = at;
        Some((if plain { Scalar::Plain } else { Scalar::Number }, start..at))
    }
}

impl Text<'_> {
    /// Appends the string that was meant; `None` for escapes of the upper planes, which come in pairs.
    pub(crate) fn unescape(self, out: &mut String) -> Option<()> {
        let mut rest = self.raw;
        while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
            out.push_str(rest.get(..at)?);
            let mut length = at + 2;
            out.push(match rest.as_bytes().get(at + 1)? {
                b'"' => '"',
                b'\\' => '\\',
                b'/' => '/',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => {
                    let digits = rest.get(at + 2..at + 6)?;
                    length += digits.len();
                    let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    char::from_u32(hex.then(|| u32::from_str_radix(digits, 16).ok())??)?
                }
                _ => return None,
            });
            rest = rest.get(length..)?;
        }
        out.push_str(rest);
        Some(())
    }
}
