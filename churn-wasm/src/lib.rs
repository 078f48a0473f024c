//! churn for JavaScript. Every function converts, makes one call of the core, and converts; what it means stands in the
//! documentation of the `churn` crate, what it takes and gives in `types.d.ts`.

mod convert;
pub mod error;
pub mod events;
pub mod explanation;
pub mod model;
#[cfg(feature = "training")]
pub mod money;
pub mod segments;
#[cfg(feature = "training")]
pub(crate) mod source;
#[cfg(feature = "training")]
pub mod training;
#[cfg(feature = "training")]
mod watch;

use wasm_bindgen::prelude::*;

/// The version of the library.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
