//! Inputs that belong to the same customers, in one order (`churn._align`).

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// An input: how a message calls it, the column of a frame that is meant, and what was given.
pub(crate) type Given<'a, 'py> = (&'a str, &'a str, Option<&'a Bound<'py, PyAny>>);

/// The inputs in the order of the ids, or of the first of them that has ids; None where one was not given.
pub(crate) fn aligned<'py, const N: usize>(
    py: Python<'py>,
    ids: Option<Vec<&str>>,
    inputs: [Given<'_, 'py>; N],
) -> PyResult<[Bound<'py, PyAny>; N]> {
    let inputs = PyList::new(py, inputs)?;
    let found = py.import(intern!(py, "churn._align"))?.call_method1(intern!(py, "aligned"), (ids, inputs))?;
    found.extract()
}
