//! Why a finding is a scan and nothing else: the ordinary behaviour that was tested against what was
//! seen, and what tunable would have silenced it.

mod places;
mod roles;

use crate::episode::Episode;
use crate::finding::{Finding, Kind, Level, SilentAt, Tested};
use crate::tunables::{Ordinary, Tunables};

/// What an episode looks like besides a scan; each class with what was measured.
pub(crate) fn tested(episode: &Episode, kind: Kind, tunables: &Tunables) -> Vec<Tested> {
    if matches!(kind, Kind::Tool | Kind::Enumeration | Kind::Proxy) {
        return Vec::new();
    }
    let ordinary = &tunables.detection.ordinary;
    let rounds = ordinary.rounds(tunables.profile);
    let mut tested = vec![peer_to_peer(episode, ordinary), monitor(episode, ordinary, rounds)];
    tested.extend(roles::cluster_role(episode, ordinary));
    tested.extend(outside_client(episode, ordinary));
    tested.extend(places::load_balancer(episode, ordinary, rounds));
    tested.extend(places::domain_controller(episode, tunables));
    tested.extend(places::roaming_laptop(episode, ordinary));
    tested.extend(shared_address(episode, ordinary));
    tested.extend(client_of_dead_servers(episode));
    tested
}

/// Whether ordinary behaviour explains the episode; a scanner by its command line is one.
pub(crate) fn is_ordinary(episode: &Episode, kind: Kind, tunables: &Tunables) -> bool {
    !episode.has_tool() && tested(episode, kind, tunables).iter().any(|class| class.holds)
}

fn peer_to_peer(episode: &Episode, ordinary: &Ordinary) -> Tested {
    let crowd = episode.crowd();
    let (hosts, ports) = (crowd.hosts(), crowd.ports());
    Tested {
        class: "peer-to-peer",
        holds: crowd.is_peer_to_peer(&ordinary.peers),
        because: format!(
            "{} on {}, {:.0}% of them alive, {:.0}% unprivileged ports",
            counted(hosts, "host"),
            counted(ports, "port"),
            100.0 * crowd.alive_share(),
            100.0 * crowd.unprivileged_share()
        ),
    }
}

fn monitor(episode: &Episode, ordinary: &Ordinary, fewest: f64) -> Tested {
    let outcomes = episode.outcomes();
    let all = (outcomes.known() + outcomes.unknown).max(1) as f64;
    // What cannot be known did not fail.
    let answered = (outcomes.served + outcomes.open + outcomes.unknown) as f64 / all;
    let rounds = episode.revisits() as f64 / episode.pairs().max(1) as f64;
    Tested {
        class: "monitor",
        holds: answered >= ordinary.monitor_answered
            && rounds >= fewest
            && episode.revisited_share() >= ordinary.monitor_revisited,
        because: format!(
            "{:.0}% did not fail, and each target was visited {}",
            100.0 * answered,
            match 1.0 + rounds {
                visits if visits < 1.05 => "once".to_string(),
                visits => format!("{visits:.1} times on average"),
            }
        ),
    }
}

/// So many of something, in words.
fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// The ports by which a server at its work reaches all of the internet, and what it is then.
const OUTSIDE_ROLES: [(&str, &[u16]); 3] = [
    ("resolver", &[53, 853]),
    ("mail relay", &[25, 465, 587]),
    ("crawler, proxy or gateway", &[80, 443, 8080, 8443]),
];

/// Whether it is a server that reaches outside hosts by one service, most of which answer; said
/// where its contacts are of that kind at all.
fn outside_client(episode: &Episode, ordinary: &Ordinary) -> Option<Tested> {
    let (hosts, ports) = (episode.hosts(), episode.ports());
    let outcomes = episode.outcomes();
    let all = (outcomes.known() + outcomes.unknown).max(1) as f64;
    let answered = (outcomes.served + outcomes.open) as f64 / all;
    let count = episode.hosts().count().max(1) as f64;
    let outside = hosts.filter(|host| !host.is_internal()).count() as f64 / count;
    let ports: Vec<u16> = ports.collect();
    let (role, _) = OUTSIDE_ROLES
        .into_iter()
        .find(|(_, own)| !ports.is_empty() && ports.iter().all(|port| own.contains(port)))?;
    Some(Tested {
        class: role,
        holds: outside >= ordinary.outside_share && answered >= ordinary.outside_answered,
        because: format!(
            "{:.0}% of its hosts are outside, {:.0}% of its contacts were answered",
            100.0 * outside,
            100.0 * answered
        ),
    })
}

/// Whether it is an outside address that stands for many: a provider's gateway (RFC 6888), a VPN's
/// exit, a cloud's. The failures of all that is behind it add up over a day, beside as many uses of
/// what the own networks offer. What crosses a threshold within the hour is a scan from there all the
/// same.
fn shared_address(episode: &Episode, ordinary: &Ordinary) -> Option<Tested> {
    let origin = episode.origin();
    let outside = origin.address.is_some_and(|address| !address.is_internal());
    if origin.level != Level::Address || !outside || episode.uses() == 0 {
        return None;
    }
    let outcomes = episode.outcomes();
    let failed = outcomes.refused + outcomes.unanswered;
    let slow = episode.fastest().is_some_and(|fastest| fastest > ordinary.shared_after);
    Some(Tested {
        class: "shared outside address",
        holds: slow && episode.uses() >= failed,
        because: format!("it used services {} times, and {failed} attempts failed", episode.uses()),
    })
}

/// Failures at services that were in use lately weigh a quarter, so that they alone do not make a
/// scan; said where any did.
fn client_of_dead_servers(episode: &Episode) -> Option<Tested> {
    let outcomes = episode.outcomes();
    let failed = outcomes.refused + outcomes.unanswered;
    (failed > 0).then(|| Tested {
        class: "client of servers that are down",
        holds: false,
        because: format!(
            "{failed} of {} contacts failed, at targets that were not in use before",
            outcomes.known() + outcomes.unknown
        ),
    })
}

/// The nearest threshold that is not crossed, rounded up to one decimal; `None` where something
/// else than the analytic's threshold told of the scan, or where it is too large to be tuned away.
pub(crate) fn silent_at(
    episode: &Episode,
    key: &'static str,
    tunables: &Tunables,
) -> Option<SilentAt> {
    let above = episode.peak() * crate::contacts::PEAK_STEP / tunables.profile.factor();
    (episode.peak() > 0.0 && episode.peak().is_finite() && !episode.has_tool())
        .then(|| SilentAt { key, above: (above * 10.0).ceil() / 10.0 })
}

/// What a reader must know about habits that could not be learned: for findings that rest on how
/// targets were walked through rather than on what failed, and that an inventory or a poller could
/// explain (scan-detectors.md section 8, scenario 19).
pub(crate) fn cold_start(
    episode: &Episode,
    finding: &Finding,
    watched_hours: f64,
) -> Option<String> {
    let answered = finding.outcomes.served + finding.outcomes.open;
    let by_habit = episode.is_by_order() && answered * 2 > finding.counts.attempts.max(1);
    let wide = finding.origin.level != Level::Prefix && watched_hours < 24.0;
    (by_habit && wide).then(|| {
        format!(
            "cold start: only {watched_hours:.1} h of telemetry came before it, too little to know \
             what is this origin's habit"
        )
    })
}
