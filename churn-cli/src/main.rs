//! The program `churn`.

use std::process::ExitCode;

fn main() -> ExitCode {
    churn_cli::program(|streams, interrupted| churn_cli::run(std::env::args_os().skip(1), streams, interrupted))
}
