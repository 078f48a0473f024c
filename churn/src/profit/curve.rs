//! Profit by the share of customers contacted, and its maximum.

use serde::Serialize;

use super::Campaign;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Sorted, thinned};
use crate::objects::objects;

/// What contacting everybody at or above a threshold earns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProfitPoint {
    /// Share of the customers contacted, 0 to 1.
    pub share: f64,
    /// The lowest probability contacted; on an [`expected_curve`] the lowest expected profit. None where nobody is.
    pub threshold: Option<f64>,
    /// Total profit, in the currency of the costs.
    pub profit: f64,
}

objects! { ProfitPoint { share, threshold, profit } }

/// Profit by the share of customers contacted, those most worth it first. Customers who are ranked alike are contacted
/// together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfitCurve {
    /// From share 0, where the profit is 0, to share 1; thinned to about 200, the best among them.
    pub points: Vec<ProfitPoint>,
    /// The highest profit; of equal ones that with the fewest contacts.
    pub best: ProfitPoint,
}

objects! { ProfitCurve { points, best } }

impl ProfitCurve {
    fn new(points: Vec<ProfitPoint>) -> Self {
        let best = best(&points);
        let mut points = thinned(points);
        let at = points.partition_point(|point| point.share < best.share);
        if points[at].share != best.share {
            points.insert(at, best);
        }
        ProfitCurve { points, best }
    }
}

/// What [`mpc`] found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mpc {
    /// Maximum profit per customer, in the currency of the costs; 0 if contacting nobody is best.
    pub mpc: f64,
    /// Share of the customers to contact for it, 0 to 1.
    pub fraction: f64,
    /// The lowest probability contacted; none if nobody is.
    pub threshold: Option<f64>,
}

objects! { Mpc { mpc, fraction, threshold } }

/// The maximum profit measure for customer churn (Verbeke et al. 2012): the highest average profit per customer that any
/// threshold would have earned,
///
/// ```text
/// MPC = max over thresholds of [ tp · (γ(V − d) − f) − fp · (d + f) ] / n
/// ```
///
/// with the tp churners and the fp others at or above the threshold, and V = `clv`. At least 0, by contacting nobody; of
/// equally good thresholds the one with the fewest contacts.
///
/// # Errors
/// `shape_mismatch`, `too_few_rows` for none, `one_class`, `invalid_probability`, `invalid_parameter`.
pub fn mpc(churned: &[bool], probabilities: &[f64], campaign: &Campaign) -> Result<Mpc> {
    let best = best(&realised(churned, probabilities, campaign)?);
    Ok(Mpc { mpc: best.profit / churned.len() as f64, fraction: best.share, threshold: best.threshold })
}

/// What contacting would have earned, from what happened: customers by falling probability, each churner contacted worth
/// γ(V − d) − f and each other customer −(d + f), with V = `clv`. Its best point divided by n is [`mpc`].
///
/// # Errors
/// Those of [`mpc`].
pub fn curve(churned: &[bool], probabilities: &[f64], campaign: &Campaign) -> Result<ProfitCurve> {
    Ok(ProfitCurve::new(realised(churned, probabilities, campaign)?))
}

/// What contacting is expected to earn, before anything has happened: customers by falling
/// [`expected_profit`](Campaign::expected_profit), with their own `values` or `clv` for all. The best is to contact
/// everybody whose expected profit is above 0.
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
    // In one order, so that the sums do not depend on the order of the rows.
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

/// Every point of the curve of what happened.
fn realised(churned: &[bool], probabilities: &[f64], campaign: &Campaign) -> Result<Vec<ProfitPoint>> {
    campaign.check()?;
    let sorted = Sorted::new(churned, probabilities)?;
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

/// The first of the points with the highest profit.
fn best(points: &[ProfitPoint]) -> ProfitPoint {
    points.iter().copied().fold(NOBODY, |best, point| if point.profit > best.profit { point } else { best })
}
