//! `lapwing completions` and `lapwing man`: both come of the command line's own definition.

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Args;
use crate::{Exit, say};

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The page of one command, such as `hunt`
    command: Option<String>,
}

/// Prints a completion script.
pub(crate) fn completions(shell: Shell) -> Result<Exit, String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "lapwing", &mut script);
    say(&String::from_utf8_lossy(&script))
}

/// Prints the manual page of `lapwing`, or of one of its commands.
pub(crate) fn page(args: &ManArgs) -> Result<Exit, String> {
    let mut whole = Args::command();
    // So that options which every command has are in each page.
    whole.build();
    let command = match &args.command {
        None => whole,
        Some(name) => {
            let named = whole.get_subcommands().find(|command| command.get_name() == name);
            let named = named.ok_or_else(|| {
                let names: Vec<&str> = whole.get_subcommands().map(|c| c.get_name()).collect();
                let name = lapwing_output::escaped(name);
                format!("{name}: no such command; expected one of {}", names.join(", "))
            })?;
            named.clone()
        }
    };
    let mut roff = Vec::new();
    Man::new(command).render(&mut roff).map_err(|error| error.to_string())?;
    say(&String::from_utf8_lossy(&roff))
}
