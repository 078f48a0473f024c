//! Ownership of files on every kind of storage, databases of earlier versions, and reports of a storage that fails.
#![allow(missing_docs, reason = "tests")]

#[path = "../api/databases.rs"]
#[allow(dead_code, reason = "these tests open databases by their address")]
mod databases;
mod migration;
mod ownership;
mod places;
mod readiness;
#[path = "../standin/s3.rs"]
mod s3_standin;
#[path = "../standin/mod.rs"]
mod standin;
