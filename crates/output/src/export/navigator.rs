//! A layer of the ATT&CK Navigator: the techniques that findings are evidence of, and with which
//! numbers they are looked for.

use lapwing_detect::Tunables;

use super::plan::{Plan, plans, service_types};
use crate::attack;
use crate::object::Object;

/// The version of the layer format, and of the Navigator that has it.
const LAYER: &str = "4.5";
const NAVIGATOR: &str = "5.1.0";

/// T1046 is what the strategy detects; of T1018 only sweeps by ARP, neighbour discovery and ICMP are
/// seen, which is a half.
const WHOLE: u8 = 100;
const PART: u8 = 50;

/// The layer as JSON.
pub(super) fn write(tunables: &Tunables) -> String {
    let plans = plans(tunables);
    let sweeps = "Host sweeps by ARP, IPv6 neighbour discovery and ICMP alone; not by names, directories or \
                  management tools.";
    let layer = Object::default()
        .with("name", "Lapwing: Network Service Discovery")
        .with(
            "versions",
            Object::default()
                .with("attack", attack::VERSION.split('.').next())
                .with("navigator", NAVIGATOR)
                .with("layer", LAYER),
        )
        .with("domain", "enterprise-attack")
        .with(
            "description",
            format!(
                "What Lapwing {} detects of {} with its configuration. Scores say how much of a technique the \
                 analytics cover where their log sources are there; `lapwing coverage` says whether they are.",
                env!("CARGO_PKG_VERSION"),
                attack::STRATEGY
            ),
        )
        .with("sorting", 3u8)
        .with("hideDisabled", false)
        .with(
            "techniques",
            vec![
                technique("T1046", WHOLE, &comment(&plans)).with("metadata", metadata(&plans, tunables)),
                technique("T1018", PART, sweeps),
            ],
        )
        .with(
            "gradient",
            Object::default()
                .with("colors", vec!["#ffffff", "#a1d99b", "#238b45"])
                .with("minValue", 0u8)
                .with("maxValue", 100u8),
        )
        .with(
            "legendItems",
            vec![
                Object::default().with("label", "every analytic of the strategy").with("color", "#238b45"),
                Object::default().with("label", "a part").with("color", "#a1d99b"),
            ],
        );
    layer.page()
}

fn technique(id: &str, score: u8, comment: &str) -> Object {
    let link = Object::default()
        .with("label", attack::STRATEGY)
        .with("url", format!("https://attack.mitre.org/detectionstrategies/{}/", attack::STRATEGY));
    Object::default()
        .with("techniqueID", id)
        .with("tactic", attack::TACTIC.1.to_lowercase())
        .with("score", score)
        .with("comment", comment)
        .with("enabled", true)
        .with("links", vec![link])
}

fn comment(plans: &[Plan]) -> String {
    let names: Vec<String> =
        plans.iter().map(|plan| format!("{} {}", plan.id, plan.platform)).collect();
    format!("{} analytics: {}.", plans.len(), names.join(", "))
}

/// Each analytic with what makes a scan.
fn metadata(plans: &[Plan], tunables: &Tunables) -> Vec<Object> {
    let told = plans.iter().map(|plan| {
        let counts: Vec<String> = plan.counts.iter().map(|count| count.words()).collect();
        let value = if counts.is_empty() {
            let (least, seconds) = service_types(tunables);
            format!("{least} service types in {seconds} s")
        } else {
            counts.join("; ")
        };
        Object::default().with("name", plan.id).with("value", value)
    });
    told.collect()
}
