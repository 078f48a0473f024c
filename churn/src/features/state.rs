//! A customer's whole past as a small struct: counts, minima, maxima and order-free sums.
//!
//! Adding the events one by one, in any order, or merging the states of any parts gives the same bits. A state belongs to
//! one as_of and one choice of windows, which the [`Clock`] holds.

use super::fixed::Fixed;
use super::{HALF_LIVES, WINDOWS, Windows};
use crate::day::Day;

/// The day that states look back from, and how far.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    pub(crate) as_of: i32,
    pub(crate) windows: Windows,
    month: i32,
}

impl Clock {
    pub(crate) fn new(as_of: Day, windows: Windows) -> Self {
        Clock { as_of: as_of.number(), windows, month: as_of.month_number() }
    }
}

/// What the eight `rfm` features need.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rfm {
    pub(crate) first: i32,
    pub(crate) last: i32,
    pub(crate) events: u32,
    /// Events with an amount.
    pub(crate) with_amount: u32,
    /// Events in the activity window (90 days).
    pub(crate) activity: u32,
    /// Events in the recent window (30 days).
    pub(crate) recent: u32,
    /// Sum of their places 0..29 in it.
    pub(crate) places: u64,
    pub(crate) amounts: Fixed,
    /// Amounts in the activity window.
    pub(crate) activity_amounts: Fixed,
}

impl Default for Rfm {
    fn default() -> Self {
        Rfm {
            first: i32::MAX,
            last: i32::MIN,
            events: 0,
            with_amount: 0,
            activity: 0,
            recent: 0,
            places: 0,
            amounts: Fixed::default(),
            activity_amounts: Fixed::default(),
        }
    }
}

impl Rfm {
    /// Takes an event that is not after as_of; the amount is NaN where there is none.
    pub(crate) fn add(&mut self, clock: &Clock, day: i32, amount: f64) {
        debug_assert!(day <= clock.as_of, "events after as_of do not exist here");
        let age = clock.as_of - day;
        self.first = self.first.min(day);
        self.last = self.last.max(day);
        self.events = self.events.saturating_add(1);
        let in_activity = age < clock.windows.activity_days;
        self.activity = self.activity.saturating_add(u32::from(in_activity));
        if age < clock.windows.recent_days {
            self.recent = self.recent.saturating_add(1);
            self.places += (clock.windows.recent_days - 1 - age) as u64;
        }
        if !amount.is_nan() {
            self.with_amount = self.with_amount.saturating_add(1);
            self.amounts.add(amount);
            if in_activity {
                self.activity_amounts.add(amount);
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Rfm) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.events = self.events.saturating_add(other.events);
        self.with_amount = self.with_amount.saturating_add(other.with_amount);
        self.activity = self.activity.saturating_add(other.activity);
        self.recent = self.recent.saturating_add(other.recent);
        self.places += other.places;
        self.amounts.merge(other.amounts);
        self.activity_amounts.merge(other.activity_amounts);
    }
}

/// What the `behavioral` features need beyond [`Rfm`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Behavior {
    pub(crate) counts: [u32; WINDOWS.len()],
    pub(crate) amounts: [Fixed; WINDOWS.len()],
    pub(crate) decayed_counts: [Fixed; HALF_LIVES.len()],
    pub(crate) decayed_amounts: [Fixed; HALF_LIVES.len()],
    /// Bit m: an event m calendar months before the month of as_of.
    pub(crate) months: u64,
    /// NaN without an amount.
    pub(crate) largest: f64,
    pub(crate) refunds: u32,
    /// Events in the last 30 days, and in the 90 before them.
    pub(crate) last_30: u32,
    pub(crate) prior_90: u32,
}

impl Default for Behavior {
    fn default() -> Self {
        Behavior {
            counts: Default::default(),
            amounts: Default::default(),
            decayed_counts: Default::default(),
            decayed_amounts: Default::default(),
            months: 0,
            largest: f64::NAN,
            refunds: 0,
            last_30: 0,
            prior_90: 0,
        }
    }
}

impl Behavior {
    /// Takes an event that is not after as_of; the amount is NaN where there is none.
    pub(crate) fn add(&mut self, clock: &Clock, day: i32, amount: f64) {
        let age = clock.as_of - day;
        let has_amount = !amount.is_nan();
        for (w, &window) in WINDOWS.iter().enumerate() {
            if age < window {
                self.counts[w] = self.counts[w].saturating_add(1);
                if has_amount {
                    self.amounts[w].add(amount);
                }
            }
        }
        for (h, &half_life) in HALF_LIVES.iter().enumerate() {
            let weight = libm::exp2(-f64::from(age) / f64::from(half_life));
            self.decayed_counts[h].add(weight);
            if has_amount {
                self.decayed_amounts[h].add(weight * amount);
            }
        }
        let months_ago = clock.month - Day::new(day).expect("days of events are days").month_number();
        if months_ago < 64 {
            self.months |= 1 << months_ago;
        }
        // max of a NaN and a number is the number.
        self.largest = self.largest.max(amount);
        self.refunds = self.refunds.saturating_add(u32::from(amount < 0.0));
        if age < 30 {
            self.last_30 = self.last_30.saturating_add(1);
        } else if age < 120 {
            self.prior_90 = self.prior_90.saturating_add(1);
        }
    }

    pub(crate) fn merge(&mut self, other: &Behavior) {
        for w in 0..WINDOWS.len() {
            self.counts[w] = self.counts[w].saturating_add(other.counts[w]);
            self.amounts[w].merge(other.amounts[w]);
        }
        for h in 0..HALF_LIVES.len() {
            self.decayed_counts[h].merge(other.decayed_counts[h]);
            self.decayed_amounts[h].merge(other.decayed_amounts[h]);
        }
        self.months |= other.months;
        self.largest = self.largest.max(other.largest);
        self.refunds = self.refunds.saturating_add(other.refunds);
        self.last_30 = self.last_30.saturating_add(other.last_30);
        self.prior_90 = self.prior_90.saturating_add(other.prior_90);
    }
}
