//! Training: fits a model on labelled snapshots or a labelled table, and evaluates it on rows that it was not fitted on.

mod background;
mod backtest;
mod calibration;
mod classifier;
mod config;
mod estimate;
mod fit;
mod folds;
mod holdout;
mod judge;
mod levels;
mod linear;
mod rows;
mod search;
mod snapshot;
mod stack;
#[cfg(feature = "subscriptions")]
mod subscriptions;
mod trees;
mod weights;

use std::borrow::Cow;

use ndarray::Array2;

pub use backtest::{
    Backtest, BacktestConfig, BacktestRows, CutoffPredictions, SkippedCutoff, backtest, backtest_observed,
    backtest_with_rows, over_time,
};
pub use classifier::Classifier;
use classifier::{check_matrix, check_two_classes};
pub use config::{TableConfig, TrainConfig};
pub use snapshot::audit;
#[cfg(feature = "subscriptions")]
pub use subscriptions::audit_subscriptions;

use background::background;
pub(crate) use calibration::slope_of_log_odds;
use fit::{Fitted, MOST_ROUNDS, check_enough, fit_rows, rounds_are_used_up};
use holdout::{EventRows, holdout};
use judge::{Judge, JudgedRecipe};
pub(crate) use rows::LearningRows;
use search::{SearchResult, SearchRows, SearchSet, Timer, search};
pub(crate) use snapshot::LabelledRows;
use snapshot::{Snapshots, choose_cutoffs};
pub(crate) use weights::CustomerWeights;
use weights::WeightColumn;

use crate::counts::mul_div;
use crate::error::{Result, invalid_parameter};
use crate::events::EventUnit;
use crate::features::{FeatureSpec, features};
use crate::findings::{Finding, Severity, check_allowed, check_log, check_scored, fail_on_errors, sort_by_severity};
use crate::input::{Input, Source};
use crate::labels::{INACTIVITY_WARNING, LabelConfig, LabelKind};
use crate::model::causes::Causes;
use crate::model::document::{self, Document};
use crate::model::{Golden, Histogram, LearnConfig, Model, Scorer, Training, Typical};
use crate::parallel;
use crate::progress::{Observer, check_cancelled, step};
use crate::random::mix;
use crate::segments::Segment;
use crate::table::Table;

/// Largest number of cutoffs that training judges the recipe at.
const JUDGED_CUTOFFS: usize = 4;

/// Trains a model on events, with labels and features at some cutoffs. The recipe is evaluated as described in
/// [`Evaluation`](crate::Evaluation); the model is then fitted on the rows of all cutoffs.
///
/// # Errors
/// `invalid_parameter`, `cutoff_outside_data`, `missing_labels`, `no_customers`, `too_few_rows` (fewer than 50), `one_class`
/// (fewer than 5 of either outcome), `leak` from the audit, and the errors of joining a table.
pub fn train<'a>(source: impl Into<Source<'a>>, config: &TrainConfig) -> Result<Model> {
    train_observed(source, config, &())
}

/// [`train`] with an observer of its progress (stages `"audit"`, `"features"`, `"cross-fit"`, `"trees"`, `"fit"`, …).
///
/// # Errors
/// The errors of [`train`], and `cancelled`.
pub fn train_observed<'a>(
    source: impl Into<Source<'a>>,
    config: &TrainConfig,
    observer: &dyn Observer,
) -> Result<Model> {
    config.check()?;
    match source.into() {
        Source::Events(input) => train_events(input, config, observer),
        #[cfg(feature = "subscriptions")]
        Source::Subscriptions(input) => subscriptions::train_subscriptions(input, config, observer),
    }
}

fn train_events(input: Input<'_>, config: &TrainConfig, observer: &dyn Observer) -> Result<Model> {
    let weights = WeightColumn::read(input.attributes, config.weight.as_deref(), input.events.ids())?;
    let input = Input { weights: weights.weights(), ..input };
    #[cfg(feature = "subscriptions")]
    crate::labels::refuse_of_subscriptions(&config.labels)?;
    if input.include_inactive {
        let expected = "false in training; active_within_days = none learns from customers of any silence";
        return Err(invalid_parameter("include_inactive", true, expected));
    }
    let timer = Timer::start(&config.learning, observer)?;
    let allow = [&config.allow[..], input.allow].concat();
    check_allowed(&allow)?;
    // Isolated rows are checked before the cutoffs are chosen, because they would move the cutoffs.
    fail_on_errors(&check_scored(input.events, input.events.last_day()), &allow)?;
    let cutoffs = choose_cutoffs(input.events, &config.labels, config.snapshots, config.cutoffs.as_deref())?;
    let by_default = config.snapshots.is_none() && config.cutoffs.is_none();
    let snapshots = Snapshots::new(input, &config.labels, &cutoffs, by_default, observer)?;
    let cutoffs = snapshots.cutoffs();
    let mut findings = check_log(input.events, input.events.last_day(), &config.labels, &cutoffs);
    fail_on_errors(&findings, &allow)?;
    check_enough(&snapshots.churned(0..snapshots.len()), "the labelled customers")?;
    let joined = input.attribute_specs()?;
    let rows = EventRows::new(snapshots, &joined, &config.labels, config.learning.seed);
    let mut feature_config = config.features.clone();
    let mut found = None;
    if config.learning.needs_search() {
        step(observer, "features", 0, cutoffs.len())?;
        let sets = rows.search_sets(&feature_config);
        let best = search(sets, &config.learning, rows.refit_rows(), &timer)?;
        feature_config.feature_set = best.feature_set.unwrap_or_default();
        found = Some(best);
    }
    // A recipe that was chosen with the outcomes of earlier cutoffs can be judged at the last one only.
    let judged = rows.judged(if found.is_some() { 1 } else { JUDGED_CUTOFFS });
    let mut stack = rows.stack(&feature_config, &judged)?;
    let everything = 0..cutoffs.len();
    let fitted_features = stack.fit(everything.clone(), &feature_config);
    findings.extend(rows.snapshots().check_attributes(&fitted_features, &joined)?);
    fail_on_errors(&findings, &allow)?;
    if config.labels.labels == LabelKind::Inactivity {
        findings.push(Finding::new("inactivity_rule", INACTIVITY_WARNING.to_owned()));
    }
    // Labels without an outcome window use no later events, so an audit would prove nothing.
    let audited = match config.audit && config.labels.labels == LabelKind::OutcomeWindow {
        true => {
            let mut stamp = audit(input.events, &cutoffs, |events, cutoff| {
                let done = cutoffs.iter().take_while(|&&earlier| earlier < cutoff).count();
                step(observer, "audit", done, cutoffs.len())?;
                features(&events.split_at(cutoff).0, &feature_config)
            })?;
            rows.snapshots().audit_attributes(&joined, &fitted_features, &mut stamp)?;
            Some(stamp)
        }
        false => None,
    };
    let rates = rows.snapshots().rates();
    let labels_have_time = config.labels.labels == LabelKind::OutcomeWindow;
    let learning = &found.as_ref().map_or(&config.learning, |found| &found.learning).clone();
    let compare_with_logistic = config.compare_with_logistic;
    let judge = Judge { config: learning, compare_with_logistic, rates: &rates, labels_have_time, observer };
    let (judged, data) = match judged.is_empty() {
        false if config.evaluation => {
            let judged = judge.over_time(&mut stack, &judged, &feature_config, input.events.customers())?;
            (judged, stack.into_rows(&fitted_features))
        }
        _ => {
            let data = stack.into_rows(&fitted_features);
            (judge.held_out_if(config.evaluation, &data)?, data)
        }
    };
    let mut document = build(data, judged, findings, found, learning, observer)?;
    document.feature_config = Some(fitted_features);
    document.event_unit = input.events.unit();
    document.labels = config.labels.clone();
    document.cutoffs = cutoffs;
    document.audit = audited;
    Ok(Model::new(document))
}

/// Trains a model on a table with one row per customer. The recipe is evaluated on a stratified fifth of the customers.
///
/// # Errors
/// `missing_column`, `invalid_column` for an invalid label or weight, `too_many_values` for a column of names or ids,
/// `too_few_rows`, `one_class`, `invalid_parameter`.
pub fn train_table(table: &Table, config: &TableConfig) -> Result<Model> {
    train_table_observed(table, config, &())
}

/// [`train_table`] with an observer of its progress.
///
/// # Errors
/// The errors of [`train_table`], and `cancelled`.
pub fn train_table_observed(table: &Table, config: &TableConfig, observer: &dyn Observer) -> Result<Model> {
    config.check()?;
    let timer = Timer::start(&config.learning, observer)?;
    let TableConfig { label, customer_id, weight, leave_out, .. } = config;
    let data = LabelledRows::from_table(table, label, customer_id.as_deref(), weight.as_deref(), leave_out)?;
    check_rows(&data.y, config, "the table")?;
    train_labelled(data, config, &timer, |judge, data| judge.held_out_if(config.evaluation, data))
}

/// Trains a model on a matrix of numbers: rows × features, with NaN for a missing value. `names` are the names of the features; `y`
/// is true for each row that churned; each row may have a weight above 0 and at most 10^9. The names of columns in `config` are not
/// used. Without an evaluation, a few rows of either outcome suffice, and no findings about the rows are looked for.
///
/// ```
/// use churn::{TableConfig, train_matrix};
/// use ndarray::Array2;
///
/// let x = Array2::from_shape_fn((200, 2), |(i, j)| if j == 0 { i as f64 } else { (i % 7) as f64 });
/// let y: Vec<bool> = (0..200).map(|i| i >= 100).collect();
/// let names = ["days".to_owned(), "orders".to_owned()];
/// let config = TableConfig { evaluation: false, ..TableConfig::default() };
/// let model = train_matrix(x.clone(), &names, &y, None, &config, &())?;
/// let p = model.probabilities(&x)?;
/// assert!(p[0] < 0.1 && p[199] > 0.9);
/// assert!(model.split_importance().unwrap()[0] > 0.9);
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// The errors of [`Classifier::fit`]; with an evaluation or a search also `too_few_rows` and `one_class` as in [`train_table`];
/// `cancelled`.
pub fn train_matrix(
    x: Array2<f64>,
    names: &[String],
    y: &[bool],
    weights: Option<&[f64]>,
    config: &TableConfig,
    observer: &dyn Observer,
) -> Result<Model> {
    config.learning.check()?;
    let timer = Timer::start(&config.learning, observer)?;
    check_matrix(&x, names, y, weights)?;
    check_rows(y, config, "the matrix")?;
    let data = LabelledRows {
        x,
        y: y.to_vec(),
        groups: (0..y.len() as u32).collect(),
        ages: vec![0; y.len()],
        weights: weights.map(<[f64]>::to_vec),
        specs: names.iter().map(FeatureSpec::numeric).collect(),
    };
    train_labelled(data, config, &timer, |judge, data| match config.evaluation {
        true => judge.held_out_if(true, data),
        false => Ok(JudgedRecipe::not_judged(Vec::new())),
    })
}

/// Returns an error if there are too few rows to search or to judge by, or if all have one outcome.
fn check_rows(y: &[bool], config: &TableConfig, what: &str) -> Result<()> {
    match config.evaluation || config.learning.needs_search() {
        true => check_enough(y, what),
        false => check_two_classes(y),
    }
}

/// Searches for a recipe if the learner is `auto`, judges it, and fits it on all rows.
fn train_labelled(
    data: LabelledRows,
    config: &TableConfig,
    timer: &Timer<'_>,
    judged: impl FnOnce(&Judge<'_>, &LabelledRows) -> Result<JudgedRecipe>,
) -> Result<Model> {
    let mut found = None;
    if config.learning.needs_search() {
        let split = holdout(&data, config.learning.seed);
        let rows = SearchRows::of_customers(Cow::Borrowed(&split.learn));
        let sets = vec![SearchSet { feature_set: None, rows: Ok(rows) }];
        found = Some(search(sets, &config.learning, split.learn.y.len() + data.y.len(), timer)?);
    }
    let learning = &found.as_ref().map_or(&config.learning, |found| &found.learning).clone();
    let compare_with_logistic = config.compare_with_logistic;
    let observer = timer.observer();
    let judge = Judge { config: learning, compare_with_logistic, rates: &[], labels_have_time: false, observer };
    let judged = judged(&judge, &data)?;
    let mut document = build(data, judged, Vec::new(), found, learning, observer)?;
    document.labels.labels = LabelKind::Provided;
    Ok(Model::new(document))
}

/// Fits the recipe on all rows and creates the document.
fn build(
    data: LabelledRows,
    judged: JudgedRecipe,
    mut findings: Vec<Finding>,
    searched: Option<SearchResult>,
    config: &LearnConfig,
    observer: &dyn Observer,
) -> Result<Document> {
    let JudgedRecipe { mut evaluation, findings: of_recipe, found } = judged;
    findings.extend(of_recipe);
    if let (Some(evaluation), Some(searched)) = (&mut evaluation, searched) {
        evaluation.search_protocol = Some(searched.protocol);
        evaluation.candidates = searched.candidates;
    }
    let fitted = fit_rows(&data.rows(), config, found, observer)?;
    let used_up = |rounds: usize| rounds_are_used_up(rounds, data.y.len());
    if config.rounds.is_none() && fitted.config.rounds.is_some_and(used_up) {
        let message = format!(
            "boosting was still improving after {MOST_ROUNDS} rounds, and stopped there: a learning_rate above {} needs fewer, and rounds sets another number",
            config.learning_rate
        );
        findings.push(Finding::new("all_rounds_used", message).evidence("rounds", MOST_ROUNDS as u64));
    }
    sort_by_severity(&mut findings);
    let warnings = findings.iter().filter(|finding| finding.severity > Severity::Note);
    let warnings = warnings.map(|finding| finding.message.clone()).collect();
    let scorer = fitted.scorer();
    let golden = golden_rows(&data, &scorer);
    let segment = |p: f64| fitted.config.thresholds.band(p);
    let segments: Vec<Segment> = scorer.probabilities(&data.x).into_iter().map(segment).collect();
    Ok(Document {
        format: document_format(),
        format_version: document::FORMAT_VERSION,
        library_version: env!("CARGO_PKG_VERSION").to_owned(),
        features: data.specs.clone(),
        feature_config: None,
        event_unit: EventUnit::Row,
        labels: LabelConfig::default(),
        cutoffs: Vec::new(),
        training: Training::of(&data),
        histograms: histograms(&data, observer)?,
        parameters: fitted.config,
        learner: fitted.learner,
        level_log_odds: fitted.level_log_odds,
        calibration: fitted.calibration,
        evaluation,
        audit: None,
        warnings,
        golden,
        typical: Typical::of(&data, &segments),
        background: background(&data, config),
        causes: Causes::none(),
        findings: Some(findings),
    })
}

/// The histogram of each feature, with some computed in parallel between two calls of the observer.
fn histograms(data: &LabelledRows, observer: &dyn Observer) -> Result<Vec<Histogram>> {
    let (count, together) = (data.specs.len(), parallel::threads());
    let mut histograms = Vec::with_capacity(count);
    for from in (0..count).step_by(together) {
        check_cancelled(observer, "fit")?;
        let histogram = |i| Histogram::of(&data.x, from + i, &data.specs[from + i]);
        histograms.extend(parallel::map(together.min(count - from), histogram));
    }
    Ok(histograms)
}

fn document_format() -> String {
    document::FORMAT.to_owned()
}

fn probabilities(fitted: &Fitted, x: &Array2<f64>) -> Vec<f64> {
    fitted.scorer().probabilities(x)
}

/// A few evenly spread rows of the training data, with the model's probabilities.
fn golden_rows(data: &LabelledRows, scorer: &Scorer) -> Vec<Golden> {
    const ROWS: usize = 8;
    (0..ROWS)
        .map(|i| mul_div(data.y.len() - 1, i, ROWS - 1))
        .map(|row| Golden {
            features: data.x.row(row).iter().map(|v| (!v.is_nan()).then_some(*v)).collect(),
            probability: scorer.probability(&data.x.row(row).to_vec()),
        })
        .collect()
}

impl Training {
    pub(crate) fn of(data: &LabelledRows) -> Self {
        let mut hash = mix(data.y.len() as u64);
        for (row, &churned) in data.x.rows().into_iter().zip(&data.y) {
            for value in row {
                hash = mix(hash ^ value.to_bits()).wrapping_add(0x9e37_79b9_7f4a_7c15);
            }
            hash = mix(hash ^ u64::from(churned));
        }
        let mut groups = data.groups.clone();
        groups.sort_unstable();
        groups.dedup();
        let churned = data.y.iter().filter(|&&y| y).count();
        Training {
            rows: data.y.len() as u64,
            customers: groups.len() as u64,
            churned: churned as u64,
            base_rate: churned as f64 / data.y.len() as f64,
            fingerprint: format!("{hash:016x}"),
        }
    }
}
