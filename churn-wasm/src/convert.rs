//! Conversions between JavaScript values and values of the core.
//!
//! Options, rows and results are passed as JSON text, which is read and written by the same structs as everywhere. An unknown
//! key or a value of the wrong type is refused with its name, and numbers keep their bits. Columns of numbers are passed as
//! typed arrays.

// The build of files alone reads no rows and no tables.
#![cfg_attr(not(feature = "scoring"), allow(dead_code))]

#[cfg(not(feature = "training"))]
use std::io::{self, Write};

use churn::{Column, ColumnData, Day, FromJson, Json, JsonError, Table, Value};
use js_sys::{Array, Float64Array};
use serde::Serialize;
use serde_json::Serializer;
#[cfg(not(feature = "training"))]
use serde_json::ser::Formatter;
use wasm_bindgen::prelude::*;

use crate::error::{BindingError, Result};

#[wasm_bindgen(module = "/src/convert.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = toJson)]
    fn to_json(value: &JsValue) -> std::result::Result<String, JsValue>;
    #[wasm_bindgen(catch, js_name = toNumbers)]
    fn to_numbers(value: &JsValue, name: &str) -> std::result::Result<Vec<f64>, JsValue>;
    #[wasm_bindgen(catch, js_name = someRows)]
    fn some_rows(rows: &JsValue, from: f64) -> std::result::Result<Option<String>, JsValue>;
    #[wasm_bindgen(catch, js_name = namedColumns)]
    fn named_columns(table: &JsValue) -> std::result::Result<Option<Array>, JsValue>;
    #[wasm_bindgen(catch, js_name = splitAttributes)]
    fn split_attributes(options: &JsValue) -> std::result::Result<Array, JsValue>;
    #[wasm_bindgen(js_name = splitTexts)]
    fn split_texts(text: &str, lengths: &[u32]) -> JsValue;
    pub(crate) fn failure(code: &str, message: &str, line: Option<f64>, report: JsValue, findings: JsValue) -> JsValue;
    pub(crate) fn today() -> String;
}

/// Converts a result to a plain object or array. A missing value is null.
pub(crate) fn results(value: &impl Serialize) -> Result<JsValue> {
    let mut text = Vec::new();
    // The writer of model documents, whose code is there already.
    #[cfg(feature = "training")]
    let written = value.serialize(&mut Serializer::new(&mut text));
    #[cfg(not(feature = "training"))]
    let written = value.serialize(&mut Serializer::with_formatter(&mut text, Numbers));
    parsed(written.is_ok(), text)
}

#[inline(never)]
fn parsed(is_written: bool, text: Vec<u8>) -> Result<JsValue> {
    let text = String::from_utf8(text).ok().filter(|_| is_written);
    let text = text.ok_or_else(|| BindingError::parameter("the result cannot be written as JSON"))?;
    js_sys::JSON::parse(&text).map_err(|error| BindingError::thrown(&error))
}

/// Writes numbers as the standard library does, because the number writer of serde_json would add tables to the binary.
#[cfg(not(feature = "training"))]
struct Numbers;

#[cfg(not(feature = "training"))]
impl Formatter for Numbers {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(value.to_string().as_bytes())
    }
}

/// Returns the JSON text of a value from the caller. Undefined is an empty object.
fn text(value: &JsValue) -> Result<String> {
    match value.is_undefined() {
        true => Ok("{}".to_owned()),
        false => to_json(value).map_err(|error| BindingError::thrown(&error)),
    }
}

/// Reads a struct of the core from an object with the same names.
pub(crate) fn config<T: FromJson>(value: &JsValue, name: &str) -> Result<T> {
    read(&text(value)?, name)
}

fn read<T: FromJson>(text: &str, name: &str) -> Result<T> {
    churn::from_json(text).map_err(|error| wrong(name, error))
}

/// Returns the error for a value that a struct cannot be read from.
fn wrong(name: &str, error: JsonError) -> BindingError {
    BindingError::parameter(format!("{name}: {error}"))
}

/// Options whose keys belong to several structs.
pub(crate) struct Options(Vec<(String, Json)>);

impl Options {
    pub(crate) fn new(value: &JsValue) -> Result<Self> {
        match value.is_null() {
            true => Ok(Options(Vec::new())),
            false => match config(value, "options")? {
                Json::Object(pairs) => Ok(Options(pairs)),
                found => Err(BindingError::parameter(format!("options: expected an object, found {}", found.kind()))),
            },
        }
    }

    fn take(&mut self, key: &str) -> Option<Json> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes an optional text.
    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>> {
        match self.take(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(found) => Err(BindingError::parameter(format!("{key} is {}; expected a text", found.kind()))),
        }
    }

    /// Takes an optional setting.
    pub(crate) fn setting<T: FromJson>(&mut self, key: &str) -> Result<Option<T>> {
        self.take(key).map(|value| T::from_json(&value).map_err(|error| wrong(key, error))).transpose()
    }

    /// Takes an optional day.
    pub(crate) fn day(&mut self, key: &str) -> Result<Option<Day>> {
        let day = self.text(key)?.map(|text| text.parse());
        day.transpose().map_err(|error: churn::Error| BindingError::parameter(format!("{key}: {error}")))
    }

    /// Reads a struct from all options that were not taken.
    pub(crate) fn rest<T: FromJson>(self) -> Result<T> {
        T::from_json(&Json::Object(self.0)).map_err(|error| wrong("options", error))
    }

    /// Checks that no option is left.
    pub(crate) fn end(self, known: &str) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => {
                Err(BindingError::parameter(format!("options: unknown setting {key:?}; expected {known}")))
            }
        }
    }
}

/// Reads a column of numbers. NaN is kept.
pub(crate) fn numbers(value: &JsValue, name: &str) -> Result<Vec<f64>> {
    to_numbers(value, name).map_err(|error| BindingError::thrown(&error))
}

/// Builds a JavaScript array of texts.
pub(crate) fn text_array<'a>(texts: impl Iterator<Item = &'a str>) -> JsValue {
    let (mut all, mut lengths) = (String::new(), Vec::new());
    for text in texts {
        all.push_str(text);
        lengths.push(text.encode_utf16().count() as u32);
    }
    split_texts(&all, &lengths)
}

/// Splits the options from the rows of a joined table, which are not settings.
pub(crate) fn with_attributes(options: &JsValue) -> Result<(Options, Option<Table>)> {
    let parts = split_attributes(options).map_err(|error| BindingError::thrown(&error))?;
    let attributes = parts.get(1);
    let joined = if attributes.is_undefined() { None } else { Some(table(&attributes)?) };
    Ok((Options::new(&parts.get(0))?, joined))
}

/// Reads the rows of an array, some thousand at a time. `each` gets the row number from 1, and the keys and values of the row.
pub(crate) fn rows(value: &JsValue, mut each: impl FnMut(usize, Vec<(String, Json)>) -> Result<()>) -> Result<()> {
    let mut row = 0;
    while let Some(text) = some_rows(value, row as f64).map_err(|error| BindingError::thrown(&error))? {
        let some: Vec<Json> = read(&text, "rows")?;
        for value in some {
            row += 1;
            match value {
                Json::Object(pairs) => each(row, pairs)?,
                found => return Err(BindingError::row(row, format!("expected an object, found {}", found.kind()))),
            }
        }
    }
    Ok(())
}

/// Reads a table from an array of rows or from an object of columns.
pub(crate) fn table(value: &JsValue) -> Result<Table> {
    let columns = match named_columns(value).map_err(|error| BindingError::thrown(&error))? {
        None => columns_of_rows(value)?,
        Some(entries) => entries.iter().map(named_column).collect::<Result<_>>()?,
    };
    Ok(Table::new(columns)?)
}

fn columns_of_rows(value: &JsValue) -> Result<Vec<Column>> {
    let mut names: Vec<String> = Vec::new();
    let mut values: Vec<Vec<Value>> = Vec::new();
    rows(value, |row, pairs| {
        for (name, value) in pairs {
            let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                values.push(Vec::new());
                names.len() - 1
            });
            let value =
                Value::from_json(&value).map_err(|error| BindingError::row(row, format!("{}: {error}", names[at])))?;
            values[at].resize(row - 1, Value::Missing(()));
            values[at].push(value);
        }
        Ok(())
    })?;
    let count = values.iter().map(Vec::len).max().unwrap_or(0);
    let column = |(name, mut values): (String, Vec<Value>)| {
        values.resize(count, Value::Missing(()));
        column(name, values)
    };
    names.into_iter().zip(values).map(column).collect()
}

/// Reads a column from its name and values.
fn named_column(entry: JsValue) -> Result<Column> {
    let entry: Array = entry.unchecked_into();
    let (name, values) = (entry.get(0).as_string().unwrap_or_default(), entry.get(1));
    if values.is_instance_of::<Float64Array>() {
        return Ok(Column { data: ColumnData::Numeric(numbers(&values, &name)?), name });
    }
    let values: Vec<Value> = config(&values, &name)?;
    column(name, values)
}

/// Builds a column. All values must be of one kind; missing values are allowed in every kind.
fn column(name: String, values: Vec<Value>) -> Result<Column> {
    let present = || values.iter().filter(|value| !matches!(value, Value::Missing(())));
    let data = if present().all(|value| matches!(value, Value::Number(_))) {
        ColumnData::Numeric(values.iter().map(|v| if let Value::Number(n) = v { *n } else { f64::NAN }).collect())
    } else if present().all(|value| matches!(value, Value::Boolean(_))) {
        ColumnData::Boolean(values.iter().map(|v| if let Value::Boolean(b) = v { Some(*b) } else { None }).collect())
    } else if present().all(|value| matches!(value, Value::Text(_))) {
        let text = |value| if let Value::Text(text) = value { Some(text) } else { None };
        ColumnData::Categorical(values.into_iter().map(text).collect())
    } else {
        let message = format!("the column {name:?} mixes numbers, texts or booleans; expected one kind a column");
        return Err(BindingError::Argument { code: "invalid_column", message, line: None });
    };
    Ok(Column { name, data })
}
