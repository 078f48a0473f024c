//! Training, and what a trained model can be asked.

use std::borrow::Cow;
use std::sync::{Mutex, TryLockError};

use churn::{ChangeConfig, Day, ErrorKind, ExplainConfig, Explainer, Input};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;

use crate::convert::{date, json, optional_day, shown, to_python};
use crate::customer::{one, prediction_dict, today};
use crate::error::{invalid, raise, refuse};
use crate::events::Events;
use crate::features::FeatureTable;
use crate::results::{Explanation, Predictions};
use crate::table::{Taken, table};
use crate::watch::Watch;

/// The column of ids in a table whose columns are joined to the features of a log.
const JOINED_BY: &str = "customer_id";

/// A trained model: what it learned, how it was judged, and everything needed to score later data the same way.
///
/// Made by :func:`train`, :func:`train_table`, :func:`load` and :meth:`Model.from_json`. Pickling goes through the document.
#[pyclass(frozen, module = "churn")]
pub(crate) struct Model {
    inner: churn::Model,
    /// The last explainer and its settings: preparing it takes longer than explaining one customer.
    explainer: Mutex<Option<(ExplainConfig, Explainer)>>,
}

impl From<churn::Model> for Model {
    fn from(inner: churn::Model) -> Self {
        Model { inner, explainer: Mutex::default() }
    }
}

impl Model {
    fn explainer(&self, config: &ExplainConfig) -> churn::Result<Explainer> {
        // Never waits: in a forked process the lock may be held by a thread that does not exist there.
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
        // A model of a table has no cutoffs.
        !self.inner.cutoffs().is_empty()
    }

    /// The features of a log, of a table, or as they are given.
    fn features_of<'a>(
        &self,
        input: &'a Bound<'_, PyAny>,
        with: &With<'_, '_>,
    ) -> PyResult<Cow<'a, churn::FeatureTable>> {
        if let Ok(table) = input.cast::<FeatureTable>() {
            return Ok(Cow::Borrowed(&table.get().inner));
        }
        if let Ok(events) = input.cast::<Events>() {
            let (events, attributes) = (&events.get().inner, with.attributes()?);
            let as_of = with.as_of;
            let table = input.py().detach(|| self.inner.features(joined(events, attributes.as_ref()), as_of));
            return table.map(Cow::Owned).map_err(raise);
        }
        let (table, customer_id) = (self.table(input, with.customer_id)?, with.customer_id);
        let table = input.py().detach(|| self.inner.table_features(&table, customer_id));
        table.map(Cow::Owned).map_err(|error| self.about(error))
    }

    /// The columns of a table that the model looks at.
    fn table(&self, input: &Bound<'_, PyAny>, customer_id: Option<&str>) -> PyResult<churn::Table> {
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

    /// What is missing in a table is often that it is a log.
    fn about(&self, error: churn::Error) -> PyErr {
        match error.kind() {
            kind @ ErrorKind::MissingColumn => refuse(kind, format!("{error}{}", self.hint())),
            _ => raise(error),
        }
    }
}

/// What goes with the input of a call.
struct With<'a, 'py> {
    as_of: Option<Day>,
    attributes: Option<&'a Bound<'py, PyAny>>,
    customer_id: Option<&'a str>,
}

impl<'a, 'py> With<'a, 'py> {
    fn new(
        as_of: Option<&Bound<'py, PyAny>>,
        attributes: Option<&'a Bound<'py, PyAny>>,
        customer_id: Option<&'a str>,
    ) -> PyResult<Self> {
        Ok(With { as_of: optional_day(as_of)?, attributes, customer_id })
    }

    fn attributes(&self) -> PyResult<Option<churn::Table>> {
        attributes(self.attributes)
    }
}

/// The table to join.
pub(crate) fn attributes(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<churn::Table>> {
    let taken = Taken { customer_id: Some(JOINED_BY), ..Taken::default() };
    object.filter(|object| !object.is_none()).map(|object| table(object, &taken)).transpose()
}

pub(crate) fn joined<'a>(events: &'a churn::Events, attributes: Option<&'a churn::Table>) -> Input<'a> {
    match attributes {
        Some(table) => Input::from(events).with_attributes(table, JOINED_BY),
        None => events.into(),
    }
}

#[pymethods]
impl Model {
    /// The learner: `"logistic_regression"`, `"random_forest"` or `"gradient_boosting"`.
    #[getter]
    fn kind(&self) -> &'static str {
        self.inner.kind().name()
    }

    /// How it was judged on rows that it had not seen: `metrics` (`roc_auc`, `log_loss`, …), the same of
    /// `logistic_regression`, `recency_auc`, `curves`, `segments`, `importance`, `protocol`. A dict that shows its curves in
    /// a notebook.
    #[getter]
    fn evaluation<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let evaluation = to_python(py, self.inner.evaluation())?;
        py.import("churn._display")?.call_method1("Evaluation", (evaluation,))
    }

    /// What it was trained on: `rows`, `churned`, `base_rate` and a fingerprint.
    #[getter]
    fn training<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.training())
    }

    /// The settings it was fitted with, with everything that was chosen filled in.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.parameters())
    }

    /// Where the risk bands begin: `medium`, `high`, `critical`.
    #[getter]
    fn thresholds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.thresholds())
    }

    /// The calibration that was fitted: `"none"`, `"Platt"` or `"isotonic"`.
    #[getter]
    fn calibration(&self) -> &'static str {
        self.inner.calibration()
    }

    /// The features that it takes, in order.
    #[getter]
    fn feature_names(&self) -> Vec<&str> {
        self.inner.feature_specs().iter().map(|spec| spec.name.as_str()).collect()
    }

    /// The cutoffs that it learned from, oldest first; empty for a model of a table.
    #[getter]
    fn cutoffs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.inner.cutoffs().iter().map(|&day| date(py, day)).collect()
    }

    /// One event of the log that it learned from, in rows of its source: `"row"`, `"order"` or `"day"`. Transactions of one
    /// customer are counted in the same way.
    #[getter]
    fn event_unit(&self) -> &'static str {
        self.inner.event_unit().name()
    }

    /// What churn means here, in a sentence.
    #[getter]
    fn definition(&self) -> String {
        self.inner.definition()
    }

    /// What a reader of its results must know; empty where there is nothing.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.inner.warnings().to_vec()
    }

    /// The stamp of the audit that no future reached the features; None without one.
    #[getter]
    fn audit<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.audit().map(|audit| to_python(py, audit)).transpose()
    }

    /// The version of the library that trained it.
    #[getter]
    fn library_version(&self) -> &str {
        self.inner.library_version()
    }

    /// The features of a log as this model takes them.
    ///
    /// Parameters
    /// ----------
    /// events : Events
    /// as_of : date or str, optional
    ///     The last day of the log if left out.
    /// attributes : table, optional
    ///     The columns that were joined in training, found by its column `customer_id`.
    ///
    /// Returns
    /// -------
    /// FeatureTable
    #[pyo3(signature = (events, as_of=None, *, attributes=None))]
    fn features(
        &self,
        events: &Bound<'_, Events>,
        as_of: Option<&Bound<'_, PyAny>>,
        attributes: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<FeatureTable> {
        let with = With::new(as_of, attributes, None)?;
        Ok(FeatureTable { inner: self.features_of(events.as_any(), &with)?.into_owned() })
    }

    /// The risk of many customers.
    ///
    /// Parameters
    /// ----------
    /// events_or_table : Events, FeatureTable or table
    ///     A log; features that were computed before; or, for a model of a table, a table with its columns.
    /// as_of : date or str, optional
    ///     Of a log, the day that customers are looked at; the last day of the log if left out.
    /// attributes : table, optional
    ///     The columns that were joined in training, found by its column `customer_id`.
    /// customer_id : str, optional
    ///     Of a table, the column of ids; numbers of rows from 1 if left out.
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
    #[pyo3(signature = (events_or_table, as_of=None, *, attributes=None, customer_id=None))]
    fn predict(
        &self,
        events_or_table: &Bound<'_, PyAny>,
        as_of: Option<&Bound<'_, PyAny>>,
        attributes: Option<&Bound<'_, PyAny>>,
        customer_id: Option<Cow<'_, str>>,
    ) -> PyResult<Predictions> {
        let (py, customer_id) = (events_or_table.py(), customer_id.as_deref());
        let with = With::new(as_of, attributes, customer_id)?;
        let is_table = !events_or_table.is_instance_of::<Events>() && !events_or_table.is_instance_of::<FeatureTable>();
        let inner = if is_table {
            let table = self.table(events_or_table, customer_id)?;
            py.detach(|| self.inner.predict_table(&table, customer_id)).map_err(|error| self.about(error))?
        } else {
            let table = self.features_of(events_or_table, &with)?;
            py.detach(|| self.inner.predict_features(&table)).map_err(raise)?
        };
        Ok(Predictions { inner })
    }

    /// The risk of one customer, with the same bits as in a batch.
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
    ///     `customer_id`, `churn_probability`, `risk_segment`.
    ///
    /// Examples
    /// --------
    /// >>> customer = {"customer_id": "C001", "transactions": [{"event_date": "2024-05-01", "amount": 20.0}]}
    /// >>> sorted(model.predict_one(customer, as_of="2024-06-30"))
    /// ['churn_probability', 'customer_id', 'risk_segment']
    #[pyo3(signature = (customer, as_of=None))]
    fn predict_one<'py>(
        &self,
        customer: &Bound<'py, PyAny>,
        as_of: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = customer.py();
        let as_of = optional_day(as_of)?.map_or_else(today, Ok)?;
        let prediction = self.inner.predict_one(&one(customer)?, as_of).map_err(raise)?;
        prediction_dict(py, &prediction)
    }

    /// Why each customer has the risk they have.
    ///
    /// Parameters
    /// ----------
    /// events_or_table : Events, FeatureTable or table
    ///     As for :meth:`predict`.
    /// as_of : date or str, optional
    /// attributes : table, optional
    /// customer_id : str, optional
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
    #[pyo3(signature = (events_or_table, as_of=None, *, attributes=None, customer_id=None, progress=None, **config))]
    fn explain(
        &self,
        events_or_table: &Bound<'_, PyAny>,
        as_of: Option<&Bound<'_, PyAny>>,
        attributes: Option<&Bound<'_, PyAny>>,
        customer_id: Option<Cow<'_, str>>,
        progress: Option<&Bound<'_, PyAny>>,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Explanation> {
        let config: ExplainConfig = crate::convert::config(config)?;
        let with = With::new(as_of, attributes, customer_id.as_deref())?;
        let table = self.features_of(events_or_table, &with)?;
        let watch = Watch::new(progress)?;
        let inner =
            watch.run(events_or_table.py(), |watch| self.explainer(&config)?.explain_observed(&table, watch))?;
        Ok(Explanation { inner })
    }

    /// The risk of a customer if these features had these values.
    ///
    /// Parameters
    /// ----------
    /// table : FeatureTable
    ///     Of :meth:`features`.
    /// customer_id : str
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
        customer_id: Cow<'_, str>,
        changes: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let changes: std::collections::BTreeMap<String, churn::Value> = match json(changes, "changes", 0)? {
            changes @ Value::Object(_) => serde_json::from_value(changes)
                .map_err(|_| invalid("changes has a value that is neither a number, True, False, text nor None"))?,
            _ => return Err(invalid(format!("changes is {}; expected a dict of values by feature", shown(changes)))),
        };
        let changes: Vec<(&str, churn::Value)> =
            changes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let found = self.inner.what_if(&table.get().inner, &customer_id, &changes).map_err(raise)?;
        to_python(table.py(), &found)
    }

    /// The smallest changes of features that take a customer's risk below a threshold, the nearest first.
    ///
    /// Parameters
    /// ----------
    /// table : FeatureTable
    ///     Of :meth:`features`.
    /// customer_id : str
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
        customer_id: Cow<'_, str>,
        config: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let config: ChangeConfig = crate::convert::config(config)?;
        let (py, table) = (table.py(), &table.get().inner);
        let found = py.detach(|| self.inner.smallest_changes(table, &customer_id, &config)).map_err(raise)?;
        to_python(py, &found)
    }

    /// The model document: one versioned JSON text, the same in every language.
    fn to_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.to_json())
    }

    /// Reads a model document from any source, trusted or not: everything is checked, and its golden rows must score as
    /// written.
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

    /// Writes the document to a file.
    fn save(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        let text = self.to_json(py);
        py.detach(|| std::fs::write(&path, text))
            .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())).into())
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
        let metrics = &self.inner.evaluation().metrics;
        let training = self.inner.training();
        format!(
            "<Model: {}, {} features, trained on {} rows, AUC {:.3}, log-loss {:.3}>",
            self.kind(),
            self.inner.feature_specs().len(),
            training.rows,
            metrics.roc_auc,
            metrics.log_loss
        )
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("model", (slf,))
    }
}
