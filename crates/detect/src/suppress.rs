//! Expected scans: marked, counted per entry, never erased.

use lapwing_event::{Process, Timestamp};

use crate::analytics::ANALYTICS;
use crate::detector::Tally;
use crate::episode::Episode;
use crate::expected::{Expected, Place};
use crate::finding::{Finding, Status};
use crate::tunables::Tunables;

/// Marks a finding where an entry expects it, and returns the entry's key and label. An entry that
/// names the scanner but not this hour, rate or day leaves the finding alone and says so in a note.
pub(crate) fn mark(
    finding: &mut Finding,
    episode: &Episode,
    tunables: &Tunables,
) -> Option<String> {
    let mut reasons = Vec::new();
    for analytic in ANALYTICS {
        for entry in (analytic.expected)(tunables) {
            if !names_scanner(entry, finding) || !covers_targets(entry, episode) {
                continue;
            }
            match breach(entry, finding) {
                None => {
                    let label = label(analytic.expected_key, entry);
                    finding.status = Status::Suppressed;
                    finding.suppressed_by = Some(label.clone());
                    return Some(label);
                }
                Some(reason) => reasons.push(format!("{} expects it, but {reason}", entry.label())),
            }
        }
    }
    finding.notes.extend(reasons);
    None
}

/// What became of one allow-list entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryUse {
    /// The entry's configuration key and its name.
    pub label: String,
    /// How many findings it suppressed.
    pub suppressed: u64,
    /// Whether its day had passed at the end of the telemetry.
    pub expired: bool,
}

/// Every allow-list entry with what it hid, so that an entry that does nothing shows (UP-33).
/// `until` is the last event's time.
pub fn entry_uses(tunables: &Tunables, tally: &Tally, until: Option<Timestamp>) -> Vec<EntryUse> {
    let entries = ANALYTICS.iter().flat_map(|analytic| {
        let key = analytic.expected_key;
        (analytic.expected)(tunables).iter().map(move |entry| (key, entry))
    });
    entries
        .map(|(key, entry)| {
            let label = label(key, entry);
            EntryUse {
                suppressed: tally.suppressed.get(&label).copied().unwrap_or(0),
                expired: entry.expiry.zip(until).is_some_and(|(day, until)| day.is_over(until)),
                label,
            }
        })
        .collect()
}

fn label(key: &str, entry: &Expected) -> String {
    format!("{key}: {}", entry.label())
}

/// Whether the finding's origin is what the entry names, whenever and whatever it scans.
pub(crate) fn names_scanner(entry: &Expected, finding: &Finding) -> bool {
    let origin = &finding.origin;
    let processes = || [&origin.process, &origin.child].into_iter().flatten();
    let path = entry.path.as_ref().is_none_or(|glob| {
        let matches = |process: &Process| {
            let name = process.path.as_deref().or_else(|| process.short_name());
            name.is_some_and(|name| glob.matches(name))
        };
        processes().any(|process| matches(process))
    });
    let hash = entry.hash.as_ref().is_none_or(|hash| {
        let shows = |process: &Process| {
            let hashes = process.program.as_deref().and_then(|program| program.hashes.as_deref());
            hashes.is_some_and(|hashes| {
                hashes.split(',').any(|told| {
                    told.rsplit('=').next().is_some_and(|value| value.eq_ignore_ascii_case(hash))
                })
            })
        };
        processes().any(|process| shows(process))
    });
    let signer = entry.signer.as_ref().is_none_or(|signer| {
        let signed = |process: &Process| {
            let by = process.program.as_deref().and_then(|program| program.signer.as_deref());
            by.is_some_and(|by| by.eq_ignore_ascii_case(signer))
        };
        processes().any(|process| signed(process))
    });
    let source = entry.source.as_ref().is_none_or(|place| match place {
        Place::Network(_) => origin.address.is_some_and(|address| place.holds_address(address)),
        Place::Name(_) => origin.device.as_deref().is_some_and(|name| place.holds_name(name)),
    });
    let container = origin.container.as_deref();
    let image = entry.image.as_ref().is_none_or(|glob| {
        let images = container.and_then(|known| known.image.as_deref());
        images.is_some_and(|images| images.split(", ").any(|image| glob.matches(image)))
    });
    let namespace = entry.namespace.as_deref().is_none_or(|wanted| {
        container.and_then(|known| known.namespace.as_deref()) == Some(wanted)
    });
    path && hash && signer && source && image && namespace
}

fn covers_targets(entry: &Expected, episode: &Episode) -> bool {
    let destinations = entry.destination.is_empty()
        || episode
            .hosts()
            .all(|host| entry.destination.iter().any(|network| network.0.contains(host)));
    let ports = entry.ports.is_empty() || episode.ports().all(|port| entry.ports.contains(&port));
    destinations && ports
}

/// Why an entry that names this scanner does not hold for this scan.
pub(crate) fn breach(entry: &Expected, finding: &Finding) -> Option<String> {
    if entry.expiry.is_some_and(|day| day.is_over(finding.last_seen)) {
        return Some("the entry has expired".to_string());
    }
    let off_hours = |schedule: &crate::expected::Schedule| {
        !schedule.holds(finding.first_seen) || !schedule.holds(finding.last_seen)
    };
    if let Some(schedule) = entry.schedule.filter(off_hours) {
        return Some(format!("it ran outside {schedule} UTC"));
    }
    match entry.maximum_rate {
        Some(rate) if finding.rate > rate => {
            Some(format!("it made {:.1} contacts a second, over {rate}", finding.rate))
        }
        _ => None,
    }
}
