//! Features: of a log in memory, or in one pass over files and batches of any size.

use arrow_array::ArrayRef;
use churn::FeatureConfig;
use numpy::PyArray2;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use crate::convert::{Setting, date, optional_day, read, settings, to_python};
use crate::error::{invalid, raise};
use crate::events::Events;
use crate::ids::{IdTypeTracker, Ids};
use crate::outgoing::{Outgoing, categories, numbers};
use crate::stream::{reading, take};
use crate::subscriptions::Subscriptions;
use crate::table::{Taken, table};
use crate::watch::PyObserver;

/// A table of customers × features.
///
/// Returned by :func:`features` and :meth:`Model.features`. Converts to pandas and numpy, and without a copy to every library
/// with the Arrow PyCapsule interface: `polars.DataFrame(table)`, `pyarrow.table(table)`.
#[pyclass(frozen, module = "churn")]
pub(crate) struct FeatureTable {
    pub(crate) inner: churn::FeatureTable,
    pub(crate) ids: Ids,
}

#[pymethods]
impl FeatureTable {
    /// The ids of the customers as text, one per row.
    #[getter]
    fn customer_ids(&self) -> Vec<&str> {
        self.inner.customer_ids().collect()
    }

    /// The names of the columns.
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.inner.names().collect()
    }

    /// The values that a score of 100 stands for: `frequency` and `monetary`. None for the features of a table.
    #[getter]
    fn scales<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.scales().map(|scales| to_python(py, &scales)).transpose()
    }

    /// The number of customers that the model's definition of churn covers (`covered`), and of those left out of this table
    /// (`inactive`). None unless :meth:`Model.features` made the table.
    #[getter]
    fn coverage<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.coverage().map(|coverage| to_python(py, &coverage)).transpose()
    }

    /// The findings about the data that :meth:`Model.features` computed the table from: `code`, `severity`, `message`,
    /// `evidence`, `suggestion`.
    #[getter]
    fn findings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.findings())
    }

    /// The day at which the features were computed; None for the features of a table.
    #[getter]
    fn as_of<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.as_of().map(|day| date(py, day)).transpose()
    }

    /// The settings, including all fitted values; None for the features of a table.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.fitted_config().map(|config| to_python(py, config)).transpose()
    }

    /// The number of rows and columns.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.inner.values().dim()
    }

    fn __len__(&self) -> usize {
        self.inner.rows()
    }

    /// Returns the values as rows × columns. Missing values are NaN; a category is the index of its level.
    fn to_numpy<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f64>> {
        PyArray2::from_array(py, self.inner.values())
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Always returns a copy, because the table must not change.
        let _ = copy;
        let values = self.to_numpy(py).into_any();
        match dtype {
            Some(dtype) => values.call_method1("astype", (dtype,)),
            None => Ok(values),
        }
    }

    /// Returns the table as a pandas frame: `customer_id` and the features, categories by name.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py)
    }

    /// The levels of each categorical column, in the order of their index.
    #[getter]
    fn levels(&self) -> std::collections::BTreeMap<&str, Vec<String>> {
        let specs = self.inner.specs().iter();
        specs.filter_map(|spec| Some((spec.name.as_str(), spec.levels.clone()?))).collect()
    }

    /// Returns a new table with the columns of `table`, which has one row per customer, added to these features.
    ///
    /// Parameters
    /// ----------
    /// table : table
    ///     Numeric, boolean and categorical columns, and one of ids. Customers who are not in it get missing values.
    /// customer_id : str, default "customer_id"
    ///     The column of ids.
    ///
    /// Returns
    /// -------
    /// FeatureTable
    #[pyo3(name = "join", signature = (table, customer_id="customer_id"))]
    fn join_table(&self, table: &Bound<'_, PyAny>, customer_id: &str) -> PyResult<FeatureTable> {
        let (attributes, _) =
            self::table(table, &Taken { customer_id: Some(customer_id), dated: true, ..Taken::default() })?;
        let mut inner = self.inner.clone();
        inner.join(&attributes, customer_id).map_err(raise)?;
        Ok(FeatureTable { inner, ids: self.ids.clone() })
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
        let (rows, columns) = self.shape();
        format!("<FeatureTable: {rows} customers × {columns} features{as_of}>")
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("table", (slf,))
    }
}

impl Outgoing for FeatureTable {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let mut columns = vec![("customer_id".to_owned(), self.ids.column(|| self.inner.customer_ids()))];
        for (spec, values) in self.inner.specs().iter().zip(self.inner.values().columns()) {
            let values = values.iter().copied();
            let column = match &spec.levels {
                None => numbers(values),
                Some(levels) => categories(values, levels),
            };
            columns.push((spec.name.clone(), column));
        }
        columns
    }
}

/// Computes the features of every customer as of a day.
///
/// Parameters
/// ----------
/// events : Events, Subscriptions, path or iterator of tables
///     A log in memory. Or, for what is larger than memory, a CSV or Parquet file, a folder of either, or an iterator of
///     record batches or frames: read in one pass, with memory for the customers and not for the rows. `as_of` must then be
///     given, and the options of :func:`read_csv` stand beside those below.
/// as_of : date or str, optional
///     The day that customers are seen from; events after it do not exist. The last day of the log if left out.
/// feature_set : {"rfm", "behavioral"}, default "rfm"
/// scales : dict, optional
///     `frequency` and `monetary` of an earlier table or a model; fitted on the customers given if left out.
/// progress : bool or callable, optional
///     True for a bar of tqdm, or a function of stage, done and total.
/// **config
///     `windows` (`recent_days`, `activity_days`, `full_days`), `event_type_columns`, `top_event_types`. Of subscriptions
///     `allowed_gap_days` alone.
///
/// Returns
/// -------
/// FeatureTable
///
/// Examples
/// --------
/// >>> import churn
/// >>> events = churn.read_csv(b"customer_id,event_date,amount\nanna,2024-03-01,10\n")
/// >>> table = churn.features(events)
/// >>> table.names[:4], table.to_numpy()[0, :4]
/// (['recency_score', 'frequency_score', 'monetary_score', 'engagement_score'], array([100., 100., 100.,  30.]))
/// >>> table.scales
/// {'frequency': 1.0, 'monetary': 10.0}
#[pyfunction]
#[pyo3(
    signature = (events, as_of=None, feature_set=Setting(None), scales=Setting(None), *, progress=None, **config),
    text_signature = "(events, as_of=None, feature_set='rfm', scales=None, *, progress=None, **config)"
)]
pub(crate) fn features(
    events: &Bound<'_, PyAny>,
    as_of: Option<&Bound<'_, PyAny>>,
    feature_set: Setting<'_>,
    scales: Setting<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    config: Option<&Bound<'_, PyDict>>,
) -> PyResult<FeatureTable> {
    let (py, as_of) = (events.py(), optional_day(as_of)?);
    let mut keys = settings(config)?;
    feature_set.put(&mut keys, "feature_set")?;
    scales.put(&mut keys, "scales")?;
    if let Ok(subscriptions) = events.cast::<Subscriptions>() {
        let gap = keys.remove("allowed_gap_days").map_or(Ok(churn::ALLOWED_GAP_DAYS), serde_json::from_value::<i32>);
        let (Ok(gap), None) = (gap, keys.keys().next()) else {
            return Err(invalid("features of subscriptions have one setting: allowed_gap_days, a number of days"));
        };
        let Subscriptions { inner, ids } = subscriptions.get();
        let table = py.detach(|| churn::subscription_features(&inner.known_at(as_of.unwrap_or(inner.last_day())), gap));
        return Ok(FeatureTable { inner: table.map_err(raise)?, ids: ids.clone() });
    }
    if let Ok(events) = events.cast::<Events>() {
        let config: FeatureConfig = read(keys)?;
        let (events, ids) = (&events.get().inner, events.get().ids.clone());
        let inner = PyObserver::new(progress)?.run(py, |_| {
            let (history, _) = events.split_at(as_of.unwrap_or(events.last_day()));
            churn::features(&history, &config)
        })?;
        return Ok(FeatureTable { inner, ids });
    }
    let Some(as_of) = as_of else {
        return Err(invalid(
            "as_of is missing; expected the day to see customers from, because the events are read in one pass",
        ));
    };
    let options = reading(&mut keys)?;
    let config: FeatureConfig = read(keys)?;
    let mut stream = churn::FeatureStream::new(as_of, &config).map_err(raise)?;
    let seen = IdTypeTracker::default();
    take(&mut stream, events, &options, &PyObserver::new(progress)?, &seen)?;
    let inner = py.detach(|| stream.finish()).map_err(raise)?;
    Ok(FeatureTable { inner, ids: seen.ids() })
}
