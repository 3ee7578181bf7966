//! Lists that are objects themselves, as kubectl and crictl print them: `{"kind": "List", "items": […]}`.

use super::objects::{End, object_end, string_end};

/// How far into an object its list of records may begin: what Kubernetes puts before it is two short
/// strings and the list's own metadata.
pub(super) const MAX_START: usize = 16 << 10;

/// The one object that may lie before the records.
const METADATA: &[u8] = b"metadata";

/// Where the records of the list begin that the bytes begin with, after the bracket; cut off where it
/// is another object than a list under one of these keys. A pure function of the first
/// [`MAX_START`] bytes.
pub(super) fn list_start(bytes: &[u8], keys: &[&str]) -> End {
    let whole = bytes.len() >= MAX_START;
    let bytes = &bytes[..bytes.len().min(MAX_START)];
    match start(bytes, keys) {
        End::Beyond if whole => End::CutOff(0),
        found => found,
    }
}

fn start(bytes: &[u8], keys: &[&str]) -> End {
    let mut at = 1;
    loop {
        at += blanks(&bytes[at.min(bytes.len())..]);
        let key = match bytes.get(at) {
            Some(b'"') => &bytes[at + 1..],
            Some(_) => return End::CutOff(0),
            None => return End::Beyond,
        };
        let length = match string_end(key) {
            End::Whole(length) => length,
            other => return other,
        };
        let key = &key[..length - 1];
        at += 1 + length;
        at += blanks(&bytes[at..]);
        match bytes.get(at) {
            Some(b':') => at += 1,
            Some(_) => return End::CutOff(0),
            None => return End::Beyond,
        }
        at += blanks(&bytes[at..]);
        let value = match bytes.get(at) {
            Some(b'[') if keys.iter().any(|known| known.as_bytes() == key) => {
                return End::Whole(at + 1);
            }
            Some(b'"') => match string_end(&bytes[at + 1..]) {
                End::Whole(length) => 1 + length,
                other => return other,
            },
            Some(b'{') if key == METADATA => match object_end(&bytes[at..]) {
                End::Whole(length) => length,
                other => return other,
            },
            Some(_) => return End::CutOff(0),
            None => return End::Beyond,
        };
        at += value;
        at += blanks(&bytes[at..]);
        match bytes.get(at) {
            Some(b',') => at += 1,
            Some(_) => return End::CutOff(0),
            None => return End::Beyond,
        }
    }
}

/// What to pass over behind a list's records.
pub(super) enum Behind {
    /// This many bytes.
    Skip(usize),
    /// The brace that ends the list.
    Closed,
    /// More bytes are needed to tell.
    More,
}

/// What the bytes behind a list's records begin with.
pub(super) fn behind(bytes: &[u8]) -> Behind {
    let end = match bytes.first() {
        Some(b'}') => return Behind::Closed,
        Some(b'"') => string_end(&bytes[1..]),
        Some(b'{') => object_end(bytes),
        Some(_) => return Behind::Skip(1),
        None => return Behind::More,
    };
    match (end, bytes.first()) {
        (End::Whole(length), Some(b'"')) => Behind::Skip(1 + length),
        (End::Whole(length) | End::CutOff(length), _) => Behind::Skip(length.max(1)),
        (End::Beyond, _) if bytes.len() >= crate::MAX_RECORD => Behind::Skip(bytes.len()),
        (End::Beyond, _) => Behind::More,
    }
}

fn blanks(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len())
}
