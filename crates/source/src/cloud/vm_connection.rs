//! Azure's VMConnection records (VM insights in Log Analytics): what each process of a virtual machine
//! connected to, or was connected to by, within a minute.
//!
//! One record tells of all connections of a process to one port of one host in that minute. Inbound
//! ones name the program that was asked, and not the one that asks.
//!
//! <https://learn.microsoft.com/azure/azure-monitor/reference/tables/vmconnection>

use std::sync::Arc;

use lapwing_event::{
    Activity, Actor, Address, Event, Initiator, LogSource, Network, Outcome, Process, Protocol,
    Record, Technique, Text, Timestamp,
};

use crate::Decoder;
use crate::json::{Flat, Objects, OneEvent};

/// Whether the input begins with such a record.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    matches!(crate::json::start(head).first(), Some(b'{' | b'['))
        && has(b"\"DestinationIp\"")
        && has(b"\"LinksEstablished\"")
}

/// A decoder of records.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Objects::new(OneEvent(event)))
}

fn event(flat: &Flat<'_>, offset: u64) -> Result<Option<Event>, String> {
    let direction = flat.get("Direction").ok_or("Direction is missing")?;
    let asks = match direction {
        "outbound" => true,
        "inbound" => false,
        // Connections within one machine.
        _ => return Ok(None),
    };
    let time = flat.get("TimeGenerated").and_then(Timestamp::parse_rfc3339);
    let address = |key: &str| flat.get(key).and_then(|text| text.parse::<Address>().ok());
    let misfit = |key: &str| format!("{key} is missing or holds something else");
    let protocol = match flat.get("Protocol") {
        Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        _ => return Err(misfit("Protocol")),
    };
    let network = Network {
        source: address("SourceIp").ok_or_else(|| misfit("SourceIp"))?,
        target: address("DestinationIp").ok_or_else(|| misfit("DestinationIp"))?,
        source_port: 0,
        target_port: flat.number("DestinationPort").ok_or_else(|| misfit("DestinationPort"))?,
        protocol,
        initiator: Initiator::Source,
        outcome: outcome(flat),
        technique: if protocol == Protocol::Udp { Technique::Udp } else { Technique::Connect },
    };
    let process = flat.get("ProcessName").filter(|_| asks).map(|name| Process {
        guid: flat.get("Process").map(Text::from),
        name: Some(name.into()),
        ..Process::default()
    });
    let actor = process.map(|process| {
        let device = flat.get("Computer").map(Arc::from);
        Arc::new(Actor { device, process: Some(process), container: None })
    });
    Ok(Some(Event {
        time: time.ok_or_else(|| misfit("TimeGenerated"))?,
        record: Record { offset, ..Record::default() },
        log_source: LogSource::AzureConnection,
        actor,
        activity: Activity::Network(network),
    }))
}

/// What came of the connections of one minute together.
fn outcome(flat: &Flat<'_>) -> Outcome {
    let count = |key: &str| flat.number::<u64>(key).unwrap_or_default();
    let answered = count("Responses") > 0 || count("BytesReceived") > 0;
    match (count("BytesSent") > 0 && answered, count("LinksEstablished"), count("LinksFailed")) {
        (true, ..) => Outcome::Served,
        // Those that live were established before.
        (false, 0, 0) if count("LinksLive") > 0 => Outcome::Open,
        // Whether it was refused or not answered is not told: the weaker of both.
        (false, 0, failed) if failed > 0 => Outcome::Unanswered,
        (false, 0, _) => Outcome::Unknown,
        (false, ..) => Outcome::Open,
    }
}
