//! Training, evaluation and reports.

use churn::report::Report;
use churn::{CompareConfig, EvaluationConfig, ExplainConfig, Input, TableConfig, Thresholds, TrainConfig};
use wasm_bindgen::prelude::*;

use crate::convert::{Options, config, numbers, results, table};
use crate::error::Result;
use crate::events::Events;
use crate::model::Model;
use crate::source::outcomes;
use crate::watch::JsObserver;

/// Trains a model on a log of events.
#[wasm_bindgen]
pub fn train(events: &Events, options: &JsValue, observe: &JsValue) -> Result<Model> {
    let config: TrainConfig = config(options, "options")?;
    let (watch, _guard) = JsObserver::start(observe, config.learning.time_budget.is_some())?;
    Ok(Model(churn::train_observed(&events.0, &config, &watch)?))
}

/// Trains a model on a table with one row per customer.
#[wasm_bindgen(js_name = trainTable)]
pub fn train_table(rows: &JsValue, options: &JsValue, observe: &JsValue) -> Result<Model> {
    let config: TableConfig = config(options, "options")?;
    let (watch, _guard) = JsObserver::start(observe, config.learning.time_budget.is_some())?;
    Ok(Model(churn::train_table_observed(&table(rows)?, &config, &watch)?))
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
    results(&churn::compare_models(&a.0, &b.0, &events.0, &config)?)
}

/// Checks a log against a definition of churn. Returns the findings, worst first.
#[wasm_bindgen]
pub fn check(events: &Events, options: &JsValue) -> Result<JsValue> {
    let definition: churn::LabelConfig = config(options, "options")?;
    results(&churn::check(&events.0, &definition)?)
}

/// Proposes settings from the pauses between events.
#[wasm_bindgen]
pub fn suggest(events: &Events) -> Result<JsValue> {
    results(&churn::suggest(&events.0)?)
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

struct ReportOptions {
    title: String,
    source: Option<String>,
    as_of: Option<churn::Day>,
    event: String,
    allow: Vec<String>,
}

impl ReportOptions {
    fn new(options: &JsValue) -> Result<Self> {
        let mut options = Options::new(options)?;
        let title = options.text("title")?.unwrap_or_else(|| "Churn report".to_owned());
        let (source, as_of) = (options.text("source")?, options.day("as_of")?);
        let event = options.text("event")?.unwrap_or_else(|| "event".to_owned());
        let allow = options.setting("allow")?.unwrap_or_default();
        options.end("title, source, as_of, event or allow")?;
        Ok(ReportOptions { title, source, as_of, event, allow })
    }
}

/// Returns the report on a model and on the customers of a log, as one self-contained HTML page.
#[wasm_bindgen]
pub fn report(model: &Model, events: &Events, options: &JsValue) -> Result<String> {
    let ReportOptions { title, source, as_of, event, allow } = ReportOptions::new(options)?;
    let words = ExplainConfig { event, ..ExplainConfig::default() };
    let features = model.0.features(Input::from(&events.0).allow(&allow), as_of)?;
    let predictions = model.0.predict_features(&features)?;
    let mut report = Report::new(&title, &model.0);
    report.source = source.as_deref();
    report.events = Some(&events.0);
    report.predictions = Some(&predictions);
    report.reasons = Some((&features, &words));
    Ok(report.to_html())
}

/// Returns the report on a model alone.
#[wasm_bindgen(js_name = modelReport)]
pub fn model_report(model: &Model, options: &JsValue) -> Result<String> {
    let ReportOptions { title, source, .. } = ReportOptions::new(options)?;
    let mut report = Report::new(&title, &model.0);
    report.source = source.as_deref();
    Ok(report.to_html())
}
