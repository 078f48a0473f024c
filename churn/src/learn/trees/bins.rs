//! Binning of features to small integers for the tree learners. It is done once for a data set and shared by rounds, folds and
//! trees.

use ndarray::{ArrayView2, s};

use super::histogram::GROUP;
use crate::counts::chunk_range;
use crate::error::Result;
use crate::features::FeatureSpec;
use crate::parallel;
use crate::progress::{Observer, check_cancelled};
use crate::random::Random;

/// The bin of a missing value; the others are 0..=254.
pub(crate) const MISSING: u8 = 255;

/// Number of bins of a histogram, including the bin of missing values.
pub(crate) const BINS: usize = 256;

/// One feature, binned.
pub(crate) struct BinnedColumn {
    /// The bin of each row.
    pub(crate) codes: Vec<u8>,
    pub(crate) kind: BinKind,
}

pub(crate) enum BinKind {
    /// Rising thresholds: bin b holds edges[b − 1] < value ≤ edges[b].
    Numeric { edges: Vec<f64> },
    /// The bin is the level.
    Categorical { levels: usize },
}

impl BinnedColumn {
    /// The number of bins for values that are present.
    pub(crate) fn bins(&self) -> usize {
        match &self.kind {
            BinKind::Numeric { edges } => edges.len() + 1,
            BinKind::Categorical { levels } => *levels,
        }
    }
}

/// A binned matrix, stored by column for reading one feature of many rows, and by row for reading all features of a row.
#[derive(Default)]
pub(crate) struct Binned {
    pub(crate) columns: Vec<BinnedColumn>,
    /// For each group of eight features, a word per row whose bytes are the codes.
    pub(crate) words: Vec<Vec<u64>>,
}

/// Largest number of rows that the bins are computed from; of more rows, a sample is drawn. A bin then has at least about 250
/// of the sampled rows.
const SAMPLE: usize = 1 << 16;

/// Bins every column of a matrix.
pub(crate) fn bin(x: ArrayView2<'_, f64>, specs: &[FeatureSpec], observer: &dyn Observer) -> Result<Binned> {
    // Number of rows that are binned together, so that a block of a wide matrix stays in the cache.
    const ROWS: usize = 2048;
    // Number of values that are binned between two calls of the observer, which take some tenths of a second.
    const VALUES: usize = 1 << 25;
    let (n, width) = x.dim();
    check_cancelled(observer, "bins")?;
    let sample = sample(n);
    let finders = parallel::map(width, |j| match &specs[j].levels {
        Some(levels) => Finder { kind: BinKind::Categorical { levels: levels.len() }, padded: [f64::INFINITY; BINS] },
        None => Finder::numeric(sample.iter().map(|&row| x[(row as usize, j)]).collect()),
    });
    let block = |block: usize| {
        let rows = block * ROWS..((block + 1) * ROWS).min(n);
        let mut codes = Vec::with_capacity(rows.len() * width);
        let mut words = vec![0u64; rows.len() * width.div_ceil(GROUP)];
        for (j, finder) in finders.iter().enumerate() {
            let from = codes.len();
            codes.extend(x.slice(s![rows.clone(), j]).iter().map(|&value| finder.code(value)));
            let group = &mut words[j / GROUP * rows.len()..][..rows.len()];
            for (word, &code) in group.iter_mut().zip(&codes[from..]) {
                *word |= u64::from(code) << (8 * (j % GROUP));
            }
        }
        (codes, words)
    };
    let (count, together) = (n.div_ceil(ROWS), (VALUES / (ROWS * width.max(1))).max(1));
    let mut blocks = Vec::with_capacity(count);
    for from in (0..count).step_by(together) {
        check_cancelled(observer, "bins")?;
        blocks.extend(parallel::map(together.min(count - from), |i| block(from + i)));
    }
    fn gather<T: Copy>(all: &[T], rows: usize, j: usize) -> &[T] {
        &all[j * rows..(j + 1) * rows]
    }
    let rows = |block: usize| ROWS.min(n - block * ROWS);
    let columns = finders.into_iter().enumerate().map(|(j, finder)| {
        let mut codes = Vec::with_capacity(n);
        blocks.iter().enumerate().for_each(|(block, found)| codes.extend_from_slice(gather(&found.0, rows(block), j)));
        BinnedColumn { codes, kind: finder.kind }
    });
    let columns = columns.collect();
    let words = (0..width.div_ceil(GROUP)).map(|group| {
        let mut words = Vec::with_capacity(n);
        blocks
            .iter()
            .enumerate()
            .for_each(|(block, found)| words.extend_from_slice(gather(&found.1, rows(block), group)));
        words
    });
    Ok(Binned { columns, words: words.collect() })
}

/// The rows that the bins are computed from, rising: all rows, or one drawn from each of many equally long ranges.
fn sample(n: usize) -> Vec<u32> {
    if n <= SAMPLE {
        return (0..n as u32).collect();
    }
    let mut random = Random::new(0, n as u64);
    (0..SAMPLE)
        .map(|i| {
            let rows = chunk_range(n, i, SAMPLE);
            (rows.start + random.below(rows.len())) as u32
        })
        .collect()
}

/// Finds the code of a value.
struct Finder {
    kind: BinKind,
    /// The edges, padded with infinity.
    padded: [f64; BINS],
}

impl Finder {
    fn numeric(values: Vec<f64>) -> Self {
        let edges = edges(values, usize::from(MISSING));
        let mut padded = [f64::INFINITY; BINS];
        padded[..edges.len()].copy_from_slice(&edges);
        Finder { kind: BinKind::Numeric { edges }, padded }
    }

    #[inline]
    fn code(&self, value: f64) -> u8 {
        if let BinKind::Categorical { .. } = self.kind {
            return if value.is_nan() { MISSING } else { value as u8 };
        }
        // Counts the edges below the value by a binary search without branches, in eight steps for every value.
        let mut below = 0;
        for step in [128, 64, 32, 16, 8, 4, 2, 1] {
            below += step * usize::from(self.padded[(below + step - 1) % BINS] < value);
        }
        if value.is_nan() { MISSING } else { below as u8 }
    }
}

/// Computes thresholds that divide the values into at most `most` bins: between all distinct values if there are few enough,
/// else into bins of about equal mass.
fn edges(mut values: Vec<f64>, most: usize) -> Vec<f64> {
    values.retain(|v| !v.is_nan());
    values.sort_unstable_by(f64::total_cmp);
    let distinct: Vec<(f64, usize)> = values.chunk_by(|a, b| a == b).map(|group| (group[0], group.len())).collect();
    let mut edges = Vec::new();
    let (mut in_bin, mut left) = (0, values.len());
    for pair in distinct.windows(2) {
        let ((low, count), (high, _)) = (pair[0], pair[1]);
        in_bin += count;
        let bins_left = most - edges.len();
        // At most SAMPLE · 255, which fits into 32 bits.
        if distinct.len() <= most || in_bin * bins_left >= left {
            edges.push(between(low, high));
            left -= in_bin;
            in_bin = 0;
            if edges.len() + 1 == most {
                break;
            }
        }
    }
    edges
}

/// A threshold between two neighbouring values.
fn between(low: f64, high: f64) -> f64 {
    let middle = low + (high - low) / 2.0;
    if middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code is the number of edges below the value, also at the edges themselves and beyond them; words hold the codes.
    #[test]
    fn codes_count_the_edges_below() {
        let mut random = Random::new(5, 0);
        let n = 5_000;
        let x = ndarray::Array2::from_shape_fn((n, 11), |(_, j)| match j {
            0 => random.below(3) as f64,
            1 => 7.0,
            2 => f64::NAN,
            3 if random.below(4) == 0 => f64::NAN,
            4 => random.below(300) as f64 * if random.below(2) == 0 { -1e90 } else { 1e-90 },
            _ => random.next() as f64 - 1e19,
        });
        let specs: Vec<FeatureSpec> = (0..11).map(|j| FeatureSpec::numeric(format!("f{j}"))).collect();
        let binned = bin(x.view(), &specs, &()).expect("nobody asks to stop");
        for (j, column) in binned.columns.iter().enumerate() {
            let BinKind::Numeric { edges } = &column.kind else { panic!("a number") };
            assert!(edges.windows(2).all(|pair| pair[0] < pair[1]) && edges.len() < usize::from(MISSING));
            for row in 0..n {
                let value = x[(row, j)];
                let expected =
                    if value.is_nan() { MISSING } else { edges.iter().filter(|e| **e < value).count() as u8 };
                assert_eq!(column.codes[row], expected);
                assert_eq!(binned.words[j / GROUP][row].to_le_bytes()[j % GROUP], expected);
            }
        }
        let finder = Finder::numeric((0..1000).map(f64::from).collect());
        let BinKind::Numeric { edges } = &finder.kind else { panic!("a number") };
        for (i, edge) in edges.iter().enumerate() {
            assert_eq!((finder.code(*edge), finder.code(edge.next_up())), (i as u8, i as u8 + 1));
        }
        assert_eq!((finder.code(-1e100), finder.code(1e100)), (0, edges.len() as u8));
    }

    /// Above 2^16 rows, one row is drawn from each range: rising, without repetition, to the end.
    #[test]
    fn a_sample_covers_all_rows() {
        for n in [1, 100, SAMPLE, SAMPLE + 1, 3 * SAMPLE + 7, u32::MAX as usize] {
            let sample = sample(n);
            assert_eq!(sample.len(), n.min(SAMPLE));
            assert!(sample.windows(2).all(|pair| pair[0] < pair[1]));
            assert!((*sample.last().expect("a row") as usize) < n && sample[0] as usize <= n / SAMPLE);
        }
    }
}
