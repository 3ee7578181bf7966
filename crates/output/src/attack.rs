//! What public schemas want to know of MITRE ATT&CK, as `attack/DET0376.json` has it.

/// The version of ATT&CK whose names these are.
pub(crate) const VERSION: &str = "18.1";

/// The detection strategy that the analytics belong to.
pub(crate) const STRATEGY: &str = "DET0376";

/// The tactic of every technique that findings name.
pub(crate) const TACTIC: (&str, &str) = ("TA0007", "Discovery");

/// Where the tactic is described.
pub(crate) const TACTIC_URL: &str = "https://attack.mitre.org/tactics/TA0007/";

/// The published name of a technique that findings name.
pub(crate) fn technique_name(id: &str) -> &'static str {
    match id {
        "T1018" => "Remote System Discovery",
        _ => "Network Service Discovery",
    }
}

/// Where a technique is described.
pub(crate) fn technique_url(id: &str) -> String {
    format!("https://attack.mitre.org/techniques/{id}/")
}

/// Where an analytic is described.
pub(crate) fn analytic_url(id: &str) -> String {
    format!("https://attack.mitre.org/detectionstrategies/{STRATEGY}/#{id}")
}
