//! Service types of DNS-SD (RFC 6763): their names and hashes, and what ordinary clients ask for.

use crate::expected::Glob;

/// The question for all service types (RFC 6763 section 9).
pub(crate) const ALL_TYPES: &str = "_services._dns-sd._udp";

/// Types that phones, computers, printers and televisions of a household ask for all day: AirPlay,
/// casting, printing, scanning, sharing, home automation (Apple's "Bonjour services" list, and what
/// the captures of homes in the corpus show).
const ROUTINE_TYPES: [&str; 44] = [
    "_adisk._tcp",
    "_afpovertcp._tcp",
    "_airdrop._tcp",
    "_airplay._tcp",
    "_airport._tcp",
    "_amzn-wplay._tcp",
    "_androidtvremote2._tcp",
    "_apple-mobdev2._tcp",
    "_apple-pairable._tcp",
    "_appletv-v2._tcp",
    "_atc._tcp",
    "_companion-link._tcp",
    "_dacp._tcp",
    "_daap._tcp",
    "_device-info._tcp",
    "_googlecast._tcp",
    "_googlezone._tcp",
    "_hap._tcp",
    "_hap._udp",
    "_home-sharing._tcp",
    "_homekit._tcp",
    "_ipp._tcp",
    "_ipps._tcp",
    "_matter._tcp",
    "_matterc._udp",
    "_mediaremotetv._tcp",
    "_meshcop._udp",
    "_odisk._tcp",
    "_pdl-datastream._tcp",
    "_printer._tcp",
    "_ptp._tcp",
    "_raop._tcp",
    "_rdlink._tcp",
    "_remotepairing._tcp",
    "_rfb._tcp",
    "_scanner._tcp",
    "_sleep-proxy._udp",
    "_smb._tcp",
    "_sonos._tcp",
    "_spotify-connect._tcp",
    "_touch-able._tcp",
    "_trel._udp",
    "_uscan._tcp",
    "_uscans._tcp",
];

/// Other types, named here so that a hash of them can be told.
const OTHER_TYPES: [&str; 36] = [
    ALL_TYPES,
    "_afs3-fileserver._udp",
    "_distcc._tcp",
    "_dns-update._udp",
    "_eppc._tcp",
    "_ftp._tcp",
    "_git._tcp",
    "_http._tcp",
    "_https._tcp",
    "_kerberos._tcp",
    "_kerberos._udp",
    "_ldap._tcp",
    "_mongodb._tcp",
    "_mqtt._tcp",
    "_mysql._tcp",
    "_net-assistant._udp",
    "_nfs._tcp",
    "_nut._tcp",
    "_postgresql._tcp",
    "_presence._tcp",
    "_rdp._tcp",
    "_redis._tcp",
    "_rsync._tcp",
    "_rtsp._tcp",
    "_servermgr._tcp",
    "_sftp-ssh._tcp",
    "_ssh._tcp",
    "_svn._tcp",
    "_teamviewer._tcp",
    "_telnet._tcp",
    "_tftp._udp",
    "_udisks-ssh._tcp",
    "_vnc._tcp",
    "_webdav._tcp",
    "_workstation._tcp",
    "_xserveraid._tcp",
];

/// Programs whose routine types are their daily work: macOS' own agents, and players and browsers that
/// cast. mDNSResponder cuts names to 15 bytes on some versions.
const ROUTINE_CLIENTS: [&str; 40] = [
    "airplayuiagent",
    "airplayxpchelper",
    "airportd",
    "ampdevicediscoveryagent",
    "amplibraryagent",
    "audioaccessoryd",
    "bluetoothd",
    "configd",
    "controlcenter",
    "coredeviced",
    "cupsd",
    "finder",
    "firefox",
    "google chrome",
    "google chrome helper",
    "home",
    "homed",
    "icdd",
    "identityservicesd",
    "image capture",
    "itunes",
    "mediaremoted",
    "microsoft edge",
    "microsoft edge helper",
    "music",
    "netauthsysagent",
    "netbiosd",
    "printuitool",
    "rapportd",
    "remoted",
    "safari",
    "sharingd",
    "sidecarrelay",
    "smbd",
    "spotify",
    "system preferences",
    "system settings",
    "tv",
    "usbmuxd",
    "xcode",
];

/// Whether households ask for this type all day.
pub(crate) fn is_routine(service: &str) -> bool {
    ROUTINE_TYPES.contains(&service)
}

/// Whether asking for routine types is this program's daily work.
pub(crate) fn is_routine_client(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ROUTINE_CLIENTS
        .iter()
        .any(|known| name == *known || (name.len() >= 15 && known.starts_with(name.as_str())))
}

/// The service types of interest, as configured: matched by name, or by hash where mDNSResponder
/// masked the name.
pub(crate) fn is_of_interest(service: &str, patterns: &[Glob]) -> bool {
    let local = format!("{service}.local");
    patterns.iter().any(|pattern| {
        let named = service_of(pattern).eq_ignore_ascii_case(service);
        named || pattern.matches(&local) || pattern.matches(service)
    })
}

/// The service type that a pattern without wildcards names.
fn service_of(pattern: &Glob) -> &str {
    let text = pattern.text().trim_end_matches('.');
    text.strip_suffix(".local").unwrap_or(text)
}

/// The name of the type that has this hash: one of the shipped ones, or of the configured ones without
/// wildcards.
pub(crate) fn by_hash(hash: u32, patterns: &[Glob]) -> Option<String> {
    let configured = patterns.iter().map(service_of);
    let mut known = ROUTINE_TYPES.iter().chain(&OTHER_TYPES).copied().chain(configured);
    // At a browse's start macOS 26 hashes the type before its domain is known.
    let is_it = |name: &&str| name_hash(name) == hash || wire_hash(name.split('.')) == hash;
    known.find(is_it).map(str::to_ascii_lowercase)
}

/// The hash that mDNSResponder prints of a service type in the domain `local`: FNV-1a of 32 bits over
/// the lowercase name in wire form with its root byte (mDNSCore/DNSCommon.c).
pub(crate) fn name_hash(service: &str) -> u32 {
    wire_hash(service.split('.').chain(["local"]))
}

fn wire_hash<'n>(labels: impl Iterator<Item = &'n str>) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut add = |byte: u8| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    for label in labels {
        add(label.len() as u8);
        label.bytes().for_each(|byte| add(byte.to_ascii_lowercase()));
    }
    add(0);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_mdnsresponders() {
        // log-sources.md section 3.4, computed from Apple's source.
        for (name, hash) in [
            ("_ssh._tcp", 0x262b_8524),
            ("_services._dns-sd._udp", 0x2b08_02e8),
            ("_smb._tcp", 0x0fa0_cbb4),
            ("_rfb._tcp", 0x77df_3058),
            ("_sftp-ssh._tcp", 0xc774_5a19),
            ("_http._tcp", 0x5553_fc5b),
        ] {
            assert_eq!(name_hash(name), hash, "{name}");
            assert_eq!(by_hash(hash, &[]).as_deref(), Some(name));
        }
        assert_eq!(by_hash(wire_hash("_ssh._tcp".split('.')), &[]).as_deref(), Some("_ssh._tcp"));
        let patterns = [Glob::new("_secret._tcp.local").unwrap()];
        assert_eq!(by_hash(name_hash("_secret._tcp"), &patterns).as_deref(), Some("_secret._tcp"));
        assert_eq!(by_hash(name_hash("_secret._tcp"), &[]), None);
    }

    #[test]
    fn patterns_match_with_and_without_the_domain() {
        let patterns = |text: &str| [Glob::new(text).unwrap()];
        for text in ["_ssh._tcp.local", "_ssh._tcp.local.", "_ssh._tcp", "*ssh._tcp*", "_s?h._tcp"]
        {
            assert!(is_of_interest("_ssh._tcp", &patterns(text)), "{text}");
        }
        assert!(!is_of_interest("_smb._tcp", &patterns("_ssh._tcp.local")));
    }

    #[test]
    fn names_that_were_cut_are_known() {
        assert!(is_routine_client("AirPlayXPCHelper"));
        assert!(is_routine_client("AirPlayXPCHelpe"));
        assert!(!is_routine_client("AirPlay"));
        assert!(!is_routine_client("netcached"));
    }
}
