//! Churn prediction as a service: upload, features, training and prediction for many organizations behind one REST API.

pub mod auth;
pub mod bodies;
pub mod comparison;
pub mod config;
pub mod cpu;
pub mod dashboard;
pub mod data;
pub mod error;
pub mod extract;
pub mod files;
pub mod installation;
pub mod jobs;
pub mod listen;
pub mod multipart;
pub mod pages;
mod private;
pub mod routes;
pub mod serving;
pub mod shares;
pub mod state;
pub mod storage;
pub mod store;
pub mod sweep;
pub mod time;
pub mod waiting;
