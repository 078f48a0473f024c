//! Customers who are slipping away.

use arrow_array::ArrayRef;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};

use crate::convert::{date, to_python};
use crate::ids::Ids;
use crate::outgoing::{Outgoing, numbers, texts};

/// The covered customers whose risk rose most since an earlier day, largest rise first: `customer_id`, `probability_before`,
/// `churn_probability`, `risk_segment`, `changes`, `value_at_risk`.
///
/// Returned by :meth:`Model.slipping_away`. Converts to pandas with :meth:`to_pandas`, and to every library with the Arrow
/// PyCapsule interface.
#[pyclass(frozen, module = "churn")]
pub(crate) struct SlippingList {
    pub(crate) inner: churn::SlippingList,
    pub(crate) ids: Ids,
}

#[pymethods]
impl SlippingList {
    /// The day at which the customers were scored.
    #[getter]
    fn as_of<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        date(py, self.inner.as_of)
    }

    /// The earlier day.
    #[getter]
    fn before<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        date(py, self.inner.before)
    }

    /// The ids of the customers as text.
    #[getter]
    fn customer_id(&self) -> Vec<&str> {
        self.inner.customers.iter().map(|customer| customer.customer_id.as_str()).collect()
    }

    /// The probability of churn of each customer on the earlier day.
    #[getter]
    fn probability_before<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.numbers(py, |customer| customer.probability_before)
    }

    /// The probability of churn of each customer on the later day.
    #[getter]
    fn churn_probability<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.numbers(py, |customer| customer.churn_probability)
    }

    /// The risk band of each customer on the later day.
    #[getter]
    fn risk_segment(&self) -> Vec<&'static str> {
        self.inner.customers.iter().map(|customer| customer.risk_segment.name()).collect()
    }

    /// The facts that raised each risk most, with their values on both days, strongest first.
    #[getter]
    fn changes(&self) -> Vec<Vec<String>> {
        self.inner.customers.iter().map(|customer| customer.changes.clone()).collect()
    }

    /// The sum of the amounts of the last 365 days, times the probability of churn on the later day; NaN for a log without
    /// amounts.
    #[getter]
    fn value_at_risk<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.numbers(py, |customer| customer.value_at_risk.unwrap_or(f64::NAN))
    }

    fn __len__(&self) -> usize {
        self.inner.customers.len()
    }

    /// Returns everything as dicts and lists: `as_of`, `before`, `customers`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dict = to_python(py, &self.inner)?;
        self.ids.restore(dict.get_item("customers")?.cast::<PyList>()?)?;
        Ok(dict)
    }

    /// Returns the list as a pandas frame; the changes of a customer are joined into one text.
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
        let churn::SlippingList { as_of, before, customers } = &self.inner;
        format!("<SlippingList: {} customers whose risk rose from {before} to {as_of}>", customers.len())
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("table", (slf,))
    }
}

impl SlippingList {
    fn numbers<'py>(&self, py: Python<'py>, of: impl Fn(&churn::Slipping) -> f64) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_vec(py, self.inner.customers.iter().map(of).collect())
    }
}

impl Outgoing for SlippingList {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let customers = || self.inner.customers.iter();
        let number = |of: fn(&churn::Slipping) -> f64| numbers(customers().map(of));
        let changes: Vec<String> = customers().map(|customer| customer.changes.join("; ")).collect();
        vec![
            ("customer_id".to_owned(), self.ids.column(|| customers().map(|customer| customer.customer_id.as_str()))),
            ("probability_before".to_owned(), number(|customer| customer.probability_before)),
            ("churn_probability".to_owned(), number(|customer| customer.churn_probability)),
            ("risk_segment".to_owned(), texts(customers().map(|customer| customer.risk_segment.name()))),
            ("changes".to_owned(), texts(changes.iter().map(String::as_str))),
            ("value_at_risk".to_owned(), number(|customer| customer.value_at_risk.unwrap_or(f64::NAN))),
        ]
    }
}
