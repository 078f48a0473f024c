//! Subscription periods, what of them is known on a day, and what follows from it: spells, labels, features, movements by month
//! and retention curves. `docs/subscriptions.md` defines every value.
//!
//! An exported file says of every subscription when it ended, which nobody knew on the day that is predicted from. So features
//! take a [`SubscriptionHistory`], which has the periods as they were known on its day; the file itself is out of their reach.

mod base;
mod facts;
mod features;
mod known;
mod labels;
mod movements;
mod payments;
mod presets;
mod read;
mod retention;
mod timeline;

use std::borrow::Cow;

use serde::Serialize;

pub use base::{CancelledCustomer, CustomerBase};
#[cfg(feature = "train")]
pub(crate) use features::plan_levels;
pub(crate) use features::{FeatureColumns, PLAN, active_and_cancelled, current_plans, days_to_renewal, wording};
pub use features::{SUBSCRIPTION_FEATURES, SubscriptionFeature, subscription_features};
pub use known::{KnownPeriod, SubscriptionHistory};
pub use labels::{SubscriptionLabels, SubscriptionStatus, subscription_labels};
#[cfg(feature = "train")]
pub(crate) use labels::{latest_cutoff, renewal_labels};
pub use movements::{Movement, MovementValues, movements};
pub use presets::SubscriptionPreset;
pub use read::{SubscriptionColumns, SubscriptionOptions};
pub use retention::{Retention, RetentionBy, SurvivalPoint, kaplan_meier, retention};

use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::{IngestReport, MAX_AMOUNT, Strings, quote_for_message};
use crate::objects::{names, objects};

/// The cause of the end of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The customer cancelled.
    Voluntary,
    /// It ended without the customer's will: mostly a payment that failed.
    Involuntary,
    /// A trial that did not become a paid subscription.
    TrialNotConverted,
    /// Another or an unknown reason.
    Other,
}

names! { EndReason { Voluntary, Involuntary, TrialNotConverted, Other } }

impl EndReason {
    /// All causes.
    pub const ALL: [EndReason; 4] =
        [EndReason::Voluntary, EndReason::Involuntary, EndReason::TrialNotConverted, EndReason::Other];

    /// The name as it is written in files and responses.
    pub fn name(self) -> &'static str {
        match self {
            EndReason::Voluntary => "voluntary",
            EndReason::Involuntary => "involuntary",
            EndReason::TrialNotConverted => "trial_not_converted",
            EndReason::Other => "other",
        }
    }

    /// The name in words.
    #[cfg(feature = "report")]
    pub(crate) fn words(self) -> &'static str {
        match self {
            EndReason::Voluntary => "cancellation",
            EndReason::Involuntary => "failed payment",
            EndReason::TrialNotConverted => "trial not converted",
            EndReason::Other => "other",
        }
    }
}

/// The day on which the end of a period without a `known_at` is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndsKnown {
    /// The end itself.
    #[default]
    AtEnd,
    /// The start of the period, for fixed terms.
    AtStart,
}

names! { EndsKnown { AtEnd, AtStart } }

/// One period of a subscription. It covers the days from `start_date` to the day before `end_date`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Period {
    /// The customer.
    pub customer_id: String,
    /// The first day.
    pub start_date: Day,
    /// The first day after it; none while it runs.
    pub end_date: Option<Day>,
    /// The subscription. Periods of one subscription must not overlap.
    pub subscription_id: Option<String>,
    /// The plan.
    pub plan: Option<String>,
    /// The amount per month, 0 to 10^12.
    pub amount: Option<f64>,
    /// The day on which the end became known. Only with `end_date`.
    pub known_at: Option<Day>,
    /// Why it ended. Only with `end_date`.
    pub end_reason: Option<EndReason>,
    /// True for a trial.
    pub trial: bool,
}

objects! {
    Period { customer_id = String::new(), start_date, end_date, subscription_id, plan, amount, known_at, end_reason, trial = false }
}

/// A number that stands for "none" among days and indices.
const NONE: i32 = i32::MAX;
const NO_INDEX: u32 = u32::MAX;

/// A period as it is stored: days as numbers ([`NONE`] if there is none), texts as indices ([`NO_INDEX`]).
#[derive(Clone, Copy, Debug)]
struct Stored {
    start: i32,
    end: i32,
    known_at: i32,
    plan: u32,
    subscription: u32,
    reason: Option<EndReason>,
    is_trial: bool,
    /// NaN if there is none.
    amount: f64,
}

/// Subscription periods of customers, in one canonical order: customers in byte order of their ids, periods by start.
///
/// ```
/// use churn::{SubscriptionOptions, Subscriptions};
/// let csv = "customer_id,start_date,end_date,plan,amount,known_at\n\
///     anna,2024-01-01,,gold,20,\n\
///     bert,2024-01-01,2024-04-01,gold,20,2024-03-10\n";
/// let subscriptions = Subscriptions::from_csv(csv.as_bytes(), &SubscriptionOptions::default())?;
/// assert_eq!((subscriptions.len(), subscriptions.customers()), (2, 2));
/// // The latest day on which anything became known.
/// assert_eq!(subscriptions.last_day().to_string(), "2024-03-10");
/// # Ok::<(), churn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Subscriptions {
    /// In byte order.
    ids: Strings,
    /// Periods `starts[c]..starts[c + 1]` belong to customer `c`.
    starts: Vec<usize>,
    periods: Vec<Stored>,
    /// In byte order.
    plans: Strings,
    /// In byte order.
    subscription_ids: Strings,
    ends_known: EndsKnown,
    first_day: Day,
    last_day: Day,
    /// True if the last day was given by the caller.
    is_last_day_given: bool,
    report: IngestReport,
}

/// A period with the line it comes from.
struct Row {
    line: u64,
    period: Period,
}

impl Subscriptions {
    /// Creates subscriptions of periods in memory, in any order. The first bad period is an error.
    ///
    /// # Errors
    /// `bad_rows` with the period's number, counted from 1; `no_good_rows`; `invalid_parameter` for a `last_day` before every
    /// period.
    pub fn from_periods(
        periods: impl IntoIterator<Item = Period>,
        ends_known: EndsKnown,
        last_day: Option<Day>,
    ) -> Result<Subscriptions> {
        let mut rows = Vec::new();
        let mut report = IngestReport::default();
        for (i, period) in periods.into_iter().enumerate() {
            let line = i as u64 + 1;
            report.rows += 1;
            match check_period(&period) {
                Ok(true) => rows.push(Row { line, period }),
                Ok(false) => report.ignored += 1,
                Err(message) => return Err(bad_period(line, message)),
            }
        }
        if let Some((line, message)) = overlapping(&mut rows, "period").into_iter().next() {
            return Err(bad_period(line, message));
        }
        Subscriptions::build(rows, ends_known, last_day, report)
    }

    /// Builds the canonical order from checked rows.
    fn build(
        mut rows: Vec<Row>,
        ends_known: EndsKnown,
        last_day: Option<Day>,
        mut report: IngestReport,
    ) -> Result<Subscriptions> {
        if let Some(last) = last_day {
            let first = rows.iter().map(|row| row.period.start_date).min();
            let before = lines(&rows);
            rows.retain(|row| row.period.start_date <= last);
            report.outside += before - lines(&rows);
            if let (true, Some(first)) = (rows.is_empty(), first) {
                return Err(invalid_parameter("last_day", last, &format!("a day from the first period, {first}, on")));
            }
        }
        report.good = lines(&rows);
        if rows.is_empty() {
            let message = match report.rows {
                0 => "there is no period".to_owned(),
                count => format!("none of the {count} periods can be used"),
            };
            return Err(Error::new(ErrorKind::NoGoodRows, message).with_report(report));
        }
        let sorted = |texts: &dyn Fn(&Row) -> Option<&str>| -> Strings {
            let all: Strings = rows.iter().filter_map(texts).collect();
            let mut order = all.sorted();
            order.dedup_by(|a, b| all.get(*a as usize) == all.get(*b as usize));
            all.select(order)
        };
        let ids = sorted(&|row| Some(&row.period.customer_id));
        let plans = sorted(&|row| row.period.plan.as_deref());
        let subscription_ids = sorted(&|row| row.period.subscription_id.as_deref());
        let index = |texts: &Strings, text: &Option<String>| {
            text.as_ref().and_then(|text| texts.search(text)).map_or(NO_INDEX, |at| at as u32)
        };
        let mut keyed: Vec<(u32, Stored)> = rows
            .iter()
            .map(|Row { period, .. }| {
                let customer = ids.search(&period.customer_id).expect("the id of a row is listed") as u32;
                let day = |day: Option<Day>| day.map_or(NONE, Day::number);
                let stored = Stored {
                    start: period.start_date.number(),
                    end: day(period.end_date),
                    known_at: day(period.known_at),
                    plan: index(&plans, &period.plan),
                    subscription: index(&subscription_ids, &period.subscription_id),
                    reason: period.end_reason,
                    is_trial: period.trial,
                    amount: period.amount.unwrap_or(f64::NAN),
                };
                (customer, stored)
            })
            .collect();
        drop(rows);
        keyed.sort_unstable_by(|(a, x), (b, y)| {
            let days = |p: &Stored| (p.start, p.end, p.known_at, p.subscription, p.plan, p.is_trial, p.reason);
            a.cmp(b).then_with(|| days(x).cmp(&days(y))).then_with(|| x.amount.total_cmp(&y.amount))
        });
        let mut starts = vec![0; ids.len() + 1];
        keyed.iter().for_each(|&(customer, _)| starts[customer as usize + 1] += 1);
        for customer in 0..ids.len() {
            starts[customer + 1] += starts[customer];
        }
        let mut periods: Vec<Stored> = keyed.into_iter().map(|(_, period)| period).collect();
        for customer in 0..ids.len() {
            known_when_it_goes_on(&mut periods[starts[customer]..starts[customer + 1]]);
        }
        let day = |number: i32| Day::new(number).expect("days of periods are days");
        let first = periods.iter().map(|period| period.start).min().expect("there is a period");
        let known_day = |period: &Stored| match (period.known_at, ends_known) {
            (NONE, EndsKnown::AtEnd) if period.end != NONE => period.end.max(period.start),
            (NONE, _) => period.start,
            (known_at, _) => known_at.max(period.start),
        };
        let latest = periods.iter().map(known_day).max().expect("there is a period");
        Ok(Subscriptions {
            ids,
            starts,
            periods,
            plans,
            subscription_ids,
            ends_known,
            first_day: day(first),
            last_day: last_day.unwrap_or_else(|| day(latest)),
            is_last_day_given: last_day.is_some(),
            report,
        })
    }

    /// The number of periods.
    #[allow(clippy::len_without_is_empty, reason = "subscriptions without a period cannot be made")]
    pub fn len(&self) -> usize {
        self.periods.len()
    }

    /// The number of customers.
    pub fn customers(&self) -> usize {
        self.ids.len()
    }

    /// The customer ids in byte order.
    pub fn customer_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter()
    }

    /// The first day of the first period.
    pub fn first_day(&self) -> Day {
        self.first_day
    }

    /// The last day that the data covers.
    pub fn last_day(&self) -> Day {
        self.last_day
    }

    pub(crate) fn last_day_was_given(&self) -> bool {
        self.is_last_day_given
    }

    /// The day on which the end of a period without a `known_at` is known.
    pub fn ends_known(&self) -> EndsKnown {
        self.ends_known
    }

    /// The counts of the rows that were read, and the bad rows.
    pub fn report(&self) -> &IngestReport {
        &self.report
    }

    /// Iterates over the periods as the file says them, in the canonical order. They hold ends that were not known on earlier
    /// days, so features must not be computed from them: [`Subscriptions::known_at`] gives what was known.
    pub fn periods(&self) -> impl Iterator<Item = Period> {
        (0..self.customers())
            .flat_map(move |customer| self.stored_of(customer).iter().map(move |stored| self.period(customer, stored)))
    }

    fn period(&self, customer: usize, stored: &Stored) -> Period {
        let day = |number: i32| if number == NONE { None } else { Day::new(number) };
        let text = |texts: &Strings, index: u32| (index != NO_INDEX).then(|| texts.get(index as usize).to_owned());
        Period {
            customer_id: self.ids.get(customer).to_owned(),
            start_date: day(stored.start).expect("days of periods are days"),
            end_date: day(stored.end),
            subscription_id: text(&self.subscription_ids, stored.subscription),
            plan: text(&self.plans, stored.plan),
            amount: (!stored.amount.is_nan()).then_some(stored.amount),
            known_at: day(stored.known_at),
            end_reason: stored.reason,
            trial: stored.is_trial,
        }
    }

    fn stored_of(&self, customer: usize) -> &[Stored] {
        &self.periods[self.starts[customer]..self.starts[customer + 1]]
    }

    pub(crate) fn ids(&self) -> &Strings {
        &self.ids
    }

    pub(crate) fn plan(&self, index: u32) -> Option<&str> {
        (index != NO_INDEX).then(|| self.plans.get(index as usize))
    }

    /// What was known at the end of a day.
    pub fn known_at(&self, day: Day) -> SubscriptionHistory<'_> {
        SubscriptionHistory::new(self, day)
    }

    /// Refuses a day that the data says nothing about.
    pub(crate) fn check_day(&self, as_of: Day) -> Result<()> {
        /// Days after the data on which customers may still be looked at: an export is some days old.
        const LATE: i32 = 31;
        let (first, last) = (self.first_day, self.last_day);
        match first <= as_of && as_of <= last.plus(LATE) {
            true => Ok(()),
            false => {
                let expected = format!("a day of the data, {first} to {last}, or up to {LATE} days later");
                Err(invalid_parameter("as_of", as_of, &expected))
            }
        }
    }

    /// The subscriptions as they were known at the end of a day: these, if nothing in them is later.
    ///
    /// # Errors
    /// `invalid_parameter` for a day before the data, or more than 31 days after it.
    pub fn known_by(&self, as_of: Day) -> Result<Cow<'_, Subscriptions>> {
        self.check_day(as_of)?;
        Ok(if as_of < self.last_day { Cow::Owned(self.truncated(as_of)?) } else { Cow::Borrowed(self) })
    }

    /// The number of periods that are missing in a truncated copy, and of ends that are masked in it.
    #[cfg(feature = "train")]
    pub(crate) fn known_later(&self, past: &Subscriptions) -> u64 {
        let ends = |periods: &[Stored]| periods.iter().filter(|period| period.end != NONE).count();
        let periods = self.periods.len() - past.periods.len();
        let started = self.periods.iter().filter(|period| period.start <= past.last_day.number());
        let masked = started.filter(|period| period.end != NONE).count() - ends(&past.periods);
        (periods + masked) as u64
    }

    /// The subscriptions as they were known at the end of a day, as data of their own: without later periods, and without the ends
    /// that became known later.
    ///
    /// # Errors
    /// `no_good_rows` if no period starts by then.
    pub fn truncated(&self, day: Day) -> Result<Subscriptions> {
        let history = self.known_at(day);
        let mut rows = Vec::new();
        for customer in 0..self.customers() {
            for (stored, known) in history.stored_and_known(customer) {
                let mut period = self.period(customer, stored);
                period.end_date = period.end_date.filter(|_| !known.end.is_none());
                period.known_at = period.known_at.filter(|_| known.is_cancelled);
                period.end_reason = period.end_reason.filter(|_| known.reason.is_some());
                rows.push(Row { line: rows.len() as u64 + 1, period });
            }
        }
        let report = IngestReport { rows: rows.len() as u64, ..IngestReport::default() };
        Subscriptions::build(rows, self.ends_known, Some(day), report)
    }
}

/// An end on which another period of the customer starts is known at the latest when it comes. Files often bear the day of the last
/// cancellation in every row of a subscription; the rows before it would seem to run until then.
fn known_when_it_goes_on(periods: &mut [Stored]) {
    for i in 0..periods.len() {
        let Stored { end, known_at, .. } = periods[i];
        if known_at != NONE && known_at > end {
            let at = periods.partition_point(|period| period.start < end);
            if periods.get(at).is_some_and(|next| next.start == end && !next.is_trial) {
                periods[i].known_at = end;
            }
        }
    }
}

/// The number of rows of the file that these come from: a row may be a trial and a paid period.
fn lines(rows: &[Row]) -> u64 {
    let mut lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.len() as u64
}

/// Checks a period. Returns false for one that covers no day.
fn check_period(period: &Period) -> std::result::Result<bool, String> {
    if period.customer_id.is_empty() {
        return Err("customer_id is empty".to_owned());
    }
    if let Some(amount) = period.amount
        && !(0.0..=MAX_AMOUNT).contains(&amount)
    {
        return Err(format!("amount is {amount}; expected an amount per month from 0 to 10^12"));
    }
    match period.end_date {
        Some(end) if end < period.start_date => {
            Err(format!("end_date {end} lies before start_date {}", period.start_date))
        }
        Some(end) => Ok(end > period.start_date),
        None => match (period.known_at, period.end_reason) {
            (Some(known_at), _) => Err(format!(
                "known_at is {known_at} but there is no end_date; known_at is the day on which the end became known"
            )),
            (None, Some(reason)) => Err(format!("end_reason is {} but there is no end_date", reason.name())),
            (None, None) => Ok(true),
        },
    }
}

fn bad_period(line: u64, message: String) -> Error {
    Error::new(ErrorKind::BadRows, format!("period {line}: {message}")).at_line(line)
}

/// Finds the periods that overlap an earlier one of the same customer and subscription: each with its line and a message, which
/// calls a line of the file or a period in memory by its `unit`. Orders the rows.
fn overlapping(rows: &mut [Row], unit: &str) -> Vec<(u64, String)> {
    rows.sort_by(|a, b| {
        let start = |row: &Row| (row.period.start_date, row.line);
        let (x, y) = (&a.period, &b.period);
        (&x.customer_id, &x.subscription_id)
            .cmp(&(&y.customer_id, &y.subscription_id))
            .then_with(|| start(a).cmp(&start(b)))
    });
    let mut found = Vec::new();
    // The last period of the subscription that overlaps none.
    let mut last: Option<&Row> = None;
    for row in rows.iter() {
        let Period { customer_id, subscription_id: Some(id), start_date, .. } = &row.period else {
            last = None;
            continue;
        };
        let same = |other: &&Row| {
            other.period.customer_id == *customer_id && other.period.subscription_id.as_ref() == Some(id)
        };
        match last.filter(same) {
            Some(other) if other.period.end_date.is_none_or(|end| *start_date < end) => {
                let until = other.period.end_date.map_or("still runs".to_owned(), |end| format!("ends on {end}"));
                found.push((
                    row.line,
                    format!(
                        "it starts on {start_date}, but the period of subscription {} of {unit} {} {until}; periods of one \
                         subscription must not overlap",
                        quote_for_message(id.as_bytes()),
                        other.line
                    ),
                ));
            }
            _ => last = Some(row),
        }
    }
    found
}
