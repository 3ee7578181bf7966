//! AN1058, Linux: scanning utilities or scripts making rapid connections to many services or
//! hosts, from auditd and from network flows.
//!
//! <https://attack.mitre.org/detectionstrategies/DET0376/>
//!
//! Published log sources are auditd execve (process creation) and NSM flows (outbound TCP SYN or
//! UDP to many ports or hosts). Audit connect and sendto records are read beside them, since they
//! credit each attempt to a process.
//!
//! `PortScanThreshold` counts ports of one host, or hosts on one port, in a short period.
//! `ToolPatternRegex` knows scanners by program and arguments; it is a finding of its own only
//! where no attempt shows, as with raw-packet scanners. `ExpectedScanSources` names trusted
//! sources.

use lapwing_event::LogSource;

use super::{Analytic, StrategySource};

pub(super) static ANALYTIC: Analytic = Analytic {
    id: "AN1058",
    platform: "Linux",
    log_sources: &[
        StrategySource {
            component: "Process Creation",
            name: "auditd:SYSCALL",
            channel: "execve",
            met_by: &[
                LogSource::AuditExec,
                LogSource::SysmonLinuxProcess,
                LogSource::OsqueryProcess,
                LogSource::OcsfLinuxProcess,
            ],
            turn_on: "audit rules: -a always,exit -F arch=b64 -S execve,execveat -k exec",
        },
        StrategySource {
            component: "Network Traffic Flow",
            name: "NSM:Flow",
            channel: "Outbound TCP SYN or UDP to multiple ports/hosts",
            met_by: &[
                LogSource::Packets,
                LogSource::ZeekConn,
                LogSource::ZeekService,
                LogSource::SuricataFlow,
                LogSource::NetFlow,
                LogSource::SampledFlow,
                LogSource::FirewallLog,
                LogSource::SFlow,
                LogSource::AuditConnect,
                LogSource::SysmonLinuxNetwork,
                LogSource::OsquerySocket,
                LogSource::OcsfLinuxNetwork,
                LogSource::OcsfFlow,
            ],
            turn_on: "packets, or flows of the network's switches and sensors (Zeek, Suricata, NetFlow, IPFIX); on \
                the host the audit rule -a always,exit -F arch=b64 -S connect,sendto,sendmsg -k net",
        },
    ],
    beside: &[],
    mutable_elements: &["PortScanThreshold", "ToolPatternRegex", "ExpectedScanSources"],
    threshold: |tunables| tunables.analytics.an1058.port_scan_threshold,
    threshold_key: "analytics.AN1058.PortScanThreshold",
    window: |tunables| tunables.detection.spans.short,
    expected: |tunables| &tunables.analytics.an1058.expected_scan_sources,
    expected_key: "analytics.AN1058.ExpectedScanSources",
};
