//! The one error type: what went wrong ([`ErrorKind`], a stable code), where (a line), and what would be right (the message).

use std::fmt;

use crate::events::IngestReport;
use crate::findings::Finding;

/// The result of everything that data can make fail.
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
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// What kind of thing went wrong. The codes are part of the interface and never change their meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $name,)* }

        impl ErrorKind {
            /// Every kind, in the order of this list.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// The stable snake_case code, the same in every language and in the REST answers.
            pub fn code(self) -> &'static str {
                match self { $(ErrorKind::$name => $code,)* }
            }
        }
    };
}

kinds! {
    /// The operating system could not read or write.
    Io = "io",
    /// The input holds nothing.
    EmptyFile = "empty_file",
    /// A column that is needed is not in the header.
    MissingColumn = "missing_column",
    /// A column that is needed stands in the header twice.
    DuplicateColumn = "duplicate_column",
    /// The input is not UTF-8 text.
    NotUtf8 = "not_utf8",
    /// A quoted field is never closed.
    UnclosedQuote = "unclosed_quote",
    /// One record is longer than any real one.
    RecordTooLong = "record_too_long",
    /// Rows that cannot be read, in mode `fail`.
    BadRows = "bad_rows",
    /// More unreadable rows than the share that may be skipped.
    TooManyBadRows = "too_many_bad_rows",
    /// Not one row could be used.
    NoGoodRows = "no_good_rows",
    /// More distinct event types, categories or columns than can mean anything.
    TooManyValues = "too_many_values",
    /// A column has a type that cannot serve.
    InvalidColumn = "invalid_column",
    /// A setting is out of its range or contradicts another.
    InvalidParameter = "invalid_parameter",
    /// A cutoff whose past or future is not inside the data.
    CutoffOutsideData = "cutoff_outside_data",
    /// Labels were asked for that the data does not carry.
    MissingLabels = "missing_labels",
    /// No customer is left to look at.
    NoCustomers = "no_customers",
    /// Too few rows to learn or to judge from.
    TooFewRows = "too_few_rows",
    /// Only one class, or too few of one.
    OneClass = "one_class",
    /// Two inputs that belong together differ in length or shape.
    ShapeMismatch = "shape_mismatch",
    /// A probability outside 0..1.
    InvalidProbability = "invalid_probability",
    /// The features given are not those that the model was trained on.
    FeatureMismatch = "feature_mismatch",
    /// The model document does not hold what explanations compare with.
    MissingBackground = "missing_background",
    /// A finding of severity `error` that is not allowed.
    Finding = "finding",
    /// The audit found that the future reaches the features.
    Leak = "leak",
    /// Not a model document, or a damaged one.
    InvalidDocument = "invalid_document",
    /// A model document of a version that this library does not read.
    UnsupportedVersion = "unsupported_version",
    /// The document's golden rows do not come out as written.
    GoldenMismatch = "golden_mismatch",
    /// The observer asked to stop.
    Cancelled = "cancelled",
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, message: message.into(), line: None, report: None, findings: Vec::new() }))
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

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code of the kind, such as `"missing_column"`.
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The line (1-based, the header is line 1) or, for tables without lines, the row (1-based) at fault.
    pub fn line(&self) -> Option<u64> {
        self.0.line
    }

    /// What had been read when reading failed for its rows.
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

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::new(ErrorKind::Io, error.to_string())
    }
}

/// A setting out of its range: the name, what was given, what would be right.
pub(crate) fn invalid_parameter(name: &str, given: impl fmt::Display, expected: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, format!("{name} is {given}; expected {expected}"))
}
