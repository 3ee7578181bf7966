//! `lapwing tune`.

use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;
use lapwing_detect::Tunables;
use lapwing_engine::{Request, TuneRequest, tune};
use lapwing_event::Timestamp;
use lapwing_output::escaped;
use lapwing_output::tuning::{html, json, table};

use crate::args::moment;
use crate::hunt::{cores, read_config, refused, watched};
use crate::{Exit, say};

/// Replays a baseline, telemetry of ordinary days, with other values of each tunable.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all inputs were read; 2 wrong usage or configuration; 3 some \
                        input could not be read whole (the rest was replayed)."
)]
pub(crate) struct TuneArgs {
    /// The baseline: files, folders and archives (.gz, .zst, .zip); - is standard input
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// A folder of known attacks, to see what recall a value costs: with a truth.tsv that labels its
    /// files, or of attacks alone
    #[arg(long, value_name = "FOLDER")]
    pub(crate) against: Option<PathBuf>,
    /// How to print it: curves for people, or one JSON object
    #[arg(long, value_enum, default_value_t = TuneFormat::Table)]
    pub(crate) format: TuneFormat,
    /// Writes it as one HTML page with plots too: no script, nothing fetched
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// The present configuration, around which values are tried
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Leaves out what happened before this moment (RFC 3339, such as 2026-03-02T09:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// Leaves out what happened at or after this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Timestamp>,
    /// How many inputs are read, and values judged, at once [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Memory for sorting events, in MiB; more of them are sorted on disk
    #[arg(long, value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) memory: u32,
    /// Most memory for judging with all values at once, in MiB; it says where that is too little
    #[arg(long, value_name = "MIB", default_value_t = 2048,
          value_parser = clap::value_parser!(u32).range(256..=1 << 20))]
    pub(crate) tables: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TuneFormat {
    /// A curve for each tunable, who could be allowed to scan, what to paste
    Table,
    /// The same as one JSON object
    Json,
}

/// Replays a baseline and prints what it speaks for.
pub(crate) fn run(args: &TuneArgs) -> Result<Exit, String> {
    let tunables = match &args.config {
        Some(file) => read_config(file)?,
        None => Tunables::default(),
    };
    let request = TuneRequest {
        hunt: Request {
            paths: args.paths.clone(),
            tunables,
            since: args.since,
            until: args.until,
            threads: args.threads.map_or_else(cores, usize::from),
            memory: (args.memory as usize) << 20,
        },
        against: args.against.clone(),
        tables: args.tables as usize,
    };
    let tuning = watched(|progress| tune(&request, progress)).map_err(|error| refused(&error))?;
    if let Some(file) = &args.report {
        fs::write(file, html::write(&tuning)).map_err(|error| {
            format!("{}: {error}; the report is not written", escaped(&file.to_string_lossy()))
        })?;
    }
    say(&match args.format {
        TuneFormat::Table => table::write(&tuning),
        TuneFormat::Json => json::write(&tuning),
    })?;
    Ok(if tuning.report.lost_data() { Exit::Lost } else { Exit::Fine })
}
