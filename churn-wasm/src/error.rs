//! Errors for JavaScript: an `Error` with `code`, `line`, `report` and `findings`.

use wasm_bindgen::JsValue;

use crate::convert::{failure, results};

/// An error before its conversion to a JavaScript `Error`.
pub enum BindingError {
    /// Error of the core.
    Core(churn::Error),
    /// Error in the arguments, before the core was called.
    Argument {
        /// `invalid_parameter`, or `bad_rows` for an error in a row.
        code: &'static str,
        /// Description of the error: what was found and what was expected.
        message: String,
        /// Number of the row, counted from 1.
        line: Option<u32>,
    },
}

/// Result of the exported functions.
pub type Result<T> = std::result::Result<T, BindingError>;

impl BindingError {
    /// Creates an error for an invalid argument.
    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        BindingError::Argument { code: "invalid_parameter", message: message.into(), line: None }
    }

    /// Creates an error for a row of the caller, counted from 1.
    pub(crate) fn row(row: usize, message: impl std::fmt::Display) -> Self {
        BindingError::Argument { code: "bad_rows", message: format!("row {row}: {message}"), line: Some(row as u32) }
    }

    /// Converts an exception of the JavaScript side of the conversion.
    pub(crate) fn thrown(error: &JsValue) -> Self {
        let message = js_sys::Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
        BindingError::parameter(message.unwrap_or_else(|| format!("{error:?}")))
    }
}

impl From<churn::Error> for BindingError {
    fn from(error: churn::Error) -> Self {
        BindingError::Core(error)
    }
}

impl From<BindingError> for JsValue {
    fn from(found: BindingError) -> JsValue {
        match found {
            BindingError::Core(error) => {
                let report = error.report().and_then(|report| results(report).ok()).unwrap_or(JsValue::NULL);
                let findings = results(&error.findings()).unwrap_or(JsValue::NULL);
                // The conversion is exact, because no file has more than 2^53 lines.
                failure(error.code(), &error.to_string(), error.line().map(|line| line as f64), report, findings)
            }
            BindingError::Argument { code, message, line } => {
                failure(code, &message, line.map(f64::from), JsValue::NULL, JsValue::NULL)
            }
        }
    }
}
