//! What explanations compare a customer with: a sample of the training rows, and what is usual among those who stayed.

use serde::{Deserialize, Serialize};

use super::fit::LearnConfig;
use crate::features::FeatureSpec;
use crate::parallel;
use crate::random::Random;
use crate::snapshot::Dataset;
use crate::table::MAX_NUMBER;

/// A document has no more background rows.
pub(crate) const MAX_BACKGROUND: usize = 10_000;

/// How a feature is distributed over the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typical {
    /// Numeric: the lower median among the rows that stayed and have a value; none without such a row. Half of those who
    /// stayed or more have at most this value, and half or more at least this one.
    pub stayed_median: Option<f64>,
    /// Numeric: the least and the greatest value of any row.
    pub range: Option<(f64, f64)>,
    /// Categorical: the share that churned of the rows of each level; none without a row.
    pub churn_rates: Vec<Option<f64>>,
}

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

    /// Whether it can be that of a feature, when it comes from a document.
    pub(crate) fn fits(&self, spec: &FeatureSpec) -> bool {
        let (low, high) = self.range.unwrap_or((0.0, 0.0));
        let size = |value: f64| value.abs() <= MAX_NUMBER;
        self.churn_rates.len() == spec.levels.as_ref().map_or(0, Vec::len)
            && self.churn_rates.iter().flatten().all(|rate| (0.0..=1.0).contains(rate))
            && size(low)
            && size(high)
            && low <= high
            && size(self.stayed_median.unwrap_or(0.0))
    }
}

/// Some training rows, drawn by seed, in their order; null where a value is missing.
pub(crate) fn background(data: &Dataset, config: &LearnConfig) -> Vec<Vec<Option<f64>>> {
    const STREAM: u64 = 0xbac6;
    let mut rows: Vec<usize> = (0..data.y.len()).collect();
    Random::new(config.seed, STREAM).shuffle(&mut rows);
    rows.truncate(config.background_rows);
    rows.sort_unstable();
    rows.into_iter().map(|row| data.x.row(row).iter().map(|v| (!v.is_nan()).then_some(*v)).collect()).collect()
}
