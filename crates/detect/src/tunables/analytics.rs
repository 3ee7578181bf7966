//! The mutable elements of the strategy's analytics, under ATT&CK's names.

use lapwing_event::Span;
use serde::{Deserialize, Serialize};

use crate::expected::{Expected, Pattern};

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
    pub tool_pattern_regex: Vec<Pattern>,
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
