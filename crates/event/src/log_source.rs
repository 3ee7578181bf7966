//! The kinds of log that records come from.

use serde::{Deserialize, Serialize};

/// The kind of log a record belongs to: what coverage counts, and what a witness is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LogSource {
    /// Sysmon event 1, process creation.
    SysmonProcess,
    /// Sysmon event 3, network connection (established ones only on Windows).
    SysmonNetwork,
    /// Sysmon event 5, process terminated.
    SysmonExit,
    /// Sysmon event 22, DNS query.
    SysmonDns,
    /// Security event 4688, process creation.
    SecurityProcess,
    /// Security event 4689, process termination.
    SecurityExit,
    /// Security events 5156 and 5157, filtering platform connection permitted and blocked.
    SecurityConnection,
    /// Security events 5152 and 5153, packets that the filtering platform dropped.
    SecurityDrop,
    /// PowerShell event 4104, script blocks: what PowerShell was given to run.
    PowerShellScript,
    /// PowerShell event 4103, pipelines: commands that asked one target, without what came of it.
    PowerShellCommand,
    /// Defender for Endpoint DeviceProcessEvents.
    DefenderProcess,
    /// Defender for Endpoint DeviceNetworkEvents.
    DefenderNetwork,
    /// Sysmon for Linux event 1, process create.
    SysmonLinuxProcess,
    /// Sysmon for Linux event 3, network connection; established ones, as on Windows.
    SysmonLinuxNetwork,
    /// Sysmon for Linux event 5, process terminated.
    SysmonLinuxExit,
    /// Linux audit execve and execveat.
    AuditExec,
    /// Linux audit connect, sendto and their kin.
    AuditConnect,
    /// Linux audit exit_group.
    AuditExit,
    /// osquery process_events on Linux.
    OsqueryProcess,
    /// osquery socket_events on Linux.
    OsquerySocket,
    /// Packets of a capture.
    Packets,
    /// Zeek conn.log.
    ZeekConn,
    /// Zeek dns.log.
    ZeekDns,
    /// Zeek's logs of protocols (rdp, ssh, http …): conversations in which the client spoke.
    ZeekService,
    /// Zeek notice.log: what Zeek's own scripts say of a host.
    ZeekNotice,
    /// Suricata EVE flow events.
    SuricataFlow,
    /// Suricata EVE dns events.
    SuricataDns,
    /// Suricata EVE alerts of signatures of scans.
    SuricataAlert,
    /// NetFlow, IPFIX and what their collectors write.
    NetFlow,
    /// The same of exporters that look at one packet in many, as their options say.
    SampledFlow,
    /// Packets that a firewall logged, most often those that it dropped.
    FirewallLog,
    /// Packets that switches sampled (sFlow).
    SFlow,
    /// Tetragon process_exec.
    TetragonProcess,
    /// Tetragon process_exit.
    TetragonExit,
    /// Tetragon kprobes of connect and its kin, and the older process_connect: attempts before their
    /// first packet, without what came of them.
    TetragonConnect,
    /// Tracee sched_process_exec.
    TraceeProcess,
    /// Tracee sched_process_exit.
    TraceeExit,
    /// Tracee security_socket_connect and net_tcp_connect: attempts, without what came of them.
    TraceeConnect,
    /// Falco alerts of execve.
    FalcoProcess,
    /// Falco alerts of connect and its kin.
    FalcoConnect,
    /// Hubble flows: packets at Cilium's endpoints, with pod names.
    Hubble,
    /// Kubernetes' listings of pods, nodes and services: whose an address is.
    Kubernetes,
    /// What container runtimes tell of containers: which pod and image one is of.
    ContainerRuntime,
    /// AWS VPC flow logs.
    AwsVpcFlow,
    /// Azure NSG and virtual network flow logs.
    AzureFlow,
    /// Azure VMConnection: what processes of virtual machines connected to, minute by minute.
    AzureConnection,
    /// Google Cloud VPC flow logs, sampled.
    GcpFlow,
    /// OCSF Process Activity (1007) of Windows.
    OcsfWindowsProcess,
    /// OCSF Network Activity (4001) of Windows that names the process.
    OcsfWindowsNetwork,
    /// OCSF Process Activity (1007) of Linux and other systems.
    OcsfLinuxProcess,
    /// OCSF Network Activity (4001) of Linux and other systems that names the process.
    OcsfLinuxNetwork,
    /// OCSF Network Activity (4001) that names addresses alone.
    OcsfFlow,
    /// OCSF DNS Activity (4003).
    OcsfDns,
    /// What mDNSResponder writes to macOS' unified log: who browses for which services.
    UnifiedLog,
    /// What mDNSResponder writes to macOS' system.log, before the unified log (macOS 10.11 and older).
    MacSystemLog,
    /// eslogger's exec events (macOS Endpoint Security).
    EsProcess,
    /// eslogger's exit events.
    EsExit,
    /// Santa's executions and forks (macOS Endpoint Security).
    SantaProcess,
    /// Santa's exits.
    SantaExit,
    /// osquery process_events and es_process_events on macOS.
    OsqueryMacProcess,
    /// osquery es_process_events of exits.
    OsqueryMacExit,
    /// osquery socket_events on macOS.
    OsqueryMacSocket,
    /// Questions of multicast DNS in packets.
    MulticastDns,
    /// Questions of LLMNR and NBNS for hosts, and of SSDP and WS-Discovery for services, in packets.
    DiscoveryPackets,
    /// Questions of unicast DNS in packets that enumerate: PTR and SRV.
    DnsPackets,
}

impl LogSource {
    /// Every log source, in the order in which coverage lists them.
    pub const ALL: [LogSource; 65] = [
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
        LogSource::DefenderProcess,
        LogSource::DefenderNetwork,
        LogSource::SysmonLinuxProcess,
        LogSource::SysmonLinuxNetwork,
        LogSource::SysmonLinuxExit,
        LogSource::AuditExec,
        LogSource::AuditConnect,
        LogSource::AuditExit,
        LogSource::OsqueryProcess,
        LogSource::OsquerySocket,
        LogSource::Packets,
        LogSource::ZeekConn,
        LogSource::ZeekDns,
        LogSource::ZeekService,
        LogSource::ZeekNotice,
        LogSource::SuricataFlow,
        LogSource::SuricataDns,
        LogSource::SuricataAlert,
        LogSource::NetFlow,
        LogSource::SampledFlow,
        LogSource::FirewallLog,
        LogSource::SFlow,
        LogSource::TetragonProcess,
        LogSource::TetragonExit,
        LogSource::TetragonConnect,
        LogSource::TraceeProcess,
        LogSource::TraceeExit,
        LogSource::TraceeConnect,
        LogSource::FalcoProcess,
        LogSource::FalcoConnect,
        LogSource::Hubble,
        LogSource::Kubernetes,
        LogSource::ContainerRuntime,
        LogSource::AwsVpcFlow,
        LogSource::AzureFlow,
        LogSource::AzureConnection,
        LogSource::GcpFlow,
        LogSource::OcsfWindowsProcess,
        LogSource::OcsfWindowsNetwork,
        LogSource::OcsfLinuxProcess,
        LogSource::OcsfLinuxNetwork,
        LogSource::OcsfFlow,
        LogSource::OcsfDns,
        LogSource::UnifiedLog,
        LogSource::MacSystemLog,
        LogSource::EsProcess,
        LogSource::EsExit,
        LogSource::SantaProcess,
        LogSource::SantaExit,
        LogSource::OsqueryMacProcess,
        LogSource::OsqueryMacExit,
        LogSource::OsqueryMacSocket,
        LogSource::MulticastDns,
        LogSource::DiscoveryPackets,
        LogSource::DnsPackets,
    ];

    /// Its stable lowercase name, as findings and coverage print it.
    pub const fn name(self) -> &'static str {
        match self {
            LogSource::SysmonProcess => "sysmon-1",
            LogSource::SysmonNetwork => "sysmon-3",
            LogSource::SysmonExit => "sysmon-5",
            LogSource::SysmonDns => "sysmon-22",
            LogSource::SecurityProcess => "security-4688",
            LogSource::SecurityExit => "security-4689",
            LogSource::SecurityConnection => "security-5156",
            LogSource::SecurityDrop => "security-5152",
            LogSource::PowerShellScript => "powershell-4104",
            LogSource::PowerShellCommand => "powershell-4103",
            LogSource::DefenderProcess => "defender-process",
            LogSource::DefenderNetwork => "defender-network",
            LogSource::SysmonLinuxProcess => "sysmon-linux-1",
            LogSource::SysmonLinuxNetwork => "sysmon-linux-3",
            LogSource::SysmonLinuxExit => "sysmon-linux-5",
            LogSource::AuditExec => "auditd-execve",
            LogSource::AuditConnect => "auditd-connect",
            LogSource::AuditExit => "auditd-exit",
            LogSource::OsqueryProcess => "osquery-process",
            LogSource::OsquerySocket => "osquery-socket",
            LogSource::Packets => "packets",
            LogSource::ZeekConn => "zeek-conn",
            LogSource::ZeekDns => "zeek-dns",
            LogSource::ZeekService => "zeek-protocols",
            LogSource::ZeekNotice => "zeek-notice",
            LogSource::SuricataFlow => "suricata-flow",
            LogSource::SuricataDns => "suricata-dns",
            LogSource::SuricataAlert => "suricata-alert",
            LogSource::NetFlow => "netflow",
            LogSource::SampledFlow => "netflow-sampled",
            LogSource::FirewallLog => "firewall-log",
            LogSource::SFlow => "sflow",
            LogSource::TetragonProcess => "tetragon-exec",
            LogSource::TetragonExit => "tetragon-exit",
            LogSource::TetragonConnect => "tetragon-connect",
            LogSource::TraceeProcess => "tracee-exec",
            LogSource::TraceeExit => "tracee-exit",
            LogSource::TraceeConnect => "tracee-connect",
            LogSource::FalcoProcess => "falco-exec",
            LogSource::FalcoConnect => "falco-connect",
            LogSource::Hubble => "hubble",
            LogSource::Kubernetes => "kubernetes",
            LogSource::ContainerRuntime => "container-runtime",
            LogSource::AwsVpcFlow => "aws-vpc-flow",
            LogSource::AzureFlow => "azure-flow",
            LogSource::AzureConnection => "azure-vmconnection",
            LogSource::GcpFlow => "gcp-flow",
            LogSource::OcsfWindowsProcess => "ocsf-windows-process",
            LogSource::OcsfWindowsNetwork => "ocsf-windows-network",
            LogSource::OcsfLinuxProcess => "ocsf-linux-process",
            LogSource::OcsfLinuxNetwork => "ocsf-linux-network",
            LogSource::OcsfFlow => "ocsf-flow",
            LogSource::OcsfDns => "ocsf-dns",
            LogSource::UnifiedLog => "unified-log",
            LogSource::MacSystemLog => "macos-system-log",
            LogSource::EsProcess => "eslogger-exec",
            LogSource::EsExit => "eslogger-exit",
            LogSource::SantaProcess => "santa-exec",
            LogSource::SantaExit => "santa-exit",
            LogSource::OsqueryMacProcess => "osquery-macos-process",
            LogSource::OsqueryMacExit => "osquery-macos-exit",
            LogSource::OsqueryMacSocket => "osquery-macos-socket",
            LogSource::MulticastDns => "multicast-dns",
            LogSource::DiscoveryPackets => "discovery-packets",
            LogSource::DnsPackets => "dns-packets",
        }
    }

    /// Whether its records name the acting process.
    pub const fn names_process(self) -> bool {
        !matches!(
            self,
            LogSource::Packets
                | LogSource::ZeekConn
                | LogSource::ZeekDns
                | LogSource::ZeekService
                | LogSource::ZeekNotice
                | LogSource::SuricataFlow
                | LogSource::SuricataDns
                | LogSource::SuricataAlert
                | LogSource::NetFlow
                | LogSource::SampledFlow
                | LogSource::FirewallLog
                | LogSource::SFlow
                | LogSource::Hubble
                | LogSource::Kubernetes
                | LogSource::ContainerRuntime
                | LogSource::AwsVpcFlow
                | LogSource::AzureFlow
                | LogSource::GcpFlow
                | LogSource::OcsfFlow
                | LogSource::OcsfDns
                | LogSource::MulticastDns
                | LogSource::DiscoveryPackets
                | LogSource::DnsPackets
        )
    }

    /// Whether it tells of nothing that was done, and only whose addresses and containers are.
    pub const fn is_knowledge(self) -> bool {
        matches!(self, LogSource::Kubernetes | LogSource::ContainerRuntime)
    }

    /// Whether it records attempts that failed as well as those that succeeded. Sysmon 3 holds
    /// established TCP only (sysinternals issue 81), so a sweep shows its open ports alone; Zeek's logs
    /// of protocols hold what was spoken in.
    pub const fn sees_failures(self) -> bool {
        !matches!(
            self,
            LogSource::SysmonNetwork | LogSource::SysmonLinuxNetwork | LogSource::ZeekService
        )
    }

    /// Whether it holds a sample of the traffic: switches sample one packet in hundreds, Google samples about 1 packet in 30, so that one
    /// packet's probes mostly do not show
    /// (<https://cloud.google.com/vpc/docs/flow-logs>).
    pub const fn is_sampled(self) -> bool {
        matches!(self, LogSource::GcpFlow | LogSource::SFlow | LogSource::SampledFlow)
    }
}
