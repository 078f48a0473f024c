//! A single learner, for `churn.sklearn`.

use std::borrow::Cow;

use churn::LearnConfig;
use numpy::{PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{config, optional_floats, outcomes, to_python};
use crate::error::raise;
use crate::watch::PyObserver;

/// A fitted learner on numeric features, with its calibration.
#[pyclass(frozen, module = "churn._churn")]
pub(crate) struct Classifier {
    inner: churn::Classifier,
}

#[pymethods]
impl Classifier {
    /// Fits a learner to a matrix (rows × features), the feature names, and the outcomes.
    #[staticmethod]
    #[pyo3(signature = (x, names, y, weights=None, **parameters))]
    fn fit(
        x: PyReadonlyArray2<'_, f64>,
        names: Vec<String>,
        y: &Bound<'_, PyAny>,
        weights: Option<&Bound<'_, PyAny>>,
        parameters: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Classifier> {
        let config: LearnConfig = config(parameters)?;
        let (py, x) = (y.py(), x.as_array().to_owned());
        let (y, weights) = (outcomes(y, "y")?, optional_floats(weights, "sample_weight")?);
        let inner = PyObserver::new(None)?
            .run(py, |watch| churn::Classifier::fit_observed(&x, &names, &y, weights.as_deref(), &config, watch))?;
        Ok(Classifier { inner })
    }

    /// The probability of churn for each row.
    fn probabilities<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let x = x.as_array().to_owned();
        let p = py.detach(|| self.inner.probabilities(&x)).map_err(raise)?;
        Ok(PyArray1::from_vec(py, p))
    }

    /// The settings it was fitted with, including the values chosen automatically.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.parameters())
    }

    /// Returns a versioned JSON text.
    fn to_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.to_json())
    }

    /// Reads the output of `to_json`, from any source.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: Cow<'_, str>) -> PyResult<Classifier> {
        Ok(Classifier { inner: py.detach(|| churn::Classifier::from_json(&text)).map_err(raise)? })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(slf.py()),)))
    }
}
