//! Which numbers cannot work.

use lapwing_event::Span;

use super::Tunables;

impl Tunables {
    /// Whether every number can work.
    ///
    /// # Errors
    /// The dotted key of the first that cannot, and what was expected of it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let an = &self.analytics;
        let d = &self.detection;
        let at_least_one = [
            ("analytics.AN1057.ScanRateThreshold", an.an1057.scan_rate_threshold),
            ("analytics.AN1058.PortScanThreshold", an.an1058.port_scan_threshold),
            ("analytics.AN1060.NetworkDestinationCount", an.an1060.network_destination_count),
            ("detection.default_threshold", d.default_threshold),
            ("detection.walk", d.walk),
            ("detection.outside_factor", d.outside_factor),
            ("detection.episode.growth", d.episode.growth),
            ("detection.ordinary.monitor_rounds", d.ordinary.monitor_rounds),
            ("detection.ordinary.cluster_ports", d.ordinary.cluster_ports),
            ("detection.ordinary.peers.contacts_a_host", d.ordinary.peers.contacts_a_host),
            ("detection.ordinary.peers.fewest", d.ordinary.peers.fewest.into()),
            ("detection.joining.fewest_decoys", d.joining.fewest_decoys.into()),
            ("detection.joining.fewest_parts", d.joining.fewest_parts.into()),
            ("detection.joining.fewest_sweepers", d.joining.fewest_sweepers.into()),
            ("detection.joining.parts_size", d.joining.parts_size as f64),
            ("detection.together.processes", d.together.processes.into()),
            ("detection.telling.per_minute", d.telling.per_minute.into()),
            ("detection.telling.per_origin", d.telling.per_origin.into()),
        ];
        for (key, value) in at_least_one {
            if value.is_nan() || value < 1.0 {
                return Err((key, format!("expected a number of at least 1, found {value}")));
            }
        }
        let shares = [
            ("detection.failure_share", d.failure_share),
            ("detection.failure_share_day", d.failure_share_day),
            ("detection.dark_share", d.dark_share),
            ("detection.together.session_share", d.together.session_share),
            ("detection.multicast.routine_part", d.multicast.routine_part),
            ("detection.sequence.ordered_share", d.sequence.ordered_share),
            ("detection.sequence.dense_share", d.sequence.dense_share),
            ("detection.sequence.grid_share", d.sequence.grid_share),
            ("detection.ordinary.monitor_answered", d.ordinary.monitor_answered),
            ("detection.ordinary.monitor_revisited", d.ordinary.monitor_revisited),
            ("detection.ordinary.balancer_answered", d.ordinary.balancer_answered),
            ("detection.ordinary.directory_own", d.ordinary.directory_own),
            ("detection.ordinary.roaming_share", d.ordinary.roaming_share),
            ("detection.ordinary.outside_share", d.ordinary.outside_share),
            ("detection.ordinary.outside_answered", d.ordinary.outside_answered),
            ("detection.ordinary.cluster_failed", d.ordinary.cluster_failed),
            ("detection.ordinary.peers.unprivileged", d.ordinary.peers.unprivileged),
            ("detection.ordinary.peers.ports_a_host", d.ordinary.peers.ports_a_host),
            ("detection.ordinary.peers.outside", d.ordinary.peers.outside),
            ("detection.ordinary.peers.alive", d.ordinary.peers.alive),
            ("detection.ordinary.peers.there", d.ordinary.peers.there),
            ("detection.ordinary.peers.unknown", d.ordinary.peers.unknown),
            ("detection.joining.decoys_overlap", d.joining.decoys_overlap),
            ("detection.joining.parts_overlap", d.joining.parts_overlap),
            ("detection.joining.shared_with_address", d.joining.shared_with_address),
            ("detection.joining.shared", d.joining.shared),
            ("detection.joining.tool_share", d.joining.tool_share),
        ];
        for (key, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err((key, format!("expected a share between 0 and 1, found {value}")));
            }
        }
        let spans = [
            ("analytics.AN1057.TimeWindow", an.an1057.time_window),
            ("analytics.AN1060.TimeWindow", an.an1060.time_window),
            ("detection.spans.short", d.spans.short),
            ("detection.spans.medium", d.spans.medium),
            ("detection.spans.long", d.spans.long),
            ("detection.spans.day", d.spans.day),
            ("detection.novelty", d.novelty),
            ("detection.habit", d.habit),
            ("detection.learning", d.learning),
            ("detection.episode.quiet", d.episode.quiet),
            ("detection.ordinary.round", d.ordinary.round),
            ("detection.ordinary.shared_after", d.ordinary.shared_after),
            ("detection.joining.decoys_within", d.joining.decoys_within),
            ("detection.joining.parts_within", d.joining.parts_within),
            ("detection.joining.tool_within", d.joining.tool_within),
        ];
        for (key, value) in spans {
            if value <= Span::ZERO {
                return Err((key, "expected a time above 0, such as \"90s\"".to_string()));
            }
        }
        if !(1..=65_536).contains(&self.memory.budget) {
            let found = self.memory.budget;
            return Err(("memory.budget", format!("expected 1 to 65536 (MiB), found {found}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets one of them.
    type Change = fn(&mut Tunables, f64);

    /// What each analytic is held against, and in which window, whichever its number is.
    #[test]
    fn thresholds_and_windows_that_cannot_work_are_refused() {
        let refused = |change: Change, value| {
            let mut tunables = Tunables::default();
            change(&mut tunables, value);
            tunables.check().err().map(|(key, _)| key)
        };
        let thresholds: [(&str, Change); 4] = [
            ("analytics.AN1057.ScanRateThreshold", |t, v| {
                t.analytics.an1057.scan_rate_threshold = v
            }),
            ("analytics.AN1058.PortScanThreshold", |t, v| {
                t.analytics.an1058.port_scan_threshold = v
            }),
            ("analytics.AN1060.NetworkDestinationCount", |t, v| {
                t.analytics.an1060.network_destination_count = v;
            }),
            ("detection.default_threshold", |t, v| t.detection.default_threshold = v),
        ];
        for (key, change) in thresholds {
            for value in [f64::NAN, -10.0, 0.0] {
                assert_eq!(refused(change, value), Some(key), "{value}");
            }
            assert_eq!(refused(change, 12.0), None);
        }
        let windows: [(&str, Change); 2] = [
            ("analytics.AN1057.TimeWindow", |t, _| t.analytics.an1057.time_window = Span::ZERO),
            ("analytics.AN1060.TimeWindow", |t, _| t.analytics.an1060.time_window = Span::ZERO),
        ];
        for (key, change) in windows {
            assert_eq!(refused(change, 0.0), Some(key));
        }
    }
}
