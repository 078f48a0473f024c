//! The search behind `auto`: learners, feature sets and settings, each evaluated on rows that it was not fitted on.
//!
//! Structure: a trial is a feature set and a [`LearnConfig`]. First come the three learners with the requested settings, on
//! each feature set. Then come the two best learners, each on its best set, with one setting changed at a time. Only settings
//! that were left at their defaults are changed.
//!
//! Algorithm: customers are split into folds. For each fold, a trial is fitted, calibration included, on the rows of all
//! other customers, and scores the rows of the fold. If the training part has an earlier and a later cutoff, the trial is
//! fitted at the earlier one and evaluated at the later one, so no customer and no day is on both sides. The recipe that is
//! used without a search is kept, unless the log-loss of another one is lower by more than the standard error of the
//! difference over the same customers.
//!
//! Constraints: the list of trials is fixed and short. The only clock is the observer's. Without a clock the result is
//! deterministic.

mod budget;

use std::borrow::Cow;
use std::collections::BTreeMap;

use ndarray::Axis;

use super::config::{TableConfig, TrainConfig};
use super::fit::{check_enough, fit};
use super::folds::assign_folds;
use super::snapshot::LabelledRows;
use crate::error::{Error, ErrorKind, Result};
use crate::features::FeatureSet;
use crate::metrics::log_loss_of;
use crate::model::{Candidate, LearnConfig, ModelKind, SearchProtocol};
use crate::progress::{Observer, step};
pub(super) use budget::Timer;
use budget::{BudgetObserver, Limit};

/// Number of folds that the customers are split into.
const SEARCH_FOLDS: usize = 3;

/// The rows that the trials of one feature set are fitted and evaluated on.
pub(crate) struct SearchRows<'a> {
    learn: Cow<'a, LabelledRows>,
    weights: Option<&'a [f64]>,
    /// Later rows of the same customers, to evaluate on; none to evaluate on the training rows.
    later: Option<LabelledRows>,
}

/// The training rows and the evaluation rows for a fold of the customers.
struct CustomerFold {
    learn: Vec<usize>,
    judge: Vec<usize>,
}

impl<'a> SearchRows<'a> {
    pub(crate) fn out_of_time(learn: LabelledRows, later: LabelledRows) -> Self {
        SearchRows { learn: Cow::Owned(learn), weights: None, later: Some(later) }
    }

    pub(crate) fn of_customers(learn: Cow<'a, LabelledRows>, weights: Option<&'a [f64]>) -> Self {
        SearchRows { learn, weights, later: None }
    }

    fn judged(&self) -> &LabelledRows {
        self.later.as_ref().unwrap_or(&self.learn)
    }

    /// The folds of the customers. The training rows are all rows of the other folds; the evaluation rows are the fold's own.
    fn folds(&self, seed: u64) -> Vec<CustomerFold> {
        let (mut y, mut customers) = (self.learn.y.clone(), self.learn.groups.clone());
        if let Some(later) = &self.later {
            y.extend_from_slice(&later.y);
            customers.extend_from_slice(&later.groups);
        }
        // Another random stream than that of the held-out customers.
        let fold_of = assign_folds(&y, &customers, SEARCH_FOLDS, seed ^ 0x7a1a);
        let learn = &fold_of[..self.learn.y.len()];
        let judge = &fold_of[fold_of.len() - self.judged().y.len()..];
        let fold = |fold: usize| CustomerFold {
            learn: (0..learn.len()).filter(|&row| usize::from(learn[row]) != fold).collect(),
            judge: (0..judge.len()).filter(|&row| usize::from(judge[row]) == fold).collect(),
        };
        (0..SEARCH_FOLDS).map(fold).collect()
    }

    /// Returns true if every fold has enough training rows.
    pub(crate) fn enough(&self, seed: u64) -> bool {
        let churned = |fold: &CustomerFold| fold.learn.iter().map(|&row| self.learn.y[row]).collect::<Vec<bool>>();
        self.folds(seed).iter().all(|fold| check_enough(&churned(fold), "").is_ok())
    }

    /// The log-loss of every evaluated row.
    fn losses(&self, config: &LearnConfig, observer: &dyn Observer) -> Result<Vec<f64>> {
        let judged = self.judged();
        let mut losses = vec![0.0; judged.y.len()];
        for fold in self.folds(config.seed) {
            let weights: Option<Vec<f64>> =
                self.weights.map(|weights| fold.learn.iter().map(|&row| weights[row]).collect());
            let fitted = fit(&self.learn.select(&fold.learn), weights.as_deref(), config, observer)?;
            let probabilities = fitted.scorer().probabilities(&judged.x.select(Axis(0), &fold.judge));
            for (&row, p) in fold.judge.iter().zip(probabilities) {
                losses[row] = log_loss_of(p, judged.y[row]);
            }
        }
        Ok(losses)
    }

    /// The weighted mean of a number per evaluated row, and its standard error, clustered by customer.
    fn mean(&self, values: impl Fn(usize) -> f64) -> (f64, f64) {
        let weight = |row: usize| self.weights.map_or(1.0, |weights| weights[row]);
        let customers = &self.judged().groups;
        let total: f64 = (0..customers.len()).map(weight).sum();
        let mean = (0..customers.len()).map(|row| weight(row) * values(row)).sum::<f64>() / total;
        let mut deviations = BTreeMap::new();
        for (row, customer) in customers.iter().enumerate() {
            *deviations.entry(customer).or_insert(0.0) += weight(row) * (values(row) - mean);
        }
        (mean, deviations.values().map(|sum: &f64| sum * sum).sum::<f64>().sqrt() / total)
    }
}

/// A feature set (none for a table) with its rows, or the error if it has none.
pub(crate) struct SearchSet<'a> {
    pub(crate) feature_set: Option<FeatureSet>,
    pub(crate) rows: Result<SearchRows<'a>>,
}

/// The result of the search.
pub(crate) struct SearchResult {
    pub(crate) feature_set: Option<FeatureSet>,
    pub(crate) learning: LearnConfig,
    pub(crate) protocol: SearchProtocol,
    pub(crate) candidates: Vec<Candidate>,
}

struct Trial {
    set: usize,
    config: LearnConfig,
    /// True if settings differ from the requested ones.
    varied: bool,
    seconds: Option<f64>,
    /// The log-loss, and the log-loss of each evaluated row.
    outcome: Result<(f64, Vec<f64>)>,
}

/// Searches for a recipe that is better than the default. The sets have the same customers in the same rows. `refit_rows` is the
/// number of rows that the recipe will be fitted on afterwards.
pub(crate) fn search(
    sets: &[SearchSet<'_>],
    config: &LearnConfig,
    refit_rows: usize,
    timer: &Timer<'_>,
) -> Result<SearchResult> {
    let total = sets.len() * ModelKind::LEARNERS.len() + VARIED * VARIATIONS;
    let before = timer.seconds().unwrap_or(0.0);
    let mut search = ModelSearch { sets, timer, refit_rows, before, total, trials: Vec::new() };
    for set in 0..sets.len() {
        for model in ModelKind::LEARNERS {
            search.run(set, LearnConfig { model, time_budget: None, ..config.clone() }, false)?;
        }
    }
    for (set, config) in search.best_of_each_kind().into_iter().take(VARIED) {
        let columns = sets[set].rows.as_ref().map_or(0, |rows| rows.learn.specs.len());
        for variation in variations(&config, columns) {
            search.run(set, variation, true)?;
        }
    }
    step(timer.observer(), "search", total, total)?;
    search.finish(config)
}

struct ModelSearch<'a> {
    sets: &'a [SearchSet<'a>],
    timer: &'a Timer<'a>,
    refit_rows: usize,
    /// Seconds that passed before the first trial.
    before: f64,
    total: usize,
    trials: Vec<Trial>,
}

impl ModelSearch<'_> {
    /// The successful trials, best first; of equal ones, the first tried.
    fn ranked(&self) -> Vec<&Trial> {
        let loss = |trial: &Trial| trial.outcome.as_ref().map_or(f64::INFINITY, |(loss, _)| *loss);
        let mut ranked: Vec<&Trial> = self.trials.iter().filter(|trial| trial.outcome.is_ok()).collect();
        crate::order::sort_by(&mut ranked, |a, b| loss(a).total_cmp(&loss(b)));
        ranked
    }

    fn best_of_each_kind(&self) -> Vec<(usize, LearnConfig)> {
        let mut best: Vec<(usize, LearnConfig)> = Vec::new();
        for trial in self.ranked() {
            if best.iter().all(|(_, config)| config.model != trial.config.model) {
                best.push((trial.set, trial.config.clone()));
            }
        }
        best
    }

    /// The work after the search as a multiple of the work of a trial, which is fitted on the rows of all folds but one in
    /// turn.
    fn refits(&self, set: usize) -> f64 {
        let rows = self.sets[set].rows.as_ref().map_or(1, |rows| (SEARCH_FOLDS - 1) * rows.learn.y.len());
        MARGIN * self.refit_rows as f64 / rows as f64
    }

    /// The seconds that a recipe needs after the search: for its fits, and for the other work, estimated by the time before the
    /// search.
    fn needs(&self, trial: &Trial) -> f64 {
        trial.seconds.unwrap_or(0.0) * self.refits(trial.set) + AFTER * self.before
    }

    fn run(&mut self, set: usize, config: LearnConfig, varied: bool) -> Result<()> {
        step(self.timer.observer(), "search", self.trials.len(), self.total)?;
        let began = self.timer.seconds();
        // Without a successful trial so far there is no limit, so the first one always runs.
        let reserve = self.ranked().first().map(|best| self.needs(best));
        let limit = reserve.zip(began).map(|(reserve, began)| Limit { reserve, began, refits: self.refits(set) });
        let observer = BudgetObserver::new(self.timer, limit);
        if observer.too_late() {
            return Ok(());
        }
        let outcome = match &self.sets[set].rows {
            Ok(rows) => rows.losses(&config, &observer).map(|losses| (rows.mean(|row| losses[row]).0, losses)),
            Err(error) => Err(Error::new(error.kind(), error.to_string())),
        };
        let outcome = match outcome {
            Err(error) if error.kind() == ErrorKind::Cancelled => match observer.late() {
                true => Err(Error::new(ErrorKind::Cancelled, "not finished within the time budget")),
                false => return Err(error),
            },
            outcome => outcome,
        };
        let seconds = began.and_then(|began| Some(self.timer.seconds()? - began));
        self.trials.push(Trial { set, config, varied, seconds, outcome });
        Ok(())
    }

    fn finish(self, asked: &LearnConfig) -> Result<SearchResult> {
        let ranked = self.ranked();
        let Some(best) = self.chosen(&ranked) else {
            let first = self.trials.into_iter().find_map(|trial| trial.outcome.err());
            return Err(first.expect("there is a trial, and none was judged"));
        };
        let others = ranked.into_iter().chain(self.trials.iter().filter(|trial| trial.outcome.is_err()));
        let others = others.filter(|trial| !std::ptr::eq(*trial, best));
        let candidates = [best].into_iter().chain(others).map(|trial| self.candidate(trial, best, asked)).collect();
        let set = &self.sets[best.set];
        let protocol = match &set.rows {
            Ok(SearchRows { later: Some(_), .. }) => SearchProtocol::OutOfTime,
            _ => SearchProtocol::Customers,
        };
        Ok(SearchResult { feature_set: set.feature_set, learning: best.config.clone(), protocol, candidates })
    }

    /// The default learner on the default feature set, or the best recipe that improves on it by more than the standard error
    /// of the difference. Without that condition, the luckiest of several equally good recipes would be chosen. If the default
    /// was not evaluated, the best recipe with the requested settings takes its place.
    fn chosen<'t>(&self, ranked: &[&'t Trial]) -> Option<&'t Trial> {
        let is_default = |trial: &Trial| match self.sets[trial.set].feature_set {
            None => trial.config.model == TableConfig::default().learning.model,
            Some(set) => {
                let default = TrainConfig::default();
                set == default.features.feature_set && trial.config.model == default.learning.model
            }
        };
        let mut asked = ranked.iter().filter(|trial| !trial.varied);
        let default = asked.clone().find(|trial| is_default(trial)).or_else(|| asked.next())?;
        let better = ranked
            .iter()
            .take_while(|trial| !std::ptr::eq(**trial, *default))
            .find(|trial| self.difference(default, trial).is_some_and(|(gain, error)| gain > error));
        Some(better.unwrap_or(default))
    }

    /// The log-loss of one trial minus that of another, and the standard error of the difference.
    fn difference(&self, a: &Trial, b: &Trial) -> Option<(f64, f64)> {
        let ((_, a_losses), (_, b_losses)) = (a.outcome.as_ref().ok()?, b.outcome.as_ref().ok()?);
        Some(self.sets[a.set].rows.as_ref().ok()?.mean(|row| a_losses[row] - b_losses[row]))
    }

    fn candidate(&self, trial: &Trial, best: &Trial, asked: &LearnConfig) -> Candidate {
        Candidate {
            model: trial.config.model,
            feature_set: self.sets[trial.set].feature_set,
            settings: changed(&trial.config, asked),
            log_loss: trial.outcome.as_ref().ok().map(|(loss, _)| *loss),
            standard_error: self.difference(trial, best).map(|(_, error)| error).filter(|_| !std::ptr::eq(trial, best)),
            seconds: trial.seconds,
            failure: trial.outcome.as_ref().err().map(Error::to_string),
        }
    }
}

/// The numeric settings of a recipe that differ from the requested ones.
fn changed(config: &LearnConfig, asked: &LearnConfig) -> BTreeMap<String, serde_json::Number> {
    let keys = |config: &LearnConfig| match serde_json::to_value(config) {
        Ok(serde_json::Value::Object(keys)) => keys,
        _ => unreachable!("settings are an object"),
    };
    let asked = keys(&LearnConfig { time_budget: None, ..asked.clone() });
    let differing = keys(config).into_iter().filter(|(key, value)| asked.get(key) != Some(value));
    differing.filter_map(|(key, value)| Some((key, value.as_number()?.clone()))).collect()
}

/// Safety factor for the work after the search, beyond the ratio of the rows. More rows are also further apart in memory and
/// make larger trees, and the machine may have other work by then. With 1.25, a budget of a minute on CDNOW was exceeded by
/// 3 seconds.
const MARGIN: f64 = 1.75;

/// Estimated time of the work after the search, without fitting, as a multiple of the time before the search.
const AFTER: f64 = 2.0;

/// Number of learners whose settings are varied; `VARIATIONS` is the largest number of variations of one learner.
const VARIED: usize = 2;
const VARIATIONS: usize = 3;

/// The variations of a recipe, each with one setting changed. Only settings that were left at their defaults are changed.
fn variations(recipe: &LearnConfig, columns: usize) -> Vec<LearnConfig> {
    let default = LearnConfig { model: recipe.model, ..LearnConfig::default() };
    let vary = |free: bool, change: &dyn Fn(&mut LearnConfig)| {
        let mut varied = recipe.clone();
        change(&mut varied);
        free.then_some(varied)
    };
    let list = match recipe.model {
        // Few rows for the number of columns, or correlated columns, need more shrinkage.
        ModelKind::LogisticRegression => {
            let free = recipe.l2 == default.l2;
            vec![vary(free, &|c| c.l2 = 10.0), vary(free, &|c| c.l2 = 100.0)]
        }
        // Noisy labels need larger leaves; a few strong columns among many weak ones need more features per split. More trees
        // reduce the variance of both.
        ModelKind::RandomForest => vec![
            vary(recipe.min_child_weight.is_none(), &|c| c.min_child_weight = Some(20.0)),
            vary(recipe.features_per_split.is_none(), &|c| c.features_per_split = Some(columns.div_ceil(2))),
            vary(recipe.trees == default.trees, &|c| c.trees = 300),
        ],
        // Noisy labels need larger leaves or smaller steps. Many rows can use more rounds than the limit, so larger steps.
        ModelKind::GradientBoosting => vec![
            vary(recipe.min_child_weight.is_none(), &|c| c.min_child_weight = Some(20.0)),
            vary(recipe.learning_rate == default.learning_rate, &|c| c.learning_rate = 0.05),
            vary(recipe.learning_rate == default.learning_rate, &|c| c.learning_rate = 0.2),
        ],
        ModelKind::Auto => vec![],
    };
    list.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FeatureSpec;

    /// Rows of these customers, every third a churner.
    fn data(customers: impl Iterator<Item = u32>) -> LabelledRows {
        let groups: Vec<u32> = customers.collect();
        let x = ndarray::Array2::from_shape_fn((groups.len(), 1), |(row, _)| row as f64);
        let (y, ages) = (groups.iter().map(|c| c % 3 == 0).collect(), vec![0; groups.len()]);
        LabelledRows { x, y, groups, ages, specs: vec![FeatureSpec::numeric("x")] }
    }

    /// Customers 0..90 at two early cutoffs and 30..120 at the later one; and the same without a later one.
    #[test]
    fn no_customer_is_on_both_sides_and_every_row_is_judged_once() {
        let early = || data((0..90).chain(0..90));
        let with_later = SearchRows::out_of_time(early(), data(30..120));
        let without = SearchRows::of_customers(Cow::Owned(early()), None);
        for (rows, judged) in [(with_later, 90), (without, 180)] {
            let mut times = vec![0; judged];
            for fold in rows.folds(5) {
                let learned: Vec<u32> = fold.learn.iter().map(|&row| rows.learn.groups[row]).collect();
                assert!(fold.judge.iter().all(|&row| !learned.contains(&rows.judged().groups[row])));
                // The training rows are those of all other customers: about two thirds of them.
                assert!(learned.len().abs_diff(120) <= 24, "{}", learned.len());
                fold.judge.iter().for_each(|&row| times[row] += 1);
            }
            assert_eq!(times, vec![1; judged]);
        }
    }

    /// Customer 0 with the values 1 and 3, customer 1 with 5: mean 3; deviations summed by customer −2 + 0 and 2, so the
    /// error is √(4 + 4)/3. With the weights 1, 1 and 2 the mean is (1 + 3 + 10)/4 = 3.5, the deviations are −2.5 − 0.5 and
    /// 2 · 1.5, the error is √(9 + 9)/4.
    #[test]
    fn mean_and_error_by_hand() {
        let values = [1.0, 3.0, 5.0];
        let data = data([0, 0, 1].into_iter());
        let (mean, error) = SearchRows::of_customers(Cow::Borrowed(&data), None).mean(|row| values[row]);
        assert!((mean - 3.0).abs() < 1e-15 && (error - 8f64.sqrt() / 3.0).abs() < 1e-15);
        let weights = [1.0, 1.0, 2.0];
        let (mean, error) = SearchRows::of_customers(Cow::Borrowed(&data), Some(&weights)).mean(|row| values[row]);
        assert!((mean - 3.5).abs() < 1e-15 && (error - 18f64.sqrt() / 4.0).abs() < 1e-15);
    }

    /// The default learner has the loss 1 on each of four customers. A variation that gains 0.4 on all is chosen. One that
    /// gains 2 on one customer alone gains 0.5 on average; the error √(1.5² + 3 · 0.5²)/4 = 0.43 is below that, so it is
    /// chosen too. One that gains 3 on one customer and loses 1 on another gains 0.5 ± √(2.5² + 1.5² + 2 · 0.5²)/4 = 0.75, so
    /// it may be luck.
    #[test]
    fn another_recipe_must_gain_more_than_its_error() {
        let data = data(0..4);
        let sets = [SearchSet { feature_set: None, rows: Ok(SearchRows::of_customers(Cow::Borrowed(&data), None)) }];
        let config = LearnConfig { model: ModelKind::Auto, ..LearnConfig::default() };
        let timer = Timer::start(&config, &()).expect("no budget");
        let asked = [1.0; 4];
        for (losses, taken) in
            [([0.6; 4], true), ([-1.0, 1.0, 1.0, 1.0], true), ([-2.0, 2.0, 1.0, 1.0], false), ([1.0; 4], false)]
        {
            let default = TableConfig::default().learning;
            let trial = |varied: bool, l2: f64, losses: [f64; 4]| Trial {
                set: 0,
                config: LearnConfig { l2, ..default.clone() },
                varied,
                seconds: None,
                outcome: Ok((losses.iter().sum::<f64>() / 4.0, losses.to_vec())),
            };
            let mut other = trial(false, 10.0, losses);
            other.config.model = ModelKind::RandomForest;
            // A changed setting and another learner must gain alike.
            for other in [trial(true, 10.0, losses), other] {
                let failed = Trial { outcome: Err(Error::new(ErrorKind::OneClass, "few")), ..trial(false, 7.0, asked) };
                let trials = vec![failed, trial(false, 1.0, asked), other];
                let search = ModelSearch { sets: &sets, timer: &timer, refit_rows: 4, before: 0.0, total: 3, trials };
                let found = search.finish(&default).expect("two were judged");
                assert_eq!(found.learning.l2, if taken { 10.0 } else { 1.0 }, "{losses:?}");
                let settings: Vec<String> = found.candidates.iter().map(Candidate::details).collect();
                assert_eq!(settings, if taken { ["l2 10", "", "l2 7"] } else { ["", "l2 10", "l2 7"] });
                assert_eq!(found.candidates[2].failure.as_deref(), Some("few"));
            }
        }
    }
}
