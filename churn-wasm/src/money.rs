//! What contacting customers is worth.

use churn::profit::{self, Campaign};
use wasm_bindgen::prelude::*;

use crate::convert::{config, numbers, results};
use crate::error::Result;
use crate::source::{optional_numbers, outcomes, texts};

/// What contacting a customer is expected to earn.
#[wasm_bindgen(js_name = profitExpectedProfit)]
pub fn expected_profit(probability: f64, value: f64, options: &JsValue) -> Result<f64> {
    Ok(config::<Campaign>(options, "options")?.expected_profit(probability, value)?)
}

/// The probability above which contacting a customer pays; null where it never does.
#[wasm_bindgen(js_name = profitThreshold)]
pub fn threshold(options: &JsValue) -> Result<JsValue> {
    results(&config::<Campaign>(options, "options")?.threshold()?)
}

/// The expected maximum profit measure.
#[wasm_bindgen(js_name = profitEmpc)]
pub fn empc(churned: &JsValue, probabilities: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (churned, p) = (outcomes(churned, "churned")?, numbers(probabilities, "probabilities")?);
    results(&profit::empc(&churned, &p, &config(options, "options")?)?)
}

/// The maximum profit measure.
#[wasm_bindgen(js_name = profitMpc)]
pub fn mpc(churned: &JsValue, probabilities: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (churned, p) = (outcomes(churned, "churned")?, numbers(probabilities, "probabilities")?);
    results(&profit::mpc(&churned, &p, &config(options, "options")?)?)
}

/// Profit by the share of customers contacted, as it would have been.
#[wasm_bindgen(js_name = profitCurve)]
pub fn curve(churned: &JsValue, probabilities: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (churned, p) = (outcomes(churned, "churned")?, numbers(probabilities, "probabilities")?);
    results(&profit::curve(&churned, &p, &config(options, "options")?)?)
}

/// Profit by the share of customers contacted, as it is expected.
#[wasm_bindgen(js_name = profitExpectedCurve)]
pub fn expected_curve(probabilities: &JsValue, values: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (p, values) = (numbers(probabilities, "probabilities")?, optional_numbers(values, "values")?);
    results(&profit::expected_curve(&p, values.as_deref(), &config(options, "options")?)?)
}

/// Whom to contact within a budget.
#[wasm_bindgen(js_name = profitContactList)]
pub fn contact_list(
    customer_ids: &JsValue,
    probabilities: &JsValue,
    values: &JsValue,
    options: &JsValue,
) -> Result<JsValue> {
    let ids = texts(customer_ids, "customer_ids")?;
    let (p, values) = (numbers(probabilities, "probabilities")?, optional_numbers(values, "values")?);
    let ids = ids.iter().map(String::as_str);
    results(&profit::contact_list(ids, &p, values.as_deref(), &config(options, "options")?)?)
}

/// What a campaign changed.
#[wasm_bindgen(js_name = profitCampaignOutcome)]
pub fn campaign_outcome(contacted: &JsValue, churned: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (contacted, churned) = (outcomes(contacted, "contacted")?, outcomes(churned, "churned")?);
    results(&profit::campaign_outcome(&contacted, &churned, &config(options, "options")?)?)
}
