//! Gradient boosting of the log-loss with Newton steps (Friedman 2001; Chen and Guestrin 2016). Each round fits a tree to the
//! gradients at the current margins and adds it, shrunk by the learning rate.

use super::gradients::{self, Gradient, Units};
use super::grow::{GrownTree, RowBlock, blocks, grow};
use super::growth::Growth;
use crate::learn::rows::TrainingSet;
use crate::model::tree::Tree;
use crate::parallel;
use crate::random::{Random, mix};

/// The parts of the data that each tree is grown on, drawn anew for each (Friedman, "Stochastic gradient boosting", 2002).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    /// The share of the rows, above 0 and at most 1.
    pub(crate) rows: f64,
    /// The share of the features, above 0 and at most 1; at least one feature is drawn.
    pub(crate) columns: f64,
    pub(crate) seed: u64,
}

impl Sampling {
    /// For each feature, true if the tree of this round may split by it.
    fn columns(&self, width: usize, round: usize) -> Vec<bool> {
        let count = (self.columns * width as f64).ceil() as usize;
        let mut order: Vec<usize> = (0..width).collect();
        if count < width {
            Random::new(self.seed, COLUMNS ^ round as u64).shuffle(&mut order);
        }
        let mut drawn = vec![false; width];
        order[..count.min(width)].iter().for_each(|&feature| drawn[feature] = true);
        drawn
    }

    /// Clears the gradients of the rows that are not drawn in this round; `first` is the number of the first row.
    fn clear_rows(&self, gradients: &mut [Gradient], first: usize, round: usize) {
        if self.rows >= 1.0 {
            return;
        }
        const BITS: u32 = 53;
        let below = (self.rows * (1u64 << BITS) as f64) as u64;
        let key = mix(self.seed ^ ROWS_STREAM).wrapping_add(mix(round as u64));
        for (row, gradient) in (first as u64..).zip(gradients) {
            if mix(key ^ row) >> (u64::BITS - BITS) >= below {
                *gradient = Gradient::default();
            }
        }
    }
}

/// Streams of random numbers.
const COLUMNS: u64 = 0xc01 << 32;
const ROWS_STREAM: u64 = 0x205 << 32;

/// The state of boosting, with the margins of all rows of the data set, including held-out ones.
pub(crate) struct Booster<'a> {
    set: TrainingSet<'a>,
    growth: Growth,
    sampling: Sampling,
    learning_rate: f64,
    units: Units,
    /// The weights as shares, with the sign of the outcome.
    weights: Vec<f32>,
    blocks: Vec<RowBlock>,
    gradients: Vec<Gradient>,
    pub(crate) base: f64,
    pub(crate) margins: Vec<f64>,
    pub(crate) trees: Vec<Tree>,
}

/// Number of rows that are processed together.
const ROWS: usize = 1 << 14;

impl<'a> Booster<'a> {
    pub(crate) fn new(set: TrainingSet<'a>, growth: Growth, sampling: Sampling, learning_rate: f64) -> Self {
        let base = crate::model::logit(set.rate());
        let n = set.y.len();
        let heaviest = set.rows.iter().fold(f64::MIN_POSITIVE, |most, &row| set.weight(row).max(most));
        let units = Units::for_weights_up_to(heaviest);
        Booster {
            units,
            weights: gradients::signed_weights(set.y, set.weights, units),
            blocks: blocks(n, set.rows),
            gradients: vec![Gradient::default(); n],
            margins: vec![base; n],
            trees: Vec::new(),
            set,
            growth,
            sampling,
            learning_rate,
            base,
        }
    }

    /// Runs one round, which adds a tree.
    pub(crate) fn round(&mut self) {
        match self.blocks.len() {
            1 => self.add_tree(),
            _ => parallel::in_pool(|| self.add_tree()),
        }
    }

    fn add_tree(&mut self) {
        let round = self.trees.len();
        let Booster { weights, margins, sampling, .. } = self;
        parallel::for_each_chunk(&mut self.gradients, ROWS, |first, out| {
            let rows = first..first + out.len();
            gradients::fill(out, &margins[rows.clone()], &weights[rows]);
            sampling.clear_rows(out, first, round);
        });
        let columns = self.sampling.columns(self.set.binned.columns.len(), round);
        let mut grown = grow(self.set.binned, &self.gradients, self.units, &self.growth, &columns, &mut self.blocks);
        for node in &mut grown.tree.nodes {
            node.value *= self.learning_rate;
        }
        self.add(&grown);
        self.trees.push(grown.tree);
    }

    /// Adds a tree's values to the margins of all rows.
    fn add(&mut self, grown: &GrownTree) {
        // All blocks but the last have the length of the first.
        let size = self.blocks[0].range.len();
        parallel::for_each_chunk(&mut self.margins, size, |first, margins| {
            for (number, block) in self.blocks.iter().enumerate().filter(|(_, block)| block.range.start == first) {
                for (leaf, rows) in grown.leaves(number, block) {
                    rows.iter().for_each(|&row| margins[usize::from(row)] += leaf.value);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_their_share_and_change_from_round_to_round() {
        let sampling = Sampling { rows: 0.6, columns: 0.7, seed: 5 };
        let count = |drawn: &[bool]| drawn.iter().filter(|&&drawn| drawn).count();
        for (width, expected) in [(1, 1), (2, 2), (3, 3), (10, 7), (101, 71)] {
            assert_eq!(count(&sampling.columns(width, 3)), expected, "{width}");
        }
        assert_ne!(sampling.columns(30, 0), sampling.columns(30, 1));
        assert_eq!(count(&Sampling { columns: 1.0, ..sampling }.columns(30, 0)), 30);
        let kept = |round: usize| -> Vec<bool> {
            let mut gradients = vec![Gradient { g: 1, h: 1 }; 10_000];
            // In two parts, as the threads take them.
            let (a, b) = gradients.split_at_mut(3_000);
            sampling.clear_rows(a, 0, round);
            sampling.clear_rows(b, 3_000, round);
            gradients.iter().map(|gradient| gradient.h == 1).collect()
        };
        // The standard deviation is √(10,000 · .6 · .4) = 49; two independent samples share 3,600 rows.
        let (first, second) = (kept(0), kept(1));
        let both: Vec<bool> = first.iter().zip(&second).map(|(a, b)| *a && *b).collect();
        for (found, expected) in [(count(&first), 6_000), (count(&second), 6_000), (count(&both), 3_600)] {
            assert!(found.abs_diff(expected) < 200, "{found}, not {expected}");
        }
    }
}
