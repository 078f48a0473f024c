//! Conversions between Python's plain values and those of the core: settings, days, columns of numbers.

use churn::{Day, ErrorKind};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyOverflowError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDate, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{error_of_kind, invalid};

/// Maximum depth of nested settings. A deeper value is a list that contains itself.
const DEEPEST: usize = 16;

/// Converts a setting to JSON: Python's types, numpy scalars and arrays, and dates of pandas and Python.
pub(crate) fn json(value: &Bound<'_, PyAny>, name: &str, depth: usize) -> PyResult<Value> {
    if depth > DEEPEST {
        return Err(invalid(format!("{name} is nested too deeply")));
    }
    if value.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(value) = value.cast::<PyBool>() {
        return Ok(Value::Bool(value.is_true()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Value::String(text.to_cow()?.into_owned()));
    }
    if value.is_instance_of::<PyInt>() {
        return match (value.extract::<i64>(), value.extract::<u64>()) {
            (Ok(number), _) => Ok(number.into()),
            (_, Ok(number)) => Ok(number.into()),
            _ => Err(invalid(format!("{name} is {value}; expected a number of at most 64 bits"))),
        };
    }
    if value.is_instance_of::<PyFloat>() {
        let number: f64 = value.extract()?;
        return match serde_json::Number::from_f64(number) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(invalid(format!("{name} is {number}; expected a finite number"))),
        };
    }
    if let Ok(mapping) = value.cast::<PyMapping>() {
        let mut map = Map::new();
        for pair in mapping.items()?.iter() {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
            let Ok(key) = key.extract::<String>() else {
                return Err(invalid(format!("{name} has the key {}; expected text", quote_for_message(&key))));
            };
            let value = json(&value, &format!("{name}.{key}"), depth + 1)?;
            map.insert(key, value);
        }
        return Ok(Value::Object(map));
    }
    if value.hasattr("year")? {
        return Ok(Value::String(day(value)?.to_string()));
    }
    // A numpy scalar converts itself to a Python value; a numpy date becomes a date.
    if value.hasattr("dtype")? && value.hasattr("item")? && value.getattr("ndim")?.extract::<usize>()? == 0 {
        return json(&value.call_method0("item")?, name, depth + 1);
    }
    let Ok(items) = value.try_iter() else {
        return Err(invalid(format!(
            "{name} is {}; expected a number, text, a list or a dict",
            quote_for_message(value)
        )));
    };
    items.map(|item| json(&item?, name, depth + 1)).collect::<PyResult<Vec<Value>>>().map(Value::Array)
}

/// Shortened text of a value, for messages.
pub(crate) fn quote_for_message(value: &Bound<'_, PyAny>) -> String {
    let text = value.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string());
    let kind = value.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short} ({kind})")
}

/// Converts keyword arguments to the JSON object that the settings structs of the core are read from.
pub(crate) fn settings(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Map<String, Value>> {
    let mut map = Map::new();
    for (key, value) in keywords.into_iter().flatten() {
        let name: String = key.extract()?;
        let value = json(&value, &name, 0)?;
        map.insert(name, value);
    }
    Ok(map)
}

/// A setting with its own name in the signature. None of Python counts as given.
pub(crate) struct Setting<'py>(pub(crate) Option<Bound<'py, PyAny>>);

impl<'py> FromPyObject<'_, 'py> for Setting<'py> {
    type Error = std::convert::Infallible;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Setting(Some(value.to_owned())))
    }
}

impl Setting<'_> {
    /// Adds it to the keyword arguments.
    pub(crate) fn put(self, settings: &mut Map<String, Value>, name: &str) -> PyResult<()> {
        if let Some(value) = self.0 {
            settings.insert(name.to_owned(), json(&value, name, 0)?);
        }
        Ok(())
    }
}

/// Reads a settings struct of the core. Unknown keys and invalid values are refused with their names.
pub(crate) fn read<T: DeserializeOwned>(settings: Map<String, Value>) -> PyResult<T> {
    serde_json::from_value(Value::Object(settings)).map_err(|error| invalid(error.to_string()))
}

/// Reads a settings struct from keyword arguments.
pub(crate) fn config<T: DeserializeOwned>(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<T> {
    read(settings(keywords)?)
}

/// Converts a value of the core to dicts, lists, text and numbers, with the same names as in every language.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &(impl Serialize + ?Sized)) -> PyResult<Bound<'py, PyAny>> {
    let value = serde_json::to_value(value).map_err(|error| invalid(error.to_string()))?;
    from_json(py, &value)
}

fn from_json<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into_pyobject(py)?.into_any(),
            (_, Some(number)) => number.into_pyobject(py)?.into_any(),
            _ => PyFloat::new(py, number.as_f64().unwrap_or(f64::NAN)).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(values) => {
            let list = PyList::empty(py);
            for value in values {
                list.append(from_json(py, value)?)?;
            }
            list.into_any()
        }
        Value::Object(map) => {
            let dict = PyDict::new(py);
            for (key, value) in map {
                dict.set_item(key, from_json(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

/// Converts a day: text as `YYYY-MM-DD`, a date, a datetime (its UTC day if it has a time zone), or a date of numpy or pandas.
pub(crate) fn day(value: &Bound<'_, PyAny>) -> PyResult<Day> {
    let py = value.py();
    if let Ok(text) = value.cast::<PyString>() {
        return text.to_cow()?.parse().map_err(crate::error::raise);
    }
    let wrong =
        || invalid(format!("{} is no date; expected YYYY-MM-DD, a date or a datetime", quote_for_message(value)));
    if value.is_exact_instance_of::<PyDate>() {
        return ordinal(value).ok_or_else(wrong);
    }
    if value.is_instance_of::<PyDate>() {
        return ordinal(&utc(value)?).ok_or_else(wrong);
    }
    if value.hasattr(intern!(py, "dtype"))? {
        return numpy_date(value).ok().and_then(|date| ordinal(&date)).ok_or_else(wrong);
    }
    if !value.hasattr(intern!(py, "year"))? {
        return Err(wrong());
    }
    let moment = utc(value)?;
    let part = |name: &Bound<'_, PyString>| moment.getattr(name)?.extract::<i32>().map_err(|_| wrong());
    let (year, month, day) = (part(intern!(py, "year"))?, part(intern!(py, "month"))?, part(intern!(py, "day"))?);
    Day::from_ymd(year, month as u32, day as u32).ok_or_else(wrong)
}

/// Returns the date of a numpy datetime64. For other numpy types and for NaT, returns a value that is not a date.
fn numpy_date<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    let item = value.call_method0(intern!(py, "item"))?;
    if !item.is_instance_of::<PyInt>() {
        return Ok(item);
    }
    // A number: either an integer, or a date finer than Python's own.
    if !value.getattr(intern!(py, "dtype"))?.getattr(intern!(py, "kind"))?.eq(intern!(py, "M"))? {
        return Ok(py.None().into_bound(py));
    }
    value.call_method1(intern!(py, "astype"), (intern!(py, "datetime64[D]"),))?.call_method0(intern!(py, "item"))
}

/// Returns the day of a `datetime.date` or a subclass; None if it has no day, such as NaT.
fn ordinal(date: &Bound<'_, PyAny>) -> Option<Day> {
    // Python's ordinals start at the first day of year 1.
    const EPOCH: i32 = 719_163;
    let ordinal = date.call_method0(intern!(date.py(), "toordinal")).ok()?;
    Day::new(ordinal.extract::<i32>().ok()?.checked_sub(EPOCH)?)
}

/// Moves a datetime with a time zone to UTC; returns anything else unchanged.
fn utc<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    let zone = value.getattr_opt(intern!(py, "tzinfo"))?.filter(|zone| !zone.is_none());
    match zone {
        None => Ok(value.clone()),
        Some(_) => {
            let utc = py.import(intern!(py, "datetime"))?.getattr("timezone")?.getattr("utc")?;
            value.call_method1("astimezone", (utc,)).or_else(|error| {
                // Near the first and the last year, the UTC day does not exist.
                if error.is_instance_of::<PyOverflowError>(py) { Ok(value.clone()) } else { Err(error) }
            })
        }
    }
}

/// Converts a day; None stays None.
pub(crate) fn optional_day(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Day>> {
    value.filter(|value| !value.is_none()).map(day).transpose()
}

/// Returns a `datetime.date`.
pub(crate) fn date(py: Python<'_>, day: Day) -> PyResult<Bound<'_, PyAny>> {
    py.import(intern!(py, "datetime"))?.getattr(intern!(py, "date"))?.call1(day.ymd())
}

/// Reads one number per row from a list, an array, a Series, or anything else that numpy can read.
pub(crate) fn floats(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<f64>> {
    let py = value.py();
    if let Ok(array) = value.extract::<PyReadonlyArray1<'_, f64>>() {
        return Ok(array.as_array().to_vec());
    }
    let keywords = PyDict::new(py);
    keywords.set_item("dtype", "float64")?;
    let array = py.import(intern!(py, "numpy"))?.call_method("asarray", (value,), Some(&keywords));
    let array = array.map_err(|error| invalid(format!("{name} cannot be read as numbers: {}", error.value(py))))?;
    let Ok(array) = array.cast_into::<PyArray1<f64>>() else {
        return Err(error_of_kind(
            ErrorKind::ShapeMismatch,
            format!("{name} has more than one dimension or none; expected one number a customer"),
        ));
    };
    Ok(array.readonly().as_array().to_vec())
}

/// Reads numbers; None stays None.
pub(crate) fn optional_floats(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<Vec<f64>>> {
    value.filter(|value| !value.is_none()).map(|value| floats(value, name)).transpose()
}

/// Reads one outcome per row: booleans, or the numbers 0 and 1.
pub(crate) fn outcomes(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<bool>> {
    if let Ok(array) = value.extract::<PyReadonlyArray1<'_, bool>>() {
        return Ok(array.as_array().to_vec());
    }
    let outcome = |(row, number): (usize, f64)| match number {
        0.0 => Ok(false),
        1.0 => Ok(true),
        _ => Err(invalid(format!("{name} is {number} in row {}; expected 0 or 1, or False or True", row + 1))),
    };
    floats(value, name)?.into_iter().enumerate().map(outcome).collect()
}
