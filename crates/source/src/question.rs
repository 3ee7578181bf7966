//! Question types of DNS by name.

/// Question types by the names that logs write (RFC 1035, 1876, 2782, 3403, 3596, 4034, 6698, 9460, 1002).
const NAMES: [(&str, u16); 21] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("HINFO", 13),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("LOC", 29),
    ("NB", 32),
    ("SRV", 33),
    ("NAPTR", 35),
    ("OPT", 41),
    ("DS", 43),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("TLSA", 52),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("ANY", 255),
];

/// The number of a question type that a log writes by its name, in either case (Suricata's mdns events
/// write it small), or as a number. `None` for others.
pub(crate) fn query_type(name: &str) -> Option<u16> {
    let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, number)| *number).or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::query_type;

    #[test]
    fn types_are_known_by_name_and_number() {
        for (name, number) in [("PTR", 12), ("ptr", 12), ("txt", 16), ("HTTPS", 65), ("12", 12)] {
            assert_eq!(query_type(name), Some(number), "{name}");
        }
        assert_eq!(query_type("unknown"), None);
        assert_eq!(query_type(""), None);
    }
}
