//! The analytics of ATT&CK detection strategy DET0376, one file each, beside their published text.

mod an1057;
mod an1058;
mod an1059;
mod an1060;

use lapwing_event::{LogSource, Span};

use crate::expected::Expected;
use crate::tunables::Tunables;

/// One analytic of the strategy: what it reads, and which of its mutable elements mean what.
pub struct Analytic {
    /// Its ATT&CK id.
    pub id: &'static str,
    /// Its platform, as ATT&CK names it.
    pub platform: &'static str,
    /// The log sources that it needs, as published.
    pub log_sources: &'static [StrategySource],
    /// Log sources that meet none of those, and are read beside them.
    pub beside: &'static [LogSource],
    /// Its mutable elements, as published.
    pub mutable_elements: &'static [&'static str],
    /// How many distinct targets make a scan.
    pub(crate) threshold: fn(&Tunables) -> f64,
    /// The configuration key of that number.
    pub(crate) threshold_key: &'static str,
    /// The short window in which they are counted.
    pub(crate) window: fn(&Tunables) -> Span,
    /// Who is allowed to scan.
    pub(crate) expected: fn(&Tunables) -> &[Expected],
    /// The configuration key of that list.
    pub(crate) expected_key: &'static str,
}

/// One log source of an analytic, as ATT&CK publishes it, and what we read for it.
#[derive(Debug, PartialEq, Eq)]
pub struct StrategySource {
    /// The data component, such as `Process Creation`.
    pub component: &'static str,
    /// The log source's name, such as `WinEventLog:Sysmon`.
    pub name: &'static str,
    /// Its channel, such as `EventCode=1`.
    pub channel: &'static str,
    /// Our log sources that meet it: the published one first, then those that we add.
    pub met_by: &'static [LogSource],
    /// What to turn on where it is absent: the setting itself, as its owner types it.
    pub turn_on: &'static str,
}

impl std::fmt::Display for StrategySource {
    /// Its name and channel, as ATT&CK's page shows them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.channel)
    }
}

/// Every analytic that is built, in ATT&CK's order.
pub static ANALYTICS: [&Analytic; 4] =
    [&an1057::ANALYTIC, &an1058::ANALYTIC, &an1059::ANALYTIC, &an1060::ANALYTIC];

impl std::fmt::Debug for Analytic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Analytic").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Analytic {
    /// The analytic of this id.
    pub(crate) fn named(id: &str) -> Option<&'static Analytic> {
        ANALYTICS.iter().copied().find(|analytic| analytic.id == id)
    }

    /// The analytic that judges Windows' logs.
    pub(crate) fn windows() -> &'static Analytic {
        &an1057::ANALYTIC
    }

    /// The analytic that judges multicast DNS, whatever log tells of it.
    pub(crate) fn macos() -> &'static Analytic {
        &an1059::ANALYTIC
    }

    /// The analytic that judges what pods do, whatever log tells of it.
    pub(crate) fn containers() -> &'static Analytic {
        &an1060::ANALYTIC
    }

    /// The analytic that judges what this log source says.
    pub(crate) fn of(log_source: LogSource) -> &'static Analytic {
        match log_source {
            LogSource::SysmonProcess
            | LogSource::SysmonNetwork
            | LogSource::SysmonExit
            | LogSource::SysmonDns
            | LogSource::SecurityProcess
            | LogSource::SecurityExit
            | LogSource::SecurityConnection
            | LogSource::SecurityDrop
            | LogSource::PowerShellScript
            | LogSource::PowerShellCommand
            | LogSource::DefenderProcess
            | LogSource::DefenderNetwork
            | LogSource::OcsfWindowsProcess
            | LogSource::OcsfWindowsNetwork => &an1057::ANALYTIC,
            LogSource::SysmonLinuxProcess
            | LogSource::SysmonLinuxNetwork
            | LogSource::SysmonLinuxExit
            | LogSource::AuditExec
            | LogSource::AuditConnect
            | LogSource::AuditExit
            | LogSource::OsqueryProcess
            | LogSource::OsquerySocket
            | LogSource::Packets
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
            | LogSource::OcsfLinuxProcess
            | LogSource::OcsfLinuxNetwork
            | LogSource::OcsfFlow
            | LogSource::OcsfDns
            | LogSource::DnsPackets
            | LogSource::DiscoveryPackets => &an1058::ANALYTIC,
            LogSource::UnifiedLog
            | LogSource::MacSystemLog
            | LogSource::EsProcess
            | LogSource::EsExit
            | LogSource::SantaProcess
            | LogSource::SantaExit
            | LogSource::OsqueryMacProcess
            | LogSource::OsqueryMacExit
            | LogSource::OsqueryMacSocket
            | LogSource::MulticastDns => &an1059::ANALYTIC,
            LogSource::TetragonProcess
            | LogSource::TetragonExit
            | LogSource::TetragonConnect
            | LogSource::TraceeProcess
            | LogSource::TraceeExit
            | LogSource::TraceeConnect
            | LogSource::FalcoProcess
            | LogSource::FalcoConnect
            | LogSource::Hubble
            | LogSource::Kubernetes
            | LogSource::ContainerRuntime
            | LogSource::AwsVpcFlow
            | LogSource::AzureFlow
            | LogSource::AzureConnection
            | LogSource::GcpFlow => &an1060::ANALYTIC,
        }
    }
}

/// An analytic in an image: its id.
pub(crate) mod by_id {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::Analytic;

    pub fn serialize<S: Serializer>(of: &&'static Analytic, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(of.id)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<&'static Analytic, D::Error> {
        let id = String::deserialize(from)?;
        Analytic::named(&id).ok_or_else(|| de::Error::custom("an analytic that is not known"))
    }
}
