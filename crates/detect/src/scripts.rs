//! What a PowerShell script shows of scanning, by its words.
//!
//! A script corroborates as a command line does: behaviour decides. Only one that cannot but scan is a
//! finding of its own (kind `tool`): it calls a function that is known to scan, or connects in a loop
//! over at least as many ports or addresses as make a scan. One `Test-NetConnection` is what
//! administrators do all day, and a loop over pages of a web service connects to one port.
//!
//! The language is not evaluated: counts are of ranges and lists as they are written, through variables
//! that are given once. What is built at run time is seen when PowerShell is given it to run, which is
//! an event of its own.

mod script;
mod words;

use crate::tools::Tool;
use script::Script;

/// What a script must hold to be looked at more closely: nothing else connects.
const TELLING: [&str; 9] = [
    "test-netconnection",
    "tnc",
    "test-connection",
    "net.sockets",
    "networkinformation.ping",
    "scan",
    "tspingsweep",
    "psnmap",
    "get-sqlinstance",
];

/// What a script shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sign {
    /// It scans.
    Scan(Tool),
    /// It connects, or holds what scans; the words say how.
    Connects(String),
}

/// What a script shows, if anything. `threshold` is how many targets make a scan.
pub(crate) fn read(script: &str, threshold: f64, threshold_key: &'static str) -> Option<Sign> {
    let plain = words::plain(script);
    if !TELLING.iter().any(|telling| plain.contains(telling)) {
        return None;
    }
    let words = words::words(&plain);
    let script = Script::of(&words);
    if let Some(name) = script.calls_scanner() {
        return Some(Sign::Scan(Tool {
            evidence: format!("PowerShell script block calls {name}"),
            targets: script.targets(),
            ..Tool::script(name)
        }));
    }
    let widest = script.loops().into_iter().max_by_key(|found| found.count.unwrap_or(0));
    if let Some(found) = &widest
        && let Some(count) = found.count.filter(|count| *count as f64 >= threshold)
    {
        return Some(Sign::Scan(Tool {
            evidence: format!("targets of a loop in a PowerShell script block that {}", found.what),
            measured: (count as f64, threshold),
            key: threshold_key.into(),
            targets: script.targets(),
            ..Tool::script("PowerShell loop")
        }));
    }
    let connects = match widest {
        Some(found) => Some(format!("{} in a loop", found.what)),
        None => script.defines_scanner().map(|name| format!("defines {name}")),
    };
    let connects = connects.or_else(|| script.connects().map(str::to_string))?;
    Some(Sign::Connects(format!("PowerShell script block {connects}")))
}

#[cfg(test)]
mod tests;
