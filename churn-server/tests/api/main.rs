//! The API, asked in memory.
#![allow(missing_docs, reason = "tests")]

mod auth;
mod bulk;
mod databases;
mod datasets;
mod deletion;
mod errors;
mod organizations;
mod queue;
mod serving;
mod support;
mod work;
