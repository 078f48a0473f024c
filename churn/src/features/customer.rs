//! The features of one customer, straight from their transactions: what a service computes at every request.

use super::registry::{self, Compute, View};
use super::state::{Behavior, Clock, Rfm};
use super::{FeatureConfig, Scales, Windows};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Customer, MAX_EVENT_TYPES, bad_row, checked_amount, too_many_types};
use crate::order;
use crate::scratch::with_buffer;

/// A fitted configuration, prepared once.
pub(crate) struct CustomerFeatures {
    windows: Windows,
    scales: Scales,
    behavioral: bool,
    /// The event types with a column of their own in byte order, and which of the columns each has.
    types: Vec<(String, usize)>,
    features: Vec<Compute>,
}

impl CustomerFeatures {
    pub(crate) fn new(fitted: &FeatureConfig) -> Self {
        let listed = fitted.event_type_columns.as_deref().unwrap_or(&[]);
        let mut types: Vec<(String, usize)> = listed.iter().cloned().zip(0..).collect();
        order::sort(&mut types);
        let features = registry::features(fitted.feature_set, &fitted.windows, listed);
        CustomerFeatures {
            windows: fitted.windows,
            scales: fitted.scales.expect("a fitted configuration has scales"),
            behavioral: fitted.counts_types(),
            types,
            features: features.into_iter().map(|feature| feature.compute).collect(),
        }
    }

    /// The number of features.
    pub(crate) fn len(&self) -> usize {
        self.features.len()
    }

    /// Writes the features of a customer at the end of a day: the bits, and the errors, of a log that holds nobody else.
    pub(crate) fn fill(&self, customer: &Customer, as_of: Day, row: &mut [f64]) -> Result<()> {
        check_types(customer)?;
        let clock = Clock::new(as_of, self.windows);
        let (mut rfm, mut behavior) = (Rfm::default(), Behavior::default());
        with_buffer(self.types.len() + 1, 0u32, |types| {
            for (i, transaction) in customer.transactions.iter().enumerate() {
                let bad = |message| Err(bad_row(i as u64 + 1, message));
                if customer.customer_id.is_empty() {
                    return bad("customer_id is empty");
                }
                let Ok(amount) = transaction.amount.map_or(Ok(f64::NAN), checked_amount) else {
                    return bad("amount is not a number within ±10^12");
                };
                let day = transaction.event_date.number();
                if day > clock.as_of {
                    continue;
                }
                rfm.add(&clock, day, amount);
                if self.behavioral {
                    behavior.add(&clock, day, amount);
                    let count = &mut types[self.slot(transaction.event_type.as_deref().unwrap_or(""))];
                    *count = count.saturating_add(1);
                }
            }
            if customer.transactions.is_empty() {
                return Err(Error::new(ErrorKind::NoGoodRows, "there is no row"));
            }
            if rfm.events == 0 {
                let message = format!("customer {:?} has no event on or before {as_of}", customer.customer_id);
                return Err(Error::new(ErrorKind::NoCustomers, message));
            }
            let view = View { clock: &clock, rfm: &rfm, behavior: &behavior, types, scales: self.scales };
            row.iter_mut().zip(&self.features).for_each(|(value, compute)| *value = compute(&view));
            Ok(())
        })
    }

    /// The count of a type: that of its column, or the one after them.
    fn slot(&self, event_type: &str) -> usize {
        let found = self.types.binary_search_by(|(name, _)| name.as_str().cmp(event_type));
        found.map_or(self.types.len(), |at| self.types[at].1)
    }
}

/// Refuses what a log refuses: event types that are some id.
fn check_types(customer: &Customer) -> Result<()> {
    if customer.transactions.len() <= MAX_EVENT_TYPES {
        return Ok(());
    }
    let types = customer.transactions.iter().filter_map(|transaction| transaction.event_type.as_deref());
    let mut types: Vec<&str> = types.filter(|name| !name.is_empty()).collect();
    order::sort(&mut types);
    types.dedup();
    if types.len() > MAX_EVENT_TYPES { Err(too_many_types()) } else { Ok(()) }
}
