//! The table of formats, and how an input's first bytes choose one.

use lapwing_event::LogSource;

use crate::{
    Decoder, auditd, capture, cloud, container, evtx, firewall, flow_table, flow_text, journal,
    macos, netflow, nfcapd, ocsf, osquery, sflow, suricata, windows, zeek,
};

/// How many bytes of an input are looked at to tell its format. Zeek and pcapng headers fit in a
/// fraction of it; a JSON line's telling keys do too.
pub const SNIFF_BYTES: usize = 64 << 10;

/// One format that can be read.
#[derive(Clone, Copy)]
pub struct Format {
    /// Its name on the command line and in findings, lowercase with hyphens.
    pub name: &'static str,
    /// What it is, in one line for people.
    pub title: &'static str,
    /// The log sources whose records it can hold.
    pub log_sources: &'static [LogSource],
    /// Whether an input that begins with these bytes (at most [`SNIFF_BYTES`], fewer only where
    /// the input is shorter) is of this format.
    pub recognises: fn(&[u8]) -> bool,
    /// A fresh decoder.
    pub decoder: fn() -> Box<dyn Decoder>,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Format").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What Windows event logs hold, in whatever spelling.
const WINDOWS: &[LogSource] = &[
    LogSource::SysmonProcess,
    LogSource::SysmonNetwork,
    LogSource::SysmonExit,
    LogSource::SysmonDns,
    LogSource::SecurityProcess,
    LogSource::SecurityExit,
    LogSource::SecurityConnection,
    LogSource::SecurityDrop,
    LogSource::PowerShellScript,
    LogSource::PowerShellCommand,
    LogSource::SysmonLinuxProcess,
    LogSource::SysmonLinuxNetwork,
    LogSource::SysmonLinuxExit,
];

/// What packets tell: attempts, questions for names, the flows of a captured export stream, and the
/// verdicts of a firewall (pflog).
const PACKETS: &[LogSource] = &[
    LogSource::Packets,
    LogSource::MulticastDns,
    LogSource::DiscoveryPackets,
    LogSource::DnsPackets,
    LogSource::NetFlow,
    LogSource::SampledFlow,
    LogSource::SFlow,
    LogSource::FirewallLog,
];

/// What Linux audit records tell.
const AUDIT: &[LogSource] = &[LogSource::AuditExec, LogSource::AuditConnect, LogSource::AuditExit];

/// What of it `journalctl` prints for people so that it can be read.
const JOURNAL_TEXT: &[LogSource] =
    &[LogSource::AuditExec, LogSource::AuditConnect, LogSource::AuditExit, LogSource::FirewallLog];

/// What the journal of a Linux system holds.
const JOURNAL: &[LogSource] = &[
    LogSource::AuditExec,
    LogSource::AuditConnect,
    LogSource::AuditExit,
    LogSource::FirewallLog,
    LogSource::SysmonLinuxProcess,
    LogSource::SysmonLinuxNetwork,
    LogSource::SysmonLinuxExit,
];

/// What Zeek's logs tell.
const ZEEK: &[LogSource] =
    &[LogSource::ZeekConn, LogSource::ZeekDns, LogSource::ZeekService, LogSource::ZeekNotice];

/// What OCSF events may be.
const OCSF: &[LogSource] = &[
    LogSource::OcsfWindowsProcess,
    LogSource::OcsfWindowsNetwork,
    LogSource::OcsfLinuxProcess,
    LogSource::OcsfLinuxNetwork,
    LogSource::OcsfFlow,
    LogSource::OcsfDns,
    LogSource::AwsVpcFlow,
];

/// Every format, binary ones first, in the order in which they are tried.
pub const FORMATS: &[Format] = &[
    Format {
        name: "pcap",
        title: "packet capture (libpcap, tcpdump)",
        log_sources: PACKETS,
        recognises: capture::is_pcap,
        decoder: capture::decoder,
    },
    Format {
        name: "pcapng",
        title: "packet capture (pcapng, Wireshark, dumpcap)",
        log_sources: PACKETS,
        recognises: capture::is_pcapng,
        decoder: capture::decoder,
    },
    Format {
        name: "evtx",
        title: "Windows event log (Sysmon, Security, PowerShell)",
        log_sources: WINDOWS,
        recognises: evtx::recognises,
        decoder: evtx::decoder,
    },
    Format {
        name: "journal-json",
        title: "systemd's journal as JSON (journalctl -o json, json-seq, json-sse): audit records, packets, Sysmon for Linux",
        log_sources: JOURNAL,
        recognises: journal::is_json,
        decoder: journal::json_decoder,
    },
    Format {
        name: "journal-export",
        title: "systemd's journal in its export format (journalctl -o export)",
        log_sources: JOURNAL,
        recognises: journal::is_export,
        decoder: journal::export_decoder,
    },
    Format {
        name: "windows-xml",
        title: "Windows events as XML (also Splunk XmlWinEventLog, Sysmon for Linux in syslog)",
        log_sources: WINDOWS,
        recognises: windows::xml::recognises,
        decoder: windows::xml::decoder,
    },
    Format {
        name: "defender-json",
        title: "Defender for Endpoint DeviceProcessEvents and DeviceNetworkEvents",
        log_sources: &[LogSource::DefenderProcess, LogSource::DefenderNetwork],
        recognises: windows::defender::recognises,
        decoder: windows::defender::decoder,
    },
    Format {
        name: "windows-json",
        title: "Windows events as JSON (evtx_dump, Winlogbeat, NXLog, Splunk's search results, Chainsaw, Hayabusa)",
        log_sources: WINDOWS,
        recognises: windows::json::recognises,
        decoder: windows::json::decoder,
    },
    Format {
        name: "windows-text",
        title: "Windows events as key=value text (Splunk WinEventLog, exports of one event a line)",
        log_sources: WINDOWS,
        recognises: windows::text::recognises,
        decoder: windows::text::decoder,
    },
    Format {
        name: "netflow",
        title: "NetFlow v5, v9 and IPFIX datagrams, IPFIX files",
        log_sources: &[LogSource::NetFlow, LogSource::SampledFlow],
        recognises: netflow::recognises,
        decoder: netflow::decoder,
    },
    Format {
        name: "sflow",
        title: "sFlow v5 datagrams (packets that switches sampled); their time is that of a capture",
        log_sources: &[LogSource::SFlow],
        recognises: sflow::recognises,
        decoder: sflow::decoder,
    },
    Format {
        name: "nfcapd",
        title: "flows as nfdump's collectors store them (nfcapd files, layouts 1 and 2)",
        log_sources: &[LogSource::NetFlow],
        recognises: nfcapd::recognises,
        decoder: nfcapd::decoder,
    },
    Format {
        name: "journal-text",
        title: "Linux audit records and logged packets as journalctl prints them (short, short-iso, short-full and their kin)",
        log_sources: JOURNAL_TEXT,
        recognises: journal::is_text,
        decoder: journal::text_decoder,
    },
    Format {
        name: "auditd",
        title: "Linux audit log, raw or enriched (auditd, kernel)",
        log_sources: AUDIT,
        recognises: auditd::recognises,
        decoder: auditd::decoder,
    },
    Format {
        name: "laurel",
        title: "Linux audit events as Laurel writes them, JSON lines",
        log_sources: &[LogSource::AuditExec, LogSource::AuditConnect],
        recognises: auditd::json::is_laurel,
        decoder: auditd::json::decoder,
    },
    Format {
        name: "auditbeat",
        title: "Linux audit events as Auditbeat writes them, JSON lines",
        log_sources: &[LogSource::AuditExec, LogSource::AuditConnect],
        recognises: auditd::json::is_auditbeat,
        decoder: auditd::json::decoder,
    },
    Format {
        name: "osquery",
        title: "osquery's process_events, es_process_events, socket_events (Linux, macOS) and unified_log, JSON lines",
        log_sources: &[
            LogSource::OsqueryProcess,
            LogSource::OsquerySocket,
            LogSource::OsqueryMacProcess,
            LogSource::OsqueryMacExit,
            LogSource::OsqueryMacSocket,
            LogSource::UnifiedLog,
        ],
        recognises: osquery::recognises,
        decoder: osquery::decoder,
    },
    Format {
        name: "eslogger",
        title: "eslogger's messages (macOS Endpoint Security), JSON lines",
        log_sources: &[LogSource::EsProcess, LogSource::EsExit],
        recognises: macos::eslogger::recognises,
        decoder: macos::eslogger::decoder,
    },
    Format {
        name: "santa-json",
        title: "Santa's telemetry as JSON (macOS): executions, forks, exits",
        log_sources: &[LogSource::SantaProcess, LogSource::SantaExit],
        recognises: macos::santa::is_json,
        decoder: macos::santa::json_decoder,
    },
    Format {
        name: "santa-text",
        title: "Santa's text log (macOS): executions, forks, exits",
        log_sources: &[LogSource::SantaProcess, LogSource::SantaExit],
        recognises: macos::santa::is_text,
        decoder: macos::santa::text_decoder,
    },
    Format {
        name: "unified-log-json",
        title: "macOS' unified log (log show --style ndjson or json): mDNSResponder",
        log_sources: &[LogSource::UnifiedLog],
        recognises: macos::unified_log::is_json,
        decoder: macos::unified_log::json_decoder,
    },
    Format {
        name: "unified-log-text",
        title: "macOS' unified log as text (log show --style syslog or compact, and default): mDNSResponder",
        log_sources: &[LogSource::UnifiedLog],
        recognises: macos::unified_log::is_text,
        decoder: macos::unified_log::text_decoder,
    },
    Format {
        name: "tracev3",
        title: "macOS' unified log as it lies on disk (.logarchive, or /var/db/diagnostics beside uuidtext): mDNSResponder",
        log_sources: &[LogSource::UnifiedLog],
        recognises: macos::tracev3::recognises,
        decoder: macos::tracev3::decoder,
    },
    Format {
        name: "macos-system-log",
        title: "macOS' system.log, before the unified log: mDNSResponder",
        log_sources: &[LogSource::MacSystemLog],
        recognises: macos::system_log::recognises,
        decoder: macos::system_log::decoder,
    },
    Format {
        name: "tetragon",
        title: "Tetragon's export: process_exec, process_exit, probes of connect, JSON lines",
        log_sources: &[
            LogSource::TetragonProcess,
            LogSource::TetragonExit,
            LogSource::TetragonConnect,
        ],
        recognises: container::tetragon::recognises,
        decoder: container::tetragon::decoder,
    },
    Format {
        name: "tracee",
        title: "Tracee's events, flat or v1beta1, JSON lines",
        log_sources: &[LogSource::TraceeProcess, LogSource::TraceeExit, LogSource::TraceeConnect],
        recognises: container::tracee::recognises,
        decoder: container::tracee::decoder,
    },
    Format {
        name: "falco",
        title: "Falco's alerts of execve and connect, JSON lines (also in syslog)",
        log_sources: &[LogSource::FalcoProcess, LogSource::FalcoConnect],
        recognises: container::falco::recognises,
        decoder: container::falco::decoder,
    },
    Format {
        name: "hubble",
        title: "Hubble's flows, JSON lines",
        log_sources: &[LogSource::Hubble],
        recognises: container::hubble::recognises,
        decoder: container::hubble::decoder,
    },
    Format {
        name: "kubernetes",
        title: "Kubernetes' pods, nodes and services (kubectl get -o json, watch): whose an address is",
        log_sources: &[LogSource::Kubernetes],
        recognises: container::kubernetes::recognises,
        decoder: container::kubernetes::decoder,
    },
    Format {
        name: "container-runtime",
        title: "Docker's and containerd's events, docker inspect, crictl ps and inspect, JSON: which pod a container is of",
        log_sources: &[LogSource::ContainerRuntime],
        recognises: container::runtime::is_json,
        decoder: container::runtime::json_decoder,
    },
    Format {
        name: "ctr-events",
        title: "containerd's events as ctr prints them",
        log_sources: &[LogSource::ContainerRuntime],
        recognises: container::runtime::is_text,
        decoder: container::runtime::text_decoder,
    },
    Format {
        name: "azure-flow",
        title: "Azure flow logs of network security groups (v1, v2) and virtual networks (v4)",
        log_sources: &[LogSource::AzureFlow],
        recognises: cloud::azure::recognises,
        decoder: cloud::azure::decoder,
    },
    Format {
        name: "azure-vmconnection",
        title: "Azure VM insights' VMConnection records (Log Analytics), JSON",
        log_sources: &[LogSource::AzureConnection],
        recognises: cloud::vm_connection::recognises,
        decoder: cloud::vm_connection::decoder,
    },
    Format {
        name: "gcp-flow",
        title: "Google Cloud VPC flow logs, JSON",
        log_sources: &[LogSource::GcpFlow],
        recognises: cloud::gcp::recognises,
        decoder: cloud::gcp::decoder,
    },
    Format {
        name: "aws-vpc-flow",
        title: "AWS VPC flow logs as text (v2 to v8; any columns, with their heading)",
        log_sources: &[LogSource::AwsVpcFlow],
        recognises: cloud::aws::is_text,
        decoder: cloud::aws::text_decoder,
    },
    Format {
        name: "aws-vpc-flow-json",
        title: "AWS VPC flow logs in CloudWatch's JSON",
        log_sources: &[LogSource::AwsVpcFlow],
        recognises: cloud::aws::is_json,
        decoder: cloud::aws::json_decoder,
    },
    Format {
        name: "ocsf-parquet",
        title: "OCSF events (Security Lake) or AWS VPC flow logs as Parquet",
        log_sources: OCSF,
        recognises: ocsf::is_parquet,
        decoder: ocsf::parquet_decoder,
    },
    Format {
        name: "ocsf-json",
        title: "OCSF Process, Network and DNS Activity (1007, 4001, 4003) as JSON",
        log_sources: OCSF,
        recognises: ocsf::recognises,
        decoder: ocsf::decoder,
    },
    Format {
        name: "zeek-tsv",
        title: "Zeek conn, dns and notice logs, and those of protocols, tab-separated",
        log_sources: ZEEK,
        recognises: zeek::is_tsv,
        decoder: zeek::tsv_decoder,
    },
    Format {
        name: "zeek-json",
        title: "Zeek conn, dns and notice logs, and those of protocols, JSON lines",
        log_sources: ZEEK,
        recognises: zeek::is_json,
        decoder: zeek::json_decoder,
    },
    Format {
        name: "suricata-eve",
        title: "Suricata EVE JSON (flow, dns and mdns events, alerts of scans)",
        log_sources: &[LogSource::SuricataFlow, LogSource::SuricataDns, LogSource::SuricataAlert],
        recognises: suricata::recognises,
        decoder: suricata::decoder,
    },
    Format {
        name: "nfdump-csv",
        title: "flows as nfdump prints them with -o csv",
        log_sources: &[LogSource::NetFlow],
        recognises: flow_text::is_nfdump,
        decoder: flow_text::nfdump_decoder,
    },
    Format {
        name: "goflow2-json",
        title: "flows as goflow2 writes them, JSON lines",
        log_sources: &[LogSource::NetFlow],
        recognises: flow_text::is_goflow,
        decoder: flow_text::goflow_decoder,
    },
    Format {
        name: "silk-text",
        title: "flows as SiLK's rwcut prints them, with titles",
        log_sources: &[LogSource::NetFlow],
        recognises: flow_text::is_silk,
        decoder: flow_text::silk_decoder,
    },
    Format {
        name: "firewall-syslog",
        title: "packets that netfilter (iptables, nftables, ufw), pf (filterlog), MikroTik or Cisco ASA log to syslog",
        log_sources: &[LogSource::FirewallLog],
        recognises: firewall::recognises,
        decoder: firewall::decoder,
    },
    Format {
        name: "argus-csv",
        title: "flows as Argus' ra prints them with -c, or tabs",
        log_sources: &[LogSource::NetFlow],
        recognises: flow_text::is_argus,
        decoder: flow_text::argus_decoder,
    },
    Format {
        name: "flow-table",
        title: "flow records as a table with a heading (CSV, TSV), by the names of its columns",
        log_sources: &[LogSource::NetFlow],
        recognises: flow_table::recognises,
        decoder: flow_table::decoder,
    },
];

/// What an input's first bytes say.
#[derive(Clone, Copy, Debug)]
pub enum Sniffed {
    /// It is of this format.
    Format(&'static Format),
    /// It holds no bytes at all.
    Empty,
    /// It is of no format that is read.
    Unknown,
}

/// Tells the format of an input by its first bytes.
pub fn sniff(head: &[u8]) -> Sniffed {
    if head.is_empty() {
        return Sniffed::Empty;
    }
    match FORMATS.iter().find(|format| (format.recognises)(head)) {
        Some(format) => Sniffed::Format(format),
        None => Sniffed::Unknown,
    }
}
