//! Event logs: reading and their properties.

use std::fs::File;
use std::io::{Read, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, LargeStringArray};
use churn::ReadOptions;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyString};

use crate::arrow::Batches;
use crate::convert::{config, date, quote_for_message, to_python};
use crate::error::invalid;
use crate::ids::{IdTypeTracker, Ids};
use crate::outgoing::{Outgoing, numbers};
use crate::watch::PyObserver;

/// A log of events in memory: customer, day, amount and type of each event.
///
/// Created by :func:`read_csv`, :func:`read_parquet` and :meth:`Events.from_table`. The order of the rows never changes a
/// result.
///
/// Examples
/// --------
/// >>> import churn
/// >>> events = churn.Events.from_table({
/// ...     "customer_id": ["anna", "bert"], "event_date": ["2024-01-05", "2024-01-07"], "amount": [12.5, None]})
/// >>> len(events), events.customers, events.last_day
/// (2, 2, datetime.date(2024, 1, 7))
#[pyclass(frozen, module = "churn")]
pub(crate) struct Events {
    pub(crate) inner: churn::Events,
    pub(crate) ids: Ids,
    detected: Option<Arc<churn::Detected>>,
}

#[pymethods]
impl Events {
    /// Reads a table with the columns `customer_id` and `event_date`, and optionally `amount`, `event_type`, `order_id` and
    /// `churn_label`.
    ///
    /// Parameters
    /// ----------
    /// table : table
    ///     Anything with the Arrow PyCapsule interface (Polars, pyarrow, DuckDB), read without a copy; a pandas frame; a
    ///     dict of lists, arrays or Series. Dates as datetime64, dates, timestamps or text. A missing value is null; in
    ///     pandas and in dicts NaN and NaT too.
    /// progress : bool or callable, optional
    ///     True for a bar of tqdm, or a function of stage, done and total.
    /// **options
    ///     As for :func:`read_csv`.
    ///
    /// Returns
    /// -------
    /// Events
    ///
    /// Raises
    /// ------
    /// MissingColumnError, InvalidColumnError, BadRowsError, NoGoodRowsError
    ///
    /// Examples
    /// --------
    /// >>> import churn
    /// >>> frame = {"who": [7, 7, 8], "day": ["2024-01-05", "2024-02-05", "2024-01-07"]}
    /// >>> churn.Events.from_table(frame, columns={"customer_id": "who", "event_date": "day"})
    /// <Events: 3 events of 2 customers, 2024-01-05 to 2024-02-05>
    #[staticmethod]
    #[pyo3(signature = (table, *, progress=None, **options))]
    fn from_table(
        table: &Bound<'_, PyAny>,
        progress: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Events> {
        let options: ReadOptions = config(options)?;
        let watch = PyObserver::new(progress)?;
        let names = needed(&options);
        let (batches, seen) = (Batches::new(table, Some(&names))?, IdTypeTracker::default());
        let inner = watch.run(table.py(), |watch| {
            churn::Events::from_arrow_observed(batches.read_log(watch, &names[0], &seen), &options, watch)
        })?;
        Ok(Events { inner, ids: seen.ids(), detected: None })
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    /// The number of customers.
    #[getter]
    fn customers(&self) -> usize {
        self.inner.customers()
    }

    /// The customer ids as text, in byte order.
    #[getter]
    fn customer_ids(&self) -> Vec<&str> {
        self.inner.customer_ids().collect()
    }

    /// The day of the first event.
    #[getter]
    fn first_day<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        date(py, self.inner.first_day())
    }

    /// The day of the last event.
    #[getter]
    fn last_day<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        date(py, self.inner.last_day())
    }

    /// The distinct event types, in byte order.
    #[getter]
    fn event_types(&self) -> Vec<&str> {
        self.inner.event_types().collect()
    }

    /// The rows of the source that form one event: `"row"`, `"order"` or `"day"`.
    #[getter]
    fn unit(&self) -> &'static str {
        self.inner.unit().name()
    }

    /// Counts of the rows that were read and left out: `rows`, `good`, `bad`, and `bad_rows` with `line`, `reason` and
    /// `message`. Among the good rows, `rows_sharing_day` share their customer, day and type with another row, `duplicate_rows`
    /// equal another row in every column, and `merged_rows` were merged into the event of another row.
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.report())
    }

    /// The form of the file as :func:`detect` returns it; None if `detect` was not asked for.
    #[getter]
    fn detected<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.detected.as_deref().map(|detected| to_python(py, detected)).transpose()
    }

    /// Returns the events as a pandas frame with `customer_id`, `event_date`, `amount`, `event_type`, sorted by the bytes of
    /// the customer id and then by day.
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
        let events = &self.inner;
        let (first, last) = (events.first_day(), events.last_day());
        format!("<Events: {} events of {} customers, {first} to {last}>", events.len(), events.customers())
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("events", (slf,))
    }
}

impl Outgoing for Events {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let rows = || self.inner.iter();
        let days: Date32Array = rows().map(|row| Some(row.1.number())).collect();
        let types: LargeStringArray = rows().map(|row| row.3).collect();
        vec![
            ("customer_id".to_owned(), self.ids.column(|| rows().map(|row| row.0))),
            ("event_date".to_owned(), Arc::new(days)),
            ("amount".to_owned(), numbers(rows().map(|row| row.2.unwrap_or(f64::NAN)))),
            ("event_type".to_owned(), Arc::new(types)),
        ]
    }
}

/// Returns the columns that reading with these options needs, the id column first.
pub(crate) fn needed(options: &ReadOptions) -> Vec<String> {
    let churn::Columns { customer_id, event_date, amount, event_type, order_id, churn_label } = &options.columns;
    let named = [
        (customer_id, "customer_id"),
        (event_date, "event_date"),
        (amount, "amount"),
        (event_type, "event_type"),
        (order_id, "order_id"),
        (churn_label, "churn_label"),
    ];
    named.map(|(given, default)| given.clone().unwrap_or_else(|| default.to_owned())).into()
}

/// Source of CSV text.
pub(crate) enum CsvSource {
    File(File),
    Bytes(Py<PyBytes>),
    Reader(Py<PyAny>),
}

impl CsvSource {
    /// Accepts a path, bytes, or an object with a method `read`.
    pub(crate) fn new(source: &Bound<'_, PyAny>) -> PyResult<CsvSource> {
        if let Ok(bytes) = source.cast::<PyBytes>() {
            return Ok(CsvSource::Bytes(bytes.clone().unbind()));
        }
        if let Some(path) = path_of(source)? {
            return Ok(CsvSource::File(open(&path)?));
        }
        if source.hasattr("read")? {
            return Ok(CsvSource::Reader(source.clone().unbind()));
        }
        Err(invalid(format!(
            "{} is no source; expected a path, bytes, or a file that is open",
            quote_for_message(source)
        )))
    }

    /// Passes the text to `work`, which runs without the interpreter's lock.
    pub(crate) fn read<T: Send>(
        self,
        py: Python<'_>,
        watch: &PyObserver,
        work: impl FnOnce(Box<dyn Read + '_>, &PyObserver) -> churn::Result<T> + Send,
    ) -> PyResult<T> {
        match self {
            CsvSource::File(file) => watch.run(py, |watch| work(Box::new(file), watch)),
            CsvSource::Bytes(bytes) => {
                let bytes = bytes.as_bytes(py);
                watch.run(py, |watch| work(Box::new(bytes), watch))
            }
            CsvSource::Reader(reader) => {
                watch.run(py, |watch| work(Box::new(Reader { reader, rest: Vec::new(), at: 0, watch }), watch))
            }
        }
    }
}

impl CsvSource {
    /// Finds the form of the text. Also returns the source with the whole text: that of a pipe or of an object with a method
    /// `read` is kept, since it can be read only once.
    fn detect(
        self,
        py: Python<'_>,
        watch: &PyObserver,
        options: &ReadOptions,
    ) -> PyResult<(CsvSource, churn::Detected)> {
        let source = match self {
            CsvSource::File(ref file) if file.metadata()?.is_file() => self,
            CsvSource::Bytes(_) => self,
            // What is not a file on a disk can be read only once.
            CsvSource::File(_) | CsvSource::Reader(_) => {
                let bytes = self.read(py, watch, |mut reader, _| {
                    let mut bytes = Vec::new();
                    reader.read_to_end(&mut bytes)?;
                    Ok(bytes)
                })?;
                CsvSource::Bytes(PyBytes::new(py, &bytes).unbind())
            }
        };
        let again = match &source {
            CsvSource::File(file) => CsvSource::File(file.try_clone()?),
            CsvSource::Bytes(bytes) => CsvSource::Bytes(bytes.clone_ref(py)),
            CsvSource::Reader(_) => unreachable!("it was read"),
        };
        let detected = again.read(py, watch, |reader, _| churn::detect(reader, options))?;
        if let CsvSource::File(file) = &source {
            // Both handles of the file share its position.
            (&mut &*file).rewind()?;
        }
        Ok((source, detected))
    }
}

/// Returns the path of a str or of an object with `__fspath__`.
pub(crate) fn path_of(source: &Bound<'_, PyAny>) -> PyResult<Option<PathBuf>> {
    match source.is_instance_of::<PyString>() || source.hasattr(intern!(source.py(), "__fspath__"))? {
        true => source.extract::<PathBuf>().map(Some),
        false => Ok(None),
    }
}

/// Opens a file. An error of the system becomes Python's exception for it, with the path.
pub(crate) fn open(path: &Path) -> PyResult<File> {
    File::open(path)
        .and_then(|file| match file.metadata()?.is_dir() {
            true => Err(std::io::Error::from(std::io::ErrorKind::IsADirectory)),
            false => Ok(file),
        })
        .map_err(|error| {
            let message = format!("{}: {error}", path.display());
            std::io::Error::new(error.kind(), message).into()
        })
}

/// Reader for a Python object with a method `read`.
struct Reader<'a> {
    reader: Py<PyAny>,
    rest: Vec<u8>,
    at: usize,
    watch: &'a PyObserver,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        /// Bytes requested at a time.
        const BLOCK: usize = 1 << 20;
        if self.at == self.rest.len() {
            let block = Python::attach(|py| {
                let block = self.reader.bind(py).call_method1(intern!(py, "read"), (BLOCK,))?;
                if let Ok(text) = block.cast::<PyString>() {
                    return Ok(text.to_cow()?.as_bytes().to_vec());
                }
                if let Ok(bytes) = block.cast::<PyBytes>() {
                    return Ok(bytes.as_bytes().to_vec());
                }
                block.extract::<Vec<u8>>().map_err(|_| invalid("the file gives neither bytes nor text"))
            });
            self.rest = block.map_err(|error| {
                let message = error.to_string();
                self.watch.store_exception(error);
                std::io::Error::other(message)
            })?;
            self.at = 0;
        }
        let n = buffer.len().min(self.rest.len() - self.at);
        buffer[..n].copy_from_slice(&self.rest[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// Reads a log from a CSV file, which may be compressed with gzip or zstd, or from an .xlsx spreadsheet.
///
/// Parameters
/// ----------
/// source : path, bytes or file
///     A path, the bytes of a file, or an object with a method `read` that gives bytes or text.
/// detect : bool, default False
///     True to find the options that are not given in the file itself, as :func:`detect` does. A file that can be read in
///     several ways is an error, which names the options that answer. What was found is in :attr:`Events.detected`.
/// progress : bool or callable, optional
///     True for a bar of tqdm, or a function of stage, done and total.
/// columns : dict, optional
///     The header names of `customer_id`, `event_date`, `amount`, `event_type`, `order_id` and `churn_label`, where they
///     differ. Rows of a customer that share their order, day and event type are one event, whose amount is their sum.
/// date_format : str, optional
///     A strptime format (`"%d/%m/%Y"`), instead of YYYY-MM-DD, RFC 3339 and YYYY-MM-DD HH:MM[:SS]; or `"unix_s"`,
///     `"unix_ms"` or `"unix_us"` for a number since 1970.
/// delimiter : str, default ","
///     The character between the fields.
/// encoding : str, optional
///     The encoding, such as `"windows-1252"`, instead of UTF-8 or what a byte order mark says.
/// skip_lines : int, default 0
///     The number of lines above the column names.
/// decimal : {".", ","}, default "."
///     The decimal mark of the amounts.
/// thousands : str, optional
///     The thousands separator of the amounts: `","`, `"."`, `" "`, `"'"` or `"_"`.
/// currency : bool, default False
///     True if amounts may have a currency sign or code, or be negative by parentheses or by a minus at the end.
/// null_values : list of str, optional
///     The texts that stand for a missing value.
/// ignore_rows : list of str, optional
///     The texts of a first field, such as `"Total"`, whose rows are no events. They are left out and counted.
/// skip_anonymous : bool, default False
///     True to leave out and count rows without a customer instead of refusing them.
/// on_bad_row : {"fail", "skip"}, default "fail"
///     Whether a row that cannot be read fails the whole, or is left out and stands in :attr:`Events.report`.
/// max_bad_share : float, default 0.05
///     With `"skip"`, the largest share of bad rows that is accepted.
/// merge : {"none", "day"}, default "none"
///     With `"day"`, all rows of a customer that share their day and event type are one event; orders are not read then.
///
/// Returns
/// -------
/// Events
///
/// Raises
/// ------
/// BadRowsError
///     With the line and the reason of the first ten; all are in its `report`.
/// MissingColumnError, EmptyFileError, NoGoodRowsError, TooManyBadRowsError
/// OSError
///     If the file cannot be opened.
///
/// Examples
/// --------
/// >>> import churn
/// >>> churn.read_csv(b"customer_id,event_date,amount\nanna,2024-01-05,12.50\nbert,2024-01-07,\n")
/// <Events: 2 events of 2 customers, 2024-01-05 to 2024-01-07>
/// >>> orders = churn.read_csv(
/// ...     b"customer_id,event_date,amount,invoice\nanna,2024-01-05,12.50,A1\nanna,2024-01-05,2.10,A1\n",
/// ...     columns={"order_id": "invoice"})
/// >>> table = churn.features(orders)
/// >>> float(table.to_numpy()[0, table.names.index("avg_transaction_value")])
/// 14.6
/// >>> churn.read_csv(b"customer_id,event_date\nanna,2024-13-05\n")
/// Traceback (most recent call last):
///     ...
/// churn.errors.BadRowsError: 1 of 1 rows are bad:
///   line 2: event_date "2024-13-05" is not a date (expected YYYY-MM-DD)
/// >>> churn.read_csv("Kunde;Datum;Betrag\nanna;31.01.2024;1.234,56 €\nbert;05.02.2024;12,00 €\n".encode(), detect=True)
/// <Events: 2 events of 2 customers, 2024-01-31 to 2024-02-05>
#[pyfunction]
#[pyo3(signature = (source, *, detect=false, progress=None, **options))]
pub(crate) fn read_csv(
    source: &Bound<'_, PyAny>,
    detect: bool,
    progress: Option<&Bound<'_, PyAny>>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Events> {
    let mut options: ReadOptions = config(options)?;
    let watch = PyObserver::new(progress)?;
    let py = source.py();
    let mut csv = CsvSource::new(source)?;
    let mut detected = None;
    if detect {
        let found;
        (csv, found) = csv.detect(py, &watch, &options)?;
        detected = Some(Arc::new(found.clone()));
        options = found.into_options().map_err(crate::error::raise)?;
    }
    let inner = csv.read(py, &watch, |reader, watch| churn::Events::from_csv_observed(reader, &options, watch))?;
    Ok(Events { inner, ids: Ids::Text, detected })
}

/// Finds how a CSV file or a spreadsheet is written, and which columns mean what.
///
/// The possible forms are tried on a sample of the whole file. A form is taken only if it reads every value of the sample and
/// no other form reads them as other values; otherwise there is a question, and nothing is chosen.
///
/// Parameters
/// ----------
/// source : path, bytes or file
///     As for :func:`read_csv`. A file that is open is read to its end.
/// progress : bool or callable, optional
///     True for a bar of tqdm, or a function of stage, done and total.
/// **options
///     Options of :func:`read_csv` that are known; they are kept.
///
/// Returns
/// -------
/// dict
///     `options`, for :func:`read_csv`; `export`, the system whose columns these are, or None; `found`, the options that were
///     found, each with its `value` and `reason`; `questions`, each with `code`, `message`, the `option` that answers it, and the
///     possible `readings`; `doubts`, sentences on what is unusual; `header`; `rows`, the fields of the first rows; and `trial`,
///     the counts of the sample read with the options (None if there is a question).
///
/// Examples
/// --------
/// >>> import churn
/// >>> form = churn.detect(b"who,when\nanna,03/04/2024\nanna,05/06/2024\n", columns={"customer_id": "who", "event_date": "when"})
/// >>> [question["code"] for question in form["questions"]]
/// ['date_format']
/// >>> [reading["example"] for reading in form["questions"][0]["readings"]]
/// ['"03/04/2024" is 2024-04-03', '"03/04/2024" is 2024-03-04']
#[pyfunction]
#[pyo3(signature = (source, *, progress=None, **options))]
pub(crate) fn detect<'py>(
    source: &Bound<'py, PyAny>,
    progress: Option<&Bound<'py, PyAny>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let options: ReadOptions = config(options)?;
    let watch = PyObserver::new(progress)?;
    let (_, detected) = CsvSource::new(source)?.detect(source.py(), &watch, &options)?;
    to_python(source.py(), &detected)
}

/// Reads a log from a Parquet file: only the columns that are needed.
///
/// Parameters
/// ----------
/// path : path
/// progress : bool or callable, optional
///     True for a bar of tqdm, or a function of stage, done and total.
/// **options
///     As for :func:`read_csv`.
///
/// Returns
/// -------
/// Events
#[pyfunction]
#[pyo3(signature = (path, *, progress=None, **options))]
pub(crate) fn read_parquet(
    path: &Bound<'_, PyAny>,
    progress: Option<&Bound<'_, PyAny>>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Events> {
    let options: ReadOptions = config(options)?;
    let watch = PyObserver::new(progress)?;
    let Some(at) = path_of(path)? else {
        return Err(invalid(format!("{} is no path", quote_for_message(path))));
    };
    let file = open(&at)?;
    let again = file.try_clone()?;
    let inner = watch.run(path.py(), |watch| churn::Events::from_parquet_observed(file, &options, watch))?;
    Ok(Events { inner, ids: crate::parquet::ids(&again, &needed(&options)[0]), detected: None })
}
