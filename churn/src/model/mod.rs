//! Models: scoring, and the document that stores them.
//!
//! A [`Model`] is only made by [`train`](crate::train), [`train_table`](crate::train_table) or [`Model::from_json`]. So there
//! is no unfitted model.

pub(crate) mod background;
pub(crate) mod calibration;
pub(crate) mod causes;
pub(crate) mod document;
#[cfg(feature = "train")]
mod evaluation;
pub(crate) mod learner;
pub(crate) mod level_log_odds;
pub(crate) mod logistic;
#[cfg(feature = "train")]
mod over_time;
mod predictions;
mod scorer;
#[cfg(feature = "subscriptions")]
mod subscriber;
#[cfg(feature = "subscriptions")]
pub(crate) mod subscriptions;
pub(crate) mod tree;

use std::borrow::Cow;
use std::sync::Arc;

pub use background::Typical;
pub use calibration::CalibrationKind;
pub use document::{Audit, FORMAT_VERSION, Golden, Histogram, Training};
#[cfg(feature = "train")]
pub use evaluation::{Candidate, Evaluation, Importance, Protocol, SearchProtocol};
pub use learner::{ClassWeight, LearnConfig, MeanMember, ModelKind};
#[cfg(feature = "train")]
pub use over_time::{CutoffResult, Estimate, OverTime, PairedResult, Scores};
pub use predictions::{Prediction, Predictions};
#[cfg(feature = "subscriptions")]
pub use subscriber::{Subscriber, SubscriberPrediction};

pub(crate) use document::Document;
pub(crate) use learner::Learner;
pub(crate) use logistic::Logistic;
pub(crate) use scorer::{Scorer, VECTORS};

use crate::coverage::Coverage;
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Customer, EventUnit, quote_for_message};
use crate::features::{CustomerFeatures, FeatureSpec, FeatureTable, Joined, compute, encode, encode_value};
use crate::findings::{self, Finding, check_allowed, check_scored, fail_on_errors, sort_by_severity};
use crate::input::{Input, Source};
use crate::labels::LabelKind;
use crate::scratch::with_buffer;
use crate::segments::Thresholds;
use crate::table::Table;

/// The evaluation of a model, as the JSON of the document. A build without the `train` feature does not interpret it.
#[cfg(not(feature = "train"))]
pub type Evaluation = crate::json::Json;

/// 1 / (1 + e^−m).
pub(crate) fn sigmoid(margin: f64) -> f64 {
    // exp takes only arguments of at most 0, so it cannot overflow.
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

/// A trained model: the fitted learner, its evaluation, and everything needed to score later data in the same way.
///
/// Cloning is cheap: the copies share their data.
#[derive(Clone)]
pub struct Model {
    pub(crate) document: Arc<Document>,
    /// Data derived from the document.
    pub(crate) prepared: Arc<Prepared>,
}

/// Data for scoring that is derived from the document, computed once.
pub(crate) struct Prepared {
    pub(crate) scorer: Scorer,
    /// Computes the features of a single customer; none for a model of a table.
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
        let scorer = Scorer::new(&document.learner, &document.level_log_odds, &document.calibration);
        let unit = document.event_unit;
        let customer = document.feature_config.as_ref().map(|config| CustomerFeatures::new(config, unit));
        Model { document: Arc::new(document), prepared: Arc::new(Prepared { scorer, customer }) }
    }

    /// The kind of the learner.
    pub fn kind(&self) -> ModelKind {
        self.document.parameters.model
    }

    /// The evaluation of the model on rows that it was not trained on; none if it was trained without one.
    pub fn evaluation(&self) -> Option<&Evaluation> {
        self.document.evaluation.as_ref()
    }

    /// Summary of the training data.
    pub fn training(&self) -> &Training {
        &self.document.training
    }

    /// The settings that it was fitted with. Settings that training chose are filled in.
    pub fn parameters(&self) -> &LearnConfig {
        &self.document.parameters
    }

    /// Lower bounds of the risk bands.
    pub fn thresholds(&self) -> &Thresholds {
        &self.document.parameters.thresholds
    }

    /// The calibration that was fitted: `"none"`, `"Platt"` or `"isotonic"`.
    pub fn calibration(&self) -> &'static str {
        self.document.calibration.name()
    }

    /// The features of the model, in order.
    pub fn feature_specs(&self) -> &[FeatureSpec] {
        &self.document.features
    }

    /// The definition of churn that the model was trained with.
    pub fn labels(&self) -> &crate::labels::LabelConfig {
        &self.document.labels
    }

    /// The cutoffs of the training rows, oldest first; empty for a model of a table.
    pub fn cutoffs(&self) -> &[Day] {
        &self.document.cutoffs
    }

    /// The version of the library that trained it.
    pub fn library_version(&self) -> &str {
        &self.document.library_version
    }

    /// The definition of churn in a sentence.
    pub fn definition(&self) -> String {
        self.document.labels.describe()
    }

    /// The messages of all findings that are warnings or errors, and the warnings of older documents.
    pub fn warnings(&self) -> &[String] {
        &self.document.warnings
    }

    /// The findings of training, worst first: problems of the data, and limits of the evaluation. None for a document of a
    /// version of the library that did not check the data.
    pub fn findings(&self) -> Option<&[Finding]> {
        self.document.findings.as_deref()
    }

    /// The record of the audit, if the labels come from an outcome window and the audit was not turned off.
    pub fn audit(&self) -> Option<&Audit> {
        self.document.audit.as_ref()
    }

    /// The distribution of each feature in the training rows.
    pub fn histograms(&self) -> &[Histogram] {
        &self.document.histograms
    }

    /// The unit of an event in the training log. [`Model::predict_one`] and [`Model::features`] combine rows into events in the
    /// same way.
    pub fn event_unit(&self) -> EventUnit {
        self.document.event_unit
    }

    /// Computes the features of a log for this model: a row for each customer that its definition of churn covers at the end of
    /// `as_of`, by default the last day of the log. [`Input::include_inactive`] adds the other customers; otherwise the table
    /// only counts them. If an event of the training log was a day, the rows of a day are one event.
    ///
    /// # Errors
    /// `feature_mismatch` if the model was not trained on events or joined columns are missing; `no_customers`, also if no
    /// customer is covered; `finding` for a row far later than all others and for a joined table that matches no customer,
    /// unless [`Input::allow`] lists the finding; `bad_rows` for an event whose amounts add up to more than an amount can be.
    pub fn features<'a>(&self, source: impl Into<Source<'a>>, as_of: Option<Day>) -> Result<FeatureTable> {
        match source.into() {
            Source::Events(input) => self.features_of_events(input, as_of),
            #[cfg(feature = "subscriptions")]
            Source::Subscriptions(input) => self.subscription_features(input, as_of),
        }
    }

    fn features_of_events(&self, input: Input<'_>, as_of: Option<Day>) -> Result<FeatureTable> {
        let config = self.event_features()?;
        let merges = self.event_unit() == EventUnit::Day && input.events.unit() != EventUnit::Day;
        let merged = merges.then(|| input.events.merged_by_day()).transpose()?;
        let events = merged.as_ref().unwrap_or(input.events);
        let as_of = as_of.unwrap_or(events.last_day());
        let (history, _) = events.split_at(as_of);
        let (mut customers, others): (Vec<usize>, Vec<usize>) =
            history.customers().partition(|&c| self.labels().covers(history.last_event(c), as_of));
        let coverage =
            Coverage { covered: customers.len() as u64, inactive: others.len() as u64, ..Coverage::default() };
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
        check_allowed(input.allow)?;
        table.findings = check_scored(events, as_of);
        self.join_and_check(&mut table, input.attributes, input.allow)?;
        Ok(table)
    }

    /// Joins the columns that the model needs beside those of the table. Fails on findings that are errors and not allowed.
    fn join_and_check(
        &self,
        table: &mut FeatureTable,
        attributes: Option<(&Table, &str)>,
        allow: &[String],
    ) -> Result<()> {
        let own = table.specs.len();
        let joined = &self.document.features[own..];
        match attributes {
            Some((attributes, customer_id)) => {
                let Joined { matched, unknown } = table.join_as(attributes, customer_id, joined)?;
                table
                    .findings
                    .extend(findings::joined(table, own, matched, &unknown, &|spec| self.share_of_others(spec)));
            }
            None if !joined.is_empty() => {
                let names: Vec<&str> = joined.iter().map(|spec| spec.name.as_str()).collect();
                let message =
                    format!("the model also needs the columns {}: join a table that has them", names.join(", "));
                return Err(Error::new(ErrorKind::FeatureMismatch, message));
            }
            None => (),
        }
        sort_by_severity(&mut table.findings);
        fail_on_errors(&table.findings, allow)
    }

    /// Predicts the risk of each customer that the model's definition of churn covers at the end of `as_of`, by default the
    /// last day of the log. [`Predictions::coverage`] counts the others; [`Input::include_inactive`] scores them too.
    ///
    /// # Errors
    /// The errors of [`Model::features`].
    pub fn predict<'a>(&self, source: impl Into<Source<'a>>, as_of: Option<Day>) -> Result<Predictions> {
        self.predict_features(&self.features(source, as_of)?)
    }

    /// Predicts the risk of every row of a table that has the model's columns. Other columns are ignored. Levels that were not
    /// in the training rows are missing values.
    ///
    /// # Errors
    /// `missing_column`; `feature_mismatch` for text in a column that the model knows as a number.
    pub fn predict_table(&self, table: &Table, customer_id: Option<&str>) -> Result<Predictions> {
        let ids = table.customer_ids(customer_id)?;
        let values = encode(table, &self.document.features)?;
        let specs = self.document.features.clone();
        Ok(self.score(&FeatureTable::of_columns(ids, specs, values)))
    }

    /// Predicts the calibrated probability of churn of each row of a table, in the order of its rows.
    ///
    /// # Errors
    /// The errors of [`Model::table_features`].
    pub fn table_probabilities(&self, table: &Table) -> Result<Vec<f64>> {
        self.check_of_table()?;
        Ok(self.prepared.scorer.probabilities(&encode(table, &self.document.features)?))
    }

    fn check_of_table(&self) -> Result<()> {
        if self.document.feature_config.is_some() {
            let message = "the model was trained on events, not on a table: use model.features";
            return Err(Error::new(ErrorKind::FeatureMismatch, message));
        }
        Ok(())
    }

    /// Converts a table to the features of this model, which must have been trained on a table. The result is the input of
    /// [`Model::predict_features`] and [`Model::explain`](Model::explain).
    ///
    /// # Errors
    /// The errors of [`Model::predict_table`]; `feature_mismatch` if the model was trained on events.
    pub fn table_features(&self, table: &Table, customer_id: Option<&str>) -> Result<FeatureTable> {
        self.check_of_table()?;
        let specs = self.document.features.clone();
        let values = encode(table, &specs)?;
        Ok(FeatureTable::of_columns(table.customer_ids(customer_id)?, specs, values))
    }

    /// Predicts the risk of the customers of a feature table. Only customers that the model's definition of churn covers are
    /// scored, unless the table includes the others ([`FeatureTable::include_inactive`]).
    ///
    /// # Errors
    /// `feature_mismatch` unless its columns, windows and scales are those of the model; `no_customers` if none of the
    /// customers is covered.
    pub fn predict_features(&self, table: &FeatureTable) -> Result<Predictions> {
        Ok(self.score(&*self.covered(table)?))
    }

    /// The rows of a feature table that the model's definition covers.
    pub(crate) fn covered<'a>(&self, table: &'a FeatureTable) -> Result<Cow<'a, FeatureTable>> {
        self.check_features(table)?;
        let Some(as_of) = table.as_of.filter(|_| !table.include_inactive) else { return Ok(Cow::Borrowed(table)) };
        let covered = self.coverage_of(table);
        let rows: Vec<usize> = (0..table.rows()).filter(|&row| covered[row]).collect();
        if rows.len() == table.rows() {
            return Ok(Cow::Borrowed(table));
        }
        let inactive = (table.rows() - rows.len()) as u64;
        // Of subscriptions, the customers of each kind are counted already.
        let counted = table.coverage.filter(|_| table.cancelled.is_some());
        let coverage = counted.unwrap_or(Coverage { covered: rows.len() as u64, inactive, ..Coverage::default() });
        if rows.is_empty() {
            return Err(self.labels().nobody_covered(inactive, as_of));
        }
        let mut selected = table.select(&rows);
        selected.coverage = Some(coverage);
        Ok(Cow::Owned(selected))
    }

    /// For each customer of a feature table, true if the model's definition of churn covers the customer: for subscriptions, if the
    /// customer has not cancelled. All are true if the table comes from neither events nor subscriptions.
    pub fn coverage_of(&self, table: &FeatureTable) -> Vec<bool> {
        match (&table.last_events, table.as_of) {
            _ if table.cancelled.is_some() => table.cancelled.iter().flatten().map(|cancelled| !cancelled).collect(),
            (Some(days), Some(as_of)) => days.iter().map(|&day| self.covers(day, as_of)).collect(),
            _ => vec![true; table.rows()],
        }
    }

    fn covers(&self, last_event: i32, as_of: Day) -> bool {
        Day::new(last_event).is_some_and(|last| self.labels().covers(last, as_of))
    }

    /// The sentence for a customer of a feature table whom the definition does not cover; none for a covered one.
    pub(crate) fn note(&self, table: &FeatureTable, customer_id: &str) -> Option<String> {
        let row = table.ids.iter().position(|id| id == customer_id)?;
        let last = Day::new(table.last_events.as_ref()?[row])?;
        self.labels().not_covered(last, table.as_of?)
    }

    /// Returns an error for a feature table that was computed in another way than the training rows.
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

    /// Predicts the risk of one customer at the end of a day, directly from the transactions. The result has the same bits as
    /// in a batch. Transactions of one order are one event; if an event of the training log was a day, so are the
    /// transactions of one day ([`Model::event_unit`]). Customers who are not covered are scored too: [`Prediction::covered`]
    /// and [`Prediction::note`] then say that the probability is a guess.
    ///
    /// # Errors
    /// `bad_rows` with the number of the transaction for an amount out of range or an empty customer id; `no_good_rows`
    /// without a transaction; `too_many_values` for too many event types; `no_customers` if there is no event by `as_of`;
    /// `feature_mismatch`, also if the model needs joined columns and none is given.
    pub fn predict_one(&self, customer: &Customer, as_of: Day) -> Result<Prediction> {
        self.with_customer_row(customer, as_of, |_, prediction| Ok(prediction))
    }

    /// Calls `then` with the features of one customer and their prediction.
    pub(crate) fn with_customer_row<T>(
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

    /// Writes the values of a customer's joined columns. Returns a sentence about levels that were not in the training rows.
    fn fill_joined(&self, customer: &Customer, joined: &mut [f64]) -> Result<Option<String>> {
        let specs = &self.document.features[self.document.features.len() - joined.len()..];
        if let Some(name) = customer.attributes.keys().find(|name| specs.iter().all(|spec| spec.name != **name)) {
            return Err(Error::new(
                ErrorKind::FeatureMismatch,
                format!("the model has no joined column {}", quote_for_message(name.as_bytes())),
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
        let (mut unknown, mut others): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for (value, spec) in joined.iter_mut().zip(specs) {
            if let Some(given) = customer.attributes.get(&spec.name) {
                *value = encode_value(given, spec)?;
                if spec.is_unknown(given) {
                    let names = if value.is_nan() { &mut unknown } else { &mut others };
                    names.push(&spec.name);
                }
            }
        }
        let counted = [(unknown, "missing"), (others, "all rare values do")].map(|(names, as_what)| {
            let names = names.join(", ");
            (!names.is_empty())
                .then(|| format!("The model has not learned from the value of {names}; it counts as {as_what}."))
        });
        Ok(counted.into_iter().flatten().reduce(|both, other| format!("{both} {other}")))
    }

    /// The share of a category's values in training that had no level of their own, among those that were present.
    fn share_of_others(&self, spec: &FeatureSpec) -> f64 {
        let histogram = self.document.histograms.iter().find(|histogram| histogram.name == spec.name);
        let (Some(other), Some(Histogram { counts, .. })) = (spec.other_level(), histogram) else { return 0.0 };
        let all: f64 = counts.iter().map(|&count| count as f64).sum();
        counts[other] as f64 / all.max(1.0)
    }

    /// Returns the calibrated probability of churn of one row of features, in the order of [`Model::feature_specs`]. A missing
    /// value is NaN; a category is the index of its level. Up to 128 features need no allocation, unless a category has more
    /// than 255 levels.
    ///
    /// # Errors
    /// `feature_mismatch` for another number of features, or a category's value that is not the index of a level.
    pub fn probability_of(&self, row: &[f64]) -> Result<f64> {
        self.check_row(row)?;
        Ok(self.probability(row))
    }

    /// Predicts the calibrated probability of churn of each row of `x`: rows × features in the order of [`Model::feature_specs`]. A
    /// missing value is NaN; a category is the index of its level.
    ///
    /// # Errors
    /// `feature_mismatch` for another number of features, or a category's value that is not the index of a level.
    pub fn probabilities(&self, x: &ndarray::Array2<f64>) -> Result<Vec<f64>> {
        let specs = &self.document.features;
        if x.ncols() != specs.len() || specs.iter().any(|spec| spec.levels.is_some()) {
            x.rows().into_iter().try_for_each(|row| self.check_row(&row.to_vec()))?;
        }
        Ok(self.prepared.scorer.probabilities(x))
    }

    /// The share of each feature in what the splits of the trees explain, in the order of [`Model::feature_specs`]. The shares add up
    /// to one. A split explains the weighted squares of the differences between the values of its two nodes and that of the node above
    /// them, which for a forest is the decrease of the Gini impurity. None for a logistic regression, and if no tree has a split.
    ///
    /// It favours features of many values, and says nothing about unseen rows: the importance in the evaluation
    /// ([`Evaluation::importance`]) does.
    pub fn split_importance(&self) -> Option<Vec<f64>> {
        let mut shares = vec![0.0; self.document.features.len()];
        self.document.learner.add_split_importance(1.0, &mut shares);
        let total: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= total);
        (total > 0.0 && total.is_finite()).then_some(shares)
    }

    /// The intercept and the coefficient of each feature on its own scale, in log-odds before calibration, if the model is a
    /// logistic regression on numbers; otherwise none. Terms for missing values are left out, and a number beyond the limits of its
    /// feature counts as the limit.
    pub fn coefficients(&self) -> Option<(f64, Vec<f64>)> {
        match &self.document.learner {
            Learner::LogisticRegression(logistic) => logistic.on_the_scale_of_features(self.document.features.len()),
            _ => None,
        }
    }

    /// Returns an error for a row that does not fit the model's features.
    pub(crate) fn check_row(&self, row: &[f64]) -> Result<()> {
        let specs = &self.document.features;
        if row.len() != specs.len() {
            let message = format!("the row has {} features, the model {}", row.len(), specs.len());
            return Err(Error::new(ErrorKind::FeatureMismatch, message));
        }
        for (&value, spec) in row.iter().zip(specs) {
            if let Some(levels) = &spec.levels
                && !value.is_nan()
                && !spec.has_level(value)
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
        if self.labels().labels == LabelKind::SubscriptionEnd {
            let message = "the model was trained on subscriptions, not on events; it predicts subscriptions";
            return Err(Error::new(ErrorKind::FeatureMismatch, message));
        }
        self.document.feature_config.as_ref().ok_or_else(|| {
            let message = "the model was trained on a table, not on events; it predicts the rows of a table";
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
            let inactive = (table.rows() - covered) as u64;
            Some(Coverage { covered: covered as u64, inactive, ..Coverage::default() })
        });
        let probabilities = self.prepared.scorer.probabilities(&table.values);
        Predictions {
            ids: table.ids.clone(),
            #[cfg(feature = "subscriptions")]
            causes: self.document.causes.probabilities(&table.values, &probabilities),
            probabilities,
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

    /// Reads a model document from any source, trusted or not. Every index and shape is checked, and the golden rows must score
    /// as the document states.
    ///
    /// # Errors
    /// `invalid_document`, `unsupported_version`, `golden_mismatch`.
    pub fn from_json(text: &str) -> Result<Model> {
        Ok(Model::new(Document::from_json(text)?))
    }
}
