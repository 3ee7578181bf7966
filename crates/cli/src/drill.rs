//! `lapwing drill`.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use lapwing_detect::ANALYTICS;
use lapwing_event::{Address, Timestamp};
use lapwing_output::escaped;
use lapwing_source::{DRILL_ORIGIN, DRILLS, Drill, DrillFormat};

use crate::Exit;
use crate::args::moment;

/// Writes the telemetry of a mild scan that never was, to prove a pipeline end to end: put it where the
/// real telemetry goes in, and look for a finding that is labelled drill.
///
/// Nothing is sent. The scan asks 32 ports of 198.51.100.10, an address that no host has (RFC 5737), or
/// for service types that nobody registered. A finding is labelled drill by that alone: it is made,
/// weighed and told like any other.
#[derive(Debug, clap::Args)]
pub(crate) struct DrillArgs {
    /// The format: pcap, zeek-json, zeek-tsv, suricata-eve, netflow (IPFIX), goflow2-json,
    /// firewall-syslog (Cisco ASA), auditd, laurel, auditbeat, osquery, windows-json (Winlogbeat),
    /// windows-xml, defender-json, unified-log-json, tetragon, tracee, falco, hubble, aws-vpc-flow,
    /// aws-vpc-flow-json, gcp-flow, azure-flow
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub(crate) format: &'static DrillFormat,
    /// The analytic that is to find it, where the format serves several [default: its usual one]
    #[arg(long, value_name = "ID", value_parser = analytic)]
    pub(crate) analytic: Option<&'static str>,
    /// When its last attempt is (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<Timestamp>,
    /// Who scans: an IPv4 address of yours, to see what your pipeline makes of it
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.10", value_parser = origin)]
    pub(crate) origin: Address,
    /// Writes to a file in place of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Writes a drill.
pub(crate) fn run(args: &DrillArgs) -> Result<Exit, String> {
    let DrillArgs { format, analytic, at, origin, output } = args;
    let own = format.analytics;
    let analytic = analytic.or(own.first().copied()).unwrap_or_default();
    if !own.contains(&analytic) {
        let others: Vec<&str> = DRILLS
            .iter()
            .filter(|other| other.analytics.contains(&analytic))
            .map(|other| other.name)
            .collect();
        return Err(format!(
            "{} is judged by {}; for {analytic} take one of {}",
            format.name,
            own.join(", "),
            others.join(", ")
        ));
    }
    let standard = Address::from(DRILL_ORIGIN);
    if *origin != standard && !format.names_origin {
        return Err(format!(
            "{} names no address of who acts: leave --origin out, or take another format",
            format.name
        ));
    }
    let at = match at {
        Some(at) => *at,
        None => now()?,
    };
    let bytes = format.write(analytic, &Drill { at, origin: *origin });
    match output {
        Some(file) => fs::write(file, bytes)
            .map_err(|error| format!("{}: {error}", escaped(&file.to_string_lossy())))?,
        None => {
            let mut stdout = std::io::stdout().lock();
            if stdout.is_terminal() && matches!(format.name, "pcap" | "netflow") {
                return Err(format!("{} is binary: name a file with --output", format.name));
            }
            match stdout.write_all(&bytes) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    return Err(format!("standard output cannot be written: {error}"));
                }
                _ => {}
            }
        }
    }
    Ok(Exit::Fine)
}

/// The moment, to the millisecond, which every format holds.
fn now() -> Result<Timestamp, String> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| "the clock stands before 1970: name the time with --at".to_string())?;
    i64::try_from(since.as_millis())
        .ok()
        .and_then(|millis| millis.checked_mul(1_000_000))
        .map(Timestamp)
        .ok_or_else(|| "the clock stands after 2262: name the time with --at".to_string())
}

fn format(text: &str) -> Result<&'static DrillFormat, String> {
    DRILLS.iter().find(|format| format.name == text).ok_or_else(|| {
        let names: Vec<&str> = DRILLS.iter().map(|format| format.name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn analytic(text: &str) -> Result<&'static str, String> {
    let ids = ANALYTICS.iter().map(|analytic| analytic.id);
    ids.clone()
        .find(|id| id.eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("expected one of {}", ids.collect::<Vec<_>>().join(", ")))
}

fn origin(text: &str) -> Result<Address, String> {
    text.parse::<std::net::Ipv4Addr>()
        .map(Address::from)
        .map_err(|_| "expected an IPv4 address, such as 10.1.2.3".to_string())
}
