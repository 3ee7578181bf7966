//! `lapwing coverage`.

use lapwing_detect::Tunables;
use lapwing_engine::{DEFAULT_MEMORY, Request, survey};
use lapwing_output::coverage;

use crate::args::{CoverageArgs, CoverageFormat};
use crate::hunt::{cores, refused, watched};
use crate::{Exit, say};

/// Reads, judges nothing, and prints what could have been seen.
pub(crate) fn run(args: &CoverageArgs) -> Result<Exit, String> {
    let request = Request {
        paths: args.paths.clone(),
        tunables: Tunables::default(),
        since: args.since,
        until: args.until,
        threads: args.threads.map_or_else(cores, usize::from),
        memory: DEFAULT_MEMORY,
    };
    let report = watched(|progress| survey(&request, progress)).map_err(|error| refused(&error))?;
    say(&match args.format {
        CoverageFormat::Table => coverage::matrix(&report),
        CoverageFormat::Json => coverage::json(&report),
    })?;
    Ok(if report.lost_data() { Exit::Lost } else { Exit::Fine })
}
