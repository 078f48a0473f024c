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
    grove: Box<dyn Grove>,
    /// The value of the trees if no feature is known.
    pub(super) base: f64,
}

impl PathDependent {
    pub(super) fn new(trees: &[Tree]) -> Self {
        PathDependent::keeping(trees, MOST_KEPT)
    }

    /// Prepares trees, with tables of at most about `most` bytes.
    pub(super) fn keeping(trees: &[Tree], most: usize) -> Self {
        let mut ways = Ways::default();
        // Q points integrate polynomials up to degree 2Q − 1 exactly. The degree of the integrand is less than the number of
        // features on a path.
        let grove = match trees.iter().map(|tree| most_features(tree, &mut ways)).max().unwrap_or(0) {
            0..=4 if VECTORS => prepare::<2>(trees, most, 2),
            0..=4 => prepare::<4>(trees, most, 2),
            // Three points, and an idle one to fill the vector.
            5..=6 => prepare::<4>(trees, most, 3),
            7..=8 => prepare::<4>(trees, most, 4),
            9..=16 => prepare::<8>(trees, most, 8),
            _ => prepare::<16>(trees, most, 16),
        };
        PathDependent { grove, base: trees.iter().map(expected).sum() }
    }

    /// Adds, for each row of `width` features, the contributions of its features to the sum of the trees. They must be the
    /// trees that were prepared.
    pub(super) fn add(&self, trees: &[Tree], rows: &[f64], width: usize, contributions: &mut [f64]) {
        self.grove.add(trees, rows, width, contributions);
    }
}

trait Grove: Send + Sync {
    fn add(&self, trees: &[Tree], rows: &[f64], width: usize, contributions: &mut [f64]);
}

struct Walks<const Q: usize> {
    rule: Quadrature<Q>,
    /// Tables of some trees each; none if they would be too large.
    kept: Option<Vec<Tables<Q>>>,
}

fn prepare<const Q: usize>(trees: &[Tree], most: usize, points: usize) -> Box<dyn Grove> {
    let rule = Quadrature::<Q>::new(points);
    let nodes: usize = trees.iter().map(|tree| tree.nodes.len()).sum();
    // An estimate: half of the nodes are forks, and most of them have two states.
    let size = (nodes / 2).saturating_mul(size_of::<Fork>() + 2 * size_of::<Branch<Q>>());
    let kept = (size <= most).then(|| {
        let parts = if nodes < WORTH_SHARING { 1 } else { 4 * parallel::threads() };
        let trees: Vec<&[Tree]> = trees.chunks(trees.len().div_ceil(parts).max(1)).collect();
        parallel::map(trees.len(), |part| {
            let nodes = trees[part].iter().map(|tree| tree.nodes.len()).sum();
            let (mut tables, mut draft) = (Tables::with_room(nodes), Draft::default());
            trees[part].iter().for_each(|tree| tables.push(tree, &rule, &mut draft));
            tables
        })
    });
    Box::new(Walks { rule, kept })
}

impl<const Q: usize> Grove for Walks<Q> {
    fn add(&self, trees: &[Tree], rows: &[f64], width: usize, contributions: &mut [f64]) {
        let mut notes = Notes::default();
        let mut each = |tables: &Tables<Q>| {
            for walk in &tables.walks {
                for (row, contributions) in rows.chunks_exact(width).zip(contributions.chunks_exact_mut(width)) {
                    tables.add(walk, row, &mut notes, contributions);
                }
            }
        };
        let Some(kept) = &self.kept else {
            let (mut tables, mut draft) = (Tables::with_room(0), Draft::default());
            for tree in trees {
                tables.clear();
                tables.push(tree, &self.rule, &mut draft);
                each(&tables);
            }
            return;
        };
        kept.iter().for_each(each);
    }
}

/// The largest number of distinct features on any path of a tree.
fn most_features(tree: &Tree, ways: &mut Ways) -> usize {
    ways.fill(tree);
    let mut features = vec![0; tree.nodes.len()];
    for (i, node) in tree.nodes.iter().enumerate() {
        let Some(split) = &node.split else { continue };
        let is_new = usize::from(ways.above(i, split.feature).is_none());
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
struct Ways {
    /// For each node: the parent, the feature of its split, and the side that the node is on.
    parents: Vec<(u32, u32, u8)>,
}

impl Ways {
    fn fill(&mut self, tree: &Tree) {
        self.parents.clear();
        self.parents.resize(tree.nodes.len(), (0, 0, LEFT));
        for (i, node) in tree.nodes.iter().enumerate() {
            let Some(split) = &node.split else { continue };
            self.parents[split.left as usize] = (i as u32, split.feature, LEFT);
            self.parents[split.right as usize] = (i as u32, split.feature, RIGHT);
        }
    }

    /// The nearest node on the path to this one, itself included, whose parent splits on the feature.
    fn above(&self, node: usize, feature: u32) -> Option<usize> {
        let mut at = node;
        while at > 0 {
            let (parent, asked, _) = self.parents[at];
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

/// The prepared tables of trees. Forks are their splits. For each tree there are first the inner forks, which have a split
/// below them, parents before children; then the twigs, which are forks with two leaves.
struct Tables<const Q: usize> {
    walks: Vec<Walk>,
    forks: Vec<Fork>,
    /// A branch for each state of each inner fork.
    branches: Vec<Branch<Q>>,
    /// A twig for each state of each fork with two leaves.
    twigs: Vec<Twig<Q>>,
    /// The distinct features of each tree.
    features: Vec<u32>,
}

/// The part of the tables that belongs to one tree.
struct Walk {
    forks: Range<usize>,
    /// Number of inner forks among them.
    inner: usize,
    /// Number of values that a walk stores: of the forks, then of the leaves that are not on a twig.
    values: usize,
    features: Range<usize>,
}

struct Fork {
    split: Split,
    /// The index of the feature among those of the tree.
    feature: u32,
    /// The nearest fork above that splits on the same feature; `stays` is its state if the row stays on the path. If there is
    /// none, it is the index after the last fork, whose state is always [`LEFT`].
    above: u32,
    stays: u8,
    /// The index of its first branch or twig.
    first: u32,
    /// The indices of the children's values.
    children: [u32; 2],
}

/// The two edges of an inner fork in one state. The factor of an edge multiplies the product of factors on the path (with the
/// value of a leaf multiplied in). Its credit weights the sum of the leaves below for the feature.
struct Branch<const Q: usize>([Edge<Q>; 2]);

/// A fork with two leaves in one state. Both numbers are multiplied by the product of factors on the path to it: `sum` gives
/// the sum of the leaves, `credit` the contribution to the feature.
struct Twig<const Q: usize> {
    sum: [f64; Q],
    credit: [f64; Q],
}

/// The buffers of a walk.
struct Notes<const Q: usize> {
    /// The state of each fork.
    states: Vec<u8>,
    /// On the way down, the product of the factors; on the way up, the sum of the leaves.
    values: Vec<[f64; Q]>,
    /// The contribution to each feature of the tree, at each point of the quadrature.
    credits: Vec<[f64; Q]>,
}

impl<const Q: usize> Default for Notes<Q> {
    fn default() -> Self {
        Notes { states: Vec::new(), values: Vec::new(), credits: Vec::new() }
    }
}

/// The buffers for preparing a tree.
struct Draft<const Q: usize> {
    ways: Ways,
    /// The nodes that are forks, in the order of the forks.
    order: Vec<u32>,
    /// The index of each node in `order`.
    place: Vec<u32>,
    /// For the edge into each node: the share of the training rows that pass all edges of the same feature on the path, and the
    /// edge of a row that stays on the path.
    edges: Vec<(f64, Edge<Q>)>,
}

impl<const Q: usize> Default for Draft<Q> {
    fn default() -> Self {
        Draft { ways: Ways::default(), order: Vec::new(), place: Vec::new(), edges: Vec::new() }
    }
}

impl<const Q: usize> Tables<Q> {
    /// Creates empty tables with room for trees of this many nodes.
    fn with_room(nodes: usize) -> Self {
        let half = nodes / 2;
        Tables {
            walks: Vec::new(),
            forks: Vec::with_capacity(half),
            branches: Vec::with_capacity(half),
            twigs: Vec::with_capacity(half),
            features: Vec::new(),
        }
    }

    fn clear(&mut self) {
        let Tables { walks, forks, branches, twigs, features } = self;
        walks.clear();
        forks.clear();
        branches.clear();
        twigs.clear();
        features.clear();
    }

    /// Prepares a tree and appends it.
    fn push(&mut self, tree: &Tree, rule: &Quadrature<Q>, draft: &mut Draft<Q>) {
        let Draft { ways, order, place, edges } = draft;
        ways.fill(tree);
        let is_leaf = |child: u32| tree.nodes[child as usize].split.is_none();
        let is_twig = |split: &Split| is_leaf(split.left) && is_leaf(split.right);
        let splits = || tree.nodes.iter().zip(0..).filter_map(|(node, i)| Some((i, node.split.as_ref()?)));
        order.clear();
        order.extend(splits().filter(|(_, split)| !is_twig(split)).map(|(node, _)| node));
        let inner = order.len();
        order.extend(splits().filter(|(_, split)| is_twig(split)).map(|(node, _)| node));
        place.resize(tree.nodes.len().max(place.len()), 0);
        order.iter().zip(0..).for_each(|(&node, at)| place[node as usize] = at);
        edges.clear();
        edges.resize(tree.nodes.len(), (1.0, Edge::NONE));
        let mut features = Vec::new();
        for (node, split) in splits() {
            let before = ways.above(node as usize, split.feature).map_or(1.0, |above| edges[above].0);
            for (child, here) in [split.left, split.right].into_iter().zip(shares_of(tree, split)) {
                edges[child as usize] = (before * here, rule.stays(before * here));
            }
            features.push(split.feature);
        }
        crate::order::sort(&mut features);
        features.dedup();
        let first_fork = self.forks.len();
        let mut values = order.len();
        for (at, &node) in order.iter().enumerate() {
            let split = tree.nodes[node as usize].split.as_ref().expect("a fork is a split");
            let above = ways.above(node as usize, split.feature);
            let (fork_above, stays) = above.map_or((order.len() as u32, LEFT), |above| {
                let (parent, _, side) = ways.parents[above];
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
                let first = self.twigs.len();
                self.twigs.extend(states.map(|state| Twig::of(&branch(state))));
                first
            };
            let feature = features.binary_search(&split.feature).expect("every feature was listed") as u32;
            let first = first as u32;
            self.forks.push(Fork { split: split.clone(), feature, above: fork_above, stays, first, children: places });
        }
        let first_feature = self.features.len();
        self.features.extend(features);
        self.walks.push(Walk {
            forks: first_fork..self.forks.len(),
            inner,
            values,
            features: first_feature..self.features.len(),
        });
    }

    /// Adds the contributions of a row, in one walk down the tree and one back up.
    fn add(&self, walk: &Walk, row: &[f64], notes: &mut Notes<Q>, contributions: &mut [f64]) {
        let features = &self.features[walk.features.clone()];
        let forks = walk.forks.len();
        notes.states.resize((forks + 1).max(notes.states.len()), LEFT);
        notes.values.resize((walk.values + 1).max(notes.values.len()), [0.0; Q]);
        notes.credits.clear();
        notes.credits.resize(features.len(), [0.0; Q]);
        let (states, values) = (&mut notes.states[..=forks], &mut notes.values[..=walk.values]);
        let credits = &mut notes.credits[..];
        states[forks] = LEFT;
        values[0] = [1.0; Q];
        let state = |fork: &Fork, states: &[u8]| {
            let goes = if fork.split.goes_left(row[fork.split.feature as usize]) { LEFT } else { RIGHT };
            if states[fork.above as usize] == fork.stays { goes } else { GONE }
        };
        let (inner, twigs) = self.forks[walk.forks.clone()].split_at(walk.inner);
        for (i, fork) in inner.iter().enumerate() {
            states[i] = state(fork, states);
            let branch = &self.branches[fork.first as usize + usize::from(states[i])];
            let product = values[i];
            for (&child, edge) in fork.children.iter().zip(&branch.0) {
                values[child as usize] = times(&product, &edge.factor);
            }
        }
        for (i, fork) in twigs.iter().enumerate() {
            let twig = &self.twigs[fork.first as usize + usize::from(state(fork, states))];
            let value = &mut values[walk.inner + i];
            plus(&mut credits[fork.feature as usize], &times(value, &twig.credit));
            *value = times(value, &twig.sum);
        }
        // So far the value of a fork was the product of factors; from here on it is the sum of the leaves below it.
        for (i, fork) in inner.iter().enumerate().rev() {
            let branch = &self.branches[fork.first as usize + usize::from(states[i])];
            let (left, right) = (values[fork.children[0] as usize], values[fork.children[1] as usize]);
            let credit = &mut credits[fork.feature as usize];
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

impl<const Q: usize> Twig<Q> {
    fn of(branch: &Branch<Q>) -> Self {
        let [left, right] = &branch.0;
        let mut twig = Twig { sum: left.factor, credit: times(&left.factor, &left.credit) };
        plus(&mut twig.sum, &right.factor);
        plus(&mut twig.credit, &times(&right.factor, &right.credit));
        twig
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
