//! What JSON dialects share.

mod flat;
mod lists;
mod objects;
mod parsed;
mod row;
mod runs;
mod scan;
mod shapes;

use std::borrow::Cow;

pub(crate) use flat::Flat;
pub(crate) use objects::{ObjectFormat, Objects, OneEvent};
pub(crate) use row::Interest;
pub(crate) use scan::{Found, Scalar, Scanner};
pub(crate) use shapes::Shapes;

/// A value, given as it stands in JSON, as text, borrowed where it can be: a string's contents, anything
/// else as it is written; `None` for null.
pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !inner.contains('\\') => Some(Cow::Borrowed(inner)),
        Some(_) => serde_json::from_str(raw).ok().map(Cow::Owned),
        None if raw == "null" => None,
        None => Some(Cow::Borrowed(raw)),
    }
}

/// What a sequence of JSON texts has before each of them (RFC 7464).
const RECORD_SEPARATOR: u8 = 0x1e;

/// Where text begins: after a byte order mark, a record separator and blanks.
pub(crate) fn start(head: &[u8]) -> &[u8] {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.strip_prefix(&[RECORD_SEPARATOR]).unwrap_or(head).trim_ascii_start()
}
