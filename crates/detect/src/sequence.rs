//! Order and density: neighbouring destinations in turn, a large share of one prefix, a filled
//! grid of hosts and ports. Scanners do that and clients do not, whatever came of the attempts.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use lapwing_event::{Address, Prefix};

use crate::tunables::Sequence;

/// The share of steps that go the same way, 0 to 1; 0 for fewer than two values.
pub(crate) fn ordered_share(values: &[u128]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let rising = values.windows(2).filter(|pair| pair[1] > pair[0]).count();
    let falling = values.windows(2).filter(|pair| pair[1] < pair[0]).count();
    rising.max(falling) as f64 / (values.len() - 1) as f64
}

/// The share of the smallest covering prefix that these distinct addresses fill, 0 to 1; 0 for
/// fewer than two, and for addresses of both families.
pub(crate) fn dense_share(addresses: &[Address]) -> f64 {
    let (Some(first), Some(last)) = (addresses.iter().min(), addresses.iter().max()) else {
        return 0.0;
    };
    match Prefix::covering(*first, *last) {
        Some(prefix) if addresses.len() > 1 => addresses.len() as f64 / prefix.size() as f64,
        _ => 0.0,
    }
}

/// The fewest hosts and ports that make a grid.
pub(crate) const GRID_HOSTS: usize = 4;
pub(crate) const GRID_PORTS: usize = 3;

/// Whether distinct pairs, this many, fill this share of the grid of their hosts and ports. There is no grid
/// of fewer than four hosts or three ports, or where hardly more than one port is asked of each host.
pub(crate) fn fills_grid(
    pairs: impl Iterator<Item = (Address, u16)> + Clone,
    filled: usize,
    share: f64,
) -> bool {
    let fills = |hosts: usize, ports: usize| {
        filled * 2 >= hosts * 3 && filled as f64 / (hosts * ports) as f64 >= share
    };
    // Most work is scattered: its first hosts and ports make a grid already that all pairs cannot fill.
    let (mut hosts, mut ports) = (AtLeast::default(), AtLeast::default());
    for (host, port) in pairs.clone() {
        let (hosts, ports) = (hosts.add(&host), ports.add(&port));
        if !fills(hosts, ports) {
            return false;
        }
    }
    let ports = distinct_ports(pairs.clone().map(|(_, port)| port));
    let hosts = distinct(pairs.map(|(host, _)| host));
    ports >= GRID_PORTS && hosts >= GRID_HOSTS && fills(hosts, ports)
}

/// How many distinct values there are at the least, told by their hashes.
#[derive(Default)]
struct AtLeast {
    seen: [u64; 16],
    count: usize,
}

impl AtLeast {
    /// Adds a value; how many there are so far.
    fn add(&mut self, value: &impl Hash) -> usize {
        let hash = FixedState::default().hash_one(value);
        let (word, bit) = ((hash >> 60) as usize, 1 << (hash >> 54 & 63));
        self.count += usize::from(self.seen[word] & bit == 0);
        self.seen[word] |= bit;
        self.count
    }
}

/// How many distinct ports there are.
pub(crate) fn distinct_ports(ports: impl Iterator<Item = u16>) -> usize {
    let mut seen = [0_u64; 1024];
    let mut count = 0;
    for port in ports {
        let (word, bit) = (usize::from(port / 64), 1 << (port % 64));
        count += usize::from(seen[word] & bit == 0);
        seen[word] |= bit;
    }
    count
}

/// How many distinct values there are.
pub(crate) fn distinct<T: Hash + Eq>(values: impl Iterator<Item = T>) -> usize {
    // Room for all at once: to make more of it takes as long as to put them in.
    let most = values.size_hint().1.unwrap_or_default();
    let mut distinct = HashSet::with_capacity_and_hasher(most, FixedState::default());
    distinct.extend(values);
    distinct.len()
}

/// Whether there are fewer distinct values than this.
pub(crate) fn is_fewer<T: Hash + Eq>(values: impl Iterator<Item = T>, fewest: usize) -> bool {
    let mut distinct = HashSet::with_hasher(FixedState::default());
    for value in values {
        distinct.insert(value);
        if distinct.len() >= fewest {
            return false;
        }
    }
    true
}

/// Whether hosts, in the order in which they were contacted, were walked through: in order, or side
/// by side. Hosts that were nearly all `used` must show both: an inventory is in order too, a
/// cluster side by side.
pub(crate) fn walks_hosts(hosts: &[Address], used: bool, sequence: &Sequence) -> bool {
    if hosts.len() < sequence.fewest as usize {
        return false;
    }
    let values: Vec<u128> = hosts.iter().map(|host| host.bits()).collect();
    let ordered = ordered_share(&values) >= sequence.ordered_share;
    let dense = dense_share(hosts) >= sequence.dense_share;
    if used { ordered && dense } else { ordered || dense }
}

/// Whether ports, in the order in which they were contacted, were walked through.
pub(crate) fn walks_ports(ports: &[u16], sequence: &Sequence) -> bool {
    if ports.len() < sequence.fewest as usize {
        return false;
    }
    let values: Vec<u128> = ports.iter().map(|port| u128::from(*port)).collect();
    ordered_share(&values) >= sequence.ordered_share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(last: u8) -> Address {
        [10, 0, 0, last].into()
    }

    #[test]
    fn order_is_seen_in_either_direction() {
        assert_eq!(ordered_share(&[1, 2, 3, 4, 5]), 1.0);
        assert_eq!(ordered_share(&[5, 4, 3, 2, 1]), 1.0);
        assert_eq!(ordered_share(&[1, 3, 2, 4, 1]), 0.5);
        assert_eq!(ordered_share(&[1]), 0.0);
    }

    #[test]
    fn density_is_the_share_of_the_covering_prefix() {
        let sixteen: Vec<Address> = (16..32).map(host).collect();
        assert_eq!(dense_share(&sixteen), 1.0);
        assert_eq!(dense_share(&[host(0), host(255)]), 2.0 / 256.0);
        assert_eq!(dense_share(&[host(1)]), 0.0);
    }

    #[test]
    fn a_grid_needs_hosts_and_ports() {
        let fills =
            |pairs: &[(Address, u16)], share| fills_grid(pairs.iter().copied(), pairs.len(), share);
        let grid: Vec<(Address, u16)> =
            (0..5).flat_map(|h| (0..4).map(move |p| (host(h), p))).collect();
        assert!(fills(&grid, 1.0));
        let peers: Vec<(Address, u16)> = (0..20).map(|n| (host(n), u16::from(n) + 5000)).collect();
        assert!(!fills(&peers, 0.0));
        assert!(!fills(&grid[..10], 0.0), "ten pairs of three hosts");
        assert!(fills(&grid[..14], 14.0 / 16.0) && !fills(&grid[..14], 14.1 / 16.0));
        assert!(!fills(&grid[..4], 0.0));
    }

    #[test]
    fn distinct_values_are_counted_and_told_at_the_least() {
        let ports = [22, 80, 443, 22, 65_535, 0, 80];
        assert_eq!(distinct_ports(ports.into_iter()), 5);
        let mut at_least = AtLeast::default();
        let told = (0..512_u16).map(|port| at_least.add(&port)).max().unwrap_or_default();
        assert!((350..=512).contains(&told), "{told}");
        assert_eq!((0..512_u16).map(|port| at_least.add(&port)).max(), Some(told));
    }
}
