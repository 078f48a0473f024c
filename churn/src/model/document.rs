//! The model document: one versioned JSON text that every language reads and writes.
//!
//! A document is not trusted when it is read. Unknown keys are refused. Every index and length is checked against the others.
//! The children of a tree's node must come after it, so no walk can loop. The golden rows are scored and compared.

use serde::Serialize;

use super::Evaluation;
use super::background::{MAX_BACKGROUND, Typical};
use super::calibration::Calibration;
use super::causes::Causes;
use super::learner::{FittedMember, LearnConfig, Learner, MOST_MEMBERS, ModelKind};
use super::level_log_odds::LevelLogOdds;
use super::logistic::TermKind;
use super::tree::{LevelSet, MAX_DEPTH, Node, Rule, Split, Tree};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::EventUnit;
use crate::features::{FeatureConfig, FeatureSpec, computed};
use crate::findings::Finding;
use crate::json::{Json, JsonError, JsonResult};
use crate::labels::LabelConfig;
#[cfg(feature = "subscriptions")]
use crate::labels::LabelKind;
use crate::objects::{FromJson, Object, objects};
#[cfg(feature = "subscriptions")]
use crate::subscriptions::{PLAN, SUBSCRIPTION_FEATURES};
use crate::table::{MAX_COLUMNS, MAX_LEVELS, MAX_NUMBER, MOST_LEVELS, OTHER};

pub(crate) const FORMAT: &str = "churn-model";

/// The version of the model document that this library writes, and the newest version that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Summary of the training data of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Training {
    /// Number of labelled rows; a customer has one row for each cutoff.
    pub rows: u64,
    /// Number of distinct customers.
    pub customers: u64,
    /// Number of rows that churned.
    pub churned: u64,
    /// churned / rows.
    pub base_rate: f64,
    /// A 64-bit hash of all values and labels, in hexadecimal. The same training data has the same hash.
    pub fingerprint: String,
}

objects! { Training { rows, customers, churned, base_rate, fingerprint } }

/// The distribution of a feature in the training rows, as a reference for measuring drift later.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Histogram {
    /// The feature.
    pub name: String,
    /// Numeric: rising cut points; bin b holds `edges[b − 1] < value ≤ edges[b]`. Categorical: empty; each level is a bin.
    pub edges: Vec<f64>,
    /// Rows in each bin.
    pub counts: Vec<u64>,
    /// Rows without a value.
    pub missing: u64,
}

objects! { Histogram { name, edges, counts, missing } }

/// The record of a passed audit: a proof that no event after a cutoff reaches the features.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Audit {
    /// The audited cutoffs.
    pub cutoffs: Vec<Day>,
    /// Number of events after a cutoff that were deleted to audit it, summed over the cutoffs. For subscriptions also of the later
    /// periods, and of the ends that became known later and were masked.
    pub events_deleted: u64,
    /// Number of feature values that were computed with and without these events and had the same bits.
    pub values_compared: u64,
    /// The audited inputs: `"events"`, `"subscriptions"`, and `"attributes"` if the rows of a joined table have days.
    pub inputs: Vec<String>,
}

objects! { Audit { cutoffs, events_deleted, values_compared, inputs = vec!["events".to_owned()] } }

/// A row of features and the model's probability for it, stored to check that a loaded document scores as it should.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Golden {
    /// The features in order, null where missing.
    pub features: Vec<Option<f64>>,
    /// The calibrated probability.
    pub probability: f64,
}

objects! { Golden { features, probability } }

/// The document as it is stored in a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Document {
    pub(crate) format: String,
    pub(crate) format_version: u32,
    pub(crate) library_version: String,
    pub(crate) features: Vec<FeatureSpec>,
    /// The configuration of the features computed from events; none for a model of a table.
    pub(crate) feature_config: Option<FeatureConfig>,
    /// The unit of an event in the training log. A document without this key means that a row is an event.
    #[serde(skip_serializing_if = "EventUnit::is_row")]
    pub(crate) event_unit: EventUnit,
    pub(crate) labels: LabelConfig,
    pub(crate) cutoffs: Vec<Day>,
    pub(crate) training: Training,
    pub(crate) parameters: LearnConfig,
    pub(crate) learner: Learner,
    #[serde(skip_serializing_if = "LevelLogOdds::is_empty")]
    pub(crate) level_log_odds: LevelLogOdds,
    pub(crate) calibration: Calibration,
    pub(crate) evaluation: Option<Evaluation>,
    pub(crate) histograms: Vec<Histogram>,
    pub(crate) audit: Option<Audit>,
    pub(crate) warnings: Vec<String>,
    pub(crate) golden: Vec<Golden>,
    /// Typical values that explanations compare with. A document may have none.
    pub(crate) typical: Vec<Typical>,
    pub(crate) background: Vec<Vec<Option<f64>>>,
    /// The models of the causes of churn, for subscriptions.
    #[serde(skip_serializing_if = "Causes::is_empty")]
    pub(crate) causes: Causes,
    /// The findings of training; none in documents of versions that did not check the data.
    pub(crate) findings: Option<Vec<Finding>>,
}

objects! {
    Document {
        format, format_version, library_version, features, feature_config, event_unit = EventUnit::Row, labels, cutoffs, training, parameters,
        learner, level_log_odds, calibration, evaluation, histograms, audit, warnings, golden, typical = Vec::new(),
        background = Vec::new(), causes, findings,
    }
}

/// Reads a document of this format. Returns an error if its version is not one that this library reads.
pub(crate) fn read<T: FromJson>(text: &str, format: &str) -> Result<T> {
    let json = Json::parse(text).map_err(invalid)?;
    let head = Object::any(&json).map_err(invalid)?;
    let found: String = head.field("format").map_err(invalid)?;
    if found != format {
        let found: String = found.chars().take(40).collect();
        return Err(invalid(format!("its format is {found:?}, expected {format:?}")));
    }
    let version: u32 = head.field("format_version").map_err(invalid)?;
    if version != FORMAT_VERSION {
        let message = format!("the document has format_version {version}; this library reads {FORMAT_VERSION}");
        return Err(Error::new(ErrorKind::UnsupportedVersion, message));
    }
    T::from_json(&json).map_err(invalid)
}

pub(crate) fn invalid(message: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidDocument, format!("not a valid model document: {message}"))
}

/// Returns an error for numbers so large that a score could overflow.
fn check_size(numbers: &[f64]) -> Result<()> {
    match numbers.iter().find(|number| number.abs() > MAX_NUMBER) {
        Some(number) => Err(invalid(format!("a learner has the number {number}; expected at most ±10^100"))),
        None => Ok(()),
    }
}

impl Document {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a document has string keys and finite numbers")
    }

    pub(crate) fn from_json(text: &str) -> Result<Self> {
        let document: Document = read(text, FORMAT)?;
        document.check()?;
        document.check_golden()?;
        Ok(document)
    }

    fn check(&self) -> Result<()> {
        self.parameters.check().map_err(invalid)?;
        self.labels.check().map_err(invalid)?;
        self.check_features()?;
        check_learner(&self.learner, &self.level_log_odds, &self.features, self.parameters.model)?;
        check_calibration(&self.calibration)?;
        #[cfg(feature = "subscriptions")]
        self.causes.check(&self.features, self.parameters.model)?;
        for histogram in &self.histograms {
            let spec = self.features.iter().find(|spec| spec.name == histogram.name);
            let bins = spec.map(|spec| spec.levels.as_ref().map_or(histogram.edges.len() + 1, Vec::len));
            if bins != Some(histogram.counts.len()) {
                return Err(invalid(format!("the histogram of {:?} does not fit", histogram.name)));
            }
        }
        if self.golden.is_empty() {
            return Err(invalid("there are no golden rows"));
        }
        if !self.typical.is_empty() && self.typical.len() != self.features.len() {
            return Err(invalid(format!(
                "typical values of {} features; the model has {}",
                self.typical.len(),
                self.features.len()
            )));
        }
        for (typical, spec) in self.typical.iter().zip(&self.features) {
            if !typical.fits(spec) {
                return Err(invalid(format!("the typical values of {:?} do not fit", spec.name)));
            }
        }
        if self.background.len() > MAX_BACKGROUND {
            return Err(invalid(format!(
                "{} background rows; expected at most {MAX_BACKGROUND}",
                self.background.len()
            )));
        }
        for (i, row) in self.background.iter().enumerate() {
            self.check_row(row, &format!("background row {i}"))?;
        }
        Ok(())
    }

    /// Checks a row of features from the document: the number of features, and that each level is valid.
    fn check_row(&self, row: &[Option<f64>], what: &str) -> Result<Vec<f64>> {
        if row.len() != self.features.len() {
            return Err(invalid(format!("{what} has {} features, the model {}", row.len(), self.features.len())));
        }
        for (value, spec) in row.iter().zip(&self.features) {
            let Some(value) = value else { continue };
            if spec.levels.is_some() && !spec.has_level(*value) {
                return Err(invalid(format!("{what} has the level {value} of {:?}", spec.name)));
            }
        }
        Ok(row.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }

    fn check_features(&self) -> Result<()> {
        check_specs(&self.features)?;
        #[cfg(feature = "subscriptions")]
        if self.labels.labels == LabelKind::SubscriptionEnd {
            self.check_subscription_features()?;
        }
        let Some(config) = &self.feature_config else { return Ok(()) };
        config.check().map_err(invalid)?;
        if config.scales.is_none() {
            return Err(invalid("the scales of the features are missing"));
        }
        let types = config.event_type_columns.as_deref().unwrap_or(&[]);
        let computed = computed(config.feature_set, &config.windows, types);
        let given = self.features.iter().map(|spec| (&spec.name, spec.levels.is_some()));
        if computed.len() > self.features.len()
            || computed.iter().map(|feature| (&feature.info.name, false)).ne(given.take(computed.len()))
        {
            return Err(invalid("the features are not those of the feature configuration"));
        }
        Ok(())
    }

    /// Checks the features of subscriptions, which follow those of the usage events.
    #[cfg(feature = "subscriptions")]
    fn check_subscription_features(&self) -> Result<()> {
        let config = self.feature_config.as_ref();
        let types = config.and_then(|config| config.event_type_columns.as_deref()).unwrap_or(&[]);
        let before = config.map_or(0, |config| computed(config.feature_set, &config.windows, types).len());
        let own = self.features.iter().skip(before).map(|spec| (spec.name.as_str(), spec.levels.is_some()));
        let wanted = SUBSCRIPTION_FEATURES.iter().map(|feature| (feature.name, feature.name == PLAN));
        match wanted.clone().eq(own.take(wanted.len())) {
            true => Ok(()),
            false => Err(invalid("the features are not those of subscriptions")),
        }
    }

    fn check_golden(&self) -> Result<()> {
        for (i, golden) in self.golden.iter().enumerate() {
            let row = self.check_row(&golden.features, &format!("golden row {i}"))?;
            let probability =
                self.calibration.probability(self.learner.score(&self.level_log_odds.rows(&row, row.len())));
            if probability.to_bits() != golden.probability.to_bits() {
                let message = format!(
                    "golden row {i} scores {probability} where the document says {}: it was changed, or written by an incompatible library",
                    golden.probability
                );
                return Err(Error::new(ErrorKind::GoldenMismatch, message));
            }
        }
        Ok(())
    }
}

/// Returns an error for a list of features that no model can have.
pub(crate) fn check_specs(features: &[FeatureSpec]) -> Result<()> {
    if features.is_empty() || features.len() > MAX_COLUMNS {
        return Err(invalid(format!("{} features; expected 1 to {MAX_COLUMNS}", features.len())));
    }
    for spec in features {
        let Some(levels) = &spec.levels else { continue };
        if levels.len() > MOST_LEVELS || levels.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(invalid(format!("the levels of {:?} are not at most {MOST_LEVELS} in byte order", spec.name)));
        }
        if spec.has_many_levels() && spec.other_level().is_none() {
            return Err(invalid(format!("the category {:?} of many levels has no level {OTHER:?}", spec.name)));
        }
    }
    let mut names: Vec<&str> = features.iter().map(|spec| spec.name.as_str()).collect();
    crate::order::sort(&mut names);
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(invalid(format!("two features are named {:?}", pair[0])));
    }
    Ok(())
}

/// Returns an error for a learner from a document that does not fit the features or the kind of model. It also refuses numbers
/// that could make a score overflow, and trees whose walk might not end.
pub(crate) fn check_learner(
    learner: &Learner,
    level_log_odds: &LevelLogOdds,
    features: &[FeatureSpec],
    model: ModelKind,
) -> Result<()> {
    if let Learner::Average { members } = learner {
        if model != ModelKind::Auto || !level_log_odds.is_empty() {
            return Err(invalid(format!("the learner is a mean, the parameters are of a {}", model.name())));
        }
        if members.is_empty() || members.len() > MOST_MEMBERS {
            return Err(invalid(format!("a mean of {} learners; expected 1 to {MOST_MEMBERS}", members.len())));
        }
        return members.iter().try_for_each(|member| member.check(features));
    }
    level_log_odds.check(features)?;
    let features = &*level_log_odds.specs(features);
    let kind = match learner {
        Learner::LogisticRegression(logistic) => {
            for (i, term) in logistic.terms.iter().enumerate() {
                let spec = features
                    .get(term.feature)
                    .ok_or_else(|| invalid(format!("term {i} uses feature {}", term.feature)))?;
                let fits = match (&term.kind, &spec.levels) {
                    (TermKind::Missing, _) => true,
                    (TermKind::Median(_), levels) => levels.is_none(),
                    (TermKind::Level(level), Some(levels)) => *level < levels.len(),
                    (TermKind::Level(_), None) => false,
                };
                let median = if let TermKind::Median(median) = term.kind { median } else { 0.0 };
                check_size(&[median, term.mean, term.scale, term.coefficient])?;
                check_size(&[term.low.unwrap_or(0.0), term.high.unwrap_or(0.0)])?;
                let reversed = term.low.zip(term.high).is_some_and(|(low, high)| low > high);
                if !fits || reversed || term.scale <= 0.0 {
                    return Err(invalid(format!("term {i} does not fit the feature {:?}", spec.name)));
                }
            }
            check_size(&[logistic.intercept])?;
            ModelKind::LogisticRegression
        }
        Learner::RandomForest { trees } => {
            check_trees(trees, features)?;
            if trees.is_empty() {
                return Err(invalid("a forest without a tree"));
            }
            ModelKind::RandomForest
        }
        Learner::GradientBoosting { base, trees } => {
            check_trees(trees, features)?;
            check_size(&[*base])?;
            ModelKind::GradientBoosting
        }
        Learner::Average { .. } => unreachable!("a mean was checked above"),
    };
    if kind != model {
        return Err(invalid(format!("the learner is a {}, the parameters are of a {}", kind.name(), model.name())));
    }
    Ok(())
}

impl FittedMember {
    fn check(&self, features: &[FeatureSpec]) -> Result<()> {
        let kind = match self.learner {
            Learner::LogisticRegression(_) => ModelKind::LogisticRegression,
            Learner::GradientBoosting { .. } => ModelKind::GradientBoosting,
            Learner::RandomForest { .. } | Learner::Average { .. } => {
                return Err(invalid("a mean of learners that do not give log-odds"));
            }
        };
        if !(self.weight > 0.0 && self.weight <= 1.0) {
            return Err(invalid(format!("a learner of a mean has the weight {}; expected above 0 to 1", self.weight)));
        }
        check_learner(&self.learner, &self.level_log_odds, features, kind)
    }
}

/// Returns an error for a calibration from a document that falls, or whose numbers could make a score overflow.
pub(crate) fn check_calibration(calibration: &Calibration) -> Result<()> {
    if let Calibration::Isotonic { scores, probabilities } = calibration {
        let rising =
            scores.windows(2).all(|pair| pair[0] < pair[1]) && probabilities.windows(2).all(|pair| pair[0] <= pair[1]);
        let within = probabilities.iter().all(|p| (0.0..=1.0).contains(p));
        if scores.is_empty() || scores.len() != probabilities.len() || !rising || !within {
            return Err(invalid("the isotonic calibration does not rise from 0 to 1"));
        }
    }
    if let Calibration::Platt { slope, offset } = *calibration {
        check_size(&[slope, offset])?;
        if slope < 0.0 {
            return Err(invalid("the calibration falls"));
        }
    }
    Ok(())
}

fn check_trees(trees: &[Tree], features: &[FeatureSpec]) -> Result<()> {
    for (t, tree) in trees.iter().enumerate() {
        if tree.nodes.is_empty() {
            return Err(invalid(format!("tree {t} has no node")));
        }
        let mut parents = vec![0u32; tree.nodes.len()];
        for (i, node) in tree.nodes.iter().enumerate() {
            check_size(&[node.value])?;
            let Some(split) = &node.split else { continue };
            let behind = |child: u32| (child as usize) > i && (child as usize) < tree.nodes.len();
            let fits = features.get(split.feature as usize).is_some_and(|spec| match (&split.rule, &spec.levels) {
                (Rule::AtMost(_), levels) => levels.is_none(),
                (Rule::Levels(set), Some(levels)) => set.levels().all(|level| usize::from(level) < levels.len()),
                (Rule::Levels(_), None) => false,
            });
            if !behind(split.left) || !behind(split.right) || !fits {
                return Err(invalid(format!("node {i} of tree {t} does not fit")));
            }
            for child in [split.left, split.right] {
                parents[child as usize] += 1;
                let cover = tree.nodes[child as usize].cover;
                if !(cover > 0.0 && cover <= MAX_NUMBER) {
                    return Err(invalid(format!("node {child} of tree {t} has the cover {cover}; expected above 0")));
                }
            }
        }
        // Each node but the root has one parent, so there are as many paths as leaves. That bounds the time of an explanation.
        if let Some(node) = parents.iter().skip(1).position(|&parents| parents != 1) {
            return Err(invalid(format!("node {} of tree {t} is the child of not exactly one other", node + 1)));
        }
        if tree.depth() > MAX_DEPTH {
            return Err(invalid(format!("tree {t} is {} deep; expected at most {MAX_DEPTH}", tree.depth())));
        }
    }
    Ok(())
}

/// A tree as stored in the document: one list per property, with one entry per node. A leaf has feature −1 and children 0.
#[derive(Serialize)]
struct TreeColumns {
    feature: Vec<i64>,
    threshold: Vec<f64>,
    /// The levels that go left, by node; only for nodes with a categorical split.
    levels: Levels,
    missing_left: Vec<u8>,
    left: Vec<u32>,
    right: Vec<u32>,
    value: Vec<f64>,
    cover: Vec<f64>,
}

/// The levels of some nodes, keyed by the node, in the form that is written.
struct Levels(Vec<(usize, Vec<u8>)>);

impl Serialize for Levels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(node, levels)| (node, levels)))
    }
}

impl Serialize for Tree {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let split = |f: fn(&Split) -> f64| {
            self.nodes.iter().map(|node| node.split.as_ref().map_or(0.0, f)).collect::<Vec<f64>>()
        };
        let child = |f: fn(&Split) -> u32| self.nodes.iter().map(|node| node.split.as_ref().map_or(0, f)).collect();
        let levels = self.nodes.iter().enumerate().filter_map(|(i, node)| match &node.split.as_ref()?.rule {
            Rule::Levels(set) => Some((i, set.levels().collect())),
            Rule::AtMost(_) => None,
        });
        let columns = TreeColumns {
            feature: self
                .nodes
                .iter()
                .map(|node| node.split.as_ref().map_or(-1, |split| i64::from(split.feature)))
                .collect(),
            threshold: split(|split| match split.rule {
                Rule::AtMost(threshold) => threshold,
                Rule::Levels(_) => 0.0,
            }),
            levels: Levels(levels.collect()),
            missing_left: split(|split| f64::from(u8::from(split.missing_left))).into_iter().map(|v| v as u8).collect(),
            left: child(|split| split.left),
            right: child(|split| split.right),
            value: self.nodes.iter().map(|node| node.value).collect(),
            cover: self.nodes.iter().map(|node| node.cover).collect(),
        };
        columns.serialize(serializer)
    }
}

/// The levels of the nodes, keyed by the index of the node as text, in the form that is read.
struct NodeLevels(Vec<(usize, LevelSet)>);

impl FromJson for NodeLevels {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let Json::Object(pairs) = json else { return Err(json.expected("an object")) };
        let mut nodes = Vec::new();
        for (key, levels) in pairs {
            let levels = Vec::<u8>::from_json(levels).map_err(|error| error.at_key(key))?;
            let node = key.parse::<usize>().ok().filter(|node| node.to_string() == *key);
            let node = node.ok_or_else(|| JsonError::new(format!("{key:?} is not the number of a node")))?;
            let mut set = LevelSet::default();
            for level in levels {
                if usize::from(level) >= MAX_LEVELS {
                    return Err(JsonError::new(format!("level {level} of node {node}")));
                }
                set.insert(level);
            }
            nodes.push((node, set));
        }
        Ok(NodeLevels(nodes))
    }
}

impl FromJson for Tree {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let lists = ["feature", "threshold", "levels", "missing_left", "left", "right", "value", "cover"];
        let columns = Object::of(json, &lists)?;
        let feature: Vec<i64> = columns.field("feature")?;
        let threshold: Vec<f64> = columns.field("threshold")?;
        let NodeLevels(levels) = columns.field("levels")?;
        let missing_left: Vec<u8> = columns.field("missing_left")?;
        let (left, right): (Vec<u32>, Vec<u32>) = (columns.field("left")?, columns.field("right")?);
        let (value, cover): (Vec<f64>, Vec<f64>) = (columns.field("value")?, columns.field("cover")?);
        let n = feature.len();
        let lengths = [threshold.len(), missing_left.len(), left.len(), right.len(), value.len(), cover.len()];
        if lengths != [n; 6] || levels.iter().any(|&(node, _)| node >= n) {
            return Err(JsonError::new("the lists of a tree differ in length"));
        }
        // If a node is repeated, the last entry counts.
        let mut sets = vec![None; n];
        levels.into_iter().for_each(|(node, set)| sets[node] = Some(set));
        let mut nodes = Vec::with_capacity(n);
        for i in 0..n {
            let split = match feature[i] {
                -1 => None,
                feature => Some(Split {
                    feature: u32::try_from(feature)
                        .map_err(|_| JsonError::new(format!("feature {feature} of node {i}")))?,
                    rule: sets[i].take().map_or(Rule::AtMost(threshold[i]), Rule::Levels),
                    missing_left: missing_left[i] == 1,
                    left: left[i],
                    right: right[i],
                }),
            };
            nodes.push(Node { split, value: value[i], cover: cover[i] });
        }
        Ok(Tree { nodes })
    }
}
