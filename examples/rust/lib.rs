//! What the examples share; they stand beside this file. Run one with `cargo run --release --example NAME`.

pub mod data;
