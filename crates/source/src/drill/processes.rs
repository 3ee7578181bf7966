//! A drill as a computer's own log: Linux audit in its spellings, osquery, Sysmon, Defender, the
//! unified log.

use std::fmt::Write;

use lapwing_event::Timestamp;
use serde_json::{Map, Value, json};

use super::{Drill, NAME, PID, TARGET, day_and_clock, decimal, lines, target};

/// System calls of x86-64 (`asm/unistd_64.h`), and errors (`asm-generic/errno.h`).
const CONNECT: u8 = 42;
const EXECVE: u8 = 59;
const ECONNREFUSED: i32 = 111;
const ETIMEDOUT: i32 = 110;

/// The Linux audit log: the program's start, and a connect for each attempt.
pub(super) fn auditd(drill: &Drill) -> Vec<u8> {
    let mut text = String::new();
    let mut serial = 1_000;
    let mut event = |time: Timestamp, call: u8, exit: i32, more: &[String]| {
        serial += 1;
        let heading = |kind: &str| {
            format!("node={NAME} type={kind} msg=audit({}:{serial}):", decimal(time, 3))
        };
        let success = if exit < 0 { "no" } else { "yes" };
        let _ = writeln!(
            text,
            "{} arch=c000003e syscall={call} success={success} exit={exit} a0=3 a1=0 a2=10 a3=0 \
             items=0 ppid=4241 pid={PID} auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 \
             egid=1000 sgid=1000 fsgid=1000 tty=pts0 ses=42 comm=\"{NAME}\" exe=\"/usr/bin/{NAME}\" \
             key=\"{NAME}\"",
            heading("SYSCALL")
        );
        for record in more {
            let (kind, rest) = record.split_once(' ').unwrap_or((record, ""));
            let _ = writeln!(text, "{} {rest}", heading(kind));
        }
        let _ = writeln!(text, "{}", heading("EOE"));
    };
    let arguments = format!("EXECVE argc=2 a0=\"{NAME}\" a1=\"{}\"", target());
    event(drill.began(), EXECVE, 0, &[arguments]);
    for probe in drill.probes() {
        // A sockaddr_in: the family in the machine's order, port and address in the network's.
        let mut address = vec![2, 0];
        address.extend(probe.port.to_be_bytes());
        address.extend(TARGET);
        address.extend([0; 8]);
        let hex: String = address.iter().map(|byte| format!("{byte:02X}")).collect();
        let exit = if probe.refused { -ECONNREFUSED } else { -ETIMEDOUT };
        event(probe.time, CONNECT, exit, &[format!("SOCKADDR saddr={hex}")]);
    }
    text.into_bytes()
}

/// The same events as Laurel writes them.
pub(super) fn laurel(drill: &Drill) -> Vec<u8> {
    let line = |time: Timestamp, serial: usize, call: u8, exit: i32, more: Value| {
        let call = json!({
            "arch": "0xc000003e", "syscall": call, "success": if exit < 0 { "no" } else { "yes" },
            "exit": exit, "ppid": PID - 1, "pid": PID, "auid": 1000, "uid": 1000, "tty": "pts0",
            "ses": 42, "comm": NAME, "exe": format!("/usr/bin/{NAME}"), "key": NAME,
            "ARGV": ["0x3", "0x0", "0x10", "0x0"],
        });
        // The identifier comes first, by which it is told.
        format!(
            "{{\"ID\":\"{}:{serial}\",\"NODE\":\"{NAME}\",\"SYSCALL\":{call},{}\n",
            decimal(time, 3),
            more.to_string().trim_start_matches('{')
        )
    };
    let argv = json!({ "EXECVE": { "argc": 2, "ARGV": [NAME, target().to_string()] } });
    let mut text = line(drill.began(), 1_000, EXECVE, 0, argv);
    for (at, probe) in drill.probes().enumerate() {
        let exit = if probe.refused { -ECONNREFUSED } else { -ETIMEDOUT };
        let address = json!({ "SOCKADDR": [{ "SADDR": {
            "saddr_fam": "inet", "addr": target().to_string(), "port": probe.port,
        }}]});
        text += &line(probe.time, 1_001 + at, CONNECT, exit, address);
    }
    text.into_bytes()
}

/// The same as Auditbeat ships them.
pub(super) fn auditbeat(drill: &Drill) -> Vec<u8> {
    let event = |time: Timestamp, serial: usize, call: &str, exit: &str, more: Value| {
        json!({
            "@timestamp": time.to_string(), "host": { "name": NAME },
            "event": { "module": "auditd", "kind": "event" },
            "process": {
                "pid": PID, "parent": { "pid": PID - 1 }, "name": NAME,
                "executable": format!("/usr/bin/{NAME}"), "args": [NAME, target().to_string()],
            },
            "user": { "id": "1000", "name": NAME }, "destination": more,
            "auditd": {
                "message_type": "syscall", "sequence": serial, "session": "42",
                "result": if exit == "0" { "success" } else { "fail" },
                "data": { "arch": "x86_64", "syscall": call, "exit": exit, "tty": "pts0" },
            },
        })
    };
    let start = event(drill.began(), 1_000, "execve", "0", json!({}));
    let attempts = drill.probes().enumerate().map(|(at, probe)| {
        let exit = if probe.refused { "ECONNREFUSED" } else { "ETIMEDOUT" };
        let target = json!({ "ip": target().to_string(), "port": probe.port });
        event(probe.time, 1_001 + at, "connect", exit, target)
    });
    lines(std::iter::once(start).chain(attempts))
}

/// osquery's process_events and socket_events of Linux.
pub(super) fn osquery(drill: &Drill) -> Vec<u8> {
    let row = |time: Timestamp, table: &str, mut columns: Value| {
        let seconds = time.0.div_euclid(1_000_000_000);
        for (name, value) in [
            ("auid", "1000".to_string()),
            ("pid", PID.to_string()),
            ("path", format!("/usr/bin/{NAME}")),
            ("time", seconds.to_string()),
        ] {
            columns[name] = value.into();
        }
        json!({
            "name": format!("pack_{NAME}_{table}"), "hostIdentifier": NAME, "unixTime": seconds,
            "columns": columns, "action": "added",
        })
    };
    let start = row(
        drill.began(),
        "process_events",
        json!({
            "cmdline": format!("{NAME} {}", target()), "parent": (PID - 1).to_string(),
            "syscall": "execve", "uid": "1000",
        }),
    );
    let attempts = drill.probes().map(|probe| {
        row(
            probe.time,
            "socket_events",
            json!({
                "action": "connect", "family": "2", "protocol": "6", "status": "failed",
                "success": "0", "local_address": drill.origin.to_string(),
                "local_port": probe.source_port.to_string(),
                "remote_address": target().to_string(), "remote_port": probe.port.to_string(),
            }),
        )
    });
    lines(std::iter::once(start).chain(attempts))
}

/// Defender for Endpoint's rows of processes and connections.
pub(super) fn defender(drill: &Drill) -> Vec<u8> {
    let program = format!("{NAME}.exe");
    let folder = format!("C:\\Program Files\\Lapwing\\{program}");
    let command = format!("{program} {}", target());
    let start = json!({
        "Timestamp": drill.began().to_string(), "DeviceName": NAME, "ActionType": "ProcessCreated",
        "FileName": program, "FolderPath": folder, "ProcessId": PID, "ProcessCommandLine": command,
        "ProcessCreationTime": drill.began().to_string(), "AccountDomain": "drill",
        "AccountName": NAME, "InitiatingProcessId": PID - 1,
        "InitiatingProcessFileName": "cmd.exe",
        "InitiatingProcessFolderPath": "C:\\Windows\\System32\\cmd.exe",
    });
    let attempts = drill.probes().map(|probe| {
        json!({
            "Timestamp": probe.time.to_string(), "DeviceName": NAME,
            "ActionType": "ConnectionFailed", "Protocol": "Tcp",
            "LocalIP": drill.origin.to_string(), "LocalPort": probe.source_port,
            "RemoteIP": target().to_string(), "RemotePort": probe.port,
            "InitiatingProcessId": PID, "InitiatingProcessFileName": program,
            "InitiatingProcessFolderPath": folder, "InitiatingProcessCommandLine": command,
            "InitiatingProcessCreationTime": drill.began().to_string(),
            "InitiatingProcessAccountDomain": "drill", "InitiatingProcessAccountName": NAME,
        })
    });
    lines(std::iter::once(start).chain(attempts))
}

/// Sysmon's provider and channel.
const SYSMON: &str = "Microsoft-Windows-Sysmon";
const CHANNEL: &str = "Microsoft-Windows-Sysmon/Operational";

/// One Sysmon event: its number, time and fields.
type Sysmon = (u8, Timestamp, Vec<(&'static str, String)>);

/// The program's start, and a connection for each attempt: of a real scan Sysmon would show those
/// alone that were established.
fn sysmon(drill: &Drill) -> Vec<Sysmon> {
    let own = |time: Timestamp| {
        vec![
            ("RuleName", "-".to_string()),
            ("UtcTime", day_and_clock(time, 3)),
            ("ProcessGuid", "{6c617077-696e-6764-7269-6c6c00000001}".to_string()),
            ("ProcessId", PID.to_string()),
            ("Image", format!("C:\\Program Files\\Lapwing\\{NAME}.exe")),
            ("User", format!("DRILL\\{NAME}")),
        ]
    };
    let mut start = own(drill.began());
    start.extend([
        ("CommandLine", format!("{NAME}.exe {}", target())),
        ("ParentProcessId", "4241".to_string()),
        ("ParentImage", "C:\\Windows\\System32\\cmd.exe".to_string()),
        ("ParentCommandLine", "cmd.exe".to_string()),
    ]);
    let mut events: Vec<Sysmon> = vec![(1, drill.began(), start)];
    for probe in drill.probes() {
        let mut connection = own(probe.time);
        connection.extend([
            ("Protocol", "tcp".to_string()),
            ("Initiated", "true".to_string()),
            ("SourceIsIpv6", "false".to_string()),
            ("SourceIp", drill.origin.to_string()),
            ("SourcePort", probe.source_port.to_string()),
            ("DestinationIsIpv6", "false".to_string()),
            ("DestinationIp", target().to_string()),
            ("DestinationPort", probe.port.to_string()),
        ]);
        events.push((3, probe.time, connection));
    }
    events
}

/// Sysmon's events as Winlogbeat ships them.
pub(super) fn windows_json(drill: &Drill) -> Vec<u8> {
    let host = NAME.to_uppercase();
    lines(sysmon(drill).into_iter().enumerate().map(|(at, (id, time, fields))| {
        let data: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_string(), value.into())).collect();
        json!({
            "@timestamp": time.to_string(),
            "event": { "code": id.to_string(), "kind": "event", "provider": SYSMON },
            "host": { "name": host },
            "winlog": {
                "channel": CHANNEL, "computer_name": host, "event_id": id.to_string(),
                "provider_name": SYSMON, "record_id": 1_001 + at, "event_data": data,
            },
        })
    }))
}

/// The same as rendered XML.
pub(super) fn windows_xml(drill: &Drill) -> Vec<u8> {
    let host = NAME.to_uppercase();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Events>\n");
    for (at, (id, time, fields)) in sysmon(drill).into_iter().enumerate() {
        let data: String = fields
            .iter()
            .map(|(name, value)| format!("<Data Name=\"{name}\">{value}</Data>"))
            .collect();
        let _ = writeln!(
            text,
            "<Event xmlns=\"http://schemas.microsoft.com/win/2004/08/events/event\"><System>\
             <Provider Name=\"{SYSMON}\"/><EventID>{id}</EventID><TimeCreated SystemTime=\"{time}\"/>\
             <EventRecordID>{}</EventRecordID><Channel>{CHANNEL}</Channel><Computer>{host}</Computer>\
             </System><EventData>{data}</EventData></Event>",
            1_001 + at
        );
    }
    text += "</Events>\n";
    text.into_bytes()
}

/// mDNSResponder's lines of the unified log, its types in the clear: a browse for each.
pub(super) fn unified_log(drill: &Drill) -> Vec<u8> {
    lines(drill.questions().enumerate().flat_map(|(at, (time, kind))| {
        let request = at + 1;
        let client = format!("flags: 0x0, interface index: 0, client pid: {PID} ({NAME})");
        let start = format!(
            "[R{request}] DNSServiceBrowse START -- service type: {kind}, domain: local, {client}"
        );
        let stop = format!("[R{request}] DNSServiceBrowse STOP -- duration: 1s");
        [start, stop].map(|message| {
            json!({
                "eventMessage": message, "eventType": "logEvent", "messageType": "Default",
                "subsystem": "com.apple.mDNSResponder", "category": "Default",
                "processImagePath": "/usr/sbin/mDNSResponder", "processID": 218,
                "senderImagePath": "/usr/sbin/mDNSResponder",
                "timestamp": day_and_clock(time, 6) + "+0000", "machTimestamp": time.0,
            })
        })
    }))
}
