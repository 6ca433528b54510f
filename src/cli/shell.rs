//! `bernet completions` and `bernet man`: what a package installs beside the program.

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use std::{io::Write, path::PathBuf};

/// Print the completions of a shell.
///
/// For bash: bernet completions bash > ~/.local/share/bash-completion/completions/bernet
#[derive(clap::Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

/// Print the manual page, or write one for each subcommand into a folder.
#[derive(clap::Args)]
pub(super) struct Man {
    /// The folder, such as ~/.local/share/man/man1 [default: bernet.1 goes to stdout].
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn completions(arguments: &Completions, out: &mut impl Write) -> Result<()> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "bernet", &mut script);
    Ok(out.write_all(&script)?)
}

pub(super) fn man(arguments: &Man, out: &mut impl Write) -> Result<()> {
    let command = super::Arguments::command();
    match &arguments.folder {
        None => Ok(clap_mangen::Man::new(command).render(out)?),
        Some(folder) => {
            let name = || folder.display().to_string();
            std::fs::create_dir_all(folder).with_context(name)?;
            clap_mangen::generate_to(command, folder).with_context(name)
        }
    }
}
