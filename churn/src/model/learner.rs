//! The learners of a model, and the settings that they are fitted with.

use serde::Serialize;

use super::background::MAX_BACKGROUND;
use super::calibration::CalibrationKind;
use super::level_log_odds::LevelLogOdds;
use super::logistic::Logistic;
use super::logit;
use super::tree::{MAX_DEPTH, Tree};
use crate::error::{Error, Result, invalid_parameter};
use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, Object, case, names, objects};
use crate::random::mix;
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
    /// A search over the three learners, both feature sets of a log and their settings, and over weighted means of the best, by
    /// log-loss on unseen rows. It tests out of time if there are enough cutoffs. Settings that are given are kept.
    /// `Evaluation::candidates` lists the trials. A fitted model has this kind if it is such a mean.
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
    /// `auto`: the recipes whose weighted mean is fitted, at most 16, instead of a search. Settings of the learners stand in them.
    /// [`Model::parameters`](crate::Model::parameters) has them if the search has chosen such a mean.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MeanMember>,
}

/// A recipe of a weighted mean. The log-odds of its members are averaged, so that their explanations add up too; therefore a
/// member is a logistic regression or gradient boosting, whose sums are log-odds. What is not set here is set for all members
/// together by [`LearnConfig`], whose fields of the same names have the same meaning and defaults.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeanMember {
    /// The weight in the mean, above 0 and at most 1. Together they are 1.
    pub weight: f64,
    /// The learner: logistic regression or gradient boosting.
    pub model: ModelKind,
    /// Logistic regression: the L2 penalty.
    pub l2: f64,
    /// Boosting: the number of rounds.
    pub rounds: Option<usize>,
    /// Boosting: the learning rate.
    pub learning_rate: f64,
    /// Boosting: the largest depth.
    pub max_depth: Option<usize>,
    /// Boosting: the smallest sum of the curvatures on either side of a split.
    pub min_child_weight: Option<f64>,
    /// Boosting: the L2 penalty on leaf values.
    pub leaf_l2: Option<f64>,
    /// Boosting: the share of the rows that each tree is grown on.
    pub row_sample: f64,
    /// Boosting: the share of the features that each tree may split by.
    pub column_sample: f64,
}

objects! {
    @default LearnConfig {
        model, seed, calibration, class_weight, thresholds, l2, trees, rounds, learning_rate, max_depth,
        min_child_weight, leaf_l2, row_sample, column_sample, features_per_split, background_rows, time_budget, members,
    }
    @default MeanMember {
        weight, model, l2, rounds, learning_rate, max_depth, min_child_weight, leaf_l2, row_sample, column_sample,
    }
}

/// Largest number of members of a weighted mean.
pub(crate) const MOST_MEMBERS: usize = 16;

impl Default for MeanMember {
    fn default() -> Self {
        MeanMember::new(1.0, &LearnConfig { model: ModelKind::GradientBoosting, ..LearnConfig::default() })
    }
}

impl MeanMember {
    /// A recipe with its weight.
    pub(crate) fn new(weight: f64, recipe: &LearnConfig) -> Self {
        let &LearnConfig {
            model,
            l2,
            rounds,
            learning_rate,
            max_depth,
            min_child_weight,
            leaf_l2,
            row_sample,
            column_sample,
            ..
        } = recipe;
        MeanMember {
            weight,
            model,
            l2,
            rounds,
            learning_rate,
            max_depth,
            min_child_weight,
            leaf_l2,
            row_sample,
            column_sample,
        }
    }

    /// The settings that the member of this number is fitted with. The seed draws its samples: each member has other ones.
    pub(crate) fn config(&self, mean: &LearnConfig, number: usize) -> LearnConfig {
        const SEEDS: u64 = (1 << 53) - 1;
        let &MeanMember {
            model,
            l2,
            rounds,
            learning_rate,
            max_depth,
            min_child_weight,
            leaf_l2,
            row_sample,
            column_sample,
            ..
        } = self;
        LearnConfig {
            model,
            seed: if number == 0 { mean.seed } else { mix(mix(mean.seed) ^ number as u64) & SEEDS },
            l2,
            rounds,
            learning_rate,
            max_depth,
            min_child_weight,
            leaf_l2,
            row_sample,
            column_sample,
            time_budget: None,
            members: Vec::new(),
            ..mean.clone()
        }
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
            members: Vec::new(),
        }
    }
}

impl LearnConfig {
    /// Returns true if the recipe is still to be searched.
    pub(crate) fn needs_search(&self) -> bool {
        self.model == ModelKind::Auto && self.members.is_empty()
    }

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
        if let Some(seconds) = self.time_budget.filter(|_| !self.needs_search()) {
            let expected = match self.members.is_empty() {
                true => format!("none with {}: only auto searches", self.model.name()),
                false => "none with members, which leave nothing to search for".to_owned(),
            };
            return Err(invalid_parameter("time_budget", seconds, &expected));
        }
        self.check_members()
    }

    /// The settings of a mean of these recipes, with what these settings have for all learners together.
    pub(crate) fn mean_of(&self, members: Vec<MeanMember>) -> LearnConfig {
        let &LearnConfig { seed, calibration, class_weight, thresholds, background_rows, .. } = self;
        LearnConfig {
            model: ModelKind::Auto,
            seed,
            calibration,
            class_weight,
            thresholds,
            background_rows,
            members,
            ..LearnConfig::default()
        }
    }

    fn check_members(&self) -> Result<()> {
        let wrong = |found: &dyn std::fmt::Display, expected: &str| Err(invalid_parameter("members", found, expected));
        if self.members.is_empty() {
            return Ok(());
        }
        if self.model != ModelKind::Auto {
            return wrong(
                &format!("given with the model {}", self.model.name()),
                "the model auto, which averages them",
            );
        }
        let given = LearnConfig { members: Vec::new(), time_budget: None, ..self.clone() };
        if given != self.mean_of(Vec::new()) {
            let expected = "settings of a learner, such as max_depth, in each of the members";
            return wrong(&"given beside settings of a learner", expected);
        }
        if self.members.len() > MOST_MEMBERS {
            return wrong(&format!("a list of {}", self.members.len()), &format!("at most {MOST_MEMBERS}"));
        }
        for (number, member) in self.members.iter().enumerate() {
            if matches!(member.model, ModelKind::RandomForest | ModelKind::Auto) {
                let expected = "logistic_regression or gradient_boosting, whose log-odds can be averaged";
                return wrong(&format!("a list with {}", member.model.name()), expected);
            }
            if !(member.weight > 0.0 && member.weight <= 1.0) {
                return wrong(&format!("a list with the weight {}", member.weight), "weights above 0 and at most 1");
            }
            member.config(self, number).check()?;
        }
        let total: f64 = self.members.iter().map(|member| member.weight).sum();
        match (total - 1.0).abs() < 1e-9 {
            true => Ok(()),
            false => wrong(&format!("a list with weights that add up to {total}"), "weights that add up to 1"),
        }
    }
}

/// A fitted learner.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Learner {
    LogisticRegression(Logistic),
    RandomForest {
        trees: Vec<Tree>,
    },
    GradientBoosting {
        base: f64,
        trees: Vec<Tree>,
    },
    /// The weighted mean of the log-odds of logistic regressions and boosted trees.
    Average {
        members: Vec<FittedMember>,
    },
}

/// A fitted learner of a weighted mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FittedMember {
    pub(crate) weight: f64,
    /// The log-odds of the categories that this learner takes as numbers. The mean itself has none.
    #[serde(skip_serializing_if = "LevelLogOdds::is_empty")]
    pub(crate) level_log_odds: LevelLogOdds,
    pub(crate) learner: Learner,
}

objects! { FittedMember { weight, level_log_odds, learner } }

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
            ("average", value) => Ok(Learner::Average { members: Object::of(value, &["members"])?.field("members")? }),
            _ => Err(json.expected("logistic_regression, random_forest, gradient_boosting or average")),
        }
    }
}

impl Learner {
    /// The margin of a row, which is the learner's raw output: log-odds, or for a forest the mean rate of its trees.
    pub(crate) fn margin(&self, row: &[f64]) -> f64 {
        match self {
            Learner::LogisticRegression(logistic) => logistic.margin(row.into()),
            Learner::RandomForest { trees } => {
                trees.iter().map(|tree| tree.value(row.into())).sum::<f64>() / trees.len() as f64
            }
            Learner::GradientBoosting { base, trees } => {
                trees.iter().fold(*base, |sum, tree| sum + tree.value(row.into()))
            }
            Learner::Average { members } => members.iter().fold(0.0, |sum, member| {
                sum + member.weight * member.learner.margin(&member.level_log_odds.rows(row, row.len()))
            }),
        }
    }

    /// A bound of the sum of the absolute values of all terms of a row's margin, as the scale of its rounding error.
    pub(crate) fn margin_scale(&self, row: &[f64]) -> f64 {
        match self {
            Learner::LogisticRegression(logistic) => {
                let mut size = 0.0;
                logistic.parts(row.into(), |_, part| size += part.abs());
                size
            }
            Learner::RandomForest { trees } | Learner::GradientBoosting { trees, .. } => {
                let leaves = |tree: &Tree| tree.nodes.iter().fold(0.0, |m: f64, node| m.max(node.value.abs()));
                trees.iter().map(leaves).sum()
            }
            Learner::Average { members } => {
                let scale = |member: &FittedMember| {
                    member.weight * member.learner.margin_scale(&member.level_log_odds.rows(row, row.len()))
                };
                members.iter().map(scale).sum()
            }
        }
    }

    /// The score of a row in log-odds, which is the input of the calibration.
    pub(crate) fn score(&self, row: &[f64]) -> f64 {
        self.log_odds(self.margin(row))
    }

    /// Converts a margin to a score in log-odds.
    pub(crate) fn log_odds(&self, margin: f64) -> f64 {
        match self {
            Learner::RandomForest { .. } => rate_logit(margin),
            Learner::LogisticRegression(_) | Learner::GradientBoosting { .. } | Learner::Average { .. } => margin,
        }
    }

    /// All trees; of a mean, those of all its members.
    pub(crate) fn trees(&self) -> Box<dyn Iterator<Item = &Tree> + '_> {
        match self {
            Learner::LogisticRegression(_) => Box::new(std::iter::empty()),
            Learner::RandomForest { trees } | Learner::GradientBoosting { trees, .. } => Box::new(trees.iter()),
            Learner::Average { members } => Box::new(members.iter().flat_map(|member| member.learner.trees())),
        }
    }

    /// Adds what the splits by each feature explain: Σ cover (value − value above)² over the two nodes of each split, times a weight.
    pub(crate) fn add_split_importance(&self, weight: f64, shares: &mut [f64]) {
        if let Learner::Average { members } = self {
            members.iter().for_each(|member| member.learner.add_split_importance(weight * member.weight, shares));
            return;
        }
        for tree in self.trees() {
            for node in &tree.nodes {
                let Some(split) = &node.split else { continue };
                for child in [split.left, split.right].map(|child| &tree.nodes[child as usize]) {
                    let step = child.value - node.value;
                    shares[split.feature as usize] += weight * child.cover * step * step;
                }
            }
        }
    }

    /// Returns true if the margin changes smoothly with a number, and not in steps alone.
    pub(crate) fn is_smooth(&self) -> bool {
        match self {
            Learner::LogisticRegression(_) => true,
            Learner::RandomForest { .. } | Learner::GradientBoosting { .. } => false,
            Learner::Average { members } => members.iter().any(|member| member.learner.is_smooth()),
        }
    }
}

/// The log-odds of a forest's mean rate. The rate is clipped to 0.0001..0.9999, so that a unanimous forest has finite
/// log-odds.
pub(crate) fn rate_logit(rate: f64) -> f64 {
    logit(rate.clamp(1e-4, 1.0 - 1e-4))
}
