//! `config check|example|show`.

use std::path::Path;

use clap::Subcommand;

use super::{CliError, SUCCESS, say};
use crate::{
    app::AppError,
    clock::Clock,
    config::{self, Config},
    metrics::Metrics,
};

/// What can be done with the configuration.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Say whether the configuration is right
    Check,
    /// Print every setting with its default and its meaning
    Example,
    /// Print the settings in force, secrets masked
    Show,
}

pub(super) fn run(command: &Command, file: Option<&Path>) -> Result<u8, CliError> {
    match command {
        Command::Example => say(config::EXAMPLE.trim_end()),
        Command::Check => {
            let config = Config::load(file)?;
            // Asks nothing: it finds addresses, headers and certificates that cannot work.
            Metrics::new(&config.metrics, config.zone()?, &Clock::system())
                .map_err(AppError::from)?;
            let from = file
                .map(Path::to_owned)
                .or_else(|| config::default_file().filter(|path| path.exists()));
            match from {
                Some(path) => say(&format!("The configuration in {} is right.", path.display())),
                None => say(
                    "There is no configuration file: the defaults are in force, and they are right.",
                ),
            }
        }
        Command::Show => say(Config::load(file)?.shown()?.trim_end()),
    }
    Ok(SUCCESS)
}
