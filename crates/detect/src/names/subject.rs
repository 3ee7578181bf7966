//! What a question enumerates, by the protocol that it is asked in.

use lapwing_event::{Address, Dns};

use super::Sort;
use crate::discovery;
use crate::expected::Glob;
use crate::service_types;

/// The question type of a name by address (RFC 1035).
const PTR: u16 = 12;
/// The question type of a service's place (RFC 2782).
const SRV: u16 = 33;
/// The question type of a NetBIOS name (RFC 1002).
const NETBIOS_NAME: u16 = 32;

/// Multicast DNS (RFC 6762).
pub(crate) const MULTICAST_PORT: u16 = 5353;

/// The longest name that is kept, in bytes (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;

/// What a question enumerates: the address whose name it asks for, a service type, or a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Address(Address),
    Service(Box<str>),
    /// A service type by its name, or by the hash or mask that stands for it.
    Multicast(Box<str>),
    /// A host by its short name, asked of everybody.
    Host(Box<str>),
}

impl Subject {
    pub(super) fn sort(&self) -> Sort {
        match self {
            Subject::Address(_) => Sort::Address,
            Subject::Service(_) => Sort::Service,
            Subject::Multicast(_) => Sort::Multicast,
            Subject::Host(_) => Sort::Host,
        }
    }
}

/// What a question enumerates, if anything.
pub(super) fn subject(dns: &Dns, patterns: &[Glob]) -> Option<Subject> {
    if dns.name.len() > MAX_NAME {
        return None;
    }
    match dns.target_port {
        0 | 53 => unicast(dns),
        MULTICAST_PORT => multicast(dns, patterns),
        5355 => link_local(dns),
        137 => netbios(dns),
        1900 => discovery::searched(&dns.name).map(|target| Subject::Multicast(target.into())),
        3702 => Some(Subject::Multicast(discovery::probed(&dns.name).into())),
        _ => None,
    }
}

fn unicast(dns: &Dns) -> Option<Subject> {
    let name = dns.name.to_ascii_lowercase();
    if let Some(address) = address(dns, &name) {
        return Some(Subject::Address(address));
    }
    matches!(dns.query_type, None | Some(PTR | SRV)).then_some(())?;
    service_type(&name).map(|service| Subject::Service(service.into()))
}

/// The address whose name is asked for.
fn address(dns: &Dns, name: &str) -> Option<Address> {
    matches!(dns.query_type, None | Some(PTR)).then(|| reverse_name(name))?
}

/// By multicast DNS. mDNSResponder masks names in its log and may print a hash beside
/// (`hash:262b8524`); a mask alone (`mask:…`) tells types apart and names none. A hash of what was queried
/// for (`queried-hash:…`) may be of any name, and is of a type where it is that of a known one.
fn multicast(dns: &Dns, patterns: &[Glob]) -> Option<Subject> {
    let name = dns.name.to_ascii_lowercase();
    if let Some(hash) = name.strip_prefix("hash:") {
        let hash = u32::from_str_radix(hash, 16).ok()?;
        let known = service_types::by_hash(hash, patterns);
        let unknown = || format!("hash:{hash:08x}").into();
        return Some(Subject::Multicast(known.map_or_else(unknown, Into::into)));
    }
    if let Some(hash) = name.strip_prefix("queried-hash:") {
        let hash = u32::from_str_radix(hash, 16).ok()?;
        return service_types::by_hash(hash, patterns)
            .map(|known| Subject::Multicast(known.into()));
    }
    if name.starts_with("mask:") {
        return Some(Subject::Multicast(dns.name.clone()));
    }
    // Other question types ask for an instance, or whether a name is free.
    matches!(dns.query_type, None | Some(PTR)).then_some(())?;
    if let Some(address) = reverse_name(&name) {
        return Some(Subject::Address(address));
    }
    service_type(&name).map(|service| Subject::Multicast(service.into()))
}

/// By LLMNR (RFC 4795): hosts, and names by address.
fn link_local(dns: &Dns) -> Option<Subject> {
    let name = dns.name.to_ascii_lowercase();
    match address(dns, &name) {
        Some(address) => Some(Subject::Address(address)),
        None => host(&name),
    }
}

/// By NBNS (RFC 1002). A status query asks one host for its names: who asks many shows by addresses.
fn netbios(dns: &Dns) -> Option<Subject> {
    matches!(dns.query_type, None | Some(NETBIOS_NAME)).then_some(())?;
    let name = dns.name.to_ascii_lowercase();
    match name.rsplit_once('<') {
        // The kinds of a workstation and of a server (RFC 1001's unique names); the others are groups',
        // which computers of a workgroup ask for all day.
        Some((host_name, "00>" | "03>" | "20>")) => host(host_name),
        Some(_) => None,
        None => host(&name),
    }
}

fn host(name: &str) -> Option<Subject> {
    let routine = name.is_empty() || discovery::is_routine_host(name);
    (!routine).then(|| Subject::Host(name.into()))
}

/// The address whose name `….in-addr.arpa` (RFC 1035 section 3.5) or `….ip6.arpa` (RFC 3596) asks
/// for, whole addresses only.
fn reverse_name(name: &str) -> Option<Address> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut labels = labels.rsplit('.');
        for octet in &mut octets {
            *octet = labels.next()?.parse().ok()?;
        }
        return labels.next().is_none().then(|| Address::from(octets));
    }
    let nibbles = name.strip_suffix(".ip6.arpa")?;
    let mut bits: u128 = 0;
    let mut count = 0;
    for label in nibbles.rsplit('.') {
        let nibble = u8::from_str_radix(label, 16).ok().filter(|_| label.len() == 1)?;
        bits = bits << 4 | u128::from(nibble);
        count += 1;
    }
    (count == 32).then(|| Address::from_bits(bits))
}

/// The service type of `_service._transport.domain`, with the meta-query of RFC 6763 section 9.
fn service_type(name: &str) -> Option<&str> {
    const META: &str = "_services._dns-sd._udp";
    if name.starts_with(META) {
        return Some(META);
    }
    // An instance name may come before the type: take the last pair of underscored labels.
    let transport = ["._tcp", "._udp"].iter().filter_map(|transport| {
        let at = name.find(transport)?;
        let ends = matches!(name.as_bytes().get(at + transport.len()), None | Some(b'.'));
        ends.then_some((at, at + transport.len()))
    });
    let (service_end, end) = transport.min()?;
    let start = name[..service_end].rfind('.').map_or(0, |dot| dot + 1);
    name[start..].starts_with('_').then(|| &name[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_names_are_addresses() {
        assert_eq!(reverse_name("9.1.0.10.in-addr.arpa"), "10.0.1.9".parse().ok());
        let six = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa";
        assert_eq!(reverse_name(six), "4321:0:1:2:3:4:567:89ab".parse().ok());
        for not_whole in ["1.0.10.in-addr.arpa", "0.10.in-addr.arpa", "x.1.0.10.in-addr.arpa"] {
            assert_eq!(reverse_name(not_whole), None, "{not_whole}");
        }
        assert_eq!(reverse_name("5.9.1.0.10.in-addr.arpa"), None, "RFC 2317 delegation");
        assert_eq!(reverse_name("1.2.ip6.arpa"), None);
    }

    #[test]
    fn service_types_are_told_from_names() {
        for (name, expected) in [
            ("_ldap._tcp.dc._msdcs.corp.example", Some("_ldap._tcp")),
            ("_services._dns-sd._udp.corp.example", Some("_services._dns-sd._udp")),
            ("printer 3._ipp._tcp.corp.example", Some("_ipp._tcp")),
            ("_sip._tls.corp.example", None),
            ("www.corp.example", None),
            ("a._tcpx.example", None),
            ("x._tcp.example", None),
        ] {
            assert_eq!(service_type(name), expected, "{name}");
        }
    }
}
