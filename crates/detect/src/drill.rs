//! Drills: telemetry that `lapwing drill` made to prove a pipeline.
//!
//! A finding is a drill by what was asked for, never by who asked: a name can be taken by anybody. No
//! host of any network has an address of TEST-NET-2, so that a scan of nothing else found nothing, and a
//! finding that names a single other host is no drill. It is judged anew at each telling: one that
//! goes on to real hosts loses the label. The label changes nothing but what is said.

use lapwing_event::Address;

use crate::finding::{Finding, MAX_LISTED};

/// How the service types that a drill asks for begin (RFC 6763: at most 15 characters in all); no
/// service is registered so.
pub const DRILL_SERVICE: &str = "_lw-drill-";

/// The first address of TEST-NET-2, 198.51.100.0/24, which documentation uses and no network routes
/// (RFC 5737 section 3).
pub const DRILL_NETWORK: [u8; 4] = [198, 51, 100, 0];

impl Finding {
    /// Whether all that was asked for is a drill's: hosts of TEST-NET-2, service types that begin with
    /// [`DRILL_SERVICE`]. False where a finding lists only a part of what was asked for.
    pub fn is_drill(&self) -> bool {
        let whole = self.counts.hosts <= self.hosts.len() as u64 && self.names.len() < MAX_LISTED;
        let named = !self.names.is_empty();
        let network = Address::from(DRILL_NETWORK).subnet();
        // Questions by multicast go to a group, which is no host.
        let nowhere = |host: &Address| network.contains(*host) || (named && host.is_group());
        let asked = named || !self.hosts.is_empty();
        asked
            && whole
            && self.hosts.iter().all(nowhere)
            && self.names.iter().all(|name| name.starts_with(DRILL_SERVICE))
    }
}
