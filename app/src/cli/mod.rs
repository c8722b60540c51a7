//! The command line.

mod check;
mod output;
mod serve;
mod users;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use portico_adapters::system::SystemRandomness;
use portico_domain::ports::IdentityProvider;
use tokio::time::timeout;

use crate::{AssembleError, config::Settings, logging, open_database, secret_key};

/// The web application that Rust teams clone when users must log in.
#[derive(Parser)]
#[command(name = "portico", version)]
struct Arguments {
    /// Read settings from this file instead of .env and Portico.toml: TOML if its name ends in
    /// .toml, else lines of KEY=value.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the site (the default).
    Serve,
    /// Try every setting and dependency for real, a line each; exit with 1 if one fails.
    Check {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Bring the database up to date.
    Migrate,
    /// Print a new key for ROCKET_SECRET_KEY.
    Secret,
    /// List, show and delete users.
    Users {
        #[command(subcommand)]
        command: users::UsersCommand,
    },
}

/// Why a command failed, as text for the operator.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Time for the provider to revoke refresh tokens before the process ends.
const REVOCATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the command of the process's arguments.
pub fn run() -> ExitCode {
    let Arguments { config, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return answer(&error),
    };
    let config = config.as_deref();
    let done = match command.unwrap_or(Command::Serve) {
        Command::Secret => secret(),
        Command::Serve => with_settings(config, serve::run),
        Command::Check { json } => check::run(config, json),
        Command::Migrate => with_settings(config, migrate),
        Command::Users { command } => {
            with_settings(config, |settings| users::run(command, settings))
        }
    };
    done.unwrap_or_else(|error| fail(&*error))
}

/// Prints help or the version, or what is wrong with the arguments.
fn answer(error: &clap::Error) -> ExitCode {
    match error.print().and_then(|()| io::stdout().flush()) {
        // An invalid argument has a code of its own, and standard error.
        _ if error.use_stderr() => ExitCode::from(2),
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => fail(&cause),
    }
}

fn fail(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    // The reader has closed the pipe, as in `portico users list | head -1`: no error for the operator.
    if !is_closed_pipe(error) {
        output::print_error(error);
    }
    ExitCode::FAILURE
}

fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn with_settings<F>(
    config: Option<&Path>,
    command: impl FnOnce(Settings) -> F,
) -> Result<ExitCode, Failed>
where
    F: Future<Output = Result<ExitCode, Failed>>,
{
    let settings = Settings::load(config)?;
    logging::start(settings.log_level.as_deref());
    for file in settings.files_that_others_can_write() {
        log::warn!("other users can write {}, which holds settings: chmod go-w it", file.display());
    }
    for warning in settings.warnings() {
        log::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.rocket.extract_inner("workers")?)
        .max_blocking_threads(settings.rocket.extract_inner("max_blocking")?)
        .enable_all()
        .build()?;
    runtime.block_on(command(settings))
}

/// Revokes the refresh tokens that are still to be revoked at the provider, as far as it answers in time.
async fn finish_revocations(provider: &dyn IdentityProvider) {
    if timeout(REVOCATION_TIMEOUT, provider.finish_revocations()).await.is_err() {
        log::warn!("failed to revoke refresh tokens: the provider did not answer in time");
    }
}

fn secret() -> Result<ExitCode, Failed> {
    output::require_open()?;
    output::print(secret_key::fresh(&SystemRandomness)?.expose())?;
    Ok(ExitCode::SUCCESS)
}

async fn migrate(settings: Settings) -> Result<ExitCode, Failed> {
    open_database(&settings)?.migrate().await.map_err(AssembleError::Database)?;
    output::print_status("The database is up to date.");
    Ok(ExitCode::SUCCESS)
}
