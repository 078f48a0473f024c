//! Logistic regression: its columns, the limits beyond which their values are cut off, and Newton's method.

mod design;
mod fence;
mod link;
mod logistic;
mod newton;

pub(super) use fence::Fence;
pub(super) use newton::Problem;
