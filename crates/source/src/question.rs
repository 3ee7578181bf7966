//! Question types of DNS by name.

/// The number of a question type (RFC 1035, 2782, 3596) that the logs here write by name; of any other
/// that is written as a number. `None` for the rest: what enumerates is among these.
pub(crate) fn query_type(name: &str) -> Option<u16> {
    match name {
        "A" => Some(1),
        "PTR" => Some(12),
        "AAAA" => Some(28),
        "NB" => Some(32),
        "SRV" => Some(33),
        "ANY" => Some(255),
        other => other.parse().ok(),
    }
}
