//! Chores of the project itself.
//!
//! `cargo xtask score` judges labelled corpora and prints recall and precision;
//! `cargo xtask detection` writes docs/detection.md, `cargo xtask bench-peers` docs/performance.md.

mod detection;
mod fleet;
mod judge;
mod peers;
mod score;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask score [--config FILE] [--found] [DIR…] | cargo xtask detection | cargo xtask bench-peers [MB]

  score   hunts in every labelled file under DIR (default: ../shared/corpus, or the project's own
          corpus/scenarios where that is absent) and prints what was found, missed and false;
          fails under the floor; with a configuration, by its numbers instead of the shipped ones
          where a case has none of its own, and with --found a line for each attack found, too
  detection
          measures detection over the corpus, a simulated fleet and a flood, and writes
          docs/detection.md
  bench-peers
          measures speed and memory beside other programs on workloads of MB each (default: 100), and
          writes docs/performance.md";

/// How large each workload is where nothing else is asked for, in MB: large enough that start-up does
/// not count, small enough to be made in a minute.
const PEERS_SIZE: u64 = 100;

#[allow(clippy::print_stderr)] // a command line tool
fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(task) if task == "score" => match scored(arguments) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        Some(task) if task == "detection" => match detection::write() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        Some(task) if task == "bench-peers" => {
            let size = arguments.next().and_then(|size| size.to_str()?.parse().ok());
            match peers::write(size.unwrap_or(PEERS_SIZE)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

/// Scores as the arguments ask.
fn scored(mut arguments: impl Iterator<Item = OsString>) -> io::Result<bool> {
    let mut options = score::Options::default();
    let mut dirs = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--found") => options.found = true,
            Some("--config") => {
                let file = arguments.next().unwrap_or_default();
                let text = std::fs::read_to_string(&file)?;
                options.tunables = lapwing_engine::parse_config(&text, &file.to_string_lossy())
                    .map_err(io::Error::other)?;
            }
            _ => dirs.push(PathBuf::from(argument)),
        }
    }
    score::score(&dirs, &options)
}
