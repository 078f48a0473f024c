//! Errors as JavaScript sees them: an `Error` with `code`, `line`, `report` and `findings`.

use wasm_bindgen::JsValue;

use crate::convert::{failure, results};

/// What went wrong, before it becomes a JavaScript `Error`.
pub enum Failure {
    /// In the core.
    Core(churn::Error),
    /// In what was handed over, before the core could see it.
    Argument {
        /// `invalid_parameter`, or `bad_rows` with the row.
        code: &'static str,
        /// What was found and what would be right.
        message: String,
        /// The row, counted from 1.
        line: Option<u32>,
    },
}

/// What the exports return.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// An argument that is not what it should be.
    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Failure::Argument { code: "invalid_parameter", message: message.into(), line: None }
    }

    /// A row of the caller's, counted from 1.
    pub(crate) fn row(row: usize, message: impl std::fmt::Display) -> Self {
        Failure::Argument { code: "bad_rows", message: format!("row {row}: {message}"), line: Some(row as u32) }
    }

    /// What the JavaScript side of the conversion threw.
    pub(crate) fn thrown(error: &JsValue) -> Self {
        let message = js_sys::Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
        Failure::parameter(message.unwrap_or_else(|| format!("{error:?}")))
    }
}

impl From<churn::Error> for Failure {
    fn from(error: churn::Error) -> Self {
        Failure::Core(error)
    }
}

impl From<Failure> for JsValue {
    fn from(found: Failure) -> JsValue {
        match found {
            Failure::Core(error) => {
                let report = error.report().and_then(|report| results(report).ok()).unwrap_or(JsValue::NULL);
                let findings = results(&error.findings()).unwrap_or(JsValue::NULL);
                // Lines beyond 2^53 do not exist.
                failure(error.code(), &error.to_string(), error.line().map(|line| line as f64), report, findings)
            }
            Failure::Argument { code, message, line } => {
                failure(code, &message, line.map(f64::from), JsValue::NULL, JsValue::NULL)
            }
        }
    }
}
