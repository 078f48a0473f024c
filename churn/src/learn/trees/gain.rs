//! The gain of a split, and the search for the best split of a histogram.

use super::bins::{BINS, BinKind, BinnedColumn, MISSING};
use super::gradients::Units;
use super::growth::Growth;
use super::histogram::GradientSum;
use crate::model::tree::{LevelSet, Rule};

/// The best split of a node.
#[derive(Clone, Debug)]
pub(crate) struct BestSplit {
    pub(crate) feature: usize,
    pub(crate) rule: Rule,
    pub(crate) missing_left: bool,
    pub(crate) left_sum: GradientSum,
    /// For each code, true if it goes left.
    pub(crate) goes_left: [bool; BINS],
}

/// The criterion in units of the sums: GL²/(HL + λ) + GR²/(HR + λ), which is maximised.
pub(crate) struct Criterion {
    /// The penalty λ.
    l2: f64,
    /// The smallest curvature of a side.
    least: i64,
    /// The gain must exceed this, plus a billionth of the node's own worth. Smaller gains are rounding errors.
    rounding: f64,
    /// The noise of [`Growth`](super::growth::Growth), in units of the criterion.
    noise: f64,
    outcome: Outcome,
    units: Units,
}

/// The meaning of the sums.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Gradients and curvatures of the log-loss: without information, the variance of the one is the other.
    LogLoss,
    /// Numbers of churners and of rows: without information, the variance of the one is p (1 − p) times the other.
    Rate,
}

/// A candidate split of a feature between two bins.
#[derive(Clone, Copy)]
struct SplitPoint {
    upto: usize,
    missing_left: bool,
    left: GradientSum,
}

/// The best split so far, over the features tried.
#[derive(Clone, Default)]
pub(crate) struct BestSoFar {
    /// The criterion as numerator and denominator, so that comparisons need no division.
    worth: Option<(f64, f64)>,
    found: Option<BestSplit>,
}

impl BestSoFar {
    pub(crate) fn is_found(&self) -> bool {
        self.found.is_some()
    }

    pub(crate) fn into_found(self) -> Option<BestSplit> {
        self.found
    }
}

impl Criterion {
    pub(crate) fn new(growth: &Growth, outcome: Outcome, units: Units) -> Self {
        let Growth { l2, min_child_weight, noise, .. } = *growth;
        Criterion {
            l2: l2 / units.h,
            least: ((min_child_weight / units.h).ceil() as i64).max(1),
            noise: noise * units.h / (units.g * units.g),
            outcome,
            rounding: 1e-18 * units.h / (units.g * units.g),
            units,
        }
    }

    /// The value of a leaf of this sum.
    pub(crate) fn value(&self, sum: GradientSum) -> f64 {
        let curvature = sum.h as f64 + self.l2;
        // Without curvature and penalty the value would be 0/0, and there is nothing left to learn.
        if curvature > 0.0 { sum.g as f64 * self.units.g / (curvature * self.units.h) } else { 0.0 }
    }

    pub(crate) fn cover(&self, sum: GradientSum) -> f64 {
        sum.h as f64 * self.units.h
    }

    /// Returns true if a node with this sum is large enough to be split.
    pub(crate) fn can_split(&self, sum: GradientSum) -> bool {
        sum.h >= self.least.saturating_mul(2)
    }

    /// Replaces `best` by the best split of a feature if that is better. Of equal ones the first stays.
    pub(crate) fn search<C: Copy + Default + PartialEq + Into<GradientSum>>(
        &self,
        feature: usize,
        column: &BinnedColumn,
        histogram: &[C; BINS],
        total: GradientSum,
        best: &mut BestSoFar,
    ) {
        let missing = histogram[usize::from(MISSING)].into();
        match &column.kind {
            BinKind::Numeric { edges } => {
                let Some(place) = self.scan(histogram, total, 0..edges.len() as u8, 0.0, best) else { return };
                let mut goes_left = [false; BINS];
                goes_left[..=place.upto].fill(true);
                best.found = Some(found(feature, Rule::AtMost(edges[place.upto]), goes_left, missing, total, place));
            }
            BinKind::Categorical { .. } => {
                // The levels in this node, sorted by their rate. A pseudo-count keeps rare levels away from the ends.
                let mean = total.g as f64 / total.h.max(1) as f64;
                let pseudo = 10.0 / self.units.h;
                let rate = |level: u8| {
                    let GradientSum { g, h } = histogram[usize::from(level)].into();
                    (g as f64 + pseudo * mean) / (h as f64 + pseudo)
                };
                let mut order: Vec<u8> =
                    (0..column.bins() as u8).filter(|&l| histogram[usize::from(l)] != C::default()).collect();
                let mut rates = [0.0; BINS];
                order.iter().for_each(|&level| rates[usize::from(level)] = rate(level));
                by_rate(&mut order, &rates);
                let chance = self.gain_by_chance(order.len(), total);
                let Some(place) = self.scan(histogram, total, order.iter().copied(), chance, best) else { return };
                let (mut levels, mut goes_left) = (LevelSet::default(), [false; BINS]);
                for &level in &order[..=place.upto] {
                    levels.insert(level);
                    goes_left[usize::from(level)] = true;
                }
                best.found = Some(found(feature, Rule::Levels(levels), goes_left, missing, total, place));
            }
        }
    }

    /// The gain by which the best split of a category without information exceeds that of a number without information.
    ///
    /// Both are counted to the mean and two standard deviations, in units of the variance of one row. The standardised sum of each of k
    /// levels is a standard normal number z. Sorted by it, the best split is near the middle, and gains (Σ|z|)² / k. As |z| has
    /// the mean √(2/π) and the variance 1 − 2/π, the root of that gain has the mean √(2k/π) and the variance 1 − 2/π. The best cut
    /// of a number with many values gains about 10 (Miller and Siegmund, "Maximally Selected Chi Square Statistics", 1982).
    fn gain_by_chance(&self, levels: usize, total: GradientSum) -> f64 {
        const OF_A_NUMBER: f64 = 10.0;
        const SHARE: f64 = std::f64::consts::FRAC_2_PI;
        let root = (levels as f64 * SHARE).sqrt() + 2.0 * (1.0 - SHARE).sqrt();
        let excess = root * root - OF_A_NUMBER;
        if excess <= 0.0 {
            return 0.0;
        }
        let variance = match self.outcome {
            Outcome::LogLoss => 1.0,
            Outcome::Rate => {
                let rate = total.g as f64 / total.h.max(1) as f64;
                rate * (1.0 - rate)
            }
        };
        excess * variance * self.noise
    }

    /// Tries every prefix of `bins` as the left side, with the rows of missing values on either side. The gain must exceed that of
    /// the best split so far by `chance`.
    fn scan<C: Copy + Default + PartialEq + Into<GradientSum>>(
        &self,
        histogram: &[C; BINS],
        total: GradientSum,
        bins: impl Iterator<Item = u8>,
        chance: f64,
        best: &mut BestSoFar,
    ) -> Option<SplitPoint> {
        let missing: GradientSum = histogram[usize::from(MISSING)].into();
        let some_missing = missing != GradientSum::default();
        let (mut most, mut most_of) = best.worth.unwrap_or_else(|| {
            let whole = (total.g as f64) * (total.g as f64);
            let curvature = total.h as f64 + self.l2;
            (whole * (1.0 + 1e-9) + self.rounding * curvature, curvature)
        });
        let mut at = None;
        let mut present = GradientSum::default();
        let mut consider = |upto: usize, missing_left: bool, left: GradientSum| {
            let right = total - left;
            if left.h < self.least || right.h < self.least {
                return;
            }
            let (gl, gr) = (left.g as f64, right.g as f64);
            let (hl, hr) = (left.h as f64 + self.l2, right.h as f64 + self.l2);
            let of = hl * hr;
            let worth = gl * gl * hr + gr * gr * hl - chance * of;
            if worth * most_of > most * of {
                (most, most_of) = (worth, of);
                at = Some(SplitPoint { upto, missing_left, left });
            }
        };
        for (upto, bin) in bins.enumerate() {
            let sum = histogram[usize::from(bin)];
            // An empty bin gives no new split.
            if sum == C::default() {
                continue;
            }
            present += sum.into();
            // From here on the right side only gets smaller.
            if total.h - present.h < self.least {
                break;
            }
            consider(upto, false, present);
            if some_missing {
                let mut left = present;
                left += missing;
                consider(upto, true, left);
            }
        }
        if at.is_some() {
            best.worth = Some((most, most_of));
        }
        at
    }
}

fn found(
    feature: usize,
    rule: Rule,
    mut goes_left: [bool; BINS],
    missing: GradientSum,
    total: GradientSum,
    place: SplitPoint,
) -> BestSplit {
    // If no value was missing in training, a missing value goes to the larger side.
    let missing_left = match missing == GradientSum::default() {
        true => place.left.h > total.h - place.left.h,
        false => place.missing_left,
    };
    goes_left[usize::from(MISSING)] = missing_left;
    BestSplit { feature, rule, missing_left, left_sum: place.left, goes_left }
}

/// Sorts levels by their rates; of equal ones, the lower level first.
fn by_rate(levels: &mut [u8], rates: &[f64; BINS]) {
    let rate = |level: u8| rates[usize::from(level)];
    levels.sort_unstable_by(|&a, &b| rate(a).total_cmp(&rate(b)).then(a.cmp(&b)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// The best split of k levels with standard normal sums and the curvature 1 each, by the definition: sorted by the sums, the
    /// largest of L²/l + R²/r − (L + R)²/(l + r) over the prefixes.
    fn best_gain(sums: &mut [f64]) -> f64 {
        sums.sort_unstable_by(f64::total_cmp);
        let (k, total) = (sums.len() as f64, sums.iter().sum::<f64>());
        let mut left = 0.0;
        let mut best = 0.0f64;
        for (i, sum) in sums[..sums.len() - 1].iter().enumerate() {
            left += sum;
            let n = i as f64 + 1.0;
            let right = total - left;
            best = best.max(left * left / n + right * right / (k - n) - total * total / k);
        }
        best
    }

    /// A category without information has a gain above that of a number and its excess in about one of forty nodes: two standard
    /// deviations.
    #[test]
    fn chance_is_what_categories_without_information_gain() {
        let growth = Growth { max_depth: 1, l2: 0.0, min_child_weight: 0.0, noise: 1.0 };
        let criterion = Criterion::new(&growth, Outcome::LogLoss, Units { g: 1.0, h: 1.0 });
        let mut random = Random::new(9, 0);
        let mut uniform = || (random.below(1 << 30) as f64 + 0.5) / f64::from(1 << 30);
        for levels in [20, 50, 200] {
            let allowed = criterion.gain_by_chance(levels, GradientSum { g: 0, h: 1 }) + 10.0;
            let mut above = 0;
            for _ in 0..4000 {
                // A sum of twelve uniform numbers is nearly normal, with the variance 1.
                let mut sums: Vec<f64> = (0..levels).map(|_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0).collect();
                above += usize::from(best_gain(&mut sums) > allowed);
            }
            assert!((10..=220).contains(&above), "{levels} levels: {above} of 4000");
        }
        assert_eq!(criterion.gain_by_chance(2, GradientSum { g: 0, h: 1 }), 0.0);
        // Counts of churners vary by p (1 − p): a quarter at most.
        let rate = Criterion::new(&growth, Outcome::Rate, Units { g: 1.0, h: 1.0 });
        let half = GradientSum { g: 50, h: 100 };
        assert_eq!(rate.gain_by_chance(50, half), criterion.gain_by_chance(50, half) / 4.0);
    }
}
