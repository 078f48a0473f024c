//! Summaries of the columns for logistic regression: medians, fences, means, deviations and counts of levels. They take one
//! pass over the rows, and another over each column with values beyond its fence.
//!
//! **Algorithm.** Means and sums of squared deviations are computed exactly (up to rounding) for small blocks, and merged in
//! a fixed order by the formula of Chan, Golub and LeVeque (1979). For the median, a sample of the rows gives two values
//! (the bracket) that it most likely lies between. The pass counts the values below the bracket and keeps the values inside,
//! which are few, and the median is selected from these. If it is not inside, it is selected from the whole column.

use std::ops::Range;

use super::fence::Fence;
use crate::counts::{chunk_range, mul_div};
use crate::features::percentile;
use crate::learn::rows::TrainingSet;
use crate::parallel;

/// The summary of a feature.
pub(crate) struct Summary {
    pub(crate) missing: usize,
    /// The clipping limits of a number: the fence, but no wider than the smallest and the largest value.
    pub(crate) fence: Fence,
    /// The mean of a number's present values after clipping; `squares` is the sum of their squared deviations from it.
    pub(crate) mean: f64,
    pub(crate) squares: f64,
    /// The median of the present values; 0 if all are missing.
    pub(crate) median: f64,
    /// Number of rows of each level of a category.
    pub(crate) levels: Vec<usize>,
}

/// Number of rows that are processed together.
const BLOCK: usize = 256;
/// Smallest number of rows of a part for a core; `GROUPS` is the largest number of parts.
const LEAST_GROUP: usize = 1024;
const GROUPS: usize = 64;
/// Up to this number of rows, the median is selected from all rows.
const FEW: usize = 4096;
/// Largest number of rows that a fence is computed from.
const MOST_FENCED: usize = 10_000;

/// Writes the values of a feature for these rows of the set.
pub(crate) fn gather(set: &TrainingSet<'_>, x: &[f64], feature: usize, rows: Range<usize>, out: &mut [f64]) {
    let width = set.specs.len();
    for (out, &row) in out.iter_mut().zip(&set.rows[rows]) {
        *out = x[row as usize * width + feature];
    }
}

/// The summary of each feature. `x` has the values in row-major order.
pub(crate) fn summaries(set: &TrainingSet<'_>, x: &[f64]) -> Vec<Summary> {
    let n = set.rows.len();
    let brackets = parallel::map(set.specs.len(), |feature| match set.specs[feature].levels {
        None => median_bounds(set, x, feature),
        Some(_) => (0.0, 0.0),
    });
    let groups = n.div_ceil(LEAST_GROUP).min(GROUPS);
    let mut parts = parallel::map(groups, |group| {
        let levels = |feature: usize| set.specs[feature].levels.as_ref().map_or(0, Vec::len);
        let mut parts: Vec<PartialSummary> =
            (0..brackets.len()).map(|f| PartialSummary::new(brackets[f], levels(f))).collect();
        let mut values = [0.0; BLOCK];
        let own = chunk_range(n, group, groups);
        for first in own.clone().step_by(BLOCK) {
            let rows = first..(first + BLOCK).min(own.end);
            for (feature, part) in parts.iter_mut().enumerate() {
                let values = &mut values[..rows.len()];
                gather(set, x, feature, rows.clone(), values);
                match set.specs[feature].levels {
                    Some(_) => part.add_levels(values),
                    None => part.add_numbers(values),
                }
            }
        }
        parts
    })
    .into_iter();
    let mut totals = parts.next().expect("there is at least one row");
    for group in parts {
        totals.iter_mut().zip(group).for_each(|(total, part)| total.merge(part));
    }
    parallel::map_mut(&mut totals, |feature, part| {
        let mut fence = Fence::NONE;
        if set.specs[feature].levels.is_none() && part.present > 0 {
            if !set.log_odds.has(feature) {
                fence = Fence::of(sample(set, x, feature, MOST_FENCED));
            }
            fence = fence.within(part.least, part.most);
            if fence.low > part.least || fence.high < part.most {
                (part.mean, part.squares) = cut_moments(set, x, feature, fence);
            }
        }
        Summary {
            missing: n - part.present,
            fence,
            mean: part.mean,
            squares: part.squares,
            median: part.median().unwrap_or_else(|| {
                let mut present = vec![0.0; n];
                gather(set, x, feature, 0..n, &mut present);
                present.retain(|v| !v.is_nan());
                if present.is_empty() { 0.0 } else { percentile(&mut present, 0.5) }
            }),
            levels: std::mem::take(&mut part.levels),
        }
    })
}

/// The values of a feature at `most` evenly spaced rows, or at all rows if there are fewer.
fn sample(set: &TrainingSet<'_>, x: &[f64], feature: usize, most: usize) -> impl Iterator<Item = f64> {
    let (n, size) = (set.rows.len(), set.rows.len().min(most));
    (0..size).map(move |i| x[set.rows[mul_div(n, i, size)] as usize * set.specs.len() + feature])
}

/// Mean and sum of squared deviations of a feature's present values after clipping.
fn cut_moments(set: &TrainingSet<'_>, x: &[f64], feature: usize, fence: Fence) -> (f64, f64) {
    let values = || {
        let all = set.rows.iter().map(|&row| x[row as usize * set.specs.len() + feature]);
        all.filter(|value| !value.is_nan()).map(|value| fence.clamp(value))
    };
    let mean = values().sum::<f64>() / values().count() as f64;
    (mean, values().map(|value| (value - mean) * (value - mean)).sum())
}

/// Two values that the median most likely lies between: about four standard deviations of its rank in a sample on either side.
fn median_bounds(set: &TrainingSet<'_>, x: &[f64], feature: usize) -> (f64, f64) {
    let n = set.rows.len();
    if n <= FEW {
        return (f64::NEG_INFINITY, f64::INFINITY);
    }
    let size = 5 * n.isqrt();
    let mut sample: Vec<f64> = sample(set, x, feature, size).filter(|v| !v.is_nan()).collect();
    let (middle, reach) = (sample.len() / 2, 2 * sample.len().isqrt() + 1);
    if reach > middle || middle + reach >= sample.len() {
        return (f64::NEG_INFINITY, f64::INFINITY);
    }
    let high = *sample.select_nth_unstable_by(middle + reach, f64::total_cmp).1;
    let low = *sample[..middle + reach].select_nth_unstable_by(middle - reach, f64::total_cmp).1;
    (low, high)
}

/// The summary of a feature over some of the rows.
struct PartialSummary {
    present: usize,
    least: f64,
    most: f64,
    mean: f64,
    squares: f64,
    bracket: (f64, f64),
    /// Number of values below the bracket, at its lower end, and at its upper end; `inside` has the values inside.
    below: usize,
    at_low: usize,
    at_high: usize,
    inside: Vec<f64>,
    levels: Vec<usize>,
}

impl PartialSummary {
    fn new(bracket: (f64, f64), levels: usize) -> Self {
        let (inside, levels) = (Vec::new(), vec![0; levels]);
        PartialSummary {
            present: 0,
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
            mean: 0.0,
            squares: 0.0,
            bracket,
            below: 0,
            at_low: 0,
            at_high: 0,
            inside,
            levels,
        }
    }

    fn add_levels(&mut self, values: &[f64]) {
        for value in values.iter().filter(|v| !v.is_nan()) {
            self.present += 1;
            if let Some(rows) = self.levels.get_mut(*value as usize) {
                *rows += 1;
            }
        }
    }

    fn add_numbers(&mut self, values: &[f64]) {
        const LANES: usize = 4;
        let whole = values.len() / LANES * LANES;
        let lane_by_lane = |f: &dyn Fn(f64) -> f64| {
            let mut lanes = [0.0; LANES];
            for four in values[..whole].chunks_exact(LANES) {
                (0..LANES).for_each(|i| lanes[i] += f(four[i]));
            }
            values[whole..].iter().fold((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]), |sum, &v| sum + f(v))
        };
        let count = |f: &dyn Fn(f64) -> bool| values.iter().map(|&v| u32::from(f(v))).sum::<u32>() as usize;
        let present = count(&|v| !v.is_nan());
        if present == 0 {
            return;
        }
        let mean = lane_by_lane(&|v| if v.is_nan() { 0.0 } else { v }) / present as f64;
        let squares = lane_by_lane(&|v| if v.is_nan() { 0.0 } else { (v - mean) * (v - mean) });
        self.merge_moments(present, mean, squares);
        // min and max ignore missing values (NaN).
        self.least = values.iter().fold(self.least, |least, &v| least.min(v));
        self.most = values.iter().fold(self.most, |most, &v| most.max(v));
        let (low, high) = self.bracket;
        self.below += count(&|v| v < low);
        self.at_low += count(&|v| v == low);
        // If both ends are the same value, it is counted only once.
        self.at_high += count(&|v| v == high && v > low);
        let before = self.inside.len();
        self.inside.resize(before + values.len(), 0.0);
        let mut end = before;
        for &value in values {
            self.inside[end] = value;
            end += usize::from(value > low && value < high);
        }
        self.inside.truncate(end);
    }

    fn merge_moments(&mut self, present: usize, mean: f64, squares: f64) {
        let total = self.present + present;
        let (away, share) = (mean - self.mean, present as f64 / total as f64);
        self.squares += squares + away * away * share * self.present as f64;
        self.mean += away * share;
        self.present = total;
    }

    fn merge(&mut self, part: PartialSummary) {
        if part.present == 0 {
            return;
        }
        self.merge_moments(part.present, part.mean, part.squares);
        self.least = self.least.min(part.least);
        self.most = self.most.max(part.most);
        self.below += part.below;
        self.at_low += part.at_low;
        self.at_high += part.at_high;
        self.inside.extend(part.inside);
        self.levels.iter_mut().zip(part.levels).for_each(|(a, b)| *a += b);
    }

    /// The median; none if it is not in the bracket.
    fn median(&mut self) -> Option<f64> {
        let (below, position) = (self.below, self.present.checked_sub(1)?);
        let low = self.at(position / 2, below)?;
        let high = self.at(position.div_ceil(2), below)?;
        // The same formula as in `percentile`, so the bits agree. It cannot overflow.
        Some(high - (high - low) * 0.5)
    }

    /// The value of this rank; none if it is not in the bracket.
    fn at(&mut self, rank: usize, below: usize) -> Option<f64> {
        let rank = rank.checked_sub(below)?;
        if rank < self.at_low {
            return Some(self.bracket.0);
        }
        let rank = rank - self.at_low;
        if rank < self.inside.len() {
            return Some(*self.inside.select_nth_unstable_by(rank, f64::total_cmp).1);
        }
        (rank - self.inside.len() < self.at_high).then_some(self.bracket.1)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::level_log_odds::LevelLogOdds;
    use ndarray::Array2;

    use super::*;
    use crate::features::FeatureSpec;
    use crate::learn::trees::Binned;
    use crate::random::Random;

    /// Compares with the plain definitions: a sorted copy, a sum and a sum of squares for each column.
    #[test]
    fn summaries_are_those_of_the_definitions() {
        let mut random = Random::new(3, 0);
        for rows in [1, 2, 5, 999, 1000, 4096, 4097, 30_001, 60_000] {
            let mut uniform = || random.below(1 << 20) as f64 / f64::from(1 << 20);
            let columns: [&mut dyn FnMut(usize) -> f64; 9] = [
                &mut |_| uniform(),
                &mut |i| 1e9 + i as f64,
                &mut |i| -((i * i) as f64),
                // One value in more than half of the rows, and in exactly half.
                &mut |i| if i % 5 < 3 { 7.0 } else { i as f64 },
                &mut |i| if i % 2 == 0 { 0.0 } else { 1.0 + i as f64 },
                // A column whose evenly spaced sample misses the median.
                &mut |i| if i % 97 == 0 { -1e6 } else { (i % 1013) as f64 },
                &mut |i| if i % 3 == 0 { f64::NAN } else { (i % 17) as f64 },
                &mut |_| f64::NAN,
                &mut |i| if i % 7 == 6 { f64::NAN } else { (i % 7 / 2) as f64 },
            ];
            let mut x = Array2::zeros((rows, 9));
            for (j, column) in columns.into_iter().enumerate() {
                (0..rows).for_each(|i| x[(i, j)] = column(i));
            }
            let mut specs: Vec<FeatureSpec> = (0..9).map(|j| FeatureSpec::numeric(format!("x{j}"))).collect();
            specs[8].levels = Some((0..4).map(|l| l.to_string()).collect());
            // A part of the rows, not in order.
            let rows: Vec<u32> = (0..rows as u32).rev().filter(|row| row % 11 != 5 || rows < 6).collect();
            let (y, weights) = (vec![true; x.nrows()], vec![1.0; x.nrows()]);
            let set = TrainingSet {
                x: x.view(),
                specs: &specs,
                binned: &Binned::default(),
                y: &y,
                weights: &weights,
                log_odds: &LevelLogOdds::default(),
                rows: &rows,
            };
            let found = summaries(&set, x.as_slice().expect("rows"));
            for (j, found) in found.iter().enumerate() {
                let all = rows.iter().map(|&row| x[(row as usize, j)]);
                let mut present: Vec<f64> = all.filter(|v| !v.is_nan()).collect();
                let what = format!("column {j} of {} rows", rows.len());
                assert_eq!(found.missing, rows.len() - present.len(), "{what}");
                if j == 8 {
                    let count = |l: usize| present.iter().filter(|&&v| v == l as f64).count();
                    assert_eq!(found.levels, (0..4).map(count).collect::<Vec<_>>(), "{what}");
                    continue;
                }
                present.sort_unstable_by(f64::total_cmp);
                // Clipped at ten median distances from the median.
                let fence = Fence::of(sample(&set, x.as_slice().expect("rows"), j, MOST_FENCED));
                present.iter_mut().for_each(|value| *value = fence.clamp(*value));
                let n = present.len();
                let median = if n == 0 { 0.0 } else { present[n / 2] - (present[n / 2] - present[(n - 1) / 2]) / 2.0 };
                assert_eq!(found.median, median, "{what}");
                let mean = if n == 0 { 0.0 } else { present.iter().sum::<f64>() / n as f64 };
                let squares: f64 = present.iter().map(|v| (v - mean) * (v - mean)).sum();
                assert!((found.mean - mean).abs() <= 1e-13 * mean.abs(), "{what}: mean {} not {mean}", found.mean);
                // The differences of the blocks' means include the rounding error of the mean.
                let rounding = 2.0 * f64::EPSILON * mean.abs() * (n as f64 * squares).sqrt();
                let off = (found.squares - squares).abs();
                assert!(off <= 1e-11 * squares + rounding, "{what}: {} not {squares}", found.squares);
            }
        }
    }
}
