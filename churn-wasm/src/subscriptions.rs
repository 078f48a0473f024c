//! Subscriptions: reading, models that learn from them, movements by month and retention curves.
//!
//! A call that takes events or subscriptions has two functions here. The name of the one for subscriptions ends with
//! `Subscriptions`; `js/border.js` chooses it by the class of the argument, and passes the usage events as the last argument.

use churn::{
    ALLOWED_GAP_DAYS, CustomerBase, CustomerId, Day, EndsKnown, ExplainConfig, FromJson, Json, LabelConfig, Period,
    RetentionBy, SlippingConfig, Subscriber, SubscriptionOptions, SubscriptionPreset, TrainConfig,
};
use js_sys::{Array, Float64Array, Object, Uint8Array};
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;

use crate::convert::{Options, config, numbers, results, rows, text_array, today};
use crate::error::{BindingError, Result};
use crate::events::{Events, FeatureTable, csv, set};
use crate::explanation::Explanation;
use crate::model::{Model, Predictions, SCORE_OPTIONS, ScoreOptions};
use crate::source::{Source, outcomes};
use crate::training::ReportOptions;
use crate::watch::JsObserver;

/// Months over which the expected amounts of customers are summed by default, as in the other languages.
const MONTHS: f64 = 36.0;

/// Subscription periods in memory.
#[wasm_bindgen]
pub struct Subscriptions(pub(crate) churn::Subscriptions);

/// Reads periods from CSV: from text, bytes or, in a Web Worker, a `File`.
#[wasm_bindgen(js_name = readSubscriptions)]
pub fn read_subscriptions(source: &JsValue, options: &JsValue, observe: &JsValue) -> Result<Subscriptions> {
    let options: SubscriptionOptions = config(options, "options")?;
    let (watch, _guard) = JsObserver::start(observe, false)?;
    Ok(Subscriptions(churn::Subscriptions::from_csv_observed(Source::new(source)?, &options, &watch)?))
}

/// Creates subscriptions from an array of periods. The options are `ends_known` and `last_day`.
#[wasm_bindgen(js_name = subscriptionsFromRows)]
pub fn subscriptions_from_rows(array: &JsValue, options: &JsValue) -> Result<Subscriptions> {
    let mut options = Options::new(options)?;
    let ends_known: EndsKnown = options.setting("ends_known")?.unwrap_or_default();
    let last_day = options.day("last_day")?;
    options.end("ends_known or last_day")?;
    let mut periods = Vec::new();
    rows(array, |row, mut pairs| {
        let at = pairs.iter().position(|(key, _)| key == "customer_id");
        let Some((_, customer)) = at.map(|at| pairs.swap_remove(at)) else {
            return Err(BindingError::row(row, "customer_id is missing"));
        };
        let CustomerId(customer_id) = CustomerId::from_json(&customer)
            .map_err(|error| BindingError::row(row, format!("customer_id: {error}")))?;
        let period = Period::from_json(&Json::Object(pairs)).map_err(|error| BindingError::row(row, error))?;
        periods.push(Period { customer_id, ..period });
        Ok(())
    })?;
    Ok(Subscriptions(churn::Subscriptions::from_periods(periods, ends_known, last_day)?))
}

/// Takes each payment of a log for a fixed term of so many days.
#[wasm_bindgen(js_name = subscriptionsFromPayments)]
pub fn subscriptions_from_payments(payments: &Events, term_days: f64) -> Result<Subscriptions> {
    let days = term_days as i32;
    if f64::from(days) != term_days {
        return Err(BindingError::parameter(format!("term_days is {term_days}; expected a whole number of days")));
    }
    Ok(Subscriptions(churn::Subscriptions::from_payments(payments.log(), days)?))
}

/// Returns the preset that reads a CSV file, by its header; undefined if it is no known export.
#[wasm_bindgen(js_name = subscriptionPreset)]
pub fn subscription_preset(source: &JsValue, options: &JsValue) -> Result<Option<String>> {
    let options: SubscriptionOptions = config(options, "options")?;
    let preset = SubscriptionPreset::of_csv(Source::new(source)?, &options)?;
    Ok(preset.map(|preset| preset.name().to_owned()))
}

impl Subscriptions {
    /// The customers on a day, by default the last day of the data.
    fn base(&self, as_of: Option<String>) -> Result<CustomerBase> {
        Ok(self.0.customer_base(self.day(as_of)?)?)
    }

    fn day(&self, as_of: Option<String>) -> Result<Day> {
        let day = as_of.map(|text| text.parse()).transpose();
        let day = day.map_err(|error: churn::Error| BindingError::parameter(format!("as_of: {error}")))?;
        Ok(day.unwrap_or(self.0.last_day()))
    }
}

#[wasm_bindgen]
impl Subscriptions {
    /// The number of periods.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> f64 {
        self.0.len() as f64
    }

    /// The number of customers.
    #[wasm_bindgen(getter)]
    pub fn customers(&self) -> f64 {
        self.0.customers() as f64
    }

    /// The customer ids, in byte order.
    #[wasm_bindgen(getter)]
    pub fn customer_ids(&self) -> JsValue {
        text_array(self.0.customer_ids())
    }

    /// The first day of the first period.
    #[wasm_bindgen(getter)]
    pub fn first_day(&self) -> String {
        self.0.first_day().to_string()
    }

    /// The last day that the data covers.
    #[wasm_bindgen(getter)]
    pub fn last_day(&self) -> String {
        self.0.last_day().to_string()
    }

    /// The report on the rows that were read and those that were left out.
    #[wasm_bindgen(getter)]
    pub fn report(&self) -> Result<JsValue> {
        results(self.0.report())
    }

    /// Returns the status of each customer whose first period had started, by what was known on the day.
    pub fn status(&self, as_of: Option<String>) -> Result<JsValue> {
        let history = self.0.known_at(self.day(as_of)?);
        let statuses: BTreeMap<&str, &str> = history.statuses().map(|(id, status)| (id, status.name())).collect();
        results(&statuses)
    }

    /// Counts the customers by status with the amounts they pay, and lists those who have already cancelled.
    #[wasm_bindgen(js_name = customerBase)]
    pub fn customer_base(&self, as_of: Option<String>) -> Result<JsValue> {
        let base = self.base(as_of)?;
        let found = results(&base)?;
        set(&found, "cancelled", &results(&base.cancelled)?);
        Ok(found)
    }

    /// Returns the customers who have already cancelled as a CSV list for mail tools.
    #[wasm_bindgen(js_name = cancelledCsv)]
    pub fn cancelled_csv(&self, as_of: Option<String>) -> Result<String> {
        let base = self.base(as_of)?;
        csv(|writer| base.write_cancelled(writer))
    }

    /// Returns the scored customers whose payment may fail as a CSV list for mail tools.
    #[wasm_bindgen(js_name = dunningCsv)]
    pub fn dunning_csv(&self, predictions: &Predictions) -> Result<String> {
        let base = self.base_of(predictions)?;
        csv(|writer| base.write_dunning(&predictions.0, writer))
    }

    /// Returns the periods as the file says them, one object per period.
    #[wasm_bindgen(js_name = toRows)]
    pub fn to_rows(&self) -> Result<JsValue> {
        results(&self.0.periods().collect::<Vec<Period>>())
    }
}

impl Subscriptions {
    /// The customers on the day of some predictions.
    fn base_of(&self, predictions: &Predictions) -> Result<CustomerBase> {
        Ok(self.0.customer_base(predictions.0.as_of().unwrap_or(self.0.last_day()))?)
    }
}

/// Checks subscriptions. Returns the findings, worst first.
#[wasm_bindgen(js_name = checkSubscriptions)]
pub fn check_subscriptions(subscriptions: &Subscriptions, options: &JsValue) -> Result<JsValue> {
    Options::new(options)?.end("none, because the periods say who leaves")?;
    results(&churn::check_subscriptions(&subscriptions.0))
}

/// Computes the features of the customers with a running subscription on `as_of`, by default the last day of the data.
#[wasm_bindgen(js_name = featuresSubscriptions)]
pub fn features_of_subscriptions(subscriptions: &Subscriptions, options: &JsValue) -> Result<FeatureTable> {
    let mut options = Options::new(options)?;
    let as_of = options.day("as_of")?.unwrap_or(subscriptions.0.last_day());
    let gap = options.setting("allowed_gap_days")?.unwrap_or(ALLOWED_GAP_DAYS);
    options.end("as_of or allowed_gap_days")?;
    Ok(FeatureTable(churn::subscription_features(&subscriptions.0.known_at(as_of), gap)?))
}

/// Labels the active customers of a cutoff. Returns `{customer_id, churned, cause}`, three columns.
#[wasm_bindgen(js_name = labelsSubscriptions)]
pub fn labels_of_subscriptions(subscriptions: &Subscriptions, options: &JsValue) -> Result<JsValue> {
    let mut options = Options::new(options)?;
    let cutoff =
        options.day("cutoff")?.ok_or_else(|| BindingError::parameter("cutoff is missing; expected YYYY-MM-DD"))?;
    let labels = churn::subscription_labels(&subscriptions.0, cutoff, &options.rest::<LabelConfig>()?)?;
    let churned: Vec<u8> = labels.churned.iter().map(|&churned| u8::from(churned)).collect();
    let table = Object::new();
    set(&table, "customer_id", &text_array(labels.customer_ids.iter().map(String::as_str)));
    set(&table, "churned", &Uint8Array::from(churned.as_slice()));
    set(&table, "cause", &results(&labels.causes)?);
    Ok(table.into())
}

/// Trains a model on subscriptions.
#[wasm_bindgen(js_name = trainSubscriptions)]
pub fn train_on_subscriptions(
    subscriptions: &Subscriptions,
    options: &JsValue,
    observe: &JsValue,
    usage: Option<Events>,
) -> Result<Model> {
    let config: TrainConfig = config(options, "options")?;
    let (watch, _guard) = JsObserver::start(observe, config.learning.time_budget.is_some())?;
    let mut input = churn::SubscriptionInput::from(&subscriptions.0);
    if let Some(usage) = &usage {
        input = input.with_usage(usage.log());
    }
    Ok(Model(churn::train_observed(input, &config, &watch)?))
}

/// Computes the movements of each month.
#[wasm_bindgen]
pub fn movements(subscriptions: &Subscriptions, options: &JsValue) -> Result<JsValue> {
    let mut options = Options::new(options)?;
    let gap = options.setting("allowed_gap_days")?.unwrap_or(ALLOWED_GAP_DAYS);
    options.end("allowed_gap_days")?;
    results(&churn::movements(&subscriptions.0, gap)?)
}

/// Computes the retention curves of all subscriptions, of each cohort or of each plan.
#[wasm_bindgen]
pub fn retention(subscriptions: &Subscriptions, options: &JsValue) -> Result<JsValue> {
    let mut options = Options::new(options)?;
    let by: RetentionBy = options.setting("by")?.unwrap_or_default();
    let gap = options.setting("allowed_gap_days")?.unwrap_or(ALLOWED_GAP_DAYS);
    options.end("by or allowed_gap_days")?;
    results(&churn::retention(&subscriptions.0, by, gap)?)
}

/// Computes the Kaplan-Meier estimate of durations.
#[wasm_bindgen(js_name = kaplanMeier)]
pub fn kaplan_meier(durations: &JsValue, ended: &JsValue) -> Result<JsValue> {
    results(&churn::kaplan_meier(&numbers(durations, "durations")?, &outcomes(ended, "ended")?)?)
}

/// Returns the report on a model and on subscriptions, as one self-contained HTML page.
#[wasm_bindgen(js_name = reportSubscriptions)]
pub fn report_on_subscriptions(
    model: &Model,
    subscriptions: &Subscriptions,
    options: &JsValue,
    usage: Option<Events>,
) -> Result<String> {
    let ReportOptions { config, as_of, allow } = ReportOptions::new(options)?;
    let mut input = churn::SubscriptionInput::from(&subscriptions.0).allow(&allow);
    if let Some(usage) = &usage {
        input = input.with_usage(usage.log());
    }
    Ok(model.0.report(input, as_of, &config)?)
}

#[wasm_bindgen]
impl Model {
    /// Computes the features of subscriptions as this model uses them.
    #[wasm_bindgen(js_name = featuresSubscriptions)]
    pub fn features_of_subscriptions(
        &self,
        subscriptions: &Subscriptions,
        options: &JsValue,
        usage: Option<Events>,
    ) -> Result<FeatureTable> {
        let (score_options, rest) = ScoreOptions::new(options)?;
        rest.end(SCORE_OPTIONS)?;
        let input = score_options.subscriptions(subscriptions, usage.as_ref());
        Ok(FeatureTable(self.0.features(input, score_options.as_of)?))
    }

    /// Predicts the risk of the active customers at the end of `as_of`, by default the last day of the data.
    #[wasm_bindgen(js_name = predictSubscriptions)]
    pub fn predict_subscriptions(
        &self,
        subscriptions: &Subscriptions,
        options: &JsValue,
        usage: Option<Events>,
    ) -> Result<Predictions> {
        Ok(Predictions(self.0.predict_features(&self.features_of_subscriptions(subscriptions, options, usage)?.0)?))
    }

    /// Explains the risk of every active customer.
    #[wasm_bindgen(js_name = explainSubscriptions)]
    pub fn explain_subscriptions(
        &self,
        subscriptions: &Subscriptions,
        options: &JsValue,
        usage: Option<Events>,
    ) -> Result<Explanation> {
        let (score_options, rest) = ScoreOptions::new(options)?;
        let config: ExplainConfig = rest.rest()?;
        let input = score_options.subscriptions(subscriptions, usage.as_ref());
        Ok(Explanation(self.0.explain_with(&self.0.features(input, score_options.as_of)?, &config)?))
    }

    /// Returns the active customers whose risk rose most since an earlier day.
    #[wasm_bindgen(js_name = slippingAwaySubscriptions)]
    pub fn slipping_away_of_subscriptions(
        &self,
        subscriptions: &Subscriptions,
        options: &JsValue,
        usage: Option<Events>,
    ) -> Result<JsValue> {
        let (score_options, rest) = ScoreOptions::new(options)?;
        let config: SlippingConfig = rest.rest()?;
        let input = score_options.subscriptions(subscriptions, usage.as_ref());
        results(&self.0.slipping_away(input, score_options.as_of, &config)?)
    }

    /// Predicts the risk of one customer of a subscription at the end of `as_of`, by default today (UTC).
    #[wasm_bindgen(js_name = predictSubscriber)]
    pub fn predict_subscriber(&self, subscriber: &JsValue, options: &JsValue) -> Result<JsValue> {
        let mut options = Options::new(options)?;
        let as_of = match options.day("as_of")? {
            Some(day) => day,
            None => today().parse()?,
        };
        options.end("as_of")?;
        let subscriber: Subscriber = config(subscriber, "subscriber")?;
        results(&self.0.predict_subscriber(&subscriber, as_of)?)
    }

    /// Returns the amount that each scored customer is expected to pay in the next months; NaN if unknown.
    #[wasm_bindgen(js_name = subscriptionValues)]
    pub fn subscription_values(
        &self,
        predictions: &Predictions,
        subscriptions: &Subscriptions,
        options: &JsValue,
    ) -> Result<Vec<f64>> {
        let mut options = Options::new(options)?;
        let months = options.setting("months")?.unwrap_or(MONTHS);
        options.end("months")?;
        let values = self.0.subscription_values(&predictions.0, &subscriptions.base_of(predictions)?, months)?;
        Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }
}

#[wasm_bindgen]
impl FeatureTable {
    /// The levels of each category in the order of their numbers, by the name of the column.
    #[wasm_bindgen(getter)]
    pub fn levels(&self) -> Result<JsValue> {
        let specs = self.0.specs().iter();
        let levels: BTreeMap<&str, &[String]> =
            specs.filter_map(|spec| Some((spec.name.as_str(), spec.levels.as_deref()?))).collect();
        results(&levels)
    }
}

#[wasm_bindgen]
impl Predictions {
    /// For each cause that the model knows, the probability of each customer to leave for it.
    #[wasm_bindgen(getter)]
    pub fn causes(&self) -> Result<JsValue> {
        let columns: Array = self
            .0
            .causes()
            .iter()
            .map(|(cause, p)| Array::of2(&cause.name().into(), &Float64Array::from(p.as_slice()).into()))
            .collect();
        Ok(Object::from_entries(&columns).map_err(|error| BindingError::thrown(&error))?.into())
    }

    /// Returns the ids of the customers who are more likely to leave because a payment fails than because they cancel;
    /// undefined if the model does not tell these causes apart.
    pub fn dunning(&self) -> JsValue {
        let Some(rows) = self.0.dunning() else { return JsValue::UNDEFINED };
        let ids: Vec<&str> = self.0.customer_ids().collect();
        text_array(rows.into_iter().map(|(row, _)| ids[row]))
    }
}
