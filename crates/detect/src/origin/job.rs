//! What belongs together though no loop holds it: the runs of one job, the processes of one login
//! session.

use lapwing_event::{LogSource, NO_SESSION, Process, UserContext};
use serde::{Deserialize, Serialize};

use super::link::{Computer, Link};
use super::{Ancestor, Instance, named_among};
use crate::analytics::Analytic;
use crate::bounded::{Scored, Table};
use crate::finding::Level;

/// How many jobs are remembered at once: a computer has dozens of them, and a command that runs once
/// is forgotten first.
const MAX_JOBS: usize = 8192;

/// Programs that run other programs again and again: by the clock (cron, at, launchd, systemd's
/// timers, Windows' Task Scheduler, which is a service in svchost.exe), or when they have ended.
const SCHEDULERS: [&str; 11] = [
    "systemd",
    "init",
    "launchd",
    "cron",
    "crond",
    "anacron",
    "atd",
    "svchost.exe",
    "taskeng.exe",
    "taskhostw.exe",
    "services.exe",
];

/// Programs that run one other program and wait for it: they are nobody's loop, and stand between a loop
/// and its children.
const WRAPPERS: [&str; 12] = [
    "timeout",
    "env",
    "nice",
    "ionice",
    "stdbuf",
    "setsid",
    "nohup",
    "time",
    "sudo",
    "doas",
    "proxychains4",
    "torsocks",
];

/// LogonIds that Windows gives to its services (LocalSystem, NetworkService, LocalService), whoever
/// runs them.
const SERVICE_SESSIONS: [u64; 3] = [0x3e7, 0x3e4, 0x3e5];

/// The jobs that were seen to run.
#[derive(Serialize, Deserialize)]
pub(super) struct Jobs(Table<Run>);

/// The first run of a job, which the others are taken for.
#[derive(Serialize, Deserialize)]
struct Run {
    first: u64,
    /// The last run, and what started it.
    last: u64,
    parent: u64,
    /// Whether one parent started it several times: then the parent is a loop, and this no job.
    looped: bool,
    runs: u64,
}

impl Scored for Run {
    fn score(&self) -> u64 {
        self.runs
    }
}

impl Jobs {
    pub(super) fn new() -> Jobs {
        Jobs(Table::new(MAX_JOBS))
    }

    /// How many were forgotten because the table was full.
    pub(super) fn shed(&self) -> u64 {
        self.0.shed()
    }

    /// The identity that stands for all runs of a process's job, which is the first run's; and whether
    /// this is a later one.
    fn run(&mut self, job: Option<Job>, id: u64) -> (u64, Level) {
        let Some(Job { id: job, parent, .. }) = job else { return (id, Level::Lineage) };
        let start = || Run { first: id, last: id, parent, looped: false, runs: 0 };
        let run = self.0.get_or_insert(job, start);
        run.runs += 1;
        run.looped |= run.parent == parent && run.last != id && parent != 0;
        (run.last, run.parent) = (id, parent);
        match run.looped || run.first == id {
            true => (id, Level::Lineage),
            false => (run.first, Level::Job),
        }
    }

    /// What the children of a loop count for, one for all runs of a job.
    pub(super) fn loop_link(&mut self, ancestor: &Ancestor, child: &str) -> Link {
        let (id, level) = self.run(ancestor.job, ancestor.id);
        Link { id: lineage(id, child), level }
    }

    /// What a process counts for that a scheduler runs again and again.
    pub(super) fn own_link(&mut self, job: Job, id: u64, name: &str) -> Link {
        let (first, level) = self.run(Some(job), id);
        Link { id: lineage(first, name), level }
    }
}

/// The identity of a loop's children of one name.
fn lineage(id: u64, child: &str) -> u64 {
    crate::bounded::identity(&[b"lineage", &id.to_be_bytes(), child.as_bytes()])
}

/// Who a process's parent is, as far as that tells of a job.
pub(super) enum Starter<'a> {
    /// A process that was seen.
    Seen(&'a Instance),
    /// One that its child's record alone describes.
    Told(&'a Ancestor),
}

/// A process's job.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    id: u64,
    /// The parent, of which several runs would be a loop; 0 for a scheduler, whose work that is.
    parent: u64,
    /// Whether a scheduler started the process itself, rather than its parent or who started that.
    pub(super) own: bool,
}

/// The job that a process is a run of: the same command, of the same user and computer, by a scheduler
/// or within the same command that a scheduler started.
pub(super) fn job(computer: Computer<'_>, process: &Process, by: &Starter<'_>) -> Option<Job> {
    // A person's own session is no job, whoever inherited the process.
    if process.terminal.is_some() || named_among(process.short_name(), &super::ROOTS) {
        return None;
    }
    let (above, parent, own) = match by {
        Starter::Seen(parent) => match parent.job {
            Some(job) => (job.id, parent.id, false),
            None if is_scheduler(parent.process.pid, parent.process.short_name()) => (0, 0, true),
            None => return None,
        },
        Starter::Told(parent) if is_scheduler(parent.told.pid(), parent.told.short_name()) => {
            (0, 0, true)
        }
        // cron forks before it starts a command, and no log of executions shows that. Nothing but the
        // command tells of a job then: it must be more than a shell's name.
        Starter::Told(parent) => {
            if parent.told.short_name().is_some() || process.arguments.len() < 2 {
                return None;
            }
            (0, parent.id, true)
        }
    };
    let path = || process.path.as_deref().map(str::to_string);
    let command = process.command_text().or_else(path)?;
    let user = process.user.as_deref().unwrap_or_default();
    let id =
        computer.identity(b"job", &[&above.to_be_bytes(), user.as_bytes(), command.as_bytes()]);
    Some(Job { id, parent, own })
}

fn is_scheduler(pid: u32, name: Option<&str>) -> bool {
    pid == 1 || named_among(name, &SCHEDULERS)
}

/// Whether a process runs one other program and waits for it.
pub(super) fn is_wrapper(process: &Process) -> bool {
    named_among(process.short_name(), &WRAPPERS)
}

/// The login session that a process belongs to; `None` outside of any.
pub(super) fn session_link(
    computer: Computer<'_>,
    process: &Process,
    log_source: LogSource,
) -> Option<Link> {
    let session = login(process, log_source)?;
    let id = computer.identity(b"session", &[&session.to_be_bytes()]);
    Some(Link { id, level: Level::Session })
}

fn login(process: &Process, log_source: LogSource) -> Option<u64> {
    let session = process.session.filter(|session| ![0, NO_SESSION].contains(session))?;
    // Sysmon for Linux writes the user's number there, which all of the user's sessions share.
    let user = log_source == LogSource::SysmonLinuxProcess;
    let windows = Analytic::of(log_source).id == Analytic::windows().id;
    let service = windows && SERVICE_SESSIONS.contains(&session);
    (!user && !service && process.context != UserContext::Daemon).then_some(session)
}

/// The process above all others that were seen of a process's session: its shell.
pub(super) fn leader(instance: &Instance) -> Option<&Ancestor> {
    let session = instance.process().session;
    instance.ancestors.iter().rfind(|a| a.told.session() == session && a.is_loop())
}
