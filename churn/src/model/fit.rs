//! A learner with its settings, fitted once on everything and, for calibration and comparison, on folds.

use serde::{Deserialize, Serialize};

use super::bins::{BinnedColumn, bin};
use super::boosting::Booster;
use super::calibration::{Calibration, CalibrationKind};
use super::forest::{self, ForestParameters};
use super::logistic::Logistic;
use super::tree::{Growth, Tree};
use super::{logit, sigmoid};
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::features::FeatureSpec;
use crate::metrics::log_loss_of;
use crate::parallel;
use crate::progress::{Observer, step};
use crate::random::{Random, mix};
use crate::segments::Thresholds;
use crate::snapshot::Dataset;

/// Which learner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Logistic regression with an L2 penalty.
    #[default]
    LogisticRegression,
    /// A forest of 100 probability trees of depth up to 10.
    RandomForest,
    /// Up to 100 rounds of boosted trees of depth up to 5.
    GradientBoosting,
    /// The one of the three with the best log-loss on unseen rows.
    Auto,
}

impl ModelKind {
    /// The three learners.
    pub const LEARNERS: [ModelKind; 3] =
        [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting];

    /// The name as it is written in files and answers.
    pub fn name(self) -> &'static str {
        match self {
            ModelKind::LogisticRegression => "logistic_regression",
            ModelKind::RandomForest => "random_forest",
            ModelKind::GradientBoosting => "gradient_boosting",
            ModelKind::Auto => "auto",
        }
    }
}

impl std::str::FromStr for ModelKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let kinds =
            [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting, ModelKind::Auto];
        kinds.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names = kinds.map(ModelKind::name).join(", ");
            invalid_parameter("model", format!("{name:?}"), &format!("one of {names}"))
        })
    }
}

/// Whether the classes are made equally heavy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeight {
    /// No: weights bend probabilities.
    #[default]
    None,
    /// Yes; calibration then bends the probabilities back, so it cannot be turned off.
    Balanced,
}

/// How to learn. Every field has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearnConfig {
    /// Which learner.
    pub model: ModelKind,
    /// Of everything random; 0 to 2^53 − 1.
    pub seed: u64,
    /// How scores become probabilities.
    pub calibration: CalibrationKind,
    /// Whether the classes are made equally heavy.
    pub class_weight: ClassWeight,
    /// Where the risk bands begin.
    pub thresholds: Thresholds,
    /// Logistic regression: the L2 penalty on standardised coefficients (1/C of scikit-learn); above 0.
    pub l2: f64,
    /// Random forest: the number of trees; 1 to 10000.
    pub trees: usize,
    /// Boosting: exactly so many rounds, 1 to 10000; none for up to 100, stopped early where more do not help unseen rows.
    pub rounds: Option<usize>,
    /// Boosting: the shrinkage of a round, above 0 and at most 1.
    pub learning_rate: f64,
    /// Trees: the depth, 1 to 32; none for up to 5 (boosting) and 10 (forest), less where rows are few.
    pub max_depth: Option<usize>,
    /// Trees: the least weight of the rows on either side of a split (boosting: of their curvature); none for 1.
    pub min_child_weight: Option<f64>,
    /// Boosting: added to the curvature of every leaf; 0 or more.
    pub leaf_l2: f64,
    /// Random forest: features drawn at a split; none for the square root of their number.
    pub features_per_split: Option<usize>,
}

impl Default for LearnConfig {
    fn default() -> Self {
        LearnConfig {
            model: ModelKind::LogisticRegression,
            seed: 0,
            calibration: CalibrationKind::Auto,
            class_weight: ClassWeight::None,
            thresholds: Thresholds::default(),
            l2: 1.0,
            trees: 100,
            rounds: None,
            learning_rate: 0.1,
            max_depth: None,
            min_child_weight: None,
            leaf_l2: 1.0,
            features_per_split: None,
        }
    }
}

impl LearnConfig {
    pub(crate) fn check(&self) -> Result<()> {
        self.thresholds.check()?;
        let number = |name, value: f64, low: f64, high: f64, expected| match value > low && value <= high {
            true => Ok(()),
            false => Err(invalid_parameter(name, value, expected)),
        };
        let count = |name, value: Option<usize>, most: usize| match value {
            Some(value) if value == 0 || value > most => Err(invalid_parameter(name, value, &format!("1 to {most}"))),
            _ => Ok(()),
        };
        if self.seed >= 1 << 53 {
            return Err(invalid_parameter("seed", self.seed, "0 to 2^53 − 1"));
        }
        number("l2", self.l2, 0.0, 1e12, "a number above 0")?;
        number("learning_rate", self.learning_rate, 0.0, 1.0, "a number above 0 and at most 1")?;
        number("leaf_l2", self.leaf_l2, -f64::MIN_POSITIVE, 1e12, "0 or more")?;
        number("min_child_weight", self.min_child_weight.unwrap_or(1.0), -f64::MIN_POSITIVE, 1e12, "0 or more")?;
        count("trees", Some(self.trees), 10_000)?;
        count("rounds", self.rounds, 10_000)?;
        count("max_depth", self.max_depth, 32)?;
        count("features_per_split", self.features_per_split, 100_000)?;
        if self.class_weight == ClassWeight::Balanced && self.calibration == CalibrationKind::None {
            let expected =
                "auto, platt or isotonic with class_weight balanced, which alone would bend the probabilities";
            return Err(invalid_parameter("calibration", "none", expected));
        }
        Ok(())
    }
}

/// Rows to learn from, out of a data set that also holds others.
#[derive(Clone, Copy)]
pub(crate) struct TrainingSet<'a> {
    pub(crate) x: &'a ndarray::Array2<f64>,
    pub(crate) specs: &'a [FeatureSpec],
    /// Binned for the tree learners; empty for logistic regression.
    pub(crate) columns: &'a [BinnedColumn],
    pub(crate) y: &'a [bool],
    pub(crate) weights: &'a [f64],
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

/// A fitted learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Learner {
    LogisticRegression(Logistic),
    RandomForest { trees: Vec<Tree> },
    GradientBoosting { base: f64, trees: Vec<Tree> },
}

impl Learner {
    /// The score of a row in log-odds.
    pub(crate) fn score(&self, row: ndarray::ArrayView1<'_, f64>) -> f64 {
        match self {
            Learner::LogisticRegression(logistic) => logistic.margin(row),
            Learner::RandomForest { trees } => mean_logit(trees.iter().map(|tree| tree.value(row)).sum(), trees.len()),
            Learner::GradientBoosting { base, trees } => trees.iter().fold(*base, |sum, tree| sum + tree.value(row)),
        }
    }
}

/// The log-odds of a forest's mean rate; a unanimous forest is as sure as 10,000 trees with one dissenter.
fn mean_logit(sum: f64, trees: usize) -> f64 {
    logit((sum / trees as f64).clamp(1e-4, 1.0 - 1e-4))
}

/// What a fit gives: the learner, its calibration, and its log-loss on rows that it had not seen.
pub(crate) struct Fitted {
    pub(crate) learner: Learner,
    pub(crate) calibration: Calibration,
    pub(crate) unseen_log_loss: f64,
    /// The settings with everything that was chosen filled in.
    pub(crate) config: LearnConfig,
}

impl Fitted {
    pub(crate) fn probability(&self, row: ndarray::ArrayView1<'_, f64>) -> f64 {
        self.calibration.probability(self.learner.score(row))
    }
}

pub(crate) const FOLDS: usize = 5;
const LEAST_ROWS: usize = 50;
const LEAST_OF_A_CLASS: usize = 5;
const MOST_ROUNDS: usize = 100;
/// Rounds without improvement after which boosting stops.
const PATIENCE: usize = 15;

/// Refuses what cannot be learned from.
pub(crate) fn check_enough(y: &[bool], what: &str) -> Result<()> {
    let churned = y.iter().filter(|&&y| y).count();
    if y.len() < LEAST_ROWS {
        let message = format!("{what}: {} rows; at least {LEAST_ROWS} are needed", y.len());
        return Err(Error::new(ErrorKind::TooFewRows, message));
    }
    if churned.min(y.len() - churned) < LEAST_OF_A_CLASS {
        let message = format!(
            "{what}: {churned} of {} customers churned; at least {LEAST_OF_A_CLASS} who did and {LEAST_OF_A_CLASS} who did not are needed",
            y.len()
        );
        return Err(Error::new(ErrorKind::OneClass, message));
    }
    Ok(())
}

/// Rows dealt into `folds` parts of about equal size and churn rate, all rows of a customer in the same.
pub(crate) fn deal(y: &[bool], groups: &[u32], folds: usize, seed: u64) -> Vec<u8> {
    let most = groups.iter().max().map_or(0, |&g| g as usize + 1);
    let mut churns = vec![None; most];
    for (&group, &churned) in groups.iter().zip(y) {
        let ever = &mut churns[group as usize];
        *ever = Some(ever.unwrap_or(false) || churned);
    }
    let mut fold_of = vec![0u8; most];
    let mut random = Random::new(seed, mix(folds as u64));
    let mut dealt = 0;
    for class in [true, false] {
        let mut members: Vec<usize> = (0..most).filter(|&g| churns[g] == Some(class)).collect();
        random.shuffle(&mut members);
        for group in members {
            fold_of[group] = (dealt % folds) as u8;
            dealt += 1;
        }
    }
    groups.iter().map(|&g| fold_of[g as usize]).collect()
}

/// Fits a learner on all rows, calibrated on scores of rows that its fold's learner had not seen.
pub(crate) fn fit(
    data: &Dataset,
    weights: Option<&[f64]>,
    config: &LearnConfig,
    observer: &dyn Observer,
) -> Result<Fitted> {
    config.check()?;
    check_enough(&data.y, "the training data")?;
    let given = weights.map_or_else(|| vec![1.0; data.y.len()], <[f64]>::to_vec);
    let mut weights = given.clone();
    if config.class_weight == ClassWeight::Balanced {
        let churned = data.y.iter().filter(|&&y| y).count() as f64;
        let stayed = data.y.len() as f64 - churned;
        for (weight, &y) in weights.iter_mut().zip(&data.y) {
            *weight *= data.y.len() as f64 / (2.0 * if y { churned } else { stayed });
        }
    }
    let columns = if config.model == ModelKind::LogisticRegression { Vec::new() } else { bin(&data.x, &data.specs) };
    let folds = deal(&data.y, &data.groups, FOLDS, config.seed);
    let rows: Vec<u32> = (0..data.y.len() as u32).collect();
    let set =
        |rows| TrainingSet { x: &data.x, specs: &data.specs, columns: &columns, y: &data.y, weights: &weights, rows };
    let split = |fold| rows.iter().partition(|&&row| usize::from(folds[row as usize]) != fold);
    let parts: Vec<(Vec<u32>, Vec<u32>)> = (0..FOLDS).map(split).collect();
    let folds = parts.iter().map(|(learn, held_out)| Fold { set: set(learn), held_out }).collect();
    let job = Job { config, all: set(&rows), folds, observer };
    let (learner, scores, config) = match config.model {
        ModelKind::LogisticRegression => job.logistic()?,
        ModelKind::RandomForest => job.forest()?,
        ModelKind::GradientBoosting => job.boosting(&given)?,
        ModelKind::Auto => {
            return Err(invalid_parameter("model", "auto", "a learner; auto is resolved before fitting"));
        }
    };
    let calibration = Calibration::fit(config.calibration, &scores, &data.y, |row| given[row])?;
    let loss: f64 =
        (0..scores.len()).map(|row| given[row] * log_loss_of(calibration.probability(scores[row]), data.y[row])).sum();
    Ok(Fitted { learner, calibration, unseen_log_loss: loss / given.iter().sum::<f64>(), config })
}

/// One fit: the whole set and its folds.
struct Job<'a> {
    config: &'a LearnConfig,
    all: TrainingSet<'a>,
    folds: Vec<Fold<'a>>,
    observer: &'a dyn Observer,
}

/// The rows that a fold learns from, and those it has not seen.
struct Fold<'a> {
    set: TrainingSet<'a>,
    held_out: &'a [u32],
}

/// The learner fitted on all rows, the score of each row by the fold that had not seen it, and the settings as chosen.
type Outcome = (Learner, Vec<f64>, LearnConfig);

impl Job<'_> {
    fn logistic(&self) -> Result<Outcome> {
        let mut scores = vec![0.0; self.all.y.len()];
        for (number, fold) in self.folds.iter().enumerate() {
            step(self.observer, "cross-fit", number, FOLDS)?;
            let logistic = Logistic::fit(&fold.set, self.config.l2)?;
            for &row in fold.held_out {
                scores[row as usize] = logistic.margin(self.all.x.row(row as usize));
            }
        }
        step(self.observer, "cross-fit", FOLDS, FOLDS)?;
        Ok((Learner::LogisticRegression(Logistic::fit(&self.all, self.config.l2)?), scores, self.config.clone()))
    }

    fn growth(&self, config: &LearnConfig) -> Growth {
        let features = self.all.specs.len();
        let forest = config.model == ModelKind::RandomForest;
        let drawn = config.features_per_split.unwrap_or((features as f64).sqrt() as usize).clamp(1, features);
        Growth {
            max_depth: config.max_depth.unwrap_or(usize::MAX),
            l2: if forest { 0.0 } else { config.leaf_l2 },
            min_child_weight: config.min_child_weight.unwrap_or(1.0),
            features_per_split: forest.then_some(drawn),
        }
    }

    fn forest(&self) -> Result<Outcome> {
        let mut config = self.config.clone();
        config.max_depth.get_or_insert(forest_depth(self.all.rows.len()));
        let parameters = ForestParameters { trees: config.trees, growth: self.growth(&config), seed: config.seed };
        let mut scores = vec![0.0; self.all.y.len()];
        for (number, fold) in self.folds.iter().enumerate() {
            step(self.observer, "cross-fit", number, FOLDS)?;
            let trees = forest::fit(&fold.set, &parameters, self.observer)?;
            let mut sums = vec![0.0; self.all.y.len()];
            for tree in &trees {
                tree.values_binned(self.all.columns, 0..sums.len(), |row, value| sums[row] += value);
            }
            for &row in fold.held_out {
                scores[row as usize] = mean_logit(sums[row as usize], trees.len());
            }
        }
        step(self.observer, "cross-fit", FOLDS, FOLDS)?;
        let trees = forest::fit(&self.all, &parameters, self.observer)?;
        Ok((Learner::RandomForest { trees }, scores, config))
    }

    /// The folds are boosted side by side; where the rounds are not fixed, they end when the log-loss of the held-out rows of
    /// all folds together has not improved for a while, and the best round counts.
    fn boosting(&self, given: &[f64]) -> Result<Outcome> {
        let mut config = self.config.clone();
        config.max_depth.get_or_insert(boosting_depth(self.all.rows.len()));
        let growth = self.growth(&config);
        let start = |set| Booster::new(set, growth.clone(), config.learning_rate);
        let mut boosters: Vec<Booster<'_>> = self.folds.iter().map(|fold| start(fold.set)).collect();
        let most = config.rounds.unwrap_or(MOST_ROUNDS);
        let (mut best_loss, mut best_rounds) = (f64::INFINITY, 0);
        let mut scores = vec![0.0; self.all.y.len()];
        for round in 1..=most {
            step(self.observer, "cross-fit", round - 1, most)?;
            parallel::for_each(&mut boosters, Booster::round);
            let mut loss = 0.0;
            let mut now = vec![0.0; scores.len()];
            for (fold, booster) in self.folds.iter().zip(&boosters) {
                for row in fold.held_out.iter().map(|&row| row as usize) {
                    now[row] = booster.margins[row];
                    loss += given[row] * log_loss_of(sigmoid(now[row]), self.all.y[row]);
                }
            }
            if config.rounds.is_some() || loss < best_loss {
                (best_loss, best_rounds, scores) = (loss, round, now);
            } else if round >= best_rounds + PATIENCE {
                break;
            }
        }
        config.rounds = Some(best_rounds);
        let mut booster = start(self.all);
        for round in 0..best_rounds {
            step(self.observer, "fit", round, best_rounds)?;
            booster.round();
        }
        Ok((Learner::GradientBoosting { base: booster.base, trees: booster.trees }, scores, config))
    }
}

/// Depth of boosted trees where none is asked for: 5, less below 20,000 rows.
fn boosting_depth(rows: usize) -> usize {
    match rows {
        0..2_000 => 2,
        2_000..8_000 => 3,
        8_000..20_000 => 4,
        _ => 5,
    }
}

/// Depth of a forest's trees where none is asked for: 10, less below 4,000 rows.
fn forest_depth(rows: usize) -> usize {
    match rows {
        0..500 => 6,
        500..4_000 => 8,
        _ => 10,
    }
}
