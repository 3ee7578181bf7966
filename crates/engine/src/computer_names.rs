//! Which names are of one computer.
//!
//! Agents write a computer's name in full (`ws01.corp.example`), its first label alone (`WS01`), and in
//! either case of letters. Process ids are a computer's own, so that a log of sockets finds its processes in
//! a log of executions only where both names are known to be one computer's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lapwing_event::{Address, LogSource};

/// Names that are of the same computer as another name, each with the one that stands for it. Names that
/// differ in the case of letters are one computer's (RFC 4343). A short name is the computer's of the full
/// name that begins with it, where there is but one such; two that a single log names side by side are two
/// computers', since an agent calls its computer one thing.
pub(crate) fn same(
    devices: &BTreeMap<LogSource, BTreeSet<Arc<str>>>,
) -> BTreeMap<Arc<str>, Arc<str>> {
    let mut spelled: BTreeMap<String, BTreeSet<&Arc<str>>> = BTreeMap::new();
    for name in devices.values().flatten() {
        spelled.entry(name.to_ascii_lowercase()).or_default().insert(name);
    }
    let mut full: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in spelled.keys().filter(|name| name.parse::<Address>().is_err()) {
        if let Some((label, _)) = name.split_once('.') {
            full.entry(label).or_default().push(name);
        }
    }
    let by_log: Vec<BTreeSet<String>> = devices
        .values()
        .map(|names| names.iter().map(|name| name.to_ascii_lowercase()).collect())
        .collect();
    let side_by_side =
        |one: &str, other: &str| by_log.iter().any(|log| log.contains(one) && log.contains(other));
    let mut same = BTreeMap::new();
    for (name, spellings) in &spelled {
        let stands = match full.get(name.as_str()).map(Vec::as_slice) {
            Some([only]) if name != "localhost" && !side_by_side(name, only) => *only,
            _ => name.as_str(),
        };
        let Some(stands) = spelled.get(stands).and_then(|all| all.first()) else { continue };
        let others = spellings.iter().filter(|spelling| *spelling != stands);
        same.extend(others.map(|spelling| (Arc::clone(spelling), Arc::clone(stands))));
    }
    same
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXEC: LogSource = LogSource::SecurityProcess;
    const SOCKET: LogSource = LogSource::DefenderNetwork;

    fn told(logs: &[(LogSource, &[&str])]) -> Vec<(String, String)> {
        let of = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        let devices = logs.iter().map(|(log, names)| (*log, of(names))).collect();
        let same = same(&devices);
        same.iter().map(|(one, other)| (one.to_string(), other.to_string())).collect()
    }

    #[test]
    fn a_short_name_is_that_of_the_only_full_one() {
        let pair = |one: &str, other: &str| vec![(one.to_string(), other.to_string())];
        let full = "ws01.corp.example";
        assert_eq!(told(&[(EXEC, &["WS01"]), (SOCKET, &[full])]), pair("WS01", full));
        assert_eq!(told(&[(EXEC, &["WS01"]), (SOCKET, &["ws01"])]), pair("ws01", "WS01"));
        assert_eq!(
            told(&[(EXEC, &["WS01.x"]), (SOCKET, &["ws01", "ws02.x"])]),
            pair("ws01", "WS01.x")
        );
    }

    #[test]
    fn what_may_be_two_computers_stays_two() {
        assert!(
            told(&[(EXEC, &["ws01"]), (SOCKET, &["ws01.a.example", "ws01.b.example"])]).is_empty()
        );
        assert!(told(&[(EXEC, &["ws01", "ws01.a.example"])]).is_empty(), "one log names both");
        assert!(told(&[(EXEC, &["ws0"]), (SOCKET, &["ws01.a.example"])]).is_empty());
        assert!(told(&[(EXEC, &["10"]), (SOCKET, &["10.0.0.1"])]).is_empty());
        assert!(told(&[(EXEC, &["localhost"]), (SOCKET, &["localhost.localdomain"])]).is_empty());
    }
}
