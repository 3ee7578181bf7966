//! Values as nearly all text inputs write them: a few digits, decimal seconds, a dotted address. They
//! are read eight bytes at a time where there are as many; whatever else a value may look like is left
//! to its own parser.

use lapwing_event::{Address, Timestamp};

use crate::words;

/// How many digits always fit 64 bits, with a sign.
const FITTING: usize = 18;

/// The most digits of the seconds of a time that can be held (the year 2262).
const SECONDS: usize = 10;

/// Powers of ten, by how many digits they let stand before.
const TENS: [u64; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// How many of the first eight bytes are digits, and those as a number, which means nothing where there
/// are none.
#[inline]
fn eight(bytes: [u8; 8]) -> (usize, u64) {
    let count = words::digits(bytes);
    // Each as its value; what lies behind them is pushed out, so that zeros stand before.
    let digits = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    let digits = digits.wrapping_shl(64 - 8 * count as u32);
    // Neighbours are put together thrice: digits, then pairs, then fours.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (count, (fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// The number that the text begins with, and its digits' count; it means nothing where those are none, or
/// more than [`FITTING`].
#[inline]
fn leading(text: &[u8]) -> (u64, usize) {
    let (mut count, mut number) = match text.first_chunk() {
        Some(first) => eight(*first),
        None => (0, 0),
    };
    if count == 8 || text.len() < 8 {
        while let Some(digit @ 0..=9) = text.get(count).map(|byte| byte.wrapping_sub(b'0')) {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            count += 1;
        }
    }
    (number, count)
}

/// The number that the text begins with, where it fits, and its length.
#[inline]
pub(crate) fn leading_number(text: &[u8]) -> Option<(u64, usize)> {
    let (number, count) = leading(text);
    (1..=FITTING).contains(&count).then_some((number, count))
}

/// The decimal seconds that the text begins with, with a point and one to nine digits behind it, and
/// their length.
#[inline]
pub(crate) fn leading_seconds(text: &[u8]) -> Option<(Timestamp, usize)> {
    let (seconds, whole) = leading(text);
    ((1..=SECONDS).contains(&whole) && text.get(whole) == Some(&b'.')).then_some(())?;
    let fraction = text.get(whole + 1..)?;
    let (part, digits) = leading_number(fraction)?;
    let nanos = part.checked_mul(*TENS.get(9_usize.checked_sub(digits)?)?)?;
    let time = Timestamp::from_parts(i64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?)?;
    Some((time, whole + 1 + digits))
}

/// How many bytes are looked at for a dotted address; it has at most one less.
const WINDOW: usize = 16;

/// The dotted address that the text begins with, and its length; `None` also where nothing lies behind it.
#[inline]
pub(crate) fn leading_dotted(text: &[u8]) -> Option<(Address, usize)> {
    let window: &[u8; WINDOW] = text.first_chunk()?;
    let byte = |at: usize| window[at % WINDOW];
    let digit = |at: usize| byte(at).wrapping_sub(b'0');
    let mut octets = [0; 4];
    let mut at = 0;
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            (byte(at) == b'.').then_some(())?;
            at += 1;
        }
        let (first, second, third) = (digit(at), digit(at + 1), digit(at + 2));
        let (value, length) = match (first, second, third) {
            (10.., ..) => return None,
            (_, 10.., _) => (u16::from(first), 1),
            // Some take an octet with a leading zero for octal.
            (0, ..) => return None,
            (_, _, 10..) => (u16::from(first) * 10 + u16::from(second), 2),
            _ => (u16::from(first) * 100 + u16::from(second) * 10 + u16::from(third), 3),
        };
        *octet = u8::try_from(value).ok()?;
        at += length;
    }
    Some((octets.into(), at))
}

/// The cells of a line, one after another. Those who ask are told `None` where the next one is not there, or
/// something else than they asked for, and else it is passed.
#[derive(Debug)]
pub(crate) struct Cells<'l> {
    line: &'l [u8],
    separator: u8,
    at: usize,
}

impl<'l> Cells<'l> {
    /// The cells between these separators.
    pub(crate) fn new(line: &'l [u8], separator: u8) -> Cells<'l> {
        Cells { line, separator, at: 0 }
    }

    /// Goes behind the separator that must follow so many bytes, or the line's end.
    #[inline]
    fn pass(&mut self, length: usize) -> Option<()> {
        let end = self.at + length;
        self.line.get(end).is_none_or(|byte| *byte == self.separator).then_some(())?;
        self.at = end + 1;
        Some(())
    }

    /// A cell that is all of what `read` finds at its beginning: one of [`leading_number`],
    /// [`leading_seconds`] and [`leading_dotted`].
    #[inline]
    pub(crate) fn whole<T>(&mut self, read: impl Fn(&[u8]) -> Option<(T, usize)>) -> Option<T> {
        let (value, length) = read(self.line.get(self.at..)?)?;
        self.pass(length).map(|()| value)
    }

    /// A cell of any bytes.
    #[inline]
    pub(crate) fn any(&mut self) -> Option<&'l [u8]> {
        let rest = self.line.get(self.at..)?;
        let length = words::find_near(self.separator, rest).unwrap_or(rest.len());
        self.pass(length)?;
        rest.get(..length)
    }

    /// Whether there are no more.
    pub(crate) fn are_over(&self) -> bool {
        self.at > self.line.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXTS: &str = "[0-9]{0,20}|[0-9.]{0,24}|[0-9]{1,12}\\.[0-9]{0,11}|[0-9a-f.:%-]{0,20}|([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9/:,\u{e9}]{0,9}";

    /// The whole of a cell that these bytes lie behind.
    fn whole<T>(text: &str, read: impl Fn(&[u8]) -> Option<(T, usize)>) -> Option<T> {
        Cells::new(format!("{text},10.0.0.1:443,....").as_bytes(), b',').whole(read)
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_others_read(text in TEXTS) {
            let cell = text.split_once(',').map_or(&*text, |(cell, _)| cell);
            for text in [&*text, cell] {
                if let Some(number) = whole(text, leading_number) {
                    prop_assert_eq!(cell.parse(), Ok(number));
                }
                if let Some(time) = whole(text, leading_seconds) {
                    prop_assert_eq!(Timestamp::parse_decimal_seconds(cell), Some(time));
                }
                if let Some(address) = whole(text, leading_dotted) {
                    prop_assert_eq!(cell.parse(), Ok(address));
                }
            }
            let bare = Cells::new(cell.as_bytes(), b',').whole(leading_number);
            prop_assert_eq!(bare, whole(cell, leading_number));
            let bare = Cells::new(cell.as_bytes(), b',').whole(leading_seconds);
            prop_assert_eq!(bare, whole(cell, leading_seconds));
        }

        #[test]
        fn dotted_addresses_are_found(octets in any::<[u8; 4]>()) {
            let address = Address::from(octets);
            prop_assert_eq!(whole(&address.to_string(), leading_dotted), Some(address));
        }

        #[test]
        fn cells_lie_between_separators(cells in prop::collection::vec("[^,]{0,20}", 1..6)) {
            let line = cells.join(",");
            let mut found = Cells::new(line.as_bytes(), b',');
            for cell in &cells {
                prop_assert!(!found.are_over());
                prop_assert_eq!(found.any(), Some(cell.as_bytes()));
            }
            prop_assert!(found.are_over() && found.any().is_none());
        }
    }

    #[test]
    fn what_is_common_is_read() {
        let number = |text| whole(text, leading_number);
        assert_eq!((number("0"), number("12345678")), (Some(0), Some(12_345_678)));
        assert_eq!(number("999999999999999999"), Some(999_999_999_999_999_999));
        assert_eq!((number(""), number("1234567890123456789"), number("+1")), (None, None, None));
        let seconds = |text| whole(text, leading_seconds);
        let moment = Timestamp(1_767_225_600_598_192_000);
        assert_eq!(seconds("1767225600.598192"), Some(moment));
        assert_eq!(seconds("1767225600.598192000"), Some(moment));
        for other in ["1767225600", "1767225600.", ".5", "9999999999.0", "1.0000000000"] {
            assert_eq!(seconds(other), None, "{other}");
        }
        for other in ["10.0.250.256", "10.00.1.1", "1.2.3", "1.2.3.4.", "1.2.3.1234", "::1", ""] {
            assert_eq!(whole(other, leading_dotted), None, "{other}");
        }
    }
}
