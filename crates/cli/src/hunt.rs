//! `lapwing hunt`.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::thread;

use lapwing_detect::Tunables;
use lapwing_engine::{HuntError, Progress, Quiet, Request, hunt, parse_config};
use lapwing_output::table::Style;
use lapwing_output::{Report, cef, ecs, escaped, html, jsonl, ocsf, syslog, table, troubles};

use crate::args::{Format, HuntArgs};
use crate::progress::Bar;
use crate::{Exit, say};

/// Hunts and prints; the exit code, or what was wrong with the request.
pub(crate) fn run(args: &HuntArgs) -> Result<Exit, String> {
    let tunables = match &args.config {
        Some(file) => read_config(file)?,
        None => Tunables::default(),
    };
    let request = Request {
        paths: args.paths.clone(),
        tunables,
        since: args.since,
        until: args.until,
        threads: args.threads.map_or_else(cores, usize::from),
        memory: (args.memory as usize) << 20,
    };
    let report = watched(|progress| hunt(&request, progress)).map_err(|error| refused(&error))?;
    if let Some(file) = &args.report {
        fs::write(file, html::write(&report)).map_err(|error| {
            format!("{}: {error}; the report is not written", escaped(&file.to_string_lossy()))
        })?;
    }
    match args.format {
        Format::Table => {
            let stdout = std::io::stdout();
            let colour = stdout.is_terminal()
                && anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
            let width = stdout.is_terminal().then(terminal_size::terminal_size).flatten();
            let style = Style { colour, width: width.map(|(width, _)| width.0), all: args.all };
            say(&table::write(&report, style))?;
        }
        machine => {
            say(&written(machine, &report))?;
            // Findings alone go to standard output; what was not read must still be heard.
            let _ = write!(std::io::stderr(), "{}", troubles(&report.troubles));
        }
    }
    Ok(exit(&report, args))
}

/// Findings alone, as machines take them.
fn written(format: Format, report: &Report) -> String {
    match format {
        Format::Ocsf => ocsf::write(report),
        Format::Ecs => ecs::write(report),
        Format::Cef => cef::write(report),
        Format::Syslog => syslog::write(report),
        Format::Jsonl | Format::Table => jsonl::write(report),
    }
}

/// Runs a job with a progress bar, where somebody watches.
pub(crate) fn watched<T>(job: impl FnOnce(&dyn Progress) -> T) -> T {
    let bar = std::io::stderr().is_terminal().then(Bar::new);
    let done = job(bar.as_ref().map_or(&Quiet, |bar| bar));
    if let Some(bar) = &bar {
        bar.clear();
    }
    done
}

/// Why a job could not be done at all.
pub(crate) fn refused(error: &HuntError) -> String {
    match error {
        HuntError::NothingToRead(found) => format!("{error}\n{}", troubles(found)),
        HuntError::Scratch(_) | HuntError::Labels(_) => error.to_string(),
    }
}

/// Reads a configuration file.
pub(crate) fn read_config(file: &Path) -> Result<Tunables, String> {
    let name = file.to_string_lossy();
    let text = fs::read_to_string(file).map_err(|error| {
        format!("{}: {error}; expected a TOML file, see `lapwing config default`", escaped(&name))
    })?;
    parse_config(&text, &name).map_err(|error| error.to_string())
}

fn exit(report: &Report, args: &HuntArgs) -> Exit {
    let found =
        args.fail_on.is_some_and(|least| report.worst().is_some_and(|worst| worst >= least));
    match (found, report.lost_data()) {
        (true, _) => Exit::Found,
        (false, true) => Exit::Lost,
        (false, false) => Exit::Fine,
    }
}

/// How many inputs are read at once where nobody says: one per core.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
