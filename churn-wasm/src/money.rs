//! Profit of contacting customers.

use churn::profit::{self, Campaign, Costs, CustomerCosts};
use js_sys::Array;
use wasm_bindgen::prelude::*;

use crate::convert::{config, numbers, results};
use crate::error::{BindingError, Result};
use crate::source::{optional_numbers, outcomes, texts};

#[wasm_bindgen(module = "/src/convert.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = splitCosts)]
    fn split_costs(costs: &JsValue) -> std::result::Result<Array, JsValue>;
}

/// Computes the expected profit of contacting a customer.
#[wasm_bindgen(js_name = profitExpectedProfit)]
pub fn expected_profit(probability: f64, value: f64, options: &JsValue) -> Result<f64> {
    Ok(config::<Campaign>(options, "options")?.expected_profit(probability, value)?)
}

/// Returns the probability above which contacting a customer pays off; null if it never does.
#[wasm_bindgen(js_name = profitThreshold)]
pub fn threshold(options: &JsValue) -> Result<JsValue> {
    results(&config::<Campaign>(options, "options")?.threshold()?)
}

/// Computes the expected maximum profit measure.
#[wasm_bindgen(js_name = profitEmpc)]
pub fn empc(churned: &JsValue, probabilities: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (churned, p) = (outcomes(churned, "churned")?, numbers(probabilities, "probabilities")?);
    results(&profit::empc(&churned, &p, &config(options, "options")?)?)
}

/// Computes the maximum profit measure.
#[wasm_bindgen(js_name = profitMpc)]
pub fn mpc(churned: &JsValue, probabilities: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (churned, p) = (outcomes(churned, "churned")?, numbers(probabilities, "probabilities")?);
    results(&profit::mpc(&churned, &p, &config(options, "options")?)?)
}

/// A cost for all customers, or one for each.
enum Given {
    Same(f64),
    Each(Vec<f64>),
}

/// The four kinds of cost.
struct Matrices([Given; 4]);

impl Matrices {
    fn new(costs: &JsValue) -> Result<Matrices> {
        let given = split_costs(costs).map_err(|error| BindingError::thrown(&error))?;
        let one = |at: u32, name: &str| {
            let cost = given.get(at);
            cost.as_f64().map_or_else(|| numbers(&cost, name).map(Given::Each), |cost| Ok(Given::Same(cost)))
        };
        Ok(Matrices([one(0, "tp_cost")?, one(1, "fp_cost")?, one(2, "tn_cost")?, one(3, "fn_cost")?]))
    }

    fn costs(&self) -> CustomerCosts<'_> {
        let [tp_cost, fp_cost, tn_cost, fn_cost] = self.0.each_ref().map(|given| match given {
            Given::Same(cost) => Costs::Same(*cost),
            Given::Each(costs) => Costs::Each(costs),
        });
        CustomerCosts { tp_cost, fp_cost, tn_cost, fn_cost }
    }
}

/// Computes the share of the cost that a model saves where every customer has costs of their own.
#[wasm_bindgen(js_name = profitSavings)]
pub fn savings(churned: &JsValue, probabilities: &JsValue, costs: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (churned, p) = (outcomes(churned, "churned")?, numbers(probabilities, "probabilities")?);
    results(&profit::savings(&churned, &p, &Matrices::new(costs)?.costs(), &config(options, "options")?)?)
}

/// Computes the probability above which contacting costs less than not contacting, for each customer.
#[wasm_bindgen(js_name = profitCostThresholds)]
pub fn cost_thresholds(costs: &JsValue) -> Result<Vec<f64>> {
    Ok(profit::cost_thresholds(&Matrices::new(costs)?.costs())?)
}

/// Computes the profit that contacting would have earned, by the share of customers contacted.
#[wasm_bindgen(js_name = profitCurve)]
pub fn curve(churned: &JsValue, probabilities: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (churned, p) = (outcomes(churned, "churned")?, numbers(probabilities, "probabilities")?);
    results(&profit::curve(&churned, &p, &config(options, "options")?)?)
}

/// Computes the expected profit of contacting, by the share of customers contacted.
#[wasm_bindgen(js_name = profitExpectedCurve)]
pub fn expected_curve(probabilities: &JsValue, values: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (p, values) = (numbers(probabilities, "probabilities")?, optional_numbers(values, "values")?);
    results(&profit::expected_curve(&p, values.as_deref(), &config(options, "options")?)?)
}

/// Chooses the customers to contact within a budget.
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

/// Compares the retention of contacted customers with that of the control group.
#[wasm_bindgen(js_name = profitCampaignOutcome)]
pub fn campaign_outcome(contacted: &JsValue, churned: &JsValue, options: &JsValue) -> Result<JsValue> {
    let (contacted, churned) = (outcomes(contacted, "contacted")?, outcomes(churned, "churned")?);
    results(&profit::campaign_outcome(&contacted, &churned, &config(options, "options")?)?)
}
