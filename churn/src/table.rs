//! A table with one row per customer: columns to join to the features, or a whole training set with its label.

use std::io::Read;

use serde::Serialize;

use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{RecordReader, Strings, day_of_text, header, parse_decimal, quote_for_message};
use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, deserialized};

/// Largest number of levels that trees take one by one. If a category has more, each level counts as the log-odds of churn of its
/// customers in training, shrunk to the mean.
pub const MAX_LEVELS: usize = 255;

/// Largest number of levels of a category.
pub(crate) const MOST_LEVELS: usize = 1 << 16;

/// The level of a category of more than [`MAX_LEVELS`] levels that stands for all values without a level of their own.
pub(crate) const OTHER: &str = "(other)";

/// The column of a joined table with the day from which a row is valid.
pub(crate) const VALID_FROM: &str = "valid_from";

/// Largest absolute value of a number. Larger ones are refused, so that sums and squares do not overflow.
pub(crate) const MAX_NUMBER: f64 = 1e100;

/// Largest number of columns.
pub(crate) const MAX_COLUMNS: usize = 10_000;

/// One value of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A category.
    Text(String),
    /// A missing value.
    Missing(()),
}

impl FromJson for Value {
    fn from_json(json: &Json) -> JsonResult<Self> {
        match json {
            Json::Null => Ok(Value::Missing(())),
            Json::Boolean(value) => Ok(Value::Boolean(*value)),
            Json::Text(text) => Ok(Value::Text(text.clone())),
            Json::List(_) | Json::Object(_) => Err(json.expected("a number, a text, true, false or null")),
            number => f64::from_json(number).map(Value::Number),
        }
    }
}

deserialized!(Value);

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The header name.
    pub name: String,
    /// The values, one per row.
    pub data: ColumnData,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnData {
    /// Numbers; NaN if missing.
    Numeric(Vec<f64>),
    /// True or false; none if missing.
    Boolean(Vec<Option<bool>>),
    /// Categories; none if missing.
    Categorical(Vec<Option<String>>),
}

impl ColumnData {
    fn len(&self) -> usize {
        match self {
            ColumnData::Numeric(values) => values.len(),
            ColumnData::Boolean(values) => values.len(),
            ColumnData::Categorical(values) => values.len(),
        }
    }

    /// Returns the value of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn value(&self, row: usize) -> Value {
        match self {
            ColumnData::Numeric(values) if values[row].is_nan() => Value::Missing(()),
            ColumnData::Numeric(values) => Value::Number(values[row]),
            ColumnData::Boolean(values) => values[row].map_or(Value::Missing(()), Value::Boolean),
            ColumnData::Categorical(values) => values[row].clone().map_or(Value::Missing(()), Value::Text),
        }
    }
}

/// A table with one row per customer.
///
/// ```
/// use churn::{ColumnData, Table};
/// let table = Table::from_csv("id,age,plan\nanna,31,gold\nbert,,basic\n".as_bytes(), ',')?;
/// assert_eq!(table.rows(), 2);
/// assert!(matches!(table.column("age")?, ColumnData::Numeric(ages) if ages[0] == 31.0 && ages[1].is_nan()));
/// # Ok::<(), churn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    rows: usize,
    columns: Vec<Column>,
    /// The original fields of columns read from text, by position, if they cannot be derived from the values (`007`, `1.0`, ids
    /// with more digits than a double has). They are needed because customer ids are kept byte for byte.
    texts: Vec<(usize, Strings)>,
}

impl Table {
    /// Creates a table of these columns.
    ///
    /// # Errors
    /// `shape_mismatch` if they differ in length, `duplicate_column`, `too_many_values` above 10,000 columns,
    /// `invalid_column` for a number beyond ±10^100, `no_good_rows` without a row.
    pub fn new(columns: Vec<Column>) -> Result<Table> {
        let rows = columns.first().map_or(0, |column| column.data.len());
        if columns.len() > MAX_COLUMNS {
            return Err(Error::new(
                ErrorKind::TooManyValues,
                format!("{} columns; at most {MAX_COLUMNS} are taken", columns.len()),
            ));
        }
        let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        crate::order::sort(&mut names);
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::new(
                ErrorKind::DuplicateColumn,
                format!("the column {:?} stands there twice", twice[0]),
            ));
        }
        for column in &columns {
            if column.data.len() != rows {
                let message =
                    format!("the column {:?} has {} rows, the first column {rows}", column.name, column.data.len());
                return Err(Error::new(ErrorKind::ShapeMismatch, message));
            }
            if let ColumnData::Numeric(values) = &column.data
                && let Some(row) = values.iter().position(|v| v.abs() > MAX_NUMBER)
            {
                let (found, name) = (values[row], &column.name);
                let message =
                    format!("row {}: {name:?} is {found}; expected a number within ±10^100 or nothing", row + 1);
                return Err(Error::new(ErrorKind::InvalidColumn, message).at_line(row as u64 + 1));
            }
        }
        if rows == 0 {
            return Err(Error::new(ErrorKind::NoGoodRows, "the table has no row"));
        }
        Ok(Table { rows, columns, texts: Vec::new() })
    }

    /// Reads a CSV file with a header. A column is numeric if every value is a number, boolean if every value is `true` or
    /// `false`, and categorical otherwise. Blank fields are missing values.
    ///
    /// # Errors
    /// The errors of the CSV reader; `bad_rows` for a row with another number of fields than the header.
    pub fn from_csv(reader: impl Read, delimiter: char) -> Result<Table> {
        let mut records = RecordReader::new(reader, delimiter, 0)?;
        let names = header(&mut records)?;
        if names.len() > MAX_COLUMNS {
            return Err(Error::new(
                ErrorKind::TooManyValues,
                format!("{} columns; at most {MAX_COLUMNS} are taken", names.len()),
            ));
        }
        let mut texts = vec![Strings::default(); names.len()];
        while let Some(record) = records.next()? {
            let line = record.line;
            let bad = |message: String| Error::new(ErrorKind::BadRows, format!("line {line}: {message}")).at_line(line);
            if record.len() != names.len() {
                return Err(bad(format!("{} fields where the header has {}", record.len(), names.len())));
            }
            for (i, column) in texts.iter_mut().enumerate() {
                let field = record.get(i);
                let text = std::str::from_utf8(field)
                    .map_err(|_| bad(format!("{} is not UTF-8 text", quote_for_message(field))))?;
                column.push(text);
            }
        }
        let columns = names.into_iter().zip(&texts).map(|(name, texts)| Column { name, data: infer(texts) }).collect();
        let mut table = Table::new(columns)?;
        for (at, texts) in texts.into_iter().enumerate() {
            let says = |row: usize| level(&table.value(at, row)).unwrap_or_default();
            if texts.iter().enumerate().any(|(row, text)| says(row) != text) {
                table.texts.push((at, texts));
            }
        }
        Ok(table)
    }

    /// Returns a table of these rows, in this order.
    #[cfg(feature = "train")]
    pub(crate) fn select(&self, rows: &[usize]) -> Table {
        let data = |data: &ColumnData| match data {
            ColumnData::Numeric(values) => ColumnData::Numeric(rows.iter().map(|&row| values[row]).collect()),
            ColumnData::Boolean(values) => ColumnData::Boolean(rows.iter().map(|&row| values[row]).collect()),
            ColumnData::Categorical(values) => {
                ColumnData::Categorical(rows.iter().map(|&row| values[row].clone()).collect())
            }
        };
        let columns = self.columns.iter().map(|column| Column { name: column.name.clone(), data: data(&column.data) });
        let texts = self.texts.iter().map(|(at, texts)| (*at, texts.select(rows.iter().map(|&row| row as u32))));
        Table { rows: rows.len(), columns: columns.collect(), texts: texts.collect() }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The values of a column.
    ///
    /// # Errors
    /// `missing_column`, with the names of the columns.
    pub fn column(&self, name: &str) -> Result<&ColumnData> {
        self.columns.iter().find(|column| column.name == name).map(|column| &column.data).ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().take(30).map(|column| column.name.as_str()).collect();
            Error::new(
                ErrorKind::MissingColumn,
                format!("no column {}; the table has {}", quote_for_message(name.as_bytes()), names.join(", ")),
            )
        })
    }

    /// The customer ids in a column: text as in the file, or numbers as their digits. Without a column, the row numbers from 1.
    pub(crate) fn customer_ids(&self, column: Option<&str>) -> Result<Strings> {
        let Some(name) = column else {
            return Ok((1..=self.rows)
                .map(|row| row.to_string())
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect());
        };
        let data = self.column(name)?;
        let texts = self
            .columns
            .iter()
            .position(|column| column.name == name)
            .and_then(|at| self.texts.iter().find(|texts| texts.0 == at));
        let mut ids = Strings::default();
        for row in 0..self.rows {
            let id = match texts {
                Some((_, texts)) => Some(texts.get(row).to_owned()),
                None => level(&data.value(row)),
            };
            match id {
                Some(id) if !id.is_empty() => ids.push(&id),
                _ => {
                    let message = format!("row {}: the customer id in {name:?} is missing", row + 1);
                    return Err(Error::new(ErrorKind::InvalidColumn, message).at_line(row as u64 + 1));
                }
            }
        }
        Ok(ids)
    }

    /// The day from which each row is valid, if the table has a column `valid_from`.
    ///
    /// # Errors
    /// `invalid_column` for a value that is not a date, with its row.
    pub(crate) fn valid_from(&self) -> Result<Option<Vec<Day>>> {
        let Ok(column) = self.column(VALID_FROM) else { return Ok(None) };
        let day = |row: usize| {
            let value = column.value(row);
            let text = level(&value).unwrap_or_default();
            day_of_text(text.as_bytes()).ok_or_else(|| {
                let found = if text.is_empty() { "missing".to_owned() } else { quote_for_message(text.as_bytes()) };
                let message = format!(
                    "row {}: {VALID_FROM} is {found}; expected the day from which the row holds, as YYYY-MM-DD",
                    row + 1
                );
                Error::new(ErrorKind::InvalidColumn, message).at_line(row as u64 + 1)
            })
        };
        (0..self.rows).map(day).collect::<Result<Vec<Day>>>().map(Some)
    }

    pub(crate) fn value(&self, column: usize, row: usize) -> Value {
        self.columns[column].data.value(row)
    }
}

/// The category of a value; none if it is missing.
pub(crate) fn level(value: &Value) -> Option<String> {
    match value {
        Value::Missing(()) => None,
        Value::Text(text) => Some(text.clone()),
        Value::Number(number) if number.is_nan() => None,
        Value::Number(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
    }
}

fn infer(texts: &Strings) -> ColumnData {
    let boolean = |text: &str| match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    };
    let number = |text: &str| parse_decimal(text.as_bytes()).filter(|v| v.is_finite());
    let trimmed = || texts.iter().map(str::trim);
    if trimmed().all(|text| text.is_empty() || number(text).is_some()) {
        ColumnData::Numeric(trimmed().map(|text| number(text).unwrap_or(f64::NAN)).collect())
    } else if trimmed().all(|text| text.is_empty() || boolean(text).is_some()) {
        ColumnData::Boolean(trimmed().map(boolean).collect())
    } else {
        ColumnData::Categorical(trimmed().map(|text| (!text.is_empty()).then(|| text.to_owned())).collect())
    }
}
