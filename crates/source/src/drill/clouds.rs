//! A drill as flow logs of clouds: AWS, Google Cloud, Azure.

use std::fmt::Write;

use serde_json::json;

use super::{Drill, NAME, lines, target};

/// AWS' VPC flow log, version 2 with its heading: what a security group rejects at the target, and
/// what it lets through unanswered.
pub(super) fn aws(drill: &Drill) -> Vec<u8> {
    let mut text = String::from(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes \
         start end action log-status\n",
    );
    for row in aws_rows(drill) {
        let _ = writeln!(text, "{row}");
    }
    text.into_bytes()
}

/// The same rows as CloudWatch has them.
pub(super) fn aws_json(drill: &Drill) -> Vec<u8> {
    lines(
        aws_rows(drill)
            .map(|row| json!({ "logStreamName": "eni-0000000lapwingdrill-all", "message": row })),
    )
}

fn aws_rows(drill: &Drill) -> impl Iterator<Item = String> {
    let origin = drill.origin;
    drill.probes().map(move |probe| {
        let start = probe.time.0.div_euclid(1_000_000_000);
        format!(
            "2 123456789012 eni-0000000lapwingdrill {origin} {} {} {} 6 1 44 {start} {} {} OK",
            target(),
            probe.source_port,
            probe.port,
            start + 1,
            if probe.refused { "REJECT" } else { "ACCEPT" },
        )
    })
}

/// Google Cloud's VPC flow log, of which each row stands for thirty packets.
pub(super) fn gcp(drill: &Drill) -> Vec<u8> {
    lines(drill.probes().map(|probe| {
        let time = probe.time.to_string();
        json!({
            "jsonPayload": {
                "connection": {
                    "src_ip": drill.origin.to_string(), "src_port": probe.source_port,
                    "dest_ip": target().to_string(), "dest_port": probe.port, "protocol": 6,
                },
                "packets_sent": "30", "bytes_sent": "1200", "reporter": "SRC",
                "start_time": time, "end_time": time, "src_instance": { "vm_name": NAME },
            },
            "logName": format!("projects/{NAME}/logs/compute.googleapis.com%2Fvpc_flows"),
            "timestamp": time,
        })
    }))
}

/// Azure's flow log of a virtual network, version 4: flows that were denied, and some that began.
pub(super) fn azure(drill: &Drill) -> Vec<u8> {
    let tuples: Vec<String> = drill
        .probes()
        .map(|probe| {
            format!(
                "{},{},{},{},{},6,O,{},NX,0,0,0,0",
                probe.time.0 / 1_000_000,
                drill.origin,
                target(),
                probe.source_port,
                probe.port,
                if probe.refused { "D" } else { "B" },
            )
        })
        .collect();
    lines([json!({ "records": [{
        "time": drill.at.to_string(), "category": "FlowLogFlowEvent", "flowLogVersion": 4,
        "operationName": "FlowLogFlowEvent", "macAddress": "024C57000001",
        "flowRecords": { "flows": [{ "aclID": NAME, "flowGroups": [
            { "rule": NAME, "flowTuples": tuples },
        ]}]},
    }]})])
}
