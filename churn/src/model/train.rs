//! From events or a table to a model: choose the rows, judge the recipe on rows it has not seen, then fit it on all.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::background::{Typical, background};
use super::bins::Histogram;
use super::document::{Document, Golden, Training};
use super::fit::{FOLDS, Fitted, LearnConfig, ModelKind, check_enough, deal, fit};
use super::{Model, parallel};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::features::{FeatureConfig, FeatureSpec, features};
use crate::labels::{INACTIVITY_WARNING, LabelConfig, LabelKind};
use crate::metrics::{Curves, EvaluationConfig, Metrics, curves, evaluate, log_loss_of, roc_auc};
use crate::progress::{Observer, step};
use crate::random::Random;
use crate::segments::{SegmentRow, segment_table};
use crate::snapshot::{Dataset, Input, Snapshots, audit, choose_cutoffs};
use crate::table::{ColumnData, Table};

/// How to train on events. As JSON or keyword arguments all keys stand side by side: those of [`LabelConfig`],
/// [`FeatureConfig`] and [`LearnConfig`], and the ones below.
///
/// ```
/// let config: churn::TrainConfig = serde_json::from_str(
///     r#"{"model": "gradient_boosting", "horizon_days": 60, "feature_set": "behavioral", "snapshots": 3}"#,
/// ).unwrap();
/// assert_eq!((config.labels.horizon_days, config.snapshots), (60, Some(3)));
/// assert!(serde_json::from_str::<churn::TrainConfig>(r#"{"horizont": 60}"#).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, serde_json::Value>")]
pub struct TrainConfig {
    /// What churn means.
    #[serde(flatten)]
    pub labels: LabelConfig,
    /// What is known of a customer.
    #[serde(flatten)]
    pub features: FeatureConfig,
    /// How to learn.
    #[serde(flatten)]
    pub learning: LearnConfig,
    /// How many cutoffs to stack, 1 to 1000; none for up to four, as many as the log has room for.
    pub snapshots: Option<usize>,
    /// The cutoffs themselves.
    pub cutoffs: Option<Vec<Day>>,
    /// Whether to audit that no future reaches the features (default true).
    pub audit: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            labels: LabelConfig::default(),
            features: FeatureConfig::default(),
            learning: LearnConfig::default(),
            snapshots: None,
            cutoffs: None,
            audit: true,
        }
    }
}

/// How to train on a table with one row a customer. As JSON or keyword arguments all keys stand side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, serde_json::Value>")]
pub struct TableConfig {
    /// The label column: 0/1, true/false or yes/no.
    pub label: String,
    /// The column of customer ids; none if each row is another customer.
    pub customer_id: Option<String>,
    /// A column of row weights above 0.
    pub weight: Option<String>,
    /// Columns that are not learned from.
    pub leave_out: Vec<String>,
    /// How to learn.
    #[serde(flatten)]
    pub learning: LearnConfig,
}

impl Default for TableConfig {
    fn default() -> Self {
        TableConfig {
            label: "churned".to_owned(),
            customer_id: None,
            weight: None,
            leave_out: Vec::new(),
            learning: LearnConfig::default(),
        }
    }
}

/// Takes the keys that a struct knows out of a map and reads it from them, so that several structs share one flat map and
/// whatever is left over is a mistake of the caller.
pub(crate) fn take<T: Default + Serialize + serde::de::DeserializeOwned>(
    map: &mut BTreeMap<String, serde_json::Value>,
) -> std::result::Result<T, String> {
    let known = serde_json::to_value(T::default()).map_err(|error| error.to_string())?;
    let keys = known.as_object().into_iter().flat_map(serde_json::Map::keys);
    let taken: serde_json::Map<_, _> = keys.filter_map(|key| map.remove_entry(key)).collect();
    serde_json::from_value(taken.into()).map_err(|error| error.to_string())
}

/// Refuses the key of a map that no struct has taken, naming those that are known.
pub(crate) fn nothing_left(
    map: &BTreeMap<String, serde_json::Value>,
    known: &impl Serialize,
) -> std::result::Result<(), String> {
    let Some(key) = map.keys().next() else { return Ok(()) };
    let known = serde_json::to_value(known).map_err(|error| error.to_string())?;
    let names: Vec<&str> = known.as_object().into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
    Err(format!("unknown setting {key:?}; expected one of {}", names.join(", ")))
}

/// The keys of [`TrainConfig`] that stand in no part of it.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct TrainKeys {
    snapshots: Option<usize>,
    cutoffs: Option<Vec<Day>>,
    audit: bool,
}

impl Default for TrainKeys {
    fn default() -> Self {
        TrainKeys { snapshots: None, cutoffs: None, audit: true }
    }
}

impl TryFrom<BTreeMap<String, serde_json::Value>> for TrainConfig {
    type Error = String;

    fn try_from(mut map: BTreeMap<String, serde_json::Value>) -> std::result::Result<Self, String> {
        let (labels, features, learning) = (take(&mut map)?, take(&mut map)?, take(&mut map)?);
        let TrainKeys { snapshots, cutoffs, audit } = take(&mut map)?;
        nothing_left(&map, &TrainConfig::default())?;
        Ok(TrainConfig { labels, features, learning, snapshots, cutoffs, audit })
    }
}

/// The keys of [`TableConfig`] that stand in no part of it.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct TableKeys {
    label: String,
    customer_id: Option<String>,
    weight: Option<String>,
    leave_out: Vec<String>,
}

impl Default for TableKeys {
    fn default() -> Self {
        let TableConfig { label, customer_id, weight, leave_out, .. } = TableConfig::default();
        TableKeys { label, customer_id, weight, leave_out }
    }
}

impl TryFrom<BTreeMap<String, serde_json::Value>> for TableConfig {
    type Error = String;

    fn try_from(mut map: BTreeMap<String, serde_json::Value>) -> std::result::Result<Self, String> {
        let learning = take(&mut map)?;
        let TableKeys { label, customer_id, weight, leave_out } = take(&mut map)?;
        nothing_left(&map, &TableConfig::default())?;
        Ok(TableConfig { label, customer_id, weight, leave_out, learning })
    }
}

/// How a model was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Learned from the earlier cutoffs, judged at the last.
    OutOfTime,
    /// Learned from four fifths of the customers, judged on the others.
    Holdout,
}

/// How much worse the log-loss on unseen rows becomes when a feature's values are shuffled among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Importance {
    /// The feature.
    pub feature: String,
    /// Mean increase of the log-loss; 0 or below for a feature of no use.
    pub log_loss_increase: f64,
}

/// A learner that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The learner.
    pub model: ModelKind,
    /// Its calibrated log-loss on rows that its folds had not seen.
    pub log_loss: f64,
}

/// How good the recipe is, measured on rows that it had not seen. The model itself is then fitted on all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Out of time, or on held-out customers.
    pub protocol: Protocol,
    /// Out of time: the cutoff that was judged.
    pub test_cutoff: Option<Day>,
    /// Rows learned from.
    pub train_rows: u64,
    /// Rows judged.
    pub test_rows: u64,
    /// The measures.
    pub metrics: Metrics,
    /// The same for logistic regression with its default settings, learned from and judged on the same rows.
    pub logistic_regression: Metrics,
    /// The AUC of recency alone, the baseline to beat; none without a recency.
    pub recency_auc: Option<f64>,
    /// The curves.
    pub curves: Curves,
    /// The risk bands with what was observed in them.
    pub segments: Vec<SegmentRow>,
    /// The features, most important first.
    pub importance: Vec<Importance>,
    /// With `auto`, the learners that were tried, best first.
    pub candidates: Vec<Candidate>,
}

/// Trains a model on events: labels and features at some cutoffs, judged as [`Evaluation`] says, fitted on all of them.
///
/// # Errors
/// `invalid_parameter`, `cutoff_outside_data`, `missing_labels`, `no_customers`, `too_few_rows` (50), `one_class` (fewer
/// than 5 of either), `leak` from the audit, and those of joining a table.
pub fn train<'a>(input: impl Into<Input<'a>>, config: &TrainConfig) -> Result<Model> {
    train_observed(input, config, &())
}

/// [`train`] with an observer of its progress (stages `"audit"`, `"features"`, `"cross-fit"`, `"trees"`, `"fit"`, …).
///
/// # Errors
/// Those of [`train`], and `cancelled`.
pub fn train_observed<'a>(input: impl Into<Input<'a>>, config: &TrainConfig, observer: &dyn Observer) -> Result<Model> {
    let input = input.into();
    config.labels.check()?;
    config.features.check()?;
    config.learning.check()?;
    let cutoffs = choose_cutoffs(input.events, &config.labels, config.snapshots, config.cutoffs.as_deref())?;
    step(observer, "labels", 0, cutoffs.len())?;
    let by_default = config.snapshots.is_none() && config.cutoffs.is_none();
    let snapshots = Snapshots::new(input, &config.labels, &cutoffs, by_default)?;
    let cutoffs = snapshots.cutoffs();
    let joined = input.attribute_specs()?;
    step(observer, "features", 0, cutoffs.len())?;
    let fitted_features = snapshots.fit(0..snapshots.len(), &config.features)?;
    let data = snapshots.dataset(0..snapshots.len(), &fitted_features, &joined)?;
    check_enough(&data.y, "the labelled customers")?;

    let mut warnings = Vec::new();
    if config.labels.labels == LabelKind::Inactivity {
        warnings.push(INACTIVITY_WARNING.to_owned());
    }
    let split = match out_of_time(&snapshots, config, &joined)? {
        Some(split) => split,
        None => {
            if snapshots.len() > 1 {
                warnings.push(NOT_OUT_OF_TIME.to_owned());
            }
            holdout(&data, None, config.learning.seed)
        }
    };
    // Labels that look at no future leave nothing to delete: a stamp would say nothing.
    let audited = match config.audit && config.labels.labels == LabelKind::OutcomeWindow {
        true => {
            step(observer, "audit", 0, cutoffs.len())?;
            Some(audit(input.events, &cutoffs, |events, cutoff| {
                features(&events.split_at(cutoff).0, &config.features)
            })?)
        }
        false => None,
    };
    let recency = data.specs.iter().position(|spec| spec.name == "recency_score");
    let parts = Parts { data, weights: None, split, recency, warnings };
    let mut document = build(parts, &config.learning, observer)?;
    document.feature_config = Some(fitted_features);
    document.labels = config.labels.clone();
    document.cutoffs = cutoffs;
    document.audit = audited;
    Ok(Model { document })
}

/// Trains a model on a table with one row a customer, judged on a stratified fifth of the customers.
///
/// # Errors
/// `missing_column`, `invalid_column` for a label or weight that is none, `too_many_values` for a category with more than
/// 255 levels, `too_few_rows`, `one_class`, `invalid_parameter`.
pub fn train_table(table: &Table, config: &TableConfig) -> Result<Model> {
    train_table_observed(table, config, &())
}

/// [`train_table`] with an observer of its progress.
///
/// # Errors
/// Those of [`train_table`], and `cancelled`.
pub fn train_table_observed(table: &Table, config: &TableConfig, observer: &dyn Observer) -> Result<Model> {
    config.learning.check()?;
    let leave_out: Vec<&str> = config.leave_out.iter().chain(&config.weight).map(String::as_str).collect();
    let data = Dataset::from_table(table, &config.label, config.customer_id.as_deref(), &leave_out)?;
    let weights = config.weight.as_deref().map(|name| row_weights(table, name)).transpose()?;
    check_enough(&data.y, "the table")?;
    let split = holdout(&data, weights.as_deref(), config.learning.seed);
    let mut document =
        build(Parts { data, weights, split, recency: None, warnings: Vec::new() }, &config.learning, observer)?;
    document.labels.labels = LabelKind::Provided;
    Ok(Model { document })
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

/// Rows to learn from and rows to judge by.
struct Split {
    learn: Dataset,
    learn_weights: Option<Vec<f64>>,
    test: Dataset,
    protocol: Protocol,
    test_cutoff: Option<Day>,
}

/// Everything that training needs once the rows are chosen.
struct Parts {
    data: Dataset,
    weights: Option<Vec<f64>>,
    split: Split,
    recency: Option<usize>,
    warnings: Vec<String>,
}

const NOT_OUT_OF_TIME: &str = "The model was judged on held-out customers and not out of time: no earlier cutoff's outcome \
     was known by the last cutoff, or one side had too few customers.";

/// The last snapshot set apart, to be judged by what was known by then; none where that is not possible.
fn out_of_time(snapshots: &Snapshots<'_>, config: &TrainConfig, joined: &[FeatureSpec]) -> Result<Option<Split>> {
    let last = snapshots.len() - 1;
    let known = snapshots.known_by_last(&config.labels);
    if known == 0 || last == 0 {
        return Ok(None);
    }
    // Scales and types of the judged recipe come from the earlier snapshots alone.
    let fitted = snapshots.fit(0..known, &config.features)?;
    let learn = snapshots.dataset(0..known, &fitted, joined)?;
    let test = snapshots.dataset(last..last + 1, &fitted, joined)?;
    if check_enough(&learn.y, "").is_err() || check_enough(&test.y, "").is_err() {
        return Ok(None);
    }
    let test_cutoff = snapshots.cutoffs().last().copied();
    Ok(Some(Split { learn, learn_weights: None, test, protocol: Protocol::OutOfTime, test_cutoff }))
}

/// A stratified fifth of the customers set apart.
fn holdout(data: &Dataset, weights: Option<&[f64]>, seed: u64) -> Split {
    let parts = deal(&data.y, &data.groups, FOLDS, seed ^ 0x5eed);
    let select = |test: bool| {
        let rows: Vec<usize> = (0..data.y.len()).filter(|&row| (parts[row] == 0) == test).collect();
        let selected = Dataset {
            x: data.x.select(ndarray::Axis(0), &rows),
            y: rows.iter().map(|&row| data.y[row]).collect(),
            groups: rows.iter().map(|&row| data.groups[row]).collect(),
            specs: data.specs.clone(),
        };
        (selected, weights.map(|weights| rows.iter().map(|&row| weights[row]).collect()))
    };
    let ((learn, learn_weights), (test, _)) = (select(false), select(true));
    Split { learn, learn_weights, test, protocol: Protocol::Holdout, test_cutoff: None }
}

/// Judges the recipe, fits it on all rows, and writes both down.
fn build(parts: Parts, config: &LearnConfig, observer: &dyn Observer) -> Result<Document> {
    let Parts { data, weights, split, recency, mut warnings } = parts;
    let (judged, candidates) = choose(&split.learn, split.learn_weights.as_deref(), config, observer)?;
    let logistic_config = LearnConfig {
        seed: config.seed,
        thresholds: config.thresholds,
        background_rows: config.background_rows,
        ..LearnConfig::default()
    };
    let logistic = match judged.config == logistic_config {
        true => None,
        false => Some(fit(&split.learn, split.learn_weights.as_deref(), &logistic_config, observer)?),
    };
    step(observer, "evaluate", 0, 0)?;
    let evaluation = judge(&split, &judged, logistic.as_ref(), recency, candidates, config)?;
    if evaluation.recency_auc.is_some_and(|auc| auc > 0.995) {
        warnings.push("Recency alone ranks the outcome almost perfectly: the label is very likely computed from the past it is predicted from.".to_owned());
    }
    let chosen = LearnConfig { model: judged.config.model, ..config.clone() };
    let fitted = fit(&data, weights.as_deref(), &chosen, observer)?;
    let golden = golden_rows(&data, &fitted);
    Ok(Document {
        format: document_format(),
        format_version: super::document::FORMAT_VERSION,
        library_version: env!("CARGO_PKG_VERSION").to_owned(),
        features: data.specs.clone(),
        feature_config: None,
        labels: LabelConfig::default(),
        cutoffs: Vec::new(),
        training: Training::of(&data),
        histograms: parallel::map(data.specs.len(), |j| Histogram::of(&data.x, j, &data.specs[j])),
        parameters: fitted.config,
        learner: fitted.learner,
        calibration: fitted.calibration,
        evaluation,
        audit: None,
        warnings,
        golden,
        typical: Typical::of(&data),
        background: background(&data, config),
    })
}

fn document_format() -> String {
    super::document::FORMAT.to_owned()
}

/// Fits the learner asked for, or with `auto` all three, keeping the best on unseen rows.
fn choose(
    data: &Dataset,
    weights: Option<&[f64]>,
    config: &LearnConfig,
    observer: &dyn Observer,
) -> Result<(Fitted, Vec<Candidate>)> {
    if config.model != ModelKind::Auto {
        return Ok((fit(data, weights, config, observer)?, Vec::new()));
    }
    let mut tried = Vec::new();
    for model in ModelKind::LEARNERS {
        tried.push(fit(data, weights, &LearnConfig { model, ..config.clone() }, observer)?);
    }
    tried.sort_by(|a, b| a.unseen_log_loss.total_cmp(&b.unseen_log_loss));
    let candidates = tried.iter().map(|f| Candidate { model: f.config.model, log_loss: f.unseen_log_loss }).collect();
    Ok((tried.swap_remove(0), candidates))
}

fn judge(
    split: &Split,
    judged: &Fitted,
    logistic: Option<&Fitted>,
    recency: Option<usize>,
    candidates: Vec<Candidate>,
    config: &LearnConfig,
) -> Result<Evaluation> {
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
    Ok(Evaluation {
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
        candidates,
    })
}

fn probabilities(fitted: &Fitted, x: &Array2<f64>) -> Vec<f64> {
    parallel::map(x.nrows(), |row| fitted.probability(x.row(row)))
}

/// Permutation importance (Breiman 2001) on at most 5,000 rows, three shuffles a feature.
fn importance(fitted: &Fitted, test: &Dataset, seed: u64) -> Vec<Importance> {
    const MOST_ROWS: usize = 5_000;
    const SHUFFLES: u64 = 3;
    let step = test.y.len().div_ceil(MOST_ROWS);
    let rows: Vec<usize> = (0..test.y.len()).step_by(step).collect();
    let loss = |x: &Array2<f64>, feature: usize, order: &[usize]| {
        let mut sum = 0.0;
        let mut row = Vec::new();
        for (&target, &source) in rows.iter().zip(order) {
            row.clear();
            row.extend(x.row(target));
            row[feature] = x[(source, feature)];
            sum += log_loss_of(fitted.probability(ndarray::ArrayView1::from(&row)), test.y[target]);
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
    importance.sort_by(|a, b| b.log_loss_increase.total_cmp(&a.log_loss_increase));
    importance
}

/// A few rows of the training data, spread over it, with the probabilities that the model gives them.
fn golden_rows(data: &Dataset, fitted: &Fitted) -> Vec<Golden> {
    const ROWS: usize = 8;
    (0..ROWS)
        .map(|i| i * (data.y.len() - 1) / (ROWS - 1))
        .map(|row| Golden {
            features: data.x.row(row).iter().map(|v| (!v.is_nan()).then_some(*v)).collect(),
            probability: fitted.probability(data.x.row(row)),
        })
        .collect()
}

impl TrainConfig {
    /// Reads settings from JSON, all keys side by side.
    ///
    /// # Errors
    /// `invalid_parameter`, naming an unknown key or a value of the wrong type.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| invalid_parameter("the configuration", error, "settings of TrainConfig"))
    }
}
