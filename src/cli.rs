//! The command line: what can be typed, and the exit code of each.

mod ask;
mod audit;
mod backtest;
mod config;
mod detect;
mod doctor;
mod evaluate;
mod pages;
mod progress;
mod roles;
mod simulate;
mod train;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use chat::Style;
use clap::{CommandFactory, Parser, Subcommand};
use secrecy::ExposeSecret;

use crate::{
    access::RefusalKind,
    anomaly::{csv::CsvError, evaluate::InputError, model::ModelError},
    app::AppError,
    chart::ChartError,
    clock::Clock,
    config::{self as settings, Config, ConfigError},
    metrics::MetricsError,
    serve::{self, Mode},
    store::{Store, StoreError},
    telemetry::{self, Screen, TelemetryError},
};

/// It went well.
const SUCCESS: u8 = 0;
/// It did not, for a reason that was printed.
const FAILED: u8 = 1;
/// The question was refused.
const REFUSED: u8 = 3;
/// Something the bot needs did not answer.
const OUTAGE: u8 = 4;

#[derive(Parser)]
#[command(
    name = "smartcloudops",
    version,
    about = "Ask about your machines, be told first, act safely",
    long_about = "Smart CloudOps AI: a ChatOps bot for cloud operations.\n\nWithout a configuration it \
                  watches this very machine and talks in this terminal.",
    after_help = "Exit codes: 0 done · 1 failed · 2 wrong usage · 3 refused · 4 something needed is down",
    disable_help_subcommand = true
)]
struct Arguments {
    /// Configuration file [default: smartcloudops.toml in the platform's configuration directory]
    #[arg(long, global = true, value_name = "FILE", env = "SMARTCLOUDOPS_CONFIG")]
    config: Option<PathBuf>,

    /// Look every 5 seconds and learn from the last ten minutes instead of days, to see it at work
    /// today: what it tells is coarse
    #[arg(long)]
    fast_start: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the bot: chat in the terminal when there is one, and the HTTP endpoint [default]
    Serve,
    /// Talk in the terminal only; with piped input, answer each line and leave
    Chat,
    /// Answer one question and leave
    Ask(ask::Arguments),
    /// Check, show or write the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Bring the database's tables up to date
    Migrate,
    /// Give, take and list roles
    #[command(subcommand)]
    Roles(roles::Command),
    /// Verify or export the audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Judge the scores and alarms of an anomaly detector by what is known to have happened
    Evaluate(evaluate::Arguments),
    /// Make up the metrics of machines with known faults, to try a detector on
    Simulate(simulate::Arguments),
    /// Turn pages of node_exporters into metrics to learn from, where there is no Prometheus
    Pages(pages::Arguments),
    /// Learn what is normal on each host from its past, into a model file
    Train(train::Arguments),
    /// Say how unusual observations are, by what a model has learned
    Detect(detect::Arguments),
    /// Say what the bot would have told of the last days
    Backtest(backtest::Arguments),
    /// Find out what is wrong and how to mend it
    Doctor,
    /// Write completions for a shell, e.g. `smartcloudops completions bash`
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Why a command failed, for the one line on standard error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    #[error(transparent)]
    Evaluate(#[from] InputError),
    #[error(transparent)]
    Csv(#[from] CsvError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error(transparent)]
    Train(#[from] train::TrainError),
    #[error(transparent)]
    Backtest(#[from] backtest::BacktestError),
    #[error(transparent)]
    Chart(#[from] ChartError),
    #[error(transparent)]
    Detect(#[from] detect::DetectError),
    #[error("cannot {what}: {source}")]
    Io { what: String, source: io::Error },
}

impl CliError {
    /// A refusal is told from a failure also where no question was asked.
    fn code(&self) -> u8 {
        match self {
            Self::App(AppError::Store(StoreError::Refused(refusal))) => code_of(refusal.kind),
            Self::Metrics(error) if error.is_outage() => OUTAGE,
            _ => FAILED,
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::App(error.into())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::App(error.into())
    }
}

/// Reads the command line of this process and carries it out.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Carries out a command line.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    match carry_out(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(error.code())
        }
    }
}

fn carry_out(arguments: Arguments) -> Result<u8, CliError> {
    let command = arguments.command.unwrap_or(Command::Serve);
    // These work without a configuration, and help to write one.
    match &command {
        Command::Completions { shell } => {
            clap_complete::generate(
                *shell,
                &mut Arguments::command(),
                "smartcloudops",
                &mut io::stdout(),
            );
            return Ok(SUCCESS);
        }
        Command::Config(command) => return config::run(command, arguments.config.as_deref()),
        Command::Evaluate(arguments) => return evaluate::run(arguments),
        Command::Pages(arguments) => return pages::run(arguments),
        Command::Simulate(arguments) => return simulate::run(arguments),
        Command::Train(arguments) if !arguments.asks_prometheus() => {
            return train::from_files(arguments, &Clock::system());
        }
        Command::Detect(arguments) => return detect::run(arguments),
        _ => {}
    }
    // A chat is nothing to compute: on a machine of 64 cores, 64 threads would only cost memory.
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|source| CliError::Io { what: "start".to_owned(), source })?;
    if matches!(command, Command::Doctor) {
        return Ok(runtime.block_on(doctor::run(arguments.config.as_deref())));
    }
    let mut config = Config::load(arguments.config.as_deref())?;
    if arguments.fast_start {
        config.detection.fast_start();
    }
    let talks = matches!(command, Command::Serve | Command::Chat) && serve::has_terminal();
    let screen = match &command {
        Command::Serve if !talks => Screen::Lines { colour: style_of_stderr() == Style::Colour },
        _ => Screen::Quiet,
    };
    let file = arguments.config;
    let _logs = telemetry::start(&config.log, &config.log_directory()?, screen)?;
    let code = runtime.block_on(async {
        match command {
            Command::Serve => {
                serve::run(config, file.as_deref(), Mode::Serve).await.map_err(CliError::from)
            }
            Command::Chat => {
                serve::run(config, file.as_deref(), Mode::Chat).await.map_err(CliError::from)
            }
            Command::Ask(arguments) => ask::run(config, arguments).await,
            Command::Migrate => migrate(config).await,
            Command::Roles(command) => roles::run(config, command).await,
            Command::Audit(command) => audit::run(config, command).await,
            Command::Train(arguments) => {
                train::from_prometheus(config, &arguments, &Clock::system()).await
            }
            Command::Backtest(arguments) => {
                backtest::run(config, &arguments, &Clock::system()).await
            }
            Command::Config(_)
            | Command::Doctor
            | Command::Evaluate(_)
            | Command::Pages(_)
            | Command::Simulate(_)
            | Command::Detect(_)
            | Command::Completions { .. } => Ok(SUCCESS),
        }
    });
    // A line being typed blocks a thread that nothing can wake.
    runtime.shutdown_background();
    code
}

async fn migrate(config: Config) -> Result<u8, CliError> {
    let store = store(&config).await?;
    say(&format!("The {} database is up to date.", store.backend()));
    Ok(SUCCESS)
}

/// The database alone, made or updated where needed: its commands work whatever else is broken.
async fn store(config: &Config) -> Result<Store, CliError> {
    let store = Store::open(config.store_url()?.expose_secret(), Clock::system()).await?;
    store.migrate().await?;
    Ok(store)
}

/// The database that is there.
async fn existing_store(config: &Config) -> Result<Store, CliError> {
    Ok(Store::open_existing(config.store_url()?.expose_secret(), Clock::system()).await?)
}

/// The exit code of a refusal.
fn code_of(kind: RefusalKind) -> u8 {
    if kind.is_outage() { OUTAGE } else { REFUSED }
}

/// Prints a line for people or scripts. A closed pipe has read enough.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
}

/// Prints what somebody should know of a command that goes on.
fn note(text: &str) {
    let mut out = io::stderr().lock();
    let _ = writeln!(out, "note: {text}");
}

/// Prints what went wrong.
fn complain(text: &str) {
    let mut out = io::stderr().lock();
    let _ = writeln!(out, "error: {text}");
}

/// Whether standard output shows colours.
pub(crate) fn style_of_stdout() -> Style {
    style(io::IsTerminal::is_terminal(&io::stdout()))
}

fn style_of_stderr() -> Style {
    style(io::IsTerminal::is_terminal(&io::stderr()))
}

fn style(terminal: bool) -> Style {
    if terminal && !settings::no_color() { Style::Colour } else { Style::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
