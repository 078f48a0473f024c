//! Exact Shapley values of trees, compared with their training rows, by the cover of their nodes (path-dependent TreeSHAP).
//!
//! If only some features are known, the value of a tree is the sum over its leaves of value · Π factor. There is a factor for
//! each feature on the path to the leaf. For a known feature it is o = 1 or 0 (the row takes the path or not). For an unknown
//! one it is z, the share of the training rows that take it. If each feature is known with probability q, the factor is
//! q·o + (1 − q)·z. The Shapley value of a feature is the integral over q of the effect of knowing it (Owen 1972):
//! Σ value · (o − z) · ∫ Π of the other factors. The integrand is a polynomial in q. So a Gauss–Legendre sum is exact with half
//! as many points as there are features on a path. Its terms are positive, so there is no cancellation, and one walk gives
//! the values of all features. They are the values of TreeSHAP (Lundberg et al. 2020, `tree_path_dependent`); Yu et al. 2022
//! reach the same cost in another way.
//!
//! The factors, and the credit that a leaf gives a feature, depend on the row only by its state at a node: it goes left, goes
//! right, or has left the path above. So they are prepared once for each of these three states. The values at the points of
//! the quadrature are side by side in short vectors.

use std::ops::Range;

use crate::model::VECTORS;
use crate::model::tree::{Split, Tree};
use crate::parallel;

/// Largest size in bytes of the tables that are kept. The tables of a larger model are made again for every block of rows.
const MOST_KEPT: usize = 64 << 20;

/// Number of nodes from which on the preparation is spread over the cores.
const WORTH_SHARING: usize = 1 << 15;

/// Trees, prepared for computing Shapley values.
pub(super) struct PathDependent {
    prepared: Box<dyn PreparedTrees>,
    /// The value of the trees if no feature is known.
    pub(super) base: f64,
}

impl PathDependent {
    pub(super) fn new(trees: &[Tree]) -> Self {
        PathDependent::keeping(trees, MOST_KEPT)
    }

    /// Prepares trees, with tables of at most about `most` bytes.
    pub(super) fn keeping(trees: &[Tree], most: usize) -> Self {
        let mut parents = ParentEdges::default();
        // Q points integrate polynomials up to degree 2Q − 1 exactly. The degree of the integrand is less than the number of
        // features on a path.
        let prepared = match trees.iter().map(|tree| most_features(tree, &mut parents)).max().unwrap_or(0) {
            0..=4 if VECTORS => prepare::<2>(trees, most, 2),
            0..=4 => prepare::<4>(trees, most, 2),
            // Three points, and an idle one to fill the vector.
            5..=6 => prepare::<4>(trees, most, 3),
            7..=8 => prepare::<4>(trees, most, 4),
            9..=16 => prepare::<8>(trees, most, 8),
            _ => prepare::<16>(trees, most, 16),
        };
        PathDependent { prepared, base: trees.iter().map(expected).sum() }
    }

    /// Adds, for each row of `width` features, the contributions of its features to the sum of the trees. They must be the
    /// trees that were prepared.
    pub(super) fn add(&self, trees: &[Tree], rows: &[f64], width: usize, contributions: &mut [f64]) {
        self.prepared.add(trees, rows, width, contributions);
    }
}

trait PreparedTrees: Send + Sync {
    fn add(&self, trees: &[Tree], rows: &[f64], width: usize, contributions: &mut [f64]);
}

struct TableSet<const Q: usize> {
    rule: Quadrature<Q>,
    /// Tables of some trees each; none if they would be too large.
    kept: Option<Vec<Tables<Q>>>,
}

fn prepare<const Q: usize>(trees: &[Tree], most: usize, points: usize) -> Box<dyn PreparedTrees> {
    let rule = Quadrature::<Q>::new(points);
    let nodes: usize = trees.iter().map(|tree| tree.nodes.len()).sum();
    // An estimate: half of the nodes are splits, and most of them have two states.
    let size = (nodes / 2).saturating_mul(size_of::<SplitEntry>() + 2 * size_of::<Branch<Q>>());
    let kept = (size <= most).then(|| {
        let parts = if nodes < WORTH_SHARING { 1 } else { 4 * parallel::threads() };
        let trees: Vec<&[Tree]> = trees.chunks(trees.len().div_ceil(parts).max(1)).collect();
        parallel::map(trees.len(), |part| {
            let nodes = trees[part].iter().map(|tree| tree.nodes.len()).sum();
            let (mut tables, mut scratch) = (Tables::with_room(nodes), BuildScratch::default());
            trees[part].iter().for_each(|tree| tables.push(tree, &rule, &mut scratch));
            tables
        })
    });
    Box::new(TableSet { rule, kept })
}

impl<const Q: usize> PreparedTrees for TableSet<Q> {
    fn add(&self, trees: &[Tree], rows: &[f64], width: usize, contributions: &mut [f64]) {
        let mut scratch = PathScratch::default();
        let mut each = |tables: &Tables<Q>| {
            for tree in &tables.trees {
                for (row, contributions) in rows.chunks_exact(width).zip(contributions.chunks_exact_mut(width)) {
                    tables.add(tree, row, &mut scratch, contributions);
                }
            }
        };
        let Some(kept) = &self.kept else {
            let (mut tables, mut build) = (Tables::with_room(0), BuildScratch::default());
            for tree in trees {
                tables.clear();
                tables.push(tree, &self.rule, &mut build);
                each(&tables);
            }
            return;
        };
        kept.iter().for_each(each);
    }
}

/// The largest number of distinct features on any path of a tree.
fn most_features(tree: &Tree, parents: &mut ParentEdges) -> usize {
    parents.fill(tree);
    let mut features = vec![0; tree.nodes.len()];
    for (i, node) in tree.nodes.iter().enumerate() {
        let Some(split) = &node.split else { continue };
        let is_new = usize::from(parents.above(i, split.feature).is_none());
        for child in [split.left, split.right] {
            features[child as usize] = features[i] + is_new;
        }
    }
    features.into_iter().max().unwrap_or(0)
}

/// The mean of a tree over its training rows.
fn expected(tree: &Tree) -> f64 {
    let mut share = vec![1.0; tree.nodes.len()];
    let mut sum = 0.0;
    for (i, node) in tree.nodes.iter().enumerate() {
        match &node.split {
            None => sum += share[i] * node.value,
            Some(split) => {
                let shares = shares_of(tree, split);
                share[split.left as usize] = share[i] * shares[0];
                share[split.right as usize] = share[i] * shares[1];
            }
        }
    }
    sum
}

/// The shares of a node's rows that go left and right.
fn shares_of(tree: &Tree, split: &Split) -> [f64; 2] {
    let covers = [split.left, split.right].map(|child| tree.nodes[child as usize].cover);
    // Divided by the sum of both children and not by the node's cover, so that the shares add up to 1.
    covers.map(|cover| cover / (covers[0] + covers[1]))
}

/// The edges that lead to the nodes of a tree. Parents come before their children.
#[derive(Default)]
struct ParentEdges {
    /// For each node: the parent, the feature of its split, and the side that the node is on.
    edges: Vec<(u32, u32, u8)>,
}

impl ParentEdges {
    fn fill(&mut self, tree: &Tree) {
        self.edges.clear();
        self.edges.resize(tree.nodes.len(), (0, 0, LEFT));
        for (i, node) in tree.nodes.iter().enumerate() {
            let Some(split) = &node.split else { continue };
            self.edges[split.left as usize] = (i as u32, split.feature, LEFT);
            self.edges[split.right as usize] = (i as u32, split.feature, RIGHT);
        }
    }

    /// The nearest node on the path to this one, itself included, whose parent splits on the feature.
    fn above(&self, node: usize, feature: u32) -> Option<usize> {
        let mut at = node;
        while at > 0 {
            let (parent, asked, _) = self.edges[at];
            if asked == feature {
                return Some(at);
            }
            at = parent as usize;
        }
        None
    }
}

/// The row goes left.
const LEFT: u8 = 0;
/// The row goes right.
const RIGHT: u8 = 1;
/// The row has left the path above, at a node that splits on the same feature.
const GONE: u8 = 2;

/// The prepared tables of trees. For each tree there are first the inner splits, which have a split below them, parents
/// before children; then the lowest splits, whose children are two leaves.
struct Tables<const Q: usize> {
    trees: Vec<TreeRanges>,
    splits: Vec<SplitEntry>,
    /// A branch for each state of each inner split.
    branches: Vec<Branch<Q>>,
    /// A pair of leaves for each state of each lowest split.
    leaf_pairs: Vec<LeafPair<Q>>,
    /// The distinct features of each tree.
    features: Vec<u32>,
}

/// The part of the tables that belongs to one tree.
struct TreeRanges {
    splits: Range<usize>,
    /// Number of inner splits among them.
    inner: usize,
    /// Number of values that a row needs: of the splits, then of the leaves below the inner splits.
    values: usize,
    features: Range<usize>,
}

struct SplitEntry {
    split: Split,
    /// The index of the feature among those of the tree.
    feature: u32,
    /// The nearest split above on the same feature; `stays` is its state if the row stays on the path. If there is none, it is
    /// the index after the last split, whose state is always [`LEFT`].
    above: u32,
    stays: u8,
    /// The index of its first branch or pair of leaves.
    first: u32,
    /// The indices of the children's values.
    children: [u32; 2],
}

/// The two edges of an inner split in one state. The factor of an edge multiplies the product of factors on the path (with the
/// value of a leaf multiplied in). Its credit weights the sum of the leaves below for the feature.
struct Branch<const Q: usize>([Edge<Q>; 2]);

/// The two leaves of a lowest split in one state. Both numbers are multiplied by the product of factors on the path to the
/// split: `sum` gives the sum of the leaves, `credit` the contribution to the feature.
struct LeafPair<const Q: usize> {
    sum: [f64; Q],
    credit: [f64; Q],
}

/// The buffers for one row in one tree.
struct PathScratch<const Q: usize> {
    /// The state of each split.
    states: Vec<u8>,
    /// On the way down, the product of the factors; on the way up, the sum of the leaves.
    values: Vec<[f64; Q]>,
    /// The contribution to each feature of the tree, at each point of the quadrature.
    credits: Vec<[f64; Q]>,
}

impl<const Q: usize> Default for PathScratch<Q> {
    fn default() -> Self {
        PathScratch { states: Vec::new(), values: Vec::new(), credits: Vec::new() }
    }
}

/// The buffers for preparing a tree.
struct BuildScratch<const Q: usize> {
    parents: ParentEdges,
    /// The nodes that are splits, in the order of the tables.
    order: Vec<u32>,
    /// The index of each node in `order`.
    place: Vec<u32>,
    /// For the edge into each node: the share of the training rows that pass all edges of the same feature on the path, and the
    /// edge of a row that stays on the path.
    edges: Vec<(f64, Edge<Q>)>,
}

impl<const Q: usize> Default for BuildScratch<Q> {
    fn default() -> Self {
        BuildScratch { parents: ParentEdges::default(), order: Vec::new(), place: Vec::new(), edges: Vec::new() }
    }
}

impl<const Q: usize> Tables<Q> {
    /// Creates empty tables with room for trees of this many nodes.
    fn with_room(nodes: usize) -> Self {
        let half = nodes / 2;
        Tables {
            trees: Vec::new(),
            splits: Vec::with_capacity(half),
            branches: Vec::with_capacity(half),
            leaf_pairs: Vec::with_capacity(half),
            features: Vec::new(),
        }
    }

    fn clear(&mut self) {
        let Tables { trees, splits, branches, leaf_pairs, features } = self;
        trees.clear();
        splits.clear();
        branches.clear();
        leaf_pairs.clear();
        features.clear();
    }

    /// Prepares a tree and appends it.
    fn push(&mut self, tree: &Tree, rule: &Quadrature<Q>, scratch: &mut BuildScratch<Q>) {
        let BuildScratch { parents, order, place, edges } = scratch;
        parents.fill(tree);
        let is_leaf = |child: u32| tree.nodes[child as usize].split.is_none();
        let is_lowest = |split: &Split| is_leaf(split.left) && is_leaf(split.right);
        let splits = || tree.nodes.iter().zip(0..).filter_map(|(node, i)| Some((i, node.split.as_ref()?)));
        order.clear();
        order.extend(splits().filter(|(_, split)| !is_lowest(split)).map(|(node, _)| node));
        let inner = order.len();
        order.extend(splits().filter(|(_, split)| is_lowest(split)).map(|(node, _)| node));
        place.resize(tree.nodes.len().max(place.len()), 0);
        order.iter().zip(0..).for_each(|(&node, at)| place[node as usize] = at);
        edges.clear();
        edges.resize(tree.nodes.len(), (1.0, Edge::NONE));
        let mut features = Vec::new();
        for (node, split) in splits() {
            let before = parents.above(node as usize, split.feature).map_or(1.0, |above| edges[above].0);
            for (child, here) in [split.left, split.right].into_iter().zip(shares_of(tree, split)) {
                edges[child as usize] = (before * here, rule.stays(before * here));
            }
            features.push(split.feature);
        }
        crate::order::sort(&mut features);
        features.dedup();
        let first_split = self.splits.len();
        let mut values = order.len();
        for (at, &node) in order.iter().enumerate() {
            let split = tree.nodes[node as usize].split.as_ref().expect("the listed nodes are splits");
            let above = parents.above(node as usize, split.feature);
            let (split_above, stays) = above.map_or((order.len() as u32, LEFT), |above| {
                let (parent, _, side) = parents.edges[above];
                (place[parent as usize], side)
            });
            let children = [split.left, split.right];
            let leaves = children.map(|child| if is_leaf(child) { tree.nodes[child as usize].value } else { 1.0 });
            let back = above.map(|above| (edges[above].1.factor.map(|factor| 1.0 / factor), edges[above].1.credit));
            let here = shares_of(tree, split);
            let mut branch = |state: u8| -> Branch<Q> {
                let edge = |side: u8| {
                    let (share, stays) = edges[children[usize::from(side)] as usize];
                    let mut edge = match (state == GONE, side == state) {
                        (true, _) => Edge { factor: [here[usize::from(side)]; Q], credit: [0.0; Q] },
                        (false, true) => stays,
                        (false, false) => rule.leaves(share),
                    };
                    if let (Some((inverse, credit)), true) = (&back, state != GONE) {
                        edge = edge.less(inverse, credit);
                    }
                    edge.factor.iter_mut().for_each(|factor| *factor *= leaves[usize::from(side)]);
                    edge
                };
                Branch([edge(LEFT), edge(RIGHT)])
            };
            let states = if above.is_some() { 0..=GONE } else { LEFT..=RIGHT };
            let mut places = [0; 2];
            let first = if at < inner {
                let first = self.branches.len();
                self.branches.extend(states.map(&mut branch));
                for (to, child) in places.iter_mut().zip(children) {
                    *to = if is_leaf(child) { values as u32 } else { place[child as usize] };
                    values += usize::from(is_leaf(child));
                }
                first
            } else {
                let first = self.leaf_pairs.len();
                self.leaf_pairs.extend(states.map(|state| LeafPair::of(&branch(state))));
                first
            };
            let feature = features.binary_search(&split.feature).expect("every feature was listed") as u32;
            let first = first as u32;
            self.splits.push(SplitEntry {
                split: split.clone(),
                feature,
                above: split_above,
                stays,
                first,
                children: places,
            });
        }
        let first_feature = self.features.len();
        self.features.extend(features);
        self.trees.push(TreeRanges {
            splits: first_split..self.splits.len(),
            inner,
            values,
            features: first_feature..self.features.len(),
        });
    }

    /// Adds the contributions of a row, in one walk down the tree and one back up.
    fn add(&self, tree: &TreeRanges, row: &[f64], scratch: &mut PathScratch<Q>, contributions: &mut [f64]) {
        let features = &self.features[tree.features.clone()];
        let splits = tree.splits.len();
        scratch.states.resize((splits + 1).max(scratch.states.len()), LEFT);
        scratch.values.resize((tree.values + 1).max(scratch.values.len()), [0.0; Q]);
        scratch.credits.clear();
        scratch.credits.resize(features.len(), [0.0; Q]);
        let (states, values) = (&mut scratch.states[..=splits], &mut scratch.values[..=tree.values]);
        let credits = &mut scratch.credits[..];
        states[splits] = LEFT;
        values[0] = [1.0; Q];
        let state = |entry: &SplitEntry, states: &[u8]| {
            let goes = if entry.split.goes_left(row[entry.split.feature as usize]) { LEFT } else { RIGHT };
            if states[entry.above as usize] == entry.stays { goes } else { GONE }
        };
        let (inner, lowest) = self.splits[tree.splits.clone()].split_at(tree.inner);
        for (i, entry) in inner.iter().enumerate() {
            states[i] = state(entry, states);
            let branch = &self.branches[entry.first as usize + usize::from(states[i])];
            let product = values[i];
            for (&child, edge) in entry.children.iter().zip(&branch.0) {
                values[child as usize] = times(&product, &edge.factor);
            }
        }
        for (i, entry) in lowest.iter().enumerate() {
            let pair = &self.leaf_pairs[entry.first as usize + usize::from(state(entry, states))];
            let value = &mut values[tree.inner + i];
            plus(&mut credits[entry.feature as usize], &times(value, &pair.credit));
            *value = times(value, &pair.sum);
        }
        // So far the value of a split was the product of factors; from here on it is the sum of the leaves below it.
        for (i, entry) in inner.iter().enumerate().rev() {
            let branch = &self.branches[entry.first as usize + usize::from(states[i])];
            let (left, right) = (values[entry.children[0] as usize], values[entry.children[1] as usize]);
            let credit = &mut credits[entry.feature as usize];
            plus(credit, &times(&left, &branch.0[0].credit));
            plus(credit, &times(&right, &branch.0[1].credit));
            values[i] = left;
            plus(&mut values[i], &right);
        }
        for (&feature, credit) in features.iter().zip(credits) {
            contributions[feature as usize] += credit.iter().sum::<f64>();
        }
    }
}

impl<const Q: usize> LeafPair<Q> {
    fn of(branch: &Branch<Q>) -> Self {
        let [left, right] = &branch.0;
        let mut pair = LeafPair { sum: left.factor, credit: times(&left.factor, &left.credit) };
        plus(&mut pair.sum, &right.factor);
        plus(&mut pair.credit, &times(&right.factor, &right.credit));
        pair
    }
}

#[inline(always)]
fn times<const Q: usize>(a: &[f64; Q], b: &[f64; Q]) -> [f64; Q] {
    std::array::from_fn(|k| a[k] * b[k])
}

#[inline(always)]
fn plus<const Q: usize>(sum: &mut [f64; Q], term: &[f64; Q]) {
    sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
}

/// Gauss–Legendre quadrature on 0..1 with n of up to Q points, exact for polynomials up to degree 2n − 1. The points are the
/// roots of the Legendre polynomial, found by Newton's method. The other Q − n points have the weight 0.
struct Quadrature<const Q: usize> {
    points: [f64; Q],
    weights: [f64; Q],
    /// −weight / (1 − point).
    leaves: [f64; Q],
}

impl<const Q: usize> Quadrature<Q> {
    fn new(count: usize) -> Self {
        let (mut points, mut weights) = ([0.5; Q], [0.0; Q]);
        for i in 0..count {
            // cos(π·(i + ¾)/(n + ½)) by the first terms of the series of the sine. A starting point need not be exact.
            let angle = std::f64::consts::PI * (0.5 - (i as f64 + 0.75) / (count as f64 + 0.5));
            let square = angle * angle;
            let mut x = angle * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0)));
            let mut slope = 1.0;
            // Six steps from this start reach the last bit; more change nothing.
            for _ in 0..10 {
                let (mut p, mut before) = (1.0, 0.0);
                for n in 0..count {
                    let n = n as f64;
                    (p, before) = (((2.0 * n + 1.0) * x * p - n * before) / (n + 1.0), p);
                }
                slope = count as f64 * (x * p - before) / (x * x - 1.0);
                x -= p / slope;
            }
            points[i] = (1.0 + x) / 2.0;
            weights[i] = 1.0 / ((1.0 - x * x) * slope * slope);
        }
        Quadrature { points, weights, leaves: std::array::from_fn(|k| -weights[k] / (1.0 - points[k])) }
    }

    /// The edge of a row that stays on the path, if this share z of the training rows passes the edges of the feature: the
    /// factors q + (1 − q)·z and the credits weight · (1 − z)/factor.
    fn stays(&self, share: f64) -> Edge<Q> {
        let factor = std::array::from_fn(|k| self.points[k] + (1.0 - self.points[k]) * share);
        Edge { factor, credit: std::array::from_fn(|k| self.weights[k] * (1.0 - share) / factor[k]) }
    }

    /// The edge of a row that leaves the path: the factors (1 − q)·z and the credits weight · (0 − z)/factor.
    fn leaves(&self, share: f64) -> Edge<Q> {
        Edge { factor: self.points.map(|q| (1.0 - q) * share), credit: self.leaves }
    }
}

/// An edge of a tree, for each point of the quadrature: the factor of the feature, and the credit that a leaf below gives
/// the feature.
#[derive(Clone, Copy)]
struct Edge<const Q: usize> {
    factor: [f64; Q],
    credit: [f64; Q],
}

impl<const Q: usize> Edge<Q> {
    /// The neutral edge, which all rows pass.
    const NONE: Self = Edge { factor: [1.0; Q], credit: [0.0; Q] };

    /// Undoes the effect of an edge above of the same feature, given the inverse of its factor and its credit.
    fn less(mut self, inverse: &[f64; Q], credit: &[f64; Q]) -> Self {
        self.factor = times(&self.factor, inverse);
        self.credit.iter_mut().zip(credit).for_each(|(own, above)| *own -= above);
        self
    }
}
