//! One type for IPv4 and IPv6 addresses, 16 bytes, and prefixes of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IP address in 16 bytes; IPv4 is held as the IPv4-mapped form (RFC 4291 section 2.5.5.2), so
/// that `::ffff:10.0.0.1` of a dual-stack socket and `10.0.0.1` are one address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address([u8; 16]);

/// ff02::1:ff00:0, the first of the solicited-node groups.
const SOLICITED_NODE: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;

impl Address {
    /// The unspecified IPv6 address, `::`.
    pub const UNSPECIFIED: Address = Address([0; 16]);

    /// The address as the standard library's type, IPv4-mapped ones as IPv4.
    pub fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }

    /// Its 16 bytes in network order.
    pub const fn octets(self) -> [u8; 16] {
        self.0
    }

    /// Its bits as one number, which orders addresses as their prefixes do.
    pub const fn bits(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The address with these bits; the inverse of [`Address::bits`].
    pub const fn from_bits(bits: u128) -> Address {
        Address(bits.to_be_bytes())
    }

    /// Whether it is an IPv4 address.
    pub fn is_v4(self) -> bool {
        self.v4().is_some()
    }

    /// The four bytes of an IPv4 address.
    const fn v4(self) -> Option<[u8; 4]> {
        let bits = self.bits();
        if bits >> 32 == 0xffff { Some((bits as u32).to_be_bytes()) } else { None }
    }

    /// Whether it is `0.0.0.0` or `::`, which names nobody.
    pub fn is_unspecified(self) -> bool {
        self.ip().is_unspecified()
    }

    /// Whether it stays inside the host: 127.0.0.0/8 or `::1`.
    pub fn is_loopback(self) -> bool {
        match self.v4() {
            Some([first, ..]) => first == 127,
            None => self.bits() == 1,
        }
    }

    /// Whether it names a group: multicast, or the limited broadcast address 255.255.255.255.
    pub fn is_group(self) -> bool {
        match self.v4() {
            Some([first, ..]) => first & 0xf0 == 0xe0 || self.bits() as u32 == u32::MAX,
            None => self.0[0] == 0xff,
        }
    }

    /// The solicited-node group of an IPv6 address: where neighbours ask for it (RFC 4291 section
    /// 2.7.1). It keeps the last 24 bits, so that hosts of the same ones share it.
    pub fn solicited_node(self) -> Address {
        Address::from_bits(SOLICITED_NODE | self.bits() & 0x00ff_ffff)
    }

    /// Whether it is a solicited-node group, ff02::1:ff00:0/104.
    pub fn is_solicited_node(self) -> bool {
        self.bits() & !0x00ff_ffff == SOLICITED_NODE
    }

    /// Whether it is link-local: 169.254.0.0/16 or fe80::/10.
    pub fn is_link_local(self) -> bool {
        match self.ip() {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        }
    }

    /// Whether it belongs to an inside network: RFC 1918, RFC 6598 (100.64.0.0/10), link-local,
    /// loopback, or IPv6 unique local (RFC 4193).
    pub fn is_internal(self) -> bool {
        // Asked of both ends of every flow: the bytes are looked at directly.
        match self.v4() {
            Some([10 | 127, ..] | [192, 168, ..] | [169, 254, ..]) => true,
            Some([172, second, ..]) => second & 0xf0 == 16,
            Some([100, second, ..]) => second & 0xc0 == 64,
            Some(_) => false,
            None => {
                let [first, second, ..] = self.0;
                let unique_local = first & 0xfe == 0xfc;
                let link_local = first == 0xfe && second & 0xc0 == 0x80;
                unique_local || link_local || self.bits() == 1
            }
        }
    }

    /// The /24 (IPv4) or /64 (IPv6) around it: what people call its subnet.
    pub fn subnet(self) -> Prefix {
        let length = if self.is_v4() { 96 + 24 } else { 64 };
        Prefix::of_bits(self, length)
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Address {
        match ip {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => v6.into(),
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(v4: Ipv4Addr) -> Address {
        Address(v4.to_ipv6_mapped().octets())
    }
}

impl From<Ipv6Addr> for Address {
    fn from(v6: Ipv6Addr) -> Address {
        Address(v6.octets())
    }
}

impl From<[u8; 4]> for Address {
    fn from(octets: [u8; 4]) -> Address {
        Address::from_bits(0xffff_0000_0000 | u128::from(u32::from_be_bytes(octets)))
    }
}

impl From<[u8; 16]> for Address {
    fn from(octets: [u8; 16]) -> Address {
        Address(octets)
    }
}

impl FromStr for Address {
    type Err = std::net::AddrParseError;
    /// Parses dotted IPv4 or IPv6 text; an IPv6 zone (`fe80::1%eth0`) is cut off.
    fn from_str(text: &str) -> Result<Address, Self::Err> {
        if let Some(octets) = dotted(text.as_bytes()) {
            return Ok(octets.into());
        }
        let bare = text.split_once('%').map_or(text, |(address, _)| address);
        bare.parse::<IpAddr>().map(Address::from)
    }
}

/// The octets of a dotted IPv4 address; `None` for all else, and for octets with a leading zero, which
/// some take for octal. Logs are full of these: it is several times as fast as the standard library.
fn dotted(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut rest = text;
    for (at, octet) in octets.iter_mut().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let digit = |at: usize| {
            let digit = rest.get(at)?.wrapping_sub(b'0');
            (digit < 10).then_some(u16::from(digit))
        };
        let first = digit(0)?;
        let (value, length) = match (digit(1), digit(2)) {
            (None, _) => (first, 1),
            (Some(_), _) if first == 0 => return None,
            (Some(second), None) => (10 * first + second, 2),
            (Some(second), Some(third)) => (100 * first + 10 * second + third, 3),
        };
        *octet = u8::try_from(value).ok()?;
        rest = rest.get(length..)?;
    }
    rest.is_empty().then_some(octets)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A network prefix, such as `10.0.0.0/24` or `fd00::/64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix {
    base: Address,
    /// Of the 128 bits: an IPv4 /24 has 120 here.
    bits: u8,
}

impl Prefix {
    /// The prefix of `bits` (of 128; an IPv4 /24 is 120) that holds `address`.
    pub fn of_bits(address: Address, bits: u8) -> Prefix {
        let bits = bits.min(128);
        let mask = if bits == 0 { 0 } else { u128::MAX << (128 - u32::from(bits)) };
        Prefix { base: Address::from_bits(address.bits() & mask), bits }
    }

    /// The smallest prefix that holds both addresses; `None` for one of each family.
    pub fn covering(a: Address, b: Address) -> Option<Prefix> {
        if a.is_v4() != b.is_v4() {
            return None;
        }
        let common = (a.bits() ^ b.bits()).leading_zeros();
        Some(Prefix::of_bits(a, common as u8))
    }

    /// Whether the address lies in it.
    pub fn contains(self, address: Address) -> bool {
        Prefix::of_bits(address, self.bits).base == self.base
    }

    /// How many addresses it holds, saturating at `u64::MAX`.
    pub fn size(self) -> u64 {
        1_u64.checked_shl(128 - u32::from(self.bits)).unwrap_or(u64::MAX)
    }

    /// Its first address.
    pub fn base(self) -> Address {
        self.base
    }

    /// Its length of 128 bits; an IPv4 /24 has 120.
    pub fn bits(self) -> u8 {
        self.bits
    }
}

impl FromStr for Prefix {
    type Err = String;
    /// Parses `10.0.0.0/24`, `fd00::/64` or a bare address (one host).
    fn from_str(text: &str) -> Result<Prefix, String> {
        let bad = || format!("expected an address or CIDR such as 10.0.0.0/24, found {text:?}");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let base: Address = address.parse().map_err(|_| bad())?;
        let widest = if base.is_v4() { 32 } else { 128 };
        let length = length.unwrap_or(widest);
        if length > widest {
            return Err(bad());
        }
        Ok(Prefix::of_bits(base, 128 - widest + length))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v4 = self.base.is_v4() && self.bits >= 96;
        let length = if v4 { self.bits - 96 } else { self.bits };
        write!(f, "{}/{length}", self.base)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap_or(Address::UNSPECIFIED)
    }

    #[test]
    fn dotted_addresses_are_those_of_the_standard_library() {
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "10.0.250.5",
            "1.2.3",
            "1.2.3.4.",
            ".1.2.3.4",
            "1.2.3.256",
            "01.2.3.4",
            "1.2.3.00",
            "1..2.3",
            "1.2.3.1234",
            "1.2.3.4 ",
            "",
            "::",
            "1.2.3.-4",
        ] {
            let known: Result<Ipv4Addr, _> = text.parse();
            assert_eq!(dotted(text.as_bytes()), known.ok().map(|v4| v4.octets()), "{text}");
        }
    }

    #[test]
    fn mapped_and_plain_ipv4_are_one_address() {
        assert_eq!(address("::ffff:10.0.0.1"), address("10.0.0.1"));
        assert_eq!(address("10.0.0.1").to_string(), "10.0.0.1");
        assert_eq!(address("fe80::1%eth0").to_string(), "fe80::1");
    }

    #[test]
    fn the_group_that_neighbours_ask_is_known_by_its_prefix() {
        let group = address("fd77::12:3456").solicited_node();
        assert_eq!(group.to_string(), "ff02::1:ff12:3456");
        assert!(group.is_solicited_node() && group.is_group());
        for other in ["ff02::1", "ff02::1:fe00:1", "fd77::12:3456", "10.0.0.1"] {
            assert!(!address(other).is_solicited_node(), "{other}");
        }
    }

    #[test]
    fn inside_and_outside() {
        for inside in ["10.1.1.1", "172.31.0.1", "192.168.0.1", "100.64.0.1", "fd00::1", "::1"] {
            assert!(address(inside).is_internal(), "{inside}");
        }
        for outside in ["172.32.0.1", "8.8.8.8", "100.128.0.1", "2001:db8::1"] {
            assert!(!address(outside).is_internal(), "{outside}");
        }
    }

    #[test]
    fn prefixes_cover_and_print() {
        let covering = Prefix::covering(address("10.0.0.1"), address("10.0.0.254"));
        assert_eq!(covering.map(|p| p.to_string()).as_deref(), Some("10.0.0.0/24"));
        assert_eq!(covering.map(Prefix::size), Some(256));
        assert_eq!(Prefix::covering(address("10.0.0.1"), address("fd00::1")), None);
        assert_eq!(address("fd77::9:10").subnet().to_string(), "fd77::/64");
        for text in ["10.0.0.0/24", "fd00::/64", "192.0.2.9/32", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Prefix>().map(|p| p.to_string()), Ok(text.to_string()));
        }
        assert!("10.0.0.0/33".parse::<Prefix>().is_err());
        assert!("10.0.0/8".parse::<Prefix>().is_err());
    }
}
