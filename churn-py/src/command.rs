//! The command `churn`, which the wheel installs as a script.

use std::ffi::OsString;

use churn::Observer as _;
use pyo3::prelude::*;

use crate::watch::PyObserver;

/// Runs the command `churn` with the standard streams of the process.
///
/// Parameters
/// ----------
/// arguments : list of str
///     The arguments after the name of the command.
///
/// Returns
/// -------
/// int
///     The exit code.
#[pyfunction]
pub(crate) fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    let watch = PyObserver::new(None)?;
    watch.run(py, |watch| Ok(churn_cli::run(arguments, churn_cli::Streams::standard(), &|| watch.cancelled())))
}
