//! Logs: JSON in daily files, and lines for people on standard error.

use std::{io, path::Path};

use tracing_appender::{
    non_blocking::WorkerGuard,
    rolling::{InitError, RollingFileAppender, Rotation},
};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::LogConfig;

/// Libraries that say of every key what became of it. `log.level` can name them again.
const QUIET: &str = "matrix_sdk_crypto=warn";

/// What people see of the logs besides the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Nothing: the screen belongs to a conversation or to an answer.
    Quiet,
    /// One line per event on standard error.
    Lines {
        /// With colours.
        colour: bool,
    },
}

/// Why logs cannot be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write logs to {directory}: {reason}; set `log.directory` to a folder you may write"
)]
pub struct TelemetryError {
    directory: String,
    reason: String,
}

/// Starts logging for this process. Keep the guard: dropping it writes what is still buffered.
pub fn start(
    config: &LogConfig,
    directory: &Path,
    screen: Screen,
) -> Result<WorkerGuard, TelemetryError> {
    let refuse =
        |reason: String| TelemetryError { directory: directory.display().to_string(), reason };
    std::fs::create_dir_all(directory).map_err(|error: io::Error| refuse(error.to_string()))?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("smartcloudops")
        .filename_suffix("log")
        .max_log_files(config.keep_days)
        .build(directory)
        .map_err(|error: InitError| refuse(error.to_string()))?;
    let (writer, guard) = tracing_appender::non_blocking(files);
    let file = tracing_subscriber::fmt::layer().json().with_writer(writer);
    let lines = match screen {
        Screen::Quiet => None,
        Screen::Lines { colour } => Some(
            tracing_subscriber::fmt::layer()
                .with_ansi(colour)
                .with_target(false)
                .with_writer(std::io::stderr)
                .boxed(),
        ),
    };
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    // A second start in one process, as in tests, keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(filter).with(lines).with(file).try_init();
    Ok(guard)
}
