//! The learners of a model, and the settings that they are fitted with.

use serde::Serialize;

use super::background::MAX_BACKGROUND;
use super::calibration::CalibrationKind;
use super::logistic::Logistic;
use super::logit;
use super::tree::{MAX_DEPTH, Tree};
use crate::error::{Error, Result, invalid_parameter};
use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, Object, case, names, objects};
use crate::segments::Thresholds;

/// The kind of learner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Logistic regression with an L2 penalty.
    LogisticRegression,
    /// A forest of 100 probability trees of depth up to 10.
    RandomForest,
    /// Up to 1,000 rounds of boosted trees of depth up to 8.
    GradientBoosting,
    /// A search over the three learners, both feature sets of a log and some settings, by log-loss on unseen rows. It tests out
    /// of time if there are enough cutoffs. Settings that are given are kept. `Evaluation::candidates` lists the trials.
    Auto,
}

names! { ModelKind { LogisticRegression, RandomForest, GradientBoosting, Auto } }

impl ModelKind {
    /// The three learners.
    pub const LEARNERS: [ModelKind; 3] =
        [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting];

    /// The name as it is written in files and responses.
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

/// The weighting of the two classes in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeight {
    /// No weighting, because weights distort the probabilities.
    #[default]
    None,
    /// Both classes get the same total weight. Calibration corrects the distorted probabilities, so it cannot be turned off.
    Balanced,
}

names! { ClassWeight { None, Balanced } }

/// Settings for fitting the learner. Every field has a default.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LearnConfig {
    /// The kind of learner. The default is a random forest, which predicts best out of time on logs of events. The default of
    /// [`TableConfig`](crate::TableConfig) is gradient boosting, which is best on tables (docs/accuracy.md).
    pub model: ModelKind,
    /// The seed of all random choices; 0 to 2^53 − 1.
    pub seed: u64,
    /// The method that calibrates scores to probabilities.
    pub calibration: CalibrationKind,
    /// The weighting of the two classes in training.
    pub class_weight: ClassWeight,
    /// Lower bounds of the risk bands.
    pub thresholds: Thresholds,
    /// Logistic regression: the L2 penalty on standardised coefficients (1/C of scikit-learn); above 0.
    pub l2: f64,
    /// Random forest: the number of trees; 1 to 10000.
    pub trees: usize,
    /// Boosting: the exact number of rounds, 1 to 10000; none for up to 1,000, stopped early when more rounds do not improve
    /// the log-loss on unseen rows. If that never happens, there is a finding `all_rounds_used`.
    pub rounds: Option<usize>,
    /// Boosting: the learning rate (shrinkage) of a round, above 0 and at most 1.
    pub learning_rate: f64,
    /// Trees: the largest depth, 1 to 32; none for the depth that is best on unseen rows, up to 8 (boosting) or 10 (forest), and
    /// never so deep that the rows do not suffice to fill the leaves. With a given depth, a tree of a forest is grown on
    /// a sample as large as the data set; otherwise on at most 25,000 rows.
    pub max_depth: Option<usize>,
    /// Trees: the smallest weight of the rows on either side of a split (boosting: the smallest sum of their curvatures); none
    /// for the average number of rows of five customers (boosting: 1).
    pub min_child_weight: Option<f64>,
    /// Boosting: the L2 penalty λ on leaf values, added to the curvature of every leaf, 0 or more; none for 1, or less if
    /// that is better on unseen rows.
    pub leaf_l2: Option<f64>,
    /// Boosting: the share of the rows that each tree is grown on, drawn anew for each; above 0 and at most 1.
    pub row_sample: f64,
    /// Boosting: the share of the features that each tree may split by, drawn anew for each; above 0 and at most 1.
    pub column_sample: f64,
    /// Random forest: number of features drawn at a split; none for the square root of the number of features, rounded up.
    pub features_per_split: Option<usize>,
    /// Number of training rows, drawn by the seed, that the document stores (features without ids) as the background of
    /// explanations; 0 to 10000. Set it to 0 if no customer's data may leave with the model.
    pub background_rows: usize,
    /// `auto`: the time limit of training in seconds, above 0 and at most 10^6; none for the whole search. The search stops
    /// early enough to fit the chosen recipe in the remaining time, as far as that can be estimated. Its first trial always
    /// runs. Needs an observer with a clock ([`Observer::elapsed`](crate::Observer::elapsed)).
    pub time_budget: Option<f64>,
}

objects! {
    @default LearnConfig {
        model, seed, calibration, class_weight, thresholds, l2, trees, rounds, learning_rate, max_depth,
        min_child_weight, leaf_l2, row_sample, column_sample, features_per_split, background_rows, time_budget,
    }
}

impl Default for LearnConfig {
    fn default() -> Self {
        LearnConfig {
            model: ModelKind::RandomForest,
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
            leaf_l2: None,
            row_sample: 1.0,
            column_sample: 0.7,
            features_per_split: None,
            background_rows: 100,
            time_budget: None,
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
        number("row_sample", self.row_sample, 0.0, 1.0, "a number above 0 and at most 1")?;
        number("column_sample", self.column_sample, 0.0, 1.0, "a number above 0 and at most 1")?;
        number("leaf_l2", self.leaf_l2.unwrap_or(1.0), -f64::MIN_POSITIVE, 1e12, "0 or more")?;
        number("min_child_weight", self.min_child_weight.unwrap_or(1.0), -f64::MIN_POSITIVE, 1e12, "0 or more")?;
        number(
            "time_budget",
            self.time_budget.unwrap_or(1.0),
            0.0,
            1e6,
            "a number of seconds above 0 and at most 10^6",
        )?;
        count("trees", Some(self.trees), 10_000)?;
        count("rounds", self.rounds, 10_000)?;
        count("max_depth", self.max_depth, MAX_DEPTH)?;
        count("features_per_split", self.features_per_split, 100_000)?;
        if self.background_rows > MAX_BACKGROUND {
            return Err(invalid_parameter("background_rows", self.background_rows, "0 to 10000"));
        }
        if self.class_weight == ClassWeight::Balanced && self.calibration == CalibrationKind::None {
            let expected =
                "auto, platt or isotonic with class_weight balanced, which alone would bend the probabilities";
            return Err(invalid_parameter("calibration", "none", expected));
        }
        if let Some(seconds) = self.time_budget.filter(|_| self.model != ModelKind::Auto) {
            let expected = format!("none with {}: only auto searches", self.model.name());
            return Err(invalid_parameter("time_budget", seconds, &expected));
        }
        Ok(())
    }
}

/// A fitted learner.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Learner {
    LogisticRegression(Logistic),
    RandomForest { trees: Vec<Tree> },
    GradientBoosting { base: f64, trees: Vec<Tree> },
}

impl FromJson for Learner {
    fn from_json(json: &Json) -> JsonResult<Self> {
        match case(json)? {
            ("logistic_regression", value) => Logistic::from_json(value).map(Learner::LogisticRegression),
            ("random_forest", value) => {
                Ok(Learner::RandomForest { trees: Object::of(value, &["trees"])?.field("trees")? })
            }
            ("gradient_boosting", value) => {
                let boosting = Object::of(value, &["base", "trees"])?;
                Ok(Learner::GradientBoosting { base: boosting.field("base")?, trees: boosting.field("trees")? })
            }
            _ => Err(json.expected("logistic_regression, random_forest or gradient_boosting")),
        }
    }
}

impl Learner {
    /// The margin of a row, which is the learner's raw output: log-odds, or for a forest the mean rate of its trees.
    pub(crate) fn margin(&self, row: ndarray::ArrayView1<'_, f64>) -> f64 {
        match self {
            Learner::LogisticRegression(logistic) => logistic.margin(row),
            Learner::RandomForest { trees } => {
                trees.iter().map(|tree| tree.value(row)).sum::<f64>() / trees.len() as f64
            }
            Learner::GradientBoosting { base, trees } => trees.iter().fold(*base, |sum, tree| sum + tree.value(row)),
        }
    }

    /// Returns a function that bounds the sum of the absolute values of all terms of a row's margin, as the scale of its
    /// rounding error.
    pub(crate) fn margin_scale(&self) -> impl Fn(ndarray::ArrayView1<'_, f64>) -> f64 {
        let (logistic, trees) = match self {
            Learner::LogisticRegression(logistic) => (Some(logistic), &[][..]),
            Learner::RandomForest { trees } | Learner::GradientBoosting { trees, .. } => (None, trees.as_slice()),
        };
        let leaves = |tree: &Tree| tree.nodes.iter().fold(0.0, |m: f64, node| m.max(node.value.abs()));
        let largest: f64 = trees.iter().map(leaves).sum();
        move |row| {
            let mut size = largest;
            if let Some(logistic) = logistic {
                logistic.parts(row, |_, part| size += part.abs());
            }
            size
        }
    }

    /// The score of a row in log-odds, which is the input of the calibration.
    pub(crate) fn score(&self, row: ndarray::ArrayView1<'_, f64>) -> f64 {
        self.log_odds(self.margin(row))
    }

    /// Converts a margin to a score in log-odds.
    pub(crate) fn log_odds(&self, margin: f64) -> f64 {
        match self {
            Learner::RandomForest { .. } => rate_logit(margin),
            Learner::LogisticRegression(_) | Learner::GradientBoosting { .. } => margin,
        }
    }
}

/// The log-odds of a forest's mean rate. The rate is clipped to 0.0001..0.9999, so that a unanimous forest has finite
/// log-odds.
pub(crate) fn rate_logit(rate: f64) -> f64 {
    logit(rate.clamp(1e-4, 1.0 - 1e-4))
}
