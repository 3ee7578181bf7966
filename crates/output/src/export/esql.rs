//! ES|QL for Elasticsearch, over fields of the Elastic Common Schema.
//!
//! `event.category` holds lists, of which `==` makes null: the match operator takes any of their values.

use std::fmt::Write;

use lapwing_detect::Tunables;

use super::plan::{Axis, Count, Plan, head, not_filtered, plans, query_patterns, service_types};

const MORE: [&str; 4] = [
    "windows tumble: a scan that lies across two of them counts in halves",
    "a column that no index of a query's pattern maps makes it fail: leave it out of BY",
    "COUNT_DISTINCT is an estimate, exact to about 3,000",
    "ToolPatternRegex: RLIKE has Lucene's regular expressions, without \\b, \\S and \\d; the tools' names alone \
     would take every mention for a scan",
];

/// The queries, each under a comment.
pub(super) fn write(tunables: &Tunables) -> String {
    let [windows, linux, macos, containers] = &plans(tunables);
    let mut text = head("//", "ES|QL (Elasticsearch, ECS)", &MORE);
    for count in &windows.counts {
        let from =
            "logs-windows.sysmon_operational-*, winlogbeat-*, logs-endpoint.events.network-*";
        let by = "host.name, process.entity_id, process.executable, user.name";
        let only = "event.category:\"network\" AND host.os.type == \"windows\"";
        text += &counted(windows, *count, "Sysmon 3 and Elastic Defend", from, only, by, true);
    }
    for count in &linux.counts {
        let from = "logs-zeek.connection-*, logs-suricata.eve-*, logs-netflow.log-*, packetbeat-*, filebeat-*";
        let only = "event.category:\"network\" AND source.ip IS NOT NULL";
        text += &counted(linux, *count, "flows", from, only, "source.ip", false);
    }
    text += &asked(macos, tunables);
    for count in &containers.counts {
        let from = "logs-cloud_defend.*, auditbeat-*, logs-aws.vpcflow-*";
        let only = "event.category:\"network\" AND (container.id IS NOT NULL OR event.outcome == \"failure\")";
        let by = "orchestrator.namespace, orchestrator.resource.name, container.id, process.executable, source.ip";
        text += &counted(containers, *count, "containers and rejected flows", from, only, by, true);
    }
    text
}

fn titled(plan: &Plan, words: &str, left_out: &[String]) -> String {
    format!("\n// {}: {words}\n{}", plan.id, not_filtered("//", plan, left_out))
}

fn counted(
    plan: &Plan,
    count: Count,
    what: &str,
    from: &str,
    only: &str,
    by: &str,
    has_process: bool,
) -> String {
    let (counted, held) = match count.axis {
        Axis::Ports => ("destination.port", "destination.ip"),
        Axis::Hosts => ("destination.ip", "destination.port"),
    };
    let left_out: &[String] = if has_process { &[] } else { &plan.allowed.programs };
    let mut text = titled(plan, &format!("{}, {what}", count.words()), left_out);
    let _ = writeln!(text, "FROM {from}\n| WHERE {only} AND destination.port IS NOT NULL");
    if has_process {
        text += &programs(plan, "process.executable");
    }
    text += &sources(plan);
    let _ = writeln!(
        text,
        "| STATS targets = COUNT_DISTINCT({counted}), seen = VALUES({counted}), first_seen = MIN(@timestamp), last_seen = \
         MAX(@timestamp)\n    BY {by}, {held}, window = DATE_TRUNC({} seconds, @timestamp)\n\
         | WHERE targets >= {}",
        count.seconds, count.least
    );
    text
}

fn asked(plan: &Plan, tunables: &Tunables) -> String {
    let (least, seconds) = service_types(tunables);
    let mut text =
        titled(plan, &format!("{least} service types asked for with dns-sd in {seconds} s"), &[]);
    text += "FROM logs-endpoint.events.process-*, auditbeat-*\n\
             | WHERE event.category:\"process\" AND process.name == \"dns-sd\"\n";
    let types: Vec<String> = query_patterns(tunables)
        .iter()
        .map(|pattern| format!("process.command_line LIKE {}", like(&format!("*{pattern}*"))))
        .collect();
    if !types.is_empty() {
        let _ = writeln!(text, "| WHERE {}", types.join("\n    OR "));
    }
    text += &programs(plan, "process.parent.executable");
    let _ = writeln!(
        text,
        "| STATS types = COUNT_DISTINCT(process.command_line), asked = VALUES(process.command_line), first_seen = \
         MIN(@timestamp)\n    BY host.name, user.name, window = DATE_TRUNC({seconds} seconds, @timestamp)\n\
         | WHERE types >= {least}"
    );
    text += &titled(plan, &format!("{least} service types in {seconds} s in packets"), &[]);
    let _ = writeln!(
        text,
        "FROM packetbeat-*, logs-zeek.dns-*, logs-network_traffic.dns-*\n\
         | WHERE destination.port == 5353 AND (dns.question.name LIKE \"*._tcp.local\" OR dns.question.name LIKE \
         \"*._udp.local\")\n\
         | STATS types = COUNT_DISTINCT(dns.question.name), asked = VALUES(dns.question.name), first_seen = \
         MIN(@timestamp)\n    BY source.ip, window = DATE_TRUNC({seconds} seconds, @timestamp)\n\
         | WHERE types >= {least}"
    );
    text
}

/// Programs that are allowed; what is not recorded is kept.
fn programs(plan: &Plan, field: &str) -> String {
    let each = plan.allowed.programs.iter().map(|program| {
        let patterns = if program.contains(['/', '\\']) {
            vec![like(program)]
        } else {
            vec![like(&format!("*\\{program}")), like(&format!("*/{program}"))]
        };
        let any: Vec<String> =
            patterns.iter().map(|pattern| format!("{field} LIKE {pattern}")).collect();
        format!("| WHERE {field} IS NULL OR NOT ({})\n", any.join(" OR "))
    });
    each.collect()
}

/// Sources that are allowed; what is not recorded is kept.
fn sources(plan: &Plan) -> String {
    let listed =
        |values: &[String]| values.iter().map(|value| string(value)).collect::<Vec<_>>().join(", ");
    let mut text = String::new();
    if !plan.allowed.networks.is_empty() {
        let networks = listed(&plan.allowed.networks);
        let _ =
            writeln!(text, "| WHERE source.ip IS NULL OR NOT CIDR_MATCH(source.ip, {networks})");
    }
    if !plan.allowed.names.is_empty() {
        let names = listed(&plan.allowed.names).to_lowercase();
        let _ = writeln!(text, "| WHERE host.name IS NULL OR NOT TO_LOWER(host.name) IN ({names})");
    }
    text
}

/// A pattern of LIKE, whose own escape is a backslash, in a string, whose escape is one too.
fn like(pattern: &str) -> String {
    string(&pattern.replace('\\', "\\\\"))
}

fn string(text: &str) -> String {
    let inert = crate::escaped(text);
    format!("\"{}\"", inert.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_in_its_string() {
        assert_eq!(string("a\"b\nc"), "\"a\\\"b\\\\nc\"");
        assert_eq!(like("C:\\x*"), "\"C:\\\\\\\\x*\"");
    }
}
