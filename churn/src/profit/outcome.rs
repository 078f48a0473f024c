//! What a campaign changed: those who were contacted against the control group.

use serde::Serialize;

use crate::compare::two_sided_z;
use crate::error::{Error, ErrorKind, Result};
use crate::objects::objects;

/// How to judge a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OutcomeConfig {
    /// Of such intervals the share that hold the true difference, above 0 and below 1; default 0.95.
    pub confidence: f64,
}

objects! { @default OutcomeConfig { confidence } }

impl Default for OutcomeConfig {
    fn default() -> Self {
        OutcomeConfig { confidence: 0.95 }
    }
}

/// The customers of a campaign who were contacted, or those who were not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Customers in it.
    pub customers: u64,
    /// Of them, how many stayed.
    pub retained: u64,
    /// retained / customers.
    pub rate: f64,
}

objects! { Group { customers, retained, rate } }

/// What a campaign changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CampaignOutcome {
    /// Those who were contacted.
    pub contacted: Group,
    /// Those who were not.
    pub control: Group,
    /// Rate of the contacted − rate of the control group, −1 to 1.
    pub difference: f64,
    /// Where its interval begins.
    pub low: f64,
    /// Where its interval ends. Contacting has had an effect if 0 is outside.
    pub high: f64,
    /// Customers who stayed because they were contacted: difference · contacted; below 0 if contacting drove some away.
    pub customers_kept: f64,
    /// low · contacted.
    pub customers_kept_low: f64,
    /// high · contacted.
    pub customers_kept_high: f64,
}

objects! {
    CampaignOutcome {
        contacted, control, difference, low, high, customers_kept, customers_kept_low, customers_kept_high,
    }
}

/// Compares the retention of those who were contacted with that of the control group, a row a customer. Only a control
/// group that was held out at random, as [`contact_list`](super::contact_list) does, makes the difference an effect.
///
/// The interval is the hybrid score interval of Newcombe (1998, Statistics in Medicine 17, method 10): with the Wilson
/// limits (l, u) of each rate r,
///
/// ```text
/// low  = r₁ − r₂ − √((r₁ − l₁)² + (u₂ − r₂)²)
/// high = r₁ − r₂ + √((u₁ − r₁)² + (r₂ − l₂)²)
/// ```
///
/// His example: 56 of 70 against 48 of 80.
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

/// The score interval of Wilson (1927): (2nr + z² ∓ z√(z² + 4nr(1 − r))) / 2(n + z²).
fn wilson(Group { customers, retained, rate }: Group, z: f64) -> (f64, f64) {
    let (n, k) = (customers as f64, retained as f64);
    let spread = z * (z * z + 4.0 * k * (1.0 - rate)).sqrt();
    let limit = |spread: f64| ((2.0 * k + z * z + spread) / (2.0 * (n + z * z))).clamp(0.0, 1.0);
    (limit(-spread), limit(spread))
}
