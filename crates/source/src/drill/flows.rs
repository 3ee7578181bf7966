//! A drill as flows: Zeek, Suricata, IPFIX, goflow2, a firewall's log.

use std::fmt::Write;

use lapwing_event::Timestamp;
use serde_json::json;

use super::{Drill, NAME, TARGET, day_and_clock, decimal, lines, target};

/// Zeek's conn.log as JSON, with the log's name in it.
pub(super) fn zeek_json(drill: &Drill) -> Vec<u8> {
    lines(drill.probes().enumerate().map(|(at, probe)| {
        // Zeek's times are numbers; microseconds fit a double's 53 bits until 2255.
        let ts: f64 = decimal(probe.time, 6).parse().unwrap_or_default();
        json!({
            "_path": "conn", "ts": ts, "uid": uid(at),
            "id.orig_h": drill.origin.to_string(), "id.orig_p": probe.source_port,
            "id.resp_h": target().to_string(), "id.resp_p": probe.port, "proto": "tcp",
            "conn_state": state(probe.refused), "history": history(probe.refused),
            "missed_bytes": 0, "orig_pkts": 1, "orig_ip_bytes": 40,
            "resp_pkts": u8::from(probe.refused), "resp_ip_bytes": 40 * u8::from(probe.refused),
        })
    }))
}

/// The same with Zeek's own heading.
pub(super) fn zeek_tsv(drill: &Drill) -> Vec<u8> {
    let mut text = String::from(
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
         #fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\t\
         orig_bytes\tresp_bytes\tconn_state\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\t\
         resp_pkts\tresp_ip_bytes\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\t\
         interval\tcount\tcount\tstring\tcount\tstring\tcount\tcount\tcount\tcount\n",
    );
    for (at, probe) in drill.probes().enumerate() {
        let back = u8::from(probe.refused);
        let _ = writeln!(
            text,
            "{}\t{}\t{}\t{}\t{}\t{}\ttcp\t-\t-\t-\t-\t{}\t0\t{}\t1\t40\t{back}\t{}",
            decimal(probe.time, 6),
            uid(at),
            drill.origin,
            probe.source_port,
            target(),
            probe.port,
            state(probe.refused),
            history(probe.refused),
            40 * back
        );
    }
    text.into_bytes()
}

fn uid(at: usize) -> String {
    format!("CLapwingDrill{:02}", at + 1)
}

fn state(refused: bool) -> &'static str {
    if refused { "REJ" } else { "S0" }
}

fn history(refused: bool) -> &'static str {
    if refused { "Sr" } else { "S" }
}

/// Suricata's flow events.
pub(super) fn suricata(drill: &Drill) -> Vec<u8> {
    lines(drill.probes().enumerate().map(|(at, probe)| {
        let time = day_and_clock(probe.time, 6).replace(' ', "T") + "+0000";
        let back = u8::from(probe.refused);
        json!({
            "timestamp": time, "flow_id": 4_242_000_000_u64 + at as u64, "event_type": "flow",
            "host": NAME, "src_ip": drill.origin.to_string(), "src_port": probe.source_port,
            "dest_ip": target().to_string(), "dest_port": probe.port, "proto": "TCP",
            "flow": {
                "pkts_toserver": 1, "pkts_toclient": back, "bytes_toserver": 54,
                "bytes_toclient": 54 * u16::from(back), "start": time, "end": time, "age": 0,
                "state": if probe.refused { "closed" } else { "new" }, "reason": "timeout",
            },
            "tcp": {
                "tcp_flags": if probe.refused { "16" } else { "02" }, "tcp_flags_ts": "02",
                "tcp_flags_tc": if probe.refused { "14" } else { "00" }, "syn": true,
            },
        })
    }))
}

/// IPFIX's version, and its set of templates (RFC 7011 sections 3.1 and 3.3.2).
const IPFIX: u16 = 10;
const TEMPLATE_SET: u16 = 2;
const TEMPLATE: u16 = 256;

/// Information elements with their lengths (IANA's IPFIX registry): addresses, ports, protocol, flags,
/// packets, bytes, start and end in milliseconds.
const ELEMENTS: [(u16, u16); 10] =
    [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4), (1, 4), (152, 8), (153, 8)];

/// One IPFIX message: the template, and a flow for each direction that had a packet.
pub(super) fn ipfix(drill: &Drill) -> Vec<u8> {
    let mut template = Vec::new();
    template.extend(TEMPLATE.to_be_bytes());
    template.extend((ELEMENTS.len() as u16).to_be_bytes());
    for (element, length) in ELEMENTS {
        template.extend(element.to_be_bytes());
        template.extend(length.to_be_bytes());
    }
    let mut flows = Vec::new();
    for probe in drill.probes() {
        let millis = (probe.time.0 / 1_000_000) as u64;
        let there = (drill.octets(), TARGET, probe.source_port, probe.port, 0x02_u8);
        let back = (TARGET, drill.octets(), probe.port, probe.source_port, 0x14_u8);
        let answer = probe.refused.then_some(back);
        for (late, (from, to, from_port, to_port, flags)) in
            [there].into_iter().chain(answer).enumerate()
        {
            flows.extend(from);
            flows.extend(to);
            flows.extend(from_port.to_be_bytes());
            flows.extend(to_port.to_be_bytes());
            flows.extend([6, flags]);
            flows.extend(1_u32.to_be_bytes());
            flows.extend(40_u32.to_be_bytes());
            let at = millis + late as u64;
            flows.extend(at.to_be_bytes());
            flows.extend(at.to_be_bytes());
        }
    }
    let mut sets = set(TEMPLATE_SET, &template);
    sets.extend(set(TEMPLATE, &flows));
    let mut message = Vec::new();
    message.extend(IPFIX.to_be_bytes());
    message.extend((16 + sets.len() as u16).to_be_bytes());
    message.extend((drill.at.0.div_euclid(1_000_000_000) as u32 + 1).to_be_bytes());
    message.extend([0; 8]);
    message.extend(sets);
    message
}

fn set(id: u16, body: &[u8]) -> Vec<u8> {
    let mut set = Vec::new();
    set.extend(id.to_be_bytes());
    set.extend((4 + body.len() as u16).to_be_bytes());
    set.extend(body);
    set
}

/// Flows as goflow2 writes them, one for each direction that had a packet.
pub(super) fn goflow(drill: &Drill) -> Vec<u8> {
    lines(drill.probes().flat_map(|probe| {
        let origin = drill.origin.to_string();
        let there = (origin.clone(), target().to_string(), probe.source_port, probe.port, 0x02_u8);
        let back = (target().to_string(), origin, probe.port, probe.source_port, 0x14_u8);
        let answer = probe.refused.then_some(back);
        [there].into_iter().chain(answer).enumerate().map(move |(late, flow)| {
            let (from, to, from_port, to_port, flags) = flow;
            let at = probe.time.0 + 1_000_000 * late as i64;
            json!({
                "type": "IPFIX", "time_received_ns": at, "sequence_num": 1, "sampling_rate": 0,
                "sampler_address": "192.0.2.1", "time_flow_start_ns": at, "time_flow_end_ns": at,
                "bytes": 40, "packets": 1, "src_addr": from, "dst_addr": to, "etype": "IPv4",
                "proto": "TCP", "src_port": from_port, "dst_port": to_port, "tcp_flags": flags,
            })
        })
    }))
}

/// What a Cisco ASA logs of the attempts that its rules deny: all of them.
pub(super) fn firewall(drill: &Drill) -> Vec<u8> {
    let mut text = String::new();
    for probe in drill.probes() {
        let _ = writeln!(
            text,
            "{}: %ASA-4-106023: Deny tcp src outside:{}/{} dst inside:{}/{} by access-group \
             \"{NAME}\" [0x0, 0x0]",
            syslog_time(probe.time),
            drill.origin,
            probe.source_port,
            target(),
            probe.port,
        );
    }
    text.into_bytes()
}

/// `Mar 02 2026 09:14:07`, in UTC.
fn syslog_time(time: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = day_and_clock(time, 0);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month = part(5..7).parse().unwrap_or(1_usize).clamp(1, 12);
    format!("{} {} {} {}", MONTHS[month - 1], part(8..10), part(0..4), part(11..19))
}
