//! Who acted, as far as a record says.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Arguments, Text, Timestamp};

/// The session id that Linux audit writes for processes outside any login (`ses=4294967295`).
pub const NO_SESSION: u64 = u32::MAX as u64;

/// Who acted. Decoders share one value among the events of one process, so that a network event
/// costs a pointer and not an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The computer's name as its log says it; `None` where the log does not name it.
    pub device: Option<Arc<str>>,
    /// The process; `None` where the log names only the computer.
    pub process: Option<Process>,
    /// The container or pod, shared by whoever acts in it.
    pub container: Option<Arc<Container>>,
}

impl Actor {
    /// About how many bytes of memory it takes, texts that several actors have left out.
    pub fn own_bytes(&self) -> usize {
        let Some(process) = &self.process else { return size_of::<Actor>() };
        let Process { guid, path, name, arguments, command_line, user, terminal, .. } = process;
        let own = [guid, path, name, command_line, user, terminal];
        let parent = process.parent.as_deref();
        let of_parent = parent.map(|parent| [&parent.guid, &parent.path, &parent.command_line]);
        let program = process.program.as_deref();
        let of_program = program.map(|program| {
            let ProgramInfo { original_name, product, company, description, hashes, signer } =
                program;
            [original_name, product, company, description, hashes, signer]
        });
        let texts = own.into_iter().chain(of_parent.into_iter().flatten());
        let texts = texts.chain(of_program.into_iter().flatten()).flatten();
        size_of::<Actor>()
            + parent.map_or(0, |_| size_of::<Parent>())
            + program.map_or(0, |_| size_of::<ProgramInfo>())
            + arguments.own_bytes()
            + texts.map(Text::own_bytes).sum::<usize>()
    }
}

/// Whether a person at a session or the system started a process (AN1059 `UserContext`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum UserContext {
    /// Nothing tells.
    #[default]
    Unknown,
    /// A person's session: a terminal, or a shell that a person's program leads.
    Interactive,
    /// The system, without a login.
    Daemon,
}

impl UserContext {
    /// Its lowercase name.
    pub const fn name(self) -> &'static str {
        match self {
            UserContext::Unknown => "unknown",
            UserContext::Interactive => "interactive",
            UserContext::Daemon => "daemon",
        }
    }
}

/// A process as one record describes it. All text is attacker-written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// The process id; on Linux the thread group's. 0 where it is not recorded and the unique
    /// identifier alone tells the process apart (NXLog's Sysmon events): no process that acts has
    /// it.
    pub pid: u32,
    /// An identifier that is never reused, where the source has one (Sysmon ProcessGuid,
    /// Tetragon exec_id), lowercase and without braces.
    pub guid: Option<Text>,
    /// When it started, where the record says so.
    pub start: Option<Timestamp>,
    /// The program's full path as recorded.
    pub path: Option<Text>,
    /// The short name where the source gives one apart from the path (audit `comm`, 15 bytes).
    pub name: Option<Text>,
    /// The arguments one by one, the program's own name first; empty where not recorded.
    pub arguments: Arguments,
    /// The command line as one text, where the source has only that (Windows).
    pub command_line: Option<Text>,
    /// The user: a name where recorded, else a number as text.
    pub user: Option<Text>,
    /// The login session: audit `ses`, Windows LogonId; `None` where not recorded or unset.
    pub session: Option<u64>,
    /// Whether a person started it, as far as evidence says.
    pub context: UserContext,
    /// The terminal, such as `pts0` or `/dev/ttys003`; `None` where none or not recorded.
    pub terminal: Option<Text>,
    /// Whether no image brought its file: it was put into its container after that began (Falco
    /// `proc.is_exe_upper_layer`, Tracee `dropped_executable`), is gone (Tetragon's unlinked inodes) or
    /// lies in memory alone (`proc.is_exe_from_memfd`).
    pub added: bool,
    /// Version information of the program file (Windows).
    pub program: Option<Box<ProgramInfo>>,
    /// The parent as this record describes it.
    pub parent: Option<Box<Parent>>,
}

impl Process {
    /// The program's short name: the last part of its path, else the recorded name, else the
    /// first argument's last part.
    pub fn short_name(&self) -> Option<&str> {
        if let Some(path) = self.path.as_deref() {
            return Some(last_part(path));
        }
        if let Some(name) = self.name.as_deref() {
            return Some(name);
        }
        self.arguments.first().map(|first| last_part(first))
    }

    /// The command line as one text: as recorded, else the arguments joined by spaces.
    pub fn command_text(&self) -> Option<String> {
        match &self.command_line {
            Some(line) => Some(line.to_string()),
            None if self.arguments.is_empty() => None,
            None => Some(self.arguments.join(" ")),
        }
    }
}

/// The part of a path after its last separator of either system; the whole text where it ends in
/// one or has none.
fn last_part(path: &str) -> &str {
    let ends = |byte: &u8| matches!(byte, b'/' | b'\\');
    match path.as_bytes().iter().rposition(ends) {
        Some(at) if at + 1 < path.len() => &path[at + 1..],
        _ => path,
    }
}

/// What a program file says of itself (Sysmon 1, Defender, Santa): evidence where the file was renamed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProgramInfo {
    /// OriginalFileName of the version resource.
    pub original_name: Option<Text>,
    /// Product.
    pub product: Option<Text>,
    /// Company.
    pub company: Option<Text>,
    /// Description.
    pub description: Option<Text>,
    /// Hashes as recorded, such as `SHA256=…,IMPHASH=…`.
    pub hashes: Option<Text>,
    /// The team that signed it (macOS), else the name of the certificate, else the signing id.
    pub signer: Option<Text>,
}

/// A parent process as its child's record describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Parent {
    /// The parent's process id.
    pub pid: Option<u32>,
    /// The parent's unique identifier, as [`Process::guid`].
    pub guid: Option<Text>,
    /// The parent's program path.
    pub path: Option<Text>,
    /// The parent's command line.
    pub command_line: Option<Text>,
}

impl Parent {
    /// The program's short name: the last part of its path.
    pub fn short_name(&self) -> Option<&str> {
        self.path.as_deref().map(last_part)
    }
}

/// A container, and the pod it runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Container {
    /// The container id as recorded, without a runtime prefix.
    pub id: Option<Box<str>>,
    /// The container's own name, within its pod or on its computer.
    pub name: Option<Box<str>>,
    /// The image; of a pod that is known by its address alone, those of its containers, separated by
    /// a comma.
    pub image: Option<Box<str>>,
    /// The Kubernetes namespace.
    pub namespace: Option<Box<str>>,
    /// The pod.
    pub pod: Option<Box<str>>,
}
