//! What happened, as plain types: no I/O, no clock, no judgement.
//!
//! An [`Event`] is one thing that happened at an event time, as one record of one input told it.
//! Its [`Activity`] is a process starting or ending, a network attempt, a name looked up, or a
//! script that was run (OCSF classes 1007, 4001, 4003 and 1009), or knowledge of whose an address is.
//! Whoever acted, as far as the record says, is its [`Actor`].
//!
//! Unknown stays unknown here: a field that a record does not hold is `None`, an outcome that a
//! source cannot know is [`Outcome::Unknown`], and nothing is guessed.

mod activity;
mod actor;
mod address;
mod line;
mod log_source;
mod text;
mod time;

pub use activity::{
    Activity, Binding, Claim, Dns, Event, Holder, Initiator, InputId, Network, Outcome,
    ProcessActivity, Protocol, Record, Script, Technique,
};
pub use actor::{Actor, Container, NO_SESSION, Parent, Process, ProgramInfo, UserContext};
pub use address::{Address, Prefix};
pub use log_source::LogSource;
pub use text::{Arguments, Text};
pub use time::{Span, Timestamp};
