//! ChartMogul: the MRR intervals.

use std::collections::BTreeMap;

use super::super::read::Fields;
use super::super::{EndReason, Period, Row};
use super::{Export, Refusable};
use crate::day::Day;

impl Export {
    /// An interval is a period, in hundredths of the amount per month.
    pub(super) fn chartmogul(&mut self, fields: &Fields<'_, '_>) -> Refusable<Vec<Period>> {
        let trial = self.is_true(fields, &["IS_TRIAL"])?;
        // ChartMogul counts nobody without revenue; a fall to a free plan would never be churn.
        if !trial && self.is_true(fields, &["IS_FREE"])? {
            return Ok(Vec::new());
        }
        self.check_currency(fields, &["CURRENCY"])?;
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
}

/// Gives the trials of ChartMogul their reasons. A trial has not converted if no paid interval of its subscription follows. One that
/// ends later than the last start of the file may still convert, so its end is taken away.
pub(super) fn end_trials(rows: &mut [Row]) {
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
