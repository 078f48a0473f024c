//! Code that the examples share. The examples are beside this file. Run one with `cargo run --release --example NAME`.

pub mod data;
