//! The process behind a system call: one shared actor for all of its events.

use std::sync::Arc;

use lapwing_event::{Actor, Arguments, Parent, Process};

use super::calls::Program;
use super::nodes::NodeId;
use crate::generations::Generations;

/// How many processes of late are remembered at least. A fork loop starts and ends one a probe, so
/// only what runs side by side counts; 2,048 is above what the recorded hosts run.
const MAX_PROCESSES: usize = 2_048;

/// The most bytes of text a remembered process may have, which bounds all of them to 32 MiB.
const MAX_REMEMBERED: usize = 8 << 10;

/// A process as a record names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub node: NodeId,
    /// The node's name.
    pub device: Option<&'a Arc<str>>,
    pub pid: u32,
    pub ppid: Option<u32>,
    pub program: &'a Arc<Program>,
}

/// The processes seen of late, each with the actor that its events share.
#[derive(Debug)]
pub(super) struct Processes {
    known: Generations<(NodeId, u32), Known>,
}

#[derive(Debug)]
struct Known {
    ppid: Option<u32>,
    program: Arc<Program>,
    actor: Arc<Actor>,
}

impl Processes {
    pub fn new() -> Processes {
        Processes { known: Generations::new(MAX_PROCESSES) }
    }

    /// The actor of a call that is no exec: the one before where nothing differs. Its arguments are those
    /// of its launch where that was seen, else those of its title. A pid that was used again without an
    /// exec has another parent or name.
    pub fn actor(&mut self, named: Named<'_>, title: impl FnOnce() -> Arguments) -> Arc<Actor> {
        let mut arguments = None;
        if let Some(known) = self.known.get(&(named.node, named.pid))
            && known.ppid == named.ppid
        {
            if Arc::ptr_eq(&known.program, named.program) || known.program == *named.program {
                return Arc::clone(&known.actor);
            }
            // The same program, but setuid or a new session: its arguments are still true.
            if known.program.is_same_file(named.program) {
                arguments = known.actor.process.as_ref().map(|process| process.arguments.clone());
            }
        }
        self.launch(named, arguments.unwrap_or_else(title))
    }

    /// The actor of an exec, which is a new program.
    pub fn launch(&mut self, named: Named<'_>, arguments: Arguments) -> Arc<Actor> {
        let Named { node, device, pid, ppid, program } = named;
        let size = arguments.iter().map(|text| text.len()).sum::<usize>() + program.len();
        let process = Process {
            pid,
            path: program.path.clone(),
            name: program.name.clone(),
            arguments,
            user: program.user.clone(),
            session: program.session,
            terminal: program.terminal.clone(),
            parent: ppid.map(|pid| Box::new(Parent { pid: Some(pid), ..Parent::default() })),
            ..Process::default()
        };
        let actor = Arc::new(Actor {
            device: device.map(Arc::clone),
            process: Some(process),
            container: None,
        });
        if size > MAX_REMEMBERED {
            self.known.remove(&(node, pid));
        } else {
            let (program, actor) = (Arc::clone(program), Arc::clone(&actor));
            self.known.insert((node, pid), Known { ppid, program, actor });
        }
        actor
    }

    /// Forgets a process that ended.
    pub fn forget(&mut self, node: NodeId, pid: u32) {
        self.known.remove(&(node, pid));
    }
}
