//! The `lapwing` command.

mod args;
mod coverage;
mod drill;
mod explain;
mod export;
mod hunt;
mod manual;
mod progress;
mod tables;
mod tune;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command, ConfigCommand};

/// How a run ended, as its exit code (DESIGN.md section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All inputs were read.
    Fine = 0,
    /// A finding at or above `--fail-on`.
    Found = 1,
    /// Wrong usage or configuration, or nothing to read.
    Usage = 2,
    /// Some input could not be read whole.
    Lost = 3,
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors; clap knows where each is to be printed.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Fine };
            let _ = error.print();
            return ExitCode::from(exit as u8);
        }
    };
    let done = match args.command {
        Command::Hunt(hunt) => hunt::run(&hunt),
        Command::Coverage(coverage) => coverage::run(&coverage),
        Command::Explain(explain) => explain::run(&explain),
        Command::Drill(drill) => drill::run(&drill),
        Command::Tune(tune) => tune::run(&tune),
        Command::Export { command } => export::run(&command),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man(man) => manual::page(&man),
        Command::Formats => say(&tables::formats()),
        Command::Config { command: ConfigCommand::Default } => say(lapwing_detect::DEFAULT_CONFIG),
        Command::Config { command: ConfigCommand::Check { file } } => hunt::read_config(&file)
            .and_then(|_| {
                say(&format!("{} is fine\n", lapwing_output::escaped(&file.to_string_lossy())))
            }),
    };
    match done {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(message) => {
            let _ = writeln!(anstream::stderr(), "lapwing: {message}");
            ExitCode::from(Exit::Usage as u8)
        }
    }
}

/// Prints to standard output; a reader that went away (`| head`) is no error.
fn say(text: &str) -> Result<Exit, String> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("standard output cannot be written: {error}"))
        }
        _ => Ok(Exit::Fine),
    }
}
