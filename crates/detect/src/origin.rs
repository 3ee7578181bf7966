//! Who acted: processes over their lifetimes, the loops, jobs and sessions that start them, devices,
//! addresses.

mod job;
mod link;
mod processes;

use std::sync::Arc;

use arrayvec::ArrayVec;
use lapwing_event::{Actor, Address, Arguments, Container, Parent, Prefix, Process, UserContext};
use serde::{Deserialize, Serialize};

use crate::finding::{Level, Origin};
use crate::tools::Tool;

pub(crate) use link::{Link, address_id, cron_job, home_of, who_holds};
pub(crate) use processes::{Processes, source_address};

/// How many ancestors of a process may be the loop that starts it: the parent, and the parent's
/// parent for `xargs sh -c …` and `timeout 1 nc …`.
const ANCESTORS: usize = 2;

/// How many identities an event counts for at the most: a process, its ancestors, its own job, its
/// session, its container.
const MAX_LINKS: usize = 1 + ANCESTORS + 1 + 1 + 1;

/// The length of an IPv6 subnet (RFC 4291 section 2.5.1).
const SUBNET: u8 = 64;

/// Programs that start everything on a computer: what their children do has nothing in common, so
/// they are no loop.
const ROOTS: [&str; 24] = [
    "systemd",
    "init",
    "launchd",
    "sshd",
    "cron",
    "crond",
    "atd",
    "login",
    "runc",
    "containerd-shim",
    "containerd-shim-runc-v2",
    "dockerd",
    "tini",
    "supervisord",
    "system",
    "smss.exe",
    "services.exe",
    "svchost.exe",
    "explorer.exe",
    "wininit.exe",
    "winlogon.exe",
    "userinit.exe",
    "taskeng.exe",
    "wmiprvse.exe",
];

/// One process, from its start to its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// Its identity.
    pub id: u64,
    /// What is known of it.
    process: Described,
    /// The container.
    pub container: Option<Arc<Container>>,
    /// Its parent and grandparent, as far as known, nearest first.
    ancestors: ArrayVec<Ancestor, ANCESTORS>,
    /// The scanning tool that its command line shows it to be.
    pub tool: Option<Box<Tool>>,
    /// The identities that its events count for, narrowest first.
    links: ArrayVec<Link, MAX_LINKS>,
    /// What all its identities have in common ([`Who::home`]).
    home: u64,
    /// What stays the same of it from day to day: the program on its computer.
    habit: u64,
    /// The job that it is a run of, or a part of a run.
    job: Option<job::Job>,
    /// Whether its program lies where any user can put it.
    pub writable: bool,
}

impl Instance {
    /// What is known of the process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

/// A process above another.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ancestor {
    id: u64,
    told: Told,
    job: Option<job::Job>,
}

/// Which record describes an ancestor.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Told {
    /// Its own first one.
    Itself(Described),
    /// That of its child: what it says of its parent.
    ByChild(Described),
}

/// A process as its first record describes it. The record is shared rather than copied: most
/// processes make no finding, and a description has a dozen texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Described(Arc<Actor>);

/// What a record without a process describes.
static NOBODY: Process = Process {
    pid: 0,
    guid: None,
    start: None,
    path: None,
    name: None,
    arguments: Arguments::NONE,
    command_line: None,
    user: None,
    session: None,
    context: UserContext::Unknown,
    terminal: None,
    added: false,
    program: None,
    parent: None,
};

impl Described {
    fn of(process: Process) -> Described {
        Described(Arc::new(Actor { process: Some(process), ..Actor::default() }))
    }

    /// A copy of its own, for a finding.
    fn copy(&self) -> Arc<Process> {
        Arc::new(Process::clone(self))
    }
}

impl std::ops::Deref for Described {
    type Target = Process;

    fn deref(&self) -> &Process {
        self.0.process.as_ref().unwrap_or(&NOBODY)
    }
}

/// Who acted in one event.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    instance: Option<Arc<Instance>>,
    device: Option<Arc<str>>,
    /// Who a record without a process names: a pod. Shared with the event, since most make no finding.
    pod: Option<Arc<Actor>>,
    address: Option<Address>,
    links: ArrayVec<Link, MAX_LINKS>,
    /// What all its identities have in common: its container, else its computer, else its address.
    home: u64,
}

impl Who {
    /// What all its identities have in common, as a number: whatever it does is judged with all else from
    /// there. Of flows that name an address alone, see [`home_of`].
    pub fn home(&self) -> u64 {
        self.home
    }

    /// The identities that the event counts for, narrowest first; empty where nobody can be named.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The process, where one is named.
    pub fn instance(&self) -> Option<&Arc<Instance>> {
        self.instance.as_ref()
    }

    /// The process as far as it is known.
    pub fn process(&self) -> Option<&Process> {
        self.instance.as_ref().map(|instance| &*instance.process)
    }

    /// Who of a wide origin acted: the process, else the lower half of the address.
    pub fn child(&self) -> u64 {
        match (&self.instance, self.address) {
            (Some(instance), _) => instance.id,
            (None, Some(address)) => address.bits() as u64,
            (None, None) => 0,
        }
    }

    /// What stays the same of it from day to day: the program on its computer, else the address.
    pub fn habit(&self) -> u64 {
        match (&self.instance, self.links.first()) {
            (Some(instance), _) => instance.habit,
            (None, Some(link)) => link.id,
            (None, None) => 0,
        }
    }

    /// Whether a pod is all that is known of it.
    pub fn is_pod(&self) -> bool {
        self.pod.is_some()
    }

    /// The address that it acted from, where the telemetry says so.
    pub fn address(&self) -> Option<Address> {
        self.address
    }

    /// The origin that a finding names for the link at this position.
    pub fn origin(&self, position: usize) -> Origin {
        let level = self.links.get(position).map_or(Level::Address, |link| link.level);
        let mut origin = Origin {
            level,
            device: self.device.clone(),
            address: self.address,
            container: self.pod.as_ref().and_then(|pod| pod.container.clone()),
            ..Origin::default()
        };
        if level == Level::Prefix {
            origin.prefix = origin.address.take().map(|address| Prefix::of_bits(address, SUBNET));
        }
        if let Some(instance) = &self.instance {
            origin.container = instance.container.clone();
            let lineage: Vec<&Ancestor> =
                instance.ancestors.iter().filter(|a| a.is_loop()).collect();
            match lineage.get(position.wrapping_sub(1)) {
                Some(ancestor) if matches!(level, Level::Lineage | Level::Job) => {
                    origin.process = Some(ancestor.told.copy());
                    origin.child = Some(instance.process.copy());
                }
                _ if level == Level::Session => {
                    origin.process = job::leader(instance).map(|leader| leader.told.copy());
                    origin.child = Some(instance.process.copy());
                }
                // Its processes have the container alone in common; the last stands for them.
                _ if level == Level::Container => origin.child = Some(instance.process.copy()),
                _ => origin.process = Some(instance.process.copy()),
            }
        }
        origin
    }
}

/// What a record without a parent says of it.
static NO_PARENT: Parent = Parent { pid: None, guid: None, path: None, command_line: None };

impl Told {
    fn parent(by: &Described) -> &Parent {
        by.parent.as_deref().unwrap_or(&NO_PARENT)
    }

    fn pid(&self) -> u32 {
        match self {
            Told::Itself(process) => process.pid,
            Told::ByChild(child) => Told::parent(child).pid.unwrap_or_default(),
        }
    }

    fn guid(&self) -> Option<&str> {
        match self {
            Told::Itself(process) => process.guid.as_deref(),
            Told::ByChild(child) => Told::parent(child).guid.as_deref(),
        }
    }

    fn short_name(&self) -> Option<&str> {
        match self {
            Told::Itself(process) => process.short_name(),
            Told::ByChild(child) => Told::parent(child).short_name(),
        }
    }

    fn session(&self) -> Option<u64> {
        match self {
            Told::Itself(process) => process.session,
            Told::ByChild(_) => None,
        }
    }

    /// A copy of its own, for a finding.
    fn copy(&self) -> Arc<Process> {
        match self {
            Told::Itself(process) => process.copy(),
            Told::ByChild(child) => {
                let Parent { pid, guid, path, command_line } = Told::parent(child).clone();
                let pid = pid.unwrap_or_default();
                Arc::new(Process { pid, guid, path, command_line, ..Process::default() })
            }
        }
    }
}

impl Ancestor {
    /// Whether it may be a loop that starts one process per probe.
    fn is_loop(&self) -> bool {
        let known_root = named_among(self.told.short_name(), &ROOTS);
        // 0 is the kernel, 1 the init process of any name, 4 Windows' System.
        let system = match self.told.pid() {
            0 => self.told.guid().is_none(),
            pid => matches!(pid, 1 | 4),
        };
        !(known_root || system)
    }
}

/// Whether a program is one of these, as far as its name is known.
fn named_among(name: Option<&str>, names: &[&str]) -> bool {
    name.is_some_and(|name| names.iter().any(|known| name.eq_ignore_ascii_case(known)))
}
