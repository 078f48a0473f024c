//! The error type of the library: its kind with a stable code ([`ErrorKind`]), the line of the fault, and a message that says
//! what was expected.

use std::fmt;

use crate::events::IngestReport;
use crate::findings::Finding;

/// The result of every function that can fail because of its input.
pub type Result<T> = std::result::Result<T, Error>;

/// An error with a stable [`code`](Error::code), a message for people and, for data errors, the line it was found on.
///
/// ```
/// let options = churn::ReadOptions::default();
/// let error = churn::Events::from_csv("customer_id,event_date\nA,2024-13-01\n".as_bytes(), &options).unwrap_err();
/// assert_eq!(error.code(), "bad_rows");
/// assert_eq!(error.line(), Some(2));
/// assert!(error.to_string().contains("\"2024-13-01\" is not a date"));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    line: Option<u64>,
    report: Option<IngestReport>,
    findings: Vec<Finding>,
    source: Option<std::io::Error>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The kind of an error. The codes are part of the interface and never change their meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $name,)* }

        impl ErrorKind {
            /// Every kind, in the order of this list.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// The stable snake_case code. It is the same in every language and in the REST responses.
            pub fn code(self) -> &'static str {
                match self { $(ErrorKind::$name => $code,)* }
            }
        }
    };
}

kinds! {
    /// The operating system could not read or write.
    Io = "io",
    /// The input is empty.
    EmptyFile = "empty_file",
    /// The file can be read in several ways, or its columns are not clear.
    UnclearFile = "unclear_file",
    /// A required column is not in the header.
    MissingColumn = "missing_column",
    /// A required column is in the header twice.
    DuplicateColumn = "duplicate_column",
    /// The input is not UTF-8 text.
    NotUtf8 = "not_utf8",
    /// A quoted field is never closed.
    UnclosedQuote = "unclosed_quote",
    /// A record is longer than the largest size that is read.
    RecordTooLong = "record_too_long",
    /// Rows that cannot be read, in mode `fail`.
    BadRows = "bad_rows",
    /// The share of bad rows is larger than the largest share that may be skipped.
    TooManyBadRows = "too_many_bad_rows",
    /// No row could be used.
    NoGoodRows = "no_good_rows",
    /// More distinct event types, categories or columns than are supported.
    TooManyValues = "too_many_values",
    /// A column has an unsupported type.
    InvalidColumn = "invalid_column",
    /// A setting is out of its range or contradicts another.
    InvalidParameter = "invalid_parameter",
    /// The past or the outcome window of a cutoff is not inside the data.
    CutoffOutsideData = "cutoff_outside_data",
    /// Labels were requested, but the data has none.
    MissingLabels = "missing_labels",
    /// No customer is left to work on.
    NoCustomers = "no_customers",
    /// Too few rows to train on or to evaluate on.
    TooFewRows = "too_few_rows",
    /// Only one class, or too few of one.
    OneClass = "one_class",
    /// Two inputs that belong together differ in length or shape.
    ShapeMismatch = "shape_mismatch",
    /// A probability outside 0..1.
    InvalidProbability = "invalid_probability",
    /// The features differ from the features that the model was trained on.
    FeatureMismatch = "feature_mismatch",
    /// The model document does not contain the background data that explanations need.
    MissingBackground = "missing_background",
    /// A finding of severity `error` that is not allowed.
    Finding = "finding",
    /// The audit found that the future reaches the features.
    Leak = "leak",
    /// Not a model document, or a damaged one.
    InvalidDocument = "invalid_document",
    /// The model document has a version that this library does not read.
    UnsupportedVersion = "unsupported_version",
    /// Scoring the golden rows of the document gives other probabilities than the document states.
    GoldenMismatch = "golden_mismatch",
    /// The observer asked to stop.
    Cancelled = "cancelled",
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Error(Box::new(Inner { kind, message, line: None, report: None, findings: Vec::new(), source: None }))
    }

    pub(crate) fn at_line(mut self, line: u64) -> Self {
        self.0.line = Some(line);
        self
    }

    pub(crate) fn with_report(mut self, report: IngestReport) -> Self {
        self.0.report = Some(report);
        self
    }

    pub(crate) fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.0.findings = findings;
        self
    }

    /// The findings that stopped the work; empty for errors of other kinds.
    pub fn findings(&self) -> &[Finding] {
        &self.0.findings
    }

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code of the kind, such as `"missing_column"`.
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The line that caused the error (1-based, the header is line 1). For tables without lines, the row (1-based).
    pub fn line(&self) -> Option<u64> {
        self.0.line
    }

    /// The ingest report up to the failure, if reading failed because of bad rows.
    pub fn report(&self) -> Option<&IngestReport> {
        self.0.report.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({}: {})", self.code(), self.0.message)
    }
}

impl std::error::Error for Error {
    /// The error of the operating system or of the caller's reader, for the kind [`ErrorKind::Io`].
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|error| error as _)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let mut converted = Error::new(ErrorKind::Io, error.to_string());
        converted.0.source = Some(error);
        converted
    }
}

/// The error for a setting that is out of its range, with its name, the given value and the expected values.
pub(crate) fn invalid_parameter(name: &str, given: impl fmt::Display, expected: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, format!("{name} is {given}; expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_reader_keeps_its_source() {
        struct Broken;

        impl std::io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "the line is dead"))
            }
        }

        let error = crate::Events::from_csv(Broken, &crate::ReadOptions::default()).expect_err("nothing can be read");
        assert_eq!(error.code(), "io");
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
        assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::TimedOut));
        assert!(error.to_string().contains("the line is dead"));
        assert!(std::error::Error::source(&Error::new(ErrorKind::EmptyFile, "empty")).is_none());
    }
}
