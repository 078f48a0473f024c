//! Features in one pass over data larger than memory: files, folders, and iterators of tables.

use std::path::{Path, PathBuf};

use churn::{ErrorKind, FeatureConfig, ReadOptions};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde_json::{Map, Value};

use crate::arrow::Batches;
use crate::convert::{config, day, read};
use crate::error::{error_of_kind, invalid, raise};
use crate::events::{CsvSource, needed, open, path_of};
use crate::features::FeatureTable;
use crate::ids::{IdTypeTracker, Ids};
use crate::watch::PyObserver;

/// Computes features in one pass over any number of sources. Memory grows with the number of customers, not of rows.
///
/// Streams that were filled separately, such as one per partition, can be merged. The result has exactly the same bits as
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
    seen: IdTypeTracker,
}

#[pymethods]
impl FeatureStream {
    #[new]
    #[pyo3(signature = (as_of, **config))]
    fn new(as_of: &Bound<'_, PyAny>, config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let config: FeatureConfig = crate::convert::config(config)?;
        let inner = churn::FeatureStream::new(day(as_of)?, &config).map_err(raise)?;
        Ok(FeatureStream { inner: Some(inner), seen: IdTypeTracker::default() })
    }

    /// Adds the rows of a file, a folder, an open file, bytes of CSV, a table or an iterator of tables.
    ///
    /// An exception closes the stream, because it may contain only a part of the rows.
    #[pyo3(signature = (source, *, progress=None, **options))]
    fn read(
        &mut self,
        source: &Bound<'_, PyAny>,
        progress: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let options: ReadOptions = config(options)?;
        let watch = PyObserver::new(progress)?;
        let mut stream = self.take()?;
        take(&mut stream, source, &options, &watch, &self.seen)?;
        self.inner = Some(stream);
        Ok(())
    }

    /// Adds the content of another stream with the same day and settings.
    fn merge(&mut self, other: &FeatureStream) -> PyResult<()> {
        let Some(inner) = &other.inner else { return Err(closed()) };
        self.inner.as_mut().ok_or_else(closed)?.merge(inner).map_err(raise)?;
        self.seen.take(&other.seen);
        Ok(())
    }

    /// Returns the features of all customers, and closes the stream.
    fn finish(&mut self, py: Python<'_>) -> PyResult<FeatureTable> {
        let stream = self.take()?;
        Ok(FeatureTable { inner: py.detach(|| stream.finish()).map_err(raise)?, ids: self.seen.ids() })
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

/// Removes the reading options from these settings and returns them.
pub(crate) fn reading(keys: &mut Map<String, Value>) -> PyResult<ReadOptions> {
    let known = serde_json::to_value(ReadOptions::default()).map_err(|error| invalid(error.to_string()))?;
    let known = known.as_object().into_iter().flat_map(Map::keys);
    read(known.filter_map(|key| keys.remove_entry(key)).collect())
}

/// Adds the rows of a file, a folder, an open file, a table or an iterator of tables to a stream.
pub(crate) fn take(
    stream: &mut churn::FeatureStream,
    source: &Bound<'_, PyAny>,
    options: &ReadOptions,
    watch: &PyObserver,
    seen: &IdTypeTracker,
) -> PyResult<()> {
    let (py, names) = (source.py(), needed(options));
    if let Some(path) = path_of(source)? {
        for path in files(&path)? {
            let file = open(&path)?;
            let again = file.try_clone()?;
            let parquet = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
            let read = watch.run(py, |watch| match parquet {
                true => stream.read_parquet_observed(file, options, watch),
                false => stream.read_csv_observed(file, options, watch),
            });
            read.map_err(|error| in_file(py, error, &path))?;
            seen.note(if parquet { crate::parquet::ids(&again, &names[0]) } else { Ids::Text });
        }
        return Ok(());
    }
    if source.is_instance_of::<PyBytes>() || source.hasattr("read")? {
        CsvSource::new(source)?.read(py, watch, |reader, watch| stream.read_csv_observed(reader, options, watch))?;
        seen.note(Ids::Text);
        return Ok(());
    }
    let batches = Batches::stream(source, Some(&names))?;
    watch.run(py, |watch| stream.read_arrow_observed(batches.read_log(watch, &names[0], seen), options, watch))?;
    Ok(())
}

/// Adds the name of the file to the exception.
fn in_file(py: Python<'_>, error: PyErr, path: &Path) -> PyErr {
    if error.value(py).hasattr("code").unwrap_or(false) {
        let noted = error.value(py).call_method1("_in_file", (path.display().to_string(),));
        if let Err(other) = noted {
            return other;
        }
    }
    error
}

/// Returns the file itself, or the CSV and Parquet files of a folder and its subfolders, sorted by name.
fn files(path: &Path) -> PyResult<Vec<PathBuf>> {
    /// Maximum depth of subfolders. Without it, a link to a parent folder would never end.
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
        return Err(error_of_kind(ErrorKind::EmptyFile, message));
    }
    Ok(found)
}
