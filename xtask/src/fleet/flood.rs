//! A flood of spoofed sources, with a scan beside it.

use std::time::Instant;

use lapwing_detect::{Detector, Input, Tunables};
use lapwing_event::{
    Activity, Address, Event, Initiator, LogSource, Network, Outcome, Protocol, Record, Technique,
    Timestamp,
};

use super::START;

/// What a flood did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    /// Spoofed sources, one packet each.
    pub(crate) sources: u64,
    /// Attempts of the scan that were counted when it was told of; `None` where it was not found.
    pub(crate) found_after: Option<u64>,
    /// Findings that name another source.
    pub(crate) false_findings: usize,
    /// Entries of state that were let go.
    pub(crate) shed: u64,
    /// The largest memory of this process over what it had before, in MiB; `None` where the system
    /// does not say.
    pub(crate) memory: Option<u64>,
    /// Events judged in a second of real time.
    pub(crate) rate: f64,
}

/// Judges `seconds` of a million spoofed sources a second, beside a scan of 40 ports.
pub(crate) fn flood(seconds: u32) -> Flood {
    let before = peak_memory();
    let scanner = Address::from([10, 9, 9, 9]);
    let victim = Address::from([10, 20, 0, 1]);
    let mut detector = Detector::sorted(Tunables::default());
    let mut said = Vec::new();
    let packets = u64::from(seconds) * 1_000_000;
    let between = packets / 40;
    let began = Instant::now();
    for n in 0..packets {
        let time = Timestamp(START * 1_000_000_000 + n as i64 * 1000);
        // A multiplicative hash walks through all addresses in no order.
        let [a, b, c, d] = (n as u32).wrapping_mul(0x9e37_79b1).to_be_bytes();
        let spoofed = syn(Address::from([a | 1, b, c, d]), victim, 80, Outcome::Unanswered);
        detector.step(Input::Event(event(time, n, spoofed)), &mut said);
        if n % between == 0 {
            let port = 1 + (n / between * 37 % 1009) as u16;
            let probe = syn(scanner, victim, port, Outcome::Refused);
            detector.step(Input::Event(event(time, n, probe)), &mut said);
        }
    }
    let rate = packets as f64 / began.elapsed().as_secs_f64().max(1e-9);
    let found_after = said
        .iter()
        .find(|finding| finding.origin.address == Some(scanner))
        .map(|finding| finding.counts.attempts);
    detector.finish(&mut said);
    Flood {
        sources: packets,
        found_after,
        false_findings: said.iter().filter(|f| f.origin.address != Some(scanner)).count(),
        shed: detector.tally().shed,
        memory: peak_memory().zip(before).map(|(after, before)| after.saturating_sub(before)),
        rate,
    }
}

fn syn(source: Address, target: Address, target_port: u16, outcome: Outcome) -> Network {
    Network {
        source,
        target,
        source_port: 40_000,
        target_port,
        protocol: Protocol::Tcp,
        initiator: Initiator::Source,
        outcome,
        technique: Technique::Syn,
    }
}

fn event(time: Timestamp, offset: u64, network: Network) -> Event {
    Event {
        time,
        record: Record { offset, ..Record::default() },
        log_source: LogSource::Packets,
        actor: None,
        activity: Activity::Network(network),
    }
}

/// The most memory that this process has had, in MiB, where Linux says so.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::flood;

    #[test]
    fn a_scan_beside_a_million_spoofed_sources_is_found() {
        let flood = flood(1);
        assert_eq!(flood.found_after, Some(10));
        assert_eq!(flood.false_findings, 0);
        assert!(flood.shed > 0, "what was let go is counted");
    }
}
