//! `audit verify|export`.

use std::{fs::File, io, path::PathBuf};

use clap::Subcommand;

use super::{CliError, FAILED, SUCCESS, complain, say};
use crate::{
    config::Config,
    store::{Verified, VerifyError},
};

/// What can be done with the audit log.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Check that no row was changed, removed, added or moved
    Verify {
        /// What an earlier run printed: also check that the log still begins with those rows
        #[arg(long, value_name = "ROWS:HASH")]
        since: Option<Verified>,
    },
    /// Write every row as JSON lines
    Export {
        /// Where to [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub(super) async fn run(config: Config, command: Command) -> Result<u8, CliError> {
    // A log that is looked for in the wrong place must not be found whole and empty.
    let store = super::existing_store(&config).await?;
    match command {
        Command::Verify { since } => {
            let verified = match &since {
                Some(since) => store.verify_audit_since(since).await,
                None => store.verify_audit().await,
            };
            match verified {
                Ok(verified) => {
                    say(&whole(&verified));
                    Ok(SUCCESS)
                }
                Err(VerifyError::Store(error)) => Err(error.into()),
                Err(tampered) => {
                    complain(&tampered.to_string());
                    Ok(FAILED)
                }
            }
        }
        Command::Export { output: None } => {
            store.export_audit(&mut io::stdout()).await?;
            Ok(SUCCESS)
        }
        Command::Export { output: Some(path) } => {
            let failed =
                |source| CliError::Io { what: format!("write {}", path.display()), source };
            let mut file = File::create(&path).map_err(failed)?;
            let rows = store.export_audit(&mut file).await?;
            file.sync_all().map_err(failed)?;
            say(&format!("{rows} rows are in {}.", path.display()));
            Ok(SUCCESS)
        }
    }
}

fn whole(verified: &Verified) -> String {
    if verified.rows == 0 {
        return "The audit log is whole: 0 rows.".to_owned();
    }
    format!(
        "The audit log is whole: {} rows, the last one sealed with {}.\nKeep this line outside the \
         database. Later it shows whether the log was written anew:\n  smartcloudops audit verify \
         --since {verified}",
        verified.rows, verified.head
    )
}
