//! Movements by month: who and how much was there, came, grew, shrank and left.

use std::cmp::Ordering;

use serde::Serialize;

use super::known::Known;
use super::timeline::{Timeline, compare_amounts};
use super::{NONE, Subscriptions};
use crate::day::Day;
use crate::error::{Result, invalid_parameter};
use crate::features::Fixed;

/// The movements of a month, either as numbers of customers or as amounts per month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MovementValues {
    /// At the end of the month before.
    pub start: f64,
    /// Customers who had never been there before this month.
    pub new: f64,
    /// Customers there at both ends who pay more; the amount is the difference.
    pub expansion: f64,
    /// Customers who are back after more than the allowed gap.
    pub reactivation: f64,
    /// Customers there at both ends who pay less; the amount is the difference.
    pub contraction: f64,
    /// Customers who were there at the end of the month before and are not any more.
    pub churn: f64,
    /// At the end of the month.
    pub end: f64,
}

/// The movements of a month.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Movement {
    /// The first day of the month.
    pub month: Day,
    /// Numbers of customers: start + new + reactivation − churn = end. Customers who pay more or less are there before and after.
    pub customers: MovementValues,
    /// Amounts per month: start + new + expansion + reactivation − contraction − churn = end. Each is an exact sum, rounded to billionths.
    pub amounts: MovementValues,
    /// (start − contraction − churn) / start of the amounts; none if nothing was there.
    pub gross_retention: Option<f64>,
    /// (start + expansion − contraction − churn) / start of the amounts; none if nothing was there.
    pub net_retention: Option<f64>,
    /// Churned customers / customers at the start.
    pub customer_churn_rate: Option<f64>,
    /// Churned amount / amount at the start.
    pub revenue_churn_rate: Option<f64>,
    /// True if those who are missing may still come back within the allowed gap.
    pub provisional: bool,
}

/// The sums of a month.
#[derive(Clone, Copy, Default)]
struct Sums {
    new: Part,
    expansion: Part,
    reactivation: Part,
    contraction: Part,
    churn: Part,
}

#[derive(Clone, Copy, Default)]
struct Part {
    customers: u64,
    amount: Fixed,
}

impl Part {
    fn add(&mut self, amount: Fixed) {
        *self = self.plus(Part { customers: 1, amount });
    }

    fn plus(self, other: Part) -> Part {
        Part { customers: self.customers + other.customers, amount: self.amount.plus(other.amount) }
    }

    fn minus(self, other: Part) -> Part {
        Part { customers: self.customers - other.customers, amount: self.amount.minus(other.amount) }
    }
}

/// Computes the movements of each month, from the month of the first paid period to the last month that the data covers to its
/// end. The state of a month is that of its last day. A hole of up to `allowed_gap_days` days changes nothing.
///
/// ```
/// use churn::{SubscriptionOptions, Subscriptions, movements};
/// // Anna comes in January and pays more from March on; Bert comes in January and leaves in March.
/// let csv = "customer_id,start_date,end_date,amount\n\
///     anna,2024-01-10,2024-03-05,20\nanna,2024-03-05,,30\nbert,2024-01-01,2024-03-20,10\ncarl,2024-04-30,,5\n";
/// let months = movements(&Subscriptions::from_csv(csv.as_bytes(), &SubscriptionOptions::default())?, 30)?;
/// let march = &months[2].amounts;
/// assert_eq!((march.start, march.expansion, march.churn, march.end), (30.0, 10.0, 10.0, 30.0));
/// assert_eq!(months[2].net_retention, Some(1.0));
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `invalid_parameter` for an allowed gap outside 0 to 3650 days.
pub fn movements(subscriptions: &Subscriptions, allowed_gap_days: i32) -> Result<Vec<Movement>> {
    check_gap(allowed_gap_days)?;
    let last_day = subscriptions.last_day();
    // The last month whose last day is covered.
    let last = last_day.plus(1).month_number() - 1;
    let history = subscriptions.known_at(last_day);
    let mut first = i32::MAX;
    let mut sums: Vec<Sums> = Vec::new();
    let (mut timeline, mut periods, mut months) = (Timeline::default(), Vec::new(), Vec::new());
    // Months are counted from the first month of all.
    let base = subscriptions.first_day().month_number();
    sums.resize((last - base + 1).max(0) as usize, Sums::default());
    for customer in 0..subscriptions.customers() {
        periods.clear();
        periods.extend::<Vec<Known>>(history.known(customer).collect());
        timeline.fill(&periods, allowed_gap_days);
        let Some(begin) = timeline.spells.first().map(|spell| spell.start) else { continue };
        let begin_month = day(begin).month_number();
        first = first.min(begin_month);
        // The state at the end of a month differs from that of the month before only if something began or ended in it.
        months.clear();
        months.extend(timeline.stretches.iter().map(|stretch| day(stretch.start).month_number()));
        months.extend(
            timeline.spells.iter().filter(|spell| spell.end != NONE).map(|spell| day(spell.end).month_number()),
        );
        months.sort_unstable();
        months.dedup();
        let mut before: Option<Fixed> = None;
        for &month in months.iter().take_while(|&&month| month <= last) {
            let at = month_end(month);
            let now = timeline.spell_at(at).map(|_| {
                let stretch = timeline.stretch_by(at).expect("a spell begins with a stretch");
                stretch.amount.unwrap_or_default()
            });
            let sums = &mut sums[(month - base) as usize];
            match (before, now) {
                (None, Some(amount)) if month == begin_month => sums.new.add(amount),
                (None, Some(amount)) => sums.reactivation.add(amount),
                (Some(amount), None) => sums.churn.add(amount),
                (Some(old), Some(new)) => match compare_amounts(new, old) {
                    Ordering::Greater => sums.expansion.add(new.minus(old)),
                    Ordering::Less => sums.contraction.add(old.minus(new)),
                    Ordering::Equal => (),
                },
                (None, None) => (),
            }
            before = now;
        }
    }
    if first == i32::MAX {
        return Ok(Vec::new());
    }
    let mut start = Part::default();
    let rows = (first..=last).map(|month| {
        let sums = sums[(month - base) as usize];
        let from = start;
        start = from.plus(sums.new).plus(sums.reactivation).minus(sums.churn);
        // Customers who pay more or less are there before and after.
        start.amount = start.amount.plus(sums.expansion.amount).minus(sums.contraction.amount);
        let to = start;
        let values = |value: fn(&Part) -> f64| MovementValues {
            start: value(&from),
            new: value(&sums.new),
            expansion: value(&sums.expansion),
            reactivation: value(&sums.reactivation),
            contraction: value(&sums.contraction),
            churn: value(&sums.churn),
            end: value(&to),
        };
        let customers = values(|part| part.customers as f64);
        let amounts = values(|part| without_residue(part.amount.value()));
        let kept = from.amount.minus(sums.contraction.amount).minus(sums.churn.amount);
        // Of the sums before they are rounded, so that nothing but what moved changes a rate.
        let of_start = |amount: Fixed| (amounts.start > 0.0).then(|| amount.value() / from.amount.value());
        Movement {
            month: month_start(month),
            gross_retention: of_start(kept),
            net_retention: of_start(kept.plus(sums.expansion.amount)),
            customer_churn_rate: (customers.start > 0.0).then(|| customers.churn / customers.start),
            revenue_churn_rate: of_start(sums.churn.amount),
            provisional: month_end(month) > last_day.number() - allowed_gap_days,
            customers,
            amounts,
        }
    });
    Ok(rows.collect())
}

pub(super) fn check_gap(allowed_gap_days: i32) -> Result<()> {
    match allowed_gap_days {
        0..=3650 => Ok(()),
        days => Err(invalid_parameter("allowed_gap_days", days, "0 to 3650 days")),
    }
}

/// Rounds an amount to billionths, so that 19.99 + 45.21 is 65.2 as on paper and not what doubles make of it.
fn without_residue(amount: f64) -> f64 {
    const PARTS: f64 = 1e9;
    if amount.abs() < 1e6 { (amount * PARTS).round() / PARTS } else { amount }
}

fn day(number: i32) -> Day {
    Day::new(number).expect("days of periods are days")
}

fn month_start(month: i32) -> Day {
    Day::from_ymd(month.div_euclid(12), month.rem_euclid(12) as u32 + 1, 1).unwrap_or(Day::MAX)
}

/// The number of the last day of a month.
fn month_end(month: i32) -> i32 {
    match month.div_euclid(12) {
        ..9999 => month_start(month + 1).number() - 1,
        _ => Day::MAX.number(),
    }
}
