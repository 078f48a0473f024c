//! The customers on a day: their status, the amounts they pay, and the list of those who have already cancelled.

use serde::Serialize;

use super::features::amount_on;
use super::known::Known;
use super::{SubscriptionStatus, Subscriptions};
use crate::day::Day;
use crate::error::Result;
use crate::features::Fixed;

/// A customer who has already cancelled, but whose subscription still runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CancelledCustomer {
    /// The customer.
    pub customer_id: String,
    /// The first day without a period.
    pub end_date: Day,
    /// The amount per month; none if no running period has one.
    pub amount: Option<f64>,
}

/// The customers of subscriptions on a day, by what was known on it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CustomerBase {
    /// The day.
    pub as_of: Day,
    /// Number of active customers.
    pub active: u64,
    /// Number of customers whose periods are all cancelled but still run.
    pub already_cancelled: u64,
    /// Number of the other customers whose first period had started.
    pub not_active: u64,
    /// Amount per month of the active customers: the exact sum, rounded once.
    pub active_amount: f64,
    /// Amount per month of those who have already cancelled.
    pub already_cancelled_amount: f64,
    /// The customers who have already cancelled, in byte order of their ids. Nobody needs to find out whether they leave, so they
    /// belong on no list of customers to contact, but on one of their own.
    #[serde(skip)]
    pub cancelled: Vec<CancelledCustomer>,
    /// The running customers with an amount, in byte order of their ids.
    #[serde(skip)]
    amounts: Vec<(String, f64)>,
}

impl CustomerBase {
    /// Returns the amount per month of a customer: the exact sum over the running periods. None if no running period has an
    /// amount.
    pub fn amount(&self, customer_id: &str) -> Option<f64> {
        let at = self.amounts.binary_search_by(|(id, _)| id.as_str().cmp(customer_id)).ok()?;
        Some(self.amounts[at].1)
    }
}

impl Subscriptions {
    /// Counts the customers by their status on a day, with the amounts they pay, and lists those who have already cancelled.
    ///
    /// ```
    /// use churn::{SubscriptionOptions, Subscriptions};
    /// let csv = "customer_id,start_date,end_date,amount,known_at\n\
    ///     anna,2024-01-01,,20,\nbert,2024-01-01,2024-04-01,10,2024-03-10\ncarl,2024-01-01,2024-02-01,5,\n";
    /// let subscriptions = Subscriptions::from_csv(csv.as_bytes(), &SubscriptionOptions::default())?;
    /// let base = subscriptions.customer_base("2024-03-10".parse()?)?;
    /// assert_eq!((base.active, base.already_cancelled, base.not_active), (1, 1, 1));
    /// assert_eq!((base.active_amount, base.cancelled[0].end_date.to_string()), (20.0, "2024-04-01".to_owned()));
    /// # Ok::<(), churn::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_parameter` for a day before the data, or more than 31 days after it.
    pub fn customer_base(&self, as_of: Day) -> Result<CustomerBase> {
        self.check_day(as_of)?;
        let history = self.known_at(as_of);
        let day = as_of.number();
        let mut base = CustomerBase {
            as_of,
            active: 0,
            already_cancelled: 0,
            not_active: 0,
            active_amount: 0.0,
            already_cancelled_amount: 0.0,
            cancelled: Vec::new(),
            amounts: Vec::new(),
        };
        let (mut active, mut cancelled) = (Fixed::default(), Fixed::default());
        let mut periods: Vec<Known> = Vec::new();
        for (customer, status) in history.started() {
            periods.clear();
            periods.extend(history.known(customer));
            let id = self.ids.get(customer);
            let amount = amount_on(&periods, day);
            base.amounts.extend(amount.map(|amount| (id.to_owned(), amount.value())));
            match status {
                SubscriptionStatus::Active => {
                    base.active += 1;
                    active = active.plus(amount.unwrap_or_default());
                }
                SubscriptionStatus::AlreadyCancelled => {
                    base.already_cancelled += 1;
                    cancelled = cancelled.plus(amount.unwrap_or_default());
                    let end = periods.iter().filter(|period| !period.is_trial && !period.end.is_none());
                    let end = end.map(|period| period.end.0).max().expect("a cancelled period has an end");
                    base.cancelled.push(CancelledCustomer {
                        customer_id: id.to_owned(),
                        end_date: Day::new(end).expect("days of periods are days"),
                        amount: amount.map(Fixed::value),
                    });
                }
                SubscriptionStatus::NotActive => base.not_active += 1,
            }
        }
        (base.active_amount, base.already_cancelled_amount) = (active.value(), cancelled.value());
        Ok(base)
    }
}
