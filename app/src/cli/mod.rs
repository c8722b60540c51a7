//! The command line.

mod check;
mod output;
mod serve;
mod users;

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};
use portico_adapters::system::SystemRandomness;

use crate::{AssembleError, config::Settings, logging, open_database, secret_key};

/// The web application that Rust teams clone when people must sign in.
#[derive(Parser)]
#[command(name = "portico", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the site (the default).
    Serve,
    /// Try every setting and dependency for real, a line each; exit with 1 if one fails.
    Check,
    /// Bring the database up to date.
    Migrate,
    /// Print a new key for ROCKET_SECRET_KEY.
    Secret,
    /// Look at the people who signed in.
    Users {
        #[command(subcommand)]
        command: users::Command,
    },
}

/// What a command failed with, in words for the operator.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command of the process's arguments.
pub fn run() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let done = match command.unwrap_or(Command::Serve) {
        Command::Secret => secret(),
        Command::Serve => with_settings(serve::run),
        Command::Check => with_settings(check::run),
        Command::Migrate => with_settings(migrate),
        Command::Users { command } => with_settings(|settings| users::run(command, settings)),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // Who closes a pipe has read enough: `portico users list | head -1`.
            if !is_closed_pipe(&*error) {
                output::complain(error);
            }
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn with_settings<F>(command: impl FnOnce(Settings) -> F) -> Result<ExitCode, Failed>
where
    F: Future<Output = Result<ExitCode, Failed>>,
{
    let settings = Settings::load()?;
    logging::start(settings.log_level.as_deref());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(command(settings))
}

fn secret() -> Result<ExitCode, Failed> {
    output::print(secret_key::fresh(&SystemRandomness)?.expose())?;
    Ok(ExitCode::SUCCESS)
}

async fn migrate(settings: Settings) -> Result<ExitCode, Failed> {
    open_database(&settings)?.migrate().await.map_err(AssembleError::Database)?;
    output::tell("The database is up to date.");
    Ok(ExitCode::SUCCESS)
}
