//! The customers that a definition of churn speaks of at a day, and the count of the others.
//!
//! A model learns from the customers that its definition labels: by default those with an event in the 365 days before the
//! cutoff. About anybody else it knows nothing, so `predict`, `explain`, segments, lists, clusters and the report take the
//! covered customers and count the rest. [`LabelConfig::covers`] is the only place that decides.
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

/// The number of customers of a day that a definition covers, and of those it leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Customers that the definition would label at that day.
    pub covered: u64,
    /// Customers left out because their last event lies too long before the day (`active_within_days`).
    pub inactive: u64,
}

objects! { Coverage { covered, inactive } }

impl Coverage {
    /// All customers seen by the day.
    pub fn customers(&self) -> u64 {
        self.covered + self.inactive
    }
}

impl LabelConfig {
    /// Tells if the definition covers, at the end of a day, a customer whose last event by then was on `last_event`: if such a
    /// customer would be labelled at a cutoff on that day. The label rules `inactivity` and `provided` cover everybody.
    pub fn covers(&self, last_event: Day, as_of: Day) -> bool {
        let days_since = i64::from(as_of.number()) - i64::from(last_event.number());
        match (self.labels, self.active_within_days) {
            (LabelKind::OutcomeWindow, Some(within)) => days_since < i64::from(within),
            (LabelKind::OutcomeWindow, None) | (LabelKind::Inactivity | LabelKind::Provided, _) => true,
        }
    }

    /// A sentence on a customer who is not covered; none for one who is.
    pub(crate) fn not_covered(&self, last_event: Day, as_of: Day) -> Option<String> {
        let within = self.active_within_days.filter(|_| !self.covers(last_event, as_of))?;
        Some(format!(
            "The last event is of {last_event}. The model has learned from customers with an event in the last {within} days \
             and knows nothing about customers who have been away for longer, so this probability is a guess."
        ))
    }

    /// The error where nobody is left to score.
    pub(crate) fn nobody_covered(&self, left_out: u64, as_of: Day) -> Error {
        let within = self.active_within_days.unwrap_or_default();
        let message = format!(
            "none of the {left_out} customers had an event in the {within} days before {as_of}, and the model knows nothing \
             about others; include_inactive = true scores them all the same"
        );
        Error::new(ErrorKind::NoCustomers, message)
    }
}
