//! Growing a boosting tree, level by level.
//!
//! Rows are in blocks of at most 2^16 and are numbered by 16 bits within their block. So the data of a block that a level
//! reads (codes, gradients and order) fits in the second-level cache. A level takes two passes over the blocks. The first
//! divides the rows of every node between its children. The second sums the histograms of the smaller child of each pair;
//! the histogram of the larger child is the parent's minus the smaller child's. Blocks are processed in parallel. All sums
//! are integers, so neither the size of the blocks nor the number of threads changes the result.

use std::ops::Range;

use super::bins::{BINS, Binned};
use super::gain::{BestSoFar, BestSplit, Criterion, Outcome};
use super::gradients::{Gradient, Units};
use super::growth::{Growth, partition};
use super::histogram::{BinSums, GROUP, GradientSum, fill, total};
use crate::model::tree::{Node, Split, Tree};
use crate::parallel;

/// A range of rows of a data set, in an order that growing a tree changes.
pub(crate) struct RowBlock {
    /// The range of the rows in the data set.
    pub(crate) range: Range<usize>,
    /// The rows of the block, counted from the start of the range.
    start: Vec<u16>,
    order: Vec<u16>,
    /// True if they are training rows; other rows only find their leaves.
    learned: bool,
}

/// Largest number of rows of a block, which 16 bits can number.
const MOST_ROWS: usize = 1 << 16;
/// Smallest number of rows that are worth a block.
const LEAST_ROWS: usize = 1 << 14;

/// Divides all rows of a data set into blocks. The rows in `learned` (rising) are in other blocks than the rest.
pub(crate) fn blocks(n: usize, learned: &[u32]) -> Vec<RowBlock> {
    let size = n.div_ceil(2 * parallel::threads()).clamp(LEAST_ROWS, MOST_ROWS);
    let mut blocks = Vec::new();
    let mut learned = learned.iter().map(|&row| row as usize).peekable();
    for first in (0..n).step_by(size) {
        let range = first..(first + size).min(n);
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        for row in range.clone() {
            let side = if learned.next_if_eq(&row).is_some() { &mut inside } else { &mut outside };
            side.push((row - first) as u16);
        }
        for (start, learned) in [(inside, true), (outside, false)] {
            if !start.is_empty() {
                blocks.push(RowBlock { range: range.clone(), order: start.clone(), start, learned });
            }
        }
    }
    blocks
}

/// A grown tree with the rows of each of its leaves.
pub(crate) struct GrownTree {
    pub(crate) tree: Tree,
    /// For each leaf, its node and the range of its rows in every block.
    leaves: Vec<(u32, Vec<Range<usize>>)>,
}

impl GrownTree {
    /// Iterates over the leaves with their rows in a block, counted from the start of the block.
    pub(crate) fn leaves<'a>(
        &'a self,
        number: usize,
        block: &'a RowBlock,
    ) -> impl Iterator<Item = (&'a Node, &'a [u16])> {
        self.leaves
            .iter()
            .map(move |(node, places)| (&self.tree.nodes[*node as usize], &block.order[places[number].clone()]))
    }
}

/// A node that may still be split.
struct Open {
    node: u32,
    total: GradientSum,
    /// The range of its rows in every block.
    places: Vec<Range<usize>>,
    histograms: Vec<BinSums>,
}

/// The state of growing one tree.
struct LevelGrower<'a> {
    binned: &'a Binned,
    gradients: &'a [Gradient],
    criterion: Criterion,
    max_depth: usize,
    /// For each feature, true if the tree may split by it.
    features: &'a [bool],
    blocks: &'a mut [RowBlock],
    tree: Tree,
    leaves: Vec<(u32, Vec<Range<usize>>)>,
}

/// Largest size in bytes of the histograms of a level. A larger level is split, and its halves are grown one after the other.
const MOST_HISTOGRAMS: usize = 1 << 27;
/// Number of rows × groups of features below which spreading blocks over the cores costs more than it saves.
const WORTH_SHARING: usize = 1 << 15;

/// Grows a tree on the training blocks. `gradients` are those of all rows of the data set; `features` has true for each feature
/// that the tree may split by.
pub(crate) fn grow(
    binned: &Binned,
    gradients: &[Gradient],
    units: Units,
    growth: &Growth,
    features: &[bool],
    blocks: &mut [RowBlock],
) -> GrownTree {
    for block in blocks.iter_mut() {
        block.order.copy_from_slice(&block.start);
    }
    let criterion = Criterion::new(growth, Outcome::LogLoss, units);
    let places = blocks.iter().map(|block| 0..block.order.len()).collect();
    let (tree, leaves) = (Tree::default(), Vec::new());
    let max_depth = growth.max_depth;
    let mut grower = LevelGrower { binned, gradients, criterion, max_depth, features, blocks, tree, leaves };
    let mut root = Open { node: 0, total: GradientSum::default(), places, histograms: Vec::new() };
    root.histograms = grower.histograms(&[&root.places]).pop().expect("one node was asked for");
    root.total = total(&root.histograms[0]);
    grower.push(root.total);
    grower.level(vec![root], 0);
    GrownTree { tree: grower.tree, leaves: grower.leaves }
}

impl LevelGrower<'_> {
    fn push(&mut self, sum: GradientSum) -> u32 {
        let node = Node { split: None, value: self.criterion.value(sum), cover: self.criterion.cover(sum) };
        self.tree.nodes.push(node);
        self.tree.nodes.len() as u32 - 1
    }

    fn can_split(&self, sum: GradientSum, depth: usize) -> bool {
        depth < self.max_depth && self.criterion.can_split(sum)
    }

    /// Splits these nodes of one depth, and the nodes below them.
    fn level(&mut self, open: Vec<Open>, depth: usize) {
        let found = self.search(&open, depth);
        let (mut split, mut rules) = (Vec::new(), Vec::new());
        for (open, found) in open.into_iter().zip(found) {
            match found {
                Some(found) => {
                    split.push(open);
                    rules.push(found);
                }
                None => self.leaves.push((open.node, open.places)),
            }
        }
        if split.is_empty() {
            return;
        }
        let mut next = self.divide(split, rules, depth + 1);
        // A level that is too wide is halved. Each depth keeps at most one other half waiting, which bounds the memory.
        let bytes = self.binned.columns.len() * size_of::<BinSums>();
        while next.len() > 2 && next.len() > MOST_HISTOGRAMS / bytes.max(1) {
            let rest = next.split_off(next.len() / 2);
            self.level(next, depth + 1);
            next = rest;
        }
        if !next.is_empty() {
            self.level(next, depth + 1);
        }
    }

    /// The best split of each node; of equal ones, the split of the first feature.
    fn search(&self, open: &[Open], depth: usize) -> Vec<Option<BestSplit>> {
        let search = |node: usize| {
            let Open { total, histograms, .. } = &open[node];
            if !self.can_split(*total, depth) {
                return None;
            }
            let mut best = BestSoFar::default();
            let columns = self.binned.columns.iter().zip(histograms).enumerate();
            for (feature, (column, histogram)) in columns.filter(|&(feature, _)| self.features[feature]) {
                self.criterion.search(feature, column, histogram, *total, &mut best);
            }
            best.into_found()
        };
        // A feature of a node takes about a microsecond, so less work than this is not worth spreading.
        if open.len() * self.binned.columns.len() < 256 {
            return (0..open.len()).map(search).collect();
        }
        parallel::map(open.len(), search)
    }

    /// Creates the children of nodes, with histograms if they may be split again.
    fn divide(&mut self, split: Vec<Open>, found: Vec<BestSplit>, depth: usize) -> Vec<Open> {
        let binned = self.binned;
        let middles = |number: usize, block: &mut RowBlock| -> Vec<usize> {
            let mut buffer = vec![0; block.order.len()];
            let divide = |(open, found): (&Open, &BestSplit)| {
                let place = open.places[number].clone();
                let codes = &binned.columns[found.feature].codes[block.range.clone()];
                let goes_left = |row: u16| found.goes_left[usize::from(codes[usize::from(row)])];
                place.start + partition(&mut block.order[place], &mut buffer, goes_left)
            };
            split.iter().zip(&found).map(divide).collect()
        };
        let rows: usize = self.blocks.iter().map(|block| block.order.len()).sum();
        let middles = match rows < WORTH_SHARING {
            true => self.blocks.iter_mut().enumerate().map(|(number, block)| middles(number, block)).collect(),
            false => parallel::map_mut(self.blocks, middles),
        };

        let mut children = Vec::with_capacity(2 * split.len());
        let mut parents = Vec::with_capacity(split.len());
        for (i, (open, found)) in split.into_iter().zip(found).enumerate() {
            let right_sum = open.total - found.left_sum;
            let (left, right) = (self.push(found.left_sum), self.push(right_sum));
            let BestSplit { feature, rule, missing_left, left_sum, .. } = found;
            self.tree.nodes[open.node as usize].split =
                Some(Split { feature: feature as u32, rule, missing_left, left, right });
            let sides = |side: fn(Range<usize>, usize) -> Range<usize>| {
                open.places.iter().zip(&middles).map(|(place, middles)| side(place.clone(), middles[i])).collect()
            };
            let (lefts, rights) =
                (sides(|place, middle| place.start..middle), sides(|place, middle| middle..place.end));
            for (node, total, places) in [(left, left_sum, lefts), (right, right_sum, rights)] {
                children.push(Open { node, total, places, histograms: Vec::new() });
            }
            parents.push(open.histograms);
        }

        // Of each pair that needs histograms, the child with fewer training rows is summed.
        let learned = |open: &Open| -> usize {
            let blocks = open.places.iter().zip(self.blocks.iter());
            blocks.map(|(place, block)| if block.learned { place.len() } else { 0 }).sum()
        };
        let smaller: Vec<Option<usize>> = children
            .chunks_exact(2)
            .map(|pair| {
                let needed = pair.iter().any(|child| self.can_split(child.total, depth));
                needed.then(|| usize::from(learned(&pair[1]) < learned(&pair[0])))
            })
            .collect();
        let places: Vec<&Vec<Range<usize>>> = smaller
            .iter()
            .enumerate()
            .filter_map(|(i, smaller)| smaller.map(|smaller| &children[2 * i + smaller].places))
            .collect();
        let mut summed = self.histograms(&places).into_iter();
        for ((pair, smaller), mut histograms) in children.chunks_exact_mut(2).zip(smaller).zip(parents) {
            let Some(smaller) = smaller else { continue };
            let few = summed.next().expect("one for each pair that needs it");
            for ((all, few), column) in histograms.iter_mut().zip(&few).zip(&binned.columns) {
                subtract(all, few, column.bins());
            }
            pair[smaller].histograms = few;
            pair[1 - smaller].histograms = histograms;
        }
        let mut next = Vec::with_capacity(children.len());
        for child in children {
            match self.can_split(child.total, depth) {
                true => next.push(child),
                false => self.leaves.push((child.node, child.places)),
            }
        }
        next
    }

    /// Computes the histograms of nodes, given as the ranges of their rows in the blocks.
    fn histograms(&self, nodes: &[&Vec<Range<usize>>]) -> Vec<Vec<BinSums>> {
        let groups = self.binned.words.len();
        let width = self.binned.columns.len();
        let learned: Vec<usize> = (0..self.blocks.len()).filter(|&number| self.blocks[number].learned).collect();
        let empty = |width: usize| vec![vec![[GradientSum::default(); BINS]; width]; nodes.len()];
        let add = |histograms: &mut [Vec<BinSums>], numbers: &[usize], groups: Range<usize>| {
            for &number in numbers {
                let block = &self.blocks[number];
                let gradients = &self.gradients[block.range.clone()];
                for (histograms, places) in histograms.iter_mut().zip(nodes) {
                    let rows = &block.order[places[number].clone()];
                    for (histograms, group) in histograms.chunks_mut(GROUP).zip(groups.clone()) {
                        fill(histograms, rows, &self.binned.words[group][block.range.clone()], gradients);
                    }
                }
            }
        };
        let in_node = |places: &Vec<Range<usize>>| learned.iter().map(|&number| places[number].len()).sum::<usize>();
        let rows: usize = nodes.iter().map(|places| in_node(places)).sum();
        let threads = parallel::threads();
        if threads == 1 || rows * groups < WORTH_SHARING {
            let mut histograms = empty(width);
            add(&mut histograms, &learned, 0..groups);
            return histograms;
        }
        if groups >= 4 * threads {
            // There are enough features to give each core some of them.
            let parts = parallel::map(groups, |group| {
                let mut histograms = empty(GROUP.min(width - group * GROUP));
                add(&mut histograms, &learned, group..group + 1);
                histograms
            });
            let mut histograms = vec![Vec::with_capacity(width); nodes.len()];
            for part in parts {
                histograms.iter_mut().zip(part).for_each(|(all, part)| all.extend(part));
            }
            return histograms;
        }
        let each = learned.len().div_ceil(threads);
        let parts: Vec<&[usize]> = learned.chunks(each).collect();
        let mut parts = parallel::map(parts.len(), |part| {
            let mut histograms = empty(width);
            add(&mut histograms, parts[part], 0..groups);
            histograms
        });
        let mut histograms = parts.pop().expect("there are rows to learn from");
        for part in parts {
            for (all, part) in histograms.iter_mut().flatten().zip(part.iter().flatten()) {
                all.iter_mut().zip(part).for_each(|(all, part)| *all += *part);
            }
        }
        histograms
    }
}

/// Subtracts the sums of some of the rows.
fn subtract(all: &mut BinSums, some: &BinSums, bins: usize) {
    all[..bins].iter_mut().zip(&some[..bins]).for_each(|(all, some)| *all -= *some);
    all[BINS - 1] -= some[BINS - 1];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FeatureSpec;
    use crate::learn::trees::bins::{BinKind, MISSING, bin};
    use crate::learn::trees::gradients;
    use crate::random::Random;
    use ndarray::Array2;

    const ROWS: usize = 20_000;

    /// Ten features in two groups: real numbers, integers, missing values, one with 70 levels, and two without information.
    fn data() -> (Array2<f64>, Binned, Vec<Gradient>, Units) {
        let mut random = Random::new(3, 1);
        let mut uniform = || (random.next() >> 11) as f64 / 2f64.powi(53);
        let x = Array2::from_shape_fn((ROWS, 10), |(_, j)| match j {
            1 | 2 => (uniform() * 5.0).floor(),
            3 => (uniform() * 70.0).floor(),
            4 if uniform() < 0.3 => f64::NAN,
            8 => 1.0,
            _ => uniform() * uniform(),
        });
        let mut specs: Vec<FeatureSpec> = (0..10).map(|i| FeatureSpec::numeric(format!("f{i}"))).collect();
        specs[3].levels = Some((0..70).map(|level| format!("l{level:02}")).collect());
        let y: Vec<bool> = (0..ROWS)
            .map(|i| x[(i, 0)] + 0.2 * x[(i, 1)] + if x[(i, 3)] % 3.0 == 0.0 { 0.4 } else { 0.0 } > 0.3 + uniform())
            .collect();
        let weights: Vec<f64> = (0..ROWS).map(|i| 1.0 + (i % 3) as f64).collect();
        let units = Units::for_weights_up_to(3.0);
        let mut out = vec![Gradient::default(); ROWS];
        // A different margin for each row, so that no two nodes have the same value by chance.
        let margins: Vec<f64> = (0..ROWS).map(|_| uniform() - 1.0).collect();
        gradients::fill(&mut out, &margins, &gradients::signed_weights(&y, &weights, units));
        let binned = bin(x.view(), &specs, &()).expect("nobody asks to stop");
        (x, binned, out, units)
    }

    /// The values of the nodes on the path of a row, from the root to its leaf.
    fn path(tree: &Tree, row: ndarray::ArrayView1<'_, f64>) -> Vec<f64> {
        let mut node = &tree.nodes[0];
        let mut path = vec![node.value];
        while let Some(split) = &node.split {
            let left = split.goes_left(row[split.feature as usize]);
            node = &tree.nodes[if left { split.left } else { split.right } as usize];
            path.push(node.value);
        }
        path
    }

    /// Histograms by subtraction, blocks and groups have the same bits as sums over the rows of each node one by one, with a
    /// fifth of the rows held out.
    #[test]
    fn every_node_has_the_sums_of_its_rows() {
        let (x, binned, gradients, units) = data();
        let learned: Vec<u32> = (0..ROWS as u32).filter(|row| row % 5 != 1).collect();
        for max_depth in [1, 5, 9] {
            let growth = Growth { max_depth, l2: 1.0, min_child_weight: 1.0, noise: 1.0 };
            let mut blocks = blocks(ROWS, &learned);
            let grown = grow(&binned, &gradients, units, &growth, &[true; 10], &mut blocks);
            assert_eq!(grown.tree.depth(), max_depth);
            let criterion = Criterion::new(&growth, Outcome::LogLoss, units);
            let mut sums = std::collections::BTreeMap::new();
            for &row in &learned {
                for value in path(&grown.tree, x.row(row as usize)) {
                    *sums.entry(value.to_bits()).or_insert_with(GradientSum::default) += gradients[row as usize].into();
                }
            }
            for node in &grown.tree.nodes {
                let sum = sums[&node.value.to_bits()];
                assert_eq!(criterion.value(sum).to_bits(), node.value.to_bits());
                assert_eq!(criterion.cover(sum).to_bits(), node.cover.to_bits());
            }
            // Every row, for training or not, is in exactly the leaf that a walk of the tree finds.
            let mut seen = vec![0; ROWS];
            for (number, block) in blocks.iter().enumerate() {
                for (leaf, rows) in grown.leaves(number, block) {
                    for &row in rows {
                        let row = block.range.start + usize::from(row);
                        seen[row] += 1;
                        assert_eq!(grown.tree.value(x.row(row)).to_bits(), leaf.value.to_bits());
                    }
                }
            }
            assert!(seen.iter().all(|&times| times == 1));
        }
    }

    /// Compares the root's split with every threshold of every numeric feature, with missing values on either side, by the
    /// formula in the header of `tree.rs`.
    #[test]
    fn the_first_split_is_the_best_there_is() {
        let (x, binned, gradients, units) = data();
        let learned: Vec<u32> = (0..ROWS as u32).collect();
        let growth = Growth { max_depth: 1, l2: 1.0, min_child_weight: 1.0, noise: 1.0 };
        let grown = grow(&binned, &gradients, units, &growth, &[true; 10], &mut blocks(ROWS, &learned));
        let worth = |goes_left: &dyn Fn(usize) -> bool| {
            let mut sides = [(0.0, 0.0); 2];
            for (row, gradient) in gradients.iter().enumerate() {
                let side = &mut sides[usize::from(goes_left(row))];
                side.0 += f64::from(gradient.g) * units.g;
                side.1 += f64::from(gradient.h) * units.h;
            }
            sides.iter().map(|(g, h)| g * g / (h + 1.0)).sum::<f64>()
        };
        let mut best = 0.0f64;
        for column in &binned.columns {
            let BinKind::Numeric { edges } = &column.kind else { continue };
            for bin in 0..edges.len() {
                for missing_left in [false, true] {
                    let left = |row: usize| match column.codes[row] {
                        MISSING => missing_left,
                        code => usize::from(code) <= bin,
                    };
                    best = best.max(worth(&left));
                }
            }
        }
        let left = grown.tree.nodes[1].value;
        let found = worth(&|row| grown.tree.value(x.row(row)) == left);
        // The categorical feature may do better.
        assert!(found >= best * (1.0 - 1e-9), "{found} < {best}");
    }

    #[test]
    fn a_node_without_curvature_gives_nothing() {
        let (_, binned, _, units) = data();
        let growth = Growth { max_depth: 3, l2: 0.0, min_child_weight: 0.0, noise: 1.0 };
        let learned: Vec<u32> = (0..ROWS as u32).collect();
        let grown =
            grow(&binned, &vec![Gradient::default(); ROWS], units, &growth, &[true; 10], &mut blocks(ROWS, &learned));
        assert_eq!((grown.tree.nodes.len(), grown.tree.nodes[0].value), (1, 0.0));
    }
}
