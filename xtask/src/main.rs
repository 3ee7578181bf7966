//! Chores of the project itself.
//!
//! `cargo xtask score [DIR…]` judges labelled corpora and prints recall and precision.

mod case;
mod judge;
mod score;
mod truth;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask score [DIR…]

  score   hunts in every labelled file under DIR (default: ../shared/corpus, or the project's own
          corpus/scenarios where that is absent) and prints what was found, missed and false;
          fails under the floor";

#[allow(clippy::print_stderr)] // a command line tool
fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(task) if task == "score" => {
            match score::score(&arguments.map(PathBuf::from).collect::<Vec<_>>()) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
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
