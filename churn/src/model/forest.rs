//! Random forest: trees on bootstrap samples with features drawn at each split; the score is the mean of their rates.
//!
//! Breiman 2001, with probability trees (each leaf its churn rate). A tree depends on the seed and its number only.

use super::TrainingSet;
use super::tree::{Gradients, Growth, Tree, grow};
use crate::error::Result;
use crate::parallel;
use crate::progress::{Observer, step};
use crate::random::Random;

pub(crate) struct ForestParameters {
    pub(crate) trees: usize,
    pub(crate) growth: Growth,
    pub(crate) seed: u64,
}

/// Trees handed out between two words to the observer.
const BATCH: usize = 8;

pub(crate) fn fit(set: &TrainingSet<'_>, parameters: &ForestParameters, observer: &dyn Observer) -> Result<Vec<Tree>> {
    let mut trees = Vec::with_capacity(parameters.trees);
    while trees.len() < parameters.trees {
        step(observer, "trees", trees.len(), parameters.trees)?;
        let from = trees.len();
        let batch = BATCH.min(parameters.trees - from);
        trees.extend(parallel::map(batch, |i| tree(set, parameters, (from + i) as u64)));
    }
    Ok(trees)
}

fn tree(set: &TrainingSet<'_>, parameters: &ForestParameters, number: u64) -> Tree {
    let mut random = Random::new(parameters.seed, number);
    let mut draws = vec![0u32; set.y.len()];
    for _ in 0..set.rows.len() {
        draws[set.rows[random.below(set.rows.len())] as usize] += 1;
    }
    let pairs: Vec<(f64, f64)> = (0..set.y.len())
        .map(|row| {
            let weight = f64::from(draws[row]) * set.weight(row as u32);
            (weight * f64::from(u8::from(set.y[row])), weight)
        })
        .collect();
    let mut rows: Vec<u32> = set.rows.iter().copied().filter(|&row| draws[row as usize] > 0).collect();
    grow(set.columns, &Gradients::new(&pairs), &parameters.growth, &mut rows, &mut random)
}
