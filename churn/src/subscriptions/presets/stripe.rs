//! Stripe: the exports of subscriptions and of invoices.

use std::collections::BTreeMap;

use super::super::read::Fields;
use super::super::{EndReason, Period, Row};
use super::{Contract, Export, Refusable, Unit, refuse};
use crate::day::Day;

impl Export {
    pub(super) fn stripe(&mut self, fields: &Fields<'_, '_>) -> Refusable<Vec<Period>> {
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

    /// Keeps an invoice. Returns no periods for one that pays for nothing.
    pub(super) fn stripe_invoice(&mut self, line: u64, fields: &Fields<'_, '_>) -> Refusable<Option<Vec<Period>>> {
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
            Some((unit, count)) => unit.per_month(net, f64::from(count)),
            None => Unit::Day.per_month(net, f64::from(end.number() - start.number())),
        };
        // A full discount leaves a subtotal, a trial does not.
        let is_free = subtotal == Some(0.0);
        self.invoices.push(Invoice { line, customer, subscription, start, end, dated, amount, is_paid, is_free });
        Ok(None)
    }
}

/// An invoice of a subscription.
pub(super) struct Invoice {
    line: u64,
    customer: String,
    subscription: String,
    start: Day,
    end: Day,
    dated: Day,
    amount: f64,
    pub(super) is_paid: bool,
    is_free: bool,
}

/// The periods of invoices: one for each that was paid.
pub(super) fn of_invoices(invoices: Vec<Invoice>, rows: &mut Vec<Row>) {
    let last = invoices.iter().map(|invoice| invoice.dated).max();
    let mut of: BTreeMap<(String, String), Vec<Invoice>> = BTreeMap::new();
    for invoice in invoices {
        of.entry((invoice.customer.clone(), invoice.subscription.clone())).or_default().push(invoice);
    }
    for ((customer, subscription), mut invoices) in of {
        invoices.sort_by_key(|invoice| (invoice.start, invoice.end, invoice.line));
        let paid: Vec<&Invoice> = invoices.iter().filter(|invoice| invoice.is_paid).collect();
        let first = rows.len();
        let mut paid_until = None;
        for (at, invoice) in paid.iter().enumerate() {
            let trial = at == 0 && invoice.is_free;
            let period = Period {
                customer_id: customer.clone(),
                start_date: invoice.start,
                end_date: Some(invoice.end),
                subscription_id: None,
                plan: None,
                amount: (!trial).then_some(invoice.amount),
                known_at: None,
                end_reason: None,
                trial,
            };
            // A change of the plan within a term is an invoice of its own for the difference, with its credit. Both are paid for, and
            // nobody knew of the second before it came, so it is a period beside the first.
            let subscription_id = match paid_until > Some(invoice.start) {
                true => format!("{subscription} ({at})"),
                false => subscription.clone(),
            };
            paid_until = paid_until.max(Some(invoice.end));
            let period = Period { subscription_id: Some(subscription_id), ..period };
            rows.push(Row { line: invoice.line, period });
        }
        let Some(Row { period: ending, .. }) = rows[first..].iter_mut().max_by_key(|row| row.period.end_date) else {
            continue;
        };
        let end = ending.end_date.expect("an invoice has a term");
        let is_given_up = invoices.iter().any(|invoice| !invoice.is_paid && invoice.start == end);
        ending.end_reason = match (ending.trial && Some(end) <= last, is_given_up) {
            (true, _) => Some(EndReason::TrialNotConverted),
            (false, true) => Some(EndReason::Involuntary),
            (false, false) => None,
        };
    }
}
