//! One event in every spelling, and what is wrong with spellings.

#![allow(clippy::unwrap_used)] // tests

use crate::{Decoded, SNIFF_BYTES, Sniffed, sniff};

fn decode(text: &str) -> (Vec<String>, Vec<(&'static str, u64)>) {
    let head = &text.as_bytes()[..text.len().min(SNIFF_BYTES)];
    let format = match sniff(head) {
        Sniffed::Format(format) => format,
        other => unreachable!("sniffed as {other:?}: {text}"),
    };
    let mut decoder = (format.decoder)();
    let mut out = Decoded::default();
    let done = decoder.decode(text.as_bytes(), &mut out);
    decoder.finish(&text.as_bytes()[done..], &mut out);
    let without_offset = |event: String| {
        let words = event.split(' ').filter(|word| !word.starts_with("offset="));
        words.collect::<Vec<_>>().join(" ")
    };
    let events = out.events.iter().map(|event| without_offset(event.to_string())).collect();
    (events, out.diagnostics().map(|said| (said.key, said.count)).collect())
}

const XML: &str = r#"<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System><Provider Name="Microsoft-Windows-Sysmon"/><EventID>3</EventID><TimeCreated SystemTime="2026-03-02T09:14:08.9981230Z"/><Computer>WS12.corp.example</Computer></System><EventData><Data Name="UtcTime">2026-03-02 09:14:07.551</Data><Data Name="ProcessGuid">{6F1D3C20-5A0E-67C4-9A02-000000001200}</Data><Data Name="ProcessId">5512</Data><Data Name="Image">C:\Users\bo\a &amp; b.exe</Data><Data Name="User">CORP\bo</Data><Data Name="Protocol">tcp</Data><Data Name="Initiated">true</Data><Data Name="SourceIp">10.1.4.12</Data><Data Name="SourcePort">50211</Data><Data Name="DestinationIp">10.1.4.77</Data><Data Name="DestinationPort">445</Data></EventData></Event>"#;

const EXPECTED: &str = "2026-03-02T09:14:07.551Z sysmon-3 network tcp 10.1.4.12|50211 -> \
    10.1.4.77|445 unknown by=tcp-connect device=\"WS12.corp.example\" pid=5512 \
    guid=\"6f1d3c20-5a0e-67c4-9a02-000000001200\" path=\"C:\\\\Users\\\\bo\\\\a & b.exe\" \
    user=\"CORP\\\\bo\"";

const DATA: &str = r#""UtcTime":"2026-03-02 09:14:07.551","ProcessGuid":"6f1d3c20-5a0e-67c4-9a02-000000001200","ProcessId":5512,"Image":"C:\\Users\\bo\\a & b.exe","User":"CORP\\bo","Protocol":"tcp","Initiated":true,"SourceIp":"10.1.4.12","SourcePort":"50211","DestinationIp":"10.1.4.77","DestinationPort":445"#;

#[test]
fn one_event_is_the_same_in_every_spelling() {
    let splunk = XML.replace('"', "'");
    let syslog = format!("Mar  2 09:14:08 ws12 collector: {XML}\n");
    let file = format!("<?xml version=\"1.0\"?>\n<Events>\n{XML}\n</Events>\n");
    let cdata = XML.replace("a &amp; b.exe", "<![CDATA[a & b.exe]]>");
    let system = r#""EventID":3,"Computer":"WS12.corp.example""#;
    let provider = r#"{"Name":"Microsoft-Windows-Sysmon"}"#;
    let dump = format!(
        r##"{{"Event":{{"System":{{"Provider":{{"#attributes":{provider}}},{system}}},"EventData":{{{DATA}}}}}}}"##
    );
    let separate = format!(
        r#"{{"Event":{{"System":{{"Provider_attributes":{provider},{system}}},"EventData":{{{DATA}}}}}}}"#
    );
    let listed: Vec<String> = DATA
        .split(",\"")
        .map(|pair| {
            let (name, value) = pair.trim_start_matches('"').split_once("\":").unwrap();
            format!(r##"{{"@Name":"{name}","#text":{value}}}"##)
        })
        .collect();
    let list = format!(
        r#"{{"Event":{{"System":{{"Provider":{{"@Name":"Microsoft-Windows-Sysmon"}},{system}}},"EventData":{{"Data":[{}]}}}}}}"#,
        listed.join(",")
    );
    let beat = format!(
        r#"{{"@timestamp":"2026-03-02T09:14:08Z","winlog":{{"provider_name":"Microsoft-Windows-Sysmon","event_id":3,"computer_name":"WS12.corp.example","event_data":{{{DATA}}}}}}}"#
    );
    let old_beat = format!(
        r#"{{"source_name":"Microsoft-Windows-Sysmon","event_id":3,"computer_name":"WS12.corp.example","event_data":{{{DATA}}}}}"#
    );
    let flat = format!(
        r#"{{"EventID":3,"Channel":"Microsoft-Windows-Sysmon/Operational","Hostname":"WS12.corp.example",{DATA}}}"#
    );
    let pairs: Vec<(&str, String)> = DATA
        .split(",\"")
        .map(|pair| {
            let (name, value) = pair.trim_start_matches('"').split_once("\":").unwrap();
            (name, value.trim_matches('"').replace(r"\\", r"\"))
        })
        .collect();
    let header = "LogName=Microsoft-Windows-Sysmon/Operational\nEventCode=3\nUser=NOT_TRANSLATED\n\
        ComputerName=WS12.corp.example\nSourceName=Microsoft-Windows-Sysmon";
    let labelled: String =
        pairs.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let block = format!(
        "03/02/2026 11:14:08.998 AM\n{header}\nMessage=Network connection detected:\r\n{labelled}"
    );
    let quoted: String =
        pairs.iter().map(|(name, value)| format!(", {name}=\"{value}\"")).collect();
    let line = format!(
        "03/02/2026 11:14:08 +0200, LogName=\"Microsoft-Windows-Sysmon/Operational\", EventCode=3, \
         ComputerName=WS12.corp.example{quoted}"
    );
    let raw = serde_json::json!({"preview": false, "result": {"_raw": block, "host": "ws12"}});
    let raw = raw.to_string();
    for text in [
        XML, &splunk, &syslog, &file, &cdata, &dump, &separate, &list, &beat, &old_beat, &flat,
        &block, &line, &raw,
    ] {
        let (events, notes) = decode(text);
        assert_eq!(events, [EXPECTED], "{text}");
        assert_eq!(notes, [], "{text}");
    }
}

#[test]
fn an_event_that_was_cut_off_costs_itself_alone() {
    let cut = &XML[..XML.len() / 2];
    let (events, notes) = decode(&format!("{XML}\n{cut}\n{XML}\n{cut}"));
    assert_eq!(events.len(), 2);
    assert_eq!(notes, [("input ends inside an event", 1), ("event cut off", 1)]);
    let broken = XML.replace("</System>", "</Sistem>");
    let (events, notes) = decode(&format!("{XML}{broken}{XML}"));
    assert_eq!(events.len(), 2);
    assert_eq!(notes, [("event is no XML", 1)]);
}

#[test]
fn up_17_a_row_whose_fields_moved_is_counted_and_not_believed() {
    let moved = XML.replace("<Data Name=\"Protocol\">tcp</Data>", "").replace(
        "<Data Name=\"Initiated\">true</Data>",
        "<Data Name=\"Protocol\">true</Data><Data Name=\"Initiated\">10.1.4.12</Data>",
    );
    let (events, notes) = decode(&moved);
    assert_eq!(events, Vec::<String>::new());
    assert_eq!(notes, [("fields do not fit their names", 1)]);
}

#[test]
fn an_object_of_another_kind_is_refused_with_its_keys() {
    let flat = format!(
        r#"{{"EventID":3,"Channel":"Microsoft-Windows-Sysmon/Operational","Hostname":"W",{DATA}}}"#
    );
    let (events, notes) = decode(&format!("{flat}\n{{\"a\":1,\"b\":2}}\n{flat}\n"));
    assert_eq!(events.len(), 2);
    assert_eq!(notes, [("JSON dialect not known", 1)]);
}

#[test]
fn times_of_no_zone_are_said() {
    let text = r#"{"EventID":4689,"Channel":"Security","Hostname":"W","EventTime":"2026-03-02 09:14:07","ProcessId":"0x10"}"#;
    let (events, notes) = decode(text);
    assert!(events[0].starts_with("2026-03-02T09:14:07Z security-4689"), "{events:?}");
    assert_eq!(notes, [("times without a zone, taken as UTC", 1)]);
}

/// What a block says after its message began belongs to it: a command line can hold anything.
#[test]
fn a_command_line_begins_no_event() {
    let block = |time: &str, command: &str| {
        format!(
            "{time}\nLogName=Security\nSourceName=Microsoft Windows security auditing.\n\
             EventCode=4688\nComputerName=W\nMessage=A new process has been created.\n\n\
             Process Information:\n\tNew Process ID:\t\t0x10\n\tProcess Command Line:\t{command}\n"
        )
    };
    let first = block("03/02/2026 09:14:07 AM", "x EventCode=5156 LogName=Security a=b");
    let second = block("03/02/2026 09:14:08 AM", "y");
    let (events, notes) = decode(&format!("{first}{second}"));
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[0].contains("command=\"x EventCode=5156 LogName=Security a=b\""), "{events:?}");
    assert_eq!(notes, [("times without a zone, taken as UTC", 2)]);
}

/// Blocks from the middle of an export: what belongs to no event is said.
#[test]
fn lines_outside_of_an_event_are_counted() {
    let text = "Source Port:\t1\nLogName=Security\nEventCode=4624\nSourceName=x\nMessage=a\nb\n\
        LogName=Security\nEventCode=4625\nMessage=c\n";
    let (events, notes) = decode(text);
    assert_eq!(events, Vec::<String>::new());
    assert_eq!(notes, [("line outside of an event", 1), ("events not used", 2)]);
}

/// A forwarded event is its computer's, not the collector's that shipped it.
#[test]
fn a_forwarded_event_is_the_computers_that_wrote_it() {
    let beat = format!(
        r#"{{"host":{{"name":"wec01.corp.example"}},"agent":{{"hostname":"wec01"}},"winlog":{{"provider_name":"Microsoft-Windows-Sysmon","event_id":"3","channel":"ForwardedEvents","computer_name":"WS12.corp.example","event_data":{{{DATA}}}}}}}"#
    );
    let flat = format!(
        r#"{{"host":"wec01.corp.example","EventID":"3","SourceName":"Microsoft-Windows-Sysmon","Channel":"ForwardedEvents","Hostname":"WS12.corp.example",{DATA}}}"#
    );
    let numbered = format!(
        r##"{{"Event":{{"System":{{"Provider":{{"#attributes":{{"Name":"Microsoft-Windows-Sysmon"}}}},"EventID":{{"#attributes":{{"Qualifiers":""}},"#text":3}},"Channel":"ForwardedEvents","Computer":"WS12.corp.example"}},"EventData":{{{DATA}}}}}}}"##
    );
    let xml = XML.replace("<Computer>", "<Channel>ForwardedEvents</Channel><Computer>");
    for text in [&beat, &flat, &numbered, &xml] {
        assert_eq!(decode(text).0, [EXPECTED], "{text}");
    }
}

/// What a script says is no event, whatever it looks like.
#[test]
fn a_script_that_holds_an_event_is_a_script() {
    let flat = serde_json::json!({
        "EventID": 4104,
        "SourceName": "Microsoft-Windows-PowerShell",
        "Hostname": "W",
        "EventTime": "2026-03-02 09:14:07",
        "MessageNumber": "1",
        "MessageTotal": "1",
        "ScriptBlockId": "a",
        "Message": format!("Creating Scriptblock text (1 of 1):\n{XML}"),
        "ScriptBlockText": XML,
    });
    let flat = flat.to_string();
    let (events, _) = decode(&flat);
    assert_eq!(events.len(), 1);
    assert!(events[0].contains(" powershell-4104 script bytes="), "{events:?}");
}

/// NXLog's header has a process id of its own, which is not the event's.
#[test]
fn nxlogs_own_process_id_is_not_the_events() {
    let nxlog = |header: &str, message: &str| {
        let mut event = serde_json::json!({
            "EventTime": "2026-03-02 09:14:07",
            "Hostname": "W",
            "SeverityValue": 2,
            "EventID": 5156,
            "SourceName": "Microsoft-Windows-Security-Auditing",
            "ThreadID": 12,
            "Channel": "Security",
            "Application": r"\device\harddiskvolume2\a.exe",
            "Direction": "%%14593",
            "SourceAddress": "10.0.0.1",
            "SourcePort": "50000",
            "DestAddress": "10.0.0.2",
            "DestPort": "445",
            "Protocol": "6",
            "Message": message,
        });
        event[header] = 4.into();
        event
    };
    let message = "The Windows Filtering Platform has permitted a connection.\r\n\r\n\
        Application Information:\r\n\tProcess ID:\t\t3596\r\n";
    let (events, _) = decode(&nxlog("ProcessID", message).to_string());
    assert!(events[0].contains(" pid=3596 "), "{events:?}");
    // Nothing tells whose connection it was.
    let (events, notes) = decode(&nxlog("ProcessID", "").to_string());
    assert_eq!(events, Vec::<String>::new());
    assert!(notes.contains(&("fields do not fit their names", 1)), "{notes:?}");
    let mut later = nxlog("ExecutionProcessID", message);
    later["ProcessId"] = 3596.into();
    assert!(decode(&later.to_string()).0[0].contains(" pid=3596 "));
}
