//! Judging predictions, and what to do about them.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array, StringArray};
use arrow_cast::cast;
use arrow_schema::DataType;
use churn::profit::{self, Campaign, ContactConfig, EmpcConfig, OutcomeConfig};
use churn::{CompareConfig, ErrorKind, EvaluationConfig, Thresholds};
use numpy::PyArray1;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};

use crate::arrow::{self, Batches};
use crate::convert::{config, floats, json, optional_floats, outcomes, to_python};
use crate::error::{invalid, raise, refuse};
use crate::results::Predictions;
use crate::watch::Watch;

/// Judges probabilities against what happened.
///
/// Parameters
/// ----------
/// y_true : array-like
///     Who churned: booleans, or 0 and 1.
/// y_prob : array-like
///     Their probabilities.
/// threshold : float, default 0.5
///     A customer with this probability or more is predicted to churn.
/// bins : int, default 10
///     Equal-mass bins of the expected calibration error.
///
/// Returns
/// -------
/// dict
///     `n`, `base_rate`, `accuracy`, `precision`, `recall`, `specificity`, `f1`, `roc_auc`, `pr_auc`, `log_loss`, `brier`,
///     `ece`, `lift_10`, `tp`, `fp`, `tn`, `fn`.
///
/// Examples
/// --------
/// >>> import churn
/// >>> metrics = churn.evaluate([0, 1, 1, 0, 1, 0], [0, 0, 1, 1, 1, 1])
/// >>> metrics["precision"], round(metrics["recall"], 3)
/// (0.5, 0.667)
#[pyfunction]
#[pyo3(signature = (y_true, y_prob, **config))]
pub(crate) fn evaluate<'py>(
    y_true: &Bound<'py, PyAny>,
    y_prob: &Bound<'py, PyAny>,
    config: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let config: EvaluationConfig = self::config(config)?;
    let (py, y, p) = (y_true.py(), outcomes(y_true, "y_true")?, floats(y_prob, "y_prob")?);
    to_python(py, &py.detach(|| churn::evaluate(&y, &p, &config)).map_err(raise)?)
}

/// Compares the probabilities that two models give the same customers.
///
/// Parameters
/// ----------
/// y_true : array-like
/// a, b : array-like
///     The probabilities of the two models.
/// confidence : float, default 0.95
///
/// Returns
/// -------
/// dict
///     `n`, and for `log_loss` and `roc_auc`: `a`, `b`, `difference` (b − a), `standard_error`, `low`, `high`. An interval that
///     holds 0 does not tell which model is better.
///
/// Examples
/// --------
/// >>> import churn
/// >>> found = churn.compare([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], [0.9, 0.7, 0.6, 0.1])
/// >>> found["roc_auc"]["difference"]
/// 0.25
#[pyfunction]
#[pyo3(signature = (y_true, a, b, **config))]
pub(crate) fn compare<'py>(
    y_true: &Bound<'py, PyAny>,
    a: &Bound<'py, PyAny>,
    b: &Bound<'py, PyAny>,
    config: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let config: CompareConfig = self::config(config)?;
    let (py, y, a, b) = (y_true.py(), outcomes(y_true, "y_true")?, floats(a, "a")?, floats(b, "b")?);
    to_python(py, &py.detach(|| churn::compare(&y, &a, &b, &config)).map_err(raise)?)
}

fn thresholds(given: Option<&Bound<'_, PyAny>>) -> PyResult<Thresholds> {
    match given.filter(|given| !given.is_none()) {
        None => Ok(Thresholds::default()),
        Some(given) => serde_json::from_value(json(given, "thresholds", 0)?)
            .map_err(|error| invalid(format!("thresholds: {error}"))),
    }
}

/// The risk band of a probability, or of each of many.
///
/// Parameters
/// ----------
/// p : float or array-like
/// thresholds : dict, optional
///     Where the bands begin: `medium` (0.3), `high` (0.5), `critical` (0.7).
///
/// Returns
/// -------
/// str or list of str
///
/// Examples
/// --------
/// >>> import churn
/// >>> churn.segment(0.3), churn.segment([0.1, 0.9])
/// ('Medium', ['Low', 'Critical'])
#[pyfunction]
#[pyo3(signature = (p, thresholds=None))]
pub(crate) fn segment<'py>(
    p: &Bound<'py, PyAny>,
    thresholds: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, thresholds) = (p.py(), self::thresholds(thresholds)?);
    let name = |p: f64| thresholds.segment(p).map(|segment| segment.name()).map_err(raise);
    if let Ok(p) = p.extract::<f64>() {
        return Ok(name(p)?.into_pyobject(py)?.into_any());
    }
    let names = floats(p, "p")?.into_iter().map(name).collect::<PyResult<Vec<_>>>()?;
    Ok(PyList::new(py, names)?.into_any())
}

/// The four risk bands, with the churn rate that was observed beside the one that was predicted.
///
/// Parameters
/// ----------
/// y_true, y_prob : array-like
/// thresholds : dict, optional
///     As for :func:`segment`.
///
/// Returns
/// -------
/// list of dict
///     `segment`, `from`, `to`, `customers`, `churned`, `observed_rate`, `mean_probability`.
#[pyfunction]
#[pyo3(signature = (y_true, y_prob, thresholds=None))]
pub(crate) fn segment_table<'py>(
    y_true: &Bound<'py, PyAny>,
    y_prob: &Bound<'py, PyAny>,
    thresholds: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let thresholds = self::thresholds(thresholds)?;
    let (y, p) = (outcomes(y_true, "y_true")?, floats(y_prob, "y_prob")?);
    to_python(y_true.py(), &churn::segment_table(&y, &p, &thresholds).map_err(raise)?)
}

/// The expected maximum profit measure for customer churn (Verbraken, Verbeke and Baesens 2013).
///
/// Parameters
/// ----------
/// y_true, y_prob : array-like
/// alpha, beta : float, default 6 and 14
///     Of the beta distribution of the success rate.
/// clv : float, default 200
///     The lifetime value of a customer who stays.
/// incentive_cost, contact_cost : float, default 10 and 1
///
/// Returns
/// -------
/// dict
///     `empc`, the profit per customer, and `fraction`, the share of the customers to contact for it.
///
/// Examples
/// --------
/// >>> import churn
/// >>> found = churn.profit.empc([0, 1, 0, 1, 0, 1, 0, 1], [.1, .2, .3, .4, .5, .7, .8, .9])
/// >>> round(found["empc"], 4)
/// 23.8756
#[pyfunction]
#[pyo3(signature = (y_true, y_prob, **config))]
pub(crate) fn empc<'py>(
    y_true: &Bound<'py, PyAny>,
    y_prob: &Bound<'py, PyAny>,
    config: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let config: EmpcConfig = self::config(config)?;
    let (py, y, p) = (y_true.py(), outcomes(y_true, "y_true")?, floats(y_prob, "y_prob")?);
    to_python(py, &py.detach(|| profit::empc(&y, &p, &config)).map_err(raise)?)
}

/// The maximum profit measure (Verbeke et al. 2012): the highest average profit per customer that any threshold would have
/// earned.
///
/// Parameters
/// ----------
/// y_true, y_prob : array-like
/// clv, incentive_cost, contact_cost, success_rate : float, default 200, 10, 1 and 0.3
///
/// Returns
/// -------
/// dict
///     `mpc`, `fraction`, `threshold`.
///
/// Examples
/// --------
/// >>> import churn
/// >>> churn.profit.mpc([0, 1, 0, 1, 0, 1, 0, 1], [.1, .2, .3, .4, .5, .7, .8, .9])
/// {'fraction': 0.875, 'mpc': 23.875, 'threshold': 0.2}
#[pyfunction]
#[pyo3(signature = (y_true, y_prob, **config))]
pub(crate) fn mpc<'py>(
    y_true: &Bound<'py, PyAny>,
    y_prob: &Bound<'py, PyAny>,
    config: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let config: Campaign = self::config(config)?;
    let (py, y, p) = (y_true.py(), outcomes(y_true, "y_true")?, floats(y_prob, "y_prob")?);
    to_python(py, &py.detach(|| profit::mpc(&y, &p, &config)).map_err(raise)?)
}

/// What contacting would have earned, by the share of the customers contacted.
///
/// Parameters
/// ----------
/// y_true, y_prob : array-like
/// clv, incentive_cost, contact_cost, success_rate : float, default 200, 10, 1 and 0.3
///
/// Returns
/// -------
/// dict
///     `points` and `best`, each point with `share`, `threshold` and `profit`.
#[pyfunction]
#[pyo3(signature = (y_true, y_prob, **config))]
pub(crate) fn curve<'py>(
    y_true: &Bound<'py, PyAny>,
    y_prob: &Bound<'py, PyAny>,
    config: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let config: Campaign = self::config(config)?;
    let (py, y, p) = (y_true.py(), outcomes(y_true, "y_true")?, floats(y_prob, "y_prob")?);
    to_python(py, &py.detach(|| profit::curve(&y, &p, &config)).map_err(raise)?)
}

/// What contacting is expected to earn, before anything has happened.
///
/// Parameters
/// ----------
/// y_prob : array-like
/// values : array-like, optional
///     What each customer is worth by staying; `clv` for all if left out.
/// clv, incentive_cost, contact_cost, success_rate : float, default 200, 10, 1 and 0.3
///
/// Returns
/// -------
/// dict
///     As of :func:`curve`; a threshold is the lowest expected profit contacted.
#[pyfunction]
#[pyo3(signature = (y_prob, values=None, **config))]
pub(crate) fn expected_curve<'py>(
    y_prob: &Bound<'py, PyAny>,
    values: Option<&Bound<'py, PyAny>>,
    config: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let config: Campaign = self::config(config)?;
    let (py, p, values) = (y_prob.py(), floats(y_prob, "y_prob")?, optional_floats(values, "values")?);
    to_python(py, &py.detach(|| profit::expected_curve(&p, values.as_deref(), &config)).map_err(raise)?)
}

/// Compares the retention of those who were contacted with that of the control group.
///
/// Parameters
/// ----------
/// contacted, y_true : array-like
///     A row a customer: whether they were contacted, and whether they churned.
/// confidence : float, default 0.95
///
/// Returns
/// -------
/// dict
///     `contacted`, `control`, `difference`, `low`, `high`, `customers_kept`, `customers_kept_low`, `customers_kept_high`.
///     Contacting has had an effect if 0 is outside `low` to `high`.
#[pyfunction]
#[pyo3(signature = (contacted, y_true, **config))]
pub(crate) fn campaign_outcome<'py>(
    contacted: &Bound<'py, PyAny>,
    y_true: &Bound<'py, PyAny>,
    config: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let config: OutcomeConfig = self::config(config)?;
    let (groups, y) = (outcomes(contacted, "contacted")?, outcomes(y_true, "y_true")?);
    to_python(y_true.py(), &profit::campaign_outcome(&groups, &y, &config).map_err(raise)?)
}

/// Whom to contact: a budget spent where it is expected to earn most, with a control group held out at random.
///
/// Parameters
/// ----------
/// predictions : Predictions or table
///     A table must have the columns `customer_id` and `churn_probability`.
/// values : array-like, optional
///     What each customer is worth by staying, in the same order; `clv` for all if left out.
/// budget : float, optional
///     The most that the campaign may cost; no limit if left out.
/// control_share : float, default 0.1
///     Share of the chosen customers that is not contacted, to compare with.
/// rank_by : {"expected_profit", "probability"}
/// seed : int, default 0
/// clv, incentive_cost, contact_cost, success_rate : float, default 200, 10, 1 and 0.3
///
/// Returns
/// -------
/// ContactList
///
/// Examples
/// --------
/// >>> import churn
/// >>> people = {"customer_id": ["anna", "bert", "carl"], "churn_probability": [0.5, 0.05, 0.9]}
/// >>> contacts = churn.profit.contact_list(people, control_share=0)
/// >>> contacts.customer_id, round(contacts.expected_profit, 1)
/// (['carl', 'anna'], 71.8)
#[pyfunction]
#[pyo3(signature = (predictions, values=None, **config))]
pub(crate) fn contact_list(
    predictions: &Bound<'_, PyAny>,
    values: Option<&Bound<'_, PyAny>>,
    config: Option<&Bound<'_, PyDict>>,
) -> PyResult<ContactList> {
    let config: ContactConfig = self::config(config)?;
    let (py, values) = (predictions.py(), optional_floats(values, "values")?);
    let found = if let Ok(predictions) = predictions.cast::<Predictions>() {
        let predictions = &predictions.get().inner;
        let ids = || predictions.customer_ids();
        py.detach(|| profit::contact_list(ids(), predictions.churn_probabilities(), values.as_deref(), &config))
    } else {
        let (ids, p) = scored(predictions)?;
        py.detach(|| profit::contact_list(ids.iter().map(String::as_str), &p, values.as_deref(), &config))
    };
    Ok(ContactList { inner: found.map_err(raise)? })
}

/// Ids and probabilities of a table.
fn scored(table: &Bound<'_, PyAny>) -> PyResult<(Vec<String>, Vec<f64>)> {
    let names = ["customer_id", "churn_probability"].map(str::to_owned);
    let watch = Watch::new(None)?;
    let batches = Batches::new(table, Some(&names))?;
    let batches = watch.run(table.py(), |watch| batches.read(watch).collect::<churn::Result<Vec<_>>>())?;
    let (mut ids, mut probabilities) = (Vec::new(), Vec::new());
    for batch in &batches {
        let column = |name: &str, to: DataType| -> PyResult<ArrayRef> {
            let found = batch.column_by_name(name).ok_or_else(|| {
                refuse(ErrorKind::MissingColumn, format!("no column {name:?}; expected {}", names.join(" and ")))
            })?;
            cast(found, &to).map_err(|error| {
                refuse(ErrorKind::InvalidColumn, format!("the column {name:?} cannot be read: {error}"))
            })
        };
        let texts = column("customer_id", DataType::LargeUtf8)?;
        for (row, id) in texts.as_string::<i64>().iter().enumerate() {
            let missing = || refuse(ErrorKind::InvalidColumn, format!("row {}: customer_id is missing", row + 1));
            ids.push(id.ok_or_else(missing)?.to_owned());
        }
        let numbers = column("churn_probability", DataType::Float64)?;
        probabilities.extend(numbers.as_primitive::<Float64Type>().iter().map(|number| number.unwrap_or(f64::NAN)));
    }
    Ok((ids, probabilities))
}

/// The customers chosen, those most worth contacting first: `customer_id`, `churn_probability`, `value`, `expected_profit`,
/// `group` (`"contact"` or `"control"`).
#[pyclass(frozen, module = "churn.profit")]
pub(crate) struct ContactList {
    inner: profit::ContactList,
}

#[pymethods]
impl ContactList {
    /// The customers on the list.
    #[getter]
    fn customer_id(&self) -> Vec<&str> {
        self.inner.entries.iter().map(|entry| entry.customer_id.as_str()).collect()
    }

    /// Their probabilities of churn.
    #[getter]
    fn churn_probability<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.numbers(py, |entry| entry.churn_probability)
    }

    /// What each is worth by staying.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.numbers(py, |entry| entry.value)
    }

    /// What contacting each is expected to earn.
    #[getter]
    fn profit<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.numbers(py, |entry| entry.expected_profit)
    }

    /// Whether each is contacted or left alone to compare with: `"contact"` or `"control"`.
    #[getter]
    fn group(&self) -> Vec<&'static str> {
        self.inner.entries.iter().map(|entry| entry.group.name()).collect()
    }

    /// How many are contacted.
    #[getter]
    fn contacts(&self) -> u64 {
        self.inner.contacts
    }

    /// How many are in the control group.
    #[getter]
    fn controls(&self) -> u64 {
        self.inner.controls
    }

    /// The most that the contacts can cost; never above the budget.
    #[getter]
    fn reserved_budget(&self) -> f64 {
        self.inner.reserved_budget
    }

    /// What the contacts are expected to earn together.
    #[getter]
    fn expected_profit(&self) -> f64 {
        self.inner.expected_profit
    }

    fn __len__(&self) -> usize {
        self.inner.entries.len()
    }

    /// The whole as dicts and lists: `entries`, `contacts`, `controls`, `reserved_budget`, `expected_profit`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner)
    }

    /// The list as a pandas frame.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let columns = PyDict::new(py);
        columns.set_item(intern!(py, "customer_id"), self.customer_id())?;
        columns.set_item(intern!(py, "churn_probability"), self.churn_probability(py))?;
        columns.set_item(intern!(py, "value"), self.value(py))?;
        columns.set_item(intern!(py, "expected_profit"), self.profit(py))?;
        columns.set_item(intern!(py, "group"), self.group())?;
        py.import("pandas")?.call_method1("DataFrame", (columns,))
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::stream(py, self.columns(), requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::schema(py, self.columns())
    }

    fn __repr__(&self) -> String {
        let profit::ContactList { contacts, controls, expected_profit, .. } = &self.inner;
        format!("<ContactList: {contacts} to contact, {controls} held out, expected profit {expected_profit:.2}>")
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("table", (slf,))
    }
}

impl ContactList {
    fn numbers<'py>(&self, py: Python<'py>, of: impl Fn(&profit::Contact) -> f64) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_vec(py, self.inner.entries.iter().map(of).collect())
    }

    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let entries = || self.inner.entries.iter();
        let number = |of: fn(&profit::Contact) -> f64| -> ArrayRef {
            std::sync::Arc::new(entries().map(|entry| Some(of(entry))).collect::<Float64Array>())
        };
        let groups: StringArray = entries().map(|entry| Some(entry.group.name())).collect();
        vec![
            ("customer_id".to_owned(), arrow::texts(entries().map(|entry| entry.customer_id.as_str()))),
            ("churn_probability".to_owned(), number(|entry| entry.churn_probability)),
            ("value".to_owned(), number(|entry| entry.value)),
            ("expected_profit".to_owned(), number(|entry| entry.expected_profit)),
            ("group".to_owned(), std::sync::Arc::new(groups)),
        ]
    }
}
