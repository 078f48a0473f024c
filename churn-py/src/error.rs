//! Converts errors of the core to the Python exceptions of their kinds (`churn.errors`).

use churn::ErrorKind;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::to_python;

/// Creates the exception for an error code.
fn exception(
    code: &str,
    message: &str,
    line: Option<u64>,
    report: Option<&churn::IngestReport>,
    findings: &[churn::Finding],
) -> PyErr {
    let made = Python::attach(|py| {
        let class = py.import("churn.errors")?.getattr("BY_CODE")?.get_item(code)?;
        let details = PyDict::new(py);
        details.set_item("line", line)?;
        details.set_item("report", report.map(|report| to_python(py, report)).transpose()?)?;
        if code == churn::ErrorKind::Finding.code() {
            details.set_item("findings", to_python(py, findings)?)?;
        }
        class.call((message,), Some(&details)).map(PyErr::from_value)
    });
    made.unwrap_or_else(|error| error)
}

/// Converts an error of the core.
pub(crate) fn raise(error: churn::Error) -> PyErr {
    exception(error.code(), &error.to_string(), error.line(), error.report(), error.findings())
}

/// Creates an error for a value that a conversion refuses, with the error code of the core.
pub(crate) fn error_of_kind(kind: ErrorKind, message: impl AsRef<str>) -> PyErr {
    exception(kind.code(), message.as_ref(), None, None, &[])
}

/// Creates an error for an invalid setting.
pub(crate) fn invalid(message: impl AsRef<str>) -> PyErr {
    error_of_kind(ErrorKind::InvalidParameter, message)
}
