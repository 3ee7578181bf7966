//! Writes docs/detection.md: what is found, what is not, and why, as measured.

use std::fmt::Write;
use std::io;
use std::path::Path;

use lapwing_detect::Profile;

use crate::fleet::{Flood, Measured, Plan, flood, run};
use crate::score::{Options, measure};

/// The fleet that the goals are stated for.
const FLEET: Plan = Plan { hosts: 1000, days: 7, seed: 7 };

/// How long the flood lasts, in seconds of a million sources each.
const FLOOD: u32 = 5;

/// Measures and writes the page.
///
/// # Errors
/// Where the shared corpus is absent, a hunt fails, or the page cannot be written.
pub(crate) fn write() -> io::Result<()> {
    // First, while this process is small: its peak memory is what is measured.
    let flood = flood(FLOOD);
    let scored = measure(&[], &Options::default())?;
    if !scored.whole {
        return Err(io::Error::other(
            "../shared/corpus is not here: the page would say nothing of real files",
        ));
    }
    let mut text = String::from(
        "# What is found, what is not, and why\n\n\
         Written by `cargo xtask detection`.\n\n\
         ## Labelled files\n\n\
         An attack counts as found only where a finding names its origin and overlaps it in time. A \
         finding above informational in a file without a scan is false. Weak rows (too little \
         evidence, or no log source of the strategy) are welcome and not demanded. A file of \
         a format that is not built yet counts as not read.\n\n",
    );
    let _ = write!(
        text,
        "{}\n\n```text\n{}\n{}```\n\nMissed, false, or named as another kind:\n\n```text\n",
        scored.summary(),
        scored.by_folder(),
        scored.by_kind()
    );
    for line in &scored.remarks {
        let _ = writeln!(text, "{line}");
    }
    text += "```\n\n";
    fleets(&mut text)?;
    text += &of_flood(&flood);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(manifest.parent().unwrap_or(manifest).join("docs/detection.md"), text)
}

/// The simulated fleet under each profile.
fn fleets(text: &mut String) -> io::Result<()> {
    let _ = write!(
        text,
        "## A simulated week\n\n\
         {} hosts over {} days (desktops, laptops that come and go, a directory, software distribution, \
         monitors, backups, an orchestrator, a load balancer, a resolver, a mail relay, a crawler, \
         peer-to-peer clients, gateways, the internet's background; servers' audit logs with cron jobs \
         and login sessions; pods), with clocks that run off and are set right, records that are lost (one \
         by one, and all of three minutes a day), come twice, again after hours, out of order, and too \
         late to be judged, and scans planted among it.\n\n\
         | profile | events | scans found | median probes to detection | false findings | a host-day |\n\
         |---|---|---|---|---|---|\n",
        FLEET.hosts, FLEET.days
    );
    let mut normal: Option<Measured> = None;
    for profile in Profile::ALL {
        let measured = run(FLEET, profile).map_err(io::Error::other)?;
        let found = measured.planted.iter().filter(|scan| scan.found_after.is_some()).count();
        let _ = writeln!(
            text,
            "| {profile:?} | {} | {found} of {} | {} | {} | {:.5} |",
            measured.events,
            measured.planted.len(),
            measured.median_probes(),
            measured.false_findings.len(),
            measured.false_per_host_day()
        );
        if profile == Profile::Normal {
            normal = Some(measured);
        }
    }
    let Some(measured) = normal else { return Ok(()) };
    let _ = writeln!(
        text,
        "\nEach run broke off {} times, went on from the detector's last image (of {} KiB at the most) \
         and took what had come since once more.",
        measured.breaks,
        measured.largest_image / 1024
    );
    text.push_str(
        "\nAt `normal`, planted scans and how many of their probes were counted when they were first \
         told of:\n\n| scan | probes | told of after |\n|---|---|---|\n",
    );
    for scan in &measured.planted {
        let after = scan.found_after.map_or("missed".to_string(), |probes| probes.to_string());
        let _ = writeln!(text, "| {} | {} | {after} |", scan.name, scan.probes);
    }
    let _ = write!(
        text,
        "\n{} records came too late and were counted, not judged. False findings at `normal` ({} more \
         were recognised as ordinary, {} were the approved scanner's):\n\n```text\n",
        measured.late, measured.informational, measured.suppressed
    );
    for finding in &measured.false_findings {
        let _ = writeln!(text, "{finding}");
    }
    text.push_str("```\n\n");
    Ok(())
}

fn of_flood(flood: &Flood) -> String {
    let told = flood
        .found_after
        .map_or("not told of".to_string(), |after| format!("told of after {after} probes"));
    let memory = flood.memory.map_or("not known".to_string(), |mib| format!("{mib} MiB"));
    format!(
        "## A flood\n\n\
         {} spoofed sources, a million a second, with a scan of 40 ports beside them: the scan is \
         {told}, false findings {}, memory {memory}, entries of state let go {} (counted, and said \
         in every report), {:.2} M events a second on one core.\n",
        flood.sources,
        flood.false_findings,
        flood.shed,
        flood.rate / 1e6
    )
}
