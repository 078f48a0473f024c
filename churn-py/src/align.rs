//! Aligns inputs about the same customers into one order (`churn._align`).

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// An input: its name in messages, the column to take from a frame, and the value.
pub(crate) type Given<'a, 'py> = (&'a str, &'a str, Option<&'a Bound<'py, PyAny>>);

/// Returns the inputs in the order of the ids, or of the first input that has ids. None for an input that was not given.
pub(crate) fn aligned<'py, const N: usize>(
    py: Python<'py>,
    ids: Option<Vec<&str>>,
    inputs: [Given<'_, 'py>; N],
) -> PyResult<[Bound<'py, PyAny>; N]> {
    let inputs = PyList::new(py, inputs)?;
    let found = py.import(intern!(py, "churn._align"))?.call_method1(intern!(py, "aligned"), (ids, inputs))?;
    found.extract()
}
