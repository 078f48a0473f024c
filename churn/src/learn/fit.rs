//! Fits a learner on all rows and, for calibration and the choice of settings, on folds.

mod cross_fit;

use super::calibration::Outcomes;
use super::folds::{FOLDS, MANY_ROWS, folds};
use super::levels::{NumberedRows, number_levels};
use super::rows::{LearningRows, TrainingSet};
use super::snapshot::LabelledRows;
use super::trees::{Binned, Booster, CustomerIndex, ForestParameters, Growth, Sampling, bin, fit_forest};
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::metrics::log_loss_of;
use crate::model::calibration::{Calibration, CalibrationKind};
use crate::model::learner::{ClassWeight, FittedMember, LearnConfig, Learner, MeanMember, ModelKind, rate_logit};
use crate::model::level_log_odds::LevelLogOdds;
use crate::model::{Logistic, Scorer, sigmoid};
use crate::parallel;
use crate::progress::{Observer, check_cancelled, step};
pub(super) use cross_fit::{CrossFit, folds_are_enough};

/// The result of a fit: the learner and its calibration.
pub(crate) struct Fitted {
    pub(crate) learner: Learner,
    pub(crate) level_log_odds: LevelLogOdds,
    pub(crate) calibration: Calibration,
    /// The settings, with chosen ones filled in.
    pub(crate) config: LearnConfig,
    /// The score of each row by learners that were not fitted on its customer; NaN, or empty, where there is none.
    pub(crate) unseen_scores: Vec<f64>,
}

/// Chosen settings and scores of unseen rows from a fit of the same recipe on some of the rows. With them, a fit on all rows
/// needs no folds.
pub(crate) struct Found {
    /// The settings, with chosen ones filled in.
    pub(crate) config: LearnConfig,
    /// The score of each row by a learner that was not fitted on its customer, or only on earlier rows of the customer; NaN
    /// where there is none.
    pub(crate) scores: Vec<f64>,
}

impl Fitted {
    pub(crate) fn scorer(&self) -> Scorer {
        Scorer::new(&self.learner, &self.level_log_odds, &self.calibration)
    }
}

/// Largest number of rows that a tree of a forest is grown on: a hundred such samples cover many more rows well.
const ROWS_OF_A_TREE: usize = 25_000;
/// Number of cutoffs in which the weight of a row in calibration falls by half.
const CALIBRATION_HALF_LIFE: f64 = 2.0;
const LEAST_ROWS: usize = 50;
const LEAST_OF_A_CLASS: usize = 5;
/// Largest number of rounds if none is given.
pub(super) const MOST_ROUNDS: usize = 1000;
/// Number of rounds without improvement after which boosting stops.
const PATIENCE: usize = 15;
/// The same if only one fold is scored, whose log-loss varies more. On a simulated table of 50,000 rows, 15 rounds in place of 40
/// cost a log-loss of .0006 to .001.
const PATIENCE_OF_ONE_FOLD: usize = 40;
/// With one fold, the fall of the log-loss that is an improvement. The log-loss of very many rows falls for hundreds of rounds, by
/// less and less: on a simulated log of a million customers, 125 rounds in place of 168 change it by less than .00001.
const LEAST_GAIN: f64 = 1e-4;
/// Number of rounds after which a recipe is compared with another one.
const LEAST_ROUNDS: usize = 30;
/// From this number of rows on, depth and leaf penalty of boosting are chosen with larger steps. With fewer rows that misleads: with
/// 24,000 flights and categories of thousands of levels, it chose depth 5 and a log-loss of .4888 on others, where depth 8 has
/// .4821.
const VERY_MANY_ROWS: usize = 100_000;
/// Number of rows whose losses are summed together.
const LOSSES: usize = 1 << 13;

/// Returns an error if there are too few rows, or too few of either outcome, to train on.
pub(crate) fn check_enough(y: &[bool], what: &str) -> Result<()> {
    enough(y.len(), y.iter().filter(|&&y| y).count(), what)
}

/// [`check_enough`] for a number of rows, of which some churned.
pub(super) fn enough(rows: usize, churned: usize, what: &str) -> Result<()> {
    if rows < LEAST_ROWS {
        let message = format!("{what}: {rows} rows; at least {LEAST_ROWS} are needed");
        return Err(Error::new(ErrorKind::TooFewRows, message));
    }
    if churned.min(rows - churned) < LEAST_OF_A_CLASS {
        let message = format!(
            "{what}: {churned} of {rows} customers churned; at least {LEAST_OF_A_CLASS} who did and {LEAST_OF_A_CLASS} who did not are needed"
        );
        return Err(Error::new(ErrorKind::OneClass, message));
    }
    Ok(())
}

/// Fits a learner on all rows of a data set. It is calibrated on scores of rows that the learner of a fold was not fitted on.
pub(crate) fn fit(data: &LabelledRows, config: &LearnConfig, observer: &dyn Observer) -> Result<Fitted> {
    fit_rows(&data.rows(), config, None, observer)
}

/// [`fit`] on borrowed rows. If there is no setting to choose and no calibration, or if they were found before, no fold is
/// fitted.
pub(crate) fn fit_rows(
    data: &LearningRows<'_>,
    config: &LearnConfig,
    found: Option<Found>,
    observer: &dyn Observer,
) -> Result<Fitted> {
    config.check()?;
    let given = data.weights.map_or_else(|| vec![1.0; data.y.len()], <[f64]>::to_vec);
    let uncalibrated = match config.members.is_empty() {
        true => {
            let known = found.is_some();
            let (learning, scores) = found.map_or((config.clone(), None), |found| (found.config, Some(found.scores)));
            let fitted = fit_scored(data, &given, &learning, config.seed, known, observer)?;
            Fitted { unseen_scores: scores.unwrap_or(fitted.unseen_scores), ..fitted }
        }
        false => fit_mean(data, &given, config, found, observer)?,
    };
    // Churn rates change over time, so recent rows have more weight.
    let weight = |row: usize| given[row] * libm::exp2(f64::from(data.ages[row]) / -CALIBRATION_HALF_LIFE);
    let outcomes = Outcomes { churned: data.y, customers: data.groups, weight: &weight };
    let calibration = Calibration::fit(config.calibration, &uncalibrated.unseen_scores, &outcomes, observer)?;
    Ok(Fitted { calibration, ..uncalibrated })
}

/// Fits the members of a weighted mean, without a calibration. The scores of unseen rows are the mean of those of the members,
/// which have the same folds.
fn fit_mean(
    data: &LearningRows<'_>,
    given: &[f64],
    config: &LearnConfig,
    found: Option<Found>,
    observer: &dyn Observer,
) -> Result<Fitted> {
    let (mean, mut scores) = match found {
        Some(Found { config, scores }) => (config, Some(scores)),
        None => (config.clone(), None),
    };
    let known = scores.is_some();
    let (mut members, mut recipes) = (Vec::new(), Vec::new());
    for (number, member) in mean.members.iter().enumerate() {
        let learning = member.config(&mean, number);
        let fitted = fit_scored(data, given, &learning, mean.seed, known, observer)?;
        if !known {
            let sums = scores.get_or_insert_with(|| vec![0.0; fitted.unseen_scores.len()]);
            sums.iter_mut().zip(&fitted.unseen_scores).for_each(|(sum, score)| *sum += member.weight * score);
        }
        recipes.push(MeanMember::new(member.weight, &fitted.config));
        let Fitted { learner, level_log_odds, .. } = fitted;
        members.push(FittedMember { weight: member.weight, level_log_odds, learner });
    }
    Ok(Fitted {
        learner: Learner::Average { members },
        level_log_odds: LevelLogOdds::default(),
        calibration: Calibration::Identity,
        config: LearnConfig { members: recipes, ..mean },
        unseen_scores: scores.unwrap_or_default(),
    })
}

/// Fits a learner and scores unseen rows, without a calibration. `seed` assigns the folds. No row is scored if settings and
/// scores are known from another fit.
fn fit_scored(
    data: &LearningRows<'_>,
    given: &[f64],
    config: &LearnConfig,
    seed: u64,
    known: bool,
    observer: &dyn Observer,
) -> Result<Fitted> {
    match number_levels(data, given, || noise(data.groups, given), config.model, seed) {
        None => fit_numbered(data, given, LevelLogOdds::default(), config, seed, known, observer),
        Some(NumberedRows { x, specs, log_odds }) => {
            let data = LearningRows { x: x.view(), specs: &specs, ..*data };
            fit_numbered(&data, given, log_odds, config, seed, known, observer)
        }
    }
}

/// [`fit_scored`] on rows whose categories of many levels are numbers.
fn fit_numbered(
    data: &LearningRows<'_>,
    given: &[f64],
    level_log_odds: LevelLogOdds,
    config: &LearnConfig,
    seed: u64,
    known: bool,
    observer: &dyn Observer,
) -> Result<Fitted> {
    let weights = learning_weights(data.y, given, config.class_weight);
    let weighted = WeightedRows { data: *data, given, weights: &weights, log_odds: &level_log_odds, seed };
    let rows = data.y.len();
    let nothing_to_find = config.calibration == CalibrationKind::None && !needs_selection(config, rows);
    let (learner, unseen_scores, config) = if known || nothing_to_find {
        weighted.task(config, Unseen::None, observer, |task| task.fit())?
    } else if rows < MANY_ROWS {
        weighted.task(config, Unseen::AllRows, observer, |task| task.fit())?
    } else if rows < VERY_MANY_ROWS {
        weighted.task(config, Unseen::OneFold, observer, |task| task.fit())?
    } else {
        let config = recipe_of_very_many_rows(&weighted, config, observer)?;
        weighted.task(&config, Unseen::OneFold, observer, |task| task.fit())?
    };
    Ok(Fitted { learner, level_log_odds, calibration: Calibration::Identity, config, unseen_scores })
}

/// The weights that a learner is fitted with: those given with the rows, and perhaps those of the classes.
fn learning_weights(y: &[bool], given: &[f64], class_weight: ClassWeight) -> Vec<f64> {
    let mut weights = given.to_vec();
    if class_weight == ClassWeight::Balanced {
        let churned = y.iter().filter(|&&y| y).count() as f64;
        let stayed = y.len() as f64 - churned;
        for (weight, &y) in weights.iter_mut().zip(y) {
            *weight *= (churned + stayed) / (2.0 * if y { churned } else { stayed });
        }
    }
    weights
}

/// The rows that are scored by learners that were not fitted on their customers.
#[derive(Clone, Copy, PartialEq)]
enum Unseen {
    None,
    /// A fifth of the customers, which is enough of many rows to calibrate on and to choose settings by.
    OneFold,
    AllRows,
}

/// Rows with the weights that a learner is fitted with.
struct WeightedRows<'d, 'a> {
    data: LearningRows<'d>,
    /// The weights given with the rows, without the weights of the classes.
    given: &'a [f64],
    weights: &'a [f64],
    log_odds: &'a LevelLogOdds,
    /// The seed that assigns the folds.
    seed: u64,
}

impl WeightedRows<'_, '_> {
    /// Does some work of fitting on these rows.
    fn task<T>(
        &self,
        config: &LearnConfig,
        unseen: Unseen,
        observer: &dyn Observer,
        work: impl FnOnce(&FitTask<'_>) -> Result<T>,
    ) -> Result<T> {
        let WeightedRows { data, given, weights, log_odds, seed } = *self;
        let rows: Vec<u32> = (0..data.y.len() as u32).collect();
        let binned = match config.model {
            ModelKind::LogisticRegression => Binned::default(),
            _ => bin(data.x, data.specs, observer)?,
        };
        let set =
            |rows| TrainingSet { x: data.x, specs: data.specs, binned: &binned, y: data.y, weights, log_odds, rows };
        let parts = match (config.model, unseen) {
            // A forest needs no folds, because the sample of each tree leaves out customers.
            (ModelKind::RandomForest, _) | (_, Unseen::None) => Vec::new(),
            (_, Unseen::OneFold) => folds(data.y, data.groups, data.y.len(), 1, seed)?,
            (_, Unseen::AllRows) => folds(data.y, data.groups, data.y.len(), FOLDS, seed)?,
        };
        let folds = parts.iter().map(|(learn, held_out)| Fold { set: set(learn), held_out }).collect();
        let (noise, unseen) = (noise(data.groups, weights), unseen != Unseen::None);
        work(&FitTask { config, all: set(&rows), groups: data.groups, given, noise, unseen, folds, observer })
    }
}

/// The settings with the depth and the leaf penalty of boosting, if these are not given. They are those that are best for trees
/// of three times the learning rate, of which a third suffice, on a sample of the customers; depths from a smaller sample would be
/// too small. If the sample has too few churners, they are [`MIDDLE_DEPTH`] and [`BOOSTING_L2`].
fn recipe_of_very_many_rows(
    rows: &WeightedRows<'_, '_>,
    config: &LearnConfig,
    observer: &dyn Observer,
) -> Result<LearnConfig> {
    const SAMPLE: usize = 200_000;
    if config.model != ModelKind::GradientBoosting || (config.max_depth.is_some() && config.leaf_l2.is_some()) {
        return Ok(config.clone());
    }
    let fast = LearnConfig { learning_rate: (3.0 * config.learning_rate).min(1.0), ..config.clone() };
    let best = |rows: &WeightedRows<'_, '_>| rows.task(&fast, Unseen::OneFold, observer, |task| task.best_recipe());
    let found = match rows.data.sample(SAMPLE, config.seed) {
        None => best(rows),
        Some(numbers) => {
            let of = |values: &[f64]| -> Vec<f64> { numbers.iter().map(|&row| values[row]).collect() };
            let (given, weights, sampled) = (of(rows.given), of(rows.weights), rows.data.select(&numbers));
            best(&WeightedRows { data: sampled.rows(), given: &given, weights: &weights, ..*rows })
        }
    };
    let chosen = match found {
        Ok(best) => best.config,
        Err(error) if error.kind() == ErrorKind::OneClass => config.clone(),
        Err(error) => return Err(error),
    };
    let max_depth = chosen.max_depth.or(Some(MIDDLE_DEPTH));
    let leaf_l2 = chosen.leaf_l2.or(Some(BOOSTING_L2));
    Ok(LearnConfig { max_depth, leaf_l2, ..config.clone() })
}

/// The noise of [`Growth`]: rows of one customer may all be alike, and a row of the weight w varies like w rows.
fn noise(groups: &[u32], weights: &[f64]) -> f64 {
    let rows_per_customer = groups.len() as f64 / CustomerIndex::of(groups).count().max(1) as f64;
    let squares: f64 = weights.iter().map(|w| w * w).sum();
    rows_per_customer * squares / weights.iter().sum::<f64>().max(f64::MIN_POSITIVE)
}

/// Returns true if boosting this many rows for these rounds ended only because there may be no more.
pub(super) fn rounds_are_used_up(rounds: usize, rows: usize) -> bool {
    let patience = if rows >= MANY_ROWS { PATIENCE_OF_ONE_FOLD } else { PATIENCE };
    rounds + patience > MOST_ROUNDS
}

/// Returns true if a setting is left to be chosen on unseen rows.
fn needs_selection(config: &LearnConfig, rows: usize) -> bool {
    match config.model {
        ModelKind::LogisticRegression | ModelKind::Auto => false,
        ModelKind::RandomForest => forest_depths(config, rows).len() > 1,
        ModelKind::GradientBoosting => {
            let recipes = boosting_depths(config, rows).len() * boosting_penalties(config).len();
            config.rounds.is_none() || recipes > 1
        }
    }
}

/// The work of one fit: the whole set and its folds.
struct FitTask<'a> {
    config: &'a LearnConfig,
    all: TrainingSet<'a>,
    /// Rows of one customer share a number.
    groups: &'a [u32],
    /// The weights given with the rows, without the weights of the classes.
    given: &'a [f64],
    /// The noise of [`Growth`].
    noise: f64,
    /// True if scores of unseen rows are needed, for calibration or for choosing settings.
    unseen: bool,
    folds: Vec<Fold<'a>>,
    observer: &'a dyn Observer,
}

/// The training rows and the held-out rows of a fold.
struct Fold<'a> {
    set: TrainingSet<'a>,
    held_out: &'a [u32],
}

/// The learner fitted on all rows, the score of each row by learners that were not fitted on its customer (NaN if there is
/// none), and the chosen settings.
type FitResult = (Learner, Vec<f64>, LearnConfig);

impl FitTask<'_> {
    fn fit(&self) -> Result<FitResult> {
        match self.config.model {
            ModelKind::LogisticRegression => self.logistic(),
            ModelKind::RandomForest => self.forest(),
            ModelKind::GradientBoosting => self.boosting(),
            ModelKind::Auto => Err(invalid_parameter("model", "auto", "a learner; auto is resolved before fitting")),
        }
    }

    fn logistic(&self) -> Result<FitResult> {
        let scores = self.logistic_scores()?;
        let logistic = Logistic::fit(&self.all, self.config.l2, self.noise, self.observer)?;
        Ok((Learner::LogisticRegression(logistic), scores, self.config.clone()))
    }

    /// The score of each held-out row.
    fn logistic_scores(&self) -> Result<Vec<f64>> {
        let mut scores = vec![f64::NAN; self.all.y.len()];
        for (number, fold) in self.folds.iter().enumerate() {
            step(self.observer, "cross-fit", number, self.folds.len())?;
            let logistic = Logistic::fit(&fold.set, self.config.l2, self.noise, self.observer)?;
            for &row in fold.held_out {
                scores[row as usize] = logistic.margin(self.all.x.row(row as usize));
            }
        }
        if !self.folds.is_empty() {
            step(self.observer, "cross-fit", self.folds.len(), self.folds.len())?;
        }
        Ok(scores)
    }

    fn boosting_growth(&self, config: &LearnConfig) -> Growth {
        Growth {
            max_depth: config.max_depth.unwrap_or(usize::MAX),
            l2: config.leaf_l2.unwrap_or(BOOSTING_L2),
            min_child_weight: config.min_child_weight.unwrap_or(1.0),
            noise: self.noise,
        }
    }

    /// Fits a forest. If no depth is given, the trees are grown to the largest depth, evaluated at several depths on their
    /// unseen customers, and cut at the best depth. That takes one fit, because a node stores its value as a leaf.
    fn forest(&self) -> Result<FitResult> {
        let mut config = self.config.clone();
        let (rows, features) = self.all.x.dim();
        let depths = forest_depths(&config, rows);
        let deepest = depths[depths.len() - 1];
        let judged = if self.unseen { &depths[..] } else { &[] };
        let customers = CustomerIndex::of(self.groups);
        // Rows of one customer at several cutoffs are nearly the same, so the smallest leaf is the average number of rows of
        // five customers.
        let of_five = 5.0 * rows as f64 / customers.count() as f64;
        let drawn = config.features_per_split.unwrap_or((features as f64).sqrt().ceil() as usize);
        let parameters = ForestParameters {
            trees: config.trees,
            growth: Growth {
                max_depth: deepest,
                l2: 0.0,
                min_child_weight: config.min_child_weight.unwrap_or(of_five),
                // A customer is drawn a random number of times with the mean 1 and the variance 1, so its square has the mean 2.
                noise: 2.0 * self.noise,
            },
            features_per_split: drawn.clamp(1, features),
            depths: judged,
            // With a given depth the sample is not limited.
            most_rows: if config.max_depth.is_some() { usize::MAX } else { ROWS_OF_A_TREE },
            seed: config.seed,
        };
        let (mut trees, mut scores) = fit_forest(&self.all, &customers, &parameters, self.observer)?;
        let losses = parallel::map_mut(&mut scores, |_, scores| {
            scores.iter_mut().for_each(|score| *score = rate_logit(*score));
            self.loss(scores)
        });
        let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap_or(0);
        config.max_depth = Some(depths[best]);
        if depths[best] < deepest {
            trees = trees.iter().map(|tree| tree.cut(depths[best])).collect();
        }
        let scores = if judged.is_empty() { Vec::new() } else { scores.swap_remove(best) };
        Ok((Learner::RandomForest { trees }, scores, config))
    }

    /// The weighted log-loss of a row with this score.
    fn loss_of(&self, row: usize, score: f64) -> f64 {
        self.given[row] * log_loss_of(sigmoid(score), self.all.y[row])
    }

    /// The weighted sum of the log-loss of the rows that have a score.
    fn loss(&self, scores: &[f64]) -> f64 {
        let scored = (0..scores.len()).filter(|&row| !scores[row].is_nan());
        scored.map(|row| self.loss_of(row, scores[row])).sum()
    }

    fn boosting(&self) -> Result<FitResult> {
        let Boosted { rounds, scores, mut config, .. } = self.best_recipe()?;
        config.rounds = Some(rounds);
        let mut booster =
            Booster::new(self.all, self.boosting_growth(&config), sampling(&config), config.learning_rate);
        for round in 0..rounds {
            step(self.observer, "fit", round, rounds)?;
            booster.round();
        }
        Ok((Learner::GradientBoosting { base: booster.base, trees: booster.trees }, scores, config))
    }

    /// Boosts the folds by several recipes. If depth or leaf penalty are not given, they are chosen by the log-loss on the
    /// held-out rows: first the depth, from the middle one towards the better side as long as that helps, then the penalty at
    /// that depth.
    fn best_recipe(&self) -> Result<Boosted> {
        let rows = self.all.rows.len();
        let (depths, penalties) = (boosting_depths(self.config, rows), boosting_penalties(self.config));
        let boost = |depth: usize, than: Option<&Boosted>| {
            let leaf_l2 = Some(penalties[0]);
            self.boost_folds(LearnConfig { max_depth: Some(depth), leaf_l2, ..self.config.clone() }, than)
        };
        let middle = depths.len() / 2;
        let mut best = boost(depths[middle], None)?;
        for depths in [depths[..middle].iter().rev().collect::<Vec<&usize>>(), depths[middle + 1..].iter().collect()] {
            let start = best.loss;
            for &depth in depths {
                // A round of a deeper tree learns more, so after as many rounds it must be ahead.
                let than = best.config.max_depth.is_some_and(|other| depth > other).then_some(&best);
                let found = boost(depth, than)?;
                if found.loss >= best.loss {
                    break;
                }
                best = found;
            }
            if best.loss < start {
                break;
            }
        }
        for &l2 in &penalties[1..] {
            let found = self.boost_folds(LearnConfig { leaf_l2: Some(l2), ..best.config.clone() }, Some(&best))?;
            if found.loss < best.loss {
                best = found;
            }
        }
        Ok(best)
    }

    /// Boosts all folds at the same time. If the number of rounds is not given, boosting stops when the total log-loss of the
    /// held-out rows has not improved for some rounds, and the best round is chosen. It also stops if it is behind `than`, a recipe
    /// that learns no more in a round. Without folds nothing is computed.
    fn boost_folds(&self, config: LearnConfig, than: Option<&Boosted>) -> Result<Boosted> {
        let start = |set| Booster::new(set, self.boosting_growth(&config), sampling(&config), config.learning_rate);
        let mut boosters: Vec<Booster<'_>> = Vec::new();
        for fold in &self.folds {
            check_cancelled(self.observer, "cross-fit")?;
            boosters.push(start(fold.set));
        }
        let most = config.rounds.unwrap_or(MOST_ROUNDS);
        if boosters.is_empty() {
            return Ok(Boosted { loss: 0.0, losses: Vec::new(), rounds: most, scores: Vec::new(), config });
        }
        let (patience, least_gain) = match &self.folds[..] {
            [fold] => {
                let weight: f64 = fold.held_out.iter().map(|&row| self.given[row as usize]).sum();
                (PATIENCE_OF_ONE_FOLD, LEAST_GAIN * weight)
            }
            _ => (PATIENCE, 0.0),
        };
        let mut losses_of_rounds = Vec::new();
        let (mut best_loss, mut best_rounds) = (f64::INFINITY, 0);
        let mut best_scores = vec![f64::NAN; self.all.y.len()];
        for round in 1..=most {
            step(self.observer, "cross-fit", round - 1, most)?;
            parallel::for_each(&mut boosters, Booster::round);
            if config.rounds.is_some() && round < most {
                continue;
            }
            let pieces: Vec<(&Booster<'_>, &[u32])> = self
                .folds
                .iter()
                .zip(&boosters)
                .flat_map(|(fold, booster)| fold.held_out.chunks(LOSSES).map(move |rows| (booster, rows)))
                .collect();
            let losses = parallel::map(pieces.len(), |piece| -> f64 {
                let (booster, rows) = pieces[piece];
                rows.iter().map(|&row| self.loss_of(row as usize, booster.margins[row as usize])).sum()
            });
            let loss: f64 = losses.iter().sum();
            losses_of_rounds.push(loss);
            if config.rounds.is_some() || loss < best_loss - least_gain {
                (best_loss, best_rounds) = (loss, round);
                for (booster, rows) in pieces {
                    rows.iter().for_each(|&row| best_scores[row as usize] = booster.margins[row as usize]);
                }
            } else if round >= best_rounds + patience {
                break;
            }
            let other = than.and_then(|than| than.losses.get(round - 1));
            if round >= LEAST_ROUNDS && other.is_some_and(|other| loss > *other) {
                break;
            }
        }
        Ok(Boosted { loss: best_loss, losses: losses_of_rounds, rounds: best_rounds, scores: best_scores, config })
    }
}

fn sampling(config: &LearnConfig) -> Sampling {
    Sampling { rows: config.row_sample, columns: config.column_sample, seed: config.seed }
}

/// The result of boosting the folds by one recipe.
struct Boosted {
    /// The log-loss of the held-out rows, summed.
    loss: f64,
    /// The log-loss after each round, if the number of rounds is not given.
    losses: Vec<f64>,
    rounds: usize,
    scores: Vec<f64>,
    config: LearnConfig,
}

/// The depths that are tried if none is given.
const FOREST_DEPTHS: [usize; 4] = [4, 6, 8, 10];
const BOOSTING_DEPTHS: [usize; 4] = [2, 3, 5, 8];
/// The depth if there are too few churners to choose one.
const MIDDLE_DEPTH: usize = 5;
const BOOSTING_L2: f64 = 1.0;
const SMALL_BOOSTING_L2: f64 = 0.1;

/// The depths at which a forest is evaluated.
fn forest_depths(config: &LearnConfig, rows: usize) -> Vec<usize> {
    config.max_depth.map_or_else(|| possible_depths(&FOREST_DEPTHS, rows), |depth| vec![depth])
}

/// The depths that boosting tries, rising.
fn boosting_depths(config: &LearnConfig, rows: usize) -> Vec<usize> {
    config.max_depth.map_or_else(|| possible_depths(&BOOSTING_DEPTHS, rows), |depth| vec![depth])
}

/// The leaf penalties that boosting tries: the full one first.
fn boosting_penalties(config: &LearnConfig) -> Vec<f64> {
    match config.leaf_l2 {
        Some(l2) => vec![l2],
        // If the classes are nearly separable, the full penalty keeps the leaf values too small.
        None => vec![BOOSTING_L2, SMALL_BOOSTING_L2],
    }
}

/// The depths at which a leaf can still have two rows; the smallest depth in any case.
fn possible_depths(depths: &[usize], rows: usize) -> Vec<usize> {
    depths
        .iter()
        .copied()
        .enumerate()
        .filter(|&(i, depth)| i == 0 || rows >> (depth + 1) > 0)
        .map(|(_, depth)| depth)
        .collect()
}
