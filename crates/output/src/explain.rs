//! One finding of a findings file, told at length: what was judged, what was ruled out, what would
//! change it, and the records that it rests on.

use std::fmt::Write;

use lapwing_detect::{Group, Reached};
use serde_json::Value;

use crate::escape::{escaped, shown};
use crate::person::{self, counted, place};

/// How a record of a witness looks, where somebody can open it: by its file and byte offset.
pub type Open<'o> = &'o dyn Fn(&str, u64) -> Result<String, String>;

/// The finding in words. `open` shows a record's own text; `None` where no evidence is at hand.
pub fn explain(finding: &Value, open: Option<Open<'_>>) -> String {
    let mut text = String::new();
    let get = |path: &str| plain(finding.pointer(path));
    let _ = writeln!(
        text,
        "{} {} {} by {}\n",
        get("/severity"),
        get("/kind"),
        get("/uid"),
        who(&finding["origin"])
    );
    let mut line = |label: &str, value: String| {
        if !value.trim().is_empty() {
            // Whatever a findings file holds, the line as a whole stays inert.
            let _ = writeln!(text, "  {label:<10} {}", escaped(value.trim()));
        }
    };
    line("analytic", format!("{} ({})", get("/analytic"), list(&finding["attacks"])));
    line("status", get("/status"));
    line("confidence", format!("{} of 100", get("/confidence")));
    line("when", format!("{} to {}", get("/first_seen"), get("/last_seen")));
    line(
        "asked",
        [("hosts", "host"), ("ports", "port"), ("pairs", "pair"), ("attempts", "attempt")]
            .map(|(key, noun)| counted(number(&finding["counts"][key]), noun))
            .join(", "),
    );
    line("hosts", list(&finding["hosts"]));
    let reached = finding["reached"].as_array().into_iter().flatten();
    let reached: Vec<String> = reached.filter_map(group).map(|one| person::reached(&one)).collect();
    line("reached", reached.join(", "));
    line("ports", list(&finding["ports"]));
    line("names", list(&finding["names"]));
    line("open", list(&finding["open"]));
    let told = finding["outcomes"].as_object().into_iter().flatten();
    let told: Vec<String> = told
        .filter(|(_, count)| count.as_u64() != Some(0))
        .map(|(name, count)| format!("{} {}", plain(Some(count)), shown(name)))
        .collect();
    line("outcomes", told.join(", "));
    for (role, process) in [("process", "process"), ("starts", "child")] {
        let process = &finding["origin"][process];
        let field = |name: &str| plain(process.get(name));
        line(role, [field("path"), field("command_line")].join("  "));
    }
    let process = &finding["origin"]["process"];
    let user = plain(process.get("user"));
    line("user", if person::is_number(&user) { format!("uid {user}") } else { user });
    let parent = &process["parent"];
    let started = plain(parent.get("command_line"));
    let started = if started.is_empty() { plain(parent.get("path")) } else { started };
    line("parent", started);
    let container = &finding["origin"]["container"];
    let named = ["name", "id", "image"].map(|key| plain(container.get(key)));
    let named: Vec<String> = named.into_iter().filter(|part| !part.is_empty()).collect();
    line("container", named.join(", "));
    line("tool", get("/tool"));
    line("suppressed", get("/suppressed_by"));

    section(&mut text, "It was judged a scan because", &finding["why"], |why| {
        format!(
            "{}: {}, threshold {} ({})",
            plain(why.get("condition")),
            plain(why.get("value")),
            plain(why.get("threshold")),
            plain(why.get("key"))
        )
    });
    match number(&finding["detected_after"]) {
        0 => {}
        after => drop(writeln!(text, "  It was told of after {}.", counted(after, "attempt"))),
    }
    section(&mut text, "What else it could be", &finding["tested"], |class| {
        let verdict = if class["holds"] == true { "it looks like one" } else { "no" };
        let because = plain(class.get("because"));
        format!("{}: {verdict}; {because}", plain(class.get("class")))
    });
    if let Some(silent) = finding.get("silent_at") {
        let _ = writeln!(
            text,
            "\nWhat would silence it\n  {} = {}",
            plain(silent.get("key")),
            plain(silent.get("above"))
        );
    }
    section(&mut text, "Notes", &finding["notes"], |note| plain(Some(note)));
    let _ = writeln!(text, "\nRecords");
    for witness in finding["witnesses"].as_array().into_iter().flatten() {
        let file = witness["file"].as_str().unwrap_or_default();
        let (first, last) = (&witness["offset"], &witness["last_offset"]);
        let _ = writeln!(
            text,
            "  {} ({}): {} in {}, {}",
            plain(witness.get("source")),
            plain(witness.get("format")),
            counted(number(&witness["records"]), "record"),
            shown(file),
            place(number(first), number(last))
        );
        let Some(open) = open else { continue };
        for offset in [first, last].into_iter().filter_map(Value::as_u64) {
            let record = match open(file, offset) {
                Ok(record) => shown(record.trim_end()),
                Err(why) => format!("cannot be shown: {}", shown(&why)),
            };
            let _ = writeln!(text, "    at {offset}: {record}");
            if first == last {
                break;
            }
        }
    }
    text
}

/// A list of a finding under a heading; nothing where it is empty.
fn section(text: &mut String, heading: &str, list: &Value, told: impl Fn(&Value) -> String) {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{heading}");
    for item in items {
        let _ = writeln!(text, "  {}", told(item));
    }
}

/// A value without its quotes, inert; empty where there is none.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => shown(text),
        Some(other) => shown(&other.to_string()),
    }
}

/// Targets that have something in common, as the native format has them.
fn group(told: &Value) -> Option<Reached> {
    let text = |value: &Value| value.as_str().map(str::to_string);
    let names = told["names"].as_array().into_iter().flatten();
    Some(Reached {
        group: Group::ALL.into_iter().find(|group| told["group"] == group.name())?,
        namespace: text(&told["namespace"]),
        own: told["own"] == true,
        hosts: number(&told["hosts"]),
        names: names.filter_map(text).collect(),
    })
}

/// A count; zero where there is none.
fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn list(values: &Value) -> String {
    let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
    values.iter().map(|value| plain(Some(value))).collect::<Vec<_>>().join(", ")
}

fn who(origin: &Value) -> String {
    let process = &origin["process"];
    let container = &origin["container"];
    let pod = [plain(container.get("namespace")), plain(container.get("pod"))];
    let parts = [
        pod.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"),
        plain(process.get("name")),
        plain(origin.get("device")),
        plain(origin.get("address")),
        plain(origin.get("prefix")),
    ];
    let told: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if told.is_empty() { "an origin that is not recorded".to_string() } else { told.join(", ") }
}
