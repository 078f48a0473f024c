//! Exact Shapley values of trees: how much each feature adds to the prediction of a row.
//!
//! **Path-dependent.** With only some features known, a tree gives the sum over its leaves of value · Π factor, a factor for
//! each feature on the way: o = 1 or 0 where it is known (the row takes that way or not), and the share z of the training
//! rows that did where it is not. If each is known with chance q, the factor is q·o + (1 − q)·z, and the Shapley value of a
//! feature is the integral over q of what knowing it adds (Owen 1972): Σ value · (o − z) · ∫ Π of the other factors. That is a
//! polynomial, so a Gauss–Legendre sum of half as many points as there are features on a way is exact; its terms are
//! positive, so nothing cancels, and one walk gives the values of all features. They are those of TreeSHAP (Lundberg et al.
//! 2020, `tree_path_dependent`); Yu et al. 2022 arrive at the same cost by another way.
//!
//! **Interventional.** Against one background row z is 0 or 1 as well, and the integral is a ratio of factorials; the values
//! are the mean over the background (Lundberg et al. 2020, `interventional`).

use ndarray::{Array2, ArrayView1};

use crate::model::tree::{MAX_DEPTH, Split, Tree};
use crate::parallel;

/// Rows that go through the trees together, so that a tree stays in the cache.
const BLOCK: usize = 128;

/// What the features of each row add to the sum of the trees, and what the trees give where no feature is known.
pub(crate) struct Shapley {
    pub(crate) contributions: Array2<f64>,
    pub(crate) base: f64,
}

/// Against the rows that the trees were grown on, by the cover of their nodes.
pub(crate) fn path_dependent(trees: &[Tree], x: &Array2<f64>) -> Shapley {
    match trees.iter().map(Tree::depth).max().unwrap_or(0) {
        0..=4 => with_points::<2>(trees, x),
        5..=8 => with_points::<4>(trees, x),
        9..=16 => with_points::<8>(trees, x),
        _ => with_points::<16>(trees, x),
    }
}

fn with_points<const Q: usize>(trees: &[Tree], x: &Array2<f64>) -> Shapley {
    let (points, weights) = gauss_legendre::<Q>();
    let walks: Vec<Walk<'_, Q>> = trees.iter().map(|tree| Walk::new(tree, &points, &weights)).collect();
    let contributions = by_block(x, |first, rows, block| {
        let mut notes = Notes::new(trees.iter().map(|tree| tree.nodes.len()).max().unwrap_or(0));
        for walk in &walks {
            rows.clone().for_each(|i| walk.add(x.row(first + i), &mut notes, &mut block[i * x.ncols()..][..x.ncols()]));
        }
    });
    Shapley { contributions, base: trees.iter().map(expected).sum() }
}

/// Fills rows × features block by block: `fill(first row, rows, values)`.
fn by_block(x: &Array2<f64>, fill: impl Fn(usize, std::ops::Range<usize>, &mut [f64]) + Sync + Send) -> Array2<f64> {
    let (rows, width) = x.dim();
    let blocks = parallel::map(rows.div_ceil(BLOCK), |block| {
        let first = block * BLOCK;
        let rows = BLOCK.min(rows - first);
        let mut values = vec![0.0; rows * width];
        fill(first, 0..rows, &mut values);
        values
    });
    Array2::from_shape_vec((rows, width), blocks.concat()).expect("the blocks hold every row")
}

/// The mean of a tree over the rows that it was grown on.
fn expected(tree: &Tree) -> f64 {
    let mut share = vec![1.0; tree.nodes.len()];
    let mut sum = 0.0;
    for (i, node) in tree.nodes.iter().enumerate() {
        match &node.split {
            None => sum += share[i] * node.value,
            Some(split) => {
                for child in [split.left, split.right] {
                    share[child as usize] = share[i] * share_of(tree, i, child);
                }
            }
        }
    }
    sum
}

/// The share of a node's rows that go on to its child.
fn share_of(tree: &Tree, node: usize, child: u32) -> f64 {
    let cover = |child: u32| tree.nodes[child as usize].cover;
    let split = tree.nodes[node].split.as_ref().expect("a node with children is split");
    // Of both children and not of the node, so that the shares add up to 1.
    cover(child) / (cover(split.left) + cover(split.right))
}

/// A tree with, for the edge into each node, what passes it. Parents stand before their children, so the tree is walked down
/// from the first node to the last, and up from the last to the first.
struct Walk<'a, const Q: usize> {
    tree: &'a Tree,
    edges: Vec<Edge<Q>>,
}

/// The edge into a node.
#[derive(Clone)]
struct Edge<const Q: usize> {
    parent: u32,
    /// The node that the nearest edge above of the same feature leads to; the root where there is none.
    above: u32,
    feature: u32,
    is_left: bool,
    /// For each way that the feature can have gone: the row has left this way above; leaves it here; has not left it.
    states: [State<Q>; 3],
}

#[derive(Clone, Copy)]
struct State<const Q: usize> {
    /// What the product of the factors is multiplied with.
    factor: [f64; Q],
    /// What the sum of the leaves below counts for the feature.
    credit: [f64; Q],
}

/// What a walk writes down at each node.
struct Notes<const Q: usize> {
    /// Whether the row has stayed on the way to the node, as far as the feature of the edge into it goes.
    stays: Vec<bool>,
    /// Which of the three states the edge was in.
    state: Vec<u8>,
    /// Going down the product of the factors, going up the sum of the leaves.
    values: Vec<[f64; Q]>,
}

impl<const Q: usize> Notes<Q> {
    fn new(nodes: usize) -> Self {
        Notes { stays: vec![true; nodes], state: vec![0; nodes], values: vec![[1.0; Q]; nodes] }
    }
}

impl<'a, const Q: usize> Walk<'a, Q> {
    fn new(tree: &'a Tree, points: &[f64; Q], weights: &[f64; Q]) -> Self {
        let states = [State { factor: [0.0; Q], credit: [0.0; Q] }; 3];
        let root = Edge { parent: 0, above: 0, feature: 0, is_left: false, states };
        let mut edges = vec![root; tree.nodes.len()];
        // The share of the training rows that the feature of the edge into a node, there and above, has let through.
        let mut shares = vec![1.0; tree.nodes.len()];
        for (parent, node) in tree.nodes.iter().enumerate() {
            let Some(split) = &node.split else { continue };
            let mut above = parent;
            while above > 0 && edges[above].feature != split.feature {
                above = edges[above].parent as usize;
            }
            for child in [split.left, split.right] {
                let here = share_of(tree, parent, child);
                let (before, share) = (shares[above], shares[above] * here);
                shares[child as usize] = share;
                let edge = &mut edges[child as usize];
                (edge.parent, edge.above) = (parent as u32, above as u32);
                (edge.feature, edge.is_left) = (split.feature, child == split.left);
                for (k, (&q, &weight)) in points.iter().zip(weights).enumerate() {
                    // The factor of a feature that stays on the way, and what a leaf behind it credits: weight · (o − z) / factor.
                    let stays_factor = |share: f64| q + (1.0 - q) * share;
                    let stays_credit = |share: f64| weight * (1.0 - share) / stays_factor(share);
                    let leaves_credit = -weight / (1.0 - q);
                    // An edge takes back what the one above of the same feature has credited. With none above it is as if
                    // there were one that lets everything through.
                    let [left_above, leaves, stays] = &mut edge.states;
                    (left_above.factor[k], left_above.credit[k]) = (here, 0.0);
                    (leaves.factor[k], leaves.credit[k]) =
                        ((1.0 - q) * share / stays_factor(before), leaves_credit - stays_credit(before));
                    (stays.factor[k], stays.credit[k]) =
                        (stays_factor(share) / stays_factor(before), stays_credit(share) - stays_credit(before));
                }
            }
        }
        Walk { tree, edges }
    }

    /// Adds the values of a row.
    fn add(&self, row: ArrayView1<'_, f64>, notes: &mut Notes<Q>, contributions: &mut [f64]) {
        let nodes = self.tree.nodes.len();
        // Slices of one length, so that the loops need not check their indices.
        let (stays, states) = (&mut notes.stays[..nodes], &mut notes.state[..nodes]);
        let values = &mut notes.values[..nodes];
        (stays[0], values[0]) = (true, [1.0; Q]);
        for (i, (node, edge)) in self.tree.nodes.iter().zip(&self.edges).enumerate() {
            if i > 0 {
                // A node keeps its way until its children have read it.
                let goes_left = states[edge.parent as usize] & GOES_LEFT != 0;
                let before = stays[edge.above as usize];
                let on = before & (goes_left == edge.is_left);
                let state = usize::from(before) + usize::from(on);
                let (parent, factor) = (values[edge.parent as usize], &edge.states[state].factor);
                stays[i] = on;
                states[i] = state as u8;
                values[i] = std::array::from_fn(|k| parent[k] * factor[k]);
            }
            if let Some(split) = &node.split {
                states[i] =
                    states[i] & STATE | if split.goes_left(row[split.feature as usize]) { GOES_LEFT } else { 0 };
            }
        }
        // A node that is split has been a product; from here on it is the sum of the leaves below it.
        for (value, node) in values.iter_mut().zip(&self.tree.nodes) {
            *value = if node.split.is_some() { [0.0; Q] } else { value.map(|product| product * node.value) };
        }
        for i in (1..nodes).rev() {
            let edge = &self.edges[i];
            let below = values[i];
            let credit = &edge.states[usize::from(states[i] & STATE)].credit;
            let sum = &mut values[edge.parent as usize];
            let mut credited = 0.0;
            for k in 0..Q {
                sum[k] += below[k];
                credited += credit[k] * below[k];
            }
            contributions[edge.feature as usize] += credited;
        }
    }
}

/// Of the notes on a node: the state of the edge into it, and whether the row goes left from it.
const STATE: u8 = 3;
const GOES_LEFT: u8 = 4;

/// Points and weights on 0..1 that integrate polynomials up to degree 2Q − 1 exactly: the roots of the Legendre polynomial,
/// by Newton's method.
fn gauss_legendre<const Q: usize>() -> ([f64; Q], [f64; Q]) {
    let (mut points, mut weights) = ([0.0; Q], [0.0; Q]);
    for i in 0..Q {
        let mut x = libm::cos(std::f64::consts::PI * (i as f64 + 0.75) / (Q as f64 + 0.5));
        let mut slope = 1.0;
        // Six steps from this start reach the last bit; more change nothing.
        for _ in 0..10 {
            let (mut p, mut before) = (1.0, 0.0);
            for n in 0..Q {
                let n = n as f64;
                (p, before) = (((2.0 * n + 1.0) * x * p - n * before) / (n + 1.0), p);
            }
            slope = Q as f64 * (x * p - before) / (x * x - 1.0);
            x -= p / slope;
        }
        points[i] = (1.0 + x) / 2.0;
        weights[i] = 1.0 / ((1.0 - x * x) * slope * slope);
    }
    (points, weights)
}

/// Against the rows of a background.
pub(crate) fn interventional(trees: &[Tree], background: &Array2<f64>, x: &Array2<f64>) -> Shapley {
    let rows = background.nrows() as f64;
    let weights = Weights::new();
    let mut contributions = by_block(x, |first, block_rows, block| {
        let mut sides = vec![Side::Both; x.ncols()];
        for tree in trees {
            // Anew for each block: those of all trees at once could be more than fits.
            let of_backgrounds: Vec<Vec<bool>> = background.rows().into_iter().map(|row| ways(tree, row)).collect();
            for i in block_rows.clone() {
                let of_row = ways(tree, x.row(first + i));
                let values = &mut block[i * x.ncols()..][..x.ncols()];
                for of_background in &of_backgrounds {
                    let mut pair = Pair { tree, of_row: &of_row, of_background, sides: &mut sides, weights: &weights };
                    pair.below(0, 0, 0, values);
                }
            }
        }
    });
    contributions /= rows;
    let base: f64 = trees.iter().flat_map(|tree| background.rows().into_iter().map(|row| tree.value(row))).sum();
    Shapley { contributions, base: base / rows }
}

/// Whether a row goes left, at each node.
fn ways(tree: &Tree, row: ArrayView1<'_, f64>) -> Vec<bool> {
    let left = |split: &Split| split.goes_left(row[split.feature as usize]);
    tree.nodes.iter().map(|node| node.split.as_ref().is_some_and(left)).collect()
}

/// Whose values of a feature lead on: they agree so far, or only the row's, or only the background's.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Both,
    Row,
    Background,
}

/// The walk of a row and a background row through a tree.
struct Pair<'a> {
    tree: &'a Tree,
    of_row: &'a [bool],
    of_background: &'a [bool],
    sides: &'a mut [Side],
    weights: &'a Weights,
}

impl Pair<'_> {
    /// Adds what the features split on below a node give, and returns what the leaves below count for a feature that leads
    /// here by the row's value, and against one that leads here by the background's. So many of each lead here.
    fn below(&mut self, node: usize, by_row: usize, by_background: usize, values: &mut [f64]) -> (f64, f64) {
        let tree = self.tree;
        let Some(split) = &tree.nodes[node].split else {
            let (for_row, against) = self.weights.of(by_row, by_background);
            return (tree.nodes[node].value * for_row, tree.nodes[node].value * against);
        };
        let feature = split.feature as usize;
        let child = |left: bool| if left { split.left } else { split.right } as usize;
        let (of_row, of_background) = (self.of_row[node], self.of_background[node]);
        match self.sides[feature] {
            Side::Background => self.below(child(of_background), by_row, by_background, values),
            Side::Both if of_row != of_background => {
                self.sides[feature] = Side::Row;
                let there = self.below(child(of_row), by_row + 1, by_background, values);
                self.sides[feature] = Side::Background;
                let here = self.below(child(of_background), by_row, by_background + 1, values);
                self.sides[feature] = Side::Both;
                values[feature] += there.0 - here.1;
                (there.0 + here.0, there.1 + here.1)
            }
            Side::Row | Side::Both => self.below(child(of_row), by_row, by_background, values),
        }
    }
}

/// The share of the orders of a + b features in which a given one of the a comes after all others of the a and before all of
/// the b, (a − 1)!·b!/(a + b)!; and a!·(b − 1)!/(a + b)! for one of the b.
struct Weights(Vec<(f64, f64)>);

impl Weights {
    fn new() -> Self {
        let mut weights = Vec::with_capacity((MAX_DEPTH + 1) * (MAX_DEPTH + 1));
        for a in 0..=MAX_DEPTH {
            // (a + b over b), one b after the other.
            let mut choices = 1.0;
            for b in 0..=MAX_DEPTH {
                if b > 0 {
                    choices *= (a + b) as f64 / b as f64;
                }
                let one_of = |n: usize| if n == 0 { 0.0 } else { 1.0 / (n as f64 * choices) };
                weights.push((one_of(a), one_of(b)));
            }
        }
        Weights(weights)
    }

    fn of(&self, a: usize, b: usize) -> (f64, f64) {
        self.0[a * (MAX_DEPTH + 1) + b]
    }
}
