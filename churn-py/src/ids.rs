//! The type of the customer ids in the input. The core stores ids as text; frames return them in their original type, so that
//! results can be joined to the user's own tables.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt64Array};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PyString};

use crate::convert::quote_for_message;
use crate::error::invalid;
use crate::outgoing::texts;

/// Upper limit of the whole numbers that a double holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Type in which ids are returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Ids {
    #[default]
    Text,
    /// Integers of this Arrow type.
    Integer(DataType),
}

impl Ids {
    pub(crate) fn of(found: &DataType) -> Ids {
        match found {
            DataType::Dictionary(_, values) => Ids::of(values),
            integer if integer.is_integer() => Ids::Integer(integer.clone()),
            _ => Ids::Text,
        }
    }

    /// Returns a type that holds the ids of two sources.
    fn with(self, other: Ids) -> Ids {
        match (self, other) {
            (a, b) if a == b => a,
            (Ids::Integer(a), Ids::Integer(b)) if a != DataType::UInt64 && b != DataType::UInt64 => {
                Ids::Integer(DataType::Int64)
            }
            _ => Ids::Text,
        }
    }

    /// Returns the ids as a column.
    pub(crate) fn column<'a, I: Iterator<Item = &'a str>>(&self, ids: impl Fn() -> I) -> ArrayRef {
        let integers = |to: &DataType| -> Option<ArrayRef> {
            let numbers: ArrayRef = match to {
                DataType::UInt64 => {
                    Arc::new(UInt64Array::from(ids().map(|id| id.parse().ok()).collect::<Option<Vec<u64>>>()?))
                }
                _ => Arc::new(Int64Array::from(ids().map(|id| id.parse().ok()).collect::<Option<Vec<i64>>>()?)),
            };
            cast(&numbers, to).ok().filter(|cast| cast.null_count() == 0)
        };
        match self {
            Ids::Text => None,
            Ids::Integer(to) => integers(to),
        }
        .unwrap_or_else(|| texts(ids()))
    }

    /// Restores the type of `customer_id` in each dict of a list.
    pub(crate) fn restore(&self, rows: &Bound<'_, PyList>) -> PyResult<()> {
        rows.iter().try_for_each(|row| self.restore_one(&row))
    }

    /// Restores the type of `customer_id` in a dict.
    pub(crate) fn restore_one(&self, row: &Bound<'_, PyAny>) -> PyResult<()> {
        let id: String = row.get_item("customer_id")?.extract()?;
        row.set_item("customer_id", self.value(row.py(), &id)?)
    }

    /// Returns one id as a Python value.
    pub(crate) fn value<'py>(&self, py: Python<'py>, id: &str) -> PyResult<Bound<'py, PyAny>> {
        if *self != Ids::Text
            && let Ok(number) = id.parse::<i128>()
        {
            return Ok(number.into_pyobject(py)?.into_any());
        }
        Ok(PyString::new(py, id).into_any())
    }
}

/// Type of the ids in batches, recorded while they pass.
#[derive(Default)]
pub(crate) struct IdTypeTracker(Mutex<Option<Ids>>);

impl IdTypeTracker {
    /// Returns the batch with ids that the core can read. Whole floating-point numbers become integers, because pandas stores
    /// integers with missing values as floats.
    pub(crate) fn pass(&self, batch: RecordBatch, column: &str) -> RecordBatch {
        let Some((at, field)) = batch.schema().column_with_name(column).map(|(at, field)| (at, field.clone())) else {
            return batch;
        };
        let whole = whole(batch.column(at));
        self.note(Ids::of(whole.as_ref().map_or(field.data_type(), |values| values.data_type())));
        let Some(values) = whole else { return batch };
        let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields[at] = Field::new(column, DataType::Int64, true);
        let mut columns = batch.columns().to_vec();
        columns[at] = values;
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap_or(batch)
    }

    /// Records the type of a further source.
    pub(crate) fn note(&self, ids: Ids) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(match seen.take() {
            None => ids,
            Some(before) => before.with(ids),
        });
    }

    /// Adds the type that another recorder has seen.
    pub(crate) fn take(&self, other: &IdTypeTracker) {
        let seen = other.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(ids) = seen {
            self.note(ids);
        }
    }

    /// Returns the recorded type; text if there was no batch.
    pub(crate) fn ids(&self) -> Ids {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }
}

/// Converts a floating-point column to integers if all of its numbers are whole. NaN is missing.
pub(crate) fn whole(values: &ArrayRef) -> Option<ArrayRef> {
    if !values.data_type().is_floating() {
        return None;
    }
    let doubles = cast(values, &DataType::Float64).ok()?;
    let integer = |number: Option<f64>| match number.filter(|number| !number.is_nan()) {
        None => Some(None),
        Some(number) if number.fract() == 0.0 && number.abs() < EXACT => Some(Some(number as i64)),
        Some(_) => None,
    };
    let numbers = doubles.as_primitive::<Float64Type>().iter().map(integer).collect::<Option<Vec<_>>>()?;
    Some(Arc::new(Int64Array::from(numbers)))
}

/// Converts a Python id to text, and returns its type: text, an integer (also of numpy), or a whole number.
pub(crate) fn id_of(value: &Bound<'_, PyAny>) -> PyResult<(String, Ids)> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok((text.extract()?, Ids::Text));
    }
    let integer = Ids::Integer(DataType::Int64);
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        return Ok((value.str()?.extract()?, integer));
    }
    let is_scalar =
        value.hasattr("dtype")? && value.hasattr("item")? && value.getattr("ndim")?.extract::<usize>()? == 0;
    if is_scalar {
        return id_of(&value.call_method0("item")?);
    }
    if value.is_instance_of::<PyFloat>() {
        let number: f64 = value.extract()?;
        if number.fract() == 0.0 && number.abs() < EXACT {
            return Ok(((number as i64).to_string(), integer));
        }
    }
    Err(invalid(format!("customer_id is {}; expected text or a whole number", quote_for_message(value))))
}
