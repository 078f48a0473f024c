//! What each feature adds, in numbers and in words.

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

    /// The customers.
    #[wasm_bindgen(getter)]
    pub fn customer_ids(&self) -> JsValue {
        text_array(self.0.customer_ids())
    }

    /// The features.
    #[wasm_bindgen(getter)]
    pub fn names(&self) -> JsValue {
        text_array(self.0.names())
    }

    /// Customers × features, row by row.
    #[wasm_bindgen(getter)]
    pub fn contributions(&self) -> Vec<f64> {
        self.0.contributions().iter().copied().collect()
    }

    /// The margin where nothing is known of the customer.
    #[wasm_bindgen(getter)]
    pub fn base(&self) -> f64 {
        self.0.base()
    }

    /// base + the sum of the row.
    #[wasm_bindgen(getter)]
    pub fn margin(&self) -> Vec<f64> {
        self.0.margin().to_vec()
    }

    /// The calibrated probabilities that the margins lead to.
    #[wasm_bindgen(getter)]
    pub fn churn_probability(&self) -> Vec<f64> {
        self.0.churn_probabilities().to_vec()
    }

    /// What margin and contributions are measured in.
    #[wasm_bindgen(getter)]
    pub fn output(&self) -> Result<JsValue> {
        results(&self.0.output())
    }

    /// The strongest reasons of a customer in words.
    pub fn reasons(&self, row: f64) -> Result<JsValue> {
        results(&self.0.reasons(checked_row(row, self.0.margin().len())?))
    }

    /// The reasons of a list of customers, in which one that most share is said once; all customers, or those of some rows.
    #[wasm_bindgen(js_name = listReasons)]
    pub fn list_reasons(&self, rows: Option<Vec<u32>>) -> Result<JsValue> {
        let count = self.0.margin().len();
        let rows: Result<Vec<usize>> = match rows {
            Some(rows) => rows.into_iter().map(|row| checked_row(f64::from(row), count)).collect(),
            None => Ok((0..count).collect()),
        };
        results(&self.0.list_reasons(&rows?))
    }

    /// The features by the mean size of their contributions.
    pub fn importance(&self) -> Result<JsValue> {
        results(&self.0.importance())
    }

    /// The value of a feature and what it adds, customer by customer, two numbers each.
    pub fn dependence(&self, feature: &str) -> Result<Vec<f64>> {
        Ok(self.0.dependence(feature)?.into_iter().flat_map(|(value, adds)| [value, adds]).collect())
    }
}
