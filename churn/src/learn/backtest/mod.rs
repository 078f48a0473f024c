//! The backtest: a recipe judged at every cutoff that the log allows, each time by a model that learned from what was known
//! by then.

mod config;
mod plan;
mod record;

use std::collections::BTreeMap;
use std::ops::Range;

use ndarray::ArrayView2;
use serde::Serialize;

pub use config::BacktestConfig;
use plan::{Chain, Judged, most_snapshots, plan};
pub(super) use record::{Contest, Record, RowsOfCutoff};

use super::fit::{Fitted, fit_rows};
use super::holdout::EventRows;
use super::search::{Timer, search};
use super::snapshot::{LabelledRows, Snapshots};
use super::stack::{Stack, fit_types};
use super::weights::WeightColumn;
use super::{TrainConfig, audit, probabilities};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::Events;
use crate::features::{FeatureConfig, FeatureSet, FeatureSpec, features};
use crate::findings::{
    Finding, check_allowed, check_log, check_scored, fail_on_errors, of_over_time, of_rows, sort_by_severity,
};
use crate::input::Input;
use crate::labels::labels;
use crate::model::{Audit, LearnConfig, ModelKind, OverTime};
use crate::order;
use crate::progress::{Observer, check_cancelled, step};
use crate::segments::{Thresholds, check_probability};

/// The name of recency alone among the other recipes.
pub(super) const RECENCY: &str = "recency";
/// The name of logistic regression with its default settings among the other recipes.
pub(super) const LOGISTIC: &str = "logistic_regression";

/// The result of a backtest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Backtest {
    /// The settings, without the defaults filled in.
    pub config: BacktestConfig,
    /// The version of the library.
    pub library_version: String,
    /// The definition of churn in a sentence.
    pub definition: String,
    /// A row per cutoff, means with intervals, and the differences to the other recipes.
    #[serde(flatten)]
    pub over_time: OverTime,
    /// The cutoffs that could not be judged, with the reason.
    pub skipped: Vec<SkippedCutoff>,
    /// The result of the audit that no event after a cutoff reaches its features; none if it was switched off.
    pub audit: Option<Audit>,
    /// The findings about the log, the rows and the results, worst first.
    pub findings: Vec<Finding>,
    /// The predictions of every cutoff, if they were asked for. They are not part of the JSON.
    #[serde(skip)]
    pub predictions: Option<Vec<CutoffPredictions>>,
}

/// A cutoff that could not be judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SkippedCutoff {
    /// The cutoff.
    pub cutoff: Day,
    /// The reason.
    pub reason: String,
}

/// The predictions of the customers of a cutoff, by models that had not seen their outcomes, in byte order of the ids.
#[derive(Clone, Debug, PartialEq)]
pub struct CutoffPredictions {
    /// The day at whose end the customers were scored.
    pub cutoff: Day,
    /// The customers.
    pub customer_ids: Vec<String>,
    /// True for each customer that churned.
    pub churned: Vec<bool>,
    /// The recency score of each customer, 0 to 100, lower for customers who were away longer; none if there is no recency
    /// feature.
    pub recency_score: Option<Vec<f64>>,
    /// The probability of the recipe that is judged.
    pub churn_probability: Vec<f64>,
    /// The probabilities of the other recipes, by name.
    pub against: BTreeMap<String, Vec<f64>>,
}

/// The rows of one cutoff of a backtest, for fitting other learners to the same data.
#[non_exhaustive]
pub struct BacktestRows<'a> {
    /// The cutoff.
    pub cutoff: Day,
    /// The columns: features computed from events, then joined ones.
    pub specs: &'a [FeatureSpec],
    /// The rows to learn from, rows × columns. A missing value is NaN; a category is the index of its level.
    pub learn: ArrayView2<'a, f64>,
    /// The outcome of each row to learn from: true if the customer churned.
    pub learn_churned: &'a [bool],
    /// The customer of each row to learn from, as a number. A customer has a row at each cutoff at which it was covered.
    pub learn_customers: &'a [u32],
    /// The rows to judge, rows × columns.
    pub test: ArrayView2<'a, f64>,
    /// The outcome of each row to judge.
    pub test_churned: &'a [bool],
    /// The customer of each row to judge, as a number.
    pub test_customers: &'a [u32],
}

/// A recipe with its name.
pub(super) struct Recipe {
    pub(super) name: String,
    snapshots: Option<usize>,
    features: FeatureConfig,
    learning: LearnConfig,
}

/// The settings of the logistic regression that every recipe is compared with.
pub(super) fn logistic_config(config: &LearnConfig) -> LearnConfig {
    LearnConfig {
        seed: config.seed,
        model: ModelKind::LogisticRegression,
        thresholds: config.thresholds,
        background_rows: config.background_rows,
        ..LearnConfig::default()
    }
}

/// The recipe that is judged, logistic regression unless it is that, and the other ones.
fn recipes(config: &BacktestConfig) -> Vec<Recipe> {
    let recipe = |name: &str, config: &TrainConfig| Recipe {
        name: name.to_owned(),
        snapshots: config.snapshots,
        features: config.features.clone(),
        learning: config.learning.clone(),
    };
    let judged = recipe("", &config.training);
    let logistic = Recipe { learning: logistic_config(&judged.learning), ..recipe(LOGISTIC, &config.training) };
    let logistic = (judged.learning != logistic.learning).then_some(logistic);
    let others = config.against.iter().map(|(name, config)| recipe(name, config));
    std::iter::once(judged).chain(logistic).chain(others).collect()
}

/// Judges a recipe at many cutoffs. At each, a model learns from earlier cutoffs whose outcome was known by then, and scores
/// the covered customers of the day; then the outcome is looked up. The result has no randomness beyond the seed of the
/// learner, and does not depend on the number of threads.
///
/// The features of a day are computed once, for all models that learn from it or are judged on it. In memory are the events,
/// the rows of the cutoffs that one model learns from, and those of the cutoff that is judged.
///
/// ```
/// use churn::{BacktestConfig, Events, ReadOptions, backtest};
/// // 120 customers who buy every 20 to 59 days; every third stops after some months.
/// let mut csv = String::from("customer_id,event_date\n");
/// for customer in 0..120 {
///     let stop = if customer % 3 == 0 { 5 * customer } else { 800 };
///     for day in (0..stop).step_by(20 + customer % 40) {
///         csv.push_str(&format!("c{customer},{}\n", churn::Day::from_ymd(2022, 1, 1).unwrap().plus(day as i32)));
///     }
/// }
/// let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
/// let found = backtest(&events, &BacktestConfig::from_json(r#"{"horizon_days": 60, "model": "logistic_regression"}"#)?)?;
/// let (auc, first) = (found.over_time.roc_auc, &found.over_time.cutoffs[0]);
/// assert!(auc.low <= auc.mean && auc.mean <= auc.high && first.cutoff > first.learned_from[0]);
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `invalid_parameter`; `cutoff_outside_data`; `too_few_rows` if no cutoff can be judged; `finding` for a finding that stops
/// training too; the errors of joining a table.
pub fn backtest<'a>(input: impl Into<Input<'a>>, config: &BacktestConfig) -> Result<Backtest> {
    backtest_observed(input, config, &())
}

/// [`backtest`] with an observer of its progress (stages `"labels"`, `"audit"` and `"backtest"`, whose steps are cutoffs).
///
/// # Errors
/// The errors of [`backtest`], and `cancelled`.
pub fn backtest_observed<'a>(
    input: impl Into<Input<'a>>,
    config: &BacktestConfig,
    observer: &dyn Observer,
) -> Result<Backtest> {
    backtest_with_rows(input, config, observer, &mut |_| Ok(()))
}

/// [`backtest_observed`] that also shows the rows of every cutoff, with the features of the recipe that is judged, in the
/// order in which the cutoffs are worked on.
///
/// # Errors
/// The errors of [`backtest`], `cancelled`, and an error that `visit` returns.
pub fn backtest_with_rows<'a>(
    input: impl Into<Input<'a>>,
    config: &BacktestConfig,
    observer: &dyn Observer,
    visit: &mut dyn FnMut(&BacktestRows<'_>) -> Result<()>,
) -> Result<Backtest> {
    let input = input.into();
    config.check()?;
    #[cfg(feature = "subscriptions")]
    crate::labels::refuse_of_subscriptions(&config.training.labels)?;
    if input.include_inactive {
        let expected = "false in a backtest; active_within_days = none judges customers of any silence";
        return Err(invalid_parameter("include_inactive", true, expected));
    }
    let events = input.events;
    let weights = WeightColumn::read(input.attributes, config.training.weight.as_deref(), events.ids())?;
    let input = Input { weights: weights.weights(), ..input };
    let allow = [&config.training.allow[..], input.allow].concat();
    check_allowed(&allow)?;
    fail_on_errors(&check_scored(events, events.last_day()), &allow)?;
    let joined = input.attribute_specs()?;
    let (chains, skipped) = plan(events, config, observer)?;
    let recipes = recipes(config);
    let judged_days: Vec<Day> = in_order(chains.iter().flat_map(Chain::judged_days));
    let mut findings = check_log(events, events.last_day(), &config.training.labels, &judged_days);
    fail_on_errors(&findings, &allow)?;

    let wide = columns(events, &chains, &recipes);
    let names = recipes[1..].iter().map(|recipe| recipe.name.clone()).collect();
    let mut record = Record::new(events.customers(), names, config.training.learning.thresholds, &judged_days);
    let mut predictions = config.predictions.then(Vec::new);
    let mut done = 0;
    for chain in &chains {
        let mut stack = Stack::new(input, &joined, wide.clone());
        for judged in &chain.judged {
            step(observer, "backtest", done, judged_days.len())?;
            done += 1;
            let is_last = chain.days[judged.at].day == judged_days[judged_days.len() - 1];
            let work = CutoffWork { input, config, chain, judged, is_last, recipes: &recipes, observer };
            let rows = work.run(&mut stack, visit)?;
            if is_last {
                findings.extend(work.of_last(&rows, &joined)?);
            }
            record.add(&rows.contest())?;
            if let Some(predictions) = &mut predictions {
                predictions.push(rows.into_predictions(events, &recipes));
            }
        }
    }
    step(observer, "backtest", done, judged_days.len())?;
    let over_time = record.finish()?;
    let rates: Vec<(Day, u64, u64)> =
        over_time.cutoffs.iter().map(|row| (row.cutoff, row.customers, row.churned)).collect();
    findings.extend(of_over_time(&over_time, &rates));
    fail_on_errors(&findings, &allow)?;
    sort_by_severity(&mut findings);
    if let Some(predictions) = &mut predictions {
        order::sort_by(predictions, |a, b| a.cutoff.cmp(&b.cutoff));
    }
    let audit = match config.training.audit {
        true => Some(audited(input, &judged_days, config, observer)?),
        false => None,
    };
    Ok(Backtest {
        config: config.clone(),
        library_version: env!("CARGO_PKG_VERSION").to_owned(),
        definition: config.training.labels.describe(),
        over_time,
        skipped: skipped.into_iter().map(|(cutoff, reason)| SkippedCutoff { cutoff, reason }).collect(),
        audit,
        findings,
        predictions,
    })
}

/// Judges predictions that were made at several cutoffs, by whatever means, as a backtest judges its own: measures with
/// intervals, and paired differences to the other predictions. All cutoffs have the same other predictions. `learned_from` and
/// `train_rows` of the result are empty, because it is not known what they learned from.
///
/// # Errors
/// `too_few_rows` without a cutoff; `shape_mismatch` if lists of a cutoff have different lengths or a name is missing at one;
/// `invalid_parameter` for a customer that is at a cutoff twice; `invalid_probability`; `one_class`.
pub fn over_time(predictions: &[CutoffPredictions], thresholds: &Thresholds) -> Result<OverTime> {
    thresholds.check()?;
    let Some(first) = predictions.first() else {
        return Err(Error::new(ErrorKind::TooFewRows, "there is no cutoff to judge"));
    };
    let names: Vec<String> = first.against.keys().cloned().collect();
    let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
    for id in predictions.iter().flat_map(|of| &of.customer_ids) {
        let next = numbers.len() as u32;
        numbers.entry(id).or_insert(next);
    }
    let days = in_order(predictions.iter().map(|of| of.cutoff));
    let mut record = Record::new(numbers.len(), names.clone(), *thresholds, &days);
    for of in predictions {
        let rows = of.churned.len();
        let lengths = of.against.values().chain(&of.recency_score).map(Vec::len);
        let mut lengths = lengths.chain([of.customer_ids.len(), of.churn_probability.len()]);
        if lengths.any(|length| length != rows) || !of.against.keys().eq(&names) {
            let message =
                format!("at {}: expected a list of {rows} values for each of {}", of.cutoff, names.join(", "));
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        }
        let customers: Vec<u32> = of.customer_ids.iter().map(|id| numbers[id.as_str()]).collect();
        let mut seen = customers.clone();
        seen.sort_unstable();
        if let Some(twice) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
            let at = customers.iter().position(|&customer| customer == twice[0]).unwrap_or(0);
            let message = format!("at {}: the customer {:?} is there twice", of.cutoff, of.customer_ids[at]);
            return Err(Error::new(ErrorKind::InvalidParameter, message));
        }
        for &p in of.against.values().flatten() {
            check_probability(p)?;
        }
        record.add(&Contest {
            cutoff: Some(of.cutoff),
            learned_from: &[],
            train_rows: 0,
            rows: RowsOfCutoff { churned: &of.churned, customers: &customers },
            probabilities: std::iter::once(&of.churn_probability)
                .chain(of.against.values())
                .map(Vec::as_slice)
                .collect(),
            recency: of.recency_score.as_ref().map(|scores| scores.iter().map(|score| -score).collect()),
        })?;
    }
    record.finish()
}

fn in_order(days: impl Iterator<Item = Day>) -> Vec<Day> {
    let mut days: Vec<Day> = days.collect();
    crate::order::sort(&mut days);
    days
}

impl Chain {
    fn judged_days(&self) -> impl Iterator<Item = Day> {
        self.judged.iter().map(|judged| self.days[judged.at].day)
    }

    /// The days that a recipe learns from at a judged cutoff.
    fn learned(&self, judged: &Judged, most: usize) -> Range<usize> {
        judged.known.saturating_sub(most)..judged.known
    }
}

/// The score of recency alone, higher for customers who were away longer; none without a recency feature.
pub(super) fn recency(test: &LabelledRows) -> Option<Vec<f64>> {
    let column = test.specs.iter().position(|spec| spec.name == "recency_score")?;
    Some(test.x.column(column).iter().map(|score| -score).collect())
}

/// The features of the stack: the widest set, with all event types that any model of any recipe has as columns.
fn columns(events: &Events, chains: &[Chain], recipes: &[Recipe]) -> FeatureConfig {
    let behavioral =
        |recipe: &&Recipe| recipe.features.feature_set == FeatureSet::Behavioral || recipe.learning.needs_search();
    let Some(wide) = recipes.iter().find(behavioral) else { return recipes[0].features.clone() };
    let mut wide = FeatureConfig { feature_set: FeatureSet::Behavioral, ..wide.features.clone() };
    let mut types: Vec<String> = Vec::new();
    for recipe in recipes.iter().filter(behavioral) {
        let features = FeatureConfig { feature_set: FeatureSet::Behavioral, ..recipe.features.clone() };
        for chain in chains {
            for judged in &chain.judged {
                let learned = chain.learned(judged, most_snapshots(events, recipe.snapshots));
                let counts = chain.days[learned].iter().map(|day| &day.type_counts);
                let fitted = fit_types(events, counts, &features).event_type_columns.unwrap_or_default();
                types.extend(fitted.into_iter().filter(|name| !types.contains(name)).collect::<Vec<_>>());
            }
        }
    }
    wide.event_type_columns = Some(types);
    wide
}

/// The audit of the features and of the joined table at the judged cutoffs.
fn audited(input: Input<'_>, cutoffs: &[Day], config: &BacktestConfig, observer: &dyn Observer) -> Result<Audit> {
    let TrainConfig { features: of, labels: definition, .. } = &config.training;
    let mut stamp = audit(input.events, cutoffs, |events, cutoff| {
        let done = cutoffs.iter().take_while(|&&earlier| earlier < cutoff).count();
        step(observer, "audit", done, cutoffs.len())?;
        features(&events.split_at(cutoff).0, of)
    })?;
    if input.attributes.is_some() {
        let joined = input.attribute_specs()?;
        for &cutoff in cutoffs {
            check_cancelled(observer, "audit")?;
            let day = Snapshots::new(input, definition, &[cutoff], false, &())?;
            day.audit_attributes(&joined, &day.fit(0..1, of)?, &mut stamp)?;
        }
        stamp.inputs.dedup();
    }
    Ok(stamp)
}

/// The work at one cutoff.
struct CutoffWork<'a> {
    input: Input<'a>,
    config: &'a BacktestConfig,
    chain: &'a Chain,
    judged: &'a Judged,
    /// True at the last cutoff of all, whose rows are checked for columns that hold the outcome.
    is_last: bool,
    recipes: &'a [Recipe],
    observer: &'a dyn Observer,
}

/// The results of all recipes at a cutoff.
struct JudgedRows {
    cutoff: Day,
    learned_from: Vec<Day>,
    train_rows: u64,
    test: LabelledRows,
    /// The probabilities of each recipe.
    probabilities: Vec<Vec<f64>>,
    /// The findings about the rows that were learned from, at the last cutoff.
    of_rows: Vec<Finding>,
    features: FeatureConfig,
}

impl CutoffWork<'_> {
    fn cutoff(&self) -> Day {
        self.chain.days[self.judged.at].day
    }

    fn run(&self, stack: &mut Stack<'_>, visit: &mut dyn FnMut(&BacktestRows<'_>) -> Result<()>) -> Result<JudgedRows> {
        let (events, definition) = (self.input.events, &self.config.training.labels);
        let learned = |recipe: &Recipe| self.chain.learned(self.judged, most_snapshots(events, recipe.snapshots));
        let first = self.recipes.iter().map(|recipe| learned(recipe).start).min().unwrap_or(0);
        stack.drop_before(self.chain.days[first].day);
        let last = stack.days().next_back();
        for day in &self.chain.days[first..=self.judged.at] {
            if last.is_none_or(|last| last < day.day) {
                check_cancelled(self.observer, "backtest")?;
                let (history, outcome) = events.split_at(day.day);
                stack.push(day.day, &labels(&history, &outcome, definition)?, day.type_counts.clone())?;
            }
        }
        let part = self.judged.at - first;
        let mut found: Option<JudgedRows> = None;
        for recipe in self.recipes {
            let days = learned(recipe);
            let (mut config, mut learning) = (recipe.features.clone(), recipe.learning.clone());
            if learning.needs_search() {
                let chosen = self.search(recipe, &days)?;
                (config.feature_set, learning) = (chosen.0.unwrap_or(config.feature_set), chosen.1);
            }
            let parts = days.start - first..days.end - first;
            let features = stack.fit(parts.clone(), &config);
            let scaled = stack.scaled(&features, parts);
            let rows = scaled.learning_rows();
            let fitted: Fitted = fit_rows(&rows, &learning, None, &Silent(self.observer))?;
            let test = scaled.test_rows(part);
            let p = probabilities(&fitted, &test.x);
            match &mut found {
                Some(found) => found.probabilities.push(p),
                None => {
                    visit(&BacktestRows {
                        cutoff: self.cutoff(),
                        specs: rows.specs,
                        learn: rows.x,
                        learn_churned: rows.y,
                        learn_customers: rows.groups,
                        test: test.x.view(),
                        test_churned: &test.y,
                        test_customers: &test.groups,
                    })?;
                    found = Some(JudgedRows {
                        cutoff: self.cutoff(),
                        learned_from: self.chain.days[days].iter().map(|day| day.day).collect(),
                        train_rows: rows.y.len() as u64,
                        of_rows: if self.is_last { of_rows(&rows, &[], None)? } else { Vec::new() },
                        test,
                        probabilities: vec![p],
                        features,
                    });
                }
            }
        }
        Ok(found.expect("there is a recipe"))
    }

    /// The recipe that `auto` chooses on the rows that were known by the cutoff.
    fn search(&self, recipe: &Recipe, days: &Range<usize>) -> Result<(Option<FeatureSet>, LearnConfig)> {
        let silent = Silent(self.observer);
        let timer = Timer::start(&recipe.learning, &silent)?;
        let days: Vec<Day> = self.chain.days[days.clone()].iter().map(|day| day.day).chain([self.cutoff()]).collect();
        let definition = &self.config.training.labels;
        let snapshots = Snapshots::new(self.input, definition, &days, false, &silent)?;
        let joined = self.input.attribute_specs()?;
        let rows = EventRows::new(snapshots, &joined, definition, recipe.learning.seed);
        let found = search(rows.search_sets(&recipe.features), &recipe.learning, rows.refit_rows(), &timer)?;
        Ok((found.feature_set, found.learning))
    }

    /// The findings about the rows of the last cutoff and about the joined table.
    fn of_last(&self, rows: &JudgedRows, joined: &[FeatureSpec]) -> Result<Vec<Finding>> {
        let definition = &self.config.training.labels;
        let last = Snapshots::new(self.input, definition, &[rows.cutoff], false, &())?;
        let mut findings = last.check_attributes(&rows.features, joined)?;
        findings.extend(rows.of_rows.iter().cloned());
        Ok(findings)
    }
}

impl JudgedRows {
    fn contest(&self) -> Contest<'_> {
        Contest {
            cutoff: Some(self.cutoff),
            learned_from: &self.learned_from,
            train_rows: self.train_rows,
            rows: RowsOfCutoff { churned: &self.test.y, customers: &self.test.groups },
            probabilities: self.probabilities.iter().map(Vec::as_slice).collect(),
            recency: recency(&self.test),
        }
    }

    fn into_predictions(self, events: &Events, recipes: &[Recipe]) -> CutoffPredictions {
        let mut probabilities = self.probabilities.into_iter();
        let names = recipes[1..].iter().map(|recipe| recipe.name.clone());
        CutoffPredictions {
            cutoff: self.cutoff,
            customer_ids: events.ids().select(self.test.groups.iter().copied()).iter().map(str::to_owned).collect(),
            recency_score: recency(&self.test).map(|scores| scores.into_iter().map(|score| -score).collect()),
            churned: self.test.y,
            churn_probability: probabilities.next().expect("there is a recipe"),
            against: names.zip(probabilities).collect(),
        }
    }
}

/// Lends the clock and the cancellation of an observer, without its progress: the stages of each fit would hide how many
/// cutoffs are done.
struct Silent<'a>(&'a dyn Observer);

impl Observer for Silent<'_> {
    fn elapsed(&self) -> Option<std::time::Duration> {
        self.0.elapsed()
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
