//! Trees: features as small integers, histograms of sums over rows, the best split of a histogram, and the two learners that
//! grow trees by them, forest and boosting.

mod bins;
mod boosting;
mod forest;
mod gain;
mod gradients;
mod grow;
mod growth;
mod histogram;

pub(super) use bins::{Binned, bin};
pub(super) use boosting::{Booster, Sampling};
pub(super) use forest::{CustomerIndex, ForestParameters, fit as fit_forest};
pub(super) use growth::Growth;
