//! Recurly: the exports of subscriptions, of churned ones, and of their history.

use super::super::read::Fields;
use super::super::{EndReason, Period};
use super::{Contract, Export, Refusable, refuse};

impl Export {
    pub(super) fn recurly(&mut self, fields: &Fields<'_, '_>) -> Refusable<Vec<Period>> {
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
        // The current period of a trial has another length, and that of an ended subscription may be cut short.
        if state != "expired" && begin != trial.0 {
            self.note_interval(self.text(fields, &["plan_code"])?, (begin, until));
        }
        let amount = self.number(fields, &["total_recurring_amount"])?;
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
    pub(super) fn recurly_version(&mut self, fields: &Fields<'_, '_>) -> Refusable<Vec<Period>> {
        let state = self.text(fields, &["subscription_state"])?.unwrap_or_default().to_ascii_lowercase();
        if ["expired", "future", "pending", "failed"].contains(&state.as_str()) {
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
}
