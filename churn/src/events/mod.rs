//! The log of events, one row each (customer, day, amount, type), and its split at the end of a day.
//!
//! [`Events`] holds a log in memory in one canonical order (customers in byte order of their ids, rows by day). So nothing
//! computed from it depends on the order of the file. Features and labels access the rows only through [`Events::split_at`],
//! which returns a [`History`] without the events after its day and an [`Outcome`] without the events up to it.

mod builder;
mod columns;
mod csv;
mod dates;
mod ids;
mod ingest;
mod merge;
mod numbers;
mod options;
mod pieces;
mod records;
mod rows;
mod separators;
mod strings;
mod text;
mod words;

#[cfg(feature = "arrow")]
mod arrow;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "files")]
mod sheet;

use std::io::Read;
use std::ops::Range;

pub use csv::{CheckedCsv, check_csv};
pub use ingest::{BadRow, BadRowReason, IngestReport};
pub use merge::{EventUnit, Merge};
pub use options::{Columns, OnBadRow, ReadOptions};
pub use pieces::CsvReading;
#[cfg(feature = "files")]
pub use text::{DecodedText, decoded_text};
pub use words::CustomerId;

use builder::{Builder, ROWS_TOGETHER};
use columns::PackedColumn;
#[cfg(feature = "date-formats")]
pub(crate) use csv::find_column;
pub(crate) use csv::{header, quoted, read as read_csv};
#[cfg(feature = "date-formats")]
pub(crate) use dates::DateParser;
pub(crate) use dates::day_of_text;
pub(crate) use ids::{IdHasher, IdKey, IdRecord, IdTable, Names, prefetch};
use ingest::Intake;
pub(crate) use ingest::{MAX_AMOUNT, checked_amount, parse_decimal, quote_for_message};
#[cfg(feature = "subscriptions")]
pub(crate) use ingest::{REPORTED_BAD_ROWS, RowError, utf8};
pub(crate) use merge::{AmountSum, sum, too_large};
#[cfg(feature = "date-formats")]
pub(crate) use numbers::{NULL_WORDS, NUMBER_FORMS, NumberFormat, currency_of};
#[cfg(feature = "date-formats")]
pub(crate) use records::MAX_RECORD;
pub(crate) use records::RecordReader;
use rows::GoodRow;
pub(crate) use rows::{MAX_EVENT_TYPES, NO_TYPE, ParsedRows, Shard, Sink, Wants, shards, too_many_types, type_number};
pub(crate) use strings::{Strings, Texts, select, sorted};
#[cfg(feature = "date-formats")]
pub(crate) use text::Text;

#[cfg(feature = "arrow")]
pub(crate) use arrow::read as read_arrow;
#[cfg(feature = "parquet")]
pub(crate) use parquet::read as read_parquet;

use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, Object, deserialized};
use crate::progress::Observer;

/// True if a refusal names the options that would read the value. The browser module leaves that out, because of its
/// size.
pub(crate) const GIVES_ADVICE: bool = cfg!(not(target_family = "wasm"));

/// A log of events in memory.
///
/// ```
/// use churn::{Events, ReadOptions};
/// let csv = "customer_id,event_date,amount\nanna,2024-01-05,12.50\nbert,2024-01-07,\n";
/// let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
/// assert_eq!((events.len(), events.customers()), (2, 2));
/// assert_eq!(events.last_day().to_string(), "2024-01-07");
/// # Ok::<(), churn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Events {
    /// Sorted in byte order.
    ids: Strings,
    /// Rows `starts[c]..starts[c + 1]` belong to customer `c`.
    starts: Vec<usize>,
    /// The days of the rows, rising within a customer.
    days: PackedColumn<i32>,
    /// The amounts of the rows; NaN for a row without an amount.
    amounts: PackedColumn<f64>,
    types: PackedColumn<u16>,
    /// Sorted in byte order.
    type_names: Strings,
    labels: Option<Vec<Option<bool>>>,
    first_day: Day,
    last_day: Day,
    unit: EventUnit,
    report: IngestReport,
}

/// An event of a [`Customer`] that is scored alone, or a row for [`Events::from_rows`]. In JSON, unknown keys are ignored like
/// unknown columns of a file, and an event type may be a whole number, which is read as its digits.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The day of the event. In JSON it may have any date format that the CSV reader accepts.
    pub event_date: Day,
    /// The amount, within ±10^12; none for an event without an amount.
    pub amount: Option<f64>,
    /// The event type.
    pub event_type: Option<String>,
    /// The id of the order that it is a line of. The lines of a customer with the same order, day and event type are one
    /// event. A transaction without an order id is an event by itself.
    pub order_id: Option<String>,
}

/// A text that is read from text, or from a whole number as its digits.
struct Word(String);

impl FromJson for Word {
    fn from_json(json: &Json) -> JsonResult<Self> {
        words::word(json).map(Word)
    }
}

impl FromJson for Transaction {
    fn from_json(json: &Json) -> JsonResult<Self> {
        // A row may have other keys, which are ignored like other columns of a file.
        let object = Object::any(json)?;
        let event_date = object.field("event_date")?;
        let text = |word: Option<Word>| word.map(|Word(text)| text);
        Ok(Transaction {
            event_date,
            amount: object.field("amount")?,
            event_type: text(object.field("event_type")?),
            order_id: text(object.field("order_id")?),
        })
    }
}

deserialized!(Transaction);

/// A single customer: the id, all known events, and the values of joined columns if the model uses some.
#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    /// The customer id. In JSON it may be text or a whole number: see [`CustomerId`].
    pub customer_id: String,
    /// The events of the customer in any order.
    pub transactions: Vec<Transaction>,
    /// The values of joined columns by name. Columns that are left out are missing values.
    pub attributes: std::collections::BTreeMap<String, crate::table::Value>,
}

impl FromJson for Customer {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let object = Object::of(json, &["customer_id", "transactions", "attributes"])?;
        let CustomerId(customer_id) = object.field("customer_id")?;
        Ok(Customer {
            customer_id,
            transactions: object.field("transactions")?,
            attributes: object.field("attributes")?,
        })
    }
}

deserialized!(Customer);

impl Events {
    /// Reads a CSV log. See [`ReadOptions`] for the names of columns and the handling of bad rows.
    ///
    /// # Errors
    /// `empty_file`, `missing_column`, `duplicate_column`, `not_utf8`, `unclosed_quote`, `record_too_long`, `bad_rows`,
    /// `too_many_bad_rows`, `no_good_rows`, `too_many_values`, `invalid_parameter`, `io`.
    pub fn from_csv(reader: impl Read, options: &ReadOptions) -> Result<Events> {
        Events::from_csv_observed(reader, options, &())
    }

    /// [`Events::from_csv`] with an observer of its progress (stage `"read"`, in bytes).
    ///
    /// # Errors
    /// The errors of [`Events::from_csv`], and `cancelled`.
    pub fn from_csv_observed(reader: impl Read, options: &ReadOptions, observer: &dyn Observer) -> Result<Events> {
        let mut builder = Builder::default();
        let report = read_csv(reader, options, &mut builder, observer)?;
        builder.finish(report)
    }

    /// Reads Arrow record batches with the columns of [`Columns`]: ids as strings or whole numbers, dates as dates, timestamps
    /// or strings, amounts as any number type. Bad rows are numbered from 1 across the batches.
    ///
    /// # Errors
    /// The errors of [`Events::from_csv`]; `invalid_column` for a column of an unsupported type.
    #[cfg(feature = "arrow")]
    pub fn from_arrow<B>(batches: impl IntoIterator<Item = B>, options: &ReadOptions) -> Result<Events>
    where
        B: std::borrow::Borrow<arrow_array::RecordBatch>,
    {
        Events::from_arrow_observed(batches.into_iter().map(Ok), options, &())
    }

    /// [`Events::from_arrow`] for a source that may fail, with an observer of its progress (stage `"read"`, in rows).
    ///
    /// # Errors
    /// The errors of [`Events::from_arrow`] and of the source, and `cancelled`.
    #[cfg(feature = "arrow")]
    pub fn from_arrow_observed<B>(
        batches: impl IntoIterator<Item = Result<B>>,
        options: &ReadOptions,
        observer: &dyn Observer,
    ) -> Result<Events>
    where
        B: std::borrow::Borrow<arrow_array::RecordBatch>,
    {
        let mut builder = Builder::default();
        let report = read_arrow(batches, options, &mut builder, observer)?;
        builder.finish(report)
    }

    /// Reads a Parquet file by the rules of [`Events::from_arrow`]. Only the required columns are decoded.
    ///
    /// # Errors
    /// The errors of [`Events::from_arrow`]; `io` for a file that is not a Parquet file.
    #[cfg(feature = "parquet")]
    pub fn from_parquet(
        file: impl ::parquet::file::reader::ChunkReader + 'static,
        options: &ReadOptions,
    ) -> Result<Events> {
        Events::from_parquet_observed(file, options, &())
    }

    /// [`Events::from_parquet`] with an observer of its progress (stage `"read"`, in rows).
    ///
    /// # Errors
    /// The errors of [`Events::from_parquet`], and `cancelled`.
    #[cfg(feature = "parquet")]
    pub fn from_parquet_observed(
        file: impl ::parquet::file::reader::ChunkReader + 'static,
        options: &ReadOptions,
        observer: &dyn Observer,
    ) -> Result<Events> {
        let mut builder = Builder::default();
        let report = read_parquet(file, options, &mut builder, observer)?;
        builder.finish(report)
    }

    /// Creates a log from rows in memory. The rows of an order are one event. The first bad row is an error.
    ///
    /// # Errors
    /// `bad_rows` with the row's number, counted from 1; `no_good_rows`; `too_many_values`.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = (&'a str, Transaction)>) -> Result<Events> {
        let mut builder = Builder::default();
        let mut intake = Intake::new(&ReadOptions::default())?;
        let mut parsed = builder.piece();
        let mut count = 0;
        for (customer, transaction) in rows {
            count += 1;
            let bad = |message| Err(bad_row(count, message));
            if customer.is_empty() {
                return bad("customer_id is empty");
            }
            let Ok(amount) = transaction.amount.map_or(Ok(f64::NAN), checked_amount) else {
                return bad("amount is not a number within ±10^12");
            };
            let event_type = transaction.event_type.as_deref().unwrap_or("").as_bytes();
            let order = transaction.order_id.as_deref().unwrap_or("").as_bytes();
            let row = GoodRow {
                day: transaction.event_date,
                amount,
                event_type,
                order,
                label: None,
                line: parsed.rows.len() as u32,
            };
            parsed.rows.push(customer.as_bytes(), &builder.hasher, row)?;
            parsed.lines += 1;
            if parsed.rows.len() == ROWS_TOGETHER {
                let full = std::mem::replace(&mut parsed, builder.piece());
                builder.take(full, &mut intake)?;
            }
        }
        if count == 0 {
            return Err(Error::new(ErrorKind::NoGoodRows, "there is no row"));
        }
        builder.take(parsed, &mut intake)?;
        let report = intake.finish(&mut builder)?;
        builder.finish(report)
    }

    /// The number of events.
    #[allow(clippy::len_without_is_empty, reason = "a log without an event cannot be made")]
    pub fn len(&self) -> usize {
        self.starts[self.customers()]
    }

    /// Iterates over the events as (customer, day, amount, event type), in the canonical order: customers in byte order of
    /// their ids, then by day. It is meant for inspecting or exporting a log; features and labels use [`Events::split_at`].
    ///
    /// ```
    /// use churn::{Events, ReadOptions};
    /// let csv = "customer_id,event_date,amount,event_type\nbert,2024-01-07,,login\nanna,2024-01-05,12.50,\n";
    /// let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
    /// let (anna, day, amount, event_type) = events.iter().next().unwrap();
    /// assert_eq!((anna, day.to_string().as_str(), amount, event_type), ("anna", "2024-01-05", Some(12.5), None));
    /// # Ok::<(), churn::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, Day, Option<f64>, Option<&str>)> {
        (0..self.customers()).flat_map(move |customer| {
            self.rows_of(customer).map(move |row| {
                let day = Day::new(self.days.get(row)).expect("days of events are days");
                let (amount, number) = (self.amounts.get(row), self.types.get(row));
                let event_type = (number != NO_TYPE).then(|| self.type_name(number));
                (self.ids.get(customer), day, (!amount.is_nan()).then_some(amount), event_type)
            })
        })
    }

    /// The number of customers.
    pub fn customers(&self) -> usize {
        self.ids.len()
    }

    /// The customer ids in byte order.
    pub fn customer_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter()
    }

    /// The day of the first event.
    pub fn first_day(&self) -> Day {
        self.first_day
    }

    /// The day of the last event.
    pub fn last_day(&self) -> Day {
        self.last_day
    }

    /// The distinct event types in byte order.
    pub fn event_types(&self) -> impl Iterator<Item = &str> {
        self.type_names.iter()
    }

    /// The unit of an event of this log.
    pub fn unit(&self) -> EventUnit {
        self.unit
    }

    /// The word for an event in sentences: `purchase` if every event has an amount of 0 or more, else `event`.
    pub fn event_word(&self) -> &'static str {
        match self.iter().all(|(_, _, amount, _)| amount.is_some_and(|amount| amount >= 0.0)) {
            true => "purchase",
            false => "event",
        }
    }

    /// The report of reading the log, with the rows that were left out.
    pub fn report(&self) -> &IngestReport {
        &self.report
    }

    /// Splits the log at the end of a day into the events up to it and the events after it. Features are computed from the
    /// first, labels from both. There is no other way to create either part.
    pub fn split_at(&self, as_of: Day) -> (History<'_>, Outcome<'_>) {
        (History { events: self, as_of }, Outcome { events: self, as_of })
    }

    /// Returns a new log with only the events up to the end of a day, as if it had been written then.
    ///
    /// # Errors
    /// `no_customers` if there is no event up to that day.
    pub fn truncated(&self, as_of: Day) -> Result<Events> {
        let (history, _) = self.split_at(as_of);
        let customers: Vec<usize> = history.customers().collect();
        // A type that occurs only later is left out, because it was not known yet.
        let mut seen = vec![false; self.type_names.len()];
        for &customer in &customers {
            for number in history.of(customer).types().filter(|&number| number != NO_TYPE) {
                seen[usize::from(number)] = true;
            }
        }
        let known: Vec<u32> = (0..seen.len() as u32).filter(|&number| seen[number as usize]).collect();
        let mut renumbered = vec![NO_TYPE; seen.len()];
        for (new, &old) in known.iter().enumerate() {
            renumbered[old as usize] = new as u16;
        }
        let mut events = Events {
            ids: self.ids.select(customers.iter().map(|&c| c as u32)),
            starts: vec![0],
            days: PackedColumn::default(),
            amounts: PackedColumn::default(),
            types: PackedColumn::default(),
            type_names: self.type_names.select(known),
            labels: self.labels.as_ref().map(|labels| customers.iter().map(|&c| labels[c]).collect()),
            first_day: self.first_day,
            last_day: self.first_day,
            unit: self.unit,
            report: IngestReport::default(),
        };
        let (mut rows, mut last) = (0, None);
        for customer in customers {
            let past = history.of(customer);
            past.days().for_each(|day| events.days.push(day));
            past.amounts().for_each(|amount| events.amounts.push(amount));
            past.types().for_each(|number| {
                events.types.push(if number == NO_TYPE { NO_TYPE } else { renumbered[usize::from(number)] });
            });
            rows += past.len();
            last = last.max(past.last_day());
            events.starts.push(rows);
        }
        events.report.rows = rows as u64;
        events.report.good = events.report.rows;
        events.last_day = last
            .and_then(Day::new)
            .ok_or_else(|| Error::new(ErrorKind::NoCustomers, format!("no event on or before {as_of}")))?;
        Ok(events)
    }

    /// The churn_label column: the label of each customer, `None` for a customer without one.
    pub(crate) fn labels(&self) -> Option<&[Option<bool>]> {
        self.labels.as_deref()
    }

    pub(crate) fn ids(&self) -> &Strings {
        &self.ids
    }

    pub(crate) fn type_name(&self, number: u16) -> &str {
        if number == NO_TYPE { "" } else { self.type_names.get(usize::from(number)) }
    }

    pub(crate) fn type_names(&self) -> &Strings {
        &self.type_names
    }

    fn rows_of(&self, customer: usize) -> Range<usize> {
        self.starts[customer]..self.starts[customer + 1]
    }

    fn first_after(&self, customer: usize, as_of: Day) -> usize {
        let Range { start: mut low, end: mut high } = self.rows_of(customer);
        while low < high {
            let middle = low.midpoint(high);
            if self.days.get(middle) <= as_of.number() { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// The rows of one customer up to a day, or after it, by day.
pub(crate) struct CustomerEvents<'a> {
    events: &'a Events,
    rows: Range<usize>,
}

impl<'a> CustomerEvents<'a> {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The days of the rows, rising.
    pub(crate) fn days(&self) -> impl Iterator<Item = i32> + 'a {
        let events = self.events;
        self.rows.clone().map(|row| events.days.get(row))
    }

    pub(crate) fn last_day(&self) -> Option<i32> {
        let last = self.rows.clone().next_back()?;
        Some(self.events.days.get(last))
    }

    /// The amounts of the rows; NaN for a row without an amount.
    pub(crate) fn amounts(&self) -> impl Iterator<Item = f64> + 'a {
        let events = self.events;
        self.rows.clone().map(|row| events.amounts.get(row))
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = u16> + 'a {
        let events = self.events;
        self.rows.clone().map(|row| events.types.get(row))
    }
}

/// The events of a log up to the end of a day. Features are computed from this and nothing else.
#[derive(Clone, Copy)]
pub struct History<'a> {
    events: &'a Events,
    as_of: Day,
}

impl<'a> History<'a> {
    /// The last day of the history.
    pub fn as_of(&self) -> Day {
        self.as_of
    }

    pub(crate) fn of(&self, customer: usize) -> CustomerEvents<'a> {
        let events = self.events;
        CustomerEvents { events, rows: events.rows_of(customer).start..events.first_after(customer, self.as_of) }
    }

    pub(crate) fn events(&self) -> &'a Events {
        self.events
    }

    /// The day of the last event of a customer who has an event in the history.
    pub(crate) fn last_event(&self, customer: usize) -> Day {
        self.of(customer).last_day().and_then(Day::new).expect("the customer has an event by then")
    }

    /// The numbers of the customers with an event in the history.
    pub(crate) fn customers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.events.customers()).filter(|&c| self.of(c).len() > 0)
    }
}

/// The events of a log after the end of a day. Labels use them; features have no access to them.
#[derive(Clone, Copy)]
pub struct Outcome<'a> {
    events: &'a Events,
    as_of: Day,
}

impl<'a> Outcome<'a> {
    pub(crate) fn of(&self, customer: usize) -> CustomerEvents<'a> {
        let events = self.events;
        CustomerEvents { events, rows: events.first_after(customer, self.as_of)..events.rows_of(customer).end }
    }

    /// The last day before the outcome.
    pub fn as_of(&self) -> Day {
        self.as_of
    }

    pub(crate) fn belongs_to(&self, history: &History<'_>) -> bool {
        std::ptr::eq(self.events, history.events) && self.as_of == history.as_of
    }
}

/// The error for a bad row in memory, counted from 1.
pub(crate) fn bad_row(number: u64, message: &str) -> Error {
    Error::new(ErrorKind::BadRows, format!("row {number}: {message}")).at_line(number)
}
