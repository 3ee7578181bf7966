//! SYSCALL records to what they say: the call with its numbers, and the program that made it.

use std::sync::Arc;

use lapwing_event::{NO_SESSION, Text};

use super::head::Head;
use super::record::{Fields, Value, hex_number, number, signed, text};
use crate::generations::Generations;

/// How many descriptions of programs are remembered at least: a host runs a few hundred programs, each
/// as a few users.
const MAX_PROGRAMS: usize = 1_024;

/// The longest description that is remembered, in bytes: with texts and all they take 6 MiB at most. With
/// the enriched part one has 250 bytes.
const MAX_DESCRIPTION: usize = 1_024;

/// What a SYSCALL record says of the call. Where a key comes twice the first one counts: the later ones
/// are of the enriched part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Syscall {
    pub arch: Option<u32>,
    /// The call's number.
    pub number: Option<u32>,
    pub success: Option<bool>,
    pub exit: Option<i64>,
    /// `a0` to `a3`.
    pub arguments: [Option<u64>; 4],
    pub pid: Option<u32>,
    pub ppid: Option<u32>,
}

impl Syscall {
    /// With what the record says further on.
    fn or(self, behind: Syscall) -> Syscall {
        let [a, b, c, d] = self.arguments;
        let [e, f, g, h] = behind.arguments;
        Syscall {
            arch: self.arch.or(behind.arch),
            number: self.number.or(behind.number),
            success: self.success.or(behind.success),
            exit: self.exit.or(behind.exit),
            arguments: [a.or(e), b.or(f), c.or(g), d.or(h)],
            pid: self.pid.or(behind.pid),
            ppid: self.ppid.or(behind.ppid),
        }
    }
}

/// What a SYSCALL record says of the program that made the call, and of who runs it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    pub path: Option<Text>,
    pub name: Option<Text>,
    pub user: Option<Text>,
    pub session: Option<u64>,
    pub terminal: Option<Text>,
}

impl Program {
    /// Whether it is the same program, whoever runs it.
    pub fn is_same_file(&self, other: &Program) -> bool {
        self.path == other.path && self.name == other.name
    }

    /// How many bytes of text it has.
    pub fn len(&self) -> usize {
        let texts = [&self.path, &self.name, &self.user, &self.terminal];
        texts.into_iter().flatten().map(|text| text.len()).sum()
    }
}

/// Fields of a SYSCALL record as they were written.
#[derive(Default)]
struct Written<'a> {
    call: Syscall,
    uid: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    session: Option<u64>,
    terminal: Option<&'a [u8]>,
    comm: Option<Value<'a>>,
    exe: Option<Value<'a>>,
}

impl<'a> Written<'a> {
    fn take(&mut self, key: &[u8], value: Value<'a>) {
        let raw = value.raw();
        let id = || number(raw).and_then(|id| u32::try_from(id).ok());
        let call = &mut self.call;
        match key {
            b"arch" => first(&mut call.arch, || u32::try_from(hex_number(raw)?).ok()),
            b"syscall" => first(&mut call.number, id),
            b"success" => first(&mut call.success, || Some(raw == b"yes")),
            b"exit" => first(&mut call.exit, || signed(raw)),
            b"a0" => first(&mut call.arguments[0], || hex_number(raw)),
            b"a1" => first(&mut call.arguments[1], || hex_number(raw)),
            b"a2" => first(&mut call.arguments[2], || hex_number(raw)),
            b"a3" => first(&mut call.arguments[3], || hex_number(raw)),
            b"pid" => first(&mut call.pid, id),
            b"ppid" => first(&mut call.ppid, id),
            b"uid" => first(&mut self.uid, || Some(raw)),
            b"UID" => first(&mut self.user, || Some(raw)),
            b"ses" => first(&mut self.session, || number(raw)),
            b"tty" => first(&mut self.terminal, || Some(raw)),
            b"comm" => first(&mut self.comm, || Some(value)),
            b"exe" => first(&mut self.exe, || Some(value)),
            _ => {}
        }
    }

    fn describes_program(&self) -> bool {
        let texts = [self.uid, self.user, self.terminal];
        texts.iter().any(Option::is_some)
            || [self.comm, self.exe].iter().any(Option::is_some)
            || self.session.is_some()
    }

    fn program(&self) -> Program {
        let decoded = |value: Option<Value<'_>>| Some(text(&value?.decoded()?).into());
        // Names that auditd could not find are written as `unset` or `unknown(1001)`.
        let user = self
            .user
            .filter(|name| !name.is_empty() && *name != b"unset" && !name.starts_with(b"unknown("));
        let terminal =
            self.terminal.filter(|name| !name.is_empty() && *name != b"(none)" && *name != b"?");
        Program {
            path: decoded(self.exe),
            name: decoded(self.comm),
            user: user.or(self.uid).map(|user| text(user).into()),
            session: self.session.filter(|session| *session != NO_SESSION),
            terminal: terminal.map(|terminal| text(terminal).into()),
        }
    }
}

/// Sets what is not set yet.
fn first<T>(place: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if place.is_none() {
        *place = value();
    }
}

/// Reads SYSCALL records. What one says behind its process id is who runs which program, which all runs
/// of it within a session say alike, byte for byte: it is read once.
#[derive(Debug)]
pub(super) struct Calls {
    known: Generations<Box<[u8]>, (Syscall, Arc<Program>)>,
}

impl Calls {
    pub fn new() -> Calls {
        Calls { known: Generations::new(MAX_PROGRAMS) }
    }

    /// The call and the program of a SYSCALL record's body.
    pub fn read(&mut self, body: &[u8]) -> (Syscall, Arc<Program>) {
        let mut written = Written::default();
        let mut fields = Fields::of(body);
        match Head::of(body) {
            Some(head) => {
                written.call = head.call;
                fields = Fields::of(head.behind);
            }
            None => {
                for (key, value) in fields.by_ref() {
                    written.take(key, value);
                    if key == b"pid" {
                        break;
                    }
                }
            }
        }
        let description = fields.rest();
        if written.describes_program() || description.len() > MAX_DESCRIPTION {
            fields.for_each(|(key, value)| written.take(key, value));
            return (written.call, Arc::new(written.program()));
        }
        if let Some((behind, program)) = self.known.get(description) {
            return (written.call.or(*behind), Arc::clone(program));
        }
        let call = written.call;
        let mut written = Written::default();
        fields.for_each(|(key, value)| written.take(key, value));
        let program = Arc::new(written.program());
        self.known.insert(description.into(), (written.call, Arc::clone(&program)));
        (call.or(written.call), program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_is_read_the_same() {
        let cases: [&[u8]; 6] = [
            b"arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 ppid=7 pid=8 \
              uid=1000 tty=pts0 ses=3 comm=\"nc\" exe=\"/bin/nc\" key=(null)\x1dARCH=x86_64 UID=\"ann\"",
            // No return value; the numbers come behind.
            b"pid=8 arch=c000003e syscall=231 uid=0 tty=(none) ses=4294967295 a0=5 pid=9 UID=\"unset\"",
            // Who runs it comes first.
            b"uid=1000 tty=pts0 pid=8 arch=c000003e syscall=42 comm=6E63 exe=\"/bin/nc\"",
            b"arch=c000003e syscall=42 pid=x uid=1 pid=9 uid=2",
            b"arch=c000003e syscall=42 pid=9",
            b"",
        ];
        let mut calls = Calls::new();
        for body in cases {
            for _ in 0..2 {
                assert_read(&mut calls, body);
            }
        }
    }

    /// Holds that a body is read as its fields one by one are.
    fn assert_read(calls: &mut Calls, body: &[u8]) {
        let mut all = Written::default();
        Fields::of(body).for_each(|(key, value)| all.take(key, value));
        let (call, program) = calls.read(body);
        let shown = String::from_utf8_lossy(body);
        assert_eq!(format!("{call:?}"), format!("{:?}", all.call), "{shown}");
        assert_eq!(*program, all.program(), "{shown}");
    }

    #[test]
    fn what_begins_nearly_as_the_kernel_writes_it_is_read_by_its_fields() {
        let (mut calls, mut heads) = (Calls::new(), 0);
        for call in ["59 success=yes exit=0", "42 success=no exit=-111", "231"] {
            let body = format!(
                " arch=c000003e syscall={call} a0=3 a1=7ffdDEADBEEF0012 a2=ffffffffffffffff a3=0 \
                 items=0 ppid=7 pid=4294967295 auid=1000 uid=0 tty=pts0 ses=3 comm=\"nc\" exe=\"/bin/nc\""
            );
            assert!(Head::of(body.as_bytes()).is_some());
            for at in 0..body.len() {
                let (before, behind) = body.as_bytes().split_at(at);
                for put in ["", " ", "=", "x", "9", "-", "\"", "\x1d", "#035", "pid=5 "] {
                    for behind in [behind, &behind[1..]] {
                        let changed = [before, put.as_bytes(), behind].concat();
                        assert_read(&mut calls, &changed);
                        heads += usize::from(Head::of(&changed).is_some());
                    }
                }
            }
        }
        assert!(heads > 1_000, "{heads}: what lies behind does not matter");
    }
}
