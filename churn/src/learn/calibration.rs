//! Fitting of the calibrations.
//!
//! They are fitted on scores of rows that the learner was not trained on (cross-fitting).
//!
//! **Platt** (1999): p = sigmoid(slope · score + offset), with his smoothed targets.
//!
//! **Isotonic**: pool-adjacent-violators, with each block shrunk to the base rate by one pseudo-row. The curve is linear
//! between blocks. Within a block it is nearly flat: it rises by a thousandth of the distance to its neighbours, so that
//! customers with different scores keep their order.
//!
//! By default, it is Platt's curve, unless there are many customers of both outcomes and the isotonic curve has the lower
//! log-loss on customers that it was not fitted on, by more than the standard error. A curve of many blocks follows chance: on
//! simulated tables of 5,000 and 8,000 scored rows, where Platt's curve is nearly true, it had a log-loss that was higher by .001
//! to .0026.

use super::folds::FOLDS;
use super::linear::{Fence, Problem};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::log_loss_of;
use crate::model::calibration::{Calibration, CalibrationKind};
use crate::model::logit;
use crate::progress::{Observer, check_cancelled};
use crate::random::mix;

/// Smallest number of customers of either outcome for which the isotonic curve is tried. Customers count, not rows: rows of one
/// customer at several cutoffs are nearly the same, and a curve that follows them would overfit.
const ENOUGH_FOR_ISOTONIC: usize = 1000;

/// The outcomes of the scored rows, with their customers and weights.
pub(super) struct Outcomes<'a> {
    pub(super) churned: &'a [bool],
    /// Rows of one customer share a number.
    pub(super) customers: &'a [u32],
    pub(super) weight: &'a dyn Fn(usize) -> f64,
}

impl Outcomes<'_> {
    /// The number of customers that have a row with this outcome among these rows.
    fn customers(&self, rows: &[usize], churned: bool) -> usize {
        let with = rows.iter().filter(|&&row| self.churned[row] == churned);
        let mut customers: Vec<u32> = with.map(|&row| self.customers[row]).collect();
        customers.sort_unstable();
        customers.dedup();
        customers.len()
    }
}

impl Calibration {
    /// Fits a calibration to the scores of unseen rows. Rows without a score (NaN) are left out.
    pub(super) fn fit(
        kind: CalibrationKind,
        scores: &[f64],
        outcomes: &Outcomes<'_>,
        observer: &dyn Observer,
    ) -> Result<Self> {
        check_cancelled(observer, "calibration")?;
        let rows: Vec<usize> = (0..scores.len()).filter(|&row| !scores[row].is_nan()).collect();
        let fewest = outcomes.customers(&rows, true).min(outcomes.customers(&rows, false));
        if fewest == 0 && kind != CalibrationKind::None {
            let message = "of the rows that can be scored unseen all have one outcome: too few different customers, or too \
                           few trees";
            return Err(Error::new(ErrorKind::OneClass, message));
        }
        let scores: Vec<f64> = rows.iter().map(|&row| scores[row]).collect();
        let churned: Vec<bool> = rows.iter().map(|&row| outcomes.churned[row]).collect();
        let weights: Vec<f64> = rows.iter().map(|&row| (outcomes.weight)(row)).collect();
        match kind {
            CalibrationKind::None => Ok(Calibration::Identity),
            CalibrationKind::Isotonic => Ok(isotonic(&sorted(&scores, &churned, &weights))),
            CalibrationKind::Platt => platt(&scores, &churned, &weights, observer),
            CalibrationKind::Auto => {
                let platt = platt(&scores, &churned, &weights, observer)?;
                if fewest < ENOUGH_FOR_ISOTONIC {
                    return Ok(platt);
                }
                let sorted = sorted(&scores, &churned, &weights);
                let customer = |row: &ScoredRow| outcomes.customers[rows[row.number]];
                Ok(if isotonic_is_better(&sorted, customer, &platt) { isotonic(&sorted) } else { platt })
            }
        }
    }
}

fn platt(scores: &[f64], churned: &[bool], weights: &[f64], observer: &dyn Observer) -> Result<Calibration> {
    // A single score far from all others would flatten the curve for all rows.
    let fence = Fence::of(scores.iter().copied());
    let scores: Vec<f64> = scores.iter().map(|&score| fence.clamp(score)).collect();
    let positives = churned.iter().filter(|&&y| y).count() as f64;
    let negatives = churned.len() as f64 - positives;
    let (yes, no) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
    let y: Vec<f64> = churned.iter().map(|&y| if y { yes } else { no }).collect();
    let fill = |rows: std::ops::Range<usize>, out: &mut [f64]| out[..rows.len()].copy_from_slice(&scores[rows]);
    let fitted = Problem { fill: &fill, columns: 1, y: &y, weights, l2: 0.0, observer }.minimum()?;
    // A score that ranks worse than chance has no use, and reversing it would be worse. So the slope may not be negative.
    if fitted[1] > 0.0 {
        return Ok(Calibration::Platt { slope: fitted[1], offset: fitted[0] });
    }
    let rate = y.iter().zip(weights).map(|(y, w)| y * w).sum::<f64>() / weights.iter().sum::<f64>();
    Ok(Calibration::Platt { slope: 0.0, offset: logit(rate) })
}

/// The slope of a logistic regression of the outcomes on the log-odds of the probabilities, with its standard error. None if
/// the probabilities or the outcomes do not vary.
pub(crate) fn slope_of_log_odds(churned: &[bool], probabilities: &[f64]) -> Option<(f64, f64)> {
    let scores: Vec<f64> = probabilities.iter().map(|p| logit(p.clamp(1e-6, 1.0 - 1e-6))).collect();
    if !(churned.contains(&true) && churned.contains(&false)) || scores.iter().all(|score| *score == scores[0]) {
        return None;
    }
    let y: Vec<f64> = churned.iter().map(|&y| f64::from(u8::from(y))).collect();
    let weights = vec![1.0; y.len()];
    let fill = |rows: std::ops::Range<usize>, out: &mut [f64]| out[..rows.len()].copy_from_slice(&scores[rows]);
    let fitted =
        Problem { fill: &fill, columns: 1, y: &y, weights: &weights, l2: 0.0, observer: &() }.minimum().ok()?;
    // The Fisher information of intercept and slope at the minimum.
    let (mut a, mut b, mut c) = (0.0, 0.0, 0.0);
    for score in &scores {
        let p = crate::model::sigmoid(fitted[0] + fitted[1] * score);
        let curvature = p * (1.0 - p);
        a += curvature;
        b += curvature * score;
        c += curvature * score * score;
    }
    let information = c - b * b / a;
    (information > 0.0).then(|| (fitted[1], 1.0 / information.sqrt()))
}

#[derive(Clone, Copy)]
struct ScoredRow {
    score: f64,
    churned: bool,
    weight: f64,
    number: usize,
}

/// The rows with a weight, by rising score.
fn sorted(scores: &[f64], churned: &[bool], weights: &[f64]) -> Vec<ScoredRow> {
    let row = |number| ScoredRow { score: scores[number], churned: churned[number], weight: weights[number], number };
    let mut rows: Vec<ScoredRow> = (0..scores.len()).map(row).filter(|row| row.weight > 0.0).collect();
    rows.sort_unstable_by(|a, b| {
        a.score.total_cmp(&b.score).then(a.churned.cmp(&b.churned)).then(a.weight.total_cmp(&b.weight))
    });
    rows
}

/// Returns true if the isotonic curve has the lower log-loss than Platt's, by more than the standard error of the difference,
/// when each fifth of the customers is judged by the curve of the others.
fn isotonic_is_better(sorted: &[ScoredRow], customer: impl Fn(&ScoredRow) -> u32, platt: &Calibration) -> bool {
    const STREAM: u64 = 0xca1 << 32;
    let part = |row: &ScoredRow| mix(STREAM ^ u64::from(customer(row))) % FOLDS as u64;
    let most = sorted.iter().map(&customer).max().map_or(0, |most| most as usize + 1);
    let mut gains = vec![0.0; most];
    for fold in 0..FOLDS as u64 {
        let others: Vec<ScoredRow> = sorted.iter().filter(|row| part(row) != fold).copied().collect();
        if !(others.iter().any(|row| row.churned) && others.iter().any(|row| !row.churned)) {
            return false;
        }
        let curve = isotonic(&others);
        for row in sorted.iter().filter(|row| part(row) == fold) {
            let loss = |curve: &Calibration| log_loss_of(curve.probability(row.score), row.churned);
            gains[customer(row) as usize] += row.weight * (loss(platt) - loss(&curve));
        }
    }
    // The sum of the gains of independent customers; their mean is near 0, so it is left out of the variance.
    let (gain, squares) = gains.iter().fold((0.0, 0.0), |(sum, squares), gain| (sum + gain, squares + gain * gain));
    gain > squares.sqrt()
}

/// The isotonic curve of rows by rising score.
fn isotonic(rows: &[ScoredRow]) -> Calibration {
    struct PavBlock {
        weight: f64,
        churned: f64,
        from: f64,
        to: f64,
    }
    let total: f64 = rows.iter().map(|row| row.weight).sum();
    let rate = rows.iter().filter(|row| row.churned).map(|row| row.weight).sum::<f64>() / total;
    let mut blocks: Vec<PavBlock> = Vec::new();
    for group in rows.chunk_by(|a, b| a.score == b.score) {
        let weight: f64 = group.iter().map(|row| row.weight).sum();
        let churned = group.iter().filter(|row| row.churned).map(|row| row.weight).sum();
        blocks.push(PavBlock { weight, churned, from: group[0].score, to: group[0].score });
        while let [.., before, last] = blocks.as_mut_slice() {
            if before.churned * last.weight < last.churned * before.weight {
                break;
            }
            before.weight += last.weight;
            before.churned += last.churned;
            before.to = last.to;
            blocks.pop();
        }
    }
    // The shrinkage by the pseudo-row must not change the order of the blocks.
    let mut floor = 0.0;
    let values: Vec<f64> = blocks
        .iter()
        .map(|block| {
            floor = f64::max(floor, (block.churned + rate) / (block.weight + 1.0));
            floor
        })
        .collect();
    const TILT: f64 = 1e-3;
    let (mut scores, mut probabilities) = (Vec::new(), Vec::new());
    for (i, block) in blocks.iter().enumerate() {
        let below = if i == 0 { 0.0 } else { values[i - 1] };
        let above = values.get(i + 1).copied().unwrap_or(1.0);
        if block.from == block.to {
            scores.push(block.from);
            probabilities.push(values[i]);
        } else {
            scores.extend([block.from, block.to]);
            probabilities.extend([values[i] - TILT * (values[i] - below), values[i] + TILT * (above - values[i])]);
        }
    }
    Calibration::Isotonic { scores, probabilities }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores 1, 2, 3, 4 with outcomes 0, 1, 0, 1: the middle two violate and pool to ½ from 2 to 3. With one pseudo-row of
    /// the base rate ½ the blocks are (0 + ½)/2 = ¼, (1 + ½)/3 = ½ and (1 + ½)/2 = ¾; the middle one tilts by ¼/1000.
    #[test]
    fn isotonic_by_hand() {
        let fitted = isotonic(&sorted(&[1.0, 2.0, 3.0, 4.0], &[false, true, false, true], &[1.0; 4]));
        for (score, expected) in [
            (0.0, 0.25),
            (1.0, 0.25),
            (1.5, 0.374875),
            (2.0, 0.49975),
            (2.5, 0.5),
            (3.0, 0.50025),
            (4.0, 0.75),
            (9.0, 0.75),
        ] {
            assert!((fitted.probability(score) - expected).abs() < 1e-15, "{score}");
        }
    }

    /// 4,000 customers with the scores −2 to 2. If their log-odds are the scores, Platt's curve is true and is kept; if they churn
    /// at one rate below 0 and at another above, no sigmoid fits and the isotonic curve is taken.
    #[test]
    fn the_isotonic_curve_must_be_better_on_other_customers() {
        let mut random = crate::random::Random::new(3, 0);
        let scores: Vec<f64> = (0..4_000).map(|i| f64::from(i) / 1_000.0 - 2.0).collect();
        let customers: Vec<u32> = (0..4_000).collect();
        let mut fit = |rate: &dyn Fn(f64) -> f64| {
            let churned: Vec<bool> =
                scores.iter().map(|&score| random.below(1_000_000) as f64 / 1e6 < rate(score)).collect();
            let outcomes = Outcomes { churned: &churned, customers: &customers, weight: &|_| 1.0 };
            Calibration::fit(CalibrationKind::Auto, &scores, &outcomes, &()).expect("both outcomes")
        };
        assert!(matches!(fit(&crate::model::sigmoid), Calibration::Platt { .. }));
        assert!(matches!(fit(&|score| if score < 0.0 { 0.1 } else { 0.9 }), Calibration::Isotonic { .. }));
    }

    /// With two different scores Platt's curve passes through his smoothed targets exactly: at score 0, one of four churned
    /// and at score 1, three of four; targets are (4 + 1)/(4 + 2) = 5/6 and 1/6, so the means are
    /// (5/6 + 3/6)/4 = 1/3 and (15/6 + 1/6)/4 = 2/3; slope = 2 ln 2, offset = −ln 2.
    #[test]
    fn platt_by_hand() {
        let scores = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        let churned = [true, false, false, false, true, true, true, false];
        let Calibration::Platt { slope, offset } = platt(&scores, &churned, &[1.0; 8], &()).expect("it converges")
        else {
            panic!()
        };
        assert!((slope - 2.0 * std::f64::consts::LN_2).abs() < 1e-9);
        assert!((offset + std::f64::consts::LN_2).abs() < 1e-9);
    }
}
