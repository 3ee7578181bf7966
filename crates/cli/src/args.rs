//! What the command line takes.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use lapwing_detect::Severity;
use lapwing_event::Timestamp;

use crate::export::ExportCommand;
use crate::manual::ManArgs;

/// Finds network service discovery (ATT&CK T1046) in telemetry: who scanned, with what program, as
/// which user, what was found open, why it was judged a scan, and where nothing could be seen.
#[derive(Debug, Parser)]
#[command(name = "lapwing", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Reads files, folders and archives, and prints the scans found in them
    Hunt(HuntArgs),
    /// Says for each analytic which of its log sources were there, where it was blind, and what to
    /// turn on
    Coverage(CoverageArgs),
    /// Tells one finding of a findings file at length, down to its records
    Explain(ExplainArgs),
    /// Replays ordinary days with other values of each tunable, and proposes values and allow-list
    /// entries
    Tune(crate::tune::TuneArgs),
    /// Writes the telemetry of a mild scan that never was, to prove a pipeline end to end
    Drill(crate::drill::DrillArgs),
    /// Writes the analytics with the configured numbers in another language, or findings as STIX
    Export {
        #[command(subcommand)]
        command: ExportCommand,
    },
    /// Lists the formats that can be read
    Formats,
    /// Checks a configuration, or prints the default one
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Prints a script that completes commands and options in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints a manual page, to be shown by man -l
    Man(ManArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Says whether a configuration file can be used, and where not
    Check {
        /// The file
        file: PathBuf,
    },
    /// Prints the default configuration, commented
    Default,
}

/// Exit codes: 0 all inputs were read; 1 a finding at or above --fail-on; 2 wrong usage or
/// configuration; 3 some input could not be read whole (the rest was judged).
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all inputs were read; 1 a finding at or above --fail-on; \
                        2 wrong usage or configuration; 3 some input could not be read whole (the \
                        rest was judged).")]
pub(crate) struct HuntArgs {
    /// Files, folders and archives (.gz, .zst, .zip); - is standard input
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// How to print findings: a table for people, or a line each for machines
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Writes the whole report as one HTML page too: no script, nothing fetched
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// A TOML file with tunables; see `lapwing config default`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Leaves out what happened before this moment (RFC 3339, such as 2026-03-02T09:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// Leaves out what happened at or after this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Timestamp>,
    /// Exits with 1 where a finding is at least this severe
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(crate) fail_on: Option<Severity>,
    /// Shows informational findings in the table too
    #[arg(long)]
    pub(crate) all: bool,
    /// On how many cores inputs are read and origins judged; what is found is the same [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Memory for sorting events, in MiB; more of them are sorted on disk
    #[arg(long, value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) memory: u32,
}

/// Exit codes: 0 all inputs were read; 2 wrong usage; 3 some input could not be read whole.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all inputs were read; 2 wrong usage; 3 some input could not \
                        be read whole."
)]
pub(crate) struct CoverageArgs {
    /// Files, folders and archives (.gz, .zst, .zip); - is standard input
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// How to print it: a matrix for people, or one JSON object
    #[arg(long, value_enum, default_value_t = CoverageFormat::Table)]
    pub(crate) format: CoverageFormat,
    /// Leaves out what happened before this moment (RFC 3339, such as 2026-03-02T09:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// Leaves out what happened at or after this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Timestamp>,
    /// How many inputs are read at once [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The finding's uid, or its first characters (six at least)
    pub(crate) uid: String,
    /// What `lapwing hunt --format jsonl` printed
    pub(crate) findings: PathBuf,
    /// The folder of the evidence: shows the first and the last record of each witness
    #[arg(long, value_name = "FOLDER")]
    pub(crate) evidence: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CoverageFormat {
    /// Each analytic with each of its log sources
    Table,
    /// The same as one JSON object
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// An overview, each finding with its reasons, coverage
    Table,
    /// Findings alone, one JSON object a line
    Jsonl,
    /// OCSF Detection Finding (class 2004, version 1.5.0), one JSON object a line
    Ocsf,
    /// Alerts of the Elastic Common Schema (9.4.0), one JSON document a line
    Ecs,
    /// ArcSight's Common Event Format, one line a finding
    Cef,
    /// Syslog messages of RFC 5424 with structured data, one line a finding
    Syslog,
}

pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text)
        .ok_or_else(|| "expected RFC 3339 with a zone, such as 2026-03-02T09:00:00Z".to_string())
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::ALL.into_iter().find(|severity| severity.name() == text).ok_or_else(|| {
        let names: Vec<&str> = Severity::ALL.iter().map(|severity| severity.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}
