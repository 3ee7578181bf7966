//! The analytics and ATT&CK's detection strategy DET0376 hold each other in place.

use std::collections::BTreeSet;

use lapwing_detect::{ANALYTICS, Tunables};

fn strategy() -> serde_json::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../attack/DET0376.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn texts(value: &serde_json::Value, key: &str) -> BTreeSet<String> {
    value[key].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap().to_string()).collect()
}

#[test]
fn each_analytic_has_the_published_log_sources_and_mutable_elements() {
    let strategy = strategy();
    let config = serde_json::to_value(Tunables::default()).unwrap();
    let mut built = BTreeSet::new();
    for published in strategy["analytics"].as_array().unwrap() {
        let id = published["id"].as_str().unwrap();
        let ours = ANALYTICS.iter().find(|analytic| analytic.id == id);
        let ours = ours.unwrap_or_else(|| panic!("{id} is published and not built"));
        built.insert(id);
        assert_eq!(published["platform"], ours.platform);
        let elements: BTreeSet<String> =
            ours.mutable_elements.iter().map(|name| (*name).to_string()).collect();
        assert_eq!(texts(published, "mutable_elements"), elements, "{id}");
        let keys: BTreeSet<String> =
            config["analytics"][id].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, elements, "{id}: config keys");
        let ours: BTreeSet<[&str; 3]> = ours
            .log_sources
            .iter()
            .map(|source| [source.component, source.name, source.channel])
            .collect();
        let theirs: BTreeSet<[&str; 3]> = published["log_sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| ["component", "name", "channel"].map(|key| s[key].as_str().unwrap()))
            .collect();
        assert_eq!(ours, theirs, "{id}");
    }
    assert_eq!(built.len(), ANALYTICS.len(), "an analytic that is not of the strategy");
    let keys = config["analytics"].as_object().unwrap();
    assert_eq!(keys.len(), ANALYTICS.len(), "config sections and analytics differ");
}
