//! Events whose rows are still coming in: in one pass the rows of an order may stand anywhere.
//!
//! What an event counts (how often, whether as a refund, what the largest is) hangs on the sum of its amounts, so it is counted
//! when the last row has been read. Until then an event is kept by what its rows share, in 48 bytes, and each order by its id:
//! with the room that tables keep free about 100 bytes an event of an order, 80 one of a day.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::error::Error;
use crate::events::{EventUnit, Names, Rows, Spread, Sum, Table, Texts, too_large};

/// The key that the rows of one event share, within the shard of their customer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) customer: u32,
    /// The number of the order from 1 on, or [`DAY`].
    order: u32,
    pub(super) day: i32,
    pub(super) event_type: u16,
}

/// The order of rows that are one event by their day.
const DAY: u32 = u32::MAX;

/// The events of some of the customers.
pub(super) struct OpenEvents {
    orders: Names,
    sums: HashMap<Key, Sum, RandomState>,
    /// Rows that became part of an event that was there.
    merged: u64,
}

impl OpenEvents {
    pub(super) fn new(spread: Spread) -> Self {
        OpenEvents { orders: Table::new(spread), sums: HashMap::default(), merged: 0 }
    }

    /// The order of each row of a shard, as [`Rows::visit`] comes by them; 0, or nothing, for a row that is an event.
    pub(super) fn orders(&mut self, shard: usize, rows: &Rows) -> impl Iterator<Item = u32> + use<> {
        let numbers = rows.orders(shard, &mut self.orders);
        let days = (rows.wants.unit == EventUnit::Day).then_some(DAY);
        numbers.into_iter().chain(days.into_iter().cycle())
    }

    pub(super) fn add(&mut self, customer: u32, order: u32, day: i32, event_type: u16, amount: f64) {
        let known = self.sums.len();
        self.sums.entry(Key { customer, order, day, event_type }).or_default().add(amount);
        self.merged += u64::from(self.sums.len() == known);
    }

    /// Adds an event of another stream, whose customer and type have these numbers here.
    pub(super) fn merge(&mut self, theirs: &OpenEvents, key: Key, sum: Sum, customer: u32, event_type: u16) {
        let order = match key.order {
            DAY => DAY,
            number => self.orders.number(theirs.orders.bytes(number as usize - 1)) + 1,
        };
        self.sums.entry(Key { customer, order, event_type, ..key }).or_default().merge(sum);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, Sum)> {
        self.sums.iter().map(|(&key, &sum)| (key, sum))
    }

    /// Rows that became part of another's event since this was asked last.
    pub(super) fn take_merged(&mut self) -> u64 {
        std::mem::take(&mut self.merged)
    }

    /// Every event with its amount, in no order; the customer, the day and the sum of one whose sum is no amount.
    pub(super) fn close(&mut self) -> impl Iterator<Item = (Key, Result<f64, f64>)> + use<> {
        self.orders.close();
        std::mem::take(&mut self.sums).into_iter().map(|(key, sum)| (key, sum.value()))
    }
}

/// An event whose rows add up to no amount: the first by customer and day is the error.
pub(super) type TooLarge = (String, i32, f64);

pub(super) fn first_too_large(found: impl Iterator<Item = TooLarge>) -> Option<Error> {
    let before = |a: &TooLarge, b: &TooLarge| (&a.0, a.1).cmp(&(&b.0, b.1)).then_with(|| a.2.total_cmp(&b.2));
    found.min_by(before).map(|(customer, day, sum)| too_large(&customer, day, sum))
}
