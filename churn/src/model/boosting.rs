//! Gradient boosting on the log-loss with Newton steps (Friedman 2001; Chen and Guestrin 2016): each round fits a tree to
//! the gradients at the margins so far and adds it, shrunk by the learning rate.

use super::TrainingSet;
use super::bins::BinnedColumn;
use super::sigmoid;
use super::tree::{Gradients, Growth, Tree, grow};
use crate::parallel;
use crate::random::Random;

/// Boosting in progress: the margins of all rows of the data set, those that are held out included.
pub(crate) struct Booster<'a> {
    set: TrainingSet<'a>,
    growth: Growth,
    learning_rate: f64,
    pub(crate) base: f64,
    pub(crate) margins: Vec<f64>,
    pub(crate) trees: Vec<Tree>,
}

impl<'a> Booster<'a> {
    pub(crate) fn new(set: TrainingSet<'a>, growth: Growth, learning_rate: f64) -> Self {
        let base = super::logit(set.rate());
        Booster { margins: vec![base; set.y.len()], set, growth, learning_rate, base, trees: Vec::new() }
    }

    /// Adds a tree.
    pub(crate) fn round(&mut self) {
        let mut pairs = vec![(0.0, 0.0); self.set.y.len()];
        for &row in self.set.rows {
            let row = row as usize;
            let p = sigmoid(self.margins[row]);
            let weight = self.set.weight(row as u32);
            pairs[row] = (weight * (f64::from(u8::from(self.set.y[row])) - p), weight * p * (1.0 - p));
        }
        let mut rows = self.set.rows.to_vec();
        // No features are drawn, so the generator is never asked.
        let mut tree = grow(self.set.columns, &Gradients::new(&pairs), &self.growth, &mut rows, &mut Random::new(0, 0));
        for node in &mut tree.nodes {
            node.value *= self.learning_rate;
        }
        add(&mut self.margins, &tree, self.set.columns);
        self.trees.push(tree);
    }
}

/// Adds a tree's values to the margins of all rows.
fn add(margins: &mut [f64], tree: &Tree, columns: &[BinnedColumn]) {
    const ROWS: usize = 8192;
    let blocks = parallel::map(margins.len().div_ceil(ROWS), |block| {
        let rows = block * ROWS..((block + 1) * ROWS).min(margins.len());
        let mut values = Vec::with_capacity(rows.len());
        tree.values_at(columns, rows, &[usize::MAX], |_, _, value| values.push(value));
        values
    });
    for (margins, values) in margins.chunks_mut(ROWS).zip(blocks) {
        margins.iter_mut().zip(values).for_each(|(margin, value)| *margin += value);
    }
}
