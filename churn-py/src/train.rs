//! Training, and loading of models from files.

use churn::{ErrorKind, TableConfig, TrainConfig};
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{Setting, config, optional_floats, outcomes, read, settings};
use crate::error::{error_of_kind, invalid};
use crate::events::Events;
use crate::input::{attributes, joined, of_subscriptions};
use crate::model::Model;
use crate::subscriptions::Subscriptions;
use crate::table::{Taken, table};
use crate::watch::PyObserver;

/// Trains a model on a log or on subscriptions.
///
/// Labels and features are computed at several cutoffs. The model is evaluated out of time, and then fitted on all cutoffs.
///
/// Parameters
/// ----------
/// events : Events or Subscriptions
/// model : {"logistic_regression", "random_forest", "gradient_boosting", "auto"}, default "random_forest"
/// labels : {"outcome_window", "inactivity", "provided"}
/// horizon_days : int, default 90
///     Days in which a customer may come back.
/// snapshots : int, optional
///     The number of cutoffs; if left out up to twelve, as the log has room for (down to three where twelve would make more
///     than half a million rows).
/// feature_set : {"rfm", "behavioral"}, default "behavioral"
/// seed : int, default 0
/// attributes : table, optional
///     Columns to join to the features, found by its column `customer_id`. With a column `valid_from` (the day from which a
///     row holds) each cutoff sees the latest row of a customer by then; without it one row a customer, taken as known at
///     every cutoff, which is a finding.
/// usage : Events, optional
///     Of subscriptions: events such as logins, whose features are added.
/// progress : bool or callable, optional
///     True for a bar of tqdm, or a function of stage, done and total.
/// **parameters
///     Of the labels (`gap_days`, `active_within_days`, `event_types`, `threshold_days`; of subscriptions `allowed_gap_days`, `before_renewal_days`), the features (`windows`, …) and the
///     learner (`calibration`, `class_weight`, `thresholds`, `l2`, `trees`, `rounds`, `learning_rate`, `max_depth`, …), and
///     `cutoffs`, `audit`, `allow`, `time_budget`, and `weight`, a column of `attributes` that weighs the customers. One that does not exist is
///     refused, and the message lists those that do.
///
/// Returns
/// -------
/// Model
///
/// Raises
/// ------
/// FindingError
///     For data that would make the results wrong; `allow=[code]` goes on all the same.
/// CutoffOutsideDataError, TooFewRowsError, OneClassError, InvalidParameterError
///
/// Examples
/// --------
/// >>> import churn
/// >>> model = churn.train(events, "gradient_boosting", horizon_days=60, rounds=20)
/// >>> model.kind, model.evaluation["protocol"]
/// ('gradient_boosting', 'out_of_time')
#[pyfunction]
#[pyo3(
    signature = (
        events, model=Setting(None), labels=Setting(None), horizon_days=Setting(None), snapshots=Setting(None),
        feature_set=Setting(None), seed=Setting(None), *, attributes=None, usage=None, progress=None, **parameters
    ),
    text_signature = "(events, model='random_forest', labels='outcome_window', horizon_days=90, snapshots=None, \
                      feature_set='behavioral', seed=0, *, attributes=None, usage=None, progress=None, **parameters)"
)]
#[allow(clippy::too_many_arguments, reason = "a call of Python, with names")]
pub(crate) fn train(
    events: &Bound<'_, PyAny>,
    model: Setting<'_>,
    labels: Setting<'_>,
    horizon_days: Setting<'_>,
    snapshots: Setting<'_>,
    feature_set: Setting<'_>,
    seed: Setting<'_>,
    attributes: Option<&Bound<'_, PyAny>>,
    usage: Option<&Bound<'_, Events>>,
    progress: Option<&Bound<'_, PyAny>>,
    parameters: Option<&Bound<'_, PyDict>>,
) -> PyResult<Model> {
    let mut keys = settings(parameters)?;
    for (name, setting) in [
        ("model", model),
        ("labels", labels),
        ("horizon_days", horizon_days),
        ("snapshots", snapshots),
        ("feature_set", feature_set),
        ("seed", seed),
    ] {
        setting.put(&mut keys, name)?;
    }
    let config: TrainConfig = read(keys)?;
    let attributes = self::attributes(attributes)?;
    let py = events.py();
    if let Ok(subscriptions) = events.cast::<Subscriptions>() {
        let input = of_subscriptions(&subscriptions.get().inner, usage, attributes.as_ref());
        let inner = PyObserver::new(progress)?.run(py, |watch| churn::train_observed(input, &config, watch))?;
        return Ok(inner.into());
    }
    if usage.is_some() {
        return Err(invalid("usage goes with subscriptions; the events themselves are the usage of a log"));
    }
    let events = &events.cast::<Events>()?.get().inner;
    let inner = PyObserver::new(progress)?
        .run(py, |watch| churn::train_observed(joined(events, attributes.as_ref()), &config, watch))?;
    Ok(inner.into())
}

/// Trains a model on a table with one row per customer. It is evaluated on a stratified fifth of the customers.
///
/// Parameters
/// ----------
/// table : table
///     Numeric, boolean and categorical columns, and the label.
/// label : str, default "churned"
///     The label column: 0/1, True/False or yes/no.
/// customer_id : str, optional
///     The column of ids, if rows may belong to the same customer.
/// progress : bool or callable, optional
///     True for a bar of tqdm, or a function of stage, done and total.
/// **parameters
///     `model` (default `"gradient_boosting"`), `seed`, `weight` (a column), `leave_out` (columns), `evaluation` and
///     `compare_with_logistic` (default True), and those of the learner, as for :func:`train`. With the model `"auto"`, `time_budget` is a
///     limit in seconds, and `members` fits a weighted mean of recipes instead of a search: a list of dicts with `weight`, `model`
///     (logistic regression or boosting) and settings of that learner. The weights add up to 1.
///
/// Returns
/// -------
/// Model
///
/// Examples
/// --------
/// >>> import churn
/// >>> table = {"plan": ["basic", "gold"] * 50, "tickets": list(range(100)), "churned": [i > 60 for i in range(100)]}
/// >>> churn.train_table(table, model="random_forest").feature_names
/// ['plan', 'tickets']
#[pyfunction]
#[pyo3(
    signature = (table, label=Setting(None), customer_id=Setting(None), *, progress=None, **parameters),
    text_signature = "(table, label='churned', customer_id=None, *, progress=None, **parameters)"
)]
pub(crate) fn train_table(
    table: &Bound<'_, PyAny>,
    label: Setting<'_>,
    customer_id: Setting<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    parameters: Option<&Bound<'_, PyDict>>,
) -> PyResult<Model> {
    let mut keys = settings(parameters)?;
    label.put(&mut keys, "label")?;
    customer_id.put(&mut keys, "customer_id")?;
    let config: TableConfig = read(keys)?;
    let taken = Taken { left_out: &config.leave_out, customer_id: config.customer_id.as_deref(), ..Taken::default() };
    let (py, (table, _)) = (table.py(), self::table(table, &taken)?);
    let inner = PyObserver::new(progress)?.run(py, |watch| churn::train_table_observed(&table, &config, watch))?;
    Ok(inner.into())
}

/// Trains a model on a matrix of numbers, for `churn.sklearn`: rows × features, the names of the features, the outcomes and the
/// weights of the rows.
#[pyfunction]
#[pyo3(signature = (x, names, y, weights=None, **parameters))]
pub(crate) fn train_matrix(
    x: PyReadonlyArray2<'_, f64>,
    names: Vec<String>,
    y: &Bound<'_, PyAny>,
    weights: Option<&Bound<'_, PyAny>>,
    parameters: Option<&Bound<'_, PyDict>>,
) -> PyResult<Model> {
    let config: TableConfig = config(parameters)?;
    let (py, x) = (y.py(), x.as_array().to_owned());
    let (y, weights) = (outcomes(y, "y")?, optional_floats(weights, "sample_weight")?);
    let inner = PyObserver::new(None)?
        .run(py, |watch| churn::train_matrix(x, &names, &y, weights.as_deref(), &config, watch))?;
    Ok(inner.into())
}

/// Reads a model from a file written by :meth:`Model.save`, or any other model document.
///
/// Parameters
/// ----------
/// path : path
///
/// Returns
/// -------
/// Model
#[pyfunction]
pub(crate) fn load(py: Python<'_>, path: std::path::PathBuf) -> PyResult<Model> {
    let file = crate::events::open(&path)?;
    let text = py.detach(|| std::io::read_to_string(file)).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => {
            error_of_kind(ErrorKind::InvalidDocument, format!("{} is no text: not a model document", path.display()))
        }
        _ => error.into(),
    })?;
    Model::from_json(py, text.into())
}
