//! Models: scoring, and the document that keeps them.
//!
//! A [`Model`] is only ever made by [`train`](crate::train), [`train_table`](crate::train_table) or
//! [`Model::from_json`], so one that has not been fitted cannot be asked for a score.

pub(crate) mod background;
pub(crate) mod calibration;
pub(crate) mod document;
#[cfg(feature = "train")]
mod evaluation;
pub(crate) mod learner;
pub(crate) mod logistic;
mod scorer;
pub(crate) mod tree;

use std::io::Write;
use std::sync::Arc;

use ndarray::Array2;
use serde::Serialize;

pub use background::Typical;
pub use calibration::CalibrationKind;
pub use document::{Audit, FORMAT_VERSION, Golden, Histogram, Training};
#[cfg(feature = "train")]
pub use evaluation::{Candidate, Evaluation, Importance, Protocol, SearchProtocol};
pub use learner::{ClassWeight, LearnConfig, ModelKind};

pub(crate) use document::Document;
pub(crate) use learner::Learner;
pub(crate) use logistic::Logistic;
pub(crate) use scorer::{Scorer, VECTORS};

use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Customer, EventUnit, Strings, quoted};
use crate::features::{CustomerFeatures, FeatureSpec, FeatureTable, encode, encode_value, features};
use crate::input::Input;
use crate::objects::objects;
use crate::scratch::with_buffer;
use crate::segments::{Segment, Thresholds};
use crate::table::Table;

/// How a model was judged, as it stands in the document: a build that judges none reads it no further.
#[cfg(not(feature = "train"))]
pub type Evaluation = crate::json::Json;

/// 1 / (1 + e^−m).
pub(crate) fn sigmoid(margin: f64) -> f64 {
    // e^m only of what is not positive, so that nothing overflows.
    if margin >= 0.0 {
        1.0 / (1.0 + libm::exp(-margin))
    } else {
        let e = libm::exp(margin);
        e / (1.0 + e)
    }
}

/// ln(p / (1 − p)).
pub(crate) fn logit(p: f64) -> f64 {
    libm::log(p / (1.0 - p))
}

/// A trained model: what it learned, how it was judged, and everything needed to score later data the same way.
///
/// Cloning one is cheap: the copies share what they hold.
#[derive(Clone)]
pub struct Model {
    pub(crate) document: Arc<Document>,
    /// What is derived from the document.
    pub(crate) prepared: Arc<Prepared>,
}

/// What scoring needs and the document implies, prepared once.
pub(crate) struct Prepared {
    pub(crate) scorer: Scorer,
    /// The features of a customer alone; none for a model of a table.
    customer: Option<CustomerFeatures>,
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("document", &self.document).finish()
    }
}

/// The risk of one customer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Who.
    pub customer_id: String,
    /// The calibrated probability of churn.
    pub churn_probability: f64,
    /// The band it falls into.
    pub risk_segment: Segment,
}

objects! { Prediction { customer_id, churn_probability, risk_segment } }

/// The risk of many customers, in the order of the features they were computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    ids: Strings,
    probabilities: Vec<f64>,
    thresholds: Thresholds,
    as_of: Option<Day>,
}

impl Predictions {
    /// The number of customers.
    pub fn len(&self) -> usize {
        self.probabilities.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.probabilities.is_empty()
    }

    /// The day that the customers were looked at, if they came from events.
    pub fn as_of(&self) -> Option<Day> {
        self.as_of
    }

    /// The customers.
    pub fn customer_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter()
    }

    /// Their calibrated probabilities of churn.
    pub fn churn_probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// Their bands.
    pub fn risk_segments(&self) -> impl Iterator<Item = Segment> {
        self.probabilities.iter().map(|&p| self.thresholds.band(p))
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Prediction> {
        self.ids.iter().zip(&self.probabilities).map(|(id, &churn_probability)| Prediction {
            customer_id: id.to_owned(),
            churn_probability,
            risk_segment: self.thresholds.band(churn_probability),
        })
    }

    /// Writes `customer_id,churn_probability,risk_segment`.
    ///
    /// # Errors
    /// `io`.
    pub fn write_csv(&self, mut writer: impl Write) -> Result<()> {
        writer.write_all(b"customer_id,churn_probability,risk_segment\n")?;
        for ((id, p), segment) in self.ids.iter().zip(&self.probabilities).zip(self.risk_segments()) {
            writer.write_all(format!("{},{p},{}\n", quoted(id), segment.name()).as_bytes())?;
        }
        writer.flush()?;
        Ok(())
    }
}

impl Model {
    pub(crate) fn new(document: Document) -> Self {
        let scorer = Scorer::new(&document.learner, &document.calibration);
        let unit = document.event_unit;
        let customer = document.feature_config.as_ref().map(|config| CustomerFeatures::new(config, unit));
        Model { document: Arc::new(document), prepared: Arc::new(Prepared { scorer, customer }) }
    }

    /// The learner.
    pub fn kind(&self) -> ModelKind {
        self.document.parameters.model
    }

    /// How it was judged on rows that it had not seen.
    pub fn evaluation(&self) -> &Evaluation {
        &self.document.evaluation
    }

    /// What it was trained on.
    pub fn training(&self) -> &Training {
        &self.document.training
    }

    /// The settings it was fitted with, with everything that was chosen filled in.
    pub fn parameters(&self) -> &LearnConfig {
        &self.document.parameters
    }

    /// Where the risk bands begin.
    pub fn thresholds(&self) -> &Thresholds {
        &self.document.parameters.thresholds
    }

    /// The calibration that was fitted: `"none"`, `"Platt"` or `"isotonic"`.
    pub fn calibration(&self) -> &'static str {
        self.document.calibration.name()
    }

    /// The features that it takes, in order.
    pub fn feature_specs(&self) -> &[FeatureSpec] {
        &self.document.features
    }

    /// What churn means here.
    pub fn labels(&self) -> &crate::labels::LabelConfig {
        &self.document.labels
    }

    /// The cutoffs it learned from, oldest first; empty for a model of a table.
    pub fn cutoffs(&self) -> &[Day] {
        &self.document.cutoffs
    }

    /// The version of the library that trained it.
    pub fn library_version(&self) -> &str {
        &self.document.library_version
    }

    /// What churn means here, in a sentence.
    pub fn definition(&self) -> String {
        self.document.labels.describe()
    }

    /// What a reader of its results must know; empty where there is nothing.
    pub fn warnings(&self) -> &[String] {
        &self.document.warnings
    }

    /// The stamp of the audit, if the labels look at a future and the audit was not turned off.
    pub fn audit(&self) -> Option<&Audit> {
        self.document.audit.as_ref()
    }

    /// How each feature was distributed in training.
    pub fn histograms(&self) -> &[Histogram] {
        &self.document.histograms
    }

    /// One event of the log that it learned from, in rows of its source: what [`Model::predict_one`] takes as one event of the
    /// transactions, and [`Model::features`] of a log.
    pub fn event_unit(&self) -> EventUnit {
        self.document.event_unit
    }

    /// The features of a log as this model takes them: one that learned from days takes the rows of a day as one event.
    ///
    /// # Errors
    /// `feature_mismatch` if the model was not trained on events or misses joined columns; `no_customers`; `bad_rows` for an
    /// event whose rows add up to no amount.
    pub fn features<'a>(&self, input: impl Into<Input<'a>>, as_of: Option<Day>) -> Result<FeatureTable> {
        let input = input.into();
        let config = self.event_features()?;
        let merges = self.event_unit() == EventUnit::Day && input.events.unit() != EventUnit::Day;
        let merged = merges.then(|| input.events.merged_by_day()).transpose()?;
        let events = merged.as_ref().unwrap_or(input.events);
        let (history, _) = events.split_at(as_of.unwrap_or(events.last_day()));
        let mut table = features(&history, config)?;
        let joined = &self.document.features[table.specs.len()..];
        match input.attributes {
            Some((attributes, customer_id)) => table.join_as(attributes, customer_id, joined)?,
            None if !joined.is_empty() => {
                let names: Vec<&str> = joined.iter().map(|spec| spec.name.as_str()).collect();
                let message =
                    format!("the model also needs the columns {}: join a table that has them", names.join(", "));
                return Err(Error::new(ErrorKind::FeatureMismatch, message));
            }
            None => (),
        }
        Ok(table)
    }

    /// The risk of every customer seen by `as_of`, or by the last day of the log.
    ///
    /// # Errors
    /// Those of [`Model::features`].
    pub fn predict<'a>(&self, input: impl Into<Input<'a>>, as_of: Option<Day>) -> Result<Predictions> {
        self.predict_features(&self.features(input, as_of)?)
    }

    /// The risk of every row of a table that has the model's columns; others are ignored. Levels that training had not seen
    /// are missing values.
    ///
    /// # Errors
    /// `missing_column`; `feature_mismatch` for text where the model knows a number.
    pub fn predict_table(&self, table: &Table, customer_id: Option<&str>) -> Result<Predictions> {
        let ids = table.customer_ids(customer_id)?;
        let values = encode(table, &self.document.features)?;
        Ok(self.score(ids, &values, None))
    }

    /// The columns of a table as this model, which was trained on one, takes them: what [`Model::predict_features`] and
    /// [`Model::explain`](Model::explain) work on.
    ///
    /// # Errors
    /// Those of [`Model::predict_table`]; `feature_mismatch` if the model was trained on events.
    pub fn table_features(&self, table: &Table, customer_id: Option<&str>) -> Result<FeatureTable> {
        if self.document.feature_config.is_some() {
            let message = "the model was trained on events, not on a table: use model.features";
            return Err(Error::new(ErrorKind::FeatureMismatch, message));
        }
        let specs = self.document.features.clone();
        let values = encode(table, &specs)?;
        Ok(FeatureTable { ids: table.customer_ids(customer_id)?, specs, values, as_of: None, config: None })
    }

    /// The risk of every row of a feature table.
    ///
    /// # Errors
    /// `feature_mismatch` unless its columns, windows and scales are those of the model.
    pub fn predict_features(&self, table: &FeatureTable) -> Result<Predictions> {
        self.check_features(table)?;
        Ok(self.score(table.ids.clone(), &table.values, table.as_of))
    }

    /// Refuses a feature table that was computed in another way than the training rows.
    pub(crate) fn check_features(&self, table: &FeatureTable) -> Result<()> {
        let config = |config: &crate::features::FeatureConfig| (config.windows, config.scales);
        if table.specs != self.document.features
            || table.config.as_ref().map(config) != self.document.feature_config.as_ref().map(config)
        {
            let message = "the columns, windows or scales of the feature table are not those of the model; compute them with model.features";
            return Err(Error::new(ErrorKind::FeatureMismatch, message));
        }
        Ok(())
    }

    /// The risk of one customer at the end of a day: the same bits as in a batch, straight from the transactions. Those of one
    /// order are one event, and so are those of one day where the model learned from days ([`Model::event_unit`]).
    ///
    /// # Errors
    /// `bad_rows` with the number of the transaction for an amount out of range or an empty customer id, `no_good_rows`
    /// without a transaction, `too_many_values` for event types without end; `no_customers` if nothing had happened by
    /// `as_of`; `feature_mismatch`.
    pub fn predict_one(&self, customer: &Customer, as_of: Day) -> Result<Prediction> {
        self.event_features()?;
        let features = self.prepared.customer.as_ref().expect("a model of events computes features");
        let specs = &self.document.features;
        let churn_probability = with_buffer(specs.len(), f64::NAN, |row: &mut [f64]| {
            let (computed, joined) = row.split_at_mut(features.len());
            features.fill(customer, as_of, computed)?;
            let specs = &specs[features.len()..];
            if let Some(name) = customer.attributes.keys().find(|name| specs.iter().all(|spec| spec.name != **name)) {
                return Err(Error::new(ErrorKind::FeatureMismatch, format!("the model has no joined column {name:?}")));
            }
            for (value, spec) in joined.iter_mut().zip(specs) {
                if let Some(given) = customer.attributes.get(&spec.name) {
                    *value = encode_value(given, spec)?;
                }
            }
            Ok(self.probability(row))
        })?;
        Ok(Prediction {
            customer_id: customer.customer_id.clone(),
            churn_probability,
            risk_segment: self.thresholds().band(churn_probability),
        })
    }

    /// The calibrated probability of churn of one row of features, in the order of [`Model::feature_specs`]: NaN where a value
    /// is missing, the index of the level for a category. Nothing is allocated for a row of up to 128 features.
    ///
    /// # Errors
    /// `feature_mismatch` for another number of features, or a category's value that is no index of a level.
    pub fn probability_of(&self, row: &[f64]) -> Result<f64> {
        self.check_row(row)?;
        Ok(self.probability(row))
    }

    /// Refuses a row that cannot be one of this model.
    pub(crate) fn check_row(&self, row: &[f64]) -> Result<()> {
        let specs = &self.document.features;
        if row.len() != specs.len() {
            let message = format!("the row has {} features, the model {}", row.len(), specs.len());
            return Err(Error::new(ErrorKind::FeatureMismatch, message));
        }
        for (&value, spec) in row.iter().zip(specs) {
            if let Some(levels) = &spec.levels
                && !value.is_nan()
                && !(value.fract() == 0.0 && (0.0..levels.len() as f64).contains(&value))
            {
                let message = format!(
                    "the feature {:?} is {value}; expected the index of one of its {} levels, or NaN",
                    spec.name,
                    levels.len()
                );
                return Err(Error::new(ErrorKind::FeatureMismatch, message));
            }
        }
        Ok(())
    }

    fn event_features(&self) -> Result<&crate::features::FeatureConfig> {
        self.document.feature_config.as_ref().ok_or_else(|| {
            let message = "the model was trained on a table, not on events: use predict_table";
            Error::new(ErrorKind::FeatureMismatch, message)
        })
    }

    pub(crate) fn probability(&self, row: &[f64]) -> f64 {
        self.prepared.scorer.probability(row)
    }

    fn score(&self, ids: Strings, values: &Array2<f64>, as_of: Option<Day>) -> Predictions {
        let probabilities = self.prepared.scorer.probabilities(values);
        Predictions { ids, probabilities, thresholds: *self.thresholds(), as_of }
    }

    /// The model document: one versioned JSON text, the same in every language.
    ///
    /// ```
    /// # use churn::*;
    /// # let csv: String = std::iter::once("customer_id,event_date\n".to_owned()).chain((0..2000).map(|i| {
    /// #     let (c, k) = (i % 200, i / 200);
    /// #     format!("c{c:03},{}\n", Day::new(19_700 + (c * 7 + k * (2 + c % 40)) % 360).unwrap())
    /// # })).collect();
    /// # let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
    /// let model = train(&events, &TrainConfig::default())?;
    /// let same = Model::from_json(&model.to_json())?;
    /// assert_eq!(same.predict(&events, None)?, model.predict(&events, None)?);
    /// # Ok::<(), churn::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        self.document.to_json()
    }

    /// Reads a model document from any source, trusted or not: every index and shape is checked, and its golden rows are
    /// scored and must come out as written.
    ///
    /// # Errors
    /// `invalid_document`, `unsupported_version`, `golden_mismatch`.
    pub fn from_json(text: &str) -> Result<Model> {
        Ok(Model::new(Document::from_json(text)?))
    }
}
