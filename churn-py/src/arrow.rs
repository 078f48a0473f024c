//! Imports tables of other libraries, through the Arrow PyCapsule interface or column by column.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, LargeStringArray, RecordBatch, TimestampSecondArray,
    UInt64Array,
};
use arrow_schema::{Field, Schema};
use churn::ErrorKind;
use numpy::{PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyIterator, PyMapping, PyString};
use pyo3_arrow::input::AnyRecordBatch;
use pyo3_arrow::{PyArray, PyChunkedArray};

use crate::convert::{day, quote_for_message};
use crate::error::{error_of_kind, invalid};
use crate::ids::IdTypeTracker;
use crate::watch::PyObserver;

/// Maximum rows handed to the core at a time. Larger batches are sliced without a copy, so that memory stays small and Ctrl-C
/// is handled.
const TOGETHER: usize = 1 << 17;

/// Source of record batches.
pub(crate) enum Batches {
    /// An Arrow stream of another library.
    Stream(Box<dyn arrow_array::RecordBatchReader + Send>),
    /// A table in memory.
    Whole(std::vec::IntoIter<RecordBatch>),
    /// An iterator of tables.
    Each { tables: Py<PyIterator>, columns: Option<Vec<String>>, batches: std::vec::IntoIter<RecordBatch> },
}

impl Batches {
    /// Creates the batches of any supported table. `columns` are the needed columns, if they are known.
    pub(crate) fn new(table: &Bound<'_, PyAny>, columns: Option<&[String]>) -> PyResult<Batches> {
        if let Some(batches) = Batches::of_table(table, columns)? {
            return Ok(batches);
        }
        let expected = "anything with the Arrow PyCapsule interface (Polars, pyarrow, DuckDB), a pandas frame or a dict of columns";
        Err(invalid(format!("{} is no table; expected {expected}", quote_for_message(table))))
    }

    /// Same as [`Batches::new`], but also accepts iterators of tables.
    pub(crate) fn stream(source: &Bound<'_, PyAny>, columns: Option<&[String]>) -> PyResult<Batches> {
        if let Some(batches) = Batches::of_table(source, columns)? {
            return Ok(batches);
        }
        match source.try_iter() {
            Ok(iterator) if !source.is_instance_of::<PyString>() => {
                let columns = columns.map(<[String]>::to_vec);
                Ok(Batches::Each { tables: iterator.unbind(), columns, batches: Vec::new().into_iter() })
            }
            _ => Batches::new(source, columns),
        }
    }

    fn of_table(table: &Bound<'_, PyAny>, columns: Option<&[String]>) -> PyResult<Option<Batches>> {
        let py = table.py();
        let frame = py.import(intern!(py, "churn._interop"))?.call_method1(intern!(py, "plain"), (table, columns))?;
        if let Ok(mapping) = frame.cast::<PyMapping>() {
            return Ok(Some(Batches::Whole(vec![of_columns(mapping)?].into_iter())));
        }
        // The parts of a large frame. An iterator given by the caller is returned unchanged, and is not a table.
        if !frame.is(table)
            && let Ok(parts) = frame.cast::<PyIterator>()
        {
            let tables = parts.clone().unbind();
            return Ok(Some(Batches::Each { tables, columns: None, batches: Vec::new().into_iter() }));
        }
        if !frame.hasattr(intern!(py, "__arrow_c_stream__"))? && !frame.hasattr(intern!(py, "__arrow_c_array__"))? {
            return Ok(None);
        }
        let batches = frame.extract::<AnyRecordBatch>().and_then(AnyRecordBatch::into_reader);
        let batches = batches.map_err(|error| invalid(format!("the table cannot be read: {}", error.value(py))))?;
        Ok(Some(Batches::Stream(batches)))
    }

    /// Returns the batches of a log like [`Batches::read`], and stores the type of the id column in `seen`.
    pub(crate) fn read_log<'a>(
        self,
        watch: &'a PyObserver,
        customer_id: &'a str,
        seen: &'a IdTypeTracker,
    ) -> impl Iterator<Item = churn::Result<RecordBatch>> + 'a {
        self.read(watch).map(|batch| batch.map(|batch| seen.pass(batch, customer_id)))
    }

    /// Returns the batches one by one, for work without the interpreter's lock. Python exceptions are stored in `watch`.
    pub(crate) fn read(self, watch: &PyObserver) -> impl Iterator<Item = churn::Result<RecordBatch>> {
        let failed = |error: &dyn std::fmt::Display| churn::Error::from(std::io::Error::other(error.to_string()));
        let (mut batches, mut rest) = (self, None::<RecordBatch>);
        let next = move || {
            let batch = match rest.take() {
                Some(batch) => batch,
                None => match batches.next()? {
                    Ok(batch) => batch,
                    Err(ReadFailure::Python(error)) => {
                        let message = error.to_string();
                        watch.store_exception(error);
                        return Some(Err(failed(&message)));
                    }
                    Err(ReadFailure::Arrow(error)) => return Some(Err(failed(&error))),
                },
            };
            let rows = batch.num_rows();
            if rows > TOGETHER {
                rest = Some(batch.slice(TOGETHER, rows - TOGETHER));
                return Some(Ok(batch.slice(0, TOGETHER)));
            }
            Some(Ok(batch))
        };
        std::iter::from_fn(next)
    }

    fn next(&mut self) -> Option<Result<RecordBatch, ReadFailure>> {
        match self {
            Batches::Stream(reader) => reader.next().map(|batch| batch.map_err(ReadFailure::Arrow)),
            Batches::Whole(batches) => batches.next().map(Ok),
            Batches::Each { tables, columns, batches } => loop {
                if let Some(batch) = batches.next() {
                    return Some(Ok(batch));
                }
                let next = Python::attach(|py| {
                    let table = tables.bind(py).clone().next()?;
                    let of = |table: Bound<'_, PyAny>| {
                        let mut batches = Batches::new(&table, columns.as_deref())?;
                        std::iter::from_fn(|| batches.next()).collect::<Result<Vec<_>, _>>().map_err(
                            |error| match error {
                                ReadFailure::Python(error) => error,
                                ReadFailure::Arrow(error) => {
                                    error_of_kind(ErrorKind::Io, format!("the batch cannot be read: {error}"))
                                }
                            },
                        )
                    };
                    Some(table.and_then(of))
                });
                match next? {
                    Ok(more) => *batches = more.into_iter(),
                    Err(error) => return Some(Err(ReadFailure::Python(error))),
                }
            },
        }
    }
}

enum ReadFailure {
    Arrow(arrow_schema::ArrowError),
    Python(PyErr),
}

/// Builds a batch from named columns.
fn of_columns(mapping: &Bound<'_, PyMapping>) -> PyResult<RecordBatch> {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for pair in mapping.items()?.iter() {
        let (name, values): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
        let Ok(name) = name.extract::<String>() else {
            return Err(invalid(format!("the table has a column named {}; expected text", quote_for_message(&name))));
        };
        let values = column(&name, &values)?;
        if let Some((first, other)) = columns.first()
            && other.len() != values.len()
        {
            let message =
                format!("the column {name:?} has {} rows, the column {first:?} {}", values.len(), other.len());
            return Err(error_of_kind(ErrorKind::ShapeMismatch, message));
        }
        columns.push((name, values));
    }
    let fields: Vec<Field> =
        columns.iter().map(|(name, values)| Field::new(name, values.data_type().clone(), true)).collect();
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    let arrays = columns.into_iter().map(|(_, values)| values).collect();
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|error| invalid(format!("the columns make no table: {error}")))
}

/// Converts one column: from Arrow, from numpy, or from plain values. None, NaN, NaT and pandas' NA are missing.
fn column(name: &str, values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let py = values.py();
    if values.hasattr("__arrow_c_stream__")? || values.hasattr("__arrow_c_array__")? {
        return of_arrow(name, values);
    }
    if let Ok(array) = values.cast::<PyUntypedArray>() {
        if array.ndim() != 1 {
            let message = format!("the column {name:?} has {} dimensions; expected one", array.ndim());
            return Err(error_of_kind(ErrorKind::ShapeMismatch, message));
        }
        if let Some(array) = of_numpy(array)? {
            return Ok(array);
        }
        return of_values(name, &array.call_method0(intern!(py, "tolist"))?);
    }
    if values.is_instance_of::<PyString>() || values.try_iter().is_err() {
        let message =
            format!("the column {name:?} is {}; expected a list, an array or a Series", quote_for_message(values));
        return Err(error_of_kind(ErrorKind::InvalidColumn, message));
    }
    of_values(name, values)
}

fn of_arrow(name: &str, values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let unreadable = |error: &dyn std::fmt::Display| {
        error_of_kind(ErrorKind::InvalidColumn, format!("the column {name:?} cannot be read: {error}"))
    };
    if values.hasattr("__arrow_c_array__")? {
        let (array, _) = values.extract::<PyArray>().map_err(|error| unreadable(&error))?.into_inner();
        return Ok(array);
    }
    let chunked = values.extract::<PyChunkedArray>().map_err(|error| unreadable(&error))?;
    let (chunks, field) = chunked.into_inner();
    match chunks.len() {
        0 => Ok(arrow_array::new_empty_array(field.data_type())),
        1 => Ok(chunks[0].clone()),
        _ => {
            let chunks: Vec<&dyn arrow_array::Array> = chunks.iter().map(AsRef::as_ref).collect();
            arrow_select::concat::concat(&chunks).map_err(|error| unreadable(&error))
        }
    }
}

/// Converts numbers, booleans and dates of numpy. None for its other types.
fn of_numpy(array: &Bound<'_, PyUntypedArray>) -> PyResult<Option<ArrayRef>> {
    let kind = array.dtype().kind();
    let as_type = |name: &str| array.call_method1("astype", (name,));
    Ok(Some(match kind {
        b'f' => {
            let values = as_type("float64")?.cast_into::<PyArray1<f64>>()?;
            let missing = |value: &f64| (!value.is_nan()).then_some(*value);
            Arc::new(values.readonly().as_array().iter().map(missing).collect::<Float64Array>())
        }
        b'i' => {
            let values = as_type("int64")?.cast_into::<PyArray1<i64>>()?;
            Arc::new(values.readonly().as_array().iter().copied().map(Some).collect::<Int64Array>())
        }
        b'u' => {
            let values = as_type("uint64")?.cast_into::<PyArray1<u64>>()?;
            Arc::new(values.readonly().as_array().iter().copied().map(Some).collect::<UInt64Array>())
        }
        b'b' => {
            let values = as_type("bool")?.cast_into::<PyArray1<bool>>()?;
            Arc::new(values.readonly().as_array().iter().copied().map(Some).collect::<BooleanArray>())
        }
        b'M' => {
            // Whole seconds are enough to find the day; numpy rounds down.
            let values = as_type("datetime64[s]")?.call_method1("astype", ("int64",))?.cast_into::<PyArray1<i64>>()?;
            let moment = |value: &i64| (*value != i64::MIN).then_some(*value);
            Arc::new(values.readonly().as_array().iter().map(moment).collect::<TimestampSecondArray>())
        }
        _ => return Ok(None),
    }))
}

/// Type of the values in a column of plain Python values.
#[derive(Clone, Copy, PartialEq)]
enum ValueKind {
    Missing,
    Boolean,
    Integer,
    Number,
    Text,
    Date,
}

fn of_values(name: &str, values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let py = values.py();
    let wrong = |row: usize, value: &Bound<'_, PyAny>, expected: &str| {
        let message = format!("row {}: {name:?} is {}; expected {expected}", row + 1, quote_for_message(value));
        Err(error_of_kind(ErrorKind::InvalidColumn, message))
    };
    let decimal = py.import(intern!(py, "decimal"))?.getattr("Decimal")?;
    let mut rows: Vec<(ValueKind, Bound<'_, PyAny>)> = Vec::new();
    let mut kind = ValueKind::Missing;
    for (row, value) in values.try_iter()?.enumerate() {
        let mut value = value?;
        if value.hasattr(intern!(py, "dtype"))? && value.hasattr(intern!(py, "item"))? {
            // A numpy scalar. `item` would turn a date finer than Python's into a number, so it is converted to seconds first.
            value = match value.getattr("dtype")?.getattr("kind")?.extract::<String>()?.as_str() {
                "M" => value.call_method1("astype", ("datetime64[s]",))?.call_method0("item")?,
                _ => value.call_method0("item")?,
            };
        }
        let own = if value.is_none() {
            ValueKind::Missing
        } else if value.is_instance_of::<PyString>() {
            ValueKind::Text
        } else if value.is_instance_of::<PyBool>() {
            ValueKind::Boolean
        } else if value.is_instance_of::<PyInt>() {
            ValueKind::Integer
        } else if value.is_instance_of::<PyFloat>() {
            if value.extract::<f64>()?.is_nan() { ValueKind::Missing } else { ValueKind::Number }
        } else if value.is_instance(&decimal)? {
            if value.call_method0("is_nan")?.extract()? { ValueKind::Missing } else { ValueKind::Number }
        } else if matches!(&*value.get_type().name()?.to_cow()?, "NAType" | "NaTType") {
            ValueKind::Missing
        } else if value.hasattr(intern!(py, "year"))? && value.hasattr(intern!(py, "month"))? {
            ValueKind::Date
        } else {
            return wrong(row, &value, "text, a number, True or False, a date or None");
        };
        kind = match (kind, own) {
            (kind, ValueKind::Missing) | (ValueKind::Missing, kind) => kind,
            (a, b) if a == b => a,
            (ValueKind::Integer | ValueKind::Number, ValueKind::Integer | ValueKind::Number) => ValueKind::Number,
            (ValueKind::Text, _) => return wrong(row, &value, "text, as in the rows before"),
            (ValueKind::Date, _) => return wrong(row, &value, "a date, as in the rows before"),
            (ValueKind::Boolean, _) => return wrong(row, &value, "True or False, as in the rows before"),
            _ => return wrong(row, &value, "a number, as in the rows before"),
        };
        rows.push((own, value));
    }
    /// Reads the values that are not missing.
    fn each<T>(
        rows: &[(ValueKind, Bound<'_, PyAny>)],
        read: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>,
    ) -> PyResult<Vec<Option<T>>> {
        rows.iter().map(|(kind, value)| (*kind != ValueKind::Missing).then(|| read(value)).transpose()).collect()
    }
    Ok(match kind {
        // Integers are accepted for ids, dates, amounts and labels.
        ValueKind::Missing => Arc::new(Int64Array::from(vec![None; rows.len()])),
        ValueKind::Boolean => Arc::new(BooleanArray::from(each(&rows, |value| value.extract::<bool>())?)),
        ValueKind::Number => Arc::new(Float64Array::from(each(&rows, |value| value.extract::<f64>())?)),
        ValueKind::Text => Arc::new(LargeStringArray::from(each(&rows, |value| value.extract::<String>())?)),
        ValueKind::Date => Arc::new(Date32Array::from(each(&rows, |value| Ok(day(value)?.number()))?)),
        ValueKind::Integer => match each(&rows, |value| value.extract::<i64>()) {
            Ok(numbers) => Arc::new(Int64Array::from(numbers)),
            // Ids of more than 64 bits are kept as their digits.
            Err(_) => Arc::new(LargeStringArray::from(each(&rows, |value| Ok(value.str()?.to_string()))?)),
        },
    })
}
