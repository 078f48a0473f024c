//! The exports of known systems: how a row of their documented columns becomes periods.
//!
//! Most exports have one row for each subscription, with its trial, its current plan and price, and its end. Those become a trial and
//! a paid period ([`Contract`]). Invoices and intervals are periods already, and are put in order when all of them are read.

mod chargebee;
mod chartmogul;
mod recurly;
mod stripe;

use std::collections::BTreeMap;
use std::io::Read;

use serde::Serialize;

use chartmogul::end_trials;
use stripe::{Invoice, of_invoices};

use super::read::{Fields, OwnColumns};
use super::{EndReason, Period, Row, SubscriptionOptions};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{BadRowReason, RecordReader, RowError, Text, header};
use crate::objects::names;

/// A system whose export of subscriptions is read by its documented columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionPreset {
    /// Stripe, the export of subscriptions.
    Stripe,
    /// Stripe, the export of invoices: one period for each paid invoice. Terms are known when they start.
    StripeInvoices,
    /// Recurly, the exports "subscriptions" and "churned subscriptions".
    Recurly,
    /// Recurly, the export "subscriptions history", with every change of the plan.
    RecurlyHistory,
    /// Chargebee, the export of subscriptions.
    Chargebee,
    /// ChartMogul, the MRR intervals.
    Chartmogul,
}

names! { SubscriptionPreset { Stripe, StripeInvoices, Recurly, RecurlyHistory, Chargebee, Chartmogul } }

impl SubscriptionPreset {
    /// All presets.
    pub const ALL: [SubscriptionPreset; 6] = [
        SubscriptionPreset::Stripe,
        SubscriptionPreset::StripeInvoices,
        SubscriptionPreset::Recurly,
        SubscriptionPreset::RecurlyHistory,
        SubscriptionPreset::Chargebee,
        SubscriptionPreset::Chartmogul,
    ];

    /// The preset whose export a CSV file is, by its header; none if its columns are those of no known export. If they are those of
    /// [`Subscriptions::from_csv`](super::Subscriptions::from_csv) without a preset, there is none either.
    ///
    /// # Errors
    /// `empty_file`, `not_utf8`, `record_too_long`, `invalid_parameter`, `io`.
    pub fn of_csv(reader: impl Read, options: &SubscriptionOptions) -> Result<Option<Self>> {
        let text = Text::new(reader, options.encoding.as_deref())?;
        let names = header(&mut RecordReader::new(text, options.delimiter, options.skip_lines)?)?;
        let is_own = OwnColumns::find(&names, &options.columns).is_ok();
        Ok(if is_own { None } else { SubscriptionPreset::of_columns(&names) })
    }

    /// The preset whose export has these columns; none if they are those of no known export.
    pub fn of_columns(names: &[String]) -> Option<Self> {
        SubscriptionPreset::ALL.into_iter().find(|preset| Export::new(*preset, names).is_ok())
    }

    /// The name as it is written in settings.
    pub fn name(self) -> &'static str {
        match self {
            SubscriptionPreset::Stripe => "stripe",
            SubscriptionPreset::StripeInvoices => "stripe_invoices",
            SubscriptionPreset::Recurly => "recurly",
            SubscriptionPreset::RecurlyHistory => "recurly_history",
            SubscriptionPreset::Chargebee => "chargebee",
            SubscriptionPreset::Chartmogul => "chartmogul",
        }
    }
}

type Refusable<T> = std::result::Result<T, RowError>;

/// How the rows of a file become periods.
#[derive(Default)]
pub(super) enum Layout {
    Own(OwnColumns),
    Export(Export),
    /// After the last row.
    #[default]
    Done,
}

impl Layout {
    pub(super) fn new(names: &[String], options: &SubscriptionOptions) -> Result<Self> {
        match options.preset {
            None => OwnColumns::find(names, &options.columns).map(Layout::Own).map_err(|error| {
                match SubscriptionPreset::of_columns(names) {
                    Some(preset) if error.kind() == ErrorKind::MissingColumn => {
                        let message = format!(
                            "{}. These are the columns of an export that preset = {:?} reads",
                            error.to_string().trim_end_matches('.'),
                            preset.name()
                        );
                        Error::new(ErrorKind::MissingColumn, message).at_line(1)
                    }
                    _ => error,
                }
            }),
            Some(preset) => Export::new(preset, names).map(Layout::Export),
        }
    }

    /// The periods of a row; none for an invoice, whose period comes when all rows are read.
    pub(super) fn periods(&mut self, line: u64, fields: &Fields<'_, '_>) -> Refusable<Option<Vec<Period>>> {
        match self {
            Layout::Own(columns) => Ok(Some(vec![columns.period(fields)?])),
            Layout::Export(export) => export.periods(line, fields),
            Layout::Done => Ok(None),
        }
    }

    /// Puts the periods in order after the last row.
    pub(super) fn finish(self, rows: &mut Vec<Row>) {
        match self {
            Layout::Export(Export { preset: SubscriptionPreset::StripeInvoices, invoices, .. }) => {
                of_invoices(invoices, rows);
            }
            Layout::Export(Export { preset: SubscriptionPreset::Chartmogul, .. }) => end_trials(rows),
            Layout::Export(export) if export.bills_by_plan() => export.to_months(rows),
            _ => (),
        }
    }
}

/// An export of a system.
pub(super) struct Export {
    preset: SubscriptionPreset,
    names: Vec<String>,
    /// The currency of the rows so far.
    currency: Option<String>,
    invoices: Vec<Invoice>,
    /// The billing periods of the running subscriptions of each plan, where the export gives a price without its period.
    intervals: BTreeMap<Option<String>, BTreeMap<(Unit, i32), u64>>,
}

/// A unit of billing periods.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// The price of `count` units as an amount per month. A year has 12 months, 52 weeks and 365 days.
    fn per_month(self, price: f64, count: f64) -> f64 {
        match self {
            Unit::Day => price * 365.0 / (12.0 * count),
            Unit::Week => price * 52.0 / (12.0 * count),
            Unit::Month => price / count,
            Unit::Year => price / (12.0 * count),
        }
    }

    fn of(text: &str) -> Option<Unit> {
        match text.to_ascii_lowercase().trim_end_matches('s') {
            "day" => Some(Unit::Day),
            "week" => Some(Unit::Week),
            "month" => Some(Unit::Month),
            "year" => Some(Unit::Year),
            _ => None,
        }
    }

    /// The length of a billing period of whole months or weeks. Who subscribed on the 31st is billed on the last day of shorter
    /// months, so either day may be cut.
    fn between(start: Day, end: Day) -> Option<(Unit, i32)> {
        let ((from_year, from_month, from), (to_year, to_month, to)) = (start.ymd(), end.ymd());
        let months = (to_year - from_year) * 12 + to_month as i32 - from_month as i32;
        let is_last = |day: Day| day.plus(1).ymd().2 == 1;
        let fits = from == to || (is_last(end) && from > to) || (is_last(start) && to > from);
        let days = end.number() - start.number();
        match (months >= 1 && fits, days > 0 && days % 7 == 0) {
            (true, _) => Some((Unit::Month, months)),
            (_, true) => Some((Unit::Week, days / 7)),
            _ => None,
        }
    }
}

/// A subscription with its trial, its current price and its end.
struct Contract {
    customer: String,
    subscription: Option<String>,
    plan: Option<String>,
    start: Day,
    end: Option<Day>,
    known_at: Option<Day>,
    reason: Option<EndReason>,
    amount: Option<f64>,
    trial: (Option<Day>, Option<Day>),
    is_in_trial: bool,
}

impl Contract {
    /// The trial and the paid period. A trial that is not over has no paid period, because it would start in the future.
    fn periods(self) -> Vec<Period> {
        let period = |start, end, trial| Period {
            customer_id: self.customer.clone(),
            start_date: start,
            end_date: end,
            subscription_id: self.subscription.clone(),
            plan: self.plan.clone(),
            amount: None,
            known_at: None,
            end_reason: None,
            trial,
        };
        let known_at = self.known_at.filter(|_| self.end.is_some());
        let mut periods = Vec::new();
        let mut start = self.start;
        if let Some(trial_end) = self.trial.1 {
            let begin = self.trial.0.unwrap_or(start);
            // What was paid before the trial.
            if begin > start {
                periods.push(Period { amount: self.amount, ..period(start, Some(begin), false) });
            }
            if self.end.is_some_and(|end| end <= trial_end) {
                let reason = Some(EndReason::TrialNotConverted);
                periods.push(Period { known_at, end_reason: reason, ..period(begin, self.end, true) });
                return periods;
            }
            if self.is_in_trial {
                periods.push(period(begin, None, true));
                return periods;
            }
            periods.push(period(begin, Some(trial_end), true));
            start = trial_end;
        }
        let end_reason = self.reason.filter(|_| self.end.is_some());
        periods.push(Period { amount: self.amount, known_at, end_reason, ..period(start, self.end, false) });
        periods
    }
}

fn refuse(message: String) -> RowError {
    (BadRowReason::InvalidPeriod, message)
}

impl Export {
    fn new(preset: SubscriptionPreset, names: &[String]) -> Result<Self> {
        let export =
            Export { preset, names: names.to_vec(), currency: None, invoices: Vec::new(), intervals: BTreeMap::new() };
        let needed: &[&[&str]] = match preset {
            SubscriptionPreset::Stripe => {
                // Exports of payments have these columns too, but no plan.
                &[
                    &["id"],
                    &["Customer ID"],
                    &["Plan", "Plan price ID", "Product"],
                    &["Status"],
                    &["Start Date (UTC)", "Created (UTC)"],
                ]
            }
            SubscriptionPreset::StripeInvoices => &[
                &["Customer", "Customer ID"],
                &["Subscription"],
                &["Status"],
                &["Total"],
                &["Date (UTC)"],
                &["Minimum Line Item Period Start (UTC)"],
                &["Maximum Line Item Period End (UTC)"],
            ],
            SubscriptionPreset::Recurly => {
                &[&["account_code"], &["uuid"], &["state"], &["activated_at"], &["expires_at"]]
            }
            SubscriptionPreset::RecurlyHistory => {
                &[&["account_code"], &["subscription_uuid"], &["subscription_state"], &["version_started_at"]]
            }
            SubscriptionPreset::Chargebee => &[
                &["customers.id", "subscriptions.customer_id", "customer_id"],
                &["subscriptions.id", "id"],
                &["subscriptions.status", "status"],
                &["subscriptions.started_at", "started_at"],
                &["subscriptions.cancelled_at", "cancelled_at"],
            ],
            SubscriptionPreset::Chartmogul => {
                &[&["CUSTOMER_UUID"], &["SUBSCRIPTION_UUID"], &["MRR"], &["START_DATE"], &["END_DATE"], &["IS_TRIAL"]]
            }
        };
        for names in needed {
            if export.at(names).is_none() {
                let message = format!(
                    "no column {:?}, which the export of this preset has; the header has {}",
                    names[0],
                    export.names.iter().take(30).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
                );
                return Err(Error::new(ErrorKind::MissingColumn, message).at_line(1));
            }
        }
        Ok(export)
    }

    /// The position of the first of these columns that is there.
    fn at(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| {
            let is_exact = |column: &String| column == name;
            let is_alike = |column: &String| column.eq_ignore_ascii_case(name);
            self.names.iter().position(is_exact).or_else(|| self.names.iter().position(is_alike))
        })
    }

    fn text(&self, fields: &Fields<'_, '_>, names: &[&str]) -> Refusable<Option<String>> {
        fields.owned(self.at(names), names[0])
    }

    /// The day that is written. The name of a time zone behind the time is the same in all rows, and is not looked at.
    fn day(&self, fields: &Fields<'_, '_>, names: &[&str]) -> Refusable<Option<Day>> {
        let Some(text) = fields.text(self.at(names), names[0])? else { return Ok(None) };
        let zone = text.rsplit_once(' ').filter(|(_, zone)| zone.bytes().all(|byte| byte.is_ascii_uppercase()));
        fields.day_of(zone.map_or(text, |(time, _)| time), names[0]).map(Some)
    }

    fn number(&self, fields: &Fields<'_, '_>, names: &[&str]) -> Refusable<Option<f64>> {
        fields.number(self.at(names), names[0])
    }

    fn is_true(&self, fields: &Fields<'_, '_>, names: &[&str]) -> Refusable<bool> {
        let text = self.text(fields, names)?;
        Ok(text.is_some_and(|text| ["true", "y", "yes", "1"].iter().any(|word| text.eq_ignore_ascii_case(word))))
    }

    fn customer(&self, fields: &Fields<'_, '_>, names: &[&str]) -> Refusable<String> {
        fields.customer(self.at(names).unwrap_or_default())
    }

    fn start(&self, fields: &Fields<'_, '_>, names: &[&str]) -> Refusable<Day> {
        let missing = || (BadRowReason::InvalidDate, format!("{} is empty; expected a date", names[0]));
        self.day(fields, names)?.ok_or_else(missing)
    }

    /// The amount per month of a price for `count` units. None without one of them.
    fn monthly(
        &self,
        fields: &Fields<'_, '_>,
        price: Option<f64>,
        unit: &[&str],
        count: &[&str],
    ) -> Refusable<Option<f64>> {
        let (Some(price), Some(unit_text)) = (price, self.text(fields, unit)?) else { return Ok(None) };
        let count = self.number(fields, count)?.unwrap_or(1.0);
        match Unit::of(&unit_text) {
            Some(unit) if count > 0.0 => Ok(Some(unit.per_month(price, count))),
            _ => Err(refuse(format!("{} is {unit_text:?} × {count}; expected day, week, month or year", unit[0]))),
        }
    }

    /// True if prices are those of a billing period that the export does not name.
    fn bills_by_plan(&self) -> bool {
        match self.preset {
            SubscriptionPreset::Recurly => true,
            SubscriptionPreset::Chargebee => self.at(&["subscriptions.billing_period", "billing_period"]).is_none(),
            _ => false,
        }
    }

    /// Notes the billing period of a running subscription.
    fn note_interval(&mut self, plan: Option<String>, (start, end): (Option<Day>, Option<Day>)) {
        if let (Some(start), Some(end)) = (start, end)
            && let Some(interval) = Unit::between(start, end)
        {
            *self.intervals.entry(plan).or_default().entry(interval).or_default() += 1;
        }
    }

    /// Brings prices to a month by the most frequent billing period of the plan's running subscriptions. The last billing period of one
    /// that has ended may be cut short: an amount that is derived from it would tell who has left. Without a running subscription of
    /// the plan nobody has an amount.
    fn to_months(&self, rows: &mut [Row]) {
        for Row { period, .. } in rows {
            let intervals = self.intervals.get(&period.plan);
            let usual = intervals
                .and_then(|of| of.iter().max_by_key(|&(interval, count)| (*count, std::cmp::Reverse(*interval))));
            period.amount =
                period.amount.zip(usual).map(|(price, (&(unit, count), _))| unit.per_month(price, f64::from(count)));
        }
    }

    /// Refuses a second currency.
    fn check_currency(&mut self, fields: &Fields<'_, '_>, names: &[&str]) -> Refusable<()> {
        let Some(found) = self.text(fields, names)?.map(|text| text.to_ascii_uppercase()) else { return Ok(()) };
        let first = self.currency.get_or_insert_with(|| found.clone());
        match *first == found {
            true => Ok(()),
            false => Err(refuse(format!(
                "the currency is {found}, that of the rows before {first}: amounts of different currencies cannot be added"
            ))),
        }
    }

    fn periods(&mut self, line: u64, fields: &Fields<'_, '_>) -> Refusable<Option<Vec<Period>>> {
        let periods = match self.preset {
            SubscriptionPreset::Stripe => self.stripe(fields),
            SubscriptionPreset::StripeInvoices => return self.stripe_invoice(line, fields),
            SubscriptionPreset::Recurly => self.recurly(fields),
            SubscriptionPreset::RecurlyHistory => self.recurly_version(fields),
            SubscriptionPreset::Chargebee => self.chargebee(fields),
            SubscriptionPreset::Chartmogul => self.chartmogul(fields),
        };
        periods.map(Some)
    }
}
