//! Windows: scripts that scan, and the traps of its logs.

use lapwing_detect::{Finding, Kind, Level, Severity};
use lapwing_event::{Actor, Address, LogSource, Outcome, Process, Technique};

use crate::scene::{Scene, Try, host, only, quiet, syn};

/// A process of WS-17 that a log names by its id alone, or with its path.
fn actor(pid: u32, path: Option<&str>) -> Actor {
    let process = Process { pid, path: path.map(Into::into), ..Process::default() };
    Actor { device: Some("WS-17".into()), process: Some(process), ..Actor::default() }
}

/// An attempt as a Windows log tells of it.
fn attempt(log_source: LogSource, target: Address, port: u16) -> Try {
    Try {
        log_source,
        technique: Technique::Connect,
        ..syn(Address::UNSPECIFIED, target, port).outcome(Outcome::Unknown)
    }
}

const POWERSHELL: &str = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe";
const LOOP: &str = r#"1..254 | % { Test-NetConnection "10.0.0.$_" -Port 445 }"#;

/// Connections of a process to so many hosts' port 445, a second after the scene's start.
fn sweep(scene: &mut Scene, actor: &Actor, log_source: LogSource, hosts: u32) {
    for number in 1..=hosts {
        scene.by(1.0 + f64::from(number) * 0.1, actor, attempt(log_source, host(number), 445));
    }
}

fn conditions(finding: &Finding) -> Vec<&str> {
    finding.why.iter().map(|told| told.condition.as_str()).collect()
}

#[test]
fn up_14_a_script_that_loops_over_addresses_is_a_finding_by_itself() {
    let mut scene = Scene::default();
    scene.runs(0.0, &actor(4120, None), LOOP);
    let finding = only(scene.judge());
    assert_eq!((finding.kind, finding.severity), (Kind::Tool, Severity::Low));
    assert_eq!((finding.analytic, finding.origin.level), ("AN1057", Level::Process));
    assert_eq!(finding.origin.process.as_ref().unwrap().pid, 4120);
    assert_eq!((finding.why[0].value, finding.why[0].threshold), (254.0, 10.0));
    assert_eq!(finding.why[0].key, "analytics.AN1057.ScanRateThreshold");
    assert!(finding.notes.iter().any(|note| note.contains("this script's process")));
}

#[test]
fn up_14_checks_by_scripts_are_quiet() {
    let mut scene = Scene::default();
    for (at, script) in [
        "Test-NetConnection fileserver -Port 443",
        "1..9 | % { tnc 10.0.0.5 -Port $_ }",
        "foreach ($s in Get-Content servers.txt) { Test-NetConnection $s -Port 443 }",
    ]
    .into_iter()
    .enumerate()
    {
        scene.runs(at as f64 * 60.0, &actor(4120, None), script);
    }
    sweep(&mut scene, &actor(4120, Some(POWERSHELL)), LogSource::SysmonNetwork, 3);
    quiet(scene.judge());
}

/// Above the configured threshold the same script is none of our business.
#[test]
fn the_threshold_of_scripts_is_that_of_scans() {
    let mut scene = Scene::default();
    scene.runs(0.0, &actor(4120, None), "1..40 | % { tnc 10.0.0.5 -Port $_ }");
    let mut tunables = lapwing_detect::Tunables::default();
    tunables.analytics.an1057.scan_rate_threshold = 41.0;
    quiet(scene.judge_with(&tunables));
    tunables.analytics.an1057.scan_rate_threshold = 40.0;
    assert_eq!(only(scene.judge_with(&tunables)).kind, Kind::Tool);
}

#[test]
fn a_script_and_its_connections_are_one_finding() {
    // Whichever comes first, and whether a start of the process is there or not.
    for script_at in [0.0, 60.0] {
        let mut scene = Scene::default();
        scene.runs(script_at, &actor(4120, None), LOOP);
        sweep(&mut scene, &actor(4120, Some(POWERSHELL)), LogSource::SecurityConnection, 60);
        let finding = only(scene.judge());
        assert_eq!(finding.kind, Kind::Horizontal, "{:?}", conditions(&finding));
        let process = finding.origin.process.as_ref().unwrap();
        assert_eq!((process.pid, process.path.as_deref()), (4120, Some(POWERSHELL)));
        assert!(conditions(&finding).iter().any(|told| told.starts_with("targets of a loop")));
        let sources: Vec<_> = finding.witnesses.iter().map(|seen| seen.log_source).collect();
        assert!(sources.contains(&LogSource::PowerShellScript), "{sources:?}");
        assert!(sources.contains(&LogSource::SecurityConnection), "{sources:?}");
    }
}

#[test]
fn a_script_that_only_connects_speaks_for_a_scan_of_its_process_and_of_no_other() {
    for (pid, speaks) in [(4120, true), (4121, false)] {
        let mut scene = Scene::default();
        let script = "foreach ($h in $hosts) { Test-NetConnection $h -Port 445 }";
        scene.runs(0.0, &actor(pid, None), script);
        sweep(&mut scene, &actor(4120, Some(POWERSHELL)), LogSource::SecurityConnection, 60);
        let finding = only(scene.judge());
        let told = conditions(&finding)
            .contains(&"PowerShell script block connects (Test-NetConnection) in a loop");
        assert_eq!(told, speaks, "{:?}", conditions(&finding));
    }
}

/// A log without process ids still says on which computer.
#[test]
fn a_script_of_no_known_process_is_its_computers() {
    let mut scene = Scene::default();
    let nobody = Actor { device: Some("WS-17".into()), ..Actor::default() };
    scene.runs(0.0, &nobody, "Invoke-Portscan -Hosts 10.0.0.0/24");
    let finding = only(scene.judge());
    assert_eq!((finding.kind, finding.origin.level), (Kind::Tool, Level::Device));
    assert_eq!(finding.origin.device.as_deref(), Some("WS-17"));
    assert_eq!(finding.tool.as_deref(), Some("Invoke-Portscan"));
}

/// 4688 has the path of a drive and 5156 that of its device: one program.
#[test]
fn a_device_path_and_a_drive_path_are_one_process() {
    let launched = actor(4120, Some(r"C:\Users\bo\up.exe"));
    let connecting = actor(4120, Some(r"\device\harddiskvolume3\users\bo\up.exe"));
    let mut scene = Scene::default();
    scene.starts_of(0.0, LogSource::SecurityProcess, &launched);
    sweep(&mut scene, &connecting, LogSource::SecurityConnection, 60);
    let finding = only(scene.judge());
    assert_eq!(finding.origin.process.unwrap().path.as_deref(), Some(r"C:\Users\bo\up.exe"));
    // Another program that has the process id now is another process.
    let other = actor(4120, Some(r"\device\harddiskvolume3\windows\other.exe"));
    let mut scene = Scene::default();
    scene.starts_of(0.0, LogSource::SecurityProcess, &launched);
    sweep(&mut scene, &other, LogSource::SecurityConnection, 60);
    let finding = only(scene.judge());
    let path = finding.origin.process.as_ref().unwrap().path.clone();
    assert_eq!(path.as_deref(), Some(r"\device\harddiskvolume3\windows\other.exe"));
}

#[test]
fn what_the_system_process_sends_is_somebodys_that_is_not_recorded() {
    let mut scene = Scene::default();
    sweep(&mut scene, &actor(4, Some("System")), LogSource::SecurityConnection, 60);
    let finding = only(scene.judge());
    let said = "the System process sends SMB for others: the asking process is not recorded";
    assert!(finding.notes.iter().any(|note| note == said), "{:?}", finding.notes);
    let mut scene = Scene::default();
    sweep(&mut scene, &actor(5, Some(POWERSHELL)), LogSource::SecurityConnection, 60);
    let finding = only(scene.judge());
    assert!(!finding.notes.iter().any(|note| note == said), "{:?}", finding.notes);
}

/// UP-10: of a renamed scanner's thousand ports Sysmon 3 shows the open ones.
#[test]
fn up_10_a_tool_and_its_few_open_ports_are_one_finding() {
    let mut scene = Scene::default();
    let launched = actor(4120, Some(r"C:\PerfLogs\svchost_.exe"));
    let mut process = launched.process.clone().unwrap();
    process.command_line = Some("svchost_.exe -sT -T4 -Pn 10.0.0.5".into());
    scene.starts_of(0.0, LogSource::SysmonProcess, &Actor { process: Some(process), ..launched });
    for (at, port) in [(2.0, 22), (3.0, 80), (4.0, 445)] {
        let connecting = actor(4120, Some(r"C:\PerfLogs\svchost_.exe"));
        scene.by(at, &connecting, attempt(LogSource::SysmonNetwork, host(5), port));
    }
    let finding = only(scene.judge());
    assert_eq!((finding.kind, finding.counts.ports), (Kind::Tool, 3));
    let said = finding.notes.iter().any(|note| note.contains("refused and unanswered probes"));
    assert!(said, "{:?}", finding.notes);
}
