//! What explanations compare a customer with: a sample of the training rows, and what is usual among those who stayed.

use serde::Serialize;

use crate::features::FeatureSpec;
use crate::objects::objects;
use crate::table::MAX_NUMBER;

/// A document has no more background rows.
pub(crate) const MAX_BACKGROUND: usize = 10_000;

/// How a feature is distributed over the training rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Typical {
    /// Numeric: the lower median among the rows that stayed and have a value; none without such a row. Half of those who
    /// stayed or more have at most this value, and half or more at least this one.
    pub stayed_median: Option<f64>,
    /// Numeric: the least and the greatest value of any row.
    pub range: Option<(f64, f64)>,
    /// Categorical: the share that churned of the rows of each level; none without a row.
    pub churn_rates: Vec<Option<f64>>,
}

objects! { Typical { stayed_median, range, churn_rates } }

impl Typical {
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
