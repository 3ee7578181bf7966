//! SPL for Splunk: Sysmon with sliding windows, the CIM's Network_Traffic and Endpoint data models,
//! Zeek and the clouds' flow logs.

use std::fmt::Write;

use lapwing_detect::Tunables;

use super::plan::{
    Axis, Count, Plan, head, not_filtered, plans, query_patterns, service_types, tool_patterns,
};

const MORE: [&str; 3] = [
    "single targets in the data model's searches by tstats: its windows tumble, so a scan that lies across two of \
     them counts in halves; streamstats slides, and keeps 10,000 events at most (limits.conf)",
    "tool patterns are matched against the whole command line, so a quoted path with spaces hides the program",
    "CIM's data models show what their add-ons map: action=blocked only where a firewall says so",
];

/// The searches, each under a comment.
pub(super) fn write(tunables: &Tunables) -> String {
    let [windows, linux, macos, containers] = &plans(tunables);
    // SPL has comments between three backticks alone: each line is one.
    let head = head("", "SPL (Splunk)", &MORE);
    let mut text: String = head.lines().map(|line| comment(line.trim())).collect();
    for count in &windows.counts {
        text += &sysmon(windows, *count);
    }
    for count in &linux.counts {
        text += &data_model(linux, *count);
        text += &zeek(linux, *count);
    }
    text += &tools(linux, tunables);
    text += &asked(macos, tunables);
    for count in &containers.counts {
        text += &flow_logs(containers, *count);
    }
    text
}

fn comment(words: &str) -> String {
    if words.is_empty() {
        return "\n".to_string();
    }
    format!("``` {} ```\n", words.replace('`', "'"))
}

fn titled(plan: &Plan, words: &str, left_out: &[String]) -> String {
    let left_out = not_filtered("", plan, left_out);
    let left_out: String = left_out.lines().map(|line| comment(line.trim())).collect();
    format!("\n{}{left_out}", comment(&format!("{}: {words}", plan.id)))
}

/// The field that is counted, and the one that is held.
fn axes(count: Count, host: &'static str, port: &'static str) -> (&'static str, &'static str) {
    match count.axis {
        Axis::Ports => (port, host),
        Axis::Hosts => (host, port),
    }
}

fn sysmon(plan: &Plan, count: Count) -> String {
    let (counted, held) = axes(count, "DestinationIp", "DestinationPort");
    let filters = programs(plan, "Image") + &computers(plan, "host");
    let outside = outside(plan, "SourceIp");
    let mut text = titled(plan, &format!("{}, Sysmon 3", count.words()), &[]);
    let _ = writeln!(
        text,
        "source=\"XmlWinEventLog:Microsoft-Windows-Sysmon/Operational\" EventCode=3 Initiated=true{filters}\n\
         {outside}| sort 0 _time\n\
         | streamstats time_window={}s dc({counted}) AS targets BY host ProcessGuid {held}\n\
         | where targets >= {}\n\
         | stats min(_time) AS first_seen max(_time) AS last_seen max(targets) AS targets values(Image) AS Image \
         values(User) AS User BY host ProcessGuid {held}",
        count.seconds, count.least
    );
    text
}

fn data_model(plan: &Plan, count: Count) -> String {
    let (counted, held) = axes(count, "All_Traffic.dest_ip", "All_Traffic.dest_port");
    let filters = computers(plan, "All_Traffic.src");
    let condition = if filters.is_empty() { String::new() } else { format!(" WHERE{filters}") };
    let outside = outside(plan, "'All_Traffic.src_ip'");
    let mut text = titled(plan, &format!("{}, Network_Traffic of the CIM", count.words()), &[]);
    let _ = writeln!(
        text,
        "| tstats summariesonly=false dc({counted}) AS targets values({counted}) AS seen min(_time) AS first_seen \
         max(_time) AS last_seen FROM datamodel=Network_Traffic.All_Traffic{condition} BY _time span={}s \
         All_Traffic.src_ip {held}\n\
         {outside}| where targets >= {}",
        count.seconds, count.least
    );
    text
}

fn zeek(plan: &Plan, count: Count) -> String {
    let (counted, held) = axes(count, "id.resp_h", "id.resp_p");
    let mut text = titled(
        plan,
        &format!("{}, failed connections in Zeek's conn.log", count.words()),
        &plan.allowed.names,
    );
    let _ = writeln!(
        text,
        "sourcetype IN (\"zeek:conn:json\", \"bro:conn:json\", \"zeek_conn\") conn_state IN (S0, REJ, RSTOS0, SH)\n\
         {}| sort 0 _time\n\
         | streamstats time_window={}s dc({counted}) AS targets BY id.orig_h {held}\n\
         | where targets >= {}\n\
         | stats min(_time) AS first_seen max(_time) AS last_seen max(targets) AS targets BY id.orig_h {held}",
        outside(plan, "'id.orig_h'"),
        count.seconds,
        count.least
    );
    text
}

fn tools(plan: &Plan, tunables: &Tunables) -> String {
    let patterns = tool_patterns(tunables);
    if patterns.is_empty() {
        return String::new();
    }
    let matched: Vec<String> =
        patterns.iter().map(|pattern| format!("match(process, {})", quoted(pattern))).collect();
    let mut text = titled(plan, "a scanner by its command line, Endpoint of the CIM", &[]);
    let _ = writeln!(
        text,
        "| tstats summariesonly=false count min(_time) AS first_seen FROM datamodel=Endpoint.Processes BY \
         Processes.dest Processes.user Processes.process_name Processes.process Processes.parent_process\n\
         | rename Processes.* AS *\n\
         | where {}",
        matched.join("\n    OR ")
    );
    text
}

fn asked(plan: &Plan, tunables: &Tunables) -> String {
    let (least, seconds) = service_types(tunables);
    let patterns = query_patterns(tunables);
    let types: Vec<String> =
        patterns.iter().map(|pattern| quoted(&format!("*{pattern}*"))).collect();
    let named = if types.is_empty() {
        String::new()
    } else {
        format!(" Processes.process IN ({})", types.join(", "))
    };
    let mut text =
        titled(plan, &format!("{least} service types asked for with dns-sd in {seconds} s"), &[]);
    let _ = writeln!(
        text,
        "| tstats summariesonly=false dc(Processes.process) AS types values(Processes.process) AS asked FROM \
         datamodel=Endpoint.Processes WHERE Processes.process_name=\"dns-sd\"{named}{} BY _time span={seconds}s \
         Processes.dest Processes.user\n\
         | where types >= {least}",
        programs(plan, "Processes.parent_process_path")
    );
    text += &titled(plan, &format!("{least} service types in {seconds} s, Zeek's dns.log"), &[]);
    let _ = writeln!(
        text,
        "sourcetype IN (\"zeek:dns:json\", \"bro:dns:json\", \"zeek_dns\") id.resp_p=5353 query IN (\"*._tcp.local\", \
         \"*._udp.local\")\n\
         | sort 0 _time\n\
         | streamstats time_window={seconds}s dc(query) AS types BY id.orig_h\n\
         | where types >= {least}\n\
         | stats min(_time) AS first_seen max(types) AS types BY id.orig_h"
    );
    text
}

fn flow_logs(plan: &Plan, count: Count) -> String {
    let (counted, held) = axes(count, "dest_ip", "dest_port");
    let mut text = titled(
        plan,
        &format!("{}, rejected flows of AWS VPC flow logs", count.words()),
        &plan.allowed.programs,
    );
    let _ = writeln!(
        text,
        "sourcetype=\"aws:cloudwatchlogs:vpcflow\" action IN (REJECT, blocked)\n\
         {}| sort 0 _time\n\
         | streamstats time_window={}s dc({counted}) AS targets BY src_ip {held}\n\
         | where targets >= {}\n\
         | stats min(_time) AS first_seen max(_time) AS last_seen max(targets) AS targets values(interface_id) AS \
         interface_id BY src_ip {held}",
        outside(plan, "src_ip"),
        count.seconds,
        count.least
    );
    text
}

/// Programs that are allowed, as search terms. `?` is no wildcard in SPL: one character more is let
/// through by `*`.
fn programs(plan: &Plan, field: &str) -> String {
    let values: Vec<String> = plan
        .allowed
        .programs
        .iter()
        .flat_map(|program| {
            let pattern = program.replace('?', "*");
            if program.contains(['/', '\\']) {
                vec![quoted(&pattern)]
            } else {
                vec![quoted(&format!("*\\{pattern}")), quoted(&format!("*/{pattern}"))]
            }
        })
        .collect();
    if values.is_empty() {
        String::new()
    } else {
        format!(" NOT {field} IN ({})", values.join(", "))
    }
}

/// Computers that are allowed, as search terms.
fn computers(plan: &Plan, field: &str) -> String {
    let values: Vec<String> = plan.allowed.names.iter().map(|name| quoted(name)).collect();
    if values.is_empty() {
        String::new()
    } else {
        format!(" NOT {field} IN ({})", values.join(", "))
    }
}

/// Networks that are allowed, as a step of its own: search terms compare text.
fn outside(plan: &Plan, field: &str) -> String {
    let networks = plan.allowed.networks.iter();
    let any: Vec<String> =
        networks.map(|network| format!("cidrmatch({}, {field})", quoted(network))).collect();
    if any.is_empty() { String::new() } else { format!("| where NOT ({})\n", any.join(" OR ")) }
}

/// A string of SPL. What would end a line is written as its code point, which matches nothing.
fn quoted(text: &str) -> String {
    let inert = crate::escaped(text);
    format!("\"{}\"", inert.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_in_its_string() {
        assert_eq!(quoted("a\"b\\c\nd"), "\"a\\\"b\\\\c\\\\nd\"");
        assert_eq!(comment("end ``` | delete"), "``` end ''' | delete ```\n");
    }
}
