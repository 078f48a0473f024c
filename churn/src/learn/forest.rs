//! Random forest: trees on bootstrap samples with features drawn at each split; the score is the mean of their rates.
//!
//! Breiman 2001, with probability trees (each leaf its churn rate). A tree depends on the seed and its number only. Trees
//! are grown side by side, each depth first: features are drawn anew at every node, so only theirs are summed, and nothing
//! would be gained from the histograms of the node above.

use super::bins::{BINS, Binned};
use super::fit::TrainingSet;
use super::gain::{Best, Criterion, Found};
use super::gradients::Units;
use super::growth::Growth;
use super::histogram::{Sum, fill_columns};
use crate::error::Result;
use crate::model::tree::{Node, Split, Tree};
use crate::parallel;
use crate::progress::{Observer, step};
use crate::random::Random;

pub(crate) struct ForestParameters {
    pub(crate) trees: usize,
    pub(crate) growth: Growth,
    /// Features looked at for a split.
    pub(crate) features_per_split: usize,
    pub(crate) seed: u64,
}

/// Trees handed out between two words to the observer, or more where there are more cores; fewer where there are so many rows
/// that those would take long.
const BATCH: usize = 8;
const ROWS_OF_A_BATCH: usize = 1 << 21;

pub(crate) fn fit(set: &TrainingSet<'_>, parameters: &ForestParameters, observer: &dyn Observer) -> Result<Vec<Tree>> {
    let mut trees = Vec::with_capacity(parameters.trees);
    let weights = Weights::of(set);
    while trees.len() < parameters.trees {
        step(observer, "trees", trees.len(), parameters.trees)?;
        let from = trees.len();
        let cores = parallel::threads();
        let batch = BATCH.max(2 * cores).min((ROWS_OF_A_BATCH / set.rows.len()).max(cores));
        let batch = batch.min(parameters.trees - from);
        trees.extend(parallel::map(batch, |i| tree(set, &weights, parameters, (from + i) as u64)));
    }
    Ok(trees)
}

/// The rows' weights as integers.
enum Weights {
    /// All 1: sums are the numbers of draws.
    One,
    /// Multiples of a unit, of the largest at most 2^30. A sample is as large as the set, so 2^33 rows cannot overflow.
    Units(Vec<u32>, f64),
}

impl Weights {
    fn of(set: &TrainingSet<'_>) -> Self {
        if set.rows.iter().all(|&row| set.weight(row) == 1.0) {
            return Weights::One;
        }
        let heaviest = set.rows.iter().fold(f64::MIN_POSITIVE, |most, &row| set.weight(row).max(most));
        let unit = Units::for_weights_up_to(heaviest).g;
        let mut weights = vec![0; set.y.len()];
        set.rows.iter().for_each(|&row| weights[row as usize] = (set.weight(row) / unit) as u32);
        Weights::Units(weights, unit)
    }
}

/// A row of a sample: its number, how often it was drawn, and how often as a churner (as often, or never).
#[derive(Clone, Copy, Default)]
struct Drawn {
    row: u32,
    times: u16,
    churned: u16,
}

fn tree(set: &TrainingSet<'_>, weights: &Weights, parameters: &ForestParameters, number: u64) -> Tree {
    let mut random = Random::new(parameters.seed, number);
    let mut rows = sample(set, &mut random);
    match weights {
        Weights::One => {
            let counts = |drawn: Drawn| Counts(u64::from(drawn.churned) << 32 | u64::from(drawn.times));
            grow(set.binned, parameters, 1.0, &mut rows, counts, random)
        }
        Weights::Units(weights, unit) => {
            let sum = |drawn: Drawn| {
                let weight = i64::from(weights[drawn.row as usize]);
                Sum { g: weight * i64::from(drawn.churned), h: weight * i64::from(drawn.times) }
            };
            grow(set.binned, parameters, *unit, &mut rows, sum, random)
        }
    }
}

/// As many draws with replacement as there are rows.
fn sample(set: &TrainingSet<'_>, random: &mut Random) -> Vec<Drawn> {
    // A row is drawn once on average; 255 times is beyond what chance does.
    let mut times = vec![0u8; set.rows.len()];
    for _ in 0..set.rows.len() {
        let drawn = &mut times[random.below(set.rows.len())];
        *drawn = drawn.saturating_add(1);
    }
    let mut rows = vec![Drawn::default(); set.rows.len() + 1];
    let mut len = 0;
    for (&row, &times) in set.rows.iter().zip(&times) {
        let churned = u16::from(times) * u16::from(set.y[row as usize]);
        // The next row takes its place if it was not drawn.
        rows[len] = Drawn { row, times: u16::from(times), churned };
        len += usize::from(times > 0);
    }
    rows.truncate(len);
    rows
}

/// Draws below, those of churners above: one addition for both. A sample has less than 2^32 rows.
#[derive(Clone, Copy, Default, PartialEq)]
struct Counts(u64);

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.0 += other.0;
    }
}

impl From<Counts> for Sum {
    fn from(counts: Counts) -> Sum {
        Sum { g: (counts.0 >> 32) as i64, h: (counts.0 & 0xffff_ffff) as i64 }
    }
}

struct Grower<'a, C, V> {
    binned: &'a Binned,
    criterion: Criterion,
    max_depth: usize,
    draw: usize,
    value: V,
    random: Random,
    tree: Tree,
    buffer: Vec<Drawn>,
    histograms: Vec<[C; BINS]>,
}

fn grow<C, V>(
    binned: &Binned,
    parameters: &ForestParameters,
    unit: f64,
    rows: &mut [Drawn],
    value: V,
    random: Random,
) -> Tree
where
    C: Copy + Default + PartialEq + std::ops::AddAssign + Into<Sum>,
    V: Fn(Drawn) -> C,
{
    let Growth { max_depth, l2, min_child_weight } = parameters.growth;
    let criterion = Criterion::new(l2, min_child_weight, Units { g: unit, h: unit });
    let mut total = Sum::default();
    rows.iter().for_each(|&drawn| total += value(drawn).into());
    let draw = parameters.features_per_split;
    let mut grower = Grower {
        binned,
        criterion,
        max_depth,
        draw,
        value,
        random,
        tree: Tree::default(),
        buffer: vec![Drawn::default(); rows.len()],
        histograms: vec![[C::default(); BINS]; draw],
    };
    grower.node(rows, total, 0);
    grower.tree
}

impl<C, V> Grower<'_, C, V>
where
    C: Copy + Default + PartialEq + std::ops::AddAssign + Into<Sum>,
    V: Fn(Drawn) -> C,
{
    /// Adds the node of these rows and everything below it.
    fn node(&mut self, rows: &mut [Drawn], total: Sum, depth: usize) -> u32 {
        let index = self.tree.nodes.len();
        let (value, cover) = (self.criterion.value(total), self.criterion.cover(total));
        self.tree.nodes.push(Node { split: None, value, cover });
        // Rows that agree have nothing to tell apart.
        let agree = total.g == 0 || total.g == total.h;
        if depth == self.max_depth || agree || !self.criterion.can_split(total) {
            return index as u32;
        }
        let Some(found) = self.search(rows, total) else { return index as u32 };
        let middle = self.partition(rows, &found);
        let (left_rows, right_rows) = rows.split_at_mut(middle);
        let left = self.node(left_rows, found.left_sum, depth + 1);
        let right = self.node(right_rows, total - found.left_sum, depth + 1);
        let Found { feature, rule, missing_left, .. } = found;
        self.tree.nodes[index].split = Some(Split { feature: feature as u32, rule, missing_left, left, right });
        index as u32
    }

    /// The best split over features in random order: `draw` of them, and more while none of those can be split.
    fn search(&mut self, rows: &[Drawn], total: Sum) -> Option<Found> {
        let columns = &self.binned.columns;
        let mut features: Vec<usize> = (0..columns.len()).collect();
        self.random.shuffle(&mut features);
        let mut best = Best::default();
        let mut from = 0;
        while from < features.len() && !best.is_found() {
            let drawn = &features[from..][..if from == 0 { self.draw } else { 1 }];
            let histograms = &mut self.histograms[..drawn.len()];
            histograms.fill([C::default(); BINS]);
            fill_columns(histograms, drawn, columns, rows, |drawn| (drawn.row as usize, (self.value)(drawn)));
            for (&feature, histogram) in drawn.iter().zip(&*histograms) {
                self.criterion.search(feature, &columns[feature], histogram, total, &mut best);
            }
            from += drawn.len();
        }
        best.into_found()
    }

    /// Moves the rows that go left to the front, keeping the order on both sides; returns how many there are.
    fn partition(&mut self, rows: &mut [Drawn], found: &Found) -> usize {
        let codes = &self.binned.columns[found.feature].codes;
        let (mut left, mut right) = (0, 0);
        for at in 0..rows.len() {
            let drawn = rows[at];
            let is_left = usize::from(found.goes_left[usize::from(codes[drawn.row as usize])]);
            // Both are written and one is kept: which way a row goes cannot be foreseen, so a branch would cost more.
            rows[left] = drawn;
            self.buffer[right] = drawn;
            left += is_left;
            right += 1 - is_left;
        }
        rows[left..].copy_from_slice(&self.buffer[..right]);
        left
    }
}
