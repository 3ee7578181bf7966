//! Every folder of `corpus/dialects` holds one scenario in several dialects of the same log: each
//! gives the same finding. `ORIGIN` says where it is from.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

use std::fs;
use std::path::{Path, PathBuf};

use lapwing_detect::{Finding, Tunables};
use lapwing_engine::{DEFAULT_MEMORY, Quiet, Request, hunt};

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

/// What a finding says, apart from where its records lie, and apart from what one dialect loses
/// (NXLog has no process id of Sysmon's events, Laurel no name of the computer; some cut times to
/// milliseconds, others round them).
fn told(finding: &Finding) -> String {
    let path = |process: &Option<std::sync::Arc<lapwing_event::Process>>| {
        process.as_ref().and_then(|process| process.path.clone())
    };
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        finding.analytic,
        finding.kind,
        finding.severity,
        path(&finding.origin.process),
        path(&finding.origin.child),
        finding.hosts,
        finding.ports,
    )
}

#[test]
fn one_scenario_is_one_finding_in_every_dialect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/dialects");
    let mut scenarios = 0;
    for scenario in entries(&root) {
        let mut first: Option<(PathBuf, Vec<String>)> = None;
        let inputs: Vec<PathBuf> =
            entries(&scenario).into_iter().filter(|path| !path.ends_with("ORIGIN")).collect();
        assert!(inputs.len() > 1, "{}: one dialect says nothing", scenario.display());
        for input in inputs {
            let request = Request {
                paths: vec![input.clone()],
                tunables: Tunables::default(),
                since: None,
                until: None,
                threads: 1,
                memory: DEFAULT_MEMORY,
            };
            let report = hunt(&request, &Quiet).unwrap_or_else(|error| panic!("{error}"));
            assert!(!report.lost_data(), "{}: {:?}", input.display(), report.troubles);
            let findings: Vec<String> = report.findings.iter().map(told).collect();
            assert!(!findings.is_empty(), "{}: nothing found", input.display());
            match &first {
                None => first = Some((input, findings)),
                Some((other, expected)) => {
                    let both = format!("{} and {}", other.display(), input.display());
                    assert_eq!(&findings, expected, "{both}");
                }
            }
        }
        scenarios += 1;
    }
    assert!(scenarios > 0, "no scenario found: the walk is broken");
}
