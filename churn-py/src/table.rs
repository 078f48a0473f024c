//! A table with one row per customer: columns for training, or to join to the features.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::DataType;
use churn::{Column, ColumnData, CustomerId, ErrorKind, Table};
use pyo3::prelude::*;

use crate::arrow::Batches;
use crate::error::{error_of_kind, raise};
use crate::ids::{Ids, whole};
use crate::watch::PyObserver;

/// The column of a joined table with the day from which a row is valid.
const VALID_FROM: &str = "valid_from";

/// Selection of the columns of a table, and how they are read.
#[derive(Default)]
pub(crate) struct Taken<'a> {
    /// If given, only these columns are read, as far as they exist.
    pub(crate) only: Option<Vec<String>>,
    /// Columns that exist but are not used for training, so that any content is accepted.
    pub(crate) left_out: &'a [String],
    /// The id column. It is read as text, because a double cannot hold every id.
    pub(crate) customer_id: Option<&'a str>,
    /// True if rows may have a day from which they are valid.
    pub(crate) dated: bool,
    /// Hint for the error message if none of the columns exists.
    pub(crate) hint: &'a str,
}

/// Converts any supported Python table to a table of the core, and returns the type of its ids.
pub(crate) fn table(object: &Bound<'_, PyAny>, taken: &Taken<'_>) -> PyResult<(Table, Ids)> {
    let watch = PyObserver::new(None)?;
    let batches = Batches::new(object, taken.only.as_deref())?;
    let batches = watch.run(object.py(), |watch| batches.read(watch).collect::<churn::Result<Vec<_>>>())?;
    let (mut columns, mut kind): (Vec<Column>, Ids) = (Vec::new(), Ids::Text);
    let schema = batches.first().map(|batch| batch.schema());
    for (at, field) in schema.iter().flat_map(|schema| schema.fields().iter()).enumerate() {
        let name = field.name();
        if taken.only.as_ref().is_some_and(|only| !only.contains(name)) {
            continue;
        }
        let pieces: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(at).as_ref()).collect();
        let values = arrow_select::concat::concat(&pieces).map_err(|error| unreadable(name, &error))?;
        let data = match taken.customer_id {
            Some(id) if id == name => {
                let values = whole(&values).unwrap_or(values);
                kind = Ids::of(values.data_type());
                ids(name, &values)?
            }
            _ if taken.dated && name == VALID_FROM => days(name, &values)?,
            _ if taken.left_out.contains(name) => ColumnData::Numeric(vec![f64::NAN; values.len()]),
            _ => column(name, &values)?,
        };
        columns.push(Column { name: name.clone(), data });
    }
    if let (Some(only), true, Some(schema)) = (&taken.only, columns.is_empty(), schema) {
        let names: Vec<&str> = schema.fields().iter().take(30).map(|field| field.name().as_str()).collect();
        let message =
            format!("the table has none of the columns {}; it has {}{}", only.join(", "), names.join(", "), taken.hint);
        return Err(error_of_kind(ErrorKind::MissingColumn, message));
    }
    Ok((Table::new(columns).map_err(raise)?, kind))
}

fn unreadable(name: &str, error: &dyn std::fmt::Display) -> PyErr {
    error_of_kind(ErrorKind::InvalidColumn, format!("the column {name:?} cannot be read: {error}"))
}

fn to(name: &str, values: &ArrayRef, data_type: &DataType) -> PyResult<ArrayRef> {
    if values.data_type() == data_type {
        return Ok(Arc::clone(values));
    }
    cast(values, data_type).map_err(|error| unreadable(name, &error))
}

fn texts(name: &str, values: &ArrayRef) -> PyResult<Vec<Option<String>>> {
    let texts = to(name, values, &DataType::LargeUtf8)?;
    Ok(texts.as_string::<i64>().iter().map(|text| text.map(str::to_owned)).collect())
}

fn ids(name: &str, values: &ArrayRef) -> PyResult<ColumnData> {
    match values.data_type() {
        // pandas stores integer columns with missing values as floats.
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let numbers = to(name, values, &DataType::Float64)?;
            let id = |(row, number): (usize, Option<f64>)| {
                match number.filter(|number| !number.is_nan()) {
                None => Ok(None),
                Some(number) => CustomerId::of_number(number).map(|id| Some(id.0)).ok_or_else(|| {
                    let message = format!(
                        "row {} of the column {name:?} is {number}; expected ids as text or as whole numbers that a double \
                         holds exactly",
                        row + 1
                    );
                    error_of_kind(ErrorKind::InvalidColumn, message)
                }),
            }
            };
            let ids = numbers.as_primitive::<Float64Type>().iter().enumerate().map(id);
            Ok(ColumnData::Categorical(ids.collect::<PyResult<_>>()?))
        }
        _ => Ok(ColumnData::Categorical(texts(name, values)?)),
    }
}

/// Converts days for the core: dates and timestamps become the text of their UTC day, text is unchanged.
fn days(name: &str, values: &ArrayRef) -> PyResult<ColumnData> {
    let days = match values.data_type() {
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            // Timestamps count from the epoch in UTC, whatever their time zone for display is.
            let utc = match values.data_type() {
                DataType::Timestamp(unit, Some(_)) => to(name, values, &DataType::Timestamp(*unit, None))?,
                _ => Arc::clone(values),
            };
            to(name, &utc, &DataType::Date32)?
        }
        DataType::Dictionary(_, inner) => return days(name, &to(name, values, inner)?),
        _ => return Ok(ColumnData::Categorical(texts(name, values)?)),
    };
    Ok(ColumnData::Categorical(texts(name, &days)?))
}

fn column(name: &str, values: &ArrayRef) -> PyResult<ColumnData> {
    let numeric = |values: &ArrayRef| -> PyResult<ColumnData> {
        let numbers = to(name, values, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        Ok(ColumnData::Numeric(numbers.iter().map(|number| number.unwrap_or(f64::NAN)).collect()))
    };
    match values.data_type() {
        DataType::Boolean => Ok(ColumnData::Boolean(values.as_boolean().iter().collect())),
        // Converted through text, so that the value is rounded only once.
        found if found.is_decimal() => numeric(&to(name, values, &DataType::Utf8)?),
        found if found.is_numeric() || *found == DataType::Null => numeric(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(ColumnData::Categorical(texts(name, values)?)),
        DataType::Dictionary(_, levels) => column(name, &to(name, values, levels)?),
        found => {
            let message = format!(
                "the column {name:?} has type {found}; expected numbers, True and False, or text: leave it out, or turn dates into days"
            );
            Err(error_of_kind(ErrorKind::InvalidColumn, message))
        }
    }
}
