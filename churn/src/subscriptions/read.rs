//! Reading of subscription periods: the options, and from rows of text to checked periods.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::Serialize;

use super::presets::Layout;
use super::{EndReason, EndsKnown, Period, Row, SubscriptionPreset, Subscriptions, check_period, lines, overlapping};
use crate::day::Day;
use crate::error::{Result, invalid_parameter};
use crate::events::{
    BadRow, BadRowReason, DateParser, IngestReport, NumberFormat, OnBadRow, REPORTED_BAD_ROWS, RecordReader, RowError,
    Text, checked_amount, header, parse_decimal, quote_for_message, utf8,
};
use crate::objects::objects;
use crate::progress::{Observer, report_read};

/// Settings for reading subscription periods. Every field has a default.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubscriptionOptions {
    /// The header names of the columns.
    pub columns: SubscriptionColumns,
    /// The system whose export it is: its documented columns are used instead of `columns`.
    pub preset: Option<SubscriptionPreset>,
    /// The day on which the end of a period without a `known_at` is known.
    pub ends_known: EndsKnown,
    /// True if `end_date` is the last day of a period and not the first day after it.
    pub inclusive_ends: bool,
    /// The last day that the data covers; periods that start later are left out and counted. None for the latest day on which
    /// anything became known.
    pub last_day: Option<Day>,
    /// The causes of the texts of `end_reason`; the names of the causes need no entry.
    pub reasons: BTreeMap<String, EndReason>,
    /// A strptime format, or `unix_s`, `unix_ms` or `unix_us`, as for events.
    pub date_format: Option<String>,
    /// The ASCII character between the fields of a CSV file.
    pub delimiter: char,
    /// The handling of bad rows.
    pub on_bad_row: OnBadRow,
    /// With `skip`: the largest accepted share of bad rows (0..1).
    pub max_bad_share: f64,
    /// The encoding by its label; none for UTF-8.
    pub encoding: Option<String>,
    /// The number of lines above the header.
    pub skip_lines: u32,
    /// The decimal mark of the amounts, a point or a comma.
    pub decimal: char,
    /// The thousands separator of the amounts.
    pub thousands: Option<char>,
    /// True if amounts may have a currency sign or code.
    pub currency: bool,
    /// The texts that stand for a missing value, such as `NULL`.
    pub null_values: Vec<String>,
}

objects! {
    @default SubscriptionOptions {
        columns, preset, ends_known, inclusive_ends, last_day, reasons, date_format, delimiter, on_bad_row, max_bad_share, encoding, skip_lines,
        decimal, thousands, currency, null_values
    }
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        SubscriptionOptions {
            columns: SubscriptionColumns::default(),
            preset: None,
            ends_known: EndsKnown::AtEnd,
            inclusive_ends: false,
            last_day: None,
            reasons: BTreeMap::new(),
            date_format: None,
            delimiter: ',',
            on_bad_row: OnBadRow::Fail,
            max_bad_share: 0.05,
            encoding: None,
            skip_lines: 0,
            decimal: '.',
            thousands: None,
            currency: false,
            null_values: Vec::new(),
        }
    }
}

/// The header names of the columns of periods. A column left at `None` has the name of its field; then `customer_id` and
/// `start_date` are required, and the others are optional. A column with a given name is required. An optional column whose given
/// name is empty is not read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SubscriptionColumns {
    /// The customer.
    pub customer_id: Option<String>,
    /// The first day of the period.
    pub start_date: Option<String>,
    /// The first day after the period, empty while it runs.
    pub end_date: Option<String>,
    /// The subscription.
    pub subscription_id: Option<String>,
    /// The plan.
    pub plan: Option<String>,
    /// The amount per month, 0 to 10^12.
    pub amount: Option<String>,
    /// The day on which the end became known.
    pub known_at: Option<String>,
    /// Why it ended: a cause, or a text that `reasons` explains.
    pub end_reason: Option<String>,
    /// `true` or `1` for a trial.
    pub trial: Option<String>,
}

objects! {
    @default SubscriptionColumns {
        customer_id, start_date, end_date, subscription_id, plan, amount, known_at, end_reason, trial
    }
}

impl SubscriptionOptions {
    /// Checks that every setting is within its range.
    ///
    /// # Errors
    /// `invalid_parameter`.
    pub fn check(&self) -> Result<()> {
        self.form()?;
        Text::new(io::empty(), self.encoding.as_deref())?;
        RecordReader::new(io::empty(), self.delimiter, self.skip_lines).map(drop)
    }

    /// The forms of the values.
    fn form(&self) -> Result<Form<'_>> {
        if !(0.0..=1.0).contains(&self.max_bad_share) {
            return Err(invalid_parameter("max_bad_share", self.max_bad_share, "a share from 0 to 1"));
        }
        if self.inclusive_ends && self.preset.is_some() {
            return Err(invalid_parameter(
                "inclusive_ends",
                true,
                "false with a preset, which knows what its ends mean",
            ));
        }
        Ok(Form {
            dates: DateParser::new(self.date_format.as_deref())?,
            numbers: NumberFormat::new(self.decimal, self.thousands, self.currency)?,
            options: self,
        })
    }
}

impl Subscriptions {
    /// Reads periods from CSV. Days may have any form that a log may have.
    ///
    /// # Errors
    /// `empty_file`, `missing_column`, `duplicate_column`, `not_utf8`, `unclosed_quote`, `record_too_long`, `bad_rows`,
    /// `too_many_bad_rows`, `no_good_rows`, `invalid_parameter`, `io`.
    pub fn from_csv(reader: impl Read, options: &SubscriptionOptions) -> Result<Subscriptions> {
        Subscriptions::from_csv_observed(reader, options, &())
    }

    /// [`Subscriptions::from_csv`] with an observer of its progress, which may stop it.
    ///
    /// # Errors
    /// The errors of [`Subscriptions::from_csv`]; `cancelled`.
    pub fn from_csv_observed(
        reader: impl Read,
        options: &SubscriptionOptions,
        observer: &dyn Observer,
    ) -> Result<Subscriptions> {
        /// Rows between two looks at the observer.
        const ROWS: u64 = 8192;
        options.check()?;
        let bytes = Cell::new(0);
        let text = Text::new(Counted { reader, bytes: &bytes }, options.encoding.as_deref())?;
        let mut records = RecordReader::new(text, options.delimiter, options.skip_lines)?;
        let names = header(&mut records)?;
        let mut reading = Reading::new(&names, options)?;
        while let Some(record) = records.next()? {
            reading.row(record.line, record.len(), |i| record.get(i));
            if reading.report.rows.is_multiple_of(ROWS) {
                report_read(observer, bytes.get())?;
            }
        }
        report_read(observer, bytes.get())?;
        reading.finish()
    }

    /// Reads periods from Arrow record batches by the rules of CSV. Rows are numbered from 1 across the batches.
    ///
    /// # Errors
    /// The errors of [`Subscriptions::from_csv`]; `invalid_column` for a column of an unsupported type.
    #[cfg(feature = "arrow")]
    pub fn from_arrow<B>(
        batches: impl IntoIterator<Item = Result<B>>,
        options: &SubscriptionOptions,
    ) -> Result<Subscriptions>
    where
        B: std::borrow::Borrow<arrow_array::RecordBatch>,
    {
        use arrow_array::Array;
        use arrow_array::cast::AsArray;

        use crate::error::{Error, ErrorKind};
        let mut reading: Option<Reading<'_>> = None;
        let mut line = 0;
        for batch in batches {
            let batch = batch?;
            let batch = batch.borrow();
            let schema = batch.schema();
            let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
            let reading = match &mut reading {
                Some(reading) => reading,
                empty => empty.insert(Reading::new(&names, options)?),
            };
            let mut texts = Vec::with_capacity(names.len());
            for (name, column) in names.iter().zip(batch.columns()) {
                let text = arrow_cast::cast(column, &arrow_schema::DataType::LargeUtf8).map_err(|error| {
                    let message = format!("the column {name:?} cannot be read as text: {error}");
                    Error::new(ErrorKind::InvalidColumn, message)
                })?;
                texts.push(text);
            }
            let columns: Vec<_> = texts.iter().map(|text| text.as_string::<i64>()).collect();
            for row in 0..batch.num_rows() {
                line += 1;
                let field = |i: usize| if columns[i].is_null(row) { &[][..] } else { columns[i].value(row).as_bytes() };
                reading.row(line, columns.len(), field);
            }
        }
        match reading {
            Some(reading) => reading.finish(),
            None => Err(Error::new(ErrorKind::EmptyFile, "there is no batch of rows")),
        }
    }

    /// Reads periods from a Parquet file by the rules of CSV.
    ///
    /// # Errors
    /// The errors of [`Subscriptions::from_arrow`]; `io` for a file that is not a Parquet file.
    #[cfg(feature = "parquet")]
    pub fn from_parquet(
        file: impl ::parquet::file::reader::ChunkReader + 'static,
        options: &SubscriptionOptions,
    ) -> Result<Subscriptions> {
        use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

        use crate::error::{Error, ErrorKind};
        let broken = |error: String| Error::new(ErrorKind::Io, format!("not a readable Parquet file: {error}"));
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| broken(error.to_string()))?;
        let batches = builder.build().map_err(|error| broken(error.to_string()))?;
        Subscriptions::from_arrow(batches.map(|batch| batch.map_err(|error| broken(error.to_string()))), options)
    }
}

/// A reader that counts its bytes.
struct Counted<'a, R> {
    reader: R,
    bytes: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes.set(self.bytes.get() + count as u64);
        Ok(count)
    }
}

/// The conversion of rows of text to periods.
struct Reading<'a> {
    options: &'a SubscriptionOptions,
    layout: Layout,
    form: Form<'a>,
    columns: usize,
    rows: Vec<Row>,
    report: IngestReport,
}

/// The forms of the values of a row.
pub(super) struct Form<'a> {
    dates: DateParser,
    numbers: Option<NumberFormat>,
    options: &'a SubscriptionOptions,
}

impl<'a> Reading<'a> {
    fn new(names: &[String], options: &'a SubscriptionOptions) -> Result<Self> {
        let form = options.form()?;
        let layout = Layout::new(names, options)?;
        Ok(Reading { options, layout, form, columns: names.len(), rows: Vec::new(), report: IngestReport::default() })
    }

    /// Takes a row of `fields` fields.
    fn row<'t>(&mut self, line: u64, fields: usize, field: impl Fn(usize) -> &'t [u8]) {
        self.report.rows += 1;
        if (0..fields).all(|i| field(i).trim_ascii().is_empty()) {
            return;
        }
        if fields != self.columns {
            let message = format!("{fields} fields where the header has {}", self.columns);
            return self.refuse(line, (BadRowReason::WrongFieldCount, message));
        }
        let fields = Fields { field: &field, form: &self.form };
        let periods = match self.layout.periods(line, &fields) {
            Ok(Some(periods)) => periods,
            // It becomes a period together with the other rows.
            Ok(None) => return,
            Err(refusal) => return self.refuse(line, refusal),
        };
        let mut checked = Vec::new();
        for mut period in periods {
            if self.options.inclusive_ends {
                period.end_date = period.end_date.map(|end| end.plus(1));
            }
            match check_period(&period) {
                Ok(true) => checked.push(Row { line, period }),
                Ok(false) => (),
                Err(message) => return self.refuse(line, (BadRowReason::InvalidPeriod, message)),
            }
        }
        self.rows.append(&mut checked);
    }

    fn refuse(&mut self, line: u64, (reason, message): RowError) {
        self.report.bad += 1;
        if self.report.bad_rows.len() < REPORTED_BAD_ROWS {
            self.report.bad_rows.push(BadRow { line, reason, message });
        }
    }

    fn finish(mut self) -> Result<Subscriptions> {
        std::mem::take(&mut self.layout).finish(&mut self.rows);
        // A row of the file may be two periods, so rows are refused by their lines.
        let mut refused: BTreeMap<u64, RowError> = BTreeMap::new();
        self.rows.retain(|Row { line, period }| {
            check_period(period).unwrap_or_else(|message| {
                refused.insert(*line, (BadRowReason::InvalidPeriod, message));
                false
            })
        });
        for (line, message) in overlapping(&mut self.rows, "line") {
            refused.entry(line).or_insert((BadRowReason::OverlappingPeriods, message));
        }
        self.rows.retain(|row| !refused.contains_key(&row.line));
        refused.into_iter().for_each(|(line, refusal)| self.refuse(line, refusal));
        self.report.bad_rows.sort_by_key(|row| row.line);
        // The others are blank, cover no day, or are no period of the export.
        self.report.good = lines(&self.rows);
        self.report.ignored = self.report.rows - self.report.bad - self.report.good;
        // An invoice pays for a term, so its end is known.
        let ends_known = match self.options.preset {
            Some(SubscriptionPreset::StripeInvoices) => EndsKnown::AtStart,
            _ => self.options.ends_known,
        };
        let report = self.report.judged(self.options.on_bad_row, self.options.max_bad_share)?;
        Subscriptions::build(self.rows, ends_known, self.options.last_day, report)
    }
}

/// The fields of a row, read in their forms. An empty field and a null value are none.
pub(super) struct Fields<'f, 't> {
    field: &'f dyn Fn(usize) -> &'t [u8],
    form: &'f Form<'f>,
}

type Field<T> = std::result::Result<Option<T>, RowError>;

impl Fields<'_, '_> {
    /// The text of a column, trimmed.
    pub(super) fn text(&self, at: Option<usize>, column: &str) -> Field<&str> {
        let Some(field) = at.map(|at| (self.field)(at).trim_ascii()) else { return Ok(None) };
        utf8(field, column)?;
        let text = std::str::from_utf8(field).unwrap_or_default();
        let is_null = text.is_empty() || self.form.options.null_values.iter().any(|null| null.trim() == text);
        Ok((!is_null).then_some(text))
    }

    /// The customer id, byte for byte.
    pub(super) fn customer(&self, at: usize) -> std::result::Result<String, RowError> {
        let field = (self.field)(at);
        utf8(field, "customer_id")?;
        let text = std::str::from_utf8(field).unwrap_or_default();
        match self.text(Some(at), "customer_id")? {
            Some(_) => Ok(text.to_owned()),
            None => Err((BadRowReason::MissingCustomer, "customer_id is empty".to_owned())),
        }
    }

    pub(super) fn owned(&self, at: Option<usize>, column: &str) -> Field<String> {
        Ok(self.text(at, column)?.map(str::to_owned))
    }

    pub(super) fn day(&self, at: Option<usize>, column: &str) -> Field<Day> {
        self.text(at, column)?.map(|text| self.day_of(text, column)).transpose()
    }

    pub(super) fn day_of(&self, text: &str, column: &str) -> std::result::Result<Day, RowError> {
        let dates = &self.form.dates;
        dates.parse(text.as_bytes()).ok_or_else(|| {
            let (shown, expected) = (quote_for_message(text.as_bytes()), dates.expected());
            let advice = dates.advice(text.as_bytes());
            (BadRowReason::InvalidDate, format!("{column} {shown} is not a date (expected {expected}){advice}"))
        })
    }

    pub(super) fn number(&self, at: Option<usize>, column: &str) -> Field<f64> {
        let Some(text) = self.text(at, column)? else { return Ok(None) };
        let number = match &self.form.numbers {
            Some(numbers) => numbers.parse(text),
            None => parse_decimal(text.as_bytes()),
        };
        number.and_then(|number| checked_amount(number).ok()).map(Some).ok_or_else(|| {
            let shown = quote_for_message(text.as_bytes());
            let message = format!(
                "{column} {shown} is not a number within ±10^12; decimal, thousands and currency say how amounts are written"
            );
            (BadRowReason::InvalidAmount, message)
        })
    }

    pub(super) fn flag(&self, at: Option<usize>, column: &str) -> std::result::Result<bool, RowError> {
        let Some(text) = self.text(at, column)? else { return Ok(false) };
        let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        match (is(&["true", "1", "yes"]), is(&["false", "0", "no"])) {
            (true, _) => Ok(true),
            (_, true) => Ok(false),
            _ => {
                let shown = quote_for_message(text.as_bytes());
                Err((BadRowReason::InvalidPeriod, format!("{column} is {shown}; expected true or false, 1 or 0")))
            }
        }
    }

    /// The cause that the options give to a text.
    pub(super) fn given_reason(&self, text: &str) -> Option<EndReason> {
        self.form.options.reasons.get(text).copied()
    }

    /// A cause by the names of the causes, by `reasons` of the options, or by the texts that a system uses.
    pub(super) fn reason(&self, at: Option<usize>, column: &str, known: &[(&str, EndReason)]) -> Field<EndReason> {
        let Some(text) = self.text(at, column)? else { return Ok(None) };
        let given = self.given_reason(text);
        let own = || EndReason::ALL.into_iter().find(|reason| text.eq_ignore_ascii_case(reason.name()));
        let of_system = || known.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, reason)| *reason);
        given.or_else(own).or_else(of_system).map(Some).ok_or_else(|| {
            let shown = quote_for_message(text.as_bytes());
            let message = format!(
                "{column} is {shown}; expected voluntary, involuntary, trial_not_converted or other, or a text that `reasons` maps to \
                 one of them"
            );
            (BadRowReason::InvalidPeriod, message)
        })
    }
}

/// The positions of the library's own columns.
pub(super) struct OwnColumns {
    customer: usize,
    start: usize,
    end: Option<usize>,
    subscription: Option<usize>,
    plan: Option<usize>,
    amount: Option<usize>,
    known_at: Option<usize>,
    reason: Option<usize>,
    trial: Option<usize>,
}

impl OwnColumns {
    pub(super) fn find(names: &[String], columns: &SubscriptionColumns) -> Result<Self> {
        let find = |mapped: &Option<String>, own, required| {
            crate::events::find_column(names, mapped.as_deref(), own, required)
        };
        Ok(OwnColumns {
            customer: find(&columns.customer_id, "customer_id", true)?.expect("a required column is found"),
            start: find(&columns.start_date, "start_date", true)?.expect("a required column is found"),
            end: find(&columns.end_date, "end_date", false)?,
            subscription: find(&columns.subscription_id, "subscription_id", false)?,
            plan: find(&columns.plan, "plan", false)?,
            amount: find(&columns.amount, "amount", false)?,
            known_at: find(&columns.known_at, "known_at", false)?,
            reason: find(&columns.end_reason, "end_reason", false)?,
            trial: find(&columns.trial, "trial", false)?,
        })
    }

    pub(super) fn period(&self, fields: &Fields<'_, '_>) -> std::result::Result<Period, RowError> {
        let start_date = fields.day(Some(self.start), "start_date")?.ok_or_else(|| {
            (BadRowReason::InvalidDate, "start_date is empty; expected the first day of the period".to_owned())
        })?;
        Ok(Period {
            customer_id: fields.customer(self.customer)?,
            start_date,
            end_date: fields.day(self.end, "end_date")?,
            subscription_id: fields.owned(self.subscription, "subscription_id")?,
            plan: fields.owned(self.plan, "plan")?,
            amount: fields.number(self.amount, "amount")?,
            known_at: fields.day(self.known_at, "known_at")?,
            end_reason: fields.reason(self.reason, "end_reason", &[])?,
            trial: fields.flag(self.trial, "trial")?,
        })
    }
}
