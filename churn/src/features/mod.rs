//! Features computed from a customer's past events: the `rfm` set of eight features and the wider `behavioral` set.
//!
//! Every feature is computed from sums, counts, minima and maxima over the events up to as_of. They are integers and
//! fixed-point sums, so the bits do not depend on the order of the rows, on their chunks, or on the number of threads.
//!
//! A customer who bought for 10 on 2024-03-01, seen that day (worked by hand): recency 100 (0 days ago), tenure 0 days,
//! one event at place 29 of the last 30 days, so activity_trend = (29 − 14.5)/2247.5 = 0.00645… and
//! engagement = ½·10 + ¼·0 + ¼·50·(1 + 14.5/14.5) = 30; no gap to measure.
//!
//! ```
//! use churn::{Events, FeatureConfig, ReadOptions, features};
//! let events = Events::from_csv("customer_id,event_date,amount\nanna,2024-03-01,10\n".as_bytes(), &ReadOptions::default())?;
//! let (history, _) = events.split_at(events.last_day());
//! let table = features(&history, &FeatureConfig::default())?;
//! let row: Vec<f64> = table.values().row(0).to_vec();
//! assert_eq!(row[..5], [100.0, 100.0, 100.0, 30.0, 0.0]);
//! assert!((row[5] - 0.0064516129).abs() < 1e-9);
//! assert_eq!(row[6], 10.0);
//! assert!(row[7].is_nan());
//! # Ok::<(), churn::Error>(())
//! ```

mod customer;
mod fixed;
mod open;
mod registry;
mod state;
mod stream;
mod table;
mod wording;

use std::sync::atomic::{AtomicI32, Ordering};

use ndarray::Array2;
use serde::Serialize;

pub(crate) use customer::CustomerFeatures;
pub(crate) use fixed::Fixed;
pub use registry::{FeatureInfo, registry};
pub use stream::FeatureStream;
pub use table::FeatureTable;
#[cfg(feature = "train")]
pub(crate) use table::infer_specs;
pub(crate) use table::{Joined, encode, encode_value};
#[cfg(feature = "subscriptions")]
pub(crate) use wording::RawQuantity;
pub(crate) use wording::{Bound, Measure, Quantity, Wording};

use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::{History, NO_TYPE, Strings, Texts};
use crate::objects::{names, objects};
use crate::parallel;
use crate::table::{MAX_COLUMNS, MAX_LEVELS, OTHER, Value, level};
use registry::View;
pub(crate) use registry::features as computed;
#[cfg(feature = "train")]
pub(crate) use registry::{UNSCALED, score};
use state::{Behavior, Clock, Rfm};

/// Fills the lazily initialised tables, so that their first use does not.
#[cfg(feature = "parallel")]
pub(crate) fn fill_tables() {
    state::fill_decays();
}

/// Lengths in days of the windows of the behavioral counts and sums.
pub const WINDOWS: [i32; 5] = [7, 30, 90, 180, 365];

/// The longest recent window in days.
pub(crate) const MAX_RECENT_DAYS: i32 = 3650;

/// Half-lives in days of the decayed counts and sums.
pub const HALF_LIVES: [i32; 4] = [7, 30, 90, 180];

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureSet {
    /// The eight `rfm` features.
    #[default]
    Rfm,
    /// The `rfm` features and the wider `behavioral` ones.
    Behavioral,
}

names! { FeatureSet { Rfm, Behavioral } }

impl FeatureSet {
    /// The name as it is written in files and responses.
    pub fn name(self) -> &'static str {
        match self {
            FeatureSet::Rfm => "rfm",
            FeatureSet::Behavioral => "behavioral",
        }
    }
}

/// The windows of the `rfm` features in days. "The last w days" means D − w < day ≤ D.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Windows {
    /// The window of engagement and trend: 2 to 3650, default 30.
    pub recent_days: i32,
    /// The window of frequency and monetary: 1 to 3650, default 90.
    pub activity_days: i32,
    /// The days after which recency is 0 and tenure counts in full: 1 to 36500, default 365.
    pub full_days: i32,
}

objects! { @default Windows { recent_days, activity_days, full_days } }

impl Default for Windows {
    fn default() -> Self {
        Windows { recent_days: 30, activity_days: 90, full_days: 365 }
    }
}

/// The scales of the scores, which are the values of a score of 100. Fitted scales are the 95th percentiles (linear
/// interpolation) over the customers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scales {
    /// The scale of the number of events in the activity window; above 0.
    pub frequency: f64,
    /// The scale of the sum of amounts in the activity window; above 0.
    pub monetary: f64,
}

objects! { Scales { frequency, monetary } }

/// Settings of the features to compute. If `scales` or `event_type_columns` are `None`, they are fitted on the given
/// customers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureConfig {
    /// The feature set. Training with `auto` tries this set first, then the other.
    pub feature_set: FeatureSet,
    /// The windows of the `rfm` features.
    pub windows: Windows,
    /// Scales that were fitted before, or `None` to fit them now.
    pub scales: Option<Scales>,
    /// `behavioral`: the event types that get their own column, or `None` for the most frequent types.
    pub event_type_columns: Option<Vec<String>>,
    /// `behavioral`: number of event types that get a column if the most frequent ones are taken; 0 to 1000.
    pub top_event_types: usize,
}

objects! { @default FeatureConfig { feature_set, windows, scales, event_type_columns, top_event_types } }

impl Default for FeatureConfig {
    fn default() -> Self {
        FeatureConfig {
            feature_set: FeatureSet::Rfm,
            windows: Windows::default(),
            scales: None,
            event_type_columns: None,
            top_event_types: 8,
        }
    }
}

impl FeatureConfig {
    pub(crate) fn check(&self) -> Result<()> {
        let Windows { recent_days, activity_days, full_days } = self.windows;
        let within = |name, value: i32, low: i32, high: i32| match (low..=high).contains(&value) {
            true => Ok(()),
            false => Err(invalid_parameter(name, value, &format!("{low} to {high} days"))),
        };
        within("windows.recent_days", recent_days, 2, MAX_RECENT_DAYS)?;
        within("windows.activity_days", activity_days, 1, 3650)?;
        within("windows.full_days", full_days, 1, 36_500)?;
        if let Some(scales) = self.scales {
            for (name, value) in [("scales.frequency", scales.frequency), ("scales.monetary", scales.monetary)] {
                if !(value > 0.0 && value.is_finite()) {
                    return Err(invalid_parameter(name, value, "a number above 0"));
                }
            }
        }
        let types = self.event_type_columns.as_ref().map_or(self.top_event_types, Vec::len);
        if types > 1000 {
            return Err(invalid_parameter("event types with a column of their own", types, "at most 1000"));
        }
        if let Some(types) = &self.event_type_columns {
            let mut sorted: Vec<&String> = types.iter().collect();
            crate::order::sort(&mut sorted);
            sorted.dedup();
            if sorted.len() < types.len() || types.iter().any(String::is_empty) {
                return Err(invalid_parameter("event_type_columns", format!("{types:?}"), "distinct names"));
            }
        }
        Ok(())
    }

    /// The scales of a fitted configuration.
    fn fitted_scales(&self) -> Scales {
        self.scales.expect("a fitted configuration has scales")
    }

    /// Returns true if event types have columns.
    fn counts_types(&self) -> bool {
        self.feature_set == FeatureSet::Behavioral
    }

    /// Returns true if the event types that have columns are still to be fitted.
    pub(crate) fn fits_types(&self) -> bool {
        self.counts_types() && self.event_type_columns.is_none()
    }
}

/// Description of a column of a feature table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeatureSpec {
    /// The column name.
    pub name: String,
    /// The levels of a categorical column, in byte order; a value is the index of its level. If there are
    /// more than [`MAX_LEVELS`], the level `(other)` stands for values that were too rare for a level of their own, and for new
    /// ones. None for a numeric column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<String>>,
}

objects! { FeatureSpec { name, levels } }

impl FeatureSpec {
    pub(crate) fn numeric(name: impl Into<String>) -> Self {
        FeatureSpec { name: name.into(), levels: None }
    }

    /// Returns true for a category of more than [`MAX_LEVELS`] levels.
    pub(crate) fn has_many_levels(&self) -> bool {
        self.levels.as_ref().is_some_and(|levels| levels.len() > MAX_LEVELS)
    }

    /// Returns true if the number is the index of a level of this category.
    pub(crate) fn has_level(&self, value: f64) -> bool {
        let levels = self.levels.as_ref().map_or(0, Vec::len);
        value.fract() == 0.0 && (0.0..levels as f64).contains(&value)
    }

    /// Returns the level that stands for all values without a level of their own; none if there is no such level.
    pub(crate) fn other_level(&self) -> Option<usize> {
        let levels = self.levels.as_ref().filter(|_| self.has_many_levels())?;
        levels.binary_search_by(|level| level.as_str().cmp(OTHER)).ok()
    }

    /// Returns true for a present value of a category that has no level of its own.
    pub(crate) fn is_unknown(&self, value: &Value) -> bool {
        let Some(levels) = &self.levels else { return false };
        level(value).is_some_and(|text| levels.binary_search(&text).is_err())
    }
}

/// The wordings of a model's features: of those computed from events, of those of subscriptions, and of the joined ones.
pub(crate) fn wordings(config: Option<&FeatureConfig>, specs: &[FeatureSpec], of_subscriptions: bool) -> Vec<Wording> {
    let types = config.and_then(|config| config.event_type_columns.as_deref()).unwrap_or(&[]);
    let computed =
        config.map_or_else(Vec::new, |config| registry::features(config.feature_set, &config.windows, types));
    let mut wordings: Vec<Wording> = computed.into_iter().map(|feature| feature.wording).collect();
    let others = &specs[wordings.len()..];
    #[cfg(feature = "subscriptions")]
    let others = match of_subscriptions {
        true => {
            let (own, joined) = others.split_at(crate::subscriptions::SUBSCRIPTION_FEATURES.len());
            wordings.extend(own.iter().filter_map(|spec| crate::subscriptions::wording(&spec.name)));
            joined
        }
        false => others,
    };
    #[cfg(not(feature = "subscriptions"))]
    let _ = of_subscriptions;
    wordings.extend(others.iter().map(|spec| Wording::of_column(&spec.name)));
    wordings
}

/// Computes the features of every customer with an event up to the history's day, in byte order of the ids.
///
/// # Errors
/// `invalid_parameter`; `no_customers` if there is no event up to that day.
pub fn features(history: &History<'_>, config: &FeatureConfig) -> Result<FeatureTable> {
    config.check()?;
    let customers: Vec<usize> = history.customers().collect();
    if customers.is_empty() {
        return Err(Error::new(ErrorKind::NoCustomers, format!("no event on or before {}", history.as_of())));
    }
    let fitted = fit(&[(*history, &customers)], config)?;
    compute(history, &customers, &fitted)
}

/// Returns the configuration with scales and event types, if not given, fitted on these customers at these days.
pub(crate) fn fit(snapshots: &[(History<'_>, &[usize])], config: &FeatureConfig) -> Result<FeatureConfig> {
    let mut fitted = config.clone();
    if config.scales.is_none() {
        let activity = snapshots.iter().map(|&(history, customers)| {
            let clock = Clock::new(history.as_of(), config.windows);
            let activity = parallel::map(customers.len(), |i| {
                let state = state(&history, customers[i], &clock, Rfm::add);
                (f64::from(state.activity), state.activity_amounts.value())
            });
            activity.into_iter().unzip()
        });
        fitted.scales = Some(fit_scales(activity.collect()));
    }
    if config.fits_types() {
        let mut counts: Vec<u64> = Vec::new();
        let mut names = None;
        for (history, customers) in snapshots {
            names = Some(history.events());
            counts.resize(history.events().type_names().len(), 0);
            count_types(history, customers, &mut counts);
        }
        let name = |number: usize| names.map_or("", |events| events.type_names().get(number));
        fitted.event_type_columns = Some(most_frequent(&counts, name, config.top_event_types));
    }
    Ok(fitted)
}

/// Adds the events of these customers to the counts of their types.
pub(crate) fn count_types(history: &History<'_>, customers: &[usize], counts: &mut [u64]) {
    for &customer in customers {
        for number in history.of(customer).types().filter(|&number| number != NO_TYPE) {
            counts[usize::from(number)] += 1;
        }
    }
}

/// The names of the `top` largest counts above 0. Ties are in byte order of the names.
pub(crate) fn most_frequent<'a>(counts: &[u64], name: impl Fn(usize) -> &'a str, top: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..counts.len()).filter(|&i| counts[i] > 0).collect();
    crate::order::sort_by(&mut order, |&a, &b| counts[b].cmp(&counts[a]).then_with(|| name(a).cmp(name(b))));
    order.truncate(top);
    order.into_iter().map(|i| name(i).to_owned()).collect()
}

/// Fits the scales over parts of the customers, given as numbers of events and sums of amounts in the activity window.
pub(crate) fn fit_scales(parts: Vec<(Vec<f64>, Vec<f64>)>) -> Scales {
    let (events, amounts): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let scale = |parts: Vec<Vec<f64>>| match percentile(&mut parts.concat(), 0.95) {
        value if value > 0.0 => value,
        _ => 1.0,
    };
    Scales { frequency: scale(events), monetary: scale(amounts) }
}

/// The q-quantile by linear interpolation between the order statistics around q·(n − 1), which is numpy's default method.
pub(crate) fn percentile(values: &mut [f64], q: f64) -> f64 {
    percentiles(values, [q])[0]
}

/// [`percentile`] for several q, which must rise.
pub(crate) fn percentiles<const N: usize>(values: &mut [f64], q: [f64; N]) -> [f64; N] {
    let last = (values.len() - 1) as f64;
    // Values before this one are no greater than those after it.
    let mut from = 0;
    q.map(|q| {
        let position = q * last;
        let below = position.floor() as usize;
        let t = position - below as f64;
        let (_, low, above) = values[from..].select_nth_unstable_by(below - from, f64::total_cmp);
        from = below;
        let low = *low;
        let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
        if t < 0.5 { low + (high - low) * t } else { high - (high - low) * (1.0 - t) }
    })
}

/// The state of a customer after adding all events of the history.
fn state<S: Default>(history: &History<'_>, customer: usize, clock: &Clock, add: fn(&mut S, &Clock, i32, f64)) -> S {
    let past = history.of(customer);
    let mut state = S::default();
    for (day, amount) in past.days().zip(past.amounts()) {
        add(&mut state, clock, day, amount);
    }
    state
}

/// Creates a matrix from values in row-major order.
pub(crate) fn matrix(rows: usize, columns: usize, values: Vec<f64>) -> Array2<f64> {
    Array2::from_shape_vec((rows, columns), values).expect("as many values as rows times columns")
}

/// Computes the features of these customers with a fitted configuration.
pub(crate) fn compute(history: &History<'_>, customers: &[usize], fitted: &FeatureConfig) -> Result<FeatureTable> {
    table_of(history, customers, fitted, Some(fitted.fitted_scales()))
}

/// [`compute`] without scales: the columns [`UNSCALED`] hold the values that are still to be scaled.
#[cfg(feature = "train")]
pub(crate) fn unscaled(history: &History<'_>, customers: &[usize], config: &FeatureConfig) -> Result<FeatureTable> {
    table_of(history, customers, config, None)
}

fn table_of(
    history: &History<'_>,
    customers: &[usize],
    fitted: &FeatureConfig,
    scales: Option<Scales>,
) -> Result<FeatureTable> {
    let types = fitted.event_type_columns.as_deref().unwrap_or(&[]);
    let slots = type_slots(history.events().type_names(), types);
    let clock = Clock::new(history.as_of(), fitted.windows);
    let behavioral = fitted.counts_types();
    let ids = history.events().ids().select(customers.iter().map(|&c| c as u32));
    build_table(
        ids,
        history.as_of(),
        fitted,
        scales,
        |_| (),
        |i, scratch| {
            scratch.rfm = state(history, customers[i], &clock, Rfm::add);
            if behavioral {
                scratch.behavior = state(history, customers[i], &clock, Behavior::add);
                for number in history.of(customers[i]).types() {
                    let slot = if number == NO_TYPE { types.len() } else { slots[usize::from(number)] };
                    scratch.types[slot] = scratch.types[slot].saturating_add(1);
                }
            }
        },
    )
}

/// The slot of each type number: its index among the listed names, or the index after them for other types.
fn type_slots(names: &impl Texts, listed: &[String]) -> Vec<usize> {
    let slot = |name: &[u8]| listed.iter().position(|l| l.as_bytes() == name).unwrap_or(listed.len());
    (0..names.len()).map(|number| slot(names.bytes(number))).collect()
}

/// The states of one customer, filled in before the row of features is written.
#[derive(Default)]
struct Scratch {
    rfm: Rfm,
    behavior: Behavior,
    types: Vec<u32>,
}

/// Creates a table from states. `fill(i, scratch)` fills in the states of row `i`. `ahead` reads the memory that the rows of a
/// block will need, so that it is in the cache.
fn build_table(
    ids: Strings,
    as_of: Day,
    fitted: &FeatureConfig,
    scales: Option<Scales>,
    ahead: impl Fn(std::ops::Range<usize>) + Sync + Send,
    fill: impl Fn(usize, &mut Scratch) + Sync + Send,
) -> Result<FeatureTable> {
    /// Number of rows whose states are read ahead together.
    const ROWS: usize = 64;
    let types = fitted.event_type_columns.as_deref().unwrap_or(&[]);
    let clock = Clock::new(as_of, fitted.windows);
    let list = registry::features(fitted.feature_set, &fitted.windows, types);
    if list.len() > MAX_COLUMNS {
        return Err(invalid_parameter("the number of features", list.len(), "at most 10000"));
    }
    let mut values = Array2::zeros((ids.len(), list.len()));
    let rows = values.as_slice_mut().expect("a new array is contiguous");
    // Atomic, because the threads that write the rows write these too.
    let last_events: Vec<AtomicI32> = (0..ids.len()).map(|_| AtomicI32::new(0)).collect();
    let width = list.len();
    parallel::for_each_block(rows, width, |first, block| {
        let mut scratch = Scratch::default();
        for (b, block) in block.chunks_mut(ROWS * width).enumerate() {
            let first = first + b * ROWS;
            ahead(first..first + block.len() / width);
            for (i, row) in block.chunks_exact_mut(width).enumerate() {
                scratch.rfm = Rfm::default();
                scratch.behavior = Behavior::default();
                scratch.types.clear();
                scratch.types.resize(types.len() + 1, 0);
                fill(first + i, &mut scratch);
                let Scratch { rfm, behavior, types } = &scratch;
                last_events[first + i].store(rfm.last, Ordering::Relaxed);
                let view = View { clock: &clock, rfm, behavior, types, scales };
                for (value, feature) in row.iter_mut().zip(&list) {
                    *value = (feature.compute)(&view);
                }
            }
        }
    });
    let specs = list.into_iter().map(|feature| FeatureSpec::numeric(feature.info.name)).collect();
    Ok(FeatureTable {
        ids,
        specs,
        values,
        as_of: Some(as_of),
        config: Some(fitted.clone()),
        last_events: Some(last_events.into_iter().map(AtomicI32::into_inner).collect()),
        cancelled: None,
        coverage: None,
        include_inactive: false,
        findings: Vec::new(),
    })
}
