//! The mutable elements of the strategy's analytics, under ATT&CK's names.

use lapwing_event::Span;
use serde::{Deserialize, Serialize};

use crate::expected::{Expected, Glob, Patterns};

/// The mutable elements of each analytic, under the names that ATT&CK publishes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnalyticTunables {
    /// Windows.
    #[serde(rename = "AN1057")]
    pub an1057: An1057,
    /// Linux and flows.
    #[serde(rename = "AN1058")]
    pub an1058: An1058,
    /// macOS and multicast DNS.
    #[serde(rename = "AN1059")]
    pub an1059: An1059,
    /// Containers and clouds.
    #[serde(rename = "AN1060")]
    pub an1060: An1060,
}

/// Mutable elements of AN1057 (Windows).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub struct An1057 {
    /// Distinct destination addresses or ports within the window that make a scan.
    pub scan_rate_threshold: f64,
    /// Programs that are allowed to scan: what they do is recorded as suppressed.
    #[serde(deserialize_with = "crate::expected::programs")]
    pub known_scanner_exe_list: Vec<Expected>,
    /// The short window in which destinations are counted.
    #[serde(with = "crate::span_text")]
    pub time_window: Span,
}

impl Default for An1057 {
    fn default() -> An1057 {
        An1057 {
            scan_rate_threshold: 10.0,
            known_scanner_exe_list: Vec::new(),
            time_window: Span::seconds(60),
        }
    }
}

/// Mutable elements of AN1058 (Linux and flows).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub struct An1058 {
    /// Ports of one host, or hosts on one port, in a short period that make a scan.
    pub port_scan_threshold: f64,
    /// Patterns of programs with scanner arguments. Each is matched against the program's short
    /// name followed by its arguments, so a mention of a tool in another program's arguments is
    /// no match.
    pub tool_pattern_regex: Patterns,
    /// Sources that are expected to scan: what they do is recorded as suppressed.
    #[serde(deserialize_with = "crate::expected::sources")]
    pub expected_scan_sources: Vec<Expected>,
}

impl Default for An1058 {
    fn default() -> An1058 {
        An1058 {
            port_scan_threshold: 10.0,
            tool_pattern_regex: crate::tools::default_patterns(),
            expected_scan_sources: Vec::new(),
        }
    }
}

/// Mutable elements of AN1059 (macOS and multicast DNS).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub struct An1059 {
    /// Service types of interest, with `*`, `?`, `[…]`; with or without `.local`.
    #[serde(rename = "MDNSServiceQueryPatterns")]
    pub mdns_service_query_patterns: Vec<Glob>,
    /// By how many steps the context of the asking process changes the severity.
    pub user_context: ContextSteps,
    /// Tools that are expected: what they do is recorded as suppressed.
    #[serde(deserialize_with = "crate::expected::programs")]
    pub scan_tool_list: Vec<Expected>,
}

/// Steps on the scale of severities, by user context; never below low.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextSteps {
    /// Of a person's session.
    pub interactive: i8,
    /// Of a daemon: nobody sits before it.
    pub daemon: i8,
    /// Where nothing tells.
    pub unknown: i8,
}

impl Default for ContextSteps {
    fn default() -> ContextSteps {
        ContextSteps { interactive: 0, daemon: 1, unknown: 0 }
    }
}

/// The default of `MDNSServiceQueryPatterns`: what administers, shares files or holds data.
const QUERY_PATTERNS: [&str; 16] = [
    "_ssh._tcp.local",
    "_sftp-ssh._tcp.local",
    "_telnet._tcp.local",
    "_rdp._tcp.local",
    "_eppc._tcp.local",
    "_net-assistant._udp.local",
    "_servermgr._tcp.local",
    "_workstation._tcp.local",
    "_nfs._tcp.local",
    "_ftp._tcp.local",
    "_http._tcp.local",
    "_https._tcp.local",
    "_ldap._tcp.local",
    "_kerberos.*.local",
    "_*sql._tcp.local",
    "_services._dns-sd._udp.local",
];

impl Default for An1059 {
    fn default() -> An1059 {
        let patterns = QUERY_PATTERNS.into_iter().map(Glob::shipped);
        An1059 {
            mdns_service_query_patterns: patterns.collect(),
            user_context: ContextSteps::default(),
            scan_tool_list: Vec::new(),
        }
    }
}

/// Mutable elements of AN1060 (containers and clouds).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub struct An1060 {
    /// Programs, where their images have them, that are expected to reach many destinations: what
    /// they do is recorded as suppressed.
    #[serde(deserialize_with = "crate::expected::programs")]
    pub executable_path: Vec<Expected>,
    /// The short window in which destinations are counted.
    #[serde(with = "crate::span_text")]
    pub time_window: Span,
    /// Distinct destinations within the window that make a scan.
    pub network_destination_count: f64,
}

impl Default for An1060 {
    fn default() -> An1060 {
        An1060 {
            executable_path: Vec::new(),
            time_window: Span::seconds(60),
            network_destination_count: 10.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_compiles() {
        for text in QUERY_PATTERNS {
            assert!(Glob::new(text).is_ok(), "{text}");
        }
    }
}
