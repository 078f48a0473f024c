//! The histogram tree learner that random forest and gradient boosting share.
//!
//! **Structure.** A binary tree; a number goes left if it is at most the threshold, a category if its level is in the
//! node's set, a missing value by a direction learned at each split. **Algorithm.** Each row has a gradient g and a
//! curvature h; a split is worth GL²/(HL + λ) + GR²/(HR + λ) − G²/(H + λ) over the sums of its sides, a leaf's value is
//! G/(H + λ). With g = y and h = 1 that is the variance (Gini) criterion of a classification tree and the leaf is a
//! rate; with the log-loss's derivatives it is a Newton boosting step. Splits are searched over 255 bins a feature; a
//! category's levels are sorted by G/H first, so that the best set is a prefix (Fisher 1958). The larger of two siblings
//! gets its histogram by subtraction. **Constraints.** Gradients are rounded to integers once, to 30 bits of the largest:
//! sums are then independent of order and threads, and cannot overflow below 2^33 rows.

use super::bins::{BINS, BinKind, BinnedColumn, MISSING};
use crate::parallel;
use crate::random::Random;

/// No tree is deeper.
pub(crate) const MAX_DEPTH: usize = 32;

/// A fitted tree. Children stand behind their parent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

/// A split, or a leaf.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) split: Option<Split>,
    /// The value of a leaf; for a split what the node would give as one.
    pub(crate) value: f64,
    /// Sum of curvatures in training: for a forest the weight of its rows.
    pub(crate) cover: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) feature: u32,
    pub(crate) rule: Rule,
    pub(crate) missing_left: bool,
    pub(crate) left: u32,
    pub(crate) right: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    /// value ≤ threshold goes left.
    AtMost(f64),
    /// These levels go left.
    Levels(LevelSet),
}

/// A set of levels 0..=254.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LevelSet([u64; 4]);

impl LevelSet {
    pub(crate) fn insert(&mut self, level: u8) {
        self.0[usize::from(level / 64)] |= 1 << (level % 64);
    }

    pub(crate) fn contains(&self, level: u8) -> bool {
        self.0[usize::from(level / 64)] >> (level % 64) & 1 == 1
    }

    pub(crate) fn levels(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=254).filter(|&level| self.contains(level))
    }
}

impl Split {
    pub(crate) fn goes_left(&self, value: f64) -> bool {
        if value.is_nan() {
            return self.missing_left;
        }
        match &self.rule {
            Rule::AtMost(threshold) => value <= *threshold,
            Rule::Levels(levels) => levels.contains(value as u8),
        }
    }
}

impl Tree {
    /// The value of the leaf that a row of features falls into.
    pub(crate) fn value(&self, row: ndarray::ArrayView1<'_, f64>) -> f64 {
        let mut node = &self.nodes[0];
        while let Some(split) = &node.split {
            let next = if split.goes_left(row[split.feature as usize]) { split.left } else { split.right };
            node = &self.nodes[next as usize];
        }
        node.value
    }

    /// The number of edges on the longest way down.
    pub(crate) fn depth(&self) -> usize {
        let mut depths = vec![0; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            if let Some(split) = &node.split {
                depths[split.left as usize] = depths[i] + 1;
                depths[split.right as usize] = depths[i] + 1;
            }
        }
        depths.into_iter().max().unwrap_or(0)
    }
}

/// What the growth of a tree obeys.
#[derive(Clone, Debug)]
pub(crate) struct Growth {
    pub(crate) max_depth: usize,
    /// λ, added to the curvature of every node.
    pub(crate) l2: f64,
    /// The least curvature on either side of a split.
    pub(crate) min_child_weight: f64,
    /// Features looked at for a split, drawn anew at each; all if none.
    pub(crate) features_per_split: Option<usize>,
}

/// Gradient and curvature of every row, as integers with their units.
pub(crate) struct Gradients {
    rows: Vec<(i32, i32)>,
    g_unit: f64,
    h_unit: f64,
}

impl Gradients {
    /// Rounds gradients and curvatures to 30 bits of the largest of each.
    pub(crate) fn new(pairs: &[(f64, f64)]) -> Self {
        let largest = |part: fn(&(f64, f64)) -> f64| pairs.iter().map(part).fold(0.0, |m: f64, v| m.max(v.abs()));
        let (g_unit, h_unit) = (unit(largest(|pair| pair.0)), unit(largest(|pair| pair.1)));
        let quantise =
            |(g, h): &(f64, f64)| ((g / g_unit).round_ties_even() as i32, (h / h_unit).round_ties_even() as i32);
        Gradients { rows: pairs.iter().map(quantise).collect(), g_unit, h_unit }
    }
}

/// The power of two of which the largest value is below 2^30: dividing by it is exact.
fn unit(largest: f64) -> f64 {
    let exponent = libm::ilogb(largest.max(f64::MIN_POSITIVE)) + 1;
    libm::scalbn(1.0, exponent - 30)
}

/// Sums over the rows of a bin or node.
#[derive(Clone, Copy, Default, PartialEq)]
struct Sum {
    g: i64,
    h: i64,
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Sum) {
        self.g += other.g;
        self.h += other.h;
    }
}

impl std::ops::Sub for Sum {
    type Output = Sum;
    fn sub(self, other: Sum) -> Sum {
        Sum { g: self.g - other.g, h: self.h - other.h }
    }
}

/// A split that was found.
struct Found {
    gain: f64,
    feature: usize,
    rule: Rule,
    /// The bins (or levels) that go left.
    left: LevelSet,
    missing_left: bool,
    left_sum: Sum,
}

/// Grows a tree over `rows`, which it reorders. `random` is used only if features are drawn.
pub(crate) fn grow(
    columns: &[BinnedColumn],
    gradients: &Gradients,
    growth: &Growth,
    rows: &mut [u32],
    random: &mut Random,
) -> Tree {
    let mut total = Sum::default();
    for &row in rows.iter() {
        let (g, h) = gradients.rows[row as usize];
        total += Sum { g: i64::from(g), h: i64::from(h) };
    }
    let mut grower =
        Grower { columns, gradients, growth, random, tree: Tree::default(), buffer: Vec::with_capacity(rows.len()) };
    grower.node(rows, total, None, 0);
    grower.tree
}

struct Grower<'a> {
    columns: &'a [BinnedColumn],
    gradients: &'a Gradients,
    growth: &'a Growth,
    random: &'a mut Random,
    tree: Tree,
    buffer: Vec<u32>,
}

/// One histogram of 256 bins a feature, one after the other.
type Histograms = Vec<Sum>;

/// Rows × features below which a histogram is not worth handing out to other cores.
const WORTH_SHARING: usize = 1 << 18;

impl Grower<'_> {
    /// Adds the node of these rows and everything below it. Histograms come along only where all features are used.
    fn node(&mut self, rows: &mut [u32], total: Sum, histograms: Option<Histograms>, depth: usize) -> u32 {
        let index = self.tree.nodes.len();
        let (g, h) = self.real(total);
        self.tree.nodes.push(Node { split: None, value: g / (h + self.growth.l2), cover: h });
        if depth == self.growth.max_depth || rows.len() < 2 || h < 2.0 * self.growth.min_child_weight {
            return index as u32;
        }
        let (found, histograms) = match self.growth.features_per_split {
            None => {
                let histograms = histograms.unwrap_or_else(|| self.histograms(rows));
                (self.search(&histograms, total), Some(histograms))
            }
            Some(draw) => (self.search_drawn(rows, total, draw), None),
        };
        let Some(found) = found else { return index as u32 };

        let middle = self.partition(rows, &found);
        let (left_rows, right_rows) = rows.split_at_mut(middle);
        let right_sum = total - found.left_sum;
        let below = depth + 1 < self.growth.max_depth;
        let (left_histograms, right_histograms) = match histograms {
            Some(parent) if below => {
                let left_is_smaller = left_rows.len() <= right_rows.len();
                let smaller = self.histograms(if left_is_smaller { left_rows } else { right_rows });
                let larger = parent.iter().zip(&smaller).map(|(p, s)| *p - *s).collect();
                if left_is_smaller { (Some(smaller), Some(larger)) } else { (Some(larger), Some(smaller)) }
            }
            _ => (None, None),
        };
        let left = self.node(left_rows, found.left_sum, left_histograms, depth + 1);
        let right = self.node(right_rows, right_sum, right_histograms, depth + 1);
        let Found { feature, rule, missing_left, .. } = found;
        self.tree.nodes[index].split = Some(Split { feature: feature as u32, rule, missing_left, left, right });
        index as u32
    }

    fn real(&self, sum: Sum) -> (f64, f64) {
        (sum.g as f64 * self.gradients.g_unit, sum.h as f64 * self.gradients.h_unit)
    }

    /// What a node of this sum is worth.
    fn worth(&self, sum: Sum) -> f64 {
        let (g, h) = self.real(sum);
        g * g / (h + self.growth.l2)
    }

    fn histograms(&self, rows: &[u32]) -> Histograms {
        let ordered: Vec<(i32, i32)> = rows.iter().map(|&row| self.gradients.rows[row as usize]).collect();
        let mut histograms = vec![Sum::default(); self.columns.len() * BINS];
        if rows.len() * self.columns.len() < WORTH_SHARING {
            for (column, histogram) in self.columns.iter().zip(histograms.chunks_exact_mut(BINS)) {
                fill(histogram, column, rows, &ordered);
            }
            return histograms;
        }
        let filled = parallel::map(self.columns.len(), |j| {
            let mut histogram = vec![Sum::default(); BINS];
            fill(&mut histogram, &self.columns[j], rows, &ordered);
            histogram
        });
        filled.concat()
    }

    /// The best split over all features; of equal ones the first.
    fn search(&self, histograms: &[Sum], total: Sum) -> Option<Found> {
        let mut best: Option<Found> = None;
        for (feature, histogram) in histograms.chunks_exact(BINS).enumerate() {
            self.search_feature(feature, histogram, total, &mut best);
        }
        best
    }

    /// The best split over features in random order: `draw` of them, and more while none of those can be split.
    fn search_drawn(&mut self, rows: &[u32], total: Sum, draw: usize) -> Option<Found> {
        let mut features: Vec<usize> = (0..self.columns.len()).collect();
        self.random.shuffle(&mut features);
        let ordered: Vec<(i32, i32)> = rows.iter().map(|&row| self.gradients.rows[row as usize]).collect();
        let mut histogram = vec![Sum::default(); BINS];
        let mut best: Option<Found> = None;
        for (drawn, &feature) in features.iter().enumerate() {
            if drawn >= draw && best.is_some() {
                break;
            }
            histogram.fill(Sum::default());
            fill(&mut histogram, &self.columns[feature], rows, &ordered);
            self.search_feature(feature, &histogram, total, &mut best);
        }
        best
    }

    fn search_feature(&self, feature: usize, histogram: &[Sum], total: Sum, best: &mut Option<Found>) {
        let column = &self.columns[feature];
        match &column.kind {
            BinKind::Numeric { edges } => {
                let order = 0..edges.len() as u8;
                let prefix = |upto: usize| {
                    let mut left = LevelSet::default();
                    (0..=upto as u8).for_each(|bin| left.insert(bin));
                    left
                };
                self.scan(feature, histogram, total, order, |upto| (Rule::AtMost(edges[upto]), prefix(upto)), best);
            }
            BinKind::Categorical { .. } => {
                // Levels seen in this node, by their rate. The pseudo-row keeps rare levels from the ends.
                let mean = total.g as f64 / total.h.max(1) as f64;
                let pseudo = 10.0 / self.gradients.h_unit;
                let rate = |level: u8| {
                    let Sum { g, h } = histogram[usize::from(level)];
                    (g as f64 + pseudo * mean) / (h as f64 + pseudo)
                };
                let mut order: Vec<u8> =
                    (0..column.bins() as u8).filter(|&l| histogram[usize::from(l)] != Sum::default()).collect();
                order.sort_by(|&a, &b| rate(a).total_cmp(&rate(b)).then(a.cmp(&b)));
                let set = |upto: usize| {
                    let mut left = LevelSet::default();
                    order[..=upto].iter().for_each(|&level| left.insert(level));
                    left
                };
                let bins = order.iter().copied();
                self.scan(feature, histogram, total, bins, |upto| (Rule::Levels(set(upto)), set(upto)), best);
            }
        }
    }

    /// Tries every prefix of `bins` as the left side, with the missing rows on either side.
    fn scan(
        &self,
        feature: usize,
        histogram: &[Sum],
        total: Sum,
        bins: impl Iterator<Item = u8>,
        split: impl Fn(usize) -> (Rule, LevelSet),
        best: &mut Option<Found>,
    ) {
        let missing = histogram[usize::from(MISSING)];
        let whole = self.worth(total);
        // A gain below this is rounding.
        let mut most = best.as_ref().map_or(1e-9 * whole.abs().max(1e-9), |found| found.gain);
        let mut at = None;
        let mut present = Sum::default();
        for (upto, bin) in bins.enumerate() {
            present += histogram[usize::from(bin)];
            for missing_left in [false, true] {
                let mut left = present;
                if missing_left {
                    if missing == Sum::default() {
                        continue;
                    }
                    left += missing;
                }
                let right = total - left;
                let ((_, hl), (_, hr)) = (self.real(left), self.real(right));
                if hl < self.growth.min_child_weight || hr < self.growth.min_child_weight || left.h == 0 || right.h == 0
                {
                    continue;
                }
                let gain = self.worth(left) + self.worth(right) - whole;
                if gain > most {
                    most = gain;
                    at = Some((upto, missing_left, left));
                }
            }
        }
        if let Some((upto, missing_left, left_sum)) = at {
            let (rule, left) = split(upto);
            // Where nothing was missing, a missing value follows the larger side.
            let missing_left = if missing == Sum::default() { 2 * left_sum.h > total.h } else { missing_left };
            *best = Some(Found { gain: most, feature, rule, left, missing_left, left_sum });
        }
    }

    /// Moves the rows that go left to the front, keeping the order on both sides; returns how many there are.
    fn partition(&mut self, rows: &mut [u32], found: &Found) -> usize {
        let codes = &self.columns[found.feature].codes;
        self.buffer.clear();
        let mut kept = 0;
        for i in 0..rows.len() {
            let row = rows[i];
            let code = codes[row as usize];
            let left = if code == MISSING { found.missing_left } else { found.left.contains(code) };
            if left {
                rows[kept] = row;
                kept += 1;
            } else {
                self.buffer.push(row);
            }
        }
        rows[kept..].copy_from_slice(&self.buffer);
        kept
    }
}

fn fill(histogram: &mut [Sum], column: &BinnedColumn, rows: &[u32], ordered: &[(i32, i32)]) {
    for (&row, &(g, h)) in rows.iter().zip(ordered) {
        histogram[usize::from(column.codes[row as usize])] += Sum { g: i64::from(g), h: i64::from(h) };
    }
}

impl Tree {
    /// Calls `take(row, which, value)` with the value of each row's node at each of the rising `depths` (its leaf, where that
    /// lies higher): what the tree would give had it been grown only so deep.
    pub(crate) fn values_at(
        &self,
        columns: &[BinnedColumn],
        rows: impl IntoIterator<Item = usize>,
        depths: &[usize],
        mut take: impl FnMut(usize, usize, f64),
    ) {
        for row in rows {
            let mut node = &self.nodes[0];
            let mut depth = 0;
            for (which, &until) in depths.iter().enumerate() {
                while depth < until
                    && let Some(split) = &node.split
                {
                    let column = &columns[split.feature as usize];
                    let code = column.codes[row];
                    let left = match &split.rule {
                        _ if code == MISSING => split.missing_left,
                        Rule::AtMost(threshold) => match &column.kind {
                            // Bin b holds values up to edges[b], so it lies left of every threshold from there on.
                            BinKind::Numeric { edges } => {
                                edges.get(usize::from(code)).is_some_and(|edge| edge <= threshold)
                            }
                            BinKind::Categorical { .. } => false,
                        },
                        Rule::Levels(levels) => levels.contains(code),
                    };
                    node = &self.nodes[if left { split.left } else { split.right } as usize];
                    depth += 1;
                }
                take(row, which, node.value);
            }
        }
    }
}
