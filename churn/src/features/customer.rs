//! The features of one customer, computed directly from the transactions, as a service does for every request.

use super::registry::{self, Compute, View};
use super::state::{Behavior, Clock, Rfm};
use super::{FeatureConfig, Scales, Windows};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{
    Customer, EventUnit, MAX_EVENT_TYPES, Transaction, bad_row, checked_amount, sum, too_large, too_many_types,
};
use crate::order;
use crate::scratch::with_buffer;

/// A fitted configuration, prepared once for computing the features of many customers.
pub(crate) struct CustomerFeatures {
    windows: Windows,
    scales: Scales,
    behavioral: bool,
    /// The event types that have their own column, in byte order, each with the index of its column.
    types: Vec<(String, usize)>,
    features: Vec<Compute>,
    /// The unit of an event in the training log of the model.
    unit: EventUnit,
}

/// An event of a customer: the day, the type, and the amount, which is NaN if there is none.
type EventTuple<'a> = (i32, &'a str, f64);

impl CustomerFeatures {
    pub(crate) fn new(fitted: &FeatureConfig, unit: EventUnit) -> Self {
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
            unit,
        }
    }

    /// The number of features.
    pub(crate) fn len(&self) -> usize {
        self.features.len()
    }

    /// Writes the features of a customer at the end of a day. Values and errors are the same as for a log of this customer
    /// alone. Lines of an order are one event; if an event of the training log was a day, so are the rows of a day.
    pub(crate) fn fill(&self, customer: &Customer, as_of: Day, row: &mut [f64]) -> Result<()> {
        check_types(customer)?;
        let clock = Clock::new(as_of, self.windows);
        let (mut rfm, mut behavior) = (Rfm::default(), Behavior::default());
        with_buffer(self.types.len() + 1, 0u32, |types| {
            let mut add = |(day, event_type, amount): EventTuple<'_>| {
                rfm.add(&clock, day, amount);
                if self.behavioral {
                    behavior.add(&clock, day, amount);
                    let count = &mut types[self.slot(event_type)];
                    *count = count.saturating_add(1);
                }
            };
            let by_day = self.unit == EventUnit::Day;
            let mut lines: Vec<(&str, EventTuple<'_>)> = Vec::new();
            for (i, transaction) in customer.transactions.iter().enumerate() {
                let bad = |message| Err(bad_row(i as u64 + 1, message));
                if customer.customer_id.is_empty() {
                    return bad("customer_id is empty");
                }
                let Ok(amount) = transaction.amount.map_or(Ok(f64::NAN), checked_amount) else {
                    return bad("amount is not a number within ±10^12");
                };
                let Transaction { event_date, event_type, order_id, .. } = transaction;
                let day = event_date.number();
                let event = (day, event_type.as_deref().unwrap_or(""), amount);
                match order_id.as_deref().filter(|order| !order.is_empty() && !by_day) {
                    None if !by_day && day <= clock.as_of => add(event),
                    None if !by_day => (),
                    // Events after as_of are summed too: a log refuses a sum that is out of range on any day.
                    order => lines.push((order.unwrap_or(""), event)),
                }
            }
            crate::order::sort_by(&mut lines, |a, b| key(a).cmp(&key(b)));
            for event in lines.chunk_by(|a, b| key(a) == key(b)) {
                let (_, (day, event_type, _)) = event[0];
                let amount = sum(event.iter().map(|&(_, (_, _, amount))| amount))
                    .map_err(|sum| too_large(&customer.customer_id, day, sum))?;
                if day <= clock.as_of {
                    add((day, event_type, amount));
                }
            }
            if customer.transactions.is_empty() {
                return Err(Error::new(ErrorKind::NoGoodRows, "there is no row"));
            }
            if rfm.events == 0 {
                let message = format!("customer {:?} has no event on or before {as_of}", customer.customer_id);
                return Err(Error::new(ErrorKind::NoCustomers, message));
            }
            let view = View { clock: &clock, rfm: &rfm, behavior: &behavior, types, scales: Some(self.scales) };
            row.iter_mut().zip(&self.features).for_each(|(value, compute)| *value = compute(&view));
            Ok(())
        })
    }

    /// The index of the counter of a type: that of its column, or the one after all columns for other types.
    fn slot(&self, event_type: &str) -> usize {
        let found = self.types.binary_search_by(|(name, _)| name.as_str().cmp(event_type));
        found.map_or(self.types.len(), |at| self.types[at].1)
    }
}

/// The key that the lines of one event have in common.
fn key<'a>(&(order, (day, event_type, _)): &(&'a str, EventTuple<'a>)) -> (i32, &'a str, &'a str) {
    (day, event_type, order)
}

/// Returns an error for too many distinct event types, as a log does: the column must be some id.
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
