//! From a customer's past to numbers: the `rfm` set of eight features and the wider `behavioral` set.
//!
//! Every feature is a sum, count, minimum or maximum over events on or before as_of, kept in integers and fixed-point
//! sums: the bits do not depend on the order of the rows, on how they were chunked, or on the number of threads.
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
mod wording;

use std::io::Write;
use std::sync::atomic::{AtomicI32, Ordering};

use ndarray::Array2;
use serde::Serialize;

pub(crate) use customer::CustomerFeatures;
pub use registry::{FeatureInfo, registry};
pub use stream::FeatureStream;
pub(crate) use wording::{Measure, Or, Quantity, Wording};

use crate::coverage::Coverage;
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::{History, NO_TYPE, Strings, Texts, quoted};
use crate::findings::Finding;
use crate::objects::{names, objects};
use crate::parallel;
use crate::table::{MAX_COLUMNS, MAX_LEVELS, MAX_NUMBER, Table, VALID_FROM, Value, level};
use registry::View;
pub(crate) use registry::features as computed;
use state::{Behavior, Clock, Rfm};

/// Makes the tables that the first use would make.
#[cfg(feature = "parallel")]
pub(crate) fn fill_tables() {
    state::fill_decays();
}

/// Days that the behavioral counts and sums look back.
pub const WINDOWS: [i32; 5] = [7, 30, 90, 180, 365];

/// The longest recent window.
pub(crate) const MAX_RECENT_DAYS: i32 = 3650;

/// Half-lives in days of the decayed counts and sums.
pub const HALF_LIVES: [i32; 4] = [7, 30, 90, 180];

/// Which features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureSet {
    /// The eight of the product.
    #[default]
    Rfm,
    /// The eight and the wider set.
    Behavioral,
}

names! { FeatureSet { Rfm, Behavioral } }

impl FeatureSet {
    /// The name as it is written in files and answers.
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
    /// Of engagement and trend: 2 to 3650, default 30.
    pub recent_days: i32,
    /// Of frequency and monetary: 1 to 3650, default 90.
    pub activity_days: i32,
    /// Where recency reaches 0 and tenure counts in full: 1 to 36500, default 365.
    pub full_days: i32,
}

objects! { @default Windows { recent_days, activity_days, full_days } }

impl Default for Windows {
    fn default() -> Self {
        Windows { recent_days: 30, activity_days: 90, full_days: 365 }
    }
}

/// What a score of 100 stands for: the 95th percentiles (linear interpolation) over the customers they were fitted on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scales {
    /// Of the events in the activity window; above 0.
    pub frequency: f64,
    /// Of the sum of amounts in the activity window; above 0.
    pub monetary: f64,
}

objects! { Scales { frequency, monetary } }

/// Which features to compute, and how. With `scales` and `event_type_columns` left at `None` they are fitted on the customers given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureConfig {
    /// Which features. Training with `auto` tries this set first, then the other.
    pub feature_set: FeatureSet,
    /// Windows of the rfm features.
    pub windows: Windows,
    /// Fitted before, or `None` to fit them now.
    pub scales: Option<Scales>,
    /// `behavioral`: the event types that get a column each, or `None` to take the most frequent.
    pub event_type_columns: Option<Vec<String>>,
    /// `behavioral`: how many event types get a column when they are chosen here; 0 to 1000.
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

    /// Whether types have columns at all.
    fn counts_types(&self) -> bool {
        self.feature_set == FeatureSet::Behavioral
    }
}

/// What a column of a feature table holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureSpec {
    /// The column name.
    pub name: String,
    /// For a categorical column its levels, in byte order; a value is the index of its level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<String>>,
}

objects! { FeatureSpec { name, levels } }

impl FeatureSpec {
    pub(crate) fn numeric(name: impl Into<String>) -> Self {
        FeatureSpec { name: name.into(), levels: None }
    }
}

/// The result of joining a table.
pub(crate) struct Joined {
    /// Customers found in the table.
    pub(crate) matched: u64,
    /// For each joined column the values of those customers that are no level of it.
    pub(crate) unknown: Vec<u64>,
}

/// Customers × features.
#[derive(Clone, Debug)]
pub struct FeatureTable {
    pub(crate) ids: Strings,
    pub(crate) specs: Vec<FeatureSpec>,
    pub(crate) values: Array2<f64>,
    pub(crate) as_of: Option<Day>,
    pub(crate) config: Option<FeatureConfig>,
    /// Of features of events: the day number of each row's last event by as_of.
    pub(crate) last_events: Option<Vec<i32>>,
    /// The customers of the day with those who have been left out of this table.
    pub(crate) coverage: Option<Coverage>,
    /// True if customers that a model's definition does not cover are scored all the same.
    pub(crate) include_inactive: bool,
    /// The findings about the data they come from.
    pub(crate) findings: Vec<Finding>,
}

impl FeatureTable {
    /// Rows that do not come from events.
    pub(crate) fn of_columns(ids: Strings, specs: Vec<FeatureSpec>, values: Array2<f64>) -> Self {
        FeatureTable {
            ids,
            specs,
            values,
            as_of: None,
            config: None,
            last_events: None,
            coverage: None,
            include_inactive: false,
            findings: Vec::new(),
        }
    }

    /// The customers, one a row; for a log in byte order.
    pub fn customer_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.values.nrows()
    }

    /// The column names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.specs.iter().map(|spec| spec.name.as_str())
    }

    /// What the columns hold.
    pub fn specs(&self) -> &[FeatureSpec] {
        &self.specs
    }

    /// Rows × columns; NaN where missing, the index of the level for a categorical column.
    pub fn values(&self) -> &Array2<f64> {
        &self.values
    }

    /// The day that the features were seen from, if they come from events.
    pub fn as_of(&self) -> Option<Day> {
        self.as_of
    }

    /// The scales used, fitted or given, if the features come from events.
    pub fn scales(&self) -> Option<Scales> {
        self.config.as_ref()?.scales
    }

    /// The configuration with everything that was fitted filled in: what later data must be computed with.
    pub fn fitted_config(&self) -> Option<&FeatureConfig> {
        self.config.as_ref()
    }

    /// The rows at these places, in this order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn select(&self, rows: &[usize]) -> FeatureTable {
        FeatureTable {
            ids: self.ids.select(rows.iter().map(|&row| row as u32)),
            specs: self.specs.clone(),
            values: matrix(
                rows.len(),
                self.specs.len(),
                rows.iter().flat_map(|&row| self.values.row(row)).copied().collect(),
            ),
            as_of: self.as_of,
            config: self.config.clone(),
            last_events: self.last_events.as_ref().map(|days| rows.iter().map(|&row| days[row]).collect()),
            coverage: self.coverage,
            include_inactive: self.include_inactive,
            findings: self.findings.clone(),
        }
    }

    /// The customers of the day: those whom the model's definition of churn covers, and those it leaves out of this table.
    /// Only of a table that [`Model::features`](crate::Model::features) made.
    pub fn coverage(&self) -> Option<Coverage> {
        self.coverage
    }

    /// The findings about the data that [`Model::features`](crate::Model::features) computed the table from.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Lets a model score every row of the table, as [`Input::include_inactive`](crate::Input::include_inactive) does.
    pub fn include_inactive(self, include: bool) -> FeatureTable {
        FeatureTable { include_inactive: include, ..self }
    }

    /// A customer's features in order.
    pub fn row(&self, customer_id: &str) -> Option<ndarray::ArrayView1<'_, f64>> {
        self.ids.iter().position(|id| id == customer_id).map(|i| self.values.row(i))
    }

    /// Appends the columns of a table, found by the ids in its column `customer_id`. With a column `valid_from` a customer has
    /// a row for each change, and the one with the latest day up to [`FeatureTable::as_of`] counts; without it one row at
    /// most. Customers who are not in it get missing values; rows of customers who are not here are left out. True and false
    /// become 1 and 0.
    ///
    /// # Errors
    /// `missing_column`, `too_many_values` for a category with more than 255 levels, `duplicate_column`, `invalid_column` where
    /// a customer stands in the table twice or a day is none.
    pub fn join(&mut self, table: &Table, customer_id: &str) -> Result<()> {
        let specs = infer_specs(table, &[customer_id, VALID_FROM])?;
        self.join_as(table, customer_id, &specs).map(|_| ())
    }

    pub(crate) fn join_as(&mut self, table: &Table, customer_id: &str, specs: &[FeatureSpec]) -> Result<Joined> {
        let ids = table.customer_ids(Some(customer_id))?;
        let valid_from = table.valid_from()?;
        let from = |row: u32| valid_from.as_ref().map(|days| days[row as usize]);
        let mut order = ids.sorted();
        let customer = |row: u32| ids.get(row as usize);
        order.sort_by(|&a, &b| customer(a).cmp(customer(b)).then(from(a).cmp(&from(b))));
        let twice = |pair: &&[u32]| customer(pair[0]) == customer(pair[1]) && from(pair[0]) == from(pair[1]);
        if let Some(pair) = order.windows(2).find(twice) {
            let when = from(pair[0]).map_or(String::new(), |day| format!(" from {day} on"));
            let message = format!(
                "the customer {:?} stands in the joined table twice{when}; expected one row{}",
                customer(pair[0]),
                if when.is_empty() { ", or a column valid_from with the day from which each holds" } else { "" }
            );
            return Err(Error::new(ErrorKind::InvalidColumn, message));
        }
        if let Some(spec) = specs.iter().find(|spec| self.specs.iter().any(|own| own.name == spec.name)) {
            return Err(Error::new(ErrorKind::DuplicateColumn, format!("there is a feature {:?} already", spec.name)));
        }
        let encoded = encode(table, specs)?;
        let columns: Vec<usize> = specs
            .iter()
            .map(|spec| table.columns().iter().position(|column| column.name == spec.name).expect("it was encoded"))
            .collect();
        let as_of = self.as_of.unwrap_or(Day::MAX);
        let mut joined = Joined { matched: 0, unknown: vec![0; specs.len()] };
        let width = self.specs.len();
        let rows = self.rows();
        let mut values = Vec::with_capacity(rows * (width + specs.len()));
        for (i, id) in self.ids.iter().enumerate() {
            values.extend(self.values.row(i));
            // The last row of the customer that held by then.
            let after = order.partition_point(|&row| {
                customer(row) < id || (customer(row) == id && from(row).is_none_or(|day| day <= as_of))
            });
            match order[..after].last().filter(|&&row| customer(row) == id) {
                Some(&row) => {
                    joined.matched += 1;
                    for (j, spec) in specs.iter().enumerate() {
                        let value = encoded[(row as usize, j)];
                        let is_unknown = value.is_nan()
                            && spec.levels.is_some()
                            && table.value(columns[j], row as usize) != Value::Missing(());
                        joined.unknown[j] += u64::from(is_unknown);
                        values.push(value);
                    }
                }
                None => values.extend(std::iter::repeat_n(f64::NAN, specs.len())),
            }
        }
        self.values = matrix(rows, width + specs.len(), values);
        self.specs.extend_from_slice(specs);
        Ok(joined)
    }

    /// Writes `customer_id` and the features as CSV; missing values are empty, categories are written by name.
    ///
    /// # Errors
    /// `io`.
    pub fn write_csv(&self, mut writer: impl Write) -> Result<()> {
        let mut line = "customer_id".to_owned();
        for spec in &self.specs {
            line.extend([",", &quoted(&spec.name)]);
        }
        line.push('\n');
        writer.write_all(line.as_bytes())?;
        for (i, id) in self.ids.iter().enumerate() {
            line.clear();
            line.push_str(&quoted(id));
            for (value, spec) in self.values.row(i).iter().zip(&self.specs) {
                line.push(',');
                match &spec.levels {
                    _ if value.is_nan() => (),
                    Some(levels) => line.push_str(&quoted(&levels[*value as usize])),
                    None => line.push_str(&value.to_string()),
                }
            }
            line.push('\n');
            writer.write_all(line.as_bytes())?;
        }
        writer.flush()?;
        Ok(())
    }
}

/// The specs of a table's columns without those to leave out; levels in byte order.
pub(crate) fn infer_specs(table: &Table, leave_out: &[&str]) -> Result<Vec<FeatureSpec>> {
    use crate::table::ColumnData;
    let columns = table.columns().iter().filter(|column| !leave_out.contains(&column.name.as_str()));
    columns
        .map(|column| {
            let ColumnData::Categorical(values) = &column.data else { return Ok(FeatureSpec::numeric(&column.name)) };
            let mut levels: Vec<String> = values.iter().flatten().cloned().collect();
            levels.sort_unstable();
            levels.dedup();
            if levels.len() > MAX_LEVELS {
                let message = format!(
                    "the column {:?} has {} distinct values, more than the {MAX_LEVELS} of a category; leave it out if it is a name or an id",
                    column.name,
                    levels.len()
                );
                return Err(Error::new(ErrorKind::TooManyValues, message));
            }
            Ok(FeatureSpec { name: column.name.clone(), levels: Some(levels) })
        })
        .collect()
}

/// The columns of these specs as numbers; a level that is not listed is missing.
pub(crate) fn encode(table: &Table, specs: &[FeatureSpec]) -> Result<Array2<f64>> {
    let mut values = Array2::from_elem((table.rows(), specs.len()), f64::NAN);
    for (j, spec) in specs.iter().enumerate() {
        table.column(&spec.name)?;
        let at = table.columns().iter().position(|column| column.name == spec.name).expect("the column is there");
        for i in 0..table.rows() {
            values[(i, j)] = encode_value(&table.value(at, i), spec).map_err(|error| error.at_line(i as u64 + 1))?;
        }
    }
    Ok(values)
}

pub(crate) fn encode_value(value: &Value, spec: &FeatureSpec) -> Result<f64> {
    match (&spec.levels, value) {
        (_, Value::Missing(())) => Ok(f64::NAN),
        (Some(levels), value) => {
            Ok(level(value).and_then(|text| levels.binary_search(&text).ok()).map_or(f64::NAN, |code| code as f64))
        }
        (None, Value::Number(number)) if number.abs() <= MAX_NUMBER => Ok(*number),
        (None, Value::Boolean(value)) => Ok(f64::from(u8::from(*value))),
        (None, value) => {
            let found = level(value).unwrap_or_default();
            let message =
                format!("the feature {:?} is {:?}; the model knows it as a number within ±10^100", spec.name, found);
            Err(Error::new(ErrorKind::FeatureMismatch, message))
        }
    }
}

/// How people say the values of a model's features: those computed from events first, then the joined ones.
pub(crate) fn wordings(config: Option<&FeatureConfig>, specs: &[FeatureSpec]) -> Vec<Wording> {
    let types = config.and_then(|config| config.event_type_columns.as_deref()).unwrap_or(&[]);
    let computed =
        config.map_or_else(Vec::new, |config| registry::features(config.feature_set, &config.windows, types));
    let mut wordings: Vec<Wording> = computed.into_iter().map(|feature| feature.wording).collect();
    wordings.extend(specs[wordings.len()..].iter().map(|spec| Wording::of_column(&spec.name)));
    wordings
}

/// The features of every customer with an event by the history's day, in byte order of their ids.
///
/// # Errors
/// `invalid_parameter`; `no_customers` if nothing had happened by that day.
pub fn features(history: &History<'_>, config: &FeatureConfig) -> Result<FeatureTable> {
    config.check()?;
    let customers: Vec<usize> = history.customers().collect();
    if customers.is_empty() {
        return Err(Error::new(ErrorKind::NoCustomers, format!("no event on or before {}", history.as_of())));
    }
    let fitted = fit(&[(*history, &customers)], config)?;
    compute(history, &customers, &fitted)
}

/// The configuration with scales and event types fitted on these customers at these days, where they are not given.
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
    if config.counts_types() && config.event_type_columns.is_none() {
        let mut counts: Vec<u64> = Vec::new();
        let mut names = None;
        for (history, customers) in snapshots {
            names = Some(history.events());
            counts.resize(history.events().type_names().len(), 0);
            for &customer in *customers {
                for number in history.of(customer).types().filter(|&number| number != NO_TYPE) {
                    counts[usize::from(number)] += 1;
                }
            }
        }
        let name = |number: usize| names.map_or("", |events| events.type_names().get(number));
        fitted.event_type_columns = Some(most_frequent(&counts, name, config.top_event_types));
    }
    Ok(fitted)
}

/// The names of the `top` largest counts above 0; of equal ones the first in byte order.
fn most_frequent<'a>(counts: &[u64], name: impl Fn(usize) -> &'a str, top: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..counts.len()).filter(|&i| counts[i] > 0).collect();
    crate::order::sort_by(&mut order, |&a, &b| counts[b].cmp(&counts[a]).then_with(|| name(a).cmp(name(b))));
    order.truncate(top);
    order.into_iter().map(|i| name(i).to_owned()).collect()
}

/// The scales over parts of the customers: their numbers of events in the activity window, and their amounts in it.
fn fit_scales(parts: Vec<(Vec<f64>, Vec<f64>)>) -> Scales {
    let (events, amounts): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let scale = |parts: Vec<Vec<f64>>| match percentile(&mut parts.concat(), 0.95) {
        value if value > 0.0 => value,
        _ => 1.0,
    };
    Scales { frequency: scale(events), monetary: scale(amounts) }
}

/// The q-quantile by linear interpolation between the order statistics around q·(n − 1), as numpy computes it by default.
pub(crate) fn percentile(values: &mut [f64], q: f64) -> f64 {
    let position = q * (values.len() - 1) as f64;
    let below = position.floor() as usize;
    let t = position - below as f64;
    let (_, low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    if t < 0.5 { low + (high - low) * t } else { high - (high - low) * (1.0 - t) }
}

/// A customer's past, added up.
fn state<S: Default>(history: &History<'_>, customer: usize, clock: &Clock, add: fn(&mut S, &Clock, i32, f64)) -> S {
    let past = history.of(customer);
    let mut state = S::default();
    for (day, amount) in past.days().zip(past.amounts()) {
        add(&mut state, clock, day, amount);
    }
    state
}

/// Values that stand row by row.
pub(crate) fn matrix(rows: usize, columns: usize, values: Vec<f64>) -> Array2<f64> {
    Array2::from_shape_vec((rows, columns), values).expect("as many values as rows times columns")
}

/// The features of these customers with a fitted configuration.
pub(crate) fn compute(history: &History<'_>, customers: &[usize], fitted: &FeatureConfig) -> Result<FeatureTable> {
    let types = fitted.event_type_columns.as_deref().unwrap_or(&[]);
    let slots = type_slots(history.events().type_names(), types);
    let clock = Clock::new(history.as_of(), fitted.windows);
    let behavioral = fitted.counts_types();
    let ids = history.events().ids().select(customers.iter().map(|&c| c as u32));
    tabulate(
        ids,
        history.as_of(),
        fitted,
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

/// The slot of each type number: its place among the listed names, or the one after them.
fn type_slots(names: &impl Texts, listed: &[String]) -> Vec<usize> {
    let slot = |name: &[u8]| listed.iter().position(|l| l.as_bytes() == name).unwrap_or(listed.len());
    (0..names.len()).map(|number| slot(names.bytes(number))).collect()
}

/// One customer's states, filled in before their row is written.
#[derive(Default)]
struct Scratch {
    rfm: Rfm,
    behavior: Behavior,
    types: Vec<u32>,
}

/// A table from states: `fill(i, scratch)` gives those of row `i`; `ahead` reads what the rows of a block will need.
fn tabulate(
    ids: Strings,
    as_of: Day,
    fitted: &FeatureConfig,
    ahead: impl Fn(std::ops::Range<usize>) + Sync + Send,
    fill: impl Fn(usize, &mut Scratch) + Sync + Send,
) -> Result<FeatureTable> {
    /// Rows whose states are read ahead together.
    const ROWS: usize = 64;
    let scales = fitted.scales.expect("a fitted configuration has scales");
    let types = fitted.event_type_columns.as_deref().unwrap_or(&[]);
    let clock = Clock::new(as_of, fitted.windows);
    let list = registry::features(fitted.feature_set, &fitted.windows, types);
    if list.len() > MAX_COLUMNS {
        return Err(invalid_parameter("the number of features", list.len(), "at most 10000"));
    }
    let mut values = Array2::zeros((ids.len(), list.len()));
    let rows = values.as_slice_mut().expect("a new array is contiguous");
    // Written by the threads that write the rows.
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
        coverage: None,
        include_inactive: false,
        findings: Vec::new(),
    })
}
