//! Random forest: trees on bootstrap samples with features drawn at each split; the score is the mean of their rates.
//!
//! The forest is that of Breiman (2001) with probability trees, whose leaves are churn rates. A sample draws customers, with
//! all their rows. So the rows left out are those of customers that the tree has not seen (out of bag). The mean rate of a row
//! over the trees that have not seen its customer is used to evaluate and calibrate the forest, so no second forest is needed
//! for that. A tree depends only on the seed and its number. Trees are grown in parallel, each depth first. Features are drawn
//! anew at every node, so only their histograms are computed, and the histograms of the parent node would not help.

use super::bins::{BINS, Binned};
use super::gain::{BestSoFar, BestSplit, Criterion, Outcome};
use super::gradients::Units;
use super::growth::{Growth, partition};
use super::histogram::{GradientSum, fill_columns};
use crate::counts::mul_div;
use crate::error::Result;
use crate::learn::rows::TrainingSet;
use crate::model::tree::{Node, Split, Tree};
use crate::parallel;
use crate::progress::{Observer, step};
use crate::random::Random;

pub(crate) struct ForestParameters<'a> {
    pub(crate) trees: usize,
    pub(crate) growth: Growth,
    /// Number of features that are tried for a split.
    pub(crate) features_per_split: usize,
    /// The depths at which the trees are evaluated on their unseen rows.
    pub(crate) depths: &'a [usize],
    /// Approximate largest number of rows that a tree is grown on. It is evaluated on up to [`UNSEEN_PER_ROW`] times as many.
    pub(crate) most_rows: usize,
    pub(crate) seed: u64,
}

/// Number of trees between two calls of the observer. It is larger if there are more cores, and smaller if there are so many
/// rows that these trees would take long.
const BATCH: usize = 8;
const ROWS_OF_A_BATCH: usize = 1 << 21;

/// Largest number of rows that a tree is evaluated on, for each row of the largest sample. Calibration needs more customers
/// than a tree does.
const UNSEEN_PER_ROW: usize = 2;

/// Fits the trees. Also returns, for each depth, the mean rate of each row over the trees that have not seen its customer, with
/// the trees cut at that depth. The rate is NaN if every tree has seen the customer.
pub(crate) fn fit(
    set: &TrainingSet<'_>,
    customers: &CustomerIndex,
    parameters: &ForestParameters<'_>,
    observer: &dyn Observer,
) -> Result<(Vec<Tree>, Vec<Vec<f64>>)> {
    let (n, depths) = (set.y.len(), parameters.depths);
    let mut trees = Vec::with_capacity(parameters.trees);
    let (mut rates, mut judges) = (vec![vec![0.0; n]; depths.len()], vec![0u32; n]);
    let weights = IntegerWeights::of(set);
    while trees.len() < parameters.trees {
        step(observer, "trees", trees.len(), parameters.trees)?;
        let from = trees.len();
        let cores = parallel::threads();
        let batch = BATCH.max(2 * cores).min((ROWS_OF_A_BATCH / n).max(cores));
        let batch = batch.min(parameters.trees - from);
        let number = |i| (from + i) as u64;
        let grown = parallel::map(batch, |i| tree(set, customers, &weights, parameters, number(i)));
        for ForestTree { tree, unseen, values } in grown {
            trees.push(tree);
            for (&row, values) in unseen.iter().zip(values.chunks_exact(depths.len().max(1))) {
                judges[row as usize] += 1;
                rates.iter_mut().zip(values).for_each(|(rates, value)| rates[row as usize] += value);
            }
        }
    }
    for rates in &mut rates {
        rates.iter_mut().zip(&judges).for_each(|(rate, &trees)| *rate /= f64::from(trees));
    }
    Ok((trees, rates))
}

/// The customer of each row. Customers are numbered from 0 without gaps.
pub(crate) struct CustomerIndex {
    of_row: Vec<u32>,
    count: usize,
}

impl CustomerIndex {
    pub(crate) fn of(groups: &[u32]) -> Self {
        let mut numbers = vec![u32::MAX; groups.iter().max().map_or(0, |&most| most as usize + 1)];
        let mut count = 0;
        let number = |&group: &u32| {
            let number = &mut numbers[group as usize];
            if *number == u32::MAX {
                (*number, count) = (count, count + 1);
            }
            *number
        };
        let of_row = groups.iter().map(number).collect();
        CustomerIndex { of_row, count: count as usize }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// The rows' weights as integers.
enum IntegerWeights {
    /// All weights are 1, so sums are numbers of draws.
    One,
    /// The weights as multiples of a unit, at most 2^30. A sample is about as large as the set, so sums of 2^33 rows cannot
    /// overflow.
    Units(Vec<u32>, f64),
}

impl IntegerWeights {
    fn of(set: &TrainingSet<'_>) -> Self {
        if set.rows.iter().all(|&row| set.weight(row) == 1.0) {
            return IntegerWeights::One;
        }
        let heaviest = set.rows.iter().fold(f64::MIN_POSITIVE, |most, &row| set.weight(row).max(most));
        let unit = Units::for_weights_up_to(heaviest).g;
        let mut weights = vec![0; set.y.len()];
        set.rows.iter().for_each(|&row| weights[row as usize] = (set.weight(row) / unit) as u32);
        IntegerWeights::Units(weights, unit)
    }
}

/// A row of a sample: its number, and how often it was drawn. `churned` is the same count for a churner, else 0.
#[derive(Clone, Copy, Default)]
struct Drawn {
    row: u32,
    times: u16,
    churned: u16,
}

/// A tree, and its rates for the customers that are not in its sample.
struct ForestTree {
    tree: Tree,
    /// The rows of these customers, rising.
    unseen: Vec<u32>,
    /// For each unseen row, the rates at the requested depths.
    values: Vec<f64>,
}

/// A row that is not in a sample, and its index among these rows.
#[derive(Clone, Copy, Default)]
struct Unseen {
    row: u32,
    at: u32,
}

fn tree(
    set: &TrainingSet<'_>,
    customers: &CustomerIndex,
    weights: &IntegerWeights,
    parameters: &ForestParameters<'_>,
    number: u64,
) -> ForestTree {
    let mut random = Random::new(parameters.seed, number);
    let (mut rows, mut unseen) = sample(set.y, customers, parameters.most_rows, &mut random);
    if parameters.depths.is_empty() {
        unseen.clear();
    }
    // Taken before the rows are sorted into the leaves, because results are added up in the order of the rows.
    let rows_unseen = unseen.iter().map(|unseen| unseen.row).collect();
    let (tree, values) = match weights {
        IntegerWeights::One => {
            let counts = |drawn: Drawn| DrawCounts(u64::from(drawn.churned) << 32 | u64::from(drawn.times));
            grow(set.binned, parameters, 1.0, &mut rows, &mut unseen, counts, random)
        }
        IntegerWeights::Units(weights, unit) => {
            let sum = |drawn: Drawn| {
                let weight = i64::from(weights[drawn.row as usize]);
                GradientSum { g: weight * i64::from(drawn.churned), h: weight * i64::from(drawn.times) }
            };
            grow(set.binned, parameters, *unit, &mut rows, &mut unseen, sum, random)
        }
    };
    ForestTree { tree, unseen: rows_unseen, values }
}

/// Draws customers with replacement: as many as there are, or as many as have about `most_rows` rows. Returns the rows of the
/// drawn customers, and the rows of the others. If there are more than [`UNSEEN_PER_ROW`] times `most_rows` rows, the others
/// are only taken from every second customer, every third, and so on.
fn sample(y: &[bool], customers: &CustomerIndex, most_rows: usize, random: &mut Random) -> (Vec<Drawn>, Vec<Unseen>) {
    let draws = match y.len() > most_rows {
        true => mul_div(customers.count, most_rows, y.len()).max(1),
        false => customers.count,
    };
    let every = y.len().div_ceil(most_rows.saturating_mul(UNSEEN_PER_ROW));
    // A customer is drawn once on average, so more than 255 draws do not happen by chance.
    let mut times = vec![0u8; customers.count];
    for _ in 0..draws {
        let drawn = &mut times[random.below(customers.count)];
        *drawn = drawn.saturating_add(1);
    }
    let mut rows = vec![Drawn::default(); y.len() + 1];
    let mut unseen = vec![Unseen::default(); y.len() + 1];
    let (mut drawn, mut others) = (0, 0);
    for (row, (&customer, &churned)) in customers.of_row.iter().zip(y).enumerate() {
        let times = u16::from(times[customer as usize]);
        // Without a branch: both entries are written, but the length grows for at most one. The next row overwrites the other.
        rows[drawn] = Drawn { row: row as u32, times, churned: times * u16::from(churned) };
        unseen[others] = Unseen { row: row as u32, at: others as u32 };
        drawn += usize::from(times > 0);
        others += usize::from(times == 0 && (customer as usize).is_multiple_of(every));
    }
    rows.truncate(drawn);
    unseen.truncate(others);
    (rows, unseen)
}

/// The number of draws in the low half, and the draws of churners in the high half, so that one addition adds both. A sample
/// has less than 2^32 draws of rows.
#[derive(Clone, Copy, Default, PartialEq)]
struct DrawCounts(u64);

impl std::ops::AddAssign for DrawCounts {
    fn add_assign(&mut self, other: DrawCounts) {
        self.0 += other.0;
    }
}

impl From<DrawCounts> for GradientSum {
    fn from(counts: DrawCounts) -> GradientSum {
        GradientSum { g: (counts.0 >> 32) as i64, h: (counts.0 & 0xffff_ffff) as i64 }
    }
}

struct DepthFirstGrower<'a, C, V> {
    binned: &'a Binned,
    criterion: Criterion,
    max_depth: usize,
    draw: usize,
    value: V,
    random: Random,
    tree: Tree,
    drawn_buffer: Vec<Drawn>,
    unseen_buffer: Vec<Unseen>,
    histograms: Vec<[C; BINS]>,
    depths: &'a [usize],
    values: Vec<f64>,
}

fn grow<C, V>(
    binned: &Binned,
    parameters: &ForestParameters<'_>,
    unit: f64,
    rows: &mut [Drawn],
    unseen: &mut [Unseen],
    value: V,
    random: Random,
) -> (Tree, Vec<f64>)
where
    C: Copy + Default + PartialEq + std::ops::AddAssign + Into<GradientSum>,
    V: Fn(Drawn) -> C,
{
    let criterion = Criterion::new(&parameters.growth, Outcome::Rate, Units { g: unit, h: unit });
    let mut total = GradientSum::default();
    rows.iter().for_each(|&drawn| total += value(drawn).into());
    let draw = parameters.features_per_split;
    let mut grower = DepthFirstGrower {
        binned,
        criterion,
        max_depth: parameters.growth.max_depth,
        draw,
        value,
        random,
        tree: Tree::default(),
        drawn_buffer: vec![Drawn::default(); rows.len()],
        unseen_buffer: vec![Unseen::default(); unseen.len()],
        histograms: vec![[C::default(); BINS]; draw],
        depths: parameters.depths,
        values: vec![0.0; unseen.len() * parameters.depths.len()],
    };
    grower.node(rows, unseen, total, 0);
    (grower.tree, grower.values)
}

impl<C, V> DepthFirstGrower<'_, C, V>
where
    C: Copy + Default + PartialEq + std::ops::AddAssign + Into<GradientSum>,
    V: Fn(Drawn) -> C,
{
    /// Adds the node of these rows and the subtree below it.
    fn node(&mut self, rows: &mut [Drawn], unseen: &mut [Unseen], total: GradientSum, depth: usize) -> u32 {
        let index = self.tree.nodes.len();
        let (value, cover) = (self.criterion.value(total), self.criterion.cover(total));
        self.tree.nodes.push(Node { split: None, value, cover });
        // If all rows have the same outcome, there is nothing to split.
        let agree = total.g == 0 || total.g == total.h;
        let is_leaf = depth == self.max_depth || agree || !self.criterion.can_split(total);
        let found = if is_leaf { None } else { self.search(rows, total) };
        self.answer(unseen, value, depth, found.is_none());
        let Some(found) = found else { return index as u32 };
        let codes = &self.binned.columns[found.feature].codes;
        let goes_left = |row: u32| found.goes_left[usize::from(codes[row as usize])];
        let middle = partition(rows, &mut self.drawn_buffer, |drawn| goes_left(drawn.row));
        let (left_rows, right_rows) = rows.split_at_mut(middle);
        let middle = partition(unseen, &mut self.unseen_buffer, |unseen| goes_left(unseen.row));
        let (left_unseen, right_unseen) = unseen.split_at_mut(middle);
        let left = self.node(left_rows, left_unseen, found.left_sum, depth + 1);
        let right = self.node(right_rows, right_unseen, total - found.left_sum, depth + 1);
        let BestSplit { feature, rule, missing_left, .. } = found;
        self.tree.nodes[index].split = Some(Split { feature: feature as u32, rule, missing_left, left, right });
        index as u32
    }

    /// Writes the value of a node for unseen rows, at its own depth and, for a leaf, at all larger depths.
    fn answer(&mut self, unseen: &[Unseen], value: f64, depth: usize, is_leaf: bool) {
        for (which, &asked) in self.depths.iter().enumerate() {
            if asked == depth || (is_leaf && asked > depth) {
                unseen.iter().for_each(|row| self.values[row.at as usize * self.depths.len() + which] = value);
            }
        }
    }

    /// The best split over features in random order: the first `draw` of them, and more while none gives a split.
    fn search(&mut self, rows: &[Drawn], total: GradientSum) -> Option<BestSplit> {
        let columns = &self.binned.columns;
        let mut features: Vec<usize> = (0..columns.len()).collect();
        self.random.shuffle(&mut features);
        let mut best = BestSoFar::default();
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
}

#[cfg(test)]
mod tests {
    use crate::model::level_log_odds::LevelLogOdds;
    use ndarray::Array2;

    use super::*;
    use crate::features::FeatureSpec;
    use crate::learn::trees::bins::bin;

    /// 300 customers with one to three rows each. The rows of a customer differ; the numbers of the customers have gaps.
    fn data() -> (Array2<f64>, Vec<bool>, Vec<u32>) {
        let mut random = Random::new(11, 0);
        let groups: Vec<u32> = (0..300u32).flat_map(|c| vec![3 * c + 5; 1 + c as usize % 3]).collect();
        let x = Array2::from_shape_fn((groups.len(), 4), |_| random.below(1000) as f64);
        let y = x.rows().into_iter().map(|row| row[0] + row[1] > 800.0 + random.below(400) as f64).collect();
        (x, y, groups)
    }

    /// Trees that are evaluated at several depths while they grow give the same rates as these trees cut at the depth and
    /// walked row by row. The rates are of customers that are wholly outside the sample, and of no others.
    #[test]
    fn rates_are_those_of_trees_that_have_not_seen_the_customer() {
        let (x, y, groups) = data();
        let specs: Vec<FeatureSpec> = (0..4).map(|j| FeatureSpec::numeric(format!("x{j}"))).collect();
        let binned = bin(x.view(), &specs, &()).expect("nobody asks to stop");
        let (n, weights) = (y.len(), vec![1.0; y.len()]);
        let rows: Vec<u32> = (0..n as u32).collect();
        let set = TrainingSet {
            x: x.view(),
            specs: &specs,
            binned: &binned,
            y: &y,
            weights: &weights,
            log_odds: &LevelLogOdds::default(),
            rows: &rows,
        };
        let growth = Growth { max_depth: 6, l2: 0.0, min_child_weight: 2.0, noise: 1.0 };
        let depths = [1, 3, 6];
        let most_rows = usize::MAX;
        let parameters =
            ForestParameters { trees: 20, growth, features_per_split: 2, depths: &depths, most_rows, seed: 4 };
        let customers = CustomerIndex::of(&groups);
        let (trees, rates) = fit(&set, &customers, &parameters, &()).expect("nobody asks to stop");

        let mut sums = vec![vec![(0.0, 0.0); n]; depths.len()];
        for (number, tree) in trees.iter().enumerate() {
            let mut random = Random::new(parameters.seed, number as u64);
            let (drawn, unseen) = sample(&y, &customers, most_rows, &mut random);
            assert_eq!(drawn.len() + unseen.len(), n);
            let seen: Vec<u32> = drawn.iter().map(|drawn| groups[drawn.row as usize]).collect();
            for unseen in &unseen {
                assert!(!seen.contains(&groups[unseen.row as usize]));
                for (sums, &depth) in sums.iter_mut().zip(&depths) {
                    let (sum, count) = &mut sums[unseen.row as usize];
                    *sum += tree.cut(depth).value(x.row(unseen.row as usize));
                    *count += 1.0;
                }
            }
            assert!(tree.cut(3).depth() <= 3 && tree.cut(6) == *tree);
        }
        for (rates, sums) in rates.iter().zip(&sums) {
            for (rate, (sum, count)) in rates.iter().zip(sums) {
                assert_eq!(rate.to_bits(), (sum / count).to_bits());
            }
        }
    }

    /// Of 600 rows (1 + 2 + 3 rows of each three of 300 customers) with a limit of 100 there are 300 · 100/600 = 50 draws. The
    /// unseen are rows of every third customer: 100 customers with a row each, of whom few are drawn (one in six or seven).
    #[test]
    fn a_sample_of_many_rows_is_a_part_of_them() {
        let (_, y, groups) = data();
        assert_eq!(y.len(), 600);
        let customers = CustomerIndex::of(&groups);
        let (drawn, unseen) = sample(&y, &customers, 100, &mut Random::new(1, 0));
        let draws: usize = drawn.iter().map(|drawn| usize::from(drawn.times)).sum();
        assert!((50..=150).contains(&draws), "50 draws of customers with one to three rows: {draws} rows");
        let whose = |row: u32| customers.of_row[row as usize];
        let seen: Vec<u32> = drawn.iter().map(|drawn| whose(drawn.row)).collect();
        assert!(unseen.iter().all(|unseen| whose(unseen.row) % 3 == 0 && !seen.contains(&whose(unseen.row))));
        assert!(
            (65..=100).contains(&unseen.len())
                && unseen.iter().enumerate().all(|(at, unseen)| unseen.at as usize == at)
        );
    }
}
