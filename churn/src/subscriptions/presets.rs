//! The exports of known systems: how a row of their documented columns becomes periods.
//!
//! Most exports have one row for each subscription, with its trial, its current plan and price, and its end. Those become a trial and
//! a paid period ([`Contract`]). Invoices and intervals are periods already, and are put in order when all of them are read.

use std::collections::BTreeMap;

use serde::Serialize;

use super::read::{Fields, OwnColumns};
use super::{EndReason, Period, Row, SubscriptionOptions};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{BadRowReason, RowError};
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
                let fits = |preset: &SubscriptionPreset| Export::new(*preset, names).is_ok();
                match SubscriptionPreset::ALL.iter().find(|preset| fits(preset)) {
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

    /// Puts the periods in order after the last row. Returns the number of kept rows that became no period.
    pub(super) fn finish(self, rows: &mut Vec<Row>) -> u64 {
        match self {
            Layout::Export(Export { preset: SubscriptionPreset::StripeInvoices, invoices, .. }) => {
                let unpaid = invoices.iter().filter(|invoice| !invoice.is_paid).count() as u64;
                of_invoices(invoices, rows);
                return unpaid;
            }
            Layout::Export(Export { preset: SubscriptionPreset::Chartmogul, .. }) => end_trials(rows),
            _ => (),
        }
        0
    }
}

/// A column of Chargebee, whose exports by the API have the prefix.
macro_rules! both {
    ($name:literal) => {
        [concat!("subscriptions.", $name), $name]
    };
}

/// An export of a system.
pub(super) struct Export {
    preset: SubscriptionPreset,
    names: Vec<String>,
    /// The currency of the rows so far.
    currency: Option<String>,
    invoices: Vec<Invoice>,
}

/// A unit of billing periods.
#[derive(Clone, Copy)]
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
    fn between(start: Day, end: Day) -> Option<(Unit, f64)> {
        let ((from_year, from_month, from), (to_year, to_month, to)) = (start.ymd(), end.ymd());
        let months = (to_year - from_year) * 12 + to_month as i32 - from_month as i32;
        let is_last = |day: Day| day.plus(1).ymd().2 == 1;
        let fits = from == to || (is_last(end) && from > to) || (is_last(start) && to > from);
        let days = end.number() - start.number();
        match (months >= 1 && fits, days > 0 && days % 7 == 0) {
            (true, _) => Some((Unit::Month, f64::from(months))),
            (_, true) => Some((Unit::Week, f64::from(days / 7))),
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
            if self.end.is_some_and(|end| end <= trial_end) {
                let reason = Some(EndReason::TrialNotConverted);
                return vec![Period { known_at, end_reason: reason, ..period(begin, self.end, true) }];
            }
            if self.is_in_trial {
                return vec![period(begin, None, true)];
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
        let export = Export { preset, names: names.to_vec(), currency: None, invoices: Vec::new() };
        let needed: &[&[&str]] = match preset {
            SubscriptionPreset::Stripe => {
                &[&["id"], &["Customer ID"], &["Status"], &["Start Date (UTC)", "Created (UTC)"]]
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

    fn stripe(&mut self, fields: &Fields<'_, '_>) -> Refusable<Vec<Period>> {
        let status = self.text(fields, &["Status"])?.unwrap_or_default().to_ascii_lowercase();
        match status.as_str() {
            // The first payment failed, so it never began.
            "incomplete" | "incomplete_expired" => return Ok(Vec::new()),
            "trialing" | "active" | "past_due" | "unpaid" | "paused" | "canceled" => (),
            _ => return Err(refuse(format!("Status is {status:?}; expected active, canceled, trialing, …"))),
        }
        self.check_currency(fields, &["Currency"])?;
        // Not `Start (UTC)`, which is the last change of the items or of the status.
        let start = self.start(fields, &["Start Date (UTC)", "Created (UTC)"])?;
        let canceled = self.day(fields, &["Canceled At (UTC)"])?;
        let trial = (self.day(fields, &["Trial Start (UTC)"])?, self.day(fields, &["Trial End (UTC)"])?);
        let end = match self.day(fields, &["Ended At (UTC)"])? {
            Some(ended) => Some(ended),
            None if status == "canceled" => canceled,
            // A trial without a way of paying ends in a pause.
            None if status == "paused" => trial.1,
            None if canceled.is_some() || self.is_true(fields, &["Cancel At Period End"])? => {
                self.day(fields, &["Current Period End (UTC)"])?
            }
            None => None,
        };
        let price = self.number(fields, &["Amount"])?;
        let quantity = self.number(fields, &["Quantity"])?.unwrap_or(1.0);
        let price = price.map(|price| price * quantity);
        let known = [
            ("cancellation_requested", EndReason::Voluntary),
            ("payment_failed", EndReason::Involuntary),
            ("payment_disputed", EndReason::Involuntary),
        ];
        let contract = Contract {
            customer: self.customer(fields, &["Customer ID"])?,
            subscription: self.text(fields, &["id"])?,
            plan: self.text(fields, &["Plan", "Plan price ID", "Product"])?,
            start,
            end,
            known_at: canceled,
            reason: fields.reason(self.at(&["Cancellation Reason"]), "Cancellation Reason", &known)?,
            amount: self.monthly(fields, price, &["Interval"], &["Interval Count"])?,
            trial,
            is_in_trial: status == "trialing",
        };
        Ok(contract.periods())
    }

    fn recurly(&mut self, fields: &Fields<'_, '_>) -> Refusable<Vec<Period>> {
        let state = self.text(fields, &["state"])?.unwrap_or_default().to_ascii_lowercase();
        match state.as_str() {
            "future" | "pending" | "failed" => return Ok(Vec::new()),
            "active" | "canceled" | "expired" | "paused" | "trial" | "in_trial" | "live" | "past_due" => (),
            _ => return Err(refuse(format!("state is {state:?}; expected active, canceled, expired, …"))),
        }
        self.check_currency(fields, &["currency"])?;
        let (canceled, end) = (self.day(fields, &["canceled_at"])?, self.day(fields, &["expires_at"])?);
        let trial = (self.day(fields, &["trial_started_at"])?, self.day(fields, &["trial_ends_at"])?);
        let (begin, until) =
            (self.day(fields, &["current_period_started_at"])?, self.day(fields, &["current_period_ends_at"])?);
        let is_trial_running = trial.1.is_some() && begin == trial.0 && state != "expired";
        // The export does not say how long a billing period is, but the current one has days. That of a trial has another
        // length, and one that was cut short by the end has lost it.
        let amount = match (self.number(fields, &["total_recurring_amount"])?, begin, until) {
            (Some(price), Some(begin), Some(until)) if Some(begin) != trial.0 => match Unit::between(begin, until) {
                Some((unit, count)) => Some(unit.per_month(price, count)),
                None if state != "expired" && until > begin => {
                    Some(Unit::Day.per_month(price, f64::from(until.number() - begin.number())))
                }
                None => None,
            },
            _ => None,
        };
        let known = [
            ("Canceled", EndReason::Voluntary),
            ("Non-payment", EndReason::Involuntary),
            ("nonpayment", EndReason::Involuntary),
            ("Tax Location Invalid", EndReason::Involuntary),
            ("tax_location_invalid", EndReason::Involuntary),
            ("Fixed billing cycles", EndReason::Other),
            ("Nonpayment_gift", EndReason::Other),
            ("Account_closed", EndReason::Other),
            ("Nonpayment_trial", EndReason::TrialNotConverted),
        ];
        let given = fields.reason(self.at(&["expiration_reason"]), "expiration_reason", &known)?;
        // Without a reason: who cancelled before the end wanted it. On the same day it may be either.
        let asked = canceled.zip(end).is_some_and(|(canceled, end)| canceled < end);
        let contract = Contract {
            customer: self.customer(fields, &["account_code"])?,
            subscription: self.text(fields, &["uuid"])?,
            plan: self.text(fields, &["plan_code"])?,
            start: self.start(fields, &["activated_at"])?,
            end,
            known_at: canceled,
            reason: given.or_else(|| asked.then_some(EndReason::Voluntary)),
            amount,
            trial,
            is_in_trial: is_trial_running,
        };
        Ok(contract.periods())
    }

    /// A version of a subscription is a period. A version in the state canceled says since when the end is known.
    fn recurly_version(&mut self, fields: &Fields<'_, '_>) -> Refusable<Vec<Period>> {
        let state = self.text(fields, &["subscription_state"])?.unwrap_or_default().to_ascii_lowercase();
        if state == "expired" {
            return Ok(Vec::new());
        }
        self.check_currency(fields, &["subscription_currency"])?;
        let start = self.start(fields, &["version_started_at"])?;
        let mut end = self.day(fields, &["version_ended_at"])?;
        let trial = self.is_true(fields, &["version_in_trial"])?;
        let (mut known_at, mut end_reason) = (None, None);
        if state == "canceled" {
            end = match end {
                Some(end) => Some(end),
                None => self.day(fields, &["subscription_expires_at"])?,
            };
            known_at = end.map(|_| start);
            let reason = if trial { EndReason::TrialNotConverted } else { EndReason::Voluntary };
            end_reason = end.map(|_| reason);
        }
        let price = self.number(fields, &["version_total_recurring_amount"])?;
        let (unit, count) = (["version_plan_interval_unit"], ["version_plan_interval_length"]);
        let amount = self.monthly(fields, price, &unit, &count)?.filter(|_| !trial);
        Ok(vec![Period {
            customer_id: self.customer(fields, &["account_code"])?,
            start_date: start,
            end_date: end,
            subscription_id: self.text(fields, &["subscription_uuid"])?,
            plan: self.text(fields, &["plan_code"])?,
            amount,
            known_at,
            end_reason,
            trial,
        }])
    }

    fn chargebee(&mut self, fields: &Fields<'_, '_>) -> Refusable<Vec<Period>> {
        let status = self.text(fields, &both!("status"))?.unwrap_or_default().to_ascii_lowercase().replace('_', " ");
        match status.as_str() {
            "future" | "transferred" => return Ok(Vec::new()),
            "active" | "in trial" | "non renewing" | "cancelled" | "paused" => (),
            _ => return Err(refuse(format!("status is {status:?}; expected active, cancelled, non renewing, …"))),
        }
        self.check_currency(fields, &both!("currency_code"))?;
        // `cancelled_at` is when it ended or will end, not when somebody asked for it.
        let mut end = self.day(fields, &both!("cancelled_at"))?;
        let mut known_at = self.day(fields, &both!("cancel_schedule_created_at"))?;
        let term = (self.day(fields, &both!("current_term_start"))?, self.day(fields, &both!("current_term_end"))?);
        if status == "non renewing" {
            end = end.or(term.1);
            // It was known at the latest when the row was last written. If that is not known either, the period runs on.
            known_at = match known_at {
                Some(known_at) => Some(known_at),
                None => self.day(fields, &both!("updated_at"))?,
            };
            end = end.filter(|_| known_at.is_some());
        }
        let by_system = self.text(fields, &both!("cancel_reason"))?;
        let reason = match by_system.or(self.text(fields, &both!("cancel_reason_code"))?) {
            None => EndReason::Voluntary,
            Some(text) => match text.to_ascii_lowercase().replace([' ', '-'], "_").as_str() {
                "not_paid" | "no_card" => EndReason::Involuntary,
                "fraud_review_failed"
                | "non_compliant_eu_customer"
                | "non_compliant_customer"
                | "tax_calculation_failed"
                | "currency_incompatible_with_gateway" => EndReason::Other,
                _ => fields.given_reason(&text).unwrap_or(EndReason::Voluntary),
            },
        };
        let quantity = self.number(fields, &both!("plan_quantity"))?.unwrap_or(1.0);
        let price = self.number(fields, &both!("plan_unit_price"))?.map(|price| price * quantity);
        let amount = match (price, self.text(fields, &both!("billing_period"))?, term) {
            (price, Some(_), _) => {
                self.monthly(fields, price, &both!("billing_period_unit"), &both!("billing_period"))?
            }
            (Some(price), None, (Some(start), Some(end))) => {
                Unit::between(start, end).map(|(unit, count)| unit.per_month(price, count))
            }
            _ => None,
        };
        let contract = Contract {
            customer: self.customer(fields, &["customers.id", "subscriptions.customer_id", "customer_id"])?,
            subscription: self.text(fields, &both!("id"))?,
            plan: self.text(fields, &both!("plan_id"))?,
            start: self.start(fields, &both!("started_at"))?,
            end,
            known_at,
            reason: Some(reason),
            amount,
            trial: (self.day(fields, &both!("trial_start"))?, self.day(fields, &both!("trial_end"))?),
            is_in_trial: status == "in trial",
        };
        Ok(contract.periods())
    }

    /// An interval is a period, in hundredths of the amount per month.
    fn chartmogul(&mut self, fields: &Fields<'_, '_>) -> Refusable<Vec<Period>> {
        let trial = self.is_true(fields, &["IS_TRIAL"])?;
        // ChartMogul counts nobody without revenue; a fall to a free plan would never be churn.
        if !trial && self.is_true(fields, &["IS_FREE"])? {
            return Ok(Vec::new());
        }
        Ok(vec![Period {
            customer_id: self.customer(fields, &["CUSTOMER_UUID"])?,
            start_date: self.start(fields, &["START_DATE"])?,
            end_date: self.day(fields, &["END_DATE"])?,
            subscription_id: self.text(fields, &["SUBSCRIPTION_UUID"])?,
            plan: self.text(fields, &["PLAN_UUID"])?,
            amount: self.number(fields, &["MRR"])?.map(|hundredths| hundredths / 100.0).filter(|_| !trial),
            known_at: None,
            end_reason: None,
            trial,
        }])
    }

    /// Keeps an invoice. Returns no periods for one that pays for nothing.
    fn stripe_invoice(&mut self, line: u64, fields: &Fields<'_, '_>) -> Refusable<Option<Vec<Period>>> {
        let Some(subscription) = self.text(fields, &["Subscription"])? else { return Ok(Some(Vec::new())) };
        let status = self.text(fields, &["Status"])?.unwrap_or_default().to_ascii_lowercase();
        let is_paid = match status.as_str() {
            "paid" => true,
            "uncollectible" => false,
            // Not billed yet, or taken back.
            "draft" | "open" | "void" => return Ok(Some(Vec::new())),
            _ => return Err(refuse(format!("Status is {status:?}; expected paid, open, uncollectible, …"))),
        };
        self.check_currency(fields, &["Currency"])?;
        let (start, end) = (
            self.start(fields, &["Minimum Line Item Period Start (UTC)"])?,
            self.start(fields, &["Maximum Line Item Period End (UTC)"])?,
        );
        if end < start {
            return Err(refuse(format!("the line items end on {end}, before they start on {start}")));
        }
        let total = self.number(fields, &["Total"])?.unwrap_or_default();
        let tax = match self.at(&["Tax"]) {
            Some(_) => self.number(fields, &["Tax"])?.unwrap_or_default(),
            None => {
                self.number(fields, &["Exclusive Tax Amount"])?.unwrap_or_default()
                    + self.number(fields, &["Inclusive Tax Amount"])?.unwrap_or_default()
            }
        };
        let customer = self.customer(fields, &["Customer", "Customer ID"])?;
        let dated = self.start(fields, &["Date (UTC)"])?;
        let subtotal = self.number(fields, &["Subtotal"])?;
        // A credit, or a line of no days.
        if total < tax || end == start {
            return Ok(Some(Vec::new()));
        }
        let net = total - tax;
        let amount = match Unit::between(start, end) {
            Some((unit, count)) => unit.per_month(net, count),
            None => Unit::Day.per_month(net, f64::from(end.number() - start.number())),
        };
        // A full discount leaves a subtotal, a trial does not.
        let is_free = subtotal == Some(0.0);
        self.invoices.push(Invoice { line, customer, subscription, start, end, dated, amount, is_paid, is_free });
        Ok(None)
    }
}

/// An invoice of a subscription.
struct Invoice {
    line: u64,
    customer: String,
    subscription: String,
    start: Day,
    end: Day,
    dated: Day,
    amount: f64,
    is_paid: bool,
    is_free: bool,
}

/// The periods of invoices: one for each that was paid.
fn of_invoices(invoices: Vec<Invoice>, rows: &mut Vec<Row>) {
    let last = invoices.iter().map(|invoice| invoice.dated).max();
    let mut of: BTreeMap<(String, String), Vec<Invoice>> = BTreeMap::new();
    for invoice in invoices {
        of.entry((invoice.customer.clone(), invoice.subscription.clone())).or_default().push(invoice);
    }
    for ((customer, subscription), mut invoices) in of {
        invoices.sort_by_key(|invoice| (invoice.start, invoice.end, invoice.line));
        let paid: Vec<&Invoice> = invoices.iter().filter(|invoice| invoice.is_paid).collect();
        let first = rows.len();
        for (at, invoice) in paid.iter().enumerate() {
            let trial = at == 0 && invoice.is_free;
            let period = Period {
                customer_id: customer.clone(),
                start_date: invoice.start,
                end_date: Some(invoice.end),
                subscription_id: Some(subscription.clone()),
                plan: None,
                amount: (!trial).then_some(invoice.amount),
                known_at: None,
                end_reason: None,
                trial,
            };
            add_invoice(Row { line: invoice.line, period }, first, rows);
        }
        let Some(Row { period: ending, .. }) = rows[first..].last_mut() else { continue };
        let end = ending.end_date.expect("an invoice has a term");
        let is_given_up = invoices.iter().any(|invoice| !invoice.is_paid && invoice.start == end);
        ending.end_reason = match (ending.trial && Some(end) <= last, is_given_up) {
            (true, _) => Some(EndReason::TrialNotConverted),
            (false, true) => Some(EndReason::Involuntary),
            (false, false) => None,
        };
    }
}

/// Adds the period of an invoice; the rows from `first` on are of the same subscription. An invoice inside the term before it
/// is the difference for a change of the plan, so the rest of the term costs both; one that begins inside and ends later replaces the
/// rest.
fn add_invoice(row: Row, first: usize, rows: &mut Vec<Row>) {
    let (start, end) = (row.period.start_date, row.period.end_date);
    if let Some(before) = rows[first..].last_mut()
        && before.period.end_date > Some(start)
    {
        let until = before.period.end_date;
        before.period.end_date = Some(start);
        if end <= until {
            let sum = before.period.amount.unwrap_or_default() + row.period.amount.unwrap_or_default();
            let rest = Period { end_date: until, amount: Some(sum), ..row.period };
            rows.push(Row { line: row.line, period: rest });
            return;
        }
    }
    rows.push(row);
}

/// Gives the trials of ChartMogul their reasons. A trial has not converted if no paid interval of its subscription follows. One that
/// ends later than the last start of the file may still convert, so its end is taken away.
fn end_trials(rows: &mut [Row]) {
    let last = rows.iter().map(|row| row.period.start_date).max();
    let mut paid: BTreeMap<Option<String>, Day> = BTreeMap::new();
    for Row { period, .. } in rows.iter().filter(|row| !row.period.trial) {
        let latest = paid.entry(period.subscription_id.clone()).or_insert(period.start_date);
        *latest = (*latest).max(period.start_date);
    }
    for Row { period, .. } in rows.iter_mut().filter(|row| row.period.trial) {
        let Some(end) = period.end_date else { continue };
        if Some(end) > last {
            period.end_date = None;
        } else if paid.get(&period.subscription_id).is_none_or(|&paid| paid < end) {
            period.end_reason = Some(EndReason::TrialNotConverted);
        }
    }
}
