//! Exact Shapley values of trees, compared with the rows of a background sample (interventional TreeSHAP).
//!
//! Compared with one background row, a known feature has the row's value, and an unknown one the background row's. The tree
//! is walked with both rows at once. The weight of a leaf for a feature is a ratio of factorials. The values are the means
//! over the background rows (Lundberg et al. 2020, `interventional`).

use ndarray::{Array2, ArrayView1};

use crate::model::tree::{MAX_DEPTH, Split, Tree};

/// The sum of the trees, averaged over the background rows: the base, at which no feature is known.
pub(super) fn base(trees: &[Tree], background: &Array2<f64>) -> f64 {
    let sum: f64 = trees.iter().flat_map(|tree| background.rows().into_iter().map(|row| tree.value(row))).sum();
    sum / background.nrows() as f64
}

/// Adds, for each row of `width` features, the contributions of its features to the sum of the trees.
pub(super) fn add(trees: &[Tree], background: &Array2<f64>, rows: &[f64], width: usize, contributions: &mut [f64]) {
    let weights = ShapleyWeights::new();
    let mut sources = vec![ValueSource::Both; width];
    let mut sums = vec![0.0; rows.len()];
    for tree in trees {
        // Computed again for each block, because those of all trees together could exceed the memory.
        let of_backgrounds: Vec<Vec<bool>> = background.rows().into_iter().map(|row| directions(tree, row)).collect();
        for (row, values) in rows.chunks_exact(width).zip(sums.chunks_exact_mut(width)) {
            let of_row = directions(tree, row.into());
            for of_background in &of_backgrounds {
                let mut pair = Pair { tree, of_row: &of_row, of_background, sources: &mut sources, weights: &weights };
                pair.below(0, 0, 0, values);
            }
        }
    }
    let count = background.nrows() as f64;
    contributions.iter_mut().zip(sums).for_each(|(value, sum)| *value += sum / count);
}

/// For each node, true if the row goes left there.
fn directions(tree: &Tree, row: ArrayView1<'_, f64>) -> Vec<bool> {
    let left = |split: &Split| split.goes_left(row[split.feature as usize]);
    tree.nodes.iter().map(|node| node.split.as_ref().is_some_and(left)).collect()
}

/// The row whose value of a feature the current path follows: both as long as they agree, then only one of them.
#[derive(Clone, Copy, PartialEq)]
enum ValueSource {
    Both,
    Row,
    Background,
}

/// The walk of a row and a background row through a tree at the same time.
struct Pair<'a> {
    tree: &'a Tree,
    of_row: &'a [bool],
    of_background: &'a [bool],
    sources: &'a mut [ValueSource],
    weights: &'a ShapleyWeights,
}

impl Pair<'_> {
    /// Adds the contributions of the features that are split on below a node. `by_row` features lead to the node by the row's
    /// value, and `by_background` features by the background row's. Returns the weighted sum of the leaves below, first with
    /// the weights of a feature of the first kind, then with those of a feature of the second kind.
    fn below(&mut self, node: usize, by_row: usize, by_background: usize, values: &mut [f64]) -> (f64, f64) {
        let tree = self.tree;
        let Some(split) = &tree.nodes[node].split else {
            let (for_row, against) = self.weights.of(by_row, by_background);
            return (tree.nodes[node].value * for_row, tree.nodes[node].value * against);
        };
        let feature = split.feature as usize;
        let child = |left: bool| if left { split.left } else { split.right } as usize;
        let (of_row, of_background) = (self.of_row[node], self.of_background[node]);
        match self.sources[feature] {
            ValueSource::Background => self.below(child(of_background), by_row, by_background, values),
            ValueSource::Both if of_row != of_background => {
                self.sources[feature] = ValueSource::Row;
                let there = self.below(child(of_row), by_row + 1, by_background, values);
                self.sources[feature] = ValueSource::Background;
                let here = self.below(child(of_background), by_row, by_background + 1, values);
                self.sources[feature] = ValueSource::Both;
                values[feature] += there.0 - here.1;
                (there.0 + here.0, there.1 + here.1)
            }
            ValueSource::Row | ValueSource::Both => self.below(child(of_row), by_row, by_background, values),
        }
    }
}

/// Weights of leaves. The first is the share of the orders of a + b features in which a given one of the a features comes
/// after all others of the a and before all of the b, (a − 1)!·b!/(a + b)!. The second is a!·(b − 1)!/(a + b)!, for one of
/// the b features.
struct ShapleyWeights(Vec<(f64, f64)>);

impl ShapleyWeights {
    fn new() -> Self {
        let mut weights = Vec::with_capacity((MAX_DEPTH + 1) * (MAX_DEPTH + 1));
        for a in 0..=MAX_DEPTH {
            // The binomial coefficient (a + b choose b), updated for each b.
            let mut choices = 1.0;
            for b in 0..=MAX_DEPTH {
                if b > 0 {
                    choices *= (a + b) as f64 / b as f64;
                }
                let one_of = |n: usize| if n == 0 { 0.0 } else { 1.0 / (n as f64 * choices) };
                weights.push((one_of(a), one_of(b)));
            }
        }
        ShapleyWeights(weights)
    }

    fn of(&self, a: usize, b: usize) -> (f64, f64) {
        self.0[a * (MAX_DEPTH + 1) + b]
    }
}
