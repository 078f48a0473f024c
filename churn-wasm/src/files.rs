//! Detection of the form of a file, and its text in UTF-8.

use std::io::Read;

use churn::ReadOptions;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::convert::{config, results};
use crate::error::{BindingError, Result};
use crate::source::Source;

/// Bytes of a text that are passed on at once.
const PIECE: usize = 1 << 20;
/// Largest size of a text in bytes, and of the parts of a spreadsheet.
const MOST_BYTES: u64 = 2 << 30;

#[wasm_bindgen(module = "/src/convert.js")]
extern "C" {
    /// A Blob if the source is one, otherwise bytes.
    #[wasm_bindgen(catch)]
    fn joined(parts: &Array, source: &JsValue) -> std::result::Result<JsValue, JsValue>;
}

/// Finds the options for reading a file from its text, its bytes or, in a Web Worker, a `File`.
#[wasm_bindgen]
pub fn detect(source: &JsValue, options: &JsValue) -> Result<JsValue> {
    let given: ReadOptions = config(options, "options")?;
    results(&churn::detect(Source::new(source)?, &given)?)
}

/// Returns the text of a file as UTF-8: the source itself if it is such a text.
#[wasm_bindgen(js_name = decodedText)]
pub fn decoded_text(source: &JsValue, encoding: Option<String>) -> Result<JsValue> {
    if source.is_string() {
        return Ok(source.clone());
    }
    let mut text = churn::decoded_text(Source::new(source)?, encoding.as_deref(), MOST_BYTES)?;
    if text.is_verbatim() {
        return Ok(source.clone());
    }
    let parts = Array::new();
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        text.by_ref().take(PIECE as u64).read_to_end(&mut piece).map_err(churn::Error::from)?;
        if piece.is_empty() {
            return joined(&parts, source).map_err(|error| BindingError::thrown(&error));
        }
        parts.push(&Uint8Array::from(&piece[..]));
    }
}
