//! Bursts of connections to one SOCKS proxy: what a scan through a pivot looks like at its start
//! (field case UP-15). The proxy's own process shows the scan itself.

use lapwing_event::{Event, Initiator, Network, Protocol, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::analytics::Analytic;
use crate::attempt::{self, Target};
use crate::bounded::{Scored, identity};
use crate::crossing::{Axis, Crossing, What};
use crate::origin::Who;
use crate::shard::{Judge, Said};

/// Where SOCKS proxies listen: the assigned port and its neighbour, Tor's two, and the usual one of
/// tunnelling tools (chisel, ligolo and C2 pivots default to these).
const SOCKS_PORTS: [u16; 5] = [1080, 1081, 4145, 9050, 9150];

/// Connections to one proxy, in two windows: this one and the one before.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Burst {
    began: Timestamp,
    now: u32,
    before: u32,
}

impl Scored for Burst {
    fn score(&self) -> u64 {
        u64::from(self.now) + u64::from(self.before)
    }
}

impl Burst {
    fn new(began: Timestamp) -> Burst {
        Burst { began, now: 0, before: 0 }
    }

    /// Counts one connection; about how many there were in the last `window`.
    fn count(&mut self, time: Timestamp, window: Span) -> f64 {
        let passed = time.since(self.began);
        if passed >= window {
            self.before = if passed < window.times(2) { self.now } else { 0 };
            self.now = 0;
            self.began = time;
        }
        self.now = self.now.saturating_add(1);
        let share = time.since(self.began).as_seconds() / window.as_seconds().max(1.0);
        f64::from(self.now) + f64::from(self.before) * (1.0 - share).max(0.0)
    }
}

impl Judge<'_> {
    /// Counts a connection to a proxy, whether or not it was made before.
    pub(crate) fn proxied(
        &mut self,
        event: &Event,
        network: &Network,
        who: &Who,
        out: &mut Vec<Said>,
    ) {
        let socks = network.protocol == Protocol::Tcp
            && network.initiator == Initiator::Source
            && SOCKS_PORTS.contains(&network.target_port);
        let Some(link) = who.links().first().copied().filter(|_| socks) else { return };
        let analytic = Analytic::of(event.log_source);
        let window = (analytic.window)(self.tunables);
        let threshold = (analytic.threshold)(self.tunables)
            * self.tunables.detection.proxy
            * self.tunables.profile.factor();
        let contact = attempt::contact(event, network, 0.0, who.child(), Target::default());
        let id = identity(&[b"proxy", &link.id.to_be_bytes(), &contact.pair()]);
        let burst = self.shard.proxies.get_or_insert(id, || Burst::new(event.time));
        let value = burst.count(event.time, window);
        if let Some(episode) = self.shard.episodes.get_mut(&id).filter(|e| !e.is_closed()) {
            episode.add_burst(&contact, 1);
            if episode.has_grown(&self.tunables.detection.episode) {
                self.say(id, out);
            }
            return;
        }
        if value < threshold {
            return;
        }
        let crossing = Crossing {
            axis: Axis::Proxy,
            window,
            by_order: true,
            what: What::Said("connections to one SOCKS proxy"),
            value: value.round(),
            threshold,
            key: "detection.proxy",
        };
        let mut episode = self.begin(id, who.origin(0), analytic, event.time, event.time);
        episode.note_crossing(&crossing);
        episode.add_burst(&contact, value as u64);
        self.keep(id, episode, out);
        self.say(id, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_for_about_a_window() {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000_000);
        let window = Span::seconds(60);
        let mut burst = Burst::new(at(0));
        for second in 0..50 {
            burst.count(at(second), window);
        }
        assert_eq!(burst.count(at(59), window), 51.0);
        assert_eq!(burst.count(at(60), window), 52.0, "all of the window before still counts");
        assert_eq!(burst.count(at(90), window), 2.0 + 51.0 / 2.0);
        assert_eq!(burst.count(at(600), window), 1.0);
    }
}
