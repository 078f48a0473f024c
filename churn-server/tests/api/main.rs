//! The API, asked in memory.
#![allow(missing_docs, reason = "tests")]

mod auth;
mod backtests;
mod bodies;
mod bulk;
mod databases;
mod datasets;
mod deletion;
mod detected;
mod errors;
mod findings;
mod forms;
mod organizations;
#[macro_use]
mod queue;
mod serving;
#[path = "../standin/mod.rs"]
mod standin;
mod subscriptions;
mod support;
mod turns;
mod waits;
mod work;
