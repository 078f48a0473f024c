//! Events whose rows are still being read. In one pass over the data, the rows of an order may be anywhere.
//!
//! The features of an event (its count, a refund, the largest amount) depend on the sum of its amounts. So it is counted after
//! the last row has been read. Until then an event is stored under the key of its rows, in 48 bytes, and each order by its
//! id. With the free room of hash tables that is about 100 bytes per event of an order, and 80 per event of a day.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::error::Error;
use crate::events::{AmountSum, EventUnit, IdHasher, IdTable, Names, ParsedRows, Texts, too_large};

/// The key that the rows of one event have in common, within the shard of their customer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OpenEventKey {
    pub(super) customer: u32,
    /// The number of the order from 1 on, or [`DAY`].
    order: u32,
    pub(super) day: i32,
    pub(super) event_type: u16,
}

/// The order number of rows that are merged by day.
const DAY: u32 = u32::MAX;

/// The open events of the customers of a shard.
pub(super) struct OpenEvents {
    orders: Names,
    sums: HashMap<OpenEventKey, AmountSum, RandomState>,
    /// Number of rows that were merged into an existing event.
    merged: u64,
}

impl OpenEvents {
    pub(super) fn new(hasher: IdHasher) -> Self {
        OpenEvents { orders: IdTable::new(hasher), sums: HashMap::default(), merged: 0 }
    }

    /// The order number of each row of a shard, in the order of [`ParsedRows::upsert_into`]. It is 0, or the iterator is empty,
    /// for rows that are events by themselves.
    pub(super) fn orders(&mut self, shard: usize, rows: &ParsedRows) -> impl Iterator<Item = u32> + use<> {
        let numbers = rows.orders(shard, &mut self.orders);
        let days = (rows.wants.unit == EventUnit::Day).then_some(DAY);
        numbers.into_iter().chain(days.into_iter().cycle())
    }

    pub(super) fn add(&mut self, customer: u32, order: u32, day: i32, event_type: u16, amount: f64) {
        let known = self.sums.len();
        self.sums.entry(OpenEventKey { customer, order, day, event_type }).or_default().add(amount);
        self.merged += u64::from(self.sums.len() == known);
    }

    /// Adds an event of another stream. `customer` and `event_type` are the numbers in this stream.
    pub(super) fn merge(
        &mut self,
        theirs: &OpenEvents,
        key: OpenEventKey,
        sum: AmountSum,
        customer: u32,
        event_type: u16,
    ) {
        let order = match key.order {
            DAY => DAY,
            number => self.orders.number(theirs.orders.bytes(number as usize - 1)) + 1,
        };
        self.sums.entry(OpenEventKey { customer, order, event_type, ..key }).or_default().merge(sum);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (OpenEventKey, AmountSum)> {
        self.sums.iter().map(|(&key, &sum)| (key, sum))
    }

    /// Returns the number of rows merged into existing events since the last call.
    pub(super) fn take_merged(&mut self) -> u64 {
        std::mem::take(&mut self.merged)
    }

    /// Returns every event with its amount, in no particular order; `Err` with the sum if it is out of the range of amounts.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (OpenEventKey, Result<f64, f64>)> + use<> {
        self.orders.drop_index();
        std::mem::take(&mut self.sums).into_iter().map(|(key, sum)| (key, sum.value()))
    }
}

/// The customer, the day and the sum of an event whose sum is out of range. The first by customer and day is reported.
pub(super) type TooLarge = (String, i32, f64);

pub(super) fn first_too_large(found: impl Iterator<Item = TooLarge>) -> Option<Error> {
    let before = |a: &TooLarge, b: &TooLarge| (&a.0, a.1).cmp(&(&b.0, b.1)).then_with(|| a.2.total_cmp(&b.2));
    found.min_by(before).map(|(customer, day, sum)| too_large(&customer, day, sum))
}
