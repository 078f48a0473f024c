//! A customer's paid periods as a line of stretches, in which the covering periods stay the same, and of spells.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::known::Known;
use super::{NO_INDEX, NONE};
use crate::features::Fixed;

/// A run of days with the same covering periods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) start: i32,
    /// The first day after it; [`NONE`] if it runs on.
    pub(super) end: i32,
    /// The exact sum of the amounts per month; none if no period has one.
    pub(super) amount: Option<Fixed>,
    /// The plan of the covering period with the largest amount.
    pub(super) plan: u32,
    /// The number of the spell.
    pub(super) spell: usize,
}

/// A run of days with a covering period, but for holes that are short enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spell {
    pub(super) start: i32,
    /// The first day after it; [`NONE`] if it runs on.
    pub(super) end: i32,
}

impl Spell {
    pub(super) fn covers(&self, day: i32) -> bool {
        self.start <= day && day < self.end
    }
}

/// The stretches and spells of one customer, rising. It keeps its memory from customer to customer.
#[derive(Default)]
pub(super) struct Timeline {
    pub(super) stretches: Vec<Stretch>,
    pub(super) spells: Vec<Spell>,
    /// The starts and ends of paid periods: (day, true for a start, period).
    turns: Vec<(i32, bool, u32)>,
    /// The covering periods in the order by which their plan is that of the stretch: amount, start, plan.
    covering: BTreeSet<(AmountKey, i32, u32, u32)>,
}

/// An amount in the order of numbers; a missing one is the smallest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct AmountKey(i64);

impl AmountKey {
    fn of(amount: f64) -> Self {
        // The bits of numbers from 0 on have the order of the numbers.
        AmountKey(if amount.is_nan() { -1 } else { (amount + 0.0).to_bits() as i64 })
    }
}

/// Compares two sums of amounts. Those that differ by at most a billionth of the larger are equal: 0.1 + 0.2 is 0.3, and a twelfth of
/// an annual price is what it was when it comes out of another sum.
pub(super) fn compare_amounts(a: Fixed, b: Fixed) -> Ordering {
    let (a, b) = (a.units(), b.units());
    match (a - b).unsigned_abs() <= a.unsigned_abs().max(b.unsigned_abs()) / 1_000_000_000 {
        true => Ordering::Equal,
        false => a.cmp(&b),
    }
}

impl Timeline {
    /// Computes the line of these periods. It takes n log n steps for n periods.
    pub(super) fn fill(&mut self, periods: &[Known], allowed_gap_days: i32) {
        let Timeline { stretches, spells, turns, covering } = self;
        stretches.clear();
        spells.clear();
        turns.clear();
        covering.clear();
        for (i, period) in periods.iter().enumerate().filter(|(_, period)| !period.is_trial) {
            turns.push((period.start, true, i as u32));
            if !period.end.is_none() {
                turns.push((period.end.0, false, i as u32));
            }
        }
        turns.sort_unstable();
        let (mut sum, mut priced) = (Fixed::default(), 0u32);
        let mut at = 0;
        while at < turns.len() {
            let day = turns[at].0;
            while let Some(&(_, is_start, i)) = turns.get(at).filter(|turn| turn.0 == day) {
                let period = &periods[i as usize];
                // Plans are numbered in byte order; a missing one is the smallest.
                let plan = period.plan.wrapping_add(1);
                let key = (AmountKey::of(period.amount), period.start, plan, i);
                let amount = if period.amount.is_nan() { 0.0 } else { period.amount };
                if is_start {
                    covering.insert(key);
                    sum.add(amount);
                    priced += u32::from(!period.amount.is_nan());
                } else {
                    covering.remove(&key);
                    sum.add(-amount);
                    priced -= u32::from(!period.amount.is_nan());
                }
                at += 1;
            }
            if let Some(last) = stretches.last_mut().filter(|last| last.end == NONE) {
                last.end = day;
            }
            let Some(&(_, _, plan, _)) = covering.last() else {
                spells.last_mut().expect("a period has ended").end = day;
                continue;
            };
            match spells.last_mut() {
                Some(spell) if spell.end == NONE || day - spell.end <= allowed_gap_days => spell.end = NONE,
                _ => spells.push(Spell { start: day, end: NONE }),
            }
            stretches.push(Stretch {
                start: day,
                end: NONE,
                amount: (priced > 0).then_some(sum),
                plan: plan.wrapping_sub(1),
                spell: spells.len() - 1,
            });
        }
        debug_assert!(stretches.iter().all(|stretch| stretch.plan == NO_INDEX || stretch.start < stretch.end));
    }

    /// The stretch that covers a day, or that is the last one before it.
    pub(super) fn stretch_by(&self, day: i32) -> Option<&Stretch> {
        let after = self.stretches.partition_point(|stretch| stretch.start <= day);
        self.stretches[..after].last()
    }

    /// The spell that covers a day.
    pub(super) fn spell_at(&self, day: i32) -> Option<&Spell> {
        let after = self.spells.partition_point(|spell| spell.start <= day);
        self.spells[..after].last().filter(|spell| spell.covers(day))
    }
}
