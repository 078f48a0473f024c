//! Failures that end the command.

use std::io;
use std::path::Path;

use churn::{ErrorKind, Finding};
use serde::Serialize;

use crate::exit;
use crate::options::in_options;

/// A failure that ends the command: a stable code and one clear message.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// The code of the core's error, such as `missing_column`.
    pub code: &'static str,
    /// The message, in which settings are named as options.
    pub message: String,
    /// The line of the file that caused the failure.
    pub line: Option<u64>,
    /// The findings that stopped the work.
    pub findings: Vec<Finding>,
    /// The options that avoid the failure, where they are not those of [`Failure::hint`] for the code.
    #[serde(skip)]
    pub advice: Option<&'static str>,
}

/// The result of a step that can end the command.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure of a kind that the core knows.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Failure { code: kind.code(), message: message.into(), line: None, findings: Vec::new(), advice: None }
    }

    /// A failure of the operating system.
    pub fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        Failure::new(ErrorKind::Io, format!("{what} {}: {error}", path.display()))
    }

    /// A failure because of a file.
    pub fn at(path: &Path, error: churn::Error) -> Self {
        let failure = Failure::from(error);
        // A setting is not wrong because of the file.
        if failure.code == ErrorKind::InvalidParameter.code() {
            return failure;
        }
        Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
    }

    /// A failure because of findings that are not allowed.
    pub fn of_findings(findings: Vec<Finding>) -> Self {
        let message = in_options(&messages(&findings));
        Failure { findings, ..Failure::new(ErrorKind::Finding, message) }
    }

    /// The same failure with other options that avoid it.
    #[must_use]
    pub fn with_advice(self, advice: &'static str) -> Self {
        Failure { advice: Some(advice), ..self }
    }

    /// The exit code of a command that ends with this failure.
    pub fn exit_code(&self) -> u8 {
        let is = |kind: ErrorKind| self.code == kind.code();
        match () {
            () if is(ErrorKind::Cancelled) => exit::INTERRUPTED,
            () if is(ErrorKind::InvalidParameter) => exit::USAGE,
            () => exit::REFUSED,
        }
    }

    /// The options that avoid the failure, if there are some.
    pub fn hint(&self) -> Option<String> {
        if let Some(advice) = self.advice {
            return Some(advice.to_owned());
        }
        let hint = match self.code {
            "missing_column" => {
                "name the columns with --customer-id, --event-date, --amount, --event-type and --order-id"
            }
            "unclear_file" => "an option answers the question; `churn check FILE` shows what was found",
            "bad_rows" => "--skip-bad-rows leaves them out and reports them; --date-format sets the form of the dates",
            "finding" => {
                let allowed: Vec<String> =
                    self.findings.iter().map(|found| format!("--allow {}", found.code)).collect();
                return Some(format!("{} continues in spite of it", allowed.join(" ")));
            }
            "cutoff_outside_data" => "a shorter --horizon-days needs less history",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<churn::Error> for Failure {
    fn from(error: churn::Error) -> Self {
        let message = match error.findings() {
            [] => error.to_string(),
            // The message of the core ends with the setting that allows them; the hint says it with the option.
            findings => messages(findings),
        };
        Failure {
            code: error.code(),
            message: in_options(&message),
            line: error.line(),
            findings: error.findings().to_vec(),
            advice: None,
        }
    }
}

fn messages(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("\n")
}
