//! Findings and coverage to bytes: the only crate that knows public schemas.
//!
//! A [`Report`] is what one run has to say; [`jsonl`] writes its findings for machines, [`table`]
//! the whole of it for people, [`html`] the same as a page, [`coverage`] what could be seen.

pub mod coverage;
mod escape;
pub mod explain;
pub mod html;
pub mod jsonl;
mod person;
mod report;
pub mod table;
mod troubles;
pub mod tuning;

pub use escape::escaped;
pub use report::{InputReport, Report, Trouble};
pub use troubles::troubles;
