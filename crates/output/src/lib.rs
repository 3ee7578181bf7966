//! Findings and coverage to bytes: the only crate that knows public schemas.
//!
//! A [`Report`] is what one run has to say; [`jsonl`] writes its findings for machines, [`table`]
//! the whole of it for people, [`html`] the same as a page, [`coverage`] what could be seen. [`ocsf`],
//! [`ecs`], [`cef`] and [`syslog`] write findings as others want them; [`export`] writes the analytics in
//! other languages.

mod attack;
pub mod cef;
pub mod coverage;
mod details;
pub mod ecs;
mod escape;
pub mod explain;
pub mod export;
mod hashes;
pub mod html;
mod image;
pub mod jsonl;
mod object;
pub mod ocsf;
mod person;
mod report;
pub mod syslog;
pub mod table;
mod troubles;
pub mod tuning;

pub use escape::escaped;
pub use person::times;
pub use report::{InputReport, Report, Trouble};
pub use troubles::troubles;
