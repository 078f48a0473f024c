//! Logistic regression with an L2 penalty, fitted by Newton's method.
//!
//! **Structure.** margin = intercept + Σ coefficient · (value − mean)/scale over *terms*. A term is a number with its missing
//! values replaced by the training median and its extremes clipped, an indicator of a missing value (if training had any),
//! or an indicator of a category's level. All terms are standardised.
//!
//! **Algorithm.** Newton's method minimises Σ weight · log-loss + l2/2 · ‖coefficients‖², with the intercept not penalised.
//! That is scikit-learn's `LogisticRegression(C = 1/l2)` on the same standardised columns.
//!
//! **Constraints.** At most 2,000 terms. If there would be more, the rarest levels get no term and count as no level at all.
//! More numeric terms than that are an error.

use ndarray::ArrayView1;
use serde::Serialize;

use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, case, objects};

/// A column of the design matrix, computed from one feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Term {
    pub(crate) feature: usize,
    pub(crate) kind: TermKind,
    /// The lower clipping limit of a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) low: Option<f64>,
    /// The upper clipping limit of a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) high: Option<f64>,
    pub(crate) mean: f64,
    pub(crate) scale: f64,
    pub(crate) coefficient: f64,
}

objects! { Term { feature, kind, low, high, mean, scale, coefficient } }

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TermKind {
    /// The number itself, or this median if it is missing.
    Median(f64),
    /// 1 if the feature is missing, else 0.
    Missing,
    /// 1 if the category has this level, else 0.
    Level(usize),
}

impl FromJson for TermKind {
    fn from_json(json: &Json) -> JsonResult<Self> {
        match case(json)? {
            ("median", value) => f64::from_json(value).map(TermKind::Median),
            ("missing", Json::Null) => Ok(TermKind::Missing),
            ("level", value) => usize::from_json(value).map(TermKind::Level),
            _ => Err(json.expected("median, missing or level")),
        }
    }
}

impl Term {
    /// The number, clipped to the limits.
    pub(crate) fn cut(&self, value: f64) -> f64 {
        value.max(self.low.unwrap_or(f64::NEG_INFINITY)).min(self.high.unwrap_or(f64::INFINITY))
    }

    fn raw(&self, value: f64) -> f64 {
        match self.kind {
            TermKind::Median(median) => {
                if value.is_nan() {
                    median
                } else {
                    self.cut(value)
                }
            }
            TermKind::Missing => f64::from(u8::from(value.is_nan())),
            TermKind::Level(level) => f64::from(u8::from(value == level as f64)),
        }
    }

    pub(crate) fn standardised(&self, value: f64) -> f64 {
        ((self.raw(value) - self.mean) / self.scale).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
    }
}

/// A fitted logistic regression.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Logistic {
    pub(crate) intercept: f64,
    pub(crate) terms: Vec<Term>,
}

objects! { Logistic { intercept, terms } }

/// Largest standardised value: values are clipped to this many standard deviations, so that the margin cannot overflow.
pub(crate) const MOST_DEVIATIONS: f64 = 1e6;

impl Logistic {
    /// The margin (log-odds) of a row of features.
    pub(crate) fn margin(&self, row: ArrayView1<'_, f64>) -> f64 {
        self.terms
            .iter()
            .fold(self.intercept, |sum, term| sum + term.coefficient * term.standardised(row[term.feature]))
    }

    /// The margins of at most 256 rows of `width` features, stored row after row. Each term is computed for all rows at once.
    pub(crate) fn margins(&self, rows: &[f64], width: usize, margins: &mut [f64]) {
        let mut column = [0.0; 256];
        let column = &mut column[..margins.len()];
        margins.fill(self.intercept);
        for term in &self.terms {
            column.iter_mut().zip(rows.chunks_exact(width)).for_each(|(value, row)| *value = row[term.feature]);
            margins
                .iter_mut()
                .zip(&*column)
                .for_each(|(sum, &value)| *sum += term.coefficient * term.standardised(value));
        }
    }

    /// The intercept and the coefficient of each of `features` numbers, for values that are not standardised; none if there are
    /// levels.
    pub(crate) fn on_the_scale_of_features(&self, features: usize) -> Option<(f64, Vec<f64>)> {
        let (mut intercept, mut coefficients) = (self.intercept, vec![0.0; features]);
        for term in &self.terms {
            let slope = term.coefficient / term.scale;
            intercept -= slope * term.mean;
            match term.kind {
                TermKind::Median(_) => coefficients[term.feature] = slope,
                TermKind::Missing => {}
                TermKind::Level(_) => return None,
            }
        }
        Some((intercept, coefficients))
    }

    /// Calls `add(feature, part)` with each term's share of the margin, which is their sum plus the intercept.
    pub(crate) fn parts(&self, row: ArrayView1<'_, f64>, mut add: impl FnMut(usize, f64)) {
        self.terms.iter().for_each(|term| add(term.feature, term.coefficient * term.standardised(row[term.feature])));
    }
}
