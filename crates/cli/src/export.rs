//! `lapwing export`.

use std::fs;
use std::path::PathBuf;

use clap::Subcommand;
use lapwing_detect::Tunables;
use lapwing_output::escaped;
use lapwing_output::export::{self, Language};

use crate::{Exit, hunt, say};

/// What to export, and to which language.
#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// The analytics as Sigma rules with correlations
    Sigma(Configured),
    /// The analytics as searches of Splunk
    Spl(Configured),
    /// The analytics as queries of Microsoft Sentinel and Defender
    Kql(Configured),
    /// The analytics as ES|QL of Elasticsearch
    Esql(Configured),
    /// What is covered, as a layer of the ATT&CK Navigator
    Navigator(Configured),
    /// Findings as a STIX 2.1 bundle
    Stix {
        /// What `lapwing hunt --format jsonl` printed
        findings: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Configured {
    /// A TOML file with tunables; see `lapwing config default`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints the export.
pub(crate) fn run(command: &ExportCommand) -> Result<Exit, String> {
    let (language, configured) = match command {
        ExportCommand::Sigma(configured) => (Language::Sigma, configured),
        ExportCommand::Spl(configured) => (Language::Spl, configured),
        ExportCommand::Kql(configured) => (Language::Kql, configured),
        ExportCommand::Esql(configured) => (Language::Esql, configured),
        ExportCommand::Navigator(configured) => (Language::Navigator, configured),
        ExportCommand::Stix { findings } => {
            let name = escaped(&findings.to_string_lossy()).into_owned();
            let text = fs::read_to_string(findings).map_err(|error| {
                format!("{name}: {error}; expected what `hunt --format jsonl` printed")
            })?;
            let bundle = export::stix(&text).map_err(|error| format!("{name}, {error}"))?;
            return say(&bundle);
        }
    };
    let tunables = match &configured.config {
        Some(file) => hunt::read_config(file)?,
        None => Tunables::default(),
    };
    say(&export::write(language, &tunables))
}
