//! Models: the model document, predictions and explanations.

#[cfg(feature = "subscriptions")]
use churn::SubscriptionInput;
use churn::{ChangeConfig, Day, ExplainConfig, Input, Prediction, SlippingConfig, Table, Value};
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;

use crate::convert::{Options, config, results, table, text_array, today, with_attributes};
use crate::error::{BindingError, Result};
use crate::events::{Events, FeatureTable, csv, customer};
use crate::explanation::Explanation;
#[cfg(feature = "subscriptions")]
use crate::subscriptions::Subscriptions;

/// A trained model.
#[cfg(feature = "training")]
#[wasm_bindgen]
pub struct Model(pub(crate) churn::Model);

/// A trained model with the document that it was read from, because a build without training cannot write one.
#[cfg(not(feature = "training"))]
#[wasm_bindgen]
pub struct Model(pub(crate) churn::Model, String);

/// Predictions for many customers.
#[wasm_bindgen]
pub struct Predictions(pub(crate) churn::Predictions);

/// Options of scoring: the day, the joined columns, and which customers are scored.
pub(crate) struct ScoreOptions {
    pub(crate) as_of: Option<Day>,
    joined: Option<(Table, String)>,
    include_inactive: bool,
    allow: Vec<String>,
}

impl ScoreOptions {
    /// Takes `as_of`, `attributes`, `attributes_id`, `include_inactive` and `allow` out of the options.
    pub(crate) fn new(value: &JsValue) -> Result<(ScoreOptions, Options)> {
        let (mut options, joined) = with_attributes(value)?;
        let as_of = options.day("as_of")?;
        let id = options.text("attributes_id")?.unwrap_or_else(|| "customer_id".to_owned());
        let include_inactive = options.setting("include_inactive")?.unwrap_or(false);
        let allow = options.setting("allow")?.unwrap_or_default();
        Ok((ScoreOptions { as_of, joined: joined.map(|table| (table, id)), include_inactive, allow }, options))
    }

    fn input<'a>(&'a self, events: &'a Events) -> Input<'a> {
        let input = Input::from(events.log()).include_inactive(self.include_inactive).allow(&self.allow);
        match &self.joined {
            Some((table, id)) => input.with_attributes(table, id),
            None => input,
        }
    }

    #[cfg(feature = "subscriptions")]
    pub(crate) fn subscriptions<'a>(
        &'a self,
        subscriptions: &'a Subscriptions,
        usage: Option<&'a Events>,
    ) -> SubscriptionInput<'a> {
        let input = SubscriptionInput::from(&subscriptions.0);
        let mut input = input.include_cancelled(self.include_inactive).allow(&self.allow);
        if let Some(usage) = usage {
            input = input.with_usage(usage.log());
        }
        match &self.joined {
            Some((table, id)) => input.with_attributes(table, id),
            None => input,
        }
    }
}

pub(crate) const SCORE_OPTIONS: &str = "as_of, attributes, attributes_id, include_inactive or allow";

#[wasm_bindgen]
impl Model {
    /// Reads a model document from any source.
    #[wasm_bindgen(js_name = fromJson)]
    pub fn from_json(text: &str) -> Result<Model> {
        let model = churn::Model::from_json(text)?;
        #[cfg(feature = "training")]
        return Ok(Model(model));
        #[cfg(not(feature = "training"))]
        return Ok(Model(model, text.to_owned()));
    }

    /// Returns the model document.
    #[wasm_bindgen(js_name = toJson)]
    pub fn to_json(&self) -> String {
        #[cfg(feature = "training")]
        return self.0.to_json();
        #[cfg(not(feature = "training"))]
        return self.1.clone();
    }

    /// The name of the learner.
    #[wasm_bindgen(getter)]
    pub fn kind(&self) -> String {
        self.0.kind().name().to_owned()
    }

    /// The evaluation on rows that were not used for training.
    #[wasm_bindgen(getter)]
    pub fn evaluation(&self) -> Result<JsValue> {
        results(&self.0.evaluation())
    }

    /// The description of the training data.
    #[wasm_bindgen(getter)]
    pub fn training(&self) -> Result<JsValue> {
        results(self.0.training())
    }

    /// The settings that the model was fitted with.
    #[wasm_bindgen(getter)]
    pub fn parameters(&self) -> Result<JsValue> {
        results(self.0.parameters())
    }

    /// The lower bounds of the risk bands.
    #[wasm_bindgen(getter)]
    pub fn thresholds(&self) -> Result<JsValue> {
        results(self.0.thresholds())
    }

    /// The definition of churn.
    #[wasm_bindgen(getter)]
    pub fn labels(&self) -> Result<JsValue> {
        results(self.0.labels())
    }

    /// The definition of churn in one sentence.
    #[wasm_bindgen(getter)]
    pub fn definition(&self) -> String {
        self.0.definition()
    }

    /// The rows of the source that formed one event of the training log: `row`, `order` or `day`.
    #[wasm_bindgen(getter)]
    pub fn event_unit(&self) -> String {
        self.0.event_unit().name().to_owned()
    }

    /// The features that the model uses, in order.
    #[wasm_bindgen(getter)]
    pub fn feature_specs(&self) -> Result<JsValue> {
        results(&self.0.feature_specs())
    }

    /// The cutoffs of the training rows, oldest first.
    #[wasm_bindgen(getter)]
    pub fn cutoffs(&self) -> Result<JsValue> {
        results(&self.0.cutoffs())
    }

    /// The warnings about the results of the model.
    #[wasm_bindgen(getter)]
    pub fn warnings(&self) -> Result<JsValue> {
        results(&self.0.warnings())
    }

    /// The findings of the training, worst first; null for a document of an older version that did not check.
    #[wasm_bindgen(getter)]
    pub fn findings(&self) -> Result<JsValue> {
        results(&self.0.findings())
    }

    /// The stamp of the leakage audit.
    #[wasm_bindgen(getter)]
    pub fn audit(&self) -> Result<JsValue> {
        results(&self.0.audit())
    }

    /// The calibration that was fitted.
    #[wasm_bindgen(getter)]
    pub fn calibration(&self) -> String {
        self.0.calibration().to_owned()
    }

    /// The version of the library that trained the model.
    #[wasm_bindgen(getter)]
    pub fn library_version(&self) -> String {
        self.0.library_version().to_owned()
    }

    /// Computes the features of a log as this model uses them.
    pub fn features(&self, events: &Events, options: &JsValue) -> Result<FeatureTable> {
        let (score_options, rest) = ScoreOptions::new(options)?;
        rest.end(SCORE_OPTIONS)?;
        Ok(FeatureTable(self.0.features(score_options.input(events), score_options.as_of)?))
    }

    /// Reads the columns of a table as this model uses them.
    #[wasm_bindgen(js_name = tableFeatures)]
    pub fn table_features(&self, rows: &JsValue, customer_id: Option<String>) -> Result<FeatureTable> {
        Ok(FeatureTable(self.0.table_features(&table(rows)?, customer_id.as_deref())?))
    }

    /// Predicts the risk of the customers that the definition of churn covers at the end of `as_of`, by default the last day of
    /// the log.
    pub fn predict(&self, events: &Events, options: &JsValue) -> Result<Predictions> {
        let (score_options, rest) = ScoreOptions::new(options)?;
        rest.end(SCORE_OPTIONS)?;
        Ok(Predictions(self.0.predict(score_options.input(events), score_options.as_of)?))
    }

    /// Predicts the risk of every row of a table.
    #[wasm_bindgen(js_name = predictTable)]
    pub fn predict_table(&self, rows: &JsValue, customer_id: Option<String>) -> Result<Predictions> {
        Ok(Predictions(self.0.predict_table(&table(rows)?, customer_id.as_deref())?))
    }

    /// Predicts the risk of every row of a feature table.
    #[wasm_bindgen(js_name = predictFeatures)]
    pub fn predict_features(&self, table: &FeatureTable) -> Result<Predictions> {
        Ok(Predictions(self.0.predict_features(&table.0)?))
    }

    /// Predicts the risk of one customer at the end of `as_of`, by default today (UTC).
    #[wasm_bindgen(js_name = predictOne)]
    pub fn predict_one(&self, one: &JsValue, options: &JsValue) -> Result<JsValue> {
        let mut options = Options::new(options)?;
        let as_of = match options.day("as_of")? {
            Some(day) => day,
            None => today().parse()?,
        };
        options.end("as_of")?;
        results(&self.0.predict_one(&customer(one)?, as_of)?)
    }

    /// Predicts the risk of one customer at the end of `as_of`, by default today (UTC), with its reasons.
    #[wasm_bindgen(js_name = explainOne)]
    pub fn explain_one(&self, one: &JsValue, options: &JsValue) -> Result<JsValue> {
        let mut options = Options::new(options)?;
        let as_of = match options.day("as_of")? {
            Some(day) => day,
            None => today().parse()?,
        };
        let config: ExplainConfig = options.rest()?;
        results(&self.0.explainer(&config)?.explain_one(&customer(one)?, as_of)?)
    }

    /// Returns the customers whose risk rose most since an earlier day.
    #[wasm_bindgen(js_name = slippingAway)]
    pub fn slipping_away(&self, events: &Events, options: &JsValue) -> Result<JsValue> {
        let (score_options, rest) = ScoreOptions::new(options)?;
        let config: SlippingConfig = rest.rest()?;
        results(&self.0.slipping_away(score_options.input(events), score_options.as_of, &config)?)
    }

    /// Explains the risk of every customer.
    pub fn explain(&self, events: &Events, options: &JsValue) -> Result<Explanation> {
        let (score_options, rest) = ScoreOptions::new(options)?;
        let config: ExplainConfig = rest.rest()?;
        Ok(Explanation(
            self.0.explain_with(&self.0.features(score_options.input(events), score_options.as_of)?, &config)?,
        ))
    }

    /// Explains the risk of every row of a feature table.
    #[wasm_bindgen(js_name = explainFeatures)]
    pub fn explain_features(&self, table: &FeatureTable, options: &JsValue) -> Result<Explanation> {
        Ok(Explanation(self.0.explain_with(&table.0, &config(options, "options")?)?))
    }

    /// Predicts the risk of a customer with changed feature values.
    #[wasm_bindgen(js_name = whatIf)]
    pub fn what_if(&self, table: &FeatureTable, customer_id: &str, changes: &JsValue) -> Result<JsValue> {
        let changes: BTreeMap<String, Value> = config(changes, "changes")?;
        let changes: Vec<(&str, Value)> = changes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        results(&self.0.what_if(&table.0, customer_id, &changes)?)
    }

    /// Returns the smallest changes of a customer's features that take the risk below a threshold.
    #[wasm_bindgen(js_name = smallestChanges)]
    pub fn smallest_changes(&self, table: &FeatureTable, customer_id: &str, options: &JsValue) -> Result<JsValue> {
        let config: ChangeConfig = config(options, "options")?;
        results(&self.0.smallest_changes(&table.0, customer_id, &config)?)
    }
}

#[wasm_bindgen]
impl Predictions {
    /// The number of customers.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> f64 {
        self.0.len() as f64
    }

    /// The customer ids.
    #[wasm_bindgen(getter)]
    pub fn customer_id(&self) -> JsValue {
        text_array(self.0.customer_ids())
    }

    /// The calibrated probability of churn of each customer.
    #[wasm_bindgen(getter)]
    pub fn churn_probability(&self) -> Vec<f64> {
        self.0.churn_probabilities().to_vec()
    }

    /// The risk band of each customer.
    #[wasm_bindgen(getter)]
    pub fn risk_segment(&self) -> JsValue {
        text_array(self.0.risk_segments().map(churn::Segment::name))
    }

    /// The day at which the customers were scored.
    #[wasm_bindgen(getter)]
    pub fn as_of(&self) -> Option<String> {
        self.0.as_of().map(|day| day.to_string())
    }

    /// The number of customers that the definition of churn covers, and of those that it does not cover.
    #[wasm_bindgen(getter)]
    pub fn coverage(&self) -> Result<JsValue> {
        results(&self.0.coverage())
    }

    /// True for each customer that the definition covers; null unless the others were also scored.
    #[wasm_bindgen(getter)]
    pub fn covered(&self) -> Result<JsValue> {
        results(&self.0.covered())
    }

    /// The findings about the scored data.
    #[wasm_bindgen(getter)]
    pub fn findings(&self) -> Result<JsValue> {
        results(&self.0.findings())
    }

    /// Returns one object per customer.
    #[wasm_bindgen(js_name = toRows)]
    pub fn to_rows(&self) -> Result<JsValue> {
        results(&self.0.iter().collect::<Vec<Prediction>>())
    }

    /// Returns `customer_id,churn_probability,risk_segment` as CSV.
    #[wasm_bindgen(js_name = toCsv)]
    pub fn to_csv(&self) -> Result<String> {
        csv(|writer| self.0.write_csv(writer))
    }
}

/// Checks that a row exists, and returns its index.
pub(crate) fn checked_row(row: f64, rows: usize) -> Result<usize> {
    let at = row as usize;
    match at as f64 == row && at < rows {
        true => Ok(at),
        false => {
            Err(BindingError::parameter(format!("there is no row {row}; expected 0 to {}", rows.saturating_sub(1))))
        }
    }
}
