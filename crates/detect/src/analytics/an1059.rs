//! AN1059, macOS: Bonjour and mDNS enumeration, or system tools (dns-sd, nmap) that find services by
//! multicast questions or by targeted scans.
//!
//! <https://attack.mitre.org/detectionstrategies/DET0376/>
//!
//! Published log sources are the unified log (mDNSResponder tells who browses for what, types masked
//! by default) and osquery's process_events. eslogger, Santa, osquery's es_process_events and the packets
//! of multicast DNS are read beside them. Endpoint Security tells of no connection: what a command line
//! asks for (`dns-sd -B _ssh._tcp`, `nc -z host port`) counts as asked for.
//!
//! `MDNSServiceQueryPatterns` are the service types of interest. `UserContext` says by how many steps
//! an interactive session, a daemon or an unknown context changes the severity, never whether a
//! finding is made. `ScanToolList` names the tools that are expected.

use lapwing_event::LogSource;

use super::{Analytic, StrategySource};

pub(super) static ANALYTIC: Analytic = Analytic {
    id: "AN1059",
    platform: "macOS",
    log_sources: &[
        StrategySource {
            component: "Network Traffic Content",
            name: "macos:unifiedlog",
            channel: "dns-sd, mDNSResponder, socket activity",
            met_by: &[
                LogSource::UnifiedLog,
                LogSource::MacSystemLog,
                LogSource::MulticastDns,
                LogSource::OsqueryMacSocket,
            ],
            turn_on: "log show --info --style ndjson --predicate 'subsystem == \"com.apple.mDNSResponder\"'; and \
                packets of UDP port 5353",
        },
        StrategySource {
            component: "Process Creation",
            name: "macos:osquery",
            channel: "process_events",
            met_by: &[LogSource::OsqueryMacProcess, LogSource::EsProcess, LogSource::SantaProcess],
            turn_on: "eslogger exec exit; or osquery es_process_events with --disable_events=false \
                --disable_endpointsecurity=false",
        },
    ],
    beside: &[],
    mutable_elements: &["MDNSServiceQueryPatterns", "UserContext", "ScanToolList"],
    threshold: |tunables| tunables.detection.default_threshold,
    threshold_key: "detection.default_threshold",
    window: |tunables| tunables.detection.spans.short,
    expected: |tunables| &tunables.analytics.an1059.scan_tool_list,
    expected_key: "analytics.AN1059.ScanToolList",
};
