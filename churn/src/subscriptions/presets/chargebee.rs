//! Chargebee: the export of subscriptions.

use super::super::read::Fields;
use super::super::{EndReason, Period};
use super::{Contract, Export, Refusable, refuse};

/// A column of Chargebee, whose exports by the API have the prefix.
macro_rules! both {
    ($name:literal) => {
        [concat!("subscriptions.", $name), $name]
    };
}

impl Export {
    pub(super) fn chargebee(&mut self, fields: &Fields<'_, '_>) -> Refusable<Vec<Period>> {
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
                _ => fields.given_reason(&text).unwrap_or(EndReason::Other),
            },
        };
        let quantity = self.number(fields, &both!("plan_quantity"))?.unwrap_or(1.0);
        let price = self.number(fields, &both!("plan_unit_price"))?.map(|price| price * quantity);
        let amount = match self.bills_by_plan() {
            true => {
                if status != "cancelled" && status != "in trial" {
                    self.note_interval(self.text(fields, &both!("plan_id"))?, term);
                }
                price
            }
            false => self.monthly(fields, price, &both!("billing_period_unit"), &both!("billing_period"))?,
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
}
