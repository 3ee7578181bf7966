//! AN1057, Windows: processes doing network enumeration, found by correlating process creation,
//! socket connections and sequential destination probing in a time window.
//!
//! <https://attack.mitre.org/detectionstrategies/DET0376/>
//!
//! Published log sources are Sysmon 1 (process creation), 3 and 22 (network connection creation).
//! Security 4688 and 5156/5157 are read beside them: 5156 is written at the connect decision, so
//! it shows the refused and unanswered probes that Sysmon 3, which holds established connections
//! only, cannot. 5152 shows the packets that this computer's firewall dropped, among them others'
//! probes of it.
//!
//! PowerShell's script blocks (4104) corroborate: a script that loops over as many ports or addresses
//! as make a scan, and connects to each, is one however it was started. Its pipelines (4103) show the
//! targets of `Test-NetConnection` one by one.
//!
//! `ScanRateThreshold` counts distinct destination addresses or ports of one process, or of the
//! processes of one program that one ancestor starts, within `TimeWindow`. `KnownScannerExeList`
//! names the binaries that are *allowed* to scan.

use lapwing_event::LogSource;

use super::{Analytic, StrategySource};

pub(super) static ANALYTIC: Analytic = Analytic {
    id: "AN1057",
    platform: "Windows",
    log_sources: &[
        StrategySource {
            component: "Process Creation",
            name: "WinEventLog:Sysmon",
            channel: "EventCode=1",
            met_by: &[
                LogSource::SysmonProcess,
                LogSource::SecurityProcess,
                LogSource::DefenderProcess,
                LogSource::OcsfWindowsProcess,
            ],
            turn_on: "Sysmon: <ProcessCreate onmatch=\"exclude\"/>; or the audit policy \"Process Creation\" with \
                command lines (4688)",
        },
        StrategySource {
            component: "Network Connection Creation",
            name: "WinEventLog:Sysmon",
            channel: "EventCode=3, 22",
            met_by: &[
                LogSource::SysmonNetwork,
                LogSource::SysmonDns,
                LogSource::SecurityConnection,
                LogSource::SecurityDrop,
                LogSource::DefenderNetwork,
                LogSource::OcsfWindowsNetwork,
            ],
            turn_on: "Sysmon: <NetworkConnect onmatch=\"exclude\"/> and <DnsQuery onmatch=\"exclude\"/>; and auditpol \
                /set /subcategory:\"Filtering Platform Connection\" /success:enable /failure:enable \
                (5156, 5157), which shows failed connections too",
        },
    ],
    beside: &[LogSource::PowerShellScript, LogSource::PowerShellCommand],
    mutable_elements: &["ScanRateThreshold", "KnownScannerExeList", "TimeWindow"],
    threshold: |tunables| tunables.analytics.an1057.scan_rate_threshold,
    threshold_key: "analytics.AN1057.ScanRateThreshold",
    window: |tunables| tunables.analytics.an1057.time_window,
    expected: |tunables| &tunables.analytics.an1057.known_scanner_exe_list,
    expected_key: "analytics.AN1057.KnownScannerExeList",
};
