//! Eight bytes looked at together, as one word: for text whose parts are too short for a search by
//! vectors to pay for its start.

/// How many words are looked at before a search by vectors takes over.
const SHORT: usize = 4;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte of the word that is zero; of those behind such a byte some may be set too
/// (Mycroft's test, 1987).
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// Where the first of these bytes lies among eight.
#[inline]
fn in_word<const N: usize>(eight: [u8; 8], needles: [u8; N]) -> Option<usize> {
    let word = u64::from_le_bytes(eight);
    let found =
        needles.iter().fold(0, |found, byte| found | zeros(word ^ (ONES * u64::from(*byte))));
    (found != 0).then_some((found.trailing_zeros() / 8) as usize)
}

/// Where the first of three bytes lies.
#[inline]
pub(crate) fn find(needles: [u8; 3], bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    for (at, eight) in words.iter().take(SHORT).enumerate() {
        if let Some(found) = in_word(*eight, needles) {
            return Some(8 * at + found);
        }
    }
    let seen = 8 * words.len().min(SHORT);
    let [a, b, c] = needles;
    memchr::memchr3(a, b, c, bytes.get(seen..)?).map(|found| seen + found)
}

/// How many of eight bytes are digits, before the first that is none.
#[inline]
pub(crate) fn digits(eight: [u8; 8]) -> usize {
    // A digit's value has the high bit neither by itself nor with 118 added.
    let values = u64::from_le_bytes(eight) ^ (ONES * u64::from(b'0'));
    let others = (((values & !HIGH) + ONES * 118) | values) & HIGH;
    (others.trailing_zeros() / 8) as usize
}

/// Where the first of a byte lies that is near.
#[inline]
pub(crate) fn find_near(needle: u8, bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, eight) in words.iter().enumerate() {
        if let Some(found) = in_word(*eight, [needle]) {
            return Some(8 * at + found);
        }
    }
    let found = rest.iter().position(|byte| *byte == needle)?;
    Some(8 * words.len() + found)
}

/// How many bytes of a JSON string lie before the next quote, backslash or control character, by whole
/// words: what is behind them need not be one of those.
#[inline]
pub(crate) fn plain_text(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    for (at, eight) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        // With the second bit turned over, a quote is the byte behind the control characters.
        let turned = word ^ (ONES * 2);
        let quote_or_control = turned.wrapping_sub(ONES * 0x21) & !turned & HIGH;
        let found = zeros(word ^ (ONES * b'\\' as u64)) | quote_or_control;
        if found != 0 {
            return 8 * at + (found.trailing_zeros() / 8) as usize;
        }
    }
    8 * words.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_found_where_they_are(bytes in "[0-9]{0,9}[a-f0-9/: !\"\\\\\u{1}\u{7f}\u{e9}]{0,60}") {
            let bytes = bytes.as_bytes();
            let found = bytes.iter().position(|byte| b" !a".contains(byte));
            prop_assert_eq!(find(*b" !a", bytes), found);
            if let Some(eight) = bytes.first_chunk() {
                let digits = bytes.iter().take(8).take_while(|byte| byte.is_ascii_digit());
                prop_assert_eq!(super::digits(*eight), digits.count());
            }
            let near = find_near(b'a', bytes);
            prop_assert_eq!(near, bytes.iter().position(|byte| *byte == b'a'));
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let plain = plain_text(bytes);
            match bytes.iter().position(special) {
                Some(at) => prop_assert!(plain == at || plain < at && plain + 8 > bytes.len()),
                None => prop_assert_eq!(plain, bytes.len() / 8 * 8),
            }
        }
    }
}
