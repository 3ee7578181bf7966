//! What ordinary devices ask around for by SSDP and WS-Discovery, and which names ordinary computers look
//! for by LLMNR and NBNS: the habits of every household and office.

/// What televisions, players, phones and computers search for by SSDP all day, without versions: all
/// devices and root devices, casting (DIAL), media, routers (UPnP IGD), and vendors' own (UPnP Forum's
/// device and service types, and what the captures of homes in the corpus show).
const ROUTINE_SEARCHES: [&str; 25] = [
    "ssdp:all",
    "ssdp:discover",
    "upnp:rootdevice",
    "roku:ecp",
    "nanoleaf:nl29",
    "urn:belkin:device:**",
    "urn:dial-multiscreen-org:device:dial",
    "urn:dial-multiscreen-org:service:dial",
    "urn:dial-multiscreen-org:device:dialreceiver",
    "urn:lge-com:service:webos-second-screen",
    "urn:microsoft.com:service:x_ms_mediareceiverregistrar",
    "urn:samsung.com:device:remotecontrolreceiver",
    "urn:schemas-upnp-org:device:basic",
    "urn:schemas-upnp-org:device:internetgatewaydevice",
    "urn:schemas-upnp-org:device:mediarenderer",
    "urn:schemas-upnp-org:device:mediaserver",
    "urn:schemas-upnp-org:device:wandevice",
    "urn:schemas-upnp-org:device:zoneplayer",
    "urn:schemas-upnp-org:service:avtransport",
    "urn:schemas-upnp-org:service:contentdirectory",
    "urn:schemas-upnp-org:service:layer3forwarding",
    "urn:schemas-upnp-org:service:renderingcontrol",
    "urn:schemas-upnp-org:service:wanipconnection",
    "urn:schemas-upnp-org:service:wanpppconnection",
    "urn:schemas-wifialliance-org:device:wfadevice",
];

/// What Windows and printers' software probe for by WS-Discovery all day: anything, computers, printers
/// and scanners (Devices Profile for Web Services, and Windows' function discovery).
const ROUTINE_PROBES: [&str; 7] = [
    "*",
    "computer",
    "device",
    "printdevicetype",
    "printerservicetype",
    "scandevicetype",
    "scannerservicetype",
];

/// Names that computers look for without anybody's asking: proxies and tunnels that Windows looks for,
/// the groups of a workgroup's browsing, routers' usual names.
const ROUTINE_HOSTS: [&str; 10] = [
    "wpad",
    "isatap",
    "teredo",
    "localhost",
    "workgroup",
    "mshome",
    "\u{1}\u{2}__msbrowse__\u{2}",
    "gateway",
    "router",
    "domain",
];

/// What WS-Discovery's types begin with here: they have no form that would tell them from others.
const PROBED: &str = "wsd:";

/// What an SSDP search enumerates: a type without its version. `None` where it looks for one device that
/// is known already.
pub(crate) fn searched(target: &str) -> Option<String> {
    let target = target.to_ascii_lowercase();
    if target.starts_with("uuid:") {
        return None;
    }
    let unversioned = match target.rsplit_once(':') {
        Some((before, version)) if target.starts_with("urn:") && is_number(version) => before,
        _ => target.as_str(),
    };
    Some(unversioned.to_string())
}

/// What a WS-Discovery probe enumerates.
pub(crate) fn probed(name: &str) -> String {
    format!("{PROBED}{}", name.to_ascii_lowercase())
}

/// Whether households ask for this type, as [`searched`] and [`probed`] write it, all day.
pub(crate) fn is_routine_type(service: &str) -> bool {
    match service.strip_prefix(PROBED) {
        Some(name) => ROUTINE_PROBES.contains(&name),
        None => ROUTINE_SEARCHES.contains(&service),
    }
}

/// Whether computers look for a host of this name without anybody's asking.
pub(crate) fn is_routine_host(name: &str) -> bool {
    let name = name.strip_suffix(".local").unwrap_or(name);
    ROUTINE_HOSTS.contains(&name)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::*;

    #[test]
    fn searches_are_told_without_versions() {
        for (target, service, routine) in [
            ("urn:schemas-upnp-org:device:MediaRenderer:2", "mediarenderer", true),
            ("urn:dial-multiscreen-org:service:dial:1", "dial", true),
            ("ssdp:all", "all", true),
            ("upnp:rootdevice", "rootdevice", true),
            ("urn:schemas-upnp-org:device:DigitalSecurityCamera:1", "digitalsecuritycamera", false),
        ] {
            let told = searched(target).unwrap();
            assert!(told.ends_with(&format!(":{service}")), "{told}");
            assert_eq!(is_routine_type(&told), routine, "{told}");
        }
        assert_eq!(searched("uuid:2f402f80-da50-11e1-9b23-001788255acc"), None);
    }

    #[test]
    fn probes_of_windows_are_routine() {
        assert!(is_routine_type(&probed("PrintDeviceType")));
        assert!(is_routine_type(&probed("*")));
        assert!(!is_routine_type(&probed("NetworkVideoTransmitter")));
        assert!(!is_routine_type("_ssh._tcp"));
    }
}
