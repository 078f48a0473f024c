//! Risk bands.

use churn::Thresholds;
use wasm_bindgen::prelude::*;

use crate::convert::config;
use crate::error::Result;

/// Returns the risk band of a probability.
#[wasm_bindgen]
pub fn segment(probability: f64, thresholds: &JsValue) -> Result<String> {
    let thresholds: Thresholds = config(thresholds, "thresholds")?;
    Ok(thresholds.segment(probability)?.name().to_owned())
}
