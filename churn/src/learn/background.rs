//! What a model keeps of its training rows: how they are distributed, and some of them.

use ndarray::Array2;

use super::snapshot::Dataset;
use crate::features::{FeatureSpec, percentile};
use crate::model::{Histogram, LearnConfig, Typical};
use crate::parallel;
use crate::random::Random;

impl Typical {
    /// Of every feature of a data set.
    pub(crate) fn of(data: &Dataset) -> Vec<Typical> {
        parallel::map(data.specs.len(), |feature| {
            let present =
                || data.x.column(feature).into_iter().copied().zip(&data.y).filter(|(value, _)| !value.is_nan());
            let Some(levels) = &data.specs[feature].levels else {
                let mut stayed: Vec<f64> =
                    present().filter(|(_, churned)| !**churned).map(|(value, _)| value).collect();
                let middle = stayed.len().saturating_sub(1) / 2;
                let median = (!stayed.is_empty()).then(|| *stayed.select_nth_unstable_by(middle, f64::total_cmp).1);
                let range = present().map(|(value, _)| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
                return Typical { stayed_median: median, range, churn_rates: Vec::new() };
            };
            let mut counts = vec![(0u64, 0u64); levels.len()];
            for (value, &churned) in present() {
                let (rows, left) = &mut counts[value as usize];
                *rows += 1;
                *left += u64::from(churned);
            }
            let rate = |(rows, left): (u64, u64)| (rows > 0).then(|| left as f64 / rows as f64);
            Typical { stayed_median: None, range: None, churn_rates: counts.into_iter().map(rate).collect() }
        })
    }
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

/// Some training rows, drawn by seed, in their order; null where a value is missing.
pub(crate) fn background(data: &Dataset, config: &LearnConfig) -> Vec<Vec<Option<f64>>> {
    const STREAM: u64 = 0xbac6;
    let mut rows: Vec<usize> = (0..data.y.len()).collect();
    Random::new(config.seed, STREAM).shuffle(&mut rows);
    rows.truncate(config.background_rows);
    crate::order::sort(&mut rows);
    rows.into_iter().map(|row| data.x.row(row).iter().map(|v| (!v.is_nan()).then_some(*v)).collect()).collect()
}
