//! A drill as what sensors tell of a pod: Tetragon, Tracee, Falco, Hubble.

use lapwing_event::Timestamp;
use serde_json::{Value, json};

use super::{Drill, NAME, PID, decimal, lines, target};

/// The container's id, 64 digits as containerd has them.
const CONTAINER: &str = "6c617077696e672d6472696c6c00000000000000000000000000000000000001";

/// Tetragon's export: the program's start, and a probe of tcp_connect for each attempt.
pub(super) fn tetragon(drill: &Drill) -> Vec<u8> {
    let process = json!({
        "exec_id": "bGFwd2luZy1kcmlsbDo0MjQy", "pid": PID, "uid": 0, "cwd": "/",
        "binary": format!("/usr/bin/{NAME}"), "arguments": target().to_string(), "flags": "execve",
        "start_time": drill.began().to_string(),
        "pod": {
            "namespace": NAME, "name": NAME,
            "container": {
                "id": format!("containerd://{CONTAINER}"), "name": NAME,
                "image": { "id": NAME, "name": format!("{NAME}:1") },
            },
        },
        "docker": &CONTAINER[..31],
    });
    let start = json!({
        "process_exec": { "process": process }, "node_name": NAME,
        "time": drill.began().to_string(),
    });
    let attempts = drill.probes().map(|probe| {
        json!({
            "process_kprobe": {
                "process": process, "function_name": "tcp_connect",
                "args": [{ "sock_arg": {
                    "family": "AF_INET", "type": "SOCK_STREAM", "protocol": "IPPROTO_TCP",
                    "saddr": drill.origin.to_string(), "daddr": target().to_string(),
                    "sport": probe.source_port, "dport": probe.port, "state": "TCP_SYN_SENT",
                }}],
                "action": "KPROBE_ACTION_POST", "policy_name": NAME,
            },
            "node_name": NAME, "time": probe.time.to_string(),
        })
    });
    lines(std::iter::once(start).chain(attempts))
}

/// Tracee's events: the program's start, and the hook of connect for each attempt.
pub(super) fn tracee(drill: &Drill) -> Vec<u8> {
    let event = |time: Timestamp, name: &str, args: Value| {
        json!({
            "timestamp": time.0, "threadStartTime": drill.began().0, "processId": PID,
            "hostProcessId": PID, "hostParentProcessId": PID - 1, "userId": 0, "processName": NAME,
            "executable": { "path": format!("/usr/bin/{NAME}") }, "hostName": NAME,
            "container": { "id": CONTAINER, "name": NAME, "image": format!("{NAME}:1") },
            "kubernetes": { "podName": NAME, "podNamespace": NAME }, "processEntityId": PID,
            "eventName": name, "args": args,
        })
    };
    let argv = [NAME.to_string(), target().to_string()];
    let start = event(
        drill.began(),
        "sched_process_exec",
        json!([
            { "name": "pathname", "type": "const char*", "value": format!("/usr/bin/{NAME}") },
            { "name": "argv", "type": "const char**", "value": argv },
        ]),
    );
    let attempts = drill.probes().map(|probe| {
        let address = json!({
            "sa_family": "AF_INET", "sin_addr": target().to_string(),
            "sin_port": probe.port.to_string(),
        });
        event(
            probe.time,
            "security_socket_connect",
            json!([
                { "name": "type", "type": "string", "value": "SOCK_STREAM" },
                { "name": "remote_addr", "type": "struct sockaddr*", "value": address },
            ]),
        )
    });
    lines(std::iter::once(start).chain(attempts))
}

/// Hubble's flows of a pod: a SYN for each attempt, most of them dropped by policy.
pub(super) fn hubble(drill: &Drill) -> Vec<u8> {
    lines(drill.probes().map(|probe| {
        let time = probe.time.to_string();
        json!({
            "flow": {
                "time": time, "verdict": if probe.refused { "DROPPED" } else { "FORWARDED" },
                "IP": {
                    "source": drill.origin.to_string(), "destination": target().to_string(),
                    "ipVersion": "IPv4",
                },
                "l4": { "TCP": {
                    "source_port": probe.source_port, "destination_port": probe.port,
                    "flags": { "SYN": true },
                }},
                "source": { "identity": 4242, "namespace": NAME, "pod_name": NAME },
                "destination": { "identity": 2, "labels": ["reserved:world"] },
                "Type": "L3_L4", "node_name": NAME, "traffic_direction": "EGRESS",
                "is_reply": false, "Summary": "TCP Flags: SYN",
            },
            "node_name": NAME, "time": time,
        })
    }))
}

/// Falco's alerts of rules that tell of every execve and connect.
pub(super) fn falco(drill: &Drill) -> Vec<u8> {
    let start = alert("Process spawned in container", drill.began(), "execve", []);
    let attempts = drill.probes().map(|probe| {
        let name = format!("{}:{}->{}:{}", drill.origin, probe.source_port, target(), probe.port);
        let result = if probe.refused { "ECONNREFUSED" } else { "ETIMEDOUT" };
        alert(
            "Outbound connection of container",
            probe.time,
            "connect",
            [("fd.name", name.as_str()), ("fd.l4proto", "tcp"), ("evt.res", result)],
        )
    });
    lines(std::iter::once(start).chain(attempts))
}

fn alert<const N: usize>(
    rule: &str,
    time: Timestamp,
    call: &str,
    more: [(&'static str, &str); N],
) -> Value {
    let mut fields = json!({
        "evt.time": time.0, "evt.type": call, "proc.pid": PID, "proc.ppid": PID - 1,
        "proc.name": NAME, "proc.exepath": format!("/usr/bin/{NAME}"),
        "proc.cmdline": format!("{NAME} {}", target()), "proc.pname": "sh", "user.name": "root",
        "container.id": &CONTAINER[..12], "container.image.repository": NAME,
        "container.image.tag": "1", "k8s.ns.name": NAME, "k8s.pod.name": NAME,
    });
    for (name, value) in more {
        fields[name] = value.into();
    }
    json!({
        "hostname": NAME, "priority": "Informational", "rule": rule, "source": "syscall",
        "output": format!("{} Informational {rule}", decimal(time, 9)), "output_fields": fields,
        "time": time.to_string(),
    })
}
