//! `audit verify|export`.

use std::{fs::File, io, path::PathBuf};

use clap::Subcommand;

use super::{CliError, FAILED, SUCCESS, complain, say};
use crate::{app::App, clock::Clock, config::Config, store::VerifyError};

/// What can be done with the audit log.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Check that no row was changed, removed, added or moved
    Verify,
    /// Write every row as JSON lines
    Export {
        /// Where to [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub(super) async fn run(config: Config, command: Command) -> Result<u8, CliError> {
    let app = App::build(config, Clock::system()).await?;
    match command {
        Command::Verify => match app.store.verify_audit().await {
            Ok(verified) => {
                say(&format!(
                    "The audit log is whole: {} rows, the last one sealed with {}.",
                    verified.rows, verified.head
                ));
                Ok(SUCCESS)
            }
            Err(VerifyError::Store(error)) => Err(error.into()),
            Err(tampered) => {
                complain(&tampered.to_string());
                Ok(FAILED)
            }
        },
        Command::Export { output: None } => {
            app.store.export_audit(&mut io::stdout()).await?;
            Ok(SUCCESS)
        }
        Command::Export { output: Some(path) } => {
            let failed =
                |source| CliError::Io { what: format!("write {}", path.display()), source };
            let mut file = File::create(&path).map_err(failed)?;
            let rows = app.store.export_audit(&mut file).await?;
            file.sync_all().map_err(failed)?;
            say(&format!("{rows} rows are in {}.", path.display()));
            Ok(SUCCESS)
        }
    }
}
