//! Merging of rows into events: finds the rows of an event, adds up their amounts, and counts similar rows.
//!
//! Amounts are decimals in the source, so they are added as decimals. If every amount of an event is the double nearest to a
//! decimal of up to eight places, these decimals are added, and their exact sum is rounded to a double once. So 0.10 and 0.20
//! give the same double as "0.30". (In the invoices of a real shop, with lines in pence, the sum of doubles is another double
//! for one invoice in fifteen.) If any amount is not such a decimal, for example 1/3, the doubles themselves are added, each
//! rounded to a multiple of 2^-55, as for features. Both are sums of integers, so the order of the rows does not matter.

use serde::Serialize;

use super::rows::NO_TYPE;
use super::{Day, quote_for_message};
use crate::error::{Error, ErrorKind, Result};
use crate::objects::names;

/// The rows that are merged into one event without sharing an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// No rows: a row without an order id is an event by itself.
    #[default]
    None,
    /// The rows of a customer that share their day and event type, even if their orders differ.
    Day,
}

names! { Merge { None, Day } }

/// The unit of an event: the rows of the source that are one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventUnit {
    /// A row. The log has no order ids.
    #[default]
    Row,
    /// The rows of an order that share their customer, day and event type. A row without an order id is an event by itself.
    Order,
    /// The rows that share their customer, day and event type.
    Day,
}

names! { EventUnit { Row, Order, Day } }

impl EventUnit {
    /// The name as it is written in files and responses.
    pub fn name(self) -> &'static str {
        match self {
            EventUnit::Row => "row",
            EventUnit::Order => "order",
            EventUnit::Day => "day",
        }
    }

    pub(crate) fn is_row(&self) -> bool {
        *self == EventUnit::Row
    }
}

/// The exact sum of the amounts of an event, which may have no amount.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AmountSum {
    /// The sum as a decimal in units of 10^-8, in which 2^60 amounts fit. [`NOTHING`] as long as there is no amount, [`NONE`]
    /// after an amount that is not a decimal.
    decimals: i128,
    /// The sum of the doubles in units of 2^-55, in which 2^32 amounts fit.
    doubles: i128,
}

const NOTHING: i128 = i128::MIN;
const NONE: i128 = i128::MAX;
const DOUBLE: f64 = (1u64 << 55) as f64;

/// The scales at which a decimal is searched, each with the value of its last place in units of 10^-8. Hundredths come
/// first, because most amounts are hundredths.
static SCALES: [(f64, i128); 3] = [(1e2, 1_000_000), (1e4, 10_000), (1e8, 1)];

impl Default for AmountSum {
    fn default() -> Self {
        AmountSum { decimals: NOTHING, doubles: 0 }
    }
}

impl AmountSum {
    /// Adds an amount; NaN stands for no amount.
    pub(crate) fn add(&mut self, amount: f64) {
        if !amount.is_nan() {
            let doubles = (amount * DOUBLE).round_ties_even() as i128;
            self.merge(AmountSum { decimals: decimal(amount).unwrap_or(NONE), doubles });
        }
    }

    pub(crate) fn merge(&mut self, other: AmountSum) {
        self.doubles += other.doubles;
        self.decimals = match (self.decimals, other.decimals) {
            (NOTHING, decimals) | (decimals, NOTHING) => decimals,
            (NONE, _) | (_, NONE) => NONE,
            (ours, theirs) => ours + theirs,
        };
    }

    /// Returns the sum, NaN without an amount; `Err` with the sum if it is out of range.
    pub(crate) fn value(self) -> std::result::Result<f64, f64> {
        if self.decimals == NOTHING {
            return Ok(f64::NAN);
        }
        if self.decimals == NONE {
            return super::checked_amount(self.doubles as f64 / DOUBLE);
        }
        // Up to 2^53, both parts of the quotient are exact doubles, so the quotient is rounded once.
        const EXACT: u128 = 1 << 53;
        let exact =
            SCALES.iter().find(|(_, unit)| self.decimals % unit == 0 && (self.decimals / unit).unsigned_abs() <= EXACT);
        let &(scale, unit) = exact.unwrap_or(&SCALES[2]);
        super::checked_amount((self.decimals / unit) as f64 / scale)
    }
}

/// Returns the decimal of up to eight places whose nearest double this is, in units of 10^-8; none if there is none.
fn decimal(amount: f64) -> Option<i128> {
    /// Below this limit the error of the product with the scale is less than a half, so rounding finds the decimal if there is
    /// one.
    const MOST: f64 = 1e15;
    SCALES.iter().find_map(|&(scale, unit)| {
        let whole = (amount * scale + 0.5f64.copysign(amount)) as i64;
        let is_it = (whole as f64).abs() <= MOST && whole as f64 / scale == amount;
        is_it.then_some(i128::from(whole) * unit)
    })
}

/// The error for an event whose sum is out of range.
pub(crate) fn too_large(customer: &str, day: i32, sum: f64) -> Error {
    let day = Day::new(day).expect("days of events are days");
    let message = format!(
        "the rows of customer {} that are one event on {day} have amounts that add up to {sum}, which is not within ±10^12",
        quote_for_message(customer.as_bytes())
    );
    Error::new(ErrorKind::BadRows, message)
}

/// The number of a row's order within its customer's shard. Without orders it is a type of size 0.
pub(super) trait OrderKey: Copy + Ord + Send + Sync + Default {
    /// Creates it from a number; 0 is a row without an order.
    fn of(number: u32) -> Self;

    fn is_order(self) -> bool;
}

impl OrderKey for () {
    fn of(_: u32) {}

    fn is_order(self) -> bool {
        false
    }
}

impl OrderKey for u32 {
    fn of(number: u32) -> u32 {
        number
    }

    fn is_order(self) -> bool {
        self != 0
    }
}

/// A row of a customer, in sixteen bytes if the log has no orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct MergeRow<O> {
    pub(super) day: i32,
    pub(super) event_type: u16,
    pub(super) order: O,
    /// NaN if there is no amount.
    pub(super) amount: f64,
}

impl<O: OrderKey> Default for MergeRow<O> {
    fn default() -> Self {
        MergeRow { day: 0, event_type: NO_TYPE, order: O::default(), amount: 0.0 }
    }
}

impl<O: OrderKey> MergeRow<O> {
    /// The day and the type as one number with the same order.
    #[inline(always)]
    fn day_and_type(&self) -> i64 {
        i64::from(self.day) << 16 | i64::from(self.event_type)
    }

    #[inline(always)]
    fn shares_day(&self, other: &MergeRow<O>) -> bool {
        self.day_and_type() == other.day_and_type()
    }
}

/// Counts of the rows that are similar to another row of their customer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct DuplicateCounts {
    /// Number of rows that share their day and event type.
    pub(super) sharing_day: u64,
    /// Number of rows that share everything.
    pub(super) duplicate: u64,
}

impl DuplicateCounts {
    pub(super) fn plus(self, other: DuplicateCounts) -> DuplicateCounts {
        DuplicateCounts {
            sharing_day: self.sharing_day + other.sharing_day,
            duplicate: self.duplicate + other.duplicate,
        }
    }
}

/// Sorts the rows of one customer by all columns, and counts similar rows.
pub(super) fn sort<O: OrderKey>(rows: &mut [MergeRow<O>], counts: &mut DuplicateCounts) {
    rows.sort_unstable_by(|a, b| {
        let days = a.day_and_type().cmp(&b.day_and_type());
        days.then_with(|| a.order.cmp(&b.order)).then_with(|| a.amount.total_cmp(&b.amount))
    });
    // Counts each row that is like the one before it, and the first row of each run, without a branch.
    let (mut day_before, mut all_before) = (false, false);
    for pair in rows.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        let same_day = a.shares_day(b);
        let same_all = same_day && a.order == b.order && a.amount.to_bits() == b.amount.to_bits();
        counts.sharing_day += u64::from(same_day) + u64::from(same_day & !day_before);
        counts.duplicate += u64::from(same_all) + u64::from(same_all & !all_before);
        (day_before, all_before) = (same_day, same_all);
    }
}

/// Merges the rows of each event in place, for the sorted rows of one customer. Returns the number of rows that are left, which
/// are in canonical order; `Err` with the day and the sum of an event whose sum is out of range.
pub(super) fn merge<O: OrderKey>(rows: &mut [MergeRow<O>], by_day: bool) -> std::result::Result<usize, (i32, f64)> {
    let (mut kept, mut from) = (0, 0);
    while from < rows.len() {
        let mut event = rows[from];
        let mut to = from + 1;
        if by_day || event.order.is_order() {
            let same = |row: &MergeRow<O>| event.shares_day(row) && (by_day || event.order == row.order);
            to += rows[to..].iter().take_while(|row| same(row)).count();
            event.amount = sum(rows[from..to].iter().map(|row| row.amount)).map_err(|sum| (event.day, sum))?;
        }
        rows[kept] = event;
        (kept, from) = (kept + 1, to);
    }
    // Sorted again, because the numbers of orders depend on the order of the file, and the result must not.
    rows[..kept]
        .sort_unstable_by(|a, b| a.day_and_type().cmp(&b.day_and_type()).then_with(|| a.amount.total_cmp(&b.amount)));
    Ok(kept)
}

/// Returns the amount of an event with these amounts; `Err` with the sum if it is out of range.
pub(crate) fn sum(amounts: impl Iterator<Item = f64>) -> std::result::Result<f64, f64> {
    let mut sum = AmountSum::default();
    amounts.for_each(|amount| sum.add(amount));
    sum.value()
}

/// Returns an error for settings that name two units of an event.
pub(super) fn check(order_id: Option<&str>, merge: Merge) -> Result<()> {
    match (order_id, merge) {
        (Some(name), Merge::Day) if !name.is_empty() => Err(crate::error::invalid_parameter(
            "merge",
            "\"day\" beside columns.order_id",
            "one of the two: orders are parts of days",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::MAX_AMOUNT;

    fn total(amounts: &[f64]) -> f64 {
        sum(amounts.iter().copied()).expect("an amount")
    }

    #[test]
    fn decimals_add_up_as_decimals() {
        // Doubles would give 0.30000000000000004 and 0.7999999999999999.
        assert_eq!(total(&[0.1, 0.2]), 0.3);
        assert_eq!(total(&[0.1; 8]), 0.8);
        assert_eq!(total(&[12.75, -12.75]).to_bits(), 0.0f64.to_bits());
        // Eight places, and five places among hundredths.
        assert_eq!(total(&[0.000_000_01, 0.000_000_02]), 0.000_000_03);
        assert_eq!(total(&[1.005, 2.10, 0.000_25]), 3.105_25);
        assert_eq!(total(&[1e12, -0.01]), 999_999_999_999.99);
        assert!(total(&[f64::NAN]).is_nan() && total(&[]).is_nan());
        assert_eq!(total(&[f64::NAN, 5.0]), 5.0);
        // Not decimals: twice 1/3 is 2/3, rounded to 2^-55 as for features.
        assert_eq!(total(&[1.0 / 3.0, 1.0 / 3.0]), 2.0 / 3.0);
        assert_eq!(total(&[1.0 / 3.0, 0.5]), 1.0 / 3.0 + 0.5);
        // Next to an amount that is not a decimal, the others count as doubles too: 6 · 2.55 in doubles is not a decimal, and
        // the double of 0.1 is a little more than 0.1.
        assert_eq!(total(&[6.0 * 2.55, 0.1]), 6.0 * 2.55 + 0.1);
        assert_eq!(sum([1e12, 1e12].into_iter()), Err(2e12));
    }

    #[test]
    fn one_amount_stays_what_it_is() {
        let mut random = crate::random::Random::new(11, 0);
        for places in [0, 1, 2, 3, 4, 6, 8] {
            for _ in 0..20_000 {
                let digits = random.below(1_000_000_000) as f64;
                let text = format!("{:.places$}", digits / 10f64.powi(places as i32));
                let amount: f64 = text.parse().expect("a number");
                assert_eq!(total(&[amount]).to_bits(), amount.to_bits(), "{text}");
            }
        }
    }

    /// Compares with sums of integer hundredths, converted to text and parsed.
    #[test]
    fn sums_of_hundredths_are_the_doubles_of_their_texts() {
        let mut random = crate::random::Random::new(12, 0);
        for _ in 0..5_000 {
            let cents: Vec<i64> = (0..1 + random.below(90)).map(|_| random.below(200_000) as i64 - 40_000).collect();
            let amounts: Vec<f64> = cents.iter().map(|&cents| text(cents).parse().expect("a number")).collect();
            let expected: f64 = text(cents.iter().sum()).parse().expect("a number");
            let mut parts = [AmountSum::default(), AmountSum::default()];
            amounts.iter().enumerate().for_each(|(i, &amount)| parts[i % 2].add(amount));
            let [mut both, other] = parts;
            both.merge(other);
            // There is one zero only.
            assert_eq!(total(&amounts).to_bits(), (expected + 0.0).to_bits());
            assert_eq!(both.value().expect("an amount").to_bits(), (expected + 0.0).to_bits());
        }
        fn text(cents: i64) -> String {
            format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
        }
    }

    #[test]
    fn rows_without_orders_are_small() {
        assert_eq!(size_of::<MergeRow<()>>(), 16);
        const { assert!(MAX_AMOUNT * 1e8 < (1u128 << 67) as f64) };
    }
}
