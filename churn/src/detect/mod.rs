//! Finds how a CSV file or a spreadsheet is written, and which columns mean what: the options with which it can be read.
//!
//! The readers are strict, so a file that is not in the standard form needs options. [`detect`] tries the possible forms on a
//! sample of the whole file. A form is taken only if it reads every value of the sample that any form reads, which are nine in ten
//! or more, and no other form reads them as other values. Otherwise the result has a [`Question`] with the possible readings, and
//! nothing is chosen.

mod columns;
mod dates;
mod names;
mod numbers;
mod sample;
mod shape;
mod trial;

use std::io::Read;

use serde::Serialize;

pub(crate) use dates::advice as date_advice;
pub use trial::TrialRead;

use columns::{Role, Roles};
use sample::Sample;
use shape::Shape;

use crate::error::{Error, ErrorKind, Result};
use crate::events::{NULL_WORDS, ReadOptions, currency_of};
use crate::json::Json;
use crate::order;

/// The form of a file and the meaning of its columns, found from a sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Detected {
    /// The options that read the file: the given ones, and what was found. Where there is a question, the option has its given
    /// value.
    pub options: ReadOptions,
    /// The system that exports such files, if the columns are those of a known export.
    pub export: Option<String>,
    /// The options that differ from the defaults because they were found, with the reason.
    pub found: Vec<Found>,
    /// Questions to the owner of the file. Without one the options can be used.
    pub questions: Vec<Question>,
    /// Sentences on unusual things that do not keep the file from being read.
    pub doubts: Vec<String>,
    /// The header names of the columns, in order.
    pub header: Vec<String>,
    /// The fields of the first rows, to look at: five, or all if there are fewer.
    pub rows: Vec<Vec<String>>,
    /// The sample read with the options; none if there is a question.
    pub trial: Option<TrialRead>,
}

/// An option that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The name of the option; those of the columns are `columns.customer_id` and so on.
    pub option: String,
    /// The value of the option as JSON.
    pub value: Json,
    /// The reason, with an example from the file.
    pub reason: String,
}

/// A question to the owner of the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Question {
    /// The kind of the question: `date_format`, `number_format`, `encoding`, `columns`, or `not_events` for a file that does not
    /// seem to have one row per event.
    pub code: String,
    /// The question, with an example from the file.
    pub message: String,
    /// The option that answers the question, as `date_format` or `columns.customer_id`; none if the file itself must be changed or a
    /// reading has several options.
    pub option: Option<String>,
    /// The possible answers; empty if they cannot be listed.
    pub readings: Vec<Reading>,
}

/// A possible answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// The options of this reading, with their values as JSON.
    pub options: Vec<(String, Json)>,
    /// A value of the file as this reading takes it.
    pub example: String,
}

/// Finds the options for reading a file. Options of `given` that differ from the defaults are kept as they are.
///
/// ```
/// use churn::{ReadOptions, detect};
/// let file = "Kunde;Datum;Betrag\nanna;31.01.2024;1.234,56 €\nbert;05.02.2024;12,00 €\nanna;11.02.2024;7,90 €\n";
/// let detected = detect(file.as_bytes(), &ReadOptions::default())?;
/// assert!(detected.questions.is_empty());
/// assert_eq!((detected.options.delimiter, detected.options.decimal), (';', ','));
/// assert_eq!(detected.options.date_format.as_deref(), Some("%d.%m.%Y"));
/// let events = churn::Events::from_csv(file.as_bytes(), &detected.options)?;
/// assert_eq!(events.iter().next().unwrap().2, Some(1234.56));
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `empty_file`, `not_utf8` for a file that is no text, `missing_column` or `duplicate_column` for a given column, `invalid_parameter`,
/// `io`. A file that can be read in several ways is no
/// error but has a question.
pub fn detect(reader: impl Read, given: &ReadOptions) -> Result<Detected> {
    let sample = Sample::read(reader, given.encoding.as_deref())?;
    let mut report = Report::new(given);
    let Some(text) = report.decoded(sample)? else { return Ok(report.into_detected(Vec::new(), Vec::new(), None)) };
    let shape = Shape::of(&text, given)?;
    report.set_shape(&shape, given);
    let roles = columns::roles(&shape, given)?;
    report.set_roles(&shape, &roles);
    report.set_values(&shape, &roles, given);
    let trial = match report.questions.is_empty() {
        true => trial::read(&shape, &report),
        false => None,
    };
    if let Some(trial) = &trial {
        report.doubt(&shape, &roles, trial);
    }
    let trial = trial.filter(|_| report.questions.is_empty());
    let rows = shape.rows.into_iter().take(5).collect();
    Ok(report.into_detected(shape.header, rows, trial))
}

impl Detected {
    /// The options, if there is no question.
    ///
    /// # Errors
    /// `unclear_file` with all questions and, for each, the options that answer it.
    pub fn into_options(self) -> Result<ReadOptions> {
        if self.questions.is_empty() {
            return Ok(self.options);
        }
        let asked = self.questions.iter().map(|question| {
            let assigned = |(name, value): &(String, Json)| {
                let value = serde_json::to_string(value).unwrap_or_default();
                format!("{name} = {value}")
            };
            let answers: Vec<String> = question
                .readings
                .iter()
                .map(|reading| {
                    let options: Vec<String> = reading.options.iter().map(assigned).collect();
                    format!("\n  {} : {}", options.join(" and "), reading.example)
                })
                .collect();
            let option = question.option.as_deref().filter(|_| answers.is_empty());
            let give = option.map(|option| format!("; give `{}`", option.trim_start_matches("columns.")));
            format!("{}{}{}", question.message, give.unwrap_or_default(), answers.concat())
        });
        let message = asked.collect::<Vec<String>>().join("\n");
        Err(Error::new(ErrorKind::UnclearFile, message))
    }
}

/// The result while it is found.
struct Report {
    options: ReadOptions,
    export: Option<String>,
    found: Vec<Found>,
    questions: Vec<Question>,
    doubts: Vec<String>,
}

fn text(text: impl Into<String>) -> Json {
    Json::Text(text.into())
}

impl Report {
    fn new(given: &ReadOptions) -> Self {
        Report { options: given.clone(), export: None, found: Vec::new(), questions: Vec::new(), doubts: Vec::new() }
    }

    fn into_detected(self, header: Vec<String>, rows: Vec<Vec<String>>, trial: Option<TrialRead>) -> Detected {
        let Report { options, export, found, questions, doubts } = self;
        Detected { options, export, found, questions, doubts, header, rows, trial }
    }

    fn found(&mut self, option: &str, value: Json, reason: impl Into<String>) {
        self.found.push(Found { option: option.to_owned(), value, reason: reason.into() });
    }

    fn ask(&mut self, code: &str, option: Option<&str>, message: String, readings: Vec<Reading>) {
        let (code, option) = (code.to_owned(), option.map(str::to_owned));
        self.questions.push(Question { code, message, option, readings });
    }

    /// The text of the sample. None if only the owner can tell its encoding.
    fn decoded(&mut self, sample: Sample) -> Result<Option<Sample>> {
        if sample.is_empty() {
            return Err(Error::new(
                ErrorKind::EmptyFile,
                "the file is empty: expected a header line with column names",
            ));
        }
        if sample.is_binary() {
            let message = "the file has bytes of 0, which no text has: is it a picture or a file of another program, or UTF-16 \
                           without a mark (then give `encoding`: utf-16le or utf-16be)?";
            return Err(Error::new(ErrorKind::NotUtf8, message));
        }
        if sample.is_utf8 {
            return Ok(Some(sample));
        }
        let (characters, broken) = sample.utf8_and_broken();
        if characters > broken {
            let message = format!(
                "the file is UTF-8 but for {broken} bytes of the sample: rows with such bytes in a column that is read are refused"
            );
            self.doubts.push(message);
            return Ok(Some(sample));
        }
        match sample.western() {
            Some((sample, example)) => {
                let reason =
                    format!("the bytes are not UTF-8 but look like this encoding: is {example:?} a word of the file?");
                self.found("encoding", text("windows-1252"), reason);
                self.options.encoding = Some("windows-1252".to_owned());
                Ok(Some(sample))
            }
            None => {
                let message = "the file is not UTF-8 and does not say in which encoding it is, such as windows-1252, windows-1251 or \
                               shift_jis";
                self.ask("encoding", Some("encoding"), message.to_owned(), Vec::new());
                Ok(None)
            }
        }
    }

    fn set_shape(&mut self, shape: &Shape, given: &ReadOptions) {
        self.options.delimiter = shape.delimiter;
        if shape.delimiter != given.delimiter {
            let reason = format!("{} of {} lines have {} fields", shape.matching, shape.lines, shape.header.len());
            self.found("delimiter", text(shape.delimiter), reason);
        }
        self.options.skip_lines = shape.skip_lines;
        if shape.skip_lines != given.skip_lines {
            let reason = format!("the column names are on line {}", shape.skip_lines + 1);
            self.found("skip_lines", Json::Unsigned(shape.skip_lines.into()), reason);
        }
    }

    fn set_roles(&mut self, shape: &Shape, roles: &Roles) {
        self.export = roles.export.map(str::to_owned);
        let columns = &mut self.options.columns;
        for (role, slot, own) in [
            (&roles.customer, &mut columns.customer_id, "customer_id"),
            (&roles.date, &mut columns.event_date, "event_date"),
            (&roles.amount, &mut columns.amount, "amount"),
            (&roles.event_type, &mut columns.event_type, "event_type"),
            (&roles.order, &mut columns.order_id, "order_id"),
        ] {
            let Role::Found { column, reason } = role else { continue };
            let name = &shape.header[*column];
            if slot.is_none() && name != own {
                *slot = Some(name.clone());
                let (option, value) = (format!("columns.{own}"), text(name.as_str()));
                self.found.push(Found { option, value, reason: (*reason).to_owned() });
            }
        }
        if let Some((column, message)) = roles.question(shape) {
            let code = if roles.of_customers || roles.of_periods { "not_events" } else { "columns" };
            let option = column.map(|column| format!("columns.{column}"));
            self.ask(code, option.as_deref(), message, Vec::new());
        }
    }

    fn set_values(&mut self, shape: &Shape, roles: &Roles, given: &ReadOptions) {
        let ignored = match given.ignore_rows.is_empty() {
            true => shape.totals(&roles.date),
            false => given.ignore_rows.clone(),
        };
        if ignored != given.ignore_rows {
            let list = Json::List(ignored.iter().map(text).collect());
            self.found("ignore_rows", list, "these rows are sums, not events");
        }
        self.options.ignore_rows = ignored;
        if let (Some(customer), false) = (roles.customer.column(), given.skip_anonymous) {
            // A dash or a single word may be a name.
            let is_null = |id: &str| id.len() > 1 && id != "None" && NULL_WORDS.contains(&id);
            for row in shape.rows.iter().filter(|row| is_null(&row[customer])) {
                if !self.options.null_values.contains(&row[customer]) {
                    self.options.null_values.push(row[customer].clone());
                }
            }
            let nulls = &self.options.null_values;
            let is_missing = |row: &&Vec<String>| row[customer].is_empty() || nulls.contains(&row[customer]);
            let events = || shape.rows.iter().filter(|row| !shape.is_sum(row, &roles.date, &self.options.ignore_rows));
            let (all, without) = (events().count(), events().filter(is_missing).count());
            if without * 2 > all {
                let message = format!(
                    "{without} of {all} rows of the sample have no value in the column {:?} of the customer; is another column \
                     the customer?",
                    shape.header[customer]
                );
                let reading = Reading {
                    options: vec![("skip_anonymous".to_owned(), Json::Boolean(true))],
                    example: "these rows are left out".to_owned(),
                };
                self.ask("columns", Some("columns.customer_id"), message, vec![reading]);
            } else if without > 0 {
                let reason = format!("{without} of {all} rows of the sample have no customer; they are left out");
                self.found("skip_anonymous", Json::Boolean(true), reason);
                self.options.skip_anonymous = true;
            }
        }
        let rows = |column: usize| {
            let ignored = &self.options.ignore_rows;
            let kept = shape.rows.iter().filter(move |row| !shape.is_sum(row, &roles.date, ignored));
            kept.map(move |row| row[column].as_str()).filter(|value| !value.is_empty())
        };
        let dates: Vec<&str> = roles.date.column().map(|column| rows(column).collect()).unwrap_or_default();
        let amounts: Vec<&str> = roles.amount.column().map(|column| rows(column).collect()).unwrap_or_default();
        let form = match given.date_format {
            None if !dates.is_empty() => Some(dates::form(&dates)),
            _ => None,
        };
        self.options.null_values = numbers::null_words(&amounts, &self.options.null_values);
        let standard = given.decimal == '.' && given.thousands.is_none() && !given.currency;
        let numbers = match standard && !amounts.is_empty() {
            true => Some(numbers::form(&amounts, &self.options.null_values)),
            false => None,
        };
        let mut currencies: Vec<&str> = amounts.iter().filter_map(|amount| currency_of(amount)).collect();
        order::sort(&mut currencies);
        currencies.dedup();
        if currencies.len() > 1 {
            let message =
                format!("the amounts have several currencies, which are added as they are: {}", currencies.join(", "));
            self.doubts.push(message);
        }
        match form {
            Some(dates::Form::One { format: Some(format), example }) => {
                self.found(
                    "date_format",
                    text(format.as_str()),
                    format!("it is the form of the dates, such as {example:?}"),
                );
                self.options.date_format = Some(format);
            }
            Some(dates::Form::Several { readings, message }) => {
                self.ask("date_format", Some("date_format"), message, readings)
            }
            Some(dates::Form::None { message }) => self.ask("date_format", Some("date_format"), message, Vec::new()),
            Some(dates::Form::One { format: None, .. }) | None => (),
        }
        match numbers {
            Some(numbers::Form::One { decimal, thousands, currency, example }) => {
                let reason = format!("it is the form of the amounts, such as {example:?}");
                if decimal != '.' {
                    self.found("decimal", text(decimal), reason.as_str());
                }
                if let Some(mark) = thousands {
                    self.found("thousands", text(mark), reason.as_str());
                }
                if currency {
                    self.found("currency", Json::Boolean(true), reason);
                }
                let options = &mut self.options;
                (options.decimal, options.thousands, options.currency) = (decimal, thousands, currency);
            }
            Some(numbers::Form::Several { readings, message }) => self.ask("number_format", None, message, readings),
            Some(numbers::Form::None { readings, message }) => {
                self.ask("number_format", Some("null_values"), message, readings)
            }
            None => (),
        }
        if self.options.null_values != given.null_values {
            let list = Json::List(self.options.null_values.iter().map(text).collect());
            self.found("null_values", list, "these texts stand where a value is missing");
        }
    }

    /// Notes what is unusual in the trial.
    fn doubt(&mut self, shape: &Shape, roles: &Roles, trial: &TrialRead) {
        const ENOUGH: u64 = 20;
        if trial.rows >= ENOUGH && trial.customers == trial.rows {
            let message = "every row has another customer, so this is a list of customers or the column of the customer is \
                           another one; a log of events has a row for every purchase, visit or other event";
            self.ask("not_events", None, message.to_owned(), Vec::new());
            return;
        }
        if trial.largest_customer.1 * 5 > trial.rows && trial.customers > 10 {
            let (id, rows) = &trial.largest_customer;
            self.doubts.push(format!(
                "{rows} of {} rows of the sample have the customer {id:?}; is this the id of all guests?",
                trial.rows
            ));
        }
        if roles.amount.column().is_none() {
            let numeric: Vec<&str> = roles.numeric.iter().map(|&column| shape.header[column].as_str()).collect();
            if !numeric.is_empty() {
                let message = format!("no column is used as the amount; columns with numbers: {}", numeric.join(", "));
                self.doubts.push(message);
            }
        }
        if let Some(customer) = roles.customer.column()
            && let Some(row) = shape.rows.iter().find(|row| {
                shape::is_sum_word(&row[customer]) && !shape.is_sum(row, &roles.date, &self.options.ignore_rows)
            })
        {
            self.doubts.push(format!("{:?} is among the customers; are these rows sums?", row[customer]));
        }
        if trial.bad > 0 {
            let message =
                format!("{} of {} rows of the sample cannot be read: {}", trial.bad, trial.rows, trial.first_bad);
            self.doubts.push(message);
        }
    }
}
