//! The rows that a learner is fitted to.

use ndarray::{ArrayView2, Axis};

use super::snapshot::LabelledRows;
use super::trees::Binned;
use crate::features::FeatureSpec;
use crate::model::level_log_odds::LevelLogOdds;
use crate::random::mix;

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

impl LearningRows<'_> {
    /// The numbers of the rows of a random sample of the customers, of about `most` rows; none if there are no more.
    pub(crate) fn sample(&self, most: usize, seed: u64) -> Option<Vec<usize>> {
        const STREAM: u64 = 0x5a3e << 32;
        let share = most as f64 / self.y.len() as f64;
        if share >= 1.0 {
            return None;
        }
        let below = (share * u64::MAX as f64) as u64;
        let drawn = |row: &usize| mix(mix(seed ^ STREAM) ^ u64::from(self.groups[*row])) <= below;
        Some((0..self.y.len()).filter(drawn).collect())
    }

    /// Some of the rows.
    pub(crate) fn select(&self, rows: &[usize]) -> LabelledRows {
        LabelledRows {
            x: self.x.select(Axis(0), rows),
            y: rows.iter().map(|&row| self.y[row]).collect(),
            groups: rows.iter().map(|&row| self.groups[row]).collect(),
            ages: rows.iter().map(|&row| self.ages[row]).collect(),
            weights: self.weights.map(|weights| rows.iter().map(|&row| weights[row]).collect()),
            specs: self.specs.to_vec(),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// 10,000 customers with two rows each. A sample of about 5,000 rows has the standard deviation 2 √(10,000 · ¼ · ¾) = 87.
    #[test]
    fn a_sample_has_whole_customers() {
        let groups: Vec<u32> = (0..20_000).map(|row| row % 10_000).collect();
        let (x, y, ages) = (ndarray::Array2::zeros((20_000, 1)), vec![false; 20_000], vec![0; 20_000]);
        let rows = LearningRows { x: x.view(), specs: &[], y: &y, groups: &groups, ages: &ages, weights: None };
        let sample = rows.sample(5_000, 3).expect("there are more rows");
        assert!(sample.len().abs_diff(5_000) < 350, "{}", sample.len());
        let mut of_customer = vec![0; 10_000];
        sample.iter().for_each(|&row| of_customer[groups[row] as usize] += 1);
        assert!(of_customer.iter().all(|&rows| rows == 0 || rows == 2));
        assert_ne!(rows.sample(5_000, 4), Some(sample));
        assert_eq!(rows.sample(20_000, 3), None);
    }
}
