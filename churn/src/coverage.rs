//! The customers that a definition of churn covers on a day, and the number of the others.
//!
//! A model learns from the customers that its definition labels: by default the customers with an event in the 365 days
//! before the cutoff. It knows nothing about other customers. So `predict`, `explain`, segments, lists, clusters and the
//! report use the covered customers and count the rest. [`LabelConfig::covers`] is the only place that decides.
//!
//! Worked by hand: with `active_within_days` 365, a customer last seen on 2024-01-01 is covered on 2024-12-30, 364 days
//! later, and no longer on 2024-12-31, 365 days later (2024 has a 29 February).
//!
//! ```
//! use churn::LabelConfig;
//! let definition = LabelConfig::default();
//! assert!(definition.covers("2024-01-01".parse()?, "2024-12-30".parse()?));
//! assert!(!definition.covers("2024-01-01".parse()?, "2024-12-31".parse()?));
//! # Ok::<(), churn::Error>(())
//! ```

use serde::Serialize;

use crate::day::Day;
use crate::error::{Error, ErrorKind};
use crate::labels::{LabelConfig, LabelKind};
use crate::objects::objects;

/// The number of customers that a definition covers on a day, and the number that it leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Customers that the definition would label on that day.
    pub covered: u64,
    /// Customers left out because their last event lies too long before the day (`active_within_days`).
    pub inactive: u64,
    /// Subscriptions: customers left out because no paid period covers the day.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_active: u64,
    /// Subscriptions: customers left out because they have cancelled, though they are still there.
    #[serde(skip_serializing_if = "is_zero")]
    pub already_cancelled: u64,
    /// Subscriptions: active customers left out because their next renewal is not due yet (`before_renewal_days`).
    #[serde(skip_serializing_if = "is_zero")]
    pub not_due: u64,
}

objects! { Coverage { covered, inactive, not_active = 0, already_cancelled = 0, not_due = 0 } }

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Coverage {
    /// Number of all customers seen by the day.
    pub fn customers(&self) -> u64 {
        self.covered + self.inactive + self.not_active + self.already_cancelled + self.not_due
    }
}

impl LabelConfig {
    /// Returns true if the definition covers, at the end of `as_of`, a customer whose last event so far was on `last_event`. So
    /// a cutoff on that day would label the customer. The label rules `inactivity` and `provided` cover every customer.
    pub fn covers(&self, last_event: Day, as_of: Day) -> bool {
        let days_since = i64::from(as_of.number()) - i64::from(last_event.number());
        match (self.labels, self.active_within_days) {
            (LabelKind::OutcomeWindow, Some(within)) => days_since < i64::from(within),
            (LabelKind::OutcomeWindow, None) => true,
            // For subscriptions, the periods decide.
            (LabelKind::Inactivity | LabelKind::Provided | LabelKind::SubscriptionEnd, _) => true,
        }
    }

    /// Returns a sentence for a customer who is not covered; none for a covered one.
    pub(crate) fn not_covered(&self, last_event: Day, as_of: Day) -> Option<String> {
        let within = self.active_within_days.filter(|_| !self.covers(last_event, as_of))?;
        Some(format!(
            "The last event is of {last_event}. The model has learned from customers with an event in the last {within} days \
             and knows nothing about customers who have been away for longer, so this probability is a guess."
        ))
    }

    /// The error for data without a covered customer.
    pub(crate) fn nobody_covered(&self, left_out: u64, as_of: Day) -> Error {
        if self.labels == LabelKind::SubscriptionEnd {
            let message = format!(
                "all of the {left_out} customers with a running subscription at {as_of} have already cancelled"
            );
            return Error::new(ErrorKind::NoCustomers, message);
        }
        let within = self.active_within_days.unwrap_or_default();
        let message = format!(
            "none of the {left_out} customers had an event in the {within} days before {as_of}, and the model knows nothing \
             about others; include_inactive = true scores them all the same"
        );
        Error::new(ErrorKind::NoCustomers, message)
    }
}
