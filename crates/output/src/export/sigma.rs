//! Sigma: a rule for each log source, and correlations that count distinct values of its fields.

use std::fmt::Write;

use lapwing_detect::Tunables;
use uuid::Uuid;

use super::plan::{
    Axis, Count, Plan, head, not_filtered, plans, query_patterns, service_types, tool_patterns,
};
use crate::attack;

/// What rules' ids are derived from, with their names.
const SPACE: &[u8] = b"https://attack.mitre.org/detectionstrategies/DET0376/#lapwing-sigma";

/// A log source as Sigma names it, with its fields.
struct Source {
    name: &'static str,
    title: &'static str,
    logsource: &'static str,
    /// The detection's items, one a line.
    selection: &'static str,
    /// Who acts: what correlations group by beside the target.
    origin: &'static [&'static str],
    target: &'static str,
    port: &'static str,
    /// The field of the acting program, where there is one.
    program: Option<&'static str>,
    /// The field of the source address, where there is one.
    address: Option<&'static str>,
    /// The field of the computer's name, where there is one.
    device: Option<&'static str>,
}

const WINDOWS: [Source; 2] = [
    Source {
        name: "sysmon",
        title: "Sysmon 3",
        logsource: "category: network_connection\n    product: windows",
        selection: "Initiated: 'true'",
        origin: &["Computer", "ProcessGuid"],
        target: "DestinationIp",
        port: "DestinationPort",
        program: Some("Image"),
        address: Some("SourceIp"),
        device: Some("Computer"),
    },
    Source {
        name: "wfp",
        title: "Security 5156 and 5157",
        logsource: "product: windows\n    service: security",
        selection: "EventID:\n            - 5156\n            - 5157\n        Direction: '%%14593'",
        origin: &["Computer", "ProcessID"],
        target: "DestAddress",
        port: "DestPort",
        program: Some("Application"),
        address: Some("SourceAddress"),
        device: Some("Computer"),
    },
];

const LINUX: [Source; 2] = [
    Source {
        name: "zeek",
        title: "failed connections in Zeek's conn.log",
        logsource: "product: zeek\n    service: conn",
        selection: "conn_state:\n            - S0\n            - REJ\n            - RSTOS0\n            - SH",
        origin: &["id.orig_h"],
        target: "id.resp_h",
        port: "id.resp_p",
        program: None,
        address: Some("id.orig_h"),
        device: None,
    },
    Source {
        name: "sysmon-linux",
        title: "Sysmon for Linux 3",
        logsource: "category: network_connection\n    product: linux",
        selection: "Initiated: 'true'",
        origin: &["Computer", "ProcessGuid"],
        target: "DestinationIp",
        port: "DestinationPort",
        program: None,
        address: Some("SourceIp"),
        device: Some("Computer"),
    },
];

const CONTAINERS: [Source; 2] = [
    Source {
        name: "tetragon",
        title: "Tetragon's tcp_connect",
        logsource: "product: tetragon\n    service: tcp_connect\n    definition: 'process_kprobe of tcp_connect, its fields \
                    without the leading process_kprobe'",
        selection: "function_name: tcp_connect",
        origin: &["process.pod.namespace", "process.pod.name"],
        target: "daddr",
        port: "dport",
        program: Some("process.binary"),
        address: Some("saddr"),
        device: Some("node_name"),
    },
    Source {
        name: "vpc",
        title: "rejected flows of AWS VPC flow logs",
        logsource: "product: aws\n    service: vpcflow\n    definition: 'VPC flow logs under the names of their format'",
        selection: "action: REJECT",
        origin: &["srcaddr"],
        target: "dstaddr",
        port: "dstport",
        program: None,
        address: Some("srcaddr"),
        device: None,
    },
];

const MORE: [&str; 2] = [
    "whether windows slide or tumble: the backend decides",
    "tool patterns are matched against the whole command line, so a quoted path with spaces hides the program",
];

/// The rules, as documents of one YAML stream.
pub(super) fn write(tunables: &Tunables) -> String {
    let [windows, linux, macos, containers] = &plans(tunables);
    let mut text = head("#", "Sigma (rules and correlations, specification 2.1)", &MORE);
    text.push('\n');
    let mut documents = Vec::new();
    counted(windows, &WINDOWS, &mut documents);
    counted(linux, &LINUX, &mut documents);
    documents.push(tools(linux, tunables));
    asked(macos, tunables, &mut documents);
    counted(containers, &CONTAINERS, &mut documents);
    text + &documents.join("---\n")
}

/// For each source the rule that selects its events, and the correlations that count them.
fn counted(plan: &Plan, sources: &[Source], documents: &mut Vec<String>) {
    for source in sources {
        let base = format!("lapwing-{}-{}", plan.id.to_lowercase(), source.name);
        documents.push(selected(plan, source, &base));
        documents.extend(plan.counts.iter().map(|count| correlated(plan, source, &base, *count)));
    }
}

fn selected(plan: &Plan, source: &Source, base: &str) -> String {
    let (filter, left_out) = filter(plan, source);
    let condition = if filter.is_empty() { "selection" } else { "selection and not 1 of filter_*" };
    let mut text = top(plan, &format!("{}: attempts in {}", plan.id, source.title), base);
    let _ = write!(
        text,
        "logsource:\n    {}\ndetection:\n    selection:\n        {}\n{filter}    condition: {condition}\n",
        source.logsource, source.selection
    );
    not_filtered("#", plan, &left_out) + &text + "level: informational\n"
}

/// The allow-list as filters, and what of it this source cannot say.
fn filter(plan: &Plan, source: &Source) -> (String, Vec<String>) {
    let allowed = &plan.allowed;
    let mut text = String::new();
    let mut left_out = Vec::new();
    let lists = [
        (
            "filter_program",
            source.program.map(|field| format!("{field}|endswith")),
            ends(&allowed.programs),
        ),
        ("filter_path", source.program.map(str::to_string), paths(&allowed.programs)),
        (
            "filter_network",
            source.address.map(|field| format!("{field}|cidr")),
            allowed.networks.clone(),
        ),
        ("filter_computer", source.device.map(str::to_string), allowed.names.clone()),
    ];
    for (name, field, values) in lists {
        match field {
            Some(field) if !values.is_empty() => {
                let _ = write!(text, "    {name}:\n        {field}:\n{}", listed(&values));
            }
            None => left_out.extend(values.iter().map(|value| crate::escaped(value).into_owned())),
            Some(_) => {}
        }
    }
    (text, left_out)
}

/// Short names, as ends of a path.
fn ends(programs: &[String]) -> Vec<String> {
    let short = programs.iter().filter(|program| !program.contains(['/', '\\']));
    short.flat_map(|name| [format!("\\{}", value(name)), format!("/{}", value(name))]).collect()
}

/// Whole paths.
fn paths(programs: &[String]) -> Vec<String> {
    programs
        .iter()
        .filter(|program| program.contains(['/', '\\']))
        .map(|path| value(path))
        .collect()
}

/// A pattern as Sigma's strings have it, where a backslash before a wildcard escapes it.
fn value(pattern: &str) -> String {
    pattern.replace("\\*", "\\\\*").replace("\\?", "\\\\?")
}

fn listed(values: &[String]) -> String {
    values.iter().map(|value| format!("            - {}\n", quoted(value))).collect()
}

/// A YAML scalar in double quotes, whose escapes are JSON's.
fn quoted(text: &str) -> String {
    crate::jsonl::inert(serde_json::Value::from(text).to_string())
}

fn correlated(plan: &Plan, source: &Source, base: &str, count: Count) -> String {
    let (fixed, counted) = match count.axis {
        Axis::Ports => (source.target, source.port),
        Axis::Hosts => (source.port, source.target),
    };
    let title = format!("{}: {} by {}", plan.id, count.words(), source.title);
    let name = format!("{base}-{}", count.name());
    let mut text = top(plan, &title, &name);
    let groups: String =
        source.origin.iter().chain([&fixed]).map(|field| format!("        - {field}\n")).collect();
    let _ = write!(
        text,
        "correlation:\n    type: value_count\n    rules:\n        - {base}\n    group-by:\n{groups}    timespan: {}s\n    \
         condition:\n        gte: {}\n        field: {counted}\nfalsepositives:\n    - vulnerability scanners, monitors, \
         configuration management, peer-to-peer\nlevel: medium\n",
        count.seconds, count.least
    );
    text
}

/// What every document begins with.
fn top(plan: &Plan, title: &str, name: &str) -> String {
    let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, SPACE);
    let id = Uuid::new_v5(&space, name.as_bytes());
    format!(
        "title: {}\nid: {id}\nname: {name}\nstatus: experimental\ndescription: Network service discovery on {} ({})\n\
         references:\n    - {}\nauthor: Lapwing\ntags:\n    - attack.discovery\n    - attack.t1046\n",
        quoted(title),
        plan.platform,
        plan.id,
        attack::analytic_url(plan.id)
    )
}

/// Scanners by their command lines, on any system.
fn tools(plan: &Plan, tunables: &Tunables) -> String {
    let mut text = top(plan, "AN1058: a scanner by its command line", "lapwing-an1058-tools");
    let patterns = listed(&tool_patterns(tunables));
    let _ = write!(
        text,
        "logsource:\n    category: process_creation\ndetection:\n    selection:\n        CommandLine|re:\n{patterns}    condition: \
         selection\nfalsepositives:\n    - scans that are expected\nlevel: medium\n"
    );
    text
}

/// Service types asked for with dns-sd, and in packets as Zeek logs them.
fn asked(plan: &Plan, tunables: &Tunables, documents: &mut Vec<String>) {
    let (least, seconds) = service_types(tunables);
    let filter = if plan.allowed.programs.is_empty() {
        String::new()
    } else {
        let (ends, paths) = (ends(&plan.allowed.programs), paths(&plan.allowed.programs));
        let part = |name: &str, field: &str, values: &[String]| match values {
            [] => String::new(),
            values => format!("    {name}:\n        {field}:\n{}", listed(values)),
        };
        part("filter_program", "ParentImage|endswith", &ends)
            + &part("filter_path", "ParentImage", &paths)
    };
    let condition = if filter.is_empty() { "selection" } else { "selection and not 1 of filter_*" };
    let types: Vec<String> = query_patterns(tunables);
    let base = "lapwing-an1059-dns-sd";
    let mut text = top(plan, "AN1059: service types of interest asked for with dns-sd", base);
    let _ = write!(
        text,
        "logsource:\n    category: process_creation\n    product: macos\ndetection:\n    selection:\n        Image|endswith: \
         /dns-sd\n        CommandLine|contains:\n{}{filter}    condition: {condition}\nlevel: informational\n",
        listed(&types)
    );
    documents.push(not_filtered("#", plan, &[]) + &text);
    documents.push(enumerated(plan, base, "dns-sd", &["User"], "CommandLine", least, seconds));
    let base = "lapwing-an1059-zeek";
    let mut text = top(plan, "AN1059: service types asked for in Zeek's dns.log", base);
    text += "logsource:\n    product: zeek\n    service: dns\ndetection:\n    selection:\n        query|endswith:\n            - \
             ._tcp.local\n            - ._udp.local\n        id.resp_p: 5353\n    condition: selection\nlevel: informational\n";
    documents.push(text);
    documents.push(enumerated(plan, base, "packets", &["id.orig_h"], "query", least, seconds));
}

fn enumerated(
    plan: &Plan,
    base: &str,
    by: &str,
    origin: &[&str],
    field: &str,
    least: u64,
    seconds: u64,
) -> String {
    let title = format!("AN1059: {least} service types in {seconds} s by {by}");
    let mut text = top(plan, &title, &format!("{base}-types"));
    let groups: String = origin.iter().map(|field| format!("        - {field}\n")).collect();
    let _ = write!(
        text,
        "correlation:\n    type: value_count\n    rules:\n        - {base}\n    group-by:\n{groups}    timespan: {seconds}s\n    \
         condition:\n        gte: {least}\n        field: {field}\nfalsepositives:\n    - printers, televisions and phones that \
         look for each other\nlevel: low\n"
    );
    text
}
