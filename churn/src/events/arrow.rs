//! Reading rows from Arrow record batches, by the same rules as CSV.

use std::borrow::Borrow;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date64Type, Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Date32Array, Decimal128Array, Float64Array, LargeStringArray, RecordBatch, StringArray,
    StringViewArray, TimestampSecondArray,
};
use arrow_schema::{DataType, TimeUnit};

use super::Day;
use super::csv::Positions;
use super::dates::{DateParser, day_of_second};
use super::ids::IdHasher;
use super::ingest::{
    BadRowReason, IngestReport, Intake, Parsed, RowError, checked_amount, date, missing_customer, refused_amount,
};
use super::options::ReadOptions;
use super::rows::{GoodRow, ParsedRows, Sink, Wants};
use super::words::digits;
use crate::error::{Error, ErrorKind, Result};
use crate::parallel;
use crate::progress::{Observer, report_read};

/// Number of rows that one core converts at a time.
const PIECE: usize = 8192;

/// Reads all batches into a sink. Rows are numbered from 1 across the batches.
pub(crate) fn read<B: Borrow<RecordBatch>, S: Sink>(
    batches: impl IntoIterator<Item = Result<B>>,
    options: &ReadOptions,
    sink: &mut S,
    observer: &dyn Observer,
) -> Result<IngestReport> {
    let dates = DateParser::new(options.date_format.as_deref())?;
    let mut intake = Intake::new(options)?;
    let (wants, hasher, shards) = (sink.wants(), sink.hasher().clone(), sink.parts().0.len());
    let mut batches = batches.into_iter();
    let mut ahead = batches.next().transpose()?;
    while let Some(batch) = ahead {
        report_read(observer, intake.lines())?;
        let batch: &RecordBatch = batch.borrow();
        let take = || {
            let columns = BatchColumns::new(batch, options, wants)?;
            let mut parsed = parallel::map(batch.num_rows().div_ceil(PIECE), |number| {
                let rows = number * PIECE..((number + 1) * PIECE).min(batch.num_rows());
                let mut parsed = columns.parse(rows, &hasher, &dates);
                parsed.rows.partition(&hasher, shards);
                parsed
            });
            intake.take(&mut parsed, sink)
        };
        // The next batch, which the caller's iterator may have to decode, is read in parallel to the work on this one.
        let (taken, next) = parallel::join(take, || batches.next().transpose());
        taken?;
        ahead = next?;
    }
    intake.finish(sink)
}

/// The columns of a batch that belong to a log.
struct BatchColumns {
    wants: Wants,
    customers: TextColumn,
    dates: Dates,
    amounts: Option<Float64Array>,
    types: Option<TextColumn>,
    orders: Option<TextColumn>,
    labels: Option<Float64Array>,
}

impl BatchColumns {
    fn new(batch: &RecordBatch, options: &ReadOptions, wants: Wants) -> Result<Self> {
        let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        let at = Positions::find(&names, options, wants.labels)?;
        let wants = wants.of_source(options.unit(at.order.is_some())).within(options);
        let column = |i: usize| (names[i].as_str(), batch.column(i));
        let doubles = |array: ArrayRef| array.as_primitive::<Float64Type>().clone();
        let texts = |at: Option<usize>, wanted| at.filter(|_| wanted).map(|i| TextColumn::new(column(i))).transpose();
        Ok(BatchColumns {
            wants,
            customers: TextColumn::new(column(at.customer))?,
            dates: Dates::new(column(at.date))?,
            amounts: at.amount.map(|i| numbers(column(i))).transpose()?.map(doubles),
            types: texts(at.event_type, wants.types)?,
            orders: texts(at.order, wants.merges)?,
            labels: at.label.map(|i| labels(column(i))).transpose()?.map(doubles),
        })
    }

    fn parse(&self, rows: Range<usize>, hasher: &IdHasher, dates: &DateParser) -> Parsed {
        let capacity = rows.len();
        let mut parsed =
            Parsed { rows: ParsedRows::new(self.wants, capacity), lines: capacity as u64, ..Parsed::default() };
        for (line, i) in rows.enumerate() {
            let check = || {
                let customer = self.customers.get(i);
                if customer.is_empty() {
                    return Err(missing_customer());
                }
                let day = self.dates.get(i, dates)?;
                let amount = match &self.amounts {
                    Some(amounts) if amounts.is_valid(i) => {
                        checked_amount(amounts.value(i)).map_err(|value| refused_amount(&value.to_string()))?
                    }
                    _ => f64::NAN,
                };
                let label = match &self.labels {
                    Some(labels) if labels.is_valid(i) => Some(label(labels.value(i))?),
                    _ => None,
                };
                Ok((customer, day, amount, label))
            };
            match check() {
                Ok((customer, day, amount, label)) => {
                    let (event_type, order) = (get_or_empty(&self.types, i), get_or_empty(&self.orders, i));
                    let row = GoodRow { day, amount, event_type, order, label, line: line as u32 };
                    if let Err(error) = parsed.rows.push(customer.as_bytes(), hasher, row) {
                        parsed.failed = Some(error);
                        break;
                    }
                }
                Err(refusal) => parsed.refuse(line as u64, refusal),
            }
        }
        parsed
    }
}

fn get_or_empty(texts: &Option<TextColumn>, row: usize) -> &[u8] {
    texts.as_ref().map_or(&[], |texts| texts.get(row).as_bytes())
}

fn label(value: f64) -> std::result::Result<bool, RowError> {
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

/// A column of strings, or of whole numbers as their digits. Null is read as empty.
enum TextColumn {
    Small(StringArray),
    Large(LargeStringArray),
    View(StringViewArray),
}

impl TextColumn {
    fn new((name, array): (&str, &ArrayRef)) -> Result<Self> {
        use DataType::{Dictionary, LargeUtf8, Null, Utf8, Utf8View};
        let of = match array.data_type() {
            Utf8 => return Ok(TextColumn::Small(array.as_string().clone())),
            LargeUtf8 => return Ok(TextColumn::Large(array.as_string().clone())),
            Utf8View => return Ok(TextColumn::View(array.as_string_view().clone())),
            Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        if of.is_floating() {
            return whole_numbers((name, array)).map(TextColumn::Large);
        }
        if !(of.is_integer() || matches!(of, Utf8 | LargeUtf8 | Utf8View | Null)) {
            return Err(unfit(name, array.data_type(), "strings or whole numbers"));
        }
        Ok(TextColumn::Large(cast(name, array, &LargeUtf8)?.as_string().clone()))
    }

    #[inline(always)]
    fn get(&self, row: usize) -> &str {
        match self {
            TextColumn::Small(strings) if strings.is_valid(row) => strings.value(row),
            TextColumn::Large(strings) if strings.is_valid(row) => strings.value(row),
            TextColumn::View(strings) if strings.is_valid(row) => strings.value(row),
            _ => "",
        }
    }
}

/// Converts a float column of whole numbers to their digits. pandas makes floats of an integer column with missing values;
/// NaN is null.
fn whole_numbers((name, array): (&str, &ArrayRef)) -> Result<LargeStringArray> {
    let doubles = cast(name, array, &DataType::Float64)?;
    let doubles: &Float64Array = doubles.as_primitive();
    let text = |(row, value): (usize, Option<f64>)| {
        match value.filter(|value| !value.is_nan()) {
        None => Ok(None),
        Some(value) => digits(value).map(Some).ok_or_else(|| {
            let message = format!(
                "row {} of the column {name:?} is {value}; expected strings, or whole numbers that a double holds exactly",
                row + 1
            );
            Error::new(ErrorKind::InvalidColumn, message)
        }),
    }
    };
    doubles.iter().enumerate().map(text).collect()
}

/// Converts a column of numbers to doubles; null stays null.
fn numbers((name, array): (&str, &ArrayRef)) -> Result<ArrayRef> {
    match array.data_type() {
        decimal if decimal.is_decimal() => decimals((name, array)),
        other if other.is_numeric() || matches!(other, DataType::Null) => cast(name, array, &DataType::Float64),
        other => Err(unfit(name, other, "numbers")),
    }
}

/// Converts a column of labels, numbers or booleans, to doubles.
fn labels((name, array): (&str, &ArrayRef)) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Boolean => cast(name, array, &DataType::Float64),
        _ => numbers((name, array)),
    }
}

/// Converts each decimal to the nearest double. Arrow's own conversion multiplies by a power of ten and rounds twice.
fn decimals((name, array): (&str, &ArrayRef)) -> Result<ArrayRef> {
    // Below 2^53 and up to 10^22 both parts of the quotient are exact doubles, so one division rounds correctly.
    const EXACT: u128 = 1 << 53;
    if let DataType::Decimal128(_, scale @ 0..=22) = array.data_type() {
        let values: &Decimal128Array = array.as_primitive();
        if values.iter().flatten().all(|value| value.unsigned_abs() <= EXACT) {
            // Powers up to 10^22 by exact multiplications; powi may round in between.
            let divisor = (0..*scale).fold(1.0, |power, _| power * 10.0);
            let doubles: Float64Array = values.iter().map(|value| value.map(|value| value as f64 / divisor)).collect();
            return Ok(Arc::new(doubles));
        }
    }
    let digits = cast(name, array, &DataType::Utf8)?;
    let digits = digits.as_string::<i32>();
    // Arrow writes plain digits. If it ever did not, the row would be refused as not a number.
    let doubles: Float64Array =
        digits.iter().map(|text| text.map(|text| text.parse::<f64>().unwrap_or(f64::NAN))).collect();
    Ok(Arc::new(doubles))
}

/// A column of dates, in one of the supported types.
enum Dates {
    Day(Date32Array),
    Second(TimestampSecondArray),
    Text(TextColumn),
}

impl Dates {
    fn new((name, array): (&str, &ArrayRef)) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Date32 => Dates::Day(array.as_primitive().clone()),
            DataType::Date64 => {
                let milliseconds = array.as_primitive::<Date64Type>();
                Dates::Second(milliseconds.iter().map(|ms| ms.map(|ms| ms.div_euclid(1000))).collect())
            }
            DataType::Timestamp(unit, _) => {
                let per_second = match unit {
                    TimeUnit::Second => 1,
                    TimeUnit::Millisecond => 1_000,
                    TimeUnit::Microsecond => 1_000_000,
                    TimeUnit::Nanosecond => 1_000_000_000,
                };
                // Floor division, not truncation, so that times before 1970 get the right day.
                let ticks = cast(name, array, &DataType::Int64)?;
                let ticks = ticks.as_primitive::<Int64Type>().iter();
                Dates::Second(ticks.map(|t| t.map(|t| t.div_euclid(per_second))).collect())
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                Dates::Text(TextColumn::new((name, array))?)
            }
            // Integers such as 19970101 are dates only in a format given by the caller.
            other if other.is_integer() => Dates::Text(TextColumn::new((name, array))?),
            other => return Err(unfit(name, other, "dates, timestamps or strings")),
        })
    }

    #[inline(always)]
    fn get(&self, row: usize, parser: &DateParser) -> std::result::Result<Day, RowError> {
        let day = match self {
            Dates::Text(text) => return date(parser, text.get(row).as_bytes()),
            Dates::Day(days) if days.is_valid(row) => Day::new(days.value(row)),
            Dates::Second(seconds) if seconds.is_valid(row) => day_of_second(seconds.value(row)),
            _ => None,
        };
        day.ok_or_else(|| (BadRowReason::InvalidDate, "event_date is null or outside the years 1 to 9999".to_owned()))
    }
}
