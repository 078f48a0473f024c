//! Features and labels: of a log in memory, or in one pass over files and batches of any size.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, BooleanArray, DictionaryArray, LargeStringArray, PrimitiveArray};
use churn::{ErrorKind, FeatureConfig, LabelConfig, ReadOptions};
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict};
use serde_json::{Map, Value};

use crate::arrow::{self, Batches};
use crate::convert::{Setting, config, date, day, optional_day, read, settings, to_python};
use crate::error::{invalid, raise, refuse};
use crate::events::{Events, Text, needed, open, path_of};
use crate::table::{Taken, table};
use crate::watch::Watch;

/// Customers × features.
///
/// Given by :func:`features` and :meth:`Model.features`. Goes on to pandas, numpy, or, without a copy of its own, to
/// whatever takes the Arrow PyCapsule interface: `polars.DataFrame(table)`, `pyarrow.table(table)`.
#[pyclass(frozen, module = "churn")]
pub(crate) struct FeatureTable {
    pub(crate) inner: churn::FeatureTable,
}

#[pymethods]
impl FeatureTable {
    /// The customers, one a row.
    #[getter]
    fn customer_ids(&self) -> Vec<&str> {
        self.inner.customer_ids().collect()
    }

    /// The names of the columns.
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.inner.names().collect()
    }

    /// What a score of 100 stands for, `frequency` and `monetary`; None for the features of a table.
    #[getter]
    fn scales<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.scales().map(|scales| to_python(py, &scales)).transpose()
    }

    /// The day that the features were seen from; None for those of a table.
    #[getter]
    fn as_of<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.as_of().map(|day| date(py, day)).transpose()
    }

    /// The settings with everything that was fitted filled in; None for the features of a table.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.fitted_config().map(|config| to_python(py, config)).transpose()
    }

    /// Rows and columns.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.inner.values().dim()
    }

    fn __len__(&self) -> usize {
        self.inner.rows()
    }

    /// The values, rows × columns; NaN where missing, the index of the level for a category.
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
        // Always a copy: the table does not change.
        let _ = copy;
        let values = self.to_numpy(py).into_any();
        match dtype {
            Some(dtype) => values.call_method1("astype", (dtype,)),
            None => Ok(values),
        }
    }

    /// The table as a pandas frame: `customer_id` and the features, categories by name.
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._interop")?.call_method1("feature_frame", (slf,))
    }

    /// For a categorical column its levels, in the order of their index.
    #[getter]
    fn levels(&self) -> std::collections::BTreeMap<&str, Vec<String>> {
        let specs = self.inner.specs().iter();
        specs.filter_map(|spec| Some((spec.name.as_str(), spec.levels.clone()?))).collect()
    }

    /// A new table with the columns of `table`, which has one row a customer, beside these features.
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
        let attributes = self::table(table, &Taken { customer_id: Some(customer_id), ..Taken::default() })?;
        let mut inner = self.inner.clone();
        inner.join(&attributes, customer_id).map_err(raise)?;
        Ok(FeatureTable { inner })
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::stream(py, py.detach(|| self.columns()), requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::schema(py, py.detach(|| self.columns()))
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

impl FeatureTable {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let mut columns = vec![("customer_id".to_owned(), arrow::texts(self.inner.customer_ids()))];
        for (at, spec) in self.inner.specs().iter().enumerate() {
            let values = self.inner.values().column(at);
            let array: ArrayRef = match &spec.levels {
                None => arrow::numbers(values.iter().copied()),
                Some(levels) => {
                    let index = |value: &f64| (!value.is_nan()).then_some(*value as i32);
                    let keys: PrimitiveArray<Int32Type> = values.iter().map(index).collect();
                    let levels = levels.iter().map(Some).collect::<LargeStringArray>();
                    let array = DictionaryArray::try_new(keys, Arc::new(levels));
                    Arc::new(array.expect("values are indices of their levels"))
                }
            };
            columns.push((spec.name.clone(), array));
        }
        columns
    }
}

/// Who churned: `customer_id` and `churned`.
#[pyclass(frozen, module = "churn")]
pub(crate) struct Labels {
    inner: churn::Labels,
}

#[pymethods]
impl Labels {
    /// The customers that the definition covers, in byte order.
    #[getter]
    fn customer_id(&self) -> Vec<&str> {
        self.inner.iter().map(|row| row.0).collect()
    }

    /// Whether they churned.
    #[getter]
    fn churned<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        PyArray1::from_vec(py, self.inner.iter().map(|row| row.1).collect())
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    /// The labels as a pandas frame.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let columns = PyDict::new(py);
        columns.set_item("customer_id", self.customer_id())?;
        columns.set_item("churned", self.churned(py))?;
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
        format!("<Labels: {} customers, {} churned>", self.inner.len(), self.inner.churned())
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("table", (slf,))
    }
}

impl Labels {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let churned: BooleanArray = self.inner.iter().map(|row| Some(row.1)).collect();
        vec![
            ("customer_id".to_owned(), arrow::texts(self.inner.iter().map(|row| row.0))),
            ("churned".to_owned(), Arc::new(churned)),
        ]
    }
}

/// The features of every customer seen by a day.
///
/// Parameters
/// ----------
/// events : Events, path or iterator of tables
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
///     `windows` (`recent_days`, `activity_days`, `full_days`), `event_type_columns`, `top_event_types`.
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
    if let Ok(events) = events.cast::<Events>() {
        let config: FeatureConfig = read(keys)?;
        let events = &events.get().inner;
        let inner = Watch::new(progress)?.run(py, |_| {
            let (history, _) = events.split_at(as_of.unwrap_or(events.last_day()));
            churn::features(&history, &config)
        })?;
        return Ok(FeatureTable { inner });
    }
    let Some(as_of) = as_of else {
        return Err(invalid(
            "as_of is missing; expected the day to see customers from, because the events are read in one pass",
        ));
    };
    let options = reading(&mut keys)?;
    let config: FeatureConfig = read(keys)?;
    let mut stream = churn::FeatureStream::new(as_of, &config).map_err(raise)?;
    take(&mut stream, events, &options, &Watch::new(progress)?)?;
    let inner = py.detach(|| stream.finish()).map_err(raise)?;
    Ok(FeatureTable { inner })
}

/// The reading options among these settings, taken out of them.
fn reading(keys: &mut Map<String, Value>) -> PyResult<ReadOptions> {
    let known = serde_json::to_value(ReadOptions::default()).map_err(|error| invalid(error.to_string()))?;
    let known = known.as_object().into_iter().flat_map(Map::keys);
    read(known.filter_map(|key| keys.remove_entry(key)).collect())
}

/// Takes the rows of a file, a folder, an open file, a table or an iterator of tables into a stream.
fn take(
    stream: &mut churn::FeatureStream,
    source: &Bound<'_, PyAny>,
    options: &ReadOptions,
    watch: &Watch,
) -> PyResult<()> {
    let py = source.py();
    if let Some(path) = path_of(source)? {
        for path in files(&path)? {
            let file = open(&path)?;
            let parquet = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
            let read = watch.run(py, |watch| match parquet {
                true => stream.read_parquet_observed(file, options, watch),
                false => stream.read_csv_observed(file, options, watch),
            });
            read.map_err(|error| in_file(py, error, &path))?;
        }
        return Ok(());
    }
    if source.is_instance_of::<PyBytes>() || source.hasattr("read")? {
        Text::new(source)?.read(py, watch, |reader, watch| stream.read_csv_observed(reader, options, watch))?;
        return Ok(());
    }
    let batches = Batches::stream(source, Some(&needed(options)))?;
    watch.run(py, |watch| stream.read_arrow_observed(batches.read(watch), options, watch))?;
    Ok(())
}

/// The same exception, saying which file of several it is about.
fn in_file(py: Python<'_>, error: PyErr, path: &Path) -> PyErr {
    if error.value(py).hasattr("code").unwrap_or(false) {
        let noted = error.value(py).call_method1("_in_file", (path.display().to_string(),));
        if let Err(other) = noted {
            return other;
        }
    }
    error
}

/// A file, or the CSV and Parquet files of a folder and of the folders in it, by name.
fn files(path: &Path) -> PyResult<Vec<PathBuf>> {
    /// Folders inside folders; a link to a folder above would never end.
    const DEEPEST: usize = 32;
    fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
        let mut entries =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        entries.sort_unstable();
        for entry in entries {
            let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let lower = name.to_lowercase();
            if name.starts_with(['.', '_']) {
                continue;
            } else if entry.is_dir() && depth < DEEPEST {
                walk(&entry, depth + 1, found)?;
            } else if lower.ends_with(".csv") || lower.ends_with(".parquet") {
                found.push(entry);
            }
        }
        Ok(())
    }
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    walk(path, 0, &mut found)?;
    if found.is_empty() {
        let message = format!("the folder {} has no .csv and no .parquet file", path.display());
        return Err(refuse(ErrorKind::EmptyFile, message));
    }
    Ok(found)
}

/// Features in one pass over any number of sources, with memory for the customers and not for the rows.
///
/// Streams that were filled apart, such as one for each partition, can be merged; the result has the same bits as
/// :func:`features` of all rows in memory.
///
/// Parameters
/// ----------
/// as_of : date or str
///     The day that customers are seen from.
/// **config
///     `feature_set`, `scales`, `windows`, `event_type_columns`, `top_event_types`.
///
/// Examples
/// --------
/// >>> import churn
/// >>> stream = churn.FeatureStream("2024-02-05")
/// >>> stream.read(b"customer_id,event_date\nanna,2024-01-15\n")
/// >>> stream.read({"customer_id": ["anna", "bert"], "event_date": ["2024-02-01", "2024-02-01"]})
/// >>> stream.finish()
/// <FeatureTable: 2 customers × 8 features, as of 2024-02-05>
#[pyclass(module = "churn")]
pub(crate) struct FeatureStream {
    inner: Option<churn::FeatureStream>,
}

#[pymethods]
impl FeatureStream {
    #[new]
    #[pyo3(signature = (as_of, **config))]
    fn new(as_of: &Bound<'_, PyAny>, config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let config: FeatureConfig = crate::convert::config(config)?;
        Ok(FeatureStream { inner: Some(churn::FeatureStream::new(day(as_of)?, &config).map_err(raise)?) })
    }

    /// Takes the rows of a file, a folder, an open file, bytes of CSV, a table or an iterator of tables.
    ///
    /// After an exception the stream is closed: it would hold a part of the rows.
    #[pyo3(signature = (source, *, progress=None, **options))]
    fn read(
        &mut self,
        source: &Bound<'_, PyAny>,
        progress: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let options: ReadOptions = config(options)?;
        let watch = Watch::new(progress)?;
        let mut stream = self.take()?;
        take(&mut stream, source, &options, &watch)?;
        self.inner = Some(stream);
        Ok(())
    }

    /// Adds what another stream of the same day and settings holds.
    fn merge(&mut self, other: &FeatureStream) -> PyResult<()> {
        let Some(other) = &other.inner else { return Err(closed()) };
        self.inner.as_mut().ok_or_else(closed)?.merge(other).map_err(raise)
    }

    /// The features of all customers; the stream is closed.
    fn finish(&mut self, py: Python<'_>) -> PyResult<FeatureTable> {
        let stream = self.take()?;
        Ok(FeatureTable { inner: py.detach(|| stream.finish()).map_err(raise)? })
    }
}

impl FeatureStream {
    fn take(&mut self) -> PyResult<churn::FeatureStream> {
        self.inner.take().ok_or_else(closed)
    }
}

fn closed() -> PyErr {
    invalid("the stream is closed: it was finished, or reading into it failed")
}

/// Who churned after a cutoff.
///
/// Parameters
/// ----------
/// events : Events
/// cutoff : date or str
///     The day at which customers are looked at.
/// horizon_days : int, default 90
///     Days in which a customer may come back.
/// gap_days : int, default 0
///     Days after the cutoff that do not count.
/// active_within_days : int or None, default 365
///     Only customers with an event in these last days before the cutoff; None for all.
/// event_types : list of str, optional
///     The event types that count as coming back; all if left out.
/// labels : {"outcome_window", "inactivity", "provided"}, default "outcome_window"
/// threshold_days : int, default 30
///     Of `"inactivity"`.
///
/// Returns
/// -------
/// Labels
///
/// Examples
/// --------
/// >>> import churn
/// >>> events = churn.read_csv(b"customer_id,event_date\nanna,2024-01-02\nanna,2024-01-20\nbert,2024-01-02\nbert,2024-05-02\n")
/// >>> labels = churn.labels(events, "2024-01-03", horizon_days=30)
/// >>> labels.customer_id, labels.churned
/// (['anna', 'bert'], array([False,  True]))
#[pyfunction]
#[pyo3(
    signature = (
        events, cutoff, horizon_days=Setting(None), gap_days=Setting(None), active_within_days=Setting(None),
        event_types=Setting(None), **config
    ),
    text_signature = "(events, cutoff, horizon_days=90, gap_days=0, active_within_days=365, event_types=None, **config)"
)]
#[allow(clippy::too_many_arguments, reason = "a call of Python, with names")]
pub(crate) fn labels(
    py: Python<'_>,
    events: &Bound<'_, Events>,
    cutoff: &Bound<'_, PyAny>,
    horizon_days: Setting<'_>,
    gap_days: Setting<'_>,
    active_within_days: Setting<'_>,
    event_types: Setting<'_>,
    config: Option<&Bound<'_, PyDict>>,
) -> PyResult<Labels> {
    let mut keys = settings(config)?;
    horizon_days.put(&mut keys, "horizon_days")?;
    gap_days.put(&mut keys, "gap_days")?;
    active_within_days.put(&mut keys, "active_within_days")?;
    event_types.put(&mut keys, "event_types")?;
    let config: LabelConfig = read(keys)?;
    let (cutoff, events) = (day(cutoff)?, &events.get().inner);
    let inner = py.detach(|| {
        let (history, outcome) = events.split_at(cutoff);
        churn::labels(&history, &outcome, &config)
    });
    Ok(Labels { inner: inner.map_err(raise)? })
}
