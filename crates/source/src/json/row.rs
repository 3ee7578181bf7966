//! The leaves of an object in their order, and how they are found again.

use std::ops::Range;

use super::shapes::PlaceId;

/// How many leaves an object may have: the largest Windows events have about a hundred.
pub(super) const MAX_LEAVES: usize = 4096;

/// How much room a flat object is given at first: most events have fewer leaves.
pub(super) const LEAVES_AT_FIRST: usize = 64;

/// Leaves in their order.
#[derive(Debug)]
pub(super) struct Row {
    pub leaves: Vec<Leaf>,
    /// The first bytes of each leaf's path, together, so that those under another are found without a
    /// look at the others.
    pub heads: Vec<u64>,
    /// The number of the last leaf whose path has this slot, plus one.
    pub slots: [u32; SLOTS],
    /// The bit of each path's start, so that most of what is not there need not be looked for.
    pub starts: u64,
}

impl Row {
    pub fn new() -> Row {
        Row {
            leaves: Vec::with_capacity(LEAVES_AT_FIRST),
            heads: Vec::with_capacity(LEAVES_AT_FIRST),
            slots: [0; SLOTS],
            starts: 0,
        }
    }

    pub fn clear(&mut self) {
        self.leaves.clear();
        self.heads.clear();
        self.slots = [0; SLOTS];
        self.starts = 0;
    }

    /// Takes a leaf in; `None` where there are too many.
    #[inline]
    pub fn push(
        &mut self,
        place: PlaceId,
        about: About,
        value: Range<u32>,
        own: bool,
    ) -> Option<()> {
        if about.interest == Interest::Passed {
            return Some(());
        }
        (self.leaves.len() < MAX_LEAVES).then_some(())?;
        self.starts |= 1 << about.bit;
        self.heads.push(about.head);
        let number = self.leaves.len() as u32 + 1;
        let before = std::mem::replace(&mut self.slots[usize::from(about.slot)], number);
        let (start, end, interest) = (value.start, value.end, about.interest);
        self.leaves.push(Leaf { place, start, end, own, interest, before });
        Some(())
    }
}

/// How many slots leaves are found by: most objects have fewer leaves.
const SLOTS: usize = 128;

#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub place: PlaceId,
    /// The value, in the object's own text or in the input.
    pub start: u32,
    pub end: u32,
    pub own: bool,
    pub interest: Interest,
    /// The number of the last leaf before it that has the same slot, plus one.
    pub before: u32,
}

/// What is kept of a path beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    /// What tells most paths of one object apart: their length and their last three bytes.
    pub mark: u32,
    /// Its first eight bytes; zeros behind shorter ones.
    pub head: u64,
    /// Its slot, and the bit of its first two bytes.
    pub slot: u8,
    pub bit: u8,
    pub interest: Interest,
}

/// What the leaves of a path are to a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// It may ask for them by their path.
    Asked,
    /// It asks for them under this number too.
    Numbered(u8),
    /// It never asks for them.
    Passed,
}

impl About {
    /// That of a path whose leaves are this.
    pub fn asked(path: &str, interest: Interest) -> About {
        About { interest, ..About::of(path) }
    }

    #[inline]
    pub fn of(path: &str) -> About {
        let bytes = path.as_bytes();
        let last = match bytes {
            [.., a, b, c] => [*a, *b, *c],
            [a, b] => [0, *a, *b],
            [a] => [0, 0, *a],
            [] => [0; 3],
        };
        let head = match bytes.first_chunk::<8>() {
            Some(first) => *first,
            None => std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default()),
        };
        let mark = u32::from_le_bytes([bytes.len() as u8, last[0], last[1], last[2]]);
        About {
            mark,
            head: u64::from_le_bytes(head),
            // Fibonacci hashing: the high bits of a product with 2^32 by the golden ratio.
            slot: (mark.wrapping_mul(0x9e37_79b9) >> (32 - SLOTS.ilog2())) as u8,
            bit: (head[0].wrapping_mul(31) ^ head[1]) % 64,
            interest: Interest::Asked,
        }
    }
}
