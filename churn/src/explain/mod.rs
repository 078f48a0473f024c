//! Explanations of a customer's risk: the contribution of each feature, in numbers and in words.
//!
//! **Contributions** are Shapley values, exact for every learner: the base and the contributions add up to the margin. The
//! margin depends on the learner ([`Output`]): it is the log-odds for logistic regression and boosting, and the rate for a
//! forest, which averages rates. The probability is a rising function of the margin (the calibration). So a contribution
//! above 0 never lowers the probability, and the order of contributions holds for it too. But contributions do not add up to
//! the probability.
//!
//! **Reference** ([`FeaturePerturbation`]): by default the training rows, as summarised by the covers of the trees and by the
//! means; or a background sample of the training rows that the document stores.
//!
//! Worked by hand: a logistic regression of one feature with mean 10, deviation 5, coefficient 0.8 and intercept −1 gives a
//! customer with the value 20 the margin −1 + 0.8 · (20 − 10)/5 = 0.6: base −1, contribution 1.6.
//!
//! ```
//! # use churn::*;
//! # let csv: String = std::iter::once("customer_id,event_date,amount\n".to_owned()).chain((0..2000).map(|i| {
//! #     let (c, k) = (i % 200, i / 200);
//! #     let day = Day::new(19_700 + (c * 7 + k * (2 + c % 40)) % 360).unwrap();
//! #     format!("c{c:03},{day},{}.50\n", 5 + c % 30)
//! # })).collect();
//! # let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
//! # let model = train(&events, &TrainConfig::default())?;
//! let explanation = model.explain(&model.features(&events, None)?)?;
//! for (i, id) in explanation.customer_ids().enumerate().take(3) {
//!     let added: f64 = explanation.contributions().row(i).sum();
//!     assert!((explanation.base() + added - explanation.margin()[i]).abs() < 1e-9);
//!     for reason in explanation.reasons(i) {
//!         println!("{id}: {} {}", if reason.raises_risk { "+" } else { "-" }, reason.text);
//!     }
//! }
//! # Ok::<(), churn::Error>(())
//! ```

mod explainer;
mod interventional;
mod path_dependent;
mod reasons;
mod shared;
mod what_if;

use std::sync::Arc;

use ndarray::{Array2, ArrayView1, Axis};
use serde::Serialize;

pub use explainer::{ExplainedPrediction, Explainer};
pub use reasons::Reason;
pub use shared::{ListReasons, SharedReason};
pub use what_if::{Change, ChangeConfig, Step, WhatIf};

use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::{Strings, quote_for_message};
use crate::features::FeatureSpec;
use crate::objects::{names, objects};
use reasons::ReasonWriter;

/// The definition of the value of a model if a feature is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeaturePerturbation {
    /// Trees: the mean of both sides of a split, weighted by their training rows (cover). Logistic regression: the training
    /// means.
    #[default]
    TreePathDependent,
    /// The mean over the rows of the model's background sample, whose values replace the unknown ones. So it measures the
    /// effect of changing the feature alone, even if no such customers exist. It takes one walk per background row (by default
    /// a hundred), where the other takes one.
    Interventional,
}

names! { FeaturePerturbation { TreePathDependent, Interventional } }

/// Settings for explanations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainConfig {
    /// The reference that contributions compare with.
    pub feature_perturbation: FeaturePerturbation,
    /// Number of reasons in words per customer; 0 to 100, default 3.
    pub reasons: usize,
    /// The word for an event of the log, such as `purchase` or `visit`; the plural takes an s. Default `event`.
    pub event: String,
}

objects! { @default ExplainConfig { feature_perturbation, reasons, event } }

impl Default for ExplainConfig {
    fn default() -> Self {
        ExplainConfig { feature_perturbation: FeaturePerturbation::default(), reasons: 3, event: "event".to_owned() }
    }
}

impl ExplainConfig {
    fn check(&self) -> Result<()> {
        if self.reasons > 100 {
            return Err(invalid_parameter("reasons", self.reasons, "0 to 100"));
        }
        if self.event.is_empty() || self.event.len() > 100 || self.event.contains(['{', '}']) {
            return Err(invalid_parameter("event", format!("{:?}", self.event), "a word, such as purchase"));
        }
        Ok(())
    }
}

/// The unit of the margin and the contributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Log-odds before calibration: logistic regression and boosting.
    LogOdds,
    /// The share of churners before calibration, 0..1: forest.
    Rate,
}

names! { Output { LogOdds, Rate } }

/// The importance of a feature: the mean absolute value of its contributions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeatureImportance {
    /// The feature.
    pub feature: String,
    /// Mean of |contribution| over the explained customers, in the unit of the margin.
    pub mean_absolute: f64,
}

objects! { FeatureImportance { feature, mean_absolute } }

/// Contributions of every feature to the margin of every customer.
#[derive(Clone, Debug)]
pub struct Explanation {
    ids: Strings,
    specs: Vec<FeatureSpec>,
    values: Array2<f64>,
    contributions: Array2<f64>,
    base: f64,
    margin: Vec<f64>,
    probabilities: Vec<f64>,
    output: Output,
    writer: Arc<ReasonWriter>,
}

impl Explanation {
    /// The customer ids, in the order of the feature table.
    pub fn customer_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter()
    }

    /// The features, in the order of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.specs.iter().map(|spec| spec.name.as_str())
    }

    /// The contributions of the features to the margin, as customers × features.
    pub fn contributions(&self) -> &Array2<f64> {
        &self.contributions
    }

    /// The base: the margin if all features are unknown.
    pub fn base(&self) -> f64 {
        self.base
    }

    /// The margin of each customer, which is base + the sum of the row, in the unit of [`Explanation::output`].
    pub fn margin(&self) -> &[f64] {
        &self.margin
    }

    /// The calibrated probabilities of churn of the margins.
    pub fn churn_probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// The unit of the margin and the contributions.
    pub fn output(&self) -> Output {
        self.output
    }

    /// The strongest reasons of a customer in words, for and against churn, strongest first. Features of a log with the same
    /// theme, such as counts over several windows, are one reason. A feature that adds nothing is not a reason.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn reasons(&self, row: usize) -> Vec<Reason> {
        self.first_reasons(row, self.writer.most)
    }

    fn first_reasons(&self, row: usize, most: usize) -> Vec<Reason> {
        let (values, contributions) = (self.values.row(row), self.contributions.row(row));
        self.writer.reasons(&self.specs, values, contributions, self.probabilities[row], most)
    }

    /// The strongest changes since an explanation of an earlier day that raised the risk of a customer, in words. `row` and
    /// `row_before` are the customer's rows in the two explanations, which are `days` apart.
    pub(crate) fn changes(&self, row: usize, before: &Explanation, row_before: usize, days: i32) -> Vec<String> {
        let side =
            |of: &'_ Explanation, row: usize| (of.values.row(row).to_owned(), of.contributions.row(row).to_owned());
        let ((values_then, added_then), (values_now, added_now)) = (side(before, row_before), side(self, row));
        let (then, now) = ((values_then.view(), added_then.view()), (values_now.view(), added_now.view()));
        self.writer.changes(&self.specs, then, now, days)
    }

    /// The features by the mean absolute value of their contributions over these customers, largest first.
    pub fn importance(&self) -> Vec<FeatureImportance> {
        let rows = self.margin.len().max(1) as f64;
        let mean = |column: ArrayView1<'_, f64>| column.iter().map(|value| value.abs()).sum::<f64>() / rows;
        let columns = self.specs.iter().zip(self.contributions.axis_iter(Axis(1)));
        let mut importance: Vec<FeatureImportance> = columns
            .map(|(spec, column)| FeatureImportance { feature: spec.name.clone(), mean_absolute: mean(column) })
            .collect();
        crate::order::sort_by(&mut importance, |a, b| b.mean_absolute.total_cmp(&a.mean_absolute));
        importance
    }

    /// The value and the contribution of a feature for each customer: the points of a dependence plot. A missing value is NaN;
    /// a category is the index of its level.
    ///
    /// # Errors
    /// `missing_column` if the model has no such feature.
    pub fn dependence(&self, feature: &str) -> Result<Vec<(f64, f64)>> {
        let at = position(&self.specs, feature)?;
        Ok(self.values.column(at).iter().copied().zip(self.contributions.column(at).iter().copied()).collect())
    }
}

fn position(specs: &[FeatureSpec], feature: &str) -> Result<usize> {
    specs.iter().position(|spec| spec.name == feature).ok_or_else(|| {
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        let message =
            format!("the model has no feature {}; it has {}", quote_for_message(feature.as_bytes()), names.join(", "));
        Error::new(ErrorKind::MissingColumn, message)
    })
}

#[cfg(test)]
mod tests;
