//! The command `churn`: from a log of transactions to a report, a model and predictions.
//!
//! [`run`] is the whole command. The program `churn`, the Python wheel and the example `quickstart` call it or its parts.
//!
//! There is one file per subcommand. It has a struct of options, which is made of the groups in [`arguments`], and a function
//! `run` that returns the exit code. It reads with [`read_log`], prints with [`Session::say`] and [`Session::document`], shows
//! progress with [`Session::progress`] and writes with [`Files`].

pub mod arguments;
mod backtest;
mod bench;
mod check;
mod decision;
mod documents;
mod failure;
mod files;
mod options;
mod predict;
mod progress;
mod reading;
pub mod report;
mod session;
mod subscriptions;
mod summary;
#[cfg(test)]
mod tests;
mod train;

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use failure::{Failure, Result};
pub use files::{Files, create_folder};
pub use progress::Progress;
pub use reading::{Log, read_log, read_model, up_to};
pub use session::{Interrupted, Session, Streams, program};

/// The exit codes of the command.
pub mod exit {
    /// The work is done.
    pub const OK: u8 = 0;
    /// The data, a file or a finding says no.
    pub const REFUSED: u8 = 1;
    /// An option or a setting is wrong.
    pub const USAGE: u8 = 2;
    /// The user has ended the work.
    pub const INTERRUPTED: u8 = 130;
}

const AFTER_HELP: &str = "\
Exit codes: 0 the work is done; 1 the data, a file or a finding says no; 2 an option or a setting is wrong; 130 interrupted by \
Ctrl-C.";

/// Lists the customers who are about to leave, says why, and whom to contact, from a log of their transactions.
#[derive(Debug, Parser)]
#[command(name = "churn", bin_name = "churn", version, no_binary_name = true, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Show no progress
    #[arg(long, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a log, train a model, score the customers and write a report: the main job
    Report(report::ReportCommand),
    /// Check a log and suggest settings; the exit code is 1 if there is a finding of severity error
    Check(check::CheckCommand),
    /// Train a model on a log and write it to a file
    Train(train::TrainCommand),
    /// Score the customers of a log with a model
    Predict(predict::PredictCommand),
    /// Judge a recipe at every cutoff that a log allows, each time by a model that learned from what was known by then
    Backtest(backtest::BacktestCommand),
    /// Read subscription periods, and print their movements, their retention and the customers who may leave
    Subscriptions(Box<subscriptions::SubscriptionsCommand>),
    /// Judge this library beside others on real logs: the public benchmark
    Bench(bench::BenchCommand),
}

/// Runs the command with the arguments after its name and returns the exit code.
pub fn run<A: Into<OsString> + Clone>(
    arguments: impl IntoIterator<Item = A>,
    mut streams: Streams,
    interrupted: &Interrupted<'_>,
) -> u8 {
    let command = Cli::command().after_help(AFTER_HELP).mut_subcommands(|command| command.after_help(AFTER_HELP));
    let cli = match command.try_get_matches_from(arguments).and_then(|found| Cli::from_arg_matches(&found)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results, all else is an error.
            let stream = if error.use_stderr() { &mut streams.err } else { &mut streams.out };
            // Nobody is left to tell if the stream is closed.
            let _ = write!(stream, "{}", error.render()).and_then(|()| stream.flush());
            return if error.use_stderr() { exit::USAGE } else { exit::OK };
        }
    };
    let session = Session::new(streams, interrupted).with_json(cli.json).with_quiet(cli.quiet);
    let result = match &cli.command {
        Command::Report(command) => command.run(&session),
        Command::Check(command) => command.run(&session),
        Command::Train(command) => command.run(&session),
        Command::Predict(command) => command.run(&session),
        Command::Backtest(command) => command.run(&session),
        Command::Subscriptions(command) => command.run(&session),
        Command::Bench(command) => command.run(&session),
    };
    session.end(result)
}
