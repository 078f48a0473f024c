//! Inputs that the build for scoring does not read: files, columns of outcomes, and the clock.

// The build of files alone reads no columns.
#![cfg_attr(not(feature = "training"), allow(dead_code))]

use std::io::{self, Read};

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::convert::numbers;
use crate::error::{BindingError, Result};

#[wasm_bindgen(module = "/src/convert.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = toOutcomes)]
    fn to_outcomes(value: &JsValue, name: &str) -> std::result::Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(catch, js_name = readBlob)]
    fn read_blob(blob: &JsValue, from: f64, to: f64) -> std::result::Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(js_name = sourceKind)]
    fn source_kind(source: &JsValue) -> String;
    #[wasm_bindgen(catch, js_name = toBytes)]
    fn to_bytes(source: &JsValue) -> std::result::Result<Uint8Array, JsValue>;
    #[wasm_bindgen(catch, js_name = toTexts)]
    fn to_texts(value: &JsValue, name: &str) -> std::result::Result<Array, JsValue>;
    pub(crate) fn now() -> f64;
}

/// Reads an optional column of numbers.
pub(crate) fn optional_numbers(value: &JsValue, name: &str) -> Result<Option<Vec<f64>>> {
    match value.is_null() || value.is_undefined() {
        true => Ok(None),
        false => numbers(value, name).map(Some),
    }
}

/// Reads a column of outcomes: booleans, or 1 and 0.
pub(crate) fn outcomes(value: &JsValue, name: &str) -> Result<Vec<bool>> {
    let bytes = to_outcomes(value, name).map_err(|error| BindingError::thrown(&error))?;
    Ok(bytes.into_iter().map(|byte| byte == 1).collect())
}

/// Reads a column of texts.
pub(crate) fn texts(value: &JsValue, name: &str) -> Result<Vec<String>> {
    let array = to_texts(value, name).map_err(|error| BindingError::thrown(&error))?;
    Ok(array.iter().map(|item| item.as_string().unwrap_or_default()).collect())
}

/// Text, bytes, or (in a worker) a Blob. A Blob is read in pieces, so that a file is never held in memory as a whole.
pub(crate) enum Source {
    Text(io::Cursor<Vec<u8>>),
    Bytes { bytes: Uint8Array, at: u32 },
    Blob { blob: JsValue, at: f64, size: f64, piece: io::Cursor<Vec<u8>> },
}

impl Source {
    pub(crate) fn new(source: &JsValue) -> Result<Self> {
        match source_kind(source).as_str() {
            "text" => Ok(Source::Text(io::Cursor::new(source.as_string().unwrap_or_default().into_bytes()))),
            "bytes" => {
                let bytes = to_bytes(source).map_err(|error| BindingError::thrown(&error))?;
                Ok(Source::Bytes { bytes, at: 0 })
            }
            "blob" => {
                let size = js_sys::Reflect::get(source, &"size".into()).ok().and_then(|size| size.as_f64());
                let piece = io::Cursor::new(Vec::new());
                Ok(Source::Blob { blob: source.clone(), at: 0.0, size: size.unwrap_or(0.0), piece })
            }
            found => Err(BindingError::parameter(format!("the source is {found}; expected text, bytes or a file"))),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        /// Bytes of a file that are read at once.
        const PIECE: f64 = 4_194_304.0;
        match self {
            Source::Text(text) => text.read(buffer),
            Source::Bytes { bytes, at } => {
                // An observer can detach the bytes, or shrink their buffer.
                let left =
                    bytes.length().checked_sub(*at).ok_or_else(|| io::Error::other("the bytes were taken away"))?;
                let count = left.min(u32::try_from(buffer.len()).unwrap_or(u32::MAX));
                bytes.subarray(*at, *at + count).copy_to(&mut buffer[..count as usize]);
                *at += count;
                Ok(count as usize)
            }
            Source::Blob { blob, at, size, piece } => {
                if piece.position() as usize == piece.get_ref().len() && *at < *size {
                    let to = (*at + PIECE).min(*size);
                    let bytes = read_blob(blob, *at, to).map_err(|_| io::Error::other("the file cannot be read"))?;
                    (*at, *piece) = (to, io::Cursor::new(bytes));
                }
                piece.read(buffer)
            }
        }
    }
}
