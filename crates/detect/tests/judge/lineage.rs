//! What starts a process for each probe: a loop, a login session, a job that runs again and again; and the
//! ordinary work of each.

use lapwing_detect::{Finding, Level, Severity, Tunables};
use lapwing_event::{Actor, Container, LogSource, Outcome, Parent, Process, Technique};

use crate::scene::{Scene, Try, address, host, only, process, quiet, syn};

/// A process of a login session at a terminal.
fn at_terminal(session: u64, process: Process) -> Process {
    Process { session: Some(session), terminal: Some("pts0".into()), ..process }
}

/// What a person in session 7 tries by hand: each time another program, now and then by a process that
/// left its shell behind.
fn by_hand(tries: u32, session: impl Fn(u32) -> u64) -> Scene {
    let programs = ["nc", "curl", "telnet", "openssl", "python3"];
    let mut scene = Scene::default();
    let shell = at_terminal(session(0), process(900, "/bin/bash", 899));
    scene.launch(0.0, &shell, &["-bash"]);
    for n in 0..tries {
        let name = programs[n as usize % programs.len()];
        let parent = if n % 4 == 3 { 1 } else { 900 };
        let child = process(1000 + n, &format!("/usr/bin/{name}"), parent);
        let child = at_terminal(session(n), child);
        let when = 10.0 + 12.0 * f64::from(n);
        scene.launch(when, &child, &[name, "10.0.0.9"]);
        scene.connect(when, &child, host(9), 20 + n as u16 * 3, Outcome::Refused);
    }
    scene
}

#[test]
fn what_a_person_tries_by_hand_is_their_sessions() {
    let finding = only(by_hand(20, |_| 7).judge());
    assert_eq!((finding.origin.level, finding.counts.ports), (Level::Session, 20));
    assert_eq!(finding.origin.process.as_ref().map(|process| process.pid), Some(900));
    assert_eq!(finding.origin.child.as_ref().and_then(|process| process.session), Some(7));
    let note = "20 processes of one login session made these attempts, curl, nc, openssl, python3, telnet \
                among them";
    assert!(finding.notes.iter().any(|told| told == note), "{:?}", finding.notes);
}

#[test]
fn twin_the_same_in_a_session_each_is_nobodys_scan() {
    quiet(by_hand(20, u64::from).judge());
    quiet(by_hand(9, |_| 7).judge());
    // No session: outside of any login, as audit writes it and as Windows' services have it.
    quiet(by_hand(20, |_| lapwing_event::NO_SESSION).judge());
}

#[test]
fn a_session_in_which_much_goes_on_is_no_scan_for_what_fails_in_it() {
    // All of a server's work is of one session, as where it was started by hand: a hundred short
    // programs a minute, each with a target of its own, and name servers some of which do not answer.
    let mut scene = by_hand(0, |_| 7);
    for n in 0..400_u32 {
        let child = at_terminal(7, process(2000 + n, "/usr/bin/worker", 1));
        let when = 1.0 + 0.6 * f64::from(n);
        scene.launch(when, &child, &["worker"]);
        let (port, outcome) = match n % 8 {
            0 => (53, Outcome::Refused),
            1 => (8000 + n as u16 % 7, Outcome::Refused),
            _ => (5432 + n as u16 % 5, Outcome::Open),
        };
        scene.connect(when, &child, host(n * 37 % 5000), port, outcome);
    }
    let of_session = |share: f64| {
        let mut tunables = Tunables::default();
        tunables.detection.together.session_share = share;
        let findings = scene.judge_with(&tunables);
        findings.iter().any(|finding| finding.origin.level == Level::Session)
    };
    assert!(!of_session(Tunables::default().detection.together.session_share));
    assert!(of_session(0.0), "what fails does cross a threshold");
}

#[test]
fn a_program_with_work_of_its_own_is_no_part_of_its_sessions() {
    let mut scene = Scene::default();
    // A mail program whose servers are down, and a backup: each fails at many targets by itself, and
    // none crosses a threshold.
    for (pid, name) in [(50, "mailer"), (51, "syncer"), (52, "chat"), (53, "feeds")] {
        let program = at_terminal(3, process(pid, &format!("/usr/bin/{name}"), 1));
        scene.launch(0.0, &program, &[name]);
        for n in 0..6 {
            let when = 5.0 + f64::from(n);
            scene.connect(when, &program, host(7 * pid + n), 993, Outcome::Refused);
        }
    }
    // The first few of each are counted, and do not make a scan.
    assert!(scene.judge().iter().all(|finding| finding.counts.hosts <= 12));
}

#[test]
fn an_administrator_reaches_twenty_hosts_over_a_day_from_one_session() {
    let mut scene = Scene::default();
    let shell = at_terminal(4, process(900, "/bin/bash", 899));
    scene.launch(0.0, &shell, &["-bash"]);
    for n in 0..20 {
        let client = at_terminal(4, process(1000 + n, "/usr/bin/ssh", 900));
        let when = 1200.0 * f64::from(n);
        scene.launch(when, &client, &["ssh", "host"]);
        scene.connect(when, &client, host(n * 13 % 240), 22, Outcome::Open);
    }
    quiet(scene.judge());
}

#[test]
fn a_browsers_helpers_are_its_own() {
    let mut scene = Scene::default();
    let browser = at_terminal(3, process(40, "/usr/bin/firefox", 1));
    scene.launch(0.0, &browser, &["firefox"]);
    for n in 0..60 {
        let helper = at_terminal(3, process(100 + n, "/usr/lib/firefox/firefox", 40));
        let when = 1.0 + 0.3 * f64::from(n);
        scene.launch(when, &helper, &["firefox", "-contentproc"]);
        let site = address(&format!("93.184.{}.{}", n % 7, 10 + n * 3));
        scene.connect(when, &helper, site, 443, Outcome::Unknown);
    }
    quiet(scene.judge());
}

/// A job of cron's: each run a new shell that tries one target, in an audit log, which does not see
/// cron's own fork.
fn job(runs: u32, command: impl Fn(u32) -> String, target: impl Fn(u32) -> u32) -> Scene {
    let mut scene = Scene::default();
    for n in 0..runs {
        let when = 60.0 * f64::from(n);
        let session = |process: Process| Process { session: Some(100 + u64::from(n)), ..process };
        let shell = session(process(2000 + 4 * n, "/bin/sh", 2000 + 4 * n - 1));
        let script = session(process(2001 + 4 * n, "/bin/bash", 2000 + 4 * n));
        let probe = session(process(2002 + 4 * n, "/usr/bin/nc", 2001 + 4 * n));
        let command = command(n);
        scene.launch(when, &shell, &["/bin/sh", "-c", &command]);
        scene.launch(when + 0.1, &script, &["/bin/bash", &command]);
        scene.launch(when + 0.2, &probe, &["nc", "-z", "host", "22"]);
        scene.connect(when + 0.3, &probe, host(target(n)), 22, Outcome::Refused);
    }
    scene
}

#[test]
fn a_job_that_tries_one_target_a_run_is_named_as_the_job() {
    let finding = only(job(40, |_| "/opt/check.sh".to_string(), |n| n * 11 % 250).judge());
    assert_eq!((finding.origin.level, finding.counts.hosts), (Level::Job, 40));
    let process = finding.origin.process.as_deref();
    let command = process.and_then(Process::command_text);
    assert_eq!(command.as_deref(), Some("/bin/bash /opt/check.sh"));
    assert_eq!(finding.origin.child.as_deref().and_then(Process::short_name), Some("nc"));
    assert!(finding.notes.iter().any(|note| note.contains("runs of one job")));
}

#[test]
fn twin_other_commands_are_other_jobs() {
    quiet(job(40, |n| format!("/opt/check-{n}.sh"), |n| n * 11 % 250).judge());
}

#[test]
fn a_job_over_the_same_targets_each_run_is_quiet() {
    quiet(job(200, |_| "/opt/check.sh".to_string(), |n| n % 8).judge());
}

/// A check of many targets every five minutes, as Sysmon tells of it: outcomes are not known.
fn checks(runs: u32, target: impl Fn(u32, u32) -> u32) -> Vec<Finding> {
    let mut scene = Scene::default();
    for run in 0..runs {
        let when = 300.0 * f64::from(run);
        let script = Process {
            guid: Some(format!("run-{run}").into()),
            parent: Some(Box::new(Parent {
                pid: Some(700),
                guid: Some("schedule".into()),
                path: Some(r"C:\Windows\System32\svchost.exe".into()),
                command_line: Some("svchost.exe -k netsvcs -p -s Schedule".into()),
            })),
            command_line: Some(r"cmd.exe /c C:\ops\check.bat".into()),
            ..process(3000 + run * 50, r"C:\Windows\System32\cmd.exe", 700)
        };
        let of = |process: Process| Actor {
            device: Some("WS01".into()),
            process: Some(process),
            ..Actor::default()
        };
        scene.starts_of(when, LogSource::SysmonProcess, &of(script));
        for n in 0..40 {
            let probe = Process {
                guid: Some(format!("probe-{run}-{n}").into()),
                parent: Some(Box::new(Parent {
                    pid: Some(3000 + run * 50),
                    guid: Some(format!("run-{run}").into()),
                    ..Parent::default()
                })),
                ..process(3001 + run * 50 + n, r"C:\ops\check_tcp.exe", 0)
            };
            let probe = of(probe);
            let when = when + 1.0 + 0.2 * f64::from(n);
            scene.starts_of(when, LogSource::SysmonProcess, &probe);
            let attempt = Try {
                log_source: LogSource::SysmonNetwork,
                technique: Technique::Connect,
                ..syn(host(250), host(target(run, n)), 8443).outcome(Outcome::Unknown)
            };
            scene.by(when + 0.05, &probe, attempt);
        }
    }
    scene.judge()
}

#[test]
fn a_scheduled_check_of_a_fixed_set_is_a_monitor() {
    let loud: Vec<_> = checks(6, |_, n| n * 17 % 240)
        .into_iter()
        .filter(|finding| finding.severity > Severity::Informational)
        .map(|finding| (finding.origin.level, finding.counts, finding.tested))
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
}

#[test]
fn twin_a_scheduled_check_of_other_targets_each_run_is_one_scan() {
    let finding = only(checks(5, |run, n| 256 * run + n * 17 % 240));
    assert!(finding.severity >= Severity::Medium);
    assert_eq!(finding.counts.hosts, 200);
}

#[test]
fn a_task_that_is_the_probe_itself_is_a_job() {
    let mut scene = Scene::default();
    for n in 0..30 {
        let run = Process {
            command_line: Some(r"C:\ProgramData\probe.exe --next".into()),
            parent: Some(Box::new(Parent {
                pid: Some(700),
                path: Some(r"C:\Windows\System32\svchost.exe".into()),
                ..Parent::default()
            })),
            ..process(4000 + n, r"C:\ProgramData\probe.exe", 700)
        };
        let when = 90.0 * f64::from(n);
        let actor = Actor { device: Some("WS01".into()), process: Some(run), ..Actor::default() };
        scene.starts_of(when, LogSource::SecurityProcess, &actor);
        let attempt = Try {
            log_source: LogSource::SecurityConnection,
            technique: Technique::Connect,
            ..syn(host(250), host(n * 7 % 250), 445)
        };
        scene.by(when + 0.1, &actor, attempt);
    }
    let finding = only(scene.judge());
    assert_eq!((finding.origin.level, finding.counts.hosts), (Level::Job, 30));
    assert!(finding.origin.process.is_some_and(|process| process.pid >= 4000));
}

#[test]
fn what_starts_everything_is_no_loop() {
    for root in ["systemd", "sshd", "containerd-shim-runc-v2", "explorer.exe", "services.exe"] {
        let mut scene = Scene::default();
        let parent = process(300, &format!("/usr/bin/{root}"), 1);
        scene.launch(0.0, &parent, &[root]);
        for n in 0..60 {
            let child = process(1000 + n, &format!("/usr/bin/daemon{}", n % 20), 300);
            let when = 1.0 + f64::from(n);
            scene.launch(when, &child, &[&format!("daemon{n}")]);
            scene.connect(when, &child, host(n * 13 % 250), 5000 + n as u16, Outcome::Refused);
        }
        quiet(scene.judge());
    }
}

#[test]
fn a_wrapper_is_no_loop_and_hides_none() {
    let mut scene = Scene::default();
    let xargs = process(500, "/usr/bin/xargs", 400);
    scene.launch(0.0, &xargs, &["xargs", "-P4", "sh", "-c"]);
    for n in 0..40 {
        let shell = process(1000 + n, "/bin/sh", 500);
        let wrapper = process(3000 + n, "/usr/bin/timeout", 1000 + n);
        let child = process(5000 + n, "/usr/bin/nc", 3000 + n);
        let when = 1.0 + f64::from(n);
        scene.launch(when, &shell, &["sh", "-c", &format!("echo {n}; timeout 1 nc -z h{n} 22")]);
        scene.launch(when + 0.1, &wrapper, &["timeout", "1", "nc"]);
        scene.launch(when + 0.2, &child, &["nc", "-z", "host", "22"]);
        scene.connect(when + 0.3, &child, host(n), 22, Outcome::Unknown);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.level, Level::Lineage);
    assert_eq!(finding.origin.process.unwrap().pid, 500);
}

#[test]
fn gnu_parallel_is_named_and_not_its_jobs() {
    let mut scene = Scene::default();
    let parallel = at_terminal(2, process(500, "/usr/bin/perl", 400));
    scene.launch(0.0, &parallel, &["perl", "/usr/bin/parallel", "-j8", "nc -z {} 22"]);
    for n in 0..40 {
        // The shell replaces itself by the only command that it is given.
        let shell = at_terminal(2, process(1000 + n, "/bin/bash", 500));
        let probe = at_terminal(2, process(1000 + n, "/usr/bin/nc", 500));
        let when = 1.0 + f64::from(n);
        scene.launch(when, &shell, &["/bin/bash", "-c", &format!("nc -z h{n} 22")]);
        scene.launch(when + 0.1, &probe, &["nc", "-z", &format!("h{n}"), "22"]);
        scene.connect(when + 0.2, &probe, host(n), 22, Outcome::Unknown);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.level, Level::Lineage);
    assert_eq!(finding.origin.process.unwrap().pid, 500);
}

#[test]
fn a_loop_of_one_command_is_the_loop_and_no_job() {
    // An inner shell of the same command line each time, within one run.
    let finding = only(job(40, |_| "/opt/check.sh".to_string(), |n| n).judge());
    assert_eq!(finding.origin.level, Level::Job);
    let mut scene = Scene::default();
    let script = process(500, "/bin/bash", 400);
    scene.launch(0.0, &script, &["bash", "sweep.sh"]);
    for n in 0..40 {
        let shell = process(1000 + n, "/bin/sh", 500);
        let probe = process(3000 + n, "/usr/bin/nc", 1000 + n);
        let when = 1.0 + f64::from(n);
        scene.launch(when, &shell, &["sh", "-c", "nc -z $HOST 22; true"]);
        scene.launch(when + 0.1, &probe, &["nc", "-z", "host", "22"]);
        scene.connect(when + 0.2, &probe, host(n), 22, Outcome::Unknown);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.level, Level::Lineage);
    assert_eq!(finding.origin.process.unwrap().pid, 500);
}

/// An orchestrator that starts a client for each host of its inventory.
fn orchestrated(target: impl Fn(u32) -> u32, outcome: Outcome) -> Vec<Finding> {
    let mut scene = Scene::default();
    for run in 0..4 {
        let when = 3600.0 * f64::from(run);
        let play = at_terminal(5, process(500 + run, "/usr/bin/python3", 400));
        scene.launch(when, &play, &["python3", "/usr/bin/ansible-playbook", "site.yml"]);
        for n in 0..30 {
            let client = process(1000 + 100 * run + n, "/usr/bin/ssh", 500 + run);
            let client = at_terminal(5, client);
            let when = when + 1.0 + f64::from(n);
            scene.launch(when, &client, &["ssh", "-o", "ControlMaster=auto", "host"]);
            scene.connect(when + 0.1, &client, host(target(n)), 22, outcome);
        }
    }
    scene.judge()
}

#[test]
fn an_orchestrator_is_silent_unless_its_inventory_is_a_subnet_in_order() {
    let inventory = |n: u32| n.wrapping_mul(0x9e37_79b1) >> 21;
    quiet(orchestrated(inventory, Outcome::Open));
    quiet(orchestrated(inventory, Outcome::Served));
    // A use is a habit from then on; that it merely opened is not, so that each run is told of.
    assert_eq!(orchestrated(|n| n + 1, Outcome::Served).len(), 1);
    assert_eq!(orchestrated(|n| n + 1, Outcome::Open).len(), 4);
    for finding in orchestrated(|n| n + 1, Outcome::Served) {
        assert_eq!(finding.severity, Severity::Low, "{:?} {:?}", finding.why, finding.notes);
        assert!(finding.notes.iter().any(|note| note.starts_with("cold start")));
    }
}

/// Runs of a cluster's job, each a pod that tries one host, by its flows.
fn pods(name: impl Fn(u32) -> String) -> Vec<Finding> {
    let mut scene = Scene::default();
    for n in 0..30 {
        let container = Container {
            namespace: Some("ops".into()),
            pod: Some(name(n).into()),
            ..Container::default()
        };
        let actor = Actor { container: Some(container.into()), ..Actor::default() };
        let attempt = syn(address("10.244.1.9"), host(n * 11 % 250), 6379);
        scene.by(60.0 * f64::from(n), &actor, Try { log_source: LogSource::Hubble, ..attempt });
    }
    scene.judge()
}

#[test]
fn the_pods_of_a_cron_job_are_one_origin() {
    let finding = only(pods(|n| format!("probe-{}-x7k{}q", 29_540_700 + n, n % 10)));
    assert_eq!((finding.origin.level, finding.counts.hosts), (Level::Container, 30));
    assert!(finding.notes.iter().any(|note| note.contains("pods of one CronJob (probe)")));
    // Other workloads' pods are each their own.
    quiet(pods(|n| format!("probe-{:x}-x7k{}q", 0x7d9f_0000_u32 + n, n % 10)));
    quiet(pods(|n| format!("probe-{n}")));
}
