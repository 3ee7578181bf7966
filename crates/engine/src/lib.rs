//! Runs source and detect over files: finds the inputs, decodes them on every core, puts their
//! events in event-time order with an external sort, and folds them into findings.
//!
//! Start reading at [`hunt`].

mod computer_names;
mod computers;
mod config;
mod costliest;
mod counter;
mod decode;
mod halves;
mod hunt;
mod inputs;
pub mod labels;
mod log_archive;
mod open;
mod pieces;
mod progress;
mod share;
mod sorted;
mod tune;

pub use config::{ConfigError, parse_config};
pub use hunt::{DEFAULT_MEMORY, HuntError, Request, hunt, survey};
pub use inputs::MAX_MEMBERS;
pub use open::MAX_UNPACKED;
pub use progress::{Progress, Quiet};
pub use tune::{TuneRequest, tune};
