//! KQL for Microsoft Sentinel and Defender: the device tables, ASIM's network sessions, and Azure's flow
//! logs.

use std::fmt::Write;

use lapwing_detect::Tunables;

use super::plan::{
    Axis, Count, Plan, head, not_filtered, plans, query_patterns, service_types, tool_patterns,
};

const MORE: [&str; 4] = [
    "windows tumble: a scan that lies across two of them counts in halves",
    "DeviceNetworkEvents is capped by its sensor for each device and day: absence proves nothing",
    "tool patterns are matched against the whole command line, so a quoted path with spaces hides the program",
    "NTANetAnalytics gathers flows over 10 or 60 minutes: its hour is the shortest window that holds",
];

/// The queries, each under a comment.
pub(super) fn write(tunables: &Tunables) -> String {
    let [windows, linux, macos, containers] = &plans(tunables);
    let mut text = head("//", "KQL (Microsoft Sentinel and Defender)", &MORE);
    for count in &windows.counts {
        text += &device(windows, *count);
    }
    for count in &linux.counts {
        text += &sessions(linux, *count);
    }
    text += &tools(linux, tunables);
    text += &asked(macos, tunables);
    for count in containers.counts.iter().filter(|count| count.pace == "slow") {
        text += &flow_logs(containers, *count);
    }
    text
}

fn titled(plan: &Plan, words: &str, left_out: &[String]) -> String {
    format!("\n// {}: {words}\n{}", plan.id, not_filtered("//", plan, left_out))
}

fn axes(count: Count, host: &'static str, port: &'static str) -> (&'static str, &'static str) {
    match count.axis {
        Axis::Ports => (port, host),
        Axis::Hosts => (host, port),
    }
}

fn device(plan: &Plan, count: Count) -> String {
    let (counted, held) = axes(count, "RemoteIP", "RemotePort");
    let mut text =
        titled(plan, &format!("{}, Defender for Endpoint on any system", count.words()), &[]);
    text += "DeviceNetworkEvents\n\
             | where ActionType in (\"ConnectionSuccess\", \"ConnectionFailed\", \"ConnectionAttempt\", \
             \"ConnectionRequest\")\n";
    text += &programs(plan, "InitiatingProcessFolderPath");
    text += &sources(plan, "LocalIP", Some("DeviceName"));
    let _ = writeln!(
        text,
        "| summarize Targets = dcount({counted}), Seen = make_set({counted}, 64), FirstSeen = min(Timestamp), LastSeen = \
         max(Timestamp), CommandLine = take_any(InitiatingProcessCommandLine), Account = take_any(InitiatingProcessAccountName)\n    \
         by DeviceId, DeviceName, InitiatingProcessFileName, InitiatingProcessId, InitiatingProcessCreationTime, {held}, \
         bin(Timestamp, {}s)\n\
         | where Targets >= {}",
        count.seconds, count.least
    );
    text
}

fn sessions(plan: &Plan, count: Count) -> String {
    let (counted, held) = axes(count, "DstIpAddr", "DstPortNumber");
    let mut text = titled(plan, &format!("{}, network sessions of ASIM", count.words()), &[]);
    text += "_Im_NetworkSession(starttime=ago(1d), endtime=now())\n\
             | where NetworkDirection != \"Inbound\"\n";
    text += &sources(plan, "SrcIpAddr", Some("SrcHostname"));
    let _ = writeln!(
        text,
        "| summarize Targets = dcount({counted}), Seen = make_set({counted}, 64), Failed = countif(EventResult == \
         \"Failure\"), FirstSeen = min(TimeGenerated), LastSeen = max(TimeGenerated)\n    by SrcIpAddr, {held}, \
         bin(TimeGenerated, {}s)\n\
         | where Targets >= {}",
        count.seconds, count.least
    );
    text
}

fn tools(plan: &Plan, tunables: &Tunables) -> String {
    let patterns = tool_patterns(tunables);
    if patterns.is_empty() {
        return String::new();
    }
    let matched: Vec<String> = patterns
        .iter()
        .map(|pattern| format!("ProcessCommandLine matches regex {}", verbatim(pattern)))
        .collect();
    let mut text =
        titled(plan, "a scanner by its command line, on any system", &plan.allowed.networks);
    text += "DeviceProcessEvents\n| where ActionType == \"ProcessCreated\"\n";
    text += &devices(plan, "DeviceName");
    let _ = writeln!(
        text,
        "| where {}\n\
         | project Timestamp, DeviceName, AccountName, FileName, ProcessCommandLine, InitiatingProcessCommandLine",
        matched.join("\n    or ")
    );
    text
}

fn asked(plan: &Plan, tunables: &Tunables) -> String {
    let (least, seconds) = service_types(tunables);
    let types: Vec<String> = query_patterns(tunables)
        .iter()
        .map(|pattern| format!("ProcessCommandLine matches regex {}", verbatim(&regex(pattern))))
        .collect();
    let mut text =
        titled(plan, &format!("{least} service types asked for with dns-sd in {seconds} s"), &[]);
    text += "DeviceProcessEvents\n| where FileName == \"dns-sd\"\n";
    if !types.is_empty() {
        let _ = writeln!(text, "| where {}", types.join("\n    or "));
    }
    text += &programs(plan, "InitiatingProcessFolderPath");
    let _ = writeln!(
        text,
        "| summarize Types = dcount(ProcessCommandLine), Asked = make_set(ProcessCommandLine, 64), FirstSeen = \
         min(Timestamp)\n    by DeviceId, DeviceName, AccountName, bin(Timestamp, {seconds}s)\n\
         | where Types >= {least}"
    );
    text
}

fn flow_logs(plan: &Plan, count: Count) -> String {
    let (counted, held) = axes(count, "DestIp", "DestPort");
    let mut text = titled(
        plan,
        &format!("{}, denied flows of Azure's virtual networks", count.words()),
        &plan.allowed.programs,
    );
    text += "NTANetAnalytics\n| where SubType == \"FlowLog\" and DeniedOutFlows > 0\n";
    text += &sources(plan, "SrcIp", None);
    let _ = writeln!(
        text,
        "| summarize Targets = dcount({counted}), Seen = make_set({counted}, 64), FirstSeen = min(FlowStartTime), LastSeen \
         = max(FlowEndTime)\n    by SrcIp, SrcVm, {held}, bin(FlowStartTime, {}s)\n\
         | where Targets >= {}",
        count.seconds, count.least
    );
    text
}

/// Programs that are allowed: a path with its wildcards, or a short name at a path's end.
fn programs(plan: &Plan, field: &str) -> String {
    let each = plan.allowed.programs.iter().map(|program| {
        let begins = if program.contains(['/', '\\']) { "^" } else { r"(^|[/\\])" };
        let pattern = format!("(?i){begins}{}$", regex(program));
        format!("| where not({field} matches regex {})\n", verbatim(&pattern))
    });
    each.collect()
}

/// Sources that are allowed. What is no address of the family is null, which `not` would keep null and
/// `where` drop.
fn sources(plan: &Plan, address: &str, device: Option<&str>) -> String {
    let mut text = String::new();
    let (v6, v4): (Vec<&String>, Vec<&String>) =
        plan.allowed.networks.iter().partition(|network| network.contains(':'));
    let listed = |values: &[&String]| {
        values.iter().map(|value| verbatim(value)).collect::<Vec<_>>().join(", ")
    };
    for (function, networks) in [("ipv4_is_in_any_range", v4), ("ipv6_is_in_any_range", v6)] {
        if !networks.is_empty() {
            let ranges = listed(&networks);
            let within = format!("{function}({address}, {ranges})");
            let _ = writeln!(text, "| where not(coalesce({within}, false))");
        }
    }
    text + &device.map_or_else(String::new, |device| devices(plan, device))
}

/// Computers that are allowed.
fn devices(plan: &Plan, field: &str) -> String {
    let names: Vec<String> = plan.allowed.names.iter().map(|name| verbatim(name)).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("| where {field} !in~ ({})\n", names.join(", "))
}

/// A pattern with `*` and `?` as a regular expression; every other sign stands for itself.
fn regex(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len() * 2);
    for c in pattern.chars() {
        match c {
            '*' => text += ".*",
            '?' => text.push('.'),
            c if c.is_ascii_punctuation() && !matches!(c, '_' | '/' | '-' | '"' | '\'') => {
                text.push('\\');
                text.push(c);
            }
            c => text.push(c),
        }
    }
    text
}

/// A verbatim string, in which a backslash is itself and a quotation mark is doubled.
fn verbatim(text: &str) -> String {
    format!("@\"{}\"", crate::escaped(text).replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_in_its_string() {
        assert_eq!(verbatim("a\"b\\c\nd"), "@\"a\"\"b\\c\\nd\"");
        assert_eq!(regex("C:\\a b\\*.e?e"), "C\\:\\\\a b\\\\.*\\.e.e");
    }
}
