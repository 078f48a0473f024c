//! Checks of a log before it is used.

use churn::LabelConfig;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{config, to_python};
use crate::error::raise;
use crate::events::Events;
use crate::subscriptions::Subscriptions;

/// Checks a log against a definition of churn, before a model is trained on it.
///
/// Parameters
/// ----------
/// events : Events or Subscriptions
/// **definition
///     Of events, as for :func:`labels`: `labels`, `horizon_days`, `gap_days`, `active_within_days`, `event_types`, `threshold_days`.
///
/// Returns
/// -------
/// list of dict
///     `code` (one of :func:`finding_codes`), `severity` (`"error"`, `"warning"`, `"note"`), `message`, `evidence` (its numbers)
///     and `suggestion` (the settings that would mend it); worst first.
///
/// Examples
/// --------
/// >>> import churn
/// >>> days = [f"2024-{month:02}-{day:02}" for month in range(1, 13) for day in (1, 8, 15, 22)]
/// >>> log = {"customer_id": ["anna"] * 49, "event_date": [*days, "2099-01-01"]}
/// >>> finding = churn.check(churn.Events.from_table(log))[0]
/// >>> finding["code"], finding["severity"], finding["suggestion"]
/// ('isolated_last_day', 'error', {'last_day': '2024-12-22'})
#[pyfunction]
#[pyo3(signature = (events, **definition))]
pub(crate) fn check<'py>(
    events: &Bound<'py, PyAny>,
    definition: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let definition: LabelConfig = config(definition)?;
    let py = events.py();
    if let Ok(subscriptions) = events.cast::<Subscriptions>() {
        let subscriptions = &subscriptions.get().inner;
        return to_python(py, &py.detach(|| churn::check_subscriptions(subscriptions)));
    }
    let events = &events.cast::<Events>()?.get().inner;
    to_python(py, &py.detach(|| churn::check(events, &definition)).map_err(raise)?)
}

/// Proposes a horizon from the pauses after which customers came back.
///
/// Parameters
/// ----------
/// events : Events
///
/// Returns
/// -------
/// dict
///     `horizon_days` and `active_within_days`, as :func:`train` takes them; `shares`, for each usual horizon the share of pauses
///     that end within it; `customers`, how many have a pause.
///
/// Examples
/// --------
/// >>> import churn
/// >>> sorted(churn.suggest(events))
/// ['active_within_days', 'customers', 'horizon_days', 'shares']
#[pyfunction]
pub(crate) fn suggest<'py>(events: &Bound<'py, Events>) -> PyResult<Bound<'py, PyAny>> {
    let (py, events) = (events.py(), &events.get().inner);
    to_python(py, &py.detach(|| churn::suggest(events)).map_err(raise)?)
}

/// Returns all codes that a finding can have: `code`, `severity`, `meaning`.
///
/// Returns
/// -------
/// list of dict
///
/// Examples
/// --------
/// >>> import churn
/// >>> churn.finding_codes()[0]["code"]
/// 'isolated_last_day'
#[pyfunction]
pub(crate) fn finding_codes(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    to_python(py, &churn::finding_codes())
}
