//! churn for JavaScript. Each function converts its arguments, makes one call of the core, and converts the result. The
//! documentation of the `churn` crate explains the functions; `types.d.ts` describes their arguments and results.

mod convert;
pub mod error;
#[cfg(feature = "scoring")]
pub mod events;
#[cfg(feature = "scoring")]
pub mod explanation;
#[cfg(feature = "files")]
pub mod files;
#[cfg(feature = "scoring")]
pub mod model;
#[cfg(feature = "training")]
pub mod money;
#[cfg(feature = "scoring")]
pub mod segments;
#[cfg(any(feature = "training", feature = "files"))]
pub(crate) mod source;
#[cfg(feature = "subscriptions")]
pub mod subscriptions;
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
