//! Labels of a log.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};
use churn::LabelConfig;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use crate::convert::{Setting, day, read, settings};
use crate::error::raise;
use crate::events::Events;
use crate::ids::Ids;
use crate::outgoing::Outgoing;
use crate::subscriptions::{Subscriptions, labels_of};

/// Labels of customers: `customer_id` and `churned`.
#[pyclass(frozen, module = "churn")]
pub(crate) struct Labels {
    inner: churn::Labels,
    ids: Ids,
}

#[pymethods]
impl Labels {
    /// The ids of the customers that the definition covers, as text, in byte order.
    #[getter]
    fn customer_id(&self) -> Vec<&str> {
        self.inner.iter().map(|row| row.0).collect()
    }

    /// True for each customer who churned.
    #[getter]
    fn churned<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        PyArray1::from_vec(py, self.inner.iter().map(|row| row.1).collect())
    }

    /// Returns :attr:`churned`.
    fn to_numpy<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        self.churned(py)
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    /// Returns the labels as a pandas frame.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        self.stream(py, requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        self.schema(py)
    }

    fn __repr__(&self) -> String {
        format!("<Labels: {} customers, {} churned>", self.inner.len(), self.inner.churned())
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("table", (slf,))
    }
}

impl Outgoing for Labels {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let churned: BooleanArray = self.inner.iter().map(|row| Some(row.1)).collect();
        vec![
            ("customer_id".to_owned(), self.ids.column(|| self.inner.iter().map(|row| row.0))),
            ("churned".to_owned(), Arc::new(churned)),
        ]
    }
}

/// Labels the customers who churned after a cutoff.
///
/// Parameters
/// ----------
/// events : Events or Subscriptions
/// cutoff : date or str
///     The day at which customers are looked at.
/// horizon_days : int, default 90
///     Days in which a customer may come back.
/// gap_days : int, default 0
///     Days after the cutoff that do not count.
/// active_within_days : int or None, default 365
///     Only customers with an event in these last days before the cutoff; None for all.
/// event_types : list of str, optional
///     The event types that count as coming back; all if left out.
/// labels : {"outcome_window", "inactivity", "provided"}, default "outcome_window"
/// threshold_days : int, default 30
///     Of `"inactivity"`.
///
/// allowed_gap_days : int, default 30
///     Of subscriptions, the longest hole between two periods that is no churn.
///
/// Returns
/// -------
/// Labels
///     Of subscriptions, SubscriptionLabels.
///
/// Examples
/// --------
/// >>> import churn
/// >>> events = churn.read_csv(b"customer_id,event_date\nanna,2024-01-02\nanna,2024-01-20\nbert,2024-01-02\nbert,2024-05-02\n")
/// >>> labels = churn.labels(events, "2024-01-03", horizon_days=30)
/// >>> labels.customer_id, labels.churned
/// (['anna', 'bert'], array([False,  True]))
#[pyfunction]
#[pyo3(
    signature = (
        events, cutoff, horizon_days=Setting(None), gap_days=Setting(None), active_within_days=Setting(None),
        event_types=Setting(None), **config
    ),
    text_signature = "(events, cutoff, horizon_days=90, gap_days=0, active_within_days=365, event_types=None, **config)"
)]
#[allow(clippy::too_many_arguments, reason = "a call of Python, with names")]
pub(crate) fn labels(
    py: Python<'_>,
    events: &Bound<'_, PyAny>,
    cutoff: &Bound<'_, PyAny>,
    horizon_days: Setting<'_>,
    gap_days: Setting<'_>,
    active_within_days: Setting<'_>,
    event_types: Setting<'_>,
    config: Option<&Bound<'_, PyDict>>,
) -> PyResult<Py<PyAny>> {
    let mut keys = settings(config)?;
    horizon_days.put(&mut keys, "horizon_days")?;
    gap_days.put(&mut keys, "gap_days")?;
    active_within_days.put(&mut keys, "active_within_days")?;
    event_types.put(&mut keys, "event_types")?;
    let config: LabelConfig = read(keys)?;
    let cutoff = day(cutoff)?;
    if let Ok(subscriptions) = events.cast::<Subscriptions>() {
        return Ok(Py::new(py, labels_of(py, subscriptions.get(), cutoff, &config)?)?.into_any());
    }
    let Events { inner: events, ids, .. } = events.cast::<Events>()?.get();
    let inner = py.detach(|| {
        let (history, outcome) = events.split_at(cutoff);
        churn::labels(&history, &outcome, &config)
    });
    Ok(Py::new(py, Labels { inner: inner.map_err(raise)?, ids: ids.clone() })?.into_any())
}
