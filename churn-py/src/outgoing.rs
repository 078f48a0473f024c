//! Exports tables: through the Arrow PyCapsule interface, and to pandas.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int32Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Float64Array, LargeStringArray, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Schema};
use numpy::PyArray1;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};
use pyo3_arrow::ffi::{ArrayIterator, to_schema_pycapsule, to_stream_pycapsule};

use crate::error::invalid;

/// A result that is a table of columns.
pub(crate) trait Outgoing: Sync {
    /// Returns names and columns: made by [`texts`], [`numbers`] and [`categories`], or booleans, `Date32`, and integers for
    /// ids.
    fn columns(&self) -> Vec<(String, ArrayRef)>;

    /// Returns the table as an `arrow_array_stream`.
    fn stream<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let (field, array) = self.structure(py)?;
        let arrays = ArrayIterator::new(vec![Ok(array)], field);
        Ok(to_stream_pycapsule(py, Box::new(arrays), requested_schema)?)
    }

    /// Returns the `arrow_schema` of the table.
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let (field, _) = self.structure(py)?;
        Ok(to_schema_pycapsule(py, field.as_ref())?)
    }

    /// Returns the table as a pandas frame.
    fn frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let pandas = py.import(intern!(py, "pandas"))?;
        let columns = PyDict::new(py);
        for (name, column) in py.detach(|| self.columns()) {
            columns.set_item(name, values(&pandas, &column)?)?;
        }
        pandas.call_method1(intern!(py, "DataFrame"), (columns,))
    }

    /// Returns the columns as the fields of one struct, which is how the interface represents a table.
    fn structure(&self, py: Python<'_>) -> PyResult<(Arc<Field>, ArrayRef)> {
        let columns = py.detach(|| self.columns());
        let fields: Vec<Field> =
            columns.iter().map(|(name, values)| Field::new(name, values.data_type().clone(), true)).collect();
        let arrays = columns.into_iter().map(|(_, values)| values).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| invalid(format!("the columns make no table: {error}")))?;
        let array = StructArray::from(batch);
        let field = Field::new("", array.data_type().clone(), false);
        Ok((Arc::new(field), Arc::new(array)))
    }
}

/// Builds a column of text.
pub(crate) fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<LargeStringArray>())
}

/// Builds a column of numbers. NaN becomes null.
pub(crate) fn numbers(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(values.map(|value| (!value.is_nan()).then_some(value)).collect::<Float64Array>())
}

/// Builds a categorical column from the indices of levels. NaN becomes null.
pub(crate) fn categories(values: impl Iterator<Item = f64>, levels: &[String]) -> ArrayRef {
    let keys = values.map(|value| (!value.is_nan()).then_some(value as i32));
    let levels = levels.iter().map(Some).collect::<LargeStringArray>();
    let array = arrow_array::DictionaryArray::<Int32Type>::try_new(keys.collect(), Arc::new(levels));
    Arc::new(array.expect("values are indices of their levels"))
}

/// Converts a column for pandas.
fn values<'py>(pandas: &Bound<'py, PyModule>, column: &ArrayRef) -> PyResult<Bound<'py, PyAny>> {
    let py = pandas.py();
    Ok(match column.data_type() {
        DataType::LargeUtf8 => PyList::new(py, column.as_string::<i64>().iter())?.into_any(),
        DataType::Float64 => {
            let numbers = column.as_primitive::<Float64Type>().iter();
            PyArray1::from_vec(py, numbers.map(|number| number.unwrap_or(f64::NAN)).collect()).into_any()
        }
        DataType::Boolean => {
            PyArray1::from_vec(py, column.as_boolean().iter().map(|value| value == Some(true)).collect()).into_any()
        }
        DataType::Date32 => {
            // A missing date is NaT, which NumPy stores as the smallest integer.
            let days = column.as_primitive::<Date32Type>().iter().map(|day| day.map_or(i64::MIN, i64::from)).collect();
            // pandas itself reads dates in seconds.
            let days = PyArray1::from_vec(py, days).call_method1("astype", ("datetime64[D]",))?;
            days.call_method1("astype", ("datetime64[s]",))?
        }
        DataType::Dictionary(..) => {
            let categories = column.as_dictionary::<Int32Type>();
            let codes = categories.keys().iter().map(|code| code.unwrap_or(-1)).collect();
            let levels = PyList::new(py, categories.values().as_string::<i64>().iter())?;
            let from_codes = pandas.getattr("Categorical")?.getattr("from_codes")?;
            from_codes.call1((PyArray1::from_vec(py, codes), levels))?
        }
        integer if integer.is_integer() => {
            let name = integer.to_string().to_lowercase();
            let numbers = match integer {
                DataType::UInt64 => PyArray1::from_slice(py, column.as_primitive::<UInt64Type>().values()).into_any(),
                _ => {
                    let wide =
                        arrow_cast::cast(column, &DataType::Int64).map_err(|error| invalid(error.to_string()))?;
                    PyArray1::from_slice(py, wide.as_primitive::<Int64Type>().values()).into_any()
                }
            };
            numbers.call_method1("astype", (name,))?
        }
        other => unreachable!("no result has a column of {other}"),
    })
}
