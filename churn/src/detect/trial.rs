//! A trial: the sample read by the reader itself.

use serde::Serialize;

use super::Report;
use super::shape::Shape;
use crate::day::Day;
use crate::events::{Events, OnBadRow, ReadOptions, quoted};

/// The sample of a file, read with the options that were found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TrialRead {
    /// Number of rows of the sample.
    pub rows: u64,
    /// Number of rows of the sample that cannot be read.
    pub bad: u64,
    /// Why the first of them cannot be read; empty if there is none.
    pub first_bad: String,
    /// Number of customers.
    pub customers: u64,
    /// The customer with the most rows, and their number.
    pub largest_customer: (String, u64),
    /// The first day.
    pub first_day: Day,
    /// The last day.
    pub last_day: Day,
    /// The sum of the amounts.
    pub total_amount: f64,
    /// The event types in byte order, at most 50 of them.
    pub event_types: Vec<String>,
}

pub(super) fn read(shape: &Shape, report: &Report) -> Option<TrialRead> {
    let mut csv = String::new();
    for row in std::iter::once(&shape.header).chain(&shape.rows) {
        let fields: Vec<_> = row.iter().map(|field| quoted(field)).collect();
        csv.push_str(&fields.join(","));
        csv.push('\n');
    }
    let options = ReadOptions {
        delimiter: ',',
        encoding: None,
        skip_lines: 0,
        on_bad_row: OnBadRow::Skip,
        max_bad_share: 1.0,
        ..report.options.clone()
    };
    let events = Events::from_csv(csv.as_bytes(), &options).ok()?;
    let read = events.report();
    let mut largest = ("", 0);
    let mut total = 0.0;
    let mut rows = 0;
    let mut current = "";
    for (customer, _, amount, _) in events.iter() {
        if customer != current {
            (current, rows) = (customer, 0);
        }
        rows += 1;
        if rows > largest.1 {
            largest = (customer, rows);
        }
        total += amount.unwrap_or(0.0);
    }
    Some(TrialRead {
        rows: read.rows - read.ignored,
        bad: read.bad,
        first_bad: read.bad_rows.first().map(|row| row.message.clone()).unwrap_or_default(),
        customers: events.customers() as u64,
        largest_customer: (largest.0.to_owned(), largest.1),
        first_day: events.first_day(),
        last_day: events.last_day(),
        total_amount: total,
        event_types: events.event_types().take(50).map(str::to_owned).collect(),
    })
}
