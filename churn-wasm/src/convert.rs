//! JavaScript values in, JavaScript values out.
//!
//! Options, rows and results cross as JSON text, read and written by the same structs as everywhere: an unknown key or a value
//! of the wrong type is refused with its name, and numbers keep their bits. Columns of numbers cross as typed arrays.

use std::io::{self, Write};

use churn::{Column, ColumnData, Day, FromJson, Json, JsonError, Table, Value};
use js_sys::{Array, Float64Array};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use wasm_bindgen::prelude::*;

use crate::error::{Failure, Result};

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

/// A plain object or array; a missing value is null.
pub(crate) fn results(value: &impl Serialize) -> Result<JsValue> {
    let mut text = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut text, Numbers));
    let text = written.ok().and_then(|()| String::from_utf8(text).ok());
    let text = text.ok_or_else(|| Failure::parameter("the result cannot be written as JSON"))?;
    js_sys::JSON::parse(&text).map_err(|error| Failure::thrown(&error))
}

/// Numbers as the standard library writes them: the writer of serde_json has tables of its own for it.
struct Numbers;

impl Formatter for Numbers {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(value.to_string().as_bytes())
    }
}

/// JSON text of what the caller handed over; undefined is an empty object.
fn text(value: &JsValue) -> Result<String> {
    match value.is_undefined() {
        true => Ok("{}".to_owned()),
        false => to_json(value).map_err(|error| Failure::thrown(&error)),
    }
}

/// A struct of the core, by its own names.
pub(crate) fn config<T: FromJson>(value: &JsValue, name: &str) -> Result<T> {
    read(&text(value)?, name)
}

fn read<T: FromJson>(text: &str, name: &str) -> Result<T> {
    churn::from_json(text).map_err(|error| wrong(name, error))
}

/// What a value is of which a struct was to be read.
fn wrong(name: &str, error: JsonError) -> Failure {
    Failure::parameter(format!("{name}: {error}"))
}

/// Options whose keys belong to several readers.
pub(crate) struct Options(Vec<(String, Json)>);

impl Options {
    pub(crate) fn new(value: &JsValue) -> Result<Self> {
        match value.is_null() {
            true => Ok(Options(Vec::new())),
            false => match config(value, "options")? {
                Json::Object(pairs) => Ok(Options(pairs)),
                found => Err(Failure::parameter(format!("options: expected an object, found {}", found.kind()))),
            },
        }
    }

    fn take(&mut self, key: &str) -> Option<Json> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.swap_remove(at).1)
    }

    /// A text that may be left out.
    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>> {
        match self.take(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(found) => Err(Failure::parameter(format!("{key} is {}; expected a text", found.kind()))),
        }
    }

    /// A setting that may be left out.
    pub(crate) fn setting<T: FromJson>(&mut self, key: &str) -> Result<Option<T>> {
        self.take(key).map(|value| T::from_json(&value).map_err(|error| wrong(key, error))).transpose()
    }

    /// A day that may be left out.
    pub(crate) fn day(&mut self, key: &str) -> Result<Option<Day>> {
        let day = self.text(key)?.map(|text| text.parse());
        day.transpose().map_err(|error: churn::Error| Failure::parameter(format!("{key}: {error}")))
    }

    /// Everything that was not taken.
    pub(crate) fn rest<T: FromJson>(self) -> Result<T> {
        T::from_json(&Json::Object(self.0)).map_err(|error| wrong("options", error))
    }

    /// Nothing may be left.
    pub(crate) fn end(self, known: &str) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => Err(Failure::parameter(format!("options: unknown setting {key:?}; expected {known}"))),
        }
    }
}

/// A column of numbers; NaN is handed on.
pub(crate) fn numbers(value: &JsValue, name: &str) -> Result<Vec<f64>> {
    to_numbers(value, name).map_err(|error| Failure::thrown(&error))
}

/// An array of texts for JavaScript.
pub(crate) fn text_array<'a>(texts: impl Iterator<Item = &'a str>) -> JsValue {
    let (mut all, mut lengths) = (String::new(), Vec::new());
    for text in texts {
        all.push_str(text);
        lengths.push(text.encode_utf16().count() as u32);
    }
    split_texts(&all, &lengths)
}

/// Settings and the rows of a joined table, which take their own way: they are no settings.
pub(crate) fn with_attributes(options: &JsValue) -> Result<(Options, Option<Table>)> {
    let parts = split_attributes(options).map_err(|error| Failure::thrown(&error))?;
    let attributes = parts.get(1);
    let joined = if attributes.is_undefined() { None } else { Some(table(&attributes)?) };
    Ok((Options::new(&parts.get(0))?, joined))
}

/// The rows of an array, some thousand at a time, as the keys and values of objects, with their numbers from 1.
pub(crate) fn rows(value: &JsValue, mut each: impl FnMut(usize, Vec<(String, Json)>) -> Result<()>) -> Result<()> {
    let mut row = 0;
    while let Some(text) = some_rows(value, row as f64).map_err(|error| Failure::thrown(&error))? {
        let some: Vec<Json> = read(&text, "rows")?;
        for value in some {
            row += 1;
            match value {
                Json::Object(pairs) => each(row, pairs)?,
                found => return Err(Failure::row(row, format!("expected an object, found {}", found.kind()))),
            }
        }
    }
    Ok(())
}

/// A table of an array of rows, or of an object of columns.
pub(crate) fn table(value: &JsValue) -> Result<Table> {
    let columns = match named_columns(value).map_err(|error| Failure::thrown(&error))? {
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
                Value::from_json(&value).map_err(|error| Failure::row(row, format!("{}: {error}", names[at])))?;
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

/// A column of its name and values.
fn named_column(entry: JsValue) -> Result<Column> {
    let entry: Array = entry.unchecked_into();
    let (name, values) = (entry.get(0).as_string().unwrap_or_default(), entry.get(1));
    if values.is_instance_of::<Float64Array>() {
        return Ok(Column { data: ColumnData::Numeric(numbers(&values, &name)?), name });
    }
    let values: Vec<Value> = config(&values, &name)?;
    column(name, values)
}

/// One kind of value a column; missing ones go with every kind.
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
        return Err(Failure::Argument { code: "invalid_column", message, line: None });
    };
    Ok(Column { name, data })
}
