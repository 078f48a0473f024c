//! From a log of transactions to risk: `cargo run --release --example quickstart [-- transactions.csv --help]`.
//!
//! Reads a CSV file, or makes a synthetic one, and does the work of `churn report`: trains a model, scores the customers, says
//! why and whom to contact, and writes features, predictions, contact list, evaluation, model and report to a folder.

#[path = "quickstart/log.rs"]
mod log;

use std::path::PathBuf;
use std::process::ExitCode;

use churn_cli::report::ReportArgs;
use churn_cli::{Files, Result, Session, create_folder, program};
use clap::{CommandFactory, FromArgMatches, Parser};

/// Lists the customers who are about to leave: reads a log of transactions, trains a model, scores every customer and writes
/// a report.
#[derive(Parser)]
#[command(name = "quickstart")]
struct Arguments {
    /// CSV file with one event a row; without one a synthetic log is made
    file: Option<PathBuf>,
    #[command(flatten)]
    options: ReportArgs,
}

/// Options that the synthetic log has no use for.
const ONLY_WITH_A_FILE: [&str; 9] = [
    "customer_id",
    "event_date",
    "amount",
    "event_type",
    "order_id",
    "churn_label",
    "date_format",
    "first_day",
    "last_day",
];

fn main() -> ExitCode {
    let command = Arguments::command().mut_arg("out", |out| out.default_value("target/quickstart"));
    let command =
        ONLY_WITH_A_FILE.into_iter().fold(command, |command, name| command.mut_arg(name, |arg| arg.requires("file")));
    let arguments = Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    program(|streams, interrupted| {
        let session = Session::new(streams, interrupted);
        session.end(run(&arguments, &session))
    })
}

fn run(Arguments { file, options }: &Arguments, session: &Session<'_>) -> Result<u8> {
    create_folder(&options.out)?;
    let mut files = Files::new(session);
    let path = match file {
        Some(path) => path.clone(),
        None => synthesize(options, &mut files, session)?,
    };
    options.run(&path, files, session)
}

/// Writes a log of its own to the folder, to be read like anybody else's.
fn synthesize(options: &ReportArgs, files: &mut Files<'_>, session: &Session<'_>) -> Result<PathBuf> {
    session.say(
        "No file given: this is a synthetic log, made for this run; its numbers say nothing about real customers.\n",
    );
    let path = options.out.join("transactions.csv");
    let _progress = session.progress("Making a synthetic log");
    files.write(&path, |writer| Ok(log::write(writer, options.training.seed.unwrap_or_default())?))?;
    Ok(path)
}
