//! Scores of unseen rows by many recipes on the same folds. What the recipes have in common is done once: the folds, the bins and
//! the statistics of categories.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2, Axis, concatenate};

use super::super::calibration::Outcomes;
use super::super::folds::{FOLDS, MANY_ROWS, folds};
use super::super::levels::{NumberedRows, number_levels};
use super::super::rows::{LearningRows, TrainingSet};
use super::super::snapshot::LabelledRows;
use super::super::trees::{Binned, bin};
use super::{FitTask, Fold, check_enough, fit_scored, learning_weights, noise};
use crate::error::Result;
use crate::features::FeatureSpec;
use crate::metrics::log_loss_of;
use crate::model::calibration::{Calibration, CalibrationKind};
use crate::model::learner::{LearnConfig, ModelKind};
use crate::model::level_log_odds::LevelLogOdds;
use crate::progress::Observer;
use crate::random::mix;

/// Training rows and the rows to score, split into folds of the customers: a row is scored by a fit on the rows of the customers
/// of the other folds.
pub(in crate::learn) struct CrossFit<'a> {
    /// The training rows, and then the rows to score if they are others.
    x: Cow<'a, Array2<f64>>,
    specs: &'a [FeatureSpec],
    y: Vec<bool>,
    groups: Vec<u32>,
    ages: Vec<u16>,
    /// The weight of each row.
    given: Vec<f64>,
    /// The numbers of the training rows.
    learn: Vec<u32>,
    /// The training rows and the scored rows of each fold.
    parts: Vec<(Vec<u32>, Vec<u32>)>,
    /// The seed that has assigned the folds.
    seed: u64,
    for_trees: Taken,
    for_logistic: Taken,
}

/// The number of parts of the customers that scores are calibrated on in turn.
const PARTS: u64 = 5;

/// The rows as a kind of learner takes them.
struct Taken {
    /// Present if some categories are numbers.
    numbered: Option<NumberedRows>,
    binned: Binned,
}

impl<'a> CrossFit<'a> {
    /// Prepares the rows. The rows to score are `later`, rows of the same customers; none for the training rows.
    pub(in crate::learn) fn new(
        learn: &'a LabelledRows,
        later: Option<&LabelledRows>,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let training = learn.y.len();
        let weights = |rows: &LabelledRows| rows.weights.clone().unwrap_or_else(|| vec![1.0; rows.y.len()]);
        let mut given = weights(learn);
        let noise = noise(&learn.groups, &given);
        let (mut y, mut groups, mut ages) = (learn.y.clone(), learn.groups.clone(), learn.ages.clone());
        // Statistics of categories come from the training rows alone.
        let mut of_levels = given.clone();
        if let Some(later) = later {
            y.extend_from_slice(&later.y);
            groups.extend_from_slice(&later.groups);
            ages.extend_from_slice(&later.ages);
            given.extend(weights(later));
            of_levels.resize(y.len(), 0.0);
        }
        let x = match later {
            None => Cow::Borrowed(&learn.x),
            Some(later) => {
                let x = concatenate(Axis(0), &[learn.x.view(), later.x.view()]).expect("they have the same columns");
                Cow::Owned(x)
            }
        };
        let specs = &learn.specs[..];
        let rows = LearningRows { x: x.view(), specs, y: &y, groups: &groups, ages: &ages, weights: None };
        let parts = parts(&y, &groups, training, seed)?;
        let taken = |model| -> Result<Taken> {
            let numbered = number_levels(&rows, &of_levels, || noise, model, seed);
            let (x, specs) = numbered.as_ref().map_or((rows.x, rows.specs), |taken| (taken.x.view(), &taken.specs[..]));
            let binned = match model {
                ModelKind::LogisticRegression => Binned::default(),
                _ => bin(x, specs, observer)?,
            };
            Ok(Taken { numbered, binned })
        };
        let (for_trees, for_logistic) = (taken(ModelKind::GradientBoosting)?, taken(ModelKind::LogisticRegression)?);
        let learn = (0..training as u32).collect();
        Ok(CrossFit { x, specs, y, groups, ages, given, learn, parts, seed, for_trees, for_logistic })
    }

    /// The number of folds that are scored: all, or one of many rows.
    pub(in crate::learn) fn folds(&self) -> usize {
        self.parts.len()
    }

    /// The number of features.
    pub(in crate::learn) fn columns(&self) -> usize {
        self.specs.len()
    }

    /// The number of training rows.
    pub(in crate::learn) fn rows(&self) -> usize {
        self.learn.len()
    }

    /// The number of training rows of all scored folds together.
    pub(in crate::learn) fn learned_rows(&self) -> usize {
        self.parts.iter().map(|(learn, _)| learn.len()).sum()
    }

    /// The scores of all rows, in log-odds; NaN where the row is not in the first `folds` folds, or not to be scored. If settings
    /// are not given, they are found on the scored rows.
    pub(in crate::learn) fn scores(
        &self,
        config: &LearnConfig,
        folds: usize,
        observer: &dyn Observer,
    ) -> Result<Vec<f64>> {
        let parts = &self.parts[..folds];
        if config.model == ModelKind::RandomForest {
            return self.forest_scores(config, parts, observer);
        }
        let Taken { numbered, binned } = match config.model {
            ModelKind::LogisticRegression => &self.for_logistic,
            _ => &self.for_trees,
        };
        let none = LevelLogOdds::default();
        let (x, specs, log_odds): (ArrayView2<'_, f64>, &[FeatureSpec], &LevelLogOdds) = match numbered {
            Some(NumberedRows { x, specs, log_odds }) => (x.view(), specs, log_odds),
            None => (self.x.view(), self.specs, &none),
        };
        let training = self.learn.len();
        let mut weights = learning_weights(&self.y[..training], &self.given[..training], config.class_weight);
        let noise = noise(&self.groups[..training], &weights);
        weights.resize(self.y.len(), 1.0);
        let set = |rows| TrainingSet { x, specs, binned, y: &self.y, weights: &weights, log_odds, rows };
        let task = FitTask {
            config,
            all: set(&self.learn),
            groups: &self.groups,
            given: &self.given,
            noise,
            unseen: true,
            folds: parts.iter().map(|(learn, held_out)| Fold { set: set(learn), held_out }).collect(),
            observer,
        };
        match config.model {
            ModelKind::LogisticRegression => task.logistic_scores(),
            _ => Ok(task.best_recipe()?.scores),
        }
    }

    /// A forest draws its samples from all of its rows, so that each fold has rows of its own.
    fn forest_scores(
        &self,
        config: &LearnConfig,
        parts: &[(Vec<u32>, Vec<u32>)],
        observer: &dyn Observer,
    ) -> Result<Vec<f64>> {
        let rows = LearningRows {
            x: self.x.view(),
            specs: self.specs,
            y: &self.y,
            groups: &self.groups,
            ages: &self.ages,
            weights: None,
        };
        let mut scores = vec![f64::NAN; self.y.len()];
        for (learn, held_out) in parts {
            let numbers = |rows: &[u32]| rows.iter().map(|&row| row as usize).collect::<Vec<usize>>();
            let (learn, held_out) = (numbers(learn), numbers(held_out));
            let given: Vec<f64> = learn.iter().map(|&row| self.given[row]).collect();
            let fitted = fit_scored(&rows.select(&learn).rows(), &given, config, self.seed, false, observer)?;
            let margins = fitted.scorer().margins(&self.x.select(Axis(0), &held_out));
            for (row, margin) in held_out.into_iter().zip(margins) {
                scores[row] = fitted.learner.log_odds(margin);
            }
        }
        Ok(scores)
    }

    /// The log-loss of each scored row after calibration, which is fitted on the scores of other customers; NaN for a row without a
    /// score.
    pub(in crate::learn) fn losses(&self, scores: &[f64], kind: CalibrationKind) -> Result<Vec<f64>> {
        let mut losses = vec![f64::NAN; scores.len()];
        for part in 0..PARTS {
            let calibration = self.calibration(scores, kind, |row| self.part_of(row) != part)?;
            for row in (0..scores.len()).filter(|&row| self.part_of(row) == part && !scores[row].is_nan()) {
                losses[row] = log_loss_of(calibration.probability(scores[row]), self.y[row]);
            }
        }
        Ok(losses)
    }

    fn calibration(&self, scores: &[f64], kind: CalibrationKind, is_in: impl Fn(usize) -> bool) -> Result<Calibration> {
        let kind = if kind == CalibrationKind::Auto { CalibrationKind::Platt } else { kind };
        let weight = |row: usize| self.given[row];
        let outcomes = Outcomes { churned: &self.y, customers: &self.groups, weight: &weight };
        let among: Vec<f64> = (0..scores.len()).map(|row| if is_in(row) { scores[row] } else { f64::NAN }).collect();
        Calibration::fit(kind, &among, &outcomes, &())
    }

    /// The part of the customers, below [`PARTS`], that a row belongs to. What is fitted to scores is judged on another part.
    fn part_of(&self, row: usize) -> u64 {
        mix(mix(self.seed) ^ u64::from(self.groups[row])) % PARTS
    }

    /// The weighted mean over the rows with a value that is not NaN, and its standard error, clustered by customer.
    pub(in crate::learn) fn mean(&self, value: impl Fn(usize) -> f64) -> (f64, f64) {
        let values: Vec<f64> = (0..self.y.len()).map(value).collect();
        let with_value: Vec<usize> = (0..values.len()).filter(|&row| !values[row].is_nan()).collect();
        let total: f64 = with_value.iter().map(|&row| self.given[row]).sum();
        let mean = with_value.iter().map(|&row| self.given[row] * values[row]).sum::<f64>() / total;
        let mut deviations = std::collections::BTreeMap::new();
        for &row in &with_value {
            *deviations.entry(self.groups[row]).or_insert(0.0) += self.given[row] * (values[row] - mean);
        }
        (mean, deviations.values().map(|sum: &f64| sum * sum).sum::<f64>().sqrt() / total)
    }
}

/// The training rows and the scored rows of each fold: all folds, or one of many rows.
fn parts(y: &[bool], groups: &[u32], training: usize, seed: u64) -> Result<Vec<(Vec<u32>, Vec<u32>)>> {
    folds(y, groups, training, if training < MANY_ROWS { FOLDS } else { 1 }, seed)
}

/// Returns true if every fold of these rows has enough training rows, and rows to score.
pub(in crate::learn) fn folds_are_enough(learn: &LabelledRows, later: &LabelledRows, seed: u64) -> bool {
    let (y, groups) = ([&learn.y[..], &later.y].concat(), [&learn.groups[..], &later.groups].concat());
    let churned = |rows: &[u32]| rows.iter().map(|&row| y[row as usize]).collect::<Vec<bool>>();
    let is_enough =
        |(learn, held_out): &(Vec<u32>, Vec<u32>)| check_enough(&churned(learn), "").is_ok() && !held_out.is_empty();
    parts(&y, &groups, learn.y.len(), seed).is_ok_and(|parts| parts.iter().all(is_enough))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of these customers, every third a churner.
    fn data(customers: impl Iterator<Item = u32>) -> LabelledRows {
        let groups: Vec<u32> = customers.collect();
        let x = Array2::from_shape_fn((groups.len(), 1), |(row, _)| row as f64);
        let (y, ages) = (groups.iter().map(|c| c % 3 == 0).collect(), vec![0; groups.len()]);
        LabelledRows { x, y, groups, ages, weights: None, specs: vec![FeatureSpec::numeric("x")] }
    }

    /// Customers 0..90 at two early cutoffs and 30..120 at the later one; and the same without a later one.
    #[test]
    fn no_customer_is_on_both_sides_and_every_row_is_scored_once() {
        let early = data((0..90).chain(0..90));
        let later = data(30..120);
        for later in [Some(&later), None] {
            let rows = CrossFit::new(&early, later, 5, &()).expect("many customers");
            assert_eq!(rows.folds(), FOLDS);
            let mut times = vec![0; rows.y.len()];
            for (learn, held_out) in &rows.parts {
                let learned: Vec<u32> = learn.iter().map(|&row| rows.groups[row as usize]).collect();
                assert!(learn.iter().all(|&row| (row as usize) < early.y.len()));
                assert!(held_out.iter().all(|&row| !learned.contains(&rows.groups[row as usize])));
                // The training rows are those of all other customers: about four fifths of them.
                assert!(learned.len().abs_diff(144) <= 16, "{}", learned.len());
                held_out.iter().for_each(|&row| times[row as usize] += 1);
            }
            let expected = match later {
                Some(_) => [vec![0; 180], vec![1; 90]].concat(),
                None => vec![1; 180],
            };
            assert_eq!(times, expected);
        }
    }

    /// Customer 0 with the values 1 and 3, customer 1 with 5: mean 3; deviations summed by customer −2 + 0 and 2, so the
    /// error is √(4 + 4)/3. With the weights 1, 1 and 2 the mean is (1 + 3 + 10)/4 = 3.5, the deviations are −2.5 − 0.5 and
    /// 2 · 1.5, the error is √(9 + 9)/4. All other customers have no value.
    #[test]
    fn mean_and_error_by_hand() {
        let mut data = data([0, 0].into_iter().chain(1..30));
        let mut weights = vec![1.0; 31];
        let values = |row: usize| [1.0, 3.0, 5.0].get(row).copied().unwrap_or(f64::NAN);
        let mut found = |weights: &[f64]| {
            data.weights = Some(weights.to_vec());
            CrossFit::new(&data, None, 5, &()).expect("both outcomes").mean(values)
        };
        let (mean, error) = found(&weights);
        assert!((mean - 3.0).abs() < 1e-15 && (error - 8f64.sqrt() / 3.0).abs() < 1e-15);
        weights[2] = 2.0;
        let (mean, error) = found(&weights);
        assert!((mean - 3.5).abs() < 1e-15 && (error - 18f64.sqrt() / 4.0).abs() < 1e-15);
    }
}
