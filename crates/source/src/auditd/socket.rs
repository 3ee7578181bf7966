//! Whom a socket call is for, over what transport, and what its exit value says.

use lapwing_event::{Address, Outcome, Protocol};

use super::record::unhex_into;

const AF_UNSPEC: u16 = 0;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// AF_PACKET as socket's first argument names it.
pub(super) const AF_PACKET: u64 = 17;
/// SOCK_RAW: the caller writes the headers itself.
pub(super) const SOCK_RAW: u64 = 3;

/// The length of sockaddr_in, which connect demands.
const INET_LENGTH: usize = 16;
/// SIN6_LEN_RFC2133: the shortest sockaddr_in6 that the kernel takes, without a scope.
const INET6_LENGTH: usize = 24;

/// The other end that a `saddr` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// An address and a port.
    Inet(Address, u16),
    /// AF_UNSPEC: connect dissolves the socket's association.
    Dissolve,
    /// A socket of another family: AF_UNIX, AF_NETLINK, AF_PACKET and so on.
    OtherFamily,
}

/// The other end that a `saddr` names in hex; `None` where it is garbage or too short. The family
/// is in the machine's byte order, port and address in that of the network.
pub(super) fn peer(saddr: &[u8], little_endian: bool) -> Option<Peer> {
    // An AF_UNIX address runs to 110 bytes of leftover memory; what is read lies in the first 24.
    let mut room = [0; INET6_LENGTH];
    let bytes = unhex_into(saddr.get(..2 * INET6_LENGTH).unwrap_or(saddr), &mut room)?;
    let family = bytes.first_chunk::<2>().copied()?;
    let family = match (u16::from_le_bytes(family), u16::from_be_bytes(family)) {
        (little, _) if little_endian && little < 256 => little,
        (_, big) if !little_endian && big < 256 => big,
        // No family has so high a number: the record comes from a machine of the other order
        // than its arch says (relayed or rewritten), so that the small reading is the true one.
        (little, big) => little.min(big),
    };
    let port = || Some(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?));
    match family {
        AF_UNSPEC => Some(Peer::Dissolve),
        AF_INET if bytes.len() >= INET_LENGTH => {
            let address: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Some(Peer::Inet(address.into(), port()?))
        }
        AF_INET6 if bytes.len() >= INET6_LENGTH => {
            let address: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            Some(Peer::Inet(address.into(), port()?))
        }
        AF_INET | AF_INET6 => None,
        _ => Some(Peer::OtherFamily),
    }
}

/// The transport of a socket by its type (without flags) and protocol, as socket was asked for
/// them; `None` for combinations that carry no transport.
pub(super) fn transport(kind: u64, protocol: u64) -> Option<Protocol> {
    match (kind, protocol) {
        // 262 is IPPROTO_MPTCP, which begins as TCP.
        (1, 0 | 6 | 262) => Some(Protocol::Tcp),
        (1 | 5, 132) | (5, 0) => Some(Protocol::Other(132)),
        (2, 0) => Some(Protocol::Udp),
        (2 | SOCK_RAW, number) => u8::try_from(number).ok().map(Protocol::from_number),
        (6, _) => Some(Protocol::Other(33)),
        _ => None,
    }
}

/// What a connect's exit value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It was an attempt, and this came of it.
    Attempt(Outcome),
    /// A repeated call on a socket that is connecting or connected: not a second attempt.
    Repeat,
    /// It failed on this machine, before any packet left.
    Local,
}

pub(super) const EPERM: i64 = -1;
pub(super) const EACCES: i64 = -13;
pub(super) const ENETUNREACH: i64 = -101;
pub(super) const EHOSTUNREACH: i64 = -113;
pub(super) const EINPROGRESS: i64 = -115;

/// What a connect's exit value says of an attempt on this target.
pub(super) fn exit(exit: Option<i64>, target: Address) -> Exit {
    match exit {
        // A blocking connect returns once the handshake is done; payload is not seen.
        Some(0) => Exit::Attempt(Outcome::Open),
        // EINPROGRESS and EINTR: the handshake goes on without the call (field case UP-11).
        Some(EINPROGRESS | -4) | None => Exit::Attempt(Outcome::Unknown),
        // EALREADY, EISCONN.
        Some(-114 | -106) => Exit::Repeat,
        Some(-110) => Exit::Attempt(Outcome::Unanswered),
        // ECONNREFUSED and ECONNRESET: RST, or ICMP port unreachable.
        Some(-111 | -104) => Exit::Attempt(Outcome::Refused),
        // EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENONET, ENOPROTOOPT: what the kernel makes of
        // ICMP unreachable messages (icmp_err_convert); a device on the way said no. A route or a
        // neighbour missing on this machine gives the first two as well: for the caller it is as
        // plain a no, and the target was tried all the same.
        Some(EHOSTUNREACH | ENETUNREACH | -112 | -64 | -92) => Exit::Attempt(Outcome::Refused),
        // EACCES also is what ICMPv6 "administratively prohibited" (RFC 4443 3.1) becomes, so
        // that on IPv6 it cannot be told from a local denial.
        Some(EACCES) if !target.is_v4() => Exit::Attempt(Outcome::Unknown),
        // EPERM, EACCES: a local filter or policy. EBADF, EAGAIN (no local port), ENOMEM, EFAULT,
        // EINVAL, ENOTSOCK, EAFNOSUPPORT, EADDRINUSE, EADDRNOTAVAIL, ENETDOWN, ENOBUFS.
        Some(EPERM | EACCES | -9 | -11 | -12 | -14 | -22 | -88 | -97 | -98 | -99 | -100 | -105) => {
            Exit::Local
        }
        Some(_) => Exit::Attempt(Outcome::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(text: &str, port: u16) -> Option<Peer> {
        Some(Peer::Inet(text.parse().unwrap(), port))
    }

    #[test]
    fn sockaddrs_of_either_byte_order_are_read() {
        let v4 = b"020001BD0A01044D0000000000000000";
        assert_eq!(peer(v4, true), inet("10.1.4.77", 445));
        assert_eq!(peer(v4, false), inet("10.1.4.77", 445), "the family makes no other sense");
        assert_eq!(peer(b"000201BD0A01044D0000000000000000", false), inet("10.1.4.77", 445));
        let v6 = b"0A002BCB00000000FD770000000000000000000000090010";
        assert_eq!(peer(v6, true), inet("fd77::9:10", 11211));
        let mapped = b"0A0000500000000000000000000000000000FFFF0A01044D00000000";
        assert_eq!(peer(mapped, true), inet("10.1.4.77", 80));
    }

    #[test]
    fn other_families_are_told_from_garbage() {
        assert_eq!(peer(b"01002F7661722F72756E00", true), Some(Peer::OtherFamily));
        assert_eq!(peer(b"100000000000000000000000", true), Some(Peer::OtherFamily));
        assert_eq!(peer(b"00000000000000000000000000000000", true), Some(Peer::Dissolve));
        for bad in ["", "02", "020", "zz00", "020001BD0A01044D", "0A0000500000000000000000"] {
            assert_eq!(peer(bad.as_bytes(), true), None, "{bad}");
        }
    }

    #[test]
    fn exit_values_become_outcomes() {
        let v4: Address = "10.0.0.1".parse().unwrap();
        let v6: Address = "fd00::1".parse().unwrap();
        let cases = [
            (0, Exit::Attempt(Outcome::Open)),
            (-115, Exit::Attempt(Outcome::Unknown)),
            (-4, Exit::Attempt(Outcome::Unknown)),
            (-111, Exit::Attempt(Outcome::Refused)),
            (-113, Exit::Attempt(Outcome::Refused)),
            (-101, Exit::Attempt(Outcome::Refused)),
            (-110, Exit::Attempt(Outcome::Unanswered)),
            (-114, Exit::Repeat),
            (-106, Exit::Repeat),
            (-13, Exit::Local),
            (-1, Exit::Local),
            (-9999, Exit::Attempt(Outcome::Unknown)),
        ];
        for (value, expected) in cases {
            assert_eq!(exit(Some(value), v4), expected, "{value}");
        }
        assert_eq!(exit(Some(-13), v6), Exit::Attempt(Outcome::Unknown));
        assert_eq!(exit(None, v4), Exit::Attempt(Outcome::Unknown));
    }

    #[test]
    fn a_socket_type_names_its_transport() {
        assert_eq!(transport(1, 0), Some(Protocol::Tcp));
        assert_eq!(transport(2, 17), Some(Protocol::Udp));
        assert_eq!(transport(2, 1), Some(Protocol::Icmp));
        assert_eq!(transport(3, 255), Some(Protocol::Other(255)));
        assert_eq!(transport(5, 132), Some(Protocol::Other(132)));
        assert_eq!(transport(9, 0), None);
    }
}
