//! Analysis of changes: the risk with other feature values, and the smallest changes that take the risk below a threshold.
//!
//! Both change only the values of features. But the features of a log move together: one more purchase today changes
//! recency, frequency and engagement at once. For the effect of an event, add it to the customer's transactions and call
//! [`Model::predict_one`].

use serde::Serialize;

use super::reasons::ReasonWriter;
use super::{ExplainConfig, position};
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::quote_for_message;
use crate::features::{FeatureTable, computed, encode_value};
use crate::model::tree::Rule;
use crate::model::{Model, Prediction, Typical};
use crate::objects::objects;
use crate::order;
use crate::table::Value;

/// The risk of a customer before and after changes of features.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WhatIf {
    /// The risk with the present values.
    pub before: Prediction,
    /// The risk with the changed values.
    pub after: Prediction,
}

objects! { WhatIf { before, after } }

/// Settings for the search for changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChangeConfig {
    /// The probability to get below, above 0 and at most 1; none for the lower bound of the customer's own risk band.
    pub below: Option<f64>,
    /// The features that may be changed; none for the features of the model that a business can influence
    /// ([`FeatureInfo::actionable`](crate::FeatureInfo::actionable)). For a model of a table they must be named, because the
    /// library cannot know which columns can be influenced.
    pub features: Option<Vec<String>>,
}

objects! { @default ChangeConfig { below, features } }

/// A change that takes the risk below the threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The changed features: one, or several if one is not enough.
    pub steps: Vec<Step>,
    /// The probability after the change.
    pub churn_probability: f64,
    /// The size of the change: the sum over the steps of |to − from| / (range of the feature in the training rows). A step of a
    /// category, or from a missing value, counts 1.
    pub distance: f64,
}

objects! { Change { steps, churn_probability, distance } }

/// The change of one feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// The feature.
    pub feature: String,
    /// The present value; none if it is missing. For a category, the index of its level.
    pub from: Option<f64>,
    /// The value to reach.
    pub to: f64,
    /// Both values in words.
    pub text: String,
}

objects! { Step { feature, from, to, text } }

/// Largest number of features of a change.
const MOST_STEPS: usize = 3;

impl Model {
    /// Predicts the risk of a customer of a feature table if these features had these values.
    ///
    /// # Errors
    /// `no_customers` if the table has no such customer, `missing_column` for a feature that the model does not have,
    /// `feature_mismatch` for a value of the wrong type, and the errors of [`Model::predict_features`].
    pub fn what_if(&self, table: &FeatureTable, customer_id: &str, changes: &[(&str, Value)]) -> Result<WhatIf> {
        let before = customer(self, table, customer_id)?;
        let note = self.note(table, customer_id);
        let mut after = before.clone();
        for (feature, value) in changes {
            let at = position(&table.specs, feature)?;
            after[at] = encode_value(value, &table.specs[at])?;
        }
        let prediction = |row: &[f64]| {
            let churn_probability = self.probability(row);
            Prediction {
                customer_id: customer_id.to_owned(),
                churn_probability,
                risk_segment: self.thresholds().band(churn_probability),
                covered: note.is_none(),
                note: note.clone(),
            }
        };
        Ok(WhatIf { before: prediction(&before), after: prediction(&after) })
    }

    /// Finds the smallest changes of a customer's features that take the risk below a threshold, smallest first. For each
    /// feature it is the nearest value that does so alone, within the range of the training rows. If no single feature does,
    /// it is one change of up to three features, found greedily. If that is not enough either, the list is empty.
    ///
    /// # Errors
    /// `no_customers` if the table has no such customer; `invalid_parameter` if the customer's risk is below the threshold
    /// already, or the features must be named; `missing_column`; `missing_background` for a document without ranges; the errors
    /// of [`Model::predict_features`].
    pub fn smallest_changes(
        &self,
        table: &FeatureTable,
        customer_id: &str,
        config: &ChangeConfig,
    ) -> Result<Vec<Change>> {
        let row = customer(self, table, customer_id)?;
        let now = self.probability(&row);
        let below = config.below.unwrap_or_else(|| self.thresholds().bounds(self.thresholds().band(now)).0);
        if !(below > 0.0 && below <= now) {
            let expected = format!("above 0 and at most the customer's probability {now}");
            return Err(invalid_parameter("below", below, &expected));
        }
        if self.document.typical.is_empty() {
            let message = "the document does not say which values the features had in training: train the model anew";
            return Err(Error::new(ErrorKind::MissingBackground, message));
        }
        let writer = ReasonWriter::new(&self.document, &ExplainConfig::default());
        let search = ChangeSearch { model: self, table, below, features: self.movable(config)?, writer };
        Ok(search.changes(&row))
    }

    /// The indices of the features that may be changed.
    fn movable(&self, config: &ChangeConfig) -> Result<Vec<usize>> {
        let specs = &self.document.features;
        if let Some(names) = &config.features {
            return names.iter().map(|name| position(specs, name)).collect();
        }
        let Some(features) = &self.document.feature_config else {
            return Err(invalid_parameter("features", "not given", "the columns of the table that can be influenced"));
        };
        let types = features.event_type_columns.as_deref().unwrap_or(&[]);
        let computed = computed(features.feature_set, &features.windows, types);
        Ok((0..computed.len()).filter(|&j| computed[j].info.actionable).collect())
    }
}

/// The row of a customer of a feature table.
fn customer(model: &Model, table: &FeatureTable, customer_id: &str) -> Result<Vec<f64>> {
    model.check_features(table)?;
    let row = table.row(customer_id).ok_or_else(|| {
        Error::new(
            ErrorKind::NoCustomers,
            format!("the feature table has no customer {}", quote_for_message(customer_id.as_bytes())),
        )
    })?;
    Ok(row.to_vec())
}

/// The search for changes.
struct ChangeSearch<'a> {
    model: &'a Model,
    table: &'a FeatureTable,
    below: f64,
    features: Vec<usize>,
    writer: ReasonWriter,
}

impl ChangeSearch<'_> {
    fn probability(&self, row: &[f64]) -> f64 {
        self.model.probability(row)
    }

    fn changes(&self, row: &[f64]) -> Vec<Change> {
        let mut changes: Vec<Change> = self
            .features
            .iter()
            .filter_map(|&feature| {
                let to = self.nearest(row, feature)?;
                let mut changed = row.to_vec();
                changed[feature] = to;
                Some(self.change(row, &changed, &[feature]))
            })
            .collect();
        if changes.is_empty() {
            changes.extend(self.together(row));
        }
        order::sort_by(&mut changes, |a, b| a.distance.total_cmp(&b.distance));
        changes
    }

    /// The value of a feature closest to the present one with which the risk is below the threshold.
    fn nearest(&self, row: &[f64], feature: usize) -> Option<f64> {
        let mut changed = row.to_vec();
        let mut below = |value: f64| {
            changed[feature] = value;
            self.probability(&changed) < self.below
        };
        let mut values = self.values(row, feature);
        let now = row[feature];
        // By distance. If the present value is missing, all distances are 0, and the smallest value comes first.
        let far = |value: f64| if now.is_nan() { 0.0 } else { (value - now).abs() };
        order::sort_by(&mut values, |&a, &b| far(a).total_cmp(&far(b)).then(a.total_cmp(&b)));
        let found = values.into_iter().find(|&value| below(value))?;
        // With a logistic regression the risk changes smoothly between the candidates, so bisect for the threshold.
        let smooth = self.model.document.learner.is_smooth();
        if !smooth || now.is_nan() || self.table.specs[feature].levels.is_some() {
            return Some(found);
        }
        // If the present value is outside the range of the training rows, the search starts at the end of the range.
        let (low, high) = self.model.document.typical[feature].range.unwrap_or((found, found));
        let (mut above, mut found) = (now.clamp(low, high), found);
        for _ in 0..60 {
            let middle = above + (found - above) / 2.0;
            if below(middle) { found = middle } else { above = middle }
        }
        Some(found)
    }

    /// The candidate values of a feature within the range of the training rows. For trees they are the ends of the intervals in
    /// which the prediction is constant; for a logistic regression, the ends of the range; for a category, the other levels.
    fn values(&self, row: &[f64], feature: usize) -> Vec<f64> {
        let spec = &self.table.specs[feature];
        let Typical { range, churn_rates, .. } = &self.model.document.typical[feature];
        if let Some(levels) = &spec.levels {
            // Nobody can be moved to "any other value".
            let seen = |&level: &usize| {
                churn_rates[level].is_some() && row[feature] != level as f64 && Some(level) != spec.other_level()
            };
            return (0..levels.len()).filter(seen).map(|level| level as f64).collect();
        }
        let &Some((low, high)) = range else { return Vec::new() };
        let mut values = vec![low, high];
        let nodes = self.model.document.learner.trees().flat_map(|tree| &tree.nodes);
        let splits = nodes.filter_map(|node| node.split.as_ref());
        for split in splits.filter(|split| split.feature as usize == feature) {
            if let Rule::AtMost(threshold) = split.rule {
                values.extend([threshold, threshold.next_up()]);
            }
        }
        values.retain(|value| (low..=high).contains(value) && *value != row[feature]);
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        values
    }

    /// Changes feature after feature to the value that lowers the risk most, until the risk is below the threshold.
    fn together(&self, row: &[f64]) -> Option<Change> {
        let mut changed = row.to_vec();
        let mut steps = Vec::new();
        while steps.len() < MOST_STEPS {
            let mut best = (self.probability(&changed), None);
            for &feature in self.features.iter().filter(|feature| !steps.contains(*feature)) {
                let mut trial = changed.clone();
                for value in self.values(row, feature) {
                    trial[feature] = value;
                    let probability = self.probability(&trial);
                    if probability < best.0 {
                        best = (probability, Some((feature, value)));
                    }
                }
            }
            let (probability, Some((feature, value))) = best else { return None };
            changed[feature] = value;
            steps.push(feature);
            if probability < self.below {
                return Some(self.change(row, &changed, &steps));
            }
        }
        None
    }

    fn change(&self, row: &[f64], changed: &[f64], features: &[usize]) -> Change {
        let step = |&feature: &usize| {
            let spec = &self.table.specs[feature];
            let in_words = |value: f64| self.writer.amount(feature, spec, value);
            Step {
                feature: spec.name.clone(),
                from: (!row[feature].is_nan()).then_some(row[feature]),
                to: changed[feature],
                text: format!("{}: from {} to {}", spec.name, in_words(row[feature]), in_words(changed[feature])),
            }
        };
        let way = |&feature: &usize| match self.model.document.typical[feature].range {
            Some((low, high)) if high > low && !row[feature].is_nan() => {
                (changed[feature] - row[feature]).abs() / (high - low)
            }
            _ => 1.0,
        };
        Change {
            steps: features.iter().map(step).collect(),
            churn_probability: self.probability(changed),
            distance: features.iter().map(way).sum(),
        }
    }
}
