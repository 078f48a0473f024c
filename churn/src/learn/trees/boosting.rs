//! Gradient boosting of the log-loss with Newton steps (Friedman 2001; Chen and Guestrin 2016). Each round fits a tree to the
//! gradients at the current margins and adds it, shrunk by the learning rate.

use super::gradients::{self, Gradient, Units};
use super::grow::{GrownTree, RowBlock, blocks, grow};
use super::growth::Growth;
use crate::learn::rows::TrainingSet;
use crate::model::tree::Tree;
use crate::parallel;

/// The state of boosting, with the margins of all rows of the data set, including held-out ones.
pub(crate) struct Booster<'a> {
    set: TrainingSet<'a>,
    growth: Growth,
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
    pub(crate) fn new(set: TrainingSet<'a>, growth: Growth, learning_rate: f64) -> Self {
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
        let Booster { weights, margins, .. } = self;
        parallel::for_each_chunk(&mut self.gradients, ROWS, |first, out| {
            let rows = first..first + out.len();
            gradients::fill(out, &margins[rows.clone()], &weights[rows]);
        });
        let mut grown = grow(self.set.binned, &self.gradients, self.units, &self.growth, &mut self.blocks);
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
