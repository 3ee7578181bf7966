//! AN1060, containers: netcat, curl or custom binaries that probe other services of the same
//! namespace or VPC subnet.
//!
//! <https://attack.mitre.org/detectionstrategies/DET0376/>
//!
//! Published log sources are eBPF's socket connect and execve, and containerd's outbound traffic.
//! containerd itself logs no traffic: what Cilium's Hubble and the clouds' flow logs hold is read for
//! it. OCSF's host events are judged by the analytic of their system.
//!
//! `NetworkDestinationCount` counts distinct destinations of one process, of the processes of one
//! program that one ancestor starts, or of a whole pod, within `TimeWindow`. `ExecutablePath` names
//! the programs, where their images have them, that are expected to reach that many; the same name
//! elsewhere is not excused.

use lapwing_event::LogSource;

use super::{Analytic, StrategySource};

pub(super) static ANALYTIC: Analytic = Analytic {
    id: "AN1060",
    platform: "Containers",
    log_sources: &[
        StrategySource {
            component: "Network Connection Creation",
            name: "ebpf:syscalls",
            channel: "socket connect",
            met_by: &[
                LogSource::TetragonConnect,
                LogSource::TraceeConnect,
                LogSource::FalcoConnect,
            ],
            turn_on: "a Tetragon TracingPolicy with a kprobe of tcp_connect; tracee --events \
                security_socket_connect; or a Falco rule of evt.type=connect",
        },
        StrategySource {
            component: "Process Creation",
            name: "ebpf:syscalls",
            channel: "execve",
            met_by: &[
                LogSource::TetragonProcess,
                LogSource::TraceeProcess,
                LogSource::FalcoProcess,
            ],
            turn_on: "Tetragon's export of process_exec and process_exit; tracee --events \
                sched_process_exec,sched_process_exit; or a Falco rule of evt.type=execve",
        },
        StrategySource {
            component: "Network Traffic Flow",
            name: "containerd:runtime",
            channel: "container-level outbound traffic events",
            met_by: &[
                LogSource::Hubble,
                LogSource::AwsVpcFlow,
                LogSource::AzureFlow,
                LogSource::AzureConnection,
                LogSource::GcpFlow,
            ],
            turn_on: "hubble observe -o jsonpb, or Hubble's exporter; flow logs of the VPC or virtual network, with \
                tcp-flags and windows of a minute",
        },
    ],
    beside: &[],
    mutable_elements: &["ExecutablePath", "TimeWindow", "NetworkDestinationCount"],
    threshold: |tunables| tunables.analytics.an1060.network_destination_count,
    threshold_key: "analytics.AN1060.NetworkDestinationCount",
    window: |tunables| tunables.analytics.an1060.time_window,
    expected: |tunables| &tunables.analytics.an1060.executable_path,
    expected_key: "analytics.AN1060.ExecutablePath",
};
