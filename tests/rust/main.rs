//! All tests of this package in one program: linking the library, Arrow and Parquet once instead of twenty times is minutes less.
//! One file alone: `cargo test -p churn-tests explain::`.

mod api;
mod arrow;
mod auto;
mod backtest;
mod compatibility;
mod coverage;
mod evaluation;
mod explain;
mod files;
mod findings;
mod leaks;
mod many_levels;
mod money;
mod orders;
mod outliers;
mod peers;
mod properties;
mod prose;
mod quotes;
mod real_data;
mod reasons;
mod robustness;
mod stopping;
mod subscription_models;
mod subscriptions;
mod threads;
mod vectors;
mod weights;
mod what_if;
