//! What macOS tells of its processes and of their questions.

pub(crate) mod eslogger;
mod request_lines;
pub(crate) mod requests;
pub(crate) mod santa;
pub(crate) mod system_log;
pub(crate) mod tracev3;
pub(crate) mod unified_log;

use lapwing_event::{ProgramInfo, Text, UserContext};

/// The audit user id of processes that no login began (`AU_DEFAUDITID`).
pub(crate) const NO_LOGIN: u32 = u32::MAX;

/// What a record tells of who sits before a process. No field tells by itself: launchd's agents have a
/// login's audit id and no terminal, children of a graphical program have no terminal either
/// (log-sources.md section 5).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evidence {
    /// It has a terminal.
    pub(crate) terminal: bool,
    /// The audit user id, which outlives changes of user; `None` where not recorded.
    pub(crate) audit_user: Option<u32>,
    /// The process that began it, before any reparenting; `None` where not recorded.
    pub(crate) first_parent: Option<u32>,
    /// The process that macOS holds responsible for it; `None` where not recorded, or where it is
    /// the process itself, as it is for daemons and for programs that stand alone.
    pub(crate) responsible: Option<u32>,
    /// It belongs to the session of another process than launchd, as commands of a shell do.
    pub(crate) in_session: bool,
    /// It runs as a person, and not as root or a service's user (from 501 on, as macOS numbers them).
    pub(crate) person: bool,
}

/// Who signed a program, by the first of these that its record holds: its team, its signing id.
pub(crate) fn signed(names: [Option<&str>; 2]) -> Option<Box<ProgramInfo>> {
    let signer = names.into_iter().flatten().next().map(Text::from);
    signer.is_some().then(|| Box::new(ProgramInfo { signer, ..ProgramInfo::default() }))
}

/// Whether a person's session or the system started a process, by this evidence.
pub(crate) fn user_context(evidence: &Evidence) -> UserContext {
    let launched = evidence.first_parent == Some(1);
    match evidence.audit_user {
        _ if evidence.terminal => UserContext::Interactive,
        Some(NO_LOGIN) => UserContext::Daemon,
        // A login's, without a terminal: of launchd it is an agent or a graphical program, of another
        // it may have lost its terminal (nohup) or never had one.
        Some(_) => UserContext::Unknown,
        // Where audit ids are not recorded, sessions and responsibility speak.
        None if launched && !evidence.person => UserContext::Daemon,
        None if evidence.in_session && evidence.responsible.is_some() && evidence.person => {
            UserContext::Interactive
        }
        None => UserContext::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_tells_by_itself() {
        let of = |evidence: Evidence| user_context(&evidence);
        let login = Evidence { audit_user: Some(501), person: true, ..Evidence::default() };
        assert_eq!(of(Evidence { terminal: true, ..login }), UserContext::Interactive);
        assert_eq!(of(login), UserContext::Unknown, "an agent of launchd, or nohup");
        let system = Evidence { audit_user: Some(NO_LOGIN), ..Evidence::default() };
        assert_eq!(of(system), UserContext::Daemon);
        assert_eq!(of(Evidence::default()), UserContext::Unknown);
        let shell = Evidence {
            responsible: Some(758),
            in_session: true,
            person: true,
            ..Evidence::default()
        };
        assert_eq!(of(shell), UserContext::Interactive);
        let launched = Evidence { first_parent: Some(1), ..Evidence::default() };
        assert_eq!(of(launched), UserContext::Daemon);
    }
}
