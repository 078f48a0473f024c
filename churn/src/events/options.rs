//! The options for reading a log.

use serde::Serialize;

use super::Day;
use super::merge::{EventUnit, Merge};
use crate::objects::{names, objects};

/// Settings for reading a log. Every field has a default: the column names of this library, ISO dates, and `fail` for bad
/// rows.
///
/// ```
/// let options: churn::ReadOptions = serde_json::from_str(
///     r#"{"columns": {"event_date": "InvoiceDate"}, "date_format": "%d/%m/%Y", "on_bad_row": "skip"}"#,
/// ).unwrap();
/// assert_eq!(options.max_bad_share, 0.05);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReadOptions {
    /// The header names of the columns.
    pub columns: Columns,
    /// A strptime format (`%Y%m%d`, `%d-%b-%y`, …) used instead of `YYYY-MM-DD`, RFC 3339 and `YYYY-MM-DD HH:MM[:SS]`; or
    /// `unix_s`, `unix_ms` or `unix_us` for the number of seconds, milliseconds or microseconds since 1970.
    pub date_format: Option<String>,
    /// The ASCII character between the fields of a CSV file.
    pub delimiter: char,
    /// The handling of bad rows.
    pub on_bad_row: OnBadRow,
    /// With `skip`: the largest accepted share of bad rows (0..1).
    pub max_bad_share: f64,
    /// The rows that are merged into one event without sharing an order. With `day`, order ids are not read.
    pub merge: Merge,
    /// The first day whose rows are used; earlier rows are left out and counted. None for no limit.
    pub first_day: Option<Day>,
    /// The last day whose rows are used; later rows are left out and counted. None for no limit.
    pub last_day: Option<Day>,
    /// CSV: the encoding by its label in the WHATWG Encoding Standard (`windows-1252`, `shift_jis`, …). None for UTF-8, or for
    /// the encoding that a byte order mark names.
    pub encoding: Option<String>,
    /// CSV: the number of lines above the header, which are not read.
    pub skip_lines: u32,
    /// CSV: the decimal mark of the amounts, a point or a comma.
    pub decimal: char,
    /// CSV: the thousands separator of the amounts; none if there is none. A space stands for every kind of space, an
    /// apostrophe for the typographic one too.
    pub thousands: Option<char>,
    /// CSV: true if amounts may have a currency sign or code (`$12`, `12 €`, `CHF 12`), or are negative by parentheses or by a
    /// minus at the end.
    pub currency: bool,
    /// CSV: the texts that stand for a missing value, such as `NULL`.
    pub null_values: Vec<String>,
    /// CSV: the texts of a first field, such as `Total`, whose rows are no events if they have no date. They are left out and
    /// counted.
    pub ignore_rows: Vec<String>,
    /// CSV: true if rows without a customer, such as sales to guests, are left out and counted instead of being bad rows.
    pub skip_anonymous: bool,
}

objects! {
    @default ReadOptions {
        columns, date_format, delimiter, on_bad_row, max_bad_share, merge, first_day, last_day, encoding, skip_lines, decimal,
        thousands, currency, null_values, ignore_rows, skip_anonymous
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            columns: Columns::default(),
            date_format: None,
            delimiter: ',',
            on_bad_row: OnBadRow::Fail,
            max_bad_share: 0.05,
            merge: Merge::None,
            first_day: None,
            last_day: None,
            encoding: None,
            skip_lines: 0,
            decimal: '.',
            thousands: None,
            currency: false,
            null_values: Vec::new(),
            ignore_rows: Vec::new(),
            skip_anonymous: false,
        }
    }
}

impl ReadOptions {
    /// The unit of an event for a source with or without order ids.
    pub(crate) fn unit(&self, has_orders: bool) -> EventUnit {
        match self.merge {
            Merge::Day => EventUnit::Day,
            Merge::None if has_orders => EventUnit::Order,
            Merge::None => EventUnit::Row,
        }
    }
}

/// The header names of the columns. A column left at `None` has the name of its field; then `customer_id` and `event_date`
/// are required, and the others are optional. A column with a given name is required. An optional column whose given name is empty
/// is not read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Columns {
    /// The column of the customer id, an opaque string that is kept byte for byte.
    pub customer_id: Option<String>,
    /// The column of the date or time of the event, which is reduced to its UTC calendar day.
    pub event_date: Option<String>,
    /// The column of the amount, a decimal within ±10^12; negative for a refund, empty if there is none.
    pub amount: Option<String>,
    /// The column of the event type, empty if unknown.
    pub event_type: Option<String>,
    /// The column of the id of the order that the row is a line of, empty if there is none. The rows of a customer with the
    /// same order, day and event type are one event. Its amount is the sum of the amounts that are present.
    pub order_id: Option<String>,
    /// The column of the label, 0 or 1, which must be the same in all rows of a customer.
    pub churn_label: Option<String>,
}

objects! { @default Columns { customer_id, event_date, amount, event_type, order_id, churn_label } }

/// The handling of bad rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRow {
    /// Reading fails and lists the first ten bad rows.
    Fail,
    /// The row is left out and reported.
    Skip,
}

names! { OnBadRow { Fail, Skip } }
