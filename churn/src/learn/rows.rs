//! The rows that a learner is fitted to.

use ndarray::ArrayView2;

use super::trees::Binned;
use crate::features::FeatureSpec;
use crate::model::level_log_odds::LevelLogOdds;

/// Training rows with their customers, ages and weights.
#[derive(Clone, Copy)]
pub(crate) struct LearningRows<'a> {
    pub(crate) x: ArrayView2<'a, f64>,
    pub(crate) specs: &'a [FeatureSpec],
    pub(crate) y: &'a [bool],
    /// Rows of one customer share a number.
    pub(crate) groups: &'a [u32],
    /// The number of cutoffs after the cutoff of each row.
    pub(crate) ages: &'a [u16],
    /// The weights of the rows; 1 each if none.
    pub(crate) weights: Option<&'a [f64]>,
}

/// The training rows within a data set, which may have other rows too.
#[derive(Clone, Copy)]
pub(crate) struct TrainingSet<'a> {
    pub(crate) x: ArrayView2<'a, f64>,
    pub(crate) specs: &'a [FeatureSpec],
    /// The binned features for the tree learners; empty for logistic regression.
    pub(crate) binned: &'a Binned,
    pub(crate) y: &'a [bool],
    pub(crate) weights: &'a [f64],
    /// The features that are log-odds of levels. They have no outliers: a level far from all others is information.
    pub(crate) log_odds: &'a LevelLogOdds,
    pub(crate) rows: &'a [u32],
}

impl TrainingSet<'_> {
    pub(crate) fn weight(&self, row: u32) -> f64 {
        self.weights[row as usize]
    }

    /// The weighted share of churners.
    pub(crate) fn rate(&self) -> f64 {
        let (mut churned, mut total) = (0.0, 0.0);
        for &row in self.rows {
            total += self.weight(row);
            churned += if self.y[row as usize] { self.weight(row) } else { 0.0 };
        }
        churned / total
    }
}
