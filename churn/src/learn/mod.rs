//! Training: fits a model on labelled snapshots or a labelled table, and evaluates it on rows that it was not fitted on.

mod background;
mod calibration;
mod classifier;
mod config;
mod fit;
mod folds;
mod holdout;
mod linear;
mod rows;
mod search;
mod snapshot;
mod trees;

use std::borrow::Cow;

use ndarray::Array2;

pub use classifier::Classifier;
pub use config::{TableConfig, TrainConfig};
pub use snapshot::audit;

use background::background;
pub(crate) use calibration::slope_of_log_odds;
use fit::{Fitted, check_enough, fit};
use holdout::{EventRows, TrainTestSplit, holdout};
use search::{SearchResult, SearchRows, SearchSet, Timer, search};
pub(crate) use snapshot::LabelledRows;
use snapshot::{Snapshots, choose_cutoffs};

use crate::counts::mul_div;
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::EventUnit;
use crate::features::features;
use crate::findings::{
    Finding, Judged, Severity, check_allowed, check_log, check_scored, fail_on_errors, of_results, of_rows,
    sort_by_severity,
};
use crate::input::Input;
use crate::labels::{INACTIVITY_WARNING, LabelConfig, LabelKind};
use crate::metrics::{EvaluationConfig, curves, evaluate, log_loss_of, roc_auc};
use crate::model::document::{self, Document};
use crate::model::{
    Evaluation, Golden, Histogram, Importance, LearnConfig, Model, ModelKind, Scorer, Training, Typical,
};
use crate::parallel;
use crate::progress::{Observer, check_cancelled, step};
use crate::random::{Random, mix};
use crate::segments::{Segment, segment_table};
use crate::table::{ColumnData, Table};

/// Trains a model on events, with labels and features at some cutoffs. The recipe is evaluated as described in
/// [`Evaluation`]; the model is then fitted on the rows of all cutoffs.
///
/// # Errors
/// `invalid_parameter`, `cutoff_outside_data`, `missing_labels`, `no_customers`, `too_few_rows` (fewer than 50), `one_class`
/// (fewer than 5 of either outcome), `leak` from the audit, and the errors of joining a table.
pub fn train<'a>(input: impl Into<Input<'a>>, config: &TrainConfig) -> Result<Model> {
    train_observed(input, config, &())
}

/// [`train`] with an observer of its progress (stages `"audit"`, `"features"`, `"cross-fit"`, `"trees"`, `"fit"`, …).
///
/// # Errors
/// The errors of [`train`], and `cancelled`.
pub fn train_observed<'a>(input: impl Into<Input<'a>>, config: &TrainConfig, observer: &dyn Observer) -> Result<Model> {
    let input = input.into();
    config.check()?;
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
    let rows = EventRows::new(snapshots, input.attribute_specs()?, &config.labels, config.learning.seed);
    step(observer, "features", 0, cutoffs.len())?;
    let mut feature_config = config.features.clone();
    let mut found = None;
    if config.learning.model == ModelKind::Auto {
        let sets = rows.search_sets(&feature_config);
        let best = search(&sets, &config.learning, rows.refit_rows(), &timer)?;
        feature_config.feature_set = best.feature_set.unwrap_or_default();
        found = Some(best);
    }
    let fitted_features = rows.fitted(&feature_config)?;
    findings.extend(rows.snapshots().check_attributes(&fitted_features, rows.joined())?);
    fail_on_errors(&findings, &allow)?;
    if config.labels.labels == LabelKind::Inactivity {
        findings.push(Finding::new("inactivity_rule", INACTIVITY_WARNING.to_owned()));
    }
    let split = rows.split(&feature_config, &fitted_features)?;
    // Labels without an outcome window use no later events, so an audit would prove nothing.
    let audited = match config.audit && config.labels.labels == LabelKind::OutcomeWindow {
        true => {
            let mut stamp = audit(input.events, &cutoffs, |events, cutoff| {
                let done = cutoffs.iter().take_while(|&&earlier| earlier < cutoff).count();
                step(observer, "audit", done, cutoffs.len())?;
                features(&events.split_at(cutoff).0, &feature_config)
            })?;
            rows.snapshots().audit_attributes(rows.joined(), &fitted_features, &mut stamp)?;
            Some(stamp)
        }
        false => None,
    };
    let recency = split.learn.specs.iter().position(|spec| spec.name == "recency_score");
    let rates = rows.snapshots().rates();
    let labels_have_time = config.labels.labels == LabelKind::OutcomeWindow;
    let data = || rows.all(&fitted_features);
    let parts = TrainingParts { data, weights: None, split, recency, rates, labels_have_time, findings, found };
    let mut document = build(parts, &config.learning, observer)?;
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
/// `missing_column`, `invalid_column` for an invalid label or weight, `too_many_values` for a category with more than 255
/// levels, `too_few_rows`, `one_class`, `invalid_parameter`.
pub fn train_table(table: &Table, config: &TableConfig) -> Result<Model> {
    train_table_observed(table, config, &())
}

/// [`train_table`] with an observer of its progress.
///
/// # Errors
/// The errors of [`train_table`], and `cancelled`.
pub fn train_table_observed(table: &Table, config: &TableConfig, observer: &dyn Observer) -> Result<Model> {
    config.learning.check()?;
    let timer = Timer::start(&config.learning, observer)?;
    let leave_out: Vec<&str> = config.leave_out.iter().chain(&config.weight).map(String::as_str).collect();
    let data = LabelledRows::from_table(table, &config.label, config.customer_id.as_deref(), &leave_out)?;
    let weights = config.weight.as_deref().map(|name| row_weights(table, name)).transpose()?;
    check_enough(&data.y, "the table")?;
    let split = holdout(&data, weights.as_deref(), config.learning.seed);
    let mut found = None;
    if config.learning.model == ModelKind::Auto {
        let rows = SearchRows::of_customers(Cow::Borrowed(&split.learn), split.learn_weights.as_deref());
        let sets = [SearchSet { feature_set: None, rows: Ok(rows) }];
        found = Some(search(&sets, &config.learning, split.learn.y.len() + data.y.len(), &timer)?);
    }
    let parts = TrainingParts {
        data: || Ok(data),
        weights,
        split,
        recency: None,
        rates: Vec::new(),
        labels_have_time: false,
        findings: Vec::new(),
        found,
    };
    let mut document = build(parts, &config.learning, observer)?;
    document.labels.labels = LabelKind::Provided;
    Ok(Model::new(document))
}

fn row_weights(table: &Table, name: &str) -> Result<Vec<f64>> {
    let ColumnData::Numeric(weights) = table.column(name)? else {
        return Err(Error::new(ErrorKind::InvalidColumn, format!("the weight column {name:?} is not numeric")));
    };
    if let Some(row) = weights.iter().position(|w| !(*w > 0.0 && *w <= 1e9)) {
        let message =
            format!("row {}: the weight is {}; expected a number above 0 and at most 10^9", row + 1, weights[row]);
        return Err(Error::new(ErrorKind::InvalidColumn, message).at_line(row as u64 + 1));
    }
    Ok(weights.clone())
}

/// The data for training after the rows are chosen.
struct TrainingParts<D: FnOnce() -> Result<LabelledRows>> {
    /// Returns all rows. It is called when the rows of the split are no longer needed: both at once take twice the memory.
    data: D,
    weights: Option<Vec<f64>>,
    split: TrainTestSplit,
    recency: Option<usize>,
    /// Cutoff, number of labelled customers and number of churners, oldest first.
    rates: Vec<(Day, u64, u64)>,
    labels_have_time: bool,
    findings: Vec<Finding>,
    /// The result of the search, with `auto`.
    found: Option<SearchResult>,
}

/// Evaluates the recipe, fits it on all rows, and creates the document.
fn build<D: FnOnce() -> Result<LabelledRows>>(
    parts: TrainingParts<D>,
    config: &LearnConfig,
    observer: &dyn Observer,
) -> Result<Document> {
    let TrainingParts { data, weights, split, recency, rates, labels_have_time, mut findings, found } = parts;
    let config = &found.as_ref().map_or(config, |found| &found.learning).clone();
    let judged = fit(&split.learn, split.learn_weights.as_deref(), config, observer)?;
    let logistic_config = LearnConfig {
        seed: config.seed,
        model: ModelKind::LogisticRegression,
        thresholds: config.thresholds,
        background_rows: config.background_rows,
        ..LearnConfig::default()
    };
    let logistic = match judged.config == logistic_config {
        true => None,
        false => Some(fit(&split.learn, split.learn_weights.as_deref(), &logistic_config, observer)?),
    };
    step(observer, "evaluate", 0, 0)?;
    let (evaluation, p) = judge(&split, &judged, logistic.as_ref(), recency, found, config)?;
    findings.extend(of_rows(&split.learn, &rates, evaluation.recency_auc)?);
    findings.extend(of_results(&Judged { evaluation: &evaluation, y: &split.test.y, p: &p, labels_have_time }));
    sort_by_severity(&mut findings);
    let warnings = findings.iter().filter(|finding| finding.severity > Severity::Note);
    let warnings = warnings.map(|finding| finding.message.clone()).collect();
    drop(split);
    let data = data()?;
    let fitted = fit(&data, weights.as_deref(), config, observer)?;
    let golden = golden_rows(&data, &fitted);
    let segment = |p: f64| fitted.config.thresholds.band(p);
    let segments: Vec<Segment> = probabilities(&fitted, &data.x).into_iter().map(segment).collect();
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
        calibration: fitted.calibration,
        evaluation,
        audit: None,
        warnings,
        golden,
        typical: Typical::of(&data, &segments),
        background: background(&data, config),
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

fn judge(
    split: &TrainTestSplit,
    judged: &Fitted,
    logistic: Option<&Fitted>,
    recency: Option<usize>,
    found: Option<SearchResult>,
    config: &LearnConfig,
) -> Result<(Evaluation, Vec<f64>)> {
    let test = &split.test;
    let defaults = EvaluationConfig::default();
    let p = probabilities(judged, &test.x);
    let metrics = evaluate(&test.y, &p, &defaults)?;
    let logistic_regression = match logistic {
        Some(logistic) => evaluate(&test.y, &probabilities(logistic, &test.x), &defaults)?,
        None => metrics.clone(),
    };
    let recency_auc = recency
        .map(|feature| roc_auc(&test.y, &test.x.column(feature).iter().map(|score| -score).collect::<Vec<f64>>()))
        .transpose()?;
    let evaluation = Evaluation {
        protocol: split.protocol,
        test_cutoff: split.test_cutoff,
        train_rows: split.learn.y.len() as u64,
        test_rows: test.y.len() as u64,
        metrics,
        logistic_regression,
        recency_auc,
        curves: curves(&test.y, &p, &defaults)?,
        segments: segment_table(&test.y, &p, &config.thresholds)?,
        importance: importance(judged, test, config.seed),
        search_protocol: found.as_ref().map(|found| found.protocol),
        candidates: found.map_or_else(Vec::new, |found| found.candidates),
    };
    Ok((evaluation, p))
}

fn probabilities(fitted: &Fitted, x: &Array2<f64>) -> Vec<f64> {
    Scorer::new(&fitted.learner, &fitted.calibration).probabilities(x)
}

/// Permutation importance (Breiman 2001) on at most 2,000 test rows, with three shuffles per feature.
fn importance(fitted: &Fitted, test: &LabelledRows, seed: u64) -> Vec<Importance> {
    const MOST_ROWS: usize = 2_000;
    const SHUFFLES: u64 = 3;
    let step = test.y.len().div_ceil(MOST_ROWS);
    let rows: Vec<usize> = (0..test.y.len()).step_by(step).collect();
    const BLOCK: usize = 512;
    let scorer = Scorer::new(&fitted.learner, &fitted.calibration);
    let loss = |x: &Array2<f64>, feature: usize, order: &[usize]| {
        let mut sum = 0.0;
        for (targets, sources) in rows.chunks(BLOCK).zip(order.chunks(BLOCK)) {
            let mut block = x.select(ndarray::Axis(0), targets);
            block.column_mut(feature).iter_mut().zip(sources).for_each(|(to, &from)| *to = x[(from, feature)]);
            for (p, &target) in scorer.probabilities(&block).into_iter().zip(targets) {
                sum += log_loss_of(p, test.y[target]);
            }
        }
        sum / rows.len() as f64
    };
    let unshuffled = loss(&test.x, 0, &rows);
    let mut importance = parallel::map(test.specs.len(), |feature| {
        let mut increase = 0.0;
        for shuffle in 0..SHUFFLES {
            let mut order = rows.clone();
            Random::new(seed, (feature as u64) * SHUFFLES + shuffle).shuffle(&mut order);
            increase += loss(&test.x, feature, &order) - unshuffled;
        }
        Importance { feature: test.specs[feature].name.clone(), log_loss_increase: increase / SHUFFLES as f64 }
    });
    crate::order::sort_by(&mut importance, |a, b| b.log_loss_increase.total_cmp(&a.log_loss_increase));
    importance
}

/// A few evenly spread rows of the training data, with the model's probabilities.
fn golden_rows(data: &LabelledRows, fitted: &Fitted) -> Vec<Golden> {
    const ROWS: usize = 8;
    (0..ROWS)
        .map(|i| mul_div(data.y.len() - 1, i, ROWS - 1))
        .map(|row| Golden {
            features: data.x.row(row).iter().map(|v| (!v.is_nan()).then_some(*v)).collect(),
            probability: fitted.probability(data.x.row(row)),
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
