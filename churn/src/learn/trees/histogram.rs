//! Histograms: for each bin of each feature, the sum over a node's rows.
//!
//! Features are in groups of eight. The codes of a group in a row are the bytes of one word, so one load reads eight codes.
//! The sums of eight features (32 kB) stay in the first-level cache. Successive updates go to different histograms, so none
//! waits for the one before.
//!
//! **Arithmetic.** A gradient has at most 30 bits and a sum 64 bits, so 2^33 rows cannot overflow. Integer sums are exact, in
//! any order and from any parts.

use std::ops::AddAssign;

use super::bins::{BINS, BinnedColumn};
use super::gradients::Gradient;

/// Sums of gradient and curvature over the rows of a bin or node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(16))]
pub(crate) struct GradientSum {
    pub(crate) g: i64,
    pub(crate) h: i64,
}

impl AddAssign for GradientSum {
    fn add_assign(&mut self, other: GradientSum) {
        self.g += other.g;
        self.h += other.h;
    }
}

impl std::ops::SubAssign for GradientSum {
    fn sub_assign(&mut self, other: GradientSum) {
        self.g -= other.g;
        self.h -= other.h;
    }
}

impl std::ops::Sub for GradientSum {
    type Output = GradientSum;
    fn sub(mut self, other: GradientSum) -> GradientSum {
        self -= other;
        self
    }
}

impl From<Gradient> for GradientSum {
    fn from(gradient: Gradient) -> GradientSum {
        GradientSum { g: i64::from(gradient.g), h: i64::from(gradient.h) }
    }
}

/// The sums of one feature, by code.
pub(crate) type BinSums = [GradientSum; BINS];

/// Number of features in a group.
pub(crate) const GROUP: usize = 8;

/// Adds rows to the histograms of a group of up to eight features. Rows are numbered within the block of `words` and
/// `gradients`.
pub(crate) fn fill(histograms: &mut [BinSums], rows: &[u16], words: &[u64], gradients: &[Gradient]) {
    match histograms.len() {
        1 => fill_group::<1>(histograms, rows, words, gradients),
        2 => fill_group::<2>(histograms, rows, words, gradients),
        3 => fill_group::<3>(histograms, rows, words, gradients),
        4 => fill_group::<4>(histograms, rows, words, gradients),
        5 => fill_group::<5>(histograms, rows, words, gradients),
        6 => fill_group::<6>(histograms, rows, words, gradients),
        7 => fill_group::<7>(histograms, rows, words, gradients),
        _ => fill_group::<GROUP>(histograms, rows, words, gradients),
    }
}

fn fill_group<const N: usize>(histograms: &mut [BinSums], rows: &[u16], words: &[u64], gradients: &[Gradient]) {
    let histograms: &mut [BinSums; N] = histograms.try_into().expect("a group of this width");
    for &row in rows {
        let codes = words[usize::from(row)].to_le_bytes();
        let sum = GradientSum::from(gradients[usize::from(row)]);
        for feature in 0..N {
            histograms[feature][usize::from(codes[feature])] += sum;
        }
    }
}

/// Adds rows to the histograms of the features in `features`, one feature after the other. `row` returns a row's number and
/// its summand.
pub(crate) fn fill_columns<C: Copy + AddAssign, R: Copy>(
    histograms: &mut [[C; BINS]],
    features: &[usize],
    columns: &[BinnedColumn],
    rows: &[R],
    row: impl Fn(R) -> (usize, C) + Copy,
) {
    for (histograms, features) in histograms.chunks_mut(4).zip(features.chunks(4)) {
        match features.len() {
            1 => fill_some::<C, R, 1>(histograms, features, columns, rows, row),
            2 => fill_some::<C, R, 2>(histograms, features, columns, rows, row),
            3 => fill_some::<C, R, 3>(histograms, features, columns, rows, row),
            _ => fill_some::<C, R, 4>(histograms, features, columns, rows, row),
        }
    }
}

fn fill_some<C: Copy + AddAssign, R: Copy, const N: usize>(
    histograms: &mut [[C; BINS]],
    features: &[usize],
    columns: &[BinnedColumn],
    rows: &[R],
    row: impl Fn(R) -> (usize, C),
) {
    let histograms: &mut [[C; BINS]; N] = histograms.try_into().expect("a histogram a feature");
    let codes: [&[u8]; N] = std::array::from_fn(|i| columns[features[i]].codes.as_slice());
    for &r in rows {
        let (row, value) = row(r);
        for i in 0..N {
            histograms[i][usize::from(codes[i][row])] += value;
        }
    }
}

/// The sum over all rows of a histogram.
pub(crate) fn total(histogram: &BinSums) -> GradientSum {
    let mut total = GradientSum::default();
    histogram.iter().for_each(|&sum| total += sum);
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::trees::bins::BinKind;
    use crate::random::Random;

    /// Filling by columns and by words gives the same histograms, with all features and with some.
    #[test]
    fn columns_equal_words() {
        let mut random = Random::new(8, 0);
        let n = 2000;
        let words: Vec<u64> = (0..n).map(|_| random.next()).collect();
        let column = |j: usize| BinnedColumn {
            codes: words.iter().map(|word| word.to_le_bytes()[j]).collect(),
            kind: BinKind::Categorical { levels: 255 },
        };
        let columns: Vec<BinnedColumn> = (0..GROUP).map(column).collect();
        let gradients: Vec<Gradient> =
            (0..n).map(|_| Gradient { g: random.next() as i32 >> 2, h: random.below(1 << 30) as i32 }).collect();
        let rows: Vec<u16> = (0..n as u16).filter(|row| row % 3 > 0).collect();
        let mut by_words = vec![[GradientSum::default(); BINS]; GROUP];
        fill(&mut by_words, &rows, &words, &gradients);
        for features in [vec![0, 1, 2, 3, 4, 5, 6, 7], vec![5], vec![7, 2], vec![1, 4, 6], vec![3, 2, 1, 0, 7]] {
            let mut by_columns = vec![[GradientSum::default(); BINS]; features.len()];
            let row = |row: u16| (usize::from(row), GradientSum::from(gradients[usize::from(row)]));
            fill_columns(&mut by_columns, &features, &columns, &rows, row);
            for (feature, histogram) in features.iter().zip(&by_columns) {
                assert!(histogram == &by_words[*feature]);
            }
        }
    }

    /// Compares with 128-bit sums of one feature and one row at a time, with gradients at the ends of their range.
    #[test]
    fn grouped_equals_naive() {
        let mut random = Random::new(7, 0);
        for width in 1..=GROUP {
            let n = 3000;
            let words: Vec<u64> = (0..n).map(|_| random.next() >> random.below(60)).collect();
            let gradients: Vec<Gradient> = (0..n)
                .map(|i| match i % 3 {
                    0 => Gradient { g: -(1 << 30), h: 1 << 30 },
                    1 => Gradient { g: 1 << 30, h: 0 },
                    _ => Gradient { g: random.below(1 << 30) as i32 - (1 << 29), h: random.below(1 << 30) as i32 },
                })
                .collect();
            let rows: Vec<u16> = (0..5000).map(|_| random.below(n) as u16).collect();
            let mut histograms = vec![[GradientSum::default(); BINS]; width];
            fill(&mut histograms, &rows, &words, &gradients);
            for (feature, histogram) in histograms.iter().enumerate() {
                for (bin, sum) in histogram.iter().enumerate() {
                    let (mut g, mut h) = (0i128, 0i128);
                    for &row in &rows {
                        if (words[usize::from(row)] >> (8 * feature)) & 255 == bin as u64 {
                            g += i128::from(gradients[usize::from(row)].g);
                            h += i128::from(gradients[usize::from(row)].h);
                        }
                    }
                    assert_eq!((i128::from(sum.g), i128::from(sum.h)), (g, h));
                }
            }
        }
    }
}
