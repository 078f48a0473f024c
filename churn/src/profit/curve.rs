//! Profit as a function of the share of customers contacted, and its maximum.

use serde::Serialize;

use super::Campaign;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{RankedRows, downsample};
use crate::objects::objects;

/// The profit of contacting all customers at or above a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProfitPoint {
    /// Share of the customers contacted, 0 to 1.
    pub share: f64,
    /// The lowest probability of a contacted customer; on an [`expected_curve`], the lowest expected profit. None if no
    /// customer is contacted.
    pub threshold: Option<f64>,
    /// Total profit, in the currency of the costs.
    pub profit: f64,
}

objects! { ProfitPoint { share, threshold, profit } }

/// Profit as a function of the share of customers contacted, most profitable customers first. Customers of equal rank are
/// contacted together.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProfitCurve {
    /// The points from share 0, whose profit is 0, to share 1; thinned to about 200, with the best point kept.
    pub points: Vec<ProfitPoint>,
    /// The point with the highest profit; of equal ones, the point with the fewest contacts.
    pub best: ProfitPoint,
}

objects! { ProfitCurve { points, best } }

impl ProfitCurve {
    fn new(points: Vec<ProfitPoint>) -> Self {
        let best = best(&points);
        let mut points = downsample(points);
        let at = points.partition_point(|point| point.share < best.share);
        if points[at].share != best.share {
            points.insert(at, best);
        }
        ProfitCurve { points, best }
    }
}

/// The result of [`mpc`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Mpc {
    /// Maximum profit per customer, in the currency of the costs; 0 if contacting nobody is best.
    pub mpc: f64,
    /// Share of the customers to contact for that profit, 0 to 1.
    pub fraction: f64,
    /// The lowest probability of a contacted customer; none if no customer is contacted.
    pub threshold: Option<f64>,
}

objects! { Mpc { mpc, fraction, threshold } }

/// Computes the maximum profit measure for customer churn (Verbeke et al. 2012): the highest average profit per customer over
/// all thresholds,
///
/// ```text
/// MPC = max over thresholds of [ tp · (γ(V − d) − f) − fp · (d + f) ] / n
/// ```
///
/// where tp churners and fp other customers are at or above the threshold, and V = `clv`. The result is at least 0, the
/// profit of contacting nobody. Of equally good thresholds, the one with the fewest contacts is taken.
///
/// # Errors
/// `shape_mismatch`, `too_few_rows` for none, `one_class`, `invalid_probability`, `invalid_parameter`.
pub fn mpc(churned: &[bool], probabilities: &[f64], campaign: &Campaign) -> Result<Mpc> {
    let best = best(&realised(churned, probabilities, campaign)?);
    Ok(Mpc { mpc: best.profit / churned.len() as f64, fraction: best.share, threshold: best.threshold })
}

/// Computes the profit curve from observed outcomes. Customers are contacted by falling probability. A contacted churner earns
/// γ(V − d) − f and any other contacted customer −(d + f), with V = `clv`. The profit of the best point divided by n is
/// [`mpc`].
///
/// # Errors
/// The errors of [`mpc`].
pub fn curve(churned: &[bool], probabilities: &[f64], campaign: &Campaign) -> Result<ProfitCurve> {
    Ok(ProfitCurve::new(realised(churned, probabilities, campaign)?))
}

/// Computes the profit curve that is expected from the probabilities, before outcomes are known. Customers are contacted by
/// falling [`expected_profit`](Campaign::expected_profit), with their own `values`, or `clv` for all. The best point contacts
/// every customer whose expected profit is above 0.
///
/// # Errors
/// `shape_mismatch`, `too_few_rows` for none, `invalid_probability`, `invalid_parameter` for the campaign or a value outside
/// 0 to 10^12.
pub fn expected_curve(probabilities: &[f64], values: Option<&[f64]>, campaign: &Campaign) -> Result<ProfitCurve> {
    let mut profits: Vec<f64> =
        campaign.profits(probabilities, values)?.into_iter().map(|(_, profit)| profit).collect();
    if profits.is_empty() {
        return Err(Error::new(ErrorKind::TooFewRows, "nobody to contact: there is no row"));
    }
    // Sorted, so that the sums do not depend on the order of the rows.
    profits.sort_unstable_by(f64::total_cmp);
    profits.reverse();
    let mut points = vec![NOBODY];
    let (mut contacted, mut profit) = (0, 0.0);
    for group in profits.chunk_by(|a, b| a == b) {
        contacted += group.len();
        profit += group.iter().sum::<f64>();
        points.push(ProfitPoint { share: contacted as f64 / profits.len() as f64, threshold: Some(group[0]), profit });
    }
    Ok(ProfitCurve::new(points))
}

const NOBODY: ProfitPoint = ProfitPoint { share: 0.0, threshold: None, profit: 0.0 };

/// All points of the curve from observed outcomes, without thinning.
fn realised(churned: &[bool], probabilities: &[f64], campaign: &Campaign) -> Result<Vec<ProfitPoint>> {
    campaign.check()?;
    let sorted = RankedRows::new(churned, probabilities)?;
    let Campaign { clv, incentive_cost, contact_cost, success_rate } = *campaign;
    let gain = success_rate * (clv - incentive_cost) - contact_cost;
    let cost = incentive_cost + contact_cost;
    let mut points = vec![NOBODY];
    let (mut churners, mut others) = (0, 0);
    for (probability, positives, negatives) in sorted.groups() {
        churners += positives;
        others += negatives;
        points.push(ProfitPoint {
            share: (churners + others) as f64 / sorted.len() as f64,
            threshold: Some(probability),
            profit: churners as f64 * gain - others as f64 * cost,
        });
    }
    Ok(points)
}

/// The first point with the highest profit.
fn best(points: &[ProfitPoint]) -> ProfitPoint {
    points.iter().copied().fold(NOBODY, |best, point| if point.profit > best.profit { point } else { best })
}
