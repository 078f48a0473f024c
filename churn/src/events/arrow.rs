//! Rows from Arrow record batches, by the same rules as CSV.

use std::borrow::Borrow;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Date64Type, Float64Type, Int64Type, TimestampSecondType};
use arrow_array::{Array, ArrayRef, Decimal128Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};

use super::Day;
use super::csv::Positions;
use super::dates::day_of_second;
use super::ingest::{
    BadRowReason, IngestReport, Intake, ReadOptions, Refusal, Row, Sink, checked_amount, non_empty, refused_amount,
};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Observer, step};

/// Reads all batches into a sink; rows are numbered from 1 across them.
pub(crate) fn read<B: Borrow<RecordBatch>, S: Sink>(
    batches: impl IntoIterator<Item = Result<B>>,
    options: &ReadOptions,
    sink: &mut S,
    observer: &dyn Observer,
) -> Result<IngestReport> {
    let mut intake = Intake::new(sink, options)?;
    let mut row = 0;
    for batch in batches {
        let batch = batch?;
        let batch = batch.borrow();
        step(observer, "read", row as usize, 0)?;
        let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        let at = Positions::find(&names, &options.columns, S::LABELS)?;
        let column = |i: usize| (names[i].as_str(), batch.column(i));
        let customers = Text::new(column(at.customer))?;
        let dates = Dates::new(column(at.date))?;
        let amounts = at.amount.map(|i| numbers(column(i))).transpose()?;
        let types = at.event_type.map(|i| Text::new(column(i))).transpose()?;
        let labels = at.label.map(|i| numbers(column(i))).transpose()?;
        for i in 0..batch.num_rows() {
            row += 1;
            let parse = || -> std::result::Result<Row<'_>, Refusal> {
                Ok(Row {
                    customer: non_empty(customers.get(i))?,
                    day: dates.get(i, &intake)?,
                    amount: match &amounts {
                        Some(amounts) if amounts.is_valid(i) => {
                            let value = amounts.as_primitive::<Float64Type>().value(i);
                            checked_amount(value).map_err(|value| refused_amount(&value.to_string()))?
                        }
                        _ => f64::NAN,
                    },
                    event_type: types.as_ref().map_or("", |types| types.get(i)),
                    label: match &labels {
                        Some(labels) if labels.is_valid(i) => {
                            Some(label(labels.as_primitive::<Float64Type>().value(i))?)
                        }
                        _ => None,
                    },
                    line: row,
                })
            };
            match parse() {
                Ok(row) => intake.row(row)?,
                Err(refusal) => intake.refuse(row, refusal),
            }
        }
    }
    intake.finish()
}

fn label(value: f64) -> std::result::Result<bool, Refusal> {
    match value {
        0.0 => Ok(false),
        1.0 => Ok(true),
        _ => Err((BadRowReason::InvalidLabel, format!("churn_label {value} is not 0 or 1"))),
    }
}

fn unfit(name: &str, found: &DataType, expected: &str) -> Error {
    Error::new(ErrorKind::InvalidColumn, format!("the column {name:?} has type {found}; expected {expected}"))
}

fn cast(name: &str, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    arrow_cast::cast(array, to).map_err(|error| {
        Error::new(ErrorKind::InvalidColumn, format!("the column {name:?} cannot be read as {to}: {error}"))
    })
}

/// A column of strings, or of integers as their digits; null reads as empty.
struct Text(ArrayRef);

impl Text {
    fn new((name, array): (&str, &ArrayRef)) -> Result<Self> {
        use DataType::{Dictionary, LargeUtf8, Null, Utf8, Utf8View};
        let of = match array.data_type() {
            Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        if !(of.is_integer() || matches!(of, Utf8 | LargeUtf8 | Utf8View | Null)) {
            return Err(unfit(name, array.data_type(), "strings or integers"));
        }
        Ok(Text(cast(name, array, &LargeUtf8)?))
    }

    fn get(&self, row: usize) -> &str {
        let strings = self.0.as_string::<i64>();
        if strings.is_valid(row) { strings.value(row) } else { "" }
    }
}

/// A column of numbers or booleans as doubles.
fn numbers((name, array): (&str, &ArrayRef)) -> Result<ArrayRef> {
    match array.data_type() {
        // Arrow's own conversion multiplies by a power of ten; a division is correctly rounded.
        DataType::Decimal128(_, scale @ 0..=22) => {
            let decimals: &Decimal128Array = array.as_primitive();
            let divisor = 10f64.powi(i32::from(*scale));
            let doubles: arrow_array::Float64Array = decimals.iter().map(|v| v.map(|v| v as f64 / divisor)).collect();
            Ok(std::sync::Arc::new(doubles))
        }
        other if other.is_numeric() || matches!(other, DataType::Boolean | DataType::Null) => {
            cast(name, array, &DataType::Float64)
        }
        other => Err(unfit(name, other, "numbers")),
    }
}

/// A column of dates in one of the types that have a day.
enum Dates {
    Day(ArrayRef),
    Second(ArrayRef),
    Text(Text),
}

impl Dates {
    fn new((name, array): (&str, &ArrayRef)) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Date32 => Dates::Day(array.clone()),
            DataType::Date64 => {
                let seconds: arrow_array::TimestampSecondArray =
                    array.as_primitive::<Date64Type>().iter().map(|ms| ms.map(|ms| ms.div_euclid(1000))).collect();
                Dates::Second(std::sync::Arc::new(seconds))
            }
            DataType::Timestamp(unit, _) => {
                let per_second = match unit {
                    TimeUnit::Second => 1,
                    TimeUnit::Millisecond => 1_000,
                    TimeUnit::Microsecond => 1_000_000,
                    TimeUnit::Nanosecond => 1_000_000_000,
                };
                // Floor, not truncation: a moment before 1970 belongs to the day it lies in.
                let ticks = cast(name, array, &DataType::Int64)?;
                let seconds: arrow_array::TimestampSecondArray =
                    ticks.as_primitive::<Int64Type>().iter().map(|t| t.map(|t| t.div_euclid(per_second))).collect();
                Dates::Second(std::sync::Arc::new(seconds))
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                Dates::Text(Text::new((name, array))?)
            }
            // Digits such as 19970101 are a date only in a caller-given format.
            other if other.is_integer() => Dates::Text(Text::new((name, array))?),
            other => return Err(unfit(name, other, "dates, timestamps or strings")),
        })
    }

    fn get<S: Sink>(&self, row: usize, intake: &Intake<'_, S>) -> std::result::Result<Day, Refusal> {
        let day = match self {
            Dates::Text(text) => return intake.date(text.get(row).as_bytes()),
            Dates::Day(days) if days.is_valid(row) => Day::new(days.as_primitive::<Date32Type>().value(row)),
            Dates::Second(seconds) if seconds.is_valid(row) => {
                day_of_second(seconds.as_primitive::<TimestampSecondType>().value(row))
            }
            _ => None,
        };
        day.ok_or_else(|| (BadRowReason::InvalidDate, "event_date is null or outside the years 1 to 9999".to_owned()))
    }
}
