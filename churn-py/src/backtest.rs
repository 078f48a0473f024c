//! The backtest: a recipe judged at many cutoffs.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Date32Array, Int64Array};
use churn::{BacktestConfig, CutoffPredictions, CutoffResult, Estimate, OverTime, Scores};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use crate::convert::{Setting, read, settings, to_python};
use crate::error::invalid;
use crate::events::Events;
use crate::ids::Ids;
use crate::input::{attributes, joined};
use crate::outgoing::{Outgoing, numbers, texts};
use crate::watch::PyObserver;

/// The columns of the predictions that are there without other recipes.
const COLUMNS: [&str; 4] = ["cutoff", "customer_id", "churned", "churn_probability"];

/// A recipe judged at many cutoffs, each time by a model that learned only from what was known by then. Returned by
/// :func:`backtest`.
///
/// A mean over the cutoffs is a dict of `mean`, `standard_error`, `low` and `high`, the bounds of its 95 % confidence interval.
/// As a table it has one row per cutoff: :meth:`to_pandas`, or any library with the Arrow PyCapsule interface, such as
/// `polars.DataFrame(backtest)`.
#[pyclass(frozen, module = "churn")]
pub(crate) struct Backtest {
    /// Without the predictions.
    inner: churn::Backtest,
    predictions: Option<Arc<Vec<CutoffPredictions>>>,
    ids: Ids,
}

#[pymethods]
impl Backtest {
    /// A dict per cutoff, oldest first: `cutoff` as YYYY-MM-DD, `customers`, `churned`, `base_rate`, `expected` (the sum of
    /// the probabilities, in customers), `learned_from` (the cutoffs that the model learned from), `train_rows`, `roc_auc`,
    /// `log_loss`, `brier`, `lift_10`, `recency_auc` (None without a recency feature), and `against`: for each other recipe its
    /// `roc_auc`, `log_loss` and `brier`.
    #[getter]
    fn cutoffs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().cutoffs)
    }

    /// The mean AUC, 0 to 1: the probability that a churner is ranked above a customer who stayed.
    #[getter]
    fn roc_auc<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().roc_auc)
    }

    /// The mean AUC of the earlier half of the cutoffs; None for fewer than six cutoffs. If the mean of the later half lies
    /// outside this interval, there is a finding `results_change`.
    #[getter]
    fn earlier_roc_auc<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().earlier_roc_auc)
    }

    /// The mean AUC of recency alone, the baseline to beat; None without a recency feature.
    #[getter]
    fn recency_auc<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().recency_auc)
    }

    /// The mean log-loss, 0 or more, less is better: the mean of −ln of the probability of the observed outcome.
    #[getter]
    fn log_loss<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().log_loss)
    }

    /// The mean Brier score, 0 to 1, less is better: the mean squared difference of probability and outcome.
    #[getter]
    fn brier<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().brier)
    }

    /// The mean lift at 10 %: the churn rate of the tenth of the customers with the highest probabilities, divided by that of
    /// all customers.
    #[getter]
    fn lift_10<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().lift_10)
    }

    /// The mean churn rate, 0 to 1.
    #[getter]
    fn base_rate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().base_rate)
    }

    /// The mean of the predicted − the observed churn rate, −1 to 1: above 0 if the probabilities are too high.
    #[getter]
    fn predicted_minus_observed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().predicted_minus_observed)
    }

    /// The differences to recency alone, to logistic regression and to the other recipes, as recipe that is judged − other, on
    /// the same customers. A dict each: `name`, `mean_roc_auc` (of the other), `roc_auc` (above 0 if the judged one is
    /// better), `log_loss` and `brier` (below 0 if it is better; None for recency, which has no probabilities), `cutoffs_won`
    /// (how many cutoffs it has the higher AUC at).
    #[getter]
    fn against<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().against)
    }

    /// Up to ten bins of about equal size over the customers of all cutoffs, by rising probability: `customers`, `predicted`
    /// (mean probability), `observed` (churn rate).
    #[getter]
    fn reliability<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().reliability)
    }

    /// The risk bands over the customers of all cutoffs: `segment`, `from`, `to`, `customers`, `churned`, `observed_rate`,
    /// `mean_probability` (the last two None for an empty band).
    #[getter]
    fn segments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.over_time().segments)
    }

    /// The cutoffs that could not be judged: `cutoff` and `reason`.
    #[getter]
    fn skipped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner.skipped)
    }

    /// The findings, worst first: `code`, `severity`, `message`, `evidence`, `suggestion`.
    #[getter]
    fn findings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner.findings)
    }

    /// The result of the audit that no event after a cutoff reaches its features: `cutoffs`, `events_deleted`,
    /// `values_compared`, `inputs`. None with `audit=False`.
    #[getter]
    fn audit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner.audit)
    }

    /// The definition of churn, in one sentence.
    #[getter]
    fn definition(&self) -> &str {
        &self.inner.definition
    }

    /// The version of the library that made the backtest.
    #[getter]
    fn library_version(&self) -> &str {
        &self.inner.library_version
    }

    /// The predictions of every cutoff, by models that had not seen the outcomes. None without `predictions=True`.
    #[getter]
    fn predictions(&self) -> Option<BacktestPredictions> {
        let inner = Arc::clone(self.predictions.as_ref()?);
        Some(BacktestPredictions { inner, ids: self.ids.clone() })
    }

    /// The number of judged cutoffs.
    fn __len__(&self) -> usize {
        self.over_time().cutoffs.len()
    }

    /// Returns everything but the predictions as dicts, lists, text and numbers; also `config`, the settings.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner)
    }

    /// Returns the same as JSON text, which Rust writes in the same bytes.
    fn to_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.inner).map_err(|error| invalid(error.to_string()))
    }

    /// Returns a pandas frame with a row per cutoff, oldest first: the columns of :attr:`cutoffs`, of which `learned_from` is
    /// one text, and `NAME_roc_auc`, `NAME_log_loss` and `NAME_brier` for each other recipe.
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
        let OverTime { cutoffs, roc_auc, recency_auc, .. } = self.over_time();
        let Estimate { mean, low, high, .. } = roc_auc;
        let recency = recency_auc.map_or_else(String::new, |auc| format!(", recency alone {:.3}", auc.mean));
        let days = match cutoffs.as_slice() {
            [only] => format!("at {}", only.cutoff),
            [first, .., last] => format!("at {} cutoffs from {} to {}", cutoffs.len(), first.cutoff, last.cutoff),
            [] => "at no cutoff".to_owned(),
        };
        format!("<Backtest: AUC {mean:.3} ({low:.3} to {high:.3}){recency}, {days}>")
    }

    /// The charts, drawn with matplotlib: `over_time`, `calibration` and `segments`.
    #[getter]
    fn plot<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn.plot")?.call_method1("BacktestPlots", (slf,))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("backtest", (slf,))
    }
}

impl Backtest {
    fn over_time(&self) -> &OverTime {
        &self.inner.over_time
    }
}

impl Outgoing for Backtest {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let rows = || self.over_time().cutoffs.iter();
        let count = |of: fn(&CutoffResult) -> u64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(rows().map(|row| of(row) as i64)))
        };
        let number = |of: fn(&CutoffResult) -> f64| numbers(rows().map(of));
        let learned: Vec<String> =
            rows().map(|row| row.learned_from.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")).collect();
        let days = Date32Array::from_iter_values(rows().map(|row| row.cutoff.number()));
        let mut columns: Vec<(String, ArrayRef)> = [
            ("cutoff", Arc::new(days) as ArrayRef),
            ("customers", count(|row| row.customers)),
            ("churned", count(|row| row.churned)),
            ("base_rate", number(|row| row.base_rate)),
            ("expected", number(|row| row.expected)),
            ("learned_from", texts(learned.iter().map(String::as_str))),
            ("train_rows", count(|row| row.train_rows)),
            ("roc_auc", number(|row| row.roc_auc)),
            ("log_loss", number(|row| row.log_loss)),
            ("brier", number(|row| row.brier)),
            ("lift_10", number(|row| row.lift_10)),
            ("recency_auc", number(|row| row.recency_auc.unwrap_or(f64::NAN))),
        ]
        .map(|(name, column)| (name.to_owned(), column))
        .into();
        type Measure = (&'static str, fn(&Scores) -> f64);
        let measures: [Measure; 3] =
            [("roc_auc", |of| of.roc_auc), ("log_loss", |of| of.log_loss), ("brier", |of| of.brier)];
        for name in rows().next().into_iter().flat_map(|row| row.against.keys()) {
            for (measure, of) in measures {
                let values = rows().map(|row| row.against.get(name).map_or(f64::NAN, of));
                columns.push((format!("{name}_{measure}"), numbers(values)));
            }
        }
        columns
    }
}

/// The predictions of a backtest, by cutoff and then by the bytes of the id: `cutoff`, `customer_id`, `churned`,
/// `churn_probability`, and a column of probabilities for each other recipe, with its name. A customer has a row at each cutoff
/// that covers it.
///
/// Converts to pandas with :meth:`to_pandas`, and to every library with the Arrow PyCapsule interface:
/// `polars.DataFrame(backtest.predictions)`.
#[pyclass(frozen, module = "churn")]
pub(crate) struct BacktestPredictions {
    inner: Arc<Vec<CutoffPredictions>>,
    ids: Ids,
}

#[pymethods]
impl BacktestPredictions {
    /// The day at whose end each customer was scored, as an array of dates.
    #[getter]
    fn cutoff<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let days = self.each(|of| of.customer_ids.iter().map(|_| i64::from(of.cutoff.number())));
        PyArray1::from_iter(py, days).call_method1("astype", ("datetime64[D]",))
    }

    /// The ids of the customers as text. Frames keep the type that the ids had in the input.
    #[getter]
    fn customer_id(&self) -> Vec<&str> {
        self.customer_ids().collect()
    }

    /// True for each customer who churned.
    #[getter]
    fn churned<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        PyArray1::from_iter(py, self.each(|of| of.churned.iter().copied()))
    }

    /// The probability of churn of each customer, by the recipe that is judged.
    #[getter]
    fn churn_probability<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_iter(py, self.each(|of| of.churn_probability.iter().copied()))
    }

    /// The probabilities of the other recipes, by name.
    #[getter]
    fn against<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for name in self.recipes() {
            all.set_item(name, PyArray1::from_iter(py, self.of_recipe(name)))?;
        }
        Ok(all)
    }

    fn __len__(&self) -> usize {
        self.inner.iter().map(|of| of.customer_ids.len()).sum()
    }

    /// Returns the predictions as a pandas frame.
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
        format!("<BacktestPredictions: {} predictions at {} cutoffs>", self.__len__(), self.inner.len())
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("table", (slf,))
    }
}

impl BacktestPredictions {
    /// The values of all cutoffs, one cutoff after the other.
    fn each<'a, I: Iterator>(&'a self, of: impl Fn(&'a CutoffPredictions) -> I) -> impl Iterator<Item = I::Item> {
        self.inner.iter().flat_map(of)
    }

    fn customer_ids(&self) -> impl Iterator<Item = &str> {
        self.each(|of| of.customer_ids.iter().map(String::as_str))
    }

    /// The names of the other recipes, which are the same at every cutoff.
    fn recipes(&self) -> impl Iterator<Item = &String> {
        self.inner.first().into_iter().flat_map(|of| of.against.keys())
    }

    fn of_recipe(&self, name: &str) -> impl Iterator<Item = f64> {
        self.each(move |of| of.against[name].iter().copied())
    }
}

impl Outgoing for BacktestPredictions {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let days = self.each(|of| of.customer_ids.iter().map(|_| of.cutoff.number()));
        let churned: BooleanArray = self.each(|of| of.churned.iter().map(|&churned| Some(churned))).collect();
        let fixed: [ArrayRef; 4] = [
            Arc::new(Date32Array::from_iter_values(days)),
            self.ids.column(|| self.customer_ids()),
            Arc::new(churned),
            numbers(self.each(|of| of.churn_probability.iter().copied())),
        ];
        let recipes = self.recipes().map(|name| (name.clone(), numbers(self.of_recipe(name))));
        COLUMNS.into_iter().map(str::to_owned).zip(fixed).chain(recipes).collect()
    }
}

/// Judges a recipe at many cutoffs: what somebody would have got who had trained and scored at each of them.
///
/// At each cutoff a model learns from earlier cutoffs whose outcome was known by then, and scores the customers that the
/// definition of churn covers on that day; then the outcome is looked up. By default the cutoffs are a horizon apart, as many as
/// the log has room for. Recency alone and logistic regression are judged on the same customers.
///
/// Parameters
/// ----------
/// events : Events
/// model, labels, horizon_days, snapshots, feature_set, seed
///     The recipe that is judged, as for :func:`train`. `snapshots` is the largest number of earlier cutoffs that each model
///     learns from, 1 to 1000; `labels` must be `"outcome_window"`.
/// attributes : table, optional
///     Columns to join to the features, as for :func:`train`.
/// cutoffs : list of date or str, optional
///     The days to judge at; by default all that the log allows.
/// step_days : int, optional
///     Days from one judged cutoff to the next, 1 to 3650; by default the horizon. Not used with `cutoffs`.
/// most_cutoffs : int, optional
///     The largest number of cutoffs to judge at, 1 to 1000: the latest ones.
/// against : dict of str to dict, optional
///     Other recipes by name, judged on the same customers: for each the settings that differ, such as
///     `{"short": {"snapshots": 3}}`. The definition of churn, cutoffs, `windows`, `audit` and `allow` are the same for all.
/// predictions : bool, default False
///     True to keep the prediction of every customer at every cutoff.
/// progress : bool or callable, optional
///     True for a bar of tqdm, or a function of stage, done and total. The steps of the stage `"backtest"` are cutoffs.
/// **parameters
///     The other settings of :func:`train`. One that does not exist is refused, and the message lists those that do.
///
/// Returns
/// -------
/// Backtest
///
/// Raises
/// ------
/// TooFewRowsError
///     If no cutoff can be judged. A single one is left out and listed in :attr:`Backtest.skipped`.
/// FindingError
///     For data that would make the results wrong; `allow=[code]` goes on all the same.
/// CutoffOutsideDataError, InvalidParameterError
///
/// Examples
/// --------
/// >>> import churn
/// >>> found = churn.backtest(events, "logistic_regression", horizon_days=60, against={"short": {"snapshots": 2}})
/// >>> len(found), sorted(found.roc_auc)
/// (6, ['high', 'low', 'mean', 'standard_error'])
/// >>> [other["name"] for other in found.against]
/// ['recency', 'short']
#[pyfunction]
#[pyo3(
    signature = (
        events, model=Setting(None), labels=Setting(None), horizon_days=Setting(None), snapshots=Setting(None),
        feature_set=Setting(None), seed=Setting(None), *, attributes=None, cutoffs=Setting(None), step_days=Setting(None),
        most_cutoffs=Setting(None), against=None, predictions=Setting(None), progress=None, **parameters
    ),
    text_signature = "(events, model='random_forest', labels='outcome_window', horizon_days=90, snapshots=None, \
                      feature_set='behavioral', seed=0, *, attributes=None, cutoffs=None, step_days=None, \
                      most_cutoffs=None, against=None, predictions=False, progress=None, **parameters)"
)]
#[allow(clippy::too_many_arguments, reason = "a call of Python, with names")]
pub(crate) fn backtest(
    events: &Bound<'_, Events>,
    model: Setting<'_>,
    labels: Setting<'_>,
    horizon_days: Setting<'_>,
    snapshots: Setting<'_>,
    feature_set: Setting<'_>,
    seed: Setting<'_>,
    attributes: Option<&Bound<'_, PyAny>>,
    cutoffs: Setting<'_>,
    step_days: Setting<'_>,
    most_cutoffs: Setting<'_>,
    against: Option<Bound<'_, PyAny>>,
    predictions: Setting<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    parameters: Option<&Bound<'_, PyDict>>,
) -> PyResult<Backtest> {
    let mut keys = settings(parameters)?;
    for (name, setting) in [
        ("model", model),
        ("labels", labels),
        ("horizon_days", horizon_days),
        ("snapshots", snapshots),
        ("feature_set", feature_set),
        ("seed", seed),
        ("cutoffs", cutoffs),
        ("step_days", step_days),
        ("most_cutoffs", most_cutoffs),
        ("against", Setting(against)),
        ("predictions", predictions),
    ] {
        setting.put(&mut keys, name)?;
    }
    let config: BacktestConfig = read(keys)?;
    // A frame has one column of each name.
    if let Some(name) = config.against.keys().find(|name| config.predictions && COLUMNS.contains(&name.as_str())) {
        return Err(invalid(format!("against has the name {name:?}; expected none of {}", COLUMNS.join(", "))));
    }
    let attributes = self::attributes(attributes)?;
    let (py, Events { inner: events, ids, .. }) = (events.py(), events.get());
    let mut inner = PyObserver::new(progress)?
        .run(py, |watch| churn::backtest_observed(joined(events, attributes.as_ref()), &config, watch))?;
    let predictions = inner.predictions.take().map(Arc::new);
    Ok(Backtest { inner, predictions, ids: ids.clone() })
}
