//! Results of a model for many customers.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use crate::convert::{date, to_python};
use crate::error::raise;
use crate::ids::Ids;
use crate::outgoing::{Outgoing, numbers, texts};

/// Predictions for many customers: `customer_id`, `churn_probability`, `risk_segment`, and `covered` if customers outside of
/// the model's definition of churn were also scored.
///
/// Converts to pandas with :meth:`to_pandas`, and to every library with the Arrow PyCapsule interface:
/// `polars.DataFrame(predictions)`.
#[pyclass(frozen, module = "churn")]
pub(crate) struct Predictions {
    pub(crate) inner: churn::Predictions,
    pub(crate) ids: Ids,
}

#[pymethods]
impl Predictions {
    /// The ids of the customers as text, in the order of their features. Frames keep the type that the ids had in the input.
    #[getter]
    fn customer_id(&self) -> Vec<&str> {
        self.inner.customer_ids().collect()
    }

    /// The calibrated probability of churn of each customer.
    #[getter]
    fn churn_probability<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, self.inner.churn_probabilities())
    }

    /// The risk band of each customer: `"Low"`, `"Medium"`, `"High"`, `"Critical"`.
    #[getter]
    fn risk_segment(&self) -> Vec<&'static str> {
        self.inner.risk_segments().map(|segment| segment.name()).collect()
    }

    /// The number of customers of that day that the model's definition of churn covers (`covered`), and of those that it does
    /// not cover (`inactive`; of subscriptions `not_active` and `already_cancelled`), who are scored only on request. None for
    /// customers of a table.
    #[getter]
    fn coverage<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.coverage().map(|coverage| to_python(py, &coverage)).transpose()
    }

    /// True for each customer that the definition covers. None unless others were requested too, because all are covered then.
    #[getter]
    fn covered<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<bool>>> {
        self.inner.covered().map(|covered| PyArray1::from_slice(py, covered))
    }

    /// Of subscriptions, for each cause that the model knows (`"voluntary"`, `"involuntary"`, …), the probability that a customer leaves
    /// for it. Those of a customer add up to `churn_probability`. Empty for other models.
    #[getter]
    fn causes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let causes = PyDict::new(py);
        for (cause, probabilities) in self.inner.causes() {
            causes.set_item(cause.name(), PyArray1::from_slice(py, probabilities))?;
        }
        Ok(causes)
    }

    /// Returns the ids of the customers who are more likely to leave because a payment fails than because they cancel, by falling
    /// probability that a payment fails. None if the model does not tell these causes apart. Causes that were too rare to be learned
    /// are counted with the others, so without cancellations the other causes are compared.
    fn dunning<'py>(&self, py: Python<'py>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
        let Some(rows) = self.inner.dunning() else { return Ok(None) };
        let ids: Vec<&str> = self.inner.customer_ids().collect();
        rows.into_iter().map(|(row, _)| self.ids.value(py, ids[row])).collect::<PyResult<_>>().map(Some)
    }

    /// The findings about the scored data: `code`, `severity`, `message`, `evidence`, `suggestion`; worst first.
    #[getter]
    fn findings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.findings())
    }

    /// The day at which the customers were scored; None for customers of a table.
    #[getter]
    fn as_of<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.as_of().map(|day| date(py, day)).transpose()
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    /// Returns the predictions as a pandas frame.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py)
    }

    /// Returns :attr:`churn_probability`.
    fn to_numpy<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.churn_probability(py)
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
        let as_of = self.inner.as_of().map_or_else(String::new, |day| format!(", as of {day}"));
        let coverage = self.inner.coverage().unwrap_or_default();
        let inactive = coverage.inactive;
        let others = match (inactive, self.inner.covered()) {
            (0, _) if coverage.already_cancelled > 0 => {
                format!(", {} have already cancelled", coverage.already_cancelled)
            }
            (0, _) => String::new(),
            (_, None) => format!(", {inactive} inactive ones left out"),
            (_, Some(_)) => format!(", {inactive} of them inactive"),
        };
        format!("<Predictions: {} customers{as_of}{others}>", self.inner.len())
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("table", (slf,))
    }
}

impl Outgoing for Predictions {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let mut columns = vec![
            ("customer_id".to_owned(), self.ids.column(|| self.inner.customer_ids())),
            ("churn_probability".to_owned(), numbers(self.inner.churn_probabilities().iter().copied())),
            ("risk_segment".to_owned(), texts(self.inner.risk_segments().map(|segment| segment.name()))),
        ];
        if let Some(covered) = self.inner.covered() {
            columns.push(("covered".to_owned(), Arc::new(BooleanArray::from(covered.to_vec()))));
        }
        for (cause, probabilities) in self.inner.causes() {
            columns.push((cause.name().to_owned(), numbers(probabilities.iter().copied())));
        }
        columns
    }
}

/// The contribution of each feature to the risk of each customer.
#[pyclass(frozen, module = "churn")]
pub(crate) struct Explanation {
    pub(crate) inner: churn::Explanation,
    pub(crate) ids: Ids,
}

#[pymethods]
impl Explanation {
    /// The ids of the customers as text, in the order of their features. Frames keep the type that the ids had in the input.
    #[getter]
    fn customer_ids(&self) -> Vec<&str> {
        self.inner.customer_ids().collect()
    }

    /// The features, in the order of the columns.
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.inner.names().collect()
    }

    /// The contribution of each feature to the margin, as customers × features.
    #[getter]
    fn contributions<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f64>> {
        PyArray2::from_array(py, self.inner.contributions())
    }

    /// Returns :attr:`contributions`.
    fn to_numpy<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f64>> {
        self.contributions(py)
    }

    /// The margin of a customer without any known feature.
    #[getter]
    fn base(&self) -> f64 {
        self.inner.base()
    }

    /// The margin of each customer: base + the sum of the row, in the unit of :attr:`output`.
    #[getter]
    fn margin<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, self.inner.margin())
    }

    /// The calibrated probabilities that result from the margins.
    #[getter]
    fn churn_probability<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, self.inner.churn_probabilities())
    }

    /// The unit of margin and contributions: `"log_odds"`, or `"rate"` for a forest.
    #[getter]
    fn output(&self) -> &'static str {
        match self.inner.output() {
            churn::Output::LogOdds => "log_odds",
            churn::Output::Rate => "rate",
        }
    }

    /// The strongest reasons of each customer in words, strongest first.
    #[getter]
    fn reasons(&self, py: Python<'_>) -> Vec<Vec<String>> {
        let of = |row| self.inner.reasons(row).into_iter().map(|reason| reason.text).collect();
        py.detach(|| (0..self.inner.margin().len()).map(of).collect())
    }

    /// Returns the reasons of one row with their numbers: `feature`, `value`, `contribution`, `raises_risk`, `text`.
    fn reasons_of<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyAny>> {
        self.checked(row)?;
        to_python(py, &self.inner.reasons(row))
    }

    /// Returns the reasons of a list of customers. A reason that most of them share is returned only once.
    ///
    /// Parameters
    /// ----------
    /// rows : sequence of int, optional
    ///     The rows of the listed customers; by default all of them.
    ///
    /// Returns
    /// -------
    /// dict
    ///     `shared`: the reason that comes first for at least 80 % of at least five customers, with `feature`, `raises_risk`,
    ///     `customers` (how many share it) and `text`, or None; `rows`: the other reasons of each listed customer, as
    ///     :meth:`reasons_of` gives them.
    ///
    /// Raises
    /// ------
    /// IndexError
    ///     If there is no such row.
    #[pyo3(signature = (rows=None))]
    fn list_reasons<'py>(&self, py: Python<'py>, rows: Option<Vec<usize>>) -> PyResult<Bound<'py, PyAny>> {
        let rows = rows.unwrap_or_else(|| (0..self.inner.margin().len()).collect());
        rows.iter().try_for_each(|&row| self.checked(row))?;
        to_python(py, &py.detach(|| self.inner.list_reasons(&rows)))
    }

    /// Returns the features by the mean absolute value of their contributions, largest first: `feature`, `mean_absolute`.
    fn importance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner.importance())
    }

    /// Returns the value and the contribution of a feature, one row per customer: the points of a dependence plot.
    fn dependence<'py>(&self, py: Python<'py>, feature: Cow<'_, str>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let points = self.inner.dependence(&feature).map_err(raise)?;
        let flat: Vec<f64> = points.iter().flat_map(|&(value, added)| [value, added]).collect();
        PyArray1::from_vec(py, flat).reshape([points.len(), 2])
    }

    fn __len__(&self) -> usize {
        self.inner.margin().len()
    }

    /// Returns the explanation as a pandas frame: `customer_id`, `churn_probability`, and the reasons in one text.
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
        let (rows, columns) = self.inner.contributions().dim();
        format!("<Explanation: {rows} customers × {columns} features, in {}>", self.output())
    }

    /// The charts, drawn with matplotlib: `summary` and `importance`.
    #[getter]
    fn plot<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn.plot")?.call_method1("ExplanationPlots", (slf,))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("explanation", (slf,))
    }
}

impl Explanation {
    /// Checks that the row exists.
    fn checked(&self, row: usize) -> PyResult<()> {
        let rows = self.inner.margin().len();
        match row < rows {
            true => Ok(()),
            false => Err(pyo3::exceptions::PyIndexError::new_err(format!("row {row} of {rows}"))),
        }
    }
}

impl Outgoing for Explanation {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let texts_of =
            |row| self.inner.reasons(row).into_iter().map(|reason| reason.text).collect::<Vec<_>>().join("; ");
        let reasons: Vec<String> = (0..self.inner.margin().len()).map(texts_of).collect();
        vec![
            ("customer_id".to_owned(), self.ids.column(|| self.inner.customer_ids())),
            ("churn_probability".to_owned(), numbers(self.inner.churn_probabilities().iter().copied())),
            ("reasons".to_owned(), texts(reasons.iter().map(String::as_str))),
        ]
    }
}
