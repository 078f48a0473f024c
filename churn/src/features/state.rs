//! The state of a customer: the past as a small struct of counts, minima, maxima and sums that do not depend on order.
//!
//! Adding the events one by one in any order, or merging the states of any parts, gives the same bits. A state belongs to
//! one as_of and one choice of windows, which are in the [`Clock`].

use super::fixed::{Fixed, Fixed96};
use super::{HALF_LIVES, MAX_RECENT_DAYS, Windows};
use crate::day::Day;
use crate::events::{IdKey, IdRecord};

/// The as_of day of states, and the windows that look back from it.
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

/// The state for the eight `rfm` features.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rfm {
    pub(crate) first: i32,
    pub(crate) last: i32,
    pub(crate) events: u32,
    /// Number of events with an amount.
    pub(crate) with_amount: u32,
    /// Number of events in the activity window (default 90 days).
    pub(crate) activity: u32,
    /// Number of events in the recent window (default 30 days).
    pub(crate) recent: u32,
    /// Sum of the places of these events in the window: 0 for its first day, 29 for its last (by default).
    pub(crate) places: u64,
    pub(crate) amounts: Fixed,
    /// Sum of the amounts in the activity window.
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
    /// Adds an event, which must not be after as_of. The amount is NaN if there is none.
    #[inline(always)]
    pub(crate) fn add(&mut self, clock: &Clock, day: i32, amount: f64) {
        debug_assert!(day <= clock.as_of, "events after as_of do not exist here");
        let age = clock.as_of - day;
        self.first = self.first.min(day);
        self.last = self.last.max(day);
        self.events = self.events.saturating_add(1);
        let in_activity = age < clock.windows.activity_days;
        self.activity = self.activity.saturating_add(u32::from(in_activity));
        let place = clock.windows.recent_days - 1 - age;
        self.recent = self.recent.saturating_add(u32::from(place >= 0));
        self.places += place.max(0) as u64;
        let has_amount = !amount.is_nan();
        self.with_amount = self.with_amount.saturating_add(u32::from(has_amount));
        if has_amount {
            let term = Fixed::of(amount);
            self.amounts.merge(term);
            if in_activity {
                self.activity_amounts.merge(term);
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

/// An [`Rfm`] with the id of its customer in one cache line. Sums have 96 bits and places 32 bits, which is enough for all
/// but the largest customers.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Compact {
    key: IdKey,
    first: i32,
    last: i32,
    events: u32,
    with_amount: u32,
    activity: u32,
    recent: u32,
    places: u32,
    amounts: Fixed96,
    activity_amounts: Fixed96,
}

const _: () = assert!(size_of::<Compact>() == 64, "one line of memory");

impl IdRecord for Compact {
    fn new(key: IdKey) -> Self {
        Compact {
            key,
            first: i32::MAX,
            last: i32::MIN,
            events: 0,
            with_amount: 0,
            activity: 0,
            recent: 0,
            places: 0,
            amounts: Fixed96::default(),
            activity_amounts: Fixed96::default(),
        }
    }

    fn key(&self) -> &IdKey {
        &self.key
    }
}

impl Compact {
    /// Adds an event like [`Rfm::add`]. If the result does not fit, returns the whole state as an [`Rfm`] and starts again
    /// empty.
    #[inline(always)]
    #[must_use]
    pub(crate) fn add(&mut self, clock: &Clock, day: i32, amount: f64) -> Option<Rfm> {
        debug_assert!(day <= clock.as_of, "events after as_of do not exist here");
        let age = clock.as_of - day;
        let in_activity = age < clock.windows.activity_days;
        let place = clock.windows.recent_days - 1 - age;
        let has_amount = !amount.is_nan();
        // No branches, because the presence of an amount and its age cannot be predicted.
        let term = Fixed::of(zero_unless(has_amount, amount));
        let amounts = self.amounts.plus(term);
        let activity_amounts = self.activity_amounts.plus(term.zero_unless(in_activity));
        let (Some(amounts), Some(activity_amounts), true) = (amounts, activity_amounts, self.events < MOST_EVENTS)
        else {
            return Some(self.spill(clock, day, amount));
        };
        self.first = self.first.min(day);
        self.last = self.last.max(day);
        self.events += 1;
        self.activity += u32::from(in_activity);
        self.recent += u32::from(place >= 0);
        self.places += place.max(0) as u32;
        self.with_amount += u32::from(has_amount);
        self.amounts = amounts;
        self.activity_amounts = activity_amounts;
        None
    }

    #[cold]
    fn spill(&mut self, clock: &Clock, day: i32, amount: f64) -> Rfm {
        let mut rfm = self.rfm();
        rfm.add(clock, day, amount);
        *self = Compact::new(self.key);
        rfm
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Stores a state and returns true; returns false if it does not fit.
    pub(crate) fn store(&mut self, rfm: &Rfm) -> bool {
        let (amounts, activity_amounts) = (Fixed96::of(rfm.amounts), Fixed96::of(rfm.activity_amounts));
        let (Some(amounts), Some(activity_amounts), true) = (amounts, activity_amounts, rfm.events <= MOST_EVENTS)
        else {
            return false;
        };
        *self = Compact {
            key: self.key,
            first: rfm.first,
            last: rfm.last,
            events: rfm.events,
            with_amount: rfm.with_amount,
            activity: rfm.activity,
            recent: rfm.recent,
            places: rfm.places as u32,
            amounts,
            activity_amounts,
        };
        true
    }

    pub(crate) fn rfm(&self) -> Rfm {
        Rfm {
            first: self.first,
            last: self.last,
            events: self.events,
            with_amount: self.with_amount,
            activity: self.activity,
            recent: self.recent,
            places: u64::from(self.places),
            amounts: self.amounts.wide(),
            activity_amounts: self.activity_amounts.wide(),
        }
    }
}

/// Returns the number if the condition is true, else 0, without a branch.
#[inline(always)]
fn zero_unless(condition: bool, number: f64) -> f64 {
    f64::from_bits(number.to_bits() & u64::from(condition).wrapping_neg())
}

/// The largest number of events whose sum of places surely fits into 32 bits.
const MOST_EVENTS: u32 = u32::MAX / MAX_RECENT_DAYS as u32;

/// Ages in days at which the age bands of [`Behavior`] end. Every window of the features consists of whole bands.
const BAND_ENDS: [i32; 6] = [7, 30, 90, 120, 180, 365];

/// The state for the `behavioral` features, in addition to [`Rfm`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Behavior {
    /// Bit m is set if there is an event m calendar months before the month of as_of.
    pub(crate) months: u64,
    /// The largest amount; NaN without an amount.
    pub(crate) largest: f64,
    pub(crate) refunds: u32,
    /// Number of events in each age band.
    counts: [u32; BAND_ENDS.len()],
    amounts: [Fixed; BAND_ENDS.len()],
    pub(crate) decayed_counts: [Fixed; HALF_LIVES.len()],
    pub(crate) decayed_amounts: [Fixed; HALF_LIVES.len()],
}

impl Default for Behavior {
    fn default() -> Self {
        Behavior {
            months: 0,
            largest: f64::NAN,
            refunds: 0,
            counts: Default::default(),
            amounts: Default::default(),
            decayed_counts: Default::default(),
            decayed_amounts: Default::default(),
        }
    }
}

impl Behavior {
    /// Adds an event, which must not be after as_of. The amount is NaN if there is none.
    #[inline(always)]
    pub(crate) fn add(&mut self, clock: &Clock, day: i32, amount: f64) {
        let age = clock.as_of - day;
        let has_amount = !amount.is_nan();
        let in_band = age < BAND_ENDS[BAND_ENDS.len() - 1];
        if in_band {
            let band: usize = BAND_ENDS.iter().map(|&end| usize::from(age >= end)).sum();
            self.counts[band] = self.counts[band].saturating_add(1);
            if has_amount {
                self.amounts[band].add(amount);
            }
        }
        if let Some(decays) = decays().get(age as usize) {
            for (sum, &units) in self.decayed_counts.iter_mut().zip(&decays.units) {
                sum.merge(Fixed::of_units(units));
            }
            if has_amount {
                for (sum, weight) in self.decayed_amounts.iter_mut().zip(&decays.weights) {
                    sum.add(weight * amount);
                }
            }
        }
        let months_ago = clock.month - Day::new(day).expect("days of events are days").month_number();
        if months_ago < 64 {
            self.months |= 1 << months_ago;
        }
        // f64::max ignores a NaN argument.
        self.largest = self.largest.max(amount);
        self.refunds = self.refunds.saturating_add(u32::from(amount < 0.0));
    }

    pub(crate) fn merge(&mut self, other: &Behavior) {
        for band in 0..BAND_ENDS.len() {
            self.counts[band] = self.counts[band].saturating_add(other.counts[band]);
            self.amounts[band].merge(other.amounts[band]);
        }
        for h in 0..HALF_LIVES.len() {
            self.decayed_counts[h].merge(other.decayed_counts[h]);
            self.decayed_amounts[h].merge(other.decayed_amounts[h]);
        }
        self.months |= other.months;
        self.largest = self.largest.max(other.largest);
        self.refunds = self.refunds.saturating_add(other.refunds);
    }

    /// Number of events of an age from `from` to below `to` days. Both must be ends of bands, or 0.
    pub(crate) fn count(&self, from: i32, to: i32) -> u32 {
        bands(from, to).fold(0, |sum, band| sum.saturating_add(self.counts[band]))
    }

    /// Sum of the amounts of events of an age below `to` days.
    pub(crate) fn amount(&self, to: i32) -> f64 {
        let mut sum = Fixed::default();
        bands(0, to).for_each(|band| sum.merge(self.amounts[band]));
        sum.value()
    }
}

fn bands(from: i32, to: i32) -> std::ops::Range<usize> {
    let upto = |age: i32| BAND_ENDS.iter().take_while(|&&end| end <= age).count();
    upto(from)..upto(to)
}

/// The weights of an event of some age, for each half-life: 2^(−age/half-life), and the same in units of [`Fixed`].
struct Decays {
    weights: [f64; HALF_LIVES.len()],
    units: [u64; HALF_LIVES.len()],
}

/// Fills the table of decays, which otherwise happens at the first event.
#[cfg(feature = "parallel")]
pub(super) fn fill_decays() {
    decays();
}

/// The decays by age in days. Beyond the end of the table even the largest amount decays to less than half a unit, which
/// rounds to 0: 10^12 is below 2^40, and a unit is 2^-55.
fn decays() -> &'static [Decays] {
    static DECAYS: std::sync::OnceLock<Vec<Decays>> = std::sync::OnceLock::new();
    DECAYS.get_or_init(|| {
        let last = 96 * HALF_LIVES[HALF_LIVES.len() - 1];
        let weights = |age: i32| HALF_LIVES.map(|half_life| libm::exp2(-f64::from(age) / f64::from(half_life)));
        (0..=last)
            .map(|age| {
                let weights = weights(age);
                Decays { weights, units: weights.map(|weight| Fixed::of(weight).units() as u64) }
            })
            .collect()
    })
}
