//! LZO1X, unpacked within bounds: the crates that do it take no bound for what comes out, or panic on
//! damaged bytes.
//!
//! <https://docs.kernel.org/staging/lzo.html>

/// Unpacks into `plain` and gives the length.
///
/// # Errors
/// Where the bytes end early, point before their beginning, or unpack to more than `plain` holds.
pub(super) fn unpack(packed: &[u8], plain: &mut [u8]) -> Result<usize, &'static str> {
    let mut unpacker = Unpacker { packed, plain, length: 0 };
    unpacker.run()?;
    Ok(unpacker.length)
}

/// Said where the input ends within an instruction.
const EARLY: &str = "it ends early";

struct Unpacker<'a> {
    packed: &'a [u8],
    plain: &'a mut [u8],
    length: usize,
}

/// What the last instruction left: how many literals it copied after a match, 4 for a run of them.
type State = usize;

const AFTER_RUN: State = 4;

impl Unpacker<'_> {
    fn run(&mut self) -> Result<(), &'static str> {
        let mut state: State = 0;
        // The first byte may be a run of literals by itself.
        if let Some(first @ 18..) = self.packed.first().copied() {
            self.packed = &self.packed[1..];
            let count = usize::from(first) - 17;
            self.literals(count)?;
            state = count.min(AFTER_RUN);
        }
        loop {
            let byte = usize::from(self.byte()?);
            let (length, distance, next) = match byte {
                0..16 if state == 0 => {
                    let count = 3 + self.count(byte, 15)?;
                    self.literals(count)?;
                    state = AFTER_RUN;
                    continue;
                }
                0..16 => {
                    let high = usize::from(self.byte()?) << 2;
                    let near = high + (byte >> 2);
                    let (length, base) = if state == AFTER_RUN { (3, 2049) } else { (2, 1) };
                    (length, near + base, byte & 3)
                }
                16..32 => {
                    let length = 2 + self.count(byte & 7, 7)?;
                    let low = self.two()?;
                    let distance = 16_384 + ((byte & 8) << 11) + (low >> 2);
                    if distance == 16_384 {
                        return Ok(());
                    }
                    (length, distance, low & 3)
                }
                32..64 => {
                    let length = 2 + self.count(byte & 31, 31)?;
                    let low = self.two()?;
                    (length, (low >> 2) + 1, low & 3)
                }
                _ => {
                    let high = usize::from(self.byte()?) << 3;
                    let distance = high + (byte >> 2 & 7) + 1;
                    let length = if byte < 128 { 3 + (byte >> 5 & 1) } else { 5 + (byte >> 5 & 3) };
                    (length, distance, byte & 3)
                }
            };
            self.copy(length, distance)?;
            self.literals(next)?;
            state = next;
        }
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        let (first, rest) = self.packed.split_first().ok_or(EARLY)?;
        self.packed = rest;
        Ok(*first)
    }

    fn two(&mut self) -> Result<usize, &'static str> {
        Ok(usize::from(self.byte()?) | usize::from(self.byte()?) << 8)
    }

    /// A length that stands in the instruction, or where that is 0 in the bytes after it: `base`, 255
    /// for each zero byte, and the first other byte.
    fn count(&mut self, given: usize, base: usize) -> Result<usize, &'static str> {
        if given > 0 {
            return Ok(given);
        }
        let mut count = base;
        loop {
            match self.byte()? {
                0 => count += 255,
                last => return Ok(count + usize::from(last)),
            }
        }
    }

    fn literals(&mut self, count: usize) -> Result<(), &'static str> {
        let (from, rest) = self.packed.split_at_checked(count).ok_or(EARLY)?;
        self.room(count)?.copy_from_slice(from);
        self.packed = rest;
        self.length += count;
        Ok(())
    }

    /// Copies from `distance` back, byte by byte where that overlaps what is written.
    fn copy(&mut self, count: usize, distance: usize) -> Result<(), &'static str> {
        self.room(count)?;
        let from = self.length.checked_sub(distance).ok_or("it points before its beginning")?;
        if distance >= count {
            self.plain.copy_within(from..from + count, self.length);
        } else {
            for at in 0..count {
                self.plain[self.length + at] = self.plain[from + at];
            }
        }
        self.length += count;
        Ok(())
    }

    fn room(&mut self, count: usize) -> Result<&mut [u8], &'static str> {
        let end = self.length.saturating_add(count);
        self.plain.get_mut(self.length..end).ok_or("it is longer")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_matches_and_ends_are_read() {
        // Four literals, a match of 12 at distance 4, the end.
        let packed = [21, b'a', b'b', b'c', b'd', 32 | 10, 12, 0, 17, 0, 0];
        let mut plain = [0; 64];
        assert_eq!(unpack(&packed, &mut plain), Ok(16));
        assert_eq!(&plain[..16], b"abcdabcdabcdabcd");
        assert_eq!(unpack(&packed, &mut plain[..15]), Err("it is longer"));
        assert_eq!(unpack(&packed[..7], &mut plain), Err(EARLY));
        assert_eq!(
            unpack(&[21, 1, 2, 3, 4, 42, 40, 0], &mut plain),
            Err("it points before its beginning")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end_within_bounds(packed in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut plain = [0; 4096];
            if let Ok(length) = unpack(&packed, &mut plain) {
                prop_assert!(length <= plain.len());
            }
        }
    }
}
