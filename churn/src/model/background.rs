//! The data that explanations compare a customer with: a sample of the training rows, and typical values of each feature.

use serde::Serialize;

use crate::features::FeatureSpec;
use crate::objects::objects;
use crate::segments::Segment;
use crate::table::MAX_NUMBER;

/// The largest number of background rows in a document.
pub(crate) const MAX_BACKGROUND: usize = 10_000;

/// Typical values of a feature in the training rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Typical {
    /// Numeric: the lower median over the rows that stayed and have a value; none without such a row. At least half of these
    /// rows have at most this value, and at least half have this value or more.
    pub stayed_median: Option<f64>,
    /// Numeric: the smallest and the largest value over all rows.
    pub range: Option<(f64, f64)>,
    /// Categorical: for each level, the churn rate of its rows; none for a level without rows.
    pub churn_rates: Vec<Option<f64>>,
    /// The typical value in each risk segment ([`Segment::ALL`]), over the training rows whose predicted probability lies in
    /// the segment by the training's thresholds. It is the lower median of a numeric feature, and the index of the most
    /// common level of a categorical one (of equally common levels the first). None if fewer than 20 rows, or less than half
    /// of the segment's rows, have a value. Empty in documents of versions that did not store it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_segment: Vec<Option<f64>>,
}

objects! { Typical { stayed_median, range, churn_rates, by_segment = Vec::new() } }

impl Typical {
    /// The typical value in a risk segment; none if the document has none.
    pub(crate) fn in_segment(&self, segment: Segment) -> Option<f64> {
        *self.by_segment.get(segment as usize)?
    }

    /// Returns true if the values are valid for the feature. Used to check values that come from a document.
    pub(crate) fn fits(&self, spec: &FeatureSpec) -> bool {
        let (low, high) = self.range.unwrap_or((0.0, 0.0));
        let size = |value: f64| value.abs() <= MAX_NUMBER;
        let is_value = |value: f64| if spec.levels.is_some() { spec.has_level(value) } else { size(value) };
        self.churn_rates.len() == spec.levels.as_ref().map_or(0, Vec::len)
            && self.churn_rates.iter().flatten().all(|rate| (0.0..=1.0).contains(rate))
            && size(low)
            && size(high)
            && low <= high
            && size(self.stayed_median.unwrap_or(0.0))
            && [0, Segment::ALL.len()].contains(&self.by_segment.len())
            && self.by_segment.iter().flatten().all(|&value| is_value(value))
    }
}
