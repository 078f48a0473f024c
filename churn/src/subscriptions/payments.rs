//! Periods from a log of payments, for those who have nothing else.

use super::{EndsKnown, Period, Subscriptions};
use crate::error::{Result, invalid_parameter};
use crate::events::Events;

/// Mean length of a month in days.
const DAYS_OF_A_MONTH: f64 = 30.4375;

impl Subscriptions {
    /// Takes each payment of a log for a fixed term of `term_days` days, 1 to 3650: a period that begins on the day of the payment, or at
    /// the end of the term before if that was paid in advance. The amount per month is that of the payment, divided by the months
    /// of the term. Events with an amount of 0 or less, such as refunds, are no payments; those without an amount are payments of an
    /// unknown one. Ends are known at the start. The last day is that of the last event; a term that begins later is left out. A customer who pays late is not gone for `allowed_gap_days`.
    ///
    /// ```
    /// use churn::{Events, ReadOptions, Subscriptions};
    /// // Worked by hand: terms of 30 days. Anna pays two days early, so her second term begins when the first ends.
    /// let csv = "customer_id,event_date,amount\nanna,2024-01-01,30\nanna,2024-01-29,30\nbert,2024-01-01,30\nbert,2024-02-05,-30\n";
    /// let payments = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
    /// let subscriptions = Subscriptions::from_payments(&payments, 30)?;
    /// let periods: Vec<_> = subscriptions.periods().collect();
    /// assert_eq!(periods.len(), 3);
    /// assert_eq!(periods[1].start_date.to_string(), "2024-01-31");
    /// assert_eq!(periods[1].amount, Some(30.4375));
    /// # Ok::<(), churn::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_parameter`; `no_good_rows` if no event is a payment.
    pub fn from_payments(payments: &Events, term_days: i32) -> Result<Subscriptions> {
        if !(1..=3650).contains(&term_days) {
            return Err(invalid_parameter("term_days", term_days, "1 to 3650 days"));
        }
        let mut periods: Vec<Period> = Vec::new();
        for (customer, day, amount, _) in payments.iter().filter(|event| event.2.is_none_or(|amount| amount > 0.0)) {
            let paid_until = periods.last().filter(|last| last.customer_id == customer).and_then(|last| last.end_date);
            let start = paid_until.map_or(day, |until| until.max(day));
            periods.push(Period {
                customer_id: customer.to_owned(),
                start_date: start,
                end_date: Some(start.plus(term_days)),
                subscription_id: None,
                plan: None,
                amount: amount.map(|amount| amount * (DAYS_OF_A_MONTH / f64::from(term_days))),
                known_at: None,
                end_reason: None,
                trial: false,
            });
        }
        Subscriptions::from_periods(periods, EndsKnown::AtStart, Some(payments.last_day()))
    }
}
