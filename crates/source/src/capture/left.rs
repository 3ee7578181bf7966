//! Why a packet is of no use to the tracker, and how that is said.

/// Why a packet is of no use to the tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Its link type is not read; the number in the tcpdump.org list.
    LinkType(u32),
    /// Labels of MPLS that carry neither IP nor Ethernet; Ethernet's number.
    Labelled(u16),
    /// Tunnels in tunnels, deeper than is looked.
    TooDeep,
    /// It carries neither IP nor ARP; Ethernet's number, or an LLC length.
    Protocol(u16),
    /// Its loopback header names an address family other than IP.
    Family(u32),
    /// The captured bytes end before what is needed.
    Cut,
    /// Its headers contradict themselves.
    Malformed,
    /// A fragment other than the first, which has no ports.
    LaterFragment,
    /// It asks nothing of anyone: duplicate address detection, gratuitous ARP, router
    /// advertisements, ICMP of other types.
    AsksNothing,
}

impl Left {
    /// The kind of trouble for a diagnostic.
    pub(super) const fn problem(self) -> crate::Problem {
        use crate::Problem;
        match self {
            Left::LinkType(_) | Left::Labelled(_) => Problem::Unsupported,
            Left::TooDeep => Problem::Shed,
            Left::Cut => Problem::Torn,
            Left::Malformed => Problem::Malformed,
            Left::Protocol(_) | Left::Family(_) | Left::LaterFragment | Left::AsksNothing => {
                Problem::Note
            }
        }
    }

    /// The kind of trouble in a few words.
    pub(super) const fn key(self) -> &'static str {
        match self {
            // Bare, with Prism's, radiotap's, AVS' and PPI's headers.
            Left::LinkType(105 | 119 | 127 | 163 | 192) => "link type IEEE 802.11",
            Left::LinkType(_) => "link type that is not read",
            Left::Labelled(_) => "MPLS that carries neither IP nor Ethernet",
            Left::TooDeep => "tunnels in tunnels",
            Left::Protocol(_) => "frames without IP or ARP",
            Left::Family(_) => "loopback packets without IP",
            Left::Cut => "packets captured too short for their headers",
            Left::Malformed => "packets whose headers contradict themselves",
            Left::LaterFragment => "later fragments",
            Left::AsksNothing => "packets that ask nothing of anyone",
        }
    }

    /// The first one in words.
    pub(super) fn detail(self) -> String {
        match self {
            Left::LinkType(number) => format!(
                "expected Ethernet, raw IP, loopback, PPP or Linux cooked, found link type {number} \
                 (see https://www.tcpdump.org/linktypes.html); its packets are not read"
            ),
            Left::Labelled(number) => {
                format!("expected IP or Ethernet below the labels of protocol 0x{number:04x}")
            }
            Left::TooDeep => format!("more than {} in one another", super::tunnel::MAX_DEPTH),
            Left::Protocol(number) => format!("the first is of Ethernet protocol 0x{number:04x}"),
            Left::Family(number) => format!("the first is of address family {number}"),
            Left::Cut => "expected headers up to ports and flags; capture with a larger snap \
                          length (128 bytes are enough)"
                .to_string(),
            Left::Malformed => "expected lengths and versions that fit each other".to_string(),
            Left::LaterFragment => "they hold no ports; the first fragment speaks for them".into(),
            Left::AsksNothing => {
                "duplicate address detection, gratuitous ARP, ICMP of other types".to_string()
            }
        }
    }
}
