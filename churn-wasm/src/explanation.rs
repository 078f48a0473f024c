//! Explanations: the contributions of the features, in numbers and in words.

use wasm_bindgen::prelude::*;

use crate::convert::{results, text_array};
use crate::error::Result;
use crate::model::checked_row;

/// Contributions of every feature to the margin of every customer.
#[wasm_bindgen]
pub struct Explanation(pub(crate) churn::Explanation);

#[wasm_bindgen]
impl Explanation {
    /// The number of customers.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> f64 {
        self.0.margin().len() as f64
    }

    /// The customer ids.
    #[wasm_bindgen(getter)]
    pub fn customer_ids(&self) -> JsValue {
        text_array(self.0.customer_ids())
    }

    /// The names of the features.
    #[wasm_bindgen(getter)]
    pub fn names(&self) -> JsValue {
        text_array(self.0.names())
    }

    /// The contributions, customers × features, row by row.
    #[wasm_bindgen(getter)]
    pub fn contributions(&self) -> Vec<f64> {
        self.0.contributions().iter().copied().collect()
    }

    /// The margin of a customer without any known feature.
    #[wasm_bindgen(getter)]
    pub fn base(&self) -> f64 {
        self.0.base()
    }

    /// The margin of each customer: base + the sum of the row.
    #[wasm_bindgen(getter)]
    pub fn margin(&self) -> Vec<f64> {
        self.0.margin().to_vec()
    }

    /// The calibrated probabilities that result from the margins.
    #[wasm_bindgen(getter)]
    pub fn churn_probability(&self) -> Vec<f64> {
        self.0.churn_probabilities().to_vec()
    }

    /// The unit of margin and contributions.
    #[wasm_bindgen(getter)]
    pub fn output(&self) -> Result<JsValue> {
        results(&self.0.output())
    }

    /// Returns the strongest reasons of a customer in words.
    pub fn reasons(&self, row: f64) -> Result<JsValue> {
        results(&self.0.reasons(checked_row(row, self.0.margin().len())?))
    }

    /// Returns the reasons of all customers, or of some rows. A reason that most of them share is returned only once.
    #[wasm_bindgen(js_name = listReasons)]
    pub fn list_reasons(&self, rows: Option<Vec<u32>>) -> Result<JsValue> {
        let count = self.0.margin().len();
        let rows: Result<Vec<usize>> = match rows {
            Some(rows) => rows.into_iter().map(|row| checked_row(f64::from(row), count)).collect(),
            None => Ok((0..count).collect()),
        };
        results(&self.0.list_reasons(&rows?))
    }

    /// Returns the features by the mean absolute value of their contributions.
    pub fn importance(&self) -> Result<JsValue> {
        results(&self.0.importance())
    }

    /// Returns the value and the contribution of a feature for each customer, two numbers each.
    pub fn dependence(&self, feature: &str) -> Result<Vec<f64>> {
        Ok(self.0.dependence(feature)?.into_iter().flat_map(|(value, adds)| [value, adds]).collect())
    }
}
