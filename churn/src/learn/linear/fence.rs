//! Clipping limits of a column's values before a linear model is fitted to them, so that no row outweighs all others.
//!
//! The limits are ten median distances from the median on either side. If a column has the same value in more than half of
//! its rows, the median distance would be 0. Then only the distances of the other rows count.

use crate::features::percentile;

/// The clipping limits; values beyond a limit count as the limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fence {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Width of the fence in median distances. Ten are 6.7 standard deviations of a normal distribution.
const REACH: f64 = 10.0;

impl Fence {
    /// No fence.
    pub(crate) const NONE: Fence = Fence { low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// The fence of these values, without missing ones (NaN). It is infinite if all values are the same.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Fence {
        let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
        if values.is_empty() {
            return Fence::NONE;
        }
        let median = percentile(&mut values, 0.5);
        let mut distances = values;
        distances.iter_mut().for_each(|value| *value = (*value - median).abs());
        let mut distance = percentile(&mut distances, 0.5);
        if distance == 0.0 {
            distances.retain(|distance| *distance > 0.0);
            if distances.is_empty() {
                return Fence::NONE;
            }
            distance = percentile(&mut distances, 0.5);
        }
        Fence { low: median - REACH * distance, high: median + REACH * distance }
    }

    /// The fence, narrowed to the range from `least` to `most`.
    pub(crate) fn within(self, least: f64, most: f64) -> Fence {
        Fence { low: self.low.max(least), high: self.high.min(most) }
    }

    pub(crate) fn clamp(&self, value: f64) -> f64 {
        value.clamp(self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: the median of 1 to 5 is 3, the distances are 2, 1, 0, 1, 2 with median 1: from −7 to 13. With 1000 instead
    /// of 5 both stay. Of 0, 0, 0, 2, 6 the median distance is 0; of the others, 2 and 6, it is 4: from −40 to 40.
    #[test]
    fn fences_by_hand() {
        assert_eq!(Fence::of([1.0, 2.0, 3.0, 4.0, 5.0].into_iter()), Fence { low: -7.0, high: 13.0 });
        let fence = Fence::of([1.0, 2.0, 3.0, f64::NAN, 4.0, 1000.0].into_iter());
        assert_eq!((fence, fence.clamp(1000.0)), (Fence { low: -7.0, high: 13.0 }, 13.0));
        assert_eq!(Fence::of([0.0, 0.0, 0.0, 2.0, 6.0].into_iter()), Fence { low: -40.0, high: 40.0 });
        assert_eq!(Fence::of([5.0, 5.0].into_iter()).clamp(1e9), 1e9);
        assert_eq!(Fence::of(std::iter::empty()).clamp(-1e9), -1e9);
    }
}
