//! Trained models and their methods. One file, and long, because a class has one block of methods here, with the documentation of each.

use std::borrow::Cow;
use std::sync::{Mutex, TryLockError};

use churn::report::{Report, ReportConfig};
use churn::{ChangeConfig, ErrorKind, ExplainConfig, Explainer, SlippingConfig, Source};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;

use crate::convert::{date, json, optional_day, quote_for_message, to_python};
use crate::customer::{one, prediction_dict, subscriber as subscriber_of, today};
use crate::error::{error_of_kind, invalid, raise};
use crate::events::Events;
use crate::features::FeatureTable;
use crate::ids::{Ids, id_of};
use crate::input::With;
use crate::results::{Explanation, Predictions};
use crate::slipping::SlippingList;
use crate::subscriptions::Subscriptions;
use crate::table::{Taken, table};
use crate::watch::PyObserver;

/// A trained model: what it learned, its evaluation, and everything needed to score later data in the same way.
///
/// Created by :func:`train`, :func:`train_table`, :func:`load` and :meth:`Model.from_json`. Pickling uses the model document.
#[pyclass(frozen, module = "churn")]
pub(crate) struct Model {
    pub(crate) inner: churn::Model,
    /// The last explainer and its settings. Creating it takes longer than explaining one customer.
    explainer: Mutex<Option<(ExplainConfig, Explainer)>>,
}

impl From<churn::Model> for Model {
    fn from(inner: churn::Model) -> Self {
        Model { inner, explainer: Mutex::default() }
    }
}

impl Model {
    fn explainer(&self, config: &ExplainConfig) -> churn::Result<Explainer> {
        // Never waits: in a forked process, a thread that does not exist there may hold the lock.
        let last = || match self.explainer.try_lock() {
            Ok(last) => Some(last),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(Some((of, explainer))) = last().as_deref()
            && of == config
        {
            return Ok(explainer.clone());
        }
        let explainer = self.inner.explainer(config)?;
        if let Some(mut last) = last() {
            *last = Some((config.clone(), explainer.clone()));
        }
        Ok(explainer)
    }

    fn of_events(&self) -> bool {
        // A model trained on a table has no cutoffs.
        !self.inner.cutoffs().is_empty()
    }

    /// Returns the features of a log, of a table, or the given features themselves.
    fn features_of<'a>(
        &self,
        input: &'a Bound<'_, PyAny>,
        with: &With<'_, '_>,
    ) -> PyResult<(Cow<'a, churn::FeatureTable>, Ids)> {
        if let Ok(table) = input.cast::<FeatureTable>() {
            let FeatureTable { inner, ids } = table.get();
            let inner = match with.include_inactive {
                true => Cow::Owned(inner.clone().include_inactive(true)),
                false => Cow::Borrowed(inner),
            };
            return Ok((inner, ids.clone()));
        }
        if let Ok(events) = input.cast::<Events>() {
            let Events { inner: events, ids, .. } = events.get();
            let (as_of, attributes) = (with.as_of, with.attributes()?);
            let input_of = with.input(events, attributes.as_ref());
            let table = input.py().detach(|| self.inner.features(input_of, as_of)).map_err(raise)?;
            return Ok((Cow::Owned(table), ids.clone()));
        }
        if let Ok(subscriptions) = input.cast::<Subscriptions>() {
            let Subscriptions { inner, ids } = subscriptions.get();
            let (as_of, attributes) = (with.as_of, with.attributes()?);
            let input_of = with.subscriptions(inner, attributes.as_ref());
            let table = input.py().detach(|| self.inner.features(input_of, as_of)).map_err(raise)?;
            return Ok((Cow::Owned(table), ids.clone()));
        }
        let ((table, ids), customer_id) = (self.table(input, with.customer_id)?, with.customer_id);
        let table = input.py().detach(|| self.inner.table_features(&table, customer_id));
        Ok((table.map(Cow::Owned).map_err(|error| self.about(error))?, ids))
    }

    /// Reads the columns of a table that the model uses.
    fn table(&self, input: &Bound<'_, PyAny>, customer_id: Option<&str>) -> PyResult<(churn::Table, Ids)> {
        let names = self.inner.feature_specs().iter().map(|spec| spec.name.clone());
        let only = names.chain(customer_id.map(str::to_owned)).collect();
        table(input, &Taken { only: Some(only), customer_id, hint: self.hint(), ..Taken::default() })
    }

    fn hint(&self) -> &'static str {
        match self.of_events() {
            true => "; the model was trained on events: pass churn.Events.from_table(frame) for a log",
            false => "",
        }
    }

    /// Adds a hint to the error for a missing column, because the table is often a log.
    fn about(&self, error: churn::Error) -> PyErr {
        match error.kind() {
            kind @ ErrorKind::MissingColumn => error_of_kind(kind, format!("{error}{}", self.hint())),
            _ => raise(error),
        }
    }
}

#[pymethods]
impl Model {
    /// The learner: `"logistic_regression"`, `"random_forest"` or `"gradient_boosting"`, or `"auto"` for a weighted mean of several.
    #[getter]
    fn kind(&self) -> &'static str {
        self.inner.kind().name()
    }

    /// The evaluation on rows that were not used for training: `metrics` (`roc_auc`, `log_loss`, …), the same metrics of a
    /// `logistic_regression`, `recency_auc`, `curves`, `segments`, `importance`, `protocol`, and `over_time`: the same recipe at
    /// up to four recent cutoffs with the keys of :class:`Backtest`, None in a document of an older version. With the model
    /// `"auto"`, `candidates` lists the recipes that were tried: the chosen one first, which need not have the lowest `log_loss`, because
    /// another one must be better by more than the `standard_error` of its difference to the default. A candidate with `members` is
    /// a weighted mean of them; one without a `log_loss` has the reason in `failure`. A dict that shows
    /// its curves in a notebook. None if the model was trained with `evaluation=False`; `logistic_regression` is None with
    /// `compare_with_logistic=False`.
    #[getter]
    fn evaluation<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let evaluation = to_python(py, &self.inner.evaluation())?;
        if evaluation.is_none() {
            return Ok(evaluation);
        }
        py.import("churn._display")?.call_method1("Evaluation", (evaluation,))
    }

    /// The training data: `rows`, `churned`, `base_rate` and a fingerprint.
    #[getter]
    fn training<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.training())
    }

    /// The settings that the model was fitted with, including the values chosen automatically.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.parameters())
    }

    /// The lower bounds of the risk bands: `medium`, `high`, `critical`.
    #[getter]
    fn thresholds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.thresholds())
    }

    /// The calibration that was fitted: `"none"`, `"Platt"` or `"isotonic"`.
    #[getter]
    fn calibration(&self) -> &'static str {
        self.inner.calibration()
    }

    /// The calibrated probability of churn of each row of a matrix or a table, in the order of the rows.
    ///
    /// Parameters
    /// ----------
    /// x : array of floats (rows × features) or table
    ///     The features in the order of `feature_names`: NaN for a missing value, the index of its level for a category. Of a
    ///     table, the columns with these names.
    ///
    /// Returns
    /// -------
    /// array of floats
    fn probabilities<'py>(&self, py: Python<'py>, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let found = match x.cast::<PyArray2<f64>>() {
            Ok(matrix) => {
                let x = matrix.readonly().as_array().to_owned();
                py.detach(|| self.inner.probabilities(&x)).map_err(raise)?
            }
            Err(_) => {
                let (table, _) = self.table(x, None)?;
                py.detach(|| self.inner.table_probabilities(&table)).map_err(|error| self.about(error))?
            }
        };
        Ok(PyArray1::from_vec(py, found))
    }

    /// The share of each feature in what the splits of the trees explain, in the order of `feature_names`; None without a split, as
    /// in logistic regression. They add up to 1. It says nothing about unseen rows: `evaluation["importance"]` does.
    fn split_importance<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f64>>> {
        self.inner.split_importance().map(|shares| PyArray1::from_vec(py, shares))
    }

    /// The intercept and the coefficient of each feature on its own scale, in log-odds before calibration; None unless the model
    /// is a logistic regression on numbers.
    fn coefficients<'py>(&self, py: Python<'py>) -> Option<(f64, Bound<'py, PyArray1<f64>>)> {
        let (intercept, coefficients) = self.inner.coefficients()?;
        Some((intercept, PyArray1::from_vec(py, coefficients)))
    }

    /// The names of the features that the model uses, in order.
    #[getter]
    fn feature_names(&self) -> Vec<&str> {
        self.inner.feature_specs().iter().map(|spec| spec.name.as_str()).collect()
    }

    /// The cutoffs of the training rows, oldest first; empty for a model trained on a table.
    #[getter]
    fn cutoffs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.inner.cutoffs().iter().map(|&day| date(py, day)).collect()
    }

    /// The rows of the source that formed one event of the training log: `"row"`, `"order"` or `"day"`. The transactions of a
    /// single customer are counted in the same way.
    #[getter]
    fn event_unit(&self) -> &'static str {
        self.inner.event_unit().name()
    }

    /// The definition of churn of this model, in one sentence.
    #[getter]
    fn definition(&self) -> String {
        self.inner.definition()
    }

    /// The messages of the findings that are warnings or errors, and the warnings of older documents; empty if there are none.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.inner.warnings().to_vec()
    }

    /// The findings of the training, worst first: `code`, `severity`, `message`, `evidence`, `suggestion`. None for a document
    /// of an older version of the library that did not check.
    #[getter]
    fn findings<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.findings().map(|findings| to_python(py, findings)).transpose()
    }

    /// The stamp of the audit that no data from after a cutoff reached the features, with the `inputs` that it covers:
    /// `"events"`, and `"attributes"` if the rows of the joined table have days. None if there was no audit.
    #[getter]
    fn audit<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.audit().map(|audit| to_python(py, audit)).transpose()
    }

    /// The version of the library that trained the model.
    #[getter]
    fn library_version(&self) -> &str {
        self.inner.library_version()
    }

    /// Computes the features of a log or of subscriptions as this model uses them.
    ///
    /// Parameters
    /// ----------
    /// events : Events or Subscriptions
    /// as_of : date or str, optional
    ///     The last day of the log if left out.
    /// include_inactive : bool, default False
    ///     As for :meth:`predict`.
    /// allow : list of str, optional
    ///     As for :meth:`predict`.
    /// attributes : table, optional
    ///     The columns that were joined in training, found by its column `customer_id`.
    /// usage : Events, optional
    ///     Of subscriptions, the usage events, if the model was trained with them.
    ///
    /// Returns
    /// -------
    /// FeatureTable
    #[pyo3(signature = (events, as_of=None, include_inactive=false, allow=None, *, attributes=None, usage=None))]
    fn features<'py>(
        &self,
        events: &Bound<'py, PyAny>,
        as_of: Option<&Bound<'py, PyAny>>,
        include_inactive: bool,
        allow: Option<&Bound<'py, PyAny>>,
        attributes: Option<&Bound<'py, PyAny>>,
        usage: Option<&Bound<'py, Events>>,
    ) -> PyResult<FeatureTable> {
        let with = With::new(as_of, attributes, None, include_inactive, allow)?.usage(usage);
        if !events.is_instance_of::<Events>() && !events.is_instance_of::<Subscriptions>() {
            return Err(neither(events));
        }
        let (inner, ids) = self.features_of(events, &with)?;
        Ok(FeatureTable { inner: inner.into_owned(), ids })
    }

    /// Predicts the risk of the customers that the model's definition of churn covers; :attr:`Predictions.coverage` counts the
    /// others.
    ///
    /// Parameters
    /// ----------
    /// events_or_table : Events, Subscriptions, FeatureTable or table
    ///     A log; subscriptions; features that were computed before; or, for a model of a table, a table with its columns.
    /// as_of : date or str, optional
    ///     Of a log, the day that customers are looked at; the last day of the log if left out.
    /// include_inactive : bool, default False
    ///     Scores those too whom the definition does not cover, because they have been away for too long (`active_within_days`):
    ///     the model knows nothing about them. :attr:`Predictions.covered` then says of each whether it does. Of subscriptions, those
    ///     who have already cancelled.
    /// allow : list of str, optional
    ///     Codes of findings (:func:`finding_codes`) that may not stop the work.
    /// attributes : table, optional
    ///     The columns that were joined in training, found by its column `customer_id`.
    /// customer_id : str, optional
    ///     Of a table, the column of ids; numbers of rows from 1 if left out.
    /// usage : Events, optional
    ///     Of subscriptions, the usage events, if the model was trained with them.
    ///
    /// Returns
    /// -------
    /// Predictions
    ///
    /// Examples
    /// --------
    /// >>> predictions = model.predict(events)
    /// >>> len(predictions) == len(predictions.churn_probability)
    /// True
    #[pyo3(
        signature = (
            events_or_table, as_of=None, include_inactive=false, allow=None, *, attributes=None, customer_id=None,
            usage=None
        )
    )]
    #[allow(clippy::too_many_arguments, reason = "a call of Python, with names")]
    fn predict<'py>(
        &self,
        events_or_table: &Bound<'py, PyAny>,
        as_of: Option<&Bound<'py, PyAny>>,
        include_inactive: bool,
        allow: Option<&Bound<'py, PyAny>>,
        attributes: Option<&Bound<'py, PyAny>>,
        customer_id: Option<Cow<'_, str>>,
        usage: Option<&Bound<'py, Events>>,
    ) -> PyResult<Predictions> {
        let (py, customer_id) = (events_or_table.py(), customer_id.as_deref());
        let with = With::new(as_of, attributes, customer_id, include_inactive, allow)?.usage(usage);
        let is_table = !events_or_table.is_instance_of::<Events>()
            && !events_or_table.is_instance_of::<Subscriptions>()
            && !events_or_table.is_instance_of::<FeatureTable>();
        if is_table {
            let (table, ids) = self.table(events_or_table, customer_id)?;
            let inner = py.detach(|| self.inner.predict_table(&table, customer_id));
            return Ok(Predictions { inner: inner.map_err(|error| self.about(error))?, ids });
        }
        let (table, ids) = self.features_of(events_or_table, &with)?;
        Ok(Predictions { inner: py.detach(|| self.inner.predict_features(&table)).map_err(raise)?, ids })
    }

    /// Predicts the risk of one customer, with exactly the same bits as in a batch.
    ///
    /// Parameters
    /// ----------
    /// customer : dict
    ///     `customer_id`, `transactions` (a list of dicts with `event_date` and, where known, `amount` and `event_type`) and,
    ///     where the model has joined columns, `attributes`.
    /// as_of : date or str, optional
    ///     Today (UTC) if left out.
    ///
    /// Returns
    /// -------
    /// dict
    ///     `customer_id`, `churn_probability`, `risk_segment`, `covered`, and, where the probability is a guess, `note`: the
    ///     definition of churn does not cover the customer, or a value of `attributes` is unknown to the model.
    ///
    /// Examples
    /// --------
    /// >>> customer = {"customer_id": "C001", "transactions": [{"event_date": "2024-05-01", "amount": 20.0}]}
    /// >>> sorted(model.predict_one(customer, as_of="2024-06-30"))
    /// ['churn_probability', 'covered', 'customer_id', 'risk_segment']
    #[pyo3(signature = (customer, as_of=None))]
    fn predict_one<'py>(
        &self,
        customer: &Bound<'py, PyAny>,
        as_of: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = customer.py();
        let as_of = optional_day(as_of)?.map_or_else(today, Ok)?;
        let (customer, ids) = one(customer)?;
        prediction_dict(py, &self.inner.predict_one(&customer, as_of).map_err(raise)?, &ids)
    }

    /// Predicts the risk of one customer of a subscription, with exactly the same bits as in a batch.
    ///
    /// Parameters
    /// ----------
    /// subscriber : dict
    ///     `customer_id`; `periods`, a list of dicts with the columns of :func:`read_subscriptions`; where the model was trained with
    ///     usage events, `usage`, a list of dicts with `event_date` and, where known, `amount` and `event_type`; and where it has
    ///     joined columns, `attributes`.
    /// as_of : date or str, optional
    ///     Today (UTC) if left out. What became known later is not used.
    ///
    /// Returns
    /// -------
    /// dict
    ///     As :meth:`predict_one`, and `status` (`"active"` or `"already_cancelled"`) and `causes`, the probability to leave for each
    ///     cause that the model knows.
    ///
    /// Raises
    /// ------
    /// NoCustomersError
    ///     If no paid period covers the day.
    #[pyo3(signature = (subscriber, as_of=None))]
    fn predict_subscriber<'py>(
        &self,
        subscriber: &Bound<'py, PyAny>,
        as_of: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = subscriber.py();
        let as_of = optional_day(as_of)?.map_or_else(today, Ok)?;
        let (subscriber, ids) = subscriber_of(subscriber)?;
        let found = self.inner.predict_subscriber(&subscriber, as_of).map_err(raise)?;
        let dict = prediction_dict(py, &found.prediction, &ids)?;
        dict.set_item("status", found.status.name())?;
        let causes = PyDict::new(py);
        for (cause, p) in &found.causes {
            causes.set_item(cause.name(), p)?;
        }
        dict.set_item("causes", causes)?;
        Ok(dict)
    }

    /// Returns the amount that each scored customer of a subscription is expected to pay in the next months, if the rate at which
    /// customers leave stays what it is over the horizon. Discounts and changes of the amount are not part of it.
    ///
    /// Parameters
    /// ----------
    /// predictions : Predictions
    ///     Of this model.
    /// subscriptions : Subscriptions
    ///     With the amounts per month on the day of the predictions.
    /// months : float, default 36
    ///     0 to 1200.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray
    ///     Missing (NaN) for a customer without an amount, and for a model of the days before renewals.
    #[pyo3(signature = (predictions, subscriptions, months=36.0))]
    fn subscription_values<'py>(
        &self,
        predictions: &Bound<'py, Predictions>,
        subscriptions: &Bound<'py, Subscriptions>,
        months: f64,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let py = predictions.py();
        let (predictions, subscriptions) = (&predictions.get().inner, &subscriptions.get().inner);
        let base =
            subscriptions.customer_base(predictions.as_of().unwrap_or(subscriptions.last_day())).map_err(raise)?;
        let values = self.inner.subscription_values(predictions, &base, months).map_err(raise)?;
        Ok(PyArray1::from_iter(py, values.into_iter().map(|value| value.unwrap_or(f64::NAN))))
    }

    /// Predicts the risk of one customer with its reasons, with exactly the same bits as in a batch.
    ///
    /// Parameters
    /// ----------
    /// customer : dict
    ///     As for :meth:`predict_one`.
    /// as_of : date or str, optional
    ///     Today (UTC) if left out.
    /// **config
    ///     As for :meth:`explain`.
    ///
    /// Returns
    /// -------
    /// dict
    ///     `prediction`, as of :meth:`predict_one`; `reasons` (`feature`, `value`, `contribution`, `raises_risk`, `text`);
    ///     `base`, `margin` and `contributions`, as of :class:`Explanation`.
    ///
    /// Examples
    /// --------
    /// >>> customer = {"customer_id": "C001", "transactions": [{"event_date": "2024-05-01", "amount": 20.0}]}
    /// >>> found = model.explain_one(customer, as_of="2024-06-30")
    /// >>> found["prediction"] == model.predict_one(customer, as_of="2024-06-30")
    /// True
    #[pyo3(signature = (customer, as_of=None, **config))]
    fn explain_one<'py>(
        &self,
        customer: &Bound<'py, PyAny>,
        as_of: Option<&Bound<'py, PyAny>>,
        config: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let config: ExplainConfig = crate::convert::config(config)?;
        let (py, as_of) = (customer.py(), optional_day(as_of)?.map_or_else(today, Ok)?);
        let (customer, ids) = one(customer)?;
        let explained = py.detach(|| self.explainer(&config)?.explain_one(&customer, as_of)).map_err(raise)?;
        let found = to_python(py, &explained)?;
        found.set_item("prediction", prediction_dict(py, &explained.prediction, &ids)?)?;
        Ok(found)
    }

    /// Returns the covered customers whose risk rose most since an earlier day.
    ///
    /// Parameters
    /// ----------
    /// events : Events or Subscriptions
    /// as_of : date or str, optional
    ///     The last day of the data if left out.
    /// allow : list of str, optional
    ///     As for :meth:`predict`.
    /// attributes : table, optional
    ///     The columns that were joined in training, found by its column `customer_id`.
    /// usage : Events, optional
    ///     As for :meth:`predict`.
    /// **config
    ///     `days` (how long before; a third of the horizon), `customers` (the most to list, 20), `changes` (how many in words, 2),
    ///     `event` (what an event is called in words).
    ///
    /// Returns
    /// -------
    /// SlippingList
    ///
    /// Examples
    /// --------
    /// >>> slipping = model.slipping_away(events, customers=5)
    /// >>> bool((slipping.churn_probability > slipping.probability_before).all())
    /// True
    #[pyo3(signature = (events, as_of=None, *, allow=None, attributes=None, usage=None, **config))]
    fn slipping_away<'py>(
        &self,
        events: &Bound<'py, PyAny>,
        as_of: Option<&Bound<'py, PyAny>>,
        allow: Option<&Bound<'py, PyAny>>,
        attributes: Option<&Bound<'py, PyAny>>,
        usage: Option<&Bound<'py, Events>>,
        config: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<SlippingList> {
        let config: SlippingConfig = crate::convert::config(config)?;
        let with = With::new(as_of, attributes, None, false, allow)?.usage(usage);
        let (py, attributes, as_of) = (events.py(), with.attributes()?, with.as_of);
        let (source, ids) = source(events, &with, attributes.as_ref())?;
        let inner = py.detach(|| self.inner.slipping_away(source, as_of, &config)).map_err(raise)?;
        Ok(SlippingList { inner, ids: ids.clone() })
    }

    /// Writes the report: one HTML page with the customers who are slipping away, those at the greatest risk and why, and the
    /// evaluation of the model. It loads nothing from elsewhere and runs no script.
    ///
    /// Parameters
    /// ----------
    /// path : path, optional
    ///     The file to write, whose name ends in `.html`. The page is returned if it is left out.
    /// events : Events or Subscriptions, optional
    ///     The data whose customers are scored. If left out, the page is about the model alone.
    /// as_of : date or str, optional
    ///     The last day of the data if left out.
    /// allow : list of str, optional
    ///     As for :meth:`predict`.
    /// attributes : table, optional
    ///     The columns that were joined in training, found by its column `customer_id`.
    /// usage : Events, optional
    ///     As for :meth:`predict`.
    /// **config
    ///     `title` (default `"Churn report"`), `source` (what the data is called, such as the name of a file) and `event` (what an
    ///     event is called in words; default `"purchase"` if every event has an amount of 0 or more).
    ///
    /// Returns
    /// -------
    /// str or None
    ///     The page, if `path` is left out.
    ///
    /// Examples
    /// --------
    /// >>> page = model.report(events=events, title="Our customers")
    /// >>> page.startswith("<!doctype html>") and "Our customers" in page
    /// True
    #[pyo3(signature = (path=None, events=None, as_of=None, *, allow=None, attributes=None, usage=None, **config))]
    #[allow(clippy::too_many_arguments, reason = "a call of Python, with names")]
    fn report<'py>(
        &self,
        py: Python<'py>,
        path: Option<&Bound<'py, PyAny>>,
        events: Option<&Bound<'py, PyAny>>,
        as_of: Option<&Bound<'py, PyAny>>,
        allow: Option<&Bound<'py, PyAny>>,
        attributes: Option<&Bound<'py, PyAny>>,
        usage: Option<&Bound<'py, Events>>,
        config: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<String>> {
        let config: ReportConfig = crate::convert::config(config)?;
        let path = path.filter(|path| !path.is_none()).map(page_path).transpose()?;
        let page = match events.filter(|events| !events.is_none()) {
            Some(events) => {
                let with = With::new(as_of, attributes, None, false, allow)?.usage(usage);
                let (attributes, as_of) = (with.attributes()?, with.as_of);
                let (source, _) = source(events, &with, attributes.as_ref())?;
                py.detach(|| self.inner.report(source, as_of, &config))
            }
            None if as_of.is_some() || allow.is_some() || attributes.is_some() || usage.is_some() => {
                let message = "as_of, allow, attributes and usage belong to events, which are not given";
                return Err(pyo3::exceptions::PyTypeError::new_err(message));
            }
            None => {
                let mut report = Report::new(&config.title, &self.inner);
                report.source = config.source.as_deref();
                report.to_html()
            }
        };
        let page = page.map_err(raise)?;
        match path {
            Some(path) => write(py, &path, &page).map(|()| None),
            None => Ok(Some(page)),
        }
    }

    /// Explains the risk of each customer by the contributions of the features.
    ///
    /// Parameters
    /// ----------
    /// events_or_table : Events, FeatureTable or table
    ///     As for :meth:`predict`.
    /// as_of : date or str, optional
    /// include_inactive : bool, default False
    /// allow : list of str, optional
    /// attributes : table, optional
    /// customer_id : str, optional
    /// usage : Events, optional
    ///     As for :meth:`predict`.
    /// progress : bool or callable, optional
    ///     True for a bar of tqdm, or a function of stage, done and total.
    /// **config
    ///     `feature_perturbation` (`"tree_path_dependent"` or `"interventional"`), `reasons` (how many a customer, 3), `event`
    ///     (what an event is called in words, such as `"purchase"`).
    ///
    /// Returns
    /// -------
    /// Explanation
    ///
    /// Examples
    /// --------
    /// >>> explanation = model.explain(events)
    /// >>> import numpy as np
    /// >>> bool(np.allclose(explanation.base + explanation.contributions.sum(axis=1), explanation.margin))
    /// True
    #[pyo3(
        signature = (
            events_or_table, as_of=None, include_inactive=false, allow=None, *, attributes=None, customer_id=None,
            usage=None, progress=None, **config
        )
    )]
    #[allow(clippy::too_many_arguments, reason = "a call of Python, with names")]
    fn explain<'py>(
        &self,
        events_or_table: &Bound<'py, PyAny>,
        as_of: Option<&Bound<'py, PyAny>>,
        include_inactive: bool,
        allow: Option<&Bound<'py, PyAny>>,
        attributes: Option<&Bound<'py, PyAny>>,
        customer_id: Option<Cow<'_, str>>,
        usage: Option<&Bound<'py, Events>>,
        progress: Option<&Bound<'py, PyAny>>,
        config: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Explanation> {
        let config: ExplainConfig = crate::convert::config(config)?;
        let with = With::new(as_of, attributes, customer_id.as_deref(), include_inactive, allow)?.usage(usage);
        let (table, ids) = self.features_of(events_or_table, &with)?;
        let watch = PyObserver::new(progress)?;
        let inner =
            watch.run(events_or_table.py(), |watch| self.explainer(&config)?.explain_observed(&table, watch))?;
        Ok(Explanation { inner, ids })
    }

    /// Predicts the risk of a customer with changed feature values.
    ///
    /// Parameters
    /// ----------
    /// table : FeatureTable
    ///     Of :meth:`features`.
    /// customer_id : str or int
    /// changes : dict
    ///     Values by the names of features.
    ///
    /// Returns
    /// -------
    /// dict
    ///     `before` and `after`, as of :meth:`predict_one`.
    ///
    /// Examples
    /// --------
    /// >>> table = model.features(events)
    /// >>> found = model.what_if(table, table.customer_ids[0], {"recency_score": 100.0})
    /// >>> sorted(found)
    /// ['after', 'before']
    fn what_if<'py>(
        &self,
        table: &Bound<'py, FeatureTable>,
        customer_id: &Bound<'py, PyAny>,
        changes: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let changes: std::collections::BTreeMap<String, churn::Value> = match json(changes, "changes", 0)? {
            changes @ Value::Object(_) => serde_json::from_value(changes)
                .map_err(|_| invalid("changes has a value that is neither a number, True, False, text nor None"))?,
            _ => {
                return Err(invalid(format!(
                    "changes is {}; expected a dict of values by feature",
                    quote_for_message(changes)
                )));
            }
        };
        let changes: Vec<(&str, churn::Value)> =
            changes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let FeatureTable { inner: table_of, ids } = table.get();
        let found = self.inner.what_if(table_of, &id_of(customer_id)?.0, &changes).map_err(raise)?;
        let found = to_python(table.py(), &found)?;
        for side in ["before", "after"] {
            ids.restore_one(&found.get_item(side)?)?;
        }
        Ok(found)
    }

    /// Returns the smallest changes of features that take a customer's risk below a threshold, nearest first.
    ///
    /// Parameters
    /// ----------
    /// table : FeatureTable
    ///     Of :meth:`features`.
    /// customer_id : str or int
    /// below : float, optional
    ///     The probability to get below; where the customer's own risk band begins if left out.
    /// features : list of str, optional
    ///     Those that may be changed; for a model of events those that a business can influence if left out.
    ///
    /// Returns
    /// -------
    /// list of dict
    ///     `steps` (`feature`, `from`, `to`, `text`), `churn_probability`, `distance`.
    #[pyo3(signature = (table, customer_id, **config))]
    fn smallest_changes<'py>(
        &self,
        table: &Bound<'py, FeatureTable>,
        customer_id: &Bound<'py, PyAny>,
        config: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let config: ChangeConfig = crate::convert::config(config)?;
        let (py, table, (customer_id, _)) = (table.py(), &table.get().inner, id_of(customer_id)?);
        let found = py.detach(|| self.inner.smallest_changes(table, &customer_id, &config)).map_err(raise)?;
        to_python(py, &found)
    }

    /// Returns the model document: one versioned JSON text, the same in every language.
    fn to_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.to_json())
    }

    /// Reads a model document from any source, trusted or not. Everything is checked, and its golden rows must score as stored.
    ///
    /// Raises
    /// ------
    /// InvalidDocumentError, UnsupportedVersionError, GoldenMismatchError
    ///
    /// Examples
    /// --------
    /// >>> import churn
    /// >>> churn.Model.from_json(model.to_json()) == model
    /// True
    #[staticmethod]
    pub(crate) fn from_json(py: Python<'_>, text: Cow<'_, str>) -> PyResult<Model> {
        Ok(py.detach(|| churn::Model::from_json(&text)).map_err(raise)?.into())
    }

    /// Writes the model document to a file.
    fn save(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        write(py, &path, &self.to_json(py))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let from_json = slf.get_type().getattr("from_json")?;
        Ok((from_json, (slf.get().to_json(slf.py()),)))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Model>().is_ok_and(|other| other.get().inner == self.inner)
    }

    fn __hash__(&self, py: Python<'_>) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.to_json(py).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let judged = match self.inner.evaluation().map(|evaluation| &evaluation.metrics) {
            Some(metrics) => format!("AUC {:.3}, log-loss {:.3}", metrics.roc_auc, metrics.log_loss),
            None => "not evaluated".to_owned(),
        };
        let features = self.inner.feature_specs().len();
        let rows = self.inner.training().rows;
        format!("<Model: {}, {features} features, trained on {rows} rows, {judged}>", self.kind())
    }

    /// The charts, drawn with matplotlib: `over_time`, `calibration`, `gain`, `lift`, `segments` and `importance`.
    #[getter]
    fn plot<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn.plot")?.call_method1("ModelPlots", (slf,))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("model", (slf,))
    }
}

/// The path of a page to write. Another name than that of a page is refused: it may be that of the data, which would be lost.
fn page_path(path: &Bound<'_, PyAny>) -> PyResult<std::path::PathBuf> {
    if path.is_instance_of::<Events>() || path.is_instance_of::<Subscriptions>() {
        return Err(pyo3::exceptions::PyTypeError::new_err("path is the file to write; the data is given as events"));
    }
    let path: std::path::PathBuf = path.extract()?;
    let is_page = |suffix: &std::ffi::OsStr| suffix.eq_ignore_ascii_case("html") || suffix.eq_ignore_ascii_case("htm");
    match path.extension().is_some_and(is_page) {
        true => Ok(path),
        false => {
            let message = format!("the page would be written to {path:?}; expected a name that ends in .html");
            Err(pyo3::exceptions::PyValueError::new_err(message))
        }
    }
}

/// Writes a file. The error names it.
fn write(py: Python<'_>, path: &std::path::Path, text: &str) -> PyResult<()> {
    py.detach(|| std::fs::write(path, text))
        .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())).into())
}

/// The data of a call that takes events or subscriptions, and the ids of their customers.
fn source<'a>(
    data: &'a Bound<'_, PyAny>,
    with: &'a With<'_, '_>,
    attributes: Option<&'a churn::Table>,
) -> PyResult<(Source<'a>, &'a Ids)> {
    match (data.cast::<Events>(), data.cast::<Subscriptions>()) {
        (Ok(events), _) => {
            let Events { inner, ids, .. } = events.get();
            Ok((with.input(inner, attributes).into(), ids))
        }
        (_, Ok(subscriptions)) => {
            let Subscriptions { inner, ids } = subscriptions.get();
            Ok((with.subscriptions(inner, attributes).into(), ids))
        }
        _ => Err(neither(data)),
    }
}

/// The error for data that are neither events nor subscriptions.
fn neither(data: &Bound<'_, PyAny>) -> PyErr {
    let message = format!("{} is neither Events nor Subscriptions", quote_for_message(data));
    pyo3::exceptions::PyTypeError::new_err(message)
}
