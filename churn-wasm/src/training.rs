//! Training, evaluation and reports.

use churn::report::{Report, ReportConfig};
use churn::{
    BacktestConfig, CompareConfig, CutoffPredictions, EvaluationConfig, Input, TableConfig, Thresholds, TrainConfig,
};
use js_sys::{Array, Float64Array, Object, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::convert::{Options, config, numbers, results, table, text_array};
use crate::error::{BindingError, Result};
use crate::events::{Events, set};
use crate::model::Model;
use crate::source::outcomes;
use crate::watch::JsObserver;

/// Trains a model on a log of events.
#[wasm_bindgen]
pub fn train(events: &Events, options: &JsValue, observe: &JsValue) -> Result<Model> {
    let config: TrainConfig = config(options, "options")?;
    let (watch, _guard) = JsObserver::start(observe, config.learning.time_budget.is_some())?;
    Ok(Model(churn::train_observed(events.log(), &config, &watch)?))
}

/// Trains a model on a table with one row per customer.
#[wasm_bindgen(js_name = trainTable)]
pub fn train_table(rows: &JsValue, options: &JsValue, observe: &JsValue) -> Result<Model> {
    let config: TableConfig = config(options, "options")?;
    let (watch, _guard) = JsObserver::start(observe, config.learning.time_budget.is_some())?;
    Ok(Model(churn::train_table_observed(&table(rows)?, &config, &watch)?))
}

/// Judges a recipe at many cutoffs. The predictions, if they are asked for, are columns with a row per customer and cutoff.
#[wasm_bindgen]
pub fn backtest(events: &Events, options: &JsValue, observe: &JsValue) -> Result<JsValue> {
    let config: BacktestConfig = config(options, "options")?;
    let mut recipes = std::iter::once(&config.training).chain(config.against.values());
    let (watch, _guard) = JsObserver::start(observe, recipes.any(|recipe| recipe.learning.time_budget.is_some()))?;
    let found = churn::backtest_observed(events.log(), &config, &watch)?;
    let result = results(&found)?;
    if let Some(predictions) = &found.predictions {
        set(&result, "predictions", &prediction_columns(predictions)?);
    }
    Ok(result)
}

/// The predictions of all cutoffs, one cutoff after the other.
fn prediction_columns(cutoffs: &[CutoffPredictions]) -> Result<JsValue> {
    let (mut days, mut ids) = (Array::new(), Array::new());
    let mut churned: Vec<u8> = Vec::new();
    for of in cutoffs {
        let day = Array::new_with_length(of.customer_ids.len() as u32);
        days = days.concat(&day.fill(&of.cutoff.to_string().into(), 0, day.length()));
        ids = ids.concat(text_array(of.customer_ids.iter().map(String::as_str)).unchecked_ref::<Array>());
        churned.extend(of.churned.iter().map(|&churned| u8::from(churned)));
    }
    let numbers = |of: &dyn Fn(&CutoffPredictions) -> Vec<f64>| -> JsValue {
        Float64Array::from(cutoffs.iter().flat_map(of).collect::<Vec<f64>>().as_slice()).into()
    };
    let names = cutoffs.iter().take(1).flat_map(|of| of.against.keys());
    let against: Array = names.map(|name| Array::of2(&name.into(), &numbers(&|of| of.against[name].clone()))).collect();
    let columns = Object::new();
    set(&columns, "cutoff", &days);
    set(&columns, "customer_id", &ids);
    set(&columns, "churned", &Uint8Array::from(churned.as_slice()));
    set(&columns, "churn_probability", &numbers(&|of| of.churn_probability.clone()));
    // Entries, because setting a key of the name `__proto__` does something else.
    let against = Object::from_entries(&against).map_err(|error| BindingError::thrown(&error))?;
    set(&columns, "against", &against);
    Ok(columns.into())
}

/// Evaluates probabilities against the outcomes.
#[wasm_bindgen]
pub fn evaluate(churned: &JsValue, probabilities: &JsValue, options: &JsValue) -> Result<JsValue> {
    let config: EvaluationConfig = config(options, "options")?;
    results(&churn::evaluate(&outcomes(churned, "churned")?, &numbers(probabilities, "probabilities")?, &config)?)
}

/// Computes the evaluation curves of probabilities and outcomes.
#[wasm_bindgen]
pub fn curves(churned: &JsValue, probabilities: &JsValue, options: &JsValue) -> Result<JsValue> {
    let config: EvaluationConfig = config(options, "options")?;
    results(&churn::curves(&outcomes(churned, "churned")?, &numbers(probabilities, "probabilities")?, &config)?)
}

/// Compares the probabilities of two models for the same customers.
#[wasm_bindgen]
pub fn compare(churned: &JsValue, a: &JsValue, b: &JsValue, options: &JsValue) -> Result<JsValue> {
    let config: CompareConfig = config(options, "options")?;
    results(&churn::compare(&outcomes(churned, "churned")?, &numbers(a, "a")?, &numbers(b, "b")?, &config)?)
}

/// Compares two models on a log, at the last cutoff whose outcome the log contains.
#[wasm_bindgen(js_name = compareModels)]
pub fn compare_models(a: &Model, b: &Model, events: &Events, options: &JsValue) -> Result<JsValue> {
    let config: CompareConfig = config(options, "options")?;
    results(&churn::compare_models(&a.0, &b.0, events.log(), &config)?)
}

/// Checks a log against a definition of churn. Returns the findings, worst first.
#[wasm_bindgen]
pub fn check(events: &Events, options: &JsValue) -> Result<JsValue> {
    let definition: churn::LabelConfig = config(options, "options")?;
    results(&churn::check(events.log(), &definition)?)
}

/// Proposes settings from the pauses between events.
#[wasm_bindgen]
pub fn suggest(events: &Events) -> Result<JsValue> {
    results(&churn::suggest(events.log())?)
}

/// Returns all codes of findings, with severity and meaning.
#[wasm_bindgen(js_name = findingCodes)]
pub fn finding_codes() -> Result<JsValue> {
    results(&churn::finding_codes())
}

/// Returns the four risk bands, each with its observed churn rate.
#[wasm_bindgen(js_name = segmentTable)]
pub fn segment_table(churned: &JsValue, probabilities: &JsValue, thresholds: &JsValue) -> Result<JsValue> {
    let thresholds: Thresholds = config(thresholds, "thresholds")?;
    let (churned, p) = (outcomes(churned, "churned")?, numbers(probabilities, "probabilities")?);
    results(&churn::segment_table(&churned, &p, &thresholds)?)
}

/// Options of a report.
pub(crate) struct ReportOptions {
    pub(crate) config: ReportConfig,
    pub(crate) as_of: Option<churn::Day>,
    pub(crate) allow: Vec<String>,
}

impl ReportOptions {
    pub(crate) fn new(options: &JsValue) -> Result<Self> {
        let mut options = Options::new(options)?;
        let default = ReportConfig::default();
        let config = ReportConfig {
            title: options.text("title")?.unwrap_or(default.title),
            source: options.text("source")?,
            event: options.text("event")?,
        };
        let as_of = options.day("as_of")?;
        let allow = options.setting("allow")?.unwrap_or_default();
        options.end("title, source, as_of, event or allow")?;
        Ok(ReportOptions { config, as_of, allow })
    }
}

/// Returns the report on a model and on the customers of a log, as one self-contained HTML page.
#[wasm_bindgen]
pub fn report(model: &Model, events: &Events, options: &JsValue) -> Result<String> {
    let ReportOptions { config, as_of, allow } = ReportOptions::new(options)?;
    Ok(model.0.report(Input::from(events.log()).allow(&allow), as_of, &config)?)
}

/// Returns the report on a model alone.
#[wasm_bindgen(js_name = modelReport)]
pub fn model_report(model: &Model, options: &JsValue) -> Result<String> {
    let ReportOptions { config, .. } = ReportOptions::new(options)?;
    let mut report = Report::new(&config.title, &model.0);
    report.source = config.source.as_deref();
    Ok(report.to_html()?)
}
