//! The labelled rows of several cutoffs, one below the other, with features that are computed once.
//!
//! Several models are fitted on the rows: each on some of the cutoffs, with scales and event types that are fitted on the same
//! cutoffs. So the stack holds the features before they are scaled, with a column for every event type that any of the models
//! uses. [`Stack::scaled`] gives the rows as one model sees them. In most cases that is the stack itself with two columns
//! written anew, so that the rows are in memory only once. Rows of cutoffs that are no longer needed are dropped from the
//! front.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use super::rows::LearningRows;
use super::snapshot::LabelledRows;
use crate::day::Day;
use crate::error::Result;
use crate::events::Events;
use crate::features::{
    self, FeatureConfig, FeatureSpec, UNSCALED, computed, count_types, fit_scales, most_frequent, score,
};
use crate::input::Input;
use crate::labels::Labels;

/// The rows of some cutoffs.
pub(crate) struct Stack<'a> {
    input: Input<'a>,
    joined: &'a [FeatureSpec],
    /// The features that the columns are computed with. Its scales are not used.
    config: FeatureConfig,
    parts: VecDeque<Part>,
    specs: Vec<FeatureSpec>,
    /// The values of the rows, row by row.
    values: Vec<f64>,
    /// The values of the columns [`UNSCALED`] before they were scaled.
    unscaled: Vec<[f64; 2]>,
    y: Vec<bool>,
    groups: Vec<u32>,
    /// The weights of the rows, if customers have weights.
    weights: Option<Vec<f64>>,
}

struct Part {
    day: Day,
    rows: usize,
    type_counts: Vec<u64>,
}

/// The number of events of each type, of the customers at a cutoff. Empty if event types have no columns, or if they are given.
pub(crate) fn type_counts(events: &Events, day: Day, labels: &Labels, config: &FeatureConfig) -> Vec<u64> {
    let mut counts = Vec::new();
    if config.fits_types() {
        counts.resize(events.type_names().len(), 0);
        count_types(&events.split_at(day).0, &labels.customers, &mut counts);
    }
    counts
}

/// The configuration with the event types that have a column, given the counts of events of each type at each cutoff.
pub(crate) fn fit_types<'a>(
    events: &Events,
    counts: impl Iterator<Item = &'a Vec<u64>>,
    config: &FeatureConfig,
) -> FeatureConfig {
    let mut fitted = config.clone();
    if config.fits_types() {
        let names = events.type_names();
        let mut total = vec![0; names.len()];
        for counts in counts {
            total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        }
        fitted.event_type_columns = Some(most_frequent(&total, |number| names.get(number), config.top_event_types));
    }
    fitted
}

impl<'a> Stack<'a> {
    /// Creates a stack without rows. `config` has all event types that will be needed.
    pub(crate) fn new(input: Input<'a>, joined: &'a [FeatureSpec], config: FeatureConfig) -> Self {
        Stack {
            input,
            joined,
            config,
            parts: VecDeque::new(),
            specs: Vec::new(),
            values: Vec::new(),
            unscaled: Vec::new(),
            y: Vec::new(),
            groups: Vec::new(),
            weights: None,
        }
    }

    /// The cutoffs, oldest first.
    pub(crate) fn days(&self) -> impl DoubleEndedIterator<Item = Day> + ExactSizeIterator {
        self.parts.iter().map(|part| part.day)
    }

    /// The number of rows of all cutoffs.
    pub(crate) fn rows(&self) -> usize {
        self.y.len()
    }

    /// Computes the features of the customers of a later cutoff and adds them below. `type_counts` are those of the cutoff.
    pub(crate) fn push(&mut self, day: Day, labels: &Labels, type_counts: Vec<u64>) -> Result<()> {
        let (history, _) = self.input.events.split_at(day);
        let mut table = features::unscaled(&history, &labels.customers, &self.config)?;
        if let Some((attributes, customer_id)) = self.input.attributes {
            table.join_as(attributes, customer_id, self.joined)?;
        }
        let values = table.values.as_slice().expect("a table is contiguous");
        self.values.extend_from_slice(values);
        self.unscaled.extend(values.chunks_exact(table.specs.len()).map(|row| UNSCALED.map(|column| row[column])));
        self.specs = table.specs;
        self.y.extend_from_slice(&labels.churned);
        let customers: Vec<u32> = labels.customers.iter().map(|&customer| customer as u32).collect();
        if let Some(weights) = self.input.weights_of(&customers)? {
            self.weights.get_or_insert_default().extend(weights);
        }
        self.groups.extend(customers);
        self.parts.push_back(Part { day, rows: labels.len(), type_counts });
        Ok(())
    }

    /// Drops the rows of the cutoffs before a day.
    pub(crate) fn drop_before(&mut self, day: Day) {
        let parts = self.parts.iter().take_while(|part| part.day < day).count();
        let rows = self.rows_of(0..parts).len();
        self.parts.drain(..parts);
        self.values.drain(..rows * self.specs.len());
        self.unscaled.drain(..rows);
        self.y.drain(..rows);
        self.groups.drain(..rows);
        if let Some(weights) = &mut self.weights {
            weights.drain(..rows);
        }
    }

    fn rows_of(&self, parts: Range<usize>) -> Range<usize> {
        let before = |part: usize| self.parts.iter().take(part).map(|part| part.rows).sum::<usize>();
        before(parts.start)..before(parts.end)
    }

    /// Returns the configuration with scales and event types, if not given, fitted on the customers of these cutoffs.
    pub(crate) fn fit(&self, parts: Range<usize>, config: &FeatureConfig) -> FeatureConfig {
        let counts = self.parts.range(parts.clone()).map(|part| &part.type_counts);
        let mut fitted = fit_types(self.input.events, counts, config);
        if fitted.scales.is_none() {
            let activity = self.unscaled[self.rows_of(parts)].iter().map(|&[events, amounts]| (events, amounts));
            fitted.scales = Some(fit_scales(vec![activity.unzip()]));
        }
        fitted
    }

    /// The rows with the features of a fitted configuration. `learn` are the cutoffs to learn from.
    pub(crate) fn scaled(&mut self, fitted: &FeatureConfig, learn: Range<usize>) -> Scaled<'_> {
        let scales = fitted.scales.expect("a fitted configuration has scales");
        let scales = [scales.frequency, scales.monetary];
        let width = self.specs.len();
        for (row, values) in self.values.chunks_exact_mut(width.max(1)).zip(&self.unscaled) {
            for (i, column) in UNSCALED.into_iter().enumerate() {
                row[column] = score(values[i], scales[i]);
            }
        }
        let mut ages = Vec::new();
        for (i, part) in self.parts.range(learn.clone()).enumerate() {
            ages.resize(ages.len() + part.rows, (learn.len() - 1 - i) as u16);
        }
        let types = fitted.event_type_columns.as_deref().unwrap_or(&[]);
        if fitted.feature_set == self.config.feature_set
            && types == self.config.event_type_columns.as_deref().unwrap_or(&[])
        {
            let (values, specs) = (Cow::Borrowed(&self.values[..]), Cow::Borrowed(&self.specs[..]));
            return Scaled { stack: self, learn, values, specs, ages };
        }
        let sources = self.sources(fitted, types);
        let specs = sources.iter().map(|(spec, _)| spec.clone()).collect();
        let mut values = Vec::with_capacity(self.y.len() * sources.len());
        for row in self.values.chunks_exact(width) {
            values.extend(sources.iter().map(|(_, from)| from[1..].iter().fold(row[from[0]], |sum, &j| sum + row[j])));
        }
        Scaled { stack: self, learn, values: Cow::Owned(values), specs: Cow::Owned(specs), ages }
    }

    /// For each column of another configuration: its description, and the columns of the stack whose sum it is. That is one
    /// column, but for the count of other event types, to which the types without a column of their own are added.
    fn sources(&self, fitted: &FeatureConfig, types: &[String]) -> Vec<(FeatureSpec, Vec<usize>)> {
        let names = |types: &[String]| computed(fitted.feature_set, &fitted.windows, types).into_iter();
        let wanted: Vec<String> = names(types).map(|feature| feature.info.name).collect();
        let at = |name: &str| self.specs.iter().position(|spec| spec.name == name).expect("the stack has all columns");
        let column = |name: String| {
            let mut from = vec![at(&name)];
            if name == "event_type_other" {
                let all = self.config.event_type_columns.as_deref().unwrap_or(&[]);
                let others = names(all).map(|feature| feature.info.name).filter(|name| !wanted.contains(name));
                from.extend(others.map(|name| at(&name)));
            }
            (FeatureSpec::numeric(name), from)
        };
        let joined = self.specs.len() - self.joined.len();
        let joined = self.joined.iter().enumerate().map(|(i, spec)| (spec.clone(), vec![joined + i]));
        wanted.iter().cloned().map(column).chain(joined).collect()
    }

    /// Turns the stack into a data set of all rows.
    pub(crate) fn into_rows(mut self, fitted: &FeatureConfig) -> LabelledRows {
        let all = 0..self.parts.len();
        let Scaled { values, specs, ages, .. } = self.scaled(fitted, all);
        let (own, specs) = (matches!(values, Cow::Owned(_)).then(|| values.into_owned()), specs.into_owned());
        let values = own.unwrap_or_else(|| std::mem::take(&mut self.values));
        let x = Array2::from_shape_vec((self.y.len(), specs.len()), values).expect("rows times columns");
        LabelledRows { x, y: self.y, groups: self.groups, ages, weights: self.weights, specs }
    }
}

/// The rows of a stack with the features of one model.
pub(crate) struct Scaled<'s> {
    stack: &'s Stack<'s>,
    learn: Range<usize>,
    values: Cow<'s, [f64]>,
    specs: Cow<'s, [FeatureSpec]>,
    ages: Vec<u16>,
}

impl Scaled<'_> {
    fn values(&self, rows: Range<usize>) -> ArrayView2<'_, f64> {
        let width = self.specs.len();
        let values = &self.values[rows.start * width..rows.end * width];
        ArrayView2::from_shape((rows.len(), width), values).expect("rows times columns")
    }

    /// The rows to learn from.
    pub(crate) fn learning_rows(&self) -> LearningRows<'_> {
        let rows = self.stack.rows_of(self.learn.clone());
        LearningRows {
            x: self.values(rows.clone()),
            specs: &self.specs,
            y: &self.stack.y[rows.clone()],
            groups: &self.stack.groups[rows],
            ages: &self.ages,
            weights: self.stack.weights.as_ref().map(|weights| &weights[self.stack.rows_of(self.learn.clone())]),
        }
    }

    /// A copy of the rows of one cutoff.
    pub(crate) fn test_rows(&self, part: usize) -> LabelledRows {
        let rows = self.stack.rows_of(part..part + 1);
        LabelledRows {
            x: self.values(rows.clone()).to_owned(),
            y: self.stack.y[rows.clone()].to_vec(),
            groups: self.stack.groups[rows.clone()].to_vec(),
            ages: vec![0; rows.len()],
            weights: self.stack.weights.as_ref().map(|weights| weights[rows].to_vec()),
            specs: self.specs.to_vec(),
        }
    }
}
