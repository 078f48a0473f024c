//! Evaluation of predictions, and decisions based on them.

use churn::profit::{self, OutcomeConfig};
use churn::{CompareConfig, Thresholds};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::align::aligned;
use crate::convert::{Setting, config, floats, json, optional_floats, outcomes, read, to_python};
use crate::error::{invalid, raise};
use crate::events::Events;
use crate::input::{attributes, joined};
use crate::model::Model;

/// Applies a measure of the core to outcomes and probabilities, with its settings.
fn judged<'py, C: DeserializeOwned + Sync, T: Serialize + Send>(
    y_true: &Bound<'py, PyAny>,
    y_prob: &Bound<'py, PyAny>,
    config: Option<&Bound<'py, PyDict>>,
    measure: fn(&[bool], &[f64], &C) -> churn::Result<T>,
) -> PyResult<Bound<'py, PyAny>> {
    let config: C = self::config(config)?;
    let (py, (y, p)) = (y_true.py(), outcomes_and_probabilities(y_true, y_prob)?);
    to_python(py, &py.detach(|| measure(&y, &p, &config)).map_err(raise)?)
}

/// Returns the outcomes and probabilities of the same customers, row by row.
fn outcomes_and_probabilities(y_true: &Bound<'_, PyAny>, y_prob: &Bound<'_, PyAny>) -> PyResult<(Vec<bool>, Vec<f64>)> {
    let given = [("y_true", "churned", Some(y_true)), ("y_prob", "churn_probability", Some(y_prob))];
    let [y_true, y_prob] = aligned(y_true.py(), None, given)?;
    Ok((outcomes(&y_true, "y_true")?, floats(&y_prob, "y_prob")?))
}

/// Evaluates probabilities against the outcomes.
///
/// Parameters
/// ----------
/// y_true : array-like, Labels, dict or Series by customer
///     Who churned: booleans, or 0 and 1.
/// y_prob : array-like, Predictions, dict or Series by customer
///     Their probabilities. What has ids is aligned by id, as in every function of outcomes and probabilities; arrays and lists
///     are taken row by row.
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
    judged(y_true, y_prob, config, churn::evaluate)
}

/// Compares the probabilities of two models for the same customers.
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
    let py = y_true.py();
    let risk = "churn_probability";
    let [y, a, b] =
        aligned(py, None, [("y_true", "churned", Some(y_true)), ("a", risk, Some(a)), ("b", risk, Some(b))])?;
    let (y, a, b) = (outcomes(&y, "y_true")?, floats(&a, "a")?, floats(&b, "b")?);
    to_python(py, &py.detach(|| churn::compare(&y, &a, &b, &config)).map_err(raise)?)
}

/// Compares two models with the outcomes in a log, at the last day whose outcome the log contains.
///
/// Parameters
/// ----------
/// a, b : Model
///     Models that mean the same by churn.
/// events : Events
///     A fair test only if it goes on for a horizon longer than what either model has learned from; the answer says so.
/// confidence : float, default 0.95
/// attributes : table, optional
///     The columns that were joined in training, found by its column `customer_id`.
///
/// Returns
/// -------
/// dict
///     `comparison`, as of :func:`compare`; `cutoff`; `in_sample`, whether a model has learned from the outcomes that it is
///     judged by; `warnings`.
///
/// Examples
/// --------
/// >>> import churn
/// >>> found = churn.compare_models(model, churn.train(events, seed=1), events)
/// >>> sorted(found), found["in_sample"]
/// (['comparison', 'cutoff', 'in_sample', 'warnings'], True)
#[pyfunction]
#[pyo3(
    signature = (a, b, events, confidence=Setting(None), *, attributes=None),
    text_signature = "(a, b, events, confidence=0.95, *, attributes=None)"
)]
pub(crate) fn compare_models<'py>(
    a: &Bound<'py, Model>,
    b: &Bound<'py, Model>,
    events: &Bound<'py, Events>,
    confidence: Setting<'_>,
    attributes: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut keys = serde_json::Map::new();
    confidence.put(&mut keys, "confidence")?;
    let config: CompareConfig = read(keys)?;
    let (py, attributes) = (events.py(), self::attributes(attributes)?);
    let (a, b, events) = (&a.get().inner, &b.get().inner, &events.get().inner);
    let found = py.detach(|| churn::compare_models(a, b, joined(events, attributes.as_ref()), &config));
    to_python(py, &found.map_err(raise)?)
}

fn thresholds(given: Option<&Bound<'_, PyAny>>) -> PyResult<Thresholds> {
    match given.filter(|given| !given.is_none()) {
        None => Ok(Thresholds::default()),
        Some(given) => serde_json::from_value(json(given, "thresholds", 0)?)
            .map_err(|error| invalid(format!("thresholds: {error}"))),
    }
}

/// Returns the risk band of a probability, or of each of many.
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

/// Returns the four risk bands, each with its observed and its predicted churn rate.
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
    let (y, p) = outcomes_and_probabilities(y_true, y_prob)?;
    to_python(y_true.py(), &churn::segment_table(&y, &p, &thresholds).map_err(raise)?)
}

/// Computes the expected maximum profit measure for customer churn (Verbraken, Verbeke and Baesens 2013).
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
    judged(y_true, y_prob, config, profit::empc)
}

/// Computes the maximum profit measure (Verbeke et al. 2012): the highest average profit per customer that any threshold would
/// have earned.
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
    judged(y_true, y_prob, config, profit::mpc)
}

/// Computes the profit that contacting would have earned, by the share of the customers contacted.
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
    judged(y_true, y_prob, config, profit::curve)
}

/// Computes the expected profit of contacting, by the share of the customers contacted, before the outcomes are known.
///
/// Parameters
/// ----------
/// y_prob : array-like
/// values : array-like, optional
///     The worth of each customer who stays; `clv` for all if left out.
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
    let config: profit::Campaign = self::config(config)?;
    let py = y_prob.py();
    let [p, values] = aligned(py, None, [("y_prob", "churn_probability", Some(y_prob)), ("values", "value", values)])?;
    let (p, values) = (floats(&p, "y_prob")?, optional_floats(Some(&values), "values")?);
    to_python(py, &py.detach(|| profit::expected_curve(&p, values.as_deref(), &config)).map_err(raise)?)
}

/// Compares the retention of the contacted customers with that of the control group.
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
    let given = [("contacted", "contacted", Some(contacted)), ("y_true", "churned", Some(y_true))];
    let [groups, y] = aligned(y_true.py(), None, given)?;
    let (groups, y) = (outcomes(&groups, "contacted")?, outcomes(&y, "y_true")?);
    to_python(y_true.py(), &profit::campaign_outcome(&groups, &y, &config).map_err(raise)?)
}
