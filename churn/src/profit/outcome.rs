//! The effect of a campaign: the contacted customers compared with the control group.

use serde::Serialize;

use crate::compare::two_sided_z;
use crate::error::{Error, ErrorKind, Result};
use crate::objects::objects;

/// Settings for evaluating a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OutcomeConfig {
    /// The confidence level of the interval: the share of such intervals that contain the true difference. Above 0 and below 1;
    /// default 0.95.
    pub confidence: f64,
}

objects! { @default OutcomeConfig { confidence } }

impl Default for OutcomeConfig {
    fn default() -> Self {
        OutcomeConfig { confidence: 0.95 }
    }
}

/// The contacted customers of a campaign, or the control group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Group {
    /// Customers in it.
    pub customers: u64,
    /// Number of them that stayed.
    pub retained: u64,
    /// The retention rate, retained / customers.
    pub rate: f64,
}

objects! { Group { customers, retained, rate } }

/// The outcome of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CampaignOutcome {
    /// The contacted customers.
    pub contacted: Group,
    /// The control group, which was not contacted.
    pub control: Group,
    /// Retention rate of the contacted customers − that of the control group, −1 to 1.
    pub difference: f64,
    /// Lower bound of the interval of the difference.
    pub low: f64,
    /// Upper bound of the interval of the difference. Contacting has had an effect if 0 is outside the interval.
    pub high: f64,
    /// Number of customers who stayed because they were contacted: difference · contacted. Below 0 if contacting made some
    /// leave.
    pub customers_kept: f64,
    /// Lower bound of that number: low · contacted.
    pub customers_kept_low: f64,
    /// Upper bound of that number: high · contacted.
    pub customers_kept_high: f64,
}

objects! {
    CampaignOutcome {
        contacted, control, difference, low, high, customers_kept, customers_kept_low, customers_kept_high,
    }
}

/// Compares the retention of the contacted customers with that of the control group, with one row per customer. The
/// difference is an effect of the campaign only if the control group was held out at random, as
/// [`contact_list`](super::contact_list) does.
///
/// The interval is the hybrid score interval of Newcombe (1998, Statistics in Medicine 17, method 10). With the Wilson
/// limits (l, u) of each rate r it is
///
/// ```text
/// low  = r₁ − r₂ − √((r₁ − l₁)² + (u₂ − r₂)²)
/// high = r₁ − r₂ + √((u₁ − r₁)² + (r₂ − l₂)²)
/// ```
///
/// The example of that paper: 56 of 70 against 48 of 80.
///
/// ```
/// use churn::profit::{OutcomeConfig, campaign_outcome};
/// let contacted: Vec<bool> = (0..150).map(|i| i < 70).collect();
/// let churned: Vec<bool> = (0..150).map(|i| if i < 70 { i >= 56 } else { i >= 70 + 48 }).collect();
/// let outcome = campaign_outcome(&contacted, &churned, &OutcomeConfig::default())?;
/// assert!((outcome.low - 0.0524).abs() < 5e-5 && (outcome.high - 0.3339).abs() < 5e-5);
/// assert!((outcome.customers_kept - 14.0).abs() < 1e-12); // (0.8 − 0.6) · 70
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `shape_mismatch`, `too_few_rows` if either group is empty, `invalid_parameter`.
pub fn campaign_outcome(contacted: &[bool], churned: &[bool], config: &OutcomeConfig) -> Result<CampaignOutcome> {
    let z = two_sided_z(config.confidence)?;
    if contacted.len() != churned.len() {
        let message =
            format!("{} groups and {} outcomes; expected one of each a customer", contacted.len(), churned.len());
        return Err(Error::new(ErrorKind::ShapeMismatch, message));
    }
    let group = |of: bool, name: &str| {
        let outcomes = || contacted.iter().zip(churned).filter(move |row| *row.0 == of);
        let (customers, retained) = (outcomes().count() as u64, outcomes().filter(|row| !row.1).count() as u64);
        if customers == 0 {
            let message = format!("the {name} group is empty; expected at least one customer in either group");
            return Err(Error::new(ErrorKind::TooFewRows, message));
        }
        Ok(Group { customers, retained, rate: retained as f64 / customers as f64 })
    };
    let (contacted, control) = (group(true, "contacted")?, group(false, "control")?);
    let ((l1, u1), (l2, u2)) = (wilson(contacted, z), wilson(control, z));
    let (r1, r2) = (contacted.rate, control.rate);
    let difference = r1 - r2;
    let low = difference - ((r1 - l1) * (r1 - l1) + (u2 - r2) * (u2 - r2)).sqrt();
    let high = difference + ((u1 - r1) * (u1 - r1) + (r2 - l2) * (r2 - l2)).sqrt();
    let customers = contacted.customers as f64;
    Ok(CampaignOutcome {
        contacted,
        control,
        difference,
        low,
        high,
        customers_kept: difference * customers,
        customers_kept_low: low * customers,
        customers_kept_high: high * customers,
    })
}

/// Computes the score interval of Wilson (1927): (2nr + z² ∓ z√(z² + 4nr(1 − r))) / 2(n + z²).
fn wilson(Group { customers, retained, rate }: Group, z: f64) -> (f64, f64) {
    let (n, k) = (customers as f64, retained as f64);
    let spread = z * (z * z + 4.0 * k * (1.0 - rate)).sqrt();
    let limit = |spread: f64| ((2.0 * k + z * z + spread) / (2.0 * (n + z * z))).clamp(0.0, 1.0);
    (limit(-spread), limit(spread))
}
