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
mod predictions;
mod scorer;
pub(crate) mod tree;

use std::borrow::Cow;
use std::sync::Arc;

pub use background::Typical;
pub use calibration::CalibrationKind;
pub use document::{Audit, FORMAT_VERSION, Golden, Histogram, Training};
#[cfg(feature = "train")]
pub use evaluation::{Candidate, Evaluation, Importance, Protocol, SearchProtocol};
pub use learner::{ClassWeight, LearnConfig, ModelKind};
pub use predictions::{Prediction, Predictions};

pub(crate) use document::Document;
pub(crate) use learner::Learner;
pub(crate) use logistic::Logistic;
pub(crate) use scorer::{Scorer, VECTORS};

use crate::coverage::Coverage;
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Customer, EventUnit, shown};
use crate::features::{CustomerFeatures, FeatureSpec, FeatureTable, Joined, compute, encode, encode_value};
use crate::findings::{self, Finding, check_allowed, check_scored, stop, worst_first};
use crate::input::Input;
use crate::scratch::with_buffer;
use crate::segments::Thresholds;
use crate::table::{Table, Value};

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

    /// The messages of all findings that are warnings or errors, and the warnings of older documents.
    pub fn warnings(&self) -> &[String] {
        &self.document.warnings
    }

    /// The findings of training, worst first: what was odd about the data, and what is to be believed of the evaluation. None
    /// for a document of a version of the library that did not check.
    pub fn findings(&self) -> Option<&[Finding]> {
        self.document.findings.as_deref()
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

    /// The features of a log as this model takes them: a row for each customer that its definition of churn covers at the
    /// end of `as_of`, or of the last day of the log ([`Input::include_inactive`] for everybody). The table counts the others.
    /// A model that learned from days takes the rows of a day as one event.
    ///
    /// # Errors
    /// `feature_mismatch` if the model was not trained on events or misses joined columns; `no_customers`, also where
    /// nobody is covered; `finding` for a row far behind all others and for a joined table that matches nothing, unless
    /// [`Input::allow`] says otherwise; `bad_rows` for an event whose rows add up to no amount.
    pub fn features<'a>(&self, input: impl Into<Input<'a>>, as_of: Option<Day>) -> Result<FeatureTable> {
        let input = input.into();
        let config = self.event_features()?;
        let merges = self.event_unit() == EventUnit::Day && input.events.unit() != EventUnit::Day;
        let merged = merges.then(|| input.events.merged_by_day()).transpose()?;
        let events = merged.as_ref().unwrap_or(input.events);
        let as_of = as_of.unwrap_or(events.last_day());
        let (history, _) = events.split_at(as_of);
        let (mut customers, others): (Vec<usize>, Vec<usize>) =
            history.customers().partition(|&c| self.labels().covers(history.last_event(c), as_of));
        let coverage = Coverage { covered: customers.len() as u64, inactive: others.len() as u64 };
        match (customers.is_empty(), others.is_empty()) {
            (true, true) => return Err(Error::new(ErrorKind::NoCustomers, format!("no event on or before {as_of}"))),
            (true, false) if !input.include_inactive => {
                return Err(self.labels().nobody_covered(coverage.inactive, as_of));
            }
            _ => (),
        }
        if input.include_inactive {
            customers = history.customers().collect();
        }
        let mut table = compute(&history, &customers, config)?;
        table.coverage = Some(coverage);
        table.include_inactive = input.include_inactive;
        let computed = table.specs.len();
        let joined = &self.document.features[computed..];
        check_allowed(input.allow)?;
        table.findings = check_scored(events, as_of);
        match input.attributes {
            Some((attributes, customer_id)) => {
                let Joined { matched, unknown } = table.join_as(attributes, customer_id, joined)?;
                table.findings.extend(findings::joined(&table, computed, matched, &unknown));
            }
            None if !joined.is_empty() => {
                let names: Vec<&str> = joined.iter().map(|spec| spec.name.as_str()).collect();
                let message =
                    format!("the model also needs the columns {}: join a table that has them", names.join(", "));
                return Err(Error::new(ErrorKind::FeatureMismatch, message));
            }
            None => (),
        }
        worst_first(&mut table.findings);
        stop(&table.findings, input.allow)?;
        Ok(table)
    }

    /// The risk of each customer that the model's definition of churn covers at the end of `as_of`, or of the last day of the
    /// log; [`Predictions::coverage`] counts the others, [`Input::include_inactive`] scores them too.
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
        let specs = self.document.features.clone();
        Ok(self.score(&FeatureTable::of_columns(ids, specs, values)))
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
        Ok(FeatureTable::of_columns(table.customer_ids(customer_id)?, specs, values))
    }

    /// The risk of the customers of a feature table, however it was made: of those that the model's definition of churn
    /// covers, unless the table includes the others on purpose ([`FeatureTable::include_inactive`]).
    ///
    /// # Errors
    /// `feature_mismatch` unless its columns, windows and scales are those of the model; `no_customers` where none of them
    /// is covered.
    pub fn predict_features(&self, table: &FeatureTable) -> Result<Predictions> {
        Ok(self.score(&*self.covered(table)?))
    }

    /// The rows of a feature table that this model speaks of.
    pub(crate) fn covered<'a>(&self, table: &'a FeatureTable) -> Result<Cow<'a, FeatureTable>> {
        self.check_features(table)?;
        let Some(as_of) = table.as_of.filter(|_| !table.include_inactive) else { return Ok(Cow::Borrowed(table)) };
        let covered = self.coverage_of(table);
        let rows: Vec<usize> = (0..table.rows()).filter(|&row| covered[row]).collect();
        if rows.len() == table.rows() {
            return Ok(Cow::Borrowed(table));
        }
        let coverage = Coverage { covered: rows.len() as u64, inactive: (table.rows() - rows.len()) as u64 };
        if rows.is_empty() {
            return Err(self.labels().nobody_covered(coverage.inactive, as_of));
        }
        let mut selected = table.select(&rows);
        selected.coverage = Some(coverage);
        Ok(Cow::Owned(selected))
    }

    /// True for each customer of a feature table whom the model's definition of churn covers; all of one that does not come from
    /// events.
    pub fn coverage_of(&self, table: &FeatureTable) -> Vec<bool> {
        match (&table.last_events, table.as_of) {
            (Some(days), Some(as_of)) => days.iter().map(|&day| self.covers(day, as_of)).collect(),
            _ => vec![true; table.rows()],
        }
    }

    fn covers(&self, last_event: i32, as_of: Day) -> bool {
        Day::new(last_event).is_some_and(|last| self.labels().covers(last, as_of))
    }

    /// The sentence on a customer of a feature table whom the definition does not cover.
    pub(crate) fn note(&self, table: &FeatureTable, customer_id: &str) -> Option<String> {
        let row = table.ids.iter().position(|id| id == customer_id)?;
        let last = Day::new(table.last_events.as_ref()?[row])?;
        self.labels().not_covered(last, table.as_of?)
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
    /// order are one event, and so are those of one day where the model learned from days ([`Model::event_unit`]). It always
    /// answers; [`Prediction::covered`] and [`Prediction::note`] say where the answer is a guess.
    ///
    /// # Errors
    /// `bad_rows` with the number of the transaction for an amount out of range or an empty customer id, `no_good_rows`
    /// without a transaction, `too_many_values` for event types without end; `no_customers` if nothing had happened by
    /// `as_of`; `feature_mismatch`, also where the model needs joined columns and none is given.
    pub fn predict_one(&self, customer: &Customer, as_of: Day) -> Result<Prediction> {
        self.with_row_of(customer, as_of, |_, prediction| Ok(prediction))
    }

    /// The features of one customer and the risk that they come to.
    pub(crate) fn with_row_of<T>(
        &self,
        customer: &Customer,
        as_of: Day,
        then: impl FnOnce(&[f64], Prediction) -> Result<T>,
    ) -> Result<T> {
        self.event_features()?;
        let features = self.prepared.customer.as_ref().expect("a model of events computes features");
        let specs = &self.document.features;
        with_buffer(specs.len(), f64::NAN, |row: &mut [f64]| {
            let (computed, joined) = row.split_at_mut(features.len());
            features.fill(customer, as_of, computed)?;
            let unknown = self.fill_joined(customer, joined)?;
            let churn_probability = self.probability(row);
            let days = customer.transactions.iter().map(|transaction| transaction.event_date);
            let away = days.filter(|&day| day <= as_of).max().and_then(|last| self.labels().not_covered(last, as_of));
            let covered = away.is_none();
            let note = match (away, unknown) {
                (Some(away), Some(unknown)) => Some(format!("{away} {unknown}")),
                (away, unknown) => away.or(unknown),
            };
            let customer_id = customer.customer_id.clone();
            let risk_segment = self.thresholds().band(churn_probability);
            then(row, Prediction { customer_id, churn_probability, risk_segment, covered, note })
        })
    }

    /// Writes the values of a customer's joined columns; a sentence on those that are no level the model has learned from.
    fn fill_joined(&self, customer: &Customer, joined: &mut [f64]) -> Result<Option<String>> {
        let specs = &self.document.features[self.document.features.len() - joined.len()..];
        if let Some(name) = customer.attributes.keys().find(|name| specs.iter().all(|spec| spec.name != **name)) {
            return Err(Error::new(
                ErrorKind::FeatureMismatch,
                format!("the model has no joined column {}", shown(name.as_bytes())),
            ));
        }
        if !specs.is_empty() && customer.attributes.is_empty() {
            let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
            let message = format!(
                "the model also needs the joined columns {}: give the customer's values as attributes, null where one is missing",
                names.join(", ")
            );
            return Err(Error::new(ErrorKind::FeatureMismatch, message));
        }
        let mut unknown: Vec<&str> = Vec::new();
        for (value, spec) in joined.iter_mut().zip(specs) {
            if let Some(given) = customer.attributes.get(&spec.name) {
                *value = encode_value(given, spec)?;
                if value.is_nan() && *given != Value::Missing(()) {
                    unknown.push(&spec.name);
                }
            }
        }
        Ok((!unknown.is_empty()).then(|| {
            format!("The model has not learned from the value of {}; it counts as missing.", unknown.join(", "))
        }))
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

    /// The risk of every row.
    fn score(&self, table: &FeatureTable) -> Predictions {
        let covered = table.as_of.map(|_| self.coverage_of(table));
        let coverage = table.coverage.or_else(|| {
            let covered = covered.as_ref()?.iter().filter(|&&covered| covered).count();
            Some(Coverage { covered: covered as u64, inactive: (table.rows() - covered) as u64 })
        });
        Predictions {
            ids: table.ids.clone(),
            probabilities: self.prepared.scorer.probabilities(&table.values),
            thresholds: *self.thresholds(),
            as_of: table.as_of,
            coverage,
            covered: covered.filter(|_| table.include_inactive),
            findings: table.findings.clone(),
        }
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
