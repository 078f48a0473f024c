//! Features as small integers: what the tree learner reads. Built once for a data set and shared by rounds, folds and trees.

use ndarray::Array2;

use crate::features::{FeatureSpec, percentile};
use crate::parallel;

/// The bin of a missing value; the others are 0..=254.
pub(crate) const MISSING: u8 = 255;

/// Bins of a histogram, the missing one included.
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
    /// Bin = level.
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

/// Bins every column of a matrix.
pub(crate) fn bin(x: &Array2<f64>, specs: &[FeatureSpec]) -> Vec<BinnedColumn> {
    parallel::map(specs.len(), |j| {
        let column: Vec<f64> = x.column(j).to_vec();
        match &specs[j].levels {
            Some(levels) => BinnedColumn {
                codes: column.iter().map(|v| if v.is_nan() { MISSING } else { *v as u8 }).collect(),
                kind: BinKind::Categorical { levels: levels.len() },
            },
            None => {
                let edges = edges(&column, usize::from(MISSING));
                let code = |v: &f64| if v.is_nan() { MISSING } else { edges.partition_point(|e| e < v) as u8 };
                BinnedColumn { codes: column.iter().map(code).collect(), kind: BinKind::Numeric { edges } }
            }
        }
    })
}

/// Thresholds that cut the values into at most `most` bins: between every two distinct values where they are few enough,
/// else into bins of about equal mass.
fn edges(column: &[f64], most: usize) -> Vec<f64> {
    let mut values: Vec<f64> = column.iter().copied().filter(|v| !v.is_nan()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let distinct: Vec<(f64, usize)> = values.chunk_by(|a, b| a == b).map(|group| (group[0], group.len())).collect();
    let mut edges = Vec::new();
    let (mut in_bin, mut left) = (0, values.len());
    for pair in distinct.windows(2) {
        let ((low, count), (high, _)) = (pair[0], pair[1]);
        in_bin += count;
        let bins_left = most - edges.len();
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

/// A threshold that two neighbouring values fall on either side of.
fn between(low: f64, high: f64) -> f64 {
    let middle = low + (high - low) / 2.0;
    if middle < high { middle } else { low }
}

/// How a feature was distributed in training: the yardstick for drift later on.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// The feature.
    pub name: String,
    /// Numeric: rising cut points; bin b holds `edges[b − 1] < value ≤ edges[b]`. Categorical: none, a bin a level.
    pub edges: Vec<f64>,
    /// Rows in each bin.
    pub counts: Vec<u64>,
    /// Rows without a value.
    pub missing: u64,
}

impl Histogram {
    /// Deciles of a numeric column, counts of the levels of a categorical one.
    pub(crate) fn of(x: &Array2<f64>, feature: usize, spec: &FeatureSpec) -> Self {
        let mut present: Vec<f64> = x.column(feature).iter().copied().filter(|v| !v.is_nan()).collect();
        let missing = (x.nrows() - present.len()) as u64;
        let mut edges = Vec::new();
        if spec.levels.is_none() && !present.is_empty() {
            edges = (1..10).map(|tenth| percentile(&mut present, f64::from(tenth) / 10.0)).collect();
            edges.dedup();
        }
        let mut counts = vec![0; spec.levels.as_ref().map_or(edges.len() + 1, Vec::len)];
        for value in present {
            let bin = if spec.levels.is_some() { value as usize } else { edges.partition_point(|e| *e < value) };
            counts[bin] += 1;
        }
        Histogram { name: spec.name.clone(), edges, counts, missing }
    }
}
