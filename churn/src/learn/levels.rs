//! The statistics of the levels of a category: how far they differ, and the log-odds that a learner takes in the place of the
//! levels of a category of many levels ([`LevelLogOdds`]).
//!
//! **Shrinkage.** The levels of a category differ in their log-odds with the variance τ², estimated by [`spread`]. With the
//! churn rate p of all rows, a level of n rows of which c churned has the rate (c + m p) / (n + m), where m = noise / (τ² p (1
//! − p)) rows: the best linear predictor of a random effect (Robinson, "That BLUP is a good thing", 1991). A level without rows
//! has the rate p.
//!
//! Logistic regression takes smaller categories in the same way, if one coefficient a level would make too many.
//!
//! **No leak.** In training, the number of a row comes from the customers of the other folds, so no row tells its own outcome.
//! p and τ are those of all rows, so that the numbers do not tell the fold either.

use ndarray::Array2;

use super::folds::{FOLDS, assign_folds};
use super::rows::LearningRows;
use crate::features::FeatureSpec;
use crate::model::level_log_odds::{CategoryLogOdds, LevelLogOdds};
use crate::model::{ModelKind, logit};
use crate::table::MAX_LEVELS;

/// Rows whose categories of many levels are numbers.
pub(super) struct NumberedRows {
    pub(super) x: Array2<f64>,
    pub(super) specs: Vec<FeatureSpec>,
    /// The log-odds of each level, for rows that are not in training.
    pub(super) log_odds: LevelLogOdds,
}

/// Largest number of levels of all categories together that logistic regression takes one by one. Its time grows with the square
/// of their number.
const MOST_INDICATORS: usize = 300;
/// Up to this number of levels, a category of logistic regression is taken level by level in any case.
const FEW_LEVELS: usize = 20;

/// Replaces the levels of categories of many levels by numbers; none if there is no such category. `noise` is that of
/// [`Growth`](super::trees::Growth), `weights` are those of the rows.
pub(super) fn number_levels(
    data: &LearningRows<'_>,
    weights: &[f64],
    noise: impl FnOnce() -> f64,
    model: ModelKind,
    seed: u64,
) -> Option<NumberedRows> {
    let levels = |spec: &FeatureSpec| spec.levels.as_ref().map_or(0, Vec::len);
    let is_wide = data.specs.iter().map(levels).sum::<usize>() > MOST_INDICATORS;
    let most = if is_wide && model == ModelKind::LogisticRegression { FEW_LEVELS } else { MAX_LEVELS };
    let numbered: Vec<usize> = (0..data.specs.len()).filter(|&feature| levels(&data.specs[feature]) > most).collect();
    if numbered.is_empty() {
        return None;
    }
    let noise = noise();
    let fold_of = assign_folds(data.y, data.groups, FOLDS, seed);
    let mut x = data.x.to_owned();
    let mut log_odds = LevelLogOdds::default();
    for feature in numbered {
        let levels = levels(&data.specs[feature]);
        let mut statistics = LevelStatistics::new(levels);
        for (row, &level) in data.x.column(feature).iter().enumerate().filter(|(_, level)| !level.is_nan()) {
            statistics.add(level as usize, fold_of[row], weights[row], data.y[row]);
        }
        let shrinkage = Shrinkage::of(&statistics, noise);
        for (value, &fold) in x.column_mut(feature).iter_mut().zip(&fold_of).filter(|(value, _)| !value.is_nan()) {
            *value = shrinkage.log_odds(statistics.of(*value as usize, Some(fold)));
        }
        let log_odds_of_level = |level| shrinkage.log_odds(statistics.of(level, None));
        log_odds.0.push(CategoryLogOdds { feature, log_odds: (0..levels).map(log_odds_of_level).collect() });
    }
    let specs = log_odds.specs(data.specs).into_owned();
    Some(NumberedRows { x, specs, log_odds })
}

/// The weight and the churned weight of each level in each fold.
struct LevelStatistics(Vec<[(f64, f64); FOLDS]>);

impl LevelStatistics {
    fn new(levels: usize) -> Self {
        LevelStatistics(vec![[(0.0, 0.0); FOLDS]; levels])
    }

    fn add(&mut self, level: usize, fold: u8, weight: f64, churned: bool) {
        let (all, left) = &mut self.0[level][usize::from(fold)];
        *all += weight;
        *left += if churned { weight } else { 0.0 };
    }

    /// The weight and the churned weight of a level in all folds but one.
    fn of(&self, level: usize, without: Option<u8>) -> (f64, f64) {
        let others =
            self.0[level].iter().enumerate().filter(|&(fold, _)| without.is_none_or(|out| usize::from(out) != fold));
        others.fold((0.0, 0.0), |(all, left), (_, fold)| (all + fold.0, left + fold.1))
    }
}

/// The shrinkage of the rates of levels to the rate of all rows.
struct Shrinkage {
    rate: f64,
    /// The number of rows m that the rate of all rows counts for; infinite if the levels do not differ.
    rows: f64,
}

impl Shrinkage {
    fn of(statistics: &LevelStatistics, noise: f64) -> Self {
        let (weights, churned): (Vec<f64>, Vec<f64>) =
            (0..statistics.0.len()).map(|level| statistics.of(level, None)).unzip();
        let total: f64 = weights.iter().sum();
        // A column without a value has no rate, and needs none.
        let rate = if total > 0.0 { churned.iter().sum::<f64>() / total } else { 0.5 };
        let spread = spread(&weights, &churned, rate, noise);
        let information = spread * spread * rate * (1.0 - rate);
        Shrinkage { rate, rows: if information > 0.0 { noise / information } else { f64::INFINITY } }
    }

    /// The log-odds of a level with this weight and churned weight.
    fn log_odds(&self, (weight, churned): (f64, f64)) -> f64 {
        let excess = churned - weight * self.rate;
        let rate = if weight > 0.0 { self.rate + excess / (weight + self.rows) } else { self.rate };
        // Rates of 0 and 1 have no finite log-odds.
        logit(rate.clamp(1e-6, 1.0 - 1e-6))
    }
}

/// The standard deviation τ of the log-odds of levels with these weights and churned weights, by the moments of DerSimonian and
/// Laird (1986); 0 if they differ by no more than by chance.
pub(super) fn spread(weights: &[f64], churned: &[f64], rate: f64, noise: f64) -> f64 {
    // Of each level the information about its log-odds; its deviation is the excess of churners divided by it.
    let information: Vec<f64> = weights.iter().map(|weight| weight * rate * (1.0 - rate) / noise).collect();
    let (mut squares, mut levels) = (0.0, 0usize);
    for ((weight, churned), information) in weights.iter().zip(churned).zip(&information).filter(|(_, h)| **h > 0.0) {
        let excess = (churned - weight * rate) / noise;
        squares += excess * excess / information;
        levels += 1;
    }
    let total: f64 = information.iter().sum();
    let remaining = total - information.iter().map(|h| h * h).sum::<f64>() / total;
    let excess = squares - (levels.saturating_sub(1)) as f64;
    if excess > 0.0 && remaining > 0.0 { (excess / remaining).sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{EvaluationConfig, evaluate};
    use crate::model::sigmoid;
    use crate::random::Random;

    /// Worked by hand: three levels of 100 rows each with 20, 30 and 40 churners, at the rate .3. Each has the information 100
    /// · .21 = 21 and the excess −10, 0 and 10, so Q = 100/21 + 0 + 100/21 = 9.524; τ² = (Q − 2) / (63 − 3 · 21²/63) = 7.524 /
    /// 42. With the noise 2, half of each information and Q: (4.762 − 2) / 21.
    #[test]
    fn the_spread_of_levels_is_that_of_dersimonian_and_laird() {
        let (weights, churned) = ([100.0; 3], [20.0, 30.0, 40.0]);
        assert!((spread(&weights, &churned, 0.3, 1.0) - (7.523_809_523_809_524_f64 / 42.0).sqrt()).abs() < 1e-12);
        assert!((spread(&weights, &churned, 0.3, 2.0) - (2.761_904_761_904_762_f64 / 21.0).sqrt()).abs() < 1e-12);
        // Levels that differ by no more than by chance do not differ, and a level without rows says nothing.
        assert_eq!(spread(&weights, &[29.0, 30.0, 31.0], 0.3, 1.0), 0.0);
        assert_eq!(spread(&[100.0, 0.0], &[30.0, 0.0], 0.3, 1.0), 0.0);
    }

    /// The levels of the test above. With τ² = 7.524 / 42 and p (1 − p) = .21, the rate of all counts for m = 42 / 1.58 rows,
    /// so the rates are (20 · 1.58 + 42 · .3) / (158 + 42) = 44.2 / 200, .3 and (40 · 1.58 + 42 · .3) / 200 = 75.8 / 200.
    #[test]
    fn levels_are_shrunk_to_the_rate_of_all() {
        let mut statistics = LevelStatistics::new(4);
        for (level, churned) in [(0, 20), (1, 30), (2, 40)] {
            (0..100).for_each(|row| statistics.add(level, (row % 5) as u8, 1.0, row < churned));
        }
        let shrinkage = Shrinkage::of(&statistics, 1.0);
        let rate = |level: usize| sigmoid(shrinkage.log_odds(statistics.of(level, None)));
        for (level, expected) in [(0, 0.221), (1, 0.3), (2, 0.379), (3, 0.3)] {
            assert!((rate(level) - expected).abs() < 1e-12, "{level}: {}", rate(level));
        }
        // Without the fold 0, the level 0 has 80 rows of which 16 churned: (16 · 1.58 + 12.6) / (80 · 1.58 + 42).
        let without = sigmoid(shrinkage.log_odds(statistics.of(0, Some(0))));
        assert!((without - 37.88 / 168.4).abs() < 1e-12, "{without}");
        // Levels that differ by no more than by chance all count for the same.
        let mut alike = LevelStatistics::new(2);
        (0..100).for_each(|row| alike.add(row % 2, 0, 1.0, row < 30));
        assert_eq!(Shrinkage::of(&alike, 1.0).log_odds(alike.of(0, None)), logit(0.3));
    }

    /// Outcomes are random. In 400 levels of five rows each, the numbers of training say nothing about them; the rates of the
    /// levels with the row itself would say much.
    #[test]
    fn no_row_tells_its_own_outcome() {
        let (rows, levels) = (2000, 400);
        let mut random = Random::new(4, 0);
        let y: Vec<bool> = (0..rows).map(|_| random.below(10) < 3).collect();
        let x = Array2::from_shape_fn((rows, 1), |(row, _)| (row % levels) as f64);
        let names = (0..levels).map(|level| format!("{level:03}")).collect();
        let specs = [FeatureSpec { name: "area".to_owned(), levels: Some(names) }];
        let groups: Vec<u32> = (0..rows as u32).collect();
        let (ages, weights) = (vec![0; rows], vec![1.0; rows]);
        let data = LearningRows { x: x.view(), specs: &specs, y: &y, groups: &groups, ages: &ages, weights: None };
        let auc = |log_odds: &mut dyn Iterator<Item = f64>| {
            let p: Vec<f64> = log_odds.map(sigmoid).collect();
            evaluate(&y, &p, &EvaluationConfig::default()).expect("both classes").roc_auc
        };
        // With little noise, the levels are taken to differ, so that the numbers do.
        let found =
            number_levels(&data, &weights, || 0.5, ModelKind::RandomForest, 0).expect("a category of many levels");
        assert_eq!(found.specs, [FeatureSpec::numeric("area")]);
        let cross_fitted = auc(&mut found.x.column(0).iter().copied());
        let log_odds = &found.log_odds.0[0].log_odds;
        let with_itself = auc(&mut (0..rows).map(|row| log_odds[row % levels]));
        // The standard error of an AUC of .5 is √((2000 + 1) / (12 · 600 · 1400)) = .0141.
        assert!((cross_fitted - 0.5).abs() < 3.0 * 0.0141, "{cross_fitted}");
        assert!(with_itself > 0.7, "{with_itself}");
    }
}
