//! Drills: the telemetry of a mild scan in a format of choice, to prove a pipeline end to end.
//!
//! What is written asks for nothing that exists: hosts of TEST-NET-2 (RFC 5737), service types that
//! nobody registered. That is what tells it from a scan; names such as `lapwing-drill` are there for
//! people. Nothing is sent: a drill is bytes. The formats are the decoders' own, so that what one
//! writes the other reads.

mod clouds;
mod containers;
mod flows;
mod packets;
mod processes;
#[cfg(test)]
mod tests;

use lapwing_event::{Address, Span, Timestamp};

/// One format that a drill can be written in.
#[derive(Clone, Copy)]
pub struct DrillFormat {
    /// Its name among [`crate::FORMATS`].
    pub name: &'static str,
    /// The analytics that its records can be judged by, the usual one first.
    pub analytics: &'static [&'static str],
    /// Whether its records name the origin's address.
    pub names_origin: bool,
    write: fn(&Drill) -> Vec<u8>,
}

impl std::fmt::Debug for DrillFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DrillFormat").field("name", &self.name).finish_non_exhaustive()
    }
}

impl DrillFormat {
    const fn new(
        name: &'static str,
        analytics: &'static [&'static str],
        write: fn(&Drill) -> Vec<u8>,
    ) -> DrillFormat {
        DrillFormat { name, analytics, names_origin: true, write }
    }

    const fn without_origin(self) -> DrillFormat {
        DrillFormat { names_origin: false, ..self }
    }

    /// The drill as bytes of this format; `analytic` is one of its own.
    pub fn write(&self, analytic: &str, drill: &Drill) -> Vec<u8> {
        match (self.name, analytic) {
            ("pcap", "AN1059") => packets::questions(drill),
            _ => (self.write)(drill),
        }
    }
}

/// Every format that a drill can be written in.
pub const DRILLS: &[DrillFormat] = &[
    DrillFormat::new("pcap", &["AN1058", "AN1059"], packets::probes),
    DrillFormat::new("zeek-json", &["AN1058"], flows::zeek_json),
    DrillFormat::new("zeek-tsv", &["AN1058"], flows::zeek_tsv),
    DrillFormat::new("suricata-eve", &["AN1058"], flows::suricata),
    DrillFormat::new("netflow", &["AN1058"], flows::ipfix),
    DrillFormat::new("goflow2-json", &["AN1058"], flows::goflow),
    DrillFormat::new("firewall-syslog", &["AN1058"], flows::firewall),
    DrillFormat::new("auditd", &["AN1058"], processes::auditd).without_origin(),
    DrillFormat::new("laurel", &["AN1058"], processes::laurel).without_origin(),
    DrillFormat::new("auditbeat", &["AN1058"], processes::auditbeat).without_origin(),
    DrillFormat::new("osquery", &["AN1058"], processes::osquery),
    DrillFormat::new("windows-json", &["AN1057"], processes::windows_json),
    DrillFormat::new("windows-xml", &["AN1057"], processes::windows_xml),
    DrillFormat::new("defender-json", &["AN1057"], processes::defender),
    DrillFormat::new("unified-log-json", &["AN1059"], processes::unified_log).without_origin(),
    DrillFormat::new("tetragon", &["AN1060"], containers::tetragon),
    DrillFormat::new("tracee", &["AN1060"], containers::tracee).without_origin(),
    DrillFormat::new("falco", &["AN1060"], containers::falco),
    DrillFormat::new("hubble", &["AN1060"], containers::hubble),
    DrillFormat::new("aws-vpc-flow", &["AN1060"], clouds::aws),
    DrillFormat::new("aws-vpc-flow-json", &["AN1060"], clouds::aws_json),
    DrillFormat::new("gcp-flow", &["AN1060"], clouds::gcp),
    DrillFormat::new("azure-flow", &["AN1060"], clouds::azure),
];

/// A mild scan that never was: 32 ports of one host, one a second.
#[derive(Clone, Copy, Debug)]
pub struct Drill {
    /// When its last attempt is.
    pub at: Timestamp,
    /// Who scans, an IPv4 address.
    pub origin: Address,
}

/// The origin where nobody says one: a host of TEST-NET-1 (RFC 5737).
pub const DRILL_ORIGIN: [u8; 4] = [192, 0, 2, 10];

/// The host that is asked, of TEST-NET-2.
const TARGET: [u8; 4] = [198, 51, 100, 10];

/// What the program, the computer and the pod are called.
const NAME: &str = "lapwing-drill";

/// The process number.
const PID: u32 = 4242;

/// The first port that the origin's system gives out.
const FIRST_SOURCE_PORT: u16 = 50_001;

/// What a scanner asks for first; more than any threshold that is not tuned far up.
const PORTS: [u16; 32] = [
    21, 22, 23, 25, 53, 80, 88, 110, 111, 135, 139, 143, 389, 443, 445, 465, 587, 636, 993, 995,
    1433, 1521, 2049, 2375, 3306, 3389, 5432, 5900, 5985, 6379, 8080, 8443,
];

/// How many service types are asked for by multicast.
const TYPES: usize = 16;

/// One attempt.
#[derive(Clone, Copy, Debug)]
struct Probe {
    time: Timestamp,
    source_port: u16,
    port: u16,
    /// Whether the host said no; every fourth attempt is not answered.
    refused: bool,
}

impl Drill {
    /// The attempts, by time.
    fn probes(&self) -> impl Iterator<Item = Probe> + use<> {
        let last = self.at;
        PORTS.iter().enumerate().map(move |(at, port)| Probe {
            time: last.minus(Span::seconds((PORTS.len() - 1 - at) as i64)),
            source_port: FIRST_SOURCE_PORT + at as u16,
            port: *port,
            refused: at % 4 != 3,
        })
    }

    /// The service types asked for, by time: `_lw-drill-01._tcp`.
    fn questions(&self) -> impl Iterator<Item = (Timestamp, String)> + use<> {
        let last = self.at;
        (0..TYPES).map(move |at| {
            let time = last.minus(Span::seconds((TYPES - 1 - at) as i64));
            (time, format!("_lw-drill-{:02}._tcp", at + 1))
        })
    }

    /// When its program started.
    fn began(&self) -> Timestamp {
        self.at.minus(Span::seconds(PORTS.len() as i64))
    }

    /// The origin's address as four bytes; that of no host where it is no IPv4 address.
    fn octets(&self) -> [u8; 4] {
        match self.origin.ip() {
            std::net::IpAddr::V4(v4) => v4.octets(),
            std::net::IpAddr::V6(_) => DRILL_ORIGIN,
        }
    }
}

/// The host that is asked.
fn target() -> Address {
    Address::from(TARGET)
}

/// Seconds since 1970 with as many digits of the fraction: `1772442847.551000`.
fn decimal(time: Timestamp, digits: usize) -> String {
    let (seconds, nanos) = (time.0.div_euclid(1_000_000_000), time.0.rem_euclid(1_000_000_000));
    let fraction = format!("{nanos:09}");
    format!("{seconds}.{}", &fraction[..digits])
}

/// `2026-03-02 09:14:07.551000`, in UTC.
fn day_and_clock(time: Timestamp, digits: usize) -> String {
    let text = time.to_string();
    let whole = text.get(..19).unwrap_or(&text).replace('T', " ");
    let nanos = format!("{:09}", time.0.rem_euclid(1_000_000_000));
    if digits == 0 { whole } else { format!("{whole}.{}", &nanos[..digits]) }
}

/// Objects, one a line.
fn lines(objects: impl IntoIterator<Item = serde_json::Value>) -> Vec<u8> {
    objects.into_iter().flat_map(|object| format!("{object}\n").into_bytes()).collect()
}
